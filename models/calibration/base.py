"""The role of a phase calibration: which pilots are sent and heard, and what follows for the phases of the APs.

AP m turns what it transmits by tau_m and what it receives by rho_m. Its oscillator, of phase theta_m, enters both,
with opposite signs, the hardware of its chains each one:

    tau_m = theta_m + tx_m,    rho_m = -theta_m + rx_m;    what r hears of t is turned by tau_t + rho_r

All tau plus a constant and all rho less the same is the same to everyone. Not modelled here: how pilots are radiated
and reported; phases that differ between the antennas of an AP.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.network import Network

__all__ = ["UNKNOWN_RAD2", "Corrections", "Measurements", "PhaseCalibration", "PilotSlot"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

UNKNOWN_RAD2 = np.pi**2 / 3.0
"""Variance of a phase of which nothing is known: any value of the circle is as likely."""


class PilotSlot(NamedTuple):
    """A slot in which one AP sends a pilot that others listen to; indices of APs."""

    transmitter: int
    receivers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """What came of the pilots.

    Attributes
    ----------
    network
        The survey.
    inner
        <expected, heard> of receiver l in the slot of transmitter j, shape (n_aps, n_aps) as [l, j]; NaN where nothing
        came. Expected is the pilot as l would hear it without chains and without the phase of the path between the
        first antennas: the inner product has the phase tau_j + rho_l - k D_lj where only the direct path is heard.
    snr
        |inner|^2 over the mean square of the noise in it, shape (n_aps, n_aps); where it is NaN or 0 nothing came.
    believed_rad
        What is believed of tau and of rho while the pilots are sent, before they are looked at, shape (2, n_aps);
        None: nothing, or all 0.
    truth_rad
        tau and rho as they are, shape (2, n_aps); given only to a calibration that ``needs_truth``.
    """

    network: Network
    inner: Complex
    snr: Float
    believed_rad: Float | None = None
    truth_rad: Float | None = None

    @property
    def beliefs_rad(self) -> Float:
        """What is believed of tau and of rho, shape (2, n_aps), 0 if nothing is."""
        return np.zeros((2, self.network.n_aps)) if self.believed_rad is None else self.believed_rad

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Where something came, shape (n_aps, n_aps); of an AP itself nothing counts."""
        came = np.isfinite(self.inner) & np.isfinite(self.snr) & (np.nan_to_num(self.snr) > 0.0)
        return np.asarray(came & ~np.eye(self.network.n_aps, dtype=bool))


@dataclass(frozen=True, kw_only=True, eq=False)
class Corrections:
    """What is known of the phases after a calibration.

    Attributes
    ----------
    transmit_rad, receive_rad
        tau and rho, shape (n_aps,) each: the believed ones where an AP is not covered.
    covariance_rad2
        Of the errors of tau, then of rho, shape (2 n_aps, 2 n_aps), up to the constant that cannot be observed. The
        variance of what is not covered is that of a phase of which nothing is known, pi^2 / 3.
    covered
        Whose tau, and whose rho, are now known against each other, shape (2, n_aps). What nobody heard, or those apart
        from most others, are not.
    """

    transmit_rad: Float
    receive_rad: Float
    covariance_rad2: Float
    covered: NDArray[np.bool_]

    @classmethod
    def of(
        cls, beliefs_rad: Float, found_rad: Float, covariance_rad2: Float, covered: NDArray[np.bool_]
    ) -> "Corrections":
        """Return beliefs, (2, n_aps), with what was found added, and its covariance, where an AP is covered."""
        transmit, receive = beliefs_rad + np.where(covered, found_rad, 0.0)
        known = covered.ravel()
        covariance = np.where(known[:, None] & known, covariance_rad2, np.diag(np.where(known, 0.0, UNKNOWN_RAD2)))
        return cls(transmit_rad=transmit, receive_rad=receive, covariance_rad2=covariance, covered=covered)


class PhaseCalibration(ABC):
    """Says which pilots are sent and heard, and what their measurements tell of the phases.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings. It keeps no state: what was
    known before comes with the measurements. `check_calibration` tests one.
    """

    tells_both: ClassVar[bool] = True
    """Whether it tells tau and rho apart; where not, it tells tau - rho alone, and tau + rho is known as before."""
    needs_truth: ClassVar[bool] = False
    """Whether the measurements must hold the true phases: only of what is there to compare others with."""

    @abstractmethod
    def transmissions(self, network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
        """Return the slots of a calibration of the APs with these indices, in the order of time; none is valid."""

    @abstractmethod
    def solve(self, measurements: Measurements) -> Corrections:
        """Return what is known of the phases now; measurements may be missing anywhere."""

    def left_rad(self, measurements: Measurements, found: Corrections) -> Float | None:
        """Return by how much measurements differ from what was found, [receiver, sender], within half a turn.

        What was not heard may be anything. None, as by default, if that is not told: then nobody is taken for odd.
        """
        return None
