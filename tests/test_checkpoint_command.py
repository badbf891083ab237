"""dmimo run --checkpoint-every and --resume: the same bytes, wherever a run was killed, and nothing lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emulator.results import CpiResults
from scenarios.commands.checkpoints import CHECKPOINT, JOURNAL, Checkpoints
from scenarios.commands.cli import app
from scenarios.file.problems import ScenarioError
from scenarios.output import painters
from scenarios.output.folders import OutputFolder
from tests.outcome import sketch

ROOT = Path(__file__).parent.parent
SMALL = [
    "run", "paper", "--cpis", "12", "--set", "access_points.count=6", "--set", "access_points.n_antennas=4",
    "--set", "schedule.n_receivers=3", "--set", "estimator.kind='grid'", "--set", "estimator.grid_step_m=25.0",
]  # fmt: skip
KEEP = ["--checkpoint-every", "2"]
FIRST_BYTES = 500
"""Of a journal, that count whenever a run is killed."""


def command(folder, *options):
    return CliRunner().invoke(app, [*SMALL, "--out", str(folder), *options])


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture(scope="module", autouse=True)
def sketched_by_all():
    """As the fixture ``sketched``, for what lasts through the module, too; runs that are killed come to no picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painters, "png", sketch)
        patch.setattr(painters, "available_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    assert command(folder).exit_code == 0
    return files(folder)


def killed(folder, when, number=signal.SIGKILL, options=KEEP):
    """Start a run and end it when ``when()`` says so; return whether that was before it was done."""
    line = [sys.executable, "-m", "scenarios", *SMALL, "--out", str(folder), *options]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
    while process.poll() is None and not when():
        time.sleep(0.001)
    process.send_signal(number)
    process.communicate()
    return process.returncode != 0


@pytest.fixture
def broken_off(tmp_path):
    """A folder with the checkpoint of a run that was killed as soon as there was one."""
    folder = tmp_path / "out"
    assert killed(folder, (folder / CHECKPOINT).exists)
    return folder


def test_a_run_with_checkpoints_gives_the_same_bytes_and_removes_them(tmp_path, uninterrupted):
    assert command(tmp_path / "out", *KEEP).exit_code == 0
    assert files(tmp_path / "out") == uninterrupted


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_is_taken_up_to_the_same_bytes(tmp_path, uninterrupted, number):
    folder = tmp_path / "out"
    assert killed(folder, (folder / CHECKPOINT).exists, number)
    result = command(folder, "--resume")
    assert (result.exit_code, "Goes on after" in result.stderr) == (0, True), result.stderr
    assert files(folder) == uninterrupted


def test_resume_without_a_checkpoint_begins_anew(tmp_path, uninterrupted):
    result = command(tmp_path / "out", "--resume", *KEEP)
    assert (result.exit_code, "No checkpoint: begins anew" in result.stderr) == (0, True)
    assert files(tmp_path / "out") == uninterrupted


@pytest.mark.slow
def test_twenty_kills_at_random_moments_cost_no_byte(tmp_path, uninterrupted):
    chance = random.Random(1)
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        for options in (KEEP, [*KEEP, "--resume"], [*KEEP, "--resume"]):
            until = time.monotonic() + chance.uniform(0.5, 4.0)
            killed(folder, lambda until=until: time.monotonic() > until, options=options)
        assert command(folder, "--resume").exit_code == 0
        assert files(folder) == uninterrupted, f"attempt {attempt}"


def test_a_checkpoint_is_not_lost_by_forgetting_to_resume(broken_off, uninterrupted):
    before = files(broken_off)
    result = command(broken_off)
    assert (result.exit_code, files(broken_off)) == (2, before)
    assert "--resume to go on from it, --overwrite to begin anew" in result.stderr
    assert command(broken_off, "--overwrite").exit_code == 0
    assert files(broken_off) == uninterrupted


def test_a_checkpoint_of_other_settings_stays(broken_off):
    before = files(broken_off)
    for options in (
        ["--seed", "2"],
        ["--seed", "2", "--resume"],
        ["--set", "radio.transmit_power_dbm=20.0", "--resume"],
    ):
        result = command(broken_off, *options)
        assert (result.exit_code, files(broken_off)) == (2, before)
        assert "there," in result.stderr
    result = command(broken_off, "--seed", "2", "--resume", "--overwrite")
    assert (result.exit_code, "seed: 1 there, 2 here" in result.stderr) == (2, True)


@pytest.mark.parametrize("name", [CHECKPOINT, JOURNAL])
@pytest.mark.parametrize("harm", ["cut", "altered"])
def test_a_damaged_checkpoint_is_refused_and_named(broken_off, harm, name):
    whole, chance = (broken_off / name).read_bytes(), random.Random(2)
    for at in (chance.randrange(min(len(whole), FIRST_BYTES)) for _ in range(5)):
        altered = whole[:at] + bytes([whole[at] ^ chance.randrange(1, 256)]) + whole[at + 1 :]
        (broken_off / name).write_bytes(whole[:at] if harm == "cut" else altered)
        before = files(broken_off)
        for options in ([], ["--resume"], ["--resume", "--overwrite"]):
            result = command(broken_off, *options)
            assert (result.exit_code, files(broken_off)) == (2, before)
            assert CHECKPOINT in result.stderr or name in result.stderr


def test_what_follows_in_the_journal_of_a_killed_process_does_no_harm(broken_off, uninterrupted):
    with (broken_off / JOURNAL).open("ab") as journal:
        journal.write(b"half an entry")
    assert command(broken_off, "--resume", *KEEP).exit_code == 0
    assert files(broken_off) == uninterrupted


def test_a_journal_of_somebody_else_stays(tmp_path):
    (tmp_path / JOURNAL).write_text("my diary")
    before = files(tmp_path)
    for options in (KEEP, [*KEEP, "--overwrite"], ["--resume"]):
        result = command(tmp_path, *options)
        assert (result.exit_code, files(tmp_path)) == (2, before)
        assert JOURNAL in result.stderr


def test_a_run_whose_journal_is_gone_goes_on_without(tmp_path, small):
    folder = OutputFolder(path=tmp_path, command="run", names=("result.json",), settings={})
    emulation, cpis, checkpoints = small().build(estimator=None), CpiResults(), Checkpoints.of(folder, 1, False)
    for cpi in emulation.cpis(3):
        cpis.append(cpi)
        checkpoints.keep(emulation, cpis)
        if len(cpis) == 2:
            Checkpoints.of(folder, None, False).end()
    assert {CHECKPOINT, JOURNAL}.isdisjoint(files(tmp_path))


def test_what_cannot_be_written_is_known_before_the_run(small, tmp_path):
    folder = OutputFolder(path=tmp_path / "out", command="run", names=("result.json",), settings={})
    emulation = small().build(estimator=None)
    emulation.central.helper = len
    with pytest.raises(ScenarioError, match=r"--checkpoint-every: 1 problem\n.*nodes\.central\.helper is of the class"):
        Checkpoints.of(folder, 2, False).begin(emulation, 4)
    assert emulation.now_ns == 0
    assert not folder.path.exists()


def test_a_checkpoint_of_more_cpis_than_are_asked_for_is_refused(broken_off):
    result = command(broken_off, "--cpis", "1", "--resume", "--overwrite")
    assert (result.exit_code, "CPIs; allowed: up to 1 of this run" in result.stderr) == (2, True), result.stderr
    assert (broken_off / CHECKPOINT).exists()


def test_a_checkpoint_may_be_taken_further_than_was_asked_for(broken_off):
    assert command(broken_off, "--cpis", "14", "--resume", "--overwrite").exit_code == 0
    assert (CHECKPOINT in files(broken_off), "result.json" in files(broken_off)) == (False, True)


def test_checkpoints_need_a_folder():
    for options in (["--resume"], KEEP):
        result = CliRunner().invoke(app, [*SMALL, "--json", *options])
        assert (result.exit_code, f"{options[0]}: 1 problem" in result.stderr) == (2, True)


def test_a_number_of_cpis_is_whole(tmp_path):
    assert command(tmp_path / "out", "--checkpoint-every", "0").exit_code == 2
