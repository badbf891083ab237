"""The bounds of a scenario's targets as the network grows: time and memory of `dmimo bound`, against another checkout.

    python -m benchmarks.study_bound_size --aps 12 100 300 --against ../before --out results/bound-size.json

Every cell is the whole command, from its start to its end, in a process of its own with one BLAS thread: the paper's
scenario with half of the APs receiving. "s" is the smallest process CPU time of some runs; "peak" the largest
resident memory, of that process alone (VmHWM of Linux; ru_maxrss would count the one that started it). Cells of the two
checkouts take turns, so that ratios hold on a busy machine. "apart" is the largest relative difference between the
bounds that the two print.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.studies import count, new_file, report, run_checkout

HERE = Path(__file__).resolve().parent.parent
ILLUMINATIONS = ("sensing", "full")
CELL = """
import resource, runpy, sys
from pathlib import Path
try:
    runpy.run_module("scenarios", run_name="__main__", alter_sys=True)
finally:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak_kib = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(usage.ru_utime + usage.ru_stime, int(peak_kib) / 1024, file=sys.stderr)
"""


class Cell(NamedTuple):
    """What the command took in a process."""

    seconds: float
    peak_mib: float
    bounds_m: tuple[float, ...]


def command(n_aps: int, illumination: str) -> list[str]:
    """Return the options of the command for a network."""
    keys = {
        "access_points.count": n_aps,
        "schedule.n_receivers": n_aps // 2,
        "radio.illumination": f'"{illumination}"',
    }
    return ["bound", "paper", "--json", *(part for key, value in keys.items() for part in ("--set", f"{key}={value}"))]


def cell(checkout: Path, n_aps: int, illumination: str) -> Cell:
    """Return what the command takes with the code of a checkout."""
    done = run_checkout(checkout, CELL, *command(n_aps, illumination))
    seconds, peak_mib = map(float, done.stderr.split()[-2:])
    return Cell(seconds, peak_mib, tuple(_bounds_m(json.loads(done.stdout))))


def _bounds_m(found: dict[str, Any]) -> Iterator[float]:
    for row in found["targets"] + found["joint"]:
        yield from (row[f"peb_{kind}_m"] for kind in ("coherent", "noncoherent"))


def best(cells: list[Cell]) -> Cell:
    """Return the smallest time and the largest memory of some runs."""
    return Cell(min(one.seconds for one in cells), max(one.peak_mib for one in cells), cells[0].bounds_m)


def row(n_aps: int, illumination: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a network."""
    checkouts = [HERE] + ([options.against] if options.against else [])
    runs = [[cell(checkout, n_aps, illumination) for checkout in checkouts] for _ in range(options.repeats)]
    now, *other = (best(list(cells)) for cells in zip(*runs, strict=True))
    values: dict[str, Any] = {"APs": n_aps, "illumination": illumination, "s": now.seconds, "peak MiB": now.peak_mib}
    for before in other:
        apart = max(abs(a / b - 1.0) for a, b in zip(now.bounds_m, before.bounds_m, strict=True))
        ratio = before.seconds / now.seconds
        values |= {"before": before.seconds, "ratio": ratio, "peak before": before.peak_mib, "apart": apart}
    return values


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aps", type=count, nargs="+", default=[12, 100, 300])
    parser.add_argument("--repeats", type=count, default=3, help="processes a cell")
    parser.add_argument("--against", type=lambda text: Path(text).resolve(), help="the top folder of another checkout")
    parser.add_argument("--out", type=new_file, help="write the table as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    rows = [row(n_aps, illumination, options) for n_aps in options.aps for illumination in ILLUMINATIONS]
    options.against = str(options.against) if options.against else None
    report(options, {"Networks": rows}, started, "1")


if __name__ == "__main__":
    main()
