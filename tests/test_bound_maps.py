"""Maps of bounds: the same values as point by point, for any number of APs, signals and block sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bounds import grid as bound_grid
from models.bounds import maps as bound_maps
from models.bounds.closed_form import closed_form_information, information_gain, position_error_bound_m, target_bounds_m
from models.bounds.grid import grid_map_m
from models.bounds.maps import any_gram_map_m, ap_moments, bound_from_moments_m, closed_form_map_m, side_moments
from models.network import ModeAssignment, Network
from models.radio.statistics import gram_statistic

MAP_RTOL = 1e-9
NOISE_W = 4e-16
KINDS = ("coherent", "non-coherent")


def random_network(rng, n_aps, n_antennas=8, side_m=1000.0):
    return Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, side_m, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=n_antennas,
        carrier_hz=3.5e9,
    )


def random_split(rng, n_aps, n_tx, n_rx):
    order = rng.permutation(n_aps)
    return ModeAssignment.of(n_aps, order[:n_tx], order[n_tx : n_tx + n_rx])


def isotropic_gram(energy, n_tx, n_antennas):
    size = n_tx * n_antennas
    return (energy * np.eye(size, dtype=complex)).reshape(n_tx, n_antennas, n_tx, n_antennas)


def overlapping_gram(rng, n_tx, n_antennas, n_snapshots=30):
    shape = (n_tx, n_antennas, n_snapshots)
    return gram_statistic(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


@settings(max_examples=20, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_tx=st.integers(2, 8), n_rx=st.integers(2, 80), n_antennas=st.integers(2, 16))
def test_closed_form_map_is_the_closed_form_at_each_point(seed, n_tx, n_rx, n_antennas):
    rng = np.random.default_rng(seed)
    network = random_network(rng, n_tx + n_rx + 1, n_antennas)
    split, points = random_split(rng, n_tx + n_rx + 1, n_tx, n_rx), rng.uniform(0.0, 1000.0, (40, 2))
    information = closed_form_information(network, split, points, 3e4)
    for kind, expected in zip(("non-coherent", "coherent"), information, strict=True):
        found = closed_form_map_m(network, split, points, 3e4, kind)
        np.testing.assert_allclose(found, position_error_bound_m(expected), rtol=MAP_RTOL)


@pytest.mark.parametrize("n_points", [0, 1, 7, 8, 9])
def test_blocks_do_not_show(monkeypatch, n_points):
    rng = np.random.default_rng(1)
    network, split = random_network(rng, 6, 4), ModeAssignment.of(6, [0, 1, 2], [3, 4, 5])
    points, gram = rng.uniform(0.0, 1000.0, (n_points, 2)), overlapping_gram(rng, 3, 4)
    whole = closed_form_map_m(network, split, points, 1.0), any_gram_map_m(network, split, points, 1.0, gram, NOISE_W)
    monkeypatch.setattr(bound_maps, "BLOCK_ELEMENTS", 12)
    monkeypatch.setattr(bound_maps, "BLOCK_POINTS_ANY_GRAM", 4)
    blocked = closed_form_map_m(network, split, points, 1.0), any_gram_map_m(network, split, points, 1.0, gram, NOISE_W)
    for one, other in zip(whole, blocked, strict=True):
        assert one.shape == (n_points,)
        np.testing.assert_allclose(one, other, rtol=1e-12)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_tx=st.integers(1, 5), n_antennas=st.integers(2, 8))
def test_any_gram_map_is_the_full_fisher_matrix_at_each_point(seed, n_tx, n_antennas):
    rng = np.random.default_rng(seed)
    network, split = random_network(rng, n_tx + 3, n_antennas), random_split(rng, n_tx + 3, n_tx, 3)
    points, gram = rng.uniform(0.0, 1000.0, (4, 2)), overlapping_gram(rng, n_tx, n_antennas)
    for kind in KINDS:
        full = [target_bounds_m(network, split, [p], 2.0, 0.7, gram, NOISE_W, kind)[0] for p in points]
        found = any_gram_map_m(network, split, points, 2.0, gram, NOISE_W, kind)
        np.testing.assert_allclose(found, full, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_any_gram_map_of_isotropic_sensing_is_the_closed_form_map(kind):
    rng = np.random.default_rng(3)
    network, split, points = random_network(rng, 12), random_split(rng, 12, 6, 6), rng.uniform(0.0, 1000.0, (700, 2))
    found = any_gram_map_m(network, split, points, 1.5, isotropic_gram(0.02, 6, 8), NOISE_W, kind)
    expected = closed_form_map_m(network, split, points, information_gain(network, 0.02, 1.5, NOISE_W), kind)
    np.testing.assert_allclose(found, expected, rtol=MAP_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_transmitters_that_send_the_same_signal(kind):
    """Their amplitudes cannot be told apart (dependent nuisances), yet the position has a bound."""
    rng = np.random.default_rng(4)
    network, split, points = random_network(rng, 7, 4), random_split(rng, 7, 3, 4), rng.uniform(0.0, 1000.0, (3, 2))
    shape = (1, 4, 2)
    samples = np.repeat(rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 3, axis=0)
    gram = gram_statistic(samples)
    full = [target_bounds_m(network, split, [p], 1.0, 0.0, gram, NOISE_W, kind)[0] for p in points]
    assert np.all(np.isfinite(full))
    np.testing.assert_allclose(any_gram_map_m(network, split, points, 1.0, gram, NOISE_W, kind), full, rtol=1e-6)


def test_moments_of_a_side_are_the_sum_of_those_of_its_aps():
    rng = np.random.default_rng(5)
    network, points = random_network(rng, 9), rng.uniform(0.0, 1000.0, (50, 2))
    split = ModeAssignment.of(9, [0, 2, 4, 6], [1, 3, 5])
    for kind in KINDS:
        moments = ap_moments(network, points, np.arange(9), 1e3, kind)
        assert moments.shape == (9, 6, 50)
        found = bound_from_moments_m(moments[split.transmitters].sum(axis=0), moments[split.receivers].sum(axis=0))
        np.testing.assert_allclose(found, closed_form_map_m(network, split, points, 1e3, kind), rtol=MAP_RTOL)
    assert side_moments(network, points, split.receivers).shape == (9, 50)


def test_moments_without_some_aps_at_some_points_are_those_of_the_others(monkeypatch):
    rng = np.random.default_rng(13)
    network, points = random_network(rng, 20), rng.uniform(0.0, 1000.0, (12, 2))
    aps, without = rng.permutation(20)[:17], rng.random((17, 3)) < 0.4
    points[4:8] = network.ap_positions_m[aps[5]]  # where an AP that is left out may stand
    without[5, 1] = True
    monkeypatch.setattr(bound_maps, "BLOCK_ELEMENTS", 1)
    found = side_moments(network, points, aps, without)
    expected = [side_moments(network, points[4 * i : 4 * i + 4], aps[~without[:, i]]) for i in range(3)]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=MAP_RTOL, atol=1e-20)


def test_map_falls_with_the_square_root_of_the_gain():
    rng = np.random.default_rng(6)
    network, split, points = random_network(rng, 8), random_split(rng, 8, 4, 4), rng.uniform(0.0, 1000.0, (50, 2))
    reference = closed_form_map_m(network, split, points, 1.0)
    np.testing.assert_allclose(closed_form_map_m(network, split, points, 16.0), reference / 4.0, rtol=MAP_RTOL)


SINGULAR = [("non-coherent", 4, 3, 1), ("coherent", 1, 1, 1), ("coherent", 2, 1, 1), ("coherent", 3, 0, 4)]


@pytest.mark.parametrize(("kind", "n_tx", "n_rx", "n_antennas"), SINGULAR)
def test_no_bound_where_there_is_none(kind, n_tx, n_rx, n_antennas):
    rng = np.random.default_rng(7)
    network, points = random_network(rng, n_tx + n_rx, n_antennas), rng.uniform(0.0, 1000.0, (20, 2))
    split, gram = random_split(rng, n_tx + n_rx, n_tx, n_rx), isotropic_gram(0.1, n_tx, n_antennas)
    assert np.isnan(closed_form_map_m(network, split, points, 1e3, kind)).all()
    assert np.isnan(any_gram_map_m(network, split, points, 1.0, gram, NOISE_W, kind)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_one_pair_with_arrays_has_a_bound(kind):
    rng = np.random.default_rng(8)
    network, split, points = random_network(rng, 2), ModeAssignment.of(2, [0], [1]), rng.uniform(0.0, 1000.0, (20, 2))
    expected = position_error_bound_m(closed_form_information(network, split, points, 1e3)[0])
    np.testing.assert_allclose(closed_form_map_m(network, split, points, 1e3, kind), expected, rtol=1e-4)


def test_silence_has_no_bound():
    rng = np.random.default_rng(9)
    network, split, points = (
        random_network(rng, 4),
        ModeAssignment.of(4, [0, 1], [2, 3]),
        rng.uniform(0.0, 99.0, (5, 2)),
    )
    assert np.isnan(closed_form_map_m(network, split, points, 0.0)).all()
    assert np.isnan(any_gram_map_m(network, split, points, 1.0, isotropic_gram(0.0, 2, 8), NOISE_W)).all()


def test_unknown_kind_and_points_on_aps_are_refused():
    rng = np.random.default_rng(10)
    network, split = random_network(rng, 4), ModeAssignment.of(4, [0, 1], [2, 3])
    with pytest.raises(ValueError, match="'structured'"):
        closed_form_map_m(network, split, [(1.0, 2.0)], 1.0, "structured")
    with pytest.raises(ValueError, match="exactly on an access point"):
        closed_form_map_m(network, split, network.ap_positions_m[2:3], 1.0)
    with pytest.raises(ValueError, match="exactly on an access point"):
        any_gram_map_m(network, split, network.ap_positions_m[:1], 1.0, isotropic_gram(1.0, 2, 8), NOISE_W)


# --- grids: far APs interpolated ----------------------------------------------------------------------------------

INTERPOLATION_RTOL = {"coherent": 1e-4, "non-coherent": 2e-3}
TYPICAL_INTERPOLATION_RTOL = 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_aps", "step_m"), [(12, 4.0), (12, 31.0), (150, 5.0)])
def test_grid_is_the_map_of_its_points(kind, n_aps, step_m):
    rng = np.random.default_rng(n_aps)
    network, split = random_network(rng, n_aps), random_split(rng, n_aps, n_aps // 2, n_aps // 2)
    x, y = np.arange(0.3, 500.0, step_m), np.arange(200.1, 500.0, 1.3 * step_m)
    found = grid_map_m(network, split, x, y, 1e3, kind)
    points = np.array([(a, b) for b in y for a in x])
    error = np.abs(found.ravel() / closed_form_map_m(network, split, points, 1e3, kind) - 1.0)
    assert found.shape == (len(y), len(x))
    assert error.max() < INTERPOLATION_RTOL[kind]
    assert np.median(error) < TYPICAL_INTERPOLATION_RTOL


def test_blocks_of_tiles_do_not_show(monkeypatch):
    rng = np.random.default_rng(14)
    network, split = random_network(rng, 30), random_split(rng, 30, 15, 15)
    x, y = np.arange(0.0, 200.0, 3.0), np.arange(50.0, 300.0, 4.0)
    whole = grid_map_m(network, split, x, y, 1e3)
    monkeypatch.setattr(bound_grid, "BLOCK_TILES", 3)
    np.testing.assert_allclose(grid_map_m(network, split, x, y, 1e3), whole, rtol=MAP_RTOL)


def test_grid_of_one_line_one_point_and_none():
    rng = np.random.default_rng(11)
    network, split = random_network(rng, 12), random_split(rng, 12, 6, 6)
    for x, y in ((np.arange(150.0) + 0.1, [3.2]), ([7.7], np.arange(150.0) + 0.1), ([1.5], [2.5])):
        points = np.array([(a, b) for b in y for a in x])
        expected = closed_form_map_m(network, split, points, 1e3).reshape(len(y), len(x))
        np.testing.assert_allclose(grid_map_m(network, split, x, y, 1e3), expected, rtol=INTERPOLATION_RTOL["coherent"])
    assert grid_map_m(network, split, [], [1.0, 2.0], 1e3).shape == (2, 0)


def test_grid_refuses_what_the_map_refuses():
    rng = np.random.default_rng(12)
    network, split = random_network(rng, 4), ModeAssignment.of(4, [0, 1], [2, 3])
    with pytest.raises(ValueError, match="'structured'"):
        grid_map_m(network, split, [1.0], [2.0], 1.0, "structured")
    rising, falling, unknown = np.arange(0.0, 60.0), np.arange(60.0, 0.0, -1.0), [1.0, np.nan, 2.0]
    with pytest.raises(ValueError, match="x_m goes from 60 m to 59 m: give coordinates in ascending order"):
        grid_map_m(network, split, falling, rising, 1.0)
    for wrong in (falling, unknown):
        with pytest.raises(ValueError, match="y_m goes from"):
            grid_map_m(network, split, rising, wrong, 1.0)
    x, y = network.ap_positions_m[0]
    with pytest.raises(ValueError, match="exactly on an access point"):
        grid_map_m(network, split, x + np.arange(0.0, 60.0), y + np.arange(0.0, 60.0), 1.0)
