"""The contract of oscillators, as one check for one's own: `check_oscillator(MyOscillator(...))`.

Statistics are of ``N_DRAWS`` draws from fixed seeds, compared within ``N_SIGMA`` standard deviations of theirs.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.contract import FROZEN, require, require_frozen, rule
from models.oscillators.base import Oscillator, OscillatorState

__all__ = ["check_oscillator"]

Float = NDArray[np.float64]
N_DRAWS = 2000
N_SIGMA = 6.0
ROUNDING = 1e-9
STEPS_S = (3e-4, 0.0, 7e-4)
LAW = "let initial, advance, transition and the variances follow from one law"


def check_oscillator(oscillator: Oscillator, carrier_hz: float = 3.5e9) -> None:
    """Check that an oscillator keeps the rules of its role.

    It is a frozen dataclass; states are plain numbers; the same generator gives the same path; n steps have the law of
    one step as long as all of them, given by `transition`; `phase_variance_rad2` is the variance of what the phase has
    changed by; if ``is_ideal``, there is none.

    Raises
    ------
    ContractError
        If it breaks a rule.
    """
    who = require_frozen("oscillator", oscillator)
    with rule(who, "its methods answer", "see the error"):
        _check_states(who, oscillator, carrier_hz)
        _check_start(who, oscillator, carrier_hz)
        _check_transition(who, oscillator, carrier_hz)
        _check_paths(who, oscillator, carrier_hz)
        _check_drift(who, oscillator, carrier_hz)


def _states(advance: Callable[[np.random.Generator], OscillatorState]) -> Float:
    return np.array([advance(np.random.default_rng([1, i])) for i in range(N_DRAWS)])


def _check_states(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the form of what `initial` and `advance` return, and that the same numbers give the same path."""
    start = oscillator.initial(np.random.default_rng(1), carrier_hz)
    require(isinstance(start, OscillatorState), who, "initial gives a state", start, "return an OscillatorState")
    steps = np.array(STEPS_S)
    phases, state = oscillator.advance(start, steps, np.random.default_rng(2), carrier_hz)
    found = f"shape {phases.shape} for {len(steps)} steps"
    require(phases.shape == steps.shape, who, "advance gives a phase for each step", found, "return shape (n,)")
    plain = all(type(value) is float for value in (*start, *state))
    require(plain, who, "a state is three plain floats", f"{start}, {state}", "convert with float()")
    last = state.phase_rad(carrier_hz)
    is_last = math.isclose(phases[-1], last, rel_tol=ROUNDING, abs_tol=ROUNDING)
    require(is_last, who, "the last phase is that of the state", f"{phases[-1]}, and {last} rad", LAW)
    again, _ = oscillator.advance(start, steps, np.random.default_rng(2), carrier_hz)
    same = np.array_equal(phases, again)
    require(same, who, "the same state and numbers give the same path", f"{phases}, then {again}", FROZEN)
    is_still = not (oscillator.is_ideal and phases.any())
    require(is_still, who, "the phase of an ideal one is 0", f"is_ideal, and {phases} rad", LAW)


def _check_start(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of the phase at time 0."""
    states = _states(lambda rng: oscillator.initial(rng, carrier_hz))
    phases = 2.0 * math.pi * carrier_hz * states[:, 0] + states[:, 2]
    said, found = oscillator.start_variance_rad2(carrier_hz), float(np.mean(phases**2))
    holds = abs(found - said) <= N_SIGMA * math.sqrt(2.0 / N_DRAWS) * said
    require(holds, who, "start_variance_rad2 is that of the phases of initial", f"{said}, and {found} rad^2", LAW)


def _check_transition(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check that F and Q of two steps are those of both in one."""
    (f1, q1), (f2, q2), (f, q) = (oscillator.transition(step, carrier_hz) for step in (3e-4, 7e-4, 1e-3))
    same = np.allclose(f2 @ f1, f, rtol=ROUNDING, atol=0.0)
    require(same, who, "F of two steps is that of both in one", f"{f2 @ f1}, and {f}", LAW)
    scale = np.sqrt(np.outer(np.diagonal(q), np.diagonal(q)))
    two = f2 @ q1 @ f2.T + q2
    holds = np.all(np.abs(two - q) <= ROUNDING * scale)
    require(holds, who, "Q of two steps is that of both in one", f"{two}, and {q}", LAW)


def _check_paths(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check that n steps in one call, and in n calls, have the law of `transition`."""
    start = oscillator.initial(np.random.default_rng(3), carrier_hz)
    steps = np.array(STEPS_S)
    mean, covariance = oscillator.transition(float(steps.sum()), carrier_hz)

    def at_once(rng: np.random.Generator) -> OscillatorState:
        return oscillator.advance(start, steps, rng, carrier_hz)[1]

    def one_by_one(rng: np.random.Generator) -> OscillatorState:
        state = start
        for step in steps:
            _, state = oscillator.advance(state, np.array([step]), rng, carrier_hz)
        return state

    for way in (at_once, one_by_one):
        error = _states(way) - mean @ np.array(start)
        _require_covariance(who, error, covariance, f"{len(steps)} steps {way.__name__}")


def _require_covariance(who: str, error: Float, covariance: Float, steps: str) -> None:
    """Check that errors, shape (n, k), have the mean 0 and a covariance."""
    variance = np.diagonal(covariance)
    slack = np.sqrt((np.outer(variance, variance) + covariance**2) / len(error))
    off = np.abs(error.T @ error / len(error) - covariance)
    what = f"{steps} have the law of transition"
    found = f"the covariance is off by {off}, which has a deviation of {slack}"
    require(np.all(off <= N_SIGMA * slack), who, what, found, LAW)
    mean = np.abs(error.mean(axis=0))
    holds = np.all(mean <= N_SIGMA * np.sqrt(variance / len(error)))
    require(holds, who, what, f"the mean is off by {mean}", LAW)


def _check_drift(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of what the phase has changed by."""
    since = np.array([0.0, 1e-3])
    variance = oscillator.phase_variance_rad2(since, carrier_hz)
    found = f"shape {variance.shape} for {since.shape}"
    require(variance.shape == since.shape, who, "phase_variance_rad2 is alike in shape", found, "take an array")
    require(variance[0] == 0.0, who, "in 0 s the phase has not changed", f"a variance of {variance[0]} rad^2", LAW)

    def change_rad(rng: np.random.Generator) -> float:
        start = oscillator.initial(rng, carrier_hz)
        phases, _ = oscillator.advance(start, since[1:], rng, carrier_hz)
        return float(phases[0]) - start.phase_rad(carrier_hz)

    changed = np.mean([change_rad(np.random.default_rng([2, i])) ** 2 for i in range(N_DRAWS)])
    holds = abs(changed - variance[1]) <= N_SIGMA * variance[1] * math.sqrt(2.0 / N_DRAWS) + ROUNDING**2
    what = "phase_variance_rad2 is that of what the phase changes by"
    require(holds, who, what, f"{variance[1]} rad^2 said, {changed} in 1 ms", LAW)
    _check_unmeasured(who, oscillator, carrier_hz)


def _check_unmeasured(who: str, oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of a phase that was never measured."""

    def phase_rad(rng: np.random.Generator) -> float:
        start = oscillator.initial(rng, carrier_hz)
        return float(oscillator.advance(start, np.array([1e-3]), rng, carrier_hz)[0][0])

    said = oscillator.unmeasured_variance_rad2(1e-3, carrier_hz)
    found = np.mean([phase_rad(np.random.default_rng([2, i])) ** 2 for i in range(N_DRAWS)])
    holds = abs(found - said) <= N_SIGMA * said * math.sqrt(2.0 / N_DRAWS) + ROUNDING**2
    what = "unmeasured_variance_rad2 is that of a phase that was never measured"
    require(holds, who, what, f"{said} rad^2 said after 1 ms, {found} found", LAW)
