"""The selector that was told the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.network import ModeAssignment
from models.selection.base import ModeSelector
from models.view import View

__all__ = ["Fixed"]


@dataclass(frozen=True, kw_only=True)
class Fixed(ModeSelector):
    """Always the same transmitters and receivers, whoever is alive and whatever ``view.n_receivers`` says.

    Attributes
    ----------
    transmitters, receivers
        Zero-based AP indices, disjoint, at least one transmitter. Other APs are idle.

    Raises
    ------
    ValueError
        If an index is in both or there is no transmitter; on selecting, if an index is out of range.
    """

    transmitters: Sequence[int]
    receivers: Sequence[int]

    def __post_init__(self) -> None:
        both = sorted(set(self.transmitters) & set(self.receivers))
        if both:
            raise ValueError(f"transmitters and receivers both hold {both}: a half-duplex AP can be in one of them")
        if not self.transmitters:
            raise ValueError("transmitters is empty: name at least one AP index")

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the fixed assignment; neither ``rng`` nor anything of the view but the number of APs is used."""
        return ModeAssignment.of(view.network.n_aps, list(self.transmitters), list(self.receivers))
