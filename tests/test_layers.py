"""The three packages depend on each other in one direction only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DRAWING = {
    "emulator/timeline.py",
    "scenarios/output/draw.py",
    "scenarios/output/pictures.py",
    "scenarios/figures/common.py",
    "scenarios/figures/bound_map.py",
}
FORBIDDEN = {
    "models": {"simpy", "networkx", "matplotlib", "emulator", "scenarios", "pydantic"},
    "emulator": {"scenarios", "pydantic"},
    "scenarios": {"tests", "benchmarks"},
}


def imports(path):
    """Return the full names of all modules a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


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


def test_only_drawing_modules_import_matplotlib():
    users = {
        str(path.relative_to(ROOT))
        for package in FORBIDDEN
        for path in (ROOT / package).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "matplotlib"
    }
    allowed = DRAWING | {user for user in users if user.startswith("scenarios/figures/figure_")}
    assert users <= allowed


def test_importing_the_emulator_stays_light():
    code = "import sys, emulator.emulation; print(*(m for m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"matplotlib", "xarray", "pydantic", "scipy.stats", "scenarios"} & set(loaded.split())
