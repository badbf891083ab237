"""A look at one target: which lobe explains what the others leave, and whether to look again is in vain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    LEAST_LEAD,
    LEAST_MOVE_LAMBDA,
    MISFIT_PROBABILITY,
    TARGET_PRICE,
    UNCHANGED,
)
from models.estimation.detection import excess_threshold
from models.estimation.likelihood import Echoes, degrees_of_freedom, noncoherent_power, phasors
from models.estimation.localisation import Depth, Fine, polish_lobes, search_lobes
from models.estimation.mixture import Amplitude, fit
from models.estimation.peaks import Coarse, Watch, coarse_peaks, with_mirror_images
from models.estimation.scene import Found, Look, Scene

__all__ = ["Looker", "is_clear", "least_move_m", "misfit_limit", "power_at", "price"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Looker:
    """Looks at one target at a time.

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

    def best_lobe(self, echoes: Echoes, coarse: Coarse, model: Amplitude) -> Found:
        """Return the best lobe around coarse peaks, or the best peak where no lobe explains what it explains.

        A strong target not found yet can make the right lobe look wrong: the target is then kept non-coherently,
        which disturbs the search for others less than a wrong lobe, and looked at again later; so a quick look does.
        """
        seen = float(coarse.power[0])
        enough = seen - misfit_limit(echoes, model)
        lobes = self.lobes(echoes, coarse, model, depth="inner")
        if is_clear(lobes) and lobes.power[0] > enough:
            return Found(model, lobes.state[0], lobes.lead(), seen)
        return Found("noncoherent", coarse.positions_m[0], -np.inf, look=Look(echoes.cross, coarse, lobes))

    def lobes(
        self, echoes: Echoes, coarse: Coarse, model: Amplitude, known_m: Float | None = None, depth: Depth = "both"
    ) -> Fine:
        """Return the best lobes around coarse peaks; none if noise alone explains as much."""
        enough = float(coarse.power[0]) - misfit_limit(echoes, model)
        lobes = search_lobes(echoes, coarse, model, self.watch.area, enough, known_m, depth)
        return lobes if lobes.power.max(initial=0.0) > price(echoes) else lobes.none()

    def in_vain(self, echoes: Echoes, target: Found, position_m: Float, whole: bool) -> bool:
        """Return whether lobes were looked for at a position in vain, and would be again.

        The best lobe left a part of norm sqrt(left) then. A change of the echoes since, of power c at the position,
        makes that shorter by sqrt(c) at most, so no lobe fits as long as

            (sqrt(left) - sqrt(c))^2  >  what noise may leave.
        """
        look = target.look
        if (
            look is None
            or look.lobes.whole < whole
            or np.linalg.norm(position_m - target.position_m) > least_move_m(echoes)
        ):
            return False
        spare = max(0.0, np.sqrt(max(look.left, 0.0)) - np.sqrt(misfit_limit(echoes, self.model)))
        return bool(self._changed(echoes, look, position_m) < max(UNCHANGED, spare**2))

    def _changed(self, echoes: Echoes, look: Look, position_m: Float) -> float:
        """Return the power at a position of what the echoes changed by since a search."""
        return power_at(echoes.minus(look.cross), position_m)

    def fits(self, echoes: Echoes, target: Found, seen: float) -> bool:
        """Return whether a coherent target explains all that there is to explain at its place."""
        power = float(fit(echoes, target.model, target.state[None, None]).power[0])
        return bool(seen - power < misfit_limit(echoes, target.model))

    def looked(self, scene: Scene, s: int) -> tuple[Echoes, Coarse, Fine]:
        """Return what is left for a target without a lobe, its peak, and the best lobes of that."""
        alone, target = scene.residual(s), scene.targets[s]
        look = target.look
        if look is not None and look.lobes.whole and self._changed(alone, look, target.position_m) < UNCHANGED:
            return alone, look.coarse, look.lobes
        coarse = self._peaks(alone, target.position_m)
        if not len(coarse.power):
            coarse = Coarse(target.position_m[None], np.zeros(1), np.full((1, 2, 2), np.inf))
            return alone, coarse, polish_lobes(alone, np.empty((0, 2)), self.model)
        return alone, coarse, self.lobes(alone, coarse, self.model)

    def _peaks(self, echoes: Echoes, position_m: Float) -> Coarse:
        """Return the non-coherent peak near a position, and those of its mirror images that explain as much."""
        return with_mirror_images(echoes, coarse_peaks(echoes, position_m[None], self.watch.area), self.watch.area)


def is_clear(lobes: Fine) -> bool:
    """Return whether there is a lobe that is far more likely than all others together, and none was left out."""
    return len(lobes.power) > 0 and lobes.lead() > LEAST_LEAD


def misfit_limit(echoes: Echoes, model: Amplitude) -> float:
    """Return what a coherent model may leave of the non-coherent power."""
    unknowns = degrees_of_freedom(echoes) - 1.0
    return excess_threshold(unknowns if model == "structured" else unknowns / 2.0, MISFIT_PROBABILITY)


def power_at(echoes: Echoes, position_m: Float) -> float:
    """Return the non-coherent power at a position."""
    return float(noncoherent_power(echoes, phasors(echoes.network, position_m[None]))[0])


def price(echoes: Echoes) -> float:
    """Return the power that a coherent target must add."""
    return TARGET_PRICE + echoes.spurious


def least_move_m(echoes: Echoes) -> float:
    """Return how far a target without a lobe must move to be another."""
    return LEAST_MOVE_LAMBDA * echoes.network.wavelength_m
