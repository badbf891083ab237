"""What a CPI is computed under: one thread of linear algebra, and a garbage collector that seldom looks."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["undisturbed"]

YOUNG_OBJECTS = 200_000
"""New objects between two looks of the garbage collector. What a CPI makes holds no cycles, and there are two objects
or more a report: at Python's 700 the collector took a third of the time of a network of 300 access points."""


@contextmanager
def undisturbed(blas: ThreadpoolController) -> Iterator[None]:
    """Return a context with one BLAS thread and a patient garbage collector; both are as before afterwards."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(max(young, YOUNG_OBJECTS) if young else 0, middle, old)
    try:
        with blas.limit(limits=1, user_api="blas"):
            yield
    finally:
        gc.set_threshold(young, middle, old)
