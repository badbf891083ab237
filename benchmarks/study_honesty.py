"""Count how often "resolved" is wrong, in networks of all kinds, and what is given up for that.

Each trial draws a network and a setting of its own, seeded by [seed, i]: 4 to 60 APs of 1 to 32 antennas, a carrier
from 1 to 28 GHz, an area from 100 m to 3 km, 20 to 60 dBm, links of 1 to 16 bits (or none lost), one or two targets at
rest or at up to 50 m/s, half of the APs receiving. One CPI is emulated and estimated. Columns:

    resolved  targets that the estimator calls resolved
    wrong     share of these that are off by more than five bounds from every target
    lobe      share of these that are off by more than a quarter of a wavelength besides, in a wrong lobe
    genie     targets at rest whose right lobe leads by as much as the estimator asks for, the other targets known
    given up  share of these that the estimator does not resolve, or not in the right lobe

The bound is the coherent position error bound of all targets together, quantisation counted.

    python -m benchmarks.study_honesty --trials 600 --seed 301 --workers 2
"""

import argparse
import time
from typing import Any

import numpy as np
from scipy.constants import speed_of_light

from benchmarks.studies import RIGHT_LOBE, command_line, outcomes, report, share
from models.estimation.constants import LEAST_LEAD
from models.estimation.detection import noise_levels
from models.estimation.effort import Effort
from models.estimation.likelihood import Echoes
from models.estimation.localisation import Fine, search_lobes
from models.estimation.peaks import coarse_peaks
from models.estimation.scene import Found, Scene
from models.network import Area
from models.observation import Observation
from scenarios import load

APS, ANTENNAS = (4, 6, 8, 12, 16, 24, 36, 60), (1, 2, 4, 8, 16, 32)
CARRIERS_HZ, SIDES_M = (1e9, 3.5e9, 7e9, 28e9), (100.0, 300.0, 1000.0, 3000.0)
IQ_BITS, SPEEDS_M_S = (1, 2, 4, 8, 16), (0.0, 0.0, 0.0, 1.0, 5.0, 20.0, 50.0)
MOST_ELEMENTS = 512  # of all arrays together: larger networks add time, not insight
KINDS = {
    "all": lambda row: True,
    "few APs (M <= 8)": lambda row: row["aps"] <= 8,
    "M >= 24": lambda row: row["aps"] >= 24,
    "one or two antennas": lambda row: row["antennas"] <= 2,
    "28 GHz": lambda row: row["carrier_hz"] > 2e10,
    "area of 100 m": lambda row: row["side_m"] < 200.0,
    "area of 3 km": lambda row: row["side_m"] > 2000.0,
    "20 dBm": lambda row: row["power_dbm"] < 25.0,
    "1 to 4 bits": lambda row: row["iq_bits"] <= 4,
    "moving": lambda row: row["speed_m_s"] > 0.0,
}


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """Return the setting of a trial."""
    n_aps = int(rng.choice(APS))
    side = float(rng.choice(SIDES_M))
    return {
        "aps": n_aps,
        "antennas": int(rng.choice([n for n in ANTENNAS if n * n_aps <= MOST_ELEMENTS])),
        "carrier_hz": float(rng.choice(CARRIERS_HZ)),
        "side_m": side,
        "power_dbm": float(rng.choice([20.0, 30.0, 40.0, 50.0, 60.0])),
        "iq_bits": int(rng.choice(IQ_BITS)),
        "speed_m_s": float(rng.choice(SPEEDS_M_S)),
        "targets_m": rng.uniform(0.0, side, (int(rng.integers(1, 3)), 2)).tolist(),
        "headings_rad": rng.uniform(-np.pi, np.pi, 2).tolist(),
    }


def scenario(setting: dict[str, Any]) -> Any:
    """Return the scenario of a setting."""
    speed = setting["speed_m_s"]
    targets = [
        {"position_m": position, "velocity_m_s": [speed * float(np.cos(a)), speed * float(np.sin(a))]}
        for position, a in zip(setting["targets_m"], setting["headings_rad"], strict=False)
    ]
    return load("paper", {
        "radio.carrier_hz": setting["carrier_hz"],
        "radio.transmit_power_dbm": setting["power_dbm"],
        "area.size_m": [setting["side_m"]] * 2,
        "access_points.count": setting["aps"],
        "access_points.n_antennas": setting["antennas"],
        "user_equipment.count": 0,
        "schedule.n_receivers": setting["aps"] // 2,
        "estimator.grid_step_m": min(10.0, setting["side_m"] / 50.0),
        "fronthaul.iq_bits": setting["iq_bits"],
        "targets": targets,
    })  # fmt: skip


def right_lobes(observation: Observation, truth_m: Any, bounds_m: Any, side_m: float) -> list[bool]:
    """Return for which targets the right lobe leads by as much as the estimator asks for, the others known."""
    echoes = Echoes.of(observation, noise_levels(observation), Effort(limit=2e10))
    scene = Scene(echoes).refined([Found("structured", position) for position in truth_m], 0)
    area = Area(width_m=side_m, height_m=side_m)
    found = []
    for s, (target, bound) in enumerate(zip(truth_m, bounds_m, strict=True)):
        alone = scene.residual(s)
        coarse = coarse_peaks(alone, target[None], area)
        lobes = search_lobes(alone, coarse, "structured", area, known_m=target) if len(coarse.power) else None
        found.append(lobes is not None and _leads(lobes, target, bound))
    return found


def _leads(lobes: Fine, target_m: Any, bound_m: float) -> bool:
    right = len(lobes.power) > 0 and np.linalg.norm(lobes.state[0, :2] - target_m) < RIGHT_LOBE * bound_m
    return bool(right and lobes.lead() > LEAST_LEAD)


def trial(seed: int, index: int) -> dict[str, Any]:
    """Return the setting, the errors of what is resolved in bounds, and which targets of a genie are found."""
    setting = drawn(np.random.default_rng([seed, index]))
    start = time.process_time()
    cpi = next(scenario(setting).build(seed=1000 * seed + index).cpis(1))
    seconds = time.process_time() - start
    distance = np.linalg.norm(cpi.estimate.positions_m[:, None] - cpi.truth_m, axis=2) / cpi.peb_m
    resolved = cpi.estimate.resolved
    ratios = distance[resolved].min(axis=1, initial=np.inf)
    off_m = (distance * cpi.peb_m)[resolved].min(axis=1, initial=np.inf)
    other_lobe = (ratios >= RIGHT_LOBE) & (off_m > 0.25 * speed_of_light / setting["carrier_hz"])
    genie: list[bool] = []
    if setting["speed_m_s"] == 0.0 and cpi.observation is not None:
        possible = right_lobes(cpi.observation, cpi.truth_m, cpi.peb_m, setting["side_m"])
        got = (distance[resolved] < RIGHT_LOBE).any(axis=0) if resolved.any() else np.zeros(len(possible), dtype=bool)
        genie = [bool(got[s]) for s, able in enumerate(possible) if able]
    return {**setting, "ratios": ratios.tolist(), "other_lobe": int(other_lobe.sum()), "genie": genie,
            "seconds": seconds, "reasons": [r for r in cpi.estimate.reasons if r], "index": index}  # fmt: skip


def summary(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the row of a kind of networks."""
    some = [row for row in rows if KINDS[kind](row)]
    ratios = [ratio for row in some for ratio in row["ratios"]]
    genie = [got for row in some for got in row["genie"]]
    reasons = [reason for row in some for reason in row["reasons"]]
    return {
        "networks": kind,
        "CPIs": len(some),
        "resolved": len(ratios),
        "wrong": share(sum(not ratio < RIGHT_LOBE for ratio in ratios), len(ratios)),
        "lobe": share(sum(row["other_lobe"] for row in some), len(ratios)),
        "genie": len(genie),
        "given up": share(len(genie) - sum(genie), len(genie)),
        "not resolved": ", ".join(f"{reasons.count(r)} {r}" for r in dict.fromkeys(sorted(reasons))) or "none",
        "median s": float(np.median([row["seconds"] for row in some])) if some else None,
    }


def run(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Return the table, and the trials in which something resolved is wrong."""
    rows = outcomes(trial, [(options.seed, i) for i in range(options.trials)], options.workers)
    wrong = [row for row in rows if any(not ratio < RIGHT_LOBE for ratio in row["ratios"])]
    names = ("index", "aps", "antennas", "carrier_hz", "side_m", "power_dbm", "iq_bits", "speed_m_s")
    tables = {"How often resolved is wrong": [summary(rows, kind) for kind in KINDS]}
    if wrong:
        tables["Where it is"] = [
            {name: row[name] for name in names} | {"errors in bounds": [float(r) for r in row["ratios"]]}
            for row in wrong
        ]
    return tables


def main() -> None:
    """Run the study."""
    options = command_line(__doc__, trials=600, seed=301).parse_args()
    started = time.perf_counter()
    report(options, run(options), started, f"[{options.seed}, 0..{options.trials - 1}]")


if __name__ == "__main__":
    main()
