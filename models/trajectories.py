"""How a target moves."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConstantVelocity", "Trajectory"]


class Trajectory(ABC):
    """Where a target is at any time. An implementation is a frozen, keyword-only dataclass."""

    @abstractmethod
    def position_m(self, time_s: float) -> NDArray[np.float64]:
        """Return the position (x, y) in m at ``time_s`` seconds of emulated time."""


@dataclass(frozen=True, kw_only=True)
class ConstantVelocity(Trajectory):
    """A straight line at constant speed; at rest by default.

    Attributes
    ----------
    start_m
        Position at time 0 in m.
    velocity_m_s
        Velocity in m/s.
    """

    start_m: tuple[float, float]
    velocity_m_s: tuple[float, float] = (0.0, 0.0)

    def position_m(self, time_s: float) -> NDArray[np.float64]:
        """Return start + velocity x time."""
        (x, y), (speed_x, speed_y) = self.start_m, self.velocity_m_s
        return np.array([x + time_s * speed_x, y + time_s * speed_y])
