"""An error budget of phase: what standards, links, clocks and calibrations leave, and what coherence needs.

Of standards and White Rabbit links the published figure, of clocks the drift that their law gives, of calibrations what
a round of pilots leaves in the emulation. Coherence needs what keeps the hybrid bound below twice the bound without
phase errors; that is the closed form, of the sensing waveform alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.constants import speed_of_light

from emulator import Emulation
from models.bounds.closed_form import information_gain, position_error_bound_m, sensing_energy_w
from models.bounds.hybrid import hybrid_information
from models.network import Area
from models.oscillators import PRESETS, named
from models.units import db_to_linear
from scenarios.figures.common import Interval, each_realization, median_interval, realization_seed
from scenarios.figures.figure_coherence import phases_left_rad
from scenarios.file.files import load
from scenarios.file.nodes import TargetKeys
from scenarios.file.scenario import Scenario
from scenarios.output import draw

__all__ = ["Entry", "PhaseBudget", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 30
TIME_ALIGNMENT_S = 65e-9
TIME_ALIGNMENT_SOURCE = "3GPP TS 38.104, 6.5.3.2: time alignment error of MIMO, base stations of type 1-C and 1-H"
SINCE_S = (1e-3, 10e-3, 100e-3)
"""Times since a calibration, for the drift of clocks."""
CLOCKS = ("low-tcxo", "high-tcxo", "rubidium", "ocxo")
LINKS = {
    "white-rabbit": "White Rabbit switch", "white-rabbit-low-jitter": "White Rabbit, low-jitter board",
    "white-rabbit-improved": "White Rabbit, improved",
}  # fmt: skip
CALIBRATIONS = ("over-the-air", "direct-path")
UNKNOWN_RAD = 0.3
"""Phases of the APs before a round: over the air, drifts of more than a quarter turn could not be told."""
POINTS_PER_SIDE = 10
ERRORS_RAD = np.geomspace(1e-4, 10.0, 201)
MOST_GROWTH = 2.0
SURVEY_ERROR_M = 1e-3
SHARES = (0.05, 0.5, 0.95)
PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))
FEWEST_RAD = 0.01
"""From here on phases are told in rad."""


class Entry(NamedTuple):
    """One bar: what is off by how much, root mean square unless its source says otherwise."""

    group: str
    name: str
    phase_rad: tuple[float, ...]
    """One number; or of a clock one for each of ``SINCE_S``; or of a calibration a median and its 95 % interval."""
    source: str


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseBudget:
    """The budget at a carrier.

    Attributes
    ----------
    entries
        The bars.
    needed_rad
        Phase error of each AP at which the hybrid bound is twice that without: quantiles ``SHARES`` over points and
        layouts.
    """

    seed: int
    n_realizations: int
    setting: dict[str, Any]
    carrier_hz: float
    transmit_power_dbm: float
    entries: tuple[Entry, ...]
    needed_rad: tuple[float, ...]

    def time_s(self, phase_rad: float) -> float:
        """Return the time error that is a phase of the carrier."""
        return phase_rad / (2.0 * math.pi * self.carrier_hz)

    def data(self) -> dict[str, Any]:
        """Return the budget as the object of `dmimo figure phase-budget --json`."""
        return {
            "seed": self.seed,
            "realizations": self.n_realizations,
            "setting": self.setting,
            "carrier_hz": self.carrier_hz,
            "transmit_power_dbm": self.transmit_power_dbm,
            "since_s": SINCE_S,
            "entries": [{**e._asdict(), "time_s": [*map(self.time_s, e.phase_rad)]} for e in self.entries],
            "needed": {"share": SHARES, "phase_rad": self.needed_rad},
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the budget as a table, a row for each number."""
        numbers = [(e, phase) for e in self.entries for phase in e.phase_rad]
        needed = [["needed", f"share {s}", p, self.time_s(p), ""] for s, p in zip(SHARES, self.needed_rad, strict=True)]
        bars = [[e.group, e.name, phase, self.time_s(phase), e.source] for e, phase in numbers]
        return [["group", "name", "phase_rad", "time_s", "source"], *bars, *needed]

    def summary(self) -> list[str]:
        """Return the budget as lines of text."""
        low, median, high = self.needed_rad
        needs = f"coherence needs {median:.2g} rad, {_told(self.time_s(median), 's')}"
        bars = (f"{entry.group}: {entry.name}, {self.text(entry)}" for entry in self.entries)
        return [*bars, f"{needs} (90 % of points: {low:.2g} to {high:.2g} rad)"]

    def text(self, entry: Entry) -> str:
        """Return the numbers of a bar in words."""
        if entry.group == "clock":
            first, *_, last = entry.phase_rad
            ends = zip((first, last), (SINCE_S[0], SINCE_S[-1]), strict=True)
            return ", ".join(f"{_told(phase, 'rad')} after {_told(since, 's')}" for phase, since in ends)
        return f"{_told(entry.phase_rad[0], 'rad')}, {_told(self.time_s(entry.phase_rad[0]), 's')}"

    @property
    def _caption(self) -> str:
        """Where the numbers are from."""
        return (
            "Alignment: 3GPP TS 38.104, 6.5.3.2. Clocks: Brown and Hwang, 4th ed., p. 327, as quoted in navtools. "
            "White Rabbit: ohwr.org (wr-low-jitter), asterics2020.eu.\n"
            f"Pilots: emulated at {self.transmit_power_dbm:g} dBm, median of {self.n_realizations} layouts. "
            "Coherence: phase error of each AP that doubles the bound, at 100 points of each."
        )

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(10.5, 6.3), layout="constrained")
            plot(self, figure.subplots())
            figure.supxlabel(self._caption, size=8.5, x=0.01, ha="left")
        return figure


def _told(value: float, unit: str) -> str:
    """Return a time or a phase in the unit that fits.

    >>> [_told(time, "s") for time in (65e-9, 0.18e-12, 1.24e-15)], _told(0.1, "rad"), _told(1.44e-4, "rad")
    (['65 ns', '180 fs', '1.2 fs'], '0.1 rad', '144 µrad')
    """
    if unit == "rad" and value >= FEWEST_RAD:
        return f"{_short(value)} rad"
    scale, prefix = next((scale, prefix) for scale, prefix in PREFIXES if value >= 0.9995 * scale or prefix == "f")
    return f"{_short(value / scale)} {prefix}{unit}"


def _short(number: float) -> str:
    """Return a number with two digits, or as a whole one.

    >>> [_short(number) for number in (1429.4, 0.0508)]
    ['1,429', '0.051']
    """
    return f"{number:,.0f}" if number >= 9.95 else f"{number:.2g}"


def run(
    n_realizations: int = N_REALIZATIONS,
    seed: int = 1,
    workers: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> PhaseBudget:
    """Return the budget of `paper`, 12 APs of 8 antennas, with other settings if given.

    Parameters
    ----------
    n_realizations
        Random layouts: of calibrations, and of what is needed.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    overrides
        Other settings, by scenario key, as {"radio.transmit_power_dbm": 20}.

    Raises
    ------
    ScenarioError
        If a setting is wrong.
    """
    scenario = load("paper", dict(overrides or {}))
    rounds = {kind: load("paper", _round_settings(kind) | dict(overrides or {})) for kind in CALIBRATIONS}
    task = partial(_layout, scenario=scenario, rounds=rounds, seed=seed)
    layouts = each_realization(task, n_realizations, workers, "phase-budget")
    left = {kind: median_interval([one.left_rad[kind] for one in layouts]) for kind in CALIBRATIONS}
    needed = np.quantile(np.concatenate([one.needed_rad for one in layouts]), SHARES)
    return PhaseBudget(
        seed=seed, n_realizations=n_realizations, setting=dict(overrides or {}), carrier_hz=scenario.radio.carrier_hz,
        transmit_power_dbm=scenario.radio.transmit_power_dbm, entries=_entries(scenario.radio.carrier_hz, left),
        needed_rad=tuple(needed.tolist()),
    )  # fmt: skip


def _round_settings(kind: str) -> dict[str, Any]:
    return {"calibration.kind": kind, "oscillators.kind": "static", "oscillators.phase_std_rad": UNKNOWN_RAD}


def _entries(carrier_hz: float, left_rad: Mapping[str, Interval]) -> tuple[Entry, ...]:
    turn_rad_s = 2.0 * math.pi * carrier_hz
    alignment = Entry("standard", "3GPP time alignment", (turn_rad_s * TIME_ALIGNMENT_S,), TIME_ALIGNMENT_SOURCE)
    clocks = [
        Entry("clock", name, tuple(np.sqrt(named(name).phase_variance_rad2(SINCE_S, carrier_hz))), PRESETS[name].source)
        for name in CLOCKS
    ]
    links = [
        Entry("link", words, (turn_rad_s * PRESETS[name].settings["jitter_s"],), PRESETS[name].source)
        for name, words in LINKS.items()
    ]
    survey = Entry(
        "calibration", "path surveyed 1 mm wrong", (turn_rad_s * SURVEY_ERROR_M / speed_of_light,), "k times it"
    )
    rounds = [Entry("calibration", kind, tuple(map(float, left_rad[kind])), "emulated") for kind in CALIBRATIONS]
    return (alignment, *clocks, *links, survey, *rounds)


# -- one layout -------------------------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    left_rad: dict[str, float]
    """What a round of each calibration leaves."""
    needed_rad: Float
    """At which phase error the bound doubles, at each point."""


def _layout(index: int, scenario: Scenario, rounds: Mapping[str, Scenario], seed: int) -> _Layout:
    """Return what one layout shows."""
    own = realization_seed(seed, index)
    left = {
        kind: _left_rad(one.build(own, tracing=False, scoring=False, estimator=None)) for kind, one in rounds.items()
    }
    return _Layout(left, _needed_rad(scenario.build(own, tracing=False, scoring=False, estimator=None), scenario))


def _left_rad(emulation: Emulation) -> float:
    """Return what is left of the phases of the APs when the first round is over."""
    emulation.run(math.ceil(emulation.network.n_aps / emulation.frame.n_slots) + 4)  # two more to plan, two to spare
    return phases_left_rad(emulation)


def _needed_rad(emulation: Emulation, scenario: Scenario) -> Float:
    """Return the phase error of each AP at which the hybrid bound of a target alone doubles, at points of the area."""
    view = emulation.central.view()
    network, radio = view.network, view.radio
    assignment = emulation.central.selector.select(view, np.random.default_rng(0))
    first = scenario.targets[0] if scenario.targets else TargetKeys()
    energy_w = sensing_energy_w(radio, network.n_antennas)
    gain = information_gain(network, energy_w, db_to_linear(first.rcs_dbsm), radio.noise_power_w)
    points = _points_m(view.area)
    bounds = [
        position_error_bound_m(hybrid_information(network, assignment, points, gain, s**2)) for s in (0.0, *ERRORS_RAD)
    ]
    growth = np.array(bounds[1:]) / bounds[0]
    return np.array([np.interp(MOST_GROWTH, one, ERRORS_RAD) for one in growth.T])


def _points_m(area: Area) -> Float:
    """Return the centres of the cells of a coarse grid."""
    x, y = area.grid(max(area.width_m, area.height_m) / POINTS_PER_SIDE)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


# -- drawing ----------------------------------------------------------------------------------------------------------

COLOURS = {"standard": draw.GREY, "clock": draw.VERMILION, "link": draw.BLUE, "calibration": "#CC79A7"}
LABELS = {
    "standard": "limit of a standard", "clock": "clock, 1 to 100 ms after a calibration; line: 10 ms",
    "link": "jitter of a synchronised clock", "calibration": "left by a calibration by pilots",
}  # fmt: skip
LEAST_S, MOST_S = 1e-15, 3e-5


def plot(result: PhaseBudget, ax: Axes) -> Axes:
    """Draw the budget as bars over the time error, with the phase as a second axis."""
    seen: set[str] = set()
    for y, entry in enumerate(result.entries):
        _draw_bar(result, ax, y, entry, "_" if entry.group in seen else LABELS[entry.group])
        seen.add(entry.group)
    low, median, high = map(result.time_s, result.needed_rad)
    ax.axvspan(low, high, color=draw.GREEN, alpha=0.22, lw=0, zorder=0)
    label = f"coherence needs {result.needed_rad[1]:.2g} rad: bound doubled (shaded: 90 % of points)"
    ax.axvline(median, color=draw.GREEN, lw=1.8, zorder=1, label=label)
    ax.set_yticks(range(len(result.entries)), [entry.name for entry in result.entries])
    ax.set(xscale="log", xlim=(LEAST_S, MOST_S), ylim=(len(result.entries) - 0.5, -0.6), xlabel="time error (s)")
    turn = 2.0 * math.pi * result.carrier_hz
    phases = ax.secondary_xaxis("top", functions=(partial(np.multiply, turn), partial(np.multiply, 1.0 / turn)))
    phases.set_xlabel(f"phase at {1e-9 * result.carrier_hz:g} GHz (rad)")
    ax.grid(True, axis="x")
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.11), ncols=2, fontsize=9.5)
    return ax


def _draw_bar(result: PhaseBudget, ax: Axes, y: int, entry: Entry, label: str) -> None:
    times = [result.time_s(phase) for phase in entry.phase_rad]
    is_clock = entry.group == "clock"
    start, end = (times[0], times[-1]) if is_clock else (LEAST_S, times[0])
    ax.barh(y, end - start, left=start, height=0.62, color=COLOURS[entry.group], label=label, zorder=2)
    if is_clock:
        ax.vlines(times[1:-1], y - 0.31, y + 0.31, color="white", lw=1.6, zorder=3)
    ax.annotate(result.text(entry), (end, y), (6, 0), textcoords="offset points", va="center", size=9.5, zorder=4,
                path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
