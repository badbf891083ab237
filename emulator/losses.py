"""Which reports were not fused, and why: what became of the message that should have come in time.

A report is lost with the first message that fails on the way to it: the plan for the receiver, the report itself, or
what tells the waveform, which is the plan for the transmitter and its record. Counts are kept by cause and access
point, so their memory does not grow with time. Who was late, and by how much, is known once the message has come.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from emulator.messages import CENTRAL, Assignment, EchoReport, Message, StatisticsReport, TransmissionRecord
from emulator.slot import CpiPlan, Frame

__all__ = ["Cause", "Losses", "LostReports"]

LATE, UNDER_WAY, NOT_SENT = "late", "still under way", "not sent"
PLAN, REPORT, STATISTICS, RECORD = "plan", "report", "statistics", "record"


class Cause(NamedTuple):
    """Why a report was lost.

    Attributes
    ----------
    what
        What did not come in time: "plan", "report", "statistics" or "record".
    fate
        What became of it: "late", "still under way", "not sent", or the reason why a link lost it.
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
        Of whose plan, report or record this is, by name: the number of reports that it cost.
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


def _subject(message: Message) -> _Subject | None:
    """Return what a message is about; None if no report depends on it."""
    if isinstance(message, EchoReport):
        return _Subject(message.slot.cpi, REPORT, message.source, CENTRAL, message.slot.position)
    if isinstance(message, StatisticsReport):
        return _Subject(message.cpi, STATISTICS, message.source, CENTRAL)
    if isinstance(message, TransmissionRecord):
        return _Subject(message.cpi, RECORD, message.transmitter, message.destination)
    if isinstance(message, Assignment):
        return _Subject(message.plan.cpi, PLAN, message.destination, message.destination)
    return None


class _Failure(NamedTuple):
    """A message that did not come in time."""

    subject: _Subject
    cause: Cause
    late_ns: int | None = None


@dataclass(eq=False)
class _Case:
    """What became of the messages of a CPI so far."""

    came: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """What came in time: a bit for each position, by what, access point and destination."""
    failed: dict[_Subject, _Failure] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    """Receivers whose statistics cover no slot: they knew no waveform."""


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
        self._cases: dict[int, _Case] = {}
        self._settled = -1
        self._awaited: dict[_Subject, int] = {}
        """Reports that are lost because a message is still under way, by what it is about."""
        self._found: dict[Cause, LostReports] = {}

    # -- what the fronthaul tells -------------------------------------------------------------------------------------

    def delivered(self, message: Message, now_ns: int) -> None:
        """Take note of a message that has reached its destination."""
        subject = _subject(message)
        if subject is None:
            return
        late_ns = now_ns - self._due_ns(subject)
        if late_ns > 0:
            self._fail(_Failure(subject, Cause(subject.what, LATE), late_ns))
        elif isinstance(message, StatisticsReport) and not message.positions:
            self._case(subject.cpi).empty.add(subject.access_point)
        else:
            came, key = self._case(subject.cpi).came, subject[1:4]
            came[key] = came.get(key, 0) | 1 << subject.position

    def dropped(self, message: Message, link: str, why: str) -> None:
        """Take note of a message that a link has lost."""
        subject = _subject(message)
        if subject is not None:
            self._fail(_Failure(subject, Cause(subject.what, why, link)))

    def _due_ns(self, subject: _Subject) -> int:
        """Return until when a message is of use.

        A plan until the CPI begins; a record that is passed on until the receiver settles its statistics, half-way to
        the deadline; all else until the deadline.
        """
        frame, end_ns = self._frame, self._frame.cpi_start_ns(subject.cpi + 1)
        if subject.what == PLAN:
            return frame.cpi_start_ns(subject.cpi)
        return end_ns + (frame.deadline_ns if subject.destination == CENTRAL else frame.deadline_ns // 2)

    def _fail(self, failure: _Failure) -> None:
        subject = failure.subject
        if subject.cpi > self._settled:
            self._case(subject.cpi).failed[subject] = failure
        elif subject in self._awaited:
            self._count(failure, self._awaited.pop(subject))

    def _case(self, cpi: int) -> _Case:
        return self._cases.setdefault(cpi, _Case())

    # -- what is made of it -------------------------------------------------------------------------------------------

    def settle(self, plan: CpiPlan, reports_due: Mapping[str, int]) -> None:
        """Find the cause of every report of a CPI that was not fused, given how many each receiver owed.

        To be called for one CPI after the other, when it is published; with nobody owing, where all were fused.
        """
        case, self._settled = self._cases.pop(plan.cpi, _Case()), plan.cpi
        if reports_due:
            under_way = {subject for message in self._under_way() if (subject := _subject(message)) is not None}
            for failure in _Inquest(plan, case, under_way, self._illumination).failures(reports_due):
                if failure.cause.fate == UNDER_WAY:
                    self._awaited[failure.subject] = self._awaited.get(failure.subject, 0) + 1
                else:
                    self._count(failure, 1)

    def _count(self, failure: _Failure, count: int) -> None:
        cause = failure.cause
        self._found.setdefault(cause, LostReports(cause=cause)).add(
            failure.subject.access_point, count, failure.late_ns
        )

    def found(self) -> tuple[LostReports, ...]:
        """Return the reports that were lost so far, the commonest cause first."""
        found = {cause: _copied(lost) for cause, lost in self._found.items()}
        for subject, count in self._awaited.items():
            cause = Cause(subject.what, UNDER_WAY)
            found.setdefault(cause, LostReports(cause=cause)).add(subject.access_point, count, None)
        return tuple(sorted(found.values(), key=lambda lost: (-lost.count, lost.cause)))

    def state(self) -> dict[str, Any]:
        """Return what is known, as data."""
        return {name: vars(self)[name] for name in ("_cases", "_settled", "_awaited", "_found")}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        vars(self).update(state)


def _copied(lost: LostReports) -> LostReports:
    other = copy(lost)
    other.access_points = Counter(lost.access_points)
    return other


@dataclass(frozen=True, eq=False)
class _Inquest:
    """Finds why reports of a CPI were lost."""

    plan: CpiPlan
    case: _Case
    under_way: set[_Subject]
    illumination: str

    def failures(self, reports_due: Mapping[str, int]) -> Iterator[_Failure]:
        """Yield the failure behind every lost report."""
        for name, due in reports_due.items():
            no_plan = self._failure(PLAN, name, name)
            if no_plan is not None:
                yield from [no_plan] * due
                continue
            found = [*self._reports_failed.get(name, ()), *self._without_waveform(name)]
            silent = _Failure(_Subject(self.plan.cpi, REPORT, name, CENTRAL), Cause(REPORT, NOT_SENT))
            yield from (found + [silent] * (due - self._fused(name)))[: due - self._fused(name)]

    @cached_property
    def _reports_failed(self) -> dict[str, list[_Failure]]:
        """How reports failed that were sent, by receiver."""
        found: dict[str, list[_Failure]] = {}
        under_way = [_Failure(subject, Cause(subject.what, UNDER_WAY)) for subject in sorted(self.under_way)]
        for failure in (*self.case.failed.values(), *under_way):
            subject = failure.subject
            if subject.what in (REPORT, STATISTICS) and subject.cpi == self.plan.cpi:
                found.setdefault(subject.access_point, []).append(failure)
        return found

    @cached_property
    def _unknown(self) -> list[_Failure | None]:
        """Why the central processor does not know the waveform of each slot; None where it does."""
        return [self._untold(position, CENTRAL) for position in range(len(self.plan.slots))]

    def _fused(self, name: str) -> int:
        """Return how many reports of a receiver were fused."""
        known = sum(1 << position for position, failure in enumerate(self._unknown) if failure is None)
        return (self._came(REPORT, name) & known).bit_count() + self._came(STATISTICS, name)

    def _without_waveform(self, name: str) -> list[_Failure]:
        """Return the failures behind reports of a receiver that came and were of no use."""
        came = self._came(REPORT, name)
        found = [
            failure for position, failure in enumerate(self._unknown) if failure is not None and came >> position & 1
        ]
        if name in self.case.empty:
            untold = (self._untold(position, name) for position in range(len(self.plan.slots)))
            found += [failure for failure in untold if failure is not None][:1]
        return found

    def _untold(self, position: int, receiver: str) -> _Failure | None:
        """Return why the waveform of a slot is not known to a receiver, or to the central processor."""
        senders = self.plan.transmitters
        if self.illumination == "sensing":
            senders = (self.plan.slots[position].sensing_transmitter,)
        failures = (
            self._failure(what, name, destination)
            for name in senders
            for what, destination in ((PLAN, name), (RECORD, CENTRAL), (RECORD, receiver))
        )
        return next((failure for failure in failures if failure is not None), None)

    def _came(self, what: str, name: str, destination: str = CENTRAL) -> int:
        return self.case.came.get((what, name, destination), 0)

    def _failure(self, what: str, name: str, destination: str) -> _Failure | None:
        """Return how a message failed, if it did."""
        if self._came(what, name, destination):
            return None
        subject = _Subject(self.plan.cpi, what, name, destination)
        fate = UNDER_WAY if subject in self.under_way else NOT_SENT
        return self.case.failed.get(subject) or _Failure(subject, Cause(what, fate))
