"""Position error bounds of a scenario's targets and of further points, before anything is run."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emulator.messages import CENTRAL
from emulator.randomness import Streams
from models.bounds.fisher import target_bounds_m
from models.bounds.hybrid import bounds_with_phases_m
from models.network import ModeAssignment, Network
from models.radio.gram import Gram
from models.radio.transmission import expected_gram, precoding_matrix
from models.units import db_to_linear
from models.view import View
from scenarios.figures.phases_known import known_phases_rad2, since_calibration_s
from scenarios.file.nodes import TargetKeys
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.size import bound_size, require_fit
from scenarios.file.survey import first_channel, target_starts_m, view_of

__all__ = ["bounds", "expected_illumination", "planned_assignment"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]


def bounds(
    scenario: Scenario, seed: int, points_m: Sequence[tuple[float, float]] = (), since_s: float | None = None
) -> dict[str, Any]:
    """Return the bounds of `dmimo bound`: each target alone, then further points; and the targets together.

    The statistics are the expected ones, amplitudes are real and free. A target stands where it starts, with its
    scattering phase, or 0 where that is left out; a further point gets the radar cross section of the first target, or
    the default where there is none, and the phase 0.

    With oscillators or a calibration, `since_s` is how long ago phases were measured, and the hybrid bound and the
    error of an estimator that ignores phases stand beside the bounds.

    Parameters
    ----------
    scenario
        The scenario.
    seed
        Seed of its random layout and, where communication illuminates too, of the channels of CPI 0.
    points_m
        Further points, in m.
    since_s
        Time since the last calibration in s; by default its period, or 0.

    Raises
    ------
    ScenarioError
        If a point is exactly on an access point, or ``since_s`` is given where phases are exact.
    """
    since_s = since_calibration_s(scenario, since_s)
    require_fit(bound_size(scenario))
    streams = Streams(seed)
    view = view_of(scenario, streams)
    _check_points(view.network, points_m)
    positions = target_starts_m(scenario, streams)
    rcs = [db_to_linear(target.rcs_dbsm) for target in scenario.targets]
    phases = [target.scatter_phase_rad or 0.0 for target in scenario.targets]
    rcs_elsewhere = rcs[0] if rcs else db_to_linear(TargetKeys().rcs_dbsm)
    assignment = planned_assignment(scenario, view, streams)
    phases_rad2 = None if since_s is None else known_phases_rad2(scenario, view, assignment, since_s)
    gram = Gram.of(expected_illumination(scenario, seed, view, assignment))
    bound = partial(_rows, view, assignment, gram, phases_rad2)
    alone = [*zip(positions, rcs, phases, strict=True), *((point, rcs_elsewhere, 0.0) for point in points_m)]
    rows = [row for point, area, phase in alone for row in bound([point], [area], [phase])]
    found = {"targets": rows, "joint": bound(positions, rcs, phases) if positions else []}
    return found if since_s is None else found | {"since_s": since_s}


def _check_points(network: Network, points_m: Sequence[tuple[float, float]]) -> None:
    for point in points_m:
        on = np.flatnonzero((network.ap_positions_m == point).all(axis=1))
        if len(on):
            name = network.ap_names[on[0]]
            raise ScenarioError("--at", [f"got {point[0]:g},{point[1]:g} m, exactly where {name} is; move it away"])


def planned_assignment(scenario: Scenario, view: View, streams: Streams) -> ModeAssignment:
    """Return the assignment that the central processor decides on for CPI 0."""
    return scenario.selector.make().select(view, streams.generator(CENTRAL, "selection", 0))


def expected_illumination(scenario: Scenario, seed: int, view: View, assignment: ModeAssignment) -> Complex:
    """Return the expected Q of a CPI, shape (n_tx, N, n_tx, N), in W."""
    radio, network, precoding = view.radio, view.network, None
    budgets_w = network.budgets_w(radio)[assignment.transmitters]
    if radio.illumination == "full" and network.n_ues:
        channel = first_channel(scenario, seed)[assignment.transmitters]
        precoding = precoding_matrix(channel, budgets_w, radio.comm_power_fraction)
    return expected_gram(
        len(assignment.transmitters),
        network.n_antennas,
        radio.n_snapshots,
        budgets_w,
        radio.comm_power_fraction,
        precoding,
        network.antennas[assignment.transmitters],
    )


def _rows(
    view: View,
    assignment: ModeAssignment,
    gram: Gram,
    phases_rad2: Float | None,
    points_m: Sequence[tuple[float, float]],
    rcs_m2: Sequence[float],
    scatter_phase_rad: Sequence[float],
) -> list[dict[str, Any]]:
    known = (
        view.network,
        assignment,
        np.array(points_m),
        np.array(rcs_m2),
        np.array(scatter_phase_rad),
        gram,
        view.radio.noise_power_w,
    )
    found = {
        "peb_coherent_m": target_bounds_m(*known, "coherent"),
        "peb_noncoherent_m": target_bounds_m(*known, "non-coherent"),
    }
    if phases_rad2 is not None:
        found["peb_hybrid_m"], found["error_ignoring_m"] = bounds_with_phases_m(*known, phases_rad2)
    return [
        {"position_m": list(point)} | {name: float(values[i]) for name, values in found.items()}
        for i, point in enumerate(points_m)
    ]
