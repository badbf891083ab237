"""What an AP radiates, eq. (1): powers, precoders and the expected Gram matrix of a CPI."""

import math

import numpy as np
import pytest

from models.radio.statistics import gram_statistic
from models.radio.transmission import (
    expected_gram,
    isotropic_sensing_samples,
    maximum_ratio,
    precoding_matrix,
    proportional_power,
)

STANDARD_ERRORS = 4.0
POWER_W = 2.0


def complex_normals(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)


CHANNEL = complex_normals(np.random.default_rng(1), 3, 5, 4)
"""(n_tx, n_ues, N)."""


def radiated(rng, precoding, comm_power_fraction, senses, n_snapshots):
    """Return samples of eq. (1) of one AP, shape (N, n_snapshots)."""
    communication = precoding @ complex_normals(rng, precoding.shape[1], n_snapshots)
    normals = complex_normals(rng, precoding.shape[0], n_snapshots)
    return communication + senses * isotropic_sensing_samples(normals, POWER_W, comm_power_fraction)


def test_maximum_ratio_turns_the_channel_into_its_norm():
    precoder = maximum_ratio(CHANNEL)
    assert np.einsum("tkn,tkn->tk", CHANNEL, precoder) == pytest.approx(np.linalg.norm(CHANNEL, axis=-1))
    assert np.linalg.norm(precoder, axis=-1) == pytest.approx(np.ones((3, 5)))


def test_no_unit_vector_beats_maximum_ratio():
    rival = maximum_ratio(complex_normals(np.random.default_rng(2), 1000, 4))
    gain = np.abs(rival @ CHANNEL[0, 0])
    assert gain.max() < np.linalg.norm(CHANNEL[0, 0])


def test_a_zero_channel_gets_no_precoder_and_the_powers_still_add_up():
    channel = CHANNEL.copy()
    channel[0], channel[1, 2] = 0.0, 0.0
    assert not maximum_ratio(channel)[0].any()
    power = proportional_power(channel, POWER_W)
    assert power[0] == pytest.approx(np.full(5, POWER_W / 5))
    assert power[1, 2] == 0.0
    assert power.sum(axis=-1) == pytest.approx(np.full(3, POWER_W))


def test_powers_are_in_proportion_to_the_channels_and_use_the_budget():
    power = proportional_power(CHANNEL, POWER_W)
    strength = np.linalg.norm(CHANNEL, axis=-1) ** 2
    assert power / strength == pytest.approx(np.repeat(POWER_W / strength.sum(axis=-1, keepdims=True), 5, axis=-1))


def test_no_ue_no_power():
    assert proportional_power(CHANNEL[:, :0], POWER_W).shape == (3, 0)
    assert precoding_matrix(CHANNEL[:, :0], POWER_W, 0.5).shape == (3, 4, 0)


@pytest.mark.parametrize("comm_power_fraction", [0.0, 0.3, 1.0])
def test_precoding_matrix_holds_the_power_and_the_directions(comm_power_fraction):
    precoding = precoding_matrix(CHANNEL, POWER_W, comm_power_fraction)
    assert (np.abs(precoding) ** 2).sum(axis=(-1, -2)) == pytest.approx(np.full(3, comm_power_fraction * POWER_W))
    power = proportional_power(CHANNEL, POWER_W)
    expected = np.sqrt(comm_power_fraction * power[1, 3]) * maximum_ratio(CHANNEL)[1, 3]
    assert precoding[1, :, 3] == pytest.approx(expected)


@pytest.mark.parametrize("senses", [0, 1])
@pytest.mark.parametrize("comm_power_fraction", [0.0, 0.5, 0.9, 1.0])
def test_eq_1_radiates_rho_p_plus_delta_times_the_rest(comm_power_fraction, senses):
    n_snapshots = 20000
    rng, precoding = np.random.default_rng(3), precoding_matrix(CHANNEL, POWER_W, comm_power_fraction)[0]
    energy = (np.abs(radiated(rng, precoding, comm_power_fraction, senses, n_snapshots)) ** 2).sum(axis=0)
    expected = POWER_W * (comm_power_fraction + senses * (1 - comm_power_fraction))
    assert expected <= POWER_W
    standard_error = energy.std() / math.sqrt(n_snapshots)
    assert abs(energy.mean() - expected) <= STANDARD_ERRORS * standard_error


def test_the_sensing_waveform_is_isotropic():
    n_snapshots = 20000
    samples = isotropic_sensing_samples(complex_normals(np.random.default_rng(4), 4, n_snapshots), POWER_W, 0.2)
    each = 0.8 * POWER_W / 4
    covariance = samples @ samples.conj().T / n_snapshots
    assert np.all(np.abs(covariance - each * np.eye(4)) < STANDARD_ERRORS * each / math.sqrt(n_snapshots))


def test_expected_gram_of_the_sensing_part_alone():
    gram = expected_gram(3, 4, 10, POWER_W, 0.25)
    assert gram.shape == (3, 4, 3, 4)
    assert gram.reshape(12, 12) == pytest.approx(10 * 0.75 * POWER_W / 4 * np.eye(12))


@pytest.mark.parametrize("full", [False, True])
def test_expected_gram_is_the_mean_of_the_gram_statistic(full):
    """A CPI of three slots, in each of which one of three transmitters senses, many times over."""
    n_slots, n_snapshots, n_trials, rho = 3, 5, 1500, 0.4
    rng, precoding = np.random.default_rng(5), precoding_matrix(CHANNEL, POWER_W, rho)
    draws = []
    for _ in range(n_trials):
        symbols = complex_normals(rng, 5, n_slots * n_snapshots)
        transmitted = precoding @ symbols * full
        for slot in range(n_slots):
            normals = complex_normals(rng, 4, n_snapshots)
            window = slice(slot * n_snapshots, (slot + 1) * n_snapshots)
            transmitted[slot, :, window] += isotropic_sensing_samples(normals, POWER_W, rho)
        draws.append(gram_statistic(transmitted))
    expected = expected_gram(3, 4, n_snapshots, POWER_W, rho, precoding if full else None)
    error = np.abs(np.mean(draws, axis=0) - expected)
    standard_error = np.std(draws, axis=0) / math.sqrt(n_trials)
    assert np.all(error <= STANDARD_ERRORS * standard_error + 1e-15)
