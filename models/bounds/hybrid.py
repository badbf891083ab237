"""What errors of the APs' phases do to position: the hybrid bound, and the error of an estimator that ignores them.

AP m multiplies what it radiates or hears by e^(j psi_m), psi normal with known covariance, on top of what
`models.bounds.fisher` has. An oscillator that is ahead by theta turns what it radiates by theta, and what it hears by
-theta. Both are for small errors: an estimator that ignores errors of half a turn ends in another lobe.

For one target under orthogonal isotropic sensing (C, w, W, omega of `models.bounds.closed_form`), an AP's phase by
itself has the information A_t = C N^2 w_t W_r or B_r = C N^2 w_r W_t. With independent errors of variance s

    J = J_nc + S(beta_t, omega_t) + S(beta_r, omega_r),        beta = 1 / (s + 1 / A) or 1 / (s + 1 / B)

S the scatter of the phase gradients about their mean, with weights beta. s = 0 gives the coherent bound, s without
limit the non-coherent one, and without noise there is a floor, beta = 1 / s. With correlated errors, covariance Sigma,

    J = J_nc + G^T (R^-1 - R^-1 E (E^T R^-1 E)^-1 E^T R^-1) G,        R = Sigma + diag(1/A, 1/B)

G the phase gradients in rows, E the two columns that tell transmitters from receivers. An estimator that ignores the
errors has the covariance J_coh^-1 + J_coh^-1 D^T Sigma D J_coh^-1, D in rows A (omega less its mean).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.bounds.closed_form import Side, closed_form_information
from models.bounds.elimination import SINGULAR, eliminate
from models.bounds.fisher import covariance_from_root_m2, information_root
from models.network import ModeAssignment, Network
from models.radio.gram import Gram

__all__ = ["bounds_with_phases_m", "hybrid_bound_m", "hybrid_information", "ignoring_bound_m", "ignoring_covariance_m2"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

ROUNDING = 1e-9  # share of the largest eigenvalue of a covariance below which a negative one is rounding


def hybrid_bound_m(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    phase_variance_rad2: ArrayLike,
) -> Float:
    """Return the hybrid bound of each target in m: APs' phases are unknown, of a known law, and estimated besides.

    Parameters
    ----------
    network, assignment, positions_m, rcs_m2, scatter_phase_rad, gram, noise_power_w
        As in `models.bounds.fisher.position_covariance_m2`; amplitudes are those of its kind "coherent".
    phase_variance_rad2
        Variance of the APs' phase errors in rad^2, at least 0: one for all, shape (n_aps,), or, of errors that depend
        on each other, their covariance (n_aps, n_aps).

    Returns
    -------
    ndarray
        Shape (S,), in m; infinity where another target coincides, NaN where the position cannot be estimated at all.

    Raises
    ------
    ValueError
        If ``phase_variance_rad2`` has another shape, or cannot be a variance.
    """
    problem = _problem(
        network, assignment, positions_m, rcs_m2, scatter_phase_rad, gram, noise_power_w, phase_variance_rad2
    )
    return _hybrid_m(problem)


def ignoring_bound_m(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    phase_variance_rad2: ArrayLike,
) -> Float:
    """Return the root mean square error in m of the efficient estimator that takes all APs' phases for 0.

    Its bound is the coherent one; besides, errors of the phases move the estimate by what fits them best.

    Parameters, what is returned and raised are those of `hybrid_bound_m`.
    """
    problem = _problem(
        network, assignment, positions_m, rcs_m2, scatter_phase_rad, gram, noise_power_w, phase_variance_rad2
    )
    return _ignoring_m(problem)


def bounds_with_phases_m(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    phase_variance_rad2: ArrayLike,
) -> tuple[Float, Float]:
    """Return `hybrid_bound_m` and `ignoring_bound_m`, for which the information is worked out once.

    Parameters and what is raised are those of `hybrid_bound_m`.
    """
    problem = _problem(
        network, assignment, positions_m, rcs_m2, scatter_phase_rad, gram, noise_power_w, phase_variance_rad2
    )
    return _hybrid_m(problem), _ignoring_m(problem)


class _Problem(NamedTuple):
    """Positions, amplitudes and APs' phases to be estimated; an empty root where nothing was received."""

    root: Float
    lengths: Float
    factor: Float
    """L with L L^T the covariance of the phases; see `_factor`."""
    points: Float
    wavelength_m: float
    noise_power_w: float


def _problem(
    network: Network,
    assignment: ModeAssignment,
    positions_m: ArrayLike,
    rcs_m2: ArrayLike,
    scatter_phase_rad: ArrayLike,
    gram: Gram | Complex,
    noise_power_w: float,
    phase_variance_rad2: ArrayLike,
) -> _Problem:
    points, factor = _points(positions_m), _factor(phase_variance_rad2, network, assignment)
    root, lengths = information_root(
        network, assignment, points, rcs_m2, scatter_phase_rad, gram, "coherent", ap_phases=True
    )
    return _Problem(root, lengths, factor, points, network.wavelength_m, noise_power_w)


def _hybrid_m(problem: _Problem) -> Float:
    root, lengths, factor, points, wavelength_m, noise_power_w = problem
    if not len(root):
        return np.full(len(points), np.nan)
    root, lengths = _with_prior(root, lengths, factor, np.sqrt(0.5 * noise_power_w))
    n = root.shape[-1] - 2 * len(points)
    root = eliminate(root[:, :n], root[:, n:], lengths[:n])
    return _bounds_m(covariance_from_root_m2(root, lengths[n:], points, wavelength_m, noise_power_w))


def _ignoring_m(problem: _Problem) -> Float:
    root, lengths, factor, points, wavelength_m, noise_power_w = problem
    if not len(root):
        return np.full(len(points), np.nan)
    n_phases, n = len(factor), len(factor) + len(points)
    phases, targets, places = np.split(root, (n_phases, n), axis=1)
    left = eliminate(targets, np.concatenate([phases, places], axis=1), lengths[n_phases:n])
    phases, places = left[:, :n_phases], left[:, n_phases:]
    covariance = covariance_from_root_m2(places, lengths[n:], points, wavelength_m, noise_power_w)
    moved = np.linalg.lstsq(places, phases @ factor, rcond=SINGULAR)[0].reshape(len(points), 2, -1)
    return _bounds_m(covariance + moved @ moved.swapaxes(-1, -2))


def _points(positions_m: ArrayLike) -> Float:
    return np.asarray(positions_m, dtype=float).reshape(-1, 2)


def _bounds_m(covariance_m2: Float) -> Float:
    return np.sqrt(np.trace(covariance_m2, axis1=-2, axis2=-1))


def _with_prior(root: Float, lengths: Float, factor: Float, unit: float) -> tuple[Float, Float]:
    """Return the root with the APs' phases as ``factor`` times numbers of variance 1, of which that is known."""
    n = len(factor)
    mixed = np.concatenate([root[:, :n] @ factor, root[:, n:]], axis=1)
    known = np.eye(factor.shape[1], mixed.shape[1]) * unit
    own = np.sqrt(factor.T**2 @ lengths[:n] ** 2 + unit**2)
    return np.concatenate([mixed, known]), np.concatenate([own, lengths[n:]])


def _factor(phase_variance_rad2: ArrayLike, network: Network, assignment: ModeAssignment) -> Float:
    """Return L with L L^T the covariance of the phases of the transmitters and then the receivers."""
    aps = np.concatenate([assignment.transmitters, assignment.receivers])
    variance = _variances(phase_variance_rad2, network.n_aps)
    if variance.ndim == 1:
        return np.diag(np.sqrt(variance[aps]))
    values, vectors = np.linalg.eigh(variance[np.ix_(aps, aps)])
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _variances(phase_variance_rad2: ArrayLike, n_aps: int) -> Float:
    """Return variances, shape (n_aps,), or a covariance (n_aps, n_aps), once they can be."""
    given: Any = np.asarray(phase_variance_rad2, dtype=float)
    if given.ndim == 0:
        given = np.full(n_aps, given)
    if given.shape not in ((n_aps,), (n_aps, n_aps)):
        raise ValueError(
            f"phase_variance_rad2 has shape {given.shape}: give one variance, ({n_aps},) or a covariance "
            f"({n_aps}, {n_aps}) for {n_aps} APs"
        )
    values = given if given.ndim == 1 or not np.isfinite(given).all() else np.linalg.eigvalsh(given)
    if not (np.isfinite(values).all() and values.min() >= -ROUNDING * values.max()):
        raise ValueError(f"phase_variance_rad2 holds {values.min()}: give finite variances of 0 rad^2 or more")
    if given.ndim == 2 and not np.allclose(given, given.T):
        raise ValueError("phase_variance_rad2 is not symmetric: give a covariance")
    return np.asarray(given)


def hybrid_information(
    network: Network, assignment: ModeAssignment, points_m: ArrayLike, gain: float, phase_variance_rad2: ArrayLike
) -> Float:
    """Return J of one target at each point in closed form, for Q_tt' = q I delta_tt'.

    Independent errors cost a point n_tx + n_rx terms, those that depend on each other a matrix of that size.

    Parameters
    ----------
    network, assignment, points_m, gain
        As in `models.bounds.closed_form.closed_form_information`.
    phase_variance_rad2
        As in `hybrid_bound_m`.

    Returns
    -------
    ndarray
        Shape (n_points, 2, 2), in 1/m^2.
    """
    variance = _variances(phase_variance_rad2, network.n_aps)
    noncoherent, _ = closed_form_information(network, assignment, points_m, gain)
    sides, noise = _phase_noise(network, assignment, points_m, gain)
    aps = assignment.transmitters, assignment.receivers
    if variance.ndim == 1:
        pairs = zip(sides, noise, aps, strict=True)
        return noncoherent + sum(side.scatter(1.0 / (variance[own, None] + n)) for side, n, own in pairs)
    return noncoherent + _correlated(variance[np.ix_(*2 * (np.concatenate(aps),))], sides, noise)


def _phase_noise(
    network: Network, assignment: ModeAssignment, points_m: ArrayLike, gain: float
) -> tuple[tuple[Side, Side], tuple[Float, Float]]:
    """Return both sides and the variance 1/A, 1/B with which the noise blurs each AP's phase, (n_aps, n_points)."""
    t, r = (Side.of(network, points_m, aps) for aps in (assignment.transmitters, assignment.receivers))
    unit = gain * network.antennas_of_all**2
    noise = (1.0 / (unit * side.weight * other.weight.sum(axis=0)) for side, other in ((t, r), (r, t)))
    return (t, r), tuple(noise)


def _correlated(covariance: Float, sides: tuple[Side, Side], noise: tuple[Float, Float]) -> Float:
    """Return what phase gradients tell when the errors of all APs depend on each other, shape (n_points, 2, 2)."""
    omega = np.concatenate([side.omega for side in sides]).swapaxes(0, 1)
    common = np.repeat(np.eye(2), [len(side.weight) for side in sides], axis=0)
    total = covariance + np.concatenate(noise).T[:, :, None] * np.eye(len(covariance))
    columns = np.concatenate([omega, np.broadcast_to(common, (len(omega), *common.shape))], axis=2)
    products = columns.swapaxes(1, 2) @ np.linalg.solve(total, columns)
    own, mixed, shared = products[:, :2, :2], products[:, :2, 2:], products[:, 2:, 2:]
    return np.asarray(own - mixed @ np.linalg.solve(shared, mixed.swapaxes(1, 2)))


def ignoring_covariance_m2(
    network: Network, assignment: ModeAssignment, points_m: ArrayLike, gain: float, phase_variance_rad2: ArrayLike
) -> Float:
    """Return the covariance of the estimator that takes all phases for 0, in closed form; see `hybrid_information`.

    Returns
    -------
    ndarray
        Shape (n_points, 2, 2), in m^2.
    """
    factor = _factor(phase_variance_rad2, network, assignment)
    _, coherent = closed_form_information(network, assignment, points_m, gain)
    sides, noise = _phase_noise(network, assignment, points_m, gain)
    slopes = np.concatenate([s.deviations(s.weight) / n[..., None] for s, n in zip(sides, noise, strict=True)])
    inverse = np.linalg.inv(coherent)
    moved = inverse @ slopes.transpose(1, 2, 0) @ factor
    return np.asarray(inverse + moved @ moved.swapaxes(1, 2))
