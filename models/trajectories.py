"""How a target or a user equipment moves."""

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConstantVelocity", "Trajectory", "Waypoints"]


class Trajectory(ABC):
    """Where a node is at any time. An implementation is a frozen, keyword-only dataclass."""

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


@dataclass(frozen=True, kw_only=True)
class Waypoints(Trajectory):
    """Straight lines from place to place at given times; at rest before the first time and after the last.

    Attributes
    ----------
    times_s
        Ascending, in s.
    places_m
        Where it is at each, in m.

    Raises
    ------
    ValueError
        If times do not ascend, or there are not as many as places.

    >>> Waypoints(times_s=(0.0, 2.0), places_m=((0.0, 5.0), (10.0, 5.0))).position_m(0.5)
    array([2.5, 5. ])
    """

    times_s: tuple[float, ...]
    places_m: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.times_s or len(self.times_s) != len(self.places_m):
            raise ValueError(f"times_s is {self.times_s}: give one time for each of {len(self.places_m)} places_m")
        if any(later <= earlier for earlier, later in itertools.pairwise(self.times_s)):
            raise ValueError(f"times_s is {self.times_s}: give times that ascend")

    def position_m(self, time_s: float) -> NDArray[np.float64]:
        """Return the place on the way between the two waypoints about a time."""
        x, y = zip(*self.places_m, strict=True)
        return np.array([np.interp(time_s, self.times_s, x), np.interp(time_s, self.times_s, y)])
