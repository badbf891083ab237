r"""Search over the lobes of the carrier phase: the coherent cost on a fine lattice inside an error ellipse.

The non-coherent peak is good to decimetres or metres, the lobes of the coherent cost are centimetres apart, so every
lobe in the error ellipse of the non-coherent estimate is looked at. The ellipse is cut into tiles along its axes:

         _______
       /|_|_|_|_|\        in a tile the phase of every leg is linear in the offset (a, b) from its centre, so
      ( |_|_|_|_| )
       \|_|_|_|_|/            sum_rt b_rt e^{j kappa_rt . (a, b)} = E_a diag(b) E_b^T
         -------

is one small matrix product for all lattice points of a tile, without trigonometry for each point.
"""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bounds.maps import keep_memory
from models.estimation.constants import LARGEST_TILE
from models.estimation.likelihood import Echoes, noncoherent_power, phasors
from models.estimation.places import beam, beam_m
from models.estimation.signals import Amplitude
from models.estimation.waves import Legs, Waves

__all__ = ["LobeSearch", "Lobes", "Region", "ellipse_axes", "tile_side_m"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]
Float32 = NDArray[np.float32]
BATCH_POINTS = 2**18  # lattice points looked at together: few calls for each tile, and they still fit into the cache
BLOCK = 3  # no two lobes fit into a block of 3 x 3
CANDIDATES_PER_TILE, FEWEST_CANDIDATES, MOST_CANDIDATES = 8, 128, 1500  # best points of blocks that are sharpened
POINT = np.dtype([("tile", np.intp), ("a", np.intp), ("b", np.intp), ("power", np.float32)])
CANDIDATE_WAVES = (
    54_000  # as many points more of few pairs of APs, whose lobes differ little, as take the time of these
)
STRONG_SHARE, FEWEST_WAVES = 0.9, 12  # of the amplitudes, which 14 of 36 pairs of APs hold: they tell lobes apart
LATTICE_SHARE = 0.5  # of the power of the best points: with less a point is not sharpened (rounding costs a quarter)
POINT_COST, TILE_COST = 0.2, 3e4  # operations: a point and plane wave, a tile
SEARCH_COST, LOBE_COST = 3e6, 6e4  # a search, a lobe of it
SCREENING_COST, SCREENING_STEPS = 5e3, 12  # of telling whether a tile is likely; for so many along a half axis
MOST_OPERATIONS = 1.2e9  # of one search in a network of 36 pairs of APs
FEW_TILES = 400  # of an ellipse, 20 across, below which power may change much from one to the next
MOST_TILES, MOST_WAVES = (
    1_000_000,
    4_000_000,
)  # of one ellipse, and pairs of APs and tiles, so that they fit into memory
WIDENING = 2.0  # of the ellipse, beyond which nothing is looked for
LEG_PHASE_ERROR_RAD = 0.125  # of the plane-wave approximation at the corner of a tile


class Region(NamedTuple):
    """An ellipse in which lobes are looked for."""

    centre_m: Float  # (2,)
    half_axes_m: Float  # (2,), ascending
    axes: Float  # (2, 2), their directions in rows

    def holds(self, points_m: Float, share: float = 1.0) -> NDArray[np.bool_]:
        """Return which points, (n, 2), lie in the ellipse, its axes taken times a share."""
        within = (points_m - self.centre_m) @ self.axes.T / self.half_axes_m
        return np.asarray(np.hypot(within[:, 0], within[:, 1]) < share)


class Lobes(NamedTuple):
    """The best lobes, each once, best first."""

    positions_m: Float
    """Shape (n, 2)."""
    power: Float
    """Explained power over sigma^2, approximate, shape (n,)."""
    complete: bool = True
    """Whether all of the ellipse was searched."""


def ellipse_axes(covariance_m2: Float, n_sigma: float, smallest_m: float, largest_m: float) -> tuple[Float, Float]:
    """Return the half axes (2,) in m, kept within limits, and their directions (2, 2), one in each row."""
    values, vectors = np.linalg.eigh(covariance_m2)
    half = n_sigma * np.sqrt(np.maximum(values, 0.0))
    return np.clip(half, smallest_m, largest_m), vectors.T


def tile_side_m(distance_m: float, wavenumber_rad_m: float, largest_m: float) -> float:
    """Return the side of a tile whose corner errs by at most 0.125 rad a leg, k t^2 / (4 R), R the nearest AP."""
    return min(largest_m, float(np.sqrt(4.0 * LEG_PHASE_ERROR_RAD * distance_m / wavenumber_rad_m)))


class _Tiles(NamedTuple):
    centres_m: Float  # (n_tiles, 2)
    axes: Float  # (2, 2), rows: directions of the offsets a and b
    offsets: tuple[Float, Float]  # lattice offsets along a and b

    def operations(self, echoes: Echoes, n_best: int) -> float:
        """Return about how many operations it takes to search them for so many lobes."""
        return SEARCH_COST + LOBE_COST * n_best + len(self.centres_m) * self._operations_of_one(echoes)

    def _operations_of_one(self, echoes: Echoes) -> float:
        n_tx = len(echoes.transmitters)
        n_waves = echoes.n_pairs + (n_tx * (n_tx - 1) // 2 if echoes.gram.overlapping else 0)
        return TILE_COST + POINT_COST * len(self.offsets[0]) * len(self.offsets[1]) * n_waves

    def most_likely(
        self, echoes: Echoes, inside: NDArray[np.bool_], least_power: float, spacing_m: Float
    ) -> "_Tiles | None":
        """Return the tiles of enough power, None if they are too many: a part of them would tell nothing.

        The power is that of points ``spacing_m`` apart along the axes, over which it hardly changes; where tiles are
        not so small, all those inside the ellipse are kept.
        """
        most = int(MOST_OPERATIONS * max(1.0, echoes.n_pairs / 36.0) / self._operations_of_one(echoes))
        most = min(most, MOST_WAVES // echoes.n_pairs)
        if least_power == -np.inf:
            return self if len(self.centres_m) <= most else None
        cells = np.round(self.centres_m @ self.axes.T / spacing_m).astype(int)
        _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        echoes.effort.spend(SCREENING_COST * len(first))
        power = noncoherent_power(echoes, phasors(echoes.network, self.centres_m[first]))[cell.ravel()]
        few = inside if np.count_nonzero(inside) <= FEW_TILES else False
        kept = np.flatnonzero((power > least_power) | few)
        return self._replace(centres_m=self.centres_m[kept]) if len(kept) <= most else None


def _sides(echoes: Echoes, centre_m: Float, half_axes_m: Float, axes: Float, largest_m: float) -> Float:
    """Return the sides of tiles, of which a whole number makes an axis of an ellipse, shape (2,)."""
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    offset = (echoes.network.ap_positions_m[active] - centre_m) @ axes.T
    nearest = np.hypot(*offset.T).min()
    beyond = np.hypot(*np.maximum(np.abs(offset) - half_axes_m, 0.0).T).min()
    distance = max(beyond, 0.25 * nearest, 12.0 * echoes.network.wavelength_m)
    side = tile_side_m(distance, echoes.network.wavenumber_rad_m, largest_m)
    return np.asarray(2.0 * half_axes_m / np.maximum(1, np.ceil(2.0 * half_axes_m / side)))


def _cover(region: Region, sides: Float, step_m: float, widening: Float) -> tuple[_Tiles, NDArray[np.bool_]]:
    """Return the tiles that touch an ellipse with axes ``widening`` times as long, and which touch it as it is."""
    half = region.half_axes_m
    coordinates = [
        _centred(int(np.ceil(w * 2.0 * h / s - 1e-6)), s) for w, h, s in zip(widening, half, sides, strict=True)
    ]
    grid = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, 2)
    inner = np.maximum(np.abs(grid) - sides / 2.0, 0.0) / half
    touched = np.hypot(*(inner / widening).T) < 1.0
    counts = [BLOCK * max(1, int(np.ceil(length / (BLOCK * step_m)))) for length in sides]
    offsets = [_centred(n, length / n) for n, length in zip(counts, sides, strict=True)]
    tiles = _Tiles(region.centre_m + grid[touched] @ region.axes, region.axes, (offsets[0], offsets[1]))
    return tiles, np.hypot(*inner[touched].T) < 1.0


def _centred(n: int, step_m: float) -> Float:
    """Return n evenly spaced coordinates around zero."""
    return np.asarray((np.arange(n) - (n - 1) / 2.0) * step_m, dtype=float)


@dataclass(frozen=True, kw_only=True)
class LobeSearch:
    """The settings of the search.

    Attributes
    ----------
    coherent
        "structured": amplitude kappa / (d_t d_r); "free": real free amplitudes, whose lobes are half as wide. With
        overlapping signals the lobes are looked for with structured amplitudes in both cases.
    n_best
        Lobes returned.
    largest_tile
        Side of the largest tile, in beams.
    """

    coherent: Amplitude = "structured"
    n_best: int = 16
    largest_tile: float = LARGEST_TILE

    def search(
        self, echoes: Echoes, centre_m: Float, half_axes_m: Float, axes: Float, least_power: float | None = None
    ) -> Lobes:
        """Return the best lobes of the ellipse; none where that takes more than the effort that is left.

        Parameters
        ----------
        echoes
            Scaled statistics, other targets taken away.
        centre_m
            Centre of the ellipse, shape (2,).
        half_axes_m, axes
            Its half axes, shape (2,), ascending, and their directions in rows, shape (2, 2).
        least_power
            Tiles are searched where the non-coherent power is at least this, up to twice the axes of the ellipse: the
            level set of the power is a better region than the ellipse. Default: all of the ellipse.
        """
        doubled = self.coherent == "free" and not echoes.gram.overlapping
        step = echoes.network.wavelength_m / (14.0 if doubled else 7.0)
        tiles = self._tiles(echoes, Region(centre_m, half_axes_m, axes), step, least_power)
        if tiles is None or not echoes.effort.allows(tiles.operations(echoes, self.n_best)):
            echoes.effort.refused = True
            return Lobes(np.empty((0, 2)), np.empty(0), complete=False)
        if not len(tiles.centres_m):
            return Lobes(np.empty((0, 2)), np.empty(0))
        echoes.effort.spend(tiles.operations(echoes, self.n_best))
        keep_memory()
        waves = Waves.of(Legs.at(echoes, tiles.centres_m, tiles.axes), doubled, echoes.gram.overlapping)
        tile, offset = _candidates(waves, tiles.offsets, self.n_best)
        tile, offset, power = _sharpened(waves, tile, offset, step, 4 * self.n_best)
        positions = tiles.centres_m[tile] + offset @ tiles.axes
        lobes = _apart(positions, step / 2.0)[: self.n_best]
        return Lobes(positions[lobes], power[lobes])

    def _tiles(self, echoes: Echoes, region: Region, step_m: float, least_power: float | None) -> _Tiles | None:
        """Return the tiles to search, None if they are too many."""
        half = region.half_axes_m
        sides = _sides(echoes, *region, self.largest_tile * beam_m(echoes, region.centre_m))
        widening = np.ones(2) if least_power is None else _widening(echoes, region)
        n_tiles = float(np.prod(2.0 * widening * half / sides))
        n_cells = min(n_tiles, float(np.prod(2.0 * SCREENING_STEPS * widening)))
        if n_tiles > MOST_TILES or not echoes.effort.allows(SCREENING_COST * n_cells):
            return None
        tiles, inside = _cover(region, sides, step_m, widening)
        least = -np.inf if least_power is None else least_power
        return tiles.most_likely(echoes, inside, least, half / SCREENING_STEPS)


def _widening(echoes: Echoes, region: Region) -> Float:
    """Return by how much the axes are taken longer: a long ridge of the power bends, by L^2 / (2 R) over a length L."""
    short, long = region.half_axes_m
    width, n_antennas = beam(echoes, region.centre_m)
    radius = 0.5 * n_antennas * width  # how far the AP is
    return np.array([max(WIDENING, 1.0 + long**2 / (2.0 * radius * short)), WIDENING])


def _block_maxima(square: Float32) -> Float32:
    """Return the maxima of the blocks of each tile, (tiles, n_a / BLOCK, n_b / BLOCK)."""
    rows = reduce(np.maximum, [square[:, i::BLOCK] for i in range(BLOCK)])
    return reduce(np.maximum, [rows[..., i::BLOCK] for i in range(BLOCK)])


def _candidates(waves: Waves, offsets_m: tuple[Float, Float], n_best: int) -> tuple[NDArray[np.intp], Float]:
    """Return the tiles and offsets of the lattice points among which the best lobes are."""
    n_tiles, n_points = len(waves.weight), len(offsets_m[0]) * len(offsets_m[1])
    fewest = max(FEWEST_CANDIDATES, CANDIDATE_WAVES // waves.weight[0].size)
    most = int(np.clip(CANDIDATES_PER_TILE * n_tiles, fewest, max(fewest, MOST_CANDIDATES)))
    found, least = np.empty(0, dtype=POINT), -np.inf
    batch, pairs = max(1, BATCH_POINTS // n_points), waves.strongest(STRONG_SHARE, FEWEST_WAVES)
    for start in range(0, n_tiles, batch):
        part = waves.at(slice(start, start + batch))
        square = part.squares(offsets_m, pairs)
        more = _block_points(square, part.power(_block_maxima(square)), least, most)
        more["tile"] += start
        found = _best(np.concatenate([found, more]), most)
        least = found["power"].min() if len(found) == most else least
    found = found[found["power"] >= LATTICE_SHARE * _best(found, n_best)["power"].min()]
    return found["tile"], np.stack([offsets_m[0][found["a"]], offsets_m[1][found["b"]]], axis=-1)


def _best(points: NDArray[np.void], most: int) -> NDArray[np.void]:
    """Return the points of the highest power, in any order."""
    return points if len(points) <= most else points[np.argpartition(-points["power"], most)[:most]]


def _block_points(square: Float32, power: Float32, least: float, most: int) -> NDArray[np.void]:
    """Return the best points of the blocks whose power, (tiles, n_a / BLOCK, n_b / BLOCK), is more than the least."""
    found = np.flatnonzero(power > least)
    if len(found) > most:
        found = found[np.argpartition(-power.ravel()[found], most)[:most]]
    tile, row, column = np.unravel_index(found, power.shape)
    n_tiles, n_a, n_b = square.shape
    blocks = square.reshape(n_tiles, n_a // BLOCK, BLOCK, n_b // BLOCK, BLOCK)
    a, b = np.divmod(blocks[tile, row, :, column].reshape(-1, BLOCK * BLOCK).argmax(axis=1), BLOCK)
    points = np.empty(len(tile), dtype=POINT)
    points["tile"], points["a"], points["b"] = tile, BLOCK * row + a, BLOCK * column + b
    points["power"] = power[tile, row, column]
    return points


def _sharpened(
    waves: Waves, tile: NDArray[np.intp], offset_m: Float, step_m: float, most: int
) -> tuple[NDArray[np.intp], Float, Float]:
    """Return lattice points moved to the maximum next to them, at most so many, best first, and their power.

    Rounding to the lattice costs up to a quarter of the power, more than the difference between good and best lobes.
    Newton steps, at most half a lattice step each, all points take one, the best of them another.
    """
    some = waves.at(tile)
    _, move = some.expand(offset_m)
    offset_m = offset_m + np.clip(move, -step_m / 2.0, step_m / 2.0)
    square, move = some.expand(offset_m)
    best = np.argsort(-some.power(square), kind="stable")[:most]
    offset_m = (offset_m + np.clip(move, -step_m / 2.0, step_m / 2.0))[best]
    some = some.at(best)
    power = some.power(some.expand(offset_m)[0])
    order = np.argsort(-power, kind="stable")
    return tile[best[order]], offset_m[order], power[order].astype(float)


def _apart(positions_m: Float, apart_m: float) -> NDArray[np.intp]:
    """Return which positions have none nearer among those before them."""
    x, y = np.ascontiguousarray(positions_m.T)
    square = np.subtract.outer(x, x) ** 2
    square += np.subtract.outer(y, y) ** 2
    return np.flatnonzero(~np.triu(square < apart_m**2, 1).any(axis=0))
