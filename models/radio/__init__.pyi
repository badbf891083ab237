from .arrays import steering as steering
from .channel import AccessChannel as AccessChannel
from .efficiency import LargeScaleEfficiency as LargeScaleEfficiency
from .efficiency import sinr as sinr
from .efficiency import spectral_efficiency as spectral_efficiency
from .geometry import Rays as Rays
from .geometry import rays as rays
from .gram import Gram as Gram
from .propagation import path_gain as path_gain
from .quantisation import BlockFloatingPoint as BlockFloatingPoint
from .quantisation import ClippedUniform as ClippedUniform
from .quantisation import Quantiser as Quantiser
from .quantisation import Uniform as Uniform
from .quantisation import quantise as quantise
from .sensing import echo_amplitude_m2 as echo_amplitude_m2
from .sensing import leg_response as leg_response
from .sensing import sensing_channel as sensing_channel
from .statistics import Radiated as Radiated
from .statistics import cross_statistic as cross_statistic
from .statistics import energy_statistic as energy_statistic
from .statistics import gram_statistic as gram_statistic
from .transmission import expected_gram as expected_gram
from .transmission import isotropic_sensing_samples as isotropic_sensing_samples
from .transmission import maximum_ratio as maximum_ratio
from .transmission import precoding_matrix as precoding_matrix
from .transmission import proportional_power as proportional_power

CHANNELS: dict[str, str]
PATH_LOSS: dict[str, str]
QUANTISERS: dict[str, str]
