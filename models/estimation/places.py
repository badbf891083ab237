"""The area cut into places, and the APs that tell of each: detection does not get worse as a network grows.

The echo of a target falls with the fourth power of its distances, so the APs next to a place hear nearly all that is to
be heard of it. A map of all pairs of APs would add the noise of pairs that hear nothing: the power that a target must
have to stand out would grow with the root of the number of pairs, and the time with the number itself.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import NEAREST, RING_ANGLES, RING_RADII, RING_STEPS
from models.estimation.likelihood import Echoes, phasors
from models.network import Area, Network

__all__ = ["Place", "Places", "beam", "beam_m", "places_of"]

Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]
Index = NDArray[np.intp]


def beam_m(echoes: Echoes, point_m: Float) -> float:
    """Return how wide a beam is at a point: 2 d / N of the second narrowest, as it takes two APs to locate."""
    return beam(echoes, point_m)[0]


def beam(echoes: Echoes, point_m: Float) -> tuple[float, int]:
    """Return how wide the second narrowest beam is at a point, and the antennas of its AP."""
    active, network = np.concatenate([echoes.transmitters, echoes.receivers]), echoes.network
    distance = np.maximum(np.linalg.norm(network.ap_positions_m[active] - point_m, axis=1), network.wavelength_m)
    width, antennas = distance * 2.0 / network.antennas[active], network.antennas[active]
    second = np.argsort(width, kind="stable")[min(1, len(width) - 1)]
    return float(width[second]), int(antennas[second])


@dataclass(frozen=True, eq=False)
class Place:
    """A tile of the map and the rings about the APs in it, and the APs that tell of it.

    Attributes
    ----------
    network
        Of these APs alone, transmitters first; the whole network where all of its APs tell of the place.
    transmitters, receivers
        Which of the transmitters and receivers of the echoes these are; None for all.
    cells
        Cells of the map that belong to it, flat indices.
    phasor, ring_phasor
        Of the cells and of the points of the rings, shape (n_aps, n_points).
    rings_m
        Points of the rings, shape (n, 2).
    """

    network: Network
    transmitters: Index | None
    receivers: Index | None
    cells: Index
    phasor: Complex64
    rings_m: Float
    ring_phasor: Complex64

    def echoes(self, echoes: Echoes) -> Echoes:
        """Return the echoes by the pairs of APs that tell of this place."""
        if self.transmitters is None or self.receivers is None:
            return echoes
        n_tx, n_rx = len(self.transmitters), len(self.receivers)
        return replace(
            echoes,
            network=self.network,
            transmitters=np.arange(n_tx),
            receivers=np.arange(n_tx, n_tx + n_rx),
            cross=echoes.cross[self.receivers][:, :, self.transmitters],
            gram=echoes.gram.of_pairs(self.receivers, self.transmitters),
            phase_root=None,  # the map knows no phases
        )


@dataclass(frozen=True, eq=False)
class Places:
    """The map of an area, in square tiles.

    Attributes
    ----------
    points_m
        Of the map, shape (n_y n_x, 2).
    shape
        (n_y, n_x) of the map.
    places
        Tile after tile.
    n_tiles
        Along y and x.
    area
        The area.
    """

    points_m: Float
    shape: tuple[int, int]
    places: tuple[Place, ...]
    n_tiles: tuple[int, int]
    area: Area

    def at(self, points_m: Float) -> Index:
        """Return which place each point belongs to, the nearest for those outside of the area."""
        return _tile(self.area, points_m, self.n_tiles)


def places_of(echoes: Echoes, area: Area, step_m: float) -> Places:
    """Return the places of an area; kept for as long as the modes of the APs stay."""
    return _places(echoes.network, area, step_m, echoes.transmitters.tobytes(), echoes.receivers.tobytes())


@lru_cache(maxsize=4)
def _places(network: Network, area: Area, step_m: float, sent: bytes, heard: bytes) -> Places:
    transmitters, receivers = (np.frombuffer(which, dtype=np.intp) for which in (sent, heard))
    x, y = area.grid(step_m)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    n_tiles = _tiling(area, len(transmitters), len(receivers))
    tile = _tile(area, points, n_tiles)
    active = np.concatenate([transmitters, receivers])
    own = zip(network.ap_positions_m[active], network.antennas[active].tolist(), strict=True)
    rings = np.concatenate([place_m + _ring_offsets(n_antennas, step_m) for place_m, n_antennas in own])
    rings = rings[area.contains(rings)]
    ring_tile = _tile(area, rings, n_tiles)
    places = []
    for i in range(n_tiles[0] * n_tiles[1]):
        cells, ring = np.flatnonzero(tile == i), rings[ring_tile == i]
        part, rows = _nearest(network, (transmitters, receivers), _centre(area, i, n_tiles))
        near, around = (phasors(part, where, np.complex64) for where in (points[cells], ring))
        places.append(Place(part, rows[0], rows[1], cells, near, ring, around))
    return Places(points, (len(y), len(x)), tuple(places), n_tiles, area)


def _tiling(area: Area, n_tx: int, n_rx: int) -> tuple[int, int]:
    """Return how many tiles there are along y and x: tiles half as wide as a circle that holds the nearest APs."""
    most = max(n_tx, n_rx)
    if most <= NEAREST:
        return 1, 1
    side = area.side_m * np.sqrt(NEAREST / (np.pi * most))
    return max(1, round(area.height_m / side)), max(1, round(area.width_m / side))


def _tile(area: Area, points_m: Float, n_tiles: tuple[int, int]) -> Index:
    """Return the tile of each point."""
    share = points_m / [area.width_m, area.height_m]
    column, row = (np.clip((share[:, i] * n_tiles[1 - i]).astype(int), 0, n_tiles[1 - i] - 1) for i in (0, 1))
    return np.asarray(row * n_tiles[1] + column)


def _centre(area: Area, tile: int, n_tiles: tuple[int, int]) -> Float:
    row, column = divmod(tile, n_tiles[1])
    return np.array([(column + 0.5) * area.width_m / n_tiles[1], (row + 0.5) * area.height_m / n_tiles[0]])


def _nearest(network: Network, sides: tuple[Index, Index], centre_m: Float) -> tuple[Network, tuple[Index | None, ...]]:
    """Return the network of the APs nearest to a point, and which of the transmitters and receivers these are."""
    if max(map(len, sides)) <= NEAREST:
        return network, (None, None)
    distance = np.linalg.norm(network.ap_positions_m - centre_m, axis=1)
    rows = tuple(np.sort(np.argsort(distance[side], kind="stable")[:NEAREST]) for side in sides)
    return network.only(np.concatenate([side[row] for side, row in zip(sides, rows, strict=True)])), rows


def _ring_offsets(n_antennas: int, step_m: float) -> Float:
    """Return the points of the rings about an AP at the origin, shape (n, 2)."""
    radii = np.geomspace(*RING_STEPS, RING_RADII) * step_m * max(1, n_antennas - 1)
    n_angles = RING_ANGLES * max(4, n_antennas)
    angle = 2.0 * np.pi * np.arange(n_angles) / n_angles
    return (radii[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)).reshape(-1, 2)
