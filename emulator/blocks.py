"""A table of whole numbers that grows without growing the process.

Rows are bytes in the types of their columns, one after the other. Whenever a block of them is full it is set aside;
when there are more blocks than memory is to hold, they go to a temporary file that has no name and vanishes with the
process.
"""

import struct
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "MEMORY_BLOCKS", "Blocks", "Rows", "packer"]

BLOCK_ROWS = 4096
MEMORY_BLOCKS = 8
"""Full blocks that stay in memory: 1 MB at 33 bytes a row."""

Rows = NDArray[np.void]
Columns = list[tuple[str, str]]
"""Names and types of columns; the types are those of numpy, in ``CODES``."""
CODES = {"<i8": "q", "<i4": "i", "u1": "B"}
"""Names of the same types in ``struct``."""


def packer(columns: Columns) -> Callable[..., bytes]:
    """Return what makes the bytes of a row of its values, in the order of the columns."""
    return struct.Struct("<" + "".join(CODES[kind] for _, kind in columns)).pack


class Blocks:
    """A table that is appended to and read from front to back.

    Parameters
    ----------
    columns
        Names and types of the columns.
    spill
        Whether blocks may go to a file. A table that forgets what is old need not.
    folder
        Where the file is made; None for the system's folder of temporary files.

    Attributes
    ----------
    add
        Takes the bytes of one row or several.
    """

    def __init__(self, columns: Columns, *, spill: bool = True, folder: Path | None = None) -> None:
        self._columns, self._spill, self._folder = columns, spill, folder
        self.dtype = np.dtype(columns)
        self._block_bytes = BLOCK_ROWS * self.dtype.itemsize
        self._fresh, self._full = bytearray(), deque[bytes]()
        self._file: IO[bytes] | None = None
        self._spilled = self._forgotten = 0
        self.add = self._fresh.extend

    def settle(self) -> None:
        """Set full blocks aside, and keep no more of them in memory than there is room for."""
        size = self._block_bytes
        while len(self._fresh) >= size:
            self._full.append(bytes(self._fresh[:size]))
            del self._fresh[:size]
        while self._spill and len(self._full) > MEMORY_BLOCKS:
            self._write(self._full.popleft())

    def forget(self, column: str, least: int) -> None:
        """Drop full blocks from the front in which all values of a column are below ``least``."""
        while self._full and self._rows(self._full[0])[column].max() < least:
            self._full.popleft()
            self._forgotten += BLOCK_ROWS

    @property
    def n_rows(self) -> int:
        """Rows that came since the start or the last ``restore``, those dropped since included."""
        full = BLOCK_ROWS * (self._spilled + len(self._full))
        return self._forgotten + full + len(self._fresh) // self.dtype.itemsize

    def rows_from(self, number: int) -> Rows:
        """Return the rows from one on, as ``n_rows`` counts them, that are still here."""
        return self._rows(self.state(max(number - self._forgotten, 0) * self.dtype.itemsize))

    def __iter__(self) -> Iterator[Rows]:
        """Yield all rows in the order in which they came, block by block."""
        return map(self._rows, self._blocks())

    def _rows(self, block: bytes) -> Rows:
        rows: Rows = np.frombuffer(block, dtype=self.dtype)
        return rows

    def _blocks(self, first: int = 0) -> Iterator[bytes]:
        """Yield blocks from one on; the last is the one that is not full."""
        for index in range(first, self._spilled):
            yield self._read(index)
        yield from islice(self._full, max(first - self._spilled, 0), None)
        yield bytes(self._fresh)

    def _write(self, block: bytes) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix=".dmimo-", dir=self._folder)  # noqa: SIM115 - it stays open
            weakref.finalize(self, self._file.close)
        self._file.seek(self._spilled * self._block_bytes)
        self._file.write(block)
        self._spilled += 1

    def _read(self, index: int) -> bytes:
        assert self._file is not None, "what was spilled is in a file"
        self._file.seek(index * self._block_bytes)
        return self._file.read(self._block_bytes)

    def state(self, start: int = 0) -> bytes:
        """Return all rows, those in the file included, but for the first ``start`` bytes of them."""
        first = min(start // self._block_bytes, self._spilled + len(self._full))
        return b"".join(self._blocks(first))[start - first * self._block_bytes :]

    def restore(self, state: bytes) -> None:
        """Take the rows that ``state`` returned in place of those that are here."""
        self._spilled = self._forgotten = 0
        self._full.clear()
        self._fresh[:] = state
        self.settle()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: a file cannot be copied, its rows can."""
        return {"columns": self._columns, "spill": self._spill, "folder": self._folder, "rows": self.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Blocks.__init__(self, state["columns"], spill=state["spill"], folder=state["folder"])
        self.restore(state["rows"])
