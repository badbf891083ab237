"""Where points lie as seen from the access points: the one place where the sign conventions are written down.

    e = (p - p_AP) / d            unit vector from the AP to the point
    axis = boresight + 90 deg     from array element 0 to element 1
    u = e . axis = sin(theta)     theta: bearing of the point minus boresight

A uniform linear array sees only u: a point and its mirror image behind the array axis look alike.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network import Network

__all__ = ["Rays", "clear_of", "clear_of_antennas", "on_access_point", "rays", "sines", "with_ues_at"]

Float = NDArray[np.float64]


class Rays(NamedTuple):
    """Straight lines from APs to points; leading axes (n_aps, n_points)."""

    distance_m: Float
    """d, shape (n_aps, n_points)."""
    direction: Float
    """e, shape (n_aps, n_points, 2)."""
    sine: Float
    """u, shape (n_aps, n_points)."""
    sine_gradient: Float
    """Gradient of u with respect to the point, (axis - u e) / d, shape (n_aps, n_points, 2), in 1/m."""


def rays(network: Network, points_m: ArrayLike, aps: NDArray[np.intp] | slice = slice(None)) -> Rays:
    """Return the rays from the APs with indices ``aps`` (all by default) to points of shape (n_points, 2) in m.

    Raises
    ------
    ValueError
        If a point coincides with an AP: its direction is then undefined.
    """
    positions, axes = network.ap_positions_m[aps], network.array_axes[aps]
    offset = np.asarray(points_m, dtype=float)[None, :, :] - positions[:, None, :]
    distance = np.hypot(offset[..., 0], offset[..., 1])
    if not np.all(distance > 0.0):
        raise ValueError("a point lies exactly on an access point, where directions are undefined: move it away")
    direction = offset / distance[..., None]
    sine = np.einsum("mgx,mx->mg", direction, axes)
    gradient = (axes[:, None, :] - sine[..., None] * direction) / distance[..., None]
    return Rays(distance, direction, sine, gradient)


def sines(network: Network, points_m: Float) -> Float:
    """Return u of the rays from all APs to points of shape (n_points, 2) in m alone, shape (n_aps, n_points)."""
    x, y = (points_m[:, i] - network.ap_positions_m[:, i, None] for i in (0, 1))
    along = x * network.array_axes[:, :1] + y * network.array_axes[:, 1:]
    return np.asarray(along / np.sqrt(x * x + y * y))


def on_access_point(network: Network, points_m: Float) -> NDArray[np.bool_]:
    """Return which points, shape (n_points, 2) in m, lie exactly on an AP, where directions are undefined."""
    return (points_m[:, None] == network.ap_positions_m).all(axis=-1).any(axis=1)


def clear_of(places_m: Float, nearest_m: float, points_m: ArrayLike) -> Float:
    """Return points, those nearer than ``nearest_m`` to a place moved straight away from it to that distance.

    A point exactly on a place goes along +x.

    Parameters
    ----------
    places_m
        Shape (n_places, 2), in m.
    nearest_m
        The least distance, above 0.
    points_m
        Shape (..., 2), in m.

    >>> clear_of(np.zeros((1, 2)), 2.0, [[0.0, 0.0], [0.0, -1.0], [0.0, 3.0]])
    array([[ 2.,  0.],
           [ 0., -2.],
           [ 0.,  3.]])
    """
    points = np.array(points_m, dtype=float)
    flat = points.reshape(-1, 2)
    x, y = (flat[:, i] - places_m[:, i, None] for i in (0, 1))
    near = x * x + y * y < nearest_m**2
    for place, point in np.argwhere(near) if near.any() else ():
        offset = np.array([x[place, point], y[place, point]])
        outward = offset / np.hypot(*offset) if offset.any() else np.array([1.0, 0.0])
        flat[point] = places_m[place] + nearest_m * outward
    return flat.reshape(points.shape)


def with_ues_at(network: Network, places_m: Mapping[int, Float]) -> Network:
    """Return the network with some UEs elsewhere, by index, in m; nearer than a wavelength to an AP counts as that."""
    if not places_m:
        return network
    positions_m = network.ue_positions_m.copy()
    indices = list(places_m)
    positions_m[indices] = clear_of(network.ap_positions_m, network.wavelength_m, [places_m[i] for i in indices])
    return replace(network, ue_positions_m=positions_m)


def clear_of_antennas(network: Network, points_m: ArrayLike) -> Float:
    """Return points, (..., 2) in m, those nearer than a wavelength to an AP or a UE moved to that distance."""
    antennas_m = np.concatenate([network.ap_positions_m, network.ue_positions_m])
    return clear_of(antennas_m, network.wavelength_m, points_m)
