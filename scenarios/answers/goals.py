"""Goals: what a metric must reach, as in "error_m <= 0.01 at 95%"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.results import CpiResult
from scenarios.answers.verdicts import Verdict, at_least, at_most, clustered_share
from scenarios.figures.common import Interval, mean_interval
from scenarios.file.problems import ScenarioError, closest, short
from scenarios.output.metrics import METRICS, Metric

__all__ = ["Goal", "parse_goal"]

Float = NDArray[np.float64]
FORM = re.compile(r"\s*(?P<name>\w+)\s*(?P<relation><=|>=)\s*(?P<limit>\S+)\s+(?:at\s+(?P<share>[\d.]+)\s*%|mean)\s*")
ALLOWED = 'METRIC <= NUMBER at P%, or >=, or "mean" in place of "at P%", as in "error_m <= 0.01 at 95%"'


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a metric must reach.

    Attributes
    ----------
    metric
        One of ``METRICS`` that has numbers.
    at_most
        Whether it must be no more than the limit; else no less.
    limit
        In the unit of the metric.
    share
        Share of target-CPIs (or UE-CPIs, or CPIs) in which it must be so; None: its mean must be.
    """

    metric: Metric
    at_most: bool
    limit: float
    share: float | None

    @property
    def text(self) -> str:
        """The goal as it is given."""
        how = "mean" if self.share is None else f"at {100.0 * self.share:g}%"
        return f"{self._condition} {how}"

    @property
    def _condition(self) -> str:
        return f"{self.metric.name} {'<=' if self.at_most else '>='} {self.limit:g}"

    @property
    def axis(self) -> str:
        """What ``outcome`` is, in words."""
        return f"mean of {self.metric.name}" if self.share is None else f"share with {self._condition}"

    @property
    def need(self) -> float:
        """What an outcome is compared with."""
        return self.limit if self.share is None else self.share

    def samples(self, cpis: Sequence[CpiResult]) -> Float:
        """Return the metric over the CPIs of a trial, NaN where there is none.

        Of CPIs of pilots only what there is counts: nothing was sensed in them.

        Raises
        ------
        ScenarioError
            If the metric has no numbers.
        """
        found = [values[np.isfinite(values) | (not cpi.has_pilots)] for cpi in cpis for values in [self._numbers(cpi)]]
        return np.concatenate(found) if found else np.empty(0)

    def _numbers(self, cpi: CpiResult) -> Float:
        value: Any = self.metric.of(cpi)
        try:
            numbers = np.atleast_1d(np.array(np.nan if value is None else value, dtype=float))
        except (TypeError, ValueError):
            numbers = np.empty((0, 0))
        if numbers.ndim != 1:
            raise ScenarioError(
                "--goal", [f"{self.metric.name} has no numbers; allowed: a metric with one of each target, UE or CPI"]
            )
        return numbers

    def holds(self, samples: Float) -> NDArray[np.bool_]:
        """Return in which samples the metric is as it must be; not where there is none, as of a missed target."""
        held: NDArray[np.bool_] = samples <= self.limit if self.at_most else samples >= self.limit
        return held

    def outcome(self, trials: Sequence[Float]) -> Interval:
        """Return the share of samples, or their mean, with its interval over trials."""
        if self.share is not None:
            return clustered_share([self.holds(samples) for samples in trials])
        worst = np.inf if self.at_most else -np.inf
        means = np.array([np.where(np.isnan(samples), worst, samples).mean() for samples in trials if len(samples)])
        if not len(means):
            return Interval(*np.full(3, np.nan))
        if not np.isfinite(means).all():
            return Interval(*np.full(3, worst))
        return mean_interval(means)

    def verdict(self, outcome: Interval) -> Verdict:
        """Return whether an outcome shows that the goal is met."""
        judge = at_most if self.share is None and self.at_most else at_least
        return judge(outcome, self.need)

    def reached(self, outcome: Interval) -> bool:
        """Return whether the outcome itself is as it must be, whatever its interval."""
        return bool(outcome.value <= self.need if self.share is None and self.at_most else outcome.value >= self.need)


def parse_goal(text: str) -> Goal:
    """Return the goal of a text.

    >>> parse_goal("error_m<=0.01 at 95 %").text
    'error_m <= 0.01 at 95%'

    Raises
    ------
    ScenarioError
        If it is none.
    """
    found = FORM.fullmatch(text)
    if found is None:
        raise _refused(text, ALLOWED)
    by_name = {metric.name: metric for metric in METRICS}
    if found["name"] not in by_name:
        raise _refused(found["name"], f"a metric; {closest(found['name'], by_name)}")
    limit = _number(found["limit"], "a finite number as the limit")
    share = None if found["share"] is None else _number(found["share"], "a share above 0 and up to 100 %") / 100.0
    if share is not None and not 0.0 < share <= 1.0:
        raise _refused(found["share"], "a share above 0 and up to 100 %")
    return Goal(metric=by_name[found["name"]], at_most=found["relation"] == "<=", limit=limit, share=share)


def _number(text: str, allowed: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise _refused(text, allowed)
    return number


def _refused(got: str, allowed: str) -> ScenarioError:
    return ScenarioError("--goal", [f"got {short(got)}; allowed: {allowed}"])
