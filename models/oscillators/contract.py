"""What every oscillator keeps, as one check for one's own: `check_oscillator(MyOscillator(...))`.

Statistics are of ``N_DRAWS`` draws from fixed seeds, compared within ``N_SIGMA`` standard deviations of theirs.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.oscillators.base import Oscillator, OscillatorState

__all__ = ["check_oscillator"]

Float = NDArray[np.float64]
N_DRAWS = 2000
N_SIGMA = 6.0
ROUNDING = 1e-9
STEPS_S = (3e-4, 0.0, 7e-4)


def check_oscillator(oscillator: Oscillator, carrier_hz: float = 3.5e9) -> None:
    """Raise AssertionError, with what is wrong, unless an oscillator keeps the contract of its role.

    It is a frozen dataclass; states are plain numbers; the same generator gives the same path; n steps have the law of
    one step as long as all of them, given by `transition`; `phase_variance_rad2` is the variance of what the phase has
    changed by; if ``is_ideal``, there is none.
    """
    settings: Any = getattr(oscillator, "__dataclass_params__", None)
    assert settings is not None and settings.frozen, f"{oscillator!r}: make it a frozen dataclass"
    _check_states(oscillator, carrier_hz)
    _check_transition(oscillator, carrier_hz)
    _check_paths(oscillator, carrier_hz)
    _check_drift(oscillator, carrier_hz)


def _states(advance: Callable[[np.random.Generator], OscillatorState]) -> Float:
    return np.array([advance(np.random.default_rng([1, i])) for i in range(N_DRAWS)])


def _check_states(oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the form of what `initial` and `advance` return, and that the same numbers give the same path."""
    start = oscillator.initial(np.random.default_rng(1), carrier_hz)
    assert isinstance(start, OscillatorState), f"initial returned {start!r}: return an OscillatorState"
    steps = np.array(STEPS_S)
    phases, state = oscillator.advance(start, steps, np.random.default_rng(2), carrier_hz)
    assert phases.shape == steps.shape, f"advance returned phases of shape {phases.shape} for {len(steps)} steps"
    assert all(type(value) is float for value in (*start, *state)), f"{start}, {state}: a state is three plain floats"
    last = state.phase_rad(carrier_hz)
    assert math.isclose(phases[-1], last, rel_tol=ROUNDING, abs_tol=ROUNDING), f"the last phase is not that of {state}"
    again, _ = oscillator.advance(start, steps, np.random.default_rng(2), carrier_hz)
    assert np.array_equal(phases, again), "the same state and numbers give another path: keep no state"
    _check_start(oscillator, carrier_hz)
    if oscillator.is_ideal:
        assert not phases.any(), f"is_ideal is true, and the phase becomes {phases}"


def _check_start(oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of the phase at time 0."""
    states = _states(lambda rng: oscillator.initial(rng, carrier_hz))
    phases = 2.0 * math.pi * carrier_hz * states[:, 0] + states[:, 2]
    said, found = oscillator.start_variance_rad2(carrier_hz), float(np.mean(phases**2))
    assert abs(found - said) <= N_SIGMA * math.sqrt(2.0 / N_DRAWS) * said, (
        f"start_variance_rad2 is {said}, the phases of initial have the variance {found}"
    )


def _check_transition(oscillator: Oscillator, carrier_hz: float) -> None:
    """Check that F and Q of two steps are those of both in one."""
    (f1, q1), (f2, q2), (f, q) = (oscillator.transition(step, carrier_hz) for step in (3e-4, 7e-4, 1e-3))
    np.testing.assert_allclose(f2 @ f1, f, rtol=ROUNDING, err_msg="F of two steps is not that of both in one")
    scale = np.sqrt(np.outer(np.diagonal(q), np.diagonal(q)))
    two = f2 @ q1 @ f2.T + q2
    assert np.all(np.abs(two - q) <= ROUNDING * scale), f"Q of two steps is {two}, of both in one {q}"


def _check_paths(oscillator: Oscillator, carrier_hz: float) -> None:
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
        _require_covariance(error, covariance, f"after {len(steps)} steps {way.__name__}")


def _require_covariance(error: Float, covariance: Float, when: str) -> None:
    """Check that errors, shape (n, k), have the mean 0 and a covariance."""
    variance = np.diagonal(covariance)
    slack = np.sqrt((np.outer(variance, variance) + covariance**2) / len(error))
    off = np.abs(error.T @ error / len(error) - covariance)
    assert np.all(off <= N_SIGMA * slack), f"{when} the covariance is off by {off}, which has a deviation of {slack}"
    assert np.all(np.abs(error.mean(axis=0)) <= N_SIGMA * np.sqrt(variance / len(error))), f"{when} the mean is off"


def _check_drift(oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of what the phase has changed by."""
    since = np.array([0.0, 1e-3])
    variance = oscillator.phase_variance_rad2(since, carrier_hz)
    assert variance.shape == since.shape, f"phase_variance_rad2 returned shape {variance.shape} for {since.shape}"
    assert variance[0] == 0.0, f"the phase has changed with a variance of {variance[0]} after 0 s"

    def change_rad(rng: np.random.Generator) -> float:
        start = oscillator.initial(rng, carrier_hz)
        phases, _ = oscillator.advance(start, since[1:], rng, carrier_hz)
        return float(phases[0]) - start.phase_rad(carrier_hz)

    found = np.mean([change_rad(np.random.default_rng([2, i])) ** 2 for i in range(N_DRAWS)])
    slack = N_SIGMA * variance[1] * math.sqrt(2.0 / N_DRAWS) + ROUNDING**2
    assert abs(found - variance[1]) <= slack, f"the phase changes by {found} rad^2 in 1 ms, said to be {variance[1]}"
    _check_unmeasured(oscillator, carrier_hz)


def _check_unmeasured(oscillator: Oscillator, carrier_hz: float) -> None:
    """Check the variance of a phase that was never measured."""

    def phase_rad(rng: np.random.Generator) -> float:
        start = oscillator.initial(rng, carrier_hz)
        return float(oscillator.advance(start, np.array([1e-3]), rng, carrier_hz)[0][0])

    said = oscillator.unmeasured_variance_rad2(1e-3, carrier_hz)
    found = np.mean([phase_rad(np.random.default_rng([2, i])) ** 2 for i in range(N_DRAWS)])
    assert abs(found - said) <= N_SIGMA * said * math.sqrt(2.0 / N_DRAWS) + ROUNDING**2, (
        f"unmeasured_variance_rad2 is {said} after 1 ms, the phases have the variance {found}"
    )
