"""Phases of the nodes of a graph from their differences along its edges: weighted least squares on the circle.

    b_ij = x_i - x_j + error (mod 2 pi),    w_ij = 1 / variance of the error

A spanning tree of the best edges has no circle, so that it gives phases that agree with all its edges, whatever the
multiples of 2 pi. Against these the other edges differ by errors alone, which are small and have no multiples, and

    x = L^+ B,    B_i = sum_j w_ij b_ij,    L = diag(sum_j w_ij) - w,    cov x = L^+

L is the Laplacian of the graph, L^+ its pseudo-inverse: each component has a constant of its own that no difference
tells. Not modelled: errors along a long path of edges that add up to half a turn where the path closes.
"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["Phases", "centred", "graph_phases", "laplacian_inverse", "wrapped"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]


class Phases(NamedTuple):
    """The phases of the nodes of a graph, up to a constant of each component."""

    phase_rad: Float
    """Shape (n,)."""
    inverse: Float
    """L^+, the covariance of the phases, shape (n, n), in rad^2."""
    reference: NDArray[np.bool_]
    """Nodes of the largest component, the first such one; none if there is no edge; shape (n,)."""


def wrapped(phase_rad: Float) -> Float:
    """Return phases within (-pi, pi].

    >>> wrapped(np.array([0.0, 7.0]))
    array([0.        , 0.71681469])
    """
    return np.asarray(np.angle(np.exp(1j * phase_rad)))


def graph_phases(difference_rad: Float, weight: Float) -> Phases:
    """Return the phases of nodes from differences.

    Parameters
    ----------
    difference_rad
        x_i - x_j modulo 2 pi, antisymmetric, shape (n, n); where the weight is 0 anything finite.
    weight
        Inverse variances in 1/rad^2, symmetric, 0 where there is no edge, shape (n, n).
    """
    _, component = scipy.sparse.csgraph.connected_components(weight > 0.0, directed=False)
    tree = _best_tree(weight)
    start = laplacian_inverse(tree, component) @ (tree * difference_rad).sum(axis=1)
    left = wrapped(difference_rad - (start[:, None] - start))
    inverse = laplacian_inverse(weight, component)
    sizes = np.bincount(component)
    reference = (component == sizes.argmax()) & (sizes.max() > 1)
    return Phases(start + inverse @ (weight * left).sum(axis=1), inverse, reference)


def _best_tree(weight: Float) -> Float:
    """Return 1 on the edges of a spanning tree of each component, of the highest weights there are; else 0."""
    # relative to the best edge: scipy takes what is below 1e-8 for no edge
    variance = np.divide(weight.max(), weight, out=np.zeros_like(weight), where=weight > 0.0)
    tree = scipy.sparse.csgraph.minimum_spanning_tree(variance).toarray() > 0.0
    return np.asarray((tree | tree.T).astype(float))


def laplacian_inverse(weight: Float, component: Index) -> Float:
    """Return L^+ of a graph, shape (n, n), 0 between components.

    What L tells nothing of, the constant of each component, is told apart by the component and not by size, as weights
    may differ by many powers of ten.
    """
    same = component[:, None] == component
    constant = same / same.sum(axis=1)
    scale = max(float(weight.mean()), np.finfo(float).tiny)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    return np.asarray(np.linalg.inv(laplacian + scale * constant) - constant / scale)


def centred(phase_rad: Float, members: NDArray[np.bool_]) -> Float:
    """Return phases less a constant: those of the members lie within half a turn of their centre, and have mean 0."""
    about = wrapped(phase_rad - np.angle(np.sum(np.exp(1j * phase_rad[members]))))
    return about - (about[members].mean() if members.any() else 0.0)
