"""What a stripe carries that sums maps on its way, and what is found by them: the split as it is emulated.

Bits of a CPI over the link that carries most of them, headers included, on a stripe of 16 APs of which 4 transmit and
4, 8 or 12 receive: reports, and all that goes inward (with records of what was radiated) and outward (plans with data,
records). Read from the trace of the second CPI.

    found          share of trials in which the strongest position published is within 50 m of the one target
    rms error      of those, m
    false          positions published in a trial that are farther from it

For the latter 6 receivers of 12 APs on a stripe, as ``study_summed_map`` has them, which works out what the same maps
would give without a network. Trial i is the scenario with seed ``seed`` + i, a CPI each.

    python -m benchmarks.study_summed_split --trials 100 --workers 2
"""

import time
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.studies import command_line, outcomes, report, root_mean_square, share
from emulator.journeys import Journeys
from scenarios import load

GATE_M = 50.0
STRIPE = {
    "fronthaul.topology": "stripe",
    "fronthaul.deadline_s": 20e-3,
    "schedule.lead_s": 2e-3,
    "targets": [{}],
}
TRANSMITTERS = (0, 5, 10, 15)
RECEIVERS = (4, 8, 12)
STATISTICS = {"fronthaul.split": "statistics"}
MAPS = {"fronthaul.split": "summed-map", "estimator.kind": "map"}
SPLITS: dict[str, dict[str, Any]] = {
    "statistics, 64 bits": STATISTICS,
    "statistics, 8 bits": STATISTICS | {"fronthaul.statistics_bits": 8},
    "summed map, 10 m, 8 bits": MAPS,
    "summed map, 20 m, 6 bits": MAPS | {"fronthaul.map_step_m": 20.0, "fronthaul.map_bits": 6},
}
REPORTS = ("StatisticsReport", "MapReport")


def load_of(split: str, n_receivers: int) -> dict[str, Any]:
    """Return the kbit of a CPI over the busiest links."""
    others = [i for i in range(16) if i not in TRANSMITTERS]
    chosen = [others[i] for i in np.linspace(0, len(others) - 1, n_receivers).round().astype(int)]
    roles = {"selector.kind": "fixed", "selector.transmitters": list(TRANSMITTERS), "selector.receivers": chosen}
    scenario = load("paper", STRIPE | SPLITS[split] | roles | {"access_points.count": 16})
    result = scenario.build(seed=1, scoring=False).run(2)
    assert all(cpi.reports_fused == cpi.reports_expected for cpi in result.cpis), "nothing is lost"
    assert result.trace is not None
    way, bits = Journeys(result.trace.data()), Counter[tuple[str, str]]()
    for sent in way.messages(cpi=1):
        for hop in way.hops(sent.number):
            first, _, second = hop.link.partition("->")
            outward = first == "central" or (second != "central" and int(first[3:]) < int(second[3:]))
            kinds = ["outward"] if outward else ["inward", *(["reports"] if sent.what in REPORTS else [])]
            bits.update({(kind, hop.link): sent.bits for kind in kinds})
    most = {kind: max(n for (of, _), n in bits.items() if of == kind) for kind in ("reports", "inward", "outward")}
    return {"split": split, "receivers": n_receivers, **{kind: round(n / 1e3, 1) for kind, n in most.items()}}


def trial(split: str, seed: int, power_dbm: float) -> tuple[float, int]:
    """Return the error of the strongest position in a CPI, and how many are false."""
    settings = {"radio.transmit_power_dbm": power_dbm, "user_equipment.count": 0}
    scenario = load("paper", STRIPE | SPLITS[split] | settings)
    cpi = scenario.build(seed=seed, tracing=False).run(1).cpis[0]
    away_m = np.linalg.norm(cpi.estimate.positions_m - cpi.truth_m[0], axis=1)
    return float(away_m[0]) if len(away_m) else np.inf, int((away_m >= GATE_M).sum())


def found_by(split: str, power_dbm: float, options: Any) -> dict[str, Any]:
    """Return how often a target was found, and how exactly."""
    jobs = [(split, options.seed + i, power_dbm) for i in range(options.trials)]
    errors, false = np.array(outcomes(trial, jobs, options.workers)).T
    good = errors[errors < GATE_M]
    return {
        "split": split,
        "dBm": power_dbm,
        "found": share(len(good), len(errors)),
        "rms error m": round(float(root_mean_square(good)), 2) if len(good) else None,
        "false": float(false.mean()),
    }


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=100, seed=1)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=[20.0, 30.0])
    options = parser.parse_args()
    started = time.perf_counter()
    maps = [split for split in SPLITS if split.startswith("summed")]
    tables = {
        "kbit a CPI of the busiest links": [load_of(split, n) for split in SPLITS for n in RECEIVERS],
        "What is found": [found_by(split, power, options) for power in options.power_dbm for split in maps],
    }
    report(options, tables, started, f"{options.seed}..{options.seed + options.trials - 1}")


if __name__ == "__main__":
    main()
