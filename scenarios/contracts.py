"""What each role promises, as a check that anybody can run on a part of their own, in one line, without a test tool.

    check_estimator(MyEstimator())          strategies: objects
    check_access_point(MyAccessPoint)       nodes, splits, effects: what ``build`` takes to make them

A part that breaks a rule ends the check with a ``ContractError``, which says which rule that was, what was found, and
how to mend it. The parts of this package keep the same rules: its tests call the same functions.

What is checked is how parts work together with an emulation, not whether they are good: an estimator that finds nothing
passes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.checkpoint import kept_by
from emulator.faults import Fault
from emulator.functional_split import FunctionalSplit
from emulator.late_reports import LateReports
from emulator.media.effects import Effect
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from emulator.plain import packed
from models.calibration.contract import check_calibration, check_servo
from models.contract import FROZEN, ContractError, called, require, rule
from models.doors import estimated, ordered, selected
from models.estimation.area_map import MapEstimator
from models.network import Mode, ModeAssignment
from models.observation import Estimate, Observation
from models.oscillators.contract import check_oscillator
from models.radio.channel import AccessChannel
from models.radio.contract import check_quantiser
from models.view import View
from scenarios.file.files import load
from scenarios.output.results import run_data

if TYPE_CHECKING:
    from emulator.emulation import Emulation
    from emulator.results import CpiResult
    from models.estimation.base import Estimator
    from models.schedulers import SlotScheduler
    from models.selection.base import ModeSelector
    from models.trajectories import Trajectory

__all__ = [
    "NETWORK", "ContractError", "check_access_point", "check_calibration", "check_central_processor", "check_channel",
    "check_effect", "check_estimator", "check_fault", "check_late_reports", "check_oscillator", "check_quantiser",
    "check_scheduler", "check_selector", "check_servo", "check_split", "check_target", "check_trajectory",
    "check_user_equipment",
]  # fmt: skip

NETWORK: Mapping[str, Any] = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 3,
    "schedule.n_receivers": 3,
    "schedule.snapshots_per_slot": 4,
    "estimator.kind": "grid",
    "estimator.grid_step_m": 25.0,
}
"""The network that parts are tried in: ``load("paper", NETWORK)``. It runs in milliseconds."""
NETWORKS: tuple[Mapping[str, Any], ...] = (
    {},
    {"fronthaul.split": "statistics", "radio.illumination": "full", "fronthaul.loss_probability": 0.2},
)
"""How it is changed for a second try."""
ARRAYS_DIFFER = {"access_points.node": [{"name": "ap-1", "n_antennas": 2}, {"name": "ap-2", "n_antennas": 5}]}
"""How it is changed, besides, for parts that deal with samples."""
LATE = {"fronthaul.jitter_s": 1e-4, "fronthaul.deadline_s": 1e-4}
"""Settings with which many reports come too late."""
NEVER_S = 3600.0
CPIS, SAVED_AFTER = 4, 2
OWN_NUMBERS = "draw from the generator that is given: rng, self.rng(purpose, counter), services.generator"


@contextmanager
def _draws_nothing_of_its_own(who: str) -> Iterator[None]:
    before = _global_numbers()
    yield
    require(
        _global_numbers() == before,
        who,
        "it leaves NumPy's global random numbers alone",
        "they were drawn from",
        OWN_NUMBERS,
    )


def _global_numbers() -> str:
    return str([np.asarray(part).tolist() for part in np.random.get_state()])  # noqa: NPY002 - what must not be used


# -- strategies: objects ----------------------------------------------------------------------------------------------


def check_estimator(estimator: "Estimator") -> None:
    """Check that an estimator keeps the rules of its role.

    It is a frozen dataclass, finds what its door lets pass in a whole observation and in one of which reports are
    missing, gives the same answer when it is asked again, and works in an emulation.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("estimator", estimator)
    for observation in _observations():
        mend = "models.doors.estimated says what an Estimate may hold; it must do with missing reports"
        with _draws_nothing_of_its_own(who), rule(who, "it passes its door", mend):
            first, again = (estimated(estimator, observation) for _ in range(2))
        same = packed(vars(first), {}) == packed(vars(again), {})
        require(same, who, "the same observation gives the same estimate", f"{first}, then {again}", FROZEN)
    _check_in_a_run(who, estimator=estimator)


def check_selector(selector: "ModeSelector", n_receivers: tuple[int, ...] = (1, 3, 5)) -> None:
    """Check that a mode selector keeps the rules of its role.

    It is a frozen dataclass, chooses as many receivers as asked for and a transmitter, before and after the first
    estimate and where access points are believed dead, chooses alike when it is asked again, and works in an emulation.

    Parameters
    ----------
    selector
        The selector.
    n_receivers
        Numbers of receivers that it can do with, of six access points.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("selector", selector)
    mend = "return a ModeAssignment with view.n_receivers receivers and a transmitter, also where few are alive"
    for view in [replace(view, n_receivers=n) for view in _views() for n in n_receivers]:
        with _draws_nothing_of_its_own(who), rule(who, "it passes its door", mend):
            first, again = (selected(selector, view, np.random.default_rng(1)) for _ in range(2))
        found = f"{first.modes}, then {again.modes}"
        require(first.modes == again.modes, who, "the same view and generator give the same modes", found, OWN_NUMBERS)
    _check_in_a_run(who, selector=selector)


def check_scheduler(scheduler: "SlotScheduler") -> None:
    """Check that a slot scheduler keeps the rules of its role.

    It is a frozen dataclass, gives a transmitter for each of any number of slots, in any CPI, the same when it is asked
    again, and works in an emulation.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("scheduler", scheduler)
    mend = "return n_slots indices out of assignment.transmitters, which may be more or fewer than the slots"
    for assignment, view, n_slots in ((a, v, n) for a in _assignments() for v in _views() for n in (1, 3, 7)):
        with _draws_nothing_of_its_own(who), rule(who, "it passes its door", mend):
            first, again = (ordered(scheduler, assignment, view, n_slots) for _ in range(2))
        require(first == again, who, "the same view gives the same order", f"{first}, then {again}", FROZEN)
    _check_in_a_run(who, scheduler=scheduler)


def check_trajectory(trajectory: "Trajectory") -> None:
    """Check that a trajectory keeps the rules of its role: a frozen dataclass, and a place at any time, in any order.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("trajectory", trajectory)
    target = Target(name="target-0", index=0, trajectory=trajectory, rcs_m2=1.0)
    with _draws_nothing_of_its_own(who), rule(who, "it has a place at any time", "return two finite coordinates in m"):
        forth, back = target.path_m([0.0, 1.0, 100.0]), target.path_m([100.0, 1.0, 0.0])[::-1]
    same = np.array_equal(forth, back)
    require(same, who, "its place depends on the time alone", f"{forth.tolist()}, then {back.tolist()}", FROZEN)
    _check_in_a_run(who, target=lambda **keys: Target(**keys | {"trajectory": trajectory}))


def _check_strategy(role: str, strategy: object) -> str:
    """Check what holds for all strategies; return what to call this one."""
    who = called(role, strategy)
    hands_out = all(hasattr(strategy, name) for name in ("state", "restore"))
    kept = "" if hands_out else kept_by(strategy)
    require(not kept, who, "it keeps no state between calls", f"attributes that may change: {kept}", FROZEN)
    return who


def _check_in_a_run(who: str, **parts: Any) -> None:
    mend = "see the error: it names the role, the method and what is expected"
    for overrides in NETWORKS:
        with rule(who, "it works in an emulation", mend):
            _network(overrides).build(seed=2, **parts).run(2)


# -- parts that an emulation makes of what it is given ----------------------------------------------------------------


def check_access_point(kind: Callable[..., AccessPoint]) -> None:
    """Check that access points of a class, or made by a function of keyword arguments, keep the rules of their role.

    All access points of a network are made so, then one alone. See ``check_user_equipment`` for the rules.

    Raises
    ------
    ContractError
        If one breaks a rule.
    """
    who = _name("access point", kind)
    _check_part(who, lambda: {"access_point": kind})
    _check_part(who, lambda: {"access_points": {"ap-2": kind}})


def check_user_equipment(kind: Callable[..., UserEquipment]) -> None:
    """Check that user equipments of a class, or made by a function of keyword arguments, keep the rules of their role.

    They run; twice from the same seed they give the same; what they do does not depend on which node starts first;
    and an emulation that is saved and goes on elsewhere gives what it would have given.

    Raises
    ------
    ContractError
        If one breaks a rule.
    """
    _check_part(_name("user equipment", kind), lambda: {"user_equipment": kind})


def check_target(kind: Callable[..., Target]) -> None:
    """Check that targets of a class keep the rules of their role; see ``check_user_equipment``.

    Raises
    ------
    ContractError
        If one breaks a rule.
    """
    _check_part(_name("target", kind), lambda: {"target": kind})


def check_split(kind: Callable[[], FunctionalSplit]) -> None:
    """Check that functional splits keep the rules of their role; ``kind()`` makes one, for each access point its own.

    They keep those of nodes, see ``check_user_equipment``, and where nothing is lost all reports are fused that the
    split says are due.

    Raises
    ------
    ContractError
        If one breaks a rule.
    """
    who = _name("split", kind)
    with rule(who, "it can be made", "kind() makes one"):
        reader = {"estimator": MapEstimator(grid_step_m=25.0)} if kind().sums else {}
    _check_part(who, lambda: {"split": kind, **reader})
    cpi = next(_network({"radio.illumination": "full"}).build(split=kind, estimator=None).cpis(1))
    found = f"{cpi.reports_fused} of {cpi.reports_expected} were fused"
    mend = "send as many reports a CPI as reports_expected says, within the deadline"
    require(cpi.reports_fused == cpi.reports_expected, who, "all reports that are due come", found, mend)


def check_effect(kind: Callable[[], Effect]) -> None:
    """Check that an effect of the air keeps the rules of its role; ``kind()`` makes one.

    It keeps those of nodes, see ``check_user_equipment``: what it keeps from slot to slot may only save time.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    _check_part(_name("effect", kind), lambda: {"effects": [kind()]})


def check_central_processor(kind: Callable[..., CentralProcessor]) -> None:
    """Check that a central processor keeps the rules of its role; see ``check_user_equipment``.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    _check_part(_name("central processor", kind), lambda: {"central": kind})


def check_channel(kind: Callable[..., AccessChannel]) -> None:
    """Check that channels between access points and UEs keep the rules of their role; see ``check_user_equipment``.

    Raises
    ------
    ContractError
        If one breaks a rule.
    """
    _check_part(_name("channel", kind), lambda: {"channel": kind})


def check_late_reports(late: LateReports) -> None:
    """Check that what becomes of late reports keeps the rules of its role.

    It is a frozen dataclass, and keeps those of nodes, see ``check_user_equipment``, where many reports are late.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("late reports", late)
    _check_part(who, lambda: {"late_reports": late}, [network | LATE for network in map(dict, NETWORKS)])


def check_fault(fault: Fault) -> None:
    """Check that a fault keeps the rules of its role; of a node or link of ``NETWORK``, as "ap-2" or "ap-2->central".

    It is a frozen dataclass, keeps those of nodes, see ``check_user_equipment``, and changes nothing before it begins.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = _check_strategy("fault", fault)
    with rule(who, "it can be planned for any time", "keep the fields of Fault"):
        later = replace(fault, at_s=NEVER_S, until_s=None)
    _check_part(who, lambda: {"faults": [fault]})
    found, mend = "another result", "act in begin, not before"
    for overrides in NETWORKS:
        network = _network(overrides)
        same = _told(network.build(seed=2, faults=[later])) == _told(network.build(seed=2))
        require(same, who, "a fault that never begins changes nothing", found, mend)


def _name(role: str, kind: Callable[..., object]) -> str:
    return f"{role} {getattr(getattr(kind, 'func', kind), '__qualname__', repr(kind))}"


def _check_part(
    who: str,
    parts: Callable[[], dict[str, Any]],
    networks: Iterable[Mapping[str, Any]] = (NETWORKS[0], {**NETWORKS[1], **ARRAYS_DIFFER}),
) -> None:
    """Check a part in each network: that it runs, and that the result is its seed's alone."""
    for overrides in networks:

        def build(overrides: Mapping[str, Any] = overrides) -> "Emulation":
            return _network(overrides).build(seed=2, **parts())

        with _draws_nothing_of_its_own(who), rule(who, "it works in an emulation", "see the error: it names the hook"):
            expected = _told(build())
        mend = f"{OWN_NUMBERS}; keep nothing in the class or the module"
        require(_told(build()) == expected, who, "the same seed gives the same result", "another one", mend)
        turned = build()
        turned.nodes = dict(reversed(turned.nodes.items()))
        mend = "do in wake or in hooks what depends on other nodes, not in start"
        require(_told(turned) == expected, who, "no result depends on which node starts first", "one does", mend)
        _check_that_it_goes_on(who, build, expected)


def _check_that_it_goes_on(who: str, build: Callable[[], "Emulation"], expected: str) -> None:
    mend = (
        "keep what lasts in attributes of nodes, as plain data, arrays, or dataclasses of your module; list in wiring "
        "only what a node was built with"
    )
    what = "an emulation with it that is saved goes on elsewhere to the same result"
    with TemporaryDirectory() as folder, rule(who, what, mend):
        before, after = build(), build()
        before.save(Path(folder) / "checkpoint", list(before.cpis(SAVED_AFTER)))
        told = _told(after, after.load(Path(folder) / "checkpoint"))
    require(told == expected, who, what, "to another one", mend)


def _told(emulation: "Emulation", before: "list[CpiResult] | Any" = ()) -> str:
    """Return what is told of a run, as text."""
    cpis = [*before, *emulation.cpis(CPIS - len(before))]
    return str(run_data(emulation.result(cpis), seed=2))


# -- what strategies are asked ----------------------------------------------------------------------------------------


def _network(overrides: Mapping[str, Any]) -> Any:
    return load("paper", {**NETWORK, **overrides})


@cache
def _observations() -> tuple[Observation, ...]:
    """Return a whole observation, one of which reports are missing, and one without targets."""
    changes: tuple[dict[str, Any], ...] = ({}, {"fronthaul.loss_probability": 0.3}, {"targets": []})
    cpis = [next(_network(change).build(seed=2, estimator=None).cpis(1)) for change in changes]
    return tuple(cpi.observation for cpi in cpis if cpi.observation is not None)


@cache
def _views() -> tuple[View, ...]:
    """Return views before the first estimate, after one that found nothing or something, and with dead APs."""
    view = _network({}).build(seed=1, estimator=None).central.view(0)
    estimates = [Estimate.at([]), Estimate.at([(300.0, 200.0), (700.0, 500.0)])]
    later = [replace(view, cpi=1 + i, estimate=estimate) for i, estimate in enumerate(estimates)]
    alive = [np.arange(6) > 0, np.zeros(6, dtype=bool)]
    return (view, *later, *(replace(later[1], alive=each) for each in alive))


@cache
def _assignments() -> tuple[ModeAssignment, ...]:
    letters = {"t": Mode.TRANSMIT, "r": Mode.RECEIVE, "-": Mode.IDLE}
    return tuple(ModeAssignment(tuple(letters[letter] for letter in text)) for text in ("rtrtt-", "rrrrrt", "tttttr"))
