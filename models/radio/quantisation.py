"""How numbers become few bits for transport: quantisers of complex samples.

A quantiser reproduces what the reader gets back, says the error power that its steps add, and counts the bits that
travel. The gain is automatic: each message carries one scale of 32 bits. Not modelled: the converter of the receiver,
whose own rounding and clipping come before.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BlockFloatingPoint", "ClippedUniform", "Quantiser", "Uniform", "block_floating_point", "quantise", "quantised",
]  # fmt: skip

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
SCALE_BITS = 32
BLOCK = 12
"""Complex samples of a block of floating point: the subcarriers of a resource block."""
GAUSSIAN: tuple[tuple[int, float, float], ...] = (
    (1, 1.596, 4.40), (2, 1.991, 9.25), (3, 2.344, 14.27), (4, 2.682, 19.38), (5, 3.010, 24.57), (6, 3.330, 29.83),
    (7, 3.640, 35.17), (8, 3.938, 40.57), (10, 4.498, 51.55), (12, 5.014, 62.71), (14, 5.492, 74.01),
    (16, 5.938, 85.41), (20, 6.754, 108.42), (24, 7.490, 131.63),
)  # fmt: skip
"""By bits of a real number: where clipping costs a Gaussian least, in standard deviations, and its power over the error
in dB then, found by minimising the exact error. Others lie between."""


class Quantiser(ABC):
    """Makes of the samples of a message what a link carries.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings.
    """

    widths: ClassVar[range] = range(1, 65)
    """Bits of a real number that it can have."""

    @abstractmethod
    def quantised(self, samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, Float]:
        """Return samples as the reader gets them, and the mean error power of a sample, one number a message.

        Parameters
        ----------
        samples
            Complex samples, shape (..., axes of a message).
        n_bits
            Bits of a real number, one of ``widths``.
        n_axes
            How many of the last axes make a message.
        """

    def content_bits(self, n_samples: int, n_bits: int) -> int:
        """Return the size of the samples of a message, scale included."""
        return 2 * n_bits * n_samples + SCALE_BITS


@dataclass(frozen=True, kw_only=True)
class Uniform(Quantiser):
    """Equal steps up to the largest component of the message: nothing clips, see `quantise`."""

    def quantised(self, samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, Float]:
        """Return quantised samples and Delta^2 / 6."""
        return quantised(samples, n_bits, n_axes)


@dataclass(frozen=True, kw_only=True)
class ClippedUniform(Quantiser):
    """Equal steps up to some standard deviations of the message, as serve a Gaussian best; what is beyond clips.

    The error power that is told is that of a Gaussian (`GAUSSIAN`), whatever the samples are.
    """

    widths: ClassVar[range] = range(1, 25)

    def quantised(self, samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, Float]:
        """Return quantised samples and the error power of a Gaussian of their power."""
        values = _by_message(samples, n_axes)
        power = np.mean(values * values, axis=-1)
        bits, *columns = zip(*GAUSSIAN, strict=True)
        loading, ratio_db = (float(np.interp(n_bits, bits, column)) for column in columns)
        codes, _ = _mid_rise(values, loading * np.sqrt(power), n_bits)
        return _as_samples(codes, samples), 2.0 * power * 10.0 ** (-ratio_db / 10.0)


@dataclass(frozen=True, kw_only=True)
class BlockFloatingPoint(Quantiser):
    """Blocks of 12 samples with an exponent in common, as fronthaul compression of O-RAN has it.

    The largest component of the message becomes the largest 16-bit number that its mantissa can hold; the rest is that
    of `block_floating_point`. A block takes 24 mantissas, and a byte for the exponent; the last one is filled up with
    zeros.
    """

    widths: ClassVar[range] = range(2, 17)

    def quantised(self, samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, Float]:
        """Return quantised samples and 4^e / 6, in the unit of the message, on average."""
        values = _by_message(samples, n_axes)
        n_values = values.shape[-1]
        largest = _largest(values)
        unit = np.where(largest > 0.0, largest, 1.0) / ((2.0 ** (n_bits - 1) - 1.0) * 2.0 ** (16 - n_bits))
        filled = np.zeros((*values.shape[:-1], _n_blocks(n_values // 2) * 2 * BLOCK))
        with np.errstate(invalid="ignore"):  # samples that are not finite stay so, for the reader to find
            filled[..., :n_values] = values / unit[..., None]
            got, exponents = block_floating_point(filled.reshape(*filled.shape[:-1], -1, 2 * BLOCK), n_bits)
            codes = got.reshape(filled.shape)[..., :n_values] * unit[..., None]
        steps = np.repeat(4.0**exponents, 2 * BLOCK, axis=-1)[..., :n_values]
        return _as_samples(codes, samples), np.where(largest > 0.0, steps.mean(axis=-1) * unit**2 / 6.0, 0.0)

    def content_bits(self, n_samples: int, n_bits: int) -> int:
        """Return the size of all blocks, 3 n_bits + 1 bytes each, and of the scale."""
        return 8 * (3 * n_bits + 1) * _n_blocks(n_samples) + SCALE_BITS


def block_floating_point(values: Float, n_bits: int) -> tuple[Float, NDArray[np.int64]]:
    """Return numbers in units of 16-bit integers as mantissas of ``n_bits`` reproduce them, and their exponents.

    The largest magnitude m of a block, the last axis, decides on the exponent that all of it share:

        e = max(floor(log2 m) + 2 - n_bits, 0),   q(x) = 2^e round(x / 2^e).

    The mean square error of a number is 4^e / 12. Of a whole number it is (4^e + 2) / 12, and 0 for e = 0.

    >>> block_floating_point(np.array([[100.0, -37.0, 3.0]]), 6)
    (array([[100., -36.,   4.]]), array([2]))
    """
    magnitude = np.maximum(values.max(axis=-1), -values.min(axis=-1) - 1.0)  # -2^k takes no more bits than 2^k - 1
    exponents = np.maximum(np.frexp(np.maximum(magnitude, 0.0))[1].astype(np.int64) + 1 - n_bits, 0)
    step, most = 2.0 ** exponents[..., None], 2.0 ** (n_bits - 1)
    return np.clip(np.rint(values / step), -most, most - 1.0) * step, exponents


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


def quantised(samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, Float]:
    """Return quantised samples, see `quantise`, and their error power, Delta^2 / 6 a sample, one number a block."""
    values = _by_message(samples, n_axes)
    codes, error = _mid_rise(values, _largest(values), n_bits)
    return _as_samples(codes, samples), error


def _by_message(samples: Complex, n_axes: int) -> Float:
    """Return the real components of each message in a row, shape (..., 2 n_samples)."""
    parts = np.ascontiguousarray(samples).view(np.float64)
    return parts.reshape(*parts.shape[:-n_axes], math.prod(parts.shape[-n_axes:]))


def _as_samples(values: Float, like: Complex) -> Complex:
    return np.ascontiguousarray(values).view(np.complex128).reshape(like.shape)


def _largest(values: Float) -> Float:
    return np.asarray(np.maximum(values.max(axis=-1, initial=0.0), -values.min(axis=-1, initial=0.0)))


def _mid_rise(values: Float, scale: Float, n_bits: int) -> tuple[Float, Float]:
    """Return values in 2^n_bits equal steps from -scale to scale, and Delta^2 / 6, twice the error power of a value."""
    step = np.where(scale > 0.0, scale, 1.0)[..., None] * 2.0 ** (1 - n_bits)
    most = 2.0 ** (n_bits - 1)
    with np.errstate(invalid="ignore"):  # samples that are not finite stay so, for the reader to find
        codes = values / step
        np.floor(codes, out=codes)
        np.clip(codes, -most, most - 1.0, out=codes)
        codes += 0.5
        codes *= step
    codes[scale == 0.0] = 0.0
    return codes, np.asarray((scale * 2.0 ** (1 - n_bits)) ** 2 / 6.0)


def _n_blocks(n_samples: int) -> int:
    return -(-n_samples // BLOCK)
