"""The figures of networks that change the answer: `dmimo figure link-rate`, `iq-bits`, `loss` and `failure`."""

import csv
import json
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from models.radio.quantisation import BlockFloatingPoint, Uniform
from scenarios.commands.cli import app
from scenarios.figures import common as figures
from scenarios.figures import figure_failure, figure_iq_bits, figure_link_rate, figure_loss
from scenarios.figures.figure_iq_bits import Beside, DirectPathTap, IqBesideDirectPath
from scenarios.figures.network_study import ONE_TARGET, Curve, Curves, Sample, last_sample
from scenarios.file.files import load
from scenarios.output.folders import OutputFolder
from tests.texts import cut_off

MARGIN = 0.02
"""Relative distance from a predicted rate at which the prediction is tested."""
SAMPLING = 0.1
"""Of a share, over the layouts that are looked at here."""
PILOT_NOISE = 1e-3
"""What two calibrations of different clocks differ by, as a share of spectral efficiency."""
LITTLE = 10.0 ** (1.2 / 20.0)
"""What the bound may lose at the number of bits above the knee of the mean receiver."""


def sample(settings, n_cpis=4, seed=1, **parts):
    return last_sample(load("paper", ONE_TARGET | settings), seed, n_cpis, **parts)


@pytest.fixture
def few_points():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure_link_rate, "RATES_BIT_S", 1e6 * np.array([20.0, 260.0]))
        patch.setattr(figure_link_rate, "CPIS", 2)
        patch.setattr(figure_link_rate, "EARLIEST_CPI", 1)
        patch.setattr(figure_iq_bits, "BITS", np.array([8, 16]))
        axes = {name: (x[[0, -1]], more) for name, (x, more) in figure_loss.AXES.items()}
        patch.setattr(figure_loss, "AXES", axes)
        patch.setattr(figure_loss, "N_CPIS", 2)
        yield patch


class TestSamples:
    def test_estimating_in_the_last_cpi_alone_changes_nothing_of_it(self):
        scenario = load("paper", ONE_TARGET)
        whole = scenario.build(seed=3).run(3).cpis[-1]
        alone = last_sample(scenario, 3, 3)
        assert alone.error_m == whole.score.error_m[0] and alone.bound_m == whole.peb_structured_m[0]
        assert alone.sum_se_bit_s_hz == whole.se_bit_s_hz.sum() and alone.fused == alone.reports == 1.0

    def test_where_nothing_arrives_error_and_bound_are_infinite(self):
        lost = sample({"fronthaul.rate_bit_s": 5e6})
        assert lost.error_m == lost.bound_m == np.inf and not lost.right_lobe and lost.fused == lost.reports == 0.0

    def test_intervals_are_those_of_medians_shares_and_means(self):
        values = np.zeros((8, 1, len(Sample._fields)))
        values[:, 0, 0] = [1, 2, 3, 4, 5, 6, 7, np.inf]
        values[:2, 0, Sample._fields.index("right_lobe")] = 1.0
        values[:, 0, Sample._fields.index("fused")] = np.arange(8)
        curve = Curve(name="a", axis="x", x=np.zeros(1), samples=values)
        assert [part[0] for part in curve.interval("error_m")] == [4.5, 1.0, np.inf]
        assert [part[0] for part in curve.interval("right_lobe")] == pytest.approx(figures.share_interval(2, 8))
        assert [part[0] for part in curve.interval("fused")] == pytest.approx(figures.mean_interval(np.arange(8.0)))


class TestLinkRate:
    @pytest.mark.parametrize("name", figure_link_rate.SPLITS)
    def test_all_is_fused_just_above_the_predicted_rate_and_not_just_below(self, name):
        settings = figure_link_rate.SPLITS[name]
        least = figure_link_rate.least_rates_bit_s(load("paper", ONE_TARGET | settings))
        above, below = (
            sample(settings | {"fronthaul.rate_bit_s": least * (1.0 + sign * MARGIN)}, n_cpis=60) for sign in (1, -1)
        )
        assert above.fused == 1.0 and below.fused < 1.0


class TestLoss:
    @pytest.mark.parametrize("split", figure_loss.SPLITS)
    def test_what_is_fused_at_a_loss_is_as_predicted(self, split):
        settings = {"fronthaul.split": split, "fronthaul.loss_probability": 0.1}
        scenario = load("paper", ONE_TARGET | settings)
        results = [scenario.build(seed, estimator=None, scoring=False, tracing=False).cpis(3) for seed in range(20)]
        fused = [
            cpi.observation.n_samples.mean() / 480 for cpis in results for cpi in cpis if cpi.observation is not None
        ]
        assert np.sum(fused) / 60 == pytest.approx(figure_loss.fused_at_loss(0.1, split), abs=SAMPLING)

    def test_what_is_fused_at_a_deadline_is_as_predicted(self):
        settings = figure_loss.JITTERY | {"fronthaul.deadline_s": 150e-6}
        scenario = load("paper", ONE_TARGET | settings)
        results = [scenario.build(seed, estimator=None, scoring=False, tracing=False).cpis(3) for seed in range(20)]
        fused = [
            cpi.observation.n_samples.mean() / 480 for cpis in results for cpi in cpis if cpi.observation is not None
        ]
        assert np.sum(fused) / 60 == pytest.approx(figure_loss.fused_at_deadline(150e-6), abs=SAMPLING)


class TestIqBits:
    @pytest.mark.parametrize("quantiser", [Uniform(), BlockFloatingPoint()])
    def test_what_is_known_is_added_and_taken_off_again(self, quantiser):
        rng = np.random.default_rng(0)
        samples, known = rng.standard_normal((2, 8, 10, 2)) @ (1.0, 1.0j)
        got, error = Beside(quantiser=quantiser, known=1000.0 * known).quantised(samples, 8)
        expected, expected_error = quantiser.quantised(samples + 1000.0 * known, 8)
        assert np.array_equal(got, expected - 1000.0 * known) and error == expected_error
        assert error > np.mean(np.abs(samples) ** 2)

    def test_with_many_bits_it_is_as_if_there_were_no_direct_path(self):
        tap = DirectPathTap()
        split = partial(IqBesideDirectPath, iq_bits=40, quantiser=Uniform(), tap=tap)
        beside = sample({}, n_cpis=1, effects=[tap], split=split)
        assert beside.error_m == pytest.approx(sample({"fronthaul.iq_bits": 24}, n_cpis=1).error_m, rel=1e-3)

    def test_from_the_knee_on_bits_cost_the_bound_little(self, few_points):
        few_points.setattr(figure_iq_bits, "BITS", np.array([10, 14, 16]))
        few_points.setattr(figure_iq_bits, "NAMES", ("block-floating-point",))
        result = figure_iq_bits.run(2, seed=1, workers=1)
        coarse, knee, fine = result.curves[0].interval("bound_m").value
        assert 13.0 < result.predicted["bits at the knee"] < 14.5
        assert 1.0 < knee / fine < LITTLE < coarse / fine


@pytest.fixture(scope="module")
def failure():
    return figure_failure.run(3, seed=1, workers=1)


@pytest.mark.slow
class TestFailure:
    def test_before_the_failure_and_long_after_it_all_is_as_without(self, failure):
        exact, clocked = (interval.value for interval in failure.kept_se)
        assert np.all(exact[2:5] == 1.0) and np.all(exact[-5:] == 1.0)
        assert np.all(clocked[2:5] == 1.0) and clocked[-5:] == pytest.approx(1.0, abs=PILOT_NOISE)

    def test_pilots_win_coherence_back(self, failure):
        curve, pilots = failure.curves[1], np.flatnonzero(failure.pilots[1])
        assert set(pilots[:2]) == {0, 1} and len(pilots) == 4
        right = curve.values("right_lobe").mean(axis=0)
        assert right[10 : pilots[2]].mean() < 0.5 < right[pilots[3] + 2 :].mean()

    def test_no_text_of_its_picture_is_cut_off(self, failure):
        assert cut_off(failure.picture()) == []

    def test_its_table_has_a_row_for_each_cpi_and_story(self, failure):
        head, *rows = failure.rows()
        assert len(rows) == 2 * figure_failure.N_CPIS and {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize(
    "module", [figure_link_rate, pytest.param(figure_iq_bits, marks=pytest.mark.slow), figure_loss]
)
def test_figures_are_drawn_and_written_the_same_again(module, few_points, tmp_path):
    result = module.run(2, seed=1, workers=1)
    assert isinstance(result, Curves) and result.summary()
    assert cut_off(result.picture()) == []
    for name in "ab":
        folder = OutputFolder(path=tmp_path / name, command="f", names=figures.file_names("f"), settings={})
        figures.save(result, "f", folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    data = json.loads((tmp_path / "a" / "f.json").read_text())
    assert data["realizations"] == 2
    with (tmp_path / "a" / "f.csv").open(newline="") as file:
        next(file)
        assert len(list(csv.DictReader(file))) == sum(len(curve.x) for curve in result.curves)


def test_the_command_knows_them(few_points):
    answer = CliRunner().invoke(app, ["figure", "iq-bits", "--trials", "1", "--workers", "1", "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["curves"][0]["iq_bits"] == [8, 16]
