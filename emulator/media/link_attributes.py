"""What an edge of the fronthaul graph may say of its link: the names, their ranges, and what drawing programs add."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, NamedTuple

__all__ = [
    "LINK_ATTRIBUTES",
    "AttributeProblem",
    "LinkAttributes",
    "attribute_problems",
    "drawing_attributes",
    "serialisation_ns",
    "windows_ns",
]

_NUMBER = r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*"
_WINDOW = re.compile(f"{_NUMBER}-{_NUMBER}")
LONGEST_NS = 2**62


_EXACT = 2**53
_MEANT = {
    "loss_probability": ("loss",),
    "rate_bit_s": ("bandwidth", "capacity", "rate", "speed", "throughput"),
    "latency_s": ("delay", "latency"),
    "queue_bits": ("queue", "buffer"),
    "jitter_s": ("jitter", "variation"),
    "down_s": ("down", "outage", "window"),
}
"""Words in other names that are used for an attribute."""
_DRAWING = {
    "id", "key", "label", "labels", "name", "type", "kind", "weight", "color", "colour", "fill", "stroke", "r", "g",
    "b", "a", "alpha", "x", "y", "z", "size", "width", "thickness", "height", "shape", "style", "linestyle", "arrow",
    "url", "description", "edgegraphics", "graphics", "bends", "font", "fontsize", "visible", "selected", "edgelabel",
    "edgetype", "sharedname", "sharedinteraction", "interaction", "suid", "comment", "note",
}  # fmt: skip
"""What yEd, Gephi, Cytoscape and the like write about edges, in small letters without what is no letter or digit."""


class AttributeProblem(NamedTuple):
    """What is wrong with an attribute of an edge."""

    name: str
    said: str
    """What it is, or that it is unknown; and what is allowed."""

    def of(self, link: str) -> str:
        """Return the problem in words, with the link that has it."""
        return f"{self.name} {link} {self.said}"


@dataclass(frozen=True, slots=True)
class LinkAttributes:
    """The attributes of a link, those left out included."""

    rate_bit_s: float = math.inf
    latency_ns: int = 0
    queue_bits: float = math.inf
    loss_probability: float = 0.0
    jitter_ns: float = 0.0
    down_ns: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, edge: Mapping[str, Any]) -> "LinkAttributes":
        """Return the attributes of a link from those of its edge.

        Raises
        ------
        ValueError
            If an attribute is out of range, or is none of a link's.
        """
        for problem in attribute_problems(edge):
            raise ValueError(f"{problem.name} {problem.said}")
        return cls(
            rate_bit_s=_float(edge.get("rate_bit_s", math.inf)),
            latency_ns=round(_float(edge.get("latency_s", 0.0)) * 1e9),
            queue_bits=_float(edge.get("queue_bits", math.inf)),
            loss_probability=_float(edge.get("loss_probability", 0.0)),
            jitter_ns=_float(edge.get("jitter_s", 0.0)) * 1e9,
            down_ns=windows_ns(edge.get("down_s", ())),
        )

    def is_down(self, now_ns: int) -> bool:
        """Return whether a window in which the link is down holds this time."""
        return any(start_ns <= now_ns < end_ns for start_ns, end_ns in self.down_ns)

    def duration_ns(self, bits: int) -> int:
        """Return how long a message of this size is serialised, in whole ns."""
        return serialisation_ns(bits, self.rate_bit_s)


@lru_cache(maxsize=4096)
def serialisation_ns(bits: int, rate_bit_s: float) -> int:
    """Return how long a message of this size is serialised, in whole ns; remembered, as most are of a few sizes."""
    return math.ceil(bits * 1e9 / rate_bit_s)


def _float(value: Any) -> float:
    """Return a number as a float; a whole number too large for one is as good as infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def windows_ns(value: Any) -> tuple[tuple[int, int], ...]:
    """Return the windows in which a link is down, in whole ns.

    Parameters
    ----------
    value
        Pairs [from, until] in s, the end excluded, or text such as "0.001-0.002; 0.005-0.006".

    Raises
    ------
    ValueError
        If these are no pairs of numbers, or one ends before it begins.

    >>> windows_ns("1e-3-2e-3; 0.005-0.006")
    ((1000000, 2000000), (5000000, 6000000))
    """
    pairs = [_pair(part) for part in value.split(";") if part.strip()] if isinstance(value, str) else value
    found = []
    for start_s, end_s in pairs:
        start, end = _float(start_s), _float(end_s)
        if not 0.0 <= start < end < LONGEST_NS * 1e-9:
            raise ValueError(f"{start_s!r} to {end_s!r}")
        found.append((round(start * 1e9), round(end * 1e9)))
    return tuple(sorted(found))


def _pair(text: str) -> tuple[str, str]:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not as 0.001-0.002")
    return match[1], match[2]


def _are_windows(value: Any) -> bool:
    try:
        windows_ns(value)
    except (TypeError, ValueError):
        return False
    return True


def _number(valid: Callable[[float], bool]) -> Callable[[Any], bool]:
    """Return the test for a real number of which something else holds, too."""
    return lambda value: isinstance(value, Real) and not isinstance(value, bool) and valid(_float(value))


LINK_ATTRIBUTES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rate_bit_s": ("a number >= 1", _number(lambda value: value >= 1.0)),
    "latency_s": ("a number >= 0 and <= 3600", _number(lambda value: 0.0 <= value <= 3600.0)),
    "queue_bits": ("a number > 0", _number(lambda value: value > 0.0)),
    "loss_probability": ("a number in [0, 1]", _number(lambda value: 0.0 <= value <= 1.0)),
    "jitter_s": ("a number >= 0 and <= 3600", _number(lambda value: 0.0 <= value <= 3600.0)),
    "down_s": ('pairs [from, until] in s, 0 <= from < until, or text as "0.001-0.002; 0.005-0.006"', _are_windows),
}
"""What each attribute may be, in words and as a test."""


def attribute_problems(edge: Mapping[str, Any]) -> Iterator[AttributeProblem]:
    """Return what is wrong with the attributes of an edge."""
    for name, (allowed, valid) in LINK_ATTRIBUTES.items():
        if name in edge and not valid(edge[name]):
            value = edge[name]
            value = _float(value) if isinstance(value, int) and abs(value) > _EXACT else value
            yield AttributeProblem(name, f"is {value!r}; allowed: {allowed}")
    for name in edge:
        if name not in LINK_ATTRIBUTES and _plain(name) not in _DRAWING:
            yield AttributeProblem(f'the attribute "{name}"', f"is unknown; {_hint(name)}")


def drawing_attributes(edges: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of attributes that serve the drawing of a graph; they mean nothing to a link."""
    return sorted({str(name) for edge in edges for name in edge if _plain(name) in _DRAWING})


def _hint(name: object) -> str:
    """Return which attribute of a link may have been meant, and which there are."""
    plain = _plain(name)
    near = next((known for known, words in _MEANT.items() if any(word in plain for word in words)), None)
    asked = f'did you mean "{near}"? Known' if near else "known"
    return f"{asked} here: {', '.join(LINK_ATTRIBUTES)}"


def _plain(name: object) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())
