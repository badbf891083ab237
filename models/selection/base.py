"""The role of a mode selector: who transmits and who receives in the next CPI."""

from abc import ABC, abstractmethod

import numpy as np

from models.network import ModeAssignment
from models.view import View

__all__ = ["ModeSelector"]


class ModeSelector(ABC):
    """Decides the mode of every AP for one CPI.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings.
    """

    @abstractmethod
    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return an assignment with ``view.n_receivers`` receivers; every other AP transmits.

        APs that are not alive are left idle where the selector can do without them. A selector that was told whom to
        take, as `models.selection.fixed.Fixed`, does so whatever the view says, and leaves the others idle.
        """
