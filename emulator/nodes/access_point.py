"""A half-duplex access point: it transmits or listens, slot by slot, as the central processor assigned.

Override a hook to change what an AP does, and leave the loop alone:

    transmit(slot)           what is sent in a slot, or None to stay silent: what the AP believes, and puts on record
    radiate(slot, emission)  what of it leaves the antennas: turned by the phases of the AP's radio
    sensing_waveform(slot)   the samples of the sensing part
    report(slot, echo)       what is given away of an echo, or None to keep it
    on_message(message)      a message that arrives
    telemetry()              what the AP says of itself at the start of a CPI, as {"load": 0.3}, or None

Perfect channel state information is assumed: the AP knows its own channels to all UEs, as its receive chain hears them
when the CPI begins.
"""

from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator import FAULTS
from emulator.emission import Emission
from emulator.front_end import Corrected, FrontEnd, Wander
from emulator.functional_split import FunctionalSplit, IqSplit, Survey, check_message
from emulator.messages import (
    CENTRAL,
    NO_CORRECTION,
    STARTED_ANEW,
    Assignment,
    Correction,
    MapReport,
    Message,
    PilotReport,
    Telemetry,
    TransmissionRecord,
)
from emulator.nodes.node import Node
from emulator.payload import symbols
from emulator.pilots import heard_pilot, pilot_samples
from emulator.randomness import complex_normals
from emulator.services import Services
from emulator.slot import CpiPlan, Slot
from emulator.trace import Kind, row, two_rows
from models.calibration.servo import Immediate, Servo
from models.doors import FAILURES, Door, is_own
from models.network import Mode
from models.radio.transmission import isotropic_sensing_samples, precoding_matrix
from models.readonly import sealed

__all__ = ["AccessPoint"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
NOTHING_YET = (0, np.empty((0, 0, 0), dtype=complex))
SAMPLES_AT_ONCE = 2048
"""Samples of the communication part that are worked out together: 32 kB an AP, whatever the length of a CPI."""
TRANSMITTED, RADIATED, SENSED, REPORTED, TOLD = (
    Door("access point", hook) for hook in ("transmit", "radiate", "sensing_waveform", "report", "telemetry")
)
PRECODED = Door("precoder")
HEARD, SENT = Door("fault", "heard"), Door("fault", "sent")
COMMUNICATE, SENSE, LISTEN, REPORT, WITHHOLD, SILENT, PILOT, CORRECT, FAULT = map(
    int,
    (
        Kind.COMMUNICATE,
        Kind.SENSE,
        Kind.LISTEN,
        Kind.REPORT,
        Kind.WITHHOLD,
        Kind.SILENT,
        Kind.PILOT,
        Kind.CORRECT,
        Kind.FAULT,
    ),
)
DOWN = list(FAULTS).index("ap-down")


@dataclass(kw_only=True, eq=False)
class AccessPoint(Node):
    """An access point.

    Attributes
    ----------
    split
        How its echoes travel to the central processor.
    transmit_power_w, comm_power_fraction, noise_power_w, n_antennas
        Power budget P in W, share rho of it for communication, noise power of a sample in W, antennas N.
    illumination
        "sensing": it records the sensing part of what it radiates; "full": all of it.
    precoder
        (channel of shape (n_ues, N), power budget, share) -> precoders of shape (N, n_ues).
    front_end
        The phases of its radio; None for one that is in phase with all others for ever.
    servo
        How it applies what a calibration finds of its phases.
    plan
        The plan it follows, or None when it has none.
    """

    split: FunctionalSplit
    transmit_power_w: float
    comm_power_fraction: float
    noise_power_w: float
    n_antennas: int
    illumination: str
    precoder: Callable[[Complex, float, float], Complex] = precoding_matrix
    front_end: FrontEnd | None = None
    servo: Servo = Immediate()  # noqa: RUF009 - frozen

    plan: CpiPlan | None = field(default=None, init=False)
    _mode: Mode = field(default=Mode.IDLE, init=False)
    _assignments: dict[int, Assignment] = field(default_factory=dict, init=False)
    _past: dict[int, Assignment] = field(default_factory=dict, init=False)
    """Those that were taken up, as long as their CPI is not fused."""
    _precoding: Complex | None = field(default=None, init=False)
    _symbols: Complex | None = field(default=None, init=False)
    """Of all UEs in the CPI, shape (n_ues, n_samples); None where nothing is communicated."""
    _communication: tuple[int, Complex] = field(default=NOTHING_YET, init=False)
    """(first slot, samples of some slots on end, shape (slots, N, n_snapshots)): those that are due."""
    _next_ns: int = field(default=0, init=False)
    """When the next CPI begins."""
    _radiated: list[tuple[int, Complex]] = field(default_factory=list, init=False)
    _checks: bool = field(default=True, init=False)
    """Whether what ``transmit`` returns is to be checked: it is not this class's own."""
    _leaves_as_sent: bool = field(default=True, init=False)
    """Whether what leaves the antennas is what was sent: nothing turns it, and ``radiate`` is this class's own."""
    _radiates_as_usual: bool = field(default=True, init=False)
    """Whether ``radiate`` is this class's own."""
    _wander: Wander = field(default=Wander(), init=False)
    """Where its oscillator is."""
    _turns: Float | None = field(default=None, init=False)
    """By how much it turns what it sends, and hears, in the slots of the CPI, (2, n_slots); None for not at all."""
    _corrections: list[Correction] = field(default_factory=list, init=False)
    """Those whose CPI has not come yet."""
    _calibration: int = field(default=0, init=False)
    """Number of the calibration that it took part in last: a correction of another one is of phases of the past."""
    _broken_off: int = field(default=STARTED_ANEW, init=False)
    """Number of the calibration that it took part in before its oscillator started anew: that measures no one phase."""
    _applied: int = field(default=NO_CORRECTION, init=False)
    """Number of the last correction that it has applied, or why there is none."""
    _applied_in: dict[int, int] = field(default_factory=dict, init=False)
    """The same in CPIs that are not fused."""
    _corrected: Corrected | None = field(default=None, init=False)
    """What it takes off its phases; None before the first correction."""
    _pilots: list[tuple[int, complex]] = field(default_factory=list, init=False)
    """(position of the slot, what it heard) of the pilots of the CPI."""
    _settle: list[tuple[int, int]] = field(default_factory=list, init=False)
    """(time in ns, CPI), the earliest first: when to send what can be sent of a CPI, although something is missing."""
    _serial: int = field(default=0, init=False)
    """Messages sent."""
    down: bool = field(default=False, init=False)
    """Whether it is off; see ``shut_down``."""
    recorded: dict[tuple[int, int], Message] = field(default_factory=dict, init=False, repr=False)
    """Reports by CPI and slot position, as long as a fault keeps them."""
    tampering: tuple[Any, ...] = field(default=(), init=False, repr=False)
    """Faults of what it hears and reports, ``emulator.faults.Tampering``; set by them."""

    wiring: ClassVar[frozenset[str]] = Node.wiring | {
        "transmit_power_w", "comm_power_fraction", "noise_power_w", "n_antennas", "illumination", "precoder",
        "front_end", "servo", "tampering",
    }  # fmt: skip

    @property
    def turns(self) -> Float | None:
        """By how much it turns what it sends, and hears, in the slots of the CPI on the air, (2, n_slots); None: not.

        It is the truth, which the AP itself does not know.
        """
        return self._turns

    @property
    def on_record(self) -> tuple[tuple[int, Complex], ...]:
        """What its record of the CPI on the air says so far: (position of the slot, samples of shape (N, n_snapshots)).

        The record itself holds them in single precision.
        """
        return tuple(self._radiated)

    # -- hooks --------------------------------------------------------------------------------------------------

    def transmit(self, slot: Slot) -> Emission | None:
        """Return what is radiated in a slot, eq. (1): precoded data, and the sensing waveform with the token."""
        communication = None if self._symbols is None else self._precoded(slot.position)
        sensing = None
        if slot.sensing_transmitter == self.name and self.comm_power_fraction < 1.0:
            sensing = self._sensed(slot)
        if communication is None and sensing is None:
            return None
        return Emission(communication, sensing, self._precoding)

    def radiate(self, slot: Slot, emission: Emission) -> Emission:
        """Return what leaves the antennas of what ``transmit`` gave, turned by the phase of the radio in the slot.

        Echoes and spectral efficiency follow from what is returned here; the record that tells the central processor
        what was sent does not.
        """
        return emission if self._turns is None else emission.turned(self._turns[0].item(slot.position))

    def sensing_waveform(self, slot: Slot) -> Complex:
        """Return the sensing samples of a slot, shape (N, n_snapshots), of mean power (1 - rho) P; isotropic."""
        normals = complex_normals(self.rng("waveform", slot.index), self.n_antennas, slot.n_snapshots)
        return isotropic_sensing_samples(normals, self.transmit_power_w, self.comm_power_fraction)

    def _sensed(self, slot: Slot) -> Complex:
        """Return the sensing samples of a slot, checked where they are a subclass's."""
        samples = self.sensing_waveform(slot)
        if is_own(self.sensing_waveform, AccessPoint.sensing_waveform):
            return sealed(samples)
        shape = (self.n_antennas, slot.n_snapshots)
        return SENSED.numbers(self, samples, shape, f"finite samples of shape {shape}")

    def report(self, slot: Slot, echo: Complex) -> Complex | None:
        """Return what is given away of an echo of shape (N, n_snapshots); None keeps all of it."""
        return echo

    def telemetry(self) -> Mapping[str, float] | None:
        """Return finite numbers by name that the central processor is to know, or None for nothing to say.

        Asked when a CPI begins, before its plan is taken up; ``plan`` is that of the CPI that is over. It travels over
        the fronthaul, and selectors and schedulers find what arrived last under ``View.reports``.
        """
        return None

    def on_message(self, message: Message) -> None:
        """Take a message: a plan, a record of what a transmitter radiated, a sum of others, a correction of phases."""
        if isinstance(message, Assignment):
            self._assignments[message.cpi] = message
            self.log(Kind.ASSIGNED, message.cpi, message.cpi, message.sequence)
        elif isinstance(message, TransmissionRecord | MapReport) and self._passes_on(message.cpi):
            self._hear(message, self._past[message.cpi].plan)
        elif isinstance(message, TransmissionRecord) and message.cpi in self._past and not self.split.sums:
            self._answer(message, self._message("learn", self._past[message.cpi].plan, message))
        elif isinstance(message, Correction) and self._is_due(message):
            self._corrections.append(message)
        else:
            self.log(Kind.LATE, message.cpi, message.cpi, message.sequence)

    def _is_due(self, correction: Correction) -> bool:
        """Return whether a correction is of phases that the AP still has, and did not come before."""
        known = {self._applied, *(other.number for other in self._corrections)}
        return correction.number == self._calibration and correction.number not in known

    # -- the life of a slot ---------------------------------------------------------------------------------------

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        super().start(services)
        if self.split.sums:
            self.split.survey = Survey(services.network, services.area, self.noise_power_w)
        services.fronthaul.connect(self.name, self._take)
        services.air.connect_access_point(self.name, self._begin, self._radiate, self.on_echo, self._noise)

    def shut_down(self) -> None:
        """Stop whatever it is doing, and forget it: plans, echoes and records."""
        self.down, self.plan, self._mode = True, None, Mode.IDLE
        self._assignments, self._past, self._applied_in, self.recorded = {}, {}, {}, {}
        self._radiated, self._settle = [], []
        self._communication, self._symbols, self._corrections, self._pilots = NOTHING_YET, None, [], []
        self.split.forget(self.services.frame.cpi_at(self.services.now_ns) or 0)
        self.services.air.leave(self.name)

    def come_back(self) -> None:
        """Take messages again: the next plan that arrives is followed."""
        self.down = False

    def restart_oscillator(self) -> None:
        """Have an oscillator that starts anew, with a phase that nobody knows, and no corrections of it."""
        if self._calibration != STARTED_ANEW:
            self._broken_off = self._calibration
        self._corrected, self._calibration = None, STARTED_ANEW
        self._applied = NO_CORRECTION if self.front_end is None else STARTED_ANEW
        if self.front_end is not None:
            cpi = self.services.frame.cpi_at(self.services.now_ns)
            self._wander = self._wander.restarted(-1 if cpi is None else cpi, self.front_end, self.services.generator)

    def _take(self, message: Message) -> None:
        if self.down:
            return
        try:
            self.on_message(message)
        except FAILURES as error:
            raise self.failure("on_message", None, error) from error

    def wake(self) -> None:
        """End a CPI and begin the next; see to reports that are overdue."""
        now_ns, frame = self.wake_ns, self.services.frame
        if now_ns >= self._next_ns:
            cpi = frame.cpi_at(now_ns)
            if cpi is not None:
                self._close()
                if not (self.down or is_own(self.telemetry, AccessPoint.telemetry)):
                    self._tell(cpi)
                self._open(cpi)
            self._next_ns = frame.next_cpi_ns(now_ns)
        while self._settle and self._settle[0][0] <= now_ns:
            task = self._past.get(self._settle.pop(0)[1])
            if task is not None:
                self._answer(task, self._message("settle", task.plan))
        self.wake_ns = min(self._next_ns, self._settle[0][0]) if self._settle else self._next_ns

    def _begin(self, position: int) -> Emission | None:
        """Return what is radiated in a slot; called by the air at its start."""
        slot = self.plan.slots[position]  # type: ignore[union-attr]  # who transmits has a plan
        if slot.is_pilot:
            return self._pilot(slot)
        try:
            emission = self.transmit(slot)
            return self._checked(TRANSMITTED, emission, slot) if self._checks else emission
        except FAILURES as error:
            raise self.failure("transmit", slot, error) from error

    def _pilot(self, slot: Slot) -> Emission | None:
        """Return the pilot of a slot, of the whole power budget, where it is this AP's."""
        if slot.sensing_transmitter != self.name:
            return None
        return Emission(None, pilot_samples(self.services, slot, self.transmit_power_w))

    def _radiate(self, position: int, emission: Emission) -> None:
        """Radiate it; called by the air when all have said what they radiate."""
        slot = self.plan.slots[position]  # type: ignore[union-attr]
        try:
            leaving = emission if self._leaves_as_sent else self._leaving(slot, emission)
            self.services.air.emit(slot, self.name, leaving)
        except FAILURES as error:
            raise self.failure("transmit", slot, error) from error
        sensing, is_pilot = emission.sensing, slot.is_pilot
        part = None if is_pilot else sensing if self.illumination == "sensing" else emission.total
        if part is not None:
            self._radiated.append((position, part))
        if self.record is not None:
            kind = PILOT if is_pilot else COMMUNICATE if sensing is None else SENSE
            self.record(row(slot.start_ns, kind, self.rank, slot.index, slot.cpi, -1))

    def _leaving(self, slot: Slot, emission: Emission) -> Emission:
        """Return what leaves the antennas; of a subclass's ``radiate``, checked, and silence where it gives None."""
        if self._radiates_as_usual:
            return AccessPoint.radiate(self, slot, emission)
        return self._checked(RADIATED, self.radiate(slot, emission), slot) or Emission(None)

    def _checked(self, door: Door, emission: object, slot: Slot) -> Emission | None:
        """Return what a subclass's hook gives, checked and taken; None where it is silent."""
        if emission is None:
            return None
        if not isinstance(emission, Emission):
            door.refuse(self, emission, "an Emission, or None to stay silent")
        if emission.communication is None and emission.sensing is None:
            return None
        return emission.sealed(self.n_antennas, slot.n_snapshots, self.services.network.n_ues)

    def on_echo(self, slot: Slot, echo: Complex) -> None:
        """Report an echo, or measure a pilot; called by the air at slot end."""
        for fault in self.tampering:
            echo = self._heard(fault, slot, echo)
        if slot.is_pilot:
            self._measure(slot, echo)
            return
        try:
            given = self.report(slot, echo)
            if given is not None and given is not echo:
                given = REPORTED.numbers(self, given, echo.shape, f"None or finite samples of shape {echo.shape}")
        except FAILURES as error:
            raise self.failure("report", slot, error) from error
        kind, number = WITHHOLD, -1
        if given is not None:
            kind = REPORT
            message = self._split(slot, given)
            if message is not None:
                message.cause = self._past[slot.cpi].sequence
                number = self._send(message)
        if self.record is not None:
            at, end, index, cpi, rank = slot.start_ns, slot.end_ns, slot.index, slot.cpi, self.rank
            self.record(two_rows(at, LISTEN, rank, index, cpi, -1, end, kind, rank, index, cpi, number))

    def _heard(self, fault: Any, slot: Slot, echo: Complex) -> Complex:
        """Return what the AP takes for an echo under a fault."""
        try:
            got = HEARD.ask(fault, self, slot, echo)
            return HEARD.numbers(fault, got, echo.shape, f"finite samples of shape {echo.shape}")
        except FAILURES as error:
            raise self.failure("on_echo", slot, error) from error

    def _measure(self, slot: Slot, heard: Complex) -> None:
        """Keep how the pilot of a slot arrived, if the AP is to listen to it."""
        if not self.plan.measures(self.name, slot.position):  # type: ignore[union-attr]  # who listens has a plan
            return
        services = self.services
        pilot = pilot_samples(services, slot, self.transmit_power_w)
        inner = heard_pilot(services.network, self.name, slot.sensing_transmitter, pilot, heard)
        self._pilots.append((slot.position, inner))
        if self.record is not None:
            self.record(row(slot.start_ns, LISTEN, self.rank, slot.index, slot.cpi, -1))

    def _split(self, slot: Slot, given: Complex) -> Message | None:
        """Return the message that the split makes of what is given away of an echo, if one is due at once."""
        split = self.split
        try:
            message = split.give(self.name, slot, given)
            if type(split) is IqSplit:  # which gives what it was given
                message.own = True  # type: ignore[union-attr]
            else:
                check_message(split, "give", message, self.name, self.plan, self.n_antennas)
        except FAILURES as error:
            raise self.failure(f"split {type(split).__qualname__}.give", slot, error) from error
        return message

    def _open(self, cpi: int) -> None:
        """Take up the plan of a CPI and prepare its samples."""
        assignment = self._assignments.pop(cpi, None)
        while self._assignments and (oldest := next(iter(self._assignments))) < cpi:
            del self._assignments[oldest]
        if assignment is None:
            self.plan, self._mode = None, Mode.IDLE
            self.log(SILENT, cpi, cpi)
            if self.down:
                self.log(FAULT, DOWN, cpi)
            return
        self._past[cpi], self.plan = assignment, assignment.plan
        self._mode = assignment.plan.mode(self.name)
        if self._mode is not Mode.IDLE:
            self._turns = self._turned(cpi, self.plan)
        self._applied_in[cpi] = self._applied
        if self.name in self.plan.relays:
            insort(self._settle, (self.plan.relays[self.name].settle_ns, cpi))
        if self.plan.has_pilots:
            self._attend(self.plan)
        elif self._mode is Mode.TRANSMIT:
            self._checks = not is_own(self.transmit, AccessPoint.transmit)
            self._look_at_radiate()
            self._prepare(cpi, assignment)
            self.services.air.transmit(self.name)
        elif self._mode is Mode.RECEIVE:
            self._listen()

    def _attend(self, plan: CpiPlan) -> None:
        """Take part in a CPI of pilots: listen, and send in slots of its own."""
        is_broken_off = plan.calibration == self._broken_off
        self._calibration, self._corrections = STARTED_ANEW if is_broken_off else plan.calibration, []
        self._look_at_radiate()
        if self._mode is Mode.TRANSMIT:
            self.services.air.transmit(self.name)
        self._listen()

    def _look_at_radiate(self) -> None:
        self._radiates_as_usual = is_own(self.radiate, AccessPoint.radiate)
        self._leaves_as_sent = self._turns is None and self._radiates_as_usual

    def _listen(self) -> None:
        if self._turns is None:
            self.services.air.hear(self.name)
        else:
            self.services.air.hear(self.name, self._turns[1])

    def _turned(self, cpi: int, plan: CpiPlan) -> Float | None:
        """Return by how much the radio turns what it sends, and what it hears, corrections taken off, (2, n_slots)."""
        front, frame = self.front_end, self.services.frame
        if front is None and not (self._corrections or self._corrected):
            return None
        if front is None:
            turns = np.zeros((2, frame.n_slots))
        else:
            self._wander = self._wander.on_to(cpi, front, frame, self.services.generator)
            turns = self._wander.in_cpi(cpi)
        if self._corrections:
            self._take_up(cpi)
        first_ns = plan.slots[0].start_ns
        if plan.is_told:
            left = self._left(turns, first_ns)
            self._correct(plan.calibration, first_ns, *left[:, 0].tolist())
            self.log(CORRECT, cpi, cpi)
        return self._left(turns, first_ns)

    def _take_up(self, cpi: int) -> None:
        """Apply the corrections that are due."""
        due = [correction for correction in self._corrections if correction.cpi <= cpi]
        for correction in due:
            self._corrections.remove(correction)
            self._correct(correction.number, correction.measured_ns, correction.transmit_rad, correction.receive_rad)
            self.log(CORRECT, cpi, cpi, correction.sequence)

    def _correct(self, number: int, measured_ns: int, transmit_rad: float, receive_rad: float) -> None:
        """Correct the phases by what a calibration found of them, beyond what was corrected already."""
        self._applied, before = number, self._corrected or Corrected()
        self._corrected = before.updated(self.servo, measured_ns, np.array([transmit_rad, receive_rad]))

    def _left(self, turns: Float, first_ns: int) -> Float:
        """Return what corrections leave of turns in the slots of a CPI that starts then."""
        if self._corrected is None:
            return turns
        return turns - self._corrected.expected_rad(self.servo, self.services.frame, first_ns)

    def _noise(self, cpi: int) -> Complex:
        """Return the receiver noise of a CPI, shape (N, n_samples)."""
        shape = (self.n_antennas, self.services.frame.n_samples)
        return sealed(complex_normals(self.rng("noise", cpi), *shape, power=self.noise_power_w))

    def _prepare(self, cpi: int, assignment: Assignment) -> None:
        self._communication, self._symbols = NOTHING_YET, None
        if not assignment.payload or self.comm_power_fraction == 0.0:
            return
        channel = self.services.air.channel(self.name, cpi)
        if self._turns is not None:
            channel = channel * np.exp(1j * self._turns[1, 0])
        self._precoding = self._precoders(channel)
        self._symbols = symbols(assignment.payload, self.services.frame.n_samples)

    def _precoders(self, channel: Complex) -> Complex:
        """Return the precoders for some channels, checked where they are not of this package."""
        asked = channel, self.transmit_power_w, self.comm_power_fraction
        if self.precoder is precoding_matrix:
            return sealed(np.ascontiguousarray(precoding_matrix(*asked)))
        shape = (self.n_antennas, len(channel))
        precoding = PRECODED.ask(self.precoder, *asked)
        return PRECODED.numbers(self.precoder, precoding, shape, f"finite precoders of shape {shape}")

    def _precoded(self, position: int) -> Complex:
        """Return the communication part of a slot, shape (N, n_snapshots); worked out for some slots at a time."""
        first, samples = self._communication
        if not first <= position < first + len(samples):
            first, samples = self._communication = position, self._precode(position)
        return samples[position - first]

    def _precode(self, position: int) -> Complex:
        assert self._precoding is not None and self._symbols is not None, "a transmitter with data has both"
        n_snapshots = self.services.frame.n_snapshots
        n_slots = max(1, SAMPLES_AT_ONCE // (self.n_antennas * n_snapshots))
        due = self._symbols[:, position * n_snapshots : (position + n_slots) * n_snapshots]
        samples = (self._precoding @ due).reshape(self.n_antennas, -1, n_snapshots)
        return sealed(np.ascontiguousarray(samples.transpose(1, 0, 2)))

    def _close(self) -> None:
        """End a CPI: a transmitter sends the record of what it radiated, and who measured pilots what it found."""
        if self.plan is None:
            return
        if self.plan.has_pilots:
            self._answer(self._past[self.plan.cpi], self._pilot_report(self.plan))
        elif self._mode is Mode.TRANSMIT:
            self._answer(self._past[self.plan.cpi], self._record(self.plan))
        elif self._mode is Mode.RECEIVE and self.split.needs_waveform and not self.split.sums:
            self._settle.append(((self.wake_ns + self.plan.deadline_ns) // 2, self.plan.cpi))
        while self._past and next(iter(self._past.values())).plan.deadline_ns < self.wake_ns:
            oldest = next(iter(self._past))
            self.split.forget(oldest)
            del self._past[oldest], self._applied_in[oldest]
        self._radiated = []

    def _pilot_report(self, plan: CpiPlan) -> PilotReport:
        pilots, self._pilots = self._pilots, []
        report = PilotReport(
            source=self.name,
            destination=CENTRAL,
            cpi=plan.cpi,
            positions=tuple(position for position, _ in pilots),
            inner=sealed(np.array([inner for _, inner in pilots], dtype=np.complex64)),
        )
        report.own = True
        return report

    def _record(self, plan: CpiPlan) -> TransmissionRecord:
        parts = [part for _, part in self._radiated] or [np.empty((self.n_antennas, 0), dtype=complex)]
        record = TransmissionRecord(
            source=self.name,
            destination="central",
            cpi=plan.cpi,
            transmitter=self.name,
            positions=tuple(position for position, _ in self._radiated),
            samples=sealed(np.concatenate(parts, axis=1).astype(np.complex64)),
        )
        record.own = True
        return record

    def _message(self, method: str, plan: CpiPlan, *args: Any) -> Message | None:
        """Return what a method of the split gives about a CPI that is over."""
        message = Door("split", method).ask(self.split, self.name, plan, *args)
        check_message(self.split, method, message, self.name, plan, self.n_antennas)
        return message

    def _passes_on(self, cpi: int) -> bool:
        """Return whether it still waits for what it is to pass on of a CPI."""
        return self.split.sums and any(cpi == awaited for _, awaited in self._settle)

    def _hear(self, message: Message, plan: CpiPlan) -> None:
        """Send what a record or a sum from a neighbour leads to."""
        door = Door("split", "hear")
        answers = door.ask(self.split, self.name, plan, message)
        if not isinstance(answers, list | tuple):
            door.refuse(self.split, answers, "a list or tuple of messages")
        for answer in answers:
            check_message(self.split, "hear", answer, self.name, plan, self.n_antennas)
            self._answer(message, answer)

    def _answer(self, cause: Message, message: Message | None) -> None:
        """Send the message that another one led to, if there is one."""
        if message is not None:
            message.cause = cause.sequence
            self._send(message)

    def _tell(self, cpi: int) -> None:
        """Send what the AP says of itself, if it says anything."""
        said = TOLD.ask(self)
        if said is None:
            return
        if not (isinstance(said, Mapping) and all(isinstance(name, str) and name for name in said)):
            TOLD.refuse(self, said, "None or finite numbers by name")
        numbers = TOLD.numbers(self, list(said.values()), (len(said),), "None or finite numbers by name", float)
        values = dict(zip(said, numbers.tolist(), strict=True))
        self._send(Telemetry(self.name, CENTRAL, cpi, self.services.now_ns, values))

    def _send(self, message: Message) -> int:
        """Send a message under the next number of its source; return its number in the trace."""
        message.serial, self._serial = self._serial, self._serial + 1
        message.applied = self._applied_in.get(message.cpi)
        for fault in self.tampering:
            message = self._replaced(fault, message)
        self.services.fronthaul.send(message)
        return message.sequence

    def _replaced(self, fault: Any, message: Message) -> Message:
        """Return what goes off in place of a message under a fault."""
        try:
            got = SENT.ask(fault, self, message)
            if not isinstance(got, Message):
                SENT.refuse(fault, got, "a Message; the one that it was given, if nothing is to change")
        except FAILURES as error:
            raise self.failure("send", None, error) from error
        return got
