"""Position error bounds of a scenario's targets and of further points, before anything is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emulator.media.fronthaul import star
from emulator.nodes.access_point import AccessPoint
from models.bounds.fisher import target_bounds_m
from models.network import ModeAssignment
from models.radio.transmission import expected_gram, precoding_matrix
from models.units import db_to_linear
from scenarios.file.build import build
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.schema import TargetKeys
from scenarios.file.size import bound_size, require_fit

if TYPE_CHECKING:
    from emulator.emission import Emission
    from emulator.emulation import Emulation
    from emulator.slot import Slot

__all__ = ["bounds", "drawn_channel", "expected_illumination", "planned_assignment"]

Complex = NDArray[np.complex128]


def bounds(scenario: Scenario, seed: int, points_m: Sequence[tuple[float, float]] = ()) -> dict[str, Any]:
    """Return the bounds of `dmimo bound`: each target alone, then further points; and the targets together.

    The statistics are the expected ones, amplitudes are real and free. A target stands where it starts, with its
    scattering phase, or 0 where that is left out; a further point gets the radar cross section of the first target, or
    the default where there is none, and the phase 0.

    Parameters
    ----------
    scenario
        The scenario.
    seed
        Seed of its random layout and, where communication illuminates too, of the channels of CPI 0.
    points_m
        Further points, in m.

    Raises
    ------
    ScenarioError
        If a point is exactly on an access point.
    """
    require_fit(bound_size(scenario))
    emulation = build(scenario, seed, tracing=False, estimator=None)
    _check_points(emulation, points_m)
    nodes = sorted(emulation.targets.values(), key=lambda target: target.index)
    positions = [(float(x), float(y)) for x, y in (node.position_m(0.0) for node in nodes)]
    rcs = [node.rcs_m2 for node in nodes]
    phases = [node.scatter_phase_rad or 0.0 for node in nodes]
    rcs_elsewhere = rcs[0] if rcs else db_to_linear(TargetKeys().rcs_dbsm)
    assignment = planned_assignment(emulation)
    bound = partial(_rows, emulation, assignment, expected_illumination(scenario, seed, emulation, assignment))
    alone = [*zip(positions, rcs, phases, strict=True), *((point, rcs_elsewhere, 0.0) for point in points_m)]
    rows = [row for point, area, phase in alone for row in bound([point], [area], [phase])]
    return {"targets": rows, "joint": bound(positions, rcs, phases) if positions else []}


def _check_points(emulation: "Emulation", points_m: Sequence[tuple[float, float]]) -> None:
    for point in points_m:
        on = np.flatnonzero((emulation.network.ap_positions_m == point).all(axis=1))
        if len(on):
            name = emulation.network.ap_names[on[0]]
            raise ScenarioError("--at", [f"got {point[0]:g},{point[1]:g} m, exactly where {name} is; move it away"])


def planned_assignment(emulation: "Emulation") -> ModeAssignment:
    """Return the assignment that the central processor decides on for CPI 0."""
    central = emulation.central
    return central.selector.select(central.view(), emulation.streams.generator(central.name, "selection", 0))


def expected_illumination(scenario: Scenario, seed: int, emulation: "Emulation", assignment: ModeAssignment) -> Complex:
    """Return the expected Q of a CPI, shape (n_tx, N, n_tx, N), in W."""
    radio, network = emulation.central.radio, emulation.network
    transmitters = assignment.transmitters
    precoding = None
    if radio.illumination == "full" and network.n_ues:
        channel = drawn_channel(scenario, seed, assignment)
        precoding = precoding_matrix(channel, radio.transmit_power_w, radio.comm_power_fraction)
    return expected_gram(
        len(transmitters),
        network.n_antennas,
        radio.n_snapshots,
        radio.transmit_power_w,
        radio.comm_power_fraction,
        precoding,
    )


@dataclass(kw_only=True, eq=False)
class _Witness(AccessPoint):
    """An access point that writes down the channel that it precodes with."""

    seen: dict[str, Complex]

    def transmit(self, slot: "Slot") -> "Emission | None":
        if slot.cpi == 0:
            self.seen[self.name] = self.services.air.channel(self.name, 0).copy()
        return super().transmit(slot)


def drawn_channel(scenario: Scenario, seed: int, assignment: ModeAssignment) -> Complex:
    """Return the channels of the transmitters in CPI 0 of a run with this seed, shape (n_tx, n_ues, N).

    The CPI is run, over a fronthaul that brings every plan in time: channels do not depend on the fronthaul.
    """
    seen: dict[str, Complex] = {}
    in_time = scenario.with_({"schedule.lead_s": max(scenario.schedule.lead_s, 1e-6)})
    emulation = in_time.build(
        seed,
        access_point=partial(_Witness, seen=seen),
        fronthaul=star(scenario.access_point_names),
        estimator=None,
        tracing=False,
        scoring=False,
    )
    emulation.run(1)
    names = scenario.access_point_names
    return np.stack([seen[names[index]] for index in assignment.transmitters])


def _rows(
    emulation: "Emulation",
    assignment: ModeAssignment,
    gram: Complex,
    points_m: Sequence[tuple[float, float]],
    rcs_m2: Sequence[float],
    scatter_phase_rad: Sequence[float],
) -> list[dict[str, Any]]:
    coherent, noncoherent = (
        target_bounds_m(
            emulation.network,
            assignment,
            np.array(points_m),
            np.array(rcs_m2),
            np.array(scatter_phase_rad),
            gram,
            emulation.central.radio.noise_power_w,
            kind,
        )
        for kind in ("coherent", "non-coherent")
    )
    return [
        {"position_m": list(point), "peb_coherent_m": float(sharp), "peb_noncoherent_m": float(blunt)}
        for point, sharp, blunt in zip(points_m, coherent, noncoherent, strict=True)
    ]
