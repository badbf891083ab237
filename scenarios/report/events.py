"""The timeline of a report: the lanes of ``emulator.lanes`` as plain data, of the first CPIs of a long run."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator import lanes
from scenarios.output.results import cpis_of

__all__ = ["cells_of", "spans_of", "timeline_data"]

MOST_CELLS, MOST_CPIS, MOST_STEPS = 60_000, 200, 3000
"""Slots of all APs together; CPIs; changes of the number of links that send."""

Result = Mapping[str, Any]
Times = NDArray[np.int64]


def timeline_data(trace: Mapping[str, NDArray[Any]], result: Result) -> dict[str, Any]:
    """Return what happened when, times in ms.

    Parameters
    ----------
    trace
        What `load_trace` gives.
    result
        What `load_result` gives.

    Raises
    ------
    ScenarioError
        If the trace holds no CPI.
    """
    n_slots = result["slots"] // len(result["cpis"])
    cpis = _shown(trace, result, n_slots)
    near = lanes.rows_about(trace, lanes.around(cpis, n_slots))
    timeline = lanes.Timeline.of(near, result["cpis"], cpis)
    return {
        "first": cpis[0],
        "last": cpis[-1],
        "cpis": [{"index": number, "span_ms": _ms(span)} for number, span in spans_of(timeline)],
        "window_ms": _ms([timeline.start_ns, timeline.end_ns]),
        "slot_edges_ms": _ms(timeline.slot_edges_ns),
        "lanes": [
            {"name": name, "group": group.title, "cells": cells}
            for group in timeline.aps
            for name, cells in cells_of(group)
        ],
        "cells": {cell.name.lower(): int(cell) for cell in lanes.Cell},
        "marks": {kind.name.lower(): _ms(_inside(times, timeline)) for kind, times in timeline.marks.items()},
        "corrections": {name: _ms(_inside(times, timeline)) for name, times in timeline.corrections_ns.items()},
        "loads": [_load(load) for load in timeline.loads],
    }


def _shown(trace: Mapping[str, NDArray[Any]], result: Result, n_slots: int) -> range:
    """Return the first CPIs of which there are both a result and rows of the trace, as many as the page holds."""
    told, cpis = cpis_of(trace), result["cpis"]
    both = range(max(told.start, cpis[0]["index"]), min(told.stop, cpis[-1]["index"] + 1))
    most = MOST_CELLS // max(n_slots * len(lanes.ap_names(trace)), 1)
    return (both or told)[: min(max(most, 2), MOST_CPIS)]


def _ms(times_ns: Any) -> list[float]:
    return [round(1e-6 * int(time_ns), 6) for time_ns in times_ns]


def _inside(times_ns: Times, timeline: lanes.Timeline) -> Times:
    within: Times = times_ns[(times_ns >= timeline.start_ns) & (times_ns <= timeline.end_ns)]
    return within


def spans_of(timeline: lanes.Timeline) -> list[tuple[int, list[int]]]:
    """Return number, and start and end in ns, of the CPIs that are shown, in part at least."""
    spans = pairwise(timeline.cpi_edges_ns.tolist())
    return [
        (int(number), list(span))
        for number, span in zip(timeline.cpi_numbers, spans, strict=True)
        if span[0] < timeline.end_ns and span[1] > timeline.start_ns
    ]


def cells_of(group: lanes.Lanes) -> list[tuple[str, str]]:
    """Return the names of a group of APs, each with a digit for what it does in each slot."""
    return [(name, "".join(map(str, row.tolist()))) for name, row in zip(group.names, group.cells, strict=True)]


def _load(load: lanes.Load) -> dict[str, Any]:
    times_ns, counts = _coarse(load.times_ns, load.counts)
    return {
        "name": load.name, "times_ms": _ms(times_ns), "counts": counts.tolist(), "dropped_ms": _ms(load.dropped_ns),
        "changes": len(load.times_ns),
    }  # fmt: skip


def _coarse(times_ns: Times, counts: Times) -> tuple[Times, Times]:
    """Return the highest count of each of so many stretches of equal length, where there are more changes."""
    if len(times_ns) <= MOST_STEPS:
        return times_ns, counts
    edges = np.linspace(times_ns[0], times_ns[-1] + 1, MOST_STEPS + 1).astype(np.int64)
    held = np.searchsorted(times_ns, edges[:-1], side="right") - 1  # what a stretch begins with
    ends = np.searchsorted(times_ns, edges[1:])
    return edges[:-1], np.array([counts[first:end].max() for first, end in zip(held, ends, strict=True)])
