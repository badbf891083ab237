"""Who senses in which slot: the order in which the transmitters take the sensing token."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from models.network import ModeAssignment
from models.view import View

__all__ = ["Palindromic", "RoundRobin", "SlotScheduler"]


class SlotScheduler(ABC):
    """Decides which transmitter radiates the sensing waveform in each slot of a CPI.

    An implementation is a frozen, keyword-only dataclass whose fields are its settings.
    """

    @abstractmethod
    def order(self, assignment: ModeAssignment, view: View, n_slots: int) -> tuple[int, ...]:
        """Return the index of the sensing transmitter of each of ``n_slots`` slots, in time order."""


def _cycled(pattern: tuple[int, ...], n_slots: int) -> tuple[int, ...]:
    """Return the first ``n_slots`` entries of the pattern repeated for ever."""
    if n_slots > 0 and not pattern:
        raise ValueError(f"the assignment has no transmitter for {n_slots} sensing slots: let at least one AP transmit")
    return tuple(pattern[slot % len(pattern)] for slot in range(n_slots))


@dataclass(frozen=True, kw_only=True)
class RoundRobin(SlotScheduler):
    """Transmitters in ascending order, then over again: the schedule of the paper.

    >>> assignment = ModeAssignment.of(4, transmitters=[0, 3], receivers=[1])
    >>> RoundRobin().order(assignment, None, 3)
    (0, 3, 0)
    """

    def order(self, assignment: ModeAssignment, view: View, n_slots: int) -> tuple[int, ...]:
        """Return 1, ..., M_t, 1, ..., M_t, ... as AP indices; raises ValueError if nobody transmits."""
        return _cycled(tuple(assignment.transmitters.tolist()), n_slots)


@dataclass(frozen=True, kw_only=True)
class Palindromic(SlotScheduler):
    """Transmitters in ascending order in every other CPI and backwards in the next.

        CPI 0        CPI 1        CPI 2
        1 2 ... M_t  M_t ... 2 1  1 2 ... M_t

    Over two CPIs the mean slot time of every transmitter is the middle, so that the motion of a target moves its
    estimated position the opposite way in the one and in the other.
    """

    def order(self, assignment: ModeAssignment, view: View, n_slots: int) -> tuple[int, ...]:
        """Return the order of `RoundRobin`, backwards if the CPI is odd; raises ValueError if nobody transmits."""
        forth = RoundRobin().order(assignment, view, n_slots)
        return forth[::-1] if view.cpi % 2 else forth
