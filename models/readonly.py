"""What is handed out cannot be written to, and what is taken is nobody else's any more."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["frozen", "sealed", "taken"]

T = TypeVar("T")


def taken(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy: who gave the array may go on with the original.

    An array that is read-only is copied, too: it may be a view of one that is not, or be made writeable again.

    >>> given = np.zeros(2)
    >>> kept = taken(np.broadcast_to(given, 2))
    >>> given[0] = 1.0
    >>> kept, kept.flags.writeable
    (array([0., 0.]), False)
    """
    return sealed(array.copy())


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """Make an array read-only in place; return it."""
    array.setflags(write=False)
    return array


def frozen(data: T) -> T:
    """Make the arrays of a dataclass, and of those in it, read-only in place; return it."""
    for part in vars(data).values():
        if isinstance(part, np.ndarray):
            sealed(part)
        elif hasattr(part, "__dataclass_fields__"):
            frozen(part)
    return data
