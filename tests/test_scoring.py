"""Scoring: gates, assignment, empty cases, and GOSPA."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from models.observation import Estimate
from models.scoring import _assigned, gate_m, gospa, score

NO_BOUND = np.nan
NEAR_M = 1.0  # a bound whose gate is the narrowest, 5 m


def estimate_of(positions_m, resolved=None):
    positions = np.asarray(positions_m, dtype=float).reshape(-1, 2)
    flags = np.ones(len(positions), dtype=bool) if resolved is None else np.array(resolved, dtype=bool)
    return Estimate(positions_m=positions, resolved=flags)


def test_gate_is_five_bounds_within_its_limits():
    np.testing.assert_allclose(gate_m([0.1, 1.0, 4.0, 20.0, 50.0, NO_BOUND]), [5.0, 5.0, 20.0, 100.0, 100.0, 100.0])


def test_resolved_not_resolved_missed_and_false():
    truth = [(100.0, 100.0), (200.0, 200.0), (300.0, 300.0)]
    result = score(
        estimate_of([(203.0, 204.0), (700.0, 700.0), (100.0, 101.0)], resolved=[False, True, True]), truth, [NEAR_M] * 3
    )
    assert result.status == ("resolved", "not-resolved", "missed")
    assert result.matched.tolist() == [2, 0, -1]
    assert result.false_indices.tolist() == [1]
    np.testing.assert_allclose(result.error_m, [1.0, 5.0, np.nan])


def test_gate_belongs_to_the_target():
    result = score(estimate_of([(50.0, 0.0), (550.0, 0.0)]), [(0.0, 0.0), (500.0, 0.0)], [1.0, 11.0])
    assert result.status == ("missed", "resolved")
    assert result.false_indices.tolist() == [0]


def test_target_without_bound_has_the_widest_gate():
    truth, found = [(0.0, 0.0), (1000.0, 0.0)], estimate_of([(99.0, 0.0), (1101.0, 0.0)])
    assert score(found, truth, [NO_BOUND] * 2).status == ("resolved", "missed")


def test_total_distance_decides_not_the_order_of_the_targets():
    # Greedy in target order gives the first target the estimate at 1 m and leaves the second one without any.
    truth, found = [(0.0, 0.0), (4.0, 0.0)], estimate_of([(1.0, 0.0), (-4.5, 0.0)])
    result = score(found, truth, [NEAR_M] * 2)
    assert result.matched.tolist() == [1, 0]
    np.testing.assert_allclose(result.error_m, [4.5, 3.0])


def test_pair_within_its_gate_is_never_given_up_for_a_shorter_sum():
    # Least raw distance would pair (0, estimate 1) and (1, estimate 0), both outside their gates.
    truth, found = [(0.0, 0.0), (30.0, 0.0)], estimate_of([(4.0, 0.0), (-60.0, 0.0)])
    assert score(found, truth, [NEAR_M] * 2).matched.tolist() == [0, -1]


@pytest.mark.parametrize("n_targets", [0, 2])
@pytest.mark.parametrize("n_found", [0, 3])
def test_empty_sides(n_targets, n_found):
    truth, found = 1000.0 * np.ones((n_targets, 2)), estimate_of(np.zeros((n_found, 2)))
    result = score(found, truth, np.full(n_targets, NEAR_M))
    assert result.status == ("missed",) * n_targets
    assert result.false_indices.tolist() == list(range(n_found))
    assert result.matched.shape == result.error_m.shape == (n_targets,)
    assert np.all(np.isnan(result.error_m))


POINTS = st.integers(0, 4).flatmap(lambda n: arrays(float, (n, 2), elements=st.floats(-50.0, 50.0, width=32)))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(found=POINTS, truth=POINTS)
def test_every_target_and_every_position_is_accounted_for_once(found, truth):
    result = score(estimate_of(found), truth, np.full(len(truth), 4.0))
    hits = result.matched[result.matched >= 0]
    assert sorted([*hits, *result.false_indices]) == list(range(len(found)))
    assert np.all(result.error_m[result.matched >= 0] <= 20.0)
    assert [word == "missed" for word in result.status] == list(result.matched < 0)


def brute_force_gospa(found, truth, cutoff, order):
    """The definition: least cost over every partial assignment."""
    few, many = sorted((found, truth), key=len)
    costs = []
    for size in range(len(few) + 1):
        for left in itertools.combinations(range(len(few)), size):
            for right in itertools.permutations(range(len(many)), size):
                matched = sum(np.linalg.norm(few[i] - many[j]) ** order for i, j in zip(left, right, strict=True))
                costs.append(matched + 0.5 * cutoff**order * (len(few) + len(many) - 2 * size))
    return min(costs) ** (1.0 / order)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(found=POINTS, truth=POINTS, cutoff=st.floats(1.0, 60.0), order=st.sampled_from([1.0, 2.0]))
def test_gospa_is_the_least_cost_over_all_assignments(found, truth, cutoff, order):
    value = gospa(found, truth, cutoff, order)
    assert value.distance_m == pytest.approx(brute_force_gospa(found, truth, cutoff, order), rel=1e-9, abs=1e-9)
    assert value.n_false - value.n_missed == len(found) - len(truth)


def test_gospa_counts_missed_and_false_at_half_the_cutoff_power():
    value = gospa([(0.0, 3.0), (90.0, 0.0)], [(0.0, 0.0)], cutoff_m=10.0)
    assert value == (pytest.approx(np.sqrt(9.0 + 50.0)), 0, 1)
    assert gospa([], [], 10.0).distance_m == 0.0


@pytest.mark.parametrize(("cutoff", "order"), [(0.0, 2.0), (-1.0, 2.0), (1.0, 0.5), (np.nan, 2.0)])
def test_gospa_refuses_what_is_no_metric(cutoff, order):
    with pytest.raises(ValueError, match="cutoff_m"):
        gospa([], [], cutoff, order)


def test_targets_without_a_choice_are_assigned_as_those_with_one():
    """Where every target has at most one position in its gate, and the other way round, nothing need be searched."""
    rng = np.random.default_rng(3)
    n_without_choice = 0
    for _ in range(300):
        n_targets, n_found = rng.integers(1, 5, 2)
        distance = rng.uniform(0.0, 10.0, (n_targets, n_found))
        allowed = distance < 3.0
        n_without_choice += allowed.sum(axis=0).max() <= 1 and allowed.sum(axis=1).max() <= 1
        rows, columns = linear_sum_assignment(np.where(allowed, distance, 1e4))
        kept = allowed[rows, columns]
        found = _assigned(distance, allowed)
        np.testing.assert_array_equal(found, [rows[kept], columns[kept]])
    assert 100 < n_without_choice < 250
