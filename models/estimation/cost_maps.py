r"""Fine maps of the non-coherent cost from few exact values: the cost is band limited, so it can be interpolated.

Seen from one AP the cost is a trigonometric polynomial of the phase pi u: it varies over the distance to the APs, not
from one pixel of a fine map to the next. It is evaluated exactly at nodes, denser near the APs, and interpolated:

    +-------+---+---+
    |       |   |   |     tile    Chebyshev nodes, as many along each side as the fastest phase there asks for
    |       +---+-+-+
    |       |   +-+-+     (+)     a disc around each AP: Chebyshev radii, uniform angles. In polar coordinates the
    +-------+---(+)-+             cost is smooth down to the AP itself
    +-------+---+---+

`models.estimation.likelihood.noncoherent_power` at every pixel is the plain form of the same map. Not modelled:
coherent costs, whose lobes are centimetres apart (see `models.estimation.lattice`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from models.estimation.likelihood import Echoes, noncoherent_power, phasors
from models.network import Area, Network
from models.observation import Observation

__all__ = ["MapNodes", "interpolated_cost_map", "map_nodes"]

Float = NDArray[np.float64]
Single = NDArray[np.float32]
Index = NDArray[np.intp]

SIDES = (8, 16, 32, 64)  # of tiles, in pixels
MARGIN_NODES = 3.0  # nodes of a tile over which the phase hardly turns
NODES_PER_RAD = 0.6  # further nodes for each radian by which the fastest phase turns over half the tile
DISC_SHARE = 0.45  # radius: share of the distance to the nearest other AP, and at most the side of the largest tile
EXTRA_ANTENNAS = 2  # the phase does not turn evenly along a tile, and D divides
RADII_PER_ANTENNA = 0.75  # of a disc
EXTRA_HARMONICS = 26  # of a disc, beyond the pi (N - 1) of a fraction that does not vary
FINE_ANGLES = 2048  # of a disc, linear interpolation in between


class _Tiles(NamedTuple):
    """Tiles of one size with the same numbers of nodes."""

    side: int
    row: Index
    column: Index
    to_y: Single  # from nodes to pixels, (side, n_y)
    to_x: Single  # (side, n_x)


class _Discs(NamedTuple):
    """Discs around APs: where their pixels lie in the map and among the nodes."""

    n_discs: int
    n_angles: int
    pixel: Index  # flat index in the padded map, (n,)
    angle: Index  # disc and fine angle below the pixel, (n,)
    fraction: Single  # of a step of the fine angle, (n, 1)
    radial: Single  # weights of the radii, (n, n_radii)


@dataclass(frozen=True, kw_only=True, eq=False)
class MapNodes:
    """Where to evaluate the non-coherent cost for a fine map of an area, and how to interpolate.

    Attributes
    ----------
    shape
        Pixels (n_y, n_x) of the map; `padded` is that of whole tiles.
    phasor
        Phasors of all APs at the nodes, shape (n_aps, n_nodes), single precision.
    tiles, discs
        Node after node: those of the tiles, group by group, then those of the discs.
    """

    shape: tuple[int, int]
    padded: tuple[int, int]
    phasor: NDArray[np.complex64]
    tiles: tuple[_Tiles, ...]
    discs: _Discs

    @classmethod
    def of(cls, network: Network, area: Area, step_m: float) -> "MapNodes":
        """Return the nodes for the grid of an area, whatever APs transmit or receive."""
        x, y = area.grid(step_m)
        grid = _Grid(network, x, y, _disc_radii_m(network, step_m))
        groups = list(grid.groups())
        tiles = tuple(tiles for tiles, _ in groups)
        discs, disc_nodes = grid.disc_nodes(tiles)
        nodes = np.concatenate([*(points for _, points in groups), disc_nodes])
        return cls(
            shape=(len(y), len(x)),
            padded=grid.padded,
            phasor=phasors(network, nodes, np.complex64),
            tiles=tiles,
            discs=discs,
        )

    def power(self, echoes: Echoes) -> Single:
        """Return the non-coherent explained power over sigma^2 at the pixels, shape (n_y, n_x)."""
        values = noncoherent_power(echoes, self.phasor).astype(np.float32)
        image = np.zeros(self.padded, dtype=np.float32)
        start = 0
        for side, row, column, to_y, to_x in self.tiles:
            size = (len(row), to_y.shape[1], to_x.shape[1])
            exact = values[start : start + math.prod(size)].reshape(size)
            blocks = image.reshape(self.padded[0] // side, side, self.padded[1] // side, side)
            blocks[row, :, column] = to_y @ (exact @ to_x.T)
            start += math.prod(size)
        if len(self.discs.pixel):
            image.ravel()[self.discs.pixel] = _disc_power(self.discs, values[start:])
        return image[: self.shape[0], : self.shape[1]]


@lru_cache(maxsize=4)
def map_nodes(network: Network, area: Area, step_m: float) -> MapNodes:
    """Return the nodes of the grid of an area, kept for the next map of the same network."""
    return MapNodes.of(network, area, step_m)


def interpolated_cost_map(observation: Observation, step_m: float) -> tuple[Float, Float, Single]:
    """Return `models.estimation.likelihood.cost_map` on a fine grid from few exact values; eqs. (17)-(18).

    Parameters
    ----------
    observation
        The statistics of a CPI.
    step_m
        Step of the grid. Below about 4 m this is faster than the cost at every pixel.

    Returns
    -------
    x_m, y_m, power
        Coordinates and the explained power over sigma^2 [y, x].
    """
    x, y = observation.area.grid(step_m)
    return x, y, map_nodes(observation.network, observation.area, step_m).power(Echoes.of(observation))


def _disc_radii_m(network: Network, step_m: float) -> Float:
    """Return the radius of the disc around each AP, shape (n_aps,); discs do not touch."""
    offset = network.ap_positions_m[:, None] - network.ap_positions_m
    apart = np.hypot(offset[..., 0], offset[..., 1]) + np.diag(np.full(network.n_aps, np.inf))
    return np.minimum(DISC_SHARE * apart.min(axis=1), SIDES[-1] * step_m)


def _disc_power(discs: _Discs, values: Single) -> Single:
    """Return the power at the pixels of the discs from that at their nodes."""
    n_radii = discs.radial.shape[1]
    spectrum = np.fft.rfft(values.reshape(discs.n_discs, n_radii, discs.n_angles), axis=-1)
    fine = np.fft.irfft(spectrum, FINE_ANGLES, axis=-1) * (FINE_ANGLES / discs.n_angles)
    table = fine.astype(np.float32).swapaxes(1, 2)
    step = np.roll(table, -1, axis=1) - table
    table, step = table.reshape(-1, n_radii), step.reshape(-1, n_radii)
    near = step[discs.angle]
    near *= discs.fraction
    near += table[discs.angle]
    return np.einsum("pk,pk->p", near, discs.radial)


def _unit_nodes(n: int) -> Float:
    """Return the n Chebyshev nodes of the first kind in (-1, 1)."""
    return np.cos(math.pi * (np.arange(n) + 0.5) / n)


def _weights(n: int, place: Float) -> Single:
    """Return the matrix from values at the n nodes to places in [-1, 1], shape (n_places, n)."""
    to_series = chebyshev.chebvander(_unit_nodes(n), n - 1).T * 2.0 / n
    to_series[0] *= 0.5
    return (chebyshev.chebvander(place, n - 1) @ to_series).astype(np.float32)


def _side_nodes(n: int, side: int) -> tuple[Float, Single]:
    """Return n nodes along a tile of ``side`` pixels, in pixels, and the matrix from them to the pixels."""
    if n >= side:
        return np.arange(float(side)), np.eye(side, dtype=np.float32)
    half = 0.5 * (side - 1)
    return half * (1.0 + _unit_nodes(n)), _weights(n, np.arange(side) / half - 1.0)


@dataclass(frozen=True, eq=False)
class _Grid:
    """The pixels, padded to whole tiles of the largest size, and the discs in it."""

    network: Network
    x: Float
    y: Float
    radii_m: Float

    @property
    def padded(self) -> tuple[int, int]:
        """Pixels (n_y, n_x) of whole tiles."""
        rows, columns = (SIDES[-1] * -(-len(axis) // SIDES[-1]) for axis in (self.y, self.x))
        return rows, columns

    @property
    def steps_m(self) -> tuple[float, float]:
        """Distance of pixels along y and x."""
        return 2.0 * float(self.y[0]), 2.0 * float(self.x[0])

    @property
    def n_radii(self) -> int:
        """Radii at which each disc is evaluated."""
        return math.ceil(MARGIN_NODES + RADII_PER_ANTENNA * (self.network.n_antennas + EXTRA_ANTENNAS - 1))

    def groups(self) -> Iterator[tuple[_Tiles, Float]]:
        """Return the tiles, alike ones together, and the positions of their nodes, shape (n, 2)."""
        for side, tile, nodes in self._chosen():
            for n_y, n_x in np.unique(nodes, axis=0):
                row, column = tile[np.all(nodes == (n_y, n_x), axis=1)].T
                (nodes_y, to_y), (nodes_x, to_x) = _side_nodes(n_y, side), _side_nodes(n_x, side)
                y = self.y[0] + self.steps_m[0] * (row[:, None, None] * side + nodes_y[:, None])
                x = self.x[0] + self.steps_m[1] * (column[:, None, None] * side + nodes_x)
                points = np.stack(np.broadcast_arrays(x, y), axis=-1).reshape(-1, 2)
                yield _Tiles(side, row, column, to_y, to_x), points

    def _chosen(self) -> Iterator[tuple[int, Index, Index]]:
        """Return for each size the tiles (row, column) that cover the map with the fewest nodes, and their nodes."""
        needs = [self._needed(side) for side in SIDES]
        whole, best = [], needs[0].prod(axis=-1)
        for need in needs:
            cost = need.prod(axis=-1)
            if cost.shape != best.shape:
                best = best.reshape(cost.shape[0], 2, cost.shape[1], 2).sum(axis=(1, 3))
            whole.append(cost <= best)
            best = np.minimum(cost, best)
        open_tiles = np.ones(best.shape, dtype=bool)
        for side, need, uncut in zip(SIDES[::-1], needs[::-1], whole[::-1], strict=True):
            if uncut.shape != open_tiles.shape:
                open_tiles = open_tiles.repeat(2, axis=0).repeat(2, axis=1)
            tile = np.argwhere(open_tiles & uncut & (need[..., 0] > 0))
            yield side, tile, need[tile[:, 0], tile[:, 1]]
            open_tiles &= ~uncut

    def _needed(self, side: int) -> Index:
        """Return how many nodes (n_y, n_x) each tile needs, 0 if it lies in a disc or outside, (rows, columns, 2)."""
        rows, columns = self.padded[0] // side, self.padded[1] // side
        half = 0.5 * (side - 1) * np.array(self.steps_m)
        y = self.y[0] + half[0] + side * self.steps_m[0] * np.arange(rows)
        x = self.x[0] + half[1] + side * self.steps_m[1] * np.arange(columns)
        offset_y = y[:, None, None] - self.network.ap_positions_m[:, 1]
        offset_x = x[:, None] - self.network.ap_positions_m[:, 0]
        rate = self._phase_rates(offset_y, offset_x, half)
        needed = np.ceil(MARGIN_NODES + NODES_PER_RAD * rate * half).clip(1, side).astype(int)
        farthest = np.hypot(np.abs(offset_y) + half[0], np.abs(offset_x) + half[1])
        hidden = (farthest < self.radii_m).any(axis=-1)
        hidden |= (y - half[0] > self.y[-1])[:, None] | (x - half[1] > self.x[-1])
        return np.where(hidden[..., None], 0, needed)

    def _phase_rates(self, offset_y: Float, offset_x: Float, half_m: Float) -> Float:
        """Return how fast the cost may oscillate along y and x in tiles, in rad/m, shape (rows, columns, 2).

        The phase pi (N - 1) u of an AP turns by |(axis - u e)| / d a metre; a pair of APs contributes two of them. The
        direction is taken where it is worst, at the corners and the middle, the distance to the nearest point.
        """
        beyond = np.maximum(np.abs(offset_y) - half_m[0], 0.0), np.maximum(np.abs(offset_x) - half_m[1], 0.0)
        nearest = np.hypot(*beyond)
        share = np.zeros((*nearest.shape, 2))
        for sign_y, sign_x in ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            y, x = offset_y + sign_y * half_m[0], offset_x + sign_x * half_m[1]
            across = np.abs(y * self.network.array_axes[:, 0] - x * self.network.array_axes[:, 1])
            square = np.maximum(x * x + y * y, 1e-12)
            for axis, side in enumerate((x, y)):  # axis - u e = (axis . e_perp) e_perp
                np.maximum(share[..., axis], across * np.abs(side) / square, out=share[..., axis])
        rate = share / np.maximum(nearest, 1e-6)[..., None]
        highest = np.partition(rate, -2, axis=2)[:, :, -2:] if self.network.n_aps > 1 else rate
        return math.pi * (self.network.n_antennas + EXTRA_ANTENNAS - 1) * highest.sum(axis=2)

    def disc_nodes(self, tiles: tuple[_Tiles, ...]) -> tuple[_Discs, Float]:
        """Return the discs, which fill what the tiles leave, and the positions of their nodes, shape (n, 2)."""
        row, column = np.nonzero(self._uncovered(tiles))
        points = np.stack([self.x[column], self.y[row]], axis=-1)
        offset = points[:, None] - self.network.ap_positions_m
        owner = np.argmin(np.hypot(offset[..., 0], offset[..., 1]) / self.radii_m, axis=1)
        used, disc = np.unique(owner, return_inverse=True)
        offset = offset[np.arange(len(owner)), owner]
        place = np.hypot(*offset.T) / self.radii_m[owner] * 2.0 - 1.0
        turns = np.arctan2(offset[:, 1], offset[:, 0]) / (2.0 * math.pi) % 1.0 * FINE_ANGLES
        below = np.minimum(turns.astype(int), FINE_ANGLES - 1)
        n_angles = 2 * math.ceil(math.pi * (self.network.n_antennas - 1) + EXTRA_HARMONICS)
        discs = _Discs(
            len(used),
            n_angles,
            row * self.padded[1] + column,
            disc * FINE_ANGLES + below,
            (turns - below).astype(np.float32)[:, None],
            _weights(self.n_radii, place),
        )
        return discs, self._polar(used, n_angles)

    def _polar(self, aps: Index, n_angles: int) -> Float:
        """Return the nodes of the discs around some APs: disc, radius, angle in this order."""
        angle = 2.0 * math.pi * np.arange(n_angles) / n_angles
        around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        radius = 0.5 * self.radii_m[aps, None] * (1.0 + _unit_nodes(self.n_radii))
        nodes = self.network.ap_positions_m[aps, None, None] + radius[..., None, None] * around
        return nodes.reshape(-1, 2)

    def _uncovered(self, tiles: tuple[_Tiles, ...]) -> NDArray[np.bool_]:
        """Return which pixels of the map no tile covers."""
        left = np.ones(self.padded, dtype=bool)
        for group in tiles:
            side = group.side
            blocks = left.reshape(self.padded[0] // side, side, self.padded[1] // side, side)
            blocks[group.row, :, group.column] = False
        return left[: len(self.y), : len(self.x)]
