"""
A scheduler that gives weak targets more sensing slots
======================================================

Run it: ``python -m scenarios.examples.weak_targets``

What it teaches: who senses how often is the scheduler's alone, and how much that is worth. The transmitter farthest
from the target whose estimate is the least certain leaves its slot to the nearest. The bound of that target falls by a
fifth here. It need not: each transmitter that no longer senses is a direction less to look from, and a target that is
not found, as this one with 10 dB less, gets nothing.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from models import ModeAssignment, RoundRobin, SlotScheduler, View
from scenarios import load
from scenarios.examples.shown import SMALL, picture
from scenarios.output.draw import BLUE, VERMILION

__all__ = ["WeakFirst", "main", "plot", "run"]

SCENARIO = SMALL | {
    "targets": [{"position_m": [800.0, 250.0], "rcs_dbsm": -12.0}, {"position_m": [300.0, 650.0], "rcs_dbsm": 6.0}],
    "estimator.grid_step_m": 20.0,
    "radio.transmit_power_dbm": 40.0,
}


@dataclass(frozen=True, kw_only=True)
class WeakFirst(SlotScheduler):
    """Every transmitter senses once, but the farthest from the weakest target leave their slots to the nearest.

    Attributes
    ----------
    n_moved
        How many leave their slots.
    """

    n_moved: int = 1

    def order(self, assignment: ModeAssignment, view: View, n_slots: int) -> tuple[int, ...]:
        """Return the order; that of the paper as long as there is no estimate with a covariance."""
        found = view.estimate
        if found is None or found.covariance_m2 is None or not len(found.positions_m):
            return RoundRobin().order(assignment, view, n_slots)
        weakest = found.positions_m[np.trace(found.covariance_m2, axis1=1, axis2=2).argmax()]
        transmitters = assignment.transmitters
        distance = np.linalg.norm(view.network.ap_positions_m[transmitters] - weakest, axis=1)
        order = transmitters[np.argsort(distance)]
        order[len(order) - self.n_moved :] = order[: self.n_moved]
        return tuple(int(order[slot % len(order)]) for slot in range(n_slots))


def run(n_cpis: int = 10) -> dict[str, np.ndarray]:
    """Return the bounds in m, shape (n_cpis, 2): the weak target and the other, under either scheduler."""
    scenario = load("paper", SCENARIO)
    ways = {"round-robin": RoundRobin(), "weak first": WeakFirst()}
    return {
        name: np.array([cpi.peb_m for cpi in scenario.build(seed=3, scheduler=way).run(n_cpis).cpis])
        for name, way in ways.items()
    }


def plot(found: dict[str, np.ndarray], ax: Axes) -> Axes:
    """Draw the bounds over the CPIs."""
    for (name, bounds), colour in zip(found.items(), (VERMILION, BLUE), strict=True):
        for target, style in enumerate(("-", ":")):
            label = f"{name}, {('weak', 'strong')[target]} target"
            ax.plot(1e3 * bounds[:, target], ls=style, marker="o", ms=3, color=colour, label=label)
    ax.set(yscale="log", xlabel="CPI", ylabel="bound (mm)", title="Sensing slots for the weakest target")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(loc="center right")
    return ax


def main() -> None:
    """Run both, say what came of it and draw it."""
    found = run()
    for name, bounds in found.items():
        weak, strong = 1e3 * np.nanmedian(bounds[2:], axis=0)
        print(
            f"{name:12}: bound of the weak target {weak:.2f} mm, of the strong one {strong:.2f} mm (median from CPI 2)"
        )
    picture("weak_targets", lambda ax: plot(found, ax))


if __name__ == "__main__":
    main()
