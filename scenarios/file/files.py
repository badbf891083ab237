"""Scenario files: reading, overriding single keys, and writing the resolved scenario."""

import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scenarios.file.overrides import overridden
from scenarios.file.problems import ScenarioError, closest, short
from scenarios.file.scenario import Scenario
from scenarios.version import SCHEMA_VERSION, check_version

__all__ = ["bundled", "dump", "load", "parse_override", "scenario_name"]

_VERSION = re.compile(r"^#\s*schema_version\s*=\s*(\d+)\s*$", re.MULTILINE)


def bundled() -> dict[str, Path]:
    """Return the scenario files that come with the package, by name."""
    folder = importlib.resources.files("scenarios.file")
    return {Path(f.name).stem: Path(str(f)) for f in folder.iterdir() if f.name.endswith(".toml")}


def scenario_name(name_or_path: str | Path) -> str:
    """Return the name of a bundled scenario or of a file, without folder and suffix."""
    return Path(name_or_path).stem


def load(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None, plugins: Iterable[str] = ()) -> Scenario:
    """Return the checked scenario of a bundled name ("paper") or a path.

    Parameters
    ----------
    name_or_path
        Bundled name or path of a TOML file.
    overrides
        Values by dotted key, as {"radio.transmit_power_dbm": 40}; a list is entered by index: "targets.0.rcs_dbsm".
        A relative path is sought in the working directory first, then beside the file; one in a file beside it.
    plugins
        Modules that a kind "module:Class" may import.

    Raises
    ------
    ScenarioError
        If there is no such file, it is no TOML, or the scenario is wrong; with every problem found.
    """
    source = str(name_or_path)
    if not source:
        raise ScenarioError("SCENARIO", [f'got ""; allowed: a bundled name ({", ".join(bundled())}) or a TOML file'])
    path = bundled().get(source, Path(source))
    data = _read(path, source)
    here = Path.cwd() if source in bundled() else path.resolve().parent
    asked = overridden(data, overrides or {})
    folders = (here,) if _topology(asked) == _topology(data) else (Path.cwd(), here)
    return Scenario.checked(asked, source, plugins, folders)


def _topology(data: Mapping[str, Any]) -> Any:
    fronthaul = data.get("fronthaul")
    return fronthaul.get("topology") if isinstance(fronthaul, Mapping) else None


def _read(path: Path, source: str) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        _check_version(text)
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source, [f"not valid TOML: {error}"]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(source, [f"not text in UTF-8: {error}"]) from error
    except FileNotFoundError:
        hint = closest(source, bundled())
        raise ScenarioError(source, [f"there is no such file, nor a bundled scenario of that name; {hint}"]) from None
    except RecursionError:
        raise ScenarioError(source, ["lists or tables are nested too deep; a scenario has four levels"]) from None
    except (OSError, ValueError) as error:
        raise ScenarioError(source, [f"cannot be read: {error}"]) from error


def _check_version(text: str) -> None:
    """Refuse a scenario in which a comment says that it was written with another version of its form."""
    if version := _VERSION.search(text):
        check_version(int(version[1]))


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of "key=value", the value in TOML.

    >>> parse_override("radio.transmit_power_dbm=40")
    ('radio.transmit_power_dbm', 40)

    Raises
    ------
    ScenarioError
        If there is no "=", or the value is not TOML.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not (key and equals):
        raise ScenarioError("--set", [f'got "{text}"; allowed: key=value, as in radio.transmit_power_dbm=40'])
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError as error:
        hint = f"; a string needs quotes: --set '{key}=\"{value}\"'" if value[:1].isalpha() else f": {error}"
        raise ScenarioError("--set", [f"{key}: {short(value)} is not a TOML value{hint}"]) from error
    except (RecursionError, ValueError) as error:
        why = "is nested too deep" if isinstance(error, RecursionError) else "is a number of too many digits"
        raise ScenarioError("--set", [f"{key}: {short(value)} {why}"]) from None
    if list(parsed) != ["value"] or "\n" in value:
        raise ScenarioError("--set", [f"{key}: {short(value)} is more than one TOML value"])
    return key, parsed["value"]


def dump(scenario: Scenario) -> str:
    """Return the resolved scenario as TOML; loading it and dumping it again gives the same text."""
    data = scenario.data()
    arrays = {key: value for key, value in data.items() if isinstance(value, list)}
    lines = [f"# schema_version = {SCHEMA_VERSION}", *(f"{key} = []" for key, value in arrays.items() if not value)]
    for key, value in data.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *_pairs(value)]
        for table in arrays.get(key, ()):
            lines += ["", f"[[{key}]]", *_pairs(table)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key if _is_bare(key) else _quoted(key)} = {_toml(value)}" for key, value in table.items()]


def _is_bare(key: str) -> bool:
    return bool(key) and key.isascii() and key.replace("_", "").replace("-", "").isalnum()


def _quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(_pairs(value))}}}"
    return repr(value)
