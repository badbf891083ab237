"""Which reports were not fused, and why: what became of the message that should have come in time.

A report is lost with the first message that fails on the way to it: the plan for the receiver, the report itself, or
what tells the waveform, which is the plan for the transmitter and its record. With a sum of maps all are lost that are
in it, and with an access point that should have passed them on those from behind it.

Counts are kept by cause and access point, so their memory does not grow with time. Who was late, and by how much, is
known once the message has come.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from emulator.messages import CENTRAL, Assignment, EchoReport, MapReport, Message, StatisticsReport, TransmissionRecord
from emulator.slot import CpiPlan, Frame

__all__ = ["Cause", "Losses", "LostReports"]

LATE, UNDER_WAY, NOT_SENT, DOWN, REFUSED = "late", "still under way", "not sent", "access point down", "refused"
PLAN, REPORT, STATISTICS, RECORD, MAP = "plan", "report", "statistics", "record", "map"
EMPTY = "empty statistics"
"""Of a receiver that knew no waveform; never a cause."""


class Cause(NamedTuple):
    """Why a report was lost.

    Attributes
    ----------
    what
        What did not come in time: "plan", "report", "statistics", "map" or "record".
    fate
        What became of it: "late", "still under way", "not sent", "access point down", "refused", or the
        reason why a link lost it.
    link
        The link that lost it, or "".
    """

    what: str
    fate: str
    link: str = ""


@dataclass(kw_only=True)
class LostReports:
    """Reports that were lost for one cause.

    Attributes
    ----------
    cause
        Why.
    access_points
        Of whose plan, report or record this is, by name: the number of reports that it cost. Of what an
        access point did not pass on: that access point.
    least_late_ns, most_late_ns
        By how much the first and the last were late; None where they were not.
    """

    cause: Cause
    access_points: Counter[str] = field(default_factory=Counter)
    least_late_ns: int | None = None
    most_late_ns: int | None = None

    @property
    def count(self) -> int:
        """How many reports."""
        return self.access_points.total()

    def add(self, access_point: str, count: int, late_ns: int | None) -> None:
        """Count reports that were lost for this cause."""
        self.access_points[access_point] += count
        if late_ns is not None:
            self.least_late_ns = late_ns if self.least_late_ns is None else min(self.least_late_ns, late_ns)
            self.most_late_ns = late_ns if self.most_late_ns is None else max(self.most_late_ns, late_ns)


class _Subject(NamedTuple):
    """What a message is about."""

    cpi: int
    what: str
    access_point: str
    destination: str
    position: int = 0


def _subjects(message: Message) -> tuple[_Subject, ...]:
    """Return what a message is about; nothing if no report depends on it."""
    if isinstance(message, EchoReport):
        return (_Subject(message.slot.cpi, REPORT, message.source, CENTRAL, message.slot.position),)
    if isinstance(message, StatisticsReport):
        return (_Subject(message.cpi, STATISTICS if message.positions else EMPTY, message.source, CENTRAL),)
    if isinstance(message, TransmissionRecord):
        return (_Subject(message.cpi, RECORD, message.transmitter, message.destination),)
    if isinstance(message, Assignment):
        return (_Subject(message.plan.cpi, PLAN, message.destination, message.destination),)
    if isinstance(message, MapReport):
        return tuple(_Subject(message.cpi, MAP, name, message.destination) for name in message.receivers)
    return ()


class _Failure(NamedTuple):
    """A message that did not come in time."""

    subject: _Subject
    cause: Cause
    late_ns: int | None = None


def _cause(subject: _Subject, fate: str, link: str = "") -> Cause:
    return Cause(STATISTICS if subject.what == EMPTY else subject.what, fate, link)


def _due_ns(frame: Frame, subject: _Subject, plan: CpiPlan | None = None) -> int:
    """Return until when a message is of use.

    A plan until the CPI begins; what is passed on until its time is up there, as the plan says, or half-way to the
    deadline; all else until the deadline, and what was still on its way then, too, if it is a map.
    """
    if subject.what == PLAN:
        return frame.cpi_start_ns(subject.cpi)
    if plan is not None and (relay := plan.relays.get(subject.destination)) is not None:
        return relay.settle_ns
    at_deadline = subject.destination == CENTRAL or subject.what == MAP
    wait_ns = frame.deadline_ns if at_deadline else frame.deadline_ns // 2
    return frame.cpi_start_ns(subject.cpi + 1) + wait_ns


class Losses:
    """Keeps account of reports that were not fused.

    Parameters
    ----------
    frame
        The calendar.
    illumination
        "sensing": the waveform of a slot is known from one record; "full": from those of all transmitters.
    under_way
        Gives the messages in flight.
    """

    def __init__(self, frame: Frame, illumination: str, under_way: Callable[[], Iterable[Message]]) -> None:
        self._frame, self._illumination, self._under_way = frame, illumination, under_way
        self._settled = -1
        self._delivered: defaultdict[int, list[tuple[int, str, str, str, int]]] = defaultdict(list)
        """By CPI: when, and what follows the CPI in a ``_Subject``."""
        self._dropped: defaultdict[int, list[_Failure]] = defaultdict(list)
        self._awaited: dict[_Subject, int] = {}
        """Reports that are lost because a message is still under way, by what it is about."""
        self._found: dict[Cause, LostReports] = {}

    # -- what the fronthaul tells -------------------------------------------------------------------------------------

    def delivered(self, messages: Iterable[Message], now_ns: int) -> None:
        """Take note of messages that have reached their destinations; of most no more than that."""
        for message in messages:
            cpi = message.cpi
            if type(message) is EchoReport and cpi > self._settled:
                self._delivered[cpi].append((now_ns, REPORT, message.source, CENTRAL, message.slot.position))
                continue
            for subject in _subjects(message):
                if subject.cpi > self._settled:
                    self._delivered[subject.cpi].append((now_ns, *subject[1:]))
                elif subject in self._awaited:
                    self._count(self._late(subject, now_ns), self._awaited.pop(subject))

    def dropped(self, message: Message, link: str, why: str) -> None:
        """Take note of a message that a link has lost."""
        for subject in _subjects(message):
            failure = _Failure(subject, _cause(subject, why, link))
            if subject.cpi > self._settled:
                self._dropped[subject.cpi].append(failure)
            elif subject in self._awaited:
                self._count(failure, self._awaited.pop(subject))

    def _late(self, subject: _Subject, now_ns: int, plan: CpiPlan | None = None) -> _Failure:
        return _Failure(subject, _cause(subject, LATE), now_ns - _due_ns(self._frame, subject, plan))

    # -- what is made of it -------------------------------------------------------------------------------------------

    def settle(
        self,
        plan: CpiPlan,
        reports_due: Mapping[str, int],
        down: Set[str] = frozenset(),
        refused: Iterable[Message] = (),
    ) -> None:
        """Find the cause of every report of a CPI that was not fused, given how many each receiver owed.

        To be called for one CPI after the other, when it is published; with nobody owing, where all were fused.

        Parameters
        ----------
        plan
            The plan of the CPI.
        reports_due
            How many reports each receiver owed.
        down
            Names of the APs that were down at some time.
        refused
            Messages about the CPI that the central processor did not take.
        """
        self._settled = plan.cpi
        delivered, dropped = self._delivered.pop(plan.cpi, []), self._dropped.pop(plan.cpi, [])
        if not reports_due:
            return
        failed = {failure.subject: failure for failure in dropped}
        unread = {about for message in refused for about in _subjects(message)}
        failed |= {about: _Failure(about, _cause(about, REFUSED)) for about in unread}
        came = set()
        for now_ns, what, access_point, destination, position in delivered:
            subject = _Subject(plan.cpi, what, access_point, destination, position)
            if now_ns > _due_ns(self._frame, subject, plan):
                failed[subject] = self._late(subject, now_ns, plan)
            elif subject not in unread:
                came.add(subject)
        under_way = {about for message in self._under_way() for about in _subjects(message)}
        for failure in _Inquest(plan, self._illumination, came, failed, under_way, down).failures(reports_due):
            if failure.cause.fate == UNDER_WAY:
                self._awaited[failure.subject] = self._awaited.get(failure.subject, 0) + 1
            else:
                self._count(failure, 1)

    def _count(self, failure: _Failure, count: int) -> None:
        lost = self._found.setdefault(failure.cause, LostReports(cause=failure.cause))
        lost.add(failure.subject.access_point, count, failure.late_ns)

    def found(self) -> tuple[LostReports, ...]:
        """Return the reports that were lost so far, the commonest cause first."""
        found = {cause: _copied(lost) for cause, lost in self._found.items()}
        for subject, count in self._awaited.items():
            cause = _cause(subject, UNDER_WAY)
            found.setdefault(cause, LostReports(cause=cause)).add(subject.access_point, count, None)
        return tuple(sorted(found.values(), key=lambda lost: (-lost.count, lost.cause)))

    def state(self) -> dict[str, Any]:
        """Return what is known, as data."""
        return {name: vars(self)[name] for name in ("_settled", "_delivered", "_dropped", "_awaited", "_found")}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        vars(self).update(state)


def _copied(lost: LostReports) -> LostReports:
    other = copy(lost)
    other.access_points = Counter(lost.access_points)
    return other


@dataclass(frozen=True, eq=False)
class _Inquest:
    """Finds why reports of a CPI were lost, given what became of its messages."""

    plan: CpiPlan
    illumination: str
    came: Set[_Subject]
    failed: Mapping[_Subject, _Failure]
    under_way: Set[_Subject]
    down: Set[str]

    def failures(self, reports_due: Mapping[str, int]) -> Iterator[_Failure]:
        """Yield the failure behind every lost report."""
        for name, due in reports_due.items():
            no_plan = self._failure(PLAN, name, name)
            if self.plan.relays:
                if self._subject(MAP, name, CENTRAL) not in self.came:
                    yield no_plan or self._on_the_way(name)
                continue
            if no_plan is not None:
                yield from [no_plan] * due
                continue
            found = [*self._reports_failed.get(name, ()), *self._without_waveform(name)]
            lost = due - self._fused(name)
            silent = self._subject(REPORT, name, CENTRAL)
            found += [_Failure(silent, _cause(silent, self._unsent(name)))] * lost
            yield from found[:lost]

    def _on_the_way(self, name: str) -> _Failure:
        """Return how the map of a receiver failed, which had its plan, at the first step that it did not come to."""
        steps = pairwise((*self.plan.way(name), CENTRAL))
        place, failure = next((at, why) for at, to in steps if (why := self._failure(MAP, name, to, at)) is not None)
        if failure.cause.fate not in (DOWN, NOT_SENT):
            return failure
        if place != name:
            return self._failure(PLAN, place, place) or failure
        untold = (self._untold(position, name) for position in range(len(self.plan.slots)))
        return next((why for why in untold if why is not None), failure)

    @cached_property
    def _reports_failed(self) -> dict[str, list[_Failure]]:
        """How reports failed that were sent, by receiver."""
        found: dict[str, list[_Failure]] = {}
        under_way = [_Failure(subject, _cause(subject, UNDER_WAY)) for subject in sorted(self.under_way)]
        for failure in (*self.failed.values(), *under_way):
            subject = failure.subject
            if subject.what in (REPORT, STATISTICS, EMPTY) and subject.cpi == self.plan.cpi:
                found.setdefault(subject.access_point, []).append(failure)
        return found

    @cached_property
    def _unknown(self) -> list[_Failure | None]:
        """Why the central processor does not know the waveform of each slot; None where it does."""
        return [self._untold(position, CENTRAL) for position in range(len(self.plan.slots))]

    def _heard(self, name: str) -> list[int]:
        """Return the positions of the slots on which reports of a receiver came."""
        return [p for p in range(len(self.plan.slots)) if self._subject(REPORT, name, CENTRAL, p) in self.came]

    def _fused(self, name: str) -> int:
        """Return how many reports of a receiver were fused."""
        known = sum(self._unknown[position] is None for position in self._heard(name))
        return known + (self._subject(STATISTICS, name, CENTRAL) in self.came)

    def _without_waveform(self, name: str) -> list[_Failure]:
        """Return the failures behind reports of a receiver that came and were of no use."""
        missing = [self._unknown[position] for position in self._heard(name)]
        if self._subject(EMPTY, name, CENTRAL) in self.came:
            untold = (self._untold(position, name) for position in range(len(self.plan.slots)))
            missing.append(next((failure for failure in untold if failure is not None), None))
        return [failure for failure in missing if failure is not None]

    def _untold(self, position: int, receiver: str) -> _Failure | None:
        """Return why the waveform of a slot is not known to a receiver, or to the central processor."""
        senders = self.plan.transmitters
        if self.illumination == "sensing":
            senders = (self.plan.slots[position].sensing_transmitter,)
        failures = (self._record_lost(name, receiver) for name in senders)
        return next((failure for failure in failures if failure is not None), None)

    def _record_lost(self, name: str, receiver: str) -> _Failure | None:
        """Return how a record failed to get to a receiver, or to the central processor, if it did."""
        failure = self._failure(PLAN, name, name) or self._failure(RECORD, name, CENTRAL)
        if failure is not None or receiver == CENTRAL:
            return failure
        sender = name
        for place in reversed(self.plan.way(receiver)):
            failure = self._failure(PLAN, place, place) or self._failure(RECORD, name, place, sender)
            if failure is not None:
                return failure
            sender = place
        return None

    def _subject(self, what: str, name: str, destination: str, position: int = 0) -> _Subject:
        return _Subject(self.plan.cpi, what, name, destination, position)

    def _failure(self, what: str, name: str, destination: str, sender: str = "") -> _Failure | None:
        """Return how a message failed, if it did; of one that was not sent, by the sender: by default who it is of."""
        subject = self._subject(what, name, destination)
        if subject in self.came:
            return None
        if subject in self.failed:
            return self.failed[subject]
        if subject in self.under_way:
            return _Failure(subject, _cause(subject, UNDER_WAY))
        sender = sender or name
        return _Failure(subject._replace(access_point=sender), _cause(subject, self._unsent(sender)))

    def _unsent(self, name: str) -> str:
        """Return what became of a message that an AP did not send."""
        return DOWN if name in self.down else NOT_SENT
