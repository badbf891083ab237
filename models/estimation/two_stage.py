"""The two-stage estimator: non-coherent detection, then the search for the right lobe of the carrier phase.

Strongest peak, polish, lobes, subtract, look again; then every target once more with the others taken away, and all
refined together. A coherent answer is given only where the data support it: otherwise the target is reported as not
resolved: at the most likely lobe if only the odds are too low, else at its non-coherent position.
"""

from dataclasses import dataclass
from typing import Literal

from models.bounds.maps import keep_memory
from models.estimation.base import Estimator
from models.estimation.detection import map_cells, noise_levels
from models.estimation.effort import Effort
from models.estimation.likelihood import Echoes
from models.estimation.looks import Looker
from models.estimation.peaks import Watch
from models.estimation.phases import uncertain
from models.estimation.pursuit import Pursuit
from models.estimation.settings import check_map_settings
from models.estimation.verdict import Verdict
from models.observation import Estimate, Observation

__all__ = ["TwoStage"]

LEAST_OPERATIONS = 1e6  # less than one map costs


@dataclass(frozen=True, kw_only=True)
class TwoStage(Estimator):
    """Detect on the non-coherent map, resolve on the coherent lattice, refine all targets together.

    Attributes
    ----------
    grid_step_m
        Step of the map in m, > 0.
    false_alarm_probability
        That a map of noise alone yields a target, in (0, 1).
    amplitude
        "structured": kappa / (d_t d_r); "free": real and free for each pair of APs; "automatic": structured where
        that fits the data, free where only that does, not resolved where neither does.
    max_operations
        Complex multiply-adds, about, that may be spent on one CPI of 36 pairs of APs, at least 1e6; 5e9 take some
        seconds. A network of more pairs may spend as many times more. What would need more is reported as not resolved,
        and the estimate as ``limited``. More help where several targets overlap or hide each other.
    phases
        "known": those of the APs count as exact, whatever the observation says of them. "estimated": where it says how
        uncertain they are, they are estimated along with the targets.
    """

    grid_step_m: float = 10.0
    false_alarm_probability: float = 1e-3
    amplitude: Literal["automatic", "structured", "free"] = "automatic"
    max_operations: float = 5e9
    phases: Literal["known", "estimated"] = "known"

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.amplitude not in ("automatic", "structured", "free"):
            raise ValueError(f'TwoStage.amplitude is {self.amplitude!r}: use "automatic", "structured" or "free"')
        if self.phases not in ("known", "estimated"):
            raise ValueError(f'TwoStage.phases is {self.phases!r}: use "known" or "estimated"')
        if not (isinstance(self.max_operations, int | float) and self.max_operations >= LEAST_OPERATIONS):
            raise ValueError(
                f"TwoStage.max_operations is {self.max_operations!r}: give a number >= {LEAST_OPERATIONS:g}; 5e9 take "
                "some seconds"
            )
        check_map_settings(self, self.grid_step_m, self.false_alarm_probability)

    def estimate(self, observation: Observation) -> Estimate:
        """Return the targets found, strongest first."""
        keep_memory()
        effort = Effort(limit=self.max_operations * _size(observation))
        echoes = Echoes.of(observation, noise_levels(observation), effort)
        if self.phases == "estimated":
            echoes = uncertain(echoes, observation.phase_covariance_rad2)
        cells = map_cells(echoes, observation.area, self.grid_step_m)
        watch = Watch(observation.area, self.grid_step_m, self.false_alarm_probability / cells)
        looker = Looker(watch=watch, amplitude=self.amplitude)
        return Verdict(looker=looker, scene=Pursuit(looker=looker).run(echoes)).estimate()


def _size(observation: Observation) -> float:
    """Return how many times larger a CPI is than one of 36 pairs of APs, at least 1; overlapping signals count more."""
    n_rx, n_tx = len(observation.energy), observation.gram.n_tx
    return max(1.0, n_rx * n_tx / 36.0 * (n_tx / 3.0 if observation.gram.overlapping else 1.0))
