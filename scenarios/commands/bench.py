"""The command `dmimo bench`: all benchmarks of a checkout. They are no part of an installed package."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["register"]


def _suite() -> "ModuleType":
    """Return the module of the benchmarks in the current directory."""
    from importlib import import_module

    from scenarios.file.problems import ScenarioError

    here = Path.cwd()
    if not (here / "benchmarks" / "suite.py").is_file():
        text = f'got the folder "{here}", which has no benchmarks/suite.py; allowed: a checkout; go to its top folder'
        raise ScenarioError("dmimo bench", [text])
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    return import_module("benchmarks.suite")


def register(app: typer.Typer) -> None:
    """Add the command `bench`."""
    from scenarios.commands.cli import JsonOption, OverwriteOption, guarded, path_given

    @app.command()
    @guarded
    def bench(
        quick: Annotated[bool, typer.Option("--quick", help="Smaller sizes, fewer repeats: below a minute.")] = False,
        out: Annotated[
            Path | None,
            typer.Option("--out", parser=path_given, metavar="FILE", help="Write all figures to this file as JSON."),
        ] = None,
        as_json: JsonOption = False,
        overwrite: OverwriteOption = False,
    ) -> None:
        """Time each kernel against the plain way; from a checkout only."""
        from scenarios.commands.terminal import say
        from scenarios.output.folders import check_file

        if out is not None:
            check_file(out, overwrite)
        suite = _suite()
        _show(suite, suite.run(quick, lambda line: say(line, error=True)), out, as_json)


def _show(suite: "ModuleType", data: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from scenarios.commands.terminal import console, say, show
    from scenarios.output.folders import write_file
    from scenarios.output.results import json_text

    if out is not None:
        write_file(out, json_text(data))
    if as_json:
        say(json_text(data).rstrip())
        return
    show(suite.table(data), console())
    if out is not None:
        say(f"Written: {out}")
