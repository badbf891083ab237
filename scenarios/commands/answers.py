"""The commands `dmimo assess` and `dmimo dimension`: answers to questions about a scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scenarios.figures.common import Result
    from scenarios.file.scenario import Scenario
    from scenarios.output.folders import OutputFolder

__all__ = ["register"]

MOST_TRIALS, MOST_WORKERS = 1_000_000, 1024
ASSESS_TRIALS, DIMENSION_TRIALS = 200, 100


def register(app: typer.Typer) -> None:
    """Add the commands."""
    _register_assess(app)
    _register_dimension(app)


def _trials_option(default: int) -> Any:
    from scenarios.commands.cli import whole

    said = f"Emulations; default: {default}."
    return typer.Option("--trials", parser=whole(1, MOST_TRIALS), metavar="N", help=said)


def _workers_option() -> Any:
    from scenarios.commands.cli import whole

    return typer.Option("--workers", parser=whole(1, MOST_WORKERS), metavar="N", help="Processes; default: one a core.")


def _register_assess(app: typer.Typer) -> None:
    from scenarios.commands.cli import (
        JsonOption,
        OverwriteOption,
        PluginOption,
        ScenarioArgument,
        SeedOption,
        SetOption,
        guarded,
        load_scenario,
        out_option,
    )

    @app.command()
    @guarded
    def assess(
        scenario: ScenarioArgument,
        trials: Annotated[int, _trials_option(ASSESS_TRIALS)] = ASSESS_TRIALS,
        workers: Annotated[int | None, _workers_option()] = None,
        seed: SeedOption = 1,
        overrides: SetOption = None,
        out: Annotated[Path | None, out_option("Output folder", "assess-<scenario>-<seed>")] = None,
        as_json: JsonOption = False,
        plugins: PluginOption = None,
        overwrite: OverwriteOption = False,
    ) -> None:
        """Judge a network by the sensing service categories of 3GPP TS 22.137, and map where they hold."""
        checked = load_scenario(scenario, overrides, plugins)
        folder = _folder("assess", scenario, checked, seed, {"trials": trials}, out, as_json, overwrite)
        from scenarios.answers.assess import assess as assessed

        _show("assess", assessed(checked, trials, seed, workers), folder, as_json)


def _register_dimension(app: typer.Typer) -> None:
    from scenarios.commands.cli import (
        JsonOption,
        OverwriteOption,
        PluginOption,
        ScenarioArgument,
        SeedOption,
        SetOption,
        guarded,
        load_scenario,
        out_option,
    )

    @app.command()
    @guarded
    def dimension(
        scenario: ScenarioArgument,
        goal: Annotated[
            str, typer.Option("--goal", metavar="GOAL", help='As "error_m <= 0.01 at 95%", or "... mean".')
        ],
        over: Annotated[
            str, typer.Option("--over", metavar="KEY=LOW..HIGH", help="What is sought; or KEY=A,B,... in their order.")
        ],
        most: Annotated[
            bool, typer.Option("--most", help="The largest value that meets it, not the smallest.")
        ] = False,
        trials: Annotated[int, _trials_option(DIMENSION_TRIALS)] = DIMENSION_TRIALS,
        workers: Annotated[int | None, _workers_option()] = None,
        seed: SeedOption = 1,
        overrides: SetOption = None,
        out: Annotated[Path | None, out_option("Output folder", "dimension-<scenario>-<seed>")] = None,
        as_json: JsonOption = False,
        plugins: PluginOption = None,
        overwrite: OverwriteOption = False,
    ) -> None:
        """Find the smallest value of a key with which a scenario meets a goal."""
        from scenarios.answers.goals import parse_goal
        from scenarios.answers.ladder import parse_over

        asked, ladder = parse_goal(goal), parse_over(over)
        checked = load_scenario(scenario, overrides, plugins)
        more = {"goal": asked.text, "over": over, "most": most, "trials": trials}
        folder = _folder("dimension", scenario, checked, seed, more, out, as_json, overwrite)
        from scenarios.answers.dimension import dimension as dimensioned

        found = dimensioned(checked, asked, ladder.downwards() if most else ladder, trials, seed, workers)
        _show("dimension", found, folder, as_json)


def _folder(
    command: str,
    source: str,
    scenario: "Scenario",
    seed: int,
    more: Mapping[str, Any],
    out: Path | None,
    as_json: bool,
    overwrite: bool,
) -> "OutputFolder | None":
    """Return the folder for an answer, checked; without ``out`` its name says what was asked."""
    from scenarios.commands.cli import default_folder
    from scenarios.figures.common import file_names
    from scenarios.file.contents import contents
    from scenarios.output.folders import OutputFolder, flat_settings, settings_digest

    if out is None and as_json:
        return None
    default = default_folder(f"{command}-", source, scenario, seed)
    folder = OutputFolder(
        path=out if out is not None else default.with_name(f"{default.name}-{settings_digest(more)}"),
        command=command,
        names=file_names(command),
        settings={"seed": seed, **more, **flat_settings(scenario.data()), **contents(scenario)},
        overwrite=overwrite,
    )
    folder.check()
    return folder


def _show(name: str, result: "Result", folder: "OutputFolder | None", as_json: bool) -> None:
    from scenarios.commands.terminal import say
    from scenarios.figures.common import save
    from scenarios.output.results import json_text

    paths = save(result, name, folder) if folder is not None else []
    if as_json:
        say(json_text(result.data()).rstrip())
        return
    written = ["Written:", *(f"  {path}" for path in paths)] if paths else []
    for line in [*result.summary(), *written]:
        say(line)
