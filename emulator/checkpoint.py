"""A checkpoint: what an emulation needs to go on, and the results until then, in one file of plain data.

    dmimo-isac checkpoint        what it is
    <64 hexadecimal digits>      the SHA-256 of all that follows
    {"schema_version": ...}      JSON: the version, what the emulation is made of, the length of each chapter
    ...                          the chapters, see ``emulator.plain``: the state, then the results, 64 CPIs each

The first results, and rows of the trace, may lie in a journal beside it (``emulator.journal``).
A file that is not whole, was altered, or is of another emulation is refused, and nothing of it is used.
"""

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cached_property, partial
from importlib import import_module
from itertools import chain, pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from emulator.identity import PLAIN, differences
from emulator.journal import CPIS, Journal, JournalError, Mark, beside, entries, together
from emulator.media.effects import Effect
from emulator.nodes.node import Node
from emulator.plain import PlainError, packed, unpacked
from emulator.results import CpiResults

__all__ = [
    "CheckpointError", "classes_of", "enter", "journal_of", "keepers", "kept_by", "pieces", "read",
    "refuse_hidden_state", "strategies_of", "write_whole",
]  # fmt: skip

TITLE = b"dmimo-isac checkpoint"
SCHEMA_VERSION = 2
"""Grows when the meaning or the layout of something in the file changes."""
MODULES = (
    "emulator.ages", "emulator.calibrator", "emulator.emission", "emulator.fault_plan", "emulator.front_end",
    "emulator.functional_split", "emulator.inbox", "emulator.losses", "emulator.media.links", "emulator.media.truth",
    "emulator.messages", "emulator.relay", "emulator.results", "emulator.serials", "emulator.slot",
    "models.calibration.base", "models.calibration.coherence", "models.calibration.servo", "models.contradictions",
    "models.network", "models.observation", "models.oscillators.base", "models.radio.gram", "models.scoring",
)  # fmt: skip
"""Modules of this program whose classes may stand in a checkpoint."""
NOBODYS = sys.stdlib_module_names | {"numpy"}
"""Packages of which a checkpoint holds numbers, text and tables, and no other objects."""
BEGIN_ANEW = "give the file as it was written, or begin anew without it"
AS_IT_IS = (*PLAIN, np.ndarray, FunctionType, type, partial)


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or is refused; the text says why and what to do."""


# -- the file ---------------------------------------------------------------------------------------------------------


def pieces(
    identity: Mapping[str, str],
    state: Mapping[str, Any],
    cpis: Sequence[Any],
    classes: Mapping[str, type],
    journal: Mark = Mark(),  # noqa: B008 - frozen
) -> list[bytes]:
    """Return the content of a file, piece by piece: what the journal beside it does not hold.

    Raises
    ------
    CheckpointError
        If there is something in the state or the results that is no plain data, nor of one of these classes.
    """
    try:
        chapters = [packed(state, classes), *(packed(some, classes, "cpis") for some in together(cpis))]
    except PlainError as error:
        raise _cannot(error) from error
    lengths = [len(part) for part in chapters]
    head = {"schema_version": SCHEMA_VERSION, "identity": identity, "lengths": lengths, "journal": asdict(journal)}
    content = [json.dumps(head).encode(), b"\n", *chapters]
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return [TITLE, b"\n", digest.hexdigest().encode(), b"\n", *content]


def enter(journal: Journal, cpis: Sequence[Any], rows: Mapping[str, bytes], classes: Mapping[str, type]) -> None:
    """Append results and rows of the trace to a journal; raises CheckpointError as ``pieces`` does."""
    try:
        journal.append(cpis, rows, classes)
    except PlainError as error:
        raise _cannot(error) from error


def _cannot(error: PlainError) -> CheckpointError:
    return CheckpointError(f"no checkpoint can be made of this emulation: {error}")


def journal_of(path: Path) -> Journal:
    """Return the journal beside a file, to go on with; raises CheckpointError if one of the two is damaged."""
    try:
        return Journal(beside(path), lambda: Mark(**_opened(path)[0]["journal"]))
    except JournalError as error:
        raise _damaged(path, error) from error


def read(path: Path, identity: Mapping[str, str], classes: Mapping[str, type]) -> tuple[dict[str, Any], CpiResults]:
    """Return the state that a file and its journal hold and the results of the CPIs until then.

    Raises
    ------
    CheckpointError
        If it is no checkpoint, not whole, altered, of another version or of another emulation, or its journal is.
    OSError
        If there is no such file.
    """
    head, chapters = _opened(path)
    if odd := differences(head["identity"], identity):
        raise CheckpointError(f"{path} is of another emulation ({odd}): build from the same scenario and seed")
    try:
        early, rows = _journalled(beside(path), Mark(**head["journal"]), classes)
        state, *late = (unpacked(chapter, classes) for chapter in chapters)
    except JournalError as error:
        raise _damaged(path, error) from error
    except PlainError as error:
        raise CheckpointError(f"{path} does not fit this emulation: {error}; {BEGIN_ANEW}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} does not fit this emulation: it holds no state; {BEGIN_ANEW}")
    for name, some in rows.items():
        state["trace"][name] = some + state["trace"][name]
    return state, CpiResults(chain(early, *late))


def _damaged(path: Path, error: JournalError) -> CheckpointError:
    return CheckpointError(f"{path} cannot be gone on from: {error}")


def _journalled(path: Path, mark: Mark, classes: Mapping[str, type]) -> tuple[CpiResults, dict[str, bytes]]:
    """Return the results and the rows of each table that a journal holds."""
    cpis, rows = CpiResults(), dict[str, list[bytes]]()
    for what, entry in entries(path, mark, classes):
        if what == CPIS:
            for cpi in entry:
                cpis.append(cpi)
        else:
            rows.setdefault(what, []).append(entry)
    return cpis, {name: b"".join(parts) for name, parts in rows.items()}


def _opened(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    """Return the head and the chapters of a file that is whole."""
    line, _, rest = _content(path).partition(b"\n")
    try:
        head = json.loads(line)
        version, ends = head["schema_version"], np.cumsum([0, *head["lengths"]]).tolist()
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is no checkpoint of this program ({error!r}): {BEGIN_ANEW}") from error
    if version != SCHEMA_VERSION:
        allowed = f"{SCHEMA_VERSION}; go on with the version that wrote it, or begin anew"
        raise CheckpointError(f"{path} has schema_version {version!r}; allowed: {allowed}")
    return head, [rest[start:end] for start, end in pairwise(ends)]


def _content(path: Path) -> bytes:
    """Return what follows the digest of a file, if it is what the digest is of."""
    title, digest, content = (*path.read_bytes().split(b"\n", 2), b"", b"")[:3]
    if title != TITLE:
        raise CheckpointError(f"{path} is no checkpoint, or its beginning was altered: {BEGIN_ANEW}")
    if digest.decode("ascii", "replace") != hashlib.sha256(content).hexdigest():
        raise CheckpointError(f"{path} is damaged: it was cut or altered since it was written; {BEGIN_ANEW}")
    return content


def write_whole(path: Path, content: Iterable[bytes]) -> None:
    """Write a file whole or not at all: to a name beside it, which takes its place when all is on the disk."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with fresh.open("xb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


# -- what an emulation brings along -----------------------------------------------------------------------------------


def classes_of(nodes: Iterable[Node], others: Iterable[object] = ()) -> dict[str, type]:
    """Return the classes of which objects may stand in a checkpoint, by name.

    They are this program's own, and those that are defined in the modules of the classes of the nodes, of what nodes
    are made of, and of other objects: modules that are loaded already. None is imported because a file names it.
    """
    parts = [part for node in nodes for part in (node, *_parts(node, _built_with(node)).values())]
    held = {type(part) for whole in (*parts, *others) for part in (whole, *_within(whole))}
    own = [base for kind in held for base in kind.__mro__ if base.__module__.partition(".")[0] not in NOBODYS]
    modules = sorted({kind.__module__ for kind in own} & sys.modules.keys())
    nearby = (each for module in modules for each in vars(sys.modules[module]).values())
    beside = [each for each in nearby if isinstance(each, type) and each.__module__ in modules]
    known = (*_house_classes(), *beside, *own)
    return {f"{kind.__module__}:{kind.__qualname__}": kind for kind in known}


def _within(part: object) -> Iterator[object]:
    """Yield what a part of a node is made of itself, such as the quantiser of a functional split."""
    if is_dataclass(part) and not isinstance(part, type):
        yield from (getattr(part, field.name) for field in fields(part) if field.init and hasattr(part, field.name))


def _house_classes() -> Iterator[type]:
    """Yield the classes of this program of which objects may stand in a checkpoint."""
    for name in MODULES:
        named = vars(import_module(name)).values()
        yield from (each for each in named if isinstance(each, type) and each.__module__ == name)


def _built_with(node: Node) -> set[str]:
    return {part.name for part in fields(node) if part.init and hasattr(node, part.name)}


def _parts(node: Node, names: Iterable[str]) -> dict[str, Any]:
    """Return what attributes of a node hold, by dotted name; of a tuple each entry."""
    found: dict[str, Any] = {}
    for name in sorted(names):
        value = getattr(node, name)
        several = {f".{number}": entry for number, entry in enumerate(value)} if type(value) is tuple else {"": value}
        found |= {f"{node.name}.{name}{number}": entry for number, entry in several.items()}
    return found


# -- strategies that keep a state -------------------------------------------------------------------------------------


def strategies_of(nodes: Iterable[Node]) -> dict[str, Any]:
    """Return what nodes are wired with, strategies above all, by dotted name."""
    return {name: part for node in nodes for name, part in _parts(node, _built_with(node) & node.wiring).items()}


def keepers(nodes: Iterable[Node]) -> dict[str, Any]:
    """Return the strategies that keep a state and hand it out with ``state()``, by dotted name."""
    return {name: part for name, part in strategies_of(nodes).items() if _hands_out(part)}


def refuse_hidden_state(nodes: Iterable[Node]) -> None:
    """Refuse strategies that keep a state and do not hand it out; raises CheckpointError."""
    for name, part in strategies_of(nodes).items():
        if not _hands_out(part) and (kept := kept_by(part)):
            raise CheckpointError(
                f"{name}: {type(part).__qualname__} may keep a state in {kept}, which a checkpoint would lose: make it "
                "a frozen dataclass of settings, or give it state() and restore(state)"
            )


def _hands_out(part: object) -> bool:
    return all(callable(getattr(part, name, None)) for name in ("state", "restore")) and not isinstance(part, type)


def kept_by(part: object) -> str:
    """Return the attributes in which a strategy may keep a state; empty if it is a frozen dataclass of settings."""
    if isinstance(part, (*AS_IT_IS, Effect)):  # what an effect keeps may only save time
        return ""
    own = vars(part) if hasattr(part, "__dict__") else {}
    settings = [field.name for field in fields(part) if field.init] if is_dataclass(part) and _is_frozen(part) else []
    odd = [name for name in own if name not in settings and not _is_worked_out(part, name)]
    return ", ".join(odd) or next((kept for name in settings if (kept := kept_by(getattr(part, name)))), "")


def _is_frozen(part: object) -> bool:
    return bool(getattr(type(part), "__dataclass_params__").frozen)  # noqa: B009 - no attribute that types know


def _is_worked_out(part: object, name: str) -> bool:
    return type(getattr(type(part), name, None)) is cached_property
