"""Painters: processes that draw the pictures of a command, each while the others and the command go on.

They are started with the command, as one process that imports the drawing library meanwhile, which the command itself
never does, and then splits. A painter is asked over a socket, a picture at a time, and answers with the bytes of a PNG
file, so that it neither makes nor leaves files. It ends when its socket is closed: also when the command was killed.

No picture depends on its painter. One that cannot be asked, or does not answer, costs time alone: the command then
draws the picture itself, and what is wrong with the picture is its own error. So it does where a process cannot split.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import BytesIO
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from io import BufferedRWPair

    Channel = BufferedRWPair[Any, Any]

__all__ = ["Painters", "Picture", "drawn", "png", "serve"]

MOST_PAINTERS = 4
DRAWING = ("scenarios.output.pictures", "scenarios.output.series", "emulator.timeline")
"""What painters import before they split."""


class Picture(NamedTuple):
    """What to draw: a function, as "module:name", and the plain values that make a figure with it."""

    function: str
    values: tuple[Any, ...]


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def png(picture: Picture) -> bytes:
    """Return a picture as the content of a PNG file."""
    return drawn(picture, "png")


def drawn(picture: Picture, kind: str) -> bytes:
    """Return a picture as the content of a file, "png" or "svg"."""
    from scenarios.output import draw

    module, name = picture.function.split(":")
    content = BytesIO()
    with draw.styled():
        draw.save(getattr(import_module(module), name)(*picture.values), content, kind)
    return content.getvalue()


class Painters:
    """Some painters, at work from the start to the end of a ``with`` block.

    Parameters
    ----------
    count
        How many; None: one for each core that this process may use, four at most, and none where there is one core.
    """

    def __init__(self, count: int | None = None) -> None:
        cores = available_cores() if hasattr(os, "fork") else 1
        self.count = count if count is not None else min(cores, MOST_PAINTERS) if cores > 1 else 0
        self.process: subprocess.Popen[bytes] | None = None
        self._channels: list[Channel] = []
        self._idle: SimpleQueue[Channel] = SimpleQueue()

    def __enter__(self) -> Self:
        if self.count:
            self._threads = ThreadPoolExecutor(self.count, "painter")
            pairs = [socket.socketpair() for _ in range(self.count)]
            with suppress(OSError):  # no further process: nobody will answer
                self.process = _start([theirs for _, theirs in pairs])
            for ours, theirs in pairs:
                theirs.close()
                self._channels.append(ours.makefile("rwb"))
                self._idle.put(self._channels[-1])
                ours.close()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process and kind is not None:
            with suppress(OSError):  # they have ended
                os.killpg(self.process.pid, signal.SIGKILL)
        if self.count:
            self._threads.shutdown(cancel_futures=True)
        for channel in self._channels:
            with suppress(OSError):  # what was to be sent to a painter that is gone
                channel.close()
        if self.process:
            self.process.wait()

    def draw(self, picture: Picture) -> Callable[[], bytes]:
        """Have a picture drawn; what is returned waits for it, and draws it here if no painter did."""
        if not self.count:
            return partial(png, picture)
        asked = self._threads.submit(self._ask, picture)
        return lambda: asked.result() or png(picture)

    def _ask(self, picture: Picture) -> bytes:
        """Return the content of the file, or nothing if the painter failed."""
        channel = self._idle.get()
        try:
            _send(picture, channel)
            content: bytes = pickle.load(channel)
            return content
        except Exception:
            return b""
        finally:
            self._idle.put(channel)


def _send(what: Any, channel: "Channel") -> None:
    channel.write(pickle.dumps(what))
    channel.flush()


def _start(ends: Sequence[socket.socket]) -> "subprocess.Popen[bytes]":
    """Start painters that find modules where this process does; Ctrl-C on the terminal does not reach them."""
    numbers = [end.fileno() for end in ends]
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve({numbers})"
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "MKL", "OMP")}  # with more none should split
    return subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=numbers, start_new_session=True, env={**os.environ, **threads},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def serve(numbers: Sequence[int]) -> None:
    """Become a painter for each socket, given by its file number, and work until it is closed.

    A picture that fails is answered with nothing.
    """
    for module in DRAWING:
        import_module(module)
    mine = next((number for number in numbers[1:] if os.fork() == 0), numbers[0])
    for number in set(numbers) - {mine}:
        os.close(number)
    with suppress(EOFError, OSError), socket.socket(fileno=mine).makefile("rwb") as channel:
        while True:
            _send(_attempt(pickle.load(channel)), channel)
    with suppress(ChildProcessError):  # of the first painter, which waits for the others
        while True:
            os.wait()
    os._exit(0)


def _attempt(picture: Picture) -> bytes:
    try:
        return png(picture)
    except Exception:
        return b""
