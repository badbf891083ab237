"""The lobe search against the exact cost."""

import numpy as np
import pytest

from models.estimation import lattice
from models.estimation.constants import LOBE_GAIN
from models.estimation.lattice import LobeSearch, ellipse_axes, tile_side_m
from models.estimation.likelihood import Echoes, coherent_free_power
from models.estimation.localisation import polish_lobes
from models.estimation.mixture import fit
from tests.simulate import observe, random_truth

CASES = [("structured", False), ("free", False), ("structured", True)]  # amplitudes, overlapping signals
POWERS_W = (0.003, 0.02, 0.1, 1.0)  # from where noise makes the best lobe to where the target does
SHARPENED = 0.01  # share of the power by which a lattice maximum may be off after the Newton steps

POLISHED = 3 * LOBE_GAIN  # power within which two polished maxima are the same
ROUNDING_M = 1e-4  # positions in single precision, after two Newton steps


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


def exact_power(echoes, points_m):
    return fit(echoes, "structured", points_m[:, None]).power


def tilted_ellipse(rng, half_axes_m):
    """Half axes, directions in rows, and a point of the ellipse around zero."""
    angle = rng.uniform(0.0, np.pi)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.array(half_axes_m), axes, rng.uniform(-0.7, 0.7, 2) * half_axes_m @ axes


@pytest.mark.parametrize(("coherent", "full"), CASES)
@pytest.mark.parametrize("seed", range(4))
def test_no_lobe_is_lost_against_the_cost_at_every_point(full, coherent, seed):
    rng = np.random.default_rng([23, seed])
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=POWERS_W[seed], full=full))
    half, axes, off = tilted_ellipse(rng, [0.6, 1.2])
    step = echoes.network.wavelength_m / 10.0
    a, b = (np.arange(-h, h, step) for h in half)
    points = np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)
    points = truth.targets_m[0] + off + points[np.hypot(*(points / half).T) < 1.0] @ axes
    power = coherent_free_power(echoes, points)[0] if coherent == "free" else exact_power(echoes, points)
    dense = polish_lobes(echoes, points[np.argsort(-power)[:60]], coherent)
    lobes = LobeSearch(coherent=coherent).search(echoes, truth.targets_m[0] + off, half, axes)
    found = polish_lobes(echoes, lobes.positions_m, coherent)
    assert found.power[0] >= dense.power[0] - POLISHED


@pytest.mark.parametrize(("coherent", "full"), CASES)
def test_tile_by_tile_and_many_tiles_at_once_find_the_same_lobes(full, coherent, monkeypatch):
    rng = np.random.default_rng(24)
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=0.01, full=full))
    half, axes, off = tilted_ellipse(rng, [2.0, 8.0])
    together, alone = [], []
    for found, batch in ((together, lattice.BATCH_POINTS), (alone, 1)):
        monkeypatch.setattr(lattice, "BATCH_POINTS", batch)
        found.extend(LobeSearch(coherent=coherent).search(echoes, truth.targets_m[0] + off, half, axes))
    assert alone[0] == pytest.approx(together[0], abs=ROUNDING_M)
    assert alone[1] == pytest.approx(together[1], rel=1e-4)


def test_the_best_lobe_of_a_large_region_is_the_best_of_its_parts():
    rng = np.random.default_rng(25)
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=0.01))
    half, axes, off = tilted_ellipse(rng, [5.0, 20.0])
    centre = truth.targets_m[0] + off
    whole = LobeSearch().search(echoes, centre, half, axes)
    centres = np.stack(np.meshgrid(np.arange(-4.5, 5.0), np.arange(-19.5, 20.0)), axis=-1).reshape(-1, 2)
    parts = [LobeSearch().search(echoes, centre + c @ axes, np.full(2, 0.4), axes) for c in centres]
    best = max(parts, key=lambda lobes: lobes.power[0])
    assert polish_lobes(echoes, whole.positions_m, "structured").power[0] >= best.power[0] * (1.0 - SHARPENED)


def test_ellipse_axes_are_ordered_and_clipped():
    half, axes = ellipse_axes(np.diag([100.0, 0.0001]), 4.0, 0.3, 25.0)
    assert half.tolist() == [0.3, 25.0]
    assert np.allclose(np.abs(axes), [[0.0, 1.0], [1.0, 0.0]])


def test_tiles_shrink_near_an_ap_as_the_square_root():
    assert tile_side_m(4.0, 73.0, 1.0) == pytest.approx(tile_side_m(16.0, 73.0, 1.0) / 2.0)
    assert tile_side_m(1e4, 73.0, 1.0) == 1.0


@pytest.mark.parametrize(("coherent", "full"), CASES)
def test_no_lobe_is_returned_twice(coherent, full):
    rng = np.random.default_rng(26)
    truth = random_truth(rng, n_targets=1)
    echoes = Echoes.of(observe(rng, truth, power_w=1.0, full=full))
    positions = LobeSearch(coherent=coherent).search(echoes, truth.targets_m[0], np.full(2, 2.0), np.eye(2)).positions_m
    distance = np.linalg.norm(positions[:, None] - positions, axis=2) + np.eye(len(positions))
    assert len(positions) > 4
    assert distance.min() > echoes.network.wavelength_m / 30.0
