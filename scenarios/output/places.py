"""Where the nodes of a fronthaul are drawn: its places say nothing about where they are."""

from collections.abc import Iterable

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from emulator.messages import ARROW, CENTRAL

__all__ = ["graph_of", "places_of"]

Float = NDArray[np.float64]
MOST_LAID_OUT = 150
"""Nodes: above, rings by hops take the place of a layout by springs, whose time grows with their cube."""


def graph_of(links: Iterable[str]) -> nx.Graph:
    """Return the graph of links that are called "a->b"."""
    return nx.Graph(tuple(name.split(ARROW)) for name in links)


def places_of(graph: nx.Graph) -> dict[str, Float]:
    """Return a place in the plane for each node, such that the graph reads well."""
    if max(dict(graph.degree).values(), default=0) <= 2:  # a chain or a ring
        ends = [node for node, degree in graph.degree if degree < 2]
        order = list(nx.dfs_preorder_nodes(graph, ends[0] if ends else CENTRAL)) if len(graph) else []
        found = dict(zip(order, nx.circular_layout(range(len(order) + len(ends) // 2)).values(), strict=False))
    elif len(graph) <= MOST_LAID_OUT:
        found = nx.kamada_kawai_layout(graph)
    else:
        rings = list(nx.bfs_layers(graph, CENTRAL))
        found = nx.shell_layout(graph, [*rings, [node for node in graph if not any(node in ring for ring in rings)]])
    return {node: np.asarray(place, dtype=float) for node, place in found.items()}
