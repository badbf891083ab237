"""What the scenario.toml of an output folder tells: where everything is, and what differs from the paper's scenario.

It is read as plain data: nothing in it is run, and neither plug-ins nor a file with a graph need be there any more.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import flat_settings

__all__ = ["Difference", "differences", "scenario_table", "scenario_text", "survey"]

Table = Mapping[str, Any]
LONGEST_VALUE = 80
"""Characters of a value that is shown whole."""
PHASES = ("oscillators", "calibration")


class Difference(NamedTuple):
    """A setting that is not the paper's, as text."""

    key: str
    here: str
    paper: str


def scenario_text(folder: Path) -> str:
    """Return the scenario of an output folder as text; raises ScenarioError if it cannot be read."""
    path = folder / "scenario.toml"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ScenarioError(str(path), [f"cannot be read: {error}"]) from error


def scenario_table(folder: Path) -> dict[str, Any]:
    """Return the scenario of an output folder; raises ScenarioError if it cannot be read."""
    try:
        table = tomllib.loads(scenario_text(folder))
        survey(table)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(str(folder / "scenario.toml"), [f"cannot be read: {error}"]) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ScenarioError(str(folder / "scenario.toml"), [f"is not that of a run: {error!r}"]) from error
    return table


def survey(scenario: Table) -> dict[str, Any]:
    """Return where access points and UEs are, how arrays look, and what is said of single nodes and of phases."""
    points, users = scenario["access_points"], scenario["user_equipment"]
    looks = [{"boresight_deg": boresight} for boresight in points["boresights_deg"]]
    return {
        "size_m": scenario["area"]["size_m"],
        "access_points": [look | node for look, node in zip(looks, _nodes("ap", points), strict=True)],
        "users": list(_nodes("ue", users)),
        "phases": [f"{key} = {_short(value)}" for key, value in _phases(scenario)],
    }


def _nodes(prefix: str, table: Table) -> Iterator[dict[str, Any]]:
    """Yield name and position of each node, and in words what it has of its own."""
    single = {node["name"]: node for node in table.get("node", ())}
    for number, position_m in enumerate(table.get("positions_m", ())):
        name = f"{prefix}-{number}"
        own = {key: value for key, value in single.get(name, {}).items() if key != "name"}
        said = ", ".join(f"{key} = {_short(value)}" for key, value in own.items())
        yield {"name": name, "position_m": own.get("position_m", position_m), "own": said}


def _phases(scenario: Table) -> Iterator[tuple[str, Any]]:
    """Yield the settings of oscillators and of calibration."""
    yield from flat_settings({name: scenario[name] for name in PHASES if name in scenario}).items()


def differences(scenario: Table, seed: int) -> list[Difference]:
    """Return which settings are not those of the paper's scenario with the same seed."""
    from scenarios.file.files import load

    here, paper = flat_settings(scenario), flat_settings(load("paper").resolved(seed).data())
    keys = (key for key in _in_order(here, paper) if here.get(key) != paper.get(key))
    return [Difference(key, _said(here, key), _said(paper, key)) for key in keys]


def _in_order(here: Table, paper: Table) -> Iterable[str]:
    return dict.fromkeys([*here, *paper])


def _said(settings: Table, key: str) -> str:
    return _short(settings[key]) if key in settings else "–"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) <= LONGEST_VALUE:
        return text
    return f"{len(value)} values" if isinstance(value, list) else text[: LONGEST_VALUE - 3] + "..."
