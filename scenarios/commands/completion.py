"""What a shell completes, after `dmimo --install-completion`: scenarios, keys of --set, output folders.

Values of keys are not completed: shells differ in what they take for one word around "=".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["complete_key", "complete_scenario"]

Schema = Mapping[str, Any]


def complete_scenario(incomplete: str) -> list[str]:
    """Return the bundled scenarios, and the TOML files and folders, whose names begin so."""
    from scenarios.file.files import bundled

    folder = Path(incomplete or ".").parent if not incomplete.endswith("/") else Path(incomplete)
    stem = incomplete[: incomplete.rfind("/") + 1]
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    files = [f"{stem}{path.name}" for path in found if path.suffix == ".toml"]
    folders = [f"{stem}{path.name}/" for path in found if path.is_dir() and not path.name.startswith(".")]
    return [name for name in (*sorted(bundled()), *files, *folders) if name.startswith(incomplete)]


def complete_key(incomplete: str) -> list[tuple[str, str]]:
    """Return the keys of a scenario that begin so, each with "=" behind it and what it is."""
    from scenarios.file.scenario import Scenario

    schema = Scenario.model_json_schema()
    return [(f"{key}=", about) for key, about in _keys(schema, schema["$defs"]) if key.startswith(incomplete)]


def _keys(table: Schema, tables: Mapping[str, Schema], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted keys of a table with their descriptions; of a list of tables those of its first."""
    for name, entry in table["properties"].items():
        inside, index = entry.get("$ref"), ""
        if inside is None:
            yield f"{prefix}{name}", entry.get("description", "")
            inside, index = entry.get("items", {}).get("$ref"), ".0"
        if inside is not None:
            yield from _keys(tables[inside.rpartition("/")[2]], tables, f"{prefix}{name}{index}.")
