"""From echoes to targets: find one, take it away, look again, and go back over the earlier ones.

A target more, or one fewer, must change the explained power by what a target is worth. A jump to another lobe, another
model of the amplitude, or two targets in the place of one must raise the score: explained power less what the unknowns
of the amplitudes explain of noise.

The lead of a lobe is the logarithm of its odds against all other lobes together. How often one that is decided for is
wrong is counted by `python -m benchmarks.study_covariance`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    CLUSTER_BEAMS,
    CREDIBLE_SHARE,
    DOUBT_LEAD,
    DOUBT_SHARE,
    FEW_PAIRS,
    FEWEST_PAIRS,
    LARGEST_CLUSTER,
    LEAST_LEAD,
    LEAST_MOVE_LAMBDA,
    LEAST_PAIR_POWER,
    LEAST_PROGRESS,
    MAX_REPAIRS,
    MAX_ROUNDS,
    MAX_TARGETS,
    MISFIT_PROBABILITY,
    MOTION_GAIN,
    MOTION_LEAVES,
    N_FREE_LOBES,
    NEIGHBOUR_BEAMS,
    PAIR_MARGIN,
    PAIR_SHARE,
    RELAX_CYCLES,
    SAFE_LEAD,
    SPLIT_GAIN,
    STILL_GAIN,
    TARGET_PRICE,
    UNCHANGED,
    UNCHANGED_LEAD,
    WEAK_POWER,
)
from models.estimation.detection import excess_threshold
from models.estimation.likelihood import Echoes, degrees_of_freedom, noncoherent_power, phasors
from models.estimation.localisation import Depth, Fine, polish_lobes, search_lobes, too_wide
from models.estimation.mixture import Amplitude, fit
from models.estimation.motion import drift
from models.estimation.pairs import best_pair, pair_guesses
from models.estimation.peaks import Coarse, Watch, coarse_peaks, with_mirror_images
from models.estimation.phases import Phases, Told, profile, turned
from models.estimation.places import beam_m
from models.estimation.scene import Found, Look, Scene
from models.observation import Estimate

__all__ = ["Pursuit"]

Float = NDArray[np.float64]
UNEXPLAINED = ("moving", "misfit")  # reasons that leave power which no lobe explains
UNDECIDED = ("ambiguous", "weak")  # reasons for which one of the lobes explains what there is


@dataclass(frozen=True, kw_only=True)
class Pursuit:
    """The loop of the two-stage estimator.

    Attributes
    ----------
    watch
        Where to look, and what stands out.
    amplitude
        "structured", "free" or "automatic".
    """

    watch: Watch
    amplitude: str

    @property
    def model(self) -> Amplitude:
        """The model that targets are first looked for with."""
        return "free" if self.amplitude == "free" else "structured"

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
            peaks = self.watch.detect(residual)
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
            grown = scene.refined([*scene.targets, self._best_lobe(residual, peaks, self.model)])
            grown = self._relaxed(grown, quick=True)
            if grown.power < scene.power + _price(scene.echoes):
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
        half = self._misfit_limit(scene.echoes, "free")
        price = {"structured": 0.0, "free": half, "noncoherent": 2.0 * half}
        return scene.power - sum(price[t.model] for t in scene.targets)

    def _best(self, scene: Scene, *options: Scene) -> Scene:
        """Return the best of a scene and of what may take its place.

        Two targets in the place of one need not explain more than one: that they lead all other pairs is asked for
        instead.
        """
        return max((scene, *options), key=self.score)

    def _best_lobe(self, echoes: Echoes, coarse: Coarse, model: Amplitude) -> Found:
        """Return the best lobe around coarse peaks, or the best peak where no lobe explains what it explains.

        A strong target not found yet can make the right lobe look wrong: the target is then kept non-coherently,
        which disturbs the search for others less than a wrong lobe, and looked at again later; so a quick look does.
        """
        seen = float(coarse.power[0])
        enough = seen - self._misfit_limit(echoes, model)
        lobes = self._lobes(echoes, coarse, model, depth="inner")
        if self._clear(lobes) and lobes.power[0] > enough:
            return Found(model, lobes.state[0], lobes.lead(), seen)
        return Found("noncoherent", coarse.positions_m[0], -np.inf, look=Look(echoes.cross, coarse, lobes))

    def _lobes(
        self, echoes: Echoes, coarse: Coarse, model: Amplitude, known_m: Float | None = None, depth: Depth = "both"
    ) -> Fine:
        """Return the best lobes around coarse peaks; none if noise alone explains as much."""
        enough = float(coarse.power[0]) - self._misfit_limit(echoes, model)
        lobes = search_lobes(echoes, coarse, model, self.watch.area, enough, known_m, depth)
        return lobes if lobes.power.max(initial=0.0) > _price(echoes) else lobes.none()

    def _clear(self, lobes: Fine) -> bool:
        """Return whether there is a lobe that is far more likely than all others together, and none was left out."""
        return len(lobes.power) > 0 and lobes.lead() > LEAST_LEAD

    def _misfit_limit(self, echoes: Echoes, model: Amplitude) -> float:
        """Return what a coherent model may leave of the non-coherent power."""
        unknowns = degrees_of_freedom(echoes) - 1.0
        return excess_threshold(unknowns if model == "structured" else unknowns / 2.0, MISFIT_PROBABILITY)

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
        coarse = coarse_peaks(alone, target.position_m[None], self.watch.area)
        seen = float(coarse.power.max(initial=0.0))
        fits = target.model != "noncoherent" and self._fits(alone, target, seen)
        if not len(coarse.power) or (fits and self._compared(target, seen)):
            return scene
        if not quick and target.model == "noncoherent" and seen < self._unexplained(scene, s):
            return scene
        peaks = self.watch.detect(alone) if anywhere and not fits else None
        peaks = peaks or with_mirror_images(alone, coarse, self.watch.area)
        elsewhere = peaks.positions_m[0]
        if self._in_vain(alone, target, elsewhere, whole=not quick):
            return scene
        scene, options = self._searched(scene, s, alone, peaks, seen, quick)
        moved = np.linalg.norm(elsewhere - target.position_m) > _least_move_m(alone)
        if not fits and (target.model != "noncoherent" or moved):
            options.append(scene.replaced(s, Found("noncoherent", elsewhere)))
        return self._best(scene, *options)

    def _settled(self, alone: Echoes, target: Found, quick: bool) -> bool:
        """Return whether a target fits where it is and its lobe is far ahead, or a quick look would be in vain."""
        if target.lead > SAFE_LEAD and self._fits(alone, target, self._power(alone, target.position_m)):
            return True
        return quick and self._in_vain(alone, target, target.position_m, whole=False)

    def _compared(self, target: Found, seen: float) -> bool:
        """Return whether the lobe of a target is far ahead, or was compared on nearly the same echoes."""
        spare = max(UNCHANGED, UNCHANGED_LEAD * (target.lead - LEAST_LEAD))
        return target.lead > SAFE_LEAD or abs(seen - target.seen) < spare

    def _searched(
        self, scene: Scene, s: int, alone: Echoes, peaks: Coarse, seen: float, quick: bool
    ) -> tuple[Scene, list[Scene]]:
        """Return the scene with what the lobes about some peaks tell of a target, and with its best lobe instead."""
        target = scene.targets[s]
        model: Amplitude = "free" if target.model == "free" else self.model
        known = target.position_m if target.model == model else None
        glanced = self._in_vain(alone, target, peaks.positions_m[0], whole=False)
        lobes = self._lobes(alone, peaks, model, known, "inner" if quick else "all" if glanced else "both")
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
        return scene, [scene.replaced(s, best)] if self._clear(lobes) else []

    def _unexplained(self, scene: Scene, s: int) -> float:
        """Return the most that the best lobe of another target leaves: what is weaker may be a part of that.

        Only where all its lobes were looked at: after a quick look the best may still be to come.
        """
        looks = [t.look for i, t in enumerate(scene.targets) if t.look and i != s]
        return max((look.left for look in looks if look.lobes.whole), default=0.0)

    def _in_vain(self, echoes: Echoes, target: Found, position_m: Float, whole: bool) -> bool:
        """Return whether lobes were looked for at a position in vain, and would be again.

        The best lobe left a part of norm sqrt(left) then. A change of the echoes since, of power c at the position,
        makes that shorter by sqrt(c) at most, so no lobe fits as long as

            (sqrt(left) - sqrt(c))^2  >  what noise may leave.
        """
        look = target.look
        if (
            look is None
            or look.lobes.whole < whole
            or np.linalg.norm(position_m - target.position_m) > _least_move_m(echoes)
        ):
            return False
        spare = max(0.0, np.sqrt(max(look.left, 0.0)) - np.sqrt(self._misfit_limit(echoes, self.model)))
        return bool(self._changed(echoes, look, position_m) < max(UNCHANGED, spare**2))

    def _changed(self, echoes: Echoes, look: Look, position_m: Float) -> float:
        """Return the power at a position of what the echoes changed by since a search."""
        return self._power(echoes.minus(look.cross), position_m)

    def _peaks(self, echoes: Echoes, position_m: Float) -> Coarse:
        """Return the non-coherent peak near a position, and those of its mirror images that explain as much."""
        return with_mirror_images(echoes, coarse_peaks(echoes, position_m[None], self.watch.area), self.watch.area)

    def _fits(self, echoes: Echoes, target: Found, seen: float) -> bool:
        """Return whether a coherent target explains all that there is to explain at its place."""
        power = float(fit(echoes, target.model, target.state[None, None]).power[0])
        return bool(seen - power < self._misfit_limit(echoes, target.model))

    def _power(self, echoes: Echoes, position_m: Float) -> float:
        """Return the non-coherent power at a position."""
        return float(noncoherent_power(echoes, phasors(echoes.network, position_m[None]))[0])

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
        if self._power(scene.residual(s), scene.positions_m[s]) < self._unexplained(scene, s):
            return scene.marked(s, reason="misfit")
        alone, coarse, lobes = self._looked(scene, s)
        left = float(coarse.power[0] - lobes.power[0]) if len(lobes.power) else np.nan
        options = [scene.replaced(s, option) for option in self._options(alone, coarse, lobes)]
        best = self._best(scene, *options)
        if best is not scene and best.targets[s].model == self.model:
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
        if left > self._misfit_limit(alone, self.model):
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
        return left < max(self._misfit_limit(echoes, "structured"), MOTION_LEAVES * (left + found.gain))

    def _paired(self, scene: Scene, s: int, thorough: bool) -> list[Scene]:
        """Return scenes in which a target is two, alone or together with its nearest neighbour."""
        if self.amplitude == "free" or scene.echoes.n_pairs < FEWEST_PAIRS:
            return []
        power = self._power(scene.residual(s), scene.positions_m[s])
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

    def _looked(self, scene: Scene, s: int) -> tuple[Echoes, Coarse, Fine]:
        """Return what is left for a target without a lobe, its peak, and the best lobes of that."""
        alone, target = scene.residual(s), scene.targets[s]
        look = target.look
        if look is not None and look.lobes.whole and self._changed(alone, look, target.position_m) < UNCHANGED:
            return alone, look.coarse, look.lobes
        coarse = self._peaks(alone, target.position_m)
        if not len(coarse.power):
            coarse = Coarse(target.position_m[None], np.zeros(1), np.full((1, 2, 2), np.inf))
            return alone, coarse, polish_lobes(alone, np.empty((0, 2)), self.model)
        return alone, coarse, self._lobes(alone, coarse, self.model)

    def _options(self, alone: Echoes, coarse: Coarse, lobes: Fine) -> list[Found]:
        """Return what else a target without a lobe could be: coherent after all, or of free amplitudes."""
        if not len(lobes.power):
            return []
        seen = float(coarse.power[0])
        found = Found(self.model, lobes.state[0], lobes.lead(), seen)
        options = [found] if seen - lobes.power[0] < self._misfit_limit(alone, self.model) else []
        credible = lobes.power[0] > CREDIBLE_SHARE * (seen - degrees_of_freedom(alone)) or found.lead > SAFE_LEAD
        if self.amplitude == "automatic" and credible and self._clear(lobes) and alone.n_pairs >= FEWEST_PAIRS:
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
        return self.watch.threshold(echoes) if target.model == "noncoherent" else _price(echoes)

    def report(self, scene: Scene) -> Estimate:
        """Return the estimate, strongest target first; what is not resolved at the position that `_unresolved` says."""
        rows = [self._row(scene, s) for s in range(len(scene))]
        rows = [row._replace(reason=row.reason or self._doubt(scene, rows, s)) for s, row in enumerate(rows)]
        phases = _of_all_aps(scene.echoes, scene.told(*(s for s, row in enumerate(rows) if row.reason)))
        rows.sort(key=lambda row: -row.power)
        return Estimate(
            phases_rad=phases and phases[0],
            phase_covariance_rad2=phases and phases[1],
            positions_m=np.array([row.position_m for row in rows]).reshape(-1, 2),
            covariance_m2=np.array([row.covariance_m2 for row in rows]).reshape(-1, 2, 2),
            resolved=np.array([row.reason is None for row in rows], dtype=bool),
            amplitudes=np.array([row.kappa_m2 for row in rows], dtype=complex),
            reasons=tuple(row.reason for row in rows),
            limited=scene.echoes.effort.limited,
        )

    def _doubt(self, scene: Scene, rows: "list[_Row]", s: int) -> str | None:
        """Return why a target that has a lobe is not trusted for what is known of the others, or None.

        It may be a part of what the best lobe of another leaves. Beside another that no lobe explains, that moved, or
        for which the search ended at its limit, its lobe must be further ahead, unless the other is far weaker; beside
        one that moved out of its lobe, and for few pairs of APs, no lobe is far enough ahead. Where all searching
        ended, what is weaker than such a target, or near it, is not trusted in any case.
        """
        target, mine = scene.targets[s], rows[s].power
        misfits = [t.left for t, row in zip(scene.targets, rows, strict=True) if row.reason in UNEXPLAINED]
        if mine < max(misfits, default=0.0):
            return "misfit"
        noise = degrees_of_freedom(scene.echoes)
        reach = NEIGHBOUR_BEAMS * beam_m(scene.echoes, target.position_m)
        few = scene.echoes.n_pairs < FEWEST_PAIRS
        for other in (row for row in rows if row.reason in (*UNEXPLAINED, "limited")):
            reason = "limited" if other.reason == "limited" else "misfit"
            moved = other.reason == "moving" and other.model == "noncoherent"
            if (moved or few or target.lead < DOUBT_LEAD) and other.power - noise > DOUBT_SHARE * (mine - noise):
                return reason
            near = np.linalg.norm(other.position_m - target.position_m) < reach
            if reason == "limited" and scene.echoes.effort.exhausted and (near or mine < other.power):
                return reason
        return None

    def _row(self, scene: Scene, s: int) -> "_Row":
        """Return what is reported of a target."""
        assert scene.covariance_m2 is not None
        alone, target = scene.residual(s), scene.targets[s]
        power = self._power(alone, target.position_m)
        reason = self._reason(_as_found(alone, target), target, power)
        position, covariance = target.position_m, scene.covariance_m2[s]
        if reason:
            position, covariance = self._unresolved(scene, s, alone, reason)
        structured = fit(alone, "structured", position[None, None])
        kappa = complex(structured.amplitudes.ravel()[0]) * alone.amplitude_unit_m2
        return _Row(power, position, covariance, kappa, reason, target.model)

    def _unresolved(self, scene: Scene, s: int, alone: Echoes, reason: str) -> tuple[Float, Float]:
        """Return position and covariance of a target that is not resolved.

        That is its non-coherent peak; but where a lobe explains it, the most likely one, the maximum of the likelihood.
        The covariance is that of the peak in any case, and the way from there to the lobe.
        """
        target = scene.targets[s]
        coarse = coarse_peaks(alone, target.position_m[None], self.watch.area)
        if not len(coarse.power):
            return target.position_m, scene.covariance_m2[s]  # type: ignore[index]
        peak, covariance = coarse.positions_m[0], coarse.covariance_m2[0]
        lobe = self._likeliest_lobe(scene, s, reason)
        if lobe is None:
            return peak, covariance
        return lobe, covariance + np.outer(lobe - peak, lobe - peak)

    def _likeliest_lobe(self, scene: Scene, s: int, reason: str) -> Float | None:
        """Return where the most likely lobe of a target is, if all places where one may be were searched."""
        target = scene.targets[s]
        if target.model != "noncoherent":
            return target.position_m if target.lead > -np.inf else None
        if reason not in UNDECIDED:
            return None
        _, _, lobes = self._looked(scene, s)
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
        return "misfit" if target.left > self._misfit_limit(alone, self.model) else "ambiguous"


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


def _price(echoes: Echoes) -> float:
    """Return the power that a coherent target must add."""
    return TARGET_PRICE + echoes.spurious


def _least_move_m(echoes: Echoes) -> float:
    """Return how far a target without a lobe must move to be another."""
    return LEAST_MOVE_LAMBDA * echoes.network.wavelength_m
