"""A link of the fronthaul: a queue by priority, a server, a propagation delay.

    rate_bit_s        serialisation rate, >= 1; 0: the link is down; left out: infinite
    latency_s         propagation delay; left out: 0
    jitter_s          mean of an exponential delay on top of it, ten times that at most; left out: 0
    queue_bits        most bits that may be waiting or in service; left out: unbounded
    loss_probability  chance that a message is lost on the link; left out: 0
    down_s            pairs [from, until] in s in which the link is down, or "0.001-0.002; 0.005-0.006" as text

One message is sent at a time and to its end. Of those that wait the one of least ``priority`` comes next, of these the
one that entered first; one that enters at the very instant at which another has been sent finds the next one begun.
Rate, latency and jitter are read when a message begins to be sent, the queue when it enters, the chance of loss when it
arrives. One that is sent later may arrive earlier: where jitter delays the other more, or the latency was shortened.

A link is down while its edge is not in the graph, its rate is 0, or a window of ``down_s`` holds the time. What would
enter it then, waits for it, or would begin or arrive is lost; what is on it from before an outage to after it is not.
Another value out of range stops the emulation with an error that names the link and the time.
"""

import math
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from heapq import heappop, heappush
from typing import Any

import networkx as nx
import numpy as np

from emulator.media.link_attributes import LinkAttributes, serialisation_ns
from emulator.messages import ARROW, Message
from emulator.nodes.node import EmulationError
from emulator.services import Services
from emulator.trace import Kind, row

__all__ = ["DeadEnd", "Link", "Loss", "link_name", "natural_order"]

SERIALISE, DELIVER = int(Kind.SERIALISE), int(Kind.DELIVER)
DRAWS = 64
"""Random numbers that are drawn at a time: an address costs as much as some fifty numbers."""
MOST_MEANS = 10
"""Of the jitter: no message is delayed by more."""


class Loss(StrEnum):
    """Why a message was lost."""

    FULL = "queue full"
    DOWN = "link down"
    CHANCE = "lost on the link"
    NO_ROUTE = "no route"


def link_name(source: str, destination: str) -> str:
    """Return the name of a link.

    >>> link_name("ap-0", "central")
    'ap-0->central'
    """
    return f"{source}{ARROW}{destination}"


def natural_order(name: str) -> tuple[list[Any], str]:
    """Return a sort key that puts ap-2 before ap-10.

    >>> sorted(["ap-10", "ap-2"], key=natural_order)
    ['ap-2', 'ap-10']
    """
    parts: list[Any] = re.split(r"0*([0-9]+)", name)
    parts[1::2] = [(len(digits), digits) for digits in parts[1::2]]
    return parts, name


@dataclass(kw_only=True)
class Queue:
    """The book of what has waited for a link; what is being sent does not wait."""

    waited_ns: int = 0
    waited_bit_ns: int = 0
    longest_wait_ns: int = 0
    most_messages: int = 0
    most_bits: int = 0


Waiting = tuple[int, int, int, int, Message]
"""(priority, number of the entry, time of entry in ns, bits, message)."""


@dataclass(kw_only=True, eq=False)
class Link:
    """One direction of one cable."""

    graph: nx.DiGraph = field(repr=False)
    ends: tuple[str, str]
    on_change: Callable[["Link"], None] = field(repr=False)
    """Called when what the edge says has changed, or a window has opened or closed, as far as the link has seen."""
    free_ns: int = 0
    """When the last message that began will have been sent."""
    busy_ns: int = 0
    bits: int = 0
    """Bits delivered."""
    begun: int = 0
    """Messages that the link began to send."""
    carried: int = 0
    """Messages that reached the far end, lost ones included."""
    service: tuple[int, int] = (0, 0)
    """(duration in ns, bits) of the last message that began."""
    waiting: list[Waiting] = field(default_factory=list)
    """A heap."""
    waiting_bits: int = 0
    entered: int = 0
    """Messages that the link took."""
    queue: Queue = field(default_factory=Queue)
    lost: dict[str, int] = field(default_factory=dict)
    """Messages lost, by cause."""

    def __post_init__(self) -> None:
        self.name, (self._from, self.end) = link_name(*self.ends), self.ends
        self._edge = partial(self.graph.get_edge_data, *self.ends)
        self._ways = self.graph._adj
        """Where the graph keeps its edges: ``read`` is called twice a message, and a third faster by this way."""
        try:
            self.attributes: LinkAttributes | None = LinkAttributes.of(self._edge())
        except ValueError as error:
            raise ValueError(f"fronthaul link {self.name}: {error}") from error
        self.seen: dict[str, Any] | None = deepcopy(self._edge())
        """What the edge said when the link last looked, of which ``attributes`` are made; None if it was gone."""
        self.has_windows = bool(self.attributes.down_ns)
        self._drawn: tuple[int, float, list[int]] = (-1, 0.0, [])
        """Number of a block of jitters, their mean, and the block, in ns."""
        self.reach_ns: int | None = self.attributes.latency_ns
        """The latency when the link last looked; None if it was down."""

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        self.services, self.rank, self.record = services, services.rank(self.name), services.record

    # -- the edge -----------------------------------------------------------------------------------------------------

    def read(self, now_ns: int) -> LinkAttributes | None:
        """Return what the edge says now, or None while the link is down.

        Raises
        ------
        EmulationError
            If an attribute is out of range.
        """
        try:
            changed = self._ways[self._from][self.end] != self.seen
        except KeyError:  # the edge is gone
            changed = self.seen is not None
        except ValueError:  # arrays have no truth value
            changed = True
        return self._looked(now_ns, changed) if changed or self.has_windows else self.attributes

    def _looked(self, now_ns: int, changed: bool) -> LinkAttributes | None:
        if changed:
            self.take(self._edge())
        attributes = self.attributes if not self._in_window(now_ns) else None
        reach_ns = None if attributes is None else attributes.latency_ns
        if changed or reach_ns != self.reach_ns:
            self.reach_ns = reach_ns
            self.on_change(self)
        return attributes

    def take(self, edge: dict[str, Any] | None) -> None:
        """Take over what an edge says."""
        self.attributes, self.seen = self._checked(edge), deepcopy(edge)
        self.has_windows = self.attributes is not None and bool(self.attributes.down_ns)

    def _in_window(self, now_ns: int) -> bool:
        return self.attributes is not None and self.attributes.is_down(now_ns)

    def _checked(self, edge: dict[str, Any] | None) -> LinkAttributes | None:
        if edge is None or edge.get("rate_bit_s") == 0.0:
            return None
        try:
            return LinkAttributes.of(edge)
        except ValueError as error:
            where = f"fronthaul link {self.name}, t = {self.services.now_ns} ns"
            raise EmulationError(f"{where}: {error}; a rate of 0 takes the link down") from error

    # -- messages -----------------------------------------------------------------------------------------------------

    def accept(self, message: Message, bits: int, now_ns: int) -> int | Loss | None:
        """Begin to send a message and return when it arrives; or None where it waits; or say why it is lost."""
        attributes = self.read(now_ns)
        if attributes is None:
            return Loss.DOWN
        waiting = self.waiting
        if self.free_ns > now_ns or waiting:
            most_bits = attributes.queue_bits
            if most_bits < math.inf and self.backlog_bits(now_ns) + bits > most_bits:
                return Loss.FULL
            self.entered += 1
            heappush(waiting, (message.priority, self.entered, now_ns, bits, message))
            self.waiting_bits += bits
            if len(waiting) > self.queue.most_messages:
                self.queue.most_messages = len(waiting)
            if self.waiting_bits > self.queue.most_bits:
                self.queue.most_bits = self.waiting_bits
            return None
        if bits > attributes.queue_bits:
            return Loss.FULL
        self.entered += 1
        return self._send(attributes, message, bits, now_ns)

    def backlog_bits(self, now_ns: int) -> float:
        """Return the bits that wait or are yet to be sent of the message in service."""
        if self.free_ns <= now_ns:
            return self.waiting_bits
        duration_ns, bits = self.service
        return self.waiting_bits + bits * (self.free_ns - now_ns) / duration_ns

    def next(self, attributes: LinkAttributes | None, now_ns: int) -> tuple[Message, int, int | Loss]:
        """Take the next message that waits; return it, its bits, and when it arrives or why it is lost.

        ``attributes`` are what ``read`` returned in this event.
        """
        _, _, entered_ns, bits, message = heappop(self.waiting)
        waited_ns, queue = now_ns - entered_ns, self.queue
        self.waiting_bits -= bits
        queue.waited_ns += waited_ns
        queue.waited_bit_ns += waited_ns * bits
        if waited_ns > queue.longest_wait_ns:
            queue.longest_wait_ns = waited_ns
        return message, bits, Loss.DOWN if attributes is None else self._send(attributes, message, bits, now_ns)

    def _send(self, attributes: LinkAttributes, message: Message, bits: int, now_ns: int) -> int:
        """Begin to send a message, and return when it arrives."""
        duration_ns = serialisation_ns(bits, attributes.rate_bit_s)
        self.free_ns = arrival_ns = now_ns + duration_ns
        self.busy_ns += duration_ns
        self.service = duration_ns, bits
        self.begun += 1
        if self.record is not None:
            self.record(row(now_ns, SERIALISE, self.rank, duration_ns, message.cpi, message.sequence))
        if attributes.jitter_ns:
            arrival_ns += self._jitter_ns(attributes.jitter_ns)
        return arrival_ns + attributes.latency_ns

    def _jitter_ns(self, mean_ns: float) -> int:
        """Draw the jitter of a message, addressed by how many began; of a block of messages in one call."""
        block, place = divmod(self.begun, DRAWS)
        of_block, of_mean_ns, drawn_ns = self._drawn
        if of_block != block or of_mean_ns != mean_ns:
            drawn = self.services.generator(self.name, "jitter", block).exponential(size=DRAWS)
            drawn_ns = np.rint(drawn.clip(max=MOST_MEANS) * mean_ns).astype(int).tolist()
            self._drawn = block, mean_ns, drawn_ns
        return drawn_ns[place]

    def release(self, message: Message, bits: int, now_ns: int) -> Loss | None:
        """Take a message off the far end, or say why it is lost."""
        self.carried += 1
        attributes = self.read(now_ns)
        if attributes is None:
            return Loss.DOWN
        if attributes.loss_probability and self._is_lost(attributes.loss_probability):
            return Loss.CHANCE
        self.bits += bits
        if self.record is not None:
            self.record(row(now_ns, DELIVER, self.rank, bits, message.cpi, message.sequence))
        return None

    def _is_lost(self, probability: float) -> bool:
        return self.services.generator(self.name, "loss", self.carried).random() < probability

    # -- books and checkpoints ----------------------------------------------------------------------------------------

    def book(self, now_ns: int) -> dict[str, Any]:
        """Return bits delivered, rate, utilisation, queue, waiting times and losses since the start."""
        queue, still = self.queue, [(now_ns - entered_ns, bits) for _, _, entered_ns, bits, _ in self.waiting]
        waited_ns = queue.waited_ns + sum(wait_ns for wait_ns, _ in still)
        waited_bit_ns = queue.waited_bit_ns + sum(wait_ns * bits for wait_ns, bits in still)
        return {
            "bits": self.bits,
            "utilisation": self.elapsed_busy_ns(now_ns) / now_ns if now_ns else 0.0,
            "rate_bit_s": 0.0 if self.attributes is None else self.attributes.rate_bit_s,
            "messages_entered": self.entered,
            "messages_waiting_mean": waited_ns / now_ns if now_ns else 0.0,
            "messages_waiting_max": queue.most_messages,
            "bits_waiting_mean": waited_bit_ns / now_ns if now_ns else 0.0,
            "bits_waiting_max": queue.most_bits,
            "wait_mean_s": 1e-9 * waited_ns / self.entered if self.entered else 0.0,
            "wait_max_s": 1e-9 * max([queue.longest_wait_ns, *(wait_ns for wait_ns, _ in still)]),
            "lost": dict(sorted(self.lost.items())),
        }

    def elapsed_busy_ns(self, now_ns: int) -> int:
        """Return how long the link has been sending until now."""
        return self.busy_ns - max(self.free_ns - now_ns, 0)

    def state(self) -> dict[str, Any]:
        """Return the counters, what waits, and what the link has seen of its edge."""
        names = ("free_ns", "busy_ns", "bits", "begun", "carried", "service", "waiting", "waiting_bits", "entered",
                 "queue", "lost")  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"looked": (self.seen, self.reach_ns)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        state = dict(state)
        seen, self.reach_ns = state.pop("looked")
        self.take(seen)
        vars(self).update(state)


class DeadEnd:
    """Stands where a link would, at a node from which no way leads on to a message's destination."""

    waiting = ()

    def __init__(self, name: str, rank: int) -> None:
        self.name, self.rank = name, rank
        self.lost: dict[str, int] = {}

    def accept(self, message: Message, bits: int, now_ns: int) -> Loss:
        """Lose a message."""
        return Loss.NO_ROUTE
