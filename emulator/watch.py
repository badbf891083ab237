"""Watching an emulation: what happens as it happens, read from the rows of its trace between two events of the clock.

Nothing is done to the emulation: who is told of what happens may look at everything, and results are the same to the
byte. What is not told here stands in the trace (``emulator.journeys`` reads it when a run is over).
"""

from collections.abc import Callable, Iterator, Sized
from typing import NamedTuple, TypeVar

import numpy as np

from emulator import FAULTS
from emulator.messages import ARROW, CENTRAL, EchoReport, MapReport, PilotReport, StatisticsReport
from emulator.nodes.node import EmulationError
from emulator.results import CpiResult
from emulator.trace import Kind, Trace
from models.doors import FAILURES

__all__ = [
    "EVENTS", "Calibrated", "CoherenceLost", "CpiPublished", "Event", "FaultBegan", "FaultEnded", "ReportCame",
    "SlotBegan", "Watch",
]  # fmt: skip

REPORTS = {kind.__name__ for kind in (EchoReport, StatisticsReport, MapReport, PilotReport)}


class SlotBegan(NamedTuple):
    """A slot begins in which somebody radiates."""

    time_ns: int
    cpi: int
    slot: int
    radiating: dict[str, str]
    """Who radiates, and what: "communicate", "sense" (too) or "pilot", the kinds of rows in the trace."""


class ReportCame(NamedTuple):
    """A report reached the central processor, whatever it makes of it."""

    time_ns: int
    cpi: int
    source: str
    what: str
    """Name of its class, such as "EchoReport"."""
    message: int
    """Its number in the trace."""
    bits: int


class CpiPublished(NamedTuple):
    """The estimate of a CPI was published; its result is taken with this."""

    time_ns: int
    cpi: int
    result: CpiResult


class FaultBegan(NamedTuple):
    """A fault begins."""

    time_ns: int
    cpi: int
    kind: str
    """As in a scenario file; "other" for one of your own."""
    where: str
    """Node or link."""


class FaultEnded(NamedTuple):
    """A fault ends."""

    time_ns: int
    cpi: int
    kind: str
    where: str


class CoherenceLost(NamedTuple):
    """The central processor found the phases of the access points lost, and asks for a calibration."""

    time_ns: int
    cpi: int


class Calibrated(NamedTuple):
    """The central processor knows the phases of access points anew."""

    time_ns: int
    cpi: int
    n_aps: int


Event = SlotBegan | ReportCame | CpiPublished | FaultBegan | FaultEnded | CoherenceLost | Calibrated
EVENTS = (SlotBegan, ReportCame, CpiPublished, FaultBegan, FaultEnded, CoherenceLost, Calibrated)
"""All kinds of events."""
E = TypeVar("E", bound=Event)

RADIATING = (Kind.COMMUNICATE, Kind.SENSE, Kind.PILOT)
TOLD = np.isin(list(Kind), (*RADIATING, Kind.DELIVER, Kind.FAULT, Kind.REPAIR, Kind.INCOHERENT, Kind.CALIBRATE))
"""Whether something is told of a row, by its kind."""


class Row(NamedTuple):
    """A row of the trace, its columns in their order."""

    time_ns: int
    kind: int
    node: int
    value: int
    cpi: int
    message: int


class Watch(Sized):
    """Reads a trace as it grows, and calls back who asked for it; its length is the number of rows that are new.

    Parameters
    ----------
    trace
        The trace; what it holds already is not told.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._n_rows = self._n_messages = 0
        self._under_way: dict[int, tuple[str, str]] = {}
        """Class and source of reports that are on their way to the central processor, by number."""
        self._on: set[tuple[int, int]] = set()
        """Kind and place of the faults that are on."""
        self._callbacks: list[tuple[type, Callable[..., object]]] = []
        self.catch_up()

    def __len__(self) -> int:
        return self._trace.n_rows - self._n_rows

    def catch_up(self) -> None:
        """Pass over all that is new."""
        for _ in self.new():
            pass

    def new(self) -> Iterator[Event]:
        """Yield what the new rows tell."""
        self._note_reports()
        rows = self._trace.rows_from(self._n_rows)
        self._n_rows = self._trace.n_rows
        slot: SlotBegan | None = None
        for row in map(Row._make, rows[TOLD[rows["kind"]]].tolist()):
            if slot is not None and (row.kind not in RADIATING or row.value != slot.slot):
                yield slot
                slot = None
            if row.kind in RADIATING:
                slot = slot or SlotBegan(row.time_ns, row.cpi, row.value, {})
                slot.radiating[self._trace.nodes[row.node]] = Kind(row.kind).name.lower()
            else:
                yield from self._told(row)
        if slot is not None:
            yield slot

    def _note_reports(self) -> None:
        """Note the reports that were given to the fronthaul since the last time."""
        if self._n_messages == self._trace.n_messages:
            return
        whats, nodes = self._trace.message_kinds, self._trace.nodes
        for number, _, what, source, destination, *_ in self._trace.messages_from(self._n_messages).tolist():
            if nodes[destination] == CENTRAL and whats[what] in REPORTS:
                self._under_way[number] = whats[what], nodes[source]
        self._n_messages = self._trace.n_messages

    def _told(self, row: Row) -> Iterator[Event]:
        """Yield what a row tells by itself, if anything."""
        if row.kind == Kind.DELIVER:
            yield from self._arrival(row)
        elif row.kind in (Kind.FAULT, Kind.REPAIR):
            yield from self._fault(row)
        elif row.kind == Kind.INCOHERENT:
            yield CoherenceLost(row.time_ns, row.cpi)
        else:
            yield Calibrated(row.time_ns, row.cpi, row.value)

    def _arrival(self, row: Row) -> Iterator[ReportCame]:
        at_centre = self._trace.nodes[row.node].endswith(f"{ARROW}{CENTRAL}")
        if at_centre and row.message in self._under_way:
            what, source = self._under_way.pop(row.message)
            yield ReportCame(row.time_ns, row.cpi, source, what, row.message, row.value)

    def _fault(self, row: Row) -> Iterator[FaultBegan | FaultEnded]:
        """Tell that a fault begins or ends; that an AP is still down as a CPI begins is told by nothing new."""
        fault = row.value, row.node
        if (row.kind == Kind.FAULT) == (fault in self._on):
            return
        self._on ^= {fault}
        kind = list(FAULTS)[row.value] if row.value >= 0 else "other"
        event = FaultBegan if row.kind == Kind.FAULT else FaultEnded
        yield event(row.time_ns, row.cpi, kind, self._trace.nodes[row.node])

    # -- calling back -------------------------------------------------------------------------------------------------

    def on(self, event: type[E], callback: Callable[[E], object]) -> None:
        """Call a function with each event of a type; see ``Emulation.on``."""
        if event not in EVENTS:
            raise TypeError(f"got {event!r}; give one of {', '.join(kind.__name__ for kind in EVENTS)}")
        if not callable(callback):
            raise TypeError(f"got {callback!r:.60}; give a function that takes a {event.__name__}")
        self._callbacks.append((event, callback))

    def called_back(self, event: E) -> E:
        """Return an event when all who asked for its type have been called.

        Raises
        ------
        EmulationError
            If something goes wrong in a function that is called; it is named.
        """
        for kind, callback in self._callbacks:
            if isinstance(event, kind):
                try:
                    callback(event)
                except FAILURES as error:
                    name = getattr(callback, "__qualname__", repr(callback))
                    where = f"{name}, called back on {kind.__name__}, t = {event.time_ns} ns"
                    raise EmulationError(f"{where}: {type(error).__name__}: {error}") from error
        return event
