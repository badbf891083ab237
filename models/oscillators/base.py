"""The role of an oscillator: the phase of an AP's or a UE's carrier, against that of a perfect one."""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Oscillator", "OscillatorState"]

Float = NDArray[np.float64]


class OscillatorState(NamedTuple):
    """All that the future of an oscillator depends on: plain numbers, of which a checkpoint can be made."""

    time_error_s: float = 0.0
    """x: how far the oscillator is ahead of a perfect one, in s."""
    fractional_frequency: float = 0.0
    """y: its frequency error over its frequency."""
    loop_phase_rad: float = 0.0
    """o: what a phase-locked loop leaves of the phase, in rad."""

    def phase_rad(self, carrier_hz: float) -> float:
        """Return the phase of the carrier, 2 pi f_c x + o, in rad."""
        return 2.0 * math.pi * carrier_hz * self.time_error_s + self.loop_phase_rad


class Oscillator(ABC):
    """The law of one oscillator. It keeps no state: `advance` takes one and returns the next.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings. `check_oscillator` tests one.
    """

    @abstractmethod
    def initial(self, rng: np.random.Generator, carrier_hz: float) -> OscillatorState:
        """Return a state at time 0, or after a restart."""

    @abstractmethod
    def advance(
        self, state: OscillatorState, steps_s: Float, rng: np.random.Generator, carrier_hz: float
    ) -> tuple[Float, OscillatorState]:
        """Return the phase in rad after each of n steps, shape (n,), and the state after the last.

        The law is exact for steps of any length, 0 included: n steps have that of one step as long as all of them.
        """

    @abstractmethod
    def transition(self, step_s: float, carrier_hz: float) -> tuple[Float, Float]:
        """Return F and Q, shape (3, 3): the state after a step has the mean F (x, y, o) and the covariance Q."""

    @property
    @abstractmethod
    def is_ideal(self) -> bool:
        """Whether the phase is 0 for ever."""

    @abstractmethod
    def start_variance_rad2(self, carrier_hz: float) -> float:
        """Return the variance of the phase at time 0, in rad^2."""

    @abstractmethod
    def phase_variance_rad2(self, since_s: ArrayLike, carrier_hz: float) -> Float:
        """Return the variance of what the phase has changed by, ``since_s`` after time 0, in rad^2, alike in shape.

        It is what is left of the phase when it was known exactly then, and that value is still believed.
        """

    def unmeasured_variance_rad2(self, time_s: float, carrier_hz: float) -> float:
        """Return the variance of the phase at a time, if it was never measured, in rad^2.

        That at time 0 and what came since, which is right where what comes does not depend on what was.
        """
        return self.start_variance_rad2(carrier_hz) + float(self.phase_variance_rad2(time_s, carrier_hz))
