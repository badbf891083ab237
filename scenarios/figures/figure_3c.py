"""Figure 3c: sum spectral efficiency against the position error bound as power moves from sensing to communication."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from models.bounds.closed_form import information_gain, sensing_energy_w
from models.bounds.maps import any_gram_map_m, closed_form_map_m
from models.network import ModeAssignment
from models.radio.transmission import expected_gram, precoding_matrix
from models.selection.farthest_point import FarthestPoint
from scenarios.figures.common import Interval, each_realization, mean_interval, median_interval
from scenarios.figures.layouts import Layout
from scenarios.file.files import load
from scenarios.output import draw
from scenarios.output.lengths import length_text

__all__ = ["Curve", "Figure3c", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 100
COMM_POWER_FRACTIONS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99)
MARKED = (0.01, 0.1, 0.5, 0.99)
"""Values of rho that are written beside a curve."""
ANTENNAS = (2, 8)
KINDS = ("coherent", "non-coherent")
ILLUMINATIONS = ("sensing", "full")
SETTING = {
    "radio.transmit_power_dbm": 30.0,
    "schedule.snapshots_per_slot": 1,
    "schedule.n_receivers": 6,
    "user_equipment.count": 10,
}
RCS_M2 = 1.0
GRID_STEP_M = 100.0
"""Step of the points at which a target may stand: 100 in 1 km^2."""
N_DRAWS = 4
"""Fading draws a layout; the first is the one whose precoders illuminate the targets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One curve over the share of communication power: bounds in m and sum spectral efficiency, with intervals."""

    n_antennas: int
    coherent: bool
    illumination: str
    peb_m: Interval
    sum_se_bit_s_hz: Interval

    def data(self) -> dict[str, Any]:
        """Return the curve as plain data."""
        columns = {
            f"{name}{suffix}": part.tolist()
            for name, interval in (("peb_m", self.peb_m), ("sum_se_bit_s_hz", self.sum_se_bit_s_hz))
            for suffix, part in zip(("", "_low", "_high"), interval, strict=True)
        }
        keys = {"n_antennas": self.n_antennas, "coherent": self.coherent, "illumination": self.illumination}
        return keys | columns


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure3c:
    """All curves of figure 3c."""

    seed: int
    n_realizations: int
    comm_power_fraction: Float
    curves: tuple[Curve, ...]

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure 3c --json`."""
        return {
            "seed": self.seed,
            "realizations": self.n_realizations,
            "comm_power_fraction": self.comm_power_fraction.tolist(),
            "curves": [curve.data() for curve in self.curves],
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each curve and share."""
        rows: list[Sequence[Any]] = []
        for curve in self.curves:
            data = curve.data()
            columns = [name for name, value in data.items() if isinstance(value, list)]
            keys = [value for value in data.values() if not isinstance(value, list)]
            rows = rows or [["n_antennas", "coherent", "illumination", "comm_power_fraction", *columns]]
            values = zip(self.comm_power_fraction.tolist(), *(data[name] for name in columns), strict=True)
            rows += [[*keys, *row] for row in values]
        return rows

    def summary(self) -> list[str]:
        """Return the ends of each curve."""
        shares = self.comm_power_fraction
        lines = [f"At rho {shares[0]:g} and {shares[-1]:g}:"]
        for curve in self.curves:
            first, last = (length_text(float(curve.peb_m.value[i])) for i in (0, -1))
            slow, fast = curve.sum_se_bit_s_hz.value[[0, -1]]
            kind = KINDS[0] if curve.coherent else KINDS[1]
            name = f"N = {curve.n_antennas}, {kind}, {curve.illumination}"
            lines.append(f"{name}: PEB {first} and {last}, sum SE {slow:.1f} and {fast:.1f} bit/s/Hz")
        return lines

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(12.4, 5.2), layout="constrained")
            plot(self, figure.subplots(1, 2, sharey=True))
        return figure


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Figure3c:
    """Return figure 3c: 12 APs, six of them receiving (farthest-point sampling), 10 UEs, 30 dBm, one snapshot a slot.

    The bound of a layout is the median over a grid of points of the bound of one target there, for the expected
    statistics: of the sensing waveform alone, or of the communication symbols too ("full", with the precoders of a
    drawn channel). The curve is the median over layouts. The spectral efficiency is the mean over layouts, the same
    for either illumination.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    found = each_realization(partial(_layout_values, seed=seed), n_realizations, workers, "figure 3c")
    bound = median_interval([peb for peb, _ in found])
    rate = mean_interval([se for _, se in found])
    return Figure3c(
        seed=seed,
        n_realizations=n_realizations,
        comm_power_fraction=np.array(COMM_POWER_FRACTIONS),
        curves=tuple(_curve(i, j, k, bound, rate) for i, j, k in np.ndindex(bound.value.shape[:3])),
    )


def _curve(i: int, j: int, k: int, bound: Interval, rate: Interval) -> Curve:
    return Curve(
        n_antennas=ANTENNAS[i],
        coherent=KINDS[j] == "coherent",
        illumination=ILLUMINATIONS[k],
        peb_m=Interval(*(part[i, j, k] for part in bound)),
        sum_se_bit_s_hz=Interval(*(part[i] for part in rate)),
    )


def _layout_values(index: int, seed: int) -> tuple[Float, Float]:
    """Return the median bounds, shape (antennas, kinds, illuminations, shares), and sum rates, (antennas, shares)."""
    shares = len(COMM_POWER_FRACTIONS)
    bounds = np.empty((len(ANTENNAS), len(KINDS), len(ILLUMINATIONS), shares))
    rates = np.empty((len(ANTENNAS), shares))
    for i, n_antennas in enumerate(ANTENNAS):
        layout = Layout.draw(load("paper", SETTING | {"access_points.n_antennas": n_antennas}), seed, index, N_DRAWS)
        assignment = layout.assignment(FarthestPoint())
        for share, rho in enumerate(COMM_POWER_FRACTIONS):
            rates[i, share] = layout.sum_spectral_efficiency([assignment], rho)[0]
            bounds[i, ..., share] = _median_bounds_m(layout, assignment, rho)
    return bounds, rates


def _median_bounds_m(layout: Layout, assignment: ModeAssignment, rho: float) -> Float:
    """Return the median over the points of the bound, shape (kinds, illuminations); a point without one is infinite."""
    network, points = layout.network, layout.points_m(GRID_STEP_M)
    radio = replace(layout.view.radio, comm_power_fraction=rho)
    gain = information_gain(network, sensing_energy_w(radio, network.n_antennas), RCS_M2, radio.noise_power_w)
    precoding = precoding_matrix(layout.channels[0, assignment.transmitters], radio.transmit_power_w, rho)
    size = len(assignment.transmitters), network.n_antennas, radio.n_snapshots
    gram = expected_gram(*size, radio.transmit_power_w, rho, precoding)
    bounds = [
        (
            closed_form_map_m(network, assignment, points, gain, kind),
            any_gram_map_m(network, assignment, points, RCS_M2, gram, radio.noise_power_w, kind),
        )
        for kind in KINDS
    ]
    return np.median(np.where(np.isnan(bounds), np.inf, bounds), axis=-1)


LOOK = {2: (draw.VERMILION, "s"), 8: (draw.BLUE, "o")}
LABELS = {"sensing": "sensing waveform alone", "full": "communication symbols too"}


def plot(result: Figure3c, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw the curves on two axes, one for the coherent bound and one for the non-coherent, and return them."""
    for ax, kind in zip(axes, KINDS, strict=True):
        factor, unit = (1000.0, "mm") if kind == "coherent" else (1.0, "m")
        for curve in result.curves:
            if curve.coherent == (kind == "coherent"):
                _draw_curve(ax, curve, result.comm_power_fraction, factor)
        ax.set(xscale="log", xlabel=f"position error bound ({unit}), median", title=f"{kind.capitalize()} bound")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.margins(x=0.08)
        ax.grid(True)
    axes[0].set(ylabel="sum spectral efficiency (bit/s/Hz)", ylim=(0.0, None))
    axes[1].figure.legend(handles=_legend_handles(), loc="outside right center")
    return axes


def _draw_curve(ax: Axes, curve: Curve, shares: Float, factor: float) -> None:
    """Draw a curve with its bands: the bound's over layouts along x, the spectral efficiency's along y."""
    color, marker = LOOK[curve.n_antennas]
    alone = curve.illumination == "sensing"
    x, y, rate = factor * curve.peb_m.value, curve.sum_se_bit_s_hz.value, curve.sum_se_bit_s_hz
    ax.fill_betweenx(y, factor * curve.peb_m.low, factor * curve.peb_m.high, color=color, alpha=0.16, lw=0)
    reach = np.nan_to_num([y - rate.low, rate.high - y])
    ax.errorbar(x, y, reach, ls="none", ecolor=color, elinewidth=0.9, alpha=0.6)
    ax.plot(x, y, "-" if alone else "--", color=color, marker=marker, mfc=color if alone else "white", ms=4.5, lw=1.6)
    for rho in MARKED if alone else ():
        i = int(np.argmin(np.abs(shares - rho)))
        style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8.5, "color": color}
        place = (8, -6) if i else (-2, -11)  # the first below its mark: beside it is another curve
        ax.annotate(f"{shares[i]:g}", (x[i], y[i]), place, ha="left", va="center", **style)


def _legend_handles() -> list[Line2D]:
    handles = [
        Line2D([], [], color=color, marker=marker, ms=5, lw=1.6, label=f"N = {n} antennas")
        for n, (color, marker) in LOOK.items()
    ]
    for illumination, dashes in zip(ILLUMINATIONS, ("-", "--"), strict=True):
        face = draw.BLACK if illumination == "sensing" else "white"
        label = f"illuminated by the\n{LABELS[illumination]}"
        style: dict[str, Any] = {"ls": dashes, "marker": "o", "mfc": face, "ms": 5, "lw": 1.6}
        handles.append(Line2D([], [], color=draw.BLACK, label=label, **style))
    handles.append(
        Line2D([], [], ls="", label="numbers: ρ, the share\nof communication power,\nthe same at equal height")
    )
    handles.append(Line2D([], [], ls="", label="bands and bars: 95 %"))
    return handles
