"""The timeline: who did what when, drawn from a trace.

One lane an AP (communication, sensing, listening), two for the fronthaul (links that leave the central processor, and
all others) and one for the central processor (plan, fuse, publish).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from emulator.trace import Kind, Trace

__all__ = ["draw", "figure_of"]

# Okabe and Ito's palette, told apart by every kind of colour vision.
COLOURS = {Kind.COMMUNICATE: "#9CC9E3", Kind.SENSE: "#0072B2", Kind.LISTEN: "#E69F00"}
LABELS = {
    Kind.COMMUNICATE: "communicates", Kind.SENSE: "communicates and senses", Kind.LISTEN: "listens",
}  # fmt: skip
FRONTHAUL_COLOUR, SILENT_COLOUR = "#7F7F7F", "#D55E00"
MARKERS = {
    Kind.PLAN: ("|", "#1A1A1A", "plan"), Kind.FUSE: ("o", "#009E73", "fuse"), Kind.PUBLISH: (".", "#1A1A1A", "publish"),
}  # fmt: skip
MOST_SLOTS = 26

Columns = Mapping[str, Any]


class _Rows(NamedTuple):
    time_ns: NDArray[np.int64]
    node: NDArray[np.int64]
    value: NDArray[np.int64]


def draw(trace: Columns, ax: Axes, from_ns: int | None = None, until_ns: int | None = None) -> Axes:
    """Draw a trace.

    Parameters
    ----------
    trace
        The columns time_ns, kind, node and value of a trace, and the node names under "nodes".
    ax
        Where to draw.
    from_ns, until_ns
        The window of emulated time; by default the first 24 slots in which an AP was active, and two before.
    """
    nodes = [str(name) for name in trace["nodes"]]
    lanes = _lanes(trace)
    slot_ns = _slot_ns(trace)
    start_ns = max(_first_slot_ns(trace) - 2 * slot_ns, 0) if from_ns is None else from_ns
    end_ns = start_ns + MOST_SLOTS * slot_ns if until_ns is None else until_ns
    end_ns = min(end_ns, int(trace["time_ns"].max(initial=0)) + slot_ns)
    height = {name: i for i, name in enumerate(reversed(["central", "up", "down", *lanes]))}
    for kind, colour in COLOURS.items():
        for name in lanes:
            times = _rows(trace, kind, nodes.index(name)).time_ns
            spans = [(t * 1e-6, slot_ns * 1e-6) for t in times]
            ax.broken_barh(spans, (height[name] - 0.38, 0.76), facecolors=colour, edgecolor="white", linewidth=0.4)
    _draw_silence(trace, nodes, lanes, height, ax)
    _draw_fronthaul(trace, nodes, height, ax)
    _draw_central(trace, height["central"], ax)
    _decorate(ax, height, start_ns, end_ns)
    return ax


def figure_of(trace: Trace | Columns, **window: int) -> Figure:
    """Return the timeline of a trace as a figure; ``window`` are ``from_ns`` and ``until_ns`` of `draw`."""
    if isinstance(trace, Trace):
        trace = trace.data(None if window else trace.first_cpis(MOST_SLOTS))
    figure = Figure(figsize=(11.0, 1.9 + 0.3 * len(_lanes(trace))), layout="constrained")
    draw(trace, figure.subplots(), **window)
    return figure


def _rows(trace: Columns, kind: Kind, node: int | None = None) -> _Rows:
    chosen = trace["kind"] == kind
    if node is not None:
        chosen = chosen & (trace["node"] == node)
    return _Rows(trace["time_ns"][chosen], trace["node"][chosen], trace["value"][chosen])


def _lanes(trace: Columns) -> list[str]:
    """Return the names of the APs: the nodes that were given a plan or lacked one."""
    kinds = (Kind.COMMUNICATE, Kind.SENSE, Kind.LISTEN, Kind.SILENT, Kind.ASSIGNED)
    seen = np.unique(trace["node"][np.isin(trace["kind"], kinds)])
    return [str(trace["nodes"][i]) for i in seen]


def _first_slot_ns(trace: Columns) -> int:
    """Return when an AP was active for the first time; the start if none ever was."""
    active = np.isin(trace["kind"], list(COLOURS))
    return int(trace["time_ns"][active].min(initial=np.iinfo(np.int64).max)) if active.any() else 0


def _slot_ns(trace: Columns) -> int:
    """Return the duration of a slot, from the first and the last slot in which an AP was active."""
    active = np.isin(trace["kind"], list(COLOURS))
    times, slots = trace["time_ns"][active], trace["value"][active]
    if not active.any() or slots.max() == slots.min():
        return max(int(np.ptp(trace["time_ns"])), 1) if len(trace["time_ns"]) else 1
    return int((times[slots.argmax()] - times[slots.argmin()]) // (slots.max() - slots.min()))


def _draw_silence(trace: Columns, nodes: list[str], lanes: list[str], height: dict[str, int], ax: Axes) -> None:
    rows = _rows(trace, Kind.SILENT)
    levels = [height[nodes[n]] for n in rows.node if nodes[n] in lanes]
    ax.plot(rows.time_ns * 1e-6, levels, "x", color=SILENT_COLOUR, markersize=5, gid="silent")


def _draw_fronthaul(trace: Columns, nodes: list[str], height: dict[str, int], ax: Axes) -> None:
    rows = _rows(trace, Kind.SERIALISE)
    from_central = np.array([nodes[n].startswith("central->") for n in rows.node], dtype=bool)
    for lane, of_lane in (("down", from_central), ("up", ~from_central)):
        spans = np.unique(np.stack([rows.time_ns[of_lane], rows.value[of_lane]], axis=1), axis=0) * 1e-6
        ax.broken_barh(
            spans.tolist(), (height[lane] - 0.38, 0.76), facecolors=FRONTHAUL_COLOUR, edgecolor=FRONTHAUL_COLOUR,
            linewidth=0.6,
        )  # fmt: skip


def _draw_central(trace: Columns, level: int, ax: Axes) -> None:
    for kind, (marker, colour, _) in MARKERS.items():
        times = _rows(trace, kind).time_ns * 1e-6
        ax.plot(times, np.full(len(times), level), marker, color=colour, markersize=8, markeredgewidth=1.6)


def _decorate(ax: Axes, height: dict[str, int], start_ns: int, end_ns: int) -> None:
    names = {"up": "other links", "down": "links from the centre", "central": "central processor"}
    ax.set_yticks(list(height.values()), [names.get(name, name) for name in height])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.7, len(height) - 0.3)
    ax.set_xlim(start_ns * 1e-6, end_ns * 1e-6)
    ax.set_xlabel("emulated time in ms")
    ax.xaxis.set_major_locator(MaxNLocator(10))
    ax.spines[["top", "right", "left"]].set_visible(False)
    handles: list[Any] = [Patch(color=COLOURS[kind], label=LABELS[kind]) for kind in COLOURS]
    handles += [Patch(color=FRONTHAUL_COLOUR, label="a link sends")]
    handles += [
        Line2D([], [], linestyle="", marker=m, color=c, markersize=8, markeredgewidth=1.6, label=label)
        for m, c, label in MARKERS.values()
    ]
    if any(line.get_gid() == "silent" and np.size(line.get_xdata()) for line in ax.lines):
        handles += [Line2D([], [], linestyle="", marker="x", color=SILENT_COLOUR, label="no plan: silent")]
    ax.legend(handles=handles, ncols=len(handles), loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False,
              fontsize=9, columnspacing=1.2, handlelength=1.4)  # fmt: skip
