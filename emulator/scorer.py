"""What came of a CPI: the one place of an emulation where the truth meets what was published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emulator.ages import Ages
from emulator.fault_plan import kind_of
from emulator.faults import Fault
from emulator.inbox import Inbox
from emulator.media.air import Air
from emulator.media.truth import CpiTruth
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.target import Target
from emulator.results import CpiResult
from emulator.slot import Frame
from models.bounds.fisher import target_bounds_m
from models.bounds.hybrid import bounds_with_phases_m
from models.network import ModeAssignment, Network
from models.observation import AreaMap, Estimate, Observation
from models.radio.gram import Gram
from models.scoring import score

__all__ = ["Scorer"]

Float = NDArray[np.float64]
BOUNDS = ("non-coherent", "coherent", "structured")
"""Of positions, in each CPI."""
WITH_PHASES = ("hybrid", "ignoring")
"""And those where phases of APs are not exact for ever."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorer:
    """Knows the truth, and what was published.

    Attributes
    ----------
    frame
        The calendar.
    air
        Has the truth of each CPI until it is scored.
    central
        The central processor.
    targets
        The targets by name.
    ages
        When each of them was last measured.
    is_on
        Whether bounds and spectral efficiency are computed.
    """

    frame: Frame
    air: Air
    central: CentralProcessor
    targets: Mapping[str, Target]
    ages: Ages
    is_on: bool

    def result(
        self,
        inbox: Inbox,
        estimate: Estimate,
        observation: Observation | AreaMap | None,
        published_ns: int,
        faults: Iterable[Fault],
    ) -> CpiResult:
        """Return the result of a CPI; its truth is taken from the air."""
        plan, frame = inbox.plan, self.frame
        truth = self.air.truths.pop(plan.cpi)
        targets = sorted(self.targets.values(), key=lambda t: t.index)
        positions = np.array([t.path_m([frame.cpi_middle_s(plan.cpi)])[0] for t in targets]).reshape(-1, 2)
        bounds = self._bounds(observation, positions, targets, truth)
        start_ns = frame.cpi_start_ns(plan.cpi)
        scored = score(estimate, positions, bounds["non-coherent"])
        return CpiResult(
            index=plan.cpi,
            start_ns=start_ns,
            end_ns=frame.cpi_start_ns(plan.cpi + 1),
            published_ns=published_ns,
            assignment=plan.assignment,
            estimate=estimate,
            truth_m=positions,
            score=scored,
            age=self.ages.publish(start_ns + 0.5 * frame.cpi_ns, published_ns, scored.matched >= 0),
            peb_m=bounds["coherent"],
            peb_structured_m=bounds["structured"],
            peb_hybrid_m=bounds.get("hybrid"),
            error_ignoring_m=bounds.get("ignoring"),
            se_bit_s_hz=self._spectral_efficiency(truth),
            sensing_latency_s=(published_ns - start_ns) * 1e-9,
            reports_expected=self.central.reports_expected(plan),
            reports_fused=inbox.fused,
            has_pilots=plan.has_pilots,
            faults=tuple((kind_of(fault), fault.where) for fault in faults),
            excluded=inbox.excluded,
            observation=observation if isinstance(observation, Observation) else None,
            area_map=observation if isinstance(observation, AreaMap) else None,
        )

    def _bounds(
        self, observation: Observation | AreaMap | None, positions: Float, targets: Sequence[Target], truth: CpiTruth
    ) -> dict[str, Float]:
        """Return the bounds of all targets together, by name; those with phase errors where there are any.

        Of a map there is the non-coherent one alone.
        """
        has_phases = self.central.calibrator is not None
        none = dict.fromkeys(BOUNDS + WITH_PHASES if has_phases else BOUNDS, np.full(len(targets), np.nan))
        if not self.is_on or observation is None or not targets:
            return none
        known = self._known(observation, self.air.clear(positions), targets, truth)
        if isinstance(observation, AreaMap):
            return none | {"non-coherent": target_bounds_m(*known, "non-coherent")}
        found = {kind: target_bounds_m(*known, kind) for kind in BOUNDS}
        phases = observation.phase_covariance_rad2
        if not has_phases:
            return found
        if phases is None:
            return found | dict.fromkeys(WITH_PHASES, found["coherent"])
        return found | dict(zip(WITH_PHASES, bounds_with_phases_m(*known, phases), strict=True))

    def _known(
        self, observation: Observation | AreaMap, positions: Float, targets: Sequence[Target], truth: CpiTruth
    ) -> tuple[Network, ModeAssignment, Float, Float, Float, Gram, float]:
        """Return what all bounds rest on: network and roles, targets, what was radiated and the noise."""
        return (
            self.central.network,
            observation.assignment,
            positions,
            np.array([t.rcs_m2 for t in targets]),
            np.angle(truth.reflection),
            _weighed(observation),
            observation.noise_power_w,
        )

    def _spectral_efficiency(self, truth: CpiTruth) -> Float:
        if not self.is_on:
            return np.full(self.central.network.n_ues, np.nan)
        return self.frame.snapshot_share * truth.spectral_efficiency(self.central.radio.noise_power_w)


def _weighed(observation: Observation | AreaMap) -> Gram:
    """Return Q as bounds take it: less of receivers whose samples are coarse."""
    if isinstance(observation, AreaMap) or observation.quantisation_power_w is None:
        return observation.gram
    return observation.gram * (1.0 / observation.noise_levels)
