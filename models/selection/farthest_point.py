"""The paper's sensing-centric scheme: receivers as far apart as possible."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.network import ModeAssignment, Network
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
        receives = _spread(view.network, pool.tobytes(), view.n_receivers)
        return assign_transmitters(view, pool, pool[~receives])


@lru_cache(maxsize=16)
def _spread(network: Network, packed_pool: bytes, n_receivers: int) -> NDArray[np.bool_]:
    """Return which APs of a pool receive; remembered, because as a rule every CPI asks for the same."""
    position = network.ap_positions_m[np.frombuffer(packed_pool, dtype=np.intp)]
    distance = np.linalg.norm(position[:, None] - position, axis=-1)
    receives = np.zeros(len(position), dtype=bool)
    separation = np.linalg.norm(position - position.mean(axis=0), axis=-1)
    for count in range(n_receivers):
        newest = first_maximum(separation)
        separation = np.minimum(separation, distance[newest]) if count else distance[newest].copy()
        receives[newest] = True
        separation[receives] = -1.0
    receives.flags.writeable = False
    return receives
