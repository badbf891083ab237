"""Contracts: the parts of this package keep the rules of their roles; who breaks one is told which, and what to do."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

from emulator import (
    FAULTS,
    LATE_REPORTS,
    AccessPoint,
    CentralProcessor,
    Effect,
    IqSplit,
    LateReports,
    StatisticsSplit,
    Target,
    TargetEchoes,
    UserEquipment,
)  # fmt: skip
from emulator.media.effects import DirectPaths
from models import SCHEDULERS, ConstantVelocity, Estimate, ModeAssignment, SlotScheduler, Trajectory
from models.calibration import CALIBRATIONS, SERVOS, Immediate
from models.estimation import ESTIMATORS, Estimator
from models.oscillators import PRESETS, Ideal, named
from models.radio import QUANTISERS, AccessChannel, Uniform
from models.schedulers import RoundRobin
from models.selection import SELECTORS, FarthestPoint, ModeSelector
from scenarios import (
    ContractError,
    check_access_point,
    check_calibration,
    check_central_processor,
    check_channel,
    check_effect,
    check_estimator,
    check_fault,
    check_late_reports,
    check_oscillator,
    check_quantiser,
    check_scheduler,
    check_selector,
    check_servo,
    check_split,
    check_target,
    check_trajectory,
    check_user_equipment,
)
from scenarios.custom_ap import DutyCycledAP, SweepingAP
from scenarios.file.plugins import implementation, make

QUICK = {"two-stage": {"max_operations": 1e8}}


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_every_estimator_keeps_its_contract(kind):
    check_estimator(implementation(kind, ESTIMATORS)(grid_step_m=25.0, **QUICK.get(kind, {})))


@pytest.mark.parametrize("kind", SELECTORS)
def test_every_selector_keeps_its_contract(kind):
    settings = {"fixed": {"transmitters": (0, 1, 2), "receivers": (3, 4, 5)}}.get(kind, {})
    check_selector(implementation(kind, SELECTORS)(**settings), (3,) if kind == "fixed" else (1, 3, 5))


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_every_scheduler_keeps_its_contract(kind):
    check_scheduler(make(kind, SCHEDULERS, {}))


@pytest.mark.parametrize("kind", [AccessPoint, DutyCycledAP, partial(DutyCycledAP, period=3), SweepingAP])
def test_every_access_point_keeps_its_contract(kind):
    check_access_point(kind)


@pytest.mark.parametrize("kind", [partial(IqSplit, iq_bits=None), partial(StatisticsSplit, illumination="full")])
def test_every_split_keeps_its_contract(kind):
    check_split(kind)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_oscillator_keeps_its_contract(preset):
    check_oscillator(named(preset, phase_std_rad=0.3))


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_every_calibration_keeps_its_contract(kind):
    check_calibration(make(kind, CALIBRATIONS, {}))


@pytest.mark.parametrize("kind", SERVOS)
@pytest.mark.parametrize("loop_hz", [0.01, 1.0, 100.0])
def test_every_servo_keeps_its_contract(kind, loop_hz):
    check_servo(make(kind, SERVOS, {"loop_hz": loop_hz} if kind == "proportional-integral" else {}))


@pytest.mark.parametrize("kind", QUANTISERS)
def test_every_quantiser_keeps_its_contract(kind):
    check_quantiser(make(kind, QUANTISERS, {}))


@pytest.mark.parametrize("kind", LATE_REPORTS)
def test_every_way_with_late_reports_keeps_its_contract(kind):
    check_late_reports(make(kind, LATE_REPORTS, {}))


FAULT_SETTINGS = {
    "restart": {"lasts_s": 3e-4, "until_s": None},
    "link-degraded": {"loss_probability": 0.5},
    "link-flapping": {"period_s": 4e-4},
    "corrupt": {"share": 0.5},
    "replay": {"delay_cpis": 1},
    "ghost": {"position_m": (300.0, 300.0)},
}


@pytest.mark.parametrize("kind", FAULTS)
def test_every_fault_keeps_its_contract(kind):
    where = {"link": "ap-2->central"} if kind.startswith("link") else {"node": "ap-2"}
    check_fault(make(kind, FAULTS, {"at_s": 3e-4, "until_s": 9e-4} | where | FAULT_SETTINGS.get(kind, {})))


def test_the_other_parts_keep_their_contracts():
    check_central_processor(CentralProcessor)
    check_channel(AccessChannel)
    check_user_equipment(UserEquipment)
    check_target(Target)
    check_trajectory(ConstantVelocity(start_m=(100.0, 200.0), velocity_m_s=(10.0, 0.0)))
    check_effect(partial(TargetEchoes, illumination="full"))
    check_effect(DirectPaths)


# -- who breaks a rule ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Finds(Estimator):
    """Finds what a function says."""

    what: object

    def estimate(self, observation):
        return self.what()


class Counting(Estimator):
    def __init__(self):
        self.asked = 0

    def estimate(self, observation):
        self.asked += 1
        return Estimate.at([])


@dataclass(frozen=True, kw_only=True)
class Whimsical(ModeSelector):
    """Draws from where it should not, or nothing at all."""

    draw: object

    def select(self, view, rng):
        order = self.draw(len(view.network.ap_names))
        return ModeAssignment.of(len(order), order[view.n_receivers :], order[: view.n_receivers])


@dataclass(frozen=True, kw_only=True)
class OneOnly(SlotScheduler):
    def order(self, assignment, view, n_slots):
        return (assignment.transmitters[0],)


@dataclass(frozen=True, kw_only=True)
class Stuck(Trajectory):
    def position_m(self, time_s):
        return np.array([1.0 / time_s, 0.0])


@dataclass(frozen=True, kw_only=True)
class Overshooting(Immediate):
    """Corrects three times as much as was found."""

    def update(self, state, phase_error_rad, step_s):
        return super().update(state, 3.0 * phase_error_rad, step_s)


@dataclass(frozen=True, kw_only=True)
class Optimistic(Uniform):
    """Says a tenth of its error."""

    def quantised(self, samples, n_bits, n_axes=2):
        got, error = super().quantised(samples, n_bits, n_axes)
        return got, 0.1 * error


@dataclass(frozen=True, kw_only=True)
class Jumping(Ideal):
    """Says that it is ideal, and is not."""

    def advance(self, state, steps_s, rng, carrier_hz):
        phases, after = super().advance(state, steps_s, rng, carrier_hz)
        return phases + 1.0, after._replace(loop_phase_rad=1.0)


@dataclass(frozen=True, kw_only=True)
class Undecided(LateReports):
    """Says no, and yes, in turn."""

    keep_cpis: int = 2

    def use(self, report, plan, now):
        total["asked"] += 1
        return total["asked"] % 2 == 0


fresh = np.random.default_rng()
total = {"slots": 0, "asked": 0}


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: check_estimator(Finds), "estimator Finds breaks a rule: a strategy is an object.*give Finds"),
        (lambda: check_estimator(Finds(what=lambda: None)), "Finds breaks a rule: it passes its door.*an Estimate"),
        (
            lambda: check_estimator(Finds(what=lambda: Estimate.at(fresh.uniform(size=(1, 2))))),
            "the same observation gives the same estimate",
        ),
        (
            lambda: check_estimator(Finds(what=lambda: Estimate.at(np.random.uniform(size=(1, 2))))),  # noqa: NPY002
            "leaves NumPy's global random numbers alone.*to mend it: draw from the generator",
        ),
        (lambda: check_estimator(Counting()), "keeps no state between calls.*may change: asked.*frozen=True"),
        (
            lambda: check_selector(Whimsical(draw=lambda n: fresh.permutation(n).tolist())),
            "the same view and generator give the same modes",
        ),
        (lambda: check_selector(FarthestPoint(), (7,)), "FarthestPoint breaks a rule: it passes its door"),
        (lambda: check_scheduler(OneOnly()), "scheduler OneOnly breaks a rule.*3 indices, one a slot"),
        (lambda: check_trajectory(Stuck()), "it has a place at any time.*ZeroDivisionError"),
        (lambda: check_estimator(RoundRobin()), "estimator RoundRobin breaks a rule"),
        (lambda: check_oscillator(Jumping()), "oscillator Jumping breaks a rule: the phase of an ideal one is 0"),
        (lambda: check_oscillator(Ideal), "oscillator Ideal breaks a rule: a strategy is an object.*give Ideal"),
        (lambda: check_oscillator(RoundRobin()), "oscillator RoundRobin breaks a rule: its methods answer.*initial"),
        (lambda: check_calibration(Immediate()), "calibration Immediate breaks a rule: its methods answer"),
        (lambda: check_servo(Overshooting()), "servo Overshooting breaks a rule: the error of a clock that keeps time"),
        (lambda: check_quantiser(Optimistic()), "quantiser Optimistic.*the error power is what it says.* 6 bits"),
        (lambda: check_late_reports(Undecided()), "late reports Undecided breaks a rule: the same seed gives the same"),
        (lambda: check_fault(RoundRobin()), "fault RoundRobin breaks a rule: it can be planned for any time"),
    ],
)
def test_a_strategy_that_breaks_a_rule_is_told_which(check, words):
    with pytest.raises(ContractError, match=f"(?s){words}"):
        check()


@dataclass(kw_only=True, eq=False)
class Sharing(AccessPoint):
    """Counts in the module."""

    def report(self, slot, echo):
        total["slots"] += 1
        return echo if total["slots"] % 7 else None


@dataclass(kw_only=True, eq=False)
class Hiding(AccessPoint):
    """Calls wiring what changes."""

    heard: int = field(default=0, init=False)
    wiring = AccessPoint.wiring | {"heard"}

    def report(self, slot, echo):
        self.heard += 1
        return echo if self.heard % 7 else None


@dataclass(kw_only=True, eq=False)
class Keeping(UserEquipment):
    """Keeps what is no plain data."""

    def receive(self, slot, samples):
        self.last = lambda: samples


@dataclass(kw_only=True, eq=False)
class Failing(Target):
    def scatter(self, cpi):
        raise KeyError("worn out")


@dataclass(kw_only=True)
class Silent(IqSplit):
    """Sends every other report."""

    def give(self, ap, slot, echo):
        return super().give(ap, slot, echo) if slot.position % 2 else None


@dataclass(kw_only=True, eq=False)
class Flicker(Effect):
    """Remembers what a run that is taken up has never seen."""

    slots: int = field(default=0, init=False)

    def field(self, slot, truth, emitted, receivers):
        self.slots += 1
        n_antennas = self.services.network.n_antennas
        return np.full((len(receivers), n_antennas, slot.n_snapshots), 1e-5 * self.slots, dtype=complex)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (partial(check_access_point, Sharing), "Sharing breaks a rule: the same seed.*nothing in the class or the mod"),
        (partial(check_access_point, Hiding), "goes on elsewhere to the same result.*to mend it: keep what lasts in"),
        (partial(check_user_equipment, Keeping), "goes on elsewhere.*ue-0.last is of the class .*function"),
        (partial(check_target, Failing), "target Failing breaks a rule: it works in an emulation.*worn out"),
        (partial(check_target, UserEquipment), "target UserEquipment breaks a rule: it works in an emulation"),
        (partial(check_split, partial(Silent, iq_bits=8)), "split Silent .*all reports that are due come.*3 of 9"),
        (partial(check_effect, Flicker), "effect Flicker breaks a rule: an emulation with it that is saved"),
    ],
)
def test_a_part_that_breaks_a_rule_is_told_which(check, words):
    with pytest.raises(ContractError, match=f"(?s){words}"):
        check()
