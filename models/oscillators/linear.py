"""Oscillators whose state follows a linear stochastic differential equation: a clock, and the residual of a loop.

    x' = y + sqrt(q1) n1,     y' = sqrt(q2) n2,     o' = -a o + sqrt(2 a) s n3,     phase = 2 pi f_c x + o

A step of any length has a normal law in closed form (Zucca and Tavella 2005 for x and y, an Ornstein-Uhlenbeck process
for o). Not modelled: flicker noise, which has no state of finite size, ageing, temperature.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, fields
from numbers import Real
from typing import NamedTuple, TypeVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from models.oscillators.base import Oscillator, OscillatorState

__all__ = ["Law", "LinearOscillator"]

Float = NDArray[np.float64]
Times = TypeVar("Times", float, Float)
LARGEST = 1e12
"""Of any setting, in its unit."""


class Law(NamedTuple):
    """The constants of the equation and of the state at time 0; all 0 for an ideal oscillator."""

    white_fm_s: float = 0.0
    """q1: white noise of the frequency, in s."""
    walk_fm_per_s: float = 0.0
    """q2: random walk of the frequency, in 1/s."""
    loop_phase_std_rad: float = 0.0
    """s: standard deviation of the loop's residual phase, at all times."""
    loop_rate_per_s: float = 0.0
    """a: how fast the loop corrects."""
    start_phase_std_rad: float = 0.0
    """Standard deviation of 2 pi f_c x at time 0."""
    start_frequency_std: float = 0.0
    """Standard deviation of y at time 0."""


@dataclass(frozen=True, kw_only=True)
class LinearOscillator(Oscillator):
    """An oscillator that is known by its `Law`. Settings are numbers that are not negative."""

    def __post_init__(self) -> None:
        """Check the settings."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not (isinstance(value, Real) and 0.0 <= float(value) <= LARGEST):
                raise ValueError(f"{field.name} is {value!r}: give a number from 0 to {LARGEST:g}")

    @abstractmethod
    def law(self, carrier_hz: float) -> Law:
        """Return the constants of the equation at a carrier frequency."""

    @property
    def is_ideal(self) -> bool:
        """Whether nothing ever moves the phase away from 0."""
        return not any(self.law(1.0)._replace(loop_rate_per_s=0.0))

    def initial(self, rng: np.random.Generator, carrier_hz: float) -> OscillatorState:
        """Return a state at time 0, or after a restart; takes three numbers from the generator."""
        law, numbers = self.law(carrier_hz), rng.standard_normal(3)
        scale = law.start_phase_std_rad / (2.0 * math.pi * carrier_hz), law.start_frequency_std, law.loop_phase_std_rad
        return OscillatorState(*(numbers * scale).tolist())

    def advance(
        self, state: OscillatorState, steps_s: Float, rng: np.random.Generator, carrier_hz: float
    ) -> tuple[Float, OscillatorState]:
        """Return the phase in rad after each of n steps, shape (n,), and the state after the last.

        Each step takes three numbers from the generator, so that n steps in one call draw what n calls would.

        Raises
        ------
        ValueError
            If a step is negative.
        """
        steps, law = np.asarray(steps_s, dtype=float), self.law(carrier_hz)
        if not len(steps):
            return np.zeros(0), state
        if not steps.min() >= 0.0:
            raise ValueError(f"steps_s holds {steps.min()}: give steps of 0 s or more")
        numbers = rng.standard_normal((len(steps), 3))
        time_error, frequency = _clock(law, state, steps, numbers[:, 0], numbers[:, 1])
        loop = _loop(law, state.loop_phase_rad, steps, numbers[:, 2])
        phases = 2.0 * math.pi * carrier_hz * time_error + loop
        return phases, OscillatorState(float(time_error[-1]), float(frequency[-1]), float(loop[-1]))

    def transition(self, step_s: float, carrier_hz: float) -> tuple[Float, Float]:
        """Return F and Q, shape (3, 3), of one step.

        F = [[1, dt, 0], [0, 1, 0], [0, 0, e^(-a dt)]]
        Q = [[q1 dt + q2 dt^3 / 3, q2 dt^2 / 2, 0], [q2 dt^2 / 2, q2 dt, 0], [0, 0, s^2 (1 - e^(-2 a dt))]]
        """
        law, dt = self.law(carrier_hz), step_s
        q1, q2, loop = law.white_fm_s, law.walk_fm_per_s, law.loop_rate_per_s * dt
        mean = np.array([[1.0, dt, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, math.exp(-loop)]])
        covariance = np.zeros((3, 3))
        covariance[:2, :2] = [[q1 * dt + q2 * dt**3 / 3.0, q2 * dt**2 / 2.0], [q2 * dt**2 / 2.0, q2 * dt]]
        covariance[2, 2] = -(law.loop_phase_std_rad**2) * math.expm1(-2.0 * loop)
        return mean, covariance

    def start_variance_rad2(self, carrier_hz: float) -> float:
        """Return the variance of the phase at time 0, in rad^2."""
        law = self.law(carrier_hz)
        return law.start_phase_std_rad**2 + law.loop_phase_std_rad**2

    def phase_variance_rad2(self, since_s: ArrayLike, carrier_hz: float) -> Float:
        """Return the variance of what the phase has changed by, ``since_s`` after time 0, in rad^2.

        (2 pi f_c)^2 (q1 t + q2 t^3 / 3 + s_y^2 t^2) + 2 s^2 (1 - e^(-a t)),    s_y: of the frequency at time 0
        """
        law, t = self.law(carrier_hz), np.asarray(since_s, dtype=float)[()]  # of one time, a number: less than an array
        loop = -2.0 * law.loop_phase_std_rad**2 * np.expm1(-law.loop_rate_per_s * t)
        return np.asarray(_clock_variance_rad2(law, t, carrier_hz) + loop)

    def unmeasured_variance_rad2(self, time_s: float, carrier_hz: float) -> float:
        """Return the variance of the phase at a time, if it was never measured: that of a loop is the same at all."""
        drift_rad2 = _clock_variance_rad2(self.law(carrier_hz), time_s, carrier_hz)
        return self.start_variance_rad2(carrier_hz) + drift_rad2


def _clock_variance_rad2(law: Law, t: Times, carrier_hz: float) -> Times:
    clock = t * (law.white_fm_s + t * (law.start_frequency_std**2 + t * (law.walk_fm_per_s / 3.0)))
    return (2.0 * math.pi * carrier_hz) ** 2 * clock


def _clock(law: Law, state: OscillatorState, steps: Float, white: Float, walk: Float) -> tuple[Float, Float]:
    """Return x and y after each step; given what y gains, x gains half of it a unit of time, and noise of its own."""
    gained = np.sqrt(law.walk_fm_per_s * steps) * walk
    frequency = state.fractional_frequency + np.cumsum(gained)
    own = np.sqrt(law.white_fm_s * steps + law.walk_fm_per_s * steps**3 / 12.0) * white
    return state.time_error_s + np.cumsum((frequency - 0.5 * gained) * steps + own), frequency


def _loop(law: Law, start_rad: float, steps: Float, numbers: Float) -> Float:
    """Return o after each step, o' = e^(-a dt) o + noise: a triangular system with one band below its diagonal."""
    turns = law.loop_rate_per_s * steps
    change = law.loop_phase_std_rad * np.sqrt(-np.expm1(-2.0 * turns)) * numbers
    decay = np.exp(-turns)
    change[0] += decay[0] * start_rad
    bands = np.ones((2, len(steps)))
    bands[1, :-1] = -decay[1:]
    return np.asarray(scipy.linalg.blas.dtbsv(1, bands, change, lower=1, diag=1))
