"""Joint position error bounds of several targets at many sets of positions, any illumination Q that receivers share.

The columns of the Fisher matrix are products of a receive and a transmit factor as long as the amplitudes are those of
the radar equation. The inner products of the transmit factors, S n_tx amplitudes and 3 S slopes, serve all receivers;
a receiver adds three numbers for each pair of targets. What is eliminated stands in the first axes, and receivers
and position sets in the last, so that each step is one operation on the whole block.

Inner products are eliminated, not vectors as in `models.bounds.fisher`: of targets that are hard to tell apart, twice
as many digits are lost.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.bounds.fisher import coincident
from models.bounds.maps import fields, keep_memory, legs
from models.network import ModeAssignment, Network
from models.radio.gram import Gram
from models.radio.sensing import echo_amplitude_m2

__all__ = ["joint_bounds_m"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Index = NDArray[np.intp]
Table = NDArray[Any]  # real or complex

# A column that loses all but this share of its energy to the columns before it is one of their combinations.
DEPENDENT = 1e-12
# Inner products held at a time, over all receivers and position sets.
BLOCK_PRODUCTS = 900_000


class _Sent(NamedTuple):
    """Inner products of the transmitted signals, sets last. Columns: b_ts (s first), f_s, f_s twice, (d_x, d_y) f_s."""

    real: Float
    """Real part of the rows of the b_ts, shape (S n_tx, S (n_tx + 5), n_sets)."""
    imaginary: Float
    """Their imaginary part."""
    shared: Complex
    """Rows of f_s and (d_x, d_y) f_s, columns without the b_ts, shape (3 S, 5 S, n_sets)."""


class _Receive(NamedTuple):
    """What the receivers add; targets of row and column come first, then places: sets of one receiver after another."""

    moments: Complex
    """m_k, n counted from the array's centre: shape (3, S, S, n_places)."""
    twice: Complex
    """The same with a column for each coordinate of a target: shape (3, S, 2 S, n_places)."""
    turns: Complex
    """j (omega_s'i m_k + slope_s'i m_{k+1}), k = 0, 1: shape (2, S, 2 S, n_places)."""
    omega: Float
    """Phase gradient of the array's centre in rad/m, shape (2 S, n_places)."""
    slope: Float
    """pi grad u in rad/m, shape (2 S, n_places)."""


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
        Shape (n_sets, S), in m; infinity where another target of the set coincides, NaN where the position cannot be
        estimated at all.

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
    root = Gram(gram[None]).root[0]
    keep_memory()
    n_rows = sets.shape[1] * (len(assignment.transmitters) + 3)
    step = max(1, BLOCK_PRODUCTS // (n_rows * n_rows * len(assignment.receivers)))
    for start in range(0, len(sets), step):
        block = slice(start, start + step)
        sent = _sent(network, sets[block], assignment.transmitters, root, kind)
        receive = _receive(network, sets[block], scaled[block], assignment.receivers, kind)
        information, scale = _information(*_table(sent, receive, kind), len(assignment.receivers))
        bounds[block] = _bounds_m(information, scale, sets.shape[1]).T
    bounds[coincident(sets, network.wavelength_m)] = np.inf
    return bounds


def _require(sets: Float, gram: Complex, kind: str) -> None:
    """Raise unless there are batches of this kind and shape."""
    if kind not in ("coherent", "non-coherent"):
        raise ValueError(f"kind = {kind!r} is not a kind of batched joint bound: choose coherent or non-coherent")
    if sets.ndim != 3 or sets.shape[-1] != 2:
        raise ValueError(f"positions_m has shape {sets.shape}: give sets of positions, shape (n_sets, S, 2)")
    if gram.ndim != 4:
        raise ValueError(f"gram has {gram.ndim} axes: give one Q (n_tx, N, n_tx, N), which all receivers share")


def _sent(network: Network, sets: Float, transmitters: Index, root: Complex, kind: str) -> _Sent:
    """Return the inner products of the transmitted signals."""
    n_targets, n_free = sets.shape[1], sets.shape[1] * len(transmitters)
    signals = _signals(network, sets, transmitters, root, kind)
    conjugate, vectors = signals.conj(), signals.swapaxes(1, 2)
    rows = (conjugate[:, :n_free] @ vectors).transpose(1, 2, 0)
    shared = (conjugate[:, n_free:] @ vectors[..., n_free:]).transpose(1, 2, 0)
    columns = np.r_[:n_targets, _target_of_place(n_targets), n_targets : 3 * n_targets]
    every = np.r_[:n_free, n_free + columns]
    real, imaginary = (np.ascontiguousarray(part)[:, every] for part in (rows.real, rows.imag))
    return _Sent(real, imaginary, shared[:, columns])


def _signals(network: Network, sets: Float, transmitters: Index, root: Complex, kind: str) -> Complex:
    """Return the samples of b_ts (s first), f_s and (d_x f_s, d_y f_s), shape (n_sets, S (n_tx + 3), rank)."""
    (n_sets, n_targets), n_tx, rank = sets.shape[:2], len(transmitters), root.shape[-1]
    first, last = n_targets * n_tx, n_targets * (n_tx + 1)
    field, *gradient = fields(network, sets.reshape(-1, 2), transmitters, kind)
    signals = np.empty((n_sets, n_targets * (n_tx + 3), rank), dtype=complex)
    own = (field.swapaxes(1, 2) @ root).reshape(n_tx, n_sets, n_targets, rank)
    signals[:, :first] = own.transpose(1, 2, 0, 3).reshape(n_sets, first, rank)
    signals[:, first:last] = own.sum(axis=0)
    for i, vectors in enumerate(gradient):
        slopes = vectors.reshape(-1, n_sets * n_targets).T @ root.reshape(-1, rank)
        signals[:, last + i :: 2] = slopes.reshape(n_sets, n_targets, rank)
    return signals


def _receive(network: Network, sets: Float, amplitude: Complex, receivers: Index, kind: str) -> _Receive:
    """Return what the receivers add to the inner products of the transmitted signals, those of few antennas first."""
    sizes = network.by_size(receivers)
    parts = [_receive_alike(network, sets, amplitude, alike, n, kind) for n, alike in sizes]
    return _Receive(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _receive_alike(network: Network, sets: Float, amplitude: Complex, receivers: Index, n: int, kind: str) -> _Receive:
    """Return what receivers of n antennas add."""
    (n_sets, n_targets), n_rx = sets.shape[:2], len(receivers)
    leg = legs(network, sets.reshape(-1, 2), receivers, kind)
    shape = n_rx, n_sets, n_targets
    first, step = (
        np.moveaxis(x.reshape(shape), 2, 0).reshape(n_targets, -1)
        for x in (leg.first.reshape(shape) * amplitude, leg.step)
    )
    powers = np.empty((n, n_targets, n_targets, n_rx * n_sets), dtype=complex)
    np.multiply(first.conj()[:, None], first, out=powers[0])
    ratio = step.conj()[:, None] * step
    for element in range(1, n):
        np.multiply(powers[element - 1], ratio, out=powers[element])
    weights = np.vander(np.arange(n) - 0.5 * (n - 1), 3, increasing=True).T
    moments = (weights @ powers.reshape(n, -1).view(float)).view(complex).reshape(3, *powers.shape[1:])
    twice = np.repeat(moments, 2, axis=2)
    omega, slope = (x.reshape(2, *shape).transpose(3, 0, 1, 2).reshape(2 * n_targets, -1) for x in leg[2:])
    return _Receive(moments, twice, 1j * (omega * twice[:2] + slope * twice[1:]), omega, slope)


def _table(sent: _Sent, receive: _Receive, kind: str) -> tuple[Table, int]:
    """Return the inner products of amplitudes, phases (if coherent) and positions, and how many amplitudes there are.

    Shape (n, n, n_places), of which the upper triangle is filled; real if the amplitudes and phases are.
    """
    real, n_targets, n_free = kind == "coherent", receive.moments.shape[1], len(sent.real)
    size = n_free + (3 if real else 2) * n_targets
    table = np.empty((size, size, receive.omega.shape[-1]), dtype=float if real else complex)
    _fill_amplitudes(table, sent, receive, real)
    _fill_shared(table[n_free:, n_free:], sent.shared, receive, real)
    return table, n_free


def _fill_amplitudes(table: Table, sent: _Sent, receive: _Receive, real: bool) -> None:
    """Fill the rows of the amplitudes from the rows of the b_ts, target by target."""
    n_free, n_targets = len(sent.real), receive.moments.shape[1]
    n_tx, n_places = n_free // n_targets, table.shape[-1]
    for s in range(n_targets):
        rows, shape = slice(s * n_tx, (s + 1) * n_tx), (n_tx, n_targets - s, n_tx, -1)
        cuts = n_free - rows.start + n_targets * np.array([0, 1, 3])
        parts = (np.split(_spread(part[rows, rows.start :], n_places), cuts, axis=1) for part in sent[:2])
        own, field, twice, slopes = zip(*parts, strict=True)
        block = table[rows, rows.start : n_free].reshape(shape)
        _product(receive.moments[0, s, s:, None], [part.reshape(shape) for part in own], block)
        places = table[rows, -2 * n_targets :]
        _product(receive.twice[0, s], slopes, places)
        turned = np.empty_like(places)
        _product(receive.turns[0, s], twice, turned)
        places += turned
        if real:
            _product(1j * receive.moments[0, s], field, table[rows, n_free : n_free + n_targets])


def _spread(sent: Table, n_places: int) -> Table:
    """Return what is the same for all receivers at the place of each receiver and set."""
    return np.tile(sent, n_places // sent.shape[-1])


def _fill_shared(table: Table, sent: Complex, receive: _Receive, real: bool) -> None:
    """Fill the rows of phases (if real) and positions from the inner products of f_s and d_i f_s."""
    n_targets = receive.moments.shape[1]
    target = _target_of_place(n_targets)
    sent = _spread(sent, table.shape[-1])
    rows, slopes = sent[:n_targets], sent[-2 * n_targets :]
    field, twice, own = np.split(rows, (n_targets, 3 * n_targets), axis=1)
    across, tilted = (receive.twice[k] * own + receive.turns[k] * twice for k in range(2))
    if real:
        table[:n_targets, :n_targets] = (receive.moments[0] * field).real
        table[:n_targets, n_targets:] = across.imag
        table[n_targets:, :n_targets] = 0.0
    places = receive.twice[0][target] * slopes[:, -2 * n_targets :]
    places += receive.turns[0][target] * slopes[:, n_targets : 3 * n_targets]
    places -= 1j * (receive.omega[:, None] * across[target] + receive.slope[:, None] * tilted[target])
    table[-2 * n_targets :, -2 * n_targets :] = places.real if real else places


def _target_of_place(n_targets: int) -> Index:
    """Return which target each column of a position belongs to, x and y of one target after each other."""
    return np.repeat(np.arange(n_targets), 2)


def _product(left: Complex, right: Sequence[Float], out: Table) -> None:
    """Write the product with real and imaginary parts to the right, or its real part if the table is real."""
    real, imaginary = np.ascontiguousarray(left.real), np.ascontiguousarray(left.imag)
    np.multiply(real, right[0], out=out.real)
    out.real -= imaginary * right[1]
    if np.iscomplexobj(out):
        np.multiply(real, right[1], out=out.imag)
        out.imag += imaginary * right[0]


def _information(table: Table, n_free: int, n_rx: int) -> tuple[Float, Float]:
    """Eliminate the amplitudes at each receiver and add up; return the information and its diagonal before that.

    Shapes (n, n, n_sets), the upper triangle, and (n, n_sets).
    """
    _factor(table, n_free, np.einsum("iig->ig", table).real.copy())
    shape = *table.shape[:2], n_rx, -1
    whole = table.reshape(shape)
    total, lost = whole[n_free:, n_free:].real.sum(axis=2), whole[:n_free, n_free:]
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
