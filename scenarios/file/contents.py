"""The content of files beside a scenario that its result follows from: of its graph, and the source of plug-ins."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from emulator.media import TOPOLOGIES
from scenarios.file.checks import plugin_modules
from scenarios.file.schema import ScenarioKeys

__all__ = ["content_comments", "contents"]

_HEAD = "content of the "


def contents(scenario: ScenarioKeys) -> dict[str, str]:
    """Return digests of the files that a checked scenario names, by words for them; they count as settings.

    A digest is the first 16 digits of the SHA-256. That of a plug-in takes what is imported of its package, in the
    order of the names of the modules.
    """
    topology = scenario.fronthaul.topology
    graphs = {} if topology in TOPOLOGIES else {f"{_HEAD}file fronthaul.topology": _digest([topology])}
    modules = sorted(set(plugin_modules(scenario)))
    return graphs | {f"{_HEAD}plug-in {module}": _digest(_sources(module)) for module in modules}


def content_comments(settings: Mapping[str, Any]) -> str:
    """Return those of some settings that are digests of files as comments of a scenario file."""
    return "".join(f"\n# {key}: sha256 {value}..." for key, value in settings.items() if key.startswith(_HEAD))


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _sources(module: str) -> Iterator[str]:
    """Yield the files of the modules that are imported of the package of a plug-in."""
    package = module.partition(".")[0]
    for name in sorted(name for name in sys.modules if name.partition(".")[0] == package):
        path = getattr(sys.modules[name], "__file__", None)
        if path and Path(path).is_file():
            yield path
