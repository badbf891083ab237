"""Oscillators of the trade by name, each with the source of its numbers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from models.oscillators import OSCILLATORS

if TYPE_CHECKING:
    from models.oscillators.linear import LinearOscillator

__all__ = ["PRESETS", "Preset", "named"]

BROWN_HWANG = (
    "Brown and Hwang, Introduction to Random Signals and Applied Kalman Filtering, 4th ed., ch. 9.3, p. 327, "
    "as quoted in navtools, an open navigation toolbox; h_-1 (flicker) is left out"
)
OHWR = "ohwr.org, project wr-low-jitter, Documents: RMS jitter"
ASTERICS = "asterics2020.eu, Production of ultra-low-noise White Rabbit switches: RMS jitter, 1 Hz to 100 kHz"
# The sources give the jitter alone. How fast it wanders is ours: it forgets in 1.6 ms.
LOOP_HZ = 100.0


class Preset(NamedTuple):
    """A kind of oscillator with settings, and where these come from."""

    kind: str
    """Of ``OSCILLATORS``."""
    settings: dict[str, float]
    source: str


def _clock(h0_s: float, h_minus_2_per_s: float) -> Preset:
    return Preset("two-state", {"h0_s": h0_s, "h_minus_2_per_s": h_minus_2_per_s}, BROWN_HWANG)


def _locked(jitter_s: float, source: str) -> Preset:
    return Preset("pll", {"jitter_s": jitter_s, "loop_hz": LOOP_HZ}, source)


PRESETS = {
    "low-tcxo": _clock(2e-19, 2e-20),
    "high-tcxo": _clock(2e-21, 2e-20),
    "ocxo": _clock(2e-25, 6e-25),
    "rubidium": _clock(2e-22, 1e-30),
    "white-rabbit": _locked(11e-12, f"{OHWR} 9 ps; {ASTERICS} 13 ps; the middle"),
    "white-rabbit-low-jitter": _locked(2.3e-12, f"{OHWR} 2.3 ps, clock synthesis on an external board"),
    "white-rabbit-improved": _locked(0.18e-12, f"{ASTERICS} 0.18 ps, low-jitter board and phase-locked oscillator"),
}
"""Presets by name."""


def named(preset: str, **settings: Any) -> "LinearOscillator":
    """Return the oscillator of a preset, with other settings of its kind besides or in place of its own.

    Raises
    ------
    ValueError
        If there is no such preset.

    >>> named("ocxo", cfo_std_hz=2.0)
    TwoState(h0_s=2e-25, h_minus_2_per_s=6e-25, cfo_std_hz=2.0, phase_std_rad=0.0)
    """
    if preset not in PRESETS:
        raise ValueError(f'preset is "{preset}": give one of {", ".join(PRESETS)}')
    kind, own, _ = PRESETS[preset]
    module, _, name = OSCILLATORS[kind].partition(":")
    made: LinearOscillator = getattr(import_module(module), name)(**{**own, **settings})
    return made
