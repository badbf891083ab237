"""Metrics: one list that the JSON, the table and the picture read."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from models.observation import REASONS, Estimate
from models.scoring import score
from scenarios.commands.run import print_summary
from scenarios.output import metrics
from scenarios.output.metrics import METRICS, Curve, Panel, Per
from scenarios.output.results import cpi_data, json_text
from scenarios.output.series import draw_panel, metrics_figure

CONTRACT = {
    "cpi": [
        "index", "transmitters", "receivers", "targets", "false_detections", "false_positions_m", "se_bit_s_hz",
        "sum_se_bit_s_hz", "sensing_latency_s", "reports_expected", "reports_fused",
    ],
    "target": ["truth_m", "status", "estimate_m", "covariance_m2", "error_m", "peb_m", "peb_structured_m"],
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    from scenarios import load
    from tests.conftest import SMALL

    return load("paper", SMALL).build(seed=1).run(n_cpis=3)


def known(cpi):
    """Return the CPI as if target 1 were missed and target 0 found 5 mm off, beside a false one."""
    truth = np.array([[100.0, 200.0], [300.0, 400.0]])
    estimate = Estimate(
        positions_m=np.array([[100.003, 200.004], [700.0, 10.0]]),
        resolved=np.array([True, False]),
        covariance_m2=np.array([np.diag([1e-6, 4e-6]), np.diag([np.inf, 1.0])]),
        reasons=(None, "weak"),
    )
    found = score(estimate, truth, np.array([1.0, 1.0]))
    return replace(cpi, truth_m=truth, estimate=estimate, score=found, peb_m=np.array([0.002, np.nan]))


def test_the_json_of_a_cpi_has_the_keys_that_others_rely_on_first(result):
    data = cpi_data(result.cpis[-1])
    assert list(data)[: len(CONTRACT["cpi"])] == CONTRACT["cpi"]
    for target in data["targets"]:
        assert [key for key in target if key in CONTRACT["target"]] == CONTRACT["target"]


def test_names_are_unique_and_say_their_unit():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    suffixes = {"m": "_m", "m^2": "_m2", "s": "_s", "bit/s/Hz": "_bit_s_hz"}
    for metric in METRICS:
        assert metric.unit == "" or metric.name.endswith(suffixes[metric.unit]), metric.name


def test_every_metric_has_as_many_values_as_it_says(result):
    cpi = result.cpis[-1]
    for metric in METRICS:
        value = metric.of(cpi)
        if value is None:
            assert metric.optional
        elif metric.per is Per.TARGET:
            assert len(value) == len(cpi.truth_m), metric.name
        elif metric.per is Per.UE:
            assert len(value) == len(result.network.ue_names), metric.name


def test_values_of_a_known_cpi(result):
    data = json.loads(json_text(cpi_data(known(result.cpis[-1]))))
    found, missed = data["targets"]
    assert found["status"] == "resolved"
    assert found["error_m"] == pytest.approx(0.005, rel=1e-6)
    assert found["covariance_m2"] == [[1e-6, 0.0], [0.0, 4e-6]]
    assert (missed["status"], missed["estimate_m"], missed["error_m"]) == ("missed", None, None)
    assert (missed["covariance_m2"], missed["peb_m"]) == (None, None)
    assert (data["false_detections"], data["false_positions_m"]) == (1, [[700.0, 10.0]])


def test_the_table_shows_values_in_the_unit_of_its_headings(result):
    columns = dict(metrics.columns(known(result.cpis[-1])))
    assert columns["error"] == ["5 mm", "–"]
    assert columns["bound"] == ["2 mm", "–"]
    assert columns["truth (m)"] == ["100.00, 200.00", "300.00, 400.00"]
    assert columns["estimate (m)"] == ["100.00, 200.00", "–"]


def unresolved(cpi):
    """Return the CPI as if both targets were found and one not resolved, by a search that stopped at its limit."""
    truth = np.array([[100.0, 200.0], [300.0, 400.0]])
    estimate = Estimate(
        positions_m=truth[::-1], resolved=np.array([False, True]), reasons=("moving", None), limited=True
    )
    return replace(cpi, truth_m=truth, estimate=estimate, score=score(estimate, truth, np.ones(2)))


def test_the_reason_of_what_is_not_resolved_is_in_json_table_and_words(result):
    first, last = result.cpis[0], unresolved(result.cpis[-1])
    data = json.loads(json_text(cpi_data(last)))
    assert [target["reason"] for target in data["targets"]] == [None, "moving"]
    assert (data["limited"], cpi_data(first)["limited"]) == (True, False)
    assert dict(metrics.columns(last))["reason"] == ["–", "moving"]
    console = Console(width=120, record=True, file=io.StringIO())
    print_summary(replace(result, cpis=(first, last)), 1.5, console)
    text = console.export_text()
    assert f"Not resolved, moving     {REASONS['moving']}" in text
    assert re.search(r"Search stopped +in 1 of 2 CPIs at its limit of operations", text)


def test_where_all_is_resolved_nothing_is_said_of_reasons_and_limits(result):
    assert "reason" not in dict(metrics.columns(known(result.cpis[-1])))
    assert "Search stopped" not in dict(metrics.lines(result.cpis))


def test_the_documentation_tells_what_the_reasons_mean():
    page = (Path(__file__).parent.parent / "docs" / "output.md").read_text(encoding="utf-8")
    assert re.findall(r"^- `(\w+)`: (.+)$", page, re.MULTILINE) == list(REASONS.items())


def test_lines_say_something_of_all_cpis(result):
    said = dict(metrics.lines(result.cpis))
    mean = np.mean([cpi.se_bit_s_hz.sum() for cpi in result.cpis])
    assert said["Sum spectral efficiency"] == f"{mean:.2f} bit/s/Hz, mean of 3 CPIs"
    assert said["Reports fused"] == "27 of 27"
    console = Console(width=120, record=True, file=io.StringIO())
    print_summary(result, 1.5, console)
    text = console.export_text()
    for heading, words in said.items():
        assert any(line.startswith(heading) and line.rstrip().endswith(words) for line in text.splitlines())


def test_the_picture_has_a_panel_for_each_kind_of_value(result):
    drawn = metrics.curves(result.cpis)
    figure = metrics_figure(0, drawn)
    assert [ax.get_title(loc="left") for ax in figure.axes] == [panel.title for panel in drawn]
    assert [curve.heading for curve in drawn[metrics.POSITION]] == ["error", "bound"]


def test_curves_are_in_the_unit_of_their_panel(result):
    drawn = metrics.curves([known(cpi) for cpi in result.cpis])
    error, bound = drawn[metrics.POSITION]
    np.testing.assert_allclose(error.values, [[5.0, np.nan]] * 3, rtol=1e-6)
    np.testing.assert_allclose(bound.values, [[2.0, np.nan]] * 3)
    latency = next(curves for panel, curves in drawn.items() if panel.title == "Sensing latency (ms)")
    assert latency[0].values.tolist() == [[1e3 * cpi.sensing_latency_s] for cpi in result.cpis]


def test_the_picture_leaves_out_panels_without_a_line(small):
    nobody = small({"targets": [], "user_equipment.count": 0}).build(seed=1).run(n_cpis=1)
    drawn = metrics.curves(nobody.cpis)
    assert metrics.POSITION not in drawn
    assert len(metrics_figure(0, drawn).axes) == len(drawn) > 0


def test_curves_stand_over_their_cpis_and_gaps_stay_gaps():
    values = np.array([[1.0, 30.0], [np.nan, 20.0], [3.0, 10.0]])
    panel = Panel("Error (mm)", logarithmic=True)
    ax = draw_panel(Figure().subplots(), 4, panel, [Curve("error", Per.TARGET, values)])
    for line, column in zip(ax.lines, values.T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [4, 5, 6])
        np.testing.assert_array_equal(line.get_ydata(), column)
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["target 0", "target 1"]


def test_a_panel_shows_zero_and_all_values():
    values = np.array([[-2.0], [4.0]])
    low, high = draw_panel(Figure().subplots(), 0, Panel("Gain"), [Curve("gain", Per.CPI, values)]).get_ylim()
    assert low < -2.0
    assert high > 4.0


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_logarithmic_panel_of_nothing_above_zero_can_be_drawn(value):
    nothing = [Curve("error", Per.TARGET, np.full((2, 1), value))]
    assert draw_panel(Figure().subplots(), 0, Panel("Error", logarithmic=True), nothing).get_yscale() == "linear"


def test_the_documentation_has_every_metric():
    page = (Path(__file__).parent.parent / "docs" / "output.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if re.match(r"\| `\w+` \| [^|]+ \| (CPI|target|UE) \|", line)]
    word = {Per.CPI: "CPI", Per.TARGET: "target", Per.UE: "UE"}
    rows = [f"| `{metric.name}` | {metric.unit or '–'} | {word[metric.per]} | {metric.about} |" for metric in METRICS]
    assert shown == rows, "docs/output.md: paste these rows\n" + "\n".join(rows)
