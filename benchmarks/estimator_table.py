"""Measure the estimators over random layouts: detection, false targets, right lobe, error over bound, time.

Each trial draws 12 APs, boresights, targets, waveforms and noise anew (1 km^2, N = 8, 6 transmitters and 6 receivers,
10 snapshots each, rho = 0.5, 0 dBsm); the seed of trial i is [seed, S, i]. Columns:

    P_d       share of targets assigned an estimate within clip(5 x non-coherent PEB, 5 m, 100 m)
    false     estimates left over, a map
    lobe      share of targets with an error below 5 coherent PEB (real free amplitudes, all targets together)
    RMSE/PEB  of the targets in the right lobe, with a 95 % bootstrap interval
    GOSPA     mean over the CPIs of the GOSPA distance (order 2, cut-off 10 m) in m, with a 95 % bootstrap interval
    possible  share in the right lobe at the global maximum of the likelihood around the truth (others known)

Intervals are 95 % bootstrap intervals that draw layouts, so that targets of one CPI stay together.
"p_against_prototype" compares P_d and right lobe with another implementation of the same recipe by Fisher's exact test.

Run from the root of the repository:

    python -m benchmarks.estimator_table --trials 20 --targets 1 2 --power-dbm 20 30 --workers 2 --out table.json
"""

import json
import time

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import fisher_exact
from threadpoolctl import threadpool_limits

from benchmarks.studies import RIGHT_LOBE, bootstrap, command_line, write
from models.bounds.fisher import target_bounds_m
from models.estimation.likelihood import Echoes
from models.estimation.localisation import search_lobes
from models.estimation.paper import PaperEstimator
from models.estimation.peaks import coarse_peaks
from models.estimation.scene import Found, Scene
from models.estimation.two_stage import TwoStage
from models.scoring import gospa, score
from models.units import dbm_to_w
from tests.simulate import AREA, observe, random_truth

CUTOFF_M = 10.0  # of GOSPA: an estimate farther off counts as one false target and one missed

# What another implementation of the same recipe reached on layouts of its own:
# (illumination, S, dBm) to targets, P_d, right lobe.
PROTOTYPE = {
    ("sensing", 1, 20.0): (14, 0.79, 0.57), ("sensing", 1, 30.0): (14, 1.0, 1.0), ("sensing", 1, 40.0): (14, 1.0, 1.0),
    ("sensing", 2, 20.0): (36, 0.80, 0.59), ("sensing", 2, 30.0): (36, 1.0, 0.98),
    ("sensing", 2, 40.0): (36, 0.99, 0.99),
    ("sensing", 4, 20.0): (28, 0.83, 0.66), ("sensing", 4, 30.0): (28, 0.99, 0.98),
    ("sensing", 4, 40.0): (28, 1.0, 0.99),
    ("full", 2, 10.0): (22, 0.77, 0.50), ("full", 2, 20.0): (22, 1.0, 0.91), ("full", 2, 30.0): (22, 1.0, 1.0),
}  # fmt: skip


def bounds_m(truth, observation):
    """Return the coherent (real free amplitudes) and non-coherent PEB of all targets together, (S,) each."""
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    gram, noise_w = observation.gram, observation.noise_power_w
    return [target_bounds_m(*scene, gram, noise_w, kind) for kind in ("coherent", "non-coherent")]


def best_possible_m(truth, observation):
    """Return the error at the best lobe of the structured likelihood around each truth, the others known, (S,)."""
    scene = Scene(Echoes.of(observation)).refined([Found("structured", p) for p in truth.targets_m], 0)
    errors = []
    for s, target in enumerate(truth.targets_m):
        alone = scene.residual(s)
        coarse = coarse_peaks(alone, target[None], AREA)
        lobes = search_lobes(alone, coarse, "structured", AREA) if len(coarse.power) else None
        errors.append(np.linalg.norm(lobes.state[0, :2] - target) if lobes and len(lobes.power) else np.inf)
    return np.array(errors)


def trial(estimators, seed, index, n_targets, power_dbm, full):
    """Return what each estimator did in one trial."""
    rng = np.random.default_rng([seed, n_targets, index])
    truth = random_truth(rng, n_targets)
    observation = observe(rng, truth, power_w=dbm_to_w(power_dbm), full=full)
    coherent, noncoherent = bounds_m(truth, observation)
    rows = {}
    for name, estimator in estimators.items():
        start = time.process_time()
        with threadpool_limits(1):
            estimate = estimator.estimate(observation)
        seconds = time.process_time() - start
        judged = score(estimate, truth.targets_m, noncoherent)
        ratio = judged.error_m / coherent
        resolved = [bool(m >= 0 and estimate.resolved[m]) for m in judged.matched]
        distance = gospa(estimate.positions_m, truth.targets_m, CUTOFF_M).distance_m
        rows[name] = {"ratio": ratio, "resolved": resolved, "n_false": len(judged.false_indices), "seconds": seconds}
        rows[name]["gospa_m"] = distance
    rows["possible"] = {"ratio": best_possible_m(truth, observation) / coherent}
    return rows


def over_layouts(rows, key, statistic):
    """Return a statistic and its 95 % bootstrap interval; layouts are drawn, their targets stay together."""
    return bootstrap(np.array([np.atleast_1d(r[key]) for r in rows], dtype=float), statistic)


def right_share(ratio):
    """Return the share of targets in the right lobe; NaN, a miss, is not."""
    return np.mean(ratio < RIGHT_LOBE)


def rms_in_right_lobe(ratio):
    """Return the root mean square of the errors over the bound, of targets in the right lobe."""
    return np.sqrt(np.mean(ratio[ratio < RIGHT_LOBE] ** 2)) if (ratio < RIGHT_LOBE).any() else np.nan


def worse_than_prototype(cell, n, n_targets, illumination, power_dbm):
    """Return p values of P_d and right lobe against the known ones (Fisher's exact test, two-sided); None without."""
    known = PROTOTYPE.get((illumination, n_targets, power_dbm))
    if known is None:
        return None
    n_known, *shares = known
    counts = [(round(share * n), round(reference * n_known)) for share, reference in
              zip((cell["p_d"], cell["right_lobe"]), shares, strict=True)]  # fmt: skip
    return [round(float(fisher_exact([[k, n - k], [q, n_known - q]]).pvalue), 4) for k, q in counts]


def summary(trials, name):
    """Return the figures of one estimator in one cell."""
    rows = [t[name] for t in trials]
    figures = {
        "right_lobe": ("ratio", right_share),
        "p_d": ("ratio", lambda ratio: np.mean(~np.isnan(ratio))),
        "false_a_map": ("n_false", np.mean),
        "rmse_over_peb": ("ratio", rms_in_right_lobe),
        "gospa_m": ("gospa_m", np.mean),
    }
    if name == "possible":
        figures = {"right_lobe": figures["right_lobe"]}
    cell = {}
    for figure, (key, statistic) in figures.items():
        value, low_high = over_layouts(rows, key, statistic)
        cell[figure] = None if value is None or np.isnan(value) else round(value, 4)
        cell[f"{figure}_95"] = None if low_high is None or np.isnan(low_high).any() else np.round(low_high, 4).tolist()
    if name == "possible":
        return cell
    resolved, ratio = (np.concatenate([r[key] for r in rows]) for key in ("resolved", "ratio"))
    seconds = np.array([r["seconds"] for r in rows])
    return cell | {
        "resolved_but_wrong": round(float(np.mean(resolved.astype(bool) & ~(ratio < RIGHT_LOBE))), 4),
        "seconds_median": round(float(np.median(seconds)), 3),
        "seconds_mean": round(float(seconds.mean()), 3),
        "seconds_max": round(float(seconds.max()), 3),
    }


def arguments():
    """Return the parsed command line."""
    parser = command_line(__doc__, trials=100, seed=1)
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--power-dbm", type=float, nargs="+", default=[10.0, 20.0, 30.0, 40.0])
    parser.add_argument("--illumination", choices=["sensing", "full"], nargs="+", default=["sensing"])
    parser.add_argument("--max-operations", type=float, default=TwoStage().max_operations, help="of two-stage, a CPI")
    return parser.parse_args()


def main():
    """Measure all cells and print the table."""
    options = arguments()
    estimators = {"two-stage": TwoStage(max_operations=options.max_operations), "paper": PaperEstimator()}
    cells = []
    with Parallel(n_jobs=options.workers) as parallel:
        for n_targets in options.targets:
            for illumination in options.illumination:
                for power_dbm in options.power_dbm:
                    full = illumination == "full"
                    cell_of = (n_targets, power_dbm, full)
                    jobs = (delayed(trial)(estimators, options.seed, i, *cell_of) for i in range(options.trials))
                    trials = parallel(jobs)
                    cell = {"targets": n_targets, "illumination": illumination, "power_dbm": power_dbm}
                    cell["seeds"] = f"[{options.seed}, {n_targets}, 0..{options.trials - 1}]"
                    cell |= {name: summary(trials, name) for name in [*estimators, "possible"]}
                    cell["p_against_prototype"] = worse_than_prototype(
                        cell["two-stage"], n_targets * options.trials, n_targets, illumination, power_dbm
                    )
                    print(json.dumps(cell), flush=True)
                    cells.append(cell)
    if options.out:
        write(options.out, {"cells": cells})


if __name__ == "__main__":
    main()
