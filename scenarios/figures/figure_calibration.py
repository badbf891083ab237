"""What a calibration that was some time ago does: position error, right lobes and spectral efficiency, three clocks.

Phase and frequency of every free-running clock are known exactly at time 0, as if a genie had calibrated it; the phase
of a locked one is never measured. Then all clocks run for a calibration period, and one coherent processing interval
(CPI) is emulated: the last one before the next calibration. The central processor knows the law of the clocks. It
estimates their phases along with the target, or takes them for exact.

Not modelled: what a calibration over the air leaves by itself, and the airtime that it takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.estimation.two_stage import TwoStage
from models.observation import Estimate
from scenarios.figures.common import (
    Interval,
    each_realization,
    mean_interval,
    realization_seed,
    rms_interval,
    share_interval,
)
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.output import draw

__all__ = ["PERIODS_S", "Calibration", "Samples", "aged", "plot", "run", "study_scenario"]

Float = NDArray[np.float64]

N_REALIZATIONS = 16
PERIODS_S: Mapping[str, tuple[float, ...]] = {
    "high-tcxo": (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3),
    "ocxo": (1e-2, 0.1, 0.3, 1.0, 3.0, 10.0),
    "white-rabbit-low-jitter": (1e-3, 10.0),
}
"""Calibration periods by preset, in s: from harmless to too long; a loop does not mind."""
CASES = tuple((preset, period_s) for preset, periods_s in PERIODS_S.items() for period_s in periods_s)
SETTING: Mapping[str, Any] = {"targets": [{}], "radio.transmit_power_dbm": 40.0, "estimator.phases": "estimated"}
RIGHT_WAVELENGTHS = 0.25
"""An estimate that is resolved, and nearer to the target than this, is in the right lobe of the carrier phase."""
ESTIMATORS = {"estimated": "hybrid", "known": "ignoring"}
"""What the estimator does with the phases, and the bound that it is held against."""


class Samples(NamedTuple):
    """What realisations show for one preset and period, each of shape (n_realizations,)."""

    hybrid_m: Float
    """Hybrid bound."""
    ignoring_m: Float
    """Standard error of an estimator that takes the phases for exact."""
    estimated_m: Float
    """Error of the estimator that estimates the phases besides; NaN where the target is not resolved."""
    known_m: Float
    """Error of the one that takes them for exact, likewise."""
    sum_se_bit_s_hz: Float
    exact_sum_se_bit_s_hz: Float
    """That of the same layout with clocks that are exact."""
    phase_std_rad: Float
    """Standard deviation of a clock's phase at the middle of the CPI, as the law says."""

    def bound_m(self, phases: str) -> Float:
        """Return the bound of the estimator of that name."""
        return np.asarray(getattr(self, f"{ESTIMATORS[phases]}_m"))

    def is_right(self, phases: str, right_m: float) -> NDArray[np.bool_]:
        """Return which estimates are in the right lobe."""
        return np.asarray(getattr(self, f"{phases}_m") < right_m)

    def error_m(self, phases: str, right_m: float) -> Interval:
        """Return the error in the median layout: RMSE over the bound in the right lobe, times the median bound."""
        right, bound_m = self.is_right(phases, right_m), self.bound_m(phases)
        ratio = rms_interval((getattr(self, f"{phases}_m") / bound_m)[right])
        return Interval(*(float(np.median(bound_m)) * np.array(ratio)))

    def right_share(self, phases: str, right_m: float) -> Interval:
        """Return the share of right lobes."""
        right = self.is_right(phases, right_m)
        return share_interval(int(right.sum()), len(right))

    def sum_se(self) -> Interval:
        """Return the mean sum spectral efficiency, with the interval of what differs from that of exact clocks.

        The difference is taken layout by layout, so that what layouts differ in cancels.
        """
        change = mean_interval(self.sum_se_bit_s_hz - self.exact_sum_se_bit_s_hz)
        return Interval(*(self.exact_sum_se_bit_s_hz.mean() + np.array(change)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """The study: samples for each of `CASES`, on the same layouts."""

    seed: int
    right_m: float
    samples: tuple[Samples, ...]

    @property
    def exact_sum_se_bit_s_hz(self) -> float:
        """Mean sum spectral efficiency with exact clocks."""
        return float(self.samples[0].exact_sum_se_bit_s_hz.mean())

    def of(self, preset: str) -> tuple[Float, list[Samples]]:
        """Return the periods of a preset in s, and its samples."""
        mine = [samples for (name, _), samples in zip(CASES, self.samples, strict=True) if name == preset]
        return np.array(PERIODS_S[preset]), mine

    def _columns(self) -> Iterator[dict[str, Any]]:
        """Yield what there is to say of each case."""
        for (preset, period_s), samples in zip(CASES, self.samples, strict=True):
            columns: dict[str, Any] = {"preset": preset, "period_s": period_s}
            columns["phase_std_rad"] = float(samples.phase_std_rad.mean())
            for phases, bound in ESTIMATORS.items():
                columns[f"{bound}_m"] = float(np.median(samples.bound_m(phases)))
                columns |= _named(f"error_{phases}_m", samples.error_m(phases, self.right_m))
                columns |= _named(f"share_right_{phases}", samples.right_share(phases, self.right_m))
                columns[f"n_wrong_{phases}"] = int(np.sum(getattr(samples, f"{phases}_m") >= self.right_m))
            yield columns | _named("sum_se_bit_s_hz", samples.sum_se())

    def data(self) -> dict[str, Any]:
        """Return the study as the object of `dmimo figure calibration --json`."""
        return {
            "seed": self.seed,
            "realizations": len(self.samples[0].hybrid_m),
            "right_m": self.right_m,
            "exact_sum_se_bit_s_hz": self.exact_sum_se_bit_s_hz,
            "cases": [{k: _number(v) if isinstance(v, float) else v for k, v in c.items()} for c in self._columns()],
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the study as a table, a row for each preset and period."""
        columns = list(self._columns())
        return [list(columns[0]), *(list(case.values()) for case in columns)]

    def summary(self) -> list[str]:
        """Return the table for a person."""
        lines = [
            f"{len(self.samples[0].hybrid_m)} layouts, 40 dBm; errors in mm, of the right lobes, in the median layout; "
            f"sum SE with exact clocks {self.exact_sum_se_bit_s_hz:.2f} bit/s/Hz",
            f"{'clock':24}{'period (s)':>11}{'rad':>7} |{'hybrid':>8}{'estimated':>10}{'right':>7} |"
            f"{'ignoring':>9}{'known':>8}{'right':>7} |{'sum SE':>7}",
        ]
        return [*lines, *map(_line, self._columns())]

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(14.2, 5.2), layout="constrained")
            plot(self, figure.subplots(1, 3, sharex=True))
        return figure


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}{end}": float(v) for end, v in zip(("", "_low", "_high"), interval, strict=True)}


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _line(case: dict[str, Any]) -> str:
    shown = {k: f"{1e3 * v:.2f}" if np.isfinite(v) else "–" for k, v in case.items() if k.endswith("_m")}
    return (
        f"{case['preset']:24}{case['period_s']:11g}{case['phase_std_rad']:7.3f} |{shown['hybrid_m']:>8}"
        f"{shown['error_estimated_m']:>10}{case['share_right_estimated']:7.2f} |{shown['ignoring_m']:>9}"
        f"{shown['error_known_m']:>8}{case['share_right_known']:7.2f} |{case['sum_se_bit_s_hz']:7.2f}"
    )


def study_scenario() -> Scenario:
    """Return the scenario of the study: the paper's with one target and 40 dBm, whose clocks are exact."""
    return load("paper", SETTING)


def aged(scenario: Scenario, preset: str, period_s: float) -> Scenario:
    """Return a scenario whose clocks have run for a calibration period when its first CPI starts.

    The central processor plans the first CPI that long ahead, so that time 0, when clocks are exact, is that far away.
    Meanwhile it plans all those that follow within that time, which takes 0.3 s of processor time for each second.
    """
    return scenario.with_({"oscillators.preset": preset, "schedule.lead_s": period_s})


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Calibration:
    """Return the study: 12 APs of 8 antennas, 6 of them receiving, 10 UEs, one target, 40 dBm, ten snapshots a slot.

    A realisation has the same layout, channels, waveform and noise in all cases.

    Parameters
    ----------
    n_realizations
        Random layouts, each with draws of its own.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    scenario = study_scenario()
    task = partial(_realize, seed=seed, scenario=scenario)
    found = np.array(each_realization(task, n_realizations, workers, "calibration"))
    wavelength_m = scenario.build(seed, tracing=False, estimator=None).network.wavelength_m
    samples = tuple(Samples(*columns) for columns in found.transpose(1, 2, 0))
    return Calibration(seed=seed, right_m=RIGHT_WAVELENGTHS * wavelength_m, samples=samples)


def _realize(index: int, seed: int, scenario: Scenario) -> Float:
    """Return the fields of `Samples` of a realisation for each of `CASES`, shape (n_cases, n_fields)."""
    drawn = realization_seed(seed, index)
    exact = next(scenario.build(drawn, tracing=False, estimator=None).cpis(1)).se_bit_s_hz.sum()
    return np.array([_sample(aged(scenario, *case), drawn, exact) for case in CASES])


def _sample(scenario: Scenario, seed: int, exact_sum_se_bit_s_hz: float) -> Samples:
    cpi = next(scenario.build(seed, tracing=False).cpis(1))
    assert cpi.observation is not None, "nothing is lost on the paper's fronthaul"
    target_m, covariance_rad2 = cpi.truth_m[0], cpi.observation.phase_covariance_rad2
    hybrid_m, ignoring_m = cpi.peb_hybrid_m, cpi.error_ignoring_m
    assert covariance_rad2 is not None and hybrid_m is not None and ignoring_m is not None, "clocks are not exact"
    return Samples(
        hybrid_m=hybrid_m[0],
        ignoring_m=ignoring_m[0],
        estimated_m=_error_m(cpi.estimate, target_m),
        known_m=_error_m(TwoStage().estimate(cpi.observation), target_m),
        sum_se_bit_s_hz=cpi.se_bit_s_hz.sum(),
        exact_sum_se_bit_s_hz=np.asarray(exact_sum_se_bit_s_hz),
        phase_std_rad=np.sqrt(covariance_rad2[0, 0]),
    )


def _error_m(estimate: Estimate, target_m: Float) -> Float:
    """Return the distance of the nearest resolved estimate, NaN if there is none."""
    resolved = estimate.positions_m[np.asarray(estimate.resolved, dtype=bool)]
    if not len(resolved):
        return np.asarray(np.nan)
    return np.asarray(np.linalg.norm(resolved - target_m, axis=1).min())


LOOK = {
    "high-tcxo": (draw.VERMILION, "o", "TCXO, a good one"),
    "ocxo": (draw.BLUE, "s", "OCXO"),
    "white-rabbit-low-jitter": (draw.GREEN, "D", "White Rabbit, low jitter"),
}
ASIDE = {"estimated": 1.0, "known": 1.12}
"""Factor on the period, so that bars do not hide each other."""


def plot(result: Calibration, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw position error, share of right lobes and sum spectral efficiency on three axes; return them."""
    error, right, rate = axes
    for preset in PERIODS_S:
        for phases in ESTIMATORS:
            _draw_errors(error, result, preset, phases)
            _draw_shares(right, result, preset, phases)
        periods_s, samples = result.of(preset)
        _draw_bars(rate, periods_s, [s.sum_se() for s in samples], preset, "estimated", "-")
    rate.axhline(result.exact_sum_se_bit_s_hz, color=draw.BLACK, lw=1.0, ls=":", zorder=1)
    rate.annotate("exact clocks", (1e-3, result.exact_sum_se_bit_s_hz), (0, -16), textcoords="offset points")
    error.set(ylabel="position error (mm)", yscale="log", title="Right lobes, in the median layout; lines: bounds")
    error.yaxis.set_major_formatter("{x:g}")
    right.set(ylabel="share of CPIs", ylim=(-0.03, 1.05), title="Target resolved, in the right lobe")
    rate.set(ylabel="bit/s/Hz", ylim=(0.0, None), title="Sum spectral efficiency of 10 UEs")
    for ax in axes:
        ax.set(xscale="log", xlabel="time since calibration = calibration period (s)")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(True)
    error.figure.legend(handles=_legend_handles(), loc="outside lower center", ncols=5)
    return axes


def _draw_errors(ax: Axes, result: Calibration, preset: str, phases: str) -> None:
    periods_s, samples = result.of(preset)
    style = "-" if phases == "estimated" else "--"
    bounds_mm = [1e3 * float(np.median(s.bound_m(phases))) for s in samples]
    ax.plot(periods_s, bounds_mm, style, color=LOOK[preset][0], lw=1.6, zorder=3)
    errors_mm = [Interval(*(1e3 * np.array(s.error_m(phases, result.right_m)))) for s in samples]
    _draw_bars(ax, periods_s, errors_mm, preset, phases, "none")


def _draw_shares(ax: Axes, result: Calibration, preset: str, phases: str) -> None:
    periods_s, samples = result.of(preset)
    shares = [s.right_share(phases, result.right_m) for s in samples]
    _draw_bars(ax, periods_s, shares, preset, phases, "-" if phases == "estimated" else "--")


def _draw_bars(ax: Axes, periods_s: Float, intervals: Sequence[Interval], preset: str, phases: str, style: str) -> None:
    """Draw values with their intervals; empty markers where phases are taken for exact."""
    color, marker, _ = LOOK[preset]
    value, low, high = np.array(intervals).T
    reach = np.nan_to_num(np.maximum([value - low, high - value], 0.0))
    face = color if phases == "estimated" else "white"
    ax.errorbar(
        periods_s * ASIDE[phases], value, reach, color=color, ls=style, lw=1.4, marker=marker, ms=6.5, mfc=face,
        elinewidth=1.2, capsize=2.0, zorder=4,
    )  # fmt: skip


def _legend_handles() -> list[Line2D]:
    clocks = [Line2D([], [], color=c, marker=m, ls="none", ms=7, label=label) for c, m, label in LOOK.values()]
    looks = (
        ("-", draw.BLACK, "phases estimated; hybrid bound"),
        ("--", "white", "phases taken for exact; its error"),
    )
    ways = [
        Line2D([], [], color=draw.BLACK, ls=ls, marker="o", mfc=face, ms=6, label=label) for ls, face, label in looks
    ]
    return [*clocks, *ways]
