"""The phases of a node's radio: its oscillator, whose phase is state of the network, and its two chains.

What is transmitted is turned by tau(t) = theta(t) + its transmit chain, what is received by rho(t) = -theta(t) + its
receive chain. A phase holds for a slot, from its middle. What an access point knows of its phases it takes off again
(``emulator.nodes.access_point``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from emulator.slot import Frame
from models.calibration.servo import Servo, ServoState
from models.doors import advanced, predicted, started, updated, variance_rad2
from models.oscillators.base import Oscillator, OscillatorState
from models.readonly import sealed

__all__ = ["Corrected", "FrontEnd", "Wander"]

Float = NDArray[np.float64]
Draw = Callable[[str, str, int], np.random.Generator]
"""The random numbers of a node, for a purpose, at a counter."""
PURPOSE = "oscillator"
BLOCK_CPIS = 16
"""CPIs of which the phases are drawn together: a call takes about as long for one as for all of them."""


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """What the radio of a node is made of, as far as its phase is concerned.

    Attributes
    ----------
    oscillator
        The law of its oscillator.
    carrier_hz
        The carrier that it makes.
    reference
        Whose random numbers move the oscillator: the name of the node, or that of a reference that nodes share.
    transmit_rad, receive_rad
        Phases of the transmit and of the receive chain.
    chains_std_rad
        Standard deviations of the two, as far as anybody knows: what a calibration may start from.
    """

    oscillator: Oscillator
    carrier_hz: float
    reference: str
    transmit_rad: float = 0.0
    receive_rad: float = 0.0
    chains_std_rad: tuple[float, float] = (0.0, 0.0)

    def turns(self, phases_rad: Float) -> Float:
        """Return tau and rho for phases theta of the oscillator, shape (..., n_slots), as (..., 2, n_slots)."""
        return np.stack([phases_rad + self.transmit_rad, self.receive_rad - phases_rad], axis=-2)

    def drift_rad2(self, since_s: float) -> float:
        """Return the variance of what theta has changed by since it was known."""
        return variance_rad2(self.oscillator, "phase_variance_rad2", since_s, self.carrier_hz)

    def unmeasured_rad2(self, time_s: float) -> float:
        """Return the variance of theta at a time, never measured."""
        return variance_rad2(self.oscillator, "unmeasured_variance_rad2", time_s, self.carrier_hz)


class Wander(NamedTuple):
    """Where an oscillator is: what it turns in a block of CPIs, and its state at the middle of the last slot.

    The numbers of a block are drawn at the address of its first CPI, whether or not anybody asked in those before: who
    asks when, and how often, changes no path.
    """

    first: int = 0
    """First CPI of the block."""
    state: OscillatorState | None = None
    """None before it was drawn."""
    turns: Float = sealed(np.empty((0, 2, 0)))
    """tau and rho of the front end in each slot, shape (CPIs of the block, 2, n_slots), in rad."""

    def on_to(self, cpi: int, front: FrontEnd, frame: Frame, draw: Draw) -> Self:
        """Return the block of a CPI that has come."""
        wander = self
        while wander.first + len(wander.turns) <= cpi:
            wander = wander._next(front, frame, draw)
        return wander

    @property
    def last(self) -> int:
        """Last CPI of the block; -1 before the first."""
        return self.first + len(self.turns) - 1

    def in_cpi(self, cpi: int) -> Float:
        """Return tau and rho in the slots of a CPI of the block, shape (2, n_slots)."""
        turns: Float = self.turns[cpi - self.first]
        return turns

    def _next(self, front: FrontEnd, frame: Frame, draw: Draw) -> Self:
        law, carrier_hz, state, first = front.oscillator, front.carrier_hz, self.state, self.last + 1
        if state is None:
            state = started(law, draw(front.reference, f"{PURPOSE} start", first), carrier_hz)
        n_cpis = BLOCK_CPIS - first % BLOCK_CPIS
        steps_s = np.full(n_cpis * frame.n_slots, 1e-9 * frame.slot_ns)
        if first == 0:
            steps_s[0] = frame.slot_middle_s(0)
        phases_rad, state = advanced(law, state, steps_s, draw(front.reference, PURPOSE, first), carrier_hz)
        return type(self)(first, state, sealed(front.turns(phases_rad.reshape(n_cpis, frame.n_slots))))

    def restarted(self, cpi: int, front: FrontEnd, draw: Draw) -> Self:
        """Return where the oscillator is if it starts anew in a CPI, with a phase of its own that nobody knows."""
        numbers = draw(front.reference, f"{PURPOSE} restart", cpi)
        state = started(front.oscillator, numbers, front.carrier_hz)
        anywhere_s = numbers.uniform() / front.carrier_hz
        state = state._replace(time_error_s=state.time_error_s + anywhere_s)
        return type(self)(cpi + 1, state, self.turns[:0])


class Corrected(NamedTuple):
    """What a node takes off its phases: what its servo expects of tau and rho since they were measured."""

    measured_ns: int = 0
    state: ServoState = ServoState(np.zeros((2, 1)), np.zeros((2, 1)))
    """Arrays of shape (2, 1)."""

    def updated(self, servo: Servo, measured_ns: int, errors_rad: Float) -> Self:
        """Return the corrections after a measurement of what they left of tau and rho, shape (2,)."""
        step_s = max(1e-9 * (measured_ns - self.measured_ns), 1e-9)
        return type(self)(measured_ns, updated(servo, self.state, errors_rad[:, None], step_s))

    def expected_rad(self, servo: Servo, frame: Frame, start_ns: int) -> Float:
        """Return tau and rho as expected in the slots of a CPI, shape (2, n_slots), or (2, 1) if they stay."""
        return predicted(servo, self.state, frame.middles_s(start_ns - self.measured_ns))
