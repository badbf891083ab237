"""Calibrations to compare others with: one that measures nothing, one that knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.calibration.base import Corrections, Measurements, PhaseCalibration, PilotSlot
from models.network import Network

__all__ = ["Genie", "NoCalibration"]


@dataclass(frozen=True, kw_only=True)
class NoCalibration(PhaseCalibration):
    """Nothing is measured, what was believed stays, and nobody is covered."""

    def transmissions(self, network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
        """Return no slot."""
        return ()

    def solve(self, measurements: Measurements) -> Corrections:
        """Return what is believed."""
        beliefs = measurements.beliefs_rad
        nothing = np.zeros((beliefs.size, beliefs.size))
        return Corrections.of(beliefs, beliefs, nothing, np.zeros(beliefs.shape, dtype=bool))


@dataclass(frozen=True, kw_only=True)
class Genie(PhaseCalibration):
    """The true phases, without a pilot and without an error."""

    needs_truth: ClassVar[bool] = True

    def transmissions(self, network: Network, aps: Sequence[int]) -> tuple[PilotSlot, ...]:
        """Return no slot."""
        return ()

    def solve(self, measurements: Measurements) -> Corrections:
        """Return the truth.

        Raises
        ------
        ValueError
            If the measurements do not hold it.
        """
        truth = measurements.truth_rad
        if truth is None:
            raise ValueError("Genie needs the true phases: give measurements with truth_rad, shape (2, n_aps)")
        exact = np.zeros((truth.size, truth.size))
        return Corrections.of(np.zeros(truth.shape), truth, exact, np.ones(truth.shape, dtype=bool))
