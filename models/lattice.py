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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bound_maps import keep_memory
from models.geometry import rays
from models.likelihood import Echoes, clear_of_aps, match, noncoherent_power, phasors

__all__ = ["LobeSearch", "Lobes", "ellipse_axes", "tile_side_m"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
BATCH_TILES = 8
BLOCK, BEST_BLOCKS = 3, 8  # no two lobes fit into a block of 3 x 3; its best point is looked at again, eight a tile
SHARPENING_STEPS, MOST_SHARPENED = 2, 1500
POINT_COST, TILE_COST, SEARCH_COST = 1.2, 5e4, 3e6  # operations: a point and pair of APs, a tile, a search
MOST_OPERATIONS = 1.2e9  # of one search
WIDENING = 2.0  # of the ellipse, beyond which nothing is looked for
LEG_PHASE_ERROR_RAD = 0.125  # of the plane-wave approximation at the corner of a tile


class Lobes(NamedTuple):
    """The best lattice points, best first."""

    positions_m: Float
    """Shape (n, 2)."""
    power: Float
    """Explained power over sigma^2, approximate, shape (n,)."""


def ellipse_axes(covariance_m2: Float, n_sigma: float, smallest_m: float, largest_m: float) -> tuple[Float, Float]:
    """Return the half axes (2,) in m, kept within limits, and their directions (2, 2), one in each row."""
    values, vectors = np.linalg.eigh(covariance_m2)
    half = n_sigma * np.sqrt(np.maximum(values, 0.0))
    return np.clip(half, smallest_m, largest_m), vectors.T


def tile_side_m(distance_m: float, wavenumber_rad_m: float, largest_m: float = 1.0) -> float:
    """Return the side of a tile whose corner errs by at most 0.125 rad a leg, k t^2 / (4 R), R the nearest AP."""
    return min(largest_m, float(np.sqrt(4.0 * LEG_PHASE_ERROR_RAD * distance_m / wavenumber_rad_m)))


class _Tiles(NamedTuple):
    centres_m: Float  # (n_tiles, 2)
    axes: Float  # (2, 2), rows: directions of the offsets a and b
    offsets: tuple[Float, Float]  # lattice offsets along a and b

    def operations(self, n_pairs: int) -> float:
        """Return about how many operations it takes to search them."""
        return SEARCH_COST + len(self.centres_m) * self._operations_of_one(n_pairs)

    def _operations_of_one(self, n_pairs: int) -> float:
        return TILE_COST + POINT_COST * len(self.offsets[0]) * len(self.offsets[1]) * n_pairs

    def most_likely(self, echoes: Echoes, inside: NDArray[np.bool_], least_power: float) -> "_Tiles":
        """Return the tiles inside the ellipse and those of enough power; if too many, the likeliest."""
        most = int(MOST_OPERATIONS / self._operations_of_one(echoes.n_pairs))
        if inside.all() and len(inside) <= most:
            return self
        power = noncoherent_power(echoes, phasors(echoes.network, self.centres_m))
        kept = np.flatnonzero(inside | (power > least_power))
        if len(kept) > most:
            kept = np.sort(kept[np.argsort(-power[kept], kind="stable")[:most]])
        return self._replace(centres_m=self.centres_m[kept])


def _cover(
    echoes: Echoes, centre_m: Float, half_axes_m: Float, axes: Float, step_m: float, largest_m: float, widening: float
) -> tuple[_Tiles, NDArray[np.bool_]]:
    """Return the tiles that touch an ellipse, ``widening`` times as large, and which touch the ellipse itself."""
    active = np.concatenate([echoes.transmitters, echoes.receivers])
    nearest = rays(echoes.network, clear_of_aps(echoes.network, centre_m[None]), active).distance_m.min()
    side = tile_side_m(max(nearest - half_axes_m[1], 0.25 * nearest, 1.0), echoes.network.wavenumber_rad_m, largest_m)
    sides = 2.0 * half_axes_m / np.maximum(1, np.ceil(2.0 * half_axes_m / side))
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
        Lattice points returned.
    largest_tile_m
        Side of the largest tile.
    """

    coherent: str = "structured"
    n_best: int = 16
    largest_tile_m: float = 1.0

    def search(
        self, echoes: Echoes, centre_m: Float, half_axes_m: Float, axes: Float, least_power: float | None = None
    ) -> Lobes:
        """Return the best lattice points of the ellipse; none where that takes more than the effort that is left.

        Parameters
        ----------
        echoes
            Scaled statistics, other targets taken away.
        centre_m
            Centre of the ellipse, shape (2,).
        half_axes_m, axes
            Its half axes, shape (2,), ascending, and their directions in rows, shape (2, 2).
        least_power
            Beyond the ellipse, up to twice its axes, tiles are searched where the non-coherent power is at least this:
            where an error ellipse is long, the level set of the power is a better region than the ellipse. Default:
            the ellipse alone.
        """
        doubled = self.coherent == "free" and not echoes.overlapping
        step = echoes.network.wavelength_m / (14.0 if doubled else 7.0)
        widening = 1.0 if least_power is None else WIDENING
        tiles, inside = _cover(echoes, centre_m, half_axes_m, axes, step, self.largest_tile_m, widening)
        tiles = tiles.most_likely(echoes, inside, -np.inf if least_power is None else least_power)
        operations = tiles.operations(echoes.n_pairs)
        if not echoes.effort.allows(operations):
            return Lobes(np.empty((0, 2)), np.empty(0))
        echoes.effort.spend(operations)
        keep_memory()
        legs = _Legs.at(echoes, tiles)
        batches = [slice(i, i + BATCH_TILES) for i in range(0, len(tiles.centres_m), BATCH_TILES)]
        n_best = max(BEST_BLOCKS, self.n_best * BEST_BLOCKS // len(tiles.centres_m))
        found = [_scan(_Lattice.of(legs, tiles.offsets, batch), doubled, echoes.overlapping, n_best)
                 for batch in batches]  # fmt: skip
        index, power = (np.concatenate(part) for part in zip(*found, strict=True))
        a, b = np.unravel_index(index, (len(tiles.offsets[0]), len(tiles.offsets[1])))
        tile = np.repeat(np.arange(len(index)), index.shape[1])
        offset = np.stack([tiles.offsets[0][a].ravel(), tiles.offsets[1][b].ravel()], axis=-1)
        best = np.argsort(-power.ravel(), kind="stable")[: max(MOST_SHARPENED, 4 * self.n_best)]
        tile, offset, power = tile[best], offset[best], power.ravel()[best]
        offset, before, after = _sharpened(legs, tile, offset, doubled, step)
        power = power + (after - before) / 2.0 if doubled else power * after / before
        order = np.argsort(-power, kind="stable")[: self.n_best]
        return Lobes((tiles.centres_m[tile] + offset @ tiles.axes)[order], power[order])


def _scan(lattice: "_Lattice", doubled: bool, overlapping: bool, n_best: int) -> tuple[NDArray[np.intp], Float]:
    """Return flat indices and power of the best separated lattice points of each tile, (n_tiles, n) each."""
    power = lattice.free() if doubled else lattice.structured(overlapping)
    index = _block_maxima(power, n_best)
    return index, np.take_along_axis(power.reshape(len(power), -1), index, axis=1).astype(float)


def _sharpened(
    legs: "_Legs", tile: NDArray[np.intp], offset_m: Float, doubled: bool, step_m: float
) -> tuple[Float, Float, Float]:
    """Return lattice points moved to the maximum next to them, and the coherent sum before and after.

    The sum is f for structured amplitudes, and its root, |W|, for free ones.

    Rounding to the lattice costs up to a quarter of the power, more than the difference between good and best lobes.
    Newton steps on f = |sum_i w_i e^{j kappa_i . offset}|^2 / noise, at most half a lattice step each.
    """
    towards, back = legs.slope[0][:, tile], legs.slope[1][:, tile]
    slope = (back[..., :, None] + towards[..., None, :]).reshape(2, len(tile), -1) * (2.0 if doubled else 1.0)
    weights = (legs.doubled_weights() if doubled else legs.structured_weights())[tile].reshape(len(tile), -1)
    kernel = None
    if legs.gram.ndim == 4 and not doubled:
        one = 1.0 / legs.distance_m[0][tile]
        kernel = _kernel(legs.gram[tile], legs.distance_m[1][tile]) * one[:, :, None] * one[:, None, :]
    values = []
    for _ in range(SHARPENING_STEPS):
        value, move = _newton_move(_signal_power(weights, slope, offset_m), _noise_power(kernel, towards, offset_m))
        values.append(value)
        offset_m = offset_m + np.clip(move, -step_m / 2.0, step_m / 2.0)
    last, _ = _newton_move(_signal_power(weights, slope, offset_m), _noise_power(kernel, towards, offset_m))
    first = np.maximum(values[0], 1e-300)
    return (offset_m, np.sqrt(first), np.sqrt(last)) if doubled else (offset_m, first, last)


class _Expansion(NamedTuple):
    """A real function of the offset to second order, each of shape (n,)."""

    value: Float
    slope: tuple[Float, Float]
    bend: tuple[Float, Float, Float]  # aa, ab, bb


def _signal_power(weights: Complex, slope: Float, offset_m: Float) -> _Expansion:
    """Return |sum_i w_i e^{j slope_i . offset}|^2."""
    terms = weights * np.exp(1j * (slope[0] * offset_m[:, :1] + slope[1] * offset_m[:, 1:]))
    total = terms.sum(axis=1)
    s_a, s_b = (1j * np.sum(terms * k, axis=1) for k in slope)
    s_aa, s_ab, s_bb = (-np.sum(terms * k, axis=1) for k in (slope[0] ** 2, slope[0] * slope[1], slope[1] ** 2))
    bend = [2.0 * (total.conj() * second + first).real for second, first in
            ((s_aa, s_a.conj() * s_a), (s_ab, s_a.conj() * s_b), (s_bb, s_b.conj() * s_b))]  # fmt: skip
    slopes = (2.0 * (total.conj() * s_a).real, 2.0 * (total.conj() * s_b).real)
    return _Expansion(np.abs(total) ** 2, slopes, (bend[0], bend[1], bend[2]))


def _noise_power(kernel: Complex | None, slope: Float, offset_m: Float) -> _Expansion | None:
    """Return sum_tt' kernel_tt' e^{j (slope_t - slope_t') . offset}; None for one that does not vary."""
    if kernel is None:
        return None
    turn = np.exp(1j * (slope[0] * offset_m[:, :1] + slope[1] * offset_m[:, 1:]))
    terms = kernel * turn[:, :, None] * turn[:, None, :].conj()
    d_a, d_b = (k[:, :, None] - k[:, None, :] for k in slope)
    value, f_a, f_b, f_aa, f_ab, f_bb = (
        np.sum(terms * factor, axis=(1, 2)).real
        for factor in (1.0, 1j * d_a, 1j * d_b, -(d_a**2), -d_a * d_b, -(d_b**2))
    )
    return _Expansion(np.maximum(value, 1e-30), (f_a, f_b), (f_aa, f_ab, f_bb))


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


def _kernel(gram: Complex, receive_distance_m: Float) -> Complex:
    """Return sum_r K_r,tt' / d_r^2, shape (n, tx, tx), of K of shape (n, rx or 1, tx, tx)."""
    weight = 1.0 / receive_distance_m**2
    return np.einsum("gr,grtu->gtu", weight if gram.shape[1] > 1 else weight.sum(axis=1, keepdims=True), gram)


def _block_maxima(power: NDArray, n_best: int) -> NDArray[np.intp]:
    """Return the flat indices of the maxima of the best blocks of each tile, (n_tiles, <= n_best)."""
    n_tiles, n_a, n_b = power.shape
    blocks = power.reshape(n_tiles, n_a // BLOCK, BLOCK, n_b // BLOCK, BLOCK)
    highest = blocks.max(axis=2)  # the long way first: contiguous, and a fifth is left for the short one
    highest = highest.max(axis=3).reshape(n_tiles, -1)
    n_best = min(n_best, highest.shape[1])
    best = np.argpartition(-highest, n_best - 1, axis=1)[:, :n_best]
    row, column = np.divmod(best, n_b // BLOCK)
    inside = blocks[np.arange(n_tiles)[:, None], row, :, column].reshape(n_tiles, n_best, -1).argmax(axis=2)
    return (row * BLOCK + inside // BLOCK) * n_b + column * BLOCK + inside % BLOCK


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
        if echoes.overlapping:
            gram = gram * towards[:, None] * towards.conj()
        gradient = wavenumber * ray.direction - np.pi * (network.n_antennas - 1) / 2.0 * ray.sine_gradient
        slope = np.einsum("mgx,ax->agm", gradient, tiles.axes)
        distance = ray.distance_m.T
        return cls(
            np.moveaxis(np.asarray(output, dtype=complex), -1, 0),
            np.moveaxis(np.asarray(gram, dtype=complex), -1, 0),
            (distance[:, sides[0]], distance[:, sides[1]]),
            (slope[..., sides[0]], slope[..., sides[1]]),
        )

    def structured_weights(self) -> Complex:
        """Return c v e^{jk(d_t + d_r)}, c = 1 / (d_t d_r), shape (tiles, rx, tx)."""
        return self.output / (self.distance_m[1][:, :, None] * self.distance_m[0][:, None])

    def doubled_weights(self) -> Complex:
        """Return (v e^{jk(d_t + d_r)})^2 / D, zero for pairs without data, shape (tiles, rx, tx)."""
        return self.output**2 * self.inverse_power()

    def inverse_power(self) -> Float:
        """Return 1 / D, zero for pairs without data, shape (tiles, rx, tx)."""
        power = np.broadcast_to(self.gram.real, self.output.shape)
        return np.divide(1.0, power, out=np.zeros_like(power), where=power > 1e-9 * power.max(initial=0.0))


def _turns(slope_rad_m: Float, offsets_m: Float) -> Complex:
    """Return e^{j slope offset} of evenly spaced offsets, (tiles, n, legs), by doubling: log2 n products, no exp."""
    n = len(offsets_m)
    turn = np.empty((slope_rad_m.shape[0], n, slope_rad_m.shape[1]), dtype=complex)
    turn[:, 0] = np.exp(1j * slope_rad_m * offsets_m[0])
    ratio = np.exp(1j * slope_rad_m * (offsets_m[1] - offsets_m[0] if n > 1 else 0.0))[:, None]
    done = 1
    while done < n:
        more = min(done, n - done)
        turn[:, done : done + more] = turn[:, :more] * ratio
        ratio, done = ratio * ratio, done + more
    return turn


class _Lattice(NamedTuple):
    """What the lattices of a batch of tiles are made of; tuples hold the transmitters' legs, then the receivers'."""

    legs: _Legs
    turns: tuple[tuple[Complex, Complex], tuple[Complex, Complex]]  # [axis][side]: (tiles, n_axis, legs)

    @classmethod
    def of(cls, legs: _Legs, offsets: tuple[Float, Float], batch: slice) -> "_Lattice":
        """Return the lattices of the tiles in a slice."""
        turns = [[_turns(slope[axis, batch], offsets[axis]) for slope in legs.slope] for axis in (0, 1)]
        distance = (legs.distance_m[0][batch], legs.distance_m[1][batch])
        slope = (legs.slope[0][:, batch], legs.slope[1][:, batch])
        pairs = ((turns[0][0], turns[0][1]), (turns[1][0], turns[1][1]))
        return cls(_Legs(legs.output[batch], legs.gram[batch], distance, slope), pairs)

    def _sum(self, weights: Complex, doubled: bool) -> NDArray[np.complex64]:
        """Return sum_rt weights_rt e^{j kappa_rt . (a, b)}, (tiles, n_a, n_b), with the phases doubled on demand."""
        factors = []
        for sides in self.turns:
            towards, back = ((leg**2 if doubled else leg).astype(np.complex64) for leg in sides)
            factors.append((back[..., :, None] * towards[..., None, :]).reshape(*back.shape[:2], -1))
        factors[0] *= weights.reshape(len(weights), 1, -1).astype(np.complex64)
        return factors[0] @ factors[1].swapaxes(1, 2)

    def structured(self, overlapping: bool) -> NDArray[np.float32]:
        """Return |sum c v e^{jk(d_t + d_r)}|^2 over its noise power, c = 1/(d_t d_r); (tiles, n_a, n_b)."""
        total, gram = self._sum(self.legs.structured_weights(), doubled=False), self.legs.gram
        power = total.real**2 + total.imag**2
        towards, back = (1.0 / d for d in self.legs.distance_m)
        if not overlapping:
            receive_weight = back**2 if gram.shape[1] > 1 else (back**2).sum(axis=1, keepdims=True)
            noise = np.einsum("gr,grt,gt->g", receive_weight, gram.real, towards**2)[:, None, None]
            return power / np.maximum(noise, 1e-30).astype(np.float32)
        kernel = _kernel(gram, self.legs.distance_m[1]) * towards[:, :, None] * towards[:, None, :]
        floor = 1e-6 * np.einsum("gtt->g", kernel).real[:, None, None] + 1e-30
        return power / np.maximum(_kernel_lattice(kernel, *(turn[0] for turn in self.turns)), floor.astype(np.float32))

    def free(self) -> NDArray[np.float32]:
        """Return (1/2) sum |v|^2/D + (1/2) |sum (v e^{jk(d_t + d_r)})^2 / D|, without cross terms."""
        constant = np.sum(np.abs(self.legs.output) ** 2 * self.legs.inverse_power(), axis=(1, 2))[:, None, None]
        total = self._sum(self.legs.doubled_weights(), doubled=True)
        return (constant.astype(np.float32) + np.sqrt(total.real**2 + total.imag**2)) / np.float32(2.0)


def _kernel_lattice(kernel: Complex, turn_a: Complex, turn_b: Complex) -> NDArray[np.float32]:
    """Return sum_tt' kernel_tt' e^{j (kappa_t - kappa_t') . (a, b)}, real, (tiles, n_a, n_b); conjugated phases."""
    n_tx = kernel.shape[1]
    first, second = np.triu_indices(n_tx, 1)
    left = (turn_a[..., first] * turn_a[..., second].conj()) * kernel[:, None, first, second]
    right = turn_b[..., first] * turn_b[..., second].conj()
    mixed = left.astype(np.complex64) @ right.swapaxes(1, 2).astype(np.complex64)
    return np.einsum("gtt->g", kernel).real[:, None, None].astype(np.float32) + 2.0 * mixed.real
