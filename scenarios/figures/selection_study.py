"""Every selector on the same random layout, against all splits that there are: one layout of `dmimo figure selection`.

Channels, layouts and points are the same for all selectors (common random numbers). A split is scored by what it is
worth, never by the metric that it was chosen on: the spectral efficiency is that of (7) over channel draws that no
selector saw, the coverage is counted on a grid of its own.
"""

import itertools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bounds.closed_form import information_gain, sensing_energy_w
from models.bounds.maps import ap_moments, bound_from_moments_m, keep_memory
from models.network import ModeAssignment
from models.radio.efficiency import spectral_efficiency
from models.radio.geometry import on_access_point
from models.radio.transmission import precoding_matrix
from models.selection.base import ModeSelector
from models.selection.bound import MOST_APS_TO_EXHAUST, BoundGreedy, Exhaustive, JointGreedy
from models.selection.communication_centric import CommunicationCentric, gain_ratio_spectral_efficiency
from models.selection.farthest_point import FarthestPoint
from models.selection.greedy import GreedySpectralEfficiency, GreedySurrogate, SampledEfficiency, large_scale_efficiency
from models.selection.random import Random
from scenarios.figures.layouts import Layout
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario

__all__ = [
    "EXCHANGE_RATES", "METRICS", "SELECTORS", "SETTING", "LayoutStudy", "all_splits", "best_for",
    "not_dominated", "study", "study_scenario",
]  # fmt: skip

Float = NDArray[np.float64]
Members = NDArray[np.bool_]

SETTING: dict[str, Any] = {
    "radio.transmit_power_dbm": 20.0,
    "radio.comm_power_fraction": 0.5,
    "schedule.snapshots_per_slot": 1,
    "schedule.n_receivers": 6,
    "access_points.n_antennas": 8,
    "user_equipment.count": 10,
}
GRID_STEP_M = 25.0
"""Step of the points at which coverage is counted: 1600 in 1 km^2, none of them a point of a selector's grid."""
THRESHOLD_WAVELENGTHS = 0.1
N_DRAWS = 10
"""Fading draws per layout."""
SETTABLE = (
    "radio.carrier_hz", "radio.bandwidth_hz", "radio.noise_temperature_k", "radio.noise_figure_db",
    "radio.transmit_power_dbm", "radio.comm_power_fraction", "radio.path_loss", "radio.rician_k_db",
    "radio.angular_std_deg", "area.size_m", "access_points.count", "access_points.positions_m",
    "access_points.boresights_deg", "access_points.n_antennas", "user_equipment.count", "user_equipment.positions_m",
    "schedule.snapshots_per_slot", "schedule.n_receivers",
)  # fmt: skip
"""Keys of a scenario that the study depends on."""
SPLITS_AT_ONCE = 32
JOINT_WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)

SELECTORS: dict[str, ModeSelector] = {
    "random": Random(),
    "sensing-centric": FarthestPoint(),
    "communication-centric": CommunicationCentric(),
    "communication-centric-amplitude": CommunicationCentric(amplitude=True),
    "greedy-surrogate": GreedySurrogate(),
    "greedy-se": GreedySpectralEfficiency(),
    **{f"joint-greedy-{weight:g}": JointGreedy(coverage_weight=weight) for weight in JOINT_WEIGHTS},
    "bound-greedy": BoundGreedy(),
    "exhaustive": Exhaustive(),
}
METRICS = ("(19)", "(19) amplitude", "closed form")
"""What selectors rank splits by, against the spectral efficiency of (7)."""
EXCHANGE_RATES = np.array([0.0, *np.geomspace(0.5, 500.0, 31), 1e9])
"""Worth of full coverage in bit/s/Hz: each makes another split the best."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayoutStudy:
    """What one layout shows.

    Attributes
    ----------
    coverage, sum_se_bit_s_hz, cpu_s
        Of each selector, shape (n_selectors,); the time is that of deciding.
    ue_se_bit_s_hz
        Spectral efficiency of each UE, shape (n_selectors, n_ues).
    average, best
        Coverage and sum spectral efficiency (true) of the average split, and the largest of each, shape (2,).
    rank_correlation
        Spearman's, of each metric with the true sum spectral efficiency over all splits, shape (n_metrics,).
    front
        Coverage and true sum spectral efficiency of the split of highest SE + rate * coverage at each exchange rate,
        for the true SE and for the closed form, shape (2, n_rates, 2).
    splits
        Coverage, true and closed-form sum spectral efficiency of every split, shape (3, n_splits).
    """

    coverage: Float
    sum_se_bit_s_hz: Float
    cpu_s: Float
    ue_se_bit_s_hz: Float
    average: Float
    best: Float
    rank_correlation: Float
    front: Float
    splits: Float


def study_scenario(overrides: Mapping[str, Any]) -> Scenario:
    """Return the scenario of the study with other settings than its own where given.

    Raises
    ------
    ScenarioError
        If it is wrong, has no UE or more than 16 access points, or if a setting has no effect here.
    """
    if odd := [key for key in overrides if key not in SETTABLE]:
        raise ScenarioError("--set", [f"{key} has no effect here; allowed: {', '.join(SETTABLE)}" for key in odd])
    scenario = load("paper", SETTING | dict(overrides))
    if scenario.access_points.count > MOST_APS_TO_EXHAUST:
        text = f"got {scenario.access_points.count}; allowed: <= {MOST_APS_TO_EXHAUST}, every split of them is tried"
        raise ScenarioError("access_points.count", [text])
    if not scenario.user_equipment.count:
        raise ScenarioError("user_equipment.count", ["got 0; allowed: >= 1, there is no spectral efficiency without"])
    return scenario


def study(index: int, scenario: Scenario, seed: int) -> LayoutStudy:
    """Return what layout ``index`` of a seed shows."""
    keep_memory()  # 0.71 s of CPU time become 0.46
    layout = Layout.draw(scenario, seed, index, N_DRAWS)
    transmits, covered = all_splits(layout), partial(_coverage, layout)
    truth = SampledEfficiency.of(layout.view, layout.channels).sum_spectral_efficiency
    chosen, seconds = zip(*(_decision(layout, selector) for selector in SELECTORS.values()), strict=True)
    own = np.array([[mode.value == "transmit" for mode in assignment.modes] for assignment in chosen])
    metrics = _metrics(layout, transmits)
    all_covered, all_rates = covered(transmits), _in_batches(truth, transmits)
    values = np.stack([all_covered, all_rates], axis=-1)
    wanted = [best_for(EXCHANGE_RATES, all_covered, rates) for rates in (all_rates, metrics[-1])]
    return LayoutStudy(
        coverage=covered(own),
        sum_se_bit_s_hz=truth(own),
        cpu_s=np.array(seconds),
        ue_se_bit_s_hz=np.array([_ue_rates(layout, assignment) for assignment in chosen]),
        average=values.mean(axis=0),
        best=values.max(axis=0),
        rank_correlation=np.array([_rank_correlation(metric, all_rates) for metric in metrics]),
        front=values[np.array(wanted)],
        splits=np.stack([all_covered, all_rates, metrics[-1]]),
    )


def _decision(layout: Layout, selector: ModeSelector) -> tuple[ModeAssignment, float]:
    """Return what a selector decides and the CPU time in s that it takes."""
    start = time.process_time()
    assignment = layout.assignment(selector)
    return assignment, time.process_time() - start


def all_splits(layout: Layout) -> Members:
    """Return which APs transmit in each split, shape (n_splits, n_aps)."""
    n_aps = layout.network.n_aps
    receivers = np.array(list(itertools.combinations(range(n_aps), layout.view.n_receivers)))
    transmits = np.ones((len(receivers), n_aps), dtype=bool)
    np.put_along_axis(transmits, receivers, False, axis=1)
    return transmits


def _in_batches(value: Any, members: Members) -> Float:
    starts = range(0, len(members), SPLITS_AT_ONCE)
    return np.concatenate([value(members[start : start + SPLITS_AT_ONCE]) for start in starts])


def _coverage(layout: Layout, transmits: Members) -> Float:
    """Return the share of points whose coherent bound is within a tenth of a wavelength, for each split.

    On an access point there is no bound.
    """
    network, radio, points = layout.network, layout.view.radio, layout.points_m(GRID_STEP_M)
    gain = information_gain(network, sensing_energy_w(radio, network.n_antennas), 1.0, radio.noise_power_w)
    moments = ap_moments(network, points[~on_access_point(network, points)], np.arange(network.n_aps), gain)

    def share(members: Members) -> Float:
        sides = (np.tensordot(side.astype(float), moments, axes=1) for side in (members, ~members))
        covered = bound_from_moments_m(*sides) <= THRESHOLD_WAVELENGTHS * network.wavelength_m
        return np.count_nonzero(covered, axis=-1) / len(points)

    return _in_batches(share, transmits)


def _metrics(layout: Layout, transmits: Members) -> list[Float]:
    """Return (19) in both readings and the closed form of (7), of each split."""
    view = layout.view
    noise = view.radio.noise_power_w / view.radio.transmit_power_w
    return [
        gain_ratio_spectral_efficiency(transmits, view.path_gain, noise**2),
        gain_ratio_spectral_efficiency(transmits, np.sqrt(view.path_gain), noise),
        large_scale_efficiency(view).sum_spectral_efficiency(transmits),
    ]


def _rank_correlation(metric: Float, truth: Float) -> float:
    """Return Spearman's rank correlation, NaN if one of them is the same for all."""
    if not (np.ptp(metric) and np.ptp(truth)):
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(metric, truth).statistic)


def _ue_rates(layout: Layout, assignment: ModeAssignment) -> Float:
    """Return the spectral efficiency of each UE, (7) averaged over slots and draws, shape (n_ues,)."""
    radio, transmitters = layout.view.radio, assignment.transmitters
    rho, power = radio.comm_power_fraction, radio.transmit_power_w
    sensing = (1.0 - rho) * power * np.eye(len(transmitters))
    draws = layout.channels[:, transmitters]
    precoding = precoding_matrix(draws, power, rho)
    rates = [spectral_efficiency(h, v, sensing, radio.noise_power_w) for h, v in zip(draws, precoding, strict=True)]
    return np.mean(rates, axis=0)


def best_for(exchange_rates: Float, covered: Float, rates: Float) -> NDArray[np.intp]:
    """Return the index of the split of highest rate + exchange_rate * coverage, for each exchange rate.

    >>> best_for(np.array([0.0, 10.0]), np.array([0.2, 0.5]), np.array([9.0, 8.0])).tolist()
    [0, 1]
    """
    return np.argmax(rates + exchange_rates[:, None] * covered, axis=1)


def not_dominated(covered: Float, rates: Float) -> NDArray[np.intp]:
    """Return the indices of the Pareto front, by rising coverage: no split has more of one and not less of the other.

    >>> not_dominated(np.array([0.1, 0.3, 0.2, 0.3]), np.array([9.0, 7.0, 6.0, 5.0])).tolist()
    [0, 1]
    """
    order = np.lexsort((-rates, -covered))
    best_so_far = np.maximum.accumulate(np.concatenate([[-np.inf], rates[order][:-1]]))
    return order[rates[order] > best_so_far][::-1]
