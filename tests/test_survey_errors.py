"""Access points that are not exactly where the survey has them: the air knows, nobody else does."""

import numpy as np
import pytest

from benchmarks.study_calibration_period import ratios, trial
from scenarios import load
from scenarios.figures.figure_calibration import study_scenario

SURVEY = "access_points.survey_std_m"


def off_m(emulation):
    return emulation.air.network.ap_positions_m - emulation.central.network.ap_positions_m


def test_without_errors_the_survey_is_the_truth(small):
    emulation = small({SURVEY: 0.0}).build(seed=1)
    assert emulation.air.network is emulation.central.network and emulation.central.calibrator is None


def test_errors_are_those_of_a_seed_and_of_the_size_that_was_asked():
    scenario = load("paper", {"access_points.count": 400, "schedule.n_receivers": 200, SURVEY: 1e-3})
    one, same, other = (off_m(scenario.build(seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert one.std() == pytest.approx(1e-3, rel=5.0 / np.sqrt(2.0 * one.size))


def test_one_more_access_point_moves_no_other(paper):
    first = off_m(paper({SURVEY: 1e-3}).build(seed=1))
    more = off_m(paper({SURVEY: 1e-3, "access_points.count": 13}).build(seed=1))
    np.testing.assert_allclose(more[:12], first, atol=1e-12)


def test_what_is_planned_and_sent_is_the_same_and_what_is_heard_is_not(small):
    exact, off = (small({SURVEY: std_m}).build(seed=1).run(1).cpis[0] for std_m in (0.0, 5e-3))
    assert exact.assignment == off.assignment
    assert np.array_equal(exact.observation.gram.values, off.observation.gram.values)
    assert not np.allclose(exact.observation.cross, off.observation.cross, rtol=1e-2)
    assert np.array_equal(exact.truth_m, off.truth_m)


def test_the_law_of_the_survey_is_in_the_covariance_of_phases(small):
    scenario = small({SURVEY: 1e-3})
    emulation = scenario.build(seed=1)
    cpi = emulation.run(1).cpis[0]
    expected = (emulation.network.wavenumber_rad_m * 1e-3) ** 2
    np.testing.assert_allclose(cpi.observation.phase_covariance_rad2, expected * np.eye(emulation.network.n_aps))
    assert np.all(cpi.peb_hybrid_m > cpi.peb_m) and np.all(cpi.error_ignoring_m > cpi.peb_hybrid_m)


def test_a_calibration_over_direct_paths_counts_with_the_errors_that_the_survey_has():
    keys = {"calibration.kind": "direct-path", SURVEY: 1e-3}
    assert load("paper", keys).build(seed=1).central.calibrator.calibration.survey_std_m == 1e-3
    own = load("paper", keys | {"calibration.survey_std_m": 0.0})
    assert own.build(seed=1).central.calibrator.calibration.survey_std_m == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("std_m", [3e-4, 1e-3])
def test_errors_of_positions_are_those_of_phases_of_k_times_the_survey_error(std_m):
    """Above threshold, for phases that are estimated along and phases that are ignored: within 10 %."""
    scenario = study_scenario().with_({"user_equipment.count": 0, SURVEY: std_m})
    trials = np.array([trial(51, i, scenario) for i in range(200)])
    for of_one in trials.swapaxes(0, 1):
        bounds, found = ratios(of_one)
        assert len(found) == len(bounds) > 150
        assert np.sqrt(np.mean(found**2)) == pytest.approx(1.0, abs=0.1)
