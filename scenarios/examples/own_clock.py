"""
An access point with a clock of its own, where all others have White Rabbit
===========================================================================

Run it: ``python -m scenarios.examples.own_clock``

What it teaches: what one oscillator of eight, about a radian off, does to the whole network, and what helps. Taken for
exact it leaves no lobe that fits, and targets are metres off, although the hybrid bound hardly moves: the other seven
know enough. One calibration mends sensing and downlink, for two CPIs in which there is neither. Estimating the phases
along with the target mends sensing at once and without pilots; the downlink, which needs that access point in phase,
has nothing of it. It rests on errors that are not large: with seed 2 it is off by more than half a turn, and only the
calibration helps. In the scenario file it is one table, [[oscillators.node]].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from scenarios import load
from scenarios.examples.shown import SMALL, picture
from scenarios.output.draw import BLUE, GREEN, GREY, VERMILION, show_lengths

__all__ = ["main", "plot", "plot_efficiency", "run"]

OWN_CLOCK = {"name": "ap-3", "preset": "high-tcxo", "phase_std_rad": 2.0}
SCENARIO = SMALL | {
    "access_points.n_antennas": 8,
    "radio.transmit_power_dbm": 40.0,
    "estimator.grid_step_m": 20.0,
    "targets": [{"position_m": [520.0, 340.0]}],
    "oscillators": {"preset": "white-rabbit-improved", "node": [OWN_CLOCK]},
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "taken for exact": {},
    "calibrated once": {"calibration.kind": "direct-path"},
    "estimated along": {"estimator.phases": "estimated"},
}
COLOURS = {"taken for exact": VERMILION, "calibrated once": GREEN, "estimated along": BLUE}

Found = dict[str, dict[str, NDArray[Any]]]


def run(n_cpis: int = 14) -> Found:
    """Return of each way, CPI by CPI: error and hybrid bound in m, whether resolved, spectral efficiency, and time."""
    return {name: _one(load("paper", SCENARIO | dict(keys)), n_cpis) for name, keys in WAYS.items()}


def _one(scenario: Any, n_cpis: int) -> dict[str, NDArray[Any]]:
    emulation = scenario.build(seed=1)
    cpis = emulation.run(n_cpis).cpis
    return {
        "time_ms": np.array([1e3 * emulation.frame.cpi_middle_s(cpi.index) for cpi in cpis]),
        "error_m": np.array([cpi.score.error_m[0] for cpi in cpis]),
        "resolved": np.array([cpi.score.status[0] == "resolved" for cpi in cpis]),
        "hybrid_m": np.array([cpi.peb_hybrid_m[0] for cpi in cpis]),
        "se_bit_s_hz": np.array([cpi.se_bit_s_hz.sum() for cpi in cpis]),
    }


def plot(found: Found, ax: Axes) -> Axes:
    """Draw the errors over time, and the hybrid bound."""
    reference = found["estimated along"]
    ax.plot(reference["time_ms"], reference["hybrid_m"], color=GREY, label="hybrid bound")
    for name, one in found.items():
        good, error_m = one["resolved"], one["error_m"]
        ax.scatter(one["time_ms"][good], error_m[good], s=30, color=COLOURS[name], label=name, zorder=3)
        ax.scatter(one["time_ms"][~good], error_m[~good], s=30, color=COLOURS[name], marker="x")
    ax.set(yscale="log", ylabel="position error", title="One of eight APs runs on a clock of its own")
    show_lengths(ax.yaxis)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="phases (× not resolved)")
    return ax


def plot_efficiency(found: Found, ax: Axes) -> Axes:
    """Draw the spectral efficiency over time; that of phases estimated along is that of phases taken for exact."""
    for name in ("taken for exact", "calibrated once"):
        ax.plot(found[name]["time_ms"], found[name]["se_bit_s_hz"], marker="o", ms=3, color=COLOURS[name])
    ax.text(0.99, 0.06, "estimated along: as taken for exact", transform=ax.transAxes, ha="right", color=GREY)
    ax.set(ylabel="sum SE (bit/s/Hz)", xlabel="time (ms)", ylim=(0.0, None))
    return ax


def main() -> None:
    """Run all three, say what came of it and draw it."""
    found = run()
    for name, one in found.items():
        efficiency = one["se_bit_s_hz"]
        print(
            f"phases {name:15}: resolved in {one['resolved'].sum():2} of {len(efficiency)} CPIs, median error "
            f"{1e3 * np.nanmedian(one['error_m']):.2f} mm, sum SE {efficiency[efficiency > 0.0].mean():.1f} bit/s/Hz "
            f"in CPIs without pilots"
        )
    picture("own_clock", lambda ax: plot(found, ax), lambda ax: plot_efficiency(found, ax))


if __name__ == "__main__":
    main()
