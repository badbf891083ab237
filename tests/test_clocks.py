"""Phases as state of the network: what they do to echoes, data and records, and how a calibration takes them off."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from emulator.agreement import agreeing
from emulator.calibrator import Calibrator
from emulator.faults import Corrupt, LinkDown, Restart, Rubbish
from emulator.front_end import FrontEnd, Wander
from emulator.journeys import Journeys
from emulator.media.effects import DirectPaths
from emulator.messages import Correction, PilotReport
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.user_equipment import UserEquipment
from emulator.randomness import Streams
from emulator.slot import Frame
from emulator.trace import Kind
from models.calibration import CoherenceDetector, DirectPath, Genie, NoCalibration, OverTheAir, ProportionalIntegral
from models.calibration.base import Measurements
from models.oscillators import Ideal, PhaseLocked, Static, TwoState, Wiener, named
from models.radio.efficiency import sinr
from scenarios import load
from tests.outcome import essence


@pytest.fixture
def paper():
    """The scenario of the paper, whose estimator soon gives up: where phases are wrong it would look long, in vain."""
    return lambda overrides=None: load("paper", {"estimator.max_operations": 1e9} | (overrides or {}))


CARRIER_HZ = 3.5e9
FRAME = Frame(slot_ns=100_000, n_slots=6, n_snapshots=10, lead_ns=200_000, deadline_ns=500_000)
ROUND_OFF = 1e-9


def ends_of(names, law, *, shared=False, chains=None):
    """Return the radios of nodes; ``chains`` are phases of their transmit and receive chains, shape (2, n_nodes)."""
    phases = np.zeros((2, len(names))) if chains is None else chains
    std_rad = (0.0, 0.0) if chains is None else (2.0, 2.0)
    return {
        name: FrontEnd(
            oscillator=law, carrier_hz=CARRIER_HZ, reference="all" if shared else name, transmit_rad=float(transmit),
            receive_rad=float(receive), chains_std_rad=std_rad,
        )
        for name, transmit, receive in zip(names, *phases, strict=True)
    }  # fmt: skip


def built(scenario, ends, calibration=None, *, seed=1, kind=AccessPoint, period_ns=None, detector=None, **keys):
    """Return an emulation whose APs have these radios, and are calibrated."""
    given = {"servo": keys.pop("servo")} if "servo" in keys else {}
    nodes = {name: partial(kind, front_end=end, **given) for name, end in ends.items()}
    emulation = scenario.build(seed=seed, access_points=nodes, effects=[DirectPaths()], **keys)
    if calibration is not None:
        network = emulation.network
        emulation.central.calibrator = Calibrator(
            network=network, noise_power_w=emulation.central.radio.noise_power_w, calibration=calibration,
            front_ends=tuple(ends.get(name) for name in network.ap_names), period_ns=period_ns, detector=detector,
        )  # fmt: skip
    return emulation


def names_of(scenario):
    return scenario.access_point_names


def random_chains(n, seed=0):
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, (2, n))


def efficiency(result):
    return np.array([cpi.se_bit_s_hz for cpi in result.cpis])


def resolved(result):
    return [set(cpi.score.status) == {"resolved"} for cpi in result.cpis]


# -- what phases do -------------------------------------------------------------------------------------------------


def test_an_ideal_oscillator_gives_the_same_bytes_as_none(small):
    scenario = small()
    expected = essence(scenario.build(seed=3).run(3))
    assert essence(built(scenario, ends_of(names_of(scenario), Ideal()), seed=3).run(3)) == expected


def test_a_phase_that_all_share_changes_nothing(paper):
    scenario = paper()
    exact = scenario.build(seed=1).run(2)
    common = built(scenario, ends_of(names_of(scenario), Wiener(linewidth_hz=1e3), shared=True)).run(2)
    np.testing.assert_allclose(efficiency(common), efficiency(exact), rtol=0.05)
    np.testing.assert_allclose(common.errors_m, exact.errors_m, atol=2e-4)
    still = built(scenario, ends_of(names_of(scenario), Static(phase_std_rad=3.0), shared=True)).run(2)
    np.testing.assert_allclose(efficiency(still), efficiency(exact), rtol=ROUND_OFF)
    np.testing.assert_allclose(still.errors_m, exact.errors_m, atol=1e-7)


def test_equal_phases_of_both_chains_spare_the_downlink_and_destroy_coherent_sensing(paper):
    scenario = paper()
    exact = scenario.build(seed=1).run(2)
    alike = np.tile(random_chains(12)[0], (2, 1))
    result = built(scenario, ends_of(names_of(scenario), Ideal(), chains=alike)).run(2)
    np.testing.assert_allclose(efficiency(result), efficiency(exact), rtol=ROUND_OFF)
    assert all(resolved(exact)) and not any(resolved(result))


def test_the_gain_of_the_downlink_falls_with_phase_errors_as_it_should():
    """E |sum b e^(j psi)|^2 = sum b^2 + e^(-s^2) ((sum b)^2 - sum b^2) for psi ~ N(0, s^2)."""
    amplitude, std_rad = np.array([1.0, 0.5, 2.0, 1.5]), 0.7
    phases = std_rad * np.random.default_rng(0).standard_normal((200_000, 4))
    found = sinr(amplitude[:, None, None] + 0j, np.ones((4, 1, 1)) + 0j, np.zeros((1, 4)), 1.0, phases)
    energy = np.sum(amplitude**2)
    assert found.mean() == pytest.approx(energy + np.exp(-(std_rad**2)) * (amplitude.sum() ** 2 - energy), rel=5e-3)


def test_phases_slot_by_slot_are_those_of_precoders_that_are_turned():
    rng = np.random.default_rng(1)
    channel, precoding = (rng.standard_normal((2, *shape)) for shape in ((3, 4, 5), (3, 5, 4)))
    channel, precoding = channel[0] + 1j * channel[1], precoding[0] + 1j * precoding[1]
    phases, sensing = rng.uniform(-3.0, 3.0, (2, 3)), np.full((2, 3), 0.1)
    turned = precoding * np.exp(1j * phases)[..., None, None]
    np.testing.assert_allclose(sinr(channel, precoding, sensing, 0.2, phases), sinr(channel, turned, sensing, 0.2))


def test_sensing_and_efficiency_suffer_together_from_wandering_phases(paper):
    scenario = paper()
    exact = scenario.build(seed=1).run(4)
    wandering = built(scenario, ends_of(names_of(scenario), named("low-tcxo"))).run(4)
    assert all(resolved(exact)) and not resolved(wandering)[-1]
    assert np.all(efficiency(wandering)[2:].sum(axis=1) < efficiency(exact)[2:].sum(axis=1))


# -- what is radiated, and what is put on record --------------------------------------------------------------------

ERROR_RAD = 1.0


@dataclass(kw_only=True, eq=False)
class TurnsWhatLeaves(AccessPoint):
    """Half of the APs radiate with a phase that they do not know of."""

    def radiate(self, slot, emission):
        return super().radiate(slot, emission).turned(ERROR_RAD if self.name in ("ap-0", "ap-2", "ap-4") else 0.0)


@dataclass(kw_only=True, eq=False)
class TurnsWhatItSends(AccessPoint):
    """The same phase, put into what the AP believes that it sends."""

    def transmit(self, slot):
        emission = super().transmit(slot)
        turn = np.exp(1j * (ERROR_RAD if self.name in ("ap-0", "ap-2", "ap-4") else 0.0))
        return emission._replace(sensing=None if emission.sensing is None else emission.sensing * turn)


def test_a_phase_of_what_leaves_the_antennas_is_felt_and_one_of_what_is_sent_is_on_record(paper):
    scenario = paper()
    exact, leaving, sent = (
        scenario.build(seed=1, access_point=kind).run(2) for kind in (AccessPoint, TurnsWhatLeaves, TurnsWhatItSends)
    )
    assert all(resolved(exact)) and all(resolved(sent)) and sent.errors_m.max() < 5e-3
    assert not any(resolved(leaving))
    assert np.all(efficiency(leaving).sum(axis=1) < efficiency(exact).sum(axis=1))
    np.testing.assert_allclose(efficiency(sent), efficiency(exact), rtol=ROUND_OFF)


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        (lambda self, slot, emission: 3, "radiate returned 3; expected an Emission"),
        (lambda self, slot, emission: emission._replace(phase_rad=np.nan), "phase_rad = nan"),
    ],
)
def test_what_radiate_returns_is_checked(small, leaves, words):
    odd = dataclass(kw_only=True, eq=False)(type("Odd", (AccessPoint,), {"radiate": leaves}))
    with pytest.raises(Exception, match=words):
        small().build(seed=1, access_point=odd).run(1)


def test_an_ap_whose_radiate_gives_nothing_is_silent_and_believes_that_it_was_not(small):
    mute = dataclass(kw_only=True, eq=False)(
        type("Mute", (AccessPoint,), {"radiate": lambda self, slot, emission: None})
    )
    result = small().build(seed=1, access_point=mute).run(1)
    assert result.cpis[0].se_bit_s_hz.max() == 0.0
    assert result.cpis[0].reports_fused == result.cpis[0].reports_expected


@dataclass(kw_only=True, eq=False)
class Keeps(UserEquipment):
    """Keeps what it received."""

    def __post_init__(self):
        self.kept = []

    def receive(self, slot, samples):
        self.kept.append(samples)


def test_what_a_ue_receives_is_turned_by_its_own_oscillator_and_its_efficiency_is_not(small):
    scenario = small()
    end = FrontEnd(oscillator=Static(phase_std_rad=2.0), carrier_hz=CARRIER_HZ, reference="ue")
    runs = {}
    for name, front in (("exact", None), ("turned", end)):
        emulation = scenario.build(seed=1, user_equipment=partial(Keeps, front_end=front))
        runs[name] = emulation.run(1), [ue.kept for ue in emulation.user_equipments.values()]
    phase = Wander().on_to(0, end, runs_frame(scenario), Streams(1).generator).in_cpi(0)[0, 0]
    exact, turned = (np.array(kept) for _, kept in runs.values())
    noise_free = exact.std()
    assert np.abs(turned - exact * np.exp(-1j * phase)).max() < 0.2 * noise_free  # noise is not turned
    assert np.abs(turned - exact).max() > 0.5 * noise_free
    assert np.array_equal(efficiency(runs["exact"][0]), efficiency(runs["turned"][0]))


def runs_frame(scenario):
    return scenario.build(seed=1).frame


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [Wiener(linewidth_hz=50.0), named("ocxo"), named("white-rabbit")])
def test_who_asks_when_changes_no_path(law):
    end, draw = FrontEnd(oscillator=law, carrier_hz=CARRIER_HZ, reference="ap-3"), Streams(7).generator
    often = Wander()
    for cpi in range(40):
        often = often.on_to(cpi, end, FRAME, draw).on_to(cpi, end, FRAME, draw)
    once = Wander().on_to(39, end, FRAME, draw)
    assert np.array_equal(often.in_cpi(39), once.in_cpi(39)) and often.state == once.state


def test_the_order_in_which_nodes_start_changes_no_byte(small):
    scenario = small()
    ends = ends_of(names_of(scenario), named("high-tcxo"))
    expected = essence(built(scenario, ends, Genie(), period_ns=10**6).run(4))
    other = built(scenario, ends, Genie(), period_ns=10**6)
    other.nodes = dict(reversed(other.nodes.items()))
    assert essence(other.run(4)) == expected


def test_phases_are_drawn_at_the_middle_of_slots_and_cpis_follow_without_a_gap():
    law = Wiener(linewidth_hz=200.0)
    end = FrontEnd(oscillator=law, carrier_hz=CARRIER_HZ, reference="ap-0")
    paths = []
    for seed in range(400):
        draw = Streams(seed).generator
        paths.append(np.concatenate([Wander().on_to(c, end, FRAME, draw).in_cpi(c)[0] for c in (0, 1)]))
    variance = np.var(paths, axis=0)
    middles_s = np.array([FRAME.slot_middle_s(i) for i in range(12)])
    np.testing.assert_allclose(variance, 2.0 * np.pi * 200.0 * middles_s, rtol=0.3)


def test_an_oscillator_that_starts_anew_has_any_phase():
    end, draw = FrontEnd(oscillator=named("ocxo"), carrier_hz=CARRIER_HZ, reference="ap-0"), Streams(1).generator
    before = Wander().on_to(20, end, FRAME, draw)
    after = before.restarted(20, end, draw).on_to(21, end, FRAME, draw)
    turns = (after.in_cpi(21)[0] - before.in_cpi(21)[0]) / (2.0 * np.pi)
    assert abs(turns[0] - round(turns[0])) > 0.01 and np.ptp(turns) < 0.01
    assert after.last == before.last == 31


# -- calibration ----------------------------------------------------------------------------------------------


def test_a_genie_takes_all_phases_off(paper):
    scenario = paper()
    exact = scenario.build(seed=1).run(2)
    ends = ends_of(names_of(scenario), Static(phase_std_rad=3.0), chains=random_chains(12))
    told = built(scenario, ends, Genie()).run(2)
    np.testing.assert_allclose(efficiency(told), efficiency(exact), rtol=ROUND_OFF)
    np.testing.assert_allclose(told.errors_m, exact.errors_m, atol=1e-7)


@pytest.mark.parametrize(
    ("calibration", "std_rad", "chains"),
    [(DirectPath(), 3.0, random_chains(12)), (OverTheAir(), 0.4, None)],
    ids=["direct-path", "over-the-air"],
)
def test_pilots_make_the_network_coherent_and_cost_airtime_and_fronthaul(paper, calibration, std_rad, chains):
    scenario = paper()
    ends = ends_of(names_of(scenario), Static(phase_std_rad=std_rad), chains=chains)
    result = built(scenario, ends, calibration).run(5)
    assert [cpi.has_pilots for cpi in result.cpis] == [True, True, False, False, False]
    assert resolved(result) == [False, False, False, True, True]
    assert efficiency(result)[:2].max() == 0.0 and efficiency(result)[2:].min() > 0.0
    trace = result.trace.data()
    kinds = [str(trace["message_kinds"][what]) for what in trace["message_what"]]
    assert kinds.count("PilotReport") == 24 and kinds.count("Correction") == 12
    happened = [Kind(kind) for kind in trace["kind"]]
    assert happened.count(Kind.PILOT) == 12 and happened.count(Kind.CORRECT) == 12
    assert happened.count(Kind.CALIBRATE) == 1


def test_an_ap_is_deaf_while_it_sends_its_pilot(paper):
    scenario = paper()
    emulation = built(scenario, ends_of(names_of(scenario), Static(phase_std_rad=1.0)), DirectPath())
    sent = []
    emulation.central.on_message, take = (
        (lambda message: (sent.append(message), take(message))),
        (emulation.central.on_message),
    )
    emulation.run(2)
    reports = [message for message in sent if isinstance(message, PilotReport)]
    assert len(reports) == 24
    for report in reports:
        own = int(report.source.removeprefix("ap-")) - 6 * report.cpi
        assert report.positions == tuple(i for i in range(6) if i != own)
        assert report.content_bits == 80 * len(report.positions)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(), (2, 16, 1, 4)], ids=["alike", "arrays that differ"])
def test_what_a_calibration_leaves_is_what_its_covariance_says(paper, sizes):
    """Chi-squared of the true phases after a round over the direct paths; echoes, which disturb it, are left out."""
    nodes = [{"name": f"ap-{i}", "n_antennas": n} for i, n in enumerate(sizes)]
    scenario = paper({"radio.transmit_power_dbm": 0.0, "targets": [], "access_points.node": nodes})
    distances = []
    for seed in range(60):
        chains = random_chains(12, seed)
        ends = ends_of(names_of(scenario), Static(phase_std_rad=3.0), chains=chains)
        emulation = built(scenario, ends, DirectPath(), seed=seed, estimator=None, scoring=False)
        emulation.run(4)
        turns = [ap._turns for ap in emulation.access_points.values()]
        left = np.array([t[0, 0] for t in turns] + [-t[1, 0] for t in turns])
        left = np.angle(np.exp(1j * (left - left[0])))
        left -= left.mean()
        sign = np.repeat([1.0, -1.0], 12)
        covariance = emulation.central.known_phases.calibrated[-1].covariance_rad2 * np.outer(sign, sign)
        distances.append(left @ np.linalg.pinv(covariance, hermitian=True, rcond=1e-9) @ left)
    assert np.mean(distances) == pytest.approx(23.0, rel=5.0 * np.sqrt(2.0 / 23.0 / 60.0))


@pytest.mark.slow
def test_a_correction_that_never_comes_leaves_its_ap_as_it_was(paper):
    scenario = paper()
    chains = np.tile(random_chains(12)[:1], (2, 1)) * [[1.0], [-1.0]]

    class Deaf(AccessPoint):
        def on_message(self, message):
            if not (isinstance(message, Correction) and self.name == "ap-3"):
                super().on_message(message)

    emulation = built(scenario, ends_of(names_of(scenario), Ideal(), chains=chains), DirectPath(), kind=Deaf)
    emulation.run(4)
    left = np.array([ap._turns[0, 0] for ap in emulation.access_points.values()])
    others = np.exp(1j * np.delete(left, 3))
    assert np.abs(np.angle(others / others[0])).max() < 0.01 and left[3] == chains[0, 3]


CORRECTIONS_LOST = LinkDown(link="central->ap-3", at_s=1.42e-3, until_s=1.5e-3)
"""It loses the correction that follows the pilots of the first two CPIs, and no plan."""


def own_std_rad(cpi, name):
    index = int(name.removeprefix("ap-"))
    return np.sqrt(cpi.observation.phase_covariance_rad2[index, index])


def test_a_correction_that_is_lost_counts_as_not_applied_and_is_sent_again(paper):
    scenario = paper()
    ends = ends_of(names_of(scenario), Static(phase_std_rad=0.5))
    emulation = built(scenario, ends, DirectPath(), faults=[CORRECTIONS_LOST])
    cpis = list(emulation.cpis(7))
    said_rad = {name: [own_std_rad(cpi, name) for cpi in cpis[3:]] for name in ("ap-2", "ap-3")}
    assert said_rad["ap-3"][:2] == pytest.approx([0.5, 0.5]) and max(said_rad["ap-3"][2:]) < 0.01
    assert max(said_rad["ap-2"]) < 0.01
    assert resolved(emulation.result(cpis))[-2:] == [True, True]
    assert np.all(cpis[3].peb_hybrid_m > cpis[5].peb_hybrid_m)
    assert np.all(cpis[3].error_ignoring_m > 1.5 * cpis[5].error_ignoring_m)
    result = emulation.result(cpis)
    way = Journeys(result.trace.data())
    first, again = way.messages(what="Correction", destination="ap-3")
    assert (result.corrections_repeated, again.cause, again.cpi) == (1, first.number, 5)
    assert [event.message for event in way.about(5, Kind.REPEAT)] == [again.number]


def test_a_confirmation_that_is_lost_brings_a_correction_twice_and_nothing_is_applied_twice(paper):
    scenario = paper()
    ends = ends_of(names_of(scenario), Static(phase_std_rad=0.5))
    silent = LinkDown(link="ap-3->central", at_s=1.5e-3, until_s=2.7e-3)
    emulation = built(scenario, ends, DirectPath(), faults=[silent])
    result = emulation.run(6)
    assert result.corrections_repeated == 1
    left = np.exp(1j * np.array([ap.turns[0, 0] for ap in emulation.access_points.values()]))
    assert np.abs(np.angle(left / left[0])).max() < 0.01


def calibrated_under(scenario, fault, calibration=None, **keys):
    """Return the result of a run in which a fault is on, who was told corrections, and the errors of phase left."""
    ends = ends_of(names_of(scenario), Static(phase_std_rad=0.4))
    emulation = built(scenario, ends, calibration or DirectPath(), faults=[fault], estimator=None, **keys)
    result = emulation.run(5)
    left = np.array([ap.turns[:, 0] * [1.0, -1.0] for ap in emulation.access_points.values()])
    return result, emulation.central.known_phases.calibrated[-1], np.angle(np.exp(1j * (left - left[0])))


@pytest.mark.parametrize(
    ("kind", "calibration"),
    [(Rubbish, DirectPath()), (Rubbish, OverTheAir()), (partial(Corrupt, undetected=True), DirectPath())],
    ids=["rubbish", "rubbish-over-the-air", "corrupt"],
)
def test_pilots_that_contradict_those_of_others_are_left_out_of_a_calibration(paper, kind, calibration):
    liar = kind(node="ap-3", at_s=0.0, until_s=1.5e-3)
    result, last, left_rad = calibrated_under(paper(), liar, calibration)
    others = np.delete(np.arange(12), 3)
    assert last.odd == (3,) and not last.told[3] and last.told[others].all()
    assert result.refused_reports == {"contradiction": 1}
    assert np.abs(left_rad[others]).max() < 0.02
    refused = Journeys(result.trace.data()).about(1, Kind.REFUSE)
    assert len(refused) == 1 and refused[0].message >= 0


def test_pilots_whose_check_sequence_does_not_fit_are_refused_and_counted(paper):
    result, last, left_rad = calibrated_under(paper(), Corrupt(node="ap-3", at_s=0.0, until_s=1.95e-3))
    assert result.refused_reports == {"check sequence": 2} and last.odd == ()
    assert np.abs(left_rad[np.delete(np.arange(12), 3), 0]).max() < 0.02


def test_with_too_many_liars_nobody_is_left_out():
    rng, network = np.random.default_rng(0), load("paper").build(seed=1).network
    inner = np.exp(1j * rng.uniform(-np.pi, np.pi, (12, 12)))
    measurements = Measurements(network=network, inner=inner, snr=np.full((12, 12), 1e4))
    assert agreeing(DirectPath(), measurements)[1] == ()


def run_with_a_restart(scenario, calibration, *, law, at_s, detector=None, n_cpis=14):
    """Return results, and what the centre says of the phase of the AP that restarts, and of another one."""
    restart = Restart(node="ap-3", at_s=at_s, lasts_s=1e-4)
    ends = ends_of(names_of(scenario), law)
    emulation = built(scenario, ends, calibration, faults=[restart], detector=detector)
    cpis = list(emulation.cpis(n_cpis))
    said = [(cpi.index, own_std_rad(cpi, "ap-3"), own_std_rad(cpi, "ap-5")) for cpi in cpis if not cpi.has_pilots]
    return emulation.result(cpis), [said_rad for said_rad in said if said_rad[0] >= 3]


@pytest.mark.slow
def test_of_an_oscillator_that_started_anew_nothing_is_known_until_it_is_calibrated(paper):
    law, began_cpi = named("ocxo"), 5
    at_s = FRAME.cpi_start_ns(began_cpi) * 1e-9 + 1e-4
    result, said = run_with_a_restart(paper(), DirectPath(), law=law, at_s=at_s, detector=CoherenceDetector())
    pilots = [cpi.index for cpi in result.cpis if cpi.has_pilots]
    assert pilots == [0, 1, 8, 9]  # CPI 6 is the first of which it says something
    for index, started_anew, other in said:
        assert started_anew == pytest.approx(np.pi / np.sqrt(3.0)) if 6 <= index <= 10 else started_anew < 0.01
        assert other < 0.01
    assert all(resolved(result)[12:])


@pytest.mark.slow
def test_a_restart_brings_no_calibration_that_nobody_asked_for(paper):
    at_s = FRAME.cpi_start_ns(5) * 1e-9 + 1e-4
    result, said = run_with_a_restart(paper(), DirectPath(), law=named("ocxo"), at_s=at_s, n_cpis=10)
    assert [cpi.index for cpi in result.cpis if cpi.has_pilots] == [0, 1]
    assert said[-1][1] == pytest.approx(np.pi / np.sqrt(3.0)) and said[-1][2] < 0.01
    _, said = run_with_a_restart(paper(), NoCalibration(), law=named("ocxo"), at_s=at_s, n_cpis=8)
    assert said[-1][1] == pytest.approx(np.pi / np.sqrt(3.0)) and said[0][1] < 0.01


@pytest.mark.slow
def test_an_ap_that_restarts_between_two_cpis_of_pilots_is_measured_in_the_next_round(paper):
    at_s = FRAME.cpi_start_ns(0) * 1e-9 + 4.5e-4
    result, said = run_with_a_restart(
        paper(), DirectPath(), law=Static(phase_std_rad=0.5), at_s=at_s, detector=CoherenceDetector(), n_cpis=9
    )
    assert [cpi.index for cpi in result.cpis if cpi.has_pilots] == [0, 1, 4, 5]
    assert said[-1][1] < 0.01 and said[-1][2] < 0.01 and all(resolved(result)[-2:])


@pytest.mark.slow
def test_of_a_round_in_which_its_oscillator_started_anew_an_ap_applies_nothing(paper):
    scenario = paper()
    faults = [
        Restart(node="ap-3", at_s=FRAME.cpi_start_ns(0) * 1e-9 + 4.2e-4, lasts_s=1e-6),
        LinkDown(link="ap-3->central", at_s=0.6e-3, until_s=1.75e-3),  # that it did is told after the round
    ]
    ends = ends_of(names_of(scenario), named("ocxo"))
    emulation = built(scenario, ends, DirectPath(), faults=faults)
    said = [own_std_rad(cpi, "ap-3") for cpi in emulation.cpis(8) if not cpi.has_pilots]
    assert emulation.central.known_phases.calibrated[-1].told[3]
    assert said == pytest.approx([np.pi / np.sqrt(3.0)] * 6)


def test_a_loop_learns_a_frequency_that_immediate_corrections_leave(paper):
    scenario = paper()
    law = TwoState(h0_s=0.0, h_minus_2_per_s=0.0, cfo_std_hz=30.0)
    ends = ends_of(names_of(scenario), law)
    left = {}
    for name, keys in (("immediate", {}), ("loop", {"servo": ProportionalIntegral(loop_hz=1000.0)})):
        emulation = built(scenario, ends, Genie(), period_ns=2_400_000, estimator=None, scoring=False, **keys)
        emulation.run(20)
        turns = np.array([ap._turns[0] for ap in emulation.access_points.values()])
        left[name] = np.abs(turns - turns.mean(axis=0)).max()
    assert left["immediate"] > 0.1 > 100.0 * left["loop"]


@pytest.mark.slow
def test_coherence_is_lost_noticed_and_won_back(paper):
    scenario = paper()
    ends = ends_of(names_of(scenario), named("high-tcxo"))
    detector = CoherenceDetector(memory_cpis=3.0, tolerance_rad=0.1)
    result = built(scenario, ends, DirectPath(), detector=detector).run(44)
    pilots = [cpi.index for cpi in result.cpis if cpi.has_pilots]
    assert pilots[:2] == [0, 1] and len(pilots) >= 4
    asked = [
        int(v)
        for v, k in zip(*(result.trace.data()[n] for n in ("value", "kind")), strict=True)
        if k == Kind.INCOHERENT
    ]
    assert len(asked) == len(pilots) // 2 - 1 and asked[0] < pilots[2]
    after = pilots[3] + 2
    assert all(resolved(result)[after : after + 5])
    assert np.nanmax(result.errors_m[after : after + 5]) < 5e-3


@pytest.mark.slow
def test_a_false_alarm_is_rare_where_phases_are_right(paper):
    result = built(paper(), {}, DirectPath(), detector=CoherenceDetector(memory_cpis=3.0, tolerance_rad=0.1)).run(20)
    assert [cpi.index for cpi in result.cpis if cpi.has_pilots] == [0, 1]


def test_an_ap_that_is_off_is_not_calibrated_from_noise(paper):
    scenario = paper({"faults": [{"kind": "ap-down", "node": "ap-3", "at_s": 0.0, "until_s": 2e-3}], "targets": []})
    ends = ends_of(names_of(scenario), Static(phase_std_rad=1.0))
    emulation = built(scenario, ends, DirectPath(), estimator=None)
    emulation.run(4)
    std_rad = np.sqrt(np.diag(emulation.central.known_phases.calibrated[-1].covariance_rad2)).reshape(2, 12)
    assert np.all(std_rad[:, 3] == pytest.approx(1.0)) and np.delete(std_rad, 3, axis=1).max() < 0.01


def test_over_the_air_claims_nothing_of_what_it_does_not_measure(paper):
    """tau + rho, of chains that are not known, stays as uncertain as it was; where only oscillators move it is 0."""
    scenario = paper({"targets": []})
    said_rad = {}
    for name, chains in (("chains", random_chains(12)), ("oscillators", None)):
        ends = ends_of(names_of(scenario), Static(phase_std_rad=0.1), chains=chains)
        emulation = built(scenario, ends, OverTheAir(), estimator=None)
        emulation.run(4)
        covariance = emulation.central.known_phases.calibrated[-1].covariance_rad2
        sums = covariance[:12, :12] + covariance[:12, 12:] + covariance[12:, :12] + covariance[12:, 12:]
        said_rad[name] = np.sqrt(np.diag(sums))
    np.testing.assert_allclose(said_rad["chains"], np.sqrt(8.0), rtol=1e-3)  # both chains: 2 rad
    assert said_rad["oscillators"].max() < 0.01


def test_a_cpi_before_corrections_count_says_nothing_of_them(paper):
    scenario = paper()
    ends = ends_of(names_of(scenario), Static(phase_std_rad=0.3))
    result = built(scenario, ends, DirectPath(), seed=3, detector=CoherenceDetector(tolerance_rad=0.1)).run(8)
    assert [cpi.index for cpi in result.cpis if cpi.has_pilots] == [0, 1]


# -- what is known of phases -------------------------------------------------------------------------------------------


def test_what_is_known_of_phases_grows_with_time_and_falls_with_a_calibration(paper):
    scenario = paper()
    law = named("ocxo", phase_std_rad=0.5)
    ends = ends_of(names_of(scenario), law)
    bounds = built(scenario, ends, Genie(), period_ns=1_800_000).run(6).cpis
    assert all(np.all(cpi.peb_hybrid_m >= cpi.peb_m * (1.0 - ROUND_OFF)) for cpi in bounds)
    wild = built(scenario, ends, NoCalibration()).run(1).cpis[0]
    assert np.all(wild.peb_hybrid_m > 2.0 * wild.peb_m) and np.all(wild.error_ignoring_m > wild.peb_hybrid_m)
    np.testing.assert_allclose(np.diag(wild.observation.phase_covariance_rad2), 0.25, rtol=1e-3)


def test_a_loop_that_nobody_measured_is_known_as_well_at_any_time(small):
    """The phase of a locked oscillator has the same law at all times, so that waiting makes nothing of it worse."""
    locked = named("white-rabbit")
    expected = locked.start_variance_rad2(CARRIER_HZ)
    for lead_s in (2e-4, 1.0):
        scenario = small({"schedule.lead_s": lead_s, "oscillators.preset": "white-rabbit"})
        found = scenario.build(seed=1).run(1).cpis[0].observation.phase_covariance_rad2
        np.testing.assert_allclose(np.diag(found), expected)


def test_where_phases_are_exact_there_is_no_bound_with_phases(small):
    cpi = small().build(seed=1).run(1).cpis[0]
    assert cpi.peb_hybrid_m is None and cpi.error_ignoring_m is None


def test_a_run_with_clocks_and_calibrations_is_taken_up_from_a_state_to_the_byte(small):
    scenario = small({"schedule.n_receivers": 3})
    ends = ends_of(names_of(scenario), PhaseLocked(jitter_s=5e-12, loop_hz=100.0), chains=random_chains(6))
    build = partial(built, scenario, ends, DirectPath(), seed=4, period_ns=2_000_000, detector=CoherenceDetector())
    expected = essence(build().run(8))
    for n_first in (1, 2, 3, 6):
        before = build()
        first = list(before.cpis(n_first))
        after = build()
        after.restore(before.state())
        assert essence(after.result([*first, *after.cpis(8 - n_first)])) == expected
