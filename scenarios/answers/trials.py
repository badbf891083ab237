"""Trials: emulations of one scenario, each with a seed of its own that follows from its number."""

import time
from functools import partial
from typing import NamedTuple

from emulator.results import CpiResult
from scenarios.figures.common import each_realization, realization_seed
from scenarios.file.scenario import Scenario

__all__ = ["Trial", "run_trials"]


class Trial(NamedTuple):
    """What came of one emulation."""

    cpis: tuple[CpiResult, ...]
    """Without what was fused."""
    cpu_s: float

    @property
    def sensing(self) -> list[CpiResult]:
        """The CPIs that were not of pilots."""
        return [cpi for cpi in self.cpis if not cpi.has_pilots]


def run_trials(
    scenario: Scenario,
    seed: int,
    n_trials: int,
    workers: int | None,
    label: str,
    *,
    first: int = 0,
    estimating: bool = True,
) -> list[Trial]:
    """Return trials ``first`` to ``first + n_trials - 1`` of a scenario; the seed of each follows from its number.

    Two scenarios with the same seed get the same random numbers, trial by trial, as far as they draw the same.
    """
    task = partial(_trial, scenario=scenario, seed=seed, first=first, estimating=estimating)
    return each_realization(task, n_trials, workers, label)


def _trial(index: int, scenario: Scenario, seed: int, first: int, estimating: bool) -> Trial:
    began_s = time.process_time()
    parts = {} if estimating else {"estimator": None}
    emulation = scenario.build(realization_seed(seed, first + index), tracing=False, **parts)
    cpis = tuple(cpi.without_observation() for cpi in emulation.run().cpis)
    return Trial(cpis, time.process_time() - began_s)
