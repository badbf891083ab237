"""What a node may use of the emulation it lives in, and no more: time, random numbers, its log, the frame, the media.

A node is given its services at its start. The emulation provides them; nodes and media know these few names and not
the emulation, so a test can run a node alone with a handful of stand-ins.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emulator.emission import Emission
from emulator.functional_split import FunctionalSplit
from emulator.inbox import Inbox
from emulator.kernel import Bell
from emulator.messages import Message
from emulator.slot import Frame, Slot
from models.network import Area, Network
from models.observation import AreaMap, Estimate, Observation

__all__ = ["Bookkeeper", "Carrier", "Medium", "Recorder", "Services"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
Recorder = Callable[[bytes], None]
"""Takes a row of the trace, as ``emulator.trace.row`` makes it."""

Bookkeeper = Callable[[Iterable[tuple[object, Message, int]], int], None]
"""Takes messages that are given to the fronthaul, each as (first link, message, size in bits), and the time in ns."""


class Medium(Protocol):
    """The air, as nodes see it; ``emulator.media.air.Air`` says what each call does and raises."""

    unit_amplitude_m2: float
    network: Network
    """Where everything really is; ``Services.network`` is what the survey says."""

    def connect_access_point(
        self,
        name: str,
        begin: Callable[[int], Emission | None],
        radiate: Callable[[int, Emission], None],
        deliver: Callable[[Slot, Complex], None],
        noise: Callable[[int], Complex],
    ) -> None:
        """Call ``begin(position)`` when a slot starts in which the AP transmits, ``deliver`` with its echoes.

        What ``begin`` returns, if anything, goes to ``radiate(position, emission)`` when all have been asked.
        ``noise(cpi)`` gives its own samples of a CPI in which it listens.
        """

    def connect_user_equipment(
        self, name: str, receive: Callable[[Slot, Complex], None], failure: Callable[..., Exception]
    ) -> None:
        """Hand the samples of a UE to ``receive``; ``failure`` makes the error to raise where that goes wrong."""

    def license(self, slots: tuple[Slot, ...]) -> None:
        """Note who holds the sensing token in each slot."""

    def place(self, index: int, positions_m: NDArray[np.float64], reflection: complex) -> None:
        """Take where a target is in each slot of the CPI that begins, and how it reflects."""

    def join(
        self,
        name: str,
        noise: Complex,
        scattered: Complex,
        los_phase_rad: float,
        position_m: Float | None = None,
        phase_rad: float | Float = 0.0,
    ) -> None:
        """Take noise, fading, phases and, of one that moves, the place of a UE for the CPI that begins."""

    def channel(self, name: str, cpi: int) -> Complex:
        """Return the channels of an AP to all UEs in a CPI."""

    def transmit(self, name: str) -> None:
        """Have an AP called at the start of every slot of the CPI that begins."""

    def leave(self, name: str) -> None:
        """Neither radiate nor listen any more in the CPI on the air."""

    def emit(self, slot: Slot, name: str, emission: Emission) -> None:
        """Radiate in the slot on the air."""

    def hear(self, name: str, phase_rad: float | Float = 0.0) -> None:
        """Listen for the rest of the CPI, and turn what comes by a phase, or one a slot."""


class Carrier(Protocol):
    """The fronthaul, as nodes see it."""

    def connect(self, name: str, deliver: Callable[[Message], None]) -> None:
        """Hand messages for the node of this name to ``deliver``."""

    def send(self, message: Message) -> None:
        """Put a message on its way."""

    def hold(self) -> None:
        """Keep what is sent until ``let_go``, in the same event."""

    def let_go(self) -> None:
        """Send off what was held."""

    def tree(self, root: str, *, inward: bool) -> Mapping[str, str]:
        """Return the next node on the way to the root, for every node that has one now."""


class Services(Protocol):
    """What a node or a medium is given at its start.

    Attributes
    ----------
    now_ns
        Emulated time in ns.
    frame
        The calendar.
    network, area
        The survey, and where targets are looked for.
    air, fronthaul
        The media.
    record
        The recorder of the trace, or None where nothing is recorded.
    book
        The recorder of messages that are given to the fronthaul, or None where nothing is recorded.
    """

    frame: Frame
    record: Recorder | None
    book: Bookkeeper | None

    @property
    def now_ns(self) -> int:
        """Emulated time in ns."""

    @property
    def network(self) -> Network:
        """The survey."""

    @property
    def area(self) -> Area:
        """Where targets are looked for."""

    @property
    def air(self) -> Medium:
        """The air."""

    @property
    def fronthaul(self) -> Carrier:
        """The fronthaul."""

    @property
    def splits(self) -> Mapping[str, FunctionalSplit]:
        """The functional split of every AP, by name."""

    def rank(self, name: str) -> int:
        """Return the place of an owner of events among those of one instant; also its number in the trace."""

    def generator(self, node: str, purpose: str, counter: int = 0) -> np.random.Generator:
        """Return the generator at an address."""

    def bell(self, rank: float, ring: Callable[[Bell], None]) -> Bell:
        """Return a bell of this rank that calls ``ring`` whenever it was set to."""

    def on_publish(self, inbox: Inbox, estimate: Estimate, observation: Observation | AreaMap | None) -> None:
        """Take the estimate of a CPI; called by the central processor when it publishes."""
