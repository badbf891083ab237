"""What it costs to be told what happens: slots per second of a run alone, called back, and watched.

    python -m benchmarks.study_watching

`paper` without an estimator and without scoring, seed 1. Process CPU time of this machine, the best of some runs, the
ways in turn.
"""

import argparse
import time
from collections.abc import Callable

from emulator import CpiPublished, Emulation
from scenarios import load


def _alone(emulation: Emulation, n_cpis: int) -> None:
    emulation.run(n_cpis)


def _called_back(emulation: Emulation, n_cpis: int) -> None:
    emulation.on(CpiPublished, lambda published: None)
    emulation.run(n_cpis)


def _watched(emulation: Emulation, n_cpis: int) -> None:
    for _ in emulation.events(n_cpis):
        pass


WAYS: dict[str, Callable[[Emulation, int], None]] = {
    "run alone": _alone, "called back on each CPI": _called_back, "watched": _watched,
}  # fmt: skip


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpis", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=6)
    asked = parser.parse_args()
    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(asked.repeats):
        for name, way in WAYS.items():
            best[name] = max(best[name], _slots_per_second(way, asked.cpis))
    for name, rate in best.items():
        print(f"{name:>23}  {rate:>6.0f} slots/s")


def _slots_per_second(way: Callable[[Emulation, int], None], n_cpis: int) -> float:
    emulation = load("paper").build(seed=1, estimator=None, scoring=False)
    emulation.run(5)
    before_s = time.process_time()
    way(emulation, n_cpis)
    return n_cpis * emulation.frame.n_slots / (time.process_time() - before_s)


if __name__ == "__main__":
    main()
