"""Checkpoints: plain data in a file, read to the byte; refused in words where it is not whole or of something else."""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from emulator import SPLITS, AccessPoint, Effect, Message
from emulator.checkpoint import MODULES, SCHEMA_VERSION, CheckpointError, classes_of, journal_of, pieces, write_whole
from emulator.journal import Journal, JournalError, beside, first_line
from emulator.plain import PlainError, packed, unpacked
from emulator.results import CpiResults
from models import View
from models.network import ModeAssignment
from models.schedulers import RoundRobin, SlotScheduler
from models.selection.base import ModeSelector
from tests.outcome import essence


class Colour(Enum):
    RED = "r"


class Pair(NamedTuple):
    a: int
    b: Any


@dataclass(frozen=True)
class Box:
    content: Any
    known: int = field(default=3, init=False)


@dataclass(slots=True)
class Slotted:
    content: Any


READER = {"summed-map": {"estimator.kind": "map"}}
"""What a split needs that leaves no statistics."""
MINE = {kind.__name__: kind for kind in (Colour, Pair, Box, Slotted)}


def again(value, classes=MINE):
    return unpacked(packed(value, classes, "it"), classes)


# -- plain data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(10**30), 0.1, -0.0, float("inf"), 5e-324, "a\ud800\n", b"\0", 1 - 2j, complex("nan+infj"),
        [], (), {}, set(), [1, (2, [3])], {(1, "a"): {2}, None: frozenset({3})}, Counter("aab"), deque([1, 2], 3),
        np.float64(0.1), np.complex128(1j), np.bool_(True), Colour.RED, Pair(1, [2]),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_written_is_read_as_it_was(value):
    found = again(value)
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_a_default_dictionary_and_a_bounded_queue_go_on_as_such():
    found = again({"counts": defaultdict(list, {1: [2]}), "last": deque([1, 2], 2)})
    found["counts"][7].append(3)
    found["last"].append(3)
    assert found == {"counts": {1: [2], 7: [3]}, "last": deque([2, 3])}


@pytest.mark.parametrize("dtype", ["?", "<i4", "u1", "<f8", ">f8", "<c8", "<c16", "<U3", "S2"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 2), (2, 3, 4)])
def test_arrays_are_read_as_they_were(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    found = again(array)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_an_array_keeps_its_order_in_memory_and_whether_it_can_be_written_to():
    """Sums and products depend on the one to the last bit, doors on the other."""
    array = np.arange(24.0).reshape(2, 3, 4)
    for turned in (array, array.T, array.transpose(1, 0, 2), np.asfortranarray(array)):
        assert again(turned).strides == turned.copy(order="K").strides
        np.testing.assert_array_equal(again(turned), turned)
    np.testing.assert_array_equal(again(array[::-1, ::2]), array[::-1, ::2])
    array.flags.writeable = False
    assert [again(a).flags.writeable for a in (array, np.zeros(1))] == [False, True]


def test_what_is_shared_stays_shared():
    array, box = np.zeros(2), Box([1])
    found = again({"a": array, "b": [array, box], "c": Pair(1, box), "d": Slotted(box)})
    assert found["a"] is found["b"][0]
    assert found["b"][1] is found["c"].b is found["d"].content
    assert (found["d"].content.content, found["d"].content.known) == ([1], 3)


def test_what_is_no_plain_data_is_named():
    for odd, words in [
        (lambda: 0, "it.a is of the class builtins.function"),
        (np.array([None]), "it.a is an array of type object"),
        (np.zeros(1, dtype=[("x", "<i4")]), "array of type"),
        (OrderedDict(), "collections.OrderedDict"),
        (defaultdict(lambda: 0), "defaultdict"),
        ([1, {"b": open}], r"it\.a\[1\]\.b is of the class"),
    ]:
        with pytest.raises(PlainError, match=words):
            packed({"a": odd}, {}, "it")
    odd = []
    odd.append(odd)
    with pytest.raises(PlainError, match=r"it\[0\] is a part of itself"):
        packed(odd, {}, "it")


def test_a_class_that_the_reader_does_not_bring_along_is_refused():
    with pytest.raises(PlainError, match="of the class Box in it, which this emulation does not bring along"):
        unpacked(packed(Box(1), MINE), {})


# -- a file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        {"fronthaul.split": "statistics", "fronthaul.topology": "ring", "fronthaul.loss_probability": 0.1},
        {"fronthaul.latency_s": 1e-3, "fronthaul.iq_bits": 4, "estimator.latency_s": 1e-3},
        {"fronthaul.topology": "stripe", "fronthaul.queue_bits": 50_000, "schedule.order": "palindromic"},
        {"targets": [], "trace.last_cpis": 2},
        *({"fronthaul.split": split} | READER.get(split, {}) for split in SPLITS),
    ],
    ids=str,
)
def test_an_emulation_goes_on_from_a_file_to_the_same_bytes(small, tmp_path, overrides):
    build = partial(small(overrides).build, seed=3)
    expected = essence(build().run(5))
    before, resumed = build(), build()
    cpis = CpiResults(before.cpis(2))
    before.save(tmp_path / "c", cpis)
    before.run(1)
    found = resumed.load(str(tmp_path / "c"))
    for cpi in resumed.cpis(3):
        found.append(cpi)
    assert essence(resumed.result(found)) == expected


@pytest.mark.parametrize("split", SPLITS)
def test_a_file_of_any_event_gives_the_same_bytes(small, tmp_path, split):
    keys = {"fronthaul.split": split, "targets": [{}]} | READER.get(split, {})
    build = partial(small(keys).build, seed=4, estimator=None)
    expected, moving = essence(build().run(2)), build()
    moving.start()
    while not moving._outbox:
        moving.kernel.step()
        if moving.events_served % 7 == 0 or moving._outbox:
            moving.save(tmp_path / "c")
            resumed = build()
            resumed.load(tmp_path / "c")
            assert essence(resumed.run(2)) == expected, f"after event {moving.events_served}"


def test_results_of_many_cpis_and_the_last_observation_are_in_the_file(small, tmp_path):
    emulation, resumed = small().build(estimator=None), small().build(estimator=None)
    cpis = CpiResults(emulation.cpis(130))
    emulation.save(tmp_path / "c", cpis)
    found = resumed.load(tmp_path / "c")
    assert [cpi.index for cpi in found] == list(range(130))
    assert essence(resumed.result(found)) == essence(emulation.result(cpis))
    kept = [found[-1].observation, cpis[-1].observation]
    np.testing.assert_array_equal(kept[0].cross, kept[1].cross)
    assert not kept[0].cross.flags.writeable


@pytest.fixture
def written(small, tmp_path):
    """A file, and what makes a fresh emulation that it fits."""
    emulation = small().build(estimator=None)
    emulation.save(tmp_path / "c", list(emulation.cpis(2)))
    return tmp_path / "c", partial(small().build, estimator=None)


def refused(path, build, words):
    """Load a file that is to be refused; the emulation can be run as if nothing had been."""
    fresh = build()
    with pytest.raises(CheckpointError, match=words) as error:
        fresh.load(path)
    assert str(path) in str(error.value)
    return fresh


def test_a_file_that_was_cut_or_altered_anywhere_is_refused(written):
    path, build = written
    whole, chance, fresh = path.read_bytes(), random.Random(1), build()
    lengths = [0, 1, 21, 22, 86, 87, 88, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(30))]
    places = [*range(0, 100, 7), len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(30))]
    harmed = [whole[:length] for length in lengths] + [whole + b"\n", b"", b"\n" * 200]
    for at in places:
        harmed.append(whole[:at] + bytes([whole[at] ^ chance.randrange(1, 256)]) + whole[at + 1 :])
    for content in harmed:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"(is no checkpoint|is damaged).*begin anew") as error:
            fresh.load(path)
        assert str(path) in str(error.value)
    path.write_bytes(whole)
    assert len(fresh.load(path)) == 2


def test_a_file_of_another_emulation_or_version_is_refused(small, written):
    path, build = written
    refused(path, partial(small().build, seed=2, estimator=None), "emulation .seed: 1 there, 2 here.*build from")
    fresh = refused(path, small({"radio.transmit_power_dbm": 20}).build, r"transmit_power_w: 1\.0 there, 0\.1 here")
    assert len(fresh.run(1).cpis) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emulator.checkpoint.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        build().save(path)
    refused(path, build, "has schema_version 3; allowed: 2")
    with pytest.raises(FileNotFoundError):
        build().load(path.with_name("nowhere"))


@pytest.mark.parametrize("state", [{}, {"identity": {}}, [], None, 3])
def test_a_file_that_holds_no_whole_state_is_refused(written, state):
    """One with a right digest, as an older or a forged one may have."""
    path, build = written
    write_whole(path, pieces(build()._identity(), state, [], {}))
    refused(path, build, "does not fit this emulation")


def test_an_emulation_that_has_started_takes_no_file(written):
    path, build = written
    started = build()
    started.run(1)
    with pytest.raises(ValueError, match="build a fresh one"):
        started.load(path)


def test_a_write_that_fails_leaves_the_earlier_file(written):
    path, _ = written
    before = path.read_bytes()

    def broken():
        yield b"half"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, broken())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# -- the journal beside a file ----------------------------------------------------------------------------------------


def kept(emulation, path, journal, cpis, n_cpis):
    """Run on and write a file each two CPIs, its results and trace to the journal; return the lengths of the file."""
    lengths = []
    for cpi in emulation.cpis(n_cpis):
        cpis.append(cpi)
        if len(cpis) % 2 == 0:
            write_whole(path, emulation.checkpoint(cpis, journal))
            lengths.append(path.stat().st_size)
    return lengths


@pytest.fixture
def journalled(small, tmp_path):
    """A file with a journal, closed; the results that they hold; and what makes a fresh emulation that they fit."""
    emulation, cpis = small().build(estimator=None), CpiResults()
    beside(tmp_path / "c").write_bytes(first_line())
    journal = Journal(beside(tmp_path / "c"))
    kept(emulation, tmp_path / "c", journal, cpis, 6)
    journal.close()
    return tmp_path / "c", cpis, partial(small().build, estimator=None)


@pytest.mark.slow
@pytest.mark.parametrize("last_cpis", [None, 3])
def test_a_file_with_a_journal_stays_short_and_gives_the_same_bytes(small, tmp_path, monkeypatch, last_cpis):
    monkeypatch.setattr("emulator.blocks.BLOCK_ROWS", 64)
    scenario = small({} if last_cpis is None else {"trace.last_cpis": last_cpis})
    build, path = partial(scenario.build, estimator=None), tmp_path / "c"
    expected = essence(build().run(80))
    beside(path).write_bytes(first_line())
    emulation, cpis, journal = build(), CpiResults(), Journal(beside(path))
    lengths = kept(emulation, path, journal, cpis, 76)
    assert max(lengths[2:]) < 1.1 * min(lengths[2:])
    before = beside(path).stat().st_size
    kept(emulation, path, journal, cpis, 1)
    journal.close()
    resumed = build()
    found = resumed.load(path)
    assert [cpi.index for cpi in found] == list(range(76))
    assert found[-1].observation is not None
    beside(path).write_bytes(beside(path).read_bytes() + b"what a killed process left")
    again = journal_of(path)
    assert beside(path).stat().st_size == before
    kept(resumed, path, again, found, 2)
    last = build()
    cpis = last.load(path)
    assert essence(last.result([*cpis, *last.cpis(2)])) == expected


def test_a_journal_that_was_cut_or_altered_anywhere_is_refused(journalled):
    path, cpis, build = journalled
    journal, chance, fresh = beside(path), random.Random(1), build()
    whole = journal.read_bytes()
    harmed = [whole[:length] for length in (0, 1, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(10)))]
    for at in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(10))):
        harmed.append(whole[:at] + bytes([whole[at] ^ chance.randrange(1, 256)]) + whole[at + 1 :])
    for content in harmed:
        journal.write_bytes(content)
        for read in (fresh.load, journal_of):
            with pytest.raises(CheckpointError, match=r"the journal beside it was cut or altered.*begin anew") as error:
                read(path)
            assert str(path) in str(error.value)
        assert journal.read_bytes() == content
    journal.unlink()
    for read in (fresh.load, journal_of):
        with pytest.raises(CheckpointError, match=r"its journal .*c\.journal is not there.*begin anew"):
            read(path)
    journal.write_bytes(whole + b"what a killed process left")
    assert len(fresh.load(path)) == len(cpis) == 6


def test_one_process_at_a_time_appends_to_a_journal(journalled):
    path, _, _ = journalled
    first = journal_of(path)
    with pytest.raises(CheckpointError, match="another command appends to the journal beside it; wait"):
        journal_of(path)
    assert first.is_there()
    first.close()
    journal_of(path).close()


def test_a_journal_knows_when_another_has_taken_its_place(journalled):
    path, _, _ = journalled
    journal = journal_of(path)
    write_whole(beside(path), [first_line()])
    assert not journal.is_there()
    beside(path).unlink()
    assert not journal.is_there()
    with pytest.raises(JournalError, match="is not there"):
        Journal(beside(path))


# -- parts of one's own -----------------------------------------------------------------------------------------------


@dataclass
class Diary:
    pages: list = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Note(Message):
    text: str

    @property
    def content_bits(self):
        return 8 * len(self.text)


@dataclass(kw_only=True, eq=False)
class Writing(AccessPoint):
    diary: Diary = field(default_factory=Diary, init=False)

    def report(self, slot, echo):
        self.diary.pages.append(Note(self.name, "central", f"slot {slot.index}"))
        return echo if len(self.diary.pages) % 3 else None


def test_classes_of_the_module_of_a_node_of_ones_own_may_stand_in_a_file(small, tmp_path):
    build = partial(small().build, estimator=None, access_point=Writing)
    expected, before, resumed = essence(build().run(4)), build(), build()
    before.save(tmp_path / "c", first := list(before.cpis(2)))
    assert essence(resumed.result([*resumed.load(tmp_path / "c"), *resumed.cpis(2)])) == expected
    assert len(first) == 2
    refused(tmp_path / "c", partial(small().build, estimator=None), "Writing there, AccessPoint here")


def test_what_a_node_keeps_that_is_no_plain_data_is_named(small, tmp_path):
    emulation = small().build(estimator=None)
    emulation.access_points["ap-1"].helper = lambda: 0
    with pytest.raises(CheckpointError, match=r"nodes\.ap-1\.helper is of the class .*function.*allowed: plain data"):
        emulation.save(tmp_path / "c")
    assert not list(tmp_path.iterdir())


class Remembering(SlotScheduler):
    """Lets another transmitter begin in each CPI, which it counts itself."""

    def __init__(self):
        self.asked = 0

    def order(self, assignment: ModeAssignment, view: View, n_slots: int):
        self.asked += 1
        return np.roll(np.resize(assignment.transmitters, n_slots), self.asked).tolist()


class Telling(Remembering):
    """Hands out what it remembers."""

    def state(self):
        return {"asked": self.asked}

    def restore(self, state):
        self.asked = state["asked"]


@dataclass(frozen=True, kw_only=True)
class Wrapping(ModeSelector):
    inner: object

    def select(self, view, rng):
        return self.inner.select(view, rng)


@pytest.mark.parametrize(
    ("strategies", "words"),
    [
        ({"scheduler": Remembering()}, "central.scheduler: Remembering may keep a state in asked"),
        ({"selector": Wrapping(inner=Remembering())}, "central.selector: Wrapping may keep a state in asked"),
    ],
)
def test_a_strategy_that_keeps_its_state_to_itself_is_refused(small, tmp_path, strategies, words):
    emulation = small().build(estimator=None, **strategies)
    with pytest.raises(CheckpointError, match=f"{words}, which a checkpoint would lose: make it a frozen dataclass"):
        emulation.save(tmp_path / "c")


def test_a_strategy_that_hands_its_state_out_goes_on(small, tmp_path):
    build = lambda: small().build(estimator=None, scheduler=Telling())  # noqa: E731 - a fresh strategy each time
    expected, before, resumed, copied = essence(build().run(4)), build(), build(), build()
    assert expected != essence(small().build(estimator=None, scheduler=RoundRobin()).run(4))
    before.save(tmp_path / "c", list(before.cpis(2)))
    copied.restore(before.state())
    cpis = resumed.load(tmp_path / "c")
    assert essence(resumed.result([*cpis, *resumed.cpis(2)])) == expected
    assert essence(copied.result([*cpis, *copied.cpis(2)])) == expected


def test_what_an_effect_keeps_may_only_save_time(small, tmp_path):
    @dataclass(kw_only=True, eq=False)
    class Quiet(Effect):
        asked: int = field(default=0, init=False)

        def field(self, *_):
            self.asked += 1

    emulation = small().build(estimator=None)
    emulation.air.effects += (Quiet(),)
    emulation.save(tmp_path / "c")
    assert (tmp_path / "c").read_bytes().startswith(b"dmimo-isac checkpoint")


def test_every_class_that_may_stand_in_a_file_is_there(small):
    known = classes_of(small().build().nodes.values())
    assert set(MODULES) <= {name.partition(":")[0] for name in known}


def test_clocks_calibrations_faults_and_late_reports_are_taken_up_to_the_byte(small, tmp_path):
    scenario = small(
        {
            "oscillators.preset": "high-tcxo", "oscillators.transmit_chain_std_rad": 2.0,
            "oscillators.user_equipment": True,
            "calibration.kind": "direct-path", "calibration.when_lost": True, "calibration.period_s": 2e-3,
            "fronthaul.jitter_s": 1e-5, "fronthaul.late_reports": "next", "fronthaul.loss_probability": 0.02,
            "faults": [
                {"kind": "restart", "node": "ap-2", "at_s": 0.5e-3, "lasts_s": 0.3e-3},
                {"kind": "link-degraded", "link": "ap-4->central", "at_s": 0.4e-3, "until_s": 2e-3, "rate_factor": 0.1},
                {"kind": "corrupt", "node": "ap-5", "at_s": 1e-3},
            ],
        }
    )  # fmt: skip
    expected = essence(scenario.build(seed=3).run(14))
    for n_first in (2, 7):
        before = scenario.build(seed=3)
        before.save(tmp_path / "c", list(before.cpis(n_first)))
        after = scenario.build(seed=3)
        kept = after.load(tmp_path / "c")
        assert essence(after.result([*kept, *after.cpis(14 - n_first)])) == expected, n_first
