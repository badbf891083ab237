"""The phase of an oscillator as the state of a stochastic process that is stepped exactly to any time.

``OSCILLATORS`` maps the kinds that a scenario file may name to their classes; one line adds one. ``PRESETS`` are
oscillators of the trade, with the source of their numbers.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "OSCILLATORS"]

OSCILLATORS = {
    "ideal": "models.oscillators.kinds:Ideal",
    "static": "models.oscillators.kinds:Static",
    "wiener": "models.oscillators.kinds:Wiener",
    "two-state": "models.oscillators.kinds:TwoState",
    "pll": "models.oscillators.kinds:PhaseLocked",
}
"""Oscillator kinds, name to "module:Class"."""
