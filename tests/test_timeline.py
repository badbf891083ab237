"""The timeline: what it shows is what the trace and the results say, and every name can be read."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from emulator import lanes, timeline
from emulator.journeys import Hop, Outcome
from emulator.lanes import STATUSES, Busy, Cell, Lanes, Load, Timeline, Way
from emulator.media.topologies import star
from emulator.trace import Kind
from models.network import Mode
from scenarios import load
from scenarios.output.results import cpi_data
from tests.conftest import SMALL


@pytest.fixture
def ran(small):
    """What came of some CPIs of a scenario of six APs: the result, the trace and the CPIs as plain data."""

    def run(overrides=None, n_cpis=3):
        result = small({"schedule.cpis": n_cpis} | (overrides or {})).build(seed=1).run(n_cpis)
        return result, result.trace.data(), [cpi_data(cpi) for cpi in result.cpis]

    return run


def cells_of(shown):
    """Return the cells of each AP by name, shape (CPIs, slots of a CPI)."""
    n_cpis = len(shown.cpi_numbers)
    return {
        name: cells.reshape(n_cpis, -1)
        for group in shown.aps
        for name, cells in zip(group.names, group.cells, strict=True)
    }


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_cells_are_what_the_plan_said(ran):
    """Receivers listen, transmitters communicate, and in each slot the one whose turn it is senses, in its order."""
    result, trace, data = ran({"selector.kind": "random"})
    shown = Timeline.of(trace, data, range(3))
    cells = cells_of(shown)
    assert sorted(cells) == sorted(result.network.ap_names)
    for number, cpi in enumerate(result.cpis):
        mine = np.array([cells[name][number] for name in result.network.ap_names])
        modes = np.array([mode is Mode.RECEIVE for mode in cpi.assignment.modes])
        assert (mine[modes] == Cell.LISTEN).all()
        assert np.isin(mine[~modes], [Cell.COMMUNICATE, Cell.SENSE]).all()
        assert ((mine == Cell.SENSE).sum(axis=0) == 1).all()
        assert ((mine[~modes] == Cell.SENSE).sum(axis=1) == 1).all()
    edges = shown.cpi_edges_ns[:3]
    assert edges.tolist() == [cpi.start_ns for cpi in result.cpis]


def test_every_ap_is_in_the_group_of_what_it_does(ran):
    result, trace, data = ran({"selector.kind": "random"})
    shown = Timeline.of(trace, data, range(3))
    titles = {name: group.title for group in shown.aps for name in group.names}
    assert len(titles) == sum(len(group.names) for group in shown.aps) == 6
    for index, name in enumerate(result.network.ap_names):
        modes = {cpi.assignment.modes[index] for cpi in result.cpis}
        expected = {Mode.TRANSMIT: "transmit", Mode.RECEIVE: "listen"}[modes.pop()] if len(modes) == 1 else ""
        assert titles[name] == (expected or "change modes")
    assert "change modes" in titles.values()


def test_ues_and_targets_are_those_of_the_results(ran):
    result, trace, data = ran()
    shown = Timeline.of(trace, data, range(1, 3))
    assert shown.cpi_numbers.tolist() == [0, 1, 2, 3]
    for cpi in result.cpis:
        np.testing.assert_array_equal(shown.ues.cells[:, cpi.index], cpi.se_bit_s_hz)
        assert [STATUSES[i] for i in shown.targets.cells[:, cpi.index]] == list(cpi.score.status)
        np.testing.assert_array_equal(shown.errors_m[:, cpi.index], cpi.score.error_m)
    assert np.isnan(shown.ues.cells[:, 3]).all()
    assert (shown.targets.cells[:, 3] == -1).all()


def test_the_window_reaches_from_the_plan_to_the_estimate(ran):
    result, trace, data = ran({"schedule.snapshots_per_slot": 20})
    shown = Timeline.of(trace, data, range(1, 2))
    planned = trace["time_ns"][(trace["kind"] == Kind.PLAN) & (trace["cpi"] == 1)][0]
    slack_ns = (result.cpis[1].published_ns - planned) // 100
    assert (shown.start_ns, shown.end_ns) == (planned - slack_ns, result.cpis[1].published_ns + slack_ns)
    assert (Timeline.of(trace, data, range(1, 2), window_ns=(7, None)).start_ns) == 7


def test_an_estimate_that_comes_much_later_does_not_squeeze_the_cpis(ran):
    result, trace, data = ran({"estimator.latency_s": 5e-3}, n_cpis=1)
    cpi_ns = result.cpis[0].end_ns - result.cpis[0].start_ns
    assert Timeline.of(trace, data, range(1)).end_ns <= result.cpis[0].end_ns + 1.1 * cpi_ns


def test_aps_without_a_plan_are_silent_where_no_other_ap_tells_the_time(ran):
    """A latency above the lead: no AP ever hears of a plan in time."""
    result, trace, data = ran({"fronthaul.latency_s": 1e-3})
    shown = Timeline.of(trace, data, range(2))
    assert [group.title for group in shown.aps] == ["silent"]
    assert (shown.aps[0].cells == Cell.SILENT).all()
    assert shown.cpi_edges_ns[:3].tolist() == [cpi.start_ns for cpi in result.cpis]


def test_cpis_in_which_all_are_silent_are_in_their_window(ran):
    """In CPI 0 APs have their plans, made at the start; the lead is too short for those of later ones."""
    result, trace, _ = ran({"schedule.lead_s": 1e-5}, n_cpis=4)
    starts = [cpi.start_ns for cpi in result.cpis]
    assert lanes.cpis_between(trace, starts[1], starts[3]) == range(1, 3)
    assert lanes.cpis_between(trace, starts[2] + 10, starts[2] + 11) == range(2, 3)
    everything = lanes.cpis_between(trace, 0, None)
    assert range(4) == range(everything.start, min(everything.stop, 4))


def test_a_window_within_a_slot_is_in_its_cpi(ran):
    result, trace, _ = ran()
    inside = result.cpis[2].start_ns + 100
    assert lanes.cpis_between(trace, inside, inside + 1) == range(2, 3)


def test_the_whole_of_a_cpi_reaches_to_an_estimate_that_comes_late(ran):
    result, trace, data = ran({"estimator.latency_s": 1e-3, "schedule.lead_s": 3e-4})
    start_ns, end_ns = lanes.whole_window_ns(trace, range(1, 2))
    planned_ns = trace["time_ns"][(trace["kind"] == Kind.PLAN) & (trace["cpi"] == 1)][0]
    assert start_ns <= planned_ns
    assert end_ns >= result.cpis[1].published_ns
    shown = Timeline.of(trace, data, lanes.cpis_between(trace, start_ns, end_ns), window_ns=(start_ns, end_ns))
    assert shown.cpi_edges_ns[-1] >= min(end_ns, trace["time_ns"].max())


def test_nobody_is_idle_in_a_slot_that_the_trace_ends_in(ran):
    """Who listens is told at the end of a slot: until then nothing is shown of those who transmit, either."""
    _, trace, data = ran()
    shown = Timeline.of(trace, data, range(1, 3))
    cells, over = (
        np.concatenate([group.cells for group in shown.aps]),
        shown.slot_edges_ns[1:] <= trace["time_ns"].max(),
    )
    begun = shown.slot_edges_ns[:-1] <= trace["time_ns"].max()
    assert (begun & ~over).any()
    assert (cells[:, ~over] == Cell.NOTHING).all()
    assert (cells[:, over] != Cell.NOTHING).all()


def test_loads_add_up_to_the_time_that_links_were_busy(ran):
    _, trace, data = ran({"fronthaul.topology": "tree", "fronthaul.rate_bit_s": 5e7})
    sends = trace["kind"] == Kind.SERIALISE
    shown = Timeline.of(trace, data, range(3), window_ns=(0, int(trace["time_ns"].max()) + 10**9))
    sums = [int(np.sum(load.counts[:-1] * np.diff(load.times_ns))) for load in shown.loads]
    assert sum(sums) == trace["value"][sends].sum()
    assert min(sums) > 0
    assert all(load.counts[-1] == 0 and load.counts.min() >= 0 for load in shown.loads)
    assert max(load.counts.max() for load in shown.loads) <= 12


@pytest.mark.parametrize(("rate_bit_s", "some"), [(1e9, False), (2e7, True)])
def test_links_that_send_most_of_the_time_have_a_lane(ran, rate_bit_s, some):
    """Those and no others, six at most, the busiest first; the share is that of the window."""
    _, trace, data = ran({"fronthaul.rate_bit_s": rate_bit_s, "schedule.lead_s": 1e-3})
    window_ns = 1_000_000, 1_500_000
    busy = Timeline.of(trace, data, range(3), window_ns=window_ns).busy
    sends, shares = trace["kind"] == Kind.SERIALISE, {}
    for number, name in enumerate(trace["nodes"].tolist()):
        mine = sends & (trace["node"] == number)
        times = zip(trace["time_ns"][mine].tolist(), trace["value"][mine].tolist(), strict=True)
        inside = [max(min(start + lasts, window_ns[1]) - max(start, window_ns[0]), 0) for start, lasts in times]
        shares[name] = sum(inside) / (window_ns[1] - window_ns[0])
    assert bool(busy) == some
    expected = sorted((share for share in shares.values() if share >= 0.5), reverse=True)[:6]
    assert [link.share for link in busy] == pytest.approx(expected)
    assert all(shares[link.name] == pytest.approx(link.share) for link in busy)


def test_the_way_of_a_report_goes_over_every_hop(ran):
    """On a stripe the last AP's reports pass all others; each hop starts when the one before has arrived."""
    _, trace, data = ran({"fronthaul.topology": "stripe", "fronthaul.latency_s": 1e-5, "fronthaul.rate_bit_s": 1e9})
    shown = Timeline.of(trace, data, range(1), sender="ap-5")
    assert shown.ways
    links = ["ap-5->ap-4", "ap-4->ap-3", "ap-3->ap-2", "ap-2->ap-1", "ap-1->ap-0", "ap-0->central"]
    assert list(shown.traffic) == links
    for way in shown.ways:
        assert [hop.link for hop in way.hops] == links[: len(way.hops)]
        assert all(b.given_ns == a.arrived_ns for a, b in zip(way.hops, way.hops[1:], strict=False))
        for hop in way.hops:
            assert [hop.started_ns, hop.sent_ns] in shown.traffic[hop.link].tolist()
    assert "fused" in {way.outcome for way in shown.ways}


@pytest.mark.parametrize(("deadline_s", "outcomes"), [(1e-3, {"fused"}), (1e-6, {"not used", "late"})])
def test_messages_that_come_after_the_deadline_are_late(ran, deadline_s, outcomes):
    """The report of the last slot is late; those before lack what was radiated, told later still: they are not used."""
    result, trace, data = ran({"fronthaul.deadline_s": deadline_s})
    receiver = f"ap-{result.cpis[0].assignment.receivers[0]}"
    ways = [way for way in Timeline.of(trace, data, range(1), sender=receiver).ways if way.number in first_of(trace)]
    assert {way.outcome for way in ways} == outcomes


def first_of(trace):
    """Return the numbers of the messages about the first CPI."""
    return trace["message_number"][trace["message_cpi"] == 0]


def test_lost_messages_are_marked_and_drawn(ran):
    """Only the last hop loses messages: the plan arrives, the report does not."""
    result, _, _ = ran(n_cpis=1)
    receiver = f"ap-{result.cpis[0].assignment.receivers[0]}"
    graph = star(result.network.ap_names, rate_bit_s=1e9, latency_s=2e-5)
    graph.edges[receiver, "central"]["loss_probability"] = 1.0
    lossy = load("paper", SMALL).build(seed=1, fronthaul=graph).run(1)
    shown = Timeline.of(lossy.trace.data(), [cpi_data(lossy.cpis[0])], range(1), sender=receiver)
    assert {way.outcome for way in shown.ways} == {"lost"}
    assert "is lost" in {text.get_text() for text in legend_texts(timeline.figure_of(shown))}
    assert sum(len(load.dropped_ns) for load in shown.loads) > 0


def legend_texts(figure):
    return [text for artist in figure.axes[0].artists for text in artist.get_texts()]


def test_rows_of_other_cpis_change_nothing(ran):
    _, trace, data = ran(n_cpis=20)
    cpis, n_slots = range(5, 7), 3
    near = lanes.rows_about(trace, lanes.around(cpis, n_slots))
    assert len(near["time_ns"]) < len(trace["time_ns"])
    for options in ({}, {"sender": "ap-1"}, {"aps": ["ap-2", "ap-1"]}):
        few, all_of_them = (Timeline.of(columns, data, cpis, **options) for columns in (near, trace))
        few_marks = {kind: times[times > few.start_ns] for kind, times in few.marks.items()}
        for kind, times in few_marks.items():
            inside = (times < few.end_ns).sum()
            marks = all_of_them.marks[kind]
            assert inside == ((marks > few.start_ns) & (marks < few.end_ns)).sum()
        assert list(few.traffic) == list(all_of_them.traffic)
        for link, spans in few.traffic.items():
            shown = [s.tolist() for s in (spans, all_of_them.traffic[link])]
            few_spans, all_spans = ([s for s in some if few.start_ns < s[1] and s[0] < few.end_ns] for some in shown)
            assert few_spans == all_spans
        for name in ("aps", "loads", "ways", "ues", "slot_edges_ns"):
            assert pickle.dumps(getattr(few, name)) == pickle.dumps(getattr(all_of_them, name)), name


@pytest.mark.parametrize(("n_slots", "shown"), [(6, range(4)), (30, range(2)), (150, range(2)), (1, range(10))])
def test_the_first_cpis_are_shown_two_at_least(n_slots, shown):
    assert lanes.first_cpis(n_slots, range(10)) == shown
    assert lanes.first_cpis(n_slots, range(7, 8)) == range(7, 8)


def test_chosen_aps_are_shown_in_the_order_asked_for(ran):
    _, trace, data = ran()
    (group,) = Timeline.of(trace, data, range(1), aps=["ap-4", "ap-0"]).aps
    assert group.names == ("ap-4", "ap-0")
    everyone = cells_of(Timeline.of(trace, data, range(1)))
    np.testing.assert_array_equal(group.cells, [everyone["ap-4"].ravel(), everyone["ap-0"].ravel()])


# -- how it is drawn ---------------------------------------------------------------------------------------------------


def invented(n_aps, n_ues=10, n_targets=2, n_cpis=3, chosen=False):
    """Return a timeline of a network of any size: even APs transmit, odd ones listen."""
    n_slots = n_aps // 2
    cells = np.full((n_aps, n_cpis, n_slots), Cell.LISTEN)
    cells[::2] = Cell.COMMUNICATE
    cells[2 * np.arange(n_slots), :, np.arange(n_slots)] = Cell.SENSE
    cells = cells.reshape(n_aps, -1)
    names = tuple(f"ap-{i}" for i in range(n_aps))
    groups = (Lanes("transmit", names[::2], cells[::2]), Lanes("listen", names[1::2], cells[1::2]))
    slots = 200_000 + 100_000 * np.arange(n_cpis * n_slots + 1)
    rng = np.random.default_rng(1)
    status = rng.integers(0, 3, (n_targets, n_cpis))
    return Timeline(
        start_ns=0,
        end_ns=int(slots[-1]),
        slot_edges_ns=slots,
        aps=(Lanes("", names, cells),) if chosen else groups,
        cpi_numbers=np.arange(n_cpis),
        cpi_edges_ns=slots[::n_slots],
        ues=Lanes("UEs", tuple(f"ue-{i}" for i in range(n_ues)), rng.random((n_ues, n_cpis))),
        targets=Lanes("targets", tuple(f"target-{i}" for i in range(n_targets)), status),
        errors_m=np.where(status == 0, np.nan, 0.001),
        loads=tuple(
            Load(f"links to the {end}", slots, np.arange(len(slots)) % 3, slots[:1]) for end in ("APs", "centre")
        ),
        marks=dict.fromkeys(lanes.MARKS, slots[::n_slots]),
        busy=tuple(Busy(f"ap-{i}->central", 0.97, np.stack([slots[:-1], slots[1:]], axis=1)) for i in range(3)),
    )


SIZES = [(12, 10, 2, False), (60, 20, 8, False), (300, 100, 30, False), (48, 1, 0, True), (2, 0, 0, False)]


@pytest.mark.parametrize(("n_aps", "n_ues", "n_targets", "chosen"), SIZES)
def test_every_name_can_be_read(n_aps, n_ues, n_targets, chosen):
    """All text is inside the picture, no text lies on another, and nothing that explains lies over the lanes."""
    figure = timeline.figure_of(invented(n_aps, n_ues, n_targets, chosen=chosen))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    ax = figure.axes[0]
    lanes_box, page = ax.get_window_extent(), figure.bbox
    legends = [artist for artist in ax.artists if hasattr(artist, "legend_handles")]
    assert len(legends) == (3 if n_targets else 2)
    explained = [artist.get_window_extent(renderer) for artist in [*legends, *figure.axes[1:]]]
    texts = [text.get_window_extent(renderer) for text in ax.texts if text.get_text()]
    for box in [*texts, *explained]:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    assert all(box.x0 > lanes_box.x1 for box in explained)
    everything = [*texts, *explained]
    for i, box in enumerate(everything):
        assert not any(overlap(box, other) for other in everything[:i])
    assert all(text.get_fontsize() >= 6.5 for text in ax.texts)


def test_ticks_are_at_the_starts_of_cpis_and_slots():
    shown = invented(12)
    ax = timeline.figure_of(shown).axes[0]
    assert ax.get_xticks().tolist() == (shown.cpi_edges_ns * 1e-6).tolist()
    minor = set(ax.get_xticks(minor=True))  # matplotlib leaves out those under a tick of a CPI
    assert minor <= set(shown.slot_edges_ns * 1e-6) <= minor | set(ax.get_xticks())


def test_ticks_of_many_cpis_are_those_whose_numbers_are_written():
    shown = invented(12, n_cpis=100)
    ax = timeline.figure_of(shown).axes[0]
    named = [int(text.get_text().removeprefix("CPI ")) for text in ax.texts if text.get_text().startswith("CPI ")]
    assert 5 < len(named) < 20
    assert {shown.cpi_edges_ns[number] * 1e-6 for number in named} <= set(ax.get_xticks().tolist())


@pytest.mark.parametrize(("start_ns", "end_ns", "most"), [(210_000, 690_000, 6), (210_000, 220_000, 12)])
def test_a_window_within_a_cpi_has_ticks_too(start_ns, end_ns, most):
    ax = timeline.figure_of(replace(invented(12), start_ns=start_ns, end_ns=end_ns)).axes[0]
    seen = [tick for tick in ax.get_xticks() if start_ns <= tick * 1e6 <= end_ns]
    assert 2 <= len(seen) <= most


def test_the_links_of_a_long_chain_can_be_read():
    links = {f"ap-{i + 1}->ap-{i}": np.array([[0, 100]]) for i in range(60)}
    hops = tuple(Hop(link, 0, 0, 100, 200, None) for link in links)
    shown = replace(invented(12), sender="ap-60", ways=(Way(0, hops, Outcome.FUSED),), traffic=links)
    texts = timeline.figure_of(shown).axes[0].texts
    assert all(text.get_fontsize() >= 6.5 for text in texts)
    assert {link.replace("->", " → ") for link in links} <= {text.get_text() for text in texts}


def overlap(a, b):
    """Return whether two boxes share more than a pixel in both directions."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1.0 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.0


def test_sixteen_aps_have_a_lane_each_and_seventeen_their_number():
    few, many = (figure_texts(invented(n)) for n in (16, 18))
    assert {f"ap-{i}" for i in range(16)} <= few
    assert {"9 APs transmit", "9 APs listen", "ap-0 … ap-16", "ap-1 … ap-17"} <= many
    assert "ap-0" not in many


@pytest.mark.parametrize(("n_cpis", "numbers"), [(3, [0, 1, 2]), (30, [*range(0, 30, 2)]), (100, [*range(0, 100, 7)])])
def test_cpis_are_numbered_as_far_as_there_is_room(n_cpis, numbers):
    texts = [text.get_text() for text in timeline.figure_of(invented(4, n_cpis=n_cpis)).axes[0].texts]
    assert [text for text in texts if text.startswith("CPI")] == [f"CPI {number}" for number in numbers]


def test_errors_stand_in_the_cells_of_targets():
    texts = [text.get_text() for text in timeline.figure_of(invented(12)).axes[0].texts]
    assert texts.count("1 mm") == np.isfinite(invented(12).errors_m).sum()


def figure_texts(shown):
    return {text.get_text() for text in timeline.figure_of(shown).axes[0].texts}


def test_marks_and_cells_stand_at_their_times(ran):
    _, trace, data = ran()
    shown = Timeline.of(trace, data, range(3))
    ax = timeline.figure_of(shown).axes[0]
    plans = next(line for line in ax.lines if line.get_marker() == "|")
    np.testing.assert_allclose(plans.get_xdata(), 1e-6 * shown.marks[Kind.PLAN])
    corners = np.concatenate([np.asarray(mesh.get_coordinates())[0, :, 0] for mesh in ax.collections if is_mesh(mesh)])
    assert set(np.round(1e6 * corners).astype(int)) <= set(shown.slot_edges_ns.tolist())


def is_mesh(collection):
    return hasattr(collection, "get_coordinates")


# -- calibrations ------------------------------------------------------------------------------------------------------


@pytest.fixture
def calibrated(ran):
    """What came of CPIs of which the first two are of pilots: six APs, three slots a CPI."""
    return ran({"oscillators.preset": "ocxo", "calibration.kind": "direct-path"}, n_cpis=6)


def test_pilots_have_cells_of_their_own_and_corrections_and_calibrations_marks(calibrated):
    result, trace, data = calibrated
    shown = Timeline.of(trace, data, range(5))
    cells = cells_of(shown)
    mine = np.array([cells[name][:2].ravel() for name in result.network.ap_names])
    assert np.array_equal(mine == Cell.PILOT, np.eye(6, dtype=bool))
    assert (mine[~np.eye(6, dtype=bool)] == Cell.LISTEN).all()
    assert len(shown.marks[Kind.CALIBRATE]) == 1 and not len(shown.marks[Kind.INCOHERENT])
    taken_up_ns = result.cpis[4].start_ns  # planned when phases were known
    assert shown.corrections_ns == {name: [taken_up_ns] for name in cells}


def test_slots_of_pilots_do_not_count_in_groups_unless_there_are_no_others(calibrated):
    _, trace, data = calibrated
    assert {group.title for group in Timeline.of(trace, data, range(4)).aps} == {"transmit", "listen"}
    assert [group.title for group in Timeline.of(trace, data, range(2)).aps] == ["send pilots"]


def test_a_target_is_not_missed_where_nobody_looked_for_it(calibrated):
    _, trace, data = calibrated
    shown = Timeline.of(trace, data, range(4)).targets.cells
    assert (shown[:, :2] == -1).all() and (shown[:, 2:4] != -1).all()


def test_what_is_not_in_the_window_is_not_explained(calibrated):
    _, trace, data = calibrated
    for cpis, explained in ((range(5), True), (range(1), False)):
        figure = timeline.figure_of(Timeline.of(trace, data, cpis))
        said = {text.get_text() for legend in figure.axes[0].artists for text in legend.get_texts()}
        assert "sends a pilot" in said and ("takes up a correction" in said) is explained
        assert ("phases known anew" in said) is explained
