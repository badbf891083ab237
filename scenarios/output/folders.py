"""Output folders: what a command writes there, and how nothing of the user's is ever lost.

A command writes its own files one by one, each to a temporary name in the same folder and then renamed. Which files are
ours is written down in the folder's *manifest* (``.dmimo.json``): for each command the settings that the files follow
from, and the SHA-256 of each file. From that follow the rules:

- A file with one of our names that the manifest does not know by its content, or by the first line of one that is
  appended to, is somebody else's, or was changed since; it is never replaced or removed. The command is refused before
  it computes anything.
- Files of other settings are replaced with ``--overwrite`` alone; those of the same settings, which are the same
  bytes, without a word.
- The manifest names the temporary files before they are made, and the content to come before a file is renamed. What a
  killed command leaves behind is therefore known, and the next one tidies it up. The names are drawn at random, that
  of the next manifest follows from this one, and a file that bears such a name already is never opened.
- A request to end, as Ctrl-C, waits for the moment that it takes to put the files into their places.
- One command at a time writes to a folder, or looks at what is there: the others wait for it.
- The file that tells of a complete result (``result.json`` of a run) goes first when other settings take the place of
  old ones, and comes last: while it is there, the files beside it belong to it.
"""

import hashlib
import json
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from scenarios.file.problems import ScenarioError
from scenarios.version import SCHEMA_VERSION

__all__ = [
    "MANIFEST", "OutputFolder", "check_file", "check_place", "first_line_digest", "flat_settings", "replace_file",
    "settings_digest", "write_file",
]  # fmt: skip

MANIFEST = ".dmimo.json"

LONGEST_LIST = 16  # of what the manifest spells out
MOST_NAMED = 4  # differences of settings
MOST_OF_A_LINE = 1000  # bytes

Writer = Callable[[Path], object]
"""Writes one file to the path that it is given."""


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that stand for some settings.

    >>> settings_digest({"seed": 1}) == settings_digest({"seed": 1}) != settings_digest({"seed": 2})
    True
    """
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def flat_settings(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted key; a long list is represented by a digest.

    >>> flat_settings({"radio": {"carrier_hz": 3.5e9}, "targets": []})
    {'radio.carrier_hz': 3500000000.0, 'targets': []}
    """
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                flat |= flat_settings(item, f"{prefix}{key}.{index}.")
        else:
            long = isinstance(value, list | tuple) and len(value) > LONGEST_LIST
            flat[f"{prefix}{key}"] = f"{len(value)} values, {settings_digest({'value': value})}" if long else value
    return flat


def whole_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line_digest(path: Path) -> str:
    """Return the SHA-256 of the first line of a file that is appended to."""
    with path.open("rb") as file:
        return hashlib.sha256(file.readline(MOST_OF_A_LINE)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class OutputFolder:
    """The folder that a command writes to.

    Attributes
    ----------
    path
        The folder; made when the first file is written. A link stays a link.
    command
        What writes, as "run" or "figure 2": its files are told from those of other commands in the same folder.
    names
        Names of all files that the command may write, the one that completes the result last.
    settings
        What the files follow from, as plain data; two results of the same settings are the same bytes.
    overwrite
        Whether files of other settings may be replaced.
    digest
        What the manifest knows a file by: its content, or the first line of one that is appended to.
    """

    path: Path
    command: str
    names: tuple[str, ...]
    settings: Mapping[str, Any]
    overwrite: bool = False
    digest: Callable[[Path], str] = whole_digest

    def check(self) -> None:
        """Refuse, before anything is computed, a folder that cannot be written to or holds what must stay.

        Raises
        ------
        ScenarioError
            If it is a file, nothing can be written there, one of our names is somebody else's file, or it holds a
            result of other settings and ``overwrite`` is off.
        """
        check_place(self.path, "a folder, new or old, that can be written to")
        if self.path.exists():
            with _alone_in(self.path):
                self._check_content()

    def _check_content(self) -> None:
        """Refuse a folder that holds what must stay."""
        entry = self._entry()
        self._check_foreign(entry)
        theirs = entry.get("settings")
        if theirs is not None and not self.overwrite and theirs != self._plain_settings():
            raise ScenarioError("--out", [self._other_settings(theirs)])

    def write(self, writers: Mapping[str, Writer]) -> list[Path]:
        """Write files, each whole or not at all, and return their paths in the order of ``writers``.

        Raises
        ------
        ScenarioError
            If another command has meanwhile put there what must stay.
        OSError
            If the disk is full, say; earlier files are then as they were.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with _alone_in(self.path):
            self._check_content()
            self._write(writers)
        return [self.path / name for name in writers]

    def _write(self, writers: Mapping[str, Writer]) -> None:
        entry = self._tidied(self._entry())
        fresh = {name: self.path / _fresh_name(name) for name in writers}
        try:
            self._book({**entry, "temporary": sorted(path.name for path in fresh.values())})
            for name, writer in writers.items():
                fresh[name].touch(exist_ok=False)
                writer(fresh[name])
                _flush(fresh[name])
            digests = {name: self.digest(path) for name, path in fresh.items()}
            with _undisturbed():
                self._replace(entry, fresh, digests)
        finally:
            for path in fresh.values():
                path.unlink(missing_ok=True)
            self._tidied(self._entry())

    def _replace(self, entry: Mapping[str, Any], fresh: Mapping[str, Path], digests: Mapping[str, str]) -> None:
        """Put complete files in their places; what they are is in the manifest before and after."""
        both = {name: [*entry.get("files", {}).get(name, []), digest] for name, digest in digests.items()}
        known = {**entry.get("files", {}), **both}
        temporary = sorted(path.name for path in fresh.values())
        self._check_foreign(entry)
        same = entry.get("complete") and entry.get("settings") == self._plain_settings()
        settings = {"settings": self._plain_settings()}
        self._book({**settings, "files": known, "complete": False, "temporary": temporary})
        stale = [name for name in reversed(self.names) if name in entry.get("files", {})]
        for name in stale if not same else [name for name in stale if name not in fresh]:
            (self.path / name).unlink(missing_ok=True)
        for name in sorted(fresh, key=self.names.index):
            os.replace(fresh[name], self.path / name)
        files = {name: [digest] for name, digest in digests.items()}
        self._book({**settings, "files": files, "complete": True})

    def update(self, name: str, writer: Writer) -> Path:
        """Write one file of a result that is there already, as a picture that is drawn again, and return its path.

        Raises
        ------
        ScenarioError
            If a file of that name is somebody else's.
        """
        with _alone_in(self.path):
            self._update(name, writer)
        return self.path / name

    def _update(self, name: str, writer: Writer) -> None:
        entry = self._tidied(self._entry())
        self._check_foreign(entry, [name])
        fresh = self.path / _fresh_name(name)
        try:
            self._book({**entry, "temporary": [fresh.name]})
            fresh.touch(exist_ok=False)
            writer(fresh)
            _flush(fresh)
            files = dict(entry.get("files", {}))
            digest = self.digest(fresh)
            both = {**files, name: [*files.get(name, []), digest]}
            with _undisturbed():
                self._book({**entry, "files": both, "temporary": [fresh.name]})
                os.replace(fresh, self.path / name)
                self._book({**entry, "files": {**files, name: [digest]}})
        finally:
            fresh.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the files of this command, and what the manifest says of them.

        Raises
        ------
        ScenarioError
            If one of them is somebody else's; then all stay.
        """
        if not self.path.exists():
            return
        with _alone_in(self.path):
            if entry := self._tidied(self._entry()):
                self._check_foreign(entry)
                for name in self.names:
                    (self.path / name).unlink(missing_ok=True)
                self._book({})

    def foreign(self) -> list[str]:
        """Return which files of our names the manifest does not know by their content."""
        if not self.path.exists():
            return []
        with _alone_in(self.path):
            return self._foreign_in(self._entry())

    def existing(self) -> Path:
        """Return the folder, or the nearest one above it that exists."""
        return _existing(self.path.absolute())

    # -- what is there ----------------------------------------------------------------------------------------------

    def _plain_settings(self) -> Any:
        return json.loads(json.dumps(self.settings, default=str))

    def _check_foreign(self, entry: Mapping[str, Any], names: Iterable[str] = ()) -> None:
        """Refuse files of our names that the manifest does not know by their content."""
        if foreign := self._foreign_in(entry, names):
            text = (
                f'got "{self.path}"; it holds {", ".join(foreign)}, which this program did not write, or which changed '
                "since; allowed: a folder without such files; move them away or choose another folder"
            )
            raise ScenarioError("--out", [text])

    def _foreign_in(self, entry: Mapping[str, Any], names: Iterable[str] = ()) -> list[str]:
        known = entry.get("files", {})
        return [name for name in names or self.names if not self._is_ours(name, known.get(name, []))]

    def _is_ours(self, name: str, digests: Iterable[str]) -> bool:
        """Return whether a name is free, or that of a file of ours; a link is never one."""
        path = self.path / name
        if not os.path.lexists(path):
            return True
        return path.is_file() and not path.is_symlink() and self.digest(path) in set(digests)

    def _other_settings(self, theirs: Mapping[str, Any]) -> str:
        mine = self._plain_settings()
        keys = [key for key in sorted({*theirs, *mine}) if theirs.get(key) != mine.get(key)]
        said = [f"{key}: {_short(theirs.get(key))} there, {_short(mine.get(key))} now" for key in keys]
        shown = sorted(said, key=len)[:MOST_NAMED]
        more = f", and {len(said) - len(shown)} more" if len(said) > len(shown) else ""
        return (
            f'got "{self.path}", which holds a result of other settings ({"; ".join(shown)}{more}); allowed: another '
            "folder, or --overwrite to replace that result"
        )

    def _manifest(self) -> dict[str, Any]:
        """Return the manifest; one that is empty was killed in the making, and says nothing."""
        path = self.path / MANIFEST
        try:
            text = "[]" if path.is_symlink() else path.read_text(encoding="utf-8")
            found = json.loads(text or '{"commands": {}}')
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ScenarioError("--out", [f'got "{self.path}"; its {MANIFEST} cannot be read: {error}']) from error
        if not (isinstance(found, dict) and isinstance(found.get("commands"), dict)):
            text = f'got "{self.path}"; its {MANIFEST} is not one of this program; move it away'
            raise ScenarioError("--out", [text])
        return found

    def _entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = self._manifest().get("commands", {}).get(self.command, {})
        return entry

    def _tidied(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Remove what an earlier command that was killed left half-written, and return the entry without it."""
        for name in entry.get("temporary", ()):
            (self.path / os.path.basename(name)).unlink(missing_ok=True)
        kept = {key: value for key, value in entry.items() if key != "temporary"}
        if kept != entry:
            self._book(kept)
        return kept

    def _book(self, entry: Mapping[str, Any]) -> None:
        """Put the entry of this command into the manifest; other commands' entries stay."""
        path = self.path / MANIFEST
        commands = {**self._manifest().get("commands", {}), self.command: entry}
        if not os.path.lexists(path):
            _write_new(path, _manifest_text({}))
        fresh = (
            self.path / f".dmimo-{whole_digest(path)}-manifest"
        )  # that of a process that was killed here has this name
        fresh.unlink(missing_ok=True)
        _write_new(fresh, _manifest_text({k: v for k, v in sorted(commands.items()) if v}))
        _flush(fresh)
        os.replace(fresh, path)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other command is at work in a folder, and let none begin; the end of a process ends its turn.

    Where the system or the disk has no such locks nothing is waited for.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a request to end, as Ctrl-C, wait until a step that must not be left halfway is done."""
    requests: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    heeded = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in heeded:
        signal.signal(number, lambda number, _: requests.append(number))
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
    if requests:
        signal.raise_signal(requests[0])


def _manifest_text(commands: Mapping[str, Any]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, "commands": commands}, indent=1, sort_keys=True)


def _fresh_name(name: str) -> str:
    """Return a name for a file that becomes ``name`` once it is whole; nobody else's has it."""
    return f".dmimo-{secrets.token_hex(8)}-{name}"


def _write_new(path: Path, text: str) -> None:
    """Write a text file that must not be there yet, not even as a link."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _flush(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name is; give the file the usual rights."""
    path.chmod(0o666 & ~_umask())
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def check_place(folder: Path, allowed: str, shown: Path | None = None) -> None:
    """Refuse a folder, new or old, in which no file can be written; messages name what is ``shown``, if given.

    Raises
    ------
    ScenarioError
        If it is one, as a file is.
    """
    absolute, path = folder.absolute(), shown or folder
    if os.path.lexists(absolute) and not absolute.is_dir():
        what = "a link to nothing" if absolute.is_symlink() and not absolute.exists() else "a file"
        raise ScenarioError("--out", [f'got "{path}", which is {what}; allowed: {allowed}'])
    place = _existing(absolute)
    try:
        _try_out(place, absolute.relative_to(place))
    except OSError as error:
        text = f'got "{path}", but nothing can be written in {place} ({error.strerror}); allowed: {allowed}'
        raise ScenarioError("--out", [text]) from error


def _existing(path: Path) -> Path:
    """Return a path that is absolute, or the nearest folder above it that exists."""
    return next(p for p in (path, *path.parents) if os.path.lexists(p))


def _try_out(place: Path, below: Path) -> None:
    """Write to a folder, and look up in it the names wanted; nothing is seen of it by anybody else."""
    with tempfile.TemporaryFile(dir=place):
        pass
    for name in (str(below), *below.parts):
        with suppress(FileNotFoundError):
            os.lstat(place / name)


def check_file(path: Path, overwrite: bool) -> None:
    """Refuse a single output file that cannot be written in the end, or would take the place of another.

    Only a file that this program wrote and nobody changed since, as the manifest beside it tells, may be replaced, with
    ``overwrite``.

    Raises
    ------
    ScenarioError
        If it is a folder, lies where nothing can be written, or exists and must stay.
    """
    allowed = "a new file in a folder that can be written to"
    check_place(path.absolute().parent, allowed, path)
    if os.path.lexists(path) and path.is_dir():
        raise ScenarioError("--out", [f'got "{path}", which is a folder; allowed: {allowed}'])
    if _folder_of(path).foreign():
        text = f'got "{path}", a file that this program did not write, or that changed since; allowed: {allowed}'
        raise ScenarioError("--out", [text])
    if os.path.lexists(path) and not overwrite:
        raise ScenarioError("--out", [f'got "{path}", an earlier result; allowed: {allowed}, or --overwrite'])


def write_file(path: Path, text: str) -> None:
    """Write a text file whole, in the place of an earlier one of ours; the manifest beside it knows it then."""
    replace_file(path, lambda fresh: fresh.write_text(text, encoding="utf-8"))


def replace_file(path: Path, writer: Writer) -> Path:
    """Write a file whole, in the place of an earlier one of ours; the manifest beside it knows it then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return _folder_of(path).update(path.name, writer)


def _folder_of(path: Path) -> OutputFolder:
    """Return the folder of a single file, which stands in the manifest for itself."""
    return OutputFolder(path=path.parent, command=f"file {path.name}", names=(path.name,), settings={})
