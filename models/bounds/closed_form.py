"""Position error bounds: the closed form for one target under orthogonal isotropic sensing, and coverage.

Bounds for several targets and any illumination are in `models.bounds.fisher`; maps over many points in
`models.bounds.maps`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.bounds.fisher import position_covariance_m2, target_bounds_m
from models.network import ModeAssignment, Network, Radio
from models.radio.geometry import rays
from models.radio.sensing import echo_amplitude_m2

__all__ = [
    "Side",
    "closed_form_information",
    "coverage",
    "information_gain",
    "position_covariance_m2",
    "position_error_bound_m",
    "sensing_energy_w",
    "target_bounds_m",
]

Float = NDArray[np.float64]

# Determinant of a 2 x 2 information matrix over its squared trace, below which rounding alone may have made it.
SINGULAR_DETERMINANT = 1e-13


def sensing_energy_w(radio: Radio, n_antennas: int) -> float:
    """Return the expected energy q = L (1 - rho) P / N of the sensing waveform of a slot on each antenna, in W."""
    return radio.n_snapshots * (1.0 - radio.comm_power_fraction) * radio.transmit_power_w / n_antennas


def information_gain(network: Network, q: float, rcs_m2: float, noise_power_w: float) -> float:
    """Return the gain C = 2 q A^2 / sigma^2 of `closed_form_information`, in m^4.

    Parameters
    ----------
    network
        The survey.
    q
        Energy of each antenna's sensing waveform over a CPI in W, Q_tt = q I; at least 0.
    rcs_m2
        Radar cross-section in m^2.
    noise_power_w
        Noise power of a complex sample, above 0.
    """
    return 2.0 * q * float(echo_amplitude_m2(network.wavelength_m, rcs_m2)) ** 2 / noise_power_w


def closed_form_information(
    network: Network, assignment: ModeAssignment, points_m: ArrayLike, gain: float
) -> tuple[Float, Float]:
    """Return the non-coherent and the coherent information on the position of one target, for Q_tt' = q I delta_tt'.

        J_nc  = C pi^2 V N (W_r sum_t w_t b_t b_t^T + W_t sum_r w_r b_r b_r^T)
        J_coh = J_nc + C N^2 (W_r S_t + W_t S_r)

    w = 1/d^2, b = grad u, V = N (N^2 - 1) / 12, W the sum of w over one side, S_t the scatter of the phase gradients
    omega = -k e + pi (N - 1)/2 b of the transmitters about their mean with weights w, S_r that of the receivers. The
    common phase removes the means, the amplitudes decouple: a point costs n_tx + n_rx terms.

    Parameters
    ----------
    network, assignment
        The survey and who transmits and receives.
    points_m
        Shape (n_points, 2), in m.
    gain
        C of `information_gain`.

    Returns
    -------
    tuple of ndarray
        J_nc and J_coh, shape (n_points, 2, 2) each, in 1/m^2.

    Raises
    ------
    ValueError
        If APs differ in their number of antennas.
    """
    n = network.antennas_of_all
    t, r = (Side.of(network, points_m, aps) for aps in (assignment.transmitters, assignment.receivers))
    w_t, w_r = (side.weight.sum(axis=0)[:, None, None] for side in (t, r))
    array_gain = gain * math.pi**2 * n * n * (n * n - 1) / 12.0
    noncoherent = array_gain * (w_r * t.array + w_t * r.array)
    return noncoherent, noncoherent + gain * n * n * (w_r * t.scatter(t.weight) + w_t * r.scatter(r.weight))


class Side(NamedTuple):
    """What the transmitters, or the receivers, are to a point; leading axes (n_aps, n_points)."""

    weight: Float
    """w = 1/d^2, in 1/m^2."""
    slope: Float
    """b = grad u, shape (n_aps, n_points, 2), in 1/m."""
    omega: Float
    """Phase gradient -k e + pi (N - 1)/2 b of the array's centre, shape (n_aps, n_points, 2), in rad/m."""

    @classmethod
    def of(cls, network: Network, points_m: ArrayLike, aps: NDArray[np.intp]) -> "Side":
        """Return the side of some APs, at points of shape (n_points, 2) in m."""
        ray = rays(network, points_m, aps)
        slope = ray.sine_gradient
        omega = math.pi * network.centres[aps][:, None, None] * slope - network.wavenumber_rad_m * ray.direction
        return cls(ray.distance_m**-2, slope, omega)

    @property
    def array(self) -> Float:
        """Sum w b b^T over the side: what the directions tell, shape (n_points, 2, 2)."""
        return np.einsum("mg,mgi,mgj->gij", self.weight, self.slope, self.slope)

    def deviations(self, weight: Float) -> Float:
        """Return the phase gradients less their mean with these weights, shape (n_aps, n_points, 2)."""
        if len(weight) <= 1:
            return np.zeros_like(self.omega)  # one AP is its own mean, rounding aside
        total = weight.sum(axis=0)
        mean = np.einsum("mg,mgi->gi", weight, self.omega) / np.where(total > 0.0, total, 1.0)[:, None]
        return self.omega - mean

    def scatter(self, weight: Float) -> Float:
        """Return the scatter S of the phase gradients about their mean with these weights, shape (n_points, 2, 2)."""
        deviations = self.deviations(weight)
        return np.einsum("mg,mgi,mgj->gij", weight, deviations, deviations)


def position_error_bound_m(information: Float) -> Float:
    """Return PEB = sqrt(trace J^-1) = sqrt(tr J / det J) of 2 x 2 information matrices.

    Parameters
    ----------
    information
        Shape (..., 2, 2), symmetric, in 1/m^2.

    Returns
    -------
    ndarray
        Shape (...,), in m; NaN where J is singular.

    >>> position_error_bound_m(np.diag([4.0, 4.0])).round(4)
    np.float64(0.7071)
    """
    xx, yy, xy = information[..., 0, 0], information[..., 1, 1], information[..., 0, 1]
    trace, determinant = xx + yy, xx * yy - xy * xy
    regular = determinant > SINGULAR_DETERMINANT * trace * trace
    return np.sqrt(np.where(regular, trace, np.nan) / np.where(regular, determinant, 1.0))


def coverage(peb_m: ArrayLike, threshold_m: float) -> float:
    """Return the share of points whose PEB is at most ``threshold_m``; a point without a bound is not covered.

    >>> coverage([0.1, 0.3, np.nan, 0.2], 0.2)
    0.5
    """
    return float(np.mean(np.asarray(peb_m, dtype=float) <= threshold_m))
