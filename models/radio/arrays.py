"""Steering vectors of half-wavelength uniform linear arrays, eq. (3)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["padded", "steering"]


def steering(sine: ArrayLike, n_antennas: int) -> NDArray[np.complex128]:
    """Return the steering vector a_n = exp(j pi n u), n = 0..N-1, on a new last axis; eq. (3).

    Element n is closer to a point at u = sin(theta) by n u half-wavelengths, hence the positive sign.

    Parameters
    ----------
    sine
        u = sin(theta), any shape.
    n_antennas
        N.

    Returns
    -------
    ndarray
        Shape (*sine.shape, N), modulus 1, first element 1.

    >>> steering(0.5, 3).round(12) + 0
    array([ 1.+0.j,  0.+1.j, -1.+0.j])
    """
    phase = np.pi * np.asarray(sine, dtype=float)[..., None] * np.arange(n_antennas)
    return np.exp(1j * phase)


def padded(samples: NDArray[np.complex128], n_antennas: int) -> NDArray[np.complex128]:
    """Return what is indexed by antenna first, with zeros for the elements that an array lacks of so many."""
    if len(samples) == n_antennas:
        return samples
    whole = np.zeros((n_antennas, *samples.shape[1:]), dtype=complex)
    whole[: len(samples)] = samples
    return whole
