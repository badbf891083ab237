"""Being told what happens: every event in its time, the same bytes with and without, and no cost where unused."""

import itertools
import logging
from collections import Counter

import numpy as np
import pytest

from emulator import (
    FAULTS,
    ApDown,
    Calibrated,
    CoherenceLost,
    CpiPublished,
    EmulationError,
    FaultBegan,
    FaultEnded,
    Journeys,
    Kind,
    ReportCame,
    SlotBegan,
    Tracing,
)
from scenarios.output.results import run_data

EVENTFUL = {
    "faults": [
        {"kind": "ap-down", "node": "ap-1", "at_s": 1e-3, "until_s": 1.6e-3},
        {"kind": "link-down", "link": "ap-0->central", "at_s": 0.4e-3, "until_s": 0.7e-3},
    ],
    "fronthaul.topology": "stripe",
}


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def same_bytes(one, other):
    assert run_data(one, 1) == run_data(other, 1)
    for name, column in one.trace.data().items():
        assert np.array_equal(column, other.trace.data()[name]), name


def test_one_who_watches_is_told_of_every_slot_in_which_somebody_radiates_and_every_cpi(small):
    emulation = small().build()
    events = list(emulation.events(3))
    slots = of_kind(events, SlotBegan)
    frame = emulation.frame
    assert [slot.time_ns for slot in slots] == [frame.slot_start_ns(slot.slot) for slot in slots]
    assert [slot.slot for slot in slots][: 3 * frame.n_slots] == list(range(3 * frame.n_slots))
    for slot in slots:
        assert Counter(slot.radiating.values())["sense"] == 1
        assert len(slot.radiating) == 3
    published = of_kind(events, CpiPublished)
    assert [event.cpi for event in published] == [event.result.index for event in published] == [0, 1, 2]
    assert events[-1] is published[-1]
    assert [event.time_ns for event in events] == sorted(event.time_ns for event in events)


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_one_who_watches_is_told_of_each_report_that_reached_the_centre_once(small, split):
    emulation = small({"fronthaul.split": split, "fronthaul.topology": "stripe"}).build()
    told = of_kind(list(emulation.events(3)), ReportCame)
    ways = Journeys(emulation.trace.data())
    whats = {"iq": "EchoReport", "statistics": "StatisticsReport"}
    arrived = {}
    for message in ways.messages(what=whats[split], destination="central"):
        hops = ways.hops(message.number)
        if hops[-1].link.endswith("->central") and hops[-1].arrived_ns is not None:
            arrived[message.number] = (hops[-1].arrived_ns, message.source, message.bits)
    assert {report.message: (report.time_ns, report.source, report.bits) for report in told} == arrived
    assert len(told) == len(arrived) > 0
    assert {report.what for report in told} == {whats[split]}


def test_one_who_watches_is_told_when_faults_begin_and_end_once(small):
    events = list(small(EVENTFUL).build().events(3))
    began, ended = of_kind(events, FaultBegan), of_kind(events, FaultEnded)
    assert [(e.kind, e.where, e.time_ns) for e in began] == [
        ("link-down", "ap-0->central", 400_000), ("ap-down", "ap-1", 1_000_000)
    ]  # fmt: skip
    assert [(e.kind, e.where, e.time_ns) for e in ended if e.time_ns < 1_600_000] == [
        ("link-down", "ap-0->central", 700_000)
    ]
    assert {event.kind for event in began} <= set(FAULTS)


@pytest.mark.slow
def test_one_who_watches_is_told_of_calibrations_and_of_coherence_that_is_lost(small):
    drifting = {
        "oscillators.kind": "wiener", "oscillators.linewidth_hz": 50.0, "calibration.kind": "direct-path",
        "calibration.period_s": 1.5e-3, "calibration.when_lost": True, "estimator.kind": "two-stage",
    }  # fmt: skip
    emulation = small(drifting).build()
    events = list(emulation.events(8))
    for kind, event in ((Kind.CALIBRATE, Calibrated), (Kind.INCOHERENT, CoherenceLost)):
        assert len(of_kind(events, event)) == sum(int(np.sum(c == kind)) for c in emulation.trace.column("kind"))
    assert any("pilot" in slot.radiating.values() for slot in of_kind(events, SlotBegan))
    assert all(event.n_aps > 0 for event in of_kind(events, Calibrated))
    assert of_kind(events, Calibrated)


@pytest.mark.parametrize("changes", [{}, EVENTFUL, {"trace.last_cpis": 1}])
def test_results_are_the_same_to_the_byte_whether_somebody_is_told_or_not(small, changes):
    alone = small(changes).build().run(4)
    watched = small(changes).build()
    cpis = [event.result for event in watched.events(4) if isinstance(event, CpiPublished)]
    same_bytes(alone, watched.result(cpis))
    called = small(changes).build()
    called.on(SlotBegan, lambda event: None)
    same_bytes(alone, called.run(4))


def test_watching_may_be_left_and_gone_on_with(small):
    whole = list(map(repr, small().build().events(3)))
    parts = small().build()
    events = parts.events(3)
    first = list(itertools.islice(events, 7))
    assert parts.now_ns == first[-1].time_ns, "the network stands still meanwhile"
    assert [*map(repr, first), *map(repr, events)] == whole


def test_one_who_was_told_may_run_on_in_another_way(small):
    emulation = small().build()
    next(emulation.events())
    result = emulation.run(2)
    same_bytes(small().build().run(2), result)
    assert [cpi.index for cpi in emulation.cpis(1)] == [2]
    again = emulation.events(1)
    assert next(again).time_ns >= result.cpis[-1].published_ns
    assert [event.cpi for event in again if isinstance(event, CpiPublished)] == [3]


def test_a_state_may_be_taken_between_any_two_events(small):
    """What is told after it was taken up is what is told without; the faults that are on are known, too."""
    emulation = small(EVENTFUL).build()
    events = emulation.events(3)
    next(event for event in events if isinstance(event, FaultBegan))
    state = emulation.state()
    other = small(EVENTFUL).build()
    seen = []
    other.on(FaultBegan, seen.append)
    other.restore(state)
    assert list(map(repr, other.events(3))) == list(map(repr, events))
    assert [event.where for event in seen] == ["ap-1"]
    assert np.array_equal(other.trace.data()["time_ns"], emulation.trace.data()["time_ns"])


def test_a_fault_may_be_begun_while_watching(small):
    emulation = small().build()
    events = emulation.events(3)
    next(event for event in events if isinstance(event, CpiPublished))
    emulation.faults.begin(ApDown(node="ap-0"))
    assert next(event for event in events if isinstance(event, FaultBegan))[2:] == ("ap-down", "ap-0")


def test_callbacks_are_called_with_their_events_in_order(small):
    emulation, seen = small().build(), []
    emulation.on(CpiPublished, seen.append)
    emulation.on(ReportCame, lambda report: seen.append(report.source))
    result = emulation.run(1)
    result = emulation.result([*result.cpis, *emulation.cpis(1)])
    published = of_kind(seen, CpiPublished)
    assert [event.result for event in published][-1] is result.cpis[-1]
    assert sum(isinstance(item, str) for item in seen) == 2 * 9
    assert isinstance(seen[-1], CpiPublished)


def test_callbacks_are_called_by_cpis_and_events_too(small):
    for way in ("cpis", "events"):
        emulation, seen = small().build(), []
        emulation.on(CpiPublished, seen.append)
        for _ in getattr(emulation, way)(2):
            pass
        assert [event.cpi for event in seen] == [0, 1]


def test_an_error_in_a_callback_names_it_and_the_emulation_goes_on(small):
    def stumble(event):
        raise KeyError("nothing there")

    emulation = small().build()
    emulation.on(SlotBegan, stumble)
    named = r"stumble, called back on SlotBegan, t = 200000 ns: KeyError: 'nothing there'"
    with pytest.raises(EmulationError, match=named):
        emulation.run(1)
    with pytest.raises(EmulationError, match="t = 240000 ns"):
        emulation.run(1)


def test_what_cannot_be_told_is_refused_in_words(small):
    emulation = small().build()
    with pytest.raises(TypeError, match="give one of SlotBegan, ReportCame, CpiPublished, FaultBegan"):
        emulation.on("slot", print)
    with pytest.raises(TypeError, match="give a function that takes a SlotBegan"):
        emulation.on(SlotBegan, None)
    silent = small().build(tracing=False)
    for ask in (silent.events, lambda: silent.on(SlotBegan, print)):
        with pytest.raises(ValueError, match="build with tracing=True"):
            ask()
    with pytest.raises(ValueError, match="give a whole number of CPIs"):
        emulation.events(-1)


def test_a_trace_that_forgets_is_told_all_the_same(small):
    emulation = small().build(tracing=Tracing(last_cpis=1))
    slots = of_kind(list(emulation.events(200)), SlotBegan)
    assert [slot.slot for slot in slots] == list(range(len(slots)))
    assert len(slots) >= 600


def test_a_run_logs_a_line_a_cpi_and_warns_of_what_is_out_of_the_ordinary(small, caplog):
    with caplog.at_level(logging.INFO, logger="dmimo"):
        small(EVENTFUL).build().run(3)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [text.split(":")[0] for level, text in said if level == "INFO"] == ["CPI 0", "CPI 1", "CPI 2"]
    assert ("WARNING", "CPI 0: fault link-down of ap-0->central") in said
    assert all("targets resolved" in text for level, text in said if level == "INFO")


def test_a_run_says_nothing_where_nobody_asked(small, capfd):
    small(EVENTFUL).build().run(1)
    assert capfd.readouterr() == ("", "")


def test_a_cpi_of_pilots_is_logged_as_such(small, caplog):
    scenario = small({"calibration.kind": "direct-path", "calibration.period_s": 1e-3})
    with caplog.at_level(logging.INFO, logger="dmimo"):
        cpis = scenario.build().run(4).cpis
    lines = [record.getMessage() for record in caplog.records]
    assert sum("pilots, to calibrate phases" in line for line in lines) == sum(cpi.has_pilots for cpi in cpis) > 0
