"""Search over the lobes of the carrier phase: tiles as matrix products, against the cost at every lattice point.

The plain way evaluates the legs and the matched filters of blocks of points and adds up the pairs, as one would
without knowing that phases are linear inside a tile. Both look at the same lattice and must find the same lobe.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.workload import cpu_s, exponent, observe, peak_mib
from models.estimation.lattice import LobeSearch
from models.estimation.likelihood import Echoes, coherent_free_power, match
from models.radio.geometry import rays

__all__ = ["plain", "run"]

Float = NDArray[np.float64]
Model = Literal["structured", "free"]
HALF_BOX_M = 5.0  # an error ellipse with these half axes
LARGE_M = np.array([20.0, 50.0])  # half axes of the error ellipse of a weak target
POINTS_PER_WAVELENGTH = {"structured": 7.0, "free": 14.0}  # of the lattice, the lobes of "free" being half as wide
BLOCK_POINTS = 1024  # points at a time, so that products stay in the cache


def structured_power(echoes: Echoes, points_m: Float) -> Float:
    """Return |sum v c e^{jk(d_t + d_r)}|^2 / sum c^2 D, c = 1/(d_t d_r), at points, pair by pair; no cross terms."""
    ray = rays(echoes.network, points_m)
    leg = np.exp(1j * echoes.network.wavenumber_rad_m * ray.distance_m) / ray.distance_m
    output, power = match(echoes, np.exp(-1j * np.pi * ray.sine))
    towards, back = leg[echoes.transmitters], leg[echoes.receivers]
    total = np.einsum("rtg,rg,tg->g", output, back, towards)
    noise = np.einsum("rg,tg,tg->g", np.abs(back) ** 2, np.abs(towards) ** 2, power[0].real)
    return np.abs(total) ** 2 / noise


def plain(echoes: Echoes, model: Model, points_m: Float) -> Float:
    """Return the coherent explained power at points, block after block."""
    power: Callable[[Echoes, Float], Float] = structured_power if model == "structured" else _free_power
    blocks = [power(echoes, points_m[i : i + BLOCK_POINTS]) for i in range(0, len(points_m), BLOCK_POINTS)]
    return np.concatenate(blocks)


def _free_power(echoes: Echoes, points_m: Float) -> Float:
    return coherent_free_power(echoes, points_m)[0]


def lattice(centre_m: Float, half_m: float, step_m: float) -> Float:
    """Return the points of a square lattice around a centre, shape (n, 2)."""
    ticks = np.arange(-half_m, half_m + step_m / 2.0, step_m)
    return centre_m + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def case(seed: int, *, overlapping: bool = False, n_aps: int = 12, n_antennas: int = 8) -> tuple[Echoes, Float]:
    """Return the echoes of a target at 30 dBm, 100 m or more from all APs, and its position."""
    rng = np.random.default_rng([43, seed])
    target = rng.uniform(100.0, 900.0, (1, 2))
    while True:
        observation = observe(rng, target, overlapping=overlapping, n_aps=n_aps, n_antennas=n_antennas)
        if rays(observation.network, target).distance_m.min() > 100.0:
            return Echoes.of(observation), target[0]


def require_same_lobe(echoes: Echoes, model: Model, target_m: Float) -> None:
    """Raise unless the search finds the best point of a finer plain scan of half a metre around the target."""
    step = echoes.network.wavelength_m / POINTS_PER_WAVELENGTH[model]
    points = lattice(target_m, 0.25, step / 2.0)
    best = points[np.argmax(plain(echoes, model, points))]
    found = LobeSearch(coherent=model).search(echoes, target_m, np.full(2, 0.3), np.eye(2)).positions_m[0]
    if np.linalg.norm(found - best) > step:
        raise RuntimeError(f"{model}: the lattice found {found}, the plain scan {best}")


def search_of(echoes: Echoes, model: Model, centre_m: Float, half_m: float) -> Callable[[], object]:
    """Return a search of the circle of radius ``half_m``."""
    return lambda: LobeSearch(coherent=model).search(echoes, centre_m, np.full(2, half_m), np.eye(2))


def large_ms_per_m2(model: Model, overlapping: bool, quick: bool) -> float:
    """Return the time of a square metre of a region of thousands of tiles (quick: of hundreds)."""
    echoes, target = case(0, overlapping=overlapping)
    half = LARGE_M / 4.0 if quick else LARGE_M
    search_s = cpu_s(lambda: LobeSearch(coherent=model).search(echoes, target, half, np.eye(2)), 3)
    return 1e3 * search_s / (np.pi * float(half.prod()))


def compare(model: Model, quick: bool) -> dict[str, float]:
    """Return times for a square metre of lattice, and for the whole circle of 5 m."""
    echoes, target = case(0)
    require_same_lobe(echoes, model, target)
    density = (POINTS_PER_WAVELENGTH[model] / echoes.network.wavelength_m) ** 2
    area_m2 = np.pi * HALF_BOX_M**2
    fast_s = cpu_s(search_of(echoes, model, target, HALF_BOX_M), 3 if quick else 9) / area_m2
    some = lattice(target, 0.25 if quick else 0.5, 1.0 / np.sqrt(density))
    plain_s = cpu_s(lambda: plain(echoes, model, some), 1 if quick else 3) / len(some) * density
    return {
        "fast_s": fast_s * area_m2,
        "plain_s": plain_s * area_m2,
        "ratio": plain_s / fast_s,
        "ms_per_m2": 1e3 * fast_s,
        "large_ms_per_m2": large_ms_per_m2(model, False, quick),
        "plain_ms_per_m2": 1e3 * plain_s,
        "us_per_point": 1e6 * fast_s / density,
        "plain_us_per_point": 1e6 * plain_s / density,
        "peak_mib": peak_mib(search_of(echoes, model, target, HALF_BOX_M)),
    }


def growth(quick: bool) -> dict[str, float]:
    """Return how the time of a search grows with lattice points, antennas and APs, for structured amplitudes."""
    halves, antennas, aps = (2.0, 4.0, 8.0), (4, 8, 16), (6, 12, 24)
    if not quick:
        halves, antennas, aps = (2.0, 4.0, 8.0, 16.0), (4, 8, 16, 32), (6, 12, 24, 48)
    echoes, target = case(0)
    by_area = [cpu_s(search_of(echoes, "structured", target, half), 3) for half in halves]

    def search_s(n_aps: int = 12, n_antennas: int = 8) -> float:
        return cpu_s(search_of(*_swapped(case(0, n_aps=n_aps, n_antennas=n_antennas)), HALF_BOX_M), 3)

    return {
        "exponent_points": exponent([half**2 for half in halves], by_area),
        "exponent_antennas": exponent(antennas, [search_s(n_antennas=n) for n in antennas]),
        "exponent_aps": exponent(aps, [search_s(n_aps=n) for n in aps]),
    }


def _swapped(found: tuple[Echoes, Float]) -> tuple[Echoes, Model, Float]:
    return found[0], "structured", found[1]


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of both models of the amplitude; those of "free" come first, in the paper's sense."""
    with threadpool_limits(limits=1):
        return {
            "name": "lattice",
            **compare("free", quick),
            "structured": compare("structured", quick),
            "overlapping": {"large_ms_per_m2": large_ms_per_m2("structured", True, quick)},
            **growth(quick),
        }


if __name__ == "__main__":
    print(run(quick=False))
