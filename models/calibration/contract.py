"""What every phase calibration keeps, as one check for one's own: `check_calibration(MyCalibration(...))`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import Corrections, Measurements, PhaseCalibration
from models.network import Network

__all__ = ["check_calibration"]

Float = NDArray[np.float64]
N_APS, N_DRAWS = 8, 100
SNR, DRIFT_RAD = 1e4, 0.3
SLACK = 0.3  # of the variance of 8 APs in 100 draws
EXACT_RAD, EXACT_SNR = 1e-5, 1e14


def check_calibration(calibration: PhaseCalibration) -> None:
    """Raise AssertionError, with what is wrong, unless a calibration keeps the contract of its role.

    It is a frozen dataclass; in its slots one of the APs asked for sends and others of them listen; without noise it
    finds the phases of those it covers, after oscillators have drifted by about 0.3 rad; with noise its covariance
    is that of its errors; where nothing came it covers nobody and keeps the beliefs.
    """
    settings: Any = getattr(calibration, "__dataclass_params__", None)
    assert settings is not None and settings.frozen, f"{calibration!r}: make it a frozen dataclass"
    _check_slots(calibration)
    _check_silence(calibration)
    _, errors, _ = _drawn(calibration, 0, EXACT_SNR)
    assert np.abs(errors).max(initial=0.0) < EXACT_RAD, f"without noise the phases are wrong by {errors} rad"
    _check_covariance(calibration)


def _network(rng: np.random.Generator) -> Network:
    return Network(
        ap_names=tuple(f"ap-{i}" for i in range(N_APS)),
        ap_positions_m=rng.uniform(0.0, 1000.0, (N_APS, 2)),
        boresights_rad=np.zeros(N_APS),
        n_antennas=4,
        carrier_hz=3.5e9,
    )


def _check_slots(calibration: PhaseCalibration) -> None:
    """Check who sends and who listens."""
    members = [0, 2, 3, 6]
    for slot in calibration.transmissions(_network(np.random.default_rng(1)), members):
        listening = set(slot.receivers)
        fits = slot.transmitter in members and listening and listening <= set(members) - {slot.transmitter}
        assert fits, f"{slot}: let one of {members} send and others of them listen"


def _check_silence(calibration: PhaseCalibration) -> None:
    """Check what is made of measurements that all were lost."""
    rng = np.random.default_rng(2)
    beliefs, nothing = rng.standard_normal((2, N_APS)), np.full((N_APS, N_APS), np.nan)
    got = calibration.solve(
        Measurements(
            network=_network(rng), inner=nothing + 0j, snr=nothing, believed_rad=beliefs, truth_rad=beliefs.copy()
        )
    )
    kept = np.array_equal(got.transmit_rad, beliefs[0]) and np.array_equal(got.receive_rad, beliefs[1])
    assert kept, "nothing came, and the phases are no longer those that were believed"
    assert calibration.needs_truth or not got.covered.any(), "nothing came, and somebody is covered"


def _drawn(calibration: PhaseCalibration, seed: int, snr: float) -> tuple[Corrections, Float, Float]:
    """Return corrections, the errors of tau_t + rho_r of all pairs that are covered, and the variances of these."""
    rng = np.random.default_rng([3, seed])
    network, beliefs = _network(rng), rng.uniform(-np.pi, np.pi, (2, N_APS))
    truth = beliefs + DRIFT_RAD * rng.standard_normal(N_APS) * np.array([[1.0], [-1.0]])
    got = calibration.solve(_measured(calibration, network, truth, beliefs, snr, rng))
    assert isinstance(got, Corrections), f"solve returned {got!r}: return Corrections"
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


def _check_covariance(calibration: PhaseCalibration) -> None:
    """Check that pairs err as the covariance says."""
    drawn = [_drawn(calibration, seed, SNR) for seed in range(N_DRAWS)]
    matrix = drawn[0][0].covariance_rad2
    assert matrix.shape == (2 * N_APS, 2 * N_APS), f"covariance_rad2 has shape {matrix.shape} for {N_APS} APs"
    squares, said = (np.concatenate(part) for part in zip(*((e**2, v) for _, e, v in drawn), strict=True))
    found, expected = float(squares.sum()), float(said.sum())
    assert abs(found - expected) <= SLACK * expected + len(said) * EXACT_RAD**2, (
        f"the squared errors of all pairs add up to {found:.3g} rad^2, the variances said to {expected:.3g}"
    )
