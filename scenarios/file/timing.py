"""Timing that cannot work, found from the graph of the fronthaul alone, before anything runs.

What is told: a plan, a record or a report that would come too late if nothing were left over from before, messages that
a queue does not take, and a link that is asked for more than its rate. Of all that is sent, these are, from the central
processor, plans, and records that are passed on where statistics travel; to it, records and reports. What is proposed
for a key suffices for what the key decides if all nodes send at one instant, whoever receives and transmits; nothing is
proposed where a link may be asked for more than its rate, as what is left over then grows from CPI to CPI. What comes
late because messages of several kinds wait for each other may be untold, and so may a queue that several links fill.
Where reports are summed on their way, all access points are taken to add up, as they do where none is idle. Plug-ins
may behave otherwise.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from emulator import SPLITS
from emulator.media.fronthaul import Fronthaul
from emulator.media.link_attributes import LinkAttributes
from emulator.media.links import Link
from emulator.messages import CENTRAL, Assignment, EchoReport, MapReport, StatisticsReport, TransmissionRecord
from emulator.payload import draw_payload
from emulator.relay import Relay
from emulator.slot import CpiPlan, Frame
from models.network import ModeAssignment
from scenarios.file.build import fronthaul_graph
from scenarios.file.names import names_text
from scenarios.file.plugins import found
from scenarios.file.schema import ScenarioKeys
from scenarios.file.survey import area_of, frame_of

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


Messages = tuple[tuple[int, int], ...]
"""(bits, how many) of messages."""


class _Sent(NamedTuple):
    """The messages of a CPI, in one direction, of an access point in each role."""

    receiver: Messages
    transmitter: Messages
    idle: Messages = ()
    once: Messages = ()
    """Of a link with a receiver behind it, however many there are."""

    @property
    def longest_bits(self) -> int:
        return max(bits for messages in self for bits, count in messages if count)


class _Roles(NamedTuple):
    """Who may do what among access points."""

    n_aps: int
    able_to_transmit: int
    fewest_receivers: int
    most_receivers: int

    def extremes(self, sent: _Sent, size: Callable[[int], float]) -> tuple[float, float]:
        """Return what their messages come to at least, with a receiver or a transmitter among them, and at most.

        ``size`` is that of a message of some bits.
        """
        *each, once = [sum(count * size(bits) for bits, count in messages) for messages in sent]
        fewest, most = self.fewest_receivers, self.most_receivers
        sums = {n: self._sum(n, *each) for n in {fewest, most, max(fewest, min(1, most)), self._most_beside_another}}
        sums = {n: total + once * (n > 0) for n, total in sums.items()}
        receiving = min(sums[max(fewest, min(1, most))], sums[most])
        return max(receiving, min(sums[fewest], sums[self._most_beside_another])), max(sums.values())

    @property
    def _most_beside_another(self) -> int:
        """Most receivers with a node left that transmits, if that can be."""
        return max(self.fewest_receivers, min(self.most_receivers, self.n_aps - 1))

    def _sum(self, n_receivers: int, receiver: float, transmitter: float, idle: float) -> float:
        n_transmitters = min(self.able_to_transmit, self.n_aps - n_receivers)
        n_idle = self.n_aps - n_receivers - n_transmitters
        return n_receivers * receiver + n_transmitters * transmitter + n_idle * idle


def timing_warnings(scenario: ScenarioKeys) -> list[str]:
    """Return what cannot come in time, or at all, in a sentence each; empty if all is well.

    Where access points differ in their antennas it is told of the smallest and of the largest arrays, for all alike.
    """
    antennas = scenario.access_points.antennas
    told = {n: _warnings(_Case(scenario, n)) for n in sorted({min(antennas), max(antennas)})}
    always = [text for text in told[min(antennas)] if text in told[max(antennas)]]
    return always + [
        f"if all access points had {n} antenna{'s' * (n > 1)}, {text}" for n, texts in told.items() for text in texts
        if text not in always
    ]  # fmt: skip


def _warnings(case: "_Case") -> list[str]:
    reports = _maps if case.sums else _statistics if case.tells_waveforms else _samples
    return [text for check in (_plans, reports, _queues, _loads) for text in check(case)]


@dataclass(frozen=True, eq=False)
class _Case:
    """A scenario with its fronthaul, and what is sent over it."""

    scenario: ScenarioKeys
    n_antennas: int
    """Of all access points."""

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
        relays = {names[0]: Relay(CENTRAL, names[:1], 0)} if self.sums else {}
        plan = CpiPlan(cpi=0, assignment=modes, ap_names=names, slots=slots, deadline_ns=0, relays=relays)
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
        samples = _zeros(np.complex64, self.n_antennas, n_slots * frame.n_snapshots)
        return TransmissionRecord("", CENTRAL, 0, "", tuple(range(n_slots)), samples).bits

    @cached_property
    def report_bits(self) -> int:
        """Size of a report on a slot, or of the statistics or the map of a CPI."""
        frame, n_antennas, keys = self.frame, self.n_antennas, self.scenario.fronthaul
        if self.sums:
            x, y = area_of(self.scenario).grid(keys.map_step_m)
            levels, names = _zeros(np.uint16, len(y), len(x)), self.scenario.access_point_names
            return MapReport("", CENTRAL, 0, (), len(names), 0, keys.map_step_m, levels, 0.0, 0.0, keys.map_bits).bits
        if self.tells_waveforms:
            cross = _zeros(np.complex128, n_antennas, frame.n_slots, n_antennas)
            n_bits = keys.statistics_bits
            return StatisticsReport("", CENTRAL, 0, tuple(range(frame.n_slots)), (), cross, 0.0, n_bits).bits
        (slot, *_), echo = frame.slots(0, ("",)), _zeros(np.complex128, n_antennas, frame.n_snapshots)
        settings = self.scenario.fronthaul.split_settings(self.scenario.radio.illumination)
        return EchoReport("", CENTRAL, slot, echo, **settings).bits

    @property
    def tells_waveforms(self) -> bool:
        """Whether receivers are told what was radiated."""
        return bool(found(SPLITS[self.scenario.fronthaul.split]).needs_waveform)

    @property
    def sums(self) -> bool:
        """Whether reports are summed on their way, and records told from one access point to the next."""
        return bool(found(SPLITS[self.scenario.fronthaul.split]).sums)

    def sent(self, *, inward: bool) -> "_Sent":
        """Return what is sent of a CPI to the central processor, or from it, over one way."""
        n_slots = self.frame.n_slots
        if inward and self.sums:
            return _Sent(receiver=(), transmitter=((self.record_bits, 1),), once=((self.report_bits, 1),))
        if inward:
            n_reports = 1 if self.tells_waveforms else n_slots
            return _Sent(receiver=((self.report_bits, n_reports),), transmitter=((self.record_bits, 1),))
        (full, bare), told = self.plan_bits, ((self.record_bits, n_slots),) * self.tells_waveforms
        each, once = ((), told) if self.sums else (told, ())
        return _Sent(receiver=((bare, 1), *each), transmitter=((full, 1),), idle=((bare, 1),), once=once)

    def loads(self, *, inward: bool) -> dict[str, tuple[float, float]]:
        """Return what share of its time each link sends: at least, at times, whoever does what, and at most."""
        roles, sent = self.roles(inward=inward), self.sent(inward=inward)
        found = {}
        for node, _, link in self.hops(inward=inward):
            least_ns, most_ns = roles[node].extremes(sent, _attributes(link).duration_ns)
            found[link.name] = least_ns / self.frame.cpi_ns, most_ns / self.frame.cpi_ns
        return found

    def may_queue_up(self, *, inward: bool) -> bool:
        """Return whether a link may be asked for more than its rate."""
        return any(most > 1.0 for _, most in self.loads(inward=inward).values())

    # -- ways -----------------------------------------------------------------------------------------------------

    def hops(self, *, inward: bool) -> list[tuple[str, str, Link]]:
        """Return (node, next node towards the central processor, link between them), those closer by first."""
        links = self.fronthaul.links
        tree = self.fronthaul.tree(CENTRAL, inward=inward)
        return [(a, b, links[(a, b) if inward else (b, a)]) for a, b in tree.items()]

    def behind(self, *, inward: bool, names: Iterable[str] | None = None) -> dict[str, int]:
        """Return how many access points, of all or of some, are reached through each node, itself included."""
        count = dict.fromkeys(self.scenario.access_point_names if names is None else names, 1)
        for node, nearer, _ in reversed(self.hops(inward=inward)):
            count[nearer] = count.get(nearer, 0) + count.get(node, 0)
        return count

    def roles(self, *, inward: bool) -> dict[str, "_Roles"]:
        """Return who may receive and transmit behind each node, itself included."""
        groups = (None, self.receivers, self.transmitters)
        every, able, sending = (self.behind(inward=inward, names=names) for names in groups)
        found, n_receivers = {}, self.scenario.schedule.n_receivers
        for node, *_ in self.hops(inward=inward):
            mine = able.get(node, 0)
            fewest = max(n_receivers - (len(self.receivers) - mine), 0)
            found[node] = _Roles(every.get(node, 0), sending.get(node, 0), fewest, min(n_receivers, mine))
        return found

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
    attributes = link.attributes
    assert attributes is not None, "links are up when they are made"
    return attributes


# -- what is told -----------------------------------------------------------------------------------------------------


class _Need(NamedTuple):
    """How long something takes that has to be done in time, in ns."""

    least_ns: int
    enough_ns: int


def _plans(case: _Case) -> Iterator[str]:
    full, bare = (case.ways(bits, inward=False) for bits in case.plan_bits)
    waits_ns = _waits_for_plans_ns(case)
    needs = {name: _Need(wait + bare[name].idle_ns, _plan_enough_ns(case, name)) for name, wait in waits_ns.items()}
    sending = {
        name: _Need(waits_ns[name] + full[name].idle_ns, needs[name].enough_ns)
        for name in case.transmitters
        if needs[name].least_ns <= case.frame.lead_ns
    }
    late = "the plan of a CPI reaches {names} {late} after the CPI has begun, and they stay silent"
    texts = {late: needs, late.replace("CPI reaches", "CPI in which they transmit reaches"): sending}
    yield from _late(texts, case.frame.lead_ns, "schedule.lead_s", case.may_queue_up(inward=False))


def _waits_for_plans_ns(case: _Case) -> dict[str, int]:
    """Return how long plans wait at least at the central processor, which sends them in the order of the names."""
    first: dict[str, str] = {}
    lasts_ns = {}
    for node, nearer, link in case.hops(inward=False):
        first[node] = node if nearer == CENTRAL else first[nearer]
        if nearer == CENTRAL:
            lasts_ns[node] = _attributes(link).duration_ns(min(case.plan_bits))
    waits_ns, free_ns = {}, dict.fromkeys(lasts_ns, 0)
    for name in case.scenario.access_point_names:
        waits_ns[name] = free_ns[first[name]]
        free_ns[first[name]] += lasts_ns[first[name]]
    return waits_ns


def _plan_enough_ns(case: _Case, name: str) -> int:
    """Return how long a plan takes at most: behind all others, and behind records of the CPI before, if they last."""
    bits = max(case.plan_bits)
    alone_ns = case.ways(bits, inward=False)[name].most_ns()
    if not case.tells_waveforms or _told_ns(case, name) + alone_ns <= case.frame.cpi_ns:
        return alone_ns
    return case.ways(max(bits, case.record_bits), inward=False)[name].most_ns(1 + case.frame.n_slots)


def _samples(case: _Case) -> Iterator[str]:
    sent = {
        "reports of {names} come {late} after the deadline": (case.receivers, case.report_bits),
        "records of what {names} radiated come {late} after the deadline": (case.transmitters, case.record_bits),
    }
    needs, longest = {}, case.ways(case.sent(inward=True).longest_bits, inward=True)
    for text, (names, bits) in sent.items():
        ways = case.ways(bits, inward=True)
        needs[text] = {name: _Need(ways[name].idle_ns, longest[name].most_ns()) for name in names}
    if all(need.least_ns <= case.frame.deadline_ns for by_name in needs.values() for need in by_name.values()):
        text = "the last of what passes {names} at the end of a CPI comes {late} after the deadline"
        needs = {text: _last_ns(case, max(way.most_ns() for way in longest.values()))}
    yield from _late(needs, case.frame.deadline_ns, "fronthaul.deadline_s", case.may_queue_up(inward=True))


def _last_ns(case: _Case, enough_ns: int) -> dict[str, _Need]:
    """Return, link by link, when the last report or record that is sent at the end of a CPI is there at least."""
    sent, roles = case.sent(inward=True), case.roles(inward=True)
    last = sent._replace(receiver=((case.report_bits, 1),))
    rest = case.ways(min(case.report_bits, case.record_bits), inward=True)
    found = {}
    for node, nearer, link in case.hops(inward=True):
        attributes = _attributes(link)
        sending_ns, _ = roles[node].extremes(last, attributes.duration_ns)
        if sending_ns:
            found[link.name] = _Need(int(sending_ns) + attributes.latency_ns + rest[nearer].idle_ns, enough_ns)
    return found


def _statistics(case: _Case) -> Iterator[str]:
    """Tell of receivers that must know all records before they report, and wait for them half of the time there is."""
    back, longest = (
        case.ways(case.report_bits, inward=True),
        case.ways(case.sent(inward=True).longest_bits, inward=True),
    )
    needs = {}
    for name in case.receivers:
        told_ns, told_at_most_ns = _told_at_least_ns(case, name), _told_ns(case, name)
        needs[name] = _Need(
            least_ns=max(2 * told_ns, told_ns + back[name].idle_ns),
            enough_ns=max(2 * told_at_most_ns, told_at_most_ns + longest[name].most_ns(2)),
        )
    text = (
        "statistics of {names} cover a part of the slots, or come too late: they lack {late} to be told first what was "
    )
    queue_up = case.may_queue_up(inward=True) or case.may_queue_up(inward=False)
    yield from _late({text + "radiated": needs}, case.frame.deadline_ns, "fronthaul.deadline_s", queue_up)


def _maps(case: _Case) -> Iterator[str]:
    """Tell of access points whose maps come too late where each adds to what comes from behind it.

    Of the deadline, half is to tell what was radiated, and an equal share of the rest for each step inward.
    """
    needs, depths = {}, _depths(case)
    deepest = max(depths[name] for name in case.receivers)
    back = case.ways(case.report_bits, inward=True)
    slowest_ns = max(_step_ns(case, link) for *_, link in case.hops(inward=True))
    for name in case.receivers:
        told_ns = _told_at_least_ns(case, name)
        shares = {place: 1.0 + (deepest - depths[place]) / deepest for place in _inward_of(case, name)}
        least_ns = max(
            2.0 * (told_ns + back[name].idle_ns - back[place].idle_ns) / share for place, share in shares.items()
        )
        enough_ns = 2 * max(_told_ns(case, name), deepest * slowest_ns)
        needs[name] = _Need(int(least_ns), enough_ns)
    text = "maps of {names} come {late} after the time at which the next access point inward sends its sum"
    queue_up = case.may_queue_up(inward=True) or case.may_queue_up(inward=False)
    yield from _late({text: needs}, case.frame.deadline_ns, "fronthaul.deadline_s", queue_up)


def _inward_of(case: _Case, name: str) -> list[str]:
    """Return the nodes on the way of a map, from where it is made to the central processor."""
    nearer = {a: b for a, b, _ in case.hops(inward=True)}
    way = [name]
    while way[-1] != CENTRAL:
        way.append(nearer[way[-1]])
    return way


def _depths(case: _Case) -> dict[str, int]:
    """Return how many access points there are from each node to the central processor, itself included."""
    depths, names = {CENTRAL: 0}, set(case.scenario.access_point_names)
    for node, nearer, _ in case.hops(inward=True):
        depths[node] = depths[nearer] + (node in names)
    return depths


def _step_ns(case: _Case, link: Link) -> int:
    """Return how long a map takes over a link at most, behind another one and the records of all transmitters."""
    attributes = _attributes(link)
    records_ns = case.frame.n_slots * attributes.duration_ns(case.record_bits)
    return attributes.latency_ns + 2 * attributes.duration_ns(case.report_bits) + records_ns


def _told_at_least_ns(case: _Case, name: str) -> int:
    """Return how long it takes at least until a receiver knows all records."""
    up, down = (case.ways(case.record_bits, inward=inward) for inward in (True, False))
    far = sorted(case.transmitters, key=lambda other: up[other].idle_ns)
    first, last = (next(up[other] for other in order if other != name) for order in (far, far[::-1]))
    return max(last.idle_ns + down[name].idle_ns, first.idle_ns + down[name].last_ns(case.frame.n_slots))


def _told_ns(case: _Case, name: str) -> int:
    """Return how long it takes at most until a receiver knows all records.

    Statistics of the CPI before may be on the links to the central processor, and plans on those from it.
    """
    up, down = (case.ways(case.sent(inward=inward).longest_bits, inward=inward) for inward in (True, False))
    return max(up[other].most_ns(2) for other in case.transmitters) + down[name].most_ns(1 + case.frame.n_slots)


def _late(needs: Mapping[str, Mapping[str, _Need]], given_ns: int, key: str, queue_up: bool) -> Iterator[str]:
    """Tell, text by text, who needs more time than a key gives, and how much is enough unless messages queue up."""
    enough_s = max(need.enough_ns for by_name in needs.values() for need in by_name.values()) * 1e-9
    for text, by_name in needs.items():
        late_ns = {name: need.least_ns - given_ns for name, need in by_name.items() if need.least_ns > given_ns}
        if late_ns:
            least, most = (f"{1e-6 * ns:.4g}" for ns in (min(late_ns.values()), max(late_ns.values())))
            span = f"{most} ms" if least == most else f"{least} to {most} ms"
            proposal = f"give {enough_s:.9g} or more, or make the fronthaul faster"
            if queue_up:
                proposal = "make the fronthaul faster, as more time helps only until messages queue up"
            yield f"{text.format(names=names_text(late_ns), late=span)}; {key} = {given_ns * 1e-9:.9g}: {proposal}"


def _queues(case: _Case) -> Iterator[str]:
    """Tell of messages that no queue takes, and of those from the central processor that it does not take together."""
    sizes = {False: {"plan": case.plan_bits[0]}, True: {"record": case.record_bits, "report": case.report_bits}}
    for inward, messages in sizes.items():
        for what, size in messages.items():
            full = [link.name for *_, link in case.hops(inward=inward) if _attributes(link).queue_bits < size]
            if full:
                yield f"a {what} of {size} bit is longer than queue_bits of {names_text(full)}, which loses every one"
    with_data, bare = (((bits, 1),) for bits in case.plan_bits)
    yield from _bursts(case, "the plans of a CPI", _Sent(bare, with_data, bare))
    if case.tells_waveforms and not case.sums:
        told = _Sent(receiver=((case.record_bits, 1),), transmitter=())
        yield from _bursts(case, "copies of a record for the receivers", told)


def _bursts(case: _Case, what: str, sent: _Sent) -> Iterator[str]:
    """Tell of messages that the central processor sends at one instant, and a queue does not take all of.

    They come to a link no faster than the links before it let them through.
    """
    roles, feeding, over = case.roles(inward=False), {CENTRAL: math.inf}, {}
    for node, nearer, link in case.hops(inward=False):
        attributes = _attributes(link)
        _, most_bits = roles[node].extremes(sent, float)
        waiting_share = max(0.0, 1.0 - attributes.rate_bit_s / feeding[nearer]) if attributes.duration_ns(1) else 0.0
        feeding[node] = min(feeding[nearer], attributes.rate_bit_s)
        if sent.longest_bits <= attributes.queue_bits < most_bits * waiting_share:
            over[link.name] = most_bits
    if over:
        most = f"{what}, up to {max(over.values()):.0f} bit at one instant, are longer than queue_bits"
        yield f"{most} of {names_text(over)}, which loses some"


def _loads(case: _Case) -> Iterator[str]:
    """Tell of links that are asked for more than their rate, whoever receives and transmits."""
    down = "plans and records passed on" if case.tells_waveforms else "plans"
    for inward, what in ((True, "reports and records"), (False, down)):
        worst = {name: least for name, (least, _) in case.loads(inward=inward).items() if least > 1.0}
        if worst:
            most = f"{what} ask for up to {max(worst.values()):.3g} times the rate of {names_text(worst)}"
            yield f"{most}: they queue up, and come later from CPI to CPI"
