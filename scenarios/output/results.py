"""Results as plain data and as a folder: JSON without NaN, a trace that is reproducible, nothing half-written."""

import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.file.problems import ScenarioError

if TYPE_CHECKING:
    from emulator.results import CpiResult, RunResult
    from emulator.trace import Trace

__all__ = [
    "check_file",
    "check_folder",
    "check_replaceable",
    "cpi_data",
    "finite",
    "json_text",
    "load_trace",
    "replaced",
    "run_data",
    "save_trace",
    "written_whole",
]

MARK = "result.json"
"""The file by which a folder is known as one of ours, which may be replaced."""


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
    """Return data as JSON text with a line for each key; NaN and infinity become null."""
    return json.dumps(finite(data), indent=2, allow_nan=False) + "\n"


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
    """Return the result of one CPI as plain data."""
    false = cpi.estimate.positions_m[cpi.score.false_indices]
    data = {
        "index": cpi.index,
        "transmitters": cpi.assignment.transmitters,
        "receivers": cpi.assignment.receivers,
        "targets": [_target_data(cpi, target) for target in range(len(cpi.truth_m))],
        "false_detections": len(false),
        "false_positions_m": false,
        "se_bit_s_hz": cpi.se_bit_s_hz,
        "sum_se_bit_s_hz": float(np.sum(cpi.se_bit_s_hz)),
        "sensing_latency_s": cpi.sensing_latency_s,
        "reports_expected": cpi.reports_expected,
        "reports_fused": cpi.reports_fused,
    }
    plain: dict[str, Any] = finite(data)
    return plain


def _target_data(cpi: "CpiResult", target: int) -> dict[str, Any]:
    match, estimate = int(cpi.score.matched[target]), cpi.estimate
    found = match >= 0
    covariance = estimate.covariance_m2[match] if found and estimate.covariance_m2 is not None else None
    if covariance is not None and not np.all(np.isfinite(covariance)):
        covariance = None
    return {
        "truth_m": cpi.truth_m[target],
        "status": cpi.score.status[target],
        "estimate_m": estimate.positions_m[match] if found else None,
        "covariance_m2": covariance,
        "error_m": cpi.score.error_m[target],
        "peb_m": cpi.peb_m[target],
        "peb_structured_m": cpi.peb_structured_m[target],
    }


def save_trace(trace: "Trace | None", path: Path) -> None:
    """Write a trace as npz: time_ns, kind, node, value of every row, and the names that kind and node point to.

    NumPy stamps every member with the same date, so equal traces are equal bytes.
    """
    arrays: dict[str, Any] = {}
    if trace is not None:
        arrays = {
            **trace.columns(),
            "kinds": np.array(trace.kinds, dtype=str),
            "nodes": np.array(trace.nodes, dtype=str),
        }
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


def check_folder(folder: Path) -> None:
    """Refuse an output folder, new or old, in which no file can be written.

    Raises
    ------
    ScenarioError
        If it is one, as a file is.
    """
    path = folder.absolute()
    _check_place(folder, (path, *path.parents), "a folder, new or old, that can be written")


def check_replaceable(folder: Path) -> None:
    """Refuse an output folder that cannot be replaced as a whole, or holds anything but an earlier result.

    Raises
    ------
    ScenarioError
        If it is a file, a folder with something else in it, or in a place where nothing can be written.
    """
    allowed = "a folder, new or of an earlier run, in one that can be written"
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ScenarioError("--out", [f'got "{folder}", which is a file; allowed: {allowed}'])
    if os.path.isdir(folder) and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ScenarioError("--out", [f'got "{folder}", which holds other files and no {MARK}; allowed: {allowed}'])
    _check_place(folder, folder.absolute().parents, allowed)


def check_file(path: Path, new_folder: bool = False) -> None:
    """Refuse an output file that cannot be written in the end.

    Raises
    ------
    ScenarioError
        If it is a folder, or in one that cannot be written or, unless a ``new_folder`` will do, is not there.
    """
    allowed = f"a file in a folder that {'' if new_folder else 'exists and '}can be written"
    if os.path.isdir(path):
        raise ScenarioError("--out", [f'got "{path}", which is a folder; allowed: {allowed}'])
    if not (new_folder or os.path.isdir(path.absolute().parent)):
        raise ScenarioError("--out", [f'got "{path}"; there is no folder {path.absolute().parent}; allowed: {allowed}'])
    _check_place(path, path.absolute().parents, allowed)


def _check_place(out: Path, places: Iterable[Path], allowed: str) -> None:
    """Try out in the first of the places that exists, in a folder that goes again, whether ``out`` can be made."""
    place = next(path for path in places if os.path.lexists(path))
    try:
        with tempfile.TemporaryDirectory(prefix=".dmimo-", dir=place) as trial:
            (Path(trial) / out.absolute().relative_to(place)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f'got "{out}", but nothing can be written in {place} ({error.strerror}); allowed: {allowed}'
        raise ScenarioError("--out", [text]) from error


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` to write into, and put it in its place only when all is written.

    An earlier folder of that name is replaced. If the block raises, it stays, and the temporary folder goes.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".dmimo-", dir=folder.parent))
    try:
        fresh = aside / "new"
        fresh.mkdir()
        yield fresh
        _swap(fresh, folder, aside / "old")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a temporary path to write a file to, and put that file in the place of ``path`` when it is written."""
    handle, name = tempfile.mkstemp(prefix=".dmimo-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    fresh = Path(name)
    try:
        yield fresh
        fresh.chmod(0o666 & ~_umask())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _swap(fresh: Path, folder: Path, old: Path) -> None:
    if folder.exists():
        os.rename(folder, old)
    try:
        os.rename(fresh, folder)
    except BaseException:
        if old.exists():
            os.rename(old, folder)
        raise
