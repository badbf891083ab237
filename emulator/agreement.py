"""Measurements of pilots that contradict each other: who is to be left out so that the rest agree.

A calibration fits two phases an access point to many measurements. One that reports rubbish leaves differences of any
size, and spoils the phases of the others, too. Not told are errors that look like a phase: a clock or a chain that is
off is what a calibration is for.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.calibration.base import UNKNOWN_RAD2, Corrections, Measurements, PhaseCalibration
from models.doors import calibrated, left_over

__all__ = ["agreeing", "without"]

Float = NDArray[np.float64]
CONTRADICTION_RAD = 0.5 * float(np.sqrt(UNKNOWN_RAD2))
"""Root mean square of differences, half of that of phases of which nothing is known."""
MOST_ODD = 3
"""One AP in so many may be left out."""


def agreeing(calibration: PhaseCalibration, measurements: Measurements) -> tuple[Corrections, tuple[int, ...]]:
    """Return what a calibration makes of measurements, and the APs that were left out as they contradict the others.

    As long as the differences of an AP, as receiver or as sender, are too large, the one without which the rest fits
    best is left out. If that does not help, nobody is: then it is not known who is wrong.
    """
    found = first = calibrated(calibration, measurements)
    odd: tuple[int, ...] = ()
    members = np.flatnonzero(measurements.heard.any(axis=0) | measurements.heard.any(axis=1)).tolist()
    while _worst_rad(calibration, without(measurements, odd), found) > CONTRADICTION_RAD:
        if MOST_ODD * (len(odd) + 1) > len(members):
            return first, ()
        others = [(*odd, i) for i in members if i not in odd]
        odd = min(others, key=lambda left_out: _misfit_rad(calibration, without(measurements, left_out)))
        found = calibrated(calibration, without(measurements, odd))
    return found, odd


def without(measurements: Measurements, aps: tuple[int, ...]) -> Measurements:
    """Return measurements without those of some APs, and of their pilots."""
    inner, gone = measurements.inner.copy(), list(aps)
    inner[gone], inner[:, gone] = np.nan, np.nan
    return replace(measurements, inner=inner)


def _misfit_rad(calibration: PhaseCalibration, measurements: Measurements) -> float:
    """Return the root mean square of all differences that a calibration leaves."""
    left = _left_rad(calibration, measurements, calibrated(calibration, measurements))
    return float(np.sqrt(np.nanmean(left**2))) if np.isfinite(left).any() else 0.0


def _worst_rad(calibration: PhaseCalibration, measurements: Measurements, found: Corrections) -> float:
    """Return the largest root mean square of the differences of an AP, as receiver or as sender."""
    square = _left_rad(calibration, measurements, found) ** 2
    each = [row[np.isfinite(row)] for row in (*square, *square.T)]
    return float(np.sqrt(max((np.mean(row) for row in each if row.size), default=0.0)))


def _left_rad(calibration: PhaseCalibration, measurements: Measurements, found: Corrections) -> Float:
    """Return what is left of measurements of APs that are covered; NaN of all others."""
    left = left_over(calibration, measurements, found)
    known = measurements.heard & found.covered[0] & found.covered[1][:, None]
    return np.full(known.shape, np.nan) if left is None else np.where(known, left, np.nan)
