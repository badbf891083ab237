"""Position error bounds of one target at very many points: maps, coverage, and the searches that need them.

Closed form: every AP enters the bound of a point by nine numbers (moments), which add up over the APs of a side. They
are accumulated over blocks that stay in the cache: a few dozen operations an AP and point, and no matrix.
Any illumination Q: one elimination of the transmitters' amplitudes per point serves all receivers, because the
amplitude of the radar equation is a product of a transmit and a receive factor.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network import ModeAssignment, Network
from models.radio.sensing import echo_amplitude_m2

__all__ = [
    "Legs",
    "any_gram_map_m",
    "ap_moments",
    "bound_from_moments_m",
    "closed_form_map_m",
    "fields",
    "keep_memory",
    "legs",
    "side_moments",
    "six_moments",
]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Least eigenvalue of an information matrix over the trace before means were taken out, below which it may be rounding.
SINGULAR = 1e-13
# A Gram pivot that lost all but this share of its value belongs to a column that depends on the ones before it.
DEPENDENT = 1e-12
# Few APs by many points: rows of fewer than about 3000 points cost NumPy a copy wherever it broadcasts.
BLOCK_APS = 8
BLOCK_ELEMENTS = 96_000
BLOCK_POINTS_ANY_GRAM = 512
# Memory kept from block to block: measured, 15 us a point of `any_gram_map_m` became 10.
KEPT_BYTES = 16_000_000


def _terms(network: Network, points_m: Float, aps: Index, without: Mask | None = None) -> tuple[Float, Float]:
    """Return w = 1/d^2, shape (n_aps, n_points), and (o_x, o_y, -c_x, c_y) / d, shape (4, n_aps, n_points).

    With e_perp = e turned by +90 degrees, grad u = cos(theta) e_perp / d, and c = h / k grad u, h = pi (N - 1)/2, is
    what the array takes from o = e - c = -omega / k. Every operation is a pass over the block, and all that counts.
    """
    axis, position = network.array_axes[aps], network.ap_positions_m[aps].T[..., None]
    boresight = _levers_m(network, aps) * np.stack([axis[:, 1:], -axis[:, :1]])
    terms = np.empty((4, len(aps), len(points_m)))
    direction, spare = terms[:2], terms[2:]
    np.subtract(np.ascontiguousarray(points_m.T)[:, None], position, out=direction)
    np.multiply(direction, direction, out=spare)
    weight = spare[0] + spare[1]
    if without is not None:
        weight.reshape(*without.shape, -1)[without] = np.inf
    try:
        with np.errstate(divide="raise"):
            np.divide(1.0, weight, out=weight)
    except FloatingPointError:
        message = "a point lies exactly on an access point, where directions are undefined: move it away"
        raise ValueError(message) from None
    direction *= weight
    np.multiply(boresight, direction, out=spare)
    turn = np.add(spare[0], spare[1], out=spare[0])
    np.multiply(turn, direction[0], out=spare[1])
    turn *= direction[1]
    direction[0] += turn
    direction[1] -= spare[1]
    return weight, terms


def _levers_m(network: Network, aps: Index) -> Float:
    """Return h / k, the share that u has in the phase gradient of an array's centre, in m, shape (n_aps, 1)."""
    return math.pi * network.centres[aps][:, None] / network.wavenumber_rad_m


def side_moments(network: Network, points_m: Float, aps: Index, without: Mask | None = None) -> Float:
    """Return the nine moments of the APs of one side, summed over them.

        sum w,  sum w o (x, y),  sum w o o^T (xx, xy, yy),  sum w c c^T (xx, xy, yy),
        w = 1/d^2,  o = -omega / k,  c = pi (N - 1) / (2 k) grad u

    Parameters
    ----------
    network
        The survey.
    points_m
        Shape (n_points, 2), in m, none of them on an AP. Ten thousand or so at a time are fastest.
    aps
        Indices of the APs, shape (n_aps,).
    without
        Which of them to leave out at which runs of points, all of the same length: shape (n_aps, n_runs).

    Returns
    -------
    ndarray
        Shape (9, n_points), in 1/m^2.
    """
    step = max(BLOCK_APS, BLOCK_ELEMENTS // max(len(points_m), 1))
    blocks = (slice(start, start + step) for start in range(0, max(len(aps), 1), step))
    parts = (_sums(*_terms(network, points_m, aps[b], None if without is None else without[b])) for b in blocks)
    moments = next(parts)
    for part in parts:
        moments += part
    return moments


def _sums(weight: Float, terms: Float) -> Float:
    """Return the nine moments of some APs from their terms; |o|^2 = 1 + |c|^2 spares one product."""
    moments = np.empty((9, weight.shape[1]))
    phase, array = terms[:2], terms[2:]
    weight.sum(axis=0, out=moments[0])
    np.einsum("mg,img->ig", np.sqrt(weight), phase, out=moments[1:3])
    np.einsum("mg,img->ig", phase[0], phase, out=moments[3:5])
    np.einsum("mg,img->ig", array[0], array, out=moments[6:8])
    np.einsum("mg,mg->g", array[1], array[1], out=moments[8])
    np.negative(moments[7], out=moments[7])
    np.add(moments[6], moments[8], out=moments[5])
    moments[5] += moments[0]
    moments[5] -= moments[3]
    return moments


def ap_moments(network: Network, points_m: Float, aps: Index, gain: float, kind: str = "coherent") -> Float:
    """Return the six moments of each AP by itself, shape (n_aps, 6, n_points), ready for `bound_from_moments_m`.

    Parameters are those of `closed_form_map_m`. They add up: the moments of a side are the sum of those of its APs.
    """
    weight, terms = _terms(network, points_m, aps)
    x, y, array_x, array_y = terms
    inverse = np.sqrt(weight)
    mean, outer = (inverse * x, inverse * y), (x * x, x * y, y * y)
    nine = np.stack([weight, *mean, *outer, array_x**2, -array_x * array_y, array_y**2], axis=1)
    return six_moments(nine, network, gain, kind)


def six_moments(nine: Float, network: Network, gain: float, kind: str) -> Float:
    """Return the six moments W, m, H, shape (..., 6, n_points), that nine moments come to for one kind of bound.

    J = W_r (H_t - m_t m_t^T / W_t) + W_t (H_r - m_r m_r^T / W_r)
    """
    _require_kind(kind)
    n, wavenumber = network.antennas_of_all, network.wavenumber_rad_m
    phase = -wavenumber * math.sqrt(gain) * n if kind == "coherent" else 0.0
    array = gain * _array_factor(network, n)
    six = np.empty((*nine.shape[:-2], 6, nine.shape[-1]))
    six[..., 0, :] = nine[..., 0, :]
    np.multiply(nine[..., 1:3, :], phase, out=six[..., 1:3, :])
    np.multiply(nine[..., 3:6, :], phase**2, out=six[..., 3:, :])
    six[..., 3:, :] += array * nine[..., 6:, :]
    return six


def _array_factor(network: Network, n: int) -> float:
    """Return N V pi^2 / |h / k|^2 = k^2 N^2 (N + 1) / (3 (N - 1)), V of `closed_form_information`; 0 if N = 1."""
    return (network.wavenumber_rad_m * n) ** 2 * (n + 1) / (3.0 * (n - 1)) if n > 1 else 0.0


def bound_from_moments_m(transmit: Float, receive: Float) -> Float:
    """Return the position error bound for summed six moments of the transmitters and of the receivers.

    Parameters
    ----------
    transmit, receive
        Sums of `ap_moments` over the APs of the side, shape (..., 6, n_points).

    Returns
    -------
    ndarray
        Shape (..., n_points), in m; NaN where there is no bound.
    """
    t, r = np.moveaxis(transmit, -2, 0), np.moveaxis(receive, -2, 0)
    heard = min(t[0].min(initial=np.inf), r[0].min(initial=np.inf)) > 0.0
    if not heard:
        silent = (t[0] <= 0.0) | (r[0] <= 0.0)
        t, r = np.where(silent, 1.0, t), np.where(silent, 1.0, r)
    tx, ty, rx, ry = t[1] / t[0], t[2] / t[0], r[1] / r[0], r[2] / r[0]
    xx = r[0] * (t[3] - t[1] * tx) + t[0] * (r[3] - r[1] * rx)
    xy = r[0] * (t[4] - t[1] * ty) + t[0] * (r[4] - r[1] * ry)
    yy = r[0] * (t[5] - t[2] * ty) + t[0] * (r[5] - r[2] * ry)
    bound = _bound_m(xx, xy, yy, r[0] * (t[3] + t[5]) + t[0] * (r[3] + r[5]))
    return bound if heard else np.where(silent, np.nan, bound)


def _bound_m(xx: Float, xy: Float, yy: Float, scale: Float) -> Float:
    """Return sqrt(tr J / det J), NaN where the least eigenvalue of J is lost in the rounding of ``scale``."""
    trace, determinant = xx + yy, xx * yy - xy * xy
    floor = SINGULAR * scale
    singular = ~((trace > floor) & (determinant > floor * trace))
    if singular.any():
        determinant[singular] = np.nan
    return np.sqrt(trace / determinant)


def closed_form_map_m(
    network: Network, assignment: ModeAssignment, points_m: ArrayLike, gain: float, kind: str = "coherent"
) -> Float:
    """Return the bound of one target at each point for orthogonal isotropic sensing, Q_tt' = q I delta_tt'.

    The same values as `closed_form_information` and `position_error_bound_m` give, for large maps.

    Parameters
    ----------
    network, assignment
        The survey and who transmits and receives.
    points_m
        Shape (n_points, 2), in m, none of them on an AP.
    gain
        C of `information_gain`, in m^4.
    kind
        "coherent" (real free amplitudes) or "non-coherent".

    Returns
    -------
    ndarray
        Shape (n_points,), in m; NaN where there is no bound.

    Raises
    ------
    ValueError
        If ``kind`` is another one or a point lies on an AP.
    """
    points = _checked(points_m, kind)
    sides = assignment.transmitters, assignment.receivers

    def block_bound(block: Float) -> Float:
        six = (six_moments(side_moments(network, block, aps), network, gain, kind) for aps in sides)
        return bound_from_moments_m(*six)

    widest = min(max(map(len, sides)), BLOCK_APS)
    return _in_blocks(block_bound, points, BLOCK_ELEMENTS // max(widest, 1))


def _checked(points_m: ArrayLike, kind: str) -> Float:
    """Return the points as an array once the kind of bound is known."""
    _require_kind(kind)
    return np.asarray(points_m, dtype=float).reshape(-1, 2)


def _require_kind(kind: str) -> None:
    """Raise unless there are maps of this kind of bound."""
    if kind not in ("coherent", "non-coherent"):
        raise ValueError(f"kind = {kind!r} is not a kind of bound map: choose coherent or non-coherent")


@functools.cache  # once is enough: what the library learns from freeing a large array it does not forget
def keep_memory() -> None:
    """Make the C library keep the memory that a block frees instead of returning it to the system page by page."""
    np.empty(KEPT_BYTES, dtype=np.uint8)


def _in_blocks(bound: Callable[[Float], Float], points: Float, block: int) -> Float:
    """Return the bounds of all points, evaluated a block at a time."""
    keep_memory()
    result = np.empty(len(points))
    for start in range(0, len(points), block):
        result[start : start + block] = bound(points[start : start + block])
    return result


def any_gram_map_m(
    network: Network,
    assignment: ModeAssignment,
    points_m: ArrayLike,
    rcs_m2: float,
    gram: Complex,
    noise_power_w: float,
    kind: str = "coherent",
) -> Float:
    """Return the bound of a target alone at each point for any illumination Q that all receivers share.

    With the transmitted field b_t = g_ts^T F_t, P the Gram of (d_x, d_y, j) sum_t b_t less its projection on the b_t,

        J = (2 A^2 / sigma^2) [ N (W_r P_xy|0 + P_00 S_r) + pi^2 V |sum b_t|^2 sum_r w_r b_r b_r^T ]

    where S_r, W_r are those of `closed_form_information`; receivers that differ in N count with their own. The
    non-coherent J keeps the first term, projected on all complex combinations, and the last. Inner products are
    eliminated, not vectors: digits are lost where the information is nearly singular, as with one AP a side or fewer
    snapshots than overlapping signals. For these, use `target_bounds_m`.

    Parameters
    ----------
    network, assignment
        The survey and who transmits and receives.
    points_m
        Shape (n_points, 2), in m, none of them on an AP.
    rcs_m2
        Radar cross-section in m^2.
    gram
        Q in W, shape (n_tx, N, n_tx, N).
    noise_power_w
        Noise power of a complex sample.
    kind
        "coherent" (real free amplitudes) or "non-coherent".

    Returns
    -------
    ndarray
        Shape (n_points,), in m; NaN where there is no bound.

    Raises
    ------
    ValueError
        If ``kind`` is another one or a point lies on an AP.
    """
    points = _checked(points_m, kind)
    n, (transmitters, receivers) = network.n_antennas, (assignment.transmitters, assignment.receivers)
    if not len(transmitters) or not len(receivers):
        return np.full(len(points), np.nan)
    gain = 2.0 * float(echo_amplitude_m2(network.wavelength_m, rcs_m2)) ** 2 / noise_power_w
    wavenumber = network.wavenumber_rad_m

    def block_bound(block: Float) -> Float:
        reduced, phase, energy = _field_information(network, block, transmitters, gram, kind)
        weight, mean, outer, array = np.split(_receive_moments(network, block, receivers), (1, 3, 6))
        scatter = wavenumber**2 * (outer - mean[[0, 0, 1]] * mean[[0, 1, 1]] / weight)
        xx, xy, yy = gain * n * (weight * reduced + phase * scatter + energy * array)
        scale = gain * n * energy * (wavenumber**2 * (outer[0] + outer[2]) if kind == "coherent" else 0.0)
        return _bound_m(xx, xy, yy, np.maximum(scale, xx + yy))

    return _in_blocks(block_bound, points, BLOCK_POINTS_ANY_GRAM)


def _receive_moments(network: Network, points: Float, receivers: Index) -> Float:
    """Return the nine moments of receivers, weighted with N_r / N, the last three as pi^2 V_r / N_r w b b^T."""
    total: Any = 0.0
    for n, alike in network.by_size(receivers):
        moments = side_moments(network, points, alike)
        moments[6:] *= _array_factor(network, n) / n**2
        total = total + n / network.n_antennas * moments
    return np.asarray(total)


def _field_information(
    network: Network, points: Float, transmitters: Index, gram: Complex, kind: str
) -> tuple[Float, Float, Float]:
    """Return P_xy|0 as (xx, xy, yy), P_00 (0 if not coherent) and the energy |sum b_t|^2, over the points."""
    n_tx = len(transmitters)
    table: Any = _field_gram(fields(network, points, transmitters, kind), gram)
    energy = table[:n_tx, :n_tx].real.sum(axis=(0, 1))
    if kind == "coherent":
        table = _with_phase(table, n_tx)
    phase = _eliminate(table, n_tx)
    return np.stack([table[-2, -2].real, table[-2, -1].real, table[-1, -1].real]), phase, energy


def _field_gram(sent: tuple[Complex, Complex, Complex], gram: Complex) -> Complex:
    """Return the inner products of the b_t, d_x sum b_t and d_y sum b_t, shape (n_tx + 2, n_tx + 2, n_points)."""
    field, *gradient = sent
    n_tx, n, n_points = field.shape
    kernel = gram.conj().reshape(n_tx * n, n_tx * n)
    seen = np.matmul(kernel.reshape(n_tx * n, n_tx, n).swapaxes(0, 1), field).reshape(n_tx, n_tx, n, n_points)
    seen_gradient = [(kernel @ slope.reshape(n_tx * n, n_points)).reshape(field.shape) for slope in gradient]
    table = np.empty((n_tx + 2, n_tx + 2, n_points), dtype=complex)
    conjugate = field.conj()
    np.einsum("tng,stng->tsg", conjugate, seen, out=table[:n_tx, :n_tx])
    for i, image in enumerate(seen_gradient, start=n_tx):
        np.einsum("tng,tng->tg", conjugate, image, out=table[:n_tx, i])
        np.conjugate(table[:n_tx, i], out=table[i, :n_tx])
        for j, slope in enumerate(gradient, start=n_tx):
            np.einsum("tng,tng->g", slope.conj(), image, out=table[j, i])
    return table


def _with_phase(table: Complex, n_tx: int) -> Float:
    """Return the real inner products with the phase's column, j times the sum of the b_t, before the position's."""
    column = -table[:, :n_tx].imag.sum(axis=1)
    order = np.insert(np.arange(n_tx + 2), n_tx, 0)
    real = table.real[order][:, order]
    real[:, n_tx] = column[order]
    real[n_tx] = column[order]
    real[n_tx, n_tx] = table[:n_tx, :n_tx].real.sum(axis=(0, 1))
    return real


class Legs(NamedTuple):
    """One leg of every echo, points last."""

    first: Complex
    """Response of element 0, exp(-jkd) / d, shape (n_aps, n_points)."""
    step: Complex
    """exp(j pi u), from one element to the next, shape (n_aps, n_points)."""
    omega: Float
    """Phase gradient of the array's centre in rad/m, shape (2, n_aps, n_points); 0 if that phase is unknown."""
    slope: Float
    """pi grad u, from one element to the next, in rad/m, shape (2, n_aps, n_points)."""


def legs(network: Network, points_m: Float, aps: Index, kind: str) -> Legs:
    """Return the legs between points and APs for the coherent bound, or the non-coherent one, which knows no omega."""
    weight, terms = _terms(network, points_m, aps)
    distance, lever = 1.0 / np.sqrt(weight), _levers_m(network, aps)
    terms *= distance
    position, axis = network.ap_positions_m[aps].T[..., None], network.array_axes[aps].T[..., None]
    cosine_x, cosine_y = (points_m.T[:, None] - position) * axis
    step = np.exp(1j * math.pi * (cosine_x + cosine_y) / distance)
    turn = np.divide(math.pi, lever, out=np.zeros_like(lever), where=lever > 0.0)
    slope = terms[2:] * np.stack([-turn, turn])
    omega = (-network.wavenumber_rad_m if kind == "coherent" else 0.0) * terms[:2]
    return Legs(np.exp(-1j * network.wavenumber_rad_m * distance) / distance, step, omega, slope)


def fields(network: Network, points: Float, transmitters: Index, kind: str) -> tuple[Complex, Complex, Complex]:
    """Return the transmit legs g_ts and their derivatives with respect to x and y, (n_tx, N, n_points) each.

    Amplitudes are held fixed; so is the phase of the array's centre unless the bound is coherent.
    """
    first, step, omega, slope = legs(network, points, transmitters, kind)
    n = network.n_antennas
    field = np.empty((len(transmitters), n, len(points)), dtype=complex)
    field[:, 0] = first
    for element in range(1, n):
        np.multiply(field[:, element - 1], step, out=field[:, element])
    field = network.cut(field.swapaxes(1, 2), transmitters).swapaxes(1, 2)
    centred, turned = np.arange(n)[:, None] - network.centres[transmitters][:, None, None], 1j * field
    x, y = ((phase[:, None] + centred * tilt[:, None]) * turned for phase, tilt in zip(omega, slope, strict=True))
    return field, x, y


def _eliminate(table: NDArray[Any], n_nuisances: int) -> Float:
    """Eliminate the first rows of Hermitian matrices, shape (n, n, n_points), in place (Schur), and then the phase.

    Returns the phase's own information, 0 where there is no phase among the rows; the last two rows are the position.
    """
    size = len(table)
    scale = np.einsum("iig->ig", table).real.copy()
    phase = np.zeros(table.shape[-1])
    for i in range(size - 2):
        pivot = table[i, i].real
        usable = pivot > DEPENDENT * scale[i]
        inverse = np.where(usable, 1.0, 0.0) / np.where(usable, pivot, 1.0)
        row = table[i, i + 1 :]
        if i >= n_nuisances:
            phase = np.where(usable, pivot, 0.0)
        table[i + 1 :, i + 1 :] -= (row.conj() * inverse)[:, None] * row[None]
    return phase
