"""The plain data that decisions read and write: the survey, the radio and the modes.

Indices into arrays of access points (APs) and user equipments (UEs) follow the order of ``Network.ap_names`` and
``Network.ue_names`` everywhere.
"""

import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray

from models.limits import MOST_CELLS
from models.readonly import taken

__all__ = ["Area", "Mode", "ModeAssignment", "Network", "Radio"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Index = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Area:
    """The rectangle [0, width_m] x [0, height_m] in which targets are looked for."""

    width_m: float
    height_m: float

    @property
    def side_m(self) -> float:
        """Side of a square of the same size."""
        return math.sqrt(self.width_m * self.height_m)

    def contains(self, points_m: Float, margin_m: float = 0.0) -> NDArray[np.bool_]:
        """Return which points, shape (n, 2), lie in the area or at most a margin outside of it."""
        return np.asarray(
            np.all((points_m >= -margin_m) & (points_m <= [self.width_m + margin_m, self.height_m + margin_m]), axis=1)
        )

    def grid(self, step_m: float) -> tuple[Float, Float]:
        """Return the x and y coordinates in m of the centres of square cells of about ``step_m``.

        Raises
        ------
        ValueError
            If there would be more than ``MOST_CELLS``.
        """
        if (cells := self.width_m / step_m * self.height_m / step_m) > MOST_CELLS:
            raise ValueError(
                f"a grid step of {step_m:g} m makes {cells:.2g} cells in the area; allowed: at most {MOST_CELLS:.0e} "
                "cells, so take a larger step"
            )
        n_x, n_y = (max(1, round(side / step_m)) for side in (self.width_m, self.height_m))
        return (np.arange(n_x) + 0.5) * self.width_m / n_x, (np.arange(n_y) + 0.5) * self.height_m / n_y


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """The survey: what the central processor knows of the network before any message; its arrays are read-only.

    Attributes
    ----------
    ap_names, ue_names
        Node names; they fix the order of every array.
    ap_positions_m
        Position of array element 0 of each AP, shape (n_aps, 2), in m.
    boresights_rad
        Direction in which each uniform linear array looks, counter-clockwise from +x, shape (n_aps,), in rad.
        The array axis is the boresight turned by +90 degrees; elements are half a wavelength apart.
    ue_positions_m
        Positions of the UEs, shape (n_ues, 2), in m.
    n_antennas
        Antennas N of each AP, or of the largest: what is indexed by antenna has so many entries, of which those of
        elements that an AP lacks are 0.
    carrier_hz
        Carrier frequency in Hz.
    relative_power
        Power budget of each AP as a multiple of ``Radio.transmit_power_w``, shape (n_aps,); left out: 1 for all.
    array_sizes
        Antennas of each AP where they differ, from 1 to ``n_antennas``, shape (n_aps,); None: all have ``n_antennas``.

    Raises
    ------
    ValueError
        If ``array_sizes`` are others.
    """

    ap_names: tuple[str, ...]
    ap_positions_m: Float
    boresights_rad: Float
    n_antennas: int
    carrier_hz: float
    ue_names: tuple[str, ...] = ()
    ue_positions_m: Float = field(default_factory=lambda: np.empty((0, 2)))
    relative_power: Float = field(default_factory=lambda: np.empty(0))
    array_sizes: Index | None = None

    def __post_init__(self) -> None:
        if self.array_sizes is not None:
            object.__setattr__(self, "array_sizes", self._checked_sizes(np.array(self.array_sizes)))
        if not len(self.relative_power):
            object.__setattr__(self, "relative_power", np.ones(self.n_aps))
        for name in ("ap_positions_m", "boresights_rad", "ue_positions_m", "relative_power"):
            object.__setattr__(self, name, taken(getattr(self, name)))

    def _checked_sizes(self, sizes: Index) -> Index | None:
        """Return the array sizes, None where all APs have as many antennas as the largest may have."""
        if sizes.shape != (self.n_aps,) or sizes.min() < 1 or sizes.max() > self.n_antennas:
            raise ValueError(f"array_sizes is {sizes}: give 1 to {self.n_antennas} for each of the {self.n_aps} APs")
        return None if sizes.min() == self.n_antennas else taken(sizes)

    @property
    def n_aps(self) -> int:
        """Number of APs."""
        return len(self.ap_names)

    @property
    def n_ues(self) -> int:
        """Number of UEs."""
        return len(self.ue_names)

    @property
    def wavelength_m(self) -> float:
        """Carrier wavelength in m."""
        return scipy.constants.speed_of_light / self.carrier_hz

    @property
    def wavenumber_rad_m(self) -> float:
        """Carrier wavenumber 2 pi / wavelength in rad/m."""
        return 2.0 * math.pi / self.wavelength_m

    @cached_property
    def array_axes(self) -> Float:
        """Unit vector along each array, from element 0 to element 1, shape (n_aps, 2)."""
        return np.stack([-np.sin(self.boresights_rad), np.cos(self.boresights_rad)], axis=-1)

    @cached_property
    def antennas(self) -> Index:
        """How many antennas each AP has, shape (n_aps,)."""
        return np.full(self.n_aps, self.n_antennas) if self.array_sizes is None else self.array_sizes

    @cached_property
    def centres(self) -> Float:
        """Middle of each array, in elements from element 0, shape (n_aps,)."""
        return np.asarray(0.5 * (self.antennas - 1), dtype=float)

    @property
    def antennas_of_all(self) -> int:
        """Antennas of every AP, for closed forms that take all arrays for equal.

        Raises
        ------
        ValueError
            If APs differ.
        """
        if self.array_sizes is not None:
            few, many = self.array_sizes.min(), self.array_sizes.max()
            raise ValueError(
                f"access points have {few} to {many} antennas: a closed form takes all arrays for equal; take the "
                "bound for any illumination"
            )
        return self.n_antennas

    def cut(self, responses: Complex, aps: Index | slice | int | np.intp = slice(None)) -> Complex:
        """Return responses of some APs, (n_aps, ..., N), or of one, (..., N), 0 for the elements that an AP lacks."""
        if self.array_sizes is None:
            return responses
        there = np.arange(self.n_antennas) < self.array_sizes[aps][..., None]
        return responses * there.reshape(*there.shape[:-1], *(1,) * (responses.ndim - there.ndim), -1)

    def cut_rows(self, matrices: Complex) -> Complex:
        """Return matrices of all APs, (n_aps, ..., N, n), with rows of 0 for the elements that an AP lacks."""
        return self.cut(matrices.swapaxes(-1, -2)).swapaxes(-1, -2)

    def by_size(self, aps: Index) -> Iterator[tuple[int, Index]]:
        """Yield each number of antennas that some APs have, with those that have it."""
        for size in np.unique(self.antennas[aps]).tolist():
            yield size, aps[self.antennas[aps] == size]

    def budgets_w(self, radio: "Radio") -> Float:
        """Return the power budget P of each AP in W, shape (n_aps,)."""
        return radio.transmit_power_w * self.relative_power

    def only(self, aps: Index) -> "Network":
        """Return the network of some APs, in this order, with all UEs."""
        return replace(
            self,
            ap_names=tuple(self.ap_names[i] for i in aps),
            ap_positions_m=self.ap_positions_m[aps],
            boresights_rad=self.boresights_rad[aps],
            relative_power=self.relative_power[aps],
            array_sizes=None if self.array_sizes is None else self.array_sizes[aps],
        )

    def indices(self, names: tuple[str, ...]) -> Index:
        """Return the indices of the APs of these names."""
        return np.array([self.ap_names.index(name) for name in names], dtype=np.intp)


@dataclass(frozen=True, kw_only=True)
class Radio:
    """What all nodes share of the air interface.

    Attributes
    ----------
    bandwidth_hz
        Signal bandwidth, one snapshot (symbol) lasts its inverse.
    noise_power_w
        Noise power of a complex sample, sigma^2, in W.
    transmit_power_w
        Power budget P of an AP in W; `Network.budgets_w` has that of each.
    comm_power_fraction
        Share rho of the budget that carries communication, in [0, 1].
    illumination
        "sensing": only the sensing waveform counts as illumination of the targets; "full": communication does too.
    n_snapshots
        Snapshots L of a slot.
    rician_k
        Rician factor of the AP-UE channels (a power ratio, not dB).
    """

    bandwidth_hz: float
    noise_power_w: float
    transmit_power_w: float
    comm_power_fraction: float
    illumination: str
    n_snapshots: int
    rician_k: float


class Mode(enum.Enum):
    """What a half-duplex AP does during a CPI."""

    TRANSMIT = "transmit"
    RECEIVE = "receive"
    IDLE = "idle"


@dataclass(frozen=True)
class ModeAssignment:
    """The mode of every AP, in the order of the network.

    >>> ModeAssignment.of(4, transmitters=[0, 2], receivers=[1]).modes[3]
    <Mode.IDLE: 'idle'>
    """

    modes: tuple[Mode, ...]

    @classmethod
    def of(cls, n_aps: int, transmitters: "Index | list[int]", receivers: "Index | list[int]") -> "ModeAssignment":
        """Return the assignment with these transmitters and receivers; other APs idle.

        Raises
        ------
        ValueError
            If an AP is to transmit and to receive, or an index is out of range.
        """
        sets = {Mode.TRANSMIT: {int(i) for i in transmitters}, Mode.RECEIVE: {int(i) for i in receivers}}
        both = sets[Mode.TRANSMIT] & sets[Mode.RECEIVE]
        if both:
            raise ValueError(f"half-duplex APs cannot transmit and receive: {sorted(both)} are in both sets")
        outside = {i for s in sets.values() for i in s if not 0 <= i < n_aps}
        if outside:
            raise ValueError(f"AP indices {sorted(outside)} are outside 0..{n_aps - 1}")
        modes = [Mode.IDLE] * n_aps
        for mode, members in sets.items():
            for i in members:
                modes[i] = mode
        return cls(tuple(modes))

    @property
    def transmitters(self) -> Index:
        """Indices of the transmitting APs, ascending."""
        return np.array([i for i, m in enumerate(self.modes) if m is Mode.TRANSMIT], dtype=np.intp)

    @property
    def receivers(self) -> Index:
        """Indices of the receiving APs, ascending."""
        return np.array([i for i, m in enumerate(self.modes) if m is Mode.RECEIVE], dtype=np.intp)
