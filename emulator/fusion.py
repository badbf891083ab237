"""Statistics of reports as the central processor reads them, and how those of several CPIs add up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emulator.messages import EQUAL_STEPS, SINGLE, StatisticsReport
from models.radio.gram import Gram
from models.radio.statistics import Radiated

__all__ = ["Part", "read_statistics"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What reports on one CPI say, in the order of the receivers and transmitters of the CPI that they are fused in.

    Attributes
    ----------
    numbers
        Numbers of the reports that could be used.
    cross, gram, energy, n_samples, rounding
        Z, Q, E, samples and the error power of quantisation of a sample, of each receiver: see ``Observation``.
    """

    numbers: list[int]
    cross: Complex
    gram: Gram
    energy: Float
    n_samples: NDArray[np.int64]
    rounding: Float

    def __add__(self, other: "Part") -> "Part":
        """Return both: as if one CPI had held the snapshots of the two, for what is at rest and scatters alike."""
        n_samples = self.n_samples + other.n_samples
        error = self.rounding * self.n_samples + other.rounding * other.n_samples
        return Part(
            numbers=self.numbers + other.numbers,
            cross=self.cross + other.cross,
            gram=self.gram + other.gram,
            energy=self.energy + other.energy,
            n_samples=n_samples,
            rounding=error / np.maximum(n_samples, 1),
        )


def read_statistics(
    report: StatisticsReport, transmitters: Sequence[str], sent: Radiated, antennas: NDArray[np.intp]
) -> tuple[Complex, float, float]:
    """Return Z, (N_r, n_tx, N), and E as the link delivered them, and their error as error power of a sample.

    White noise of power p in the samples is noise of power p Q_nn in Z: the error of Z divided by what an antenna
    radiated, on average over those that were heard.

    Parameters
    ----------
    report
        The report; ``cross`` and ``energy`` as they were sent.
    transmitters
        In what order their parts of Z are wanted; others have none.
    sent
        What they radiated, in the same order.
    antennas
        How many antennas they have, N at most, shape (n_tx,).
    """
    z, energy, error = report.cross, report.energy, np.zeros(())
    if report.n_bits <= SINGLE:
        z, energy = z.astype(np.complex64).astype(complex), float(np.float32(energy))
    if report.n_bits < SINGLE:
        z, error = EQUAL_STEPS.quantised(z, report.n_bits, n_axes=3)
    if report.transmitters != tuple(transmitters):
        z = _in_order(z, report.transmitters, transmitters)
    there = np.arange(z.shape[-1]) < antennas[:, None]
    if not error:
        return np.where(there, z, 0.0), energy, 0.0
    radiated_w = np.array([np.vdot(x, x).real / len(x) for x in sent.within(report.positions).samples])
    heard = radiated_w > 0.0
    per_antenna = float(error) * float(np.sum(antennas[heard] / z.shape[-1])) / float(radiated_w.sum())
    return np.where(heard[:, None] & there, z, 0.0), energy, per_antenna


def _in_order(z: Complex, there: Sequence[str], wanted: Sequence[str]) -> Complex:
    """Return Z of the transmitters that are wanted; zero for those that are not there."""
    place = {name: t for t, name in enumerate(there)}
    cross = np.zeros((z.shape[0], len(wanted), z.shape[2]), dtype=complex)
    for t, name in enumerate(wanted):
        if name in place:
            cross[:, t] = z[:, place[name]]
    return cross
