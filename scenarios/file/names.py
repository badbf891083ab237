"""Names of nodes and links in a sentence."""

from collections.abc import Iterable

from emulator.media.links import natural_order

__all__ = ["names_text"]

MOST_NAMED = 6


def names_text(names: Iterable[str]) -> str:
    """Return names of nodes or links in their natural order, the first few of many.

    >>> names_text(["ap-10", "ap-2"])
    'ap-2, ap-10'
    """
    ordered = sorted(set(names), key=natural_order)
    more = [f"{len(ordered) - MOST_NAMED} more"] if len(ordered) > MOST_NAMED + 1 else []
    return ", ".join(ordered[:MOST_NAMED] if more else ordered) + "".join(f" and {text}" for text in more)
