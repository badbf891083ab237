"""What comes out of an emulation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.ages import Age
from emulator.losses import LostReports
from emulator.packed import PackedSequence
from emulator.shown import Shown, presenter
from emulator.trace import Trace
from models.network import Area, ModeAssignment, Network
from models.observation import AreaMap, Estimate, Observation
from models.scoring import Score

__all__ = ["CpiResult", "CpiResults", "RunResult"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class CpiResult(Shown):
    """What came of one CPI.

    Attributes
    ----------
    index
        Counts CPIs from the start.
    start_ns, end_ns, published_ns
        Start of the first slot, end of the last, and when the estimate was published.
    assignment
        Modes of the APs.
    estimate
        What was published.
    truth_m
        Positions of the targets at the middle of the CPI, shape (n_targets, 2), in m.
    score
        How estimates were matched to targets.
    age
        Age of sensing of each target about the publication.
    peb_m, peb_structured_m
        Coherent position error bounds with real free and with structured amplitudes, all targets together, for what
        was fused, shape (n_targets,), in m; NaN where there is none.
    peb_hybrid_m, error_ignoring_m
        With what is known of errors of the APs' phases: the bound of an estimator that estimates the phases, too, and
        the root mean square error of one that takes them for exact, shape (n_targets,); None where all are, for ever.
    se_bit_s_hz
        Spectral efficiency of each UE, shape (n_ues,): (7) averaged over slots, times the share of symbols that are
        no guard.
    sensing_latency_s
        From ``start_ns`` to ``published_ns``.
    has_pilots
        Whether its slots were those of pilots: nothing was sensed or communicated.
    reports_expected, reports_fused
        Reports due in the CPI, and those that were used.
    faults
        Kind, and name of the node or link, of the faults that were on between the plan of the CPI and its estimate.
    excluded
        Receivers that contradicted the others and were left out; the bounds are those without them.
    observation
        What was fused; of a run the last CPI keeps it, whatever its number of CPIs.
    area_map
        That instead where receivers sum maps on the way.
    """

    index: int
    start_ns: int
    end_ns: int
    published_ns: int
    assignment: ModeAssignment
    estimate: Estimate
    truth_m: Float
    score: Score
    age: Age
    peb_m: Float
    peb_structured_m: Float
    peb_hybrid_m: Float | None
    error_ignoring_m: Float | None
    se_bit_s_hz: Float
    sensing_latency_s: float
    reports_expected: int
    reports_fused: int
    has_pilots: bool = False
    faults: tuple[tuple[str, str], ...] = ()
    excluded: tuple[str, ...] = ()
    observation: Observation | None = None
    area_map: AreaMap | None = None

    def without_observation(self) -> "CpiResult":
        """Return the result without what was fused, which takes most of its memory."""
        if self.observation is None and self.area_map is None:
            return self
        return replace(self, observation=None, area_map=None)

    @property
    def false_positions_m(self) -> Float:
        """Positions of estimates that belong to no target, shape (n_false, 2)."""
        return self.estimate.positions_m[self.score.false_indices]

    def plot(self) -> Any:
        """Return the map of the CPI as a matplotlib figure; raises RuntimeError as ``RunResult.plot``.

        Where the CPI keeps what was fused, as the last one of a run does, the map has the network, too.
        """
        return presenter().plot(self, "map")

    def to_xarray(self) -> Any:
        """Return what was measured as an xarray dataset, as ``RunResult.to_xarray`` does, for this CPI alone."""
        return presenter().to_xarray(self)

    def __repr__(self) -> str:
        if self.has_pilots:
            return f"CpiResult(CPI {self.index}: pilots)"
        resolved = self.score.status.count("resolved")
        return (
            f"CpiResult(CPI {self.index}: {resolved} of {len(self.truth_m)} targets resolved, "
            f"sum SE {self.se_bit_s_hz.sum():.2f} bit/s/Hz, "
            f"{self.reports_fused} of {self.reports_expected} reports fused)"
        )


class CpiResults(PackedSequence[CpiResult]):
    """Results of CPIs in their order, of which only the last has its observation."""

    def append(self, item: CpiResult) -> None:
        """Add the result of the next CPI."""
        self.let_go()
        super().append(item)

    def let_go(self) -> None:
        """Drop what was fused in the last CPI, which takes most of the memory."""
        if len(self):
            self.replace_last(self[-1].without_observation())


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult(Shown):
    """What came of a run.

    Attributes
    ----------
    network, area
        The survey.
    cpis
        One result a CPI. Only the last keeps its observation; the others are packed, some hundred bytes each.
    errors_m
        Position errors, shape (n_cpis, n_targets), in m; NaN where a target was missed.
    fronthaul
        Books of the fronthaul: messages_sent, messages_delivered, messages_dropped, messages_in_flight,
        messages_without_route, and links with what ``emulator.media.links.Link.book`` tells of each.
    slots
        Slots of these CPIs.
    events
        Kernel events served until the last estimate was published; the network has been running on meanwhile.
    late_reports
        Reports that came after their CPI was fused.
    late_reports_used, late_reports_waiting
        Those of them that were fused with a later CPI, and those that wait for the next fusion.
    refused_reports
        Reports that the central processor refused, by cause: "check sequence" or "stale header"; "contradiction" counts
        access points whose measurements of pilots were left out of a calibration.
    lost_reports
        Those that were not fused with their CPI since the start, by cause, the commonest first.
    corrections_repeated
        How often a correction of phases was sent again, as its access point had not said that it has it.
    trace
        The recorded events, if tracing was on.
    """

    network: Network
    area: Area
    cpis: Sequence[CpiResult]
    errors_m: Float
    fronthaul: dict[str, Any]
    slots: int
    events: int
    late_reports: int
    refused_reports: dict[str, int]
    lost_reports: tuple[LostReports, ...]
    trace: Trace | None
    late_reports_used: int = 0
    late_reports_waiting: int = 0
    corrections_repeated: int = 0

    @property
    def late_reports_dropped(self) -> int:
        """Late reports that were of no use."""
        return self.late_reports - self.late_reports_used - self.late_reports_waiting

    @classmethod
    def of(cls, cpis: Iterable[CpiResult], *, n_targets: int, **books: Any) -> "RunResult":
        """Return the result of these CPIs."""
        kept = cpis if isinstance(cpis, CpiResults) else CpiResults(cpis)
        errors = np.empty((len(kept), n_targets))
        for row, cpi in zip(errors, kept, strict=True):
            row[:] = cpi.score.error_m
        return cls(cpis=kept, errors_m=errors, **books)

    def plot(self, picture: str = "map", **settings: Any) -> Any:
        """Return a picture of the run as a matplotlib figure.

        Parameters
        ----------
        picture
            One of those that ``dmimo run`` writes, without its ending: "map", "cost_map", "timeline", "metrics",
            "fronthaul" or "se".
        **settings
            ``grid_step_m``: the cell of the cost map, 10 m by default.

        Raises
        ------
        ValueError
            If there is no such picture, or nothing to draw in it.
        RuntimeError
            Unless ``scenarios`` has been imported, which draws.
        """
        return presenter().plot(self, picture, **settings)

    def to_xarray(self) -> Any:
        """Return all that was measured as an xarray dataset: dims cpi, target, ue and xy, each variable with its unit.

        Raises
        ------
        ImportError
            If xarray is not installed: it comes with the extra ``sweep``.
        ValueError
            If no CPI was run.
        RuntimeError
            Unless ``scenarios`` has been imported, which knows the metrics.
        """
        return presenter().to_xarray(self)

    def __repr__(self) -> str:
        resolved = sum(status == "resolved" for cpi in self.cpis for status in cpi.score.status)
        found = np.isfinite(self.errors_m)
        median = f"{np.median(self.errors_m[found]):.3g} m" if found.any() else "none"
        se = sum(cpi.se_bit_s_hz.sum() for cpi in self.cpis) / max(len(self.cpis), 1)
        fused = f"{sum(c.reports_fused for c in self.cpis)} of {sum(c.reports_expected for c in self.cpis)}"
        return (
            f"RunResult({len(self.cpis)} CPIs: {resolved} of {self.errors_m.size} targets resolved, "
            f"median error {median}, sum SE {se:.2f} bit/s/Hz, {fused} reports fused)"
        )
