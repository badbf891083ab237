"""Running a scenario: progress while it runs, the output folder, and a summary for a person."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scenarios.file.files import dump
from scenarios.file.scenario import Scenario
from scenarios.output import results
from scenarios.output.folders import OutputFolder, Writer, flat_settings
from scenarios.output.gallery import PICTURES
from scenarios.output.painters import Painters

if TYPE_CHECKING:
    from emulator.results import CpiResult, RunResult

__all__ = ["FILES", "execute", "output_folder", "print_summary", "write_folder"]

FILES = ("scenario.toml", "trace.npz", *PICTURES, "result.json")
"""Of an output folder; the last one completes it."""


def execute(scenario: Scenario, seed: int, folder: OutputFolder | None = None) -> "tuple[RunResult, float]":
    """Run the CPIs that a scenario asks for; return what came of them and the wall-clock time in s.

    Events are recorded where there is a folder to write them to; what memory is not to hold of them lies beside it.
    """
    from emulator.trace import Tracing

    started = time.perf_counter()
    tracing = Tracing(last_cpis=scenario.trace.last_cpis, folder=folder.existing()) if folder is not None else False
    emulation = scenario.build(seed, tracing=tracing)
    cpis = list(_with_progress(emulation.cpis(scenario.schedule.cpis), scenario.schedule.cpis))
    return emulation.result(cpis), time.perf_counter() - started


def _with_progress(cpis: "Iterable[CpiResult]", total: int) -> "Iterable[CpiResult]":
    """Yield the CPIs, drawing a bar on standard error if that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("CPI"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        for cpi in cpis:
            yield cpi
            found = sum(status != "missed" for status in cpi.score.status)
            progress.update(task, advance=1, description=f"{found} of {len(cpi.truth_m)} targets found")


def output_folder(path: Path, scenario: Scenario, seed: int, overwrite: bool) -> OutputFolder:
    """Return the folder for the result of a run; ``scenario`` is complete, nothing left to be drawn."""
    settings = {"seed": seed, **flat_settings(scenario.data())}
    return OutputFolder(path=path, command="run", names=FILES, settings=settings, overwrite=overwrite)


def write_folder(
    folder: OutputFolder, scenario: Scenario, seed: int, result: "RunResult", painters: Painters
) -> list[Path]:
    """Write the files of a run and return their paths; ``scenario`` is complete, nothing left to be drawn."""
    step_m = scenario.estimator.grid_step_m
    drawn = {
        name: painters.draw(picture)
        for name, source in PICTURES.items()
        if (picture := source(result, step_m)) is not None
    }
    data = results.run_data(result, seed)
    writers: dict[str, Writer] = {
        "scenario.toml": lambda path: path.write_text(dump(scenario), encoding="utf-8"),
        "trace.npz": lambda path: results.save_trace(result.trace, path),
        **{name: partial(_write_content, content) for name, content in drawn.items()},
        "result.json": lambda path: results.write_json(data, path),
    }
    return sorted(folder.write(writers))


def _write_content(content: Callable[[], bytes], path: Path) -> None:
    path.write_bytes(content())


def print_summary(result: "RunResult", wall_s: float, console: Console) -> None:
    """Print a run as a table of the last CPI's targets and a few lines on all CPIs."""
    last = result.cpis[-1]
    if len(last.truth_m):
        console.print(_targets_table(result))
    else:
        console.print("No targets in this scenario.")
    sums = [float(np.sum(cpi.se_bit_s_hz)) for cpi in result.cpis]
    fused, expected = (sum(getattr(cpi, f"reports_{name}") for cpi in result.cpis) for name in ("fused", "expected"))
    console.print(f"Sum spectral efficiency  {np.mean(sums):.2f} bit/s/Hz, mean of {len(sums)} CPIs")
    latencies = [1e3 * cpi.sensing_latency_s for cpi in result.cpis]
    console.print(f"Sensing latency          {np.mean(latencies):.3f} ms, mean of {len(sums)} CPIs")
    console.print(f"Reports fused            {fused} of {expected}")
    console.print(f"False detections         {sum(len(cpi.score.false_indices) for cpi in result.cpis)}")
    console.print(f"Wall-clock time          {wall_s:.2f} s for {result.slots} slots")


def _targets_table(result: "RunResult") -> Table:
    last = result.cpis[-1]
    table = Table(title=f"Targets in CPI {last.index}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("target", "truth (m)", "estimate (m)", "status", "error (mm)", "bound (mm)", "resolved"):
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    for target, truth in enumerate(last.truth_m):
        match = int(last.score.matched[target])
        resolved = sum(cpi.score.status[target] == "resolved" for cpi in result.cpis)
        table.add_row(
            str(target),
            _point(truth),
            _point(last.estimate.positions_m[match]) if match >= 0 else "–",
            last.score.status[target],
            _millimetres(last.score.error_m[target]),
            _millimetres(last.peb_m[target]),
            f"{resolved} of {len(result.cpis)}",
        )
    return table


def _point(point_m: np.ndarray) -> str:
    return f"{point_m[0]:.2f}, {point_m[1]:.2f}"


def _millimetres(length_m: float) -> str:
    return f"{1e3 * length_m:,.2f}" if np.isfinite(length_m) else "–"
