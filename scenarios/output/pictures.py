"""The pictures map.png, cost_map.png and se.png of an output folder, drawn from the data of its CPIs.

A CPI is what `scenarios.output.results.cpi_data` makes of it, as in result.json.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from models.network import Area, ModeAssignment, Network
from scenarios.output import draw
from scenarios.output.gallery import Cost

__all__ = [
    "RIGHT_BOUNDS", "cost_map_figure", "map_figure", "spectral_efficiency_figure", "survey_figure", "targets_figure",
]  # fmt: skip

Float = NDArray[np.float64]
Cpi = Mapping[str, Any]
MAX_PANELS = 6
LEAST_SIDE_M = 40.0
"""Of a map without an area."""
RIGHT_BOUNDS = 5.0
"""A resolved estimate that is off by more of its bounds is in a wrong lobe of the carrier phase."""


def map_figure(network: Network, area: Area, cpi: Cpi, earlier: Sequence[Cpi] = ()) -> Figure:
    """Return the map of a CPI, with a panel at the scale of the error for each of the first six targets.

    Parameters
    ----------
    network, area
        The survey.
    cpi
        The CPI.
    earlier
        CPIs before it, in order: the ways of the targets since then are drawn, and what was estimated on them.
    """
    return _beside_panels(cpi, partial(_draw_map, network=network, area=area, cpi=cpi, earlier=earlier))


def targets_figure(cpi: Cpi) -> Figure:
    """Return the map of a CPI whose network is not at hand: its targets and what was estimated, and the panels."""
    return _beside_panels(cpi, partial(_draw_alone, cpi=cpi))


def _beside_panels(cpi: Cpi, draw_left: Callable[[FigureBase], None]) -> Figure:
    """Return a figure with a map on its left, and a panel for each of the first six targets."""
    n_panels = min(len(cpi["targets"]), MAX_PANELS)
    n_columns = 2 if n_panels > 2 else min(n_panels, 1)
    with draw.styled():
        figure = Figure(figsize=(7.6 + 3.5 * n_columns, 7.4), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
        if not n_panels:
            draw_left(figure)
            return figure
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(7.6, 3.5 * n_columns))[0]
        draw_left(left)
        panels = right.subplots(-(-n_panels // n_columns), n_columns, squeeze=False).ravel()
        for target, ax in enumerate(panels[:n_panels]):
            _draw_panel(ax, cpi["targets"][target], target)
        for ax in panels[n_panels:]:
            ax.set_axis_off()
    return figure


def _draw_map(figure: FigureBase, network: Network, area: Area, cpi: Cpi, earlier: Sequence[Cpi]) -> None:
    ax = draw.draw_area(figure.subplots(), area, network)
    if earlier:
        _draw_paths(ax, [*earlier, cpi])
    draw.draw_access_points(ax, network, _modes(network, cpi))
    draw.draw_names(ax, network)
    draw.draw_user_equipment(ax, network)
    _finish_map(figure, ax, cpi)


def _draw_alone(figure: FigureBase, cpi: Cpi) -> None:
    points = np.vstack([_truth(cpi), *(position for position, _ in _estimates(cpi))])
    _finish_map(figure, draw.draw_around(figure.subplots(), _square_about(points)), cpi)


def _square_about(points_m: Float) -> Float:
    """Return two corners of a square that holds some points, shape (n, 2)."""
    low, high = (points_m.min(axis=0), points_m.max(axis=0)) if len(points_m) else np.zeros((2, 2))
    half_m = max(0.5 * (high - low).max(), 0.5 * LEAST_SIDE_M)
    return 0.5 * (low + high) + half_m * np.array([[-1.0], [1.0]])


def _finish_map(figure: FigureBase, ax: Axes, cpi: Cpi) -> None:
    """Draw targets and estimates, and say what the map shows."""
    _draw_targets(ax, cpi)
    n_resolved = sum(target["status"] == "resolved" for target in cpi["targets"])
    ax.set_title(f"CPI {cpi['index']}: {n_resolved} of {len(cpi['targets'])} targets resolved")
    ax.grid(True)
    if ax.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=3)


def _draw_paths(ax: Axes, cpis: Sequence[Cpi]) -> None:
    found: dict[str, list[Any]] = {}
    for position, kind in (pair for cpi in cpis[:-1] for pair in _estimates(cpi)):
        found.setdefault(kind, []).append(position)
    draw.draw_paths(ax, np.array([_truth(cpi) for cpi in cpis]), found)


def _draw_targets(ax: Axes, cpi: Cpi, on_image: bool = False) -> None:
    estimates = _estimates(cpi)
    positions = np.array([position for position, _ in estimates]).reshape(-1, 2)
    ellipses = [] if on_image else [target["covariance_m2"] for target in _found(cpi)]
    draw.draw_targets(ax, _truth(cpi), positions, ellipses, on_image, [kind for _, kind in estimates])


def _modes(network: Network, cpi: Cpi) -> ModeAssignment:
    return ModeAssignment.of(network.n_aps, cpi["transmitters"], cpi["receivers"])


def _truth(cpi: Cpi) -> Float:
    return np.array([target["truth_m"] for target in cpi["targets"]]).reshape(-1, 2)


def _found(cpi: Cpi) -> list[Mapping[str, Any]]:
    return [target for target in cpi["targets"] if target["estimate_m"] is not None]


def _estimates(cpi: Cpi) -> list[tuple[Any, str]]:
    """Return position and kind of all estimates: first those of targets, then false ones."""
    of_targets = [(target["estimate_m"], _kind(target)) for target in _found(cpi)]
    return of_targets + [(position, "false") for position in cpi["false_positions_m"]]


def _kind(target: Mapping[str, Any]) -> str:
    """Return what came of the estimate of a target, as `scenarios.output.draw.ESTIMATES` calls it."""
    if target["status"] != "resolved":
        return "not resolved"
    bound_m = target.get("peb_hybrid_m") or target["peb_m"]
    return "wrong lobe" if bound_m and target["error_m"] > RIGHT_BOUNDS * bound_m else "resolved"


def _draw_panel(ax: Axes, target: Mapping[str, Any], index: int) -> None:
    estimate, covariance, peb_m = (target[key] for key in ("estimate_m", "covariance_m2", "peb_m"))
    kind = _kind(target)
    draw.draw_error(
        ax,
        np.asarray(target["truth_m"]),
        estimate if estimate is None else np.asarray(estimate),
        covariance if covariance is None else np.asarray(covariance),
        np.nan if peb_m is None else peb_m,
        f"target {index}" + ("" if kind == "resolved" or estimate is None else f", {kind}"),
        kind,
    )


def cost_map_figure(network: Network, area: Area, cpi: Cpi, cost: Cost | None) -> Figure:
    """Return the non-coherent cost map of a CPI, with the truth, what was detected and the access points.

    Parameters
    ----------
    network, area
        The survey.
    cpi
        The CPI.
    cost
        The cost; None if no report was fused: there is no cost, and the picture says so.
    """
    with draw.styled():
        figure = Figure(figsize=(8.6, 7.6), layout="constrained")
        ax = draw.draw_area(figure.subplots(), area, network)
        ax.set_title(f"Non-coherent cost of CPI {cpi['index']}" + ("" if cost else ": no report was fused"))
        if cost is not None:
            _draw_cost(ax, cost)
        draw.draw_access_points(ax, network, _modes(network, cpi), on_image=True)
        draw.draw_names(ax, network)
        _draw_targets(ax, cpi, on_image=True)
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw_cost(ax: Axes, cost: Cost) -> None:
    """Draw a cost and its threshold without a change to what the axes show."""
    limits = ax.get_xlim(), ax.get_ylim()
    draw.draw_cost_map(ax, cost.x_m, cost.y_m, cost.power, range_db=cost.range_db)
    if cost.threshold is not None:
        draw.draw_threshold(ax, cost.x_m, cost.y_m, cost.power, cost.threshold)
    ax.set(xlim=limits[0], ylim=limits[1])


def spectral_efficiency_figure(se_bit_s_hz: Float, names: tuple[str, ...], n_cpis: int) -> Figure:
    """Return the bars of the spectral efficiency of the UEs."""
    with draw.styled():
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        draw.draw_spectral_efficiency(figure.subplots(), se_bit_s_hz, names, n_cpis)
    return figure


def survey_figure(network: Network, area: Area, targets_m: Sequence[Float]) -> Figure:
    """Return the map of a network that has no roles yet, and where the targets are."""
    with draw.styled():
        figure = Figure(figsize=(7.6, 7.4), layout="constrained")
        ax = draw.draw_area(figure.subplots(), area, network)
        draw.draw_access_points(ax, network, ModeAssignment.of(network.n_aps, [], []))
        draw.draw_user_equipment(ax, network)
        draw.draw_targets(ax, np.array(targets_m).reshape(-1, 2), np.empty((0, 2)))
        ax.grid(True)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
