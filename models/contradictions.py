"""How well the echoes of each receiver fit the targets that the others see: three statistics, each chi-square.

phase       The amplitudes of the echoes at receiver r are alpha_rts = a_rts e^{j phi_s}, measured with the covariance
            of the noise. Their phases turn with the positions and with the phases of the APs as far as these are not
            known, their size falls as 1 / (d_t d_r). Around the targets found all of that is linear:

                nu_r = y_r - H_r theta(-r),   S_r = R_r + H_r J(-r)^-1 H_r^T,   nu_r^T S_r^-1 nu_r ~ chi-square

            with theta(-r) what all receivers but r, and calibration, say of positions, scattering phases and phases of
            APs, and J(-r) their information on it. Real amplitudes of each pair of APs are nuisances.
strength    The size of each target at r against its size at the others: tells noise and stale echoes.
presence    The same of the energies of targets that are not resolved, whose phases say nothing: twice the gain in
            log-likelihood if such a target had a strength of its own at r. Tells ghosts.

Not modelled: scattering that depends on the direction (strength and presence take it for a contradiction), and errors
so large that the others' positions are in another lobe. In the first two, targets that are not resolved are nuisances.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from models.estimation.likelihood import Echoes, clear_of_aps
from models.estimation.phases import profile, turned, uncertain
from models.estimation.signals import pair_products
from models.observation import Estimate, Observation
from models.radio.geometry import rays

__all__ = ["KINDS", "Contradiction", "contradictions", "log_chi_square_tail"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
KINDS = ("phase", "strength", "presence")
NEGLIGIBLE = 1e-9
"""Share of the strongest below which a direction holds no information."""
LEAST = 1e-300
"""Smaller numbers count as this one."""
LEAST_OFFSET = 1e-2
"""A power that cannot be told from none, in units of the noise."""


@dataclass(frozen=True)
class Contradiction:
    """How much the echoes of each receiver differ from what the others predict.

    Attributes
    ----------
    statistic
        Chi-square of each kind, in the order of `KINDS`, shape (n_rx, 3).
    freedom
        Degrees of freedom, shape (n_rx, 3); 0 where nothing can be said.
    """

    statistic: Float
    freedom: Float

    @classmethod
    def none(cls, n_rx: int) -> "Contradiction":
        """Return that nothing can be said."""
        return cls(np.zeros((n_rx, len(KINDS))), np.zeros((n_rx, len(KINDS))))

    def __add__(self, other: "Contradiction") -> "Contradiction":
        """Return what two independent looks at the same receivers say together."""
        return Contradiction(self.statistic + other.statistic, self.freedom + other.freedom)

    @property
    def log_probabilities(self) -> Float:
        """Logarithm of how likely as much is of each kind, if the receiver is honest, shape (n_rx, 3)."""
        return log_chi_square_tail(self.statistic, self.freedom)

    @property
    def log_probability(self) -> Float:
        """Logarithm of the probability that one of the kinds is as small, at most, shape (n_rx,)."""
        least = self.log_probabilities.min(axis=1)
        n_told = np.count_nonzero(self.freedom, axis=1)
        return np.minimum(0.0, least + np.log(np.maximum(n_told, 1)))


def log_chi_square_tail(statistic: Float, freedom: Float) -> Float:
    """Return the logarithm of the probability that chi-square is larger; 0 without degrees of freedom.

    Where the probability is too small for a number, Gamma(a, x) = x^a e^-x / (x + 1 - a), to 1 / x^2.

    >>> log_chi_square_tail(np.array([5.0, 2000.0]), np.array([6.0, 2.0])).round(3).tolist()
    [-0.609, -1000.0]
    """
    half, x = np.maximum(freedom, 1.0) / 2.0, np.maximum(statistic / 2.0, 1e-300)
    tail = scipy.special.chdtrc(2.0 * half, 2.0 * x)
    far = half * np.log(x) - x - np.log(np.maximum(x + 1.0 - half, 1.0)) - scipy.special.gammaln(half)
    value = np.where(tail > LEAST, np.log(np.maximum(tail, LEAST)), far)
    return np.asarray(np.where(freedom > 0, value, 0.0))


class _Rows(NamedTuple):
    """Measurements of one receiver of unit information: y = G theta + noise of power one."""

    y: Float
    design: Float


class _Prior(NamedTuple):
    """What is known of the parameters beside the echoes: information, and information times mean."""

    normal: Float
    right: Float


def contradictions(observation: Observation, estimate: Estimate) -> Contradiction:
    """Return how each receiver contradicts the others about the targets found."""
    n_rx = len(observation.assignment.receivers)
    resolved = np.asarray(estimate.resolved, dtype=bool)
    if not len(resolved) or np.count_nonzero(observation.n_samples) < 3:
        return Contradiction.none(n_rx)
    system = _System.of(observation, np.asarray(estimate.positions_m, dtype=float), resolved)
    told = [*_of_resolved(system), _of_others(system)]
    statistic, freedom = (np.stack(part, axis=1) for part in zip(*told, strict=True))
    return Contradiction(statistic, freedom)


# -- the echoes, whitened ---------------------------------------------------------------------------------------------


class _Pair(NamedTuple):
    """Whitened amplitudes of a group: z = root alpha + slope_x alpha dx + slope_y alpha dy + CN(0, I)."""

    z: Complex
    root: Complex
    """Shape (rank, n_targets n_free)."""
    slope: Complex
    """Shape (2, rank, n_targets n_free)."""


class _System(NamedTuple):
    """The groups of amplitudes that influence each other, see ``pair_products``, and what is known of phases."""

    n_rx: int
    resolved: NDArray[np.bool_]
    pairs: list[_Pair]
    falling: Float
    """1 / (d_r d_t), shape (groups, n_targets, n_free)."""
    phase_root: Float
    """What a unit of each unknown u of the phases turns a group by, in rad, shape (groups, n_free, k)."""
    phase_mean: Float
    """Mean of u, given calibration, around which the echoes were turned, shape (k,); their covariance is I."""

    @classmethod
    def of(cls, observation: Observation, points_m: Float, resolved: NDArray[np.bool_]) -> "_System":
        """Return the system of targets at points."""
        echoes = uncertain(Echoes.of(observation), observation.phase_covariance_rad2)
        n_rx, n_tx = len(echoes.receivers), len(echoes.transmitters)
        root, mean = np.zeros((n_rx + n_tx, 0)), np.zeros(0)
        if echoes.phase_root is not None and resolved.any():
            root, phase_rad = echoes.phase_root, profile(echoes, points_m[resolved][None]).phase_rad[0]
            mean = -np.linalg.pinv(root) @ phase_rad
            echoes = turned(echoes, phase_rad)
        v, gram = pair_products(echoes, points_m[None], "free")
        n_groups, n_free = v.shape[1], v.shape[-1] // len(points_m)
        falling = _falling(echoes, points_m).reshape(n_groups, n_free, len(points_m)).swapaxes(1, 2)
        pairs = [_whitened(v[0, g], gram[0, g]) for g in range(n_groups)]
        phase_root = (root[:n_rx, None] + root[n_rx:]).reshape(n_groups, n_free, root.shape[1])
        return cls(n_rx, resolved, pairs, falling, phase_root, mean)

    def by_receiver(self, groups: list[_Rows]) -> list[_Rows]:
        """Return what groups say, those of a receiver together."""
        n = len(groups) // self.n_rx
        return [_stack(groups[r * n : (r + 1) * n]) for r in range(self.n_rx)]

    @property
    def kappa(self) -> Complex:
        """The structured amplitudes that explain most, shape (n_targets,)."""
        design = np.concatenate(
            [pair.root @ _spread(fall) for pair, fall in zip(self.pairs, self.falling, strict=True)]
        )
        z = np.concatenate([pair.z for pair in self.pairs])
        return np.asarray(np.linalg.lstsq(design, z, rcond=None)[0], dtype=complex)


def _falling(echoes: Echoes, points_m: Float) -> Float:
    """Return 1 / (d_r d_t) of each pair and target, shape (n_rx, n_tx, n_targets)."""
    distance = rays(echoes.network, clear_of_aps(echoes.network, points_m)).distance_m
    return np.asarray(1.0 / (distance[echoes.receivers][:, None] * distance[echoes.transmitters][None]))


def _whitened(v: Complex, gram: Complex) -> _Pair:
    n = v.shape[1]
    values, vectors = np.linalg.eigh(gram[0, :, 0])
    kept = values > NEGLIGIBLE * max(float(values.max(initial=0.0)), 1e-300)
    white = vectors[:, kept].conj().T / np.sqrt(values[kept])[:, None]
    slope = np.stack([white @ gram[0, :, axis].reshape(n, n) for axis in (1, 2)])
    return _Pair(white @ v[0], white @ gram[0, :, 0], slope)


def _spread(fall: Float) -> Float:
    """Return the matrix from one value a target to one a target and free amplitude, with the fall of each."""
    n_targets, n_free = fall.shape
    return (fall[:, :, None] * np.eye(n_targets)[:, None, :]).reshape(n_targets * n_free, n_targets)


def _real(columns: Complex) -> Float:
    """Return complex rows as twice as many real ones with noise of power one."""
    return np.sqrt(2.0) * np.concatenate([columns.real, columns.imag])


def _complement(columns: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """Return an orthonormal basis of what is orthogonal to some columns."""
    if not columns.shape[1]:
        return np.eye(len(columns))
    left, values, _ = np.linalg.svd(columns, full_matrices=True)
    rank = int(np.sum(values > NEGLIGIBLE * values.max(initial=0.0)))
    return left[:, rank:]


def _stack(rows: list[_Rows]) -> _Rows:
    return _Rows(np.concatenate([row.y for row in rows]), np.concatenate([row.design for row in rows]))


# -- targets that are resolved ----------------------------------------------------------------------------------------


def _of_resolved(system: _System) -> tuple[tuple[Float, Float], tuple[Float, Float]]:
    """Return statistic and degrees of freedom of the phases, and of the strengths."""
    if not system.resolved.any():
        nothing = np.zeros(system.n_rx)
        return (nothing, nothing), (nothing, nothing)
    kappa = system.kappa
    groups = [_split(system, g, kappa) for g in range(len(system.pairs))]
    phases, strengths = (system.by_receiver(list(part)) for part in zip(*groups, strict=True))
    return _each_against_the_others(phases, _known_of_phases(system)), _each_scale_against_the_others(strengths)


def _split(system: _System, g: int, kappa: Complex) -> tuple[_Rows, _Rows]:
    """Return what a group says of phases and positions, and what of the strengths, of targets that are resolved."""
    pair, fall, resolved = system.pairs[g], system.falling[g], system.resolved
    spread, which = _spread(fall), resolved.repeat(fall.shape[1])
    along = pair.root * np.exp(1j * np.angle(kappa)).repeat(fall.shape[1])
    others = pair.root[:, ~which]
    unknown = _real(np.concatenate([others, 1j * others], axis=1))
    turning = [1j * pair.root @ (spread * kappa), *(slope @ (spread * kappa) for slope in pair.slope)]
    of_aps = 1j * pair.root @ ((spread @ kappa)[:, None] * np.tile(system.phase_root[g], (len(resolved), 1)))
    phases = _rows(pair, np.concatenate([*(part[:, resolved] for part in turning), of_aps], axis=1),
                   np.concatenate([unknown, _real(along[:, which])], axis=1))  # fmt: skip
    return phases, _rows(pair, (along @ spread)[:, resolved], unknown)


def _rows(pair: _Pair, design: Complex, nuisance: Float) -> _Rows:
    """Return what is left of the measurements when the directions of nuisances are taken away."""
    kept = np.asarray(_complement(nuisance).T, dtype=float)
    return _Rows(kept @ _real(pair.z), kept @ _real(design))


def _known_of_phases(system: _System) -> _Prior:
    """Return what calibration says of the unknowns of the test of phases."""
    n_free, k = 3 * int(np.count_nonzero(system.resolved)), len(system.phase_mean)
    normal = np.diag(np.concatenate([np.zeros(n_free), np.ones(k)]))
    return _Prior(normal, np.concatenate([np.zeros(n_free), system.phase_mean]))


def _each_against_the_others(receivers: list[_Rows], prior: _Prior) -> tuple[Float, Float]:
    """Return the power of the innovation of each receiver, given what the others say of the parameters."""
    normal = [rows.design.T @ rows.design for rows in receivers]
    right = [rows.design.T @ rows.y for rows in receivers]
    told, freedom = np.zeros(len(receivers)), np.array([float(len(rows.y)) for rows in receivers])
    for r, (y, design) in enumerate(receivers):
        covariance = _inverse(prior.normal + sum(normal) - normal[r])
        innovation = y - design @ covariance @ (prior.right + sum(right) - right[r])
        spread = np.eye(len(y)) + design @ covariance @ design.T
        told[r] = innovation @ np.linalg.solve(spread, innovation)
    return told, freedom


def _inverse(normal: Float) -> Float:
    """Return the covariance that information allows; 0 along directions of which nothing is known."""
    diagonal = np.diagonal(normal)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    inverse = np.linalg.pinv(normal * scale[:, None] * scale, rcond=NEGLIGIBLE, hermitian=True)
    return np.asarray(inverse * scale[:, None] * scale)


def _each_scale_against_the_others(receivers: list[_Rows]) -> tuple[Float, Float]:
    """Return the power of the difference between each receiver's own parameters and those of the others."""
    normal = [rows.design.T @ rows.design for rows in receivers]
    right = [rows.design.T @ rows.y for rows in receivers]
    told, freedom = np.zeros(len(receivers)), np.zeros(len(receivers))
    for r, (own, heard) in enumerate(zip(normal, right, strict=True)):
        own_inverse, others_inverse = _inverse(own), _inverse(sum(normal) - own)
        difference = own_inverse @ heard - others_inverse @ (sum(right) - heard)
        told[r] = difference @ _inverse(own_inverse + others_inverse) @ difference
        freedom[r] = np.linalg.matrix_rank(own, rtol=NEGLIGIBLE, hermitian=True)
    return told, freedom


# -- targets that are not ---------------------------------------------------------------------------------------------


class _Energy(NamedTuple):
    """The energy of a target at each receiver: the mean is ``freedom`` + |kappa|^2 ``gain``; all of shape (n_rx,)."""

    energy: Float
    freedom: Float
    gain: Float


def _of_others(system: _System) -> tuple[Float, Float]:
    """Return the statistics of the energies of the targets that are not resolved, and how many these are."""
    told, freedom = np.zeros(system.n_rx), np.zeros(system.n_rx)
    for target in np.flatnonzero(~system.resolved):
        heard = _energy(system, int(target))
        told += _gain_of_leaving_out(heard)
        freedom += heard.freedom > 0
    return told, freedom


def _energy(system: _System, target: int) -> _Energy:
    """Return the energy of a target, what others may have of it taken away."""
    groups = [_energy_of_group(pair, fall, target) for pair, fall in zip(system.pairs, system.falling, strict=True)]
    return _Energy(*np.array(groups).reshape(system.n_rx, -1, 3).sum(axis=1).T)


def _energy_of_group(pair: _Pair, fall: Float, target: int) -> tuple[float, float, float]:
    own = (np.arange(len(fall)) == target).repeat(fall.shape[1])
    kept = _complement(pair.root[:, ~own]).conj().T
    left, values, right = np.linalg.svd(kept @ pair.root[:, own], full_matrices=False)
    rank = int(np.sum(values > NEGLIGIBLE * values.max(initial=0.0)))
    heard = left[:, :rank].conj().T @ (kept @ pair.z)
    gain = np.abs(values[:rank, None] * right[:rank] * fall[target]) ** 2
    return float(np.sum(np.abs(heard) ** 2)), float(rank), float(np.sum(gain))


def _gain_of_leaving_out(heard: _Energy) -> Float:
    """Return twice the gain in log-likelihood if a target had a strength of its own at each receiver, (n_rx,)."""
    each = np.eye(len(heard.energy), dtype=bool)
    together = _likelihood(heard, np.ones(len(heard.energy), dtype=bool))
    apart = np.array(
        [_likelihood(heard, own) + _likelihood(heard, rest) for own, rest in zip(each, ~each, strict=True)]
    )
    return np.maximum(2.0 * (apart - together), 0.0)


def _likelihood(heard: _Energy, receivers: NDArray[np.bool_]) -> float:
    """Return the highest log-likelihood of the energies at some receivers, |kappa|^2 being the same at all."""
    energy, freedom, gain = (part[receivers & (heard.freedom > 0)] for part in heard)
    most = float(np.max(energy / np.maximum(gain, 1e-300), initial=0.0))

    def density(kappa2: Float) -> Float:
        return np.asarray(_log_density(energy, freedom, np.multiply.outer(kappa2, gain)).sum(axis=-1))

    grid = most * np.geomspace(1e-6, 2.0, 64)
    best = int(np.argmax(density(grid)))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = scipy.optimize.minimize_scalar(
        lambda kappa2: -float(density(np.array(kappa2))),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-6 * bounds[1]},
    )
    return max(-float(found.fun), float(density(np.array(0.0))))


def _log_density(energy: Float, freedom: Float, offset: Float) -> Float:
    """Return the log-density of the energy of complex amplitudes of total power ``offset`` in noise of power one.

    p(E) = (E / lambda)^((n - 1) / 2) e^(-E - lambda) I_(n - 1)(2 sqrt(E lambda))
    """
    level, energy = np.maximum(offset, LEAST_OFFSET), np.maximum(energy, LEAST_OFFSET)
    order, root = freedom - 1.0, np.sqrt(energy * level)
    bessel = np.log(np.maximum(scipy.special.ive(order, 2.0 * root), LEAST))
    return np.asarray(0.5 * order * np.log(energy / level) - (np.sqrt(energy) - np.sqrt(level)) ** 2 + bessel)
