"""Figure 3b: sensing coverage and sum spectral efficiency against the number of receiving access points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.bounds.closed_form import coverage, information_gain, sensing_energy_w
from models.bounds.maps import closed_form_map_m
from models.selection.base import ModeSelector
from models.selection.communication_centric import CommunicationCentric
from models.selection.farthest_point import FarthestPoint
from scenarios.figures.common import Interval, each_realization, mean_interval
from scenarios.figures.layouts import Layout
from scenarios.file.files import load
from scenarios.output import draw

__all__ = ["Figure3b", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 100
SETTING = {
    "radio.transmit_power_dbm": 20.0,
    "radio.comm_power_fraction": 0.5,
    "schedule.snapshots_per_slot": 1,
    "access_points.n_antennas": 8,
    "user_equipment.count": 10,
}
GRID_STEP_M = 25.0
"""Step of the points at which coverage is counted: 1600 in 1 km^2."""
N_DRAWS = 10
"""Fading draws per layout."""
SELECTORS: dict[str, ModeSelector] = {
    "communication_centric": CommunicationCentric(),
    "sensing_centric": FarthestPoint(),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure3b:
    """Coverage and sum spectral efficiency by scheme, with 95 % intervals over layouts.

    Attributes
    ----------
    n_receivers
        M_r, shape (n,).
    coverage, sum_se_bit_s_hz
        By name of the scheme, values of shape (n,).
    coverage_gain, sum_se_gain_bit_s_hz
        What the last scheme has more than the first: the mean of the differences layout by layout, so that what
        layouts differ in cancels, shape (n,).
    """

    seed: int
    n_realizations: int
    threshold_m: float
    n_receivers: NDArray[np.intp]
    coverage: dict[str, Interval]
    sum_se_bit_s_hz: dict[str, Interval]
    coverage_gain: Interval
    sum_se_gain_bit_s_hz: Interval

    def _columns(self) -> dict[str, Float]:
        columns: dict[str, Float] = {}
        for quantity, curves in (("coverage", self.coverage), ("sum_se", self.sum_se_bit_s_hz)):
            for scheme, curve in curves.items():
                name = f"{quantity}_{scheme}"
                columns |= _column(name, curve)
        names = list(self.coverage)
        for quantity, gain in (("coverage", self.coverage_gain), ("sum_se", self.sum_se_gain_bit_s_hz)):
            columns |= _column(f"{quantity}_{names[-1]}_minus_{names[0]}", gain)
        return columns

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure 3b --json`."""
        return {
            "seed": self.seed,
            "realizations": self.n_realizations,
            "peb_threshold_m": self.threshold_m,
            "n_receivers": self.n_receivers.tolist(),
            **{name: values.tolist() for name, values in self._columns().items()},
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each number of receivers."""
        columns = {"n_receivers": self.n_receivers, **self._columns()}
        return [list(columns), *(list(row) for row in zip(*(c.tolist() for c in columns.values()), strict=True))]

    def summary(self) -> list[str]:
        """Return where each scheme's coverage is highest and what it costs."""
        lines = []
        for scheme in self.coverage:
            covered, rate = self.coverage[scheme].value, self.sum_se_bit_s_hz[scheme].value
            best = int(np.argmax(covered))
            lines.append(
                f"{scheme.replace('_', '-')}: best coverage {covered[best]:.2f} at M_r = {self.n_receivers[best]}, "
                f"there {rate[best]:.1f} bit/s/Hz; sum SE {rate[0]:.1f} at M_r = {self.n_receivers[0]}, "
                f"{rate[-1]:.1f} at M_r = {self.n_receivers[-1]}"
            )
        return [*lines, self._difference()]

    def _difference(self) -> str:
        """Return where the last scheme is ahead of the first, layout by layout, and where behind."""
        names = [name.replace("_", "-") for name in self.coverage]
        if self.n_realizations == 1:
            return f"{names[-1]} against {names[0]}: not known, one layout gives no interval"
        parts = []
        for quantity, gain in (("coverage", self.coverage_gain), ("sum SE", self.sum_se_gain_bit_s_hz)):
            more, less = (self.n_receivers[found].tolist() for found in (gain.low > 0.0, gain.high < 0.0))
            parts.append(f"{quantity} higher at M_r = {more}, lower at {less}")
        return f"{names[-1]} against {names[0]}, paired, 95 %: {'; '.join(parts)}"

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(11.6, 4.6), layout="constrained")
            plot(self, figure.subplots(1, 2))
        return figure


def run(
    n_realizations: int = N_REALIZATIONS,
    seed: int = 1,
    workers: int | None = None,
    selectors: Mapping[str, ModeSelector] = SELECTORS,
) -> Figure3b:
    """Return figure 3b: 12 APs of 8 antennas, 10 UEs, 20 dBm, rho 0.5, one snapshot a slot.

    Coverage is the share of the area in which the coherent bound of one target (closed form, real free amplitudes)
    is at most a tenth of a wavelength.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    selectors
        At least one scheme by name; `plot` knows how to draw the two of the paper.
    """
    task = partial(_layout_values, seed=seed, selectors=tuple(selectors.values()))
    found = each_realization(task, n_realizations, workers, "figure 3b")
    values = np.moveaxis(np.array(found), 1, 0)  # (coverage or SE, layout, scheme, M_r)
    covered, rate = (mean_interval(one) for one in values)
    coverage_gain, rate_gain = (mean_interval(one[:, -1] - one[:, 0]) for one in values)
    scenario = load("paper", SETTING)
    return Figure3b(
        seed=seed,
        n_realizations=n_realizations,
        threshold_m=0.1 * Layout.draw(scenario, seed, 0, 1).network.wavelength_m,
        n_receivers=np.arange(1, scenario.access_points.count),
        coverage={name: _share(_of(covered, i)) for i, name in enumerate(selectors)},
        sum_se_bit_s_hz={name: _of(rate, i) for i, name in enumerate(selectors)},
        coverage_gain=coverage_gain,
        sum_se_gain_bit_s_hz=rate_gain,
    )


def _column(name: str, curve: Interval) -> dict[str, Float]:
    return {name: curve.value, f"{name}_low": curve.low, f"{name}_high": curve.high}


def _of(interval: Interval, index: int) -> Interval:
    return Interval(*(part[index] for part in interval))


def _share(interval: Interval) -> Interval:
    """Return the interval of a share, which cannot leave [0, 1]."""
    return interval._replace(low=np.maximum(interval.low, 0.0), high=np.minimum(interval.high, 1.0))


def _layout_values(index: int, seed: int, selectors: tuple[ModeSelector, ...]) -> Float:
    """Return coverage and sum spectral efficiency, shape (2, n_schemes, n_receivers), of one layout."""
    layout = Layout.draw(load("paper", SETTING), seed, index, N_DRAWS)
    radio, network, points = layout.view.radio, layout.network, layout.points_m(GRID_STEP_M)
    gain = information_gain(network, sensing_energy_w(radio, network.n_antennas), 1.0, radio.noise_power_w)
    threshold_m = 0.1 * network.wavelength_m
    numbers = range(1, network.n_aps)
    chosen = [layout.assignment(selector, n) for selector in selectors for n in numbers]
    covered = [coverage(closed_form_map_m(network, one, points, gain), threshold_m) for one in chosen]
    return np.reshape([covered, layout.sum_spectral_efficiency(chosen)], (2, len(selectors), len(numbers)))


LOOK = {
    "communication_centric": (draw.VERMILION, "s", "communication-centric"),
    "sensing_centric": (draw.BLUE, "o", "sensing-centric"),
}


def plot(result: Figure3b, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw coverage and sum spectral efficiency on two axes and return them.

    Markers are open where the paired difference does not count; one layout does not tell.
    """
    left, right = axes
    _curves(left, result.n_receivers, result.coverage, result.coverage_gain)
    left.set(ylabel="share of the area with PEB ≤ λ/10", ylim=(0.0, None), title="Sensing coverage")
    _curves(right, result.n_receivers, result.sum_se_bit_s_hz, result.sum_se_gain_bit_s_hz)
    right.set(ylabel="sum spectral efficiency (bit/s/Hz)", ylim=(0.0, None), title="Communication")
    handles, labels = left.get_legend_handles_labels()
    if result.n_realizations > 1:
        handles.append(Line2D([], [], color=draw.GREY, marker="o", mfc="white", ms=6, ls=""))
        labels.append("open: no difference, 95 % paired")
    right.legend(handles, labels, loc="lower left")
    return axes


def _curves(ax: Axes, n_receivers: NDArray[np.intp], curves: dict[str, Interval], gain: Interval) -> None:
    alike = (gain.low <= 0.0) & (gain.high >= 0.0)
    for scheme, curve in curves.items():
        color, marker, label = LOOK[scheme]
        ax.fill_between(n_receivers, curve.low, curve.high, color=color, alpha=0.18, lw=0)
        ax.plot(n_receivers, curve.value, color=color, marker=marker, ms=5.5, lw=1.8, label=label)
        style: dict[str, Any] = {"ls": "", "mec": color, "mfc": "white", "mew": 1.5, "ms": 5.5, "marker": marker}
        ax.plot(n_receivers[alike], curve.value[alike], zorder=4, **style)
    ax.set(xlabel="receiving access points $M_r$ of 12", xticks=n_receivers)
    ax.grid(True)
