"""The paper's scenario emulated over many seeds and powers, with our estimator and the paper's beside each other.

    python -m benchmarks.paper_runs --seeds 20 --cpis 5 --out results/paper-runs.json

Every CPI is a full emulation (what ``dmimo run paper --seed S --set radio.transmit_power_dbm=P`` does). "Right lobe":
both the status is "resolved" and the error lies under five coherent bounds.
"""

import argparse
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from benchmarks.studies import count, new_file, write
from scenarios.file.files import load

POWERS_DBM = (40.0, 30.0, 20.0, 10.0, 0.0)
ESTIMATORS = ("two-stage", "paper")


def run_one(kind: str, power_dbm: float, seed: int, n_cpis: int) -> dict[str, Any]:
    """Return errors, bounds and counts of one run."""
    overrides: dict[str, Any] = {"radio.transmit_power_dbm": power_dbm, "estimator.kind": kind}
    scenario = load("paper", overrides)
    with threadpool_limits(1):
        result = scenario.build(seed=seed).run(n_cpis)
    return {
        "error_m": result.errors_m,
        "peb_m": np.array([cpi.peb_m for cpi in result.cpis]),
        "resolved": np.array([[status == "resolved" for status in cpi.score.status] for cpi in result.cpis]),
        "false": sum(len(cpi.score.false_indices) for cpi in result.cpis),
    }


def summarise(runs: list[dict[str, Any]]) -> dict[str, float | None]:
    """Return the rates and medians over all CPIs of some runs."""
    error, peb = (np.concatenate([run[key] for run in runs]) for key in ("error_m", "peb_m"))
    resolved = np.concatenate([run["resolved"] for run in runs])
    right = resolved & (error < 5 * peb)
    detected = np.isfinite(error)
    return {
        "targets": int(error.size),
        "detected": float(detected.mean()),
        "false_a_cpi": sum(run["false"] for run in runs) / len(error),
        "resolved": float(resolved.mean()),
        "right_lobe": float(right.mean()),
        "cpis_with_all_in_right_lobe": float(right.all(axis=1).mean()),
        "median_error_mm": float(1e3 * np.median(error[detected])) if detected.any() else None,
        "median_peb_mm": float(1e3 * np.nanmedian(peb)),
        "rmse_over_peb_in_right_lobe": float(np.sqrt(np.mean((error / peb)[right] ** 2))) if right.any() else None,
    }


def main() -> None:
    """Run the table, print it and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=count, default=20, help="seeds 1..N")
    parser.add_argument("--cpis", type=count, default=5)
    parser.add_argument("--workers", type=count, default=2)
    parser.add_argument("--out", type=new_file, help="write the table as JSON")
    args = parser.parse_args()
    cells = [(kind, power) for kind in ESTIMATORS for power in POWERS_DBM]
    jobs = [(kind, power, seed) for kind, power in cells for seed in range(1, args.seeds + 1)]
    runs = Parallel(n_jobs=args.workers)(delayed(run_one)(*job, args.cpis) for job in jobs)
    rows = []
    print(f"seeds 1..{args.seeds}, {args.cpis} CPIs each")
    print("estimator   dBm   P_d   false/CPI   right lobe   all right   median error mm   median PEB mm   RMSE/PEB")
    for kind, power in cells:
        own = [run for job, run in zip(jobs, runs, strict=True) if job[:2] == (kind, power)]
        row = {"estimator": kind, "power_dbm": power, **summarise(own)}
        rows.append(row)
        ratio = row["rmse_over_peb_in_right_lobe"]
        print(
            f"{kind:10} {power:4.0f} {row['detected']:6.3f} {row['false_a_cpi']:8.2f} {row['right_lobe']:12.3f} "
            f"{row['cpis_with_all_in_right_lobe']:10.3f} {row['median_error_mm'] or float('nan'):14.2f} "
            f"{row['median_peb_mm']:15.3f} {float('nan') if ratio is None else ratio:12.2f}"
        )
    if args.out:
        write(args.out, {"seeds": args.seeds, "cpis": args.cpis, "rows": rows})


if __name__ == "__main__":
    main()
