"""The test of each receiver against the others: its law where all are honest, and whom it finds where one is not."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from benchmarks import study_exclusion
from emulator import Rubbish
from models.consistency import ConsistencyTest, without
from models.contradictions import KINDS, Contradiction, contradictions, log_chi_square_tail
from models.doors import estimated
from models.network import ModeAssignment
from models.observation import Estimate
from scenarios import load
from scenarios.file.remarks import remarks
from tests.simulate import observe, random_truth

TRIALS = 150


def observed(index, n_targets=1, full=False, power_w=1.0):
    rng = np.random.default_rng([77, index])
    truth = random_truth(rng, n_targets)
    return rng, truth, observe(rng, truth, power_w=power_w, full=full)


def turned(rng, observation, receiver, rad):
    """The observation with the phases of a receiver turned by +-rad, transmitter by transmitter."""
    cross = observation.cross.copy()
    cross[receiver] *= np.exp(1j * rad * rng.choice([-1, 1], cross.shape[2]))[:, None]
    return replace(observation, cross=cross)


def told_of(observations, truth):
    """What several CPIs say together."""
    told = [contradictions(observation, Estimate.at(truth.targets_m)) for observation in observations]
    return sum(told[1:], told[0])


def p_values(test, kind):
    """Probability of each receiver, as if it were honest."""
    return np.exp(test.log_probabilities[:, KINDS.index(kind)])


def one_of_each(tests, kind):
    """One receiver's of each trial: those of a trial depend on each other."""
    return [p_values(test, kind)[i % 6] for i, test in enumerate(tests)]


@pytest.mark.parametrize(("n_targets", "full"), [(1, False), pytest.param(2, False, marks=pytest.mark.slow), (1, True)])
def test_the_probabilities_of_honest_receivers_are_uniform(n_targets, full):
    """Around the truth, at -10 dB to the paper's power, where noise and not curvature decides."""
    found = [observed(i, n_targets, full) for i in range(TRIALS)]
    tests = [contradictions(observation, Estimate.at(truth.targets_m)) for _, truth, observation in found]
    for kind in ("phase", "strength", "turn"):
        assert stats.kstest(one_of_each(tests, kind), "uniform").pvalue > 1e-3


def in_new_roles(rng, truth):
    """The truth with other receivers among the same APs."""
    order = rng.permutation(12)
    return replace(truth, assignment=ModeAssignment.of(12, sorted(order[:6]), sorted(order[6:])))


def of_aps(truth, told):
    """What is said of receivers, in rows of all APs; nothing of the others."""
    at = np.eye(12)[:, truth.assignment.receivers]
    parts = (told.statistic, told.freedom, told.turn_score)
    return Contradiction(*(at @ part for part in parts), np.tensordot(at, told.turn_information, 1))


@pytest.mark.slow
def test_turns_are_added_by_access_point_where_roles_change():
    """Five CPIs with new roles each: uniform if honest, at most 11 turns of a receiver; a turned AP is found."""
    honest, found = [], []
    for i in range(60):
        rng = np.random.default_rng([79, i])
        truth = random_truth(rng, 1)
        signs, culprit, sums = rng.choice([-1, 1], 12), int(rng.integers(12)), []
        for tampered in (False, True):
            total = Contradiction.none(12, 12)
            for _ in range(5):
                now = in_new_roles(rng, truth)
                observation = observe(rng, now)
                if tampered and culprit in now.assignment.receivers:
                    turn = np.exp(0.5j * signs[now.assignment.transmitters])[:, None]
                    observation.cross[list(now.assignment.receivers).index(culprit)] *= turn
                total += of_aps(now, contradictions(observation, Estimate.at(truth.targets_m)))
            sums.append(total)
        assert sums[0].chi_squares[1][:, KINDS.index("turn")].max() <= 11
        honest.append(p_values(sums[0], "turn")[culprit])
        found.append(p_values(sums[1], "turn").argmin() == culprit)
    told = [p for p in honest if p < 1.0]
    assert len(told) >= 50
    assert stats.kstest(told, "uniform").pvalue > 1e-3
    assert np.mean(found) >= 0.8


@pytest.mark.slow
def test_energies_of_a_target_that_is_not_resolved_are_as_likely_as_they_should_be():
    tests = []
    for i in range(TRIALS):
        _, truth, observation = observed(i)
        found = replace(Estimate.at(truth.targets_m), resolved=np.array([False]))
        tests.append(contradictions(observation, found))
        assert not tests[-1].freedom[:, :2].any(), "its phases say nothing"
    assert stats.kstest(one_of_each(tests, "presence"), "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("std_rad", [0.1, 0.3])
def test_phases_that_are_known_with_an_uncertainty_widen_the_test(std_rad):
    """Drifting clocks are not blamed: the law holds with them; without their covariance it would not."""
    tests, blind = [], []
    for i in range(TRIALS):
        rng = np.random.default_rng([78, i])
        truth = random_truth(rng, 1)
        observation = observe(rng, truth, ap_phase_deg=np.rad2deg(std_rad))
        blind.append(contradictions(observation, Estimate.at(truth.targets_m)))
        told = replace(observation, phase_covariance_rad2=std_rad**2 * np.eye(12))
        tests.append(contradictions(told, Estimate.at(truth.targets_m)))
    for kind in ("phase", "strength", "turn"):
        assert stats.kstest(one_of_each(tests, kind), "uniform").pvalue > 1e-3
    assert stats.kstest(one_of_each(blind, "phase"), "uniform").pvalue < 1e-6


@pytest.mark.slow
def test_phases_that_stay_wrong_are_blamed_on_nobody_if_they_are_uncertain():
    """The same error in five CPIs, as of a clock that drifts slowly."""
    tests, blind = [], []
    for i in range(80):
        rng = np.random.default_rng([80, i])
        truth = random_truth(rng, 1)
        seeds = rng.integers(1 << 30, size=5)
        error = np.exp(0.3j * rng.standard_normal(12))
        pairs = error[truth.assignment.receivers][:, None] * error[truth.assignment.transmitters]
        cpis = [observe(np.random.default_rng(seed), truth) for seed in seeds]
        for observation in cpis:
            observation.cross[:] *= pairs[:, None, :, None]
        uncertain = [replace(observation, phase_covariance_rad2=0.09 * np.eye(12)) for observation in cpis]
        tests.append(told_of(uncertain, truth))
        blind.append(told_of(cpis, truth))
    for kind in ("phase", "turn"):
        assert stats.kstest(one_of_each(tests, kind), "uniform").pvalue > 1e-3
        assert stats.kstest(one_of_each(blind, kind), "uniform").pvalue < 1e-6


@pytest.mark.slow
def test_a_target_that_moves_is_blamed_on_nobody_if_it_is_known_when_who_sensed():
    """Phases that turn from slot to slot by up to half a radian, alike in five CPIs."""
    tests, blind = [], []
    for i in range(60):
        rng = np.random.default_rng([81, i])
        truth = random_truth(rng, 1)
        sensed_s = 1e-4 * (np.arange(6) - 2.5)
        away = truth.network.ap_positions_m - truth.targets_m[0]
        towards = away / np.linalg.norm(away, axis=1)[:, None] @ (20.0 * rng.standard_normal(2))
        a = truth.assignment
        metres = (towards[a.receivers][:, None] + towards[a.transmitters]) * sensed_s
        turn = np.exp(2j * np.pi * metres / truth.network.wavelength_m)
        cpis = [observe(rng, truth, power_w=0.1) for _ in range(5)]
        for observation in cpis:
            observation.cross[:] *= turn[:, None, :, None]
        tests.append(told_of([replace(observation, sensed_s=sensed_s) for observation in cpis], truth))
        blind.append(told_of(cpis, truth))
    assert stats.kstest(one_of_each(tests, "turn"), "uniform").pvalue > 1e-3
    assert stats.kstest(one_of_each(blind, "turn"), "uniform").pvalue < 1e-3


@pytest.mark.slow
def test_turns_are_found_as_often_as_the_law_says():
    """Layouts, culprits and turns at 20 dBm: the share found in ten CPIs against the non-central chi-square."""
    limit = stats.chi2.isf(0.01 / 6 / 3, 6)
    found, expected = 0, []
    for i in range(40):
        rng, culprit = np.random.default_rng([82, i]), i % 6
        truth = random_truth(rng, 1)
        turn_rad = 0.5 * study_exclusion.signs_of(rng, truth)
        power = study_exclusion.noncentrality(rng, truth, 20.0, culprit, turn_rad)
        expected.append(stats.ncx2.sf(limit, 6, power))
        cpis = study_exclusion.tampered(rng, truth, "turned", 20.0, culprit, turn_rad)
        statistic, freedom = told_of([next(cpis) for _ in range(10)], truth).chi_squares
        assert freedom[culprit, -1] == 6
        found += statistic[culprit, -1] > limit
    spread = np.sqrt(np.sum(np.multiply(expected, np.subtract(1.0, expected))))
    assert abs(found - np.sum(expected)) <= 3.5 * spread + 0.5
    assert found >= 20


@pytest.mark.slow
def test_at_20_dbm_who_is_turned_is_left_out_within_twenty_cpis():
    """Of the reference layout, one of six receivers after the other; the first CPI alone tells on few."""
    found = [study_exclusion.trial(3, i, "golden", 20, "turned", False).found for i in range(6)]
    assert all(found)
    assert np.median(found) > 1


def test_small_probabilities_can_still_be_told_apart():
    """Their logarithms, against the finite sum that Gamma(a, x) is for whole a."""
    statistic, freedom = np.array([4000.0, 9000.0, 700.0]), np.array([6.0, 20.0, 6.0])
    for s, k, told in zip(statistic, freedom, log_chi_square_tail(statistic, freedom), strict=True):
        series = sum(
            np.exp(n * np.log(s / 2) - gammaln(n + 1) - (k / 2 - 1) * np.log(s / 2)) for n in range(int(k / 2))
        )
        assert told == pytest.approx(-s / 2 + (k / 2 - 1) * np.log(s / 2) + np.log(series), rel=1e-6)
    assert log_chi_square_tail(np.array([3.0]), np.array([0.0])) == 0.0


@pytest.mark.parametrize("n_cpis", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_false_exclusions_come_at_no_more_than_the_designed_rate(n_cpis):
    """Of one CPI alone, and with evidence of five gathered; and not at a small share of it."""
    rate, found = 0.1, 0
    test = ConsistencyTest(false_alarm_probability=rate, evidence_cpis=n_cpis)
    for i in range(TRIALS):
        rng, truth, observation = observed(1000 + i)
        at_the_truth, evidence = lambda _, truth=truth: Estimate.at(truth.targets_m), [Contradiction.none(0, 12)] * 6
        for _ in range(n_cpis - 1):
            told = contradictions(observe(rng, truth), at_the_truth(None))
            evidence = [Contradiction.joined(own, told[r : r + 1]) for r, own in enumerate(evidence)]
        found += bool(test.judge(observation, at_the_truth, set(), evidence).excluded)
    assert stats.binom.ppf(1e-4, TRIALS, rate / 3) <= found <= stats.binom.isf(1e-3, TRIALS, rate)


def test_a_receiver_whose_phases_are_wrong_is_found_first():
    right = seen = 0
    for i in range(40):
        rng, truth, observation = observed(2000 + i, power_w=10.0)
        likely = contradictions(turned(rng, observation, 2, 0.5), Estimate.at(truth.targets_m)).log_probability
        seen += likely.min() < np.log(0.01 / 6)
        right += likely.argmin() == 2 and likely.min() < np.log(0.01 / 6)
    assert seen >= 32
    assert right >= 0.9 * seen


def test_a_receiver_of_noise_alone_contradicts_in_strength():
    for i in range(10):
        rng, truth, observation = observed(3000 + i, power_w=10.0)
        cross = observation.cross.copy()
        cross[1] = rng.permutation(cross[1].ravel()).reshape(cross[1].shape) * 1e-3
        test = contradictions(replace(observation, cross=cross), Estimate.at(truth.targets_m))
        assert p_values(test, "strength").argmin() == 1
        assert p_values(test, "strength")[1] < 1e-6


def test_nothing_is_said_where_nothing_is_resolved():
    _, truth, observation = observed(1)
    lost = replace(Estimate.at(truth.targets_m), resolved=np.array([False]))
    nothing = replace(lost, positions_m=np.zeros((0, 2)), resolved=np.zeros(0, dtype=bool))
    assert not contradictions(observation, nothing).freedom.any()
    assert not contradictions(observation, lost).freedom[:, :2].any()
    assert not contradictions(observation, lost).turn_information.any()
    silent = contradictions(without(observation, {3}), Estimate.at(truth.targets_m))
    assert silent.log_probability[3] == 0.0


def test_a_verdict_leaves_out_the_culprit_and_no_more_than_half_of_the_others():
    rng, truth, observation = observed(4, power_w=100.0)
    bad = turned(rng, observation, 2, 0.5)
    verdict = ConsistencyTest(false_alarm_probability=1e-2).judge(bad, lambda _: Estimate.at(truth.targets_m), set())
    assert verdict.excluded == {2}
    assert verdict.observation.n_samples.tolist() == [480, 480, 0, 480, 480, 480]
    again = ConsistencyTest(agree_cpis=1).judge(bad, lambda _: Estimate.at(truth.targets_m), {2})
    assert (again.excluded, again.taken_back) == ({2}, set())
    assert len(again.evidence[2]) == 0, "what contradicts speaks for nothing"


def test_a_receiver_that_agrees_again_is_taken_back_and_not_before():
    rng, truth, _ = observed(5, power_w=100.0)
    test, excluded, evidence = ConsistencyTest(agree_cpis=3), frozenset({2}), None
    taken_back = []
    while len(taken_back) < 12 and not (taken_back and taken_back[-1]):
        verdict = test.judge(observe(rng, truth), lambda _: Estimate.at(truth.targets_m), excluded, evidence)
        assert verdict.excluded == {2}
        taken_back.append(verdict.taken_back)
        evidence = verdict.evidence
    assert taken_back[-1] == {2}
    assert len(taken_back) >= 3


def test_evidence_that_is_too_little_in_one_cpi_is_gathered():
    """Phases turned by +-0.1 rad: the first CPI alone does not tell, ten together do."""
    rng, truth, observation = observed(6, power_w=3.0)
    signs = np.exp(0.1j * rng.choice([-1, 1], observation.cross.shape[2]))[:, None]
    evidence, first = None, None
    for cpi in range(10):
        observation = observe(rng, truth, power_w=3.0)
        observation.cross[2] *= signs
        verdict = ConsistencyTest().judge(observation, lambda _: Estimate.at(truth.targets_m), set(), evidence)
        evidence = verdict.evidence
        if verdict.excluded:
            first = cpi
            break
    assert verdict.excluded == {2}
    assert first >= 1
    assert all(len(own) <= 1 for own in evidence), "what rested on the culprit is forgotten"


def test_a_ghost_at_one_receiver_tells_on_it():
    """And on no receiver that is nearer to the ghost and does not see it."""
    for i in range(10):
        rng, truth, _ = observed(7000 + i, power_w=10.0)
        ghost = replace(truth, targets_m=rng.uniform(0.0, 1000.0, (1, 2)), rcs_m2=np.array([100.0]))
        other = observe(np.random.default_rng(i), ghost, power_w=10.0)
        heard = replace(other, cross=np.where(np.arange(6)[:, None, None, None] == 4, other.cross, 0.0))
        found = replace(Estimate.at(ghost.targets_m), resolved=np.array([False]))
        assert contradictions(heard, found).log_probability.argmin() == 4


def test_one_receiver_a_cpi_is_left_out_on_trial_where_no_lobe_explains_the_echoes():
    """Of six, number ``turn``: at most one estimate more; only for want of a lobe, not for want of power."""
    rng, truth, observation = observed(8, power_w=100.0)
    bad, asked = turned(rng, observation, 2, 0.5), []

    def locate(given, reason="misfit"):
        asked.append(frozenset(np.flatnonzero(given.n_samples == 0).tolist()))
        fits = 2 in asked[-1]
        found = replace(Estimate.at(truth.targets_m), resolved=np.array([fits]))
        return replace(found, reasons=(None if fits else reason,))

    test = ConsistencyTest()
    assert test.judge(bad, locate, turn=1).excluded == set()
    assert asked == [set(), {1}]
    assert test.judge(bad, locate, turn=8).excluded == {2}
    asked.clear()
    assert test.judge(bad, partial(locate, reason="weak"), turn=2).excluded == set()
    assert asked == [set()]


@pytest.mark.parametrize("setting", [{"false_alarm_probability": 0.0}, {"agree_cpis": 0}, {"evidence_cpis": 0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} is"):
        ConsistencyTest(**setting)


@pytest.mark.slow
def test_a_receiver_is_left_out_of_a_run_and_taken_back(paper):
    """One that reports noise for some CPIs; afterwards it has to agree in two."""
    scenario = paper(
        {
            "user_equipment.count": 0, "targets": [{"position_m": [500.0, 480.0]}], "radio.transmit_power_dbm": 40.0,
            "consistency.false_alarm_probability": 1e-3, "consistency.agree_cpis": 2,
        }
    )  # fmt: skip
    bad = scenario.build(seed=1, estimator=None, tracing=False).run(1).cpis[0].assignment.receivers[1]
    frame = scenario.build(seed=1, tracing=False).frame
    fault = Rubbish(node=f"ap-{bad}", at_s=0.0, until_s=1e-9 * (frame.cpi_start_ns(2) + 1))
    result = scenario.build(seed=1, faults=[fault], tracing=False).run(7)
    excluded = [cpi.excluded for cpi in result.cpis]
    assert set(excluded[:4]) == {(f"ap-{bad}",)}
    assert excluded[-1] == ()
    assert result.cpis[0].observation is None  # only the last keeps it
    honest = scenario.build(seed=1, tracing=False).run(1)
    assert honest.cpis[0].peb_m[0] < result.cpis[0].peb_m[0] < 2.0 * honest.cpis[0].peb_m[0]


def test_evidence_goes_on_from_a_checkpoint(paper, tmp_path):
    """What earlier CPIs say of each receiver is part of the state of the central processor."""
    scenario = paper({"user_equipment.count": 0, "targets": [{"position_m": [500.0, 480.0]}],
                      "consistency.false_alarm_probability": 1e-3})  # fmt: skip
    whole, half = scenario.build(seed=1, tracing=False), scenario.build(seed=1, tracing=False)
    whole.run(4)
    half.run(2)
    assert any(len(own) for own in half.central.evidence.values())
    other = scenario.build(seed=1, tracing=False)
    half.save(tmp_path / "half")
    other.load(tmp_path / "half")
    other.run(2)
    assert other.central.evidence.keys() == whole.central.evidence.keys()
    for name, own in whole.central.evidence.items():
        np.testing.assert_array_equal(own.statistic, other.central.evidence[name].statistic)
        np.testing.assert_array_equal(own.turn_score, other.central.evidence[name].turn_score)


def test_the_study_counts_culprits_and_honest_receivers_apart():
    blamed = [False] * 20
    outcomes = [
        study_exclusion.Outcome(found, [found == 0, *blamed[1:]], [(1.0, 1.0)], 1, 30.0) for found in (1, 3, 0, 7)
    ]
    row = study_exclusion.law_row(outcomes, "random", 30, "turned")
    assert [row[f"within_{k}"]["share"] for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert row["honest"]["share"] == 0.0125
    assert row["law_10"] < row["ceiling_10"] < 1.0
    assert row["hidden_10"] == 0.0
    assert study_exclusion.row(outcomes, "random", 30, "none")["within_1"]["n"] == 0
    found = study_exclusion.trial(1, 2, "golden", 20, "rubbish", False)
    assert found.found >= 1
    assert len(found.blamed) == study_exclusion.LOOKS[-1]


def test_who_was_left_out_before_stays_out_beyond_the_most_that_a_cpi_leaves_out():
    scenario = load("paper", {"user_equipment.count": 0, "targets": [{"position_m": [500.0, 480.0]}]})
    emulation = scenario.build(seed=1)
    observation = emulation.run(1).cpis[0].observation
    locate, before = partial(estimated, emulation.central.estimator), frozenset({0, 1, 2, 3})
    assert ConsistencyTest().judge(observation, locate, before).excluded == before


@pytest.mark.parametrize(("n_rx", "n_said"), [(3, 1), (4, 0)])
def test_too_few_receivers_to_leave_one_out_are_told(n_rx, n_said):
    keys = {"consistency.false_alarm_probability": 1e-2, "schedule.n_receivers": n_rx}
    said = [text for text in remarks(load("paper", keys)) if "leaves nobody out of 3 receivers" in text]
    assert len(said) == n_said
