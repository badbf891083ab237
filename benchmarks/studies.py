"""What the statistical studies of the estimator share: trials in parallel, intervals, tables, JSON.

A study is a command ``python -m benchmarks.study_X --trials N --workers 2 --out FILE.json``. Each trial draws from a
generator of its own, seeded by numbers that the study prints, so that its outcome depends neither on the number of
workers nor on the other trials. BLAS runs on one thread.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from threadpoolctl import threadpool_limits

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import check_file, write_file
from scenarios.version import SCHEMA_VERSION

__all__ = [
    "RIGHT_LOBE", "bootstrap", "command_line", "count", "new_file", "outcomes", "report", "root_mean_square",
    "run_checkout", "share", "table", "write",
]  # fmt: skip

RIGHT_LOBE = 5.0
"""An error below so many bounds is an error within the lobe of the carrier phase that the target is in."""
N_RESAMPLES = 1000


def command_line(description: str | None, trials: int, seed: int) -> argparse.ArgumentParser:
    """Return a parser with what every study takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=count, default=trials, help="a cell of the table")
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--workers", type=count, default=2)
    parser.add_argument("--out", type=new_file, help="write the table as JSON")
    return parser


def count(text: str) -> int:
    """Return an option as a number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'got "{text}"; allowed: a whole number >= 1')
    return int(text)


def new_file(text: str) -> Path:
    """Return an option as the path of a file that can be written, before hours are spent on what it will hold."""
    path = Path(text)
    try:
        check_file(path, overwrite=True)
    except ScenarioError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return path


def write(path: Path, values: dict[str, Any]) -> None:
    """Write values as JSON, in the place of an older file of ours once all is written."""
    write_file(path, json.dumps({"schema_version": SCHEMA_VERSION, **values}, indent=1) + "\n")


def outcomes(trial: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], workers: int) -> list[Any]:
    """Return trial(*job) of every job, in order."""
    return list(Parallel(n_jobs=workers)(delayed(_alone)(trial, job) for job in jobs))


def _alone(trial: Callable[..., Any], job: tuple[Any, ...]) -> Any:
    with threadpool_limits(1):
        return trial(*job)


def run_checkout(checkout: Path, code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Return what a program printed that ran with the packages of a checkout, in a process with one BLAS thread."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as elsewhere:
        return subprocess.run(command, env=environment, cwd=elsewhere, check=True, capture_output=True, text=True)


def share(hits: int, n: int) -> dict[str, Any]:
    """Return a share with its exact (Clopper-Pearson) 95 % interval.

    >>> share(5, 50)
    {'share': 0.1, 'low': 0.0333, 'high': 0.2181, 'n': 50}
    """
    if n == 0:
        return {"share": None, "low": None, "high": None, "n": 0}
    interval = stats.binomtest(int(hits), int(n)).proportion_ci(0.95)
    low, high = (round(float(v), 4) for v in (interval.low, interval.high))
    return {"share": round(hits / n, 4), "low": low, "high": high, "n": int(n)}


def root_mean_square(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Return the root mean square."""
    return np.sqrt(np.mean(np.square(values), axis=axis))


def bootstrap(
    values: ArrayLike, statistic: Callable[..., NDArray[np.float64]], seed: int = 0
) -> tuple[float | None, list[float] | None]:
    """Return a statistic of rows and its 95 % bootstrap interval, rows drawn with replacement.

    Parameters
    ----------
    values
        Shape (n, ...): what was drawn together (a layout) is one row.
    statistic
        Function of an array (n, ...).
    """
    rows = np.asarray(values, dtype=float)
    if len(rows) < 2:
        return (float(statistic(rows)) if len(rows) else None), None
    draws = np.random.default_rng(seed).integers(len(rows), size=(N_RESAMPLES, len(rows)))
    resampled = [statistic(rows[draw]) for draw in draws]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(statistic(rows)), [float(low), float(high)]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown; shares with their intervals in brackets."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([_cell(row.get(name)) for name in names] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "–" if value["share"] is None else f"{value['share']:.3g} [{value['low']:.2g}, {value['high']:.2g}]"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(v) for v in value)
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def report(options: argparse.Namespace, tables: dict[str, list[dict[str, Any]]], started: float, seeds: str) -> None:
    """Print the tables with seeds, time and load, and write them as JSON if asked to.

    Parameters
    ----------
    options
        Of the command line.
    tables
        Title to rows.
    started
        ``time.perf_counter()`` at the start of the study.
    seeds
        What the trials were seeded with, in words.
    """
    load = os.getloadavg()[0]
    setting = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
        if name not in ("out", "workers")
    }
    print(f"seeds {seeds}; {setting}; {time.perf_counter() - started:.0f} s of wall time, load {load:.1f}")
    for title, rows in tables.items():
        print(f"\n{title}\n\n{table(rows)}")
    if options.out:
        write(options.out, {"seeds": seeds, "setting": setting, "load": load, "tables": tables})
