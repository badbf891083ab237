"""What really was in a CPI: channels, places, and what was radiated. Only the media and scoring see it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.emission import Emission
from models.radio.arrays import padded
from models.radio.efficiency import sinr

__all__ = ["CpiTruth", "Emitted", "SlotEmissions"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

Emitted = list[tuple[int, tuple[Emission, Complex]]]
"""(AP index, (emission, its total)) in network order."""


class SlotEmissions(NamedTuple):
    """What scoring needs to know of the emissions in a slot; one entry an AP, in network order."""

    position: int
    """Of the slot within its CPI."""
    aps: tuple[int, ...]
    precoders: tuple[Complex | None, ...]
    """Shape (antennas of the AP, n_ues) each; None where an AP radiated the sensing part alone."""
    sensing_power_w: tuple[float, ...]
    """Nominal power of the sensing part, 0 without one."""
    phases_rad: tuple[float, ...]
    """By how much what is radiated is turned, by oscillators and whatever else; see ``Emission.phase_rad``."""


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
    ue_turn
        Factors by which the oscillators of the UEs turn what they receive, shape (n_slots, n_ues, 1); None where all
        are 1.
    antennas
        How many antennas each AP has, where they differ, shape (n_aps,); None: all have N.
    radiated
        The emissions, slot by slot.
    """

    channel: Complex
    places_m: Float
    reflection: Complex
    ue_noise: Complex
    ue_turn: Complex | None = None
    antennas: NDArray[np.intp] | None = None
    radiated: list[SlotEmissions] = field(default_factory=list)
    _stacked: dict[tuple[int, ...], Complex] = field(default_factory=dict, repr=False)

    def channel_from(self, aps: tuple[int, ...]) -> Complex:
        """Return the channels from some APs, shape (n_ues, n_tx x N)."""
        stacked = self._stacked.get(aps)
        if stacked is None:
            chosen = self.channel[list(aps)].transpose(1, 0, 2)
            stacked = self._stacked[aps] = chosen.reshape(chosen.shape[0], chosen.shape[1] * chosen.shape[2])
        return stacked

    def close(self) -> None:
        """Let go of what only slots on the air need: the CPI is over."""
        self.ue_noise, self._stacked = self.ue_noise[:, :0], {}

    def precoding(self) -> Complex:
        """Return the precoders of each slot, (n_slots, n_aps, N, n_ues), turned as the samples were; 0 if silent."""
        n_aps, n_ues, n_antennas = self.channel.shape
        used = np.zeros((len(self.places_m), n_aps, n_antennas, n_ues), dtype=complex)
        for slot in self.radiated:
            for ap, precoder, phase_rad in zip(slot.aps, slot.precoders, slot.phases_rad, strict=True):
                if precoder is not None:
                    own = used[slot.position, ap, : len(precoder)]
                    own[:] = precoder if phase_rad == 0.0 else precoder * np.exp(1j * phase_rad)
        return used

    def sensing_power_w(self) -> Float:
        """Return the nominal power of the sensing part in each slot, shape (n_slots, n_aps)."""
        power = np.zeros((len(self.places_m), self.channel.shape[0]))
        for slot in self.radiated:
            power[slot.position, list(slot.aps)] = slot.sensing_power_w
        return power

    def spectral_efficiency(self, noise_power_w: float) -> Float:
        """Return log2(1 + SINR) of every UE, eq. (7), averaged over the slots, in bit/s/Hz, shape (n_ues,).

        Slots with the same precoders, as a rule all of them, share one matrix of gains.
        """
        rate = np.zeros(self.channel.shape[1])
        alike: dict[tuple[Any, ...], list[SlotEmissions]] = {}
        for slot in self.radiated:
            alike.setdefault((slot.aps, tuple(map(id, slot.precoders))), []).append(slot)
        for slots in alike.values():
            channel, (_, aps, precoders, *_) = self.channel[list(slots[0].aps)], slots[0]
            silent = np.zeros(channel.shape[1:][::-1], dtype=complex)
            whole = [silent if p is None else padded(p, len(silent)) for p in precoders]
            precoding = np.array(whole).reshape(len(aps), *silent.shape)
            power_w = np.array([slot.sensing_power_w for slot in slots])
            phases_rad = np.array([slot.phases_rad for slot in slots])
            turned = phases_rad if phases_rad.any() else None
            antennas = None if self.antennas is None else self.antennas[list(aps)]
            rate += np.log2(1.0 + sinr(channel, precoding, power_w, noise_power_w, turned, antennas)).sum(axis=0)
        return rate / len(self.places_m)
