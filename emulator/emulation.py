"""The emulation: starts what it is given, runs it CPI by CPI, and has what was published scored against the truth."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Sized
from copy import deepcopy
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from emulator.ages import Ages
from emulator.checkpoint import (
    CheckpointError,
    classes_of,
    enter,
    keepers,
    pieces,
    read,
    refuse_hidden_state,
    write_whole,
)
from emulator.fault_plan import Faults
from emulator.faults import ApDown, Fault
from emulator.functional_split import FunctionalSplit
from emulator.identity import differences, misfits, settings
from emulator.inbox import Inbox
from emulator.journal import Journal
from emulator.kernel import Bell, Kernel
from emulator.log import log_cpi
from emulator.losses import Losses
from emulator.media.air import Air
from emulator.media.fronthaul import Fronthaul
from emulator.media.links import natural_order
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.node import EmulationError, Node, check_wake
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from emulator.parts import check_parts
from emulator.randomness import Streams
from emulator.results import CpiResult, CpiResults, RunResult
from emulator.scorer import Scorer
from emulator.services import Bookkeeper, Recorder
from emulator.shown import Shown
from emulator.slot import CpiPlan, Frame
from emulator.trace import Trace, Tracing
from emulator.undisturbed import undisturbed
from emulator.watch import CpiPublished, E, Event, Watch
from models.doors import FAILURES
from models.network import Area
from models.observation import AreaMap, Estimate, Observation

__all__ = ["Emulation"]


class Emulation(Shown):
    """A network in emulated time.

    Parameters
    ----------
    frame
        The calendar.
    air, fronthaul, central
        The medium, the fronthaul and the central processor.
    access_points, user_equipments, targets
        The other nodes, in any order: they start in the order given, and no result depends on it.
    faults
        What goes wrong, and when.
    streams
        The random numbers.
    tracing
        How events are recorded; None for not at all.
    scoring
        Whether estimates are scored and bounds and spectral efficiency computed; switch it off to time the rest.
    n_cpis
        How many CPIs ``cpis`` and ``run`` take if they are not told.
    """

    def __init__(
        self,
        *,
        frame: Frame,
        air: Air,
        fronthaul: Fronthaul,
        central: CentralProcessor,
        access_points: Iterable[AccessPoint],
        user_equipments: Iterable[UserEquipment] = (),
        targets: Iterable[Target] = (),
        faults: Iterable[Fault] = (),
        streams: Streams,
        tracing: Tracing | None = Tracing(),  # noqa: B008 - frozen
        scoring: bool = True,
        n_cpis: int | None = None,
    ) -> None:
        access_points, user_equipments, targets = list(access_points), list(user_equipments), list(targets)
        faults = list(faults)
        check_parts(air, central, access_points, user_equipments, targets, faults)
        self.frame, self.air, self.fronthaul, self.central = frame, air, fronthaul, central
        self.access_points = {ap.name: ap for ap in access_points}
        self.user_equipments = {ue.name: ue for ue in user_equipments}
        self.targets = {target.name: target for target in targets}
        self.network, self.streams, self.scoring = central.network, streams, scoring
        self.faults = Faults(self, faults)
        self.losses = fronthaul.watcher = Losses(frame, central.radio.illumination, fronthaul.in_flight)
        self.ages = Ages(len(targets))
        self.nodes: dict[str, Node] = {
            air.name: air, central.name: central,
            **self.access_points, **self.user_equipments, **self.targets,
        }  # fmt: skip
        self._ranks = {name: i for i, name in enumerate(self._service_order())}
        self.trace = Trace(tuple(self._ranks), tracing) if tracing is not None else None
        self.record: Recorder | None = self.trace.record if self.trace is not None else None
        self.book: Bookkeeper | None = self.trace.book if self.trace is not None else None
        self.n_cpis = n_cpis
        self._outbox: list[CpiResult] = []
        self._watch: Watch | None = None  # where somebody wants to be told what happens
        self._kernel, self._started = Kernel(initial_time=0), False
        self._resumes: bool | None = None  # whether the state that was taken up is of one that had started
        self._built = {name: dict(settings(name, node)) for name, node in self.nodes.items()}
        self._faults_built = tuple(self.faults.faults)
        self._links_built = dict(fronthaul.settings())
        self._blas = ThreadpoolController()  # one thread: the products are small, and two were many times slower

    def _service_order(self) -> list[str]:
        """Return all owners of events in the order in which events of one instant are served.

        The air first (it ends the slot), then links (what arrives now is in time), then those who are in the air
        (targets and UEs), those who use it (APs), and the central processor; by name within each. Switches come last:
        nothing happens in them, but they may stand in the trace.
        """
        links = [link.name for link in self.fronthaul.links.values()]
        switches = [name for name in self.fronthaul.graph if name not in self.nodes]
        groups = ([self.air.name], links, self.targets, self.user_equipments, self.access_points, [self.central.name],
                  switches)  # fmt: skip
        return [name for group in groups for name in sorted(group, key=natural_order)]

    # -- services to nodes ----------------------------------------------------------------------------------------

    now_ns: ClassVar = property(attrgetter("_kernel.now_ns"), doc="Emulated time in ns.")

    def rank(self, name: str) -> int:
        """Return the place of an owner of events in the service order; also its number in the trace."""
        return self._ranks[name]

    def bell(self, rank: float, ring: Callable[[Bell], None]) -> Bell:
        """Return a bell of this rank that calls ``ring`` whenever it was set to."""
        return Bell(self.kernel, rank, ring)

    def generator(self, node: str, purpose: str, counter: int = 0) -> np.random.Generator:
        """Return the generator at an address."""
        return self.streams.generator(node, purpose, counter)

    @property
    def area(self) -> Area:
        """Where targets are looked for."""
        return self.central.area

    @property
    def splits(self) -> dict[str, FunctionalSplit]:
        """The functional split of every AP, by name."""
        return {name: ap.split for name, ap in self.access_points.items()}

    @property
    def kernel(self) -> Kernel:
        """The clock; there is one once the emulation has started.

        Raises
        ------
        EmulationError
            If the emulation has not started.
        """
        if not self._started:
            raise EmulationError("the emulation has not started, and has no clock yet: call start, run or cpis first")
        return self._kernel

    @property
    def events_served(self) -> int:
        """Kernel events served so far."""
        return self._kernel.served

    def __repr__(self) -> str:
        return (
            f"Emulation({len(self.access_points)} APs, {len(self.user_equipments)} UEs, {len(self.targets)} targets, "
            f"seed {self.streams.seed}: {self.air.slots_completed} slots until {1e-6 * self.now_ns:.3f} ms)"
        )

    # -- running --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all nodes. ``cpis`` and ``run`` do it when needed.

        Raises
        ------
        EmulationError
            If the emulation has started before.
        """
        if self._started:
            raise EmulationError("the emulation has started before: call run or cpis to go on, or build a new one")
        self._started = True
        try:
            self._start(self._kernel)
        except BaseException as error:
            self._kernel.failure = error
            raise

    def _start(self, kernel: Kernel) -> None:
        served = kernel.served
        self.fronthaul.start(self)
        kept = {name: node.state() for name, node in self.nodes.items()} if self._resumes else {}
        strategies = keepers(self.nodes.values()) if self._resumes else {}
        kept_by = [(part, part.state()) for part in strategies.values()]
        for name, state in deepcopy(kept).items():
            self.nodes[name].restore(state)
        for node in self.nodes.values():
            self._start_node(node)
        for name, state in kept.items():  # whatever the start of a subclass set, or changed in place
            self.nodes[name].restore(state)
        for part, state in kept_by:
            part.restore(state)
        self.faults.start()
        for node in self.nodes.values():
            self._at_start(node, check_wake, node.wake_ns, self.now_ns)
            last = kernel.process(node.run(kernel))  # type: ignore[arg-type]
        first_step = last.target
        while last.target is first_step:  # SimPy's own first step of each process comes before what nodes do
            kernel.step()
        kernel.served = served

    def _start_node(self, node: Node) -> None:
        sent = self.fronthaul.sent
        self._at_start(node, node.start, self)
        if getattr(node, "services", None) is not self:
            raise EmulationError(f"{type(node).__name__}.start of {node.name} does not call super().start(services)")
        if self.fronthaul.sent != sent:
            raise EmulationError(
                f"{type(node).__name__}.start of {node.name} sends a message, and would do so again whenever a state "
                "is taken up: send in wake"
            )

    def _at_start(self, node: Node, task: Callable[..., None], *args: Any) -> None:
        """Do a part of the start of a node; what goes wrong says where and when."""
        try:
            task(*args)
        except FAILURES as error:
            where = f"{node.name}.start, t = {self.now_ns} ns"
            raise EmulationError(f"{where}: {type(error).__name__}: {error}") from error

    def cpis(self, n_cpis: int | None = None) -> Iterator[CpiResult]:
        """Run on and yield the result of each of the next CPIs as it is published.

        The network keeps running: when a result is yielded, the next CPI is already on the air. Parameters and what is
        raised are those of ``run``.
        """
        self._refuse_if_half_done("go on")
        return self._each(self._number_of(n_cpis))

    def _each(self, n_cpis: int) -> Iterator[CpiResult]:
        for _ in range(n_cpis):
            yield self._one_cpi()  # without a name, so that it can go when the caller drops it

    def run(self, n_cpis: int | None = None) -> RunResult:
        """Run on for a number of CPIs and return what came of them; only the last keeps its observation.

        Parameters
        ----------
        n_cpis
            How many, 0 or more; by default what the scenario says under ``schedule.cpis``.

        Raises
        ------
        ValueError
            If the number is not whole, negative, or not given where no default was.
        EmulationError
            If something goes wrong on the way, or went wrong before: what was half done then cannot be finished.
        """
        self._refuse_if_half_done("go on")
        cpis = CpiResults()
        with undisturbed(self._blas):
            for _ in range(self._number_of(n_cpis)):
                cpis.let_go()
                cpis.append(self._next_cpi())
        return self.result(cpis)

    def _one_cpi(self) -> CpiResult:
        with undisturbed(self._blas):
            return self._next_cpi()

    def _number_of(self, n_cpis: int | None) -> int:
        n_cpis = self.n_cpis if n_cpis is None else n_cpis
        if isinstance(n_cpis, bool) or not isinstance(n_cpis, int | np.integer) or n_cpis < 0:
            raise ValueError(f"n_cpis = {n_cpis!r}: give a whole number of CPIs, 0 or more")
        return int(n_cpis)

    def _next_cpi(self) -> CpiResult:
        if self._watch is None:
            self._advance(self._outbox)
            return self._take_result()
        for event in self._told(self._watch, 1):
            last = event
        return last.result  # type: ignore[union-attr]  # a CPI ends with its result

    def _advance(self, until_filled: Sized) -> None:
        if not self._started:
            self.start()
        self._refuse_if_half_done("go on")
        self.kernel.advance(until_filled)

    def _take_result(self) -> CpiResult:
        result = self._outbox.pop(0)
        log_cpi(result)
        return result

    # -- telling what happens ---------------------------------------------------------------------------------------

    def events(self, n_cpis: int | None = None) -> Iterator[Event]:
        """Run on and yield what happens as it happens, until the results of so many CPIs were published.

        The network stands still meanwhile: whoever takes the events may look at everything, take a state, or begin a
        fault, and go on, or not. Events are those of ``emulator.watch``; each CPI ends with a ``CpiPublished``.
        Parameters and what is raised are those of ``run``; and a ValueError if nothing is recorded.
        """
        self._refuse_if_half_done("go on")
        return self._told(self._listen(), self._number_of(n_cpis))

    def on(self, event: type[E], callback: Callable[[E], object]) -> None:
        """Have a function called with each event of a type, however the emulation is run.

        Parameters
        ----------
        event
            A type of ``emulator.watch``, such as ``SlotBegan``.
        callback
            Called between two events of the clock, in the order of registration; what it returns is not used. An error
            in it is raised as an EmulationError that names it; the emulation may go on after it.

        Raises
        ------
        TypeError
            If there are no events of this type, or the function is none.
        ValueError
            If nothing is recorded.
        """
        self._listen().on(event, callback)

    def _listen(self) -> Watch:
        if self.trace is None:
            raise ValueError("nothing is recorded here, so nothing can be told: build with tracing=True")
        if self._watch is None:
            self._watch = Watch(self.trace)
        return self._watch

    def _told(self, watch: Watch, n_cpis: int) -> Iterator[Event]:
        """Run on, and call back and yield all events of so many CPIs."""
        for _ in range(n_cpis):
            while not self._outbox:
                with undisturbed(self._blas):
                    self._advance(watch)
                for event in watch.new():
                    yield watch.called_back(event)
            result = self._take_result()
            yield watch.called_back(CpiPublished(result.published_ns, result.index, result))

    def _refuse_if_half_done(self, what: str) -> None:
        """Raise an error where an event has begun and not ended."""
        if self._kernel.failure is not None:
            failure = str(self._kernel.failure) or type(self._kernel.failure).__name__
            raise EmulationError(
                f"the emulation cannot {what}: it ended with an error ({failure}); build a new one, "
                "or restore a state that was taken before"
            )
        if self._kernel.serving:
            raise EmulationError(f"the emulation cannot {what} from within a hook: wait until a result is yielded")

    def result(self, cpis: Iterable[CpiResult]) -> RunResult:
        """Return the results of some CPIs together with the books as they stand now.

        Raises
        ------
        TypeError
            If these are no results one after another.
        ValueError
            If one is not the result of a CPI, or of an emulation with another number of targets.
        """
        if not isinstance(cpis, Iterable):
            raise TypeError(f"cpis: got {cpis!r:.60}; give a list of results of CPIs, as cpis() yields them")
        cpis = cpis if isinstance(cpis, CpiResults) else list(cpis)
        for cpi in cpis:
            if not isinstance(cpi, CpiResult) or len(cpi.truth_m) != len(self.targets):
                raise ValueError(f"got {cpi!r:.60}: give results of CPIs of this emulation, as cpis() yields them")
        return RunResult.of(
            cpis,
            network=self.network,
            area=self.central.area,
            n_targets=len(self.targets),
            fronthaul=self.fronthaul.books(),
            slots=len(cpis) * self.frame.n_slots,
            events=self.events_served,
            late_reports=self.central.late_reports,
            refused_reports=dict(self.central.refused_reports),
            late_reports_used=self.central.late_reports_used,
            late_reports_waiting=self.central.late_reports_waiting,
            corrections_repeated=self.central.corrections_repeated,
            lost_reports=self.losses.found(),
            trace=self.trace,
        )

    # -- checkpoints ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that matters for going on, as data; independent of this emulation from now on.

        It may be taken between any two events.

        Raises
        ------
        EmulationError
            If it is asked for from within a hook, or after an error: an event is half done then.
        """
        return deepcopy(self._parts())

    def _parts(self, elsewhere: Container[str] = ()) -> dict[str, Any]:
        """Return what ``state`` gives, not yet independent of this emulation, but for tables of the trace elsewhere."""
        self._refuse_if_half_done("give its state")
        return {
            "identity": self._identity(),
            "started": self._started or bool(self._resumes),
            "now_ns": self.now_ns,
            "events": self.events_served,
            "nodes": {name: node.state() for name, node in self.nodes.items()},
            "strategies": {name: part.state() for name, part in keepers(self.nodes.values()).items()},
            "fronthaul": self.fronthaul.state(),
            "faults": self.faults.state(),
            "losses": self.losses.state(),
            "ages": self.ages.state(),
            "outbox": self._outbox,
            "trace": self.trace.state(elsewhere) if self.trace is not None else None,
        }

    def checkpoint(self, cpis: Sequence[CpiResult] = (), journal: Journal | None = None) -> list[bytes]:
        """Return the content of a file that ``load`` reads, in pieces; see ``save``.

        With the journal beside that file, what is new of the results and the trace is appended there, all but the last
        result, which keeps its observation; the file then need not hold it, and is as long as the first one.
        """
        refuse_hidden_state(self.nodes.values())
        classes = classes_of(self.nodes.values(), self.faults.faults)
        if journal is None:
            return pieces(self._identity(), self._parts(), cpis, classes)
        self._refuse_if_half_done("give its state")
        new, rows = cpis[journal.mark.n_cpis :], self.trace.grown(journal.mark.tables) if self.trace is not None else {}
        enter(journal, new[:-1], rows, classes)
        return pieces(self._identity(), self._parts(rows), new[-1:], classes, journal.mark)

    def save(self, path: Path | str, cpis: Sequence[CpiResult] = ()) -> None:
        """Write the state and the results until now to a file of plain data; an earlier one stays until it is whole.

        Raises
        ------
        CheckpointError
            If a strategy keeps a state that it does not hand out, or a node something that is no plain data.
        EmulationError
            If it is asked for from within a hook, or after an error.
        """
        write_whole(Path(path), self.checkpoint(cpis))

    def load(self, path: Path | str) -> CpiResults:
        """Take over what ``save`` wrote of an emulation that was built alike; return the results until then.

        Raises
        ------
        CheckpointError
            If the file or its journal is none, damaged, or of another emulation; this one is as it was before.
        ValueError
            If this emulation has started or has a state already.
        """
        self._refuse_if_taken_up()
        state, cpis = read(Path(path), self._identity(), classes_of(self.nodes.values(), self.faults.faults))
        if odd := self._damage(state):
            raise CheckpointError(f"{path} does not fit this emulation ({odd}): begin anew without it")
        self._take_up(state)
        return cpis

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an emulation cannot be copied or pickled: take its state(), and restore() it into a fresh one")

    def _identity(self) -> dict[str, str]:
        """Return what an emulation must have in common with one that it continues, name by name.

        What a node was built with counts as it was then, if it is state, and as it is now, if it is wiring: the one is
        in the state, the other is not. Links count as they were built: what they have become is in the state.
        """
        found = {"format": "5", "seed": str(self.streams.seed), **dict(settings("frame", self.frame))}
        found |= settings("faults", self._faults_built)
        for name in (self.central.name, *self.nodes):
            node = self.nodes[name]
            found |= self._built[name]
            for key in sorted(node.wiring & vars(node).keys()):
                now = settings(f"{name}.{key}", getattr(node, key))
                found |= {key: text for key, text in now if key in self._built[name]}
        return found | self._links_built

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state of an emulation that was built alike; to be called before the start.

        Raises
        ------
        ValueError
            If this emulation has started or has a state already, if it was built with other settings than the one that
            the state was taken of, or if the state is not whole.
        """
        self._refuse_if_taken_up()
        if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
            raise ValueError(f"got {state!r:.60}: give what state() of an emulation returned")
        odd = differences(state["identity"], self._identity())
        if odd:
            raise ValueError(f"the state is of another emulation ({odd}): build from the same scenario and seed")
        if odd := self._damage(state):
            raise ValueError(f"the state is damaged ({odd}): give what state() of an emulation returned")
        self._take_up(deepcopy(state))

    def _refuse_if_taken_up(self) -> None:
        if self._started or self._resumes is not None:
            raise ValueError("an emulation that has started or was restored takes no state up: build a fresh one")

    def _take_up(self, state: dict[str, Any]) -> None:
        """Take over a state that is whole, and nobody else's."""
        self._kernel = Kernel(initial_time=state["now_ns"])
        self._kernel.served, self._resumes = state["events"], state["started"]
        self._outbox = state["outbox"]
        for name, node_state in state["nodes"].items():
            self.nodes[name].restore(node_state)
        for name, part in keepers(self.nodes.values()).items():
            part.restore(state["strategies"][name])
        self.fronthaul.restore(state["fronthaul"])
        self.faults.restore(state["faults"])
        self.losses.restore(state["losses"])
        self.ages.restore(state["ages"])
        if self.trace is not None and state["trace"] is not None:
            self.trace.restore(state["trace"])
        if self._watch is not None:
            self._watch.catch_up()

    def _damage(self, state: dict[str, Any]) -> str:
        """Return what a state lacks, or has of another form than this emulation's; empty if it is whole."""
        here = self.state()
        own = here["nodes"]
        here["strategies"] = dict.fromkeys(here["strategies"])
        here["nodes"] = {name: {} for name in own}  # nodes of one's own may come to have more
        here["fronthaul"]["edges"] = dict.fromkeys(here["fronthaul"]["edges"])  # and edges less
        here["fronthaul"]["due"] = {}  # turns of links pass
        if state.get("trace") is None:
            here["trace"] = None
        if odd := next(misfits(state, here), ""):
            return odd
        missing = (f"nodes.{n}.{key} is missing" for n in own for key in own[n] if key not in state["nodes"][n])
        return next(missing, "")

    # -- what is published ------------------------------------------------------------------------------------------

    def on_publish(self, inbox: Inbox, estimate: Estimate, observation: Observation | AreaMap | None) -> None:
        """Score a CPI; called by the central processor when it publishes."""
        plan, frame = inbox.plan, self.frame
        self._settle_losses(inbox)
        scorer = Scorer(
            frame=frame, air=self.air, central=self.central, targets=self.targets, ages=self.ages, is_on=self.scoring
        )
        self._outbox.append(scorer.result(inbox, estimate, observation, self.now_ns, self._faults_of(plan)))
        self.faults.forget(frame.cpi_start_ns(plan.cpi + 1) - frame.lead_ns)
        if self.trace is not None:
            self.trace.settle(plan.cpi)

    def _settle_losses(self, inbox: Inbox) -> None:
        plan, complete = inbox.plan, inbox.fused == self.central.reports_expected(inbox.plan)
        receivers = () if complete else plan.receivers
        due = {name: self.access_points[name].split.reports_expected(self.frame.n_slots) for name in receivers}
        down = {fault.node for fault in self._faults_of(plan) if isinstance(fault, ApDown)}
        self.losses.settle(plan, due, down, inbox.refused)

    def _faults_of(self, plan: CpiPlan) -> tuple[Fault, ...]:
        """Return the faults that were on at any time from the plan of a CPI to its fusion."""
        return self.faults.during(self.frame.cpi_start_ns(plan.cpi) - self.frame.lead_ns, self.now_ns)
