"""The interpolated map of the non-coherent cost against the cost at every pixel."""

import dataclasses

import numpy as np
import pytest

from models.estimation.cost_maps import MapNodes, interpolated_cost_map, map_nodes
from models.estimation.detection import local_maxima
from models.estimation.likelihood import Echoes, cost_map
from models.network import Area
from tests.simulate import observe, random_truth

AREA = Area(width_m=300.0, height_m=200.0)  # neither a multiple of a tile, nor square
POWER_W = 1e-3  # the APs are close: cost of a map of 1 km^2 at 30 dBm
TYPICAL, WORST = 0.08, 0.25  # relative error, over max(T, pairs), at 999 pixels of 1000 and at the last


def observation(seed, *, full=False, n_aps=6, n_antennas=8, area=AREA):
    rng = np.random.default_rng([61, seed])
    truth = random_truth(rng, n_targets=2, n_aps=n_aps, n_receivers=n_aps // 2, n_antennas=n_antennas, area=area)
    return observe(rng, truth, power_w=POWER_W, full=full, area=area)


def relative_error(seen, step_m):
    _, _, exact = cost_map(seen, step_m)
    _, _, found = interpolated_cost_map(seen, step_m)
    assert found.shape == exact.shape
    pairs = len(seen.assignment.transmitters) * len(seen.assignment.receivers)
    return np.abs(found - exact) / np.maximum(exact, pairs)


@pytest.mark.parametrize("full", [False, True], ids=["orthogonal", "overlapping"])
@pytest.mark.parametrize("n_antennas", [2, 8])
def test_every_pixel_is_close_to_the_exact_cost(full, n_antennas):
    error = relative_error(observation(1, full=full, n_antennas=n_antennas), 1.0)
    assert np.quantile(error, 0.999) < TYPICAL
    assert error.max() < WORST


def test_sixteen_antennas_take_more_nodes_for_the_same_error():
    coarse, fine = (observation(2, n_antennas=n) for n in (8, 16))
    counts = [map_nodes(o.network, AREA, 1.0).phasor.shape[1] for o in (coarse, fine)]
    assert counts[1] > 1.5 * counts[0]
    assert np.quantile(relative_error(fine, 1.0), 0.999) < TYPICAL


def test_the_highest_maximum_is_the_same():
    for seed in range(3):
        seen = observation(10 + seed)
        exact, found = cost_map(seen, 1.0)[2], interpolated_cost_map(seen, 1.0)[2]
        rows, columns = np.unravel_index([local_maxima(exact)[0], local_maxima(found)[0]], exact.shape)
        assert np.hypot(np.diff(rows), np.diff(columns)) <= 1.5


def test_a_finer_grid_takes_hardly_more_nodes():
    network = observation(3).network
    nodes = [MapNodes.of(network, AREA, step).phasor.shape[1] for step in (1.0, 0.5)]
    assert nodes[1] < 1.7 * nodes[0]
    assert nodes[0] < 0.5 * 300 * 200


def test_a_coarse_grid_is_the_exact_cost():
    error = relative_error(observation(4), 20.0)
    assert error.max() < WORST


def test_one_ap_on_a_pixel_does_no_harm():
    seen = observation(5)
    positions = seen.network.ap_positions_m.copy()
    positions[0] = (100.5, 50.5)
    moved = type(seen.network)(
        ap_names=seen.network.ap_names,
        ap_positions_m=positions,
        boresights_rad=seen.network.boresights_rad,
        n_antennas=8,
        carrier_hz=3.5e9,
    )
    image = MapNodes.of(moved, AREA, 1.0).power(Echoes.of(seen))
    assert np.isfinite(image).all()


def test_tiles_and_discs_cover_every_pixel_of_the_map():
    nodes = map_nodes(observation(6).network, AREA, 1.0)
    count = np.zeros(nodes.padded, dtype=int)
    for side, row, column, _, _ in nodes.tiles:
        count.reshape(nodes.padded[0] // side, side, nodes.padded[1] // side, side)[row, :, column] += 1
    np.add.at(count.ravel(), nodes.discs.pixel, 1)
    assert np.all(count[: nodes.shape[0], : nodes.shape[1]] == 1)
    assert count.max() == 1


def test_nodes_are_kept_for_the_next_map_of_the_same_network():
    network = observation(7).network
    assert map_nodes(network, AREA, 2.0) is map_nodes(network, AREA, 2.0)


def test_a_map_ten_times_as_large_is_the_same_with_a_step_ten_times_as_long():
    """What there is of lengths are ratios: to the step, to the distance of two APs."""
    network = observation(8, n_aps=3).network
    large = dataclasses.replace(network, ap_positions_m=10.0 * network.ap_positions_m)
    wide = Area(width_m=10.0 * AREA.width_m, height_m=10.0 * AREA.height_m)
    one, ten = MapNodes.of(network, AREA, 1.0), MapNodes.of(large, wide, 10.0)
    assert one.phasor.shape == ten.phasor.shape
    np.testing.assert_allclose(one.phasor, ten.phasor, atol=1e-4)
