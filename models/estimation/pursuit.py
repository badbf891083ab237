"""From echoes to targets: find one, take it away, look again, and go back over the earlier ones.

A target more, or one fewer, must change the explained power by what a target is worth. A jump to another lobe, another
model of the amplitude, or two targets in the place of one must raise the score: explained power less what the unknowns
of the amplitudes explain of noise.

The lead of a lobe is the logarithm of its odds against all other lobes together. How often one that is decided for is
wrong is counted by `python -m benchmarks.study_covariance`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    CLUSTER_BEAMS,
    CREDIBLE_SHARE,
    FEWEST_PAIRS,
    LARGEST_CLUSTER,
    LEAST_LEAD,
    LEAST_PAIR_POWER,
    LEAST_PROGRESS,
    MAX_REPAIRS,
    MAX_ROUNDS,
    MAX_TARGETS,
    MOTION_GAIN,
    MOTION_LEAVES,
    N_FREE_LOBES,
    NEIGHBOUR_BEAMS,
    PAIR_MARGIN,
    PAIR_SHARE,
    RELAX_CYCLES,
    SAFE_LEAD,
    SPLIT_GAIN,
    UNCHANGED,
    UNCHANGED_LEAD,
    WEAK_POWER,
)
from models.estimation.likelihood import Echoes, degrees_of_freedom
from models.estimation.localisation import Fine, polish_lobes, too_wide
from models.estimation.looks import Looker, is_clear, least_move_m, misfit_limit, power_at, price
from models.estimation.mixture import Amplitude
from models.estimation.motion import drift
from models.estimation.pairs import best_pair, pair_guesses
from models.estimation.peaks import Coarse, coarse_peaks, with_mirror_images
from models.estimation.places import beam_m
from models.estimation.scene import Found, Look, Scene

__all__ = ["Pursuit"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pursuit:
    """The loop of the two-stage estimator.

    Attributes
    ----------
    looker
        Looks at one target at a time.
    """

    looker: Looker

    def run(self, echoes: Echoes) -> Scene:
        """Return the scene in which no target is missing, as far as the map tells."""
        scene = Scene(echoes)
        for _ in range(MAX_ROUNDS):
            scene = self._relaxed(self._grown(scene))
            otherwise = self._explained_otherwise(scene)
            settled = otherwise.power == scene.power
            scene = otherwise
            if settled:
                return self._pruned(scene)
        return self._pruned(self._relaxed(scene))

    def _grown(self, scene: Scene) -> Scene:
        """Return the scene with targets added until the residual map is quiet."""
        while len(scene) < MAX_TARGETS and not scene.echoes.effort.exhausted:
            residual = scene.residual()
            peaks = self.looker.watch.detect(residual)
            if peaks is None:
                break
            cluster = self._cluster(scene, peaks)
            if cluster:
                paired = self._best(scene, *self._paired(scene, cluster[0], thorough=False))
                if paired is not scene:
                    scene = paired
                    continue
            if len(cluster) >= LARGEST_CLUSTER:
                break
            grown = scene.refined([*scene.targets, self.looker.best_lobe(residual, peaks, self.looker.model)])
            grown = self._relaxed(grown, quick=True)
            if grown.power < scene.power + price(scene.echoes):
                break
            scene = grown
        return scene

    def _cluster(self, scene: Scene, peaks: Coarse) -> list[int]:
        """Return the targets without a lobe near the highest peak, nearest first: it may be the same target."""
        reach = CLUSTER_BEAMS * beam_m(scene.echoes, peaks.positions_m[0])
        distance = np.linalg.norm(scene.positions_m - peaks.positions_m[0], axis=1)
        near = [int(s) for s in np.argsort(distance) if distance[s] < reach]
        return [s for s in near if scene.targets[s].model == "noncoherent"]

    def score(self, scene: Scene) -> float:
        """Return the explained power less the price of the amplitudes.

        What a model with more unknowns may explain beyond one with fewer is its price, so that a model that fits is
        kept: non-coherent amplitudes have as many unknowns more than free ones as these have more than one of all.
        """
        half = misfit_limit(scene.echoes, "free")
        price = {"structured": 0.0, "free": half, "noncoherent": 2.0 * half}
        return scene.power - sum(price[t.model] for t in scene.targets)

    def _best(self, scene: Scene, *options: Scene) -> Scene:
        """Return the best of a scene and of what may take its place.

        Two targets in the place of one need not explain more than one: that they lead all other pairs is asked for
        instead.
        """
        return max((scene, *options), key=self.score)

    def _relaxed(self, scene: Scene, quick: bool = False) -> Scene:
        """Return the scene after every target was looked at again with the others taken away.

        A ``quick`` look stays where the target is, and at the inner ellipse: more targets may be to come.
        """
        if len(scene) < 2:
            return scene
        for cycle in range(RELAX_CYCLES):
            before = self.score(scene)
            for s in range(len(scene)):
                if not scene.echoes.effort.exhausted:
                    scene = self._reconsidered(scene, s, anywhere=cycle == 0 and not quick, quick=quick)
            if self.score(scene) < before + LEAST_PROGRESS or scene.echoes.effort.exhausted:
                break
        return scene

    def _reconsidered(self, scene: Scene, s: int, anywhere: bool, quick: bool) -> Scene:
        """Return the scene with one target moved to its best lobe, or given up as coherent, if the score grows.

        A target that fits and whose lobe is far ahead, or was compared on nearly the same echoes, is left alone; one
        that does not fit may move ``anywhere``.
        """
        alone, target = scene.residual(s), scene.targets[s]
        if self._settled(alone, target, quick):
            return scene
        coarse = coarse_peaks(alone, target.position_m[None], self.looker.watch.area)
        seen = float(coarse.power.max(initial=0.0))
        fits = target.model != "noncoherent" and self.looker.fits(alone, target, seen)
        if not len(coarse.power) or (fits and self._compared(target, seen)):
            return scene
        if not quick and target.model == "noncoherent" and seen < self._unexplained(scene, s):
            return scene
        peaks = self.looker.watch.detect(alone) if anywhere and not fits else None
        peaks = peaks or with_mirror_images(alone, coarse, self.looker.watch.area)
        elsewhere = peaks.positions_m[0]
        if self.looker.in_vain(alone, target, elsewhere, whole=not quick):
            return scene
        scene, options = self._searched(scene, s, alone, peaks, seen, quick)
        moved = np.linalg.norm(elsewhere - target.position_m) > least_move_m(alone)
        if not fits and (target.model != "noncoherent" or moved):
            options.append(scene.replaced(s, Found("noncoherent", elsewhere)))
        return self._best(scene, *options)

    def _settled(self, alone: Echoes, target: Found, quick: bool) -> bool:
        """Return whether a target fits where it is and its lobe is far ahead, or a quick look would be in vain."""
        if target.lead > SAFE_LEAD and self.looker.fits(alone, target, power_at(alone, target.position_m)):
            return True
        return quick and self.looker.in_vain(alone, target, target.position_m, whole=False)

    def _compared(self, target: Found, seen: float) -> bool:
        """Return whether the lobe of a target is far ahead, or was compared on nearly the same echoes."""
        spare = max(UNCHANGED, UNCHANGED_LEAD * (target.lead - LEAST_LEAD))
        return target.lead > SAFE_LEAD or abs(seen - target.seen) < spare

    def _searched(
        self, scene: Scene, s: int, alone: Echoes, peaks: Coarse, seen: float, quick: bool
    ) -> tuple[Scene, list[Scene]]:
        """Return the scene with what the lobes about some peaks tell of a target, and with its best lobe instead."""
        target = scene.targets[s]
        model: Amplitude = "free" if target.model == "free" else self.looker.model
        known = target.position_m if target.model == model else None
        glanced = self.looker.in_vain(alone, target, peaks.positions_m[0], whole=False)
        lobes = self.looker.lobes(alone, peaks, model, known, "inner" if quick else "all" if glanced else "both")
        if target.model == "noncoherent":
            scene = scene.marked(s, look=Look(alone.cross, peaks, lobes))
        if quick and not lobes.whole:
            return scene, []
        if not len(lobes.power):
            return scene.marked(s, lead=-np.inf), []
        if known is not None and np.linalg.norm(lobes.state[0, :2] - known) < lobes.same_m:
            return scene.marked(s, lead=lobes.lead(), seen=seen), []
        scene = scene.marked(s, lead=lobes.lead(target.position_m), seen=seen)
        best = Found(model, lobes.state[0], lobes.lead(), seen)
        return scene, [scene.replaced(s, best)] if is_clear(lobes) else []

    def _unexplained(self, scene: Scene, s: int) -> float:
        """Return the most that the best lobe of another target leaves: what is weaker may be a part of that.

        Only where all its lobes were looked at: after a quick look the best may still be to come.
        """
        looks = [t.look for i, t in enumerate(scene.targets) if t.look and i != s]
        return max((look.left for look in looks if look.lobes.whole), default=0.0)

    def _explained_otherwise(self, scene: Scene) -> Scene:
        """Return the scene with other explanations of the targets that no single isotropic echo explains.

        All get a quick look before any gets a thorough one.
        """
        for thorough in (False, True):
            tried = [t for t in scene.targets if t.model == "noncoherent" or (thorough and t.model == "free")]
            for target in tried[:MAX_REPAIRS]:
                s = scene.index_of(target)
                if s is not None and not scene.echoes.effort.exhausted:
                    scene = self._otherwise(scene, s, thorough)
        return scene

    def _otherwise(self, scene: Scene, s: int, thorough: bool) -> Scene:
        """Return the scene with a target coherent after all, or of free amplitudes, or two targets in its place.

        One of which the reason is known is none of these, and is marked instead.
        """
        if thorough:
            return scene if scene.targets[s].reason else self._best(scene, *self._paired(scene, s, thorough))
        if power_at(scene.residual(s), scene.positions_m[s]) < self._unexplained(scene, s):
            return scene.marked(s, reason="misfit")
        alone, coarse, lobes = self.looker.looked(scene, s)
        left = float(coarse.power[0] - lobes.power[0]) if len(lobes.power) else np.nan
        options = [scene.replaced(s, option) for option in self._options(alone, coarse, lobes)]
        best = self._best(scene, *options)
        if best is not scene and best.targets[s].model == self.looker.model:
            return best
        look = Look(alone.cross, coarse, lobes)
        scene = scene.marked(s, left=left, look=look, reason=self._known_reason(alone, coarse, lobes, left))
        if scene.targets[s].reason == "moving":
            return scene
        pairs = [] if scene.targets[s].reason else self._paired(scene, s, thorough)
        return self._best(scene, *options, *pairs)

    def _known_reason(self, alone: Echoes, coarse: Coarse, lobes: Fine, left: float) -> str | None:
        """Return why a target has no lobe where no other explanation need be looked for, or None."""
        excess = float(coarse.power[0]) - degrees_of_freedom(alone)
        if left > misfit_limit(alone, self.looker.model):
            if self._moves(alone, lobes, float(coarse.power[0])):
                return "moving"
            if alone.n_pairs < FEWEST_PAIRS or lobes.power[0] < PAIR_SHARE * excess:
                return "misfit"
        elif too_wide(alone, coarse) or (len(lobes.power) and excess > WEAK_POWER):
            return "ambiguous"
        return None if lobes.whole else "limited"

    def _moves(self, echoes: Echoes, lobes: Fine, power: float) -> bool:
        """Return whether a target that moved explains what none at rest does, but for a small share at high power."""
        found = drift(echoes, lobes.state[:, :2])
        if found is None or found.gain < MOTION_GAIN:
            return False
        left = power - found.power
        return left < max(misfit_limit(echoes, "structured"), MOTION_LEAVES * (left + found.gain))

    def _paired(self, scene: Scene, s: int, thorough: bool) -> list[Scene]:
        """Return scenes in which a target is two, alone or together with its nearest neighbour."""
        if self.looker.amplitude == "free" or scene.echoes.n_pairs < FEWEST_PAIRS:
            return []
        power = power_at(scene.residual(s), scene.positions_m[s])
        if power - degrees_of_freedom(scene.echoes) < LEAST_PAIR_POWER:
            return []
        distance = np.linalg.norm(scene.positions_m - scene.positions_m[s], axis=1)
        reach = NEIGHBOUR_BEAMS * beam_m(scene.echoes, scene.positions_m[s])
        neighbours = [i for i in np.argsort(distance) if i != s and distance[i] < reach][:1]
        found = []
        for group in [(s,), *((s, int(i)) for i in neighbours)]:
            alone = replace(scene.residual(*group), phase_root=None)
            neighbour = scene.positions_m[group[1]] if len(group) == 2 else None
            guesses = pair_guesses(alone, scene.positions_m[s], SPLIT_GAIN, neighbour)
            if len(group) == 2:
                guesses = [guess for guess in guesses if len(guess.regions) == 2]
            pair = best_pair(alone, guesses, thorough)
            if pair and pair.lead > PAIR_MARGIN:
                lead = min(pair.lead, SAFE_LEAD)  # each is compared with its own lobes before it is trusted
                found.append(scene.exchanged(group, [Found("structured", p, lead) for p in pair.state]))
        return found

    def _options(self, alone: Echoes, coarse: Coarse, lobes: Fine) -> list[Found]:
        """Return what else a target without a lobe could be: coherent after all, or of free amplitudes."""
        if not len(lobes.power):
            return []
        seen = float(coarse.power[0])
        found = Found(self.looker.model, lobes.state[0], lobes.lead(), seen)
        options = [found] if seen - lobes.power[0] < misfit_limit(alone, self.looker.model) else []
        credible = lobes.power[0] > CREDIBLE_SHARE * (seen - degrees_of_freedom(alone)) or found.lead > SAFE_LEAD
        if self.looker.amplitude == "automatic" and credible and is_clear(lobes) and alone.n_pairs >= FEWEST_PAIRS:
            free = polish_lobes(alone, lobes.state[:N_FREE_LOBES, :2], "free")
            options.append(Found("free", free.state[0], free.lead()))
        return options

    def _pruned(self, scene: Scene) -> Scene:
        """Return the scene without targets that are not worth their price."""
        while len(scene) > 1 and not scene.echoes.effort.exhausted:
            fewer = [scene.without(s) for s in range(len(scene))]
            spare = [
                rest.power + self._worth(scene.echoes, t) - scene.power
                for rest, t in zip(fewer, scene.targets, strict=True)
            ]
            if max(spare) < 0.0:
                break
            scene = fewer[int(np.argmax(spare))]
        return scene

    def _worth(self, echoes: Echoes, target: Found) -> float:
        """Return the explained power that a target must add to be one: what makes it one on the map, or coherently."""
        return self.looker.watch.threshold(echoes) if target.model == "noncoherent" else price(echoes)
