"""The way of a message over the fronthaul, read from a trace.

    way = Journeys(trace.data())
    for hop in way.hops(number):
        print(hop.link, hop.given_ns, hop.started_ns, hop.sent_ns, hop.arrived_ns)

What is read is a mapping of columns by name: ``Trace.data()``, or what ``numpy.load`` gives of a trace.npz.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.messages import CENTRAL, Telemetry
from emulator.trace import PREFIX, Kind

__all__ = ["Event", "Hop", "Journeys", "Outcome", "Sent"]

Columns = Mapping[str, NDArray[Any]]


class Sent(NamedTuple):
    """A message, as it was given to the fronthaul."""

    number: int
    given_ns: int
    what: str
    """Name of its class: Assignment, TransmissionRecord, EchoReport, StatisticsReport, Telemetry or another."""
    source: str
    destination: str
    cpi: int
    bits: int
    cause: int
    """Number of the message that made the source send it; -1 for none."""


class Hop(NamedTuple):
    """A message on one link. What did not happen, or not before the trace ended, is None."""

    link: str
    """As "ap-3->central"; of a message that was lost for want of a route, the node where it was."""
    given_ns: int
    """When it came to the link: from its source, or from the link before."""
    started_ns: int | None
    """When the link began to send it; it waited since ``given_ns``."""
    sent_ns: int | None
    """When the last bit had left; what follows is propagation."""
    arrived_ns: int | None
    dropped_ns: int | None
    """When it was lost: on the way, or, where the link never began to send it, at the door."""

    @property
    def waited_ns(self) -> int | None:
        """How long it waited for the link."""
        return None if self.started_ns is None else self.started_ns - self.given_ns


class Outcome(StrEnum):
    """What became of a message."""

    FUSED = "fused"
    """It went into the fusion of its CPI, or came late and went into that of a later one."""
    UNUSED = "not used"
    """It reached the central processor in time, and its CPI was fused without it."""
    LATE = "late"
    """It arrived when it was of no use any more."""
    ARRIVED = "arrived"
    """It reached another node, or the central processor whose fusion the trace does not hold."""
    LOST = "lost"
    """A link lost it on the way."""
    REFUSED = "refused"
    """A link did not take it, or there was none to take."""
    UNDER_WAY = "under way"
    """The trace ended before it arrived."""


class Event(NamedTuple):
    """A row of the trace."""

    time_ns: int
    kind: Kind
    node: str
    value: int
    cpi: int
    message: int
    """-1 for none."""


class Journeys:
    """All messages of a trace, and their ways.

    Parameters
    ----------
    columns
        Columns of a trace and its names: ``Trace.data()``, or the arrays of a trace.npz.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.nodes = [str(name) for name in columns["nodes"]]
        self._whats = [str(name) for name in columns["message_kinds"]]
        self._by_message = np.argsort(columns["message"], kind="stable")
        self._sorted = columns["message"][self._by_message]
        self._rows = {int(number): row for row, number in enumerate(columns[PREFIX + "number"])}

    def message(self, number: int) -> Sent | None:
        """Return a message by its number; None if the trace does not hold it."""
        row = self._rows.get(number)
        return None if row is None else self._sent(row)

    def messages(
        self, cpi: int | None = None, what: str | None = None, source: str | None = None, destination: str | None = None
    ) -> list[Sent]:
        """Return the messages about a CPI, of a kind, from a node or to one, in the order in which they were sent."""
        wanted = np.ones(len(self._columns[PREFIX + "number"]), dtype=bool)
        asked = {"cpi": cpi, "what": what, "source": source, "destination": destination}
        for name, value in asked.items():
            if value is not None:
                names = {"what": self._whats, "source": self.nodes, "destination": self.nodes}.get(name)
                code = value if names is None else names.index(str(value)) if value in names else -1
                wanted &= self._columns[PREFIX + name] == code
        return [self._sent(row) for row in np.flatnonzero(wanted).tolist()]

    def hops(self, number: int) -> list[Hop]:
        """Return the way of a message, link by link; empty if the trace does not hold the message."""
        sent = self.message(number)
        if sent is None:
            return []
        hops: list[Hop] = []
        given_ns = sent.given_ns
        for event in self.events(number):
            if event.kind is Kind.SERIALISE:
                done_ns = event.time_ns + event.value
                hops.append(Hop(event.node, given_ns, event.time_ns, done_ns, None, None))
            elif event.kind is Kind.DELIVER:
                given_ns = event.time_ns
                hops[-1] = hops[-1]._replace(arrived_ns=event.time_ns)
            elif event.kind is Kind.DROP and hops and hops[-1].link == event.node:
                hops[-1] = hops[-1]._replace(dropped_ns=event.time_ns)
            elif event.kind is Kind.DROP:
                hops.append(Hop(event.node, given_ns, None, None, None, event.time_ns))
        return hops

    def outcome(self, number: int) -> Outcome:
        """Return what became of a message."""
        hops, kinds = self.hops(number), {event.kind for event in self.events(number)}
        last = hops[-1] if hops else None
        if last is None or last.arrived_ns is None:
            if last is None or last.dropped_ns is None:
                return Outcome.UNDER_WAY
            return Outcome.REFUSED if last.started_ns is None else Outcome.LOST
        if Kind.USE in kinds or Kind.LATE in kinds:
            return Outcome.FUSED if Kind.USE in kinds else Outcome.LATE
        sent = self.message(number)
        fusible = sent is not None and sent.destination == CENTRAL and sent.what != Telemetry.__name__
        decided = fusible and sent is not None and sent.cpi in self._fused
        return Outcome.UNUSED if decided else Outcome.ARRIVED

    @cached_property
    def _fused(self) -> set[int]:
        return set(self.cpis(Kind.FUSE))

    def cpis(self, kind: Kind) -> list[int]:
        """Return the CPIs that rows of a kind are about, in ascending order."""
        found: list[int] = np.unique(self._columns["cpi"][self._columns["kind"] == kind]).tolist()
        return found

    def events(self, number: int) -> list[Event]:
        """Return the rows that carry the number of a message, in the order in which they were recorded."""
        first, last = np.searchsorted(self._sorted, [number, number + 1])
        return [self._event(row) for row in self._by_message[first:last].tolist()]

    def about(self, cpi: int, *kinds: Kind) -> list[Event]:
        """Return the rows of some kinds that are about a CPI, in the order in which they were recorded."""
        chosen = (self._columns["cpi"] == cpi) & np.isin(self._columns["kind"], kinds)
        return [self._event(row) for row in np.flatnonzero(chosen).tolist()]

    def ahead(self, hop: Hop) -> list[int]:
        """Return the numbers of the messages that a hop waited for, in the order in which the link sent them."""
        if not hop.waited_ns or hop.started_ns is None:
            return []
        columns, link = self._columns, self.nodes.index(hop.link)
        chosen = (columns["kind"] == Kind.SERIALISE) & (columns["node"] == link)
        starts, lasts = columns["time_ns"][chosen], columns["value"][chosen]
        waited_for = (starts < hop.started_ns) & (starts + lasts > hop.given_ns)
        return [int(number) for number in columns["message"][chosen][waited_for]]

    def causes(self, number: int) -> Iterator[Sent]:
        """Yield the messages that led to a message, the nearest first, as far as the trace holds them."""
        sent = self.message(number)
        while sent is not None and sent.cause >= 0:
            sent = self.message(sent.cause)
            if sent is not None:
                yield sent

    def _sent(self, row: int) -> Sent:
        number, given_ns, what, source, destination, cpi, bits, cause = (
            int(self._columns[PREFIX + name][row]) for name in ("number", "given_ns", "what", "source", "destination",
                                                                "cpi", "bits", "cause")
        )  # fmt: skip
        ends = self.nodes[source], self.nodes[destination]
        return Sent(number, given_ns, self._whats[what], *ends, cpi, bits, cause)

    def _event(self, row: int) -> Event:
        time_ns, kind, node, value, cpi, message = (
            int(self._columns[name][row]) for name in ("time_ns", "kind", "node", "value", "cpi", "message")
        )
        return Event(time_ns, Kind(kind), self.nodes[node], value, cpi, message)
