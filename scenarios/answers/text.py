"""Answers in words: tables of plain text, shares in percent."""

from collections.abc import Sequence

from scenarios.figures.common import Interval

__all__ = ["aligned", "percent", "range_text"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines in which the cells of a column begin below each other.

    >>> aligned([("value", "share"), ("1e+06", "12 %")])
    ['value  share', '1e+06  12 %']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def percent(share: float) -> str:
    """Return a share in percent; a dash where there is none.

    >>> percent(0.9512), percent(float("nan"))
    ('95.1 %', '–')
    """
    return "–" if share != share else f"{100.0 * share:.3g} %"


def range_text(interval: Interval) -> str:
    """Return the limits of the interval of a share."""
    return f"{percent(float(interval.low))} to {percent(float(interval.high))}"
