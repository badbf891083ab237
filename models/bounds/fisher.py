"""The full Fisher matrix of several targets under any illumination, eliminated by orthogonal factors.

The mean of the samples of receiver r is, with the legs g_ts = a(u_ts) e^{-jk d_ts} / d_ts and g_rs alike,

    mu_r[l] = sum_s A_s e^{j phi_s} g_rs sum_t g_ts^T x_t[l],        Fisher matrix = (2/sigma^2) Re sum (d mu)^H (d mu).

A factor F of Q = F F^H stands in for the samples, so that the derivatives are short vectors. Their triangular factor
is the square root of the Fisher matrix: it is never squared, and close targets lose half as many digits. Nuisances that
belong to one receiver are eliminated there (`models.bounds.elimination`), those that all receivers share afterwards.

How far rounding reaches, measured over 1 km with 14 APs of 8 antennas, overlapping signals and two targets, against 64
bits of mantissa: 1e-9 of the bound and less for targets 1 cm apart or more. Closer, the non-coherent bound keeps less,
2e-7 at 1 mm and 1e-5 at 0.1 mm, the others 1e-7 at 0.1 mm.

Not modelled: clutter, an unknown noise level, the dependence of the amplitude on aspect.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.bounds.elimination import (
    SINGULAR,
    Amplitudes,
    as_rows,
    eliminate,
    root_without,
    roots_without,
    stack,
    triangle,
)
from models.network import ModeAssignment, Network
from models.radio.geometry import rays
from models.radio.gram import Gram
from models.radio.sensing import echo_amplitude_m2, leg_response

__all__ = [
    "KINDS",
    "coincident",
    "covariance_from_root_m2",
    "information_root",
    "position_covariance_m2",
    "target_bounds_m",
]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Columns = NDArray[Any]  # real or complex
Index = NDArray[np.intp]

KINDS = ("coherent", "non-coherent", "structured")
BLOCK_ENTRIES = 2**21  # of derivatives held at a time
# Targets closer than this share of a wavelength count as coincident. Their joint bound grows without limit as they
# meet, and what of it is rounding takes over from here on.
COINCIDENT_WAVELENGTHS = 1e-3


class _Legs(NamedTuple):
    """One leg of every echo and its derivative, (n_aps, S, N) and (n_aps, S, 2, N)."""

    response: Complex
    gradient: Complex


def target_bounds_m(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    kind: str,
) -> Float:
    """Return the position error bound of each target in m, all targets of the CPI being estimated together.

        PEB_s = sqrt(trace [J^-1]_ss),   J: the Fisher matrix of the positions after elimination of all nuisances

    Parameters are those of `position_covariance_m2`.

    Returns
    -------
    ndarray
        Shape (S,), in m; infinity where another target coincides, NaN where the position cannot be estimated at all.
    """
    covariance = position_covariance_m2(
        network, assignment, positions_m, rcs_m2, scatter_phase_rad, gram, noise_power_w, kind
    )
    return np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))


def position_covariance_m2(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    kind: str,
) -> Float:
    """Return the Cramer-Rao bound on the covariance of each target's position, for any illumination Q.

    Parameters
    ----------
    network, assignment
        The survey and who transmits and receives.
    positions_m
        Shape (S, 2), in m.
    rcs_m2, scatter_phase_rad
        Radar cross-section in m^2 and scattering phase in rad, scalars or shape (S,).
    gram
        Q in W, or all its blocks: (n_tx, N, n_tx, N), (n_rx, n_tx, N, n_tx, N) where receivers contributed different
        slots.
    noise_power_w
        Noise power of a complex sample, above 0.
    kind
        What is unknown besides the positions. "coherent": a real amplitude per target, transmitter and receiver, and
        one phase per target. "non-coherent": a complex amplitude per target, transmitter and receiver. "structured":
        one complex kappa per target, the amplitudes being kappa / (d_t d_r).

    Returns
    -------
    ndarray
        Shape (S, 2, 2), in m^2; infinity where another target coincides, NaN where the position cannot be estimated
        at all.

    Raises
    ------
    ValueError
        If ``kind`` is none of the three.
    """
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r} is not a kind of bound: choose one of {', '.join(KINDS)}")
    points = np.asarray(positions_m, dtype=float).reshape(-1, 2)
    root, lengths = information_root(network, assignment, points, rcs_m2, scatter_phase_rad, gram, kind)
    if not len(root):
        return np.full((len(points), 2, 2), np.nan)
    n = root.shape[-1] - 2 * len(points)
    root = eliminate(root[:, :n], root[:, n:], lengths[:n])
    return covariance_from_root_m2(root, lengths[n:], points, network.wavelength_m, noise_power_w)


def information_root(
    network: Network,
    assignment: ModeAssignment,
    points_m: Float,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    kind: str,
    ap_phases: bool = False,
) -> tuple[Float, Float]:
    """Return a square root of the information on what all receivers share, and its columns' lengths.

    Columns are the phases of the transmitters and of the receivers, if asked for, those of the targets (and their
    amplitudes, if structured) unless non-coherent, and the positions. Amplitudes of pairs are eliminated. Times
    2 / noise power it is the information. Without a transmitter, receiver or target it has no rows.
    """
    amplitude = echo_amplitude_m2(network.wavelength_m, rcs_m2) * np.exp(1j * np.asarray(scatter_phase_rad))
    out, back = (_legs(network, points_m, aps, kind) for aps in (assignment.transmitters, assignment.receivers))
    if not len(points_m) or not len(out.response) or not len(back.response):
        n_phases = (len(out.response) + len(back.response)) * ap_phases
        n = n_phases + len(points_m) * {"coherent": 3, "non-coherent": 2, "structured": 4}[kind]
        return np.zeros((0, n)), np.zeros(n)
    sent, back = _Sent.of(out, Gram.of(gram), kind), _Legs(*_shorten(*back))
    each: Complex = np.broadcast_to(amplitude, len(points_m))
    return _square_root_with_phases(sent, back, each) if ap_phases else _square_root(sent, back, each, kind)


def covariance_from_root_m2(
    root: Float, lengths: Float, points_m: Float, wavelength_m: float, noise_power_w: float
) -> Float:
    """Return the covariance of each target's position from a square root of the information on all positions."""
    covariance = 0.5 * noise_power_w * _covariance_blocks(root, lengths)
    covariance[coincident(points_m, wavelength_m)] = np.inf
    return covariance


def coincident(positions_m: Float, wavelength_m: float) -> NDArray[np.bool_]:
    """Return which of S positions lie within a thousandth of a wavelength of another, (..., S, 2) -> (..., S).

    Echoes of two targets in one place are one echo, of the sum of two amplitudes: no unbiased estimate tells where each
    of them is. The Fisher matrix at such a point alone does not say so where the scattering phases differ.
    """
    distance = np.linalg.norm(positions_m[..., :, None, :] - positions_m[..., None, :, :], axis=-1)
    return (distance < COINCIDENT_WAVELENGTHS * wavelength_m).sum(axis=-1) > 1


def _legs(network: Network, points: Float, aps: NDArray[np.intp], kind: str) -> _Legs:
    """Return the legs; without carrier phase and distance where a free complex amplitude absorbs them."""
    response, ray = leg_response(network, points, aps), rays(network, points, aps)
    element = np.arange(network.n_antennas, dtype=float)
    if kind == "non-coherent":
        element = element - network.centres[aps][:, None, None, None]
        logarithmic = 1j * np.pi * element * ray.sine_gradient[..., None]
    else:
        radial = -(1j * network.wavenumber_rad_m + 1.0 / ray.distance_m)[..., None] * ray.direction
        logarithmic = 1j * np.pi * element * ray.sine_gradient[..., None] + radial[..., None]
    return _Legs(response, response[..., None, :] * logarithmic)


class _Sent(NamedTuple):
    """What lit the targets. Signals of one group overlap: all of them, or, of separate signals, those of one AP."""

    signal: Complex
    """g_ts^T F_t, shape (n_rx or 1, n_groups, S, n_free, rank), n_free the transmitters of a group."""
    slope: Complex
    """Their sum's derivatives, shape (n_rx or 1, n_groups, S, 2, rank)."""
    products: Complex
    """Inner products of a group's signals, shape (n_rx or 1, n_groups, S n_free, S n_free)."""

    @classmethod
    def of(cls, out: _Legs, gram: Gram, kind: str) -> "_Sent":
        """Return what the legs to the targets make of Q; without free amplitudes, the sum of a group's signals."""
        signal, slope = out.response @ gram.root, np.einsum("tsin,rtnl->rtsil", out.gradient, gram.root)
        if gram.overlapping:
            signal, slope = signal[:, None], slope.sum(axis=1, keepdims=True)
        else:
            signal = signal[:, :, None]
        if kind == "structured":
            signal = signal.sum(axis=2, keepdims=True)
        n = signal.shape[:2]
        short = _shorten(*(part.reshape(-1, *part.shape[2:]) for part in (signal, slope)))
        signal, slope = (part.reshape(*n, *part.shape[1:]) for part in short)
        signal = signal.swapaxes(2, 3)
        flat = signal.reshape(*n, -1, signal.shape[-1])
        return cls(signal, slope, flat.conj() @ flat.swapaxes(-1, -2))

    def at(self, receivers: slice, n_rx: int) -> "_Sent":
        """Return what some receivers heard, (receiver, group) in the first axis, of length 1 if all heard the same."""
        if len(self.signal) == self.signal.shape[1] == 1:
            return _Sent(*(part[:, 0] for part in self))
        heard = (np.broadcast_to(part, (n_rx, *part.shape[1:]))[receivers] for part in self)
        return _Sent(*(part.reshape(-1, *part.shape[2:]) for part in heard))


class _Block(NamedTuple):
    """Some receivers, with each group of signals that they hear: n places."""

    sent: _Sent
    back: _Legs
    aps: Index
    """Whose phases each place sees, shape (n, n_free + 1): a group's transmitters, and after all these a receiver."""

    @classmethod
    def all_of(cls, sent: _Sent, back: _Legs) -> "Iterator[_Block]":
        """Return all places, as many at a time as memory should hold."""
        n_rx, n_targets, n_rows = back.response.shape
        n_groups, _, n_free, rank = sent.signal.shape[1:]
        step = max(1, BLOCK_ENTRIES // (n_groups * n_rows * rank * n_targets * (n_free + 4)))
        for start in range(0, n_rx, step):
            some = slice(start, start + step)
            heard = _Legs(*(np.repeat(part[some], n_groups, axis=0) for part in back))
            receivers = n_groups * n_free + np.arange(n_rx)[some]
            transmitters = np.tile(np.arange(n_groups * n_free).reshape(n_groups, n_free), (len(receivers), 1))
            yield cls(sent.at(some, n_rx), heard, np.column_stack([transmitters, np.repeat(receivers, n_groups)]))

    def amplitudes(self, amplitude: Complex, real: bool) -> Amplitudes:
        """Return the free amplitudes of the places."""
        unit = np.exp(1j * np.angle(amplitude))
        return Amplitudes(unit[:, None] * self.back.response, self.sent.signal, self.sent.products, real)

    def phases(self, amplitude: Complex) -> Complex:
        """Return the derivatives by the phases of the places' APs, (n, n_rows, rank, n_free + 1).

        They are j times what each passes on; a receiver passes on all that its place hears.
        """
        own = np.einsum("rsm,rstl->rmlt", 1j * amplitude[:, None] * self.back.response, self.sent.signal)
        return np.concatenate([own, own.sum(axis=-1, keepdims=True)], axis=-1)


def _square_root(sent: _Sent, back: _Legs, amplitude: Complex, kind: str) -> tuple[Float, Float]:
    """Return a square root of the information on what receivers share, positions last, and its columns' lengths.

    What belongs to one receiver, or one pair of APs, is eliminated there.
    """
    triangles, squares = [], 0.0
    for block in _Block.all_of(sent, back):
        shared = _derivatives(block.sent, block.back, amplitude, kind)
        if kind == "structured":
            root = stack(triangle(as_rows(shared, real=True)))
        else:
            root = root_without(block.amplitudes(amplitude, kind == "coherent"), shared)
        squares = squares + np.sum(np.abs(shared) ** 2, axis=(0, 1, 2))
        triangles.append(triangle(root))
    return np.concatenate(triangles), np.sqrt(squares)


def _square_root_with_phases(sent: _Sent, back: _Legs, amplitude: Complex) -> tuple[Float, Float]:
    """Return the coherent `_square_root` and lengths with the phases of transmitters and receivers as first columns.

    With Q R the square roots of all places on what they share, and P their columns of the phases,
    [[Q^T P, R], [F, 0]] is a square root of the whole, F^T F = P^T P - P^T Q Q^T P.
    """
    aps, roots, squares = [], [], 0.0
    for block in _Block.all_of(sent, back):
        own, shared = block.phases(amplitude), _derivatives(block.sent, block.back, amplitude, "coherent")
        squares = squares + np.sum(np.abs(shared) ** 2, axis=(0, 1, 2))
        wanted = np.concatenate([own, shared], axis=-1)
        for places, root in roots_without(block.amplitudes(amplitude, real=True), wanted):
            aps.append(block.aps[places])
            roots.append(triangle(root))
    n_own = aps[0].shape[1]
    basis, common = np.linalg.qr(np.concatenate([stack(root[..., n_own:]) for root in roots]))
    n_aps = sent.signal.shape[1] * sent.signal.shape[3] + len(back.response)
    phases, mixed = _phase_products(aps, [root[..., :n_own] for root in roots], basis, n_aps)
    values, vectors = np.linalg.eigh(phases - mixed @ mixed.T)
    rest = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    square_root = np.block([[mixed.T, common], [rest, np.zeros((n_aps, common.shape[1]))]])
    return square_root, np.sqrt(np.concatenate([np.diagonal(phases), squares]))


def _phase_products(aps: list[Index], own: list[Float], basis: Float, n_aps: int) -> tuple[Float, Float]:
    """Return P^T P and P^T Q; in the rows of a place, P is zero but for the APs whose phases the place sees."""
    phases, mixed = np.zeros((n_aps, n_aps)), np.zeros((n_aps, basis.shape[1]))
    cuts = np.cumsum([columns.shape[0] * columns.shape[1] for columns in own])[:-1]
    for index, columns, rows in zip(aps, own, np.split(basis, cuts), strict=True):
        turned = columns.swapaxes(1, 2)
        np.add.at(phases, (index[:, :, None], index[:, None]), turned @ columns)
        np.add.at(mixed, index, turned @ rows.reshape(*columns.shape[:2], basis.shape[1]))
    return phases, mixed


def _derivatives(sent: _Sent, back: _Legs, amplitude: Complex, kind: str) -> Columns:
    """Return the derivatives of the mean by what all places share, positions last.

    Shape (n, n_rows, rank, 2 S, 3 S or 4 S), n the receivers and groups, with as many rows as inner products need.
    """
    (signal, slope, _), (response, gradient) = sent, back
    total = signal.sum(axis=2)
    position = np.einsum("rsim,rsl->rmlsi", gradient, total) + np.einsum("rsm,rsil->rmlsi", response, slope)
    positions = (position * amplitude[:, None]).reshape(*position.shape[:3], -1)
    if kind == "non-coherent":
        return positions
    phases = np.einsum("rsm,rsl->rmls", response, total) * (1j * amplitude)
    if kind == "structured":
        phases = np.concatenate([phases, 1j * phases], axis=-1)
    return np.concatenate([phases, positions], axis=-1)


def _shorten(values: Complex, slopes: Complex) -> tuple[Complex, Complex]:
    """Return two families of vectors in an orthonormal basis of what they span: shorter, with the same inner products.

    The first axis counts families, the last is the vector; the axes between may differ.
    """
    n_families, length = values.shape[0], values.shape[-1]
    n_values, n_slopes = math.prod(values.shape[1:-1]), math.prod(slopes.shape[1:-1])
    both = [values.reshape(n_families, n_values, length), slopes.reshape(n_families, n_slopes, length)]
    short = triangle(np.concatenate(both, axis=1).swapaxes(-1, -2)).swapaxes(-1, -2)
    shape = (*values.shape[:-1], short.shape[-1]), (*slopes.shape[:-1], short.shape[-1])
    return short[:, :n_values].reshape(shape[0]), short[:, n_values:].reshape(shape[1])


def _covariance_blocks(square_root: Float, lengths: Float) -> Float:
    """Return [(R^T R)^-1]_ss of each target's two columns, shape (S, 2, 2); NaN where these are dependent."""
    n_targets = square_root.shape[-1] // 2
    blocks = np.full((n_targets, 2, 2), np.nan)
    for s in range(n_targets):
        own = slice(2 * s, 2 * s + 2)
        others = np.delete(square_root, own, axis=1)
        factor = triangle(eliminate(others, square_root[:, own], np.delete(lengths, own)))
        if factor.shape[0] == 2 and np.all(np.abs(np.diagonal(factor)) > SINGULAR * lengths[own].max()):
            inverse = np.linalg.inv(factor)
            blocks[s] = inverse @ inverse.T
    return blocks
