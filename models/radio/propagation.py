"""Large-scale path loss: plain callables of distance and carrier, and the table of their names.

Not modelled: shadow fading, blockage and the transition between line of sight and its absence; a link has the loss
that its callable gives, always.
"""

import math
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

__all__ = ["PathLoss", "breakpoint_m", "cell_free", "path_gain", "umi_los", "umi_nlos"]

Float = NDArray[np.float64]
PathLoss = Callable[[ArrayLike, float], Float]
"""Takes horizontal distances in m (any shape) and the carrier in Hz; returns the loss in dB, same shape."""

AP_HEIGHT_M = 10.0
UE_HEIGHT_M = 1.5
NEAREST_M = 10.0
CELL_FREE_HEIGHT_M = 10.0
"""Of an AP above a UE, in the law of `cell_free`."""
EFFECTIVE_ENVIRONMENT_HEIGHT_M = 1.0


def breakpoint_m(carrier_hz: float) -> float:
    """Return the breakpoint distance d'_BP = 4 (h_BS - 1 m)(h_UT - 1 m) f / c of TR 38.901 table 7.4.1-1, in m.

    >>> round(breakpoint_m(3.5e9))
    210
    """
    heights = (AP_HEIGHT_M - EFFECTIVE_ENVIRONMENT_HEIGHT_M) * (UE_HEIGHT_M - EFFECTIVE_ENVIRONMENT_HEIGHT_M)
    return 4.0 * heights * carrier_hz / scipy.constants.speed_of_light


def _clamped_m(distance_m: ArrayLike) -> tuple[Float, Float]:
    """Return the horizontal distance, no less than 10 m, and the slant distance between antenna heights."""
    horizontal = np.maximum(np.asarray(distance_m, dtype=float), NEAREST_M)
    return horizontal, np.hypot(horizontal, AP_HEIGHT_M - UE_HEIGHT_M)


def umi_los(distance_m: ArrayLike, carrier_hz: float) -> Float:
    """Return the line-of-sight loss of 3GPP TR 38.901 table 7.4.1-1, UMi street canyon, in dB.

        PL1 = 32.4 + 21 log10 d3D + 20 log10 f_GHz                                                up to d'_BP
        PL2 = 32.4 + 40 log10 d3D + 20 log10 f_GHz - 9.5 log10(d'_BP^2 + (h_BS - h_UT)^2)         beyond it

    with h_BS = 10 m and h_UT = 1.5 m. Distances below 10 m, where the table ends, count as 10 m.

    Parameters
    ----------
    distance_m
        Horizontal distance, any shape.
    carrier_hz
        Carrier frequency.

    >>> umi_los([100.0, 500.0], 3.5e9).round(2)
    array([ 85.31, 107.11])
    """
    horizontal, slant = _clamped_m(distance_m)
    turn = breakpoint_m(carrier_hz)
    common = 32.4 + 20.0 * math.log10(carrier_hz / 1e9)
    far = 40.0 * np.log10(slant) - 9.5 * math.log10(turn**2 + (AP_HEIGHT_M - UE_HEIGHT_M) ** 2)
    return common + np.where(horizontal <= turn, 21.0 * np.log10(slant), far)


def umi_nlos(distance_m: ArrayLike, carrier_hz: float) -> Float:
    """Return the loss without line of sight of 3GPP TR 38.901 table 7.4.1-1, UMi street canyon, in dB.

        PL = max(PL_LoS, 22.4 + 35.3 log10 d3D + 21.3 log10 f_GHz - 0.3 (h_UT - 1.5))

    Parameters as in `umi_los`.
    """
    _, slant = _clamped_m(distance_m)
    scattered = 22.4 + 35.3 * np.log10(slant) + 21.3 * math.log10(carrier_hz / 1e9) - 0.3 * (UE_HEIGHT_M - 1.5)
    return np.maximum(umi_los(distance_m, carrier_hz), scattered)


def cell_free(distance_m: ArrayLike, carrier_hz: float) -> Float:
    """Return the loss common in the cell-free massive MIMO literature, in dB.

        PL = 30.5 + 36.7 log10 d3D,   d3D: the slant distance in m, the AP 10 m above the UE

    of Bjornson and Sanguinetti, IEEE Trans. Wireless Commun. 19(1), 2020. The carrier does not enter: it was fitted
    at 2 GHz. The height keeps the slant distance from 0, so no nearest distance is needed.

    Parameters as in `umi_los`.

    >>> cell_free([0.0, 100.0], 3.5e9).round(1)
    array([ 67.2, 104. ])
    """
    return 30.5 + 36.7 * np.log10(np.hypot(np.asarray(distance_m, dtype=float), CELL_FREE_HEIGHT_M))


def path_gain(path_loss: PathLoss, distance_m: ArrayLike, carrier_hz: float) -> Float:
    """Return the large-scale power gain beta = 10^(-PL/10), in the shape of ``distance_m``."""
    return 10.0 ** (-np.asarray(path_loss(distance_m, carrier_hz)) / 10.0)
