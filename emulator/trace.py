"""Every event of an emulation as a row of six whole numbers, and every message as a row of eight.

``record(row(...))`` is the whole recorder of events: it adds 33 bytes to a buffer, and makes no object that lasts. Full
blocks of rows are set aside, and spilled to a file or dropped (``emulator.blocks``), when a CPI has been published.
``emulator.journeys`` reads the way of a message from the two tables.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, unique
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.blocks import Blocks, Rows, packer
from emulator.messages import Message

__all__ = ["COLUMNS", "PREFIX", "Kind", "Trace", "Tracing", "row", "rows_of", "two_rows"]

ROW = [("time_ns", "<i8"), ("kind", "u1"), ("node", "<i4"), ("value", "<i8"), ("cpi", "<i4"), ("message", "<i8")]
MESSAGE = [
    ("number", "<i8"), ("given_ns", "<i8"), ("what", "u1"), ("source", "<i4"), ("destination", "<i4"), ("cpi", "<i4"),
    ("bits", "<i8"), ("cause", "<i8"),
]  # fmt: skip
PREFIX = "message_"
"""Of the columns of messages, in what is read and written."""
COLUMNS = (*(name for name, _ in ROW), *(PREFIX + name for name, _ in MESSAGE))
"""Names of all columns: those of events, then those of messages."""

row = packer(ROW)
"""Makes a row of (time_ns, kind, node, value, cpi, message); -1 for no CPI and for no message."""
two_rows = packer(ROW * 2)
"""Makes two rows on end, in the time of one and a half."""
_message_row = packer(MESSAGE)


def rows_of(time_ns: int, kind: int, node: int, value: int, cpi: int, messages: list[int]) -> bytes:
    """Return rows that differ in the number of the message alone."""
    table = np.empty(len(messages), dtype=ROW)
    for (name, _), column in zip(ROW, (time_ns, kind, node, value, cpi, messages), strict=True):
        table[name] = column
    return table.tobytes()


@unique
class Kind(IntEnum):
    """What happened; in brackets, what the value of the row is. Rows with an asterisk carry a message's number."""

    PLAN = 0
    """The central processor planned a CPI [CPI]."""
    ASSIGNED = 1
    """An AP received the plan of a CPI [CPI] *."""
    SILENT = 2
    """An AP had no plan at the start of a CPI [CPI]."""
    COMMUNICATE = 3
    """A transmitting AP radiates communication only [slot]."""
    SENSE = 4
    """A transmitting AP radiates the sensing waveform too [slot]."""
    LISTEN = 5
    """A receiving AP listens [slot]."""
    REPORT = 6
    """An AP gave its echo of a slot to its functional split [slot] *, which sent it as that message, if at once."""
    WITHHOLD = 7
    """An AP kept its echo of a slot to itself [slot]."""
    SERIALISE = 8
    """A link starts to send a message at this time [duration in ns] *."""
    DELIVER = 9
    """A link delivers a message [bits] *."""
    DROP = 10
    """A link loses a message [bits] *: on the way, or at once where no row says that it started to send it.

    Where the node of the row is no link, that node had no way on to the message's destination."""
    LATE = 11
    """A message reached the central processor or an AP when it was of no use any more [CPI] *."""
    FUSE = 12
    """The central processor fused a CPI [reports]."""
    PUBLISH = 13
    """The central processor published an estimate [targets]."""
    USE = 14
    """A report, or the record of a transmitter, went into the fusion of a CPI [CPI] *."""
    PILOT = 15
    """An AP radiates a pilot [slot]."""
    CALIBRATE = 16
    """The central processor knows the phases of APs anew [APs]."""
    CORRECT = 17
    """An AP takes up a correction of its phases [CPI] *."""
    INCOHERENT = 18
    """The central processor found coherence lost, or an oscillator started anew: it asks for a calibration [CPI]."""
    FAULT = 19
    """A fault of this AP or link begins, or the AP is still down as a CPI begins [place in ``FAULTS``; -1: none]."""
    REPAIR = 20
    """A fault of this AP or link ends [place in ``FAULTS``; -1: none]."""
    REFUSE = 21
    """The central processor refused a message, for its check sequence, its header, or what others measured [CPI] *."""
    REPEAT = 22
    """The central processor sends a correction again: its AP says that it has not applied it, or nothing [CPI] *."""


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """What becomes of the rows of a trace.

    Attributes
    ----------
    last_cpis
        How many CPIs are kept, the last ones that were published and those after; None keeps all.
    folder
        Where rows go that memory is not to hold, to a file without a name; None for the system's temporary folder.
    """

    last_cpis: int | None = None
    folder: Path | None = None


class Trace:
    """The recorder.

    Attributes
    ----------
    nodes
        Names by node number: nodes and links.
    record
        Takes what ``row`` makes, one row or several.
    """

    def __init__(self, nodes: tuple[str, ...], tracing: Tracing | None = None) -> None:
        tracing = tracing or Tracing()
        self.nodes, self._last_cpis, self._first_cpi = nodes, tracing.last_cpis, 0
        spill, folder = tracing.last_cpis is None, tracing.folder
        self._rows, self._messages = (Blocks(columns, spill=spill, folder=folder) for columns in (ROW, MESSAGE))
        self._whats: dict[str, int] = {}
        self._numbers = {name: i for i, name in enumerate(nodes)}

    @property
    def record(self) -> Callable[[bytes], None]:
        """What takes rows; see the class."""
        return self._rows.add

    def book(self, given: Iterable[tuple[object, Message, int]], now_ns: int) -> None:
        """Record messages that are given to the fronthaul now: (link, message, bits)."""
        packed, numbers, whats = [], self._numbers, self._whats
        for _, message, bits in given:
            name = type(message).__name__
            if name not in whats:  # those that come first have the lowest numbers
                whats[name] = len(whats)
            source, destination = numbers[message.source], numbers[message.destination]
            packed.append(
                _message_row(
                    message.sequence, now_ns, whats[name], source, destination, message.cpi, bits, message.cause
                )
            )
        self._messages.add(b"".join(packed))

    def settle(self, cpi: int) -> None:
        """Set aside or forget what need not stay at hand, now that a CPI has been published."""
        if self._last_cpis is not None:
            self._first_cpi = max(self._first_cpi, cpi + 1 - self._last_cpis)
        for table in (self._rows, self._messages):
            table.settle()
            if self._first_cpi:
                table.forget("cpi", self._first_cpi)

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names by kind number."""
        return tuple(kind.name.lower() for kind in Kind)

    @property
    def message_kinds(self) -> tuple[str, ...]:
        """Names of the classes of messages, by the number that column message_what gives."""
        return tuple(self._whats)

    @property
    def names(self) -> dict[str, NDArray[np.str_]]:
        """What numbers in columns point to, by the names that they have in a file."""
        found = {"kinds": self.kinds, "nodes": self.nodes, "message_kinds": self.message_kinds}
        return {key: np.array(names, dtype=str) for key, names in found.items()}

    def column(self, name: str) -> Iterator[NDArray[np.int64]]:
        """Yield a column in pieces, so that a long one need not be in memory as a whole."""
        table = self._messages if name.startswith(PREFIX) else self._rows
        for block in self._kept(table):
            yield block[name.removeprefix(PREFIX)].astype(np.int64)

    def columns(self, cpis: range | None = None) -> dict[str, NDArray[np.int64]]:
        """Return the columns of events and of messages, each in the order in which they were recorded.

        Parameters
        ----------
        cpis
            Only rows that are about these CPIs; all by default.

        Returns
        -------
        dict
            Of events: time_ns, kind, node, value, cpi, message. Of messages: message_number, message_given_ns,
            message_what, message_source, message_destination, message_cpi, message_bits, message_cause.
        """
        found: dict[str, NDArray[np.int64]] = {}
        for table, prefix in ((self._rows, ""), (self._messages, PREFIX)):
            parts = [block if cpis is None else block[_within(block["cpi"], cpis)] for block in self._kept(table)]
            rows = np.concatenate([np.empty(0, dtype=table.dtype), *parts])
            found |= {prefix + name: rows[name].astype(np.int64) for name in table.dtype.names or ()}
        return found

    def data(self, cpis: range | None = None) -> dict[str, NDArray[Any]]:
        """Return the columns together with the names: what a trace file holds."""
        return {**self.columns(cpis), **self.names}

    def first_cpis(self, count: int) -> range:
        """Return the first CPIs that are kept, to read the beginning of a long trace alone."""
        return range(self._first_cpi, self._first_cpi + count)

    def _kept(self, table: Blocks) -> Iterator[Rows]:
        """Yield the rows of a table from the first one on that is about a CPI that is kept."""
        waiting = self._first_cpi > 0
        for block in table:
            start = 0
            if waiting:
                about = np.flatnonzero(block["cpi"] >= self._first_cpi)
                start, waiting = (int(about[0]), False) if len(about) else (len(block), True)
            yield block[start:]

    # -- reading as it grows ------------------------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        """Rows of events that were recorded so far."""
        return self._rows.n_rows

    @property
    def n_messages(self) -> int:
        """Messages that were recorded so far."""
        return self._messages.n_rows

    def rows_from(self, number: int) -> Rows:
        """Return the rows of events from one on, as ``n_rows`` counts them."""
        return self._rows.rows_from(number)

    def messages_from(self, number: int) -> Rows:
        """Return the rows of messages from one on, as ``n_messages`` counts them."""
        return self._messages.rows_from(number)

    # -- checkpoints --------------------------------------------------------------------------------------------------

    @property
    def _tables(self) -> dict[str, Blocks]:
        return {"rows": self._rows, "messages": self._messages}

    def state(self, elsewhere: Container[str] = ()) -> dict[str, Any]:
        """Return all that is kept, as data; of tables whose rows are kept elsewhere none."""
        tables = {name: b"" if name in elsewhere else table.state() for name, table in self._tables.items()}
        return {**tables, "whats": list(self._whats), "first_cpi": self._first_cpi}

    def grown(self, before: Mapping[str, int]) -> dict[str, bytes]:
        """Return the rows of each table after so many first bytes; nothing where old rows are forgotten."""
        if self._last_cpis is not None:
            return {}
        return {name: table.state(before.get(name, 0)) for name, table in self._tables.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        for name, table in self._tables.items():
            table.restore(state[name])
        self._whats = {name: i for i, name in enumerate(state["whats"])}
        self._first_cpi = state["first_cpi"]


def _within(values: NDArray[np.integer[Any]], cpis: range) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= cpis.start) & (values < cpis.stop)
    return inside
