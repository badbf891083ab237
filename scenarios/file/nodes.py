"""The tables of nodes: access points, user equipments, targets, and single nodes that differ from the others."""

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, Strict, model_validator

from emulator.nodes import ACCESS_POINTS, TARGETS, USER_EQUIPMENTS
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, PAPER, Coordinate, Count, Number, Part, Place, Table
from scenarios.file.table import key as _key

__all__ = ["AccessPointKeys", "AccessPoints", "SingleUserEquipmentKeys", "TargetKeys", "UserEquipmentKeys"]


class _Placed(Part):
    """Nodes given by their number, and then at random in the area, or by their positions."""

    least: ClassVar[int] = 0
    prefix: ClassVar[str]
    """What the names of the nodes begin with."""

    @model_validator(mode="before")
    @classmethod
    def _count_follows_positions(cls, data: Any) -> Any:
        positions = data.get("positions_m") if isinstance(data, dict) else None
        if isinstance(positions, list | tuple) and "count" not in data and len(positions) >= cls.least:
            return {**data, "count": len(positions)}
        return data

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings that another kind lacks; of the number of nodes and their positions the other."""
        other = {"count": "positions_m", "positions_m": "count"}.get(key)
        return super().outdated(key, value, given) | ({other} if other is not None else set())

    @property
    def single(self) -> tuple[Any, ...]:
        """The nodes that differ."""
        return tuple(dict(self)["node"])

    @property
    def names(self) -> tuple[str, ...]:
        """Node names, in the order of every array."""
        return tuple(f"{self.prefix}-{i}" for i in range(dict(self)["count"]))

    def without_effect(self) -> list[str]:
        """Return the number of nodes where it follows from their positions, and an empty list of those that differ."""
        idle = ["count"] if dict(self)["positions_m"] is not None else []
        return super().without_effect() + idle + ([] if self.single else ["node"])

    def behaving(self) -> dict[str, Any]:
        """Return the nodes that differ, by name, each with its kind and the settings of it."""
        return {node.name: node.behaving_as(self) for node in self.single}

    def each(self, key: str, of_all: tuple[Any, ...] | None = None) -> list[Any]:
        """Return a key of each node, from the table of all or its own; None where neither gives it."""
        own, names = {node.name: getattr(node, key) for node in self.single}, self.names
        given = of_all if of_all is not None else [None] * len(names)
        return [value if own.get(name) is None else own[name] for name, value in zip(names, given, strict=False)]


Speed = Annotated[Number, Field(ge=-1e5, le=1e5)]
Waypoint = tuple[Annotated[Number, Field(ge=0, le=1e9)], Coordinate, Coordinate]
Angle = Annotated[Number, Field(ge=-3600, le=3600)]
_POINTS = "a list of [x, y] pairs of numbers from -1e7 to 1e7 in m"


def _said(name: str, allowed: str, hint: str) -> str:
    return f'got "{name}"; {allowed}; {hint}'.rstrip("; ")


class _Single(Part):
    """A node that differs from the others of its table; what is not given is as the table has it."""

    table: ClassVar[str]
    """The table of all."""
    of_all: ClassVar[Mapping[str, str]] = {"position_m": "positions_m"}
    """Keys that the table may give for each node in a list of its own."""

    if TYPE_CHECKING:  # the fields stand in the subclasses, in the order of the documentation
        name: str
        kind: str | None

    @property
    def chosen(self) -> str:
        """The kind, where one is named."""
        return self.kind or next(iter(self.registry))

    def behaving_as(self, others: "_Placed") -> Self:
        """Return this node with the kind of the others, and its settings, if it names none."""
        if self.kind is not None:
            return self
        return self.model_copy(update={"kind": others.chosen} | others.own | self.own)

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with its name or its behaviour, or that contradicts the table of all."""
        others: _Placed = getattr(scenario, self.table)
        names = others.names
        if self.name not in names:
            hint = closest(self.name, names) if len(names) <= 100 else ""
            there = f"allowed: {names[0]} to {names[-1]}" if names else "there is none"
            yield Problem(
                (f"{name}.name", f"{self.table}.count", f"{self.table}.positions_m"), _said(self.name, there, hint)
            )
        elif [node.name for node in others.single].count(self.name) > 1:
            yield Problem((f"{name}.name",), f'got "{self.name}", which stands there more than once; give one table')
        else:
            yield from self._contradictions(name, names.index(self.name), others)
        if self.kind is not None or self.own:
            yield from super(_Single, self.behaving_as(others)).problems(name, scenario, plugins)

    def _contradictions(self, name: str, index: int, others: "_Placed") -> Iterable[Problem]:
        for key, key_of_all in self.of_all.items():
            own, of_all = getattr(self, key), getattr(others, key_of_all)
            if own is not None and of_all is not None and index < len(of_all) and of_all[index] != own:
                where = f"{self.table}.{key_of_all}"
                text = f"got {own}, but {where} has {of_all[index]} for {self.name}; give one of the two"
                yield Problem((f"{name}.{key}", where), text)


class AccessPointKeys(_Single):
    """An access point that differs from the others; what is not given is as in the table of all."""

    table: ClassVar[str] = "access_points"
    registry: ClassVar[Mapping[str, str]] = ACCESS_POINTS
    of_all: ClassVar[Mapping[str, str]] = {"position_m": "positions_m", "boresight_deg": "boresights_deg"}

    name: Annotated[str, Strict()] = _key(..., "Which one, as ap-3.", "", OURS, allowed="the name of an access point")
    position_m: Place | None = _key(
        None, "Position [x, y].", "m", OURS, allowed="a pair [x, y] of numbers from -1e7 to 1e7 in m"
    )
    boresight_deg: Angle | None = _key(
        None, "Direction in which its array looks, counter-clockwise from +x.", "degrees", OURS,
        allowed="a number from -3600 to 3600 in degrees",
    )  # fmt: skip
    transmit_power_dbm: Number | None = _key(
        None, "Its power budget.", "dBm", OURS, allowed="a number >= -100 and <= 100 in dBm", ge=-100, le=100
    )
    n_antennas: Count | None = _key(
        None, "Its antennas.", "", OURS, allowed="a whole number >= 1 and <= 1024", ge=1, le=1024
    )
    kind: Annotated[str, Strict()] | None = _key(
        None, f'Its behaviour: {", ".join(ACCESS_POINTS)} or "module:Class"; left out: that of all, whose settings '
        "may be given anew.", "", OURS, allowed='a name, or "module:Class"',
    )  # fmt: skip


class AccessPoints(_Placed):
    """The access points (APs): uniform linear arrays."""

    least: ClassVar[int] = 2
    prefix: ClassVar[str] = "ap"
    registry: ClassVar[Mapping[str, str]] = ACCESS_POINTS

    count: Count = _key(12, "Number of access points, placed at random.", "", PAPER, ge=2, le=100_000)
    positions_m: tuple[Place, ...] | None = _key(
        None, "Position [x, y] of each, instead of count.", "m", PAPER, allowed=_POINTS + ", at least 2", min_length=2,
    )  # fmt: skip
    boresights_deg: tuple[Angle, ...] | None = _key(
        None, "Direction in which each array looks, counter-clockwise from +x; left out: random.", "degrees", OURS,
        allowed="a list of numbers from -3600 to 3600 in degrees, one for each access point",
    )  # fmt: skip
    n_antennas: Count = _key(8, "Antennas of an access point.", "", PAPER, ge=1, le=1024)
    survey_std_m: Number = _key(
        0.0, "Standard deviation of the error of each surveyed coordinate; where they really are only the air knows.",
        "m", OURS, ge=0, le=1,
    )  # fmt: skip
    kind: Annotated[str, Strict()] = _key(
        "standard", f'Behaviour: {", ".join(ACCESS_POINTS)} or "module:Class".', "", OURS
    )
    node: tuple[AccessPointKeys, ...] = _key(
        (), "Single access points that differ.", "", OURS, allowed="tables [[access_points.node]]"
    )

    @property
    def antennas(self) -> list[int]:
        """How many antennas each access point has."""
        return [self.n_antennas if own is None else own for own in self.each("n_antennas")]


def _waypoints() -> Any:
    """Return the key with places at given times."""
    return _key(
        None, "Places [time in s, x, y] on its way, in straight lines between them; instead of position and velocity.",
        "m", OURS, allowed="a list of [time, x, y]: times from 0 that ascend in s, x and y from -1e7 to 1e7 in m",
        min_length=1,
    )  # fmt: skip


def _waypoint_problems(name: str, keys: Table, waypoints: tuple[Waypoint, ...] | None) -> Iterable[Problem]:
    """Return what is wrong with waypoints, or given beside them without effect."""
    if waypoints is None:
        return
    times = [time_s for time_s, _, _ in waypoints]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        yield Problem((f"{name}.waypoints",), f"got the times {times[:4]} s; allowed: times that ascend")
    for other in ("position_m", "velocity_m_s"):
        if other in keys.model_fields_set and getattr(keys, other) is not None:
            yield Problem((f"{name}.{other}", f"{name}.waypoints"), "waypoints say where it is; leave it out")


class SingleUserEquipmentKeys(_Single):
    """A UE that differs from the others; what is not given is as in the table of all."""

    table: ClassVar[str] = "user_equipment"
    registry: ClassVar[Mapping[str, str]] = USER_EQUIPMENTS

    name: Annotated[str, Strict()] = _key(..., "Which one, as ue-3.", "", OURS, allowed="the name of a UE")
    position_m: Place | None = _key(
        None, "Position [x, y] at the start.", "m", OURS, allowed="a pair [x, y] of numbers from -1e7 to 1e7 in m"
    )
    velocity_m_s: tuple[Speed, Speed] | None = _key(
        None, "Velocity [x, y]; left out: it stays.", "m/s", OURS,
        allowed="a pair [x, y] of numbers from -1e5 to 1e5 in m/s",
    )  # fmt: skip
    waypoints: tuple[Waypoint, ...] | None = _waypoints()
    kind: Annotated[str, Strict()] | None = _key(
        None, f'Its behaviour: {", ".join(USER_EQUIPMENTS)} or "module:Class"; left out: that of all, whose settings '
        "may be given anew.", "", OURS, allowed='a name, or "module:Class"',
    )  # fmt: skip

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with its name, behaviour, place or way."""
        yield from super().problems(name, scenario, plugins)
        yield from _waypoint_problems(name, self, self.waypoints)


class UserEquipmentKeys(_Placed):
    """The user equipments (UEs): one antenna each."""

    prefix: ClassVar[str] = "ue"
    registry: ClassVar[Mapping[str, str]] = USER_EQUIPMENTS

    count: Count = _key(10, "Number of UEs, placed at random; 0 is valid.", "", PAPER, ge=0, le=100_000)
    positions_m: tuple[Place, ...] | None = _key(
        None, "Position [x, y] of each, instead of count.", "m", PAPER, allowed=_POINTS
    )
    kind: Annotated[str, Strict()] = _key(
        "standard", f'Behaviour: {", ".join(USER_EQUIPMENTS)} or "module:Class".', "", OURS
    )
    fading: Literal["block", "correlated"] = _key(
        "block", "Fading from one CPI to the next: drawn anew, or correlated as the speed has it.", "", OURS
    )
    node: tuple[SingleUserEquipmentKeys, ...] = _key(
        (), "Single UEs that differ or move.", "", OURS, allowed="tables [[user_equipment.node]]"
    )


class TargetKeys(Part):
    """A point target."""

    registry: ClassVar[Mapping[str, str]] = TARGETS

    position_m: Place | None = _key(
        None, "Position [x, y] at the start; left out: random.", "m", PAPER,
        allowed="a pair [x, y] of numbers in m, inside the area",
    )  # fmt: skip
    rcs_dbsm: Number = _key(0.0, "Radar cross section.", "dBsm", PAPER, ge=-100, le=100)
    velocity_m_s: tuple[Speed, Speed] = _key(
        (0.0, 0.0), "Velocity [x, y].", "m/s", OURS, allowed="a pair [x, y] of numbers from -1e5 to 1e5 in m/s"
    )
    waypoints: tuple[Waypoint, ...] | None = _waypoints()
    scatter_phase_rad: Number | None = _key(
        None, "Scattering phase; left out: random, one for a run.", "rad", PAPER,
        allowed="a number from -1000 to 1000 in rad", ge=-1000, le=1000,
    )  # fmt: skip
    kind: Annotated[str, Strict()] = _key("standard", f'Behaviour: {", ".join(TARGETS)} or "module:Class".', "", OURS)

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with its behaviour or its way."""
        yield from super().problems(name, scenario, plugins)
        yield from _waypoint_problems(name, self, self.waypoints)

    def without_effect(self) -> list[str]:
        """Return the velocity where waypoints say it."""
        return super().without_effect() + ([] if self.waypoints is None else ["velocity_m_s"])
