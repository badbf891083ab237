"""What can go wrong, and when: faults of access points, of links, and of what an access point says.

A fault begins at ``at_s`` and ends at ``until_s``; ``emulator.fault_plan`` rings it in and out, before anything else
that happens at that time. Faults are settings: they keep no state, and what is to be put back is kept by those they act
on.

Not modelled: faults of UEs, targets and the central processor. What an access point radiates in the slot on the air as
it goes down is radiated to the end of the slot.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emulator.media.air import Air
from emulator.media.effects import TargetEchoes
from emulator.media.fronthaul import Fronthaul
from emulator.media.truth import CpiTruth, Emitted
from emulator.messages import EchoReport, Message, PilotReport, StatisticsReport
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.randomness import complex_normals
from emulator.services import Services
from emulator.slot import Slot

__all__ = [
    "ApDown", "Corrupt", "Fault", "Ghost", "LinkDegraded", "LinkDown", "LinkFault", "LinkFlapping", "NodeFault",
    "Replay", "Restart", "Rubbish", "Stage", "Tampering",
]  # fmt: skip

Complex = NDArray[np.complex128]
Edge = dict[str, Any] | None
"""What an edge of the fronthaul says; None while it is not there."""


class Switchboard(Protocol):
    """What is on, as faults see it; ``emulator.fault_plan.Faults``."""

    @property
    def on(self) -> "tuple[Fault, ...]":
        """Faults that are on."""

    def refresh(self, name: str) -> None:
        """Let the edge of a link say what the faults that are on make of it."""


class Stage(Services, Protocol):
    """What faults act on: the emulation."""

    central: CentralProcessor
    access_points: dict[str, AccessPoint]

    @property
    def air(self) -> Air:
        """The air."""

    @property
    def fronthaul(self) -> Fronthaul:
        """The fronthaul."""

    @property
    def faults(self) -> Switchboard:
        """All faults."""


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """Something that goes wrong for a time.

    Attributes
    ----------
    at_s
        When it begins, in s; None: it is not planned, and begun by hand.
    until_s
        When it ends, in s; None: never, or by hand.

    Raises
    ------
    ValueError
        If one is out of range, or the end is not after the beginning.
    """

    at_s: float | None = None
    until_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("at_s", "until_s"):
            value = getattr(self, name)
            refuse(name, value, "a finite time >= 0 in s", value is None or (isfinite(value) and value >= 0.0))
        if self.until_s is not None and self.at_s is not None:
            allowed = f"a time after at_s = {self.at_s:g}, or leave it out"
            refuse("until_s", self.until_s, allowed, self.until_s > self.at_s)

    @property
    @abstractmethod
    def where(self) -> str:
        """Name of the node or link that has it."""

    @abstractmethod
    def known(self, stage: Stage) -> Iterable[str]:
        """Return the names of all that could have it."""

    @abstractmethod
    def begin(self, stage: Stage) -> None:
        """Act; also called when a state is taken up in which it is on."""

    @abstractmethod
    def end(self, stage: Stage) -> None:
        """Act no more."""

    def end_ns(self, began_ns: int) -> int | None:
        """Return when it ends by itself, if ever."""
        return None if self.until_s is None else round(self.until_s * 1e9)

    def next_ns(self, began_ns: int, now_ns: int) -> int | None:
        """Return when it is to act next (``begin`` is called again) while it is on, if at all."""
        return None


def refuse(name: str, value: object, allowed: str, valid: bool) -> None:
    """Raise ValueError if a setting is not valid."""
    if not valid:
        raise ValueError(f"{name} is {value!r}: give {allowed}")


# -- access points ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NodeFault(Fault):
    """A fault of an access point.

    Attributes
    ----------
    node
        Its name.
    """

    node: str

    @property
    def where(self) -> str:
        """Name of the access point."""
        return self.node

    def known(self, stage: Stage) -> Iterable[str]:
        """Return the names of all access points."""
        return stage.access_points


@dataclass(frozen=True, kw_only=True)
class ApDown(NodeFault):
    """The access point is off: it forgets what it had begun, and takes up the next plan that reaches it afterwards."""

    def begin(self, stage: Stage) -> None:
        """Shut it down, if it is not."""
        if not stage.access_points[self.node].down:
            stage.access_points[self.node].shut_down()

    def end(self, stage: Stage) -> None:
        """Have it come back, if nothing else keeps it down."""
        if not any(isinstance(other, ApDown) and other.node == self.node for other in stage.faults.on):
            stage.access_points[self.node].come_back()


@dataclass(frozen=True, kw_only=True)
class Restart(ApDown):
    """The access point is off for a while, has forgotten all, and its oscillator starts anew.

    Attributes
    ----------
    lasts_s
        How long, in s.
    """

    lasts_s: float

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse("lasts_s", self.lasts_s, "a finite duration > 0 in s", isfinite(self.lasts_s) and self.lasts_s > 0.0)
        refuse("until_s", self.until_s, "lasts_s alone", self.until_s is None)

    def end(self, stage: Stage) -> None:
        """Have its oscillator start anew, and the AP come back if nothing else keeps it down."""
        stage.access_points[self.node].restart_oscillator()
        super().end(stage)

    def end_ns(self, began_ns: int) -> int:
        """Return when it is back."""
        return began_ns + max(round(self.lasts_s * 1e9), 1)


# -- links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LinkFault(Fault):
    """A fault of a link of the fronthaul; it changes what the edge of the link says.

    Attributes
    ----------
    link
        Its name, such as "ap-7->central": one direction of a cable.
    """

    link: str

    @property
    def where(self) -> str:
        """Name of the link."""
        return self.link

    def known(self, stage: Stage) -> Iterable[str]:
        """Return the names of all links."""
        return [link.name for link in stage.fronthaul.links.values()]

    def begin(self, stage: Stage) -> None:
        """Change the edge."""
        stage.faults.refresh(self.link)

    def end(self, stage: Stage) -> None:
        """Put it back, as far as no other fault changes it."""
        stage.faults.refresh(self.link)

    @abstractmethod
    def changed(self, edge: Mapping[str, Any], lasted_ns: int) -> Edge:
        """Return what an edge says under this fault, given what it says without, some time after it began."""


@dataclass(frozen=True, kw_only=True)
class LinkDown(LinkFault):
    """The link is down: what would enter or leave it is lost."""

    def changed(self, edge: Mapping[str, Any], lasted_ns: int) -> Edge:
        """Return a rate of 0."""
        return {**edge, "rate_bit_s": 0.0}


@dataclass(frozen=True, kw_only=True)
class LinkDegraded(LinkFault):
    """The link is slower, longer or lossy.

    Attributes
    ----------
    rate_factor
        Share of its rate that is left, above 0 and at most 1.
    latency_add_s
        What is added to its latency, in s.
    loss_probability
        Probability that it loses a message, in place of its own if that is smaller.
    """

    rate_factor: float = 1.0
    latency_add_s: float = 0.0
    loss_probability: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse("rate_factor", self.rate_factor, "a share > 0 and <= 1", 0.0 < self.rate_factor <= 1.0)
        refuse("latency_add_s", self.latency_add_s, "0 to 3600 s", 0.0 <= self.latency_add_s <= 3600.0)
        refuse("loss_probability", self.loss_probability, "a probability", 0.0 <= self.loss_probability <= 1.0)

    def changed(self, edge: Mapping[str, Any], lasted_ns: int) -> Edge:
        """Return the edge, worse."""
        loss = max(edge.get("loss_probability", 0.0), self.loss_probability)
        worse = {"latency_s": edge.get("latency_s", 0.0) + self.latency_add_s, "loss_probability": loss}
        rate = edge.get("rate_bit_s")
        return {**edge, **worse} | ({} if rate is None else {"rate_bit_s": rate and max(rate * self.rate_factor, 1.0)})


@dataclass(frozen=True, kw_only=True)
class LinkFlapping(LinkFault):
    """The link goes down and comes up again and again.

    Attributes
    ----------
    period_s
        From one failure to the next, in s.
    duty
        Share of a period in which it is down, at its beginning; above 0 and below 1.
    """

    period_s: float
    duty: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse("period_s", self.period_s, "a finite duration >= 1e-6 s", 1e-6 <= self.period_s < float("inf"))
        refuse("duty", self.duty, "a share > 0 and < 1", 0.0 < self.duty < 1.0)

    @property
    def _phases_ns(self) -> tuple[int, int]:
        """How long it is down in a period, and the period."""
        period_ns = round(self.period_s * 1e9)
        return min(max(round(period_ns * self.duty), 1), period_ns - 1), period_ns

    def changed(self, edge: Mapping[str, Any], lasted_ns: int) -> Edge:
        """Return a rate of 0, or the edge as it is."""
        down_ns, period_ns = self._phases_ns
        return {**edge, "rate_bit_s": 0.0} if lasted_ns % period_ns < down_ns else dict(edge)

    def next_ns(self, began_ns: int, now_ns: int) -> int:
        """Return when it goes down or comes up next."""
        down_ns, period_ns = self._phases_ns
        periods, within_ns = divmod(now_ns - began_ns, period_ns)
        return began_ns + periods * period_ns + (down_ns if within_ns < down_ns else period_ns)


# -- what an access point says ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Tampering(NodeFault):
    """A fault of what an access point hears or reports, whatever its class."""

    def begin(self, stage: Stage) -> None:
        """Stand between the access point and what it hears and sends."""
        ap = stage.access_points[self.node]
        ap.tampering = tuple(other for other in stage.faults.on if self._shares(other))

    end = begin

    def _shares(self, other: Fault) -> bool:
        return isinstance(other, Tampering) and other.node == self.node

    def heard(self, ap: AccessPoint, slot: Slot, echo: Complex) -> Complex:
        """Return what the access point takes for the echo of a slot, or for what arrives of a pilot."""
        return echo

    def sent(self, ap: AccessPoint, message: Message) -> Message:
        """Return what goes off in place of a message; never the message itself, changed."""
        return message


Report = EchoReport | StatisticsReport | PilotReport
CONTENT: dict[type[Message], str] = {EchoReport: "samples", StatisticsReport: "cross", PilotReport: "inner"}
"""Where the numbers of a report are."""


def content(report: Report) -> Complex:
    """Return the numbers of a report."""
    numbers: Complex = getattr(report, CONTENT[type(report)])
    return numbers


def with_content(report: Report, numbers: Complex) -> Any:
    """Return a report with other numbers, in its precision."""
    other: Any = copy(report)
    setattr(other, CONTENT[type(report)], numbers.astype(content(report).dtype, copy=False))
    return other


@dataclass(frozen=True, kw_only=True)
class Corrupt(Tampering):
    """Some reports, on echoes or on pilots, are changed: noise of the report's own power is added.

    Attributes
    ----------
    share
        Probability that a report is changed.
    undetected
        Whether the check sequence fits what was changed: the error came before it was formed.
    """

    share: float = 1.0
    undetected: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse("share", self.share, "a probability", 0.0 <= self.share <= 1.0)

    def sent(self, ap: AccessPoint, message: Message) -> Message:
        """Return the report, changed or not."""
        if not isinstance(message, Report):
            return message
        rng = ap.rng("corrupt", message.serial)
        if rng.random() >= self.share:
            return message
        numbers = content(message)
        power = float(np.sum(np.abs(numbers) ** 2)) / max(1, message.n_numbers)
        changed: Message = with_content(message, numbers + complex_normals(rng, *numbers.shape, power=power))
        changed.intact = message.intact and self.undetected
        return changed


@dataclass(frozen=True, kw_only=True)
class Replay(Tampering):
    """Reports of an earlier CPI are sent in place of the new ones, from the time on at which it has recorded some.

    Attributes
    ----------
    delay_cpis
        How many CPIs ago.
    stale_header
        Whether header and all are the old ones; else the old content goes off under the new header.
    """

    delay_cpis: int = 1
    stale_header: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse("delay_cpis", self.delay_cpis, "a whole number of CPIs, 1 to 1000", 1 <= self.delay_cpis <= 1000)

    def sent(self, ap: AccessPoint, message: Message) -> Message:
        """Record a report, and return the one that is that old, if there is one."""
        if not isinstance(message, EchoReport | StatisticsReport):
            return message
        position = message.slot.position if isinstance(message, EchoReport) else 0
        for recorded in [key for key in ap.recorded if key[0] < message.cpi - self.delay_cpis]:
            del ap.recorded[recorded]
        old = ap.recorded.get((message.cpi - self.delay_cpis, position))
        if old is None or not self.stale_header:
            ap.recorded[message.cpi, position] = message
        else:
            ap.recorded[message.cpi, position] = old  # what went off
        if old is None:
            return message
        return copy(old) if self.stale_header else self._renewed(old, message)

    def _renewed(self, old: Message, message: Any) -> Message:
        """Return old content under a new header."""
        fresh = with_content(message, content(old))  # type: ignore[arg-type]  # reports alone are recorded
        if isinstance(old, StatisticsReport):
            fresh.energy = old.energy
        renewed: Message = fresh
        return renewed


@dataclass(frozen=True, kw_only=True)
class Rubbish(Tampering):
    """The access point takes noise for its echoes, and for the pilots of others, of their power."""

    def heard(self, ap: AccessPoint, slot: Slot, echo: Complex) -> Complex:
        """Return noise."""
        power = float(np.mean(np.abs(echo) ** 2))
        return complex_normals(ap.rng("rubbish", slot.index), *echo.shape, power=power)


@dataclass(frozen=True, kw_only=True)
class Ghost(NodeFault):
    """The access point adds the echo of a target that is not there, eq. (2), from wherever it really is.

    Attributes
    ----------
    position_m
        Where the target would be, in m.
    rcs_m2
        Its radar cross section in m^2.
    scatter_phase_rad
        Its scattering phase in rad.
    """

    position_m: tuple[float, float]
    rcs_m2: float = 1.0
    scatter_phase_rad: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = len(self.position_m) == 2 and all(isfinite(x) and abs(x) <= 1e7 for x in self.position_m)
        refuse("position_m", self.position_m, "two coordinates in m", valid)
        refuse("rcs_m2", self.rcs_m2, "a number > 0 and <= 1e10 in m^2", 0.0 < self.rcs_m2 <= 1e10)
        refuse("scatter_phase_rad", self.scatter_phase_rad, "a finite angle in rad", isfinite(self.scatter_phase_rad))

    def begin(self, stage: Stage) -> None:
        """Add the echo to what the access point hears."""
        echo = _GhostEcho(illumination=stage.central.radio.illumination, ghost=self)
        echo.start(stage)
        stage.air.effects = (*stage.air.effects, echo)

    def end(self, stage: Stage) -> None:
        """Take it away."""
        effects = stage.air.effects
        stage.air.effects = tuple(e for e in effects if not (isinstance(e, _GhostEcho) and e.ghost == self))


@dataclass(kw_only=True, eq=False)
class _GhostEcho(TargetEchoes):
    """The echo of a ghost, at one access point alone."""

    ghost: Ghost

    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Return the echo at the receiver that has the ghost; see ``Effect.field``."""
        network, ghost = self.services.network, self.ghost
        receiver = network.ap_names.index(ghost.node)
        if receiver not in receivers:
            return None
        amplitude = self.services.air.unit_amplitude_m2 * ghost.rcs_m2**0.5 * np.exp(1j * ghost.scatter_phase_rad)
        place = replace(truth, places_m=np.broadcast_to(ghost.position_m, (slot.n_slots, 1, 2)),
                        reflection=np.array([amplitude]))  # fmt: skip
        echo = super().field(slot, place, emitted, (receiver,))
        if echo is None:
            return None
        heard = np.zeros((len(receivers), *echo.shape[1:]), dtype=complex)
        heard[receivers.index(receiver)] = echo[0]
        return heard
