"""The house: packages depend on each other in one direction, and no modules or rooms know each other both ways."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("models", "emulator", "scenarios")
DRAWING = {
    "emulator/timeline.py",
    *(f"scenarios/output/{name}.py" for name in ("cables", "draw", "pictures", "series")),
    "scenarios/sweeps/curves.py",
}
EXTRAS, BACKENDS = ("sweep", "cluster"), {"h5netcdf", "h5py"}
"""Extras whose packages are imported where they are needed, and those of them that xarray imports."""
OURS_AND_PYTHONS = {*PACKAGES, "benchmarks", *sys.stdlib_module_names}
FORBIDDEN = {
    "models": {"simpy", "networkx", "matplotlib", "emulator", "scenarios", "pydantic"},
    "emulator": {"scenarios", "pydantic"},
    "scenarios": {"tests", "benchmarks"},
}


def imports(path):
    """Return the full names of all modules a file imports, wherever in it, also for type checking only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph():
    """Return which of our modules imports which."""
    files = {module_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    graph = nx.DiGraph()
    graph.add_nodes_from(files)
    graph.add_edges_from((name, target) for name, path in files.items() for target in imports(path) if target in files)
    return graph


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_package_imports_upwards(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    breaches = {
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN[package]
    }
    assert not breaches


def test_no_modules_import_each_other_in_a_circle():
    """Imports inside functions and those for type checking count: who knows whom is a matter of reading, too."""
    circles = [sorted(circle) for circle in nx.strongly_connected_components(import_graph()) if len(circle) > 1]
    assert not circles


@pytest.mark.parametrize("package", PACKAGES)
def test_no_rooms_import_each_other_in_a_circle(package):
    """A room is a folder inside a package; modules beside the rooms count as rooms of their own."""

    def room(module):
        parts = module.split(".")
        return ".".join(parts[:2])

    rooms = nx.DiGraph()
    rooms.add_edges_from(
        (room(a), room(b))
        for a, b in import_graph().edges
        if a.startswith(f"{package}.") and b.startswith(f"{package}.") and room(a) != room(b)
    )
    assert [sorted(circle) for circle in nx.strongly_connected_components(rooms) if len(circle) > 1] == []


def test_only_drawing_modules_import_matplotlib():
    users = {
        str(path.relative_to(ROOT))
        for package in FORBIDDEN
        for path in (ROOT / package).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "matplotlib"
    }
    allowed = DRAWING | {user for user in users if user.startswith(("scenarios/figures/", "scenarios/examples/"))}
    assert users <= allowed


def test_what_is_imported_is_required_and_nothing_else_is():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = [setup["options.extras_require"].get(name, "") for name in EXTRAS]
    lists = " ".join([setup["options"]["install_requires"], *extras])
    required = {re.split("[<>=]", line)[0] for line in lists.split()} - BACKENDS
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    imported = {name.split(".")[0] for path in files for name in imports(path)}
    assert {"pydantic" if name == "pydantic_core" else name for name in imported - OURS_AND_PYTHONS} == required


def test_packages_hold_nothing_but_what_is_used():
    allowed = {".py", ".pyi", ".toml", ".typed", ".pyc"}
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    assert [str(path) for path in files if path.suffix not in allowed and path.name != "py.typed"] == []


def test_importing_the_emulator_stays_light():
    code = "import sys, emulator.emulation; print(*(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"matplotlib", "xarray", "pydantic", "scipy.stats", "scenarios"} & set(loaded.split())
