"""What a stripe would lose, and spare, that sums maps of the area on its way in place of passing statistics on.

Each receiver adds its non-coherent map T_r(p) = sum_t |v_rt(p)|^2 / K_rt(p) to what comes from farther out, and passes
one map on: equal steps up to its largest value, anew at each hop, and that value in 32 bits. The load of a hop is that
of a map, whatever lies behind it. Statistics Z of so many bits a number are passed on unsummed: the hop next to the
central processor carries those of all receivers. Power of the transmitters, one target a trial, 6 receivers of 12 APs.

    kbit           of the hop that carries most, without headers
    found          share of trials in which the highest point is above the threshold, and within 50 m of the target
    rms error      of those, from the vertex of a parabola through its neighbours, m
    break-even     receivers behind a hop from which on a map is smaller than their statistics

The bounds say what the statistics allow: "structured" with the phases of all pairs, "non-coherent" without, as in a
map. Not modelled: messages, and the deadlines of a chain in which each waits for the next. Trial i is seeded by
[seed, i], the same for all steps and bits.

    python -m benchmarks.study_summed_map --trials 100 --workers 2
"""

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import command_line, outcomes, report, root_mean_square, share
from emulator.messages import StatisticsReport
from models.bounds.fisher import target_bounds_m
from models.estimation.area_map import top_m
from models.estimation.detection import map_threshold
from models.estimation.likelihood import Echoes, grid_phasors, noncoherent_power
from models.observation import Observation
from models.units import dbm_to_w
from tests.simulate import Truth, observe, random_truth

STEPS_M = (5.0, 10.0, 20.0, 40.0)
BITS = (4, 6, 8, 12)
STATISTICS_BITS = 8
GATE_M = 50.0
SCALE_BITS = 32
Float = NDArray[np.float64]


def maps_of(observation: Observation, step_m: float) -> list[Float]:
    """Return the map of each receiver alone."""
    echoes = Echoes.of(observation)
    _, phasor = grid_phasors(observation.network, observation.area, step_m)
    everyone = np.arange(len(echoes.transmitters))
    alone = (
        replace(
            echoes,
            receivers=echoes.receivers[[r]],
            cross=echoes.cross[[r]],
            gram=echoes.gram if echoes.gram.shared else echoes.gram.of_pairs(np.array([r]), everyone),
        )
        for r in range(len(echoes.receivers))
    )
    return [noncoherent_power(one, phasor).astype(float) for one in alone]


def summed(maps: list[Float], n_bits: int) -> Float:
    """Return the sum of maps as it arrives, each partial sum in equal steps up to its largest value."""
    total = np.zeros_like(maps[0])
    for one in maps:
        total = total + one
        step = total.max() / (2**n_bits - 1)
        total = np.round(total / step) * step
    return total


def highest_m(observation: Observation, power: Float, step_m: float) -> Float:
    """Return the highest point of a map, between points by a parabola along each axis."""
    x, y = observation.area.grid(step_m)
    return top_m(observation.area, step_m, power.reshape(len(y), len(x)), int(np.argmax(power)))


def trial(seed: int, index: int, power_dbm: float) -> dict[str, Any]:
    """Return the bounds, and the error by each map; None where nothing was found."""
    rng = np.random.default_rng([seed, index])
    truth = random_truth(rng, 1)
    observation = observe(rng, truth, power_w=dbm_to_w(power_dbm))
    rows: dict[str, Any] = {kind: _bound_m(truth, observation, kind) for kind in ("structured", "non-coherent")}
    for step_m in STEPS_M:
        maps = maps_of(observation, step_m)
        threshold = map_threshold(Echoes.of(observation), observation.area, step_m, 1e-3)
        for n_bits in BITS:
            total = summed(maps, n_bits)
            error_m = float(np.linalg.norm(highest_m(observation, total, step_m) - truth.targets_m[0]))
            rows[f"{step_m}, {n_bits}"] = error_m if total.max() > threshold and error_m < GATE_M else None
    return rows


def _bound_m(truth: Truth, observation: Observation, kind: str) -> float:
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    return float(target_bounds_m(*scene, observation.gram, observation.noise_power_w, kind)[0])


def cells(trials: list[dict[str, Any]], observation: Observation) -> list[dict[str, Any]]:
    """Return a row for every step and number of bits."""
    rows = []
    report_bits = statistics_bits(observation, STATISTICS_BITS)
    for step_m in STEPS_M:
        for n_bits in BITS:
            errors = [found[f"{step_m}, {n_bits}"] for found in trials]
            good = np.array([error for error in errors if error is not None])
            map_bits = np.prod([len(axis) for axis in observation.area.grid(step_m)]) * n_bits + SCALE_BITS
            rows.append({
                "step m": step_m, "bits": n_bits, "kbit": round(map_bits / 1e3, 1),
                "break-even": round(map_bits / report_bits, 1), "found": share(len(good), len(errors)),
                "rms error m": round(float(root_mean_square(good)), 2) if len(good) else None,
            })  # fmt: skip
    return rows


def statistics_bits(observation: Observation, n_bits: int) -> int:
    """Return the bits of a report of statistics, without header and slot positions."""
    cross = observation.cross[0]
    return StatisticsReport("ap-0", "central", 0, (), (), cross, 0.0, n_bits=n_bits).content_bits


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=100, seed=5)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=[20.0, 30.0])
    options = parser.parse_args()
    started, tables = time.perf_counter(), {}
    rng = np.random.default_rng(options.seed)
    example = observe(rng, random_truth(rng, 1))
    for power_dbm in options.power_dbm:
        trials = outcomes(trial, [(options.seed, i, power_dbm) for i in range(options.trials)], options.workers)
        tables[f"{power_dbm:g} dBm: maps"] = cells(trials, example)
        tables[f"{power_dbm:g} dBm: bounds, rms m"] = [
            {
                kind: float(root_mean_square(np.array([t[kind] for t in trials])))
                for kind in ("structured", "non-coherent")
            }
        ]
    every = len(example.energy)
    tables["Statistics, kbit of the last hop"] = [
        {"bits": b, "kbit": round(every * statistics_bits(example, b) / 1e3, 1)} for b in (STATISTICS_BITS, 16, 32, 64)
    ]
    report(options, tables, started, f"{options.seed}, 0..{options.trials - 1}")


if __name__ == "__main__":
    main()
