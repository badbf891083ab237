"""What an emulation is put together of, checked before it starts: parts of their roles, names as in the survey."""

from collections import Counter
from collections.abc import Sequence

from emulator.functional_split import FunctionalSplit
from emulator.media.air import Air
from emulator.media.effects import Effect
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from models.doors import require
from models.estimation.base import Estimator
from models.schedulers import SlotScheduler
from models.selection.base import ModeSelector
from models.trajectories import Trajectory

__all__ = ["check_parts"]


def check_parts(
    air: Air,
    central: CentralProcessor,
    access_points: Sequence[AccessPoint],
    user_equipments: Sequence[UserEquipment],
    targets: Sequence[Target],
) -> None:
    """Refuse parts that do not make an emulation.

    Raises
    ------
    TypeError
        If a part is not of its role, such as a class in place of an object.
    ValueError
        If names or antennas differ from the survey, targets are not numbered 0, 1, ..., or access points share a split.
    """
    require("selector", central.selector, ModeSelector)
    require("scheduler", central.scheduler, SlotScheduler)
    if central.estimator is not None:
        require("estimator", central.estimator, Estimator)
    for effect in air.effects:
        require("effect", effect, Effect)
    for nodes, base in ((access_points, AccessPoint), (user_equipments, UserEquipment), (targets, Target)):
        for node in nodes:
            require(f"{base.__name__} of an emulation", node, base)
    for ap in access_points:
        require(f"split of {ap.name}", ap.split, FunctionalSplit)
        if ap.n_antennas != central.network.n_antennas:
            raise ValueError(f"{ap.name} has {ap.n_antennas} antennas, and {central.network.n_antennas} in the survey")
    for target in targets:
        require(f"trajectory of {target.name}", target.trajectory, Trajectory)
    _check_names("access points", [ap.name for ap in access_points], central.network.ap_names)
    _check_names("user equipments", [ue.name for ue in user_equipments], central.network.ue_names)
    _check_names("indices of targets", [target.index for target in targets], range(air.n_targets))
    users = Counter(id(ap.split) for ap in access_points)
    shared = [ap.name for ap in access_points if users[id(ap.split)] > 1]
    if shared:
        raise ValueError(
            f"{', '.join(shared[:8])} share one functional split, which may keep echoes: make one for each"
        )


def _check_names(what: str, got: Sequence[object], expected: Sequence[object]) -> None:
    odd = (Counter(got) - Counter(expected)) + (Counter(expected) - Counter(got))
    if odd:
        first = sorted(map(str, odd))[:8]
        raise ValueError(f"{what}: {', '.join(first)} must be there once, as in the survey, and no other")
