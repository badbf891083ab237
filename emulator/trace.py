"""Every event of an emulation as rows of four integers, at next to no cost.

A row is (time_ns, kind, node, value). ``rows.extend`` on one flat list is the whole recorder: it makes no object that
the garbage collector would have to follow. What ``value`` means depends on the kind; see ``Kind``.
"""

from enum import IntEnum, unique

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "Trace"]


@unique
class Kind(IntEnum):
    """What happened; in brackets, what the value of the row is."""

    PLAN = 0
    """The central processor planned a CPI [CPI]."""
    ASSIGNED = 1
    """An AP received the plan of a CPI [CPI]."""
    SILENT = 2
    """An AP had no plan at the start of a CPI [CPI]."""
    COMMUNICATE = 3
    """A transmitting AP radiates communication only [slot]."""
    SENSE = 4
    """A transmitting AP radiates the sensing waveform too [slot]."""
    LISTEN = 5
    """A receiving AP listens [slot]."""
    REPORT = 6
    """An AP gave its echo of a slot to its functional split [slot]."""
    WITHHOLD = 7
    """An AP kept its echo of a slot to itself [slot]."""
    SERIALISE = 8
    """A link starts to send a message at this time [duration in ns]."""
    DELIVER = 9
    """A link delivers a message [bits]."""
    DROP = 10
    """A link loses a message [bits]."""
    LATE = 11
    """A report reached the central processor after its deadline [CPI]."""
    FUSE = 12
    """The central processor fused a CPI [reports]."""
    PUBLISH = 13
    """The central processor published an estimate [targets]."""


class Trace:
    """The recorder.

    Attributes
    ----------
    rows
        The flat list; append rows with ``rows.extend((time_ns, kind, node, value))``.
    nodes
        Names by node number.
    """

    def __init__(self, nodes: tuple[str, ...]) -> None:
        self.nodes = nodes
        self.rows: list[int] = []

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names by kind number."""
        return tuple(kind.name.lower() for kind in Kind)

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """Return the columns time_ns, kind, node and value, in the order in which the events were recorded."""
        table = np.array(self.rows, dtype=np.int64).reshape(-1, 4)
        return {name: table[:, i].copy() for i, name in enumerate(("time_ns", "kind", "node", "value"))}
