"""Results as plain data: JSON without NaN, and a trace file that is reproducible."""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.file.problems import ScenarioError
from scenarios.output import metrics
from scenarios.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from emulator.results import CpiResult, RunResult
    from emulator.trace import Trace

__all__ = ["cpi_data", "finite", "json_text", "load_trace", "run_data", "save_trace"]


def finite(value: Any) -> Any:
    """Return nested data of plain lists, dicts and numbers in which every NaN and infinity is None.

    >>> finite({"error_m": np.array([1.0, np.nan])})
    {'error_m': [1.0, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(data: Mapping[str, Any]) -> str:
    """Return data as JSON text with a line for each key, the schema version first; NaN and infinity become null."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **finite(data)}, indent=2, allow_nan=False) + "\n"


def run_data(result: "RunResult", seed: int) -> dict[str, Any]:
    """Return the result of a run in the shape of `dmimo run --json`, without the wall-clock time."""
    return {
        "seed": seed,
        "cpis": [cpi_data(cpi) for cpi in result.cpis],
        "fronthaul": finite(result.fronthaul),
        "slots": int(result.slots),
        "events": int(result.events),
    }


def cpi_data(cpi: "CpiResult") -> dict[str, Any]:
    """Return the result of one CPI as plain data: who did what, and all metrics."""
    roles = {"transmitters": cpi.assignment.transmitters, "receivers": cpi.assignment.receivers}
    plain: dict[str, Any] = finite({"index": cpi.index, **roles, **metrics.values(cpi)})
    return plain


def save_trace(trace: "Trace | None", path: Path) -> None:
    """Write a trace as npz: time_ns, kind, node, value of every row, and the names that kind and node point to.

    NumPy stamps every member with the same date, so equal traces are equal bytes.
    """
    arrays: dict[str, Any] = {"schema_version": np.int64(SCHEMA_VERSION)}
    if trace is not None:
        names = {"kinds": np.array(trace.kinds, dtype=str), "nodes": np.array(trace.nodes, dtype=str)}
        arrays = {**arrays, **trace.columns(), **names}
    np.savez_compressed(path, **arrays)


def load_trace(path: Path) -> dict[str, Any]:
    """Return the arrays of a trace file by name.

    Raises
    ------
    ScenarioError
        If there is no such file or it is no trace.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ScenarioError(str(path), [f"cannot be read as a trace: {error}"]) from error
    if missing := sorted({"time_ns", "kind", "node", "value", "nodes"} - set(arrays)):
        raise ScenarioError(str(path), [f"is no trace: it lacks {', '.join(missing)}"])
    return arrays
