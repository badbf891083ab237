"""The baseline that any other selector should beat."""

from dataclasses import dataclass

import numpy as np

from models.network import ModeAssignment
from models.selection.base import ModeSelector
from models.selection.search import assign_transmitters, candidates
from models.view import View

__all__ = ["Random"]


@dataclass(frozen=True, kw_only=True)
class Random(ModeSelector):
    """Receivers drawn uniformly from the APs that take part; the rest of these transmit."""

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment, new at every call."""
        pool = candidates(view)
        return assign_transmitters(view, pool, rng.permutation(pool)[view.n_receivers :])
