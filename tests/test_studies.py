"""The statistical studies of the estimator: their counting, intervals and reference curves, on few trials."""

import argparse
import json

import numpy as np
import pytest
from scipy import special, stats

from benchmarks import (
    estimator_table,
    studies,
    study_bound_size,
    study_calibration,
    study_close_pairs,
    study_covariance,
    study_detection,
    study_estimator_speed,
    study_false_alarms,
    study_model_choice,
    study_quantisation,
    study_summed_map,
    study_threshold,
)
from models.bounds.fisher import target_bounds_m
from models.estimation.likelihood import cost_map
from models.estimation.two_stage import TwoStage
from models.observation import Estimate
from tests.simulate import AREA, NOISE_W, observe, random_truth, receive, summarise, waveform

ROUNDING = 1e-9
SHRINKAGE_RTOL = 1e-2  # complex amplitudes of several targets shrink by about a hundredth
BOUND_RTOL = 1e-3  # the fit loads its diagonal by 1e-11, which the carrier phase that is projected out magnifies


class TestIntervals:
    def test_share_has_the_clopper_pearson_interval(self):
        found = studies.share(3, 20)
        low, high = stats.beta(3, 18).ppf(0.025), stats.beta(4, 17).ppf(0.975)
        assert [found["low"], found["high"]] == pytest.approx([low, high], abs=1e-4)
        assert (found["share"], found["n"]) == (0.15, 20)

    def test_share_of_nothing_is_unknown(self):
        assert studies.share(0, 0)["share"] is None

    def test_bootstrap_covers_the_standard_error(self):
        values = np.random.default_rng(1).normal(size=400)
        mean, (low, high) = studies.bootstrap(values, np.mean)
        assert mean == pytest.approx(values.mean())
        assert high - low == pytest.approx(2 * 1.96 / 20.0, rel=0.2)

    def test_table_shows_every_row(self):
        text = studies.table([{"a": 1, "b": studies.share(1, 2)}, {"a": None, "b": studies.share(0, 0)}])
        assert text.splitlines()[2] == "| 1 | 0.5 [0.013, 0.99] |"
        assert text.splitlines()[3] == "| – | – |"

    def test_report_writes_seeds_setting_and_tables(self, tmp_path, capsys):
        options = argparse.Namespace(
            trials=2, seed=9, against=tmp_path, workers=2, out=studies.new_file(str(tmp_path / "new" / "x.json"))
        )
        studies.report(options, {"T": [{"a": 1.5}]}, 0.0, "[9, 0..1]")
        data = json.loads(options.out.read_text())
        assert data["tables"] == {"T": [{"a": 1.5}]}
        assert data["setting"] == {"trials": 2, "seed": 9, "against": str(tmp_path)}
        assert "seeds [9, 0..1]" in capsys.readouterr().out


class TestCommandLine:
    @pytest.mark.parametrize("options", [["--trials", "0"], ["--workers", "-1"], ["--trials", "2.5"]])
    def test_numbers_of_nothing_are_refused(self, options, capsys):
        with pytest.raises(SystemExit):
            studies.command_line("", trials=3, seed=1).parse_args(options)
        assert f'got "{options[1]}"; allowed: a whole number >= 1' in capsys.readouterr().err

    def test_a_file_that_cannot_be_written_is_refused_at_once(self, tmp_path, capsys):
        for path in (tmp_path, tmp_path / "file" / "x.json"):
            (tmp_path / "file").touch()
            with pytest.raises(SystemExit):
                studies.command_line("", trials=3, seed=1).parse_args(["--out", str(path)])
            assert f'got "{path}"' in capsys.readouterr().err


class TestHalf:
    def test_crossing_is_interpolated(self):
        assert study_threshold.crossing([10.0, 12.0, 14.0], [0.0, 0.4, 0.8]) == pytest.approx(12.5)
        assert study_threshold.crossing([10.0, 12.0], [0.1, 0.4]) == np.inf
        assert study_threshold.crossing([10.0, 12.0], [0.6, 0.9]) == -np.inf

    def test_an_interval_that_leaves_the_powers_is_open(self):
        powers = np.array([10.0, 12.0, 14.0])
        hits = np.array([[False, False, True]] * 5 + [[False, False, False]] * 4)[..., None]
        value, (low, high) = study_threshold.half_power(hits, powers)
        assert 12.0 < low <= value < 14.0
        assert high == np.inf

    def test_dips_are_pooled(self):
        np.testing.assert_allclose(study_threshold.rising([0.1, 0.4, 0.2, 0.9]), [0.1, 0.3, 0.3, 0.9])

    def test_gap_of_curves_a_step_apart(self):
        powers = np.arange(10.0, 20.0)
        centres = np.random.default_rng(2).uniform(13.0, 16.0, 80)
        hits = (powers > centres[:, None])[..., None]
        later = (powers > centres[:, None] + 1.0)[..., None]
        gap, (low, high) = study_threshold.gap_db(later, hits, powers)
        assert low <= gap <= high
        assert gap == pytest.approx(1.0, abs=0.3)


class TestFalseAlarms:
    def test_what_the_map_decides_the_estimator_does_too(self):
        """CPIs of noise in which the study does not run the estimator have no estimate, the others may."""
        for index in range(4):
            rng = np.random.default_rng([2, index])
            observation = observe(rng, random_truth(rng, n_targets=0))
            counts = study_false_alarms.alarms(2, index, False)
            for p, count in zip(study_false_alarms.PROBABILITIES, counts, strict=True):
                assert len(TwoStage(false_alarm_probability=p).estimate(observation).positions_m) == count

    def test_tails_are_those_of_the_highest_point_of_the_map_or_beyond(self):
        tails = study_false_alarms.tails(1, 0, 6, 3, 4)
        assert len(tails) == study_false_alarms.MAPS_A_LAYOUT
        typical = special.gammaincc(9, 9.0)  # of a single point
        assert all(0.0 < tail < 0.1 * typical for tail in tails)

    def test_cells_of_independent_values(self):
        """The largest of 500 independent values gives N_eff = 500."""
        rng = np.random.default_rng(3)
        rows = rng.uniform(size=(400, 4, 500)).min(axis=2)
        row = study_false_alarms.cells_row(rows, 12, 6, 8)
        assert row["N_eff at 0.1"] == pytest.approx(500, rel=0.2)
        assert row["95 % at 0.1"][0] <= row["N_eff at 0.1"] <= row["95 % at 0.1"][1]


class TestDetection:
    def test_known_position_is_detected_as_theory_says(self):
        """The threshold is exact at a point: 2T is noncentral chi-squared with 2 M_t M_r degrees of freedom."""
        trials = [study_detection.trial(3, i, False) for i in range(40)]
        for row in zip(*trials, strict=True):
            expected = np.mean([r["theory"] for r in row])
            spread = np.sqrt(max(expected * (1 - expected), 1e-3) / len(row))
            assert abs(np.mean([r["above"] for r in row]) - expected) < 4.0 * spread

    def test_strong_target_is_in_the_right_lobe(self):
        rows = study_detection.trial(3, 0, True)
        assert rows[-1]["judged"] == (True, True, True, 0)
        assert rows[0]["theory"] < 0.01
        assert study_detection.summary([rows], len(rows) - 1)["right lobe"]["share"] == 1.0


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(4)
    truth = study_close_pairs.random_pair(rng, 1.0)
    observation = observe(rng, truth, power_w=10.0)
    return truth, observation, study_close_pairs.pair_bounds_m(truth, observation)


class TestClosePairs:
    def test_pair_is_as_far_apart_as_asked_and_in_the_area(self, pair):
        targets = pair[0].targets_m
        assert np.linalg.norm(targets[1] - targets[0]) == pytest.approx(1.0)
        assert np.all((targets > 0.0) & (targets < AREA.width_m))

    def test_truth_is_both(self, pair):
        truth, observation, bounds = pair
        found = Estimate.at(truth.targets_m[::-1])
        expected = {"both": True, "wrong": False, "phantoms": 0, "found": 2}
        assert study_close_pairs.judged(found, truth, bounds) == expected
        assert not study_close_pairs.misses_more(observation, found, truth)

    def test_one_for_two_is_not_both(self, pair):
        truth, observation, bounds = pair
        found = Estimate.at(truth.targets_m[[0, 0]])
        assert not study_close_pairs.judged(found, truth, bounds)["both"]
        assert study_close_pairs.misses_more(observation, Estimate.at(truth.targets_m[:1]), truth)

    def test_middle_is_withheld_or_wrong(self, pair):
        truth, _, bounds = pair
        middle = truth.targets_m.mean(axis=0, keepdims=True)
        withheld = Estimate(positions_m=middle, resolved=np.array([False]))
        assert study_close_pairs.judged(withheld, truth, bounds) == {
            "both": False, "wrong": False, "phantoms": 0, "found": 1,
        }  # fmt: skip
        assert study_close_pairs.judged(Estimate.at(middle), truth, bounds)["wrong"]

    def test_far_estimate_is_a_phantom(self, pair):
        truth, _, bounds = pair
        far = Estimate.at(np.concatenate([truth.targets_m, truth.targets_m[:1] + 150.0]))
        judged = study_close_pairs.judged(far, truth, bounds)
        assert (judged["both"], judged["wrong"], judged["phantoms"]) == (True, True, 1)

    def test_nothing_found_is_nothing_wrong(self, pair):
        truth, _, bounds = pair
        judged = study_close_pairs.judged(Estimate.at([]), truth, bounds)
        assert judged == {"both": False, "wrong": False, "phantoms": 0, "found": 0}

    def test_trial_is_the_same_again(self):
        one, two = (study_close_pairs.trial(4, 1, 3.0, 40.0) for _ in range(2))
        assert {**one, "seconds": 0} == {**two, "seconds": 0}


class TestCovariance:
    def test_squares_of_normal_errors_are_chi_squared(self):
        rng = np.random.default_rng(7)
        root = np.array([[3.0, 0.0], [1.0, 0.2]])
        squares = study_covariance.normalised_square(rng.normal(size=(4000, 2)) @ root.T, root @ root.T)
        assert stats.kstest(squares, stats.chi2(2).cdf).pvalue > 1e-3
        row = study_covariance.row(squares, 0)
        assert row["beyond 5.99"]["share"] == pytest.approx(0.05, abs=4.0 * np.sqrt(0.05 * 0.95 / 4000))
        assert row["mean"] == pytest.approx(2.0, abs=4.0 * 2.0 / np.sqrt(4000))
        assert row["by chance"] == pytest.approx(
            [2.0 - 1.96 * 2.0 / np.sqrt(4000), 2.0 + 1.96 * 2.0 / np.sqrt(4000)], abs=1e-3
        )

    def test_groups_are_those_of_the_fate(self):
        fates = [
            ("resolved", True, 1.0),
            ("resolved", False, 99.0),
            ("not-resolved", False, 7.0),
            ("missed", False, np.nan),
        ]
        trials = [{"status": status, "right": right, "square": square} for status, right, square in fates]
        rows = study_covariance.summary(trials)
        found = {name: (row["n"], row["wrong"], row["mean"], row["beyond 5.99"]["share"]) for name, row in rows.items()}
        assert found == {
            "resolved, right": (1, 0, 1.0, 0.0),
            "resolved": (2, 1, 50.0, 0.5),
            "not resolved": (1, None, 7.0, 1.0),
        }

    def test_strong_targets_are_resolved_and_random_phases_withheld(self):
        strong, withheld = (study_covariance.trial(8, 0, kind, 40.0) for kind in ("isotropic", "random phase"))
        assert (strong["status"], strong["right"], strong["false"]) == ("resolved", True, 0)
        assert (withheld["status"], withheld["right"]) == ("not-resolved", False)
        assert 0.0 < strong["square"] < 20.0
        assert 0.0 < withheld["square"] < 20.0

    def test_nothing_found_counts_nowhere(self):
        weak = study_covariance.trial(8, 0, "isotropic", 0.0)
        assert weak["status"] == "missed"
        assert np.isnan(weak["square"])
        assert all(row["n"] == 0 for row in study_covariance.summary([weak]).values())


class TestModelChoice:
    @pytest.mark.parametrize(("model", "kind"), [("free", "coherent"), ("noncoherent", "non-coherent")])
    def test_bound_of_isotropic_targets_is_the_fisher_one(self, model, kind):
        rng = np.random.default_rng(6)
        truth = random_truth(rng, n_targets=2)
        samples = waveform(rng, 6, 8)
        gram = summarise(truth, samples, receive(truth, samples), NOISE_W).gram
        scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
        expected = target_bounds_m(*scene, gram, NOISE_W, kind)
        found = study_model_choice.bound_m(truth, samples, None, model)
        np.testing.assert_allclose(found, expected, rtol=SHRINKAGE_RTOL if model == "noncoherent" else BOUND_RTOL)

    def test_random_phases_are_withheld(self):
        row = study_model_choice.trial(5, 0, "random phase", 40.0, 1)
        assert not row["resolved"].any()
        assert np.all(row["noncoherent"] < 5.0)

    @pytest.mark.parametrize(("amplitude", "resolved"), [("structured", False), ("free", True)])
    def test_estimator_is_held_to_the_amplitude_asked_for(self, amplitude, resolved):
        row = study_model_choice.trial(5, 0, "log-normal 6 dB", 40.0, 1, amplitude)
        assert row["resolved"].tolist() == [resolved]

    @pytest.mark.slow
    @pytest.mark.parametrize("index", [5, 9])
    def test_uneven_scattering_with_a_clear_lobe_is_resolved(self, index):
        row = study_model_choice.trial(105, index, "log-normal 6 dB", 40.0, 1)
        assert row["resolved"].all()
        assert np.all(row["coherent"] < 5.0)

    def test_summary_counts_every_target_once(self):
        trials = [study_model_choice.trial(5, i, "isotropic", 30.0, 1) for i in range(2)]
        row = study_model_choice.summary(trials, "isotropic", 30.0)
        shares = [row[name]["share"] for name in ("right", "wrong", "withheld")]
        assert sum(shares) == pytest.approx(row["P_d"]["share"])


class TestCalibration:
    @pytest.mark.parametrize("topology", study_calibration.GRAPHS)
    def test_measured_variances_are_those_of_the_laplacian(self, topology):
        row = study_calibration.graph_row(argparse.Namespace(seed=10, trials=100, workers=1), topology)
        low, high = row["95 %"]
        assert low * 0.9 < row["mean, L^+"] < high * 1.1
        assert row["measured "] == pytest.approx(row["pair, L^+"], rel=0.6)  # the largest of many

    @pytest.mark.parametrize("survey_mm", [0.0, 1.0])
    def test_direct_paths_err_as_they_say(self, survey_mm):
        row = study_calibration.direct_row(argparse.Namespace(seed=11, trials=50, workers=1), survey_mm)
        assert row["measured (mrad)"] == pytest.approx(row["said (mrad)"], rel=0.15)

    def test_errors_are_noticed_where_there_are_some(self):
        assert study_calibration.noticed(12, 0, 40.0, 0.5)
        assert not study_calibration.noticed(12, 0, 40.0, 0.0)


def test_estimator_table_has_gospa_beside_the_ratio():
    trials = [estimator_table.trial({"two-stage": TwoStage()}, 1, i, 1, 30.0, False) for i in range(2)]
    cell = estimator_table.summary(trials, "two-stage")
    low, high = cell["gospa_m_95"]
    assert low <= cell["gospa_m"] <= high < estimator_table.CUTOFF_M


def test_bounds_of_two_checkouts_are_told_apart_by_time_memory_and_value():
    """Here of one checkout with itself."""
    options = argparse.Namespace(repeats=1, against=study_bound_size.HERE)
    row = study_bound_size.row(6, "full", options)
    assert (row["APs"], row["illumination"], row["apart"]) == (6, "full", 0.0)
    assert row["ratio"] == pytest.approx(row["before"] / row["s"])
    assert 50.0 < row["peak MiB"] < 1000.0


def test_the_speed_of_a_checkout_against_itself_is_that_of_the_same_answers():
    options = argparse.Namespace(
        trials=1, seed=803, power_dbm=30.0, targets=(1,), against=study_estimator_speed.HERE, workers=1
    )
    row = study_estimator_speed.row(options, 1)
    assert row["same"] == "1 of 1"
    assert row["right lobe"] == "1 of 1"
    assert row["now"] > 0.0


class TestQuantisation:
    def test_the_direct_path_is_what_is_quantised(self):
        found = study_quantisation.trial(9, 0, 30.0, (8, 16))
        assert 45.0 < found["dnr_db"] < 65.0
        coarse, fine = (found[f"block-floating-point, {n_bits}"] for n_bits in (8, 16))
        assert coarse["predicted"] > 2.0 and coarse["sqnr_db"] == pytest.approx(45.0, abs=3.0)
        assert fine["shift"] < 0.05 and fine["predicted"] == pytest.approx(1.0, abs=1e-3)
        assert coarse["told"] == pytest.approx(
            10.0 * np.log10(1.0 + 10.0 ** ((found["dnr_db"] - 45.0) / 10.0)), abs=4.0
        )

    def test_knee_is_where_the_loss_ends(self):
        assert study_quantisation.knee({8: 1.2, 9: 1.04, 10: 1.05, 11: 1.0}) == 11
        assert study_quantisation.knee({8: 1.2}) is None


class TestSummedMap:
    STEP_M = 40.0

    @pytest.mark.parametrize("lossy", [False, True])
    def test_maps_of_the_receivers_add_up_to_that_of_all(self, lossy):
        """Also where the receivers heard different slots."""
        rng = np.random.default_rng(3)
        missing = np.eye(6, dtype=bool) if lossy else None
        observation = observe(rng, random_truth(rng, 1), missing=missing)
        maps = study_summed_map.maps_of(observation, self.STEP_M)
        x, y, whole = cost_map(observation, self.STEP_M)
        np.testing.assert_allclose(study_summed_map.summed(maps, 30), whole.ravel(), rtol=1e-4)
        highest = study_summed_map.highest_m(observation, whole.ravel(), self.STEP_M)
        row, column = np.unravel_index(int(np.argmax(whole)), whole.shape)
        assert np.abs(highest - [x[column], y[row]]).max() <= 0.5 * self.STEP_M

    def test_few_bits_are_off_by_at_most_half_a_step_a_hop(self):
        maps = [np.random.default_rng(i).exponential(size=50) for i in range(6)]
        steps = [total.max() / 15.0 for total in np.cumsum(maps, axis=0)]
        error = np.abs(study_summed_map.summed(maps, 4) - np.sum(maps, axis=0)).max()
        assert 0.0 < error <= 0.5 * sum(steps) * 1.1  # the steps follow what was rounded before

    def test_a_parabola_is_found_between_points(self):
        observation = observe(np.random.default_rng(1), random_truth(np.random.default_rng(1), 1))
        x, y = np.meshgrid(*observation.area.grid(self.STEP_M))
        power = 1e6 - (x - 331.0) ** 2 - 2.0 * (y - 612.0) ** 2
        assert study_summed_map.highest_m(observation, power.ravel(), self.STEP_M) == pytest.approx([331.0, 612.0])

    def test_a_strong_target_is_found_and_its_cost_counted(self):
        found = study_summed_map.trial(5, 0, 40.0)
        assert 0.0 < found["structured"] < found["non-coherent"]
        assert found["10.0, 12"] < 10.0
        observation = observe(np.random.default_rng(1), random_truth(np.random.default_rng(1), 1))
        row = next(r for r in study_summed_map.cells([found], observation) if (r["step m"], r["bits"]) == (10.0, 8))
        n_points = np.prod([len(axis) for axis in observation.area.grid(10.0)])
        assert row["kbit"] == pytest.approx(8e-3 * n_points, rel=1e-3)
        assert row["break-even"] == pytest.approx(8 * n_points / (2 * 8 * 8 * 6 * 8), rel=0.02)
