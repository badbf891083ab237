"""What becomes of reports that come after their CPI was fused.

A report is of use later where the waveforms of its CPI are still known, its receiver receives again, and all that
illuminated its slots transmits again: then the same pairs of APs were measured twice, and Z, Q and E add up. What is
not modelled: that a target moved meanwhile, or its scattering or an oscillator changed its phase.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from emulator.messages import EchoReport, StatisticsReport
from emulator.slot import CpiPlan

__all__ = ["DropLate", "FuseNext", "LateReports", "fits"]

Report = EchoReport | StatisticsReport
LONGEST_CPIS = 1000


class LateReports(ABC):
    """Decides on reports that are late.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings.

    Attributes
    ----------
    keep_cpis
        For how many CPIs after its own a report may be of use: the central processor remembers waveforms so long.
    """

    keep_cpis: int = 0

    @abstractmethod
    def use(self, report: Report, plan: CpiPlan, now: CpiPlan) -> bool:
        """Return whether a report goes into the fusion of another CPI.

        Parameters
        ----------
        report
            The report, which could go into it.
        plan
            The plan of the CPI that it is about.
        now
            The plan of the CPI that is being fused.
        """


@dataclass(frozen=True, kw_only=True)
class DropLate(LateReports):
    """Late reports are counted and left."""

    def use(self, report: Report, plan: CpiPlan, now: CpiPlan) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True, kw_only=True)
class FuseNext(LateReports):
    """Late reports go into the estimate that is made next.

    Attributes
    ----------
    keep_cpis
        For how many CPIs after its own a report may be of use, 1 to 1000.

    Raises
    ------
    ValueError
        If it is another number.
    """

    keep_cpis: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.keep_cpis <= LONGEST_CPIS:
            raise ValueError(f"keep_cpis is {self.keep_cpis!r}: give a whole number from 1 to {LONGEST_CPIS}")

    def use(self, report: Report, plan: CpiPlan, now: CpiPlan) -> bool:
        """Return True."""
        return True


def fits(report: Report, plan: CpiPlan, now: CpiPlan, illumination: str) -> bool:
    """Return whether a report on a CPI of one plan is a measurement of the pairs of APs of another."""
    if report.source not in now.receivers:
        return False
    if illumination != "sensing":
        return set(plan.transmitters) <= set(now.transmitters)
    positions = (report.slot.position,) if isinstance(report, EchoReport) else report.positions
    return all(plan.slots[position].sensing_transmitter in now.transmitters for position in positions)
