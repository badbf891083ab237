"""Bounds: outside reference values, finite differences of the mean, limits, invariances and scaling laws."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import Boltzmann

from models.bounds.closed_form import (
    closed_form_information,
    coverage,
    information_gain,
    position_covariance_m2,
    position_error_bound_m,
    sensing_energy_w,
    target_bounds_m,
)
from models.network import ModeAssignment, Network, Radio
from models.radio.geometry import rays
from models.radio.sensing import sensing_channel
from models.radio.statistics import gram_statistic

GOLDEN = json.loads((Path(__file__).parent / "reference" / "golden.json").read_text())
LAYOUT = GOLDEN["layout"]
KINDS = ("coherent", "non-coherent", "structured")
NOISE_W = Boltzmann * LAYOUT["temperature_k"] * LAYOUT["bandwidth_hz"]
CLOSED_FORM_RTOL = 1e-9
CLOSE_PAIR_RTOL = 1e-7
FINITE_DIFFERENCE_RTOL = 1e-6
INVARIANCE_RTOL = 1e-7  # phases of 1e5 rad are rounded anew when the survey is moved
ORDER_RTOL = 1e-9


def network_of(positions_m, boresights_rad, n_antennas=8, carrier_hz=LAYOUT["carrier_hz"]):
    names = tuple(f"ap-{i}" for i in range(len(positions_m)))
    return Network(
        ap_names=names,
        ap_positions_m=np.array(positions_m, dtype=float),
        boresights_rad=np.array(boresights_rad, dtype=float),
        n_antennas=n_antennas,
        carrier_hz=carrier_hz,
    )


def golden_network(n_antennas=8):
    return network_of(LAYOUT["ap_positions_m"], LAYOUT["ap_boresights_rad"], n_antennas)


GOLDEN_SPLIT = ModeAssignment.of(12, LAYOUT["transmitters"], LAYOUT["receivers"])


def golden_energy(case, n_antennas):
    power_w = 10.0 ** (case["power_dbm"] / 10.0 - 3.0)
    return case["snapshots_per_transmitter"] * (1.0 - case["rho"]) * power_w / n_antennas


def isotropic_gram(energy, n_tx, n_antennas):
    size = n_tx * n_antennas
    return (energy * np.eye(size)).reshape(n_tx, n_antennas, n_tx, n_antennas).astype(complex)


def overlapping_samples(rng, n_tx, n_antennas, n_snapshots):
    shape = (n_tx, n_antennas, n_snapshots)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def random_case(seed, n_targets=2, n_aps=5, n_tx=3, n_antennas=4, n_snapshots=9):
    """Return the arguments of the bounds for a small random layout with overlapping signals, and the signals."""
    rng = np.random.default_rng(seed)
    network = network_of(rng.uniform(0.0, 300.0, (n_aps, 2)), rng.uniform(-np.pi, np.pi, n_aps), n_antennas)
    order = rng.permutation(n_aps)
    samples = overlapping_samples(rng, n_tx, n_antennas, n_snapshots)
    case = {
        "network": network,
        "assignment": ModeAssignment.of(n_aps, order[:n_tx], order[n_tx:]),
        "positions_m": rng.uniform(50.0, 250.0, (n_targets, 2)),
        "rcs_m2": rng.uniform(0.5, 2.0, n_targets),
        "scatter_phase_rad": rng.uniform(-np.pi, np.pi, n_targets),
        "gram": gram_statistic(samples),
        "noise_power_w": 1e-13,
    }
    return case, samples


# --- outside reference ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['power_dbm']}dBm-N{c['n_antennas']}")
@pytest.mark.parametrize(("kind", "key"), [("coherent", "peb_coherent_m"), ("non-coherent", "peb_noncoherent_m")])
def test_one_target_meets_the_reference(case, kind, key):
    n = case["n_antennas"]
    network, energy = golden_network(n), golden_energy(case, n)
    full = [
        target_bounds_m(network, GOLDEN_SPLIT, [p], 1.0, 0.4, isotropic_gram(energy, 6, n), NOISE_W, kind)[0]
        for p in case["points_m"]
    ]
    gain = information_gain(network, energy, 1.0, NOISE_W)
    information = closed_form_information(network, GOLDEN_SPLIT, case["points_m"], gain)[kind == "coherent"]
    np.testing.assert_allclose(full, case[key], rtol=CLOSED_FORM_RTOL)
    np.testing.assert_allclose(position_error_bound_m(information), case[key], rtol=CLOSED_FORM_RTOL)


@pytest.mark.parametrize(("index", "rtol"), [(0, CLOSED_FORM_RTOL), (1, CLOSE_PAIR_RTOL)])
@pytest.mark.parametrize(("kind", "key"), [("coherent", "peb_coherent_m"), ("non-coherent", "peb_noncoherent_m")])
def test_two_targets_meet_the_reference(index, rtol, kind, key):
    case = GOLDEN["two_targets"][index]
    gram = isotropic_gram(golden_energy(case, 8), 6, 8)
    bounds = target_bounds_m(golden_network(), GOLDEN_SPLIT, case["points_m"], 1.0, 0.0, gram, NOISE_W, kind)
    np.testing.assert_allclose(bounds, case[key], rtol=rtol)


# --- finite differences of the noise-free mean --------------------------------------------------------------------


def mean_samples(case, samples, parameters, kind):
    """Return the noise-free samples of all receivers for one parameter vector: positions first, then nuisances."""
    network, assignment = case["network"], case["assignment"]
    transmitters, receivers = assignment.transmitters, assignment.receivers
    n_targets, pairs = len(case["positions_m"]), (len(receivers), len(transmitters))
    positions = parameters[: 2 * n_targets].reshape(-1, 2)
    nuisances = parameters[2 * n_targets :]
    total = 0.0
    for s in range(n_targets):
        phase = case["scatter_phase_rad"][s]
        channel = sensing_channel(network, transmitters, receivers, positions[s : s + 1], case["rcs_m2"][s], phase)
        if kind == "structured":
            factor = 1.0 + nuisances[2 * s] + 1j * nuisances[2 * s + 1]
            total = total + factor * np.einsum("rtmn,tnl->rml", channel, samples)
            continue
        legs = [rays(network, positions[s : s + 1], aps).distance_m[:, 0] for aps in (receivers, transmitters)]
        true_m = case["positions_m"][s : s + 1]
        truth = [rays(network, true_m, aps).distance_m[:, 0] for aps in (receivers, transmitters)]
        free = np.outer(legs[0] / truth[0], legs[1] / truth[1])[:, :, None, None]  # takes the distance law out
        own = nuisances.reshape(n_targets, -1)[s]
        if kind == "coherent":
            factor = (1.0 + own[1:].reshape(pairs)) * np.exp(1j * own[0])
        else:
            half = len(own) // 2
            factor = 1.0 + own[:half].reshape(pairs) + 1j * own[half:].reshape(pairs)
        total = total + np.einsum("rt,rtmn,tnl->rml", factor, free * channel, samples)
    return total


def finite_difference_bounds(case, samples, kind):
    n_targets, assignment = len(case["positions_m"]), case["assignment"]
    n_pairs = len(assignment.receivers) * len(assignment.transmitters)
    per_target = {"coherent": 1 + n_pairs, "non-coherent": 2 * n_pairs, "structured": 2}[kind]
    n_nuisances = n_targets * per_target
    point = np.concatenate([case["positions_m"].ravel(), np.zeros(n_nuisances)])
    steps = np.concatenate([np.full(2 * n_targets, 1e-4), np.full(n_nuisances, 1e-3)])
    columns = []
    for i, step in enumerate(steps):
        values = []
        for factor in (-2, -1, 1, 2):
            moved = point.copy()
            moved[i] += factor * step
            values.append(mean_samples(case, samples, moved, kind).ravel())
        columns.append((values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * step))
    jacobian = np.stack(columns, axis=1)
    jacobian = np.concatenate([jacobian.real, jacobian.imag])
    scale = np.linalg.norm(jacobian, axis=0)
    triangle = np.linalg.qr(jacobian / scale, mode="r")
    root = np.linalg.solve(triangle, np.eye(len(triangle))) / scale[:, None]
    variance = 0.5 * case["noise_power_w"] * np.sum(root**2, axis=1)[: 2 * n_targets]
    return np.sqrt(variance.reshape(-1, 2).sum(axis=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_targets", [1, 2, 3])
def test_fisher_matrix_is_that_of_the_mean_by_finite_differences(kind, n_targets):
    case, samples = random_case(seed=n_targets, n_targets=n_targets)
    bounds = target_bounds_m(**case, kind=kind)
    np.testing.assert_allclose(bounds, finite_difference_bounds(case, samples, kind), rtol=FINITE_DIFFERENCE_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_receivers_that_missed_slots_by_finite_differences(kind):
    """A lost report takes snapshots away from one receiver; with few left its amplitudes are no longer identified."""
    case, samples = random_case(seed=7, n_targets=2, n_snapshots=9)
    kept = np.ones((2, 9), dtype=bool)
    kept[0, 2:] = False  # two snapshots carry three overlapping signals
    case["gram"] = np.stack([gram_statistic(samples * mask) for mask in kept])
    expected = per_receiver_reference(case, samples, kept, kind)
    np.testing.assert_allclose(target_bounds_m(**case, kind=kind), expected, rtol=FINITE_DIFFERENCE_RTOL)


def per_receiver_reference(case, samples, kept, kind):
    """Finite differences with the missing snapshots blanked, nuisances removed by projection on their null space."""
    n_targets, assignment = len(case["positions_m"]), case["assignment"]
    n_pairs = len(assignment.receivers) * len(assignment.transmitters)
    per_target = {"coherent": 1 + n_pairs, "non-coherent": 2 * n_pairs, "structured": 2}[kind]
    point = np.concatenate([case["positions_m"].ravel(), np.zeros(n_targets * per_target)])
    columns = []
    for i in range(len(point)):
        step = 1e-4 if i < 2 * n_targets else 1e-3
        values = [mean_samples(case, samples, point + f * step * np.eye(len(point))[i], kind) for f in (-2, -1, 1, 2)]
        slope = (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * step)
        columns.append((slope * kept[:, None, :]).ravel())
    jacobian = np.stack(columns, axis=1)
    jacobian = np.concatenate([jacobian.real, jacobian.imag])
    wanted, nuisance = jacobian[:, : 2 * n_targets], jacobian[:, 2 * n_targets :]
    nuisance = nuisance / np.linalg.norm(nuisance, axis=0)
    basis, values, _ = np.linalg.svd(nuisance, full_matrices=False)
    basis = basis[:, values > 1e-6 * values[0]]
    wanted = wanted - basis @ (basis.T @ wanted)
    variance = 0.5 * case["noise_power_w"] * np.diag(np.linalg.inv(wanted.T @ wanted))
    return np.sqrt(variance.reshape(-1, 2).sum(axis=1))


# --- limits and laws ----------------------------------------------------------------------------------------------


@settings(max_examples=15, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_tx=st.integers(2, 5), n_antennas=st.integers(2, 8))
def test_closed_form_is_the_full_fisher_matrix(seed, n_tx, n_antennas):
    case, _ = random_case(seed, n_targets=1, n_aps=7, n_tx=n_tx, n_antennas=n_antennas)
    energy = 0.02
    case["gram"] = isotropic_gram(energy, n_tx, n_antennas)
    gain = information_gain(case["network"], energy, float(case["rcs_m2"][0]), case["noise_power_w"])
    closed = closed_form_information(case["network"], case["assignment"], case["positions_m"], gain)
    for information, kind in zip(closed, ("non-coherent", "coherent"), strict=True):
        full = target_bounds_m(**case, kind=kind)
        np.testing.assert_allclose(position_error_bound_m(information), full, rtol=CLOSED_FORM_RTOL)


@settings(max_examples=12, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_targets=st.integers(1, 3))
def test_knowing_more_never_raises_the_bound(seed, n_targets):
    case, _ = random_case(seed, n_targets=n_targets)
    structured, coherent, noncoherent = (
        position_covariance_m2(**case, kind=kind) for kind in ("structured", "coherent", "non-coherent")
    )
    for less, more in ((structured, coherent), (coherent, noncoherent)):
        smallest = np.linalg.eigvalsh(more - less)[:, 0]
        assert np.all(smallest >= -1e-9 * np.trace(more, axis1=1, axis2=2))
    joint = target_bounds_m(**case, kind="coherent")
    alone = [
        target_bounds_m(
            **{**case, **{k: case[k][s : s + 1] for k in ("positions_m", "rcs_m2", "scatter_phase_rad")}},
            kind="coherent",
        )[0]
        for s in range(n_targets)
    ]
    assert np.all(joint >= (1.0 - 1e-9) * np.array(alone))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), n_snapshots=st.integers(1, 3), n_antennas=st.integers(1, 3))
def test_knowing_more_never_raises_the_bound_of_the_few_snapshots_that_came(seed, n_snapshots, n_antennas):
    """Few snapshots leave amplitudes, phases and positions undetermined together, in every combination."""
    case, samples = random_case(seed, n_antennas=n_antennas, n_snapshots=n_snapshots)
    kept = np.random.default_rng(seed).integers(0, 2, (2, 1, 1, n_snapshots))
    case["gram"] = np.stack([gram_statistic(samples * mask) for mask in kept])
    structured, coherent, noncoherent = (
        np.nan_to_num(target_bounds_m(**case, kind=kind), nan=np.inf)
        for kind in ("structured", "coherent", "non-coherent")
    )
    assert np.all(structured <= coherent * (1.0 + 1e-6))
    assert np.all(coherent <= noncoherent * (1.0 + 1e-6))


@pytest.mark.parametrize("kind", KINDS)
def test_bound_falls_with_the_square_root_of_power_and_of_rcs(kind):
    case, _ = random_case(seed=3)
    reference = target_bounds_m(**case, kind=kind)
    louder = target_bounds_m(**{**case, "gram": 100.0 * case["gram"]}, kind=kind)
    larger = target_bounds_m(**{**case, "rcs_m2": 100.0 * case["rcs_m2"]}, kind=kind)
    noisier = target_bounds_m(**{**case, "noise_power_w": 100.0 * case["noise_power_w"]}, kind=kind)
    np.testing.assert_allclose(louder, reference / 10.0, rtol=ORDER_RTOL)
    np.testing.assert_allclose(larger, reference / 10.0, rtol=ORDER_RTOL)
    np.testing.assert_allclose(noisier, reference * 10.0, rtol=ORDER_RTOL)


def moved(case, angle_rad, shift_m):
    turn = np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    network = case["network"]
    survey = dataclasses.replace(
        network,
        ap_positions_m=network.ap_positions_m @ turn.T + shift_m,
        boresights_rad=network.boresights_rad + angle_rad,
    )
    return {**case, "network": survey, "positions_m": case["positions_m"] @ turn.T + shift_m}, turn


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("angle_rad", "shift_m"), [(0.0, (500.0, -80.0)), (1.1, (0.0, 0.0)), (-2.3, (40.0, 700.0))])
def test_covariance_turns_with_the_survey_and_ignores_where_it_lies(kind, angle_rad, shift_m):
    case, _ = random_case(seed=11)
    elsewhere, turn = moved(case, angle_rad, np.array(shift_m))
    expected = turn @ position_covariance_m2(**case, kind=kind) @ turn.T
    found = position_covariance_m2(**elsewhere, kind=kind)
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=INVARIANCE_RTOL * np.abs(expected).max())


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_aps_and_targets_does_not_matter(kind):
    case, _ = random_case(seed=5, n_targets=3)
    order = np.random.default_rng(0).permutation(case["network"].n_aps)
    network = case["network"]
    shuffled = network_of(network.ap_positions_m[order], network.boresights_rad[order], network.n_antennas)
    place = np.argsort(order)
    split = ModeAssignment.of(len(order), place[case["assignment"].transmitters], place[case["assignment"].receivers])
    tx = np.searchsorted(case["assignment"].transmitters, order[split.transmitters])
    gram = case["gram"][tx][:, :, tx]
    renamed = {**case, "network": shuffled, "assignment": split, "gram": gram}
    renamed |= {key: case[key][::-1] for key in ("positions_m", "rcs_m2", "scatter_phase_rad")}
    expected = target_bounds_m(**case, kind=kind)[::-1]
    np.testing.assert_allclose(target_bounds_m(**renamed, kind=kind), expected, rtol=ORDER_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_one_gram_for_all_or_a_copy_per_receiver(kind):
    case, _ = random_case(seed=6)
    copies = np.stack([case["gram"]] * 2)
    view = np.broadcast_to(case["gram"], copies.shape)
    expected = target_bounds_m(**case, kind=kind)
    np.testing.assert_allclose(target_bounds_m(**{**case, "gram": copies}, kind=kind), expected, rtol=ORDER_RTOL)
    np.testing.assert_allclose(target_bounds_m(**{**case, "gram": view}, kind=kind), expected, rtol=ORDER_RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_receiver_that_heard_nothing_counts_as_idle(kind):
    case, _ = random_case(seed=8)
    deaf = np.stack([case["gram"], np.zeros_like(case["gram"])])
    split = case["assignment"]
    fewer = ModeAssignment.of(case["network"].n_aps, split.transmitters, split.receivers[:1])
    expected = target_bounds_m(**{**case, "assignment": fewer}, kind=kind)
    np.testing.assert_allclose(target_bounds_m(**{**case, "gram": deaf}, kind=kind), expected, rtol=ORDER_RTOL)


# --- singular cases -----------------------------------------------------------------------------------------------


def singular_case(n_tx, n_rx, n_antennas):
    case, _ = random_case(seed=2, n_targets=1, n_aps=n_tx + n_rx, n_tx=n_tx, n_antennas=n_antennas)
    return {**case, "gram": isotropic_gram(0.1, n_tx, n_antennas)}


SINGULAR = [
    # One antenna carries no angle, so without carrier phase there is nothing; one pair has one phase, which phi takes;
    # two transmitters and one receiver have one phase difference, for two coordinates.
    ("non-coherent", 4, 3, 1),
    ("coherent", 1, 1, 1),
    ("coherent", 2, 1, 1),
    ("structured", 1, 1, 1),
    ("coherent", 3, 0, 4),
]
REGULAR = [("coherent", 2, 2, 1), ("coherent", 3, 1, 1), ("non-coherent", 1, 1, 4), ("structured", 1, 1, 4)]


@pytest.mark.parametrize(("kind", "n_tx", "n_rx", "n_antennas"), SINGULAR)
def test_no_bound_where_the_fisher_matrix_is_singular(kind, n_tx, n_rx, n_antennas):
    case = singular_case(n_tx, n_rx, n_antennas)
    assert np.isnan(target_bounds_m(**case, kind=kind)).all()
    information = closed_form_information(case["network"], case["assignment"], case["positions_m"], 1e6)
    if kind != "structured":
        assert np.isnan(position_error_bound_m(information[kind == "coherent"])).all()


@pytest.mark.parametrize(("kind", "n_tx", "n_rx", "n_antennas"), REGULAR)
def test_few_aps_suffice_where_the_fisher_matrix_is_regular(kind, n_tx, n_rx, n_antennas):
    assert np.isfinite(target_bounds_m(**singular_case(n_tx, n_rx, n_antennas), kind=kind)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("apart_m", [0.0, 1e-12, 1e-6])
@pytest.mark.parametrize("phases", [("scatter_phase_rad",), ()], ids=["one phase", "two phases"])
def test_two_targets_in_one_place_have_no_finite_bound_and_spare_the_third(kind, apart_m, phases):
    """Two phases make the Fisher matrix at that place regular; a millimetre apart, the bound is kilometres."""
    case, _ = random_case(seed=4, n_targets=3)
    for key in ("positions_m", *phases):
        case[key][1] = case[key][0]
    case["positions_m"][1, 0] += apart_m
    bounds = target_bounds_m(**case, kind=kind)
    assert np.isposinf(bounds[:2]).all()
    alone = {key: case[key][2:] for key in ("positions_m", "rcs_m2", "scatter_phase_rad")}
    assert target_bounds_m(**{**case, **alone}, kind=kind) <= bounds[2] < np.inf


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_two_targets_grows_without_limit_as_they_meet(kind):
    case, _ = random_case(seed=4)
    bounds = []
    for apart_m in (0.1, 0.01, 0.001, 0.0):
        case["positions_m"][1] = case["positions_m"][0] + [apart_m, 0.0]
        bounds.append(target_bounds_m(**case, kind=kind))
    assert np.all(np.diff(bounds[:3], axis=0) > 0.0)
    assert np.isposinf(bounds[3]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_target_has_an_empty_bound_and_silence_has_none(kind):
    case, _ = random_case(seed=4, n_targets=1)
    empty = {key: case[key][:0] for key in ("positions_m", "rcs_m2", "scatter_phase_rad")}
    assert target_bounds_m(**{**case, **empty}, kind=kind).shape == (0,)
    assert np.isnan(target_bounds_m(**{**case, "gram": np.zeros_like(case["gram"])}, kind=kind)).all()


def test_unknown_kind_is_refused():
    case, _ = random_case(seed=4)
    with pytest.raises(ValueError, match=r"kind = 'both'.*structured"):
        target_bounds_m(**case, kind="both")


def test_coverage_counts_points_without_bound_as_not_covered():
    assert coverage([[0.01, np.nan], [0.02, 0.03]], 0.02) == 0.5


def test_sensing_energy_is_the_share_of_one_slot():
    radio = Radio(
        bandwidth_hz=1e5,
        noise_power_w=NOISE_W,
        transmit_power_w=0.1,
        comm_power_fraction=0.25,
        illumination="sensing",
        n_snapshots=10,
        rician_k=8.0,
    )
    assert sensing_energy_w(radio, 8) == pytest.approx(10 * 0.75 * 0.1 / 8)
