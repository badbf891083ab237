"""Receivers chosen for what they promise: sensing coverage by the closed-form position error bound.

The bound of a split into transmitters and receivers depends on the sums of six moments an AP over either side, so that
a set that differs by one AP from others looked at with it costs one addition, whatever the size of the network. Where
powers differ, what an AP is worth as a transmitter is so many times its moments, and the sums over either side are two.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from models.bounds.closed_form import information_gain, sensing_energy_w
from models.bounds.maps import SINGULAR, ap_moments, keep_memory
from models.network import ModeAssignment
from models.selection.base import ModeSelector
from models.selection.greedy import large_scale_efficiency
from models.selection.search import Members, assign_transmitters, candidates, exchange, first_maximum, grow
from models.view import View

__all__ = ["BoundGreedy", "CoverageObjective", "Exhaustive", "JointGreedy"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]

NEAREST_POINT_M = 1.0
MOST_APS_TO_EXHAUST = 16
MOST_POINTS_PER_SIDE = 1000  # a million points; of 12 APs their moments take 0.6 GB
AT_ONCE = 8  # sets, or APs: what they take stays in the cache
# Coverage is 0, or the same, for many splits; this share of a smooth score decides between them.
TIE_BREAK = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class CoverageObjective:
    """The value of sets of receivers, the rest of the pool transmitting: coverage + 1e-3 mean 1 / (1 + PEB / limit).

    Transmitters and receivers of equal power enter the bound alike, so sets of transmitters may be given as well then.

    Attributes
    ----------
    moments
        Of each AP, about the mean of the pool (see `_about_mean`), shape (6, n_aps, n_points).
    sent
        The same times the relative power of the AP; None where all powers are equal.
    total
        Sum over the pool of what its APs have as transmitters, shape (6, n_points).
    least
        Least information that is more than rounding, over the product of the weights of the sides, shape (n_points,).
    threshold_m
        Largest bound in m at which a point counts as covered.
    """

    moments: Float
    sent: Float | None
    total: Float
    least: Float
    threshold_m: float

    @classmethod
    def of(
        cls, view: View, pool: Index, threshold_m: float, points_per_side: int, rcs_m2: float
    ) -> "CoverageObjective":
        """Return the objective on a grid over the area, leaving out points within a metre of an AP.

        Raises
        ------
        ValueError
            If that leaves no point.
        """
        network, radio = view.network, view.radio
        step = max(view.area.width_m, view.area.height_m) / points_per_side
        points = np.stack(np.meshgrid(*view.area.grid(step), indexing="ij"), axis=-1).reshape(-1, 2)
        points = points[scipy.spatial.distance.cdist(points, network.ap_positions_m).min(axis=1) >= NEAREST_POINT_M]
        if not len(points):
            raise ValueError(
                f"points_per_side is {points_per_side} over {view.area.width_m:g} m by {view.area.height_m:g} m: each "
                f"point is within {NEAREST_POINT_M:g} m of an access point; give more points or a larger area"
            )
        energy = sensing_energy_w(radio, network.n_antennas)
        gain = information_gain(network, energy, rcs_m2, radio.noise_power_w)
        keep_memory()
        moments = np.empty((6, network.n_aps, len(points)))
        for some in np.split(np.arange(network.n_aps), range(AT_ONCE, network.n_aps, AT_ONCE)):
            moments[:, some] = ap_moments(network, points, some, gain).swapaxes(0, 1)
        weight, _, _, xx, _, yy = moments[:, pool].sum(axis=1)
        _about_mean(moments, pool)
        power = network.relative_power[:, None]
        sent = moments * power if np.any(power != 1.0) else None
        total = (moments if sent is None else sent)[:, pool].sum(axis=1)
        least = 2.0 * SINGULAR * (xx + yy) / weight
        return cls(moments=moments, sent=sent, total=total, least=least, threshold_m=threshold_m)

    def __call__(self, members: Members) -> Float:
        """Return the value of each set of ``members``, shape (n_sets, n_aps)."""
        common = members.all(axis=0)
        both = [moments for moments in (self.moments, self.sent) if moments is not None]
        sums = [_Sums(moments, moments[:, common].sum(axis=1)) for moments in both]
        added = members & ~common
        batches = (added[start : start + AT_ONCE] for start in range(0, len(added), AT_ONCE))
        return np.concatenate([self._value([some.with_added(batch) for some in sums]) for batch in batches])

    def _value(self, sums: list[list[Float]]) -> Float:
        """Return the value of sets of receivers of these moments; the second ones are what they would have sent."""
        information, product = _one_power(self.total, *sums) if self.sent is None else _powers(self.total, *sums)
        bound = np.sqrt(_squared_bounds_m2(information, self.least * product))
        covered = np.count_nonzero(bound <= self.threshold_m, axis=-1) / bound.shape[-1]
        return covered + TIE_BREAK * np.mean(self.threshold_m / (self.threshold_m + bound), axis=-1)


class _Sums(NamedTuple):
    """Sums of moments over sets of APs that have some in common, of which the base is the sum."""

    moments: Float
    base: Float

    def with_added(self, added: Members) -> list[Float]:
        """Return the six sums over those in common and those added, shape (n_sets, n_points) each."""
        pairs = zip(self.base, self.moments, strict=True)
        if np.all(added.sum(axis=1) == 1):
            only = added.argmax(axis=1)
            return [start + moment[only] for start, moment in pairs]
        return [start + added.astype(float) @ moment for start, moment in pairs]


def _about_mean(moments: Float, pool: Index) -> None:
    """Take the phase gradients of all APs about their mean over the pool, point by point, in place.

    The bound does not change, as each side's own mean is taken out of it anyway; but now less is lost in rounding, and
    the means of two sides that make up the pool are opposite where powers are equal, and one of them does.
    """
    mean_x, mean_y = moments[1:3, pool].sum(axis=1) / moments[0, pool].sum(axis=0)
    for weight, x, y, xx, xy, yy in moments.swapaxes(0, 1):
        shift_x, shift_y = mean_x * weight, mean_y * weight
        xx -= mean_x * (2.0 * x - shift_x)
        xy -= mean_x * y + mean_y * (x - shift_x)
        yy -= mean_y * (2.0 * y - shift_y)
        x -= shift_x
        y -= shift_y


def _one_power(total: Float, receive: list[Float]) -> tuple[list[Float], Float]:
    """Return the information of sides of these moments against the rest of the pool, all of one power, and W_t W_r.

        J = W_t S_r + W_r S_t - (W_t / W_r + W_r / W_t) m m^T

    with the weights W, the second moments S and the mean m of the receivers, that of the transmitters being -m.

    Parameters
    ----------
    total
        That of `CoverageObjective`.
    receive
        Moments of the receivers of each set, shape (n_sets, n_points) each. They are overwritten.
    """
    weight, x, y, *second = receive
    rest = total[0] - weight
    with np.errstate(divide="ignore", invalid="ignore"):  # a side without an AP
        product = weight * rest
        uneven = total[0] ** 2 / product - 2.0
        rest -= weight
        for moment, of_pool in zip(second, total[3:], strict=True):
            moment *= rest
            moment += weight * of_pool
        xx, xy, yy = second
        x_uneven = x * uneven
        xx -= x * x_uneven
        xy -= y * x_uneven
        yy -= y * y * uneven
    return second, product


def _powers(total: Float, receive: list[Float], unsent: list[Float]) -> tuple[list[Float], Float]:
    """Return the same where powers differ: the moments of transmitters are times their power, those of receivers not.

        J = W_r (S_t - m_t m_t^T / W_t) + W_t (S_r - m_r m_r^T / W_r)

    Parameters
    ----------
    total
        That of `CoverageObjective`.
    receive, unsent
        Moments of the receivers of each set, and the same times their power, shape (n_sets, n_points) each.
    """
    w_r, x_r, y_r, *second_r = receive
    w_t, x_t, y_t, *second_t = (pool - some for pool, some in zip(total, unsent, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):  # a side without an AP
        t_to_r, r_to_t = w_t / w_r, w_r / w_t
        means = (x_r * x_r, x_t * x_t), (x_r * y_r, x_t * y_t), (y_r * y_r, y_t * y_t)
        information = [
            w_r * of_t + w_t * of_r - t_to_r * mean_r - r_to_t * mean_t
            for of_t, of_r, (mean_r, mean_t) in zip(second_t, second_r, means, strict=True)
        ]
    return information, w_t * w_r


def _squared_bounds_m2(information: list[Float], floor: Float) -> Float:
    """Return tr J / det J of (xx, xy, yy); inf where J is none or no more than the rounding of this floor."""
    xx, xy, yy = information
    with np.errstate(divide="ignore", invalid="ignore"):
        trace, determinant = xx + yy, xx * yy - xy * xy
        regular = determinant > floor * np.maximum(trace, floor)
        trace /= determinant
    if not regular.all():
        trace[~regular] = np.inf
    return trace


@dataclass(frozen=True, kw_only=True)
class _CoverageSelector(ModeSelector):
    """The settings of all selectors on coverage.

    Attributes
    ----------
    threshold_wavelengths
        Bound in wavelengths at which a point counts as covered, above 0.
    points_per_side
        Points of the evaluation grid along the longer side of the area, from 1 to 1000.
    rcs_m2
        Radar cross-section of the target to expect, in m^2, above 0.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    threshold_wavelengths: float = 0.1
    points_per_side: int = 50
    rcs_m2: float = 1.0

    def __post_init__(self) -> None:
        for name in ("threshold_wavelengths", "rcs_m2"):
            value = getattr(self, name)
            if not 1e-10 <= value <= 1e10:
                raise ValueError(f"{name} is {value}: give a number from 1e-10 to 1e+10")
        if not 1 <= self.points_per_side <= MOST_POINTS_PER_SIDE:
            raise ValueError(
                f"points_per_side is {self.points_per_side}: give a whole number from 1 to {MOST_POINTS_PER_SIDE}"
            )

    def _coverage(self, view: View, pool: Index) -> CoverageObjective:
        """Return the coverage of sets of receivers."""
        threshold_m = self.threshold_wavelengths * view.network.wavelength_m
        return CoverageObjective.of(view, pool, threshold_m, self.points_per_side, self.rcs_m2)


@dataclass(frozen=True, kw_only=True)
class BoundGreedy(_CoverageSelector):
    """Receivers by coverage: all APs transmit, then the one whose move to the receivers gains most moves, and so on.

    At the end pairs are exchanged as long as that gains. The value of a split is the share of points whose coherent
    bound is within the threshold (see `CoverageObjective`), with the expected energy q = L (1 - rho) P / N of the
    sensing waveform: what communication adds to the illumination depends on the fading and is left out.

    Attributes
    ----------
    improve
        Whether to exchange pairs at the end.
    """

    improve: bool = True

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used. All APs that take part and do not receive transmit."""
        pool = candidates(view)
        return _search(view, pool, self._coverage(view, pool), self.improve)


def _search(view: View, pool: Index, objective: Callable[[Members], Float], improve: bool) -> ModeAssignment:
    """Return the assignment whose receivers were grown on the objective and, if asked for, exchanged."""
    receivers = grow(objective, view.network.n_aps, pool, view.n_receivers)
    if improve and view.n_receivers:
        receivers = exchange(objective, receivers, pool)
    return assign_transmitters(view, pool, pool[~receivers[pool]])


@dataclass(frozen=True, kw_only=True)
class Exhaustive(_CoverageSelector):
    """The split of best coverage of all; ties go to the lower indices. For up to 16 APs."""

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used.

        Raises
        ------
        ValueError
            If more than 16 APs take part.
        """
        pool = candidates(view)
        if len(pool) > MOST_APS_TO_EXHAUST:
            raise ValueError(
                f"Exhaustive tries every split and was given {len(pool)} access points: "
                f"at most {MOST_APS_TO_EXHAUST} are allowed, use BoundGreedy beyond"
            )
        sets = np.array(list(itertools.combinations(pool, view.n_receivers)), dtype=np.intp)
        members = np.zeros((len(sets), view.network.n_aps), dtype=bool)
        np.put_along_axis(members, sets, True, axis=1)
        receivers = members[first_maximum(self._coverage(view, pool)(members))]
        return assign_transmitters(view, pool, pool[~receivers[pool]])


@dataclass(frozen=True, kw_only=True)
class JointGreedy(_CoverageSelector):
    """Receivers by coverage and spectral efficiency together, grown and exchanged like `BoundGreedy`.

        value = weight * coverage + (1 - weight) * SE(transmitters) / SE(all transmit)

    with the closed-form spectral efficiency of `models.selection.greedy.large_scale_efficiency`.

    Attributes
    ----------
    coverage_weight
        Weight of coverage, from 0 (communication alone) to 1 (sensing alone).

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    coverage_weight: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.coverage_weight <= 1.0:
            raise ValueError(f"coverage_weight is {self.coverage_weight}: give a number from 0 to 1")

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used. All APs that take part and do not receive transmit."""
        pool = candidates(view)
        coverage, weight = self._coverage(view, pool), self.coverage_weight
        if not view.network.n_ues:
            return _search(view, pool, coverage, improve=True)
        efficiency = large_scale_efficiency(view).sum_spectral_efficiency
        everyone = np.isin(np.arange(view.network.n_aps), pool)
        reference = max(float(efficiency(everyone[None])[0]), np.finfo(float).tiny)

        def value(members: Members) -> Float:
            return weight * coverage(members) + (1.0 - weight) * efficiency(everyone & ~members) / reference

        return _search(view, pool, value, improve=True)
