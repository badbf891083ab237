"""Conversions from the logarithmic units of scenario files to SI units, and thermal noise."""

import scipy

__all__ = ["db_to_linear", "dbm_to_w", "noise_power_w"]


def db_to_linear(level_db: float) -> float:
    """Return the power ratio of a level in dB: 10^(dB / 10)."""
    return 10.0 ** (level_db / 10.0)


def dbm_to_w(power_dbm: float) -> float:
    """Return the power in watt of a level in dBm."""
    return db_to_linear(power_dbm - 30.0)


def noise_power_w(temperature_k: float, bandwidth_hz: float, noise_figure_db: float = 0.0) -> float:
    """Return the thermal noise power of one complex sample, k_B T W F, in watt.

    >>> round(noise_power_w(290.0, 100e3) / dbm_to_w(-124.0), 2)
    1.01
    """
    return scipy.constants.Boltzmann * temperature_k * bandwidth_hz * db_to_linear(noise_figure_db)
