"""Receivers chosen on coverage: moments moved between the sides against the closed form worked out for every split.

`run` returns process CPU times, one BLAS thread. Both ways search alike and must choose the same receivers.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special
from threadpoolctl import threadpool_limits

from benchmarks.workload import cpu_s
from models.bounds.closed_form import (
    closed_form_information,
    coverage,
    information_gain,
    position_error_bound_m,
    sensing_energy_w,
)
from models.network import Area, ModeAssignment, Network, Radio
from models.selection.base import ModeSelector
from models.selection.bound import BoundGreedy, Exhaustive
from models.selection.farthest_point import FarthestPoint
from models.view import View

SIDE_M = 1000.0
POINTS_PER_SIDE = 50
N_RECEIVERS = 6
THRESHOLD_WAVELENGTHS = 0.1
STUDY_POWER_W = 0.1  # 20 dBm, where `dmimo figure selection` compares the selectors


def view_of(n_aps: int, seed: int, power_w: float = 0.01) -> View:
    """Return the view of a random network without UEs."""
    rng = np.random.default_rng(seed)
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, SIDE_M, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=8,
        carrier_hz=3.5e9,
    )
    radio = Radio(
        bandwidth_hz=1e5,
        noise_power_w=4e-16,
        transmit_power_w=power_w,
        comm_power_fraction=0.5,
        illumination="sensing",
        n_snapshots=1,
        rician_k=8.0,
    )
    return View(
        network=network,
        area=Area(width_m=SIDE_M, height_m=SIDE_M),
        radio=radio,
        path_gain=np.empty((n_aps, 0)),
        n_receivers=N_RECEIVERS,
        alive=np.ones(n_aps, dtype=bool),
    )


def split_bounds_m(view: View, assignment: ModeAssignment, points_per_side: int = POINTS_PER_SIDE) -> NDArray:
    """Return the coherent bound of a split over the grid, by the closed form from scratch."""
    points = np.stack(np.meshgrid(*view.area.grid(SIDE_M / points_per_side), indexing="ij"), axis=-1).reshape(-1, 2)
    energy = sensing_energy_w(view.radio, view.network.n_antennas)
    gain = information_gain(view.network, energy, 1.0, view.radio.noise_power_w)
    return position_error_bound_m(closed_form_information(view.network, assignment, points, gain)[1])


def plain(view: View, n_moves: int = N_RECEIVERS) -> list[int]:
    """Return the receivers that a greedy search picks when every candidate split is evaluated from scratch."""
    n_aps, receivers = view.network.n_aps, list[int]()
    threshold_m = THRESHOLD_WAVELENGTHS * view.network.wavelength_m
    for _ in range(n_moves):
        scores = np.full(n_aps, -np.inf)
        for ap in set(range(n_aps)) - set(receivers):
            split = [*receivers, ap]
            assignment = ModeAssignment.of(n_aps, [i for i in range(n_aps) if i not in split], split)
            peb = split_bounds_m(view, assignment)
            smooth = np.nan_to_num(1.0 / (1.0 + peb / threshold_m)).mean()
            scores[ap] = coverage(peb, threshold_m) + 1e-3 * smooth
        receivers.append(int(np.argmax(scores)))
    return sorted(receivers)


def select_s(selector: BoundGreedy | Exhaustive, view: View, repeats: int) -> float:
    """Return the time of one selection in s, after one to warm up."""
    rng = np.random.default_rng(0)
    return cpu_s(lambda: selector.select(view, rng), repeats)


def coverages(n_aps: int, n_layouts: int, power_w: float = 0.01) -> dict[str, list[float]]:
    """Return the coverage of each selector on each of some random layouts."""
    selectors: dict[str, ModeSelector] = {
        "farthest_point": FarthestPoint(),
        "greedy": BoundGreedy(improve=False),
        "greedy_exchange": BoundGreedy(),
    }
    if n_aps == 12:
        selectors["exhaustive"] = Exhaustive()
    rng, result = np.random.default_rng(0), {name: list[float]() for name in selectors}
    for seed in range(n_layouts):
        view = view_of(n_aps, seed, power_w)
        threshold_m = THRESHOLD_WAVELENGTHS * view.network.wavelength_m
        for name, selector in selectors.items():
            result[name].append(coverage(split_bounds_m(view, selector.select(view, rng)), threshold_m))
    return result


def shortfall(n_layouts: int) -> dict[str, dict[str, float]]:
    """Return by how much coverage falls short of that of exhaustive search at 12 APs and 20 dBm, layout by layout.

    For each selector the mean of the paired differences, the ends of its 95 % interval (Student's t), the largest
    difference, and the mean coverage.
    """
    each = {name: np.array(values) for name, values in coverages(12, n_layouts, STUDY_POWER_W).items()}
    best, result = each["exhaustive"], {}
    quantile = float(special.stdtrit(n_layouts - 1, 0.975))
    for name, values in each.items():
        lost = best - values
        half = quantile * lost.std(ddof=1) / np.sqrt(n_layouts)
        result[name] = {
            "coverage": values.mean(), "mean": lost.mean(), "low": lost.mean() - half, "high": lost.mean() + half,
            "largest": lost.max(), "layouts": n_layouts,
        }  # fmt: skip
    return result


def run(quick: bool) -> dict[str, object]:
    """Return times and coverages; ``quick`` takes seconds and leaves the largest networks out."""
    repeats, sizes, large = (1, [12, 24], [50, 200]) if quick else (5, [12, 24, 48, 96], [50, 200, 1000, 5000])
    with threadpool_limits(limits=1):
        view, greedy = view_of(24, 0), BoundGreedy(improve=False)
        chosen = greedy.select(view, np.random.default_rng(0)).receivers.tolist()
        _require_same(plain(view), chosen)
        plain_s = cpu_s(lambda: plain(view), 1)
        fast_s = select_s(greedy, view, repeats)
        coarse = BoundGreedy(improve=False, points_per_side=20)
        growth = [select_s(coarse, view_of(n, 0), 1) for n in large]
        n_splits = sum(24 - i for i in range(N_RECEIVERS))
        return {
            "name": "selection",
            "fast_s": fast_s,
            "plain_s": plain_s,
            "plain_ms": 1e3 * plain_s,
            "ratio": plain_s / fast_s,
            "us_per_point": 1e6 * fast_s / (n_splits * POINTS_PER_SIDE**2),
            "greedy_ms": {n: 1e3 * select_s(greedy, view_of(n, 0), repeats) for n in sizes},
            "greedy_exchange_ms": {n: 1e3 * select_s(BoundGreedy(), view_of(n, 0), repeats) for n in sizes},
            "exhaustive_12_ms": 1e3 * select_s(Exhaustive(), view_of(12, 0), repeats),
            "exponent_aps": float(np.polyfit(np.log(large), np.log(growth), 1)[0]),
            "shortfall_12": shortfall(4 if quick else 40),
            "coverage_24": {name: float(np.mean(c)) for name, c in coverages(24, 2 if quick else 20).items()},
        }


def _require_same(found: list[int], expected: list[int]) -> None:
    """Raise unless both ways chose the same receivers."""
    if found != expected:
        raise RuntimeError(f"the plain search chose receivers {found}, the fast one {expected}")


if __name__ == "__main__":
    print(run(quick=False))
