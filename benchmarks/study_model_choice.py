"""Targets whose scattering is not isotropic: what the choice of the amplitude model makes of them.

    python -m benchmarks.study_model_choice --trials 40 --workers 2 --out results/model-choice.json

The amplitude of each pair of APs is that of an isotropic target times a log-normal factor of 3 or 6 dB standard
deviation (of the power), or times a random phase. One target in a random layout (trial i: seed [seed, i], the same
layout, waveform and noise at all powers, for all kinds of scattering and for all amplitude models that the estimator is
held to by ``--amplitude``). Columns:

    P_d        target found within its gate
    right      resolved and off by less than five bounds
    wrong      resolved and off by more
    withheld   found, but reported as not resolved
    RMSE/PEB   of the right ones over the coherent bound at the actual amplitudes (real, free), 95 % bootstrap interval
    withheld RMSE/PEB    of those not resolved, over the non-coherent bound at the actual amplitudes
    false      estimates a map that are no target
"""

import time
from typing import Any, Literal, get_args

import numpy as np

from benchmarks.studies import RIGHT_LOBE, bootstrap, command_line, outcomes, report, root_mean_square, share
from models.estimation.likelihood import Echoes
from models.estimation.mixture import Amplitude, fit, position_covariance_m2
from models.estimation.two_stage import TwoStage
from models.scoring import score
from models.units import dbm_to_w
from tests.simulate import NOISE_W, Truth, normals, pair_gains, random_truth, receive, summarise, waveform

SCATTERING: dict[str, dict[str, Any]] = {
    "isotropic": {},
    "log-normal 3 dB": {"log_normal_db": 3.0},
    "log-normal 6 dB": {"log_normal_db": 6.0},
    "random phase": {"random_phase": True},
}
POWERS_DBM = (20.0, 30.0, 40.0)
Choice = Literal["automatic", "structured", "free"]


def bound_m(truth: Truth, samples: Any, gains: Any, model: Amplitude) -> Any:
    """Return the bound of each target at the actual amplitudes of the pairs, all targets together, shape (S,)."""
    echoes = Echoes.of(summarise(truth, samples, receive(truth, samples, gains), NOISE_W))
    state = truth.targets_m
    if model == "free":
        state = np.column_stack([state, truth.phase_rad])
    information = fit(echoes, model, state[None]).information[0]
    return np.sqrt(np.trace(position_covariance_m2(information, len(state)), axis1=1, axis2=2))


def draw(rng: np.random.Generator, n_targets: int, scattering: str, power_dbm: float) -> tuple[Truth, Any, Any, Any]:
    """Return targets in a random layout, what is sent, the amplitudes of the pairs and what is observed, with noise."""
    truth = random_truth(rng, n_targets)
    n_rx, n_tx, n_antennas = (
        len(truth.assignment.receivers),
        len(truth.assignment.transmitters),
        truth.network.n_antennas,
    )
    samples = waveform(rng, n_tx, n_antennas, dbm_to_w(power_dbm))
    noise = np.sqrt(NOISE_W) * normals(rng, n_rx, n_antennas, samples.shape[2])
    gains = pair_gains(rng, truth, **SCATTERING[scattering])
    return truth, samples, gains, summarise(truth, samples, receive(truth, samples, gains) + noise, NOISE_W)


def trial(
    seed: int, index: int, scattering: str, power_dbm: float, n_targets: int, amplitude: Choice = "automatic"
) -> dict[str, Any]:
    """Return error over bound, whether resolved, and the number of false targets."""
    rng = np.random.default_rng([seed, index])
    truth, samples, gains, observation = draw(rng, n_targets, scattering, power_dbm)
    coherent = bound_m(truth, samples, np.abs(gains), "free")
    noncoherent = bound_m(truth, samples, gains, "noncoherent")
    estimate = TwoStage(amplitude=amplitude).estimate(observation)
    result = score(estimate, truth.targets_m, noncoherent)
    return {
        "coherent": result.error_m / coherent,
        "noncoherent": result.error_m / noncoherent,
        "resolved": np.array([status == "resolved" for status in result.status]),
        "false": len(result.false_indices),
    }


def ratio(values: Any) -> tuple[float | None, list[float] | None]:
    """Return a root mean square and its 95 % bootstrap interval, rounded."""
    value, interval = bootstrap(values, root_mean_square)
    return value and round(value, 3), interval and [round(v, 2) for v in interval]


def summary(trials: list[dict[str, Any]], scattering: str, power_dbm: float) -> dict[str, Any]:
    """Return the row of one kind of scattering at one power."""
    coherent, noncoherent, resolved = (
        np.concatenate([t[name] for t in trials]) for name in ("coherent", "noncoherent", "resolved")
    )
    n, found, right = len(coherent), np.isfinite(coherent), resolved & (coherent < RIGHT_LOBE)
    value, interval = ratio(coherent[right])
    return {
        "scattering": scattering,
        "dBm": power_dbm,
        "P_d": share(found.sum(), n),
        "right": share(right.sum(), n),
        "wrong": share(np.sum(resolved & ~right), n),
        "withheld": share(np.sum(found & ~resolved), n),
        "RMSE/PEB": value,
        "95 %": interval,
        "withheld RMSE/PEB": ratio(noncoherent[found & ~resolved])[0],
        "false": float(np.mean([t["false"] for t in trials])),
    }


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=40, seed=5)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=POWERS_DBM)
    parser.add_argument("--targets", type=int, default=1)
    parser.add_argument("--amplitude", nargs="+", choices=get_args(Choice), default=["automatic"])
    options = parser.parse_args()
    started = time.perf_counter()
    cells = [(a, name, p) for a in options.amplitude for name in SCATTERING for p in options.power_dbm]
    jobs = [(options.seed, i, name, p, options.targets, a) for a, name, p in cells for i in range(options.trials)]
    trials, n = outcomes(trial, jobs, options.workers), options.trials
    rows = [{"amplitude": a} | summary(trials[i * n : (i + 1) * n], name, p) for i, (a, name, p) in enumerate(cells)]
    report(options, {"Scattering": rows}, started, f"[{options.seed}, 0..{n - 1}]")


if __name__ == "__main__":
    main()
