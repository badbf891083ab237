"""Painters: processes that draw the pictures of a command, each while the others and the command go on.

A painter is started with the command and imports the drawing library meanwhile; the command itself never does. It is
asked over its standard input, a picture at a time, and answers with the bytes of a PNG file, so that it neither makes
nor leaves files. It ends with its input: also when the command was killed.

No picture depends on its painter. One that cannot be asked, or does not answer, costs time alone: the command then
draws the picture itself, and what is wrong with the picture is its own error.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from io import BytesIO
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

__all__ = ["Painters", "Picture", "png", "serve"]

MOST_PAINTERS = 4
Painter = subprocess.Popen[bytes]


class Picture(NamedTuple):
    """What to draw: a function, as "module:name", and the plain values that make a figure with it."""

    function: str
    values: tuple[Any, ...]


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def png(picture: Picture) -> bytes:
    """Return a picture as the content of a PNG file."""
    from scenarios.output import draw

    module, name = picture.function.split(":")
    content = BytesIO()
    with draw.styled():
        draw.save(getattr(import_module(module), name)(*picture.values), content)
    return content.getvalue()


class Painters:
    """Some painters, at work from the start to the end of a ``with`` block.

    Parameters
    ----------
    count
        How many; None: one for each core that this process may use, four at most, and none where there is one core.
    """

    def __init__(self, count: int | None = None) -> None:
        cores = available_cores()
        self.count = count if count is not None else min(cores, MOST_PAINTERS) if cores > 1 else 0
        self._idle: SimpleQueue[Painter | None] = SimpleQueue()
        self._hired: list[Painter] = []
        self._closed = False

    def __enter__(self) -> Self:
        self._threads = ThreadPoolExecutor(self.count + 1, "painter")
        self._threads.submit(self._hire)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        for painter in self._hired:
            painter.kill()
        self._threads.shutdown(cancel_futures=True)
        for painter in self._hired:
            painter.communicate()

    def _hire(self) -> None:
        """Start the painters, each when the one before is ready: one core is for the command."""
        for _ in range(self.count):
            self._idle.put(None if self._closed else self._ready())

    def _ready(self) -> Painter | None:
        """Return a painter that has what it needs; None if there can be none."""
        try:
            painter = _start()
            self._hired.append(painter)
            if self._closed:  # since, perhaps
                painter.kill()
            return painter if _receive(painter) else None
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes, as far as they have been started."""
        return [painter.pid for painter in self._hired]

    def draw(self, picture: Picture) -> Callable[[], bytes]:
        """Have a picture drawn; what is returned waits for it, and draws it here if no painter did."""
        if not self.count:
            return partial(png, picture)
        asked = self._threads.submit(self._ask, picture)
        return lambda: asked.result() or png(picture)

    def _ask(self, picture: Picture) -> bytes:
        """Return the content of the file, or nothing if the painter failed."""
        painter = self._idle.get()
        try:
            return _answer(painter, picture) if painter else b""
        except Exception:
            return b""
        finally:
            self._idle.put(painter)


def _start() -> Painter:
    """Start a painter that finds modules where this process does; Ctrl-C on the terminal does not reach it."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, start_new_session=True)


def _answer(painter: Painter, picture: Picture) -> bytes:
    assert painter.stdin is not None  # a pipe
    painter.stdin.write(pickle.dumps(picture))
    painter.stdin.flush()
    return _receive(painter)


def _receive(painter: Painter) -> bytes:
    assert painter.stdout is not None  # a pipe
    content: bytes = pickle.load(painter.stdout)
    return content


READY = b"ready"
DRAWING = ("scenarios.output.pictures", "emulator.timeline")
"""What a painter imports before it says that it is ready."""


def serve() -> None:
    """Say when ready, then draw what is asked for on standard input; a picture that fails is answered with nothing."""
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    for module in DRAWING:
        import_module(module)
    answer = READY
    try:
        while True:
            pickle.dump(answer, answers)
            answers.flush()
            answer = _attempt(pickle.load(sys.stdin.buffer))
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _attempt(picture: Picture) -> bytes:
    try:
        return png(picture)
    except Exception:
        return b""
