"""The benchmarks compare like with like, and their table says what was measured. Nothing here is timed."""

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import bench_cost_map, bench_fisher, bench_lattice, bench_selection, suite
from models.estimation.cost_maps import MapNodes
from models.estimation.likelihood import Echoes
from scenarios.commands.cli import app

SAME_BOUND = 1e-6
ROUNDING = 1e-12


def test_full_fisher_matrix_gives_the_bound_of_the_map():
    case = bench_fisher.Case(n_aps=6, n_antennas=4)
    expected = np.concatenate([case.plain(1, i) for i in range(3)])
    assert case.map_of(3)() == pytest.approx(expected, rel=SAME_BOUND)


def test_full_fisher_matrix_gives_the_joint_bound():
    case = bench_fisher.Case(n_aps=6, n_antennas=4)
    assert case.joint(2) == pytest.approx(case.plain(2), rel=SAME_BOUND)
    assert case.joint_of(2, 1)()[0] == pytest.approx(case.plain(2), rel=SAME_BOUND)


@pytest.mark.parametrize("model", ["structured", "free"])
def test_both_ways_find_the_same_lobe(model):
    echoes, target = bench_lattice.case(1)
    bench_lattice.require_same_lobe(echoes, model, target)


def test_both_maps_lead_to_the_same_targets():
    observation = bench_cost_map.case(1, False, n_aps=6, n_antennas=4)
    echoes, step = Echoes.of(observation), 4.0
    exact = bench_cost_map.clean(bench_cost_map.plain(observation, step), echoes, step)
    nodes = MapNodes.of(observation.network, bench_cost_map.AREA, step)
    found = bench_cost_map.clean(nodes.power, echoes, step)
    assert len(exact) >= 1
    assert bench_cost_map.shared(found, exact) == len(exact) == len(found)


def row(**changes):
    settings = {"what": "w", "kernel": "k", "figure": "us/12", "unit": "us", "aim": 1.0, "ratio": "ratio",
                "aim_ratio": 10.0}  # fmt: skip
    return suite.Row(**(settings | changes))


@pytest.mark.parametrize(
    ("figure", "ratio", "unit", "met"),
    [(0.9, 11.0, "us", True), (1.1, 11.0, "us", False), (0.9, 9.0, "us", False), (1.1, 11.0, "slots/s", True)],
)
def test_an_aim_is_met_only_if_both_figures_reach_it(figure, ratio, unit, met):
    assert suite.row_data(row(unit=unit), {"us": {12: figure}, "ratio": ratio})["met"] is met


@pytest.mark.parametrize(
    ("unit", "low", "high", "met"), [("us", 0.7, 0.9, True), ("us", 0.7, 1.1, False), ("slots/s", 0.9, 1.1, False)]
)
def test_an_aim_is_met_only_if_the_whole_interval_reaches_it(unit, low, high, met):
    limits = row(unit=unit, low="low", high="high", aim_ratio=None)
    data = suite.row_data(limits, {"us": {12: 0.8 if unit == "us" else 1.05}, "low": low, "high": high})
    assert data["met"] is met
    assert (data["low"], data["high"]) == (low, high)


def test_every_ratio_stands_beside_the_figure_of_the_plain_way():
    assert all(row.plain for row in suite.ROWS if row.ratio)


def test_shortfall_is_paired_with_exhaustive_search():
    found = bench_selection.shortfall(2)
    assert found["exhaustive"]["mean"] == found["exhaustive"]["largest"] == 0.0
    for name in ("greedy", "greedy_exchange", "farthest_point"):
        lost = found["exhaustive"]["coverage"] - found[name]["coverage"]
        assert found[name]["mean"] == pytest.approx(lost, abs=ROUNDING)
        assert found[name]["low"] <= found[name]["mean"] <= found[name]["high"]
        assert found[name]["largest"] >= 0.0


def test_a_row_without_aims_is_neither_met_nor_missed():
    data = suite.row_data(row(aim=None, aim_ratio=None), {"us": {12: 3.0}, "ratio": 2.0})
    assert data["met"] is None
    assert data["figure"] == 3.0


def test_bench_outside_of_a_checkout_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["bench", "--quick"])
    assert result.exit_code == 2
    assert "benchmarks/suite.py" in result.stderr


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["bench", "--out", str(tmp_path / "file" / "x.json")])
    assert result.exit_code == 2
    assert "--out" in result.stderr
