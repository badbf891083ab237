"""Output folders: nothing of the user's is lost, nothing is half-written, whatever happens on the way."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scenarios.file.problems import ScenarioError
from scenarios.output.folders import MANIFEST, OutputFolder, check_file, check_place, settings_digest, write_file

ROOT = Path(__file__).parent.parent
NAMES = ("a.txt", "b.txt", "result.json")


def output(path, overwrite=False, names=NAMES, command="run", **settings):
    return OutputFolder(path=path, command=command, names=names, settings=settings, overwrite=overwrite)


def writers(text, names=NAMES):
    return {name: lambda path, name=name: path.write_text(f"{name} {text}") for name in names}


def contents(folder):
    return {p.name: p.read_text() for p in Path(folder).iterdir() if p.is_file() and p.name != MANIFEST}


def whole(text, names=NAMES):
    return {name: f"{name} {text}" for name in names}


def test_files_are_written_and_the_manifest_knows_them(tmp_path):
    paths = output(tmp_path / "deep" / "out", seed=1).write(writers("x"))
    assert [path.name for path in paths] == list(NAMES)
    assert contents(tmp_path / "deep" / "out") == whole("x")
    manifest = json.loads((tmp_path / "deep" / "out" / MANIFEST).read_text())
    assert manifest["schema_version"] == 1
    assert set(manifest["commands"]["run"]["files"]) == set(NAMES)


def test_the_same_settings_are_written_again_and_others_are_refused(tmp_path):
    output(tmp_path, seed=1).write(writers("x"))
    output(tmp_path, seed=1).write(writers("x"))
    with pytest.raises(ScenarioError, match=r"other settings \(seed: 1 there, 2 now\).*--overwrite"):
        output(tmp_path, seed=2).check()
    output(tmp_path, True, seed=2).write(writers("y"))
    assert contents(tmp_path) == whole("y")


def test_the_documentation_shows_what_is_said_of_other_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    output(Path("study"), **{"seed": 1, "radio.transmit_power_dbm": 30.0}).write(writers("x"))
    with pytest.raises(ScenarioError) as refused:
        output(Path("study"), **{"seed": 1, "radio.transmit_power_dbm": 20.0}).check()
    assert str(refused.value) in (ROOT / "docs" / "output.md").read_text(encoding="utf-8")


def test_stale_files_of_an_earlier_result_go_and_nothing_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.txt").write_text("mine")
    output(tmp_path, seed=1).write(writers("x"))
    output(tmp_path, True, seed=2).write(writers("y", NAMES[1:]))
    assert contents(tmp_path) == {**whole("y", NAMES[1:]), "notes.txt": "mine"}
    assert (tmp_path / "below" / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_of_somebody_else_is_never_replaced(tmp_path, overwrite):
    (tmp_path / "b.txt").write_text("mine")
    with pytest.raises(ScenarioError, match=r"holds b\.txt, which this program did not write"):
        output(tmp_path, overwrite, seed=1).write(writers("x"))
    assert contents(tmp_path) == {"b.txt": "mine"}


def test_a_file_that_was_changed_since_is_never_replaced(tmp_path):
    output(tmp_path, seed=1).write(writers("x"))
    (tmp_path / "a.txt").write_text("x, and my remarks")
    with pytest.raises(ScenarioError, match=r"holds a\.txt.*changed since"):
        output(tmp_path, True, seed=1).write(writers("y"))
    assert (tmp_path / "a.txt").read_text() == "x, and my remarks"


def test_two_commands_share_a_folder(tmp_path):
    output(tmp_path, seed=1).write(writers("x"))
    output(tmp_path, names=("figure.json",), command="figure 2", seed=5).write(writers("f", ("figure.json",)))
    assert contents(tmp_path) == whole("x") | whole("f", ("figure.json",))
    output(tmp_path, seed=1).check()


def test_links_stay_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    output(tmp_path / "link", seed=1).write(writers("x"))
    output(tmp_path / "link", True, seed=2).write(writers("y"))
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "real") == whole("y")
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "real" / "b.txt").unlink()
    (tmp_path / "real" / "b.txt").symlink_to("../thesis.txt")
    with pytest.raises(ScenarioError, match=r"b\.txt"):
        output(tmp_path / "link", True, seed=2).write(writers("z"))
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_current_folder_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.stat(".").st_ino
    output(Path("."), seed=1).write(writers("x"))
    output(Path("."), True, seed=2).write(writers("y"))
    assert os.stat(".").st_ino == before == os.stat(tmp_path).st_ino


def test_a_full_disk_leaves_what_was_there(tmp_path):
    output(tmp_path, seed=1).write(writers("x"))

    def full(path):
        path.write_text("hal")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        output(tmp_path, True, seed=2).write({**writers("y"), "b.txt": full})
    assert contents(tmp_path) == whole("x")
    output(tmp_path, seed=1).check()


def test_a_really_full_disk_leaves_what_was_there(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a file system of our own cannot be mounted here")
    try:
        output(tmp_path, seed=1).write(writers("x"))
        large = {"a.txt": lambda path: path.write_bytes(os.urandom(200_000))}
        with pytest.raises(OSError, match="No space"):
            output(tmp_path, True, seed=2).write({**writers("y"), **large})
        assert contents(tmp_path) == whole("x")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(ScenarioError, match="nothing can be written"):
            output(tmp_path, True, seed=2).check()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_place_that_takes_nothing_is_refused(tmp_path):
    check_place(tmp_path / "new", "a folder")
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "far")
    for wrong in (tmp_path / "file" / "x", tmp_path / ("x" * 300), tmp_path / "nowhere" / "x", Path("/proc/x")):
        with pytest.raises(ScenarioError, match=f'--out.*\n  got "{wrong}".* allowed: a f'):
            check_place(wrong, "a folder")
    assert sorted(os.listdir(tmp_path)) == ["file", "nowhere"]


def test_a_single_file_replaces_only_an_earlier_result(tmp_path):
    path = tmp_path / "new" / "bench.json"
    check_file(path, overwrite=False)
    write_file(path, json.dumps({"schema_version": 1, "x": 1}))
    with pytest.raises(ScenarioError, match=r"an earlier result.*--overwrite"):
        check_file(path, overwrite=False)
    check_file(path, overwrite=True)
    write_file(path, "again")
    assert path.read_text() == "again"
    assert set(os.listdir(path.parent)) == {"bench.json", MANIFEST}


@pytest.mark.parametrize("text", ['{"schema_version": 1}', '["schema_version"]', '"schema_version"', "again, and mine"])
def test_a_single_file_of_somebody_else_stays(tmp_path, text):
    """Whatever it looks like, and be it one of ours that was changed."""
    path, changed = tmp_path / "theirs.json", tmp_path / "ours.json"
    write_file(changed, "again")
    path.write_text(text)
    changed.write_text(text)
    for theirs in (path, changed):
        with pytest.raises(ScenarioError, match="did not write, or that changed since"):
            check_file(theirs, overwrite=True)
        with pytest.raises(ScenarioError, match="did not write"):
            write_file(theirs, "ours")
        assert theirs.read_text() == text


@pytest.mark.parametrize("text", ["[]", "{}", '{"commands": []}', "{"])
def test_a_manifest_of_something_else_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ScenarioError, match=MANIFEST):
        output(tmp_path, seed=1).check()


@pytest.mark.parametrize("target", ["manifest", "nowhere"])
def test_a_link_is_no_manifest(tmp_path, target):
    (tmp_path / "manifest").write_text('{"commands": {}}')
    (tmp_path / MANIFEST).symlink_to(target)
    with pytest.raises(ScenarioError, match=f"{MANIFEST} is not one of this program"):
        output(tmp_path, seed=1).write(writers("x"))
    assert os.readlink(tmp_path / MANIFEST) == target


def test_a_manifest_that_was_killed_in_the_making_says_nothing(tmp_path):
    (tmp_path / MANIFEST).write_text("")
    output(tmp_path, seed=1).write(writers("x"))
    assert set(os.listdir(tmp_path)) == {*NAMES, MANIFEST}


def test_no_name_of_somebody_else_is_written_through_or_removed(tmp_path):
    """Whatever lies there, a link to a file elsewhere, a file or an empty folder."""
    (tmp_path / "precious.txt").write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / f"{MANIFEST}.new").symlink_to("../precious.txt")
    (folder / f"{MANIFEST}.old").write_text("mine")
    (folder / ".dmimo.trial").mkdir()
    output(folder, seed=1).write(writers("x"))
    output(folder, seed=1).update("a.txt", lambda path: path.write_text("again"))
    assert (tmp_path / "precious.txt").read_text() == "mine"
    theirs = {f"{MANIFEST}.new", f"{MANIFEST}.old", ".dmimo.trial"}
    assert set(os.listdir(folder)) == {*theirs, *NAMES, MANIFEST}


def test_a_temporary_name_that_is_taken_is_not_opened(tmp_path, monkeypatch):
    """The random names, were they guessed."""
    (tmp_path / "precious.txt").write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda n: "guessed")
    (tmp_path / ".dmimo-guessed-a.txt").symlink_to("precious.txt")
    with pytest.raises(FileExistsError):
        output(tmp_path, seed=1).write(writers("x"))
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_place_is_tried_without_a_trace(tmp_path):
    """So commands that try one place at the same time are not in each other's way."""
    before = tmp_path.stat().st_mtime_ns
    check_place(tmp_path / "deep" / "out", "a folder")
    assert tmp_path.stat().st_mtime_ns == before


def test_digests_tell_settings_apart():
    assert settings_digest({"a": 1, "b": 2}) == settings_digest({"b": 2, "a": 1}) != settings_digest({"a": 1, "b": 3})


WRITE_ON = """
import sys
from pathlib import Path
from scenarios.output.folders import OutputFolder
names = ("a.txt", "b.txt", "result.json")
print("ready", flush=True)
for seed in range(10_000):
    writers = {n: lambda path, n=n: path.write_text(n + f" {seed}" * 2000) for n in names}
    folder = Path(sys.argv[1])
    OutputFolder(path=folder, command="run", names=names, settings={"seed": seed}, overwrite=True).write(writers)
"""


def _kill_while_writing(folder, rng):
    process = subprocess.Popen([sys.executable, "-c", WRITE_ON, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    time.sleep(rng.uniform(0.0, 0.05))
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("n_kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_is_lost_or_half_written(tmp_path, n_kills):
    """Among a thousand files of others: after each kill every file of ours is whole, and a result is of one piece."""
    theirs = {f"theirs-{i}.txt": f"data {i}" for i in range(1000)}
    for name, text in theirs.items():
        (tmp_path / name).write_text(text)
    rng = random.Random(1)
    for _ in range(n_kills):
        _kill_while_writing(tmp_path, rng)
        ours = {name: (tmp_path / name).read_text() for name in NAMES if (tmp_path / name).exists()}
        seeds = {name: text.split(" ")[1] for name, text in ours.items()}
        assert all(ours[name] == name + f" {seed}" * 2000 for name, seed in seeds.items())
        assert "result.json" not in ours or (len(seeds) == 3 and len(set(seeds.values())) == 1)
    output(tmp_path, True, seed=-1).write(writers("end"))
    assert contents(tmp_path) == {**theirs, **whole("end")}
    assert set(os.listdir(tmp_path)) == {*theirs, *NAMES, MANIFEST}


def test_a_result_that_was_about_to_be_replaced_goes_before_its_files(tmp_path, monkeypatch):
    """Killed twice: once it was booked that other settings take its place, once on the way."""
    output(tmp_path, seed=1).write(writers("x"))
    again, real = output(tmp_path, True, seed=2), os.replace
    again._book({**again._entry(), "settings": {"seed": 2}, "complete": False})

    def killed(old, new):
        if Path(new).name == "b.txt":
            raise KeyboardInterrupt
        real(old, new)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        again.write(writers("y"))
    assert contents(tmp_path) == {"a.txt": "a.txt y"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", [*NAMES, MANIFEST])
def test_a_request_to_end_waits_until_the_files_are_in_their_places(tmp_path, monkeypatch, number, name):
    """Whichever file is on its way when it comes."""
    real, before = os.replace, {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def disturbed(old, new):
        real(old, new)
        if Path(new).name == name and (tmp_path / "a.txt").read_text() == "a.txt y":
            signal.raise_signal(number)

    output(tmp_path, seed=1).write(writers("x"))
    monkeypatch.setattr(os, "replace", disturbed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            output(tmp_path, True, seed=2).write(writers("y"))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert contents(tmp_path) == whole("y")
    entry = json.loads((tmp_path / MANIFEST).read_text())["commands"]["run"]
    assert entry["complete"]
    assert "temporary" not in entry


WRITE_TOGETHER = """
import sys
from pathlib import Path
from scenarios.output.folders import OutputFolder
command, mine = sys.argv[2], sys.argv[3]
names = tuple(f"{n}-{command}.txt" for n in "abc")
writers = {n: lambda path, n=n: path.write_text(n) for n in names}
for seed in range(20):
    settings = {"seed": [mine, seed]}
    folder = OutputFolder(path=Path(sys.argv[1]), command=command, names=names, settings=settings, overwrite=True)
    folder.check()
    folder.write(writers)
    folder.update(names[0], writers[names[0]])
"""


@pytest.mark.parametrize("commands", [("run", "run", "run"), ("run", "bound", "figure 2")], ids=["one", "several"])
def test_commands_that_write_to_one_folder_at_once_all_succeed(tmp_path, commands):
    folder = tmp_path / "new" / "out"
    base = [sys.executable, "-c", WRITE_TOGETHER, str(folder)]
    started = [subprocess.Popen([*base, command, str(i)], stderr=subprocess.PIPE) for i, command in enumerate(commands)]
    said = [process.communicate()[1].decode() for process in started]
    assert said == [""] * 3
    assert set(os.listdir(folder)) == {MANIFEST, *(f"{n}-{command}.txt" for n in "abc" for command in commands)}
    manifest = json.loads((folder / MANIFEST).read_text())
    assert set(manifest["commands"]) == set(commands)
    assert all(entry["complete"] and "temporary" not in entry for entry in manifest["commands"].values())


def test_a_result_of_other_settings_that_came_meanwhile_stays(tmp_path):
    late = output(tmp_path, seed=2)
    late.check()
    output(tmp_path, seed=1).write(writers("x"))
    with pytest.raises(ScenarioError, match="other settings"):
        late.write(writers("y"))
    assert contents(tmp_path) == whole("x")


COMMANDS = (
    ("run", "paper", "--cpis", "1", "--set", 'estimator.kind="grid"', "--set", "estimator.grid_step_m=50"),
    ("bound", "paper", "--map"),
    ("figure", "3b", "--realizations", "1", "--workers", "1"),
)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_killed_at_random_moments_loses_nothing(tmp_path, command):
    """Whole commands, killed at any moment of their life, over an earlier result of other settings."""
    theirs = {f"theirs-{i}.txt": f"data {i}" for i in range(1000)}
    for name, text in theirs.items():
        (tmp_path / name).write_text(text)
    rng = random.Random(2)
    base = [sys.executable, "-m", "scenarios", *command, "--out", str(tmp_path), "--overwrite", "--seed"]
    started = time.monotonic()
    subprocess.run([*base, "0"], check=True, capture_output=True)
    lasts_s = time.monotonic() - started
    for seed in range(1, 13):
        process = subprocess.Popen([*base, str(seed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, 1.1) * lasts_s)
        process.kill()
        process.wait()
        assert {name: (tmp_path / name).read_text() for name in theirs} == theirs
        for path in tmp_path.glob("*.json"):
            json.loads(path.read_text())
    subprocess.run([*base, "0"], check=True, capture_output=True)
    assert not list(tmp_path.glob(".dmimo-*"))
