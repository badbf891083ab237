"""Where truth meets estimate: which target was found, how far off, and what was found that is not there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from models.observation import Estimate

__all__ = ["Gospa", "Score", "gate_m", "gospa", "score"]

Float = NDArray[np.float64]
Index = NDArray[np.intp]

# A target counts as found within five of its non-coherent bounds, but never within less or more than this.
GATE_IN_BOUNDS, NARROWEST_GATE_M, WIDEST_GATE_M = 5.0, 5.0, 100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """What became of each target of a CPI, and which positions of the estimate belong to none.

    Attributes
    ----------
    status
        "resolved", "not-resolved" (found, but no carrier-phase lobe was decided for) or "missed", per target.
    matched
        Index into the estimate, -1 where missed, shape (S,).
    error_m
        Distance of truth and estimate, NaN where missed, shape (S,).
    false_indices
        Indices of the estimate's positions that belong to no target, ascending.
    """

    status: tuple[str, ...]
    matched: Index
    error_m: Float
    false_indices: Index


def gate_m(noncoherent_peb_m: ArrayLike) -> Float:
    """Return how far from a target its estimate may lie: clip(5 PEB, 5 m, 100 m), 100 m where there is no bound."""
    peb = np.asarray(noncoherent_peb_m, dtype=float)
    return np.clip(np.where(np.isnan(peb), np.inf, GATE_IN_BOUNDS * peb), NARROWEST_GATE_M, WIDEST_GATE_M)


def score(estimate: Estimate, truth_m: ArrayLike, noncoherent_peb_m: ArrayLike) -> Score:
    """Assign the estimate to the targets: as many as lie within their gates, then least total distance.

    Parameters
    ----------
    estimate
        What was published.
    truth_m
        Positions of the targets, shape (S, 2), in m.
    noncoherent_peb_m
        Non-coherent position error bound of each target in m, shape (S,); NaN where there is none.
    """
    truth = np.asarray(truth_m, dtype=float).reshape(-1, 2)
    if not len(estimate.positions_m):
        nothing = np.empty(0, dtype=np.intp)
        matched, error = np.full(len(truth), -1), np.full(len(truth), np.nan)
        return Score(status=("missed",) * len(truth), matched=matched, error_m=error, false_indices=nothing)
    distance = _distances(truth, estimate.positions_m)
    allowed = distance <= gate_m(noncoherent_peb_m)[:, None]
    rows, columns = _assigned(distance, allowed)
    matched = np.full(len(truth), -1, dtype=np.intp)
    matched[rows] = columns
    error = np.full(len(truth), np.nan)
    error[rows] = distance[rows, columns]
    status = tuple(_status(estimate, int(index)) for index in matched)
    return Score(
        status=status,
        matched=matched,
        error_m=error,
        false_indices=np.setdiff1d(np.arange(len(estimate.positions_m)), matched),
    )


def _assigned(distance: Float, allowed: NDArray[np.bool_]) -> tuple[Index, Index]:
    """Return which targets go with which positions: as many as are allowed, then with the least total distance."""
    if allowed.sum(axis=0).max(initial=0) <= 1 and allowed.sum(axis=1).max(initial=0) <= 1:
        rows, columns = np.nonzero(allowed)  # nobody has a choice, and scipy.optimize takes long to import
        return rows, columns
    # One forbidden pair costs more than every permitted one together: no target is given up for a shorter sum.
    forbidden = WIDEST_GATE_M * (1 + len(distance))
    rows, columns = scipy.optimize.linear_sum_assignment(np.where(allowed, distance, forbidden))
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]


def _status(estimate: Estimate, index: int) -> str:
    """Return the word for a target matched with this position of the estimate."""
    if index < 0:
        return "missed"
    return "resolved" if estimate.resolved[index] else "not-resolved"


class Gospa(NamedTuple):
    """The GOSPA distance and how many targets and positions it counts as missed and false."""

    distance_m: float
    n_missed: int
    n_false: int


def gospa(estimate_positions_m: ArrayLike, truth_m: ArrayLike, cutoff_m: float, order: float = 2.0) -> Gospa:
    """Return the generalised optimal sub-pattern assignment (GOSPA) distance with alpha = 2.

        d = (min over assignments of sum_matched d_i^p + (c^p / 2) (n_missed + n_false))^(1/p)

    Parameters
    ----------
    estimate_positions_m, truth_m
        Shapes (F, 2) and (S, 2), in m; either may be empty.
    cutoff_m
        c: the distance from which an estimate counts as one false position and one missed target; above 0.
    order
        p, at least 1.

    Raises
    ------
    ValueError
        If the cut-off or the order is out of range.

    References
    ----------
    A. S. Rahmathullah, A. F. Garcia-Fernandez, L. Svensson, "Generalized optimal sub-pattern assignment metric", 2017.

    >>> gospa([(3.0, 4.0)], [(0.0, 0.0)], cutoff_m=10.0)
    Gospa(distance_m=5.0, n_missed=0, n_false=0)
    """
    if not cutoff_m > 0.0 or not order >= 1.0:
        raise ValueError(f"gospa needs cutoff_m > 0 and order >= 1, got cutoff_m = {cutoff_m}, order = {order}")
    truth = np.asarray(truth_m, dtype=float).reshape(-1, 2)
    found = np.asarray(estimate_positions_m, dtype=float).reshape(-1, 2)
    distance = _distances(truth, found)
    rows, columns = scipy.optimize.linear_sum_assignment(np.minimum(distance, cutoff_m) ** order)
    matched = distance[rows, columns]
    matched = matched[matched < cutoff_m]
    n_missed, n_false = len(truth) - len(matched), len(found) - len(matched)
    total = np.sum(matched**order) + 0.5 * cutoff_m**order * (n_missed + n_false)
    return Gospa(float(total ** (1.0 / order)), n_missed, n_false)


def _distances(truth: Float, found: Float) -> Float:
    """Return the distance of every target from every position, shape (S, F), in m."""
    return np.linalg.norm(truth[:, None, :] - found[None, :, :], axis=-1)
