"""A checked scenario: what a scenario file says, complete, and how to make objects of it.

The way goes in one direction: ``files`` reads text, ``overrides`` changes single keys, ``schema`` knows the tables,
``checks`` what holds between them, ``build`` makes objects; this module puts them together.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, ValidationInfo, model_validator

from emulator.shown import Shown
from scenarios.file.checks import (
    absolute_topology,
    cross_problems,
    effective,
    follow_receivers,
    plugin_modules,
)
from scenarios.file.overrides import overridden
from scenarios.file.plain import plain_table
from scenarios.file.problems import Problem, ScenarioError, field_problems
from scenarios.file.schema import ScenarioKeys
from scenarios.file.seeds import NOT_GIVEN, seed_of
from scenarios.file.size import require_fit, run_size

if TYPE_CHECKING:
    from emulator.emulation import Emulation

__all__ = ["Scenario"]


class Scenario(ScenarioKeys, Shown):
    """A checked scenario: what a scenario file says, complete."""

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "Scenario":
        """Refuse contradictions between keys; ``checked``, which collects them, does so itself."""
        if not (info.context or {}).get("collecting"):
            found = cross_problems(self, plugin_modules(self))
            if found:
                raise ValueError("; ".join(map(str, found)))
        return self

    @classmethod
    def checked(
        cls,
        data: Mapping[str, Any],
        source: str = "scenario",
        plugins: Iterable[str] = (),
        folders: Iterable[Path] = (),
    ) -> "Scenario":
        """Return the scenario of a mapping as read from a file.

        Parameters
        ----------
        data
            Nested keys, as of a TOML file.
        source
            What to call it in messages.
        plugins
            Modules that may be imported for a kind "module:Class".
        folders
            Folders in which a relative path in ``data`` is sought, in turn; the current one by default.

        Raises
        ------
        ScenarioError
            With every problem found.
        """
        data = plain_table(data, source)
        data = absolute_topology(follow_receivers(data), *(tuple(folders) or (Path.cwd(),)))
        scenario, wrong = cls._shaped(data)
        bad = {p.keys[0] for p in wrong}
        problems = wrong + [p for p in cross_problems(scenario, tuple(plugins)) if not _rests_on(p, bad)]
        if problems:
            raise ScenarioError(source, problems)
        return scenario

    @classmethod
    def _shaped(cls, data: Mapping[str, Any]) -> "tuple[Scenario, list[Problem]]":
        """Return the scenario of the keys that are right by themselves, and the problems of the others."""
        problems: list[Problem] = []
        rounds = 0
        while True:
            try:
                return cls.model_validate(data, context={"collecting": True}), problems
            except ValidationError as error:
                found = error.errors(include_url=False)
                problems += field_problems(found, cls.model_json_schema()) if rounds == 0 else []
                for entry in reversed(found):  # a key that cannot be singled out takes its table with it
                    data = _without(data, entry["loc"] if rounds == 0 else entry["loc"][:1])
                rounds += 1

    def with_(self, overrides: Mapping[str, Any], plugins: Iterable[str] = ()) -> "Scenario":
        """Return this scenario with other values of some dotted keys, checked anew."""
        allowed = (*plugins, *plugin_modules(self))
        return type(self).checked(overridden(self.data(), overrides), plugins=allowed)

    def data(self) -> dict[str, Any]:
        """Return the scenario as nested plain data: every key that has an effect, nothing that is None."""
        return effective(self, self.model_dump(mode="json", exclude_none=True))

    def resolved(self, seed: int) -> "Scenario":
        """Return this scenario with all that a seed draws written out: positions, boresights, scattering phases.

        Run with the same seed it gives the same result to the byte, so a single value can be changed, as the boresight
        of one AP, and all others stay.
        """
        from scenarios.file.build import drawn_settings

        return self.with_(drawn_settings(self, seed))

    def build(self, seed: int | None = None, *, rng: Any = NOT_GIVEN, **overrides: Any) -> "Emulation":
        """Return the emulation of this scenario; ``overrides`` are those of ``scenarios.file.build.build``.

        Parameters
        ----------
        seed
            Seed of everything random; 1 by default.
        rng
            In its place, what ``numpy.random.default_rng`` takes (SPEC 7): None for another run each time, a whole
            number, a SeedSequence or a Generator, from which the seed is drawn. ``rng=7`` is not ``seed=7``.

        Raises
        ------
        ScenarioError
            If its run cannot fit in the memory of this machine.
        TypeError
            If both seed and rng are given, or rng is none.
        """
        from scenarios.file.build import build  # objects need far more imports than checked data does

        chosen = seed_of(seed, rng)
        estimating = overrides.get("estimator", True) is not None
        require_fit(run_size(self, estimating=estimating, scoring=overrides.get("scoring", True)))
        return build(self, chosen, **overrides)

    def __repr__(self) -> str:
        return (
            f"Scenario({self.access_points.count} APs, {self.schedule.n_receivers} of them receiving, "
            f"{self.user_equipment.count} UEs, {len(self.targets)} targets, {self.schedule.cpis} CPIs)"
        )

    __str__ = __repr__


def _rests_on(problem: Problem, bad: set[str]) -> bool:
    return any(key.startswith(b) or b.startswith(key) for key in problem.keys if key for b in bad)


def _without(data: Mapping[str, Any], location: tuple[int | str, ...]) -> dict[str, Any]:
    """Return nested tables without the innermost key of a table on the way to a location."""
    head, *rest = location
    below = data.get(str(head))
    if rest and isinstance(below, Mapping):
        return {**data, str(head): _without(below, tuple(rest))}
    if rest and isinstance(below, list | tuple) and any(isinstance(table, Mapping) for table in below[int(rest[0]) :]):
        index, *inside = rest
        table = below[int(index)]
        kept = [_without(table, tuple(inside))] if inside and isinstance(table, Mapping) else []
        return {**data, str(head): [*below[: int(index)], *kept, *below[int(index) + 1 :]]}
    return {key: value for key, value in data.items() if key != head}
