"""A trace as waveforms, a value change dump for GTKWave, Surfer and other viewers of digital signals.

An AP has a state in words and a wire for each thing it does, a link a wire while it is busy, the number of the message
that it sends and how many wait for it; whoever has faults a wire while one lasts. Every kind of row counts up at its
node, so that no two events of one instant are lost. Names are such as the format can hold, without spaces, dots and
dollars. Not modelled: propagation on a link, and which messages wait; those that no link ever began to send are not
among those that wait.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from emulator.lanes import Cell, Lanes, fault_spans
from emulator.trace import PREFIX, Kind
from scenarios.exports.excerpt import ARROW, Excerpt, group_of
from scenarios.extras import extra
from scenarios.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from vcd import VCDWriter
    from vcd.writer import Variable

__all__ = ["write"]

WIRES = {
    "radiates": (Cell.COMMUNICATE, Cell.SENSE, Cell.PILOT), "senses": (Cell.SENSE,), "listens": (Cell.LISTEN,),
    "down": (Cell.DOWN,),
}  # fmt: skip
"""Of an AP, and in which states each is up."""
IDLE = "idle"
BITS = 48
"""Of whole numbers: more than any run has of anything."""


class Change(NamedTuple):
    """A signal of a node or link takes a value."""

    time_ns: int
    node: str
    signal: str
    value: int | str


def write(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as a value change dump with a timescale of 1 ns."""
    with extra("trace", "--format vcd"):
        from vcd import VCDWriter

    changes = _changes(excerpt)
    comment = f"schema_version: {SCHEMA_VERSION}"
    start_ns = changes[0].time_ns if changes else 0
    with (
        path.open("w", encoding="utf-8") as file,
        VCDWriter(file, "1 ns", date="", comment=comment, init_timestamp=start_ns) as dump,
    ):
        signals = _signals(dump, changes, excerpt.nodes())
        for change in changes:
            dump.change(signals[change.node, change.signal], change.time_ns, change.value)


def _signals(dump: "VCDWriter", changes: list[Change], nodes: list[str]) -> dict[tuple[str, str], "Variable[object]"]:
    """Register the signals that change, those of a node together, in the order of the nodes."""
    found: dict[tuple[str, str], Variable[object]] = {}
    words = dict(zip(nodes, words_of(nodes), strict=True))
    seen = {(change.node, change.signal): change.value for change in reversed(changes)}
    for node, signal in sorted(seen, key=lambda key: (nodes.index(key[0]), key[1] not in ("state", *WIRES), key[1])):
        scope = group_of(node).replace(" ", "_"), words[node]
        if isinstance(seen[node, signal], str):
            found[node, signal] = dump.register_var(scope, signal, "string", init=IDLE)
        else:
            size = 1 if signal in (*WIRES, "busy", "faulty") else BITS
            found[node, signal] = dump.register_var(scope, signal, "wire", size=size, init=0)
    return found


def words_of(names: Sequence[str]) -> list[str]:
    """Return names as a dump can hold them: what ends a word, or begins one of its own, is an underscore.

    >>> words_of(["ap-0->switch 1", "ap-0->switch_1", "$end"])
    ['ap-0->switch_1', 'ap-0->switch_1_2', '_end']
    """
    found: list[str] = []
    for name in names:
        plain = "".join("_" if char in ".$" or char.isspace() or not char.isprintable() else char for char in name)
        numbered = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
        found.append(next(word for word in numbered if word not in found))
    return found


def _changes(excerpt: Excerpt) -> list[Change]:
    """Return the changes of all signals of the nodes that have rows, as far as there are rows, in order of time."""
    nodes = set(excerpt.nodes())
    counts = list(_counts(excerpt))
    if not counts:
        return []
    begin_ns = min(change.time_ns for change in counts)
    end_ns = max(*(change.time_ns for change in counts), *excerpt.ends_ns())
    signals = (change for source in (_states, _busy, _queues, _faults) for change in source(excerpt))
    inside = (change for change in signals if change.node in nodes and change.time_ns <= end_ns)
    return sorted(
        [*(change._replace(time_ns=max(change.time_ns, begin_ns)) for change in inside), *counts],
        key=lambda change: change.time_ns,
    )


def _counts(excerpt: Excerpt) -> Iterator[Change]:
    """Yield, for each row in the order of time, how many of its kind its node had."""
    counts: Counter[tuple[str, Kind]] = Counter()
    for event in sorted(excerpt.events(), key=lambda event: event.time_ns):
        counts[event.node, event.kind] += 1
        yield Change(event.time_ns, event.node, f"n_{event.kind.name.lower()}", counts[event.node, event.kind])


def _states(excerpt: Excerpt) -> Iterator[Change]:
    """Yield what each AP does, slot by slot, as the timeline shows it."""
    for group in excerpt.timeline.aps:
        yield from _states_of(group, excerpt.timeline.slot_edges_ns.tolist())


def _states_of(group: Lanes, edges_ns: list[int]) -> Iterator[Change]:
    for name, cells in zip(group.names, group.cells.tolist(), strict=True):
        padded = [Cell.NOTHING, *map(Cell, cells), Cell.NOTHING]
        for time_ns, (before, cell) in zip(edges_ns, pairwise(padded), strict=True):
            if cell is not before:
                yield Change(time_ns, name, "state", cell.name.lower() if cell else IDLE)
                yield from (Change(time_ns, name, wire, int(cell in states)) for wire, states in WIRES.items())


def _busy(excerpt: Excerpt) -> Iterator[Change]:
    """Yield when each link begins to send a message, which, and when it is done."""
    rows = zip(excerpt.events(), excerpt.ends_ns(), strict=True)
    for event, end_ns in ((event, end_ns) for event, end_ns in rows if event.kind is Kind.SERIALISE):
        yield Change(event.time_ns, event.node, "sends", event.message)
        yield Change(event.time_ns, event.node, "busy", 1)
        yield Change(end_ns, event.node, "busy", 0)


def _queues(excerpt: Excerpt) -> Iterator[Change]:
    """Yield how many messages wait for each link."""
    steps: Counter[tuple[int, str]] = Counter()
    for number in excerpt.trace[PREFIX + "number"].tolist():
        for hop in excerpt.journeys.hops(number):
            if ARROW in hop.link and hop.waited_ns and hop.started_ns is not None:
                steps[hop.given_ns, hop.link] += 1
                steps[hop.started_ns, hop.link] -= 1
    waiting: Counter[str] = Counter()
    for (time_ns, link), step in sorted(steps.items()):
        waiting[link] += step
        yield Change(time_ns, link, "queue", waiting[link])


def _faults(excerpt: Excerpt) -> Iterator[Change]:
    """Yield when each AP or link has a fault; several at a time are one."""
    steps: Counter[tuple[int, str]] = Counter()
    for row, end_ns in fault_spans(excerpt.trace):
        node = excerpt.journeys.nodes[excerpt.trace["node"][row]]
        steps[int(excerpt.trace["time_ns"][row]), node] += 1
        steps[end_ns, node] -= 1
    lasting: Counter[str] = Counter()
    for (time_ns, node), step in sorted(steps.items()):
        lasting[node] += step
        yield Change(time_ns, node, "faulty", int(lasting[node] > 0))
