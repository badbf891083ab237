"""What an emulation is made of, name by name, as text: to tell whether a state belongs to it."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

__all__ = ["differences", "misfits", "settings"]

PLAIN = (str, bytes, bool, int, float, complex, enum.Enum, type(None), np.generic)
MOST_SHOWN, LONGEST = 3, 60


def settings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of a setting and of all that it is made of.

    Arrays are told apart by a digest, functions by name; of an object that is no dataclass only the class is known.

    >>> dict(settings("area", {"width_m": 3.0, "height_m": np.zeros(2)}))
    {'area.width_m': '3.0', 'area.height_m': 'array of shape (2,), digest de45d748'}
    """
    if isinstance(value, np.ndarray):
        digest = blake2b(np.ascontiguousarray(value).tobytes(), digest_size=4).hexdigest()
        yield name, f"array of shape {value.shape}, digest {digest}"
    elif isinstance(value, PLAIN) or (isinstance(value, tuple) and all(isinstance(part, PLAIN) for part in value)):
        yield name, repr(value)
    elif isinstance(value, Mapping | list | tuple):
        for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from settings(f"{name}.{key}", part)
    elif isinstance(value, partial):
        yield from settings(name, (value.func, value.args, value.keywords))
    else:
        yield name, getattr(value, "__qualname__", type(value).__qualname__)
        if is_dataclass(value) and not isinstance(value, type):
            for field in fields(value):
                if field.init:
                    yield from settings(f"{name}.{field.name}", getattr(value, field.name))


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return what differs, the first few of it; empty if nothing does."""
    odd = [
        f"{name}: {_short(there.get(name, 'nothing'))} there, {_short(here.get(name, 'nothing'))} here"
        for name in [*here, *(name for name in there if name not in here)]
        if there.get(name) != here.get(name)
    ]
    more = [f"and {len(odd) - MOST_SHOWN} more"] if len(odd) > MOST_SHOWN else []
    return "; ".join([*odd[:MOST_SHOWN], *more])


def misfits(there: Mapping[Any, Any], here: Mapping[Any, Any], name: str = "") -> Iterator[str]:
    """Yield in what a state there has another form than one here: what is missing, is too many, or is of another type.

    None and an empty table stand here for whatever may be there.

    >>> list(misfits({"events": "3", "sent": 1}, {"events": 0, "nodes": {}}))
    ['events is str and not int', 'nodes is missing', 'sent is too many']
    """
    for key, value in here.items():
        if key not in there:
            yield f"{name}{key} is missing"
        elif value is not None and not isinstance(there[key], type(value)):
            yield f"{name}{key} is {type(there[key]).__name__} and not {type(value).__name__}"
        elif isinstance(value, dict):
            yield from misfits(there[key], value, f"{name}{key}.")
    if here:
        yield from (f"{name}{key} is too many" for key in there if key not in here)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
