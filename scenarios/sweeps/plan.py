"""What a sweep is to do: its settings, its trials, and the seed of each, all known before anything runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from scenarios.fan_out import check_count
from scenarios.figures.common import realization_seed
from scenarios.file.contents import contents
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.size import require_fit, run_size
from scenarios.output.folders import flat_settings
from scenarios.sweeps.experiments import EXPERIMENTS
from scenarios.version import program_version

__all__ = ["Plan", "Setting", "Task", "plain_grid", "plain_points"]

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
    plugins
        Modules that settings may name classes of.
    """

    scenario: Scenario
    over: Mapping[str, Sequence[Any]]
    points: Sequence[Setting] = ()
    what: str = "run"
    trials: int
    seed: int = 1
    plugins: Sequence[str] = ()

    @cached_property
    def settings(self) -> list[Setting]:
        """All settings, the last key changing fastest; one without any change where there is nothing to sweep over."""
        if self.points:
            return list(self.points)
        return [dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())]

    def with_(self, setting: Setting) -> Scenario:
        """Return the scenario of a setting; raises ScenarioError."""
        return self.scenario.with_(setting, self.plugins)

    def check(self) -> None:
        """Refuse what cannot be run, before anything is.

        Raises
        ------
        ScenarioError
            With the setting that is wrong, or that does not fit into memory.
        """
        check_count("--trials", self.trials)
        check_count("--seed", self.seed, least=0)
        if self.what not in EXPERIMENTS:
            raise ScenarioError("--what", [f'got "{self.what}"; allowed: one of {", ".join(EXPERIMENTS)}'])
        if self.over and self.points:
            raise ScenarioError("--points", ["got a list of points and a grid; allowed: one of them"])
        if twice := [key for key, values in self.over.items() if len({*map(_told_apart, values)}) < len(values)]:
            raise ScenarioError("--over", [f"{key}: got a value twice; allowed: each once" for key in twice])
        if empty := [key for key, values in self.over.items() if not values]:
            raise ScenarioError("--over", [f"{key}: got no value; allowed: one at least" for key in empty])
        for setting in self.settings:
            self._check_setting(setting)

    def _check_setting(self, setting: Setting) -> None:
        said = ", ".join(f"{key} = {_text(value)}" for key, value in setting.items()) or "the scenario"
        try:
            scenario = self.with_(setting)
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
        points = {"points": [dict(point) for point in self.points], "n_points": len(self.points)} if self.points else {}
        own = {"what": self.what, "seed": self.seed, "version": program_version()}
        return scenario | self._contents() | flat_settings(swept | points) | own

    def _contents(self) -> dict[str, str]:
        """Return digests of the files that the scenario names, and of others that single settings name."""
        found = contents(self.scenario)
        for number, setting in enumerate(self.settings):
            if not all(isinstance(value, int | float) for value in setting.values()):  # a number names no file
                named = contents(self.with_(setting))
                found |= {f"{key}, setting {number}": text for key, text in named.items() if found.get(key) != text}
        return found

    def command(self) -> str:
        """Return the command that does the same, in words of the command line."""
        over = "".join(f" --over '{key}={','.join(map(_text, values))}'" for key, values in self.over.items())
        points = " --points FILE" if self.points else ""
        return f"dmimo sweep scenario.toml{over}{points} --what {self.what} --trials {self.trials} --seed {self.seed}"


def plain_grid(over: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    """Return a grid in lists and plain numbers, as those of NumPy are not; raises ScenarioError."""
    wrong = [key for key, values in over.items() if isinstance(values, str | Mapping) or not np.iterable(values)]
    if wrong:
        raise ScenarioError("over", [f"{key}: got {over[key]!r:.60}; allowed: a list of values" for key in wrong])
    return {key: [_plain(value) for value in values] for key, values in over.items()}


def plain_points(points: Iterable[Setting]) -> list[Setting]:
    """Return a list of settings in plain numbers; raises ScenarioError."""
    found = list(points)
    if wrong := [point for point in found if not isinstance(point, Mapping)]:
        text = f'got {wrong[0]!r:.60}; allowed: a list of dicts, such as that of DataFrame.to_dict("records")'
        raise ScenarioError("points", [text])
    return [{key: _plain(value) for key, value in point.items()} for point in found]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _told_apart(value: Any) -> Any:
    """Return what is the same for the same values: 10 and 10.0 are."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, default=str)
