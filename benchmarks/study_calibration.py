"""What calibrations leave of the phases of APs, against what their covariance says, and when lost coherence is noticed.

    python -m benchmarks.study_calibration --trials 400 --workers 2 --out results/calibration.json

Over the air: 12 APs at random, phases of chains and of channels over the whole circle, all SNR the same. Mean: of the
variances of tau - rho of the APs, its mean over all APs taken away, in units of the variance of an edge, 1 / SNR.
Pair: the largest variance of a difference of two APs. The interval is a bootstrap over trials.

Direct path: root mean square error of tau_t + rho_r over all pairs, in mrad, for errors of the surveyed positions.

Coherence: one target at random, its position known, errors of the phases of all APs drawn anew in each CPI (10
snapshots a slot, 6 x 6 pairs): how often one CPI is enough to notice, at a false alarm probability of 1e-3.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import bootstrap, command_line, outcomes, report, root_mean_square, share
from models.calibration import CoherenceDetector, CoherenceState, DirectPath, Measurements, OverTheAir, coherence_loss
from models.calibration.graph import centred, wrapped
from models.observation import Estimate
from tests.simulate import normals, observe, random_network, random_truth

Float = NDArray[np.float64]
N_APS, SNR_DB = 12, 40.0
GRAPHS = ("line", "ring", "star", "mesh")
SURVEYS_MM = (0.0, 0.1, 1.0)
POWERS_DBM, ERRORS_RAD = (10.0, 20.0, 30.0, 40.0), (0.0, 0.1, 0.2, 0.5, 1.0)


def heard(rng: Any, network: Any, phase_rad: Float, heard_by: NDArray[np.bool_]) -> Measurements:
    """Return measurements with noise of total phases (receiver, transmitter), where somebody listened."""
    snr = np.full(phase_rad.shape, 10.0 ** (SNR_DB / 10.0))
    inner = np.exp(1j * phase_rad) + normals(rng, *phase_rad.shape) / np.sqrt(snr)
    return Measurements(network=network, inner=np.where(heard_by, inner, np.nan), snr=snr)


def listening(calibration: Any, network: Any) -> NDArray[np.bool_]:
    """Return who hears whom, (receiver, transmitter)."""
    there = np.zeros((N_APS, N_APS), dtype=bool)
    for slot in calibration.transmissions(network, range(N_APS)):
        there[list(slot.receivers), slot.transmitter] = True
    return there


def over_the_air(seed: int, index: int, topology: Any) -> tuple[Float, Float]:
    """Return squared errors of tau - rho, (n_aps,), and of their differences, in units of the variance of an edge."""
    rng = np.random.default_rng([seed, index])
    network, calibration = random_network(rng, N_APS), OverTheAir(topology=topology)
    transmit, receive = rng.uniform(-np.pi, np.pi, (2, N_APS))
    channel = rng.uniform(-np.pi, np.pi, (N_APS, N_APS))
    channel = np.triu(channel) + np.triu(channel).T
    found = heard(rng, network, transmit + receive[:, None] + channel, listening(calibration, network))
    got = calibration.solve(found)
    error = got.transmit_rad - got.receive_rad - transmit + receive
    error = centred(error, got.covered[0]) * 10.0 ** (SNR_DB / 20.0)
    return error**2, np.subtract.outer(error, error) ** 2


def said(topology: Any) -> tuple[float, float]:
    """Return mean and pair as the covariance of a calibration says."""
    network, calibration = random_network(np.random.default_rng(1), N_APS), OverTheAir(topology=topology)
    found = heard(np.random.default_rng(1), network, np.zeros((N_APS, N_APS)), listening(calibration, network))
    covariance = 4.0 * calibration.solve(found).covariance_rad2[:N_APS, :N_APS] * 10.0 ** (SNR_DB / 10.0)
    own = np.diag(covariance)
    return float(own.mean()), float((own[:, None] + own - 2.0 * covariance).max())


def graph_row(options: Any, topology: str) -> dict[str, Any]:
    """Return the row of one graph."""
    jobs = [(options.seed, i, topology) for i in range(options.trials)]
    own, pairs = (np.array(part) for part in zip(*outcomes(over_the_air, jobs, options.workers), strict=True))
    mean, largest = said(topology)
    measured, interval = bootstrap(own, np.mean)
    return {
        "graph": topology, "mean, L^+": mean, "measured": measured, "95 %": interval, "pair, L^+": largest,
        "measured ": float(pairs.mean(axis=0).max()),
    }  # fmt: skip


def direct_path(seed: int, index: int, survey_mm: float) -> tuple[float, float]:
    """Return the root mean square error of pairs in mrad, and what the covariance says of it."""
    rng = np.random.default_rng([seed, index])
    network, apart = random_network(rng, N_APS), ~np.eye(N_APS, dtype=bool)
    transmit, receive = rng.uniform(-np.pi, np.pi, (2, N_APS))
    true = network.ap_positions_m + 1e-3 * survey_mm * rng.standard_normal((N_APS, 2))
    path = -network.wavenumber_rad_m * np.linalg.norm(true - true[:, None], axis=-1)
    got = DirectPath(survey_std_m=1e-3 * survey_mm).solve(
        heard(rng, network, transmit + receive[:, None] + path, apart)
    )
    errors = wrapped(got.transmit_rad - transmit + (got.receive_rad - receive)[:, None])
    own, mixed = np.diag(got.covariance_rad2), got.covariance_rad2[N_APS:, :N_APS]
    variance = own[:N_APS] + own[N_APS:, None] + 2.0 * mixed
    return 1e3 * float(root_mean_square(errors[apart])), 1e3 * float(np.sqrt(variance[apart].mean()))


def direct_row(options: Any, survey_mm: float) -> dict[str, Any]:
    """Return the row of one accuracy of the survey."""
    found = np.array(
        outcomes(direct_path, [(options.seed, i, survey_mm) for i in range(options.trials)], options.workers)
    )
    measured, interval = bootstrap(found[:, 0], root_mean_square)
    said_mrad = float(root_mean_square(found[:, 1]))
    return {"survey error (mm)": survey_mm, "said (mrad)": said_mrad, "measured (mrad)": measured, "95 %": interval}


def noticed(seed: int, index: int, power_dbm: float, error_rad: float) -> bool:
    """Return whether one CPI is enough to notice that the phases are wrong."""
    rng = np.random.default_rng([seed, index])
    truth, detector = random_truth(rng, n_targets=1), CoherenceDetector()
    power_w = 10.0 ** (power_dbm / 10.0 - 3.0)
    observation = observe(rng, truth, power_w=power_w, ap_phase_deg=float(np.rad2deg(error_rad)))
    seen = coherence_loss(observation, Estimate.at(truth.targets_m))
    return detector.lost(detector.update(CoherenceState(), seen))


def coherence_row(options: Any, power_dbm: float) -> dict[str, Any]:
    """Return the row of one power."""
    row: dict[str, Any] = {"power (dBm)": power_dbm}
    for error in ERRORS_RAD:
        jobs = [(options.seed, i, power_dbm, error) for i in range(options.trials)]
        row[f"{error} rad"] = share(sum(outcomes(noticed, jobs, options.workers)), options.trials)
    return row


def main() -> None:
    """Run the study."""
    options = command_line(__doc__, trials=400, seed=1).parse_args()
    started = time.perf_counter()
    tables = {
        "Over the air: variances over that of an edge": [graph_row(options, graph) for graph in GRAPHS],
        f"Direct path at an SNR of {SNR_DB:.0f} dB": [direct_row(options, survey) for survey in SURVEYS_MM],
        "Lost coherence noticed in one CPI": [coherence_row(options, power) for power in POWERS_DBM],
    }
    report(options, tables, started, f"[{options.seed}, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
