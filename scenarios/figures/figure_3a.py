"""Figure 3a: distribution of the position error at 0 to 40 dBm, of two-stage estimation and of the paper's refinement.

Once for the layout and the targets of figure 2, where waveform, noise, fading and scattering phases are drawn, and
once over random layouts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from models.estimation.base import Estimator
from models.estimation.paper import PaperEstimator
from models.estimation.two_stage import TwoStage
from models.scoring import score
from scenarios.figures.common import Interval, each_realization, realization_seed, rms_interval, share_interval
from scenarios.figures.figure_2 import expected_bounds_m, layout_scenario
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.output import draw
from scenarios.output.pictures import RIGHT_BOUNDS

__all__ = ["Errors", "Figure3a", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 30
POWERS_DBM = (0.0, 10.0, 20.0, 30.0, 40.0)
N_TARGETS = 2
ESTIMATORS: tuple[Estimator, Estimator] = (TwoStage(), PaperEstimator())
LAYOUTS = ("figure 2", "random")
LIMITS_M = (1e-5, 1e2)
TICKS = {1e-4: "0.1 mm", 1e-3: "1 mm", 1e-2: "1 cm", 1e-1: "0.1 m", 1.0: "1 m", 10.0: "10 m"}
LABEL = 0.07
"""Height of a label of a curve, in shares."""


class Tally(NamedTuple):
    """Counts over all targets at one power, and the RMSE over the bound among those in the right lobe."""

    n: int
    found: int
    resolved: int
    right: int
    rms_over_peb: Interval
    found_gradient: int
    right_gradient: int

    def data(self) -> dict[str, Any]:
        """Return the tally as plain data, with the 95 % interval of the share in the right lobe."""
        share = share_interval(self.right, self.n)
        counts = {name: value for name, value in self._asdict().items() if name != "rms_over_peb"}
        names = (("share_right", share), ("rms_over_peb", self.rms_over_peb))
        intervals = {f"{k}{end}": _number(v) for k, i in names for end, v in zip(("", "_low", "_high"), i, strict=True)}
        return counts | intervals


def _number(value: Float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Errors:
    """Position errors by power, realisation and target.

    Attributes
    ----------
    error_m, error_gradient_m
        Of two-stage estimation and of the gradient refinement from CFAR detections; NaN where the target was not
        found; shape (n_powers, n_realizations, n_targets).
    resolved
        Whether two-stage estimation decided for a lobe of the carrier phase, same shape.
    peb_m
        Coherent bound, all targets together, expected statistics, same shape.
    """

    error_m: Float
    error_gradient_m: Float
    resolved: NDArray[np.bool_]
    peb_m: Float

    @classmethod
    def of(cls, columns: Float) -> "Errors":
        """Return the errors of columns of shape (n_realizations, n_powers, 4, n_targets)."""
        error, gradient, resolved, peb = np.moveaxis(columns, (2, 1), (0, 1))
        return cls(error_m=error, error_gradient_m=gradient, resolved=resolved > 0.0, peb_m=peb)

    def data(self) -> dict[str, Any]:
        """Return lists over powers of lists over targets: sorted errors, counts of those missed, median bound."""
        not_resolved = ~self.resolved & ~np.isnan(self.error_m)
        return {
            "error_m": _found(self.error_m),
            "n_missed": np.isnan(self.error_m).sum(axis=1).tolist(),
            "n_not_resolved": not_resolved.sum(axis=1).tolist(),
            "error_gradient_m": _found(self.error_gradient_m),
            "n_missed_gradient": np.isnan(self.error_gradient_m).sum(axis=1).tolist(),
            "peb_m": np.median(self.peb_m, axis=1).tolist(),
            "tally": [self.tally(power).data() for power in range(len(self.error_m))],
        }

    def tally(self, power: int) -> Tally:
        """Return the counts over realisations and targets at one of the powers."""
        ratio, gradient = (e[power] / self.peb_m[power] for e in (self.error_m, self.error_gradient_m))
        right = ratio[self.resolved[power] & (ratio < RIGHT_BOUNDS)]
        return Tally(
            n=ratio.size,
            found=int(np.sum(~np.isnan(ratio))),
            resolved=int(self.resolved[power].sum()),
            right=len(right),
            rms_over_peb=rms_interval(right),
            found_gradient=int(np.sum(~np.isnan(gradient))),
            right_gradient=int(np.sum(gradient < RIGHT_BOUNDS)),
        )

    def rows(self, layout: str) -> Iterator[Sequence[Any]]:
        """Yield a row for each power, realisation and target."""
        for at in np.ndindex(self.error_m.shape):
            values = (self.error_m[at], self.error_gradient_m[at], self.peb_m[at])
            yield [layout, POWERS_DBM[at[0]], *at[1:], *map(float, values), int(self.resolved[at])]


def _found(error_m: Float) -> list[list[list[float]]]:
    """Return the errors of targets that were found, ascending, by power and target."""
    return [[np.sort(one[~np.isnan(one)]).tolist() for one in power.T] for power in error_m]


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure3a:
    """The errors of figure 3a, in the layout of figure 2 and in random ones."""

    seed: int
    n_realizations: int
    truth_m: Float
    fixed: Errors
    random: Errors

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure 3a --json`."""
        return {
            "seed": self.seed,
            "realizations": self.n_realizations,
            "power_dbm": list(POWERS_DBM),
            "truth_m": self.truth_m.tolist(),
            **self.fixed.data(),
            "random_layouts": self.random.data(),
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each layout, power, realisation and target."""
        names = ["layout", "power_dbm", "realization", "target", "error_m", "error_gradient_m", "peb_m", "resolved"]
        panels = zip(LAYOUTS, (self.fixed, self.random), strict=True)
        return [names, *(row for layout, errors in panels for row in errors.rows(layout))]

    def summary(self) -> list[str]:
        """Return, for each power, how often targets were found and how far off."""
        lines = []
        for layout, errors in zip(LAYOUTS, (self.fixed, self.random), strict=True):
            for i, power in enumerate(POWERS_DBM):
                lines.append(f"{layout}, {power:.0f} dBm: {_summary(errors.tally(i))}")
        return lines

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(13.6, 8.2), layout="constrained")
            plot(self, figure.subplots(2, 3, sharex=True, sharey=True))
        return figure


def _summary(tally: Tally) -> str:
    share, rms = share_interval(tally.right, tally.n), tally.rms_over_peb
    known = f" (RMSE / PEB there {rms.value:.2f}, {rms.low:.2f} to {rms.high:.2f})" if np.isfinite(rms.value) else ""
    return (
        f"found {tally.found} of {tally.n}, resolved {tally.resolved}, within 5 PEB {tally.right}, "
        f"{share.low:.2f} to {share.high:.2f} of all{known}; "
        f"gradient refinement found {tally.found_gradient}, within 5 PEB {tally.right_gradient}"
    )


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Figure3a:
    """Return figure 3a: 12 APs of 8 antennas, six of them receiving, rho 0.5, ten snapshots a slot.

    A realisation has the same noise, waveform and layout at every power. Estimates belong to targets by distance,
    within clip(5 non-coherent bounds, 5 m, 100 m).

    Parameters
    ----------
    n_realizations
        Draws in the layout of figure 2, and as many random layouts.
    seed
        Of the layout of figure 2 and of all draws.
    workers
        Processes; None: one for each core.
    """
    fixed = layout_scenario(seed)
    task = partial(_realize, seed=seed, scenarios=(fixed, load("paper")))
    found = np.array(each_realization(task, n_realizations, workers, "figure 3a"))
    return Figure3a(
        seed=seed,
        n_realizations=n_realizations,
        truth_m=np.array([target.position_m for target in fixed.targets]),
        fixed=Errors.of(found[:, 0]),
        random=Errors.of(found[:, 1]),
    )


def _realize(index: int, seed: int, scenarios: tuple[Scenario, Scenario]) -> Float:
    """Return errors, errors of the gradient, resolved or not, and bounds, (layouts, powers, 4, targets)."""
    drawn = realization_seed(seed, index)
    powers = [{"radio.transmit_power_dbm": power} for power in POWERS_DBM]
    return np.array([[_errors(scenario.with_(power), drawn) for power in powers] for scenario in scenarios])


def _errors(scenario: Scenario, seed: int) -> Float:
    """Return the columns of `Errors` for one coherent processing interval, shape (4, n_targets)."""
    emulation = scenario.build(seed, tracing=False, scoring=False, estimator=None)
    cpi = next(emulation.cpis(1))
    assert cpi.observation is not None, "nothing is lost on the paper's fronthaul"
    coherent, noncoherent = (
        expected_bounds_m(emulation, cpi.assignment, cpi.truth_m, kind) for kind in ("coherent", "non-coherent")
    )
    ours, gradient = (score(e.estimate(cpi.observation), cpi.truth_m, noncoherent) for e in ESTIMATORS)
    resolved = [status == "resolved" for status in ours.status]
    return np.array([ours.error_m, gradient.error_m, resolved, coherent])


def plot(result: Figure3a, axes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Draw the distributions and return the axes, of shape (2, 3).

    A row for each estimator; a column for each target of figure 2, and one for random layouts.
    """
    colors = [mpl.colors.to_hex(c) for c in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(POWERS_DBM)))]
    columns = [(result.fixed, slice(target, target + 1)) for target in range(N_TARGETS)]
    for (errors, targets), (upper, lower) in zip([*columns, (result.random, slice(None))], axes.T, strict=True):
        bound_m = np.median(errors.peb_m[:, :, targets], axis=(1, 2))
        for ax, error_m in ((upper, errors.error_m), (lower, errors.error_gradient_m)):
            _draw_panel(ax, error_m[:, :, targets], bound_m, colors)
    for target, (x, y) in enumerate(result.truth_m):
        axes[0, target].set_title(f"Target {target} of figure 2, at ({x:.0f}, {y:.0f}) m")
    axes[0, -1].set_title("Random layouts, both targets; bound: median")
    for ax, estimator in zip(axes[:, 0], ("two-stage, lobe search", "CFAR and gradient"), strict=True):
        ax.set_ylabel(f"{estimator}\nshare of all realisations")
    for ax in axes[-1]:
        ax.set_xlabel("position error")
        ax.tick_params(axis="x", labelsize=9)
    _set_axes(axes[0, 0])
    axes[0, 0].figure.legend(handles=_legend_handles(), loc="outside lower center", ncols=2)
    return axes


def _set_axes(ax: Axes) -> None:
    """Set the scales that all panels share."""
    ax.set(xscale="log", xlim=LIMITS_M, ylim=(0.0, 1.1), yticks=np.linspace(0.0, 1.0, 6))
    ax.set_xticks(list(TICKS), list(TICKS.values()))
    ax.xaxis.set_minor_locator(NullLocator())


def _draw_panel(ax: Axes, error_m: Float, bound_m: Float, colors: Sequence[str]) -> None:
    """Draw the distributions at all powers, shape (n_powers, n_realizations, n_targets), and the bounds."""
    found = [_draw_cdf(ax, of_power, color) for of_power, color in zip(error_m, colors, strict=True)]
    for bound, color in zip(bound_m, colors, strict=True):
        ax.plot([bound, bound], [0.0, 1.1], color=color, ls=":", lw=1.1, zorder=1)
    ends = [(share, i) for i, share in enumerate(found) if share]
    for (_, i), height in zip(sorted(ends), _apart([share for share, _ in sorted(ends)]), strict=True):
        text = f"{POWERS_DBM[i]:.0f} dBm"
        ax.annotate(text, (1.02, height), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=colors[i])
    if silent := [f"{power:.0f}" for power, share in zip(POWERS_DBM, found, strict=True) if not share]:
        text = f"{', '.join(silent)} dBm:\nnothing found"
        ax.annotate(text, (0.5, 0.2), xycoords="axes fraction", ha="center", fontsize=9.5, color=draw.GREY,
                    bbox={"fc": "white", "ec": "none"})  # fmt: skip
    ax.grid(True)


def _apart(heights: Sequence[float]) -> list[float]:
    """Return ascending heights of labels pushed apart so that none covers another, the highest at most where it was.

    >>> _apart([0.2, 1.0, 1.0])
    [0.2, 0.93, 1.0]
    """
    placed: list[float] = []
    for height in reversed(heights):
        placed.append(min(height, placed[-1] - LABEL) if placed else height)
    return [round(height, 6) for height in reversed(placed)]


def _draw_cdf(ax: Axes, error_m: Float, color: str) -> float:
    """Draw the share of all realisations, those without an estimate included, whose error is at most x; return it."""
    error = np.sort(error_m[~np.isnan(error_m)])
    if not len(error):
        return 0.0
    share = np.arange(len(error) + 1) / error_m.size
    ax.step([error[0], *error, 1e3], [0.0, *share[1:], share[-1]], color=color, lw=2.0, where="post")
    return float(share[-1])


def _legend_handles() -> list[Line2D]:
    looks = (
        ("-", 2.0, "errors, the power beside each curve"),
        (":", 1.1, "bound (PEB) at the powers, 40 dBm leftmost"),
    )
    return [Line2D([], [], color=draw.BLACK, ls=ls, lw=lw, label=label) for ls, lw, label in looks]
