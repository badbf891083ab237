"""Transmit power at which a target is found, and at which its carrier-phase lobe is right, in half of the layouts.

    python -m benchmarks.study_threshold --trials 50 --workers 2 --out results/threshold.json

Trial i (seed [seed, S, i]) draws layout, targets, waveform and noise once for all powers. "possible": the global
maximum of the structured likelihood around the truth, the other targets known. The power of one half is where the
straight line between the last measured share below and the first above crosses it, after pooling neighbours until the
shares do not fall; its 95 % interval is a bootstrap over layouts. An end of an interval beyond the powers measured is
infinite: measure at more powers then.
"""

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.estimator_table import best_possible_m, bounds_m
from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, share
from models.estimation.two_stage import TwoStage
from models.scoring import score
from models.units import dbm_to_w
from tests.simulate import observe, random_truth

POWERS_DBM = (10.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 24.0, 26.0)
CURVES = ("found", "possible", "right lobe", "right and resolved")


def trial(seed: int, index: int, n_targets: int, power_dbm: float, full: bool) -> list[list[bool]]:
    """Return for every curve whether each target counts, shape (len(CURVES), S)."""
    rng = np.random.default_rng([seed, n_targets, index])
    truth = random_truth(rng, n_targets)
    observation = observe(rng, truth, power_w=dbm_to_w(power_dbm), full=full)
    coherent, noncoherent = bounds_m(truth, observation)
    result = score(TwoStage().estimate(observation), truth.targets_m, noncoherent)
    right = result.error_m < RIGHT_LOBE * coherent
    resolved = [status == "resolved" for status in result.status]
    possible = best_possible_m(truth, observation) < RIGHT_LOBE * coherent
    return [list(np.isfinite(result.error_m)), list(possible), list(right), list(right & resolved)]


def rising(shares: Any) -> Any:
    """Return the nearest sequence that does not fall (pool adjacent violators, equal weights).

    >>> rising([0.1, 0.4, 0.2, 0.9])
    array([0.1, 0.3, 0.3, 0.9])
    """
    pools: list[list[float]] = []
    for value in shares:
        pools.append([float(value), 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (first, m), (second, n) = pools[-2], pools.pop()
            pools[-1] = [(first * m + second * n) / (m + n), m + n]
    return np.repeat([value for value, _ in pools], [int(n) for _, n in pools])


def crossing(powers_dbm: Any, shares: Any, level: float = 0.5) -> float:
    """Return the power in dBm at which a share reaches a level, by linear interpolation.

    Infinite if it does not, minus infinity if it lies above the level at all powers.

    >>> crossing([10.0, 20.0], [0.25, 0.75])
    15.0
    """
    shares = rising(shares)
    above = np.flatnonzero(shares >= level)
    if not len(above) or above[0] == 0:
        return float("-inf" if len(above) else "inf")
    i = above[0]
    return float(np.interp(level, shares[i - 1 : i + 1], powers_dbm[i - 1 : i + 1]))


def half_power(hits: Any, powers_dbm: Any, seed: int = 0) -> tuple[float, list[float]]:
    """Return the power of one half in dBm and its 95 % interval from hits (trials, powers, S)."""
    draws = np.random.default_rng(seed).integers(len(hits), size=(1000, len(hits)))
    values = [crossing(powers_dbm, hits[draw].mean(axis=(0, 2))) for draw in draws]
    return crossing(powers_dbm, hits.mean(axis=(0, 2))), _interval(values)


def gap_db(hits: Any, others: Any, powers_dbm: Any, seed: int = 0) -> tuple[float, list[float]]:
    """Return how much more power the first needs than the second for one half, and the interval, the layouts paired."""
    draws = np.random.default_rng(seed).integers(len(hits), size=(1000, len(hits)))

    def gap(draw: Any) -> float:
        first, second = (crossing(powers_dbm, h[draw].mean(axis=(0, 2))) for h in (hits, others))
        return float("nan") if np.isinf(first) and first == second else first - second

    return gap(np.arange(len(hits))), _interval([gap(draw) for draw in draws])


def _interval(values: list[float]) -> list[float]:
    """Return the ends of the middle 95 %; unknown (NaN) if one value is."""
    return [float(v) for v in np.quantile(values, [0.025, 0.975], method="inverted_cdf")]


def tables(hits: Any, powers_dbm: Any) -> dict[str, list[dict[str, Any]]]:
    """Return shares at each power and powers of one half from hits (trials, powers, curves, S)."""
    shares = []
    for j, power_dbm in enumerate(powers_dbm):
        cells = {name: hits[:, j, c] for c, name in enumerate(CURVES)}
        shares.append({"dBm": power_dbm} | {name: share(int(h.sum()), h.size) for name, h in cells.items()})
    halves = []
    for c, name in enumerate(CURVES):
        value, interval = half_power(hits[:, :, c], powers_dbm)
        more, more_interval = gap_db(hits[:, :, c], hits[:, :, CURVES.index("possible")], powers_dbm)
        halves.append({
            "curve": name, "50 % at (dBm)": round(value, 2), "95 %": [round(v, 1) for v in interval],
            "above possible (dB)": round(more, 2), "its 95 %": [round(v, 1) for v in more_interval],
        })  # fmt: skip
    return {"Shares": shares, "Power of one half": halves}


def measured(options: argparse.Namespace, n_targets: int, full: bool) -> Any:
    """Return whether each target counts, shape (trials, powers, curves, S)."""
    powers = options.power_dbm
    jobs = [(options.seed, i, n_targets, p, full) for i in range(options.trials) for p in powers]
    hits = np.array(outcomes(trial, jobs, options.workers), dtype=bool)
    return hits.reshape(options.trials, len(powers), len(CURVES), n_targets)


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=50, seed=6)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=POWERS_DBM)
    parser.add_argument("--targets", type=int, nargs="+", default=[1])
    parser.add_argument("--illumination", choices=["sensing", "full"], default="sensing")
    options = parser.parse_args()
    started = time.perf_counter()
    found: dict[str, list[dict[str, Any]]] = {}
    for n_targets in options.targets:
        hits = measured(options, n_targets, options.illumination == "full")
        found |= {f"{title}, S = {n_targets}": rows for title, rows in tables(hits, options.power_dbm).items()}
    report(options, found, started, f"[{options.seed}, S, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
