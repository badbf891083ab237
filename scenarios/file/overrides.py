"""Other values of single keys, by dotted name, in the nested data of a scenario file."""

from collections.abc import Mapping
from typing import Any

from scenarios.file.plain import DEEPEST, plain_table
from scenarios.file.problems import ScenarioError, short
from scenarios.file.schema import ScenarioKeys
from scenarios.file.table import Table

__all__ = ["overridden"]


def overridden(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested data with other values of some dotted keys.

    Of two keys that exclude each other the new one wins, as ``Table.outdated`` says: count drops positions_m and the
    reverse, another kind the settings that it lacks. Receivers by name drop their number.

    Raises
    ------
    ScenarioError
        If a key leads into something that is no table.
    """
    overrides = plain_table(overrides, "--set")
    if long := [key for key in overrides if key.count(".") > DEEPEST]:
        raise ScenarioError("--set", [f"{short(key)}: got a key of more than {DEEPEST} parts" for key in long])
    result = _without_number_of_receivers(data) if _names_receivers(overrides) else dict(data)
    for key in sorted(overrides, key=lambda key: not key.endswith(".kind")):
        result = _with_outdated_dropped(result, key, overrides)
        result = _set(result, key.split("."), overrides[key], key)
    return result


def _names_receivers(overrides: Mapping[str, Any]) -> bool:
    selector = overrides.get("selector")
    return "selector.receivers" in overrides or (isinstance(selector, Mapping) and "receivers" in selector)


def _without_number_of_receivers(data: Mapping[str, Any]) -> dict[str, Any]:
    schedule = data.get("schedule")
    if not isinstance(schedule, Mapping):
        return dict(data)
    return {**data, "schedule": {key: value for key, value in schedule.items() if key != "n_receivers"}}


def _with_outdated_dropped(data: dict[str, Any], key: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    name, _, inside = key.partition(".")
    keys, table = data.get(name), _table(name)
    if not isinstance(keys, dict) or table is None:
        return data
    outdated = table.outdated(inside, overrides[key], keys)
    return {**data, name: {k: v for k, v in keys.items() if k not in outdated or f"{name}.{k}" in overrides}}


def _table(name: str) -> type[Table] | None:
    """Return the class of a table."""
    field = ScenarioKeys.model_fields.get(name)
    cls = field.annotation if field is not None else None
    return cls if isinstance(cls, type) and issubclass(cls, Table) else None


def _set(data: Any, path: list[str], value: Any, key: str) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(data, list):
        if not (head.isdecimal() and len(head) < 9 and int(head) < len(data)):
            raise ScenarioError("--set", [f'{key[:60]}: "{head[:20]}" is no index of a list of {len(data)}'])
        return [_set(item, rest, value, key) if i == int(head) else item for i, item in enumerate(data)]
    if not isinstance(data, dict):
        raise ScenarioError("--set", [f'{key}: "{head}" would be a key of {short(data)}, which is no table'])
    below = data.get(head, _left_out(head))
    return {**data, head: _set(below, rest, value, key)}


def _left_out(table: str) -> Any:
    """Return what stands for a table that is left out: as many tables as the default of a list has."""
    field = ScenarioKeys.model_fields.get(table)
    default = field.default if field is not None else None
    return [{} for _ in default] if isinstance(default, tuple) else {}
