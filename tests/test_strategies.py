"""What strategies and hooks hand over: refused where it is wrong, by role and class; read-only and taken."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import networkx as nx
import numpy as np
import pytest

from emulator.emission import Emission
from emulator.functional_split import IqSplit, StatisticsSplit
from emulator.media.effects import Effect, TargetEchoes
from emulator.messages import EchoReport, StatisticsReport
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.node import EmulationError
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from models.doors import Door
from models.estimation import Estimator
from models.network import Mode, ModeAssignment
from models.observation import Estimate
from models.readonly import sealed
from models.schedulers import RoundRobin, SlotScheduler
from models.selection import ModeSelector
from models.trajectories import Trajectory
from tests.outcome import essence


@dataclass(frozen=True, kw_only=True)
class Answering(Estimator, ModeSelector, SlotScheduler):
    """A strategy of any role that returns what it was told, or what a function makes of its arguments."""

    answer: object

    def _answer(self, *args):
        return self.answer(*args) if callable(self.answer) else self.answer

    estimate = select = order = _answer


def raise_(error):
    raise error


def failure_of(emulation, n_cpis=2):
    """Return the text of the error in which a run ends."""
    with pytest.raises(EmulationError) as caught:
        emulation.run(n_cpis)
    return str(caught.value)


# -- strategies -------------------------------------------------------------------------------------------------------

ONE = [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned None; expected an Estimate"),
        (ONE, "returned [(1.0, 2.0)]; expected an Estimate"),
        (Estimate.at([(np.nan, 1.0)]), "not finite; expected positions_m"),
        (Estimate.at([(np.inf, 1.0)]), "expected positions_m"),
        (Estimate(positions_m=np.zeros((2, 3)), resolved=np.ones(2, bool)), "shape (2, 3)"),
        (
            Estimate(positions_m=np.zeros(2), resolved=np.ones(1, bool)),
            "finite, shape (n_found, 2)",
        ),
        (Estimate(positions_m=None, resolved=None), "returned None; expected positions_m"),
        (Estimate(positions_m=[["here", "there"]], resolved=[True]), "expected positions_m"),
        (Estimate(positions_m=[[1.0, 2.0], [3.0]], resolved=[True]), "expected positions_m"),
        (Estimate(positions_m=np.zeros((2, 2)) + 1j, resolved=np.ones(2, bool)), "expected positions_m"),
        (Estimate(positions_m=np.zeros((2, 2)), resolved=np.ones(1, bool)), "expected resolved"),
        (Estimate(positions_m=np.zeros((0, 2)), resolved=np.ones(1, bool)), "expected resolved"),
        (Estimate.at([(1e300, 1.0)]), "with values up to 1e+300; expected positions_m"),
        (replace(Estimate.at(ONE), limited="yes"), "returned 'yes'; expected limited: True or False"),
        (replace(Estimate.at(ONE), limited=None), "returned None; expected limited: True or False"),
        (replace(Estimate.at(ONE), reasons=("weak",)), "expected reasons: None for a target that is resolved"),
        (replace(Estimate.at(ONE), reasons=(["weak"],)), "expected reasons"),
        (replace(Estimate.at(ONE), covariance_m2=-np.eye(2)[None]), "expected covariance_m2: symmetric"),
        (replace(Estimate.at(ONE), covariance_m2=np.array([[[1.0, 2.0], [2.0, 1.0]]])), "without negative eigenvalues"),
        (replace(Estimate.at(ONE), covariance_m2=np.array([[[1.0, 0.5], [0.0, 1.0]]])), "covariance_m2: symmetric"),
        (replace(Estimate.at(ONE), covariance_m2=np.full((1, 2, 2), 1e300)), "expected covariance_m2"),
        (Estimate(positions_m=np.zeros((2, 2)), resolved=np.zeros(0, bool)), "expected resolved"),
        (Estimate(positions_m=np.zeros((2, 2)), resolved=[0.5, 1.0]), "expected resolved"),
        (Estimate(positions_m=np.zeros((2, 2)), resolved=None), "expected resolved"),
        (replace(Estimate.at(ONE), covariance_m2=np.eye(2)), "expected covariance_m2: float, finite, shape (1, 2, 2)"),
        (replace(Estimate.at(ONE), covariance_m2=np.full((1, 2, 2), np.nan)), "expected covariance_m2"),
        (replace(Estimate.at(ONE), amplitudes=np.ones(2)), "expected amplitudes"),
        (lambda observation: observation.nothing, "AttributeError: 'Observation' object has no attribute 'nothing'"),
        (lambda observation: raise_(ZeroDivisionError("by hand")), "ZeroDivisionError: by hand"),
    ],
)
def test_what_an_estimator_may_not_return(small, answer, words):
    text = failure_of(small().build(estimator=Answering(answer=answer)))
    assert "central.wake" in text
    assert "estimator Answering.estimate" in text
    assert words in text


@pytest.mark.parametrize(
    "answer",
    [
        Estimate(positions_m=[], resolved=[]),
        Estimate(positions_m=np.empty(0), resolved=np.empty(0), covariance_m2=np.empty(0), amplitudes=np.empty(0)),
        Estimate(positions_m=[[3, 4]], resolved=[True], covariance_m2=[[[1, 0], [0, 1]]], amplitudes=[1.0]),
    ],
)
def test_an_estimate_of_plain_lists_is_an_estimate(small, answer):
    (cpi,) = small().build(estimator=Answering(answer=answer)).run(1).cpis
    assert cpi.estimate.positions_m.shape == (len(answer.positions_m), 2)
    assert cpi.estimate.resolved.dtype == bool
    assert cpi.score.status == ("missed", "missed")


MODES = {"t": Mode.TRANSMIT, "r": Mode.RECEIVE, "-": Mode.IDLE, "x": "transmit"}


def modes(text):
    return ModeAssignment(tuple(MODES[letter] for letter in text))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned None"),
        ([1, 2, 3], "returned [1, 2, 3]"),
        (modes("rrtttt"), "returned 2 receivers and 4 transmitters of 6 APs"),
        (modes("rrrrtt"), "returned 4 receivers and 2 transmitters of 6 APs"),
        (modes("rrr---"), "returned 3 receivers and 0 transmitters of 6 APs"),
        (modes("rrrtttt"), "of 7 APs"),
        (modes("rrrtt"), "of 5 APs"),
        (modes("rrrttx"), "of 6 APs"),
        (lambda view, rng: view.estimate.positions_m, "AttributeError: 'NoneType' object"),
        (lambda view, rng: ModeAssignment.of(6, [0], [9]), "ValueError: AP indices [9]"),
    ],
)
def test_what_a_selector_may_not_return(small, answer, words):
    text = failure_of(small().build(selector=Answering(answer=answer), estimator=None))
    assert "selector Answering.select" in text
    assert words in text
    if "returned" in words:
        assert "expected a ModeAssignment of 6 APs, of which 3 receive and one or more transmit" in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "returned None"),
        ((0, 1), "returned (0, 1)"),
        ((), "returned ()"),
        (lambda assignment, view, n: assignment.receivers, "expected 3 indices, one a slot, of APs that transmit"),
        (lambda assignment, view, n: assignment.transmitters[[0, 1, 2, 0]], "expected 3 indices"),
        (lambda assignment, view, n: [7] * n, "returned [7, 7, 7]"),
        (lambda assignment, view, n: [-1] * n, "returned [-1, -1, -1]"),
        (lambda assignment, view, n: [0.5] * n, "returned [0.5, 0.5, 0.5]"),
        (lambda assignment, view, n: ["ap-0"] * n, "returned ['ap-0', 'ap-0', 'ap-0']"),
        (lambda assignment, view, n: [[0]] * n, "returned [[0], [0], [0]]"),
        (lambda assignment, view, n: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_a_scheduler_may_not_return(small, answer, words):
    text = failure_of(small().build(scheduler=Answering(answer=answer), estimator=None))
    assert "scheduler Answering.order" in text
    assert words in text


def test_an_order_may_be_an_array_and_idle_aps_are_no_transmitters(small):
    take = Answering(answer=lambda assignment, view, n: assignment.transmitters[::-1])
    assert len(small().build(scheduler=take, estimator=None).run(1).cpis) == 1
    idle = Answering(answer=modes("rrrtt-"))
    text = failure_of(small().build(selector=idle, scheduler=Answering(answer=(3, 4, 5)), estimator=None))
    assert "of APs that transmit: [3, 4]" in text


@dataclass(frozen=True, kw_only=True)
class Path(Trajectory):
    answer: object

    def position_m(self, time_s):
        return self.answer(time_s) if callable(self.answer) else self.answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((np.nan, 1.0), "returned [(nan, 1.0), (nan, 1.0), (nan, 1.0)]"),
        (lambda t: (0.0, 1.0) if t < 4e-4 else (np.inf, 1.0), "returned [(0.0, 1.0), (0.0, 1.0), (inf, 1.0)]"),
        (lambda t: np.array([np.nan, 1.0]), "expected two finite coordinates (x, y) in m"),
        (None, "returned"),
        ((1.0, 2.0, 3.0), "(1.0, 2.0, 3.0)"),
        (5.0, "returned"),
        ("ab", "returned"),
        (lambda t: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_a_trajectory_may_not_return(small, answer, words):
    along = lambda **keys: Target(**keys | {"trajectory": Path(answer=answer)})  # noqa: E731
    text = failure_of(small().build(target=along, estimator=None), 4)
    assert "trajectory of target-0 Path.position_m" in text
    assert words in text


@dataclass(kw_only=True, eq=False)
class Moving(Target):
    answer: object

    def position_m(self, time_s):
        return self.answer


def test_a_target_that_says_itself_where_it_is_is_named_itself(small):
    text = failure_of(small().build(target=partial(Moving, answer=(1.0, np.nan)), estimator=None))
    assert "target-0 Moving.position_m returned" in text


@dataclass(kw_only=True, eq=False)
class Scattering(Target):
    answer: object

    def scatter(self, cpi):
        return self.answer(cpi) if callable(self.answer) else self.answer


@pytest.mark.parametrize(
    "answer", [np.nan, complex(1, np.inf), None, "loud", [1.0, 2.0], np.ones(2), lambda cpi: 1 / 0]
)
def test_what_scatter_may_not_return(small, answer):
    text = failure_of(small().build(target=partial(Scattering, answer=answer), estimator=None))
    assert "target-0 Scattering.scatter" in text
    assert "expected a finite number" in text or "ZeroDivisionError" in text


def test_scatter_may_return_any_number(small):
    for answer in (1, 0, np.float32(1.0), np.array(1j)):
        assert small().build(target=partial(Scattering, answer=answer), estimator=None).run(1).cpis


# -- access points ----------------------------------------------------------------------------------------------------


def ap_with(**hooks):
    """Return an AP class with some hooks replaced by functions of (self, slot, ...)."""
    return dataclass(kw_only=True, eq=False)(type("Odd", (AccessPoint,), hooks))


def emission(**parts):
    return lambda self, slot: AccessPoint.transmit(self, slot)._replace(**parts)


NAN = np.full((4, 4), np.nan)


@pytest.mark.parametrize(
    ("hooks", "hook", "words"),
    [
        ({"transmit": lambda self, slot: 3}, "transmit", "access point Odd.transmit returned 3; expected an Emission"),
        ({"transmit": lambda self, slot: NAN}, "transmit", "returned an array of shape (4, 4)"),
        ({"transmit": lambda self, slot: Emission}, "transmit", "returned the class Emission"),
        ({"transmit": emission(communication=np.ones((4, 5)))}, "transmit", "communication part of shape (4, 5)"),
        ({"transmit": emission(communication="loud")}, "transmit", "communication part of type str"),
        ({"transmit": emission(communication=NAN)}, "transmit", "not finite"),
        ({"transmit": emission(precoding=None)}, "transmit", "without precoding"),
        ({"transmit": emission(precoding=np.ones((4, 4)))}, "transmit", "precoding of shape (4, 4)"),
        ({"transmit": emission(precoding=np.full((4, 3), np.nan))}, "transmit", "precoding that is not finite"),
        ({"sensing_waveform": lambda self, slot: None}, "transmit", "access point Odd.sensing_waveform returned None"),
        ({"sensing_waveform": lambda self, slot: NAN}, "transmit", "Odd.sensing_waveform"),
        ({"sensing_waveform": lambda self, slot: np.ones(4)}, "transmit", "expected finite samples of shape (4, 4)"),
        ({"report": lambda self, slot, echo: 3}, "report", "access point Odd.report returned 3; expected None or"),
        ({"report": lambda self, slot, echo: echo[0]}, "report", "expected None or finite samples of shape (4, 4)"),
        ({"report": lambda self, slot, echo: echo * np.inf}, "report", "not finite"),
        ({"report": lambda self, slot, echo: "echo"}, "report", "returned 'echo'"),
    ],
)
def test_what_a_hook_of_an_ap_may_not_return(small, hooks, hook, words):
    with np.errstate(invalid="ignore"):
        text = failure_of(small().build(access_point=ap_with(**hooks), estimator=None))
    assert text.startswith("ap-")
    assert f".{hook}, slot" in text
    assert words in text


def test_what_is_not_finite_is_found_though_it_cannot_be_written_to(small):
    """Read-only samples are looked at like others."""
    nan = NAN.astype(complex)
    nan.flags.writeable = False
    text = failure_of(small().build(access_point=ap_with(transmit=emission(communication=nan)), estimator=None))
    assert text.startswith("ap-0.transmit") and "communication part that is not finite" in text


@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_emissions_may_be_lists_and_real_numbers(small, illumination):
    scenario = small({"radio.illumination": illumination})
    parts = [np.full((4, 4), 0.1 + 0j), np.full((4, 4), 0.1), np.full((4, 4), 0.1), [[0.1] * 4] * 4]
    parts[2].flags.writeable = False
    aps = [ap_with(transmit=emission(communication=part)) for part in parts]
    first, *others = [essence(scenario.build(access_point=ap, estimator=None).run(2)) for ap in aps]
    assert others == [first] * 3


def test_an_emission_without_parts_is_silence(small):
    silent = [ap_with(transmit=lambda self, slot, said=said: said) for said in (None, Emission(None))]
    first, second = (small().build(access_point=ap, estimator=None).run(1) for ap in silent)
    assert essence(first) == essence(second)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "expected finite precoders of shape (4, 3)"),
        (np.full((4, 3), np.nan), "not finite"),
        (np.ones((3, 4)), "shape (3, 4)"),
    ],
)
def test_what_a_precoder_may_not_return(small, answer, words):
    def mine(channel, power_w, share):
        return answer

    text = failure_of(small().build(access_point=partial(AccessPoint, precoder=mine), estimator=None))
    assert "precoder" in text and "mine returned" in text
    assert words in text


def test_a_precoder_that_fails_is_named(small):
    def mine(channel):
        return channel

    text = failure_of(small().build(access_point=partial(AccessPoint, precoder=mine), estimator=None))
    assert "precoder" in text and "mine: TypeError" in text


# -- splits -----------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class OddSplit(IqSplit):
    iq_bits: int | None = 8
    change: object = None

    def give(self, ap, slot, echo):
        return self.change(ap, slot, echo, super().give(ap, slot, echo))


def changed(**attributes):
    def change(ap, slot, echo, message):
        for name, value in attributes.items():
            setattr(message, name, value)
        return message

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda ap, slot, echo, message: 3,
        lambda ap, slot, echo, message: echo,
        lambda ap, slot, echo, message: EchoReport,
        changed(source="central"),
        changed(samples=np.ones((4, 3), complex)),
        changed(samples=[1.0]),
        changed(slot=None),
        changed(iq_bits=0),
        lambda ap, slot, echo, message: changed(slot=slot._replace(position=77))(ap, slot, echo, message),
        lambda ap, slot, echo, message: StatisticsReport(ap, "central", slot.cpi, (0,), ("ap-0",), echo, 1.0),
    ],
)
def test_what_a_split_may_not_give(small, change):
    text = failure_of(small().build(split=partial(OddSplit, change=change), estimator=None))
    assert text.startswith("ap-")
    assert "split OddSplit.give" in text
    assert "expected" in text


def test_a_split_that_fails_is_named(small):
    text = failure_of(small().build(split=partial(OddSplit, change=lambda *args: 1 / 0), estimator=None))
    assert "split OddSplit.give, slot 0" in text and "ZeroDivisionError" in text


@dataclass(kw_only=True)
class OddStatistics(StatisticsSplit):
    illumination: str = "sensing"
    changes: dict = field(default_factory=dict)

    def settle(self, ap, plan):
        message = super().settle(ap, plan)
        return message if message is None else replace(message, **self.changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"cpi": 7},
        {"positions": (0, 0)},
        {"positions": (9,)},
        {"transmitters": ("ap-0",)},
        {"cross": np.zeros((4, 3, 3), complex)},
        {"cross": np.full((4, 3, 4), np.nan)},
        {"energy": -1.0},
        {"energy": np.nan},
        {"source": "ap-77"},
    ],
)
def test_what_statistics_a_split_may_not_give(small, changes):
    text = failure_of(small().build(split=partial(OddStatistics, changes=changes), estimator=None))
    assert text.startswith("ap-")
    assert "split OddStatistics.learn" in text or "split OddStatistics.settle" in text
    assert "expected" in text


@pytest.mark.parametrize("iq_bits", [0, -1, 65, 2.5, "8"])
def test_a_split_that_cannot_be_is_refused_when_it_is_made(iq_bits):
    with pytest.raises(ValueError, match=r"iq_bits is .*: give a whole number from 1 to 64, or None"):
        IqSplit(iq_bits=iq_bits)
    with pytest.raises(ValueError, match=r'illumination is .*: give "sensing" or "full"'):
        StatisticsSplit(illumination=iq_bits)


@pytest.mark.parametrize("answer", [None, -1, 1.5, "many"])
def test_reports_expected_is_a_number_of_reports(small, answer):
    class Vague(IqSplit):
        def reports_expected(self, n_slots):
            return answer

    with pytest.raises(
        EmulationError, match=r"central\.start.*split .*Vague\.reports_expected returned .*; expected a whole number"
    ):
        small().build(split=partial(Vague, iq_bits=8), estimator=None).run(1)


# -- effects, nodes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [3, np.ones((1, 1)), lambda shape: np.full(shape, np.nan), lambda shape: 1 / 0])
def test_what_an_effect_may_not_return(small, answer):
    class Interference(Effect):
        def field(self, slot, truth, emitted, receivers):
            return answer((len(receivers), 4, 4)) if callable(answer) else answer

    emulation = small().build(estimator=None)
    emulation.air.effects = (*emulation.air.effects, Interference())
    text = failure_of(emulation)
    assert "effect " in text and "Interference.field" in text
    assert "expected None or finite samples of shape (3, 4, 4)" in text or "ZeroDivisionError" in text


@pytest.mark.parametrize("later_ns", [0, -1, 0.5, None])
def test_a_node_that_does_not_set_when_it_wakes_next_is_named(small, later_ns):
    class Stuck(UserEquipment):
        def wake(self):
            self.wake_ns = None if later_ns is None else self.wake_ns + later_ns

    text = failure_of(small().build(user_equipment=Stuck, estimator=None))
    assert "ue-0.wake" in text and "set it to a later time" in text


@pytest.mark.parametrize("wake_ns", [None, -1, 0.5, "soon"])
def test_a_node_that_does_not_set_at_its_start_when_it_wakes_is_named(small, wake_ns):
    class Stuck(UserEquipment):
        def start(self, services):
            super().start(services)
            self.wake_ns = wake_ns

    text = failure_of(small().build(user_equipment=Stuck, estimator=None))
    assert f"ue-0.start, t = 0 ns: ValueError: it leaves wake_ns = {wake_ns!r}; set it" in text


def idle(self):
    """Wake up and do nothing."""
    self.wake_ns = self.services.frame.next_cpi_ns(self.wake_ns)


@pytest.mark.parametrize(
    ("part", "base", "name"), [("user_equipment", UserEquipment, "ue-0"), ("target", Target, "target-0")]
)
def test_who_is_not_in_the_air_is_named(small, part, base, name):
    text = failure_of(small().build(**{part: type("Absent", (base,), {"wake": idle})}, estimator=None))
    assert f"not in the air as the CPI begins: {name}" in text


class Failing:
    """Fails at its start, before it has taken anything."""

    def start(self, services):
        raise RuntimeError("no fuel")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"access_point": type("Odd", (Failing, AccessPoint), {})}, "ap-0.start, t = 0 ns: RuntimeError: no fuel"),
        ({"user_equipment": type("Odd", (Failing, UserEquipment), {})}, "ue-0.start, t = 0 ns: RuntimeError: no fuel"),
        ({"target": type("Odd", (Failing, Target), {})}, "target-0.start, t = 0 ns: RuntimeError: no fuel"),
        (
            {"effects": [type("Odd", (Failing, Effect), {"field": None})()]},
            "air.start, t = 0 ns: DoorError: effect Odd.start: RuntimeError: no fuel",
        ),
    ],
)
def test_a_start_that_fails_is_named(small, parts, words):
    assert words in failure_of(small().build(estimator=None, **parts))


def test_a_start_that_leaves_out_the_base_class_is_named(small):
    emulation = small().build(access_point=ap_with(start=lambda self, services: None), estimator=None)
    assert "Odd.start of ap-0 does not call super().start(services)" in failure_of(emulation)


# -- roles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategies", "words"),
    [
        ({"estimator": Answering}, "estimator: got the class Answering; give an object of a subclass of Estimator"),
        ({"estimator": RoundRobin()}, "estimator: got RoundRobin()"),
        ({"selector": None}, "selector: got None; give an object of a subclass of ModeSelector"),
        ({"scheduler": "round-robin"}, "scheduler: got 'round-robin'"),
        ({"split": lambda: None}, "split of ap-0: got None; give an object of a subclass of FunctionalSplit"),
        ({"split": lambda: IqSplit}, "split of ap-0: got the class IqSplit"),
        ({"split": IqSplit(iq_bits=8)}, "split: got IqSplit(iq_bits=8, quantiser=Uniform()); give what makes one when"),
        ({"split": IqSplit}, "split: IqSplit, called without arguments: "),
        (
            {"split": IqSplit},
            "'iq_bits'; give what makes one when called without arguments, as partial(IqSplit, iq_bits=8)",
        ),
        ({"split": partial(IqSplit, iq_bit=8)}, "split: functools.partial("),
        ({"access_point": lambda name: None}, "unexpected keyword argument 'split'; give a class, or a function"),
        ({"access_points": {"ap-3": lambda: None}}, "ap-3: "),
        ({"user_equipment": Target}, "ue-0: Target, called with name, noise_power_w: "),
        ({"target": UserEquipment}, "target-0: UserEquipment, called with name, index, trajectory, "),
        ({"target": 3}, "target: got 3; give a class"),
        ({"effects": [5]}, "effect: got 5; give an object of a subclass of Effect"),
        ({"effects": [TargetEchoes]}, "effect: got the class TargetEchoes; give an object"),
        ({"effects": "target-echoes"}, "effect: got 't'"),
        ({"effects": 5}, "effects: got 5; give a list of objects of subclasses of Effect"),
        ({"effects": None}, "effects: got None; give a list"),
        ({"effects": TargetEchoes(illumination="full")}, "effects: got TargetEchoes(illumination='full'); give a list"),
        ({"fronthaul": "star"}, "fronthaul: got 'star'; give an object of a subclass of DiGraph"),
        ({"fronthaul": nx.Graph()}, "give an object of a subclass of DiGraph"),
        ({"access_points": {"ap-3": None}}, "ap-3: got None; give a class"),
        ({"access_points": [AccessPoint]}, "access_points: got ["),
        ({"access_points": {3: AccessPoint}}, "access_points: got {3: "),
        ({"access_points": {None: AccessPoint}}, "access_points: got {None: "),
        ({"access_points": "ap-3"}, "access_points: got 'ap-3'"),
        ({"access_point": lambda **keys: None}, "AccessPoint of an emulation: got None"),
        ({"user_equipment": lambda **keys: 3}, "UserEquipment of an emulation: got 3"),
        (
            {"target": lambda **keys: Target(**keys | {"trajectory": (1.0, 2.0)})},
            "trajectory of target-0: got (1.0, 2.0)",
        ),
    ],
)
def test_a_part_of_another_role_is_refused_when_an_emulation_is_built(small, strategies, words):
    with pytest.raises(TypeError) as caught:
        small().build(**strategies)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"access_point": lambda **keys: AccessPoint(**keys | {"name": "ap-1"})}, "access points: ap-0"),
        ({"user_equipment": lambda **keys: UserEquipment(**keys | {"name": "mine"})}, "user equipments: mine, ue-0"),
        ({"target": lambda **keys: Target(**keys | {"index": 1})}, "indices of targets: 0, 1"),
        (
            {"target": lambda **keys: Target(**keys | {"name": "ap-0"})},
            "targets: ap-0, target-0, target-1 must be there",
        ),
        ({"access_point": lambda **keys: AccessPoint(**keys | {"n_antennas": 2})}, "ap-0 has 2 antennas, and 4 in"),
        ({"seed": -1}, "seed = -1: give a whole number"),
        ({"seed": 1.5}, "seed = 1.5: give a whole number"),
        ({"seed": "1"}, "seed = '1': give a whole number"),
        ({"split": lambda shared=IqSplit(iq_bits=8): shared}, "ap-0, ap-1.*share one functional split"),  # noqa: B008
    ],
)
def test_parts_that_do_not_fit_the_survey_are_refused(small, parts, words):
    with pytest.raises(ValueError, match=words):
        small().build(**parts)


@pytest.mark.parametrize(
    ("role", "base", "node", "field", "values", "allowed"),
    [
        ("access_point", AccessPoint, "ap-0", "transmit_power_w", (math.nan, 1e300, -1, 0.0, "1", None, True), "> 0"),
        ("access_point", AccessPoint, "ap-0", "noise_power_w", (math.nan, -1.0, math.inf, np.ones(1)), "> 0"),
        ("access_point", AccessPoint, "ap-0", "comm_power_fraction", (-1, 1.5, math.nan), ">= 0 and <= 1"),
        ("access_point", AccessPoint, "ap-0", "illumination", ("x", None, []), '"sensing" or "full"'),
        ("user_equipment", UserEquipment, "ue-0", "noise_power_w", (-1.0, math.nan), "> 0"),
        ("target", Target, "target-0", "rcs_m2", (-1, 1e200, math.nan, 1j), "> 0"),
        ("target", Target, "target-0", "scatter_phase_rad", (math.nan, "0", 1e9), ">= -1000"),
    ],
)
def test_a_field_of_a_node_out_of_range_is_told_of_that_node(small, role, base, node, field, values, allowed):
    for value in values:
        with pytest.raises(ValueError, match="allowed: ") as caught:
            small().build(**{role: partial(with_field, base, {field: value})})
        assert f"{node}: {field} is {value!r}; allowed: " in str(caught.value)
        assert allowed in str(caught.value)


def with_field(base, changed, **keys):
    return base(**keys | changed)


def test_a_node_may_have_a_power_share_and_noise_of_its_own(small):
    weak = {"transmit_power_w": np.float32(0.5), "comm_power_fraction": 1, "noise_power_w": np.float64(1e-12)}
    small().build(access_point=partial(with_field, AccessPoint, weak), estimator=None).run(1)


@pytest.mark.parametrize("limits", [(-100, 1e-3, 1, -100), (100, 1e9, 1e12, 100)])
def test_nodes_take_what_scenario_files_allow(small, limits):
    power, temperature, bandwidth, rcs = limits
    radio = {"transmit_power_dbm": power, "noise_temperature_k": temperature, "bandwidth_hz": bandwidth}
    keys = {f"radio.{name}": value for name, value in radio.items()}
    fast = {"radio.noise_figure_db": 100, "schedule.snapshots_per_slot": 1000, "schedule.lead_s": 0}
    small(keys | (fast if power > 0 else {}) | {"targets": [{"rcs_dbsm": rcs}]}).build()


# -- what is handed out is read-only, what is sent is taken -----------------------------------------------------------


def writes_to(get):
    def write(*args):
        get(*args)[...] = 0

    return Answering(answer=write)


@pytest.mark.parametrize("name", ["cross", "gram", "energy", "n_samples"])
def test_an_estimator_cannot_write_into_the_observation(small, name):
    def part(observation):
        return getattr(getattr(observation, name), "values", getattr(observation, name))  # an array, or what holds one

    text = failure_of(small().build(estimator=writes_to(part)))
    assert "estimator Answering.estimate: ValueError: assignment destination is read-only" in text


@pytest.mark.parametrize(
    "get",
    [
        lambda view, rng: view.path_gain,
        lambda view, rng: view.alive,
        lambda view, rng: view.network.ap_positions_m,
        lambda view, rng: view.network.boresights_rad,
        lambda view, rng: view.network.ue_positions_m,
    ],
)
def test_a_selector_cannot_write_into_the_view(small, get):
    text = failure_of(small().build(selector=writes_to(get), estimator=None))
    assert "selector Answering.select: ValueError: assignment destination is read-only" in text


def test_a_published_estimate_is_nobodys_but_the_networks(small):
    kept = Estimate(positions_m=np.array([[1.0, 2.0]]), resolved=np.array([True]), covariance_m2=np.eye(2)[None])

    def estimate(observation):
        kept.positions_m[...] += 1.0
        return kept

    cpis = list(small().build(estimator=Answering(answer=estimate)).cpis(2))
    assert [cpi.estimate.positions_m.tolist() for cpi in cpis] == [[[2.0, 3.0]], [[3.0, 4.0]]]
    for array in (cpis[0].estimate.positions_m, cpis[0].estimate.resolved, cpis[0].estimate.covariance_m2):
        assert not array.flags.writeable


def test_numbers_are_copied_where_they_could_still_be_changed():
    """Whatever they come in: an array, a view of one under another type, what turns itself into one."""

    class Holder:
        def __init__(self):
            self.values = np.zeros((1, 2))

        def __array__(self, dtype=None, copy=None):
            return self.values

    class Named(np.ndarray):
        pass

    array, holder = np.zeros((1, 2)), Holder()
    for given, change in ((array, array), (np.zeros((1, 2)).view(Named), None), (holder, holder.values)):
        kept = Door("role", "method").numbers(object(), given, (1, 2), "two numbers", float)
        (given if change is None else change)[...] = 7.0
        assert kept.tolist() == [[0.0, 0.0]]


def test_the_survey_keeps_its_own_positions(small):
    network = small().build().network
    positions = np.array(network.ap_positions_m)
    mine = replace(network, ap_positions_m=positions)
    positions[0] = 0.0
    assert (mine.ap_positions_m == network.ap_positions_m).all()
    with pytest.raises(ValueError, match="read-only"):
        mine.ap_positions_m[0] = 0.0


@dataclass(kw_only=True, eq=False)
class Forgetful(AccessPoint):
    """Keeps what it hears, radiates and reports in buffers of its own, and writes over them afterwards."""

    keeps: bool = True
    gives: Callable = lambda mine: mine
    kept: list = field(default_factory=list)

    def _keep(self, array):
        mine = np.array(array)
        self.kept.append(mine)
        return self.gives(mine) if self.keeps else mine.copy()

    def report(self, slot, echo):
        self.spoil()
        return self._keep(echo)

    def transmit(self, slot):
        self.spoil()
        emission = super().transmit(slot)
        parts = [None if part is None else self._keep(part) for part in emission]
        return Emission(*parts)

    def on_message(self, message):
        self.spoil()
        super().on_message(message)

    def spoil(self):
        for array in self.kept:
            array.flags.writeable = True
            array[...] = 77.0


def view_of(mine):
    """Return a read-only view."""
    return np.broadcast_to(mine, mine.shape)


@pytest.mark.parametrize("gives", [lambda mine: mine, view_of, sealed], ids=["array", "view", "read-only"])
@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_what_was_sent_or_radiated_cannot_be_changed_afterwards(small, split, gives):
    scenario = small({"fronthaul.split": split, "fronthaul.latency_s": 20e-6})
    spoilt, clean = (
        scenario.build(estimator=None, access_point=partial(Forgetful, keeps=keeps, gives=gives)).run(3)
        for keeps in (True, False)
    )
    assert essence(spoilt) == essence(clean) == essence(scenario.build(estimator=None).run(3))
    assert np.array_equal(spoilt.cpis[-1].observation.cross, clean.cpis[-1].observation.cross)


@pytest.mark.parametrize("gives", [lambda mine: mine, view_of, sealed], ids=["array", "view", "read-only"])
def test_a_split_cannot_change_a_report_on_its_way(small, gives):
    @dataclass(kw_only=True)
    class Hoarding(IqSplit):
        kept: list = field(default_factory=list)

        def give(self, ap, slot, echo):
            for samples, message in self.kept:
                samples.flags.writeable = True
                samples[...] = 0.0
                message.samples, message.iq_bits = samples, 1
            mine = np.array(echo)
            message = super().give(ap, slot, gives(mine))
            self.kept.append((mine, message))
            return message

    whole, hoarded = (small().build(estimator=None, split=partial(s, iq_bits=9)).run(2) for s in (IqSplit, Hoarding))
    assert np.array_equal(hoarded.cpis[-1].observation.cross, whole.cpis[-1].observation.cross)


def test_statistics_cannot_be_changed_on_their_way(small):
    @dataclass(kw_only=True)
    class Hoarding(StatisticsSplit):
        kept: list = field(default_factory=list)

        def learn(self, ap, plan, record):
            for cross, energy in self.kept:
                cross[...] = energy[...] = 0.0
            return self._hoarded(super().learn(ap, plan, record))

        def _hoarded(self, message):
            if message is not None:
                self.kept.append((np.array(message.cross), np.array(message.energy)))
                message.cross, message.energy = map(view_of, self.kept[-1])
            return message

    whole, hoarded = (
        small().build(estimator=None, split=partial(s, illumination="sensing")).run(3)
        for s in (StatisticsSplit, Hoarding)
    )
    assert np.array_equal(hoarded.cpis[-1].observation.cross, whole.cpis[-1].observation.cross)
    assert np.array_equal(hoarded.cpis[-1].observation.energy, whole.cpis[-1].observation.energy)


@pytest.mark.parametrize(
    ("hook", "write"),
    [
        ("report", lambda self, slot, echo: echo.fill(0)),
        ("transmit", lambda self, slot: AccessPoint.transmit(self, slot).communication.fill(0)),
        ("on_message", lambda self, message: message.samples.fill(0)),
    ],
)
def test_an_ap_cannot_write_into_what_it_was_handed(small, hook, write):
    scenario = small({"fronthaul.split": "statistics"})

    def hooked(self, *args):
        if hook != "on_message" or hasattr(args[0], "samples"):
            write(self, *args)
        return getattr(AccessPoint, hook)(self, *args)

    text = failure_of(scenario.build(access_point=ap_with(**{hook: hooked}), estimator=None))
    assert f".{hook}" in text and "read-only" in text


def test_a_precoder_cannot_write_into_the_channel(small):
    def mine(channel, power_w, share):
        channel[...] = 0.0

    assert "read-only" in failure_of(small().build(access_point=partial(AccessPoint, precoder=mine), estimator=None))


def test_a_ue_cannot_write_into_what_it_receives(small):
    class Scribbling(UserEquipment):
        def receive(self, slot, samples):
            samples[...] = 0.0

    text = failure_of(small().build(user_equipment=Scribbling, estimator=None))
    assert "ue-0.receive, slot 0" in text and "read-only" in text


# -- targets that pass antennas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", ["ap-2", "ue-1"])
@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_a_target_that_passes_through_an_antenna_does_not_end_the_run(small, node, illumination):
    """It is exactly there in the middle of slot 1, and of CPI 0."""
    network = small().build().network
    names, positions = network.ap_names + network.ue_names, [*network.ap_positions_m, *network.ue_positions_m]
    x, y = positions[names.index(node)]
    middle_s = small().build().frame.slot_middle_s(1)
    through = Path(answer=lambda t: (x + 1000.0 * (t - middle_s), y))
    assert through.position_m(middle_s) == (x, y)
    scenario = small({"radio.illumination": illumination, "targets": [{}]})
    result = scenario.build(target=lambda **keys: Target(**keys | {"trajectory": through}), estimator=None).run(3)
    assert (result.cpis[0].truth_m == (x, y)).all()
    assert all(np.isfinite(cpi.se_bit_s_hz).all() and cpi.reports_fused == 9 for cpi in result.cpis)
    assert np.isfinite(result.cpis[0].observation.energy if result.cpis[0].observation else 0.0).all()


def test_a_target_near_an_antenna_counts_as_a_wavelength_away(small):
    """Far ones stay where they are, to the bit; the echo of a near one is finite and that of a wavelength."""
    emulation = small().build()
    air, network = emulation.air, emulation.network
    far = np.array([[300.0, 400.0], [500.0, 600.0]])
    assert air.clear(far).tobytes() == far.tobytes()
    ap, apart = network.ap_positions_m[3], np.array([[0.0, 0.0], [0.0, -1e-3], [0.0, 2.0 * network.wavelength_m]])
    near = air.clear(ap + apart)
    np.testing.assert_allclose(np.linalg.norm(near - ap, axis=1) / network.wavelength_m, [1.0, 1.0, 2.0], rtol=1e-9)
    assert near[1, 1] < ap[1]


# -- numbers that nature does not have --------------------------------------------------------------------------------

HUGE = 1e300


@dataclass(frozen=True, kw_only=True)
class Straying(Trajectory):
    def position_m(self, time_s):
        return np.array([1e308, 0.0])


class Deaf(UserEquipment):
    def wake(self):
        n_aps, n_antennas = self.services.network.n_aps, self.services.network.n_antennas
        noise = np.full(self.services.frame.n_samples, HUGE, complex)
        self.services.air.join(self.name, noise, np.zeros((n_aps, n_antennas), complex), 0.0)


class Elsewhere(Target):
    def wake(self):
        positions = np.full((self.services.frame.n_slots, 2), HUGE)
        self.services.air.place(self.index, positions, 1.0 + 0j)


class Blinding(Target):
    def wake(self):
        positions = np.zeros((self.services.frame.n_slots, 2))
        self.services.air.place(self.index, positions, complex(HUGE))


def loud(ap, slot, echo, message):
    """Return a report that is far too strong."""
    return EchoReport(ap, "central", slot, echo * HUGE, None)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"target": type("Mirror", (Target,), {"scatter": lambda self, cpi: HUGE})}, "target-0.wake.*target-0 Mirror"),
        (
            {"target": lambda **keys: Target(**keys | {"trajectory": Straying()})},
            "target-0.wake.*trajectory of target-0",
        ),
        ({"target": Elsewhere}, "target-0.wake.*place of target 0 is out of range"),
        ({"target": Blinding}, "target-0.wake.*place of target 0 is out of range"),
        ({"user_equipment": Deaf}, "ue-0.wake.*noise, fading or phase is out of range"),
        ({"access_point": ap_with(report=lambda self, slot, echo: echo * HUGE)}, r"ap-\d.report, .*Odd.report"),
        ({"access_point": ap_with(sensing_waveform=lambda self, slot: np.full((4, 4), HUGE))}, "Odd.sensing_waveform"),
        ({"access_point": ap_with(transmit=emission(communication=np.full((4, 4), HUGE)))}, "ap-0.transmit, "),
        ({"access_point": partial(AccessPoint, precoder=lambda *asked: np.full((4, 3), HUGE))}, "precoder"),
        ({"split": partial(OddSplit, change=loud)}, "split OddSplit.give"),
        ({"split": partial(OddStatistics, changes={"energy": HUGE})}, "split OddStatistics"),
        ({"split": partial(OddStatistics, changes={"cross": np.full((4, 3, 4), HUGE)})}, "split OddStatistics"),
        (
            {"effects": [type("Storm", (Effect,), {"field": lambda self, *at: np.full((3, 4, 4), HUGE)})()]},
            "Storm.field",
        ),
    ],
)
def test_what_is_beyond_nature_is_refused_where_it_is_made(small, parts, words):
    """Finite as it may be: it would be told of somebody else as soon as it is squared."""
    assert re.search(words, failure_of(small().build(estimator=None, **parts)))
