"""The command `dmimo explain`: what happened to a node in a CPI, in words."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `explain`."""
    from scenarios.commands.cli import guarded, say, whole

    @app.command()
    @guarded
    def explain(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="An output folder of dmimo run.")],
        node: Annotated[
            str, typer.Argument(metavar="NODE", help="ap-3, central, ue-0, target-0, air or a link, ap-3->central.")
        ],
        cpi: Annotated[
            int | None,
            typer.Option("--cpi", parser=whole(0), metavar="N", help="The CPI; default: the last one published."),
        ] = None,
    ) -> None:
        """Say what happened to a node in a CPI: what it sent when, what it waited for, and what became of it."""
        from scenarios.output.explanation import explain as explained

        for line in explained(folder, node, cpi):
            say(line)
