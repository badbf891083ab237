"""The trace: every message can be followed through it, and it does not grow the process."""

import pickle
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emulator import blocks
from emulator.blocks import Blocks
from emulator.journeys import Journeys, Outcome
from emulator.messages import Message
from emulator.trace import COLUMNS, Kind, Trace, Tracing, row
from scenarios.file.problems import ScenarioError
from scenarios.output.results import load_trace, save_trace

LOADED = {"fronthaul.topology": "stripe", "fronthaul.rate_bit_s": 4e7, "fronthaul.deadline_s": 2e-3}


def run(scenario, n_cpis=4, **keys):
    emulation = scenario.build(estimator=None, scoring=False, **keys)
    for _ in emulation.cpis(n_cpis):
        pass
    return emulation


def journeys(emulation):
    return Journeys(emulation.trace.data())


# -- who caused what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_every_row_that_is_about_a_message_carries_its_number(small, split):
    emulation = run(small({"fronthaul.split": split, "fronthaul.loss_probability": 0.1, "schedule.lead_s": 6e-5}))
    columns = emulation.trace.columns()
    always = [Kind.ASSIGNED, Kind.SERIALISE, Kind.DELIVER, Kind.DROP, Kind.USE, Kind.LATE]
    at_once = [Kind.REPORT] if split == "iq" else []
    carries = np.isin(columns["kind"], always + at_once)
    assert {int(kind) for kind in columns["kind"][carries]} >= {*map(int, always[:5])}
    assert (columns["message"][carries] >= 0).all()
    assert (columns["message"][~carries] == -1).all()
    assert (columns["cpi"] >= 0).all()


def test_messages_are_numbered_in_the_order_in_which_they_were_given(small):
    columns = run(small()).trace.columns()
    numbers = columns["message_number"]
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert (np.diff(columns["message_given_ns"]) >= 0).all()
    assert (columns["message_cause"] < numbers).all()


def test_a_message_says_what_caused_it_from_the_fusion_back_to_the_plan(small):
    """Statistics: plan -> record of a transmitter -> the same passed on -> statistics of a receiver -> fusion."""
    way = journeys(run(small({"fronthaul.split": "statistics"})))
    fused = [way.message(event.message) for event in way.about(1, Kind.USE)]
    statistics = [sent for sent in fused if sent.what == "StatisticsReport"]
    assert len(statistics) == 3
    for sent in statistics:
        passed_on, record, plan = way.causes(sent.number)
        assert (passed_on.source, passed_on.destination) == ("central", sent.source)
        assert (record.what, record.destination) == ("TransmissionRecord", "central")
        assert (plan.what, plan.destination, plan.cause) == ("Assignment", record.source, -1)
        assert {m.cpi for m in (sent, passed_on, record, plan)} == {1}


def test_a_report_of_samples_is_caused_by_the_plan_of_its_receiver(small):
    way = journeys(run(small()))
    reports = way.messages(cpi=2, what="EchoReport")
    assert len(reports) == 9
    for report in reports:
        (plan,) = way.causes(report.number)
        assert (plan.what, plan.destination, plan.cpi) == ("Assignment", report.source, 2)


def test_what_went_into_a_fusion_is_what_it_counted(small):
    emulation = small({"fronthaul.loss_probability": 0.2}).build(estimator=None)
    results = list(emulation.cpis(4))
    way = journeys(emulation)
    for cpi in results:
        used = [way.message(event.message) for event in way.about(cpi.index, Kind.USE)]
        reports = [sent for sent in used if sent.what == "EchoReport"]
        assert len(reports) == cpi.reports_fused
        (fusion,) = way.about(cpi.index, Kind.FUSE)
        assert fusion.value == cpi.reports_fused
    assert 0 < sum(cpi.reports_fused for cpi in results) < 36


# -- the way of a message ---------------------------------------------------------------------------------------------


def test_hops_of_a_chain_follow_each_other_and_add_up(small):
    """Store and forward: what arrives at a node is given to the next link at that instant."""
    way = journeys(run(small(LOADED)))
    checked = 0
    for sent in way.messages(cpi=2, destination="central"):
        hops = way.hops(sent.number)
        if way.outcome(sent.number) is Outcome.UNDER_WAY:
            continue
        assert hops[0].given_ns == sent.given_ns
        assert [hop.given_ns for hop in hops[1:]] == [hop.arrived_ns for hop in hops[:-1]]
        assert hops[0].link.startswith(f"{sent.source}->")
        assert hops[-1].link.endswith("->central")
        for hop in hops:
            assert hop.sent_ns - hop.started_ns == round(sent.bits * 1e9 / 4e7)
            assert hop.arrived_ns - hop.sent_ns == 25_000
        checked += len(hops)
    assert checked >= 20


def test_a_hop_waits_exactly_for_those_ahead_of_it(small):
    """The link sends without a pause from the moment at which the message is given until its turn comes."""
    way = journeys(run(small(LOADED)))
    hops = [hop for sent in way.messages() for hop in way.hops(sent.number) if hop.waited_ns]
    assert len(hops) > 20
    for hop in hops:
        ahead = [next(h for h in way.hops(number) if h.link == hop.link) for number in way.ahead(hop)]
        assert ahead[0].started_ns <= hop.given_ns < ahead[0].sent_ns
        assert [h.sent_ns for h in ahead] == [*[h.started_ns for h in ahead[1:]], hop.started_ns]


def test_a_message_that_need_not_wait_has_none_ahead(small):
    way = journeys(run(small()))
    hop = way.hops(way.messages(cpi=1, what="EchoReport")[0].number)[0]
    assert hop.waited_ns == 0
    assert way.ahead(hop) == []


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [
        ({"fronthaul.loss_probability": 0.5}, Outcome.LOST),
        ({"fronthaul.queue_bits": 900}, Outcome.REFUSED),
        ({"fronthaul.rate_bit_s": 4e6, "fronthaul.deadline_s": 1e-4}, Outcome.LATE),
        ({"fronthaul.rate_bit_s": 1e5, "schedule.lead_s": 0.1}, Outcome.UNDER_WAY),
    ],
)
def test_what_became_of_messages_is_what_the_fronthaul_counted(small, overrides, outcome):
    emulation = run(small(overrides))
    way, books = journeys(emulation), emulation.fronthaul.books()
    outcomes = Counter(way.outcome(sent.number) for sent in way.messages())
    assert outcomes[outcome] > 0
    assert outcomes[Outcome.LOST] + outcomes[Outcome.REFUSED] == books["messages_dropped"]
    assert outcomes[Outcome.UNDER_WAY] == books["messages_in_flight"]
    assert sum(outcomes.values()) == books["messages_sent"]


def test_a_report_whose_waveform_is_not_known_is_not_used(small):
    """Without its record a transmitter takes one slot of each of three receivers with it."""
    first = next(small().build(estimator=None).cpis(1))
    name = f"ap-{first.assignment.transmitters[0]}"
    graph = small().build().fronthaul.graph
    graph.edges[name, "central"]["loss_probability"] = 1.0
    way = journeys(run(small(), fronthaul=graph))
    outcomes = Counter(way.outcome(sent.number) for sent in way.messages(cpi=0, what="EchoReport"))
    assert outcomes == {Outcome.FUSED: 6, Outcome.UNUSED: 3}


def test_messages_are_found_by_what_is_asked(small):
    way = journeys(run(small()))
    assert len(way.messages(cpi=1)) == 6 + 9 + 3
    assert [sent.destination for sent in way.messages(cpi=1, what="Assignment")] == [f"ap-{i}" for i in range(6)]
    assert way.messages(what="Parcel") == way.messages(source="ap-9") == []
    assert way.message(10**6) is None
    assert way.hops(10**6) == []


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Blocks of 16 rows, two of which stay in memory: a run of a few CPIs fills many."""
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 16)
    monkeypatch.setattr(blocks, "MEMORY_BLOCKS", 2)


def test_rows_come_back_from_memory_and_file_as_they_went(tiny_blocks, tmp_path):
    table = Blocks([("a", "<i8"), ("b", "u1")], folder=tmp_path)
    pack = blocks.packer([("a", "<i8"), ("b", "u1")])
    for i in range(1000):
        table.add(pack(-i, i % 256))
        if i % 37 == 0:
            table.settle()
    rows = np.concatenate(list(table))
    np.testing.assert_array_equal(rows["a"], -np.arange(1000))
    np.testing.assert_array_equal(rows["b"], np.arange(1000) % 256)
    assert list(tmp_path.iterdir()) == []  # the file has no name


@pytest.mark.parametrize("last_cpis", [None, 2])
def test_a_trace_in_many_blocks_says_the_same_as_one_in_memory(small, monkeypatch, tmp_path, last_cpis):
    scenario = small({} if last_cpis is None else {"trace.last_cpis": last_cpis})
    whole = run(scenario, 8).trace
    expected = whole.columns()
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 16)
    monkeypatch.setattr(blocks, "MEMORY_BLOCKS", 2)
    trace = run(scenario, 8).trace
    for name, column in trace.columns().items():
        np.testing.assert_array_equal(column, expected[name])
    save_trace(whole, tmp_path / "a.npz")
    save_trace(trace, tmp_path / "b.npz")
    for name, array in load_trace(tmp_path / "b.npz").items():
        np.testing.assert_array_equal(array, load_trace(tmp_path / "a.npz")[name])


def test_a_trace_of_the_last_cpis_holds_all_about_them_and_nothing_before(small, tiny_blocks):
    whole, thinned = run(small(), 9).trace.columns(), run(small({"trace.last_cpis": 3}), 9).trace.columns()
    for prefix in ("", "message_"):
        kept, cpis = whole[f"{prefix}cpi"] >= 6, whole[f"{prefix}cpi"]
        assert thinned[f"{prefix}cpi"].max() == cpis.max() > 8
        names = [name for name in whole if name.startswith("message_") is bool(prefix)]
        for name in names:
            about = thinned[f"{prefix}cpi"] >= 6
            np.testing.assert_array_equal(thinned[name][about], whole[name][kept])
        assert thinned[f"{prefix}cpi"][0] == 6
        assert len(thinned[f"{prefix}cpi"]) < 0.7 * len(cpis)


def test_columns_of_some_cpis_are_those_rows_of_all(small):
    trace = run(small(), 6).trace
    whole, part = trace.columns(), trace.columns(range(2, 4))
    for prefix in ("", "message_"):
        chosen = np.isin(whole[f"{prefix}cpi"], [2, 3])
        for name in (name for name in whole if name.startswith("message_") is bool(prefix)):
            np.testing.assert_array_equal(part[name], whole[name][chosen])


@pytest.mark.parametrize("last_cpis", [None, 2])
def test_a_state_takes_the_trace_along_wherever_it_lies(small, tiny_blocks, last_cpis):
    overrides = {"fronthaul.latency_s": 9e-5} | ({} if last_cpis is None else {"trace.last_cpis": last_cpis})
    expected = run(small(overrides), 8).trace.columns()
    before = run(small(overrides), 5)
    state = pickle.loads(pickle.dumps(before.state()))
    run_on = before.cpis(1)
    next(run_on)
    after = small(overrides).build(estimator=None, scoring=False)
    after.restore(state)
    for _ in after.cpis(3):
        pass
    found = after.trace.columns()
    assert found.keys() == expected.keys()
    for name, column in found.items():
        np.testing.assert_array_equal(column, expected[name])


def test_a_trace_can_be_pickled_although_part_of_it_is_in_a_file(small, tiny_blocks):
    trace = run(small(), 6).trace
    copy = pickle.loads(pickle.dumps(trace))
    for name, column in copy.columns().items():
        np.testing.assert_array_equal(column, trace.columns()[name])
    copy.record(row(1, Kind.PLAN, 0, 7, 7, -1))
    assert copy.columns()["cpi"][-1] == 7
    assert len(trace.columns()["cpi"]) == len(copy.columns()["cpi"]) - 1


@pytest.mark.parametrize("tracing", [Tracing(), Tracing(last_cpis=5)])
def test_memory_of_a_trace_does_not_follow_its_length(tiny_blocks, tracing):
    def peak_bytes(n_cpis):
        tracemalloc.start()
        trace = Trace(("central", "ap-0", "central->ap-0"), tracing)
        message = Message("central", "ap-0")
        for cpi in range(n_cpis):
            message.sequence = message.cpi = cpi
            trace.book([(None, message, 100)], cpi)
            for i in range(20):
                trace.record(row(20 * cpi + i, Kind.SERIALISE, 2, 10**9, cpi, cpi))
            trace.settle(cpi)
        assert sum(map(len, trace.column("time_ns"))) == 20 * min(n_cpis, tracing.last_cpis or n_cpis)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)  # what is made once
    assert peak_bytes(3000) < 1.1 * peak_bytes(300)


def test_ways_are_whole_in_a_trace_of_the_last_cpis(small, tiny_blocks):
    whole = journeys(run(small(LOADED), 9))
    thinned = journeys(run(small(LOADED | {"trace.last_cpis": 3}), 9))
    messages = thinned.messages()
    assert {6, 7, 8} <= {sent.cpi for sent in messages}
    for sent in messages:
        assert thinned.message(sent.number) == whole.message(sent.number)
        assert thinned.hops(sent.number) == whole.hops(sent.number)


# -- what is written --------------------------------------------------------------------------------------------------


def test_the_page_on_the_trace_lists_every_column_and_kind():
    page = (Path(__file__).parent.parent / "docs" / "trace.md").read_text(encoding="utf-8")
    for name in (*COLUMNS, *(kind.name.lower() for kind in Kind), "kinds", "nodes", "message_kinds"):
        assert f"`{name}`" in page, name


def test_a_trace_file_holds_all_columns_names_and_its_version(small, tmp_path):
    trace = run(small()).trace
    save_trace(trace, tmp_path / "trace.npz")
    found = load_trace(tmp_path / "trace.npz")
    assert set(found) == {"schema_version", *COLUMNS, "kinds", "nodes", "message_kinds"}
    assert found["schema_version"] == 1
    for name, column in trace.data().items():
        np.testing.assert_array_equal(found[name], column)
    assert {found[name].dtype for name in COLUMNS} == {np.dtype(np.int64)}


def test_a_run_without_a_trace_leaves_a_file_that_says_its_version(tmp_path):
    save_trace(None, tmp_path / "trace.npz")
    with np.load(tmp_path / "trace.npz") as file:
        assert (file.files, file["schema_version"]) == (["schema_version"], 1)
    with pytest.raises(ScenarioError, match="is no trace: it lacks cpi"):
        load_trace(tmp_path / "trace.npz")


def test_causes_come_before_effects_and_the_reports_of_a_slot_go_off_together(small):
    """At the end of a slot the rows of all reports stand before those of the links that begin with them."""
    columns = run(small(), 3).trace.columns()
    kind, message, time_ns = (columns[name] for name in ("kind", "message", "time_ns"))
    first = {number: row for row, number in reversed(list(enumerate(message.tolist())))}
    reports, starts = (np.flatnonzero(kind == of) for of in (Kind.REPORT, Kind.SERIALISE))
    assert len(reports) == 3 * 3 * 3
    assert all(first[number] == row for row, number in zip(reports.tolist(), message[reports].tolist(), strict=True))
    for at_ns in np.unique(time_ns[reports]):
        given = reports[time_ns[reports] == at_ns]
        begun = [row for row in starts.tolist() if message[row] in set(message[given].tolist())]
        assert given.max() < min(begun)
