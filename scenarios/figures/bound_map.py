"""The position error bound over the area of a scenario: `dmimo bound --map`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from emulator.randomness import Streams
from models.bounds.closed_form import coverage, information_gain, position_error_bound_m, sensing_energy_w
from models.bounds.hybrid import hybrid_information, ignoring_covariance_m2
from models.bounds.maps import any_gram_map_m, closed_form_map_m
from models.network import Area, ModeAssignment, Network
from models.radio.geometry import on_access_point
from models.units import db_to_linear
from models.view import View
from scenarios.figures.phases_known import known_phases_rad2, since_calibration_s
from scenarios.figures.point_bounds import expected_illumination, planned_assignment
from scenarios.file.nodes import TargetKeys
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.size import bound_size, require_fit
from scenarios.file.survey import target_starts_m, view_of
from scenarios.output import draw
from scenarios.output.folders import OutputFolder
from scenarios.output.lengths import length_text, length_unit
from scenarios.output.results import finite
from scenarios.version import SCHEMA_VERSION

__all__ = ["BoundMap", "bound_map", "plot", "write"]

Float = NDArray[np.float64]

FILES = ("bound_map.png", "bound_map.npz")
PIXELS_PER_SIDE = 200
THRESHOLD_WAVELENGTHS = 0.1
KINDS = {
    "coherent": "coherent bound",
    "noncoherent": "non-coherent bound",
    "hybrid": "hybrid bound",
    "ignoring": "error that ignores phases",
}
"""Kinds of bound by their name on the command line."""
WITH_PHASES = ("hybrid", "ignoring")
"""Kinds that depend on how well phases are known."""
LIKE = {"coherent": "coherent", "noncoherent": "non-coherent"}
"""The others, as `models.bounds` names them."""
MOST_TICKS = 12
CHUNK_ELEMENTS = 4_000_000
"""Elements of the matrices of points whose phases are eliminated together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundMap:
    """Bounds of a target alone at the centres of the pixels of an area.

    Attributes
    ----------
    kind
        One of `KINDS`: "coherent" (real free amplitudes), "noncoherent", or of those with phases that are not exact.
    peb_m
        Position error bound in m, shape (n_y, n_x); NaN where there is none.
    x_m, y_m
        Centres of the pixels, shapes (n_x,) and (n_y,).
    threshold_m
        Largest bound at which a pixel counts as covered, a tenth of a wavelength.
    targets_m
        Where the targets of the scenario start, shape (n_targets, 2).
    since_s
        How long ago phases were measured; None for a kind without phases.
    """

    kind: str
    network: Network
    area: Area
    assignment: ModeAssignment
    x_m: Float
    y_m: Float
    peb_m: Float
    threshold_m: float
    targets_m: Float
    since_s: float | None = None

    @property
    def covered(self) -> float:
        """Share of the pixels with a bound of at most the threshold."""
        return coverage(self.peb_m, self.threshold_m)

    @property
    def median_peb_m(self) -> float:
        """Median over the pixels, one without a bound counting as infinite."""
        return float(np.median(np.where(np.isnan(self.peb_m), np.inf, self.peb_m)))

    def data(self, paths: Sequence[Path] = ()) -> dict[str, Any]:
        """Return the map in numbers; ``paths`` are the picture and the arrays, if they were written."""
        picture, arrays = paths or (None, None)
        data: dict[str, Any] = finite(
            {
                "kind": self.kind,
                "step_m": float(self.x_m[0] * 2.0),
                "threshold_m": self.threshold_m,
                "coverage": self.covered,
                "median_peb_m": self.median_peb_m,
                "transmitters": self.assignment.transmitters,
                "receivers": self.assignment.receivers,
            }
        )
        since = {} if self.since_s is None else {"since_s": self.since_s}
        return data | since | {"path": picture and str(picture), "data_path": arrays and str(arrays)}

    def summary(self) -> str:
        """Return the map in a sentence."""
        return (
            f"{self._name} over {len(self.x_m)} x {len(self.y_m)} pixels: coverage {self.covered:.3f} "
            f"at {length_text(self.threshold_m)} (λ/10), median {length_text(self.median_peb_m)}"
        )

    @property
    def _name(self) -> str:
        return KINDS[self.kind] if self.kind in WITH_PHASES else f"{self.kind} bound"

    @property
    def title(self) -> str:
        """What a picture of it is called."""
        if self.since_s is None:
            return KINDS[self.kind].replace("bound", "position error bound").capitalize()
        return f"{KINDS[self.kind].capitalize()}, {self.since_s:g} s after phases were known"


def bound_map(scenario: Scenario, seed: int, kind: str = "coherent", since_s: float | None = None) -> BoundMap:
    """Return the bound over the area, for the statistics that a CPI is expected to bring, as `dmimo bound` has it.

    With the sensing waveform alone it is the closed form; with communication that illuminates too (of the channels of
    CPI 0), or APs of different
    power, that of any illumination. The target has the radar cross section of the scenario's first, or the default.

    Parameters
    ----------
    scenario
        The scenario.
    seed
        Seed of its random layout.
    kind
        One of `KINDS`.
    since_s
        Time since the last calibration in s; by default its period, or 0.

    Raises
    ------
    ScenarioError
        If a kind with phases is asked for where phases are exact, or of another illumination or powers.
    """
    since_s = _since_s(scenario, kind, since_s)
    require_fit(bound_size(scenario))
    streams = Streams(seed)
    view = view_of(scenario, streams)
    assignment, area = planned_assignment(scenario, view, streams), view.area
    x, y = area.grid(max(area.width_m, area.height_m) / PIXELS_PER_SIDE)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return BoundMap(
        kind=kind,
        network=view.network,
        area=area,
        assignment=assignment,
        x_m=x,
        y_m=y,
        peb_m=_bounds_m(scenario, seed, view, assignment, points, kind, since_s).reshape(len(y), len(x)),
        threshold_m=THRESHOLD_WAVELENGTHS * view.network.wavelength_m,
        targets_m=np.array(target_starts_m(scenario, streams)).reshape(-1, 2),
        since_s=since_s,
    )


def _since_s(scenario: Scenario, kind: str, asked_s: float | None) -> float | None:
    """Return the time since the last calibration, for a kind that depends on it; None for others."""
    since_s = since_calibration_s(scenario, asked_s)
    if kind not in WITH_PHASES:
        return None
    if since_s is None:
        raise ScenarioError("--kind", [f"got {kind}, but phases are exact here; give [oscillators], or coherent"])
    return since_s


def _bounds_m(
    scenario: Scenario, seed: int, view: View, assignment: ModeAssignment, points: Float, kind: str,
    since_s: float | None,
) -> Float:  # fmt: skip
    """Return the bound at each point, NaN exactly on an access point."""
    network, radio = view.network, view.radio
    first = scenario.targets[0] if scenario.targets else TargetKeys()
    rcs_m2 = db_to_linear(first.rcs_dbsm)
    off = ~on_access_point(network, points)
    found = np.full(len(points), np.nan)
    is_even = not ((radio.illumination == "full" and network.n_ues) or np.ptp(network.relative_power))
    is_even = is_even and network.array_sizes is None
    gain = information_gain(network, sensing_energy_w(radio, network.n_antennas), rcs_m2, radio.noise_power_w)
    if since_s is not None:
        _require_even(is_even, kind)
        phases_rad2 = known_phases_rad2(scenario, view, assignment, since_s)
        found[off] = _with_phases_m(network, assignment, points[off], gain, kind, phases_rad2)
    elif is_even:
        found[off] = closed_form_map_m(network, assignment, points[off], gain, LIKE[kind])
    else:
        gram = expected_illumination(scenario, seed, view, assignment)
        found[off] = any_gram_map_m(network, assignment, points[off], rcs_m2, gram, radio.noise_power_w, LIKE[kind])
    return found


def _require_even(is_even: bool, kind: str) -> None:
    if not is_even:
        alike = 'radio.illumination = "sensing", equal powers and arrays'
        text = f"got {kind}, which is mapped with {alike}; --at bounds points"
        raise ScenarioError("--kind", [text])


def _with_phases_m(
    network: Network, assignment: ModeAssignment, points: Float, gain: float, kind: str, phases_rad2: Float
) -> Float:
    """Return the hybrid bound, or the error that ignores phases, at each point, some points at a time."""
    n_chunks = 1 + len(points) * network.n_aps**2 // CHUNK_ELEMENTS
    bound_m = _hybrid_m if kind == "hybrid" else _ignoring_m
    chunks = np.array_split(points, n_chunks)
    return np.concatenate([bound_m(network, assignment, chunk, gain, phases_rad2) for chunk in chunks])


def _hybrid_m(network: Network, assignment: ModeAssignment, points: Float, gain: float, phases_rad2: Float) -> Float:
    return position_error_bound_m(hybrid_information(network, assignment, points, gain, phases_rad2))


def _ignoring_m(network: Network, assignment: ModeAssignment, points: Float, gain: float, phases_rad2: Float) -> Float:
    covariance = ignoring_covariance_m2(network, assignment, points, gain, phases_rad2)
    return np.asarray(np.sqrt(np.trace(covariance, axis1=-2, axis2=-1)))


def write(result: BoundMap, folder: OutputFolder) -> list[Path]:
    """Write a map as bound_map.png and bound_map.npz (x_m, y_m, peb_m and the access points by role)."""
    return folder.write(
        {
            "bound_map.png": lambda path: draw.save(_picture(result), path),
            "bound_map.npz": lambda path: _save_arrays(result, path),
        }
    )


def _save_arrays(result: BoundMap, path: Path) -> None:
    np.savez_compressed(
        path,
        schema_version=np.int64(SCHEMA_VERSION),
        x_m=result.x_m,
        y_m=result.y_m,
        peb_m=result.peb_m,
        ap_positions_m=result.network.ap_positions_m,
        transmitters=result.assignment.transmitters,
        receivers=result.assignment.receivers,
    )


def _picture(result: BoundMap) -> Figure:
    with draw.styled():
        width, height = result.area.width_m, result.area.height_m
        tall = np.clip(1.6 + 6.0 * height / width, 3.4, 12.0)
        figure = Figure(figsize=(8.6, tall), layout="constrained")
        plot(result, draw.draw_area(figure.subplots(), result.area, result.network))
        figure.legend(loc="outside lower center", ncols=4)
    return figure


def plot(result: BoundMap, ax: Axes) -> Axes:
    """Draw a map with its colour bar, the contour of the threshold, the access points by role and the targets."""
    known = result.peb_m[np.isfinite(result.peb_m)]
    limits = ax.get_xlim(), ax.get_ylim()
    if len(known):
        _draw_bounds(result, ax, known)
    else:
        ax.text(0.5, 0.5, "no bound anywhere", transform=ax.transAxes, ha="center", va="center", color=draw.GREY)
    ax.set(xlim=limits[0], ylim=limits[1])
    ax.spines[:].set_visible(False)
    draw.draw_access_points(ax, result.network, result.assignment, on_image=True)
    draw.draw_names(ax, result.network)
    draw.draw_targets(ax, result.targets_m, np.empty((0, 2)), on_image=True)
    ax.set_title(
        f"{result.title}\n"
        f"coverage {result.covered:.3f} at λ/10 = {length_text(result.threshold_m)}, "
        f"median {length_text(result.median_peb_m)}"
    )
    return ax


def _draw_bounds(result: BoundMap, ax: Axes, known: Float) -> None:
    factor, unit = length_unit(float(np.median(known)))
    low, high = np.percentile(known, (0.5, 97.0))
    has_line = 0.0 < result.covered < 1.0
    shown = [low, high, result.threshold_m] if has_line else [low, high]
    ends = rounded(factor * min(shown), -1), rounded(1.01 * factor * max(shown), 1)
    extent = (0.0, result.area.width_m, 0.0, result.area.height_m)
    norm = LogNorm(*ends)
    image = ax.imshow(factor * result.peb_m, origin="lower", extent=extent, cmap="cividis_r", norm=norm)
    if has_line:
        ax.contour(result.x_m, result.y_m, result.peb_m, levels=[result.threshold_m], colors="white", linewidths=1.4)
        ax.plot([], [], color="#B0B0B0", lw=1.4, label="PEB = λ/10")
    bar = _draw_bar(ax, image, ends, min(1.0, result.area.height_m / result.area.width_m))
    bar.set_label(f"position error{' bound' if result.kind != 'ignoring' else ''} ({unit})")
    if ends[0] < factor * result.threshold_m < ends[1]:
        _mark(bar, factor * result.threshold_m)


def _draw_bar(ax: Axes, image: AxesImage, ends: tuple[float, float], share: float) -> Colorbar:
    """Draw the colour bar, which says at its ends what is good."""
    # Ticks and their labels go in together: a colour bar that gets its ticks later replaces the labels.
    ticks, labels = round_numbers(*ends), FuncFormatter(lambda value, _: f"{value:g}")
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046 * share, pad=0.03, extend="both", ticks=ticks, format=labels)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    for height, way, word in ((1.0, 1, "worse"), (0.0, -1, "better")):
        bar.ax.annotate(
            word, (0.5, height), (0, way * 24 * share), "axes fraction", "offset points", ha="center",
            va="bottom" if way > 0 else "top",
        )  # fmt: skip
    return bar


def _mark(bar: Colorbar, threshold: float) -> None:
    """Draw the threshold across the colour bar, with its name on it."""
    halo = [withStroke(linewidth=2.4, foreground=draw.BLACK)]
    bar.ax.axhline(threshold, color="white", lw=1.4)
    across = bar.ax.get_yaxis_transform()
    bar.ax.text(
        0.5, threshold, "λ/10", transform=across, ha="center", va="bottom", color="white", fontsize=8.5,
        path_effects=halo,
    )  # fmt: skip


def rounded(value: float, way: int) -> float:
    """Return the next number of 1, 2, 5 and their decades, downward for -1 and upward for 1.

    >>> rounded(0.07, -1), rounded(3.1, 1), rounded(2.0, 1)
    (0.05, 5.0, 2.0)
    """
    decade = math.floor(math.log10(value))
    found = [float(f"{digit}e{power}") for power in (decade - 1, decade, decade + 1) for digit in (1, 2, 5)]
    return min(n for n in found if n >= value) if way > 0 else max(n for n in found if n <= value)


def round_numbers(low: float, high: float) -> list[float]:
    """Return round numbers from one to another for ticks, a dozen at most."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in (1, 2, 5)]
    shown = [number for number in found if low <= number <= high]
    decades = [number for number in shown if f"{number:e}".startswith("1")]
    return shown if len(shown) <= MOST_TICKS else decades[:: 1 + len(decades) // MOST_TICKS]
