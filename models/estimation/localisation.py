"""One target, from the map to the lobe: strongest peak, its rivals, the error ellipse, the lobes inside it.

Works on echoes from which every other known target was taken away.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.lattice import Lobes, LobeSearch, ellipse_axes
from models.estimation.likelihood import (
    Echoes,
    clear_of_aps,
    coherent_free_power,
    grid_phasors,
    noncoherent_power,
    phasors,
)
from models.estimation.mixture import Amplitude, climb, fit, initial_state, position_covariance_m2
from models.network import Area
from models.radio.geometry import rays

__all__ = [
    "Coarse",
    "Fine",
    "Region",
    "coarse_maxima",
    "coarse_peaks",
    "lattice_lobes",
    "polish_lobes",
    "search_lobes",
]

Float = NDArray[np.float64]
N_RIVALS = 4  # further maxima of the map that may turn out higher once polished
MIRROR_RANGE_M = 100.0  # APs closer than this may have put the peak on the wrong side of their array
PATCH_RANGE_M, PATCH_STEP_M, PATCH_HALF_M = 60.0, 3.0, 12.0  # the map is finer near an AP than its grid
N_SIGMA, SMALLEST_M = 4.0, 0.3  # of the ellipse that is searched
LEVEL = 10.0  # non-coherent power below the best at which lobes are looked for beyond the ellipse, too
WIDEST_M = 200.0  # an ellipse that reaches further is not searched at all
RIVAL_MARGIN, RIVAL_SHARE = 15.0, 0.002  # peaks this close to the best are searched for lobes too
LARGEST_SEARCH_M2 = 1500.0  # no further ellipse is searched once this much has been
RINGS_M = (np.geomspace(1.0, 30.0, 8)[:, None] * np.exp(2j * np.pi * np.arange(24) / 24)).reshape(-1, 1).view(float)
OUTSIDE_M = 50.0  # a non-coherent peak of a target near the edge may lie this far outside of the area
EDGE_M = 0.1  # a lobe may lie this far outside of it
N_LEADING, LEADING_STEPS = 6, 30  # lobes polished to the end: two starts in one lobe must not pass for two lobes
SAME_LOBE_M = 0.005  # two polished positions this close are the same lobe
COARSE_GAIN, LOBE_GAIN = 1e-3, 1e-2  # explained power, over sigma^2, that a step must promise to be taken


class Coarse(NamedTuple):
    """Polished non-coherent peaks, best first."""

    positions_m: Float  # (n, 2)
    power: Float  # (n,)
    covariance_m2: Float  # (n, 2, 2)


class Region(NamedTuple):
    """An ellipse in which lobes are looked for."""

    centre_m: Float  # (2,)
    half_axes_m: Float  # (2,), ascending
    axes: Float  # (2, 2), their directions in rows


class Fine(NamedTuple):
    """Polished lobes, best first; none where the search would have taken too long."""

    state: Float  # (n, 2), for "free" (n, 3)
    power: Float  # (n,)

    def lead(self, position_m: Float | None = None) -> float:
        """Return the logarithm of the odds of the lobe at a position (default: the best) against all others, or none.

        Explained power over sigma^2 is a log-likelihood, so the odds are e^{P} / (1 + sum of e^{P'} of the others).
        """
        where = self.state[0, :2] if position_m is None else position_m
        mine = np.linalg.norm(self.state[:, :2] - where, axis=1) < SAME_LOBE_M
        if not mine.any():
            return -np.inf
        return float(self.power[mine].max() - np.logaddexp.reduce([0.0, *self.power[~mine]]))


def _strongest_peaks(echoes: Echoes, area: Area, step_m: float, threshold: float) -> Float:
    """Return the highest maxima of the non-coherent map, shape (n, 2) in m; empty if none comes near the threshold."""
    points, phasor = grid_phasors(echoes.network, area, step_m)
    power = noncoherent_power(echoes, phasor)
    x, y = area.grid(step_m)
    image = power.reshape(len(y), len(x))
    inner = np.pad(image, 1, mode="edge")
    highest = np.max([inner[i : i + len(y), j : j + len(x)] for i in range(3) for j in range(3)], axis=0)
    peaks = np.flatnonzero((image == highest).ravel() & (power > 0.7 * threshold))
    best = peaks[np.argsort(-power[peaks], kind="stable")[: 1 + N_RIVALS]]
    if not len(best):
        return np.empty((0, 2))
    return _with_rivals(echoes, area, points[best])


def _with_rivals(echoes: Echoes, area: Area, peaks_m: Float) -> Float:
    """Return the peaks and what the map may have missed near APs, where it changes faster than from cell to cell.

    These are the mirror images of the first peak about near APs, the best of a fine patch around it, and the best of
    rings around all APs: a target beside an AP lights up a whole ray from it on the map, but not its own cell.
    """
    network = echoes.network
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    distance = np.linalg.norm(peaks_m[0] - network.ap_positions_m[active], axis=1)
    candidates = [peaks_m, _mirror_images(echoes, peaks_m[0])]
    if distance.min() < PATCH_RANGE_M:
        ticks = np.arange(-PATCH_HALF_M, PATCH_HALF_M + 0.5 * PATCH_STEP_M, PATCH_STEP_M)
        patch = peaks_m[0] + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        power = noncoherent_power(echoes, phasors(network, patch))
        candidates.append(patch[np.argsort(-power, kind="stable")[:2]])
    rings = (network.ap_positions_m[active][:, None] + RINGS_M).reshape(-1, 2)
    power = noncoherent_power(echoes, phasors(network, rings))
    candidates.append(rings[np.argsort(-power, kind="stable")[:2]])
    points = np.concatenate(candidates)
    return points[_inside(area, points)]


def _mirror_images(echoes: Echoes, point_m: Float) -> Float:
    """Return the mirror images of a point about the arrays near it, which cannot tell them apart, (n, 2)."""
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    positions, axes = echoes.network.ap_positions_m[active], echoes.network.array_axes[active]
    offset = point_m - positions
    mirrored = positions + 2.0 * np.sum(offset * axes, axis=1)[:, None] * axes - offset
    return np.asarray(mirrored[np.linalg.norm(offset, axis=1) < MIRROR_RANGE_M])


def _inside(area: Area, points_m: Float, margin_m: float = 0.0) -> NDArray[np.bool_]:
    """Return which points lie in the area or at most a margin outside of it."""
    low, high = -margin_m, np.array([area.width_m, area.height_m]) + margin_m
    return np.all((points_m >= low) & (points_m <= high), axis=1)


def polished_peaks(echoes: Echoes, area: Area, step_m: float, threshold: float) -> Coarse:
    """Return the maxima near the highest points of the map and near the mirror images of the best of them."""
    points = _strongest_peaks(echoes, area, step_m, threshold)
    found = coarse_peaks(echoes, points, area) if len(points) else Coarse(points, np.empty(0), np.empty((0, 2, 2)))
    if not len(found.power):
        return found
    mirrored = _mirror_images(echoes, found.positions_m[0])
    return coarse_peaks(echoes, np.concatenate([found.positions_m, mirrored]), area)


def coarse_peaks(echoes: Echoes, points_m: Float, area: Area) -> Coarse:
    """Return the non-coherent maxima reached from the points, best first, those far outside of the area left out."""
    found = coarse_maxima(echoes, points_m)
    return Coarse(*(part[_inside(area, found.positions_m, OUTSIDE_M)] for part in found))


def coarse_maxima(echoes: Echoes, points_m: Float, n_steps: int = 10) -> Coarse:
    """Return the non-coherent maxima reached from the points, best first."""
    near = rays(echoes.network, clear_of_aps(echoes.network, points_m)).distance_m.min(axis=0)
    reach = np.clip(0.1 * near, 0.1, 5.0)
    state, found = climb(lambda s: fit(echoes, "noncoherent", s), points_m[:, None], reach, n_steps, COARSE_GAIN)
    order = np.argsort(-found.power, kind="stable")
    covariance = [position_covariance_m2(found.information[i], 1)[0] for i in order]
    return Coarse(state[order, 0], found.power[order], np.reshape(covariance, (-1, 2, 2)))


def search_lobes(echoes: Echoes, coarse: Coarse, model: Amplitude, area: Area, known_m: Float | None = None) -> Fine:
    """Return the best lobes around the coarse peaks that come close to the best one, and one already known.

    Lobes outside of the area are considered only where there are too few inside.
    """
    search = LobeSearch(coherent=model)
    lobes = lattice_lobes(echoes, coarse, search)
    order = np.argsort(-lobes.power - 1e9 * _inside(area, lobes.positions_m, EDGE_M), kind="stable")[: search.n_best]
    positions = lobes.positions_m[order]
    return polish_lobes(echoes, positions if known_m is None else np.vstack([positions, known_m]), model)


def lattice_lobes(echoes: Echoes, coarse: Coarse, search: LobeSearch) -> Lobes:
    """Return the best lattice points in the error ellipse of each coarse peak that comes close to the best one.

    Also those beyond the ellipse, where the non-coherent power is nearly that of the best peak.
    """
    close = coarse.power >= coarse.power[0] - RIVAL_MARGIN - RIVAL_SHARE * coarse.power[0]
    found, searched, area_m2 = [Lobes(np.empty((0, 2)), np.empty(0))], np.empty((0, 2)), 0.0
    for position, covariance in zip(coarse.positions_m[close], coarse.covariance_m2[close], strict=True):
        half, axes = ellipse_axes(covariance, N_SIGMA, SMALLEST_M, np.inf)
        near = np.any(np.linalg.norm(searched - position, axis=1) < 0.5 * half[0])
        if half[1] > WIDEST_M or near or area_m2 > LARGEST_SEARCH_M2:
            continue
        area_m2 += np.pi * half.prod()
        searched = np.concatenate([searched, position[None]])
        found.append(search.search(echoes, position, half, axes, coarse.power[0] - LEVEL))
    return Lobes(*(np.concatenate(part) for part in zip(*found, strict=True)))


def polish_lobes(echoes: Echoes, positions_m: Float, model: Amplitude, n_steps: int = 6) -> Fine:
    """Return the local maxima of the coherent cost next to the positions, each once, best first."""
    state = initial_state(model, positions_m[:, None])
    if not len(state):
        return Fine(state[:, 0], np.empty(0))
    if model == "free":
        state[:, 0, 2] = coherent_free_power(echoes, positions_m)[1]
    reach = echoes.network.wavelength_m / 8.0
    state, found = climb(lambda s: fit(echoes, model, s), state, reach, n_steps, LOBE_GAIN)
    rough = _distinct(state[:, 0], found.power, apart_m=echoes.network.wavelength_m / 20.0)
    leading = rough.state[:N_LEADING, None]
    state, found = climb(lambda s: fit(echoes, model, s), leading, reach, LEADING_STEPS, LOBE_GAIN)
    states = np.concatenate([state[:, 0], rough.state[N_LEADING:]])
    powers = np.concatenate([found.power, rough.power[N_LEADING:]])
    return _distinct(states, powers, apart_m=echoes.network.wavelength_m / 20.0)


def _distinct(state: Float, power: Float, apart_m: float) -> Fine:
    order = np.argsort(-power, kind="stable")
    kept: list[int] = []
    for i in order:
        if not kept or np.linalg.norm(state[kept, :2] - state[i, :2], axis=1).min() > apart_m:
            kept.append(int(i))
    return Fine(state[kept], power[kept])
