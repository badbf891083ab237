"""What estimating the phases of the access points along with the targets is worth, against the hybrid bound.

    python -m benchmarks.study_phase_estimation --trials 100 --workers 2 --out results/phase-estimation.json

Every AP has a phase of its own, psi ~ N(0, s^2), that the central processor knows the variance of. Statistics are
drawn directly, Q_tt = q I with the energy of so many snapshots, rho = 0.5, 12 APs of which six
receive, in the layout of tests/reference/golden.json with a target at (310, 420) m, or at random with one or three
targets. Trial i has the seed [seed, i] whatever the errors are.

Columns, for phases = "known" and "estimated" ("est."):

    hybrid, ignoring   root mean square over the trials of the hybrid bound, and of the standard error of an estimator
                       that takes the phases for exact, in mm
    local              RMSE over that standard error, and over the hybrid bound, where the estimator is told the lobe of
                       one target; what ends further than a quarter of a wavelength off is left out
    right, wrong       share resolved by `TwoStage` and within five bounds or a quarter of a wavelength, or further off
    RMSE               of those right, over the standard error, and over the hybrid bound; 95 % bootstrap intervals
    square             mean of e^T C^-1 e of those right, 2 if the covariance is right; of the phases, over their number
    s                  median CPU time

Only the first trials, ``--known`` of them, run the whole estimator with phases = "known".
"""

import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann

from benchmarks.studies import RIGHT_LOBE, bootstrap, command_line, count, outcomes, report, root_mean_square, share
from benchmarks.study_covariance import normalised_square
from benchmarks.workload import normals
from models.estimation.likelihood import Echoes
from models.estimation.localisation import polish_lobes
from models.estimation.phases import uncertain
from models.estimation.two_stage import TwoStage
from models.network import Area, ModeAssignment, Network
from models.observation import Estimate, Observation
from models.radio.geometry import rays
from models.radio.gram import Gram
from models.radio.sensing import echo_amplitude_m2, leg_response
from models.units import dbm_to_w

Float = NDArray[np.float64]

STD_RAD = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
POWERS = {"20 dBm, L = 1": (20.0, 1), "20 dBm, L = 10": (20.0, 10), "40 dBm, L = 10": (40.0, 10)}
SCENES = {"golden": 1, "random": 1, "random, three": 3}
COMM_SHARE, RCS_M2 = 0.5, 1.0
AREA = Area(width_m=1000.0, height_m=1000.0)
NOISE_W = Boltzmann * 290.0 * 100e3
GOLDEN = Path(__file__).parent.parent / "tests" / "reference" / "golden.json"
RIGHT_LAMBDA = 0.25
SAMPLES_PER_ANTENNA = 10  # of each transmitter's slot, whatever the energy


class Case(NamedTuple):
    """Where APs and targets are, and what each antenna sends in a CPI."""

    network: Network
    assignment: ModeAssignment
    targets_m: Float
    energy_w: float


def energy_w(power: str) -> float:
    """Return the energy of each antenna's sensing waveform in a CPI, in W, of one of `POWERS`."""
    power_dbm, n_snapshots = POWERS[power]
    return n_snapshots * (1.0 - COMM_SHARE) * dbm_to_w(power_dbm) / 8


def golden(energy: float) -> Case:
    """Return the layout of the reference values."""
    layout = json.loads(GOLDEN.read_text())["layout"]
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(12)),
        ap_positions_m=np.array(layout["ap_positions_m"]),
        boresights_rad=np.array(layout["ap_boresights_rad"]),
        n_antennas=8,
        carrier_hz=layout["carrier_hz"],
    )
    assignment = ModeAssignment.of(12, layout["transmitters"], layout["receivers"])
    return Case(network, assignment, np.array([[310.0, 420.0]]), energy)


def at_random(rng: np.random.Generator, n_targets: int, energy: float) -> Case:
    """Return a layout drawn at random."""
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(12)),
        ap_positions_m=rng.uniform(0.0, 1000.0, (12, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, 12),
        n_antennas=8,
        carrier_hz=3.5e9,
    )
    assignment = ModeAssignment.of(12, list(range(0, 12, 2)), list(range(1, 12, 2)))
    return Case(network, assignment, rng.uniform(0.0, 1000.0, (n_targets, 2)), energy)


def drawn(rng: np.random.Generator, case: Case, std_rad: float) -> tuple[Float, Observation]:
    """Return the phases of the APs and the statistics of a CPI, with noise."""
    network, out, back = case.network, case.assignment.transmitters, case.assignment.receivers
    (n_tx, n_rx), n = (len(out), len(back)), network.n_antennas
    kappa = echo_amplitude_m2(network.wavelength_m, RCS_M2) * np.exp(2j * np.pi * rng.random(len(case.targets_m)))
    noise = np.sqrt(NOISE_W * case.energy_w) * normals(rng, n_rx, n, n_tx, n)
    phase = std_rad * rng.standard_normal(network.n_aps)
    legs = leg_response(network, case.targets_m, np.arange(network.n_aps)) * np.exp(1j * phase)[:, None, None]
    channel = np.einsum("s,rsm,tsn->rmtn", kappa, legs[back], legs[out])
    cross = case.energy_w * channel + noise
    gram = Gram(np.broadcast_to(case.energy_w * np.eye(n), (1, n_tx, n, n)).astype(complex))
    n_samples = SAMPLES_PER_ANTENNA * n * n_tx
    unseen = NOISE_W * rng.gamma(n_samples - n * n * n_tx, size=n_rx)  # where the signals do not reach
    return phase, Observation(
        network=network,
        area=AREA,
        assignment=case.assignment,
        cross=cross,
        gram=gram,
        energy=gram.spanned(cross) + unseen,
        n_samples=np.full(n_rx, n_samples),
        noise_power_w=NOISE_W,
        phase_covariance_rad2=np.diag(np.full(network.n_aps, std_rad**2)),
    )


class Sides(NamedTuple):
    """What the pairs of APs measure of a target under Q = q I; all of one target."""

    array: Float  # information of the arrays on the position, (2, 2)
    weight: Float  # information of each pair on its phase, (n_rx, n_tx)
    slope: Float  # of the phase of a pair with the position, in rad/m, (n_rx, n_tx, 2)


def sides(case: Case, target_m: Float) -> Sides:
    """Return what is measured of a target."""
    network, n = case.network, case.network.n_antennas
    ray = rays(network, target_m[None])
    bend, distance = ray.sine_gradient[:, 0], ray.distance_m[:, 0]
    omega = 0.5 * math.pi * (n - 1) * bend - network.wavenumber_rad_m * ray.direction[:, 0]
    amplitude = float(echo_amplitude_m2(network.wavelength_m, RCS_M2))
    gain = 2.0 * case.energy_w * amplitude**2 * n * n / NOISE_W
    back, out = case.assignment.receivers, case.assignment.transmitters
    weight = gain / np.outer(distance[back], distance[out]) ** 2
    bends = bend[:, :, None] * bend[:, None] * math.pi**2 * (n * n - 1) / 12.0
    array = np.einsum("rt,rij->ij", weight, bends[back]) + np.einsum("rt,tij->ij", weight, bends[out])
    return Sides(array, weight, omega[back][:, None] + omega[out])


def covariances_m2(case: Case, std_rad: float) -> tuple[Float, Float]:
    """Return the hybrid bound on each target's covariance, and that of the estimator that ignores the phases.

    Unknown are positions and phases of all targets, real amplitudes of all pairs, which decouple, and the phases of the
    APs. Targets are far apart.
    """
    n_targets, n_rx = len(case.targets_m), len(case.assignment.receivers)
    pairs = np.indices((n_rx, len(case.assignment.transmitters))).reshape(2, -1)
    ap = np.eye(n_rx + pairs[1].max() + 1)
    phases = ap[pairs[0]] + ap[n_rx + pairs[1]]  # (pairs, APs)
    information = np.zeros((3 * n_targets + len(ap),) * 2)
    ignoring = []
    for s, target in enumerate(case.targets_m):
        array, weight, slope = sides(case, target)
        own = np.zeros((len(phases), 3 * n_targets))
        own[:, 3 * s : 3 * s + 3] = np.column_stack([slope.reshape(-1, 2), np.ones(len(phases))])
        columns, root = np.hstack([own, phases]), np.sqrt(weight.reshape(-1, 1))
        information += (columns * root).T @ (columns * root)
        information[3 * s : 3 * s + 2, 3 * s : 3 * s + 2] += array
        mine = own[:, 3 * s : 3 * s + 3]
        exact = mine.T @ (mine * root**2) + np.pad(array, ((0, 1), (0, 1)))
        bias = np.linalg.solve(exact, mine.T @ (phases * root**2))
        ignoring.append((np.linalg.inv(exact) + std_rad**2 * bias @ bias.T)[:2, :2])
    if std_rad:
        information[3 * n_targets :, 3 * n_targets :] += np.eye(len(ap)) / std_rad**2
    else:
        information = information[: 3 * n_targets, : 3 * n_targets]
    inverse = np.linalg.inv(information)
    return np.array([inverse[3 * s : 3 * s + 2, 3 * s : 3 * s + 2] for s in range(n_targets)]), np.array(ignoring)


def trial(seed: int, index: int, scene: str, power: str, std_rad: float, both: bool) -> dict[str, Any]:
    """Return what became of the targets, an array of one number a target for each column.

    ``both`` has the whole estimator run with phases = "known" as well, which looks long for what it cannot explain.
    """
    rng, energy = np.random.default_rng([seed, index]), energy_w(power)
    case = golden(energy) if scene == "golden" else at_random(rng, SCENES[scene], energy)
    phase, observation = drawn(rng, case, std_rad)
    hybrid, ignoring = (np.sqrt(np.trace(c, axis1=1, axis2=2)) for c in covariances_m2(case, std_rad))
    found: dict[str, Any] = {"hybrid": hybrid, "ignoring": ignoring}
    for phases in ("known", "estimated"):
        alone = len(case.targets_m) == 1
        found[phases, "local"] = local(case.targets_m, observation, phases) if alone else np.array([np.nan])
        if both or phases == "estimated":
            found |= {(phases, k): v for k, v in whole(case, observation, phases, phase).items()}
    return found


def local(target_m: Float, observation: Observation, phases: str) -> Float:
    """Return the error of an estimate that was told the lobe of a target, shape (1, 2), in m."""
    echoes = Echoes.of(observation)
    if phases == "estimated":
        echoes = uncertain(echoes, observation.phase_covariance_rad2)
    state = polish_lobes(echoes, target_m, "structured", n_steps=20).state
    return np.linalg.norm(state - target_m, axis=1)


def whole(case: Case, observation: Observation, phases: Any, phase: Float) -> dict[str, Any]:
    """Return errors in m, NaN where not resolved, what became of the targets, and how right the covariances are."""
    started = time.process_time()
    estimate = TwoStage(phases=phases).estimate(observation)
    spent = time.process_time() - started
    near, error = nearest(estimate, case.targets_m)
    square = [
        normalised_square(estimate.positions_m[i] - target, estimate.covariance_m2[i]) if i >= 0 else np.nan
        for i, target in zip(near, case.targets_m, strict=True)
        if estimate.covariance_m2 is not None
    ]
    told = np.nan
    if estimate.phases_rad is not None and phase.any() and estimate.phase_covariance_rad2 is not None:
        told = float(normalised_square_of(phase - estimate.phases_rad, estimate.phase_covariance_rad2))
    return {"error": error, "square": np.array(square), "phases": told, "s": spent}


def normalised_square_of(error: Float, covariance: Float) -> float:
    """Return e^T C^-1 e over the number of unknowns."""
    return float(error @ np.linalg.solve(covariance, error)) / len(error)


def nearest(estimate: Estimate, targets_m: Float) -> tuple[list[int], Float]:
    """Return the resolved estimate nearest to each target, -1 if there is none, and its error in m."""
    resolved = np.flatnonzero(estimate.resolved)
    if not len(resolved):
        return [-1] * len(targets_m), np.full(len(targets_m), np.nan)
    distance = np.linalg.norm(estimate.positions_m[resolved] - targets_m[:, None], axis=2)
    return [int(resolved[i]) for i in distance.argmin(axis=1)], distance.min(axis=1)


def rms(values: Any) -> tuple[float | None, list[float] | None]:
    """Return a root mean square and its 95 % bootstrap interval."""
    value, interval = bootstrap(values, root_mean_square)
    return value, interval and [round(v, 2) for v in interval]


def row(trials: list[dict[str, Any]], right_m: float) -> dict[str, Any]:
    """Return the row of a table."""
    bound = {"known": np.concatenate([t["ignoring"] for t in trials])}
    bound["estimated"] = np.concatenate([t["hybrid"] for t in trials])
    cells: dict[str, Any] = {
        "hybrid mm": 1e3 * float(root_mean_square(bound["estimated"])),
        "ignoring mm": 1e3 * float(root_mean_square(bound["known"])),
    }
    for phases, name in (("known", "known"), ("estimated", "est.")):
        if len(bound[phases]) == len(trials):
            alone = np.concatenate([t[phases, "local"] for t in trials])
            cells[f"{name} local"] = rms((alone / bound[phases])[alone < right_m])
        ran = [t for t in trials if (phases, "error") in t]
        error = np.concatenate([t[phases, "error"] for t in ran])
        limit = np.maximum(RIGHT_LOBE * bound[phases][: len(error)], right_m)
        right = error < limit
        cells[f"{name} right"] = share(int(right.sum()), len(error))
        cells[f"{name} wrong"] = share(int(np.sum(error >= limit)), len(error))
        cells[f"{name} RMSE"] = rms((error / bound[phases][: len(error)])[right])
        squares = np.concatenate([t[phases, "square"] for t in ran])[right]
        cells[f"{name} square"] = float(np.mean(squares)) if len(squares) else None
        cells[f"{name} s"] = float(np.median([t[phases, "s"] for t in ran]))
    told = float(np.mean([t["estimated", "phases"] for t in trials]))
    return cells | {"phases square": told if np.isfinite(told) else None}


def main() -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=100, seed=41)
    parser.add_argument("--std-rad", type=float, nargs="+", default=STD_RAD)
    parser.add_argument("--scene", nargs="+", choices=list(SCENES), default=list(SCENES))
    parser.add_argument("--power", nargs="+", choices=list(POWERS), default=list(POWERS))
    parser.add_argument("--known", type=count, default=20, help='trials that run with phases = "known" as well')
    options = parser.parse_args()
    started = time.perf_counter()
    cells = [(scene, power, std) for scene in options.scene for power in options.power for std in options.std_rad]
    jobs = [(options.seed, i, *cell, i < options.known) for cell in cells for i in range(options.trials)]
    trials, n = outcomes(trial, jobs, options.workers), options.trials
    right_m = RIGHT_LAMBDA * golden(1.0).network.wavelength_m
    tables: dict[str, list[dict[str, Any]]] = {}
    for i, (scene, power, std) in enumerate(cells):
        tables.setdefault(f"{scene}, {power}", []).append({"s rad": std} | row(trials[i * n : (i + 1) * n], right_m))
    report(options, tables, started, f"[{options.seed}, 0..{n - 1}]")


if __name__ == "__main__":
    main()
