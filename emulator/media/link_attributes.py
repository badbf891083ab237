"""What an edge of the fronthaul graph may say of its link: the names, their ranges, and what drawing programs add."""

import math
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
]

LINK_ATTRIBUTES: dict[str, tuple[str, Callable[[float], bool]]] = {
    "rate_bit_s": (">= 1", lambda value: value >= 1.0),
    "latency_s": (">= 0 and <= 3600", lambda value: 0.0 <= value <= 3600.0),
    "queue_bits": ("> 0", lambda value: value > 0.0),
    "loss_probability": ("in [0, 1]", lambda value: 0.0 <= value <= 1.0),
}
"""What each attribute may be, in words and as a test."""

_EXACT = 2**53
_MEANT = {
    "loss_probability": ("loss",),
    "rate_bit_s": ("bandwidth", "capacity", "rate", "speed", "throughput"),
    "latency_s": ("delay", "latency"),
    "queue_bits": ("queue", "buffer"),
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
        )

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


def attribute_problems(edge: Mapping[str, Any]) -> Iterator[AttributeProblem]:
    """Return what is wrong with the attributes of an edge."""
    for name, (allowed, valid) in LINK_ATTRIBUTES.items():
        value = edge.get(name, 1.0)
        value = _float(value) if isinstance(value, int) and abs(value) > _EXACT else value
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and valid(_float(value))):
            yield AttributeProblem(name, f"is {value!r}; allowed: a number {allowed}")
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
