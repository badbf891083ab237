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
from models.estimation.likelihood import Echoes, clear_of_aps, match, noncoherent_power, phasors
from models.estimation.places import beam_m
from models.radio.geometry import rays

__all__ = ["LobeSearch", "Lobes", "ellipse_axes", "tile_side_m"]

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
LATTICE_SHARE = 0.5  # of the power of the best points: with less a point is not sharpened (rounding costs a quarter)
POINT_COST, TILE_COST, SEARCH_COST = 0.2, 3e4, 3e6  # operations: a point and plane wave, a tile, a search
SCREENING_COST, SCREENING_STEPS = 5e3, 12  # of telling whether a tile is likely; for so many along a half axis
MOST_OPERATIONS = 1.2e9  # of one search in a network of 36 pairs of APs
FEW_TILES = 400  # of an ellipse, 20 across, below which power may change much from one to the next
MOST_TILES, MOST_WAVES = (
    1_000_000,
    4_000_000,
)  # of one ellipse, and pairs of APs and tiles, so that they fit into memory
WIDENING = 2.0  # of the ellipse, beyond which nothing is looked for
LEG_PHASE_ERROR_RAD = 0.125  # of the plane-wave approximation at the corner of a tile


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

    def operations(self, echoes: Echoes) -> float:
        """Return about how many operations it takes to search them."""
        return SEARCH_COST + len(self.centres_m) * self._operations_of_one(echoes)

    def _operations_of_one(self, echoes: Echoes) -> float:
        n_tx = len(echoes.transmitters)
        n_waves = echoes.n_pairs + (n_tx * (n_tx - 1) // 2 if echoes.gram.overlapping else 0)
        return TILE_COST + POINT_COST * len(self.offsets[0]) * len(self.offsets[1]) * n_waves

    def most_likely(
        self, echoes: Echoes, inside: NDArray[np.bool_], least_power: float, spacing_m: Float
    ) -> tuple["_Tiles", bool]:
        """Return the tiles of enough power; if they are too many, the likeliest, and False.

        The power is that of points ``spacing_m`` apart along the axes, over which it hardly changes; where tiles are
        not so small, all those inside the ellipse are kept.
        """
        most = int(MOST_OPERATIONS * max(1.0, echoes.n_pairs / 36.0) / self._operations_of_one(echoes))
        most = min(most, MOST_WAVES // echoes.n_pairs)
        if least_power == -np.inf and len(self.centres_m) <= most:
            return self, True
        cells = np.round(self.centres_m @ self.axes.T / spacing_m).astype(int)
        _, first, cell = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        echoes.effort.spend(SCREENING_COST * len(first))
        power = noncoherent_power(echoes, phasors(echoes.network, self.centres_m[first]))[cell.ravel()]
        few = inside if np.count_nonzero(inside) <= FEW_TILES else False
        kept = np.flatnonzero((power > least_power) | few)
        likely = len(kept)
        if likely > most:
            kept = np.sort(kept[np.argsort(-power[kept], kind="stable")[:most]])
        return self._replace(centres_m=self.centres_m[kept]), likely <= most


def _sides(echoes: Echoes, centre_m: Float, half_axes_m: Float, axes: Float, largest_m: float) -> Float:
    """Return the sides of tiles, of which a whole number makes an axis of an ellipse, shape (2,)."""
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    offset = (echoes.network.ap_positions_m[active] - centre_m) @ axes.T
    nearest = np.hypot(*offset.T).min()
    beyond = np.hypot(*np.maximum(np.abs(offset) - half_axes_m, 0.0).T).min()
    distance = max(beyond, 0.25 * nearest, 12.0 * echoes.network.wavelength_m)
    side = tile_side_m(distance, echoes.network.wavenumber_rad_m, largest_m)
    return np.asarray(2.0 * half_axes_m / np.maximum(1, np.ceil(2.0 * half_axes_m / side)))


def _cover(
    centre_m: Float, half_axes_m: Float, axes: Float, sides: Float, step_m: float, widening: float
) -> tuple[_Tiles, NDArray[np.bool_]]:
    """Return the tiles that touch an ellipse, ``widening`` times as large, and which touch the ellipse itself."""
    coordinates = [
        _centred(int(np.ceil(widening * 2.0 * h / s - 1e-6)), s) for h, s in zip(half_axes_m, sides, strict=True)
    ]
    grid = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1).reshape(-1, 2)
    inner = np.maximum(np.abs(grid) - sides / 2.0, 0.0) / half_axes_m
    radius = np.hypot(inner[:, 0], inner[:, 1])
    touched = radius < widening
    counts = [BLOCK * max(1, int(np.ceil(length / (BLOCK * step_m)))) for length in sides]
    offsets = [_centred(n, length / n) for n, length in zip(counts, sides, strict=True)]
    return _Tiles(centre_m + grid[touched] @ axes, axes, (offsets[0], offsets[1])), radius[touched] < 1.0


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

    coherent: str = "structured"
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
        widening = 1.0 if least_power is None else WIDENING
        sides = _sides(echoes, centre_m, half_axes_m, axes, self.largest_tile * beam_m(echoes, centre_m))
        nothing = Lobes(np.empty((0, 2)), np.empty(0), complete=False)
        n_tiles = float(np.prod(2.0 * widening * half_axes_m / sides))
        if n_tiles > MOST_TILES or not echoes.effort.allows(SCREENING_COST * min(n_tiles, 4.0 * SCREENING_STEPS**2)):
            echoes.effort.refused = True
            return nothing
        tiles, inside = _cover(centre_m, half_axes_m, axes, sides, step, widening)
        least = -np.inf if least_power is None else least_power
        tiles, complete = tiles.most_likely(echoes, inside, least, half_axes_m / SCREENING_STEPS)
        echoes.effort.refused |= not complete
        if not len(tiles.centres_m):
            return nothing._replace(complete=True)
        operations = tiles.operations(echoes)
        if not echoes.effort.allows(operations):
            return nothing
        echoes.effort.spend(operations)
        keep_memory()
        waves = _Waves.of(_Legs.at(echoes, tiles), doubled, echoes.gram.overlapping)
        tile, offset = _candidates(waves, tiles.offsets, self.n_best)
        tile, offset, power = _sharpened(waves, tile, offset, step, 4 * self.n_best)
        positions = tiles.centres_m[tile] + offset @ tiles.axes
        lobes = _apart(positions, step / 2.0)[: self.n_best]
        return Lobes(positions[lobes], power[lobes], complete)


class _Legs(NamedTuple):
    """The echoes at the centres of tiles, and how fast the phases of the legs turn from there."""

    output: Complex  # v e^{jk(d_t + d_r)}, (tiles, rx, tx)
    gram: Complex  # K, (tiles, rx or 1, tx) or (tiles, rx or 1, tx, tx)
    distance_m: tuple[Float, Float]  # (tiles, tx), (tiles, rx)
    slope: tuple[Float, Float]  # phase slope along the two axes in rad/m, (2, tiles, tx), (2, tiles, rx)

    @classmethod
    def at(cls, echoes: Echoes, tiles: _Tiles) -> "_Legs":
        """Return the legs at all centres; phase slopes refer to the middle of each array."""
        network, sides = echoes.network, (echoes.transmitters, echoes.receivers)
        ray = rays(network, clear_of_aps(network, tiles.centres_m))
        wavenumber = network.wavenumber_rad_m
        carrier = np.exp(1j * wavenumber * ray.distance_m)
        output, gram = match(echoes, np.exp(-1j * np.pi * ray.sine))
        towards, back = carrier[sides[0]], carrier[sides[1]]
        output = output * back[:, None] * towards
        if echoes.gram.overlapping:
            gram = gram * towards[:, None] * towards.conj()
        gradient = wavenumber * ray.direction - np.pi * (network.n_antennas - 1) / 2.0 * ray.sine_gradient
        slope = np.ascontiguousarray(np.einsum("mgx,ax->agm", gradient, tiles.axes))
        distance = ray.distance_m.T
        return cls(
            np.ascontiguousarray(np.moveaxis(output, -1, 0)),
            np.ascontiguousarray(np.moveaxis(gram, -1, 0)),
            (distance[:, sides[0]], distance[:, sides[1]]),
            (slope[..., sides[0]], slope[..., sides[1]]),
        )

    def noise_kernel(self) -> Complex:
        """Return sum_r c_rt K_rtt' c_rt', c = 1 / (d_t d_r), (tiles, tx), or (tiles, tx, tx) of overlapping signals."""
        towards, back = (1.0 / d for d in self.distance_m)
        weight = back**2 if self.gram.shape[1] > 1 else np.sum(back**2, axis=1, keepdims=True)
        kernel = np.einsum("gr,gr...->g...", weight, self.gram)
        return kernel * (towards**2 if kernel.ndim == 2 else towards[:, :, None] * towards[:, None, :])

    def inverse_power(self) -> Float:
        """Return 1 / D, zero for pairs without data, shape (tiles, rx, tx)."""
        power = np.broadcast_to(self.gram.real, self.output.shape)
        return np.divide(1.0, power, out=np.zeros_like(power), where=power > 1e-9 * power.max(initial=0.0))


class _Waves(NamedTuple):
    """The coherent sum of every tile, W = sum_rt weight_rt e^{j (slope_t + slope_r) . offset}.

    In single precision: from the centre of a tile no phase turns by more than some 100 rad.
    """

    weight: Complex64  # (tiles, rx, tx)
    slope: tuple[Float32, Float32]  # in rad/m, of the transmitters' legs (2, tiles, tx), and of the receivers'
    kernel: Complex64 | None = None  # |W|^2 is divided by sum_tt' kernel_tt' e^{j (slope_t - slope_t') . offset}
    constant: Float32 | None = None  # the power is not |W|^2, but (constant + |W|) / 2; (tiles,)

    @classmethod
    def of(cls, legs: _Legs, doubled: bool, overlapping: bool) -> "_Waves":
        """Return the sum of amplitudes c / (d_t d_r), or, with the phases doubled, of free ones.

        These explain |sum v c e^{jk(d_t + d_r)}|^2 over the noise power, c = 1/(d_t d_r), and, without cross terms,
        (1/2) sum |v|^2/D + (1/2) |sum (v e^{jk(d_t + d_r)})^2 / D|.
        """
        slope = (legs.slope[0].astype(np.float32), legs.slope[1].astype(np.float32))
        if doubled:
            inverse = legs.inverse_power()
            constant = np.einsum("grt,grt->g", np.abs(legs.output) ** 2, inverse).astype(np.float32)
            weight = (legs.output**2 * inverse).astype(np.complex64)
            return cls(weight, (2 * slope[0], 2 * slope[1]), constant=constant)
        kernel = legs.noise_kernel()
        noise = np.maximum(np.einsum("gtt->g" if overlapping else "gt->g", kernel).real, 1e-30)
        towards, back = legs.distance_m
        weight = legs.output / (np.sqrt(noise)[:, None, None] * back[:, :, None] * towards[:, None])
        relative = (kernel / noise[:, None, None]).astype(np.complex64) if overlapping else None
        return cls(weight.astype(np.complex64), slope, relative)

    def at(self, tile: slice | NDArray[np.intp]) -> "_Waves":
        """Return those of some tiles."""
        slope = (self.slope[0][:, tile], self.slope[1][:, tile])
        kernel = None if self.kernel is None else self.kernel[tile]
        return _Waves(self.weight[tile], slope, kernel, None if self.constant is None else self.constant[tile])

    def turn(self, offset_m: Float) -> Complex64:
        """Return e^{j (slope_t + slope_r) . offset} at one offset, or one for each tile; (tiles, rx, tx)."""
        towards, back = (_turn(slope, offset_m) for slope in self.slope)
        return back[:, :, None] * towards[:, None, :]

    def power(self, square: Float32) -> Float32:
        """Return the explained power over sigma^2, given |W|^2 over the noise power, shape (tiles, ...)."""
        if self.constant is None:
            return square
        constant = self.constant.reshape(-1, *(1,) * (square.ndim - 1))
        return (constant + np.sqrt(square)) / np.float32(2.0)

    def squares(self, offsets_m: tuple[Float, Float]) -> Float32:
        """Return |W|^2 over the noise power on the lattice, (tiles, n_a, n_b)."""
        first, steps = _first(offsets_m), _steps(offsets_m)
        start = (self.weight * self.turn(first)).reshape(len(self.weight), -1)
        ratio = [self.turn(step).reshape(start.shape) for step in steps]
        left = _powers(start, ratio[0], len(offsets_m[0]))
        right = _powers(np.ones_like(start), ratio[1], len(offsets_m[1]))
        total = left.swapaxes(0, 1) @ right.transpose(1, 2, 0)
        square = total.real**2
        square += total.imag**2
        if self.kernel is not None:
            square /= np.maximum(_noise_lattice(self.kernel, self.slope[0], offsets_m), np.float32(1e-6))
        return square

    def expand(self, offset_m: Float) -> tuple[Float32, Float]:
        """Return |W|^2 over the noise power at one offset for each tile, and the Newton step to its maximum."""
        slope = (self.slope[1][..., :, None] + self.slope[0][..., None, :]).reshape(2, len(offset_m), -1)
        signal = _signal_power((self.weight * self.turn(offset_m)).reshape(len(offset_m), -1), slope)
        noise = None if self.kernel is None else _noise_power(self.kernel, self.slope[0], offset_m)
        square, move = _newton_move(signal, noise)
        return square.astype(np.float32), move


def _first(offsets_m: tuple[Float, Float]) -> Float:
    return np.array([offsets_m[0][0], offsets_m[1][0]])


def _steps(offsets_m: tuple[Float, Float]) -> Float:
    return np.diag([offsets_m[0][1] - offsets_m[0][0], offsets_m[1][1] - offsets_m[1][0]])


def _turn(slope: Float32, offset_m: Float) -> Complex64:
    """Return e^{j slope . offset}, shape (tiles, legs), of slopes (2, tiles, legs) and offsets (2,) or (tiles, 2)."""
    offset = offset_m.astype(np.float32)
    phase = slope[0] * offset[..., :1] + slope[1] * offset[..., 1:]
    turn = np.empty(phase.shape, dtype=np.complex64)
    turn.real, turn.imag = np.cos(phase), np.sin(phase)  # a tenth of the time of np.exp
    return turn


def _powers(start: Complex64, ratio: Complex64, n: int) -> Complex64:
    """Return start, start ratio, start ratio^2, ..., (n, *shape), by doubling: log2 n products, no exp."""
    power = np.empty((n, *start.shape), dtype=np.complex64)
    power[0] = start
    done = 1
    while done < n:
        more = min(done, n - done)
        np.multiply(power[:more], ratio, out=power[done : done + more])
        ratio, done = ratio * ratio, done + more
    return power


def _noise_lattice(kernel: Complex64, slope: Float32, offsets_m: tuple[Float, Float]) -> Float32:
    """Return sum_tt' kernel_tt' e^{j (slope_t - slope_t') . (a, b)}, real, (tiles, n_a, n_b)."""
    one, other = np.triu_indices(kernel.shape[1], 1)
    difference = slope[..., one] - slope[..., other]
    start = 2 * kernel[:, one, other] * _turn(difference, _first(offsets_m))
    ratio = [_turn(difference, step) for step in _steps(offsets_m)]
    left = _powers(start, ratio[0], len(offsets_m[0]))
    right = _powers(np.ones_like(start), ratio[1], len(offsets_m[1]))
    left_parts = np.concatenate([left.real, -left.imag], axis=-1)
    right_parts = np.concatenate([right.real, right.imag], axis=-1)
    mixed = left_parts.swapaxes(0, 1) @ right_parts.transpose(1, 2, 0)
    mixed += np.einsum("gtt->g", kernel).real[:, None, None]
    return mixed


def _block_maxima(square: Float32) -> Float32:
    """Return the maxima of the blocks of each tile, (tiles, n_a / BLOCK, n_b / BLOCK)."""
    rows = reduce(np.maximum, [square[:, i::BLOCK] for i in range(BLOCK)])
    return reduce(np.maximum, [rows[..., i::BLOCK] for i in range(BLOCK)])


def _candidates(waves: _Waves, offsets_m: tuple[Float, Float], n_best: int) -> tuple[NDArray[np.intp], Float]:
    """Return the tiles and offsets of the lattice points among which the best lobes are."""
    n_tiles, n_points = len(waves.weight), len(offsets_m[0]) * len(offsets_m[1])
    fewest = max(FEWEST_CANDIDATES, CANDIDATE_WAVES // waves.weight[0].size)
    most = int(np.clip(CANDIDATES_PER_TILE * n_tiles, fewest, max(fewest, MOST_CANDIDATES)))
    found, least = np.empty(0, dtype=POINT), -np.inf
    batch = max(1, BATCH_POINTS // n_points)
    for start in range(0, n_tiles, batch):
        part = waves.at(slice(start, start + batch))
        square = part.squares(offsets_m)
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
    waves: _Waves, tile: NDArray[np.intp], offset_m: Float, step_m: float, most: int
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
    distance = np.linalg.norm(positions_m[:, None] - positions_m, axis=2)
    return np.flatnonzero(~np.triu(distance < apart_m, 1).any(axis=0))


class _Expansion(NamedTuple):
    """A real function of the offset to second order, each of shape (n,)."""

    value: Float
    slope: tuple[Float, Float]
    bend: tuple[Float, Float, Float]  # aa, ab, bb


def _signal_power(terms: Complex64, slope: Float32) -> _Expansion:
    """Return |sum_i terms_i e^{j slope_i . offset}|^2 about zero."""
    total, *first = (np.sum(x, axis=1).astype(complex) for x in (terms, terms * slope[0], terms * slope[1]))
    s_a, s_b = (1j * x for x in first)
    s_aa, s_ab, s_bb = (-np.sum(terms * k, axis=1).astype(complex)
                        for k in (slope[0] ** 2, slope[0] * slope[1], slope[1] ** 2))  # fmt: skip
    bend = [2.0 * (total.conj() * second + first).real for second, first in
            ((s_aa, s_a.conj() * s_a), (s_ab, s_a.conj() * s_b), (s_bb, s_b.conj() * s_b))]  # fmt: skip
    slopes = (2.0 * (total.conj() * s_a).real, 2.0 * (total.conj() * s_b).real)
    return _Expansion(np.abs(total) ** 2, slopes, (bend[0], bend[1], bend[2]))


def _noise_power(kernel: Complex64, slope: Float32, offset_m: Float) -> _Expansion:
    """Return sum_tt' kernel_tt' e^{j (slope_t - slope_t') . offset}, kernel Hermitian."""
    turn = _turn(slope, offset_m)
    terms = kernel * turn[:, :, None] * turn[:, None, :].conj()
    d_a, d_b = (k[:, :, None] - k[:, None, :] for k in slope)
    value, f_a, f_b, f_aa, f_ab, f_bb = (
        np.einsum("gtu,gtu->g", part, factor).astype(float)
        for part, factor in (
            (terms.real, np.ones_like(d_a)), (-terms.imag, d_a), (-terms.imag, d_b),
            (-terms.real, d_a**2), (-terms.real, d_a * d_b), (-terms.real, d_b**2),
        )
    )  # fmt: skip
    return _Expansion(np.maximum(value, 1e-6), (f_a, f_b), (f_aa, f_ab, f_bb))


def _newton_move(signal: _Expansion, noise: _Expansion | None) -> tuple[Float, Float]:
    """Return f = signal / noise and the Newton step towards its maximum, zero where f is not concave."""
    value, (g_a, g_b), (h_aa, h_ab, h_bb) = signal
    if noise is not None:  # f' = (S' - f N') / N, and likewise once more
        value = value / noise.value
        h_aa, h_ab, h_bb = (h - value * n for h, n in zip(signal.bend, noise.bend, strict=True))
        g_a, g_b = ((g - value * n) / noise.value for g, n in zip(signal.slope, noise.slope, strict=True))
        (n_a, n_b), scale = noise.slope, 1.0 / noise.value
        h_aa, h_bb = (h_aa - 2.0 * g_a * n_a) * scale, (h_bb - 2.0 * g_b * n_b) * scale
        h_ab = (h_ab - g_a * n_b - g_b * n_a) * scale
    determinant = h_aa * h_bb - h_ab**2
    concave = (determinant > 0.0) & (h_aa < 0.0)
    inverse = np.divide(1.0, determinant, out=np.zeros_like(determinant), where=concave)
    return value, np.stack([(h_ab * g_b - h_bb * g_a) * inverse, (h_ab * g_a - h_aa * g_b) * inverse], axis=-1)
