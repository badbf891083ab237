"""Phases of the access points, estimated along with the targets: bounds, limits, honesty, what is told of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks import study_phase_estimation as study
from models.doors import DoorError, estimated
from models.estimation.base import Estimator
from models.estimation.likelihood import Echoes
from models.estimation.mixture import fit
from models.estimation.phases import channel_turned, coherent_share, phases_told, profile, turned, uncertain
from models.estimation.scene import Found, Scene
from models.estimation.two_stage import TwoStage
from models.observation import Estimate, Observation
from tests.simulate import observe, random_truth

ESTIMATED = TwoStage(phases="estimated")
STRONG_W = 10.0
TABLE_RTOL = 1e-4  # the printed digits
STRUCTURED_RTOL = 1e-2  # one amplitude for all pairs of APs tells a little more than one for each
FINITE_DIFFERENCE_RTOL = 1e-5
ROUNDING = 1e-9
FEW_BOUNDS = 5.0
SMALL_AND_STRONG = {
    "access_points.count": 8,
    "user_equipment.count": 4,
    "schedule.n_receivers": 4,
    "radio.transmit_power_dbm": 40.0,
    "estimator.grid_step_m": 20.0,
    "targets": [{"position_m": [520.0, 340.0]}],
}


def observed(seed, std_rad, n_targets=1, said_rad=None, **how):
    """The truth and the observation of a CPI whose APs err by that much, and are said to err so much."""
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, n_targets)
    observation = observe(rng, truth, ap_phase_deg=np.rad2deg(std_rad), **{"power_w": STRONG_W} | how)
    variance = np.full(12, (std_rad if said_rad is None else said_rad) ** 2)
    return truth, replace(observation, phase_covariance_rad2=np.diag(variance))


def echoes_of(observation):
    return uncertain(Echoes.of(observation), observation.phase_covariance_rad2)


def errors_m(estimate, truth):
    resolved = estimate.positions_m[estimate.resolved]
    distance = np.linalg.norm(resolved - truth.targets_m[:, None], axis=2)
    return distance.min(axis=1, initial=np.inf)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("positions_m", "covariance_m2"))


class TestBounds:
    @pytest.mark.parametrize(
        ("power", "std_rad", "hybrid_mm", "ignoring_mm"),
        [
            ("20 dBm, L = 1", 0.0, 4.682, 4.682),
            ("20 dBm, L = 1", 0.2, 5.055, None),
            ("20 dBm, L = 1", 0.5, 6.522, None),
            ("40 dBm, L = 10", 0.05, 0.454, 0.510),
            ("40 dBm, L = 10", 0.2, 1.695, 1.959),
            ("40 dBm, L = 10", 0.5, 4.218, 4.885),
        ],
    )
    def test_of_the_study_are_those_of_the_table(self, power, std_rad, hybrid_mm, ignoring_mm):
        hybrid, ignoring = study.covariances_m2(study.golden(study.energy_w(power)), std_rad)
        assert 1e3 * np.sqrt(np.trace(hybrid[0])) == pytest.approx(hybrid_mm, abs=6e-4, rel=TABLE_RTOL)
        if ignoring_mm:
            assert 1e3 * np.sqrt(np.trace(ignoring[0])) == pytest.approx(ignoring_mm, abs=6e-4, rel=TABLE_RTOL)

    @pytest.mark.parametrize("std_rad", [0.01, 0.1, 0.5])
    def test_information_of_the_fit_is_that_of_the_hybrid_bound(self, std_rad):
        case = study.golden(study.energy_w("40 dBm, L = 10"))
        _, observation = study.drawn(np.random.default_rng(1), case, std_rad)
        found = profile(echoes_of(observation), case.targets_m[None])
        hybrid = study.covariances_m2(case, std_rad)[0][0]
        assert np.trace(np.linalg.inv(found.information[0])) == pytest.approx(np.trace(hybrid), rel=STRUCTURED_RTOL)

    def test_a_strong_target_tells_the_phases_for_a_weak_one(self):
        near, far = [310.0, 420.0], [700.0, 620.0]
        case = study.golden(study.energy_w("40 dBm, L = 10"))
        both = study.covariances_m2(case._replace(targets_m=np.array([near, far])), 0.2)[0][1]
        alone = study.covariances_m2(case._replace(targets_m=np.array([far])), 0.2)[0][0]
        assert np.trace(both) < 0.8 * np.trace(alone)


class TestFit:
    @pytest.mark.parametrize("how", [{}, {"full": True}], ids=["separate", "overlapping"])
    def test_gradient_is_that_of_the_power(self, how):
        truth, observation = observed(2, 0.2, 2, **how)
        echoes, points, step = echoes_of(observation), truth.targets_m[None] + 2e-3, 1e-6
        found = profile(echoes, points)
        for i in range(4):
            offset = step * np.eye(4)[i].reshape(1, 2, 2)
            slope = (profile(echoes, points + offset).power - profile(echoes, points - offset).power) / (2.0 * step)
            scale = np.abs(found.gradient).max()
            assert found.gradient[0, i] == pytest.approx(slope[0], abs=FINITE_DIFFERENCE_RTOL * scale)

    def test_of_phases_hardly_uncertain_is_that_of_known_ones(self):
        truth, observation = observed(3, 0.0, 2, said_rad=1e-6)
        points = truth.targets_m[None]
        exact, almost = (fit(e, "structured", points) for e in (Echoes.of(observation), echoes_of(observation)))
        assert almost.power == pytest.approx(exact.power, rel=1e-7)
        np.testing.assert_allclose(
            almost.information, exact.information, rtol=1e-4, atol=1e-6 * exact.information.max()
        )

    def test_power_is_more_than_with_phases_as_they_are_and_less_than_explained(self):
        truth, observation = observed(4, 0.1)
        echoes, points = echoes_of(observation), truth.targets_m[None]
        found = profile(echoes, points)
        assert found.power[0] > fit(Echoes.of(observation), "structured", points).power[0]
        right = turned(echoes, found.phase_rad[0])
        assert found.power + found.penalty == pytest.approx(fit(right, "structured", points).power, rel=ROUNDING)

    @pytest.mark.parametrize("how", [{}, {"full": True}], ids=["separate", "overlapping"])
    def test_what_targets_leave_is_noise(self, how):
        truth, observation = observed(5, 0.3, 3, **how)
        echoes = echoes_of(observation)
        scene = Scene(echoes).refined([Found("structured", p) for p in truth.targets_m])
        left = float(scene.residual().gram.spanned(scene.residual().cross).sum())
        assert left == pytest.approx(6 * 8 * int(echoes.gram.ranks[0]), rel=0.2)

    def test_turned_and_turned_back_is_the_same(self):
        _, observation = observed(6, 0.1, full=True)
        echoes, phase = echoes_of(observation), np.linspace(-1.0, 1.0, 12)
        back = turned(turned(echoes, phase), -phase)
        np.testing.assert_allclose(back.cross, echoes.cross, rtol=ROUNDING)
        np.testing.assert_allclose(back.gram.values, echoes.gram.values, rtol=ROUNDING)
        channel = channel_turned(echoes, np.ones_like(echoes.cross), phase)
        turned_field = turned(echoes, phase).gram.times(np.ones_like(echoes.cross))
        expected = turned(replace(echoes, cross=echoes.gram.times(channel)), phase).cross
        np.testing.assert_allclose(turned_field, expected, rtol=1e-7, atol=1e-9)

    def test_what_is_told_is_as_right_as_it_says(self):
        """Squared errors of the phases in units of their covariance: chi-squared, 12 degrees of freedom a CPI."""
        case = study.golden(study.energy_w("40 dBm, L = 10"))
        square, n = 0.0, 20
        for seed in range(n):
            phase, observation = study.drawn(np.random.default_rng([7, seed]), case, 0.2)
            told = phases_told(echoes_of(observation), case.targets_m).phases
            aps = np.concatenate([case.assignment.receivers, case.assignment.transmitters])
            square += float(np.sum(np.linalg.solve(told.root, phase[aps] - told.mean_rad) ** 2))
        assert stats.chi2(12 * n).ppf(0.001) < square < stats.chi2(12 * n).ppf(0.999)

    def test_a_phase_that_all_transmitters_share_costs_no_power(self):
        _, observation = observed(8, 0.0)
        shared = np.zeros((12, 12))
        shared[np.ix_(*[observation.assignment.transmitters] * 2)] = 1.0
        assert coherent_share(uncertain(Echoes.of(observation), shared)) == pytest.approx(1.0)


class TestTwoStage:
    @pytest.mark.parametrize("std_rad", [None, 0.0])
    def test_with_exact_phases_is_the_same_to_the_bit(self, std_rad):
        truth, observation = observed(9, 0.0, 2)
        if std_rad is None:
            observation = replace(observation, phase_covariance_rad2=None)
        estimate = ESTIMATED.estimate(observation)
        assert same(estimate, TwoStage().estimate(observation))
        assert estimate.phases_rad is None
        assert errors_m(estimate, truth).max() < 0.01

    def test_takes_phases_for_exact_unless_told_to_estimate_them(self):
        _, observation = observed(9, 0.0, 2, said_rad=0.2)
        assert same(
            TwoStage().estimate(observation), TwoStage().estimate(replace(observation, phase_covariance_rad2=None))
        )

    @pytest.mark.parametrize("how", [{}, {"full": True}], ids=["sensing", "full"])
    def test_resolves_what_phase_errors_hide(self, how):
        truth, observation = observed(10, 0.2, 2, **how)
        assert not TwoStage(max_operations=1e8).estimate(observation).resolved.any()
        estimate = ESTIMATED.estimate(observation)
        assert estimate.resolved.tolist() == [True, True]
        bound = np.sqrt(np.trace(estimate.covariance_m2, axis1=1, axis2=2)).max()
        assert errors_m(estimate, truth).max() < FEW_BOUNDS * bound < 0.03

    def test_of_several_targets_reaches_the_hybrid_bound(self):
        squares = []
        for seed in range(4):
            truth, observation = observed([11, seed], 0.1, 3)
            estimate = ESTIMATED.estimate(observation)
            near = np.linalg.norm(estimate.positions_m - truth.targets_m[:, None], axis=2).argmin(axis=1)
            error = estimate.positions_m[near] - truth.targets_m
            squares += list(study.normalised_square(error, estimate.covariance_m2[near]))
        assert stats.chi2(24).ppf(0.001) < np.sum(squares) < stats.chi2(24).ppf(0.999)

    def test_phases_far_beyond_what_was_said_are_a_misfit(self):
        _, observation = observed(12, 0.3, said_rad=0.02)
        estimate = replace(ESTIMATED, max_operations=1e8).estimate(observation)
        assert not estimate.resolved.any()

    def test_returns_phases_of_all_aps_and_their_covariance(self):
        _, observation = observed(13, 0.1)
        estimate = ESTIMATED.estimate(observation)
        assert estimate.phases_rad.shape == (12,)
        known = np.diag(estimate.phase_covariance_rad2)
        assert np.all(known <= 0.1**2 * (1.0 + ROUNDING))
        assert known.mean() < 0.5 * 0.1**2

    def test_without_targets_knows_of_phases_what_it_did(self):
        _, observation = observed(14, 0.1, power_w=1e-6)
        estimate = ESTIMATED.estimate(observation)
        assert not len(estimate.positions_m)
        np.testing.assert_allclose(estimate.phases_rad, 0.0)
        np.testing.assert_allclose(estimate.phase_covariance_rad2, observation.phase_covariance_rad2, atol=1e-12)

    def test_refuses_other_words(self):
        with pytest.raises(ValueError, match='phases is \'guessed\': use "known" or "estimated"'):
            TwoStage(phases="guessed")


class TestObservation:
    def observation(self, covariance) -> Observation:
        return replace(observed(15, 0.0)[1], phase_covariance_rad2=covariance)

    @pytest.mark.parametrize(
        ("covariance", "says"),
        [
            (np.ones(12), "give \\(12, 12\\)"),
            (np.triu(np.ones((12, 12))), "symmetric"),
            (np.diag(np.full(12, np.nan)), "finite"),
            (-np.eye(12), "no variance can be negative"),
        ],
    )
    def test_refuses_what_is_no_covariance(self, covariance, says):
        with pytest.raises(ValueError, match=says):
            self.observation(covariance)

    def test_keeps_a_copy_that_nobody_writes_to(self):
        given = 0.01 * np.eye(12)
        kept = self.observation(given).phase_covariance_rad2
        given[0, 0] = 1.0
        assert kept[0, 0] == 0.01
        assert not kept.flags.writeable


class TestDoor:
    class Told(Estimator):
        def __init__(self, **phases):
            self.phases = phases

        def estimate(self, observation):
            return replace(Estimate.at([]), **self.phases)

    def test_takes_what_the_estimator_tells_of_phases(self):
        observation = observed(16, 0.1)[1]
        told = ESTIMATED.estimate(observation)
        taken = estimated(ESTIMATED, observation)
        np.testing.assert_array_equal(taken.phases_rad, told.phases_rad)
        np.testing.assert_array_equal(taken.phase_covariance_rad2, told.phase_covariance_rad2)

    @pytest.mark.parametrize(
        "phases",
        [
            {"phases_rad": np.zeros(3), "phase_covariance_rad2": np.eye(12)},
            {"phases_rad": np.zeros(12)},
            {"phases_rad": np.full(12, np.nan), "phase_covariance_rad2": np.eye(12)},
        ],
        ids=["shape", "no covariance", "not finite"],
    )
    def test_refuses_phases_that_are_none(self, phases):
        with pytest.raises(DoorError, match=r"Told\.estimate returned"):
            estimated(self.Told(**phases), observed(15, 0.0)[1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 5])
def test_in_a_run_with_oscillators_errors_come_near_the_hybrid_bound(paper, seed):
    keys = SMALL_AND_STRONG | {"oscillators": {"kind": "static", "phase_std_rad": 0.1}}
    known, estimated = (
        paper(keys | {"estimator.phases": phases}).build(seed=seed).run(1).cpis[0] for phases in ("known", "estimated")
    )
    assert estimated.score.error_m[0] < 3.0 * estimated.peb_hybrid_m[0]
    assert known.score.error_m[0] > 30.0 * known.peb_hybrid_m[0]
    assert estimated.score.status[0] == "resolved" != known.score.status[0]


def test_a_covariance_of_phases_has_no_negative_eigenvalue():
    """Whether or not its diagonal outweighs the rest."""
    _, observation = observed(2, 0.2)
    n_aps = observation.network.n_aps
    for good in (np.zeros((n_aps, n_aps)), np.eye(n_aps), np.ones((n_aps, n_aps)), np.eye(n_aps) + 2.0):
        assert np.array_equal(replace(observation, phase_covariance_rad2=good).phase_covariance_rad2, good)
    for bad in (-np.eye(n_aps), 2.0 - np.eye(n_aps)):
        with pytest.raises(ValueError, match="no variance can be negative"):
            replace(observation, phase_covariance_rad2=bad)
    for bad in (np.full((n_aps, n_aps), np.inf), np.triu(np.ones((n_aps, n_aps))), np.diag([np.nan] * n_aps)):
        with pytest.raises(ValueError, match="not a covariance"):
            replace(observation, phase_covariance_rad2=bad)
