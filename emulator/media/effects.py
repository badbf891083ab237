"""What the air does to what is radiated: each effect is a field at the receivers, and the air adds them up.

An effect is given the slot, the truth of its CPI, what was radiated and who listens. It returns the field at the
antennas of the listeners, noise-free. What it keeps from slot to slot may only save time: an effect that is random
draws its numbers at an address (``services.generator``), so that a run can be taken up anywhere.

Not modelled here: receiver noise and oscillators, which belong to nodes; near-field curvature and the propagation delay
of the envelope (at 100 kHz a kilometre is a third of a symbol; the carrier phase of every path is exact).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emulator.media.truth import CpiTruth, Emitted
from emulator.pilots import direct_field
from emulator.services import Services
from emulator.slot import Slot
from models.radio.sensing import leg_response

__all__ = ["DirectPaths", "Effect", "TargetEchoes"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Effect(ABC):
    """Something in the air that turns what is radiated in a slot into a field at the receivers.

    An implementation is a keyword-only dataclass whose fields are its settings; random numbers and the calendar are
    those of ``services``, which it has from its start on. Where the APs really are says ``services.air.network``.
    """

    services: Services = field(init=False, repr=False)

    def start(self, services: Services) -> None:
        """Take what the emulation offers; called once, before the first slot."""
        self.services = services

    @abstractmethod
    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Return the field at some receivers in a slot.

        Parameters
        ----------
        slot
            The slot that ends.
        truth
            What is true of its CPI.
        emitted
            What each AP radiated, in network order, oscillator phases included.
        receivers
            Indices of the APs that listen, ascending.

        Returns
        -------
        ndarray or None
            Shape (n_rx, N, n_snapshots), antennas that a receiver lacks left out of it by the air; None where there is
            no field.
        """


@dataclass(kw_only=True, eq=False)
class TargetEchoes(Effect):
    """The echoes of the targets, eq. (2): bistatic, of point targets, from every transmitter to every receiver.

    Attributes
    ----------
    illumination
        "sensing": only the sensing waveform lights the targets up; "full": all that is radiated.
    """

    illumination: str
    _legs: tuple[bytes, Complex, dict[tuple[int, ...], Complex]] = field(
        default=(b"never", np.empty(0, dtype=complex), {}), init=False, repr=False
    )

    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Return the sum of the echoes; see ``Effect.field``."""
        places_m = truth.places_m[slot.position]
        incident = self._incident(places_m, emitted)
        if incident is None:
            return None
        back = self._back_legs(places_m, receivers)
        echoes = back @ (truth.reflection[:, None] * incident)
        return echoes.reshape(len(receivers), self.services.network.n_antennas, -1)

    def _incident(self, positions_m: Float, emitted: Emitted) -> Complex | None:
        """Return the field at the targets, shape (n_targets, n_snapshots); None where there is none."""
        legs, incident = self._leg_responses(positions_m), None
        for index, (emission, total) in emitted:
            samples = emission.sensing if self.illumination == "sensing" else total
            if samples is not None and len(positions_m):
                arriving = legs[index] @ samples
                incident = arriving if incident is None else incident + arriving
        return incident

    def _leg_responses(self, positions_m: Float) -> Complex:
        """Return a(u) e^{-jkd} / d of all APs and targets, shape (n_aps, n_targets, N); kept while targets rest."""
        key = positions_m.tobytes()
        if self._legs[0] != key:
            self._legs = (key, leg_response(self.services.air.network, positions_m), {})
        return self._legs[1]

    def _back_legs(self, positions_m: Float, receivers: tuple[int, ...]) -> Complex:
        """Return the legs to some receivers, shape (n_rx x N, n_targets)."""
        legs, kept = self._leg_responses(positions_m), self._legs[2]
        if receivers not in kept:
            kept[receivers] = legs[list(receivers)].transpose(0, 2, 1).reshape(-1, len(positions_m))
        return kept[receivers]


@dataclass(kw_only=True, eq=False)
class DirectPaths(Effect):
    """What APs hear of each other in the slots of pilots, along straight lines in free space.

    In all other slots the direct paths are taken for removed, as everything that does not come from a target.
    """

    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Return the sum of the direct paths from the APs that radiate; see ``Effect.field``."""
        if not (slot.is_pilot and emitted):
            return None
        network = self.services.air.network
        return np.asarray(sum(direct_field(network, index, total, receivers) for index, (_, total) in emitted))
