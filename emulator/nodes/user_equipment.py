"""A single-antenna user equipment: it fades, and it receives."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.front_end import FrontEnd, Wander
from emulator.nodes.node import Node
from emulator.randomness import cpi_draw
from emulator.services import Services
from emulator.slot import Slot

__all__ = ["UserEquipment"]


@dataclass(kw_only=True, eq=False)
class UserEquipment(Node):
    """A UE; subclass and override ``receive`` to do something with its samples.

    Attributes
    ----------
    noise_power_w
        Noise power of a complex sample in W.
    front_end
        The phase of its oscillator, which turns what it receives; None for one that never turns.
    slots_received
        Slots whose samples arrived.
    """

    noise_power_w: float
    front_end: FrontEnd | None = None
    slots_received: int = field(default=0, init=False)
    _wander: Wander = field(default=Wander(), init=False)
    """Where its oscillator is."""

    wiring: ClassVar[frozenset[str]] = Node.wiring | {"noise_power_w", "front_end"}

    def receive(self, slot: Slot, samples: NDArray[np.complex128]) -> None:
        """Take the samples of a slot, shape (n_snapshots,); the default only counts them."""
        self.slots_received += 1

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        super().start(services)
        services.air.connect_user_equipment(self.name, self.receive, self.failure)

    def wake(self) -> None:
        """Join the CPI that begins with noise and fading of its own, drawn in one call."""
        services, frame = self.services, self.services.frame
        cpi = frame.cpi_at(self.wake_ns)
        if cpi is not None:
            shape = services.network.n_aps, services.network.n_antennas
            drawn = cpi_draw(self.rng("cpi", cpi), frame.n_samples, shape)
            noise = drawn.noise * self.noise_power_w**0.5
            turn = () if self.front_end is None else (self._turn_rad(cpi, self.front_end),)
            services.air.join(self.name, noise, drawn.scattered, drawn.los_phase_rad, *turn)
        self.wake_ns = frame.next_cpi_ns(self.wake_ns)

    def _turn_rad(self, cpi: int, front: FrontEnd) -> NDArray[np.float64]:
        """Return by how much it turns what it receives in each slot of a CPI."""
        self._wander = self._wander.on_to(cpi, front, self.services.frame, self.services.generator)
        return front.turns(self._wander.phases_rad).receive_rad
