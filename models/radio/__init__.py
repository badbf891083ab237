"""Radio physics: geometry, arrays, propagation, channels, transmission, echoes, and the statistics of samples.

``PATH_LOSS`` maps the laws that a scenario file may name to their functions, ``CHANNELS`` the channels and
``QUANTISERS`` what links make of samples to their classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "CHANNELS", "PATH_LOSS", "QUANTISERS"]

PATH_LOSS = {
    "umi-los": "models.radio.propagation:umi_los",
    "umi-nlos": "models.radio.propagation:umi_nlos",
    "cell-free": "models.radio.propagation:cell_free",
}
"""Path loss between APs and UEs, name to "module:function"."""

CHANNELS = {"rician": "models.radio.channel:AccessChannel"}
"""Channels between APs and UEs, name to "module:Class"."""

QUANTISERS = {
    "uniform": "models.radio.quantisation:Uniform",
    "clipped-uniform": "models.radio.quantisation:ClippedUniform",
    "block-floating-point": "models.radio.quantisation:BlockFloatingPoint",
}
"""Quantisers of what links carry, name to "module:Class"."""
