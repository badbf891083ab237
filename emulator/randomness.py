"""Random numbers that are addressed, not consumed.

A stream is named by (seed, node, purpose); a draw within it by a counter, such as the index of the CPI. Whoever asks
first, how often, and what others draw makes no difference to the numbers.
"""

import cmath
import math
import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CpiDraw", "Streams", "complex_normals", "cpi_draw", "drawn_phase_rad", "philox_state"]

LARGEST_SEED = 2**64 - 1


class Streams:
    """All random streams of one seed.

    >>> a, b = Streams(1), Streams(1)
    >>> _ = a.generator("ap-0", "noise", 7).normal()
    >>> bool(a.generator("ap-1", "noise", 3).normal() == b.generator("ap-1", "noise", 3).normal())
    True
    """

    def __init__(self, seed: int) -> None:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"seed = {_shown(seed)}: give a whole number >= 0 and <= 2^64 - 1")
        self.seed = int(seed)
        self._generators: dict[tuple[str, str], tuple[np.random.Generator, Any]] = {}

    def generator(self, node: str, purpose: str, counter: int = 0) -> np.random.Generator:
        """Return the generator at this address, at the start of its 2^192 numbers.

        The generator of a (node, purpose) is one object that is set back at every call: use it up before asking for
        the same stream at another counter.
        """
        entry = self._generators.get((node, purpose))
        if entry is None:
            entry = self._generators[node, purpose] = self._make(node, purpose)
        generator, state = entry
        state["state"]["counter"][3] = counter
        generator.bit_generator.state = state
        return generator

    def _make(self, node: str, purpose: str) -> tuple[np.random.Generator, Any]:
        digest = blake2b(f"{self.seed}/{node}/{purpose}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(0)), philox_state(digest)


def _shown(seed: object) -> str:
    """Return a seed that is refused in words; a number may be too long to be spelled out."""
    return f"a number of {seed.bit_length()} bits" if isinstance(seed, int) and abs(seed) > LARGEST_SEED else repr(seed)


def philox_state(key: bytes) -> Any:
    """Return the state of a Philox generator with this key of 16 bytes, at the start of its numbers.

    Lists in place of NumPy's arrays: setting the state is twice as fast.
    """
    return {
        "bit_generator": "Philox",
        "state": {"counter": [0, 0, 0, 0], "key": list(struct.unpack("<2Q", key))},
        "buffer": [0, 0, 0, 0],
        "buffer_pos": 4,
        "has_uint32": 0,
        "uinteger": 0,
    }


def complex_normals(rng: np.random.Generator, *shape: int, power: float = 1.0) -> NDArray[np.complex128]:
    """Return independent CN(0, power) samples of this shape."""
    parts = rng.standard_normal((*shape[:-1], 2 * shape[-1]))
    parts *= math.sqrt(0.5 * power)
    return parts.view(np.complex128)


class CpiDraw(NamedTuple):
    """What a UE draws for a CPI."""

    noise: NDArray[np.complex128]
    """CN(0, 1), shape (n_samples,)."""
    scattered: NDArray[np.complex128]
    """The scattered part of its channels, CN(0, 1), shape (n_aps, N)."""
    los_phase_rad: float
    """Of its specular paths."""


def cpi_draw(rng: np.random.Generator, n_samples: int, shape: tuple[int, int]) -> CpiDraw:
    """Return what a UE draws in one call, its fading of ``shape``."""
    normals = complex_normals(rng, 1 + n_samples + shape[0] * shape[1])
    noise, scattered = normals[1 : 1 + n_samples], normals[1 + n_samples :].reshape(shape)
    return CpiDraw(noise, scattered, cmath.phase(normals[0]))


def drawn_phase_rad(generator: Callable[[str, str], np.random.Generator], target: str) -> float:
    """Return the scattering phase that random numbers by (node, purpose) give a target."""
    return float(generator(target, "scatter").uniform(0.0, 2.0 * np.pi))
