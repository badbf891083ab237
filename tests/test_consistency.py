"""The test of each receiver against the others: its law where all are honest, and whom it finds where one is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks import study_exclusion
from emulator import Rubbish
from models.consistency import ConsistencyTest, contradictions, without
from models.observation import Estimate
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


@pytest.mark.parametrize(("n_targets", "full"), [(1, False), (2, False), (1, True)])
def test_the_probabilities_of_honest_receivers_are_uniform(n_targets, full):
    """Around the truth, at -10 dB to the paper's power, where noise and not curvature decides."""
    found = [observed(i, n_targets, full) for i in range(TRIALS)]
    tests = [contradictions(observation, Estimate.at(truth.targets_m)) for _, truth, observation in found]
    for values in (np.array([test.phase for test in tests]), np.array([test.strength for test in tests])):
        one_a_trial = values[np.arange(TRIALS), np.arange(TRIALS) % 6]  # those of a trial depend on each other
        assert stats.kstest(one_a_trial, "uniform").pvalue > 1e-3


def test_false_exclusions_come_at_no_more_than_the_designed_rate():
    rate, found = 0.1, 0
    for i in range(TRIALS):
        _, truth, observation = observed(1000 + i)
        probability = contradictions(observation, Estimate.at(truth.targets_m)).probability
        found += probability.min() < rate / len(probability)
    assert found <= stats.binom.isf(1e-3, TRIALS, rate)


def test_a_receiver_whose_phases_are_wrong_is_found_first():
    right = seen = 0
    for i in range(40):
        rng, truth, observation = observed(2000 + i, power_w=10.0)
        probability = contradictions(turned(rng, observation, 2, 0.5), Estimate.at(truth.targets_m)).probability
        seen += probability.min() < 0.01 / 6
        right += probability.argmin() == 2 and probability.min() < 0.01 / 6
    assert seen >= 32
    assert right >= 0.9 * seen


def test_a_receiver_of_noise_alone_contradicts_in_strength():
    for i in range(10):
        rng, truth, observation = observed(3000 + i, power_w=10.0)
        cross = observation.cross.copy()
        cross[1] = rng.permutation(cross[1].ravel()).reshape(cross[1].shape) * 1e-3
        test = contradictions(replace(observation, cross=cross), Estimate.at(truth.targets_m))
        assert test.strength.argmin() == 1
        assert test.strength[1] < 1e-6


def test_nothing_is_said_where_nothing_is_resolved():
    _, truth, observation = observed(1)
    lost = replace(Estimate.at(truth.targets_m), resolved=np.array([False]))
    np.testing.assert_array_equal(contradictions(observation, lost).probability, 1.0)
    silent = contradictions(without(observation, {3}), Estimate.at(truth.targets_m))
    assert silent.probability[3] == 1.0


def test_a_verdict_leaves_out_the_culprit_and_no_more_than_half_of_the_others():
    rng, truth, observation = observed(4, power_w=100.0)
    bad = turned(rng, observation, 2, 0.5)
    verdict = ConsistencyTest(false_alarm_probability=1e-2).judge(bad, lambda _: Estimate.at(truth.targets_m), set())
    assert verdict.excluded == {2}
    assert verdict.observation.n_samples.tolist() == [480, 480, 0, 480, 480, 480]
    again = ConsistencyTest().judge(observation, lambda _: Estimate.at(truth.targets_m), {2})
    assert (again.excluded, again.agreeing) == ({2}, {2})
    assert ConsistencyTest().judge(bad, lambda _: Estimate.at(truth.targets_m), {2}).agreeing == frozenset()


@pytest.mark.parametrize("setting", [{"false_alarm_probability": 0.0}, {"agree_cpis": 0}])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} is"):
        ConsistencyTest(**setting)


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
    result = scenario.build(seed=1, faults=[fault], tracing=False).run(6)
    assert [cpi.excluded for cpi in result.cpis] == [(f"ap-{bad}",)] * 4 + [()] * 2
    assert result.cpis[0].observation is None  # only the last keeps it
    honest = scenario.build(seed=1, tracing=False).run(1)
    assert honest.cpis[0].peb_m[0] < result.cpis[0].peb_m[0] < 2.0 * honest.cpis[0].peb_m[0]


def test_the_study_counts_culprits_and_honest_receivers_apart():
    row = study_exclusion.law_row([2, 2, -1, 4], "turned", 30)
    assert (row["culprit"]["share"], row["honest"]["share"]) == (0.5, 0.25)
    assert study_exclusion.law_row([2, -1], "none", 30)["honest"]["share"] == 0.5
    assert study_exclusion.law(1, 0, "rubbish", 40) == study_exclusion.CULPRIT
