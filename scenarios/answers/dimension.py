"""What it takes to reach a goal: the smallest value of a key with which a scenario meets it.

The ladder of values is bisected on common random numbers: trial i has the same seed with every value. The bound speaks
first where it speaks of the goal, and tells where to begin; emulation decides. Three values come of it: the smallest
whose outcome is as it must be, the smallest that is not ruled out, and the smallest that is shown to meet the
goal, both at 95 %. All rest on the law that a larger value is no worse, which is checked between
the values that were tried. In the end the answer is emulated on seeds that took no part in the search.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emulator.results import CpiResult
from scenarios.answers import pictures
from scenarios.answers.bisection import first_that_holds, is_broken
from scenarios.answers.goals import Goal
from scenarios.answers.ladder import Ladder
from scenarios.answers.probe import Probe
from scenarios.answers.text import aligned, percent
from scenarios.answers.trials import Trial, run_trials
from scenarios.answers.verdicts import Verdict
from scenarios.figures.common import Interval
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario

__all__ = ["Dimensioning", "bound_outcome", "dimension", "search"]

Float = NDArray[np.float64]


@dataclass(kw_only=True)
class Looks:
    """Looks at values as a search asks for them, each once."""

    scenario: Scenario
    goal: Goal
    ladder: Ladder
    seed: int
    n_trials: int
    workers: int | None
    probes: list[Probe] = field(default_factory=list)
    cpu_s: float = 0.0

    def at(self, kind: str, rung: int) -> Probe:
        """Return the look of a kind at a rung."""
        for probe in self.probes:
            if (probe.kind, probe.rung) == (kind, rung):
                return probe
        self.probes.append(self._look(kind, rung))
        return self.probes[-1]

    def reached(self, kind: str, rung: int) -> bool:
        """Return whether the outcome at a rung is as it must be."""
        return self.at(kind, rung).reached

    def verdict(self, rung: int) -> Verdict:
        """Return what emulation shows at a rung."""
        return self.at("emulation", rung).verdict

    def _look(self, kind: str, rung: int) -> Probe:
        goal, is_bound = self.goal, kind == "bound"
        trials = self._trials(kind, rung)
        measure = partial(bound_outcome, goal) if is_bound else self._measured
        outcome = measure(trials)
        return Probe(
            kind=kind,
            rung=rung,
            value=self.ladder.values[rung],
            text=self.ladder.text(rung),
            outcome=outcome,
            reached=goal.reached(outcome),
            verdict=goal.verdict(outcome),
            trials=tuple(float(measure([trial]).value) for trial in trials),
        )

    def _measured(self, trials: Sequence[Trial]) -> Interval:
        return self.goal.outcome([self.goal.samples(trial.cpis) for trial in trials])

    def _trials(self, kind: str, rung: int) -> list[Trial]:
        value = self.ladder.values[rung]
        first = self.n_trials if kind == "confirmation" else 0
        label = f"{kind}, {self.ladder.key} = {self.ladder.text(rung)}"
        trials = run_trials(
            self.scenario.with_({self.ladder.key: value}), self.seed, self.n_trials, self.workers, label,
            first=first, estimating=kind != "bound",
        )  # fmt: skip
        self.cpu_s += sum(trial.cpu_s for trial in trials)
        return trials


# -- the bound ---------------------------------------------------------------------------------------------------------


def speaks(goal: Goal) -> bool:
    """Return whether the position error bound speaks of a goal."""
    return goal.metric.name == "error_m" and goal.at_most


def bound_outcome(goal: Goal, trials: Sequence[Trial]) -> Interval:
    """Return what an efficient estimator would reach, without an interval.

    Its error is taken for Gaussian and alike in all directions, of root mean square b, the bound: it is within r with
    probability 1 - exp(-r^2 / b^2), and sqrt(pi) b / 2 in the mean. The bound is that with uncertain phases where
    there are any, else that of structured amplitudes, the lowest one; where there is none the goal is missed.
    """
    bounds = np.concatenate([_bounds_m(cpi) for trial in trials for cpi in trial.sensing] or [np.empty(0)])
    if not len(bounds):
        return Interval(*np.full(3, np.nan))
    if goal.share is None:
        value = 0.5 * np.sqrt(np.pi) * bounds.mean()
    else:
        value = np.mean(-np.expm1(-((goal.limit / bounds) ** 2)))
    return Interval(*np.array([value, np.nan, np.nan]))


def _bounds_m(cpi: CpiResult) -> Float:
    """Return the bounds of the targets of a CPI, infinite where there is none."""
    bounds = cpi.peb_structured_m if cpi.peb_hybrid_m is None else cpi.peb_hybrid_m
    return np.where(np.isfinite(bounds), bounds, np.inf)


# -- the search --------------------------------------------------------------------------------------------------------


def dimension(
    scenario: Scenario, goal: Goal, ladder: Ladder, n_trials: int, seed: int = 1, workers: int | None = None
) -> "Dimensioning":
    """Return the smallest value of a key with which a scenario meets a goal: the first on its ladder.

    Parameters
    ----------
    scenario
        What stays the same.
    goal
        What must be reached.
    ladder
        The values, the smallest first; the largest first to find the largest value that meets the goal.
    n_trials
        Emulations of each value that is tried, and as many of the answer on other seeds.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.

    Raises
    ------
    ScenarioError
        If something on the ladder is no value of the key, or the metric has no numbers.
    """
    for value in ladder.values:
        scenario.with_({ladder.key: value})
    looks = Looks(scenario=scenario, goal=goal, ladder=ladder, seed=seed, n_trials=n_trials, workers=workers)
    reached, not_ruled_out, shown = search(looks)
    if all(np.isnan(probe.outcome.value) for probe in looks.probes if probe.kind == "emulation"):
        raise ScenarioError(
            "--goal", [f"{goal.metric.name} has no value in this scenario, as without a target or user"]
        )
    if reached < len(ladder.values):
        looks.at("confirmation", reached)
    return Dimensioning(
        goal=goal, ladder=ladder, seed=seed, n_trials=n_trials, probes=tuple(looks.probes), cpu_s=looks.cpu_s,
        reached=reached, not_ruled_out=not_ruled_out, shown=shown,
    )  # fmt: skip


def search(looks: Looks) -> tuple[int, int, int]:
    """Return the first rung that reaches the goal, the first that is not ruled out, and the first that is shown to."""
    n_rungs = len(looks.ladder.values)
    guess = _by_bound(looks, n_rungs) if speaks(looks.goal) else None
    for end in (0, n_rungs - 1):
        looks.at("emulation", end)
    reached = first_that_holds(n_rungs, partial(looks.reached, "emulation"), guess)
    near = min(reached, n_rungs - 1)
    not_ruled_out = first_that_holds(n_rungs, lambda rung: looks.verdict(rung) is not Verdict.NOT_MET, near)
    shown = first_that_holds(n_rungs, lambda rung: looks.verdict(rung) is Verdict.MET, near)
    return reached, not_ruled_out, shown


def _by_bound(looks: Looks, n_rungs: int) -> int:
    return min(first_that_holds(n_rungs, partial(looks.reached, "bound")), n_rungs - 1)


# -- the result --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Dimensioning:
    """What a search found; a rung beyond the last one stands for none."""

    goal: Goal
    ladder: Ladder
    seed: int
    n_trials: int
    probes: tuple[Probe, ...]
    cpu_s: float
    reached: int
    not_ruled_out: int
    shown: int

    @property
    def answer(self) -> Probe | None:
        """The look at the value that is the answer, if there is one."""
        found = [probe for probe in self.probes if probe.kind == "emulation" and probe.rung == self.reached]
        return found[0] if found else None

    @property
    def confirmation(self) -> Probe | None:
        """The look at it on other seeds."""
        found = [probe for probe in self.probes if probe.kind == "confirmation"]
        return found[0] if found else None

    @property
    def breaks(self) -> list[tuple[Probe, Probe]]:
        """Neighbours among the values that were emulated of which the later is worse by more than chance."""
        emulated = sorted((probe for probe in self.probes if probe.kind == "emulation"), key=lambda probe: probe.rung)
        return [(a, b) for a, b in pairwise(emulated) if is_broken(self._goodness(a), self._goodness(b))]

    def _goodness(self, probe: Probe) -> list[float]:
        sign = -1.0 if self.goal.share is None and self.goal.at_most else 1.0
        return [sign * value for value in np.nan_to_num(probe.trials)]

    def data(self) -> dict[str, Any]:
        """Return the search as the object of `dmimo dimension --json`."""
        return {
            "goal": self.goal.text,
            "key": self.ladder.key,
            "range": [self.ladder.values[0], self.ladder.values[-1]],
            "rungs": len(self.ladder.values),
            "seed": self.seed,
            "n_trials": self.n_trials,
            "answer": self._value(self.reached),
            "not_ruled_out_from": self._value(self.not_ruled_out),
            "shown_from": self._value(self.shown),
            "confirmation": None if self.confirmation is None else _probe_data(self.confirmation),
            "monotone": not self.breaks,
            "probes": [_probe_data(probe) for probe in self.probes],
        }

    def _value(self, rung: int) -> Any:
        return self.ladder.values[rung] if rung < len(self.ladder.values) else None

    def rows(self) -> list[Sequence[Any]]:
        """Return the looks as a table, column names first."""
        head = ("number", "kind", "value", "outcome", "low", "high", "reached", "verdict")
        return [head, *((i, *_row(probe)) for i, probe in enumerate(self.probes, 1))]

    def summary(self) -> list[str]:
        """Return every decision, and the answer, in lines."""
        head = ("", "kind", self.ladder.key, self.goal.axis, "95 % interval", "goal")
        return [
            f"Goal: {self.goal.text}; {self.n_trials} trials of each value, the same seeds for all",
            *aligned([head, *((f"{i}", *self._cells(probe)) for i, probe in enumerate(self.probes, 1))]),
            *self._verdict(),
            *(_break_text(a, b) for a, b in self.breaks or ()),
            *([] if self.breaks else ["No value that was tried is worse than one before it by more than chance"]),
            f"Processor time {self.cpu_s:.0f} s",
        ]

    def _cells(self, probe: Probe) -> Sequence[str]:
        said = "reached" if probe.reached else "not reached"
        verdict = "" if probe.kind == "bound" else f", {_VERDICTS[probe.verdict]}"
        return probe.kind, probe.text, *self._outcome(probe.outcome), said + verdict

    def _outcome(self, outcome: Interval) -> tuple[str, str]:
        write = percent if self.goal.share is not None else (lambda value: f"{value:.4g}")
        value, low, high = (float(limit) for limit in outcome)
        return write(value), "" if np.isnan(low) else f"{write(low)} to {write(high)}"

    def _verdict(self) -> list[str]:
        answer, told = self.answer, self.confirmation
        if answer is None or told is None:
            return [f"Answer: none; {self.ladder.key} up to {self.ladder.text(-1)} does not reach the goal"]
        value, limits = self._outcome(told.outcome)
        possible, sure = self._rung_text(self.not_ruled_out), self._rung_text(self.shown)
        return [
            f"Answer: {self.ladder.key} = {answer.text}{self._at_the_end()}",
            f"  not ruled out from {possible} on, shown from {sure} on (95 %)",
            f"  on {self.n_trials} seeds not used: {value} ({limits}), {_CONFIRMED[told.verdict]}",
        ]

    def _at_the_end(self) -> str:
        return ", the first of the range: perhaps less would do" if self.reached == 0 else ""

    def _rung_text(self, rung: int) -> str:
        return self.ladder.text(rung) if rung < len(self.ladder.values) else "none of the range"

    def picture(self) -> Figure:
        """Return the outcome against the values that were tried."""
        return pictures.dimensioning(self.goal, self.ladder, self.probes, self.answer, self.n_trials)


_VERDICTS = {Verdict.MET: "shown", Verdict.NOT_MET: "ruled out", Verdict.NOT_SHOWN: "open with these trials"}
_CONFIRMED = {
    Verdict.MET: "confirmed: the goal is shown to be met",
    Verdict.NOT_MET: "refuted: the goal is not met there",
    Verdict.NOT_SHOWN: "in agreement: the interval holds the goal",
}


def _probe_data(probe: Probe) -> dict[str, Any]:
    outcome = dict(zip(("value", "low", "high"), map(float, probe.outcome), strict=True))
    return {
        "kind": probe.kind,
        "value": probe.value,
        "outcome": outcome,
        "reached": probe.reached,
        "verdict": None if probe.kind == "bound" else probe.verdict,
    }


def _row(probe: Probe) -> Sequence[Any]:
    verdict = "" if probe.kind == "bound" else probe.verdict
    return probe.kind, probe.value, *map(float, probe.outcome), probe.reached, verdict


def _break_text(a: Probe, b: Probe) -> str:
    return f"Not monotone: {b.text} is worse than {a.text} by more than chance; the answer is one of several crossings"
