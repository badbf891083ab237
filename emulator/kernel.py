"""The clock: a SimPy environment whose events of one instant are served in the order of their owners' ranks."""

from collections.abc import Callable, Sized
from functools import partial
from heapq import heappop, heappush
from operator import attrgetter
from typing import ClassVar

import simpy

__all__ = ["Alarm", "Bell", "Kernel"]


class Kernel(simpy.Environment):
    """Integer nanoseconds, and a rank in place of SimPy's two priorities."""

    now_ns: ClassVar = property(attrgetter("_now"), doc="Emulated time; as SimPy's ``now``, without a call.")
    served: int = 0
    """Events served."""
    serving: bool = False
    """Whether an event is being served right now."""
    failure: BaseException | None = None
    """What ended this clock in the middle of an event: what was half done stays so."""

    def advance(self, until_filled: Sized) -> None:
        """Serve events until something is in ``until_filled``.

        This is ``step`` without the calls around it.
        """
        queue, count, self.serving = self._queue, 0, True
        try:
            while not until_filled:
                self._now, _, _, event = heappop(queue)
                if type(event) is Bell:
                    event.ring(event)
                else:
                    _call_back(event)
                count += 1
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.serving = False
            self.served += count

    def step(self) -> None:
        """Serve one event."""
        self.serving = True
        try:
            super().step()
            self.served += 1
        except simpy.core.StopSimulation:  # the way in which ``run(until=...)`` ends
            raise
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.serving = False


def _call_back(event: simpy.Event) -> None:
    """Serve an event of SimPy's own."""
    callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
    for callback in callbacks:
        callback(event)
    if not event._ok and not hasattr(event, "_defused"):
        raise event._value


class Alarm(simpy.Event):
    """An event at a given time. Yield it from a process."""

    def __init__(self, kernel: Kernel, at_ns: int, rank: int) -> None:
        self.env = kernel
        self.callbacks = []
        self._ok = True
        self._value = None
        heappush(kernel._queue, (at_ns, rank, next(kernel._eid), self))  # type: ignore[misc]


class Bell(simpy.Event):
    """An event that happens whenever it was set to, and calls the same function each time."""

    callbacks = property(attrgetter("_callbacks"), lambda bell, _: None)  # SimPy takes an event's callbacks away
    now_ns: ClassVar = property(attrgetter("env._now"), doc="Emulated time.")

    def __init__(self, kernel: Kernel, rank: float, ring: Callable[["Bell"], None]) -> None:
        self.env, self.ring, self._callbacks = kernel, ring, (ring,)
        self._ok = True
        self._value = None
        self._push, self._rank, self._numbers = partial(heappush, kernel._queue), rank, kernel._eid

    def set(self, at_ns: int) -> None:
        """Ring at a time, too."""
        self._push((at_ns, self._rank, next(self._numbers), self))  # type: ignore[arg-type]

    def count(self, more: int) -> None:
        """Count what was served together with this ring as events of their own."""
        self.env.served += more  # type: ignore[attr-defined]
