"""The pictures of a run: what is drawn, of which values. Nothing here draws, so that a run need not be able to.

A further picture is a function here that takes what came of a run, one in a drawing module, and a line in `PICTURES`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from scenarios.output.metrics import curves
from scenarios.output.painters import Picture
from scenarios.output.results import cpi_data, finite

if TYPE_CHECKING:
    from emulator.lanes import Timeline
    from emulator.results import RunResult

__all__ = ["PICTURES", "timeline_picture"]

ROOM = "scenarios.output.pictures"

Source = Callable[["RunResult", float], Picture | None]
"""Takes a run with at least one CPI and the cell of its maps in m; gives nothing where there is nothing to draw."""


def _map(result: "RunResult", grid_step_m: float) -> Picture:
    return Picture(f"{ROOM}:map_figure", (result.network, result.area, cpi_data(result.cpis[-1])))


def _timeline(result: "RunResult", grid_step_m: float) -> Picture | None:
    from emulator.lanes import Timeline, around, first_cpis

    if result.trace is None:
        return None
    n_cpis, first = len(result.cpis), result.cpis[0].index
    n_slots = result.slots // n_cpis
    shown = first_cpis(n_slots, range(max(first, result.trace.first_cpis(1).start), first + n_cpis))
    near = around(shown, n_slots)
    results = [cpi_data(result.cpis[number - first]) for number in near if 0 <= number - first < n_cpis]
    return timeline_picture(Timeline.of(result.trace.data(near), results, shown))


def timeline_picture(timeline: "Timeline") -> Picture:
    """Return the picture of a timeline."""
    return Picture("emulator.timeline:figure_of", (timeline,))


def _spectral_efficiency(result: "RunResult", grid_step_m: float) -> Picture:
    mean = np.mean([cpi.se_bit_s_hz for cpi in result.cpis], axis=0)
    return Picture(f"{ROOM}:spectral_efficiency_figure", (mean, result.network.ue_names, len(result.cpis)))


def _metrics(result: "RunResult", grid_step_m: float) -> Picture:
    return Picture("scenarios.output.series:metrics_figure", (result.cpis[0].index, curves(result.cpis)))


def _cost_map(result: "RunResult", grid_step_m: float) -> Picture:
    from models.estimation.likelihood import cost_map

    last = result.cpis[-1]
    cost = None if last.observation is None else cost_map(last.observation, grid_step_m)
    if last.area_map is not None:
        cost = (*last.area_map.area.grid(last.area_map.step_m), last.area_map.power)
    return Picture(f"{ROOM}:cost_map_figure", (result.network, result.area, cpi_data(last), cost))


def _fronthaul(result: "RunResult", grid_step_m: float) -> Picture:
    return Picture("scenarios.output.cables:fronthaul_figure", (finite(result.fronthaul),))


PICTURES: Mapping[str, Source] = {
    "map.png": _map,
    "timeline.png": _timeline,
    "cost_map.png": _cost_map,
    "metrics.png": _metrics,
    "fronthaul.png": _fronthaul,
    "se.png": _spectral_efficiency,
}
"""By the name of the file. What takes longest to draw comes first: then painters end at about the same time."""
