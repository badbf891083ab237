"""What all nodes share: a node sleeps until ``wake_ns`` and then does what ``wake`` says.

What a node will do next stands in its attributes, never in a local variable of its process. That is why the state of
an emulation can be taken between any two events and continued elsewhere.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import simpy

from emulator.slot import Slot

if TYPE_CHECKING:
    from emulator.emulation import Emulation

__all__ = ["Alarm", "EmulationError", "Node"]


class EmulationError(RuntimeError):
    """An emulation cannot go on; the one string says where, when and why."""


class Alarm(simpy.Event):
    """An event at a given time; alarms of one instant ring in the order of their ranks."""

    def __init__(self, env: simpy.Environment, at_ns: int, rank: int) -> None:
        self.env = env
        self.callbacks = []
        self._ok = True
        self._value = None
        env.schedule(self, priority=rank, delay=at_ns - env.now)  # type: ignore[arg-type]


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
    emulation: "Emulation" = field(init=False, repr=False)

    wiring: ClassVar[frozenset[str]] = frozenset({"emulation"})
    """Attributes that the emulation was built with; all others are state."""

    def start(self, emulation: "Emulation") -> None:
        """Take the place in an emulation. A subclass that needs more overrides this and calls it first."""
        self.emulation = emulation

    def wake(self) -> None:
        """Do what is due now and set ``wake_ns`` to a later time."""
        raise NotImplementedError

    def run(self) -> Iterator[simpy.Event]:
        """Sleep, wake, repeat: the SimPy process."""
        alarm, rank = self.emulation.alarm, self.emulation.rank(self.name)
        while True:
            yield alarm(self.wake_ns, rank)
            try:
                self.wake()
            except EmulationError:
                raise
            except Exception as error:
                raise self.failure("wake", "", error) from error

    def call(self, hook: Callable[..., Any], slot: Slot, *args: Any) -> Any:
        """Call a hook of this node for a slot; an error in it becomes one that says where and when it happened."""
        try:
            return hook(slot, *args)
        except EmulationError:
            raise
        except Exception as error:
            raise self.failure(hook.__name__, f", slot {slot.index} (CPI {slot.cpi})", error) from error

    def failure(self, doing: str, where: str, error: Exception) -> EmulationError:
        """Return the error that says which node failed, in what, where and when."""
        kind = type(error).__name__
        return EmulationError(f"{self.name}.{doing}{where}, t = {self.emulation.now_ns} ns: {kind}: {error}")

    def state(self) -> dict[str, Any]:
        """Return all attributes that are not wiring."""
        return {name: value for name, value in vars(self).items() if name not in self.wiring}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        vars(self).update(copy(state))
