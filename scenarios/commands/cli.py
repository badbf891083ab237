"""The command line `dmimo`. Nothing heavy is imported before a command needs it, so that help answers at once.

Exit status: 0 done, 1 the run failed, 2 the request was wrong. With --json standard output holds one JSON object;
progress and messages go to standard error.
"""

import enum
import functools
import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from scenarios.commands.waiting import process_began_s  # isort: skip  - first: it takes the time
from scenarios.commands.completion import complete_key, complete_scenario
from scenarios.commands.terminal import console, log_to_stderr, make_streams_safe, say, say_written, show

if TYPE_CHECKING:
    from scenarios.figures.bound_map import BoundMap
    from scenarios.file.scenario import Scenario
    from scenarios.file.size import Size
    from scenarios.output.folders import OutputFolder

    MappedBound = tuple[BoundMap, tuple[Path, ...]]

__all__ = [
    "app",
    "guarded",
    "load_scenario",
    "main",
    "one_of",
    "out_option",
    "path_given",
    "say",
    "whole",
    "workers_option",
]

T = TypeVar("T")
_began_s: float | None = None
"""When the process began whose only purpose is a command; None where commands are called in another one."""
COMMANDS = (
    "answers", "bench", "capture", "dataset", "explain", "figure", "graph", "plot", "report", "sweep", "timeline",
)  # fmt: skip
MODULES = tuple(f"scenarios.commands.{name}" for name in COMMANDS)
"""Modules with further commands: each has ``register(app)`` and imports nothing heavy at its top."""

app = typer.Typer(
    name="dmimo",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool) -> None:
    from scenarios.version import program_version

    if asked:
        say(f"dmimo {program_version()}")
        raise typer.Exit


@app.callback()
def dmimo(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Emulate phase-coherent distributed-MIMO sensing and communication."""


def one_of(allowed: str, kind: Callable[[str], T]) -> Callable[[str], T]:
    """Return the parser of an option whose values ``kind`` makes, or refuses with a ``ValueError``."""

    def parse(text: str) -> T:
        try:
            return kind(text)
        except ValueError:
            shown = text if len(text) <= 60 else f"{text[:57]}..."
            raise typer.BadParameter(f'got "{shown}"; allowed: {allowed}') from None

    return parse


def whole(least: int, most: int | None = None, otherwise: str = "") -> Callable[[str], int]:
    """Return the parser of an option that takes whole numbers from ``least`` on, up to ``most``.

    ``otherwise`` is what an error says beside what is allowed.
    """

    def kind(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    up_to = f" and <= {most}" if most is not None else ""
    return one_of(f"a whole number >= {least}{up_to}{otherwise}", kind)


def _seconds(text: str) -> float:
    number = float(text)
    if not 0.0 <= number <= LONGEST_S:
        raise ValueError
    return number


def _path(text: str) -> Path:
    if not text:
        raise ValueError
    return Path(text)


WORTH_SAYING_S = 60.0
LONGEST_S = 3600.0
"""The longest time since a calibration, that of its period."""
path_given = one_of("a path, or leave the option out", _path)
"""The parser of an option that takes a path: nothing at all is not the current folder."""


def out_option(what: str, default: str) -> Any:
    """Return the option --out of a command that writes a folder, by default in ``results``."""
    said = f"{what}; default: results/{default}, with a digest of other settings; none with --json."
    return typer.Option("--out", parser=path_given, metavar="DIR", help=said)


def workers_option(most: int | None = 1024) -> Any:
    """Return the option --workers of a command that shares its work among processes."""
    return typer.Option("--workers", parser=whole(1, most), metavar="N", help="Processes; default: one a core.")


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A bundled name (paper) or the path of a TOML file.",
        autocompletion=complete_scenario,
    ),
]
MOST_SEED = 10**18
MOST_CPIS = 10**9
MOST_SEEDS = 10_000


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    seeds = range(int(first), int(last if dots else first) + 1)
    if not (seeds.start >= 0 and seeds.stop <= MOST_SEED + 1 and 1 <= len(seeds) <= MOST_SEEDS):
        raise ValueError
    return seeds


seeds_given = one_of(f"a whole number >= 0 and <= {MOST_SEED}, or up to {MOST_SEEDS} of them, as 1..20", _seeds)
OF_MANY_SEEDS = "; of many seeds: dmimo run --seed 1..20, or dmimo sweep --trials 20"
SeedOption = Annotated[
    int,
    typer.Option("--seed", parser=whole(0, MOST_SEED, OF_MANY_SEEDS), metavar="N", help="Seed of everything random."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key with a TOML value, as radio.transmit_power_dbm=40.",
        autocompletion=complete_key,
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="MODULE", help='Allow kinds "MODULE:Class", which run code of that module.'),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier result of other settings; files of others never are.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what goes wrong in a command into a message on standard error and an exit status."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from scenarios.file.problems import ScenarioError

        try:
            command(*args, **kwargs)
        except ScenarioError as error:
            say(str(error), error=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            say("interrupted; no result was left half-written", error=True)
            raise typer.Exit(1) from None
        except (typer.Exit, BrokenPipeError):
            raise
        except (Exception, SystemExit) as error:  # a plug-in may end the process: that is no way to end a command
            in_words = isinstance(error, OSError) or type(error).__name__ == "EmulationError"
            text = str(error) if in_words else repr(error)
            say(f"failed: {text}", error=True)
            raise typer.Exit(1) from None

    return run


def load_scenario(scenario: str, overrides: list[str] | None, plugins: list[str] | None = None) -> "Scenario":
    """Return the checked scenario that a command was asked for."""
    from scenarios.file.files import load, parse_override

    sys.path.insert(0, str(Path.cwd())) if plugins else None
    return load(scenario, dict(map(parse_override, overrides or ())), plugins or ())


@app.command()
@guarded
def run(
    scenario: ScenarioArgument,
    seeds: Annotated[
        Any,
        typer.Option(
            "--seed", parser=seeds_given, metavar="N", help="Seed of everything random; 1..20 runs each of these."
        ),
    ] = "1",
    cpis: Annotated[
        int | None,
        typer.Option("--cpis", parser=whole(1, MOST_CPIS), metavar="N", help="CPIs to run; default: schedule.cpis."),
    ] = None,
    overrides: SetOption = None,
    out: Annotated[Path | None, out_option("Output folder", "<scenario>-<seed>")] = None,
    as_json: JsonOption = False,
    plugins: PluginOption = None,
    overwrite: OverwriteOption = False,
    every: Annotated[
        int | None,
        typer.Option(
            "--checkpoint-every",
            parser=whole(1, MOST_CPIS),
            metavar="N",
            help="Write checkpoint.dmimo to the folder each N CPIs; a run that is done removes it.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the folder's checkpoint, if there is one: the same bytes result."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say on standard error what came of each CPI, faults included.")
    ] = False,
) -> None:
    """Run a scenario; write its results and pictures."""
    from scenarios.commands.seeds import Request, run_seed, run_seeds
    from scenarios.file.size import run_size
    from scenarios.output.painters import Painters

    began_s = _began_s if _began_s is not None else time.perf_counter()
    asked = [*(overrides or ()), *([f"schedule.cpis={cpis}"] if cpis else ())]
    if verbose:
        log_to_stderr()
    with Painters(0 if as_json and out is None else None) as painters:
        checked = load_scenario(scenario, asked, plugins)
        announce_size(run_size(checked).times(len(seeds)), scenario)
        _remark(checked, error=True)
        _require_folder(out is not None or not as_json, every, resume)
        request = Request(checked, painters, overwrite, every, resume, as_json, began_s)
        if len(seeds) == 1:
            run_seed(request, seeds[0], _folder_of(seeds[0], out, as_json, scenario, checked))
            return
        places = [_folder_of(seed, out and out / f"seed-{seed}", as_json, scenario, checked) for seed in seeds]
        run_seeds(request, seeds, places)


def _folder_of(seed: int, out: Path | None, as_json: bool, source: str, scenario: "Scenario") -> Path | None:
    return out if out is not None or as_json else default_folder("", source, scenario, seed)


def _require_folder(writes: bool, every: int | None, resume: bool) -> None:
    from scenarios.file.problems import ScenarioError

    if not writes and (resume or every is not None):
        option = "--resume" if resume else "--checkpoint-every"
        raise ScenarioError(option, ["got --json, which writes no folder; allowed: with --out DIR too"])


def _remark(scenario: "Scenario", *, error: bool = False) -> None:
    from scenarios.file.remarks import remarks

    for line in remarks(scenario):
        say(line, error=error)


def announce_size(size: "Size", source: str) -> None:
    """Refuse what cannot fit in the memory of this machine, and say so where it takes minutes or more."""
    from scenarios.file.size import require_fit

    require_fit(size, source)
    if size.seconds > WORTH_SAYING_S:
        say(f"This takes about {size}", error=True)


def default_folder(prefix: str, source: str, scenario: "Scenario", seed: int) -> Path:
    """Return where results go by default: name and seed, with a digest unless a bundled scenario is as it was."""
    from scenarios.file.contents import contents
    from scenarios.file.files import bundled, load, scenario_name
    from scenarios.output.folders import settings_digest

    name = f"{prefix}{scenario_name(source)}-{seed}"
    if source in bundled() and scenario == load(source):
        return Path("results") / name
    return Path("results") / f"{name}-{settings_digest(scenario.data() | contents(scenario))}"


class BoundKind(enum.StrEnum):
    """Position error bounds that can be mapped."""

    COHERENT = "coherent"
    NONCOHERENT = "noncoherent"
    HYBRID = "hybrid"
    IGNORING = "ignoring"

    @property
    def prefix(self) -> str:
        """How the name of the default folder of a map begins."""
        return "bound-" if self is BoundKind.COHERENT else f"bound-{self.value}-"


@app.command()
@guarded
def bound(
    scenario: ScenarioArgument,
    seed: SeedOption = 1,
    overrides: SetOption = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="X,Y", help="A further point in m; --at=-5,3 for a leading minus."),
    ] = None,
    mapped: Annotated[bool, typer.Option("--map", help="Map the bound over the area, too.")] = False,
    kind: Annotated[BoundKind | None, typer.Option("--kind", help="Bound to map; default: coherent.")] = None,
    since: Annotated[
        float | None,
        typer.Option(
            "--since",
            parser=one_of(f"a number >= 0 and <= {LONGEST_S:g} in s", _seconds),
            metavar="S",
            help="Time since the last calibration of phases; default: its period, or 0.",
        ),
    ] = None,
    out: Annotated[Path | None, out_option("Folder for the map", "bound[-<kind>]-<scenario>-<seed>")] = None,
    as_json: JsonOption = False,
    plugins: PluginOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Print position error bounds of targets and other points, and map them over the area."""
    from scenarios.commands.bound import check_map_options, map_folder, parse_point
    from scenarios.figures.point_bounds import bounds
    from scenarios.file.size import bound_size

    points, shown = [parse_point(text) for text in at or ()], kind or BoundKind.COHERENT
    check_map_options(mapped, kind, out)
    checked = load_scenario(scenario, overrides, plugins)
    announce_size(bound_size(checked, len(points)), scenario)
    path = out if out is not None or as_json else default_folder(shown.prefix, scenario, checked, seed)
    folder = map_folder(path, checked, seed, shown.value, overwrite, since) if mapped and path is not None else None
    found = bounds(checked, seed, points, since)
    _show_bounds(found, _map_of(checked, seed, shown, since, folder) if mapped else None, as_json)


def _map_of(
    scenario: "Scenario", seed: int, kind: BoundKind, since_s: float | None, folder: "OutputFolder | None"
) -> "MappedBound":
    from scenarios.figures.bound_map import bound_map, write
    from scenarios.output.progress import doing

    with doing("mapping the bound") as say_doing:
        result = bound_map(scenario, seed, kind.value, since_s)
        say_doing("drawing the map")
        return result, tuple(write(result, folder)) if folder is not None else ()


def _show_bounds(found: dict[str, Any], mapped: "MappedBound | None", as_json: bool) -> None:
    from scenarios.commands.bound import bounds_table
    from scenarios.output import results

    if as_json:
        say(results.json_text(found | ({"map": mapped[0].data(mapped[1])} if mapped else {})).rstrip())
        return
    show(bounds_table(found), console())
    if "since_s" in found:
        say(f"Phases as known {found['since_s']:g} s after a calibration; without one, after the start")
    if mapped:
        say(mapped[0].summary())
        say_written(mapped[1])


@app.command()
@guarded
def validate(scenario: ScenarioArgument, overrides: SetOption = None, plugins: PluginOption = None) -> None:
    """Check a scenario file and name every mistake in it."""
    from scenarios.file.size import require_fit, run_size

    checked = load_scenario(scenario, overrides, plugins)
    size = run_size(checked)
    require_fit(size, scenario)
    n_rx = checked.schedule.n_receivers
    say(
        f"{scenario} is valid: {checked.access_points.count} access points, {n_rx} of them receiving, "
        f"{checked.user_equipment.count} UEs, {len(checked.targets)} targets, {checked.schedule.cpis} CPIs"
    )
    say(f"A run takes about {size}")
    _remark(checked)


@app.command()
@guarded
def schema() -> None:
    """Print the JSON schema of scenario files, defaults included."""
    import json

    from scenarios.file.scenario import Scenario

    dialect = "https://json-schema.org/draft/2020-12/schema"
    say(json.dumps({"$schema": dialect, **Scenario.model_json_schema()}, indent=2))


def main() -> None:
    """Run the command line; a request to end (SIGTERM) cleans up as Ctrl-C does.

    The matrices here are small: threads of the linear algebra library cost more than they bring (up to 20 times on a
    busy machine), and their number shows in the last bits. One it is, unless the caller says otherwise. Pictures go to
    files alone: whatever window the caller has matplotlib open elsewhere, here it needs none.
    """
    os.environ["MPLBACKEND"] = "agg"
    for library in ("OPENBLAS", "MKL", "OMP"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    global _began_s
    _began_s = process_began_s()
    signal.signal(signal.SIGTERM, _interrupt)
    make_streams_safe()
    gc.set_threshold(200_000)  # imports leave no rubbish: looking for it was an eighth of their time
    try:
        app()
    finally:
        gc.freeze()  # nor need the end look for any: it took 0.2 s


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


for _module in MODULES:
    importlib.import_module(_module).register(app)
