"""What a sweep costs beside its tasks: CPU time of handing out and writing down, how busy workers are, memory.

    python -m benchmarks.study_sweep --what bound --trials 10000
    python -m benchmarks.study_sweep --what run --trials 400

`paper`, one setting. Each row is a fan-out of its own, its log included. *Tasks* is their process CPU time, as measured
around each of them in its worker; *beside* what the parent and the workers took more than that, their imports included,
over it; *busy* the share of the wall time that the workers spent in tasks, the first and the last second with all that
is loaded included. If others use the machine, too, CPU times and *busy* still tell of the fan-out; wall times do not.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.studies import count
from scenarios import load
from scenarios.fan_out import each_done, local_pool
from scenarios.sweeps.experiments import EXPERIMENTS
from scenarios.sweeps.log import TaskLog, first_line
from scenarios.sweeps.plan import Plan, Task
from scenarios.sweeps.sweep import _attempt

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=list(EXPERIMENTS), default="bound")
    parser.add_argument("--trials", type=count, default=10_000)
    parser.add_argument("--workers", type=count, nargs="+", default=[2])
    asked = parser.parse_args()
    print("workers  trials      wall     tasks    a task  beside   busy  memory grew")
    for workers in asked.workers:
        print(_row(Plan(scenario=load("paper"), over={}, what=asked.what, trials=asked.trials), workers), flush=True)


def _row(plan: Plan, workers: int) -> str:
    tasks, before, begun_s = plan.tasks(), set(_children()), time.perf_counter()
    own_s, cpu_s, busy_s, memory = time.process_time(), 0.0, 0.0, []
    with tempfile.TemporaryDirectory() as folder, local_pool(workers, len(tasks)) as pool:
        path = Path(folder) / "tasks.log"
        path.write_text(first_line("study"), encoding="utf-8")
        with TaskLog(path) as log:
            for _, (entry, cpu, wall) in each_done(partial(_timed, plan), tasks, pool):
                log.append(entry)
                cpu_s, busy_s = cpu_s + cpu, busy_s + wall
                memory.append(_memory_mb())
        wall_s, own_s = time.perf_counter() - begun_s, time.process_time() - own_s
        spent_s = own_s + sum(_cpu_s(pid) for pid in _children() if pid not in before)
    early = memory[len(memory) // 10]
    return (
        f"{workers:>7}  {len(tasks):>6}  {wall_s:>6.1f} s  {cpu_s:>6.1f} s  {1e3 * cpu_s / len(tasks):>5.1f} ms"
        f"  {spent_s / cpu_s - 1.0:>6.1%}  {busy_s / (workers * wall_s):>5.1%}  {max(memory) - early:>8.1f} MB"
    )


def _timed(plan: Plan, task: Task) -> tuple[dict[str, Any], float, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    entry = _attempt(plan.scenario, plan.plugins, plan.what, task)
    return entry, time.process_time() - cpu_s, time.perf_counter() - wall_s


def _memory_mb() -> float:
    """Return what this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _children() -> Iterator[int]:
    """Yield the processes that this one has started and that are still there."""
    for path in Path("/proc/self/task").glob("*/children"):
        yield from map(int, path.read_text().split())


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) * TICK_S


if __name__ == "__main__":
    main()
