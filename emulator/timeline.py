"""The timeline drawn: who did what when.

From the top: the central processor (plan, fuse, publish, phases lost and known), the links to the APs and to the
centre (how many send), the way of one AP's messages if asked for, the APs, with the corrections of their phases, the
UEs (spectral efficiency) and the targets (found or not). Up to sixteen APs have a lane each; of more, those that do
alike lie close together under their number.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emulator.journeys import Hop, Outcome
from emulator.lanes import STATUSES, Busy, Cell, Lanes, Load, Timeline
from emulator.trace import Kind

__all__ = ["LONGEST_NAME", "figure_of", "name_text"]

# Okabe and Ito's palette, told apart by every kind of colour vision.
BLACK, GREY, VERMILION, GREEN, YELLOW, PURPLE = "#1A1A1A", "#7F7F7F", "#D55E00", "#009E73", "#F0E442", "#CC79A7"
CELLS = {
    Cell.COMMUNICATE: ("#9CC9E3", "communicates"), Cell.SENSE: ("#0072B2", "communicates and senses"),
    Cell.LISTEN: ("#E69F00", "listens"), Cell.SILENT: (VERMILION, "no plan: silent"),
    Cell.DOWN: (BLACK, "down"), Cell.PILOT: (PURPLE, "sends a pilot"),
}  # fmt: skip
LONGEST_NAME = 24
"""Characters of a name that is drawn whole."""
SIZES = {"|": 14, "X": 7}
STATUS_COLOURS = dict(zip(STATUSES, (VERMILION, YELLOW, GREEN), strict=True))
MARKS = {
    Kind.FUSE: ("o", GREEN, "fuse"), Kind.PUBLISH: (".", BLACK, "publish"), Kind.PLAN: ("|", BLACK, "plan"),
    Kind.LATE: ("X", VERMILION, "late message"), Kind.INCOHERENT: ("v", VERMILION, "coherence found lost"),
    Kind.CALIBRATE: ("D", PURPLE, "phases known anew"),
}  # fmt: skip
WAITS, SENT, OTHERS = PURPLE, BLACK, "#D9D9D9"
SENDING = ((WAITS, "waits"), (SENT, "is sent"), (OTHERS, "other messages are sent"))
OUTCOMES = {
    Outcome.FUSED: ("o", GREEN, "arrives, is fused"), Outcome.UNUSED: (".", BLACK, "arrives, is not used"),
    Outcome.LATE: ("X", VERMILION, "arrives too late"), Outcome.ARRIVED: (".", GREY, "arrives, use unknown"),
    Outcome.LOST: ("x", VERMILION, "is lost"), Outcome.REFUSED: ("x", VERMILION, "is refused: full queue"),
}  # fmt: skip
SHADES = ListedColormap(colormaps["Purples"](np.linspace(0.1, 1.0, 256)))
LOST: dict[str, Any] = {"marker": "x", "color": VERMILION, "ls": ""}
CORRECTION: dict[str, Any] = {
    "marker": "D", "markersize": 5.5, "mfc": PURPLE, "mec": "white", "mew": 0.7, "ls": "",
}  # fmt: skip
NEVER = np.empty(0, dtype=np.int64)
LABEL_SHARE = 0.06
"""Of the window, what the number of a CPI takes."""
MOST_NAMED, MOST_TICKS = 16, 200
LEAST_PITCH_INCH = 0.13
"""Of lanes whose names can be read."""
WIDTH_INCH, RIGHT_INCH, TOP_INCH, BOTTOM_INCH = 13.0, 2.45, 0.42, 0.55
"""Of the figure; of what is beside, above and below the lanes."""
LINE_INCH = 0.19
BAR_INCH = 0.75
"""Of a line of a legend; of a colour bar with its text."""


def figure_of(timeline: Timeline) -> Figure:
    """Return a timeline as a figure."""
    page = _Page(timeline)
    _draw_central(page)
    _draw_ways(page)
    _draw_aps(page)
    _draw_ues(page)
    _draw_targets(page)
    return page.finished()


class _Page:
    """A figure that is filled from the top down: y counts inches, x milliseconds."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.figure = Figure(facecolor="white")
        self.ax: Axes = self.figure.add_axes((0.1, 0.1, 0.8, 0.8))
        self.y = self._explained = 0.0
        self.longest = 0
        self._bars: list[tuple[float, Any, str]] = []

    @property
    def has_room_between_slots(self) -> bool:
        """Whether slots are so wide that a line between them does not hide them."""
        edges = self.timeline.slot_edges_ns
        return bool(60 * (edges[1] - edges[0]) > self.timeline.end_ns - self.timeline.start_ns)

    def holds(self, times_ns: NDArray[np.int64]) -> bool:
        """Return whether one of some times is in the window."""
        return len(self._in_window(times_ns)) > 0

    def lane(self, name: str, pitch: float, share: float = 0.78, below: str = "") -> tuple[float, float]:
        """Return the upper and the lower edge of the next lane, and write its name beside it."""
        top, self.y = self.y, self.y + pitch
        size = min(9.0, 52.0 * pitch)
        self._name(top + (0.5 * pitch if not below else 0.5 * pitch - 0.075), name, size, BLACK)
        if below:
            self._name(top + 0.5 * pitch + 0.09, below, 7.5, GREY)
        free = 0.5 * (1.0 - share) * pitch
        return top + free, self.y - free

    def _name(self, y: float, text: str, size: float, colour: str) -> None:
        self.longest = max(self.longest, len(text))
        self._beside(-0.008, y, text, ha="right", size=size, color=colour)

    def _beside(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write at a place in widths of the lanes from their left, in inches from the top."""
        where = blended_transform_factory(self.ax.transAxes, self.ax.transData)
        self.ax.text(x, y, text, transform=where, va="center", **style)

    def legend(self, y: float, entries: Iterable[Any]) -> None:
        """Explain marks and colours to the right of the lanes, from ``y`` down."""
        handles = list(entries)
        where = blended_transform_factory(self.ax.transAxes, self.ax.transData)
        legend = Legend(
            self.ax, handles, [handle.get_label() for handle in handles], loc="upper left", frameon=False,
            bbox_to_anchor=(1.016, y), bbox_transform=where, fontsize=9, borderpad=0.0, borderaxespad=0.0,
            handlelength=1.5, labelspacing=0.35,
        )  # fmt: skip
        self.ax.add_artist(legend)
        self._explained = y + LINE_INCH * len(handles)

    def colour_bar(self, y: float, mesh: Any, label: str) -> None:
        """Explain a shade to the right of the lanes, from ``y`` down."""
        self._bars.append((y, mesh, label))
        self._explained = y + BAR_INCH

    def end_of_section(self) -> None:
        """Go on below the lanes, and below what explains them."""
        self.y = max(self.y, self._explained) + 0.1

    def cells(self, edges_ns: NDArray[np.int64], block: "_Block", **style: Any) -> Any:
        """Draw those cells of a block that are in the window; return None if there are none."""
        places = np.flatnonzero((edges_ns[1:] > self.timeline.start_ns) & (edges_ns[:-1] < self.timeline.end_ns))
        if not len(places):
            return None
        edges = edges_ns[places[0] : places[-1] + 2] * 1e-6
        return self.ax.pcolormesh(edges, block.heights, block.cells[:, places], **style)

    def finished(self) -> Figure:
        """Return the figure with its axes in place and the CPIs marked."""
        ax, timeline = self.ax, self.timeline
        height, left = TOP_INCH + self.y + BOTTOM_INCH, 0.2 + 0.076 * self.longest
        self.figure.set_size_inches(WIDTH_INCH, height)
        width = WIDTH_INCH - left - RIGHT_INCH
        ax.set_position((left / WIDTH_INCH, BOTTOM_INCH / height, width / WIDTH_INCH, self.y / height))
        ax.set(xlim=(timeline.start_ns * 1e-6, timeline.end_ns * 1e-6), ylim=(self.y, 0.0), yticks=[])
        ax.set_xlabel("emulated time (ms)")
        self._mark_times()
        ax.spines[["top", "right", "left"]].set_visible(False)
        self._mark_cpis()
        for y, mesh, label in self._bars:
            place = (left + 1.016 * width, height - TOP_INCH - y - 0.12, 1.5, 0.12)
            self._draw_bar(mesh, label, [place[0] / WIDTH_INCH, place[1] / height, 1.5 / WIDTH_INCH, 0.12 / height])
        return self.figure

    def _draw_bar(self, mesh: Any, label: str, place: list[float]) -> None:
        bar = self.figure.colorbar(mesh, cax=self.figure.add_axes((place[0], place[1], place[2], place[3])),
                                   orientation="horizontal")  # fmt: skip
        bar.set_label(label, size=9)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)

    def _mark_times(self) -> None:
        """Put ticks at the starts of CPIs and slots; where a slot fills the window, at round times."""
        edges, slots = self.timeline.cpi_edges_ns, self._in_window(self.timeline.slot_edges_ns)
        numbers = self.timeline.cpi_numbers[0] + np.arange(len(edges))
        cpis = self._in_window(edges[numbers % self._cpi_step == 0])
        named = cpis if len(cpis) > 1 else slots
        if len(named) < 2:
            self.ax.xaxis.set_major_locator(MaxNLocator(10))
            return
        self.ax.set_xticks(named[:: math.ceil(len(named) * LABEL_SHARE)] * 1e-6)
        if len(slots) <= MOST_TICKS:
            self.ax.set_xticks(slots * 1e-6, minor=True)

    def _in_window(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        return times_ns[(times_ns >= self.timeline.start_ns) & (times_ns <= self.timeline.end_ns)]

    @property
    def _cpi_step(self) -> int:
        """Every which CPI is named, so that there is room for its number."""
        edges, widest_ns = self.timeline.cpi_edges_ns, LABEL_SHARE * (self.timeline.end_ns - self.timeline.start_ns)
        return math.ceil(widest_ns / (edges[1] - edges[0]))

    def _mark_cpis(self) -> None:
        """Draw a line at the start of each CPI and write its number, or of every so many where they are narrow."""
        start_ns, end_ns = self.timeline.start_ns, self.timeline.end_ns
        edges, widest_ns = self.timeline.cpi_edges_ns, LABEL_SHARE * (end_ns - start_ns)
        for number, low, high in zip(self.timeline.cpi_numbers.tolist(), edges[:-1], edges[1:], strict=True):
            if number % self._cpi_step == 0:
                seen = max(int(low), start_ns), min(int(high), end_ns)
                self._mark_cpi(number, int(low), seen, min(widest_ns, high - low))

    def _mark_cpi(self, number: int, start_ns: int, seen_ns: tuple[int, int], least_ns: float) -> None:
        if self.timeline.start_ns <= start_ns <= self.timeline.end_ns:
            self.ax.vlines(start_ns * 1e-6, 0.0, self.y, color=BLACK, linewidth=0.7, linestyle=(0, (4, 3)), zorder=4)
        if seen_ns[1] - seen_ns[0] >= least_ns:
            self.ax.text(0.5e-6 * sum(seen_ns), -0.07, f"CPI {number}", ha="center", va="bottom", size=9.5)


def _draw_central(page: _Page) -> None:
    top, bottom = page.lane("central processor", 0.3)
    handles = [_mark(page, kind, 0.5 * (top + bottom)) for kind in MARKS]
    for load in page.timeline.loads:
        _draw_load(page, load)
    for link in page.timeline.busy:
        _draw_busy(page, link)
    if any(len(load.dropped_ns) for load in page.timeline.loads):
        handles.append(Line2D([], [], label="message lost", **LOST))
    page.legend(top, filter(None, handles))
    page.end_of_section()


def _mark(page: _Page, kind: Kind, y: float) -> Line2D | None:
    """Mark when the central processor did something; return what explains the mark, if there are any."""
    marker, colour, label = MARKS[kind]
    size = SIZES.get(marker, 8)
    style: dict[str, Any] = {"marker": marker, "color": colour, "markersize": size, "markeredgewidth": 1.6, "ls": ""}
    times_ns = page.timeline.marks[kind]
    page.ax.plot(times_ns * 1e-6, np.full(len(times_ns), y), zorder=5, **style)
    return Line2D([], [], label=label, **style) if page.holds(times_ns) else None


def _draw_load(page: _Page, load: Load) -> None:
    most = int(load.counts.max(initial=0))
    low, high = page.lane(load.name, 0.34, below=f"up to {most} at a time" if most else "none sends")
    scale = (high - low) / max(most, 1)
    page.ax.axhline(high, color=GREY, linewidth=0.6)
    page.ax.fill_between(
        load.times_ns * 1e-6, high, high - scale * load.counts, step="post", facecolor=GREY, edgecolor=GREY, lw=0.6
    )
    page.ax.plot(load.dropped_ns * 1e-6, np.full(len(load.dropped_ns), 0.5 * (low + high)), **LOST)


def name_text(name: str) -> str:
    """Return a name as it stands in a picture: one line, its middle left out if it is long, none of it a formula.

    >>> name_text("the switch in the basement of the north wing")
    'the switch i…north wing'
    """
    line = " ".join(name.split())
    shown = line if len(line) <= LONGEST_NAME else f"{line[:12]}…{line[-10:]}"
    return shown.replace("$", r"\$")


def _link_text(link: str) -> str:
    return " → ".join(map(name_text, link.split("->")))


def _draw_busy(page: _Page, link: Busy) -> None:
    """Draw when a link sends that does most of the time, unless the way of an AP's messages shows it."""
    if link.name not in page.timeline.traffic:
        lane = page.lane(_link_text(link.name), 0.34, 0.6, f"sends {100 * link.share:.0f} % of the time")
        _draw_spans(page, link.spans_ns, lane, GREY)


def _draw_ways(page: _Page) -> None:
    """Draw what each message of one AP does on each link: it waits, is sent, and travels on to the next lane."""
    timeline, top = page.timeline, page.y
    if not timeline.ways:
        return
    pitch = min(0.3, max(4.0 / len(timeline.traffic), LEAST_PITCH_INCH))
    lanes = {link: page.lane(_link_text(link), pitch, 0.7) for link in timeline.traffic}
    last = page.lane(f"arrivals from {timeline.sender}", 0.3, 0.7)
    for link, spans in timeline.traffic.items():
        _draw_spans(page, spans, lanes[link], OTHERS)
    for way in timeline.ways:
        along = [*(lanes[hop.link] for hop in way.hops), last]
        for hop, lane, following in zip(way.hops, along[:-1], along[1:], strict=True):
            _draw_hop(page, hop, lane, following)
    marks = [_draw_arrivals(page, outcome, 0.5 * sum(last)) for outcome in OUTCOMES]
    page.legend(top, [*(Patch(color=colour, label=label) for colour, label in SENDING), *filter(None, marks)])
    page.end_of_section()


def _draw_arrivals(page: _Page, outcome: Outcome, y: float) -> Line2D | None:
    """Mark when messages with an outcome reached the centre; return what explains the mark, if there are any."""
    marker, colour, label = OUTCOMES[outcome]
    mine = [way for way in page.timeline.ways if way.outcome is outcome]
    times = [way.hops[-1].arrived_ns * 1e-6 for way in mine if way.hops[-1].arrived_ns is not None]
    page.ax.plot(times, [y] * len(times), marker, color=colour, markersize=6, zorder=6)
    return Line2D([], [], linestyle="", marker=marker, color=colour, label=label) if mine else None


def _draw_spans(page: _Page, spans_ns: Any, lane: tuple[float, float], colour: str) -> None:
    spans = [(start * 1e-6, (end - start) * 1e-6) for start, end in spans_ns]
    page.ax.broken_barh(spans, (lane[0], lane[1] - lane[0]), facecolors=colour, edgecolors=colour, linewidth=0.5)


def _draw_hop(page: _Page, hop: Hop, lane: tuple[float, float], following: tuple[float, float]) -> None:
    if hop.started_ns is not None and hop.sent_ns is not None:
        _draw_spans(page, [(hop.given_ns, hop.started_ns)], (lane[0], 0.5 * sum(lane)), WAITS)
        _draw_spans(page, [(hop.started_ns, hop.sent_ns)], lane, SENT)
    if hop.arrived_ns is not None and hop.sent_ns is not None:
        times = [hop.sent_ns * 1e-6, hop.arrived_ns * 1e-6]
        page.ax.plot(times, [lane[1], following[0]], color=SENT, linewidth=0.8, zorder=3)
    if hop.dropped_ns is not None:
        page.ax.plot(hop.dropped_ns * 1e-6, 0.5 * sum(lane), zorder=6, **LOST)


class _Block(NamedTuple):
    """Lanes that are drawn as one, with their edges from the top down."""

    heights: NDArray[np.float64]
    cells: NDArray[Any]
    """One row for each lane, and, where they have names, a masked one for the space between two."""
    named: bool

    @property
    def middles(self) -> NDArray[np.float64]:
        """The middle of each lane."""
        lanes = self.heights.reshape(-1, 2) if self.named else sliding_window_view(self.heights, 2)
        return np.asarray(lanes.mean(axis=1))


def _blocks(page: _Page, groups: Sequence[Lanes], kind: str, pitch: float) -> Iterator[_Block]:
    """Yield the lanes of each group, each with its name and this pitch, or, if it is 0, close together."""
    for group in groups:
        if pitch:
            lanes = [page.lane(name, pitch) for name in group.names]
            cells = np.ma.zeros((2 * len(lanes) - 1, group.cells.shape[1]), dtype=group.cells.dtype)
            cells[1::2] = np.ma.masked
            cells[::2] = group.cells
            yield _Block(np.ravel(lanes), cells, True)
        else:
            lane = _band(page, group, kind)
            yield _Block(np.linspace(*lane, len(group.names) + 1), np.ma.array(group.cells), False)


def _band(page: _Page, group: Lanes, kind: str) -> tuple[float, float]:
    """Return the edges of a lane for a whole group, the higher the more there is to tell apart."""
    alike = len(np.unique(group.cells, axis=0)) == 1
    height = 0.5 if alike else float(np.clip(0.045 * len(group.names), 0.5, 2.2))
    title = f"{len(group.names)} {kind} {group.title}".strip()
    return page.lane(title, height + 0.08, height / (height + 0.08), _span(group.names))


def _draw_aps(page: _Page) -> None:
    top, groups = page.y, page.timeline.aps
    colours = ListedColormap([colour for colour, _ in CELLS.values()])
    chosen = not any(group.title for group in groups)
    pitch = 0.25 if sum(len(group.names) for group in groups) <= MOST_NAMED else 0.17 * chosen
    corrections: list[Line2D] = []
    for group, block in zip(groups, _blocks(page, groups, "APs", pitch), strict=True):
        active = block._replace(cells=np.ma.masked_equal(block.cells, Cell.NOTHING))
        line = {"edgecolors": "white", "linewidth": 0.5} if block.named and page.has_room_between_slots else {}
        page.cells(page.timeline.slot_edges_ns, active, cmap=colours, vmin=0.5, vmax=len(CELLS) + 0.5, **line)
        corrections += _draw_corrections(page, group, block)
    seen = set().union(*(np.unique(group.cells).tolist() for group in groups))
    colours_seen = [Patch(color=look[0], label=look[1]) for cell, look in CELLS.items() if cell in seen]
    page.legend(top + 0.04, [*colours_seen, *corrections[:1]])
    page.end_of_section()


def _draw_corrections(page: _Page, group: Lanes, block: _Block) -> list[Line2D]:
    """Mark when APs took up corrections; return what explains the marks, if there are any."""
    of_each_ns = [page.timeline.corrections_ns.get(name, NEVER) for name in group.names]
    times_ns, y = np.concatenate(of_each_ns), np.repeat(block.middles, [len(times) for times in of_each_ns])
    page.ax.plot(times_ns * 1e-6, y, zorder=5, **CORRECTION)
    return [Line2D([], [], label="takes up a correction", **CORRECTION)] if page.holds(times_ns) else []


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _draw_ues(page: _Page) -> None:
    ues, top = page.timeline.ues, page.y
    if not ues.names:
        return
    most = float(np.nanmax(ues.cells, initial=0.0)) or 1.0
    for block in _blocks(page, [ues._replace(title="")], "UEs", 0.18 * (len(ues.names) <= MOST_NAMED)):
        known = block._replace(cells=np.ma.masked_invalid(block.cells))
        mesh = page.cells(page.timeline.cpi_edges_ns, known, cmap=SHADES, vmin=0.0, vmax=most)
        if mesh is not None:
            page.colour_bar(top + 0.03, mesh, "spectral efficiency\n(bit/s/Hz)")
    page.end_of_section()


def _draw_targets(page: _Page) -> None:
    targets, top = page.timeline.targets, page.y
    if not targets.names:
        return
    colours = ListedColormap(list(STATUS_COLOURS.values()))
    for block in _blocks(page, [targets._replace(title="")], "targets", 0.26 * (len(targets.names) <= MOST_NAMED)):
        known = block._replace(cells=np.ma.masked_equal(block.cells, -1))
        line = {"edgecolors": "white", "linewidth": 0.5}
        page.cells(page.timeline.cpi_edges_ns, known, cmap=colours, vmin=-0.5, vmax=2.5, **line)
        if block.named:
            for row, y in enumerate(block.middles.tolist()):
                _write_errors(page, row, y)
    names = {"resolved": "resolved, error", "not-resolved": "found, not resolved", "missed": "missed"}
    page.legend(top + 0.04, [Patch(color=STATUS_COLOURS[status], label=label) for status, label in names.items()])
    page.end_of_section()


def _write_errors(page: _Page, row: int, y: float) -> None:
    """Write the errors of a target into its cells, where they fit."""
    timeline = page.timeline
    for column, error_m in enumerate(timeline.errors_m[row]):
        low, high = timeline.cpi_edges_ns[column : column + 2].clip(timeline.start_ns, timeline.end_ns)
        if np.isfinite(error_m) and high - low > 0.07 * (timeline.end_ns - timeline.start_ns):
            dark = timeline.targets.cells[row, column] != STATUSES.index("not-resolved")
            colour = "white" if dark else BLACK
            page.ax.text(0.5e-6 * (low + high), y, _length(error_m), ha="center", va="center", size=8, color=colour)


def _length(metres: float) -> str:
    return f"{1e3 * metres:.2g} mm" if metres < 1.0 else f"{metres:.1f} m"
