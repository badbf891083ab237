"""A test of each receiver against the others: whether its echoes fit the targets that the others see.

The amplitudes of the echoes at receiver r are alpha_rts = a_rts e^{j phi_s}, measured with the covariance of the noise.
Their phases turn with the positions, their size falls as 1 / (d_t d_r). Around the targets found, both are linear:

    nu_r = y_r - H_r theta(-r),   S_r = R_r + H_r J(-r)^-1 H_r^T,   nu_r^T S_r^-1 nu_r ~ chi-square

with theta(-r) what all receivers but r say of positions and scattering phases, and J(-r) their information on it. Real
amplitudes of each pair of APs are nuisances of this test of phases; a second one compares the strength of each target
at r with its strength at the others, which tells noise, stale echoes and targets that only r sees.

Not modelled: scattering that depends on the direction (the second test takes it for a contradiction), and errors so
large that the others' positions are in another lobe. Targets that are not resolved are nuisances.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from models.estimation.likelihood import Echoes, clear_of_aps
from models.estimation.signals import pair_products
from models.observation import Estimate, Observation
from models.radio.geometry import rays

__all__ = ["ConsistencyTest", "Contradiction", "Verdict", "contradictions", "without"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
NEGLIGIBLE = 1e-9
"""Share of the strongest below which a direction holds no information."""


class Contradiction(NamedTuple):
    """How unlikely the echoes of each receiver are, if it is honest, shape (n_rx,); 1 where nothing can be said."""

    phase: Float
    """Probability that phases differ as much from what the others predict."""
    strength: Float
    """Probability that the strengths of targets do."""

    @property
    def probability(self) -> Float:
        """Probability that one of the two is as small, at most."""
        return np.minimum(1.0, 2.0 * np.minimum(self.phase, self.strength))


class Verdict(NamedTuple):
    """What became of a CPI whose receivers were tested."""

    estimate: Estimate
    observation: Observation
    """What the estimate rests on."""
    excluded: frozenset[int]
    """Receivers, by their place in it, that were left out."""
    agreeing: frozenset[int]
    """Those of the receivers that were left out from the beginning that agree with the others."""


@dataclass(frozen=True, kw_only=True)
class ConsistencyTest:
    """Leaves out receivers that contradict the others.

    Attributes
    ----------
    false_alarm_probability
        Of a CPI: that an honest receiver is left out although all are honest.
    agree_cpis
        CPIs in which a receiver that was left out has to agree until it is taken back.
    """

    false_alarm_probability: float = 1e-2
    agree_cpis: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.false_alarm_probability < 1.0:
            raise ValueError(f"false_alarm_probability is {self.false_alarm_probability!r}: give one in (0, 1)")
        if self.agree_cpis < 1:
            raise ValueError(f"agree_cpis is {self.agree_cpis!r}: give a whole number, 1 or more")

    def judge(
        self, observation: Observation, estimate: Callable[[Observation], Estimate], excluded: Set[int]
    ) -> Verdict:
        """Return the estimate of the receivers that agree, those that do not left out one by one, the worst first.

        At most (n_rx - 2) / 2 are left out. Where no target is resolved, each receiver is left out in turn: the one
        whose absence lets a target be resolved that it contradicts is the one that goes.
        """
        left_out, n_rx = set(excluded), len(observation.energy)
        while True:
            used = without(observation, left_out) if left_out else observation
            found = estimate(used)
            worst = None
            if len(left_out) < (n_rx - 2) // 2:
                worst = self._worst(used, found, left_out) if found.resolved.any() else self._odd_one(used, estimate)
            if worst is None:
                break
            left_out.add(worst)
        probability = contradictions(observation, found).probability
        told = set(excluded) if found.resolved.any() else set()
        agreeing = {r for r in told if probability[r] >= self._least(n_rx)}
        return Verdict(found, used, frozenset(left_out), frozenset(agreeing))

    def _least(self, n_rx: int) -> float:
        return self.false_alarm_probability / n_rx

    def _worst(self, observation: Observation, estimate: Estimate, left_out: Set[int]) -> int | None:
        probability = contradictions(observation, estimate).probability
        probability[list(left_out)] = 1.0
        worst = int(np.argmin(probability))
        return worst if probability[worst] < self._least(len(probability)) else None

    def _odd_one(self, observation: Observation, estimate: Callable[[Observation], Estimate]) -> int | None:
        """Return the receiver that contradicts what the others resolve without it, if there is one."""
        probability = np.ones(len(observation.energy))
        for r in np.flatnonzero(observation.n_samples > 0):
            probability[r] = contradictions(observation, estimate(without(observation, {int(r)}))).probability[r]
        worst = int(np.argmin(probability))
        return worst if probability[worst] < self._least(len(probability)) else None


class _Rows(NamedTuple):
    """Measurements of one receiver of unit information: y = G theta + noise of power one."""

    y: Float
    design: Float


def contradictions(observation: Observation, estimate: Estimate) -> Contradiction:
    """Return how each receiver contradicts the others about the targets that are resolved."""
    n_rx = len(observation.assignment.receivers)
    resolved = np.asarray(estimate.resolved, dtype=bool)
    if not resolved.any() or n_rx < 3:
        return Contradiction(np.ones(n_rx), np.ones(n_rx))
    rows = _measured(Echoes.of(observation), np.asarray(estimate.positions_m, dtype=float), resolved)
    phases, strengths = zip(*rows, strict=True)
    return Contradiction(_each_against_the_others(phases), _each_scale_against_the_others(strengths))


def without(observation: Observation, receivers: set[int]) -> Observation:
    """Return an observation in which some receivers, by their place in it, count as having said nothing."""
    silent = np.isin(np.arange(len(observation.energy)), list(receivers))
    return replace(
        observation,
        cross=np.where(silent[:, None, None, None], 0.0, observation.cross),
        gram=observation.gram * np.where(silent, 0.0, 1.0),
        energy=np.where(silent, 0.0, observation.energy),
        n_samples=np.where(silent, 0, observation.n_samples),
    )


def _measured(echoes: Echoes, points_m: Float, resolved: NDArray[np.bool_]) -> list[tuple[_Rows, _Rows]]:
    """Return the rows of each receiver about phases, and about strengths."""
    n_rx, n_targets = len(echoes.receivers), len(points_m)
    v, gram = pair_products(echoes, points_m[None], "free")
    n_free = v.shape[-1] // n_targets
    falling = _falling(echoes, points_m).reshape(-1, n_free, n_targets).swapaxes(1, 2)  # (groups, targets, free)
    pairs = [_whitened(v[0, g], gram[0, g], n_targets) for g in range(v.shape[1])]
    kappa = _structured(pairs, falling)
    found: list[list[tuple[_Rows, _Rows]]] = [[] for _ in range(n_rx)]
    for g, (pair, fall) in enumerate(zip(pairs, falling, strict=True)):
        found[g * n_rx // len(pairs)].append(_split(pair, fall, kappa, resolved))
    return [(_stack([p for p, _ in own]), _stack([s for _, s in own])) for own in found]


def _falling(echoes: Echoes, points_m: Float) -> Float:
    """Return 1 / (d_r d_t) of each pair and target, shape (n_rx, n_tx, n_targets)."""
    distance = rays(echoes.network, clear_of_aps(echoes.network, points_m)).distance_m
    return 1.0 / (distance[echoes.receivers][:, None] * distance[echoes.transmitters][None])


class _Pair(NamedTuple):
    """Whitened amplitudes of a group: z = root alpha + slope_x alpha dx + slope_y alpha dy + CN(0, I)."""

    z: Complex
    root: Complex
    """Shape (rank, n_targets n_free)."""
    slope: Complex
    """Shape (2, rank, n_targets n_free)."""


def _whitened(v: Complex, gram: Complex, n_targets: int) -> _Pair:
    n = v.shape[1]
    values, vectors = np.linalg.eigh(gram[0, :, 0])
    kept = values > NEGLIGIBLE * max(float(values.max(initial=0.0)), 1e-300)
    white = vectors[:, kept].conj().T / np.sqrt(values[kept])[:, None]
    slope = np.stack([white @ gram[0, :, axis].reshape(n, n) for axis in (1, 2)])
    return _Pair(white @ v[0], white @ gram[0, :, 0], slope)


def _structured(pairs: list[_Pair], falling: Float) -> Complex:
    """Return kappa of all targets that explains most, shape (n_targets,)."""
    n_targets = falling.shape[1]
    design = np.concatenate([pair.root @ _spread(fall) for pair, fall in zip(pairs, falling, strict=True)])
    kappa: Complex = np.linalg.lstsq(design, np.concatenate([pair.z for pair in pairs]), rcond=None)[0]
    return kappa.reshape(n_targets)


def _spread(fall: Float) -> Float:
    """Return the matrix from one value a target to one a target and free amplitude, with the fall of each."""
    n_targets, n_free = fall.shape
    return (fall[:, :, None] * np.eye(n_targets)[:, None, :]).reshape(n_targets * n_free, n_targets)


def _real(columns: Complex) -> Float:
    """Return complex rows as twice as many real ones with noise of power one."""
    return np.sqrt(2.0) * np.concatenate([columns.real, columns.imag])


def _split(pair: _Pair, fall: Float, kappa: Complex, resolved: NDArray[np.bool_]) -> tuple[_Rows, _Rows]:
    """Return what a group says of phases and positions, and what of the strengths, of targets that are resolved."""
    spread, which = _spread(fall), resolved.repeat(fall.shape[1])
    along = pair.root * np.exp(1j * np.angle(kappa)).repeat(fall.shape[1])
    others = pair.root[:, ~which]
    unknown = _real(np.concatenate([others, 1j * others], axis=1))
    turning = [1j * pair.root @ (spread * kappa), *(slope @ (spread * kappa) for slope in pair.slope)]
    phases = _rows(pair, np.concatenate([part[:, resolved] for part in turning], axis=1),
                   np.concatenate([unknown, _real(along[:, which])], axis=1))  # fmt: skip
    return phases, _rows(pair, (along @ spread)[:, resolved], unknown)


def _rows(pair: _Pair, design: Complex, nuisance: Float) -> _Rows:
    """Return what is left of the measurements when the directions of nuisances are taken away."""
    kept = _complement(nuisance).T
    return _Rows(kept @ _real(pair.z), kept @ _real(design))


def _complement(columns: Float) -> Float:
    """Return an orthonormal basis of what is orthogonal to some columns."""
    if not columns.shape[1]:
        return np.eye(len(columns))
    left, values, _ = np.linalg.svd(columns, full_matrices=True)
    rank = int(np.sum(values > NEGLIGIBLE * values.max(initial=0.0)))
    return left[:, rank:]


def _stack(rows: list[_Rows]) -> _Rows:
    return _Rows(np.concatenate([row.y for row in rows]), np.concatenate([row.design for row in rows]))


def _each_against_the_others(receivers: tuple[_Rows, ...]) -> Float:
    """Return the probability of the innovation of each receiver, given what the others say of the parameters."""
    normal = [rows.design.T @ rows.design for rows in receivers]
    right = [rows.design.T @ rows.y for rows in receivers]
    probability = np.ones(len(receivers))
    for r, (y, design) in enumerate(receivers):
        covariance = np.linalg.pinv(sum(normal) - normal[r], rcond=NEGLIGIBLE, hermitian=True)
        innovation = y - design @ covariance @ (sum(right) - right[r])
        spread = np.eye(len(y)) + design @ covariance @ design.T
        distance = innovation @ np.linalg.solve(spread, innovation)
        probability[r] = scipy.special.chdtrc(len(y), distance) if len(y) else 1.0
    return probability


def _each_scale_against_the_others(receivers: tuple[_Rows, ...]) -> Float:
    """Return the probability of the difference between each receiver's own parameters and those of the others."""
    normal = [rows.design.T @ rows.design for rows in receivers]
    right = [rows.design.T @ rows.y for rows in receivers]
    probability = np.ones(len(receivers))
    for r, (own, heard) in enumerate(zip(normal, right, strict=True)):
        both = own, sum(normal) - own
        own_inverse, others_inverse = (np.linalg.pinv(part, rcond=NEGLIGIBLE, hermitian=True) for part in both)
        difference = own_inverse @ heard - others_inverse @ (sum(right) - heard)
        weight = np.linalg.pinv(own_inverse + others_inverse, rcond=NEGLIGIBLE, hermitian=True)
        rank = int(np.linalg.matrix_rank(own, rtol=NEGLIGIBLE, hermitian=True))
        probability[r] = scipy.special.chdtrc(rank, difference @ weight @ difference) if rank else 1.0
    return probability
