"""What a run found as detections of Stone Soup, each with the covariance that the estimator says.

A detection has the time of the middle of its CPI, rounded to the microseconds that Python's times have, and which CPI,
whether resolved and why not as its metadata. Stone Soup's states are (x, velocity of x, y, velocity of y) as a rule,
``mapping`` says where positions stand.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.results import CpiResult
from scenarios.extras import extra

if TYPE_CHECKING:
    from stonesoup.types.detection import Detection

__all__ = ["BEGIN", "stone_soup_detections"]

BEGIN = datetime(2000, 1, 1)
"""What emulated time 0 is called by default."""


def stone_soup_detections(
    cpis: Iterable[CpiResult], *, begin: datetime = BEGIN, mapping: tuple[int, int] = (0, 2), n_states: int = 4
) -> "Iterator[tuple[datetime, set[Detection]]]":
    """Yield the time of each CPI and what was found in it, as the trackers of Stone Soup take them.

    Parameters
    ----------
    cpis
        Results of CPIs, as ``RunResult.cpis`` or ``Emulation.cpis()``; those of pilots are left out.
    begin
        The time that emulated time 0 stands for.
    mapping, n_states
        Where x and y stand in a state of the tracker, and how long that is.

    Raises
    ------
    ValueError
        If the estimator gives no covariance.
    ScenarioError
        If Stone Soup is not installed.
    """
    for cpi in cpis:
        if not cpi.has_pilots:
            middle_ns = (cpi.start_ns + cpi.end_ns) // 2
            time = begin + timedelta(microseconds=round(middle_ns / 1000))
            yield time, set(_detections(cpi, time, mapping, n_states))


def _detections(cpi: CpiResult, time: datetime, mapping: tuple[int, int], n_states: int) -> "Iterator[Detection]":
    with extra("interop", "a detection of Stone Soup"):
        from stonesoup.models.measurement.linear import LinearGaussian
        from stonesoup.types.detection import Detection
    for metadata, position_m, covariance_m2 in _found(cpi):
        model = LinearGaussian(ndim_state=n_states, mapping=mapping, noise_covar=covariance_m2)
        yield Detection(position_m[:, None], timestamp=time, measurement_model=model, metadata=metadata)


def _found(cpi: CpiResult) -> Iterator[tuple[dict[str, Any], np.ndarray, np.ndarray]]:
    """Yield what is told of each estimate of a CPI, its position and its covariance."""
    estimate = cpi.estimate
    if estimate.covariance_m2 is None and len(estimate.positions_m):
        raise ValueError("the estimator gives no covariance, which a tracker needs: take one that does, as two-stage")
    reasons = estimate.reasons or (None,) * len(estimate.positions_m)
    for i, reason in enumerate(reasons):
        metadata = {"cpi": cpi.index, "resolved": bool(estimate.resolved[i]), "reason": reason}
        assert estimate.covariance_m2 is not None, "there is an estimate, and so its covariance"
        yield metadata, estimate.positions_m[i], estimate.covariance_m2[i]
