"""What all nodes share: a node sleeps until ``wake_ns`` and then does what ``wake`` says.

What a node will do next stands in its attributes, never in a local variable of its process. That is why the state of
an emulation can be taken between any two events and continued elsewhere.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
import simpy

from emulator.kernel import Alarm, Kernel
from emulator.services import Recorder, Services
from emulator.slot import Slot
from emulator.trace import row
from models.doors import FAILURES

__all__ = ["EmulationError", "Node", "check_wake"]

T = TypeVar("T")
INTEGER = (int, np.integer)
MOST_WAKES_AT_ONCE = 1000
"""A node that wakes more often than that at one instant would do so for ever."""


class EmulationError(RuntimeError):
    """An emulation cannot go on; the one string says where, when and why."""


def check_wake(wake_ns: object, earliest_ns: int) -> None:
    """Refuse a time to wake at that is not a whole number of ns, or too early; raises ValueError."""
    if not isinstance(wake_ns, INTEGER) or wake_ns < earliest_ns:
        raise ValueError(f"it leaves wake_ns = {wake_ns!r}; set it to a later time, a whole number of ns")


@dataclass(kw_only=True, eq=False)
class Node:
    """A participant that runs as a SimPy process; inert until started.

    Attributes
    ----------
    name
        Unique in the emulation.
    wake_ns
        When the node wakes next.
    """

    name: str
    wake_ns: int = field(default=0, init=False)
    services: Services = field(init=False, repr=False)
    rank: int = field(default=0, init=False, repr=False)
    record: Recorder | None = field(default=None, init=False, repr=False)

    wiring: ClassVar[frozenset[str]] = frozenset({"services", "rank", "record"})
    """Attributes that the node was built with or given at its start; all others are state."""

    def start(self, services: Services) -> None:
        """Take what the emulation offers. A subclass that needs more overrides this and calls it first.

        It is called in every emulation that the node lives in, also in one that goes on from a state. There the node's
        state is put back afterwards: what is set here counts at the first start alone.
        """
        self.services = services
        self.rank = services.rank(self.name)
        self.record = services.record

    def wake(self) -> None:
        """Do what is due now and set ``wake_ns`` to a later time."""
        raise NotImplementedError

    def run(self, kernel: Kernel) -> Iterator[simpy.Event]:
        """Sleep, wake, repeat: the SimPy process."""
        repeats = 0
        while True:
            due_ns = self.wake_ns
            yield Alarm(kernel, due_ns, self.rank)
            repeats = self.attempt(self._wake, due_ns, repeats)

    def _wake(self, due_ns: int, repeats: int) -> int:
        """Wake; return how often on end that was without a later time to wake at."""
        self.wake()
        check_wake(self.wake_ns, due_ns + (repeats >= MOST_WAKES_AT_ONCE))
        return 0 if self.wake_ns > due_ns else repeats + 1

    def attempt(self, task: Callable[..., T], *args: Any) -> T:
        """Do what is due in the node's own turn; what goes wrong says where and when."""
        try:
            return task(*args)
        except EmulationError:
            raise
        except FAILURES as error:
            raise self.failure("wake", None, error) from error

    def rng(self, purpose: str, counter: int = 0) -> np.random.Generator:
        """Return the node's generator for a purpose at a counter, such as the index of a CPI or slot."""
        return self.services.generator(self.name, purpose, counter)

    def log(self, kind: int, value: int, cpi: int = -1, message: int = -1) -> None:
        """Record an event of this node now, with the CPI and the number of the message that it is about, if any."""
        if self.record is not None:
            self.record(row(self.services.now_ns, kind, self.rank, value, cpi, message))

    def failure(self, hook: str, slot: Slot | None, error: BaseException) -> EmulationError:
        """Return the error that says which node failed, in which hook, for which slot, when and why."""
        where = "" if slot is None else f", slot {slot.index} (CPI {slot.cpi})"
        return EmulationError(
            f"{self.name}.{hook}{where}, t = {self.services.now_ns} ns: {type(error).__name__}: {error}"
        )

    def state(self) -> dict[str, Any]:
        """Return all attributes that are not wiring."""
        names = [part.name for part in fields(self)] + list(vars(self))
        return {name: getattr(self, name) for name in names if name not in self.wiring and hasattr(self, name)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        vars(self).update(copy(state))
