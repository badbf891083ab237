"""Target echoes and their derivatives with respect to position, as inner products in the statistics Z and Q.

The echo of a target is a product of two legs, b = W (F^T X), and its derivative obeys the product rule. With an
index a in {0, x, y} for value and derivatives ("jet"), all inner products of echoes follow from those of the legs:

    (W_i^H W_j)(F_j^T Q conj(F_i))  and  W_i^H Z conj(F_i)
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.estimation.likelihood import Echoes, clear_of_aps
from models.network import Network
from models.radio.geometry import Rays, rays

__all__ = ["Amplitude", "Echoes", "leg_jets", "legs", "one_target_products", "pair_products", "structured_products"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
Amplitude = Literal["structured", "free", "noncoherent"]
_HALF = np.array([0.5, 1.0, 1.0])  # the product rule written for all a counts a = 0 twice


def legs(network: Network, points_m: Float, aps: NDArray[np.intp], model: Amplitude) -> Complex:
    """Return the legs to points of shape (n_points, 2), shape (n_aps, n_points, N); see `leg_jets`."""
    return _legs(network, points_m, aps, model)[1]


def _legs(network: Network, points_m: Float, aps: NDArray[np.intp], model: Amplitude) -> tuple[Rays, Complex]:
    ray = rays(network, clear_of_aps(network, points_m), aps)
    turn = np.pi * ray.sine[..., None] * np.arange(network.n_antennas)
    if model != "noncoherent":
        turn -= network.wavenumber_rad_m * ray.distance_m[..., None]
    leg = np.empty(turn.shape, dtype=complex)
    leg.real, leg.imag = np.cos(turn), np.sin(turn)
    if model == "structured":
        leg /= ray.distance_m[..., None]
    return ray, network.cut(leg, aps)


def leg_jets(network: Network, points_m: Float, aps: NDArray[np.intp], model: Amplitude) -> Complex:
    """Return a leg and its derivatives along x and y.

    What a complex amplitude of each pair absorbs is left out: the leg is a(u) e^{-jkd} / d for structured amplitudes,
    as in ``leg_response``, a(u) e^{-jkd} for free ones, and a(u) without phase coherence.

    Parameters
    ----------
    network
        The survey.
    points_m
        Shape (..., 2).
    aps
        Indices of the APs.
    model
        Of the amplitudes.

    Returns
    -------
    ndarray
        Shape (3, n_aps, ..., N): value, derivative along x, along y.
    """
    ray, leg = _legs(network, points_m.reshape(-1, 2), aps, model)
    jets = np.empty((3, *leg.shape), dtype=complex)
    jets[0] = leg
    slope = np.moveaxis(ray.sine_gradient, -1, 0)[..., None] * (np.pi * np.arange(network.n_antennas))
    if model != "noncoherent":
        slope -= network.wavenumber_rad_m * np.moveaxis(ray.direction, -1, 0)[..., None]
    jets[1:].real, jets[1:].imag = -slope * leg.imag, slope * leg.real
    if model == "structured":
        jets[1:] -= np.moveaxis(ray.direction / ray.distance_m[..., None], -1, 0)[..., None] * leg
    return jets.reshape(3, len(aps), *points_m.shape[:-1], network.n_antennas)


def both_jets(echoes: Echoes, points_m: Float, model: Amplitude) -> tuple[Complex, Complex]:
    """Return the jets of the legs to receivers and to transmitters; see `leg_jets`."""
    jets = leg_jets(echoes.network, points_m, np.concatenate([echoes.receivers, echoes.transmitters]), model)
    return jets[:, : len(echoes.receivers)], jets[:, len(echoes.receivers) :]


def _product_gram(first: Complex, second: Complex) -> Complex:
    """Return the Gram matrix of the jets of products from those of the factors, all of shape (..., 3, n, 3, n)."""
    first_0, second_0 = first[..., :1, :, :1, :], second[..., :1, :, :1, :]
    total = first * second_0 + first_0 * second
    total += first[..., :, :, :1, :] * second[..., :1, :, :, :] + first[..., :1, :, :, :] * second[..., :, :, :1, :]
    return total * (_HALF[:, None, None, None] * _HALF[:, None])


def structured_products(echoes: Echoes, points_m: Float) -> tuple[Complex, Complex]:
    """Return v and B of targets of structured amplitude kappa / (d_t d_r), and of their derivatives.

        v_i = W_i^H Z conj(F_i)        B_ij = sum_r (W_ri^H W_rj)(F_j^T Q_r conj(F_i))

    Parameters
    ----------
    echoes
        Scaled statistics.
    points_m
        Shape (batch, n_targets, 2).

    Returns
    -------
    v
        Shape (batch, 1, 3, n_targets).
    b
        Shape (batch, 1, 3, n_targets, 3, n_targets).
    """
    (batch, n_targets, _), n_rx, n_tx = points_m.shape, len(echoes.receivers), len(echoes.transmitters)
    n_antennas, size = echoes.network.n_antennas, 3 * n_targets
    back, towards = (legs.transpose(2, 0, 3, 1, 4) for legs in both_jets(echoes, points_m, "structured"))
    flat_back = back.reshape(batch, size, n_rx * n_antennas)
    flat_towards = towards.reshape(batch, size, n_tx * n_antennas)
    filtered = flat_back.conj() @ echoes.cross.reshape(n_rx * n_antennas, n_tx * n_antennas)
    filtered = filtered.reshape(batch, 3, n_targets, -1)
    conjugate = flat_towards.conj().reshape(batch, 3, n_targets, -1)
    v = np.sum(filtered * conjugate[:, :1] + filtered[:, :1] * conjugate, axis=-1) * _HALF[:, None]
    if echoes.gram.shared:
        back_gram = (flat_back.conj() @ flat_back.swapaxes(-1, -2))[:, None]
    else:
        by_receiver = back.reshape(batch, size, n_rx, n_antennas).transpose(0, 2, 1, 3)
        back_gram = by_receiver.conj() @ by_receiver.swapaxes(-1, -2)
    sent = echoes.gram.times(flat_towards.reshape(1, batch * size, n_tx, n_antennas)).conj()
    sent = sent.reshape(-1, batch, size, n_tx * n_antennas).swapaxes(0, 1)
    towards_gram = sent @ flat_towards.swapaxes(-1, -2)[:, None]
    shape = (3, n_targets, 3, n_targets)
    gram = _product_gram(back_gram.reshape(batch, -1, *shape), towards_gram.reshape(batch, -1, *shape))
    return v[:, None], gram.sum(axis=1, keepdims=True)


def pair_products(echoes: Echoes, points_m: Float, model: Amplitude) -> tuple[Complex, Complex]:
    """Return v and K of targets whose amplitude is free for each pair of APs, and of their derivatives.

    Amplitudes that influence each other belong to one group: those of a receiver where signals overlap (n_groups =
    n_rx, n_free = n_tx), else those of a pair of APs (n_groups = n_rx n_tx, n_free = 1).

    Parameters
    ----------
    echoes
        Scaled statistics.
    points_m
        Shape (batch, n_targets, 2).
    model
        "free" or "noncoherent".

    Returns
    -------
    v
        Shape (batch, n_groups, 3, n_targets n_free).
    k
        Shape (batch, n_groups, 3, n_targets n_free, 3, n_targets n_free).
    """
    (batch, n_targets, _), n_rx, n_tx = points_m.shape, len(echoes.receivers), len(echoes.transmitters)
    n_antennas, size = echoes.network.n_antennas, 3 * n_targets
    back, towards = both_jets(echoes, points_m, model)
    back, towards = back.transpose(2, 1, 0, 3, 4), towards.transpose(2, 0, 3, 1, 4)
    flat_back = back.reshape(batch, n_rx, size, n_antennas)
    filtered = flat_back.conj() @ echoes.cross.reshape(n_rx, n_antennas, n_tx * n_antennas)
    filtered = filtered.reshape(batch, n_rx, 3, n_targets, n_tx, n_antennas)
    conjugate = towards.conj()[:, None]
    v = np.sum(filtered * conjugate[:, :, :1] + filtered[:, :, :1] * conjugate, axis=-1) * _HALF[:, None, None]
    back_gram = flat_back.conj() @ flat_back.swapaxes(-1, -2)
    if not echoes.gram.overlapping:
        jets = (batch, n_rx * n_tx, 3, n_targets, 3, n_targets)
        alone = back_gram.reshape(batch, n_rx, 1, 3, n_targets, 3, n_targets)
        gram = _product_gram(alone, _own_gram(echoes, towards).reshape(batch, -1, n_tx, *jets[2:])).reshape(jets)
        return v.transpose(0, 1, 4, 2, 3).reshape(jets[:4]), gram
    n = n_targets * n_tx
    mixed = back_gram.reshape(batch, n_rx, 3, n_targets, 1, 3, n_targets, 1) * np.ones((1, n_tx, 1, 1, n_tx))
    towards_gram = _transmit_gram(echoes, towards).reshape(batch, -1, 3, n, 3, n)
    return v.reshape(batch, n_rx, 3, n), _product_gram(mixed.reshape(batch, n_rx, 3, n, 3, n), towards_gram)


def one_target_products(echoes: Echoes, points_m: Float) -> tuple[Complex, Complex, Complex]:
    """Return v of one non-coherent target, and the inner products of the jets of its legs; signals are separate.

    Parameters
    ----------
    echoes
        Scaled statistics.
    points_m
        Shape (batch, 2).

    Returns
    -------
    v
        Shape (batch, n_rx, n_tx, 3).
    back
        B_r,ab = W_a^H W_b, shape (batch, n_rx, 3, 3).
    towards
        T_rt,ab = F_b^T Q_r,tt conj(F_a), shape (batch, n_rx or 1, n_tx, 3, 3).
    """
    batch, n_rx, n_tx = len(points_m), len(echoes.receivers), len(echoes.transmitters)
    n_antennas = echoes.network.n_antennas
    back, towards = both_jets(echoes, points_m, "noncoherent")
    rows = back.conj().transpose(1, 2, 0, 3).reshape(n_rx, batch * 3, n_antennas)
    filtered = (rows @ echoes.cross.reshape(n_rx, n_antennas, -1)).reshape(n_rx, batch, 3, n_tx, n_antennas)
    filtered = filtered.transpose(1, 3, 0, 2, 4).reshape(batch, n_tx, n_rx * 3, n_antennas)
    products = filtered @ np.ascontiguousarray(towards.conj().transpose(2, 1, 3, 0))
    products = products.reshape(batch, n_tx, n_rx, 3, 3).swapaxes(1, 2)
    v = products[..., 0] + products[..., 0, :]
    v[..., 0] = products[..., 0, 0]
    legs = back.transpose(2, 1, 0, 3)
    jets = towards.transpose(2, 0, 1, 3)[:, :, None]
    return v, legs.conj() @ legs.swapaxes(-1, -2), _own_gram(echoes, jets)


def _own_gram(echoes: Echoes, towards: Complex) -> Complex:
    """Return F_jt^T Q_tt conj(F_it) of legs of shape (batch, 3, n_targets, n_tx, N): (batch, rx or 1, tx, n, n)."""
    batch, _, n_targets, n_tx, n_antennas = towards.shape
    legs = towards.reshape(1, batch * 3 * n_targets, n_tx, n_antennas)
    sent = echoes.gram.times(legs).reshape(-1, batch, 3 * n_targets, n_tx, n_antennas).conj()
    legs = legs.reshape(1, batch, 3 * n_targets, n_tx, n_antennas).transpose(0, 1, 3, 4, 2)
    return (sent.swapaxes(2, 3) @ legs).swapaxes(0, 1)


def _transmit_gram(echoes: Echoes, towards: Complex) -> Complex:
    """Return F_jt'^T Q_t't conj(F_it) of legs of shape (batch, 3, n_targets, n_tx, N): (batch, rx or 1, n, n)."""
    batch, _, n_targets, n_tx, n_antennas = towards.shape
    size = 3 * n_targets
    legs = towards.reshape(batch, size, n_tx, n_antennas)
    grams = []
    for gram in echoes.gram.values:
        half = legs.conj().transpose(2, 0, 1, 3).reshape(n_tx, batch * size, n_antennas)
        half = half @ gram.transpose(2, 3, 0, 1).reshape(n_tx, n_antennas, n_tx * n_antennas)
        half = half.reshape(n_tx, batch, size, n_tx, n_antennas).transpose(1, 3, 2, 0, 4)
        half = half.reshape(batch, n_tx, size * n_tx, n_antennas)
        full = half @ legs.transpose(0, 2, 3, 1)
        grams.append(full.reshape(batch, n_tx, size * n_tx, size).transpose(0, 2, 3, 1))
    return np.stack(grams, axis=1)
