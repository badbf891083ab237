"""A metric of a sweep against a swept key: curves with 95 % intervals, and their picture.

Values of one trial belong together: its CPIs and targets share a layout. So intervals are over trials: Student's of the
trials' means for a mean, and a bootstrap that draws whole trials for a quantile, without an end on a side on which all
trials may lie by chance. A target that was missed counts as
infinitely far off in a quantile, and is left out of a mean; how many were is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

from scenarios.figures.common import Interval, mean_interval
from scenarios.file.problems import ScenarioError, closest
from scenarios.output import draw
from scenarios.output.folders import OutputFolder
from scenarios.output.metrics import XY

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

__all__ = ["Curve", "Curves", "curves", "default_metric", "plot", "write"]

Float = NDArray[np.float64]
OWN_DIMS = {"trial", "cpi", "target", "ue", *XY}
TAIL, N_RESAMPLES = 0.025, 1000
STYLES = (
    (draw.BLUE, "o"), (draw.VERMILION, "s"), (draw.GREEN, "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"),
    (draw.GREY, "X"),
)  # fmt: skip
MOST_CURVES = len(STYLES)
ROOM = 0.13
"""For the arrows of intervals without an end, of the height."""
LENGTHS = ((1e3, "mm"), (1e2, "cm"), (1.0, "m"), (1e-3, "km"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One line of the picture: value and interval at each place on the axis; NaN where nothing is known."""

    name: str
    interval: Interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """A metric against a key.

    Attributes
    ----------
    metric, unit, about
        What is shown.
    statistic
        What the values are of all trials, in words.
    key, x
        What it is shown against; words where values are no numbers.
    hue
        The key that has a curve for each value, if any.
    curves
        The curves.
    n_trials, n_missed, n_values
        Trials at each place, and how many of all values are of missed targets.
    """

    metric: str
    unit: str
    about: str
    statistic: str
    key: str
    x: NDArray[Any]
    hue: str | None
    curves: tuple[Curve, ...]
    n_trials: int
    n_missed: int
    n_values: int

    @property
    def missed(self) -> str:
        """What became of missed targets, in words; empty where none was."""
        if not self.n_missed:
            return ""
        without = "missed" if self.metric == "error_m" else "without a value"
        share = f"{self.n_missed / self.n_values:.1%} of the targets {without}"
        return f"{share}, left out" if self.statistic == "mean" else f"{share}, taken for infinite (×)"

    def summary(self) -> list[str]:
        """Return a line for each place of each curve."""
        about = f"{self.statistic} of {self.metric}, {self.n_trials} trials, 95 % intervals"
        return [f"{about}; {self.missed}" if self.missed else about, *self._lines()]

    def _lines(self) -> list[str]:
        unit = f" {self.unit}" if self.unit else ""
        named = [(f"{curve.name}, " if curve.name else "", curve) for curve in self.curves]
        return [
            f"{name}{self.key} = {_label(x)}: {value:.4g} [{low:.4g}, {high:.4g}]{unit}"
            for name, curve in named
            for x, value, low, high in zip(self.x, *curve.interval, strict=True)
        ]


def default_metric(results: "Dataset") -> str:
    """Return what one looks at first."""
    return "error_m" if "error_m" in results else "peb_coherent_m"


def curves(
    results: "Dataset", metric: str, x: str | None = None, hue: str | None = None, quantile: float | None = 0.5
) -> Curves:
    """Return a metric of a sweep against a key; keys that are neither on the axis nor told apart are pooled.

    Parameters
    ----------
    results
        Of `open_results`.
    metric
        Name of a variable of numbers.
    x, hue
        Swept keys; by default the first and the second. Of a list of settings x may be a key in it; settings that
        leave this key as it is are left out then.
    quantile
        Between 0 and 1; None: the mean.

    Raises
    ------
    ScenarioError
        If there is no such metric or key.
    """
    if x is not None and x in results.coords and results[x].dims == ("point",):
        results = _along(results, x)
    values = _metric(results, metric)
    swept = [str(dim) for dim in values.dims if dim not in OWN_DIMS]
    key = _swept("--x", x or next(iter(swept), ""), swept)
    own = _swept("--hue", hue, swept) if hue else next((dim for dim in swept if dim != key and x is None), None)
    if own is not None and values.sizes[own] > MOST_CURVES:
        raise ScenarioError("--hue", [f"got {own} of {values.sizes[own]} values; allowed: up to {MOST_CURVES} curves"])
    if own == key:
        raise ScenarioError("--hue", [f"got {own}, which is on the axis; allowed: another swept key"])
    samples = _samples(results, values, [dim for dim in (own, key) if dim is not None], quantile is not None)
    shaped = samples if own is not None else samples[None]
    names = [_name(own, value) for value in values[own].values] if own is not None else [""]
    counted = ~np.isnan(_samples(results, values, [key], True))
    return Curves(
        metric=metric,
        unit=str(values.attrs.get("units", "")),
        about=str(values.attrs.get("long_name", "")),
        statistic="mean" if quantile is None else "median" if quantile == 0.5 else f"quantile {quantile:g}",
        key=key,
        x=values[key].values,
        hue=own,
        curves=tuple(
            Curve(name=name, interval=_stacked([_interval(one, quantile) for one in line]))
            for name, line in zip(names, shaped, strict=True)
        ),
        n_trials=values.sizes["trial"],
        n_missed=int(np.isinf(_samples(results, values, [key], True)).sum()),
        n_values=int(counted.sum()),
    )


def _along(results: "Dataset", key: str) -> "Dataset":
    """Return a list of settings along one of its keys, those with the same value side by side."""
    import xarray

    given = results[key].to_series().dropna()
    given = given[given != "null"]
    keys = [name for name, array in results.coords.items() if array.dims == ("point",)]
    groups = [results.drop_vars(keys).isel(point=np.flatnonzero(results[key] == value)) for value in given.unique()]
    counted = [group.assign_coords(point=np.arange(group.sizes["point"])) for group in groups]
    index = xarray.DataArray(given.unique(), dims=key, name=key)
    return xarray.concat(counted, index, join="outer").sortby(key)


def _metric(results: "Dataset", metric: str) -> "DataArray":
    numbers = [str(name) for name, array in results.data_vars.items() if array.dtype.kind in "fi"]
    if metric not in numbers:
        raise ScenarioError("--y", [f'got "{metric}", which is no number of this sweep; {closest(metric, numbers)}'])
    return results[metric]


def _swept(option: str, key: str, swept: Sequence[str]) -> str:
    if key not in swept:
        raise ScenarioError(
            option, [f'got "{key}"; allowed: a key that was swept: {", ".join(swept) or "there is none"}']
        )
    return key


def _samples(results: "Dataset", values: "DataArray", kept: list[str], missed_count: bool) -> Float:
    """Return values of shape (kept dims, trial, all else); infinite where a target has none, if those are to count."""
    if missed_count and "target" in values.dims and values.attrs.get("units") == "m":
        where = results["truth_m" if "truth_m" in results else "position_m"]
        there = where.isel(xy=0, drop=True).notnull() & (results["failed"] == 0)
        if "has_pilots" in results:  # nothing was sensed in a CPI of pilots: nothing was missed
            there &= results["has_pilots"] != 1
        values = values.where(values.notnull() | ~there, np.inf)
    rest = [dim for dim in values.dims if dim not in (*kept, "trial")]
    ordered = values.transpose(*kept, "trial", *rest).values.astype(float)
    return ordered.reshape(*ordered.shape[: len(kept) + 1], -1)


def _interval(trials: Float, quantile: float | None) -> Interval:
    """Return mean or quantile of values, shape (trial, each), with its interval over trials."""
    known = ~np.isnan(trials)
    trials = trials[known.any(axis=1)]
    if not len(trials):
        return Interval(*np.full(3, np.nan))
    if quantile is None:
        return mean_interval(np.nanmean(trials, axis=1))
    return _quantile_interval(trials, quantile)


def _quantile_interval(trials: Float, quantile: float) -> Interval:
    value = np.asarray(_quantile(trials, quantile))
    below, above = (1.0 - quantile) ** len(trials), quantile ** len(trials)  # chances that all trials lie on one side
    if min(below, above) > TAIL:
        return Interval(value, *np.full(2, np.nan))
    picks = np.random.default_rng(len(trials)).integers(len(trials), size=(N_RESAMPLES, len(trials)))
    drawn = [_quantile(trials[pick], quantile) for pick in picks]
    low, high = np.quantile(drawn, (TAIL, 1.0 - TAIL), method="nearest")
    return Interval(value, np.where(below > TAIL, -np.inf, low), np.where(above > TAIL, np.inf, high))


def _quantile(trials: Float, quantile: float) -> float:
    """Return an order statistic: between a number and infinity there is no middle."""
    return float(np.quantile(trials[~np.isnan(trials)], quantile, method="inverted_cdf"))


def _stacked(intervals: Sequence[Interval]) -> Interval:
    return Interval(*np.array(intervals, dtype=float).T)


def _name(key: str, value: Any) -> str:
    return f"{key.rpartition('.')[2]} = {_label(value)}"


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


# -- drawing ----------------------------------------------------------------------------------------------------------


def write(
    found: Curves, folder: Path, *, logy: bool = False, logx: bool = False, overwrite: bool = False
) -> list[Path]:
    """Write the picture as PNG and PDF and return the paths."""
    stem = f"{found.metric}-{found.statistic.replace(' ', '-')}-over-{found.key}"
    with draw.styled():
        figure = Figure(figsize=(8.4, 5.0), layout="constrained")
        plot(found, figure.subplots(), logy=logy, logx=logx)
    output = OutputFolder(
        path=folder,
        command=f"plot {stem}",
        names=(f"{stem}.pdf", f"{stem}.png"),
        settings={"hue": found.hue, "logy": logy, "logx": logx},
        overwrite=overwrite,
    )
    return output.write(
        {
            f"{stem}.png": lambda path: draw.save(figure, path),
            f"{stem}.pdf": lambda path: draw.save(figure, path, "pdf"),
        }
    )


def plot(found: Curves, ax: Axes, *, logy: bool = False, logx: bool = False) -> Axes:
    """Draw curves and the bands of their intervals, and return the axes."""
    factor, unit = _scale(found)
    numbers = found.x.dtype.kind in "fi"
    x = (found.x if numbers else np.arange(len(found.x))).astype(float)
    for curve, (color, marker) in zip(found.curves, STYLES, strict=False):
        _draw(ax, x, curve, factor, color, marker)
    if not numbers:
        ax.set_xticks(x, [str(value) for value in found.x])
    ax.set(xlabel=found.key, ylabel=_y_label(found, unit))
    ax.set(xscale="log" if logx and numbers else "linear", yscale="log" if logy else "linear")
    ax.set_title(_title(found))
    if logy:
        ax.yaxis.set_major_formatter(LogFormatter(labelOnlyBase=False))
        ax.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
    if any(np.isinf(end).any() for curve in found.curves for end in curve.interval[1:]):
        ax.margins(y=ROOM)
    ax.grid(True)
    if found.hue is not None:
        ax.legend()
    return ax


def _draw(ax: Axes, x: Float, curve: Curve, factor: float, color: str, marker: str) -> None:
    value, low, high = (factor * np.where(np.isfinite(part), part, np.nan) for part in curve.interval)
    up, down = (np.isfinite(value) & np.isinf(end) for end in (curve.interval.high, curve.interval.low))
    low, high = np.where(down, value, low), np.where(up, value, high)
    ax.fill_between(x, low, high, color=color, alpha=0.18, lw=0)
    bounded = np.isfinite(value) & np.isfinite(high)
    reach_of = [(value - low)[bounded], (high - value)[bounded]]
    ax.errorbar(x[bounded], value[bounded], reach_of, color=color, ls="", elinewidth=1.0, alpha=0.6)
    ax.plot(x, value, color=color, marker=marker, ms=5.5, lw=1.8, label=curve.name)
    endless = x[np.isinf(curve.interval.value)]
    ax.plot(endless, np.full(len(endless), 0.985), ls="", marker="x", color=color, transform=ax.get_xaxis_transform())
    for ends, points in ((up, 28), (down, -28)):
        for place, level in zip(x[ends], value[ends], strict=True):
            ax.annotate("", (place, level), (0, points), textcoords="offset points", arrowprops=_unbounded(color))


def _unbounded(color: str) -> dict[str, Any]:
    """Return the arrow that tells of an interval without an end."""
    return {"arrowstyle": "<-", "color": color, "lw": 1.4}


def _scale(found: Curves) -> tuple[float, str]:
    """Return the unit in which the values are shown, and the factor into it: for lengths the one that fits."""
    if found.unit != "m":
        return 1.0, found.unit
    values = np.concatenate([curve.interval.value for curve in found.curves])
    values = values[np.isfinite(values) & (values > 0.0)]
    middle = float(np.median(values)) if len(values) else 1.0
    return next((pair for pair in LENGTHS if pair[0] * middle < 1e3 and pair[1] != "cm"), LENGTHS[-1])


def _y_label(found: Curves, unit: str) -> str:
    """Return statistic and metric with the unit that is shown, which that in the name of a length need not be."""
    name = found.metric.removesuffix("_m") if found.unit == "m" else found.metric
    return f"{found.statistic} of {name}" + (f" ({unit})" if unit else "")


def _title(found: Curves) -> str:
    """Return what is shown, of how many trials, and what became of missed targets."""
    said = f"{found.n_trials} trials, bands: 95 %"
    return f"{found.about.rstrip('.')}\n" + (f"{said}; {found.missed}" if found.missed else said)
