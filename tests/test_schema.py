"""Scenario files: what is accepted, how mistakes are named, what is written back."""

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.estimation import ESTIMATORS
from models.selection import SELECTORS
from scenarios.file import files
from scenarios.file.files import dump, load, parse_override
from scenarios.file.overrides import overridden
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.table import OURS, PAPER


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        Scenario.checked(tomllib.loads(text))
    return caught.value.problems


def test_paper_is_the_default_scenario():
    """The bundled file spells out what an empty file means."""
    assert dump(load("paper")) == dump(Scenario.checked({}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("radio.carrier_hz = -1", ["radio.carrier_hz", "-1 Hz", ">= 1e+06 and <= 1e+12"]),
        ("radio.carrier_hz = 1e-300", ["radio.carrier_hz", "1e-300 Hz", ">= 1e+06"]),
        ("radio.carrier_hz = nan", ["radio.carrier_hz", "nan Hz", "finite"]),
        ("radio.bandwidth_hz = inf", ["radio.bandwidth_hz", "inf Hz", "finite"]),
        ('radio.bandwidth_hz = "100e3"', ["radio.bandwidth_hz", '"100e3"', "a finite number"]),
        ("radio.bandwidth_hz = true", ["radio.bandwidth_hz", "true", "a finite number"]),
        ("radio.bandwidth_hz = 1e11\nschedule.snapshots_per_slot = 1", ["radio.bandwidth_hz", "1 ns"]),
        ("radio.comm_power_fraction = 1.5", ["radio.comm_power_fraction", "1.5", "<= 1"]),
        ('radio.illumination = "fulll"', ["radio.illumination", '"fulll"', '"sensing", "full"']),
        ('radio.path_loss = "uma"', ["radio.path_loss", '"uma"', "umi-los", "umi-nlos", "cell-free"]),
        ("radio.angular_std_deg = 0", ["radio.angular_std_deg", "0 degrees", "iid"]),
        ("radio.carier_hz = 1", ["radio.carier_hz", "unknown key", '"carrier_hz"']),
        ("radios.carrier_hz = 1", ["radios", "unknown key", '"radio"']),
        ("radio = 3", ["radio", "got 3", "a table"]),
        ("area.size_m = [0, 10]", ["area.size_m[0]", "0 m", ">= 1 and"]),
        ("area.size_m = [10]", ["area.size_m", "pair"]),
        ("access_points.count = 1", ["access_points.count", "got 1", ">= 2"]),
        ("access_points.count = 12.5", ["access_points.count", "12.5", "a whole number"]),
        ("access_points.n_antennas = 0", ["access_points.n_antennas", ">= 1"]),
        ("access_points.positions_m = [[0, 0]]", ["access_points.positions_m", "at least 2"]),
        ("access_points.positions_m = [[0, 0], [1, nan]]", ["access_points.positions_m[1][1]", "nan m", "-1e7 to 1e7"]),
        ("access_points.boresights_deg = [1.0, 2.0]", ["access_points.boresights_deg", "2 angles", "12"]),
        (
            "access_points = {count = 3, positions_m = [[0, 0], [1, 1]]}\nschedule.n_receivers = 1",
            ["access_points.positions_m", "2 positions", "count = 3"],
        ),
        ("user_equipment.count = -1", ["user_equipment.count", "-1", ">= 0"]),
        (
            "access_points.positions_m = [[5, 5], [9, 9]]\nuser_equipment.positions_m = [[9, 9]]\n"
            "schedule.n_receivers = 1",
            ["user_equipment.positions_m[0]", "ap-1"],
        ),
        ("targets = [{position_m = [1001, 5]}]", ["targets[0].position_m", "1001", "0 to 1000 m"]),
        ("targets = [{}, {rcs_dbsm = nan}]", ["targets[1].rcs_dbsm", "nan dBsm"]),
        ("targets = [{velocity_m_s = [1]}]", ["targets[0].velocity_m_s", "pair", "m/s"]),
        (
            "access_points.positions_m = [[5, 5], [9, 9]]\nschedule.n_receivers = 1\ntargets = [{position_m = [5, 5]}]",
            ["targets[0].position_m", "within a millimetre of where ap-0"],
        ),
        (
            "user_equipment.positions_m = [[5, 5]]\ntargets = [{position_m = [5, 5]}]",
            ["targets[0].position_m", "within a millimetre of where ue-0"],
        ),
        ("targets = 3", ["targets", "got 3", "[[targets]]"]),
        ("schedule.n_receivers = 12", ["schedule.n_receivers", "got 12", "1 to 11"]),
        ("schedule.n_receivers = 0", ["schedule.n_receivers", "got 0", ">= 1"]),
        ('schedule.order = "random"', ["schedule.order", "round-robin", "palindromic"]),
        ('selector.kind = "sensing"', ["selector.kind", '"sensing"', "sensing-centric"]),
        ("selector.temperature = 3", ["selector.temperature", "unknown key"]),
        ("selector.transmitters = [1]", ["selector.transmitters", "unknown key"]),
        ('selector.kind = "os:PathLike"', ["selector.kind", "--plugin os"]),
        ('selector.kind = "fixed"', ["selector.transmitters", "nothing", "at least one"]),
        (
            'selector = {kind = "fixed", transmitters = [0, 12], receivers = [1]}',
            ["selector.transmitters", "[12]", "0 to 11"],
        ),
        (
            'selector = {kind = "fixed", transmitters = [0, 1], receivers = [1, 2]}',
            ["selector.receivers", "[1]", "half-duplex"],
        ),
        ('selector = {kind = "fixed", transmitters = [0, 0], receivers = [1]}', ["selector.transmitters", "once"]),
        (
            'selector = {kind = "fixed", transmitters = [0, 1], receivers = [2, 3]}\nschedule.n_receivers = 6',
            ["schedule.n_receivers", "got 6", "names 2", "give 2"],
        ),
        ('selector.kind = "exhaustive"\naccess_points.count = 17', ["access_points.count", "got 17", "<= 16"]),
        (
            'selector = {kind = "bound-greedy", points_per_side = 100_000}',
            ["selector.points_per_side: got 100000", "1 to 1000"],
        ),
        ('selector = {kind = "greedy-se", n_draws = 100_000_000}', ["selector.n_draws: got 100000000", "1 to 10000"]),
        (
            'selector = {kind = "joint-greedy", coverage_weight = 5}',
            ["selector.coverage_weight: got 5; give a number from 0 to 1"],
        ),
        ('selector = {kind = "exhaustive", threshold_wavelengths = 0}', ["selector.threshold_wavelengths: got 0;"]),
        ('estimator.kind = "two-stages"', ["estimator.kind", '"two-stage"']),
        ('estimator.amplitude = "fixed"', ["estimator.amplitude", '"structured"']),
        ('estimator = {kind = "grid", amplitude = "free"}', ["estimator.amplitude", "no such setting"]),
        ("estimator.grid_step_m = 1e-3", ["estimator.grid_step_m", "cells", "larger"]),
        ('estimator = {kind = "paper", training_cells = 0}', ["estimator.training_cells: got 0", "1 to 1000"]),
        ('estimator = {kind = "paper", guard_cells = -3}', ["estimator.guard_cells: got -3", "0 to 1000"]),
        ("estimator.false_alarm_probability = 0", ["estimator.false_alarm_probability", ">= 1e-100"]),
        ('fronthaul.topology = "grid"', ["fronthaul.topology", '"grid"', "star, ring, tree, stripe"]),
        ('fronthaul.topology = "no/such.graphml"', ["fronthaul.topology", "no such file"]),
        ("fronthaul.iq_bits = 25", ["fronthaul.iq_bits", "25 bit", "<= 24"]),
        ("fronthaul.queue_bits = 0", ["fronthaul.queue_bits", "0 bit", ">= 1"]),
        ("fronthaul.loss_probability = 1.1", ["fronthaul.loss_probability", "1.1", "<= 1"]),
        ('[[faults]]\nkind = "crash"', ["faults[0].kind", '"crash"', "ap-down"]),
        ('[[faults]]\nnode = "ap-33"', ["faults[0].node", '"ap-33"', 'did you mean "ap-3"?']),
        ('[[faults]]\nkind = "ap-down"', ["faults[0].node", "required"]),
        ('[[faults]]\nkind = "link-down"\nlink = "ap-3->centre"', ["faults[0].link", 'did you mean "ap-3->central"?']),
        ('[[faults]]\nnode = "ap-3"\nlink = "ap-3->central"', ["faults[0].link", "no such setting"]),
        ('[[faults]]\nnode = "ap-3"\nat_s = 2\nuntil_s = 1', ["faults[0].until_s: got 1", "after at_s = 2"]),
        ('[[faults]]\nkind = "restart"\nnode = "ap-3"\nlasts_s = 0', ["faults[0].lasts_s: got 0", "> 0"]),
        ('[[faults]]\nkind = "corrupt"\nnode = "ap-3"\nshare = 2.0', ["faults[0].share: got 2.0"]),
        ("oscillators.cfo_std_hz = 1.0", ["oscillators.cfo_std_hz", "this kind has no settings"]),
    ],
)
def test_a_mistake_is_named_alone(text, words):
    """One mistake makes one problem, which names the key, the value and what is allowed."""
    problems = problems_of(text)
    first = [p for p in problems if all(word in p for word in words)]
    assert first, problems
    assert len(problems) == 1 or 'kind = "fixed"' in text, problems


def test_every_mistake_is_named_at_once():
    """Mistakes of shape, unknown keys and tables, and contradictions between keys come in one error."""
    text = """
        oscilators = {}
        [radio]
        carrier_hz = -1
        bandwith_hz = 1
        [[targets]]
        position_m = [3000, 0]
        rcs_dbsm = "big"
        [schedule]
        n_receivers = 12
        [selector]
        kind = "fxed"
    """
    problems = problems_of(text)
    keys = {problem.split(":")[0] for problem in problems}
    assert keys == {
        "oscilators", "radio.carrier_hz", "radio.bandwith_hz", "targets[0].position_m", "targets[0].rcs_dbsm",
        "schedule.n_receivers", "selector.kind",
    }  # fmt: skip


def test_a_contradiction_that_rests_on_a_bad_key_is_not_blamed():
    """With a wrong number of access points nothing is said about how many boresights there should be."""
    problems = problems_of("access_points = {count = -3, boresights_deg = [1, 2, 3]}")
    assert [p.split(":")[0] for p in problems] == ["access_points.count"]


def test_syntax_error_names_the_line(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("[radio]\ncarrier_hz = = 3\n")
    with pytest.raises(ScenarioError, match="line 2"):
        load(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a = 1\na = 2\n", b"[radio]\ncarrier_hz = 0x"])
def test_unreadable_files_are_refused(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError, match=r"bad\.toml"):
        load(path)


def test_missing_file_names_the_bundled_scenarios():
    with pytest.raises(ScenarioError, match='did you mean "paper"'):
        load("papper")


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"targets": []},
        {"targets": [{"position_m": [1, 2.5], "velocity_m_s": [-3, 1e-7], "scatter_phase_rad": 1}]},
        {"access_points.positions_m": [[0.1, 1e-9], [1e3, 0.0]], "schedule.n_receivers": 1},
        {"selector.kind": "fixed", "selector.transmitters": [0, 3], "selector.receivers": [2]},
        {"estimator.kind": "grid", "radio.angular_std_deg": "iid", "fronthaul.queue_bits": 10**6},
        {"user_equipment.count": 0, "fronthaul.split": "statistics"},
    ],
)
def test_resolved_file_loads_to_the_same_bytes(tmp_path, overrides):
    text = dump(load("paper", overrides))
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    assert dump(load(path)) == text


def test_resolved_file_names_a_graph_from_any_folder(tmp_path, monkeypatch):
    import networkx as nx

    nx.write_graphml(nx.star_graph(["central", *(f"ap-{i}" for i in range(12))]), tmp_path / "net.graphml")
    path = tmp_path / "scenario.toml"
    path.write_text('[fronthaul]\ntopology = "net.graphml"\n')
    scenario = load(path)
    monkeypatch.chdir(Path("/"))
    assert scenario.fronthaul.topology == str(tmp_path / "net.graphml")
    assert dump(Scenario.checked(tomllib.loads(dump(scenario)))) == dump(scenario)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([("central", f"ap-{i}") for i in range(11)], "lacks the nodes ap-11"),
        ([*(("central", f"ap-{i}") for i in range(11)), ("ap-11", "ue-0")], "ap-11 cannot reach central"),
    ],
)
def test_graph_must_join_every_access_point(tmp_path, edges, words):
    import networkx as nx

    nx.write_graphml(nx.Graph(edges), tmp_path / "net.graphml")
    with pytest.raises(ScenarioError, match=words):
        load("paper", {"fronthaul.topology": str(tmp_path / "net.graphml")})


def test_links_of_a_graph_are_checked(tmp_path):
    import networkx as nx

    graph = nx.star_graph(["central", *(f"ap-{i}" for i in range(12))])
    graph.edges["central", "ap-3"]["rate_bit_s"] = -5.0
    graph.edges["central", "ap-4"]["loss_probability"] = 1.5
    nx.write_graphml(graph, tmp_path / "net.graphml")
    with pytest.raises(ScenarioError) as caught:
        load("paper", {"fronthaul.topology": str(tmp_path / "net.graphml")})
    first, second = caught.value.problems
    assert "rate_bit_s of the link central-ap-3 is -5.0" in first
    assert "loss_probability of the link central-ap-4 is 1.5" in second


def test_parallel_links_are_refused(tmp_path):
    import networkx as nx

    graph = nx.MultiGraph([("central", f"ap-{i}") for i in range(12)] + [("central", "ap-0")])
    nx.write_graphml(graph, tmp_path / "net.graphml")
    with pytest.raises(ScenarioError, match="parallel links"):
        load("paper", {"fronthaul.topology": str(tmp_path / "net.graphml")})


def test_text_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "net.graphml").write_text("hello")
    with pytest.raises(ScenarioError, match="it is neither GraphML nor node-link JSON"):
        load("paper", {"fronthaul.topology": str(tmp_path / "net.graphml")})


@pytest.mark.parametrize(
    "overrides",
    [
        {"selector.kind": "fixed", "selector.transmitters": [0], "selector.receivers": [1, 2]},
        {"selector": {"kind": "fixed", "transmitters": [0], "receivers": [1, 2]}},
    ],
)
def test_fixed_receivers_set_their_number(overrides):
    scenario = load("paper", overrides)
    assert scenario.schedule.n_receivers == 2
    assert scenario.with_({"selector.receivers": [1, 2, 3]}).schedule.n_receivers == 3
    for asked in (load, lambda _, other: scenario.with_(other)):
        with pytest.raises(ScenarioError, match=r"schedule\.n_receivers: got 6, but selector\.receivers names 2"):
            asked("paper", overrides | {"schedule.n_receivers": 6})


def test_number_follows_from_positions():
    scenario = load("paper", {"user_equipment.positions_m": [[1, 2], [3, 4], [5, 6]]})
    assert scenario.user_equipment.count == 3
    assert scenario.user_equipment_names == ("ue-0", "ue-1", "ue-2")
    assert scenario.with_({"user_equipment.count": 5}).user_equipment.positions_m is None


def test_another_kind_drops_the_settings_it_lacks():
    fixed = load("paper", {"selector.kind": "fixed", "selector.transmitters": [0], "selector.receivers": [1, 2]})
    assert fixed.with_({"selector.kind": "random"}).selector.options == {}
    free = load("paper", {"estimator.amplitude": "free", "estimator.grid_step_m": 5.0})
    assert free.with_({"estimator.kind": "grid"}).estimator.options["grid_step_m"] == 5.0


def test_overrides_enter_lists_and_take_arrays():
    scenario = load("paper", {"targets.1.rcs_dbsm": np.float64(-3.0), "area.size_m": np.array([50.0, 60.0])})
    assert [target.rcs_dbsm for target in scenario.targets] == [0.0, -3.0]
    assert scenario.area.size_m == (50.0, 60.0)
    assert overridden({}, {"targets.0.rcs_dbsm": 1})["targets"] == [{"rcs_dbsm": 1}, {}]


@pytest.mark.parametrize("value", [[1], 3, {"a": 1}])
def test_kind_that_is_no_name_is_refused(value):
    with pytest.raises(ScenarioError, match=r"selector\.kind: got"):
        load("paper", {"selector.kind": value})


@pytest.mark.parametrize("key", ["targets.2.rcs_dbsm", "targets.x", "radio.carrier_hz.deep"])
def test_overrides_that_lead_nowhere_are_refused(key):
    with pytest.raises(ScenarioError, match=key.replace(".", r"\.")):
        load("paper", {key: 1})


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=1", 1), ("a.b = 1e3 ", 1000.0), ('a.b="x=y"', "x=y"), ("a.b=[1, 2]", [1, 2]), ("a.b=false", False)],
)
def test_override_takes_a_toml_value(text, value):
    assert parse_override(text) == ("a.b", value)


@pytest.mark.parametrize("text", ["a.b", "=3", "a.b=", "a.b=full", "a.b=1\nc=2", "a.b=1 2", "a.b=1 # x\nc = 3"])
def test_override_that_is_no_toml_value_is_refused(text):
    with pytest.raises(ScenarioError):
        parse_override(text)


def test_text_override_without_quotes_says_how_to_quote():
    with pytest.raises(ScenarioError, match=r"""--set 'radio[.]illumination="full"'"""):
        parse_override("radio.illumination=full")


PLUGIN = """
from dataclasses import dataclass
from models.network import ModeAssignment
from models.selection.base import ModeSelector

@dataclass(frozen=True, kw_only=True)
class Mine(ModeSelector):
    depth: int = 2
    def select(self, view, rng):
        return ModeAssignment.of(view.network.n_aps, [0], [1])
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return {"selector.kind": "my_plugin:Mine"}


def test_plugin_runs_only_if_allowed(plugin):
    import sys

    with pytest.raises(ScenarioError, match="--plugin my_plugin"):
        load("paper", plugin)
    assert "my_plugin" not in sys.modules
    scenario = load("paper", {**plugin, "selector.depth": 5}, plugins=["my_plugin"])
    assert scenario.selector.make().depth == 5
    assert scenario.with_({"radio.rician_k_db": 3.0}).selector.make().depth == 5


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("dept", 1, 'did you mean "depth"'), ("depth", "deep", "selector.depth: got 'deep'")],
)
def test_plugin_settings_are_its_fields(plugin, key, value, words):
    with pytest.raises(ScenarioError, match=words):
        load("paper", {**plugin, f"selector.{key}": value}, plugins=["my_plugin"])


MISFITS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
from emulator import AccessPoint
from models.selection.base import ModeSelector
from models.estimation import GridEstimator

if TYPE_CHECKING:
    from decimal import Decimal

@dataclass(kw_only=True, eq=False)
class QuietAP(AccessPoint):
    period: int = 2

class Bare(ModeSelector):
    def select(self, view, rng): ...

@dataclass(frozen=True, kw_only=True)
class Unfinished(ModeSelector):
    depth: int = 1

@dataclass(frozen=True, kw_only=True)
class Puzzling(ModeSelector):
    depth: Decimal = 1
    def select(self, view, rng): ...

@dataclass(frozen=True, kw_only=True)
class Fussy(ModeSelector):
    depth: int = 1
    def __post_init__(self):
        raise KeyError(self.depth)
    def select(self, view, rng): ...

@dataclass(frozen=True, kw_only=True)
class Leaving(Fussy):
    def __post_init__(self):
        raise SystemExit(3)

def function(): ...
"""


@pytest.mark.parametrize(
    ("key", "kind", "words"),
    [
        ("selector.kind", "misfits:Missing", "cannot be loaded"),
        ("selector.kind", "misfits:QuietAP", "a class of another kind; allowed: subclasses of models.selection.base"),
        ("estimator.kind", "misfits:QuietAP", "a class of another kind; allowed: subclasses of models.estimation.base"),
        ("estimator.kind", "misfits:Unfinished", "models.estimation.base.Estimator"),
        ("selector.kind", "misfits:GridEstimator", "models.selection.base.ModeSelector"),
        ("selector.kind", "pathlib:Path", "another kind"),
        ("selector.kind", "misfits:function", "an object of function"),
        ("selector.kind", "misfits:Bare", "not a dataclass"),
        ("selector.kind", "misfits:Unfinished", "abstract.*select"),
        ("selector.kind", "misfits:Puzzling", "types of the settings of Puzzling.*Decimal"),
        ("selector.kind", "misfits:Fussy", r"selector.kind: Fussy\.__post_init__: KeyError: 1"),
        ("selector.kind", "misfits:Leaving", r"selector.kind: Leaving\.__post_init__: SystemExit: 3"),
        ("selector.kind", "broken:Any", "cannot be loaded: ZeroDivisionError"),
        ("selector.kind", "untidy:Any", "cannot be loaded: SyntaxError"),
    ],
)
def test_a_plugin_is_a_dataclass_of_its_role(tmp_path, monkeypatch, key, kind, words):
    for name, text in (("misfits", MISFITS), ("broken", "1 / 0"), ("untidy", "def")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ScenarioError, match=words) as caught:
        load("paper", {key: kind}, plugins=["misfits", "broken", "untidy", "pathlib"])
    assert key.partition(".")[0] in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(SELECTORS) - {"fixed"}))
def test_every_selector_kind_is_made_from_its_name(kind):
    assert load("paper", {"selector.kind": kind}).selector.make() is not None


@pytest.mark.parametrize("kind", sorted(ESTIMATORS))
def test_every_estimator_kind_gets_the_settings_of_the_file(kind):
    estimator = load("paper", {"estimator.kind": kind, "estimator.grid_step_m": 7.0}).estimator.make()
    assert estimator.grid_step_m == 7.0
    assert math.isclose(estimator.false_alarm_probability, 1e-3)


def test_scenario_made_in_python_is_checked_too():
    with pytest.raises(ValueError, match="n_receivers"):
        Scenario.model_validate({"schedule": {"n_receivers": 12}})


def test_scenario_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load("paper").radio.carrier_hz = 1.0


def test_schema_says_whose_each_default_is():
    schema = Scenario.model_json_schema()
    keys = [prop for table in schema["$defs"].values() for prop in table["properties"].values()]
    assert len(keys) > 35
    assert {prop["default_from"] for prop in keys} == {PAPER, OURS}
    assert all(f"Default: {prop['default_from']}." in prop["description"] for prop in keys)
    assert json.loads(json.dumps(schema))["$defs"]["RadioKeys"]["properties"]["rician_k_db"]["default"] == 9.0


def test_bundled_scenarios_are_valid():
    for name in files.bundled():
        assert load(name).access_point_names[0] == "ap-0"


KEYS = [f"{table}.{key}" for table in Scenario.model_fields if table not in ("targets", "air", "faults")
        for key in Scenario.model_fields[table].annotation.model_fields]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["iid", "fixed"]),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["kind", "count", "x"]), below),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.dictionaries(st.sampled_from([*KEYS, "targets", "targets.0", "radio", "selector", "extra"]), VALUES, max_size=5)
)
def test_anything_makes_a_scenario_or_a_scenario_error(overrides):
    """Nothing else gets out of the front door, and what is accepted is written in a form that is accepted again."""
    try:
        scenario = load("paper", overrides)
    except ScenarioError as error:
        assert error.problems
        return
    assert dump(Scenario.checked(tomllib.loads(dump(scenario)))) == dump(scenario)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=3, unique=True), st.text())
def test_numbers_and_text_survive_the_file(points, text):
    """Every bit of a number and every character of a text comes back."""
    scenario = load("paper", {"user_equipment.positions_m": points})
    again = Scenario.checked(tomllib.loads(dump(scenario)))
    assert again.user_equipment.positions_m == scenario.user_equipment.positions_m == tuple(points)
    assert tomllib.loads(f"x = {files._toml(text)}")["x"] == text


@pytest.mark.parametrize(
    "comment", ["# schema_version = 999", "#schema_version=999\r", "# mine\n# schema_version = 999"]
)
def test_a_scenario_of_another_version_is_refused_as_results_are(tmp_path, comment):
    path = tmp_path / "s.toml"
    path.write_bytes(f"{comment}\n[schedule]\ncpis = 3\n".encode())
    with pytest.raises(ScenarioError, match="got schema_version 999; allowed: 1, of files that this version writes"):
        load(path)
    path.write_text(dump(load("paper")))
    assert load(path) == load("paper")
