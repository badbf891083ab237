"""Coherence lost and won back: clocks that drift, first while nobody looks, then while the central processor does.

One run. A calibration at its start makes the network coherent; then the clocks drift apart, and the lobe of the carrier
phase is lost. In the middle the detector of lost coherence is switched on: it notices, pilots are sent, corrections
taken up, and that again and again. A second run, the same to the byte until then, goes on without the detector.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emulator import Emulation
from emulator.trace import Kind
from scenarios.figures.common import each_realization
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.output import draw
from scenarios.output.lengths import length_text

__all__ = ["Coherence", "Course", "phases_left_rad", "plot", "run"]

Float = NDArray[np.float64]
Times = NDArray[np.int64]

N_REALIZATIONS = 1
N_CPIS = 120
WATCHED_FROM_CPI = 50
"""The first CPI whose targets the detector looks at."""
LAST_CPIS = 20
"""Over which means and medians are taken, at the end and before the detector is switched on."""
SETTINGS: dict[str, Any] = {
    "targets": [{}],
    "oscillators.preset": "high-tcxo",
    "oscillators.cfo_std_hz": 2.0,
    "calibration.kind": "direct-path",
    "calibration.when_lost": True,
    "estimator.max_operations": 1e9,
}
"""Of `paper`: one target, whose place the seed draws; clocks whose offsets of 2 Hz part them by a radian in 0.1 s."""
MARKS = (Kind.INCOHERENT, Kind.PILOT, Kind.CALIBRATE, Kind.CORRECT)


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """What happened in a run, CPI by CPI.

    Attributes
    ----------
    start_ns
        Start of each CPI, and end of the last, shape (n_cpis + 1,).
    error_m, peb_m, peb_hybrid_m
        Of each target, shape (n_cpis, n_targets); NaN where there is none. The hybrid bound goes by what the central
        processor knows of the phases.
    resolved
        Whether the estimator decided for a lobe of the carrier phase, same shape.
    phase_error_rad
        Root mean square over the APs of what is left of their true phases, transmit and receive alike, less what all
        share; shape (n_cpis,), NaN for the first.
    sum_se_bit_s_hz, has_pilots
        Shape (n_cpis,).
    marks_ns
        When something happened, by kind.
    """

    start_ns: Times
    error_m: Float
    peb_m: Float
    peb_hybrid_m: Float
    resolved: NDArray[np.bool_]
    phase_error_rad: Float
    sum_se_bit_s_hz: Float
    has_pilots: NDArray[np.bool_]
    marks_ns: Mapping[Kind, Times]

    @classmethod
    def of(cls, emulation: Emulation, watched: bool) -> "Course":
        """Return the course of an emulation, with its detector switched on in the middle or never."""
        start_ns = np.array([emulation.frame.cpi_start_ns(i) for i in range(N_CPIS + 1)])
        cpis, phases = [], np.full(N_CPIS + 1, np.nan)
        for cpi in _each_cpi(emulation, watched):
            cpis.append(cpi.without_observation())
            on_air = np.searchsorted(start_ns, emulation.now_ns, side="right") - 1
            phases[on_air] = phases_left_rad(emulation)
        return cls(
            start_ns=start_ns,
            error_m=np.array([cpi.score.error_m for cpi in cpis]),
            peb_m=np.array([cpi.peb_m for cpi in cpis]),
            peb_hybrid_m=np.array([cpi.peb_hybrid_m for cpi in cpis]),
            resolved=np.array([[status == "resolved" for status in cpi.score.status] for cpi in cpis]),
            phase_error_rad=phases[:-1],
            sum_se_bit_s_hz=np.array([cpi.se_bit_s_hz.sum() for cpi in cpis]),
            has_pilots=np.array([cpi.has_pilots for cpi in cpis]),
            marks_ns=_marks_ns(emulation, int(start_ns[-1])),
        )

    @property
    def middle_ms(self) -> Float:
        """The middle of each CPI."""
        return np.asarray(0.5e-6 * (self.start_ns[:-1] + self.start_ns[1:]))

    def rows(self) -> Iterable[list[Any]]:
        """Yield a row for each CPI and target."""
        for cpi, target in np.ndindex(self.error_m.shape):
            of_cpi = (self.phase_error_rad[cpi], self.sum_se_bit_s_hz[cpi])
            of_target = (part[cpi, target] for part in (self.error_m, self.peb_m, self.peb_hybrid_m))
            flags = int(self.resolved[cpi, target]), int(self.has_pilots[cpi])
            yield [cpi, 1e-6 * float(self.start_ns[cpi]), target, *map(float, (*of_target, *of_cpi)), *flags]

    def data(self) -> dict[str, Any]:
        """Return the course as plain data."""
        columns = ("error_m", "peb_m", "peb_hybrid_m", "resolved", "phase_error_rad", "sum_se_bit_s_hz", "has_pilots")
        found = {name: _plain(getattr(self, name)) for name in columns}
        return found | {f"{kind.name.lower()}_s": (1e-9 * times).tolist() for kind, times in self.marks_ns.items()}

    def typical(self, cpis: slice) -> str:
        """Return errors, phases and spectral efficiency of some CPIs without pilots, in words."""
        errors, spared = self.error_m[cpis], ~self.has_pilots[cpis]
        rms_rad = np.sqrt(np.mean(self.phase_error_rad[cpis][spared] ** 2))
        return (
            f"phases off by {rms_rad:.2g} rad, median position error {length_text(float(np.nanmedian(errors)))}, "
            f"sum SE {self.sum_se_bit_s_hz[cpis][spared].mean():.1f} bit/s/Hz"
        )


def _plain(values: NDArray[Any]) -> list[Any]:
    """Return an array as lists, with None for numbers that are not known."""
    return np.where(np.isfinite(values), values, np.array(None)).tolist()


def _each_cpi(emulation: Emulation, watched: bool) -> Iterable[Any]:
    """Yield the CPIs of a run whose detector is off until the middle, and then switched on or not."""
    attentive = emulation.central.calibrator
    assert attentive is not None, "SETTINGS have a calibration"
    emulation.central.calibrator = replace(attentive, detector=None)
    for cpi in emulation.cpis(N_CPIS):
        if watched and cpi.index + 1 == WATCHED_FROM_CPI:
            emulation.central.calibrator = attentive
        yield cpi


def phases_left_rad(emulation: Emulation) -> float:
    """Return what corrections leave of the phases of the APs in the CPI on the air, root mean square."""
    turns = [turns for ap in emulation.access_points.values() if (turns := ap.turns) is not None]
    off = [_less_common(np.array(phases)) for phases in zip(*turns, strict=True)]
    return float(np.sqrt(np.mean(np.square(off))))


def _less_common(phases_rad: Float) -> Float:
    """Return phases of APs, shape (n_aps, n_slots), less the phase that they share in a slot."""
    turned = np.exp(1j * phases_rad)
    return np.asarray(np.angle(turned * turned.sum(axis=0).conj()))


def _marks_ns(emulation: Emulation, end_ns: int) -> dict[Kind, Times]:
    trace = emulation.trace
    assert trace is not None, "run builds with one"
    columns = trace.columns()
    inside = columns["time_ns"] < end_ns
    return {kind: np.unique(columns["time_ns"][inside & (columns["kind"] == kind)]) for kind in MARKS}


@dataclass(frozen=True, kw_only=True, eq=False)
class Coherence:
    """The run, and the one in which nobody looks to the end."""

    seed: int
    setting: dict[str, Any]
    watched: Course
    unwatched: Course

    @property
    def watched_from_ms(self) -> float:
        """When the detector is switched on."""
        return 1e-6 * float(self.watched.start_ns[WATCHED_FROM_CPI])

    def data(self) -> dict[str, Any]:
        """Return the figure as the object of `dmimo figure coherence --json`."""
        return {
            "seed": self.seed,
            "setting": self.setting,
            "start_s": (1e-9 * self.watched.start_ns).tolist(),
            "watched_from_cpi": WATCHED_FROM_CPI,
            "watched": self.watched.data(),
            "unwatched": self.unwatched.data(),
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the figure as a table, a row for each run, CPI and target."""
        names = ["run", "cpi", "start_ms", "target", "error_m", "peb_m", "peb_hybrid_m", "phase_error_rad",
                 "sum_se_bit_s_hz", "resolved", "has_pilots"]  # fmt: skip
        courses = (("watched", self.watched), ("unwatched", self.unwatched))
        return [names, *([run, *row] for run, course in courses for row in course.rows())]

    def summary(self) -> list[str]:
        """Return what happened, in a few lines."""
        found, on = self.watched, WATCHED_FROM_CPI
        n_pilots, last = int(found.has_pilots[on:].sum()), slice(N_CPIS - LAST_CPIS, N_CPIS)
        return [
            f"Nobody looks, last {LAST_CPIS} CPIs before {self.watched_from_ms:.1f} ms: "
            f"{found.typical(slice(on - LAST_CPIS, on))}",
            f"Then the detector is on. Coherence found lost at {_listed(found.marks_ns[Kind.INCOHERENT])} ms; "
            f"corrections taken up at {_listed(self._later(Kind.CORRECT))} ms",
            f"From the first of them on: {found.typical(slice(self._mended_cpi, N_CPIS))}",
            f"Pilots take {n_pilots} of {N_CPIS - on} CPIs",
            f"The same clocks without the detector, last {LAST_CPIS} CPIs: {self.unwatched.typical(last)}",
        ]

    def _later(self, kind: Kind) -> Times:
        """Return when something happened after the detector was switched on."""
        times = self.watched.marks_ns[kind]
        return times[times >= self.watched.start_ns[WATCHED_FROM_CPI]]

    @property
    def _mended_cpi(self) -> int:
        """The CPI in which the first corrections after that are taken up; the last one if none are."""
        times = self._later(Kind.CORRECT)
        return int(np.searchsorted(self.watched.start_ns, times[0])) if len(times) else N_CPIS - 1

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(10.5, 7.8), layout="constrained")
            plot(self, figure.subplots(4, 1, sharex=True, height_ratios=(3.2, 1.7, 1.5, 0.9)))
        return figure


def _listed(times_ns: Times) -> str:
    return ", ".join(f"{1e-6 * time:.1f}" for time in times_ns) or "no time"


def run(
    n_realizations: int = N_REALIZATIONS,
    seed: int = 1,
    workers: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Coherence:
    """Return both runs.

    Parameters
    ----------
    n_realizations
        1: it is one run.
    seed
        Of the run.
    workers
        Processes; None: one for each core. Two can be used.
    overrides
        Other settings, by scenario key.

    Raises
    ------
    ScenarioError
        If a setting is wrong, or another number of realisations is asked for.
    """
    if n_realizations != N_REALIZATIONS:
        raise ScenarioError("--realizations", [f"got {n_realizations}; figure coherence is one run, of a --seed"])
    given = dict(overrides or {})
    scenario = load("paper", SETTINGS | given)
    if not scenario.targets:
        raise ScenarioError("--set", ["targets: got none; figure coherence is about the position of one"])
    task = partial(_course, scenario=scenario, seed=seed)
    watched, unwatched = each_realization(task, 2, workers, "coherence")
    return Coherence(seed=seed, setting=given, watched=watched, unwatched=unwatched)


def _course(index: int, scenario: Scenario, seed: int) -> Course:
    return Course.of(scenario.build(seed), watched=index == 0)


# -- drawing ----------------------------------------------------------------------------------------------------------

PURPLE, PALE = "#CC79A7", "#B8B8B8"
HAPPENS = {
    Kind.INCOHERENT: ("v", draw.VERMILION, "coherence found lost", "right"),
    Kind.CORRECT: ("D", draw.GREEN, "corrections taken up", "left"),
}
"""Marks of the strip: marker, colour, words, and which side of these is at the first mark."""


def plot(result: Coherence, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw both runs on four axes of one time: position errors, phase errors, spectral efficiency, what happens."""
    errors, phases, rates, strip = axes
    _draw_errors(result, errors)
    _draw_phases(result, phases)
    _draw_rates(result, rates)
    _draw_strip(result, strip)
    for ax in axes:
        _draw_pilots(result.watched, ax)
        ax.axvline(result.watched_from_ms, color=draw.BLACK, lw=1.0, ls=(0, (4, 3)), zorder=1)
    strip.set(xlabel="emulated time (ms)", xlim=(0.0, 1e-6 * float(result.watched.start_ns[-1])))
    return axes


def _draw_pilots(course: Course, ax: Axes) -> None:
    for i in np.flatnonzero(course.has_pilots):
        ax.axvspan(*(1e-6 * course.start_ns[i : i + 2]), color=PURPLE, alpha=0.35, lw=0, zorder=0)


def _draw_errors(result: Coherence, ax: Axes) -> None:
    found, other = result.watched, result.unwatched
    _scatter(ax, found, slice(None), (draw.BLUE, draw.VERMILION), ("resolved", "not resolved"), s=26, zorder=5)
    later = slice(WATCHED_FROM_CPI, None)
    _scatter(ax, other, later, (PALE, PALE), ("if nobody looks, to the end", "_"), s=13, zorder=3)
    lines = ((found.peb_hybrid_m, draw.GREEN, "-", "hybrid bound, as phases are known"),
             (found.peb_m, draw.BLACK, ":", "bound if phases were exact"))  # fmt: skip
    for bound, colour, style, label in lines:
        ax.plot(found.middle_ms, bound[:, 0], color=colour, ls=style, lw=1.6, zorder=4, label=label)
        ax.plot(found.middle_ms, bound[:, 1:], color=colour, ls=style, lw=1.6, zorder=4)
    ax.set(yscale="log", ylabel="position error")
    draw.show_lengths(ax.yaxis)
    ax.set_title("Coherence lost and won back: millimetres, metres, millimetres")
    ax.grid(True)
    ax.legend(loc="center", ncols=3, bbox_to_anchor=(0.5, 0.55), fontsize=9.5)


def _scatter(
    ax: Axes, course: Course, cpis: slice, colours: tuple[str, str], labels: tuple[str, str], **style: Any
) -> None:
    """Draw errors, filled where the target was resolved and hollow where it was not."""
    time = np.repeat(course.middle_ms[cpis], course.error_m.shape[1])
    error, resolved = course.error_m[cpis].ravel(), course.resolved[cpis].ravel()
    faces = colours[0], "none"
    for chosen, face, edge, label in zip((resolved, ~resolved), faces, colours, labels, strict=True):
        ax.scatter(time[chosen], error[chosen], facecolors=face, edgecolors=edge, label=label, lw=1.3, **style)


def _draw_phases(result: Coherence, ax: Axes) -> None:
    _draw_course(result, ax, "phase_error_rad")
    ax.axhline(0.1, color=draw.GREEN, lw=1.2, ls=(0, (1, 1.5)))
    ax.annotate("0.1 rad", (0.4, 0.1), (0, 3), ("axes fraction", "data"), "offset points", ha="right", va="bottom")
    ax.set(ylabel="true phase errors\nof the APs, rms (rad)", ylim=(0.0, None))
    ax.legend(loc="upper left", bbox_to_anchor=(0.02, 1.0), fontsize=9.5)


def _draw_rates(result: Coherence, ax: Axes) -> None:
    _draw_course(result, ax, "sum_se_bit_s_hz")
    ax.set(ylabel="sum SE (bit/s/Hz)", ylim=(0.0, None))


def _draw_course(result: Coherence, ax: Axes, name: str) -> None:
    """Draw what both runs have of something in each CPI."""
    time, watched, unwatched = result.watched.middle_ms, getattr(result.watched, name), getattr(result.unwatched, name)
    later = slice(WATCHED_FROM_CPI - 1, None)
    ax.plot(time[later], unwatched[later], color=PALE, lw=1.6, label="if nobody looks, to the end")
    ax.plot(time, watched, color=draw.BLUE, lw=1.6, label="the run")
    ax.grid(True)


def _draw_strip(result: Coherence, ax: Axes) -> None:
    """Draw what happens: who looks, when coherence is found lost, pilots, corrections."""
    end_ms, on_ms = 1e-6 * float(result.watched.start_ns[-1]), result.watched_from_ms
    spans = ((0.0, on_ms, "#E3E3E3", "clocks drift, nobody looks"),
             (on_ms, end_ms, "#CFE3F1", "the centre looks at the phases of the echoes"))  # fmt: skip
    for start, end, colour, text in spans:
        ax.broken_barh([(start, end - start)], (1.55, 0.9), color=colour)
        ax.text(0.5 * (start + end), 2.0, text, ha="center", va="center")
    for kind, look in HAPPENS.items():
        _draw_happens(ax, 1e-6 * result.watched.marks_ns[kind], *look)
    ax.set(ylim=(0.2, 2.6), yticks=[])
    ax.spines["left"].set_visible(False)


def _draw_happens(ax: Axes, times_ms: NDArray[Any], marker: str, colour: str, text: str, side: str) -> None:
    """Mark when something happens, and say at the first time what it is."""
    ax.plot(times_ms, np.full(len(times_ms), 0.85), marker, color=colour, ms=7.5, zorder=5)
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    for time_ms in times_ms[:1]:
        away = (9.0 if side == "left" else -9.0, 0.0)
        ax.annotate(
            text, (time_ms, 0.85), away, textcoords="offset points", ha=side, va="center", size=9.5, bbox=behind
        )
