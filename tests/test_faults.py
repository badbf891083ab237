"""Faults: each kind does what it says, no more, and for as long; the rest of the network goes on."""

import pickle
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from emulator import FAULTS, AccessPoint, EchoReport, EmulationError, Kind
from emulator.fault_plan import kind_of
from emulator.faults import (
    ApDown,
    Corrupt,
    Ghost,
    LinkDegraded,
    LinkDown,
    LinkFlapping,
    Replay,
    Restart,
    Rubbish,
    Tampering,
)
from emulator.lanes import Cell, Timeline
from emulator.serials import WINDOW, Seen
from models.radio.sensing import leg_response
from scenarios.file.problems import ScenarioError
from scenarios.output.results import cpi_data, run_data
from tests.outcome import essence

AP, LINK = "ap-1", "ap-1->central"  # it receives in the scenario ``small``, where ap-0 transmits
SLOT_NS, LEAD_NS = 40_000, 200_000
CPI_NS = 3 * SLOT_NS
OWN = {
    "ap-down": {"node": AP}, "restart": {"node": AP, "lasts_s": 2e-4}, "link-down": {"link": LINK},
    "link-degraded": {"link": LINK, "rate_factor": 1e-2, "latency_add_s": 1e-4, "loss_probability": 0.5},
    "link-flapping": {"link": LINK, "period_s": 1e-4}, "corrupt": {"node": AP, "share": 0.5},
    "replay": {"node": AP, "delay_cpis": 2}, "rubbish": {"node": AP},
    "ghost": {"node": AP, "position_m": [300.0, 400.0], "rcs_m2": 10.0},
}  # fmt: skip
"""Settings of each kind, for a fault that is felt."""


def at(cpi, slot=0):
    """The start of a slot, in s."""
    return 1e-9 * (LEAD_NS + cpi * CPI_NS + slot * SLOT_NS)


BEGIN_S, END_S = at(2), at(5)


def planned(kind, begin_s=BEGIN_S, until_s=END_S):
    """A table of the scenario file for a fault of a kind."""
    until = {} if kind == "restart" else {"until_s": until_s}
    return {"kind": kind, "at_s": begin_s, **until, **OWN[kind]}


def run(scenario, *faults, n_cpis=8, **build):
    return scenario.build(seed=1, faults=faults, estimator=None, **build).run(n_cpis)


def rows(result, *kinds):
    """Rows of a trace of some kinds, as (kind, node, time in ns, CPI)."""
    columns, nodes = result.trace.columns(), result.trace.nodes
    chosen = np.flatnonzero(np.isin(columns["kind"], kinds))
    return [
        (Kind(columns["kind"][i]), nodes[columns["node"][i]], int(columns["time_ns"][i]), int(columns["cpi"][i]))
        for i in chosen
    ]


# -- what holds of every kind -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_that_is_not_reached_changes_no_byte(small, kind):
    never = small({"faults": [planned(kind, 1.0, 2.0)]})
    assert essence(never.build(seed=1).run(4)) == essence(small().build(seed=1).run(4))


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_leaves_what_was_before_it_and_returns_what_comes_after(small, kind):
    """Results before the fault are the same; some time after it they are again, as random numbers are addressed."""
    before, during = small().build(seed=1).run(14), small({"faults": [planned(kind)]}).build(seed=1).run(14)
    same = [cpi_data(a) == cpi_data(b) for a, b in zip(before.cpis, during.cpis, strict=True)]
    assert same[0]
    assert not all(same)
    echoes = [run.cpis[-1].observation.energy.tolist() for run in (before, during)]
    assert echoes[0] == echoes[1]


@pytest.mark.parametrize("kind", FAULTS)
def test_results_say_what_was_on(small, kind):
    result = small({"faults": [planned(kind)]}).build(seed=1, estimator=None).run(8)
    where = OWN[kind].get("node") or OWN[kind]["link"]
    assert next(cpi.faults for cpi in result.cpis if cpi.faults) == ((kind, where),)
    said = run_data(result, 1)["cpis"]
    assert said[3]["faults"] == [{"kind": kind, "link" if "link" in kind else "node": where}]
    assert "faults" not in said[0] or kind == "link-down"
    (begin,), (end,) = rows(result, Kind.FAULT)[:1], rows(result, Kind.REPAIR)
    assert begin[1] == end[1] == where
    assert begin[2] == round(1e9 * at(2))
    assert end[2] == round(1e9 * (at(2) + 2e-4 if kind == "restart" else at(5)))


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_a_state_within_a_fault_resumes_to_the_same_bytes(small, kind, split):
    scenario = small({"faults": [planned(kind)], "fronthaul.split": split})
    build = partial(scenario.build, seed=1, estimator=None)
    expected = essence(build().run(9))
    moving = build()
    first = list(moving.cpis(1))
    for _ in range(4):
        first += moving.cpis(1)
        fresh = build()
        fresh.restore(pickle.loads(pickle.dumps(moving.state())))
        assert essence(fresh.result([*first, *fresh.cpis(9 - len(first))])) == expected


def test_a_state_belongs_to_the_same_plan_of_faults(small):
    state = small().build().state()
    with pytest.raises(ValueError, match="faults"):
        small({"faults": [planned("ap-down")]}).build().restore(state)


def test_the_order_in_which_faults_are_planned_changes_nothing(small):
    faults = [small({"faults": [planned(kind)]}).faults[0].make() for kind in ("ghost", "ap-down", "link-flapping")]
    one, other = run(small(), *faults), run(small(), *reversed(faults))
    assert [cpi.reports_fused for cpi in one.cpis] == [cpi.reports_fused for cpi in other.cpis]
    np.testing.assert_array_equal(one.cpis[-1].observation.cross, other.cpis[-1].observation.cross)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ApDown(node="ap-11", at_s=0.0), 'no "ap-11"; did you mean "ap-1"?'),
        (LinkDown(link="ap-1->ap-2", at_s=0.0), 'no "ap-1->ap-2"; did you mean'),
        (ApDown(node=AP), "at_s is None"),
        ("ap-down", "Fault"),
    ],
)
def test_a_fault_of_nothing_is_refused(small, fault, words):
    with pytest.raises((ValueError, TypeError), match=words.replace("?", r"\?")):
        small().build(faults=[fault])


def test_a_fault_of_ones_own_that_fails_is_named(small):
    @dataclass(frozen=True, kw_only=True)
    class Broken(Tampering):
        def begin(self, stage):
            raise ZeroDivisionError("of mine")

    with pytest.raises(EmulationError, match=r"Broken of ap-1, t = 440000 ns: ZeroDivisionError: of mine"):
        run(small(), Broken(node=AP, at_s=at(2)))


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_faults_begin_and_end_by_hand_between_cpis(small):
    emulation = small().build(seed=1, estimator=None)
    fault, fused = ApDown(node=AP), []
    with pytest.raises(EmulationError, match="not started"):
        emulation.faults.begin(fault)
    for cpi in emulation.cpis(16):
        fused.append(cpi.reports_fused)
        if cpi.index == 1:
            emulation.faults.begin(fault)
            with pytest.raises(ValueError, match="is on"):
                emulation.faults.begin(fault)
        if cpi.index == 5:
            emulation.faults.end(fault)
            with pytest.raises(ValueError, match="is not on"):
                emulation.faults.end(fault)
    assert min(fused[2:9]) == 6
    assert fused[:2] == [9, 9]
    assert fused[-2:] == [9, 9]


def test_a_planned_end_after_one_by_hand_does_not_count(small):
    fault = LinkDown(link=LINK, at_s=at(2), until_s=at(12))
    emulation = small().build(seed=1, estimator=None, faults=[fault])
    emulation.run(3)
    assert emulation.faults.on == (fault,)
    emulation.faults.end(fault)
    assert emulation.fronthaul.graph.edges["ap-1", "central"]["rate_bit_s"] == 1e9
    emulation.run(12)
    assert emulation.faults.on == ()


# -- access points ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", ["ap-0", "ap-1"])
@pytest.mark.parametrize("offset_s", [0.0, 17e-6])
def test_an_access_point_that_is_down_does_nothing_and_follows_the_next_plan(small, node, offset_s):
    begin_s, until_s = at(2, 1) + offset_s, at(5, 1) + offset_s
    result = run(small(), ApDown(node=node, at_s=begin_s, until_s=until_s), n_cpis=10)
    active = Kind.COMMUNICATE, Kind.SENSE, Kind.LISTEN, Kind.REPORT, Kind.ASSIGNED
    times = np.array([ns for _, name, ns, _ in rows(result, *active) if name == node])
    assert not np.any((times >= round(1e9 * begin_s)) & (times < round(1e9 * until_s)))
    assigned = [cpi for kind, name, ns, cpi in rows(result, Kind.ASSIGNED) if name == node and ns >= 1e9 * until_s]
    first = min(cpi for kind, name, ns, cpi in rows(result, *active[:3]) if name == node and ns >= 1e9 * until_s)
    assert first == assigned[0]
    (lost,) = result.lost_reports
    assert (lost.cause.what, lost.cause.fate) == ("record" if node == "ap-0" else "report", "access point down")
    assert lost.count == sum(cpi.reports_expected - cpi.reports_fused for cpi in result.cpis)


def test_what_is_fused_without_an_access_point_has_its_bound(small):
    """Statistics and bound cover what came: they are those of a receiver without samples."""
    result = small().build(seed=1, faults=[ApDown(node=AP, at_s=0.0)]).run(2)
    honest = small().build(seed=1).run(2)
    observation = result.cpis[-1].observation
    assert observation.n_samples.tolist() == [0, 48, 48]
    assert np.all(result.cpis[-1].peb_m > honest.cpis[-1].peb_m)


def test_an_access_point_with_two_faults_is_back_when_both_are_over(small):
    faults = ApDown(node=AP, at_s=at(1), until_s=at(3)), Restart(node=AP, at_s=at(2), lasts_s=1e-9 * 3 * CPI_NS)
    result = run(small(), *faults, n_cpis=9)
    heard = [ns for _, name, ns, _ in rows(result, Kind.LISTEN) if name == AP and ns >= 1e9 * at(1)]
    assert min(heard) >= 1e9 * at(5)


def test_the_timeline_shows_when_an_access_point_was_down(small):
    result = run(small(), ApDown(node=AP, at_s=at(2, 1) + 1e-6, until_s=at(4, 1)), n_cpis=12)
    shown = Timeline.of(result.trace.data(), run_data(result, 1)["cpis"], range(2, 5), aps=[AP])
    (lanes,) = shown.aps
    cells = lanes.cells[0].reshape(-1, 3).tolist()  # from CPI 1 on
    assert cells[1] == [Cell.LISTEN, Cell.DOWN, Cell.DOWN]
    assert cells[2] == [Cell.DOWN] * 3
    assert cells[3][0] == Cell.DOWN != cells[3][1]


# -- links ------------------------------------------------------------------------------------------------------------


def test_a_link_is_put_back_as_it_was(small):
    scenario = small({"fronthaul.loss_probability": 0.25, "fronthaul.queue_bits": 10**6})
    for fault in (
        LinkDown(link=LINK, at_s=at(1), until_s=at(3)),
        LinkDegraded(link=LINK, at_s=at(1), until_s=at(3), rate_factor=0.5, latency_add_s=1e-3, loss_probability=0.1),
        LinkFlapping(link=LINK, at_s=at(1), until_s=at(3), period_s=7e-5),
    ):
        emulation = scenario.build(seed=1, faults=[fault], estimator=None)
        before = dict(emulation.fronthaul.graph.edges["ap-1", "central"])
        emulation.run(8)
        assert emulation.fronthaul.graph.edges["ap-1", "central"] == before


def test_faults_of_one_link_add_up_in_any_order_of_their_ends(small):
    slow = LinkDegraded(link=LINK, rate_factor=0.5, latency_add_s=1e-3)
    down = LinkDown(link=LINK)
    emulation = small().build(seed=1, estimator=None)
    emulation.start()
    edge = emulation.fronthaul.graph.edges["ap-1", "central"]
    before = dict(edge)
    emulation.faults.begin(slow)
    assert (edge["rate_bit_s"], edge["latency_s"]) == (5e8, pytest.approx(1e-3 + before["latency_s"]))
    emulation.faults.begin(down)
    emulation.faults.end(slow)
    assert edge == before | {"rate_bit_s": 0.0}
    emulation.faults.end(down)
    assert edge == before


def test_a_flapping_link_is_down_for_its_share_of_a_period():
    fault = LinkFlapping(link=LINK, period_s=1e-6, duty=0.3)
    at_ns, seen = 5, []
    for _ in range(6):
        seen.append((at_ns, fault.changed({"rate_bit_s": 1.0}, at_ns - 5)["rate_bit_s"]))
        at_ns = fault.next_ns(5, at_ns)
    assert seen == [(5, 0.0), (305, 1.0), (1005, 0.0), (1305, 1.0), (2005, 0.0), (2305, 1.0)]


# -- what an access point says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_a_report_that_was_changed_on_its_way_is_refused(small, split):
    scenario = small({"fronthaul.split": split})
    result = run(scenario, Corrupt(node=AP, at_s=0.0), n_cpis=4)
    each = 3 if split == "iq" else 1
    assert len(rows(result, Kind.REFUSE)) == result.refused_reports["check sequence"] >= 4 * each
    assert [cpi.reports_expected - cpi.reports_fused for cpi in result.cpis] == [each] * 4
    (lost,) = result.lost_reports
    assert (lost.cause.fate, lost.count, set(lost.access_points)) == ("refused", 4 * each, {AP})


def test_an_undetected_error_has_the_power_of_the_report(small):
    honest = run(small(), n_cpis=1)
    result = run(small(), Corrupt(node=AP, at_s=0.0, undetected=True), n_cpis=1)
    assert result.refused_reports == {}
    ratio = result.cpis[0].observation.energy / honest.cpis[0].observation.energy
    assert ratio[0] == pytest.approx(2.0, rel=0.5)  # five sigma of 48 samples
    np.testing.assert_array_equal(ratio[1:], 1.0)


def test_a_share_of_reports_is_corrupted(small):
    result = run(small(), Corrupt(node=AP, at_s=0.0, share=0.3), n_cpis=60)
    assert 30 < result.refused_reports["check sequence"] < 78  # 180 reports, four sigma


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_a_replay_under_its_old_header_is_refused(small, split):
    fault = Replay(node=AP, at_s=0.0, delay_cpis=2, stale_header=True)
    result = run(small({"fronthaul.split": split}), fault, n_cpis=6)
    each = 3 if split == "iq" else 1
    assert result.refused_reports["stale header"] >= 4 * each
    assert result.late_reports == 0
    assert [cpi.reports_fused for cpi in result.cpis] == [3 * each] * 2 + [2 * each] * 4


def test_a_replay_under_a_new_header_passes_with_the_old_echo(small):
    scenario = small({"fronthaul.iq_bits": 24, "fronthaul.split": "iq"})
    result = run(scenario, Replay(node=AP, at_s=0.0, delay_cpis=1), n_cpis=3)
    honest = run(scenario, n_cpis=3)
    assert (result.refused_reports, result.late_reports) == ({}, 0)
    old, new = honest.cpis[-1].observation, result.cpis[-1].observation
    assert new.energy[0] == pytest.approx(_energies(scenario)[1][0], rel=1e-3)
    assert new.energy[0] != old.energy[0]
    np.testing.assert_array_equal(new.energy[1:], old.energy[1:])


def _energies(scenario):
    return [cpi.observation.energy for cpi in scenario.build(seed=1, estimator=None).cpis(3)]


def test_rubbish_is_noise_of_the_power_of_the_echo(small):
    honest = run(small(), n_cpis=1).cpis[0].observation
    rubbish = run(small(), Rubbish(node=AP, at_s=0.0), n_cpis=1).cpis[0].observation
    assert rubbish.energy[0] == pytest.approx(honest.energy[0], rel=0.7)  # five sigma of 48 samples
    assert rubbish.energy[0] != honest.energy[0]
    np.testing.assert_array_equal(rubbish.cross[1:], honest.cross[1:])


def test_a_ghost_is_the_echo_of_a_target_at_one_receiver_alone(small):
    """The difference that it makes is eq. (2) of a point target, for what was radiated."""
    scenario = small({"fronthaul.iq_bits": 24, "radio.noise_temperature_k": 1e-3})
    ghost = Ghost(node=AP, at_s=0.0, position_m=(300.0, 400.0), rcs_m2=25.0, scatter_phase_rad=0.7)
    honest, result = run(scenario, n_cpis=1), run(scenario, ghost, n_cpis=1)
    here, there = result.cpis[0].observation, honest.cpis[0].observation
    emulation = scenario.build(seed=1)
    legs = leg_response(here.network, np.array([ghost.position_m]))[:, 0]
    channel = np.einsum("n,tm->ntm", legs[1], legs[list(here.assignment.transmitters)])
    channel *= emulation.air.unit_amplitude_m2 * 5.0 * np.exp(0.7j)
    expected = here.gram.times(channel.transpose(0, 1, 2)[None])[0]
    np.testing.assert_allclose((here.cross - there.cross)[0], expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(here.cross[1:], there.cross[1:])


# -- headers ----------------------------------------------------------------------------------------------------------


def test_numbers_may_come_in_any_order_within_the_window():
    rng = np.random.default_rng(1)
    order = np.argsort(np.arange(5000) + rng.uniform(0, WINDOW / 2, 5000)).tolist()
    seen = Seen()
    for number in order:
        assert number not in seen
        seen = seen.and_(number)
        assert number in seen
    assert all(number in seen for number in range(5000))
    assert 5000 not in seen


def test_a_source_that_counts_no_messages_is_believed(small):
    """A node of one's own may send past ``AccessPoint``: its messages bear no number."""

    @dataclass(kw_only=True, eq=False)
    class Direct(AccessPoint):
        def report(self, slot, echo):
            self.services.fronthaul.send(EchoReport(self.name, "central", slot, echo, 16))

    result = run(small(), n_cpis=2, access_point=Direct)
    assert [cpi.reports_fused for cpi in result.cpis] == [9, 9]
    assert result.refused_reports == {}


def test_a_kind_has_the_name_of_the_file():
    assert kind_of(Restart(node=AP, lasts_s=1.0)) == "restart"


def test_a_plan_names_links_of_a_mesh_and_no_fault_twice(paper):
    link = {"kind": "link-down", "link": "ap-0->central", "at_s": 1e-3}
    paper({"fronthaul.topology": "mesh", "faults": [link]})
    with pytest.raises(ScenarioError, match=r"faults\[1\]\.kind: stands there before"):
        paper({"faults": [link, link]})
