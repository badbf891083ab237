"""The house: its picture is true, registries hold what their rooms hold, and a change takes the files that we say.

docs/extending shows a metric, an effect of the air and a table of the scenario file. They are made here as shown,
in a copy of the packages, and a run of the command line uses them.
"""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from emulator import (
    FAULTS,
    LATE_REPORTS,
    SPLITS,
    AccessPoint,
    CentralProcessor,
    Fault,
    FunctionalSplit,
    LateReports,
    Target,
    UserEquipment,
)  # fmt: skip
from emulator.media import EFFECTS, TOPOLOGIES
from emulator.media.effects import Effect
from emulator.nodes import ACCESS_POINTS, CENTRAL_PROCESSORS, TARGETS, USER_EQUIPMENTS
from models import SCHEDULERS, SlotScheduler
from models.calibration import CALIBRATIONS, SERVOS, PhaseCalibration, Servo
from models.estimation import ESTIMATORS, Estimator
from models.radio import CHANNELS, PATH_LOSS, QUANTISERS, AccessChannel, Quantiser
from models.selection import SELECTORS, ModeSelector
from scenarios.file.plugins import found, implementation, role_of
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.table import OURS, Number, Table, key
from tests import test_layers

ROOT = Path(__file__).parent.parent
PACKAGES = ("models", "emulator", "scenarios")
ROOMS = sorted(
    str(door.parent.relative_to(ROOT)) for package in PACKAGES for door in (ROOT / package).rglob("*/__init__.py")
)
CLASSES = {
    "selectors": (SELECTORS, ModeSelector, "models.selection"),
    "estimators": (ESTIMATORS, Estimator, "models.estimation"),
    "schedulers": (SCHEDULERS, SlotScheduler, "models"),
    "calibrations": (CALIBRATIONS, PhaseCalibration, "models.calibration"),
    "servos": (SERVOS, Servo, "models.calibration"),
    "splits": (SPLITS, FunctionalSplit, "emulator"),
    "late reports": (LATE_REPORTS, LateReports, "emulator"),
    "quantisers": (QUANTISERS, Quantiser, "models.radio"),
    "effects": (EFFECTS, Effect, "emulator.media"),
    "access points": (ACCESS_POINTS, AccessPoint, "emulator.nodes"),
    "user equipments": (USER_EQUIPMENTS, UserEquipment, "emulator.nodes"),
    "targets": (TARGETS, Target, "emulator.nodes"),
    "central processors": (CENTRAL_PROCESSORS, CentralProcessor, "emulator.nodes"),
    "channels": (CHANNELS, AccessChannel, "models.radio"),
    "faults": (FAULTS, Fault, "emulator"),
}
BASES = {"Tampering"}
"""Classes that could be made and are there to be derived from: what their hooks do by default is nothing."""
FUNCTIONS = {"topologies": TOPOLOGIES, "path loss": PATH_LOSS}

of_classes = pytest.mark.parametrize(("registry", "role", "room"), CLASSES.values(), ids=CLASSES)


# -- registries -------------------------------------------------------------------------------------------------------


def modules_of(room):
    """Return the modules of a package or room, those of the rooms inside it left out."""
    package = importlib.import_module(room)
    return [importlib.import_module(f"{room}.{m.name}") for m in pkgutil.iter_modules(package.__path__) if not m.ispkg]


@of_classes
def test_a_registry_holds_all_that_its_room_has_of_the_kind(registry, role, room):
    there = {
        f"{module.__name__}:{name}"
        for module in modules_of(room)
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, role) and not inspect.isabstract(cls)
        if cls.__module__ == module.__name__ and not name.startswith("_") and name not in BASES
    }
    assert set(registry.values()) == there


@of_classes
def test_what_is_registered_is_a_dataclass_of_its_role(registry, role, room):
    for name in registry:
        assert issubclass(implementation(name, registry), role)
    assert role_of(registry) is role


@pytest.mark.parametrize("registry", FUNCTIONS.values(), ids=FUNCTIONS)
def test_what_is_registered_is_a_public_function(registry):
    for path in registry.values():
        assert inspect.isfunction(found(path))
        assert path.partition(":")[2] in importlib.import_module(path.partition(":")[0]).__all__


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_contract_of_a_topology(name):
    names = tuple(f"ap-{i}" for i in range(7))
    make = found(TOPOLOGIES[name])
    known = {"positions_m": np.arange(14.0).reshape(7, 2), "central_m": (0.0, 0.0), "neighbours": 2}
    asked = {key: value for key, value in known.items() if key in inspect.signature(make).parameters}
    graph = make(names, **asked, rate_bit_s=1e9, latency_s=1e-6)
    assert set(graph) == {"central", *names}
    assert nx.is_strongly_connected(graph)
    assert all(edge == {"rate_bit_s": 1e9, "latency_s": 1e-6} for _, _, edge in graph.edges(data=True))


@pytest.mark.parametrize(
    ("table", "key", "registry"),
    [
        ("RadioKeys", "path_loss", PATH_LOSS),
        ("FronthaulKeys", "split", SPLITS),
        ("FronthaulKeys", "quantiser", QUANTISERS),
        ("FronthaulKeys", "late_reports", LATE_REPORTS),
    ],
)
def test_the_schema_allows_what_is_registered(table, key, registry):
    assert Scenario.model_json_schema()["$defs"][table]["properties"][key]["enum"] == list(registry)


@pytest.mark.parametrize(
    ("table", "key", "registry"),
    [
        ("SelectorKeys", "kind", SELECTORS), ("EstimatorKeys", "kind", ESTIMATORS),
        ("FronthaulKeys", "topology", TOPOLOGIES), ("EffectKeys", "kind", EFFECTS), ("ChannelKeys", "kind", CHANNELS),
        ("AccessPoints", "kind", ACCESS_POINTS), ("UserEquipmentKeys", "kind", USER_EQUIPMENTS),
        ("TargetKeys", "kind", TARGETS), ("CentralKeys", "kind", CENTRAL_PROCESSORS), ("FaultKeys", "kind", FAULTS),
    ],
)  # fmt: skip
def test_the_schema_names_what_is_registered(table, key, registry):
    said = Scenario.model_json_schema()["$defs"][table]["properties"][key]["description"]
    assert ", ".join(registry) in said


def test_a_name_that_is_registered_later_counts(monkeypatch):
    monkeypatch.setitem(SCHEDULERS, "mine", "models.schedulers:RoundRobin")
    assert (
        Scenario.checked({"schedule": {"order": "mine"}}).build(seed=1).central.scheduler == found(SCHEDULERS["mine"])()
    )


class Mast(Table):
    """A table that a scenario may have several of, for the test below."""

    height_m: Number = key(10.0, "Height.", "m", OURS, ge=0, le=100)


class WithMasts(Scenario):
    """The scenario with such tables, two by default."""

    masts: tuple[Mast, ...] = key((Mast(), Mast(height_m=20.0)), "Masts; [] for none.", "", OURS, allowed="[[masts]]")


def test_a_further_list_of_tables_is_checked_and_kept_like_the_targets():
    given = WithMasts.checked({"masts": [{"height_m": 5.0}, {}]})
    assert given.data()["masts"] == [{"height_m": 5.0}, {"height_m": 10.0}]
    assert given.with_({"masts.1.height_m": 7.0}).masts[1] == Mast(height_m=7.0)
    with pytest.raises(ScenarioError) as refused:
        WithMasts.checked({"masts": [{"height_m": 500.0}, {"hight_m": 1.0}], "radio": {"carier_hz": 1.0}})
    assert sorted(problem.partition(":")[0] for problem in refused.value.problems) == [
        "masts[0].height_m", "masts[1].hight_m", "radio.carier_hz",
    ]  # fmt: skip


# -- the picture and the tables ---------------------------------------------------------------------------------------


def section(page, heading):
    return page.read_text(encoding="utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]


def test_the_picture_of_the_house_shows_its_rooms_on_their_floors():
    picture = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    shown = defaultdict(set)
    for line in picture.splitlines():
        if floor := re.match(r"\+-- (\w+)/ ", line):
            rooms = shown[floor[1]]
        elif line.startswith("|"):
            rooms |= set(re.findall(r"\b([a-z]+)/(?= )", line))
    assert {f"{floor}/{room}" for floor, rooms in shown.items() for room in rooms} == {r for r in ROOMS if "/" in r}
    assert list(shown) == list(reversed(PACKAGES)), "the ground floor stands below"
    assert len({len(line) for line in picture.splitlines() if line[0] in "|+"}) == 1, "the walls are straight"


def test_the_table_of_rooms_has_every_room():
    table = section(ROOT / "docs/architecture.md", "## The rooms")
    assert sorted(re.findall(r"^\| `([\w/]+)` \|", table, re.MULTILINE)) == sorted({*ROOMS, "models", "emulator"})


def test_the_table_of_changes_names_what_is_there():
    table = section(ROOT / "docs/architecture.md", "## What a change takes")
    named = re.findall(r"`(\w+)` (?:in|of) `([\w/]+\.py)`", table)
    assert len(named) >= 10
    for name, file in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(class |def )?{name}\b", text, re.MULTILINE), f"{name} in {file}"


# -- three changes in a copy of the house -----------------------------------------------------------------------------


def shown_blocks(language):
    """Return the blocks of docs/extending that begin with a path, as (path, text) without that line."""
    pages = sorted((ROOT / "docs/extending").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return re.findall(rf"^```{language}\n# ([\w/]+\.\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def insert(path, change):
    """Insert the lines of a change that begin with "+"; the others are looked for, in their order."""
    lines, at = path.read_text(encoding="utf-8").splitlines(), 0
    for line in change.splitlines():
        if line.startswith("+"):
            lines.insert(at, line[1:])
        else:
            at = lines.index(line[1:], at)
        at += 1
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


SMALL_TABLES = {
    "access_points": "count = 6\nn_antennas = 4",
    "user_equipment": "count = 2",
    "schedule": "n_receivers = 3\ncpis = 2\nsnapshots_per_slot = 200",
    "estimator": 'kind = "grid"\ngrid_step_m = 25.0',
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Return a copy of the packages with the three changes made."""
    house = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, house / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in shown_blocks("python"):
        if "/" in path:
            (house / path).write_text(text, encoding="utf-8")
    for path, change in shown_blocks("diff"):
        insert(house / path, change)
    ((_, text),) = shown_blocks("text")
    tables = "".join(f"[{table}]\n{keys}\n" for table, keys in SMALL_TABLES.items())
    (house / "interfered.toml").write_text(text + tables, encoding="utf-8")
    return house


def python(house, *words):
    """Run Python in a copy of the house; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(house), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=house, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ran(grown):
    """Return the folder of a run in the grown house, and what it printed."""
    out = grown / "out"
    return out, python(grown, "-m", "scenarios", "run", "interfered.toml", "--out", str(out))


def test_a_change_takes_its_own_file_and_one_place_of_registration():
    own = [path for path, _ in shown_blocks("python") if "/" in path]
    registered = {
        path: [line[1:] for line in text.splitlines() if line[0] == "+"] for path, text in shown_blocks("diff")
    }
    assert sorted(own) == ["emulator/media/interferer.py", "scenarios/file/interferer.py"]
    assert {path: len(lines) for path, lines in registered.items()} == {
        "scenarios/output/metrics.py": 5, "emulator/media/__init__.py": 1, "scenarios/file/schema.py": 2,
    }  # fmt: skip
    (entry,) = ast.parse("[" + "".join(registered["scenarios/output/metrics.py"]) + "]").body[0].value.elts
    assert entry.func.id == "Metric", "one entry of the list"


def test_the_grown_house_has_no_circle(grown, monkeypatch):
    monkeypatch.setattr(test_layers, "ROOT", grown)
    test_layers.test_no_modules_import_each_other_in_a_circle()
    for package in PACKAGES:
        test_layers.test_no_package_imports_upwards(package)
        test_layers.test_no_rooms_import_each_other_in_a_circle(package)


def test_a_further_metric_is_in_json_table_and_picture(grown, ran):
    folder, printed = ran
    for cpi in json.loads((folder / "result.json").read_text())["cpis"]:
        for target in cpi["targets"]:
            known = target["error_m"] is not None and target["peb_m"] is not None
            ratio = target["error_m"] / target["peb_m"] if known else None
            assert target["error_over_bound"] == (pytest.approx(ratio) if known else None)
    assert "error over bound" in printed
    code = (
        "from scenarios import load; from scenarios.output import metrics, series; "
        "cpis = load('interfered.toml').build(seed=1).run(2).cpis; "
        "print(*(ax.get_title(loc='left') for ax in series.metrics_figure(0, metrics.curves(cpis)).axes), sep='\\n')"
    )
    assert "Error over bound" in python(grown, "-c", code).splitlines()
    assert (folder / "metrics.png").stat().st_size > 10_000


def test_a_further_effect_adds_the_power_that_it_should(grown):
    """0 dBm from a point, over Friis' lambda / (4 pi d), at each antenna: far above noise and echoes."""
    code = (
        "import json; from scenarios import load; cpi = load('interfered.toml').build(seed=1).run(1).cpis[0]; "
        "seen = cpi.observation; receivers = cpi.assignment.receivers; "
        "print(json.dumps([seen.network.wavelength_m, seen.network.ap_positions_m[receivers].tolist(), "
        "(seen.energy / seen.n_samples).tolist()]))"
    )
    wavelength_m, positions_m, power_w = json.loads(python(grown, "-c", code))
    distance_m = np.linalg.norm(np.array(positions_m) - [400.0, 300.0], axis=1)
    ratio = np.array(power_w) / (1e-3 * (wavelength_m / (4 * np.pi * distance_m)) ** 2)
    assert np.ptp(ratio) < 0.02, "all hear the same samples"
    assert ratio.mean() == pytest.approx(1.0, abs=5 * 600**-0.5)  # 600 samples of noise in a CPI


def test_a_further_table_is_checked_written_out_and_documented(grown, ran):
    schema = json.loads(python(grown, "-m", "scenarios", "schema"))["$defs"]["InterfererKeys"]["properties"]
    assert schema["power_dbm"]["unit"] == "dBm"
    written = (ran[0] / "scenario.toml").read_text()
    assert "[interferer]\npower_dbm = 0.0\nposition_m = [400.0, 300.0]\n" in written
    assert "position_m" not in python(
        grown, "-c", "from scenarios import load; print(load('paper').data()['interferer'])"
    )


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("interferer.power_dbm=true", "interferer.power_dbm: got true; allowed: a finite number in dBm"),
        ("interferer.power=1", 'interferer.power: unknown key; did you mean "power_dbm"?'),
        ("access_points.positions_m=[[400.0, 300.0], [0, 0], [9, 9], [1, 2]]", "exactly where an access point is"),
    ],
)
def test_mistakes_in_a_further_table_are_named(grown, override, complaint):
    words = [sys.executable, "-m", "scenarios", "validate", "interfered.toml", "--set", override]
    environment = {**os.environ, "PYTHONPATH": str(grown)}
    done = subprocess.run(words, capture_output=True, text=True, cwd=grown, env=environment)
    assert done.returncode == 2
    assert complaint in done.stderr


# -- sizes ------------------------------------------------------------------------------------------------------------


def lines_of_functions(package):
    """Return how many lines of code each function of a package has, documentation left out."""
    lines = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                code = node.body[1:] if ast.get_docstring(node) is not None else node.body
                lines.append(code[-1].end_lineno - code[0].lineno + 1 if code else 0)
    return lines


@pytest.mark.parametrize(("package", "median", "most"), [("models", 5, 13), ("emulator", 3, 13), ("scenarios", 6, 15)])
def test_functions_are_short(package, median, most):
    lines = lines_of_functions(package)
    assert np.median(lines) <= median
    assert np.quantile(lines, 0.9) <= most
