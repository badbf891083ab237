"""Bounds with phase errors of the APs: outside values, finite differences of the mean, limits, and agreement."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import study_phase_errors
from models.bounds import (
    bounds_with_phases_m,
    closed_form_information,
    hybrid_bound_m,
    hybrid_information,
    ignoring_bound_m,
    ignoring_covariance_m2,
    position_error_bound_m,
    target_bounds_m,
)
from models.bounds.closed_form import information_gain
from models.network import ModeAssignment
from models.radio.statistics import gram_statistic
from tests.test_bounds import (
    FINITE_DIFFERENCE_RTOL,
    GOLDEN_SPLIT,
    NOISE_W,
    golden_energy,
    golden_network,
    isotropic_gram,
    mean_samples,
    random_case,
)

GOLDEN_RTOL = 1e-4
AGREEMENT_RTOL = 1e-9
POINT_M = [[310.0, 420.0]]
WEAK = {"power_dbm": 20.0, "rho": 0.5, "snapshots_per_transmitter": 1}
STRONG = {"power_dbm": 40.0, "rho": 0.5, "snapshots_per_transmitter": 10}
BOUNDS = hybrid_bound_m, ignoring_bound_m
STD_RAD = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


def closed_form_mm(case, variance):
    """Return the hybrid bound and the error of ignoring, in closed form, of the golden point."""
    network = golden_network()
    gain = information_gain(network, golden_energy(case, 8), 1.0, NOISE_W)
    arguments = network, GOLDEN_SPLIT, POINT_M, gain, variance
    hybrid = position_error_bound_m(hybrid_information(*arguments))[0]
    return 1e3 * hybrid, 1e3 * np.sqrt(np.trace(ignoring_covariance_m2(*arguments)[0]))


def full_mm(case, variance):
    """Return the same from the Fisher matrix of the whole problem."""
    gram = isotropic_gram(golden_energy(case, 8), 6, 8)
    arguments = golden_network(), GOLDEN_SPLIT, POINT_M, 1.0, 0.4, gram, NOISE_W, variance
    return 1e3 * hybrid_bound_m(*arguments)[0], 1e3 * ignoring_bound_m(*arguments)[0]


@pytest.mark.parametrize("gram", [isotropic_gram(golden_energy(STRONG, 8), 6, 8), np.zeros((6, 8, 6, 8))])
def test_both_bounds_at_once_are_those_one_by_one(gram):
    arguments = golden_network(), GOLDEN_SPLIT, POINT_M, 1.0, 0.4, gram, NOISE_W, 0.04
    for both, alone in zip(bounds_with_phases_m(*arguments), (bound(*arguments) for bound in BOUNDS), strict=True):
        np.testing.assert_array_equal(both, alone)


def correlated(seed=3, n_aps=12, scale=0.05):
    root = np.random.default_rng(seed).standard_normal((n_aps, n_aps))
    return scale * root @ root.T / n_aps


# --- outside values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected_mm"),
    [
        (WEAK, [4.682, 4.683, 4.707, 4.781, 5.055, 6.522, 9.904]),
        (STRONG, [0.148, 0.175, 0.4537, 0.8601, 1.6946, 4.218, 8.429]),
    ],
    ids=["20 dBm", "40 dBm"],
)
def test_hybrid_bound_meets_the_table(case, expected_mm):
    """As many digits as the table has: half a unit of the third or fourth."""
    found = [closed_form_mm(case, std**2)[0] for std in STD_RAD]
    np.testing.assert_allclose(found, expected_mm, rtol=GOLDEN_RTOL, atol=5e-5 if case is STRONG else 5e-4)


def test_error_of_ignoring_meets_the_table():
    found = [closed_form_mm(STRONG, std**2)[1] for std in STD_RAD[1:]]
    np.testing.assert_allclose(found, [0.1774, 0.5102, 0.9876, 1.9585, 4.8846, 9.7658], rtol=GOLDEN_RTOL, atol=5e-5)


def test_docs_show_the_bounds_that_the_command_gives():
    page = (Path(__file__).parent.parent / "docs" / "measurements" / "clocks.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| [\d.]+ \| [\d., ]+ \|$", page, re.MULTILINE)
    cells = [(power, std) for power in study_phase_errors.POWERS for std in study_phase_errors.STD_RAD]
    bounds = [study_phase_errors.bounds_mm(*cell) for cell in cells]
    assert shown == [(f"{std:g}", f"{a:.4g}", f"{b:.4g}") for (_, std), (a, b) in zip(cells, bounds, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("std_rad", [0.0, 0.1])
def test_the_estimator_that_ignores_errors_has_the_error_that_is_said(std_rad):
    """Root mean square of 200 trials of the coherent maximum, within 4 standard deviations of a sum of squares."""
    errors = [study_phase_errors.trial(5, i, 40.0, std_rad) for i in range(200)]
    _, ignoring = study_phase_errors.bounds_mm(40.0, std_rad)
    assert np.mean(np.square(errors)) == pytest.approx(ignoring**2, rel=4.0 * np.sqrt(2.0 / 200))


# --- finite differences of the noise-free mean --------------------------------------------------------------------


def separate(samples):
    """Return the samples with one transmitter at a time: three snapshots each."""
    n_tx, n_snapshots = samples.shape[0], samples.shape[2]
    return samples * (np.arange(n_snapshots) % n_tx == np.arange(n_tx)[:, None])[:, None, :]


def turned_mean(case, samples, kept, parameters):
    """Return the mean for positions, phases and amplitudes of targets, then phases of transmitters and receivers."""
    n_tx, n_rx = len(case["assignment"].transmitters), len(case["assignment"].receivers)
    sent, heard = np.split(parameters[-n_tx - n_rx :], [n_tx])
    turned = np.exp(1j * sent)[:, None, None] * samples
    mean = mean_samples(case, turned, parameters[: -n_tx - n_rx], "coherent")
    return (np.exp(1j * heard)[:, None, None] * mean * kept[:, None]).ravel()


def jacobian(case, samples, kept):
    """Return the derivatives of the mean, real and imaginary parts below each other, in units of the noise."""
    n_targets, assignment = len(case["positions_m"]), case["assignment"]
    n_tx, n_rx = len(assignment.transmitters), len(assignment.receivers)
    n_others = n_targets * (1 + n_tx * n_rx) + n_tx + n_rx
    point = np.concatenate([case["positions_m"].ravel(), np.zeros(n_others)])
    steps = np.concatenate([np.full(2 * n_targets, 1e-4), np.full(n_others, 1e-3)])
    columns = []
    for i, step in enumerate(steps):
        values = [turned_mean(case, samples, kept, point + f * step * np.eye(len(point))[i]) for f in (-2, -1, 1, 2)]
        columns.append((values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * step))
    derivative = np.stack(columns, axis=1) * np.sqrt(2.0 / case["noise_power_w"])
    return np.concatenate([derivative.real, derivative.imag])


def reference_bounds(case, samples, kept, covariance):
    """Return the hybrid bound and the error of ignoring, from the whole Fisher matrix."""
    derivative = jacobian(case, samples, kept)
    order = np.concatenate([case["assignment"].transmitters, case["assignment"].receivers])
    sigma = covariance[np.ix_(order, order)]
    n_aps, n_places = len(sigma), 2 * len(case["positions_m"])
    derivative /= (scale := np.linalg.norm(derivative, axis=0))
    information = derivative.T @ derivative
    prior = np.zeros_like(information)
    prior[-n_aps:, -n_aps:] = np.linalg.inv(sigma) / np.outer(scale[-n_aps:], scale[-n_aps:])
    hybrid = np.diagonal(np.linalg.inv(information + prior)) / scale**2
    known = derivative[:, :-n_aps]
    moved = (np.linalg.pinv(known) @ (derivative[:, -n_aps:] * scale[-n_aps:])) / scale[:-n_aps, None]
    own = np.diagonal(np.linalg.inv(known.T @ known)) / scale[:-n_aps] ** 2
    ignoring = own + np.diagonal(moved @ sigma @ moved.T)
    return (np.sqrt(v[:n_places].reshape(-1, 2).sum(axis=1)) for v in (hybrid, ignoring))


@pytest.mark.parametrize("illumination", ["overlapping", "separate", "partly heard"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_bounds_are_those_of_the_mean_by_finite_differences(n_targets, illumination):
    case, samples = random_case(seed=20 + n_targets, n_targets=n_targets)
    kept = np.ones((2, samples.shape[-1]))
    if illumination == "separate":
        samples = separate(samples)
    elif illumination == "partly heard":
        kept[0, 6:] = 0.0
    case["gram"] = np.stack([gram_statistic(samples * own) for own in kept])
    case["noise_power_w"] = 1e-12
    covariance = correlated(n_aps=5)
    for bound, expected in zip(BOUNDS, reference_bounds(case, samples, kept, covariance), strict=True):
        np.testing.assert_allclose(bound(**case, phase_variance_rad2=covariance), expected, rtol=FINITE_DIFFERENCE_RTOL)


# --- limits and agreement -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_targets", "n_aps"), [(1, 5), (2, 5), (3, 5), (3, 16)])
def test_without_phase_errors_both_are_the_coherent_bound(n_targets, n_aps):
    """With 14 transmitters at a time the amplitudes of 3 targets are too many for orthogonal factors."""
    case, _ = random_case(seed=n_targets, n_targets=n_targets, n_aps=n_aps, n_tx=n_aps - 2, n_snapshots=20)
    coherent = target_bounds_m(**case, kind="coherent")
    for bound in BOUNDS:
        np.testing.assert_allclose(bound(**case, phase_variance_rad2=0.0), coherent, rtol=1e-12)


def test_closed_forms_without_phase_errors_are_the_coherent_information():
    network = golden_network()
    for points in (POINT_M, [[700.0, 620.0], [55.5, 930.25]]):
        noncoherent, coherent = closed_form_information(network, GOLDEN_SPLIT, points, 1e9)
        still = hybrid_information(network, GOLDEN_SPLIT, points, 1e9, 0.0)
        np.testing.assert_allclose(still, coherent, rtol=1e-12)
        lost = hybrid_information(network, GOLDEN_SPLIT, points, 1e9, 1e18)
        np.testing.assert_allclose(lost, noncoherent, rtol=AGREEMENT_RTOL)


def test_errors_without_limit_leave_the_non_coherent_bound():
    case, _ = random_case(seed=4, n_targets=1)
    case["gram"] = isotropic_gram(1.0, 3, 4)
    lost = hybrid_bound_m(**case, phase_variance_rad2=1e12)
    np.testing.assert_allclose(lost, target_bounds_m(**case, kind="non-coherent"), rtol=1e-6)


def test_a_phase_that_all_aps_share_costs_nothing():
    """The target's own phase takes it up."""
    case, _ = random_case(seed=5, n_targets=2)
    coherent = target_bounds_m(**case, kind="coherent")
    for bound in BOUNDS:
        np.testing.assert_allclose(bound(**case, phase_variance_rad2=np.ones((5, 5))), coherent, rtol=AGREEMENT_RTOL)


@pytest.mark.parametrize("case", [WEAK, STRONG], ids=["20 dBm", "40 dBm"])
@pytest.mark.parametrize("kind", ["one", "each", "diagonal", "correlated"])
def test_closed_form_and_full_matrix_agree(case, kind):
    each = np.linspace(0.0, 0.1, 12)
    variance = {"one": 0.04, "each": each, "diagonal": np.diag(each), "correlated": correlated()}[kind]
    np.testing.assert_allclose(closed_form_mm(case, variance), full_mm(case, variance), rtol=AGREEMENT_RTOL)


def test_a_diagonal_covariance_is_that_of_independent_errors():
    each = np.linspace(0.0, 0.1, 12)
    np.testing.assert_allclose(closed_form_mm(WEAK, np.diag(each)), closed_form_mm(WEAK, each), rtol=AGREEMENT_RTOL)


def test_information_falls_as_any_phase_becomes_less_certain():
    network = golden_network()
    before = hybrid_information(network, GOLDEN_SPLIT, POINT_M, 1e9, np.full(12, 0.01))[0]
    for ap in range(12):
        variance = np.full(12, 0.01)
        variance[ap] = 0.02
        lost = before - hybrid_information(network, GOLDEN_SPLIT, POINT_M, 1e9, variance)[0]
        assert np.linalg.eigvalsh(lost).min() > -1e-9 * np.abs(lost).max()
        assert np.trace(lost) > 0.0


@pytest.mark.parametrize("seed", range(5))
def test_ignoring_errors_is_never_better_than_the_bound(seed):
    case, _ = random_case(seed=seed, n_targets=2)
    variance = np.random.default_rng(seed).uniform(0.0, 0.2, 5)
    hybrid, ignoring = (bound(**case, phase_variance_rad2=variance) for bound in BOUNDS)
    assert np.all(hybrid <= ignoring * (1.0 + 1e-9))


def test_power_without_limit_leaves_a_floor():
    """J - J_nc -> S(1/s, omega), which knows of no power."""
    network, floors = golden_network(), []
    for gain in (1e13, 1e15):
        noncoherent, coherent = closed_form_information(network, GOLDEN_SPLIT, POINT_M, gain)
        floors.append(hybrid_information(network, GOLDEN_SPLIT, POINT_M, gain, 0.01) - noncoherent)
        assert np.all(np.linalg.eigvalsh(coherent - noncoherent - floors[-1]) > 0.0)
    np.testing.assert_allclose(*floors, rtol=1e-2)


# --- where there is no bound, and what is refused -----------------------------------------------------------------


@pytest.mark.parametrize("bound", BOUNDS)
def test_without_a_transmitter_a_receiver_or_a_target_there_is_no_bound(bound):
    network, gram = golden_network(), isotropic_gram(1.0, 1, 8)
    for split in (ModeAssignment.of(12, [], [1]), ModeAssignment.of(12, [1], [])):
        here = gram[: len(split.transmitters), :, : len(split.transmitters)]
        assert np.isnan(bound(network, split, POINT_M, 1.0, 0.0, here, NOISE_W, 0.1)).all()
    pair = ModeAssignment.of(12, [1], [2])
    assert bound(network, pair, [], 1.0, 0.0, gram, NOISE_W, 0.1).shape == (0,)
    assert np.isinf(bound(network, pair, 2 * POINT_M, 1.0, 0.0, gram, NOISE_W, 0.1)).all()


@pytest.mark.parametrize(
    ("variance", "complaint"),
    [
        (np.ones(6), r"has shape \(6,\): give one variance, \(12,\) or a covariance \(12, 12\)"),
        (-0.1, "holds -0.1"),
        (np.nan, "holds nan"),
        (np.full(12, np.inf), "finite variances"),
        (np.full((12, 12), np.nan), "finite variances"),
        (np.eye(12) - 0.5, r"holds -5\.0"),
        (np.eye(12) + 0.01 * np.eye(12, k=1), "is not symmetric"),
    ],
)
def test_what_cannot_be_a_variance_is_refused(variance, complaint):
    with pytest.raises(ValueError, match=rf"^phase_variance_rad2 .*{complaint}"):
        closed_form_mm(WEAK, variance)
