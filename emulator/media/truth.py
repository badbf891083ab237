"""What really was in a CPI: channels, places, and what was radiated. Only the media and scoring see it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emulator.emission import Emission

__all__ = ["CpiTruth", "Emitted"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

Emitted = list[tuple[int, tuple[Emission, Complex]]]
"""(AP index, (emission, its total)) in network order."""


@dataclass(kw_only=True, eq=False)
class CpiTruth:
    """What really was in one CPI; for scoring, and to work with while it is on the air.

    Attributes
    ----------
    channel
        AP-UE channels, shape (n_aps, n_ues, N).
    places_m
        Positions of the targets at the middle of each slot, shape (n_slots, n_targets, 2).
    reflection
        A_s e^{j phi_s} of each target in m^2, shape (n_targets,).
    ue_noise
        Noise samples of the UEs, shape (n_ues, n_samples).
    radiated
        (slot position, AP index, precoders or None, nominal power of the sensing part in W) of each emission.
    """

    channel: Complex
    places_m: Float
    reflection: Complex
    ue_noise: Complex
    radiated: list[tuple[int, int, Complex | None, float]] = field(default_factory=list)
    _stacked: dict[tuple[int, ...], Complex] = field(default_factory=dict, repr=False)

    def channel_from(self, aps: tuple[int, ...]) -> Complex:
        """Return the channels from some APs, shape (n_ues, n_tx x N)."""
        stacked = self._stacked.get(aps)
        if stacked is None:
            chosen = self.channel[list(aps)].transpose(1, 0, 2)
            stacked = self._stacked[aps] = chosen.reshape(chosen.shape[0], chosen.shape[1] * chosen.shape[2])
        return stacked

    def precoding(self) -> Complex:
        """Return the precoders used in each slot, (n_slots, n_aps, N, n_ues); zero where an AP was silent."""
        n_aps, n_ues, n_antennas = self.channel.shape
        used = np.zeros((len(self.places_m), n_aps, n_antennas, n_ues), dtype=complex)
        for position, index, precoding, _ in self.radiated:
            if precoding is not None:
                used[position, index] = precoding
        return used

    def sensing_power_w(self) -> Float:
        """Return the nominal power of the sensing part in each slot, shape (n_slots, n_aps)."""
        power = np.zeros((len(self.places_m), self.channel.shape[0]))
        for position, index, _, power_w in self.radiated:
            power[position, index] = power_w
        return power
