"""How well the echoes of each receiver fit the targets that the others see: four statistics, each chi-square.

phase       The amplitudes of the echoes at receiver r are alpha_rts = a_rts e^{j phi_s}, measured with the covariance
            of the noise. Their phases turn with the positions and with the phases of the APs as far as these are not
            known, their size falls as 1 / (d_t d_r). Around the targets found all of that is linear, and so is what a
            receiver adds that says something else:

                y_r = H_r theta + D_r delta_r + noise of power one

            Real amplitudes of each pair of APs are nuisances and left out of it. With B an orthonormal basis of the
            columns of H, of all receivers one below the other, and B_r its rows of receiver r,

                e_r = y_r - B_r B^T y,   M_r = I - B_r B_r^T,
                U_r = D_r^T e_r,   I_r = D_r^T M_r D_r,   U_r^T I_r^+ U_r ~ chi-square, rank I_r degrees of freedom

            is twice what the log-likelihood gains if r, and no other, may add delta_r; this is also the power of what
            r says against what the others predict of it. Here D_r = I: r may say anything, in each CPI something else.
turn        The same of what is alike in all CPIs: delta_rt is what the phases at r are turned by against transmitter t.
            U_r and I_r add over CPIs, transmitter by transmitter, and the degrees of freedom stay. Where one receiver
            is turned, none gains as much as that one, as far as chance allows.
strength    The size of each target at r against its size at the others: tells noise and stale echoes.
presence    The same of the energies of targets that are not resolved, whose phases say nothing: twice the gain in
            log-likelihood if such a target had a strength of its own at r. Tells ghosts.

Not modelled: scattering that depends on the direction (all take it for a contradiction), and errors so large that the
others' positions are in another lobe. Targets that are not resolved are nuisances in all but presence. Phases of APs
that are known with an uncertainty count as unknown: what they are off by may last from CPI to CPI. So does the velocity
of targets, where it is known when each transmitter sensed: what it turns phases by is alike in all CPIs.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
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
KINDS = ("phase", "strength", "presence", "turn")
NEGLIGIBLE = 1e-9
"""Share of the strongest below which a direction holds no information."""
LEAST = 1e-300
"""Smaller numbers count as this one."""
LEAST_OFFSET = 1e-2
"""A power that cannot be told from none, in units of the noise."""


@dataclass(frozen=True, eq=False)
class Contradiction:
    """How much echoes differ from what other receivers predict: in a CPI of n receivers, or of one receiver in n CPIs.

    Attributes
    ----------
    statistic
        Chi-square of each kind but the last, in the order of `KINDS`, shape (n, 3).
    freedom
        Their degrees of freedom, shape (n, 3); 0 where nothing can be said.
    turn_score
        Of the turn against each AP, 0 against those that do not transmit, shape (n, n_aps), in 1 / rad.
    turn_information
        On these turns, shape (n, n_aps, n_aps), in 1 / rad^2.
    """

    statistic: Float
    freedom: Float
    turn_score: Float
    turn_information: Float

    @classmethod
    def none(cls, n: int, n_aps: int) -> "Contradiction":
        """Return that nothing can be said."""
        n_kinds = len(KINDS) - 1
        return cls(np.zeros((n, n_kinds)), np.zeros((n, n_kinds)), np.zeros((n, n_aps)), np.zeros((n, n_aps, n_aps)))

    @classmethod
    def joined(cls, *several: "Contradiction") -> "Contradiction":
        """Return the rows of several, one after the other."""
        return _of_each_part(lambda *parts: np.concatenate(parts), *several)

    def __add__(self, other: "Contradiction") -> "Contradiction":
        """Return what two independent looks at the same receivers say together."""
        return _of_each_part(np.add, self, other)

    def __getitem__(self, rows: slice) -> "Contradiction":
        """Return some of the rows."""
        return _of_each_part(lambda part: part[rows], self)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.statistic)

    @property
    def total(self) -> "Contradiction":
        """What all rows say together, as one row."""
        return _of_each_part(lambda part: part.sum(axis=0, keepdims=True), self)

    @property
    def chi_squares(self) -> tuple[Float, Float]:
        """Statistic and degrees of freedom of all kinds, each of shape (n, 4)."""
        turns = [_power(*turn) for turn in zip(self.turn_score, self.turn_information, strict=True)]
        both = np.array(turns).reshape(len(self), 2)
        return np.column_stack([self.statistic, both[:, 0]]), np.column_stack([self.freedom, both[:, 1]])

    @property
    def log_probabilities(self) -> Float:
        """Logarithm of how likely as much is of each kind, if the receiver is honest, shape (n, 4)."""
        return log_chi_square_tail(*self.chi_squares)

    @property
    def log_probability(self) -> Float:
        """Logarithm of the probability that one of the kinds is as small, at most, shape (n,)."""
        statistic, freedom = self.chi_squares
        least = log_chi_square_tail(statistic, freedom).min(axis=1)
        n_told = np.count_nonzero(freedom, axis=1)
        return np.minimum(0.0, least + np.log(np.maximum(n_told, 1)))


def _of_each_part(change: Callable[..., Float], *several: Contradiction) -> Contradiction:
    return Contradiction(*(change(*(getattr(one, part.name) for one in several)) for part in fields(Contradiction)))


def _power(score: Float, information: Float) -> tuple[float, float]:
    """Return U^T I^+ U, and the rank of I."""
    inverse, rank = _inverse(information)
    return float(score @ inverse @ score), float(rank)


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


def contradictions(observation: Observation, estimate: Estimate) -> Contradiction:
    """Return how each receiver contradicts the others about the targets found."""
    n_rx = len(observation.assignment.receivers)
    resolved = np.asarray(estimate.resolved, dtype=bool)
    if not len(resolved) or np.count_nonzero(observation.n_samples) < 3:
        return Contradiction.none(n_rx, observation.network.n_aps)
    system = _System.of(observation, np.asarray(estimate.positions_m, dtype=float), resolved)
    *told, (score, information) = _of_resolved(system)
    statistic, freedom = (np.stack(part, axis=1) for part in zip(*told, _of_others(system), strict=True))
    at = np.eye(observation.network.n_aps)[observation.assignment.transmitters]
    return Contradiction(statistic, freedom, score @ at, at.T @ information @ at)


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
    n_tx: int
    resolved: NDArray[np.bool_]
    pairs: list[_Pair]
    falling: Float
    """1 / (d_r d_t), shape (groups, n_targets, n_free)."""
    phase_root: Float
    """What a unit of each unknown of the phases turns a group by, in rad, shape (groups, n_free, k)."""
    sensed_s: Float
    """When each transmitter sensed, shape (n_tx,); 0 where that is not known."""

    @classmethod
    def of(cls, observation: Observation, points_m: Float, resolved: NDArray[np.bool_]) -> "_System":
        """Return the system of targets at points."""
        echoes = uncertain(Echoes.of(observation), observation.phase_covariance_rad2)
        n_rx, n_tx = len(echoes.receivers), len(echoes.transmitters)
        root = np.zeros((n_rx + n_tx, 0))
        if echoes.phase_root is not None and resolved.any():
            root = echoes.phase_root
            echoes = turned(echoes, profile(echoes, points_m[resolved][None]).phase_rad[0])
        v, gram = pair_products(echoes, points_m[None], "free")
        n_groups, n_free = v.shape[1], v.shape[-1] // len(points_m)
        falling = _falling(echoes, points_m).reshape(n_groups, n_free, len(points_m)).swapaxes(1, 2)
        pairs = [_whitened(v[0, g], gram[0, g]) for g in range(n_groups)]
        sensed_s = np.zeros(n_tx) if observation.sensed_s is None else observation.sensed_s
        phase_root = (root[:n_rx, None] + root[n_rx:]).reshape(n_groups, n_free, root.shape[1])
        return cls(n_rx, n_tx, resolved, pairs, falling, phase_root, sensed_s)

    def turn(self, g: int) -> Float:
        """Return what each transmitter turns the free amplitudes of a group by, shape (n_free, n_tx)."""
        n_free = self.falling.shape[-1]
        return np.resize(np.eye(self.n_tx), (len(self.pairs), n_free, self.n_tx))[g]

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


def _basis(columns: Float) -> Float:
    """Return an orthonormal basis of columns of any length."""
    length = np.linalg.norm(columns, axis=0)
    left, values, _ = np.linalg.svd(columns[:, length > 0] / length[length > 0], full_matrices=False)
    return np.asarray(left[:, values > NEGLIGIBLE * values.max(initial=0.0)])


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


def _of_resolved(system: _System) -> tuple[tuple[Float, Float], tuple[Float, Float], tuple[Float, Float]]:
    """Return statistic and degrees of freedom of phases and of strengths, score of and information on the turns."""
    n_rx, n_tx = system.n_rx, system.n_tx
    if not system.resolved.any():
        nothing = np.zeros(n_rx)
        return (nothing, nothing), (nothing, nothing), (np.zeros((n_rx, n_tx)), np.zeros((n_rx, n_tx, n_tx)))
    kappa = system.kappa
    groups = [_split(system, g, kappa) for g in range(len(system.pairs))]
    phases, strengths, turns = (system.by_receiver(list(part)) for part in zip(*groups, strict=True))
    left = _what_is_left(phases)
    against = np.array([_power(*of_one) for of_one in left])
    turned_by = [_turned(*of_one, rows.design) for of_one, rows in zip(left, turns, strict=True)]
    score, information = (np.array(part) for part in zip(*turned_by, strict=True))
    return (against[:, 0], against[:, 1]), _each_scale_against_the_others(strengths), (score, information)


def _split(system: _System, g: int, kappa: Complex) -> tuple[_Rows, _Rows, _Rows]:
    """Return what a group says of phases and positions, of strengths, and of turns, of targets that are resolved."""
    pair, fall, resolved = system.pairs[g], system.falling[g], system.resolved
    spread, which = _spread(fall), resolved.repeat(fall.shape[1])
    along = pair.root * np.exp(1j * np.angle(kappa)).repeat(fall.shape[1])
    others = pair.root[:, ~which]
    unknown = _real(np.concatenate([others, 1j * others], axis=1))
    since = np.tile(system.turn(g) @ system.sensed_s, len(resolved))[:, None]
    moving = [slope @ (spread * kappa * factor) for slope in pair.slope for factor in (1.0, since)]
    turning = [1j * pair.root @ (spread * kappa), *moving]
    of_aps, of_turns = (
        1j * pair.root @ ((spread @ kappa)[:, None] * np.tile(turn, (len(resolved), 1)))
        for turn in (system.phase_root[g], system.turn(g))
    )
    sizes = np.concatenate([unknown, _real(along[:, which])], axis=1)
    phases = _rows(pair, np.concatenate([*(part[:, resolved] for part in turning), of_aps], axis=1), sizes)
    return phases, _rows(pair, (along @ spread)[:, resolved], unknown), _rows(pair, of_turns, sizes)


def _rows(pair: _Pair, design: Complex, nuisance: Float) -> _Rows:
    """Return what is left of the measurements when the directions of nuisances are taken away."""
    kept = np.asarray(_complement(nuisance).T, dtype=float)
    return _Rows(kept @ _real(pair.z), kept @ _real(design))


def _what_is_left(receivers: list[_Rows]) -> list[tuple[Float, Float]]:
    """Return what a fit to all receivers leaves of each one's measurements, and the covariance of that."""
    basis = _basis(np.concatenate([rows.design for rows in receivers]))
    fitted = basis.T @ np.concatenate([rows.y for rows in receivers])
    own = np.split(basis, np.cumsum([len(rows.y) for rows in receivers])[:-1])
    return [(rows.y - b @ fitted, np.eye(len(b)) - b @ b.T) for rows, b in zip(receivers, own, strict=True)]


def _turned(left: Float, covariance: Float, turn: Float) -> tuple[Float, Float]:
    """Return score of and information on turns, 0 of those that cannot be told from the parameters."""
    information = turn.T @ covariance @ turn
    told = np.diagonal(information) > NEGLIGIBLE * np.sum(turn**2, axis=0)
    return told * (turn.T @ left), told[:, None] * information * told


def _inverse(normal: Float) -> tuple[Float, int]:
    """Return the covariance that information allows, 0 along directions of which nothing is known, and its rank."""
    diagonal = np.diagonal(normal)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(normal * scale[:, None] * scale)
    known = values > NEGLIGIBLE * values.max(initial=0.0)
    root = scale[:, None] * vectors[:, known] / np.sqrt(values[known])
    return root @ root.T, int(known.sum())


def _each_scale_against_the_others(receivers: list[_Rows]) -> tuple[Float, Float]:
    """Return the power of the difference between each receiver's own parameters and those of the others."""
    normal = [rows.design.T @ rows.design for rows in receivers]
    right = [rows.design.T @ rows.y for rows in receivers]
    told, freedom = np.zeros(len(receivers)), np.zeros(len(receivers))
    for r, (own, heard) in enumerate(zip(normal, right, strict=True)):
        (own_inverse, rank), (others_inverse, _) = _inverse(own), _inverse(sum(normal) - own)
        difference = own_inverse @ heard - others_inverse @ (sum(right) - heard)
        told[r] = difference @ _inverse(own_inverse + others_inverse)[0] @ difference
        freedom[r] = rank
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
