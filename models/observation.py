"""What an estimator is given (sufficient statistics of a CPI, or a map made of them) and what it returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.network import Area, ModeAssignment, Network
from models.radio.gram import Gram
from models.readonly import sealed

__all__ = ["REASONS", "AreaMap", "Estimate", "Observation"]

REASONS = {
    "weak": "the echo is too weak to tell one lobe of the carrier phase from the next",
    "ambiguous": "several lobes, or a mirror image, explain the echoes as well",
    "moving": "the phase turns from slot to slot, as it does when a target moves",
    "misfit": "no lobe explains the echoes: several targets, scattering that is not isotropic, or phase errors",
    "limited": "the search stopped at its limit of operations",
    "map": "a map of the area holds no phase of the carrier",
}
"""Why a target is not resolved."""

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
ROUNDING = 1e-9  # of a covariance, relative to its largest entry


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """Sufficient statistics of the echoes of one CPI, with what is needed to read them.

    With y_r[l] the N samples of receiver r and x_t[l] the N samples radiated by transmitter t in snapshot l, summed
    over the snapshots that receiver r contributed,

        Z_rt = sum_l y_r[l] x_t[l]^H,   Q_r,tt' = sum_l x_t[l] x_t'[l]^H,   E_r = sum_l ||y_r[l]||^2.

    Attributes
    ----------
    network, area, assignment
        The survey, where targets are looked for, and who transmitted and received. Receivers and transmitters are
        in the order of ``assignment.receivers`` and ``assignment.transmitters``.
    cross
        Z in W, shape (n_rx, N, n_tx, N).
    gram
        Q in W: one for all receivers when no report is missing, in blocks where no two transmitters radiate at a time.
    energy
        E in W, shape (n_rx,).
    n_samples
        Complex samples that each receiver contributed (antennas times snapshots), shape (n_rx,).
    noise_power_w
        Thermal noise power sigma^2 of a complex sample.
    quantisation_power_w
        Error power that the links' quantisation adds to a sample of each receiver, shape (n_rx,); None: none.
    sensed_s
        When each transmitter sensed, on average, from the middle of the CPI, shape (n_tx,); None: not known.
    phase_covariance_rad2
        How well the phases of the APs are known: covariance of what is left of them after calibration, of each AP in
        the role that it has in this CPI, shape (n_aps, n_aps), in rad^2; None: they are exact. A part that all
        transmitters, or all receivers, have in common does no harm.

    Raises
    ------
    ValueError
        If ``phase_covariance_rad2`` is no covariance of all APs.
    """

    network: Network
    area: Area
    assignment: ModeAssignment
    cross: Complex
    gram: Gram
    energy: Float
    n_samples: NDArray[np.int64]
    noise_power_w: float
    quantisation_power_w: Float | None = None
    sensed_s: Float | None = None
    phase_covariance_rad2: Float | None = None

    def __post_init__(self) -> None:
        """Check the covariance of the phases."""
        if self.phase_covariance_rad2 is not None:
            checked = _covariance(self.phase_covariance_rad2, self.network.n_aps)
            object.__setattr__(self, "phase_covariance_rad2", checked)

    @property
    def distortion(self) -> float:
        """Error power of quantisation over the power of the samples, at the worst receiver."""
        if self.quantisation_power_w is None:
            return 0.0
        samples = self.energy / np.maximum(self.n_samples, 1)
        return float(np.max(self.quantisation_power_w / np.maximum(samples, self.noise_power_w), initial=0.0))

    @property
    def noise_levels(self) -> Float:
        """What counts as noise of each receiver, over the thermal noise, shape (n_rx,), at least 1.

        The error of quantisation is as white as what is quantised: thermal noise makes it different at each antenna,
        while the echoes of a target alone come with one error at all N, in the target's direction and in others. It
        counts N times where the samples hold signal alone.
        """
        if self.quantisation_power_w is None:
            return np.ones(len(self.energy))
        noise = self.noise_power_w * np.maximum(self.n_samples, 1)
        signal = np.clip(1.0 - noise / np.maximum(self.energy, noise), 0.0, 1.0)
        alike = 1.0 + (self.network.antennas[self.assignment.receivers] - 1) * signal
        return np.asarray(1.0 + alike * self.quantisation_power_w / self.noise_power_w)


def _covariance(values: ArrayLike, n_aps: int) -> Float:
    """Return a read-only copy of a covariance of the phases of all APs, or say what is wrong with it."""
    covariance = np.array(values, dtype=float)
    if covariance.shape != (n_aps, n_aps):
        raise ValueError(
            f"phase_covariance_rad2 has shape {covariance.shape}: give ({n_aps}, {n_aps}), or np.diag of the variances"
        )
    sizes = np.abs(covariance)
    scale = sizes.max(initial=0.0)
    if not (np.isfinite(scale) and np.abs(covariance - covariance.T).max(initial=0.0) <= ROUNDING * scale):
        raise ValueError("phase_covariance_rad2 is not a covariance: give a symmetric matrix of finite numbers")
    if (2.0 * covariance.diagonal() >= sizes.sum(axis=1)).all():  # Gershgorin: no eigenvalue is negative
        return sealed(covariance)
    least = np.linalg.eigvalsh(covariance).min(initial=0.0)
    if least < -ROUNDING * scale:
        raise ValueError(f"phase_covariance_rad2 has an eigenvalue of {least:g} rad^2: no variance can be negative")
    return sealed(covariance)


@dataclass(frozen=True, kw_only=True, eq=False)
class AreaMap:
    """What some receivers say together of each place in a CPI: the sum of their non-coherent maps.

    Attributes
    ----------
    network, area, assignment
        As of an ``Observation``.
    power
        What a target would explain at the points of ``area.grid(step_m)``, over the noise power, (17)-(18), shape
        (n_y, n_x).
    step_m
        About how far apart the points are.
    n_pairs
        Pairs of APs whose echoes are in it: noise alone makes a Gamma variable of this shape at each point.
    gram
        Q of each receiver in W, zero of those whose maps are not in it.
    noise_power_w
        Thermal noise power of a complex sample.
    rounding
        By how much the power may be wrong at a point, as it was rounded on its way.
    """

    network: Network
    area: Area
    assignment: ModeAssignment
    power: Float
    step_m: float
    n_pairs: int
    gram: Gram
    noise_power_w: float
    rounding: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Positions of the targets found, strongest first.

    Attributes
    ----------
    positions_m
        Shape (n_found, 2), in m. Of a target that is not resolved: the position of the most likely lobe where
        one explains its echoes and all were compared, else the non-coherent one.
    covariance_m2
        Error covariance of each position, shape (n_found, 2, 2), in m^2; None if the estimator gives none.
    amplitudes
        Structured complex amplitude kappa of each target, shape (n_found,); None if the estimator gives none.
    resolved
        True where a carrier-phase lobe was decided for, shape (n_found,).
    reasons
        Why a target is not resolved, one of `REASONS`, or None; a tuple of n_found, empty if the estimator tells none.
    limited
        Whether the search stopped at its limit of operations: with a higher one more might be found or resolved.
    phases_rad, phase_covariance_rad2
        What is left of the phase of each AP, as far as the echoes tell, shape (n_aps,), and the error covariance of
        that, shape (n_aps, n_aps), in rad^2; None if the estimator gives none. Without targets: what was known before.
    """

    positions_m: Float
    resolved: NDArray[np.bool_]
    covariance_m2: Float | None = None
    amplitudes: Complex | None = None
    reasons: tuple[str | None, ...] = ()
    limited: bool = False
    phases_rad: Float | None = None
    phase_covariance_rad2: Float | None = None

    @classmethod
    def at(cls, positions_m: "Float | list[tuple[float, float]]") -> "Estimate":
        """Return the estimate of resolved targets at these positions, without covariance."""
        positions = np.asarray(positions_m, dtype=float).reshape(-1, 2)
        return cls(positions_m=positions, resolved=np.ones(len(positions), dtype=bool))
