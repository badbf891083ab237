"""The command line: shapes of its JSON, exit codes, messages, and what it leaves on disk."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import matplotlib.image
import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from emulator.media.topologies import star
from scenarios.commands import cli
from scenarios.commands.cli import app
from scenarios.exports import FORMATS
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.file.survey import first_channel

GOLDEN = json.loads((Path(__file__).parent / "reference" / "golden.json").read_text())
RELATIVE_TOLERANCE = 1e-6

SMALL = """
[area]
size_m = [200.0, 200.0]
[access_points]
positions_m = [[5, 5], [190, 10], [195, 183], [8, 192], [93, 2], [71, 199]]
boresights_deg = [45, 135, 225, 315, 90, 270]
n_antennas = 4
[user_equipment]
count = 2
[[targets]]
position_m = [80, 120]
[schedule]
n_receivers = 3
cpis = 2
"""

FILES = [
    ".dmimo.json", "cost_map.png", "fronthaul.png", "map.png", "metrics.png", "result.json", "scenario.toml", "se.png",
    "timeline.png", "trace.npz",
]  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    return "small.toml"


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A folder with the scenario and the output folder "o" of one CPI."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SMALL)
    result = dmimo("run", folder / "small.toml", "--cpis", 1, "--out", folder / "o")
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def finished(finished_run, tmp_path):
    """The current folder holds a copy of a finished run."""
    shutil.copytree(finished_run, tmp_path, dirs_exist_ok=True)
    return Path("o")


def dmimo(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.mark.parametrize(("least_s", "told"), [(0.0, True), (60.0, False)])
@pytest.mark.parametrize("command", [("bound", "paper"), ("run", "paper", "--cpis", "1")])
def test_a_command_that_takes_long_says_so_before_it_begins(monkeypatch, tmp_path, command, least_s, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scenarios.commands.cli.WORTH_SAYING_S", least_s)
    outcome = dmimo(*command, "--json", "--set", "estimator.kind='grid'")
    assert outcome.exit_code == 0
    assert outcome.stderr.startswith("This takes about ") == told


def dmimo_process(*args, **environment):
    command = [sys.executable, "-m", "scenarios", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=120)


def fails_with_2(result, *words):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert all(word in result.stderr for word in words), result.stderr


# -- run -------------------------------------------------------------------------------------------------------------


def test_run_json_has_the_agreed_shape(small):
    result = dmimo("run", small, "--seed", 3, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert set(data) == {"schema_version", "seed", "cpis", "fronthaul", "slots", "events", "wall_s"}
    assert data["seed"] == 3
    assert [cpi["index"] for cpi in data["cpis"]] == [0, 1]
    cpi = data["cpis"][0]
    assert set(cpi) == {
        "index", "transmitters", "receivers", "targets", "false_detections", "false_positions_m", "se_bit_s_hz",
        "sum_se_bit_s_hz", "sensing_latency_s", "reports_expected", "reports_fused", "limited",
    }  # fmt: skip
    assert sorted(cpi["transmitters"] + cpi["receivers"]) == [0, 1, 2, 3, 4, 5]
    target = cpi["targets"][0]
    assert set(target) == {
        "truth_m", "status", "reason", "estimate_m", "covariance_m2", "error_m", "peb_m", "peb_structured_m",
        "age_s", "age_mean_s", "age_peak_s",
    }  # fmt: skip
    assert target["truth_m"] == [80.0, 120.0]
    assert target["status"] in ("resolved", "not-resolved")
    assert target["error_m"] == pytest.approx(np.hypot(*np.subtract(target["estimate_m"], target["truth_m"])))
    assert np.shape(target["covariance_m2"]) == (2, 2)
    assert 0.0 < target["peb_structured_m"] <= target["peb_m"] * (1 + 1e-9)
    assert len(cpi["se_bit_s_hz"]) == 2
    assert cpi["sum_se_bit_s_hz"] == pytest.approx(sum(cpi["se_bit_s_hz"]))
    assert cpi["reports_expected"] == cpi["reports_fused"] == 3 * 3
    assert cpi["false_detections"] == len(cpi["false_positions_m"])
    fronthaul = data["fronthaul"]
    assert set(fronthaul) == {
        "messages_sent", "messages_delivered", "messages_dropped", "messages_in_flight", "messages_without_route",
        "links",
    }  # fmt: skip
    assert fronthaul["messages_sent"] == sum(fronthaul[f"messages_{w}"] for w in ("delivered", "dropped", "in_flight"))
    assert set(fronthaul["links"]["ap-0->central"]) == {
        "bits", "utilisation", "rate_bit_s", "messages_entered", "messages_waiting_mean", "messages_waiting_max",
        "bits_waiting_mean", "bits_waiting_max", "wait_mean_s", "wait_max_s", "lost",
    }  # fmt: skip
    assert list(Path().iterdir()) == [Path(small)]


def test_run_json_is_null_where_there_is_no_number(small):
    """Without sensing power the Fisher matrix is zero and nothing is found; JSON has no NaN."""
    result = dmimo("run", small, "--json", "--cpis", 1, "--set", "radio.comm_power_fraction=1.0")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    (target,) = data["cpis"][0]["targets"]
    assert target["status"] == "missed"
    assert all(target[key] is None for key in target if key not in ("truth_m", "status"))


@pytest.mark.parametrize(
    ("key", "value", "field", "empty"),
    [("targets", "[]", "targets", []), ("user_equipment.count", "0", "se_bit_s_hz", [])],
)
def test_run_without_targets_or_ues(small, key, value, field, empty):
    result = dmimo("run", small, "--json", "--cpis", 1, "--set", f"{key}={value}", "--out", "o")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["cpis"][0][field] == empty
    assert sorted(path.name for path in Path("o").iterdir()) == FILES


def test_run_writes_its_folder_and_tells_a_person(small):
    result = dmimo("run", small, "--seed", 2)
    assert result.exit_code == 0, result.stderr
    (folder,) = Path("results").iterdir()
    assert re.fullmatch(r"small-2-[0-9a-f]{8}", folder.name)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for word in ("resolved", "error", "bound", "Sum spectral efficiency", str(folder / "map.png")):
        assert word in result.stdout
    written = json.loads((folder / "result.json").read_text())
    assert "wall_s" not in written
    assert len(written["cpis"]) == 2
    for name in ("map.png", "cost_map.png", "fronthaul.png", "timeline.png", "se.png", "metrics.png"):
        assert matplotlib.image.imread(folder / name).std() > 0.01


def test_run_of_the_resolved_scenario_gives_the_same_bytes(finished):
    """--cpis is part of what was run, so it stands in the scenario file that is written."""
    again = dmimo("run", finished / "scenario.toml", "--out", "b")
    assert again.exit_code == 0, again.stderr
    for name in FILES:
        assert (finished / name).read_bytes() == (Path("b") / name).read_bytes(), name


def test_run_does_not_depend_on_the_hash_seed(small):
    texts = []
    for hash_seed in ("1", "2"):
        result = dmimo_process("run", small, "--cpis", 1, "--json", PYTHONHASHSEED=hash_seed)
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        data = json.loads(result.stdout)
        del data["wall_s"]
        texts.append(json.dumps(data))
    assert texts[0] == texts[1]


@pytest.mark.usefixtures("sketched")
def test_run_replaces_an_earlier_result(finished):
    asked = ["run", "small.toml", "--cpis", 2, "--out", finished]
    fails_with_2(dmimo(*asked), "--out", "other settings", "schedule.cpis: 1 there, 2 now", "--overwrite")
    result = dmimo(*asked, "--overwrite")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(Path("o/result.json").read_text())["cpis"]) == 2
    assert sorted(os.listdir()) == ["o", "small.toml"]


@pytest.mark.usefixtures("sketched")
def test_run_leaves_other_files_alone(small):
    Path("mine/below").mkdir(parents=True)
    for name in ("mine/thesis.txt", "mine/below/result.json"):
        Path(name).write_text("important")
    assert dmimo("run", small, "--cpis", 1, "--out", "mine").exit_code == 0
    assert {path.read_text() for path in (Path("mine/thesis.txt"), Path("mine/below/result.json"))} == {"important"}
    Path("theirs").mkdir()
    Path("theirs/map.png").write_text("a map of their own")
    for option in ([], ["--overwrite"]):
        fails_with_2(dmimo("run", small, "--out", "theirs", *option), "--out", "map.png", "did not write")
    Path("file").write_text("")
    fails_with_2(dmimo("run", small, "--out", "file"), "--out", "a file")
    assert sorted(os.listdir()) == ["file", "mine", small, "theirs"]
    assert os.listdir("theirs") == ["map.png"]


@pytest.mark.usefixtures("sketched")
def test_a_run_with_another_graph_of_the_same_name_is_refused(small):
    """The content of the file counts, not its name: the earlier result stays, and its digest stands in its scenario."""
    command = ("run", small, "--cpis", 1, "--set", 'fronthaul.topology="g.graphml"')
    for rate_bit_s in (1e9, 2e9):
        nx.write_graphml(star([f"ap-{i}" for i in range(6)], rate_bit_s=rate_bit_s, latency_s=1e-6), "g.graphml")
        results = [dmimo(*command, *options) for options in (["--out", "o"], [])]
        if rate_bit_s == 1e9:
            assert results[0].exit_code == 0, results[0].stderr
            digest = hashlib.sha256(Path("g.graphml").read_bytes()).hexdigest()[:16]
    assert len(os.listdir("results")) == 2
    fails_with_2(results[0], f'content of the file fronthaul.topology: "{digest}" there')
    assert f"# content of the file fronthaul.topology: sha256 {digest}" in Path("o/scenario.toml").read_text()
    assert dmimo(*command, "--out", "o", "--overwrite").exit_code == 0


def test_a_run_with_another_plugin_of_the_same_name_is_refused(small):
    Path("plug").mkdir()
    Path("plug/__init__.py").write_text("from plug.inner import Mine")
    Path("plug/inner.py").write_text(
        "from dataclasses import dataclass\n"
        "from models.selection import GreedySurrogate\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine(GreedySurrogate): ...\n"
    )
    command = ("run", small, "--cpis", 1, "--set", 'selector.kind="plug:Mine"', "--plugin", "plug", "--out", "o")
    assert (done := dmimo_process(*command)).returncode == 0, done.stderr
    assert "# content of the plug-in plug: sha256 " in Path("o/scenario.toml").read_text()
    for edited in (Path("plug/__init__.py"), Path("plug/inner.py")):
        source = edited.read_text()
        edited.write_text(f"{source}\n# edited\n")
        done = dmimo_process(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "content of the plug-in plug: " in done.stderr
        edited.write_text(source)
    assert (done := dmimo_process(*command)).returncode == 0, done.stderr


def test_run_that_fails_says_so_and_leaves_nothing(small):
    Path("broken.py").write_text(
        "from dataclasses import dataclass\n"
        "from models.estimation.base import Estimator\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Broken(Estimator):\n"
        "    def estimate(self, observation):\n"
        "        raise RuntimeError('no idea')\n"
    )
    result = dmimo_process("run", small, "--set", 'estimator.kind="broken:Broken"', "--plugin", "broken", "--out", "o")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "no idea" in result.stderr
    assert "central" in result.stderr
    assert "Traceback" not in result.stderr
    assert not [path for path in os.listdir() if path not in (small, "broken.py", "__pycache__")]


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_plugin_that_ends_the_process_as_it_is_imported_is_refused(small, command):
    Path("quits.py").write_text("import sys; sys.exit(0)")
    result = dmimo_process(command, small, "--set", 'estimator.kind="quits:Quits"', "--plugin", "quits")
    assert (result.returncode, result.stdout) == (2, "")
    assert 'estimator.kind: "quits:Quits" cannot be loaded: SystemExit: 0' in result.stderr


def test_a_plugin_that_ends_the_process_as_it_is_asked_has_failed(small):
    Path("leaves.py").write_text(SLEEPER.replace("Sleeper", "Leaver").replace("sleep(60)", "raise SystemExit(0)"))
    result = dmimo_process("run", small, "--set", 'estimator.kind="leaves:Leaver"', "--plugin", "leaves", "--out", "o")
    assert result.returncode == 1, result.stderr
    assert "Leaver.estimate: SystemExit: 0" in result.stderr
    assert not Path("o").exists()


SLEEPER = """
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from models.estimation.base import Estimator
@dataclass(frozen=True, kw_only=True)
class Sleeper(Estimator):
    def estimate(self, observation):
        Path("asleep").touch()
        sleep(60)
"""


@pytest.fixture
def heeds_interrupts():
    """Interrupts are heeded, by child processes too: a job that a shell started in the background ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_interrupted_leaves_nothing(small, number, send):
    """Neither where the command alone is told, nor where all its processes are, as by Ctrl-C on a terminal."""
    Path("sleeper.py").write_text(SLEEPER)
    command = [sys.executable, "-B", "-m", "scenarios", "run", small, "--out", "o", "--plugin", "sleeper"]
    command += ["--set", 'estimator.kind="sleeper:Sleeper"']
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as process:
        while not Path("asleep").exists() and process.poll() is None:
            time.sleep(0.02)
        send(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert out == ""
    assert "interrupted; no result was left half-written" in err
    assert "Traceback" not in err
    assert sorted(os.listdir()) == ["asleep", "sleeper.py", small]


# -- requests that are wrong -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "bound", "validate"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[radio]\ncarrier_hz = = 1", ["line 2"]),
        ("[radio]\ncarrier_hz = -1\nbandwith_hz = 3", ["radio.carrier_hz", "-1 Hz", "did you mean"]),
        ("schedule.n_receivers = 12", ["schedule.n_receivers", "1 to 11"]),
        ("oscillators.cfo_std_hz = 1.0", ["oscillators.cfo_std_hz", "this kind has no settings"]),
    ],
)
def test_bad_file_is_refused(command, text, words):
    Path("bad.toml").write_text(text)
    fails_with_2(dmimo(command, "bad.toml"), "bad.toml", *words)
    assert os.listdir() == ["bad.toml"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "nothing"], ["no such file", "paper"]),
        (["run", "paper", "--seed", "-1"], ["--seed", 'got "-1"; allowed: a whole number >= 0']),
        (["run", "paper", "--seed", "9" * 5000], ["--seed", f"allowed: a whole number >= 0 and <= {10**18}"]),
        (["run", "paper", "--cpis", "9" * 21], ["--cpis", f"allowed: a whole number >= 1 and <= {10**9}"]),
        (["run", "paper", "--seed", "x"], ["--seed", 'got "x"']),
        (["run", "paper", "--cpis", "0"], ["--cpis", 'got "0"; allowed: a whole number >= 1']),
        (["figure", "2", "--realizations", "1.5"], ["--realizations", 'got "1.5"; allowed: a whole number >= 1']),
        (["figure", "2", "--workers", "0"], ["--workers", 'got "0"; allowed: a whole number >= 1']),
        (["timeline", ".", "--from", "soon"], ["--from", 'got "soon"; allowed: a time in ms']),
        (["bound", ""], ["SCENARIO", 'got ""', "paper"]),
        *(
            ([*command, "--out", out], ["--out", f'got "{out}"', "allowed: a"])
            for command in (["run", "paper"], ["bound", "paper", "--map"], ["figure", "3b"], ["bench"])
            for out in ("", "/proc/x")
        ),
        (["run", "paper", "--set", "radio.power=1"], ["radio.power", "unknown key"]),
        (["run", "paper", "--set", "radio.illumination=full"], ["--set", "quotes"]),
        (["run", "paper", "--set", "radio"], ["--set", "key=value"]),
        (["run", "paper", "--unknown"], ["--unknown"]),
        (["run"], ["SCENARIO"]),
        (["fly", "paper"], ["fly"]),
        (["bound", "paper", "--at", "3"], ["--at", "X,Y"]),
        (["bound", "paper", "--at", "3,nan"], ["--at", "X,Y"]),
        (["bound", "paper", "--at", "1e300,5"], ["--at", 'got "1e300,5"', "-1e+07 to 1e+07"]),
        (["timeline", "nowhere"], ["nowhere", "trace"]),
    ],
)
def test_bad_request_is_refused(args, words):
    fails_with_2(dmimo(*args), *words)
    assert os.listdir() == []


# -- bound -------------------------------------------------------------------------------------------------------------


def golden_scenario(case, **targets):
    layout = GOLDEN["layout"]
    return {
        "radio": {
            "carrier_hz": layout["carrier_hz"],
            "bandwidth_hz": layout["bandwidth_hz"],
            "noise_temperature_k": layout["temperature_k"],
            "transmit_power_dbm": case["power_dbm"],
            "comm_power_fraction": case["rho"],
        },
        "access_points": {
            "positions_m": layout["ap_positions_m"],
            "boresights_deg": np.degrees(layout["ap_boresights_rad"]).tolist(),
            "n_antennas": case.get("n_antennas", layout["n_antennas"]),
        },
        "selector": {
            "kind": "fixed",
            "transmitters": layout["transmitters"],
            "receivers": layout["receivers"],
        },
        "schedule": {"snapshots_per_slot": case["snapshots_per_transmitter"]},
        **targets,
    }


def bound_json(scenario, *args):
    from scenarios.file.files import dump

    Path("golden.toml").write_text(dump(Scenario.checked(scenario)))
    result = dmimo("bound", "golden.toml", "--json", *args)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['power_dbm']} dBm")
def test_bound_of_single_points_equals_the_golden_values(case):
    """Points given as targets and points given with --at are bounded alike, each alone."""
    first, *others = case["points_m"]
    data = bound_json(golden_scenario(case, targets=[{"position_m": first}]), *(f"--at={x},{y}" for x, y in others))
    assert [row["position_m"] for row in data["targets"]] == case["points_m"]
    for key in ("peb_coherent_m", "peb_noncoherent_m"):
        np.testing.assert_allclose([row[key] for row in data["targets"]], case[key], rtol=RELATIVE_TOLERANCE)
    assert data["joint"][0]["peb_coherent_m"] == pytest.approx(data["targets"][0]["peb_coherent_m"])


@pytest.mark.parametrize("case", GOLDEN["two_targets"], ids=["far apart", "close"])
def test_bound_of_two_targets_together_equals_the_golden_values(case):
    data = bound_json(golden_scenario(case, targets=[{"position_m": p} for p in case["points_m"]]))
    for key in ("peb_coherent_m", "peb_noncoherent_m"):
        np.testing.assert_allclose([row[key] for row in data["joint"]], case[key], rtol=RELATIVE_TOLERANCE)


def test_bound_takes_the_scattering_phases_that_are_given(small):
    """Of two targets close together the bound depends on their phases, here as in a run; a phase left out is 0."""
    here, there = {"position_m": [80, 120]}, {"position_m": [80.02, 120]}
    others = there | {"scatter_phase_rad": 0.0}, there, there | {"scatter_phase_rad": 1.5}
    alike, zero, apart = (bound_json(tomllib.loads(SMALL) | {"targets": [here, other]}) for other in others)
    assert alike == zero
    assert [row["peb_coherent_m"] for row in alike["joint"]] != [row["peb_coherent_m"] for row in apart["joint"]]
    zero = ("--set", "targets.0.scatter_phase_rad=0")
    run = json.loads(dmimo("run", "golden.toml", "--cpis", 1, *zero, "--json").stdout)
    for row, target, single in zip(apart["joint"], run["cpis"][0]["targets"], apart["targets"], strict=True):
        assert row["peb_coherent_m"] == pytest.approx(target["peb_m"], rel=0.2)  # the expected Q against the actual
        assert row["peb_coherent_m"] > single["peb_coherent_m"]


def test_two_targets_in_one_place_have_an_infinite_bound(small):
    """In the tables, and as null in JSON, with whatever phases; and a run goes on."""
    settings = ("--set", "targets=[{position_m=[80, 120]}, {position_m=[80, 120], scatter_phase_rad=1.5}]")
    data = json.loads(dmimo("bound", small, "--json", *settings).stdout)
    assert [row["peb_coherent_m"] for row in data["joint"]] == [None, None]
    assert all(row["peb_coherent_m"] > 0.0 for row in data["targets"])
    assert dmimo("bound", small, *settings).stdout.count("inf") == 2
    run = dmimo("run", small, "--cpis", 1, *settings)
    assert run.exit_code == 0, run.stderr
    assert run.stdout.count(" inf ") == 2


def test_bound_without_targets(small):
    data = json.loads(dmimo("bound", small, "--set", "targets=[]", "--at=-5,3", "--json").stdout)
    assert data["joint"] == []
    assert [row["position_m"] for row in data["targets"]] == [[-5.0, 3.0]]


def test_bound_is_null_where_singular(small):
    """One antenna, one receiver, one transmitter; and no sensing power at all."""
    one = ("--set", "access_points.n_antennas=1", "--set", "selector={kind='fixed', transmitters=[0], receivers=[1]}")
    for settings in (one, ("--set", "radio.comm_power_fraction=1.0")):
        result = dmimo("bound", small, "--json", *settings)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["targets"][0]["peb_coherent_m"] is None


def test_bound_falls_when_communication_illuminates_too(small):
    pebs = [
        json.loads(dmimo("bound", small, "--json", "--set", f'radio.illumination="{what}"').stdout)["targets"][0]
        for what in ("sensing", "full")
    ]
    assert pebs[1]["peb_coherent_m"] < pebs[0]["peb_coherent_m"]


def test_bound_uses_the_channel_of_the_run(small):
    """With the channel that the bound is based on, (7) gives the spectral efficiency that a run reports for CPI 0."""
    from models.radio.efficiency import spectral_efficiency
    from models.radio.transmission import precoding_matrix

    scenario = load(small, {"radio.illumination": "full"})
    emulation = scenario.build(seed=5, estimator=None)
    cpi, radio = emulation.run(1).cpis[0], emulation.central.radio
    slow = scenario.with_({"fronthaul.latency_s": 1.0, "schedule.lead_s": 0.0})
    for described in (scenario, slow):
        channel = first_channel(described, 5)[cpi.assignment.transmitters]
        precoding = precoding_matrix(channel, radio.transmit_power_w, radio.comm_power_fraction)
        sensing_power_w = np.eye(len(channel)) * (1.0 - radio.comm_power_fraction) * radio.transmit_power_w
        rates = spectral_efficiency(channel, precoding, sensing_power_w, radio.noise_power_w)
        np.testing.assert_allclose(rates, cpi.se_bit_s_hz, rtol=1e-9)


def test_bound_for_a_person(small):
    result = dmimo("bound", small, "--at", "50,60")
    assert result.exit_code == 0, result.stderr
    for word in ("target 0", "--at", "50.00, 60.00", "coherent (mm)"):
        assert word in result.stdout


def test_bound_refuses_a_point_on_an_access_point(small):
    fails_with_2(dmimo("bound", small, "--at", "5,5"), "ap-0")


QUICK = ("--cpis", "1", "--set", 'estimator.kind="grid"', "--set", "estimator.grid_step_m=50")


@pytest.mark.usefixtures("sketched")
def test_two_scenarios_of_one_name_do_not_share_a_folder():
    for folder, text in (("a", ""), ("b", "[radio]\ntransmit_power_dbm = 20.0\n")):
        Path(folder).mkdir()
        Path(folder, "net.toml").write_text(text)
        result = dmimo("run", f"{folder}/net.toml", *QUICK)
        assert result.exit_code == 0, result.stderr
    first, second = sorted(Path("results").iterdir())
    powers = {load(folder / "scenario.toml").radio.transmit_power_dbm for folder in (first, second)}
    assert powers == {20.0, 30.0}
    assert {folder.name[:6] for folder in (first, second)} == {"net-1-"}


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize("role", ["transmitters", "receivers"])
def test_of_the_written_scenario_one_access_point_can_be_turned(role):
    """All else stays: places, the other boresights, and the channels of the other access points, to the byte."""
    assert dmimo("run", "paper", *QUICK, "--out", "o").exit_code == 0
    drawn = load("o/scenario.toml")
    before = json.loads(Path("o/result.json").read_text())["cpis"][0]
    ap = before[role][1]
    boresights = list(drawn.access_points.boresights_deg)
    boresights[ap] += 40.0
    turned = drawn.with_({"access_points.boresights_deg": boresights})
    emulations = [scenario.build(seed=1) for scenario in (drawn, turned)]
    same = np.arange(12) != ap
    first, second = (emulation.network for emulation in emulations)
    assert np.array_equal(first.ap_positions_m, second.ap_positions_m)
    assert np.array_equal(first.boresights_rad == second.boresights_rad, same)
    results = [emulation.run(1).cpis[0] for emulation in emulations]
    assert results[0].se_bit_s_hz.tolist() == before["se_bit_s_hz"]
    assert np.array_equal(results[0].truth_m, results[1].truth_m)
    changed = results[0].se_bit_s_hz != results[1].se_bit_s_hz
    assert changed.all() if role == "transmitters" else not changed.any()
    assignment = results[0].assignment
    channels = [first_channel(scenario, 1)[assignment.transmitters] for scenario in (drawn, turned)]
    unlike = (channels[0] != channels[1]).any(axis=(1, 2))
    assert assignment.transmitters[unlike].tolist() == ([ap] if role == "transmitters" else [])


# -- the other commands ------------------------------------------------------------------------------------------------


def test_timeline_draws_the_same_picture_again(finished):
    picture = finished / "timeline.png"
    first = picture.read_bytes()
    picture.unlink()
    result = dmimo("timeline", finished)
    assert result.exit_code == 0, result.stderr
    assert picture.read_bytes() == first
    assert dmimo("timeline", finished, "--from", 0.2, "--until", 0.3).exit_code == 0
    assert picture.read_bytes() != first
    assert sorted(path.name for path in finished.iterdir()) == FILES


def test_timeline_shows_what_is_chosen_and_writes_its_picture_alone(finished):
    """A choice changes the picture, the same choice gives the same bytes, and no other file is touched."""
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    pictures = []
    for options in ([], ["--aps", "ap-1..ap-3"], ["--aps", "ap-3,ap-1"], ["--report", "ap-1"], ["--cpi", "0..0"]):
        result = dmimo("timeline", finished, *options)
        assert result.exit_code == 0, result.stderr
        pictures.append((finished / "timeline.png").read_bytes())
    assert pictures[0] == pictures[-1] == before["timeline.png"]
    assert len(set(pictures)) == 4
    after = {path.name: path.read_bytes() for path in finished.iterdir()}
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {".dmimo.json"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--aps", "ap-33"], ["--aps", 'got "ap-33"; allowed: APs of this run, ap-0 to ap-5; the nearest is ap-3']),
        (["--aps", "ap-5..ap-3"], ["--aps", 'got "ap-5..ap-3"', "in the order of the APs"]),
        (["--aps", "ap-1..ap-2..ap-3"], ["--aps", "as ap-3..ap-6"]),
        (["--aps", ""], ["--aps", 'got ""']),
        (["--cpi", "5"], ["--cpi", 'got "5"; allowed: 0 to 1']),
        (["--cpi", "2..1"], ["--cpi", 'got "2..1"']),
        (["--cpi", "one"], ["--cpi", 'got "one"']),
        (["--report", "ap-0,ap-1"], ["--report", "allowed: one AP"]),
        (["--report", "ue-0"], ["--report", 'got "ue-0"', "ap-0 to ap-5"]),
        (["--from", "0.1", "--until", "0.1000001"], ["--from, --until", "1 ns apart at least"]),
        (["--until", "1e305"], ["--from, --until", "times in ms up to 1e+12"]),
        (["--from", "1000"], ["--from, --until", "allowed: times from 0 to"]),
        (["--until", "-1"], ["--from, --until", "allowed: times from 0 to"]),
        (["--format", "json"], ["--format", 'got "json"; allowed: png, svg, html, perfetto, vcd, csv, netcdf']),
        (["--format", "csv", "--report", "ap-1"], ["--report", "got --format csv; allowed: png, svg"]),
        (["--out", "."], ["--out", "which is a folder"]),
    ],
)
def test_timeline_refuses_what_the_run_does_not_have(finished_run, options, words):
    before = (finished_run / "o" / "timeline.png").read_bytes()
    fails_with_2(dmimo("timeline", finished_run / "o", *options), *words)
    assert (finished_run / "o" / "timeline.png").read_bytes() == before


@pytest.mark.parametrize("form", FORMATS)
def test_timeline_writes_every_form_beside_the_result_or_elsewhere(finished, form, tmp_path):
    """Time and again, the same bytes; elsewhere under the name that is given."""
    before = {path.name for path in finished.iterdir()}
    written = []
    for _ in range(2):
        result = dmimo("timeline", finished, "--format", form)
        assert result.exit_code == 0, result.stderr
        written.append({path: Path(path).read_bytes() for path in result.stdout.split()})
    assert written[0] == written[1]
    names = {f"timeline{ending}" for ending in FORMATS[form]}
    assert {path.name for path in finished.iterdir()} == before | names
    first = next(iter(FORMATS[form]))
    for _ in range(2):
        assert dmimo("timeline", finished, "--format", form, "--out", f"else/x{first}").exit_code == 0
    found = {path.name for path in Path("else").iterdir()}
    assert found == {f"x{ending}" for ending in FORMATS[form]} | {".dmimo.json"}
    assert Path(f"else/x{first}").read_bytes() == (finished / f"timeline{first}").read_bytes()


def test_an_export_of_a_part_holds_that_part(finished):
    def times(*options):
        assert dmimo("timeline", finished, "--format", "csv", *options).exit_code == 0
        lines = (finished / "timeline.csv").read_text().splitlines()[2:]
        return [(int(time_ns), cpi) for time_ns, _, _, _, _, cpi, *_ in (line.split(",") for line in lines)]

    everything = times()
    assert len(everything) == len(np.load(finished / "trace.npz")["kind"])
    assert times("--cpi", "1") == [row for row in everything if row[1] == "1"]
    assert times("--from", "0.3", "--until", "0.5") == [row for row in everything if 300_000 <= row[0] < 500_000]
    assert 0 < len(times("--aps", "ap-1")) < len(everything)


@pytest.mark.usefixtures("sketched")
def test_an_export_that_is_stale_goes_with_its_result(small):
    """A run of other settings in the same folder takes the exports of the last one with it; others' files stay."""
    assert dmimo("run", small, "--out", "o").exit_code == 0
    assert dmimo("timeline", "o", "--format", "csv").exit_code == 0
    assert dmimo("run", small, "--out", "o", "--seed", 2, "--overwrite").exit_code == 0
    assert sorted(path.name for path in Path("o").iterdir()) == FILES
    Path("o/timeline.csv").write_text("mine")
    fails_with_2(dmimo("timeline", "o", "--format", "csv"), "timeline.csv", "did not write")
    assert Path("o/timeline.csv").read_text() == "mine"


@pytest.mark.usefixtures("sketched")
def test_timeline_and_explain_know_the_same_cpis(small):
    """Those that the trace holds, with the one that was on the air as the run ended."""
    assert dmimo("run", small, "--cpis", 5, "--set", "trace.last_cpis=2", "--out", "o").exit_code == 0
    for cpi, exit_code in ((2, 2), (3, 0), (4, 0), (5, 0), (6, 2)):
        for result in (dmimo("timeline", "o", "--cpi", cpi), dmimo("explain", "o", "ap-0", "--cpi", cpi)):
            assert result.exit_code == exit_code, (cpi, result.stderr)
            assert exit_code == 0 or "allowed: 3 to 5" in result.stderr


@pytest.mark.parametrize("text", [None, "", "{}", '{"cpis": [], "slots": 0}', "[1]"])
def test_timeline_needs_the_result(finished, text):
    (finished / "result.json").unlink()
    if text is not None:
        (finished / "result.json").write_text(text)
    fails_with_2(dmimo("timeline", finished), "result.json", "cannot be read as a result")


def test_timeline_refuses_what_is_no_trace():
    Path("o").mkdir()
    Path("o/trace.npz").write_text("no zip")
    fails_with_2(dmimo("timeline", "o"), "trace.npz")
    np.savez("o/trace.npz", time_ns=np.zeros(1))
    fails_with_2(dmimo("timeline", "o"), "lacks")


def test_validate_accepts_the_paper():
    result = dmimo("validate", "paper")
    assert result.exit_code == 0
    assert "valid" in result.stdout
    assert "12 access points" in result.stdout


def test_schema_is_the_json_schema_of_scenarios():
    result = dmimo("schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema.pop("$schema").endswith("2020-12/schema")
    assert schema == json.loads(json.dumps(Scenario.model_json_schema()))


def test_help_lists_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from scenarios.commands.cli import app; from typer.testing import CliRunner;"
        "text = CliRunner().invoke(app, ['--help']).stdout;"
        "heavy = {'numpy', 'scipy', 'pydantic', 'matplotlib', 'simpy', 'networkx'} & set(sys.modules);"
        "sys.exit(f'{heavy} {text}' if heavy or 'validate' not in text else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def test_main_asks_for_one_thread_of_linear_algebra(monkeypatch):
    """Unless the caller says otherwise."""
    monkeypatch.setattr(cli, "app", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    cli.main()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_every_listed_command_has_help():
    from typer.main import get_command

    for name in get_command(app).commands:
        result = dmimo(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.stdout


@pytest.mark.parametrize("window", [["--from", "nan"], ["--from", "5", "--until", "1"]])
def test_a_timeline_window_out_of_order_is_refused(finished_run, window):
    outcome = CliRunner().invoke(app, ["timeline", str(finished_run / "o"), *window])
    assert outcome.exit_code == 2
    assert "in order and 1 ns apart at least" in outcome.stderr


def test_quantisation_of_what_is_not_sent_is_refused(tmp_path):
    (tmp_path / "s.toml").write_text('[fronthaul]\nsplit = "statistics"\niq_bits = 3\n')
    outcome = CliRunner().invoke(app, ["validate", "s.toml"])
    assert outcome.exit_code == 2
    assert "fronthaul.iq_bits" in outcome.stderr
    statistics = load("paper", {"fronthaul.split": "statistics"})
    assert "iq_bits" not in statistics.data()["fronthaul"]


def test_a_run_that_is_asked_to_says_what_came_of_each_cpi(small):
    """On standard error, also beside JSON; without being asked it says nothing."""
    fault = "faults=[{kind='ap-down', node='ap-0', at_s=0.1e-3}]"
    asked = ["run", small, "--json", "--set", fault]
    loud, quiet = dmimo_process(*asked, "-v"), dmimo_process(*asked)
    assert [line.partition(":")[0] for line in loud.stderr.splitlines()] == ["CPI 0", "CPI 0", "CPI 1", "CPI 1"]
    assert "CPI 0: fault ap-down of ap-0" in loud.stderr
    assert quiet.stderr == ""
    without_time = [{**json.loads(done.stdout), "wall_s": 0} for done in (loud, quiet)]
    assert without_time[0] == without_time[1]
