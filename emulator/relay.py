"""Who waits for whom where reports are summed on their way: the routes to the central processor, access points alone.

    ap-0 <- ap-1 <- ap-3        ap-3 sends first, ap-1 adds what it has, and what ap-0 sends is the sum of all three
                 <- ap-4

An access point waits for those behind it until a time of its own. The farthest ones stop half-way between the end of
the CPI and the deadline, so that there is time before to tell what was radiated; each one nearer by waits for an equal
share of the rest. Not modelled: that links differ in how long they take.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Relay", "relays"]


class Relay(NamedTuple):
    """What an access point passes on in a CPI."""

    inward: str
    """Where to: the next access point on the way to the central processor, or that."""
    behind: tuple[str, ...]
    """Access points that send their sums here, and are told here what was radiated."""
    settle_ns: int
    """Until when it waits for them."""

    @property
    def bits(self) -> int:
        """Size in a plan: 16 bits a name, and a time."""
        return 16 * (1 + len(self.behind)) + 64


def relays(
    tree: Mapping[str, str], root: str, members: Sequence[str], receivers: Iterable[str], cpi_ns: tuple[int, int]
) -> dict[str, Relay]:
    """Return what each member does that is on the way of a receiver to the root, by name, in the order of the members.

    Parameters
    ----------
    tree
        The next node on the way to the root, by node.
    root
        The central processor.
    members
        Access points that add up; all other nodes only let messages through.
    receivers
        Those of them that have something of their own to add.
    cpi_ns
        When the CPI ends, and when it is fused at the latest.
    """
    inward: dict[str, str] = {}
    for name in receivers:
        while name != root and name not in inward:
            inward[name] = name = _nearer(tree, root, members, name)
    depth = {name: _depth(inward, name) for name in inward}
    deepest, end_ns, half_ns = max(depth.values(), default=1), cpi_ns[0], (cpi_ns[1] - cpi_ns[0]) // 2
    return {
        name: Relay(
            inward=inward[name],
            behind=tuple(other for other in members if inward.get(other) == name),
            settle_ns=end_ns + half_ns + half_ns * (deepest - depth[name]) // deepest,
        )
        for name in members
        if name in inward
    }


def _nearer(tree: Mapping[str, str], root: str, members: Collection[str], name: str) -> str:
    """Return the next member on the way to the root, or the root, also where there is no way."""
    name = tree.get(name, root)
    while name != root and name not in members:
        name = tree[name]
    return name


def _depth(inward: Mapping[str, str], name: str) -> int:
    """Return how many steps it is to the root."""
    depth = 0
    while name in inward:
        name, depth = inward[name], depth + 1
    return depth
