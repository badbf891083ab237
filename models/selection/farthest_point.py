"""The paper's sensing-centric scheme: receivers as far apart as possible."""

from dataclasses import dataclass

import numpy as np

from models.network import ModeAssignment
from models.selection.base import ModeSelector
from models.selection.search import assign_transmitters, candidates, first_maximum
from models.view import View

__all__ = ["FarthestPoint"]


@dataclass(frozen=True, kw_only=True)
class FarthestPoint(ModeSelector):
    """Receivers by farthest-point sampling, the sensing-centric selection of section IV of the paper.

    The first receiver is the AP farthest from the centroid of all that may take part; each next one is the AP whose
    nearest receiver is farthest away. Ties go to the lower index. The paper does not say where it starts.
    """

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used. All APs that take part and do not receive transmit."""
        pool = candidates(view)
        position = view.network.ap_positions_m[pool]
        distance = np.linalg.norm(position[:, None] - position, axis=-1)
        receives = np.zeros(len(pool), dtype=bool)
        separation = np.linalg.norm(position - position.mean(axis=0), axis=-1)
        for count in range(view.n_receivers):
            newest = first_maximum(separation)
            separation = np.minimum(separation, distance[newest]) if count else distance[newest].copy()
            receives[newest] = True
            separation[receives] = -1.0
        return assign_transmitters(view, pool, pool[~receives])
