"""Graphs of the fronthaul: every cable is two links, one in each direction, and all links are alike."""

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from emulator.messages import CENTRAL

__all__ = ["mesh", "ring", "star", "stripe", "tree"]


def _graph(edges: list[tuple[str, str]], attributes: dict[str, float]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for a, b in edges:
        graph.add_edge(a, b, **attributes)
        graph.add_edge(b, a, **attributes)
    return graph


def star(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a graph with a cable from every AP to the central processor.

    Parameters
    ----------
    names
        AP names.
    **attributes
        Attributes of every link, those of ``emulator.media.link_attributes``: rate_bit_s, latency_s and so on.
    """
    return _graph([(name, CENTRAL) for name in names], attributes)


def stripe(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a radio stripe: a chain of APs with the central processor before the first."""
    return _graph(list(zip((CENTRAL, *names), names, strict=False)), attributes)


def ring(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a ring of the central processor and the APs."""
    return _graph(list(zip((CENTRAL, *names), (*names, CENTRAL), strict=True)), attributes)


def tree(names: tuple[str, ...], **attributes: float) -> nx.DiGraph:
    """Return a binary tree with the central processor at the root."""
    nodes = (CENTRAL, *names)
    return _graph([(nodes[(i - 1) // 2], nodes[i]) for i in range(1, len(nodes))], attributes)


def mesh(
    names: tuple[str, ...], *, positions_m: ArrayLike, central_m: ArrayLike, neighbours: int, **attributes: float
) -> nx.DiGraph:
    """Return a mesh: a cable from every AP, and from the central processor, to each of its nearest neighbours.

    Where that leaves parts apart, the shortest cable between two of them is laid until none is.

    Parameters
    ----------
    names
        AP names.
    positions_m
        Where they are, shape (len(names), 2).
    central_m
        Where the central processor is, shape (2,).
    neighbours
        How many neighbours are sought from each; a node may have more, as it may be sought from others.
    **attributes
        Attributes of every link, as of ``star``.
    """
    nodes, places = (CENTRAL, *names), np.vstack([central_m, positions_m])
    distance_m = np.hypot(*(places[:, None] - places).T)
    np.fill_diagonal(distance_m, np.inf)
    nearest = np.argsort(distance_m, axis=1, kind="stable")[:, :neighbours]
    cables = nx.Graph((i, int(j)) for i, row in enumerate(nearest) for j in row if i != j)
    cables.add_nodes_from(range(len(nodes)))
    while len(parts := list(nx.connected_components(cables))) > 1:
        cables.add_edge(*_shortest(distance_m, np.array(sorted(min(parts, key=min)))))
    return _graph([(nodes[a], nodes[b]) for a, b in sorted(map(sorted, cables.edges))], attributes)


def _shortest(distance_m: NDArray[np.float64], part: NDArray[np.intp]) -> tuple[int, int]:
    """Return the ends of the shortest cable from a part to the rest."""
    rest = np.setdiff1d(np.arange(len(distance_m)), part)
    across = distance_m[np.ix_(part, rest)]
    row, column = np.unravel_index(across.argmin(), across.shape)
    return int(part[row]), int(rest[column])
