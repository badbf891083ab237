"""Uniform quantisation of complex samples for transport."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["quantise", "quantised"]

Complex = NDArray[np.complex128]


def quantise(samples: Complex, n_bits: int, n_axes: int = 2) -> Complex:
    """Return samples as a mid-rise quantiser of ``n_bits`` a real component reproduces them.

    A block is what the last ``n_axes`` axes span. It shares one scale, its largest component s, so nothing clips; the
    step is Delta = 2 s / 2^n_bits and

        q(x) = Delta (floor(x / Delta) + 1/2),

    which for well-spread samples adds noise of variance Delta^2 / 12 a real component.

    Parameters
    ----------
    samples
        Complex samples, shape (..., block axes).
    n_bits
        Bits of a real component, at least 1.
    n_axes
        How many of the last axes make a block.
    """
    return quantised(samples, n_bits, n_axes)[0]


def quantised(samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, NDArray[np.float64]]:
    """Return quantised samples, see `quantise`, and their error power, Delta^2 / 6 a sample, one number a block."""
    parts = np.ascontiguousarray(samples).view(np.float64)
    blocks = parts.reshape(*parts.shape[:-n_axes], math.prod(parts.shape[-n_axes:]))
    scale = np.maximum(
        blocks.max(axis=-1, keepdims=True, initial=0.0), -blocks.min(axis=-1, keepdims=True, initial=0.0)
    )
    step = np.where(scale > 0.0, scale, 1.0) * 2.0 ** (1 - n_bits)
    with np.errstate(invalid="ignore"):  # samples that are not finite stay so, for the reader to find
        codes = blocks / step
        np.floor(codes, out=codes)
        np.minimum(codes, 2.0 ** (n_bits - 1) - 1.0, out=codes)
        codes += 0.5
        codes *= step
    codes[scale[..., 0] == 0.0] = 0.0
    return codes.reshape(parts.shape).view(np.complex128), np.asarray((scale[..., 0] * 2.0 ** (1 - n_bits)) ** 2 / 6.0)
