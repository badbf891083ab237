"""Registries: the names of a scenario file, what stands behind them, and plug-ins.

A registry maps names to "module:name" and stands in the door of its room, so that it can be read without importing
anything. What its classes have in common is their role, a base class. Where plug-ins are allowed a kind is a name of
the registry, an entry point that an installed package has in the group "dmimo_isac.<role>", or "module:Class". A
scenario file is data, and must not run a stranger's code: a module is imported only if it was installed as an entry
point, or the caller allows it by name. The settings of a kind are its dataclass fields, without those of the role:
these are given by other keys.
"""

import dataclasses
import importlib
import json
import re
from abc import ABC
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any, get_type_hints

from scenarios.file.problems import closest, short

__all__ = [
    "found", "implementation", "is_plugin", "make", "module_of", "role_of", "setting_problems", "settings_of",
    "settings_of_kind",
]  # fmt: skip

GROUP = "dmimo_isac"
"""What the groups of entry points begin with."""


def is_plugin(kind: str) -> bool:
    """Return whether a kind has the form "module:Class"."""
    module, colon, name = kind.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def implementation(kind: str, registry: Mapping[str, str], plugins: Iterable[str] | None = None) -> type:
    """Return the class of a kind; of plug-ins only those whose module is in ``plugins`` (None: no check).

    Raises
    ------
    ValueError
        If the kind is unknown, its module is not allowed or cannot be imported, or the class is not of the role of the
        registry or no dataclass.
    """
    if kind in registry:
        return _dataclass(registry[kind])
    if is_plugin(kind):
        module = kind.partition(":")[0]
        if plugins is not None and module not in plugins:
            raise ValueError(f'"{kind}" would run code of the module "{module}"; allow it with --plugin {module}')
        return _dataclass(kind, role_of(registry))
    installed = _installed(registry)
    if kind not in installed:
        known = [*registry, *installed]
        raise ValueError(f'got "{kind}"; allowed: {", ".join(known)} or "module:Class"; {closest(kind, known)}')
    return _dataclass(installed[kind], role_of(registry))


def module_of(kind: str, registry: Mapping[str, str]) -> str | None:
    """Return the module of a kind that is not of the registry; None of one that is, or is unknown."""
    if kind in registry:
        return None
    path = kind if is_plugin(kind) else _installed(registry).get(kind, "")
    return path.partition(":")[0] or None


def _installed(registry: Mapping[str, str]) -> dict[str, str]:
    """Return the entry points of the role of a registry, name to "module:Class"."""
    return {entry.name: entry.value for entry in entry_points(group=f"{GROUP}.{role_of(registry).__name__}")}


def found(path: str) -> Any:
    """Return what "module:name" stands for.

    Raises
    ------
    ValueError
        If there is no such module, or no such name in it.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # a module of somebody else's may fail in any way
        raise ValueError(f'"{path}" cannot be loaded: {type(error).__name__}: {error}') from error


def _dataclass(path: str, role: type = object) -> type:
    cls = found(path)
    if not (isinstance(cls, type) and issubclass(cls, role)):
        what = "a class" if isinstance(cls, type) else f"an object of {type(cls).__name__}"
        raise ValueError(
            f'"{path}" is {what} of another kind; allowed: subclasses of {role.__module__}.{role.__name__}'
        )
    if not dataclasses.is_dataclass(cls):
        raise ValueError(f'"{path}" is not a dataclass: a plug-in\'s settings are its dataclass fields')
    settings_of(cls)
    return cls


def role_of(registry: Mapping[str, str]) -> type:
    """Return the base class that the classes of a registry have in common; of nodes the one below ``Node``."""
    from emulator.nodes.node import Node

    bases: tuple[type, ...] = found(next(iter(registry.values()))).__mro__
    return next(base for base in reversed(bases) if base not in (object, ABC, Node))


def settings_of(cls: type, role: type = object) -> dict[str, Any]:
    """Return the settings of a class, name to type: its fields, without those of its role.

    Raises
    ------
    ValueError
        If the type of one is not there, such as a name that is imported for type checkers only.
    """
    try:
        hints = get_type_hints(cls)
    except Exception as error:
        raise ValueError(f"the types of the settings of {cls.__name__} cannot be read: {error}") from error
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init and f.name not in _fields(role)}


def settings_of_kind(kind: Any, registry: Mapping[str, str]) -> set[str]:
    """Return the names of the settings of a kind of a registry; none of one that is not there."""
    return set(settings_of(found(registry[kind]))) if isinstance(kind, str) and kind in registry else set()


def _fields(role: type) -> set[str]:
    return {f.name for f in dataclasses.fields(role) if f.init} if dataclasses.is_dataclass(role) else set()


def setting_problems(
    cls: type, options: Mapping[str, Any], named: Iterable[str] = ("kind",), role: type = object
) -> list[tuple[str, str]]:
    """Return what is wrong with the settings given for a class, as pairs of key and text.

    Where the class itself refuses them, the key is the setting that its message begins with, as in "n_draws is 0: give
    a whole number from 1 to 10000", or empty if it begins otherwise; class, method and error are named then. A class
    whose role has fields of its own is not made here: other keys give these.

    Parameters
    ----------
    cls
        The class.
    options
        The settings, by name.
    named
        Keys that may stand beside them.
    role
        The role of the class.
    """
    known = settings_of(cls, role)
    unknown = [(key, f"unknown key; {_nearest(key, known, named)}") for key in options if key not in known]
    wrong = [(key, text) for key, value in options.items() if key in known and (text := _misfit(known[key], value))]
    missing = [
        (f.name, "required by this kind, not given")
        for f in dataclasses.fields(cls)
        if f.name in known and f.name not in options and f.default is f.default_factory is dataclasses.MISSING
    ]
    if unknown or wrong or missing or _fields(role):
        return unknown + wrong + missing
    try:
        cls(**options)
    except (Exception, SystemExit) as error:  # the class may be anybody's
        return [_refusal(cls, error, known)]
    return []


def _nearest(key: str, known: Iterable[str], named: Iterable[str]) -> str:
    hint = closest(key, [*known, *named])
    return hint if hint.startswith("did you mean") or known else "this kind has no settings"


def _refusal(cls: type, error: BaseException, known: Iterable[str]) -> tuple[str, str]:
    said = re.fullmatch(r"(?:\w+\.)?(\w+) is (.+?): (.+)", str(error), re.DOTALL)
    if said and said[1] in known:
        return said[1], f"got {said[2]}; {said[3]}"
    method = "__post_init__" if hasattr(cls, "__post_init__") else "__init__"
    return "", f"{cls.__name__}.{method}: {type(error).__name__}: {error}"


def _misfit(kind: Any, value: Any) -> str:
    import pydantic

    adapter = pydantic.TypeAdapter(kind, config={"arbitrary_types_allowed": True, "allow_inf_nan": False})
    try:
        if isinstance(value, list | tuple | Mapping):  # as JSON, a list stands for a tuple and nothing else is loosened
            adapter.validate_json(json.dumps(value, default=str), strict=True)
        else:
            adapter.validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        return f"got {short(value)}; {error.errors()[0]['msg'][:1].lower()}{error.errors()[0]['msg'][1:]}"
    return ""


def make(kind: str, registry: Mapping[str, str], options: Mapping[str, Any]) -> Any:
    """Return the strategy object of a kind that was checked before."""
    return implementation(kind, registry)(**options)
