"""The budget of phase: its numbers are those of their sources, and what is computed follows its laws."""

import numpy as np
import pytest

from models.bounds.hybrid import hybrid_bound_m
from models.radio.gram import Gram
from scenarios.figures import common as figures
from scenarios.figures import figure_phase_budget
from scenarios.figures.figure_phase_budget import CALIBRATIONS, SINCE_S
from scenarios.figures.point_bounds import expected_illumination
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from tests.texts import cut_off


@pytest.fixture(scope="module")
def budget():
    return figure_phase_budget.run(2, seed=1, workers=1)


@pytest.fixture(scope="module")
def weak():
    return figure_phase_budget.run(2, seed=1, workers=1, overrides={"radio.transmit_power_dbm": 10.0})


def phases(budget):
    return {entry.name: entry.phase_rad for entry in budget.entries}


def test_published_figures_are_told_as_phases_of_the_carrier(budget):
    found = phases(budget)
    assert found["3GPP time alignment"][0] / (2.0 * np.pi) == pytest.approx(227.5)  # cycles in 65 ns at 3.5 GHz
    assert found["White Rabbit switch"][0] == pytest.approx(0.242, abs=5e-4)
    assert found["path surveyed 1 mm wrong"][0] == pytest.approx(0.0734, abs=5e-5)
    assert budget.time_s(0.1) == pytest.approx(4.55e-12, rel=1e-3)


def test_clocks_drift_as_the_page_on_clocks_says(budget):
    """From docs/clocks.md: 0.1 rad after 19.7 ms of a high TCXO, after 0.207 ms of a low one."""
    found = phases(budget)
    assert np.interp(19.7e-3, SINCE_S, found["high-tcxo"]) == pytest.approx(0.1, rel=0.1)
    assert found["low-tcxo"][0] == pytest.approx(0.1 * np.sqrt(1.0 / 0.207), rel=0.01)
    assert all(np.all(np.diff(found[name]) > 0.0) for name in figure_phase_budget.CLOCKS)


def test_what_is_needed_goes_with_the_root_of_the_power(budget, weak):
    np.testing.assert_allclose(weak.needed_rad, 10.0 * np.array(budget.needed_rad), rtol=0.01)


def test_what_pilots_leave_is_noise_and_echoes_of_targets(budget):
    """Without targets it goes with the root of the power."""
    strong, noisy = (
        phases(figure_phase_budget.run(1, 1, 1, {"targets": [], "radio.transmit_power_dbm": power}))
        for power in (30.0, 10.0)
    )
    for kind in CALIBRATIONS:
        assert noisy[kind][0] == pytest.approx(10.0 * strong[kind][0], rel=0.02)
        assert strong[kind][0] < phases(budget)[kind][0] < 1e-2 * budget.needed_rad[0]


def test_the_hybrid_bound_doubles_at_what_is_needed():
    scenario = load("paper")
    emulation = scenario.build(3, tracing=False, scoring=False, estimator=None)
    needed = figure_phase_budget._needed_rad(emulation, scenario)
    view = emulation.central.view()
    assignment = emulation.central.selector.select(view, np.random.default_rng(0))
    point = figure_phase_budget._points_m(view.area)[44]
    gram = Gram.of(expected_illumination(scenario, 3, view, assignment))
    known = (view.network, assignment, point, [1.0], [0.0], gram, view.radio.noise_power_w)
    exact, off = (float(hybrid_bound_m(*known, variance)[0]) for variance in (0.0, needed[44] ** 2))
    assert off / exact == pytest.approx(2.0, rel=0.01)


def test_what_is_written_is_what_was_found(budget, weak):
    data, rows, summary = budget.data(), budget.rows(), budget.summary()
    assert figures.json_text(data) and [entry["name"] for entry in data["entries"]] == list(phases(budget))
    assert len(rows) == 1 + sum(len(entry.phase_rad) for entry in budget.entries) + len(budget.needed_rad)
    assert len(summary) == len(budget.entries) + 1 and summary[0] == "standard: 3GPP time alignment, 1,429 rad, 65 ns"
    assert weak.data()["setting"] == {"radio.transmit_power_dbm": 10.0}


def test_every_bar_has_its_name_and_numbers(budget):
    figure = budget.picture()
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(phases(budget))
    assert {budget.text(entry) for entry in budget.entries} == {text.get_text() for text in ax.texts}
    assert ax.get_xscale() == "log" and "TS 38.104" in figure.get_supxlabel()
    assert cut_off(figure) == []


def test_a_setting_that_is_wrong_is_refused():
    with pytest.raises(ScenarioError):
        figure_phase_budget.run(1, overrides={"radio.transmit_power_dbm": 400.0})
