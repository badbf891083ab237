"""What the central processor knows when it plans a CPI."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.network import Area, Network, Radio
from models.observation import Estimate

__all__ = ["View"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What the central processor may base the plan of a CPI on.

    Attributes
    ----------
    network, area, radio
        The survey and the air interface.
    path_gain
        Large-scale power gain beta of each AP-UE link, 10^(-PL/10), shape (n_aps, n_ues).
    n_receivers
        How many APs are to receive.
    alive
        Which APs are believed to work, shape (n_aps,), bool.
    estimate
        The last published estimate, or None before the first.
    cpi
        Index of the CPI to plan.
    """

    network: Network
    area: Area
    radio: Radio
    path_gain: Float
    n_receivers: int
    alive: NDArray[np.bool_]
    estimate: Estimate | None = None
    cpi: int = 0
