"""Searches for lobes: what they find, and what is not worth one (docs/design/020)."""

from dataclasses import replace

import numpy as np
import pytest

from models.bounds.fisher import target_bounds_m
from models.estimation.constants import UNCHANGED
from models.estimation.lattice import LobeSearch, Region
from models.estimation.likelihood import Echoes, noncoherent_power, phasors
from models.estimation.localisation import search_lobes
from models.estimation.looks import Looker, misfit_limit
from models.estimation.peaks import Watch, coarse_peaks, with_mirror_images
from models.estimation.scene import Found, Look
from models.estimation.signals import legs
from models.estimation.two_stage import TwoStage
from tests.simulate import AREA, observe, random_truth

WATCH = Watch(AREA, 10.0, 1e-6)
LOOKER = Looker(watch=WATCH, amplitude="structured")


def drawn(seed, n_targets=2, n_aps=12, n_antennas=8):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, n_targets, n_aps, n_aps // 2, n_antennas)
    return truth, observe(rng, truth, power_w=1.0)


def off_in_bounds(truth, observation, estimate):
    """Errors of the resolved over the bound of the nearest target, (n_resolved, n_targets)."""
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    bounds = target_bounds_m(*scene, observation.gram, observation.noise_power_w, "coherent")
    found = estimate.positions_m[estimate.resolved]
    return np.linalg.norm(found[:, None] - truth.targets_m, axis=2) / bounds


def test_the_mirror_image_of_a_mirror_image_is_a_hypothesis():
    """The strong target beside an AP is seen at two images of it first, and one of these shows it."""
    truth, observation = drawn([803, 4, 14], n_targets=4)
    echoes = Echoes.of(observation)
    image = coarse_peaks(echoes, np.array([[23.1, 99.1]]), AREA)
    peaks = with_mirror_images(echoes, image, AREA)
    assert np.linalg.norm(peaks.positions_m - truth.targets_m[3], axis=1).min() < 1.0
    assert (off_in_bounds(truth, observation, TwoStage().estimate(observation)) < 5.0).any(axis=0).all()


def test_two_strong_targets_within_a_beam_of_48_aps_are_resolved():
    truth, observation = drawn([801, 48, 8, 2], n_aps=48)
    assert np.hypot(*(truth.targets_m[0] - truth.targets_m[1])) < 16.0
    assert (off_in_bounds(truth, observation, TwoStage().estimate(observation)) < 5.0).any(axis=0).all()


@pytest.mark.parametrize("index", [1, 9, 11])
def test_two_antennas_resolve_nothing_wrong_beside_a_target_of_which_too_little_is_known(index):
    truth, observation = drawn([801, 12, 2, index], n_antennas=2)
    estimate = TwoStage().estimate(observation)
    assert estimate.limited
    assert (off_in_bounds(truth, observation, estimate) < 5.0).any(axis=1).all()


def test_a_search_in_vain_is_not_repeated_before_the_echoes_changed_by_enough():
    """The bound (sqrt(left) - sqrt(c))^2 > limit is tight: just below it no lobe can fit."""
    truth, observation = drawn([5, 1], n_targets=1)
    echoes, place = Echoes.of(observation), truth.targets_m[0]
    coarse = coarse_peaks(echoes, place[None], AREA)
    lobes = search_lobes(echoes, coarse, "structured", AREA)
    limit = misfit_limit(echoes, "structured")
    left = limit + 400.0
    look = Look(echoes.cross, coarse, lobes._replace(power=coarse.power[:1] - left))
    target = Found("noncoherent", place, -np.inf, look=look)
    back = legs(echoes.network, place[None], echoes.receivers, "noncoherent")
    change = back[:, 0, :, None, None] * np.ones(echoes.cross.shape)
    unit = noncoherent_power(replace(echoes, cross=change), phasors(echoes.network, place[None]))[0]
    enough = max(UNCHANGED, (np.sqrt(left) - np.sqrt(limit)) ** 2)
    for share, in_vain in ((0.98, True), (1.02, False)):
        changed = echoes.minus(-change * np.sqrt(share * enough / unit))
        assert LOOKER.in_vain(changed, target, place, whole=True) is in_vain
    assert not LOOKER.in_vain(echoes, target, place + 10.0, whole=True)
    glanced = Found("noncoherent", place, -np.inf, look=look._replace(lobes=look.lobes._replace(whole=False)))
    assert LOOKER.in_vain(echoes, glanced, place, whole=False)
    assert not LOOKER.in_vain(echoes, glanced, place, whole=True)


def test_a_region_holds_what_lies_in_its_ellipse():
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])
    region = Region(np.array([10.0, 20.0]), np.array([1.0, 3.0]), turn)
    points = region.centre_m + np.array([[0.9, 0.0], [1.1, 0.0], [0.0, 2.9], [0.0, 3.1]]) @ turn
    assert region.holds(points).tolist() == [True, False, True, False]
    assert region.holds(points, 0.5).tolist() == [False] * 4


def test_few_pairs_of_aps_hold_most_of_the_amplitude_and_all_sharpen_what_they_find():
    truth, observation = drawn([5, 2], n_targets=1)
    echoes = Echoes.of(observation)
    lobes = LobeSearch(n_best=1).search(echoes, truth.targets_m[0], np.array([0.6, 0.9]), np.eye(2))
    best = search_lobes(echoes, coarse_peaks(echoes, truth.targets_m, AREA), "structured", AREA)
    assert abs(lobes.power[0] - best.power[0]) < 0.02 * best.power[0]
    assert np.linalg.norm(lobes.positions_m[0] - best.state[0]) < 0.1 * echoes.network.wavelength_m
