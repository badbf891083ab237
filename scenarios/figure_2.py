"""Figure 2: the non-coherent cost (17)-(18) of two targets, and of two that stand too close for it.

Layout and targets are those of `dmimo run paper` with the same seed. For the close pair the second target is put
three metres from the first: the map then has one maximum for both, and only the carrier phase tells them apart.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from emulator.emulation import Emulation
from models.detection import local_maxima
from models.fisher import target_bounds_m
from models.likelihood import cost_map, noncoherent_map
from models.network import Area, ModeAssignment, Network
from models.observation import Observation
from models.transmission import expected_gram
from scenarios import draw
from scenarios.figures import each_realization, realization_seed
from scenarios.files import load
from scenarios.schema import Scenario

__all__ = ["CostMap", "Figure2", "expected_bounds_m", "layout_scenario", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 1
POWER_DBM = 30.0
STEP_M = 8.0
CLOSE_M = 3.0
"""Distance of the close pair."""
CLOSE_VIEW_M, CLOSE_CELLS = 60.0, 61
"""Side of the picture around the close pair, and cells along it."""
APART_M = 100.0
"""Targets of the map closer than this are drawn again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CostMap:
    """A map of the cost, averaged over realisations, with truth and what was found.

    Attributes
    ----------
    x_m, y_m
        Cell centres, shapes (n_x,) and (n_y,).
    cost
        Explained power over noise power, shape (n_y, n_x).
    truth_m
        Shape (2, 2).
    detections_m
        What was found in each of the realisations, shape (n_found, 2).
    """

    x_m: Float
    y_m: Float
    cost: Float
    truth_m: Float
    detections_m: Float

    def data(self) -> dict[str, Any]:
        """Return the map as plain data."""
        return {name: getattr(self, name).tolist() for name in ("x_m", "y_m", "cost", "truth_m", "detections_m")}

    def rows(self, panel: str) -> Iterator[tuple[Any, ...]]:
        """Yield the map, the truth and the detections as rows of a table."""
        for y, line in zip(self.y_m, self.cost, strict=True):
            yield from ((panel, "cost", float(x), float(y), float(c)) for x, c in zip(self.x_m, line, strict=True))
        for kind, points in (("truth", self.truth_m), ("detection", self.detections_m)):
            yield from ((panel, kind, float(x), float(y), math.nan) for x, y in points)


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure2:
    """The two maps of figure 2 and the layout they belong to.

    Estimates of the two-stage estimator are the detections of the map of separated targets; of the close pair's they
    are the maxima of the map, and ``close_peb_m`` is what the carrier phase can do (structured amplitudes, both targets
    together), shape (2,).
    """

    seed: int
    n_realizations: int
    network: Network
    area: Area
    assignment: ModeAssignment
    separated: CostMap
    close: CostMap
    close_peb_m: Float

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure 2 --json`; costs are explained power over noise power."""
        return {
            "seed": self.seed,
            "realizations": self.n_realizations,
            "power_dbm": POWER_DBM,
            **self.separated.data(),
            "close_pair": {**self.close.data(), "peb_structured_m": self.close_peb_m.tolist()},
        }

    def rows(self) -> list[Any]:
        """Return the figure as a table."""
        panels = (("separated", self.separated), ("close pair", self.close))
        return [("panel", "item", "x_m", "y_m", "cost"), *(row for name, one in panels for row in one.rows(name))]

    def summary(self) -> list[str]:
        """Return what was found in either map."""
        close, bound = self.close, draw.length_text(float(self.close_peb_m.max()))
        error = np.linalg.norm(self.separated.truth_m[:, None] - self.separated.detections_m, axis=-1)
        nearest = ", ".join(draw.length_text(float(e)) for e in error.min(axis=1, initial=np.inf))
        return [
            f"Two targets {math.dist(*self.separated.truth_m):.0f} m apart: {len(self.separated.detections_m)} found, "
            f"nearest to each target: {nearest}",
            f"Two targets {math.dist(*close.truth_m):.0f} m apart: maxima of the map within 3 dB of its highest: "
            f"{len(close.detections_m)}; the bound from the carrier phase is {bound}",
        ]

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(13.2, 6.4), layout="constrained")
            plot(self, figure.subplots(1, 2))
        return figure


def layout_scenario(seed: int) -> Scenario:
    """Return the paper's scenario with the layout that a seed draws written out, so that other seeds draw noise only.

    Targets that lie closer than 100 m together are drawn again.
    """
    drawn = load("paper")
    emulation = drawn.build(seed, tracing=False, scoring=False, estimator=None)
    network, streams = emulation.network, emulation.streams
    size, attempt = drawn.area.size_m, 0
    while True:
        targets = [streams.generator(f"target-{s}", "position", attempt).uniform(size=2) * size for s in range(2)]
        if math.dist(*targets) >= APART_M:
            break
        attempt += 1
    keys = {
        "access_points.positions_m": network.ap_positions_m,
        "access_points.boresights_deg": np.degrees(network.boresights_rad),
        "user_equipment.positions_m": network.ue_positions_m,
        "targets": [{"position_m": target.tolist()} for target in targets],
    }
    return drawn.with_(keys)


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Figure2:
    """Return figure 2: 12 APs of 8 antennas, 30 dBm, rho 0.5, two targets.

    Parameters
    ----------
    n_realizations
        Draws of waveform and noise over which the cost is averaged; the estimates of all are shown.
    seed
        Of the layout, and of the draws.
    workers
        Processes; None: one for each core.
    """
    apart = layout_scenario(seed).with_({"radio.transmit_power_dbm": POWER_DBM})
    first = np.array(apart.targets[0].position_m)
    close = apart.with_({"targets.1.position_m": _beside(first, apart.area.size_m)})
    realize = partial(_realize, seed=seed, apart=apart, close=close)
    maps = each_realization(realize, n_realizations, workers, "figure 2")
    emulation = close.build(seed, tracing=False, scoring=False, estimator=None)
    assignment = emulation.central.selector.select(emulation.central.view(), np.random.default_rng(0))
    return Figure2(
        seed=seed,
        n_realizations=n_realizations,
        network=emulation.network,
        area=emulation.central.area,
        assignment=assignment,
        separated=_averaged([found[0] for found in maps]),
        close=_averaged([found[1] for found in maps]),
        close_peb_m=expected_bounds_m(emulation, assignment, maps[0][1].truth_m, "structured"),
    )


def _beside(point_m: Float, size_m: tuple[float, float]) -> Float:
    """Return the point three metres from another, towards the centre of the area."""
    inward = 0.5 * np.array(size_m) - point_m
    return point_m + CLOSE_M * inward / np.linalg.norm(inward)


def expected_bounds_m(emulation: Emulation, assignment: ModeAssignment, targets_m: Float, kind: str) -> Float:
    """Return the bounds of targets of 0 dBsm estimated together, for the expected statistics of the sensing waveform.

    Parameters are those of `models.fisher.target_bounds_m`; scattering phases are 0.
    """
    network, radio = emulation.network, emulation.central.radio
    gram = expected_gram(
        len(assignment.transmitters),
        network.n_antennas,
        radio.n_snapshots,
        radio.transmit_power_w,
        radio.comm_power_fraction,
    )
    return target_bounds_m(network, assignment, targets_m, 1.0, 0.0, gram, radio.noise_power_w, kind)


def _realize(index: int, seed: int, apart: Scenario, close: Scenario) -> tuple[CostMap, CostMap]:
    """Return the maps of one draw of waveform and noise: of the separated targets and of the close pair."""
    wide, near = (
        next(scenario.build(realization_seed(seed, index), tracing=False, scoring=False, **strategies).cpis(1))
        for scenario, strategies in ((apart, {}), (close, {"estimator": None}))
    )
    assert wide.observation is not None and near.observation is not None, "nothing is lost on the paper's fronthaul"
    x, y, cost = cost_map(wide.observation, STEP_M)
    separated = CostMap(x_m=x, y_m=y, cost=cost, truth_m=wide.truth_m, detections_m=wide.estimate.positions_m)
    x, y, cost = _around(near.observation, near.truth_m)
    maxima = _maxima_m(x, y, cost)
    return separated, CostMap(x_m=x, y_m=y, cost=cost, truth_m=near.truth_m, detections_m=maxima)


def _maxima_m(x: Float, y: Float, cost: Float) -> Float:
    """Return the local maxima of a map that come within 3 dB of the highest, highest first, shape (n, 2)."""
    peaks = local_maxima(cost)
    row, column = np.unravel_index(peaks[cost.ravel()[peaks] > 0.5 * cost.max()], cost.shape)
    return np.stack([x[column], y[row]], axis=-1)


def _around(observation: Observation, truth_m: Float) -> tuple[Float, Float, Float]:
    """Return the cost on a fine grid around the middle of the targets."""
    offset = np.linspace(-0.5, 0.5, CLOSE_CELLS) * CLOSE_VIEW_M
    x, y = (offset + middle for middle in truth_m.mean(axis=0))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, noncoherent_map(observation, points).reshape(len(y), len(x))


def _averaged(maps: list[CostMap]) -> CostMap:
    return CostMap(
        x_m=maps[0].x_m,
        y_m=maps[0].y_m,
        cost=np.mean([one.cost for one in maps], axis=0),
        truth_m=maps[0].truth_m,
        detections_m=np.concatenate([one.detections_m for one in maps]),
    )


def plot(result: Figure2, axes: "NDArray[Any] | list[Axes]") -> "NDArray[Any] | list[Axes]":
    """Draw both maps on two axes and return them."""
    wide, near = axes
    draw.draw_area(wide, result.area, result.network)
    limits = wide.get_xlim(), wide.get_ylim()
    draw.draw_cost_map(wide, result.separated.x_m, result.separated.y_m, result.separated.cost)
    wide.set(xlim=limits[0], ylim=limits[1])
    draw.draw_access_points(wide, result.network, result.assignment, on_image=True)
    draw.draw_targets(wide, result.separated.truth_m, result.separated.detections_m, on_image=True)
    wide.set_title(f"Two targets {math.dist(*result.separated.truth_m):.0f} m apart, {POWER_DBM:.0f} dBm")
    wide.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    _plot_close(result, near)
    return axes


def _plot_close(result: Figure2, ax: Axes) -> None:
    close = result.close
    draw.draw_cost_map(ax, close.x_m, close.y_m, close.cost, depth_db=6.0)
    below_db = 10.0 * np.log10(close.cost / close.cost.max())
    lines = ax.contour(close.x_m, close.y_m, below_db, levels=(-2.0, -1.0, -0.5, -0.1), colors="white", linewidths=0.9)
    lines.set(linestyle="-")
    ax.clabel(lines, fmt=lambda level: f"−{-level:g} dB", fontsize=8.5)
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)")
    draw.draw_targets(ax, close.truth_m, close.detections_m[:0], on_image=True)
    halo = [withStroke(linewidth=3.4, foreground=draw.BLACK)]
    style: dict[str, Any] = {"color": "#F0E442", "marker": "x", "lw": 2.0, "path_effects": halo}
    ax.scatter(close.detections_m[:, 0], close.detections_m[:, 1], s=70, zorder=7, label="maximum of the map", **style)
    count = "one maximum" if len(close.detections_m) == 1 else f"{len(close.detections_m)} maxima"
    bound = draw.length_text(float(result.close_peb_m.max()))
    ax.set_title(f"Two targets {math.dist(*close.truth_m):.0f} m apart: {count} (bound from the phase: {bound})")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
