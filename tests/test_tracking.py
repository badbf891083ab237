"""Detections for Stone Soup: what was found, when, and how exactly; and a tracker that lives on it."""

import builtins
from datetime import datetime, timedelta

import numpy as np
import pytest

from emulator.results import CpiResult
from models import Estimate
from scenarios import load
from scenarios.examples import stone_soup
from scenarios.file.problems import ScenarioError
from scenarios.interop.tracking import BEGIN, stone_soup_detections

RESULTS = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 0,
    "schedule.n_receivers": 3,
    "estimator.grid_step_m": 25.0,
}


@pytest.fixture(scope="module")
def cpis():
    return load("paper", RESULTS).build(seed=1).run(3).cpis


def test_every_estimate_is_a_detection_with_its_covariance(cpis):
    pytest.importorskip("stonesoup")
    begin = datetime(2030, 1, 1)
    for cpi, (time, detections) in zip(cpis, stone_soup_detections(cpis, begin=begin), strict=True):
        middle_us = (cpi.start_ns + cpi.end_ns) / 2e3
        assert time == begin + timedelta(microseconds=middle_us)
        by_place = {tuple(np.ravel(one.state_vector).tolist()): one for one in detections}
        assert len(by_place) == len(cpi.estimate.positions_m) > 0
        for i, place in enumerate(cpi.estimate.positions_m.tolist()):
            one = by_place[tuple(place)]
            assert one.timestamp == time
            np.testing.assert_array_equal(one.measurement_model.noise_covar, cpi.estimate.covariance_m2[i])
            assert one.metadata["resolved"] == cpi.estimate.resolved[i]
            assert one.metadata["reason"] == cpi.estimate.reasons[i] and one.metadata["cpi"] == cpi.index


def test_a_detection_says_where_positions_stand_in_a_state(cpis):
    pytest.importorskip("stonesoup")
    from stonesoup.types.state import State

    _, detections = next(iter(stone_soup_detections(cpis, mapping=(0, 1), n_states=2)))
    model = next(iter(detections)).measurement_model
    assert np.ravel(model.function(State([[3.0], [4.0]]))).tolist() == [3.0, 4.0]


def test_estimates_without_covariance_are_refused(cpis):
    pytest.importorskip("stonesoup")
    bare = CpiResult(**vars(cpis[0]) | {"estimate": Estimate.at([(1.0, 2.0)])})
    with pytest.raises(ValueError, match="gives no covariance"):
        list(stone_soup_detections([bare]))


def test_without_stone_soup_it_is_said_what_to_install(cpis, monkeypatch):
    plain = builtins.__import__

    def lacking(name, *args, **keys):
        if name.startswith("stonesoup"):
            raise ModuleNotFoundError(name=name)
        return plain(name, *args, **keys)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ScenarioError, match=r'pip install "dmimo-isac\[interop\]"'):
        list(stone_soup_detections(cpis))


def test_a_kalman_filter_on_the_covariances_follows_to_the_millimetre():
    pytest.importorskip("stonesoup")
    found = stone_soup.run()
    truth = np.insert(found["truth_m"][-1], [1, 2], [3.0, 1.0])
    told, alike = (found[name][-1] - truth for name in ("told", "alike"))
    assert np.hypot(*told[[0, 2]]) < 1e-3 < 1e-2 < np.hypot(*alike[[0, 2]])
    assert np.hypot(*told[[1, 3]]) < 0.1 < np.hypot(*alike[[1, 3]])


@pytest.mark.slow
def test_the_covariance_of_the_track_is_about_its_error():
    """On average over runs the squared error, weighted by the track's own covariance, is about its dimension, 4."""
    pytest.importorskip("stonesoup")
    truth = [3.0, 1.0]
    weighted = []
    for seed in range(1, 9):
        cpis = load("paper", stone_soup.SCENARIO | {"radio.transmit_power_dbm": 30.0}).build(seed=seed).run(20).cpis
        last = stone_soup.track(cpis)[-1]
        off = np.ravel(last.mean) - np.insert(cpis[-1].truth_m[0], [1, 2], truth)
        weighted.append(off @ np.linalg.solve(np.asarray(last.covar, dtype=float), off))
    assert np.median(weighted) < 12.0


def test_the_beginning_of_emulated_time_is_a_date_without_a_zone():
    assert BEGIN.tzinfo is None, "as Stone Soup's own"
