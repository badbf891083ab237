"""A trace for ui.perfetto.dev: a track for each node and link, slices, instants, and arrows from cause to effect.

Every row of the trace is one event, the beginning of a slice or an instant, whose category is its kind. Not modelled:
threads, processors and counters; emulated time stands where Perfetto has that since the machine's start.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.journeys import Event, Journeys, Sent
from emulator.messages import Assignment
from emulator.trace import Kind
from scenarios.exports.excerpt import GROUPS, Excerpt, fault_name, group_of
from scenarios.extras import extra

if TYPE_CHECKING:
    from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder

__all__ = ["write"]

SEQUENCE = 1
"""All packets come from one writer."""
FAULTS = "faults of "
CAUSED, PUBLISHED = 1 << 40, 1 << 41
"""Added to the number of a message, or a CPI, to make a flow of its own: no run has so many messages."""


class Packet(NamedTuple):
    """The beginning or the end of something on a track."""

    time_ns: int
    track: str
    event: Event | None
    """None for the end of a slice."""
    is_slice: bool = False
    flows: tuple[int, ...] = ()


def write(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as a Perfetto trace, times in ns."""
    with extra("trace", "--format perfetto"):
        from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder

    packets = sorted(_packets(excerpt), key=lambda packet: packet.time_ns)  # in order of recording within an instant
    with path.open("wb") as file:
        builder = StreamingTraceProtoBuilder(file)
        numbers = _write_tracks(builder, excerpt.nodes(), {packet.track for packet in packets})
        for packet in packets:
            _write_packet(builder, packet, numbers[packet.track], excerpt)


def _packets(excerpt: Excerpt) -> Iterator[Packet]:
    """Yield what happened on each track in order: the end of a slice before the beginning of the next."""
    flows = _flows(excerpt)
    for row, event, end_ns in zip(excerpt.rows.tolist(), excerpt.events(), excerpt.ends_ns(), strict=True):
        track = FAULTS + event.node if event.kind in (Kind.FAULT, Kind.REPAIR) else event.node
        is_slice = end_ns > event.time_ns or event.kind is Kind.SERIALISE
        yield Packet(event.time_ns, track, event, is_slice, tuple(flows[row]))
        if is_slice:
            yield Packet(end_ns, track, None)


# -- arrows -----------------------------------------------------------------------------------------------------------


def _flows(excerpt: Excerpt) -> defaultdict[int, list[int]]:
    """Return the numbers of the arrows through each row.

    One leads along all rows of a message, and on to the fusion that it went into; one from the message that caused it,
    or the plan, to its first row; one from each fusion to what was published of it.
    """
    rows = dict(zip(excerpt.rows.tolist(), excerpt.events(), strict=True))
    flows = defaultdict(list, {row: _along(event, excerpt.journeys) for row, event in rows.items()})
    for sent, origin, first in _causes(excerpt, rows):
        flows[origin].append(CAUSED + sent.number)
        flows[first].append(CAUSED + sent.number)
    return flows


def _along(event: Event, journeys: Journeys) -> list[int]:
    """Return the arrows along a message, into a fusion and out of it."""
    if event.kind is Kind.FUSE:
        return [PUBLISHED + event.cpi, *(used.message + 1 for used in journeys.about(event.cpi, Kind.USE))]
    if event.kind is Kind.PUBLISH:
        return [PUBLISHED + event.cpi]
    return [event.message + 1] if event.message >= 0 else []


def _causes(excerpt: Excerpt, rows: Mapping[int, Event]) -> Iterator[tuple[Sent, int, int]]:
    """Yield each message that was caused, with the last row of its cause before it, and its own first row."""
    of_message: defaultdict[int, list[int]] = defaultdict(list)
    for row, event in rows.items():
        if event.message >= 0:
            of_message[event.message].append(row)
    plans = {event.cpi: [row] for row, event in rows.items() if event.kind is Kind.PLAN}
    for sent in excerpt.messages():
        first = min(of_message[sent.number], default=0)
        causes = plans.get(sent.cpi, []) if sent.what == Assignment.__name__ else of_message[sent.cause]
        if earlier := [row for row in causes if row < first]:
            yield sent, earlier[-1], first


# -- protobuf ---------------------------------------------------------------------------------------------------------


def _write_tracks(builder: "StreamingTraceProtoBuilder", nodes: list[str], used: set[str]) -> dict[str, int]:
    """Write the groups, the tracks in them and those of faults; return the number of each track."""
    numbers: dict[str, int] = {}
    uuids = count(1)
    for group in (group for group in GROUPS if any(group_of(node) == group for node in nodes)):
        parent = numbers[f"group {group}"] = next(uuids)
        _write_track(builder, parent, group, None)
        for node in (node for node in nodes if group_of(node) == group):
            for track in sorted({node, FAULTS + node} & {*used, node}, key=len):
                numbers[track] = next(uuids)
                _write_track(builder, numbers[track], track, parent)
    return numbers


def _write_track(builder: "StreamingTraceProtoBuilder", uuid: int, name: str, parent: int | None) -> None:
    """Write a track; tracks lie in the order in which they are written, not that of the alphabet."""
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackDescriptor

    packet = builder.create_packet()
    packet.trusted_packet_sequence_id = SEQUENCE
    track = packet.track_descriptor
    track.uuid, track.name, track.sibling_order_rank = uuid, name, uuid
    track.child_ordering = TrackDescriptor.EXPLICIT
    if parent is not None:
        track.parent_uuid = parent
    builder.write_packet(packet)


def _write_packet(builder: "StreamingTraceProtoBuilder", one: Packet, track: int, excerpt: Excerpt) -> None:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent

    packet = builder.create_packet()
    packet.trusted_packet_sequence_id, packet.timestamp = SEQUENCE, one.time_ns
    told = packet.track_event
    told.track_uuid = track
    if one.event is None:
        told.type = TrackEvent.TYPE_SLICE_END
    else:
        told.type = TrackEvent.TYPE_SLICE_BEGIN if one.is_slice else TrackEvent.TYPE_INSTANT
        told.categories.append(one.event.kind.name.lower())
        told.flow_ids.extend(one.flows)
        _describe(told, one.event, excerpt.journeys.message(one.event.message))
    builder.write_packet(packet)


def _describe(told: Any, event: Event, sent: Sent | None) -> None:
    """Name an event and say of it what the trace does."""
    told.name = event.kind.name.lower()
    if sent is not None:
        told.name = f"{sent.what} {sent.number}" if event.kind is Kind.SERIALISE else f"{told.name} {sent.what}"
        _say(told, source=sent.source, destination=sent.destination, bits=sent.bits)
    elif event.kind in (Kind.FAULT, Kind.REPAIR):
        told.name = f"{told.name} {fault_name(event.value)}"
    _say(told, cpi=event.cpi, value=event.value, message=event.message)


def _say(told: Any, **values: int | str) -> None:
    for name, value in values.items():
        note = told.debug_annotations.add()
        note.name = name
        if isinstance(value, str):
            note.string_value = value
        else:
            note.int_value = value
