"""The contract of quantisers, as one check for one's own: `check_quantiser(MyQuantiser(...))`."""

import numpy as np
from numpy.typing import NDArray

from models.contract import FROZEN, require, require_frozen, rule
from models.radio.quantisation import Quantiser

__all__ = ["check_quantiser"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
N_MESSAGES, SHAPE = 20, (4, 30)
EXACT_FROM_BITS, UP_TO_BITS = 6, 16
SLACK = 0.3
"""Of the error power of 20 messages of 120 samples; a message of few steps does not err evenly within them."""


def check_quantiser(quantiser: Quantiser) -> None:
    """Check that a quantiser keeps the rules of its role.

    It is a frozen dataclass; what it reproduces is finite, of the shape of what it is given, which stays as it is; a
    message does not depend on those beside it; of Gaussian samples the error power is what it says, from 6 bits on;
    silence stays silence; more bits travel as bits.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = require_frozen("quantiser", quantiser)
    widths = quantiser.widths
    found = f"widths = {widths}"
    require(isinstance(widths, range) and len(widths) and widths[0] > 0, who, "it says its bits", found, "give a range")
    with rule(who, "its methods answer for all of its widths", "see the error, or leave out some widths"):
        for n_bits in sorted({widths[0], widths[-1], *(n for n in widths if n <= UP_TO_BITS)}):
            _check_messages(who, quantiser, n_bits)
            _check_size(who, quantiser, n_bits)


def _samples() -> Complex:
    normals = np.random.default_rng(1).standard_normal((2, N_MESSAGES, *SHAPE))
    return np.asarray(1e-7 * (normals[0] + 1j * normals[1]))


def _check_messages(who: str, quantiser: Quantiser, n_bits: int) -> None:
    given = _samples()
    got, error = quantiser.quantised(given, n_bits)
    require(np.array_equal(given, _samples()), who, "what it is given stays as it is", "other samples", "copy them")
    fits = got.shape == given.shape and np.shape(error) == (N_MESSAGES,) and bool(np.isfinite(got).all())
    found = f"shapes {got.shape} and {np.shape(error)} of {given.shape} with {n_bits} bits"
    require(fits, who, "it gives finite samples and an error power a message", found, "work on the last axes")
    alone, _ = quantiser.quantised(given[3:4], n_bits)
    require(np.array_equal(alone[0], got[3]), who, "a message does not depend on others", f"{n_bits} bits", FROZEN)
    silence, none = quantiser.quantised(0.0 * given[:1], n_bits)
    require(not (silence.any() or none.any()), who, "silence stays silence", f"error power {none}", "mind a scale of 0")
    if EXACT_FROM_BITS <= n_bits <= UP_TO_BITS:
        _check_error(who, got - given, error, n_bits)


def _check_error(who: str, off: Complex, said: Float, n_bits: int) -> None:
    found = float(np.mean(np.abs(off) ** 2) / np.mean(said))
    text = f"{found:.2f} times what is said, with {n_bits} bits"
    mend = "return the mean square of what a sample is off by"
    require(abs(found - 1.0) <= SLACK, who, "the error power is what it says", text, mend)


def _check_size(who: str, quantiser: Quantiser, n_bits: int) -> None:
    few, many = (quantiser.content_bits(n, n_bits) for n in (12, 24))
    holds = isinstance(few, int) and isinstance(many, int) and many - few >= 12 * n_bits
    mend = "count 2 n_bits a complex sample, and what is sent besides"
    require(holds, who, "content_bits counts the bits that travel", f"{few} of 12 samples, {many} of 24", mend)
