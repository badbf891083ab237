"""Reports that come after their CPI was fused: left, or added to the next estimate; what the books say of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from emulator.functional_split import IqSplit
from emulator.fusion import read_statistics
from emulator.late_reports import DropLate, FuseNext, LateReports, fits
from emulator.media.topologies import star
from emulator.messages import StatisticsReport
from emulator.slot import CpiPlan, Frame
from models.network import ModeAssignment
from models.radio.statistics import Radiated

NAMES = tuple(f"ap-{i}" for i in range(6))
FIXED = {"selector.kind": "fixed", "selector.transmitters": [3, 4, 5], "selector.receivers": [0, 1, 2]}
CPI_S = 3 * 40e-6
SPLITS = ("iq", "statistics")


def slow_receiver(late_s=5e-4):
    """A star on which what ap-0 sends comes so long after the deadline."""
    graph = star(NAMES, rate_bit_s=1e9, latency_s=1e-6)
    graph.edges["ap-0", "central"]["latency_s"] = 5e-4 + late_s
    return graph


def run(small, late, split="iq", n_cpis=6, overrides=None, **keys):
    scenario = small(FIXED | {"fronthaul.split": split} | (overrides or {}))
    emulation = scenario.build(**{"estimator": None, "fronthaul": slow_receiver(), "late_reports": late} | keys)
    return emulation, list(emulation.cpis(n_cpis))


def counts(emulation):
    central = emulation.central
    return central.late_reports, central.late_reports_used, central.late_reports_waiting


@pytest.mark.parametrize("split", SPLITS)
def test_late_reports_are_left_unless_told_otherwise(small, split):
    emulation, cpis = run(small, None, split)
    late, used, waiting = counts(emulation)
    assert late > 0 and used == waiting == 0
    assert all(cpi.observation.n_samples[0] == 0 for cpi in cpis)


@pytest.mark.parametrize("split", SPLITS)
def test_a_report_that_is_late_goes_into_a_later_estimate(small, split):
    """What the slow receiver said of the first CPI arrives in the end, and stands beside what the others said since."""
    emulation, cpis = run(small, FuseNext(keep_cpis=12), split, n_cpis=16)
    samples = np.array([cpi.observation.n_samples for cpi in cpis])
    assert samples[0, 0] == 0 and samples[-1, 0] > 0
    assert (samples[:, 1:] == samples[0, 1:]).all()
    assert not cpis[-1].observation.gram.shared
    late, used, _ = counts(emulation)
    assert late > 0 and used > 0
    slots = 3 if split == "iq" else 1
    assert samples[:, 0].sum() == used / slots * samples[0, 1]


@pytest.mark.parametrize("split", SPLITS)
def test_books_close(small, split):
    """Late ones are used, dropped or wait; what is fused in time or late is what the central processor was sent."""
    overrides = {"fronthaul.late_reports": "next", "fronthaul.split": split}
    result = small(FIXED | overrides).build(estimator=None, fronthaul=slow_receiver(3e-4)).run(20)
    assert result.late_reports == result.late_reports_used + result.late_reports_dropped + result.late_reports_waiting
    assert result.late_reports_used > 0 and min(result.late_reports_dropped, result.late_reports_waiting) >= 0
    lost = sum(reports.count for reports in result.lost_reports)
    assert lost == sum(cpi.reports_expected - cpi.reports_fused for cpi in result.cpis)
    assert lost >= result.late_reports_used


def test_a_report_says_late_what_it_would_have_said_in_time(small):
    """Z, Q and E of the slow receiver are, once they come, those of one of the CPIs before, to the last bit."""
    _, cpis = run(small, FuseNext(keep_cpis=12), "statistics", n_cpis=16)
    on_time = star(NAMES, rate_bit_s=1e9, latency_s=1e-6)
    _, timely = run(small, None, "statistics", n_cpis=16, fronthaul=on_time)
    late = [cpi for cpi in cpis if cpi.observation.n_samples[0]]
    assert len(late) > 3
    for cpi in late:
        got = cpi.observation
        matches = [
            np.array_equal(got.cross[0], other.observation.cross[0])
            and got.energy[0] == other.observation.energy[0]
            and np.array_equal(got.gram.values[0], other.observation.gram.values[0])
            for other in timely[: cpi.index]
        ]
        assert sum(matches) == 1


def test_the_bound_counts_what_came_late(small):
    _, dropped = run(small, DropLate(), n_cpis=16)
    _, used = run(small, FuseNext(keep_cpis=12), n_cpis=16)
    assert (used[-1].peb_m < dropped[-1].peb_m).all()


def test_an_estimate_uses_a_receiver_that_is_always_late(paper):
    """Twelve APs, one of six receivers always late: with it the errors are smaller and stay within the bound's."""
    names = tuple(f"ap-{i}" for i in range(12))
    graph = star(names, rate_bit_s=1e9, latency_s=25e-6)
    for name in names:
        graph.edges[name, "central"]["latency_s"] = 25e-6
    graph.edges["ap-0", "central"]["latency_s"] = 1e-3
    overrides = {
        "selector.kind": "fixed", "selector.receivers": [0, 1, 2, 5, 8, 9],
        "selector.transmitters": [3, 4, 6, 7, 10, 11], "fronthaul.late_reports": "next",
    }  # fmt: skip
    result = paper(overrides).build(seed=3, fronthaul=graph).run(6)
    last = result.cpis[-1]
    assert last.observation.n_samples[0] > 0
    assert result.late_reports_used > 0
    assert (last.score.error_m < 5.0 * last.peb_m).all()


def test_a_report_older_than_is_remembered_is_dropped(small):
    graph = slow_receiver(late_s=8 * CPI_S)
    emulation, _ = run(small, FuseNext(keep_cpis=1), n_cpis=16, fronthaul=graph)
    late, used, waiting = counts(emulation)
    assert late > 0 and used == waiting == 0


def test_only_pairs_of_the_same_roles_add(small):
    """Reports on slots of an AP that receives by now are no measurement of the pairs that there are."""

    @dataclass(frozen=True, kw_only=True)
    class Turns(LateReports):
        keep_cpis: int = 12

        def use(self, report, plan, now):
            sender = plan.slots[report.slot.position].sensing_transmitter
            assert report.source in now.receivers and sender in now.transmitters
            return True

    overrides = {"selector.kind": "random"}
    scenario = small(overrides)
    emulation = scenario.build(estimator=None, fronthaul=slow_receiver(), late_reports=Turns())
    result = emulation.run(40)
    assert min(result.late_reports_used, result.late_reports_dropped) > 0


@pytest.mark.parametrize("keep_cpis", [0, -1, 1001])
def test_keeping_is_for_some_cpis(keep_cpis):
    with pytest.raises(ValueError, match=r"keep_cpis is .*: give a whole number from 1 to 1000"):
        FuseNext(keep_cpis=keep_cpis)


def test_a_report_that_comes_twice_counts_once(small):
    emulation, _ = run(small, FuseNext(keep_cpis=12), n_cpis=16)
    central = emulation.central
    late = next(late for late in central._reopened.values() if late.known)
    before = counts(emulation)
    name, position = next(iter(late.known))
    sent = IqSplit(iq_bits=8).give(name, late.plan.slots[position], np.zeros((4, 4), complex))
    central.on_message(sent)
    assert counts(emulation) == (before[0] + 1, *before[1:])


def test_a_state_goes_on_with_what_is_late(small):
    scenario = small(FIXED | {"fronthaul.late_reports": "next"})

    def built():
        return scenario.build(estimator=None, fronthaul=slow_receiver())

    whole, half, rest = built(), built(), built()
    whole.run(20)
    half.run(11)
    rest.restore(half.state())
    rest.run(9)
    assert counts(rest) == counts(whole)
    with pytest.raises(ValueError, match="late"):
        small(FIXED).build(estimator=None, fronthaul=slow_receiver()).restore(half.state())


def plan_of(transmitters, receivers=(0, 1), senders=None):
    assignment = ModeAssignment.of(6, transmitters, receivers)
    senders = transmitters if senders is None else senders
    frame = Frame(slot_ns=20, n_slots=len(senders), n_snapshots=2, lead_ns=0, deadline_ns=0)
    slots = frame.slots(0, tuple(NAMES[i] for i in senders))
    return CpiPlan(cpi=0, assignment=assignment, ap_names=NAMES, slots=slots, deadline_ns=0)


def statistics_of(plan, source="ap-0", positions=(0, 1)):
    cross = np.arange(plan.assignment.transmitters.size)[None, :, None] + np.zeros((2, 1, 2), complex)
    return StatisticsReport(source, "central", plan.cpi, positions, plan.transmitters, cross, 1.0)


@pytest.mark.parametrize(
    ("now", "illumination", "expected"),
    [
        (plan_of([3, 4, 5]), "sensing", True),
        (plan_of([2, 3, 4], senders=[3, 4, 2]), "sensing", True),  # ap-5 illuminated none of the slots
        (plan_of([2, 4, 5]), "sensing", False),  # ap-3 illuminated one
        (plan_of([2, 3, 4, 5]), "full", True),
        (plan_of([2, 3, 4]), "full", False),  # what ap-5 radiated is in all slots
        (plan_of([3, 4, 5], receivers=[1, 2]), "sensing", False),
    ],
)
def test_statistics_fit_where_all_that_was_heard_is_there_again(now, illumination, expected):
    plan = plan_of([3, 4, 5])
    assert fits(statistics_of(plan), plan, now, illumination) is expected


def test_statistics_come_in_the_order_of_the_transmitters_of_now():
    report = statistics_of(plan_of([3, 4, 5]))
    cross, energy, error = read_statistics(report, ("ap-5", "ap-2", "ap-3"), Radiated((), ()), np.full(3, 2))
    assert cross[0, :, 0].tolist() == [2.0, 0.0, 0.0] and (energy, error) == (1.0, 0.0)
    assert cross[1, :, 1].tolist() == [2.0, 0.0, 0.0]


def test_one_that_is_not_of_the_role_is_refused(small):
    with pytest.raises(TypeError, match=r"late reports: .*LateReports"):
        small().build(estimator=None, late_reports="next")
