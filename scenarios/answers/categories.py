"""The sensing service categories of 3GPP TS 22.137, read from categories.toml."""

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["Category", "Limits", "categories", "document"]


class Limits(NamedTuple):
    """What a category asks for, where it is used in the strictest way and in the loosest."""

    strictest: float
    loosest: float


@dataclass(frozen=True, kw_only=True)
class Category:
    """A sensing service category; a requirement that it does not have is None.

    Attributes
    ----------
    number
        Of the category, 1 to 7.
    scenario, example
        What it is for.
    source
        Where in the document its numbers stand.
    confidence
        Share of results that must be as exact, as early and as frequent as it says.
    latency_s
        From the beginning of the measurement to its result, at most.
    refresh_s
        From one result to the next, at most.
    missed, false_alarm
        Shares, at most.
    horizontal_m
        Error in the plane, at most.
    words
        What the document says where it has more than a number, by requirement.
    not_assessed
        Requirements of which an emulation cannot speak.
    """

    number: int
    scenario: str
    example: str
    source: str
    confidence: Limits
    latency_s: Limits
    refresh_s: Limits
    missed: Limits
    false_alarm: Limits
    horizontal_m: Limits | None = None
    words: dict[str, str] = field(default_factory=dict)
    not_assessed: tuple[str, ...] = ()


def _read() -> dict[str, Any]:
    return tomllib.loads(files("scenarios.answers").joinpath("categories.toml").read_text(encoding="utf-8"))


def document() -> dict[str, Any]:
    """Return what the categories were taken from, and what of it is not confirmed."""
    found: dict[str, Any] = _read()["document"]
    return found


def categories() -> list[Category]:
    """Return all categories in their order."""
    return [_category(table) for table in _read()["category"]]


def _category(table: dict[str, Any]) -> Category:
    limits = {
        name: Limits(*value) for name, value in table.items() if isinstance(value, list) and name != "not_assessed"
    }
    return Category(**{**table, **limits, "not_assessed": tuple(table["not_assessed"])})
