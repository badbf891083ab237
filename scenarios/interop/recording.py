"""What access points heard and radiated in a run, slot by slot, and the replay that reads it back into an estimator.

A recording is taken at the antennas, in the air: hooks that withhold or change a report, faults and lost messages come
later and are not in it. A replay takes all of it for reported, in time and without loss, and phases for exact.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from emulator.emulation import Emulation
from emulator.functional_split import IqSplit
from emulator.inbox import Inbox
from emulator.messages import CENTRAL, EchoReport, TransmissionRecord
from emulator.slot import CpiPlan, Frame, Slot
from models.network import Network, Radio
from models.observation import Observation

__all__ = ["Recording", "Stream", "Taken", "record_iq", "replay"]

Complex = NDArray[np.complex128]


class Stream(StrEnum):
    """What is recorded of an access point."""

    RECEIVED = "received"
    """What it heard: echoes and its own noise."""
    RADIATED = "radiated"
    """What left its antennas, phases of its radio included."""
    RECORD = "record"
    """What it tells the central processor that it radiated, in single precision."""


Taken = list[tuple[Slot, Complex]]
"""The slots of a stream in their order, each with samples of shape (N, n_snapshots)."""


@dataclass(kw_only=True, eq=False)
class Recording:
    """Slots of a run as some access points saw them.

    Attributes
    ----------
    network, radio, frame
        The survey, the air interface and the calendar.
    plans
        The plan of each CPI, by its number.
    streams
        Samples by access point and stream; of those that have any.
    """

    network: Network
    radio: Radio
    frame: Frame
    plans: dict[int, CpiPlan] = field(default_factory=dict)
    streams: dict[tuple[str, Stream], Taken] = field(default_factory=dict)

    def take(self, ap: str, stream: Stream, slot: Slot, samples: Complex) -> None:
        """Keep the samples of a slot."""
        self.streams.setdefault((ap, stream), []).append((slot, samples))

    def before(self, cpi: int) -> "Recording":
        """Return what there is of the CPIs before one: the network runs on while results are read."""
        plans = {number: plan for number, plan in self.plans.items() if number < cpi}
        kept = {key: [one for one in taken if one[0].cpi < cpi] for key, taken in self.streams.items()}
        return replace(self, plans=plans, streams={key: taken for key, taken in kept.items() if taken})


def record_iq(emulation: Emulation, aps: Iterable[str] | None = None, *, radiated: bool = False) -> Recording:
    """Return a recording that fills as the emulation runs on.

    Results of the emulation are the same to the byte.

    Parameters
    ----------
    emulation
        The emulation, before or between its CPIs.
    aps
        Names of access points to record; all by default.
    radiated
        Whether what left their antennas is kept, too.

    Raises
    ------
    ValueError
        If there is no access point of a name.
    """
    names = tuple(emulation.access_points) if aps is None else tuple(aps)
    if odd := sorted(set(names) - set(emulation.access_points)):
        known = emulation.network.ap_names
        raise ValueError(f'there is no access point "{odd[0]}": give names from {known[0]} to {known[-1]}')
    recording = Recording(network=emulation.network, radio=emulation.central.radio, frame=emulation.frame)
    emulation.air.witnesses.append(_Recorder(emulation, recording, frozenset(names), radiated))
    return recording


@dataclass(frozen=True)
class _Recorder:
    """Looks at each slot that is over, and keeps it."""

    emulation: Emulation
    recording: Recording
    names: frozenset[str]
    radiated: bool

    def __call__(self, slot: Slot, radiated: Mapping[int, Complex], heard: Mapping[int, Complex]) -> None:
        """Keep a slot."""
        inbox = self.emulation.central.inboxes.get(slot.cpi)
        if inbox is None:
            return  # nobody planned it
        self.recording.plans[slot.cpi] = inbox.plan
        self._keep(Stream.RECEIVED, slot, heard)
        if self.radiated:
            self._keep(Stream.RADIATED, slot, radiated)
        for name in sorted(self.names):
            said = self.emulation.access_points[name].on_record[-1:]
            if said and said[0][0] == slot.position:
                self.recording.take(name, Stream.RECORD, slot, said[0][1].astype(np.complex64))

    def _keep(self, stream: Stream, slot: Slot, samples: Mapping[int, Complex]) -> None:
        for index, own in samples.items():
            name = self.recording.network.ap_names[index]
            if name in self.names:
                self.recording.take(name, stream, slot, own)


def replay(recording: Recording, emulation: Emulation) -> Iterator[tuple[int, Observation | None]]:
    """Yield each CPI without pilots, and what the central processor would fuse of what was recorded of it.

    Reports are quantised as in a run where APs send IQ samples; other splits are left out, and phases taken for exact.
    Of a CPI of which no report can be used there is None.

    Parameters
    ----------
    recording
        What all receivers heard, and the records of the transmitters.
    emulation
        An emulation of the same scenario, as it was built; it is not run, and stays as it is.
    """
    central = copy(emulation.central)
    central.calibrator = None
    for cpi, plan in sorted(recording.plans.items()):
        if not plan.slots[0].is_pilot:
            central.inboxes = {cpi: _inbox(recording, emulation, plan)}
            yield cpi, central.fuse(cpi)


def _inbox(recording: Recording, emulation: Emulation, plan: CpiPlan) -> Inbox:
    """Return the inbox of a CPI in which everything that was recorded has come."""
    inbox = Inbox(plan=plan)
    for (name, stream), taken in recording.streams.items():
        slots = [(slot, samples) for slot, samples in taken if slot.cpi == plan.cpi]
        if stream is Stream.RECORD and slots:
            inbox.take(_record(name, slots))
        if stream is Stream.RECEIVED:
            for slot, samples in slots:
                inbox.take(_report(emulation, name, slot, samples))
    return inbox


def _record(name: str, slots: Taken) -> TransmissionRecord:
    positions = tuple(slot.position for slot, _ in slots)
    samples = np.concatenate([samples for _, samples in slots], axis=1).astype(np.complex64)
    return TransmissionRecord(name, CENTRAL, slots[0][0].cpi, name, positions, samples)


def _report(emulation: Emulation, name: str, slot: Slot, samples: Complex) -> EchoReport:
    split = emulation.access_points[name].split
    if isinstance(split, IqSplit):
        return EchoReport(name, CENTRAL, slot, samples, split.iq_bits, split.quantiser)
    return EchoReport(name, CENTRAL, slot, samples, None)
