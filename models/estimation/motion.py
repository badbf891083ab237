"""Whether a target moved while the CPI lasted: the phase of its echoes then turns from slot to slot.

Transmitters take turns to sense, so each measures the target at its own time tau_t. With u = e_t + e_r the unit vectors
away from both APs, an offset delta and a velocity v turn the phase of pair (r, t) by k u . (delta + v tau_t), seen from
the middle of the arrays. Given the echoes at a lobe, the power that a moving point of isotropic scattering explains
needs no more geometry,

    L(delta, v) = |sum_rt c_rt v_rt e^{jk(d_t + d_r)} e^{jk u_rt . (delta + v tau_t)}|^2 / sum_rt c_rt^2 D_rt,

c = 1 / (d_t d_r). Not modelled: velocities that carry a target out of its lobe's surroundings within a CPI.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import FEWEST_PAIRS, MOTION_STEPS, SPEED_STEP_RAD
from models.estimation.likelihood import Echoes, clear_of_aps, match
from models.radio.geometry import rays

__all__ = ["Drift", "drift"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Drift(NamedTuple):
    """The best velocity about a point."""

    gain: float
    """Power over sigma^2 that the velocity adds to what the point explains at rest, both offsets at their best."""
    power: float
    """Power that the moving point explains."""
    velocity_m_s: Float
    """Shape (2,)."""


class _Terms(NamedTuple):
    """The sum over pairs of APs at a point."""

    weight: Complex  # (n_pairs,), normalised: its squared sum is the power at rest
    slope: Float  # k u and k u tau in rad/m and rad s/m, (n_pairs, 4)


def drift(echoes: Echoes, points_m: Float) -> Drift | None:
    """Return the velocity that explains most about any of some points, (n, 2); None where times tell nothing.

    That is where signals overlap, all transmitters are heard at the same time on average, or pairs of APs are few.
    """
    times = echoes.sensed_s
    if times is None or echoes.gram.overlapping or echoes.n_pairs < FEWEST_PAIRS:
        return None
    if not len(points_m) or not np.ptp(times) > 0.0:
        return None
    terms = _terms(echoes, points_m, times)
    rest = [_climbed(term, np.zeros((1, 4)), still=True)[0] for term in terms]
    moving = [_climbed(term, _starts(term, echoes, times), still=False) for term in terms]
    best = int(np.argmax([power for power, _ in moving]))
    power, state = moving[best]
    return Drift(power - max(rest), power, state[2:])


def _terms(echoes: Echoes, points_m: Float, times: Float) -> list[_Terms]:
    network, n_rx = echoes.network, len(echoes.receivers)
    ray = rays(network, clear_of_aps(network, points_m))
    output, gram = match(echoes, np.exp(-1j * np.pi * ray.sine))
    leg = np.exp(1j * network.wavenumber_rad_m * ray.distance_m) / ray.distance_m
    towards, back = leg[echoes.transmitters], leg[echoes.receivers]
    noise = np.einsum("rg,tg,rtg->g", np.abs(back) ** 2, np.abs(towards) ** 2, np.broadcast_to(gram.real, output.shape))
    weight = output * back[:, None] * towards / np.sqrt(np.maximum(noise, 1e-300))
    middle = np.pi * network.centres[:, None, None]
    direction = network.wavenumber_rad_m * ray.direction - middle * ray.sine_gradient
    slope = direction[echoes.receivers][:, None] + direction[echoes.transmitters]
    centred = np.broadcast_to((times - times.mean())[None, :, None, None], (n_rx, len(times), 1, 1))
    slope = np.concatenate([slope, slope * centred], axis=-1)
    return [_Terms(weight[..., i].ravel(), slope[:, :, i].reshape(-1, 4)) for i in range(len(points_m))]


def _starts(terms: _Terms, echoes: Echoes, times: Float) -> Float:
    """Return the best velocities of a grid, and rest, as states (n, 4)."""
    step = SPEED_STEP_RAD / (2.0 * echoes.network.wavenumber_rad_m * 0.5 * np.ptp(times))
    ticks = step * np.arange(-MOTION_STEPS, MOTION_STEPS + 1)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    power = np.abs(np.exp(1j * grid @ terms.slope[:, 2:].T) @ terms.weight) ** 2
    best = grid[np.argsort(-power, kind="stable")[:4]]
    return np.pad(np.vstack([best, np.zeros(2)]), ((0, 0), (2, 0)))


def _climbed(terms: _Terms, states: Float, still: bool, n_steps: int = 12) -> tuple[float, Float]:
    """Return the highest power reached from some states, and where: damped Newton steps, at rest if ``still``."""
    n = 2 if still else 4
    best = (-np.inf, states[0])
    for state in states:
        damping, (power, gradient, bend) = 1e-3, _expanded(terms, state, n)
        for _ in range(n_steps):
            scale = np.sqrt(np.maximum(np.abs(np.diag(bend)), 1e-300))
            matrix = bend / np.outer(scale, scale) + damping * np.eye(n)
            step = np.linalg.solve(matrix, gradient / scale) / scale
            trial = state + np.pad(step, (0, 4 - n))
            found = _expanded(terms, trial, n)
            if found[0] > power:
                done = found[0] - power < 1e-3
                state, (power, gradient, bend), damping = trial, found, 0.1 * damping
                if done:
                    break
            else:
                damping *= 10.0
        best = max(best, (power, state), key=lambda item: item[0])
    return float(best[0]), best[1]


def _expanded(terms: _Terms, state: Float, n: int) -> tuple[float, Float, Float]:
    """Return the power at a state, its gradient, and a positive matrix near minus half its Hessian (Gauss-Newton)."""
    turned = terms.weight * np.exp(1j * terms.slope @ state)
    total = turned.sum()
    first = 1j * (turned @ terms.slope[:, :n])
    gradient = 2.0 * (np.conj(total) * first).real
    share = np.abs(total) * np.abs(turned)
    mean = share @ terms.slope[:, :n] / max(share.sum(), 1e-300)
    centred = terms.slope[:, :n] - mean
    return float(np.abs(total) ** 2), gradient, 2.0 * (centred.T * share) @ centred + 1e-12 * np.eye(n)
