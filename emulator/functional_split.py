"""How what an AP gives away of its echoes travels to the central processor."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.messages import (
    CENTRAL,
    DOUBLE,
    EQUAL_STEPS,
    SINGLE,
    EchoReport,
    MapReport,
    Message,
    StatisticsReport,
    TransmissionRecord,
)
from emulator.slot import CpiPlan, Slot
from models.doors import STRONGEST, Door, bounded, require
from models.network import Area, Network
from models.radio.arrays import padded
from models.radio.quantisation import Quantiser
from models.radio.statistics import Radiated, energy_statistic

__all__ = [
    "FunctionalSplit", "Gathering", "Heard", "IqSplit", "StatisticsSplit", "Survey", "check_message", "drop_until",
    "radiated", "reports_due", "waveform_known",
]  # fmt: skip

Complex = NDArray[np.complex128]
STATISTICS_WIDTHS = frozenset({*range(8, SINGLE + 1), DOUBLE})
"""What ``statistics_bits`` may be."""
LARGEST_SUM_W = 1e9 * STRONGEST**2
"""No statistic is larger: a sum over a thousand million samples."""


class Survey(NamedTuple):
    """What an AP knows of the network that forms maps of the area."""

    network: Network
    area: Area
    noise_power_w: float
    """Of a complex sample of its own."""


class FunctionalSplit(ABC):
    """The border between what an AP computes and what the central processor computes.

    Every AP has a split of its own; it may keep the echoes of the CPI in hand.
    """

    needs_waveform: bool = False
    """Whether receivers must be told what the transmitters radiated."""
    sums: bool = False
    """Whether reports are summed on their way: the plan says who waits for whom, ``hear`` takes what comes from them,
    and what the transmitters radiated. All APs of a network have such a split then, or none."""
    survey: Survey | None = None
    """Given to a split that sums, when its AP starts."""

    @abstractmethod
    def give(self, ap: str, slot: Slot, echo: Complex) -> Message | None:
        """Take the echo of a slot, shape (N, n_snapshots); return the message that is due at once, if any."""

    def learn(self, ap: str, plan: CpiPlan, record: TransmissionRecord) -> Message | None:
        """Take what a transmitter radiated; return the message that can now be sent, if any."""
        return None

    def hear(self, ap: str, plan: CpiPlan, message: Message) -> Sequence[Message]:
        """Take a record or a sum from a neighbour, for a split that sums; return the messages that it leads to."""
        return ()

    def settle(self, ap: str, plan: CpiPlan) -> Message | None:
        """Return the message that can be sent of a CPI when its time is up, whatever is missing, if any.

        That is half-way to its deadline, or what the plan says to one who passes sums on.
        """
        return None

    @abstractmethod
    def reports_expected(self, n_slots: int) -> int:
        """Return how many reports a receiver sends in a CPI when nothing is missing."""

    def forget(self, cpi: int) -> None:  # noqa: B027 - nothing to forget is a fine default
        """Drop what is kept of a CPI and earlier ones."""


@dataclass(kw_only=True)
class IqSplit(FunctionalSplit):
    """IQ samples, one report a slot.

    Attributes
    ----------
    iq_bits
        Bits of a real component, 1 to 64 with the default quantiser; None sends samples unquantised (64 bits).
    quantiser
        How samples become so few bits.

    Raises
    ------
    ValueError
        If the quantiser does not have so many bits.
    """

    iq_bits: int | None
    quantiser: Quantiser = EQUAL_STEPS

    def __post_init__(self) -> None:
        require("quantiser", self.quantiser, Quantiser)
        if not _has_width(self.quantiser, self.iq_bits):
            widths = self.quantiser.widths
            raise ValueError(
                f"iq_bits is {self.iq_bits!r}: give a whole number from {widths[0]} to {widths[-1]}, or None"
            )

    def give(self, ap: str, slot: Slot, echo: Complex) -> Message | None:
        """Return the report of the slot."""
        return EchoReport(ap, "central", slot, echo, self.iq_bits, self.quantiser)

    def reports_expected(self, n_slots: int) -> int:
        """One report a slot."""
        return n_slots


class Heard(NamedTuple):
    """The echoes of a CPI that a receiver gave, and what is known of their waveforms."""

    positions: tuple[int, ...]
    """Slots whose waveforms are known."""
    received: Complex
    """Their echoes, shape (n_slots, N, n_snapshots)."""
    sent: Radiated
    """What was radiated in them."""


@dataclass(kw_only=True)
class Gathering(FunctionalSplit):
    """Keeps echoes until it is known what was radiated.

    Attributes
    ----------
    illumination
        "sensing": the waveform of a slot is that of its sensing transmitter; "full": that of all transmitters.

    Raises
    ------
    ValueError
        If it is neither.
    """

    illumination: str
    needs_waveform = True
    echoes: dict[int, list[tuple[Slot, Complex]]] = field(default_factory=dict, init=False)
    records: dict[int, dict[str, TransmissionRecord]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.illumination not in ("sensing", "full"):
            raise ValueError(f'illumination is {self.illumination!r}: give "sensing" or "full"')

    def give(self, ap: str, slot: Slot, echo: Complex) -> Message | None:
        """Keep the echo until the waveforms are known."""
        self.echoes.setdefault(slot.cpi, []).append((slot, echo))
        return None

    def keep(self, plan: CpiPlan, record: TransmissionRecord) -> bool:
        """Keep what a transmitter radiated; return whether that is known of all."""
        known = self.records.setdefault(record.cpi, {})
        known[record.transmitter] = record
        return all(name in known for name in plan.transmitters)

    def heard(self, plan: CpiPlan) -> Heard | None:
        """Return what there is of a CPI, and let go of it; None without an echo."""
        records = self.records.pop(plan.cpi, {})
        given = [(slot.position, echo) for slot, echo in self.echoes.pop(plan.cpi, [])]
        if not given:
            return None
        usable = [(at, echo) for at, echo in given if waveform_known(plan, records, at, self.illumination)]
        positions = tuple(position for position, _ in usable)
        received = np.array([echo for _, echo in usable]).reshape(len(usable), *given[0][1].shape)
        n_antennas = max(plan.array_sizes, default=received.shape[1])
        return Heard(positions, received, radiated(plan, records, n_antennas).within(positions))

    @abstractmethod
    def settle(self, ap: str, plan: CpiPlan) -> Message | None:
        """Return the message that can be sent of a CPI, whatever is missing, if any."""

    def reports_expected(self, n_slots: int) -> int:
        """One report."""
        return 1

    def forget(self, cpi: int) -> None:
        """Drop echoes and records of this CPI and earlier ones."""
        drop_until(cpi, self.echoes, self.records)


def drop_until(cpi: int, *tables: dict[int, Any]) -> None:
    """Drop what tables in the order of CPIs hold of a CPI and earlier ones."""
    for kept in tables:
        while kept and (oldest := next(iter(kept))) <= cpi:
            del kept[oldest]


@dataclass(kw_only=True)
class StatisticsSplit(Gathering):
    """The statistics Z and E, one report a CPI, formed once every transmitter's record has arrived.

    Half-way to the deadline a receiver that still misses records reports on the slots whose waveforms it knows.

    Attributes
    ----------
    illumination
        See ``Gathering``.
    statistics_bits
        Bits of a real number of Z, 8 to 32, or 64: see ``StatisticsReport``.

    Raises
    ------
    ValueError
        If it is neither, or the bits are others.
    """

    statistics_bits: int = DOUBLE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.statistics_bits not in STATISTICS_WIDTHS:
            raise ValueError(f"statistics_bits is {self.statistics_bits!r}: give a whole number from 8 to 32, or 64")

    def learn(self, ap: str, plan: CpiPlan, record: TransmissionRecord) -> Message | None:
        """Return the statistics when the last record has come."""
        complete = self.keep(plan, record)
        return self.settle(ap, plan) if complete and record.cpi in self.echoes else None

    def settle(self, ap: str, plan: CpiPlan) -> Message | None:
        """Return the statistics of the slots whose waveforms are known; None if there was nothing to report on."""
        heard = self.heard(plan)
        if heard is None:
            return None
        return StatisticsReport(
            source=ap,
            destination="central",
            cpi=plan.cpi,
            positions=heard.positions,
            transmitters=plan.transmitters,
            cross=heard.sent.cross(heard.received[None], heard.positions)[0],
            energy=energy_statistic(heard.received),
            n_bits=self.statistics_bits,
            array_sizes=plan.sent_sizes,
        )


def waveform_known(plan: CpiPlan, records: Mapping[str, object], position: int, illumination: str) -> bool:
    """Return whether the records say everything that illuminated the targets in a slot."""
    if illumination == "sensing":
        return plan.slots[position].sensing_transmitter in records
    return all(name in records for name in plan.transmitters)


def radiated(plan: CpiPlan, records: Mapping[str, TransmissionRecord], n_antennas: int) -> Radiated:
    """Return what the transmitters radiated in a CPI, as far as records tell: nothing without one.

    All have ``n_antennas``, of which those that one lacks radiate nothing.
    """
    n_snapshots = plan.slots[0].n_snapshots
    known = [records.get(name) for name in plan.transmitters]
    slots = [() if record is None else record.positions for record in known]
    samples = [np.zeros((n_antennas, 0)) if record is None else record.samples for record in known]
    whole = [padded(x.astype(complex), n_antennas) for x in samples]
    shapes = [(n_antennas, len(own), n_snapshots) for own in slots]
    return Radiated(tuple(slots), tuple(x.reshape(n) for x, n in zip(whole, shapes, strict=True)))


# -- the door ---------------------------------------------------------------------------------------------------------


def check_message(
    split: FunctionalSplit, method: str, message: object, ap: str, plan: CpiPlan | None, n_antennas: int
) -> None:
    """Refuse what a method of the split of an AP gave, if it is no message from this AP that fits the plan, nor None.

    Raises
    ------
    DoorError
        If that is so.
    """
    door = Door("split", method)
    if message is None:
        return
    if not isinstance(message, Message) or message.source != ap or plan is None:
        door.refuse(split, message, f'None or a Message with the source "{ap}"')
    if isinstance(message, EchoReport):
        _check_echo(door, split, message, plan, n_antennas)
    elif isinstance(message, StatisticsReport):
        _check_statistics(door, split, message, plan, n_antennas)
    elif isinstance(message, MapReport):
        _check_map(door, split, message, plan)


def reports_due(split: FunctionalSplit, n_slots: int) -> int:
    """Return how many reports a receiver with this split sends in a CPI when nothing is missing; raises DoorError."""
    door = Door("split", "reports_expected")
    n_reports = door.ask(split, n_slots)
    if not isinstance(n_reports, int | np.integer) or n_reports < 0:
        door.refuse(split, n_reports, "a whole number of reports, 0 or more")
    return int(n_reports)


def _check_echo(door: Door, split: FunctionalSplit, report: EchoReport, plan: CpiPlan, n_antennas: int) -> None:
    slot, samples = report.slot, report.samples
    shape = (n_antennas, plan.slots[0].n_snapshots)
    if not (
        isinstance(slot, Slot)
        and slot in plan.slots[slot.position : slot.position + 1]
        and isinstance(samples, np.ndarray)
        and samples.shape == shape
        and np.can_cast(samples.dtype, complex, "same_kind")
        and bounded(samples)
        and isinstance(report.quantiser, Quantiser)
        and _has_width(report.quantiser, report.iq_bits)
        and report.destination == CENTRAL
    ):
        content = f"finite samples of shape {shape}, iq_bits None or what its quantiser has"
        expected = f"an EchoReport to central of a slot of CPI {plan.cpi}, {content}"
        door.refuse(split, report, expected)


def _has_width(quantiser: Quantiser, n_bits: object) -> bool:
    return n_bits is None or n_bits in quantiser.widths


def _check_statistics(
    door: Door, split: FunctionalSplit, report: StatisticsReport, plan: CpiPlan, n_antennas: int
) -> None:
    shape = (n_antennas, len(plan.transmitters), max(plan.array_sizes, default=n_antennas))
    positions = set(report.positions)
    valid = (
        (report.cpi, report.transmitters) == (plan.cpi, plan.transmitters)
        and len(positions) == len(report.positions)
        and positions <= set(range(len(plan.slots)))
        and np.shape(report.cross) == shape
        and bounded(np.asarray(report.cross), LARGEST_SUM_W)
        and 0.0 <= report.energy <= LARGEST_SUM_W
        and report.destination == CENTRAL
        and report.n_bits in STATISTICS_WIDTHS
        and report.array_sizes == plan.sent_sizes
    )
    if not valid:
        expected = (
            f"a StatisticsReport to central of slots of CPI {plan.cpi} and its transmitters, cross {shape}, all finite"
        ) + (f", array_sizes {plan.sent_sizes}" if plan.sent_sizes else "")
        door.refuse(split, report, expected)


def _check_map(door: Door, split: FunctionalSplit, report: MapReport, plan: CpiPlan) -> None:
    relay, levels = plan.relays.get(report.source), np.asarray(report.levels)
    valid = (
        relay is not None
        and (report.cpi, report.destination) == (plan.cpi, relay.inward)
        and set(report.receivers) <= set(plan.receivers)
        and levels.ndim == 2
        and levels.dtype.kind == "u"
        and int(levels.max(initial=0)) < 2**report.n_bits
        and 0.0 <= report.scale <= STRONGEST
    )
    if not valid:
        door.refuse(split, report, f"a MapReport on CPI {plan.cpi} to the next AP inward, levels of so many bits")
