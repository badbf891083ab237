"""Calibration of phases as the central processor conducts it: when pilots are sent, and what follows from them.

A round takes as many CPIs as its pilots need slots. When all its CPIs are fused, every AP is told what was found beyond
what it corrects already. Between rounds the phases wander on, and what is known of them becomes less by the law of each
oscillator. A round begins every so often, or when the phases of resolved targets do not fit any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from emulator.agreement import agreeing, without
from emulator.front_end import FrontEnd
from emulator.messages import NO_CORRECTION, STARTED_ANEW, PilotReport
from emulator.pilots import direct_inner
from emulator.slot import CpiPlan
from models.calibration.base import UNKNOWN_RAD2, Corrections, Measurements, PhaseCalibration, PilotSlot
from models.calibration.coherence import CoherenceDetector, CoherenceState, coherence_loss
from models.doors import piloted
from models.network import Mode, ModeAssignment, Network
from models.observation import Estimate, Observation
from models.oscillators.base import Oscillator
from models.readonly import sealed

__all__ = ["Calibrated", "Calibrator", "Knowledge", "Round"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]
Bool = NDArray[np.bool_]
Complex = NDArray[np.complex128]
BY_NOISE = "weak"
"""Why a target is not resolved although the phases may be right."""
HEARD_SNR = 16.0
"""Power of a pilot over that of the noise from which on it counts as heard: noise has more once in 10^7 pilots."""
QUARTER_TURN, TINY = 0.5 * np.pi, 1e-300
MOST_KEPT = 3
"""Calibrations that are remembered."""
PATIENCE_CPIS = 3
"""CPIs on end in which nothing is resolved any more, before the phases are taken for lost."""


class Round(NamedTuple):
    """A calibration that is under way."""

    waiting: tuple[PilotSlot, ...]
    """Pilots whose CPI is not planned yet."""
    open_cpis: tuple[int, ...]
    """CPIs that are planned and not fused yet."""
    inner: Complex
    """What came, [receiver, sender], shape (n_aps, n_aps); NaN where nothing did."""
    times_ns: tuple[int, ...] = ()
    """Start of the first and end of the last of the slots so far."""
    jumped: tuple[int, ...] = ()
    """APs whose phases are others than in the first CPI: they are not measured."""
    has_anew: bool = False
    """Whether an AP said meanwhile that its oscillator started anew."""

    @classmethod
    def of(cls, pilots: tuple[PilotSlot, ...], n_aps: int) -> Self:
        """Return a round that begins."""
        return cls(pilots, (), np.full((n_aps, n_aps), complex(np.nan, np.nan)))

    @property
    def middle_ns(self) -> int:
        """When the phases are measured, on average."""
        return (self.times_ns[0] + self.times_ns[-1]) // 2


class Calibrated(NamedTuple):
    """What a calibration left."""

    from_cpi: int
    """The first CPI in which its corrections count."""
    measured_ns: int
    """When the phases were known."""
    covariance_rad2: Float
    """Of the errors then, of tau, then of rho, shape (2 n_aps, 2 n_aps), once all have applied what they are told."""
    number: int
    """Counts calibrations, from 1 on."""
    told: Bool
    """Who was told a correction, shape (n_aps,); of the others nothing new is known."""
    odd: tuple[int, ...] = ()
    """APs that were left out, as what they measured contradicts the others."""


class Knowledge(NamedTuple):
    """What the central processor knows of the phases; data, as it is kept from CPI to CPI."""

    due_ns: int = 0
    """When the next round is due; -1 for never."""
    calibrated: tuple[Calibrated, ...] = ()
    """The last calibrations: a CPI that is fused may be older than the latest."""
    applied: tuple[int, ...] = ()
    """Number of the last correction that each AP said to have applied; empty before any said so."""
    round: Round | None = None
    coherence: CoherenceState = CoherenceState()
    """What targets said of the phases since."""
    misfits: int = 0
    """CPIs on end in which targets were found, as before, and none was resolved."""
    has_resolved: bool = False
    """Whether a target was resolved since the phases were known."""
    is_lost: bool = False
    """Whether a round was asked for because coherence is lost."""

    @property
    def next_number(self) -> int:
        """Number of the next calibration."""
        return self.calibrated[-1].number + 1 if self.calibrated else 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    """Conducts calibrations. Without a state: what lasts is `Knowledge`, which the central processor keeps.

    Attributes
    ----------
    network
        The survey.
    noise_power_w
        Noise of a sample.
    calibration
        What is measured, and what follows from it.
    front_ends
        What the phases of each AP do, in the order of the network; None for one that is exact.
    period_ns
        Time from one round to the next; None for a first round alone.
    detector
        Says when coherence is lost; None for not asking.
    survey_std_m
        Standard deviation of the error of each coordinate of the surveyed APs.
    """

    network: Network
    noise_power_w: float
    calibration: PhaseCalibration
    front_ends: tuple[FrontEnd | None, ...]
    period_ns: int | None = None
    detector: CoherenceDetector | None = None
    survey_std_m: float = 0.0

    # -- rounds ---------------------------------------------------------------------------------------------------

    def begun(self, known: Knowledge, start_ns: int, alive: NDArray[np.bool_]) -> Knowledge:
        """Return what is known when a CPI is planned that starts then: a round begins if one is due."""
        is_due = known.is_lost or 0 <= known.due_ns <= start_ns
        if known.round is not None or not is_due:
            return known
        pilots = piloted(self.calibration, self.network, np.flatnonzero(alive).tolist())
        due_ns = -1 if self.period_ns is None else start_ns + self.period_ns
        if not (pilots or self.calibration.needs_truth):
            return known._replace(due_ns=due_ns, is_lost=False)
        return known._replace(due_ns=due_ns, round=Round.of(pilots, self.network.n_aps))

    def is_told(self, known: Knowledge) -> bool:
        """Return whether the APs are told their phases, in place of pilots."""
        return known.round is not None and self.calibration.needs_truth

    def pilots(self, known: Knowledge, n_slots: int) -> tuple[PilotSlot, ...]:
        """Return the pilots of the next CPI, at most one a slot."""
        return known.round.waiting[:n_slots] if known.round is not None else ()

    def modes(self, pilots: Sequence[PilotSlot]) -> ModeAssignment:
        """Return the modes in a CPI of pilots: who sends any transmits, and listens in the slots of others."""
        senders = {pilot.transmitter for pilot in pilots}
        return ModeAssignment(tuple(Mode.TRANSMIT if i in senders else Mode.RECEIVE for i in range(self.network.n_aps)))

    def planned(self, known: Knowledge, plan: CpiPlan) -> Knowledge:
        """Return what is known when the pilots of a CPI are planned."""
        this = known.round
        assert this is not None, "only a round has pilots"
        times_ns = (*this.times_ns[:1], plan.slots[0].start_ns, plan.slots[-1].end_ns)
        left = this.waiting[len(plan.slots) :]
        return known._replace(
            round=this._replace(waiting=left, open_cpis=(*this.open_cpis, plan.cpi), times_ns=times_ns)
        )

    def gathered(self, known: Knowledge, plan: CpiPlan, reports: Mapping[str, PilotReport]) -> Knowledge:
        """Return what is known when the reports of a CPI of pilots are in."""
        this = known.round
        assert this is not None, "only a round has pilots"
        inner = this.inner.copy()
        for name, report in reports.items():
            receiver = self.network.ap_names.index(name)
            for position, value in zip(report.positions, report.inner, strict=True):
                inner[receiver, plan.pilots[position].transmitter] = value
        still_open = tuple(cpi for cpi in this.open_cpis if cpi != plan.cpi)
        return known._replace(round=this._replace(open_cpis=still_open, inner=sealed(inner)))

    def is_over(self, known: Knowledge) -> bool:
        """Return whether all that a round of pilots brings has come."""
        return known.round is not None and not (known.round.waiting or known.round.open_cpis)

    def solved(self, known: Knowledge, from_cpi: int) -> tuple[Corrections, Knowledge]:
        """Return what a round that is over tells of the phases, and what is known once that counts."""
        this = known.round
        assert this is not None, "only a round can be over"
        found, odd = agreeing(self.calibration, self._measured(this))
        left = self._with_uncovered(known, found, from_cpi, this.middle_ns)
        told = sealed(np.asarray(found.covered.any(axis=0)))
        last = Calibrated(from_cpi, this.middle_ns, sealed(left), known.next_number, told, odd)
        return found, self._afresh(known, last)

    def told(self, known: Knowledge, cpi: int, start_ns: int) -> Knowledge:
        """Return what is known when the APs are told their phases at the start of a CPI."""
        nothing = np.zeros((2 * self.network.n_aps, 2 * self.network.n_aps))
        everyone = sealed(np.ones(self.network.n_aps, dtype=bool))
        return self._afresh(known, Calibrated(cpi, start_ns, sealed(nothing), known.next_number, everyone))

    def foreseen(self, energy_w: Float) -> Knowledge:
        """Return what will be known after a first round whose pilots come along the direct paths, without noise.

        ``energy_w`` is the sum of the squares of the samples of each AP's pilot, shape (n_aps,). Time is counted from
        the round; where nothing is calibrated, from the start of the run.
        """
        n_aps = self.network.n_aps
        if self.calibration.needs_truth:
            return self.told(Knowledge(), 0, 0)._replace(applied=(1,) * n_aps)
        pilots = piloted(self.calibration, self.network, range(n_aps))
        if not pilots:
            return Knowledge()
        first = Round.of((), n_aps)._replace(times_ns=(0, 0))
        for sender, receivers in pilots:
            first.inner[list(receivers), sender] = direct_inner(self.network, sender, energy_w[sender], receivers)
        return self.solved(Knowledge(round=first), 0)[1]._replace(applied=(1,) * n_aps)

    def _afresh(self, known: Knowledge, calibrated: Calibrated) -> Knowledge:
        kept = (*known.calibrated, calibrated)[-MOST_KEPT:]
        came_too_late = known.round is not None and known.round.has_anew and self._anew(known)[~calibrated.told].any()
        return Knowledge(
            due_ns=known.due_ns, calibrated=kept, applied=known.applied, is_lost=self._asks and bool(came_too_late)
        )

    @property
    def _asks(self) -> bool:
        """Whether a calibration is asked for where one is missing."""
        return self.detector is not None

    def _measured(self, this: Round) -> Measurements:
        """Return what came of pilots, without what may be noise alone: an AP that is silent sends none."""
        inner = this.inner
        snr = np.abs(inner) ** 2 / self.noise_power_w
        heard = np.nan_to_num(snr) > HEARD_SNR
        found = Measurements(
            network=self.network, inner=np.where(heard, inner, np.nan), snr=np.where(heard, snr - 1.0, np.nan)
        )
        return without(found, this.jumped)

    def _with_uncovered(self, known: Knowledge, found: Corrections, cpi: int, now_ns: int) -> Float:
        """Return the covariance after a round: of what it does not tell, what it was."""
        before, covered = self._all_rad2(known, cpi, now_ns), found.covered.ravel()
        left = found.covariance_rad2 if self.calibration.tells_both else self._with_sums(found.covariance_rad2, before)
        return _of_parts(covered, left, before)

    def _with_sums(self, differences_rad2: Float, before_rad2: Float) -> Float:
        """Return the covariance where tau - rho alone was measured, for what it was before.

        tau + rho stays as it was. A phase theta that may have been more than a quarter turn off, of which half of
        tau - rho tells nothing, may now be half a turn off.
        """
        n_aps = self.network.n_aps
        tau, cross, rho = before_rad2[:n_aps, :n_aps], before_rad2[:n_aps, n_aps:], before_rad2[n_aps:, n_aps:]
        sums = tau + cross + cross.T + rho
        theta_std_rad = 0.5 * np.sqrt(np.maximum(np.diag(tau - cross - cross.T + rho), 0.0))
        beyond = scipy.special.erfc(QUARTER_TURN / np.maximum(np.sqrt(2.0) * theta_std_rad, TINY))
        half_turns = np.kron([[1.0, -1.0], [-1.0, 1.0]], np.diag(np.pi**2 * beyond))
        return differences_rad2 + 0.25 * np.kron(np.ones((2, 2)), sums) + half_turns

    def heard(self, known: Knowledge, applied: Mapping[str, int]) -> Knowledge:
        """Return what is known when APs say, by name, which corrections they had applied in the CPI that is fused."""
        names, before = self.network.ap_names, self._applied(known)
        now = tuple(applied.get(name, was) for name, was in zip(names, before, strict=True))
        changed = tuple(i for i, (was, new) in enumerate(zip(before, now, strict=True)) if was != new)
        has_anew, this = any(now[i] == STARTED_ANEW for i in changed), known.round
        if this is None:
            return known._replace(applied=now, is_lost=known.is_lost or (has_anew and self._asks))
        jumped = changed if np.isfinite(this.inner).any() else ()
        this = this._replace(jumped=this.jumped + jumped, has_anew=this.has_anew or has_anew)
        return known._replace(applied=now, round=this)

    def _applied(self, known: Knowledge) -> tuple[int, ...]:
        return known.applied or (NO_CORRECTION,) * self.network.n_aps

    def _anew(self, known: Knowledge) -> Bool:
        """Return whose oscillator started anew and was not corrected since, shape (n_aps,)."""
        return np.array(self._applied(known)) == STARTED_ANEW

    # -- what is known of the phases ---------------------------------------------------------------------------------

    def covariance_rad2(self, known: Knowledge, cpi: int, assignment: ModeAssignment, now_ns: int) -> Float | None:
        """Return the covariance of the phases of the APs in their roles, (n_aps, n_aps); None where all are exact.

        Parameters
        ----------
        known
            What is known.
        cpi, now_ns
            The CPI, and a time in it.
        assignment
            The modes of the APs: of a receiver that of rho counts, else that of tau.

        An error of the survey along the way to a target is one of the phase: its variance (k survey_std_m)^2 is added.
        It counts as independent of what it was during a calibration, along other ways.
        """
        if not any(self.front_ends) and not known.calibrated and self.survey_std_m == 0.0:
            return None
        n_aps, modes = self.network.n_aps, assignment.modes
        roles = np.array([i + n_aps if mode is Mode.RECEIVE else i for i, mode in enumerate(modes)])
        found = self._all_rad2(known, cpi, now_ns)[roles[:, None], roles]
        if self.survey_std_m:
            found = found + (self.network.wavenumber_rad_m * self.survey_std_m) ** 2 * np.eye(self.network.n_aps)
        return found if found.any() else None

    def _all_rad2(self, known: Knowledge, cpi: int, now_ns: int) -> Float:
        """Return the covariance of tau, and then of rho, of all APs, at a time in a CPI."""
        counting = tuple(each for each in known.calibrated if each.from_cpi <= cpi)
        found = self._after_rad2(counting, np.array(self._applied(known)), now_ns)
        anew = self._anew(known)
        return _of_parts(np.tile(anew, 2), self._anew_rad2, found) if anew.any() else found

    def _after_rad2(self, calibrated: tuple[Calibrated, ...], applied: Index, now_ns: int) -> Float:
        """Return the covariance after calibrations: that of the last one each AP has applied, by the numbers of these.

        Who was told nothing counts as one that has, as its part of the covariance is what it was.
        """
        if not calibrated:
            return self._unmeasured_rad2(1e-9 * now_ns)
        *before, last = calibrated
        has = np.tile((applied >= last.number) | ~last.told, 2)
        since = self._since_rad2(last, now_ns)
        if has.all():
            return since
        return _of_parts(has, since, self._after_rad2(tuple(before), applied, now_ns))

    def _since_rad2(self, last: Calibrated, now_ns: int) -> Float:
        """Return the covariance after a calibration that all have applied."""
        since_s = 1e-9 * max(now_ns - last.measured_ns, 0)
        of_kind = [0.0 if end is None else end.drift_rad2(since_s) for end in self._kinds.values()]
        return self._of_oscillators(np.array(of_kind)[self._kind_of]) + last.covariance_rad2

    def _unmeasured_rad2(self, time_s: float) -> Float:
        """Return the covariance of tau and rho at a time before anything was measured."""
        of_kind = [0.0 if end is None else end.unmeasured_rad2(time_s) for end in self._kinds.values()]
        return self._of_oscillators(np.array(of_kind)[self._kind_of]) + self._chains_rad2

    @cached_property
    def _anew_rad2(self) -> Float:
        """Covariance of tau and rho of APs whose oscillators have just started anew, each with any phase."""
        return np.kron([[1.0, -1.0], [-1.0, 1.0]], UNKNOWN_RAD2 * np.eye(self.network.n_aps)) + self._chains_rad2

    @cached_property
    def _chains_rad2(self) -> Float:
        """Covariance of the chains, before anything was measured."""
        std_rad = [(0.0, 0.0) if end is None else end.chains_std_rad for end in self.front_ends]
        return np.diag(np.square(std_rad).T.ravel())

    def _of_oscillators(self, variance_rad2: Float) -> Float:
        """Return the covariance of tau and rho for variances of theta; that of a shared reference is common to all."""
        std_rad = np.concatenate([np.sqrt(variance_rad2)] * 2)
        return self._common * std_rad[:, None] * std_rad

    @cached_property
    def _kinds(self) -> dict[Oscillator | None, FrontEnd | None]:
        """One front end for each law of oscillators that there is."""
        return {None if end is None else end.oscillator: end for end in self.front_ends}

    @cached_property
    def _kind_of(self) -> list[int]:
        """Which of them each AP has."""
        places = {law: i for i, law in enumerate(self._kinds)}
        return [places[None if end is None else end.oscillator] for end in self.front_ends]

    @cached_property
    def _common(self) -> Float:
        """Correlation of tau and rho of all APs, for oscillators of which some may be the same."""
        references = np.array([None if end is None else end.reference for end in self.front_ends], dtype=object)
        return np.kron([[1.0, -1.0], [-1.0, 1.0]], np.equal.outer(references, references).astype(float))

    # -- whether it still holds ------------------------------------------------------------------------------------

    def looked_at(self, known: Knowledge, cpi: int, observation: Observation | None, estimate: Estimate) -> Knowledge:
        """Return what is known when the targets of a CPI have been located: coherence may be found lost.

        A CPI in which the last corrections did not count yet says nothing of them.
        """
        is_old = bool(known.calibrated) and cpi < known.calibrated[-1].from_cpi
        if self.detector is None or observation is None or known.round is not None or known.is_lost or is_old:
            return known
        resolved = np.asarray(estimate.resolved, dtype=bool)
        has_resolved = bool(known.has_resolved or resolved.any())
        fails = has_resolved and not resolved.any() and any(why not in (None, BY_NOISE) for why in estimate.reasons)
        misfits = known.misfits + 1 if fails else 0
        coherence = self.detector.update(known.coherence, coherence_loss(observation, estimate))
        is_lost = misfits >= PATIENCE_CPIS or self.detector.lost(coherence)
        return known._replace(coherence=coherence, misfits=misfits, has_resolved=has_resolved, is_lost=is_lost)


def _of_parts(members: Bool, inside_rad2: Float, outside_rad2: Float) -> Float:
    """Return a covariance that among members is the one, among the others the other, and 0 between them."""
    both = members[:, None] & members
    return np.where(both, inside_rad2, np.where(members[:, None] | members, 0.0, outside_rad2))
