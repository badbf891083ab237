r"""Targets and the phases of the access points, fitted together: what is left of a phase after calibration.

AP m turns what it sends or hears by psi_m, so the echo of pair (r, t) by psi_r + psi_t: for all targets alike, and
strong ones tell the phases for weak ones. What is known before is psi ~ N(0, R R^T), so psi = R u with u ~ N(0, I), and
the power that targets at given positions explain is

    max over kappa, u of  2 Re <m, y> - <m, m> - |u|^2 / 2,     m = sum_rt e^{j(psi_r + psi_t)} sum_s kappa_s b_rts,

a log-likelihood like the power where phases are known. The share of a true target that it misses is therefore what
noise alone would leave, and differences between lobes are still logarithms of odds. Positions are refined with
kappa and u eliminated, so that the information is that of the hybrid bound. R of zeros changes nothing.

Not modelled: phases that change within a CPI, and phases other than those of isotropic targets.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.signals import Echoes, pair_products
from models.radio.gram import Gram

__all__ = [
    "Phases",
    "Profile",
    "Told",
    "channel_turned",
    "coherent_share",
    "phases_told",
    "profile",
    "turned",
    "uncertain",
]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
LOADING = 1e-11  # of the diagonal
N_STEPS, LEAST_GAIN = 12, 1e-9  # of fitting the phases at given positions, and the power that a step must promise
CAUTION = 3.0  # times the mean loss of power to errors of the phases that a lobe is allowed for before they are fitted


class Phases(NamedTuple):
    """What is known of the phases: psi = mean + R u, receivers first, then transmitters."""

    mean_rad: Float  # (n_rx + n_tx,)
    root: Float  # R in rad, (n_rx + n_tx, k)


class Told(NamedTuple):
    """What targets tell of the phases, and how strong they are."""

    phases: Phases
    amplitudes: Complex  # kappa, (1, n_targets, 1)


class Profile(NamedTuple):
    """A batch of fits with the phases at their best; the first four as in ``mixture.Fit``."""

    power: Float
    gradient: Float
    information: Float
    amplitudes: Complex
    phase_rad: Float
    """psi, shape (batch, n_rx + n_tx)."""
    penalty: Float
    """|u|^2 / 2, by which the power is less than what is explained, shape (batch,)."""
    joint: Float
    """Fisher matrix of positions, kappa and u, shape (batch, 4 S + k, 4 S + k)."""


def uncertain(echoes: Echoes, covariance_rad2: Float | None) -> Echoes:
    """Return echoes of APs whose phases are known so well, (n_aps, n_aps); all alike if that is exactly."""
    if covariance_rad2 is None:
        return echoes
    aps = np.concatenate([echoes.receivers, echoes.transmitters])
    values, vectors = np.linalg.eigh(covariance_rad2[np.ix_(aps, aps)])
    kept = values > LOADING * values.max(initial=0.0)
    return replace(echoes, phase_root=vectors[:, kept] * np.sqrt(values[kept])) if kept.any() else echoes


def coherent_share(echoes: Echoes) -> float:
    """Return the share of the power of a target that is at least left as long as the phases are not fitted."""
    if echoes.phase_root is None:
        return 1.0
    n_rx = len(echoes.receivers)
    variance = sum(np.var(side, axis=0).sum() for side in (echoes.phase_root[:n_rx], echoes.phase_root[n_rx:]))
    return float(np.exp(-CAUTION * variance))


def turned(echoes: Echoes, mean_rad: Float, root: Float | None = None) -> Echoes:
    """Return the echoes as they would be without such phases, what is left of these being psi = R u, or nothing."""
    back, towards = _phasors(echoes, mean_rad)
    gram = echoes.gram
    if gram.overlapping:
        gram = Gram(gram.values * towards[:, None, None, None] * towards.conj()[:, None])
    cross = echoes.cross * (back[:, None] * towards)[:, None, :, None].conj()
    return replace(echoes, cross=cross, gram=gram, phase_root=root)


def channel_turned(echoes: Echoes, channel: Complex, phase_rad: Float) -> Complex:
    """Return the channel of targets, (n_rx, N, n_tx, N), with the phases of the APs."""
    back, towards = _phasors(echoes, phase_rad)
    return channel * (back[:, None] * towards)[:, None, :, None]


def _phasors(echoes: Echoes, phase_rad: Float) -> tuple[Complex, Complex]:
    phasor = np.exp(1j * phase_rad)
    return phasor[: len(echoes.receivers)], phasor[len(echoes.receivers) :]


def phases_told(echoes: Echoes, points_m: Float) -> Told:
    """Return what targets at points, (n_targets, 2), that are known roughly tell of the phases."""
    assert echoes.phase_root is not None
    found = profile(echoes, points_m[None])
    n = echoes.phase_root.shape[1]
    factor = np.linalg.cholesky(_eliminated(found.joint[0], slice(-n, None)))
    phases = Phases(found.phase_rad[0], np.linalg.solve(factor, echoes.phase_root.T).T)
    return Told(phases, found.amplitudes[0])


def profile(echoes: Echoes, points_m: Float) -> Profile:
    """Return the fit of structured targets at points, (batch, n_targets, 2), the phases at their best."""
    system = _System.of(echoes, points_m)
    u = system.climbed()
    kappa, power = system.best(u)
    gradient, joint = system.linearised(u, kappa)
    n = 2 * points_m.shape[1]
    return Profile(
        power=power,
        gradient=gradient[:, :n],
        information=np.stack([_eliminated(matrix, slice(0, n)) for matrix in joint]),
        amplitudes=kappa[:, None, :, None],
        phase_rad=u @ system.root.T,
        penalty=0.5 * np.sum(u**2, axis=1),
        joint=joint,
    )


def _eliminated(joint: Float, kept: slice) -> Float:
    """Return the information on some unknowns, the others eliminated."""
    mine = np.zeros(len(joint), dtype=bool)
    mine[kept] = True
    others = joint[np.ix_(~mine, ~mine)]
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(others), 1e-300))
    scaled = others * scale[:, None] * scale + LOADING * np.eye(len(others))
    across = joint[np.ix_(~mine, mine)] * scale[:, None]
    return np.asarray(joint[np.ix_(mine, mine)] - across.T @ np.linalg.solve(scaled, across))


class _System(NamedTuple):
    """Inner products of the echoes of pairs of APs, in groups that have nothing in common.

    Where signals overlap, a group is a receiver, and n counts targets and transmitters; else it is a pair, and n counts
    targets. The phases of a group are q, one or one for each transmitter.
    """

    v: Complex  # (batch, g, 3, n)
    gram: Complex  # (batch, g, 3, n, 3, n)
    root: Float  # R
    n_rx: int
    n_targets: int

    @classmethod
    def of(cls, echoes: Echoes, points_m: Float) -> "_System":
        """Return the system of targets at points."""
        assert echoes.phase_root is not None
        v, gram = pair_products(echoes, points_m, "structured")
        return cls(v, gram, echoes.phase_root, len(echoes.receivers), points_m.shape[1])

    @property
    def n_phases(self) -> int:
        """Phases q of a group."""
        return self.v.shape[-1] // self.n_targets

    def phasor(self, u: Float) -> Complex:
        """Return e^{j(psi_r + psi_t)}, (batch, g, n)."""
        phase = u @ self.root.T
        pairs = phase[:, : self.n_rx, None] + phase[:, None, self.n_rx :]
        return np.tile(np.exp(1j * pairs).reshape(len(u), -1, self.n_phases), self.n_targets)

    def best(self, u: Float) -> tuple[Complex, Float]:
        """Return kappa, (batch, n_targets), and the power for given phases."""
        phasor, n, q = self.phasor(u), self.n_targets, self.n_phases
        v = (phasor.conj() * self.v[:, :, 0]).reshape(*phasor.shape[:2], n, q).sum(axis=(1, 3))
        gram = phasor.conj()[..., None] * self.gram[:, :, 0, :, 0] * phasor[:, :, None]
        gram = gram.reshape(*phasor.shape[:2], n, q, n, q).sum(axis=(1, 3, 5))
        loading = LOADING * np.einsum("bss->b", gram).real + 1e-300
        kappa = np.linalg.solve(gram + loading[:, None, None] * np.eye(n), v[..., None])[..., 0]
        return kappa, np.sum(v.conj() * kappa, axis=1).real - 0.5 * np.sum(u**2, axis=1)

    def climbed(self) -> Float:
        """Return u at the highest power: Gauss-Newton steps from zero, shortened where the power falls."""
        u = np.zeros((len(self.v), self.root.shape[1]))
        kappa, power = self.best(u)
        length, first = np.ones(len(u)), 2 * self.n_targets
        for _ in range(N_STEPS):
            gradient, information = self.linearised(u, kappa, moved=False)
            step = np.linalg.solve(information, gradient[..., None])[:, first:, 0]
            if np.all(np.sum(step * gradient[:, first:], axis=1) < LEAST_GAIN):
                break
            trial = u + length[:, None] * step
            other, reached = self.best(trial)
            better = reached > power
            u, kappa = np.where(better[:, None], trial, u), np.where(better[:, None], other, kappa)
            power, length = np.where(better, reached, power), np.where(better, 1.0, 0.25 * length)
        return u

    def linearised(self, u: Float, kappa: Complex, moved: bool = True) -> tuple[Float, Float]:
        """Return gradient and Fisher matrix of the positions, if ``moved``, kappa and u."""
        slope, square = self._of_groups(u, kappa, 3 if moved else 1)
        own, k = slope.shape[-1] - self.n_phases, u.shape[1]
        pull = self._of_aps(slope[..., own:, None])[:, 0] @ self.root
        mixed = self._of_aps(square[..., :own, own:].swapaxes(-1, -2)) @ self.root
        gradient = np.concatenate([slope[..., :own].sum(axis=1), pull - u], -1)
        information = np.empty((len(u), own + k, own + k))
        information[:, :own, :own] = square[..., :own, :own].sum(axis=1)
        information[:, :own, own:], information[:, own:, :own] = mixed, mixed.swapaxes(1, 2)
        information[:, own:, own:] = self.root.T @ self._between_aps(square[..., own:, own:]) @ self.root + np.eye(k)
        diagonal = np.einsum("bii->bi", information)
        return gradient, information + (LOADING * diagonal + 1e-300)[..., None] * np.eye(own + k)

    def _of_groups(self, u: Float, kappa: Complex, jets: int) -> tuple[Float, Float]:
        """Return gradient and Fisher matrix of each group: positions, kappa, and the phases of the group."""
        mean, phasor, (n, q) = self._mean(u, kappa), self.phasor(u), (self.n_targets, self.n_phases)
        target, phase = np.repeat(np.eye(n), q, axis=0), np.tile(np.eye(q), (n, 1))
        n_moved, size = (jets - 1) * n, jets * n * q
        columns = np.zeros((*mean.shape[:2], jets, n * q, n_moved + 2 * n + q), dtype=complex)
        for axis in range(1, jets):
            columns[:, :, axis, :, axis - 1 : n_moved : 2] = mean[..., None] * target
        kappas = phasor[..., None] * target
        columns[:, :, 0, :, n_moved:] = np.concatenate([kappas, 1j * kappas, 1j * mean[..., None] * phase], axis=-1)
        columns = columns.reshape(*mean.shape[:2], size, -1)
        gram = self.gram[:, :, :jets, :, :jets].reshape(*mean.shape[:2], size, size)
        left = self.v[:, :, :jets].reshape(*mean.shape[:2], size, 1) - gram[..., : n * q] @ mean[..., None]
        adjoint = columns.conj().swapaxes(-1, -2)
        return 2.0 * (adjoint @ left)[..., 0].real, 2.0 * (adjoint @ (gram @ columns)).real

    def _mean(self, u: Float, kappa: Complex) -> Complex:
        """Return the amplitudes kappa e^{j(psi_r + psi_t)} of all pairs, (batch, g, n)."""
        return self.phasor(u) * np.repeat(kappa, self.n_phases, axis=1)[:, None]

    def _of_aps(self, groups: Float) -> Float:
        """Return the sums of something of the phases of groups, (batch, g, q, ...), of each AP: (batch, ..., n_aps)."""
        pairs = groups.reshape(len(groups), self.n_rx, -1, *groups.shape[3:])
        by_ap = np.concatenate([pairs.sum(axis=2), pairs.sum(axis=1)], axis=1)
        return np.moveaxis(by_ap, 1, -1)

    def _between_aps(self, groups: Float) -> Float:
        """Return the Fisher matrix of the phases of the APs from those of the groups, (batch, g, q, q)."""
        batch, n_rx, q = len(groups), self.n_rx, self.n_phases
        n_tx = groups.shape[1] * q // n_rx
        by_receiver = groups if q > 1 else groups.reshape(batch, n_rx, n_tx, 1) * np.eye(n_tx)
        across = by_receiver.sum(axis=3)
        information = np.zeros((batch, n_rx + n_tx, n_rx + n_tx))
        information[:, :n_rx, :n_rx] = across.sum(axis=2)[..., None] * np.eye(n_rx)
        information[:, :n_rx, n_rx:], information[:, n_rx:, :n_rx] = across, across.swapaxes(1, 2)
        information[:, n_rx:, n_rx:] = by_receiver.sum(axis=1)
        return information
