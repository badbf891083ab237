"""Position error against calibration period, emulated, over the bound of an estimator that knows the law of the clocks.

    python -m benchmarks.study_calibration_period --trials 400 --workers 2 --out results/calibration-period.json

The scenario of `dmimo figure calibration` without UEs: random layouts, one target, 40 dBm, ten snapshots a slot. Clocks
are exact at time 0 and run for the period; then one CPI is emulated. Trial i has the seed [seed, i], whatever clock and
period are: the same layout, waveform and noise. Estimators are told the lobe: nothing is said here of finding it.

With --survey-mm the clocks are exact for ever, and the survey of the access points has these errors in each coordinate.

Columns, for phases that are estimated along with the target, against the hybrid bound, and for phases that are taken
for exact, against the error of ignoring them, to first order:

    n        trials above threshold: five bounds are less than a quarter of a wavelength; the others are left out
    (mm)     root mean square of the bound over these
    far      of these, how many end further than a quarter of a wavelength off; they are left out of the ratio
    ratio    root mean square of error over bound, with its 95 % bootstrap interval
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.studies import RIGHT_LOBE, bootstrap, command_line, outcomes, report, root_mean_square
from benchmarks.study_phase_estimation import local
from scenarios.figures.common import realization_seed
from scenarios.figures.figure_calibration import ESTIMATORS, PERIODS_S, RIGHT_WAVELENGTHS, aged, study_scenario
from scenarios.file.scenario import Scenario

Float = NDArray[np.float64]
Case = tuple[dict[str, Any], Scenario]
"""What stands before a row, and what is emulated for it."""


def trial(seed: int, index: int, scenario: Scenario) -> Float:
    """Return error and bound of each of `ESTIMATORS` over the error that is just in the right lobe, shape (2, 2).

    The error is NaN below threshold.
    """
    emulation = scenario.build(realization_seed(seed, index), tracing=False, estimator=None)
    cpi = next(emulation.cpis(1))
    assert cpi.observation is not None, "nothing is lost on the paper's fronthaul"
    right_m = RIGHT_WAVELENGTHS * emulation.network.wavelength_m
    bounds_m = {"hybrid": cpi.peb_hybrid_m[0], "ignoring": cpi.error_ignoring_m[0]}
    found = np.array([(np.nan, bounds_m[bound]) for bound in ESTIMATORS.values()])
    for one, phases in zip(found, ESTIMATORS, strict=True):
        if RIGHT_LOBE * one[1] < right_m:
            one[0] = local(cpi.truth_m, cpi.observation, phases)[0]
    return found / right_m


def ratios(trials: Float) -> tuple[Float, Float]:
    """Return the bounds of trials of one estimator, shape (n, 2), above threshold, and error over bound if not far."""
    error, bound = trials[np.isfinite(trials[:, 0])].T
    return bound, (error / bound)[error < 1.0]


def row(trials: Float, right_mm: float) -> dict[str, Any]:
    """Return the columns of all estimators for trials of shape (n, 2, 2)."""
    cells: dict[str, Any] = {}
    for of_one, (phases, bound) in zip(trials.swapaxes(0, 1), ESTIMATORS.items(), strict=True):
        bounds, found = ratios(of_one)
        value, interval = bootstrap(found, root_mean_square) if len(found) else (None, None)
        cells[f"{phases}: n"] = len(bounds)
        cells[f"{bound} (mm)"] = right_mm * float(root_mean_square(bounds)) if len(bounds) else None
        cells[f"{phases}: far"] = len(bounds) - len(found)
        cells[f"{phases}: ratio"] = value
        cells[f"{phases}: 95 %"] = interval
    return cells


def clocked(scenario: Scenario, presets: list[str]) -> list[Case]:
    """Return the scenarios of clocks that have run for each of their periods."""
    cases = [(preset, period_s) for preset in presets for period_s in PERIODS_S[preset]]
    return [({"clock": preset, "period (s)": period_s}, aged(scenario, preset, period_s)) for preset, period_s in cases]


def surveyed(scenario: Scenario, errors_mm: list[float]) -> list[Case]:
    """Return the scenarios whose access points are not exactly where the survey has them."""
    return [({"survey (mm)": mm}, scenario.with_({"access_points.survey_std_m": 1e-3 * mm})) for mm in errors_mm]


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=400, seed=51)
    parser.add_argument("--preset", nargs="+", choices=list(PERIODS_S), default=list(PERIODS_S))
    parser.add_argument("--survey-mm", nargs="+", type=float, default=[], help="of the survey; in place of clocks")
    options = parser.parse_args()
    started = time.perf_counter()
    scenario, n = study_scenario().with_({"user_equipment.count": 0}), options.trials
    right_mm = 1e3 * RIGHT_WAVELENGTHS * scenario.build(1, estimator=None).network.wavelength_m
    cases = surveyed(scenario, options.survey_mm) or clocked(scenario, options.preset)
    jobs = [(options.seed, i, case) for _, case in cases for i in range(n)]
    trials = np.array(outcomes(trial, jobs, options.workers)).reshape(len(cases), n, 2, 2)
    rows = [heading | row(found, right_mm) for (heading, _), found in zip(cases, trials, strict=True)]
    report(options, {"Error over bound": rows}, started, f"[{options.seed}, 0..{n - 1}]")


if __name__ == "__main__":
    main()
