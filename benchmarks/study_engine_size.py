"""Emulation without estimation as the network and the run grow: time and memory, against another checkout in one run.

    python -m benchmarks.study_engine_size --aps 12 50 100 300 1000 --against ../before --out results/engine-size.json

Every cell is a process of its own with one BLAS thread: the paper's scenario with half of the APs receiving, without
estimator and scoring. "s a CPI" is the smallest process CPU time of some runs; "peak" the largest resident memory of
the process. Cells of the two checkouts take turns, so that ratios hold on a busy machine. The
second table is a network of six APs over 1,000 and ten times as many CPIs, without a trace.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.studies import count, new_file, report, run_checkout
from benchmarks.workload import exponent

SLOTS = 400
"""Of a timed run, and a CPI at least: a CPI has a slot for each transmitter."""
HERE = Path(__file__).resolve().parent.parent
CELL = """
import sys, time
from pathlib import Path
try:
    from scenarios.files import load  # as it was called in version 0.1.0
except ImportError:
    from scenarios.file.files import load
n_aps, n_cpis, tracing = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "traced"
scenario = load("paper", {"access_points.count": n_aps, "schedule.n_receivers": n_aps // 2})
emulation = scenario.build(seed=1, estimator=None, scoring=False, **({} if tracing else {"tracing": False}))
seconds = []
for _ in range(int(sys.argv[4])):
    start = time.process_time()
    emulation.run(n_cpis)
    seconds.append((time.process_time() - start) / n_cpis)
peak_kib = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(min(seconds), int(peak_kib) / 1024)
"""


def cell(checkout: Path, n_aps: int, n_cpis: int, n_runs: int, traced: bool) -> tuple[float, float]:
    """Return CPU time of a CPI in s and peak memory in MiB of a process that emulates with the code of a checkout."""
    done = run_checkout(checkout, CELL, n_aps, n_cpis, "traced" if traced else "untraced", n_runs)
    seconds, peak_mib = map(float, done.stdout.split())
    return seconds, peak_mib


def size_row(n_aps: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the row of a network size."""
    checkouts = [HERE] + ([options.against] if options.against else [])
    n_cpis = max(1, SLOTS // (n_aps // 2))
    best: list[tuple[float, float]] = [(float("inf"), 0.0)] * len(checkouts)
    for _ in range(options.repeats):
        for i, checkout in enumerate(checkouts):
            seconds, peak_mib = cell(checkout, n_aps, n_cpis, 1 + options.runs, options.traced)
            best[i] = min(best[i][0], seconds), max(best[i][1], peak_mib)
    row: dict[str, Any] = {"APs": n_aps, "s a CPI": best[0][0], "peak MiB": round(best[0][1])}
    if options.against:
        row |= {"before": best[1][0], "ratio": best[1][0] / best[0][0], "peak before": round(best[1][1])}
    return row


def length_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of the length of a run."""
    rows = []
    for n_cpis in (options.long, 10 * options.long):
        row: dict[str, Any] = {"CPIs": n_cpis, "peak MiB": cell(HERE, 6, n_cpis, 1, False)[1]}
        if options.against:
            row["peak before"] = cell(options.against, 6, n_cpis, 1, False)[1]
        rows.append(row)
    return rows


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aps", type=count, nargs="+", default=[12, 50, 100, 300])
    parser.add_argument("--runs", type=count, default=3, help="timed runs of a process, after one to warm up")
    parser.add_argument("--repeats", type=count, default=2, help="processes a cell")
    parser.add_argument("--traced", action="store_true", help="with the trace")
    parser.add_argument("--long", type=int, default=1000, help="CPIs of the shorter long run; 0: none")
    parser.add_argument("--against", type=lambda text: Path(text).resolve(), help="the top folder of another checkout")
    parser.add_argument("--out", type=new_file, help="write the tables as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    rows = [size_row(n_aps, options) for n_aps in options.aps]
    tables = {"Networks": rows}
    if len(rows) > 1:
        print(f"grows as M^{exponent([row['APs'] for row in rows], [row['s a CPI'] for row in rows]):.2f}")
    if options.long > 0:
        tables["Long runs of six APs"] = length_rows(options)
    options.against = str(options.against) if options.against else None
    report(options, tables, started, "1")


if __name__ == "__main__":
    main()
