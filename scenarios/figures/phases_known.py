"""How well phases are known some time after a calibration, before anything is run: what the hybrid bound rests on."""

import numpy as np
from numpy.typing import NDArray

from emulator.randomness import Streams
from models.network import ModeAssignment
from models.view import View
from scenarios.file.phases import OscillatorKeys
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario

__all__ = ["known_phases_rad2", "since_calibration_s"]

Float = NDArray[np.float64]


def since_calibration_s(scenario: Scenario, asked_s: float | None) -> float | None:
    """Return the time since the last calibration: what was asked, else its period, or 0; None where phases are exact.

    Raises
    ------
    ScenarioError
        If a time is asked where phases are exact.
    """
    if _has_phases(scenario):
        return asked_s if asked_s is not None else scenario.calibration.period_s or 0.0
    if asked_s is not None:
        what = "[oscillators], [calibration] or access_points.survey_std_m"
        raise ScenarioError("--since", [f"phases are exact here; give {what}, or leave it out"])
    return None


def _has_phases(scenario: Scenario) -> bool:
    if scenario.access_points.survey_std_m > 0.0:
        return True
    if scenario.calibration.kind == "none" and scenario.oscillators == OscillatorKeys():
        return False  # as by default: what makes radios need not be imported
    from scenarios.file.phase_parts import front_ends_of

    return scenario.calibration.kind != "none" or bool(front_ends_of(scenario, Streams(0)))


def known_phases_rad2(scenario: Scenario, view: View, assignment: ModeAssignment, since_s: float) -> Float:
    """Return the covariance of the access points' phases in their roles, (n_aps, n_aps), ``since_s`` after calibration.

    Pilots count as heard along the direct paths alone. Without a calibration it is that of the start of a run, when
    oscillators have run for ``since_s``.
    """
    from scenarios.file.phase_parts import calibrator_of, front_ends_of

    front_ends = front_ends_of(scenario, Streams(0))  # whose laws count, not what is drawn
    calibrator = calibrator_of(scenario, view.network, view.radio, front_ends)
    assert calibrator is not None, "a scenario without phases has no covariance of them"
    known = calibrator.foreseen(_pilot_energies_w(scenario, view))
    found = calibrator.covariance_rad2(known, 0, assignment, round(1e9 * since_s))
    return np.zeros(2 * (view.network.n_aps,)) if found is None else found


def _pilot_energies_w(scenario: Scenario, view: View) -> Float:
    """Return the sum of the squares of the samples of each AP's pilot, in W as all sums of samples are."""
    return view.network.budgets_w(view.radio) * scenario.schedule.snapshots_per_slot
