"""What was measured in a run, or a CPI, as an xarray dataset: the metrics by name, with named dimensions and units."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.results import CpiResult, RunResult
from scenarios.extras import extra
from scenarios.output.metrics import METRICS, XY, Metric, Per, attributes
from scenarios.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["to_xarray"]

AXES = {"truth_m": XY[:1], "estimate_m": XY[:1], "covariance_m2": XY}
"""Further dimensions of metrics whose values are no single numbers."""
LISTS = ("false_positions_m", "faults", "excluded")
"""Metrics whose length changes from CPI to CPI: they have no place in an array."""
WORDS = ("status", "reason")


def to_xarray(result: RunResult | CpiResult) -> "Dataset":
    """Return the metrics of a run or a CPI, those of lists left out; NaN or an empty word where there is no value.

    A CPI does not know what its UEs are called.

    Raises
    ------
    ImportError
        If xarray is not installed.
    ValueError
        If no CPI was run.
    """
    if isinstance(result, CpiResult):
        return _dataset([result], {}, {"schema_version": SCHEMA_VERSION}).isel(cpi=0)
    if not len(result.cpis):
        raise ValueError("there is no CPI in this run, and nothing was measured")
    return _dataset(result.cpis, {"ue": list(result.network.ue_names)}, _books(result))


def _dataset(cpis: Sequence[CpiResult], names: dict[str, Any], books: dict[str, Any]) -> "Dataset":
    """Return the metrics of some CPIs; ``names`` are coordinates that these do not know."""
    with extra("sweep", "to_xarray"):
        import xarray
    metrics = [metric for metric in METRICS if metric.name not in LISTS]
    found = [[metric.of(cpi) for metric in metrics] for cpi in cpis]
    measured = zip(metrics, zip(*found, strict=True), strict=True)
    variables = {metric.name: _variable(metric, values) for metric, values in measured if _is_there(values)}
    return xarray.Dataset(variables, _coordinates(cpis, names, variables), books)


def _is_there(values: Sequence[Any]) -> bool:
    """Return whether there is anything to say: a metric that is optional may be None in every CPI."""
    return any(value is not None for value in values)


def _variable(metric: Metric, values: Sequence[Any]) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    dims = (*metric.per.dims, *AXES.get(metric.name, ()))
    return dims, _array(metric, values), attributes(metric.about, metric.unit)


def _array(metric: Metric, values: Sequence[Any]) -> np.ndarray:
    if metric.per is not Per.TARGET:
        return np.array(values)
    shape = (2,) * len(AXES.get(metric.name, ()))
    nothing: Any = "" if metric.name in WORDS else np.full(shape, np.nan)
    width = max(len(value) for value in values if value is not None)
    rows = [value if value is not None else [None] * width for value in values]
    filled = [[nothing if item is None else item for item in row] for row in rows]
    return np.array(filled).reshape(len(values), width, *shape)


def _coordinates(cpis: Sequence[CpiResult], names: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Return what the numbers along the dimensions that occur stand for."""
    found = {
        "cpi": [cpi.index for cpi in cpis],
        "target": np.arange(len(cpis[0].truth_m)),
        "xy": ["x", "y"],
        "xy_too": ["x", "y"],
        **names,
    }
    used = {name for dims, _, _ in variables.values() for name in dims}
    start_s = [1e-9 * cpi.start_ns for cpi in cpis]
    times = ("cpi", start_s, {"units": "s", "long_name": "Start of the first slot, emulated time."})
    return {"start_s": times, **{name: values for name, values in found.items() if name in used}}


def _books(result: RunResult) -> dict[str, Any]:
    names = ("slots", "events", "late_reports", "corrections_repeated")
    sums = ("messages_sent", "messages_delivered", "messages_dropped")
    books = {name: getattr(result, name) for name in names} | {name: result.fronthaul[name] for name in sums}
    return {"schema_version": SCHEMA_VERSION, **books}
