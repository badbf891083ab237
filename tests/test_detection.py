"""Thresholds and peaks."""

import numpy as np
import pytest
from scipy import stats

from models.estimation.detection import (
    cell_averaging_threshold,
    excess_threshold,
    independent_cells,
    local_maxima,
    map_threshold,
    point_threshold,
)
from models.estimation.likelihood import Echoes, cost_map
from tests.simulate import AREA, observe, random_truth


def test_point_threshold_is_the_gamma_quantile():
    assert stats.gamma(36).sf(point_threshold(36, 1e-3)) == pytest.approx(1e-3, rel=1e-9)
    assert stats.gamma(34.5).sf(excess_threshold(34.5, 1e-2)) == pytest.approx(1e-2, rel=1e-9)
    assert np.isfinite(point_threshold(36, 1e-20))
    assert point_threshold(0, 1e-3) == np.inf


def test_independent_cells_scale_with_aps_and_aperture_and_stop_at_the_grid():
    assert independent_cells(12, 8, 10_000) == 1200
    assert independent_cells(48, 8, 10_000) == pytest.approx(2400)
    assert independent_cells(12, 15, 10_000) == 4800
    assert independent_cells(12, 8, 100) == 100


def test_cell_averaging_keeps_its_false_alarm_rate_at_any_level():
    rng = np.random.default_rng(1)
    power = 7.3 * rng.gamma(36.0, size=(400, 400))
    threshold = cell_averaging_threshold(power, 36, 1e-2, guard=2, training=3)
    count = np.count_nonzero(power > threshold)
    # neighbours share training cells, so the count spreads a little more than a binomial one
    assert abs(count - 1600) < 6.0 * np.sqrt(1600)


def test_local_maxima_are_those_of_a_plain_loop():
    image = np.random.default_rng(2).random((9, 11))
    padded = np.pad(image, 1, constant_values=-1.0)
    expected = {i * 11 + j for i in range(9) for j in range(11) if padded[i : i + 3, j : j + 3].max() == image[i, j]}
    found = local_maxima(image)
    assert set(found.tolist()) == expected
    assert np.all(np.diff(image.ravel()[found]) <= 0.0)


UNLIKELY = 1e-3  # what counts below this p value is no accident


def alarms(n_maps, step_m, probabilities, full, n_antennas):
    """How many maps of noise alone, a layout each, pass the threshold of each probability."""
    counts = np.zeros(len(probabilities), dtype=int)
    for seed in range(n_maps):
        rng = np.random.default_rng([31, seed])
        observation = observe(rng, random_truth(rng, n_targets=0, n_antennas=n_antennas), full=full)
        echoes, highest = Echoes.of(observation), cost_map(observation, step_m)[2].max()
        counts += [highest > map_threshold(echoes, AREA, step_m, p) for p in probabilities]
    return counts.tolist()


overlap = pytest.mark.parametrize("full", [False, True], ids=["orthogonal", "overlapping"])


@overlap
def test_false_alarm_probability_is_exact_where_the_points_of_a_map_are_independent(full):
    """Points 250 m apart share no resolution cell: each of them alarms with its part of the probability."""
    n, points, probabilities = 200, 25, (0.1, 0.5)
    for p, count in zip(probabilities, alarms(n, 250.0, probabilities, full, n_antennas=8), strict=True):
        expected = 1.0 - (1.0 - p / points) ** points
        assert stats.binomtest(count, n, expected).pvalue > UNLIKELY


@overlap
def test_false_alarm_probability_is_a_map_of_noise(full):
    """Of many points that depend on each other too many are counted as independent rather than too few."""
    n, probability = 150, 0.1
    [count] = alarms(n, 25.0, [probability], full, n_antennas=4)
    assert stats.binomtest(count, n, probability, "greater").pvalue > UNLIKELY
    assert stats.binomtest(count, n, probability / 2.0, "less").pvalue > UNLIKELY
