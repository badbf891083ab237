"""A range of seeds: each runs as it does alone, and a summary says what came of all."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from scenarios.commands.cli import app
from scenarios.commands.seeds import Tally, summary

SMALL = """
area.size_m = [200.0, 200.0]
access_points = {count = 4, n_antennas = 4}
user_equipment.count = 1
targets = [{}]
schedule = {n_receivers = 2, cpis = 2}
estimator = {kind = "grid", grid_step_m = 20.0}
"""


pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(autouse=True)
def in_a_folder_with_a_scenario(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)


def dmimo(*words):
    return CliRunner().invoke(app, ["run", "small.toml", *map(str, words)])


def tally(seed, resolved=1, error_m=0.001):
    return Tally(seed, 2, resolved, 2 - resolved, error_m, 0.0, 10.0 + seed, 1e-3)


def test_each_seed_has_the_folder_that_it_has_alone():
    done = dmimo("--seed", "3..4", "--out", "all")
    assert done.exit_code == 0, done.output
    assert dmimo("--seed", 4, "--out", "alone").exit_code == 0
    assert Path("all/seed-4/result.json").read_bytes() == Path("alone/result.json").read_bytes()
    assert Path("all/seed-3/map.png").exists()
    for words in ("2 seeds", "Resolved, of all targets", "95 % interval", "all/seed-3"):
        assert words in done.stdout


def test_without_a_folder_each_goes_where_its_seed_goes():
    assert dmimo("--seed", "1..2").exit_code == 0
    assert {path.name.rsplit("-", 1)[0] for path in Path("results").iterdir()} == {"small-1", "small-2"}


def test_json_is_one_object_with_a_run_for_each_seed():
    data = json.loads(dmimo("--seed", "3..5", "--json").stdout)
    assert set(data) == {"schema_version", "runs", "summary", "wall_s"}
    assert [run["seed"] for run in data["runs"]] == [3, 4, 5]
    alone = json.loads(dmimo("--seed", 4, "--json").stdout)
    assert data["runs"][1] == {key: alone[key] for key in data["runs"][1]}
    assert set(data["summary"]["share_resolved"]) == {"value", "low", "high"}
    assert not Path("results").exists()


def test_a_range_of_one_seed_is_that_seed():
    assert "cpis" in json.loads(dmimo("--seed", "4..4", "--json").stdout)


def test_no_folder_is_written_where_one_would_be_refused():
    assert dmimo("--seed", 2, "--cpis", 1, "--out", "all/seed-2").exit_code == 0
    done = dmimo("--seed", "1..2", "--out", "all")
    assert done.exit_code == 2
    assert "schedule.cpis: 1 there, 2 now" in done.stderr
    assert not Path("all/seed-1").exists()


@pytest.mark.parametrize("text", ["2..1", "1..", "..3", "-1..3", "1..x", "1...3", "0..10000"])
def test_what_is_no_range_is_refused(text):
    done = dmimo(f"--seed={text}")
    assert done.exit_code == 2
    assert "as 1..20" in done.stderr.replace("\n", " ")


def test_a_seed_counts_once_and_shares_stay_shares():
    found = summary([tally(0, 2), tally(1, 2), tally(2, 0)])
    assert found["share_resolved"].value == pytest.approx(2 / 3)
    assert (found["share_resolved"].low, found["share_resolved"].high) == (0.0, 1.0)
    assert found["sum_se_bit_s_hz"].value == pytest.approx(11.0)


def test_a_missed_target_counts_as_an_infinite_error():
    errors = [0.001, 0.002, 0.003, np.inf, np.inf, np.inf, np.inf]
    found = summary([tally(seed, error_m=error) for seed, error in enumerate(errors)])
    assert found["median_error_m"].value == np.inf


def test_without_targets_there_is_no_share():
    data = json.loads(dmimo("--seed", "1..2", "--json", "--set", "targets=[]").stdout)
    assert data["summary"]["share_resolved"] == {"value": None, "low": None, "high": None}
    assert "Resolved" not in dmimo("--seed", "1..2", "--set", "targets=[]", "--out", "o").stdout
