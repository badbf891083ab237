"""From echoes to targets: find one, take it away, look again, and go back over the earlier ones.

Every change of the scene (a target more, a target fewer, a jump to another lobe, another model of the amplitude) is
accepted if it raises the score: explained power less a price for each target that covers what noise alone would
explain with as many unknowns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.detection import excess_threshold
from models.likelihood import Echoes, degrees_of_freedom, noncoherent_power, phasors
from models.localisation import Coarse, coarse_peaks, polish_lobes, search_lobes, strongest_peaks
from models.mixture import Amplitude, fit
from models.network import Area
from models.observation import Estimate
from models.scene import Found, Scene

__all__ = ["Pursuit"]

Float = NDArray[np.float64]
MAX_TARGETS, MAX_NONCOHERENT = 24, 12
TARGET_PRICE = 20.0  # explained power that a target must add
JUMP_GAIN = 0.5  # a lobe must promise this much more for a target to jump to it
SAFE_LEAD = 40.0  # a lobe that is ahead by this much, in a model that fits, is not questioned again
LOBE_MARGIN = 2.0  # a coherent answer needs a lead of this much over the second lobe
MISFIT_PROBABILITY = 1e-4  # of taking a target of the right model for a misfit
RELAX_CYCLES = 2
N_FREE_LOBES = 12  # lobes polished with free amplitudes
CREDIBLE_SHARE = 0.5  # of the power must be explained by isotropic amplitudes for the lobes to mean anything


@dataclass(frozen=True, kw_only=True)
class Pursuit:
    """The loop of the two-stage estimator.

    Attributes
    ----------
    area, step_m
        Where to look, and the step of the map in m.
    threshold
        Non-coherent explained power over sigma^2 above which there is a target.
    amplitude
        "structured", "free" or "automatic".
    """

    area: Area
    step_m: float
    threshold: float
    amplitude: str

    @property
    def model(self) -> Amplitude:
        """The model that targets are first looked for with."""
        return "free" if self.amplitude == "free" else "structured"

    def run(self, echoes: Echoes) -> Scene:
        """Return the scene in which no target is missing, as far as the map tells.

        If not every target fits, the search is done once more in another order: first all targets non-coherently,
        which strong neighbours disturb less, then their lobes.
        """
        scene = self._one_by_one(echoes)
        if not all(self._consistent(scene, s) for s in range(len(scene))):
            scene = self._best(scene, self._all_then_lobes(echoes))
        return self._pruned(self._remodelled(scene))

    def _one_by_one(self, echoes: Echoes) -> Scene:
        """Return the scene found by resolving each target before the next is looked for."""
        scene = Scene(echoes)
        while len(scene) < MAX_TARGETS:
            residual = scene.residual()
            peaks = self.detect(residual)
            if peaks is None:
                break
            lobes = search_lobes(residual, peaks, self.model, self.area)
            grown = scene.refined([*scene.targets, Found(self.model, lobes.state[0], lobes.lead())])
            grown = self._relaxed(grown) if len(grown) > 1 else grown
            if self.score(grown) <= self.score(scene):
                break
            scene = grown
        return scene

    def _all_then_lobes(self, echoes: Echoes) -> Scene:
        """Return the scene found by detecting all targets before any is resolved."""
        scene = Scene(echoes)
        while len(scene) < MAX_NONCOHERENT:
            peaks = self.detect(scene.residual())
            if peaks is None:
                break
            scene = scene.refined([*scene.targets, Found("noncoherent", peaks.positions_m[0])])
        for s in range(len(scene)):
            alone = scene.residual(without=s)
            coarse = coarse_peaks(alone, scene.targets[s].position_m[None], self.area)
            if len(coarse.power):
                lobes = search_lobes(alone, coarse, self.model, self.area)
                scene = scene.replaced(s, Found(self.model, lobes.state[0], lobes.lead()))
        return self._relaxed(self._pruned(scene))

    def detect(self, echoes: Echoes) -> Coarse | None:
        """Return the polished peaks of the map if the highest exceeds the threshold."""
        peaks = strongest_peaks(echoes, self.area, self.step_m, self.threshold)
        coarse = coarse_peaks(echoes, peaks, self.area) if len(peaks) else None
        return coarse if coarse and len(coarse.power) and coarse.power[0] > self.threshold else None

    def score(self, scene: Scene) -> float:
        """Return the explained power less the price of the targets."""
        pairs = degrees_of_freedom(scene.echoes)
        price = {
            "structured": TARGET_PRICE,
            "free": TARGET_PRICE + excess_threshold((pairs - 1) / 2.0, MISFIT_PROBABILITY),
            "noncoherent": TARGET_PRICE + excess_threshold(pairs - 1, MISFIT_PROBABILITY),
        }
        return scene.power - sum(price[t.model] for t in scene.targets)

    def _best(self, *scenes: Scene) -> Scene:
        return max(scenes, key=self.score)

    def _relaxed(self, scene: Scene) -> Scene:
        """Return the scene after every target was looked at again with the others taken away."""
        for cycle in range(RELAX_CYCLES):
            before = scene.power
            for s in range(len(scene)):
                consistent = self._consistent(scene, s)
                if not consistent or scene.targets[s].lead < SAFE_LEAD:
                    scene = self._relocated(scene, s, anywhere=cycle == 0 and not consistent)
            if scene.power < before + LOBE_MARGIN:
                break
        return scene

    def _consistent(self, scene: Scene, s: int) -> bool:
        """Return whether the model of a target explains all that its place can explain."""
        alone = scene.residual(without=s)
        target = scene.targets[s]
        coarse = coarse_peaks(alone, target.position_m[None], self.area)
        if not len(coarse.power):
            return False
        return coarse.power[0] - Scene(alone).refined([target], 0).power < self._misfit_limit(alone, target.model)

    def _misfit_limit(self, echoes: Echoes, model: Amplitude) -> float:
        unknowns = degrees_of_freedom(echoes) - 1.0
        return excess_threshold(unknowns if model == "structured" else unknowns / 2.0, MISFIT_PROBABILITY)

    def _relocated(self, scene: Scene, s: int, anywhere: bool) -> Scene:
        """Return the scene with a target moved to its best lobe, if the score grows."""
        alone, target = scene.residual(without=s), scene.targets[s]
        coarse = self.detect(alone) if anywhere else None
        if coarse is None:
            coarse = coarse_peaks(alone, target.position_m[None], self.area)
        if target.model == "noncoherent" or not len(coarse.power):
            return scene
        lobes = search_lobes(alone, coarse, self.model, self.area)
        stayed = scene.with_lead(s, lobes.lead(target.position_m))
        if stayed.targets[s].lead > -JUMP_GAIN:
            return stayed
        return self._best(stayed, scene.replaced(s, Found(target.model, lobes.state[0], lobes.lead())))

    def _remodelled(self, scene: Scene) -> Scene:
        """Return the scene with the models of amplitude that the data ask for."""
        for s in range(len(scene)):
            if not self._consistent(scene, s):
                scene = self._best(scene, *(scene.replaced(s, option) for option in self._options(scene, s)))
        return scene

    def _options(self, scene: Scene, s: int) -> list[Found]:
        """Return what else a target could be."""
        alone, target = scene.residual(without=s), scene.targets[s]
        coarse = coarse_peaks(alone, target.position_m[None], self.area)
        if not len(coarse.power):
            return []
        options = [Found("noncoherent", coarse.positions_m[0])]
        if self.amplitude == "automatic":
            lobes = search_lobes(alone, coarse, "structured", self.area)
            if lobes.power[0] > CREDIBLE_SHARE * (coarse.power[0] - degrees_of_freedom(alone)):
                free = polish_lobes(alone, lobes.state[:N_FREE_LOBES, :2], "free")
                options.append(Found("free", free.state[0], free.lead()))
        return options

    def _pruned(self, scene: Scene) -> Scene:
        """Return the scene without targets that are not worth their price."""
        while len(scene) > 1:
            fewer = max((scene.without(s) for s in range(len(scene))), key=self.score)
            if self.score(fewer) <= self.score(scene):
                break
            scene = fewer
        return scene

    def report(self, scene: Scene) -> Estimate:
        """Return the estimate, strongest target first; what is not resolved at its non-coherent position."""
        rows = [self._row(scene, s) for s in range(len(scene))]
        rows.sort(key=lambda row: -row[0])
        return Estimate(
            positions_m=np.array([row[1] for row in rows]).reshape(-1, 2),
            covariance_m2=np.array([row[2] for row in rows]).reshape(-1, 2, 2),
            resolved=np.array([row[3] for row in rows], dtype=bool),
            amplitudes=np.array([row[4] for row in rows], dtype=complex),
        )

    def _row(self, scene: Scene, s: int) -> tuple[float, Float, Float, bool, complex]:
        """Return power, position, covariance, whether resolved, and structured amplitude of a target."""
        assert scene.covariance_m2 is not None
        alone, target = scene.residual(without=s), scene.targets[s]
        structured = fit(alone, "structured", target.position_m[None, None])
        kappa = complex(structured.amplitudes.ravel()[0]) * alone.amplitude_unit_m2
        power = float(noncoherent_power(alone, phasors(alone.network, target.position_m[None]))[0])
        if target.model != "noncoherent" and target.lead > LOBE_MARGIN:
            return power, target.position_m, scene.covariance_m2[s], True, kappa
        coarse = coarse_peaks(alone, target.position_m[None], self.area)
        if not len(coarse.power):
            return power, target.position_m, scene.covariance_m2[s], False, kappa
        return power, coarse.positions_m[0], coarse.covariance_m2[0], False, kappa
