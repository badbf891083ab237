"""Results on disk: whole or not at all, the same bytes every time, no NaN in JSON."""

import json

import numpy as np
import pytest

from emulator.trace import Trace, row
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.output.results import finite, json_text, load_result, load_trace, save_trace


def test_json_has_null_for_what_is_not_finite():
    data = {"a": np.array([[1.0, np.nan], [np.inf, 2.0]]), "b": np.float64(-np.inf), "c": (np.int64(3), None, True)}
    plain = json.loads(json_text(data))
    assert plain.pop("schema_version") == 1
    assert plain == {"a": [[1.0, None], [None, 2.0]], "b": None, "c": [3, None, True]}


def test_json_keeps_every_digit():
    value = np.nextafter(1.0, 2.0)
    assert json.loads(json_text({"x": value}))["x"] == value
    assert finite(np.arange(2)) == [0, 1]


def test_trace_is_the_same_bytes_at_another_time(tmp_path, monkeypatch):
    import time

    trace = Trace(("air", "ap-0"))
    trace.record(row(5, 1, 1, 7, 0, -1) + row(6, 2, 0, -1, 1, 3))
    save_trace(trace, tmp_path / "a.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    save_trace(trace, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = load_trace(tmp_path / "a.npz")
    assert loaded["time_ns"].tolist() == [5, 6]
    assert loaded["value"].tolist() == [7, -1]
    assert (loaded["cpi"].tolist(), loaded["message"].tolist()) == ([0, 1], [-1, 3])
    assert loaded["schema_version"] == 1
    assert [str(loaded["nodes"][i]) for i in loaded["node"]] == ["ap-0", "air"]
    assert tuple(loaded["kinds"]) == trace.kinds


def test_a_trace_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("scenarios.output.results.SCHEMA_VERSION", 99)
    save_trace(load("paper").build(estimator=None, tracing=True).run(1).trace, tmp_path / "a.npz")
    monkeypatch.undo()
    with pytest.raises(ScenarioError, match="got schema_version 99; allowed: 1"):
        load_trace(tmp_path / "a.npz")


@pytest.mark.parametrize("version", ["", '"schema_version": 99, '])
def test_a_result_of_another_version_is_refused(tmp_path, version):
    (tmp_path / "result.json").write_text(f'{{{version}"cpis": [{{}}], "slots": 1}}')
    with pytest.raises(ScenarioError, match="schema_version"):
        load_result(tmp_path / "result.json")


def test_a_text_or_half_a_trace_is_no_trace(tmp_path):
    (tmp_path / "a.npz").write_text("a text")
    with pytest.raises(ScenarioError, match="cannot be read as a trace: it is no npz file, or one that was cut"):
        load_trace(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", kinds=np.zeros(100))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:500])
    with pytest.raises(ScenarioError, match="no npz file, or one that was cut"):
        load_trace(tmp_path / "a.npz")


ODD_COLUMNS = {
    "lengths that differ": lambda trace: {"kind": trace["kind"][:-1]},
    "no whole numbers": lambda trace: {"time_ns": trace["time_ns"] * 1.0},
    "a node without a name": lambda trace: {"node": trace["node"] + 1000},
    "a kind of a later version": lambda trace: {"kind": trace["kind"] + 90},
}


@pytest.mark.parametrize("odd", ODD_COLUMNS)
def test_a_trace_whose_columns_do_not_fit_is_refused(tmp_path, odd):
    save_trace(load("paper").build(estimator=None, tracing=True).run(1).trace, tmp_path / "a.npz")
    trace = load_trace(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", **{**trace, **ODD_COLUMNS[odd](trace)})
    with pytest.raises(ScenarioError, match=r"not whole numbers, one for each row|numbers that stand for nothing"):
        load_trace(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "lacking", ['"cpis": [{}]', '"cpis": "text"', '"cpis": [1]', '"cpis": [{"index": 0, "targets": []}]']
)
def test_a_result_that_lacks_something_is_refused(tmp_path, lacking):
    (tmp_path / "result.json").write_text(f'{{"schema_version": 1, "slots": 1, "seed": 1, {lacking}}}')
    with pytest.raises(ScenarioError, match="cannot be read as a result"):
        load_result(tmp_path / "result.json")
