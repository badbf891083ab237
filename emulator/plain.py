"""Objects as plain data and back: a table in JSON, and bytes beside it. No code is in it, and none is run to read it.

Each object is a row of the table, after those that it is made of; what two objects share is one row. A class is known
by name from a table that the reader brings along: what is not in it is neither written nor read, nor is a class ever
imported because a file names it. No constructor is called: attributes are set as they were.

Not kept: which arrays are views of one memory, and values that ``functools.cached_property`` worked out.
"""

import json
import struct
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from typing import Any, Never

import numpy as np

__all__ = ["PlainError", "packed", "unpacked"]

Classes = Mapping[str, type]
"""Classes by the names that they have in a file."""
LENGTH = struct.Struct("<Q")
SCALARS = (type(None), bool, int, float, str)
ROWS = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}
TABLES = {kind.__name__: kind for kind in (dict, Counter)}
FACTORIES = {kind.__name__: kind for kind in (list, dict, set, int, float)}
"""What a ``defaultdict`` may make."""
NUMBERS = "biufcSU"
"""Kinds of arrays that are plain: numbers and text."""


class PlainError(ValueError):
    """Something cannot be written as plain data, or is no such data."""


def packed(value: Any, classes: Classes, name: str = "") -> bytes:
    """Return an object as compressed bytes; ``name`` says in errors what it is.

    Raises
    ------
    PlainError
        If there is something in it that is no plain data, nor an object of one of these classes.

    >>> unpacked(packed({"slots": (1, 2)}, {}), {})
    {'slots': (1, 2)}
    """
    table = _Table(classes)
    root = table.put(value, name)
    text = json.dumps([table.rows, root], separators=(",", ":")).encode()
    return zlib.compress(b"".join([LENGTH.pack(len(text)), text, *table.bytes]), 1)


def unpacked(data: bytes, classes: Classes) -> Any:
    """Return the object that ``packed`` wrote; nobody else has any part of it.

    Raises
    ------
    PlainError
        If these are other bytes, or there is an object in it of a class that is not one of these.
    """
    try:
        whole = zlib.decompress(data)
        start = LENGTH.size + LENGTH.unpack_from(whole)[0]
        rows, root = json.loads(whole[LENGTH.size : start])
        return _Reading(classes, memoryview(whole)[start:]).object(rows, root)
    except PlainError:
        raise
    except (zlib.error, struct.error, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PlainError(f"it is not what this program writes ({type(error).__name__}: {error})") from error


class _Table:
    """What objects become; a row stands for each, and a list of its number for the row."""

    def __init__(self, classes: Classes) -> None:
        self.rows: list[list[Any]] = []
        self.bytes: list[bytes] = []
        self._size = 0
        self._names = {kind: name for name, kind in classes.items()}
        self._numbers: dict[int, tuple[Any, int | None]] = {}
        """By identity: the object, so that it lives on, and its row; None while that is being made."""

    def put(self, value: Any, name: str) -> Any:
        """Return what stands for an object in JSON."""
        if type(value) in SCALARS:
            return value
        _, number = self._numbers.get(id(value), (None, -1))
        if number is None:
            raise PlainError(f"{name} is a part of itself")
        if number < 0:
            self._numbers[id(value)] = value, None
            self.rows.append(self._row(value, name))
            number = len(self.rows) - 1
            self._numbers[id(value)] = value, number
        return [number]

    def _row(self, value: Any, name: str) -> list[Any]:
        kind = type(value)
        if kind.__name__ in ROWS and kind is ROWS[kind.__name__]:
            return [kind.__name__, self._all(value, name)]
        if kind.__name__ in TABLES and kind is TABLES[kind.__name__]:
            return [kind.__name__, *self._items(value, name)]
        if kind is deque:
            return ["deque", value.maxlen, self._all(value, name)]
        if kind is defaultdict and value.default_factory in FACTORIES.values():
            return ["defaultdict", value.default_factory.__name__, *self._items(value, name)]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is bytes:
            return ["bytes", *self._beside(value)]
        if isinstance(value, np.generic) or kind is np.ndarray:
            return self._numeric(value, name)
        return self._instance(value, self._name(kind, name), name)

    def _instance(self, value: Any, kind: str, name: str) -> list[Any]:
        if isinstance(value, Enum):
            return ["enum", kind, value.name]
        if isinstance(value, tuple):
            return ["named", kind, self._all(value, name)]
        return ["instance", kind, {key: self.put(part, f"{name}.{key}") for key, part in _attributes(value)}]

    def _all(self, values: Iterable[Any], name: str) -> list[Any]:
        return [self.put(part, f"{name}[{i}]") for i, part in enumerate(values)]

    def _items(self, values: Mapping[Any, Any], name: str) -> tuple[list[Any], list[Any]]:
        prefix = f"{name}." if name else ""
        keys = [self.put(key, f"a key of {name}") for key in values]
        return keys, [self.put(part, f"{prefix}{key}") for key, part in values.items()]

    def _numeric(self, value: Any, name: str) -> list[Any]:
        """Return the row of an array or of one of its numbers; the order of its axes in memory stays."""
        if value.dtype.kind not in NUMBERS:
            _refuse(f"{name} is an array of type {value.dtype}", "numbers or text")
        if isinstance(value, np.generic):
            return ["number", value.dtype.str, *self._beside(value.tobytes())]
        axes = sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis]))
        beside = self._beside(np.ascontiguousarray(value.transpose(axes)).tobytes())
        return ["array", value.dtype.str, list(value.shape), axes, value.flags.writeable, *beside]

    def _beside(self, data: bytes) -> tuple[int, int]:
        start = self._size
        self.bytes.append(data)
        self._size += len(data)
        return start, self._size

    def _name(self, kind: type, name: str) -> str:
        if kind not in self._names:
            allowed = "plain data, arrays, or objects of classes that stand in the module of a part of the emulation"
            _refuse(f"{name} is of the class {kind.__module__}.{kind.__qualname__}", allowed)
        return self._names[kind]


def _refuse(got: str, allowed: str) -> Never:
    raise PlainError(f"{got}, which is not written to a file; allowed: {allowed}")


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object consists of: slots, and all attributes that are not worked out from others."""
    kind = type(value)
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ()) if hasattr(value, name)]
    own = [name for name in getattr(value, "__dict__", ()) if type(getattr(kind, name, None)) is not cached_property]
    return ((name, getattr(value, name)) for name in [*reversed(slots), *own] if not name.startswith("__"))


class _Reading:
    """Makes the objects of a table, row by row."""

    def __init__(self, classes: Classes, beside: memoryview) -> None:
        self._classes, self._beside = classes, beside
        self._made: list[Any] = []
        self._makers: dict[str, Callable[..., Any]] = {
            "bytes": self._bytes, "number": self._number, "array": self._array, "enum": self._enum,
            "named": self._named, "instance": self._instance, "complex": complex,
        }  # fmt: skip

    def object(self, rows: list[list[Any]], root: Any) -> Any:
        """Return the object that ``root`` stands for."""
        for kind, *parts in rows:
            self._made.append(self._make(kind, *parts))
        return self._got(root)

    def _make(self, kind: str, *parts: Any) -> Any:
        if kind in ROWS:
            return ROWS[kind](self._all(*parts))
        if kind in TABLES:
            return TABLES[kind](self._items(*parts))
        if kind == "defaultdict":
            return defaultdict(FACTORIES[parts[0]], self._items(*parts[1:]))
        if kind == "deque":
            return deque(self._all(parts[1]), parts[0])
        return self._makers[kind](*parts)

    def _got(self, part: Any) -> Any:
        return self._made[part[0]] if isinstance(part, list) else part

    def _all(self, parts: list[Any]) -> list[Any]:
        return [self._got(part) for part in parts]

    def _items(self, keys: list[Any], values: list[Any]) -> dict[Any, Any]:
        return dict(zip(self._all(keys), self._all(values), strict=True))

    def _bytes(self, start: int, end: int) -> bytes:
        return bytes(self._beside[start:end])

    def _number(self, dtype: str, start: int, end: int) -> np.generic:
        number: np.generic = self._array(dtype, [], [], True, start, end)[()]
        return number

    def _array(self, dtype: str, shape: list[int], axes: list[int], writeable: bool, start: int, end: int) -> Any:
        if (kind := np.dtype(dtype)).kind not in NUMBERS:
            raise PlainError(f"an array of type {kind} is no plain data")
        flat = np.frombuffer(self._beside[start:end], dtype=kind).copy()
        array = flat.reshape([shape[axis] for axis in axes]).transpose(np.argsort(axes).tolist())
        array.flags.writeable = writeable
        return array

    def _enum(self, kind: str, name: str) -> Any:
        return self._class(kind)[name]  # type: ignore[index]

    def _named(self, kind: str, parts: list[Any]) -> Any:
        return tuple.__new__(self._class(kind), self._all(parts))

    def _instance(self, kind: str, attributes: dict[str, Any]) -> Any:
        new: Any = object.__new__(self._class(kind))
        for name, part in attributes.items():
            if name.startswith("__"):
                raise PlainError(f"an object of {kind} has no attribute {name} of its own")
            object.__setattr__(new, name, self._got(part))
        return new

    def _class(self, name: str) -> type:
        if name not in self._classes:
            raise PlainError(f"there is an object of the class {name} in it, which this emulation does not bring along")
        return self._classes[name]
