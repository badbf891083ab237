"""The study of selectors, `dmimo figure selection`: what a selector gets is counted apart from what it chose by."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.bounds.closed_form import coverage, information_gain, sensing_energy_w
from models.bounds.maps import closed_form_map_m
from models.network import ModeAssignment
from models.selection.communication_centric import gain_ratio_spectral_efficiency
from scenarios.commands.cli import app
from scenarios.figures import common as figures
from scenarios.figures import figure_selection, selection_study
from scenarios.figures.layouts import Layout
from scenarios.figures.selection_study import EXCHANGE_RATES, SELECTORS, best_for, not_dominated, study, study_scenario
from scenarios.file.problems import ScenarioError
from scenarios.output.folders import OutputFolder
from tests.texts import cut_off

ROUNDING = 1e-9
SMALL = {"access_points.count": 7, "schedule.n_receivers": 3, "user_equipment.count": 4}


def folder(path, name="figure-selection"):
    return OutputFolder(path=path, command=name, names=figures.file_names(name), settings={})


@pytest.fixture(scope="module")
def result():
    return figure_selection.run(6, seed=1, workers=1)


@pytest.fixture(scope="module")
def small():
    return study(0, study_scenario(SMALL), 1)


def named(result, name):
    return next(row for row in result.data()["selectors"] if row["selector"] == name)


class TestLayoutStudy:
    def test_every_selector_is_one_of_the_splits(self, small):
        all_covered, all_rates, _ = small.splits
        assert len(all_rates) == 35
        for covered, rate in zip(small.coverage, small.sum_se_bit_s_hz, strict=True):
            at = np.isclose(all_rates, rate, rtol=ROUNDING)
            assert np.any(at & (all_covered == covered))

    def test_coverage_of_a_split_is_that_of_the_closed_form_map(self, small):
        layout = Layout.draw(study_scenario(SMALL), 1, 0, 1)
        network, radio = layout.network, layout.view.radio
        gain = information_gain(network, sensing_energy_w(radio, network.n_antennas), 1.0, radio.noise_power_w)
        points = layout.points_m(selection_study.GRID_STEP_M)
        assignment = ModeAssignment.of(7, transmitters=[3, 4, 5, 6], receivers=[0, 1, 2])  # the first in order
        peb_m = closed_form_map_m(network, assignment, points, gain)
        assert small.splits[0, 0] == pytest.approx(coverage(peb_m, 0.1 * network.wavelength_m), abs=ROUNDING)

    def test_a_point_on_an_access_point_is_not_covered(self):
        on_grid = [[x, y] for x in (62.5, 437.5, 812.5) for y in (62.5, 437.5)]
        strong = {"radio.transmit_power_dbm": 80.0, "schedule.n_receivers": 3, "access_points.positions_m": on_grid}
        covered, _, _ = study(0, study_scenario(strong), 1).splits
        np.testing.assert_array_equal(covered, (1600 - 6) / 1600)

    def test_rates_of_the_ues_add_up_to_the_sum(self, small):
        np.testing.assert_allclose(small.ue_se_bit_s_hz.sum(axis=1), small.sum_se_bit_s_hz, rtol=ROUNDING)

    def test_nothing_beats_the_best_of_all_splits(self, small):
        assert np.all(small.coverage <= small.best[0] + ROUNDING)
        assert np.all(small.sum_se_bit_s_hz <= small.best[1] * (1 + ROUNDING))
        assert small.front[0, 0, 1] == small.best[1]  # coverage worth nothing
        assert small.front[0, -1, 0] == small.front[1, -1, 0] == small.best[0]  # coverage worth everything

    def test_rank_correlation_by_hand(self):
        found = selection_study._rank_correlation(np.array([1.0, 5.0, 2.0, 9.0]), np.array([10.0, 30.0, 20.0, 25.0]))
        assert found == pytest.approx(1.0 - 6.0 * 2.0 / (4 * 15))
        assert np.isnan(selection_study._rank_correlation(np.ones(3), np.arange(3.0)))

    def test_front_holds_the_split_that_every_exchange_rate_asks_for(self, small):
        covered, rates, _ = small.splits
        front = not_dominated(covered, rates)
        assert np.all(np.diff(covered[front]) > 0)
        assert np.all(np.diff(rates[front]) < 0)
        for index in best_for(EXCHANGE_RATES[1:-1], covered, rates):
            assert np.any((covered[front] == covered[index]) & (rates[front] == rates[index]))

    def test_front_is_what_pairwise_comparison_leaves(self):
        covered, rates = np.random.default_rng(3).integers(0, 12, size=(2, 60)).astype(float)
        better = (covered[:, None] >= covered) & (rates[:, None] >= rates)
        better &= (covered[:, None] > covered) | (rates[:, None] > rates)
        left = {(covered[i], rates[i]) for i in np.flatnonzero(~better.any(axis=0))}
        front = not_dominated(covered, rates)
        assert len(front) == len(left)
        assert {(covered[i], rates[i]) for i in front} == left


class TestWhatSelectorsBuy:
    def test_greedy_on_the_closed_form_beats_every_split_of_19(self, result):
        gain = result.gains("communication-centric")
        for name in ("greedy-surrogate", "greedy-se", "joint-greedy-0.5"):
            assert gain.low[list(SELECTORS).index(name), 1] > 0.0

    def test_closed_form_ranks_splits_and_19_does_not(self, result):
        plain, amplitude, closed_form = result.rank_correlation().value
        assert closed_form > 0.8
        assert max(abs(plain), abs(amplitude)) < 0.4

    def test_coverage_weight_trades_rate_for_coverage(self, result):
        light, heavy = named(result, "joint-greedy-0.1"), named(result, "joint-greedy-0.9")
        assert light["sum_se_bit_s_hz"] > heavy["sum_se_bit_s_hz"]
        assert light["coverage"] < heavy["coverage"]

    def test_exchange_comes_close_to_the_best_coverage(self, result):
        for name in ("bound-greedy", "exhaustive"):
            assert named(result, name)["coverage_share_of_best"] > 0.98

    def test_means_stay_below_the_front_of_all_splits(self, result):
        """With one exchange rate for all layouts nothing has more of SE + rate * coverage than the front."""
        front, means = result.samples("front")[:, 0].mean(axis=0), result.values.mean(axis=0)
        for rate, (covered, se) in zip(EXCHANGE_RATES, front, strict=True):
            assert np.all(means[:, 1] + rate * means[:, 0] <= (se + rate * covered) * (1 + ROUNDING))

    def test_19_rewards_gains_of_one_ue_alone(self):
        """Without noise (19) is sum_k -log2(1 - p_k), p_k the share of UE k in sum B_i^2: least for equal shares."""
        even, uneven = np.full((1, 4), 1.0), np.array([[1.0, 0.1, 0.1, 0.1]])
        one = np.array([[True]])
        flat, steep = (gain_ratio_spectral_efficiency(one, gain, 1e-12)[0] for gain in (even, uneven))
        shares = uneven[0] ** 2 / np.sum(uneven**2)
        assert steep == pytest.approx(-np.log2(1.0 - shares).sum(), rel=1e-6)
        assert flat == pytest.approx(4.0 * np.log2(4.0 / 3.0), rel=1e-6)
        assert steep > 2.0 * flat

    def test_19_ranks_splits_by_what_one_ue_has_of_all_gains(self):
        layout = Layout.draw(study_scenario({}), 1, 0, 1)
        transmits = selection_study.all_splits(layout)
        power = (transmits.astype(float) @ layout.view.path_gain) ** 2
        largest = (power / power.sum(axis=1, keepdims=True)).max(axis=1)
        metric = selection_study._metrics(layout, transmits)[0]
        assert selection_study._rank_correlation(metric, largest) > 0.95


class TestResult:
    def test_value_lies_in_its_interval(self, result):
        for row in result.data()["selectors"]:
            for column in figure_selection.COLUMNS:
                assert row[f"{column}_low"] <= row[column] <= row[f"{column}_high"], (row["selector"], column)

    def test_gain_is_over_the_average_split(self, result):
        data = result.data()
        for row in data["selectors"]:
            gain = row["sum_se_bit_s_hz"] - data["average_split"]["sum_se_bit_s_hz"]
            assert row["sum_se_gain_bit_s_hz"] == pytest.approx(gain, abs=1e-9)

    def test_gain_over_oneself_is_nothing(self, result):
        gain = result.gains("greedy-se")
        np.testing.assert_array_equal(np.array(gain)[:, list(SELECTORS).index("greedy-se")], 0.0)

    def test_19_in_20_ues_get_the_likely_rate(self, result):
        rates = result.samples("ue_se_bit_s_hz")
        for i, likely in enumerate(result.likely_se_bit_s_hz().value):
            assert np.mean(rates[:, i] >= likely) == pytest.approx(0.95, abs=0.02)

    def test_quantiles_rise_from_the_least_to_the_largest_rate(self, result):
        rates = result.samples("ue_se_bit_s_hz")
        quantiles = named(result, "sensing-centric")["ue_se_quantiles_bit_s_hz"]
        assert np.all(np.diff(quantiles) >= 0)
        assert [quantiles[0], quantiles[-1]] == [rates[:, 1].min(), rates[:, 1].max()]

    def test_table_holds_what_the_data_does(self, result):
        names, *rows = result.rows()
        for row, selector in zip(rows, result.data()["selectors"], strict=True):
            assert dict(zip(names, row, strict=True)).items() <= selector.items()

    def test_times_are_not_among_the_data(self, result):
        assert "cpu_s" not in figures.json_text(result.data())
        assert set(result.cpu_s) == set(SELECTORS)
        assert min(result.cpu_s.values()) > 0.0

    def test_files_are_the_same_bytes_again(self, result, tmp_path):
        first, second = (figures.save(result, "figure-selection", folder(tmp_path / name)) for name in "ab")
        assert [path.suffix for path in first] == [".json", ".csv", ".png", ".pdf"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name

    def test_no_text_of_the_picture_is_cut_off(self, result):
        assert cut_off(result.picture()) == []

    def test_one_layout_has_no_intervals(self, tmp_path):
        single = figure_selection.run(1, seed=1, workers=1, overrides=SMALL)
        data, table, *_ = figures.save(single, "figure-selection", folder(tmp_path))
        assert json.loads(data.read_text())["selectors"][0]["likely_se_bit_s_hz_low"] is None
        with table.open(newline="") as file:
            assert next(file) == "# schema_version: 1\n"
            assert next(csv.DictReader(file))["coverage_high"] == ""
        assert "One layout" in [ax.get_title(loc="left") for ax in single.picture().axes]

    def test_what_is_not_known_is_a_dash(self):
        silent = figure_selection.run(1, seed=1, workers=1, overrides=SMALL | {"radio.comm_power_fraction": 0.0})
        *_, rank = lines = silent.summary()
        assert "nan" not in "".join(lines)
        assert rank.endswith("(19) –, (19) amplitude –, closed form –")
        assert lines[2].split()[2:4] == ["+0.00", "+-"]
        assert lines[2].count("–") == 2
        _, _, rates, ranks = silent.picture().axes  # drawn without a warning
        assert rates.get_xscale() == "linear"
        assert [text.get_text() for text in ranks.texts] == ["not known"] * 3

    @pytest.mark.slow
    def test_same_bytes_for_any_number_of_workers(self):
        one, two = (
            figures.json_text(figure_selection.run(3, seed=2, workers=workers, overrides=SMALL).data())
            for workers in (1, 2)
        )
        assert one == two


class TestSettings:
    def test_settings_reach_the_layouts(self):
        weak, strong = (
            study(0, study_scenario(SMALL | {"radio.transmit_power_dbm": power}), 1) for power in (10.0, 30.0)
        )
        assert strong.average[0] > weak.average[0]
        assert strong.splits.shape == weak.splits.shape == (3, 35)

    @pytest.mark.parametrize(
        ("overrides", "named"),
        [
            ({"access_points.count": 17, "schedule.n_receivers": 1}, "every split"),
            ({"user_equipment.count": 0}, "user_equipment.count"),
            ({"selector.kind": "random"}, "no effect"),
            ({"schedule.n_receivers": 12}, "n_receivers"),
        ],
    )
    def test_settings_that_cannot_be_are_refused(self, overrides, named):
        with pytest.raises(ScenarioError, match=named):
            study_scenario(overrides)


class TestCommand:
    def test_json_has_the_times_and_the_folder_has_not(self, tmp_path):
        asked = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
        words = [
            "figure",
            "selection",
            "--realizations",
            "2",
            "--workers",
            "1",
            *asked,
            "--json",
            "--out",
            str(tmp_path),
        ]
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code == 0, answer.output
        data = json.loads(answer.stdout)
        assert set(data.pop("cpu_s")) == set(SELECTORS)
        assert data == json.loads((tmp_path / "figure-selection.json").read_text())
        assert data["setting"] == SMALL

    def test_figures_of_the_paper_take_no_settings(self):
        answer = CliRunner().invoke(app, ["figure", "3b", "--set", "radio.transmit_power_dbm=10"])
        assert answer.exit_code == 2
        assert "--set" in answer.stderr

    def test_selectors_can_be_named_in_a_scenario(self):
        for kind, key in (
            ("greedy-se", "n_draws=2"),
            ("joint-greedy", "coverage_weight=0.2"),
            ("exhaustive", "rcs_m2=2.0"),
        ):
            words = ["bound", "paper", "--json", "--set", f'selector.kind="{kind}"', "--set", f"selector.{key}"]
            assert CliRunner().invoke(app, words).exit_code == 0, kind


@pytest.mark.slow
def test_docs_show_the_table_that_the_command_gives():
    root = Path(__file__).parent.parent
    page = (root / "docs" / "measurements" / "selection.md").read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "scenarios", "figure", "selection", "--json"], capture_output=True, text=True, cwd=root,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, check=True,
    )  # fmt: skip
    for row in json.loads(done.stdout)["selectors"]:
        line = next(line for line in page.splitlines() if line.startswith(f"| `{row['selector']}` |"))
        reach = [row[f"{name}_high"] - row[name] for name in ("sum_se_gain_bit_s_hz", "coverage_gain")]
        shown = [
            f"{row['sum_se_bit_s_hz']:.1f}",
            f"{row['sum_se_gain_bit_s_hz']:+.1f} ± {reach[0]:.1f}",
            f"{row['coverage']:.3f}",
            f"{row['coverage_gain']:+.3f} ± {reach[1]:.3f}",
            f"{row['likely_se_bit_s_hz']:.2f}",
        ]
        assert [cell.strip() for cell in line.split("|")[2:7]] == shown
