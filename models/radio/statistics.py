"""The sufficient statistics Z, Q and E of a CPI."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["cross_statistic", "energy_statistic", "gram_statistic"]

Complex = NDArray[np.complex128]


def cross_statistic(received: Complex, transmitted: Complex) -> Complex:
    """Return Z_rt = sum_l y_r[l] x_t[l]^H of one receiver, shape (N, n_tx, N).

    Parameters
    ----------
    received
        Samples of the receiver, shape (N, n_snapshots).
    transmitted
        Samples radiated by each transmitter, shape (n_tx, N, n_snapshots).
    """
    n_tx, n_antennas, n_snapshots = transmitted.shape
    stacked = transmitted.reshape(n_tx * n_antennas, n_snapshots)
    return (received @ stacked.conj().T).reshape(received.shape[0], n_tx, n_antennas)


def gram_statistic(transmitted: Complex) -> Complex:
    """Return Q_tt' = sum_l x_t[l] x_t'[l]^H, shape (n_tx, N, n_tx, N), of samples of shape (n_tx, N, n_snapshots)."""
    n_tx, n_antennas, n_snapshots = transmitted.shape
    stacked = transmitted.reshape(n_tx * n_antennas, n_snapshots)
    return (stacked @ stacked.conj().T).reshape(n_tx, n_antennas, n_tx, n_antennas)


def energy_statistic(received: Complex) -> float:
    """Return E_r = sum_l ||y_r[l]||^2 of samples of shape (N, n_snapshots)."""
    return float(np.vdot(received, received).real)
