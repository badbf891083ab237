"""The contract of an estimator, over all of them, and what the two-stage estimator reaches."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from scipy import stats

from models.bounds.fisher import target_bounds_m
from models.estimation import ESTIMATORS as KINDS
from models.estimation import pairs
from models.estimation.area_map import MapEstimator
from models.estimation.base import Estimator
from models.estimation.grid import GridEstimator
from models.estimation.likelihood import Echoes
from models.estimation.paper import PaperEstimator
from models.estimation.two_stage import TwoStage
from models.network import Network
from models.radio.gram import Gram
from models.scoring import score
from scenarios.file.plugins import make
from tests.simulate import NOISE_W, normals, observe, random_truth, receive, summarise, waveform

ESTIMATORS = [
    *(make(kind, KINDS, {"grid_step_m": 20.0}) for kind in KINDS),
    TwoStage(grid_step_m=20.0, amplitude="structured"),
    TwoStage(grid_step_m=20.0, amplitude="free"),
]
NAMES = [*KINDS, "structured", "free"]
contract = pytest.mark.parametrize("estimator", ESTIMATORS, ids=NAMES)


def check(estimate):
    n = len(estimate.positions_m)
    assert estimate.positions_m.shape == (n, 2)
    assert estimate.resolved.shape == (n,)
    assert estimate.resolved.dtype == bool
    assert np.all(np.isfinite(estimate.positions_m))
    if estimate.amplitudes is not None:
        assert estimate.amplitudes.shape == (n,)
    covariance = estimate.covariance_m2
    if covariance is None:  # a map tells none
        assert set(estimate.reasons) <= {"map"}
        return
    assert covariance.shape == (n, 2, 2)
    assert np.allclose(covariance, covariance.swapaxes(1, 2), rtol=1e-9)
    assert np.all(np.linalg.eigvalsh(covariance) > 0.0)


@contract
def test_contract_runs_without_targets(estimator):
    rng = np.random.default_rng(41)
    check(estimator.estimate(observe(rng, random_truth(rng, n_targets=0))))


@contract
def test_contract_finds_a_strong_target(estimator):
    assert isinstance(estimator, Estimator)
    rng = np.random.default_rng(42)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    estimate = estimator.estimate(observe(rng, truth, power_w=1.0))
    check(estimate)
    assert np.linalg.norm(estimate.positions_m - truth.targets_m[0], axis=1).min() < 15.0


@contract
def test_contract_missing_reports_are_not_zeros(estimator):
    rng = np.random.default_rng(43)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    missing = rng.random((6, 6)) < 0.2
    missing[3] = True
    estimate = estimator.estimate(observe(rng, truth, power_w=3.0, missing=missing))
    check(estimate)
    near = 100.0 if isinstance(estimator, GridEstimator | MapEstimator) else 15.0
    assert np.linalg.norm(estimate.positions_m - truth.targets_m[0], axis=1).min() < near


@contract
def test_contract_labels_of_aps_do_not_matter(estimator):
    rng = np.random.default_rng(44)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    observation = observe(rng, truth, power_w=3.0)
    one = estimator.estimate(observation)
    other = estimator.estimate(permuted(observation, rng.permutation(12)))
    rounding_m = 1e-3 if isinstance(estimator, MapEstimator) else 1e-6  # the map is in single precision
    assert np.allclose(one.positions_m, other.positions_m, atol=rounding_m, rtol=0.0)
    assert np.array_equal(one.resolved, other.resolved)


def permuted(observation, order):
    """The same observation with AP i called order^-1(i); receivers and transmitters stay in index order."""
    network, modes = observation.network, observation.assignment
    new = np.argsort(order)
    rx, tx = np.argsort(new[modes.receivers]), np.argsort(new[modes.transmitters])
    return replace(
        observation,
        network=Network(
            ap_names=network.ap_names,
            ap_positions_m=network.ap_positions_m[order],
            boresights_rad=network.boresights_rad[order],
            n_antennas=network.n_antennas,
            carrier_hz=network.carrier_hz,
        ),
        assignment=type(modes).of(12, new[modes.transmitters], new[modes.receivers]),
        cross=observation.cross[rx][:, :, tx],
        gram=Gram.of(observation.gram.full()[0][tx][:, :, tx]),
        energy=observation.energy[rx],
    )


@contract
def test_contract_same_observation_same_estimate(estimator):
    rng = np.random.default_rng(45)
    observation = observe(rng, random_truth(rng, targets_m=[[420.0, 510.0]]))
    assert np.array_equal(estimator.estimate(observation).positions_m, estimator.estimate(observation).positions_m)


@contract
def test_contract_settings_are_frozen_and_checked(estimator):
    with pytest.raises(FrozenInstanceError):
        estimator.grid_step_m = 1.0
    for name, odd in (("grid_step_m", 0.0), ("grid_step_m", 1e-300), ("false_alarm_probability", 1.0)):
        for value in (odd, "a", None, np.nan, np.inf, True):
            with pytest.raises(ValueError, match=rf"{type(estimator).__name__}\.{name} is {value!r}: "):
                replace(estimator, **{name: value})


@contract
def test_contract_a_step_too_fine_for_the_area_is_told(estimator):
    rng = np.random.default_rng(45)
    with pytest.raises(ValueError, match=r"a grid step of 1e-05 m makes 1e\+16 cells in the area; allowed: at most 5e"):
        replace(estimator, grid_step_m=1e-5).estimate(observe(rng, random_truth(rng)))


@pytest.mark.parametrize(
    ("name", "cells"), [("guard_cells", -3), ("guard_cells", 1.5), ("training_cells", 0), ("training_cells", 1001)]
)
def test_cells_of_the_cfar_that_give_no_threshold_are_refused(name, cells):
    with pytest.raises(ValueError, match=rf"PaperEstimator\.{name} is {cells}: give a whole number"):
        PaperEstimator(**{name: cells})
    assert PaperEstimator(guard_cells=0, training_cells=np.int64(1)).training_cells == 1


@pytest.mark.parametrize("operations", [0, 999_999.0, np.nan, "many"])
def test_operations_too_few_for_a_map_are_refused(operations):
    with pytest.raises(ValueError, match=rf"TwoStage\.max_operations is {operations!r}: give a number >= 1e\+06"):
        TwoStage(max_operations=operations)


def test_amplitude_is_checked():
    with pytest.raises(ValueError, match="'loose'"):
        TwoStage(amplitude="loose")


@contract
def test_contract_nothing_received_is_no_target(estimator):
    rng = np.random.default_rng(46)
    observation = observe(rng, random_truth(rng), missing=np.ones((6, 6), dtype=bool))
    assert len(estimator.estimate(observation).positions_m) == 0


@pytest.mark.parametrize("seed", range(6))
def test_two_targets_at_30_dbm_are_found_in_the_right_lobe(seed):
    rng = np.random.default_rng([51, seed])
    truth = random_truth(rng, n_targets=2)
    estimate = TwoStage().estimate(observe(rng, truth, power_w=1.0))
    assert len(estimate.positions_m) == 2
    distance = np.linalg.norm(truth.targets_m[:, None] - estimate.positions_m, axis=2)
    assert estimate.resolved.all()
    assert np.all(distance.min(axis=1) < 0.02)  # a lobe is 4 cm wide or more
    error = estimate.positions_m[distance.argmin(axis=1)] - truth.targets_m
    covariance = estimate.covariance_m2[distance.argmin(axis=1)]
    assert np.all(np.einsum("si,sij,sj->s", error, np.linalg.inv(covariance), error) < 25.0)


def test_errors_are_as_large_as_the_covariance_says():
    """In units of the covariance of a resolved target they are chi-squared with two degrees of freedom."""
    squares = []
    for seed in range(12):
        rng = np.random.default_rng([63, seed])
        truth = random_truth(rng, n_targets=1)
        estimate = TwoStage().estimate(observe(rng, truth, power_w=1.0))
        assert estimate.resolved.tolist() == [True]
        error = estimate.positions_m[0] - truth.targets_m[0]
        squares.append(error @ np.linalg.solve(estimate.covariance_m2[0], error))
    low, high = stats.chi2(2 * len(squares)).interval(0.99)
    assert low < sum(squares) < high


def test_amplitudes_are_those_of_the_radar_equation():
    rng = np.random.default_rng(52)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    truth = replace(truth, rcs_m2=np.array([2.0]), phase_rad=np.array([0.7]))
    estimate = TwoStage().estimate(observe(rng, truth, power_w=10.0))
    expected = np.sqrt(truth.network.wavelength_m**2 * 2.0 / (4.0 * np.pi) ** 3) * np.exp(0.7j)
    assert abs(estimate.amplitudes[0] - expected) < 0.1 * abs(expected)


def test_random_phases_are_reported_as_not_resolved():
    rng = np.random.default_rng(53)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    estimate = TwoStage().estimate(observe(rng, truth, power_w=10.0, random_phase=True))
    assert not estimate.resolved[np.linalg.norm(estimate.positions_m - truth.targets_m, axis=1).argmin()]


@pytest.mark.slow
def test_uneven_scattering_is_resolved_with_free_amplitudes():
    rng = np.random.default_rng(54)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    observation = observe(rng, truth, power_w=10.0, log_normal_db=6.0)
    estimate = TwoStage().estimate(observation)
    assert len(estimate.positions_m) == 1
    assert estimate.resolved.all()
    assert np.linalg.norm(estimate.positions_m[0] - truth.targets_m[0]) < 0.01


@pytest.mark.parametrize("separation_m", [0.3, 2.0])
def test_a_close_pair_is_two_targets(separation_m):
    rng = np.random.default_rng(56)
    truth = random_truth(rng, targets_m=[[420.0, 510.0], [420.0 + separation_m, 510.0]])
    estimate = TwoStage().estimate(observe(rng, truth, power_w=10.0))
    assert estimate.resolved.tolist() == [True, True]
    found = estimate.positions_m[np.argsort(estimate.positions_m[:, 0])]
    assert np.all(np.linalg.norm(found - truth.targets_m, axis=1) < 0.005)


def test_a_pair_found_twice_keeps_its_lead(monkeypatch):
    monkeypatch.setattr(pairs, "CLEAR_LEAD", np.inf)
    rng = np.random.default_rng(56)
    truth = random_truth(rng, targets_m=[[420.0, 510.0], [421.0, 510.0]])
    observation = observe(rng, truth)
    guess = pairs.pair_guesses(Echoes.of(observation), truth.targets_m[0], 25.0)[0]
    once, twice = (pairs.best_pair(Echoes.of(observation), [guess] * n, thorough=False) for n in (1, 2))
    assert once.lead > 5.0
    assert twice.lead == pytest.approx(once.lead, rel=1e-6)


def test_a_weak_target_is_detected_but_not_resolved():
    """At a signal-to-noise ratio of 17 dB most targets are found, and few resolved."""
    status = []
    for seed in range(5):
        rng = np.random.default_rng([60, seed])
        truth = random_truth(rng, targets_m=[[420.0, 510.0]])
        samples = waveform(rng, 6, 8)
        echo = receive(truth, samples)
        samples, echo = (np.sqrt(10.0**1.7 * NOISE_W) / np.linalg.norm(echo) * signal for signal in (samples, echo))
        observation = summarise(truth, samples, echo + np.sqrt(NOISE_W) * normals(rng, *echo.shape), NOISE_W)
        scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
        bound = target_bounds_m(*scene, observation.gram, NOISE_W, "non-coherent")
        status += score(TwoStage().estimate(observation), truth.targets_m, bound).status
    assert status.count("not-resolved") >= 3


def test_a_target_beside_an_ap_is_found_between_the_points_of_the_grid():
    rng = np.random.default_rng(57)
    truth = random_truth(rng, targets_m=[[420.0, 510.0], [0.0, 0.0]])
    beside = truth.network.ap_positions_m[truth.assignment.transmitters[0]] + [1.9, 1.1]
    truth = replace(truth, targets_m=np.stack([truth.targets_m[0], beside]))
    estimate = TwoStage().estimate(observe(rng, truth, power_w=10.0))
    assert len(estimate.positions_m) == 2
    assert np.linalg.norm(truth.targets_m[:, None] - estimate.positions_m, axis=2).min(axis=1).max() < 0.01


def test_a_weak_target_is_not_taken_for_two():
    for seed in range(6):
        rng = np.random.default_rng([58, seed])
        truth = random_truth(rng, n_targets=1)
        estimate = TwoStage().estimate(observe(rng, truth, power_w=0.1))
        assert len(estimate.positions_m) == 1
        error = estimate.positions_m[0] - truth.targets_m[0]
        assert error @ np.linalg.solve(estimate.covariance_m2[0], error) < 18.0  # Chi-squared of two: 1e-4
