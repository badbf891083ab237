"""Access channels, eqs (4)-(5): the law of the random part and the geometry of the rest."""

import math

import numpy as np
import pytest

from models.network import Network
from models.radio.arrays import steering
from models.radio.channel import AccessChannel, local_scattering_covariance
from models.radio.geometry import rays
from models.radio.propagation import path_gain, umi_los
from models.radio.sensing import echo_amplitude_m2

STANDARD_ERRORS = 4.0
ANGULAR_STD_RAD = math.radians(15.0)
EXACT = 1e-10

NO_TARGETS = (np.empty((0, 2)), np.empty(0), np.empty(0))
TARGETS = (np.array([[310.0, 420.0], [700.0, 620.0]]), np.array([1.0, 30.0]), np.array([0.4, -2.0]))


def make_network(n_aps=3, n_ues=2, n_antennas=4):
    rng = np.random.default_rng(3)
    return Network(
        ap_names=tuple(f"ap-{m}" for m in range(n_aps)),
        ap_positions_m=rng.uniform(0, 1000, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=n_antennas,
        carrier_hz=3.5e9,
        ue_names=tuple(f"ue-{k}" for k in range(n_ues)),
        ue_positions_m=rng.uniform(0, 1000, (n_ues, 2)),
    )


def make_channel(network=None, rician_k=8.0, angular_std_rad=ANGULAR_STD_RAD):
    network = make_network() if network is None else network
    return AccessChannel.of(network, path_loss=umi_los, rician_k=rician_k, angular_std_rad=angular_std_rad)


def complex_normals(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)


def silent(network):
    return np.zeros((network.n_ues, network.n_aps, network.n_antennas), dtype=complex)


@pytest.mark.parametrize("theta_rad", [0.0, 0.5, -1.4, 2.5])
@pytest.mark.parametrize("std_rad", [0.05, ANGULAR_STD_RAD, 0.7, 2.0])
def test_local_scattering_covariance_against_brute_force(theta_rad, std_rad):
    delta = np.linspace(-10 * std_rad, 10 * std_rad, 40001)
    weight = np.exp(-(delta**2) / (2 * std_rad**2))
    response = steering(np.sin(theta_rad + delta), 8)
    expected = np.einsum("q,qm,qn->mn", weight / weight.sum(), response, response.conj())
    assert local_scattering_covariance(theta_rad, std_rad, 8) == pytest.approx(expected, abs=1e-12)


def test_local_scattering_covariance_is_a_covariance_of_trace_n():
    covariance = local_scattering_covariance(np.linspace(-3, 3, 7), ANGULAR_STD_RAD, 8)
    assert covariance.shape == (7, 8, 8)
    assert covariance == pytest.approx(covariance.conj().swapaxes(-1, -2), abs=1e-15)
    assert np.trace(covariance, axis1=-2, axis2=-1) == pytest.approx(np.full(7, 8.0))
    assert np.linalg.eigvalsh(covariance).min() > -1e-12


def test_no_spread_is_one_direction_and_endless_spread_none():
    one = steering(math.sin(0.3), 8)
    assert local_scattering_covariance(0.3, 0.0, 8) == pytest.approx(np.outer(one, one.conj()))
    for endless in (None, math.inf):
        assert np.array_equal(local_scattering_covariance(0.3, endless, 8), np.eye(8))


def test_negative_spread_and_negative_rician_factor_are_refused():
    with pytest.raises(ValueError, match=r"angular_std_rad is -0\.1"):
        local_scattering_covariance(0.0, -0.1, 4)
    with pytest.raises(ValueError, match="rician_k is -1"):
        make_channel(rician_k=-1.0)


def test_eq_5_term_by_term():
    """Slow loops over scalars: the formula as it is printed in the module docstring, with a scattered sample of 0."""
    network = make_network()
    channel, phase = make_channel(network), np.array([0.7, -1.9])
    wavenumber = network.wavenumber_rad_m
    amplitude = echo_amplitude_m2(network.wavelength_m, TARGETS[1])
    to_ues, to_targets = rays(network, network.ue_positions_m), rays(network, TARGETS[0])
    realized = channel.realize(silent(network), phase, *TARGETS)
    for t in range(network.n_aps):
        for k in range(network.n_ues):
            d_tk = to_ues.distance_m[t, k]
            beta = path_gain(umi_los, d_tk, network.carrier_hz)
            expected = np.sqrt(beta * 8 / 9) * np.exp(-1j * wavenumber * d_tk) * steering(to_ues.sine[t, k], 4)
            for s in range(2):
                d_ts = to_targets.distance_m[t, s]
                d_sk = math.dist(TARGETS[0][s], network.ue_positions_m[k])
                turn = np.exp(-1j * wavenumber * (d_ts + d_sk) + 1j * TARGETS[2][s])
                expected = expected + amplitude[s] / (d_ts * d_sk) * turn * steering(to_targets.sine[t, s], 4)
            assert realized[t, k] == pytest.approx(expected * np.exp(1j * phase[k]), rel=1e-9)


def test_without_targets_the_specular_part_is_the_line_of_sight():
    network = make_network()
    channel = make_channel(network)
    assert channel.realize(silent(network), np.zeros(2), *NO_TARGETS) == pytest.approx(channel.line_of_sight, rel=EXACT)


def test_moving_a_target_changes_the_reflection():
    network, channel = make_network(), make_channel()
    here = channel.reflection(*TARGETS)
    there = channel.reflection(TARGETS[0] + 0.02, *TARGETS[1:])
    again = channel.reflection(*TARGETS)
    assert np.array_equal(here, again)
    assert here.shape == (network.n_aps, network.n_ues, network.n_antennas)
    assert np.abs(there - here).max() > 0.1 * np.abs(here).max(), "2 cm is a quarter of a wavelength"


def test_the_phase_of_a_ue_turns_only_its_specular_part():
    network, rng = make_network(), np.random.default_rng(0)
    channel, scattered = make_channel(network), complex_normals(rng, 2, 3, 4)
    still, turned = (channel.realize(scattered, np.array([phase, 0.3]), *TARGETS) for phase in (0.0, 1.0))
    random_part = channel.realize(scattered, np.zeros(2), *TARGETS) - channel.realize(
        silent(network), np.zeros(2), *TARGETS
    )
    assert turned[:, 1] == pytest.approx(still[:, 1], rel=EXACT)
    assert turned[:, 0] - random_part[:, 0] == pytest.approx(np.exp(1j) * (still[:, 0] - random_part[:, 0]), rel=1e-9)


@pytest.mark.parametrize("angular_std_rad", [ANGULAR_STD_RAD, None])
def test_covariance_of_the_scattered_part_is_beta_over_k_plus_1_times_r(angular_std_rad):
    network = make_network(n_aps=2, n_ues=2)
    channel, rng, n_draws = make_channel(network, angular_std_rad=angular_std_rad), np.random.default_rng(5), 4000
    draws = np.array([channel.realize(complex_normals(rng, 2, 2, 4), np.zeros(2), *NO_TARGETS) for _ in range(n_draws)])
    scattered = draws - channel.line_of_sight
    measured = np.einsum("dtkm,dtkn->tkmn", scattered, scattered.conj()) / n_draws
    ray = rays(network, network.ue_positions_m)
    ahead = np.stack([np.cos(network.boresights_rad), np.sin(network.boresights_rad)], axis=-1)
    angle = np.arctan2(ray.sine, np.einsum("mkx,mx->mk", ray.direction, ahead))
    expected = (channel.path_gain / 9.0)[..., None, None] * local_scattering_covariance(angle, angular_std_rad, 4)
    standard_error = (channel.path_gain / 9.0)[..., None, None] / math.sqrt(n_draws)
    assert np.all(np.abs(measured - expected) < STANDARD_ERRORS * standard_error)


def test_links_fade_independently():
    network, rng, n_draws = make_network(n_aps=2, n_ues=2), np.random.default_rng(6), 4000
    channel = make_channel(network, rician_k=0.0)
    draws = np.array([channel.realize(complex_normals(rng, 2, 2, 4), np.zeros(2), *NO_TARGETS) for _ in range(n_draws)])
    first = draws[..., 0].reshape(n_draws, 4) / np.sqrt(channel.path_gain.ravel())
    correlation = first.conj().T @ first / n_draws
    assert np.all(np.abs(correlation - np.eye(4)) < STANDARD_ERRORS / math.sqrt(n_draws))


@pytest.mark.parametrize("rician_k", [0.0, 1.0, 8.0, math.inf])
def test_the_mean_power_of_a_link_is_n_beta_for_any_rician_factor(rician_k):
    channel = make_channel(rician_k=rician_k)
    specular = (np.abs(channel.line_of_sight) ** 2).sum(axis=-1)
    random = (np.abs(channel.scatter_root) ** 2).sum(axis=(-1, -2))
    assert specular + random == pytest.approx(4 * channel.path_gain, rel=EXACT)
    share = 0.0 if rician_k == 0 else 1 - 1 / (1 + rician_k)
    assert specular == pytest.approx(4 * share * channel.path_gain, rel=EXACT)


def test_a_rician_factor_of_its_own_for_every_link():
    network = make_network()
    k_factor = np.arange(6.0).reshape(3, 2)
    channel = AccessChannel.of(network, path_loss=umi_los, rician_k=k_factor, angular_std_rad=None)
    specular = (np.abs(channel.line_of_sight) ** 2).sum(axis=-1)
    assert specular == pytest.approx(4 * channel.path_gain * k_factor / (k_factor + 1))


def test_no_ue_is_valid():
    network = make_network(n_ues=0)
    realized = make_channel(network).realize(silent(network), np.empty(0), *TARGETS)
    assert realized.shape == (3, 0, 4)


def test_a_target_on_a_ue_is_refused():
    network = make_network()
    with pytest.raises(ValueError, match="exactly on a user equipment"):
        make_channel(network).reflection(network.ue_positions_m[:1], np.ones(1), np.zeros(1))
