"""A passive target: it moves, and it scatters."""

import cmath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from emulator.nodes.node import Node
from emulator.randomness import drawn_phase_rad
from models.doors import FAILURES, FARTHEST_M, Door, is_own
from models.trajectories import Trajectory

__all__ = ["Target"]

LARGEST_SCATTERING_M = 1e6
"""Square root of the largest radar cross section: the 100 dBsm of scenario files, and 20 dB for fluctuation."""


@dataclass(kw_only=True, eq=False)
class Target(Node):
    """A point target; subclass and override ``scatter`` for a fluctuating one.

    Attributes
    ----------
    index
        Its place in arrays of targets.
    trajectory
        How it moves.
    rcs_m2
        Radar cross-section in m^2.
    scatter_phase_rad
        Scattering phase phi_s in rad; None draws one for the whole run.
    """

    index: int
    trajectory: Trajectory
    rcs_m2: float
    scatter_phase_rad: float | None = None

    wiring: ClassVar[frozenset[str]] = Node.wiring | {"index", "trajectory", "rcs_m2"}

    def position_m(self, time_s: float) -> NDArray[np.float64]:
        """Return the position in m at a time in seconds."""
        return self.trajectory.position_m(time_s)

    def path_m(self, times_s: Iterable[float]) -> NDArray[np.float64]:
        """Return the positions in m at some times in seconds, shape (n_times, 2).

        Raises
        ------
        DoorError
            If ``position_m``, of the trajectory or of a subclass, does not give two finite coordinates.
        """
        giver: Target | Trajectory = self.trajectory if is_own(self.position_m, Target.position_m) else self
        door = Door(self.name if giver is self else f"trajectory of {self.name}", "position_m")
        try:
            positions = [giver.position_m(time_s) for time_s in times_s]
        except FAILURES as error:
            door.fail(giver, error)
        expected = "two finite coordinates (x, y) in m a time"
        return door.numbers(giver, positions, (len(positions), 2), expected, float, FARTHEST_M)

    def scatter(self, cpi: int) -> complex:
        """Return sqrt(rcs) e^{j phi} of a CPI, in m."""
        if self.scatter_phase_rad is None:
            self.scatter_phase_rad = drawn_phase_rad(self.services.generator, self.name)
        return cmath.rect(self.rcs_m2**0.5, self.scatter_phase_rad)

    def wake(self) -> None:
        """Stand in the air for the slots of the CPI that begins, in each where the target is at its middle."""
        frame, air = self.services.frame, self.services.air
        cpi = frame.cpi_at(self.wake_ns)
        if cpi is not None:
            first, door = cpi * frame.n_slots, Door(self.name, "scatter")
            positions = self.path_m(frame.slot_middle_s(i) for i in range(first, first + frame.n_slots))
            expected = "a finite number, sqrt(rcs) e^{j phi} in m"
            scattered = door.numbers(self, door.ask(self, cpi), (), expected, largest=LARGEST_SCATTERING_M)
            air.place(self.index, positions, air.unit_amplitude_m2 * complex(scattered))
        self.wake_ns = frame.next_cpi_ns(self.wake_ns)
