"""The doors of packages and rooms: what they name is there, and nothing is imported before it is used."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOORS = sorted(
    ".".join(stub.relative_to(ROOT).parent.parts)
    for package in ("models", "emulator", "scenarios")
    for stub in (ROOT / package).rglob("__init__.pyi")
)


@pytest.mark.parametrize("door", DOORS)
def test_every_name_of_a_door_can_be_imported(door):
    module = importlib.import_module(door)
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("door", DOORS)
def test_a_door_names_only_what_its_modules_make_public(door):
    stub = ast.parse((ROOT / door.replace(".", "/") / "__init__.pyi").read_text())
    for node in (n for n in stub.body if isinstance(n, ast.ImportFrom)):
        public = importlib.import_module(f"{door}.{node.module}").__all__
        assert {alias.name for alias in node.names} <= set(public), node.module


@pytest.mark.parametrize("door", DOORS)
def test_opening_a_door_imports_nothing_behind_it(door):
    code = f"import sys, {door}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"numpy", "scipy", "simpy", "networkx", "pydantic"} & set(loaded.split())
