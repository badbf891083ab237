"""The pictures of a run: what is drawn, of which values. Nothing here draws, so that a run need not be able to.

A further picture is a function here that takes what came of a run, one in a drawing module, and a line in `PICTURES`.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.output.metrics import curves
from scenarios.output.painters import Picture
from scenarios.output.results import cpi_data, finite

if TYPE_CHECKING:
    from emulator.lanes import Timeline
    from emulator.results import RunResult
    from models.observation import AreaMap, Observation
    from scenarios.file.scenario import Scenario

__all__ = ["PICTURES", "Cost", "Look", "timeline_picture"]

Float = NDArray[np.float64]

ROOM = "scenarios.output.pictures"

PIXELS_PER_SIDE, MOST_WORK = 250, 1e8
"""Cells of the cost map along the longer side of the area, fewer where pairs of APs times cells would be more."""
MOST_EARLIER, SEEN_SHARE = 200, 0.01
"""CPIs of which ways are drawn, and the share of the area that a target must have gone for its way to be seen."""
OVER_THE_MAP = ("two-stage", "grid", "map")
"""Estimators that find a target where the cost passes one threshold anywhere."""


class Look(NamedTuple):
    """What a scenario says of its pictures."""

    grid_step_m: float = 10.0
    """Cell of the estimator's map."""
    false_alarm_probability: float | None = None
    """Of the estimator over its map; None where it has another threshold."""
    cost_range_db: tuple[float, float] | None = None
    """Of the colours of the cost map; None: as the cost is."""

    @classmethod
    def of(cls, scenario: "Scenario") -> "Look":
        """Return what a scenario says."""
        estimator = scenario.estimator
        probability = estimator.false_alarm_probability if estimator.kind in OVER_THE_MAP else None
        return cls(estimator.grid_step_m, probability, scenario.pictures.cost_range_db)


class Cost(NamedTuple):
    """A cost over the area: explained power over noise power."""

    x_m: Float
    """Centres of the cells, shape (n_x,)."""
    y_m: Float
    """Shape (n_y,)."""
    power: Float
    """Shape (n_y, n_x)."""
    threshold: float | None = None
    """What it must pass for a detection; None where that is not one number."""
    range_db: tuple[float, float] | None = None
    """Of the colours; None: 30 dB down from the peak."""


Source = Callable[["RunResult", Look], Picture | None]
"""Takes a run with at least one CPI and how it is to look; gives nothing where there is nothing to draw."""


def _map(result: "RunResult", look: Look) -> Picture:
    values = (result.network, result.area, cpi_data(result.cpis[-1]), _earlier(result))
    return Picture(f"{ROOM}:map_figure", values)


def _earlier(result: "RunResult") -> list[dict[str, Any]]:
    """Return some of the CPIs before the last one if a target has moved since, as far as a map shows."""
    cpis = result.cpis
    some = range(0, len(cpis) - 1, max(1, len(cpis) // MOST_EARLIER))
    ways_m = np.array([cpis[number].truth_m for number in (*some, len(cpis) - 1)])
    seen_m = SEEN_SHARE * max(result.area.width_m, result.area.height_m)
    return [cpi_data(cpis[number]) for number in some] if np.ptp(ways_m, axis=0).max(initial=0.0) > seen_m else []


def _timeline(result: "RunResult", look: Look) -> Picture | None:
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


def _spectral_efficiency(result: "RunResult", look: Look) -> Picture:
    mean = np.mean([cpi.se_bit_s_hz for cpi in result.cpis], axis=0)
    return Picture(f"{ROOM}:spectral_efficiency_figure", (mean, result.network.ue_names, len(result.cpis)))


def _metrics(result: "RunResult", look: Look) -> Picture:
    return Picture("scenarios.output.series:metrics_figure", (result.cpis[0].index, curves(result.cpis)))


def _cost_map(result: "RunResult", look: Look) -> Picture:
    last = result.cpis[-1]
    fused = last.area_map if last.area_map is not None else last.observation
    return Picture(
        f"{ROOM}:cost_map_figure", (result.network, result.area, cpi_data(last), fused and _cost(fused, look))
    )


def _cost(fused: "Observation | AreaMap", look: Look) -> Cost:
    """Return the cost as a picture shows it: on cells as fine as its dots, unless a map is all that came."""
    from models.estimation.cost_maps import interpolated_cost_map
    from models.observation import AreaMap

    if isinstance(fused, AreaMap):
        map_m = fused.area.grid(fused.step_m)
        return Cost(*map_m, fused.power, _threshold(fused, look), look.cost_range_db)
    n_pairs = len(fused.assignment.transmitters) * len(fused.assignment.receivers)
    longer_m = max(fused.area.width_m, fused.area.height_m)
    work = n_pairs * PIXELS_PER_SIDE**2 * fused.area.width_m * fused.area.height_m / longer_m**2
    step_m = longer_m / PIXELS_PER_SIDE * math.sqrt(max(1.0, work / MOST_WORK))
    x_m, y_m, power = interpolated_cost_map(fused, step_m)
    return Cost(x_m, y_m, power.astype(float), _threshold(fused, look), look.cost_range_db)


def _threshold(fused: "Observation | AreaMap", look: Look) -> float | None:
    from models.estimation.area_map import area_threshold
    from models.estimation.detection import map_threshold
    from models.estimation.likelihood import Echoes
    from models.observation import AreaMap

    if look.false_alarm_probability is None:
        return None
    if isinstance(fused, AreaMap):
        return area_threshold(fused, look.false_alarm_probability)
    return map_threshold(Echoes.of(fused), fused.area, look.grid_step_m, look.false_alarm_probability)


def _fronthaul(result: "RunResult", look: Look) -> Picture:
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
