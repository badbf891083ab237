"""Many amplitudes of overlapping signals, taken out by shared inner products, against all columns written out."""

import numpy as np
import pytest

from models.bounds import elimination
from models.bounds.fisher import KINDS, target_bounds_m
from models.radio.geometry import rays
from models.radio.sensing import echo_amplitude_m2
from models.radio.statistics import gram_statistic
from tests.test_bounds import random_case

N_TX, N_RX, N_ANTENNAS = 12, 3, 4
RTOL = 1e-9
WAYS_RTOL = {10.0: 1e-11, 0.1: 1e-9, 0.01: 1e-8, 0.001: 1e-6}
"""By the distance of two targets in m: what rounding leaves of the non-coherent bound."""


def many_amplitudes(seed, n_targets=3):
    """Return a case with more amplitudes at a receiver than are taken out by orthogonal factors, and its signals."""
    assert n_targets * N_TX > elimination.FEW
    return random_case(seed, n_targets, N_TX + N_RX, N_TX, N_ANTENNAS, n_snapshots=60)


def dense_bounds(case, samples, kind):
    """Return the bounds from the derivatives of all samples by all parameters, orthogonalised in one go.

    ``samples`` are those that each receiver contributed, shape (n_rx, n_tx, N, n_snapshots).
    """
    amplitude = echo_amplitude_m2(case["network"].wavelength_m, case["rcs_m2"])
    amplitude = amplitude * np.exp(1j * case["scatter_phase_rad"])
    (out, d_out), (back, d_back) = (legs(case, aps, kind) for aps in ("transmitters", "receivers"))
    own, common, places = [], [], []
    for r, x in enumerate(samples):
        lit = np.einsum("tsn,tnl->stl", out, x)
        slope = np.einsum("tsin,tnl->sil", d_out, x)
        pairs = np.einsum("s,sm,stl->stml", amplitude, back[r], lit)
        echo = pairs.sum(axis=1)
        moved = np.einsum("s,sim,sl->siml", amplitude, d_back[r], lit.sum(axis=1))
        places.append(moved + np.einsum("s,sm,sil->siml", amplitude, back[r], slope))
        common.append(np.stack([1j * echo, echo]))
        own.append(pairs)
    others = {
        "coherent": [*apart(own), beside(common)[:, : len(amplitude)]],
        "non-coherent": apart([np.stack([one, 1j * one]) for one in own]),
        "structured": [beside(common)],
    }[kind]
    return bounds_of(np.concatenate(others, axis=1), beside(places), case["noise_power_w"])


def legs(case, aps, kind):
    """Return the legs and their derivatives; a free amplitude leaves of these what turns the phase, or the array."""
    network, aps = case["network"], getattr(case["assignment"], aps)
    ray, element = rays(network, case["positions_m"], aps), np.arange(network.n_antennas)
    response = np.exp(
        -1j * network.wavenumber_rad_m * ray.distance_m[..., None] + 1j * np.pi * element * ray.sine[..., None]
    )
    response /= ray.distance_m[..., None]
    if kind == "non-coherent":
        element = element - element.mean()
    turn = np.pi * element * ray.sine_gradient[..., None]
    if kind != "non-coherent":
        turn = turn - network.wavenumber_rad_m * ray.direction[..., None]
    shrink = ray.direction / ray.distance_m[..., None] if kind == "structured" else np.zeros_like(ray.direction)
    return response, (1j * turn - shrink[..., None]) * response[..., None, :]


def columns_of(derivative):
    """Return (..., m, l) as real columns."""
    flat = derivative.reshape(-1, derivative.shape[-2] * derivative.shape[-1]).T
    return np.concatenate([flat.real, flat.imag])


def apart(by_receiver):
    """Return the columns of parameters that belong to one receiver, those of each receiver by themselves."""
    parts = [columns_of(one) for one in by_receiver]
    zeros = [np.zeros_like(part) for part in parts]
    return [np.concatenate([*zeros[:r], part, *zeros[r + 1 :]]) for r, part in enumerate(parts)]


def beside(by_receiver):
    """Return the columns of parameters that all receivers share."""
    return np.concatenate([columns_of(one) for one in by_receiver])


def bounds_of(others, places, noise_power_w):
    others = others / np.maximum(np.linalg.norm(others, axis=0), np.finfo(float).tiny)
    basis, values, _ = np.linalg.svd(others, full_matrices=False)
    basis = basis[:, values > 1e-9]
    for _ in range(2):
        places = places - basis @ (basis.T @ places)
    variance = 0.5 * noise_power_w * np.diag(np.linalg.inv(places.T @ places))
    return np.sqrt(variance.reshape(-1, 2).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_targets", [3, 4])
def test_bounds_are_those_of_all_columns_written_out(kind, n_targets):
    case, samples = many_amplitudes(n_targets, n_targets)
    expected = dense_bounds(case, [samples] * N_RX, kind)
    np.testing.assert_allclose(target_bounds_m(**case, kind=kind), expected, rtol=RTOL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("snapshots", [50, 20, 3, 0])
def test_receivers_may_have_heard_different_snapshots(kind, snapshots):
    """With three snapshots, a receiver's amplitudes depend on each other; one that heard nothing adds nothing."""
    case, samples = many_amplitudes(7)
    heard = np.stack([samples] * N_RX)
    heard[1, ..., snapshots:] = 0.0
    case["gram"] = np.stack([gram_statistic(x) for x in heard])
    np.testing.assert_allclose(target_bounds_m(**case, kind=kind), dense_bounds(case, heard, kind), rtol=RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_a_transmitter_that_was_silent_has_no_amplitudes(kind, monkeypatch):
    """Its columns are zero, which is no reason to form those of the others."""
    case, samples = many_amplitudes(8)
    samples[5] = 0.0
    case["gram"] = gram_statistic(samples)
    expected = dense_bounds(case, [samples] * N_RX, kind)
    monkeypatch.delattr(elimination, "eliminate")
    np.testing.assert_allclose(target_bounds_m(**case, kind=kind), expected, rtol=RTOL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("apart_m", WAYS_RTOL)
def test_close_targets_keep_the_digits_that_orthogonal_factors_keep(kind, apart_m, monkeypatch):
    case, _ = many_amplitudes(9)
    case["positions_m"][1] = case["positions_m"][0] + [apart_m, 0.0]
    found = target_bounds_m(**case, kind=kind)
    monkeypatch.setattr(elimination, "FEW", 1000)
    np.testing.assert_allclose(found, target_bounds_m(**case, kind=kind), rtol=WAYS_RTOL[apart_m])


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_receivers_do_not_show(kind, monkeypatch):
    case, samples = many_amplitudes(10)
    grams = gram_statistic(samples), np.stack([gram_statistic(samples * (1.0 + r)) for r in range(N_RX)])
    for case["gram"] in grams:
        whole = target_bounds_m(**case, kind=kind)
        monkeypatch.setattr("models.bounds.fisher.BLOCK_ENTRIES", 1)
        np.testing.assert_allclose(target_bounds_m(**case, kind=kind), whole, rtol=RTOL)
        monkeypatch.undo()
