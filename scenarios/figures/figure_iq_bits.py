"""Position error against the bits of IQ samples, with the direct path present, for two quantisers.

What a receiver quantises is the direct path from the transmitters, 40 to 70 dB above the noise and the echoes. The air
of the emulator takes it for removed; here a tap tells the split of each receiver what the direct path was: it is added
before the samples are quantised, and taken off again after the link, as one who knows it exactly would do.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emulator.functional_split import IqSplit
from emulator.media.effects import Effect
from emulator.media.truth import CpiTruth, Emitted
from emulator.messages import CENTRAL, EchoReport, Message
from emulator.pilots import direct_field
from emulator.slot import Slot
from models.radio import QUANTISERS
from models.radio.quantisation import Quantiser
from scenarios.figures.common import each_realization, realization_seed
from scenarios.figures.network_study import ONE_TARGET, Curve, Curves, draw_band, draw_errors, last_sample
from scenarios.file.files import load
from scenarios.file.plugins import make
from scenarios.output import draw

__all__ = ["IqBits", "knee_bits", "plot", "run"]

Complex = NDArray[np.complex128]

N_REALIZATIONS = 40
BITS = np.arange(6, 17)
NAMES = ("uniform", "block-floating-point")


@dataclass(kw_only=True, eq=False)
class DirectPathTap(Effect):
    """Knows what receivers hear of the transmitters in the slot on the air, and adds nothing to it."""

    heard: dict[str, Complex] = field(default_factory=dict)
    power_w: list[float] = field(default_factory=list)
    """Of the direct path, in each slot and at each receiver."""

    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Keep the direct paths from all that radiate."""
        network = self.services.network
        direct = np.asarray(sum(direct_field(network, index, total, receivers) for index, (_, total) in emitted))
        self.heard = {network.ap_names[at]: one for at, one in zip(receivers, direct, strict=True)}
        self.power_w += np.mean(np.abs(direct) ** 2, axis=(1, 2)).tolist()
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Beside(Quantiser):
    """A quantiser of samples that come on top of others, which are known and taken off again.

    Attributes
    ----------
    quantiser
        What quantises the sum.
    known
        What is known, shape (N, n_snapshots).
    """

    quantiser: Quantiser
    known: Complex

    def quantised(self, samples: Complex, n_bits: int, n_axes: int = 2) -> tuple[Complex, NDArray[np.float64]]:
        """Return the samples with the error that the sum has."""
        got, error = self.quantiser.quantised(samples + self.known, n_bits, n_axes)
        return got - self.known, error

    def content_bits(self, n_samples: int, n_bits: int) -> int:
        """Return the size of the sum."""
        return self.quantiser.content_bits(n_samples, n_bits)


@dataclass(kw_only=True)
class IqBesideDirectPath(IqSplit):
    """IQ samples with the direct path in them."""

    tap: DirectPathTap

    def give(self, ap: str, slot: Slot, echo: Complex) -> Message | None:
        """Return the report of the slot."""
        quantiser = Beside(quantiser=self.quantiser, known=self.tap.heard[ap])
        return EchoReport(ap, CENTRAL, slot, echo, self.iq_bits, quantiser)


class IqBits(Curves):
    """The figure iq-bits."""

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(12.4, 4.8), layout="constrained")
            plot(self, figure.subplots(1, 2))
        return figure


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> IqBits:
    """Return the figure: the paper's scenario with one target, and direct paths.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    found = each_realization(partial(_layout, seed=seed), n_realizations, workers, "figure iq-bits")
    samples = np.array([layout for layout, _ in found])
    dnr_db = float(np.mean([dnr for _, dnr in found]))
    return IqBits(
        seed=seed,
        n_realizations=n_realizations,
        curves=tuple(
            Curve(name=name, axis="iq_bits", x=BITS.astype(float), samples=samples[:, i])
            for i, name in enumerate(NAMES)
        ),
        predicted={"direct path over noise in dB": dnr_db, "bits at the knee": knee_bits(dnr_db)},
    )


def knee_bits(dnr_db: float) -> float:
    """Return (DNR + 16) / 6.02: the bits of block floating point from which on less than 0.4 dB are lost.

    >>> round(knee_bits(47.0), 1)
    10.5
    """
    return (dnr_db + 16.0) / 6.02


def _layout(index: int, seed: int) -> tuple[list[Any], float]:
    """Return the samples of a layout, shape (n_quantisers, n_bits, n_fields), and the mean DNR of receivers in dB."""
    scenario, tap = load("paper", ONE_TARGET), DirectPathTap()
    samples = [
        [
            last_sample(
                scenario,
                realization_seed(seed, index),
                1,
                effects=[tap],
                split=partial(IqBesideDirectPath, iq_bits=int(bits), quantiser=make(name, QUANTISERS, {}), tap=tap),
            )
            for bits in BITS
        ]
        for name in NAMES
    ]
    noise_w = scenario.build(seed).central.radio.noise_power_w
    return samples, float(np.mean(10.0 * np.log10(np.array(tap.power_w) / noise_w)))


LOOK: dict[str, dict[str, Any]] = {
    "uniform": {"color": draw.BLUE, "marker": "o", "label": "equal steps"},
    "block-floating-point": {"color": draw.VERMILION, "marker": "s", "label": "block floating point"},
}


def plot(result: IqBits, axes: Any) -> Any:
    """Draw errors and the share in the right lobe on two axes, and return them."""
    errors, lobes = axes
    draw_errors(errors, [(curve, LOOK[curve.name]) for curve in result.curves])
    for curve in result.curves:
        draw_band(lobes, curve.x, curve.interval("right_lobe"), **LOOK[curve.name])
    for ax in axes:
        _draw_knee(ax, result)
    errors.legend(loc="upper right")
    errors.set_title(f"Error of a target; {result.n_realizations} layouts, bands: 95 %")
    lobes.set(ylabel="share of targets", ylim=(-0.03, 1.03), title="In the right lobe of the carrier phase")
    return axes


def _draw_knee(ax: Axes, result: IqBits) -> None:
    dnr_db, knee = result.predicted.values()
    ax.axvline(knee, color=draw.BLACK, ls=":", lw=1.4, label=f"knee as predicted: ({dnr_db:.0f} dB + 16) / 6.02")
    ax.set(xlabel="bits of a real number", xticks=BITS)
    ax.grid(True)
