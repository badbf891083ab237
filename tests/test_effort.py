"""Bounded effort: what is counted, and that observations nothing explains end in a sane estimate all the same."""

from dataclasses import replace

import numpy as np
import pytest

from models.estimation import two_stage
from models.estimation.constants import MAX_TARGETS
from models.estimation.detection import noise_levels, residual_level
from models.estimation.effort import Effort
from models.estimation.lattice import LobeSearch
from models.estimation.likelihood import Echoes
from models.estimation.localisation import search_lobes
from models.estimation.pairs import best_pair, pair_guesses
from models.estimation.peaks import Coarse
from models.estimation.two_stage import TwoStage
from models.radio.quantisation import quantise
from tests.simulate import AREA, NOISE_W, normals, observe, random_truth, receive, summarise, waveform
from tests.test_estimators import check

LIMIT = 8e8  # operations: less than the default, for the sake of time
OVERSHOOT = 1.5  # what was started is finished, and the targets found are reported


def quantised(rng, truth, n_bits, n_snapshots=10):
    samples = waveform(rng, 6, truth.network.n_antennas, n_snapshots=n_snapshots)
    received = receive(truth, samples)
    received = received + np.sqrt(NOISE_W) * normals(rng, *received.shape)
    reports = received.reshape(6, -1, 6, n_snapshots).swapaxes(1, 2)  # one for each receiver and slot
    received = quantise(reports, n_bits).swapaxes(1, 2).reshape(received.shape)
    return summarise(truth, samples, received, NOISE_W, n_snapshots=n_snapshots)


def hopeless(name, rng):
    if name == "one antenna":
        return observe(rng, random_truth(rng, n_targets=2, n_antennas=1))
    if name == "one bit":
        return quantised(rng, random_truth(rng, n_targets=2), 1)
    if name == "200 dBm":
        return observe(rng, random_truth(rng, n_targets=2), power_w=1e17)
    return observe(rng, random_truth(rng, n_targets=7))


@pytest.mark.parametrize("name", ["one antenna", "one bit", "200 dBm", "seven targets"])
def test_effort_is_bounded_and_the_estimate_sane(name, monkeypatch):
    efforts = []

    def counted(**settings):
        efforts.append(Effort(**settings))
        return efforts[-1]

    monkeypatch.setattr(two_stage, "Effort", counted)
    estimate = TwoStage(max_operations=LIMIT).estimate(hopeless(name, np.random.default_rng(71)))
    check(estimate)
    assert len(estimate.positions_m) <= MAX_TARGETS
    assert 0.0 < efforts[0].spent < OVERSHOOT * LIMIT


def test_two_targets_at_200_dbm_are_two_targets_in_their_lobes():
    rng = np.random.default_rng(72)
    truth = random_truth(rng, targets_m=[[420.0, 510.0], [700.0, 300.0]])
    estimate = TwoStage().estimate(observe(rng, truth, power_w=1e17))
    assert estimate.resolved.tolist() == [True, True]
    distance = np.linalg.norm(truth.targets_m[:, None] - estimate.positions_m, axis=2)
    assert np.all(distance.min(axis=1) < 1e-4)


def test_one_antenna_resolves_nothing():
    estimate = TwoStage().estimate(hopeless("one antenna", np.random.default_rng(73)))
    assert not estimate.resolved.any()
    assert np.all(np.linalg.eigvalsh(estimate.covariance_m2)[:, 1] > 1e4)  # hectometres: no array, no bearing


def test_effort_counts_and_refuses():
    effort = Effort(limit=10.0)
    effort.spend(6.0)
    assert effort.allows(4.0)
    assert not effort.allows(4.1)
    assert not effort.exhausted
    effort.spend(4.0)
    assert effort.exhausted


def test_effort_is_shared_by_what_remains_of_the_echoes():
    rng = np.random.default_rng(74)
    echoes = Echoes.of(observe(rng, random_truth(rng)))
    rest = echoes.minus(0.5 * echoes.cross)
    LobeSearch().search(rest, np.array([400.0, 400.0]), np.array([0.5, 0.5]), np.eye(2))
    assert echoes.effort.spent == rest.effort.spent > 0.0


def test_a_search_beyond_the_effort_returns_nothing_and_costs_nothing():
    rng = np.random.default_rng(75)
    echoes = Echoes.of(observe(rng, random_truth(rng)), effort=Effort(limit=1e5))
    assert not len(LobeSearch().search(echoes, np.array([400.0, 400.0]), np.array([0.5, 0.5]), np.eye(2)).power)
    assert echoes.effort.spent == 0.0


def test_one_search_has_its_own_limit_and_a_larger_one_is_not_begun():
    rng = np.random.default_rng(75)
    echoes = Echoes.of(observe(rng, random_truth(rng, targets_m=[[430.0, 390.0]])))
    lobes = LobeSearch().search(echoes, np.array([400.0, 400.0]), np.array([80.0, 90.0]), np.eye(2))
    assert not len(lobes.positions_m)
    assert not lobes.complete
    assert echoes.effort.limited
    assert echoes.effort.spent < 1e8


def test_no_lobes_and_no_pairs_without_effort():
    rng = np.random.default_rng(76)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    observation = observe(rng, truth)
    guesses = pair_guesses(Echoes.of(observation), truth.targets_m[0], 25.0)
    echoes = Echoes.of(observation, effort=Effort(limit=1.0))
    coarse = Coarse(truth.targets_m, np.array([1e3]), np.eye(2)[None])
    for model in ("structured", "free"):
        assert not len(search_lobes(echoes, coarse, model, AREA).power)
    echoes.effort.spend(1.0)
    assert best_pair(echoes, guesses) is None


def test_an_ellipse_hundreds_of_metres_long_is_not_searched():
    rng = np.random.default_rng(77)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    coarse = Coarse(truth.targets_m, np.array([1e3]), np.diag([1e-2, 1e4])[None])
    assert not len(search_lobes(Echoes.of(observe(rng, truth)), coarse, "structured", AREA).power)


@pytest.mark.parametrize("full", [False, True], ids=["orthogonal", "overlapping"])
def test_noise_level_is_told_from_what_no_target_explains(full):
    rng = np.random.default_rng(78)
    observation = observe(rng, random_truth(rng, n_targets=3), power_w=10.0, full=full)
    assert np.array_equal(noise_levels(observation), np.ones(6))
    louder = observe(rng, random_truth(rng, n_targets=3), power_w=10.0, full=full, noise_w=4.0 * NOISE_W)
    assert noise_levels(replace(louder, noise_power_w=NOISE_W)) == pytest.approx(
        np.full(6, 4.0), rel=0.5
    )  # 96 spare samples a receiver: 10 %


def test_noise_level_is_unknown_without_spare_samples():
    rng = np.random.default_rng(79)
    louder = observe(rng, random_truth(rng), n_snapshots=1, noise_w=4.0 * NOISE_W)
    assert np.array_equal(noise_levels(replace(louder, noise_power_w=NOISE_W)), np.ones(6))


def test_noise_level_covers_quantisation_and_rounding():
    rng = np.random.default_rng(80)
    truth = random_truth(rng, targets_m=[[420.0, 510.0]])
    assert noise_levels(quantised(rng, truth, 1)).max() > 1.5
    assert noise_levels(observe(rng, truth, power_w=1e17)).min() > 1e3


def test_a_noisier_receiver_counts_for_less():
    rng = np.random.default_rng(81)
    observation = observe(rng, random_truth(rng))
    one, other = Echoes.of(observation), Echoes.of(observation, np.array([1.0, 1.0, 9.0, 1.0, 1.0, 1.0]))
    ratio = np.abs(other.gram.values[2]).max() * other.amplitude_unit_m2**-2
    assert ratio == pytest.approx(np.abs(one.gram.values[0]).max() * one.amplitude_unit_m2**-2 / 9.0)


def test_residual_level_tells_targets_from_errors_everywhere():
    rng = np.random.default_rng(82)
    echoes = Echoes.of(observe(rng, random_truth(rng, n_targets=0)))
    assert residual_level(echoes, 50.0) < 1.1
    assert residual_level(echoes.minus(-2.0 * echoes.cross), 9.0 * 50.0) == pytest.approx(9.0, rel=0.15)
    strong = Echoes.of(observe(rng, random_truth(rng, targets_m=[[420.0, 510.0]]), power_w=10.0))
    peak = np.linalg.norm(strong.cross) ** 2  # more than any point explains
    assert residual_level(strong, peak) == 1.0
