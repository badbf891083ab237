"""What a command makes the user wait for: imports that it needs and no others, and the time that it says."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scenarios.commands import waiting

ROOT = Path(__file__).parent.parent
LIST = (
    "import contextlib, io, sys\n"
    "from scenarios.commands.cli import app\n"
    "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
    "    app(sys.argv[1:])\n"
    "print(*sys.modules)"
)


def imported(*arguments):
    """Names of the modules that a command imports."""
    command = [sys.executable, "-c", LIST, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())


@pytest.mark.parametrize(
    ("arguments", "spared"),
    [
        (["--help"], {"numpy", "scipy", "pydantic", "rich.table", "simpy", "networkx", "matplotlib"}),
        (["report", "--help"], {"numpy", "jinja2", "plotly"}),
        (["schema"], {"numpy", "scipy", "simpy", "networkx", "matplotlib"}),
        (["validate", "paper"], {"scipy.special", "scipy.optimize", "matplotlib", "rich.table"}),
        (
            ["run", "paper", "--cpis", "1", "--json", "--set", "estimator.kind='grid'"],
            {"scipy.optimize", "scipy.spatial", "scipy.stats", "matplotlib", "joblib", "rich.table"},
        ),
        *(
            (
                ["bound", "paper", "--json", "--set", f"radio.illumination='{illumination}'"],
                {"simpy", "networkx", "matplotlib", "scipy.optimize", "scipy.spatial", "scipy.stats", "rich.table"},
            )
            for illumination in ("sensing", "full")
        ),
    ],
)
def test_a_command_imports_nothing_that_it_does_not_need(arguments, spared):
    assert not spared & imported(*arguments)


def test_the_wall_time_is_that_of_the_process_as_a_whole():
    """It counts what passed before the command line was imported, and no more than what passed outside."""
    code = (
        "import sys, time; time.sleep(0.3)\n"
        "from scenarios.commands.cli import main\n"
        "sys.argv[1:] = ['run', 'paper', '--cpis', '1', '--json', '--set', 'estimator.kind=\"grid\"']\n"
        "main()"
    )
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    outside_s = time.perf_counter() - before
    said_s = json.loads(done.stdout)["wall_s"]
    if Path("/proc/self/stat").exists():
        assert said_s > 0.3
    assert said_s <= outside_s + 0.02


def test_where_the_system_does_not_say_when_a_process_began_it_is_when_the_command_was_imported(monkeypatch):
    monkeypatch.setattr(waiting.Path, "read_bytes", lambda path: b"1 (python) S")
    assert waiting.process_began_s() == waiting.IMPORTED_S
    monkeypatch.undo()
    assert waiting.process_began_s() <= waiting.IMPORTED_S
