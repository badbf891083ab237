"""Joint fit of several targets: amplitudes eliminated exactly, positions by Gauss-Newton; (10)-(18) for S > 1.

Three models of the amplitude of target s on the pair (t, r):

    structured     kappa_s / (d_t d_r), one complex number a target: isotropic scattering and the radar equation
    free           alpha_rts e^{j phi_s}, alpha real and free, phi_s common to all pairs: the paper's coherent model
    noncoherent    any complex number for each pair: what remains without phase coherence

In all of them the echoes are linear in the amplitudes, given the positions (and phases). With B the Gram matrix of
the echoes and v their matched filters, the explained power is v^H B^{-1} v and the Fisher matrix of the positions is
the Schur complement of the amplitudes: the matrix of the Gauss-Newton step and, inverted, the covariance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.likelihood import degrees_of_freedom
from models.estimation.phases import profile
from models.estimation.signals import (
    Amplitude,
    Echoes,
    legs,
    one_target_products,
    pair_products,
    structured_products,
)

__all__ = [
    "Amplitude",
    "Fit",
    "climb",
    "echo_channel",
    "fit",
    "initial_state",
    "noncoherent_covariance_m2",
    "position_covariance_m2",
]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
FIT_COST, STRUCTURED_COST, PAIRS_COST = 1e6, 9.0, 90.0  # operations: a call, a target and number of Z, two unknowns
PROFILE_COST = 60.0  # operations: a target and number of Z, where the phases of the APs are fitted as well
MOST_PRODUCTS, MOST_JETS = 2**21, 2**17  # inner products, and jets of structured targets, held at a time
LOADING = 1e-11  # of the diagonal, so that signals that are absent or dependent do no harm
LEAST_SHARE = 0.05  # of the information that is measured, which is signal
LARGEST_SHRINKAGE = 1e-2  # of non-coherent amplitudes of several targets


class Fit(NamedTuple):
    """A batch of linearised fits."""

    power: Float
    """Explained power over sigma^2, shape (batch,)."""
    gradient: Float
    """Of the power with respect to the state, shape (batch, n)."""
    information: Float
    """Fisher matrix of the state, amplitudes eliminated, shape (batch, n, n)."""
    amplitudes: Complex
    """Of the echoes, shape (batch, n_rx or 1, n_targets, n_tx or 1); for "free" without the phase phi."""


def initial_state(model: Amplitude, positions_m: Float) -> Float:
    """Return the state (x, y), for "free" (x, y, phi = 0), of targets at positions of shape (..., 2)."""
    zero = np.zeros_like(positions_m[..., :1])
    return np.concatenate([positions_m, zero], axis=-1) if model == "free" else np.array(positions_m)


def fit(echoes: Echoes, model: Amplitude, state: Float) -> Fit:
    """Return the fit of each batch of targets.

    Non-coherent amplitudes of several targets shrink by at most a hundredth, and so do their power and bounds.

    Parameters
    ----------
    echoes
        Scaled statistics.
    model
        Of the amplitudes.
    state
        Shape (batch, n_targets, 2) in m; for "free" (batch, n_targets, 3), the third the phase phi in rad.
    """
    echoes.effort.spend(_fit_cost(echoes, model, *state.shape[:2]))
    n_targets = state.shape[1]
    if model == "noncoherent" and n_targets == 1 and not echoes.gram.overlapping:
        return _one_target(echoes, state[:, 0])
    parts = [state[part] for part in _parts(echoes, len(state), n_targets, model == "structured")]
    if model == "structured" and echoes.phase_root is not None:
        fits = [Fit(*profile(echoes, state[part])[:4]) for part in _parts(echoes, len(state), n_targets)]
    elif model == "structured":
        fits = [_eliminate_amplitudes(*structured_products(echoes, part), n_targets) for part in parts]
    else:
        fits = [_pairwise(echoes, model, part) for part in parts]
    return fits[0] if len(fits) == 1 else Fit(*(np.concatenate(values) for values in zip(*fits, strict=True)))


def _parts(echoes: Echoes, batch: int, n_targets: int, structured: bool = False) -> list[slice]:
    """Return parts of a batch: inner products must not take too much memory, and the jets of legs stay in the cache."""
    if structured:
        n_aps = len(echoes.transmitters) + len(echoes.receivers)
        step = max(1, MOST_JETS // (3 * n_targets * n_aps * echoes.network.n_antennas))
    else:
        n_free = len(echoes.transmitters) if echoes.gram.overlapping else 1
        step = max(1, MOST_PRODUCTS // (9 * echoes.n_pairs * n_targets**2 * n_free))
    return [slice(start, start + step) for start in range(0, max(1, batch), step)]


def _pairwise(echoes: Echoes, model: Amplitude, state: Float) -> Fit:
    """Return the fit of amplitudes that are free for each pair of APs."""
    n_targets = state.shape[1]
    v, gram = pair_products(echoes, state[..., :2], model)
    if model == "free":
        found = _eliminate_amplitudes(*_real_amplitudes(v, gram, state[..., 2]), n_targets)
    else:
        found = _eliminate_amplitudes(v, gram, n_targets, _shrinkage(echoes, n_targets) if n_targets > 1 else 0.0)
    if echoes.gram.overlapping:
        return found
    by_pair = found.amplitudes.reshape(len(state), len(echoes.receivers), -1, n_targets)
    return found._replace(amplitudes=by_pair.swapaxes(2, 3))


def _one_target(echoes: Echoes, points_m: Float) -> Fit:
    """Return the fit of one non-coherent target, the signals being separate.

    Once its own amplitude alpha = v_0 / K_00 is eliminated, a pair of APs tells of the position what its legs tell,

        J_ab = 2 sum_rt |alpha_rt|^2 Re (T_t B~_r,ab + B_r T~_t,ab),    X~_ab = X_ab - X_a0 X_0b / X_00,

    with B and T the inner products of the jets of the leg to the receiver and to the transmitter, so no product is
    formed for a pair but v.
    """
    v, back, towards = one_target_products(echoes, points_m)
    power, alpha = _alone(v, back, towards)
    weight = alpha.real**2 + alpha.imag**2
    own, others = _sides(weight, back, towards)
    gradient = 2.0 * np.sum(alpha.conj()[..., None] * v[..., 1:], axis=(1, 2)).real
    gradient -= 2.0 * np.einsum("br,bra->ba", own, back[..., 1:, 0].real)
    gradient -= 2.0 * np.einsum("brt,brta->ba", others, towards[..., 1:, 0].real)
    information = _information(weight, back, towards)
    return Fit(np.sum(weight * power, axis=(1, 2)), gradient, information, alpha[:, :, None])


def _alone(v: Complex, back: Complex, towards: Complex) -> tuple[Float, Complex]:
    """Return K_00 and the amplitude of each pair of APs, 0 where nothing was sent."""
    power = back[..., 0, 0].real[:, :, None] * towards[..., 0, 0].real
    usable = power > LOADING * power.max(initial=0.0)
    return power, np.divide(v[..., 0], power, out=np.zeros_like(v[..., 0]), where=usable)


def _sides(weight: Float, back: Complex, towards: Complex) -> tuple[Float, Float]:
    """Return what stands with the inner products of the legs to receivers, and to transmitters, in a sum over pairs."""
    others = weight * back[..., 0, 0].real[:, :, None]
    if towards.shape[1] == 1:
        others = others.sum(axis=1, keepdims=True)
    return np.sum(weight * towards[..., 0, 0].real, axis=2), others


def _information(weight: Float, back: Complex, towards: Complex) -> Float:
    """Return the Fisher matrix of positions for squared amplitudes of the pairs, (batch, n_rx, n_tx)."""
    own, others = _sides(weight, back, towards)
    information = np.einsum("br,brac->bac", own, _schur(back))
    return 2.0 * (information + np.einsum("brt,brtac->bac", others, _schur(towards)))


def noncoherent_covariance_m2(echoes: Echoes, points_m: Float) -> Float:
    """Return the error covariance of non-coherent positions, shape (n, 2, 2), in m^2, honest at low power, too.

    Squared amplitudes that are measured hold noise: J, made of them, is too large by J_n, what noise alone brings, and
    the score varies with all of J. The covariance is

        (J - J_n)^-1 J (J - J_n)^-1

    where J - J_n counts as a twentieth of J at least. Where signals overlap, J_n is J times the share of the power that
    noise explains. Directions without information get a variance of 1e12 m^2 or more.
    """
    if echoes.gram.overlapping:
        found = fit(echoes, "noncoherent", points_m[:, None])
        share = degrees_of_freedom(echoes) / np.maximum(found.power, 1e-300)
        return np.stack([_sandwich(j, s * j) for j, s in zip(found.information, share, strict=True)])
    blocks = []
    for part in _parts(echoes, len(points_m), 1):
        v, back, towards = one_target_products(echoes, points_m[part])
        power, alpha = _alone(v, back, towards)
        noise = np.divide(1.0, power, out=np.zeros_like(power), where=power > LOADING * power.max(initial=0.0))
        both = (_information(weight, back, towards) for weight in (alpha.real**2 + alpha.imag**2, noise))
        blocks += [_sandwich(*pair) for pair in zip(*both, strict=True)]
    return np.reshape(blocks, (-1, 2, 2))


def _sandwich(information: Float, noise: Float) -> Float:
    """Return (J - J_n)^-1 J (J - J_n)^-1, J - J_n being at least a share of J in every direction."""
    values, vectors = np.linalg.eigh((information + information.T) / 2)
    root = vectors / np.sqrt(np.maximum(values, max(1e-12, 1e-14 * values[-1])))
    shares, axes = np.linalg.eigh(np.eye(len(values)) - root.T @ noise @ root)
    half = root @ axes / np.clip(shares, LEAST_SHARE, 1.0)
    return np.asarray(half @ half.T)


def _schur(jets: Complex) -> Float:
    """Return Re (X_ab - X_a0 X_0b / X_00) of inner products of jets, shape (..., 3, 3), of what is not zero."""
    first = jets[..., 0, 0].real
    inverse = np.divide(1.0, first, out=np.zeros_like(first), where=first > 0.0)
    slopes = jets[..., 1:, 0]
    across = slopes[..., :, None] * slopes.conj()[..., None, :]
    return np.asarray(jets[..., 1:, 1:].real - inverse[..., None, None] * across.real)


def _shrinkage(echoes: Echoes, n_targets: int) -> Float | float:
    """Return the inverse variance of the amplitudes of several targets before they are measured, (n_groups, n).

    Echoes of neighbours are alike on many pairs of APs. Without a limit to their complex amplitudes these grow
    without bound, with opposite signs, and drag the positions to where no target is. The share is so small that what
    it leaves of the strongest echo stays below the noise. Two targets need a still smaller one: it must not draw their
    positions by more than the noise does.
    """
    strongest = max(1.0, float(np.linalg.norm(echoes.cross)))
    share = min(LARGEST_SHRINKAGE, strongest ** (-2 if n_targets == 2 else -1))
    antennas = echoes.network.antennas[echoes.receivers]
    power = antennas[:, None] * np.broadcast_to(echoes.gram.traces, (len(antennas), echoes.gram.n_tx))
    if not echoes.gram.overlapping:
        power = power.reshape(-1, 1)
    return np.tile(share * power, (1, n_targets))


def _fit_cost(echoes: Echoes, model: Amplitude, batch: int, n_targets: int) -> float:
    """Return about how many operations a fit takes."""
    if model == "structured":
        each = STRUCTURED_COST if echoes.phase_root is None else PROFILE_COST
        return FIT_COST + each * batch * n_targets * echoes.cross.size
    n_products = (3.0 * n_targets) ** 2 * echoes.n_pairs * (len(echoes.transmitters) if echoes.gram.overlapping else 1)
    return FIT_COST + PAIRS_COST * batch * n_products


def _real_amplitudes(v: Complex, gram: Complex, phase_rad: Float) -> tuple[Float, Float]:
    """Return v and K of real amplitudes of given phase, the phase added to the jets as a third derivative."""
    n = v.shape[-1]
    turn = np.repeat(np.exp(1j * phase_rad), n // phase_rad.shape[1], axis=-1)
    v = v * turn.conj()[:, None, None]
    gram = gram * (turn.conj()[:, :, None, None] * turn[:, None, None, :])[:, None, None]
    v = np.concatenate([v, -1j * v[:, :, :1]], axis=2)
    gram = np.concatenate([gram, -1j * gram[:, :, :1]], axis=2)
    gram = np.concatenate([gram, 1j * gram[:, :, :, :, :1]], axis=4)
    return v.real, gram.real


def _eliminate_amplitudes(v: NDArray, gram: NDArray, n_targets: int, shrinkage: Float | float = 0.0) -> Fit:
    """Return the fit from v (batch, rx, jet, n) and K (batch, rx, jet, n, jet, n), n = (target, transmitter)."""
    batch, n_rx, n_jets, n = v.shape
    normal = gram[:, :, 0, :, 0, :]
    diagonal = np.einsum("brnn->brn", normal).real
    loading = shrinkage + LOADING * diagonal + np.where(diagonal > LOADING * diagonal.max(initial=0.0), 0.0, 1.0)
    normal = normal + loading[..., None] * np.eye(n)
    columns = np.concatenate([v[:, :, 0, :, None], gram[:, :, 0].reshape(batch, n_rx, n, n_jets * n)[..., n:]], axis=-1)
    solved = np.linalg.solve(normal, columns)
    amplitudes = solved[..., 0]
    power = np.einsum("brn,brn->b", v[:, :, 0].conj(), amplitudes).real
    slopes = gram[:, :, 1:, :, 0, :].reshape(batch, n_rx, (n_jets - 1) * n, n)
    rest = gram[:, :, 1:, :, 1:, :].reshape(batch, n_rx, (n_jets - 1) * n, (n_jets - 1) * n) - slopes @ solved[..., 1:]
    unexplained = v[:, :, 1:].reshape(batch, n_rx, -1) - (slopes @ amplitudes[..., None])[..., 0]
    spread = (batch, n_rx, n_jets - 1, n_targets, -1)
    weight = np.broadcast_to(amplitudes.reshape(batch, n_rx, 1, n_targets, -1), (*spread[:4], n // n_targets))
    gradient = 2.0 * np.einsum("brast,brast->bsa", weight.conj(), unexplained.reshape(spread)).real
    flat = weight.reshape(batch, n_rx, -1)
    weighted = flat.conj()[..., :, None] * rest * flat[..., None, :]
    size = (batch, n_rx, n_jets - 1, n_targets, n // n_targets)
    information = 2.0 * weighted.reshape(*size, *size[2:]).sum(axis=(1, 4, 7)).real.transpose(0, 2, 1, 4, 3)
    n_state = n_targets * (n_jets - 1)
    return Fit(
        power,
        gradient.reshape(batch, n_state),
        information.reshape(batch, n_state, n_state),
        amplitudes.reshape(batch, n_rx, n_targets, -1),
    )


def climb(
    evaluate: Callable[[Float], Fit], state: Float, reach_m: float | Float, n_steps: int, least_gain: float = 1e-9
) -> tuple[Float, Fit]:
    """Return the states at the local maxima of the explained power, and the fits there.

    Damped Gauss-Newton (Levenberg and Marquardt), all batches at once. No step moves a target by more than ``reach_m``
    (a scalar or shape (batch,)): the power can run for ever along a ray from an AP, or into the next lobe.

    Parameters
    ----------
    evaluate
        State of shape (batch, n_targets, 2 or 3) to fit.
    state
        Where to start.
    reach_m
        Longest step in m.
    n_steps
        Most steps.
    least_gain
        Stop once no batch expects a step to add more explained power than this.
    """
    current, damping = evaluate(state), np.full(len(state), 1e-3)
    for _ in range(n_steps):
        step = _damped_step(current, damping)
        gain = np.sum(step * current.gradient, axis=1)
        if np.all((gain < least_gain) | (damping > 1e6)):
            break
        step = step.reshape(state.shape)
        length = np.hypot(step[..., 0], step[..., 1]).max(axis=-1)
        step *= np.minimum(1.0, reach_m / np.maximum(length, 1e-30))[:, None, None]
        trial = evaluate(state + step)
        better = trial.power > current.power
        state = np.where(better[:, None, None], state + step, state)
        current = _select(better, trial, current)
        damping = np.where(better, damping * 0.1, damping * 10.0)
    return state, current


def _select(first: NDArray[np.bool_], one: Fit, other: Fit) -> Fit:
    """Return the fits of ``one`` where ``first`` is true, of ``other`` elsewhere."""
    return Fit(*(np.where(first.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(one, other, strict=True)))


def _damped_step(current: Fit, damping: Float) -> Float:
    """Return (J + damping diag J)^{-1} gradient; shape (batch, n). Scaled to a unit diagonal before it is solved."""
    diagonal = np.einsum("bnn->bn", current.information)
    scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-12 * diagonal.max(axis=-1, keepdims=True, initial=0.0) + 1e-30))
    scaled = current.information * scale[:, :, None] * scale[:, None, :]
    scaled += (damping[:, None, None] + 1e-9) * np.eye(diagonal.shape[-1])
    return scale * np.linalg.solve(scaled, (current.gradient * scale)[..., None])[..., 0]


def position_covariance_m2(information: Float, n_targets: int) -> Float:
    """Return the 2 x 2 covariance of each target from a Fisher matrix of all, shape (n_targets, 2, 2), in m^2.

    Directions without information get a variance of 1e12 m^2 at most.
    """
    values, vectors = np.linalg.eigh((information + information.T) / 2)
    floor = max(1e-12, 1e-14 * values[-1]) if len(values) else 0.0
    inverse = (vectors / np.maximum(values, floor)) @ vectors.T
    n = len(values) // max(1, n_targets)
    blocks = inverse.reshape(n_targets, n, n_targets, n)
    return np.stack([blocks[s, :2, s, :2] for s in range(n_targets)]) if n_targets else np.zeros((0, 2, 2))


def echo_channel(echoes: Echoes, model: Amplitude, state: Float, amplitudes: Complex) -> Complex:
    """Return the channels H_rt = sum_s amplitude_rst W_rs F_st^T of fitted targets, shape (n_rx, N, n_tx, N).

    Parameters
    ----------
    echoes
        Scaled statistics, for the network.
    model
        Of the amplitudes.
    state
        Shape (n_targets, 2 or 3).
    amplitudes
        Shape (n_rx or 1, n_targets, n_tx or 1), as in ``Fit``.
    """
    back, towards = (legs(echoes.network, state[:, :2], aps, model) for aps in (echoes.receivers, echoes.transmitters))
    if model == "free":
        amplitudes = amplitudes * np.exp(1j * state[:, 2])[None, :, None]
    (n_rx, n_targets, n_antennas), n_tx = back.shape, len(towards)
    full = np.broadcast_to(amplitudes, (n_rx, n_targets, n_tx))
    field = (full[..., None] * towards.swapaxes(0, 1)).reshape(n_rx, n_targets, n_tx * n_antennas)
    return (back.swapaxes(1, 2) @ field).reshape(n_rx, n_antennas, n_tx, n_antennas)
