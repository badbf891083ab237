"""What the paper's figures share: realisations on several cores, intervals, and the files they are written to."""

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from scenarios.fan_out import check_count, each_done, local_pool
from scenarios.output import draw
from scenarios.output.folders import OutputFolder
from scenarios.output.progress import doing, with_progress
from scenarios.output.results import json_text
from scenarios.version import SCHEMA_VERSION

__all__ = [
    "Interval", "Result", "each_realization", "file_names", "mean_interval", "median_interval", "realization_seed",
    "rms_interval", "save", "share_interval",
]  # fmt: skip

Float = NDArray[np.float64]
T = TypeVar("T")
CONFIDENCE = 0.95
FEWEST_FOR_RMS, N_RESAMPLES = 10, 2000


class Result(Protocol):
    """What a figure's ``run`` returns."""

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure --json`."""

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, column names first."""

    def summary(self) -> list[str]:
        """Return what the figure shows, in a few lines."""

    def picture(self) -> Figure:
        """Return the figure drawn."""


class Interval(NamedTuple):
    """A value and the limits of its 95 % confidence interval; NaN where there are too few samples for one."""

    value: Float
    low: Float
    high: Float


def realization_seed(seed: int, index: int) -> int:
    """Return the scenario seed of a realisation: a function of its address, whoever runs it and when.

    >>> realization_seed(1, 0) == realization_seed(1, 0) != realization_seed(1, 1)
    True
    """
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def each_realization(task: Callable[[int], T], n_realizations: int, workers: int | None, label: str) -> list[T]:
    """Return the task's results for 0 .. n - 1, in this order, from several processes of one BLAS thread each.

    Parameters
    ----------
    task
        A function that can be pickled; its result must follow from the index alone.
    n_realizations
        How many, at least 1.
    workers
        Processes; None: one for each core. The results are the same bytes for any number.
    label
        What the progress bar on standard error calls it; the bar is drawn on a terminal only.

    Raises
    ------
    ScenarioError
        If one of the numbers is below 1.
    """
    check_count("--realizations", n_realizations)
    check_count("--workers", 1 if workers is None else workers)
    with local_pool(workers, n_realizations) as pool:
        found = dict(with_progress(each_done(task, range(n_realizations), pool), n_realizations, label))
    return [found[index] for index in range(n_realizations)]


def mean_interval(samples: ArrayLike) -> Interval:
    """Return the mean over axis 0 and its Student interval.

    >>> mean_interval([1.0, 2.0, 3.0]).value
    np.float64(2.0)
    """
    values = np.asarray(samples, dtype=float)
    mean = values.mean(axis=0)
    if len(values) < 2:
        return Interval(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    from scipy.stats import t

    reach = t.ppf(0.5 + 0.5 * CONFIDENCE, len(values) - 1) * values.std(axis=0, ddof=1) / math.sqrt(len(values))
    return Interval(mean, mean - reach, mean + reach)


def median_interval(samples: ArrayLike) -> Interval:
    """Return the median over axis 0 and the interval between order statistics that holds it with at least 95 %.

    The number of samples below the median of their law is binomial with probability one half, whatever the law is.
    Fewer than six samples give no such interval.
    """
    values = np.sort(np.asarray(samples, dtype=float), axis=0)
    n, median = len(values), np.median(values, axis=0)
    from scipy.stats import binom

    rank = int(binom.ppf(0.5 - 0.5 * CONFIDENCE, n, 0.5))  # the chance of fewer than this many below is <= 2.5 %
    if rank < 1:
        return Interval(median, np.full_like(median, np.nan), np.full_like(median, np.nan))
    return Interval(median, values[rank - 1], values[n - rank])


def share_interval(count: float, n: float) -> Interval:
    """Return a share of n trials with the interval of Clopper and Pearson, which holds it with at least 95 %.

    >>> share_interval(0, 10).high.round(3)
    np.float64(0.308)
    """
    from scipy.stats import beta

    tail = 0.5 - 0.5 * CONFIDENCE
    low = beta.ppf(tail, count, n - count + 1) if count else 0.0
    high = beta.ppf(1.0 - tail, count + 1, n - count) if count < n else 1.0
    return Interval(*np.array([count / n, low, high]))


def rms_interval(ratio: Float) -> Interval:
    """Return the root mean square of errors over bounds with its bootstrap interval; NaN for fewer than ten."""
    if len(ratio) < FEWEST_FOR_RMS:
        return Interval(*np.full(3, np.nan))
    picks = np.random.default_rng(len(ratio)).integers(len(ratio), size=(N_RESAMPLES, len(ratio)))
    low, high = np.quantile(np.sqrt(np.mean(ratio[picks] ** 2, axis=1)), (0.025, 0.975))
    return Interval(np.sqrt(np.mean(ratio**2)), low, high)


def file_names(name: str) -> tuple[str, ...]:
    """Return the names of the files of a figure, the one that completes them last."""
    return tuple(f"{name}.{suffix}" for suffix in ("csv", "png", "pdf", "json"))


def save(result: Result, name: str, folder: OutputFolder) -> list[Path]:
    """Write a figure as name.json, .csv, .png and .pdf."""
    with doing(f"drawing {name}"):
        figure = _laid_out(result.picture())
        return folder.write(
            {
                f"{name}.json": lambda path: path.write_text(json_text(result.data()), encoding="utf-8"),
                f"{name}.csv": lambda path: _save_table(result, path),
                f"{name}.png": lambda path: draw.save(figure, path),
                f"{name}.pdf": lambda path: draw.save(figure, path, "pdf"),
            }
        )


def _save_table(result: Result, path: Path) -> None:
    """Write the rows as CSV, after a comment line that tells the version of the layout."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# schema_version: {SCHEMA_VERSION}\n")
        csv.writer(file, lineterminator="\n").writerows(map(_cells, result.rows()))


def _laid_out(figure: Figure) -> Figure:
    """Return the figure with everything in the place where it stays.

    Left with a layout engine, a figure is drawn twice for each file that it is saved to: once to lay it out.
    """
    with draw.styled():
        figure.set_dpi(draw.STYLE["savefig.dpi"])
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
    return figure


def _cells(row: Sequence[Any]) -> list[Any]:
    """Return a row whose missing numbers are empty cells."""
    return ["" if isinstance(cell, float) and not math.isfinite(cell) else cell for cell in row]
