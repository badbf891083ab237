"""The content of files beside a scenario that its result follows from: what it names, and the source of plug-ins."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.media import TOPOLOGIES
from scenarios.file.checks import plugin_modules
from scenarios.file.plugins import module_of
from scenarios.file.schema import ScenarioKeys
from scenarios.file.table import Strategy, tables_of

__all__ = ["content_comments", "contents"]

_HEAD = "content of the "
OURS = ("models", "emulator", "scenarios")
"""Packages of this program: which of their modules are imported is a matter of the command."""


def contents(scenario: ScenarioKeys) -> dict[str, str]:
    """Return digests of the files that a checked scenario names, by words for them; they count as settings.

    These are the graph of the fronthaul, and each text among the settings of a plug-in that is the path of a file, as
    of a table of paths. A digest is the first 16 digits of the SHA-256. That of a plug-in takes what is imported of its
    package, in the order of the names of the modules.
    """
    files = {f"{_HEAD}file {key}": _digest([path]) for key, path in _files(scenario)}
    modules = sorted(set(plugin_modules(scenario)))
    return files | {f"{_HEAD}plug-in {module}": _digest(_sources(module)) for module in modules}


def content_comments(settings: Mapping[str, Any]) -> str:
    """Return those of some settings that are digests of files as comments of a scenario file."""
    return "".join(f"\n# {key}: sha256 {value}..." for key, value in settings.items() if key.startswith(_HEAD))


def _files(scenario: ScenarioKeys) -> Iterator[tuple[str, str]]:
    """Yield the files that a scenario names, each with its key."""
    if (topology := scenario.fronthaul.topology) not in TOPOLOGIES:
        yield "fronthaul.topology", topology
    for name, table in tables_of(scenario):
        if isinstance(table, Strategy) and module_of(table.chosen, table.registry) is not None:
            yield from ((f"{name}.{key}", path) for key, path in table.own.items() if _is_file(path))


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _sources(module: str) -> Iterator[str]:
    """Yield the files of the modules that are imported of the package of a plug-in; of one of this program it alone."""
    package = module.partition(".")[0]
    found = {name for name in sys.modules if name.partition(".")[0] == package} if package not in OURS else {module}
    for name in sorted(found):
        path = getattr(sys.modules[name], "__file__", None)
        if path and Path(path).is_file():
            yield path
