"""Sweeps: the same results whoever computes them and however often they are interrupted; refusals in words."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from scipy.stats import quantile_test
from typer.testing import CliRunner

from emulator.media.topologies import star
from scenarios import ScenarioError, load, open_results, sweep, to_dataframe, write_graph
from scenarios.commands.cli import app
from scenarios.commands.sweep import parse_over, read_points
from scenarios.figures.common import realization_seed
from scenarios.figures.point_bounds import bounds
from scenarios.sweeps import curves as pictures
from scenarios.sweeps import sweep as doing
from scenarios.sweeps.curves import curves, default_metric
from scenarios.sweeps.log import TaskLog, entries, first_line
from scenarios.sweeps.plan import Plan, plain_grid

pytest.importorskip("h5netcdf")
ROOT = Path(__file__).parent.parent
POWERS = {"radio.transmit_power_dbm": [10, 20]}
QUICK = {"schedule.cpis": 1, "estimator.kind": "grid", "estimator.grid_step_m": 50.0}
WAIT_S = 60.0


def command(*words):
    return CliRunner().invoke(app, ["sweep", "paper", *map(str, words)])


def grid(out, *words):
    return ("--over", "radio.transmit_power_dbm=10,20", "--what", "bound", "--workers", 1, "--out", out, *words)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of a sweep that was never interrupted."""
    out = tmp_path_factory.mktemp("reference")
    sweep("paper", POWERS, trials=20, what="bound", workers=1, out=out)
    return out


def same(folder, reference):
    assert (folder / "results.nc").read_bytes() == (reference / "results.nc").read_bytes()
    return True


class TestResults:
    def test_a_trial_has_the_same_seed_in_all_settings_and_is_what_the_bound_command_gives(self, reference):
        found = open_results(reference)
        for power in POWERS["radio.transmit_power_dbm"]:
            for trial in (0, 7):
                scenario = load("paper", {"radio.transmit_power_dbm": power})
                rows = bounds(scenario, realization_seed(1, trial))["joint"]
                values = found["peb_coherent_m"].sel({"radio.transmit_power_dbm": power, "trial": trial})
                assert values.values.tolist() == [row["peb_coherent_m"] for row in rows]

    def test_a_bound_falls_with_the_square_root_of_power(self, reference):
        low, high = open_results(reference)["peb_coherent_m"].values
        np.testing.assert_allclose(low / high, np.sqrt(10.0), rtol=1e-9)

    def test_results_tell_dimensions_units_and_where_they_come_from(self, reference):
        found = open_results(reference)
        assert found["position_m"].dims == ("radio.transmit_power_dbm", "trial", "target", "xy")
        assert found["sum_se_bit_s_hz"].attrs["units"] == "bit/s/Hz"
        assert {"scenario", "seed", "version", "command", "schema_version"} <= set(found.attrs)
        assert (reference / "scenario.toml").read_text() == found.attrs["scenario"]

    def test_a_run_has_the_metrics_of_a_run(self, tmp_path):
        scenario = load("paper", QUICK)
        found = sweep(scenario, {"schedule.cpis": [1, 2]}, trials=2, workers=1, out=tmp_path)
        result = scenario.with_({"schedule.cpis": 2}).build(realization_seed(1, 1)).run(2)
        there = found.sel({"schedule.cpis": 2, "trial": 1})
        np.testing.assert_array_equal(there["error_m"], result.errors_m)
        np.testing.assert_array_equal(there["se_bit_s_hz"], [cpi.se_bit_s_hz for cpi in result.cpis])
        assert there["status"].values.tolist() == [list(cpi.score.status) for cpi in result.cpis]
        assert there["slots"] == result.slots
        assert np.isnan(found["sum_se_bit_s_hz"].sel({"schedule.cpis": 1, "cpi": 1})).all()

    def test_numbers_of_targets_may_differ(self, tmp_path):
        found = sweep("paper", {"targets": [[], [{}], [{}, {}]]}, trials=2, what="bound", workers=1, out=tmp_path)
        assert np.isfinite(found["peb_coherent_m"]).sum(("trial", "target")).values.tolist() == [0, 2, 4]
        assert found["targets"].values.tolist() == ["[]", "[{}]", "[{}, {}]"]

    def test_a_table_has_a_column_for_each_dimension(self, reference):
        table = to_dataframe(open_results(reference), "peb_coherent_m")
        assert list(table.columns) == ["radio.transmit_power_dbm", "trial", "target", "peb_coherent_m"]
        assert len(table) == 2 * 20 * 2

    def test_a_list_of_settings_has_its_keys_along_it(self, tmp_path):
        points = [{"radio.transmit_power_dbm": 10, "schedule.n_receivers": 4}, {"radio.transmit_power_dbm": 30}]
        found = sweep("paper", points=points, trials=2, what="bound", workers=1, out=tmp_path)
        assert found["radio.transmit_power_dbm"].dims == ("point",)
        np.testing.assert_array_equal(found["schedule.n_receivers"], [4, np.nan])
        assert json.loads(found.attrs["points"]) == points


class TestGoingOn:
    def test_any_executor_and_any_number_of_workers_give_the_same_bytes(self, reference, tmp_path):
        sweep("paper", POWERS, trials=20, what="bound", workers=2, out=tmp_path / "two")
        assert same(tmp_path / "two", reference)
        with ThreadPoolExecutor(2) as executor:
            sweep("paper", POWERS, trials=20, what="bound", executor=executor, out=tmp_path / "threads")
        assert same(tmp_path / "threads", reference)

    def test_run_again_nothing_is_done_again(self, tmp_path):
        command(*grid(tmp_path, "--trials", 2))
        before = (tmp_path / "tasks.log").read_bytes()
        done = command(*grid(tmp_path, "--trials", 2))
        assert "0 of 4 tasks, 4 were done before" in done.stdout
        assert (tmp_path / "tasks.log").read_bytes() == before

    def test_trials_can_be_added(self, reference, tmp_path):
        command(*grid(tmp_path, "--trials", 5))
        assert "10 were done before" in command(*grid(tmp_path, "--trials", 20)).stdout
        assert same(tmp_path, reference)

    def test_damaged_and_torn_lines_are_done_again(self, reference, tmp_path):
        command(*grid(tmp_path, "--trials", 20))
        log = tmp_path / "tasks.log"
        lines = log.read_bytes().splitlines(keepends=True)
        lines[7] = lines[7].replace(b"0", b"1", 1)
        log.write_bytes(b"".join(lines)[:-40])
        assert "2 of 40 tasks" in command(*grid(tmp_path, "--trials", 20)).stdout
        assert same(tmp_path, reference)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_killed_in_the_middle_it_goes_on_as_if_nothing_had_been(self, reference, tmp_path, workers):
        words = ["--over", "radio.transmit_power_dbm=10,20", "--what", "bound", "--trials", "20"]
        start = [sys.executable, "-m", "scenarios", "sweep", "paper", *words, "--out", str(tmp_path)]
        process = subprocess.Popen([*start, "--workers", str(workers)], cwd=ROOT)
        _wait_for(lambda: _n_done(tmp_path) >= 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "results.nc").exists()
        assert 5 <= _n_done(tmp_path) < 40
        subprocess.run([*start, "--workers", str(workers)], cwd=ROOT, check=True, capture_output=True)
        assert same(tmp_path, reference)

    @pytest.mark.slow
    def test_a_cluster_of_which_a_worker_is_killed_gives_the_same(self, reference, tmp_path):
        pytest.importorskip("distributed")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        scheduler_file = str(tmp_path / "scheduler.json")
        run = [sys.executable, "-c", "from distributed.cli.dask_scheduler import main; main()"]
        scheduler = subprocess.Popen(
            [*run, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", scheduler_file],
            env=environment, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        work = [sys.executable, "-c", "from distributed.cli.dask_worker import main; main()"]
        options = ["--scheduler-file", scheduler_file, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        workers = []
        try:
            _wait_for(lambda: Path(scheduler_file).exists())
            workers = [
                subprocess.Popen([*work, *options], env=environment, stderr=subprocess.DEVNULL, cwd=tmp_path)
                for _ in range(2)
            ]
            words = ["--over", "radio.transmit_power_dbm=10,20", "--what", "bound", "--trials", "20"]
            out = tmp_path / "cluster"
            start = [sys.executable, "-m", "scenarios", "sweep", "paper", *words, "--out", str(out)]
            process = subprocess.Popen([*start, "--cluster", scheduler_file], cwd=ROOT)
            _wait_for(lambda: _n_done(out) >= 3)
            workers[0].kill()
            assert process.wait(WAIT_S) == 0
            assert same(out, reference)
        finally:
            for one in (*workers, scheduler):
                one.kill()
                one.wait()


def _n_done(folder):
    log = folder / "tasks.log"
    return max(log.read_bytes().count(b"\n") - 1, 0) if log.exists() else 0


def _wait_for(condition):
    before_s = time.monotonic()
    while not condition():
        assert time.monotonic() - before_s < WAIT_S
        time.sleep(0.01)


DEADLY = """
import os
from dataclasses import dataclass

from models.estimation import GridEstimator


@dataclass(frozen=True, kw_only=True)
class Deadly(GridEstimator):
    def estimate(self, observation):
        os._exit(1)
"""


class TestFailures:
    """Some tasks fail: those of a scenario whose targets are told to stand on an access point, say."""

    @pytest.fixture()
    def failing(self, monkeypatch):
        broken = {"now": True}

        def experiment(scenario, seed):
            if broken["now"] and scenario.radio.transmit_power_dbm == 20 and seed == realization_seed(1, 1):
                raise ValueError("out of luck")
            return {"sum_se_bit_s_hz": float(seed % 100)}

        monkeypatch.setitem(doing.EXPERIMENTS, "bound", experiment)
        return broken

    def test_they_do_not_stop_the_rest_and_are_listed_with_their_error(self, failing, tmp_path):
        done = command(*grid(tmp_path, "--trials", 3))
        assert done.exit_code == 1
        assert "1 of 6 tasks failed" in done.stderr
        assert "1 times, first in task 3: ValueError: out of luck" in done.stderr
        found = open_results(tmp_path)
        assert found["failed"].values.tolist() == [[0, 0, 0], [0, 1, 0]]
        assert found["error"].values.tolist() == [["", "", ""], ["", "ValueError: out of luck", ""]]
        assert np.isnan(found["sum_se_bit_s_hz"]).values.tolist() == [[False] * 3, [False, True, False]]

    def test_an_error_of_any_characters_is_kept(self, monkeypatch, tmp_path):
        def experiment(scenario, seed):
            raise ValueError("\ud800 and \0")

        monkeypatch.setitem(doing.EXPERIMENTS, "bound", experiment)
        found = sweep("paper", trials=1, what="bound", workers=1, out=tmp_path)
        assert found["error"].values.tolist() == ["ValueError: ? and ?"]

    def test_a_task_that_ends_its_process_fails_and_the_others_are_done(self, tmp_path, monkeypatch):
        (tmp_path / "deadly.py").write_text(DEADLY)
        monkeypatch.syspath_prepend(tmp_path)
        get_reusable_executor().shutdown(kill_workers=True)  # those of other tests do not look there
        over = {"estimator.kind": ["deadly:Deadly", "grid"]}
        words = {"trials": 2, "workers": 2, "plugins": ["deadly"], "out": tmp_path / "out"}
        found = sweep(load("paper", {"schedule.cpis": 1, "estimator.grid_step_m": 50.0}), over, **words)
        assert found["failed"].values.tolist() == [[1, 1], [0, 0]]
        assert "was killed or ended itself" in found["error"].values[0, 0]

    def test_they_are_done_again_when_asked_for_and_not_before(self, failing, tmp_path):
        command(*grid(tmp_path, "--trials", 3))
        failing["now"] = False
        assert command(*grid(tmp_path, "--trials", 3)).exit_code == 1
        done = command(*grid(tmp_path, "--trials", 3, "--retry-failed"))
        assert done.exit_code == 0
        assert "1 of 6 tasks" in done.stdout
        found = open_results(tmp_path)
        assert not found["failed"].any()
        assert "error" not in found


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["--seed", "2", "--trials", "2"], "seed: 1 there, 2 now"),
            (["--set", "radio.comm_power_fraction=0.4", "--trials", "2"], "comm_power_fraction: 0.5 there, 0.4 now"),
            (["--over", "schedule.n_receivers=4,5", "--trials", "2"], "over.schedule.n_receivers"),
        ],
    )
    def test_a_folder_of_other_settings(self, reference, words, named):
        done = command(*grid(reference, *words))
        assert done.exit_code == 2
        assert named in done.stderr

    def test_another_content_of_a_file_that_one_setting_names(self, tmp_path):
        path = tmp_path / "graph.json"
        plan = Plan(scenario=load("paper"), over={"fronthaul.topology": ["star", str(path)]}, trials=1)
        said = []
        for rate in (1e9, 2e9):
            write_graph(star(plan.scenario.access_point_names, rate_bit_s=rate, latency_s=1e-6), path)
            said.append(plan.said())
        assert {key for key in said[0] if said[0][key] != said[1][key]} == {
            "content of the file fronthaul.topology, setting 1"
        }

    def test_another_version(self, reference, monkeypatch):
        monkeypatch.setattr("scenarios.sweeps.plan.program_version", lambda: "9.9")
        done = command(*grid(reference, "--trials", 20))
        assert done.exit_code == 2
        assert 'version: "0.1.0" there, "9.9" now' in done.stderr

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["--over", "radio.transmit_power=1,2"], "unknown key"),
            (["--over", "schedule.n_receivers=4,40"], "schedule.n_receivers = 40"),
            (["--over", "schedule.n_receivers=4,4"], "a value twice"),
            (["--over", "radio.transmit_power_dbm=10,10.0"], "a value twice"),
            (["--over", "schedule.n_receivers"], "allowed: key=value,value"),
            (["--over", "schedule.n_receivers=4", "--over", "schedule.n_receivers=5"], "got it twice"),
            (["--points", "none.csv"], "cannot be read as settings"),
            (["--cluster", "none.json", "--workers", "2"], "allowed: one of them"),
        ],
    )
    def test_before_anything_runs(self, tmp_path, words, named):
        done = command(*words, "--trials", 2, "--out", tmp_path)
        assert done.exit_code == 2
        assert named in done.stderr
        assert not list(tmp_path.iterdir())

    def test_two_sweeps_at_once_in_a_folder(self, reference):
        with TaskLog(reference / "tasks.log"):
            done = command(*grid(reference, "--trials", 20))
        assert done.exit_code == 2
        assert "another sweep is at work" in done.stderr

    def test_settings_of_another_sweep_that_is_at_work_there(self, tmp_path):
        command(*grid(tmp_path, "--trials", 2))
        before = (tmp_path / "tasks.log").read_bytes()
        with TaskLog(tmp_path / "tasks.log"):
            done = command(*grid(tmp_path, "--trials", 2, "--seed", 2, "--overwrite"))
        assert "another sweep is at work" in done.stderr
        assert (tmp_path / "tasks.log").read_bytes() == before

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            ({"over": {"estimator.kind": "grid"}}, "allowed: a list of values"),
            ({"over": {"schedule.n_receivers": 4}}, "allowed: a list of values"),
            ({"points": {"schedule.n_receivers": 4}}, "allowed: a list of dicts"),
            ({"trials": 1.5}, r"got 1\.5; allowed: a whole number >= 1"),
            ({"workers": 0}, "got 0; allowed: a whole number >= 1"),
            ({"seed": -1}, "got -1; allowed: a whole number >= 0"),
        ],
    )
    def test_arguments_of_another_kind(self, tmp_path, words, named):
        with pytest.raises(ScenarioError, match=named):
            sweep("paper", **({"trials": 1, "what": "bound", "out": tmp_path} | words))

    def test_a_setting_more_that_changes_nothing_is_another_list(self):
        point = {"radio.transmit_power_dbm": 10}
        one, two = (Plan(scenario=load("paper"), over={}, points=p, trials=1) for p in ([point], [point, {}]))
        assert one.said() != two.said()

    def test_a_folder_without_a_sweep(self, tmp_path):
        with pytest.raises(ScenarioError, match=r"has no results\.nc"):
            open_results(tmp_path)

    def test_a_package_that_is_not_installed(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5netcdf", None)
        done = command(*grid(tmp_path, "--trials", 2))
        assert done.exit_code == 2
        assert 'pip install "dmimo-isac[sweep]"' in done.stderr


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("a.b=1,2.5", [1, 2.5]),
            ("a.b=[1,2],[3,4]", [[1, 2], [3, 4]]),
            ("a.b='x','y'", ["x", "y"]),
            ("a.b=sensing-centric, random", ["sensing-centric", "random"]),
            ("a.b=true,false", [True, False]),
        ],
    )
    def test_values_are_toml_or_words(self, text, values):
        assert parse_over(text) == ("a.b", values)

    def test_a_list_as_csv_or_toml(self, tmp_path):
        (tmp_path / "a.csv").write_text("radio.transmit_power_dbm,selector.kind\n10,random\n20,\n")
        (tmp_path / "a.toml").write_text(
            '[[point]]\nradio.transmit_power_dbm = 10\n"selector.kind" = "random"\n[[point]]\n'
            "radio.transmit_power_dbm = 20\n"
        )
        expected = [{"radio.transmit_power_dbm": 10, "selector.kind": "random"}, {"radio.transmit_power_dbm": 20}]
        assert read_points(tmp_path / "a.csv") == read_points(tmp_path / "a.toml") == expected

    def test_a_list_as_a_spreadsheet_writes_it(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_bytes(
            b"\xef\xbb\xbfradio.transmit_power_dbm, schedule.n_receivers,\r\n10, 4,\r\n,,\r\n\r\n20,  ,\r\n"
        )
        expected = [
            {"radio.transmit_power_dbm": 10, "schedule.n_receivers": 4},
            {"radio.transmit_power_dbm": 20},
        ]
        assert read_points(path) == expected

    @pytest.mark.parametrize(
        ("name", "text", "named"),
        [
            ("a.csv", "a.b,a.b\n1,2\n", 'the key "a.b" has two columns'),
            ("a.csv", "a.b\n1,2\n", "more cells than there are keys"),
            ("a.csv", "a.b\n", "without a setting"),
            ("a.csv", "", "without a setting"),
            ("a.toml", "[point]\na.b = 1\n", r"no tables \[\[point\]\]"),
            ("a.toml", "point = [1]\n", r"no tables \[\[point\]\]"),
            ("a.toml", "a = 1\n", r"no tables \[\[point\]\]"),
        ],
    )
    def test_what_is_no_list_is_refused(self, tmp_path, name, text, named):
        (tmp_path / name).write_text(text)
        with pytest.raises(ScenarioError, match=named):
            read_points(tmp_path / name)

    def test_a_grid_in_arrays_is_one_in_lists(self):
        assert plain_grid({"a.b": np.array([1.0, 2.0]), "c": range(2), "d": [np.int64(3)]}) == {
            "a.b": [1.0, 2.0], "c": [0, 1], "d": [3],
        }  # fmt: skip


class TestLog:
    def test_what_a_disk_takes_in_part_is_written_whole(self, tmp_path):
        path = tmp_path / "log"
        path.write_text(first_line("x"))
        with TaskLog(path) as log:
            log._file = InParts(log._file)
            log.append({"task": 1, "record": {}})
        assert list(entries(path)) == [{"task": 1, "record": {}}]

    def test_one_that_is_gone_is_told_of(self, tmp_path):
        path = tmp_path / "log"
        path.write_text(first_line("x"))
        with TaskLog(path) as log, pytest.raises(ScenarioError, match="removed or replaced"):
            path.unlink()
            log.append({"task": 1})

    def test_what_is_appended_is_read_back(self, tmp_path):
        path = tmp_path / "log"
        path.write_text(first_line("x"))
        with TaskLog(path) as log:
            log.append({"task": 1, "record": {"a": [0.1, None]}})
        assert list(entries(path)) == [{"task": 1, "record": {"a": [0.1, None]}}]


class InParts:
    """A file of which a call of `write` takes five bytes at most."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        return self._file.write(data[:5])


class TestCurves:
    def test_in_a_cpi_of_pilots_nothing_was_missed(self, tmp_path):
        settings = {
            "radio.transmit_power_dbm": 40.0, "oscillators.kind": "wiener", "oscillators.linewidth_hz": 0.01,
            "calibration.kind": "over-the-air", "calibration.period_s": 1e-3, "schedule.cpis": 5,
            "estimator.grid_step_m": 20.0,
        }  # fmt: skip
        found = sweep(load("paper", settings), {"schedule.n_receivers": [6]}, trials=1, workers=1, out=tmp_path)
        assert (found["has_pilots"] == 1).any()
        sensing = found["error_m"].where(found["has_pilots"] == 0, drop=True)
        shown = curves(found, "error_m")
        assert (shown.n_values, shown.n_missed) == (sensing.size, int(sensing.isnull().sum()))

    def test_a_list_of_settings_along_one_of_its_keys(self, tmp_path):
        power, receivers = "radio.transmit_power_dbm", "schedule.n_receivers"
        points = [{power: 20, receivers: 4}, {power: 10, receivers: 5}, {power: 10, receivers: 4}, {receivers: 3}]
        found = sweep("paper", points=points, trials=7, what="bound", workers=1, out=tmp_path)
        shown = curves(found, "peb_coherent_m", power)
        assert shown.x.tolist() == [10, 20]
        pooled = found["peb_coherent_m"].isel(point=[1, 2]).values.ravel()
        assert shown.curves[0].interval.value[0] == np.quantile(pooled, 0.5, method="inverted_cdf")

    @pytest.mark.parametrize(("n", "quantile"), [(5, 0.5), (6, 0.5), (20, 0.95), (80, 0.95), (20, 0.05), (80, 0.05)])
    def test_a_quantile_has_an_end_where_that_of_order_statistics_has_one(self, n, quantile):
        values = np.random.default_rng(n).normal(size=(n, 1))
        ours = pictures._quantile_interval(values, quantile)
        scipys = quantile_test(values.ravel(), p=quantile).confidence_interval()
        assert np.isfinite([ours.low, ours.high]).tolist() == np.isfinite([scipys.low, scipys.high]).tolist()

    def test_a_median_counts_missed_targets_as_infinite(self, tmp_path):
        scenario = load("paper", {"schedule.cpis": 1})
        found = sweep(scenario, {"radio.transmit_power_dbm": [-60, 30]}, trials=8, workers=1, out=tmp_path)
        shown = curves(found, default_metric(found))
        missed = (found["status"] == "missed").mean(("trial", "cpi", "target")).values
        assert missed[0] > 0.9
        assert np.isinf(shown.curves[0].interval.value[0])
        assert np.isfinite(shown.curves[0].interval.value[1])
        assert "taken for infinite" in shown.missed
        assert "left out" in curves(found, "error_m", quantile=None).missed

    def test_a_mean_has_students_interval_over_trials(self, reference):
        found = open_results(reference)
        shown = curves(found, "sum_se_bit_s_hz", quantile=None)
        values = found["sum_se_bit_s_hz"].values[0]
        assert shown.curves[0].interval.value[0] == pytest.approx(values.mean())
        assert shown.curves[0].interval.high[0] - values.mean() == pytest.approx(
            2.093 * values.std(ddof=1) / np.sqrt(20), rel=1e-3
        )

    def test_the_interval_of_a_median_holds_it_in_95_percent_though_values_of_a_trial_are_alike(self):
        rng = np.random.default_rng(1)
        held = 0
        for _ in range(100):
            trials = rng.normal(size=(40, 1)) + 0.1 * rng.normal(size=(40, 4))
            interval = pictures._quantile_interval(trials, 0.5)
            held += bool(interval.low <= 0.0 <= interval.high)
        assert 0.9 <= held / 100 <= 0.99

    def test_the_command_writes_a_picture_and_tells_the_numbers(self, reference, tmp_path):
        words = ["plot", reference, "--y", "sum_se_bit_s_hz", "--quantile", "mean", "--out", tmp_path]
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.stderr
        assert "radio.transmit_power_dbm = 20: " in done.stdout
        assert len(list(tmp_path.glob("*.png"))) == 1

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["--y", "peb"], "no number of this sweep"),
            (["--x", "trial"], "a key that was swept"),
            (["--hue", "radio.transmit_power_dbm"], "on the axis"),
            (["--quantile", "2"], "a number between 0 and 1"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused_in_words(self, reference, words, named):
        done = CliRunner().invoke(app, ["plot", str(reference), *words])
        assert done.exit_code == 2
        assert re.search(named, done.stderr)
