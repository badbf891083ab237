"""Bidirectional calibration over the air, along a graph of links whose channels nobody knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import Corrections, Measurements, PhaseCalibration, PilotSlot
from models.calibration.graph import centred, graph_phases, wrapped
from models.network import Network

__all__ = ["OverTheAir"]

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


def _line(n: int, positions_m: Float) -> Bool:
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))) == 1


def _ring(n: int, positions_m: Float) -> Bool:
    return np.isin(np.abs(np.subtract.outer(np.arange(n), np.arange(n))), [1, n - 1]) & ~np.eye(n, dtype=bool)


def _star(n: int, positions_m: Float) -> Bool:
    """Return who is linked with the hub, the AP nearest to the middle of all."""
    is_hub = np.arange(n) == np.argmin(np.linalg.norm(positions_m - positions_m.mean(axis=0), axis=1))
    return is_hub[:, None] != is_hub


def _mesh(n: int, positions_m: Float) -> Bool:
    return ~np.eye(n, dtype=bool)


LINKS: dict[str, Callable[[int, Float], Bool]] = {"line": _line, "ring": _ring, "star": _star, "mesh": _mesh}


@dataclass(frozen=True, kw_only=True)
class OverTheAir(PhaseCalibration):
    """Neighbours in a graph hear each other; what both directions of a path have in common cancels.

        arg m_lj conj(m_jl) = nu_j - nu_l + error,    nu = tau - rho,    variance 1 / (2 SNR_lj) + 1 / (2 SNR_jl)

    One least squares over the graph gives nu up to a constant, with covariance L^+. That is all that the downlink
    needs, but tau and rho themselves, which sensing needs, it does not tell. It does where only oscillators drift: then
    nu changes by twice what theta does, tau by half of that and rho by minus half. So what is found beyond the beliefs
    is halved. Half of an angle is known modulo pi: of the two the one is taken with which the oscillator drifted by
    less than a quarter turn from the middle of all since the beliefs. Who has no beliefs yet is right modulo pi only:
    in the downlink always, in sensing where amplitudes may be negative.

    Attributes
    ----------
    topology
        Who listens to whom: "line" or "ring" in the order of the APs, "star" around the AP nearest to the middle of
        all, "mesh": everyone to everyone.
    """

    tells_both: ClassVar[bool] = False
    topology: Literal["line", "ring", "star", "mesh"] = "mesh"

    def __post_init__(self) -> None:
        """Check the setting."""
        if self.topology not in LINKS:
            raise ValueError(f"OverTheAir.topology is {self.topology!r}: use one of {', '.join(LINKS)}")

    def transmissions(self, network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
        """Return a slot for each AP, in which its neighbours listen: every link is heard in both directions."""
        members = np.array(aps, dtype=np.intp)
        if len(members) < 2:
            return ()
        linked = LINKS[self.topology](len(members), network.ap_positions_m[members])
        return tuple(PilotSlot(int(j), tuple(members[row].tolist())) for j, row in zip(members, linked, strict=True))

    def solve(self, measurements: Measurements) -> Corrections:
        """Return the phases by least squares on the circle, over all pairs of APs that heard each other."""
        beliefs, both = measurements.beliefs_rad, measurements.heard & measurements.heard.T
        inner, snr = (np.where(both, x, 1.0) for x in (measurements.inner, measurements.snr))
        believed = beliefs[0] - beliefs[1]
        found = np.angle(inner.T * inner.conj()) - (believed[:, None] - believed)
        solved = graph_phases(found, np.where(both, 2.0 / (1.0 / snr + 1.0 / snr.T), 0.0))
        half = 0.5 * centred(solved.phase_rad, solved.reference)
        covariance = np.block([[solved.inverse, -solved.inverse], [-solved.inverse, solved.inverse]]) / 4.0
        return Corrections.of(beliefs, np.stack([half, -half]), covariance, np.stack([solved.reference] * 2))

    def left_rad(self, measurements: Measurements, found: Corrections) -> Float:
        """Return arg m_lj conj(m_jl) - (nu_j - nu_l)."""
        both, nu = measurements.heard & measurements.heard.T, found.transmit_rad - found.receive_rad
        inner = np.where(both, measurements.inner, 1.0)
        return np.where(both, wrapped(np.angle(inner * inner.T.conj()) - (nu - nu[:, None])), 0.0)
