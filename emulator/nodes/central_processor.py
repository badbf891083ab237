"""The central processor: plans CPIs, gathers reports, locates targets, publishes.

It knows the survey it was built with and what came in messages; nothing else, the waveforms included. A report that
did not come is missing, not zero: the statistics of a receiver cover exactly the slots that it gave and whose
waveforms are known.

CPIs are fused in their order: when everything that is due has come, and at the deadline at the latest. An estimate
is worked out when it is published: results come one by one, however long the estimation takes in emulated time.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.calibrator import Calibrated, Calibrator, Knowledge
from emulator.functional_split import radiated, reports_due, waveform_known
from emulator.fusion import Part, read_statistics
from emulator.inbox import Inbox
from emulator.late_reports import DropLate, LateReports, fits
from emulator.messages import (
    STARTED_ANEW,
    Assignment,
    Correction,
    EchoReport,
    MapReport,
    Message,
    PilotReport,
    StatisticsReport,
    Telemetry,
    TransmissionRecord,
)
from emulator.nodes.node import Node
from emulator.payload import draw_payload
from emulator.relay import Relay, relays
from emulator.serials import Seen
from emulator.services import Services
from emulator.slot import CpiPlan
from emulator.trace import Kind, rows_of
from models.calibration.base import Corrections, PilotSlot
from models.consistency import ConsistencyTest
from models.contradictions import Contradiction
from models.doors import Door, estimated, ordered, selected
from models.estimation.base import Estimator
from models.network import Area, Mode, ModeAssignment, Network, Radio
from models.observation import AreaMap, Estimate, Observation
from models.radio.gram import Gram
from models.radio.statistics import Radiated, energy_statistic
from models.readonly import frozen, sealed, taken
from models.schedulers import SlotScheduler
from models.selection.base import ModeSelector
from models.view import NodeReport, View

__all__ = ["CentralProcessor"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
PLAN, FUSE, PUBLISH = "plan", "fuse", "publish"
CORRUPT, STALE, CONTRADICTION = "check sequence", "stale header", "contradiction"
"""Why a message is refused: its content was changed, its number has come before, or others say otherwise."""
NEGLIGIBLE = 1e-3  # of the thermal noise: quantisation adds less where samples have 16 bits
DEAD_AFTER_CPIS = 3
SAMPLES_AT_ONCE = 1 << 18
"""Samples of echoes that are read together, 4 MB: those of a large network would not fit into the processor's cache."""
NOTHING_FOUND = Estimate.at([])
NOTHING_SEEN = Seen()


@dataclass(kw_only=True, eq=False)
class CentralProcessor(Node):
    """The node "central".

    Attributes
    ----------
    network, area, radio, path_gain
        The survey: see ``models.view.View``.
    n_receivers
        How many APs are to receive.
    selector, scheduler, estimator
        The strategies; without an estimator nothing is located.
    payload_bits_per_symbol
        Data bits a symbol and UE that the downlink payload carries.
    estimator_latency_ns
        Emulated time that the estimation takes.
    calibrator
        Conducts calibrations of the phases of the APs; None where all are exact for ever.
    consistency
        The test of each receiver against the others; None: all are believed.
    late
        What becomes of reports that come after their CPI was fused.
    """

    network: Network
    area: Area
    radio: Radio
    path_gain: Float
    n_receivers: int
    selector: ModeSelector
    scheduler: SlotScheduler
    estimator: Estimator | None
    payload_bits_per_symbol: float
    estimator_latency_ns: int = 0
    calibrator: Calibrator | None = None
    consistency: ConsistencyTest | None = None
    late: LateReports = field(default_factory=DropLate)

    name: str = "central"
    published: Estimate | None = field(default=None, init=False)
    late_reports: int = field(default=0, init=False)
    refused_reports: Counter[str] = field(default_factory=Counter, init=False)
    """Reports whose check sequence does not fit, and those with a header that came before; odd ones of pilots."""
    _seen: dict[str, Seen] = field(default_factory=dict, init=False)
    """Numbers of messages that have come, by source."""
    late_reports_used: int = field(default=0, init=False)
    """Those of them that were fused with a later CPI."""
    inboxes: dict[int, Inbox] = field(default_factory=dict, init=False)
    _agenda: list[tuple[int, int, str]] = field(default_factory=lambda: [(0, 0, PLAN)], init=False)
    _oldest: int = field(default=0, init=False)
    """The CPI that is fused next."""
    _silent_cpis: list[int] = field(default_factory=list, init=False)
    """How often each AP was silent in its last CPIs with a task."""
    excluded: list[str] = field(default_factory=list, init=False)
    """Receivers that are left out until they agree with the others."""
    evidence: dict[str, Contradiction] = field(default_factory=dict, init=False)
    """What earlier CPIs say of each receiver, see ``models.consistency.Verdict``."""
    _pending: dict[int, Observation | AreaMap | None] = field(default_factory=dict, init=False)
    """What was fused and is not published yet."""
    known_phases: Knowledge = field(default=Knowledge(), init=False)
    """What is known of the phases of the APs."""
    _unconfirmed: dict[str, Correction] = field(default_factory=dict, init=False)
    """Corrections of which their APs, by name, have not said that they have applied them."""
    corrections_repeated: int = field(default=0, init=False)
    """How often a correction was sent again."""
    _told: dict[str, tuple[int, dict[str, float]]] = field(default_factory=dict, init=False)
    """What nodes said of themselves last, by name: when, in ns, and what."""
    _reopened: dict[int, Inbox] = field(default_factory=dict, init=False)
    """What came late since the last fusion, by the CPI that it is about."""

    wiring: ClassVar[frozenset[str]] = Node.wiring | {
        "network", "area", "radio", "path_gain", "n_receivers", "selector", "scheduler", "estimator",
        "_reports_due", "_needs_waveform", "_sums", "_bell", "payload_bits_per_symbol", "estimator_latency_ns",
        "calibrator", "consistency", "late",
    }  # fmt: skip

    def __post_init__(self) -> None:
        self.path_gain = taken(self.path_gain)
        self._silent_cpis = [0] * self.network.n_aps

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        super().start(services)
        services.fronthaul.connect(self.name, self.on_message)
        splits = services.splits
        self._reports_due = {name: reports_due(split, services.frame.n_slots) for name, split in splits.items()}
        self._needs_waveform = {name for name, split in splits.items() if split.needs_waveform}
        self._sums = any(split.sums for split in splits.values())
        self._bell = services.bell(self.rank, lambda _: self.attempt(self._serve))
        for at_ns, _, _ in self._agenda:
            self._announce(at_ns)

    # -- the agenda -----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Do what is due first on the agenda, and sleep until the next item."""
        self._serve()
        self.wake_ns = self._agenda[0][0]

    def _serve(self) -> None:
        """Do one thing that is due, if there is one: an event publishes one CPI at most."""
        if self._agenda[0][0] <= self.services.now_ns:
            _, cpi, task = heapq.heappop(self._agenda)
            getattr(self, f"_{task}")(cpi)

    def _note(self, at_ns: int, cpi: int, task: str) -> None:
        heapq.heappush(self._agenda, (at_ns, cpi, task))
        self._announce(at_ns)

    def _announce(self, at_ns: int) -> None:
        """See to it that the agenda is served at a time, too, if that is before the node wakes by itself."""
        if at_ns < self.wake_ns:
            self._bell.set(at_ns)

    def _plan(self, cpi: int) -> None:
        frame = self.services.frame
        plan = self.plan(cpi)
        self.inboxes[cpi] = Inbox(plan=plan, due=self._due(plan))
        self.services.air.license(plan.slots)
        self.log(Kind.PLAN, cpi, cpi)
        n_symbols = frame.n_slots * frame.n_snapshots
        payload = draw_payload(self.rng("payload", cpi), self.network.n_ues, n_symbols, self.payload_bits_per_symbol)
        self.services.fronthaul.hold()
        for name in self.network.ap_names:
            data = payload if plan.mode(name) is Mode.TRANSMIT and not plan.has_pilots else ()
            self._send(Assignment(source=self.name, destination=name, plan=plan, payload=data))
        self.services.fronthaul.let_go()
        self._note(plan.deadline_ns, cpi, FUSE)
        self._note(frame.cpi_start_ns(cpi + 1) - frame.lead_ns, cpi + 1, PLAN)

    def _due(self, plan: CpiPlan) -> dict[str, int]:
        """Return what each AP with a task owes in a CPI, by name."""
        if plan.has_pilots:
            return dict.fromkeys(plan.ap_names, 1)
        due = {name: self._reports_due[name] for name in plan.receivers} | dict.fromkeys(plan.transmitters, 1)
        return {name: count for name, count in due.items() if count}

    def _fuse(self, _: int) -> None:
        """Fuse the CPI that is next, if it is complete or its time is up; another may be waiting for it."""
        if not self._ready():
            return
        cpi, self._oldest = self._oldest, self._oldest + 1
        inbox = self.inboxes[cpi]
        self._judge_alive(inbox)
        if self.calibrator is not None:
            self._hear_of_corrections(self.calibrator, inbox)
        if inbox.plan.has_pilots:
            self._calibrate(inbox)
        self._pending[cpi] = None if inbox.plan.has_pilots else self._summed(inbox) if self._sums else self.fuse(cpi)
        if self.record is not None:
            self.record(rows_of(self.services.now_ns, int(Kind.USE), self.rank, cpi, cpi, inbox.used))
        self.log(Kind.FUSE, inbox.fused, cpi)
        if self.late.keep_cpis:
            self._reopened[cpi] = inbox.reopened()
            self._reopened.pop(cpi - self.late.keep_cpis, None)
        inbox.close()
        if self._ready():
            self._note(self.services.now_ns, self._oldest, FUSE)
        if self.estimator_latency_ns:
            self._note(self.services.now_ns + self.estimator_latency_ns, cpi, PUBLISH)
        else:
            self._publish(cpi)

    def _ready(self) -> bool:
        """Return whether the CPI that is fused next is complete, or its time is up."""
        inbox = self.inboxes.get(self._oldest)
        return inbox is not None and (not inbox.due or inbox.plan.deadline_ns <= self.services.now_ns)

    def _publish(self, cpi: int) -> None:
        observation, estimate, inbox = self._pending.pop(cpi), NOTHING_FOUND, self.inboxes.pop(cpi)
        if observation is not None and self.estimator is not None:
            estimate, observation = self._estimate(inbox, observation)
        if not inbox.plan.has_pilots:
            self.publish(cpi, estimate)
            self._look_at_phases(cpi, observation, estimate)
        self.services.on_publish(inbox, estimate, observation)

    def _estimate(self, inbox: Inbox, observation: Observation | AreaMap) -> tuple[Estimate, Observation | AreaMap]:
        """Return what is found, and what it rests on; receivers that contradict the others may be left out."""
        assert self.estimator is not None, "who asks has one"
        locate = partial(estimated, self.estimator)
        if self.consistency is None or isinstance(observation, AreaMap):
            return locate(observation), observation
        names = inbox.plan.receivers
        known = {i for i, name in enumerate(names) if name in self.excluded}
        nothing = Contradiction.none(0, self.network.n_aps)
        evidence = [self.evidence.get(name, nothing) for name in names]
        verdict = self.consistency.judge(observation, locate, known, evidence, turn=inbox.plan.cpi)
        inbox.excluded = tuple(names[i] for i in sorted(verdict.excluded))
        self.evidence.update(zip(names, verdict.evidence, strict=True))
        back = {names[i] for i in verdict.taken_back}
        self.excluded = sorted((set(self.excluded) | set(inbox.excluded)) - back)
        return verdict.estimate, frozen(verdict.observation)

    # -- phases ---------------------------------------------------------------------------------------------------

    def _calibrate(self, inbox: Inbox) -> None:
        """Take what came of the pilots of a CPI; after the last one, tell every AP what was found of its phases."""
        calibrator = self.calibrator
        assert calibrator is not None, "only a calibrator plans pilots"
        self.known_phases = calibrator.gathered(self.known_phases, inbox.plan, inbox.pilots)
        inbox.used = [report.sequence for report in inbox.pilots.values()]
        if not calibrator.is_over(self.known_phases):
            return
        found, known = calibrator.solved(self.known_phases, self._next_cpi)
        self._know(known, inbox.plan.cpi)
        self._correct_all(known.calibrated[-1], found)
        for i in known.calibrated[-1].odd:
            self.refused_reports[CONTRADICTION] += 1
            report = inbox.pilots.get(self.network.ap_names[i])
            self.log(Kind.REFUSE, inbox.plan.cpi, inbox.plan.cpi, -1 if report is None else report.sequence)
        self.log(Kind.CALIBRATE, int(found.covered.any(axis=0).sum()), inbox.plan.cpi)

    def _correct_all(self, last: Calibrated, found: Corrections) -> None:
        """Tell every AP that a calibration covers what it found."""
        self.services.fronthaul.hold()
        for i in np.flatnonzero(last.told):
            phases = float(found.transmit_rad[i]), float(found.receive_rad[i])
            name = self.network.ap_names[i]
            self._send_correction(Correction(self.name, name, last.from_cpi, last.measured_ns, *phases, last.number))
        self.services.fronthaul.let_go()

    def _send_correction(self, correction: Correction) -> None:
        self._send(correction)
        self._unconfirmed[correction.destination] = correction

    def _hear_of_corrections(self, calibrator: Calibrator, inbox: Inbox) -> None:
        """Note who applied which correction in a CPI that is fused; who was to say so and did not is sent it again."""
        applied = inbox.applied
        self._know(calibrator.heard(self.known_phases, applied), inbox.plan.cpi)
        for name, last in list(self._unconfirmed.items()):
            if applied.get(name) in (last.number, STARTED_ANEW):
                del self._unconfirmed[name]
            elif last.cpi <= inbox.plan.cpi and self._says_what_it_applied(inbox.plan, name):
                self._repeat(last)

    def _says_what_it_applied(self, plan: CpiPlan, name: str) -> bool:
        """Return whether an AP is to say in a CPI what it applied; receivers tell the next AP where sums are made."""
        if plan.mode(name) is Mode.RECEIVE and name in plan.relays:
            return plan.relays[name].inward == self.name
        return plan.mode(name) is not Mode.IDLE

    def _repeat(self, last: Correction) -> None:
        """Send a correction again, which counts from the CPI on that is planned next."""
        again = replace(last, cpi=self._next_cpi)
        again.cause = last.sequence
        self._send_correction(again)
        self.corrections_repeated += 1
        self.log(Kind.REPEAT, again.cpi, again.cpi, again.sequence)

    def _look_at_phases(self, cpi: int, observation: Observation | AreaMap | None, estimate: Estimate) -> None:
        """Ask for a calibration where the targets of a CPI say that coherence is lost; a map says nothing of it."""
        if self.calibrator is None or isinstance(observation, AreaMap):
            return
        self._know(self.calibrator.looked_at(self.known_phases, cpi, observation, estimate), cpi)

    def _know(self, phases: Knowledge, cpi: int) -> None:
        """Take what is known of the phases now; a calibration may be asked for."""
        was_lost, self.known_phases = self.known_phases.is_lost, phases
        if phases.is_lost and not was_lost:
            self.log(Kind.INCOHERENT, cpi, cpi)

    @property
    def _next_cpi(self) -> int:
        """The CPI that is planned next."""
        return next(cpi for _, cpi, task in sorted(self._agenda) if task == PLAN)

    # -- what it decides ------------------------------------------------------------------------------------------

    @property
    def late_reports_waiting(self) -> int:
        """Late reports that go into the next fusion, if it can use them."""
        return sum(len(late.reports) for late in self._reopened.values())

    def view(self, cpi: int = 0) -> View:
        """Return what a plan of a CPI made now may be based on; its arrays are read-only."""
        return View(
            network=self.network,
            area=self.area,
            radio=self.radio,
            path_gain=self.path_gain,
            n_receivers=self.n_receivers,
            alive=sealed(np.array([silent < DEAD_AFTER_CPIS for silent in self._silent_cpis])),
            estimate=self.published,
            cpi=cpi,
            reports=MappingProxyType({name: NodeReport.of(*told) for name, told in self._told.items()}),
        )

    def plan(self, cpi: int) -> CpiPlan:
        """Return the plan of a CPI: modes by the selector, sensing transmitters by the scheduler; or one of pilots."""
        frame, names, view = self.services.frame, self.network.ap_names, self.view(cpi)
        is_told = False
        if self.calibrator is not None:
            self.known_phases = self.calibrator.begun(self.known_phases, frame.cpi_start_ns(cpi), view.alive)
            if pilots := self.calibrator.pilots(self.known_phases, frame.n_slots):
                return self._pilot_plan(self.calibrator, cpi, pilots)
            if is_told := self.calibrator.is_told(self.known_phases):
                self.known_phases = self.calibrator.told(self.known_phases, cpi, frame.cpi_start_ns(cpi))
        assignment = selected(self.selector, view, self.rng("selection", cpi))
        order = ordered(self.scheduler, assignment, view, frame.n_slots)
        return CpiPlan(
            cpi=cpi,
            assignment=assignment,
            ap_names=names,
            slots=frame.slots(cpi, tuple(names[i] for i in order)),
            deadline_ns=frame.cpi_start_ns(cpi + 1) + frame.deadline_ns,
            is_told=is_told,
            array_sizes=() if self.network.array_sizes is None else tuple(self.network.array_sizes.tolist()),
            calibration=self.known_phases.calibrated[-1].number if is_told else 0,
            relays=self._relays(cpi, assignment) if self._sums else {},
        )

    def _relays(self, cpi: int, assignment: ModeAssignment) -> dict[str, Relay]:
        """Return who waits for whom in a CPI, by the routes as they are now; APs without a task let all through."""
        frame, names = self.services.frame, self.network.ap_names
        tree = self.services.fronthaul.tree(self.name, inward=True)
        members = [name for name, mode in zip(names, assignment.modes, strict=True) if mode is not Mode.IDLE]
        end_ns = frame.cpi_start_ns(cpi + 1)
        receivers = [names[i] for i in assignment.receivers]
        return relays(tree, self.name, members, receivers, (end_ns, end_ns + frame.deadline_ns))

    def _pilot_plan(self, calibrator: Calibrator, cpi: int, pilots: tuple[PilotSlot, ...]) -> CpiPlan:
        frame, names = self.services.frame, self.network.ap_names
        senders = [names[pilot.transmitter] for pilot in pilots] + [""] * (frame.n_slots - len(pilots))
        plan = CpiPlan(
            cpi=cpi,
            assignment=calibrator.modes(pilots),
            ap_names=names,
            slots=frame.slots(cpi, tuple(senders), is_pilot=True),
            deadline_ns=frame.cpi_start_ns(cpi + 1) + frame.deadline_ns,
            pilots=pilots,
            calibration=self.known_phases.next_number,
        )
        self._unconfirmed = {}  # what was found last is measured anew
        self.known_phases = calibrator.planned(self.known_phases, plan)
        return plan

    def publish(self, cpi: int, estimate: Estimate) -> None:
        """Make an estimate known: later plans are based on it."""
        self.published = estimate
        self.log(Kind.PUBLISH, len(estimate.positions_m), cpi)

    def reports_expected(self, plan: CpiPlan) -> int:
        """Return how many reports a CPI brings when nothing is missing."""
        return 0 if plan.has_pilots else sum(self._reports_due[name] for name in plan.receivers)

    def _judge_alive(self, inbox: Inbox) -> None:
        """Take an AP for dead that sent nothing in three CPIs on end in which it had a task.

        One that rested gets another chance: a single silent CPI more, and it rests again.
        """
        heard = inbox.heard_from | {report.source for late in self._reopened.values() for report in late.reports}
        for i, (name, mode) in enumerate(zip(inbox.plan.ap_names, inbox.plan.assignment.modes, strict=True)):
            if mode is Mode.IDLE:
                self._silent_cpis[i] = min(self._silent_cpis[i], DEAD_AFTER_CPIS - 1)
            else:
                self._silent_cpis[i] = 0 if name in heard else self._silent_cpis[i] + 1

    # -- what comes in --------------------------------------------------------------------------------------------

    def on_message(self, message: Message) -> None:
        """Sort a report or record into the inbox of its CPI; what is late is counted, and may be of use later.

        What a node says of itself is never late: the last one counts.
        """
        if isinstance(message, Telemetry):
            known_ns, _ = self._told.get(message.source, (-1, {}))
            if message.measured_ns > known_ns:
                self._told[message.source] = (message.measured_ns, message.values)
            return
        cpi = message.cpi
        inbox = self.inboxes.get(cpi)
        if why := self._refusal(message):
            self._refuse(message, why, inbox)
            return
        if inbox is None or inbox.closed:
            if isinstance(message, EchoReport | StatisticsReport):
                self._keep(message)
            elif isinstance(message, MapReport):
                self.late_reports += _reports_in(message)
            self.log(Kind.LATE, cpi, cpi, message.sequence)
            return
        if isinstance(message, TransmissionRecord):
            self._pass_on(inbox.plan, message)
        if inbox.take(message):
            self._note(self.services.now_ns, cpi, FUSE)

    def _refusal(self, message: Message) -> str | None:
        """Return why a message is refused, or None; one that is not is remembered."""
        if not message.intact:
            return CORRUPT
        if message.serial >= 0:  # a source of one's own may count none
            seen = self._seen.get(message.source, NOTHING_SEEN)
            if message.serial in seen:
                return STALE
            self._seen[message.source] = seen.and_(message.serial)
        return None

    def _refuse(self, message: Message, why: str, inbox: Inbox | None) -> None:
        self.refused_reports[why] += _reports_in(message) + isinstance(message, PilotReport)
        self.log(Kind.REFUSE, message.cpi, message.cpi, message.sequence)
        if inbox is not None:
            inbox.refused.append(message)

    def _keep(self, report: EchoReport | StatisticsReport) -> None:
        """Count a late report, and keep it for the next fusion if its waveforms are still known."""
        self.late_reports += 1
        kept = self._reopened.get(report.cpi)
        if kept is not None and kept.is_new(report):
            kept.take(report)

    def _pass_on(self, plan: CpiPlan, record: TransmissionRecord) -> None:
        """Tell the receivers whose split needs it what a transmitter radiated; where APs pass it on, the first."""
        told = (name for name in plan.receivers if name in self._needs_waveform)
        if plan.relays:
            told = (name for name, relay in plan.relays.items() if relay.inward == self.name)
        for name in told:
            self._send(record.passed_on(self.name, name))

    def _send(self, message: Message) -> None:
        message.own = True  # made here, and of read-only parts
        self.services.fronthaul.send(message)

    # -- what it makes of it --------------------------------------------------------------------------------------

    def fuse(self, cpi: int) -> Observation | None:
        """Return the statistics of what came for a CPI, read-only, or None if no report can be used."""
        inbox = self.inboxes[cpi]
        plan = inbox.plan
        on_time = self._part(plan, inbox)
        inbox.fused = len(on_time.numbers) if on_time is not None else 0
        parts = [part for part in (on_time, *self._late_parts(plan)) if part is not None]
        if not parts:
            return None
        whole = reduce(add, parts)
        inbox.used = [*(record.sequence for record in inbox.records.values()), *whole.numbers]
        if not np.isfinite(whole.energy).all():
            odd = [name for name, e in zip(plan.receivers, whole.energy, strict=True) if not np.isfinite(e)]
            raise ValueError(f"reports of {odd} hold samples that are not finite; report gives numbers or None")
        coarse = whole.rounding.max() > NEGLIGIBLE * self.radio.noise_power_w
        return frozen(
            Observation(
                network=self.network,
                area=self.area,
                assignment=plan.assignment,
                cross=whole.cross,
                gram=whole.gram,
                energy=whole.energy,
                n_samples=whole.n_samples,
                noise_power_w=self.radio.noise_power_w,
                quantisation_power_w=whole.rounding if coarse else None,
                sensed_s=_sensed_s(plan, inbox.records),
                phase_covariance_rad2=self._phase_covariance_rad2(plan),
            )
        )

    def _summed(self, inbox: Inbox) -> AreaMap | None:
        """Return the sum of the maps that came for a CPI, read-only, or None if there is none."""
        plan, n_antennas = inbox.plan, self.network.n_antennas
        inbox.fused = len(inbox.summed)
        if not inbox.maps:
            return None
        totals = [inbox.maps[name] for name in plan.ap_names if name in inbox.maps]
        inbox.used = [message.sequence for message in (*inbox.records.values(), *totals)]
        sent, everywhere = radiated(plan, inbox.records, n_antennas), tuple(range(len(plan.slots)))
        heard = [everywhere if name in inbox.summed else () for name in plan.receivers]
        return frozen(
            AreaMap(
                network=self.network,
                area=self.area,
                assignment=plan.assignment,
                power=sum([total.power for total in totals], start=np.zeros(())),
                step_m=totals[0].step_m,
                n_pairs=sum(total.n_pairs for total in totals),
                rounding=sum(total.rounding for total in totals),
                gram=_gram(sent, heard),
                noise_power_w=self.radio.noise_power_w,
            )
        )

    def _phase_covariance_rad2(self, plan: CpiPlan) -> Float | None:
        """Return how well the phases are known in the middle of a CPI; None where they are exact."""
        if self.calibrator is None:
            return None
        middle_ns = (plan.slots[0].start_ns + plan.slots[-1].end_ns) // 2
        return self.calibrator.covariance_rad2(self.known_phases, plan.cpi, plan.assignment, middle_ns)

    def _part(self, plan: CpiPlan, inbox: Inbox) -> Part | None:
        """Return what the reports of an inbox say, in the order of the receivers and transmitters of a plan.

        None if no report can be used.
        """
        antennas = self.network.antennas[plan.assignment.receivers]
        illumination, slots = self.radio.illumination, inbox.plan.slots
        sent = radiated(plan, inbox.records, self.network.n_antennas)
        known = {s.position for s in slots if waveform_known(inbox.plan, inbox.records, s.position, illumination)}
        covered = [_covered(inbox, name, known) for name in plan.receivers]
        numbers = [n for name, own in zip(plan.receivers, covered, strict=True) for n in inbox.numbers(name, own)]
        if not numbers:
            return None
        cross, energy, rounding = self._statistics(plan, inbox, covered, sent)
        return Part(
            numbers=numbers,
            cross=cross,
            gram=_gram(sent, covered),
            energy=energy,
            n_samples=np.array([len(own) for own in covered]) * slots[0].n_snapshots * antennas,
            rounding=rounding,
        )

    def _late_parts(self, plan: CpiPlan) -> list[Part]:
        """Return what came late since the last fusion and goes into that of a plan; what does not is dropped."""
        parts = [self._part(plan, late.holding(self._usable(late, plan))) for late in self._reopened.values()]
        self._reopened = {cpi: late.reopened() for cpi, late in self._reopened.items()}
        used = [part for part in parts if part is not None]
        self.late_reports_used += sum(len(part.numbers) for part in used)
        return used

    def _usable(self, late: Inbox, plan: CpiPlan) -> list[EchoReport | StatisticsReport]:
        """Return the late reports on a CPI that go into the fusion of another one."""
        door = Door("late reports", "use")
        fitting = [report for report in late.reports if fits(report, late.plan, plan, self.radio.illumination)]
        return [report for report in fitting if door.ask(self.late, report, late.plan, plan)]

    def _statistics(
        self, plan: CpiPlan, inbox: Inbox, covered: list[tuple[int, ...]], sent: Radiated
    ) -> tuple[Complex, Float, Float]:
        """Return Z, (n_rx, N, n_tx, N), E and the error power of quantisation of all receivers.

        Those that cover the same slots with equally many antennas go together.
        """
        names, n_antennas = plan.receivers, self.network.n_antennas
        heard, told = (self.network.antennas[aps] for aps in (plan.assignment.receivers, plan.assignment.transmitters))
        cross = np.zeros((len(names), n_antennas, len(sent.slots), n_antennas), dtype=complex)
        energy, rounding = np.zeros((2, len(names)))
        alike: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for i, (name, slots) in enumerate(zip(names, covered, strict=True)):
            if name in inbox.statistics:
                read = read_statistics(inbox.statistics[name], plan.transmitters, sent, told)
                cross[i, : heard[i]], energy[i], rounding[i] = read
            elif slots:
                alike.setdefault((slots, int(heard[i])), []).append(i)
        for (slots, n_own), rows in alike.items():
            echoes = [inbox.echoes[names[i]] for i in rows]
            at_once = max(1, SAMPLES_AT_ONCE // (len(rows) * n_own * inbox.plan.slots[0].n_snapshots))
            for part in (slots[first : first + at_once] for first in range(0, len(slots), at_once)):
                received, error = _read(echoes, part)
                sent.within(part).add_cross(cross, rows, received, part)
                energy[rows] += [energy_statistic(samples) for samples in received]
                rounding[rows] += error / len(slots)
        return cross, energy, rounding


def _reports_in(message: Message) -> int:
    """Return how many reports a message holds: in a sum one of each receiver."""
    if isinstance(message, MapReport):
        return len(message.receivers)
    return int(isinstance(message, EchoReport | StatisticsReport))


def _covered(inbox: Inbox, receiver: str, known: set[int]) -> tuple[int, ...]:
    """Return the slots of a receiver that can be used: given, and with every waveform in them known."""
    if receiver in inbox.statistics:
        return inbox.statistics[receiver].positions
    return tuple(sorted(known & inbox.echoes.get(receiver, {}).keys()))


def _read(echoes: list[dict[int, EchoReport]], slots: tuple[int, ...]) -> tuple[Complex, Float]:
    """Return samples as the links delivered them, (n_rx, n_slots, N, n_snapshots), and their error power, (n_rx,)."""
    reports = [received[position] for received in echoes for position in slots]
    samples = np.concatenate([report.samples for report in reports]).reshape(len(reports), *reports[0].samples.shape)
    error, ways = np.zeros(len(reports)), [(report.quantiser, report.iq_bits) for report in reports]
    for way in dict.fromkeys(ways):
        rows = slice(None) if ways.count(way) == len(ways) else [i for i, other in enumerate(ways) if other == way]
        quantiser, n_bits = way
        if n_bits is None:
            continue
        samples[rows], error[rows] = quantiser.quantised(samples[rows], n_bits)
    shape = (len(echoes), len(slots))
    return samples.reshape(*shape, *samples.shape[1:]), error.reshape(shape).sum(axis=1)


def _sensed_s(plan: CpiPlan, records: Mapping[str, TransmissionRecord]) -> Float:
    """Return when each transmitter sensed, on average, from the middle of the CPI; 0 if that is not known."""
    first, last = plan.slots[0], plan.slots[-1]
    middle = (first.start_ns + last.end_ns) / 2.0
    sensed = [records[name].positions if name in records else () for name in plan.transmitters]
    times = [[(plan.slots[at].start_ns + plan.slots[at].end_ns) / 2.0 - middle for at in own] for own in sensed]
    return np.array([1e-9 * sum(own) / len(own) if own else 0.0 for own in times])


def _gram(sent: Radiated, covered: list[tuple[int, ...]]) -> Gram:
    """Return Q of every receiver: one for all if they cover the same slots."""
    grams = {slots: sent.gram(slots) for slots in dict.fromkeys(covered)}
    if len(grams) == 1:
        return grams[covered[0]]
    if any(gram.overlapping for gram in grams.values()):
        return Gram(np.concatenate([grams[slots].full() for slots in covered]))
    return Gram(np.concatenate([grams[slots].values for slots in covered]))
