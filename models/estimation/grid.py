"""The trivial baseline: the strongest cell of the non-coherent map, if it is above the threshold."""

from dataclasses import dataclass

import numpy as np

from models.estimation.base import Estimator
from models.estimation.detection import map_threshold
from models.estimation.likelihood import Echoes, grid_phasors, noncoherent_power
from models.estimation.mixture import noncoherent_covariance_m2
from models.estimation.settings import check_map_settings
from models.observation import Estimate, Observation

__all__ = ["GridEstimator"]


@dataclass(frozen=True, kw_only=True)
class GridEstimator(Estimator):
    """Report the strongest grid point, not resolved, or nothing.

    The covariance is the non-coherent one, plus that of a position anywhere in a cell, step^2 / 12 along each axis.

    Attributes
    ----------
    grid_step_m
        Step of the map in m, > 0.
    false_alarm_probability
        That a map of noise alone yields a target, in (0, 1).
    """

    grid_step_m: float = 10.0
    false_alarm_probability: float = 1e-3

    def __post_init__(self) -> None:
        """Check the settings."""
        check_map_settings(self, self.grid_step_m, self.false_alarm_probability)

    def estimate(self, observation: Observation) -> Estimate:
        """Return at most one target."""
        echoes = Echoes.of(observation)
        points, phasor = grid_phasors(observation.network, observation.area, self.grid_step_m)
        power = noncoherent_power(echoes, phasor)
        threshold = map_threshold(echoes, observation.area, self.grid_step_m, self.false_alarm_probability)
        best = points[[int(np.argmax(power))]]
        if not power.max() > threshold:
            return Estimate(positions_m=best[:0], resolved=np.zeros(0, dtype=bool), covariance_m2=np.zeros((0, 2, 2)))
        cell = self.grid_step_m**2 / 12.0 * np.eye(2)
        covariance = noncoherent_covariance_m2(echoes, best) + cell
        return Estimate(positions_m=best, resolved=np.zeros(1, dtype=bool), covariance_m2=covariance)
