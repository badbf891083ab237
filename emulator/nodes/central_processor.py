"""The central processor: plans CPIs, gathers reports, locates targets, publishes.

It knows the survey it was built with and what came in messages; nothing else, the waveforms included. A report that
did not come is missing, not zero: the statistics of a receiver cover exactly the slots that it gave and whose
waveforms are known.
"""

import heapq
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.functional_split import collate, in_slots, waveform_known
from emulator.inbox import Inbox
from emulator.messages import Assignment, EchoReport, Message, StatisticsReport, TransmissionRecord
from emulator.nodes.node import Node
from emulator.payload import draw_payload
from emulator.services import Services
from emulator.slot import CpiPlan
from emulator.trace import Kind
from models.estimation.base import Estimator
from models.network import Area, Mode, Network, Radio
from models.observation import Estimate, Observation
from models.radio.quantisation import quantise
from models.radio.statistics import cross_statistic, energy_statistic, gram_statistic
from models.schedulers import SlotScheduler
from models.selection.base import ModeSelector
from models.view import View

__all__ = ["CentralProcessor"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
PLAN, FUSE, PUBLISH = "plan", "fuse", "publish"
DEAD_AFTER_CPIS = 3
NOTHING_FOUND = Estimate.at([])


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

    name: str = "central"
    published: Estimate | None = field(default=None, init=False)
    late_reports: int = field(default=0, init=False)
    inboxes: dict[int, Inbox] = field(default_factory=dict, init=False)
    _agenda: list[tuple[int, int, str]] = field(default_factory=lambda: [(0, 0, PLAN)], init=False)
    _silent_cpis: list[int] = field(default_factory=list, init=False)
    """How often each AP was silent in its last CPIs with a task."""
    _pending: dict[int, tuple[Estimate, Observation | None]] = field(default_factory=dict, init=False)

    wiring: ClassVar[frozenset[str]] = Node.wiring | {
        "network", "area", "radio", "path_gain", "n_receivers", "selector", "scheduler", "estimator",
        "_reports_due", "_needs_waveform", "payload_bits_per_symbol", "estimator_latency_ns",
    }  # fmt: skip

    def __post_init__(self) -> None:
        self._silent_cpis = [0] * self.network.n_aps

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        super().start(services)
        services.fronthaul.connect(self.name, self.on_message)
        splits = services.splits
        self._reports_due = {name: split.reports_expected(services.frame.n_slots) for name, split in splits.items()}
        self._needs_waveform = {name for name, split in splits.items() if split.needs_waveform}

    # -- the agenda -----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Do what the agenda says is due, and sleep until the next item."""
        _, cpi, task = heapq.heappop(self._agenda)
        getattr(self, f"_{task}")(cpi)
        self.wake_ns = self._agenda[0][0]

    def _note(self, at_ns: int, cpi: int, task: str) -> None:
        heapq.heappush(self._agenda, (at_ns, cpi, task))

    def _plan(self, cpi: int) -> None:
        frame = self.services.frame
        plan = self.plan(cpi)
        self.inboxes[cpi] = Inbox(plan=plan)
        self.services.air.license(plan.slots)
        self.log(Kind.PLAN, cpi, cpi)
        n_symbols = frame.n_slots * frame.n_snapshots
        payload = draw_payload(self.rng("payload", cpi), self.network.n_ues, n_symbols, self.payload_bits_per_symbol)
        for name in self.network.ap_names:
            data = payload if plan.mode(name) is Mode.TRANSMIT else ()
            self._send(Assignment(source=self.name, destination=name, plan=plan, payload=data))
        self._note(plan.deadline_ns, cpi, FUSE)
        self._note(frame.cpi_start_ns(cpi + 1) - frame.lead_ns, cpi + 1, PLAN)

    def _fuse(self, cpi: int) -> None:
        self._judge_alive(self.inboxes[cpi])
        observation = self.fuse(cpi)
        for number in self.inboxes[cpi].used:
            self.log(Kind.USE, cpi, cpi, number)
        self.log(Kind.FUSE, self.inboxes[cpi].fused, cpi)
        estimate = NOTHING_FOUND
        if observation is not None and self.estimator is not None:
            estimate = self.estimator.estimate(observation)
        self._pending[cpi] = (estimate, observation)
        if self.estimator_latency_ns:
            self._note(self.services.now_ns + self.estimator_latency_ns, cpi, PUBLISH)
        else:
            self._publish(cpi)

    def _publish(self, cpi: int) -> None:
        estimate, observation = self._pending.pop(cpi)
        self.publish(cpi, estimate)
        self.services.on_publish(self.inboxes.pop(cpi), estimate, observation)

    # -- what it decides ------------------------------------------------------------------------------------------

    def view(self, cpi: int = 0) -> View:
        """Return what a plan of a CPI made now may be based on."""
        return View(
            network=self.network,
            area=self.area,
            radio=self.radio,
            path_gain=self.path_gain,
            n_receivers=self.n_receivers,
            alive=np.array([silent < DEAD_AFTER_CPIS for silent in self._silent_cpis]),
            estimate=self.published,
            cpi=cpi,
        )

    def plan(self, cpi: int) -> CpiPlan:
        """Return the plan of a CPI: modes by the selector, sensing transmitters by the scheduler."""
        frame, names, view = self.services.frame, self.network.ap_names, self.view(cpi)
        assignment = self.selector.select(view, self.rng("selection", cpi))
        order = self.scheduler.order(assignment, view, frame.n_slots)
        return CpiPlan(
            cpi=cpi,
            assignment=assignment,
            ap_names=names,
            slots=frame.slots(cpi, tuple(names[i] for i in order)),
            deadline_ns=frame.cpi_start_ns(cpi + 1) + frame.deadline_ns,
        )

    def publish(self, cpi: int, estimate: Estimate) -> None:
        """Make an estimate known: later plans are based on it."""
        self.published = estimate
        self.log(Kind.PUBLISH, len(estimate.positions_m), cpi)

    def reports_expected(self, plan: CpiPlan) -> int:
        """Return how many reports a CPI brings when nothing is missing."""
        return sum(self._reports_due[name] for name in plan.receivers)

    def _judge_alive(self, inbox: Inbox) -> None:
        """Take an AP for dead that sent nothing in three CPIs on end in which it had a task.

        One that rested gets another chance: a single silent CPI more, and it rests again.
        """
        heard = inbox.heard_from
        for i, (name, mode) in enumerate(zip(inbox.plan.ap_names, inbox.plan.assignment.modes, strict=True)):
            if mode is Mode.IDLE:
                self._silent_cpis[i] = min(self._silent_cpis[i], DEAD_AFTER_CPIS - 1)
            else:
                self._silent_cpis[i] = 0 if name in heard else self._silent_cpis[i] + 1

    # -- what comes in --------------------------------------------------------------------------------------------

    def on_message(self, message: Message) -> None:
        """Sort a report or record into the inbox of its CPI; what is late is counted and left."""
        cpi = message.cpi
        inbox = self.inboxes.get(cpi)
        if inbox is None or cpi in self._pending:  # published, or fused
            self.late_reports += isinstance(message, EchoReport | StatisticsReport)
            self.log(Kind.LATE, cpi, cpi, message.sequence)
        elif isinstance(message, EchoReport):
            inbox.echoes.setdefault(message.source, {})[message.slot.position] = message
        elif isinstance(message, StatisticsReport):
            inbox.statistics[message.source] = message
        elif isinstance(message, TransmissionRecord):
            inbox.records[message.source] = message
            self._pass_on(inbox.plan, message)

    def _pass_on(self, plan: CpiPlan, record: TransmissionRecord) -> None:
        """Tell the receivers whose split needs it what a transmitter radiated."""
        for name in plan.receivers:
            if name not in self._needs_waveform:
                continue
            told = TransmissionRecord(
                source=self.name, destination=name, cpi=record.cpi, transmitter=record.transmitter,
                positions=record.positions, samples=record.samples,
            )  # fmt: skip
            told.cause = record.sequence
            self._send(told)

    def _send(self, message: Message) -> None:
        self.services.fronthaul.send(message)

    # -- what it makes of it --------------------------------------------------------------------------------------

    def fuse(self, cpi: int) -> Observation | None:
        """Return the statistics of what came for a CPI, or None if no report can be used."""
        inbox = self.inboxes[cpi]
        plan = inbox.plan
        n_antennas, illumination = self.network.n_antennas, self.radio.illumination
        transmitted = collate(plan, inbox.records, n_antennas)
        known = {s.position for s in plan.slots if waveform_known(plan, inbox.records, s.position, illumination)}
        covered = [_covered(inbox, name, known) for name in plan.receivers]
        reports = [r for name, slots in zip(plan.receivers, covered, strict=True) for r in inbox.reports(name, slots)]
        inbox.fused = len(reports)
        if not reports:
            return None
        inbox.used = [message.sequence for message in (*inbox.records.values(), *reports)]
        n_snapshots = plan.slots[0].n_snapshots
        sent = {slots: in_slots(transmitted, slots, n_snapshots) for slots in dict.fromkeys(covered)}
        cross, energy = self._statistics(inbox, covered, sent)
        if not np.isfinite(energy).all():
            odd = [name for name, e in zip(plan.receivers, energy, strict=True) if not np.isfinite(e)]
            raise ValueError(f"reports of {odd} hold samples that are not finite; report gives numbers or None")
        return Observation(
            network=self.network,
            area=self.area,
            assignment=plan.assignment,
            cross=cross,
            gram=_grams(sent, covered),
            energy=energy,
            n_samples=np.array([len(slots) * n_snapshots * n_antennas for slots in covered], dtype=np.int64),
            noise_power_w=self.radio.noise_power_w,
        )

    def _statistics(
        self, inbox: Inbox, covered: list[tuple[int, ...]], sent: dict[tuple[int, ...], Complex]
    ) -> tuple[Complex, Float]:
        """Return Z, (n_rx, N, n_tx, N), and E of all receivers; those that cover the same slots go together."""
        names, (n_tx, n_antennas, _) = inbox.plan.receivers, next(iter(sent.values())).shape
        cross = np.zeros((len(names), n_antennas, n_tx, n_antennas), dtype=complex)
        energy = np.zeros(len(names))
        by_slots: dict[tuple[int, ...], list[int]] = {}
        for row, (name, slots) in enumerate(zip(names, covered, strict=True)):
            if name in inbox.statistics:
                cross[row], energy[row] = inbox.statistics[name].cross, inbox.statistics[name].energy
            elif slots:
                by_slots.setdefault(slots, []).append(row)
        for slots, rows in by_slots.items():
            received = _read([inbox.echoes[names[row]] for row in rows], slots)
            stacked = received.reshape(-1, received.shape[-1])
            cross[rows] = cross_statistic(stacked, sent[slots]).reshape(len(rows), *cross.shape[1:])
            energy[rows] = [energy_statistic(samples) for samples in received]
        return cross, energy


def _covered(inbox: Inbox, receiver: str, known: set[int]) -> tuple[int, ...]:
    """Return the slots of a receiver that can be used: given, and with every waveform in them known."""
    if receiver in inbox.statistics:
        return inbox.statistics[receiver].positions
    return tuple(sorted(known & inbox.echoes.get(receiver, {}).keys()))


def _read(echoes: list[dict[int, EchoReport]], slots: tuple[int, ...]) -> Complex:
    """Return samples as the links delivered them, shape (n_rx, N, n_slots x n_snapshots)."""
    reports = [received[position] for received in echoes for position in slots]
    samples = np.array([report.samples for report in reports])
    widths = {report.iq_bits for report in reports}
    if len(widths) == 1 and None not in widths:
        samples = quantise(samples, reports[0].iq_bits or 0)
    elif widths != {None}:
        samples = np.array(
            [s if r.iq_bits is None else quantise(s, r.iq_bits) for s, r in zip(samples, reports, strict=True)]
        )
    n_antennas, n_snapshots = samples.shape[1:]
    by_receiver = samples.reshape(len(echoes), len(slots), n_antennas, n_snapshots)
    return by_receiver.transpose(0, 2, 1, 3).reshape(len(echoes), n_antennas, -1)


def _grams(sent: dict[tuple[int, ...], Complex], covered: list[tuple[int, ...]]) -> Complex:
    """Return Q of every receiver, (n_rx, n_tx, N, n_tx, N): one broadcast view if all cover the same slots."""
    grams = {slots: gram_statistic(samples) for slots, samples in sent.items()}
    if len(grams) == 1:
        gram = grams[covered[0]]
        return np.broadcast_to(gram, (len(covered), *gram.shape))
    return np.stack([grams[slots] for slots in covered])
