"""Figure 2: the non-coherent cost (17)-(18) of two targets, and of two that stand too close for it.

Layout and targets are those of `dmimo run paper` with the same seed, unless its targets stand within 100 m of each
other: then they are drawn again. For the close pair the second target is put three metres from the first: the map then
has one maximum for both, and only the carrier phase tells them apart.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy import ndimage

from emulator.emulation import CpiResult, Emulation
from models.bounds.fisher import target_bounds_m
from models.estimation.cost_maps import interpolated_cost_map
from models.estimation.detection import local_maxima
from models.estimation.likelihood import noncoherent_map
from models.network import Area, ModeAssignment, Network
from models.observation import Observation
from models.radio.transmission import expected_gram
from models.scoring import Score, score
from scenarios.figures.common import each_realization, realization_seed
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.output import draw
from scenarios.output.lengths import length_text

__all__ = ["CostMap", "Figure2", "expected_bounds_m", "layout_scenario", "map_detections_m", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 1
POWER_DBM = 30.0
STEP_M = 4.0
CLOSE_M = 3.0
"""Distance of the close pair."""
CLOSE_VIEW_M, CLOSE_CELLS = 40.0, 81
"""Side of the picture around the close pair, and cells along it."""
APART_M = 100.0
"""Targets of the map closer than this are drawn again."""
DETECTED_SHARE, VALLEY_SHARE = 0.5, 0.9
"""A maximum is a detection if it reaches this share of the highest, and no higher one without a valley this deep."""
DECIMALS = 3  # of the cost in files
PLACES = {"left": 0.0565, "right": 0.934, "bottom": 0.16, "top": 0.9, "wspace": 0.315}
"""Of the two axes, square beside their colour bars: working them out (constrained layout) takes longer than drawing."""


class Outcome(NamedTuple):
    """What the estimator made of the targets of one draw."""

    estimates_m: Float
    score: Score


@dataclass(frozen=True, kw_only=True, eq=False)
class CostMap:
    """A map of the cost, averaged over realisations, with truth, what the map shows and what was estimated.

    Attributes
    ----------
    x_m, y_m
        Cell centres, shapes (n_x,) and (n_y,).
    cost
        Explained power over noise power, shape (n_y, n_x).
    truth_m
        Shape (2, 2).
    outcomes
        What two-stage estimation made of each realisation.
    """

    x_m: Float
    y_m: Float
    cost: Float
    truth_m: Float
    outcomes: tuple[Outcome, ...]

    @cached_property
    def detections_m(self) -> Float:
        """Maxima of the map, highest first, shape (n_found, 2); see `map_detections_m`."""
        return map_detections_m(self.x_m, self.y_m, self.cost)

    @property
    def estimates_m(self) -> Float:
        """Positions that two-stage estimation found, of all realisations, shape (n, 2)."""
        return np.concatenate([one.estimates_m for one in self.outcomes])

    @property
    def error_m(self) -> Float:
        """Distance of each target from its estimate, NaN where missed, shape (n_realizations, 2)."""
        return np.array([one.score.error_m for one in self.outcomes])

    def count(self, *statuses: str) -> list[int]:
        """Return in how many realisations each target has one of the statuses of `models.scoring.Score`."""
        return [sum(one.score.status[s] in statuses for one in self.outcomes) for s in range(len(self.truth_m))]

    def fates(self) -> str:
        """Return what became of the targets, in words."""
        return "; ".join(self._fate(s) for s in range(len(self.truth_m)))

    def _fate(self, s: int) -> str:
        found, sure, draws = self.count("resolved", "not-resolved")[s], self.count("resolved")[s], len(self.outcomes)
        if draws == 1:
            status, error = self.outcomes[0].score.status[s].replace("-", " "), float(self.error_m[0, s])
            return f"target {s} {status}" + (f", off by {length_text(error)}" if found else "")
        middle = f", median error {length_text(float(np.nanmedian(self.error_m[:, s])))}" if found else ""
        return f"target {s} found in {found} of {draws} draws, resolved in {sure}{middle}"

    def data(self) -> dict[str, Any]:
        """Return the map as plain data, the cost rounded."""
        points = {name: getattr(self, name).tolist() for name in ("x_m", "y_m", "truth_m", "detections_m")}
        cost = np.round(self.cost.astype(float), DECIMALS).tolist()
        counts = {"n_found": self.count("resolved", "not-resolved"), "n_resolved": self.count("resolved")}
        errors = [[e if math.isfinite(e) else None for e in one] for one in self.error_m.tolist()]
        return {**points, "cost": cost, "estimates_m": self.estimates_m.tolist(), "error_m": errors, **counts}

    def rows(self, panel: str) -> Iterator[tuple[Any, ...]]:
        """Yield the map, the truth, the detections and the estimates as rows of a table."""
        x_m, cost = self.x_m.tolist(), np.round(self.cost.astype(float), DECIMALS).tolist()
        for y, line in zip(self.y_m.tolist(), cost, strict=True):
            yield from ((panel, "cost", x, y, c) for x, c in zip(x_m, line, strict=True))
        kinds = (("truth", self.truth_m), ("detection", self.detections_m), ("estimate", self.estimates_m))
        for kind, points in kinds:
            yield from ((panel, kind, float(x), float(y), math.nan) for x, y in points)


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure2:
    """The two maps of figure 2 and the layout they belong to.

    ``redrawn`` tells whether the seed's own targets stood too close together and were drawn again; ``close_peb_m`` is
    what the carrier phase can do for the close pair (structured amplitudes, both targets together), shape (2,).
    """

    seed: int
    n_realizations: int
    redrawn: bool
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
            "redrawn": self.redrawn,
            "power_dbm": POWER_DBM,
            **self.separated.data(),
            "close_pair": {**self.close.data(), "peb_structured_m": self.close_peb_m.tolist()},
        }

    def rows(self) -> list[Any]:
        """Return the figure as a table."""
        panels = (("separated", self.separated), ("close pair", self.close))
        return [("panel", "item", "x_m", "y_m", "cost"), *(row for name, one in panels for row in one.rows(name))]

    def summary(self) -> list[str]:
        """Return what the map shows and what was estimated, with the targets apart and close together."""
        bound = length_text(float(self.close_peb_m.max()))
        lines = [
            f"Two targets {math.dist(*one.truth_m):.0f} m apart: {_maxima_text(one)}; estimates: {one.fates()}"
            for one in (self.separated, self.close)
        ]
        lines[-1] += f"; bound {bound} (structured amplitudes)"
        return lines + ["The seed's own targets stood too close together and were drawn again."] * self.redrawn

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(13.8, 6.6))
            plot(self, figure.subplots(1, 2, gridspec_kw=PLACES))
        return figure


def _maxima_text(one: CostMap) -> str:
    count = len(one.detections_m)
    return "the map shows " + {0: "no maximum", 1: "one maximum"}.get(count, f"{count} maxima")


def layout_scenario(seed: int) -> Scenario:
    """Return the paper's scenario with the layout that a seed draws written out, so that other seeds draw noise only.

    Targets that lie closer than 100 m together are drawn again.
    """
    drawn = load("paper")
    emulation = drawn.build(seed, tracing=False, scoring=False, estimator=None)
    network = emulation.network
    targets, _ = _separated_targets(emulation)
    keys = {
        "access_points.positions_m": network.ap_positions_m,
        "access_points.boresights_deg": np.degrees(network.boresights_rad),
        "user_equipment.positions_m": network.ue_positions_m,
        "targets": [{"position_m": target.tolist()} for target in targets],
    }
    return drawn.with_(keys)


def _separated_targets(emulation: Emulation) -> tuple[list[Float], int]:
    """Return the first two targets drawn that stand far enough apart, and how many draws were not taken."""
    area, attempt = emulation.central.area, 0
    size = np.array([area.width_m, area.height_m])
    while True:
        generators = [emulation.streams.generator(f"target-{s}", "position", attempt) for s in range(2)]
        targets = [rng.uniform(size=2) * size for rng in generators]
        if math.dist(*targets) >= APART_M:
            return targets, attempt
        attempt += 1


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
        redrawn=_separated_targets(load("paper").build(seed, tracing=False, scoring=False, estimator=None))[1] > 0,
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

    Parameters are those of `models.bounds.fisher.target_bounds_m`; scattering phases are 0.
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
    return _one_map(apart, realization_seed(seed, index), False), _one_map(close, realization_seed(seed, index), True)


def _one_map(scenario: Scenario, seed: int, zoomed: bool) -> CostMap:
    """Return the cost over the area, or on a finer grid around the targets, and the outcome of one draw."""
    emulation = scenario.build(seed, tracing=False, scoring=False)
    cpi = next(emulation.cpis(1))
    assert cpi.observation is not None, "nothing is lost on the paper's fronthaul"
    x, y, cost = _around(cpi.observation, cpi.truth_m) if zoomed else interpolated_cost_map(cpi.observation, STEP_M)
    power, outcomes = np.asarray(cost, dtype=float), (_outcome(emulation, cpi),)
    return CostMap(x_m=x, y_m=y, cost=power, truth_m=cpi.truth_m, outcomes=outcomes)


def _outcome(emulation: Emulation, cpi: CpiResult) -> Outcome:
    bounds = expected_bounds_m(emulation, cpi.assignment, cpi.truth_m, "non-coherent")
    return Outcome(cpi.estimate.positions_m, score(cpi.estimate, cpi.truth_m, bounds))


def map_detections_m(x_m: Float, y_m: Float, cost: Float) -> Float:
    """Return the maxima by which a map tells of targets, highest first, shape (n, 2).

    Those that come within 3 dB of the highest one and are no ripple on the flank of another: every path to a
    higher cell leads 0.5 dB down. A cell at the edge of the map is no maximum, since what lies beyond is not known.
    """
    peaks = local_maxima(cost)
    peaks = peaks[cost.ravel()[peaks] >= DETECTED_SHARE * cost.max()]
    row, column = np.unravel_index(peaks, cost.shape)
    inside = (row > 0) & (row < len(y_m) - 1) & (column > 0) & (column < len(x_m) - 1)
    kept = [at for at in zip(row[inside], column[inside], strict=True) if _stands_alone(cost, at)]
    return np.array([(x_m[j], y_m[i]) for i, j in kept]).reshape(-1, 2)


def _stands_alone(cost: Float, at: tuple[int, int]) -> bool:
    """Return whether no higher cell can be reached from a maximum without going down far enough."""
    islands, _ = ndimage.label(cost > VALLEY_SHARE * cost[at])
    return bool(cost[islands == islands[at]].max() <= cost[at])


def _around(observation: Observation, truth_m: Float) -> tuple[Float, Float, Float]:
    """Return the cost on a fine grid around the middle of the targets, as far as the area goes."""
    offset = np.linspace(-0.5, 0.5, CLOSE_CELLS) * CLOSE_VIEW_M
    x, y = (offset + middle for middle in truth_m.mean(axis=0))
    x, y = x[(x >= 0.0) & (x <= observation.area.width_m)], y[(y >= 0.0) & (y <= observation.area.height_m)]
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return x, y, noncoherent_map(observation, points).reshape(len(y), len(x))


def _averaged(maps: list[CostMap]) -> CostMap:
    """Return the mean of maps, with the outcomes of all."""
    outcomes = tuple(outcome for one in maps for outcome in one.outcomes)
    return replace(maps[0], cost=np.mean([one.cost for one in maps], axis=0), outcomes=outcomes)


def plot(result: Figure2, axes: "NDArray[Any] | Sequence[Axes]") -> "NDArray[Any] | Sequence[Axes]":
    """Draw both maps on two axes and return them."""
    wide, near = axes
    _draw_map(wide, result.separated, 30.0)
    wide.set(xlim=(0.0, result.area.width_m), ylim=(0.0, result.area.height_m))
    draw.draw_access_points(wide, result.network, result.assignment, on_image=True)
    for artist in (*wide.collections, *wide.lines):
        artist.set_clip_on(False)
    _draw_marks(wide, result.separated)
    _draw_map(near, result.close, 6.0)
    _draw_contours(near, result.close)
    limits = near.get_xlim(), near.get_ylim()
    _draw_marks(near, result.close)
    near.set(xlim=limits[0], ylim=limits[1])
    bound = length_text(float(result.close_peb_m.max()))
    wide.set_title(_title(result.separated, f"power: {POWER_DBM:.0f} dBm"))
    near.set_title(_title(result.close, f"structured bound: {bound}"))
    handles, labels = wide.get_legend_handles_labels()
    wide.figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return axes


def _title(one: CostMap, more: str) -> str:
    """Return two lines: what the map shows, and how far off the estimates are."""
    draws, found = len(one.outcomes), one.count("resolved", "not-resolved")
    texts = [length_text(float(e)) if n else "missed" for e, n in zip(one.error_m[0], found, strict=True)]
    one_draw, draws_text = "errors of the estimates: " + ", ".join(texts), f"{found[0]} and {found[1]} of {draws} draws"
    known = one_draw if draws == 1 else f"targets 0 and 1 found in {draws_text}"
    return f"Two targets {math.dist(*one.truth_m):.0f} m apart: {_maxima_text(one)}\n{known}; {more}"


def _draw_map(ax: Axes, one: CostMap, depth_db: float) -> None:
    draw.draw_cost_map(ax, one.x_m, one.y_m, one.cost, depth_db)
    ax.images[-1].set_interpolation("bilinear")
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)")


def _draw_contours(ax: Axes, one: CostMap) -> None:
    below_db = 10.0 * np.log10(one.cost / one.cost.max())
    lines = ax.contour(
        one.x_m, one.y_m, below_db, levels=(-2.0, -1.0, -0.5, -0.2, -0.05), colors="white", linewidths=0.9
    )
    lines.set(linestyle="-")
    ax.clabel(lines, fmt=lambda level: f"−{-level:g} dB", fontsize=8.5)


def _draw_marks(ax: Axes, one: CostMap) -> None:
    """Draw targets as rings, maxima of the map as squares, estimates as crosses."""
    halo = [withStroke(linewidth=3.6, foreground=draw.BLACK)]
    square: dict[str, Any] = {"marker": "s", "facecolors": "none", "edgecolors": "#F0E442", "linewidths": 1.8}
    x, y = one.detections_m.T
    ax.scatter(x, y, s=420, zorder=7, label="maximum of the map", path_effects=halo, **square)
    draw.draw_targets(ax, one.truth_m, one.estimates_m, on_image=True)
