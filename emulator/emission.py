"""What an access point radiates in a slot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.doors import finite
from models.readonly import sealed

__all__ = ["Emission"]

Complex = NDArray[np.complex128]
AXES = {"emission": "(antennas, snapshots)", "precoding": "(antennas, UEs)"}


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

    def sealed(self, shape: tuple[int, int], precoding_shape: tuple[int, int]) -> "Emission":
        """Return the emission with parts that nobody can change any more: copies, where they were not read-only.

        Parameters
        ----------
        shape, precoding_shape
            (N, n_snapshots) of the parts and (N, n_ues) of the precoders.

        Raises
        ------
        ValueError
            If a part has another shape or is not of finite numbers, or precoders are missing.
        """
        communication, sensing, precoding = self
        if communication is not None:
            communication = _sealed(communication, shape, "emission")
            if precoding is None and precoding_shape[1]:
                raise ValueError("communication part without precoding; give the precoders (N, n_ues) that made it")
        if sensing is not None:
            sensing = _sealed(sensing, shape, "emission")
        if precoding is not None:
            precoding = _sealed(precoding, precoding_shape, "precoding")
        return Emission(communication, sensing, precoding)

    def turned(self, phase_rad: float) -> "Emission":
        """Return both parts with the phase of an oscillator."""
        communication, sensing = (None if part is None else part * np.exp(1j * phase_rad) for part in self[:2])
        return Emission(communication, sensing, self.precoding)


def _sealed(part: Complex, shape: tuple[int, int], what: str) -> Complex:
    if isinstance(part, np.ndarray) and not part.flags.writeable and part.shape == shape and part.dtype.char == "D":
        return part
    if not np.can_cast(np.asarray(part).dtype, complex, "same_kind"):
        raise ValueError(f"{what} of type {type(part).__name__}; give an array of numbers of shape {shape}")
    part = np.array(part, dtype=complex)
    if part.shape != shape:
        raise ValueError(f"{what} of shape {part.shape}; give {AXES[what]} = {shape}")
    if not finite(part):
        raise ValueError(f"{what} with samples that are not finite; give finite numbers")
    return sealed(part)
