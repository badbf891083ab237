"""What the metric (19) of communication-centric selection rewards: one UE with most of the squared gains.

    python -m benchmarks.study_metric --trials 100 --workers 2 --out results/metric.json

Trial i is layout i of `dmimo figure selection` with the same seed. Without noise (19) is the sum over the UEs of
-log2(1 - p_k), p_k the share of UE k in the sum over all UEs of (sum over transmitters of the path gain)^2. Rows, each
with the mean over the layouts and its 95 % interval:

    of the choice           largest p_k for the transmitters that `CommunicationCentric` takes
    of the average split    mean over all splits of the largest p_k
    rank correlation        Spearman's, of (19) with the largest p_k over all splits
"""

import time

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.studies import command_line, outcomes, report
from models.selection.communication_centric import CommunicationCentric, gain_ratio_spectral_efficiency
from scenarios.figures.common import mean_interval
from scenarios.figures.layouts import Layout
from scenarios.figures.selection_study import all_splits, study_scenario

ROWS = ("of the choice", "of the average split", "rank correlation")


def largest_share(transmits: NDArray[np.bool_], path_gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest share that one UE has in the sum of squared gains, for each choice of transmitters.

    >>> largest_share(np.array([[True, True]]), np.array([[2.0, 1.0], [1.0, 0.0]]))
    array([0.9])
    """
    squared = (transmits @ path_gain) ** 2
    return squared.max(axis=-1) / squared.sum(axis=-1)


def trial(seed: int, index: int) -> tuple[float, float, float]:
    """Return the numbers of the rows for one layout."""
    layout = Layout.draw(study_scenario({}), seed, index, 1)
    view, splits = layout.view, all_splits(layout)
    noise = (view.radio.noise_power_w / view.radio.transmit_power_w) ** 2
    metric = gain_ratio_spectral_efficiency(splits, view.path_gain, noise)
    shares = largest_share(splits, view.path_gain)
    chosen = np.isin(np.arange(view.network.n_aps), layout.assignment(CommunicationCentric()).transmitters)
    of_choice = largest_share(chosen[None], view.path_gain)[0]
    return float(of_choice), float(shares.mean()), float(stats.spearmanr(metric, shares).statistic)


def main() -> None:
    """Run the study."""
    options = command_line(__doc__, trials=100, seed=1).parse_args()
    started = time.perf_counter()
    mean = mean_interval(outcomes(trial, [(options.seed, i) for i in range(options.trials)], options.workers))
    rows = [
        {"": name, "mean": float(value), "95 %": [float(low), float(high)]}
        for name, value, low, high in zip(ROWS, *mean, strict=True)
    ]
    tables = {"Largest share of a UE in the squared gains": rows}
    report(options, tables, started, f"of layouts 0..{options.trials - 1}")


if __name__ == "__main__":
    main()
