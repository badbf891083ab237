"""Whether the covariance that each estimate carries is right: errors in its units against chi-squared.

    python -m benchmarks.study_covariance --trials 100 --workers 2 --out results/covariance.json

With e the error of an estimated position and C its covariance, e^T C^-1 e is chi-squared with two degrees of freedom if
C is right: 2 in the mean, above 5.99 in 5 % of all cases. One target in a random layout; trial i at a power has the
seed [seed, i, tenths of dBm], so that the errors of one row have nothing to do with those of another power. An estimate
counts if it lies within the gate of the target, and in one or two of the rows

    resolved, right    resolved and off by less than five coherent bounds
    resolved           the same and the wrong lobes
    not resolved       found without a lobe, with its non-coherent position and covariance

Columns:

    n              estimates
    wrong          of which are resolved and in a wrong lobe
    mean           of e^T C^-1 e, 95 % bootstrap interval; "by chance": the middle 95 % of that mean if C is right
    beyond 5.99    share, exact 95 % interval
    outside        estimates outside of the gate, in all rows of this power together
"""

import time
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.studies import RIGHT_LOBE, bootstrap, command_line, outcomes, report, share
from benchmarks.study_model_choice import SCATTERING, bound_m, draw
from models.estimation.two_stage import TwoStage
from models.scoring import score

POWERS_DBM = (17.0, 20.0, 25.0, 30.0, 40.0)
LIMIT = float(stats.chi2(2).isf(0.05))


def normalised_square(error_m: Any, covariance_m2: Any) -> Any:
    """Return e^T C^-1 e of errors (..., 2) and covariances (..., 2, 2).

    >>> float(normalised_square([3.0, 4.0], [[9.0, 0.0], [0.0, 4.0]]))
    5.0
    """
    error = np.asarray(error_m, dtype=float)[..., None]
    return (error.swapaxes(-1, -2) @ np.linalg.solve(covariance_m2, error))[..., 0, 0]


def trial(seed: int, index: int, scattering: str, power_dbm: float) -> dict[str, Any]:
    """Return what became of the target, whether its lobe is right, its e^T C^-1 e, and the number of false targets."""
    rng = np.random.default_rng([seed, index, round(10.0 * power_dbm)])
    truth, samples, gains, observation = draw(rng, 1, scattering, power_dbm)
    estimate = TwoStage().estimate(observation)
    result = score(estimate, truth.targets_m, bound_m(truth, samples, gains, "noncoherent"))
    found = {"status": result.status[0], "right": False, "square": np.nan, "false": len(result.false_indices)}
    if result.matched[0] >= 0 and estimate.covariance_m2 is not None:
        s = result.matched[0]
        error = estimate.positions_m[s] - truth.targets_m[0]
        found["square"] = float(normalised_square(error, estimate.covariance_m2[s]))
        found["right"] = bool(result.error_m[0] < RIGHT_LOBE * bound_m(truth, samples, np.abs(gains), "free")[0])
    return found


def row(squares: Any, n_wrong: int | None) -> dict[str, Any]:
    """Return the figures of one group of estimates from their e^T C^-1 e."""
    n = len(squares)
    mean, interval = bootstrap(squares, np.mean)
    return {
        "n": n,
        "wrong": n_wrong,
        "mean": mean,
        "95 %": interval,
        "by chance": [float(v) for v in stats.chi2(2 * n).ppf([0.025, 0.975]) / n] if n else None,
        "beyond 5.99": share(int(np.sum(squares > LIMIT)), n),
    }


def summary(trials: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the rows of one kind of scattering at one power."""
    squares = np.array([t["square"] for t in trials])
    resolved = np.array([t["status"] == "resolved" for t in trials])
    right = resolved & np.array([t["right"] for t in trials])
    withheld = np.array([t["status"] == "not-resolved" for t in trials])
    return {
        "resolved, right": row(squares[right], 0),
        "resolved": row(squares[resolved], int(np.sum(resolved & ~right))),
        "not resolved": row(squares[withheld], None),
    }


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=100, seed=8)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=POWERS_DBM)
    parser.add_argument("--scattering", nargs="+", choices=list(SCATTERING), default=["isotropic"])
    options = parser.parse_args()
    started = time.perf_counter()
    cells = [(name, power_dbm) for name in options.scattering for power_dbm in options.power_dbm]
    jobs = [(options.seed, i, *cell) for cell in cells for i in range(options.trials)]
    trials, n = outcomes(trial, jobs, options.workers), options.trials
    tables: dict[str, list[dict[str, Any]]] = {}
    for i, (name, power_dbm) in enumerate(cells):
        mine = trials[i * n : (i + 1) * n]
        n_false = sum(t["false"] for t in mine)
        for group, figures in summary(mine).items():
            cell = {"dBm": power_dbm, "estimates": group} | figures | {"outside": n_false}
            tables.setdefault(name, []).append(cell)
    report(options, tables, started, f"[{options.seed}, 0..{n - 1}, tenths of dBm]")


if __name__ == "__main__":
    main()
