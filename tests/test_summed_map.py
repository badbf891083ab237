"""Maps that are summed on their way: what arrives, what it costs, and what is lost with it."""

import re
from collections import Counter
from functools import partial

import networkx as nx
import numpy as np
import pytest

from emulator import ApDown, Corrupt, EmulationError, IqSplit, Journeys, LinkDown, MapReport, Outcome, SummedMapSplit
from emulator.messages import HEADER_BITS
from emulator.relay import Relay, relays
from emulator.summed_map import in_levels
from models.estimation.area_map import MapEstimator, area_map
from models.estimation.two_stage import TwoStage
from models.observation import AreaMap
from models.radio.gram import Gram
from scenarios import ScenarioError, check_split, load
from scenarios.file.timing import timing_warnings
from tests.simulate import AREA, NOISE_W, observe, random_truth

STRIPE = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 2,
    "selector.kind": "fixed",
    "selector.transmitters": [2, 5],
    "selector.receivers": [0, 1, 3, 4],
    "schedule.snapshots_per_slot": 50,
    "schedule.lead_s": 1e-3,
    "fronthaul.topology": "stripe",
    "fronthaul.split": "summed-map",
    "fronthaul.map_step_m": 25.0,
    "fronthaul.deadline_s": 2e-3,
    "estimator.kind": "map",
}
RECEIVERS = ("ap-0", "ap-1", "ap-3", "ap-4")
MAP_BITS = 40 * 40 * 8 + 4 * 32 + 6


def emulation(overrides=None, **parts):
    return load("paper", STRIPE | (overrides or {})).build(seed=3, **parts)


def sums(trace, cpi):
    return Journeys(trace.data()).messages(cpi=cpi, what="MapReport")


# -- what arrives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["stripe", "tree", "star", "ring", "mesh"])
@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_the_sum_on_the_way_is_the_map_made_at_once(topology, illumination):
    network = {"fronthaul.topology": topology, "radio.illumination": illumination}
    summed = emulation(network | {"fronthaul.map_bits": 16}).run(2).cpis[-1]
    at_once = load("paper", STRIPE | network).with_({"fronthaul.split": "statistics"}).build(seed=3).run(2).cpis[-1]
    assert summed.reports_fused == at_once.reports_fused == 4
    whole = area_map(at_once.observation, 25.0)
    step = whole.power.max() / (2**16 - 1)
    assert summed.area_map.rounding <= 6 * 0.51 * step
    atol = summed.area_map.rounding + 1e-5 * whole.power.max()
    np.testing.assert_allclose(summed.area_map.power, whole.power, rtol=0.0, atol=atol)
    assert summed.area_map.n_pairs == whole.n_pairs == 8
    np.testing.assert_allclose(summed.estimate.positions_m, MapEstimator().estimate(whole).positions_m, atol=0.5)


def test_a_map_resolves_nothing_and_has_no_bounds_of_phases():
    found = emulation().run(1).cpis[0]
    assert found.observation is None and isinstance(found.area_map, AreaMap)
    assert not found.estimate.resolved.any() and set(found.estimate.reasons) <= {"map"}
    assert found.estimate.covariance_m2 is None
    assert np.isnan(found.peb_m).all() and np.isnan(found.peb_structured_m).all()


@pytest.mark.parametrize("n_bits", [4, 8, 16])
def test_a_level_is_wrong_by_half_a_step_at_most(n_bits):
    power = np.random.default_rng(1).exponential(30.0, (20, 30))
    levels, scale = in_levels(power, n_bits)
    assert levels.max() == 2**n_bits - 1
    assert np.abs(levels * scale - power).max() <= 0.5 * scale * (1 + 1e-6) + 1e-6 * power.max()


def test_nothing_is_no_level():
    levels, scale = in_levels(np.zeros((2, 2)), 8)
    assert not levels.any() and scale == 0.0


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_bits_are_those_of_the_map_whatever_is_in_it():
    levels = np.zeros((40, 40), dtype=np.uint16)
    for receivers in ((), ("ap-1",), RECEIVERS):
        report = MapReport("ap-0", "central", 3, receivers, 6, 4, 25.0, levels, 1.0, 0.5, 8)
        assert report.content_bits == MAP_BITS and report.bits == MAP_BITS + HEADER_BITS


def test_every_hop_inward_carries_one_map_and_every_hop_outward_one_record_of_each_transmitter():
    result = emulation().run(3)
    way = Journeys(result.trace.data())
    maps = way.messages(cpi=1, what="MapReport")
    hops = [hop.link for sent in maps for hop in way.hops(sent.number)]
    assert sorted(hops) == ["ap-0->central", "ap-1->ap-0", "ap-2->ap-1", "ap-3->ap-2", "ap-4->ap-3"]
    assert {sent.bits for sent in maps} == {MAP_BITS + HEADER_BITS}
    told = [sent for sent in way.messages(cpi=1, what="TransmissionRecord") if sent.destination != "central"]
    hops = [hop.link for sent in told for hop in way.hops(sent.number)]
    expected = ["ap-0->ap-1", "ap-1->ap-2", "ap-2->ap-3", "ap-3->ap-4", "central->ap-0"]
    assert sorted(hops) == sorted(2 * expected)
    assert way.outcome(next(sent.number for sent in maps if sent.source == "ap-0")) is Outcome.FUSED


def test_a_plan_says_what_to_pass_on_and_is_longer_for_it():
    scenario = load("paper", STRIPE)
    alone, passing = (
        s.build(seed=3, estimator=None).run(1) for s in (scenario.with_({"fronthaul.split": "iq"}), scenario)
    )
    bits = [
        {sent.destination: sent.bits for sent in Journeys(run.trace.data()).messages(cpi=0, what="Assignment")}
        for run in (alone, passing)
    ]
    more = {name: bits[1][name] - bits[0][name] for name in bits[0]}
    assert more == {"ap-0": 96, "ap-1": 96, "ap-2": 96, "ap-3": 96, "ap-4": 80, "ap-5": 0}


# -- who waits for whom -----------------------------------------------------------------------------------------------


def test_relays_follow_the_routes_and_skip_what_only_lets_through():
    tree = {"hub": "central", "a": "hub", "b": "a", "c": "b", "d": "hub", "e": "d"}
    found = relays(tree, "central", ["a", "c", "d", "e"], ["c", "d"], (1000, 2000))
    assert found == {
        "a": Relay("central", ("c",), 1750), "c": Relay("a", (), 1500), "d": Relay("central", (), 1750),
    }  # fmt: skip


def test_one_without_a_way_sends_to_the_central_processor_all_the_same():
    assert relays({}, "central", ["a"], ["a"], (0, 100)) == {"a": Relay("central", (), 50)}


@pytest.mark.parametrize("seed", range(5))
def test_relays_of_random_trees_wait_for_those_behind_them(seed):
    rng = np.random.default_rng(seed)
    graph = nx.random_labeled_rooted_tree(15, seed=seed)
    root = graph.graph["root"]
    tree = {str(b): str(a) for a, b in nx.bfs_edges(graph, root)}
    names = [name for name in tree if rng.random() < 0.8]
    receivers = [name for name in names if rng.random() < 0.5]
    found = relays(tree, str(root), names, receivers, (0, 1_000_000))
    assert set(receivers) <= set(found) <= set(names)
    for name, relay in found.items():
        assert all(found[other].inward == name and found[other].settle_ns < relay.settle_ns for other in relay.behind)
        assert name in receivers or relay.behind
        assert 500_000 <= relay.settle_ns < 1_000_000


# -- what is lost -----------------------------------------------------------------------------------------------------


def causes(result):
    return {(str(c.cause.what), str(c.cause.fate), c.cause.link): dict(c.access_points) for c in result.lost_reports}


def test_a_link_that_fails_amid_a_cpi_loses_all_behind_it():
    result = emulation(faults=[LinkDown(link="ap-3->ap-2", at_s=3.44e-3, until_s=3.48e-3)]).run(4)
    assert [cpi.reports_fused for cpi in result.cpis] == [4, 2, 4, 4]
    assert causes(result) == {("map", "link down", "ap-3->ap-2"): {"ap-3": 1, "ap-4": 1}}


def test_who_lacks_a_record_maps_what_it_knows():
    down = LinkDown(link="ap-2->ap-3", at_s=3e-3, until_s=4e-3)  # nobody farther out is told of CPI 1
    result = emulation(faults=[down]).run(3)
    assert [cpi.reports_fused for cpi in result.cpis] == [4, 2, 4]
    assert result.cpis[0].reports_fused == 4 and sum(loss.count for loss in result.lost_reports) == 2
    assert {(loss.cause.what, *sorted(loss.access_points)) for loss in result.lost_reports} == {("record", "ap-2")}


def test_an_access_point_that_dies_takes_those_behind_it_along_until_it_is_known_to_be_dead():
    free = {key: value for key, value in STRIPE.items() if not key.startswith("selector.")}
    scenario = load("paper", free | {"schedule.n_receivers": 3})
    whole, broken = (scenario.build(seed=3, faults=faults).run(16) for faults in ((), [ApDown(node="ap-2", at_s=0.0)]))
    behind = sum(i >= 2 for i in whole.cpis[0].assignment.receivers)
    fused = [cpi.reports_fused for cpi in broken.cpis]
    assert (fused[0], max(fused)) == (3 - behind, 3)  # later a plan without it lets the others through
    fates = {(loss.cause.fate, *loss.access_points) for loss in broken.lost_reports}
    assert ("access point down", "ap-2") in fates


def test_a_sum_that_is_late_is_lost_and_told():
    slow = {"fronthaul.deadline_s": 9e-4, "fronthaul.map_step_m": 5.0}
    result = emulation(slow, estimator=None).run(4)
    lost = {loss.cause: loss for loss in result.lost_reports}
    late = lost["map", "late", ""]
    assert late.least_late_ns > 0 and set(late.access_points) == set(RECEIVERS)
    assert result.late_reports >= 3  # those of ap-0, at the central processor
    (told,) = timing_warnings(load("paper", STRIPE | slow))
    assert told.startswith("maps of ap-1, ap-3, ap-4 come")
    assert timing_warnings(load("paper", STRIPE)) == []


@pytest.mark.parametrize("topology", ["stripe", "tree", "star"])
def test_what_is_proposed_for_the_deadline_suffices(topology):
    network = STRIPE | {"fronthaul.topology": topology, "fronthaul.map_step_m": 10.0, "fronthaul.deadline_s": 1e-4}
    (told,) = timing_warnings(load("paper", network))
    proposed_s = float(re.search(r"give ([0-9.e-]+) or more", told)[1])
    enough = load("paper", network | {"fronthaul.deadline_s": proposed_s})
    assert timing_warnings(enough) == []
    assert all(cpi.reports_fused == 4 for cpi in enough.build(seed=3, estimator=None).run(4).cpis)


@pytest.mark.parametrize("topology", ["stripe", "tree", "ring", "mesh"])
@pytest.mark.parametrize("loss", [0.02, 0.2])
def test_all_books_close(topology, loss):
    faults = [ApDown(node="ap-1", at_s=4e-3, until_s=7e-3), LinkDown(link="ap-0->central", at_s=5e-3, until_s=6e-3)]
    network = {"fronthaul.topology": topology, "fronthaul.loss_probability": loss}
    result = emulation(network, faults=faults, estimator=None).run(12)
    books = result.fronthaul
    ends = ("messages_delivered", "messages_dropped", "messages_in_flight")
    assert books["messages_sent"] == sum(books[name] for name in ends)
    expected, fused = (sum(getattr(cpi, f"reports_{what}") for cpi in result.cpis) for what in ("expected", "fused"))
    assert expected == fused + sum(loss.count for loss in result.lost_reports)


@pytest.mark.parametrize(
    ("topology", "link", "lost"),
    [("stripe", "ap-1->ap-2", {"ap-2": 2, "ap-5": 2}), ("star", "central->ap-2", {"ap-2": 2})],
)
def test_a_correction_is_sent_again_to_those_alone_that_are_to_say_what_they_applied(topology, link, lost):
    clocks = {"oscillators.preset": "high-tcxo", "calibration.kind": "direct-path", "fronthaul.topology": topology}
    assert emulation(clocks, estimator=None).run(40).corrections_repeated == 0
    down = LinkDown(link=link, at_s=4.02e-3 if topology == "star" else 4.12e-3, until_s=4.4e-3)
    result = emulation(clocks, estimator=None, faults=[down]).run(40)
    told = Counter(sent.destination for sent in Journeys(result.trace.data()).messages(what="Correction"))
    assert {name: times for name, times in told.items() if times > 1} == lost


# -- what goes with it ------------------------------------------------------------------------------------------------


def test_the_contract_of_splits():
    for illumination in ("sensing", "full"):
        check_split(partial(SummedMapSplit, illumination=illumination, map_step_m=50.0))


@pytest.mark.parametrize(
    ("overrides", "key", "words"),
    [
        ({"estimator.kind": "two-stage"}, "estimator.kind", 'give "map"'),
        ({"consistency.false_alarm_probability": 1e-3}, "consistency", "leave the test out"),
        ({"oscillators.preset": "high-tcxo", "calibration.kind": "direct-path", "calibration.when_lost": True},
         "calibration.when_lost", "lost coherence"),
        ({"fronthaul.late_reports": "next"}, "fronthaul.late_reports", 'give "drop"'),
        ({"faults": [{"kind": "corrupt", "node": "ap-1"}]}, "faults", "leave these faults out"),
        ({"fronthaul.map_bits": 3}, "fronthaul.map_bits", "4"),
        ({"fronthaul.map_step_m": 0.01}, "fronthaul.map_step_m", "larger step"),
        ({"fronthaul.iq_bits": 8}, "fronthaul.iq_bits", "leave it out"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_sums_is_refused_in_words(overrides, key, words):
    with pytest.raises(ScenarioError) as refused:
        load("paper", STRIPE | overrides)
    assert key in str(refused.value) and words in str(refused.value)


def test_parts_from_python_are_refused_as_well():
    scenario = load("paper", STRIPE)
    with pytest.raises(ValueError, match="faults"):
        scenario.build(faults=[Corrupt(node="ap-1", at_s=0.0)])
    with pytest.raises(ValueError, match="give all APs such a split"):
        load("paper", {"estimator.kind": "map"}).build(split=_every_second())
    with pytest.raises(ValueError, match="estimator"):
        scenario.build(estimator=TwoStage())
    with pytest.raises(ValueError, match="map_bits"):
        SummedMapSplit(illumination="full", map_bits=20)
    with pytest.raises(ValueError, match="map_step_m"):
        SummedMapSplit(illumination="full", map_step_m=0.0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "a list or tuple of messages"), ([3], "or a Message"), (["map"], "a MapReport on CPI 0 to the next AP")],
)
def test_what_a_split_of_ones_own_hears_goes_through_a_door(answer, words):
    class Odd(SummedMapSplit):
        def hear(self, ap, plan, message):
            levels = np.zeros((2, 2), np.uint16)
            odd = MapReport(ap, "ap-5", plan.cpi, (), 6, 0, 500.0, levels, 0.0, 0.0, 8)
            return [odd] if answer == ["map"] else answer

    with pytest.raises(EmulationError, match=words):
        emulation(split=partial(Odd, illumination="sensing"), estimator=None).run(1)


def _every_second():
    made = []

    def split():
        made.append(1)
        return SummedMapSplit(illumination="sensing") if len(made) % 2 else IqSplit(iq_bits=8)

    return split


def test_pilots_and_clocks_go_with_it():
    phases = {"oscillators.preset": "high-tcxo", "calibration.kind": "direct-path", "calibration.period_s": 4e-3}
    result = emulation(phases).run(8)
    assert any(cpi.has_pilots for cpi in result.cpis)
    assert all(cpi.reports_fused == 4 for cpi in result.cpis if not cpi.has_pilots)
    assert np.isnan(result.cpis[-1].peb_hybrid_m).all()


# -- targets on a map -------------------------------------------------------------------------------------------------


def test_noise_alone_yields_no_target_and_one_target_no_second():
    false = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        nothing = observe(rng, random_truth(rng, 0))
        assert len(MapEstimator().estimate(nothing).positions_m) == 0
        truth = random_truth(rng, 1)
        found = MapEstimator().estimate(observe(rng, truth)).positions_m
        false += len(found) - bool((np.linalg.norm(found - truth.targets_m, axis=1) < 50.0).any())
    assert false <= 1


def test_a_map_in_which_nobody_took_part_has_no_target():
    rng = np.random.default_rng(1)
    truth = random_truth(rng, 1)
    nobody = AreaMap(
        network=truth.network, area=AREA, assignment=truth.assignment, power=np.ones((4, 4)), step_m=250.0, n_pairs=0,
        gram=Gram(np.zeros((1, 6, 8, 8), dtype=complex)), noise_power_w=NOISE_W,
    )  # fmt: skip
    assert len(MapEstimator().estimate(nobody).positions_m) == 0
