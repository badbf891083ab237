"""The pictures of a run, by the name of the file. Drawing is imported when the first picture is drawn.

A further picture is a function here that takes what came of a run, one in a drawing module, and a line in `PICTURES`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.output.metrics import curves

if TYPE_CHECKING:
    from emulator.results import RunResult

__all__ = ["PICTURES"]

Source = Callable[["RunResult", float], Any]
"""Takes a run with at least one CPI and the cell of its maps in m; gives a figure, or None where there is none."""


def _map(result: "RunResult", grid_step_m: float) -> Any:
    from scenarios.output.pictures import map_figure

    return map_figure(result.network, result.area, result.cpis[-1])


def _cost_map(result: "RunResult", grid_step_m: float) -> Any:
    from scenarios.output.pictures import cost_map_figure

    return cost_map_figure(result.network, result.area, result.cpis[-1], grid_step_m)


def _spectral_efficiency(result: "RunResult", grid_step_m: float) -> Any:
    from scenarios.output.pictures import spectral_efficiency_figure

    mean = np.mean([cpi.se_bit_s_hz for cpi in result.cpis], axis=0)
    return spectral_efficiency_figure(mean, result.network.ue_names, len(result.cpis))


def _metrics(result: "RunResult", grid_step_m: float) -> Any:
    from scenarios.output.series import metrics_figure

    return metrics_figure(result.cpis[0].index, curves(result.cpis))


def _timeline(result: "RunResult", grid_step_m: float) -> Any:
    from emulator.timeline import figure_of

    return None if result.trace is None else figure_of(result.trace)


PICTURES: Mapping[str, Source] = {
    "map.png": _map,
    "cost_map.png": _cost_map,
    "se.png": _spectral_efficiency,
    "metrics.png": _metrics,
    "timeline.png": _timeline,
}
