"""The scenario file as checked data: every key, its unit, its range and where its default comes from.

Physical defaults stand here and nowhere else. Units are those of the file (dBm, dB, degrees); ``scenarios.file.build``
turns them into SI.
"""

import itertools
import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, Strict, WithJsonSchema, model_validator

from emulator import FAULTS, LATE_REPORTS, SPLITS
from emulator.media import EFFECTS, TOPOLOGIES
from emulator.nodes import ACCESS_POINTS, CENTRAL_PROCESSORS, TARGETS, USER_EQUIPMENTS
from models import SCHEDULERS
from models.estimation import ESTIMATORS
from models.limits import MOST_CELLS
from models.radio import CHANNELS, PATH_LOSS, QUANTISERS
from models.selection import SELECTORS
from scenarios.file.graphml import link_names
from scenarios.file.phases import CalibrationKeys, OscillatorKeys
from scenarios.file.plugins import found, implementation, make, setting_problems, settings_of, settings_of_kind
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, PAPER, Coordinate, Count, Number, OneOf, Part, Place, Strategy, Table, tables_of
from scenarios.file.table import key as _key

__all__ = [
    "AccessPoints", "Area", "CentralKeys", "ChannelKeys", "ConsistencyKeys", "EffectKeys", "EstimatorKeys",
    "FaultKeys", "FronthaulKeys", "RadioKeys", "ScenarioKeys", "Schedule", "SelectorKeys", "TargetKeys", "TraceKeys",
    "UserEquipmentKeys",
]  # fmt: skip


def _angular_std(value: Any) -> float | Literal["iid"]:
    """Accept a standard deviation in degrees or the word for no correlation at all."""
    if value == "iid":
        return "iid"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 180.0:
        raise ValueError("not an angular spread")
    return float(value)


AngularStd = Annotated[
    float | Literal["iid"],
    PlainValidator(_angular_std),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 180}, {"const": "iid"}]}),
]


def _text_of_path(value: Any) -> Any:
    """Return the text of a path given from Python; anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class RadioKeys(Table):
    """The air interface."""

    carrier_hz: Number = _key(3.5e9, "Carrier frequency.", "Hz", PAPER, ge=1e6, le=1e12)
    bandwidth_hz: Number = _key(100e3, "Bandwidth; a symbol lasts its inverse.", "Hz", PAPER, ge=1, le=1e12)
    noise_temperature_k: Number = _key(290.0, "Noise temperature.", "K", PAPER, ge=1e-3, le=1e9)
    noise_figure_db: Number = _key(0.0, "Noise figure of every receiver.", "dB", OURS, ge=0, le=100)
    transmit_power_dbm: Number = _key(30.0, "Power budget of an access point.", "dBm", PAPER, ge=-100, le=100)
    comm_power_fraction: Number = _key(
        0.5, "Share rho of the budget that carries communication.", "", PAPER, ge=0, le=1
    )
    illumination: Literal["sensing", "full"] = _key(
        "sensing",
        "What lights up the targets: the sensing waveform alone, or the communication symbols too.",
        "",
        PAPER,
    )
    path_loss: Annotated[str, OneOf(PATH_LOSS)] = _key("umi-los", "Path loss between access points and UEs.", "", PAPER)
    rician_k_db: Number = _key(9.0, "Rician factor of the links to the UEs.", "dB", OURS, ge=-100, le=100)
    angular_std_deg: AngularStd = _key(
        15.0, 'Local scattering: angular standard deviation about the line of sight, or "iid" for no correlation.',
        "degrees", OURS, allowed='a number > 0 and <= 180 in degrees, or "iid"',
    )  # fmt: skip

    def effects(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the echoes of the targets, under the scenario's illumination."""
        return {"target-echoes": {"illumination": self.illumination}}


class Area(Table):
    """The rectangle with a corner in the origin in which targets are looked for."""

    size_m: tuple[Annotated[Number, Field(ge=1, le=1e7)], Annotated[Number, Field(ge=1, le=1e7)]] = _key(
        (1000.0, 1000.0),
        "Width and height.",
        "m",
        PAPER,
        allowed="a pair [width, height] of numbers >= 1 and <= 1e7 in m",
    )


class ChannelKeys(Part):
    """The channels between access points and UEs."""

    registry: ClassVar[Mapping[str, str]] = CHANNELS

    kind: Annotated[str, Strict()] = _key("rician", f'Channel: {", ".join(CHANNELS)} or "module:Class".', "", PAPER)


class CentralKeys(Part):
    """The central processor."""

    registry: ClassVar[Mapping[str, str]] = CENTRAL_PROCESSORS

    kind: Annotated[str, Strict()] = _key(
        "standard", f'Behaviour: {", ".join(CENTRAL_PROCESSORS)} or "module:Class".', "", OURS
    )


class EffectKeys(Strategy):
    """Something that the air does beside the echoes of the targets."""

    registry: ClassVar[Mapping[str, str]] = EFFECTS

    kind: Annotated[str, Strict()] = _key(
        ..., f'Effect: {", ".join(EFFECTS)} or "module:Class".', "", OURS, allowed='a name, or "module:Class"'
    )

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings, or that the air does it already."""
        others = (table for _, table in tables_of(scenario) if not isinstance(table, EffectKeys))
        if self.kind in {kind for table in others for kind in table.effects()}:
            yield Problem((f"{name}.kind",), f'got "{self.kind}", which another table brings; leave it out')
        yield from super().problems(name, scenario, plugins)

    def effects(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the effect with its settings."""
        return {self.kind: self.own}


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
    kind: Annotated[str, Strict()] = _key(
        "standard", f'Behaviour: {", ".join(ACCESS_POINTS)} or "module:Class".', "", OURS
    )
    node: tuple[AccessPointKeys, ...] = _key(
        (), "Single access points that differ.", "", OURS, allowed="tables [[access_points.node]]"
    )


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


class Schedule(Strategy):
    """Slots and coherent processing intervals (CPIs); a CPI has one slot for each transmitter."""

    registry: ClassVar[Mapping[str, str]] = SCHEDULERS
    kind_key: ClassVar[str] = "order"

    snapshots_per_slot: Count = _key(10, "Snapshots (symbols) in a slot.", "", OURS, ge=1, le=1_000_000)
    n_receivers: Count = _key(
        6, "Receiving access points, M_r; with the fixed selector the number of its receivers.", "", PAPER, ge=1,
        le=100_000,
    )  # fmt: skip
    cpis: Count = _key(5, "CPIs of a run.", "", OURS, ge=1, le=1_000_000_000)
    guard_symbols: Count = _key(0, "Silent symbols at the end of a slot.", "", OURS, ge=0, le=1_000_000)
    lead_s: Number = _key(200e-6, "How long before its start a CPI is planned.", "s", OURS, ge=0, le=3600)
    order: Annotated[str, Strict()] = _key(
        "round-robin",
        "Order in which the transmitters take the sensing waveform: ascending (round-robin), backwards in every other "
        'CPI (palindromic), or that of a scheduler "module:Class".',
        "",
        OURS,
    )


class SelectorKeys(Strategy):
    """Who transmits and who receives."""

    registry: ClassVar[Mapping[str, str]] = SELECTORS

    kind: Annotated[str, Strict()] = _key(
        "sensing-centric", f'Mode selector: {", ".join(SELECTORS)} or "module:Class".', "", PAPER
    )
    transmitters: tuple[Count, ...] | None = _key(
        None, "Transmitting access points, zero-based, with the kind fixed.", "", OURS,
        allowed="a list of zero-based indices of access points",
    )  # fmt: skip
    receivers: tuple[Count, ...] | None = _key(
        None, "Receiving access points, zero-based, with the kind fixed.", "", OURS,
        allowed="a list of zero-based indices of access points",
    )  # fmt: skip

    @classmethod
    def staying(cls) -> frozenset[str]:
        """Return no key: the lists are those of the kind fixed."""
        return frozenset()

    @property
    def options(self) -> dict[str, Any]:
        """The settings with which the selector of this kind is made."""
        named = {"transmitters": self.transmitters, "receivers": self.receivers}
        return {name: value for name, value in named.items() if value is not None} | self.own

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings; the lists of the kind fixed are checked as roles."""
        if self.kind != "fixed":
            return super().problems(name, scenario, plugins)
        return [
            Problem((f"{name}.{odd}",), f"unknown key; {closest(odd, ('transmitters', 'receivers'))}")
            for odd in self.own
        ]


class EstimatorKeys(Strategy):
    """How targets are found and located."""

    registry: ClassVar[Mapping[str, str]] = ESTIMATORS
    shared: ClassVar[tuple[str, ...]] = ("amplitude", "grid_step_m", "false_alarm_probability")

    kind: Annotated[str, Strict()] = _key(
        "two-stage", f'Estimator: {", ".join(ESTIMATORS)} or "module:Class".', "", OURS
    )
    amplitude: Literal["automatic", "structured", "free"] = _key(
        "automatic", "Model of the echo amplitudes of a target: one structured unknown, or one free for each pair.", "",
        OURS,
    )  # fmt: skip
    grid_step_m: Number = _key(10.0, "Side of a cell of the search grid.", "m", OURS, ge=1e-6, le=1e6)
    false_alarm_probability: Number = _key(
        1e-3, "Probability of a false detection in a map of noise alone.", "", OURS, ge=1e-100, lt=1
    )
    latency_s: Number = _key(
        0.0, "Emulated time that estimating takes the central processor.", "s", OURS, ge=0, le=3600
    )

    def reads_maps(self, plugins: Iterable[str]) -> bool:
        """Return whether this kind takes a map; of one that is refused, that it does: so much is said already."""
        try:
            return bool(implementation(self.kind, ESTIMATORS, plugins).reads_maps)  # type: ignore[attr-defined]
        except ValueError:
            return True

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind, its settings, and the grid of the search."""
        yield from super().problems(name, scenario, plugins)
        cells = math.prod(side / self.grid_step_m for side in scenario.area.size_m)
        if cells > MOST_CELLS:
            text = f"got {self.grid_step_m:g} m, {cells:.2g} cells in the area"
            allowed = f"allowed: at most {MOST_CELLS:.0e} cells, so take a larger step"
            yield Problem((f"{name}.grid_step_m", "area.size_m"), f"{text}; {allowed}")


SPLIT_KEYS = {"iq_bits", "quantiser", "statistics_bits", "map_step_m", "map_bits"}
"""Keys of the fronthaul that are settings of some functional split."""


class FronthaulKeys(Table):
    """The network between the access points and the central processor, and what travels on it."""

    topology: Annotated[str, Strict(), BeforeValidator(_text_of_path)] = _key(
        "star",
        f"{', '.join(TOPOLOGIES)}, or the path of a GraphML or node-link JSON file (relative to the scenario file).",
        "",
        OURS,
    )
    neighbours: Count = _key(
        3, "Nearest neighbours that a node of a mesh is linked with; with the topology mesh alone.", "", OURS, ge=1,
        le=100_000,
    )  # fmt: skip
    latency_s: Number = _key(25e-6, "Propagation delay of a link.", "s", OURS, ge=0, le=3600)
    jitter_s: Number = _key(
        0.0, "Mean of an exponential delay on top of it, new for each message and cut at ten times the mean; it may "
        "reorder messages.", "s", OURS, ge=0, le=3600,
    )  # fmt: skip
    rate_bit_s: Number = _key(1e9, "Rate of a link.", "bit/s", OURS, ge=1, le=1e15)
    queue_bits: Count | None = _key(
        None,
        "Bits that may wait at a link; left out: unbounded.",
        "bit",
        OURS,
        allowed="a whole number >= 1 and <= 1e15 in bit",
        ge=1,
        le=10**15,
    )
    loss_probability: Number = _key(0.0, "Probability that a link loses a message.", "", OURS, ge=0, le=1)
    split: Annotated[str, OneOf(SPLITS)] = _key(
        "iq",
        "What a receiver sends: quantised samples of each slot, its statistics once a CPI, or a map of the area, to "
        "which each access point on the way adds its own.",
        "",
        OURS,
    )
    iq_bits: Count = _key(
        16, "Bits of a real number of the samples; with the split iq alone.", "bit", OURS, ge=1, le=24
    )
    quantiser: Annotated[str, OneOf(QUANTISERS)] = _key(
        "uniform", "How samples become so few bits; with the split iq alone. Block floating point has 2 to 16.", "",
        OURS,
    )  # fmt: skip
    statistics_bits: Count = _key(
        64, "Bits of a real number of the statistics, 8 to 32, or 64; with the split statistics alone.", "bit", OURS,
        ge=8, le=64,
    )  # fmt: skip
    map_step_m: Number = _key(
        10.0,
        "About how far apart the points of a map are; with the split summed-map alone.",
        "m",
        OURS,
        ge=1e-6,
        le=1e6,
    )
    map_bits: Count = _key(8, "Bits of a point of a map; with the split summed-map alone.", "bit", OURS, ge=4, le=16)
    late_reports: Annotated[str, OneOf(LATE_REPORTS)] = _key(
        "drop", "What becomes of reports that come too late: left, or fused with the next estimate.", "", OURS
    )
    deadline_s: Number = _key(
        500e-6, "How long after the last slot missing reports are waited for.", "s", OURS, ge=0, le=3600
    )
    payload_bits_per_symbol: Number = _key(
        2.0, "Downlink payload that a UE gets in a symbol.", "bit", OURS, ge=0, le=64
    )

    @property
    def split_fields(self) -> frozenset[str]:
        """Settings of the functional split."""
        return frozenset(settings_of(found(SPLITS[self.split])))

    def split_settings(self, illumination: str) -> dict[str, Any]:
        """Return the settings with which a functional split is made."""
        keys = {name: getattr(self, name) for name in ("iq_bits", "statistics_bits", "map_step_m", "map_bits")}
        known = keys | {"quantiser": make(self.quantiser, QUANTISERS, {}), "illumination": illumination}
        return {key: value for key, value in known.items() if key in self.split_fields}

    def without_effect(self) -> Iterable[str]:
        """Return the settings of other splits, and the neighbours where there is no mesh."""
        return sorted(SPLIT_KEYS - self.split_fields) + (["neighbours"] if self.topology != "mesh" else [])

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings of other splits."""
        return SPLIT_KEYS - settings_of_kind(value, SPLITS) if key == "split" else set()

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is given although it has no effect, and bits that cannot be."""
        for odd in {*self.without_effect()} & self.model_fields_set:
            yield Problem((f"{name}.{odd}",), f"{self._why_idle(odd)}; leave it out")
        options = self.split_settings(scenario.radio.illumination)
        for setting, text in setting_problems(found(SPLITS[self.split]), options):
            yield Problem((f"{name}.{setting or 'split'}",), text)
        if found(SPLITS[self.split]).sums:
            yield from self._of_sums(name, scenario, plugins)

    def _of_sums(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what does not go with sums on the way."""
        from emulator.parts import summing_problems

        cells = math.prod(side / self.map_step_m for side in scenario.area.size_m)
        if cells > MOST_CELLS:
            allowed = f"allowed: at most {MOST_CELLS:.0e} points, so take a larger step"
            text = f"got {self.map_step_m:g} m, {cells:.2g} points in the area; {allowed}"
            yield Problem((f"{name}.map_step_m", "area.size_m"), text)
        wrong = summing_problems(
            reads_maps=scenario.estimator.reads_maps(plugins),
            tests=scenario.consistency.false_alarm_probability is not None,
            watches=scenario.calibration.when_lost,
            keeps_late=self.late_reports != "drop",
            tampers=any(fault.kind in ("corrupt", "replay") for fault in scenario.faults),
        )
        for key, text in wrong:
            yield Problem((key, f"{name}.split"), text)

    def _why_idle(self, odd: str) -> str:
        if odd == "neighbours":
            return f'the topology "{self.topology}" takes no number of neighbours'
        sent = {"statistics_bits": "statistics", "map_step_m": "maps", "map_bits": "maps"}.get(odd, "samples")
        return f'the split "{self.split}" sends no {sent}'


class FaultKeys(Strategy):
    """Something that goes wrong."""

    registry: ClassVar[Mapping[str, str]] = FAULTS
    shared: ClassVar[tuple[str, ...]] = ("at_s", "until_s", "node", "link")

    kind: Annotated[str, Strict()] = _key("ap-down", f'Fault: {", ".join(FAULTS)} or "module:Class".', "", OURS)
    at_s: Number = _key(0.0, "Emulated time at which it begins.", "s", OURS, ge=0, le=1e9)
    until_s: Number | None = _key(
        None, "When it ends, later than at_s; left out: never.", "s", OURS, ge=0, le=1e9,
        allowed="a number >= 0 and <= 1e+09 in s",
    )  # fmt: skip
    node: Annotated[str, Strict()] | None = _key(
        None, "Name of the access point.", "", OURS, allowed='the name of an access point, such as "ap-3"'
    )
    link: Annotated[str, Strict()] | None = _key(
        None, "Name of the link.", "", OURS, allowed='the name of a link, such as "ap-7->central"'
    )

    @property
    def options(self) -> dict[str, Any]:
        """The settings with which the fault of this kind is made."""
        return {name: value for name, value in super().options.items() if value is not None}

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings, and names of nodes or links that are not there."""
        yield from super().problems(name, scenario, plugins)
        if next(fault for fault in scenario.faults if fault == self) is not self:
            yield Problem((f"{name}.kind",), "stands there before, alike in all keys; leave one of the two out")
        known = {"node": scenario.access_point_names, "link": ()}
        if self.link is not None:
            known["link"] = link_names(scenario.fronthaul.topology, scenario.access_point_names)
        for key, names in known.items():
            given = getattr(self, key)
            if given is not None and names and given not in names:
                yield Problem((f"{name}.{key}",), f'got "{given}"; {_among(given, names)}')


def _among(word: str, names: tuple[str, ...]) -> str:
    hint = closest(word, names)
    return hint if hint.startswith("did you mean") else f"allowed: {names[0]} to {names[-1]}"


class ConsistencyKeys(Table):
    """The test of each receiver against the others."""

    false_alarm_probability: Number | None = _key(
        None, "Probability that a CPI leaves an honest receiver out; left out: all are believed.", "", OURS,
        allowed="a number > 0 and < 1", gt=0, lt=1,
    )  # fmt: skip
    agree_cpis: Count = _key(
        3,
        "CPIs, at least, in which a receiver that was left out agrees until it is taken back.",
        "",
        OURS,
        ge=1,
        le=1_000_000,
    )

    evidence_cpis: Count = _key(
        10, "CPIs whose evidence on a receiver is counted together, the last ones.", "", OURS, ge=1, le=10_000
    )

    def make(self) -> Any:
        """Return the test, or None where there is none."""
        if self.false_alarm_probability is None:
            return None
        return found("models.consistency:ConsistencyTest")(**dict(self))

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is given although it has no effect."""
        for odd in sorted({*self.without_effect()} & self.model_fields_set):
            yield Problem((f"{name}.{odd}",), "has no effect without false_alarm_probability; leave it out")

    def without_effect(self) -> Iterable[str]:
        """Return the numbers of CPIs where nothing is left out."""
        return ("agree_cpis", "evidence_cpis") if self.false_alarm_probability is None else ()


class TraceKeys(Table):
    """What is kept of the record of all events."""

    last_cpis: Count | None = _key(
        None, "CPIs that the trace holds, the last ones that were published; left out: all.", "", OURS, ge=1,
        allowed="a whole number >= 1",
    )  # fmt: skip


class ScenarioKeys(Table):
    """All tables of a scenario file. A further table is a class of its own and one line here."""

    model_config = ConfigDict(title="Scenario")

    radio: RadioKeys = RadioKeys()
    area: Area = Area()
    channel: ChannelKeys = ChannelKeys()
    air: tuple[EffectKeys, ...] = _key(
        (), "What the air does beside the echoes of the targets.", "", OURS, allowed="tables [[air]]"
    )
    access_points: AccessPoints = AccessPoints()
    user_equipment: UserEquipmentKeys = UserEquipmentKeys()
    targets: tuple[TargetKeys, ...] = _key(
        (TargetKeys(), TargetKeys()),
        "The targets; [] for none.",
        "",
        PAPER,
        allowed="tables [[targets]], or [] for none",
    )
    central: CentralKeys = CentralKeys()
    schedule: Schedule = Schedule()
    selector: SelectorKeys = SelectorKeys()
    estimator: EstimatorKeys = EstimatorKeys()
    fronthaul: FronthaulKeys = FronthaulKeys()
    faults: tuple[FaultKeys, ...] = _key((), "What goes wrong, and when.", "", OURS, allowed="tables [[faults]]")
    consistency: ConsistencyKeys = ConsistencyKeys()
    oscillators: OscillatorKeys = OscillatorKeys()
    calibration: CalibrationKeys = CalibrationKeys()
    trace: TraceKeys = TraceKeys()

    @property
    def access_point_names(self) -> tuple[str, ...]:
        """Node names of the access points, in the order of every array."""
        return self.access_points.names

    @property
    def user_equipment_names(self) -> tuple[str, ...]:
        """Node names of the UEs, in the order of every array."""
        return self.user_equipment.names
