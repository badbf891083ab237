"""A 1 m map of the non-coherent cost: few exact values interpolated, against the cost at every pixel.

The plain way is not slow by design: blocks of pixels, one matrix product and Horner's rule each, single precision,
phasors of all pixels kept from map to map. It is counted how many detections are the same both ways: local maxima above
the threshold, polished on the exact cost, and the targets that CLEAN finds.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.workload import AREA, cpu_s, exponent, observe, peak_mib
from models.estimation.cost_maps import MapNodes
from models.estimation.detection import local_maxima, point_threshold
from models.estimation.likelihood import Echoes, degrees_of_freedom, grid_phasors, noncoherent_power, phasors
from models.estimation.peaks import coarse_peaks
from models.estimation.scene import Found, Scene
from models.observation import Observation

__all__ = ["clean", "maxima", "plain", "run"]

Float = NDArray[np.float64]
Map = Callable[[Echoes], NDArray]

N_TARGETS, FALSE_ALARM = 4, 1e-6
SAME_M, DISTINCT_M, FROM_AP_M = 0.01, 0.02, 10.0
MOST_TARGETS, LAST_STEPS = 8, 200  # weak targets next to an AP move for long
STENCIL_M, LONGEST_STEP_M, NEWTON_STEPS, CONVERGED_M = 0.02, 0.5, 25, 1e-4


def case(seed: int, overlapping: bool, **size: int) -> Observation:
    """Return the observation of four random targets at 30 dBm."""
    rng = np.random.default_rng([41, seed])
    return observe(rng, rng.uniform(0.0, AREA.width_m, (N_TARGETS, 2)), overlapping=overlapping, **size)


def plain(observation: Observation, step_m: float = 1.0) -> Map:
    """Return the map as a function of the echoes, evaluated at every pixel."""
    x, y = AREA.grid(step_m)
    _, phasor = grid_phasors(observation.network, AREA, step_m)
    return lambda echoes: noncoherent_power(echoes, phasor).reshape(len(y), len(x))


def maxima(image: NDArray, echoes: Echoes, step_m: float = 1.0) -> Float:
    """Return the polished maxima of a map above the threshold, away from the APs, each once, shape (n, 2)."""
    points, _ = grid_phasors(echoes.network, AREA, step_m)
    peaks = local_maxima(image)
    peaks = peaks[image.ravel()[peaks] > point_threshold(degrees_of_freedom(echoes), FALSE_ALARM)]
    offset = points[peaks, None] - echoes.network.ap_positions_m
    peaks = peaks[np.hypot(offset[..., 0], offset[..., 1]).min(axis=1) > FROM_AP_M]
    found = polished(echoes, points[peaks])
    kept = np.empty((0, 2))
    for point in found:
        if np.linalg.norm(kept - point, axis=1).min(initial=np.inf) > DISTINCT_M:
            kept = np.concatenate([kept, point[None]])
    return kept


def polished(echoes: Echoes, points_m: Float) -> Float:
    """Return the maxima of the exact cost that Newton's method reaches from the points, in double precision.

    Derivatives are differences over a stencil of 3 x 3; a step is at most half a metre. Points from which it does not
    converge are left out: ridges of the cost have maxima of the map on them, and none of the cost.
    """
    stencil = STENCIL_M * np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1)), axis=-1).reshape(-1, 2)  # row y, column x
    step = np.full(points_m.shape, np.inf)
    for _ in range(NEWTON_STEPS):
        near = (points_m[:, None] + stencil).reshape(-1, 2)
        t = noncoherent_power(echoes, phasors(echoes.network, near)).reshape(-1, 3, 3) / STENCIL_M**2
        gradient = STENCIL_M / 2.0 * np.stack([t[:, 1, 2] - t[:, 1, 0], t[:, 2, 1] - t[:, 0, 1]], axis=-1)
        bend = np.empty((len(t), 2, 2))
        bend[:, 0, 0] = t[:, 1, 0] - 2.0 * t[:, 1, 1] + t[:, 1, 2]
        bend[:, 1, 1] = t[:, 0, 1] - 2.0 * t[:, 1, 1] + t[:, 2, 1]
        bend[:, 0, 1] = bend[:, 1, 0] = (t[:, 2, 2] - t[:, 2, 0] - t[:, 0, 2] + t[:, 0, 0]) / 4.0
        values, vectors = np.linalg.eigh(bend)
        along = np.einsum("pij,pi->pj", vectors, gradient) / np.maximum(np.abs(values), 1e-12)
        step = np.einsum("pij,pj->pi", vectors, along)
        step *= np.minimum(1.0, LONGEST_STEP_M / np.maximum(np.hypot(*step.T), 1e-12))[:, None]
        points_m = points_m + step
    return points_m[(np.hypot(*step.T) < CONVERGED_M) & (values < 0.0).all(axis=1)]


def clean(power: Map, echoes: Echoes, step_m: float = 1.0) -> Float:
    """Return the targets found one after the other: strongest peak, polish, subtract, map again; shape (n, 2)."""
    points, _ = grid_phasors(echoes.network, AREA, step_m)
    scene, threshold = Scene(echoes), point_threshold(degrees_of_freedom(echoes), FALSE_ALARM / 1200)
    while len(scene) < MOST_TARGETS:
        residual = scene.residual()
        image = power(residual).ravel()
        highest = int(np.argmax(image))
        if image[highest] < threshold:
            break
        peak = coarse_peaks(residual, points[highest][None], AREA)
        if not len(peak.power):
            break
        scene = scene.refined([*scene.targets, Found("noncoherent", peak.positions_m[0])])
    return scene.refined(scene.targets, n_steps=LAST_STEPS).positions_m if len(scene) else scene.positions_m


def shared(found: Float, expected: Float) -> int:
    """Return how many of the expected positions were found to a centimetre."""
    if not len(found) or not len(expected):
        return 0
    apart = np.linalg.norm(found[:, None] - expected, axis=2).min(axis=0)
    return int(np.count_nonzero(apart < SAME_M))


def compare(overlapping: bool, n_layouts: int, n_clean: int) -> dict[str, Any]:
    """Return times and agreement over random layouts."""
    fast_s, plain_s, setup_s = [], [], []
    counts = dict.fromkeys(("maxima", "maxima_same", "clean", "clean_same"), 0)
    for seed in range(n_layouts):
        observation = case(seed, overlapping)
        echoes, network = Echoes.of(observation), observation.network
        setup_s.append(cpu_s(lambda n=network: MapNodes.of(n, AREA, 1.0), 1))
        nodes, direct = MapNodes.of(network, AREA, 1.0), plain(observation)
        fast_s.append(cpu_s(lambda n=nodes, e=echoes: n.power(e), 5))
        start = time.process_time()
        image = direct(echoes)
        plain_s.append(time.process_time() - start)
        expected, found = maxima(image, echoes), maxima(nodes.power(echoes), echoes)
        counts["maxima"] += len(expected)
        counts["maxima_same"] += shared(found, expected)
        if seed < n_clean:
            expected, found = clean(direct, echoes), clean(nodes.power, echoes)
            counts["clean"] += max(len(expected), len(found))
            counts["clean_same"] += shared(found, expected)
    fast, direct_s = float(np.median(fast_s)), float(np.median(plain_s))
    return {
        "fast_s": fast,
        "plain_s": direct_s,
        "ratio": direct_s / fast,
        "setup_s": float(np.median(setup_s)),
        "us_per_point": 1e6 * fast / _pixels(1.0),
        "plain_us_per_point": 1e6 * direct_s / _pixels(1.0),
        "layouts": n_layouts,
        **counts,
    }


def _pixels(step_m: float) -> int:
    x, y = AREA.grid(step_m)
    return len(x) * len(y)


def errors() -> dict[str, float]:
    """Return how far the interpolated map is off, over max(T, 36): the 99.9 % quantile, and the largest."""
    result = {}
    for name, overlapping in (("orthogonal", False), ("overlapping", True)):
        observation = case(0, overlapping)
        echoes = Echoes.of(observation)
        exact = plain(observation)(echoes)
        off = np.abs(MapNodes.of(observation.network, AREA, 1.0).power(echoes) - exact) / np.maximum(exact, 36.0)
        result[f"{name}_error_q999"], result[f"{name}_error_max"] = float(np.quantile(off, 0.999)), float(off.max())
    return result


def growth(quick: bool) -> dict[str, float]:
    """Return how the time of a map grows with pixels, antennas and APs."""
    steps, antennas, aps = ((4.0, 2.0, 1.0), (4, 8), (6, 12, 24)) if quick else (
        (4.0, 2.0, 1.0, 0.5), (4, 8, 16), (6, 12, 24, 48))  # fmt: skip

    def map_s(step_m: float = 1.0, **size: int) -> float:
        observation = case(0, False, **size)
        nodes, echoes = MapNodes.of(observation.network, AREA, step_m), Echoes.of(observation)
        return cpu_s(lambda: nodes.power(echoes), 1 if quick else 3)

    return {
        "exponent_points": exponent([_pixels(s) for s in steps], [map_s(s) for s in steps]),
        "exponent_antennas": exponent(antennas, [map_s(n_antennas=n) for n in antennas]),
        "exponent_aps": exponent(aps, [map_s(n_aps=n) for n in aps]),
    }


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of maps of orthogonal and of overlapping signals."""
    with threadpool_limits(limits=1):
        orthogonal = compare(False, 1 if quick else 3, 0 if quick else 2)
        overlapping = compare(True, 1 if quick else 2, 0 if quick else 1)
        observation = case(0, False)
        nodes, echoes = MapNodes.of(observation.network, AREA, 1.0), Echoes.of(observation)
        return {
            "name": "cost map",
            **orthogonal,
            "overlapping": overlapping,
            **({} if quick else errors()),
            **growth(quick),
            "nodes": nodes.phasor.shape[1],
            "peak_mib": peak_mib(lambda: nodes.power(echoes)),
            "plain_peak_mib": peak_mib(lambda: plain(observation, 2.0)(echoes)),
        }


if __name__ == "__main__":
    print(run(quick=False))
