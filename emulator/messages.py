"""What travels over the fronthaul. The size of a message follows from what is in it.

Every message is one frame: Ethernet preamble, header, check sequence and gap (38 bytes) and the eCPRI common header
with its two identifiers (8 bytes). The identifiers carry what the message is about, its number at the source, and, in 4
bits, which correction of phases the source has applied. The check sequence is not computed: whether it fits is an
attribute.
"""

from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from emulator.slot import CpiPlan, Slot
from models.radio.quantisation import Quantiser, Uniform
from models.readonly import taken

__all__ = [
    "ARROW",
    "CENTRAL",
    "HEADER_BITS",
    "NO_CORRECTION",
    "STARTED_ANEW",
    "Assignment",
    "Correction",
    "EchoReport",
    "MapReport",
    "Message",
    "PilotReport",
    "StatisticsReport",
    "Telemetry",
    "TransmissionRecord",
]

HEADER_BITS = 8 * (38 + 8)
CENTRAL = "central"
"""Name of the central processor."""
ARROW = "->"
"""What stands between two node names in the name of a link, and in no name of a node."""
NO_CORRECTION, STARTED_ANEW = 0, -1
"""In the place of the number of a correction: none yet; none since the oscillator started anew."""
EQUAL_STEPS = Uniform()
DOUBLE, SINGLE = 64, 32
"""Bits of a real number of statistics that travel in double or single precision."""

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]


@dataclass(eq=False, slots=True)
class Message:
    """Something one node tells another.

    Attributes
    ----------
    priority
        Of the class: of the messages that wait for a link the least comes first. Plans 0, records 1, reports and all
        others 2.
    source, destination
        Node names.
    sequence
        Counts the messages of the network; set when the message is sent, -1 before. Its number in the trace.
    cause
        Number of the message that made the source send this one; -1 for none: a plan is made by the calendar.
    cpi
        The CPI that it is about; -1 for none.
    serial
        Counts the messages of the source, in the header; -1 where the source counts none.
    applied
        Number of the correction of its phases that the source had applied in the CPI, `NO_CORRECTION` or
        `STARTED_ANEW`, in the header; None where it says nothing of it.
    intact
        Whether the check sequence of the frame fits the content.
    own
        Whether it is the fronthaul's alone, arrays included: whoever made it changes it no more.
    """

    priority: ClassVar[int] = 2

    source: str
    destination: str
    sequence: int = field(default=-1, init=False)
    cause: int = field(default=-1, init=False)
    cpi: int = field(default=-1, init=False)
    serial: int = field(default=-1, init=False)
    applied: int | None = field(default=None, init=False)
    intact: bool = field(default=True, init=False, repr=False)
    own: bool = field(default=False, init=False, repr=False, compare=False)

    def taken(self) -> Self:
        """Return a copy that nobody else has, arrays included."""
        other = copy(self)
        other.seal()
        other.own = True
        return other

    def seal(self) -> None:
        """Take what the message holds and others could change."""

    @property
    def content_bits(self) -> int:
        """Size of the content in bits."""
        raise NotImplementedError

    @property
    def bits(self) -> int:
        """Size on a link in bits, header included."""
        return HEADER_BITS + self.content_bits


@dataclass(eq=False, slots=True)
class Assignment(Message):
    """The plan of a CPI, with the downlink payload for a transmitter: the data of every UE.

    Attributes
    ----------
    plan
        The plan; 2 bits a mode, 16 bits a slot, and what the AP is to pass on.
    payload
        Data bits of the CPI, one byte string a UE; empty for an AP that does not transmit.
    """

    priority = 0

    plan: CpiPlan
    payload: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        self.cpi = self.plan.cpi

    @property
    def content_bits(self) -> int:
        """Size of modes, slots, payload, and of what the AP is to pass on."""
        plan, relay = self.plan, self.plan.relays.get(self.destination)
        relay_bits = 0 if relay is None else relay.bits
        return 2 * len(plan.ap_names) + 16 * len(plan.slots) + 8 * sum(map(len, self.payload)) + relay_bits


@dataclass(eq=False, slots=True)
class TransmissionRecord(Message):
    """What a transmitter really radiated in a CPI, as far as it illuminates targets.

    Attributes
    ----------
    transmitter
        Name of the AP that radiated; the source is another node when the record is passed on.
    positions
        Positions of the recorded slots within the CPI.
    samples
        Shape (N, len(positions) x n_snapshots), complex64: 64 bits a sample.
    """

    priority = 1

    cpi: int
    transmitter: str
    positions: tuple[int, ...]
    samples: NDArray[np.complex64]

    def seal(self) -> None:
        """Take the samples."""
        self.samples = taken(self.samples)

    def passed_on(self, source: str, destination: str) -> "TransmissionRecord":
        """Return the record as another node sends it on."""
        told = TransmissionRecord(source, destination, self.cpi, self.transmitter, self.positions, self.samples)
        told.cause = self.sequence
        return told

    @property
    def content_bits(self) -> int:
        """Size of slot positions and samples."""
        return 16 * len(self.positions) + 8 * self.samples.nbytes


@dataclass(eq=False, slots=True)
class EchoReport(Message):
    """IQ samples that an AP received in a slot.

    Attributes
    ----------
    slot
        The slot.
    samples
        Shape (N, n_snapshots), before quantisation: what the link carries, and the central processor reads, is
        what the quantiser makes of them (many reports are quantised in one go when they are read).
    iq_bits
        Bits of a real component on the link; None sends samples unquantised in 64.
    quantiser
        How samples become so few bits.
    """

    slot: Slot
    samples: Complex
    iq_bits: int | None
    quantiser: Quantiser = EQUAL_STEPS

    def __post_init__(self) -> None:
        self.cpi = self.slot.cpi

    def seal(self) -> None:
        """Take the samples."""
        self.samples = taken(self.samples)

    @property
    def content_bits(self) -> int:
        """Size of the samples and of their common 32-bit scale."""
        if self.iq_bits is None:
            return 2 * 64 * self.n_numbers + 32
        return self.quantiser.content_bits(self.n_numbers, self.iq_bits)

    @property
    def n_numbers(self) -> int:
        """Complex samples that travel."""
        return self.samples.size


@dataclass(eq=False, slots=True)
class StatisticsReport(Message):
    """Sufficient statistics that an AP formed over a CPI.

    Attributes
    ----------
    cpi
        The CPI.
    positions
        Positions of the slots covered.
    transmitters
        Names of the transmitters, in the order of the second axis of ``cross``.
    cross
        Z_rt = sum_l y_r[l] x_t[l]^H, shape (N, n_tx, N), before quantisation. Where APs differ in their antennas the
        first axis has those of the receiver, the last those of the largest AP; what a transmitter lacks is 0.
    energy
        E_r = sum_l ||y_r[l]||^2.
    n_bits
        Bits of a real number of Z on the link: 64 and 32 are double and single precision, fewer are equal steps up to
        the largest. E is in single precision then.
    array_sizes
        Antennas of each transmitter where APs differ; of Z only what belongs to these travels. Empty where they do not.
    """

    cpi: int
    positions: tuple[int, ...]
    transmitters: tuple[str, ...]
    cross: Complex
    energy: float
    n_bits: int = DOUBLE
    array_sizes: tuple[int, ...] = ()

    def seal(self) -> None:
        """Take the statistics."""
        self.cross, self.energy = taken(np.asarray(self.cross)), float(self.energy)
        self.positions, self.array_sizes = tuple(self.positions), tuple(self.array_sizes)

    @property
    def content_bits(self) -> int:
        """Size of slot positions, Z, E, and the scale where Z is quantised."""
        scale_bits = SINGLE if self.n_bits < SINGLE else 0
        energy_bits = DOUBLE if self.n_bits == DOUBLE else SINGLE
        return 16 * len(self.positions) + 2 * self.n_bits * self.n_numbers + scale_bits + energy_bits

    @property
    def n_numbers(self) -> int:
        """Complex numbers of Z that travel."""
        return len(self.cross) * sum(self.array_sizes) if self.array_sizes else self.cross.size


@dataclass(eq=False, slots=True)
class MapReport(Message):
    """The sum of the maps of some receivers: what a target at each point would explain of a CPI.

    Attributes
    ----------
    cpi
        The CPI.
    receivers
        Names of the receivers whose maps are in it, in network order.
    n_aps
        Access points of the network: a bit each says whose map is in it.
    n_pairs
        Pairs of a transmitter and a receiver whose echoes are in it.
    step_m
        About how far apart the points are.
    levels
        Shape (n_y, n_x), whole numbers of ``n_bits`` each.
    scale
        Power over the noise power that a level stands for.
    rounding
        By how much the power may be wrong at a point, as it was rounded to levels here and on the way here.
    n_bits
        Bits of a level on the link.
    """

    cpi: int
    receivers: tuple[str, ...]
    n_aps: int
    n_pairs: int
    step_m: float
    levels: NDArray[np.uint16]
    scale: float
    rounding: float
    n_bits: int

    def seal(self) -> None:
        """Take the levels."""
        self.levels = taken(self.levels)

    @property
    def power(self) -> Float:
        """The sum as the link delivers it."""
        return self.levels.astype(float) * self.scale

    @property
    def content_bits(self) -> int:
        """Size of the levels, of four numbers of 32 bits about them, and of who is in it."""
        return self.n_bits * self.levels.size + 4 * SINGLE + self.n_aps


@dataclass(eq=False, slots=True)
class PilotReport(Message):
    """How the pilots of a CPI arrived at an AP.

    Attributes
    ----------
    cpi
        The CPI.
    positions
        Positions of the slots in which it listened.
    inner
        ``emulator.pilots.heard_pilot`` of each, shape (len(positions),), complex64: 64 bits each.
    """

    cpi: int
    positions: tuple[int, ...]
    inner: NDArray[np.complex64]

    def seal(self) -> None:
        """Take the numbers."""
        self.inner = taken(self.inner)

    @property
    def content_bits(self) -> int:
        """Size of slot positions and numbers."""
        return (16 + 64) * self.n_numbers

    @property
    def n_numbers(self) -> int:
        """Complex numbers that travel."""
        return len(self.positions)


@dataclass(eq=False, slots=True)
class Correction(Message):
    """What a calibration found of the phases of an AP, beyond what it has corrected already.

    Attributes
    ----------
    cpi
        From this CPI on it is applied.
    measured_ns
        When the phases were measured.
    transmit_rad, receive_rad
        Errors of its transmit and its receive chain, in rad.
    number
        Counts calibrations from 1 on, in the header.
    """

    cpi: int
    measured_ns: int
    transmit_rad: float
    receive_rad: float
    number: int

    @property
    def content_bits(self) -> int:
        """Size of a number of the CPI, a time and two phases."""
        return 32 + 64 + 2 * 32


@dataclass(eq=False, slots=True)
class Telemetry(Message):
    """What a node says of itself, such as its load or battery.

    Attributes
    ----------
    cpi
        The CPI that begins.
    measured_ns
        When it was said: 64 bits.
    values
        Finite numbers by name, 8 bits a byte of the name and 64 a number.
    """

    cpi: int
    measured_ns: int
    values: dict[str, float]

    def seal(self) -> None:
        """Take the values."""
        self.values = dict(self.values)

    @property
    def content_bits(self) -> int:
        """Size of time, names and numbers."""
        return 64 + sum(8 * len(name.encode()) + 64 for name in self.values)
