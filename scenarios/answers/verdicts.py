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
    """Return the share of samples that are true, with the interval of Clopper and Pearson (1934) for as many as trials.

    Samples of one trial share a network and places. How alike they are is not known; that they are all the same is the
    worst case, in which a trial says no more than one sample does. The interval is that of this case: too wide where
    samples differ within a trial, and right where a trial has a single one.

    Parameters
    ----------
    trials
        The samples of each trial, of any number.
    """
    samples = [trial for trial in trials if len(trial)]
    if not samples:
        return Interval(*np.full(3, np.nan))
    share = float(np.mean(np.concatenate(samples)))
    return share_interval(share * len(samples), len(samples))


def trials_without_one(share: float) -> int:
    """Return how many trials without a single failure show that failures are no more than a share.

    >>> trials_without_one(0.05)
    72
    """
    return math.ceil(math.log(0.5 - 0.5 * CONFIDENCE) / math.log1p(-share))
