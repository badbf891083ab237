"""The contracts of phase calibrations and servos, as a check each for one's own: `check_servo(MyServo(...))`."""

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import Corrections, Measurements, PhaseCalibration
from models.calibration.servo import Servo, ServoState
from models.contract import FROZEN, require, require_frozen, rule
from models.network import Network

__all__ = ["check_calibration", "check_servo"]

Float = NDArray[np.float64]
N_APS, N_DRAWS = 8, 100
SNR, DRIFT_RAD = 1e4, 0.3
SLACK = 0.3  # of the variance of 8 APs in 100 draws
EXACT_RAD, EXACT_SNR = 1e-5, 1e14


def check_calibration(calibration: PhaseCalibration) -> None:
    """Check that a phase calibration keeps the rules of its role.

    It is a frozen dataclass; in its slots one of the APs asked for sends and others of them listen; without noise it
    finds the phases of those it covers, after oscillators have drifted by about 0.3 rad; with noise its covariance
    is that of its errors; where nothing came it covers nobody and keeps the beliefs.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = require_frozen("calibration", calibration)
    with rule(who, "its methods answer", "see the error"):
        _check_slots(who, calibration)
        _check_silence(who, calibration)
        _, errors, _ = _drawn(who, calibration, 0, EXACT_SNR)
        found, mend = f"wrong by {errors} rad", "cover only those whose phases follow from what came"
        holds = np.abs(errors).max(initial=0.0) < EXACT_RAD
        require(holds, who, "without noise the phases of those it covers are right", found, mend)
        _check_covariance(who, calibration)


def _network(rng: np.random.Generator) -> Network:
    return Network(
        ap_names=tuple(f"ap-{i}" for i in range(N_APS)),
        ap_positions_m=rng.uniform(0.0, 1000.0, (N_APS, 2)),
        boresights_rad=np.zeros(N_APS),
        n_antennas=4,
        carrier_hz=3.5e9,
    )


def _check_slots(who: str, calibration: PhaseCalibration) -> None:
    """Check who sends and who listens."""
    members = [0, 2, 3, 6]
    for slot in calibration.transmissions(_network(np.random.default_rng(1)), members):
        listening = set(slot.receivers)
        fits = slot.transmitter in members and listening and listening <= set(members) - {slot.transmitter}
        mend = f"let one of {members} send and others of them listen"
        require(fits, who, "in a slot one sends and others listen", slot, mend)


def _check_silence(who: str, calibration: PhaseCalibration) -> None:
    """Check what is made of measurements that all were lost."""
    rng = np.random.default_rng(2)
    beliefs, nothing = rng.standard_normal((2, N_APS)), np.full((N_APS, N_APS), np.nan)
    got = calibration.solve(
        Measurements(
            network=_network(rng), inner=nothing + 0j, snr=nothing, believed_rad=beliefs, truth_rad=beliefs.copy()
        )
    )
    kept = np.array_equal(got.transmit_rad, beliefs[0]) and np.array_equal(got.receive_rad, beliefs[1])
    found, mend = "the phases are no longer those that were believed", "see Corrections.of"
    require(kept, who, "where nothing came the beliefs stay", found, mend)
    nobody = calibration.needs_truth or not got.covered.any()
    require(nobody, who, "where nothing came nobody is covered", f"covered: {got.covered.tolist()}", mend)


def _drawn(who: str, calibration: PhaseCalibration, seed: int, snr: float) -> tuple[Corrections, Float, Float]:
    """Return corrections, the errors of tau_t + rho_r of all pairs that are covered, and the variances of these."""
    rng = np.random.default_rng([3, seed])
    network, beliefs = _network(rng), rng.uniform(-np.pi, np.pi, (2, N_APS))
    truth = beliefs + DRIFT_RAD * rng.standard_normal(N_APS) * np.array([[1.0], [-1.0]])
    got = calibration.solve(_measured(calibration, network, truth, beliefs, snr, rng))
    require(isinstance(got, Corrections), who, "solve gives Corrections", repr(got), "return Corrections")
    error = got.transmit_rad - truth[0] + (got.receive_rad - truth[1])[:, None]
    transmit, receive = np.split(np.diag(got.covariance_rad2), 2)
    variance = transmit + receive[:, None] + 2.0 * got.covariance_rad2[N_APS:, :N_APS]
    pairs = got.covered[0] & got.covered[1][:, None] & ~np.eye(N_APS, dtype=bool)
    return got, np.angle(np.exp(1j * error[pairs])), variance[pairs]


def _measured(
    calibration: PhaseCalibration, network: Network, truth: Float, beliefs: Float, snr: float, rng: np.random.Generator
) -> Measurements:
    """Return what is heard over direct paths in the slots of the calibration."""
    heard = np.zeros((N_APS, N_APS), dtype=bool)
    for slot in calibration.transmissions(network, range(N_APS)):
        heard[list(slot.receivers), slot.transmitter] = True
    offset = network.ap_positions_m - network.ap_positions_m[:, None]
    phase = truth[0] + truth[1][:, None] - network.wavenumber_rad_m * np.linalg.norm(offset, axis=-1)
    noise = rng.standard_normal((2, N_APS, N_APS)) / np.sqrt(2.0 * snr)
    return Measurements(
        network=network,
        inner=np.where(heard, np.exp(1j * phase) + noise[0] + 1j * noise[1], np.nan),
        snr=np.full((N_APS, N_APS), snr),
        believed_rad=beliefs,
        truth_rad=truth if calibration.needs_truth else None,
    )


def _check_covariance(who: str, calibration: PhaseCalibration) -> None:
    """Check that pairs err as the covariance says."""
    drawn = [_drawn(who, calibration, seed, SNR) for seed in range(N_DRAWS)]
    matrix = drawn[0][0].covariance_rad2
    fits = matrix.shape == (2 * N_APS, 2 * N_APS)
    require(fits, who, "covariance_rad2 is (2 n_aps, 2 n_aps)", f"shape {matrix.shape} for {N_APS} APs", "fill it up")
    squares, said = (np.concatenate(part) for part in zip(*((e**2, v) for _, e, v in drawn), strict=True))
    found, expected = float(squares.sum()), float(said.sum())
    holds = abs(found - expected) <= SLACK * expected + len(said) * EXACT_RAD**2
    sums = f"the squared errors of all pairs add up to {found:.3g} rad^2, the variances said to {expected:.3g}"
    require(holds, who, "covariance_rad2 is that of the errors", sums, "let it follow from the SNR that is given")


PERIODS_S = (0.1, 0.3, 0.1, 1.0)
N_ROUNDS = 200
GROWTH = 1.0 + 1e-9


def check_servo(servo: Servo) -> None:
    """Check that a servo keeps the rules of its role.

    It is a frozen dataclass; right after a calibration it predicts the phase of its state; arrays are many clocks, each
    on its own; the error of a clock that keeps time has not grown in the end, though periods differ.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = require_frozen("servo", servo)
    with rule(who, "its methods answer", "see the error"):
        _check_arrays(who, servo)
        _check_clock_that_keeps_time(who, servo)


def _check_arrays(who: str, servo: Servo) -> None:
    """Check that two clocks in arrays are two clocks."""
    start, errors = np.array([0.5, -1.0]), np.array([0.2, 0.1])
    both = servo.update(ServoState(start, 0.0 * start), errors, 0.5)
    each = [servo.update(ServoState(float(s), 0.0), float(e), 0.5) for s, e in zip(start, errors, strict=True)]
    found, single = np.array(both), np.array(each).T
    same = found.shape == single.shape and np.allclose(found, single)
    require(same, who, "arrays are clocks on their own", f"{both}, and {each}", "compute element by element")
    again = np.array(servo.update(ServoState(start, 0.0 * start), errors, 0.5))
    require(np.array_equal(found, again), who, "the same state gives the same", f"{both}, then {again}", FROZEN)
    at_once = np.allclose(servo.predict(both, 0.0), both.phase_rad)
    mend = "let predict go on from state.phase_rad"
    require(at_once, who, "after 0 s it predicts the phase of its state", servo.predict(both, 0.0), mend)


def _check_clock_that_keeps_time(who: str, servo: Servo) -> None:
    """Check that the error of a constant phase, which is 1 rad at first, is no larger after many calibrations."""
    state, error = ServoState(), 1.0
    for step_s in PERIODS_S * (N_ROUNDS // len(PERIODS_S)):
        error = 1.0 - float(servo.predict(state, step_s))
        state = servo.update(state, error, step_s)
    what, mend = "the error of a clock that keeps time does not grow", "lower its gains: they may depend on step_s"
    require(abs(error) <= GROWTH, who, what, f"{error} rad after {N_ROUNDS} calibrations, of 1 rad", mend)
