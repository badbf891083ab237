"""The paper's own way: CFAR on the non-coherent map, then local refinement of the coherent cost (15).

Every detection is refined on its own, and none is questioned: neither the lobe of the carrier phase that the local
refinement ends in, nor sidelobes of stronger targets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from models.estimation.base import Estimator
from models.estimation.detection import cell_averaging_threshold, local_maxima, map_cells
from models.estimation.likelihood import (
    Echoes,
    coherent_free_power,
    degrees_of_freedom,
    grid_phasors,
    noncoherent_power,
)
from models.estimation.mixture import Fit, fit, position_covariance_m2
from models.estimation.peaks import coarse_peaks
from models.estimation.settings import check_map_settings
from models.observation import Estimate, Observation

__all__ = ["PaperEstimator"]

Float = NDArray[np.float64]

MOST_CELLS = 1000


@dataclass(frozen=True, kw_only=True)
class PaperEstimator(Estimator):
    """Cell-averaging CFAR, local maxima, gradient refinement of (15) from each; all reported as resolved.

    Attributes
    ----------
    grid_step_m
        Step of the map in m, > 0.
    false_alarm_probability
        That a map of noise alone yields a target, in (0, 1).
    guard_cells, training_cells
        Half width of the guard square (0 to 1000) and width of the training ring (1 to 1000) of the CFAR.
    """

    grid_step_m: float = 10.0
    false_alarm_probability: float = 1e-3
    guard_cells: int = 12
    training_cells: int = 8

    def __post_init__(self) -> None:
        """Check the settings."""
        check_map_settings(self, self.grid_step_m, self.false_alarm_probability)
        for name, least in (("guard_cells", 0), ("training_cells", 1)):
            cells = getattr(self, name)
            if not (isinstance(cells, int | np.integer) and least <= cells <= MOST_CELLS):
                allowed = f"a whole number of cells, from {least} to {MOST_CELLS}"
                raise ValueError(f"PaperEstimator.{name} is {cells!r}: give {allowed}")

    def estimate(self, observation: Observation) -> Estimate:
        """Return one target for each maximum of the map that passes the CFAR, strongest first."""
        echoes = Echoes.of(observation)
        peaks = self._detections(echoes, observation)
        starts = coarse_peaks(echoes, peaks, observation.area).positions_m if len(peaks) else peaks
        found = [_refined(echoes, start) for start in starts]
        found.sort(key=lambda item: -item[0])
        return Estimate(
            positions_m=np.array([position for _, position, _ in found]).reshape(-1, 2),
            covariance_m2=np.array([covariance for _, _, covariance in found]).reshape(-1, 2, 2),
            resolved=np.ones(len(found), dtype=bool),
        )

    def _detections(self, echoes: Echoes, observation: Observation) -> Float:
        """Return the grid points that are local maxima and pass the CFAR, shape (n, 2) in m."""
        pairs = degrees_of_freedom(echoes)
        if pairs == 0:
            return np.empty((0, 2))
        points, phasor = grid_phasors(observation.network, observation.area, self.grid_step_m)
        x, y = observation.area.grid(self.grid_step_m)
        power = noncoherent_power(echoes, phasor).reshape(len(y), len(x)).astype(float)
        probability = self.false_alarm_probability / map_cells(echoes, observation.area, self.grid_step_m)
        threshold = cell_averaging_threshold(power, pairs, probability, self.guard_cells, self.training_cells)
        peaks = local_maxima(power)
        return points[peaks[power.ravel()[peaks] > threshold.ravel()[peaks]]]


def _refined(echoes: Echoes, start_m: Float) -> tuple[float, Float, Float]:
    """Return power, position and covariance at the local maximum of (15) reached from a start.

    The search runs in units of 1/k, in which the lobes of the carrier phase are about one wide.
    """
    unit_m = 1.0 / echoes.network.wavenumber_rad_m

    def descend(offset: Float) -> tuple[float, Float]:
        found = _fit_free(echoes, start_m + unit_m * offset)
        return -float(found.power[0]), -unit_m * found.gradient[0, :2]

    result = optimize.minimize(descend, np.zeros(2), jac=True, method="BFGS", options={"maxiter": 100})
    position = start_m + unit_m * result.x
    found = _fit_free(echoes, position)
    return float(found.power[0]), position, position_covariance_m2(found.information[0], 1)[0]


def _fit_free(echoes: Echoes, point_m: Float) -> Fit:
    """Return the fit of real free amplitudes at a point, its phase the best one."""
    _, phase = coherent_free_power(echoes, point_m)
    return fit(echoes, "free", np.array([[[point_m[0], point_m[1], phase[0]]]]))
