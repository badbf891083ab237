"""What is told of a scene: of each target where it is, or why that is not known."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    DOUBT_LEAD,
    DOUBT_SHARE,
    FEW_PAIRS,
    FEWEST_PAIRS,
    LEAST_LEAD,
    NEIGHBOUR_BEAMS,
    SAFE_LEAD,
    STILL_GAIN,
    UNCHANGED,
    WEAK_POWER,
)
from models.estimation.likelihood import Echoes, degrees_of_freedom
from models.estimation.looks import Looker, misfit_limit, power_at
from models.estimation.mixture import Amplitude, fit
from models.estimation.motion import drift
from models.estimation.peaks import coarse_peaks
from models.estimation.phases import Phases, Told, profile, turned
from models.estimation.places import beam_m
from models.estimation.scene import Found, Scene
from models.observation import Estimate

__all__ = ["Verdict"]

Float = NDArray[np.float64]
UNEXPLAINED = ("moving", "misfit")  # reasons that leave power which no lobe explains
UNDECIDED = ("ambiguous", "weak")  # reasons for which one of the lobes explains what there is


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on the targets of a scene.

    Attributes
    ----------
    looker
        Looks at a target again.
    scene
        The targets, of which none is missing.
    """

    looker: Looker
    scene: Scene

    def estimate(self) -> Estimate:
        """Return the estimate, strongest target first; what is not resolved at the position that `_unresolved` says."""
        rows = [self._row(s) for s in range(len(self.scene))]
        rows = [row._replace(reason=row.reason or self._doubt(rows, s)) for s, row in enumerate(rows)]
        phases = _of_all_aps(self.scene.echoes, self.scene.told(*(s for s, row in enumerate(rows) if row.reason)))
        rows.sort(key=lambda row: -row.power)
        return Estimate(
            phases_rad=phases and phases[0],
            phase_covariance_rad2=phases and phases[1],
            positions_m=np.array([row.position_m for row in rows]).reshape(-1, 2),
            covariance_m2=np.array([row.covariance_m2 for row in rows]).reshape(-1, 2, 2),
            resolved=np.array([row.reason is None for row in rows], dtype=bool),
            amplitudes=np.array([row.kappa_m2 for row in rows], dtype=complex),
            reasons=tuple(row.reason for row in rows),
            limited=self.scene.echoes.effort.limited,
        )

    def _row(self, s: int) -> "_Row":
        """Return what is reported of a target."""
        assert self.scene.covariance_m2 is not None
        alone, target = self.scene.residual(s), self.scene.targets[s]
        power = power_at(alone, target.position_m)
        reason = self._reason(_as_found(alone, target), target, power)
        position, covariance = target.position_m, self.scene.covariance_m2[s]
        if reason:
            position, covariance = self._unresolved(s, alone, reason)
        structured = fit(alone, "structured", position[None, None])
        kappa = complex(structured.amplitudes.ravel()[0]) * alone.amplitude_unit_m2
        return _Row(power, position, covariance, kappa, reason, target.model)

    def _unresolved(self, s: int, alone: Echoes, reason: str) -> tuple[Float, Float]:
        """Return position and covariance of a target that is not resolved.

        That is its non-coherent peak; but where a lobe explains it, the most likely one, the maximum of the likelihood.
        The covariance is that of the peak in any case, and the way from there to the lobe.
        """
        target = self.scene.targets[s]
        coarse = coarse_peaks(alone, target.position_m[None], self.looker.watch.area)
        if not len(coarse.power):
            return target.position_m, self.scene.covariance_m2[s]  # type: ignore[index]
        peak, covariance = coarse.positions_m[0], coarse.covariance_m2[0]
        lobe = self._likeliest_lobe(s, reason)
        if lobe is None:
            return peak, covariance
        return lobe, covariance + np.outer(lobe - peak, lobe - peak)

    def _likeliest_lobe(self, s: int, reason: str) -> Float | None:
        """Return where the most likely lobe of a target is, if all places where one may be were searched."""
        target = self.scene.targets[s]
        if target.model != "noncoherent":
            return target.position_m if target.lead > -np.inf else None
        if reason not in UNDECIDED:
            return None
        _, _, lobes = self.looker.looked(self.scene, s)
        return lobes.state[0, :2] if lobes.whole and len(lobes.power) else None

    def _reason(self, alone: Echoes, target: Found, power: float) -> str | None:
        """Return why a target is not resolved, or None if it is; `models.observation.REASONS`."""
        doubtful = alone.effort.exhausted or alone.n_pairs < FEW_PAIRS
        least = SAFE_LEAD if doubtful else DOUBT_LEAD if alone.spurious > UNCHANGED else LEAST_LEAD
        if target.model != "noncoherent" and target.lead > least:
            found = drift(alone, target.position_m[None]) if target.model == "structured" else None
            return "moving" if found is not None and found.gain > STILL_GAIN else None
        if target.reason:
            return target.reason
        if alone.effort.limited:
            return "limited"
        if power - degrees_of_freedom(alone) < WEAK_POWER:
            return "weak"
        return "misfit" if target.left > misfit_limit(alone, self.looker.model) else "ambiguous"

    def _doubt(self, rows: "list[_Row]", s: int) -> str | None:
        """Return why a target that has a lobe is not trusted for what is known of the others, or None.

        It may be a part of what the best lobe of another leaves. Beside another that no lobe explains, that moved, or
        for which the search ended at its limit, its lobe must be further ahead, unless the other is far weaker; beside
        one that moved out of its lobe, and for few pairs of APs, no lobe is far enough ahead. Where all searching
        ended, what is weaker than such a target, or near it, is not trusted in any case.
        """
        target, mine = self.scene.targets[s], rows[s].power
        misfits = [t.left for t, row in zip(self.scene.targets, rows, strict=True) if row.reason in UNEXPLAINED]
        if mine < max(misfits, default=0.0):
            return "misfit"
        noise = degrees_of_freedom(self.scene.echoes)
        reach = NEIGHBOUR_BEAMS * beam_m(self.scene.echoes, target.position_m)
        few = self.scene.echoes.n_pairs < FEWEST_PAIRS
        for other in (row for row in rows if row.reason in (*UNEXPLAINED, "limited")):
            reason = "limited" if other.reason == "limited" else "misfit"
            moved = other.reason == "moving" and other.model == "noncoherent"
            if (moved or few or target.lead < DOUBT_LEAD) and other.power - noise > DOUBT_SHARE * (mine - noise):
                return reason
            near = np.linalg.norm(other.position_m - target.position_m) < reach
            if reason == "limited" and self.scene.echoes.effort.exhausted and (near or mine < other.power):
                return reason
        return None


class _Row(NamedTuple):
    """What is reported of a target."""

    power: float
    position_m: Float
    covariance_m2: Float
    kappa_m2: complex
    reason: str | None
    model: Amplitude


def _as_found(echoes: Echoes, target: Found) -> Echoes:
    """Return the echoes without the phases of the APs that explain a target."""
    if echoes.phase_root is None:
        return echoes
    return turned(echoes, profile(echoes, target.position_m[None, None]).phase_rad[0])


def _of_all_aps(echoes: Echoes, told: Told | None) -> tuple[Float, Float] | None:
    """Return the phases of all APs, shape (n_aps,), and their covariance; None where these are not in question."""
    if echoes.phase_root is None:
        return None
    phases = told.phases if told else Phases(np.zeros(len(echoes.phase_root)), echoes.phase_root)
    aps, n_aps = np.concatenate([echoes.receivers, echoes.transmitters]), echoes.network.n_aps
    mean, covariance = np.zeros(n_aps), np.zeros((n_aps, n_aps))
    mean[aps], covariance[np.ix_(aps, aps)] = phases.mean_rad, phases.root @ phases.root.T
    return mean, covariance
