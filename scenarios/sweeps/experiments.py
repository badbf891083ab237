"""What is done in a trial of a sweep: a whole run, or its bounds and spectral efficiency without one.

An experiment takes a scenario and a seed and returns a *record*: plain values by name, as JSON has them. A value stands
under a name of `VARIABLES`, which tells its dimensions and its unit.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from scenarios.file.scenario import Scenario
from scenarios.output.metrics import METRICS, Metric, Per
from scenarios.output.results import finite

__all__ = ["EXPERIMENTS", "VARIABLES", "Record", "Variable"]

Record = Mapping[str, Any]


class Variable(NamedTuple):
    """What a value of a record is; vectors and matrices have further dimensions behind those named here."""

    dims: tuple[str, ...]
    unit: str
    about: str


BOOKS = {
    "slots": "Slots of the run.",
    "events": "Kernel events served until the last estimate was published.",
    "messages_sent": "Messages that entered the fronthaul.",
    "messages_dropped": "Messages that it lost.",
}
BOUNDS = {
    "position_m": "Where a target starts.",
    "peb_coherent_m": "Coherent bound of the expected statistics, all targets together.",
    "peb_noncoherent_m": "The same bound without phases between the APs.",
    "peb_hybrid_m": "The coherent bound with what is known of the phases of the APs.",
    "error_ignoring_m": "RMS error of the best estimator that takes these phases for exact.",
}
PLANNED_SE = "Sum over the UEs of eq. (7) in CPI 0, exact phases, times the share of symbols that are no guard."


def run(scenario: Scenario, seed: int) -> Record:
    """Emulate the scenario; return all metrics that have a fixed size, and books of the run."""
    result = scenario.build(seed, tracing=False).run(scenario.schedule.cpis)
    measured = {metric.name: [metric.of(cpi) for cpi in result.cpis] for metric in METRICS}
    kept = {m.name: measured[m.name] for m in METRICS if _is_regular(m, measured[m.name])}
    books = {"slots": result.slots, "events": result.events, **result.fronthaul}
    plain: dict[str, Any] = finite(kept | {name: books[name] for name in BOOKS})
    return plain


def _is_regular(metric: Metric, values: list[Any]) -> bool:
    """Return whether a metric has one value a CPI, target or UE, and has any."""
    if metric.per is Per.CPI:
        return all(np.ndim(value) == 0 for value in values)
    return any(value is not None for value in values)


def bound(scenario: Scenario, seed: int) -> Record:
    """Return the bounds of `dmimo bound`, targets together, and the sum spectral efficiency of CPI 0, without a run."""
    from scenarios.figures.point_bounds import bounds

    rows = bounds(scenario, seed)["joint"]
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    plain: dict[str, Any] = finite(columns | {"sum_se_bit_s_hz": _planned_efficiency(scenario, seed)})
    return plain


def _planned_efficiency(scenario: Scenario, seed: int) -> float:
    from emulator.randomness import Streams
    from models.selection.greedy import SampledEfficiency
    from scenarios.figures.point_bounds import planned_assignment
    from scenarios.file.survey import first_channel, view_of

    streams = Streams(seed)
    view = view_of(scenario, streams)
    transmits = np.zeros((1, view.network.n_aps), dtype=bool)
    transmits[0, planned_assignment(scenario, view, streams).transmitters] = True
    efficiency = SampledEfficiency.of(view, first_channel(scenario, seed)[None]).sum_spectral_efficiency(transmits)
    symbols = scenario.schedule.snapshots_per_slot
    return float(efficiency[0]) * symbols / (symbols + scenario.schedule.guard_symbols)


EXPERIMENTS: dict[str, Callable[[Scenario, int], Record]] = {"run": run, "bound": bound}
VARIABLES: dict[str, dict[str, Variable]] = {
    "run": {
        **{metric.name: Variable(metric.per.dims, metric.unit, metric.about) for metric in METRICS},
        **{name: Variable((), "", about) for name, about in BOOKS.items()},
    },
    "bound": {
        **{name: Variable(("target",), "m", about) for name, about in BOUNDS.items()},
        "sum_se_bit_s_hz": Variable((), "bit/s/Hz", PLANNED_SE),
    },
}
"""Of each experiment."""
