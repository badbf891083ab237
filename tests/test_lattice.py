"""The lobe search against the exact cost."""

import numpy as np
import pytest

from models.lattice import LobeSearch, ellipse_axes, tile_side_m
from models.likelihood import Echoes, coherent_free_power
from models.mixture import fit
from tests.simulate import observe, random_truth

SHARPENED = 0.01  # share of the power by which a lattice maximum may be off after the Newton steps


@pytest.mark.parametrize("full", [False, True], ids=["orthogonal", "overlapping"])
@pytest.mark.parametrize("coherent", ["structured", "free"])
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_is_the_best_lobe_and_its_power_is_right(full, coherent, seed):
    rng = np.random.default_rng([21, seed])
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=10.0, full=full))
    centre = truth.targets_m[0] + rng.uniform(-1.0, 1.0, 2)
    lobes = LobeSearch(coherent=coherent).search(echoes, centre, np.array([1.5, 2.0]), np.eye(2))
    assert np.linalg.norm(lobes.positions_m[0] - truth.targets_m[0]) < 0.003
    if coherent == "structured" or full:
        exact = fit(echoes, "structured", lobes.positions_m[:1, None]).power[0]
    else:
        exact = coherent_free_power(echoes, lobes.positions_m[0])[0][0]
    assert lobes.power[0] == pytest.approx(exact, rel=SHARPENED)


def test_lattice_finds_the_maximum_of_a_dense_exact_scan():
    rng = np.random.default_rng(22)
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=0.1))
    centre = truth.targets_m[0] + 0.2
    ticks = np.arange(-0.3, 0.3, 0.004)
    points = centre + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    dense = fit(echoes, "structured", points[:, None]).power
    lobes = LobeSearch().search(echoes, centre, np.array([0.4, 0.45]), np.eye(2))
    exact = fit(echoes, "structured", lobes.positions_m[:, None]).power
    assert exact.max() >= dense.max() * (1.0 - 1e-3)


def test_ellipse_axes_are_ordered_and_clipped():
    half, axes = ellipse_axes(np.diag([100.0, 0.0001]), 4.0, 0.3, 25.0)
    assert half.tolist() == [0.3, 25.0]
    assert np.allclose(np.abs(axes), [[0.0, 1.0], [1.0, 0.0]])


def test_tiles_shrink_near_an_ap_as_the_square_root():
    assert tile_side_m(4.0, 73.0) == pytest.approx(tile_side_m(16.0, 73.0) / 2.0)
    assert tile_side_m(1e4, 73.0) == 1.0
