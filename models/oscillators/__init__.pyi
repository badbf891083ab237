from .base import Oscillator as Oscillator
from .base import OscillatorState as OscillatorState
from .contract import check_oscillator as check_oscillator
from .kinds import Ideal as Ideal
from .kinds import PhaseLocked as PhaseLocked
from .kinds import Static as Static
from .kinds import TwoState as TwoState
from .kinds import Wiener as Wiener
from .kinds import slot_amplitude as slot_amplitude
from .linear import Law as Law
from .linear import LinearOscillator as LinearOscillator
from .presets import PRESETS as PRESETS
from .presets import Preset as Preset
from .presets import named as named

OSCILLATORS: dict[str, str]
