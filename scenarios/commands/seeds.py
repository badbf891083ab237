"""A scenario run with one seed, or with each of a range of seeds: a folder each, and a table over all of them."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scenarios.commands.checkpoints import Checkpoints
from scenarios.commands.run import execute, output_folder, print_summary, write_folder
from scenarios.commands.terminal import console, say, say_written, show
from scenarios.file.scenario import Scenario
from scenarios.output import results
from scenarios.output.folders import OutputFolder
from scenarios.output.lengths import length_text
from scenarios.output.painters import Painters

if TYPE_CHECKING:
    from rich.table import Table

    from emulator.results import RunResult
    from scenarios.figures.common import Interval

__all__ = ["Request", "Tally", "run_seed", "run_seeds", "summary"]


class Request(NamedTuple):
    """What was asked for, whatever the seed."""

    scenario: Scenario
    painters: Painters
    overwrite: bool
    every: int | None
    resume: bool
    as_json: bool
    began_s: float


class Prepared(NamedTuple):
    """A seed of which the folder was checked; the scenario is complete if there is a folder."""

    seed: int
    scenario: Scenario
    folder: OutputFolder | None
    checkpoints: Checkpoints | None


def _prepared(request: Request, seed: int, path: Path | None) -> Prepared:
    if path is None:
        return Prepared(seed, request.scenario, None, None)
    complete = request.scenario.resolved(seed)
    folder = output_folder(path, complete, seed, request.overwrite)
    checkpoints = Checkpoints.of(folder, request.every, request.resume)
    folder.check()
    checkpoints.check()
    return Prepared(seed, complete, folder, checkpoints)


def _run(request: Request, one: Prepared, label: str = "CPI") -> tuple["RunResult", list[Path]]:
    """Run a seed and write its folder, if it has one."""
    result = execute(request.scenario, one.seed, one.folder, one.checkpoints, label)
    if one.folder is None or one.checkpoints is None:
        return result, []
    paths = write_folder(one.folder, one.scenario, one.seed, result, request.painters)
    one.checkpoints.end()
    return result, paths


def run_seed(request: Request, seed: int, path: Path | None) -> None:
    """Run one seed, and show what came of it."""
    result, paths = _run(request, _prepared(request, seed, path))
    wall_s = time.perf_counter() - request.began_s
    if request.as_json:
        sys.stdout.writelines(results.run_pieces(result, seed, wall_s=wall_s))
        return
    print_summary(result, wall_s, console())
    say_written(paths)


class Tally(NamedTuple):
    """What came of the run of one seed, in numbers."""

    seed: int
    n: int
    """Targets, counted once in each CPI."""
    resolved: int
    missed: int
    median_error_m: float
    """Over these targets, a missed one as infinite; NaN without targets."""
    false_per_cpi: float
    sum_se_bit_s_hz: float
    latency_s: float

    @classmethod
    def of(cls, seed: int, result: "RunResult") -> "Tally":
        """Return the tally of a run."""
        cpis = result.cpis
        status = [status for cpi in cpis for status in cpi.score.status]
        errors_m = np.concatenate([cpi.score.error_m for cpi in cpis])
        return cls(
            seed=seed,
            n=len(status),
            resolved=status.count("resolved"),
            missed=status.count("missed"),
            median_error_m=float(np.median(np.nan_to_num(errors_m, nan=np.inf))) if status else np.nan,
            false_per_cpi=float(np.mean([len(cpi.score.false_indices) for cpi in cpis])),
            sum_se_bit_s_hz=float(np.mean([np.sum(cpi.se_bit_s_hz) for cpi in cpis])),
            latency_s=float(np.mean([cpi.sensing_latency_s for cpi in cpis])),
        )

    def share(self, count: int) -> float:
        """Return a count as a share of the targets; NaN without targets."""
        return count / self.n if self.n else np.nan


def run_seeds(request: Request, seeds: range, places: Sequence[Path | None]) -> None:
    """Run each seed, writing to its own place, and show what came of all of them.

    All folders are checked before anything is computed.
    """
    tallies, runs, folders = [], [], []
    prepared = [_prepared(request, seed, place) for seed, place in zip(seeds, places, strict=True)]
    for number, one in enumerate(prepared, start=1):
        result, _ = _run(request, one, f"seed {one.seed} ({number} of {len(seeds)}), CPI")
        tallies.append(Tally.of(one.seed, result))
        folders += [one.folder.path] if one.folder is not None else []
        runs += [results.run_data(result, one.seed)] if request.as_json else []
    wall_s = time.perf_counter() - request.began_s
    if request.as_json:
        say(results.json_text({"runs": runs, "summary": _plain(summary(tallies)), "wall_s": wall_s}).rstrip())
        return
    show(_table(tallies), console())
    for line in _lines(tallies):
        say(line)
    say(f"{'Wall-clock time':<{WIDEST}}  {wall_s:.2f} s for {len(seeds)} seeds")
    say_written(folders)


WIDEST = 34


class Row(NamedTuple):
    """A number that a summary has of all seeds, with what it is called and how it is written."""

    name: str
    heading: str
    of: Callable[[Tally], float]
    text: Callable[[float], str]
    most: float = np.inf
    """What it cannot exceed; none is below zero."""


ROWS = (
    Row("share_resolved", "Resolved, of all targets", lambda one: one.share(one.resolved), "{:.1%}".format, 1.0),
    Row("share_missed", "Missed, of all targets", lambda one: one.share(one.missed), "{:.1%}".format, 1.0),
    Row("median_error_m", "Median error, missed: infinite", lambda one: one.median_error_m, length_text),
    Row("false_detections", "False detections a CPI", lambda one: one.false_per_cpi, "{:.3g}".format),
    Row("sum_se_bit_s_hz", "Sum spectral efficiency (bit/s/Hz)", lambda one: one.sum_se_bit_s_hz, "{:.2f}".format),
    Row("sensing_latency_s", "Sensing latency (ms)", lambda one: one.latency_s, lambda value: f"{1e3 * value:.3f}"),
)


def summary(tallies: Sequence[Tally]) -> dict[str, "Interval"]:
    """Return the mean over seeds, of errors the median, each with the limits of its 95 % interval.

    A seed counts once: the CPIs of a run share their layout, and tell less than as many seeds would.
    """
    from scenarios.figures.common import Interval, mean_interval, median_interval

    kinds = {"median_error_m": median_interval}
    found = {row: kinds.get(row.name, mean_interval)([row.of(one) for one in tallies]) for row in ROWS}
    return {row.name: Interval(*np.clip(interval, 0.0, row.most)) for row, interval in found.items()}


def _plain(found: dict[str, "Interval"]) -> dict[str, Any]:
    return {name: interval._asdict() for name, interval in found.items()}


def _lines(tallies: Sequence[Tally]) -> list[str]:
    return [
        f"{row.heading:<{WIDEST}}  {_text(row, interval)}"
        for row, interval in zip(ROWS, summary(tallies).values(), strict=True)
        if not np.isnan(interval.value)
    ]


def _text(row: Row, interval: "Interval") -> str:
    value, low, high = (row.text(float(number)) for number in interval)
    return value if np.isnan(interval.low) else f"{value}, 95 % interval {low} to {high}"


def _table(tallies: Sequence[Tally]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=f"{len(tallies)} seeds", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for heading in ("seed", "resolved", "missed", "false a CPI", "median error", "sum SE (bit/s/Hz)", "latency (ms)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in tallies:
        counts = f"{one.resolved} of {one.n}", str(one.missed), f"{one.false_per_cpi:.3g}"
        means = length_text(one.median_error_m), f"{one.sum_se_bit_s_hz:.2f}", f"{1e3 * one.latency_s:.3f}"
        table.add_row(str(one.seed), *counts, *means)
    return table
