"""All that the page of a run shows, as plain data, from the files of its output folder alone.

What result.json says stands in it as it is; of a run that is too long for a page, each k-th CPI alone.
"""

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from models.observation import REASONS
from scenarios.file.problems import ScenarioError
from scenarios.output.lengths import length_text
from scenarios.output.results import load_trace
from scenarios.report.told import survey

__all__ = ["MOST_CHARACTERS", "Fact", "facts", "report_data"]

MOST_CHARACTERS = 3_000_000
"""Of the results of CPIs in a page."""

Result = Mapping[str, Any]


class Fact(NamedTuple):
    """Something that a run comes to, in words."""

    name: str
    value: str


def report_data(folder: Path, result: Result, scenario: Result) -> dict[str, Any]:
    """Return what the page draws, as plain data that JSON can hold.

    Parameters
    ----------
    folder
        An output folder of `dmimo run`.
    result, scenario
        What its result.json and its scenario.toml say.
    """
    from scenarios.output.places import graph_of, places_of

    cpis = result["cpis"]
    places = places_of(graph_of(result["fronthaul"]["links"]))
    timeline, without = _timeline(folder, result)
    every = _stride(cpis)
    return {
        "result": {**result, "cpis": cpis[::every]},
        "n_cpis": len(cpis),
        "every": every,
        "survey": survey(scenario),
        "places": {name: [round(float(x), 4) for x in place] for name, place in places.items()},
        "reasons": REASONS,
        "disturbances": _disturbances(cpis),
        "pilots": [cpi["index"] for cpi in cpis if cpi.get("has_pilots")],
        "timeline": timeline,
        "without_timeline": without,
    }


def _timeline(folder: Path, result: Result) -> tuple[dict[str, Any] | None, str]:
    """Return the timeline, or why there is none."""
    from scenarios.report.events import timeline_data

    try:
        return timeline_data(load_trace(folder / "trace.npz"), result), ""
    except ScenarioError as error:
        return None, str(error)


def _stride(cpis: list[Result]) -> int:
    """Return k if each k-th CPI is shown."""
    return -(-len(json.dumps(cpis[0])) * len(cpis) // MOST_CHARACTERS)


def _disturbances(cpis: Iterable[Result]) -> list[dict[str, Any]]:
    """Return which faults were on, and which receivers were left out, in which CPIs, as pairs of first and last."""
    found: dict[tuple[str, str], list[int]] = {}
    for cpi in cpis:
        faults = [(fault["kind"], fault.get("node", fault.get("link", ""))) for fault in cpi.get("faults", ())]
        for key in [*faults, *(("left out", name) for name in cpi.get("excluded", ()))]:
            found.setdefault(key, []).append(cpi["index"])
    return [{"what": what, "where": where, "cpis": _spans(numbers)} for (what, where), numbers in found.items()]


def _spans(numbers: Iterable[int]) -> list[list[int]]:
    """Return first and last of each stretch of numbers that follow each other.

    >>> _spans([0, 1, 2, 7])
    [[0, 2], [7, 7]]
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number <= spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans


# -- the run in a few numbers -----------------------------------------------------------------------------------------


def facts(result: Result) -> list[Fact]:
    """Return what a run comes to, over all its CPIs."""
    cpis = result["cpis"]
    sensed = [target for cpi in cpis if not cpi.get("has_pilots") for target in cpi["targets"]]
    return [
        Fact("CPIs", f"{len(cpis)}, of {result['slots'] // len(cpis)} slots each"),
        *_target_facts(sensed),
        Fact("False detections", str(sum(cpi["false_detections"] for cpi in cpis))),
        Fact("Sum spectral efficiency, mean", f"{_mean(cpis, 'sum_se_bit_s_hz'):.2f} bit/s/Hz"),
        Fact("Sensing latency, mean", f"{1e3 * _mean(cpis, 'sensing_latency_s'):.3f} ms"),
        Fact("Reports fused", f"{_total(cpis, 'reports_fused')} of {_total(cpis, 'reports_expected')}"),
        Fact("Messages lost", _lost(result["fronthaul"])),
    ]


def _target_facts(sensed: list[Result]) -> Iterable[Fact]:
    if not sensed:
        return
    resolved = sum(target["status"] == "resolved" for target in sensed)
    missed = sum(target["status"] == "missed" for target in sensed)
    yield Fact("Targets resolved", f"{resolved} of {len(sensed)}, {missed} missed")
    for name, key in (("Error, median of those found", "error_m"), ("Bound, median", "peb_m")):
        known = [target[key] for target in sensed if target[key] is not None]
        yield Fact(name, length_text(statistics.median(known)) if known else "–")


def _mean(cpis: list[Result], key: str) -> float:
    return statistics.fmean(cpi[key] for cpi in cpis)


def _total(cpis: list[Result], key: str) -> int:
    return sum(cpi[key] for cpi in cpis)


def _lost(fronthaul: Result) -> str:
    return f"{fronthaul['messages_dropped']} of {fronthaul['messages_sent']}"
