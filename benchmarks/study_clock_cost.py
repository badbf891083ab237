"""What clocks and their calibration add to the time of a slot.

    python -m benchmarks.study_clock_cost

The paper's scenario, without estimator, scores and trace, as it is; with an oscillator in every access point; and with
calibrations over the direct paths besides, whose CPIs of pilots count as others do. All live in one process and take
turns of a few CPIs. Figures are medians of the process CPU time of a turn, and of its ratio to the turn before.
"""

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.studies import count, new_file, report
from emulator import Emulation
from scenarios import load

CPIS = 20
"""Of a turn."""
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "clocks": {"oscillators.preset": "ocxo"},
    "clocks and calibration": {
        "oscillators.preset": "ocxo", "calibration.kind": "direct-path", "calibration.period_s": 0.06,
    },
}  # fmt: skip


def emulations() -> dict[str, Emulation]:
    """Return an emulation of each setting, warm."""
    made = {
        name: load("paper", keys).build(seed=1, estimator=None, scoring=False, tracing=False)
        for name, keys in SETTINGS.items()
    }
    for emulation in made.values():
        emulation.run(CPIS)
    return made


def turn_s(emulation: Emulation) -> float:
    """Return the process CPU time of some CPIs."""
    start = time.process_time()
    emulation.run(CPIS)
    return time.process_time() - start


def rows(turns: int) -> list[dict[str, Any]]:
    """Return what each setting takes."""
    taking_turns = emulations()
    took = {name: np.empty(turns) for name in taking_turns}
    for i in range(turns):
        for name, emulation in taking_turns.items():
            took[name][i] = turn_s(emulation)
    plain, slots = took["as it is"], CPIS * next(iter(taking_turns.values())).frame.n_slots
    return [
        {
            "setting": name,
            "slots/s": slots / np.median(each),
            "time over that as it is": np.median(each / plain),
        }
        for name, each in took.items()
    ]


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=count, default=40, help="turns of each setting")
    parser.add_argument("--out", type=new_file, help="write the table as JSON")
    options = parser.parse_args()
    started = time.perf_counter()
    report(options, {"Clocks": rows(options.turns)}, started, "1")


if __name__ == "__main__":
    main()
