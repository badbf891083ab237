import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

from models.bounds.closed_form import coverage
from models.observation import Estimate
from models.radio.efficiency import spectral_efficiency
from models.radio.transmission import precoding_matrix
from models.scoring import score
from models.selection.farthest_point import FarthestPoint
from scenarios.commands.cli import app
from scenarios.figures import common as figures
from scenarios.figures import figure_2, figure_3a, figure_3b, figure_3c
from scenarios.figures.layouts import Layout
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.output.folders import OutputFolder
from scenarios.output.lengths import length_text
from tests.texts import cut_off

ROUNDING = 1e-9


@pytest.fixture(scope="module")
def cost_maps():
    return figure_2.run(seed=1, workers=1)


@pytest.fixture(scope="module")
def coverage_curves():
    return figure_3b.run(4, seed=1, workers=1)


@pytest.fixture(scope="module")
def trade_off():
    return figure_3c.run(6, seed=1, workers=1)


# Two powers, a coarse grid of the paper's way: a few seconds.
@pytest.fixture(scope="module")
def errors():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_3a, "POWERS_DBM", (0.0, 40.0))
        result = figure_3a.run(1, seed=1, workers=1)
        return result, result.data(), result.rows()


class TestFigure2:
    def test_cost_of_two_separated_targets_is_highest_at_a_target(self, cost_maps):
        one = cost_maps.separated
        row, column = np.unravel_index(np.argmax(one.cost), one.cost.shape)
        peak = np.array([one.x_m[column], one.y_m[row]])
        assert np.linalg.norm(one.truth_m - peak, axis=1).min() < 5 * figure_2.STEP_M

    def test_map_shows_each_separated_target_and_nothing_else(self, cost_maps):
        one = cost_maps.separated
        distance = np.linalg.norm(one.truth_m[:, None] - one.detections_m, axis=-1)
        assert len(one.detections_m) == 2
        assert distance.min(axis=1).max() < 20.0  # metres, as broad as the maxima are

    def test_estimates_are_within_five_bounds_where_the_map_shows_one_maximum(self, cost_maps):
        separation = np.linalg.norm(np.diff(cost_maps.close.truth_m, axis=0))
        assert separation == pytest.approx(figure_2.CLOSE_M)
        assert len(cost_maps.close.detections_m) == 1
        assert cost_maps.close_peb_m.max() < 0.01 * separation
        assert cost_maps.close.count("resolved") == [1, 1]
        assert np.all(cost_maps.close.error_m < 5 * cost_maps.close_peb_m)

    def test_maxima_at_the_edge_ripples_and_low_ones_are_no_detections(self):
        x = np.linspace(-3.0, 3.0, 61)

        def hill(at, height, width=0.4):
            return height * np.exp(-((x - at[0]) ** 2 + (x[:, None] - at[1]) ** 2) / width**2)

        cost = hill((-1, 0), 1.0) + hill((1, 1), 0.7) + hill((1, -1), 0.3) + hill((3, 0), 2.0) * 0.6
        np.testing.assert_allclose(figure_2.map_detections_m(x, x, cost), [(-1, 0), (1, 1)], atol=1e-9)
        rippled = hill((0, 0), 1.0, 2.0) + hill((0.8, 0), 0.1, 0.15)
        assert len(figure_2.local_maxima(rippled)) > 1
        assert len(figure_2.map_detections_m(x, x, rippled)) == 1

    def test_missed_target_is_called_missed_and_has_no_error(self, cost_maps):
        one, second = cost_maps.separated, cost_maps.separated.truth_m[1:] + 0.1
        missed = figure_2.Outcome(second, score(Estimate.at(second), one.truth_m, np.ones(2)))
        result = replace(cost_maps, separated=replace(one, outcomes=(missed,)))
        assert "target 0 missed;" in result.summary()[0]
        assert "missed" in result.picture().axes[0].get_title(loc="left")
        assert result.data()["error_m"][0][0] is None
        assert result.data()["n_found"] == [0, 1]

    def test_map_whose_cost_rises_up_to_its_edge_shows_nothing(self):
        weak = figure_2.run(seed=4, workers=1)  # one target in a corner
        assert not len(weak.close.detections_m)
        assert "the map shows no maximum" in weak.summary()[1]

    def test_targets_that_were_drawn_again_are_owned_up_to(self, monkeypatch, cost_maps):
        assert cost_maps.data()["redrawn"] is False
        emulation = load("paper").build(13, tracing=False, scoring=False, estimator=None)
        targets, attempt = figure_2._separated_targets(emulation)
        assert attempt > 0
        assert np.hypot(*np.subtract(*targets)) >= figure_2.APART_M

    def test_layout_is_that_of_a_run_with_the_same_seed(self, cost_maps):
        emulation = load("paper").build(1, tracing=False, scoring=False, estimator=None)
        np.testing.assert_array_equal(cost_maps.network.ap_positions_m, emulation.network.ap_positions_m)
        np.testing.assert_allclose(cost_maps.network.boresights_rad, emulation.network.boresights_rad, atol=1e-12)
        truth = [target.position_m(0.0) for target in emulation.targets.values()]
        np.testing.assert_array_equal(cost_maps.separated.truth_m, truth)

    def test_targets_that_would_stand_together_are_drawn_again(self, monkeypatch):
        monkeypatch.setattr(figure_2, "APART_M", 250.0)  # more than the 196 m of seed 1
        first, second = (target.position_m for target in figure_2.layout_scenario(1).targets)
        assert np.hypot(*np.subtract(first, second)) >= 250.0

    def test_cost_is_the_mean_over_realizations(self):
        apart = figure_2.layout_scenario(2)
        one, two = (figure_2._realize(i, 2, apart, apart)[0] for i in range(2))
        both = figure_2._averaged([one, two])
        np.testing.assert_allclose(both.cost, 0.5 * (one.cost + two.cost))
        assert len(both.estimates_m) == len(one.estimates_m) + len(two.estimates_m)
        expected = figure_2.map_detections_m(both.x_m, both.y_m, both.cost)
        np.testing.assert_array_equal(both.detections_m, expected)
        assert "of 2 draws" in both.fates()
        assert not np.array_equal(one.cost, two.cost)

    def test_nothing_is_cut_off_at_the_edge_of_the_picture(self, cost_maps):
        figure = cost_maps.picture()
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        drawn = figure.get_tightbbox()
        assert min(drawn.x0, drawn.y0) >= 0.0
        assert drawn.x1 <= width
        assert drawn.y1 <= height

    def test_data_is_the_contracts(self, cost_maps):
        data = cost_maps.data()
        assert np.shape(data["cost"]) == (len(data["y_m"]), len(data["x_m"]))
        assert np.shape(data["truth_m"]) == (2, 2)
        assert np.shape(data["detections_m"])[1] == 2
        assert set(data["close_pair"]) >= {"x_m", "y_m", "cost", "truth_m", "detections_m"}


class TestFigure3a:
    def test_lists_run_over_powers_and_targets(self, errors):
        _, data, _ = errors
        assert data["power_dbm"] == [0.0, 40.0]
        for part in (data, data["random_layouts"]):
            for name in ("error_m", "n_missed", "n_not_resolved", "error_gradient_m", "n_missed_gradient", "peb_m"):
                assert [len(power) for power in part[name]] == [2, 2], name

    def test_every_realization_is_found_or_missed(self, errors):
        result, data, _ = errors
        for found, missed in (("error_m", "n_missed"), ("error_gradient_m", "n_missed_gradient")):
            for power in range(2):
                for target in range(2):
                    count = len(data[found][power][target]) + data[missed][power][target]
                    assert count == result.n_realizations

    def test_two_stage_estimate_reaches_the_bound_where_the_gradient_does_not(self, errors):
        _, data, _ = errors
        for part in (data, data["random_layouts"]):
            two_stage, gradient = (
                [e / bound for found, bound in zip(part[name][1], part["peb_m"][1], strict=True) for e in found]
                for name in ("error_m", "error_gradient_m")
            )
            assert len(two_stage) == 2
            assert max(two_stage) < 5.0
            assert 1 <= len(gradient) <= 2
            assert min(gradient) > 5.0

    def test_bound_falls_with_the_root_of_the_power(self, errors):
        _, data, _ = errors
        low, high = data["peb_m"]
        np.testing.assert_allclose(low, 100.0 * np.array(high), rtol=1e-6)

    def test_errors_are_sorted_and_nothing_is_lost(self):
        columns = np.zeros((3, 1, 4, 1))
        columns[:, 0, 0, 0] = [0.3, np.nan, 0.1]
        columns[:, 0, 1, 0] = [np.nan, np.nan, 2.0]
        columns[:, 0, 2, 0] = [1, 0, 0]
        columns[:, 0, 3, 0] = [0.5, 0.2, 0.1]
        data = figure_3a.Errors.of(columns).data()
        assert data["error_m"] == [[[0.1, 0.3]]]
        assert data["n_missed"] == [[1]]
        assert data["n_not_resolved"] == [[1]]
        assert data["error_gradient_m"] == [[[2.0]]]
        assert data["n_missed_gradient"] == [[2]]
        assert data["peb_m"] == [[0.2]]

    def test_tally_counts_what_was_found_and_what_is_right(self):
        columns = np.zeros((12, 1, 4, 1))
        columns[:, 0, 0, 0] = [np.nan, 9.0, *[2.0] * 10]  # one missed, one in a wrong lobe, ten off by two bounds
        columns[:, 0, 1, 0] = [np.nan, 1.0, *[9.0] * 10]
        columns[:, 0, 2, 0] = [0, *[1] * 11]
        columns[:, 0, 3, 0] = 1.0
        tally = figure_3a.Errors.of(columns).tally(0)
        assert (tally.n, tally.found, tally.resolved, tally.right) == (12, 11, 11, 10)
        assert (tally.found_gradient, tally.right_gradient) == (11, 1)
        assert tally.rms_over_peb == (2.0, 2.0, 2.0)
        assert tally.data()["share_right_low"] == pytest.approx(0.516, abs=1e-3)  # Clopper and Pearson, 10 of 12
        few = figure_3a.Errors.of(columns[:5]).tally(0).data()
        assert few["right"] == 3
        assert few["rms_over_peb"] is None

    @pytest.mark.slow
    def test_docs_show_the_table_that_the_command_gives(self):
        text = (Path(__file__).parents[1] / "docs" / "measurements" / "paper.md").read_text(encoding="utf-8")
        result = figure_3a.run()
        for layout, errors in zip(figure_3a.LAYOUTS, (result.fixed, result.random), strict=True):
            for power in range(len(figure_3a.POWERS_DBM)):
                assert _documented(layout, errors, power) in text

    def test_table_has_a_row_for_each_power_realization_and_target(self, errors):
        _, _, rows = errors
        assert len(rows) == 1 + 2 * 2 * 2
        assert {len(row) for row in rows} == {len(rows[0])}


def _documented(layout, errors, power):
    """The row of the table of figure 3a in docs/measurements/paper.md."""
    tally, share = errors.tally(power), figures.share_interval(errors.tally(power).right, errors.tally(power).n)
    rms = "–"
    if np.isfinite(tally.rms_over_peb.value):
        rms = "{:.2f} ({:.2f}-{:.2f})".format(*tally.rms_over_peb)
    bounds = ", ".join(length_text(float(bound)) for bound in np.median(errors.peb_m[power], axis=0))
    right = f"{tally.right} ({share.low:.2f}-{share.high:.2f})"
    gradient = f"{tally.found_gradient}, {tally.right_gradient}"
    dbm = f"{figure_3a.POWERS_DBM[power]:.0f}"
    return " | ".join([f"| {layout}", dbm, str(tally.found), str(tally.resolved), right, rms, gradient, f"{bounds} |"])


class TestFigure3b:
    def test_coverage_needs_both_sides(self, coverage_curves):
        for scheme in ("communication_centric", "sensing_centric"):
            value = coverage_curves.coverage[scheme].value
            assert value[5] > 2 * value[0]
            assert value[5] > 2 * value[-1]
            assert np.all((value >= 0) & (value <= 1))

    def test_spectral_efficiency_falls_as_transmitters_become_receivers(self, coverage_curves):
        for curve in coverage_curves.sum_se_bit_s_hz.values():
            assert np.all(np.diff(curve.value[::2]) < 0)

    def test_value_lies_in_its_interval(self, coverage_curves):
        data = coverage_curves.data()
        for name in [key for key in data if f"{key}_low" in data]:
            assert np.all(np.array(data[f"{name}_low"]) <= data[name])
            assert np.all(np.array(data[name]) <= data[f"{name}_high"])
        assert data["n_receivers"] == list(range(1, 12))

    def test_difference_is_paired_layout_by_layout(self):
        scenario = load("paper", figure_3b.SETTING)
        layouts = [Layout.draw(scenario, 1, i, figure_3b.N_DRAWS) for i in range(3)]
        schemes = figure_3b.SELECTORS.values()
        rates = np.array([one.sum_spectral_efficiency([one.assignment(s, 6) for s in schemes]) for one in layouts])
        expected = figures.mean_interval(rates[:, 1] - rates[:, 0])
        data = figure_3b.run(3, seed=1, workers=1).data()
        name = "sum_se_sensing_centric_minus_communication_centric"
        found = [data[f"{name}{end}"][5] for end in ("", "_low", "_high")]
        np.testing.assert_allclose(found, expected, rtol=ROUNDING)

    def test_one_layout_does_not_tell_a_difference(self):
        single = figure_3b.run(1, seed=1, workers=1)
        assert single.summary()[-1] == (
            "sensing-centric against communication-centric: not known, one layout gives no interval"
        )
        legend = single.picture().axes[1].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["communication-centric", "sensing-centric"]

    def test_coverage_is_that_of_the_bound_of_a_target_alone(self):
        scenario = load("paper", figure_3b.SETTING)
        layout = Layout.draw(scenario, 1, 0, 1)
        assignment = layout.assignment(FarthestPoint(), 6)
        points = layout.points_m(200.0)
        emulation = scenario.build(figures.realization_seed(1, 0), tracing=False, scoring=False, estimator=None)
        one_by_one = [figure_2.expected_bounds_m(emulation, assignment, [p], "coherent")[0] for p in points]
        gain = figure_3b.information_gain(
            layout.network,
            figure_3b.sensing_energy_w(layout.view.radio, 8),
            1.0,
            layout.view.radio.noise_power_w,
        )
        mapped = figure_3b.closed_form_map_m(layout.network, assignment, points, gain)
        np.testing.assert_allclose(mapped, one_by_one, rtol=1e-6)
        assert 0.0 < coverage(mapped, 0.1 * layout.network.wavelength_m) < 1.0


class TestFigure3c:
    def test_bound_of_the_sensing_waveform_rises_as_its_power_goes(self, trade_off):
        for curve in trade_off.curves:
            if curve.illumination == "sensing":
                scaled = curve.peb_m.value * np.sqrt(1.0 - trade_off.comm_power_fraction)
                np.testing.assert_allclose(scaled, scaled[0], rtol=ROUNDING)

    def test_communication_that_illuminates_lowers_the_bound(self, trade_off):
        curves = {(c.n_antennas, c.coherent, c.illumination): c.peb_m.value for c in trade_off.curves}
        assert len(curves) == 8
        for n_antennas in (2, 8):
            for coherent in (True, False):
                full = curves[n_antennas, coherent, "full"]
                assert np.all(full <= curves[n_antennas, coherent, "sensing"] * (1 + ROUNDING))
                assert full[-1] < full[0]

    def test_coherent_bound_is_the_lower_one_and_more_antennas_help(self, trade_off):
        curves = {(c.n_antennas, c.coherent, c.illumination): c for c in trade_off.curves}
        for illumination in ("sensing", "full"):
            for n_antennas in (2, 8):
                sharp, blunt = (curves[n_antennas, coherent, illumination].peb_m.value for coherent in (True, False))
                assert np.all(sharp < blunt)
            few, many = (curves[n, True, illumination] for n in (2, 8))
            assert np.all(many.peb_m.value < few.peb_m.value)
            assert np.all(many.sum_se_bit_s_hz.value > few.sum_se_bit_s_hz.value)

    def test_spectral_efficiency_rises_with_its_power(self, trade_off):
        for curve in trade_off.curves:
            assert np.all(np.diff(curve.sum_se_bit_s_hz.value) > 0)

    def test_table_holds_what_the_data_does(self, trade_off):
        names, *rows = trade_off.rows()
        assert len(rows) == 8 * len(trade_off.comm_power_fraction)
        table = dict(zip(names, rows[-1], strict=True))
        last = trade_off.data()["curves"][-1]
        assert table["peb_m"] == last["peb_m"][-1]
        assert table["sum_se_bit_s_hz_high"] == last["sum_se_bit_s_hz_high"][-1]


class TestLayout:
    def test_sum_spectral_efficiency_is_7_of_each_draw(self):
        layout = Layout.draw(load("paper", {"radio.comm_power_fraction": 0.3}), 3, 1, 2)
        assignment = layout.assignment(FarthestPoint())
        radio, transmitters = layout.view.radio, assignment.transmitters
        sums = []
        for h in layout.channels[:, transmitters]:
            sensing = 0.7 * radio.transmit_power_w * np.eye(len(transmitters))
            precoding = precoding_matrix(h, radio.transmit_power_w, 0.3)
            sums.append(spectral_efficiency(h, precoding, sensing, radio.noise_power_w).sum())
        assert layout.sum_spectral_efficiency([assignment])[0] == pytest.approx(np.mean(sums), rel=ROUNDING)
        assert sums[0] != sums[1]

    def test_layouts_differ_and_can_be_drawn_again(self):
        one, other, again = (Layout.draw(load("paper"), 1, i, 1) for i in (0, 1, 0))
        assert not np.array_equal(one.network.ap_positions_m, other.network.ap_positions_m)
        np.testing.assert_array_equal(one.channels, again.channels)


class TestIntervals:
    def test_mean_interval_is_students(self):
        value, low, high = figures.mean_interval([[1.0], [2.0], [3.0], [4.0]])
        assert value == 2.5
        np.testing.assert_allclose([low, high], [[2.5 - 2.0542], [2.5 + 2.0542]], atol=1e-4)  # t = 3.1824

    def test_mean_of_one_sample_has_no_interval(self):
        value, low, high = figures.mean_interval([[1.0, 2.0]])
        np.testing.assert_array_equal(value, [1.0, 2.0])
        assert np.isnan([low, high]).all()

    def test_median_interval_is_between_order_statistics(self):
        value, low, high = figures.median_interval(np.arange(1.0, 101.0))
        assert (value, low, high) == (50.5, 40.0, 61.0)  # of 100: the 40th and the 61st, as tables have it

    def test_median_of_five_samples_has_no_interval(self):
        assert np.isnan(figures.median_interval(np.arange(5.0)).low)
        assert figures.median_interval(np.arange(6.0)).low == 0.0

    @pytest.mark.parametrize("interval", [figures.mean_interval, figures.median_interval])
    def test_interval_holds_the_truth_in_95_percent(self, interval):
        samples = np.random.default_rng(5).normal(size=(30, 2000))
        _, low, high = interval(samples)
        assert np.mean((low <= 0.0) & (high >= 0.0)) == pytest.approx(0.955, abs=0.02)


class TestFanOut:
    def test_results_come_in_order_with_one_blas_thread(self):
        found = figures.each_realization(_threads, 3, 1, "test")
        assert [index for index, _ in found] == [0, 1, 2]
        assert {threads for _, threads in found} <= {1}

    def test_one_realization_is_worked_out_here(self):
        assert figures.each_realization(_threads, 1, 2, "test") == [(0, 1)]
        with threadpool_limits(limits=2):
            assert figures.each_realization(_threads, 1, None, "test") == [(0, 1)]

    @pytest.mark.parametrize(("realizations", "workers", "named"), [(0, 1, "--realizations"), (1, 0, "--workers")])
    def test_counts_below_one_are_refused(self, realizations, workers, named):
        with pytest.raises(ScenarioError, match=named):
            figures.each_realization(_threads, realizations, workers, "test")

    @pytest.mark.slow
    @pytest.mark.parametrize("module", [figure_2, figure_3a, figure_3b, figure_3c])
    def test_same_bytes_for_any_number_of_workers(self, module):
        one, two = (figures.json_text(module.run(2, seed=2, workers=workers).data()) for workers in (1, 2))
        assert one == two


def _threads(index):
    from threadpoolctl import threadpool_info

    return index, max((pool["num_threads"] for pool in threadpool_info()), default=1)


def folder(path, name="figure-3c"):
    return OutputFolder(path=path, command=name, names=figures.file_names(name), settings={})


class TestFiles:
    def test_all_four_are_written_and_the_same_again(self, tmp_path, trade_off):
        first = figures.save(trade_off, "figure-3c", folder(tmp_path / "a" / "b"))
        second = figures.save(trade_off, "figure-3c", folder(tmp_path / "c"))
        assert [path.suffix for path in first] == [".json", ".csv", ".png", ".pdf"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
        assert first[2].read_bytes().startswith(b"\x89PNG")
        assert b"CreationDate" not in first[3].read_bytes()

    def test_layout_is_that_of_a_figure_saved_by_itself(self, tmp_path, trade_off):
        *_, png, _ = figures.save(trade_off, "figure-3c", folder(tmp_path))
        figures.draw.save(trade_off.picture(), tmp_path / "by_itself.png")
        assert png.read_bytes() == (tmp_path / "by_itself.png").read_bytes()

    def test_missing_numbers_are_null_and_empty_cells(self, tmp_path):
        single = figure_3b.run(1, seed=1, workers=1)
        data, table, *_ = figures.save(single, "one", folder(tmp_path, "one"))
        assert json.loads(data.read_text())["sum_se_sensing_centric_low"] == [None] * 11
        with table.open(newline="") as file:
            assert next(file) == "# schema_version: 1\n"
            rows = list(csv.DictReader(file))
        assert [row["n_receivers"] for row in rows] == [str(n) for n in range(1, 12)]
        assert rows[0]["sum_se_sensing_centric_low"] == ""
        assert float(rows[5]["coverage_sensing_centric"]) == single.coverage["sensing_centric"].value[5]

    def test_no_text_of_a_figure_is_cut_off(self, cost_maps, errors, coverage_curves, trade_off, monkeypatch):
        monkeypatch.setattr(figure_3a, "POWERS_DBM", (0.0, 40.0))
        for result in (cost_maps, errors[0], coverage_curves, trade_off):
            assert cut_off(result.picture()) == []

    def test_pictures_of_the_other_figures_can_be_drawn(self, cost_maps, errors):
        result, _, _ = errors
        assert len(cost_maps.picture().axes) == 4  # two maps and their colour bars
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(figure_3a, "POWERS_DBM", (0.0, 40.0))
            assert len(result.picture().axes) == 6  # a row for each estimator, two targets and random layouts


class TestCommand:
    def test_json_is_one_object_and_writes_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        answer = CliRunner().invoke(app, ["figure", "3b", "--realizations", "1", "--workers", "1", "--json"])
        assert answer.exit_code == 0, answer.output
        assert json.loads(answer.stdout)["realizations"] == 1
        assert not list(tmp_path.iterdir())

    def test_files_go_where_they_are_asked_for(self, tmp_path):
        asked = ["figure", "3b", "--realizations", "2", "--workers", "1", "--out", str(tmp_path / "here")]
        answer = CliRunner().invoke(app, asked)
        assert answer.exit_code == 0, answer.output
        assert {path.name for path in (tmp_path / "here").iterdir()} == {
            ".dmimo.json",
            *(f"figure-3b.{suffix}" for suffix in ("json", "csv", "png", "pdf")),
        }
        assert "best coverage" in answer.stdout

    def test_default_folder_names_figure_and_seed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        answer = CliRunner().invoke(app, ["figure", "3b", "--realizations", "1", "--workers", "1", "--seed", "7"])
        assert answer.exit_code == 0, answer.output
        assert list((tmp_path / "results").glob("figure-3b-7-????????/figure-3b.pdf"))

    def test_folder_that_is_a_file_is_refused_before_anything_runs(self, tmp_path, monkeypatch):
        monkeypatch.setattr(figure_3b, "run", lambda *args: pytest.fail("ran"))
        (tmp_path / "taken").write_text("")
        for out in ("taken", "taken/below"):
            answer = CliRunner().invoke(app, ["figure", "3b", "--out", str(tmp_path / out)])
            assert answer.exit_code == 2
            assert "--out" in answer.stderr

    @pytest.mark.parametrize("wrong", [["4"], ["3b", "--realizations", "0"], ["3b", "--workers", "0"], []])
    def test_wrong_requests_end_with_2(self, wrong):
        assert CliRunner().invoke(app, ["figure", *wrong]).exit_code == 2
