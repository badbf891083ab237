"""Phases of the access points: what pilots tell of them, how corrections are applied, when coherence is lost."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from models.calibration import (
    CALIBRATIONS,
    SERVOS,
    Coherence,
    CoherenceDetector,
    CoherenceState,
    DirectPath,
    Genie,
    Immediate,
    Measurements,
    NoCalibration,
    OverTheAir,
    PhaseCalibration,
    PilotSlot,
    ProportionalIntegral,
    ServoState,
    check_calibration,
    coherence_loss,
)
from models.calibration.base import UNKNOWN_RAD2
from models.calibration.graph import graph_phases, laplacian_inverse, wrapped
from models.doors import DoorError, calibrated, piloted
from models.observation import Estimate
from scenarios.file.plugins import implementation
from tests.simulate import normals, observe, random_network, random_truth

EXACT = 1e-9  # rad, of paths of 1e5 rad
ROUNDING = 1e-12
GOLDEN = {"line": (1.986, 11.0), "ring": (0.993, 3.0), "star": (0.840, 2.0), "mesh": (0.0764, 2.0 / 12.0)}
"""For 12 APs, in units of the variance of an edge: mean variance of an AP, largest of a difference of two."""
ALMOST_ALL = 1e-4  # probability that a right law is refused


def measured(rng, network, transmit, receive, snr=1e12, survey=None, believed=None, reciprocal=None):
    """Return what all hear of all; over direct paths, or with these phases of the channels, (n, n)."""
    n = network.n_aps
    at = network.ap_positions_m if survey is None else survey
    channel = -network.wavenumber_rad_m * np.linalg.norm(at - at[:, None], axis=-1)
    channel = channel if reciprocal is None else reciprocal
    snr = np.broadcast_to(np.asarray(snr, dtype=float), (n, n)).copy()
    inner = np.exp(1j * (transmit + receive[:, None] + channel)) + normals(rng, n, n) / np.sqrt(snr)
    inner[np.eye(n, dtype=bool)] = np.nan
    return Measurements(network=network, inner=inner, snr=snr, believed_rad=believed)


def only(measurements, slots):
    """Leave of the measurements what the slots hold."""
    kept = np.full(measurements.inner.shape, np.nan, dtype=complex)
    for slot in slots:
        kept[list(slot.receivers), slot.transmitter] = measurements.inner[list(slot.receivers), slot.transmitter]
    return Measurements(
        network=measurements.network, inner=kept, snr=measurements.snr, believed_rad=measurements.believed_rad
    )


def silent(measurements, ap, heard=True):
    """Take away what an AP sent, and what it heard unless told."""
    inner = measurements.inner.copy()
    inner[:, ap] = np.nan
    if not heard:
        inner[ap] = np.nan
    return Measurements(network=measurements.network, inner=inner, snr=measurements.snr)


def circle(rng, *shape):
    return rng.uniform(-np.pi, np.pi, shape)


def reciprocal_channel(rng, n):
    phase = np.triu(circle(rng, n, n), 1)
    return phase + phase.T


def common(errors):
    """Return errors on the circle less their common phase."""
    return wrapped(errors - np.angle(np.sum(np.exp(1j * errors))))


def pair_errors(corrections, transmit, receive):
    """Return what is wrong with tau_t + rho_r of all pairs."""
    return wrapped(
        (corrections.transmit_rad - transmit) + (corrections.receive_rad - receive)[:, None],
    )


@pytest.mark.parametrize("kind", CALIBRATIONS)
class TestContract:
    """What holds for every calibration."""

    def test_contract(self, kind):
        check_calibration(implementation(kind, CALIBRATIONS)())

    def test_fewest_aps(self, kind):
        calibration = implementation(kind, CALIBRATIONS)()
        for n in (1, 2):
            network = random_network(np.random.default_rng(n), n)
            assert len(calibration.transmissions(network, range(n))) in (0, n)
            got = calibration.solve(
                Measurements(
                    network=network, inner=np.ones((n, n)) + 0j, snr=np.ones((n, n)), truth_rad=np.zeros((2, n))
                )
            )
            assert np.isfinite(got.covariance_rad2).all()


@pytest.mark.parametrize("topology", GOLDEN)
def test_contract_over_every_graph(topology):
    check_calibration(OverTheAir(topology=topology))


@dataclass(frozen=True, kw_only=True)
class Forgetful(DirectPath):
    """Forgets what was believed where nothing came."""

    def solve(self, measurements):
        return super().solve(replace(measurements, believed_rad=None))


@dataclass(frozen=True, kw_only=True)
class Boastful(DirectPath):
    """Says half of its variance."""

    def solve(self, measurements):
        got = super().solve(measurements)
        return replace(got, covariance_rad2=0.5 * got.covariance_rad2)


@dataclass(frozen=True, kw_only=True)
class FullDuplex(DirectPath):
    """Listens to itself."""

    def transmissions(self, network, aps):
        return tuple(PilotSlot(i, tuple(aps)) for i in aps)


@pytest.mark.parametrize(
    ("calibration", "complaint"),
    [
        (Forgetful(), "no longer those that were believed"),
        (Boastful(), "the variances said"),
        (FullDuplex(), "let one of"),
    ],
)
def test_a_broken_contract_is_told(calibration, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_calibration(calibration)


@dataclass(frozen=True, kw_only=True)
class Mistaken(PhaseCalibration):
    """Returns what it is given."""

    slots: object = ()
    corrections: object = None

    def transmissions(self, network, aps):
        return self.slots

    def solve(self, measurements):
        return self.corrections


class TestDoors:
    """What a calibration of somebody's own returns is checked where it is taken."""

    def test_what_fits_passes(self):
        rng = np.random.default_rng(40)
        measurements = measured(rng, random_network(rng), np.zeros(12), np.zeros(12))
        got = calibrated(DirectPath(), measurements)
        assert not got.transmit_rad.flags.writeable
        assert piloted(DirectPath(), measurements.network, range(12)) == DirectPath().transmissions(
            measurements.network, range(12)
        )

    @pytest.mark.parametrize(
        "slots",
        [None, (1, 2), (PilotSlot(0, (0, 1)),), (PilotSlot(0, ()),), (PilotSlot(0, (3,)),), (PilotSlot(3, (0,)),)],
    )
    def test_slots_that_cannot_be_are_refused(self, slots):
        network = random_network(np.random.default_rng(41), 4)
        with pytest.raises(DoorError, match=r"calibration Mistaken.transmissions returned .* one of \[0, 1, 2\] sends"):
            piloted(Mistaken(slots=slots), network, [0, 1, 2])

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"transmit_rad": np.zeros(3)}, "transmit_rad: finite, shape \\(12,\\)"),
            ({"receive_rad": np.full(12, np.nan)}, "receive_rad: finite"),
            ({"covered": np.zeros(12, dtype=bool)}, "covered: finite, shape \\(2, 12\\)"),
            ({"covariance_rad2": -np.eye(24)}, "without negative eigenvalues"),
            ({"covariance_rad2": np.triu(np.ones((24, 24)))}, "symmetric"),
        ],
    )
    def test_corrections_that_cannot_be_are_refused(self, change, complaint):
        rng = np.random.default_rng(42)
        measurements = measured(rng, random_network(rng), np.zeros(12), np.zeros(12))
        wrong = replace(DirectPath().solve(measurements), **change)
        with pytest.raises(DoorError, match=complaint):
            calibrated(Mistaken(corrections=wrong), measurements)
        with pytest.raises(DoorError, match="expected Corrections"):
            calibrated(Mistaken(), measurements)


def test_the_genie_wants_the_truth():
    rng = np.random.default_rng(5)
    assert Genie.needs_truth
    assert not NoCalibration.needs_truth
    with pytest.raises(ValueError, match="truth_rad"):
        Genie().solve(measured(rng, random_network(rng), np.zeros(12), np.zeros(12)))


class TestGraph:
    def test_phases_of_the_whole_circle_come_out(self):
        rng = np.random.default_rng(6)
        for _ in range(50):
            n = int(rng.integers(2, 15))
            weight = np.triu(rng.exponential(size=(n, n)) * (rng.random((n, n)) < 0.6), 1)
            weight = (weight + weight.T) * 10 ** rng.uniform(-9, 9)
            truth = circle(rng, n)
            got = graph_phases(wrapped(truth[:, None] - truth), weight)
            np.testing.assert_allclose(common((got.phase_rad - truth)[got.reference]), 0.0, atol=EXACT)

    def test_pseudo_inverse_is_that_of_numpy_also_for_parts(self):
        rng = np.random.default_rng(7)
        weight = np.zeros((7, 7))
        weight[:3, :3], weight[3:6, 3:6] = 1.0 + rng.random((3, 3)), 2.0
        weight = np.triu(weight, 1) + np.triu(weight, 1).T
        laplacian = np.diag(weight.sum(axis=1)) - weight
        got = laplacian_inverse(weight, np.array([0, 0, 0, 1, 1, 1, 2]))
        np.testing.assert_allclose(got, np.linalg.pinv(laplacian), atol=ROUNDING)

    @pytest.mark.parametrize("topology", GOLDEN)
    def test_golden_covariances_of_twelve_aps(self, topology):
        """Mean variance of an AP and largest variance of a difference, for one unit of variance of each edge."""
        rng = np.random.default_rng(8)
        network = random_network(rng)
        calibration = OverTheAir(topology=topology)
        found = measured(rng, network, np.zeros(12), np.zeros(12), reciprocal=np.zeros((12, 12)), snr=1.0)
        got = calibration.solve(only(found, calibration.transmissions(network, range(12))))
        nu = np.kron([1.0, -1.0], np.eye(12))
        covariance = nu @ got.covariance_rad2 @ nu.T  # of tau - rho; an edge has variance 1 / 2 + 1 / 2
        spread = np.diag(covariance)[:, None] + np.diag(covariance) - 2.0 * covariance
        mean, largest = GOLDEN[topology]
        assert np.diag(covariance).mean() == pytest.approx(mean, abs=6e-4)
        assert spread.max() == pytest.approx(largest, abs=6e-4)


class TestOverTheAir:
    @pytest.mark.parametrize("topology", GOLDEN)
    def test_residual_follows_the_laplacian(self, topology):
        """The errors of tau - rho, whitened, are chi-squared; phases of channels and chains over the whole circle."""
        rng = np.random.default_rng(9)
        calibration, n, squares = OverTheAir(topology=topology), 12, []
        for _ in range(150):
            network = random_network(rng, n)
            transmit, receive = circle(rng, 2, n)
            snr = 10 ** rng.uniform(3.0, 4.0, (n, n))
            found = measured(rng, network, transmit, receive, snr, reciprocal=reciprocal_channel(rng, n))
            got = calibration.solve(only(found, calibration.transmissions(network, range(n))))
            assert got.covered.all()
            errors = common(got.transmit_rad - got.receive_rad - transmit + receive)
            inverse = 4.0 * got.covariance_rad2[:n, :n]  # the same as that of nu = 2 tau + constant
            squares.append((errors - errors.mean()) @ np.linalg.pinv(inverse, hermitian=True) @ errors)
        assert stats.kstest(squares, stats.chi2(n - 1).cdf).pvalue > ALMOST_ALL

    def test_oscillators_that_drifted_by_less_than_a_quarter_turn_are_known_for_sensing(self):
        """Beliefs, chains of any phase known in them, and a common phase that may be anything."""
        rng = np.random.default_rng(10)
        network, chains = random_network(rng), circle(rng, 2, 12)
        drift = rng.uniform(-0.45, 0.45, 12) * np.pi + rng.uniform(-9.0, 9.0)
        transmit, receive = chains[0] + drift, chains[1] - drift
        found = measured(rng, network, transmit, receive, believed=chains, reciprocal=reciprocal_channel(rng, 12))
        got = OverTheAir().solve(found)
        errors = pair_errors(got, transmit, receive)
        assert np.abs(errors).max() < 1e-4

    def test_without_beliefs_sensing_is_known_modulo_half_a_turn(self):
        rng = np.random.default_rng(11)
        network, theta = random_network(rng), circle(rng, 12)
        got = OverTheAir().solve(measured(rng, network, theta, -theta, reciprocal=reciprocal_channel(rng, 12)))
        errors = pair_errors(got, theta, -theta)
        np.testing.assert_allclose(wrapped(2.0 * errors), 0.0, atol=1e-4)
        assert np.abs(errors).max() > 3.0

    def test_the_downlink_learns_all_and_sensing_nothing_of_equal_chains(self):
        """tau = rho at random: nothing is to be corrected in the downlink, and sensing stays destroyed."""
        rng = np.random.default_rng(12)
        network, phase = random_network(rng), circle(rng, 12)
        got = OverTheAir().solve(measured(rng, network, phase, phase, reciprocal=reciprocal_channel(rng, 12)))
        np.testing.assert_allclose(got.transmit_rad - got.receive_rad, 0.0, atol=1e-4)
        coherence = np.abs(np.exp(1j * pair_errors(got, phase, phase)).mean())
        assert coherence < 0.5

    def test_a_dead_ap_and_its_neighbours_beyond_are_not_covered(self):
        rng = np.random.default_rng(13)
        network, theta = random_network(rng, 7), np.zeros(7)
        line = OverTheAir(topology="line")
        found = only(measured(rng, network, theta, theta), line.transmissions(network, range(7)))
        got = line.solve(silent(found, 2, heard=False))
        assert got.covered.tolist() == [[False, False, False, True, True, True, True]] * 2
        np.testing.assert_array_equal(np.diag(got.covariance_rad2)[:3], UNKNOWN_RAD2)
        # planned without it, the line closes
        slots = line.transmissions(network, [0, 1, 3, 4, 5, 6])
        assert OverTheAir().solve(only(measured(rng, network, theta, theta), slots)).covered.sum(axis=1).tolist() == [
            6,
            6,
        ]

    def test_one_way_alone_is_no_link(self):
        rng = np.random.default_rng(14)
        network = random_network(rng, 3)
        got = OverTheAir().solve(silent(measured(rng, network, np.zeros(3), np.zeros(3)), 1))
        assert got.covered.tolist() == [[True, False, True]] * 2

    def test_topology_is_checked(self):
        with pytest.raises(ValueError, match=r"OverTheAir.topology is 'tree': use one of line, ring, star, mesh"):
            OverTheAir(topology="tree")

    def test_hub_of_a_star_is_in_the_middle(self):
        network = random_network(np.random.default_rng(15))
        slots = OverTheAir(topology="star").transmissions(network, range(12))
        (hub,) = (slot.transmitter for slot in slots if len(slot.receivers) > 1)
        middle = np.linalg.norm(network.ap_positions_m - network.ap_positions_m.mean(axis=0), axis=1)
        assert hub == middle.argmin()


class TestDirectPath:
    def test_errors_follow_the_covariance(self):
        rng = np.random.default_rng(16)
        n, squares = 8, []
        for _ in range(200):
            network = random_network(rng, n)
            transmit, receive = circle(rng, 2, n)
            got = DirectPath().solve(measured(rng, network, transmit, receive, 10 ** rng.uniform(2.5, 4.0, (n, n))))
            errors = np.concatenate([got.transmit_rad - transmit, -(got.receive_rad - receive)])
            errors = common(errors)
            sign = np.repeat([1.0, -1.0], n)
            weight = np.linalg.pinv(np.outer(sign, sign) * got.covariance_rad2, hermitian=True)
            squares.append((errors - errors.mean()) @ weight @ errors)
        assert stats.kstest(squares, stats.chi2(2 * n - 1).cdf).pvalue > ALMOST_ALL

    def test_survey_errors_are_in_the_covariance(self):
        """Positions wrong by 0.1 mm, no noise: the covariance of all phases is that of many surveys."""
        rng = np.random.default_rng(17)
        network, std = random_network(rng, 6), 1e-4
        snr = 10 ** rng.uniform(9.0, 10.0, (6, 6))
        drawn = []
        for _ in range(500):
            true = network.ap_positions_m + std * rng.standard_normal((6, 2))
            got = DirectPath(survey_std_m=std).solve(measured(rng, network, np.zeros(6), np.zeros(6), snr, survey=true))
            drawn.append(np.concatenate([got.transmit_rad, got.receive_rad]))
        covariance = np.cov(np.array(drawn), rowvar=False)
        np.testing.assert_allclose(np.diag(covariance), np.diag(got.covariance_rad2), rtol=0.3)
        np.testing.assert_allclose(covariance, got.covariance_rad2, atol=0.2 * np.diag(covariance).max())

    def test_a_millimetre_is_73_mrad(self):
        rng = np.random.default_rng(18)
        network = random_network(rng, 3)
        moved = network.ap_positions_m.copy()
        far = moved[0] - moved[1:]
        moved[0] += 1e-3 * far.mean(axis=0) / np.linalg.norm(far.mean(axis=0))
        got = DirectPath().solve(measured(rng, network, np.zeros(3), np.zeros(3), survey=moved))
        errors = pair_errors(got, np.zeros(3), np.zeros(3))[~np.eye(3, dtype=bool)]
        assert 0.05 < np.abs(errors).max() < 0.0734

    def test_an_ap_that_heard_nothing_or_was_not_heard_says_so(self):
        rng = np.random.default_rng(19)
        network, (transmit, receive) = random_network(rng), circle(rng, 2, 12)
        found = measured(rng, network, transmit, receive)
        got = DirectPath().solve(silent(found, 4))
        assert got.covered.tolist() == [[i != 4 for i in range(12)], [True] * 12]
        assert got.transmit_rad[4] == 0.0
        assert got.covariance_rad2[4, 4] == UNKNOWN_RAD2
        others = [i for i in range(12) if i != 4]
        assert np.abs(pair_errors(got, transmit, receive)[:, others][~np.eye(12, dtype=bool)[:, others]]).max() < 1e-4
        assert not DirectPath().solve(silent(found, 4, heard=False)).covered[:, 4].any()

    def test_a_common_phase_changes_nothing(self):
        rng = np.random.default_rng(20)
        network, (transmit, receive) = random_network(rng), circle(rng, 2, 12)
        one, other = (
            DirectPath().solve(measured(np.random.default_rng(1), network, transmit + c, receive - c, 1e4))
            for c in (0.0, 2.0)
        )
        np.testing.assert_allclose(one.transmit_rad, other.transmit_rad, atol=1e-8)

    def test_setting_is_checked(self):
        with pytest.raises(ValueError, match="survey_std_m is -1: give a number from 0 to 1 m"):
            DirectPath(survey_std_m=-1)


LOOPS = [ProportionalIntegral(loop_hz=hz, damping=d) for hz in (0.01, 1.0, 300.0) for d in (1.0, 1.5, 10.0)]


def followed(servo, phase, times):
    """Return the errors of what is predicted at the times of calibrations without noise."""
    state, errors = ServoState(phase(times[0]), 0.0), []
    for before, now in itertools.pairwise(times):
        error = phase(now) - servo.predict(state, now - before)
        errors.append(error)
        state = servo.update(state, error, now - before)
    return np.array(errors)


class TestServo:
    @pytest.mark.parametrize("kind", SERVOS)
    def test_contract(self, kind):
        """Nothing is changed by an error of 0; arrays and numbers alike; no step backwards."""
        servo = implementation(kind, SERVOS)(**({"loop_hz": 1.0} if kind == "proportional-integral" else {}))
        state = servo.update(ServoState(np.array([0.5, -2.0]), np.zeros(2)), np.zeros(2), 0.1)
        np.testing.assert_array_equal(state.phase_rad, [0.5, -2.0])
        one = servo.update(ServoState(0.5, 0.0), 0.25, 0.1)
        many = servo.update(ServoState(np.array([0.5, 0.1]), np.zeros(2)), np.array([0.25, 0.0]), 0.1)
        assert (one.phase_rad, one.frequency_rad_s) == (many.phase_rad[0], many.frequency_rad_s[0])
        assert servo.predict(state, 0.0) is not None
        with pytest.raises(ValueError, match="above 0 s"):
            servo.update(one, 0.1, 0.0)

    def test_a_constant_frequency_is_followed_by_the_loop_alone(self):
        times = np.cumsum(np.random.default_rng(21).uniform(0.05, 0.2, 400))
        turn = 3.0
        assert np.abs(followed(ProportionalIntegral(loop_hz=1.0), lambda t: turn * t, times))[-1] < 1e-9
        np.testing.assert_allclose(followed(Immediate(), lambda t: turn * t, times), turn * np.diff(times))

    @pytest.mark.parametrize("loop", LOOPS, ids=str)
    def test_stable_for_any_periods(self, loop):
        """Errors of phase and frequency die away, whatever the periods, drawn anew or alternating."""
        rng = np.random.default_rng(22)
        for _ in range(20):
            extremes = 10 ** rng.uniform(-2.0, 2.0, 2) / loop.loop_hz
            steps = rng.choice(extremes, 3000)
            state = ServoState(1.0, loop.loop_hz)
            for step in steps:
                state = loop.update(state, -loop.predict(state, step), step)
            assert abs(state.phase_rad) + abs(state.frequency_rad_s) / loop.loop_hz < 1e-3

    def test_errors_decay_as_in_continuous_time(self):
        """Sampled often, the error of a step of the phase is (1 - w t) e^{-w t} at a damping of 1."""
        step = 1e-4
        times = step * np.arange(20001)
        errors = followed(ProportionalIntegral(loop_hz=1.0), lambda t: 1.0 * (t > 0.0), times)
        turn = 2.0 * np.pi * times[:-1]
        np.testing.assert_allclose(errors, (1.0 - turn) * np.exp(-turn), atol=2e-3)

    def test_long_periods_take_the_last_two_alone(self):
        """A parabola: predicted from the last two calibrations, off by a T^2 each time."""
        errors = followed(ProportionalIntegral(loop_hz=1e3), lambda t: 0.5 * t**2, np.arange(10.0))
        np.testing.assert_allclose(errors[2:], 1.0)

    @pytest.mark.parametrize(
        ("settings", "complaint"),
        [({"loop_hz": 0.0}, "loop_hz is 0.0: give a number from 1e-06 to 1e\\+06"),
         ({"loop_hz": 1.0, "damping": 0.7}, "damping is 0.7: give a number from 1 to 10"),
         ({"loop_hz": True}, "loop_hz is True"), ({"loop_hz": np.nan}, "loop_hz is nan")],
    )  # fmt: skip
    def test_settings_are_checked(self, settings, complaint):
        with pytest.raises(ValueError, match=complaint):
            ProportionalIntegral(**settings)


def coherences(seed, n_cpis, power_w, error_rad=0.0, n_targets=1, **settings):
    """Return the coherence of resolved targets in CPIs of layouts of their own."""
    for index in range(n_cpis):
        rng = np.random.default_rng([seed, index])
        truth = random_truth(rng, n_targets=n_targets)
        observation = observe(rng, truth, power_w=power_w, ap_phase_deg=np.rad2deg(error_rad), **settings)
        yield coherence_loss(observation, Estimate.at(truth.targets_m))


def alarms(seed, n_cpis, probability, **settings):
    detector = CoherenceDetector(false_alarm_probability=probability)
    return sum(detector.lost(detector.update(CoherenceState(), c)) for c in coherences(seed, n_cpis, **settings))


class TestCoherence:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "settings",
        [{"power_w": 0.3}, {"power_w": 10.0, "full": True}, {"power_w": 10.0, "log_normal_db": 6.0}],
        ids=["separate", "overlapping", "uneven"],
    )
    def test_false_alarms_come_at_the_designed_rate(self, settings):
        n, probability = 200, 0.05
        hits = alarms(23, n, probability, **settings)
        assert stats.binomtest(hits, n, probability).pvalue > ALMOST_ALL

    def test_statistic_has_its_law(self):
        found = list(coherences(24, 200, 1.0))
        assert {c.degrees_of_freedom for c in found} == {36 - 3}
        assert stats.kstest([c.statistic[0] for c in found], stats.chi2(33).cdf).pvalue > ALMOST_ALL

    def test_targets_that_overlap_raise_no_more_alarms(self):
        hits = alarms(25, 100, 0.05, power_w=3.0, n_targets=3)
        assert stats.binomtest(hits, 100, 0.05, alternative="greater").pvalue > ALMOST_ALL

    def test_gamma_is_one_for_right_and_small_for_wrong_phases(self):
        (right,) = coherences(26, 1, 10.0)
        (wrong,) = coherences(26, 1, 10.0, random_phase=True)
        assert right.gamma[0] > 0.98
        assert wrong.gamma[0] < 0.7

    def test_error_of_a_pair_is_measured(self):
        """At 40 dBm, AP errors of 0.1 rad: less than root 2 times that, as the position takes a part of it."""
        detector, state = CoherenceDetector(memory_cpis=1000.0), CoherenceState()
        for seen in coherences(27, 40, 10.0, 0.1):
            state = detector.update(state, seen)
        assert 0.04 < state.pair_error_rad < 0.1 * np.sqrt(2.0)

    @pytest.mark.slow
    def test_half_a_radian_at_20_dbm_is_noticed(self):
        """In a quarter of single CPIs, a target in each; over 10 of them always."""
        assert alarms(28, 60, 1e-3, power_w=0.1, error_rad=0.5) > 10
        detector = CoherenceDetector(memory_cpis=10.0)
        for run in range(6):
            state = CoherenceState()
            for seen in coherences(29 + run, 10, 0.1, 0.5):
                state = detector.update(state, seen)
            assert detector.lost(state)

    @pytest.mark.parametrize("reason", ["misfit", "moving"])
    @pytest.mark.parametrize("error_deg", [0.0, 30.0])
    def test_a_target_that_is_not_resolved_for_its_phases_counts(self, reason, error_deg):
        """Its best lobe is looked for; one that moved tells nothing."""
        rng = np.random.default_rng(30)
        truth = random_truth(rng, n_targets=1)
        observation = observe(rng, truth, power_w=10.0, ap_phase_deg=error_deg)
        nearby = Estimate(positions_m=truth.targets_m + 0.3, resolved=np.zeros(1, dtype=bool), reasons=(reason,))
        seen = coherence_loss(observation, nearby)
        assert len(seen.statistic) == (reason == "misfit")
        detector = CoherenceDetector()
        lost = detector.lost(detector.update(CoherenceState(), seen))
        assert lost == (reason == "misfit" and error_deg > 0.0)

    def test_nothing_found_and_few_pairs_tell_nothing(self):
        rng = np.random.default_rng(31)
        detector, state = CoherenceDetector(), CoherenceState(5.0, 4.0, 8.0, 100.0)
        few = random_truth(rng, n_targets=1, n_aps=4, n_receivers=1)
        none = coherence_loss(observe(rng, random_truth(rng, n_targets=0)), Estimate.at([]))
        for seen in (none, coherence_loss(observe(rng, few), Estimate.at(few.targets_m))):
            assert detector.update(state, seen) == state
        assert CoherenceState().probability == 1.0
        assert not detector.lost(CoherenceState())

    def test_averages_of_right_phases_are_gamma_distributed(self):
        """The tail of a weighted sum of chi-squared numbers, at 1 in 100."""
        rng = np.random.default_rng(32)
        detector, hits, n = CoherenceDetector(false_alarm_probability=0.01, memory_cpis=5.0), 0, 2000
        for draws in rng.chisquare(33, (n, 12)):
            state = CoherenceState()
            for x in draws:
                state = detector.update(state, Coherence(np.array([x]), 33, np.array([1e4])))
            hits += detector.lost(state)
        assert stats.binomtest(hits, n, 0.01).pvalue > ALMOST_ALL

    def test_what_is_tolerated_is_no_alarm(self):
        seen = next(coherences(33, 1, 10.0, 0.2))
        strict, lax = CoherenceDetector(), CoherenceDetector(tolerance_rad=0.3)
        assert strict.lost(strict.update(CoherenceState(), seen))
        assert not lax.lost(lax.update(CoherenceState(), seen))

    @pytest.mark.parametrize("settings", [{"false_alarm_probability": 0.0}, {"memory_cpis": 0.5}, {"tolerance_rad": 2}])
    def test_settings_are_checked(self, settings):
        ((name, value),) = settings.items()
        with pytest.raises(ValueError, match=f"CoherenceDetector.{name} is {value}: give a number from"):
            CoherenceDetector(**settings)
