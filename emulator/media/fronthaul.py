"""The fronthaul: a directed graph of links that serialise, delay, queue and sometimes lose messages.

The graph is the only truth about the links: rate, latency and queue are read when a message enters a link, the
probability of loss when it leaves.

    rate_bit_s        serialisation rate, >= 1; 0: the link is down; left out: infinite
    latency_s         propagation delay; left out: 0
    queue_bits        most bits that may be waiting or in service; left out: unbounded
    loss_probability  chance that a message is lost on the link; left out: 0

A link is first in, first out up to where it begins to propagate: messages are serialised one after the other, and each
travels for the latency that was read when it entered. So one that enters after the latency was shortened may overtake.
A link is down while its edge is not in the graph or its rate is 0; what would enter or leave it then is lost. Another
value out of range stops the emulation with an error that names the link and the time.

Messages take the path of least latency, of those the one with the fewest hops, of those the first by name, as the graph
was when the fronthaul was made; they are stored and forwarded hop by hop. Not modelled: other paths around a link that
is down, edges added later, preemption, retransmission, frames larger than a message (a message is one frame, whatever
its size).
"""

import re
from bisect import insort_left
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import Any, Protocol

import networkx as nx

from emulator.identity import settings
from emulator.media.link_attributes import LinkAttributes, serialisation_ns
from emulator.messages import ARROW, CENTRAL, Message
from emulator.nodes.node import EmulationError
from emulator.services import Services
from emulator.trace import Kind, row

__all__ = [
    "Fronthaul", "Link", "Loss", "Watcher", "link_name", "natural_order", "ring", "set_edge", "star", "stripe", "tree",
]  # fmt: skip

SERIALISE, DELIVER, DROP = int(Kind.SERIALISE), int(Kind.DELIVER), int(Kind.DROP)


class Loss(StrEnum):
    """Why a link lost a message."""

    FULL = "queue full"
    DOWN = "link down"
    CHANCE = "lost on the link"


class Watcher(Protocol):
    """Who is told what becomes of messages."""

    def delivered(self, messages: list[Message], now_ns: int) -> None:
        """Take note of messages that have reached their destinations at one instant."""

    def dropped(self, message: Message, link: str, why: Loss) -> None:
        """Take note of a message that a link has lost."""


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


@dataclass(kw_only=True, eq=False)
class Link:
    """A first-in first-out server with a propagation delay: one direction of one cable."""

    graph: nx.DiGraph = field(repr=False)
    ends: tuple[str, str]
    free_ns: int = 0
    """When everything accepted so far will have left."""
    busy_ns: int = 0
    bits: int = 0
    """Bits delivered."""
    carried: int = 0
    """Messages that reached the far end, lost ones included."""
    waiting: deque[tuple[int, int, int]] = field(default_factory=deque)
    """(time of leaving in ns, duration of service in ns, bits) of what may not have left yet."""
    waiting_bits: int = 0

    def __post_init__(self) -> None:
        self.name, self.end = link_name(*self.ends), self.ends[1]
        self._edge = partial(self.graph.get_edge_data, *self.ends)
        self._attributes: LinkAttributes | None = None
        self._seen: dict[str, Any] | None = None

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        self.services, self.rank, self.record = services, services.rank(self.name), services.record

    def read(self) -> LinkAttributes | None:
        """Return what the edge says now, or None while the link is down.

        Raises
        ------
        EmulationError
            If an attribute is out of range.
        """
        edge = self._edge()
        try:
            changed = edge != self._seen
        except ValueError:  # arrays have no truth value
            changed = True
        if changed:
            self._attributes = self._checked(edge)
            self._seen = copy(edge)
        return self._attributes

    def _checked(self, edge: dict[str, Any] | None) -> LinkAttributes | None:
        if edge is None or edge.get("rate_bit_s") == 0.0:
            return None
        try:
            return LinkAttributes.of(edge)
        except ValueError as error:
            where = f"fronthaul link {self.name}, t = {self.services.now_ns} ns"
            raise EmulationError(f"{where}: {error}; a rate of 0 takes the link down") from error

    def accept(self, message: Message, bits: int, now_ns: int) -> int | Loss:
        """Serialise a message after those that wait, and return when it arrives; or say why it is lost."""
        attributes = self.read()
        if attributes is None:
            return Loss.DOWN
        start_ns, backlog_bits = now_ns, 0.0
        if self.free_ns > now_ns:
            start_ns, backlog_bits = self.free_ns, self.backlog_bits(now_ns)
        elif self.waiting:
            self.waiting.clear()
            self.waiting_bits = 0
        if backlog_bits + bits > attributes.queue_bits:
            return Loss.FULL
        duration_ns = serialisation_ns(bits, attributes.rate_bit_s)
        self.free_ns = free_ns = start_ns + duration_ns
        self.busy_ns += duration_ns
        self.waiting.append((free_ns, duration_ns, bits))
        self.waiting_bits += bits
        if self.record is not None:
            self.record(row(start_ns, SERIALISE, self.rank, duration_ns, message.cpi, message.sequence))
        return free_ns + attributes.latency_ns

    def release(self, message: Message, bits: int, now_ns: int) -> Loss | None:
        """Take a message off the far end, or say why it is lost."""
        self.carried += 1
        attributes = self.read()
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

    def backlog_bits(self, now_ns: int) -> float:
        """Return the bits that wait or are yet to be sent of the message in service."""
        waiting = self.waiting
        while waiting and waiting[0][0] <= now_ns:
            self.waiting_bits -= waiting.popleft()[2]
        if not waiting:
            return 0.0
        leaves_ns, duration_ns, bits = waiting[0]
        return self.waiting_bits - bits + bits * (leaves_ns - now_ns) / duration_ns

    def elapsed_busy_ns(self, now_ns: int) -> int:
        """Return how long the link has been sending until now."""
        return self.busy_ns - max(self.free_ns - now_ns, 0)


Given = tuple[Link, Message, int]
"""(link, message, bits) of a message that is to enter a link."""
Arrival = tuple[int, Link, Message, int]
"""(turn, link, message, bits) of a message in flight; the turn is minus the rank of the link."""
TURN = itemgetter(0)
"""Sort key that puts the link that is served first at the end."""


class Fronthaul:
    """Carries messages between nodes over the graph.

    Messages that arrive at one instant are one event of the clock, in which they are handed over link by link: those
    of a slot all come together.

    Parameters
    ----------
    graph
        A directed graph whose nodes are node names.

    Attributes
    ----------
    watcher
        Who is told what becomes of messages, if anybody.

    Raises
    ------
    ValueError
        If the graph is none, has parallel edges or names that are no text, or an attribute of an edge is out of range.
    """

    def __init__(self, graph: nx.DiGraph) -> None:
        self.graph = graph
        self.links = {ends: Link(graph=graph, ends=ends) for ends in _ends(graph)}
        self.sent = self.delivered = self.dropped = 0
        self.services: Services | None = None
        self.watcher: Watcher | None = None
        self._resume_ns = 0
        self._given: list[Given] = []
        """What is sent in this event and still to go off."""
        self._held = False
        self._in_flight: dict[int, list[Arrival]] = {}
        """By time of arrival in ns, in the order in which they were sent off."""
        self._arriving: list[Arrival] | None = None
        """Those that arrive now, the first to be handed over at the end; None between events."""
        self._handlers: dict[str, Callable[[Message], None]] = {}
        self._routes: dict[tuple[str, str], dict[str, Link]] = {}
        self._trees: dict[tuple[str, bool], dict[str, str]] = {}
        self._ways = _ways(graph, self.links)

    def start(self, services: Services) -> None:
        """Take what the emulation offers; messages that are in flight go on."""
        self.services, self.record, self.book = services, services.record, services.book
        for link in self.links.values():
            link.start(services)
        first = min((link.rank for link in self.links.values()), default=0)  # theirs follow each other
        self._bell = services.bell(first, self._arrive)
        for arrival_ns, together in self._in_flight.items():
            together[:] = [(-link.rank, link, message, bits) for _, link, message, bits in together]
            self._bell.set(arrival_ns)

    @property
    def now_ns(self) -> int:
        """Emulated time in ns."""
        return self._resume_ns if self.services is None else self.services.now_ns

    def connect(self, name: str, deliver: Callable[[Message], None]) -> None:
        """Hand messages for the node of this name to ``deliver``.

        Raises
        ------
        ValueError
            If the graph has no such node, or no path from or to the central processor.
        """
        for a, b, inward in ((name, CENTRAL, True), (CENTRAL, name, False)):
            if name != CENTRAL and name not in self.tree(CENTRAL, inward=inward):
                raise ValueError(f"fronthaul graph: no path {a} -> {b}; add the nodes and links that make one")
        self._handlers[name] = deliver

    def send(self, message: Message) -> None:
        """Put a message on its way, a copy if its sender may still change it; while messages are held, with them."""
        message.sequence = self.sent
        if not message.own:
            message = message.taken()
        self.sent += 1
        route = self._routes.get((message.source, message.destination)) or self._found(message)
        self._given.append((route[message.source], message, message.bits))
        if not self._held:
            self._send_off()

    def hold(self) -> None:
        """Keep what is sent until ``let_go``, in the same event: many messages go off faster together."""
        self._held = True

    def let_go(self) -> None:
        """Send off what was held."""
        self._held = False
        self._send_off()

    def _send_off(self) -> None:
        given, self._given = self._given, []
        now_ns = self.now_ns
        self._enter(given, now_ns)
        if self.book is not None:
            self.book(given, now_ns)

    # -- paths ----------------------------------------------------------------------------------------------------

    def tree(self, root: str, *, inward: bool) -> dict[str, str]:
        """Return the next node on the way to the root (inward) or the last one on the way from it, for every node.

        Nodes that cannot reach the root, or be reached from it, are left out; those closer by come first.
        """
        if (root, inward) not in self._trees:
            ways = self._ways.reverse(copy=False) if inward else self._ways
            near, far = nx.dijkstra_predecessor_and_distance(ways, root) if root in ways else ({}, {})
            tree = {node: min(near[node], key=natural_order) for node in far if node != root}
            self._trees[root, inward] = tree
        return self._trees[root, inward]

    def _route(self, source: str, destination: str) -> dict[str, Link]:
        """Return the link to take at each node of the path."""
        if destination not in self._handlers or source == destination:
            raise ValueError(f"{source} sends to {destination!r}; allowed: {', '.join(self._handlers)}, save itself")
        inward = destination == CENTRAL
        root, node = (destination, source) if inward else (source, destination)
        tree = self.tree(root, inward=inward)
        path = [node]
        while path[-1] != root:
            path.append(tree[path[-1]])
        return {a: self.links[a, b] for a, b in pairwise(path if inward else reversed(path))}

    # -- messages -------------------------------------------------------------------------------------------------

    def _found(self, message: Message) -> dict[str, Link]:
        """Return the link that a message takes at each node, found when the first such message is sent."""
        ends = message.source, message.destination
        route = self._routes[ends] = self._routes.get(ends) or self._route(*ends)
        return route

    def _enter(self, given: list[Given], now_ns: int) -> None:
        """Put messages into links, one after the other."""
        in_flight = self._in_flight
        for link, message, bits in given:
            arrival_ns = link.accept(message, bits, now_ns)
            if not isinstance(arrival_ns, int):
                self._drop(link, message, bits, arrival_ns)
                continue
            together = in_flight.get(arrival_ns)
            if together is None:
                in_flight[arrival_ns] = [(-link.rank, link, message, bits)]
                self._bell.set(arrival_ns)
            elif together is self._arriving:  # it takes no time, and is handed over in the turn of its link
                insort_left(together, (-link.rank, link, message, bits), key=TURN)
            else:
                together.append((-link.rank, link, message, bits))

    def _drop(self, link: Link, message: Message, bits: int, why: Loss) -> None:
        self.dropped += 1
        if self.record is not None:
            self.record(row(self.now_ns, DROP, link.rank, bits, message.cpi, message.sequence))
        if self.watcher is not None:
            self.watcher.dropped(message, link.name, why)

    def _arrive(self, _: object) -> None:
        """Hand over all messages that arrive now, link by link; of one link in the order in which they entered it."""
        now_ns, served, handed_over = self.now_ns, 0, list[Message]()
        arriving = self._arriving = self._in_flight[now_ns]
        arriving.reverse()
        arriving.sort(key=TURN)
        while arriving:
            _, link, message, bits = arriving.pop()
            served += 1
            why = link.release(message, bits, now_ns)
            if why is not None:
                self._drop(link, message, bits, why)
            elif link.end == message.destination:
                handed_over.append(message)
                self._handlers[link.end](message)
            else:
                self._enter([(self._found(message)[link.end], message, bits)], now_ns)
        del self._in_flight[now_ns]
        self._arriving = None
        self._bell.count(served - 1)
        self.delivered += len(handed_over)
        if self.watcher is not None:
            self.watcher.delivered(handed_over, now_ns)

    def in_flight(self) -> Iterator[Message]:
        """Yield the messages that are on their way."""
        return (message for together in self._in_flight.values() for _, _, message, _ in together)

    # -- books and checkpoints ------------------------------------------------------------------------------------

    def books(self) -> dict[str, Any]:
        """Return the counts of messages, and bits delivered and utilisation of every link."""
        now_ns = self.now_ns
        return {
            "messages_sent": self.sent,
            "messages_delivered": self.delivered,
            "messages_dropped": self.dropped,
            "messages_in_flight": sum(map(len, self._in_flight.values())),
            "links": {
                link.name: {
                    "bits": link.bits,
                    "utilisation": link.elapsed_busy_ns(now_ns) / now_ns if now_ns else 0.0,
                }
                for link in self.links.values()
            },
        }

    def settings(self) -> Iterator[tuple[str, str]]:
        """Yield (dotted name, text) of every link and of what its edge says now."""
        for link in self.links.values():
            yield f"link {link.name}", "link"
            yield from settings(f"link {link.name}", self.graph.get_edge_data(*link.ends))

    def state(self) -> dict[str, Any]:
        """Return counters, the messages in flight, and what the edges say; None of an edge that is gone."""
        names = ("free_ns", "busy_ns", "bits", "carried", "waiting", "waiting_bits")
        return {
            "now_ns": self.now_ns,
            "counts": (self.sent, self.delivered, self.dropped),
            "links": {ends: {n: getattr(link, n) for n in names} for ends, link in self.links.items()},
            "in_flight": {
                at_ns: [(link.ends, message, bits) for _, link, message, bits in together]
                for at_ns, together in self._in_flight.items()
            },
            "edges": {ends: copy(self.graph.get_edge_data(*ends)) for ends in self.links},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned; the edges of the graph become what they were then."""
        self._resume_ns = state["now_ns"]
        self.sent, self.delivered, self.dropped = state["counts"]
        for ends, attributes in state["links"].items():
            vars(self.links[ends]).update(attributes)
        for at_ns, together in state["in_flight"].items():
            self._in_flight[at_ns] = [(0, self.links[ends], message, bits) for ends, message, bits in together]
        for ends, edge in state["edges"].items():
            set_edge(self.graph, ends, edge)


def _ends(graph: nx.DiGraph) -> list[tuple[str, str]]:
    """Return the ends of all links."""
    if not isinstance(graph, nx.DiGraph) or graph.is_multigraph():
        raise ValueError(f"fronthaul: got {graph}; give a networkx.DiGraph, as to_directed() of a Graph is")
    if odd := [node for node in graph if not isinstance(node, str) or ARROW in node]:
        raise ValueError(f"fronthaul graph: a node is called {odd[0]!r}; allowed: text without {ARROW!r}, as 'ap-0'")
    return sorted(graph.edges)


def _ways(graph: nx.DiGraph, links: dict[tuple[str, str], Link]) -> nx.DiGraph:
    """Return the links weighted so that paths come in the order of latency in ns, then of hops."""
    ways = nx.DiGraph()
    ways.add_nodes_from(graph)
    for ends, link in links.items():
        try:
            latency_ns = LinkAttributes.of(graph.get_edge_data(*ends)).latency_ns
        except ValueError as error:
            raise ValueError(f"fronthaul link {link.name}: {error}") from error
        ways.add_edge(*ends, weight=latency_ns * len(graph) + 1)
    return ways


def set_edge(graph: nx.DiGraph, ends: tuple[str, str], edge: dict[str, Any] | None) -> None:
    """Let an edge say this and nothing else; None takes it out."""
    if graph.has_edge(*ends):
        if edge is None:
            graph.remove_edge(*ends)
        else:
            graph.get_edge_data(*ends).clear()
    if edge is not None:
        graph.add_edge(*ends, **edge)


def _graph(edges: list[tuple[str, str]], attributes: dict[str, float]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for a, b in edges:
        graph.add_edge(a, b, **attributes)
        graph.add_edge(b, a, **attributes)
    return graph


def star(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a graph with a cable from every AP to the central processor.

    Parameters
    ----------
    names
        AP names.
    **attributes
        Attributes of every link: rate_bit_s, latency_s, queue_bits, loss_probability.
    """
    return _graph([(name, CENTRAL) for name in names], attributes)


def stripe(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a radio stripe: a chain of APs with the central processor before the first."""
    return _graph(list(zip((CENTRAL, *names), names, strict=False)), attributes)


def ring(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a ring of the central processor and the APs."""
    return _graph(list(zip((CENTRAL, *names), (*names, CENTRAL), strict=True)), attributes)


def tree(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a binary tree with the central processor at the root."""
    nodes = (CENTRAL, *names)
    return _graph([(nodes[(i - 1) // 2], nodes[i]) for i in range(1, len(nodes))], attributes)
