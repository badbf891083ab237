"""Where a target may be: the highest points of the non-coherent map, polished, and what a linear array confuses.

Each place of the map is judged by the APs that are nearest to it. What stands out there is polished on the
measurements of all pairs.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import (
    COARSE_GAIN,
    MIRROR_DEPTH,
    MIRROR_SHARE,
    MOST_TICKS,
    N_MIRRORS,
    N_PATCHES,
    N_RIVALS,
    OUTSIDE,
    PATCH_BEAMS,
    PATCH_HALF,
    PEAK_BEAMS,
    PEAK_NEAR,
    POINTS_PER_BEAM,
    RIVAL_MARGIN,
    RIVAL_SHARE,
    SAME_TARGET_BEAMS,
)
from models.estimation.detection import point_threshold, residual_level
from models.estimation.likelihood import Echoes, clear_of_aps, degrees_of_freedom, noncoherent_power, phasors
from models.estimation.mixture import climb, fit, noncoherent_covariance_m2
from models.estimation.places import Places, beam_m, places_of
from models.network import Area
from models.radio.geometry import rays

__all__ = ["Coarse", "Watch", "close_to_best", "coarse_maxima", "coarse_peaks", "with_mirror_images"]

Float = NDArray[np.float64]
NEAR_SHARE = 0.7  # of the threshold: lower maxima do not reach it when they are polished


class Coarse(NamedTuple):
    """Polished non-coherent peaks, best first."""

    positions_m: Float  # (n, 2)
    power: Float  # (n,)
    covariance_m2: Float  # (n, 2, 2)

    def best(self, kept: NDArray[np.bool_]) -> "Coarse":
        """Return some of them."""
        return Coarse(*(part[kept] for part in self))


def close_to_best(power: Float) -> NDArray[np.bool_]:
    """Return which peaks come so close to the highest that lobes are looked for there too."""
    highest = power.max(initial=0.0)
    return np.asarray(power >= highest - RIVAL_MARGIN - RIVAL_SHARE * highest)


class Watch(NamedTuple):
    """What is looked for, and where.

    ``probability`` is that of noise alone passing the threshold at a point.
    """

    area: Area
    step_m: float
    probability: float

    def threshold(self, echoes: Echoes) -> float:
        """Return the non-coherent power above which there is a target; (17)-(18)."""
        return _threshold(degrees_of_freedom(echoes), self.probability)

    def detect(self, echoes: Echoes) -> Coarse | None:
        """Return the polished peaks if the highest passes the threshold, else None.

        Where much more than noise is left everywhere, the threshold is raised as much.
        """
        places = places_of(echoes, self.area, self.step_m)
        points = self._strongest(echoes, places)
        if not len(points):
            return None
        found = self._standing_out(echoes, places, points)
        if len(places.places) == 1 or found is None:
            return found
        polished = coarse_peaks(echoes, found.positions_m[close_to_best(found.power)], self.area)
        return polished if len(polished.power) else None

    def _strongest(self, echoes: Echoes, places: Places) -> Float:
        """Return the highest points of the map, shape (n, 2) in m; empty if none comes near the threshold."""
        image, rings = np.empty(len(places.points_m)), [np.empty((0, 3))]
        for place in places.places:
            near = place.echoes(echoes)
            threshold = self.threshold(near)
            image[place.cells] = noncoherent_power(near, place.phasor) / threshold
            share = noncoherent_power(near, place.ring_phasor) / threshold
            best = np.argsort(-share, kind="stable")[:2]
            rings.append(np.column_stack([place.rings_m[best], share[best]]))
        peaks = _maxima(image.reshape(places.shape))
        peaks = peaks[image[peaks] > NEAR_SHARE][: 1 + N_RIVALS]
        ring = np.concatenate(rings)
        ring = ring[np.argsort(-ring[:, 2], kind="stable")][:2]
        ring = ring[ring[:, 2] > NEAR_SHARE]
        points = np.concatenate([places.points_m[peaks], ring[:, :2]])
        first = points[np.argsort(-np.concatenate([image[peaks], ring[:, 2]]), kind="stable")[:N_PATCHES]]
        return np.concatenate([points, *(self._around(echoes, places, point) for point in first)])

    def _around(self, echoes: Echoes, places: Places, point_m: Float) -> Float:
        """Return the best points of a fine patch about a high one, where a near AP has a beam narrower than a cell."""
        near = places.places[places.at(point_m[None])[0]].echoes(echoes)
        active = np.concatenate([near.transmitters, near.receivers])
        distance = np.linalg.norm(point_m - near.network.ap_positions_m[active], axis=1)
        beam = (2.0 * distance / near.network.antennas[active]).min()
        if beam >= PATCH_BEAMS * self.step_m:
            return np.empty((0, 2))
        half = PATCH_HALF * self.step_m
        ticks = np.linspace(-half, half, int(np.clip(np.ceil(2.0 * half * POINTS_PER_BEAM / beam), 5, MOST_TICKS)))
        patch = point_m + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        patch = patch[self.area.contains(patch)]
        power = noncoherent_power(near, phasors(near.network, patch))
        return patch[np.argsort(-power, kind="stable")[:2]]

    def _standing_out(self, echoes: Echoes, places: Places, points_m: Float) -> Coarse | None:
        """Return the peaks of the places of some points, polished there; None if none passes the threshold."""
        tile = places.at(points_m)
        found, shares = [], []
        for i in dict.fromkeys(tile):
            near = places.places[i].echoes(echoes)
            coarse = with_mirror_images(near, coarse_peaks(near, points_m[tile == i], self.area), self.area)
            if len(coarse.power):
                found.append(coarse)
                shares.append(self._share(near, coarse.power[0]))
        if not shares or max(shares) <= 1.0:
            return None
        return found[0] if len(found) == 1 else _merged([c for c, s in zip(found, shares, strict=True) if s > 1.0])

    def _share(self, near: Echoes, power: float) -> float:
        """Return a peak's power as a share of what it must have."""
        share = max(0.0, power - near.spurious) / self.threshold(near)
        return share / residual_level(near, power) if share > 1.0 else share


def _merged(found: list[Coarse]) -> Coarse:
    """Return the peaks of several places, best first."""
    merged = Coarse(*(np.concatenate(part) for part in zip(*found, strict=True)))
    order = np.argsort(-merged.power, kind="stable")
    return Coarse(*(part[order] for part in merged))


@lru_cache(maxsize=256)
def _threshold(degrees: int, probability: float) -> float:
    return point_threshold(degrees, probability)


def _maxima(image: Float) -> NDArray[np.intp]:
    """Return the flat indices of the maxima over 3 x 3 cells, highest first."""
    n_y, n_x = image.shape
    inner = np.pad(image, 1, mode="edge")
    highest = np.max([inner[i : i + n_y, j : j + n_x] for i in range(3) for j in range(3)], axis=0)
    peaks = np.flatnonzero((image == highest).ravel())
    return peaks[np.argsort(-image.ravel()[peaks], kind="stable")]


def with_mirror_images(echoes: Echoes, coarse: Coarse, area: Area) -> Coarse:
    """Return the peaks and those near the mirror images of the best about arrays, which cannot tell them apart.

    Also the mirror images of such a peak that comes close to the best: they are seen about another array.
    """
    mirrored = coarse.positions_m[:1]
    for _ in range(MIRROR_DEPTH):
        if not len(mirrored):
            break
        images = np.concatenate([mirror_images(echoes, point) for point in mirrored])
        images = images[area.contains(images, OUTSIDE * area.side_m)]
        power = noncoherent_power(echoes, phasors(echoes.network, images))
        order = np.argsort(-power, kind="stable")[:N_MIRRORS]
        images = images[order[power[order] > MIRROR_SHARE * coarse.power[0]]]
        if not len(images):
            break
        peaks = coarse_peaks(echoes, images, area)
        mirrored = _fresh(echoes, peaks, coarse)
        coarse = _merged([coarse, peaks])
    return coarse


def _fresh(echoes: Echoes, peaks: Coarse, known: Coarse) -> Float:
    """Return where peaks are that come close to the best known one, and are none of those known, (n, 2)."""
    rivals = peaks.positions_m[close_to_best(np.concatenate([known.power[:1], peaks.power]))[1:]]
    distance = np.linalg.norm(rivals[:, None] - known.positions_m, axis=2).min(axis=1)
    return rivals[distance > [SAME_TARGET_BEAMS * beam_m(echoes, rival) for rival in rivals]]


def mirror_images(echoes: Echoes, point_m: Float) -> Float:
    """Return the mirror images of a point about all arrays, (n_aps, 2)."""
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    positions, axes = echoes.network.ap_positions_m[active], echoes.network.array_axes[active]
    offset = point_m - positions
    return np.asarray(positions + 2.0 * np.sum(offset * axes, axis=1)[:, None] * axes - offset)


def coarse_peaks(echoes: Echoes, points_m: Float, area: Area) -> Coarse:
    """Return the non-coherent maxima reached from the points, best first, those far outside of the area left out."""
    found = coarse_maxima(echoes, points_m)
    return found.best(area.contains(found.positions_m, OUTSIDE * area.side_m))


def coarse_maxima(echoes: Echoes, points_m: Float, n_steps: int = 10) -> Coarse:
    """Return the non-coherent maxima reached from the points, best first."""
    network = echoes.network
    distance = rays(network, clear_of_aps(network, points_m)).distance_m
    beam = np.sort(2.0 / network.antennas[:, None] * distance, axis=0)[min(1, len(distance) - 1)]
    reach = np.maximum(np.minimum(PEAK_NEAR * distance.min(axis=0), PEAK_BEAMS * beam), network.wavelength_m)
    state, found = climb(lambda s: fit(echoes, "noncoherent", s), points_m[:, None], reach, n_steps, COARSE_GAIN)
    order = np.argsort(-found.power, kind="stable")
    positions = state[order, 0]
    return Coarse(positions, found.power[order], noncoherent_covariance_m2(echoes, positions))
