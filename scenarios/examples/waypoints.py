"""
A target that turns a corner, followed to the millimetre
========================================================

Run it: ``python -m scenarios.examples.waypoints``

What it teaches: waypoints of the scenario file, and how short a CPI has to be. In one of 0.6 ms a walker at 1.5 m/s
goes 1 mm, and estimates lie on the path. With `schedule.guard_symbols = 90` a CPI lasts 6 ms, in which the walker goes
a tenth of a wavelength: nothing is resolved then, and the estimator says why, "moving".
"""

import numpy as np
from matplotlib.axes import Axes

from scenarios import load
from scenarios.examples.shown import picture
from scenarios.output.draw import BLUE, GREY, VERMILION

__all__ = ["main", "plot", "run"]

SCENARIO = {
    "estimator.grid_step_m": 20.0,
    "targets": [{"waypoints": [[0.0, 310.0, 420.0], [0.012, 310.018, 420.0], [0.024, 310.018, 420.018]]}],
}


def run(n_cpis: int = 40) -> dict[str, np.ndarray]:
    """Return truth and estimate in m, (n_cpis, 2) each, and which estimates are resolved."""
    result = load("paper", SCENARIO).build(seed=1).run(n_cpis)
    truth = np.array([cpi.truth_m[0] for cpi in result.cpis])
    error = np.array([cpi.score.error_m[0] for cpi in result.cpis])
    resolved = np.array([cpi.score.status[0] == "resolved" for cpi in result.cpis])
    found = np.array([_nearest(cpi.estimate.positions_m, place) for cpi, place in zip(result.cpis, truth, strict=True)])
    return {"truth_m": truth, "found_m": found, "resolved": resolved, "error_m": error}


def _nearest(positions_m: np.ndarray, place_m: np.ndarray) -> np.ndarray:
    """Return the position nearest to a place; NaN where there is none."""
    if not len(positions_m):
        return np.full(2, np.nan)
    return positions_m[np.linalg.norm(positions_m - place_m, axis=1).argmin()]


def plot(found: dict[str, np.ndarray], ax: Axes) -> Axes:
    """Draw the path and the estimates, in mm about the corner."""
    corner = np.array([310.018, 420.0])
    truth, places = (1e3 * (found[key] - corner) for key in ("truth_m", "found_m"))
    good = found["resolved"]
    ax.plot(*truth.T, color=GREY, lw=4, alpha=0.5, label="true path")
    ax.scatter(
        places[good, 0],
        places[good, 1],
        s=22,
        color=BLUE,
        label=f"resolved ({good.sum()} of {len(good)} CPIs)",
        zorder=3,
    )
    inside = ~good & (np.abs(places).max(axis=1) < 25.0)
    if inside.any():
        at, label = places[inside], f"not resolved ({inside.sum()})"
        ax.scatter(at[:, 0], at[:, 1], s=26, color=VERMILION, marker="x", label=label)
    ax.set(xlabel="x about the corner (mm)", ylabel="y about the corner (mm)", xlim=(-22, 14), ylim=(-4, 22))
    ax.set_aspect("equal")
    ax.set_title("A walker turns a corner")
    ax.legend(loc="upper left", bbox_to_anchor=(0.0, 0.95))
    return ax


def main() -> None:
    """Run it, say what came of it and draw it."""
    found = run()
    good = found["resolved"]
    error_mm = 1e3 * np.median(found["error_m"][good])
    print(f"resolved in {good.sum()} of {len(good)} CPIs, median error of these {error_mm:.2f} mm")
    picture("waypoints", lambda ax: plot(found, ax))


if __name__ == "__main__":
    main()
