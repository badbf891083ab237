"""Fine maps of the closed-form bound for networks of any size: near access points exactly, far ones interpolated.

The moments of an AP vary over the distance to it, not from one pixel to the next. On a tile

    +--------+
    |  tile  |<---- at least one side ----> x   far: evaluated at 12 x 12 Chebyshev nodes, interpolated to the pixels
    |   x    |                                  near: evaluated at every pixel
    +--------+

the far APs, nearly all of them, cost a fixed number of evaluations a tile.
"""

import itertools
import math

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from models.bound_maps import bound_from_moments_m, keep_memory, side_moments, six_moments
from models.network import ModeAssignment, Network

__all__ = ["grid_map_m"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]

TILE_M = 64.0
NODES = 12


def grid_map_m(
    network: Network, assignment: ModeAssignment, x_m: ArrayLike, y_m: ArrayLike, gain: float, kind: str = "coherent"
) -> Float:
    """Return `closed_form_map_m` on a grid, in about the same time for 12 APs and 15 times faster for 5000.

    Measured over 12 layouts of 12 APs, the relative error is at most 2e-5 (non-coherent 1e-3, where the information is
    nearly singular) and below 3e-6 (5e-5) at 999 points of 1000. With more APs it is smaller.

    Parameters
    ----------
    network, assignment, gain, kind
        As for `closed_form_map_m`.
    x_m, y_m
        Coordinates of the grid in m, ascending, shapes (n_x,) and (n_y,); none of its points on an AP.

    Returns
    -------
    ndarray
        Shape (n_y, n_x), in m; NaN where there is no bound.

    Raises
    ------
    ValueError
        If ``kind`` is neither coherent nor non-coherent, or a point lies on an AP.
    """
    x, y = np.asarray(x_m, dtype=float), np.asarray(y_m, dtype=float)
    keep_memory()
    result = np.empty((len(y), len(x)))
    for rows in _tiles(y):
        for columns in _tiles(x):
            six = (
                six_moments(_tile_moments(network, x[columns], y[rows], aps), network, gain, kind)
                for aps in (assignment.transmitters, assignment.receivers)
            )
            result[rows, columns] = bound_from_moments_m(*six).reshape(rows.stop - rows.start, -1)
    return result


def _tiles(coordinate: Float) -> list[slice]:
    """Return the runs of ascending coordinates that fall into tiles of 64 m."""
    if not len(coordinate):
        return []
    tile = np.floor((coordinate - coordinate[0]) / TILE_M)
    edges = [0, *(np.flatnonzero(np.diff(tile)) + 1).tolist(), len(coordinate)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def _tile_moments(network: Network, x: Float, y: Float, aps: Index) -> Float:
    """Return the nine moments of one side at the pixels of a tile, row after row, shape (9, n_y n_x)."""
    if len(x) * len(y) <= NODES * NODES:
        return side_moments(network, _pixels(x, y), aps)
    position = network.ap_positions_m[aps]
    beyond = [np.maximum(axis[0] - p, p - axis[-1]).clip(min=0.0) for axis, p in zip((x, y), position.T, strict=True)]
    far = np.hypot(*beyond) >= max(x[-1] - x[0], y[-1] - y[0])
    (x_nodes, to_x), (y_nodes, to_y) = _interpolation(x), _interpolation(y)
    smooth = side_moments(network, _pixels(x_nodes, y_nodes), aps[far]).reshape(9, NODES, NODES)
    moments = (to_y @ (smooth @ to_x.T)).reshape(9, -1)
    return moments if far.all() else moments + side_moments(network, _pixels(x, y), aps[~far])


def _pixels(x: Float, y: Float) -> Float:
    """Return the points of a grid, row after row, shape (n_y n_x, 2)."""
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _interpolation(coordinate: Float) -> tuple[Float, Float]:
    """Return Chebyshev nodes over the range of a coordinate and the matrix from values there to the coordinates."""
    centre, half = 0.5 * (coordinate[0] + coordinate[-1]), 0.5 * (coordinate[-1] - coordinate[0])
    unit = np.cos(math.pi * (np.arange(NODES) + 0.5) / NODES)
    to_series = chebyshev.chebvander(unit, NODES - 1).T * 2.0 / NODES
    to_series[0] *= 0.5
    place = (coordinate - centre) / half if half > 0.0 else np.zeros_like(coordinate)
    return centre + half * unit, chebyshev.chebvander(place, NODES - 1) @ to_series
