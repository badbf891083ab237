"""The echoes of point targets: radar equation and bistatic sensing channel, eq. (2)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network import Network
from models.radio.arrays import steering
from models.radio.geometry import rays

__all__ = ["echo_amplitude_m2", "leg_response", "sensing_channel"]

Complex = NDArray[np.complex128]


def echo_amplitude_m2(wavelength_m: float, rcs_m2: ArrayLike) -> NDArray[np.float64]:
    """Return A = sqrt(lambda^2 rcs / (4 pi)^3) in m^2: A / (d_t d_r) is the path amplitude of the radar equation."""
    return np.sqrt(wavelength_m**2 * np.asarray(rcs_m2, dtype=float) / (4.0 * np.pi) ** 3)


def leg_response(network: Network, points_m: ArrayLike, aps: NDArray[np.intp] | slice = slice(None)) -> Complex:
    """Return the response of one leg of an echo, a(u) e^{-jkd} / d.

    An echo's gain is the product of the transmit and the receive leg; both are the same function of the point.

    Parameters
    ----------
    network
        The survey.
    points_m
        Shape (n_points, 2).
    aps
        Indices of the APs; all by default.

    Returns
    -------
    ndarray
        Shape (n_aps, n_points, N), in 1/m.
    """
    ray = rays(network, points_m, aps)
    common = np.exp(-1j * network.wavenumber_rad_m * ray.distance_m) / ray.distance_m
    return network.cut(common[..., None] * steering(ray.sine, network.n_antennas), aps)


def sensing_channel(
    network: Network,
    transmitters: NDArray[np.intp],
    receivers: NDArray[np.intp],
    targets_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
) -> Complex:
    """Return the bistatic channels H_rt of eq. (2), shape (n_rx, n_tx, N, N); row: receive element.

        H_rt = sum_s alpha_rts e^{-jk(d_ts + d_rs) + j phi_s} a(theta_rs) a(theta_ts)^T,   alpha = A_s / (d_ts d_rs)

    Parameters
    ----------
    network
        The survey.
    transmitters, receivers
        Indices of the APs.
    targets_m
        Shape (n_targets, 2), in m.
    rcs_m2
        Radar cross-section of each target in m^2, a scalar or shape (n_targets,).
    scatter_phase_rad
        Scattering phase phi_s of each target in rad, a scalar or shape (n_targets,).
    """
    reflection = echo_amplitude_m2(network.wavelength_m, rcs_m2) * np.exp(1j * np.asarray(scatter_phase_rad))
    out, back = leg_response(network, targets_m, transmitters), leg_response(network, targets_m, receivers)
    reflection = np.broadcast_to(reflection, out.shape[1:2])
    return np.einsum("s,rsm,tsn->rtmn", reflection, back, out)
