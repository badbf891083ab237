"""What a sweep is to do: its settings, its trials, and the seed of each, all known before anything runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from scenarios.figures.common import realization_seed
from scenarios.file.contents import contents
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.size import require_fit, run_size
from scenarios.output.folders import flat_settings
from scenarios.sweeps.experiments import EXPERIMENTS
from scenarios.version import program_version

__all__ = ["Plan", "Setting", "Task"]

Setting = Mapping[str, Any]
"""Values by dotted key of the scenario."""


class Task(NamedTuple):
    """One trial at one setting; its number stays the same when trials are added."""

    number: int
    setting: Setting
    seed: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of a sweep, and its trials.

    Attributes
    ----------
    scenario
        What all settings have in common.
    over
        A grid: the values of each key. Empty where there are points.
    points
        A list of settings instead.
    what
        Name of the experiment.
    trials
        At each setting. Trial i has the same seed in all of them, so that what is drawn at random is common to all.
    seed
        Of all trials.
    """

    scenario: Scenario
    over: Mapping[str, Sequence[Any]]
    points: Sequence[Setting] = ()
    what: str = "run"
    trials: int
    seed: int = 1

    @cached_property
    def settings(self) -> list[Setting]:
        """All settings, the last key changing fastest; one without any change where there is nothing to sweep over."""
        if self.points:
            return list(self.points)
        return [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]

    def check(self) -> None:
        """Refuse what cannot be run, before anything is.

        Raises
        ------
        ScenarioError
            With the setting that is wrong, or that does not fit into memory.
        """
        if self.what not in EXPERIMENTS:
            raise ScenarioError("--what", [f'got "{self.what}"; allowed: one of {", ".join(EXPERIMENTS)}'])
        if self.over and self.points:
            raise ScenarioError("--points", ["got a list of points and a grid; allowed: one of them"])
        if twice := [key for key, values in self.over.items() if len({*map(_text, values)}) < len(values)]:
            raise ScenarioError("--over", [f"{key}: got a value twice; allowed: each once" for key in twice])
        if empty := [key for key, values in self.over.items() if not values]:
            raise ScenarioError("--over", [f"{key}: got no value; allowed: one at least" for key in empty])
        for setting in self.settings:
            self._check_setting(setting)

    def _check_setting(self, setting: Setting) -> None:
        said = ", ".join(f"{key} = {_text(value)}" for key, value in setting.items()) or "the scenario"
        try:
            scenario = self.scenario.with_(setting)
        except ScenarioError as error:
            raise ScenarioError(said, error.problems) from error
        if self.what == "run":
            require_fit(run_size(scenario), said)

    def tasks(self) -> list[Task]:
        """Return all tasks, those of the first trial first: a sweep that was cut short has as many of each setting."""
        seeds = [realization_seed(self.seed, trial) for trial in range(self.trials)]
        return [
            Task(trial * len(self.settings) + number, setting, seed)
            for trial, seed in enumerate(seeds)
            for number, setting in enumerate(self.settings)
        ]

    def said(self) -> dict[str, Any]:
        """Return what results follow from, as plain data; trials can be added to those that there are."""
        scenario = {f"scenario.{key}": value for key, value in flat_settings(self.scenario.data()).items()}
        swept = {f"over.{key}": list(values) for key, values in self.over.items()}
        points = {"points": [dict(point) for point in self.points]} if self.points else {}
        own = {"what": self.what, "seed": self.seed, "version": program_version()}
        return scenario | self._contents() | flat_settings(swept | points) | own

    def _contents(self) -> dict[str, str]:
        """Return digests of the files that the scenario names, and of others that single settings name."""
        found = contents(self.scenario)
        for number, setting in enumerate(self.settings):
            if not all(isinstance(value, int | float) for value in setting.values()):  # a number names no file
                named = contents(self.scenario.with_(setting))
                found |= {f"{key}, setting {number}": text for key, text in named.items() if found.get(key) != text}
        return found

    def command(self) -> str:
        """Return the command that does the same, in words of the command line."""
        over = "".join(f" --over '{key}={','.join(map(_text, values))}'" for key, values in self.over.items())
        points = " --points FILE" if self.points else ""
        return f"dmimo sweep scenario.toml{over}{points} --what {self.what} --trials {self.trials} --seed {self.seed}"


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
