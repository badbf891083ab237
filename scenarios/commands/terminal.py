"""What a person reads: text and tables that come out whole on any terminal, however narrow, in any encoding."""

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

__all__ = ["console", "log_to_stderr", "make_streams_safe", "say", "say_written", "show"]

PLAIN = {"–": "-", "−": "-", "…": "...", "≤": "<=", "λ": "lambda", "ρ": "rho", "→": "->", "µ": "u", "×": "x", "±": "+-"}
"""What stands in results for the characters that this program itself writes there."""
WIDTH_ELSEWHERE = 120
"""Columns of output that goes to a file or a pipe; a wider table is written as wide as it is."""


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands in for a character that an encoding lacks: an escape that stands for nothing else."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is no text
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode(), error.start + 1


def _in_plain_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what says a character that an encoding lacks in others; an escape if there is nothing that does."""
    said, end = _escaped(error)
    return PLAIN.get(error.object[error.start], said), end  # type: ignore[attr-defined]


def make_streams_safe() -> None:
    """Let standard output and error take whatever is said, instead of failing at the end.

    Characters that their encoding lacks are replaced: in results by plain ones, in messages, which repeat what the user
    gave, by escapes. A stream that is closed takes everything and shows nothing.
    """
    codecs.register_error("plain", _in_plain_characters)
    codecs.register_error("escaped", _escaped)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed: what is said goes nowhere
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it stays open
    for stream, errors in ((sys.stdout, "plain"), (sys.stderr, "escaped")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def say(text: str, *, error: bool = False) -> None:
    """Write a line to standard output, or to standard error."""
    stream = sys.stderr if error else sys.stdout
    stream.write(f"{text}\n")
    stream.flush()


def say_written(paths: "Iterable[Path]") -> None:
    """Write which files there are now, a line each; nothing if there are none."""
    lines = [f"  {path}" for path in paths]
    for line in ["Written:", *lines] if lines else ():
        say(line)


def log_to_stderr() -> None:
    """Write what the package logs to standard error, a line each; a bar of progress there makes way."""
    import logging

    class Said(logging.Handler):
        """A handler that asks for standard error anew each time: a bar puts another in its place."""

        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record), error=True)

    logger = logging.getLogger("dmimo")
    logger.addHandler(Said())
    logger.setLevel(logging.INFO)


def console() -> "Console":
    """Return the console of standard output: as wide as COLUMNS says, or the terminal, which a file or a pipe has not.

    NO_COLOR, FORCE_COLOR and TERM=dumb are followed by rich.
    """
    from rich.console import Console

    class Pipeable(Console):
        """A console that leaves a reader who has gone away to the command, as what is said without one does."""

        def on_broken_pipe(self) -> Never:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    width = columns_asked() or (None if sys.stdout.isatty() else WIDTH_ELSEWHERE)
    return Pipeable(highlight=False, markup=False, width=width)


def columns_asked() -> int | None:
    """Return the columns that the user's environment asks for; None if it does not, or for none at all."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) or None if asked.isdecimal() and len(asked) < 6 else None


def show(table: "Table", where: "Console") -> None:
    """Print a table; where it is too wide close together, or one cell a line: nothing is ever cut.

    In a file or a pipe nothing is too wide, unless COLUMNS says so.
    """
    if not where.is_terminal and columns_asked() is None:
        where.width = max(where.width, _width(table, where))
        where.print(table)
        return
    for padding in ((0, 1), (0, 0)):
        table.padding = padding
        if _width(table, where) <= where.width:
            where.print(table)
            return
    _show_upright(table, where)


def _width(table: "Table", where: "Console") -> int:
    return where.measure(table, options=where.options.update(width=10_000)).maximum


def _show_upright(table: "Table", where: "Console") -> None:
    heads = [str(column.header) for column in table.columns]
    widest = max(map(len, heads))
    if table.title:
        where.print(str(table.title))
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        where.print()
        for head, cell in zip(heads, cells, strict=True):
            where.print(f"{head:<{widest}}  {cell}", overflow="fold")
