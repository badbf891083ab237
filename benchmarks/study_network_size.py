"""Measure the two-stage estimator as networks grow: right lobes, false targets and CPU time of a CPI.

Each trial draws a layout, two targets, waveforms and noise anew in 1 km^2, at 30 dBm unless told otherwise, half of the
APs receiving; the seed of trial i is [seed, M, N, i]. Columns:

    right lobe  share of targets resolved and off by less than five bounds
    wrong       estimates resolved and off by more than that from every target
    false       estimates, resolved or not, beyond 100 m of every target, a CPI
    ratio       mean CPU time of a CPI over that of the first row

    python -m benchmarks.study_network_size --trials 20 --workers 2
"""

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, share
from models.bounds.fisher import target_bounds_m
from models.estimation.two_stage import TwoStage
from models.units import dbm_to_w
from tests.simulate import observe, random_truth

NETWORKS = ((12, 8), (24, 8), (36, 8), (48, 8), (60, 8), (100, 8), (12, 2), (12, 4), (12, 16))
"""Number of APs and of antennas."""
FALSE_M = 100.0


def trial(seed: int, n_aps: int, n_antennas: int, index: int, power_dbm: float) -> dict[str, Any]:
    """Return what was found in one trial, and the CPU time in s."""
    rng = np.random.default_rng([seed, n_aps, n_antennas, index])
    truth = random_truth(rng, 2, n_aps, n_aps // 2, n_antennas)
    observation = observe(rng, truth, power_w=dbm_to_w(power_dbm))
    start = time.process_time()
    estimate = TwoStage().estimate(observation)
    seconds = time.process_time() - start
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    bounds = target_bounds_m(*scene, observation.gram, observation.noise_power_w, "coherent")
    distance = np.linalg.norm(estimate.positions_m[:, None] - truth.targets_m, axis=2)
    right = distance[estimate.resolved] < RIGHT_LOBE * bounds
    return {
        "right": int(right.any(axis=0).sum()),
        "wrong": int((~right.any(axis=1)).sum()),
        "false": int((distance.min(axis=1, initial=np.inf) > FALSE_M).sum()),
        "seconds": seconds,
    }


def run(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the table."""
    rows: list[dict[str, Any]] = []
    first = None
    for n_aps, n_antennas in NETWORKS:
        jobs = [(options.seed, n_aps, n_antennas, i, options.power_dbm) for i in range(options.trials)]
        found = outcomes(trial, jobs, options.workers)
        seconds = float(np.mean([row["seconds"] for row in found]))
        first = first or seconds
        rows.append({
            "APs": n_aps,
            "antennas": n_antennas,
            "right lobe": share(sum(row["right"] for row in found), 2 * len(found)),
            "wrong": sum(row["wrong"] for row in found),
            "false a CPI": float(np.mean([row["false"] for row in found])),
            "mean s": seconds,
            "ratio": seconds / first,
        })  # fmt: skip
    return {"Networks of all sizes": rows}


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=20, seed=801)
    parser.add_argument("--power-dbm", type=float, default=30.0)
    options = parser.parse_args()
    started = time.perf_counter()
    report(options, run(options), started, f"[{options.seed}, M, N, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
