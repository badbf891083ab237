"""Results as plain data: JSON without NaN, and a trace file that is reproducible."""

import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.file.problems import ScenarioError
from scenarios.output import metrics
from scenarios.version import SCHEMA_VERSION, check_version

if TYPE_CHECKING:
    from emulator.results import CpiResult, RunResult
    from emulator.trace import Trace

__all__ = [
    "cpi_data", "cpis_of", "finite", "json_text", "load_result", "load_trace", "run_data", "run_pieces", "save_run",
    "save_trace",
]  # fmt: skip


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


def run_pieces(result: "RunResult", seed: int, **more: Any) -> Iterator[str]:
    """Yield the JSON text of a run CPI by CPI, as `json_text` would give it of `run_data` and further keys."""
    mark = "the results of the CPIs"
    text = json_text({**run_data(replace(result, cpis=()), seed), "cpis": mark, **more})
    before, after = text.split(f'"{mark}"')
    yield before + "["
    for number, cpi in enumerate(result.cpis):
        yield ",\n" if number else "\n"
        yield indent(json.dumps(cpi_data(cpi), indent=2, allow_nan=False), "    ")
    yield ("\n  ]" if len(result.cpis) else "]") + after


def save_run(result: "RunResult", seed: int, path: Path) -> None:
    """Write the result of a run as JSON, without the wall-clock time; little of it is in memory at a time."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(run_pieces(result, seed))


def cpi_data(cpi: "CpiResult") -> dict[str, Any]:
    """Return the result of one CPI as plain data: who did what, and all metrics."""
    roles = {"transmitters": cpi.assignment.transmitters, "receivers": cpi.assignment.receivers}
    plain: dict[str, Any] = finite({"index": cpi.index, **roles, **metrics.values(cpi)})
    return plain


def save_trace(trace: "Trace | None", path: Path) -> None:
    """Write a trace as npz: its columns, and the names that numbers in them point to; docs/trace.md lists them.

    Columns are written piece by piece: a trace that is longer than memory can be written. All members bear the same
    date, so equal traces are equal bytes.
    """
    from emulator.trace import COLUMNS

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        _add(file, "schema_version", np.array(SCHEMA_VERSION, dtype=np.int64))
        if trace is None:
            return
        for name in COLUMNS:
            pieces = partial(trace.column, name)
            _add_column(file, name, sum(map(len, pieces())), pieces())
        for name, array in trace.names.items():
            _add(file, name, array)


def _add(file: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _add_column(file: zipfile.ZipFile, name: str, length: int, pieces: Iterable[np.ndarray]) -> None:
    with file.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": "<i8", "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(member, header)
        for piece in pieces:
            member.write(piece.astype("<i8").tobytes())


def load_result(path: Path) -> dict[str, Any]:
    """Return what a result.json holds; it has a CPI at least.

    Raises
    ------
    ScenarioError
        If there is no such file or it is no result of a run.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        check_version(result["schema_version"])
        if not (result["cpis"] and result["slots"]):
            raise ValueError("it holds no CPI")
        _check_keys(result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScenarioError(str(path), [f"cannot be read as a result: {_why(error)}"]) from error
    return result


def _why(error: Exception) -> str:
    """Return why a file cannot be read, and what is allowed where there is none."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "there is no such file; allowed: an output folder of dmimo run"
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _check_keys(result: Mapping[str, Any]) -> None:
    """Refuse a result without what pages and pictures are made from."""
    missing = {key for key in ("seed", "fronthaul") if key not in result}
    missing |= {key for cpi in result["cpis"] for key in ("index", "targets") if key not in cpi}
    if missing or not isinstance(result["slots"], int):
        raise ValueError(f"it lacks {', '.join(sorted(missing)) or 'the number of its slots'}")


def cpis_of(trace: Mapping[str, np.ndarray]) -> range:
    """Return the CPIs that a trace tells of: those that were planned, also where the run ended before their results.

    A trace may have been told to keep the last ones.

    Raises
    ------
    ScenarioError
        If it tells of none.
    """
    from emulator.trace import Kind

    planned = trace["cpi"][trace["kind"] == Kind.PLAN]
    if not len(planned):
        raise ScenarioError("DIR", ["its trace holds no CPI"])
    return range(int(planned.min()), int(planned.max()) + 1)


def load_trace(path: Path) -> dict[str, Any]:
    """Return the arrays of a trace file by name.

    Raises
    ------
    ScenarioError
        If there is no such file or it is no trace.
    """
    from emulator.trace import COLUMNS

    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise ValueError("it is no npz file, or one that was cut")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ScenarioError(str(path), [f"cannot be read as a trace: {_why(error)}"]) from error
    if missing := sorted({*COLUMNS, "nodes", "message_kinds", "schema_version"} - set(arrays)):
        raise ScenarioError(str(path), [f"is no trace: it lacks {', '.join(missing)}"])
    try:
        check_version(arrays["schema_version"].tolist())
    except ValueError as error:
        raise ScenarioError(str(path), [f"cannot be read as a trace: {error}"]) from error
    _check_columns(path, arrays)
    return arrays


def _check_columns(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse columns that are no whole numbers, differ in length, or point beyond their lists of names."""
    from emulator.trace import COLUMNS, PREFIX, Kind

    events, sent = ([arrays[name] for name in COLUMNS if name.startswith(PREFIX) is told] for told in (False, True))
    are_whole = all(column.dtype.kind in "iu" for column in (*events, *sent))
    if not are_whole or any(
        len({column.shape for column in columns}) > 1 or columns[0].ndim != 1 for columns in (events, sent)
    ):
        raise ScenarioError(str(path), ["is no trace: its columns are not whole numbers, one for each row"])
    limits = {
        "node": "nodes",
        f"{PREFIX}source": "nodes",
        f"{PREFIX}destination": "nodes",
        f"{PREFIX}what": "message_kinds",
    }
    beyond = [name for name, names in limits.items() if not _are_below(arrays[name], len(arrays[names]))]
    if not np.isin(arrays["kind"], list(Kind)).all():
        beyond.append("kind")
    if beyond:
        raise ScenarioError(str(path), [f"is no trace: {', '.join(beyond)} holds numbers that stand for nothing"])


def _are_below(numbers: np.ndarray, limit: int) -> bool:
    return bool(((numbers >= 0) & (numbers < limit)).all())
