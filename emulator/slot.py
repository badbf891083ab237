"""The calendar: slots, coherent processing intervals (CPIs) and the plan of one CPI.

    time 0     lead                                                deadline
      | plan 0   | slot 0 | slot 1 | ... | slot n-1 |     ...         |
                 |<------------- CPI 0 ------------>|<---- CPI 1 ---- ...

CPIs follow each other without a gap. Time is integer nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.relay import Relay
from models.calibration.base import PilotSlot
from models.network import Mode, ModeAssignment
from models.readonly import sealed

__all__ = ["CpiPlan", "Frame", "Slot"]


class Slot(NamedTuple):
    """One time slot of a CPI, as planned."""

    index: int  # type: ignore[assignment]  # a tuple's own index() is of no use here
    """Counts slots from the start of the emulation."""
    cpi: int
    position: int
    """Position within the CPI, 0..n_slots-1."""
    n_slots: int
    start_ns: int
    end_ns: int
    n_snapshots: int
    sensing_transmitter: str
    """Name of the one AP that may send the sensing waveform, or a pilot."""
    is_pilot: bool = False
    """Whether that AP sends a pilot, to which all others listen."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The frame structure every node knows.

    Attributes
    ----------
    slot_ns
        Duration of a slot, its guard included.
    n_slots
        Slots of a CPI.
    n_snapshots
        Snapshots (symbols) of a slot.
    lead_ns
        How long before its start a CPI is planned.
    deadline_ns
        How long after the end of its last slot the central processor fuses what came.
    n_guard_symbols
        Silent symbols at the end of a slot.
    """

    slot_ns: int
    n_slots: int
    n_snapshots: int
    lead_ns: int
    deadline_ns: int
    n_guard_symbols: int = 0

    @property
    def snapshot_share(self) -> float:
        """Share of the symbols of a slot that are snapshots: what guard symbols leave of the spectral efficiency."""
        return self.n_snapshots / (self.n_snapshots + self.n_guard_symbols)

    @cached_property
    def cpi_ns(self) -> int:
        """Duration of a CPI."""
        return self.n_slots * self.slot_ns

    def cpi_start_ns(self, cpi: int) -> int:
        """Return when the first slot of a CPI starts."""
        return self.lead_ns + cpi * self.cpi_ns

    def slot_start_ns(self, index: int) -> int:
        """Return when a slot starts; it ends when the next one starts."""
        return self.lead_ns + index * self.slot_ns

    @cached_property
    def n_samples(self) -> int:
        """Snapshots of a CPI."""
        return self.n_slots * self.n_snapshots

    def cpi_at(self, now_ns: int) -> int | None:
        """Return the CPI that is on the air, or None before the first."""
        return (now_ns - self.lead_ns) // self.cpi_ns if now_ns >= self.lead_ns else None

    def next_cpi_ns(self, now_ns: int) -> int:
        """Return the first start of a CPI after now."""
        return self.lead_ns + max((now_ns - self.lead_ns) // self.cpi_ns + 1, 0) * self.cpi_ns

    def middles_s(self, before_ns: int) -> NDArray[np.float64]:
        """Return the middles of the slots of a CPI in s, from so many ns before its start, shape (n_slots,)."""
        return _middles_s(self.slot_ns, self.n_slots, before_ns)

    def slot_middle_s(self, index: int) -> float:
        """Return the middle of a slot in seconds."""
        return (self.slot_start_ns(index) + self.slot_ns / 2) * 1e-9

    def cpi_middle_s(self, cpi: int) -> float:
        """Return the middle of a CPI in seconds."""
        return (self.cpi_start_ns(cpi) + self.cpi_ns / 2) * 1e-9

    def slots(self, cpi: int, sensing_transmitters: tuple[str, ...], is_pilot: bool = False) -> tuple[Slot, ...]:
        """Return the slots of a CPI with the AP that senses in each, or sends a pilot."""
        first = cpi * self.n_slots
        return tuple(
            Slot(
                index=first + i,
                cpi=cpi,
                position=i,
                n_slots=self.n_slots,
                start_ns=self.slot_start_ns(first + i),
                end_ns=self.slot_start_ns(first + i + 1),
                n_snapshots=self.n_snapshots,
                sensing_transmitter=name,
                is_pilot=is_pilot,
            )
            for i, name in enumerate(sensing_transmitters)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class CpiPlan:
    """What the central processor decided for one CPI.

    Attributes
    ----------
    cpi, assignment, ap_names, slots, deadline_ns
        Which CPI, the modes of the APs in the order of their names, its slots, and when it is fused at the latest.
    is_told
        Whether the APs learn their phases at the start of the CPI from one who knows them all: a base to compare with.
    pilots
        Who sends a pilot in each of the first slots, and who listens; empty for a CPI without pilots.
    array_sizes
        Antennas of each AP, in the order of their names, where they differ; empty where they do not.
    calibration
        Number of the calibration that its pilots belong to, or what the APs are told; 0 for none.
    relays
        Who waits for whom where reports are summed on their way, by name; empty where each goes by itself.
    """

    cpi: int
    assignment: ModeAssignment
    ap_names: tuple[str, ...]
    slots: tuple[Slot, ...]
    deadline_ns: int
    is_told: bool = False
    pilots: tuple[PilotSlot, ...] = ()
    calibration: int = 0
    array_sizes: tuple[int, ...] = ()
    relays: Mapping[str, Relay] = field(default_factory=dict)

    @property
    def sent_sizes(self) -> tuple[int, ...]:
        """Antennas of each transmitter, where APs differ; empty where they do not."""
        return tuple(self.array_sizes[i] for i in self.assignment.transmitters) if self.array_sizes else ()

    @property
    def has_pilots(self) -> bool:
        """Whether its slots are those of pilots: no data, no sensing; an AP sends in its own and listens in others."""
        return bool(self.pilots)

    def way(self, name: str) -> tuple[str, ...]:
        """Return the APs that a report of an AP goes through, itself first: it alone if nothing is summed."""
        way = [name]
        while (relay := self.relays.get(way[-1])) is not None and relay.inward in self.relays:
            way.append(relay.inward)
        return tuple(way)

    def measures(self, name: str, position: int) -> bool:
        """Return whether an AP listens to the pilot of a slot."""
        return position < len(self.pilots) and self.ap_names.index(name) in self.pilots[position].receivers

    @cached_property
    def _modes(self) -> dict[str, Mode]:
        return dict(zip(self.ap_names, self.assignment.modes, strict=True))

    def mode(self, name: str) -> Mode:
        """Return the mode of the AP of this name."""
        return self._modes[name]

    @cached_property
    def transmitters(self) -> tuple[str, ...]:
        """Names of the transmitting APs, in network order."""
        return tuple(self.ap_names[i] for i in self.assignment.transmitters)

    @cached_property
    def receivers(self) -> tuple[str, ...]:
        """Names of the receiving APs, in network order."""
        return tuple(self.ap_names[i] for i in self.assignment.receivers)


@lru_cache(maxsize=64)
def _middles_s(slot_ns: int, n_slots: int, before_ns: int) -> NDArray[np.float64]:
    """Return the middles of slots on end in s; remembered, as all APs ask for the same."""
    return sealed(1e-9 * (slot_ns * (np.arange(n_slots) + 0.5) + before_ns))
