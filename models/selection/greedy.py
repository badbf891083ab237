"""Transmitters for spectral efficiency beyond the paper: on (7) itself, and on a closed form of it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.network import ModeAssignment
from models.radio.channel import AccessChannel
from models.radio.efficiency import LargeScaleEfficiency
from models.radio.geometry import rays
from models.radio.transmission import precoding_matrix
from models.selection.base import ModeSelector
from models.selection.search import Members, Objective, assign_transmitters, candidates, exchange, grow
from models.view import View

__all__ = ["GreedySpectralEfficiency", "GreedySurrogate", "SampledEfficiency", "large_scale_efficiency"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

MOST_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledEfficiency:
    """The sum spectral efficiency of (7), averaged over channel draws and slots, for any set of transmitters.

    A precoder depends on the AP's own channels alone, so what an AP contributes to the UEs is worked out once.

    Attributes
    ----------
    gain
        h_tk^T v_ti of each draw, shape (n_aps, n_draws, n_ues, n_ues), in sqrt(W).
    sensing
        (1/N) (1 - rho) P ||h_tk||^2, shape (n_aps, n_draws, n_ues), in W.
    noise_power_w
        sigma^2 of a sample.
    """

    gain: Complex
    sensing: Float
    noise_power_w: float

    @classmethod
    def of(cls, view: View, channels: Complex) -> "SampledEfficiency":
        """Return the efficiency under these channels, shape (n_draws, n_aps, n_ues, N)."""
        radio, h = view.radio, channels.swapaxes(0, 1)
        budget = view.network.budgets_w(radio)[:, None]
        left = (1.0 - radio.comm_power_fraction) * budget[..., None]
        share = (h.shape[-1] / view.network.antennas)[:, None, None]  # the mean is over the elements that are there
        return cls(
            gain=h @ precoding_matrix(h, budget, radio.comm_power_fraction),
            sensing=left * (np.abs(h) ** 2).mean(axis=-1) * share,
            noise_power_w=radio.noise_power_w,
        )

    @classmethod
    def draw(
        cls, view: View, rng: np.random.Generator, n_draws: int, angular_std_rad: float | None
    ) -> "SampledEfficiency":
        """Return the efficiency under ``n_draws`` draws of the channel's law, without echoes of targets."""
        network = view.network
        channel = AccessChannel.from_gain(
            network, path_gain=view.path_gain, rician_k=view.radio.rician_k, angular_std_rad=angular_std_rad
        )
        shape = (n_draws, network.n_ues, network.n_aps, network.n_antennas)
        scattered = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)
        phase = rng.uniform(-np.pi, np.pi, shape[:2])
        nothing = np.empty(0)
        draws = zip(scattered, phase, strict=True)
        return cls.of(view, np.stack([channel.realize(*draw, nothing, nothing, nothing) for draw in draws]))

    def sum_spectral_efficiency(self, members: Members) -> Float:
        """Return the value of sets of transmitters in bit/s/Hz; ``members`` (n_sets, n_aps), result (n_sets,)."""
        n_sets, n_aps = members.shape
        received = np.abs(members.astype(float) @ self.gain.reshape(n_aps, -1)) ** 2
        received = received.reshape(n_sets, *self.gain.shape[1:])
        wanted = np.diagonal(received, axis1=-2, axis2=-1)
        own = np.eye(received.shape[-1], dtype=bool)
        disturbance = (received * ~own).sum(axis=-1) + self.noise_power_w
        total = np.zeros(n_sets)
        for ap in np.flatnonzero(members.any(axis=0)):
            sensed = members[:, ap]
            slot = np.log2(1.0 + wanted[sensed] / (disturbance[sensed] + self.sensing[ap]))
            total[sensed] += slot.mean(axis=1).sum(axis=-1)
        return total / np.maximum(members.sum(axis=-1), 1)


def large_scale_efficiency(view: View) -> LargeScaleEfficiency:
    """Return the closed form of (7) for the network and radio of a view."""
    network, radio = view.network, view.radio
    return LargeScaleEfficiency.of(
        path_gain=view.path_gain,
        sine=rays(network, network.ue_positions_m).sine,
        n_antennas=network.antennas,
        rician_k=radio.rician_k,
        transmit_power_w=network.budgets_w(radio),
        comm_power_fraction=radio.comm_power_fraction,
        noise_power_w=radio.noise_power_w,
    )


def _select(view: View, objective: Objective, improve: bool) -> ModeAssignment:
    """Return the assignment whose transmitters were grown on the objective and, if asked for, improved by swaps."""
    pool = candidates(view)
    chosen = grow(objective, view.network.n_aps, pool, len(pool) - view.n_receivers)
    if improve:
        chosen = exchange(objective, chosen, pool)
    return assign_transmitters(view, pool, np.flatnonzero(chosen))


@dataclass(frozen=True, kw_only=True)
class GreedySpectralEfficiency(ModeSelector):
    """Transmitters grown one by one, then swapped, on the spectral efficiency of (7); all others receive.

    Attributes
    ----------
    n_draws
        Channel draws over which (7) is averaged, from 1 to 10000.
    improve
        Whether to swap transmitters for receivers as long as that gains.
    angular_std_rad
        Local scattering taken for granted in the draws (the survey does not tell); None: uncorrelated antennas.

    Raises
    ------
    ValueError
        If ``n_draws`` is out of range.
    """

    n_draws: int = 8
    improve: bool = True
    angular_std_rad: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n_draws <= MOST_DRAWS:
            raise ValueError(f"n_draws is {self.n_draws}: give a whole number from 1 to {MOST_DRAWS}")
        if self.angular_std_rad is not None and not 0.0 <= self.angular_std_rad <= math.pi:
            raise ValueError(f"angular_std_rad is {self.angular_std_rad}: give a number from 0 to pi, in rad")

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; the channel draws come from ``rng``, one block a call."""
        sampled = SampledEfficiency.draw(view, rng, self.n_draws, self.angular_std_rad)
        return _select(view, sampled.sum_spectral_efficiency, self.improve)


@dataclass(frozen=True, kw_only=True)
class GreedySurrogate(ModeSelector):
    """Transmitters grown one by one, then swapped, on the closed form `LargeScaleEfficiency`; all others receive.

    It needs path gains and directions only: no draws, no fading, the same answer every time.

    Attributes
    ----------
    improve
        Whether to swap transmitters for receivers as long as that gains.
    """

    improve: bool = True

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used."""
        return _select(view, large_scale_efficiency(view).sum_spectral_efficiency, self.improve)
