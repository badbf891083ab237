"""A single-antenna user equipment: it moves, it fades, and it receives.

Fading is constant in a CPI. "block": drawn anew for each. "correlated": the scattered part s of each link is a
first-order Gauss-Markov process with the correlation of Clarke's isotropic scattering from one CPI to the next,

    s' = r s + sqrt(1 - r^2) n,   r = J_0(2 pi f_D T),   f_D = speed / wavelength,   T the length of a CPI,

and the phase common to the specular paths is drawn once; they turn with the way that the UE goes. (Clarke, Bell Syst.
Tech. J. 1968; autoregressive models of it: Baddour and Beaulieu, IEEE Trans. Wireless Commun. 2005.) Beyond one CPI a
first-order process has the correlation r^n, not J_0(2 pi f_D n T). Not modelled: Doppler within a CPI.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.front_end import FrontEnd, Wander
from emulator.nodes.node import Node
from emulator.randomness import cpi_draw
from emulator.services import Services
from emulator.slot import Slot
from models.doors import FARTHEST_M, Door
from models.radio.channel import fading_correlation
from models.trajectories import Trajectory

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
    trajectory
        How it moves; None: it stays where the survey has it.
    fading
        "block": drawn anew for each CPI; "correlated": from one CPI to the next as the speed has it.
    slots_received
        Slots whose samples arrived.
    """

    noise_power_w: float
    front_end: FrontEnd | None = None
    trajectory: Trajectory | None = None
    fading: str = "block"
    slots_received: int = field(default=0, init=False)
    _wander: Wander = field(default=Wander(), init=False)
    """Where its oscillator is."""

    _faded: tuple[NDArray[np.complex128], float] | None = field(default=None, init=False)
    """Scattered part and phase of the specular paths in the last CPI, where fading is correlated."""

    wiring: ClassVar[frozenset[str]] = Node.wiring | {"noise_power_w", "front_end", "trajectory", "fading"}

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
            scattered, phase_rad = drawn.scattered, drawn.los_phase_rad
            if self.fading == "correlated":
                scattered, phase_rad = self._faded = self._fade(cpi, scattered, phase_rad)
            turn = () if self.front_end is None else (self._turn_rad(cpi, self.front_end),)
            services.air.join(self.name, noise, scattered, phase_rad, self._place(cpi), *turn)
        self.wake_ns = frame.next_cpi_ns(self.wake_ns)

    def _turn_rad(self, cpi: int, front: FrontEnd) -> NDArray[np.float64]:
        """Return by how much it turns what it receives in each slot of a CPI."""
        self._wander = self._wander.on_to(cpi, front, self.services.frame, self.services.generator)
        return self._wander.in_cpi(cpi)[1]

    def _place(self, cpi: int) -> NDArray[np.float64] | None:
        """Return where it is in the middle of a CPI; None where it does not move."""
        return None if self.trajectory is None else self._at(self.services.frame.cpi_middle_s(cpi))

    def _at(self, time_s: float) -> NDArray[np.float64]:
        """Return where its trajectory has it at a time, checked."""
        door, expected = Door(f"trajectory of {self.name}", "position_m"), "two finite coordinates (x, y) in m"
        place = door.ask(self.trajectory, time_s)
        return door.numbers(self.trajectory, place, (2,), expected, float, FARTHEST_M)

    def _fade(self, cpi: int, fresh: NDArray[np.complex128], phase_rad: float) -> tuple[NDArray[np.complex128], float]:
        """Return scattered part and phase of a CPI: those of the last one, as far as they are still correlated."""
        if self._faded is None:
            return fresh, phase_rad
        last, phase_rad = self._faded
        r = fading_correlation(self._speed_m_s(cpi), self.services.network.wavelength_m, self._cpi_s)
        return r * last + math.sqrt(1.0 - r * r) * fresh, phase_rad

    @property
    def _cpi_s(self) -> float:
        return 1e-9 * self.services.frame.cpi_ns

    def _speed_m_s(self, cpi: int) -> float:
        """Return the mean speed between the middle of the CPI before and that of a CPI."""
        if self.trajectory is None:
            return 0.0
        now_s = self.services.frame.cpi_middle_s(cpi)
        way_m = self._at(now_s) - self._at(now_s - self._cpi_s)
        return float(np.hypot(*way_m)) / self._cpi_s
