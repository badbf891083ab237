"""The sufficient statistics Z, Q and E of a CPI, of samples in a row or of what was sent slot by slot.

A transmitter is heard in the slots in which it radiates, and nowhere else: Z_rt takes the samples of these alone. When
one AP senses at a time that is one slot of many.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.radio.gram import Gram

__all__ = ["Radiated", "cross_statistic", "energy_statistic", "gram_statistic"]

Complex = NDArray[np.complex128]
Slots = tuple[int, ...]


def cross_statistic(received: Complex, transmitted: Complex) -> Complex:
    """Return Z_rt = sum_l y_r[l] x_t[l]^H of one receiver, shape (N, n_tx, N).

    Parameters
    ----------
    received
        Samples of the receiver, shape (N, n_snapshots).
    transmitted
        Samples radiated by each transmitter, shape (n_tx, N, n_snapshots).
    """
    n_tx, n_antennas, n_snapshots = transmitted.shape
    stacked = transmitted.reshape(n_tx * n_antennas, n_snapshots)
    return (received @ stacked.conj().T).reshape(received.shape[0], n_tx, n_antennas)


def gram_statistic(transmitted: Complex) -> Complex:
    """Return Q_tt' = sum_l x_t[l] x_t'[l]^H, shape (n_tx, N, n_tx, N), of samples of shape (n_tx, N, n_snapshots)."""
    n_tx, n_antennas, n_snapshots = transmitted.shape
    stacked = transmitted.reshape(n_tx * n_antennas, n_snapshots)
    return (stacked @ stacked.conj().T).reshape(n_tx, n_antennas, n_tx, n_antennas)


def energy_statistic(received: Complex) -> float:
    """Return E_r = sum_l ||y_r[l]||^2 of samples of shape (N, n_snapshots)."""
    return float(np.vdot(received, received).real)


@dataclass(frozen=True, eq=False)
class Radiated:
    """What each transmitter radiated in a CPI, slot by slot.

    Attributes
    ----------
    slots
        Of each transmitter, the slots in which it radiated, ascending.
    samples
        Of each transmitter, shape (N, n_slots, n_snapshots) of those slots.
    """

    slots: tuple[Slots, ...]
    samples: tuple[Complex, ...]

    @property
    def overlapping(self) -> bool:
        """Whether any slot holds the signals of two transmitters."""
        counts = [slot for slots in self.slots for slot in slots]
        return len(set(counts)) < len(counts)

    def within(self, slots: Slots) -> "Radiated":
        """Return what was radiated in some slots."""
        wanted = set(slots)
        if all(wanted.issuperset(own) for own in self.slots):
            return self
        parts = [_part(own, samples, wanted) for own, samples in zip(self.slots, self.samples, strict=True)]
        return Radiated(tuple([own for own, _ in parts]), tuple([samples for _, samples in parts]))

    def cross(self, received: Complex, slots: Slots) -> Complex:
        """Return Z of receivers from their samples in some slots, which hold all that was radiated.

        Parameters
        ----------
        received
            Shape (n_rx, n_slots, N_r, n_snapshots), of receivers that may have fewer antennas than transmitters.
        slots
            The slots, in the order of the samples.

        Returns
        -------
        ndarray
            Shape (n_rx, N_r, n_tx, N).
        """
        n_rx, _, n_antennas, _ = received.shape
        n_sent = max(map(len, self.samples), default=n_antennas)
        cross = np.zeros((n_rx, n_antennas, len(self.slots), n_sent), dtype=complex)
        self.add_cross(cross, range(n_rx), received, slots)
        return cross

    def add_cross(self, cross: Complex, rows: Sequence[int], received: Complex, slots: Slots) -> None:
        """Add Z of some slots, see `cross`, to some rows of a larger one, to its first antennas."""
        place = {slot: i for i, slot in enumerate(slots)}
        heard = [t for t, own in enumerate(self.slots) if own]
        together = heard and not self.overlapping and self._even
        for some in [heard] if together else [[t] for t in heard]:
            places = [[place[slot] for slot in self.slots[t]] for t in some]
            y = received[:, places].transpose(1, 0, 3, 2, 4)  # (transmitter, receiver, N, slot, snapshot)
            n_tx, n_rx, n_antennas = y.shape[:3]
            x = np.array([self.samples[t] for t in some]).reshape(n_tx, cross.shape[-1], -1)
            product = y.reshape(n_tx, n_rx * n_antennas, -1) @ x.conj().swapaxes(1, 2)
            by_receiver = product.reshape(n_tx, n_rx, n_antennas, -1).transpose(1, 2, 0, 3)
            consecutive = some[-1] - some[0] == len(some) - 1  # as a rule, and then no copy is made
            if n_rx == len(cross) and consecutive:
                cross[:, :n_antennas, some[0] : some[-1] + 1] += by_receiver
            else:
                cross[np.ix_(rows, range(n_antennas), some)] += by_receiver

    @property
    def _even(self) -> bool:
        """Whether all transmitters that radiated did so in equally many slots."""
        return len({len(own) for own in self.slots if own}) <= 1

    def gram(self, slots: Slots) -> Gram:
        """Return Q of a receiver that contributed some slots, one for all: its first axis has length 1."""
        sent = self.within(slots)
        if not sent.overlapping:
            flat = [samples.reshape(len(samples), -1) for samples in sent.samples]
            if sent._even and all(sent.slots):
                together = np.array(flat)
                return Gram((together @ together.conj().swapaxes(1, 2))[None])
            return Gram(np.stack([x @ x.conj().T for x in flat])[None])
        place = {slot: i for i, slot in enumerate(slots)}
        n_antennas, _, n_snapshots = sent.samples[0].shape
        dense = np.zeros((len(sent.slots), n_antennas, len(slots), n_snapshots), dtype=complex)
        for whole, own, samples in zip(dense, sent.slots, sent.samples, strict=True):
            whole[:, [place[slot] for slot in own]] = samples
        return Gram(gram_statistic(dense.reshape(*dense.shape[:2], -1))[None])


def _part(own: Slots, samples: Complex, wanted: set[int]) -> tuple[Slots, Complex]:
    """Return those of a transmitter's slots that are wanted, with their samples, shape (N, slots, n_snapshots)."""
    kept = [i for i, slot in enumerate(own) if slot in wanted]
    if not kept:
        return (), samples[:, :0]
    return (own, samples) if len(kept) == len(own) else (tuple([own[i] for i in kept]), samples[:, kept])
