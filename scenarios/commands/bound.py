"""The options of `dmimo bound` and its table."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import OutputFolder, flat_settings

if TYPE_CHECKING:
    from rich.table import Table

    from scenarios.file.scenario import Scenario

__all__ = ["bounds_table", "check_map_options", "map_folder", "parse_point"]

FARTHEST_M = 1e7
"""The largest coordinate of a further point, that of an area."""


def parse_point(text: str) -> tuple[float, float]:
    """Return the point of "X,Y" in m.

    >>> parse_point("310,420.5")
    (310.0, 420.5)

    Raises
    ------
    ScenarioError
        If it is not a pair of numbers, or farther off than any area reaches.
    """
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = np.nan
    if not (abs(x) <= FARTHEST_M and abs(y) <= FARTHEST_M):
        allowed = f"X,Y in m, each from {-FARTHEST_M:g} to {FARTHEST_M:g}, as in --at 310,420 or --at=-5,3"
        raise ScenarioError("--at", [f'got "{text[:60]}"; allowed: {allowed}'])
    return x, y


def check_map_options(mapped: bool, kind: str | None, out: Path | None) -> None:
    """Refuse options of a map that was not asked for.

    Raises
    ------
    ScenarioError
        If there are any.
    """
    if not mapped and (kind is not None or out is not None):
        option = "--out" if kind is None else "--kind"
        raise ScenarioError(option, ["it has no effect without a map; add --map, or leave it out"])


def map_folder(
    path: Path, scenario: "Scenario", seed: int, kind: str, overwrite: bool, since_s: float | None = None
) -> OutputFolder:
    """Return the folder for a map, checked."""
    from scenarios.figures.bound_map import FILES
    from scenarios.file.contents import contents

    since = {} if since_s is None else {"since_s": since_s}
    settings = {"seed": seed, "kind": kind, **since, **flat_settings(scenario.data()), **contents(scenario)}
    folder = OutputFolder(path=path, command="bound", names=FILES, settings=settings, overwrite=overwrite)
    folder.check()
    return folder


def bounds_table(found: dict[str, Any]) -> "Table":
    """Return the bounds as a table for a person."""
    from rich import box
    from rich.table import Table

    table = Table(title="Position error bounds", title_justify="left", box=box.SIMPLE_HEAD)
    with_phases = ("hybrid (mm)", "ignoring phases (mm)") if "since_s" in found else ()
    for name in ("point", "position (m)", "coherent (mm)", "non-coherent (m)", "jointly (mm)", *with_phases):
        table.add_column(name, justify="right")
    joint = found["joint"]
    for i, row in enumerate(found["targets"]):
        together = _number(joint[i]["peb_coherent_m"], 1e3) if i < len(joint) else ""
        name = f"target {i}" if i < len(joint) else "--at"
        x, y = row["position_m"]
        sharp, blunt = _number(row["peb_coherent_m"], 1e3), _number(row["peb_noncoherent_m"])
        blurred = [_number(row[key], 1e3) for key in ("peb_hybrid_m", "error_ignoring_m") if key in row]
        table.add_row(name, f"{x:.2f}, {y:.2f}", sharp, blunt, together, *blurred)
    return table


def _number(value: float | None, factor: float = 1.0) -> str:
    if value is None or math.isnan(value):
        return "singular"
    return f"{factor * value:,.4g}"
