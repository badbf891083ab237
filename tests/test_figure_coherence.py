"""The figure of coherence: one run with the detector off and on, and one that is the same until it is switched on."""

import numpy as np
import pytest

from emulator.trace import Kind
from scenarios.figures import common as figures
from scenarios.figures import figure_coherence
from scenarios.file.problems import ScenarioError
from tests.texts import cut_off

FAST = {"oscillators.cfo_std_hz": 10.0}
"""Offsets that part the clocks five times as fast."""
ON, N_CPIS = 12, 22


@pytest.fixture(scope="module")
def short():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("N_CPIS", N_CPIS), ("WATCHED_FROM_CPI", ON), ("LAST_CPIS", 4)):
            patch.setattr(figure_coherence, name, value)
        patch.setitem(figure_coherence.SETTINGS, "estimator.max_operations", 3e8)  # it looks in vain most of the time
        result = figure_coherence.run(seed=1, workers=1, overrides=FAST)
        yield result, result.data(), result.rows(), result.summary()


def test_both_runs_are_the_same_until_the_detector_is_on(short):
    result, _, _, _ = short
    for name in ("error_m", "peb_hybrid_m", "resolved", "phase_error_rad", "sum_se_bit_s_hz", "has_pilots"):
        watched, unwatched = (getattr(course, name)[:ON] for course in (result.watched, result.unwatched))
        np.testing.assert_array_equal(watched, unwatched)


def test_coherence_is_lost_and_won_back_by_who_looks_alone(short):
    watched, unwatched = short[0].watched, short[0].unwatched
    assert watched.has_pilots[:ON].tolist() == [True, True] + [False] * (ON - 2)
    assert watched.has_pilots[ON:].any() and not unwatched.has_pilots[ON:].any()
    assert len(watched.marks_ns[Kind.INCOHERENT]) and not len(unwatched.marks_ns[Kind.INCOHERENT])
    assert watched.marks_ns[Kind.INCOHERENT].min() >= watched.start_ns[ON]
    mended = int(np.searchsorted(watched.start_ns, watched.marks_ns[Kind.CORRECT][1]))
    assert watched.phase_error_rad[mended] < 0.2 < 0.7 < unwatched.phase_error_rad[mended]
    assert watched.error_m[mended].max() < 0.01 < 1.0 < np.nanmedian(unwatched.error_m[ON:])
    assert watched.sum_se_bit_s_hz[mended] > unwatched.sum_se_bit_s_hz[mended]


def test_the_phase_that_all_share_is_no_error():
    phases = np.random.default_rng(0).uniform(-0.3, 0.3, (6, 2))
    off = figure_coherence._less_common(phases)
    np.testing.assert_allclose(figure_coherence._less_common(phases + 2.0), off, atol=1e-12)
    np.testing.assert_allclose(np.ptp(off, axis=0), np.ptp(phases, axis=0))


def test_what_is_written_is_what_was_found(short):
    result, data, rows, summary = short
    assert len(rows) == 1 + 2 * N_CPIS and len(rows[0]) == len(rows[1])
    assert data["watched"]["has_pilots"] == result.watched.has_pilots.tolist()
    assert data["watched"]["error_m"][0] == [None] and "incoherent_s" in data["watched"]
    assert data["setting"] == FAST and figures.json_text(data)
    noticed = 1e-6 * result.watched.marks_ns[Kind.INCOHERENT][0]
    assert f"Coherence found lost at {noticed:.1f}" in summary[1]
    assert f"Pilots take {result.watched.has_pilots[ON:].sum()} of {N_CPIS - ON} CPIs" in summary[3]


def test_it_is_drawn_over_one_time(short, monkeypatch):
    monkeypatch.setattr(figure_coherence, "WATCHED_FROM_CPI", ON)
    figure = short[0].picture()
    errors, phases, rates, strip = figure.axes
    assert errors.get_yscale() == "log" and errors.get_xlim() == strip.get_xlim()
    assert strip.get_xlabel() == "emulated time (ms)"
    assert "rad" in phases.get_ylabel() and "SE" in rates.get_ylabel()
    assert cut_off(figure) == []


def test_it_is_one_run():
    with pytest.raises(ScenarioError, match="figure coherence is one run"):
        figure_coherence.run(2)


def test_it_needs_a_target():
    with pytest.raises(ScenarioError, match="targets: got none"):
        figure_coherence.run(overrides={"targets": []})
