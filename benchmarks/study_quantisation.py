"""Position error against the bits of a real number on the fronthaul, for every quantiser, with the direct path present.

Echoes reach a receiver far below the noise, but the signal that it quantises is the direct path from the transmitter,
tens of dB above: DNR, its power over the noise. The direct path is known and taken away after the link; the error of
its quantisation stays. With an error of SQNR below the signal the noise grows by 1 + 10^((DNR - SQNR)/10), so 0.4 dB
are lost at SQNR = DNR + 10 dB. Block floating point has 6.02 bits - 6 dB: the knee is expected at (DNR + 16) / 6.02.

    rms error     of the lobe that the target is in, over its bound at full precision, structured amplitudes
    shift         rms of how far quantisation moves the estimate, over the same bound
    predicted     rms error from the noise that the formula gives each receiver, SQNR measured, antennas independent
    told          thermal noise and the error power that the quantiser tells, over thermal noise, dB, mean
    right lobe    share of trials in which the global maximum of the likelihood is off by less than five bounds

The knee is the least number of bits that costs less than 0.4 dB of rms error, the thermal part of which is taken at
its bound: sqrt(1 + shift^2) beside 1. Trial i of a power is seeded by [seed, i], the same for all bits and quantisers.

    python -m benchmarks.study_quantisation --trials 40 --workers 2
"""

import argparse
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimator_table import best_possible_m
from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, root_mean_square, share
from models.bounds.fisher import target_bounds_m
from models.estimation.likelihood import Echoes
from models.estimation.scene import Found, Scene
from models.observation import Observation
from models.radio import QUANTISERS
from models.radio.quantisation import Quantiser
from models.radio.sensing import leg_response
from models.units import dbm_to_w
from scenarios.file.plugins import make
from tests.simulate import NOISE_W, Truth, normals, random_truth, receive, summarise, waveform

BITS = (5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
KNEE_DB = 0.4
N_SNAPSHOTS = 10
Complex = NDArray[np.complex128]


def direct_path(truth: Truth, samples: Complex) -> Complex:
    """Return what the receivers hear of the transmitters themselves in free space, shape (n_rx, N, snapshots)."""
    a, network = truth.assignment, truth.network
    places = network.ap_positions_m
    towards = leg_response(network, places[a.receivers], a.transmitters)
    back = leg_response(network, places[a.transmitters], a.receivers)
    back = back / np.abs(back)
    gain = network.wavelength_m / (4.0 * math.pi)
    return gain * np.einsum("rtn,trm,tml->rnl", back, towards, samples, optimize=True)


def on_the_link(y: Complex, quantiser: Quantiser, n_bits: int) -> tuple[Complex, NDArray[np.float64]]:
    """Return samples (n_rx, N, snapshots) after a link with a report a slot, and their error power, (n_rx,)."""
    slots = y.reshape(*y.shape[:2], -1, N_SNAPSHOTS).transpose(0, 2, 1, 3)
    got, error = quantiser.quantised(slots, n_bits)
    return got.transpose(0, 2, 1, 3).reshape(y.shape), error.mean(axis=1)


def bound_m(truth: Truth, observation: Observation, levels: Any = 1.0) -> float:
    """Return the structured bound of the target where receivers have so many times the thermal noise."""
    scene = (truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad)
    gram = observation.gram * (1.0 / np.broadcast_to(levels, len(observation.energy)))
    return float(target_bounds_m(*scene, gram, observation.noise_power_w, "structured")[0])


def estimate_m(truth: Truth, observation: Observation) -> NDArray[np.float64]:
    """Return the best structured fit in the lobe that the target is in."""
    fit = Scene(Echoes.of(observation)).refined([Found("structured", truth.targets_m[0])], 10)
    return np.asarray(fit.positions_m[0])


def trial(seed: int, index: int, power_dbm: float, bits: tuple[int, ...]) -> dict[str, Any]:
    """Return errors over the bound, and what is predicted, of every quantiser at every number of bits."""
    rng = np.random.default_rng([seed, index])
    truth = random_truth(rng, 1)
    n_tx, n_antennas = len(truth.assignment.transmitters), truth.network.n_antennas
    samples = waveform(rng, n_tx, n_antennas, dbm_to_w(power_dbm), n_snapshots=N_SNAPSHOTS)
    direct = direct_path(truth, samples)
    heard = receive(truth, samples) + direct + np.sqrt(NOISE_W) * normals(rng, *direct.shape)
    exact = summarise(truth, samples, heard - direct, NOISE_W)
    bound = bound_m(truth, exact)
    power = np.mean(np.abs(heard) ** 2, axis=(1, 2))
    best, target = estimate_m(truth, exact), truth.targets_m[0]
    rows: dict[str, Any] = {
        "dnr_db": float(np.mean(_db(power / NOISE_W))), "exact": float(np.linalg.norm(best - target)) / bound,
    }  # fmt: skip
    for name in QUANTISERS:
        quantiser = make(name, QUANTISERS, {})
        for n_bits in bits:
            got, told = on_the_link(heard, quantiser, n_bits)
            error = np.mean(np.abs(got - heard) ** 2, axis=(1, 2))
            observed = replace(summarise(truth, samples, got - direct, NOISE_W), quantisation_power_w=told)
            found = estimate_m(truth, observed)
            rows[f"{name}, {n_bits}"] = {
                "error": float(np.linalg.norm(found - target)) / bound,
                "shift": float(np.linalg.norm(found - best)) / bound,
                "predicted": bound_m(truth, exact, 1.0 + error / NOISE_W) / bound,
                "sqnr_db": float(np.mean(_db(power / error))),
                "told": float(np.mean(_db(1.0 + told / NOISE_W))),
                "right": bool(best_possible_m(truth, observed)[0] < RIGHT_LOBE * bound),
            }
    return rows


def cells(trials: list[dict[str, Any]], bits: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return a row for every quantiser and number of bits."""
    rows = []
    for name in QUANTISERS:
        for n_bits in bits:
            here = [found[f"{name}, {n_bits}"] for found in trials]
            rows.append({
                "quantiser": name, "bits": n_bits, "SQNR dB": round(_mean(here, "sqnr_db"), 1),
                "rms error": round(_rms(here, "error"), 3), "shift": round(_rms(here, "shift"), 3),
                "predicted": round(_rms(here, "predicted"), 3),
                "told dB": round(_mean(here, "told"), 2), "right lobe": share(sum(r["right"] for r in here), len(here)),
            })  # fmt: skip
    return rows


def _db(ratio: Any) -> Any:
    return 10.0 * np.log10(ratio)


def _mean(rows: list[dict[str, Any]], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _rms(rows: list[dict[str, Any]], key: str) -> float:
    return float(root_mean_square(np.array([row[key] for row in rows])))


def knees(trials: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return where each quantiser stops to matter: measured, and as the formula has it."""
    dnr_db = float(np.mean([found["dnr_db"] for found in trials]))
    exact = float(root_mean_square(np.array([found["exact"] for found in trials])))
    found = []
    for name in QUANTISERS:
        own = [row for row in rows if row["quantiser"] == name]
        measured = {row["bits"]: math.hypot(1.0, row["shift"]) for row in own}
        found.append({
            "quantiser": name, "DNR dB": round(dnr_db, 1), "rms error, exact": round(exact, 3),
            "knee": knee(measured), "predicted": knee({row["bits"]: row["predicted"] for row in own}),
            "(DNR + 16) / 6.02": round((dnr_db + 16.0) / 6.02, 1),
        })  # fmt: skip
    return found


def knee(errors: dict[int, float]) -> int | None:
    """Return the number of bits from which on an error, over the bound, is below 0.4 dB; None if at none.

    >>> knee({8: 1.2, 9: 1.04, 10: 1.0})
    9
    """
    coarse = [n_bits for n_bits, error in errors.items() if error > 10.0 ** (KNEE_DB / 20.0)]
    return min((n_bits for n_bits in errors if n_bits > max(coarse, default=0)), default=None)


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=40, seed=9)
    parser.add_argument("--power-dbm", type=float, nargs="+", default=[20.0, 40.0])
    parser.add_argument("--bits", type=int, nargs="+", default=BITS)
    options: argparse.Namespace = parser.parse_args()
    started, tables = time.perf_counter(), {}
    bits = tuple(sorted(options.bits))
    for power_dbm in options.power_dbm:
        jobs = [(options.seed, i, power_dbm, bits) for i in range(options.trials)]
        trials = outcomes(trial, jobs, options.workers)
        rows = cells(trials, bits)
        tables |= {f"Errors at {power_dbm:g} dBm": rows, f"Knees at {power_dbm:g} dBm": knees(trials, rows)}
    report(options, tables, started, f"[{options.seed}, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
