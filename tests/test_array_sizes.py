"""Access points of different numbers of antennas, against programs of their own in which no array is filled up."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from emulator import AccessPoint, Corrupt, EmulationError
from emulator.functional_split import StatisticsSplit
from emulator.pilots import direct_field, direct_inner, heard_pilot
from models.bounds.closed_form import closed_form_information
from models.bounds.fisher import KINDS, target_bounds_m
from models.bounds.hybrid import hybrid_information
from models.bounds.joint import joint_bounds_m
from models.bounds.maps import any_gram_map_m, closed_form_map_m
from models.contradictions import contradictions
from models.estimation.detection import noise_levels
from models.estimation.likelihood import Echoes, coherent_free_power, noncoherent_power, phasors
from models.estimation.mixture import fit
from models.network import ModeAssignment, Network
from models.observation import Observation
from models.radio.channel import AccessChannel
from models.radio.gram import Gram
from models.radio.statistics import gram_statistic
from models.selection.greedy import SampledEfficiency, large_scale_efficiency
from models.view import View
from scenarios import load
from scenarios.contracts import ContractError, check_access_point
from scenarios.figures.bound_map import bound_map
from scenarios.figures.point_bounds import bounds
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.timing import timing_warnings
from tests.outcome import essence
from tests.simulate import AREA, NOISE_W, normals
from tests.test_sinr_emulated import MeasuringUE
from tests.test_state import resumed_from

SIZES = (2, 5, 1, 3, 4, 2)
SPLIT = ModeAssignment.of(6, [0, 1, 2], [3, 4, 5])
FINITE_DIFFERENCE_RTOL = 1e-5
EXACT_RTOL = 1e-9


def network_of(seed, sizes=SIZES, largest=None):
    rng = np.random.default_rng(seed)
    return Network(
        ap_names=tuple(f"ap-{i}" for i in range(len(sizes))),
        ap_positions_m=rng.uniform(0.0, 300.0, (len(sizes), 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, len(sizes)),
        n_antennas=largest or max(sizes),
        carrier_hz=3.5e9,
        ue_names=("ue-0", "ue-1"),
        ue_positions_m=rng.uniform(0.0, 300.0, (2, 2)),
        array_sizes=np.array(sizes),
    )


# -- a program of its own: lists of arrays, each as long as it is ---------------------------------------------------


def leg(network, ap, point_m):
    """Return a(u) e^{-jkd} / d of one AP, as many entries as it has antennas."""
    offset = point_m - network.ap_positions_m[ap]
    distance = np.hypot(*offset)
    along = np.cos(np.pi / 2 + network.boresights_rad[ap]), np.sin(np.pi / 2 + network.boresights_rad[ap])
    sine = (offset @ along) / distance
    a = np.exp(1j * np.pi * sine * np.arange(SIZES[ap]))
    return a * np.exp(-1j * network.wavenumber_rad_m * distance) / distance


def echoes_of(network, points_m, amplitude, sent):
    """Return the samples of each receiver; ``amplitude`` (s, r, t), ``sent`` one array (N_t, snapshots) each."""
    heard = []
    for r, at in enumerate(SPLIT.receivers):
        total = 0.0
        for s, point in enumerate(points_m):
            back = leg(network, at, point)
            for t, ap in enumerate(SPLIT.transmitters):
                total = total + amplitude[s, r, t] * np.outer(back, leg(network, ap, point) @ sent[t])
        heard.append(total)
    return heard


def sent_by(rng, overlapping, n_snapshots=9):
    """Return what each transmitter sends in a CPI: all the time, or in a third of it."""
    samples = [normals(rng, SIZES[t], n_snapshots) for t in SPLIT.transmitters]
    if not overlapping:
        for t, own in enumerate(samples):
            own[:, np.arange(n_snapshots) // 3 != t] = 0.0
    return samples


def filled(arrays, n):
    """Return arrays on end, with zeros up to n antennas."""
    return np.stack([np.pad(array, ((0, n - len(array)), (0, 0))) for array in arrays])


def bounds_by_differences_m(network, points_m, phase_rad, sent, noise_w, kind):
    """Return the bounds from the samples' central differences by all that is unknown."""
    n, (n_rx, n_tx) = len(points_m), (3, 3)
    unit = 1e-3  # the amplitude of the radar equation, in m^2, cancels in relative steps

    def mean(unknowns):
        points, rest = unknowns[: 2 * n].reshape(n, 2), unknowns[2 * n :]
        if kind == "structured":
            kappa = (rest[:n] + 1j * rest[n:])[:, None, None] * np.ones((n_rx, n_tx))
        elif kind == "coherent":
            kappa = rest[n:].reshape(n, n_rx, n_tx) * np.exp(1j * rest[:n])[:, None, None]
        else:
            kappa = (rest[: len(rest) // 2] + 1j * rest[len(rest) // 2 :]).reshape(n, n_rx, n_tx)
        return np.concatenate([y.ravel() for y in echoes_of(network, points, unit * kappa, sent)])

    kappa = np.exp(1j * phase_rad)
    pairs = np.repeat(kappa, n_rx * n_tx)
    rest = {"structured": [kappa.real, kappa.imag], "coherent": [phase_rad, np.ones(len(pairs))],
            "non-coherent": [pairs.real, pairs.imag]}[kind]  # fmt: skip
    at = np.concatenate([points_m.ravel(), *rest])
    steps = np.where(np.arange(len(at)) < 2 * n, 1e-5, 1e-4)
    columns = [(mean(at + h * e) - mean(at - h * e)) / (2 * h) for h, e in zip(steps, np.eye(len(at)), strict=True)]
    derivatives = np.array(columns).T
    information = 2.0 / noise_w * (derivatives.conj().T @ derivatives).real
    scale = 1.0 / np.sqrt(np.diag(information))
    covariance = np.linalg.inv(information * scale[:, None] * scale) * scale[:, None] * scale
    return np.sqrt(np.diag(covariance)[: 2 * n].reshape(n, 2).sum(axis=1)), unit


@pytest.mark.parametrize("overlapping", [True, False], ids=["overlapping", "separate"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_bounds_are_those_of_the_elements_that_are_there(kind, overlapping, n_targets):
    network, rng = network_of(3), np.random.default_rng(5)
    points, phase = np.array([[120.0, 140.0], [180.0, 90.0]])[:n_targets], np.array([0.3, -1.2])[:n_targets]
    sent = sent_by(rng, overlapping)
    expected, unit = bounds_by_differences_m(network, points, phase, sent, 1e-12, kind)
    rcs_m2 = unit**2 * (4.0 * np.pi) ** 3 / network.wavelength_m**2
    gram = gram_statistic(filled(sent, 5))
    found = target_bounds_m(network, SPLIT, points, rcs_m2, phase, gram, 1e-12, kind)
    np.testing.assert_allclose(found, expected, rtol=FINITE_DIFFERENCE_RTOL)


@pytest.mark.parametrize("kind", ["coherent", "non-coherent"])
@pytest.mark.parametrize("largest", [5, 7])
def test_maps_of_bounds_see_each_array_as_it_is(kind, largest):
    network, rng = network_of(4, largest=largest), np.random.default_rng(6)
    gram = gram_statistic(filled(sent_by(rng, overlapping=True, n_snapshots=30), largest))
    points = rng.uniform(20.0, 280.0, (12, 2))
    each = [target_bounds_m(network, SPLIT, [point], 1.0, 0.0, gram, 1e-12, kind)[0] for point in points]
    np.testing.assert_allclose(any_gram_map_m(network, SPLIT, points, 1.0, gram, 1e-12, kind), each, rtol=1e-6)
    pairs = points.reshape(6, 2, 2)
    together = [target_bounds_m(network, SPLIT, pair, 1.0, 0.0, gram, 1e-12, kind) for pair in pairs]
    np.testing.assert_allclose(joint_bounds_m(network, SPLIT, pairs, 1.0, 0.0, gram, 1e-12, kind), together, rtol=1e-5)


def test_closed_forms_say_that_they_take_all_arrays_for_equal():
    network = network_of(1)
    for asked in (closed_form_information, closed_form_map_m, partial(hybrid_information, phase_variance_rad2=0.1)):
        with pytest.raises(ValueError, match=r"1 to 5 antennas: a closed form takes all arrays for equal; take the"):
            asked(network, SPLIT, [[100.0, 100.0]], 1.0)


@pytest.mark.parametrize("sizes", [(2, 3), (0, 2, 2, 2, 2, 2), (2, 2, 2, 2, 2, 6)])
def test_array_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(ValueError, match=r"array_sizes is \[.*\]: give 1 to 5 for each of the 6 APs"):
        replace(network_of(1), array_sizes=np.array(sizes))


def test_arrays_of_one_size_are_as_if_it_was_not_said_of_each():
    assert network_of(1, (4,) * 6).array_sizes is None
    assert network_of(1).only(np.array([5, 1])).antennas.tolist() == [2, 5]


# -- estimates ------------------------------------------------------------------------------------------------------


def observation_of(network, sent, heard, noise_w):
    """Return the statistics of samples of each receiver; ``heard`` has the antennas of each."""
    n = network.n_antennas
    x, y = filled(sent, n), filled(heard, n)
    return Observation(
        network=network,
        area=AREA,
        assignment=SPLIT,
        cross=np.einsum("rml,tnl->rmtn", y, x.conj()),
        gram=Gram.of(gram_statistic(x)),
        energy=(np.abs(y) ** 2).sum(axis=(1, 2)),
        n_samples=np.array([own.size for own in heard]),
        noise_power_w=noise_w,
    )


@pytest.fixture(params=[True, False], ids=["overlapping", "separate"])
def observed(request):
    rng, network = np.random.default_rng(8), network_of(9)
    sent, point = sent_by(rng, request.param), np.array([130.0, 110.0])
    clean = echoes_of(network, [point], np.full((1, 3, 3), 1e-3 * np.exp(0.4j)), sent)
    heard = [y + np.sqrt(1e-9) * normals(rng, *y.shape) for y in clean]
    return network, sent, heard, point


def power_of(heard, design):
    """Return how much of samples linear combinations of some columns explain."""
    return float(np.linalg.norm(design @ np.linalg.lstsq(design, heard, rcond=None)[0]) ** 2)


def signals(network, sent, r, point):
    """Return what receiver r hears of each transmitter from a point, a column each."""
    back = leg(network, SPLIT.receivers[r], point)
    return np.stack(
        [np.outer(back, leg(network, ap, point) @ x).ravel() for ap, x in zip(SPLIT.transmitters, sent, strict=True)],
        axis=1,
    )


def test_what_a_point_explains_is_what_least_squares_with_each_array_say(observed):
    network, sent, heard, point = observed
    echoes, near = Echoes.of(observation_of(network, sent, heard, 1e-9)), point + np.array([0.02, -0.01])
    each = [signals(network, sent, r, near) for r in range(3)]
    expected = sum(power_of(y.ravel(), design) for y, design in zip(heard, each, strict=True)) / 1e-9
    assert noncoherent_power(echoes, phasors(network, near[None]))[0] == pytest.approx(expected, rel=1e-6)
    together = np.concatenate([design.sum(axis=1) for design in each])[:, None]
    structured = power_of(np.concatenate([y.ravel() for y in heard]), together) / 1e-9
    assert fit(echoes, "structured", near[None, None]).power[0] == pytest.approx(structured, rel=EXACT_RTOL)
    power, phase = coherent_free_power(echoes, near[None])
    real = [np.concatenate([part.real, part.imag]) for part in (d * np.exp(1j * phase[0]) for d in each)]
    whole = [np.concatenate([y.ravel().real, y.ravel().imag]) for y in heard]
    free = sum(power_of(y, design) for y, design in zip(whole, real, strict=True)) / 1e-9
    assert power[0] == pytest.approx(free, rel=1e-6)


def test_noise_alone_has_as_many_samples_as_there_are_antennas():
    rng, network = np.random.default_rng(2), network_of(2)
    levels, powers = [], []
    for _ in range(300):
        sent = sent_by(rng, overlapping=False, n_snapshots=24)
        heard = [np.sqrt(NOISE_W) * normals(rng, SIZES[r], 24) for r in SPLIT.receivers]
        observation = observation_of(network, sent, heard, NOISE_W)
        levels.append(noise_levels(observation))
        powers.append(noncoherent_power(Echoes.of(observation), phasors(network, np.array([[90.0, 70.0]])))[0])
    assert np.max(levels) == 1.0
    assert np.mean(powers) == pytest.approx(9.0, abs=4 * np.sqrt(9.0 / 300))  # Gamma(9, 1): nine pairs


# -- channels and spectral efficiency -------------------------------------------------------------------------------


def channel_of(network):
    gain = np.random.default_rng(4).uniform(1e-10, 1e-9, (network.n_aps, network.n_ues))
    return AccessChannel.from_gain(network, path_gain=gain, rician_k=2.0, angular_std_rad=0.2)


def view_of(network, radio):
    channel = channel_of(network)
    return View(network=network, area=AREA, radio=radio, path_gain=channel.path_gain, n_receivers=3,
                alive=np.ones(6, dtype=bool))  # fmt: skip


@pytest.mark.parametrize("ap", range(6))
def test_the_channel_of_an_ap_is_that_of_a_network_in_which_all_have_its_antennas(ap, radio):
    mixed, n = network_of(7), SIZES[ap]
    alike = replace(mixed, n_antennas=n, array_sizes=None)
    found, expected = channel_of(mixed), channel_of(alike)
    assert not found.line_of_sight[ap, :, n:].any()
    np.testing.assert_allclose(found.line_of_sight[ap, :, :n], expected.line_of_sight[ap], rtol=EXACT_RTOL)
    covariance, of_alike = (c.scatter_root @ c.scatter_root.conj().swapaxes(-1, -2) for c in (found, expected))
    assert not covariance[ap, :, n:].any()
    np.testing.assert_allclose(covariance[ap, :, :n, :n], of_alike[ap], atol=1e-20)
    one, other = (large_scale_efficiency(view_of(network, radio)) for network in (mixed, alike))
    for part in ("amplitude", "interference", "sensing"):
        np.testing.assert_allclose(getattr(one, part)[ap], getattr(other, part)[ap], rtol=EXACT_RTOL)
    draws = mixed.cut(normals(np.random.default_rng(ap), 6, 3, 2, 5)).swapaxes(0, 1)
    one, other = (SampledEfficiency.of(view_of(network, radio), draws[..., : network.n_antennas])
                  for network in (mixed, alike))  # fmt: skip
    np.testing.assert_allclose(one.gain[ap], other.gain[ap], rtol=EXACT_RTOL)
    np.testing.assert_allclose(one.sensing[ap], other.sensing[ap], rtol=EXACT_RTOL)


# -- in a run -------------------------------------------------------------------------------------------------------

NODES = [
    {"name": "ap-0", "n_antennas": 2},
    {"name": "ap-1", "n_antennas": 6},
    {"name": "ap-3", "n_antennas": 1},
    {"name": "ap-4", "n_antennas": 5},
]
OF_ALL = (2, 6, 3, 1, 5, 3)
MIXED = {
    "access_points": {"count": 6, "n_antennas": 3, "node": NODES},
    "user_equipment": {"count": 3},
    "targets": [{"position_m": [400.0, 500.0]}],
    "selector": {"kind": "fixed", "transmitters": [0, 1, 2], "receivers": [3, 4, 5]},
    "estimator": {"kind": "grid", "grid_step_m": 50.0},
}


def mixed(**tables):
    return Scenario.checked(MIXED | {name: MIXED.get(name, {}) | table for name, table in tables.items()})


@pytest.fixture
def radio():
    return mixed().build(1).central.radio


def test_the_survey_and_the_nodes_have_the_antennas_of_each():
    emulation = mixed().build(1)
    assert tuple(emulation.network.antennas) == OF_ALL
    assert emulation.network.n_antennas == 6
    assert tuple(ap.n_antennas for ap in emulation.access_points.values()) == OF_ALL


@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_antennas_that_all_have_anyway_change_no_byte(illumination):
    plain = MIXED | {"access_points": {"count": 6, "n_antennas": 3}, "radio": {"illumination": illumination}}
    each = [{"name": f"ap-{i}", "n_antennas": 3} for i in range(6)]
    for n_of_all in (3, 8):
        said = plain | {"access_points": {"count": 6, "n_antennas": n_of_all, "node": each}}
        one, other = (essence(Scenario.checked(data).build(2).run(2)) for data in (plain, said))
        assert one == other


@dataclass(kw_only=True, eq=False)
class OwnAP(AccessPoint):
    """Writes down what it is given, and gives arrays of its own size."""

    excess: int = 0

    def sensing_waveform(self, slot):
        return np.ones((self.n_antennas + self.excess, slot.n_snapshots)) * np.sqrt(0.4 / self.n_antennas)

    def report(self, slot, echo):
        vars(self).setdefault("heard", []).append(echo.shape)
        return echo.copy()


def test_who_writes_an_ap_deals_with_its_own_antennas_alone():
    emulation = mixed().build(1, access_point=OwnAP)
    observation = emulation.run(1).cpis[0].observation
    for name, n in zip(("ap-3", "ap-4", "ap-5"), OF_ALL[3:], strict=True):
        assert set(emulation.access_points[name].heard) == {(n, 10)}
    for t in range(3):
        np.testing.assert_allclose(observation.gram.traces[0, t], 4.0)
        assert np.count_nonzero(np.diagonal(observation.gram.values[0, t])) == OF_ALL[t]
    with pytest.raises(EmulationError, match=r"finite samples of shape \(6, 10\)"):
        mixed().build(1, access_points={"ap-1": partial(OwnAP, excess=1)}).run(1)
    with pytest.raises(ValueError, match="ap-1 has 4 antennas, and 6 in the survey"):
        mixed().build(1, access_points={"ap-1": partial(AccessPoint, n_antennas=4)})


@dataclass(kw_only=True, eq=False)
class FourAntennas(AccessPoint):
    """Takes for granted what most APs of the contract have."""

    def sensing_waveform(self, slot):
        return np.full((4, slot.n_snapshots), 1e-3)


def test_the_contract_finds_who_takes_a_number_of_antennas_for_granted():
    check_access_point(OwnAP)
    with pytest.raises(
        ContractError, match=r"ap-1.transmit.*sensing_waveform.* expected finite samples of shape \(2, 4\)"
    ):
        check_access_point(FourAntennas)


def test_elements_that_are_not_there_neither_send_nor_hear():
    silent = MIXED | {"targets": [], "radio": {"illumination": "full"}}
    observation = Scenario.checked(silent).build(1).run(1).cpis[0].observation
    there = np.arange(6) < np.array(OF_ALL)[:, None]
    sent, heard = there[:3], there[3:]
    both = heard[:, :, None, None] & sent
    assert observation.cross[both].all()
    assert not observation.cross[~both].any()
    assert not observation.gram.full()[0][~(sent[:, :, None, None] & sent)].any()
    np.testing.assert_array_equal(observation.n_samples, 30 * np.array(OF_ALL[3:]))
    power = observation.energy / observation.n_samples / observation.noise_power_w
    np.testing.assert_allclose(power, 1.0, atol=5 / np.sqrt(30))  # noise, and nothing from antennas that are not there


def test_each_ap_spends_its_budget_on_its_own_antennas():
    long = mixed(schedule={"snapshots_per_slot": 5000}, fronthaul={"deadline_s": 2.0})
    observation = long.build(1, estimator=None).run(1).cpis[0].observation
    for t, n in enumerate(OF_ALL[:3]):
        power = np.diagonal(observation.gram.values[0, t]).real[:n] / 5000
        np.testing.assert_allclose(power, 0.5 / n, rtol=5 / np.sqrt(5000))


def rates_by_lists(channels, noise_w):
    """Return (6)-(7) of the transmitters' own channels, (n_ues, N_t) each, with maximum-ratio precoders."""
    n_ues = len(channels[0])
    precoders = []
    for h in channels:
        share = (np.abs(h) ** 2).sum(axis=1) / (np.abs(h) ** 2).sum()
        precoders.append([np.sqrt(0.5 * p) * own.conj() / np.linalg.norm(own) for p, own in zip(share, h, strict=True)])
    rates = np.zeros(n_ues)
    for sensing in channels:
        for k in range(n_ues):
            gains = [sum(h[k] @ v[i] for h, v in zip(channels, precoders, strict=True)) for i in range(n_ues)]
            powers = np.abs(gains) ** 2
            disturbance = powers.sum() - powers[k] + 0.5 * np.linalg.norm(sensing[k]) ** 2 / sensing.shape[1] + noise_w
            rates[k] += np.log2(1.0 + powers[k] / disturbance) / len(channels)
    return rates


def test_spectral_efficiency_is_that_of_channels_as_long_as_they_are():
    emulation = mixed().build(3, estimator=None)
    truths, score = [], emulation.on_publish
    emulation.on_publish = lambda inbox, *found: [
        truths.append(emulation.air.truth(inbox.plan.cpi)), score(inbox, *found)]  # fmt: skip
    cpi = next(emulation.cpis(1))
    channels = [truths[0].channel[t, :, :n] for t, n in enumerate(OF_ALL[:3])]
    assert not any(truths[0].channel[t, :, n:].any() for t, n in enumerate(OF_ALL[:3]))
    expected = rates_by_lists(channels, emulation.central.radio.noise_power_w)
    np.testing.assert_allclose(cpi.se_bit_s_hz, expected, rtol=EXACT_RTOL)


def test_what_ues_hear_of_small_arrays_has_the_power_that_the_budget_gives():
    scenario = mixed(schedule={"snapshots_per_slot": 20_000, "lead_s": 1.0}, radio={"comm_power_fraction": 0.0})
    emulation = scenario.build(3, estimator=None, user_equipment=MeasuringUE)
    truths, draw = [], emulation.air._draw
    emulation.air._draw = lambda: truths.append(draw()) or truths[-1]
    emulation.run(1)
    for k, ue in enumerate(emulation.user_equipments.values()):
        powers = [np.mean(np.abs(samples) ** 2) for samples in ue.kept]
        expected = [np.linalg.norm(truths[0].channel[t, k]) ** 2 / n for t, n in enumerate(OF_ALL[:3])]
        np.testing.assert_allclose(powers, expected, rtol=0.05)


def reports_of(emulation, kind):
    """Return the messages of a kind that the central processor gets in a CPI."""
    got, take = [], emulation.central.on_message
    emulation.central.on_message = lambda message: got.append(message) or take(message)
    result = emulation.run(1)
    return [message for message in got if type(message).__name__ == kind], result.cpis[0]


def test_both_splits_give_one_estimate_and_send_what_each_array_has():
    strong = {"radio": {"transmit_power_dbm": 40.0}, "user_equipment": {"count": 0}}
    iq = mixed(**strong, fronthaul={"iq_bits": 24})
    sums = mixed(**strong, fronthaul={"split": "statistics", "deadline_s": 0.1})
    echoes, one = reports_of(iq.build(1), "EchoReport")
    statistics, other = reports_of(sums.build(1), "StatisticsReport")
    scale = np.abs(one.observation.cross).max()
    np.testing.assert_allclose(one.observation.cross, other.observation.cross, atol=1e-6 * scale)
    np.testing.assert_allclose(one.estimate.positions_m, other.estimate.positions_m, atol=1e-6)
    assert {e.source: e.content_bits for e in echoes} == {f"ap-{r}": 2 * 24 * OF_ALL[r] * 10 + 32 for r in (3, 4, 5)}
    assert {s.source: s.content_bits for s in statistics} == {
        f"ap-{r}": 16 * 3 + 2 * 64 * OF_ALL[r] * (2 + 6 + 3) + 64 for r in (3, 4, 5)
    }
    records, _ = reports_of(iq.build(1), "TransmissionRecord")
    assert {r.source: r.content_bits for r in records} == {f"ap-{t}": 16 + 64 * OF_ALL[t] * 10 for t in (0, 1, 2)}


def test_a_corrupted_report_is_off_by_the_power_of_what_travels():
    keys = {"split": "statistics", "deadline_s": 0.1, "statistics_bits": 64}
    strong = mixed(radio={"transmit_power_dbm": 60.0}, fronthaul=keys)
    fault = Corrupt(node="ap-4", at_s=0.0, undetected=True)
    clean, off = (strong.build(1, estimator=None, faults=f).run(1).cpis[0].observation for f in ([], [fault]))
    power = (np.abs(clean.cross[1]) ** 2).sum()
    assert (np.abs(off.cross[1] - clean.cross[1]) ** 2).sum() / power == pytest.approx(1.0, abs=4 / np.sqrt(55))
    assert not off.cross[1, :, 0, 2:].any()


def test_what_coarse_statistics_are_off_by_is_what_is_told_of_it():
    keys = {"split": "statistics", "deadline_s": 0.1}
    exact, coarse = (
        mixed(radio={"transmit_power_dbm": 60.0}, fronthaul=keys | {"statistics_bits": n_bits})
        .build(1, estimator=None).run(1).cpis[0].observation for n_bits in (64, 8)
    )  # fmt: skip
    there = np.arange(6) < np.array(OF_ALL)[:, None]
    both = there[3:, :, None, None] & there[:3]
    assert not coarse.cross[~both].any()
    error = (np.abs(coarse.cross - exact.cross) ** 2).sum(axis=(1, 2, 3))
    told = coarse.quantisation_power_w * np.array(OF_ALL[3:]) * exact.gram.traces.sum()
    np.testing.assert_allclose(error, told, rtol=0.6)  # of 11 to 55 numbers
    assert error.sum() / told.sum() == pytest.approx(1.0, abs=0.25)


@dataclass(kw_only=True)
class FilledUp(StatisticsSplit):
    """Reports without saying how many antennas the transmitters have."""

    def settle(self, ap, plan):
        report = super().settle(ap, plan)
        if report is not None:
            report.array_sizes = ()
        return report


def test_a_report_that_does_not_say_whose_antennas_it_holds_is_refused():
    split = partial(FilledUp, illumination="sensing")
    with pytest.raises(EmulationError, match=r"cross \(1, 3, 6\), all finite, array_sizes \(2, 6, 3\)"):
        mixed(fronthaul={"split": "statistics", "deadline_s": 0.1}).build(1, split=split).run(1)


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_a_run_is_taken_up_to_the_same_bytes(split):
    scenario = mixed(fronthaul={"split": split, "deadline_s": 0.01})
    build = partial(scenario.build, seed=4)
    expected = essence(build().run(4))
    before = build()
    first = list(before.cpis(2))
    assert resumed_from(before.state(), build, first, 4) == expected


def test_a_scenario_written_out_gives_the_same_bytes():
    first, second = (essence(one.build(3).run(1)) for one in (mixed(), mixed().resolved(3)))
    assert first == second


# -- pilots ---------------------------------------------------------------------------------------------------------


def test_a_pilot_is_heard_with_the_antennas_of_the_receiver():
    network, energy_w = network_of(5), 3.0
    for sender, n in enumerate(SIZES):
        others = tuple(i for i in range(6) if i != sender)
        pilot = np.sqrt(energy_w / n) * np.eye(n, 5)  # isotropic, exactly
        arriving = direct_field(network, sender, filled([pilot], 5)[0], others)
        heard = [heard_pilot(network, f"ap-{i}", f"ap-{sender}", pilot, y[: SIZES[i]])
                 for i, y in zip(others, arriving, strict=True)]  # fmt: skip
        np.testing.assert_allclose(heard, direct_inner(network, sender, energy_w, others), rtol=EXACT_RTOL)


def test_pilots_make_a_mixed_network_coherent():
    tables = {"user_equipment": {"count": 0}, "radio": {"transmit_power_dbm": 40.0}, "schedule": {"cpis": 5},
              "access_points": {"count": 12, "n_antennas": 6, "node": NODES},
              "selector": {"kind": "sensing-centric"}, "estimator": {"kind": "two-stage", "max_operations": 1e9},
              "oscillators": {"preset": "high-tcxo"}}  # fmt: skip
    run = Scenario.checked(MIXED | tables | {"calibration": {"kind": "direct-path"}}).build(3).run(5)
    assert [cpi.has_pilots for cpi in run.cpis] == [True, True, False, False, False]
    assert run.cpis[-1].score.status[0] == "resolved" and run.cpis[-1].score.error_m[0] < 0.01


# -- before a run ---------------------------------------------------------------------------------------------------


def test_the_map_of_the_bound_agrees_with_points():
    pixel = bound_map(mixed(), 1)
    x, y = pixel.x_m[17], pixel.y_m[31]
    assert pixel.peb_m[31, 17] == pytest.approx(bounds(mixed(), 1, [(x, y)])["targets"][1]["peb_coherent_m"], rel=1e-6)


@pytest.mark.parametrize("kind", ["bound-greedy", "joint-greedy", "exhaustive"])
def test_selectors_that_take_all_arrays_for_equal_are_refused(kind):
    words = rf'access_points.node\[0\].n_antennas: got 2, but the kind "{kind}" takes all for equal; choose another'
    with pytest.raises(ScenarioError, match=words):
        Scenario.checked(MIXED | {"selector": {"kind": kind}, "schedule": {"n_receivers": 3}})
    each = [{"name": f"ap-{i}", "n_antennas": 4} for i in range(6)]
    alike = {"access_points": {"count": 6, "node": each}, "schedule": {"n_receivers": 3}}
    Scenario.checked(MIXED | {"selector": {"kind": kind}} | alike).build(1, estimator=None).run(1)


def test_what_comes_too_late_is_told_for_the_smallest_and_the_largest_arrays():
    warnings = timing_warnings(mixed(fronthaul={"rate_bit_s": 2e6, "deadline_s": 1e-3}))
    assert any(text.startswith("if all access points had 6 antennas, ") for text in warnings)
    assert not any("had 1 antenna" in text and "reports of" in text for text in warnings)
    slower = timing_warnings(mixed(fronthaul={"rate_bit_s": 5e5, "deadline_s": 1e-3}))
    assert any(text.startswith("if all access points had 1 antenna, ") for text in slower)


OF_PAPER = {
    "access_points": {"node": [{"name": f"ap-{i}", "n_antennas": 2 + 2 * (i % 5)} for i in range(12)]},
    "user_equipment": {"count": 0},
    "targets": [{"position_m": [480.0, 530.0]}],
    "radio": {"transmit_power_dbm": 40.0},
}
"""The paper's network with arrays of 2 to 10 antennas."""


@pytest.mark.slow
def test_receivers_with_arrays_that_differ_contradict_each_other_no_more_than_noise():
    told, freedom = 0.0, 0.0
    for seed in range(40):
        cpi = Scenario.checked(OF_PAPER).build(seed, tracing=False, scoring=False).run(1).cpis[0]
        if cpi.estimate.resolved.all():
            found = contradictions(cpi.observation, cpi.estimate)
            told, freedom = told + found.statistic[:, 0].sum(), freedom + found.freedom[:, 0].sum()
    assert freedom > 1000
    assert told / freedom == pytest.approx(1.0, abs=4 * np.sqrt(2 / freedom))


@pytest.mark.slow
def test_errors_are_those_of_the_bound():
    """Structured amplitudes at 40 dBm: over 80 layouts, the squared error over that of the bound is 1 on average."""
    ratios, n_resolved = [], 0
    for seed in range(80):
        cpi = Scenario.checked(OF_PAPER).build(seed, tracing=False).run(1).cpis[0]
        if cpi.score.status[0] == "resolved":
            n_resolved += 1
            ratios.append((cpi.score.error_m[0] / cpi.peb_structured_m[0]) ** 2)
    assert n_resolved >= 76
    assert np.mean(ratios) == pytest.approx(1.0, abs=4 * np.std(ratios) / np.sqrt(len(ratios)))
    assert np.mean(ratios) < 1.5


@pytest.mark.parametrize(("larger", "is_bounded"), [({}, False), ({"ap-0": 4, "ap-1": 4, "ap-2": 4}, True)])
def test_pairs_of_single_antennas_say_nothing_of_two_targets_with_phases_unknown(larger, is_bounded):
    overrides = {
        "access_points.count": 6, "access_points.n_antennas": 1, "user_equipment.count": 0, "schedule.n_receivers": 3,
        "area.size_m": [300, 300], "targets": [{"position_m": [50, 60]}, {"position_m": [120, 140]}],
        "access_points.node": [{"name": name, "n_antennas": n} for name, n in larger.items()],
        "oscillators.preset": "high-tcxo", "calibration.kind": "direct-path",
    }  # fmt: skip
    cpi = load("paper", overrides).build(seed=1, estimator=None).run(4).cpis[-1]
    assert cpi.reports_fused == 9
    assert np.isfinite(cpi.peb_hybrid_m).all() == np.isfinite(cpi.peb_m).all() == is_bounded
