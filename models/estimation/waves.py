"""The coherent sum over the pairs of APs about the centres of tiles, in which every leg is a plane wave.

What `models.estimation.lattice` looks for lobes in: the power at the points of a lattice, its slope and bend at one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.likelihood import Echoes, clear_of_aps, match
from models.radio.geometry import rays

__all__ = ["Legs", "Waves"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
Complex64 = NDArray[np.complex64]
Index = NDArray[np.intp]
Float32 = NDArray[np.float32]


class Legs(NamedTuple):
    """The echoes at the centres of tiles, and how fast the phases of the legs turn from there."""

    output: Complex  # v e^{jk(d_t + d_r)}, (tiles, rx, tx)
    gram: Complex  # K, (tiles, rx or 1, tx) or (tiles, rx or 1, tx, tx)
    distance_m: tuple[Float, Float]  # (tiles, tx), (tiles, rx)
    slope: tuple[Float, Float]  # phase slope along the two axes in rad/m, (2, tiles, tx), (2, tiles, rx)

    @classmethod
    def at(cls, echoes: Echoes, centres_m: Float, axes: Float) -> "Legs":
        """Return the legs at the centres of tiles; phase slopes refer to the middle of each array."""
        network, sides = echoes.network, (echoes.transmitters, echoes.receivers)
        ray = rays(network, clear_of_aps(network, centres_m))
        wavenumber = network.wavenumber_rad_m
        carrier = np.exp(1j * wavenumber * ray.distance_m)
        output, gram = match(echoes, np.exp(-1j * np.pi * ray.sine))
        towards, back = carrier[sides[0]], carrier[sides[1]]
        output = output * back[:, None] * towards
        if echoes.gram.overlapping:
            gram = gram * towards[:, None] * towards.conj()
        gradient = wavenumber * ray.direction - np.pi * network.centres[:, None, None] * ray.sine_gradient
        slope = np.ascontiguousarray(np.einsum("mgx,ax->agm", gradient, axes))
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


class Waves(NamedTuple):
    """The coherent sum of every tile, W = sum_rt weight_rt e^{j (slope_t + slope_r) . offset}.

    In single precision: from the centre of a tile no phase turns by more than some 100 rad.
    """

    weight: Complex64  # (tiles, rx, tx)
    slope: tuple[Float32, Float32]  # in rad/m, of the transmitters' legs (2, tiles, tx), and of the receivers'
    kernel: Complex64 | None = None  # |W|^2 is divided by sum_tt' kernel_tt' e^{j (slope_t - slope_t') . offset}
    constant: Float32 | None = None  # the power is not |W|^2, but (constant + |W|) / 2; (tiles,)

    @classmethod
    def of(cls, legs: Legs, doubled: bool, overlapping: bool) -> "Waves":
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

    def at(self, tile: slice | NDArray[np.intp]) -> "Waves":
        """Return those of some tiles."""
        slope = (self.slope[0][:, tile], self.slope[1][:, tile])
        kernel = None if self.kernel is None else self.kernel[tile]
        return Waves(self.weight[tile], slope, kernel, None if self.constant is None else self.constant[tile])

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

    def strongest(self, share: float, fewest: int) -> Index:
        """Return the pairs of APs that hold a share of the sum of all amplitudes |weight|, strongest first."""
        amplitude = np.abs(self.weight).sum(axis=0).ravel()
        order = np.argsort(-amplitude, kind="stable")
        held = np.cumsum(amplitude[order])
        return order[: max(fewest, 1 + int(np.searchsorted(held, share * held[-1])))]

    def squares(self, offsets_m: tuple[Float, Float], pairs: Index) -> Float32:
        """Return |W|^2 over the noise power on the lattice, (tiles, n_a, n_b), of some pairs of APs alone."""
        first, steps = _first(offsets_m), _steps(offsets_m)
        start = self._of(pairs, self.weight * self.turn(first))
        ratio = [self._of(pairs, self.turn(step)) for step in steps]
        left = _powers(start, ratio[0], len(offsets_m[0]))
        right = _powers(np.ones_like(start), ratio[1], len(offsets_m[1]))
        total = left.swapaxes(0, 1) @ right.transpose(1, 2, 0)
        square = total.real**2
        square += total.imag**2
        if self.kernel is not None:
            square /= np.maximum(_noise_lattice(self.kernel, self.slope[0], offsets_m), np.float32(1e-6))
        return square

    def _of(self, pairs: Index, terms: Complex64) -> Complex64:
        return np.ascontiguousarray(terms.reshape(len(terms), -1)[:, pairs])

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
