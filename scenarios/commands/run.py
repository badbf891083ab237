"""Running a scenario: progress while it runs, the output folder, and a summary for a person."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.commands.checkpoints import Checkpoints
from scenarios.commands.terminal import say, show
from scenarios.exports import FORMATS
from scenarios.file.contents import content_comments, contents
from scenarios.file.files import dump
from scenarios.file.scenario import Scenario
from scenarios.output import metrics, results
from scenarios.output.folders import OutputFolder, Writer, flat_settings
from scenarios.output.gallery import PICTURES, Look
from scenarios.output.losses import loss_lines
from scenarios.output.painters import Painters
from scenarios.output.progress import doing, with_progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from emulator.results import CpiResult, RunResult

__all__ = ["EXPORTS", "FILES", "execute", "output_folder", "print_summary", "write_folder"]

FILES = ("scenario.toml", "trace.npz", *PICTURES, "result.json")
"""Of an output folder; the last one completes it."""
EXPORTS = tuple(f"timeline{ending}" for form in FORMATS.values() for ending in form if ending != ".png")
"""What `dmimo timeline` may add to an output folder, and what a run of other settings removes there."""


def execute(
    scenario: Scenario,
    seed: int,
    folder: OutputFolder | None = None,
    checkpoints: Checkpoints | None = None,
    label: str = "CPI",
) -> "RunResult":
    """Run the CPIs that a scenario asks for; return what came of them.

    Events are recorded where there is a folder to write them to; what memory is not to hold of them lies beside it.
    With checkpoints the run goes on from the last one, and leaves further ones on its way.
    """
    from emulator.results import CpiResults
    from emulator.trace import Tracing

    n_cpis = scenario.schedule.cpis
    tracing = Tracing(last_cpis=scenario.trace.last_cpis, folder=folder.existing()) if folder is not None else False
    emulation = scenario.build(seed, tracing=tracing)
    cpis = checkpoints.begin(emulation, n_cpis) if checkpoints is not None else CpiResults()
    if checkpoints is not None and checkpoints.resume:
        say(f"Goes on after {len(cpis)} of {n_cpis} CPIs" if cpis else "No checkpoint: begins anew", error=True)
    left = n_cpis - len(cpis)
    for cpi in with_progress(emulation.cpis(left), n_cpis, label, _resolved, len(cpis)):
        cpis.append(cpi)
        if checkpoints is not None:
            checkpoints.keep(emulation, cpis)
    return emulation.result(cpis)


def _resolved(cpi: "CpiResult") -> str:
    return f"{cpi.score.status.count('resolved')} of {len(cpi.truth_m)} targets resolved"


def output_folder(path: Path, scenario: Scenario, seed: int, overwrite: bool) -> OutputFolder:
    """Return the folder for the result of a run; ``scenario`` is complete, nothing left to be drawn."""
    settings = {"seed": seed, **flat_settings(scenario.data()), **contents(scenario)}
    return OutputFolder(path=path, command="run", names=(*EXPORTS, *FILES), settings=settings, overwrite=overwrite)


def write_folder(
    folder: OutputFolder, scenario: Scenario, seed: int, result: "RunResult", painters: Painters
) -> list[Path]:
    """Write the files of a run and return their paths; ``scenario`` is complete, nothing left to be drawn."""
    look = Look.of(scenario)
    drawn = {
        name: painters.draw(picture)
        for name, source in PICTURES.items()
        if (picture := source(result, look)) is not None
    }
    text = dump(scenario) + content_comments(folder.settings)
    writers: dict[str, Writer] = {
        "scenario.toml": lambda path: path.write_text(text, encoding="utf-8"),
        "trace.npz": lambda path: results.save_trace(result.trace, path),
        **{name: partial(_write_content, content) for name, content in drawn.items()},
        "result.json": partial(results.save_run, result, seed),
    }
    with doing("writing") as say_doing:
        return sorted(folder.write({name: _said(say_doing, name, writer) for name, writer in writers.items()}))


def _said(say_doing: Callable[[str], None], name: str, writer: Writer) -> Writer:
    """Return a writer that says first what it is at."""

    def write(path: Path) -> None:
        say_doing(f"{'drawing' if name in PICTURES else 'writing'} {name}")
        writer(path)

    return write


def _write_content(content: Callable[[], bytes], path: Path) -> None:
    path.write_bytes(content())


def print_summary(result: "RunResult", wall_s: float, console: "Console") -> None:
    """Print a run as a table of the last CPI's targets and a few lines on all CPIs."""
    if len(result.cpis[-1].truth_m):
        show(_targets_table(result), console)
    else:
        console.print("No targets in this scenario.")
    wall = ("Wall-clock time", f"{wall_s:.2f} s for {result.slots} slots")
    said = [*_reasons(result), *metrics.lines(result.cpis), *_losses(result), *_late(result), *_repeated(result), wall]
    width = max(len(heading) for heading, _ in said)
    for heading, text in said:
        console.print(f"{heading:<{width}}  {text}", markup=False)


def _reasons(result: "RunResult") -> list[tuple[str, str]]:
    """Return what the reasons in the table mean."""
    from models.observation import REASONS

    estimate = result.cpis[-1].estimate
    return [(f"Not resolved, {word}", text) for word, text in REASONS.items() if word in estimate.reasons]


def _losses(result: "RunResult") -> list[tuple[str, str]]:
    return [("" if number else "Reports lost", text) for number, text in enumerate(loss_lines(result.lost_reports))]


def _late(result: "RunResult") -> list[tuple[str, str]]:
    if not result.late_reports_used:
        return []
    text = f"{result.late_reports_used} of {result.late_reports} fused with a later CPI"
    return [("Late reports", text)]


def _repeated(result: "RunResult") -> list[tuple[str, str]]:
    count = result.corrections_repeated
    return [("Corrections", f"{count} sent again, not confirmed by their access points")] if count else []


def _targets_table(result: "RunResult") -> "Table":
    """Return the metrics of the targets in the last CPI, and in how many CPIs each was resolved."""
    from rich import box
    from rich.table import Table

    last = result.cpis[-1]
    table = Table(title=f"Targets in CPI {last.index}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    targets = range(len(last.truth_m))
    resolved = [sum(cpi.score.status[target] == "resolved" for cpi in result.cpis) for target in targets]
    columns = [
        ("target", [str(target) for target in targets]),
        *metrics.columns(last),
        ("resolved", [f"{count} of {len(result.cpis)}" for count in resolved]),
    ]
    for heading, _ in columns:
        table.add_column(heading, justify="left" if heading in ("status", "reason") else "right", no_wrap=True)
    for row in zip(*(texts for _, texts in columns), strict=True):
        table.add_row(*row)
    return table
