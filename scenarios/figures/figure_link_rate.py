"""Position error, right lobe and share of what is fused against the rate of the links, for both splits."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emulator.slot import Frame
from scenarios.figures.common import each_realization, realization_seed
from scenarios.figures.network_study import ONE_TARGET, Curve, Curves, draw_band, draw_errors, last_sample
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.file.survey import frame_of
from scenarios.output import draw

__all__ = ["LinkRate", "least_rates_bit_s", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 30
RATES_BIT_S = 1e6 * np.array([12, 18, 22, 26, 28, 30, 34, 50, 64, 90, 125, 160, 185, 200, 215, 260, 400])
SPLITS: dict[str, dict[str, Any]] = {
    "iq": {},
    "statistics": {"fronthaul.split": "statistics"},
    "statistics, 16 bits": {"fronthaul.split": "statistics", "fronthaul.statistics_bits": 16},
}
EARLIEST_CPI, CPIS = 10, 10
"""Layouts are looked at from the 11th CPI on, each in another one of ten: queues have had time to fill."""


class LinkRate(Curves):
    """The figure link-rate."""

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(12.4, 7.4), layout="constrained")
            plot(self, figure.subplots(2, 2, sharex=True))
        return figure


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> LinkRate:
    """Return the figure: the paper's scenario with one target, 12 links of one rate, in the steady state.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    found = np.array(each_realization(partial(_layout, seed=seed), n_realizations, workers, "figure link-rate"))
    curves = [Curve(name=name, axis="rate_bit_s", x=RATES_BIT_S, samples=found[:, i]) for i, name in enumerate(SPLITS)]
    least = {name: least_rates_bit_s(load("paper", ONE_TARGET | settings)) for name, settings in SPLITS.items()}
    return LinkRate(
        seed=seed,
        n_realizations=n_realizations,
        curves=tuple(curves),
        predicted={f"rate in bit/s, {name}": rate for name, rate in least.items()},
    )


def _layout(index: int, seed: int) -> list[list[Any]]:
    """Return the samples of a layout, shape (n_splits, n_rates, n_fields)."""
    n_cpis, own = EARLIEST_CPI + 1 + index % CPIS, realization_seed(seed, index)
    return [[_sample(settings, rate, own, n_cpis) for rate in RATES_BIT_S] for settings in SPLITS.values()]


def _sample(settings: dict[str, Any], rate_bit_s: float, seed: int, n_cpis: int) -> Any:
    scenario = load("paper", ONE_TARGET | settings | {"fronthaul.rate_bit_s": float(rate_bit_s)})
    return last_sample(scenario, seed, n_cpis)


# -- what is expected -------------------------------------------------------------------------------------------------


def least_rates_bit_s(scenario: Scenario) -> float:
    """Return the rate from which on everything is fused: what is due is serialised just before its time is up.

    A report of IQ samples has to be off before that of the next slot comes. Statistics are sent when the waveforms of
    all transmitters have come, by way of the central processor, within half of the deadline; the statistics have the
    rest of it.
    """
    frame, latency_s = frame_of(scenario), scenario.fronthaul.latency_s
    sent = _bits(scenario, frame)
    deadline_s = 1e-9 * frame.deadline_ns
    if scenario.fronthaul.split == "iq":
        return max(sent["report"] / (1e-9 * frame.slot_ns), sent["report"] / (deadline_s - latency_s))
    waveforms = sent["record"] * (1 + frame.n_slots)
    all_waveforms = waveforms / (0.5 * deadline_s - 2.0 * latency_s)
    return max(all_waveforms, (waveforms + sent["report"]) / (deadline_s - 3.0 * latency_s))


def _bits(scenario: Scenario, frame: Frame) -> dict[str, int]:
    """Return the bits of a report and of the record of a transmitter, as counted on the links."""
    result = scenario.build(1, estimator=None, scoring=False, tracing=False).run(1)
    links = result.fronthaul["links"]
    roles = result.cpis[0].assignment
    receiver, transmitter = roles.receivers[0], roles.transmitters[0]
    n_reports = frame.n_slots if scenario.fronthaul.split == "iq" else 1
    return {
        "report": links[f"ap-{receiver}->central"]["bits"] // n_reports,
        "record": links[f"ap-{transmitter}->central"]["bits"],
    }


LOOK: dict[str, dict[str, Any]] = {
    "iq": {"color": draw.BLUE, "marker": "o"},
    "statistics": {"color": draw.VERMILION, "marker": "s"},
    "statistics, 16 bits": {"color": draw.GREEN, "marker": "^"},
}
SHARES = (-0.03, 1.03)
TICKS_MBIT_S = (12, 20, 30, 50, 100, 200, 400)
LABELS = {"iq": "IQ, 16 bits", "statistics": "statistics, 64 bits", "statistics, 16 bits": "statistics, 16 bits"}


def plot(result: LinkRate, axes: Any) -> Any:
    """Draw errors, right lobe, what was fused and spectral efficiency on 2 x 2 axes, and return them."""
    (errors, lobes), (fused, efficiency) = axes
    curves = [(curve.scaled(1e-6), LOOK[curve.name] | {"label": LABELS[curve.name]}) for curve in result.curves]
    draw_errors(errors, curves)
    for curve, style in curves:
        draw_band(lobes, curve.x, curve.interval("right_lobe"), **style)
        draw_band(fused, curve.x, curve.interval("fused"), **style)
        draw_band(efficiency, curve.x, curve.interval("sum_se_bit_s_hz"), **style)
    for ax in axes.flat:
        _draw_predictions(ax, result)
    errors.legend(loc="upper left")
    errors.set_title(f"Error of a target; {result.n_realizations} layouts, bands: 95 %")
    lobes.set(ylabel="share of targets", ylim=SHARES, title="In the right lobe of the carrier phase")
    fused.set(ylabel="share of samples", ylim=SHARES, title="Fused in time; dotted: all of it, as predicted")
    efficiency.set(
        ylabel="sum SE (bit/s/Hz)", ylim=(0.0, None), title="Downlink: who is never heard in time gets no task"
    )
    for ax in axes[1]:
        ax.set(xlabel="rate of a link (Mbit/s)", xscale="log", xticks=TICKS_MBIT_S)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
    return axes


def _draw_predictions(ax: Axes, result: LinkRate) -> None:
    for name, rate in zip(SPLITS, result.predicted.values(), strict=True):
        ax.axvline(rate / 1e6, color=LOOK[name]["color"], ls=":", lw=1.4)
    ax.grid(True)
