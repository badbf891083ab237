"""All benchmarks in one run: each kernel against the plain way, what it takes, how it grows, and the aim beside it.

Times are process CPU time with one BLAS thread. A ratio compares two ways in the same process, minutes apart at most,
so it holds on a busy machine too; absolute figures do not.
"""

import importlib
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks import bench_bounds, bench_emulator, bench_selection
from benchmarks.workload import exponent, peak_mib
from models.bounds.grid import grid_map_m
from models.bounds.maps import closed_form_map_m
from models.selection.bound import BoundGreedy
from scenarios.file.files import load

__all__ = ["KERNELS", "ROWS", "Row", "run", "table"]

KERNELS = ("bench_bounds", "bench_selection", "bench_cost_map", "bench_lattice", "bench_fisher", "bench_emulator")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table; each path leads to a number in the result of a kernel, keys joined by slashes.

    Attributes
    ----------
    what, kernel
        What is timed, and whose result holds it.
    figure, unit, aim
        The absolute figure, and what it should stay below, or above if the unit is a rate.
    plain, ratio, aim_ratio
        The figure of the plain way, how many times faster the kernel is, and how many it should be.
    peak
        Memory allocated at the peak of a call, in MiB.
    growth
        Fitted exponents: symbol to path.
    low, high
        Ends of the 95 % interval of the figure. An aim is met if the end that is worse for it reaches it.
    """

    what: str
    kernel: str
    figure: str
    unit: str
    aim: float | None = None
    plain: str | None = None
    ratio: str | None = None
    aim_ratio: float | None = None
    peak: str | None = None
    growth: Mapping[str, str] = field(default_factory=dict)
    low: str | None = None
    high: str | None = None


_ALL_GROWTH = {"M": "exponent_aps", "N": "exponent_antennas", "points": "exponent_points"}

ROWS = (
    Row(
        what="bound map, 12 APs", kernel="bounds", figure="us_per_point", unit="us/point", aim=0.3,
        plain="plain_us_per_point", ratio="ratio", aim_ratio=8000.0, peak="peak_mib",
        growth={"M": "exponent_aps", "points": "exponent_points"},
    ),
    Row(what="bound map on a 1 m grid, 100 APs", kernel="bounds", figure="grid_us_per_point/100", unit="us/point",
        plain="grid_plain_us_per_point/100", ratio="grid_ratio/100", aim_ratio=5.0, peak="grid_peak_mib"),
    Row(what="the same, 1000 APs", kernel="bounds", figure="grid_us_per_point/1000", unit="us/point",
        plain="grid_plain_us_per_point/1000", ratio="grid_ratio/1000", aim_ratio=10.0),
    Row(what="the same, 5000 APs", kernel="bounds", figure="grid_us_per_point/5000", unit="us/point",
        plain="grid_plain_us_per_point/5000", ratio="grid_ratio/5000", aim_ratio=10.0),
    Row(what="6 receivers of 12, greedy", kernel="selection", figure="greedy_ms/12", unit="ms", aim=100.0),
    Row(what="the same with exchanges", kernel="selection", figure="greedy_exchange_ms/12", unit="ms", aim=100.0),
    Row(what="all 924 splits", kernel="selection", figure="exhaustive_12_ms", unit="ms"),
    Row(what="coverage short of all splits, greedy", kernel="selection", figure="shortfall_12/greedy/mean",
        low="shortfall_12/greedy/low", high="shortfall_12/greedy/high", unit="of area", aim=0.01),
    Row(what="the same with exchanges", kernel="selection", figure="shortfall_12/greedy_exchange/mean",
        low="shortfall_12/greedy_exchange/low", high="shortfall_12/greedy_exchange/high", unit="of area", aim=0.01),
    Row(what="6 receivers of 24, greedy", kernel="selection", figure="greedy_ms/24", unit="ms",
        plain="plain_ms", ratio="ratio", peak="peak_mib", growth={"M": "exponent_aps"}),
    Row(what="6 receivers of 96, greedy", kernel="selection", figure="greedy_ms/96", unit="ms", aim=100.0),
    Row(what="the same with exchanges", kernel="selection", figure="greedy_exchange_ms/96", unit="ms", aim=500.0),
    Row(what="1 m cost map, orthogonal", kernel="cost map", figure="us_per_point", unit="us/point", aim=0.15,
        plain="plain_us_per_point", ratio="ratio", aim_ratio=15.0, peak="peak_mib", growth=_ALL_GROWTH),
    Row(what="1 m cost map, overlapping", kernel="cost map", figure="overlapping/us_per_point", unit="us/point",
        aim=0.22, plain="overlapping/plain_us_per_point", ratio="overlapping/ratio", aim_ratio=15.0),
    Row(what="lobe search, free amplitudes", kernel="lattice", figure="ms_per_m2", unit="ms/m2", aim=0.7,
        plain="plain_ms_per_m2", ratio="ratio", aim_ratio=300.0, peak="peak_mib"),
    Row(what="lobe search, structured", kernel="lattice", figure="structured/ms_per_m2", unit="ms/m2", aim=0.25,
        plain="structured/plain_ms_per_m2", ratio="structured/ratio", peak="structured/peak_mib", growth=_ALL_GROWTH),
    Row(what="bound, any illumination, S = 1", kernel="fisher", figure="us_per_point", unit="us/point", aim=12.0,
        plain="plain_us_per_point", ratio="ratio", aim_ratio=200.0, peak="peak_mib",
        growth={**_ALL_GROWTH, "S": "exponent_targets"}),
    Row(what="joint bounds, the same, S = 2", kernel="fisher", figure="targets_2/us_per_set", unit="us/set", aim=100.0,
        plain="targets_2/plain_us_per_set", ratio="targets_2/ratio", aim_ratio=100.0, peak="targets_2/peak_mib"),
    Row(what="joint bounds, the same, S = 4", kernel="fisher", figure="targets_4/us_per_set", unit="us/set", aim=350.0,
        plain="targets_4/plain_us_per_set", ratio="targets_4/ratio", aim_ratio=100.0, peak="targets_4/peak_mib"),
    Row(what="emulator, all signal physics", kernel="emulator", figure="slots_per_s", unit="slots/s", aim=5000.0,
        plain="plain_slots_per_s", ratio="ratio", aim_ratio=10.0, peak="peak_mib",
        growth={"M": "exponent_aps", "N": "exponent_antennas", "K": "exponent_ues", "S": "exponent_targets"}),
    Row(what="emulator, events alone", kernel="emulator", figure="events_only_slots_per_s", unit="slots/s",
        aim=12000.0),
)  # fmt: skip


# -- what the benchmarks of the kernels do not measure themselves ---------------------------------------------------


def _bounds_extra(quick: bool) -> dict[str, Any]:
    """Return the peak memory of the two bound maps of 100 000 points."""
    network, assignment = bench_bounds.network_of(12)
    points, ticks = bench_bounds.points_of(100_000), np.arange(0.5, 316.0)
    crowd = bench_bounds.network_of(100)
    return {
        "peak_mib": peak_mib(lambda: closed_form_map_m(network, assignment, points, 1.0)),
        "grid_peak_mib": peak_mib(lambda: grid_map_m(*crowd, ticks, ticks, 1.0)),
    }


def _selection_extra(quick: bool) -> dict[str, Any]:
    """Return the peak memory of a greedy choice of 6 receivers of 24."""
    view, rng = bench_selection.view_of(24, 0), np.random.default_rng(0)
    return {"peak_mib": peak_mib(lambda: BoundGreedy(improve=False).select(view, rng))}


def _emulator_extra(quick: bool) -> dict[str, Any]:
    """Return the peak memory of ten CPIs, and how the time of a slot grows with APs, antennas, UEs and targets."""
    n_cpis, far = (5, 1) if quick else (20, 4)

    def slot_s(**settings: Any) -> float:
        emulation = load("paper", settings).build(seed=1, estimator=None, scoring=False)
        return 1.0 / bench_emulator.slots_per_second(emulation, n_cpis, 3)

    def growth(sizes: list[int], settings: Callable[[int], dict[str, Any]]) -> float:
        return exponent(sizes, [slot_s(**settings(n)) for n in sizes])

    emulation = load("paper").build(seed=1, estimator=None, scoring=False)
    return {
        "peak_mib": peak_mib(lambda: emulation.run(10)),
        "exponent_aps": growth([6, 12, 24], lambda n: {"access_points.count": n, "schedule.n_receivers": n // 2}),
        "exponent_antennas": growth([4, 8, 16 * far], lambda n: {"access_points.n_antennas": n}),
        "exponent_ues": growth([5, 10, 20 * far], lambda n: {"user_equipment.count": n}),
        "exponent_targets": growth([2, 8, 32], lambda n: {"targets": [{"rcs_dbsm": 0.0}] * n}),
    }


EXTRAS: Mapping[str, Callable[[bool], dict[str, Any]]] = {
    "bounds": _bounds_extra,
    "selection": _selection_extra,
    "emulator": _emulator_extra,
}


# -- the run and its table -------------------------------------------------------------------------------------------


def run(quick: bool, report: Callable[[str], None]) -> dict[str, Any]:
    """Return machine, results of all kernels by name, and the rows of the table; ``report`` gets a line a kernel."""
    start, kernels = time.perf_counter(), {}
    with threadpool_limits(limits=1):
        for module in KERNELS:
            began = time.perf_counter()
            result = importlib.import_module(f"benchmarks.{module}").run(quick)
            name = result.pop("name")
            kernels[name] = {**result, **EXTRAS.get(name, lambda quick: {})(quick)}
            report(f"{name}: {time.perf_counter() - began:.0f} s")
    return {
        "quick": quick,
        "machine": machine(),
        "wall_s": time.perf_counter() - start,
        "rows": [
            row_data(row, kernels[row.kernel]) for row in ROWS if _at(kernels[row.kernel], row.figure) is not None
        ],
        "kernels": kernels,
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
    }


def _processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def row_data(row: Row, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the table as plain data; ``met``: whether all of its aims are."""
    figure, ratio, low, high = (_at(result, path) for path in (row.figure, row.ratio, row.low, row.high))
    assert figure is not None
    reached = []
    if row.aim is not None:
        rate = row.unit.endswith("/s")
        worse = low if rate else high
        worst = figure if worse is None else worse
        reached.append(worst >= row.aim if rate else worst <= row.aim)
    if row.aim_ratio is not None and ratio is not None:
        reached.append(ratio >= row.aim_ratio)
    return {
        "what": row.what, "figure": figure, "low": low, "high": high,
        "unit": row.unit, "aim": row.aim, "plain": _at(result, row.plain),
        "ratio": ratio, "aim_ratio": row.aim_ratio, "met": all(reached) if reached else None,
        "peak_mib": _at(result, row.peak), "growth": {k: _at(result, path) for k, path in row.growth.items()},
    }  # fmt: skip


def _at(result: Mapping[str, Any], path: str | None) -> float | None:
    """Return the number that a path of keys leads to, None if there is none; keys may be numbers."""
    here: Any = result if path else None
    for key in (path or "").split("/"):
        if here is None:
            return None
        here = here.get(key, here.get(int(key)) if key.isdigit() else None)
    return here


def table(data: Mapping[str, Any]) -> Table:
    """Return the table of a run."""
    columns = ("kernel", "takes", "aim", "plain way", "ratio", "aim", "peak MiB", "grows as", "")
    result = Table(*columns[:1], title="process CPU time, one BLAS thread")
    for name in columns[1:]:
        result.add_column(name, justify="right" if name not in ("grows as", "") else "left")
    for row in data["rows"]:
        growth = " ".join(f"{k}^{v:.1f}" for k, v in row["growth"].items() if v is not None)
        met = {True: "met", False: "missed", None: ""}[row["met"]]
        result.add_row(
            row["what"], _taken(row), _short(row["aim"]), _short(row["plain"]),
            _short(row["ratio"]), _short(row["aim_ratio"]), _short(row["peak_mib"]), growth, met,
        )  # fmt: skip
    return result


def _taken(row: Mapping[str, Any]) -> str:
    """Return the figure with its unit, and its interval if it has one."""
    interval = "" if row["low"] is None else f" ({_short(row['low'])}, {_short(row['high'])})"
    return f"{_short(row['figure'])}{interval} {row['unit']}"


def _short(number: float | None) -> str:
    """Return a number with three digits, nothing for none."""
    if number is None:
        return ""
    return f"{number:.0f}" if abs(number) >= 100.0 else f"{number:.3g}"
