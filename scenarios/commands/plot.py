"""The command `dmimo plot`: a metric of a sweep against a key that was swept."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]


MEAN = "mean"


def _quantile(text: str) -> str | float:
    if text == MEAN:
        return text
    number = float(text)
    if not 0.0 < number < 1.0:
        raise ValueError
    return number


def register(app: typer.Typer) -> None:
    """Add the command `plot`."""
    from scenarios.commands.cli import OverwriteOption, guarded, one_of, path_given

    @app.command()
    @guarded
    def plot(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep.")],
        y: Annotated[
            str | None, typer.Option("--y", metavar="NAME", help="Metric; default: error_m, of bounds peb_coherent_m.")
        ] = None,
        x: Annotated[str | None, typer.Option("--x", metavar="KEY", help="Swept key; default: the first.")] = None,
        hue: Annotated[
            str | None,
            typer.Option("--hue", metavar="KEY", help="Swept key with a curve a value; default: the next."),
        ] = None,
        quantile: Annotated[
            Any,
            typer.Option(
                "--quantile",
                parser=one_of('a number between 0 and 1, or "mean"', _quantile),
                metavar="Q",
                help='A number between 0 and 1, or "mean".',
            ),
        ] = "0.5",
        logy: Annotated[bool, typer.Option("--logy", help="Logarithmic axis of the metric.")] = False,
        logx: Annotated[bool, typer.Option("--logx", help="Logarithmic axis of the key.")] = False,
        out: Annotated[
            Path | None,
            typer.Option("--out", parser=path_given, metavar="DIR", help="Folder for the picture; default: DIR."),
        ] = None,
        overwrite: OverwriteOption = False,
    ) -> None:
        """Draw a metric of a sweep against a swept key, with 95 % intervals."""
        from scenarios.commands.terminal import say, say_written
        from scenarios.sweeps.curves import curves, default_metric, write
        from scenarios.sweeps.dataset import open_results

        results = open_results(folder)
        found = curves(results, y or default_metric(results), x, hue, None if quantile == MEAN else quantile)
        for line in found.summary():
            say(line)
        say_written(write(found, out or folder, logy=logy, logx=logx, overwrite=overwrite))
