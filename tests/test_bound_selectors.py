"""Selectors on coverage: what they promise against all splits, farthest-point sampling and their own objective."""

import dataclasses

import numpy as np
import pytest

from models.bounds.closed_form import coverage, information_gain, sensing_energy_w, target_bounds_m
from models.bounds.maps import closed_form_map_m
from models.network import Area, Mode, Network, Radio
from models.selection.bound import BoundGreedy, CoverageObjective, Exhaustive, JointGreedy
from models.selection.farthest_point import FarthestPoint
from models.selection.greedy import large_scale_efficiency
from models.selection.search import assign_transmitters
from models.view import View

SELECTORS = [
    BoundGreedy(points_per_side=12),
    BoundGreedy(points_per_side=12, improve=False),
    Exhaustive(points_per_side=12),
    JointGreedy(points_per_side=12),
]
ANY_RNG = np.random.default_rng(0)


def view_of(seed, n_aps=8, n_receivers=3, n_ues=3, power_dbm=10.0):
    rng = np.random.default_rng(seed)
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, 1000.0, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=8,
        carrier_hz=3.5e9,
        ue_names=tuple(f"ue-{i}" for i in range(n_ues)),
        ue_positions_m=rng.uniform(0.0, 1000.0, (n_ues, 2)),
    )
    radio = Radio(
        bandwidth_hz=1e5,
        noise_power_w=4e-16,
        transmit_power_w=10.0 ** (power_dbm / 10.0 - 3.0),
        comm_power_fraction=0.5,
        illumination="sensing",
        n_snapshots=1,
        rician_k=8.0,
    )
    distance = np.linalg.norm(network.ap_positions_m[:, None] - network.ue_positions_m, axis=-1)
    return View(
        network=network,
        area=Area(width_m=1000.0, height_m=1000.0),
        radio=radio,
        path_gain=1e-4 * distance**-2.1,
        n_receivers=n_receivers,
        alive=np.ones(n_aps, dtype=bool),
    )


def value_of(view, assignment, points_per_side=12):
    pool = np.arange(view.network.n_aps)
    objective = CoverageObjective.of(view, pool, 0.1 * view.network.wavelength_m, points_per_side, 1.0)
    return float(objective(np.isin(pool, assignment.receivers)[None])[0])


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("n_receivers", [0, 1, 3, 7])
def test_contract_number_of_receivers_and_repeatability(selector, n_receivers):
    view = view_of(1, n_receivers=n_receivers)
    chosen = selector.select(view, ANY_RNG)
    assert len(chosen.receivers) == n_receivers
    assert len(chosen.transmitters) == 8 - n_receivers
    assert selector.select(view, np.random.default_rng(99)) == chosen


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_aps_that_are_not_alive_are_idle(selector):
    view = view_of(2)
    alive = view.alive.copy()
    alive[[1, 6]] = False
    chosen = selector.select(dataclasses.replace(view, alive=alive), ANY_RNG)
    assert [i for i, mode in enumerate(chosen.modes) if mode is Mode.IDLE] == [1, 6]
    assert len(chosen.receivers) == 3


def test_objective_is_the_coverage_of_the_map():
    view = view_of(3, power_dbm=20.0)
    chosen = BoundGreedy(points_per_side=12).select(view, ANY_RNG)
    points = np.stack(np.meshgrid(*view.area.grid(1000.0 / 12), indexing="ij"), axis=-1).reshape(-1, 2)
    gain = information_gain(view.network, sensing_energy_w(view.radio, 8), 1.0, view.radio.noise_power_w)
    peb = closed_form_map_m(view.network, chosen, points, gain)
    threshold_m = 0.1 * view.network.wavelength_m
    smooth = np.mean(1.0 / (1.0 + peb / threshold_m))
    assert value_of(view, chosen) == pytest.approx(coverage(peb, threshold_m) + 1e-3 * smooth, rel=1e-9)


POWERS = np.array([1.0, 0.1, 4.0, 1.0, 0.01, 30.0, 1.0, 0.5])


def with_powers(view, powers=POWERS):
    return dataclasses.replace(view, network=dataclasses.replace(view.network, relative_power=powers))


@pytest.mark.parametrize("receivers", [[0, 3, 6], [4], [0, 1, 2, 3, 4, 5, 6], [2, 5]], ids=str)
def test_objective_with_powers_that_differ_is_that_of_the_bound_for_any_q(receivers):
    view = with_powers(view_of(3, power_dbm=20.0))
    chosen = assign_transmitters(view, np.arange(8), np.setdiff1d(np.arange(8), receivers))
    points = np.stack(np.meshgrid(*view.area.grid(1000.0 / 12), indexing="ij"), axis=-1).reshape(-1, 2)
    each = sensing_energy_w(view.radio, 8) * POWERS[chosen.transmitters]
    gram = np.einsum("t,tu,nm->tnum", each, np.eye(len(each)), np.eye(8)).astype(complex)
    noise_w, threshold_m = view.radio.noise_power_w, 0.1 * view.network.wavelength_m
    peb = [
        target_bounds_m(view.network, chosen, point[None], np.ones(1), np.zeros(1), gram, noise_w, "coherent")[0]
        for point in points
    ]
    smooth = np.mean(1.0 / (1.0 + np.array(peb) / threshold_m))
    assert value_of(view, chosen) == pytest.approx(coverage(peb, threshold_m) + 1e-3 * smooth, rel=1e-9)


def test_powers_that_are_equal_after_all_give_the_same_value():
    """Twice the power of all is twice the power of the radio: the one goes by two sums, the other by one."""
    view = view_of(3, power_dbm=17.0)
    twice = dataclasses.replace(view, radio=dataclasses.replace(view.radio, transmit_power_w=10.0**-1.3 * 2.0))
    chosen = Exhaustive(points_per_side=12).select(twice, ANY_RNG)
    both = with_powers(view, np.full(8, 2.0))
    assert Exhaustive(points_per_side=12).select(both, ANY_RNG) == chosen
    assert value_of(both, chosen) == pytest.approx(value_of(twice, chosen), rel=1e-9)


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: type(s).__name__)
def test_a_selection_with_powers_that_differ_is_worth_more_than_one_that_takes_them_for_equal(selector):
    view = view_of(7, power_dbm=15.0)
    true = with_powers(view)
    chosen, taken_for_equal = selector.select(true, ANY_RNG), selector.select(view, ANY_RNG)
    assert value_of(true, chosen) >= value_of(true, taken_for_equal)
    assert chosen != taken_for_equal


def test_objective_of_a_pool_leaves_out_the_other_aps():
    view, alive = view_of(10, power_dbm=20.0), np.array([0, 2, 3, 5, 7])
    without = dataclasses.replace(
        view.network, ap_names=tuple("abcde"), ap_positions_m=view.network.ap_positions_m[alive]
    )
    without = dataclasses.replace(without, boresights_rad=view.network.boresights_rad[alive])
    small = dataclasses.replace(view, network=without, alive=np.ones(5, dtype=bool))
    some = CoverageObjective.of(view, alive, 0.01, 10, 1.0)
    only = CoverageObjective.of(small, np.arange(5), 0.01, 10, 1.0)
    members = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 1]], dtype=bool)
    among_all = np.zeros((3, 8), dtype=bool)
    among_all[:, alive] = members
    np.testing.assert_allclose(some(among_all), only(members), rtol=1e-9)


def test_sets_without_a_bound_are_worth_nothing():
    view = view_of(11, n_aps=3, n_receivers=1)
    nobody = np.zeros((1, 3), dtype=bool)
    everybody = ~nobody
    for some in (view, with_powers(view, np.array([1.0, 3.0, 0.2]))):
        objective = CoverageObjective.of(some, np.arange(3), 0.01, 10, 1.0)
        assert objective(nobody) == objective(everybody) == 0.0
    # Three single antennas: two on one side tell one direction, the third by itself none.
    single = dataclasses.replace(view, network=dataclasses.replace(view.network, n_antennas=1))
    np.testing.assert_array_equal(CoverageObjective.of(single, np.arange(3), 0.01, 10, 1.0)(np.eye(3, dtype=bool)), 0.0)


def test_sets_one_by_one_or_together_and_either_side():
    view = view_of(4)
    objective = CoverageObjective.of(view, np.arange(8), 0.01, 10, 1.0)
    members = np.random.default_rng(5).permuted(np.tile(np.arange(8) < 3, (21, 1)), axis=1)
    alone = np.concatenate([objective(row[None]) for row in members])
    np.testing.assert_allclose(objective(members), alone, rtol=1e-9)
    np.testing.assert_allclose(objective(~members), alone, rtol=1e-9)


def test_exhaustive_is_best_and_greedy_with_exchange_is_close():
    shortfalls = []
    for seed in range(6):
        view = view_of(seed, power_dbm=15.0)
        best, greedy, plain = (
            value_of(view, selector.select(view, ANY_RNG)) for selector in (SELECTORS[2], SELECTORS[0], SELECTORS[1])
        )
        assert best >= greedy - 1e-12
        assert greedy >= plain - 1e-12
        shortfalls.append(best - greedy)
    assert np.mean(shortfalls) <= 0.01


def test_coverage_beats_farthest_point_sampling_in_the_mean():
    gains = []
    for seed in range(6):
        view = view_of(seed, n_aps=12, n_receivers=6, power_dbm=15.0)
        chosen = BoundGreedy(points_per_side=12).select(view, ANY_RNG)
        gains.append(value_of(view, chosen) - value_of(view, FarthestPoint().select(view, ANY_RNG)))
    assert np.mean(gains) > 0.01


def test_joint_weight_trades_coverage_for_spectral_efficiency():
    for seed in range(4):
        view = view_of(seed, power_dbm=15.0)
        sensing, both, communication = (
            JointGreedy(points_per_side=12, coverage_weight=weight).select(view, ANY_RNG) for weight in (1.0, 0.5, 0.0)
        )
        efficiency = large_scale_efficiency(view).sum_spectral_efficiency

        def joint(assignment, view=view, efficiency=efficiency):
            transmits = np.isin(np.arange(8), assignment.transmitters)
            ratio = float(efficiency(transmits[None])[0] / efficiency(np.ones((1, 8), dtype=bool))[0])
            return 0.5 * value_of(view, assignment) + 0.5 * ratio

        assert sensing == SELECTORS[0].select(view, ANY_RNG)
        assert value_of(view, sensing) >= value_of(view, communication)
        assert joint(both) >= max(joint(sensing), joint(communication)) - 0.01


def test_no_ue_leaves_coverage_alone():
    view = view_of(6, n_ues=0)
    assert JointGreedy(points_per_side=12).select(view, ANY_RNG) == SELECTORS[0].select(view, ANY_RNG)


def test_no_sensing_power_still_gives_an_assignment():
    view = view_of(7)
    silent = dataclasses.replace(view, radio=dataclasses.replace(view.radio, comm_power_fraction=1.0))
    assert len(BoundGreedy(points_per_side=12).select(silent, ANY_RNG).receivers) == 3


def test_ap_on_a_grid_point_does_not_matter():
    view = view_of(8)
    positions = view.network.ap_positions_m.copy()
    positions[0] = (1000.0 / 24, 1000.0 / 24)
    on_grid = dataclasses.replace(view, network=dataclasses.replace(view.network, ap_positions_m=positions))
    assert len(BoundGreedy(points_per_side=12).select(on_grid, ANY_RNG).receivers) == 3


def test_a_grid_without_a_point_off_the_access_points_is_refused():
    view = view_of(8)
    positions = view.network.ap_positions_m.copy()
    positions[0] = (500.0, 500.4)
    in_the_middle = dataclasses.replace(view, network=dataclasses.replace(view.network, ap_positions_m=positions))
    for kind in (BoundGreedy, Exhaustive, JointGreedy):
        with pytest.raises(ValueError, match=r"points_per_side is 1 .* within 1 m of an access point; give more"):
            kind(points_per_side=1).select(in_the_middle, ANY_RNG)


def test_too_many_aps_to_exhaust_are_refused():
    with pytest.raises(ValueError, match=r"17 access points.*BoundGreedy"):
        Exhaustive().select(view_of(9, n_aps=17), ANY_RNG)


@pytest.mark.parametrize(
    ("selector", "settings"),
    [
        (BoundGreedy, {"threshold_wavelengths": 0.0}),
        (BoundGreedy, {"points_per_side": 0}),
        (BoundGreedy, {"points_per_side": 1001}),
        (Exhaustive, {"rcs_m2": np.nan}),
        (JointGreedy, {"coverage_weight": 1.1}),
        (JointGreedy, {"rcs_m2": -1.0}),
    ],
)
def test_settings_out_of_range_are_refused(selector, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        selector(**settings)
