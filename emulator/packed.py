"""A long sequence of small objects that takes little memory: all but the last ones are pickled and compressed."""

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

__all__ = ["BLOCK", "PackedSequence"]

T = TypeVar("T")
BLOCK = 64
"""Objects that are packed together; what they share is stored once."""


class PackedSequence(Sequence[T], Generic[T]):
    """A sequence that can be appended to; reading an element unpacks its block, so two readings give two objects.

    A block of which something cannot be pickled, such as an object of a local class, is kept as it is.

    >>> numbers = PackedSequence(range(1000))
    >>> len(numbers), numbers[3], numbers[-1], numbers[998:]
    (1000, 3, 999, (998, 999))
    """

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._blocks: list[bytes | list[T]] = []
        self._fresh: list[T] = []
        self._read: tuple[int, list[T]] = (-1, [])
        for item in items:
            self.append(item)

    def append(self, item: T) -> None:
        """Add an object at the end."""
        if len(self._fresh) == BLOCK:
            self._blocks.append(_packed(self._fresh))
            self._fresh = []
        self._fresh.append(item)

    def replace_last(self, item: T) -> None:
        """Put an object in place of the last one.

        Raises
        ------
        IndexError
            If there is none.
        """
        self._fresh[-1] = item

    def __len__(self) -> int:
        return BLOCK * len(self._blocks) + len(self._fresh)

    def __iter__(self) -> Iterator[T]:
        for block in self._blocks:
            yield from _unpacked(block)
        yield from self._fresh

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return tuple(self[i] for i in places)
        return self._block(places // BLOCK)[places % BLOCK]

    def _block(self, number: int) -> list[T]:
        if number == len(self._blocks):
            return self._fresh
        if self._read[0] != number:
            self._read = number, _unpacked(self._blocks[number])
        return self._read[1]


def _packed(items: list[Any]) -> bytes | list[Any]:
    try:
        return zlib.compress(pickle.dumps(items, pickle.HIGHEST_PROTOCOL), 1)
    except (pickle.PicklingError, AttributeError, TypeError):
        return items


def _unpacked(block: bytes | list[Any]) -> list[Any]:
    return pickle.loads(zlib.decompress(block)) if isinstance(block, bytes) else block
