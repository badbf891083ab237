"""The fronthaul: a directed graph of links that serialise, delay, queue and sometimes lose messages.

The graph is the only truth about the network: edge attributes are read when a message enters a link.

    rate_bit_s        serialisation rate; left out: infinite
    latency_s         propagation delay; left out: 0
    queue_bits        most bits that may be waiting or in service; left out: unbounded
    loss_probability  chance that a message is lost on the link; left out: 0

Messages take the path of least latency, stored and forwarded hop by hop. Not modelled: preemption, retransmission,
frames larger than a message (a message is one frame, whatever its size).
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import networkx as nx

from emulator.messages import CENTRAL, Message
from emulator.services import Services
from emulator.trace import Kind, row

__all__ = ["Fronthaul", "Link", "link_name", "ring", "star", "stripe", "tree"]

INFINITE = math.inf
SERIALISE, DELIVER, DROP = int(Kind.SERIALISE), int(Kind.DELIVER), int(Kind.DROP)


def link_name(source: str, destination: str) -> str:
    """Return the name of a link.

    >>> link_name("ap-0", "central")
    'ap-0->central'
    """
    return f"{source}->{destination}"


@dataclass(kw_only=True, eq=False)
class Link:
    """A first-in first-out server with a propagation delay: one direction of one cable."""

    name: str
    end: str
    """Name of the node at the far end."""
    edge: dict[str, Any]
    """The attributes of the edge in the graph."""
    free_ns: int = 0
    """When everything accepted so far will have left."""
    busy_ns: int = 0
    bits: int = 0
    """Bits delivered."""
    carried: int = 0
    """Messages that reached the far end, lost ones included."""
    in_flight: deque[tuple[int, Message, int]] = field(default_factory=deque)
    """(time of arrival in ns, message, bits), in the order of arrival."""

    def start(self, services: Services, arrive: Callable[["Link", object], None]) -> None:
        """Take what the emulation offers; ``arrive`` is called when the first message in flight arrives."""
        self.services, self.rank, self.record = services, services.rank(self.name), services.record
        self._bell = services.bell(self.rank, partial(arrive, self))
        for arrival_ns, _, _ in self.in_flight:
            self._bell.set(arrival_ns)

    def accept(self, message: Message, bits: int) -> bool:
        """Serialise a message after those that wait, and send it off; False if the queue is full."""
        edge, now_ns = self.edge, self.services.now_ns
        rate = edge.get("rate_bit_s", INFINITE)
        start_ns = self.free_ns if self.free_ns > now_ns else now_ns
        if "queue_bits" in edge:
            backlog_bits = (start_ns - now_ns) * rate * 1e-9 if start_ns > now_ns else 0.0
            if backlog_bits + bits > edge["queue_bits"]:
                return False
        duration_ns = math.ceil(bits * 1e9 / rate)
        self.free_ns = start_ns + duration_ns
        self.busy_ns += duration_ns
        arrival_ns = self.free_ns + round(edge.get("latency_s", 0.0) * 1e9)
        self.in_flight.append((arrival_ns, message, bits))
        self._bell.set(arrival_ns)
        if self.record is not None:
            self.record(row(start_ns, SERIALISE, self.rank, duration_ns, message.cpi, message.sequence))
        return True

    def elapsed_busy_ns(self, now_ns: int) -> int:
        """Return how long the link has been sending until now."""
        return self.busy_ns - max(self.free_ns - now_ns, 0)


class Fronthaul:
    """Carries messages between nodes over the graph.

    Parameters
    ----------
    graph
        A directed graph whose nodes are node names.

    Raises
    ------
    ValueError
        If an attribute of an edge is out of range.
    """

    def __init__(self, graph: nx.DiGraph) -> None:
        self.graph = graph
        self.links = {(a, b): Link(name=link_name(a, b), end=b, edge=graph.edges[a, b]) for a, b in sorted(graph.edges)}
        for link in self.links.values():
            _check(link)
        self.sent = self.delivered = self.dropped = 0
        self._handlers: dict[str, Callable[[Message], None]] = {}
        self._routes: dict[tuple[str, str], dict[str, Link]] = {}

    def start(self, services: Services) -> None:
        """Take what the emulation offers; messages that are in flight go on."""
        self.services, self.record, self.book = services, services.record, services.book
        for link in self.links.values():
            link.start(services, self._arrive)

    def connect(self, name: str, deliver: Callable[[Message], None]) -> None:
        """Hand messages for the node of this name to ``deliver``.

        Raises
        ------
        ValueError
            If the graph has no such node, or no path from or to the central processor.
        """
        for a, b in ((name, CENTRAL), (CENTRAL, name)):
            if name not in self.graph or CENTRAL not in self.graph or not nx.has_path(self.graph, a, b):
                raise ValueError(f"fronthaul graph: no path {a} -> {b}; add the nodes and links that make one")
        self._handlers[name] = deliver

    def send(self, message: Message) -> None:
        """Put a message on its way."""
        message.sequence = self.sent
        self.sent += 1
        bits = message.bits
        self._forward(message, bits, message.source)
        if self.book is not None:
            self.book(message, bits, self.services.now_ns)

    def _route(self, source: str, destination: str) -> dict[str, Link]:
        """Return the link to take at each node of the path."""
        path = nx.shortest_path(self.graph, source, destination, weight=lambda a, b, e: e.get("latency_s", 0.0))
        return {a: self.links[a, b] for a, b in pairwise(path)}

    def _forward(self, message: Message, bits: int, at: str) -> None:
        ends = (message.source, message.destination)
        route = self._routes.get(ends)
        if route is None:
            route = self._routes[ends] = self._route(*ends)
        if not route[at].accept(message, bits):
            self._drop(route[at], message, bits)

    def _drop(self, link: Link, message: Message, bits: int) -> None:
        self.dropped += 1
        if self.record is not None:
            self.record(row(self.services.now_ns, DROP, link.rank, bits, message.cpi, message.sequence))

    def _lost(self, link: Link, probability: float) -> bool:
        return self.services.generator(link.name, "loss", link.carried).random() < probability

    def _arrive(self, link: Link, _: object) -> None:
        _, message, bits = link.in_flight.popleft()
        link.carried += 1
        probability = link.edge.get("loss_probability", 0.0)
        if probability and self._lost(link, probability):
            self._drop(link, message, bits)
            return
        link.bits += bits
        if self.record is not None:
            self.record(row(self.services.now_ns, DELIVER, link.rank, bits, message.cpi, message.sequence))
        if link.end == message.destination:
            self.delivered += 1
            self._handlers[link.end](message)
        else:
            self._forward(message, bits, link.end)

    def books(self) -> dict[str, Any]:
        """Return the counts of messages, and bits delivered and utilisation of every link."""
        now_ns = self.services.now_ns
        return {
            "messages_sent": self.sent,
            "messages_delivered": self.delivered,
            "messages_dropped": self.dropped,
            "messages_in_flight": sum(len(link.in_flight) for link in self.links.values()),
            "links": {
                link.name: {
                    "bits": link.bits,
                    "utilisation": link.elapsed_busy_ns(now_ns) / now_ns if now_ns else 0.0,
                }
                for link in self.links.values()
            },
        }

    def state(self) -> dict[str, Any]:
        """Return counters and the messages in flight."""
        names = ("free_ns", "busy_ns", "bits", "carried", "in_flight")
        return {
            "counts": (self.sent, self.delivered, self.dropped),
            "links": {ends: {n: getattr(link, n) for n in names} for ends, link in self.links.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        self.sent, self.delivered, self.dropped = state["counts"]
        for ends, attributes in state["links"].items():
            vars(self.links[ends]).update(attributes)


def _check(link: Link) -> None:
    for name in ("rate_bit_s", "queue_bits", "latency_s", "loss_probability"):
        if name not in link.edge:
            continue
        value = link.edge[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"fronthaul link {link.name}: {name} = {value!r}, must be a number")
        if name in ("rate_bit_s", "queue_bits"):
            allowed, valid = "> 0", value > 0.0
        elif name == "latency_s":
            allowed, valid = ">= 0 and finite", 0.0 <= value < math.inf
        else:
            allowed, valid = "in [0, 1]", 0.0 <= value <= 1.0
        if not valid:
            raise ValueError(f"fronthaul link {link.name}: {name} = {value}, must be {allowed}")


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
