"""Lengths for people: in millimetres, centimetres or metres, whichever reads well."""

import math

__all__ = ["length_text", "length_unit"]


def length_unit(length_m: float) -> tuple[float, str]:
    """Return a factor and a unit in which a length reads well.

    >>> length_unit(0.004)
    (1000.0, 'mm')
    """
    if not math.isfinite(length_m) or length_m >= 1.0:
        return 1.0, "m"
    return (100.0, "cm") if length_m >= 0.05 else (1000.0, "mm")


def length_text(length_m: float) -> str:
    """Return a length with three digits and its unit; "inf" without limit, a dash for one that is not known.

    >>> [length_text(length) for length in (0.00062, 1234.5, math.inf)]
    ['0.62 mm', '1,234 m', 'inf']
    """
    if not math.isfinite(length_m):
        return "–" if math.isnan(length_m) else "inf"
    factor, unit = length_unit(length_m)
    value = factor * length_m
    return f"{value:,.0f} {unit}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g} {unit}"
