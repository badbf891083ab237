"""How often the test of each receiver against the others leaves an honest one out, and finds one that is not.

    python -m benchmarks.study_exclusion --trials 400 --located 20 --workers 2

Every trial draws layout, target, waveforms and noise anew (seed [seed, i]): 12 APs, six of them receivers, 10 snapshots
a slot. "law" tests around the true position, so that the law of the test alone counts. "located" is the whole way with
the two-stage estimator: `models.consistency.ConsistencyTest.judge`, its error, and that of the network without the AP.

turned   the phases of a receiver are turned by +-0.5 rad, at random for each transmitter
rubbish  noise of the power of its echoes takes their place
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.studies import command_line, outcomes, report, share
from models.consistency import ConsistencyTest, contradictions, without
from models.estimation.two_stage import TwoStage
from models.observation import Estimate, Observation
from tests.simulate import normals, observe, random_truth

ATTACKS = ("none", "turned", "rubbish")
POWERS_DBM = (20, 30, 40)
CULPRIT = 2
PROBABILITY = 1e-2


def attacked(rng: np.random.Generator, observation: Observation, attack: str) -> Observation:
    """Return what is fused when a receiver is compromised."""
    cross = observation.cross.copy()
    if attack == "turned":
        cross[CULPRIT] *= np.exp(0.5j * rng.choice([-1, 1], cross.shape[2]))[:, None]
    elif attack == "rubbish":
        power = observation.energy[CULPRIT] / observation.n_samples[CULPRIT]
        noise = np.sqrt(power) * normals(rng, *cross.shape[1:])
        cross[CULPRIT] = noise * np.sqrt(np.mean(observation.gram.traces) / cross.shape[1])
    return replace(observation, cross=cross)


def drawn(seed: int, index: int, attack: str, power_dbm: float) -> tuple[Any, Observation]:
    """Return truth and observation of a trial."""
    rng = np.random.default_rng([seed, index])
    truth = random_truth(rng, n_targets=1)
    return truth, attacked(rng, observe(rng, truth, power_w=10 ** (power_dbm / 10 - 3)), attack)


def law(seed: int, index: int, attack: str, power_dbm: float) -> int:
    """Return the receiver that would be left out, -1 for none."""
    truth, observation = drawn(seed, index, attack, power_dbm)
    probability = contradictions(observation, Estimate.at(truth.targets_m)).probability
    return int(np.argmin(probability)) if probability.min() < PROBABILITY / len(probability) else -1


def located(seed: int, index: int, attack: str, power_dbm: float) -> tuple[list[int], float, float]:
    """Return who is left out, and the error in m with the test and without the AP; infinite where nothing is found."""
    truth, observation = drawn(seed, index, attack, power_dbm)
    locate = TwoStage(grid_step_m=10.0).estimate
    verdict = ConsistencyTest(false_alarm_probability=PROBABILITY).judge(observation, locate, set())
    others = locate(without(observation, {CULPRIT}))
    errors = [
        float(min(np.linalg.norm(found.positions_m - truth.targets_m, axis=1), default=np.inf))
        for found in (verdict.estimate, others)
    ]
    return sorted(verdict.excluded), errors[0], errors[1]


def law_row(found: list[int], attack: str, power_dbm: float) -> dict[str, Any]:
    """Return how often somebody is left out, the culprit, and an honest receiver."""
    culprit = CULPRIT if attack != "none" else -1
    n, right, wrong = len(found), sum(r == culprit >= 0 for r in found), sum(r not in (culprit, -1) for r in found)
    return {"attack": attack, "power_dbm": power_dbm, "culprit": share(right, n), "honest": share(wrong, n)}


def located_row(found: list[tuple[list[int], float, float]], attack: str, power_dbm: float) -> dict[str, Any]:
    """Return how often the culprit is left out, and the median errors in mm."""
    n, right = len(found), sum(CULPRIT in who for who, _, _ in found)
    wrong = sum(bool(set(who) - {CULPRIT}) for who, _, _ in found)
    with_test, without_ap = (1e3 * float(np.median([row[i] for row in found])) for i in (1, 2))
    ratio = with_test / without_ap
    return {"attack": attack, "power_dbm": power_dbm, "culprit": share(right, n), "honest": share(wrong, n),
            "error_mm": with_test, "without_ap_mm": without_ap, "ratio": ratio}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=400, seed=50)
    parser.add_argument("--located", type=int, default=20, help="trials with the estimator, at 30 dBm; 0: none")
    options: argparse.Namespace = parser.parse_args(arguments)
    started = time.perf_counter()
    cells = [(attack, power) for attack in ATTACKS for power in POWERS_DBM]
    jobs = [(options.seed, i, *cell) for cell in cells for i in range(options.trials)]
    found, n = outcomes(law, jobs, options.workers), options.trials
    tables = {"Law": [law_row(found[i * n : (i + 1) * n], *cell) for i, cell in enumerate(cells)]}
    if options.located:
        jobs = [(options.seed, i, attack, 30) for attack in ATTACKS[:2] for i in range(options.located)]
        way, n = outcomes(located, jobs, options.workers), options.located
        tables["Located"] = [located_row(way[i * n : (i + 1) * n], a, 30) for i, a in enumerate(ATTACKS[:2])]
    report(options, tables, started, f"[{options.seed}, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
