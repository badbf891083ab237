"""When something counts as shown: intervals of shares over trials, and verdicts on them."""

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from scenarios.figures.common import CONFIDENCE, Interval, share_interval

__all__ = ["Verdict", "at_least", "at_most", "clustered_share", "together", "trials_without_one"]


class Verdict(StrEnum):
    """What an interval of 95 % says of a requirement."""

    MET = "met"
    NOT_MET = "not met"
    NOT_SHOWN = "not shown"


def at_least(interval: Interval, need: float) -> Verdict:
    """Return whether a figure is shown to be ``need`` or more.

    >>> at_least(Interval(0.97, 0.94, 0.99), 0.95)
    <Verdict.NOT_SHOWN: 'not shown'>
    """
    if interval.low >= need:
        return Verdict.MET
    return Verdict.NOT_MET if interval.high < need else Verdict.NOT_SHOWN


def at_most(interval: Interval, allowed: float) -> Verdict:
    """Return whether a figure is shown to be ``allowed`` or less."""
    return at_least(Interval(-interval.value, -interval.high, -interval.low), -allowed)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on all of some requirements: one that is not met decides."""
    found = set(verdicts)
    if Verdict.NOT_MET in found:
        return Verdict.NOT_MET
    return Verdict.MET if found == {Verdict.MET} else Verdict.NOT_SHOWN


def clustered_share(trials: Sequence[NDArray[np.bool_]]) -> Interval:
    """Return the share of samples that are true, with an interval that knows that those of one trial are alike.

    The interval of Clopper and Pearson (1934) takes n independent samples. Those of one trial share a network and
    places, so that n is replaced by the number of independent ones that would give the share p the same variance
    as was found between trials (E. L. Korn, B. I. Graubard, Survey Methodology 24, 1998),

        n_eff = min(n, p (1 - p) / v),   v = k / (k - 1) sum_i (x_i - p m_i)^2 / n^2,

    with x_i of the m_i samples of trial i true, and k trials. Where all samples agree a trial counts as one sample.

    Parameters
    ----------
    trials
        The samples of each trial, of any number.
    """
    sizes = np.array([len(trial) for trial in trials if len(trial)])
    counts = np.array([np.count_nonzero(trial) for trial in trials if len(trial)])
    n = int(sizes.sum())
    if not n:
        return Interval(*np.full(3, np.nan))
    share = counts.sum() / n
    n_effective = _effective(counts, sizes, share)
    return share_interval(share * n_effective, n_effective)


def _effective(counts: NDArray[np.int_], sizes: NDArray[np.int_], share: float) -> float:
    n, k = int(sizes.sum()), len(sizes)
    if k == 1 or share in (0.0, 1.0):
        return k
    variance = k / (k - 1) * np.sum((counts - share * sizes) ** 2) / n**2
    return min(n, share * (1.0 - share) / variance) if variance > 0.0 else n


def trials_without_one(share: float) -> int:
    """Return how many trials without a single failure show that failures are no more than a share.

    >>> trials_without_one(0.05)
    72
    """
    return math.ceil(math.log(0.5 - 0.5 * CONFIDENCE) / math.log1p(-share))
