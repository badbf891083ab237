"""The command `dmimo dataset`: statistics, truth and bounds of many trials as files."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `dataset`."""
    from scenarios.commands import cli

    @app.command()
    @cli.guarded
    def dataset(
        scenario: cli.ScenarioArgument,
        trials: Annotated[int, typer.Option("--trials", parser=cli.whole(1), metavar="N", help="How many trials.")],
        out: Annotated[Path, typer.Option("--out", parser=cli.path_given, metavar="DIR", help="Folder to write to.")],
        shard: Annotated[
            int, typer.Option("--shard", parser=cli.whole(1), metavar="N", help="Trials of a file.")
        ] = 100,
        echoes: Annotated[bool, typer.Option("--echoes", help="The samples, too.")] = False,
        seed: cli.SeedOption = 1,
        workers: Annotated[int | None, cli.workers_option(most=None)] = None,
        overrides: cli.SetOption = None,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Write statistics, truth and bounds of many trials, for learning; run again to go on, or to add trials."""
        from scenarios.interop.dataset import Dataset

        asked = Dataset(
            scenario=cli.load_scenario(scenario, overrides, plugins),
            seed=seed,
            per_shard=shard,
            n_trials=trials,
            folder=out,
            echoes=echoes,
            overwrite=overwrite,
        )
        paths = list(asked.make(workers))
        cli.say(f"Written: {paths[0]} to {paths[-1].name}, README.md, scenario.toml")
