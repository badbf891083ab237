"""Random layouts for the figures: a survey, its channels and its selections, without running anything."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emulator.randomness import complex_normals
from models.network import Area, ModeAssignment, Network
from models.selection.base import ModeSelector
from models.selection.greedy import SampledEfficiency
from models.view import View
from scenarios.figures.common import realization_seed
from scenarios.file.scenario import Scenario

__all__ = ["Layout"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """A random layout of a scenario and channels drawn in it.

    Attributes
    ----------
    view
        What a central processor would plan with.
    channels
        Channels between all APs and UEs, eqs. (4)-(5), targets included, shape (n_draws, n_aps, n_ues, N).
    """

    view: View
    channels: Complex

    @classmethod
    def draw(cls, scenario: Scenario, seed: int, index: int, n_draws: int) -> "Layout":
        """Return layout ``index`` of a figure's seed: APs, UEs, targets, phases and ``n_draws`` draws of fading."""
        emulation = scenario.build(realization_seed(seed, index), tracing=False, scoring=False, estimator=None)
        targets = sorted(emulation.targets.values(), key=lambda target: target.index)
        positions = np.array([target.position_m(0.0) for target in targets]).reshape(-1, 2)
        rcs_m2 = np.array([target.rcs_m2 for target in targets])
        network, access = emulation.network, emulation.air.access_channel
        channels = []
        for draw in range(n_draws):
            rng = emulation.streams.generator("figure", "channel", draw)
            scattered = complex_normals(rng, network.n_ues, network.n_aps, network.n_antennas)
            los_phase, scatter_phase = (rng.uniform(-np.pi, np.pi, n) for n in (network.n_ues, len(targets)))
            channels.append(access.realize(scattered, los_phase, positions, rcs_m2, scatter_phase))
        return cls(view=emulation.central.view(), channels=np.stack(channels))

    @property
    def network(self) -> Network:
        """The survey."""
        return self.view.network

    @property
    def area(self) -> Area:
        """Where targets may be."""
        return self.view.area

    def points_m(self, step_m: float) -> Float:
        """Return the centres of the cells of the area, shape (n_points, 2)."""
        x, y = self.area.grid(step_m)
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def assignment(self, selector: ModeSelector, n_receivers: int | None = None) -> ModeAssignment:
        """Return what a selector decides, for another number of receivers than the scenario's if given."""
        view = self.view if n_receivers is None else replace(self.view, n_receivers=n_receivers)
        return selector.select(view, np.random.default_rng(0))

    def sum_spectral_efficiency(
        self, assignments: list[ModeAssignment], comm_power_fraction: float | None = None
    ) -> Float:
        """Return the sum over UEs of (6)-(7) for each assignment, averaged over draws and slots, in bit/s/Hz."""
        radio = self.view.radio
        rho = radio.comm_power_fraction if comm_power_fraction is None else comm_power_fraction
        view = replace(self.view, radio=replace(radio, comm_power_fraction=rho))
        transmits = np.zeros((len(assignments), self.network.n_aps), dtype=bool)
        for row, assignment in zip(transmits, assignments, strict=True):
            row[assignment.transmitters] = True
        return SampledEfficiency.of(view, self.channels).sum_spectral_efficiency(transmits)
