"""What came for one CPI."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from emulator.messages import EchoReport, MapReport, Message, PilotReport, StatisticsReport, TransmissionRecord
from emulator.slot import CpiPlan

__all__ = ["Inbox"]


@dataclass(kw_only=True, eq=False)
class Inbox:
    """What came for one CPI before it was fused.

    Attributes
    ----------
    plan
        The plan of the CPI.
    due
        Reports and records that each AP with a task still owes, by its name.
    closed
        Whether the CPI was fused: what comes later is late.
    fused
        Reports that were fused.
    """

    plan: CpiPlan
    due: dict[str, int] = field(default_factory=dict)
    records: dict[str, TransmissionRecord] = field(default_factory=dict)
    echoes: dict[str, dict[int, EchoReport]] = field(default_factory=dict)
    """By receiver and slot position."""
    statistics: dict[str, StatisticsReport] = field(default_factory=dict)
    maps: dict[str, MapReport] = field(default_factory=dict)
    """By the AP that sent the sum."""
    pilots: dict[str, PilotReport] = field(default_factory=dict)
    closed: bool = False
    fused: int = 0
    refused: list[Message] = field(default_factory=list)
    """Messages about the CPI that were refused."""
    excluded: tuple[str, ...] = ()
    """Receivers that contradict the others and were left out of the estimate."""
    used: list[int] = field(default_factory=list)
    """Numbers of the messages that were fused: records of transmitters, and reports."""
    known: set[tuple[str, int]] = field(default_factory=set)
    """Receiver and slot position of reports that came before the inbox was reopened; position -1 for statistics."""

    @property
    def heard_from(self) -> set[str]:
        """Names of the APs of which anything came."""
        return {*self.records, *self.echoes, *self.statistics, *self.pilots, *self.maps, *self.summed}

    @property
    def summed(self) -> list[str]:
        """Names of the receivers whose maps came in sums."""
        return [name for total in self.maps.values() for name in total.receivers]

    @property
    def applied(self) -> dict[str, int]:
        """Numbers of the corrections that APs say to have applied in the CPI, by name."""
        echoes = (next(iter(own.values())) for own in self.echoes.values())
        said = (*self.records.values(), *echoes, *self.statistics.values(), *self.pilots.values(), *self.maps.values())
        return {message.source: message.applied for message in said if message.applied is not None}

    def numbers(self, receiver: str, positions: tuple[int, ...]) -> list[int]:
        """Return the numbers of the reports of a receiver on some slots."""
        if receiver in self.statistics:
            return [self.statistics[receiver].sequence] if positions else []
        return [self.echoes[receiver][position].sequence for position in positions]

    def take(self, message: Message) -> bool:
        """Take a report or a record, or what came of pilots; return whether it was the last that is due."""
        if isinstance(message, MapReport):
            return self._take_map(message)
        source = key = message.source
        kept: dict[Any, Any] = self.records
        if isinstance(message, EchoReport):
            if source not in self.echoes:
                self.echoes[source] = {}
            kept, key = self.echoes[source], message.slot.position  # type: ignore[assignment]
        elif isinstance(message, StatisticsReport):
            kept = self.statistics
        elif isinstance(message, PilotReport):
            kept = self.pilots
        elif not isinstance(message, TransmissionRecord):
            return False
        owed = 0 if key in kept else self.due.get(source, 0)
        kept[key] = message
        if owed > 1:
            self.due[source] = owed - 1
        elif owed:
            del self.due[source]
        return owed == 1 and not self.due

    def _take_map(self, total: MapReport) -> bool:
        """Take a sum; return whether nothing is due any more, as it was before."""
        owed = {*total.receivers} & self.due.keys() - {*self.summed}
        self.maps[total.source] = total
        for name in owed:
            del self.due[name]
        return bool(owed) and not self.due

    @property
    def reports(self) -> list[EchoReport | StatisticsReport]:
        """The reports that came."""
        return [*self.statistics.values(), *(report for own in self.echoes.values() for report in own.values())]

    def reopened(self) -> "Inbox":
        """Return an inbox for what comes late: the waveforms stay, and reports that came are known."""
        return self.holding([], self.known | {_place(report) for report in self.reports})

    def holding(self, reports: Iterable[Message], known: Iterable[tuple[str, int]] = ()) -> "Inbox":
        """Return an inbox with the same waveforms and these reports."""
        other = Inbox(plan=self.plan, records=self.records, known=set(known))
        for report in reports:
            other.take(report)
        return other

    def is_new(self, report: EchoReport | StatisticsReport) -> bool:
        """Return whether a report did not come before."""
        return _place(report) not in self.known | {_place(other) for other in self.reports}

    def close(self) -> None:
        """Let go of what came: it was fused."""
        self.closed = True
        self.due, self.records, self.echoes, self.statistics, self.pilots, self.maps = {}, {}, {}, {}, {}, {}


def _place(report: EchoReport | StatisticsReport) -> tuple[str, int]:
    return report.source, report.slot.position if isinstance(report, EchoReport) else -1
