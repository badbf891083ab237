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

    @property
    def heard_from(self) -> set[str]:
        """Names of the APs of which anything came."""
        return {*self.records, *self.echoes, *self.statistics}
