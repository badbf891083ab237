"""The command `dmimo sweep`: an experiment at many settings of a scenario, with many trials each."""

import csv
import enum
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.commands.completion import complete_key

if TYPE_CHECKING:
    from scenarios.sweeps.sweep import Outcome

__all__ = ["parse_over", "read_points", "register"]

MOST_TRIALS = 10**7
MOST_WORKERS = 10**4
MOST_ERRORS = 10


class Experiment(enum.StrEnum):
    """What is done in a trial."""

    RUN = "run"
    BOUND = "bound"


def parse_over(text: str) -> tuple[str, list[Any]]:
    """Return key and values of "key=value,value", TOML values or plain words.

    >>> parse_over("radio.transmit_power_dbm=10, 20")
    ('radio.transmit_power_dbm', [10, 20])
    >>> parse_over("selector.kind=random,sensing-centric")
    ('selector.kind', ['random', 'sensing-centric'])

    Raises
    ------
    ScenarioError
        If there is no "=", or no value.
    """
    from scenarios.file.problems import ScenarioError

    key, equals, values = (part.strip() for part in text.partition("="))
    if not (key and equals and values):
        text = f'got "{text}"; allowed: key=value,value, as in radio.transmit_power_dbm=10,20,30'
        raise ScenarioError("--over", [text])
    return key, _value(f"[{values}]", lambda: [_value(word.strip(), word.strip) for word in values.split(",")])


def _value(text: str, otherwise: Any) -> Any:
    """Return a TOML value; what is none, otherwise."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return otherwise()


def read_points(path: Path) -> list[dict[str, Any]]:
    """Return the settings of a file: CSV with a column for each key, or TOML with tables ``[[point]]``.

    Raises
    ------
    ScenarioError
        If it cannot be read, or holds no settings.
    """
    from scenarios.file.problems import ScenarioError

    try:
        points = _toml_points(path) if path.suffix.lower() == ".toml" else _csv_points(path)
    except (OSError, ValueError, csv.Error) as error:
        raise ScenarioError("--points", [f'got "{path}", which cannot be read as settings: {error}']) from error
    if not points:
        raise ScenarioError("--points", [f'got "{path}" without a setting; allowed: one at least'])
    return points


def _csv_points(path: Path) -> list[dict[str, Any]]:
    """Return a setting a line; an empty cell leaves its key as it is."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file) if any(map(str.strip, line))]
    keys = lines.pop(0) if lines else []
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise ValueError(f'the key "{twice[0]}" has two columns; allowed: one')
    if long := [line for line in lines if any(line[len(keys) :])]:
        raise ValueError(f"{','.join(long[0])} has more cells than there are keys; put a list in quotes")
    return [{key: _value(cell, cell.strip) for key, cell in zip(keys, line, strict=False) if cell} for line in lines]


def _toml_points(path: Path) -> list[dict[str, Any]]:
    tables = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("point")
    if not (isinstance(tables, list) and all(isinstance(table, Mapping) for table in tables)):
        raise ValueError("it has no tables [[point]]")
    return [_dotted(table) for table in tables]


def _dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def register(app: typer.Typer) -> None:
    """Add the command `sweep`."""
    from scenarios.commands import cli

    @app.command()
    @cli.guarded
    def sweep(
        scenario: cli.ScenarioArgument,
        out: Annotated[
            Path, typer.Option("--out", parser=cli.path_given, metavar="DIR", help="Folder for the results.")
        ],
        trials: Annotated[
            int, typer.Option("--trials", parser=cli.whole(1, MOST_TRIALS), metavar="N", help="Trials at each setting.")
        ],
        over: Annotated[
            list[str] | None,
            typer.Option(
                "--over",
                metavar="KEY=V1,V2",
                help="Values of a key; several make a grid.",
                autocompletion=complete_key,
            ),
        ] = None,
        points: Annotated[
            Path | None,
            typer.Option(
                "--points",
                parser=cli.path_given,
                metavar="FILE",
                help="Settings as a list: CSV, or TOML with [[point]].",
            ),
        ] = None,
        what: Annotated[
            Experiment,
            typer.Option("--what", help="Emulate, or bounds and spectral efficiency alone."),
        ] = Experiment.RUN,
        seed: cli.SeedOption = 1,
        workers: Annotated[int | None, cli.workers_option(MOST_WORKERS)] = None,
        cluster: Annotated[
            str | None,
            typer.Option("--cluster", metavar="ADDRESS", help="A Dask scheduler, or the JSON file that it wrote."),
        ] = None,
        retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do tasks again that failed.")] = False,
        overrides: cli.SetOption = None,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Do an experiment at many settings, many trials each; interrupted, it goes on when run again."""
        from scenarios.file.problems import ScenarioError
        from scenarios.sweeps.dataset import require_xarray
        from scenarios.sweeps.plan import Plan
        from scenarios.sweeps.sweep import do, pool_of

        require_xarray()
        if cluster is not None and workers is not None:
            raise ScenarioError("--workers", ["got a number beside --cluster, which has its own; allowed: one of them"])
        plan = Plan(
            scenario=cli.load_scenario(scenario, overrides, plugins),
            over=_grid(over or ()),
            points=read_points(points) if points else (),
            what=what.value,
            trials=trials,
            seed=seed,
            plugins=tuple(plugins or ()),
        )
        pool = partial(pool_of, workers=workers, cluster=cluster)
        _show(do(plan, out, pool, retry_failed=retry_failed, overwrite=overwrite), out)


def _grid(over: "list[str] | tuple[()]") -> dict[str, list[Any]]:
    from scenarios.file.problems import ScenarioError

    pairs = [parse_over(text) for text in over]
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise ScenarioError("--over", [f"{key}: got it twice; allowed: once, with all values" for key in twice])
    return dict(pairs)


def _show(outcome: "Outcome", out: Path) -> None:
    """Say what was done and what failed; a sweep of which something failed ends with status 1."""
    from scenarios.commands.terminal import say
    from scenarios.sweeps.sweep import RESULTS

    n_now = outcome.n_tasks - outcome.n_before
    rate = f" in {outcome.wall_s:.1f} s, {n_now / max(outcome.wall_s, 1e-3):.3g} tasks/s" if n_now else ""
    before = f", {outcome.n_before} were done before" if outcome.n_before else ""
    say(f"{n_now} of {outcome.n_tasks} tasks{rate}{before}")
    say(f"Written: {out / RESULTS}")
    if not outcome.failed:
        return
    say(f"{len(outcome.failed)} of {outcome.n_tasks} tasks failed; --retry-failed does them again", error=True)
    kinds = Counter(outcome.failed.values()).most_common()
    for text, count in kinds[:MOST_ERRORS]:
        first = next(number for number, error in outcome.failed.items() if error == text)
        say(f"  {count} times, first in task {first}: {text}", error=True)
    if len(kinds) > MOST_ERRORS:
        say(f"  and {len(kinds) - MOST_ERRORS} other errors; see tasks.log", error=True)
    raise typer.Exit(1)
