"""Results on disk: whole or not at all, the same bytes every time, no NaN in JSON."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from emulator.trace import Trace
from scenarios.file.problems import ScenarioError
from scenarios.output.results import (
    check_file,
    check_folder,
    check_replaceable,
    finite,
    json_text,
    load_trace,
    replaced,
    save_trace,
    written_whole,
)


def test_json_has_null_for_what_is_not_finite():
    data = {"a": np.array([[1.0, np.nan], [np.inf, 2.0]]), "b": np.float64(-np.inf), "c": (np.int64(3), None, True)}
    assert json.loads(json_text(data)) == {"a": [[1.0, None], [None, 2.0]], "b": None, "c": [3, None, True]}


def test_json_keeps_every_digit():
    value = np.nextafter(1.0, 2.0)
    assert json.loads(json_text({"x": value}))["x"] == value
    assert finite(np.arange(2)) == [0, 1]


def test_folder_appears_when_all_is_written(tmp_path):
    target = tmp_path / "deep" / "out"
    with written_whole(target) as fresh:
        (fresh / "result.json").write_text("{}")
        assert not target.exists()
    assert os.listdir(target) == ["result.json"]
    assert os.listdir(target.parent) == ["out"]


def test_folder_stays_as_it_was_when_writing_fails(tmp_path):
    target = tmp_path / "out"
    with written_whole(target) as fresh:
        (fresh / "result.json").write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(target) as fresh:
        (fresh / "result.json").write_text("new")
        raise KeyboardInterrupt
    assert (target / "result.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_folder_has_the_permissions_of_any_other(tmp_path):
    with written_whole(tmp_path / "out"):
        pass
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_earlier_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "out"
    for name in ("a", "b"):
        with written_whole(target) as fresh:
            (fresh / name).write_text(name)
    assert os.listdir(target) == ["b"]
    assert os.listdir(tmp_path) == ["out"]


def test_folder_of_something_else_is_refused(tmp_path):
    check_replaceable(tmp_path / "new")
    check_replaceable(tmp_path)
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(ScenarioError, match="other files"):
        check_replaceable(tmp_path)
    with pytest.raises(ScenarioError, match="a file"):
        check_replaceable(tmp_path / "mine.txt")


@pytest.mark.parametrize("check", [check_file, check_folder, check_replaceable])
def test_place_that_takes_nothing_is_refused(check, tmp_path):
    check(tmp_path / "new")
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "far")
    for wrong in (tmp_path / "file" / "x", tmp_path / ("x" * 300), tmp_path / "nowhere" / "x", Path("/proc/x")):
        with pytest.raises(ScenarioError, match=f'--out.*\n  got "{wrong}".* allowed: a f'):
            check(wrong)
    assert sorted(os.listdir(tmp_path)) == ["file", "nowhere"]


def test_file_is_replaced_when_it_is_written(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="half"), replaced(path) as fresh:
        fresh.write_text("half")
        raise ValueError("half")
    assert path.read_text() == "old"
    with replaced(path) as fresh:
        fresh.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_trace_is_the_same_bytes_at_another_time(tmp_path, monkeypatch):
    import time

    trace = Trace(("air", "ap-0"))
    trace.rows.extend((5, 1, 1, 7, 6, 2, 0, -1))
    save_trace(trace, tmp_path / "a.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    save_trace(trace, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = load_trace(tmp_path / "a.npz")
    assert loaded["time_ns"].tolist() == [5, 6]
    assert loaded["value"].tolist() == [7, -1]
    assert [str(loaded["nodes"][i]) for i in loaded["node"]] == ["ap-0", "air"]
    assert tuple(loaded["kinds"]) == trace.kinds
