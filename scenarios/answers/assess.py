"""Which sensing service a network can give: trials with targets anywhere in the area, against 3GPP TS 22.137.

The network stands as the seed draws it; what each trial draws anew is where the targets are, their phases, the noise
and the fading. What is judged:

- accuracy: share of found targets whose error is within the limit, at least the confidence level;
- missed detection: share of targets of a CPI that no estimate belongs to;
- false alarm: share of CPIs with an estimate that belongs to no target, wherever in the area;
- latency: share of CPIs whose result came in time after the start of their first slot, at least the confidence level;
- refresh: share of results that came in time after the one before, at least the confidence level.

CPIs of pilots give no result. Vertical accuracy, velocities and resolution are not assessed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.network import Area, Network
from scenarios.answers import pictures
from scenarios.answers.categories import Category, Limits, categories, document
from scenarios.answers.pictures import Place
from scenarios.answers.text import aligned, percent, range_text
from scenarios.answers.trials import Trial, run_trials
from scenarios.answers.verdicts import Verdict, at_least, at_most, clustered_share, together, trials_without_one
from scenarios.figures.common import Interval
from scenarios.file.scenario import Scenario
from scenarios.output.lengths import length_text

__all__ = ["Assessment", "Evidence", "Requirement", "assess", "judge", "network_of", "requirements"]

Float = NDArray[np.float64]


class Requirement(NamedTuple):
    """One requirement of a category, and what the trials say of it.

    ``share`` is that of samples that are as they must be for accuracy, latency and refresh, and of those that failed
    for missed detection and false alarm; ``need`` is what it is compared with.
    """

    name: str
    limit: str
    measured: str
    share: Interval
    need: float
    verdict: Verdict


class Evidence(NamedTuple):
    """What is judged, one array a trial."""

    errors_m: list[Float]
    missed: list[NDArray[np.bool_]]
    false_alarms: list[NDArray[np.bool_]]
    latencies_s: list[Float]
    gaps_s: list[Float]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "Evidence":
        """Return the evidence of trials."""
        errors = [np.array([cpi.score.error_m for cpi in trial.sensing]).ravel() for trial in trials]
        published = [np.array([cpi.published_ns for cpi in trial.sensing]) for trial in trials]
        return cls(
            errors_m=[error[np.isfinite(error)] for error in errors],
            missed=[~np.isfinite(error) for error in errors],
            false_alarms=[np.array([len(cpi.score.false_indices) > 0 for cpi in trial.sensing]) for trial in trials],
            latencies_s=[np.array([cpi.sensing_latency_s for cpi in trial.sensing]) for trial in trials],
            gaps_s=[1e-9 * np.diff(times) for times in published],
        )


def network_of(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with the network that a seed draws, and targets that are placed anew by each other seed."""
    from scenarios.file.build import drawn_settings

    drawn = drawn_settings(scenario, seed)
    left_out = {"position_m", "scatter_phase_rad"}
    tables = [{key: value for key, value in target.items() if key not in left_out} for target in drawn["targets"]]
    return scenario.with_(drawn | {"targets": tables})


def assess(scenario: Scenario, n_trials: int, seed: int = 1, workers: int | None = None) -> "Assessment":
    """Return the assessment of a scenario.

    Parameters
    ----------
    scenario
        Its network is drawn once; targets with waypoints keep their ways, all others are placed anew in each trial.
    n_trials
        How many emulations.
    seed
        Of the network, and of all trials.
    workers
        Processes; None: one for each core.
    """
    network = network_of(scenario, seed)
    trials = run_trials(network, seed, n_trials, workers, "assess")
    emulation = network.build(seed, tracing=False)
    return Assessment(
        seed=seed, n_cpis=scenario.schedule.cpis, trials=tuple(trials), network=emulation.network, area=emulation.area
    )


# -- verdicts ----------------------------------------------------------------------------------------------------------


def requirements(evidence: Evidence, category: Category, pick: Callable[[Limits], float]) -> list[Requirement]:
    """Return the requirements of a category, judged; ``pick`` takes the strictest or the loosest limit."""
    confidence = pick(category.confidence)

    def timely(name: str, samples: list[Float], limit: float, text: Callable[[float], str]) -> Requirement:
        share = clustered_share([sample <= limit for sample in samples])
        measured = _quantile(samples, confidence, text)
        need = f"<= {text(limit)} in {percent(confidence)}"
        return Requirement(name, need, measured, share, confidence, at_least(share, confidence))

    def rare(name: str, samples: list[NDArray[np.bool_]], limit: float) -> Requirement:
        share = clustered_share(samples)
        text = percent(float(share.value))
        return Requirement(name, f"<= {percent(limit)}", text, share, limit, at_most(share, limit))

    found = [
        rare("missed detection", evidence.missed, pick(category.missed)),
        rare("false alarm", evidence.false_alarms, pick(category.false_alarm)),
        timely("latency", evidence.latencies_s, pick(category.latency_s), _seconds),
        timely("refresh", evidence.gaps_s, pick(category.refresh_s), _seconds),
    ]
    if category.horizontal_m is None:
        return found
    return [timely("horizontal accuracy", evidence.errors_m, pick(category.horizontal_m), length_text), *found]


def _quantile(samples: list[Float], share: float, text: Callable[[float], str]) -> str:
    values = np.concatenate(samples)
    if not len(values):
        return "no sample"
    return f"{percent(share)} within {text(float(np.quantile(values, share, method='higher')))}"


def _seconds(time_s: float) -> str:
    return f"{1e3 * time_s:.3g} ms" if time_s < 1.0 else f"{time_s:g} s"


def judge(found: Sequence[Requirement]) -> Verdict:
    """Return the verdict on a category, in what is assessed of it."""
    return together(requirement.verdict for requirement in found)


class Judged(NamedTuple):
    """A category with its requirements and verdicts, in its strictest use and in its loosest."""

    category: Category
    strictest: list[Requirement]
    loosest: list[Requirement]


# -- the result --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What the trials of a network say of the categories."""

    seed: int
    n_cpis: int
    trials: tuple[Trial, ...]
    network: Network
    area: Area

    @property
    def cpu_s(self) -> float:
        """Processor time of all trials."""
        return sum(trial.cpu_s for trial in self.trials)

    @cached_property
    def judged(self) -> list[Judged]:
        """All categories."""
        evidence = Evidence.of(self.trials)
        uses = (lambda limits: limits.strictest), (lambda limits: limits.loosest)
        return [Judged(one, *(requirements(evidence, one, pick) for pick in uses)) for one in categories()]

    @property
    def places(self) -> list[Place]:
        """Where targets stood, and what became of them."""
        return [place for trial in self.trials if trial.sensing for place in _places(trial)]

    def data(self) -> dict[str, Any]:
        """Return the assessment as the object of `dmimo assess --json`."""
        return {
            "document": document(),
            "seed": self.seed,
            "n_trials": len(self.trials),
            "n_cpis": self.n_cpis,
            "interval": "95 %, Clopper and Pearson, a trial counts as one sample",
            "categories": [_category_data(one) for one in self.judged],
            "places": [place._asdict() for place in self.places],
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the requirements as a table, column names first."""
        head = ("category", "use", "requirement", "limit", "measured", "share", "low", "high", "verdict")
        return [head, *(row for one in self.judged for row in _rows(one))]

    def summary(self) -> list[str]:
        """Return the verdicts, and what they rest on, in lines."""
        n_targets = len(self.trials[0].cpis[0].truth_m)
        placed = f"{n_targets} target{'s' * (n_targets != 1)} anew in each"
        return [
            f"{document()['name']}: {len(self.trials)} trials of {self.n_cpis} CPIs, {placed}",
            "",
            *aligned([("category", "strictest use", "loosest use", "for"), *map(_verdict_row, self.judged)]),
            "",
            *aligned([("category", "requirement", "limit", "measured", "95 % interval", "verdict"), *self._lines()]),
            "",
            "Not assessed: vertical accuracy, velocities, resolution; a verdict is on the rest.",
            f"Processor time {self.cpu_s:.0f} s",
        ]

    def _lines(self) -> list[Sequence[str]]:
        return [line for one in self.judged for line in _lines(one)]

    def picture(self) -> Figure:
        """Return the map of where targets were located how exactly, beside the verdicts."""
        limits = sorted({one.category.horizontal_m.strictest for one in self.judged if one.category.horizontal_m})
        table = {
            f"{one.category.number}": {found.name: found.verdict for found in one.strictest} for one in self.judged
        }
        title = f"{len(self.trials)} trials of {self.n_cpis} CPIs, seed {self.seed}"
        return pictures.assessment(self.places, limits, self.area, self.network, table, title)


def _places(trial: Trial) -> list[Place]:
    errors = np.array([cpi.score.error_m for cpi in trial.sensing])
    worst = np.max(np.where(np.isfinite(errors), errors, np.inf), axis=0)
    positions = trial.sensing[-1].truth_m
    return [Place((float(x), float(y)), float(error)) for (x, y), error in zip(positions, worst, strict=True)]


def _category_data(one: Judged) -> dict[str, Any]:
    category = one.category
    return {
        "number": category.number,
        "scenario": category.scenario,
        "source": category.source,
        "words": category.words,
        "not_assessed": category.not_assessed,
        **{
            use: {"verdict": judge(found), "requirements": [_requirement_data(each) for each in found]}
            for use, found in (("strictest", one.strictest), ("loosest", one.loosest))
        },
    }


def _requirement_data(one: Requirement) -> dict[str, Any]:
    return one._asdict() | {"share": dict(zip(("value", "low", "high"), one.share, strict=True))}


def _rows(one: Judged) -> list[Sequence[Any]]:
    uses = {"strictest": one.strictest, "loosest": one.loosest}
    return [
        (one.category.number, use, each.name, each.limit, each.measured, *map(float, each.share), each.verdict)
        for use, found in uses.items()
        for each in found
    ]


def _verdict_row(one: Judged) -> Sequence[str]:
    category = one.category
    uses = judge(one.strictest), judge(one.loosest)
    return f"{category.number}", *uses, f"{category.scenario}: {category.example}"


def _lines(one: Judged) -> list[Sequence[str]]:
    """Return the requirements of the strictest use as cells, then those of the loosest that differ."""
    number = f"{one.category.number}"
    strict = [(number, *_cells(each)) for each in one.strictest]
    loose = [each for each, other in zip(one.loosest, one.strictest, strict=True) if each.limit != other.limit]
    return [*strict, *((f"{number}, loosest", *_cells(each)) for each in loose)]


def _cells(one: Requirement) -> Sequence[str]:
    return one.name, one.limit, one.measured, range_text(one.share), one.verdict + _more_trials(one)


def _more_trials(one: Requirement) -> str:
    """Return how many trials would show it, where none failed and these are too few."""
    best = round(one.need)  # of shares that must be high 1, of those that must be low 0
    allowed = abs(best - one.need)
    too_few = one.share.value == best and one.verdict is Verdict.NOT_SHOWN
    return f", {trials_without_one(allowed)} such trials would" if too_few else ""
