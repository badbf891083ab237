"""
An access point that sleeps, and a selector that lets it: what it saves, and what sensing loses
===============================================================================================

Run it: ``python -m scenarios.examples.sleeping_ap``

What it teaches: a node says what it is about to do (`telemetry`), and the plan made of it comes later. The centre that
reads `View.reports` plans without the sleeper; one that does not gives it a task that nobody does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from emulator import AccessPoint, Emission, Slot
from models import ModeAssignment, View
from models.selection import FarthestPoint, ModeSelector
from scenarios import load
from scenarios.examples.shown import SMALL, picture
from scenarios.output.draw import BLUE, VERMILION

__all__ = ["LetSleep", "SleepingAP", "main", "plot", "run"]

SLEEPERS = ("ap-1", "ap-4")


@dataclass(kw_only=True, eq=False)
class SleepingAP(AccessPoint):
    """Sleeps in the second half of every `period` CPIs; it says so `ahead` CPIs before, and until it is nearly over."""

    period: int = 12
    ahead: int = 2

    def _sleeps_in(self, cpi: int) -> bool:
        return cpi % self.period >= self.period // 2

    def telemetry(self) -> Mapping[str, float]:
        """Return whether it will sleep in the CPI that is planned next."""
        now = self.services.frame.cpi_at(self.services.now_ns) or 0
        return {"asleep": float(self._sleeps_in(now + self.ahead) or self._sleeps_in(now + 1))}

    def transmit(self, slot: Slot) -> Emission | None:
        """Stay silent in its sleep."""
        return None if self._sleeps_in(slot.cpi) else super().transmit(slot)

    def report(self, slot: Slot, echo: NDArray) -> NDArray | None:
        """Keep what is heard in its sleep."""
        return None if self._sleeps_in(slot.cpi) else super().report(slot, echo)


@dataclass(frozen=True, kw_only=True)
class LetSleep(ModeSelector):
    """Plans with those that do not say that they sleep, as another selector does with those alive."""

    inner: ModeSelector

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment of the inner selector for those that are awake."""
        asleep = [name in view.reports and view.reports[name].values["asleep"] > 0 for name in view.network.ap_names]
        return self.inner.select(replace(view, alive=view.alive & ~np.array(asleep)), rng)


def run(n_cpis: int = 36) -> dict[str, NDArray]:
    """Return the median bound over the targets in m of each CPI, without and with the reports being read."""
    scenario, found = load("paper", SMALL), {}
    for name, selector in {"not read": FarthestPoint(), "read": LetSleep(inner=FarthestPoint())}.items():
        emulation = scenario.build(
            seed=2, selector=selector, estimator=None, access_points=dict.fromkeys(SLEEPERS, SleepingAP)
        )
        found[name] = np.array([np.median(cpi.peb_m) for cpi in emulation.run(n_cpis).cpis])
    return found


def plot(found: dict[str, NDArray], ax: Axes) -> Axes:
    """Draw the bound over the CPIs."""
    for (name, bounds), colour in zip(found.items(), (VERMILION, BLUE), strict=True):
        ax.plot(1e3 * bounds, color=colour, marker="o", ms=3, label=f"reports {name}")
    for start in range(6, len(found["read"]), 12):
        ax.axvspan(start - 0.5, start + 5.5, color="#EEEEEE", zorder=0)
    ax.set(yscale="log", xlabel="CPI", ylabel="median bound (mm)", title="Two of eight APs sleep in the grey CPIs")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_yticks([3, 5, 10], minor=False)
    ax.set_yticks([], minor=True)
    ax.set_ylim(top=18.0)
    ax.legend(loc="upper right", ncols=2)
    return ax


def main() -> None:
    """Run both, say what came of it and draw it."""
    found = run()
    for name, bounds in found.items():
        asleep = np.arange(len(bounds)) % 12 >= 6
        awake_mm, asleep_mm = 1e3 * np.median(bounds[~asleep]), 1e3 * np.median(bounds[asleep])
        print(
            f"reports {name:8}: median bound {awake_mm:.2f} mm while all are awake, {asleep_mm:.2f} mm while two sleep"
        )
    picture("sleeping_ap", lambda ax: plot(found, ax))


if __name__ == "__main__":
    main()
