"""The values of a key among which an answer is sought, from the smallest to the largest."""

import math
import tomllib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenarios.file.problems import ScenarioError, short

__all__ = ["Ladder", "parse_over"]

STEP = 1.05
"""From one rung of a geometric ladder to the next."""
LINEAR_STEPS, MOST_INTEGERS = 100, 1000
ALLOWED = "KEY=LOW..HIGH with numbers, as in fronthaul.rate_bit_s=1e6..1e9, or KEY=A,B,... in their order"


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Values of a scenario key, each a rung; a search climbs it from below.

    Attributes
    ----------
    key
        Dotted key.
    values
        In the order of the search.
    is_numeric
        Whether they are numbers from a range.
    is_geometric
        Whether each is a fixed multiple of the one before.
    """

    key: str
    values: tuple[Any, ...]
    is_numeric: bool = False
    is_geometric: bool = False

    def text(self, rung: int) -> str:
        """Return a value as text."""
        value = self.values[rung]
        return f"{value:.4g}" if isinstance(value, float) else f"{value}"

    def downwards(self) -> "Ladder":
        """Return the ladder with its largest value first."""
        return replace(self, values=self.values[::-1])


def parse_over(text: str) -> Ladder:
    """Return the ladder of "KEY=LOW..HIGH" or "KEY=A,B,...".

    Whole numbers are taken one by one where they are no more than 1000. Other ranges have steps of about 5 %
    where they span a decade or more, and else 100 equal ones.

    >>> parse_over("access_points.count=6..9").values
    (6, 7, 8, 9)
    >>> parse_over("oscillators.preset=low-tcxo,high-tcxo").values
    ('low-tcxo', 'high-tcxo')

    Raises
    ------
    ScenarioError
        If it is neither.
    """
    key, equals, said = (part.strip() for part in text.partition("="))
    if not (key and equals and said):
        raise _refused(text)
    if ".." in said:
        low, _, high = said.partition("..")
        return _range(key, _value(low), _value(high), text)
    whole = _value(f"[{said}]")
    values = tuple(whole if isinstance(whole, list) else map(_value, said.split(",")))
    if len(values) < 2 or any(value in values[:i] for i, value in enumerate(values)):
        raise _refused(text)
    return Ladder(key=key, values=values)


def _range(key: str, low: Any, high: Any, text: str) -> Ladder:
    if not (_is_number(low) and _is_number(high) and low < high):
        raise _refused(text)
    whole = isinstance(low, int) and isinstance(high, int)
    if whole and high - low < MOST_INTEGERS:
        return Ladder(key=key, values=tuple(range(low, high + 1)), is_numeric=True)
    if low > 0 and high >= 10 * low:
        steps = math.ceil(math.log(high / low) / math.log(STEP))
        return Ladder(
            key=key, values=_rounded(np.geomspace(low, high, steps + 1), whole), is_numeric=True, is_geometric=True
        )
    return Ladder(key=key, values=_rounded(np.linspace(low, high, LINEAR_STEPS + 1), whole), is_numeric=True)


def _rounded(values: Any, whole: bool) -> tuple[float, ...]:
    """Return values of four digits, which can be typed again, or whole numbers, each once; the ends as they are."""
    first, *between, last = (float(value) for value in values)
    found = (first, *(float(f"{value:.4g}") for value in between), last)
    return tuple(dict.fromkeys(map(round, found))) if whole else found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _value(text: str) -> Any:
    """Return a TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _refused(text: str) -> ScenarioError:
    return ScenarioError("--over", [f"got {short(text)}; allowed: {ALLOWED}"])
