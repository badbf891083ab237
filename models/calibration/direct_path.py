"""One-way calibration over the direct paths between APs whose positions were surveyed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import Corrections, Measurements, PhaseCalibration, PilotSlot
from models.calibration.graph import centred, graph_phases, wrapped
from models.calibration.settings import check_between
from models.network import Network

__all__ = ["DirectPath"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DirectPath(PhaseCalibration):
    """Each AP sends once, all others listen; the length of each path is known.

        arg m_lj + k D_lj = tau_j + rho_l + error,    variance 1 / (2 SNR_lj)

    The graph has the nodes tau_j and -rho_l and an edge for each direction in which a pilot was heard: least squares
    over all of them give tau up to a constant and rho up to the same, which is what sensing needs. Three APs are the
    fewest. A path that is surveyed wrong by delta is an error of k delta.

    Attributes
    ----------
    survey_std_m
        Standard deviation of each coordinate of the surveyed positions, from 0 to 1 m; it counts in the covariance.
    """

    survey_std_m: float = 0.0

    def __post_init__(self) -> None:
        """Check the setting."""
        check_between(self, "survey_std_m", 0.0, 1.0, "m")

    def transmissions(self, network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
        """Return a slot for each AP, in which all others listen."""
        members = tuple(map(int, aps))
        return tuple(PilotSlot(j, tuple(i for i in members if i != j)) for j in members)

    def solve(self, measurements: Measurements) -> Corrections:
        """Return the phases by least squares on the circle."""
        n, beliefs, heard = measurements.network.n_aps, measurements.beliefs_rad, measurements.heard
        expected = beliefs[0] + beliefs[1][:, None]
        found = np.angle(np.where(heard, measurements.inner, 1.0)) + _path_rad(measurements.network) - expected
        weight = np.where(heard, 2.0 * measurements.snr, 0.0)
        nothing = np.zeros((n, n))
        solved = graph_phases(
            np.block([[nothing, found.T], [-found, nothing]]), np.block([[nothing, weight.T], [weight, nothing]])
        )
        sign = np.repeat([1.0, -1.0], n)  # the nodes are tau and -rho
        phase = sign * centred(solved.phase_rad, solved.reference)
        covariance = solved.inverse + self._survey_rad2(measurements.network, weight, solved.inverse)
        covered = solved.reference.reshape(2, n)
        return Corrections.of(beliefs, phase.reshape(2, n), covariance * np.outer(sign, sign), covered)

    def left_rad(self, measurements: Measurements, found: Corrections) -> Float:
        """Return arg m_lj + k D_lj - tau_j - rho_l."""
        expected = found.transmit_rad + found.receive_rad[:, None] - _path_rad(measurements.network)
        return wrapped(np.angle(np.where(measurements.heard, measurements.inner, 1.0)) - expected)

    def _survey_rad2(self, network: Network, weight: Float, inverse: Float) -> Float:
        """Return the covariance that errors of the survey bring, shape (2 n_aps, 2 n_aps).

        Errors delta of the positions change B of `graph_phases` by k w_lj e_lj . (delta_j - delta_l) on each edge.
        """
        offset = network.ap_positions_m - network.ap_positions_m[:, None]  # from l to j
        length = np.maximum(np.linalg.norm(offset, axis=-1), network.wavelength_m)
        pull = network.wavenumber_rad_m * (weight / length)[..., None] * offset
        sent = _diagonal(pull.sum(axis=0)) - pull.swapaxes(0, 1)
        heard = _diagonal(pull.sum(axis=1)) - pull
        moved = inverse @ np.concatenate([sent, heard]).reshape(len(inverse), -1)
        return np.asarray(self.survey_std_m**2 * moved @ moved.T)


def _path_rad(network: Network) -> Float:
    """Return k D of the paths between APs, shape (n_aps, n_aps)."""
    offset = network.ap_positions_m - network.ap_positions_m[:, None]
    return np.asarray(network.wavenumber_rad_m * np.linalg.norm(offset, axis=-1))


def _diagonal(rows: Float) -> Float:
    """Return rows (n, 2) on the diagonal of an array (n, n, 2)."""
    return np.eye(len(rows))[..., None] * rows
