"""The command `dmimo figure`: the paper's figures and others as JSON, CSV, PNG and PDF."""

import enum
from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scenarios.figures.common import Result
    from scenarios.output.folders import OutputFolder

__all__ = ["FigureName", "figure_folder", "register", "run_figure", "show_result"]

MOST_REALIZATIONS = 1_000_000


class FigureName(enum.StrEnum):
    """The figures of the paper, and beyond it."""

    COST_MAP = "2"
    ERRORS = "3a"
    COVERAGE = "3b"
    TRADE_OFF = "3c"
    SELECTION = "selection"
    COHERENCE = "coherence"
    PHASE_BUDGET = "phase-budget"
    CALIBRATION = "calibration"
    LINK_RATE = "link-rate"
    IQ_BITS = "iq-bits"
    LOSS = "loss"
    FAILURE = "failure"


def run_figure(
    name: FigureName,
    seed: int,
    n_realizations: int | None,
    workers: int | None,
    overrides: Mapping[str, Any] | None = None,
) -> "Result":
    """Return a figure; ``n_realizations`` None: as many as the figure takes by itself.

    Raises
    ------
    ScenarioError
        If a number or setting is wrong, or settings are given for a figure that has its own.
    """
    module = import_module(f"scenarios.figures.figure_{name.value.replace('-', '_')}")
    if overrides and "overrides" not in signature(module.run).parameters:
        from scenarios.file.problems import ScenarioError

        text = f"figure {name.value} has settings of its own; leave it out"
        raise ScenarioError("--set", [text])
    count = module.N_REALIZATIONS if n_realizations is None else n_realizations
    figure: Result = module.run(count, seed, workers, **({"overrides": overrides} if overrides else {}))
    return figure


def register(app: typer.Typer) -> None:
    """Add the command `figure`."""
    from scenarios.commands.cli import (
        JsonOption,
        OverwriteOption,
        SeedOption,
        SetOption,
        guarded,
        out_option,
        whole,
        workers_option,
    )

    @app.command()
    @guarded
    def figure(
        name: Annotated[FigureName, typer.Argument(metavar="FIGURE", help=f"One of {', '.join(FigureName)}.")],
        n_realizations: Annotated[
            int | None,
            typer.Option(
                "--realizations",
                "--trials",
                parser=whole(1, MOST_REALIZATIONS),
                metavar="N",
                help="Layouts or draws; by default as many as take minutes.",
            ),
        ] = None,
        seed: SeedOption = 1,
        workers: Annotated[int | None, workers_option()] = None,
        out: Annotated[Path | None, out_option("Output folder", "figure-<name>-<seed>")] = None,
        as_json: JsonOption = False,
        overrides: SetOption = None,
        overwrite: OverwriteOption = False,
    ) -> None:
        """Compute and draw a figure of the paper or one beyond it; --set is for some of the latter."""
        from scenarios.file.files import parse_override

        settings = dict(map(parse_override, overrides or ()))
        folder = None
        if out is not None or not as_json:
            folder = figure_folder(name, seed, n_realizations, settings, out, overwrite)
        found = run_figure(name, seed, n_realizations, workers, settings)
        timed = {"cpu_s": found.cpu_s} if hasattr(found, "cpu_s") else {}
        show_result(f"figure-{name.value}", found, folder, as_json, **timed)


def figure_folder(
    name: FigureName,
    seed: int,
    n_realizations: int | None,
    overrides: Mapping[str, Any],
    out: Path | None,
    overwrite: bool,
) -> "OutputFolder":
    """Return the folder for a figure, checked; without ``out`` its name says what differs from the default."""
    from scenarios.figures.common import file_names
    from scenarios.output.folders import OutputFolder, settings_digest

    changed = {**({} if n_realizations is None else {"realizations": n_realizations}), **overrides}
    default = f"figure-{name.value}-{seed}" + (f"-{settings_digest(changed)}" if changed else "")
    folder = OutputFolder(
        path=out if out is not None else Path("results") / default,
        command=f"figure {name.value}",
        names=file_names(f"figure-{name.value}"),
        settings={"seed": seed, **changed},
        overwrite=overwrite,
    )
    folder.check()
    return folder


def show_result(name: str, result: "Result", folder: "OutputFolder | None", as_json: bool, **timed: float) -> None:
    """Save a result in its folder, if it has one, and show it: as JSON with times, or in words and what was written."""
    from scenarios.commands.terminal import say, say_written
    from scenarios.figures.common import save
    from scenarios.output.results import json_text

    paths = save(result, name, folder) if folder is not None else []
    if as_json:
        say(json_text(result.data() | timed).rstrip())
        return
    for line in result.summary():
        say(line)
    say_written(paths)
