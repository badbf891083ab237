"""Joint position error bounds of several targets at many sets of positions, any illumination Q that receivers share.

The columns of the Fisher matrix are products of a receive and a transmit factor as long as the amplitudes are those of
the radar equation. The inner products of the transmit factors, S n_tx amplitudes and 3 S slopes, serve all receivers;
a receiver adds three numbers for each pair of targets. What is eliminated stands in the first axes, and position sets
and receivers in the last, so that each step is one operation on the whole block.

Inner products are eliminated, not vectors as in `models.fisher`: of targets that are hard to tell apart, twice as many
digits are lost.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.arrays import steering
from models.bound_maps import keep_memory
from models.fisher import gram_root
from models.geometry import rays
from models.network import ModeAssignment, Network
from models.sensing import echo_amplitude_m2

__all__ = ["joint_bounds_m"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Index = NDArray[np.intp]
Table = NDArray[Any]  # real or complex

# A column that loses all but this share of its energy to the columns before it is one of their combinations.
DEPENDENT = 1e-12
BLOCK_SETS = 128


class _Legs(NamedTuple):
    """One leg of every echo."""

    response: Complex
    """g, shape (n_aps, n_points, N)."""
    omega: Float
    """Phase gradient of the array's centre in rad/m, shape (2, n_aps, n_points); 0 if that phase is unknown."""
    slope: Float
    """pi grad u in rad/m, shape (2, n_aps, n_points)."""


class _Receive(NamedTuple):
    """What the receivers add; targets of row and column come first."""

    moments: Complex
    """m_k, n counted from the array's centre: shape (3, S, S, n_rx, n_sets)."""
    turns: Complex
    """j (omega_s'i m_k + slope_s'i m_{k+1}), k = 0, 1: shape (2, S, 2 S, n_rx, n_sets)."""
    omega: Float
    """Phase gradient of the array's centre in rad/m, shape (2 S, n_rx, n_sets)."""
    slope: Float
    """pi grad u in rad/m, shape (2 S, n_rx, n_sets)."""


def joint_bounds_m(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Complex,
    noise_power_w: float,
    kind: str = "coherent",
) -> Float:
    """Return the bound of each target of each set in m, the targets of a set being estimated together.

    With g_rs the legs of receiver r, b_ts = g_ts^T F_t of Q = F F^H, f_s = sum_t b_ts and <,> the inner product, the
    columns of the positions and amplitudes of receiver r and their inner products are

        D_rsi = g_rs (d_i f_s) + j (omega_rsi + pi n d_i u_rs) g_rs f_s,      a_rts = g_rs b_ts
        <a_rts, D_rs'i> = m_0 <b_ts, d_i f_s'> + j (omega_rs'i m_0 + pi d_i u_rs' m_1) <b_ts, f_s'>,
        m_k = sum_n n^k conj(g_rs) g_rs'

    and so on. Amplitudes are eliminated receiver by receiver, then the phases, then the other targets (Schur).

    Parameters
    ----------
    network, assignment
        The survey and who transmits and receives.
    positions_m
        Shape (n_sets, S, 2), in m, none of them on an AP.
    rcs_m2, scatter_phase_rad
        Radar cross-section in m^2 and scattering phase in rad: scalars, shape (S,) or (n_sets, S).
    gram
        Q in W, shape (n_tx, N, n_tx, N).
    noise_power_w
        Noise power of a complex sample.
    kind
        "coherent" (real free amplitudes, a phase a target) or "non-coherent" (complex free amplitudes).

    Returns
    -------
    ndarray
        Shape (n_sets, S), in m; NaN where the position cannot be estimated.

    Raises
    ------
    ValueError
        If ``kind`` is another one, ``positions_m`` or ``gram`` have other axes, or a position lies on an AP.
    """
    sets = np.asarray(positions_m, dtype=float)
    _require(sets, gram, kind)
    bounds = np.full(sets.shape[:2], np.nan)
    if not len(assignment.transmitters) or not len(assignment.receivers) or not bounds.size:
        return bounds
    amplitude = echo_amplitude_m2(network.wavelength_m, rcs_m2) * np.exp(1j * np.asarray(scatter_phase_rad))
    scaled: Complex = np.broadcast_to(math.sqrt(2.0 / noise_power_w) * amplitude, bounds.shape)
    root = gram_root(gram)[0]
    keep_memory()
    for start in range(0, len(sets), BLOCK_SETS):
        block = slice(start, start + BLOCK_SETS)
        transmitted = _transmitted_gram(network, sets[block], assignment.transmitters, root, kind)
        receive = _receive(network, sets[block], scaled[block], assignment.receivers, kind)
        information, scale = _information(*_table(transmitted, receive, kind))
        bounds[block] = _bounds_m(information, scale, sets.shape[1]).T
    return bounds


def _require(sets: Float, gram: Complex, kind: str) -> None:
    """Raise unless there are batches of this kind and shape."""
    if kind not in ("coherent", "non-coherent"):
        raise ValueError(f"kind = {kind!r} is not a kind of batched joint bound: choose coherent or non-coherent")
    if sets.ndim != 3 or sets.shape[-1] != 2:
        raise ValueError(f"positions_m has shape {sets.shape}: give sets of positions, shape (n_sets, S, 2)")
    if gram.ndim != 4:
        raise ValueError(f"gram has {gram.ndim} axes: give one Q (n_tx, N, n_tx, N), which all receivers share")


def _transmitted_gram(network: Network, sets: Float, transmitters: Index, root: Complex, kind: str) -> Complex:
    """Return the inner products of the b_ts (s first), f_s and (d_x f_s, d_y f_s), shape (n, n, n_sets)."""
    (n_sets, n_targets), n_tx, rank = sets.shape[:2], len(transmitters), root.shape[-1]
    points = sets.reshape(-1, 2)
    legs, omega, slope = _legs(network, points, transmitters, kind)
    element = _elements(network)
    signals = np.empty((n_sets, n_targets * (n_tx + 3), rank), dtype=complex)
    own = (legs @ root).reshape(n_tx, n_sets, n_targets, rank)
    first, last = n_targets * n_tx, n_targets * (n_tx + 1)
    signals[:, :first] = own.transpose(1, 2, 0, 3).reshape(n_sets, first, rank)
    signals[:, first:last] = own.sum(axis=0)
    for i in range(2):
        factor = 1j * (omega[i][..., None] + slope[i][..., None] * element)
        vectors = (legs * factor).swapaxes(0, 1).reshape(len(points), -1)
        signals[:, last + i :: 2] = (vectors @ root.reshape(-1, rank)).reshape(n_sets, n_targets, rank)
    return np.ascontiguousarray((signals.conj() @ signals.swapaxes(1, 2)).transpose(1, 2, 0))


def _elements(network: Network) -> Float:
    """Return the indices of the antenna elements counted from the array's centre."""
    return np.arange(network.n_antennas, dtype=float) - 0.5 * (network.n_antennas - 1)


def _legs(network: Network, points: Float, aps: Index, kind: str) -> _Legs:
    """Return the legs from all points to the APs."""
    ray = rays(network, points, aps)
    common = np.exp(-1j * network.wavenumber_rad_m * ray.distance_m) / ray.distance_m
    response = common[..., None] * steering(ray.sine, network.n_antennas)
    slope = math.pi * np.moveaxis(ray.sine_gradient, -1, 0)
    if kind == "non-coherent":
        return _Legs(response, np.zeros_like(slope), slope)
    omega = 0.5 * (network.n_antennas - 1) * slope - network.wavenumber_rad_m * np.moveaxis(ray.direction, -1, 0)
    return _Legs(response, omega, slope)


def _receive(network: Network, sets: Float, amplitude: Complex, receivers: Index, kind: str) -> _Receive:
    """Return what the receivers add to the inner products of the transmitted signals."""
    (n_sets, n_targets), n_rx = sets.shape[:2], len(receivers)
    points, element = sets.reshape(-1, 2), _elements(network)
    legs, *gradients = _legs(network, points, receivers, kind)
    legs *= amplitude.reshape(-1, 1)
    legs = np.ascontiguousarray(legs.reshape(n_rx, n_sets, n_targets, -1).transpose(3, 2, 0, 1))
    conjugate, moments = legs.conj(), np.empty((3, n_targets, n_targets, n_rx, n_sets), dtype=complex)
    for power in range(3):
        np.einsum("narg,nbrg->abrg", conjugate, legs, out=moments[power])
        conjugate *= element[:, None, None, None]
    omega, slope = (x.reshape(2, n_rx, n_sets, n_targets).transpose(3, 0, 1, 2) for x in gradients)
    turns = 1j * np.asarray(omega * moments[:2, :, :, None] + slope * moments[1:, :, :, None], dtype=complex)
    shape = 2 * n_targets, n_rx, n_sets
    return _Receive(moments, turns.reshape(2, n_targets, *shape), omega.reshape(shape), slope.reshape(shape))


def _table(transmitted: Complex, receive: _Receive, kind: str) -> tuple[Table, int]:
    """Return the inner products of amplitudes, phases (if coherent) and positions, and how many amplitudes there are.

    Shape (n, n, n_rx, n_sets), of which the upper triangle is filled; real if the amplitudes and phases are.
    """
    real, (_, n_targets, _, *block) = kind == "coherent", receive.moments.shape
    n_free = len(transmitted) - 3 * n_targets
    size = len(transmitted) if real else n_free + 2 * n_targets
    table = np.empty((size, size, *block), dtype=float if real else complex)
    _fill_amplitudes(table, transmitted[:n_free, :, None], receive, real)
    _fill_shared(table[n_free:, n_free:], transmitted[n_free:, n_free:, None], receive, real)
    return table, n_free


def _fill_amplitudes(table: Table, sent: Complex, receive: _Receive, real: bool) -> None:
    """Fill the rows of the amplitudes from the rows of the b_ts, target by target."""
    weight, turn = receive.moments[0], receive.turns[0]
    n_free, n_targets = len(sent), len(weight)
    n_tx, target = n_free // n_targets, _target_of_place(n_targets)
    field, slopes = sent[:, n_free : n_free + n_targets], sent[:, n_free + n_targets :]
    for s in range(n_targets):
        rows = slice(s * n_tx, (s + 1) * n_tx)
        own = slice(rows.start, n_free)
        table[rows, own] = _product(np.repeat(weight[s, s:], n_tx, axis=0), sent[rows, own], real)
        table[rows, -2 * n_targets :] = _product(weight[s, target], slopes[rows], real)
        table[rows, -2 * n_targets :] += _product(turn[s], field[rows][:, target], real)
        if real:
            table[rows, n_free : n_free + n_targets] = -(weight[s] * field[rows]).imag


def _fill_shared(table: Table, sent: Complex, receive: _Receive, real: bool) -> None:
    """Fill the rows of phases (if real) and positions from the inner products of f_s and d_i f_s."""
    n_targets = receive.moments.shape[1]
    target = _target_of_place(n_targets)
    field, slopes = sent[:n_targets], sent[n_targets:]
    weight, slope_weight = (moment[:, target] for moment in receive.moments[:2])
    own, other = field[:, n_targets:], field[:, :n_targets][:, target]
    across, tilted = weight * own + receive.turns[0] * other, slope_weight * own + receive.turns[1] * other
    if real:
        table[:n_targets, :n_targets] = (receive.moments[0] * field[:, :n_targets]).real
        table[:n_targets, n_targets:] = across.imag
    places = weight[target] * slopes[:, n_targets:] + receive.turns[0][target] * slopes[:, :n_targets][:, target]
    places -= 1j * (receive.omega[:, None] * across[target] + receive.slope[:, None] * tilted[target])
    table[-2 * n_targets :, -2 * n_targets :] = places.real if real else places


def _target_of_place(n_targets: int) -> Index:
    """Return which target each column of a position belongs to, x and y of one target after each other."""
    return np.repeat(np.arange(n_targets), 2)


def _product(left: Complex, right: Complex, real: bool) -> Table:
    """Return the product, or its real part."""
    if not real:
        return left * right
    product = left.real * right.real
    product -= left.imag * right.imag
    return product


def _information(table: Table, n_free: int) -> tuple[Float, Float]:
    """Eliminate the amplitudes at each receiver and add up; return the information and its diagonal before that.

    Shapes (n, n, n_sets), the upper triangle, and (n, n_sets).
    """
    flat = table.reshape(*table.shape[:2], -1)
    _factor(flat, n_free, np.einsum("iix->ix", flat).real.copy())
    total, lost = table[n_free:, n_free:].real.sum(axis=2), table[:n_free, n_free:]
    scale = np.einsum("iig->ig", total).copy()
    for part in (lost.real, lost.imag) if np.iscomplexobj(lost) else (lost,):
        for i in range(len(total)):
            total[i, i:] -= np.einsum("krg,kjrg->jg", part[:, i], part[:, i:])
    return total, scale


def _factor(table: Table, n_first: int, scale: Float) -> None:
    """Replace the first rows of Hermitian matrices, shape (n, n, n_matrices), by those of their Cholesky factor.

    Only upper triangles are used. A row of which next to nothing of ``scale`` is left depends on those before it and
    becomes zero.
    """
    for i in range(n_first):
        row = table[i, i:]
        if i:
            row -= np.einsum("kx,kjx->jx", table[:i, i].conj(), table[:i, i:])
        pivot = row[0].real
        usable = pivot > DEPENDENT * scale[i]
        row *= np.where(usable, 1.0, 0.0) / np.sqrt(np.where(usable, pivot, 1.0))


def _bounds_m(information: Float, scale: Float, n_targets: int) -> Float:
    """Return the bounds from the information on phases and positions, the latter last: shape (S, n_sets)."""
    upper = np.triu(np.ones(information.shape[:2], dtype=bool))[..., None]
    whole = np.where(upper, information, information.swapaxes(0, 1))
    n, places = len(whole), np.arange(len(whole) - 2 * n_targets, len(whole)).reshape(n_targets, 2)
    orders = [np.r_[np.delete(np.arange(n), own), own] for own in places]
    table = np.concatenate([whole[np.ix_(order, order)] for order in orders], axis=-1)
    _factor(table, n, np.concatenate([scale[order] for order in orders], axis=-1))
    xx, xy, yy = table[-2, -2], table[-2, -1], table[-1, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.sqrt(xx * xx + xy * xy + yy * yy) / (xx * yy)  # the length of R^-1, R the 2 x 2 triangle
    return np.where(np.isfinite(bounds), bounds, np.nan).reshape(n_targets, -1)
