"""What a checkpoint need not write again: results of CPIs and rows of the trace, appended to a file beside it.

    dmimo-isac journal <a random number>   a line that no other file begins with
    <8 bytes> ...                          the length of an entry, and the entry, see ``emulator.plain``; and so on

An entry is ("cpis", some results), or the name of a table of the trace and rows of it. Entries are on the disk before
the checkpoint that counts them takes the place of the one before. What follows those that it counts was left by a
process that was killed in between, and is cut off by the one that goes on.
"""

import hashlib
import os
import secrets
import struct
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.plain import packed, unpacked

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["CPIS", "Journal", "JournalError", "Mark", "beside", "entries", "first_line", "together"]

TOGETHER = 64
"""Results in an entry."""
CPIS = "cpis"
LENGTH = struct.Struct("<Q")
BEGIN_ANEW = "give both files as they were written, or begin anew without them"


class JournalError(ValueError):
    """A journal is not there, in use, or does not hold what it should; the text says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How much of a journal counts: so many bytes of this digest, in them so many CPIs and bytes of each table."""

    n_bytes: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    n_cpis: int = 0
    tables: Mapping[str, int] = field(default_factory=dict)


def beside(path: Path) -> Path:
    """Return the path of the journal of a checkpoint."""
    return path.with_suffix(".journal")


def first_line() -> bytes:
    """Return what a new journal begins with."""
    return f"dmimo-isac journal {secrets.token_hex(16)}\n".encode()


def together(cpis: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield results, so many at once as need little memory as objects."""
    return (tuple(cpis[first : first + TOGETHER]) for first in range(0, len(cpis), TOGETHER))


class Journal:
    """A journal that is appended to, where the system has locks by this process alone, until ``close`` is called.

    Parameters
    ----------
    path
        The file, which is there.
    mark
        Says how much of it counts, and is asked when nobody else appends; None: all that is there, its first line.

    Raises
    ------
    JournalError
        If it does not hold that much, or something else, or another process appends to it.
    """

    def __init__(self, path: Path, mark: Callable[[], Mark] | None = None) -> None:
        self.path, self._file = path, _opened(path, "r+b")
        self.close = weakref.finalize(self, self._file.close)
        try:
            _lock(self._file)
            self.mark, content = _found(self._file, mark() if mark is not None else None)
        except BaseException:
            self.close()
            raise
        self._digest = hashlib.sha256(content)
        self._file.truncate(len(content))

    def append(self, cpis: Sequence[Any], rows: Mapping[str, bytes], classes: Mapping[str, type]) -> None:
        """Append the next results and the next rows of each table; they are on the disk then.

        Raises
        ------
        PlainError
            If there is something in the results that is no plain data; nothing is appended then.
        """
        parts = [*((CPIS, some) for some in together(cpis)), *((name, some) for name, some in rows.items() if some)]
        content = b"".join(_entry(part, classes) for part in parts)
        self._file.seek(self.mark.n_bytes)
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._digest.update(content)
        self.mark = Mark(
            n_bytes=self.mark.n_bytes + len(content),
            sha256=self._digest.hexdigest(),
            n_cpis=self.mark.n_cpis + len(cpis),
            tables={name: self.mark.tables.get(name, 0) + len(some) for name, some in rows.items()},
        )

    def is_there(self) -> bool:
        """Return whether the file still has its name; otherwise another process has begun anew there, or is done."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        return False


def entries(path: Path, mark: Mark, classes: Mapping[str, type]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a journal that count.

    Raises
    ------
    JournalError
        If it does not hold as much as counts, or something else.
    PlainError
        If an entry is not what this program writes.
    """
    if not mark.n_bytes:
        return
    with _opened(path, "rb") as file:
        content = _counted(file.read(mark.n_bytes), mark)
    start = content.index(b"\n") + 1
    while start < len(content):
        (length,) = LENGTH.unpack_from(content, start)
        start += LENGTH.size
        yield unpacked(content[start : start + length], classes)
        start += length


def _entry(part: tuple[str, Any], classes: Mapping[str, type]) -> bytes:
    entry = packed(part, classes, part[0])
    return LENGTH.pack(len(entry)) + entry


def _found(file: Any, mark: Mark | None) -> tuple[Mark, bytes]:
    """Return how much of a journal counts, if that is not said all that is there; and the content."""
    content = file.read() if mark is None else _counted(file.read(mark.n_bytes), mark)
    return mark or Mark(n_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()), content


def _counted(content: bytes, mark: Mark) -> bytes:
    """Return what counts of a journal if it is what the mark was made of."""
    if hashlib.sha256(content).hexdigest() != mark.sha256:
        raise JournalError(f"the journal beside it was cut or altered since it was written; {BEGIN_ANEW}")
    return content


def _opened(path: Path, how: str) -> Any:
    try:
        return path.open(how)
    except FileNotFoundError as error:
        raise JournalError(f"its journal {path} is not there; {BEGIN_ANEW}") from error


def _lock(file: Any) -> None:
    """Let no other process append to a file until this one closes it or ends."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalError("another command appends to the journal beside it; wait until that is done") from error
