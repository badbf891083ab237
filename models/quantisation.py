"""Uniform quantisation of complex samples for transport."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["quantise"]

Complex = NDArray[np.complex128]


def quantise(samples: Complex, n_bits: int) -> Complex:
    """Return samples as a mid-rise quantiser of ``n_bits`` a real component reproduces them.

    The whole block shares one scale, its largest component s, so nothing clips; the step is Delta = 2 s / 2^n_bits and

        q(x) = Delta (floor(x / Delta) + 1/2),

    which for well-spread samples adds noise of variance Delta^2 / 12 a real component.

    Parameters
    ----------
    samples
        A block of complex samples, any shape.
    n_bits
        Bits of a real component, at least 1.
    """
    parts = np.ascontiguousarray(samples).view(np.float64)
    scale = max(parts.max(initial=0.0), -parts.min(initial=0.0))
    if scale == 0.0:
        return samples
    step = scale * 2.0 ** (1 - n_bits)
    half = 2.0 ** (n_bits - 1)
    codes = np.floor(parts / step)
    np.minimum(codes, half - 1.0, out=codes)
    codes += 0.5
    codes *= step
    return codes.view(np.complex128)
