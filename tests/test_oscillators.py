"""Oscillators: the contract, exact steps, Allan deviation, linewidth, drift in numbers from outside."""

import importlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.oscillators import (
    OSCILLATORS,
    PRESETS,
    Ideal,
    LinearOscillator,
    OscillatorState,
    PhaseLocked,
    Static,
    TwoState,
    Wiener,
    check_oscillator,
    named,
    slot_amplitude,
)

CARRIER_HZ = 3.5e9
TURN_RAD_S = 2.0 * math.pi * CARRIER_HZ
EVERY_KIND = [
    Ideal(),
    Static(phase_std_rad=0.3),
    Wiener(linewidth_hz=50.0),
    Wiener(linewidth_hz=1.0, cfo_std_hz=20.0, phase_std_rad=0.1),
    TwoState(h0_s=2e-19, h_minus_2_per_s=2e-14),
    TwoState(h0_s=0.0, h_minus_2_per_s=2e-16, cfo_std_hz=5.0, phase_std_rad=2.0),
    PhaseLocked(jitter_s=5e-12, loop_hz=200.0),
    PhaseLocked(jitter_s=5e-12, loop_hz=1e7, phase_std_rad=1.0),
]
CLOCKS = {
    "low-tcxo": (2e-19, 2e-20),
    "high-tcxo": (2e-21, 2e-20),
    "ocxo": (2e-25, 6e-25),
    "rubidium": (2e-22, 1e-30),
}
"""h_0 in s and h_-2 in 1/s."""
ALLAN_RTOL = 0.05
DRIFT_RTOL = 0.02
N_SIGMA = 5.0


AT_REST = OscillatorState()


def path(oscillator, steps_s, seed=1, start=AT_REST):
    rng = np.random.default_rng(seed)
    return oscillator.advance(start, steps_s, rng, CARRIER_HZ)


# --- the contract -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("oscillator", EVERY_KIND, ids=repr)
def test_every_kind_keeps_the_contract(oscillator):
    check_oscillator(oscillator)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_keeps_the_contract_and_names_its_source(preset):
    check_oscillator(named(preset))
    assert PRESETS[preset].source


def test_every_registered_kind_is_tested():
    classes = {getattr(importlib.import_module(m), c) for m, c in (path.split(":") for path in OSCILLATORS.values())}
    assert classes == {type(oscillator) for oscillator in EVERY_KIND}


@dataclass(frozen=True, kw_only=True)
class TwiceAsFast(Wiener):
    """Its paths do not follow its own law."""

    linewidth_hz: float = 50.0

    def advance(self, state, steps_s, rng, carrier_hz):
        return super().advance(state, 2.0 * np.asarray(steps_s), rng, carrier_hz)


def test_an_oscillator_that_breaks_the_contract_is_told_so():
    with pytest.raises(AssertionError, match="covariance is off"):
        check_oscillator(TwiceAsFast())


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "1", True, None])
def test_a_setting_that_is_no_number_from_0_is_refused(value):
    with pytest.raises(ValueError, match=r"^linewidth_hz is .*: give a number from 0 to"):
        Wiener(linewidth_hz=value)


def test_an_unknown_preset_is_refused_with_the_names():
    with pytest.raises(ValueError, match=r'^preset is "quartz": give one of low-tcxo, '):
        named("quartz")


def test_a_preset_takes_settings_besides_its_own():
    assert named("ocxo", cfo_std_hz=3.0) == TwoState(h0_s=2e-25, h_minus_2_per_s=6e-25, cfo_std_hz=3.0)


def test_a_negative_step_is_refused():
    with pytest.raises(ValueError, match=r"^steps_s holds -1.0: give steps of 0 s or more"):
        path(Ideal(), [1.0, -1.0])


def test_only_an_oscillator_without_any_error_is_ideal():
    still = [Ideal(), Static(phase_std_rad=0.0), Wiener(linewidth_hz=0.0), PhaseLocked(jitter_s=0.0, loop_hz=9.0)]
    assert [o for o in EVERY_KIND + still if o.is_ideal] == [EVERY_KIND[0], *still]


# --- exact steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("oscillator", EVERY_KIND, ids=repr)
def test_n_steps_in_one_call_are_the_path_of_n_calls(oscillator):
    steps = np.random.default_rng(5).exponential(1e-3, 40)
    start = state = oscillator.initial(np.random.default_rng(6), CARRIER_HZ)
    singles, one_by_one = [], np.random.default_rng(7)
    for step in steps:
        phases, state = oscillator.advance(state, [step], one_by_one, CARRIER_HZ)
        singles.append(phases[0])
    phases, last = path(oscillator, steps, seed=7, start=start)
    np.testing.assert_allclose(phases, singles, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(last, state, rtol=1e-9)


def test_no_step_at_all_changes_nothing():
    state = OscillatorState(1e-12, 1e-9, 0.1)
    phases, after = path(named("low-tcxo"), [], start=state)
    assert phases.shape == (0,)
    assert after == state


@pytest.mark.parametrize("oscillator", EVERY_KIND, ids=repr)
def test_a_state_survives_a_text_file(oscillator):
    """After a checkpoint the path goes on as it would have."""
    _, state = path(oscillator, [1e-3])
    restored = OscillatorState(*json.loads(json.dumps(state)))
    np.testing.assert_array_equal(path(oscillator, [1e-3], 2, restored)[0], path(oscillator, [1e-3], 2, state)[0])


def test_a_frequency_offset_turns_the_phase_steadily():
    drift, _ = path(Static(phase_std_rad=0.0), np.full(4, 1e-3), start=OscillatorState(0.0, 100.0 / CARRIER_HZ, 0.0))
    np.testing.assert_allclose(drift, 2.0 * math.pi * 100.0 * 1e-3 * np.arange(1, 5), rtol=1e-12)


def test_a_long_silence_of_a_fast_loop_is_forgotten():
    """e^(-a t) underflows: the phase is then a fresh draw, whatever it was."""
    oscillator = PhaseLocked(jitter_s=5e-12, loop_hz=1e6)
    ends = [path(oscillator, [1.0, 1e-3], start=OscillatorState(0.0, 0.0, o))[0] for o in (0.0, 1e6)]
    np.testing.assert_array_equal(*ends)


# --- statistics ---------------------------------------------------------------------------------------------------


def allan_deviation(time_error_s, tau0_s, m):
    """Return the overlapping Allan deviation at tau = m tau0 of time errors, spaced by tau0."""
    second = time_error_s[2 * m :] - 2.0 * time_error_s[m:-m] + time_error_s[: -2 * m]
    return math.sqrt(np.mean(second**2) / 2.0) / (m * tau0_s)


@pytest.mark.parametrize("preset", CLOCKS)
def test_allan_deviation_of_the_clocks(preset):
    """sigma_y^2 = q1 / tau + q2 tau / 3, below, at and above where the two are equal, from 4e5 samples."""
    h0, h2 = CLOCKS[preset]
    q1, q2 = h0 / 2.0, 2.0 * math.pi**2 * h2
    tau0 = math.sqrt(3.0 * q1 / q2) / 30.0
    phases, _ = path(named(preset), np.full(400_000, tau0))
    for m in (3, 30, 300):
        theory = math.sqrt(q1 / (m * tau0) + q2 * m * tau0 / 3.0)
        assert allan_deviation(phases / TURN_RAD_S, tau0, m) == pytest.approx(theory, rel=ALLAN_RTOL)


@pytest.mark.parametrize(
    ("preset", "jitter_s"),
    [("white-rabbit", 11e-12), ("white-rabbit-low-jitter", 2.3e-12), ("white-rabbit-improved", 0.18e-12)],
)
def test_allan_deviation_of_locked_oscillators(preset, jitter_s):
    """sigma_y^2 = s^2 (3 - 4 e^(-a tau) + e^(-2 a tau)) / tau^2, s the jitter; its variance is s^2 at all times."""
    oscillator = named(preset)
    rate = 2.0 * math.pi * oscillator.loop_hz
    tau0 = 0.03 / rate
    start = oscillator.initial(np.random.default_rng(9), CARRIER_HZ)
    phases, _ = path(oscillator, np.full(400_000, tau0), start=start)
    time_error = phases / TURN_RAD_S
    assert np.std(time_error) == pytest.approx(jitter_s, rel=ALLAN_RTOL)
    for m in (3, 30, 300):
        decay = math.exp(-rate * m * tau0)
        theory = jitter_s * math.sqrt(3.0 - 4.0 * decay + decay**2) / (m * tau0)
        assert allan_deviation(time_error, tau0, m) == pytest.approx(theory, rel=ALLAN_RTOL)


@pytest.mark.parametrize("preset", PRESETS)
def test_allan_deviation_is_that_of_allantools(preset):
    """Where AllanTools is installed: no test needs it, as it brings 37 packages along (docs/design/026)."""
    allantools = pytest.importorskip("allantools")
    tau0, oscillator = 1e-3, named(preset)
    start = oscillator.initial(np.random.default_rng(9), CARRIER_HZ)
    time_error = path(oscillator, np.full(400_000, tau0), start=start)[0] / TURN_RAD_S
    taus, found, *_ = allantools.oadev(time_error, rate=1.0 / tau0, data_type="phase", taus=[3 * tau0, 30 * tau0])
    for tau, theirs in zip(taus, found, strict=True):
        assert allan_deviation(time_error, tau0, round(tau / tau0)) == pytest.approx(theirs, rel=1e-6)
        assert theory_of(oscillator, tau) == pytest.approx(theirs, rel=ALLAN_RTOL)


def theory_of(oscillator, tau):
    """Return the Allan deviation of an oscillator from the constants of its equation."""
    law = oscillator.law(CARRIER_HZ)
    jitter_s, decay = law.loop_phase_std_rad / TURN_RAD_S, math.exp(-law.loop_rate_per_s * tau)
    clock = law.white_fm_s / tau + law.walk_fm_per_s * tau / 3.0
    return math.sqrt(clock + jitter_s**2 * (3.0 - 4.0 * decay + decay**2) / tau**2)


def test_the_variance_of_a_locked_oscillator_is_that_of_its_jitter_at_all_times():
    oscillator = PhaseLocked(jitter_s=5e-12, loop_hz=200.0)
    ends = []
    for i in range(4000):
        rng = np.random.default_rng([3, i])
        phases, _ = oscillator.advance(oscillator.initial(rng, CARRIER_HZ), [1e-4, 5e-2], rng, CARRIER_HZ)
        ends.append(phases)
    expected = (TURN_RAD_S * 5e-12) ** 2
    np.testing.assert_allclose(np.var(ends, axis=0), expected, rtol=N_SIGMA * math.sqrt(2.0 / 4000))
    for time_s in (0.0, 1e-4, 10.0):
        assert oscillator.unmeasured_variance_rad2(time_s, CARRIER_HZ) == pytest.approx(expected)


def test_the_line_of_a_free_running_oscillator_has_its_width():
    """The mean of e^(j phase(t + tau)) e^(-j phase(t)) is e^(-pi linewidth tau): a Lorentzian of that full width."""
    step = 1e-4
    phases, _ = path(Wiener(linewidth_hz=50.0), np.full(400_000, step))
    carrier = np.exp(1j * phases)
    coherence = np.abs(np.mean(carrier[40:] * carrier[:-40].conj()))
    assert -math.log(coherence) / (math.pi * 40 * step) == pytest.approx(50.0, rel=0.03)


def test_what_a_random_walk_leaves_of_a_slot():
    """Against 4000 slots of 200 steps; the sum of steps is half a step late, which the formula is not."""
    linewidth_hz, slot_s, n = 100.0, 2e-3, 200
    phases, _ = path(Wiener(linewidth_hz=linewidth_hz), np.full(4000 * n, slot_s / n))
    means = np.exp(1j * phases.reshape(4000, n)).mean(axis=1)
    assert np.mean(np.abs(means) ** 2) == pytest.approx(float(slot_amplitude(linewidth_hz, slot_s)) ** 2, rel=0.01)


def test_the_amplitude_of_a_slot_is_smooth_where_the_formula_changes():
    x = np.array([0.0099999, 0.0100001])
    below, above = slot_amplitude(x / math.pi, 1.0)
    assert (below - above) / 2e-7 == pytest.approx(1.0 / 6.0, rel=1e-2)  # the slope of sqrt(1 - x/3)


# --- numbers from outside -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "one_second", "hundredth_s", "tenth_s"),
    [
        ("low-tcxo", 4.8e-10, 2.07e-6, 2.07e-4),
        ("high-tcxo", 3.6e-10, 2.07e-4, 1.97e-2),
        ("ocxo", 2.0e-12, 0.35, 1.7),
        ("rubidium", 1.0e-11, 2.07e-3, 0.207),
    ],
)
def test_how_long_a_clock_keeps_its_phase_at_3_5_ghz(preset, one_second, hundredth_s, tenth_s):
    """Allan deviation at 1 s, and after how long the drift is 0.01 and 0.1 rad in the root mean square."""
    oscillator = named(preset)
    for rms_rad, time_s in ((0.01, hundredth_s), (0.1, tenth_s)):
        times = np.geomspace(0.5 * time_s, 2.0 * time_s, 20_001)
        found = np.interp(rms_rad, np.sqrt(oscillator.phase_variance_rad2(times, CARRIER_HZ)), times)
        assert found == pytest.approx(time_s, rel=DRIFT_RTOL)
    law = oscillator.law(CARRIER_HZ)
    assert math.sqrt(law.white_fm_s + law.walk_fm_per_s / 3.0) == pytest.approx(one_second, rel=DRIFT_RTOL)


@pytest.mark.parametrize(
    ("preset", "rms_rad"),
    [("white-rabbit", 0.242), ("white-rabbit-low-jitter", 0.051), ("white-rabbit-improved", 0.004)],
)
def test_what_a_locked_oscillator_leaves_of_the_phase(preset, rms_rad):
    assert named(preset).law(CARRIER_HZ).loop_phase_std_rad == pytest.approx(rms_rad, rel=DRIFT_RTOL)


def test_a_free_running_oscillator_is_a_clock_with_white_noise():
    wiener, clock = Wiener(linewidth_hz=50.0), TwoState(h0_s=50.0 / (math.pi * CARRIER_HZ**2), h_minus_2_per_s=0.0)
    assert isinstance(clock, LinearOscillator)
    np.testing.assert_allclose(wiener.law(CARRIER_HZ), clock.law(CARRIER_HZ), rtol=1e-12)
    assert wiener.phase_variance_rad2(1.0, CARRIER_HZ) == pytest.approx(2.0 * math.pi * 50.0)


def test_docs_show_the_presets():
    page = (Path(__file__).parent.parent / "docs" / "clocks.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]*) \| .* \| .* \|$", page, re.MULTILINE))
    for name, preset in PRESETS.items():
        numbers = [float(number) for number in re.findall(r"(?:= |^)([\d.]+(?:e-\d+)?)", shown[name])]
        settings = list(preset.settings.values())
        expected = settings if preset.kind == "two-state" else [1e12 * preset.settings["jitter_s"]]
        assert numbers == pytest.approx(expected), name
