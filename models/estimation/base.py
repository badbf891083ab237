"""The role of an estimator: statistics in, target positions out."""

from abc import ABC, abstractmethod
from typing import ClassVar

from models.observation import Estimate, Observation

__all__ = ["Estimator"]


class Estimator(ABC):
    """Locates the targets of one CPI from its sufficient statistics.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings. It keeps no state between
    calls, draws no random numbers and never sees the truth.
    """

    reads_maps: ClassVar[bool] = False
    """Whether it also takes an ``AreaMap`` in place of an observation."""

    @abstractmethod
    def estimate(self, observation: Observation) -> Estimate:
        """Return the targets found, strongest first; none is a valid answer."""
