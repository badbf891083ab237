"""The first rung of a ladder on which something holds, with few looks."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_that_holds", "is_broken"]

SIGNIFICANCE = 0.05


def first_that_holds(n_rungs: int, holds: Callable[[int], bool], near: int | None = None) -> int:
    """Return the lowest rung on which something holds that holds on all above it; ``n_rungs`` if on none.

    With a guess the bracket is sought from there, in steps that double, and then halved; without one all rungs
    are the bracket. A good guess spares looks at rungs that are far off, a bad one costs twice as many.

    >>> first_that_holds(100, lambda rung: rung >= 37, near=40)
    37
    """
    fails, works = -1, n_rungs  # beyond the ends
    probe, step, last = near, 1, None
    while probe is not None and fails < probe < works:
        held = holds(probe)
        fails, works = (fails, probe) if held else (probe, works)
        if last is not None and held != last:
            break
        probe, step, last = (probe - step if held else probe + step), 2 * step, held
    while works - fails > 1:
        middle = (fails + works) // 2
        fails, works = (fails, middle) if holds(middle) else (middle, works)
    return works


def is_broken(below: Sequence[float], above: Sequence[float]) -> bool:
    """Return whether a higher rung is worse than a lower one by more than chance, trial by trial.

    Trials have the same seed on both, so that each is compared with itself: of those that differ, the number that
    became worse is binomial with one half where nothing changes (sign test, 5 %).

    Parameters
    ----------
    below, above
        How good each trial is on either rung, more is better.
    """
    from scipy.stats import binomtest

    difference: NDArray[np.float64] = np.asarray(above, dtype=float) - np.asarray(below, dtype=float)
    worse, differ = int(np.count_nonzero(difference < 0.0)), int(np.count_nonzero(difference))
    return differ > 0 and bool(binomtest(worse, differ, 0.5, alternative="greater").pvalue < SIGNIFICANCE)
