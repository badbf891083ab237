"""What a command is doing, on standard error if it is a terminal: a bar of what can be counted, a word of the rest."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["doing", "with_progress"]

T = TypeVar("T")
WIDE = 80
"""Characters of a line from which on there is a bar in it, too."""


def with_progress(
    items: Iterable[T], total: int, label: str, said: Callable[[T], str] = lambda _: "", done: int = 0
) -> Iterator[T]:
    """Yield the items, drawing a bar on standard error if that is a terminal, with numbers alone on a narrow one.

    Parameters
    ----------
    items, total
        What is yielded, and how many there will be.
    label
        What the items are, before the bar.
    said
        What stands behind the bar after an item.
    done
        How many of the total were there before.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn(label), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left")]
    if console.width >= WIDE:
        columns[1:1] = [BarColumn()]
        columns[3:3] = [TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("elapsed,")]
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total, completed=done)
        for item in items:
            yield item
            progress.update(task, advance=1, description=said(item))


@contextmanager
def doing(what: str) -> Iterator[Callable[[str], None]]:
    """Say what is being done until the block ends; give a function that says what is done next."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status(what, spinner="line") as status:  # a spinner of ASCII characters
        yield status.update
