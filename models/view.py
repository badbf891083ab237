"""What the central processor knows when it plans a CPI."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.network import Area, Network, Radio
from models.observation import Estimate

__all__ = ["NodeReport", "View"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """What a node said of itself.

    Attributes
    ----------
    measured_s
        When it said so, in seconds of emulated time; it arrived later.
    values
        Finite numbers by name, such as "load" or "battery".
    """

    measured_s: float
    values: Mapping[str, float]

    @classmethod
    def of(cls, measured_ns: int, values: Mapping[str, float]) -> "NodeReport":
        """Return the report of some values at a time in ns; they cannot be changed through it."""
        return cls(measured_s=measured_ns * 1e-9, values=MappingProxyType(dict(values)))


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
    reports
        What nodes said of themselves last, by name of the node; of one that said nothing there is none.
    """

    network: Network
    area: Area
    radio: Radio
    path_gain: Float
    n_receivers: int
    alive: NDArray[np.bool_]
    estimate: Estimate | None = None
    cpi: int = 0
    reports: Mapping[str, NodeReport] = field(default_factory=dict)
