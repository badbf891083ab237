"""The command `dmimo graph`: the fronthaul of a scenario as a file that other programs read."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `graph`."""
    from scenarios.commands import cli

    @app.command()
    @cli.guarded
    def graph(
        scenario: cli.ScenarioArgument,
        out: Annotated[
            Path,
            typer.Option("--out", parser=cli.path_given, metavar="FILE", help="A path that ends in .graphml or .json."),
        ],
        seed: cli.SeedOption = 1,
        overrides: cli.SetOption = None,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Write the graph of the fronthaul as GraphML or node-link JSON; fronthaul.topology reads it back."""
        from scenarios.file.build import fronthaul_graph
        from scenarios.file.graphml import FORMS, graph_text
        from scenarios.file.problems import ScenarioError
        from scenarios.output.folders import check_file, write_file

        if out.suffix not in FORMS:
            raise ScenarioError("--out", [f'got "{out}"; allowed: a path that ends in {" or ".join(FORMS)}'])
        checked = cli.load_scenario(scenario, overrides, plugins)
        check_file(out, overwrite)
        write_file(out, graph_text(fronthaul_graph(checked, seed), out.suffix))
        cli.say(f"Written: {out}")
