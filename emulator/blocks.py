"""A table of whole numbers that grows without growing the process.

New rows lie in one flat array of 64-bit integers. Whenever a block of rows is full it is packed into the small types of
its columns; when there are more blocks than memory is to hold, they go to a temporary file that has no name and
vanishes with the process.
"""

import tempfile
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "MEMORY_BLOCKS", "Blocks"]

BLOCK_ROWS = 4096
MEMORY_BLOCKS = 32
"""Packed blocks that stay in memory: 4 MB at 33 bytes a row."""

Rows = NDArray[np.void]


class Blocks:
    """A table that is appended to and read from front to back.

    Parameters
    ----------
    columns
        Names and types of the columns, as for ``numpy.dtype``.
    spill
        Whether blocks may go to a file. One that forgets what is old need not.
    folder
        Where the file is made; None for the system's folder of temporary files.

    Attributes
    ----------
    add
        Takes the values of one row or several, one after the other.
    """

    def __init__(self, columns: list[tuple[str, str]], *, spill: bool = True, folder: Path | None = None) -> None:
        self.dtype, self._names = np.dtype(columns), [name for name, _ in columns]
        self._spill, self._folder = spill, folder
        self._fresh, self._packed = array("q"), deque[Rows]()
        self._file: IO[bytes] | None = None
        self._spilled = 0
        self.add = self._fresh.extend

    def pack(self) -> None:
        """Pack what fills a block, and keep no more of them in memory than there is room for."""
        size = BLOCK_ROWS * len(self._names)
        while len(self._fresh) >= size:
            self._packed.append(self._typed(self._fresh[:size]))
            del self._fresh[:size]
        while self._spill and len(self._packed) > MEMORY_BLOCKS:
            self._write(self._packed.popleft())

    def forget(self, column: str, least: int) -> None:
        """Drop blocks from the front in which all values of a column are below ``least``."""
        while self._packed and self._packed[0][column].max() < least:
            self._packed.popleft()

    def __iter__(self) -> Iterator[Rows]:
        """Yield all rows in the order in which they came, block by block."""
        for index in range(self._spilled):
            yield self._read(index)
        yield from self._packed
        if self._fresh:
            yield self._typed(self._fresh[:])

    def _typed(self, values: "array[int]") -> Rows:
        table = np.frombuffer(values, dtype=np.int64).reshape(-1, len(self._names))
        rows = np.empty(len(table), dtype=self.dtype)
        for i, name in enumerate(self._names):
            rows[name] = table[:, i]
        return rows

    def _write(self, rows: Rows) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix=".dmimo-", dir=self._folder)  # noqa: SIM115 - it stays open
        self._file.seek(self._spilled * rows.nbytes)
        self._file.write(rows.tobytes())
        self._spilled += 1

    def _read(self, index: int) -> Rows:
        assert self._file is not None, "what was spilled is in a file"
        size = BLOCK_ROWS * self.dtype.itemsize
        self._file.seek(index * size)
        return np.frombuffer(self._file.read(size), dtype=self.dtype)

    def state(self) -> dict[str, Any]:
        """Return all rows, as data."""
        spilled = [self._read(index) for index in range(self._spilled)]
        return {"packed": [*spilled, *self._packed], "fresh": self._fresh[:]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the rows that ``state`` returned in place of those that are here."""
        self._spilled, self._packed = 0, deque(state["packed"])
        self._fresh[:] = state["fresh"]
        self.pack()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: a file cannot be copied, its rows can."""
        return {"columns": self.dtype.descr, "spill": self._spill, "folder": self._folder, **self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Blocks.__init__(self, state["columns"], spill=state["spill"], folder=state["folder"])
        self.restore(state)
