"""The scenario file as checked data: every key, its unit, its range and where its default comes from.

Tables that belong together have a module of their own: nodes, fronthaul, phases. Physical defaults stand in tables and
nowhere else. Units are those of the file (dBm, dB, degrees); ``scenarios.file.build`` turns them into SI.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, PlainValidator, Strict, WithJsonSchema

from emulator.media import EFFECTS
from emulator.nodes import CENTRAL_PROCESSORS
from models import SCHEDULERS
from models.estimation import ESTIMATORS
from models.limits import MOST_CELLS
from models.radio import CHANNELS, PATH_LOSS
from models.selection import SELECTORS
from scenarios.file.fronthaul import ConsistencyKeys, FaultKeys, FronthaulKeys
from scenarios.file.nodes import AccessPoints, TargetKeys, UserEquipmentKeys
from scenarios.file.phases import CalibrationKeys, OscillatorKeys
from scenarios.file.plugins import implementation
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, PAPER, Count, Number, OneOf, Part, Strategy, Table, tables_of
from scenarios.file.table import key as _key

__all__ = [
    "Area", "CentralKeys", "ChannelKeys", "EffectKeys", "EstimatorKeys", "PictureKeys", "RadioKeys", "ScenarioKeys",
    "Schedule", "SelectorKeys", "TraceKeys",
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


Decibels = Annotated[Number, Field(ge=-300, le=300)]


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


class TraceKeys(Table):
    """What is kept of the record of all events."""

    last_cpis: Count | None = _key(
        None, "CPIs that the trace holds, the last ones that were published; left out: all.", "", OURS, ge=1,
        allowed="a whole number >= 1",
    )  # fmt: skip


class PictureKeys(Table):
    """How the pictures of a run look."""

    cost_range_db: tuple[Decibels, Decibels] | None = _key(
        None, "Lowest and highest colour of cost_map.png, to compare runs; left out: 30 dB down from its peak.", "dB",
        OURS, allowed="a pair [lowest, highest] of numbers from -300 to 300 in dB, the first one lower",
    )  # fmt: skip

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return whether the range of colours is empty."""
        if self.cost_range_db is not None and not self.cost_range_db[0] < self.cost_range_db[1]:
            text = f"got {list(self.cost_range_db)}; allowed: the first number lower than the second"
            yield Problem((f"{name}.cost_range_db",), text)


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
    pictures: PictureKeys = PictureKeys()

    @property
    def access_point_names(self) -> tuple[str, ...]:
        """Node names of the access points, in the order of every array."""
        return self.access_points.names

    @property
    def user_equipment_names(self) -> tuple[str, ...]:
        """Node names of the UEs, in the order of every array."""
        return self.user_equipment.names
