"""The commands `dmimo assess` and `dmimo dimension`: answers to questions about a scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.commands.completion import complete_key

if TYPE_CHECKING:
    from scenarios.file.scenario import Scenario
    from scenarios.output.folders import OutputFolder

__all__ = ["register"]

MOST_TRIALS = 1_000_000
ASSESS_TRIALS, DIMENSION_TRIALS = 200, 100


def register(app: typer.Typer) -> None:
    """Add the commands."""
    _register_assess(app)
    _register_dimension(app)


def _trials_option(default: int) -> Any:
    from scenarios.commands.cli import whole

    said = f"Emulations; default: {default}."
    return typer.Option("--trials", parser=whole(1, MOST_TRIALS), metavar="N", help=said)


def _register_assess(app: typer.Typer) -> None:
    from scenarios.commands import cli
    from scenarios.commands.figure import show_result

    @app.command()
    @cli.guarded
    def assess(
        scenario: cli.ScenarioArgument,
        trials: Annotated[int, _trials_option(ASSESS_TRIALS)] = ASSESS_TRIALS,
        workers: Annotated[int | None, cli.workers_option()] = None,
        seed: cli.SeedOption = 1,
        overrides: cli.SetOption = None,
        out: Annotated[Path | None, cli.out_option("Output folder", "assess-<scenario>-<seed>")] = None,
        as_json: cli.JsonOption = False,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Judge a network by the sensing service categories of 3GPP TS 22.137, and map where they hold."""
        checked = cli.load_scenario(scenario, overrides, plugins)
        folder = _folder("assess", scenario, checked, seed, {"trials": trials}, out, as_json, overwrite)
        from scenarios.answers.assess import assess as assessed

        show_result("assess", assessed(checked, trials, seed, workers), folder, as_json)


def _register_dimension(app: typer.Typer) -> None:
    from scenarios.commands import cli
    from scenarios.commands.figure import show_result

    @app.command()
    @cli.guarded
    def dimension(
        scenario: cli.ScenarioArgument,
        goal: Annotated[
            str, typer.Option("--goal", metavar="GOAL", help='As "error_m <= 0.01 at 95%", or "... mean".')
        ],
        over: Annotated[
            str,
            typer.Option(
                "--over",
                metavar="KEY=LOW..HIGH",
                help="What is sought; or KEY=A,B,... in their order.",
                autocompletion=complete_key,
            ),
        ],
        most: Annotated[
            bool, typer.Option("--most", help="The largest value that meets it, not the smallest.")
        ] = False,
        trials: Annotated[int, _trials_option(DIMENSION_TRIALS)] = DIMENSION_TRIALS,
        workers: Annotated[int | None, cli.workers_option()] = None,
        seed: cli.SeedOption = 1,
        overrides: cli.SetOption = None,
        out: Annotated[Path | None, cli.out_option("Output folder", "dimension-<scenario>-<seed>")] = None,
        as_json: cli.JsonOption = False,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Find the smallest value of a key with which a scenario meets a goal."""
        from scenarios.answers.goals import parse_goal
        from scenarios.answers.ladder import parse_over

        asked, ladder = parse_goal(goal), parse_over(over)
        checked = cli.load_scenario(scenario, overrides, plugins)
        more = {"goal": asked.text, "over": over, "most": most, "trials": trials}
        folder = _folder("dimension", scenario, checked, seed, more, out, as_json, overwrite)
        from scenarios.answers.dimension import dimension as dimensioned

        found = dimensioned(checked, asked, ladder.downwards() if most else ladder, trials, seed, workers)
        show_result("dimension", found, folder, as_json)


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
