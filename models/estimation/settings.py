"""Checks that the estimators share."""

__all__ = ["check_map_settings"]


def check_map_settings(estimator: object, grid_step_m: float, false_alarm_probability: float) -> None:
    """Check the step of the map and the false-alarm probability of an estimator.

    Raises
    ------
    ValueError
        If the step is not positive or the probability not inside (0, 1).
    """
    name = type(estimator).__name__
    if not grid_step_m > 0.0:
        raise ValueError(f"{name}.grid_step_m is {grid_step_m}: it must be positive; give the step of the map in m")
    if not 0.0 < false_alarm_probability < 1.0:
        raise ValueError(
            f"{name}.false_alarm_probability is {false_alarm_probability}: it must lie inside (0, 1); "
            "give the probability that a map of noise alone yields a target, for instance 1e-3"
        )
