"""A look at one value of a key: what trials with it, or its bound, say of a goal."""

from dataclasses import dataclass
from typing import Any

from scenarios.answers.verdicts import Verdict
from scenarios.figures.common import Interval

__all__ = ["Probe"]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A look at one value.

    Attributes
    ----------
    kind
        "bound", "emulation", or "confirmation".
    rung, value, text
        Which value.
    outcome
        Share or mean of the goal, with its interval.
    reached, verdict
        Whether it is as it must be, and whether that is shown.
    trials
        The outcome of each trial alone.
    """

    kind: str
    rung: int
    value: Any
    text: str
    outcome: Interval
    reached: bool
    verdict: Verdict
    trials: tuple[float, ...] = ()
