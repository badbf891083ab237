"""Two targets close to each other: how often both are resolved, and what is reported otherwise.

    python -m benchmarks.study_close_pairs --trials 30 --workers 2 --out results/close-pairs.json

12 random APs of 8 antennas, 6 receivers, ten snapshots, sensing illumination. A pair lies at random in the area and in
direction; the trials of all powers and distances share layouts, waveform and noise (trial i: seed [seed, i]). Columns:

    bound         median structured position error bound of the pair
    both          both targets resolved, each off by less than five structured bounds
    wrong         a target reported as resolved that is off by more than five structured bounds of the nearest target
    phantoms      estimates a CPI outside the gates of both, a gate being clip(5 x non-coherent PEB, 5 m, 100 m) of a
                  target by itself
    more than 2   CPIs with more than two estimates
    withheld      CPIs in which not both are resolved and nothing wrong is reported as resolved
    missed by search   CPIs in which targets started at the truth explain more than what was reported
"""

import time
from typing import Any

import numpy as np

from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, share
from models.bounds.fisher import target_bounds_m
from models.estimation.likelihood import Echoes
from models.estimation.scene import Found, Scene
from models.estimation.two_stage import TwoStage
from models.observation import Estimate, Observation
from models.scoring import gate_m
from models.units import dbm_to_w
from tests.simulate import AREA, Truth, observe, random_truth

DISTANCES_M = (0.2, 0.5, 1.0, 3.0, 10.0)
POWERS_DBM = (30.0, 40.0)
CLEAR_LEAD = 2.0  # explained power that shows that the search missed something


def random_pair(rng: np.random.Generator, distance_m: float) -> Truth:
    """Return a random layout with two targets so far apart, both in the area."""
    margin = max(DISTANCES_M)
    first = rng.uniform(margin, [AREA.width_m - margin, AREA.height_m - margin])
    angle = rng.uniform(-np.pi, np.pi)
    return random_truth(rng, targets_m=[first, first + distance_m * np.array([np.cos(angle), np.sin(angle)])])


def pair_bounds_m(truth: Truth, observation: Observation) -> Any:
    """Return the structured bounds of both together and the non-coherent one of each by itself, shape (2,) each."""
    fixed = (observation.gram, observation.noise_power_w)
    scene = (truth.network, truth.assignment)
    both = target_bounds_m(*scene, truth.targets_m, truth.rcs_m2, truth.phase_rad, *fixed, "structured")
    alone = [
        target_bounds_m(*scene, target, truth.rcs_m2[s], truth.phase_rad[s], *fixed, "non-coherent")[0]
        for s, target in enumerate(truth.targets_m)
    ]
    return both, np.array(alone)


def judged(estimate: Estimate, truth: Truth, bounds: Any) -> dict[str, Any]:
    """Return what the estimate made of the pair."""
    structured, alone = bounds
    distance = np.linalg.norm(truth.targets_m[:, None] - estimate.positions_m[None], axis=2)
    close = (distance < RIGHT_LOBE * structured[:, None]) & estimate.resolved
    both = bool(close.any(axis=1).all()) and len(set(distance.argmin(axis=1))) == 2 if close.size else False
    return {
        "both": both,
        "wrong": bool(np.any(estimate.resolved & ~close.any(axis=0))),
        "phantoms": int(np.sum(np.all(distance > gate_m(alone)[:, None], axis=0))),
        "found": len(estimate.positions_m),
    }


def misses_more(observation: Observation, estimate: Estimate, truth: Truth) -> bool:
    """Return whether targets started at the truth explain clearly more than those reported."""
    empty = Scene(Echoes.of(observation))
    ideal = empty.refined([Found("structured", p) for p in truth.targets_m])
    if not len(estimate.positions_m):
        return True
    models = ["structured" if resolved else "noncoherent" for resolved in estimate.resolved]
    reported = empty.refined([Found(m, p) for m, p in zip(models, estimate.positions_m, strict=True)])  # type: ignore
    return bool(ideal.power > reported.power + CLEAR_LEAD)


def trial(seed: int, index: int, distance_m: float, power_dbm: float) -> dict[str, Any]:
    """Return what happened to one pair."""
    rng = np.random.default_rng([seed, index])
    truth = random_pair(rng, distance_m)
    observation = observe(rng, truth, power_w=dbm_to_w(power_dbm))
    bounds = pair_bounds_m(truth, observation)
    start = time.process_time()
    estimate = TwoStage().estimate(observation)
    seconds = time.process_time() - start
    row = judged(estimate, truth, bounds) | {"seconds": seconds, "bound_m": float(np.max(bounds[0]))}
    return row | {"search": not row["both"] and misses_more(observation, estimate, truth)}


def summary(trials: list[dict[str, Any]], distance_m: float, power_dbm: float) -> dict[str, Any]:
    """Return the row of one distance and power."""
    n = len(trials)
    column = {name: np.array([t[name] for t in trials]) for name in trials[0]}
    return {
        "dBm": power_dbm,
        "apart (m)": distance_m,
        "bound (mm)": float(1e3 * np.nanmedian(column["bound_m"])),
        "both": share(column["both"].sum(), n),
        "wrong": share(column["wrong"].sum(), n),
        "withheld": share(np.sum(~column["both"] & ~column["wrong"]), n),
        "phantoms": float(column["phantoms"].mean()),
        "more than 2": int(np.sum(column["found"] > 2)),
        "missed by search": int(column["search"].sum()),
        "median s": float(np.median(column["seconds"])),
        "worst s": float(column["seconds"].max()),
    }


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=30, seed=4)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=POWERS_DBM)
    parser.add_argument("--distance-m", type=float, nargs="+", default=DISTANCES_M)
    options = parser.parse_args()
    started = time.perf_counter()
    cells = [(d, p) for p in options.power_dbm for d in options.distance_m]
    jobs = [(options.seed, i, *cell) for cell in cells for i in range(options.trials)]
    trials = outcomes(trial, jobs, options.workers)
    n = options.trials
    rows = [summary(trials[i * n : (i + 1) * n], *cell) for i, cell in enumerate(cells)]
    report(options, {"Close pairs": rows}, started, f"[{options.seed}, 0..{n - 1}]")


if __name__ == "__main__":
    main()
