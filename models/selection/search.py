"""What selectors share: who may take part, rules for ties, greedy growth and exchange over sets of transmitters."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.network import ModeAssignment
from models.view import View

__all__ = ["Objective", "assign_transmitters", "candidates", "exchange", "first_maximum", "grow"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]
Members = NDArray[np.bool_]
Objective = Callable[[Members], Float]
"""Takes sets of transmitters, shape (n_sets, n_aps), and returns the value of each, shape (n_sets,)."""

TIE = 1e-9
"""Values closer than this, relative to the best, count as equal: rounding must not decide."""


def candidates(view: View) -> Index:
    """Return the APs to choose from, ascending: those alive.

    If these are too few for ``view.n_receivers`` receivers and one transmitter, the first of the others fill up.

    Raises
    ------
    ValueError
        If there cannot be that many receivers beside a transmitter.
    """
    n_aps = view.network.n_aps
    if not 0 <= view.n_receivers < n_aps:
        raise ValueError(
            f"n_receivers is {view.n_receivers} with {n_aps} access points: give 0..{n_aps - 1}, so that one transmits"
        )
    alive_first = np.argsort(~view.alive, kind="stable")
    return np.sort(alive_first[: max(int(view.alive.sum()), view.n_receivers + 1)])


def first_maximum(values: Float) -> int:
    """Return the first index whose value is the largest, up to rounding.

    >>> first_maximum(np.array([1.0, 3.0, 3.0 + 1e-12]))
    1
    """
    best = values.max()
    return int(np.argmax(values >= best - TIE * abs(best)))


def assign_transmitters(view: View, pool: Index, transmitters: Index) -> ModeAssignment:
    """Return the assignment in which the rest of the pool receives and APs outside it are idle."""
    chosen = set(transmitters.tolist())
    return ModeAssignment.of(view.network.n_aps, transmitters, [ap for ap in pool.tolist() if ap not in chosen])


def _with_each(members: Members, added: Index) -> Members:
    """Return one set an entry of ``added``: ``members`` and that AP."""
    sets = np.repeat(members[None], len(added), axis=0)
    sets[np.arange(len(added)), added] = True
    return sets


def grow(objective: Objective, n_aps: int, pool: Index, size: int) -> Members:
    """Return a set of ``size`` APs of the pool, grown by the AP that adds most at each step; ties to lower indices."""
    members = np.zeros(n_aps, dtype=bool)
    for _ in range(size):
        rest = pool[~members[pool]]
        members[rest[first_maximum(objective(_with_each(members, rest)))]] = True
    return members


def exchange(objective: Objective, members: Members, pool: Index) -> Members:
    """Return the set improved by swapping the best pair (one in, one out) until no swap gains; ties to lower indices.

    The value rises at every swap, so this ends, with a set no worse than ``members`` of the same size. Where there is
    no value, NaN, nothing is swapped.
    """
    members, value = members.copy(), float(objective(members[None])[0])
    outside = pool[~members[pool]]
    while len(outside):
        inside = np.flatnonzero(members)
        table = np.stack([objective(_with_each(members & (np.arange(len(members)) != out), outside)) for out in inside])
        best = first_maximum(table.ravel())
        if not table.flat[best] > value + TIE * abs(value):  # nor is NaN a gain
            break
        value = float(table.flat[best])
        members[inside[best // len(outside)]] = False
        members[outside[best % len(outside)]] = True
        outside = pool[~members[pool]]
    return members
