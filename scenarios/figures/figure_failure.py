"""Position error and spectral efficiency through the failure and the return of a transmitting access point, over time.

Once with phases that are exact for ever: the AP is off for six milliseconds. Once with a clock in every AP and rounds
of pilots: the AP restarts, its clock has any phase, and no one knows it until the next round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emulator.faults import ApDown, Fault, Restart
from emulator.results import CpiResult
from emulator.slot import Frame
from scenarios.figures.common import Interval, each_realization, mean_interval, realization_seed
from scenarios.figures.network_study import ONE_TARGET, Curve, Curves, draw_band, draw_errors, sample_of
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.file.survey import frame_of
from scenarios.output import draw

__all__ = ["Failure", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 24
N_CPIS = 24
BACK_BEFORE_S = 250e-6
"""The AP is back so long before a CPI starts: in time for its plan."""


class Story(NamedTuple):
    """What happens: settings, and the CPIs in which the AP is off, the last one excluded."""

    settings: dict[str, Any]
    first: int
    until: int
    restarts: bool


STORIES = {
    "exact phases": Story({}, 5, 15, False),
    "a clock in each AP": Story(
        {"oscillators.preset": "ocxo", "calibration.kind": "direct-path", "calibration.period_s": 8.4e-3}, 5, 8, True
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Failure(Curves):
    """The figure failure.

    Attributes
    ----------
    kept_se
        Sum spectral efficiency over that of the same CPI without the failure, of each curve; NaN where there is none.
    down_s
        When the AP is off, of each curve.
    pilots
        Which CPIs are those of pilots, of each curve.
    """

    kept_se: tuple[Interval, ...]
    down_s: tuple[tuple[float, float], ...]
    pilots: tuple[tuple[bool, ...], ...]

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure failure --json`."""
        data = super().data()
        for curve, kept, down, pilots in zip(data["curves"], self.kept_se, self.down_s, self.pilots, strict=True):
            curve |= _columns(kept) | {"down_s": down, "has_pilots": pilots}
        return data

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each CPI."""
        head, *rows = super().rows()
        kept = np.concatenate([np.transpose(interval) for interval in self.kept_se]).tolist()
        return [[*head, *_columns(self.kept_se[0])], *([*row, *more] for row, more in zip(rows, kept, strict=True))]

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(12.4, 7.4), layout="constrained")
            plot(self, figure.subplots(2, 2, sharex="col", sharey="row", height_ratios=(1.3, 1.0)))
        return figure


def _columns(kept: Interval) -> dict[str, Float]:
    return {f"kept_se{end}": part for end, part in zip(("", "_low", "_high"), kept, strict=True)}


def run(n_realizations: int = N_REALIZATIONS, seed: int = 1, workers: int | None = None) -> Failure:
    """Return the figure: the paper's scenario with one target; the first of the transmitters fails.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    """
    found = each_realization(partial(_layout, seed=seed), n_realizations, workers, "figure failure")
    frame = frame_of(load("paper"))
    times_s = np.array([frame.cpi_middle_s(cpi) for cpi in range(N_CPIS)])
    samples, kept, pilots = (np.array(part) for part in zip(*found, strict=True))
    return Failure(
        seed=seed,
        n_realizations=n_realizations,
        curves=tuple(Curve(name=n, axis="time_s", x=times_s, samples=samples[:, i]) for i, n in enumerate(STORIES)),
        predicted={},
        kept_se=tuple(mean_interval(kept[:, i]) for i in range(len(STORIES))),
        down_s=tuple(_down_s(story, frame) for story in STORIES.values()),
        pilots=tuple(tuple(column.any(axis=0).tolist()) for column in pilots.transpose(1, 0, 2)),
    )


def _down_s(story: Story, frame: Frame) -> tuple[float, float]:
    """Return from when to when the AP is off."""
    return 1e-9 * frame.cpi_start_ns(story.first), 1e-9 * frame.cpi_start_ns(story.until) - BACK_BEFORE_S


def _layout(index: int, seed: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Return samples, kept SE and where pilots are, of a layout, for each story and CPI."""
    told = [_told(story, realization_seed(seed, index)) for story in STORIES.values()]
    samples, kept, pilots = (list(part) for part in zip(*told, strict=True))
    return samples, kept, pilots


def _told(story: Story, seed: int) -> tuple[list[Any], Float, list[bool]]:
    scenario = load("paper", ONE_TARGET | story.settings)
    undisturbed = scenario.build(seed, estimator=None, tracing=False).run(N_CPIS).cpis
    emulation = scenario.build(seed, tracing=False, faults=[_fault(story, scenario, undisturbed)])
    cpis = list(emulation.cpis(N_CPIS))  # with what was fused, which `run` keeps of the last one only
    due = emulation.frame.n_samples * emulation.network.n_antennas
    before, after = (np.array([cpi.se_bit_s_hz.sum() for cpi in run]) for run in (undisturbed, cpis))
    kept = np.divide(after, before, out=np.full(N_CPIS, np.nan), where=before > 0.0)
    return [sample_of(cpi, due) for cpi in cpis], kept, [cpi.has_pilots for cpi in cpis]


def _fault(story: Story, scenario: Scenario, undisturbed: Sequence[CpiResult]) -> Fault:
    """Return the failure of the first transmitter of the CPI before it."""
    node = f"ap-{undisturbed[story.first - 1].assignment.transmitters[0]}"
    at_s, until_s = _down_s(story, frame_of(scenario))
    if story.restarts:
        return Restart(node=node, at_s=at_s, lasts_s=until_s - at_s)
    return ApDown(node=node, at_s=at_s, until_s=until_s)


TITLES = {
    "exact phases": "Phases exact; a transmitter is off",
    "a clock in each AP": "A clock in each AP; a transmitter restarts",
}


def plot(result: Failure, axes: Any) -> Any:
    """Draw errors above and spectral efficiency below, a story in each column, and return the axes."""
    for i, (errors, efficiency) in enumerate(axes.T):
        curve = result.curves[i].scaled(1e3)
        draw_errors(errors, [(curve, {"color": draw.BLUE, "marker": "o", "label": "position error"})])
        draw_band(efficiency, curve.x, result.kept_se[i], 100.0, color=draw.GREEN, marker="s")
        errors.set_title(TITLES[curve.name])
        for ax in (errors, efficiency):
            _shade(ax, result, i)
            ax.grid(True)
        efficiency.set(xlabel="time (ms)")
    for ax in axes[:, 1]:
        ax.set_ylabel("")
    _fit(axes[0, 0], result)
    what = axes[0, 1].get_legend_handles_labels()
    axes[0, 0].legend(*what, loc="upper right", title=f"{result.n_realizations} layouts, bands: 95 %", alignment="left")
    axes[1, 0].set(ylabel="sum SE, share of that\nwithout failure (%)", ylim=(60.0, 104.0))
    return axes


def _shade(ax: Axes, result: Failure, i: int) -> None:
    """Shade when the AP is off, and CPIs of pilots."""
    first, last = (1e3 * time for time in result.down_s[i])
    ax.axvspan(first, last, color="#F3D9C9", lw=0, zorder=0, label="access point off")
    half = 0.5e3 * (result.curves[i].x[1] - result.curves[i].x[0])
    label = "pilots: no sensing, no data"
    for at in 1e3 * result.curves[i].x[np.array(result.pilots[i])]:
        ax.axvspan(at - half, at + half, color="#DADADA", lw=0, zorder=0, label=label)
        label = "_"


def _fit(ax: Axes, result: Failure) -> None:
    """Have the errors of both columns in sight."""
    values = np.concatenate([curve.interval("error_m").value for curve in result.curves])
    shown = values[np.isfinite(values)]
    if len(shown):
        ax.set_ylim(0.3 * shown.min(), 20.0 * shown.max())
