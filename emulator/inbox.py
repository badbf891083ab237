"""What came for one CPI."""

from dataclasses import dataclass, field

from emulator.messages import EchoReport, StatisticsReport, TransmissionRecord
from emulator.slot import CpiPlan

__all__ = ["Inbox"]


@dataclass(kw_only=True, eq=False)
class Inbox:
    """What came for one CPI before it was fused."""

    plan: CpiPlan
    records: dict[str, TransmissionRecord] = field(default_factory=dict)
    echoes: dict[str, dict[int, EchoReport]] = field(default_factory=dict)
    """By receiver and slot position."""
    statistics: dict[str, StatisticsReport] = field(default_factory=dict)
    fused: int = 0
    used: list[int] = field(default_factory=list)
    """Numbers of the messages that were fused: records of transmitters, and reports."""

    @property
    def heard_from(self) -> set[str]:
        """Names of the APs of which anything came."""
        return {*self.records, *self.echoes, *self.statistics}

    def reports(self, receiver: str, positions: tuple[int, ...]) -> list[EchoReport | StatisticsReport]:
        """Return the reports of a receiver on some slots."""
        if receiver in self.statistics:
            return [self.statistics[receiver]] if positions else []
        return [self.echoes[receiver][position] for position in positions]
