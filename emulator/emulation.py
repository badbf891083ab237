"""The emulation: starts what it is given, runs it CPI by CPI, and scores what was published against the truth."""

import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from emulator.functional_split import FunctionalSplit
from emulator.inbox import Inbox
from emulator.kernel import Bell, Kernel
from emulator.media.air import Air
from emulator.media.fronthaul import Fronthaul
from emulator.media.truth import CpiTruth
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.node import Node
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from emulator.randomness import Streams
from emulator.results import CpiResult, RunResult
from emulator.services import Bookkeeper, Recorder
from emulator.slot import Frame
from emulator.trace import Trace, Tracing
from models.bounds.fisher import target_bounds_m
from models.observation import Estimate, Observation
from models.radio.efficiency import spectral_efficiency
from models.scoring import score

__all__ = ["Emulation"]


def _natural(name: str) -> list[Any]:
    """Sort key that puts ap-2 before ap-10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class Emulation:
    """A network in emulated time.

    Parameters
    ----------
    frame
        The calendar.
    air, fronthaul, central
        The medium, the fronthaul and the central processor.
    access_points, user_equipments, targets
        The other nodes, in any order: they start in the order given, and no result depends on it.
    streams
        The random numbers.
    tracing
        How events are recorded; None for not at all.
    scoring
        Whether estimates are scored and bounds and spectral efficiency computed; switch it off to time the rest.
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
        streams: Streams,
        tracing: Tracing | None = Tracing(),  # noqa: B008 - frozen
        scoring: bool = True,
    ) -> None:
        self.frame, self.air, self.fronthaul, self.central = frame, air, fronthaul, central
        self.access_points = {ap.name: ap for ap in access_points}
        self.user_equipments = {ue.name: ue for ue in user_equipments}
        self.targets = {target.name: target for target in targets}
        self.network, self.streams, self.scoring = central.network, streams, scoring
        self.nodes: dict[str, Node] = {
            air.name: air, central.name: central,
            **self.access_points, **self.user_equipments, **self.targets,
        }  # fmt: skip
        self._ranks = {name: i for i, name in enumerate(self._service_order())}
        self.trace = Trace(tuple(self._ranks), tracing) if tracing is not None else None
        self.record: Recorder | None = self.trace.record if self.trace is not None else None
        self.book: Bookkeeper | None = self.trace.book if self.trace is not None else None
        self.events = 0
        self._outbox: list[CpiResult] = []
        self._kernel: Kernel | None = None
        self._resume_ns = 0
        self._blas = ThreadpoolController()  # one thread: the products are small, and two were many times slower

    def _service_order(self) -> list[str]:
        """Return all owners of events in the order in which events of one instant are served.

        The air first (it ends the slot), then links (what arrives now is in time), then those who are in the air
        (targets and UEs), those who use it (APs), and the central processor; by name within each.
        """
        links = [link.name for link in self.fronthaul.links.values()]
        groups = ([self.air.name], links, self.targets, self.user_equipments, self.access_points, [self.central.name])
        return [name for group in groups for name in sorted(group, key=_natural)]

    # -- services to nodes ----------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Emulated time in ns."""
        return self._kernel.now_ns if self._kernel is not None else self._resume_ns

    def rank(self, name: str) -> int:
        """Return the place of an owner of events in the service order; also its number in the trace."""
        return self._ranks[name]

    def generator(self, node: str, purpose: str, counter: int = 0) -> np.random.Generator:
        """Return the generator at an address."""
        return self.streams.generator(node, purpose, counter)

    def bell(self, rank: float, ring: Callable[[object], None]) -> Bell:
        """Return a bell of this rank that calls ``ring`` whenever it was set to."""
        return Bell(self.kernel, rank, ring)

    @property
    def splits(self) -> dict[str, FunctionalSplit]:
        """The functional split of every AP, by name."""
        return {name: ap.split for name, ap in self.access_points.items()}

    @property
    def kernel(self) -> Kernel:
        """The clock; there is one once the emulation has started."""
        assert self._kernel is not None, "start() makes the clock"
        return self._kernel

    # -- running --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all nodes. ``cpis`` and ``run`` do it when needed."""
        kernel = self._kernel = Kernel(initial_time=self._resume_ns)
        self.fronthaul.start(self)
        for node in self.nodes.values():
            node.start(self)
        for node in self.nodes.values():
            kernel.process(node.run(kernel))  # type: ignore[arg-type]
        for _ in self.nodes:  # SimPy's own first step of each process comes before anything else
            kernel.step()

    def cpis(self, n_cpis: int) -> Iterator[CpiResult]:
        """Run on and yield the result of each of the next CPIs as it is published.

        The network keeps running: when a result is yielded, the next CPI is already on the air.
        """
        for _ in range(n_cpis):
            with self._blas.limit(limits=1, user_api="blas"):
                cpi = self._next_cpi()
            yield cpi

    def run(self, n_cpis: int) -> RunResult:
        """Run on for a number of CPIs and return what came of them; only the last keeps its observation."""
        cpis: list[CpiResult] = []
        with self._blas.limit(limits=1, user_api="blas"):
            for _ in range(n_cpis):
                cpis[-1:] = [cpi.without_observation() for cpi in cpis[-1:]]
                cpis.append(self._next_cpi())
        return self.result(cpis)

    def _next_cpi(self) -> CpiResult:
        if self._kernel is None:
            self.start()
        self.events += self.kernel.advance(self._outbox)
        return self._outbox.pop(0)

    def result(self, cpis: list[CpiResult]) -> RunResult:
        """Return the results of some CPIs together with the books as they stand now."""
        return RunResult.of(
            cpis,
            network=self.network,
            area=self.central.area,
            n_targets=len(self.targets),
            fronthaul=self.fronthaul.books(),
            slots=len(cpis) * self.frame.n_slots,
            events=self.events,
            late_reports=self.central.late_reports,
            trace=self.trace,
        )

    # -- checkpoints ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that matters for going on, as data; independent of this emulation from now on."""
        return deepcopy(
            {
                "identity": self._identity(),
                "now_ns": self.now_ns,
                "events": self.events,
                "nodes": {name: node.state() for name, node in self.nodes.items()},
                "fronthaul": self.fronthaul.state(),
                "trace": self.trace.state() if self.trace is not None else None,
            }
        )

    def _identity(self) -> dict[str, Any]:
        """Return what an emulation must have in common with one that it continues."""
        links = sorted(link.name for link in self.fronthaul.links.values())
        return {"seed": self.streams.seed, "frame": self.frame, "nodes": sorted(self.nodes), "links": links}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state of an emulation that was built alike; to be called before the start.

        Raises
        ------
        ValueError
            If this emulation has started, or has other nodes than the one that the state was taken of.
        """
        if self._kernel is not None:
            raise ValueError("an emulation that has started cannot be restored: build a fresh one")
        for what, value in self._identity().items():
            if state["identity"][what] != value:
                odd = f"{what}: {state['identity'][what]} there, {value} here"
                raise ValueError(f"the state is of another emulation ({odd}): build from the same scenario and seed")
        state = deepcopy(state)
        self._resume_ns, self.events = state["now_ns"], state["events"]
        for name, node_state in state["nodes"].items():
            self.nodes[name].restore(node_state)
        self.fronthaul.restore(state["fronthaul"])
        if self.trace is not None and state["trace"] is not None:
            self.trace.restore(state["trace"])

    # -- scoring: the only place where truth meets estimate ---------------------------------------------------------

    def on_publish(self, inbox: Inbox, estimate: Estimate, observation: Observation | None) -> None:
        """Score a CPI; called by the central processor when it publishes."""
        plan, frame = inbox.plan, self.frame
        truth = self.air.truths.pop(plan.cpi)
        targets = sorted(self.targets.values(), key=lambda t: t.index)
        middle_s = frame.cpi_middle_s(plan.cpi)
        positions = np.array([t.position_m(middle_s) for t in targets]).reshape(-1, 2)
        bounds = {kind: np.full(len(targets), np.nan) for kind in ("non-coherent", "coherent", "structured")}
        if self.scoring and observation is not None and targets:
            bounds = {kind: self._bounds(kind, observation, positions, targets, truth) for kind in bounds}
        start_ns = frame.cpi_start_ns(plan.cpi)
        self._outbox.append(
            CpiResult(
                index=plan.cpi,
                start_ns=start_ns,
                end_ns=frame.cpi_start_ns(plan.cpi + 1),
                published_ns=self.now_ns,
                assignment=plan.assignment,
                estimate=estimate,
                truth_m=positions,
                score=score(estimate, positions, bounds["non-coherent"]),
                peb_m=bounds["coherent"],
                peb_structured_m=bounds["structured"],
                se_bit_s_hz=self._spectral_efficiency(truth) if self.scoring else np.full(self.network.n_ues, np.nan),
                sensing_latency_s=(self.now_ns - start_ns) * 1e-9,
                reports_expected=self.central.reports_expected(plan),
                reports_fused=inbox.fused,
                observation=observation,
            )
        )
        if self.trace is not None:
            self.trace.settle(plan.cpi)

    def _bounds(
        self, kind: str, observation: Observation, positions: Any, targets: list[Target], truth: CpiTruth
    ) -> Any:
        return target_bounds_m(
            self.network,
            observation.assignment,
            positions,
            np.array([t.rcs_m2 for t in targets]),
            np.angle(truth.reflection),
            observation.shared_gram if observation.shared_gram is not None else observation.gram,
            observation.noise_power_w,
            kind,
        )

    def _spectral_efficiency(self, truth: CpiTruth) -> Any:
        noise_power_w = self.central.radio.noise_power_w
        return spectral_efficiency(truth.channel, truth.precoding(), truth.sensing_power_w(), noise_power_w)
