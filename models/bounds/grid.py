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
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from models.bounds.maps import bound_from_moments_m, closed_form_map_m, keep_memory, side_moments, six_moments
from models.network import ModeAssignment, Network

__all__ = ["grid_map_m"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

TILE_M = 64.0
NODES = 12
# Tiles whose nodes are evaluated in one block.
BLOCK_TILES = 80


def grid_map_m(
    network: Network, assignment: ModeAssignment, x_m: ArrayLike, y_m: ArrayLike, gain: float, kind: str = "coherent"
) -> Float:
    """Return `closed_form_map_m` on a grid, many times faster for many APs.

    Measured over 12 layouts of 12 APs, the relative error is at most 2e-5 (non-coherent 2e-3, where the information is
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
        If ``kind`` is neither coherent nor non-coherent, coordinates do not ascend, or a point lies on an AP.
    """
    x, y = _ascending("x_m", x_m), _ascending("y_m", y_m)
    tiles = list(itertools.product(_spans(y), _spans(x)))
    if len(x) * len(y) <= NODES * NODES * len(tiles):
        return closed_form_map_m(network, assignment, _pixels(x, y), gain, kind).reshape(len(y), len(x))
    keep_memory()
    result = np.empty((len(y), len(x)))
    for start in range(0, len(tiles), BLOCK_TILES):
        block = tiles[start : start + BLOCK_TILES]
        sides = [_side(network, aps, block, gain, kind) for aps in (assignment.transmitters, assignment.receivers)]
        for tile, transmit, receive in zip(block, *sides, strict=True):
            row, column = tile
            bound = bound_from_moments_m(transmit.reshape(6, -1), receive.reshape(6, -1))
            result[row.pixels, column.pixels] = bound.reshape(len(row.coordinates), -1)
    return result


def _ascending(name: str, coordinates_m: ArrayLike) -> Float:
    """Return the coordinates as an array once they are known to ascend: tiles are runs of them."""
    coordinates = np.asarray(coordinates_m, dtype=float)
    falls = np.flatnonzero(~(np.diff(coordinates) >= 0.0))
    if len(falls):
        before, after = coordinates[falls[0] : falls[0] + 2]
        raise ValueError(f"{name} goes from {before:g} m to {after:g} m: give coordinates in ascending order")
    return coordinates


class _Span(NamedTuple):
    """The run of coordinates that falls into a tile."""

    pixels: slice
    coordinates: Float
    nodes: Float
    """Chebyshev nodes over their range."""
    matrix: Float
    """From values at the nodes to values at the coordinates."""


Tile = tuple[_Span, _Span]  # rows and columns


def _spans(coordinate: Float) -> list[_Span]:
    """Return the spans of ascending coordinates that fall into tiles of 64 m."""
    if not len(coordinate):
        return []
    tile = np.floor((coordinate - coordinate[0]) / TILE_M)
    edges = [0, *(np.flatnonzero(np.diff(tile)) + 1).tolist(), len(coordinate)]
    runs = (slice(start, stop) for start, stop in itertools.pairwise(edges))
    return [_Span(run, coordinate[run], *_interpolation(coordinate[run])) for run in runs]


def _side(network: Network, aps: Index, tiles: list[Tile], gain: float, kind: str) -> Iterator[Float]:
    """Yield the six moments of one side at the pixels of each tile, shape (6, n_y, n_x)."""
    near = _near(network.ap_positions_m[aps], tiles)
    nodes = np.concatenate([_pixels(column.nodes, row.nodes) for row, column in tiles])
    far = six_moments(side_moments(network, nodes, aps, near), network, gain, kind)
    far = np.ascontiguousarray(far.reshape(6, len(tiles), NODES, NODES).swapaxes(0, 1))
    for (row, column), of_tile, at_nodes in zip(tiles, near.T, far, strict=True):
        moments = row.matrix @ (at_nodes @ column.matrix.T)
        if of_tile.any():
            nine = side_moments(network, _pixels(column.coordinates, row.coordinates), aps[of_tile])
            moments += six_moments(nine, network, gain, kind).reshape(moments.shape)
        yield moments


def _near(positions_m: Float, tiles: list[Tile]) -> Mask:
    """Return which APs are nearer to which tile than its longer side, shape (n_aps, n_tiles)."""
    low, high = (np.array([[span.coordinates[end] for span in tile[::-1]] for tile in tiles]) for end in (0, -1))
    beyond = np.maximum(low - positions_m[:, None], positions_m[:, None] - high).clip(min=0.0)
    return np.hypot(beyond[..., 0], beyond[..., 1]) < (high - low).max(axis=1)


def _pixels(x: Float, y: Float) -> Float:
    """Return the points of a grid, row after row, shape (n_y n_x, 2)."""
    points = np.empty((2, len(y), len(x)))
    points[0], points[1] = x, y[:, None]
    return points.reshape(2, -1).T


def _interpolation(coordinate: Float) -> tuple[Float, Float]:
    """Return Chebyshev nodes over the range of a coordinate and the matrix from values there to the coordinates."""
    centre, half = 0.5 * (coordinate[0] + coordinate[-1]), 0.5 * (coordinate[-1] - coordinate[0])
    unit = np.cos(math.pi * (np.arange(NODES) + 0.5) / NODES)
    to_series = chebyshev.chebvander(unit, NODES - 1).T * 2.0 / NODES
    to_series[0] *= 0.5
    place = (coordinate - centre) / half if half > 0.0 else np.zeros_like(coordinate)
    return centre + half * unit, chebyshev.chebvander(place, NODES - 1) @ to_series
