"""The commands `dmimo capture` and `dmimo replay`: what access points heard, as SigMF, and what is located in it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.observation import Estimate
    from scenarios.file.scenario import Scenario
    from scenarios.output.folders import OutputFolder

__all__ = ["register"]

SCENARIO_FILE = "scenario.toml"


class Datatype(StrEnum):
    """How samples are written."""

    SINGLE = "cf32_le"
    DOUBLE = "cf64_le"


def register(app: typer.Typer) -> None:
    """Add the commands `capture` and `replay`."""
    from scenarios.commands import cli

    @app.command()
    @cli.guarded
    def capture(
        scenario: cli.ScenarioArgument,
        out: Annotated[Path, typer.Option("--out", parser=cli.path_given, metavar="DIR", help="Folder to write to.")],
        ap: Annotated[
            list[str] | None, typer.Option("--ap", metavar="NAME", help="An access point, as ap-3; default: all.")
        ] = None,
        radiated: Annotated[bool, typer.Option("--radiated", help="What left the antennas, too.")] = False,
        datatype: Annotated[Datatype, typer.Option("--datatype", help="Precision of samples.")] = Datatype.SINGLE,
        seed: cli.SeedOption = 1,
        cpis: Annotated[
            int | None,
            typer.Option("--cpis", parser=cli.whole(1, cli.MOST_CPIS), metavar="N", help="Default: schedule.cpis."),
        ] = None,
        overrides: cli.SetOption = None,
        plugins: cli.PluginOption = None,
        overwrite: cli.OverwriteOption = False,
    ) -> None:
        """Run a scenario; write what access points heard, slot by slot, as SigMF recordings."""
        asked = [*(overrides or ()), *([f"schedule.cpis={cpis}"] if cpis else ())]
        checked = cli.load_scenario(scenario, asked, plugins)
        names = tuple(ap) if ap else checked.access_point_names
        folder = _folder(checked, seed, out, overwrite, names, radiated, datatype)
        folder.check()
        _capture(checked, seed, folder, names, radiated, datatype)

    @app.command()
    @cli.guarded
    def replay(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of dmimo capture.")],
        plugins: cli.PluginOption = None,
        as_json: cli.JsonOption = False,
    ) -> None:
        """Read a capture back, and locate targets in what was heard."""
        _replay(cli.load_scenario(str(folder / SCENARIO_FILE), None, plugins), folder, as_json)


def _folder(
    scenario: "Scenario", seed: int, out: Path, overwrite: bool, names: tuple[str, ...], radiated: bool, datatype: str
) -> "OutputFolder":
    from scenarios.file.contents import contents
    from scenarios.file.problems import ScenarioError
    from scenarios.interop.sigmf import sigmf_names
    from scenarios.output.folders import OutputFolder, flat_settings

    known = scenario.access_point_names
    if odd := sorted(set(names) - set(known)):
        raise ScenarioError("--ap", [f'got "{odd[0]}"; allowed: names from {known[0]} to {known[-1]}'])
    asked = {"seed": seed, "aps": ", ".join(names), "radiated": radiated, "datatype": str(datatype)}
    return OutputFolder(
        path=out,
        command="capture",
        names=(SCENARIO_FILE, *sigmf_names(known)),
        settings=asked | flat_settings(scenario.data()) | contents(scenario),
        overwrite=overwrite,
    )


def _capture(
    scenario: "Scenario", seed: int, folder: "OutputFolder", names: tuple[str, ...], radiated: bool, datatype: str
) -> None:
    from scenarios.commands.terminal import say_written
    from scenarios.file.files import dump
    from scenarios.interop.recording import record_iq
    from scenarios.interop.sigmf import sigmf_files, writers_of

    emulation = scenario.build(seed, estimator=None, scoring=False, tracing=False)
    recording = record_iq(emulation, names, radiated=radiated)
    n_cpis = sum(1 for _ in emulation.cpis())
    files = {SCENARIO_FILE: dump(scenario.resolved(seed)).encode()}
    files |= sigmf_files(recording.before(n_cpis), datatype)
    say_written(folder.write(writers_of(files)))


def _replay(scenario: "Scenario", folder: Path, as_json: bool) -> None:
    from scenarios.commands.terminal import say
    from scenarios.file.problems import ScenarioError
    from scenarios.output.results import json_text

    found = list(_located(scenario, folder))
    if not found:
        text = "holds of no CPI both what receivers heard and the records of transmitters; capture all access points"
        raise ScenarioError("DIR", [text])
    if as_json:
        cpis = [{"index": cpi, "positions_m": e.positions_m, "resolved": e.resolved} for cpi, e in found]
        say(json_text({"cpis": cpis}).rstrip())
        return
    for cpi, estimate in found:
        for (x, y), resolved in zip(estimate.positions_m, estimate.resolved, strict=True):
            said = "resolved" if resolved else "not resolved"
            say(f"CPI {cpi}: a target at ({x:.4f}, {y:.4f}) m, {said}")


def _located(scenario: "Scenario", folder: Path) -> "Iterator[tuple[int, Estimate]]":
    """Yield what the estimator of a scenario finds in each CPI of a capture of which there are statistics."""
    from models.doors import estimated
    from scenarios.file.problems import ScenarioError
    from scenarios.interop.recording import replay
    from scenarios.interop.sigmf import read_sigmf

    emulation = scenario.build(tracing=False)
    central = emulation.central
    try:
        recording = read_sigmf(folder, emulation.network, central.radio)
    except ValueError as error:
        raise ScenarioError("DIR", [str(error)]) from error
    for cpi, observation in replay(recording, emulation):
        if observation is not None and central.estimator is not None:
            yield cpi, estimated(central.estimator, observation)
