"""What is wrong with a scenario, in words: field, unit, value got, what is allowed."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Problem", "ScenarioError", "closest", "dotted", "field_problems", "short"]

_TYPES = {"number": "a finite number", "integer": "a whole number", "string": "a string", "boolean": "true or false"}
_LIMITS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


class Problem(NamedTuple):
    """One thing that is wrong, and the dotted keys it rests on (the first is the one it is about)."""

    keys: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.keys[0]}: {self.text}" if self.keys[0] else self.text


class ScenarioError(ValueError):
    """A scenario that cannot be run; ``problems`` holds every reason found, one line each.

    >>> print(ScenarioError("mine.toml", ["radio.rician_k_db: got nan dB; allowed: a finite number"]))
    mine.toml: 1 problem
      radio.rician_k_db: got nan dB; allowed: a finite number
    """

    def __init__(self, source: str, problems: Iterable[object]) -> None:
        self.source = source
        self.problems = tuple(str(p) for p in problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source}: {count} problem{'s' if count > 1 else ''}"
        return "\n  ".join((head, *self.problems))


def closest(word: str, words: Iterable[str]) -> str:
    """Return a hint naming the most similar of ``words``, or all of them if none is similar.

    >>> closest("carier_hz", ["carrier_hz", "bandwidth_hz"])
    'did you mean "carrier_hz"?'
    """
    known = sorted(words)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}"


def dotted(location: Iterable[str | int]) -> str:
    """Return a location as a key of a scenario file: ("targets", 0, "rcs_dbsm") is targets[0].rcs_dbsm."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def field_problems(errors: Iterable[Mapping[str, Any]], schema: Mapping[str, Any]) -> list[Problem]:
    """Return pydantic's errors as problems; ``schema`` is the JSON schema of the model that raised them.

    An error about a whole (a list too short) beside one about its part (an entry that is no number) is left out.
    """
    found = list(errors)
    wholes = {tuple(e["loc"][:n]) for e in found for n in range(1, len(e["loc"]))}
    return [_problem(error, schema) for error in found if tuple(error["loc"]) not in wholes]


def _problem(error: Mapping[str, Any], schema: Mapping[str, Any]) -> Problem:
    location = tuple(error["loc"])
    key = dotted(location)
    if error["type"] == "extra_forbidden":
        parent = _property(schema, location[:-1])
        return Problem((key,), f"unknown key; {closest(str(location[-1]), parent.get('properties', {}))}")
    field = _property(schema, location)
    unit = str(field.get("unit", ""))
    got = "nothing" if error["type"] == "missing" else _shown(error["input"], unit)
    return Problem((key,), f"got {got}; allowed: {_allowed(field, unit)}")


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{_number(value)} {unit}".rstrip()
    if isinstance(value, str):
        return f'"{value if len(value) <= 60 else value[:57] + "..."}" (a string)'
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}: {short(value)}" if len(value) <= 4 else f"a list of {len(value)}"
    return f"{short(value)} (a {type(value).__name__})"


def short(value: Any, depth: int = 2) -> str:
    """Return a value in at most a line, whatever it is: a long list or text is cut, a huge number is described.

    >>> short([1, [[2]], 10**5000])
    '[1, [[...]], a whole number of 5001 digits]'
    """
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple | Mapping):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    if isinstance(value, int | float):
        return _number(value)
    left, right = "{}" if isinstance(value, Mapping) else "[]"
    if depth == 0 and len(value):
        return f"{left}...{right}"
    parts = [short(item, depth - 1) if left == "[" else f"{item} = {short(value[item], depth - 1)}" for item in value]
    return f"{left}{', '.join(parts[:4])}{', ...' if len(parts) > 4 else ''}{right}"


def _number(value: float) -> str:
    if isinstance(value, int) and abs(value) >= 10**15:
        digits = int(math.log10(abs(value)))
        return f"a whole number of {digits + 1} digits"
    return repr(value)


def _allowed(field: Mapping[str, Any], unit: str) -> str:
    if "allowed" in field:
        return str(field["allowed"])
    if "enum" in field or "const" in field:
        values = field.get("enum", [field.get("const")])
        return ("one of " if len(values) > 1 else "") + ", ".join(f'"{v}"' for v in values)
    if "properties" in field:
        return f"a table with the keys {', '.join(sorted(field['properties']))}"
    text = _TYPES.get(str(field.get("type")), "a list" if field.get("type") == "array" else "a value")
    limits = " and ".join(f"{sign} {field[name]:g}" for name, sign in _LIMITS.items() if name in field)
    return " ".join(part for part in (text, limits, f"in {unit}" if unit else "") if part)


def _property(schema: Mapping[str, Any], location: Iterable[str | int]) -> Mapping[str, Any]:
    """Follow a location down a JSON schema; where it ends inside a list, the list's own entry with its unit."""
    node = _resolved(schema, schema)
    for part in location:
        if isinstance(part, int):
            below = node.get("items", {})
            node = _resolved(below, schema) if "$ref" in below else node
        else:
            node = _resolved(node.get("properties", {}).get(part, node), schema)
    return node


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        target = root["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]]
        return {**target, **{k: v for k, v in node.items() if k != "$ref"}}
    options = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
    return {**_resolved(options[0], root), **node} if len(options) == 1 else node
