"""CPU time of the two-stage estimator against another checkout, on the same observations, in one run.

    python -m benchmarks.study_estimator_speed --against ../before --trials 16 --out results/estimator-speed.json

Each trial draws a layout of the paper's size, targets, waveforms and noise anew, one AP sensing at a time; the seed of
trial i is [seed, S, i]. Processes of the two checkouts take turns, each with one BLAS thread and a first CPI that is
not counted. Columns, of each number of targets:

    before, now    mean CPU time of a CPI in s
    ratio          of these means; "median" of the ratios of single CPIs
    same           trials with the same targets resolved, to 0.1 mm
    right lobe     targets resolved and off by less than five bounds; wrong: resolved and further off
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies import command_line, report, run_checkout
from models.units import dbm_to_w

HERE = Path(__file__).resolve().parent.parent
N_TARGETS = (1, 2, 4, 8)
CPIS_OF_A_PROCESS = 4
SAME_M = 1e-4
CHILD = """
import dataclasses, json, sys, time
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
import numpy as np
from tests.simulate import observe, random_truth
try:
    from models.estimation.two_stage import TwoStage
    from models.bounds.fisher import target_bounds_m
except ImportError:  # as they were called in version 0.1.0
    from models.estimators.two_stage import TwoStage
    from models.fisher import target_bounds_m
seed, n_targets, power_w, first, last = *map(int, sys.argv[1:3]), float(sys.argv[3]), *map(int, sys.argv[4:6])

def trial(index):
    rng = np.random.default_rng([seed, n_targets, index])
    truth = random_truth(rng, n_targets)
    observation = observe(rng, truth, power_w=power_w)
    if hasattr(observation, "sensed_s"):
        observation = dataclasses.replace(observation, sensed_s=5e-4 * (np.arange(6) - 2.5))
    start = time.process_time()
    found = TwoStage().estimate(observation)
    seconds = time.process_time() - start
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    bounds = target_bounds_m(*scene, observation.gram, observation.noise_power_w, "coherent")
    off = np.linalg.norm(found.positions_m[found.resolved][:, None] - truth.targets_m, axis=2) / bounds
    resolved = found.positions_m[found.resolved]
    return {"seconds": seconds, "resolved_m": resolved[np.argsort(resolved[:, 0])].tolist(),
            "right": int((off < 5.0).any(axis=0).sum()), "wrong": int((~(off < 5.0).any(axis=1)).sum())}

trial(first)
print(json.dumps([trial(index) for index in range(first, last)]))
"""


def cell(checkout: Path, options: argparse.Namespace, n_targets: int, first: int, last: int) -> list[dict[str, Any]]:
    """Return what the code of a checkout finds in some trials, and how long it takes."""
    power_w = dbm_to_w(options.power_dbm)
    done = run_checkout(checkout, CHILD, options.seed, n_targets, power_w, first, last)
    return list(json.loads(done.stdout))


def row(options: argparse.Namespace, n_targets: int) -> dict[str, Any]:
    """Return the row of a number of targets."""
    before: list[dict[str, Any]] = []
    now: list[dict[str, Any]] = []
    for first in range(0, options.trials, CPIS_OF_A_PROCESS):
        last = min(first + CPIS_OF_A_PROCESS, options.trials)
        before += cell(options.against, options, n_targets, first, last)
        now += cell(HERE, options, n_targets, first, last)
    seconds = np.array([[one["seconds"] for one in found] for found in (before, now)])
    return {
        "targets": n_targets,
        "before": float(seconds[0].mean()),
        "now": float(seconds[1].mean()),
        "ratio": float(seconds[0].mean() / seconds[1].mean()),
        "median": float(np.median(seconds[0] / seconds[1])),
        "same": f"{sum(map(_same, before, now))} of {options.trials}",
        "right lobe before": sum(one["right"] for one in before),
        "right lobe": f"{sum(one['right'] for one in now)} of {n_targets * options.trials}",
        "wrong before": sum(one["wrong"] for one in before),
        "wrong": sum(one["wrong"] for one in now),
    }


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two answers resolve the same targets."""
    if len(one["resolved_m"]) != len(other["resolved_m"]):
        return False
    apart = np.subtract(one["resolved_m"], other["resolved_m"]).reshape(-1, 2)
    return bool(np.all(np.linalg.norm(apart, axis=1) < SAME_M))


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=16, seed=803)
    parser.add_argument("--against", type=Path, required=True, help="checkout of another version")
    parser.add_argument("--power-dbm", type=float, default=30.0)
    parser.add_argument("--targets", type=int, nargs="+", default=N_TARGETS)
    options = parser.parse_args()
    options.against = options.against.resolve()
    started = time.perf_counter()
    rows = [row(options, n) for n in options.targets]
    report(
        options,
        {"The estimator against another version": rows},
        started,
        f"[{options.seed}, S, 0..{options.trials - 1}]",
    )


if __name__ == "__main__":
    main()
