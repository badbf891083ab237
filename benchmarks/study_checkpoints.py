"""What a checkpoint costs as a run grows: time to write it, and what lies on the disk then.

    python -m benchmarks.study_checkpoints

`paper` without an estimator, seed 1, and a checkpoint each 100 CPIs, as ``dmimo run --checkpoint-every 100`` writes it.
Times are process CPU time of this machine; reading is done once, from the last one.
"""

import argparse
import tempfile
import time
from pathlib import Path

from emulator.emulation import Emulation
from emulator.journal import beside
from emulator.results import CpiResults
from emulator.trace import Tracing
from scenarios import load
from scenarios.commands.checkpoints import Checkpoints
from scenarios.output.folders import OutputFolder

EVERY = 100


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cpis", type=int, nargs="+", default=[100, 1000, 4000], help="show the checkpoints after these"
    )
    shown = parser.parse_args().cpis
    print(f"{'CPIs':>5}  {'run':>7}  {'checkpoint':>10}  {'state':>8}  {'beside it':>9}")
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = _checkpoints(Path(folder))
        emulation, cpis, run_s = _emulation(folder), CpiResults(), 0.0
        for _ in range(max(shown)):
            before_s = time.process_time()
            cpis.append(next(emulation.cpis(1)))
            run_s += time.process_time() - before_s
            keep_s = _keep_s(checkpoints, emulation, cpis)
            if len(cpis) in shown:
                _say(len(cpis), run_s, keep_s, checkpoints.path)
        before_s = time.process_time()
        _emulation(folder).load(checkpoints.path)
        print(f"reading the last one: {time.process_time() - before_s:.2f} s")


def _checkpoints(folder: Path) -> Checkpoints:
    output = OutputFolder(path=folder, command="run", names=("result.json",), settings={})
    return Checkpoints.of(output, EVERY, False)


def _emulation(folder: str) -> Emulation:
    return load("paper").build(1, estimator=None, tracing=Tracing(folder=Path(folder)))


def _keep_s(checkpoints: Checkpoints, emulation: Emulation, cpis: CpiResults) -> float:
    before_s = time.process_time()
    checkpoints.keep(emulation, cpis)
    return time.process_time() - before_s


def _say(n_cpis: int, run_s: float, keep_s: float, path: Path) -> None:
    sizes = f"{path.stat().st_size / 1e3:>5.0f} kB  {beside(path).stat().st_size / 1e6:>6.2f} MB"
    print(f"{n_cpis:>5}  {run_s:>5.1f} s  {1e3 * keep_s:>7.1f} ms  {sizes}")


if __name__ == "__main__":
    main()
