"""Whether the access points are still coherent: from how the phases of the pairs fit the targets found.

The echoes of a target on n pairs of APs explain the power T_nc with any phases, and T_c with one phase for all and real
amplitudes that are free. With psi the phase of a pair against what the position predicts and a = |v|^2 / D its power,

    gamma = |sum a e^{2j psi}| / sum a = (2 T_c - T_nc) / T_nc,    X = 2 (T_nc - T_c) = T_nc (1 - gamma)

gamma is 1 where all phases agree, about 0 where none do. X is the ratio of likelihoods: chi-squared with n - 3 degrees
of freedom where phases are right, as the position and one phase are fitted. Scattering of any strength, and of either
sign, does not raise it; what an error of phase does, a target that moves does as well.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from models.calibration.settings import check_between
from models.estimation.detection import noise_levels
from models.estimation.likelihood import Echoes, coherent_free_power, degrees_of_freedom, noncoherent_power, phasors
from models.estimation.localisation import search_lobes
from models.estimation.peaks import coarse_peaks
from models.estimation.scene import Found, Scene
from models.network import Area
from models.observation import Estimate, Observation

__all__ = ["Coherence", "CoherenceDetector", "CoherenceState", "coherence_loss"]

Float = NDArray[np.float64]
FITTED = 3
"""Of the phases of a target: two coordinates and one phase of all pairs."""
NO_MATTER_OF_PHASE = ("moving", "limited")
"""Reasons of targets that are not resolved and tell nothing of the phases of the APs."""


class Coherence(NamedTuple):
    """How coherent the echoes of each target looked at are; arrays of shape (n,)."""

    statistic: Float
    """X, chi-squared where phases are right."""
    degrees_of_freedom: int
    """Of a single one; 0 if the pairs of APs are too few to tell."""
    power: Float
    """T_nc, over the noise power."""

    @property
    def gamma(self) -> Float:
        """Coherence of each target, from 0 to 1."""
        return np.asarray(np.clip(1.0 - self.statistic / np.maximum(self.power, np.finfo(float).tiny), 0.0, 1.0))


def coherence_loss(observation: Observation, estimate: Estimate) -> Coherence:
    """Return how coherent the echoes of targets are, each looked at with the others taken away.

    A target that is resolved is looked at where it is. One that is not may be so for its phases: its best lobe is
    looked for, which fits at least as well as the right one. Those that moved, or whose search ended at its limit, tell
    nothing of phases and are left out, as are those with too many lobes to look at. Where targets or reflectors are
    known to be, ``Estimate.at`` their positions tells more: of a weak echo some lobe fits, whatever the phases. Where
    echoes of two targets overlap X is smaller than its law: what is taken away with the one is no misfit of the other.

    Parameters
    ----------
    observation
        The statistics of a CPI.
    estimate
        What an estimator found in it.
    """
    echoes = Echoes.of(observation, noise_levels(observation))
    freedom = max(0, degrees_of_freedom(echoes) - FITTED)
    scene, found = _scene(echoes, estimate), list[tuple[float, float]]()
    for s in range(len(scene) if freedom else 0):
        if not estimate.reasons or estimate.reasons[s] not in NO_MATTER_OF_PHASE:
            found += _powers(scene.residual(s), scene.targets[s], observation.area)
    anyhow, coherent = np.reshape(found, (-1, 2)).T
    return Coherence(2.0 * np.maximum(anyhow - coherent, 0.0), freedom, anyhow)


def _scene(echoes: Echoes, estimate: Estimate) -> Scene:
    """Return the targets of an estimate, fitted together: real amplitudes where they are resolved."""
    positions = estimate.positions_m
    if not len(positions):
        return Scene(echoes)
    states = np.column_stack([positions, coherent_free_power(echoes, positions)[1]])
    targets = [
        Found("free", state) if resolved else Found("noncoherent", state[:2])
        for state, resolved in zip(states, estimate.resolved, strict=True)
    ]
    return Scene(echoes).refined(targets)


def _powers(echoes: Echoes, target: Found, area: Area) -> list[tuple[float, float]]:
    """Return T_nc and T_c of a target alone, nothing where it cannot be told."""
    position = target.position_m
    if target.model == "noncoherent":
        coarse = coarse_peaks(echoes, position[None], area)
        lobes = search_lobes(echoes, coarse, "free", area) if len(coarse.power) else None
        if lobes is None or not (lobes.whole and len(lobes.power)):
            return []
        position = lobes.state[0, :2]
    anyhow = noncoherent_power(echoes, phasors(echoes.network, position[None]))
    coherent, _ = coherent_free_power(echoes, position[None])
    return [(float(anyhow[0]), float(coherent[0]))]


class CoherenceState(NamedTuple):
    """Sums over CPIs, the last ones counting most; the default is that of nothing seen yet."""

    statistic: float = 0.0
    """Of X of all targets."""
    mean: float = 0.0
    """Of what X is on average where phases are right."""
    variance: float = 0.0
    """Of the sum above."""
    power: float = 0.0
    """Of T_nc."""

    @property
    def probability(self) -> float:
        """That X is as high or higher where phases are right; 1 if nothing was seen.

        A weighted sum of chi-squared numbers is taken as Gamma distributed with their mean and variance.
        """
        if not self.variance > 0.0:
            return 1.0
        scale = self.mean / self.variance
        return float(scipy.special.gammaincc(self.mean * scale, self.statistic * scale))

    @property
    def pair_error_rad(self) -> float:
        """Root mean square of the error of the phase of a pair of APs, as far as it is small; 0 if noise is all."""
        return float(np.sqrt(max(0.0, self.statistic - self.mean) / (2.0 * self.power))) if self.power > 0.0 else 0.0


@dataclass(frozen=True, kw_only=True)
class CoherenceDetector:
    """Says when the phases fit no more.

    It is without a state; the `CoherenceState` is kept by whoever asks, who starts anew after a calibration.

    Attributes
    ----------
    false_alarm_probability
        That phases which are right are said not to be, in a CPI, from 1e-12 to 0.5.
    memory_cpis
        CPIs over which is averaged, 1 to 1000: each counts 1 / memory_cpis of the sum, those before the rest.
    tolerance_rad
        Error of the phase of a pair that is not worth a calibration, from 0 to 1 rad. It is root 2 times that of an AP.
    """

    false_alarm_probability: float = 1e-3
    memory_cpis: float = 1.0
    tolerance_rad: float = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_between(self, "false_alarm_probability", 1e-12, 0.5)
        check_between(self, "memory_cpis", 1.0, 1000.0)
        check_between(self, "tolerance_rad", 0.0, 1.0, "rad")

    def update(self, state: CoherenceState, seen: Coherence) -> CoherenceState:
        """Return the state with one more CPI; one without resolved targets changes nothing."""
        n = len(seen.statistic) * seen.degrees_of_freedom
        if not n:
            return state
        new = 1.0 / self.memory_cpis
        old = 1.0 - new
        return CoherenceState(
            statistic=old * state.statistic + new * float(seen.statistic.sum()),
            mean=old * state.mean + new * n,
            variance=old**2 * state.variance + new**2 * 2.0 * n,
            power=old * state.power + new * float(seen.power.sum()),
        )

    def lost(self, state: CoherenceState) -> bool:
        """Return whether coherence is lost: the misfit is no chance, and worth a calibration."""
        by_chance = state.probability >= self.false_alarm_probability
        return not by_chance and state.pair_error_rad > self.tolerance_rad
