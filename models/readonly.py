"""What is handed out cannot be written to, and what is taken is nobody else's any more."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["frozen", "sealed", "taken"]

T = TypeVar("T")


def taken(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array itself if it is read-only, else a read-only copy: who gave it may go on with the original.

    >>> given = np.zeros(2)
    >>> kept = taken(given)
    >>> given[0] = 1.0
    >>> kept, kept.flags.writeable
    (array([0., 0.]), False)
    """
    return sealed(array.copy()) if array.flags.writeable else array


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array read-only in place; return it."""
    array.flags.writeable = False
    return array


def frozen(data: T) -> T:
    """Make the arrays of a dataclass, and of those in it, read-only in place; return it."""
    for part in vars(data).values():
        if isinstance(part, np.ndarray):
            sealed(part)
        elif hasattr(part, "__dataclass_fields__"):
            frozen(part)
    return data
