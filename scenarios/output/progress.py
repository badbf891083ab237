"""A bar on standard error that shows how far a command is."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["with_progress"]

T = TypeVar("T")


def with_progress(
    items: Iterable[T], total: int, label: str, said: Callable[[T], str] = lambda _: "", done: int = 0
) -> Iterator[T]:
    """Yield the items, drawing a bar on standard error if that is a terminal.

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
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, completed=done)
        for item in items:
            yield item
            progress.update(task, advance=1, description=said(item))
