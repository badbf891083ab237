"""Doors: what a strategy or hook hands over is checked where it is taken; errors say role, class and what is expected.

A strategy is a class of whoever wrote it. What it returns is checked once, by the one who called it, so that a mistake
is told where it was made and not where it was stumbled over. What passes is read-only and nobody else's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import Corrections, Measurements, PilotSlot
from models.calibration.servo import ServoState
from models.network import Mode, ModeAssignment, Network
from models.observation import REASONS, AreaMap, Estimate, Observation
from models.oscillators.base import OscillatorState
from models.readonly import sealed, taken
from models.view import View

if TYPE_CHECKING:
    from models.calibration.base import PhaseCalibration
    from models.calibration.servo import Servo
    from models.estimation.base import Estimator
    from models.oscillators.base import Oscillator
    from models.schedulers import SlotScheduler
    from models.selection.base import ModeSelector

__all__ = [
    "FAILURES", "FARTHEST_M", "STRONGEST", "Door", "DoorError", "advanced", "bounded", "calibrated", "estimated",
    "is_own", "left_over", "ordered", "piloted", "predicted", "require", "selected", "started", "updated",
    "variance_rad2",
]  # fmt: skip

FAILURES = (Exception, SystemExit)
"""What a strategy or hook may raise: one that ends the process has failed, too."""
INTEGER = (int, np.integer)
LONGEST = 80
FARTHEST_M = 1e10
"""No coordinate is larger: what moves at 100 km/s from the edge of the largest area gets there in a day."""
STRONGEST = 1e15
"""No number that a strategy or hook gives is larger, if nothing else is said: a sample of it is 1e30 W."""
ROUNDING = 1e-6
"""By what part of its largest entry a covariance may fail to be one."""
ESTIMATED: tuple[tuple[str, tuple[int, ...], type, float], ...] = (
    ("resolved", (), bool, 1.0),
    ("covariance_m2", (2, 2), float, FARTHEST_M**4),
    ("amplitudes", (), complex, STRONGEST),
)
"""What an estimate says of each position: name, shape, type, and the largest number in it."""


LARGEST_PHASE = 1e6  # rad
LARGEST_VARIANCE = 1e150  # rad^2


class DoorError(ValueError):
    """A strategy or hook failed, or returned what its role does not allow; the text names role, class and method."""


@dataclass(frozen=True)
class Door:
    """Where what a method of a role returns is taken.

    Attributes
    ----------
    role
        What the object is for, as "estimator".
    method
        Name of the method; empty if the object itself is called.
    """

    role: str
    method: str = ""

    def of(self, giver: object) -> str:
        """Return what to call the method of an object, as "estimator Grid.estimate"."""
        name = getattr(giver, "__qualname__", type(giver).__qualname__)
        return f"{self.role} {name}{'.' if self.method else ''}{self.method}"

    def ask(self, giver: object, *args: Any) -> Any:
        """Return what the method gives.

        Raises
        ------
        DoorError
            If it raises an error; the text says whose it is.
        """
        try:
            return (getattr(giver, self.method) if self.method else giver)(*args)  # type: ignore[operator]
        except FAILURES as error:
            self.fail(giver, error)

    def fail(self, giver: object, error: BaseException) -> NoReturn:
        """Raise the error that says in which method of which object another one was raised."""
        raise DoorError(f"{self.of(giver)}: {type(error).__name__}: {error}") from error

    def refuse(self, giver: object, got: object, expected: str) -> NoReturn:
        """Raise the error that says what was returned and what is expected."""
        raise DoorError(f"{self.of(giver)} returned {_shown(got)}; expected {expected}")

    def numbers(
        self,
        giver: object,
        got: object,
        shape: tuple[int | None, ...],
        expected: str,
        dtype: type = complex,
        largest: float = STRONGEST,
    ) -> NDArray[Any]:
        """Return finite numbers of a shape, none beyond the largest, read-only; None in the shape is any length.

        Raises
        ------
        DoorError
            If it is something else.
        """
        try:
            array = np.asarray(got)
        except (ValueError, TypeError):  # of lists of different lengths, for one
            self.refuse(giver, got, expected)
        if array.shape == shape and array.dtype == dtype and bounded(array, largest):
            return taken(array)
        if not array.size and None in shape:  # nothing is nothing, whatever its shape
            array = np.zeros([length or 0 for length in shape], dtype=dtype)
        fits = len(array.shape) == len(shape) and all(n in (m, None) for m, n in zip(array.shape, shape, strict=True))
        if not (fits and np.can_cast(array.dtype, dtype, "same_kind")):
            self.refuse(giver, got, expected)
        array = array.astype(dtype)
        if not bounded(array, largest):
            self.refuse(giver, got, f"{expected}; at most {largest:g}")
        return sealed(array)


def _shown(value: object) -> str:
    if isinstance(value, ModeAssignment):
        return f"{len(value.receivers)} receivers and {len(value.transmitters)} transmitters of {len(value.modes)} APs"
    if isinstance(value, np.ndarray) and (value.ndim > 1 or value.size > 3):
        return f"an array of shape {value.shape} and type {value.dtype}{_oddity(value)}"
    text = f"the class {value.__qualname__}" if isinstance(value, type) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _oddity(array: NDArray[Any]) -> str:
    if array.dtype.kind not in "fc" or bounded(array, FARTHEST_M):
        return ""
    largest = max(np.abs(array.real).max(), np.abs(array.imag).max())
    return f" with values up to {largest:g}" if np.isfinite(largest) else " with values that are not finite"


def bounded(array: NDArray[Any], largest: float = STRONGEST) -> bool:
    """Return whether all numbers are finite and at most so large; where they clearly are, in one pass and no memory."""
    parts = np.asarray(array)
    if np.vdot(parts, parts).real <= largest**2:
        return True
    return bool((np.abs(parts.real) <= largest).all() and (np.abs(parts.imag) <= largest).all())


def is_own(hook: Any, of_base: Any) -> bool:
    """Return whether a hook of an object is the one of its base class, which needs no check."""
    return getattr(hook, "__func__", None) is of_base


def require(role: str, value: object, base: type) -> None:
    """Refuse an object that is not of a role.

    Raises
    ------
    TypeError
        If it is no object of a subclass of ``base``.
    """
    if not isinstance(value, base):
        raise TypeError(f"{role}: got {_shown(value)}; give an object of a subclass of {base.__name__}")


def selected(selector: "ModeSelector", view: View, rng: np.random.Generator) -> ModeAssignment:
    """Return the modes that a selector chooses.

    Raises
    ------
    DoorError
        If it chooses another number of receivers than ``view.n_receivers``, no transmitter, or returns no assignment.
    """
    door, n_aps = Door("selector", "select"), view.network.n_aps
    got = door.ask(selector, view, rng)
    modes = tuple(got.modes) if isinstance(got, ModeAssignment) else ()
    n_receive, n_transmit, n_idle = (modes.count(mode) for mode in (Mode.RECEIVE, Mode.TRANSMIT, Mode.IDLE))
    if not (n_transmit and n_receive == view.n_receivers and n_receive + n_transmit + n_idle == len(modes) == n_aps):
        expected = f"a ModeAssignment of {n_aps} APs, of which {view.n_receivers} receive and one or more transmit"
        door.refuse(selector, got, expected)
    return ModeAssignment(modes)


def ordered(scheduler: "SlotScheduler", assignment: ModeAssignment, view: View, n_slots: int) -> tuple[int, ...]:
    """Return the sensing transmitter of each slot that a scheduler chooses, as indices of APs.

    Raises
    ------
    DoorError
        If these are not ``n_slots`` indices of transmitting APs.
    """
    door, transmitters = Door("scheduler", "order"), assignment.transmitters.tolist()
    got = door.ask(scheduler, assignment, view, n_slots)
    order = list(got) if isinstance(got, Iterable) else []
    may_sense = set(transmitters)
    if len(order) != n_slots or not all(isinstance(index, INTEGER) and index in may_sense for index in order):
        door.refuse(scheduler, got, f"{n_slots} indices, one a slot, of APs that transmit: {transmitters}")
    return tuple(map(int, order))


def estimated(estimator: "Estimator", observation: Observation | AreaMap) -> Estimate:
    """Return what an estimator finds in an observation, or in a map if it reads maps.

    Raises
    ------
    DoorError
        If it returns no Estimate, or one whose positions are not finite or whose parts differ in length, with what is
        no covariance, or with a reason of a target that is resolved.
    """
    door = Door("estimator", "estimate")
    got = door.ask(estimator, observation)
    if not isinstance(got, Estimate):
        door.refuse(estimator, got, "an Estimate; one without positions if nothing is found")
    expected = "positions_m: finite, shape (n_found, 2)"
    positions = door.numbers(estimator, got.positions_m, (None, 2), expected, float, FARTHEST_M)
    n_found = len(positions)
    checked: dict[str, Any] = {"positions_m": positions, "limited": _limited(door, estimator, got.limited)}
    for name, shape, dtype, largest in ESTIMATED:
        value = getattr(got, name)
        if value is None and name != "resolved":
            continue
        expected = f"{name}: {dtype.__name__}, finite, shape {(n_found, *shape)}, as there are {n_found} positions_m"
        checked[name] = door.numbers(estimator, value, (None, *shape), expected, dtype, largest)
        if len(checked[name]) != n_found:
            door.refuse(estimator, value, expected)
    if not _are_covariances(checked.get("covariance_m2")):
        expected = "covariance_m2: symmetric matrices without negative eigenvalues"
        door.refuse(estimator, checked["covariance_m2"].tolist(), expected)
    _check_reasons(door, estimator, got.reasons, checked["resolved"])
    return replace(got, **checked, **_phases(door, estimator, got, observation.network.n_aps))


def _phases(door: Door, estimator: "Estimator", got: Estimate, n_aps: int) -> dict[str, Any]:
    """Return the phases of all APs that an estimate holds, and their covariance: both or none."""
    values = (got.phases_rad, got.phase_covariance_rad2)
    if all(value is None for value in values):
        return {}
    shapes = {"phases_rad": (n_aps,), "phase_covariance_rad2": (n_aps, n_aps)}
    return {
        name: door.numbers(estimator, value, shape, f"{name}: finite, shape {shape}, of all APs", float, LARGEST_PHASE)
        for (name, shape), value in zip(shapes.items(), values, strict=True)
    }


def _limited(door: Door, estimator: "Estimator", limited: object) -> bool:
    if not isinstance(limited, bool | np.bool_):
        door.refuse(estimator, limited, "limited: True or False")
    return bool(limited)


def _are_covariances(matrices: NDArray[Any] | None) -> bool:
    """Return whether these are covariances, up to rounding; None are."""
    if matrices is None or not matrices.size:
        return True
    scale = np.abs(matrices).max(axis=(1, 2))
    symmetric = np.abs(matrices - matrices.swapaxes(1, 2)).max(axis=(1, 2)) <= ROUNDING * scale
    return bool(symmetric.all() and (np.linalg.eigvalsh(matrices)[:, 0] >= -ROUNDING * scale).all())


def _check_reasons(door: Door, estimator: "Estimator", reasons: Any, resolved: NDArray[np.bool_]) -> None:
    n_found = len(resolved)
    known = isinstance(reasons, tuple) and all(r is None or (isinstance(r, str) and r in REASONS) for r in reasons)
    if not (known and len(reasons) in (0, n_found)):
        expected = f"reasons: nothing, or one for each of {n_found} positions_m: None or {', '.join(REASONS)}"
        door.refuse(estimator, reasons, expected)
    if any(reason is not None and is_resolved for reason, is_resolved in zip(reasons, resolved, strict=False)):
        door.refuse(estimator, reasons, "reasons: None for a target that is resolved")


def piloted(calibration: "PhaseCalibration", network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
    """Return the slots of a calibration of some APs.

    Raises
    ------
    DoorError
        If in one of them another AP sends or listens, one does both, or nobody listens.
    """
    door, members = Door("calibration", "transmissions"), {int(i) for i in aps}
    got = door.ask(calibration, network, aps)
    slots = tuple(got) if isinstance(got, Iterable) else (None,)
    if not all(isinstance(slot, PilotSlot) and _is_half_duplex(slot, members) for slot in slots):
        door.refuse(calibration, got, f"PilotSlots in which one of {sorted(members)} sends and others of them listen")
    return slots


def _is_half_duplex(slot: PilotSlot, members: set[int]) -> bool:
    listening = set(slot.receivers)
    return bool(listening) and slot.transmitter in members and listening <= members - {slot.transmitter}


def calibrated(calibration: "PhaseCalibration", measurements: Measurements) -> Corrections:
    """Return what a calibration makes of measurements.

    Raises
    ------
    DoorError
        If it returns no Corrections, or numbers that are not finite or of another shape, or what is no covariance.
    """
    door, n = Door("calibration", "solve"), measurements.network.n_aps
    got = door.ask(calibration, measurements)
    if not isinstance(got, Corrections):
        door.refuse(calibration, got, "Corrections")
    checked = {
        name: door.numbers(calibration, getattr(got, name), shape, f"{name}: finite, shape {shape}", dtype)
        for name, shape, dtype in (
            ("transmit_rad", (n,), float), ("receive_rad", (n,), float), ("covariance_rad2", (2 * n, 2 * n), float),
            ("covered", (2, n), bool),
        )
    }  # fmt: skip
    if not _are_covariances(checked["covariance_rad2"][None]):
        expected = "covariance_rad2: symmetric, without negative eigenvalues"
        door.refuse(calibration, got.covariance_rad2, expected)
    return Corrections(**checked)


def left_over(
    calibration: "PhaseCalibration", measurements: Measurements, found: Corrections
) -> NDArray[np.float64] | None:
    """Return by how much measurements differ from what a calibration found, or None if it does not tell.

    Raises
    ------
    DoorError
        If it returns anything but finite numbers, one for each receiver and sender.
    """
    door, n = Door("calibration", "left_rad"), measurements.network.n_aps
    got = door.ask(calibration, measurements, found)
    if got is None:
        return None
    return door.numbers(calibration, got, (n, n), f"None, or finite phases of shape {(n, n)}", float)


# -- clocks -----------------------------------------------------------------------------------------------------------


def started(law: "Oscillator", rng: np.random.Generator, carrier_hz: float) -> OscillatorState:
    """Return the state of an oscillator that begins; raises DoorError if it is none."""
    door = Door("oscillator", "initial")
    got = door.ask(law, rng, carrier_hz)
    if not isinstance(got, OscillatorState):
        door.refuse(law, got, "an OscillatorState")
    return got


def advanced(
    law: "Oscillator", state: OscillatorState, steps_s: NDArray[Any], rng: np.random.Generator, carrier_hz: float
) -> tuple[NDArray[np.float64], OscillatorState]:
    """Return the phases of an oscillator after some steps, and its state; raises DoorError if they are none."""
    door = Door("oscillator", "advance")
    got = door.ask(law, state, steps_s, rng, carrier_hz)
    if not (isinstance(got, tuple) and len(got) == 2 and isinstance(got[1], OscillatorState)):
        door.refuse(law, got, f"a phase after each of {len(steps_s)} steps, and an OscillatorState")
    expected = f"finite phases in rad of shape {steps_s.shape}"
    return door.numbers(law, got[0], steps_s.shape, expected, float), got[1]


def variance_rad2(law: "Oscillator", method: str, time_s: float, carrier_hz: float) -> float:
    """Return the variance of a phase that a method of an oscillator tells; raises DoorError if it is none."""
    door, expected = Door("oscillator", method), "a finite variance >= 0 in rad^2"
    got = door.ask(law, time_s, carrier_hz)
    found = float(door.numbers(law, got, (), expected, float, LARGEST_VARIANCE))
    if found < 0.0:
        door.refuse(law, got, expected)
    return found


def updated(servo: "Servo", state: ServoState, error_rad: NDArray[Any], step_s: float) -> ServoState:
    """Return the state of a servo after a calibration; raises DoorError if it is none."""
    door = Door("servo", "update")
    got = door.ask(servo, state, error_rad, step_s)
    if not isinstance(got, ServoState):
        door.refuse(servo, got, "a ServoState")
    return got


def predicted(servo: "Servo", state: ServoState, since_s: NDArray[Any]) -> NDArray[np.float64]:
    """Return tau and rho that a servo expects, shape (2, 1) or (2, n); raises DoorError if they are something else."""
    door = Door("servo", "predict")
    got = door.ask(servo, state, since_s)
    expected = f"finite phases in rad of shape (2, {len(since_s)}), or (2, 1) if they stay"
    n_times = 1 if np.shape(got) == (2, 1) else len(since_s)
    return door.numbers(servo, got, (2, n_times), expected, float)
