"""From the tables of phases to objects: the radios of nodes, and what conducts their calibration."""

from dataclasses import replace

from emulator.calibrator import Calibrator
from emulator.front_end import FrontEnd
from emulator.randomness import Streams
from models.calibration.base import PhaseCalibration
from models.calibration.direct_path import DirectPath
from models.calibration.servo import Servo
from models.network import Network, Radio
from models.oscillators.base import Oscillator
from scenarios.file.schema import ScenarioKeys

__all__ = ["calibrator_of", "front_ends_of", "servo_of"]

REFERENCE = "reference"
"""Whose random numbers move the oscillator that all nodes share."""


def front_ends_of(scenario: ScenarioKeys, streams: Streams) -> dict[str, FrontEnd]:
    """Return the radios of all nodes whose phases are not 0 for ever, by name."""
    names = dict.fromkeys(scenario.access_point_names, False) | dict.fromkeys(scenario.user_equipment_names, True)
    made = ((name, _front_end(scenario, streams, name, is_ue)) for name, is_ue in names.items())
    return {name: front for name, front in made if front is not None}


def _front_end(scenario: ScenarioKeys, streams: Streams, name: str, is_ue: bool) -> FrontEnd | None:
    table = scenario.oscillators
    keys = table.of(name, is_ue)
    law: Oscillator = keys.make()
    std_rad = (0.0, 0.0) if is_ue else (table.transmit_chain_std_rad, table.receive_chain_std_rad)
    if law.is_ideal and not any(std_rad):
        return None
    transmit, receive = streams.generator(name, "chains").standard_normal(2).tolist()
    return FrontEnd(
        oscillator=law,
        carrier_hz=scenario.radio.carrier_hz,
        reference=REFERENCE if keys is table and table.shared_reference else name,
        transmit_rad=std_rad[0] * transmit,
        receive_rad=std_rad[1] * receive,
        chains_std_rad=std_rad,
    )


def servo_of(scenario: ScenarioKeys) -> dict[str, Servo]:
    """Return how an access point applies corrections, as a key of its class; none where there are no corrections."""
    return {} if scenario.calibration.kind == "none" else {"servo": scenario.calibration.make_servo()}


def calibrator_of(
    scenario: ScenarioKeys, network: Network, radio: Radio, front_ends: dict[str, FrontEnd]
) -> Calibrator | None:
    """Return what conducts the calibration of the access points; None where all phases are exact and none is asked."""
    keys, ends = scenario.calibration, tuple(front_ends.get(name) for name in network.ap_names)
    survey_std_m = scenario.access_points.survey_std_m
    if keys.kind == "none" and not any(ends) and survey_std_m == 0.0:
        return None
    return Calibrator(
        network=network,
        noise_power_w=radio.noise_power_w,
        calibration=_calibration(scenario),
        front_ends=ends,
        period_ns=None if keys.period_s is None else round(1e9 * keys.period_s),
        detector=keys.make_detector(),
        survey_std_m=survey_std_m,
    )


def _calibration(scenario: ScenarioKeys) -> PhaseCalibration:
    """Return the calibration, which counts with the errors that the survey has, if nothing else is said."""
    keys, std_m = scenario.calibration, scenario.access_points.survey_std_m
    made: PhaseCalibration = keys.make()
    if isinstance(made, DirectPath) and "survey_std_m" not in keys.own:
        return replace(made, survey_std_m=std_m)
    return made
