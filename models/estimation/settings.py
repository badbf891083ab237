"""Checks that the estimators share."""

from numbers import Real

__all__ = ["check_map_settings"]


def check_map_settings(estimator: object, grid_step_m: float, false_alarm_probability: float) -> None:
    """Check the step of the map and the false-alarm probability of an estimator.

    Raises
    ------
    ValueError
        If the step is not a number from 1e-6 to 1e6 or the probability not one inside (0, 1).
    """
    name = type(estimator).__name__
    if not (_is_number(grid_step_m) and 1e-6 <= grid_step_m <= 1e6):
        raise ValueError(f"{name}.grid_step_m is {grid_step_m!r}: give the step of the map, from 1e-6 to 1e6 m")
    if not (_is_number(false_alarm_probability) and 0.0 < false_alarm_probability < 1.0):
        raise ValueError(
            f"{name}.false_alarm_probability is {false_alarm_probability!r}: it must lie inside (0, 1); "
            "give the probability that a map of noise alone yields a target, for instance 1e-3"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
