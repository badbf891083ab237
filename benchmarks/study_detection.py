"""Probability of detecting one target against its signal-to-noise ratio, beside theory.

    python -m benchmarks.study_detection --trials 500 --estimates 100 --workers 2 --out results/detection.json

The signal-to-noise ratio (SNR) is that of the matched filter: the energy of all echoes of the target over sigma^2. At
the known position of the target twice the explained power is noncentral chi-squared with 2 M_t M_r degrees of freedom
and noncentrality 2 SNR, so with the threshold h

    P_d = P(chi'^2(2 M_t M_r, 2 SNR) > 2 h).

"at its position" counts how often the map exceeds h there, "found" how often the whole estimator reports the target
within its gate, "right lobe" how often it is resolved and off by less than five coherent bounds. Trial i (seed
[seed, i]) draws layout, target, waveform and noise and scales the echoes to each SNR.
"""

import argparse
import time
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.estimator_table import bounds_m
from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, share
from models.estimation.detection import map_threshold
from models.estimation.likelihood import Echoes, degrees_of_freedom, noncoherent_map
from models.estimation.two_stage import TwoStage
from models.scoring import score
from tests.simulate import AREA, NOISE_W, Truth, normals, random_truth, receive, summarise, waveform

SNR_DB = (11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 22.0, 24.0)
ESTIMATOR = TwoStage()


def known_position(observation: Any, target_m: Any) -> tuple[bool, float]:
    """Return whether the map exceeds the threshold at the target, and that threshold."""
    echoes = Echoes.of(observation)
    height = map_threshold(echoes, AREA, ESTIMATOR.grid_step_m, ESTIMATOR.false_alarm_probability)
    return bool(noncoherent_map(observation, target_m)[0] > height), height


def judged(truth: Truth, observation: Any) -> tuple[bool, bool, bool, int]:
    """Return whether the target is found, resolved, and in the right lobe, and the number of false targets."""
    coherent, noncoherent = bounds_m(truth, observation)
    result = score(ESTIMATOR.estimate(observation), truth.targets_m, noncoherent)
    resolved = result.status[0] == "resolved"
    right = resolved and bool(result.error_m[0] < RIGHT_LOBE * coherent[0])
    return result.status[0] != "missed", resolved, right, len(result.false_indices)


def trial(seed: int, index: int, estimates: bool) -> list[dict[str, Any]]:
    """Return what happened at each SNR."""
    rng = np.random.default_rng([seed, index])
    truth = random_truth(rng, n_targets=1)
    samples = waveform(rng, len(truth.assignment.transmitters), truth.network.n_antennas)
    echo = receive(truth, samples)
    noise = np.sqrt(NOISE_W) * normals(rng, *echo.shape)
    unit_snr = np.vdot(echo, echo).real / NOISE_W
    rows = []
    for snr_db in SNR_DB:
        scale = np.sqrt(10.0 ** (snr_db / 10.0) / unit_snr)
        observation = summarise(truth, scale * samples, scale * echo + noise, NOISE_W)
        above, height = known_position(observation, truth.targets_m)
        pairs = degrees_of_freedom(Echoes.of(observation))
        theory = float(stats.ncx2.sf(2.0 * height, 2 * pairs, 2.0 * 10.0 ** (snr_db / 10.0)))
        rows.append({"above": above, "theory": theory, "judged": judged(truth, observation) if estimates else None})
    return rows


def summary(trials: list[list[dict[str, Any]]], index: int) -> dict[str, Any]:
    """Return the row of one SNR."""
    rows = [t[index] for t in trials]
    found = np.array([r["judged"] for r in rows if r["judged"] is not None], dtype=int).reshape(-1, 4)
    n, hits = len(found), found.sum(axis=0)
    return {
        "SNR (dB)": SNR_DB[index],
        "theory": round(float(np.mean([r["theory"] for r in rows])), 4),
        "at its position": share(sum(r["above"] for r in rows), len(rows)),
        "found": share(hits[0], n),
        "resolved": share(hits[1], n),
        "right lobe": share(hits[2], n),
        "false a map": float(hits[3] / n) if n else None,
    }


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=500, seed=3)
    parser.add_argument("--estimates", type=int, default=100, help="trials in which the whole estimator runs, too")
    options: argparse.Namespace = parser.parse_args()
    started = time.perf_counter()
    jobs = [(options.seed, i, i < options.estimates) for i in range(options.trials)]
    trials = outcomes(trial, jobs, options.workers)
    rows = [summary(trials, i) for i in range(len(SNR_DB))]
    report(options, {"One target": rows}, started, f"[{options.seed}, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
