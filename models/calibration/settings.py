"""The check that settings of calibrations, servos and detectors share."""

__all__ = ["check_between"]


def check_between(owner: object, name: str, low: float, high: float, unit: str = "") -> None:
    """Refuse a setting that is no number from ``low`` to ``high``.

    Raises
    ------
    ValueError
        With the name, the value got and what is allowed.
    """
    value = getattr(owner, name)
    if isinstance(value, bool) or not (isinstance(value, int | float) and low <= value <= high):
        allowed = f"a number from {low:g} to {high:g} {unit}".rstrip()
        raise ValueError(f"{type(owner).__name__}.{name} is {value!r}: give {allowed}")
