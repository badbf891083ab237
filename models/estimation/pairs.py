"""Two targets at once, where one after the other fails: neighbours whose echoes no array separates.

The best single lobe of a mixture of two targets is usually neither of them. So the best lattice points of the mixture
are taken as candidates, the power that each pair of them explains is written down in closed form,

    v^H B^{-1} v = (|v_i|^2 B_jj + |v_j|^2 B_ii - 2 Re conj(v_i) B_ij v_j) / (B_ii B_jj - |B_ij|^2)

and the best pairs are refined together: all of them a little, the leading ones to the end. Then points of these are
taken for one of the two in turn, and the lobes of the other are searched in what it leaves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    CLEAR_LEAD,
    CLEARLY_TWO,
    DIFFER_BEAMS,
    GHOST_MARGIN,
    JOINT_BEAMS,
    LEAST_GAIN,
    MAX_ALTERNATIVES,
    MAX_COHERENCE,
    N_CANDIDATES,
    N_DIRECTIONS,
    N_FIRSTS,
    N_LEADING_PAIRS,
    N_SIGMA,
    N_STARTS,
    REACH_BEAMS,
    ROUGH_STEPS,
    ROUNDS,
    SECOND_HALF_BEAMS,
    SECOND_STEP_BEAMS,
    SMALLEST_LAMBDA,
    START_BEAMS,
    WIDENED,
)
from models.estimation.detection import excess_threshold
from models.estimation.lattice import LobeSearch, Region, ellipse_axes
from models.estimation.likelihood import Echoes, degrees_of_freedom, noncoherent_power, phasors
from models.estimation.localisation import lattice_lobes, same_lobe_m
from models.estimation.mixture import climb, fit, position_covariance_m2
from models.estimation.peaks import coarse_maxima
from models.estimation.places import beam_m
from models.estimation.scene import Found, Scene
from models.estimation.signals import legs

__all__ = ["PairGuess", "best_pair", "pair_guesses", "pair_power"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
COHERENCE_COST = 30.0  # operations for two points and a receiver


class PairGuess(NamedTuple):
    """Where two targets may be."""

    regions: list[Region]
    """One ellipse for each, or one for both."""
    enough: float
    """Explained power at which two structured targets leave no more than noise."""


class PairFit(NamedTuple):
    """Two targets of structured amplitude."""

    state: Float
    """Positions, shape (2, 2)."""
    power: float
    """Power over sigma^2 that both explain."""
    lead: float
    """By how much it is ahead of the best other pair."""

    def explains(self, guess: PairGuess) -> bool:
        """Return whether nothing else need be looked at: what is left is noise, and no other pair comes close."""
        return self.power > guess.enough and self.lead > CLEAR_LEAD


def pair_guesses(
    echoes: Echoes, start_m: Float, least_gain: float, neighbour_m: Float | None = None
) -> list[PairGuess]:
    """Return where two targets near a point may be: two error ellipses, or one for both; likely ones first.

    Two points are fitted non-coherently, from starts on circles around the point, from the maximum of what one
    point leaves, and from a known neighbour. Bearings of two targets also intersect at ghosts, so the runners-up are
    kept if they explain ``least_gain`` more than one point. One ellipse for both comes first where two points explain
    hardly more than one: no array separates them then.
    """
    one = Scene(echoes).refined([Found("noncoherent", start_m)])
    known = [] if neighbour_m is None else [np.stack([start_m, neighbour_m])]
    centre, beam = one.targets[0].position_m, beam_m(echoes, start_m)
    starts = np.stack([*_opposite(centre, beam), _with_residual_peak(one, beam), *known])
    state, found = climb(lambda q: fit(echoes, "noncoherent", q), starts, REACH_BEAMS * beam, 12, 0.1)
    limits = [excess_threshold(n * degrees_of_freedom(echoes), 1e-4) for n in (1, 2)]
    assert one.covariance_m2 is not None
    largest = JOINT_BEAMS[1] * beam
    both = _region(centre, WIDENED**2 * one.covariance_m2[0], JOINT_BEAMS[0] * beam, largest)
    joint = PairGuess([both], one.power - limits[0])
    kept = _alternatives(state, found.power, one.power + least_gain, DIFFER_BEAMS * beam)
    covariance = {i: position_covariance_m2(found.information[i], 2) for i in kept}
    smallest = SMALLEST_LAMBDA * echoes.network.wavelength_m
    apart = [PairGuess([_region(state[i, s], covariance[i][s], smallest, largest) for s in (0, 1)],
                       found.power[i] - limits[1]) for i in kept]  # fmt: skip
    return apart if apart and found.power.max() > one.power + CLEARLY_TWO else [joint, *apart]


def _alternatives(state: Float, power: Float, least: float, apart_m: float) -> list[int]:
    """Return the indices of the best different pairs of points, best first."""
    kept: list[int] = []
    for i in np.argsort(-power, kind="stable"):
        close = power[i] > max(least, power.max() - GHOST_MARGIN)
        if close and len(kept) < MAX_ALTERNATIVES and all(_differ(state[i], state[k], apart_m) for k in kept):
            kept.append(int(i))
    return kept


def _differ(one: Float, other: Float, apart_m: float) -> bool:
    """Return whether two pairs of points are further apart than that, in either order."""
    distances = [np.linalg.norm(one - pair, axis=1).max() for pair in (other, other[::-1])]
    return bool(min(distances) > apart_m)


def _opposite(centre_m: Float, beam_m: float) -> Float:
    """Return pairs of points on opposite sides of a centre, (n, 2, 2)."""
    angle = np.arange(N_DIRECTIONS) * np.pi / N_DIRECTIONS
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    offset = (beam_m * np.array(START_BEAMS)[:, None, None] * direction).reshape(-1, 2)
    return centre_m + np.stack([offset, -offset], axis=1)


def _with_residual_peak(one: Scene, beam_m: float) -> Float:
    """Return the point of a scene and the maximum near it of what it leaves, (2, 2)."""
    centre = one.targets[0].position_m
    return np.stack([centre, _patch_maximum(one.residual(), centre, beam_m)])


def _patch_maximum(echoes: Echoes, centre_m: Float, beam_m: float) -> Float:
    """Return the best point of a non-coherent map around a centre, (2,)."""
    ticks = beam_m * np.arange(-SECOND_HALF_BEAMS, SECOND_HALF_BEAMS + 0.5 * SECOND_STEP_BEAMS, SECOND_STEP_BEAMS)
    patch = centre_m + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    return np.asarray(patch[noncoherent_power(echoes, phasors(echoes.network, patch)).argmax()])


def _region(centre_m: Float, covariance_m2: Float, smallest_m: float, largest_m: float) -> Region:
    half, axes = ellipse_axes(covariance_m2, N_SIGMA, smallest_m, max(smallest_m, largest_m))
    return Region(centre_m, half, axes)


def pair_power(echoes: Echoes, points_m: Float) -> Float:
    """Return the power over sigma^2 that each pair of points explains together, (n, n).

    Structured amplitudes; pairs that are too much alike get zero.
    """
    n, n_rx, n_antennas = len(points_m), len(echoes.receivers), echoes.network.n_antennas
    echoes.effort.spend(COHERENCE_COST * n**2 * n_rx)
    back = legs(echoes.network, points_m, echoes.receivers, "structured")
    out = legs(echoes.network, points_m, echoes.transmitters, "structured").swapaxes(0, 1)
    towards = out.reshape(n, -1)
    v, b = np.zeros(n, dtype=complex), np.zeros((n, n), dtype=complex)
    radiated = [sent.reshape(n, -1).conj() @ towards.T for sent in echoes.gram.times(out[None])]
    for r in range(n_rx):
        b += (back[r].conj() @ back[r].T) * radiated[r if len(radiated) > 1 else 0]
        v += np.sum((back[r].conj() @ echoes.cross[r].reshape(n_antennas, -1)) * towards.conj(), axis=1)
    own = np.einsum("ii->i", b).real
    coherence = np.abs(b) ** 2 / np.maximum(np.outer(own, own), 1e-300)
    mixed = 2.0 * (v.conj()[:, None] * b * v).real
    numerator = np.abs(v[:, None]) ** 2 * own + np.abs(v) ** 2 * own[:, None] - mixed
    determinant = np.outer(own, own) * (1.0 - coherence)
    apart = coherence < MAX_COHERENCE**2
    return np.divide(numerator, determinant, out=np.zeros_like(determinant), where=apart)


def best_pair(echoes: Echoes, guesses: list[PairGuess], thorough: bool = True) -> PairFit | None:
    """Return the best two targets of the first guess that explains enough, else of all.

    None if no guess can be searched with the effort that is left. A ``thorough`` search goes on where the best pair of
    a guess stays the same.
    """
    pool = _Pool(np.empty((0, 2, 2)), np.empty(0), np.empty((0, 2)), same_lobe_m(echoes))
    for guess in guesses:
        if not echoes.effort.exhausted:
            pool = _searched(echoes, guess, pool, thorough)
        if len(pool.powers) and pool.leading().explains(guess):
            break
    return pool.leading() if len(pool.powers) else None


class _Pool(NamedTuple):
    """The pairs found so far, in no order."""

    states: Float  # (n, 2, 2)
    powers: Float  # (n,)
    tried: Float  # (n, 2), points for which the other was looked for
    same_m: float

    def with_pairs(self, states: Float, powers: Float) -> "_Pool":
        """Return the pool with more pairs in it."""
        return self._replace(states=np.concatenate([self.states, states]), powers=np.concatenate([self.powers, powers]))

    def leading(self) -> PairFit:
        """Return the best pair and how far it is ahead of the best that differs from it."""
        best = int(self.powers.argmax())
        swapped = self.states[:, ::-1]
        apart = np.minimum(
            *(np.linalg.norm(pair - self.states[best], axis=2).max(axis=1) for pair in (self.states, swapped))
        )
        others = self.powers[apart > self.same_m]
        return PairFit(self.states[best], float(self.powers[best]), float(self.powers[best] - others.max(initial=0.0)))

    def untried(self, thorough: bool, most: int) -> Float:
        """Return points of the best pairs for which the other was not looked for yet, (n, 2).

        Of all pairs if ``thorough``, else of the best alone.
        """
        points = self.states[np.argsort(-self.powers, kind="stable")[: None if thorough else 1]].reshape(-1, 2)
        both = np.concatenate([self.tried, points])
        alike = np.triu(np.linalg.norm(both[:, None] - both, axis=2) < self.same_m, 1).any(axis=0)
        return points[~alike[len(self.tried) :]][:most]


def _searched(echoes: Echoes, guess: PairGuess, pool: _Pool, thorough: bool) -> _Pool:
    """Return the pool with the best pairs of targets in the regions of a guess, which hold one target each, or both."""
    search = LobeSearch(n_best=N_CANDIDATES // len(guess.regions))
    candidates = [search.search(echoes, *region).positions_m for region in guess.regions]
    if not all(len(c) for c in candidates):
        return pool
    points = np.concatenate(candidates)
    power = pair_power(echoes, points)
    if len(guess.regions) > 1:
        first = len(candidates[0])
        power[:first, :first] = power[first:, first:] = 0.0
    starts = points[_strongest(power, max(N_LEADING_PAIRS, N_STARTS * 36 // echoes.n_pairs))]
    pool = pool.with_pairs(*_refined(echoes, starts))
    for _ in range(ROUNDS):
        best = pool.leading()
        firsts = pool.untried(thorough, N_FIRSTS[len(guess.regions)])
        if best.explains(guess) or echoes.effort.exhausted or not len(firsts):
            break
        pool = pool._replace(tried=np.concatenate([pool.tried, firsts]))
        starts = np.concatenate([_with_second(echoes, guess, first, best.state) for first in firsts])
        if not len(starts):
            break
        states, powers = _refined(echoes, starts)
        pool = pool.with_pairs(states, powers)
        if not thorough and powers.max() <= best.power + LEAST_GAIN:
            break
    return pool


def _strongest(power: Float, most: int) -> NDArray[np.intp]:
    """Return the index pairs of the strongest entries above the diagonal, so many at most, (n, 2)."""
    upper = np.triu(power, 1).ravel()
    n_best = min(most, len(upper))
    return np.stack(np.unravel_index(np.argpartition(-upper, n_best - 1)[:n_best], power.shape), axis=-1)


def _refined(echoes: Echoes, starts_m: Float) -> tuple[Float, Float]:
    """Return the local maxima reached from pairs of points, both of shape (n, 2, 2), and their power."""
    reach = echoes.network.wavelength_m / 8.0
    state = starts_m
    for n_steps, most in ROUGH_STEPS:
        if len(state) > N_LEADING_PAIRS:
            state, found = climb(lambda q: fit(echoes, "structured", q), state, reach, n_steps, 1.0)
            state = state[np.argsort(-found.power, kind="stable")[: max(N_LEADING_PAIRS, len(starts_m) // most)]]
    state, found = climb(lambda q: fit(echoes, "structured", q), state, reach, 15, 1e-2)
    return state, found.power


def _with_second(echoes: Echoes, guess: PairGuess, first_m: Float, best_m: Float) -> Float:
    """Return pairs of a point and each of the best lobes that it leaves, (n, 2, 2).

    They are looked for in the ellipse of both, and beside a point of the best pair wherever the map shows the other.
    """
    search = LobeSearch(n_best=N_LEADING_PAIRS // 2)
    rest = Scene(echoes).refined([Found("structured", first_m)], 0).residual()
    seconds = [np.empty((0, 2))]
    if len(guess.regions) == 1:
        seconds.append(search.search(rest, *guess.regions[0]).positions_m)
    distance = np.linalg.norm(best_m - first_m, axis=1)
    if distance.min() < same_lobe_m(echoes):
        peak = coarse_maxima(rest, _patch_maximum(rest, best_m[distance.argmax()], beam_m(rest, first_m))[None])
        seconds.append(lattice_lobes(rest, peak, search).positions_m)
    second = np.concatenate(seconds)
    return np.stack([np.broadcast_to(first_m, second.shape), second], axis=1)
