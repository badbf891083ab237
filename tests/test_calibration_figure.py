"""The study of calibration periods, `dmimo figure calibration`, and what emulated errors come to against the bounds."""

import json

import numpy as np
import pytest

from benchmarks import study_calibration_period
from benchmarks.studies import root_mean_square
from scenarios.figures import common as figures
from scenarios.figures import figure_calibration as study
from scenarios.output.folders import OutputFolder
from tests.texts import cut_off

CASES = (("high-tcxo", 1e-3), ("high-tcxo", 1e-2), ("white-rabbit-low-jitter", 1e-3))
SEED, N_TRIALS = 51, 200
TOLERANCE = 0.1
"""Of error over bound; 200 trials tell it to 0.05, the bounds are of the first order."""


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "CASES", CASES)
        patch.setattr(study, "PERIODS_S", {"high-tcxo": (1e-3, 1e-2), "white-rabbit-low-jitter": (1e-3,)})
        yield study.run(2, seed=1, workers=1)


def samples(**changed):
    n = 12
    given = {
        "hybrid_m": np.full(n, 1e-3), "ignoring_m": np.full(n, 2e-3), "estimated_m": np.linspace(5e-4, 1.5e-3, n),
        "known_m": np.full(n, np.nan), "sum_se_bit_s_hz": np.arange(n) - 1.0,
        "exact_sum_se_bit_s_hz": 1.0 * np.arange(n),
        "phase_std_rad": np.full(n, 0.1),
    }  # fmt: skip
    return study.Samples(**given | changed)


class TestSamples:
    def test_error_is_the_rmse_over_the_bound_in_the_median_layout(self):
        found = samples()
        value, low, high = found.error_m("estimated", 0.02)
        assert value == pytest.approx(root_mean_square(found.estimated_m)) and low < value < high

    def test_what_is_not_resolved_or_in_another_lobe_is_not_right(self):
        lost = samples(estimated_m=np.array([1e-3] * 8 + [0.05] * 2 + [np.nan] * 2))
        assert lost.right_share("estimated", 0.02).value == pytest.approx(8 / 12)
        assert lost.right_share("known", 0.02).value == 0.0

    def test_fewer_than_ten_right_lobes_have_no_error(self):
        assert np.isnan(samples().error_m("known", 0.02)).all()

    def test_what_layouts_differ_in_cancels_in_the_efficiency(self):
        value, low, high = samples().sum_se()
        assert (value, low, high) == pytest.approx((4.5, 4.5, 4.5))


def test_clocks_that_ran_longer_are_known_less_and_a_loop_is_not(result):
    short, long, loop = (case["phase_std_rad"] for case in result.data()["cases"])
    law = study.study_scenario().with_({"oscillators.preset": "high-tcxo"}).oscillators.make()
    middles_s = np.array([1e-3, 1e-2]) + 3e-4
    np.testing.assert_allclose([short, long], np.sqrt(law.phase_variance_rad2(middles_s, 3.5e9)))
    assert loop == pytest.approx(2.0 * np.pi * 3.5e9 * 2.3e-12)


def test_bounds_and_efficiency_get_worse_with_the_period(result):
    short, long, _ = result.data()["cases"]
    assert short["hybrid_m"] < long["hybrid_m"] < long["ignoring_m"]
    assert result.exact_sum_se_bit_s_hz > short["sum_se_bit_s_hz"] > long["sum_se_bit_s_hz"]


def test_table_and_files_hold_what_the_data_does(result, tmp_path):
    folder = OutputFolder(path=tmp_path, command="x", names=figures.file_names("figure-calibration"), settings={})
    data, table, *_ = figures.save(result, "figure-calibration", folder)
    cases = json.loads(data.read_text())["cases"]
    assert len(table.read_text().splitlines()) == 2 + len(cases)
    assert [(case["preset"], case["period_s"]) for case in cases] == list(CASES)
    assert all(case["error_known_m"] is None for case in cases)  # of two layouts
    assert len(result.summary()) == 2 + len(cases)
    assert cut_off(result.picture()) == []


@pytest.mark.slow
def test_same_bytes_for_any_number_of_workers():
    one, two = (figures.json_text(study.run(2, seed=2, workers=workers).data()) for workers in (1, 2))
    assert one == two


@pytest.mark.slow
@pytest.mark.parametrize("period_s", [3e-3, 3e-2, 1e-1])
def test_emulated_error_is_within_a_tenth_of_the_hybrid_bound_and_of_the_error_of_ignoring(period_s):
    scenario = study.aged(study.study_scenario().with_({"user_equipment.count": 0}), "high-tcxo", period_s)
    trials = np.array([study_calibration_period.trial(SEED, i, scenario) for i in range(N_TRIALS)])
    for of_one in trials.swapaxes(0, 1):
        bounds, ratio = study_calibration_period.ratios(of_one)
        assert len(ratio) >= 0.95 * len(bounds) > 50
        assert root_mean_square(ratio) == pytest.approx(1.0, abs=TOLERANCE)
