"""One target, from its non-coherent peak to the lobe: the error ellipse, and the lobes inside it.

Works on echoes from which every other known target was taken away.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    EDGE_LAMBDA,
    INNER,
    LARGEST_SEARCH_LAMBDA2,
    LEADING_STEPS,
    LEAST_LEAD,
    LEVEL,
    LOBE_GAIN,
    N_LEADING,
    N_SIGMA,
    N_UNCERTAIN_LOBES,
    NEARLY_COHERENT,
    QUICK_LAMBDA2,
    QUICK_POWER,
    ROUGHLY_ENOUGH,
    SAFE_LEAD,
    SAME_LOBE_LAMBDA,
    SAME_PEAK,
    SMALLEST_LAMBDA,
    WIDEST_BEAMS,
)
from models.estimation.lattice import Lobes, LobeSearch, Region, ellipse_axes
from models.estimation.likelihood import Echoes, coherent_free_power
from models.estimation.mixture import Amplitude, climb, fit, initial_state
from models.estimation.peaks import Coarse, close_to_best
from models.estimation.phases import coherent_share
from models.estimation.places import beam_m
from models.network import Area

__all__ = [
    "Depth",
    "Fine",
    "lattice_lobes",
    "polish_lobes",
    "same_lobe_m",
    "search_lobes",
    "too_wide",
]

Float = NDArray[np.float64]
Depth = Literal["inner", "both", "all"]


def same_lobe_m(echoes: Echoes) -> float:
    """Return how close polished positions are the same lobe."""
    return SAME_LOBE_LAMBDA * echoes.network.wavelength_m


class Fine(NamedTuple):
    """Polished lobes, best first; none where the search would have taken too long."""

    state: Float  # (n, 2), for "free" (n, 3)
    power: Float  # (n,)
    same_m: float  # positions this close are the same lobe
    whole: bool = True  # whether all places where lobes may be were searched

    def none(self) -> "Fine":
        """Return no lobes."""
        return self._replace(state=self.state[:0], power=self.power[:0])

    def lead(self, position_m: Float | None = None) -> float:
        """Return the logarithm of the odds of the lobe at a position (default: the best) against all others, or none.

        Explained power over sigma^2 is a log-likelihood, so the odds are e^{P} / (1 + sum of e^{P'} of the others).
        Where not all places were searched there are none.
        """
        if not self.whole:
            return -np.inf
        where = self.state[0, :2] if position_m is None else position_m
        mine = np.linalg.norm(self.state[:, :2] - where, axis=1) < self.same_m
        if not mine.any():
            return -np.inf
        return float(self.power[mine].max() - np.logaddexp.reduce([0.0, *self.power[~mine]]))


def search_lobes(
    echoes: Echoes,
    coarse: Coarse,
    model: Amplitude,
    area: Area,
    enough: float = np.inf,
    known_m: Float | None = None,
    depth: Depth = "both",
) -> Fine:
    """Return the best lobes around the coarse peaks that come close to the best one, and one already known.

    The inner ellipse of the best peak is searched first, unless the ``depth`` is "all". What lies further out need not
    be looked at where a lobe explains ``enough`` and is safely ahead of all others, there being one peak, nor where two
    lobes do that are not told apart. A search of depth "inner" ends there where none does, takes no wide ellipse, and
    polishes no lobes that explain far less. Lobes outside of the area are considered only where there are too few
    inside.
    """
    search = LobeSearch(coherent=model, n_best=_n_lobes(echoes))
    alone, wavelength_m = _single(echoes, coarse), echoes.network.wavelength_m
    known = np.empty((0, 2)) if known_m is None else known_m[None]
    if depth == "inner" and _ellipse(echoes, coarse, 0, INNER).half_axes_m.prod() > QUICK_LAMBDA2 * wavelength_m**2:
        return polish_lobes(echoes, known[:0], model)._replace(whole=False)
    if depth != "all" and (alone or enough <= QUICK_POWER) and not too_wide(echoes, coarse):
        found = _inner_lobes(echoes, coarse, search, area, enough if depth == "inner" else 0.0, known)
        fits = found.power.max(initial=0.0) > enough
        if fits and ((alone and found.lead() > SAFE_LEAD) or found.lead() < LEAST_LEAD):
            return found
        if depth == "inner" and not fits:
            return found._replace(whole=False)
        known = found.state[:, :2]
    return _polished(echoes, lattice_lobes(echoes, coarse, search), model, area, known)


def _inner_lobes(echoes: Echoes, coarse: Coarse, search: LobeSearch, area: Area, enough: float, known_m: Float) -> Fine:
    """Return the best lobes in the inner ellipse of the best peak, polished if they explain about ``enough``."""
    inner = search.search(echoes, *_ellipse(echoes, coarse, 0, INNER))
    if inner.power.max(initial=0.0) < ROUGHLY_ENOUGH * coherent_share(echoes) * enough:
        state = initial_state(search.coherent, inner.positions_m)
        return Fine(state, inner.power, same_lobe_m(echoes), whole=False)
    return _polished(echoes, inner, search.coherent, area, known_m)


def too_wide(echoes: Echoes, coarse: Coarse) -> bool:
    """Return whether the error ellipse of the best peak reaches so far that lobes are not looked for in it."""
    half = _ellipse(echoes, coarse, 0).half_axes_m
    return bool(half[1] > WIDEST_BEAMS * beam_m(echoes, coarse.positions_m[0]))


def _single(echoes: Echoes, coarse: Coarse) -> bool:
    """Return whether one peak stands alone."""
    same = _ellipse(echoes, coarse, 0).holds(coarse.positions_m, SAME_PEAK)
    return not np.any(close_to_best(coarse.power) & ~same)


def _polished(echoes: Echoes, lobes: Lobes, model: Amplitude, area: Area, known_m: Float) -> Fine:
    """Return the best of some lobes, those in the area first, and those already known, (n, 2), polished.

    Without others to compare them with, known ones are no answer.
    """
    inside = area.contains(lobes.positions_m, EDGE_LAMBDA * echoes.network.wavelength_m)
    order = np.argsort(-lobes.power - 1e9 * inside, kind="stable")[: _n_lobes(echoes)]
    positions = _leading(echoes, lobes.positions_m[order], model)
    known = known_m if len(positions) else known_m[:0]
    return polish_lobes(echoes, np.vstack([positions, known]), model)._replace(whole=lobes.complete)


def _n_lobes(echoes: Echoes) -> int:
    """Return how many of the best lobes are looked at more closely: errors of phases change their order."""
    return LobeSearch().n_best if coherent_share(echoes) > NEARLY_COHERENT else N_UNCERTAIN_LOBES


def _leading(echoes: Echoes, positions_m: Float, model: Amplitude) -> Float:
    """Return the best of many lobes once the phases of the APs are fitted to each."""
    n_best = LobeSearch().n_best
    if model != "structured" or len(positions_m) <= n_best:
        return positions_m
    power = fit(echoes, model, positions_m[:, None]).power
    return positions_m[np.argsort(-power, kind="stable")[:n_best]]


def _ellipse(echoes: Echoes, coarse: Coarse, i: int, share: float = 1.0) -> Region:
    """Return a share of the error ellipse of a peak."""
    smallest = SMALLEST_LAMBDA * echoes.network.wavelength_m
    return Region(coarse.positions_m[i], *ellipse_axes(coarse.covariance_m2[i], share * N_SIGMA, smallest, np.inf))


def lattice_lobes(echoes: Echoes, coarse: Coarse, search: LobeSearch) -> Lobes:
    """Return the best lattice points in the error ellipse of each coarse peak that comes close to the best one.

    Also those beyond the ellipse, where the non-coherent power is nearly that of the best peak. Ends at the first
    ellipse that is too large: the others would decide nothing.
    """
    found, searched, area_m2 = [Lobes(np.empty((0, 2)), np.empty(0))], list[Region](), 0.0
    largest_m2 = LARGEST_SEARCH_LAMBDA2 * echoes.network.wavelength_m**2
    for i in np.flatnonzero(close_to_best(coarse.power)):
        region = _ellipse(echoes, coarse, int(i))
        half = region.half_axes_m
        if any(other.holds(region.centre_m[None])[0] for other in searched):
            continue
        if half[1] > WIDEST_BEAMS * beam_m(echoes, region.centre_m) or area_m2 > largest_m2:
            found.append(found[0]._replace(complete=False))
        else:
            area_m2 += np.pi * half.prod()
            searched.append(region)
            found.append(search.search(echoes, *region, coarse.power[0] - LEVEL))
        if not found[-1].complete:
            break
    positions, power = (np.concatenate([lobes[k] for lobes in found]) for k in (0, 1))
    return Lobes(positions, power, found[-1].complete)


def polish_lobes(echoes: Echoes, positions_m: Float, model: Amplitude, n_steps: int = 6) -> Fine:
    """Return the local maxima of the coherent cost next to the positions, each once, best first."""
    state, same = initial_state(model, positions_m[:, None]), same_lobe_m(echoes)
    if not len(state):
        return Fine(state[:, 0], np.empty(0), same)
    if model == "free":
        state[:, 0, 2] = coherent_free_power(echoes, positions_m)[1]
    reach = echoes.network.wavelength_m / 8.0
    state, found = climb(lambda s: fit(echoes, model, s), state, reach, n_steps, LOBE_GAIN)
    rough = _distinct(state[:, 0], found.power, same)
    leading = rough.state[:N_LEADING, None]
    state, found = climb(lambda s: fit(echoes, model, s), leading, reach, LEADING_STEPS, LOBE_GAIN)
    states = np.concatenate([state[:, 0], rough.state[N_LEADING:]])
    powers = np.concatenate([found.power, rough.power[N_LEADING:]])
    return _distinct(states, powers, same)


def _distinct(state: Float, power: Float, same_m: float) -> Fine:
    order = np.argsort(-power, kind="stable")
    kept: list[int] = []
    for i in order:
        if not kept or np.linalg.norm(state[kept, :2] - state[i, :2], axis=1).min() > same_m:
            kept.append(int(i))
    return Fine(state[kept], power[kept], same_m)
