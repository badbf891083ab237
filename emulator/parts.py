"""What an emulation is put together of, checked before it starts: parts of their roles, names as in the survey.

The fields of nodes are checked here, too, with the ranges of scenario files: what is wrong is said of the node that has
it. A node may have another power or noise than the survey says.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from typing import Any

from emulator.faults import Corrupt, Fault, Replay
from emulator.functional_split import FunctionalSplit
from emulator.late_reports import LateReports
from emulator.media.air import Air
from emulator.media.effects import Effect
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.node import Node
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from models.doors import require
from models.estimation.base import Estimator
from models.radio.channel import AccessChannel
from models.schedulers import SlotScheduler
from models.selection.base import ModeSelector
from models.trajectories import Trajectory

__all__ = ["check_parts", "summing_problems"]

NUMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "transmit_power_w": ("> 0 and <= 1e7", lambda value: 0.0 < value <= 1e7),
    "comm_power_fraction": (">= 0 and <= 1", lambda value: 0.0 <= value <= 1.0),
    "noise_power_w": ("> 0 and <= 1e9", lambda value: 0.0 < value <= 1e9),
    "rcs_m2": ("> 0 and <= 1e10", lambda value: 0.0 < value <= 1e10),
    "scatter_phase_rad": (">= -1000 and <= 1000", lambda value: -1e3 <= value <= 1e3),
}
"""What each number of a node may be, in words and as a test; no test lets NaN pass."""
ILLUMINATIONS = ("sensing", "full")


def check_parts(
    air: Air,
    central: CentralProcessor,
    access_points: Sequence[AccessPoint],
    user_equipments: Sequence[UserEquipment],
    targets: Sequence[Target],
    faults: Iterable[Fault] = (),
) -> None:
    """Refuse parts that do not make an emulation.

    Raises
    ------
    TypeError
        If a part is not of its role, such as a class in place of an object.
    ValueError
        If names or antennas differ from the survey, two nodes have one name, targets are not numbered 0, 1, ..., access
        points share a split, a field of a node is out of range, or something reads what sums on the way do not hold.
    """
    require("central processor", central, CentralProcessor)
    require("channel", air.access_channel, AccessChannel)
    require("selector", central.selector, ModeSelector)
    require("scheduler", central.scheduler, SlotScheduler)
    if central.estimator is not None:
        require("estimator", central.estimator, Estimator)
    require("late reports", central.late, LateReports)
    for effect in air.effects:
        require("effect", effect, Effect)
    for nodes, base in ((access_points, AccessPoint), (user_equipments, UserEquipment), (targets, Target)):
        for node in nodes:
            require(f"{base.__name__} of an emulation", node, base)
    antennas = dict(zip(central.network.ap_names, central.network.antennas.tolist(), strict=True))
    for ap in access_points:
        require(f"split of {ap.name}", ap.split, FunctionalSplit)
        if ap.n_antennas != (surveyed := antennas.get(ap.name, ap.n_antennas)):
            raise ValueError(f"{ap.name} has {ap.n_antennas} antennas, and {surveyed} in the survey")
        if ap.illumination not in ILLUMINATIONS:
            _refuse(ap, "illumination", " or ".join(f'"{word}"' for word in ILLUMINATIONS))
        _check_numbers(ap, "transmit_power_w", "comm_power_fraction", "noise_power_w")
    for ue in user_equipments:
        _check_numbers(ue, "noise_power_w")
    for target in targets:
        require(f"trajectory of {target.name}", target.trajectory, Trajectory)
        _check_numbers(target, "rcs_m2", *(() if target.scatter_phase_rad is None else ("scatter_phase_rad",)))
    _check_names("access points", [ap.name for ap in access_points], central.network.ap_names)
    _check_names("user equipments", [ue.name for ue in user_equipments], central.network.ue_names)
    _check_names("indices of targets", [target.index for target in targets], range(air.n_targets))
    _check_names("targets", [target.name for target in targets], [f"target-{i}" for i in range(air.n_targets)])
    _check_distinct(node.name for node in (air, central, *access_points, *user_equipments, *targets))
    users = Counter(id(ap.split) for ap in access_points)
    shared = [ap.name for ap in access_points if users[id(ap.split)] > 1]
    if shared:
        raise ValueError(
            f"{', '.join(shared[:8])} share one functional split, which may keep echoes: make one for each"
        )
    _check_sums(central, access_points, faults)


def summing_problems(
    *, reads_maps: bool, tests: bool, watches: bool, keeps_late: bool, tampers: bool
) -> Iterator[tuple[str, str]]:
    """Yield what cannot be where reports are summed on their way, as (key of a scenario, text).

    Parameters
    ----------
    reads_maps
        Whether the estimator reads maps.
    tests
        Whether receivers are tested against each other.
    watches
        Whether lost coherence is looked for.
    keeps_late
        Whether late reports are kept.
    tampers
        Whether a fault changes or replays reports.
    """
    why = "a split that sums reports on their way"
    if not reads_maps:
        yield "estimator.kind", f'{why} leaves a map, without Z, Q and E, which this estimator reads; give "map"'
    if tests:
        yield "consistency.false_alarm_probability", f"{why} does not tell receivers apart; leave the test out"
    if watches:
        yield "calibration.when_lost", f"{why} leaves no phases that tell of lost coherence; give a period_s"
    if keeps_late:
        yield "fronthaul.late_reports", f'{why} adds up one CPI alone; give "drop"'
    if tampers:
        yield "faults", f"{why} has no reports of single receivers to corrupt or replay; leave these faults out"


def _check_sums(central: CentralProcessor, access_points: Sequence[AccessPoint], faults: Iterable[Fault]) -> None:
    """Refuse parts that do not go with a split that sums reports on their way."""
    alone = [ap.name for ap in access_points if not ap.split.sums]
    if len(alone) == len(access_points):
        return
    if alone:
        raise ValueError(
            f"{', '.join(alone[:8])}: split sums nothing, and others do; give all APs such a split, or none"
        )
    calibrator = central.calibrator
    problems = summing_problems(
        reads_maps=central.estimator is None or central.estimator.reads_maps,
        tests=central.consistency is not None,
        watches=calibrator is not None and calibrator.detector is not None,
        keeps_late=central.late.keep_cpis > 0,
        tampers=any(isinstance(fault, Corrupt | Replay) for fault in faults),
    )
    for key, text in problems:
        raise ValueError(f"{key}: {text}")


def _check_names(what: str, got: Sequence[object], expected: Sequence[object]) -> None:
    odd = (Counter(got) - Counter(expected)) + (Counter(expected) - Counter(got))
    if odd:
        first = sorted(map(str, odd))[:8]
        raise ValueError(f"{what}: {', '.join(first)} must be there once, as in the survey, and no other")


def _check_distinct(names: Iterable[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{', '.join(twice[:8])}: more than one node has this name; give each its own")


def _check_numbers(node: Node, *names: str) -> None:
    """Refuse a field of a node that is no number of its range."""
    for name in names:
        value, (words, allows) = getattr(node, name), NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, Real) or not allows(value):
            _refuse(node, name, f"a number {words}")


def _refuse(node: Node, name: str, allowed: str) -> None:
    raise ValueError(f"{node.name}: {name} is {getattr(node, name)!r:.60}; allowed: {allowed}")
