"""Pictures of answers: where a network locates targets how exactly, and how a search came to its answer."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.network import Area, Network
from scenarios.answers.goals import Goal
from scenarios.answers.ladder import Ladder
from scenarios.answers.probe import Probe
from scenarios.output import draw
from scenarios.output.lengths import length_text

__all__ = ["Place", "assessment", "dimensioning"]

SEQUENCE = ("#08306B", "#2171B5", "#6BAED6", "#E69F00", "#F0E442")
"""From the tightest limit to the loosest; told apart by lightness, too."""
VERDICTS: dict[str, dict[str, Any]] = {
    "met": {"color": draw.BLUE, "marker": "o", "text": "met"},
    "not met": {"color": draw.VERMILION, "marker": "X", "text": "not met"},
    "not shown": {"color": draw.GREY, "marker": "D", "text": "not shown with these trials"},
}


class Place(NamedTuple):
    """What became of a target that stood somewhere, over the CPIs of a trial."""

    position_m: tuple[float, float]
    """In the last one."""
    error_m: float
    """The largest; infinite where it was missed."""


def assessment(
    places: Sequence[Place],
    limits_m: Sequence[float],
    area: Area,
    network: Network,
    table: Mapping[str, Mapping[str, str]],
    title: str,
) -> Figure:
    """Return a map of the places of targets beside a table of verdicts.

    Parameters
    ----------
    places
        Where targets stood, with their largest errors.
    limits_m
        Limits of accuracy, ascending.
    area, network
        What the map shows.
    table
        Verdicts by category and requirement.
    title
        Above the map.
    """
    with draw.styled():
        figure = Figure(figsize=(12.6, 6.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
        _draw_places(left, places, limits_m, area, network)
        left.set_title(f"Where targets are located how exactly, emulated\n{title}")
        _draw_verdicts(right, table)
    return figure


def _draw_places(ax: Axes, places: Sequence[Place], limits_m: Sequence[float], area: Area, network: Network) -> Axes:
    draw.draw_area(ax, area, network)
    ax.add_patch(_outline(area))
    aps_x, aps_y = network.ap_positions_m.T
    ax.scatter(aps_x, aps_y, marker="^", s=70, color=draw.BLACK, edgecolors="white", zorder=5, label="AP")
    positions = np.array([place.position_m for place in places]).reshape(-1, 2)
    errors = np.array([place.error_m for place in places])
    grade = np.searchsorted(limits_m, errors)
    for i, (limit, colour) in enumerate(zip(limits_m, SEQUENCE, strict=False)):
        style: dict[str, Any] = {"s": 34, "color": colour, "edgecolors": draw.BLACK, "linewidths": 0.5, "zorder": 4}
        x, y = positions[grade == i].T
        ax.scatter(x, y, label=f"within {length_text(limit)}: {(grade == i).sum()}", **style)
    beyond = grade == len(limits_m)
    x, y = positions[beyond].T
    ax.scatter(
        x,
        y, marker="x", s=46, color=draw.VERMILION, linewidths=1.8, zorder=6,
        label=f"missed or farther off: {beyond.sum()}",
    )  # fmt: skip
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3, title="largest error over the CPIs of a trial")
    return ax


def _outline(area: Area) -> Rectangle:
    return Rectangle((0.0, 0.0), area.width_m, area.height_m, fill=False, edgecolor=draw.GREY, linewidth=0.8)


def _draw_verdicts(ax: Axes, table: Mapping[str, Mapping[str, str]]) -> Axes:
    """Draw the verdict of each category, a row, on each requirement, a column."""
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    cells = [(columns.index(name), i, verdict) for i, row in enumerate(table.values()) for name, verdict in row.items()]
    for verdict, look in VERDICTS.items():
        x, y = np.array([(x, y) for x, y, found in cells if found == verdict]).reshape(-1, 2).T
        ax.scatter(x, y, marker=look["marker"], s=170, color=look["color"], label=look["text"])
    ax.set_xticks(range(len(columns)), [name.replace(" ", "\n") for name in columns])
    ax.set_yticks(range(len(table)), [f"category {name}" for name in table])
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(table) - 0.5, -0.5))
    ax.set_title("3GPP TS 22.137, strictest use of each category\nno mark: not asked for")
    ax.tick_params(length=0)
    ax.grid(True, axis="y")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3)
    return ax


# -- dimensioning ------------------------------------------------------------------------------------------------------

LOOKS: dict[str, dict[str, Any]] = {
    "bound": {"color": draw.GREY, "marker": "s", "label": "bound: no estimator does better"},
    "emulation": {"color": draw.BLUE, "marker": "o", "label": "emulated, with 95 %"},
    "confirmation": {"color": draw.VERMILION, "marker": "D", "label": "emulated, seeds not used in the search"},
}


def dimensioning(goal: Goal, ladder: Ladder, probes: Sequence[Probe], answer: Probe | None, n_trials: int) -> Figure:
    """Return the outcome against each value that was tried; what was emulated is numbered as it came."""
    with draw.styled():
        figure = Figure(figsize=(9.6, 5.4), layout="constrained")
        ax = figure.subplots()
        for kind, look in LOOKS.items():
            _draw_probes(ax, ladder, [probe for probe in probes if probe.kind == kind], look)
        ax.axhline(goal.need, color=draw.BLACK, lw=1.0, ls=":", label=f"goal: {goal.text}")
        if answer is not None:
            ax.axvline(_abscissa(ladder, answer), color=draw.GREEN, lw=1.6, label=f"answer: {answer.text}")
        _number_probes(ax, ladder, [probe for probe in probes if probe.kind == "emulation"])
        _label(ax, goal, ladder)
        ax.set_title(f"{n_trials} trials of each value, the same seeds for all; numbers: the order of the search")
    return figure


def _abscissa(ladder: Ladder, probe: Probe) -> float:
    return float(probe.value) if ladder.is_numeric else float(probe.rung)


def _draw_probes(ax: Axes, ladder: Ladder, probes: Sequence[Probe], look: Mapping[str, Any]) -> None:
    drawn = [probe for probe in probes if math.isfinite(probe.outcome.value)]
    if not drawn:
        return
    x = [_abscissa(ladder, probe) for probe in drawn]
    y = np.array([probe.outcome.value for probe in drawn])
    ends = np.array([[probe.outcome.low, probe.outcome.high] for probe in drawn]).T
    reach = np.nan_to_num(np.abs(ends - y))
    ax.errorbar(x, y, reach, ls="", capsize=3.0, ms=6.5, lw=1.4, zorder=4, **look)


def _number_probes(ax: Axes, ladder: Ladder, probes: Sequence[Probe]) -> None:
    drawn = [probe for probe in probes if math.isfinite(probe.outcome.value)]
    for number, probe in enumerate(drawn, 1):
        at = _abscissa(ladder, probe), float(probe.outcome.value)
        ax.annotate(f"{number}", at, (6, 6), textcoords="offset points", fontsize=8.5, color=draw.BLUE, zorder=6)


def _label(ax: Axes, goal: Goal, ladder: Ladder) -> None:
    ax.set(xlabel=ladder.key, ylabel=goal.axis)
    if ladder.is_geometric:
        ax.set_xscale("log")
    if not ladder.is_numeric:
        ax.set_xticks(range(len(ladder.values)), [str(value) for value in ladder.values])
    if goal.share is not None:
        ax.set_ylim(-0.03, 1.03)
    ax.grid(True)
    ax.legend(loc="best")
