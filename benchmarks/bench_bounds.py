"""Bounds at scale against the plain way: one point at a time, one pair of APs at a time, the full Fisher matrix.

`run` returns process CPU times, one BLAS thread. The two ways are compared on the same points before they are timed.
"""

import math
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.workload import NOISE_W, cpu_s, exponent, layout, plain_leg
from models.bounds.closed_form import information_gain, target_bounds_m
from models.bounds.grid import grid_map_m
from models.bounds.maps import any_gram_map_m, closed_form_map_m
from models.network import ModeAssignment, Network
from models.radio.statistics import gram_statistic

Float = NDArray[np.float64]

ENERGY_W = 6.25e-4
SIDE_M = 1024.0
AGREEMENT = 1e-7
GRID_AGREEMENT = 1e-4  # of interpolated maps


def network_of(n_aps: int, seed: int = 1) -> tuple[Network, ModeAssignment]:
    """Return a random network, half of whose APs transmit."""
    return layout(np.random.default_rng(seed), n_aps)


def points_of(n_points: int, seed: int = 2) -> Float:
    """Return random points of the area."""
    return np.random.default_rng(seed).uniform(0.0, SIDE_M, (n_points, 2))


def in_turns_s(one: Callable[[], object], other: Callable[[], object], turns: int) -> tuple[float, float]:
    """Return the median times of two ways in s, timed by turns so that a busy machine slows both."""
    times = [(cpu_s(one, 1), cpu_s(other, 1)) for _ in range(turns)]
    return statistics.median(t for t, _ in times), statistics.median(t for _, t in times)


def plain(network: Network, assignment: ModeAssignment, points_m: Float) -> Float:
    """Return the coherent bound at each point for Q_tt = q I by loops over points and pairs of APs.

    Every pair adds the Gram of its four derivatives (x, y, phase, its own amplitude) to the Fisher matrix; the block
    of the position in its inverse is the bound.
    """
    pairs = [(t, r) for t in assignment.transmitters for r in assignment.receivers]
    gain = 2.0 * ENERGY_W / NOISE_W
    return np.array(
        [_plain_bound_m([plain_leg(network, ap, p) for ap in range(network.n_aps)], pairs, gain) for p in points_m]
    )


def _plain_bound_m(legs: list[NDArray[np.complex128]], pairs: list[tuple[int, int]], gain: float) -> float:
    """Return the bound from the Fisher matrix of position, phase and one amplitude a pair."""
    fisher = np.zeros((3 + len(pairs),) * 2)
    for i, (t, r) in enumerate(pairs, start=3):
        out, back = legs[t], legs[r]
        slopes = np.empty((4, out.shape[1], out.shape[1]), dtype=complex)
        np.matmul(back[1::-1].T, out[:2], out=slopes[0])  # d_x back times out plus back times d_x out
        np.matmul(back[2::-2].T, out[::2], out=slopes[1])
        np.multiply(back[0, :, None], out[0], out=slopes[3])
        np.multiply(slopes[3], 1j, out=slopes[2])
        flat = slopes.reshape(4, -1)
        gram = (flat.conj() @ flat.T).real
        fisher[:3, :3] += gain * gram[:3, :3]
        fisher[:3, i] = fisher[i, :3] = gain * gram[:3, 3]
        fisher[i, i] = gain * gram[3, 3]
    scale = 1.0 / np.sqrt(np.diag(fisher))
    covariance = np.linalg.solve(fisher * scale * scale[:, None], np.eye(len(fisher))[:, :2])[:2]
    return math.sqrt(np.trace(covariance * scale[:2] * scale[:2, None]))


def closed_form(quick: bool) -> dict[str, object]:
    """Time the closed-form map at 12 APs, and how it grows with APs and points."""
    network, assignment = network_of(12)
    gain = information_gain(network, ENERGY_W, 1.0, NOISE_W)
    few, many = points_of(20 if quick else 60), points_of(100_000)
    np.testing.assert_allclose(
        closed_form_map_m(network, assignment, few, gain), plain(network, assignment, few), rtol=AGREEMENT
    )
    repeats = 3 if quick else 7
    n_aps, n_points = [50, 500, 5000], [10_000, 100_000, 1_000_000]
    if quick:
        n_aps, n_points = [50, 500], [10_000, 100_000]
    by_points = []
    for n in n_points:
        points = points_of(n)
        by_points.append(cpu_s(lambda p=points: closed_form_map_m(network, assignment, p, gain), repeats))
    by_aps = []
    for n in n_aps:
        drawn, points = network_of(n), points_of(2000)
        by_aps.append(cpu_s(lambda split=drawn, p=points: closed_form_map_m(*split, p, gain), 3))
    fast_s, plain_s = in_turns_s(
        lambda: closed_form_map_m(network, assignment, many, gain), lambda: plain(network, assignment, few), repeats
    )
    fast_s, plain_s = fast_s / len(many), plain_s / len(few)
    return {
        "fast_s": fast_s * len(many),
        "plain_s": plain_s * len(many),
        "ratio": plain_s / fast_s,
        "us_per_point": 1e6 * fast_s,
        "plain_us_per_point": 1e6 * plain_s,
        "us_per_point_by_aps": {n: 1e6 * s / 2000 for n, s in zip(n_aps, by_aps, strict=True)},
        "exponent_aps": exponent(n_aps, by_aps),
        "exponent_points": exponent(n_points, by_points),
    }


def any_gram(quick: bool) -> dict[str, object]:
    """Time the map for overlapping signals against the general Fisher matrix one point at a time."""
    network, assignment = network_of(12)
    rng = np.random.default_rng(3)
    gram = gram_statistic(1e-2 * (rng.standard_normal((6, 8, 60)) + 1j * rng.standard_normal((6, 8, 60))))
    few, many = points_of(20 if quick else 60), points_of(4096)

    def one_by_one() -> Float:
        each = [target_bounds_m(network, assignment, [p], 1.0, 0.0, gram, NOISE_W, "coherent")[0] for p in few]
        return np.array(each)

    def at_once(points: Float) -> Float:
        return any_gram_map_m(network, assignment, points, 1.0, gram, NOISE_W)

    np.testing.assert_allclose(at_once(few), one_by_one(), rtol=AGREEMENT)
    fast_s, plain_s = in_turns_s(lambda: at_once(many), one_by_one, 3 if quick else 5)
    fast_s, plain_s = fast_s / len(many), plain_s / len(few)
    return {
        "any_gram_us_per_point": 1e6 * fast_s,
        "any_gram_plain_us_per_point": 1e6 * plain_s,
        "any_gram_ratio": plain_s / fast_s,
        "cpi_ms": {n: 1e3 * _cpi_s(network, assignment, gram, n, 3 if quick else 9) for n in (1, 2, 4)},
    }


def grid(quick: bool) -> dict[str, object]:
    """Time a 1 m grid, far APs interpolated, against the closed-form map of its pixels, in its large blocks."""
    coordinates = np.arange(0.5, 256.0 if quick else 512.0)
    pixels = np.stack(np.meshgrid(coordinates, coordinates), axis=-1).reshape(-1, 2)
    every = slice(None, None, len(pixels) // 12_000)
    some = pixels[every]
    grid_us, direct_us = dict[int, float](), dict[int, float]()
    for n in (100, 1000) if quick else (100, 1000, 5000):
        network, assignment = network_of(n)
        np.testing.assert_allclose(
            grid_map_m(network, assignment, coordinates, coordinates, 1.0).ravel()[every],
            closed_form_map_m(network, assignment, some, 1.0),
            rtol=GRID_AGREEMENT,
        )
        seconds, direct_s = in_turns_s(
            lambda n=network, a=assignment: grid_map_m(n, a, coordinates, coordinates, 1.0),
            lambda n=network, a=assignment: closed_form_map_m(n, a, some, 1.0),
            1 if n > 1000 else 5,
        )
        grid_us[n] = 1e6 * seconds / len(pixels)
        direct_us[n] = 1e6 * direct_s / len(some)
    ratio = {n: direct_us[n] / grid_us[n] for n in grid_us}
    return {"grid_us_per_point": grid_us, "grid_plain_us_per_point": direct_us, "grid_ratio": ratio}


def _cpi_s(network: Network, assignment: ModeAssignment, gram: NDArray, n_targets: int, repeats: int) -> float:
    """Return the time of the joint coherent bound of a CPI's targets in s."""
    targets = points_of(n_targets)
    return cpu_s(lambda: target_bounds_m(network, assignment, targets, 1.0, 0.0, gram, NOISE_W, "coherent"), repeats)


def run(quick: bool) -> dict[str, object]:
    """Return the figures of all bounds; ``quick`` takes seconds and leaves the largest sizes out."""
    with threadpool_limits(limits=1):
        return {"name": "bounds", **closed_form(quick), **grid(quick), **any_gram(quick)}


if __name__ == "__main__":
    print(run(quick=False))
