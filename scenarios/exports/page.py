"""The timeline as a page to zoom in: one file that needs nothing from anywhere.

From the top: the central processor, the APs slot by slot, the links with each message that they send, the UEs and the
targets CPI by CPI. What is drawn is here plain data; the page draws it itself, as far as it is in sight, so that a long
run costs no more than a short one. Times are whole nanoseconds. Not shown: what a link delivers is no mark of its own,
but stands in the text of the message.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emulator.journeys import Event, Hop
from emulator.lanes import MOST_SLOTS, STATUSES, Timeline, fault_spans
from emulator.messages import CENTRAL
from emulator.trace import Kind
from scenarios.exports.excerpt import ARROW, Excerpt, fault_name
from scenarios.output.lengths import length_text
from scenarios.report.events import cells_of, spans_of
from scenarios.report.sheet import filled

__all__ = ["LOOKS", "page_data", "write"]

LOOKS = {
    Kind.PLAN: ("┃", "ink"), Kind.FUSE: ("●", "green"), Kind.PUBLISH: ("○", "ink"), Kind.LATE: ("✕", "vermilion"),
    Kind.INCOHERENT: ("▼", "vermilion"), Kind.CALIBRATE: ("◆", "purple"), Kind.CORRECT: ("◇", "purple"),
    Kind.DROP: ("✗", "vermilion"), Kind.REFUSE: ("⊠", "vermilion"), Kind.REPEAT: ("★", "purple"),
    Kind.FAULT: ("▲", "vermilion"), Kind.REPAIR: ("△", "green"), Kind.WITHHOLD: ("−", "ink"),
}  # fmt: skip
"""Instants that are marked: sign and colour."""
MESSAGES = {
    "Assignment": ("A", "ink"), "EchoReport": ("E", "blue"), "StatisticsReport": ("S", "green"),
    "MapReport": ("M", "sky"), "TransmissionRecord": ("R", "orange"), "PilotReport": ("P", "purple"),
    "Correction": ("C", "yellow"), "Telemetry": ("T", "grey"),
}  # fmt: skip
"""Messages by kind: letter and colour; another kind has its first letter, and is grey."""


def write(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as a page."""
    cpis = excerpt.trace["cpi"][excerpt.rows]
    shown = f"CPIs {cpis.min(where=cpis >= 0, initial=cpis.max())} to {cpis.max()}: " if len(cpis) else ""
    page = filled(
        "timeline.html", "dmimo timeline --format html", scripts=["common.js", "timeline.js"],
        styles=["common.css", "timeline.css"], title="Timeline of a run", data=page_data(excerpt),
        text=f"{shown}{len(excerpt.rows)} events, {len(excerpt.sent)} messages.",
    )  # fmt: skip
    path.write_bytes(page.encode("utf-8"))


def page_data(excerpt: Excerpt) -> dict[str, Any]:
    """Return all that the page shows, as plain data that JSON can hold."""
    timeline, groups = excerpt.timeline, _groups(excerpt)
    places = {name: place for place, name in enumerate(name for names in groups for name in names)}
    told = set(excerpt.trace["cpi"][excerpt.rows].tolist())
    return {
        "span_ns": _span_ns(excerpt),
        "first_ns": _first_window_ns(excerpt),
        "cpis": [{"index": number, "span_ns": span} for number, span in spans_of(timeline) if number in told],
        "grid": {"numbers": timeline.cpi_numbers.tolist(), "slot_edges_ns": timeline.slot_edges_ns.tolist()},
        "groups": groups,
        "cells": {name: cells for group in timeline.aps for name, cells in cells_of(group)},
        "ues": dict(zip(timeline.ues.names, map(_numbers, timeline.ues.cells), strict=True)),
        "targets": dict(zip(timeline.targets.names, _targets(timeline), strict=True)),
        "looks": {kind.name.lower(): look for kind, look in LOOKS.items()},
        "messages": MESSAGES,
        "hops": _columns(HOP, _hops(excerpt, places)),
        "marks": _columns(MARK, _marks(excerpt, places)),
        "faults": _columns(FAULT, _faults(excerpt, places)),
    }


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return rows as columns by name."""
    found = list(rows)
    return {name: [row[place] for row in found] for place, name in enumerate(names)}


def _groups(excerpt: Excerpt) -> list[list[str]]:
    """Return who has a lane: groups from the top."""
    timeline, nodes = excerpt.timeline, excerpt.journeys.nodes
    aps = sorted((name for group in timeline.aps for name in group.names), key=nodes.index)
    links = [name for name in excerpt.nodes() if ARROW in name]
    groups = [[CENTRAL], aps, links, list(timeline.ues.names), list(timeline.targets.names)]
    return [names for names in groups if names]


def _span_ns(excerpt: Excerpt) -> list[int]:
    """Return from when to when there is something to see: what the picture shows, and every row."""
    timeline, times_ns = excerpt.timeline, excerpt.trace["time_ns"][excerpt.rows]
    margin_ns = (timeline.end_ns - timeline.start_ns) // 100
    return [
        int(times_ns.min(initial=timeline.start_ns + margin_ns)) - margin_ns,
        int(times_ns.max(initial=timeline.end_ns - margin_ns)) + margin_ns,
    ]


def _first_window_ns(excerpt: Excerpt) -> list[int]:
    """Return the window in which the page opens: as many slots as a picture shows, if there are more.

    The margin of a long run is many slots; the window begins one slot before there is something to see.
    """
    edges_ns, (first_ns, end_ns) = excerpt.timeline.slot_edges_ns, _span_ns(excerpt)
    slot_ns = int(edges_ns[1] - edges_ns[0])
    times_ns = excerpt.trace["time_ns"][excerpt.rows]
    start_ns = max(first_ns, int(times_ns.min()) - slot_ns) if len(times_ns) else first_ns
    return [start_ns, min(end_ns, start_ns + (MOST_SLOTS + 4) * slot_ns)]


def _numbers(row: Iterable[float]) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in row]


def _targets(timeline: Timeline) -> Iterator[list[str | None]]:
    """Yield of each target what became of it in each CPI, in words."""
    for states, errors_m in zip(timeline.targets.cells.tolist(), timeline.errors_m.tolist(), strict=True):
        yield [_told(*of_cpi) for of_cpi in zip(states, errors_m, strict=True)]


def _told(status: int, error_m: float) -> str | None:
    error = f", error {length_text(error_m)}" if np.isfinite(error_m) else ""
    return STATUSES[status] + error if status >= 0 else None


# -- what happens at any time -----------------------------------------------------------------------------------------

HOP = ("lane", "given", "waited", "lasts", "travels", "lost", "what", "number", "source", "destination", "cpi", "bits",
       "outcome")  # fmt: skip
MARK = ("lane", "time", "kind", "said")
FAULT = ("lane", "begin", "end", "said")


def _hops(excerpt: Excerpt, places: dict[str, int]) -> list[tuple[Any, ...]]:
    """Return what the links send, in order of time: on which lane and when, in ns, and which message it is.

    Of a message ``waited``, ``lasts`` and ``travels`` count from when it was given to the link, was begun and was sent.
    """
    chosen = {(event.message, event.node) for event in excerpt.events() if event.kind is Kind.SERIALISE}
    numbers = sorted({message for message, _ in chosen})
    hops = [
        (places[hop.link], *_times(hop), *_message(excerpt, number))
        for number in numbers
        for hop in excerpt.journeys.hops(number)
        if (number, hop.link) in chosen and hop.started_ns is not None
    ]
    return sorted(hops, key=lambda hop: hop[1] + hop[2])


def _times(hop: Hop) -> tuple[int | None, ...]:
    """Return when a message was given, how long it waited, was sent and travelled, and when it was lost."""
    steps = hop.given_ns, hop.started_ns, hop.sent_ns, hop.arrived_ns
    return (hop.given_ns, *(_between(*pair) for pair in pairwise(steps)), hop.dropped_ns)


def _between(before_ns: int | None, after_ns: int | None) -> int | None:
    return None if before_ns is None or after_ns is None else after_ns - before_ns


def _message(excerpt: Excerpt, number: int) -> tuple[Any, ...]:
    sent = excerpt.journeys.message(number)
    ends = () if sent is None else (sent.what, number, sent.source, sent.destination, sent.cpi, sent.bits)
    return *ends, excerpt.journeys.outcome(number).value


def _marks(excerpt: Excerpt, places: dict[str, int]) -> Iterator[tuple[int, int, str, str]]:
    """Yield the instants that are marked, kind by kind."""
    marked = (event for event in excerpt.events() if event.kind in LOOKS and event.node in places)
    for kind, events in groupby(sorted(marked, key=lambda event: (event.kind, event.time_ns)), lambda one: one.kind):
        yield from ((places[event.node], event.time_ns, kind.name.lower(), _said(event)) for event in events)


def _said(event: Event) -> str:
    what = fault_name(event.value) if event.kind in (Kind.FAULT, Kind.REPAIR) else f"CPI {event.cpi}"
    return what + (f", message {event.message}" if event.message >= 0 else "")


def _faults(excerpt: Excerpt, places: dict[str, int]) -> Iterator[tuple[int, int, int, str]]:
    """Yield from when to when each fault lasts that begins in the excerpt."""
    trace, shown = excerpt.trace, set(excerpt.rows.tolist())
    for row, end_ns in fault_spans(trace):
        name = excerpt.journeys.nodes[trace["node"][row]]
        if row in shown and name in places:
            yield places[name], int(trace["time_ns"][row]), end_ns, fault_name(int(trace["value"][row]))
