"""What a shell completes, asked as a shell asks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.commands.completion import complete_key, complete_scenario

ROOT = Path(__file__).parent.parent


def completed(words):
    """Return what the command answers to a shell whose cursor stands behind the last word."""
    asked = {
        "_DMIMO_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "PYTHONPATH": str(ROOT),
    }
    code = "import sys; sys.argv[0] = 'dmimo'; from scenarios.commands.cli import main; main()"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | asked).stdout.split()


def test_a_shell_gets_commands_options_scenarios_and_keys(tmp_path, monkeypatch):
    (tmp_path / "paced.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert completed(["dmimo", "val"]) == ["validate"]
    assert "--checkpoint-every" in completed(["dmimo", "run", "paper", "--ch"])
    assert completed(["dmimo", "run", "pa"]) == ["paper", "paced.toml"]
    assert completed(["dmimo", "run", "paper", "--set", "radio.transmit_p"]) == ["radio.transmit_power_dbm="]


@pytest.mark.parametrize(
    ("incomplete", "found"),
    [("", ["paper", "a.toml", "runs/"]), ("ru", ["runs/"]), ("runs/", ["runs/b.toml"]), ("none/", []), ("x", [])],
)
def test_scenarios_are_bundled_names_files_and_folders(tmp_path, monkeypatch, incomplete, found):
    (tmp_path / "runs").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a.toml", "a.txt", "runs/b.toml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert complete_scenario(incomplete) == found


def test_keys_reach_into_lists_of_tables_and_say_what_they_are():
    found = dict(complete_key(""))
    assert found["targets.0.rcs_dbsm="].startswith("Radar cross section")
    assert {"targets=", "oscillators.node.0.name=", "fronthaul.topology="} <= set(found)
    assert all(key.endswith("=") and about for key, about in found.items())


ASKED = """
eval "$(_DMIMO_COMPLETE=source_bash dmimo)"
complete -p dmimo >/dev/null || exit 1
for words in "dmimo val" "dmimo run pa" "dmimo run paper --ch" "dmimo sweep paper --over radio.transmit_p" \\
    "dmimo timeline o --format pe" "dmimo timeline fol"; do
  COMP_WORDS=($words) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _dmimo_completion dmimo
  echo "${COMPREPLY[*]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_bash_completes_by_the_script_that_is_installed(tmp_path):
    """Where nothing is offered, as of output folders, bash goes on with names of files."""
    command = tmp_path / "dmimo"
    code = "import sys; sys.argv[0] = 'dmimo'; from scenarios.commands.cli import main; main()"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", ASKED], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "validate", "paper", "--checkpoint-every", "radio.transmit_power_dbm=", "perfetto", "",
    ]  # fmt: skip
