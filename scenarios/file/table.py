"""What a table of a scenario file is made of: keys with a unit and a source, and what a table may say beyond them.

A table is a class of its own, and one line in ``scenarios.file.schema.ScenarioKeys`` adds it. Schema, checks, the
written-out scenario, the objects of a run and the documentation follow from the class: its keys, and the four hooks of
``Table``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

from scenarios.file.plugins import implementation, role_of, setting_problems, settings_of, settings_of_kind
from scenarios.file.problems import Problem

__all__ = [
    "OURS",
    "PAPER",
    "Coordinate",
    "Count",
    "Number",
    "OneOf",
    "Part",
    "Place",
    "Strategy",
    "Table",
    "key",
    "tables_of",
]

PAPER, OURS = "the paper's", "ours"

Number = Annotated[float, Strict(), AllowInfNan(False)]
Count = Annotated[int, Strict()]
Coordinate = Annotated[Number, Field(ge=-1e7, le=1e7)]
Place = tuple[Coordinate, Coordinate]


def key(default: Any, text: str, unit: str, source: str, /, **limits: Any) -> Any:
    """Return a field whose description says the unit and whose default it is."""
    said = f"{text} Unit: {unit}." if unit else text
    extra: dict[str, Any] = {"unit": unit, "default_from": source}
    if "allowed" in limits:
        extra["allowed"] = limits.pop("allowed")
    return Field(default, description=f"{said} Default: {source}.", json_schema_extra=extra, **limits)


class OneOf:
    """Marks a key whose values are the names of a registry, as in ``Annotated[str, OneOf(SCHEDULERS)]``."""

    def __init__(self, registry: Mapping[str, str]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return what checks a value."""
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of the key."""
        return {"enum": list(self.registry), "type": "string"}

    def _checked(self, value: Any) -> str:
        if not (isinstance(value, str) and value in self.registry):
            raise ValueError(f"not among {', '.join(self.registry)}")
        return value


class Table(BaseModel):
    """A table of a scenario file; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong between keys that are right by themselves.

        Parameters
        ----------
        name
            Name of the table, with which the keys of a problem begin.
        scenario
            All tables, to compare with.
        plugins
            Modules that may be imported for a kind "module:Class".
        """
        return ()

    def without_effect(self) -> Iterable[str]:
        """Return the keys that have no effect because others decide; they are not written out."""
        return ()

    def effects(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what the table adds to the air: settings of effects, by their names in ``emulator.media.EFFECTS``."""
        return {}

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return which of the keys given make no sense any more with a new value of one: an override drops them."""
        return set()


class Strategy(Table):
    """A kind and its settings; keys beyond those named in the class are settings of the kind, checked against it."""

    model_config = ConfigDict(frozen=True, extra="allow", validate_default=True)

    registry: ClassVar[Mapping[str, str]]
    """The kinds, name to "module:Class"."""
    shared: ClassVar[tuple[str, ...]] = ()
    """Keys named in the class that are settings of those kinds that have them."""
    kind_key: ClassVar[str] = "kind"
    """The key that names the kind."""

    @property
    def chosen(self) -> str:
        """The kind."""
        return str(getattr(self, self.kind_key))

    @classmethod
    def staying(cls) -> frozenset[str]:
        """Return the keys that mean the same whatever the kind."""
        return frozenset(cls.model_fields) - frozenset(cls.shared)

    @property
    def own(self) -> dict[str, Any]:
        """The keys given beyond those that the schema names."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def options(self) -> dict[str, Any]:
        """The settings with which an object of this kind is made: the shared ones that it has, and its own."""
        lacking = set(self._lacking())
        return {name: getattr(self, name) for name in self.shared if name not in lacking} | self.own

    def maker(self) -> Callable[..., Any]:
        """Return the class of this kind, with its settings."""
        cls, options = implementation(self.chosen, self.registry), self.options
        return partial(cls, **options) if options else cls

    def make(self) -> Any:
        """Return the object of this kind."""
        return self.maker()()

    def _lacking(self) -> list[str]:
        """Return the shared settings that this kind lacks."""
        fields = settings_of(implementation(self.chosen, self.registry)) if self.shared else {}
        return [name for name in self.shared if name not in fields]

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings."""
        if self.chosen == type(self).model_fields[self.kind_key].default and not self.options:
            return  # the kind by default needs no check, so that its class need not be imported
        try:
            cls = implementation(self.chosen, self.registry, plugins)
        except ValueError as error:
            yield Problem((f"{name}.{self.kind_key}",), str(error))
            return
        for odd in self._lacking():
            if odd in self.model_fields_set:
                text = f'the kind "{self.chosen}" has no such setting; leave it out'
                yield Problem((f"{name}.{odd}", f"{name}.{self.kind_key}"), text)
        role = role_of(self.registry) if not self.shared else object  # shared keys may be the fields of the role
        for setting, text in setting_problems(cls, self.options, self.staying() | {self.kind_key}, role):
            yield Problem((f"{name}.{setting or self.kind_key}",), text)

    def without_effect(self) -> list[str]:
        """Return the shared settings that this kind lacks."""
        return self._lacking()

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings that another kind lacks."""
        if key != cls.kind_key or given.get(key) == value:
            return set()
        return set(given) - settings_of_kind(value, cls.registry) - cls.staying()


class Part(Strategy):
    """A strategy of which the first kind of its registry, the one by default, goes without saying."""

    def without_effect(self) -> list[str]:
        """Return the kind where it is the one by default."""
        return [self.kind_key] if self.chosen == next(iter(self.registry)) else []


def tables_of(scenario: Table, prefix: str = "") -> Iterator[tuple[str, Table]]:
    """Yield every table of a scenario with its name, those of a list one by one, as ("targets[0]", table)."""
    for name, value in scenario:
        listed = ((f"{name}[{i}]", part) for i, part in enumerate(value)) if isinstance(value, tuple) else ()
        for path, table in listed if isinstance(value, tuple) else ((name, value),):
            if isinstance(table, Table):
                yield f"{prefix}{path}", table
                yield from tables_of(table, f"{prefix}{path}.")
