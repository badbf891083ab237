"""The fronthaul: a directed graph of links that queue, serialise, delay and sometimes lose messages.

The graph is the only truth about the links; what an edge may say, and how a link behaves, stands in
``emulator.media.links``.

Messages take the path of least latency, of those the one with the fewest hops, of those the first by name; they are
stored and forwarded hop by hop. Paths are worked out anew when a link is seen to have changed, so what is sent or
passed on later takes another way, if there is one. This is what is seen, and when:

- a window of ``down_s`` opens or closes: at that time;
- an edge changes in the graph, or goes: when a message enters or leaves the link, or would begin to be sent. The first
  such message, what is sent together with it, and all that wait for the link are lost with it;
- a link that was down is there again: before any other message is sent or passed on.

A message from a node without a way to its destination is lost there. Not modelled: edges that the graph lacked when the
fronthaul was made (build them, and take them down), messages that are lost where they meet a link that is down taking
another way, preemption, retransmission, frames larger than a message (a message is one frame, whatever its size).
"""

from bisect import insort_left
from collections.abc import Callable, Iterator
from copy import copy
from functools import cached_property
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import Any, Protocol

import networkx as nx

from emulator.identity import settings
from emulator.kernel import Bell
from emulator.media.links import DeadEnd, Link, Loss, natural_order
from emulator.messages import ARROW, CENTRAL, Message
from emulator.services import Services
from emulator.trace import Kind, row

__all__ = ["Fronthaul", "Watcher", "set_edge"]

DROP = int(Kind.DROP)


class Watcher(Protocol):
    """Who is told what becomes of messages."""

    def delivered(self, messages: list[Message], now_ns: int) -> None:
        """Take note of messages that have reached their destinations at one instant."""

    def dropped(self, message: Message, link: str, why: Loss) -> None:
        """Take note of a message that a link has lost."""


Given = tuple[Link | DeadEnd, Message, int]
"""(link, message, bits) of a message that is to enter a link."""
Arrival = tuple[int, Link, Message, int]
"""(turn, link, message, bits) of a message in flight; the turn is minus the rank of the link."""
TURN = itemgetter(0)
"""Sort key that puts the link that is served first at the end."""
RANK = attrgetter("rank")
BEFORE_ALL = -0.5
"""Rank of the turns of links: ends of service and windows come before all else of their instant."""


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
        self.links = {ends: Link(graph=graph, ends=ends, on_change=self._changed) for ends in _ends(graph)}
        self.sent = self.delivered = self.dropped = self.without_route = 0
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
        self._due: dict[int, dict[Link, None]] = {}
        """By time in ns, links for which messages wait that will be free then, or a window of which opens or closes."""
        self._down: dict[Link, None] = {}
        """Links that were down when they last looked."""
        self._next: dict[tuple[str, str], Link] = {}
        """By node and destination, the link to take there; of those that were asked for since a link changed."""
        self._trees: dict[tuple[str, bool], dict[str, str]] = {}
        self._joined = {inward: frozenset(self.tree(CENTRAL, inward=inward)) for inward in (True, False)}
        """Nodes with a path to the central processor, or from it, while all links are up."""
        for link in self.links.values():
            self._await_windows(link)

    def start(self, services: Services) -> None:
        """Take what the emulation offers; messages that are in flight go on."""
        self.services, self.record, self.book = services, services.record, services.book
        for link in self.links.values():
            link.start(services)
        first = min((link.rank for link in self.links.values()), default=0)  # theirs follow each other
        self._bell, self._turn_bell = services.bell(first, self._arrive), services.bell(BEFORE_ALL, self._take_turns)
        for arrival_ns, together in self._in_flight.items():
            together[:] = [(-link.rank, link, message, bits) for _, link, message, bits in together]
            self._bell.set(arrival_ns)
        for due_ns in self._due:
            self._turn_bell.set(due_ns)

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
            if name != CENTRAL and name not in self._joined[inward]:
                raise ValueError(f"fronthaul graph: no path {a} -> {b}; add the nodes and links that make one")
        self._handlers[name] = deliver

    def send(self, message: Message) -> None:
        """Put a message on its way, a copy if its sender may still change it; while messages are held, with them."""
        message.sequence = self.sent
        if not message.own:
            message = message.taken()
        self.sent += 1
        self._given.append((self._link_from(message.source, message.destination), message, message.bits))
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

    @cached_property
    def _ways(self) -> nx.DiGraph:
        """The links that are up, weighted so that paths come in the order of latency in ns, then of hops."""
        ways = nx.DiGraph()
        ways.add_nodes_from(self.graph)
        for ends, link in self.links.items():
            if link.reach_ns is not None:
                ways.add_edge(*ends, weight=link.reach_ns * len(self.graph) + 1)
        return ways

    def _changed(self, link: Link) -> None:
        """Forget the paths, as a link has seen a change; if it is down, what waits for it is lost in its turn."""
        self._next.clear()
        self._trees.clear()
        vars(self).pop("_ways", None)
        self._down.pop(link, None)
        if link.reach_ns is None:
            self._down[link] = None
            if link.waiting:
                self._await(link, self.now_ns)
        self._await_windows(link)

    def _await_windows(self, link: Link) -> None:
        for window_ns in link.attributes.down_ns if link.attributes is not None else ():
            for edge_ns in window_ns:
                if edge_ns > self.now_ns or self.services is None:
                    self._await(link, edge_ns)

    def _link_from(self, node: str, destination: str) -> Link | DeadEnd:
        """Return the link to take at a node, or what stands for none; links that were down are looked at anew."""
        if self._down:
            for link in tuple(self._down):
                link.read(self.now_ns)
        return self._next.get((node, destination)) or self._found(node, destination) or self._dead_end(node)

    def _dead_end(self, node: str) -> DeadEnd:
        assert self.services is not None, "messages are sent once the fronthaul has started"
        return DeadEnd(node, self.services.rank(node))

    def _found(self, node: str, destination: str) -> Link | None:
        """Find a path, note the link to take at each of its nodes, and return the first; None where there is none."""
        if destination not in self._handlers or node == destination:
            raise ValueError(f"{node} sends to {destination!r}; allowed: {', '.join(self._handlers)}, save itself")
        inward = destination == CENTRAL
        root, end = (destination, node) if inward else (node, destination)
        tree = self.tree(root, inward=inward)
        if end not in tree:
            return None
        path = [end]
        while path[-1] != root:
            path.append(tree[path[-1]])
        for a, b in pairwise(path if inward else reversed(path)):
            self._next.setdefault((a, destination), self.links[a, b])
        return self._next[node, destination]

    # -- messages -------------------------------------------------------------------------------------------------

    def _enter(self, given: list[Given], now_ns: int) -> None:
        """Put messages into links, one after the other."""
        for link, message, bits in given:
            arrival_ns = link.accept(message, bits, now_ns)
            if arrival_ns is not None:
                self._go(link, message, bits, arrival_ns)  # type: ignore[arg-type]  # a dead end only loses
            elif len(link.waiting) == 1:
                self._await(link, link.free_ns)

    def _go(self, link: Link, message: Message, bits: int, arrival_ns: int | Loss) -> None:
        """Note when a message arrives that has begun, or that it is lost."""
        if not isinstance(arrival_ns, int):
            self._drop(link, message, bits, arrival_ns)
            return
        arrival, together = (-link.rank, link, message, bits), self._in_flight.get(arrival_ns)
        if together is None:
            self._in_flight[arrival_ns] = [arrival]
            self._bell.set(arrival_ns)
        elif together is self._arriving:  # it takes no time, and is handed over in the turn of its link
            insort_left(together, arrival, key=TURN)
        else:
            together.append(arrival)

    def _await(self, link: Link, at_ns: int) -> None:
        """Have a link take its turn at a time."""
        links = self._due.get(at_ns)
        if links is None:
            links = self._due[at_ns] = {}
            if self.services is not None:
                self._turn_bell.set(at_ns)
        links[link] = None

    def _take_turns(self, bell: Bell) -> None:
        """Let what waits for a link begin that is free now, or be lost with it; not counted as an event."""
        now_ns = bell.now_ns
        for link in sorted(self._due.pop(now_ns), key=RANK):
            attributes, waiting = link.read(now_ns), link.waiting
            while waiting and (link.free_ns <= now_ns or attributes is None):
                message, bits, arrival_ns = link.next(attributes, now_ns)
                self._go(link, message, bits, arrival_ns)
            if waiting:
                self._await(link, link.free_ns)
        bell.count(-1)

    def _drop(self, link: Link | DeadEnd, message: Message, bits: int, why: Loss) -> None:
        self.dropped += 1
        self.without_route += why is Loss.NO_ROUTE
        link.lost[why.value] = link.lost.get(why.value, 0) + 1
        if self.record is not None:
            self.record(row(self.now_ns, DROP, link.rank, bits, message.cpi, message.sequence))
        if self.watcher is not None:
            self.watcher.dropped(message, link.name, why)

    def _arrive(self, bell: Bell) -> None:
        """Hand over all messages that arrive now, link by link; of one link in the order in which they entered it."""
        now_ns, served = bell.now_ns, 0
        handed_over: list[Message] = []
        arriving = self._arriving = self._in_flight[now_ns]
        if len(arriving) > 1:
            arriving.reverse()
            arriving.sort(key=TURN)
        while arriving:
            _, link, message, bits = arriving.pop()
            served += 1
            why = link.release(message, bits, now_ns)
            node, destination = link.end, message.destination
            if why is not None:
                self._drop(link, message, bits, why)
            elif node == destination:
                handed_over.append(message)
                self._handlers[node](message)
            else:
                self._enter([(self._link_from(node, destination), message, bits)], now_ns)
        del self._in_flight[now_ns]
        self._arriving = None
        if served > 1:
            bell.count(served - 1)
        self.delivered += len(handed_over)
        if self.watcher is not None:
            self.watcher.delivered(handed_over, now_ns)

    def in_flight(self) -> Iterator[Message]:
        """Yield the messages that are on their way, those that wait for a link too."""
        for together in self._in_flight.values():
            yield from (message for _, _, message, _ in together)
        for link in self.links.values():
            yield from (message for *_, message in link.waiting)

    # -- books and checkpoints ------------------------------------------------------------------------------------

    def books(self) -> dict[str, Any]:
        """Return the counts of messages, and what each link has carried, kept waiting and lost."""
        now_ns = self.now_ns
        return {
            "messages_sent": self.sent,
            "messages_delivered": self.delivered,
            "messages_dropped": self.dropped,
            "messages_in_flight": sum(1 for _ in self.in_flight()),
            "messages_without_route": self.without_route,
            "links": {link.name: link.book(now_ns) for link in self.links.values()},
        }

    def settings(self) -> Iterator[tuple[str, str]]:
        """Yield (dotted name, text) of every link and of what its edge says now."""
        for link in self.links.values():
            yield f"link {link.name}", "link"
            yield from settings(f"link {link.name}", self.graph.get_edge_data(*link.ends))

    def state(self) -> dict[str, Any]:
        """Return counters, the messages in flight, and what the edges say; None of an edge that is gone."""
        return {
            "now_ns": self.now_ns,
            "counts": (self.sent, self.delivered, self.dropped, self.without_route),
            "links": {ends: link.state() for ends, link in self.links.items()},
            "in_flight": {
                at_ns: [(link.ends, message, bits) for _, link, message, bits in together]
                for at_ns, together in self._in_flight.items()
            },
            "due": {at_ns: [link.ends for link in links] for at_ns, links in self._due.items()},
            "edges": {ends: copy(self.graph.get_edge_data(*ends)) for ends in self.links},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned; the edges of the graph become what they were then."""
        self._resume_ns = state["now_ns"]
        self.sent, self.delivered, self.dropped, self.without_route = state["counts"]
        for ends, link_state in state["links"].items():
            self.links[ends].restore(link_state)
            self._changed(self.links[ends])
        for at_ns, together in state["in_flight"].items():
            self._in_flight[at_ns] = [(0, self.links[ends], message, bits) for ends, message, bits in together]
        self._due = {at_ns: {self.links[ends]: None for ends in those} for at_ns, those in state["due"].items()}
        for ends, edge in state["edges"].items():
            set_edge(self.graph, ends, edge)


def _ends(graph: nx.DiGraph) -> list[tuple[str, str]]:
    """Return the ends of all links."""
    if not isinstance(graph, nx.DiGraph) or graph.is_multigraph():
        raise ValueError(f"fronthaul: got {graph}; give a networkx.DiGraph, as to_directed() of a Graph is")
    if odd := [node for node in graph if not isinstance(node, str) or ARROW in node]:
        raise ValueError(f"fronthaul graph: a node is called {odd[0]!r}; allowed: text without {ARROW!r}, as 'ap-0'")
    return sorted(graph.edges)


def set_edge(graph: nx.DiGraph, ends: tuple[str, str], edge: dict[str, Any] | None) -> None:
    """Let an edge say this and nothing else; None takes it out."""
    if graph.has_edge(*ends):
        if edge is None:
            graph.remove_edge(*ends)
        else:
            graph.get_edge_data(*ends).clear()
    if edge is not None:
        graph.add_edge(*ends, **edge)
