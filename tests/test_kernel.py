"""The clock stands on private names of SimPy: what they must mean, and in words what to do when that changes.

`emulator/kernel.py` reads and writes five of them, to serve an event without the calls around it and to order the
events of one instant by rank. SimPy promises nothing about them, so setup.cfg bounds its version to those with which
this file passes. When a test here fails after an update: the assertion says what changed. Adapt `emulator/kernel.py`
alone, run this file and tests/test_emulator.py, and move the bound in setup.cfg.
"""

import ast
import configparser
from importlib.metadata import version
from pathlib import Path

import pytest
import simpy

from emulator.kernel import Alarm, Bell, Kernel

ROOT = Path(__file__).parent.parent
PRIVATE = {"_queue", "_eid", "_now", "_ok", "_defused"}


def private_names(path):
    """Return which of SimPy's private names a file uses, as an attribute or in a string such as of getattr."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return PRIVATE & (used | {node.value for node in nodes if isinstance(node, ast.Constant)})


def test_private_names_of_simpy_stand_in_the_kernel_alone():
    files = [
        path
        for package in ("models", "emulator", "scenarios", "benchmarks")
        for path in ROOT.rglob(f"{package}/**/*.py")
    ]
    users = {str(path.relative_to(ROOT)): names for path in files if (names := private_names(path))}
    assert users == {"emulator/kernel.py": PRIVATE}, "go through emulator/kernel.py, or take a name off this list"


def test_the_installed_simpy_is_one_of_those_that_setup_cfg_allows():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (bound,) = [line for line in setup["options"]["install_requires"].split() if line.startswith("simpy")]
    low, high = (tuple(map(int, part.strip("<>=").split("."))) for part in bound.removeprefix("simpy").split(","))
    installed = tuple(map(int, version("simpy").split(".")))
    assert low <= installed < high, (
        f"SimPy {version('simpy')} is not among the versions tested ({bound}); if all else in this file passes with "
        "it, move the bound in setup.cfg"
    )


def test_the_schedule_is_a_heap_of_time_priority_number_event():
    environment = simpy.Environment()
    later, sooner = environment.timeout(7), environment.timeout(5)
    assert [entry[0] for entry in sorted(environment._queue)] == [5, 7]
    assert sorted(environment._queue)[0] == (5, 1, 1, sooner), (
        "SimPy's schedule `_queue` no longer holds (time, priority, number, event): Kernel.advance takes such entries "
        "off it, Alarm and Bell put some on it; give all three the new form"
    )
    assert sorted(environment._queue)[1][3] is later


def test_numbers_of_events_come_from_a_counter():
    environment = simpy.Environment()
    assert [next(environment._eid), next(environment._eid)] == [0, 1], (
        "SimPy's `_eid` no longer counts events: Alarm and Bell take a number from it, so that events of one time and "
        "rank keep their order; take it from an itertools.count of the Kernel's own"
    )


def test_the_time_is_what_step_wrote_last():
    environment = simpy.Environment()
    environment.timeout(5)
    environment.step()
    assert environment._now == environment.now == 5, (
        "SimPy no longer keeps its time in `_now`: Kernel.now_ns reads it there and Kernel.advance writes it"
    )


def test_an_event_that_went_well_has_ok_and_a_failed_one_may_be_defused():
    environment = simpy.Environment()
    event = environment.event().succeed()
    assert event._ok is True, "SimPy no longer marks what went well by `_ok`: Alarm and Bell are born with it"
    failed = environment.event().fail(ValueError("no"))
    assert not hasattr(failed, "_defused"), (
        "SimPy no longer tells an error that nobody took by the lack of `_defused`: Kernel.advance raises those"
    )
    failed.defused = True
    assert hasattr(failed, "_defused")


def test_callbacks_are_taken_away_before_they_are_called():
    environment = simpy.Environment()
    seen = []
    event = environment.timeout(1)
    event.callbacks.append(lambda served: seen.append(served.callbacks))
    environment.step()
    assert seen == [None], (
        "SimPy no longer sets an event's callbacks to None before it calls them: Kernel.advance does, and Bell relies "
        "on it to keep its own"
    )


# -- what the clock makes of it ---------------------------------------------------------------------------------------


def sleepers(kernel, log):
    """Start two processes that sleep by alarms, of ranks 1 and 0, and meet at the same instants."""

    def sleep(rank, step_ns):
        for at_ns in range(step_ns, 61, step_ns):
            yield Alarm(kernel, at_ns, rank)
            log.append((kernel.now_ns, rank))

    for rank, step_ns in ((1, 20), (0, 30)):
        kernel.process(sleep(rank, step_ns))


def test_advance_serves_what_step_serves():
    logs = [], []
    stepped, advanced = Kernel(), Kernel()
    sleepers(stepped, logs[0])
    sleepers(advanced, logs[1])
    while len(logs[0]) < 5:
        stepped.step()
    filled = []
    alarm = Alarm(advanced, 60, 9)
    alarm.callbacks.append(filled.append)
    advanced.advance(filled)
    assert logs[0] == logs[1] == [(20, 1), (30, 0), (40, 1), (60, 0), (60, 1)]


def test_advance_counts_events_and_stops_at_once():
    kernel, filled = Kernel(), []
    for at_ns in (1, 2, 3):
        Alarm(kernel, at_ns, 0).callbacks.append(filled.append if at_ns == 2 else lambda _: None)
    kernel.advance(filled)
    assert (kernel.served, kernel.now_ns) == (2, 2)


def test_advance_raises_what_nobody_took():
    kernel = Kernel()

    def fail():
        yield Alarm(kernel, 1, 0)
        raise LookupError("of its own")

    kernel.process(fail())
    with pytest.raises(LookupError, match="of its own"):
        kernel.advance([])


def test_a_bell_rings_whenever_it_was_set_to_in_its_place():
    kernel, log, filled = Kernel(), [], []
    bell = Bell(kernel, 0.5, lambda _: log.append(("bell", kernel.now_ns)))
    for rank in (0, 1):
        Alarm(kernel, 10, rank).callbacks.append(lambda _, rank=rank: log.append((rank, 10)))
    bell.set(10)
    bell.set(4)
    Alarm(kernel, 11, 0).callbacks.append(filled.append)
    kernel.advance(filled)
    assert log == [("bell", 4), (0, 10), ("bell", 10), (1, 10)]
