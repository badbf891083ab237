"""The clock: a SimPy environment whose events of one instant are served in the order of their owners' ranks."""

from collections.abc import Callable, Sized
from heapq import heappop, heappush

import simpy

__all__ = ["Alarm", "Kernel"]


class Kernel(simpy.Environment):
    """Integer nanoseconds, and a rank in place of SimPy's two priorities."""

    def now_ns(self) -> int:
        """Return the emulated time."""
        return self._now  # type: ignore[return-value]

    def advance(self, until_filled: Sized) -> int:
        """Serve events until something is in ``until_filled``; return how many.

        This is ``step`` without the calls around it.
        """
        queue, count = self._queue, 0
        while not until_filled:
            self._now, _, _, event = heappop(queue)
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value
            count += 1
        return count


class Alarm(simpy.Event):
    """An event at a given time. Yield it from a process, or give it callbacks."""

    def __init__(self, kernel: Kernel, at_ns: int, rank: float, *callbacks: Callable[[simpy.Event], None]) -> None:
        self.env = kernel
        self.callbacks = [*callbacks]
        self._ok = True
        self._value = None
        heappush(kernel._queue, (at_ns, rank, next(kernel._eid), self))  # type: ignore[misc]
