"""Is there a target, and where to look: thresholds, cell averaging, local maxima."""

import numpy as np
import scipy
from numpy.typing import NDArray

from models.estimation.constants import SPARED
from models.estimation.likelihood import Echoes, degrees_of_freedom
from models.network import Area
from models.observation import Observation

__all__ = [
    "cell_averaging_threshold",
    "excess_threshold",
    "independent_cells",
    "local_maxima",
    "map_cells",
    "map_threshold",
    "noise_levels",
    "point_threshold",
    "residual_level",
]

Float = NDArray[np.float64]
ROUNDING = 1e-13  # share of the total energy below which a difference means nothing
CELLS_AT_REFERENCE = 1200.0  # measured on maps of noise alone: 12 APs of 8 antennas
REFERENCE_APS, REFERENCE_ANTENNAS = 12, 8


def independent_cells(n_aps: int, n_antennas: int, n_grid: int) -> float:
    """Return about how many independent values a non-coherent map of noise alone has.

    The map depends on angles only, so it does not change when the network is scaled; its resolution cells shrink as
    1 / (N - 1) in two directions. More APs add little, since each contributes a smaller share of the map: measured
    over 4 to 24 APs the number grows as the root of theirs (docs/measurements/estimation.md). Measured at 12 APs of 8
    antennas (1200), scaled from there, and never more than the points of the grid.
    """
    sharpness = max(1, n_antennas - 1) / (REFERENCE_ANTENNAS - 1)
    return float(np.clip(CELLS_AT_REFERENCE * np.sqrt(n_aps / REFERENCE_APS) * sharpness**2, 1.0, max(1, n_grid)))


def point_threshold(degrees_of_freedom: int, probability: float) -> float:
    """Return the explained power over sigma^2 that noise alone exceeds at a point with this probability; (17)-(18).

    Noise alone explains Gamma(n, 1), with n the number of AP pairs with data.

    >>> round(point_threshold(36, 1e-6), 2)
    72.01
    """
    return float(scipy.special.gammainccinv(degrees_of_freedom, probability)) if degrees_of_freedom > 0 else np.inf


def map_cells(echoes: Echoes, area: Area, step_m: float) -> float:
    """Return about how many independent values a non-coherent map of an area has; see `independent_cells`.

    Where APs differ it is as if all had the antennas of the largest: rather too many than too few.
    """
    x, y = area.grid(step_m)
    antennas = echoes.network.antennas[np.concatenate([echoes.transmitters, echoes.receivers])]
    return independent_cells(len(antennas), int(antennas.max(initial=1)), len(x) * len(y))


def map_threshold(echoes: Echoes, area: Area, step_m: float, false_alarm_probability: float) -> float:
    """Return the explained power over sigma^2 that a map of noise alone exceeds anywhere with this probability."""
    return point_threshold(degrees_of_freedom(echoes), false_alarm_probability / map_cells(echoes, area, step_m))


def noise_levels(observation: Observation) -> Float:
    """Return how many times the thermal noise power of an observation each receiver really has, at least 1; (n_rx,).

    What lies outside of the span of the transmitted signals is noise, wherever targets are:

        E_r - tr(Z_r Q_r^+ Z_r^H)  ~  sigma^2 Gamma(n, 1),    n = samples of r - N_r rank Q_r

    A value above the 1e-9 quantile tells of an error that the noise power of the observation leaves out.
    Where there are no spare samples nothing is known. The share of the total energy that rounding may be wrong by
    counts as noise in any case.
    """
    level = np.maximum(observation.noise_levels, ROUNDING * observation.energy.sum() / observation.noise_power_w)
    n_antennas = observation.network.antennas[observation.assignment.receivers]
    n_spare = observation.n_samples - n_antennas * observation.gram.ranks
    spare = (observation.energy - observation.gram.spanned(observation.cross)) / observation.noise_power_w
    limit = scipy.special.gammainccinv(np.maximum(n_spare, 1), 1e-9) * observation.noise_levels
    excess = (n_spare > 0) & (spare > limit)
    return np.where(excess, np.maximum(level, spare / np.maximum(n_spare, 1)), level)


def residual_level(echoes: Echoes, peak_power: float) -> float:
    """Return how many times more power than noise the echoes hold, a few targets like the strongest left out.

        (sum_r tr(Z_r Q_r^+ Z_r^H) - 3 T_peak) / sum_r N_r rank Q_r,    at least 1

    A point target is a good part of all that is left, so it passes a threshold raised by this. What errors of the
    model leave is spread over everything, and its maxima do not pass. With few samples the level is always 1.
    """
    power = float(echoes.gram.spanned(echoes.cross).sum()) - SPARED * peak_power
    size = int((echoes.network.antennas[echoes.receivers] * echoes.gram.ranks).sum())
    return max(1.0, power / size) if size else 1.0


def excess_threshold(degrees_of_freedom: float, probability: float = 1e-3) -> float:
    """Return what a model with this many complex unknowns too few may leave unexplained, over sigma^2."""
    return float(scipy.special.gammainccinv(max(0.5, degrees_of_freedom), probability))


def cell_averaging_threshold(power: Float, shape: int, probability: float, guard: int, training: int) -> Float:
    """Return the cell-averaging CFAR threshold of each cell: a multiple of the mean around it, the level unknown.

    With T ~ Gamma(n, theta) in the cell and K training cells of mean m, T / (T + K m) ~ Beta(n, n K), hence

        P(T > a m) = probability    for    a = K x / (1 - x),    x the upper quantile of Beta(n, n K)

    Cells are taken as independent; those beyond the edge of the map repeat the edge.

    Parameters
    ----------
    power
        Map, shape (n_y, n_x).
    shape
        n, the number of AP pairs with data.
    probability
        Of a false alarm in one cell.
    guard, training
        Half width of the guard square (>= 0) and width of the training ring around it (>= 1), in cells.
    """
    outer, inner = 2 * (guard + training) + 1, 2 * guard + 1
    n_training = outer**2 - inner**2
    total = scipy.ndimage.uniform_filter(power, outer, mode="nearest") * outer**2
    total -= scipy.ndimage.uniform_filter(power, inner, mode="nearest") * inner**2
    x = scipy.special.betainccinv(shape, shape * n_training, probability)
    return total / n_training * (n_training * x / (1.0 - x))


def local_maxima(power: Float) -> NDArray[np.intp]:
    """Return the flat indices of the maxima over 3 x 3 cells of a map (n_y, n_x), highest first.

    >>> local_maxima(np.array([[0., 1., 0., 2.]]))
    array([3, 1])
    """
    peaks = np.flatnonzero(scipy.ndimage.maximum_filter(power, size=3, mode="nearest") == power)
    return peaks[np.argsort(-power.ravel()[peaks], kind="stable")]
