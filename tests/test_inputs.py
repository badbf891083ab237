"""Whatever is given for whatever key: a run with finite results, or one clear error that names the key."""

import datetime
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.estimation import ESTIMATORS
from models.selection import SELECTORS
from scenarios.commands.cli import app
from scenarios.file.files import dump, load
from scenarios.file.plugins import implementation, settings_of
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario

LONGEST_MESSAGE = 1000


def nested(depth, of=list):
    value = of()
    for _ in range(depth):
        value = [value] if of is list else {"a": value}
    return value


ODD = [
    math.nan, math.inf, -math.inf, -1, 0, 1, -0.0, 1e300, -1e300, 1e-300, 5e-324, 2**63, -(2**64), 10**5000, "", "x",
    "\0", "mine:Thing", "1e5", True, None, [], [[]], [1], [1, 2], [math.nan, 1], [1e300, 1e300], [10**5000, 0],
    [True, False], ["0", "1"], [[0, 0], [1, 1], [2, 2], [3, 3]], [[1e300, 0], [1, 1], [2, 2], [3, 3]],
    [1e300, -1e300, 0.0, 1.0], {}, {"a": 1}, [{}], nested(1000), nested(1000, dict), datetime.date(2020, 1, 1),
]  # fmt: skip


def base():
    return {
        "area": {"size_m": [200.0, 200.0]},
        "access_points": {"count": 4, "n_antennas": 2},
        "user_equipment": {"count": 2},
        "targets": [{}],
        "schedule": {"n_receivers": 2, "cpis": 1, "snapshots_per_slot": 4},
        "estimator": {"kind": "grid", "grid_step_m": 25.0},
    }


def keys_of_the_schema():
    schema = Scenario.model_json_schema()
    for table, node in schema["properties"].items():
        reference = node.get("$ref") or node["items"]["$ref"]
        yield table, None
        for key in schema["$defs"][reference.rsplit("/", 1)[-1]]["properties"]:
            yield table, key


def with_value(table, key, value):
    data = base()
    if key is None:
        return data | {table: value}
    (data["targets"][0] if table == "targets" else data.setdefault(table, {}))[key] = value
    if key == "positions_m":
        del data[table]["count"]
    return data


def refused_or_run(data, *words):
    """Run what is accepted; what is refused must be so with a short message that names one of the words."""
    try:
        scenario = Scenario.checked(data)
    except ScenarioError as error:
        assert len(str(error)) < LONGEST_MESSAGE
        assert any(word in problem.split(":")[0] for problem in error.problems for word in words), error
        return False
    assert dump(Scenario.checked(tomllib.loads(dump(scenario)))) == dump(scenario)
    cpi = scenario.build(seed=1).run(1).cpis[0]
    assert np.isfinite(cpi.se_bit_s_hz).all()
    assert np.isfinite(cpi.estimate.positions_m).all()
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("table", "key"), list(keys_of_the_schema()))
def test_odd_values_of_every_key(table, key):
    slow = ("lead_s", "deadline_s", "latency_s")  # an hour of them is valid, and long
    for value in ODD:
        if not (key in slow and value in (1, True)):
            refused_or_run(with_value(table, key, value), *([key] if key else []), table)


@pytest.mark.slow
@pytest.mark.parametrize(("table", "registry"), [("selector", SELECTORS), ("estimator", ESTIMATORS)])
def test_odd_values_of_every_setting_of_a_kind(table, registry):
    for kind in registry:
        for key in settings_of(implementation(kind, registry)):
            for value in ODD:
                data = base()
                data[table] = {"kind": kind, key: value}
                if kind == "fixed":
                    data[table] = {"kind": kind, "transmitters": [0, 1], "receivers": [2, 3]} | {key: value}
                refused_or_run(data, key, "selector.receivers")


EXTREMES = {
    "radio": {
        "carrier_hz": (1e6, 1e12), "bandwidth_hz": (1.0, 1e6), "noise_temperature_k": (1e-3, 1e9),
        "noise_figure_db": (0.0, 100.0), "transmit_power_dbm": (-100.0, 100.0), "comm_power_fraction": (0.0, 1.0),
        "rician_k_db": (-100.0, 100.0), "angular_std_deg": (1e-300, 180.0),
    },
    "area": {"size_m": ([1.0, 1.0], [1e7, 1e7])},
    "access_points": {"n_antennas": (1, 33)},
    "fronthaul": {"iq_bits": (1, 24), "loss_probability": (0.0, 1.0), "rate_bit_s": (1.0, 1e15)},
}  # fmt: skip


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("seed", range(4))
def test_extremes_of_what_is_allowed_give_finite_results(kind, seed):
    """A warning of NumPy, an error in tests, would tell of an overflow."""
    rng, data = np.random.default_rng(seed), base()
    for table, keys in EXTREMES.items():
        for key, ends in keys.items():
            if rng.random() < 0.5:
                data.setdefault(table, {})[key] = ends[rng.integers(2)]
    data["targets"] = [{"rcs_dbsm": float(rng.choice([-100.0, 100.0])), "velocity_m_s": [1e5, -1e5]}]
    data["estimator"] = {"kind": kind, "grid_step_m": max(1e-6, max(data["area"]["size_m"]) / 10)}
    assert refused_or_run(data)


# -- from Python -------------------------------------------------------------------------------------------------------

POSITIONS = [[0.0, 0.0], [500.0, 0.0], [500.0, 500.0], [0.0, 500.0]]
FIXED = {"kind": "fixed", "transmitters": [0, 1], "receivers": [2, 3]}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"radio.transmit_power_dbm": np.float32(20.0)}, {"radio.transmit_power_dbm": 20.0}),
        ({"schedule.cpis": np.int64(3)}, {"schedule.cpis": 3}),
        ({"schedule.cpis": np.array(3)}, {"schedule.cpis": 3}),
        ({"area.size_m": (np.float64(300.0), np.int32(200))}, {"area.size_m": [300.0, 200]}),
        ({"radio.illumination": np.str_("full")}, {"radio.illumination": "full"}),
        ({"radio": {"illumination": np.array(["full"])[0]}}, {"radio.illumination": "full"}),
        (
            {"access_points": {"positions_m": np.array(POSITIONS)}, "schedule.n_receivers": np.uint8(2)},
            {"access_points.positions_m": POSITIONS, "schedule.n_receivers": 2},
        ),
        (
            {"access_points.positions_m": [np.array(p) for p in POSITIONS], "schedule": {"n_receivers": 2}},
            {"access_points.positions_m": POSITIONS, "schedule.n_receivers": 2},
        ),
        ({"selector": FIXED | {"receivers": [np.int64(2), np.int64(3)]}}, {"selector": FIXED}),
        ({"selector": FIXED | {"receivers": {2, 3}}}, {"selector": FIXED}),
        ({"selector": FIXED | {"receivers": frozenset({3, 2})}}, {"selector": FIXED}),
        ({"selector": FIXED | {"receivers": range(2, 4)}}, {"selector": FIXED}),
        ({"selector": FIXED | {"receivers": {2: "two", 3: "three"}.keys()}}, {"selector": FIXED}),
        ({"selector": FIXED | {"transmitters": np.arange(2)}}, {"selector": FIXED}),
        (
            {"selector.kind": "greedy-se", "selector.improve": np.bool_(False), "selector.n_draws": np.int16(5)},
            {"selector": {"kind": "greedy-se", "improve": False, "n_draws": 5}},
        ),
        ({"targets": [{"position_m": np.array([1.0, 2.0])}]}, {"targets": [{"position_m": [1.0, 2.0]}]}),
        ({"targets": ({"rcs_dbsm": np.int64(-3)},)}, {"targets": [{"rcs_dbsm": -3}]}),
    ],
)
def test_arrays_and_numbers_of_numpy_are_taken_like_plain_ones(given, meant):
    assert dump(load("paper", given)) == dump(load("paper", meant)) == dump(load("paper").with_(given))


def test_a_path_is_taken_as_topology(tmp_path):
    import networkx as nx

    path = tmp_path / "net.graphml"
    nx.write_graphml(nx.star_graph(["central", *(f"ap-{i}" for i in range(12))]), path)
    for given in ({"fronthaul.topology": path}, {"fronthaul": {"topology": path}}):
        assert dump(load("paper", given)) == dump(load("paper", {"fronthaul.topology": str(path)}))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"access_pont": object}, 'no argument "access_pont"; did you mean "access_point"'),
        ({"estimatr": None}, 'no argument "estimatr"; did you mean "estimator"'),
        ({"nonsense": None}, r'no argument "nonsense"; known here: access_point, .*selector'),
    ],
)
def test_build_names_the_nearest_argument(arguments, words):
    with pytest.raises(TypeError, match=words):
        load("paper").build(**arguments)


def test_build_names_the_nearest_access_point():
    with pytest.raises(ValueError, match=r"\['ap3'\] are not among ap-0..ap-11; did you mean \"ap-3\""):
        load("paper").build(access_points={"ap3": object})


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("access_pont.count", 'did you mean "access_points"'),
        ("access_points.conut", 'did you mean "count"'),
        ("targets.0.rcs_dbm", 'did you mean "rcs_dbsm"'),
        ("selector.knid", 'did you mean "kind"'),
        ("estimator.grid_stepm", 'did you mean "grid_step_m"'),
        (".".join("a" * 2000), "more than 16 parts"),
        (f"targets.{'9' * 5000}.rcs_dbsm", "no index of a list of 2"),
    ],
)
def test_a_misspelt_table_or_key_is_answered_with_the_nearest(key, words):
    with pytest.raises(ScenarioError, match=words):
        load("paper", {key: 1})


# -- from the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["9" * 5000, "-" + "9" * 5000, "[" * 1000 + "]" * 1000, "1e999", "0x" + "f" * 20])
@pytest.mark.parametrize("way", ["file", "--set"])
def test_numbers_of_many_digits_and_deep_nesting_are_requests_that_are_wrong(tmp_path, value, way):
    Path(tmp_path, "s.toml").write_text(f"schedule.cpis = {value}\n" if way == "file" else "")
    arguments = ["validate", str(tmp_path / "s.toml")] + (["--set", f"schedule.cpis={value}"] if way == "--set" else [])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr) < LONGEST_MESSAGE
    assert "Error" not in result.stderr


@pytest.mark.parametrize("offset_m", [0.0, 1e-300, 9e-4])
def test_nodes_closer_than_a_millimetre_are_refused(offset_m):
    """At no distance at all a channel is infinite; a thousandth of a metre is outside of any model here."""
    aps = {"access_points.positions_m": [[5.0, 0.0], [9.0, 9.0]], "schedule.n_receivers": 1}
    for there, key in (({"user_equipment.positions_m": [[9.0, 9.0 + offset_m]]}, "ap-1"),
                       ({"targets": [{"position_m": [5.0, offset_m]}]}, "ap-0")):  # fmt: skip
        with pytest.raises(ScenarioError, match=f"within a millimetre of where {key}"):
            load("paper", aps | there)
    load("paper", aps | {"targets": [{"position_m": [5.0, 2e-3]}]})
