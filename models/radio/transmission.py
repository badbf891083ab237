"""What an access point radiates: maximum-ratio precoding and the isotropic sensing waveform, eq. (1).

    x_t = sum_k sqrt(rho p_tk) w_tk q_k + delta_t sqrt((1 - rho) P) q_0,   sum_k p_tk = P,   E q_0 q_0^H = I / N

with delta_t = 1 for the one AP that senses in the slot, so that E ||x_t||^2 = rho P + delta_t (1 - rho) P <= P.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "expected_gram",
    "isotropic_sensing_samples",
    "maximum_ratio",
    "precoding_matrix",
    "proportional_power",
]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


def maximum_ratio(channel: Complex) -> Complex:
    """Return the maximum-ratio precoders w = conj(h) / ||h||, shape of ``channel`` (..., n_ues, N).

    With the physical downlink y = h^T x + z this makes h^T w = ||h||. A channel that is exactly zero gets w = 0.
    """
    norm = np.linalg.norm(channel, axis=-1, keepdims=True)
    return np.divide(channel.conj(), norm, out=np.zeros_like(channel), where=norm > 0.0)


def proportional_power(channel: Complex, transmit_power_w: float) -> Float:
    """Return the powers p_tk = P ||h_tk||^2 / sum_i ||h_ti||^2 in W, shape (..., n_ues).

    Parameters
    ----------
    channel
        Shape (..., n_ues, N). If all channels of an AP are exactly zero, each UE gets P / n_ues.
    transmit_power_w
        Power budget P of an AP.
    """
    strength = np.einsum("...n,...n->...", channel, channel.conj()).real
    total = strength.sum(axis=-1, keepdims=True)
    equal = np.full_like(strength, 1.0 / max(1, strength.shape[-1]))
    return transmit_power_w * np.divide(strength, total, out=equal, where=total > 0.0)


def precoding_matrix(channel: Complex, transmit_power_w: float | Float, comm_power_fraction: float) -> Complex:
    """Return V with columns sqrt(rho p_k) w_k, the communication part of eq. (1), shape (..., N, n_ues).

    With maximum-ratio precoders and powers in proportion to the channels this is sqrt(rho P) H^H / ||H||_F, H the
    n_ues x N matrix of the AP's channels: one scale factor an AP.

    Parameters
    ----------
    channel
        Shape (..., n_ues, N).
    transmit_power_w
        Power budget P of an AP, or of each, shape (...).
    comm_power_fraction
        rho, in [0, 1].
    """
    norm = np.sqrt((channel.real**2 + channel.imag**2).sum(axis=(-2, -1)))
    scale = np.sqrt(comm_power_fraction * transmit_power_w) / np.where(norm > 0.0, norm, 1.0)
    return scale[..., None, None] * np.swapaxes(channel.conj(), -1, -2)


def isotropic_sensing_samples(normals: Complex, transmit_power_w: float, comm_power_fraction: float) -> Complex:
    """Return the sensing part of eq. (1), sqrt((1 - rho) P) q_0 with q_0 ~ CN(0, I/N), shape (N, n_snapshots).

    Parameters
    ----------
    normals
        Independent CN(0, 1) samples, shape (N, n_snapshots).
    transmit_power_w
        Power budget P of an AP.
    comm_power_fraction
        rho, in [0, 1].
    """
    return np.sqrt((1.0 - comm_power_fraction) * transmit_power_w / normals.shape[0]) * normals


def expected_gram(
    n_tx: int,
    n_antennas: int,
    n_snapshots: int,
    transmit_power_w: float | Float,
    comm_power_fraction: float,
    precoding: Complex | None = None,
    antennas: NDArray[np.intp] | None = None,
) -> Complex:
    """Return the expectation of Q_tt' = sum_l x_t[l] x_t'[l]^H over a CPI with one sensing slot per transmitter.

        Q_tt' = q_t I [t = t'] + n_tx L sum_k V_tk V_t'k^H,   q_t = L (1 - rho) P_t / N_t

    Parameters
    ----------
    n_tx, n_antennas
        Transmitters, and antennas N of each.
    n_snapshots
        Snapshots L of a slot; the CPI has n_tx slots.
    transmit_power_w
        Power budget P of an AP, or of each, shape (n_tx,).
    comm_power_fraction
        rho, in [0, 1].
    precoding
        V, shape (n_tx, N, n_ues), if the communication symbols count as illumination; else None.
    antennas
        N_t, where transmitters lack some of the N elements, shape (n_tx,); None: all have N.

    Returns
    -------
    ndarray
        Shape (n_tx, N, n_tx, N), in W; 0 for elements that a transmitter lacks.
    """
    size = n_tx * n_antennas
    gram: Complex = np.zeros((size, size), dtype=complex)  # np.eye takes 50 times as long where it is large
    own = np.full(n_tx, n_antennas) if antennas is None else antennas
    energy = n_snapshots * (1.0 - comm_power_fraction) * np.broadcast_to(transmit_power_w, n_tx) / own
    np.fill_diagonal(gram, np.where(np.arange(n_antennas) < own[:, None], energy[:, None], 0.0).ravel())
    if precoding is not None:
        stacked = precoding.reshape(size, -1)
        gram += n_tx * n_snapshots * (stacked @ stacked.conj().T)
    return np.reshape(gram, (n_tx, n_antennas, n_tx, n_antennas))
