"""What a sweep has done so far: a file to which the result of each task is appended, once.

    dmimo-isac sweep <settings>            a line that tells whose it is
    <checksum> {"task": 17, "record": {"peb_coherent_m": [0.001, 0.002], ...}}
    <checksum> {"task": 18, "error": "EmulationError: ..."}

A line counts if its CRC-32 is right. A process that is killed leaves half a line at most, which the next one cuts off.
"""

import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from scenarios.file.problems import ScenarioError

__all__ = ["TaskLog", "entries", "first_line", "is_log_of"]

FLUSH_S = 1.0
"""What is appended is on the disk by then; a process that is killed loses nothing, only a machine does."""


def first_line(digest: str) -> str:
    """Return the first line of the log of some settings."""
    return f"dmimo-isac sweep {digest}\n"


def is_log_of(path: Path, digest: str) -> bool:
    """Return whether a file is the log of some settings."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return file.readline() == first_line(digest).encode()


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what is known of tasks, in the order in which they were done; of one that was done again the last counts.

    Lines that were damaged are left out: their tasks are not done.
    """
    with path.open("rb") as file:
        file.readline()
        for line in file:
            checksum, _, text = line.rstrip(b"\n").partition(b" ")
            if line.endswith(b"\n") and checksum == _checksum(text):
                yield json.loads(text)


class TaskLog:
    """A log that this process alone appends to, where the system has locks, until it is closed.

    Raises
    ------
    ScenarioError
        If another process appends to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("r+b", buffering=0)
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ScenarioError("--out", [f'got "{path.parent}", where another sweep is at work; wait']) from error
        self._cut_torn_line()
        self._flushed_s = time.monotonic()

    def _cut_torn_line(self) -> None:
        """Leave whole lines alone, and go to the end."""
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            whole = sum(len(line) for line in lines if line.endswith(b"\n"))
        self._file.truncate(whole)
        self._file.seek(whole)

    def append(self, entry: dict[str, Any]) -> None:
        """Append what came of a task.

        Raises
        ------
        ScenarioError
            If somebody has removed the log, or put another in its place.
        OSError
            If the disk is full.
        """
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise ScenarioError("--out", [f'"{self._path}" was removed or replaced meanwhile; run the sweep again'])
        text = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode()
        left = memoryview(_checksum(text) + b" " + text + b"\n")
        while left:  # of a disk that is nearly full only a part may be taken
            left = left[self._file.write(left) :]
        if time.monotonic() - self._flushed_s > FLUSH_S:
            self._flush()

    def _flush(self) -> None:
        os.fsync(self._file.fileno())
        self._flushed_s = time.monotonic()

    def __enter__(self) -> "TaskLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)
