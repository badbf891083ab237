"""
Roles that follow the load of the access points, with and without hysteresis
============================================================================

Run it: ``python -m scenarios.examples.load_aware``

What it teaches: strategies keep nothing from call to call, nodes do. So the hysteresis lives in the access point, which
says "busy" once its load is above `high`, until it falls below `low`; the selector reads that, one CPI late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from emulator import AccessPoint
from models import ModeAssignment, View
from models.selection import ModeSelector
from models.selection.search import assign_transmitters, candidates
from scenarios import load
from scenarios.examples.shown import SMALL, picture
from scenarios.output.draw import BLUE, GREY, VERMILION

__all__ = ["BusyReceive", "LoadedAP", "main", "plot", "run"]


@dataclass(kw_only=True, eq=False)
class LoadedAP(AccessPoint):
    """Has a load that wanders about one half, and says whether that is too much."""

    low: float = 0.4
    high: float = 0.6
    load: float = 0.5
    busy: bool = False

    def telemetry(self) -> Mapping[str, float]:
        """Return the load, and whether it counts as busy."""
        cpi = self.services.frame.cpi_at(self.services.now_ns) or 0
        self.load = 0.5 + 0.9 * (self.load - 0.5) + 0.05 * self.rng("load", cpi).standard_normal()
        self.busy = self.load > (self.low if self.busy else self.high)
        return {"load": self.load, "busy": float(self.busy)}


@dataclass(frozen=True, kw_only=True)
class BusyReceive(ModeSelector):
    """Lets those receive that say they are busy: a receiver has no downlink to serve; the first of the others join."""

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment."""
        pool = candidates(view)
        reports = [view.reports.get(view.network.ap_names[i]) for i in pool]
        busy = np.array([said is not None and said.values["busy"] > 0 for said in reports])
        return assign_transmitters(view, pool, pool[np.argsort(~busy, kind="stable")[view.n_receivers :]])


def run(n_cpis: int = 80) -> dict[str, tuple[list[float], list[np.ndarray], int]]:
    """Return of each way the load of ap-5 over the CPIs, who received, and how often a role changed."""
    scenario, found = load("paper", SMALL), {}
    for name, limits in {"one threshold": (0.5, 0.5), "hysteresis": (0.4, 0.6)}.items():
        made = partial(LoadedAP, low=limits[0], high=limits[1])
        emulation = scenario.build(seed=1, access_point=made, selector=BusyReceive(), estimator=None, scoring=False)
        loads, receive = [], []
        for cpi in emulation.cpis(n_cpis):
            loads.append(emulation.access_points["ap-5"].state()["load"])
            receive.append(np.isin(np.arange(8), cpi.assignment.receivers))
        changes = int(sum((now != then).sum() for then, now in pairwise(receive)))
        found[name] = (loads, receive, changes)
    return found


def plot(found: dict[str, tuple[list[float], list[np.ndarray], int]], ax: Axes) -> Axes:
    """Draw the load of ap-5, and below it when it received."""
    ax.plot(found["hysteresis"][0], color=GREY, label="load of ap-5")
    for limit in (0.4, 0.6):
        ax.axhline(limit, color=BLUE, lw=0.8, ls=":", label="thresholds with hysteresis" if limit == 0.4 else None)
    ax.axhline(0.5, color=VERMILION, lw=0.8, ls=":", label="one threshold")
    for height, (name, colour) in enumerate((("one threshold", VERMILION), ("hysteresis", BLUE))):
        _, receive, changes = found[name]
        at = np.flatnonzero([roles[5] for roles in receive])
        label = f"ap-5 receives, {name} ({changes} changes of role in all)"
        ax.scatter(at, np.full(len(at), 0.14 - 0.05 * height), marker="s", s=12, color=colour, label=label)
    ax.set(xlabel="CPI", ylabel="load", ylim=(0.05, 1.0), title="Roles that follow the load")
    ax.legend(loc="upper left")
    return ax


def main() -> None:
    """Run both, say what came of it and draw it."""
    found = run()
    for name, (_, _, changes) in found.items():
        print(f"{name:14}: {changes} changes of role")
    picture("load_aware", lambda ax: plot(found, ax))


if __name__ == "__main__":
    main()
