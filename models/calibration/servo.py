"""How what a calibration found is applied to a clock: at once, or by a loop that learns its frequency, too.

Phases are in rad and may exceed a turn; errors are what a calibration found less what was predicted, within half a
turn. A frequency is learnt modulo a turn a period. Not modelled: how well an error was measured counts for nothing.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.calibration.settings import check_between

__all__ = ["Immediate", "ProportionalIntegral", "Servo", "ServoState"]

Float = float | NDArray[np.float64]


class ServoState(NamedTuple):
    """What a servo believes of clocks right after a calibration; numbers, or arrays of one shape."""

    phase_rad: Float = 0.0
    """Phase at the calibration; after the first one what it found."""
    frequency_rad_s: Float = 0.0
    """How fast the phase turns."""


class Servo(ABC):
    """Applies corrections, one after each calibration, and says which phase to expect until the next.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings; what lasts is in the state.
    """

    @abstractmethod
    def predict(self, state: ServoState, since_s: Float) -> Float:
        """Return the phase in rad to expect some time in s, at least 0, after the last calibration."""

    @abstractmethod
    def update(self, state: ServoState, phase_error_rad: Float, step_s: float) -> ServoState:
        """Return the state after a calibration ``step_s`` after the last one.

        Parameters
        ----------
        state
            Of the last calibration.
        phase_error_rad
            What this one found less what was predicted for it.
        step_s
            Time since the last one in s, above 0; periods may differ.
        """


def _check_step(step_s: float) -> None:
    if not step_s > 0.0:
        raise ValueError(f"step_s is {step_s!r}: give the time since the last calibration, above 0 s")


@dataclass(frozen=True, kw_only=True)
class Immediate(Servo):
    """The phase is what was found, until the next calibration."""

    def predict(self, state: ServoState, since_s: Float) -> Float:
        """Return the phase that was found."""
        return state.phase_rad

    def update(self, state: ServoState, phase_error_rad: Float, step_s: float) -> ServoState:
        """Return the phase corrected by all of the error."""
        _check_step(step_s)
        return ServoState(state.phase_rad + phase_error_rad, 0.0 * phase_error_rad)


@dataclass(frozen=True, kw_only=True)
class ProportionalIntegral(Servo):
    """A loop of second order: part of the error corrects the phase, part of it the frequency.

    With T the time since the last calibration, w = 2 pi loop_hz and d the damping, gains are such that errors decay as
    they do in the loop in continuous time, whose poles are -w (d +- sqrt(d^2 - 1)):

        phase     += K e,      K = 1 - e^{-2 d w T}
        frequency += M e / T,  M = (1 - e^{-w T (d - sqrt(d^2 - 1))}) (1 - e^{-w T (d + sqrt(d^2 - 1))})

    It is stable for any periods, equal or not; with a damping below 1 it would not be for some that alternate. Long
    periods make it take phase and frequency from the last two calibrations alone. A constant frequency leaves no error.

    Attributes
    ----------
    loop_hz
        Natural frequency of the loop in Hz, from 1e-6 to 1e6: low to average over many calibrations, high to follow.
    damping
        From 1 to 10.
    """

    loop_hz: float
    damping: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_between(self, "loop_hz", 1e-6, 1e6, "Hz")
        check_between(self, "damping", 1.0, 10.0)

    def predict(self, state: ServoState, since_s: Float) -> Float:
        """Return the phase, turned on at the frequency."""
        return state.phase_rad + state.frequency_rad_s * since_s

    def update(self, state: ServoState, phase_error_rad: Float, step_s: float) -> ServoState:
        """Return phase and frequency corrected by their parts of the error."""
        _check_step(step_s)
        to_phase, to_frequency = self._gains(step_s)
        return ServoState(
            self.predict(state, step_s) + to_phase * phase_error_rad,
            state.frequency_rad_s + to_frequency / step_s * phase_error_rad,
        )

    def _gains(self, step_s: float) -> tuple[float, float]:
        """Return K and M."""
        turn = 2.0 * np.pi * self.loop_hz * step_s
        root = np.sqrt(self.damping**2 - 1.0)
        slow, fast = (float(-np.expm1(-turn * (self.damping + sign * root))) for sign in (-1.0, 1.0))
        return slow + fast - slow * fast, slow * fast
