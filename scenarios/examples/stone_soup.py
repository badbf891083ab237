"""
A target followed by a Kalman filter of Stone Soup
==================================================

Run it: ``python -m scenarios.examples.stone_soup``, after ``pip install "dmimo-isac[interop]"``

What it teaches: the covariance of an estimate is worth as much as its position. Near the threshold of power some CPIs
tell the lobe of the carrier phase, to a millimetre, and some do not, to metres. A tracker that takes the estimator's
word for which is which follows the target to millimetres and knows its speed within milliseconds; one that takes every
position for equally good does not.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from emulator.results import CpiResult, CpiResults
from scenarios import load
from scenarios.examples.shown import SMALL, picture
from scenarios.extras import extra
from scenarios.interop.tracking import BEGIN, stone_soup_detections
from scenarios.output.draw import BLUE, GREY, VERMILION, show_lengths

if TYPE_CHECKING:
    from stonesoup.types.state import GaussianState

__all__ = ["main", "plot", "run", "track"]

SCENARIO = SMALL | {
    "estimator.grid_step_m": 20.0,
    "radio.transmit_power_dbm": 27.5,
    "targets": [{"position_m": [420.0, 510.0], "velocity_m_s": [3.0, 1.0]}],
}
ALIKE_M = 1.0
"""Standard deviation of a coordinate for a tracker that takes all positions for equally good."""
ACCELERATION = 1.0
"""Spectral density of the acceleration that the tracker reckons with, in m^2/s^3."""
LARGEST_M, FASTEST_M_S = 100.0, 10.0
"""Standard deviations before the first detection."""


def track(cpis: Iterable[CpiResult]) -> "list[GaussianState]":
    """Return the states (x, velocity of x, y, velocity of y) of a Kalman filter after each CPI.

    The detection nearest to the prediction, in standard deviations, belongs to the target.
    """
    predictor, updater, associator = _parts()
    state, states = _prior(), []
    for time, detections in stone_soup_detections(cpis):
        chosen = associator.associate([state], detections, time)[state]
        state = updater.update(chosen) if chosen else predictor.predict(state, timestamp=time)
        states.append(state)
    return states


def _parts() -> tuple[Any, Any, Any]:
    """Return what predicts, what updates, and what tells which detection is the target's."""
    with extra("interop", "the tracker of this example"):
        from stonesoup.dataassociator.neighbour import NearestNeighbour
        from stonesoup.hypothesiser.distance import DistanceHypothesiser
        from stonesoup.measures import Mahalanobis
        from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity
        from stonesoup.predictor.kalman import KalmanPredictor
        from stonesoup.updater.kalman import KalmanUpdater
    motion = CombinedLinearGaussianTransitionModel([ConstantVelocity(ACCELERATION), ConstantVelocity(ACCELERATION)])
    predictor, updater = KalmanPredictor(motion), KalmanUpdater(None, force_symmetric_covariance=True)
    # One target alone: the nearest detection is its own, however many standard deviations away.
    near = DistanceHypothesiser(predictor, updater, Mahalanobis(), missed_distance=1e6)
    return predictor, updater, NearestNeighbour(near)


def _prior() -> "GaussianState":
    """Return what is known of the target before the first CPI: that it is about the middle of the area."""
    from stonesoup.types.state import GaussianState

    spread = np.diag([LARGEST_M, FASTEST_M_S, LARGEST_M, FASTEST_M_S]) ** 2
    return GaussianState([[500.0], [0.0], [500.0], [0.0]], spread, timestamp=BEGIN)


def _taken_alike(cpi: CpiResult) -> CpiResult:
    """Return a result whose estimates all claim the same covariance."""
    n_found = len(cpi.estimate.positions_m)
    same = np.broadcast_to(ALIKE_M**2 * np.eye(2), (n_found, 2, 2))
    return replace(cpi, estimate=replace(cpi.estimate, covariance_m2=same))


def run(n_cpis: int = 40) -> dict[str, np.ndarray]:
    """Return times in s, truth and errors in m, which CPIs are resolved, and the states of both trackers."""
    cpis = load("paper", SCENARIO).build(seed=1).run(n_cpis).cpis
    ways = {"told": cpis, "alike": CpiResults(map(_taken_alike, cpis))}
    states = {name: np.array([np.ravel(state.mean) for state in track(way)]) for name, way in ways.items()}
    return states | {
        "time_s": np.array([0.5e-9 * (cpi.start_ns + cpi.end_ns) for cpi in cpis]),
        "truth_m": np.array([cpi.truth_m[0] for cpi in cpis]),
        "error_m": np.array([cpi.score.error_m[0] for cpi in cpis]),
        "resolved": np.array([cpi.score.status[0] == "resolved" for cpi in cpis]),
    }


def plot_errors(found: dict[str, np.ndarray], ax: Axes) -> Axes:
    """Draw the errors of the detections and of both trackers over time."""
    time_ms, good = 1e3 * found["time_s"], found["resolved"]
    error_m = found["error_m"]
    ax.plot(time_ms[good], error_m[good], "o", ms=4, color=GREY, label="detection, resolved")
    ax.plot(time_ms[~good], error_m[~good], "x", ms=5, color=GREY, label="detection, not resolved")
    for name, label, colour in _LABELS:
        off_m = np.linalg.norm(found[name][:, [0, 2]] - found["truth_m"], axis=1)
        ax.plot(time_ms, off_m, color=colour, label=label)
    ax.set(yscale="log", ylim=(5e-5, 1e4), yticks=[1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0], ylabel="position error")
    ax.set_title("A Kalman filter of Stone Soup follows a target")
    ax.minorticks_off()
    show_lengths(ax.yaxis)
    ax.legend(loc="upper left", ncols=2)
    return ax


_LABELS = (
    ("told", "track, covariances of the estimator", BLUE),
    ("alike", f"track, {ALIKE_M:g} m for all", VERMILION),
)


def plot(found: dict[str, np.ndarray], ax: Axes) -> Axes:
    """Draw what both trackers take the speed for, over time."""
    time_ms = 1e3 * found["time_s"]
    for name, _, colour in _LABELS:
        ax.plot(time_ms, np.linalg.norm(found[name][:, [1, 3]], axis=1), color=colour)
    ax.axhline(np.hypot(3.0, 1.0), color=GREY, ls="--", lw=1)
    ax.annotate("true speed", (0.0, np.hypot(3.0, 1.0)), va="bottom", color=GREY)
    ax.set(xlabel="time (ms)", ylabel="speed (m/s)", ylim=(0.0, 8.0))
    return ax


def main() -> None:
    """Run it, say what came of it and draw it."""
    found = run()
    truth = np.insert(found["truth_m"][-1], [1, 2], [3.0, 1.0])
    print(f"resolved in {found['resolved'].sum()} of {len(found['resolved'])} CPIs")
    for name, label, _ in _LABELS:
        off = found[name][-1] - truth
        print(f"{label:36}: off by {1e3 * np.hypot(off[0], off[2]):.2f} mm and {np.hypot(off[1], off[3]):.3f} m/s")
    picture("stone_soup", lambda ax: plot_errors(found, ax), lambda ax: plot(found, ax))


if __name__ == "__main__":
    main()
