"""Position error, what is fused and spectral efficiency against loss on the links, and against the deadline."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from scenarios.figures.common import each_realization, realization_seed
from scenarios.figures.network_study import ONE_TARGET, Curve, Curves, draw_band, draw_errors, last_sample
from scenarios.file.files import load
from scenarios.file.survey import frame_of
from scenarios.output import draw

__all__ = ["Loss", "fused_at_deadline", "fused_at_loss", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 30
N_CPIS = 6
"""Layouts are looked at in the sixth CPI."""
JITTER_S = 100e-6
JITTERY = {"fronthaul.jitter_s": JITTER_S, "schedule.lead_s": 2e-3}
"""Where the deadline matters, delays vary; plans are sent early enough to be in time all the same."""
AXES: dict[str, tuple[Float, dict[str, Any]]] = {
    "loss_probability": (np.array([0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3]), {}),
    "deadline_s": (np.array([50, 100, 150, 200, 300, 400, 600, 900, 1200]) / 1e6, JITTERY),
}
SPLITS = ("iq", "statistics")
RECORD_S = 5e-6
"""About what a record takes on a link of 1 Gbit/s; a report of a slot takes half of it."""


class Loss(Curves):
    """The figure loss."""

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(11.4, 8.2), layout="constrained")
            plot(self, figure.subplots(3, 2, sharex="col", sharey="row", height_ratios=(1.4, 1.0, 1.0)))
        return figure


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Loss:
    """Return the figure: the paper's scenario with one target, every link alike.

    Against the deadline links delay each message by an exponential time of mean 100 us on top of 25 us.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    found = each_realization(partial(_layout, seed=seed), n_realizations, workers, "figure loss")
    curves = []
    for i, (axis, (x, _)) in enumerate(AXES.items()):
        samples = np.array([layout[i] for layout in found])
        curves += [Curve(name=split, axis=axis, x=x, samples=samples[:, j]) for j, split in enumerate(SPLITS)]
    return Loss(seed=seed, n_realizations=n_realizations, curves=tuple(curves), predicted={})


def _layout(index: int, seed: int) -> list[Any]:
    """Return the samples of a layout, for each axis of shape (n_splits, n_x, n_fields)."""
    own = realization_seed(seed, index)
    return [
        [
            [_sample({f"fronthaul.{axis}": float(at), "fronthaul.split": split} | more, own) for at in x]
            for split in SPLITS
        ]
        for axis, (x, more) in AXES.items()
    ]


def _sample(settings: dict[str, Any], seed: int) -> Any:
    return last_sample(load("paper", ONE_TARGET | settings), seed, N_CPIS)


# -- what is expected -------------------------------------------------------------------------------------------------


def fused_at_loss(loss_probability: ArrayLike, split: str) -> Float:
    """Return the share of samples that is fused on average.

    Of IQ samples: if the plan reached transmitter and receiver, and record and report the central processor. For
    statistics the record has to come on to the receiver.

    >>> fused_at_loss(0.1, "iq").round(4)
    np.float64(0.6561)
    """
    return np.asarray((1.0 - np.asarray(loss_probability)) ** (4 if split == "iq" else 5))


def fused_at_deadline(deadline_s: ArrayLike) -> Float:
    """Return the share of IQ samples whose report and record come in time on average.

    Records are sent after the last slot, and reports after their own; a message is late with probability e^(-x/jitter)
    if it has time for a delay of x on top of the latency.
    """
    scenario = load("paper")
    frame = frame_of(scenario)
    spare_s = np.asarray(deadline_s, dtype=float)[..., None] - scenario.fronthaul.latency_s - RECORD_S
    before_last_s = 1e-9 * frame.slot_ns * np.arange(frame.n_slots)
    report = np.mean(_in_time(spare_s + before_last_s), axis=-1)
    return np.asarray(report * _in_time(spare_s)[..., 0])


def _in_time(spare_s: Float) -> Float:
    return -np.expm1(-np.maximum(spare_s, 0.0) / JITTER_S)


LOOK: dict[str, dict[str, Any]] = {
    "iq": {"color": draw.BLUE, "marker": "o", "label": "IQ, 16 bits"},
    "statistics": {"color": draw.VERMILION, "marker": "s", "label": "statistics, 64 bits"},
}
LABELS = {"loss_probability": "probability that a link loses a message (%)", "deadline_s": "deadline (µs)"}
TITLES = {"loss_probability": "Links that lose messages", "deadline_s": "Links with a jitter of 100 µs"}
FACTORS = {"loss_probability": 100.0, "deadline_s": 1e6}


def plot(result: Loss, axes: Any) -> Any:
    """Draw errors, what was fused and spectral efficiency in three rows, an axis a column, and return the axes."""
    for column, axis in zip(axes.T, AXES, strict=True):
        curves = [(curve.scaled(FACTORS[axis]), LOOK[curve.name]) for curve in result.curves if curve.axis == axis]
        draw_errors(column[0], curves)
        for curve, style in curves:
            draw_band(column[1], curve.x, curve.interval("fused"), **style)
            draw_band(column[2], curve.x, curve.interval("sum_se_bit_s_hz"), **style)
        column[0].set_title(TITLES[axis])
        column[2].set(xlabel=LABELS[axis], ylim=(0.0, None))
        _draw_expected(column[1], axis)
        for ax in column:
            ax.grid(True)
    for ax in axes[:, 1]:
        ax.set_ylabel("")
    axes[0, 1].legend(loc="upper right", title=f"{result.n_realizations} layouts, bands: 95 %", alignment="left")
    axes[1, 0].set(ylabel="share of samples fused", ylim=(-0.03, 1.03))
    axes[1, 1].legend(loc="lower right")
    axes[2, 0].set(ylabel="sum SE (bit/s/Hz)")
    return axes


def _draw_expected(ax: Any, axis: str) -> None:
    x = AXES[axis][0]
    fine = np.linspace(x[0], x[-1], 200)
    lossy = axis == "loss_probability"
    for split in SPLITS if lossy else SPLITS[:1]:
        expected = fused_at_loss(fine, split) if lossy else fused_at_deadline(fine)
        ax.plot(FACTORS[axis] * fine, expected, color=draw.BLACK, ls=":", lw=1.4, label="_")
    ax.plot([], [], color=draw.BLACK, ls=":", lw=1.4, label="as predicted")
