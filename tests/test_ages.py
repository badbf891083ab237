"""Age of sensing: the sawtooth of Kaul, Yates and Gruteser, by hand and in a run."""

import numpy as np
import pytest

from emulator.ages import Ages
from scenarios.output import metrics

MS = 1_000_000
CLEAR = {"radio.transmit_power_dbm": 50.0, "estimator.grid_step_m": 10.0}
"""With these the small scenario finds its targets."""


def test_a_sawtooth_by_hand():
    """Measured at 1, 3, 5 ms, published 0.5 ms later; the second publication misses target 1."""
    ages = Ages(2)
    first = ages.publish(1 * MS, int(1.5 * MS), [True, False])
    second = ages.publish(3 * MS, int(3.5 * MS), [True, False])
    third = ages.publish(5 * MS, int(5.5 * MS), [False, True])
    np.testing.assert_array_equal(first.after_s, [0.5e-3, np.nan])
    np.testing.assert_array_equal(first.peak_s, [np.nan, np.nan])
    np.testing.assert_allclose([second.peak_s[0], second.mean_s[0], second.after_s[0]], [2.5e-3, 1.5e-3, 0.5e-3])
    np.testing.assert_allclose(third.after_s, [2.5e-3, 0.5e-3])
    np.testing.assert_array_equal(np.isnan(third.peak_s), [False, True])


def test_the_mean_is_that_of_the_sawtooth_integrated_over_time():
    rng, ages, tips = np.random.default_rng(1), Ages(1), []
    measured = np.cumsum(rng.integers(1, 9, size=40)) * MS
    found = rng.random(40) < 0.6
    found[0] = True
    means, spans, published = [], [], measured + rng.integers(1, MS, size=40)
    for i in range(40):
        age = ages.publish(float(measured[i]), int(published[i]), [found[i]])
        means.append(age.mean_s[0])
        tips.append(age.peak_s[0])
    times = np.linspace(published[0], published[-1], 400_001)[:-1]
    last = np.maximum.accumulate(np.where(found, measured, 0))
    sawtooth = 1e-9 * (times - last[np.searchsorted(published, times, side="right") - 1])
    spans = np.diff(published)
    assert np.average(means[1:], weights=spans) == pytest.approx(sawtooth.mean(), rel=1e-4)
    assert max(tips[1:]) == pytest.approx(sawtooth.max(), rel=1e-3)


def test_a_state_goes_on_as_it_was():
    ages, other = Ages(1), Ages(1)
    ages.publish(1.0, 2, [True])
    other.restore(ages.state())
    assert ages.publish(5.0, 9, [False]).mean_s == other.publish(5.0, 9, [False]).mean_s


def test_a_run_that_finds_its_targets_is_as_old_as_half_a_cpi_and_the_latency(small):
    cpi = small(CLEAR).build(seed=1).run(3).cpis[-1]
    half_s = 0.5e-9 * (cpi.end_ns - cpi.start_ns)
    found = cpi.score.matched >= 0
    assert found.any()
    np.testing.assert_allclose(cpi.age.after_s[found], cpi.sensing_latency_s - half_s, rtol=1e-12)
    assert (cpi.age.peak_s[found] > cpi.age.mean_s[found]).all()


def test_pilots_let_it_grow(small):
    settings = {
        "oscillators.kind": "wiener",
        "oscillators.linewidth_hz": 0.01,
        "calibration.kind": "over-the-air",
        "calibration.period_s": 1e-3,
    }
    cpis = small(CLEAR | settings).build(seed=1).run(6).cpis
    pilots = [cpi for cpi in cpis if cpi.has_pilots]
    assert pilots
    for cpi in pilots:
        np.testing.assert_array_equal(cpi.age.after_s, cpi.age.peak_s)


def test_the_line_of_a_run_weighs_by_time(small):
    cpis = small(CLEAR).build(seed=1).run(4).cpis
    text = dict(metrics.lines(cpis))["Age of sensing"]
    peak_ms = 1e3 * max(np.nanmax(cpi.age.peak_s) for cpi in cpis[1:])
    assert text.endswith(f"peak {peak_ms:.3f} ms")
    assert "Age of sensing" not in dict(metrics.lines(cpis[:1]))
