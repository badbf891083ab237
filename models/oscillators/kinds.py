"""The kinds of oscillators: each says what the constants of the equation of `models.oscillators.linear` are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.oscillators.linear import Law, LinearOscillator

__all__ = ["Ideal", "PhaseLocked", "Static", "TwoState", "Wiener", "slot_amplitude"]

SMALL_SLOT = 1e-2  # below it a series loses fewer digits than the formula of `slot_amplitude`


@dataclass(frozen=True, kw_only=True)
class Ideal(LinearOscillator):
    """The phase is 0 for ever: the assumption of the paper."""

    def law(self, carrier_hz: float) -> Law:
        """Return zeros."""
        return Law()


@dataclass(frozen=True, kw_only=True)
class Static(LinearOscillator):
    """One phase that never changes, drawn at time 0.

    Attributes
    ----------
    phase_std_rad
        Its standard deviation in rad.
    """

    phase_std_rad: float

    def law(self, carrier_hz: float) -> Law:
        """Return the law of a clock that is late and keeps time."""
        return Law(start_phase_std_rad=self.phase_std_rad)


@dataclass(frozen=True, kw_only=True)
class Wiener(LinearOscillator):
    """A free-running oscillator with a Lorentzian line: its phase is a random walk, of variance 2 pi linewidth t.

    Attributes
    ----------
    linewidth_hz
        Full width of the line at half its height in Hz.
    cfo_std_hz
        Standard deviation of the carrier frequency offset in Hz.
    phase_std_rad
        That of the phase at time 0 in rad.
    """

    linewidth_hz: float
    cfo_std_hz: float = 0.0
    phase_std_rad: float = 0.0

    def law(self, carrier_hz: float) -> Law:
        """Return the law of a clock with q1 = linewidth / (2 pi f_c^2)."""
        return Law(
            white_fm_s=self.linewidth_hz / (2.0 * math.pi * carrier_hz**2),
            start_phase_std_rad=self.phase_std_rad,
            start_frequency_std=self.cfo_std_hz / carrier_hz,
        )


@dataclass(frozen=True, kw_only=True)
class TwoState(LinearOscillator):
    """A clock with white and random-walk noise of its frequency, from the power law of its frequency's spectrum.

        S_y(f) = h_0 + h_-2 / f^2,      q1 = h_0 / 2,     q2 = 2 pi^2 h_-2
        Allan variance  sigma_y^2(tau) = q1 / tau + q2 tau / 3

    Attributes
    ----------
    h0_s
        h_0 in s.
    h_minus_2_per_s
        h_-2 in 1/s.
    cfo_std_hz
        Standard deviation of the carrier frequency offset in Hz.
    phase_std_rad
        That of the phase at time 0 in rad.
    """

    h0_s: float
    h_minus_2_per_s: float
    cfo_std_hz: float = 0.0
    phase_std_rad: float = 0.0

    def law(self, carrier_hz: float) -> Law:
        """Return the law of a clock: the oscillator drives it at any carrier."""
        return Law(
            white_fm_s=0.5 * self.h0_s,
            walk_fm_per_s=2.0 * math.pi**2 * self.h_minus_2_per_s,
            start_phase_std_rad=self.phase_std_rad,
            start_frequency_std=self.cfo_std_hz / carrier_hz,
        )


@dataclass(frozen=True, kw_only=True)
class PhaseLocked(LinearOscillator):
    """What a first-order loop leaves when it locks to a reference that all share: an Ornstein-Uhlenbeck phase.

    Attributes
    ----------
    jitter_s
        Standard deviation of the time error in s, at all times: 2 pi f_c jitter in rad.
    loop_hz
        Bandwidth of the loop in Hz: the phase forgets at 2 pi loop_hz a second.
    phase_std_rad
        Standard deviation of a constant phase besides, for instance of cables, in rad.
    """

    jitter_s: float
    loop_hz: float
    phase_std_rad: float = 0.0

    def law(self, carrier_hz: float) -> Law:
        """Return the law of a loop."""
        return Law(
            loop_phase_std_rad=2.0 * math.pi * carrier_hz * self.jitter_s,
            loop_rate_per_s=2.0 * math.pi * self.loop_hz,
            start_phase_std_rad=self.phase_std_rad,
        )


def slot_amplitude(linewidth_hz: ArrayLike, slot_s: ArrayLike) -> NDArray[np.float64]:
    """Return what a random walk of the phase within a slot leaves of the amplitude, in the root mean square.

        sqrt(G),    G = (2 / x^2) (x - 1 + e^-x) = E |mean of e^(j phase) over the slot|^2,    x = pi linewidth slot

    Parameters
    ----------
    linewidth_hz
        Linewidth of the oscillator in Hz, at least 0.
    slot_s
        Length of the slot in s, at least 0.

    Returns
    -------
    ndarray
        In (0, 1].

    >>> slot_amplitude([0.0, 50.0], 1e-3).round(4)
    array([1.    , 0.9745])
    """
    x = math.pi * np.asarray(linewidth_hz, dtype=float) * np.asarray(slot_s, dtype=float)
    large = np.maximum(x, SMALL_SLOT)
    series = 1.0 - x / 3.0 * (1.0 - x / 4.0 * (1.0 - x / 5.0 * (1.0 - x / 6.0)))
    return np.asarray(np.sqrt(np.where(x < SMALL_SLOT, series, 2.0 / large**2 * (large + np.expm1(-large)))))
