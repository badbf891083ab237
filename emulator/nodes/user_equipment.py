"""A single-antenna user equipment: it fades, and it receives."""

import cmath
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.nodes.node import Node
from emulator.randomness import complex_normals
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
    slots_received
        Slots whose samples arrived.
    """

    noise_power_w: float
    slots_received: int = field(default=0, init=False)

    wiring: ClassVar[frozenset[str]] = Node.wiring | {"noise_power_w"}

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
            n_samples, shape = frame.n_samples, (services.network.n_aps, services.network.n_antennas)
            rng = self.rng("cpi", cpi)
            normals = complex_normals(rng, 1 + n_samples + shape[0] * shape[1])
            noise = normals[1 : 1 + n_samples] * self.noise_power_w**0.5
            scattered = normals[1 + n_samples :].reshape(shape)
            services.air.join(self.name, noise, scattered, cmath.phase(normals[0]))
        self.wake_ns = frame.next_cpi_ns(self.wake_ns)
