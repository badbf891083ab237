"""Timing that cannot work, found from the graph of the fronthaul alone, before anything runs.

What is sure is told: a plan, a record or a report that would come too late on an idle fronthaul, a message that no
queue takes, and a link that is asked for more than its rate. What is proposed would suffice if all nodes sent at one
instant and nothing were left over from before. Plug-ins may behave otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from emulator.media.fronthaul import Fronthaul, Link
from emulator.media.link_attributes import LinkAttributes
from emulator.messages import CENTRAL, Assignment, EchoReport, StatisticsReport, TransmissionRecord
from emulator.payload import draw_payload
from emulator.slot import CpiPlan, Frame
from models.network import ModeAssignment
from scenarios.file.build import fronthaul_graph
from scenarios.file.names import names_text
from scenarios.file.schema import ScenarioKeys
from scenarios.file.survey import frame_of

__all__ = ["timing_warnings"]


class _Way(NamedTuple):
    """The way of a message between a node and the central processor."""

    idle_ns: int
    """How long it takes on an idle fronthaul."""
    slowest_ns: int
    """How long it is serialised on the slowest link."""
    sharing: int
    """Access points behind the link at the central processor, the node itself included."""

    def last_ns(self, n_messages: int = 1) -> int:
        """Return how long the last of messages takes that are sent at one instant, if they are alone."""
        return self.idle_ns + (n_messages - 1) * self.slowest_ns

    def most_ns(self, n_messages: int = 1) -> int:
        """Return how long it takes at most if the others send, or are sent, as many at that instant."""
        return self.last_ns(self.sharing * n_messages)


def timing_warnings(scenario: ScenarioKeys) -> list[str]:
    """Return what cannot come in time, or at all, in a sentence each; empty if all is well."""
    case = _Case(scenario)
    reports = _statistics if scenario.fronthaul.split == "statistics" else _samples
    return [text for check in (_plans, reports, _queues, _loads) for text in check(case)]


@dataclass(frozen=True, eq=False)
class _Case:
    """A scenario with its fronthaul, and what is sent over it."""

    scenario: ScenarioKeys

    @cached_property
    def fronthaul(self) -> Fronthaul:
        return Fronthaul(fronthaul_graph(self.scenario))

    @cached_property
    def frame(self) -> Frame:
        return frame_of(self.scenario)

    @cached_property
    def transmitters(self) -> list[str]:
        """Access points that may transmit."""
        return self._named(self.scenario.selector.transmitters)

    @cached_property
    def receivers(self) -> list[str]:
        """Access points that may receive."""
        return self._named(self.scenario.selector.receivers)

    def _named(self, indices: Iterable[int] | None) -> list[str]:
        names = self.scenario.access_point_names
        return list(names) if indices is None else [names[i] for i in indices]

    # -- sizes, from messages with nothing in them --------------------------------------------------------------------

    @cached_property
    def plan_bits(self) -> tuple[int, int]:
        """Sizes of a plan for a transmitter, with the data of the UEs, and for others."""
        scenario, frame, names = self.scenario, self.frame, self.scenario.access_point_names
        slots, modes = frame.slots(0, names[:1] * frame.n_slots), ModeAssignment.of(len(names), [], [])
        plan = CpiPlan(cpi=0, assignment=modes, ap_names=names, slots=slots, deadline_ns=0)
        per_symbol = scenario.fronthaul.payload_bits_per_symbol
        data = draw_payload(np.random.default_rng(0), 1, frame.n_slots * frame.n_snapshots, per_symbol)
        payloads = (data * scenario.user_equipment.count, ())
        full, bare = (Assignment(CENTRAL, names[0], plan, payload).bits for payload in payloads)
        return full, bare

    @cached_property
    def record_bits(self) -> int:
        """Size of the record of a transmitter: of the slot in which it senses, or of all with full illumination."""
        radio, frame = self.scenario.radio, self.frame
        n_slots = frame.n_slots if radio.illumination == "full" else int(radio.comm_power_fraction < 1.0)
        samples = _zeros(np.complex64, self._n_antennas, n_slots * frame.n_snapshots)
        return TransmissionRecord("", CENTRAL, 0, "", tuple(range(n_slots)), samples).bits

    @cached_property
    def report_bits(self) -> int:
        """Size of a report on a slot, or of the statistics of a CPI."""
        frame, n_antennas = self.frame, self._n_antennas
        if self.scenario.fronthaul.split == "statistics":
            cross = _zeros(np.complex128, n_antennas, frame.n_slots, n_antennas)
            return StatisticsReport("", CENTRAL, 0, tuple(range(frame.n_slots)), (), cross, 0.0).bits
        (slot, *_), echo = frame.slots(0, ("",)), _zeros(np.complex128, n_antennas, frame.n_snapshots)
        return EchoReport("", CENTRAL, slot, echo, self.scenario.fronthaul.iq_bits).bits

    @property
    def _n_antennas(self) -> int:
        return self.scenario.access_points.n_antennas

    # -- ways -----------------------------------------------------------------------------------------------------

    def hops(self, *, inward: bool) -> list[tuple[str, str, Link]]:
        """Return (node, next node towards the central processor, link between them), those closer by first."""
        links = self.fronthaul.links
        tree = self.fronthaul.tree(CENTRAL, inward=inward)
        return [(a, b, links[(a, b) if inward else (b, a)]) for a, b in tree.items()]

    def behind(self, *, inward: bool) -> dict[str, int]:
        """Return how many access points are reached through each node, itself included."""
        count = dict.fromkeys(self.scenario.access_point_names, 1)
        for node, nearer, _ in reversed(self.hops(inward=inward)):
            count[nearer] = count.get(nearer, 0) + count.get(node, 0)
        return count

    def ways(self, bits: int, *, inward: bool) -> dict[str, _Way]:
        """Return the ways of a message of this size from each node to the central processor, or from it."""
        behind, found = self.behind(inward=inward), {CENTRAL: _Way(0, 0, 0)}
        for node, nearer, link in self.hops(inward=inward):
            attributes, rest = _attributes(link), found[nearer]
            duration_ns = attributes.duration_ns(bits)
            found[node] = _Way(
                idle_ns=rest.idle_ns + duration_ns + attributes.latency_ns,
                slowest_ns=max(rest.slowest_ns, duration_ns),
                sharing=rest.sharing or behind.get(node, 0),
            )
        return found


def _zeros(kind: type[np.generic], *shape: int) -> np.ndarray:
    """Return zeros that take no memory."""
    return np.broadcast_to(kind(0), shape)


def _attributes(link: Link) -> LinkAttributes:
    attributes = link.read()
    assert attributes is not None, "links are up when they are made"
    return attributes


# -- what is told -----------------------------------------------------------------------------------------------------


class _Need(NamedTuple):
    """How long something takes that has to be done in time, in ns."""

    least_ns: int
    enough_ns: int


def _plans(case: _Case) -> Iterator[str]:
    full, bare = (case.ways(bits, inward=False) for bits in case.plan_bits)
    able = set(case.transmitters)
    ways = {name: (full if name in able else bare)[name] for name in case.scenario.access_point_names}
    needs = {name: _Need(way.idle_ns, way.most_ns()) for name, way in ways.items()}
    text = "the plan of a CPI reaches {names} {late} after the CPI has begun, and they stay silent"
    yield from _late({text: needs}, case.frame.lead_ns, "schedule.lead_s")


def _samples(case: _Case) -> Iterator[str]:
    sent = {
        "reports of {names} come {late} after the deadline": (case.receivers, case.report_bits),
        "records of what {names} radiated come {late} after the deadline": (case.transmitters, case.record_bits),
    }
    needs = {}
    for text, (names, bits) in sent.items():
        ways = case.ways(bits, inward=True)
        needs[text] = {name: _Need(ways[name].idle_ns, ways[name].most_ns()) for name in names}
    yield from _late(needs, case.frame.deadline_ns, "fronthaul.deadline_s")


def _statistics(case: _Case) -> Iterator[str]:
    """Tell of receivers that must know all records before they report, and wait for them half of the time there is."""
    up, down = (case.ways(case.record_bits, inward=inward) for inward in (True, False))
    back, n_records = case.ways(case.report_bits, inward=True), case.frame.n_slots
    far = sorted(case.transmitters, key=lambda name: up[name].idle_ns)
    needs = {}
    for name in case.receivers:
        first, last = (next(up[other] for other in order if other != name) for order in (far, far[::-1]))
        told_ns = max(last.idle_ns + down[name].idle_ns, first.idle_ns + down[name].last_ns(n_records))
        told_at_most_ns = last.most_ns() + down[name].most_ns(n_records)
        needs[name] = _Need(
            least_ns=max(2 * told_ns, told_ns + back[name].idle_ns),
            enough_ns=max(2 * told_at_most_ns, told_at_most_ns + back[name].most_ns()),
        )
    text = (
        "statistics of {names} cover a part of the slots, or come too late: they lack {late} to be told first what was "
    )
    yield from _late({text + "radiated": needs}, case.frame.deadline_ns, "fronthaul.deadline_s")


def _late(needs: Mapping[str, Mapping[str, _Need]], given_ns: int, key: str) -> Iterator[str]:
    """Tell, text by text, who needs more time than a key gives."""
    enough_s = max(need.enough_ns for by_name in needs.values() for need in by_name.values()) * 1e-9
    for text, by_name in needs.items():
        late_ns = {name: need.least_ns - given_ns for name, need in by_name.items() if need.least_ns > given_ns}
        if late_ns:
            least, most = (f"{1e-6 * ns:.4g}" for ns in (min(late_ns.values()), max(late_ns.values())))
            span = f"{most} ms" if least == most else f"{least} to {most} ms"
            proposal = f"{key} = {given_ns * 1e-9:.9g}: give {enough_s:.9g} or more, or make the fronthaul faster"
            yield f"{text.format(names=names_text(late_ns), late=span)}; {proposal}"


def _queues(case: _Case) -> Iterator[str]:
    """Tell of messages that no queue takes."""
    sizes = {False: {"plan": case.plan_bits[0]}, True: {"record": case.record_bits, "report": case.report_bits}}
    for inward, messages in sizes.items():
        for what, size in messages.items():
            full = [link.name for *_, link in case.hops(inward=inward) if _attributes(link).queue_bits < size]
            if full:
                yield f"a {what} of {size} bit is longer than queue_bits of {names_text(full)}, which loses every one"


def _loads(case: _Case) -> Iterator[str]:
    """Tell of links that are asked for more than their rate, whoever receives and transmits."""
    frame = case.frame
    n_reports = 1 if case.scenario.fronthaul.split == "statistics" else frame.n_slots
    upward = (True, "reports", len(case.receivers), case.scenario.schedule.n_receivers, n_reports * case.report_bits)
    downward = (False, "plans", len(case.transmitters), frame.n_slots, case.plan_bits[0])
    for inward, what, n_able, n_active, cpi_bits in (upward, downward):
        behind, over = case.behind(inward=inward), {}
        for node, _, link in case.hops(inward=inward):
            least = max(n_active - (n_able - behind.get(node, 0)), min(behind.get(node, 0), 1))
            over[link.name] = least * _attributes(link).duration_ns(cpi_bits) / frame.cpi_ns
        worst = {name: load for name, load in over.items() if load > 1.0}
        if worst:
            most = f"{what} ask for up to {max(worst.values()):.3g} times the rate of {names_text(worst)}"
            yield f"{most}: they queue up, and come later from CPI to CPI"
