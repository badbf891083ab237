"""A trace in the forms of other tools, read back by readers that are not ours: every event is there, once."""

import csv
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest

from emulator.journeys import Journeys
from emulator.lanes import Cell, Timeline
from emulator.trace import COLUMNS, PREFIX, Kind
from scenarios import ScenarioError, load, trace_dataset
from scenarios.exports import FORMATS, dataset, page, tables, tracks, waves
from scenarios.exports.excerpt import Excerpt, group_of
from scenarios.output.results import cpi_data, cpis_of
from tests.pages import IMAGE, data_in

DISTURBED = {
    "schedule.cpis": 14,
    "fronthaul.rate_bit_s": 2e7,
    "oscillators": {"kind": "wiener", "linewidth_hz": 1.0},
    "calibration": {"kind": "direct-path", "period_s": 2.4e-3},
    "faults": [
        {"kind": "ap-down", "node": "ap-3", "at_s": 1.1e-3, "until_s": 4.0e-3},
        {"kind": "link-down", "link": "ap-1->central", "at_s": 2e-3, "until_s": 3e-3},
        {"kind": "link-degraded", "link": "ap-2->central", "at_s": 5e-3, "rate_factor": 0.1},
    ],
}
LARGE = {"access_points.count": 100, "schedule.n_receivers": 60, "schedule.cpis": 1}
RUNS = [
    pytest.param({}, id="paper"),
    pytest.param(DISTURBED, id="faults and calibration"),
    pytest.param(LARGE, id="100 APs", marks=pytest.mark.slow),
]


def excerpt_of(overrides, **chosen):
    scenario = load("paper", overrides)
    result = scenario.build(seed=1).run(scenario.schedule.cpis)
    trace = result.trace.data()
    timeline = Timeline.of(trace, [cpi_data(cpi) for cpi in result.cpis], cpis_of(trace))
    return Excerpt.of(trace, timeline, **chosen)


@pytest.fixture(scope="module", params=RUNS)
def run(request):
    """An excerpt that is all of a run."""
    return excerpt_of(request.param)


@pytest.fixture(scope="module")
def disturbed():
    return excerpt_of(DISTURBED)


def rows_of(run):
    """Every row of a trace as (time, kind, node, value, CPI, message), read without the exports."""
    trace, kinds = run.trace, [kind.name.lower() for kind in Kind]
    names = trace["nodes"].tolist()
    rows = zip(*(trace[name].tolist() for name in COLUMNS[:6]), strict=True)
    return [(time_ns, kinds[kind], names[node], *rest) for time_ns, kind, node, *rest in rows]


def test_the_disturbed_run_has_what_it_is_for(disturbed):
    kinds = set(disturbed.trace["kind"].tolist())
    assert {Kind.FAULT, Kind.REPAIR, Kind.PILOT, Kind.CALIBRATE, Kind.CORRECT, Kind.DROP, Kind.SILENT} <= kinds
    assert any(hop.waited_ns for number in range(200) for hop in disturbed.journeys.hops(number))


def test_groups_of_names():
    names = ["central", "ap-3", "ap-3->central", "ue-0", "target-1", "air", "switch"]
    groups = ["central processor", "access points", "links", "UEs", "targets", "others", "others"]
    assert [group_of(name) for name in names] == groups


# -- CSV -----------------------------------------------------------------------------------------------------------


def read_table(path):
    with path.open(newline="", encoding="utf-8") as file:
        assert file.readline() == "# schema_version: 1\n"
        return list(csv.DictReader(file))


def test_tables_hold_every_event_and_message_by_name(run, tmp_path):
    tables.write_events(run, tmp_path / "t.csv")
    numbers = ("time_ns", "kind", "node", "value", "cpi", "message")
    found = [tuple(row[name] for name in numbers) for row in read_table(tmp_path / "t.csv")]
    assert found == [tuple(map(str, (*row[:4], *("" if n < 0 else n for n in row[4:])))) for row in rows_of(run)]
    tables.write_messages(run, tmp_path / "m.csv")
    sent = read_table(tmp_path / "m.csv")
    assert [int(row["number"]) for row in sent] == run.trace[PREFIX + "number"].tolist()
    way = Journeys(run.trace)
    assert all(row["outcome"] == way.outcome(int(row["number"])) for row in sent)


def test_an_event_ends_when_its_slot_its_serialisation_or_its_fault_does(disturbed, tmp_path):
    tables.write_events(disturbed, tmp_path / "t.csv")
    lasts = defaultdict(set)
    for row in read_table(tmp_path / "t.csv"):
        lasts[row["kind"]].add(int(row["end_ns"]) - int(row["time_ns"]))
        if row["kind"] == "serialise":
            assert int(row["end_ns"]) - int(row["time_ns"]) == int(row["value"])
        if row["fault"] == "link-down" and row["kind"] == "fault":
            assert (row["node"], row["time_ns"], row["end_ns"]) == ("ap-1->central", "2000000", "3000000")
    assert lasts["sense"] == lasts["listen"] == lasts["pilot"] == {100_000}
    assert lasts["deliver"] == lasts["plan"] == lasts["repair"] == {0}
    assert 2_900_000 in lasts["fault"]


# -- Perfetto ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def perfetto(run, tmp_path_factory):
    """The packets of a run, read by the parser of the package, and the names of the tracks."""
    protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    path = tmp_path_factory.mktemp("perfetto") / "t.pftrace"
    tracks.write(run, path)
    packets = protos.Trace.FromString(path.read_bytes()).packet
    described = [packet.track_descriptor for packet in packets if packet.HasField("track_descriptor")]
    names = {track.uuid: track.name for track in described}
    parents = {track.name: names.get(track.parent_uuid) for track in described}
    assert len(names) == len(described)
    return [packet for packet in packets if packet.HasField("track_event")], names, parents, protos.TrackEvent


def test_every_event_begins_a_slice_or_is_an_instant(run, perfetto):
    packets, names, _, kinds = perfetto
    found = Counter()
    for packet in packets:
        event = packet.track_event
        if event.type != kinds.TYPE_SLICE_END:
            notes = {note.name: note.int_value for note in event.debug_annotations}
            node = names[event.track_uuid].removeprefix("faults of ")
            (category,) = event.categories
            found[packet.timestamp, category, node, notes["value"], notes["cpi"], notes["message"]] += 1
    assert found == Counter(rows_of(run))


def test_slices_end_in_order_and_none_overlaps_another(perfetto):
    """Perfetto ends the last slice that began on a track: two at a time would end each other."""
    packets, _, _, kinds = perfetto
    times = [packet.timestamp for packet in packets]
    assert times == sorted(times)
    begun, lasts = {}, Counter()
    for packet in packets:
        track = packet.track_event.track_uuid
        if packet.track_event.type == kinds.TYPE_SLICE_BEGIN:
            assert track not in begun
            begun[track] = packet
        elif packet.track_event.type == kinds.TYPE_SLICE_END:
            opened = begun.pop(track)
            lasts[opened.track_event.categories[0]] += packet.timestamp - opened.timestamp
    assert not begun
    assert lasts["serialise"] > 0


def test_serialisations_last_as_long_as_the_trace_says(run, perfetto):
    packets, _, _, kinds = perfetto
    begun, total = {}, 0
    for packet in packets:
        event = packet.track_event
        if event.type == kinds.TYPE_SLICE_BEGIN:
            begun[event.track_uuid] = packet
        elif event.type == kinds.TYPE_SLICE_END and begun[event.track_uuid].track_event.categories[0] == "serialise":
            total += packet.timestamp - begun[event.track_uuid].timestamp
    assert total == run.trace["value"][run.trace["kind"] == Kind.SERIALISE].sum()


def test_a_track_lies_in_the_group_of_its_node(run, perfetto):
    _, _, parents, _ = perfetto
    assert parents["central"] == "central processor"
    assert parents["ap-1"] == "access points"
    assert parents["ap-1->central"] == "links"
    tracked = {name for name in parents if parents[name] and not name.startswith("faults of")}
    assert tracked == {str(run.trace["nodes"][node]) for node in np.unique(run.trace["node"])}


def test_arrows_lead_from_a_plan_over_its_reports_to_what_is_published(run, perfetto):
    """Along each arrow time does not run backwards, and from plans estimates are reached."""
    packets, _, _, kinds = perfetto
    told = [packet for packet in packets if packet.track_event.type != kinds.TYPE_SLICE_END]
    flows = defaultdict(list)
    for place, packet in enumerate(told):
        for flow in packet.track_event.flow_ids:
            flows[flow].append(place)
    reached = {place for place, packet in enumerate(told) if packet.track_event.categories[0] == "plan"}
    for _ in range(20):
        here = {flow for place in reached for flow in told[place].track_event.flow_ids}
        reached |= {later for flow in here for later in flows[flow]}
    kinds_reached = {told[place].track_event.categories[0] for place in reached}
    assert {"plan", "serialise", "deliver", "assigned", "report", "use", "fuse", "publish"} <= kinds_reached
    caused = {flow: places for flow, places in flows.items() if tracks.CAUSED <= flow < tracks.PUBLISHED}
    causes = dict(zip(*(run.trace[PREFIX + name].tolist() for name in ("number", "cause")), strict=True))
    begun = set(run.trace["message"].tolist())  # others still waited for their first link when the run ended
    effects = {number for number, cause in causes.items() if cause >= 0 and number in begun}
    assert {flow - tracks.CAUSED for flow in caused} >= effects
    assert all(len(places) == 2 for places in caused.values())


# -- value changes -----------------------------------------------------------------------------------------------------


def imported_vcdvcd():
    """Return the package, which at its import lets a broken pipe end the process: that is undone."""
    before = signal.getsignal(signal.SIGPIPE)
    try:
        return pytest.importorskip("vcdvcd")
    finally:
        signal.signal(signal.SIGPIPE, before)


def changes_of(path):
    """Return the changes of every signal as (time, value), by node and name."""
    vcdvcd = imported_vcdvcd()
    dump = vcdvcd.VCDVCD(str(path))
    assert dump.timescale["timescale"] * 10**9 == 1
    return {tuple(name.split(".")[1:]): dump[name].tv for name in dump.signals}


def words_of(path):
    """Return the changes of every state as (time, word), by node: vcdvcd passes over them."""
    found, scope, now_ns, nodes = defaultdict(list), [], 0, {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match line.split():
            case ["$scope", _, name, _]:
                scope.append(name)
            case ["$upscope", _]:
                scope.pop()
            case ["$var", "string", _, identifier, "state", _]:
                nodes[identifier] = scope[-1]
            case [word, identifier] if word[0] == "s":
                found[nodes[identifier]].append((now_ns, word[1:]))
            case [word] if word[0] == "#":
                now_ns = int(word[1:])
    return found


@pytest.fixture(scope="module")
def dump(run, tmp_path_factory):
    pytest.importorskip("vcd")
    path = tmp_path_factory.mktemp("vcd") / "t.vcd"
    waves.write(run, path)
    return path


@pytest.fixture(scope="module")
def signals(dump):
    return changes_of(dump)


def test_every_event_counts_up_at_its_node(run, signals):
    times = defaultdict(list)
    for time_ns, kind, node, *_ in sorted(rows_of(run)):
        times[node, f"n_{kind}"].append(time_ns)
    for name, expected in times.items():
        counted = [(time_ns, int(value, 2)) for time_ns, value in signals[name] if int(value, 2)]
        assert counted == list(zip(expected, range(1, len(expected) + 1), strict=True))
    assert set(times) == {name for name in signals if name[1].startswith("n_")}


def test_a_link_is_busy_as_long_as_it_sends(run, signals):
    sends = run.trace["kind"] == Kind.SERIALISE
    for number in np.unique(run.trace["node"][sends]):
        busy = dict(signals[str(run.trace["nodes"][number]), "busy"])  # of one instant the last counts
        times = sorted(busy)
        lasts = sum(end - start for start, end in pairwise(times) if busy[start] == "1")
        assert lasts == run.trace["value"][sends & (run.trace["node"] == number)].sum()
        assert busy[times[-1]] == "0"


def check_states(run, words):
    """Check that at the start of each slot an AP is in the state that the timeline shows."""
    for group in run.timeline.aps:
        for name, cells in zip(group.names, group.cells, strict=True):
            states = [word for word in words[name] if word[0] <= run.timeline.end_ns]
            for edge_ns, cell in zip(run.timeline.slot_edges_ns.tolist(), cells.tolist(), strict=False):
                known = [value for time_ns, value in states if time_ns <= max(edge_ns, states[0][0])]
                assert known[-1] == (Cell(cell).name.lower() if cell else "idle"), (name, edge_ns)


def test_the_state_of_an_access_point_is_what_the_timeline_shows(run, dump):
    check_states(run, words_of(dump))


def test_what_waits_for_a_link_and_which_have_faults(disturbed, tmp_path):
    pytest.importorskip("vcd")
    waves.write(disturbed, tmp_path / "t.vcd")
    signals = changes_of(tmp_path / "t.vcd")
    assert ("2000000", "1") in [(str(time), value) for time, value in signals["ap-1->central", "faulty"]]
    waiting = [int(value, 2) for name, changes in signals.items() if name[1] == "queue" for _, value in changes]
    assert min(waiting) == 0
    assert max(waiting) >= 1


@pytest.mark.skipif(shutil.which("vcd2fst") is None, reason="gtkwave is not installed")
def test_gtkwave_reads_the_file(disturbed, tmp_path):
    pytest.importorskip("vcd")
    waves.write(disturbed, tmp_path / "t.vcd")
    subprocess.run(["vcd2fst", tmp_path / "t.vcd", tmp_path / "t.fst"], check=True, capture_output=True)
    subprocess.run(["fst2vcd", "-f", tmp_path / "t.fst", "-o", tmp_path / "back.vcd"], check=True, capture_output=True)
    check_states(disturbed, words_of(tmp_path / "back.vcd"))
    back, first = changes_of(tmp_path / "back.vcd"), changes_of(tmp_path / "t.vcd")
    assert set(back) == set(first)
    for name in first:
        if name[1].startswith("n_"):
            assert int(back[name][-1][1], 2) == int(first[name][-1][1], 2)


ODD_NAMES = ["a b", "a_b", "a.b", "$end", "new\nline", 'it\'s "quoted" \\', "L" * 200, "\N{SATELLITE}", IMAGE]


def test_any_name_can_stand_in_a_dump(disturbed, tmp_path):
    """What ends a word of the format, as a space or $end, does not end the name of a node; no two become one."""
    trace = dict(disturbed.trace)
    odd = dict(zip([name for name in trace["nodes"].tolist() if name.startswith("central->")], ODD_NAMES, strict=False))
    trace["nodes"] = np.array([f"central->{odd[name]}" if name in odd else name for name in trace["nodes"].tolist()])
    waves.write(Excerpt.of(trace, disturbed.timeline), tmp_path / "t.vcd")
    signals = changes_of(tmp_path / "t.vcd")
    counted = sum(int(changes[-1][1], 2) for name, changes in signals.items() if name[1].startswith("n_"))
    assert counted == len(disturbed.rows)
    assert {"central->a_b", "central->a_b_2", "central->a_b_3", "central->_end"} <= {name[0] for name in signals}


# -- datasets ----------------------------------------------------------------------------------------------------------


def test_a_dataset_is_the_trace_with_units(run, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    dataset.write(run, tmp_path / "t.nc")
    with xarray.open_dataset(tmp_path / "t.nc", engine="h5netcdf", decode_times=False) as data:
        for name in COLUMNS:
            np.testing.assert_array_equal(data[name], run.trace[name])
        for name in ("nodes", "kinds", "message_kinds"):
            assert data[name].values.tolist() == run.trace[name].tolist()
        assert data.time_ns.dims == ("event",)
        assert data.message_bits.dims == ("message_sent",)
        assert (data.time_ns.units, data.message_bits.units) == ("ns", "bit")
        names = data.nodes[data.node].values.tolist()
        assert names == [row[2] for row in rows_of(run)]
    assert trace_dataset(run.trace).sizes["event"] == len(run.rows)


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_holds_every_slot_message_and_mark(run):
    data = page.page_data(run)
    lanes = [name for group in data["groups"] for name in group]
    names = Counter(Kind(kind).name.lower() for kind in run.trace["kind"].tolist())
    sent = Counter(zip(data["hops"]["number"], (lanes[lane] for lane in data["hops"]["lane"]), strict=True))
    assert sent == Counter((row[5], row[2]) for row in rows_of(run) if row[1] == "serialise")
    assert set(data["hops"]["what"]) <= set(page.MESSAGES)
    expected = {kind.name.lower(): names[kind.name.lower()] for kind in page.LOOKS if names[kind.name.lower()]}
    assert Counter(data["marks"]["kind"]) == expected
    states = {name: row for group in run.timeline.aps for name, row in zip(group.names, group.cells, strict=True)}
    assert {name: [int(cell) for cell in cells] for name, cells in data["cells"].items()} == {
        name: row.tolist() for name, row in states.items()
    }


def test_the_page_keeps_nanoseconds(disturbed):
    hops = page.page_data(disturbed)["hops"]
    begun = [given + waited for given, waited in zip(hops["given"], hops["waited"], strict=True)]
    trace, sends = disturbed.trace, disturbed.trace["kind"] == Kind.SERIALISE
    assert begun == sorted(begun) == sorted(trace["time_ns"][sends].tolist())
    assert sorted(hops["lasts"]) == sorted(trace["value"][sends].tolist())
    assert sum(lost is not None for lost in hops["lost"]) > 0


def test_the_page_tells_how_long_faults_last(disturbed):
    data = page.page_data(disturbed)
    lanes, faults = [name for group in data["groups"] for name in group], data["faults"]
    told = list(zip((lanes[lane] for lane in faults["lane"]), faults["begin"], faults["end"], strict=True))
    assert ("ap-3", 1_100_000, 4_000_000) in told
    assert ("ap-1->central", 2_000_000, 3_000_000) in told


def test_the_page_is_small_beside_its_trace(run, tmp_path):
    """The page itself takes less than 40 kB, an event less than 30 bytes."""
    pytest.importorskip("jinja2")
    page.write(run, tmp_path / "t.html")
    assert (tmp_path / "t.html").stat().st_size < 40_000 + 30 * len(run.rows)


def test_names_from_elsewhere_are_text_on_the_page(disturbed, tmp_path):
    pytest.importorskip("jinja2")
    trace = dict(disturbed.trace)
    trace["nodes"] = np.array([name.replace("central->ap-0", f"central->{IMAGE}") for name in trace["nodes"].tolist()])
    page.write(Excerpt.of(trace, disturbed.timeline), tmp_path / "t.html")
    text = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert f"central->{IMAGE}" in [name for group in data_in(text)["groups"] for name in group]


# -- parts of a run ----------------------------------------------------------------------------------------------------


def test_what_is_chosen_is_what_is_exported(disturbed):
    trace, timeline = disturbed.trace, disturbed.timeline
    about = Excerpt.of(trace, timeline, cpis=range(2, 4))
    assert {event.cpi for event in about.events()} == {2, 3}
    assert len(about.rows) == np.isin(trace["cpi"], [2, 3]).sum()
    assert {sent.cpi for sent in about.messages()} == {2, 3}
    window = Excerpt.of(trace, timeline, window_ns=(1_000_000, 2_000_000))
    assert {1_000_000 <= event.time_ns < 2_000_000 for event in window.events()} == {True}
    assert 0 < len(window.rows) < len(trace["time_ns"])
    few = Excerpt.of(trace, timeline, aps=["ap-1", "ap-3"])
    nodes = {event.node for event in few.events()}
    assert nodes == {"central", "ap-1", "ap-3", *(f"ap-{i}->central" for i in (1, 3)),
                     *(f"central->ap-{i}" for i in (1, 3))}  # fmt: skip
    ends = {name for sent in few.messages() for name in (sent.source, sent.destination)}
    assert ends == {"central", "ap-1", "ap-3"}


def write_all(form, excerpt, folder):
    """Write the files of a form; return them."""
    folder.mkdir(exist_ok=True)
    for ending, function in FORMATS[form].items():
        module, name = function.split(":")
        getattr(import_module(module), name)(excerpt, folder / f"t{ending}")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("form", FORMATS)
def test_a_part_without_events_is_written_too(disturbed, form, tmp_path):
    nothing = Excerpt.of(disturbed.trace, disturbed.timeline, window_ns=(1, 2))
    assert len(nothing.rows) == 0
    assert len(write_all(form, nothing, tmp_path)) == len(FORMATS[form])


@pytest.mark.parametrize("form", FORMATS)
def test_equal_runs_give_equal_bytes(disturbed, form, tmp_path):
    assert write_all(form, disturbed, tmp_path / "a") == write_all(form, disturbed, tmp_path / "b")


@pytest.mark.parametrize(
    ("write", "missing", "name"),
    [
        (tracks.write, "perfetto.trace_builder.proto_builder", "trace"),
        (waves.write, "vcd", "trace"),
        (dataset.write, "xarray", "sweep"),
        (page.write, "jinja2", "report"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(disturbed, write, missing, name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ScenarioError, match=rf"pip install \"dmimo-isac\[{name}\]\""):
        write(disturbed, tmp_path / "t")
