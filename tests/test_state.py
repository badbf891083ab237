"""States: taken between any two events and taken up to the byte; refused where they do not belong or are half done."""

import pickle
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from emulator import SPLITS
from emulator.functional_split import IqSplit
from emulator.messages import TransmissionRecord
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.node import EmulationError
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from models.estimation.grid import GridEstimator
from tests.outcome import essence

TINY = {"access_points.count": 4, "schedule.n_receivers": 2, "user_equipment.count": 1, "targets": [{}]}


def resumed_from(state, build, first, n_cpis):
    """Return the essence of a run that is continued from a state; ``first`` came before it."""
    emulation = build()
    emulation.restore(pickle.loads(pickle.dumps(state)))
    return essence(emulation.result([*first, *emulation.cpis(n_cpis - len(first))]))


@pytest.mark.parametrize("split", SPLITS)
def test_a_restored_emulation_goes_on_as_if_nothing_had_happened(small, split):
    keys = {"fronthaul.split": split, "fronthaul.latency_s": 90e-6, "fronthaul.loss_probability": 0.05}
    scenario = small(keys | ({"estimator.kind": "map"} if split == "summed-map" else {}))
    expected = essence(scenario.build(seed=4).run(5))
    before = scenario.build(seed=4)
    first = list(before.cpis(2))
    state = before.state()
    before.run(1)  # what the original does afterwards is nothing to the state
    assert resumed_from(state, partial(scenario.build, seed=4), first, 5) == expected


@pytest.mark.parametrize(
    "overrides",
    [
        {"fronthaul.latency_s": 0.0, "fronthaul.rate_bit_s": 1e12, "fronthaul.loss_probability": 0.1},
        pytest.param(
            {"fronthaul.split": "statistics", "estimator.latency_s": 2e-4, "fronthaul.topology": "ring"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "fronthaul.split": "summed-map",
                "estimator.kind": "map",
                "fronthaul.topology": "stripe",
                "fronthaul.deadline_s": 1e-3,
                "fronthaul.map_step_m": 100.0,
            },
            marks=pytest.mark.slow,
        ),
    ],
    ids=["everything-at-once", "statistics", "summed-map"],
)
def test_a_state_between_any_two_events_resumes_to_the_same_bytes(small, overrides):
    build = partial(small(TINY | overrides).build, seed=4, estimator=None)
    expected = essence(build().run(2))
    moving, first = build(), []
    moving.start()
    while not first:
        assert resumed_from(moving.state(), build, [], 2) == expected, f"after event {moving.events_served}"
        moving.kernel.step()
        if moving._outbox:  # published, and not yet yielded
            assert resumed_from(moving.state(), build, [], 2) == expected
            first = list(moving.cpis(1))
    assert moving.events_served > 50
    assert resumed_from(moving.state(), build, first, 2) == expected


# -- a state of something else ----------------------------------------------------------------------------------------


def test_a_state_fits_only_its_own_network(small):
    state = small().build().state()
    with pytest.raises(ValueError, match="ue-3"):
        small({"user_equipment.count": 4}).build().restore(state)
    with pytest.raises(ValueError, match="seed: 1 there, 2 here"):
        small().build(seed=2).restore(state)
    with pytest.raises(ValueError, match=r"frame\.n_snapshots: 4 there, 5 here"):
        small({"schedule.snapshots_per_slot": 5}).build().restore(state)
    started = small().build(estimator=None)
    started.run(1)
    with pytest.raises(ValueError, match="fresh"):
        started.restore(state)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ({"radio.transmit_power_dbm": 20}, r"central\.radio\.transmit_power_w: 1\.0 there, 0\.1 here"),
        ({"access_points.n_antennas": 2}, r"central\.network\.n_antennas: 4 there, 2 here"),
        ({"radio.carrier_hz": 2e9}, "carrier_hz"),
        ({"radio.path_loss": "umi-nlos"}, "path_gain"),
        ({"area.size_m": [500.0, 1000.0]}, "ap_positions_m"),
        ({"targets": [{"position_m": [1.0, 2.0]}]}, "n_targets: 2 there, 1 here"),
        ({"fronthaul.split": "statistics"}, "split: IqSplit there, StatisticsSplit here"),
        ({"fronthaul.iq_bits": 5}, r"split\.iq_bits: \d+ there, 5 here"),
        ({"fronthaul.latency_s": 1e-3}, r"link ap-0->central\.latency_s: .* there, 0\.001 here"),
        ({"fronthaul.topology": "ring"}, "link ap-0->ap-1: nothing there"),
        ({"estimator.grid_step_m": 50.0}, r"central\.estimator\.grid_step_m: 25\.0 there, 50\.0 here"),
        ({"estimator.latency_s": 1e-3}, "estimator_latency_ns"),
        ({"selector.kind": "random"}, r"central\.selector: FarthestPoint there, Random here"),
        ({"schedule.order": "palindromic"}, "scheduler"),
    ],
)
def test_a_state_of_other_settings_is_refused_and_names_them(small, overrides, name):
    emulation = small().build()
    emulation.run(1)
    with pytest.raises(ValueError, match=name):
        small(overrides).build().restore(emulation.state())


@dataclass(kw_only=True, eq=False)
class Counting(AccessPoint):
    period: int = 2
    heard: int = 0

    def report(self, slot, echo):
        self.heard += 1
        return echo if self.heard % self.period else None


def test_settings_of_a_class_of_ones_own_are_told_from_its_state(small):
    emulation = small().build(access_point=Counting, estimator=None)
    emulation.run(1)
    state = emulation.state()
    resumed = small().build(access_point=Counting, estimator=None)
    resumed.restore(state)
    assert (
        [ap.heard for ap in resumed.access_points.values()]
        == [ap.heard for ap in emulation.access_points.values()]
        != [0] * 6
    )
    with pytest.raises(ValueError, match=r"ap-0\.period: 2 there, 3 here"):
        small().build(access_point=partial(Counting, period=3), estimator=None).restore(state)


def test_settings_changed_in_mid_run_are_missed_in_the_other_emulation(small):
    emulation = small().build(estimator=None)
    emulation.run(1)
    emulation.access_points["ap-2"].transmit_power_w = 0.5
    state = emulation.state()
    resumed = small().build(estimator=None)
    with pytest.raises(ValueError, match=r"ap-2\.transmit_power_w: 0\.5 there, 1\.0 here"):
        resumed.restore(state)
    resumed.access_points["ap-2"].transmit_power_w = 0.5
    resumed.restore(state)
    assert essence(resumed.run(2))[0] == essence(emulation.run(2))[0]


def test_another_strategy_may_take_over_after_restoring(small):
    emulation = small().build(estimator=None)
    emulation.run(1)
    resumed = small().build(estimator=None)
    resumed.restore(emulation.state())
    resumed.central.estimator = GridEstimator(grid_step_m=25.0)
    assert resumed.run(1).cpis[0].index == 1


@pytest.mark.parametrize("rubbish", [None, {}, {"identity": None}, "state", 3])
def test_what_is_no_state_is_refused(small, rubbish):
    with pytest.raises(ValueError, match=r"give what state\(\)"):
        small().build().restore(rubbish)


def without(*path):
    """Return a function that takes a part of a state away."""

    def take(state):
        for key in path[:-1]:
            state = state[key]
        del state[path[-1]]

    return take


def with_(value, *path):
    """Return a function that sets a part of a state to a value."""

    def put(state):
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return put


LINK = ("ap-0", "central")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        *[
            (without(key), f"{key} is missing")
            for key in ("losses", "nodes", "now_ns", "fronthaul", "outbox", "events")
        ],
        (without("nodes", "ap-0"), r"nodes\.ap-0 is missing"),
        (without("nodes", "ue-1", "slots_received"), r"nodes\.ue-1\.slots_received is missing"),
        (without("nodes", "ap-2", "plan"), r"nodes\.ap-2\.plan is missing"),
        (without("nodes", "central", "wake_ns"), r"nodes\.central\.wake_ns is missing"),
        (without("fronthaul", "in_flight"), r"fronthaul\.in_flight is missing"),
        (without("fronthaul", "links", LINK), r"fronthaul\.links\..*ap-0.* is missing"),
        (without("fronthaul", "links", LINK, "free_ns"), r"free_ns is missing"),
        (without("fronthaul", "edges", LINK), r"fronthaul\.edges\..*ap-0.* is missing"),
        (without("losses", "_settled"), r"losses\._settled is missing"),
        (without("trace", "rows"), r"trace\.rows is missing"),
        (with_({}, "nodes", "ap-77"), r"nodes\.ap-77 is too many"),
        (with_({}, "fronthaul", "links", ("ap-0", "ap-1")), "is too many"),
        (with_("soon", "now_ns"), "now_ns is str and not int"),
        (with_(None, "nodes", "ap-1"), r"nodes\.ap-1 is NoneType and not dict"),
        (with_([], "fronthaul"), "fronthaul is list and not dict"),
    ],
)
def test_a_damaged_state_is_refused_and_the_emulation_is_as_before(small, harm, words):
    build = partial(small().build, estimator=None)
    emulation = build()
    emulation.run(1)
    whole, state, fresh = emulation.state(), emulation.state(), build()
    harm(state)
    with pytest.raises(ValueError, match=f"the state is damaged .*{words}"):
        fresh.restore(state)
    fresh.restore(whole)
    assert essence(fresh.run(1)) == essence(emulation.run(1))


def test_an_emulation_takes_one_state_up(small):
    """Messages of the first would still be under way in the second."""
    state, fresh = small().build(estimator=None).state(), small().build(estimator=None)
    fresh.restore(state)
    with pytest.raises(ValueError, match="was restored"):
        fresh.restore(state)


def test_an_emulation_is_not_copied_but_its_state_is(small):
    emulation = small().build(estimator=None)
    emulation.run(1)
    for copy_of in (copy, deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"take its state\(\)"):
            copy_of(emulation)


# -- before the start, and after a failure ----------------------------------------------------------------------------


def test_nothing_run_gives_nothing(small):
    emulation = small().build(estimator=None)
    for result in (emulation.run(0), emulation.result([])):
        assert (len(result.cpis), result.slots, result.events) == (0, 0, 0)
        assert result.errors_m.shape == (0, 2)
        assert result.fronthaul["messages_sent"] == 0
        assert "0 CPIs" in repr(result)
    assert essence(emulation.run(2)) == essence(small().build(estimator=None).run(2))


def test_the_books_of_a_restored_emulation_are_right_before_it_starts(small):
    emulation = small().build(estimator=None)
    first = list(emulation.cpis(2))
    resumed = small().build(estimator=None)
    resumed.restore(emulation.state())
    assert resumed.fronthaul.books() == emulation.fronthaul.books()
    assert essence(resumed.result(first)) == essence(emulation.result(first))
    again = small().build(estimator=None)
    again.restore(resumed.state())  # a state is handed on, too
    assert essence(again.run(1)) == essence(emulation.run(1))


@pytest.mark.parametrize("number", [-1, 1.5, "2", True, np.nan, [1]])
def test_a_number_of_cpis_is_whole_and_not_negative(small, number):
    emulation = small().build(estimator=None)
    for ask in (emulation.run, emulation.cpis):
        with pytest.raises(ValueError, match=r"n_cpis = .*whole number"):
            ask(number)


def test_without_a_number_the_schedule_says_how_many_cpis(small):
    emulation = small({"schedule.cpis": 3}).build(estimator=None)
    assert [cpi.index for cpi in emulation.run().cpis] == [0, 1, 2]
    assert [cpi.index for cpi in emulation.cpis()] == [3, 4, 5]
    emulation.n_cpis = None
    with pytest.raises(ValueError, match="n_cpis = None"):
        emulation.run()


def test_results_of_others_are_refused(small):
    emulation = small().build(estimator=None)
    other = list(small({"targets": []}).build(estimator=None).cpis(1))
    for odd in ([None], [3], other):
        with pytest.raises(ValueError, match=r"as cpis\(\) yields them"):
            emulation.result(odd)
    for odd in (None, 3):
        with pytest.raises(TypeError, match=f"cpis: got {odd}; give a list"):
            emulation.result(odd)


def test_an_emulation_starts_once(small):
    emulation = small().build(estimator=None)
    with pytest.raises(EmulationError, match="has not started"):
        emulation.kernel.step()
    emulation.start()
    with pytest.raises(EmulationError, match="has started before"):
        emulation.start()
    assert len(emulation.run(1).cpis) == 1


@dataclass(kw_only=True, eq=False)
class Mortal(Target):
    """Fails in its second CPI."""

    error: type[BaseException] = KeyError

    def scatter(self, cpi):
        if cpi == 1:
            raise self.error("worn out")
        return super().scatter(cpi)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_after_an_error_nothing_goes_on(small, error):
    """The process of the node that failed has ended: what ran on would be another network."""
    build = partial(small().build, estimator=None, target=partial(Mortal, error=error))
    emulation = build()
    state = emulation.state()
    with pytest.raises((EmulationError, KeyboardInterrupt)):
        emulation.run(3)
    for ask in (partial(emulation.run, 1), partial(emulation.run, 0), partial(emulation.cpis, 1), emulation.state):
        with pytest.raises(EmulationError, match=r"cannot .*ended with an error.*worn out"):
            ask()
    fresh = small().build(estimator=None, target=partial(Mortal, error=error))
    fresh.restore(state)
    fresh.start()


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_the_error_that_ended_an_emulation_names_the_hook(small, error):
    emulation = small().build(estimator=None, target=partial(Mortal, error=error))
    for _ in range(2):
        with pytest.raises(EmulationError, match=rf"target-0\.\w+.*{error.__name__}.*worn out"):
            emulation.run(3)


def test_a_failed_start_cannot_be_run(small):
    scenario = small()
    graph = scenario.build().fronthaul.graph
    graph.remove_edge("ap-3", "central")
    emulation = scenario.build(fronthaul=graph)
    for _ in range(2):
        with pytest.raises(EmulationError, match="no path ap-3 -> central"):
            emulation.run(1)


def test_a_hook_can_neither_run_its_emulation_nor_take_its_state(small):
    asked = []

    @dataclass(kw_only=True, eq=False)
    class Impatient(AccessPoint):
        def report(self, slot, echo):
            for ask in (emulation.state, partial(emulation.run, 1)):
                with pytest.raises(EmulationError, match="from within a hook"):
                    ask()
                asked.append(ask)
            return echo

    emulation = small().build(estimator=None, access_point=Impatient)
    emulation.run(1)
    assert asked


def test_a_split_of_another_width_is_not_taken_over(small):
    state = small().build(split=partial(IqSplit, iq_bits=8)).state()
    with pytest.raises(ValueError, match=r"split\.iq_bits: 8 there, 9 here"):
        small().build(split=partial(IqSplit, iq_bits=9)).restore(state)


def test_the_result_of_a_restored_emulation_takes_results_of_the_other(small):
    emulation = small().build(estimator=None)
    (first,) = emulation.cpis(1)
    with pytest.raises(ValueError, match="as cpis"):
        emulation.result([replace(first, truth_m=first.truth_m[:1])])


# -- what a node of one's own sets at its start -----------------------------------------------------------------------


@dataclass(kw_only=True, eq=False)
class Fluctuating(AccessPoint):
    """Scales its reports by numbers of a generator that it makes at its start."""

    def start(self, services):
        super().start(services)
        self.generator, self.given = np.random.default_rng(1), [0]

    def report(self, slot, echo):
        self.given[0] += 1
        return echo * self.generator.uniform()


@dataclass(kw_only=True, eq=False)
class Diligent(UserEquipment):
    """Counts what it hears in what it makes at its start, and begins late."""

    late_ns: int = 0

    def start(self, services):
        super().start(services)
        self.heard, self.wake_ns = 0, self.late_ns

    def receive(self, slot, samples):
        super().receive(slot, samples)
        self.heard += 1


@dataclass(kw_only=True, eq=False)
class Swinging(Target):
    def start(self, services):
        super().start(services)
        self.swing = [1.0]

    def scatter(self, cpi):
        self.swing.append(0.5 * self.swing[-1])
        return self.swing[-1] * super().scatter(cpi)


@pytest.mark.parametrize(
    "parts",
    [{"access_point": Fluctuating}, {"user_equipment": Diligent}, {"target": Swinging}],
    ids=["access_point", "user_equipment", "target"],
)
@pytest.mark.parametrize("n_before", [0, 2])
def test_state_that_a_node_sets_at_its_start_is_taken_up(small, parts, n_before):
    build = partial(small().build, seed=3, estimator=None, **parts)
    expected, before = build(), build()
    result = expected.run(4)
    whole = essence(result)
    if n_before == 0:
        assert resumed_from(before.state(), build, [], 4) == whole  # nothing has started yet
        before.start()
    first = list(before.cpis(n_before))
    assert resumed_from(before.state(), build, first, 4) == whole
    resumed = build()
    resumed.restore(before.state())
    again = build()
    again.restore(resumed.state())  # a state is handed on, too
    energies = [r.cpis[-1].observation.energy.tolist() for r in (again.run(4 - n_before), result)]
    assert energies[0] == energies[1]
    heard = [[getattr(ue, "heard", None) for ue in e.user_equipments.values()] for e in (again, expected)]
    assert heard[0] == heard[1]


def test_what_is_changed_after_restoring_counts(small):
    emulation = small().build(user_equipment=Diligent, estimator=None)
    emulation.run(1)
    resumed = small().build(user_equipment=Diligent, estimator=None)
    resumed.restore(emulation.state())
    resumed.user_equipments["ue-0"].heard = 1000
    resumed.run(1)
    assert resumed.user_equipments["ue-0"].heard > 1000


def test_a_start_may_not_send(small):
    """It would send again in every emulation that takes the state up."""

    class Hasty(AccessPoint):
        def start(self, services):
            super().start(services)
            nothing = np.zeros((self.n_antennas, 0), np.complex64)
            services.fronthaul.send(TransmissionRecord(self.name, "central", 0, self.name, (), nothing))

    with pytest.raises(EmulationError, match=r"ap-0.*send"):
        small().build(access_point=Hasty, estimator=None).run(1)
