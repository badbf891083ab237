"""User data and the Gaussian codebook that turns it into symbols.

A codeword is addressed by its data bits: they key a Philox generator whose CN(0, 1) numbers are the symbols. Whoever
has the bits has the symbols, so all APs radiate the same ones while only the bits travel over the fronthaul.
"""

import math
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from emulator.randomness import philox_state

__all__ = ["draw_payload", "symbols"]


def draw_payload(rng: np.random.Generator, n_ues: int, n_symbols: int, bits_per_symbol: float) -> tuple[bytes, ...]:
    """Return random data for a CPI: ``bits_per_symbol`` bits a symbol and UE, rounded up to bytes."""
    n_bytes = math.ceil(n_symbols * bits_per_symbol / 8)
    data = rng.bytes(n_ues * n_bytes)
    return tuple([data[k * n_bytes : (k + 1) * n_bytes] for k in range(n_ues)])


@lru_cache(maxsize=1)
def _coder() -> np.random.Generator:
    """Return the generator that takes every codeword's key in turn: making one costs more than ten codewords."""
    return np.random.Generator(np.random.Philox(0))


@lru_cache(maxsize=4)
def symbols(payload: tuple[bytes, ...], n_symbols: int) -> NDArray[np.complex128]:
    """Return the unit-power symbols q_k of every UE, shape (n_ues, n_symbols); equal data gives equal symbols."""
    coder, parts = _coder(), np.empty((len(payload), 2 * n_symbols))
    for k, data in enumerate(payload):
        key = blake2b(data, digest_size=16, salt=k.to_bytes(8, "little")).digest()
        coder.bit_generator.state = philox_state(key)
        coder.standard_normal(out=parts[k])
    result = (parts * math.sqrt(0.5)).view(np.complex128)
    result.flags.writeable = False
    return result
