"""The command `dmimo report`: a run as one page for a browser."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command `report`."""
    from scenarios.commands.cli import guarded, say

    @app.command()
    @guarded
    def report(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="An output folder of dmimo run.")],
    ) -> None:
        """Write report.html into an output folder: the run as one page that needs nothing else."""
        from scenarios.report.page import write_report

        say(str(write_report(folder)))
