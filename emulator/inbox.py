"""What came for one CPI."""

from dataclasses import dataclass, field
from typing import Any

from emulator.messages import EchoReport, Message, StatisticsReport, TransmissionRecord
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
    closed: bool = False
    fused: int = 0

    @property
    def heard_from(self) -> set[str]:
        """Names of the APs of which anything came."""
        return {*self.records, *self.echoes, *self.statistics}

    def take(self, message: Message) -> bool:
        """Take a report or a record; return whether it was the last that is due."""
        if isinstance(message, EchoReport):
            new = _added(self.echoes.setdefault(message.source, {}), message.slot.position, message)
        elif isinstance(message, StatisticsReport):
            new = _added(self.statistics, message.source, message)
        else:
            new = isinstance(message, TransmissionRecord) and _added(self.records, message.source, message)
        return new and self._settled(message.source)

    def _settled(self, source: str) -> bool:
        """Count a message that an AP owed; return whether nobody owes any more."""
        if source not in self.due:
            return False
        self.due[source] -= 1
        if not self.due[source]:
            del self.due[source]
        return not self.due

    def close(self) -> None:
        """Let go of what came: it was fused."""
        self.closed = True
        self.due, self.records, self.echoes, self.statistics = {}, {}, {}, {}


def _added(kept: dict[Any, Any], key: str | int, message: Message) -> bool:
    """Keep a message; return whether there was none at its place."""
    new = key not in kept
    kept[key] = message
    return new
