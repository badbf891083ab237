"""What is worth saying about a scenario that is valid: what cannot come in time, and what is ignored."""

from collections.abc import Iterator

from emulator.media import TOPOLOGIES
from scenarios.file.graphml import graph_remarks
from scenarios.file.scenario import Scenario
from scenarios.file.timing import timing_warnings

__all__ = ["remarks"]

LEAST_TO_LEAVE_OUT = 4
"""Receivers of which the test of each against the others may leave one out."""


def remarks(scenario: Scenario) -> list[str]:
    """Return warnings and notes, a line each."""
    topology = scenario.fronthaul.topology
    notes = graph_remarks(topology, scenario.access_point_names) if topology not in TOPOLOGIES else ()
    return [
        *(f"warning: {text}" for text in (*timing_warnings(scenario), *_idle_tests(scenario))),
        *(f"note: {topology}: {text}" for text in notes),
    ]


def _idle_tests(scenario: Scenario) -> Iterator[str]:
    """Tell of a test of receivers that has too few of them to leave one out."""
    n_rx = scenario.schedule.n_receivers
    if scenario.consistency.false_alarm_probability is not None and n_rx < LEAST_TO_LEAVE_OUT:
        text = f"consistency leaves nobody out of {n_rx} receivers"
        yield f"{text}: at most (n_receivers - 2) / 2 are; give schedule.n_receivers = {LEAST_TO_LEAVE_OUT} or more"
