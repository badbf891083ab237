"""Painters: the same bytes as when drawn here, whatever becomes of a painter."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from scenarios.commands import cli, seeds
from scenarios.output import painters
from scenarios.output.painters import Painters, Picture, png

BARS = "scenarios.output.pictures:spectral_efficiency_figure"


def bars(n):
    return Picture(BARS, (np.arange(1.0, n + 1.0), tuple(f"ue-{i}" for i in range(n)), 2))


@pytest.fixture
def nothing_is_drawn_here(monkeypatch):
    monkeypatch.setattr(painters, "png", lambda picture: pytest.fail("drawn by the command itself"))


def members(group):
    """Return the numbers of the processes of a group that are at work: not of dead ones that nobody waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, number = path.read_text().rpartition(")")[2].split()[:3]
            if int(number) == group and state != "Z":
                found.append(int(path.parent.name))
    return found


def at_work(some):
    """Return the numbers of the painters once all of them are there."""
    wait_until(lambda: len(members(some.process.pid)) == some.count)
    return members(some.process.pid)


def wait_until(condition):
    until = time.monotonic() + 60.0
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_pictures_of_painters_are_the_same_bytes(nothing_is_drawn_here):
    with Painters(2) as some:
        contents = [some.draw(bars(n)) for n in range(1, 6)]
        for n, content in enumerate(contents, 1):
            assert content() == png(bars(n))


def test_without_a_painter_the_picture_is_drawn_when_it_is_asked_for(monkeypatch):
    with Painters(0) as nobody:
        content = nobody.draw(bars(2))
        assert content() == png(bars(2))


@pytest.mark.parametrize("count", [1, 3])
def test_a_painter_that_dies_does_no_harm(count):
    with Painters(count) as some:
        os.kill(at_work(some)[0], signal.SIGKILL)
        contents = [some.draw(bars(n)) for n in range(1, 6)]
        assert [content() for content in contents] == [png(bars(n)) for n in range(1, 6)]


def test_values_that_do_not_travel_are_drawn_here():
    class Rate(float):
        pass

    picture = Picture(BARS, ([Rate(1.0)], ("ue-0",), 1))
    with Painters(1) as some:
        assert some.draw(picture)() == png(picture)


def test_a_picture_that_fails_raises_its_own_error_and_the_painter_goes_on(monkeypatch):
    with Painters(1) as some:
        content = some.draw(Picture(BARS, (["no number"], ("ue-0",), 1)))
        with pytest.raises(ValueError, match="no number"):
            content()
        expected = png(bars(1))
        monkeypatch.setattr(painters, "png", lambda picture: pytest.fail("the painter is gone"))
        assert some.draw(bars(1))() == expected


def test_where_no_process_can_be_started_all_is_drawn_here(monkeypatch):
    def refuse(*_, **__):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Painters(2) as nobody:
        assert nobody.process is None
        assert nobody.draw(bars(1))() == png(bars(1))


@pytest.mark.parametrize(("cores", "count"), [(1, 0), (2, 2), (64, painters.MOST_PAINTERS)])
def test_one_painter_a_core_and_none_where_there_is_one(monkeypatch, cores, count):
    monkeypatch.setattr(painters, "available_cores", lambda: cores)
    monkeypatch.setattr(painters, "_start", lambda _: pytest.fail("starts with the block"))
    assert Painters().count == count


def test_painters_end_with_their_block():
    with Painters(3) as some:
        at_work(some)
        some.draw(bars(40))
    assert members(some.process.pid) == []


def test_painters_end_at_once_when_the_command_is_interrupted():
    with pytest.raises(KeyboardInterrupt), Painters(3) as some:
        at_work(some)
        some.draw(bars(40))
        raise KeyboardInterrupt
    wait_until(lambda: members(some.process.pid) == [])


COMMAND_THAT_HANGS = """
import time
from scenarios.output.painters import Painters
with Painters(3) as some:
    print(some.process.pid, flush=True)
    time.sleep(600)
"""


def test_painters_end_when_the_command_is_killed():
    command = [sys.executable, "-c", COMMAND_THAT_HANGS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        wait_until(lambda: len(members(group)) == 3)
        process.kill()
    wait_until(lambda: members(group) == [])


def test_a_command_without_pictures_starts_no_process(monkeypatch):
    monkeypatch.setattr(painters, "_start", lambda _: pytest.fail("a process was started"))
    monkeypatch.setattr(painters, "available_cores", lambda: 4)
    monkeypatch.setattr(seeds, "run_seed", lambda *_: None)
    cli.run("paper", seeds=range(1, 2), as_json=True)


RUN = """
import sys
from scenarios.commands.cli import app
from scenarios.output import painters
who, *words = sys.argv[1:]
painters.available_cores = lambda: {"here": 1, "painters": 2}[who]
app(words, standalone_mode=False)
sys.exit("wrong process" if ("matplotlib" in sys.modules) != (who == "here") else 0)
"""


def test_a_run_draws_nothing_itself(tmp_path):
    """The pictures of a folder do not depend on who drew them, and the command never loads the drawing library."""
    small = ["--set", "access_points.count=4", "--set", "schedule.n_receivers=2", "--set", "schedule.cpis=1"]
    fast = ["--set", 'estimator.kind="grid"', "--set", "estimator.grid_step_m=50"]
    for who in ("here", "painters"):
        command = [sys.executable, "-c", RUN, who, "run", "paper", *small, *fast, "--out", str(tmp_path / who)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert result.returncode == 0, result.stderr
    names = sorted(path.name for path in (tmp_path / "here").iterdir() if path.name != ".dmimo.json")
    assert "timeline.png" in names
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "painters" / name).read_bytes(), name
