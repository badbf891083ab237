"""False alarms of the whole two-stage estimator, and how many independent values a map of noise has.

    python -m benchmarks.study_false_alarms --trials 2000 --layouts 100 --workers 2 --out results/false-alarms.json

Alarms: CPIs of noise alone, everything drawn anew in each (trial i: seed [seed, i]). The estimator's loop ends at the
first map below the threshold, so a CPI whose map stays below the loosest one is decided by the map; on all others the
whole estimator runs, once for every probability.

Cells: the highest of N_eff independent Gamma(n, 1) values, n the number of AP pairs, exceeds h with the probability p
if p = 1 - (1 - P(Gamma(n, 1) > h))^N_eff. Here h is the (1 - p) quantile of the highest polished peak of maps of noise
alone. Layouts differ from those of the alarms (seed [seed + 1000, layout]) and give several maps each; the 95 %
interval is a bootstrap over layouts. "rule" is `models.estimation.detection.independent_cells`, "rate" what it makes
of p.
"""

import argparse
import time
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from benchmarks.studies import bootstrap, command_line, outcomes, report, share
from models.estimation.detection import independent_cells, map_cells
from models.estimation.likelihood import Echoes, degrees_of_freedom
from models.estimation.peaks import Watch
from models.estimation.two_stage import TwoStage
from tests.simulate import AREA, NOISE_W, normals, observe, random_truth, summarise, waveform

PROBABILITIES = (0.1, 0.01)
GRID_STEP_M = 10.0
ANY_PEAK = 0.999  # probability at a point that the highest peak of a map never misses
MAPS_A_LAYOUT = 4
QUANTILES = (0.5, 0.1, 0.01)
NETWORKS = (
    (12, 6, 8), (12, 4, 8), (12, 9, 8), (12, 6, 4), (12, 6, 16), (4, 2, 8), (8, 4, 8), (16, 8, 8), (24, 12, 8),
)  # fmt: skip
"""Number of APs, of receivers among them, and of antennas."""


def highest_peak(observation: Any, probability: float = ANY_PEAK) -> float:
    """Return the explained power at the highest polished peak of the map; 0 if noise alone passes it more often."""
    peaks = Watch(AREA, GRID_STEP_M, probability).detect(Echoes.of(observation))
    return float(peaks.power[0]) if peaks else 0.0


def alarms(seed: int, index: int, full: bool) -> list[int]:
    """Return how many targets the estimator finds in a CPI of noise alone, for each probability."""
    rng = np.random.default_rng([seed, index])
    observation = observe(rng, random_truth(rng, n_targets=0), full=full)
    loosest = max(PROBABILITIES) / map_cells(Echoes.of(observation), AREA, GRID_STEP_M)
    if not highest_peak(observation, loosest):
        return [0] * len(PROBABILITIES)
    estimators = (TwoStage(grid_step_m=GRID_STEP_M, false_alarm_probability=p) for p in PROBABILITIES)
    return [len(estimator.estimate(observation).positions_m) for estimator in estimators]


def tails(seed: int, layout: int, n_aps: int, n_receivers: int, n_antennas: int) -> list[float]:
    """Return P(Gamma(n, 1) > highest peak) of maps of noise alone in one layout, shape (MAPS_A_LAYOUT,)."""
    rng = np.random.default_rng([seed, layout])
    truth = random_truth(rng, 0, n_aps, n_receivers, n_antennas)
    samples = waveform(rng, len(truth.assignment.transmitters), n_antennas)
    found = []
    for _ in range(MAPS_A_LAYOUT):
        noise = np.sqrt(NOISE_W) * normals(rng, n_receivers, n_antennas, samples.shape[-1])
        observation = summarise(truth, samples, noise, NOISE_W)
        pairs = degrees_of_freedom(Echoes.of(observation))
        found.append(float(special.gammaincc(pairs, highest_peak(observation))))
    return found


def cells_row(found: list[list[float]], n_aps: int, n_receivers: int, n_antennas: int) -> dict[str, Any]:
    """Return N_eff of one network at several probabilities, that of the rule, and the rate that the rule gives."""
    rule = independent_cells(n_aps, n_antennas, 10_000)

    def cells(rows: Any, p: float) -> Any:
        return np.log1p(-p) / np.log1p(-np.quantile(rows, p))

    row: dict[str, Any] = {"APs": n_aps, "receivers": n_receivers, "antennas": n_antennas, "maps": np.size(found)}
    for p in QUANTILES:
        value, interval = bootstrap(found, partial(cells, p=p))
        row |= {f"N_eff at {p}": round(value or 0.0), f"95 % at {p}": [round(v) for v in interval or []]}
    row["rule"] = round(rule)
    row |= {f"rate at {p}": float(np.mean(np.less(found, p / rule))) for p in PROBABILITIES}
    return row


def run(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the tables."""
    rows = []
    for illumination in options.illumination:
        jobs = [(options.seed, i, illumination == "full") for i in range(options.trials)]
        counts = np.array(outcomes(alarms, jobs, options.workers)).reshape(-1, len(PROBABILITIES))
        rows += [
            {"illumination": illumination, "designed": p, "measured": share(int(np.sum(n > 0)), len(n)),
             "false targets a map": float(np.mean(n))}
            for p, n in zip(PROBABILITIES, counts.T, strict=True)
        ]  # fmt: skip
    cells = []
    for network in NETWORKS[: options.networks]:
        jobs = [(options.seed + 1000, i, *network) for i in range(options.layouts)]
        cells.append(cells_row(outcomes(tails, jobs, options.workers), *network))
    return {"False alarms on noise alone": rows, "Independent values of a map of noise": cells}


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=2000, seed=2)
    parser.add_argument("--layouts", type=int, default=100, help=f"a network, {MAPS_A_LAYOUT} maps each")
    parser.add_argument("--networks", type=int, default=len(NETWORKS), help="only the first so many")
    parser.add_argument("--illumination", choices=["sensing", "full"], nargs="+", default=["sensing"])
    options = parser.parse_args()
    started = time.perf_counter()
    seeds = f"[{options.seed}, 0..{options.trials - 1}] and [{options.seed + 1000}, 0..{options.layouts - 1}]"
    report(options, run(options), started, seeds)


if __name__ == "__main__":
    main()
