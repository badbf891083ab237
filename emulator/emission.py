"""What an access point radiates in a slot."""

import cmath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.doors import STRONGEST, bounded
from models.radio.arrays import padded
from models.readonly import sealed, taken

__all__ = ["Emission"]

Complex = NDArray[np.complex128]


class Emission(NamedTuple):
    """What an AP radiates in a slot, communication and sensing apart."""

    communication: Complex | None
    """Shape (N, n_snapshots), or None."""
    sensing: Complex | None = None
    """Shape (N, n_snapshots), or None."""
    precoding: Complex | None = None
    """The precoders that made the communication part, sqrt(power) times unit vectors, shape (N, n_ues).

    Required with a communication part: spectral efficiency is eq. (7) for these precoders, with the sensing part taken
    as isotropic of power (1 - rho) P, whatever its samples are.
    """
    phase_rad: float = 0.0
    """By how much the parts are turned against what the precoders and the data make, in rad; see ``turned``."""

    @property
    def total(self) -> Complex | None:
        """Both parts together."""
        if self.communication is None:
            return self.sensing
        return self.communication if self.sensing is None else self.communication + self.sensing

    def sealed(self, n_antennas: int, n_snapshots: int, n_ues: int) -> "Emission":
        """Return the emission with parts that nobody can change any more: copies, where they were not read-only.

        Raises
        ------
        ValueError
            If a part is not of finite numbers of shape (N, n_snapshots), precoders are not of shape (N, n_ues), or the
            phase is not finite.
        """
        shape, precoding_shape = (n_antennas, n_snapshots), (n_antennas, n_ues)
        return Emission(
            None if self.communication is None else _sealed(self.communication, shape, "communication part"),
            None if self.sensing is None else _sealed(self.sensing, shape, "sensing part"),
            None if self.precoding is None else _sealed(self.precoding, precoding_shape, "precoding"),
            _finite(self.phase_rad),
        )

    def padded(self, n_antennas: int) -> "Emission":
        """Return the emission with zeros for the elements that the AP lacks of so many; precoders as they are."""
        communication, sensing = (None if part is None else padded(part, n_antennas) for part in self[:2])
        return self._replace(communication=communication, sensing=sensing)

    def turned(self, phase_rad: float) -> "Emission":
        """Return both parts turned by a phase in rad; spectral efficiency follows, as if the precoders were turned."""
        communication, sensing, precoding, before_rad = self
        factor = np.array(cmath.rect(1.0, phase_rad))  # NumPy takes three times as long by a number of Python's
        if communication is not None:
            communication = sealed(communication * factor)
        if sensing is not None:
            sensing = sealed(sensing * factor)
        return Emission(communication, sensing, precoding, before_rad + phase_rad)


def _finite(phase_rad: float) -> float:
    if not (np.ndim(phase_rad) == 0 and np.can_cast(np.asarray(phase_rad).dtype, float) and np.isfinite(phase_rad)):
        raise ValueError(f"phase_rad = {phase_rad!r:.60}; give a finite number in rad")
    return float(phase_rad)


def _sealed(part: Complex, shape: tuple[int, int], what: str) -> Complex:
    if not np.can_cast(np.asarray(part).dtype, complex, "same_kind"):
        raise ValueError(f"{what} of type {type(part).__name__}; give an array of numbers of shape {shape}")
    part = np.asarray(part, dtype=complex)
    if part.shape != shape:
        raise ValueError(f"{what} of shape {part.shape}; give {shape}")
    if not bounded(part):
        raise ValueError(f"{what} that is not finite, or beyond {STRONGEST:g}; give finite numbers of shape {shape}")
    return taken(part)
