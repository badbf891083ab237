"""Targets on a map of the area alone: points that neither noise nor stronger targets explain, in metres, never a lobe.

A map is what is left of the statistics when receivers add up what they say of each place, as on a stripe that sums on
its way. Powers are left of it, and neither the phases of the carrier nor the amplitudes of single pairs of APs. A
target found cannot be taken away to look for weaker ones; but what a target there would put elsewhere is known. Not
modelled: scattering that is not isotropic.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.estimation.base import Estimator
from models.estimation.detection import local_maxima, map_cells, point_threshold
from models.estimation.likelihood import Echoes, cost_map, degrees_of_freedom, grid_phasors, noncoherent_power
from models.estimation.mixture import echo_channel
from models.estimation.settings import check_map_settings
from models.network import Area
from models.observation import AreaMap, Estimate, Observation

__all__ = ["MapEstimator", "area_map", "area_threshold", "top_m"]

Float = NDArray[np.float64]
INTERFERENCE = 2.0
"""Two fields of one power make at most twice the sum of their powers."""


def area_map(observation: Observation, step_m: float) -> AreaMap:
    """Return the map of all receivers of an observation, made at once."""
    *_, power = cost_map(observation, step_m)
    return AreaMap(
        network=observation.network,
        area=observation.area,
        assignment=observation.assignment,
        power=power,
        step_m=step_m,
        n_pairs=degrees_of_freedom(Echoes.of(observation)),
        gram=observation.gram,
        noise_power_w=observation.noise_power_w,
    )


@dataclass(frozen=True, kw_only=True)
class MapEstimator(Estimator):
    """Report the maxima of the map that neither noise nor stronger targets explain; none is resolved.

    Attributes
    ----------
    grid_step_m
        Step in m, > 0, of the map that it makes where it is given statistics.
    false_alarm_probability
        That a map of noise alone yields a target, in (0, 1).
    """

    reads_maps: ClassVar[bool] = True

    grid_step_m: float = 10.0
    false_alarm_probability: float = 1e-3

    def __post_init__(self) -> None:
        """Check the settings."""
        check_map_settings(self, self.grid_step_m, self.false_alarm_probability)

    def estimate(self, observation: Observation | AreaMap) -> Estimate:
        """Return the targets found, strongest first, without covariance."""
        given = observation if isinstance(observation, AreaMap) else area_map(observation, self.grid_step_m)
        found = self._found(given) if given.n_pairs else []
        return Estimate(
            positions_m=np.array(found).reshape(-1, 2),
            resolved=np.zeros(len(found), dtype=bool),
            reasons=("map",) * len(found),
        )

    def _found(self, given: AreaMap) -> list[Float]:
        """Return where maxima stand out, the highest first."""
        silent = _without_echoes(given)
        threshold = area_threshold(given, self.false_alarm_probability)
        power, expected = given.power.ravel(), np.zeros(given.power.size)
        found: list[Float] = []
        for peak in local_maxima(given.power).tolist():
            if power[peak] <= threshold:
                break
            if power[peak] > threshold + INTERFERENCE * expected[peak]:
                found.append(top_m(given.area, given.step_m, given.power, peak))
                alone = _alone(silent, given, found[-1])
                expected += alone * (power[peak] / alone[peak])
        return found


def area_threshold(given: AreaMap, false_alarm_probability: float) -> float:
    """Return the power over sigma^2 that a map of noise alone exceeds anywhere with at most this probability."""
    cells = map_cells(_without_echoes(given), given.area, given.step_m)
    return point_threshold(given.n_pairs, false_alarm_probability / cells) + given.rounding


def _without_echoes(given: AreaMap) -> Echoes:
    """Return echoes of which nothing but the signals is known."""
    n_rx, n_tx, n_antennas = len(given.assignment.receivers), given.gram.n_tx, given.network.n_antennas
    observation = Observation(
        network=given.network,
        area=given.area,
        assignment=given.assignment,
        cross=np.zeros((n_rx, n_antennas, n_tx, n_antennas), dtype=complex),
        gram=given.gram,
        energy=np.zeros(n_rx),
        n_samples=np.ones(n_rx, dtype=np.int64),
        noise_power_w=given.noise_power_w,
    )
    return Echoes.of(observation)


def _alone(silent: Echoes, given: AreaMap, position_m: Float) -> Float:
    """Return the map of a single target that scatters alike in all directions, of some strength, shape (n_points,)."""
    _, phasor = grid_phasors(given.network, given.area, given.step_m)
    channel = echo_channel(silent, "structured", position_m[None], np.ones((1, 1, 1), dtype=complex))
    return noncoherent_power(replace(silent, cross=silent.gram.times(channel)), phasor).astype(float)


def top_m(area: Area, step_m: float, power: Float, peak: int) -> Float:
    """Return where a maximum of a map (n_y, n_x) is, between points by a parabola along each axis."""
    row, column = np.unravel_index(peak, power.shape)
    x, y = area.grid(step_m)
    return np.array([_vertex(x, power[row], int(column)), _vertex(y, power[:, column], int(row))])


def _vertex(ticks: Float, line: Float, at: int) -> float:
    """Return the vertex of the parabola through a point and its neighbours; the point itself at an edge."""
    if not 0 < at < len(line) - 1:
        return float(ticks[at])
    before, here, after = line[at - 1 : at + 2].tolist()
    curvature = before - 2.0 * here + after
    shift = 0.5 * (before - after) / curvature if curvature else 0.0
    return float(ticks[at] + shift * (ticks[1] - ticks[0]))
