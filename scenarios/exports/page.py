"""The timeline as a page to zoom in: one file that needs nothing from anywhere.

From the top: the central processor, the APs slot by slot, the links with each message that they send, the UEs and the
targets CPI by CPI. Times are in ms and exact to the nanosecond. Not shown: what a link delivers is no mark of its own,
but stands in the text of the message.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.journeys import Event, Hop
from emulator.lanes import MARKS, MOST_SLOTS, STATUSES, Cell
from emulator.messages import CENTRAL
from emulator.trace import Kind
from scenarios.exports.excerpt import ARROW, Excerpt, fault_name
from scenarios.extras import extra
from scenarios.output.lengths import length_text
from scenarios.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["page_figure", "write"]

# Okabe and Ito's palette, told apart by every kind of colour vision; marks differ in shape as well.
BLACK, GREY, VERMILION, GREEN, YELLOW, PURPLE = "#1A1A1A", "#7F7F7F", "#D55E00", "#009E73", "#F0E442", "#CC79A7"
CELLS = {
    Cell.COMMUNICATE: ("#9CC9E3", "communicates"), Cell.SENSE: ("#0072B2", "communicates and senses"),
    Cell.LISTEN: ("#E69F00", "listens"), Cell.SILENT: (VERMILION, "no plan: silent"), Cell.DOWN: (BLACK, "down"),
    Cell.PILOT: (PURPLE, "sends a pilot"),
}  # fmt: skip
MESSAGES = (BLACK, "#0072B2", GREEN, "#E69F00", PURPLE, "#56B4E9", GREY, YELLOW)
"""Colours of messages, by kind."""
LOOKS = {
    Kind.PLAN: ("line-ns-open", BLACK), Kind.FUSE: ("circle", GREEN), Kind.PUBLISH: ("circle-open", BLACK),
    Kind.LATE: ("x", VERMILION), Kind.INCOHERENT: ("triangle-down", VERMILION), Kind.CALIBRATE: ("diamond", PURPLE),
    Kind.CORRECT: ("diamond-open", PURPLE), Kind.DROP: ("x-thin-open", VERMILION), Kind.REFUSE: ("square-x", VERMILION),
    Kind.REPEAT: ("star", PURPLE), Kind.FAULT: ("triangle-up", VERMILION), Kind.REPAIR: ("triangle-up-open", GREEN),
    Kind.WITHHOLD: ("line-ew-open", BLACK),
}  # fmt: skip
"""Instants that are marked: symbol and colour."""
PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="schema_version" content="$version"><title>$title</title>
<style>body { font: 15px system-ui, sans-serif; margin: 1em; color: #1a1a1a; background: white; }</style></head>
<body><h1>$title</h1>
<p>$text Turn the wheel to zoom in time and drag to move; a double click shows everything. Point at something to read
what it was; click in the legend to hide it.</p>
$figure
</body></html>
""")
PITCH_PX, EDGES_PX, GAP = 17, 155, 0.5


def write(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as a page."""
    with extra("report", "--format html"):
        from plotly.io import to_html

    cpis = excerpt.trace["cpi"][excerpt.rows]
    shown = f"CPIs {cpis.min(where=cpis >= 0, initial=cpis.max())} to {cpis.max()}: " if len(cpis) else ""
    text = f"{shown}{len(excerpt.rows)} events, {len(excerpt.sent)} messages."
    config = {"scrollZoom": True, "displaylogo": False, "responsive": True}
    figure = to_html(page_figure(excerpt), config=config, full_html=False, div_id="timeline")
    page = PAGE.substitute(version=SCHEMA_VERSION, title="Timeline of a run", text=text, figure=figure)
    path.write_text(page, encoding="utf-8")


class Lanes(NamedTuple):
    """Who has a lane, and where it is, counted from the top."""

    places: Mapping[str, float]
    aps: tuple[str, ...]

    @classmethod
    def of(cls, excerpt: Excerpt) -> "Lanes":
        timeline, nodes = excerpt.timeline, excerpt.journeys.nodes
        aps = tuple(sorted((name for group in timeline.aps for name in group.names), key=nodes.index))
        links = [name for name in excerpt.nodes() if ARROW in name]
        groups = [names for names in ([CENTRAL], aps, links, timeline.ues.names, timeline.targets.names) if names]
        ranked = enumerate((name, GAP * group) for group, names in enumerate(groups) for name in names)
        return cls({name: rank + gaps for rank, (name, gaps) in ranked}, aps)

    @property
    def bottom(self) -> float:
        """The lower edge of the last lane."""
        return max(self.places.values()) + 0.5

    def edges(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the edges of lanes that lie below each other."""
        return np.arange(len(names) + 1, dtype=np.float64) + (self.places[names[0]] - 0.5)


def page_figure(excerpt: Excerpt) -> "Figure":
    """Return the figure of the page: a lane for each node and link."""
    with extra("report", "--format html"):
        from plotly.graph_objects import Figure

    lanes = Lanes.of(excerpt)
    figure = Figure()
    figure.add_traces([*_cells(excerpt, lanes), *_ues(excerpt, lanes), *_targets(excerpt, lanes)])
    figure.add_traces([*_sends(excerpt, lanes), *_marks(excerpt, lanes), _cpi_lines(excerpt, lanes)])
    figure.update_layout(**_layout(excerpt, lanes))
    return figure


def _layout(excerpt: Excerpt, lanes: Lanes) -> dict[str, Any]:
    timeline = excerpt.timeline
    middles = 0.5e-6 * (timeline.cpi_edges_ns[1:] + timeline.cpi_edges_ns[:-1])
    numbers = [f"CPI {number}" for number in timeline.cpi_numbers]
    time = {"range": _first_window_ms(excerpt), "showgrid": False, "hoverformat": ".6f", "zeroline": False}
    return {
        "template": "plotly_white", "hovermode": "closest", "dragmode": "pan",
        "height": EDGES_PX + round(PITCH_PX * lanes.bottom), "margin": {"l": 130, "r": 20, "t": 55, "b": 50},
        "xaxis": time | {"title": "emulated time (ms)", "ticks": "outside"},
        "xaxis2": time | {
            "matches": "x", "side": "top", "overlaying": "x", "tickvals": middles, "ticktext": numbers,
        },
        "yaxis": {
            "range": [lanes.bottom, -0.5], "fixedrange": True, "tickvals": list(lanes.places.values()),
            "ticktext": [escape(name.replace(ARROW, " → ")) for name in lanes.places], "showgrid": False,
            "zeroline": False,
        },
        "legend": {"tracegroupgap": 12, "y": 1},
    }  # fmt: skip


def _first_window_ms(excerpt: Excerpt) -> list[float]:
    """Return the window in which the page opens: as many slots as a picture shows, if there are more."""
    timeline = excerpt.timeline
    slot_ns = int(timeline.slot_edges_ns[1] - timeline.slot_edges_ns[0])
    last_ns = min(timeline.end_ns, timeline.start_ns + (MOST_SLOTS + 4) * slot_ns)
    return [timeline.start_ns * 1e-6, last_ns * 1e-6]


def _text_of_cpis(excerpt: Excerpt) -> list[str]:
    return [f"CPI {number}" for number in excerpt.timeline.cpi_numbers]


# -- what lasts a slot or a CPI ---------------------------------------------------------------------------------------


def _cells(excerpt: Excerpt, lanes: Lanes) -> list[dict[str, Any]]:
    """Return what each AP does in each slot, and what explains the colours."""
    if not lanes.aps:
        return []
    timeline = excerpt.timeline
    rows = {name: row for group in timeline.aps for name, row in zip(group.names, group.cells, strict=True)}
    cells = np.array([rows[name] for name in lanes.aps], dtype=float)
    n_slots = cells.shape[1] // len(timeline.cpi_numbers)
    slots = [f"{cpi}, slot {slot}" for cpi in _text_of_cpis(excerpt) for slot in range(n_slots)]
    says = {cell: look[1] for cell, look in CELLS.items()}
    text = [
        [f"{name} {says[Cell(int(cell))]}<br>{slot}" if cell else "" for cell, slot in zip(row, slots, strict=True)]
        for name, row in zip(lanes.aps, cells, strict=True)
    ]
    cells[cells == Cell.NOTHING] = np.nan
    colours = {int(cell): look[0] for cell, look in CELLS.items()}
    block = _block(timeline.slot_edges_ns, lanes.edges(lanes.aps), cells, text, colours)
    seen = [look for cell, look in CELLS.items() if (cells == cell).any()]
    return [block, *_keys(seen, "slots")]


def _block(
    edges_ns: NDArray[np.int64], heights: NDArray[np.float64], cells: NDArray[Any], text: Any, colours: dict[int, str]
) -> dict[str, Any]:
    """Return cells of some numbers in a colour each."""
    low, high = min(colours) - 0.5, max(colours) + 0.5
    scale = [
        ((number + side - low) / (high - low), colour) for number, colour in colours.items() for side in (-0.5, 0.5)
    ]
    return {
        "type": "heatmap", "x": edges_ns * 1e-6, "y": heights, "z": cells, "zmin": low, "zmax": high,
        "colorscale": scale, "showscale": False, "ygap": 2, "text": text, "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _keys(looks: Iterable[tuple[str, str]], group: str) -> Iterator[dict[str, Any]]:
    """Yield lines of the legend for colours of cells."""
    for colour, label in looks:
        yield {
            "type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": label, "legendgroup": group,
            "marker": {"symbol": "square", "size": 11, "color": colour},
        }  # fmt: skip


def _ues(excerpt: Excerpt, lanes: Lanes) -> list[dict[str, Any]]:
    """Return the spectral efficiency of each UE in each CPI."""
    ues, cpis = excerpt.timeline.ues, _text_of_cpis(excerpt)
    if not ues.names:
        return []
    text = [
        [f"{name}: {value:.3f} bit/s/Hz<br>{cpi}" for value, cpi in zip(row, cpis, strict=True)]
        for name, row in zip(ues.names, ues.cells, strict=True)
    ]
    block = _block(excerpt.timeline.cpi_edges_ns, lanes.edges(ues.names), ues.cells, text, {0: BLACK})
    most = float(np.nanmax(ues.cells, initial=0.0)) or 1.0
    return [block | {"colorscale": "Purples", "zmin": -0.1 * most, "zmax": most}]


def _targets(excerpt: Excerpt, lanes: Lanes) -> list[dict[str, Any]]:
    """Return what became of each target in each CPI, and what explains the colours."""
    targets, cpis = excerpt.timeline.targets, _text_of_cpis(excerpt)
    if not targets.names:
        return []
    rows = zip(targets.names, targets.cells.tolist(), excerpt.timeline.errors_m.tolist(), strict=True)
    text = [
        [_told(name, *of_cpi) for of_cpi in zip(states, errors_m, cpis, strict=True)] for name, states, errors_m in rows
    ]
    cells = np.where(targets.cells < 0, np.nan, targets.cells)
    colours = dict(enumerate((VERMILION, YELLOW, GREEN)))
    block = _block(excerpt.timeline.cpi_edges_ns, lanes.edges(targets.names), cells, text, colours)
    return [block, *_keys(zip(colours.values(), STATUSES, strict=True), "targets")]


def _told(name: str, status: int, error_m: float, cpi: str) -> str:
    error = f", error {length_text(error_m)}" if np.isfinite(error_m) else ""
    return f"{name} {STATUSES[status]}{error}<br>{cpi}" if status >= 0 else ""


# -- what happens at any time -----------------------------------------------------------------------------------------


def _sends(excerpt: Excerpt, lanes: Lanes) -> Iterator[dict[str, Any]]:
    """Yield what the links send, a line for each kind of message: begin, middle and end, and what it was."""
    hops = sorted(_hops(excerpt), key=lambda one: one[0])
    groups = groupby(hops, key=lambda one: one[0])
    for colour, (what, group) in zip(MESSAGES * len(hops), groups, strict=False):
        times, places, texts = zip(*(_line(hop, lanes.places[hop.link], text) for _, hop, text in group), strict=True)
        yield {
            "type": "scatter", "mode": "lines", "name": escape(what), "legendgroup": "messages", "x": sum(times, ()),
            "y": sum(places, ()), "text": sum(texts, ()), "line": {"color": colour, "width": 8, "simplify": False},
            "hovertemplate": "%{text}<extra></extra>", "connectgaps": False,
        }  # fmt: skip


def _hops(excerpt: Excerpt) -> Iterator[tuple[str, Hop, str]]:
    """Yield each serialisation in the excerpt: the kind of message, its time on the link, and what is said of it."""
    chosen = {(event.message, event.node) for event in excerpt.events() if event.kind is Kind.SERIALISE}
    for number in sorted({message for message, _ in chosen}):
        sent = excerpt.journeys.message(number)
        for hop in excerpt.journeys.hops(number):
            if sent is not None and (number, hop.link) in chosen and hop.started_ns is not None:
                said = (
                    f"{sent.what} {number} about CPI {sent.cpi}, {sent.bits} bit<br>{sent.source} → {sent.destination}"
                )
                outcome = f"<br>{excerpt.journeys.outcome(number)}"
                yield sent.what, hop, said + _times(hop) + outcome


def _times(hop: Hop) -> str:
    named = {"given": hop.given_ns, "begun": hop.started_ns, "sent": hop.sent_ns, "arrived": hop.arrived_ns,
             "lost": hop.dropped_ns}  # fmt: skip
    return "".join(f"<br>{name} {ns * 1e-6:.6f} ms" for name, ns in named.items() if ns is not None)


def _line(hop: Hop, lane: float, text: str) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    begin, end = (hop.started_ns or 0) * 1e-6, (hop.sent_ns or 0) * 1e-6
    return (begin, 0.5 * (begin + end), end, None), (lane, lane, lane, None), (text, text, text, "")


def _marks(excerpt: Excerpt, lanes: Lanes) -> Iterator[dict[str, Any]]:
    """Yield the instants of each kind."""
    events = sorted((event for event in excerpt.events() if event.kind in LOOKS), key=lambda event: event.kind)
    for kind, group in groupby(events, key=lambda event: event.kind):
        mine = [event for event in group if event.node in lanes.places]
        symbol, colour = LOOKS[kind]
        yield {
            "type": "scatter", "mode": "markers", "name": kind.name.lower(),
            "legendgroup": "centre" if kind in MARKS else "nodes", "x": [event.time_ns * 1e-6 for event in mine],
            "y": [lanes.places[event.node] for event in mine], "text": [_said(event) for event in mine],
            "marker": {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 1.6, "color": colour}},
            "hovertemplate": "%{text}<br>%{x:.6f} ms<extra></extra>",
        }  # fmt: skip


def _said(event: Event) -> str:
    what = fault_name(event.value) if event.kind in (Kind.FAULT, Kind.REPAIR) else f"CPI {event.cpi}"
    about = f", message {event.message}" if event.message >= 0 else ""
    return f"{escape(event.node)}: {event.kind.name.lower()}, {what}{about}"


def _cpi_lines(excerpt: Excerpt, lanes: Lanes) -> dict[str, Any]:
    """Return a line at the start of each CPI, on the axis that names the CPIs."""
    edges_ms = excerpt.timeline.cpi_edges_ns * 1e-6
    x = [value for edge in edges_ms for value in (edge, edge, None)]
    y = [-0.5, lanes.bottom, None] * len(edges_ms)
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "xaxis": "x2", "showlegend": False, "hoverinfo": "skip",
        "line": {"color": BLACK, "width": 0.7, "dash": "dash"},
    }  # fmt: skip
