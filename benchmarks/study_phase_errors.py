"""What errors of the APs' phases do to the position of one target: bounds in closed form, and an estimator.

    python -m benchmarks.study_phase_errors --trials 200 --workers 2

The network is that of tests/reference/golden.json, the target at (310, 420) m, isotropic sensing, one AP at a time,
rho = 0.5; each AP's phase is off by an independent normal error. Trial i at a deviation of s rad has the seed
[seed, dBm, thousandths of s, i]. Columns:

    s (rad)              standard deviation of an AP's phase
    hybrid (mm)          bound of an estimator that knows the law of the errors and estimates them besides
    ignoring (mm)        error of the efficient estimator that takes them for 0, to first order
    least squares (mm)   root mean square error of that estimator (real amplitudes of the pairs free), its maximum
                         sought from the true lobe, with its 95 % bootstrap interval
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize

from benchmarks.studies import bootstrap, command_line, outcomes, report, root_mean_square
from models.bounds.closed_form import information_gain, position_error_bound_m
from models.bounds.hybrid import hybrid_information, ignoring_covariance_m2
from models.estimation.likelihood import Echoes, coherent_free_power
from models.network import Area, ModeAssignment, Network
from models.observation import Observation
from models.radio.gram import Gram
from models.radio.sensing import sensing_channel
from models.units import dbm_to_w, noise_power_w

GOLDEN = Path(__file__).parent.parent / "tests" / "reference" / "golden.json"
POINT_M = np.array([[310.0, 420.0]])
POWERS = {20.0: 1, 40.0: 10}
"""Snapshots of each transmitter at a transmit power in dBm."""
STD_RAD = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
RHO, RCS_M2 = 0.5, 1.0


def golden() -> tuple[Network, ModeAssignment, float]:
    """Return the reference network, its split and the noise power of a sample in W."""
    layout = json.loads(GOLDEN.read_text())["layout"]
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(len(layout["ap_positions_m"]))),
        ap_positions_m=np.array(layout["ap_positions_m"]),
        boresights_rad=np.array(layout["ap_boresights_rad"]),
        n_antennas=layout["n_antennas"],
        carrier_hz=layout["carrier_hz"],
    )
    split = ModeAssignment.of(network.n_aps, layout["transmitters"], layout["receivers"])
    return network, split, noise_power_w(layout["temperature_k"], layout["bandwidth_hz"])


def energy_w(power_dbm: float, n_antennas: int) -> float:
    """Return q, the energy of each antenna's sensing waveform in W."""
    return float(POWERS[power_dbm] * (1.0 - RHO) * dbm_to_w(power_dbm) / n_antennas)


def bounds_mm(power_dbm: float, std_rad: float) -> tuple[float, float]:
    """Return the hybrid bound and the error of ignoring in mm."""
    network, split, noise_w = golden()
    gain = information_gain(network, energy_w(power_dbm, network.n_antennas), RCS_M2, noise_w)
    arguments = network, split, POINT_M, gain, std_rad**2
    ignoring = np.sqrt(np.trace(ignoring_covariance_m2(*arguments)[0]))
    return 1e3 * float(position_error_bound_m(hybrid_information(*arguments))[0]), 1e3 * float(ignoring)


def observed(rng: np.random.Generator, power_dbm: float, std_rad: float) -> Observation:
    """Return the statistics of a CPI with phase errors and noise, drawn as such: Z_rt = q H_rt e^(j psi) + noise."""
    network, split, noise_w = golden()
    t, r, n, q = split.transmitters, split.receivers, network.n_antennas, energy_w(power_dbm, network.n_antennas)
    turn = np.exp(1j * std_rad * rng.standard_normal(network.n_aps))
    channel = sensing_channel(network, t, r, POINT_M, RCS_M2, rng.uniform(-math.pi, math.pi))
    channel = channel * (turn[r][:, None] * turn[t])[..., None, None]
    noise = rng.standard_normal((2, *channel.shape)) * math.sqrt(0.5 * noise_w * q)
    n_samples = np.full(len(r), POWERS[power_dbm] * len(t) * n)
    return Observation(
        network=network,
        area=Area(width_m=1000.0, height_m=1000.0),
        assignment=split,
        cross=(q * channel + noise[0] + 1j * noise[1]).swapaxes(1, 2),
        gram=Gram(np.broadcast_to(q * np.eye(n, dtype=complex), (1, len(t), n, n))),
        energy=n_samples * noise_w,
        n_samples=n_samples,
        noise_power_w=noise_w,
    )


def trial(seed: int, index: int, power_dbm: float, std_rad: float) -> float:
    """Return the error of the estimator in mm."""
    rng = np.random.default_rng([seed, round(power_dbm), round(1e3 * std_rad), index])
    echoes = Echoes.of(observed(rng, power_dbm, std_rad))
    unit_m = 1e-3 * bounds_mm(power_dbm, std_rad)[0]

    def misfit(offset: Any) -> float:
        return -float(coherent_free_power(echoes, POINT_M + unit_m * offset)[0][0])

    options = {"initial_simplex": [[-0.5, -0.5], [1.0, 0.0], [0.0, 1.0]], "xatol": 1e-3, "fatol": 1e-9}
    found = optimize.minimize(misfit, np.zeros(2), method="Nelder-Mead", options=options)
    return 1e3 * unit_m * float(np.hypot(*found.x))


def row(power_dbm: float, std_rad: float, errors_mm: list[float]) -> dict[str, Any]:
    """Return the figures of one deviation."""
    hybrid, ignoring = bounds_mm(power_dbm, std_rad)
    error, interval = bootstrap(errors_mm, root_mean_square)
    return {
        "s (rad)": std_rad,
        "hybrid (mm)": f"{hybrid:.4g}",
        "ignoring (mm)": f"{ignoring:.4g}",
        "least squares (mm)": error,
        "95 %": interval,
    }


def main() -> None:
    """Run the study."""
    options = command_line(__doc__, trials=200, seed=10).parse_args()
    started = time.perf_counter()
    cells = [(power, std) for power in POWERS for std in STD_RAD]
    jobs = [(options.seed, i, *cell) for cell in cells for i in range(options.trials)]
    errors, n = outcomes(trial, jobs, options.workers), options.trials
    tables: dict[str, list[dict[str, Any]]] = {}
    for i, (power, std) in enumerate(cells):
        title = f"{power:g} dBm, {POWERS[power]} snapshots of each transmitter"
        tables.setdefault(title, []).append(row(power, std, errors[i * n : (i + 1) * n]))
    report(options, tables, started, f"[{options.seed}, dBm, thousandths of s, 0..{n - 1}]")


if __name__ == "__main__":
    main()
