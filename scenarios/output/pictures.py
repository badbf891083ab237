"""The pictures of an output folder: map.png, cost_map.png and se.png."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from models.network import Area, Network
from scenarios.output import draw

if TYPE_CHECKING:
    from emulator.results import CpiResult

__all__ = ["cost_map_figure", "map_figure", "spectral_efficiency_figure"]

Float = NDArray[np.float64]
MAX_PANELS = 6


def map_figure(network: Network, area: Area, cpi: "CpiResult") -> Figure:
    """Return the map of a CPI, with a panel at the scale of the error for each of the first six targets."""
    n_panels = min(len(cpi.truth_m), MAX_PANELS)
    n_columns = 2 if n_panels > 2 else min(n_panels, 1)
    with draw.styled():
        figure = Figure(figsize=(7.6 + 3.4 * n_columns, 7.4), layout="constrained")
        if not n_panels:
            _draw_map(figure, network, area, cpi)
            return figure
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(7.6, 3.4 * n_columns))[0]
        _draw_map(left, network, area, cpi)
        panels = right.subplots(-(-n_panels // n_columns), n_columns, squeeze=False).ravel()
        for target, ax in enumerate(panels[:n_panels]):
            _draw_panel(ax, cpi, target)
        for ax in panels[n_panels:]:
            ax.set_axis_off()
    return figure


def _draw_map(figure: FigureBase, network: Network, area: Area, cpi: "CpiResult") -> None:
    ax = draw.draw_area(figure.subplots(), area, network)
    draw.draw_access_points(ax, network, cpi.assignment)
    draw.draw_user_equipment(ax, network)
    draw.draw_targets(ax, cpi.truth_m, cpi.estimate.positions_m, cpi.estimate.covariance_m2)
    n_resolved = cpi.score.status.count("resolved")
    ax.set_title(f"CPI {cpi.index}: {n_resolved} of {len(cpi.truth_m)} targets resolved")
    ax.grid(True)
    figure.legend(loc="outside lower center", ncols=3)


def _draw_panel(ax: "draw.Axes", cpi: "CpiResult", target: int) -> None:
    match = int(cpi.score.matched[target])
    found = match >= 0
    covariances = cpi.estimate.covariance_m2
    draw.draw_error(
        ax,
        cpi.truth_m[target],
        cpi.estimate.positions_m[match] if found else None,
        covariances[match] if found and covariances is not None else None,
        float(cpi.peb_m[target]),
        f"target {target}" + (", not resolved" if cpi.score.status[target] == "not-resolved" else ""),
    )


def cost_map_figure(network: Network, area: Area, cpi: "CpiResult", grid_step_m: float) -> Figure:
    """Return the non-coherent cost map of a CPI, with the truth, what was detected and the access points.

    Without a single report there is no cost, and the picture says so.
    """
    from models.estimation.likelihood import cost_map

    observation = cpi.observation
    with draw.styled():
        figure = Figure(figsize=(8.6, 7.6), layout="constrained")
        ax = draw.draw_area(figure.subplots(), area, network)
        ax.set_title(f"Non-coherent cost of CPI {cpi.index}" + ("" if observation else ": no report was fused"))
        if observation is not None:
            limits = ax.get_xlim(), ax.get_ylim()
            draw.draw_cost_map(ax, *cost_map(observation, grid_step_m))
            ax.set(xlim=limits[0], ylim=limits[1])
        draw.draw_access_points(ax, network, cpi.assignment, on_image=True)
        draw.draw_targets(ax, cpi.truth_m, cpi.estimate.positions_m, on_image=True)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def spectral_efficiency_figure(se_bit_s_hz: Float, names: tuple[str, ...], n_cpis: int) -> Figure:
    """Return the bars of the spectral efficiency of the UEs."""
    with draw.styled():
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        draw.draw_spectral_efficiency(figure.subplots(), se_bit_s_hz, names, n_cpis)
    return figure
