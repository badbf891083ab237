"""The phases of the access points: how they are measured, how a correction is applied, when coherence is lost.

``CALIBRATIONS`` and ``SERVOS`` map the kinds that a scenario file may name to their classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "CALIBRATIONS", "SERVOS"]

CALIBRATIONS = {
    "none": "models.calibration.baselines:NoCalibration",
    "genie": "models.calibration.baselines:Genie",
    "direct-path": "models.calibration.direct_path:DirectPath",
    "over-the-air": "models.calibration.over_the_air:OverTheAir",
}
"""Phase calibrations, name to "module:Class"."""
SERVOS = {
    "immediate": "models.calibration.servo:Immediate",
    "proportional-integral": "models.calibration.servo:ProportionalIntegral",
}
"""How corrections are applied, name to "module:Class"."""
