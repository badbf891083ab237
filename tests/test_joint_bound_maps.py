"""Batched joint bounds: the values of the general Fisher matrix set by set, and NaN where it has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bounds import joint as joint_bound_maps
from models.bounds.closed_form import target_bounds_m
from models.bounds.joint import joint_bounds_m
from models.bounds.maps import any_gram_map_m
from models.network import ModeAssignment, Network
from models.radio.statistics import gram_statistic

WELL_CONDITIONED_RTOL = 1e-9
CLOSE_RTOL = 1e-5  # inner products are eliminated, which costs twice the digits
NOISE_W = 4e-16
KINDS = ("coherent", "non-coherent")


def scene(seed, n_tx=4, n_rx=4, n_antennas=6, n_snapshots=40):
    """Return a network, its split and a Gram matrix of overlapping signals."""
    rng = np.random.default_rng(seed)
    n_aps = n_tx + n_rx
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, 1000.0, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=n_antennas,
        carrier_hz=3.5e9,
    )
    order, shape = rng.permutation(n_aps), (n_tx, n_antennas, n_snapshots)
    gram = gram_statistic(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    return rng, network, ModeAssignment.of(n_aps, order[:n_tx], order[n_tx:]), gram


def one_by_one(network, split, sets, rcs_m2, phase_rad, gram, kind):
    return np.array([target_bounds_m(network, split, s, rcs_m2, phase_rad, gram, NOISE_W, kind) for s in sets])


@settings(max_examples=12, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_targets=st.integers(1, 4), n_tx=st.integers(2, 5), n_rx=st.integers(2, 5))
def test_batch_is_the_full_fisher_matrix_of_each_set(seed, n_targets, n_tx, n_rx):
    rng, network, split, gram = scene(seed, n_tx, n_rx, n_antennas=8)
    sets = rng.uniform(0.0, 1000.0, (3, n_targets, 2))
    rcs, phase = rng.uniform(0.3, 3.0, n_targets), rng.uniform(0.0, 6.0, n_targets)
    for kind in KINDS:
        expected = one_by_one(network, split, sets, rcs, phase, gram, kind)
        found = joint_bounds_m(network, split, sets, rcs, phase, gram, NOISE_W, kind)
        np.testing.assert_allclose(found, expected, rtol=WELL_CONDITIONED_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_one_target_has_the_bound_of_the_map(kind):
    rng, network, split, gram = scene(1)
    points = rng.uniform(0.0, 1000.0, (20, 2))
    expected = any_gram_map_m(network, split, points, 2.0, gram, NOISE_W, kind)
    found = joint_bounds_m(network, split, points[:, None], 2.0, 0.4, gram, NOISE_W, kind)
    np.testing.assert_allclose(found[:, 0], expected, rtol=WELL_CONDITIONED_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_close_targets_keep_some_digits(kind):
    _, network, split, gram = scene(2)
    sets = np.array([[[400.0, 500.0], [400.0 + apart, 500.0]] for apart in (20.0, 5.0)])
    expected = one_by_one(network, split, sets, 1.0, 0.0, gram, kind)
    found = joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W, kind)
    np.testing.assert_allclose(found, expected, rtol=CLOSE_RTOL)


def test_coherent_is_never_above_noncoherent():
    rng, network, split, gram = scene(3)
    sets = rng.uniform(0.0, 1000.0, (20, 3, 2))
    coherent, noncoherent = (joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W, kind) for kind in KINDS)
    assert np.all(coherent < noncoherent)


def test_another_target_never_helps():
    rng, network, split, gram = scene(4)
    sets = rng.uniform(0.0, 1000.0, (20, 3, 2))
    alone, both = (joint_bounds_m(network, split, sets[:, :n], 1.0, 0.0, gram, NOISE_W)[:, 0] for n in (1, 3))
    assert np.all(both >= alone * (1.0 - WELL_CONDITIONED_RTOL))


def test_bounds_fall_with_the_root_of_energy_and_cross_section():
    rng, network, split, gram = scene(5)
    sets = rng.uniform(0.0, 1000.0, (5, 2, 2))
    base = joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W)
    np.testing.assert_allclose(joint_bounds_m(network, split, sets, 1.0, 0.0, 4.0 * gram, NOISE_W), base / 2.0)
    np.testing.assert_allclose(joint_bounds_m(network, split, sets, 9.0, 0.0, gram, NOISE_W), base / 3.0)
    np.testing.assert_allclose(joint_bounds_m(network, split, sets, 1.0, 0.0, gram, 4.0 * NOISE_W), base * 2.0)


def test_cross_sections_and_phases_may_differ_from_set_to_set():
    rng, network, split, gram = scene(6)
    sets, rcs, phase = rng.uniform(0.0, 1000.0, (3, 2, 2)), rng.uniform(0.3, 3.0, (3, 2)), rng.uniform(0.0, 6.0, (3, 2))
    found = joint_bounds_m(network, split, sets, rcs, phase, gram, NOISE_W)
    for i in range(3):
        expected = target_bounds_m(network, split, sets[i], rcs[i], phase[i], gram, NOISE_W, "coherent")
        np.testing.assert_allclose(found[i], expected, rtol=WELL_CONDITIONED_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_at_one_place_have_no_bound_and_leave_the_third_alone(kind):
    _, network, split, gram = scene(7)
    sets = np.array([[[400.0, 500.0], [400.0, 500.0], [800.0, 200.0]]])
    found = joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W, kind)
    assert np.isposinf(found[0, :2]).all()
    assert np.isfinite(found[0, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_survey_has_no_bound(kind):
    rng, network, split, gram = scene(8)
    sets = rng.uniform(0.0, 1000.0, (2, 2, 2))
    assert np.isnan(joint_bounds_m(network, split, sets, 1.0, 0.0, 0.0 * gram, NOISE_W, kind)).all()
    deaf = ModeAssignment.of(network.n_aps, split.transmitters, [])
    assert np.isnan(joint_bounds_m(network, deaf, sets, 1.0, 0.0, gram, NOISE_W, kind)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_transmitter_without_a_signal_adds_nothing(kind):
    rng, network, split, gram = scene(9)
    sets, silent = rng.uniform(0.0, 1000.0, (3, 2, 2)), gram.copy()
    silent[0], silent[:, :, 0] = 0.0, 0.0
    fewer = ModeAssignment.of(network.n_aps, split.transmitters[1:], split.receivers)
    found = joint_bounds_m(network, split, sets, 1.0, 0.0, silent, NOISE_W, kind)
    expected = joint_bounds_m(network, fewer, sets, 1.0, 0.0, gram[1:, :, 1:], NOISE_W, kind)
    np.testing.assert_allclose(found, expected, rtol=WELL_CONDITIONED_RTOL)


@pytest.mark.parametrize("n_sets", [0, 1, 3, 4, 5])
def test_blocks_do_not_show(monkeypatch, n_sets):
    rng, network, split, gram = scene(10)
    sets = rng.uniform(0.0, 1000.0, (n_sets, 2, 2))
    whole = joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W)
    monkeypatch.setattr(joint_bound_maps, "BLOCK_PRODUCTS", 2 * 4 * (2 * (4 + 3)) ** 2)  # two sets
    blocked = joint_bounds_m(network, split, sets, 1.0, 0.0, gram, NOISE_W)
    assert whole.shape == (n_sets, 2)
    np.testing.assert_allclose(blocked, whole, rtol=WELL_CONDITIONED_RTOL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "structured"}, "choose coherent or non-coherent"),
        ({"positions_m": np.zeros((3, 2))}, "n_sets, S, 2"),
        ({"gram": np.zeros((4, 4, 6, 4, 6))}, "all receivers share"),
    ],
)
def test_what_has_no_batch_is_refused(changes, message):
    _, network, split, gram = scene(11)
    settings = {"positions_m": np.full((1, 2, 2), 7.0), "gram": gram, "kind": "coherent"} | changes
    with pytest.raises(ValueError, match=message):
        joint_bounds_m(network, split, rcs_m2=1.0, scatter_phase_rad=0.0, noise_power_w=NOISE_W, **settings)
