"""
Clocks that drift apart, and what brings them together
======================================================

Run it: ``python -m scenarios.examples.drifting_phases``

What it teaches: what the carrier phases of eight access points do between two calibrations. Left alone they part at
the pace of their frequency offsets. A calibration every ten milliseconds brings them back to some hundredths of a
radian, and they part again at the same pace. A loop that learns the frequency of each clock from one calibration to the
next foresees most of that, so that the same pilots leave much less. Nothing is sensed here: phases are the truth, which
no access point knows of itself.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from emulator import Emulation
from scenarios import Scenario, load
from scenarios.examples.shown import picture
from scenarios.output.draw import BLUE, GREEN, GREY, VERMILION

__all__ = ["main", "plot", "run"]

CLOCKS = {
    "access_points.count": 8,
    "targets": [],
    "user_equipment.count": 0,
    "schedule.n_receivers": 4,
    "oscillators.preset": "high-tcxo",
    "oscillators.cfo_std_hz": 2.0,
}
ROUNDS = {"calibration.kind": "direct-path", "calibration.period_s": 0.01}
LOOP = {"calibration.servo": "proportional-integral", "calibration.loop_hz": 30.0}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "never calibrated": {},
    "corrected every 10 ms": ROUNDS,
    "by a loop that learns frequencies": ROUNDS | LOOP,
}
SHOWN = {0: BLUE, 5: VERMILION}
"""Access points whose lines are in colour, to be followed by the eye."""
PINK = "#CC79A7"
NEEDED_RAD = 0.1
"""Phase errors with which the position error is about twice what exact phases give (`dmimo figure phase-budget`)."""

Found = dict[str, dict[str, NDArray[np.float64]]]


def run(n_cpis: int = 100) -> Found:
    """Return of each way: times in ms, phases in rad of shape (n_cpis, n_aps), and starts and ends of pilots in ms."""
    return {name: _one(load("paper", CLOCKS | dict(keys)), n_cpis) for name, keys in WAYS.items()}


def _one(scenario: Scenario, n_cpis: int) -> dict[str, NDArray[np.float64]]:
    emulation = scenario.build(seed=1, estimator=None, scoring=False)
    times_ms, phases_rad, pilots_ms = [], [], []
    for cpi in emulation.cpis(n_cpis):
        times_ms.append(1e-6 * emulation.now_ns)
        phases_rad.append(_off_rad(emulation))
        if cpi.has_pilots:
            pilots_ms.append([1e-6 * emulation.frame.cpi_start_ns(i) for i in (cpi.index, cpi.index + 1)])
    return {
        "time_ms": np.array(times_ms),
        "phase_rad": np.array(phases_rad),
        "pilots_ms": np.reshape(pilots_ms, (-1, 2)),
    }


def _off_rad(emulation: Emulation) -> NDArray[np.float64]:
    """Return by how much the radio of each access point turns what it sends now, less what is common to all."""
    turned = np.exp(1j * np.array([ap.turns[0, 0] for ap in emulation.access_points.values() if ap.turns is not None]))
    return np.asarray(np.angle(turned * turned.sum().conj()))


def plot(found: Found, ax: Axes, name: str = "corrected every 10 ms") -> Axes:
    """Draw the phases of all access points over time, for one way of keeping them together."""
    one = found[name]
    time_ms, phase_rad = one["time_ms"], one["phase_rad"]
    ax.axhspan(-NEEDED_RAD, NEEDED_RAD, color=GREEN, alpha=0.15, lw=0, label="±0.1 rad")
    for i, pilots_ms in enumerate(one["pilots_ms"]):
        ax.axvspan(*pilots_ms, color=PINK, alpha=0.35, lw=0, label=None if i else "pilots")
    ax.plot(time_ms, phase_rad, color=GREY, lw=0.8)
    highest_rad = phase_rad[-1, list(SHOWN)].max()
    for i, colour in SHOWN.items():
        ax.plot(time_ms, phase_rad[:, i], color=colour, lw=1.8)
        end, beside = (time_ms[-1], phase_rad[-1, i]), "bottom" if phase_rad[-1, i] == highest_rad else "top"
        ax.annotate(f"ap-{i}", end, (4, 0), textcoords="offset points", va=beside, color=colour)
    most_rad = max(0.45, 1.2 * float(np.abs(phase_rad).max()))
    ax.set(ylim=(-most_rad, most_rad), ylabel="phase (rad)", xlabel="time (ms)", title=_title(name, phase_rad))
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderpad=0.0)
    ax.label_outer()
    return ax


def _title(name: str, phase_rad: NDArray[np.float64]) -> str:
    return f"{name[0].upper()}{name[1:]}: off by {_later_rad(phase_rad):.2f} rad"


def _later_rad(phase_rad: NDArray[np.float64]) -> float:
    """Return the root mean square of phases in the second half of the time."""
    return float(np.sqrt(np.mean(phase_rad[len(phase_rad) // 2 :] ** 2)))


def main() -> None:
    """Run all three, say how far phases are off in the second half, and draw them."""
    found = run()
    for name, one in found.items():
        print(f"{name:33}: phases off by {_later_rad(one['phase_rad']):.3f} rad in the second half")
    picture("drifting_phases", *(partial(plot, found, name=name) for name in WAYS))


if __name__ == "__main__":
    main()
