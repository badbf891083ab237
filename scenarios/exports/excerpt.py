"""What of a run is exported: rows of its trace, with names in place of numbers, and its timeline."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emulator import FAULTS
from emulator.journeys import Event, Journeys, Sent
from emulator.lanes import DONE, Timeline, ap_names, fault_spans, slot_duration_ns
from emulator.messages import CENTRAL
from emulator.trace import PREFIX, Kind

__all__ = ["ARROW", "GROUPS", "Excerpt", "fault_name", "group_of"]

Columns = Mapping[str, NDArray[Any]]
ARROW = "->"
"""In the name of a link."""
GROUPS = ("central processor", "access points", "links", "UEs", "targets", "others")
"""Of nodes and links, in the order in which they are shown."""
PREFIXES = {"ap": "access points", "ue": "UEs", "target": "targets"}


def group_of(name: str) -> str:
    """Return the group of a node or link.

    >>> group_of("ap-3"), group_of("ap-3->central"), group_of("switch")
    ('access points', 'links', 'others')
    """
    if ARROW in name:
        return "links"
    return "central processor" if name == CENTRAL else PREFIXES.get(name.partition("-")[0], "others")


def fault_name(number: int) -> str:
    """Return the name of a kind of fault by its place in ``FAULTS``."""
    return list(FAULTS)[number] if number >= 0 else "fault of another kind"


@dataclass(frozen=True, kw_only=True, eq=False)
class Excerpt:
    """Rows of a trace to export.

    Attributes
    ----------
    trace
        Columns and names of the whole trace: what a row means may depend on others.
    timeline
        What a picture of the excerpt shows.
    rows, sent
        Places of the rows, and of the messages, that are exported, in the order in which they were recorded.
    """

    trace: Columns
    timeline: Timeline
    rows: NDArray[np.intp]
    sent: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        trace: Columns,
        timeline: Timeline,
        cpis: range | None = None,
        window_ns: tuple[int | None, int | None] = (None, None),
        aps: Collection[str] | None = None,
    ) -> Self:
        """Return the rows about some CPIs, that begin in a window, and are not of other APs or their links."""
        rows = _about(trace["cpi"], cpis) & _inside(trace["time_ns"], window_ns) & _of(trace, "node", aps)
        sent = _about(trace[PREFIX + "cpi"], cpis) & _inside(trace[PREFIX + "given_ns"], window_ns)
        sent &= _of(trace, PREFIX + "source", aps) & _of(trace, PREFIX + "destination", aps)
        return cls(trace=trace, timeline=timeline, rows=np.flatnonzero(rows), sent=np.flatnonzero(sent))

    @cached_property
    def journeys(self) -> Journeys:
        """The ways of all messages of the trace."""
        return Journeys(self.trace)

    def events(self) -> Iterator[Event]:
        """Yield the rows with the names of their nodes."""
        names, columns = self.journeys.nodes, ("time_ns", "kind", "node", "value", "cpi", "message")
        for time_ns, kind, node, *rest in zip(*(self.trace[name][self.rows].tolist() for name in columns), strict=True):
            yield Event(time_ns, Kind(kind), names[node], *rest)

    def ends_ns(self) -> list[int]:
        """Return when what each row tells of ends: a slot, a serialisation, a fault; of an instant its own time."""
        kind, ends = self.trace["kind"], self.trace["time_ns"].copy()
        ends[np.isin(kind, list(DONE))] += slot_duration_ns(self.trace)
        sends = kind == Kind.SERIALISE
        ends[sends] += self.trace["value"][sends]
        for row, end_ns in fault_spans(self.trace):
            ends[row] = end_ns
        found: list[int] = ends[self.rows].tolist()
        return found

    def messages(self) -> Iterator[Sent]:
        """Yield the messages with the names of their kinds and nodes."""
        for number in self.trace[PREFIX + "number"][self.sent].tolist():
            message = self.journeys.message(number)
            if message is not None:
                yield message

    def nodes(self) -> list[str]:
        """Return the nodes and links that have rows, group by group, in the order of their names in the trace."""
        seen = {self.journeys.nodes[number] for number in np.unique(self.trace["node"][self.rows]).tolist()}
        return sorted(
            (name for name in self.journeys.nodes if name in seen), key=lambda name: GROUPS.index(group_of(name))
        )


def _about(cpis: NDArray[Any], wanted: range | None) -> NDArray[np.bool_]:
    return np.ones(len(cpis), dtype=bool) if wanted is None else np.isin(cpis, wanted)


def _inside(times_ns: NDArray[Any], window_ns: tuple[int | None, int | None]) -> NDArray[np.bool_]:
    start_ns, end_ns = window_ns
    inside: NDArray[np.bool_] = times_ns >= (-np.inf if start_ns is None else start_ns)
    return inside & (times_ns < (np.inf if end_ns is None else end_ns))


def _of(trace: Columns, column: str, aps: Collection[str] | None) -> NDArray[np.bool_]:
    """Return which rows are of none but these APs, their links, and what is no AP."""
    others = set() if aps is None else set(ap_names(trace)) - set(aps)
    kept = np.array([_is_kept(str(name), others, aps or ()) for name in trace["nodes"]], dtype=bool)
    found: NDArray[np.bool_] = kept[trace[column]]
    return found


def _is_kept(name: str, others: set[str], aps: Collection[str]) -> bool:
    """Return whether a name is of no other AP, and of no link between others."""
    ends = set(name.split(ARROW))
    return not ends & others or bool(ends & set(aps))
