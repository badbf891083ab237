"""The picture metrics.png of an output folder: what was measured, CPI by CPI, a panel a kind of value."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from scenarios.output import draw
from scenarios.output.metrics import Curve, Panel

__all__ = ["draw_panel", "metrics_figure"]

COLOURS = (draw.BLUE, draw.VERMILION, draw.GREEN, "#CC79A7", "#E69F00", "#56B4E9")
STYLES = ("-", "--", ":")
MOST_NAMED, MOST_MARKED = 4, 60
PANEL_INCHES, MARGINS_INCHES = 1.7, (0.6, 0.75)


def metrics_figure(first_cpi: int, curves: Mapping[Panel, Sequence[Curve]]) -> Figure:
    """Return the panels below each other, all over the CPIs.

    Parameters
    ----------
    first_cpi
        Index of the CPI of the first value.
    curves
        What `scenarios.output.metrics.curves` gives.
    """
    below, above = MARGINS_INCHES
    height = PANEL_INCHES * len(curves) + below + above
    with draw.styled():
        figure = Figure(figsize=(8.6, height))
        figure.subplots_adjust(left=0.11, right=0.97, bottom=below / height, top=1.0 - 0.5 * above / height, hspace=0.5)
        axes = figure.subplots(len(curves), 1, sharex=True, squeeze=False).ravel()
        for ax, (panel, drawn) in zip(axes, curves.items(), strict=True):
            draw_panel(ax, first_cpi, panel, drawn)
        axes[-1].set_xlabel("CPI")
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def draw_panel(ax: Axes, first_cpi: int, panel: Panel, curves: Sequence[Curve]) -> Axes:
    """Draw the curves of a panel: the lines of one target or UE share a colour, those of one metric a style."""
    for curve, style in zip(curves, cycle(STYLES), strict=False):
        _draw_curve(ax, first_cpi, curve, style)
    _draw_legend(ax, curves)
    values = np.concatenate([curve.values.ravel() for curve in curves])
    _scale(ax, values[np.isfinite(values)], panel.logarithmic)
    ax.set_title(panel.title)
    ax.grid(True)
    return ax


def _scale(ax: Axes, values: NDArray[np.float64], logarithmic: bool) -> None:
    """Scale the y axis: with zero, or logarithmic with ticks that can be read over less than a decade, too."""
    positive = values[values > 0.0]
    if not (logarithmic and len(positive)):
        ax.set_ylim(1.1 * values.min(initial=0.0), 1.1 * values.max(initial=0.0) or 1.0)
        return
    ax.set_yscale("log")
    if positive.max() < 20.0 * positive.min():
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def _draw_curve(ax: Axes, first_cpi: int, curve: Curve, style: str) -> None:
    cpis = first_cpi + np.arange(len(curve.values))
    marker = "o" if len(cpis) <= MOST_MARKED else ""
    for line, colour in zip(curve.values.T, cycle(COLOURS), strict=False):
        ax.plot(cpis, line, style, color=colour, marker=marker, ms=3.5, lw=1.3, clip_on=False)


def _draw_legend(ax: Axes, curves: Sequence[Curve]) -> None:
    """Name the styles where there are several metrics, and the colours where there are several lines, but few."""
    styles = zip(curves, cycle(STYLES), strict=False)
    handles = [Line2D([], [], ls=style, color=draw.BLACK, lw=1.3, label=curve.heading) for curve, style in styles]
    handles = handles if len(handles) > 1 else []
    n_lines = curves[0].values.shape[1]
    if 1 < n_lines <= MOST_NAMED:
        names = [f"{curves[0].per} {i}" for i in range(n_lines)]
        handles += [Line2D([], [], color=c, marker="o", ms=3.5, label=n) for c, n in zip(COLOURS, names, strict=False)]
    if handles:
        ax.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=len(handles), borderaxespad=0.0,
            columnspacing=1.0, handlelength=1.6, handletextpad=0.5,
        )  # fmt: skip
