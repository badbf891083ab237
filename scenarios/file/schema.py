"""The scenario file as checked data: every key, its unit, its range and where its default comes from.

Physical defaults stand here and nowhere else. Units are those of the file (dBm, dB, degrees); ``scenarios.file.build``
turns them into SI.
"""

import math
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, Strict, WithJsonSchema, model_validator

from emulator import LATE_REPORTS, SPLITS
from emulator.media import TOPOLOGIES
from models import SCHEDULERS
from models.estimation import ESTIMATORS
from models.limits import MOST_CELLS
from models.radio import PATH_LOSS, QUANTISERS
from models.selection import SELECTORS
from scenarios.file.plugins import found, make, setting_problems, settings_of
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, PAPER, Count, Number, OneOf, Place, Strategy, Table
from scenarios.file.table import key as _key

__all__ = [
    "AccessPoints", "Area", "EstimatorKeys", "FronthaulKeys", "RadioKeys", "ScenarioKeys", "Schedule", "SelectorKeys",
    "TargetKeys", "TraceKeys", "UserEquipmentKeys",
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


class _Placed(Table):
    """Nodes given by their number, and then at random in the area, or by their positions."""

    least: ClassVar[int] = 0

    @model_validator(mode="before")
    @classmethod
    def _count_follows_positions(cls, data: Any) -> Any:
        positions = data.get("positions_m") if isinstance(data, dict) else None
        if isinstance(positions, list | tuple) and "count" not in data and len(positions) >= cls.least:
            return {**data, "count": len(positions)}
        return data

    def without_effect(self) -> Iterable[str]:
        """Return the number of nodes where it follows from their positions."""
        return ("count",) if dict(self)["positions_m"] is not None else ()


Speed = Annotated[Number, Field(ge=-1e5, le=1e5)]
Angle = Annotated[Number, Field(ge=-3600, le=3600)]
_POINTS = "a list of [x, y] pairs of numbers from -1e7 to 1e7 in m"


class AccessPoints(_Placed):
    """The access points (APs): uniform linear arrays."""

    least: ClassVar[int] = 2

    count: Count = _key(12, "Number of access points, placed at random.", "", PAPER, ge=2, le=100_000)
    positions_m: tuple[Place, ...] | None = _key(
        None, "Position [x, y] of each, instead of count.", "m", PAPER, allowed=_POINTS + ", at least 2", min_length=2,
    )  # fmt: skip
    boresights_deg: tuple[Angle, ...] | None = _key(
        None, "Direction in which each array looks, counter-clockwise from +x; left out: random.", "degrees", OURS,
        allowed="a list of numbers from -3600 to 3600 in degrees, one for each access point",
    )  # fmt: skip
    n_antennas: Count = _key(8, "Antennas of an access point.", "", PAPER, ge=1, le=1024)


class UserEquipmentKeys(_Placed):
    """The user equipments (UEs): one antenna each."""

    count: Count = _key(10, "Number of UEs, placed at random; 0 is valid.", "", PAPER, ge=0, le=100_000)
    positions_m: tuple[Place, ...] | None = _key(
        None, "Position [x, y] of each, instead of count.", "m", PAPER, allowed=_POINTS
    )


class TargetKeys(Table):
    """A point target."""

    position_m: Place | None = _key(
        None, "Position [x, y] at the start; left out: random.", "m", PAPER,
        allowed="a pair [x, y] of numbers in m, inside the area",
    )  # fmt: skip
    rcs_dbsm: Number = _key(0.0, "Radar cross section.", "dBsm", PAPER, ge=-100, le=100)
    velocity_m_s: tuple[Speed, Speed] = _key(
        (0.0, 0.0), "Velocity [x, y].", "m/s", OURS, allowed="a pair [x, y] of numbers from -1e5 to 1e5 in m/s"
    )
    scatter_phase_rad: Number | None = _key(
        None, "Scattering phase; left out: random, one for a run.", "rad", PAPER,
        allowed="a number from -1000 to 1000 in rad", ge=-1000, le=1000,
    )  # fmt: skip


class Schedule(Table):
    """Slots and coherent processing intervals (CPIs); a CPI has one slot for each transmitter."""

    snapshots_per_slot: Count = _key(10, "Snapshots (symbols) in a slot.", "", OURS, ge=1, le=1_000_000)
    n_receivers: Count = _key(
        6, "Receiving access points, M_r; with the fixed selector the number of its receivers.", "", PAPER, ge=1,
        le=100_000,
    )  # fmt: skip
    cpis: Count = _key(5, "CPIs of a run.", "", OURS, ge=1, le=1_000_000_000)
    guard_symbols: Count = _key(0, "Silent symbols at the end of a slot.", "", OURS, ge=0, le=1_000_000)
    lead_s: Number = _key(200e-6, "How long before its start a CPI is planned.", "s", OURS, ge=0, le=3600)
    order: Annotated[str, OneOf(SCHEDULERS)] = _key(
        "round-robin",
        "Order in which the transmitters take the sensing waveform: ascending, or backwards in every other CPI.",
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

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind, its settings, and the grid of the search."""
        yield from super().problems(name, scenario, plugins)
        cells = math.prod(side / self.grid_step_m for side in scenario.area.size_m)
        if cells > MOST_CELLS:
            text = f"got {self.grid_step_m:g} m, {cells:.2g} cells in the area"
            allowed = f"allowed: at most {MOST_CELLS:.0e} cells, so take a larger step"
            yield Problem((f"{name}.grid_step_m", "area.size_m"), f"{text}; {allowed}")


SPLIT_KEYS = {"iq_bits", "quantiser", "statistics_bits"}
"""Keys of the fronthaul that are settings of some functional split."""


class FronthaulKeys(Table):
    """The network between the access points and the central processor, and what travels on it."""

    topology: Annotated[str, Strict(), BeforeValidator(_text_of_path)] = _key(
        "star", f"{', '.join(TOPOLOGIES)}, or the path of a GraphML file (relative to the scenario file).", "", OURS,
    )  # fmt: skip
    latency_s: Number = _key(25e-6, "Propagation delay of a link.", "s", OURS, ge=0, le=3600)
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
        "iq", "What a receiver sends: quantised samples of each slot, or its statistics once a CPI.", "", OURS
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
        keys = {"iq_bits": self.iq_bits, "statistics_bits": self.statistics_bits}
        known = keys | {"quantiser": make(self.quantiser, QUANTISERS, {}), "illumination": illumination}
        return {key: value for key, value in known.items() if key in self.split_fields}

    def without_effect(self) -> Iterable[str]:
        """Return the settings of other splits."""
        return sorted(SPLIT_KEYS - self.split_fields)

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is given although it has no effect, and bits that cannot be."""
        for odd in {*self.without_effect()} & self.model_fields_set:
            sent = "statistics" if odd == "statistics_bits" else "samples"
            yield Problem((f"{name}.{odd}",), f'the split "{self.split}" sends no {sent}; leave it out')
        options = self.split_settings(scenario.radio.illumination)
        for setting, text in setting_problems(found(SPLITS[self.split]), options):
            yield Problem((f"{name}.{setting or 'split'}",), text)


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
    access_points: AccessPoints = AccessPoints()
    user_equipment: UserEquipmentKeys = UserEquipmentKeys()
    targets: tuple[TargetKeys, ...] = _key(
        (TargetKeys(), TargetKeys()),
        "The targets; [] for none.",
        "",
        PAPER,
        allowed="tables [[targets]], or [] for none",
    )
    schedule: Schedule = Schedule()
    selector: SelectorKeys = SelectorKeys()
    estimator: EstimatorKeys = EstimatorKeys()
    fronthaul: FronthaulKeys = FronthaulKeys()
    trace: TraceKeys = TraceKeys()

    @property
    def access_point_names(self) -> tuple[str, ...]:
        """Node names of the access points, in the order of every array."""
        return tuple(f"ap-{i}" for i in range(self.access_points.count))

    @property
    def user_equipment_names(self) -> tuple[str, ...]:
        """Node names of the UEs, in the order of every array."""
        return tuple(f"ue-{i}" for i in range(self.user_equipment.count))
