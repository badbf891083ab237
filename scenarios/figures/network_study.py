"""What a network makes of its fronthaul, on random layouts: the samples and curves of the figures about networks.

Each layout has one target, so that samples are independent of each other, and is the same for all points of a curve,
and for all curves: what differs is the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from emulator.results import CpiResult
from scenarios.figures.common import Interval, mean_interval, median_interval, share_interval
from scenarios.file.scenario import Scenario
from scenarios.output import draw

__all__ = [
    "MILLIMETRES",
    "ONE_TARGET",
    "Curve",
    "Curves",
    "Sample",
    "draw_band",
    "draw_errors",
    "last_sample",
    "sample_of",
]

Float = NDArray[np.float64]

ONE_TARGET: dict[str, Any] = {"targets": [{}]}
RIGHT_BOUNDS = 5.0
"""An error below this many bounds tells of the right lobe of the carrier phase."""
MILLIMETRES = 1e3


class Sample(NamedTuple):
    """What one CPI shows."""

    error_m: float
    """Infinite where the target was missed."""
    bound_m: float
    """Structured bound of what was fused, infinite where there is none."""
    right_lobe: bool
    """Whether the error is below five coherent bounds of free amplitudes, as in figure 3a."""
    resolved: bool
    fused: float
    """Share of the samples of the receivers that were fused."""
    reports: float
    """Share of the reports that were fused."""
    sum_se_bit_s_hz: float


def last_sample(scenario: Scenario, seed: int, n_cpis: int, **parts: Any) -> Sample:
    """Return what the last of some CPIs shows; nothing is estimated in those before, which saves most of the time.

    ``parts`` are those of ``Scenario.build``. The selector must not ask for estimates.
    """
    emulation = scenario.build(seed, estimator=None, scoring=False, tracing=False, **parts)
    emulation.run(n_cpis - 1)
    emulation.scoring, emulation.central.estimator = True, scenario.estimator.make()
    return sample_of(emulation.run(1).cpis[0], emulation.frame.n_samples * emulation.network.n_antennas)


def sample_of(cpi: CpiResult, n_due: int) -> Sample:
    """Return what a CPI shows in which ``n_due`` samples of each receiver are due."""
    error_m, bound_m, free_bound_m = (
        np.inf if np.isnan(x[0]) else float(x[0]) for x in (cpi.score.error_m, cpi.peb_structured_m, cpi.peb_m)
    )
    fused = 0.0 if cpi.observation is None else float(np.sum(cpi.observation.n_samples))
    return Sample(
        error_m=error_m,
        bound_m=bound_m,
        right_lobe=error_m < RIGHT_BOUNDS * free_bound_m < np.inf,
        resolved=cpi.score.status[0] == "resolved",
        fused=fused / (n_due * max(len(cpi.assignment.receivers), 1)),
        reports=cpi.reports_fused / max(cpi.reports_expected, 1),
        sum_se_bit_s_hz=float(cpi.se_bit_s_hz.sum()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Samples of all layouts along an axis.

    Attributes
    ----------
    name
        What distinguishes the curve.
    axis
        What x is, with its unit.
    x
        Places on the axis, shape (n_x,).
    samples
        Fields of `Sample`, shape (n_layouts, n_x, n_fields).
    """

    name: str
    axis: str
    x: Float
    samples: Float

    def scaled(self, factor: float) -> "Curve":
        """Return the curve with x in another unit."""
        return replace(self, x=factor * self.x)

    def values(self, quantity: str) -> Float:
        """Return the samples of a field, shape (n_layouts, n_x)."""
        return np.asarray(self.samples[..., Sample._fields.index(quantity)])

    def interval(self, quantity: str) -> Interval:
        """Return the median of errors and bounds, the share of what is so or not, the mean of all else."""
        values = self.values(quantity)
        if quantity in ("error_m", "bound_m"):
            return median_interval(values)
        if quantity in ("right_lobe", "resolved"):
            shares = [share_interval(int(column.sum()), len(column)) for column in values.T]
            return Interval(*np.transpose(shares))
        return mean_interval(values)

    def columns(self) -> dict[str, Float]:
        """Return value, low and high of every field."""
        return {
            f"{quantity}{end}": part
            for quantity in Sample._fields
            for end, part in zip(("", "_low", "_high"), self.interval(quantity), strict=True)
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """A figure of curves.

    Attributes
    ----------
    seed, n_realizations
        Of the layouts.
    curves
        The curves.
    predicted
        What was expected, by name.
    """

    seed: int
    n_realizations: int
    curves: tuple[Curve, ...]
    predicted: dict[str, float]

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure --json`."""
        curves = [{"name": curve.name, curve.axis: curve.x, **curve.columns()} for curve in self.curves]
        return {
            "seed": self.seed, "realizations": self.n_realizations, "predicted": self.predicted, "curves": curves,
        }  # fmt: skip

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each curve and place on its axis."""
        names = list(self.curves[0].columns())
        rows: list[Sequence[Any]] = [["name", "axis", "x", *names]]
        for curve in self.curves:
            columns = [column.tolist() for column in (curve.x, *curve.columns().values())]
            rows += [[curve.name, curve.axis, *row] for row in zip(*columns, strict=True)]
        return rows

    def summary(self) -> list[str]:
        """Return the ends of each curve, and what was expected."""
        lines = [f"{self.n_realizations} layouts, one target each; medians of errors and bounds:"]
        lines += [_ends(curve, i) for curve in self.curves for i in (0, -1)]
        return lines + [f"predicted, {name}: {value:.4g}" for name, value in self.predicted.items()]


def _ends(curve: Curve, i: int) -> str:
    error, bound, right, fused, se = (
        curve.interval(name).value[i] for name in ("error_m", "bound_m", "right_lobe", "fused", "sum_se_bit_s_hz")
    )
    lengths = f"error {MILLIMETRES * error:.3g} mm, bound {MILLIMETRES * bound:.3g} mm"
    shares = f"right lobe {right:.0%}, fused {fused:.0%}, sum SE {se:.1f} bit/s/Hz"
    return f"{curve.name}, {curve.axis} = {curve.x[i]:g}: {lengths}, {shares}"


# -- drawing ----------------------------------------------------------------------------------------------------------


def draw_band(ax: Axes, x: Float, interval: Interval, factor: float = 1.0, **style: Any) -> None:
    """Draw a line, and the 95 % interval about it as a band; what is infinite is left out."""
    value, low, high = (factor * part for part in interval)
    top = np.where(np.isfinite(value), np.nan_to_num(high, posinf=1e9), np.nan)
    ax.fill_between(x, low, top, color=style["color"], alpha=0.18, lw=0)
    ax.plot(x, np.where(np.isfinite(value), value, np.nan), **{"lw": 1.8, "ms": 4.5} | style)


def draw_errors(ax: Axes, curves: Sequence[tuple[Curve, dict[str, Any]]]) -> None:
    """Draw the median errors of curves with their bands, and the bound of what was fused as dashed lines."""
    ends = []
    for curve, style in curves:
        error, bound = curve.interval("error_m"), curve.interval("bound_m").value
        draw_band(ax, curve.x, error, **style)
        known = np.where(np.isfinite(bound), bound, np.nan)
        ax.plot(curve.x, known, color=style["color"], ls=(0, (4, 2)), lw=1.2)
        ends += [known, error.value]
    shown = np.concatenate(ends)
    shown = shown[np.isfinite(shown)]
    ax.plot([], [], color=draw.GREY, ls=(0, (4, 2)), lw=1.2, label="bound of what was fused")
    ax.set(yscale="log", ylabel="position error, median")
    if len(shown):
        ax.set_ylim(0.5 * shown.min(), 2.5 * shown.max())
    draw.show_lengths(ax.yaxis)
    ax.grid(True)
