"""The channels between access points and user equipments, eqs (4)-(5), with the physical sign y = h^T x + z.

    h_tk = e^{j phi_k} [ sqrt(beta K/(K+1)) e^{-jk d_tk} a(theta_tk)
                         + sum_s A_s/(d_ts d_sk) e^{-jk(d_ts + d_sk) + j phi_s} a(theta_ts) ] + CN(0, beta/(K+1) R_tk)

The static part is worked out once; a realisation adds what changes from one coherent processing interval to the next.
Not modelled: multiple antennas at a UE, fading between the slots of an interval, and correlation between APs or UEs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from models.network import Network
from models.radio.arrays import steering
from models.radio.geometry import rays
from models.radio.propagation import PathLoss, path_gain
from models.radio.sensing import echo_amplitude_m2, leg_response

__all__ = ["AccessChannel", "fading_correlation", "local_scattering_covariance"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


def local_scattering_covariance(angle_rad: ArrayLike, angular_std_rad: float | None, n_antennas: int) -> Complex:
    """Return the covariance R of scattering around a direction, normalised to tr R = N.

        R_mn = E exp(j pi (m - n) sin(theta + delta)),   delta ~ N(0, angular_std^2)

    R is Hermitian Toeplitz. The mean is a trapezoidal sum over +-8 standard deviations with at least two nodes a turn
    of the fastest phase, which converges beyond rounding for a Gaussian and keeps R positive semidefinite.
    (Gauss-Hermite nodes need about (pi N angular_std)^2 / 2 of them: at N = 8 and 40 degrees 47 nodes are off by 0.7.)

    Parameters
    ----------
    angle_rad
        Mean direction theta relative to the boresight, any shape.
    angular_std_rad
        Standard deviation of the angle, not negative. None or infinity: uncorrelated antennas, R = I.
    n_antennas
        N.

    Returns
    -------
    ndarray
        Shape (*angle_rad.shape, N, N).

    Raises
    ------
    ValueError
        If the standard deviation is negative.
    """
    angle = np.asarray(angle_rad, dtype=float)
    if angular_std_rad is None or math.isinf(angular_std_rad):
        return np.broadcast_to(np.eye(n_antennas, dtype=complex), (*angle.shape, n_antennas, n_antennas))
    if not angular_std_rad >= 0.0:
        raise ValueError(f"angular_std_rad is {angular_std_rad}: give 0 or more radians, or None for R = I")
    node = np.linspace(-8.0, 8.0, 65 + 2 * math.ceil(8.0 * n_antennas * angular_std_rad))
    weight = np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
    shifted = (angle + angular_std_rad * z for z in node)
    lag = sum(w * steering(np.sin(turned), n_antennas) for w, turned in zip(weight, shifted, strict=True))
    row, column = np.ogrid[:n_antennas, :n_antennas]
    values = np.asarray(lag)[..., abs(row - column)]
    return np.where(row >= column, values, values.conj())


def fading_correlation(speed_m_s: float, wavelength_m: float, time_s: float) -> float:
    """Return the correlation J_0(2 pi f_D T), f_D = speed / wavelength, of isotropic scattering after a time T.

    >>> fading_correlation(0.0, 0.1, 1.0)
    1.0
    """
    return float(scipy.special.j0(2.0 * math.pi * speed_m_s / wavelength_m * time_s))


def _root(covariance: Complex) -> Complex:
    """Return a matrix B with B B^H = covariance (positive semidefinite, possibly singular)."""
    value, vector = np.linalg.eigh(covariance)
    return vector * np.sqrt(np.maximum(value, 0.0))[..., None, :]


@lru_cache(maxsize=16)
def _legs(network: Network, packed_targets: bytes) -> tuple[Complex, Complex]:
    """Return a(theta) e^{-jkd}/d of AP to target, (n_aps, n_targets, N), and of target to UE, (n_ues, n_targets).

    Remembered, because targets that stand still are asked for in every coherent processing interval.
    """
    targets = np.frombuffer(packed_targets).reshape(-1, 2)
    offset = network.ue_positions_m[:, None, :] - targets
    distance = np.hypot(offset[..., 0], offset[..., 1])
    if not distance.all():
        raise ValueError("a target lies exactly on a user equipment, where its echo is infinite: move it away")
    phase: Complex = np.exp(-1j * network.wavenumber_rad_m * distance)
    return leg_response(network, targets), phase / distance


@dataclass(frozen=True, kw_only=True, eq=False)
class AccessChannel:
    """What stays the same of the channels between all APs and all UEs, eqs (4)-(5).

    Make one with `of` (from a path loss) or `from_gain` (from path gains). A channel of one's own is a subclass that
    overrides `realize`.

    Attributes
    ----------
    network
        The survey.
    path_gain
        Large-scale power gain beta, shape (n_aps, n_ues).
    rician_k
        Rician factor K of each link (a power ratio), shape (n_aps, n_ues).
    line_of_sight
        sqrt(beta K/(K+1)) e^{-jkd} a(theta), shape (n_aps, n_ues, N).
    scatter_root
        B with B B^H = beta/(K+1) R, the covariance of the scattered part, shape (n_aps, n_ues, N, N).
    """

    network: Network
    path_gain: Float
    rician_k: Float
    line_of_sight: Complex
    scatter_root: Complex

    @classmethod
    def of(
        cls, network: Network, *, path_loss: PathLoss, rician_k: ArrayLike, angular_std_rad: float | None
    ) -> "AccessChannel":
        """Return the channels of a network under a path loss; other parameters as in `from_gain`."""
        distance = rays(network, network.ue_positions_m).distance_m
        gain = path_gain(path_loss, distance, network.carrier_hz)
        return cls.from_gain(network, path_gain=gain, rician_k=rician_k, angular_std_rad=angular_std_rad)

    @classmethod
    def from_gain(
        cls,
        network: Network,
        *,
        path_gain: Float,
        rician_k: ArrayLike,
        angular_std_rad: float | None,
        maker: "Callable[..., AccessChannel] | None" = None,
    ) -> "AccessChannel":
        """Return the channels of a network whose path gains are known.

        Parameters
        ----------
        network
            The survey.
        path_gain
            beta of each link, shape (n_aps, n_ues).
        rician_k
            K, a power ratio from 0 (Rayleigh) to infinity (line of sight only); a scalar or shape (n_aps, n_ues).
        angular_std_rad
            Standard deviation of local scattering about the line of sight; None or infinity: uncorrelated antennas.
        maker
            What is called with the attributes, as a partial with the settings of a subclass; by default the class.

        Raises
        ------
        ValueError
            If a UE lies exactly on an AP, K is negative, or the standard deviation is.
        """
        k_factor = np.broadcast_to(np.asarray(rician_k, dtype=float), path_gain.shape)
        if not np.all(k_factor >= 0.0):
            raise ValueError(f"rician_k is {k_factor.min()}: a power ratio is 0 (Rayleigh) or more")
        ray = rays(network, network.ue_positions_m)
        ahead = np.stack([np.cos(network.boresights_rad), np.sin(network.boresights_rad)], axis=-1)
        angle = np.arctan2(ray.sine, np.einsum("mgx,mx->mg", ray.direction, ahead))
        scattered_share = 1.0 / (k_factor + 1.0)
        phase = np.exp(-1j * network.wavenumber_rad_m * ray.distance_m)
        amplitude = np.sqrt(path_gain * (1.0 - scattered_share))
        root = _root(local_scattering_covariance(angle, angular_std_rad, network.n_antennas))
        return (maker or cls)(
            network=network,
            path_gain=path_gain,
            rician_k=k_factor,
            line_of_sight=network.cut((amplitude * phase)[..., None] * steering(ray.sine, network.n_antennas)),
            scatter_root=network.cut_rows(np.sqrt(path_gain * scattered_share)[..., None, None] * root),
        )

    def reflection(self, targets_m: Float, rcs_m2: ArrayLike, scatter_phase_rad: ArrayLike) -> Complex:
        """Return the AP-target-UE paths, sum_s A_s/(d_ts d_sk) e^{-jk(d_ts + d_sk) + j phi_s} a(theta_ts).

        Parameters as in `realize`; shape (n_aps, n_ues, N).

        Raises
        ------
        ValueError
            If a target lies exactly on a UE or an AP.
        """
        outward, inward = _legs(self.network, np.asarray(targets_m, dtype=float).tobytes())
        amplitude = echo_amplitude_m2(self.network.wavelength_m, rcs_m2) * np.exp(1j * np.asarray(scatter_phase_rad))
        return (amplitude * inward) @ outward

    def realize(
        self, scattered: Complex, los_phase_rad: Float, targets_m: Float, rcs_m2: Float, scatter_phase_rad: Float
    ) -> Complex:
        """Return the channels h of one coherent processing interval, shape (n_aps, n_ues, N).

        Parameters
        ----------
        scattered
            Independent CN(0, 1) samples, shape (n_ues, n_aps, N): each UE owns its row.
        los_phase_rad
            Phase phi_k of each UE, common to its specular paths, shape (n_ues,).
        targets_m
            Positions of the targets, shape (n_targets, 2).
        rcs_m2, scatter_phase_rad
            Radar cross-section and scattering phase of each target, shape (n_targets,).
        """
        specular = self.line_of_sight
        if len(targets_m):
            specular = specular + self.reflection(targets_m, rcs_m2, scatter_phase_rad)
        turned = np.exp(1j * los_phase_rad)[:, None] * specular
        return turned + (self.scatter_root @ scattered.transpose(1, 0, 2)[..., None])[..., 0]
