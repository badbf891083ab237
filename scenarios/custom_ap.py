"""Two access points of one's own, and what they change.

Run it:  python -m scenarios.custom_ap
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from emulator import AccessPoint, Slot
from scenarios import load


@dataclass(kw_only=True, eq=False)
class DutyCycledAP(AccessPoint):
    """Report one slot in `period`, to spare a thin fronthaul link."""

    period: int = 2

    def report(self, slot: Slot, echo: NDArray) -> NDArray | None:
        """Return the echo in every `period`-th slot."""
        return super().report(slot, echo) if slot.index % self.period == 0 else None


@dataclass(kw_only=True, eq=False)
class SweepingAP(AccessPoint):
    """Sense with one full-array beam a snapshot that sweeps the angles, not with isotropic noise."""

    def sensing_waveform(self, slot: Slot) -> NDArray:
        """Return one beam a column."""
        sines = np.linspace(-1.0, 1.0, slot.n_snapshots, endpoint=False)
        power_w = (1.0 - self.comm_power_fraction) * self.transmit_power_w
        beams = np.exp(-1j * np.pi * np.outer(np.arange(self.n_antennas), sines))
        return np.sqrt(power_w / self.n_antennas) * beams


def main() -> None:
    """Run the paper's scenario with each kind of AP and print what changes."""
    scenario = load("paper")
    behaviours = {
        "standard": AccessPoint,
        "duty cycle 1/2": DutyCycledAP,
        "duty cycle 1/5": partial(DutyCycledAP, period=5),
        "sweeping beam": SweepingAP,
    }
    print("behaviour        reports fused   bound mm   median error mm   resolved   to the centre kbit")
    for name, access_point in behaviours.items():
        result = scenario.build(seed=1, access_point=access_point).run(n_cpis=3)
        fused = sum(cpi.reports_fused for cpi in result.cpis)
        expected = sum(cpi.reports_expected for cpi in result.cpis)
        bound_mm = 1e3 * np.median([cpi.peb_m for cpi in result.cpis])
        error_mm = 1e3 * np.nanmedian(result.errors_m)
        resolved = sum(status == "resolved" for cpi in result.cpis for status in cpi.score.status)
        up_kbit = (
            sum(link["bits"] for ends, link in result.fronthaul["links"].items() if ends.endswith("central")) / 1e3
        )
        print(
            f"{name:16} {fused:6d}/{expected:<6d} {bound_mm:9.2f} {error_mm:14.2f} "
            f"{resolved:10d}/{result.errors_m.size} {up_kbit:16.0f}"
        )


if __name__ == "__main__":
    main()
