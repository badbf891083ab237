"""SINR and spectral efficiency, eqs (6)-(7): measured from samples, limits, and the large-scale closed form."""

import math

import numpy as np
import pytest

from models.radio.efficiency import LargeScaleEfficiency, sinr, spectral_efficiency
from models.radio.transmission import isotropic_sensing_samples, precoding_matrix

STANDARD_ERRORS = 4.0
POWER_W, NOISE_W = 1.0, 0.05


def complex_normals(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / math.sqrt(2)


CHANNEL = 0.4 * complex_normals(np.random.default_rng(11), 4, 3, 6)
"""(n_tx, n_ues, N)."""


def sensing_power(comm_power_fraction, n_tx=4):
    """One slot a transmitter, in which it alone senses."""
    return (1 - comm_power_fraction) * POWER_W * np.eye(n_tx)


@pytest.mark.parametrize("sensing_ap", [0, 2])
@pytest.mark.parametrize("comm_power_fraction", [0.0, 0.5, 1.0])
def test_eq_7_against_samples_at_the_ues(comm_power_fraction, sensing_ap):
    """A UE that knows its own symbols projects on them; what is left is interference, sensing and noise."""
    n_snapshots = 100_000
    rng = np.random.default_rng(12)
    precoding = precoding_matrix(CHANNEL, POWER_W, comm_power_fraction)
    symbols = complex_normals(rng, 3, n_snapshots)
    transmitted = precoding @ symbols
    normals = complex_normals(rng, 6, n_snapshots)
    transmitted[sensing_ap] += isotropic_sensing_samples(normals, POWER_W, comm_power_fraction)
    received = np.einsum("tkn,tnl->kl", CHANNEL, transmitted)
    received += math.sqrt(NOISE_W) * complex_normals(rng, 3, n_snapshots)

    gain = np.einsum("kl,kl->k", received, symbols.conj()) / (np.abs(symbols) ** 2).sum(axis=-1)
    residual = (np.abs(received - gain[:, None] * symbols) ** 2).mean(axis=-1)
    measured = np.abs(gain) ** 2 / residual - 1 / n_snapshots
    expected = sinr(CHANNEL, precoding, sensing_power(comm_power_fraction), NOISE_W)[sensing_ap]
    standard_error = np.sqrt(expected**2 / n_snapshots + 2 * expected / n_snapshots + n_snapshots**-2.0)
    assert np.all(np.abs(measured - expected) <= STANDARD_ERRORS * standard_error)


def test_a_lone_ue_sees_the_coherent_sum_of_all_transmitters():
    channel = CHANNEL[:, :1]
    wanted = POWER_W * np.linalg.norm(channel, axis=-1).sum() ** 2
    value = sinr(channel, precoding_matrix(channel, POWER_W, 1.0), np.zeros((1, 4)), NOISE_W)
    assert value == pytest.approx(np.array([[wanted / NOISE_W]]))


def test_without_communication_power_there_is_no_rate():
    precoding = precoding_matrix(CHANNEL, POWER_W, 0.0)
    assert not spectral_efficiency(CHANNEL, precoding, sensing_power(0.0), NOISE_W).any()


def test_the_rate_rises_with_the_communication_fraction():
    rates = [
        spectral_efficiency(CHANNEL, precoding_matrix(CHANNEL, POWER_W, rho), sensing_power(rho), NOISE_W).sum()
        for rho in np.linspace(0.0, 1.0, 11)
    ]
    assert np.all(np.diff(rates) > 0)


def test_power_gain_and_noise_scale_alike():
    precoding = precoding_matrix(CHANNEL, POWER_W, 0.5)
    before = sinr(CHANNEL, precoding, sensing_power(0.5), NOISE_W)
    after = sinr(10 * CHANNEL, precoding, sensing_power(0.5), 100 * NOISE_W)
    assert after == pytest.approx(before)


def test_the_phase_that_all_channels_of_a_ue_share_does_not_matter():
    turned = CHANNEL * np.exp(1j * np.array([0.3, 2.0, -1.0]))[:, None]
    values = [sinr(h, precoding_matrix(h, POWER_W, 0.5), sensing_power(0.5), NOISE_W) for h in (CHANNEL, turned)]
    assert values[0] == pytest.approx(values[1])


def test_precoders_of_every_slot_or_of_all():
    precoding = precoding_matrix(CHANNEL, POWER_W, 0.5)
    repeated = np.broadcast_to(precoding, (4, *precoding.shape))
    assert sinr(CHANNEL, repeated, sensing_power(0.5), NOISE_W) == pytest.approx(
        sinr(CHANNEL, precoding, sensing_power(0.5), NOISE_W)
    )


def test_the_spectral_efficiency_is_the_mean_over_slots():
    precoding = precoding_matrix(CHANNEL, POWER_W, 0.5)
    slots = sinr(CHANNEL, precoding, sensing_power(0.5), NOISE_W)
    assert np.ptp(slots, axis=0).min() > 0, "the sensing AP matters"
    expected = np.log2(1 + slots).mean(axis=0)
    assert spectral_efficiency(CHANNEL, precoding, sensing_power(0.5), NOISE_W) == pytest.approx(expected)


def test_no_ue_no_rate():
    channel = CHANNEL[:, :0]
    precoding = precoding_matrix(channel, POWER_W, 0.5)
    for phase_rad in (None, np.zeros((4, len(channel)))):
        assert sinr(channel, precoding, sensing_power(0.5), NOISE_W, phase_rad).shape == (4, 0)


def make_closed_form(**changes):
    rng = np.random.default_rng(8)
    settings = {
        "path_gain": 10 ** rng.uniform(-2, 0, (6, 3)),
        "sine": rng.uniform(-1, 1, (6, 3)),
        "n_antennas": 8,
        "rician_k": 8.0,
        "transmit_power_w": POWER_W,
        "comm_power_fraction": 0.5,
        "noise_power_w": NOISE_W,
    }
    return LargeScaleEfficiency.of(**(settings | changes)), settings | changes


def test_closed_form_term_by_term():
    """UE by UE and slot by slot: each transmitter senses in one slot, and (7) takes the mean of the logarithm."""
    closed, given = make_closed_form()
    chosen = [0, 2, 3]
    beta, sine, mixed = given["path_gain"], given["sine"], (8 / 9) ** 2
    power = POWER_W * beta / beta.sum(axis=1, keepdims=True)
    expected = 0.0
    for k in range(3):
        wanted = 0.5 * 8 * sum(math.sqrt(power[t, k] * beta[t, k]) for t in chosen) ** 2
        interference = 0.0
        for t in chosen:
            for i in {0, 1, 2} - {k}:
                half = math.pi * (sine[t, k] - sine[t, i]) / 2
                alike = (math.sin(8 * half) / math.sin(half)) ** 2 / 8
                interference += 0.5 * power[t, i] * beta[t, k] * (mixed * alike + 1 - mixed)
        for sensing_ap in chosen:
            disturbance = interference + 0.5 * POWER_W * beta[sensing_ap, k] + NOISE_W
            expected += math.log2(1 + wanted / disturbance) / len(chosen)
    members = np.isin(np.arange(6), chosen)
    assert closed.sum_spectral_efficiency(members) == pytest.approx(expected)


def test_closed_form_takes_sets_of_any_shape_and_size():
    closed, _ = make_closed_form()
    members = np.random.default_rng(9).random((2, 5, 6)) < 0.5
    members[1, 2] = False
    values = closed.sum_spectral_efficiency(members)
    assert values.shape == (2, 5)
    assert values[1, 2] == 0.0, "nobody transmits"
    assert values.ravel() == pytest.approx(
        [float(closed.sum_spectral_efficiency(one)) for one in members.reshape(10, 6)]
    )


@pytest.mark.parametrize("comm_power_fraction", [0.1, 0.5, 1.0])
def test_closed_form_is_exact_for_one_ue_in_line_of_sight(comm_power_fraction):
    gain = np.array([[0.3], [0.7], [0.01]])
    closed, _ = make_closed_form(
        path_gain=gain,
        sine=np.array([[0.1], [-0.4], [0.8]]),
        rician_k=math.inf,
        comm_power_fraction=comm_power_fraction,
    )
    channel = np.sqrt(gain)[..., None] * np.ones(8, dtype=complex)
    precoding = precoding_matrix(channel, POWER_W, comm_power_fraction)
    exact = spectral_efficiency(channel, precoding, sensing_power(comm_power_fraction, 3), NOISE_W).sum()
    assert closed.sum_spectral_efficiency(np.ones(3, dtype=bool)) == pytest.approx(exact)


def test_closed_form_without_ues_is_zero():
    closed, _ = make_closed_form(path_gain=np.empty((6, 0)), sine=np.empty((6, 0)))
    assert not closed.sum_spectral_efficiency(np.ones((2, 6), dtype=bool)).any()
