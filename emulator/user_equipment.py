"""A single-antenna user equipment: it fades, and it receives."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.node import Node
from emulator.randomness import complex_normals
from emulator.slot import Slot

if TYPE_CHECKING:
    from emulator.emulation import Emulation

__all__ = ["UserEquipment"]


@dataclass(kw_only=True, eq=False)
class UserEquipment(Node):
    """A UE; subclass and override ``receive`` to do something with its samples.

    Attributes
    ----------
    noise_power_w
        Noise power of a complex sample in W.
    received_energy, samples_received
        Sum of |y|^2 in W and number of samples y since the start.
    """

    noise_power_w: float
    received_energy: float = field(default=0.0, init=False)
    samples_received: int = field(default=0, init=False)
    _noise: NDArray[np.complex128] = field(default_factory=lambda: np.empty(0, dtype=complex), init=False)

    wiring: ClassVar[frozenset[str]] = Node.wiring | {"noise_power_w"}

    def start(self, emulation: "Emulation") -> None:
        """Take the place in an emulation."""
        super().start(emulation)
        emulation.air.connect_user_equipment(self.name, self.on_samples)

    def receive(self, slot: Slot, samples: NDArray[np.complex128]) -> None:
        """Take the samples of a slot, shape (n_snapshots,); the default keeps their mean power."""
        self.received_energy += float(np.vdot(samples, samples).real)
        self.samples_received += samples.size

    @property
    def received_power_w(self) -> float:
        """Mean received power, noise included, in W; 0 before the first slot."""
        return self.received_energy / self.samples_received if self.samples_received else 0.0

    def wake(self) -> None:
        """Draw what a CPI needs at its start, and listen in every slot."""
        frame, now_ns = self.emulation.frame, self.emulation.now_ns
        if now_ns >= frame.lead_ns:
            cpi, position = divmod((now_ns - frame.lead_ns) // frame.slot_ns, frame.n_slots)
            if position == 0:
                self._open(cpi)
            first = position * frame.n_snapshots
            self.emulation.air.tune(self.name, self._noise[first : first + frame.n_snapshots])
        self.wake_ns = frame.next_slot_ns(now_ns)

    def _open(self, cpi: int) -> None:
        emulation = self.emulation
        network, frame = emulation.network, emulation.frame
        rng = emulation.streams.generator(self.name, "fading", cpi)
        los_phase_rad = float(rng.uniform(0.0, 2.0 * np.pi))
        emulation.air.join(self.name, complex_normals(rng, network.n_aps, network.n_antennas), los_phase_rad)
        rng = emulation.streams.generator(self.name, "noise", cpi)
        self._noise = complex_normals(rng, frame.n_slots * frame.n_snapshots) * np.sqrt(self.noise_power_w)

    def on_samples(self, slot: Slot, samples: NDArray[np.complex128]) -> None:
        """Hand the samples to ``receive``; called by the air at slot end."""
        self.call(self.receive, slot, samples)
