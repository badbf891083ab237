"""The results of a sweep as one xarray Dataset: named dimensions, units, and where it all comes from.

Dimensions are the keys that were swept (or "point" of a list of settings), then "trial", then those of the value:
"cpi", "target", "ue", and "xy" of positions. Numbers are 64-bit floats, NaN where there is none: a target that was
missed, a CPI or target that other settings have and this one has not, a task that failed. Of that tell the variables
``failed`` and, where any did, ``error``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.extras import require
from scenarios.file.files import dump
from scenarios.file.problems import ScenarioError
from scenarios.output.metrics import XY, attributes
from scenarios.sweeps.experiments import VARIABLES, Variable
from scenarios.sweeps.log import entries
from scenarios.sweeps.plan import Plan
from scenarios.version import SCHEMA_VERSION, check_version, program_version

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = ["open_results", "require_xarray", "save", "to_dataframe"]

RESULTS = "results.nc"


def require_xarray() -> None:
    """Refuse, in words, to go on where the packages of the extra are not installed; raises MissingExtraError."""
    require("sweep", "dmimo sweep", "xarray", "h5netcdf", "h5py")


def open_results(folder: str | Path) -> "Dataset":
    """Return the results of a sweep, read into memory.

    Raises
    ------
    ScenarioError
        If the folder holds none, or they are of another version.
    """
    require_xarray()
    import xarray

    path = Path(folder) / RESULTS
    if not path.is_file():
        text = f'got "{folder}", which has no {RESULTS}; allowed: the folder of a sweep that is done'
        raise ScenarioError("DIR", [text])
    try:
        found = xarray.load_dataset(path, engine="h5netcdf")
        check_version(int(found.attrs["schema_version"]))
    except (OSError, ValueError, KeyError) as error:
        raise ScenarioError(str(path), [f"cannot be read as the results of a sweep: {error}"]) from error
    return found


def to_dataframe(results: "Dataset", *names: str) -> Any:
    """Return variables of a sweep as a DataFrame of pandas with a column for each dimension; rows without a value go.

    Variables that have a dimension less, as "cpi" or "target", are repeated along it.
    """
    chosen = results[list(names)] if names else results
    frame = chosen.to_dataframe().reset_index()
    return frame.dropna(how="all", subset=[str(name) for name in chosen.data_vars])


def save(plan: Plan, log: Path, path: Path) -> None:
    """Write the results that a log holds as netCDF4: the same bytes, in whatever order they came."""
    _dataset(plan, log).to_netcdf(path, engine="h5netcdf")


def _dataset(plan: Plan, log: Path) -> "Dataset":
    import xarray

    sizes, texts = _shapes(plan, log)
    dims = _setting_dims(plan)
    outer = (*(len(values) for values in dims.values()), plan.trials)
    arrays = {
        name: np.full((plan.trials, len(plan.settings), *shape), *(("", object) if name in texts else (np.nan,)))
        for name, shape in sizes.items()
    }
    errors = np.full((plan.trials, len(plan.settings)), "", object)
    for at, entry in _entries(plan, log):
        errors[at] = entry.get("error", "")
        for name, value in entry.get("record", {}).items():
            _fill(arrays[name], at, value)
    variables = {
        name: _variable(plan, name, array, (*dims, "trial"), outer) for name, array in arrays.items() if array.size
    }
    variables |= _failures(_outwards(errors, outer), (*dims, "trial"))
    coordinates = {**_coordinates(plan, dims), **_inner_coordinates(variables)}
    return xarray.Dataset(variables, coordinates, _provenance(plan))


def _entries(plan: Plan, log: Path) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """Yield (trial, number of the setting) of each task, and what came of it."""
    for entry in entries(log):
        at = divmod(entry["task"], len(plan.settings))
        if at[0] < plan.trials:
            yield at, entry


def _failures(errors: np.ndarray, dims: tuple[str, ...]) -> dict[str, Any]:
    """Return which tasks failed, and if any did, the error of each in words."""
    failed = (errors != "").astype(np.int8)
    found = {"failed": (dims, failed, {"long_name": "Whether the task failed: its values are missing."})}
    told = {"error": (dims, errors, {"long_name": "Error of a task that failed."})}
    return found | (told if failed.any() else {})


def _shapes(plan: Plan, log: Path) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """Return the shape that holds all values of each variable, and the variables that are words."""
    sizes: dict[str, tuple[int, ...]] = {}
    texts: set[str] = set()
    for _, entry in _entries(plan, log):
        for name, value in entry.get("record", {}).items():
            shape, is_text = _form(value)
            old = sizes.get(name, ())
            longest = max(len(shape), len(old))
            pad = [(*one, *[0] * (longest - len(one))) for one in (shape, old)]
            sizes[name] = tuple(map(max, *pad)) if longest else ()
            texts |= {name} if is_text else set()
    return {name: sizes[name] for name in VARIABLES[plan.what] if name in sizes}, texts


def _form(value: Any) -> tuple[tuple[int, ...], bool]:
    """Return the shape that holds a nested list, and whether there are words in it."""
    if not isinstance(value, list):
        return (), isinstance(value, str)
    below = [_form(item) for item in value]
    deepest = max((len(shape) for shape, _ in below), default=0)
    sizes = [max(shape[i] if i < len(shape) else 0 for shape, _ in below) for i in range(deepest)]
    return (len(value), *sizes), any(is_text for _, is_text in below)


def _fill(array: np.ndarray, at: tuple[int, ...], value: Any) -> None:
    """Put a nested list where it belongs; None leaves what is there."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            _fill(array, (*at, index), item)
    elif value is not None:
        array[at] = value


def _variable(plan: Plan, name: str, array: np.ndarray, dims: tuple[str, ...], outer: tuple[int, ...]) -> Any:
    known: Variable = VARIABLES[plan.what][name]
    inner = (*known.dims, *XY)[: array.ndim - 2]
    return (*dims, *inner), _outwards(array, outer), attributes(known.about, known.unit)


def _outwards(array: np.ndarray, outer: tuple[int, ...]) -> np.ndarray:
    """Return an array of (trial, setting, ...) as one of (swept keys ..., trial, ...)."""
    return np.moveaxis(array, 0, 1).reshape(*outer, *array.shape[2:])


# -- coordinates ----------------------------------------------------------------------------------------------------


def _setting_dims(plan: Plan) -> dict[str, list[Any]]:
    return {"point": list(plan.points)} if plan.points else {key: list(values) for key, values in plan.over.items()}


def _coordinates(plan: Plan, dims: dict[str, list[Any]]) -> dict[str, Any]:
    if not plan.points:
        return {key: (key, _plain(values)) for key, values in dims.items()}
    keys = dict.fromkeys(key for point in plan.points for key in point)
    return {key: ("point", _plain([point.get(key) for point in plan.points])) for key in keys}


def _plain(values: list[Any]) -> np.ndarray:
    """Return the values of a key as numbers, or as words: lists and tables as JSON."""
    if all(isinstance(value, int | float | None) and not isinstance(value, bool) for value in values):
        return np.array(values, dtype=float)
    return np.array([v if isinstance(v, str) else json.dumps(v, default=str) for v in values], dtype=object)


def _inner_coordinates(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of trials, CPIs, targets and UEs, and the names of coordinates."""
    sizes = {dim: n for dims, array, _ in variables.values() for dim, n in zip(dims, array.shape, strict=True)}
    counted = {dim: (dim, np.arange(sizes[dim])) for dim in ("trial", "cpi", "target", "ue") if dim in sizes}
    return counted | {dim: (dim, np.array(["x", "y"], dtype=object)) for dim in XY if dim in sizes}


def _provenance(plan: Plan) -> dict[str, Any]:
    points = {"points": json.dumps([dict(point) for point in plan.points], default=str)} if plan.points else {}
    return {
        "title": "Sweep of dmimo-isac",
        "what": plan.what,
        "scenario": dump(plan.scenario),
        "seed": plan.seed,
        "trials": plan.trials,
        "command": plan.command(),
        "version": program_version(),
        "schema_version": SCHEMA_VERSION,
    } | points
