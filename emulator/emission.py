"""What an access point radiates in a slot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    @property
    def total(self) -> Complex | None:
        """Both parts together."""
        if self.communication is None:
            return self.sensing
        return self.communication if self.sensing is None else self.communication + self.sensing

    def turned(self, phase_rad: float) -> "Emission":
        """Return both parts with the phase of an oscillator."""
        communication, sensing = (None if part is None else part * np.exp(1j * phase_rad) for part in self[:2])
        return Emission(communication, sensing, self.precoding)
