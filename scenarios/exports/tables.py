"""A trace as CSV: one row an event, one row a message, with names in place of numbers."""

import csv
from collections.abc import Iterable
from pathlib import Path

from emulator.journeys import Event
from emulator.trace import Kind
from scenarios.exports.excerpt import Excerpt, fault_name
from scenarios.version import SCHEMA_VERSION

__all__ = ["write_events", "write_messages"]

EVENTS = ("time_ns", "end_ns", "kind", "node", "value", "cpi", "message", "message_kind", "source", "destination",
          "fault")  # fmt: skip
MESSAGES = ("number", "given_ns", "message_kind", "source", "destination", "cpi", "bits", "cause", "outcome")


def write_events(excerpt: Excerpt, path: Path) -> None:
    """Write the events of an excerpt, in the order in which they were recorded; a cell without a value is empty."""
    rows = zip(excerpt.events(), excerpt.ends_ns(), strict=True)
    _write(path, EVENTS, (_event_row(excerpt, event, end_ns) for event, end_ns in rows))


def write_messages(excerpt: Excerpt, path: Path) -> None:
    """Write the messages of an excerpt, in the order in which they were sent, and what became of each."""
    outcome = excerpt.journeys.outcome
    rows = ((*sent[:7], _known(sent.cause), outcome(sent.number)) for sent in excerpt.messages())
    _write(path, MESSAGES, rows)


def _event_row(excerpt: Excerpt, event: Event, end_ns: int) -> tuple[object, ...]:
    sent = excerpt.journeys.message(event.message)
    way = (sent.what, sent.source, sent.destination) if sent is not None else ("", "", "")
    fault = fault_name(event.value) if event.kind in (Kind.FAULT, Kind.REPAIR) else ""
    kind = event.kind.name.lower()
    numbers = event.value, _known(event.cpi), _known(event.message)
    return event.time_ns, end_ns, kind, event.node, *numbers, *way, fault


def _known(number: int) -> object:
    return number if number >= 0 else ""


def _write(path: Path, names: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# schema_version: {SCHEMA_VERSION}\n")
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        table.writerows(rows)
