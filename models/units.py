"""Conversions between SI units and the logarithmic units of scenario files and plots."""

import math

from scipy.constants import Boltzmann

__all__ = ["db_to_linear", "dbm_to_w", "linear_to_db", "noise_power_w", "w_to_dbm"]


def db_to_linear(level_db: float) -> float:
    """Return the power ratio of a level in dB: 10^(dB / 10)."""
    return 10.0 ** (level_db / 10.0)


def linear_to_db(ratio: float) -> float:
    """Return the level in dB of a positive power ratio."""
    return 10.0 * math.log10(ratio)


def dbm_to_w(power_dbm: float) -> float:
    """Return the power in watt of a level in dBm."""
    return db_to_linear(power_dbm - 30.0)


def w_to_dbm(power_w: float) -> float:
    """Return the level in dBm of a positive power in watt."""
    return linear_to_db(power_w) + 30.0


def noise_power_w(temperature_k: float, bandwidth_hz: float, noise_figure_db: float = 0.0) -> float:
    """Return the thermal noise power of one complex sample, k_B T W F, in watt.

    >>> round(w_to_dbm(noise_power_w(290.0, 100e3)), 1)
    -124.0
    """
    return Boltzmann * temperature_k * bandwidth_hz * db_to_linear(noise_figure_db)
