"""Which reports were lost and why: one cause for each, the right one, with the right lateness."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from emulator.functional_split import StatisticsSplit
from emulator.losses import Cause
from emulator.media.topologies import star, stripe
from emulator.nodes.access_point import AccessPoint
from scenarios.output.losses import loss_lines

FIXED = {"selector.kind": "fixed", "selector.transmitters": [3, 4, 5], "selector.receivers": [0, 1, 2]}
NAMES = tuple(f"ap-{i}" for i in range(6))
SLOT_NS, LATENCY_NS, DEADLINE_NS = 40_000, 25_000, 500_000


def network(**attributes):
    return star(NAMES, **{"rate_bit_s": 1e9, "latency_s": LATENCY_NS * 1e-9} | attributes)


def lost(result):
    """Return causes with counts by access point and lateness; their number is that of the reports not fused."""
    assert sum(reports.count for reports in result.lost_reports) == sum(
        cpi.reports_expected - cpi.reports_fused for cpi in result.cpis
    )
    return {
        reports.cause: (dict(reports.access_points), reports.least_late_ns, reports.most_late_ns)
        for reports in result.lost_reports
    }


def run(small, n_cpis=2, graph=None, overrides=None, **keys):
    scenario = small(FIXED | (overrides or {}))
    return scenario.build(estimator=None, fronthaul=graph or network(), **keys).run(n_cpis)


def test_nothing_is_lost_where_all_is_fused(small):
    assert lost(run(small)) == {}


def test_a_late_plan_costs_all_reports_of_a_receiver_and_the_slot_of_a_transmitter(small):
    """Plans of ap-1 and ap-4 take 200 us more than the lead: 3 reports of ap-1, and of two others that on one slot."""
    graph = network()
    graph.edges["central", "ap-1"]["latency_s"] = graph.edges["central", "ap-4"]["latency_s"] = 400e-6
    result = run(small, graph=graph)
    counts, least_ns, most_ns = lost(result)[Cause("plan", "late")]
    assert counts == {"ap-1": 2 * 3, "ap-4": 2 * 2}
    header_and_plan, data = 368 + 2 * 6 + 16 * 3, 3 * 8 * 3  # bits, at 1 bit a ns
    assert (least_ns, most_ns) == (200_000 + header_and_plan, 200_000 + header_and_plan + data)


def test_a_late_report_is_late_by_what_the_link_takes_more(small):
    """The report of ap-0 on the last slot, or on the last two, misses the deadline by what is computed by hand."""
    graph = network()
    graph.edges["ap-0", "central"]["latency_s"] = (DEADLINE_NS + SLOT_NS) * 1e-9
    result = run(small, n_cpis=4, graph=graph)
    counts, least_ns, most_ns = lost(result)[Cause("report", "late")]
    message_bits = 368 + 32 + 2 * 16 * 4 * 4
    assert (least_ns, most_ns) == (message_bits, SLOT_NS + message_bits)
    assert set(counts) == {"ap-0"}


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [("queue_bits", 800, "queue full"), ("loss_probability", 1.0, "lost on the link")],
)
def test_what_a_link_lost_names_the_link(small, attribute, value, why):
    graph = network()
    emulation = small(FIXED).build(estimator=None, fronthaul=graph)
    first = list(emulation.cpis(1))
    graph.edges["ap-2", "central"][attribute] = value
    result = emulation.result(first + list(emulation.cpis(5)))
    assert set(lost(result)) == {Cause("report", why, "ap-2->central")}
    assert set(lost(result)[Cause("report", why, "ap-2->central")][0]) == {"ap-2"}
    assert "ap-2->central (ap-2)" in loss_lines(result.lost_reports)[0]


@pytest.mark.parametrize(("illumination", "each"), [("sensing", 1), ("full", 3)])
def test_a_lost_record_costs_the_slots_that_need_it(small, illumination, each):
    graph = network()
    graph.edges["ap-4", "central"]["loss_probability"] = 1.0
    result = run(small, n_cpis=2, graph=graph, overrides={"radio.illumination": illumination})
    assert lost(result) == {Cause("record", "lost on the link", "ap-4->central"): ({"ap-4": 2 * 3 * each}, None, None)}


@dataclass(kw_only=True, eq=False)
class Reticent(AccessPoint):
    def report(self, slot, echo):
        return None if slot.position == 1 else super().report(slot, echo)


def test_what_was_never_sent_is_told_apart(small):
    result = run(small, access_points={"ap-1": Reticent})
    assert lost(result) == {Cause("report", "not sent"): ({"ap-1": 2}, None, None)}
    assert loss_lines(result.lost_reports) == ["2: the report was not sent (ap-1)"]


def test_what_is_under_way_is_late_once_it_comes(small):
    graph = network()
    graph.edges["ap-0", "central"]["latency_s"] = 2e-3
    emulation = small(FIXED).build(estimator=None, fronthaul=graph)
    first = list(emulation.cpis(1))
    assert lost(emulation.result(first)) == {Cause("report", "still under way"): ({"ap-0": 3}, None, None)}
    found = lost(emulation.result(first + list(emulation.cpis(25))))
    late, _, most_ns = found[Cause("report", "late")]
    assert late["ap-0"] >= 3
    assert most_ns == 2_000_000 - DEADLINE_NS + (368 + 32 + 2 * 16 * 4 * 4)


def test_statistics_that_know_no_waveform_are_lost_with_the_record(small):
    """Records come to ap-0 after it has settled, half-way to the deadline."""
    graph = network()
    graph.edges["central", "ap-0"]["latency_s"] = 240e-6
    overrides = {"fronthaul.split": "statistics", "schedule.lead_s": 1e-3}
    result = run(small, graph=graph, overrides=overrides)
    ((cause, (counts, least_ns, _)),) = lost(result).items()
    assert cause == Cause("record", "late")
    assert sum(counts.values()) == 2
    assert 15_000 < least_ns < 25_000  # 25 + 240 us, and what is serialised, against 250 us


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("split", ["iq", "statistics", "mixed"])
def test_every_report_that_was_not_fused_has_one_cause(small, seed, split):
    """Whatever goes wrong at once: losses, queues, late plans, links that go down and come back, APs taken for dead."""
    rng = np.random.default_rng(seed)
    graph = stripe(NAMES, rate_bit_s=2e8, latency_s=25e-6, loss_probability=0.05, queue_bits=8000)
    one = {"ap-1": partial(AccessPoint, split=StatisticsSplit(illumination="sensing"))} if split == "mixed" else {}
    overrides = {"fronthaul.split": "iq" if split == "mixed" else split, "estimator.latency_s": 1e-4 * seed}
    emulation = small(overrides).build(seed=seed, estimator=None, fronthaul=graph, access_points=one)
    cpis, edges = [], sorted(graph.edges)
    for cpi in emulation.cpis(40):
        cpis.append(cpi)
        lost(emulation.result(cpis))
        for end in rng.integers(len(edges), size=2):
            graph.edges[edges[end]]["rate_bit_s"] = float(rng.choice([0.0, 2e7, 2e8, 1e9]))
    assert sum(cpi.reports_fused for cpi in cpis) > 0
    assert len(lost(emulation.result(cpis))) > 3


@pytest.mark.parametrize("n_before", [1, 4])
def test_losses_are_part_of_the_state(small, n_before):
    overrides = FIXED | {"fronthaul.loss_probability": 0.1, "fronthaul.latency_s": 130e-6}
    whole = small(overrides).build(seed=3, estimator=None).run(8)
    before = small(overrides).build(seed=3, estimator=None)
    first = list(before.cpis(n_before))
    after = small(overrides).build(seed=3, estimator=None)
    after.restore(before.state())
    assert lost(after.result(first + list(after.cpis(8 - n_before)))) == lost(whole) != {}
