"""What is worth saying about a scenario that is valid: what cannot come in time, and what is ignored."""

from emulator.media import TOPOLOGIES
from scenarios.file.graphml import graph_remarks
from scenarios.file.scenario import Scenario
from scenarios.file.timing import timing_warnings

__all__ = ["remarks"]


def remarks(scenario: Scenario) -> list[str]:
    """Return warnings and notes, a line each."""
    topology = scenario.fronthaul.topology
    notes = graph_remarks(topology, scenario.access_point_names) if topology not in TOPOLOGIES else ()
    return [
        *(f"warning: {text}" for text in timing_warnings(scenario)),
        *(f"note: {topology}: {text}" for text in notes),
    ]
