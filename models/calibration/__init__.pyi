from .base import Corrections as Corrections
from .base import Measurements as Measurements
from .base import PhaseCalibration as PhaseCalibration
from .base import PilotSlot as PilotSlot
from .baselines import Genie as Genie
from .baselines import NoCalibration as NoCalibration
from .coherence import Coherence as Coherence
from .coherence import CoherenceDetector as CoherenceDetector
from .coherence import CoherenceState as CoherenceState
from .coherence import coherence_loss as coherence_loss
from .contract import check_calibration as check_calibration
from .contract import check_servo as check_servo
from .direct_path import DirectPath as DirectPath
from .over_the_air import OverTheAir as OverTheAir
from .servo import Immediate as Immediate
from .servo import ProportionalIntegral as ProportionalIntegral
from .servo import Servo as Servo
from .servo import ServoState as ServoState

CALIBRATIONS: dict[str, str]
SERVOS: dict[str, str]
