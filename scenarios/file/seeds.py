"""The seed of a run: a whole number, or one that is drawn from what numpy makes random numbers of (SPEC 7)."""

from typing import Any, Final

__all__ = ["NOT_GIVEN", "seed_of"]

NOT_GIVEN: Final = object()
"""In place of an argument for which None means something."""
DEFAULT_SEED = 1
MOST = 2**63
"""Above any seed that is drawn."""


def seed_of(seed: int | None, rng: Any = NOT_GIVEN) -> int:
    """Return the seed that was given, or drawn from ``rng``.

    >>> seed_of(None), seed_of(7)
    (1, 7)
    >>> seed_of(None, 7) == seed_of(None, 7)
    True

    Raises
    ------
    TypeError
        If both are given, or random numbers cannot be made of ``rng``.
    """
    if rng is NOT_GIVEN:
        return DEFAULT_SEED if seed is None else seed
    if seed is not None:
        raise TypeError("got both seed and rng; give one of them")
    from numpy.random import default_rng

    try:
        return int(default_rng(rng).integers(MOST))
    except (TypeError, ValueError) as error:
        raise TypeError(f"rng: got {rng!r:.60}; give None, a whole number, a SeedSequence or a Generator") from error
