"""What a caller gives, as the plain data of a scenario file: strings, numbers, lists and tables.

From Python a value may be an array, a NumPy number or string, a path, a tuple, a range or a set, on its own or inside a
list or table.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from pathlib import PurePath
from typing import Any

from scenarios.file.problems import ScenarioError, dotted, short

__all__ = ["plain", "plain_table"]

DEEPEST = 16
"""Levels of lists and tables that a value may have; a scenario has four."""
LARGEST = 10**18


def plain(value: Any, source: str = "scenario", location: tuple[str | int, ...] = ()) -> Any:
    """Return a value as plain data; what is none stays as it is, for the checks to name.

    >>> import numpy as np
    >>> plain({"receivers": [np.int64(3)], "positions_m": np.zeros((1, 2))})
    {'receivers': [3], 'positions_m': [[0.0, 0.0]]}

    Raises
    ------
    ScenarioError
        If lists or tables are nested more than 16 deep, or a whole number has more than 18 digits.
    """
    if len(location) > DEEPEST:
        text = f"{dotted(location[:3])}: got a value nested deeper than {DEEPEST} levels; allowed: a list or a table"
        raise ScenarioError(source, [text])
    if hasattr(value, "tolist"):  # an array, or a number of NumPy
        return plain(value.tolist(), source, location) if getattr(value, "ndim", 0) else value.tolist()
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {_name(key): plain(item, source, (*location, _name(key))) for key, item in value.items()}
    if isinstance(value, Collection) and not isinstance(value, bytes | bytearray):
        return [plain(item, source, (*location, i)) for i, item in enumerate(_in_order(value))]
    if isinstance(value, int) and abs(value) >= LARGEST:
        text = f"{dotted(location)}: got {short(value)}; allowed: whole numbers of at most 18 digits"
        raise ScenarioError(source, [text])
    return value


def _in_order(items: Collection[Any]) -> Iterable[Any]:
    """Return items in their order; those of a set, which has none, by size where they have one."""
    try:
        return sorted(items) if isinstance(items, Set) else items
    except TypeError:
        return items


def _name(key: Any) -> str:
    return key if type(key) is str else str(key)


def plain_table(value: Any, source: str) -> dict[str, Any]:
    """Return a whole scenario, or overrides by dotted key, as plain data.

    Raises
    ------
    ScenarioError
        If it is no mapping, or as in `plain`.
    """
    if not isinstance(value, Mapping):
        raise ScenarioError(source, [f"got {type(value).__name__}; allowed: a mapping of keys to values"])
    table: dict[str, Any] = plain(value, source)
    return table
