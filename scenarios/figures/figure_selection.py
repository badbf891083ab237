"""Selectors against each other: sum spectral efficiency, coverage, the best there is, and what weak UEs get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.constants import speed_of_light

from scenarios.figures import selection_study as of_layout
from scenarios.figures.common import Interval, each_realization, mean_interval
from scenarios.figures.selection_study import EXCHANGE_RATES, METRICS, SELECTORS, LayoutStudy, not_dominated
from scenarios.output import draw

__all__ = ["SelectionStudy", "plot", "run"]

Float = NDArray[np.float64]

N_REALIZATIONS = 100
LIKELY = 0.05
"""Share of UEs below the 95 %-likely spectral efficiency."""
LEAST_RATE = 0.02
"""Where the axis of the spectral efficiency of a UE begins, in bit/s/Hz; rates below it all are drawn linearly."""
N_RESAMPLES = 1000
QUANTILES = np.linspace(0.0, 1.0, 101)
COLUMNS = (
    "sum_se_bit_s_hz", "coverage", "likely_se_bit_s_hz", "sum_se_gain_bit_s_hz", "coverage_gain",
    "sum_se_over_sensing_centric_bit_s_hz", "sum_se_share_of_best", "coverage_share_of_best",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectionStudy:
    """What each selector gets on the same layouts, and what there is to get.

    Attributes
    ----------
    threshold_m
        Largest bound at which a point counts as covered.
    setting
        What the caller set otherwise than the study does.
    layouts
        What each layout shows; results are means over them with 95 % intervals.
    """

    seed: int
    threshold_m: float
    setting: dict[str, Any]
    layouts: tuple[LayoutStudy, ...]

    def samples(self, quantity: str) -> Float:
        """Return a quantity of `LayoutStudy` for all layouts, one more axis in front."""
        return np.array([getattr(layout, quantity) for layout in self.layouts])

    @property
    def values(self) -> Float:
        """Coverage and sum spectral efficiency, shape (n_layouts, n_selectors, 2)."""
        return np.stack([self.samples("coverage"), self.samples("sum_se_bit_s_hz")], axis=-1)

    @property
    def cpu_s(self) -> dict[str, float]:
        """CPU time of a decision in s, median over layouts: never quite the same again."""
        return dict(zip(SELECTORS, np.median(self.samples("cpu_s"), axis=0).tolist(), strict=True))

    def gains(self, over: str | None = None) -> Interval:
        """Return the mean of coverage and sum spectral efficiency over another selector's, or the average split's.

        Differences are taken layout by layout, so that what layouts differ in cancels; shape (n_selectors, 2).
        """
        values = self.values
        base = self.samples("average") if over is None else values[:, list(SELECTORS).index(over)]
        return mean_interval(values - base[:, None])

    def likely_se_bit_s_hz(self) -> Interval:
        """Return what 95 % of all UEs get at least, by selector, with its bootstrap interval over layouts."""
        rates = self.samples("ue_se_bit_s_hz")
        likely = _likely(rates)
        if len(rates) < 2:
            return Interval(likely, np.full_like(likely, np.nan), np.full_like(likely, np.nan))
        picks = np.random.default_rng(self.seed).integers(len(rates), size=(N_RESAMPLES, len(rates)))
        return Interval(likely, *np.quantile([_likely(rates[pick]) for pick in picks], (0.025, 0.975), axis=0))

    def rank_correlation(self) -> Interval:
        """Return Spearman's correlation of each metric with the spectral efficiency of (7), shape (n_metrics,)."""
        return mean_interval(self.samples("rank_correlation"))

    def _columns(self) -> dict[str, Float]:
        """Return value, low and high of each of `COLUMNS`, shape (n_selectors,)."""
        best = self.samples("best")[:, None]
        shares = mean_interval(np.divide(self.values, best, out=np.zeros_like(self.values), where=best > 0.0))
        means, gains = mean_interval(self.values), self.gains()
        by_name = {
            "sum_se_bit_s_hz": (means, 1),
            "coverage": (means, 0),
            "sum_se_gain_bit_s_hz": (gains, 1),
            "coverage_gain": (gains, 0),
            "sum_se_over_sensing_centric_bit_s_hz": (self.gains("sensing-centric"), 1),
            "sum_se_share_of_best": (shares, 1),
            "coverage_share_of_best": (shares, 0),
        }
        intervals = {name: [part[:, which] for part in found] for name, (found, which) in by_name.items()}
        intervals["likely_se_bit_s_hz"] = list(self.likely_se_bit_s_hz())
        suffixes = ("", "_low", "_high")
        return {f"{n}{s}": part for n in COLUMNS for s, part in zip(suffixes, intervals[n], strict=True)}

    def data(self) -> dict[str, Any]:
        """Return the study as the object of `dmimo figure selection --json`, without times."""
        columns = self._columns()
        rates = np.quantile(self.samples("ue_se_bit_s_hz"), QUANTILES, axis=(0, 2))
        selectors = [
            {
                "selector": name,
                **{column: float(values[i]) for column, values in columns.items()},
                "ue_se_quantiles_bit_s_hz": rates[:, i].tolist(),
            }
            for i, name in enumerate(SELECTORS)
        ]
        correlation, fronts = self.rank_correlation(), self.samples("front").mean(axis=0)
        return {
            "seed": self.seed,
            "realizations": len(self.layouts),
            "setting": self.setting,
            "peb_threshold_m": self.threshold_m,
            "selectors": selectors,
            "best": _pair(self.samples("best").mean(axis=0)),
            "average_split": _pair(self.samples("average").mean(axis=0)),
            "rank_correlation": [
                {"metric": metric, "value": float(value), "low": float(low), "high": float(high),
                 "layouts": self.samples("rank_correlation")[:, i].tolist()}
                for i, (metric, value, low, high) in enumerate(zip(METRICS, *correlation, strict=True))
            ],
            "front": {
                "exchange_rate_bit_s_hz": EXCHANGE_RATES.tolist(),
                **{name: _pair(front.T) for name, front in zip(("true_se", "closed_form"), fronts, strict=True)},
            },
            "first_layout": self._first_layout(),
        }  # fmt: skip

    def _first_layout(self) -> dict[str, Any]:
        """Return all splits of layout 0 and which of them are not dominated, by true SE and by the closed form."""
        covered, rates, closed_form = self.layouts[0].splits
        return {
            "coverage": covered.tolist(),
            "sum_se_bit_s_hz": rates.tolist(),
            "closed_form_bit_s_hz": closed_form.tolist(),
            "pareto_front": not_dominated(covered, rates).tolist(),
            "pareto_front_closed_form": not_dominated(covered, closed_form).tolist(),
        }

    def rows(self) -> list[Sequence[Any]]:
        """Return the study as a table, a row for each selector."""
        columns = {"selector": list(SELECTORS), **{name: v.tolist() for name, v in self._columns().items()}}
        return [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]

    def summary(self) -> list[str]:
        """Return the table for a person, and what (19) ranks by."""
        columns, cpu_s = self._columns(), self.cpu_s
        lines = [
            f"{len(self.layouts)} layouts, the same for all; +-: 95 % interval of the gain over the average split",
            f"{'selector':33}{'sum SE':>8}{'gain':>15}{'coverage':>10}{'gain':>17}{'95 %-likely':>13}{'CPU (ms)':>10}",
        ]
        for i, name in enumerate(SELECTORS):
            value = {column: float(values[i]) for column, values in columns.items()}
            rate = _shown(value["sum_se_gain_bit_s_hz_high"] - value["sum_se_gain_bit_s_hz"], ".2f")
            share = _shown(value["coverage_gain_high"] - value["coverage_gain"], ".3f")
            lines.append(
                f"{name:33}{value['sum_se_bit_s_hz']:8.2f}{value['sum_se_gain_bit_s_hz']:+8.2f} +-{rate:>4}"
                f"{value['coverage']:10.3f}{value['coverage_gain']:+9.3f} +-{share:>5}"
                f"{value['likely_se_bit_s_hz']:13.3f}{1e3 * cpu_s[name]:10.1f}"
            )
        best = self.samples("best").mean(axis=0)
        lines.append(f"{'best of all splits, each by itself':33}{best[1]:7.2f}{'':15}{best[0]:10.3f}")
        ranks = zip(METRICS, self.rank_correlation().value, strict=True)
        found = ", ".join(f"{metric} {_shown(value, '+.2f')}" for metric, value in ranks)
        return [*lines, f"Rank correlation with the sum SE of (7) over all splits: {found}"]

    def picture(self) -> Figure:
        """Return the figure drawn."""
        with draw.styled():
            figure = Figure(figsize=(12.6, 10.4), layout="constrained")
            plot(self, figure.subplots(2, 2).ravel())
        return figure


def _likely(rates: Float) -> Float:
    """Return the 5 % quantile over layouts and UEs, shape (n_selectors,), of shape (n_layouts, n_selectors, n_ues)."""
    return np.quantile(rates, LIKELY, axis=(0, 2))


def _shown(number: float, form: str) -> str:
    """Return a number as text, a dash for one that is not known."""
    return format(number, form) if np.isfinite(number) else "–"


def _pair(values: Float) -> dict[str, Any]:
    return {"coverage": values[0].tolist(), "sum_se_bit_s_hz": values[1].tolist()}


def run(
    n_realizations: int = N_REALIZATIONS,
    seed: int = 1,
    workers: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> SelectionStudy:
    """Return the study: 12 APs of 8 antennas, 6 of them receiving, 10 UEs, 20 dBm, rho 0.5, one snapshot a slot.

    Parameters
    ----------
    n_realizations
        Random layouts.
    seed
        Of all of them.
    workers
        Processes; None: one for each core.
    overrides
        Other settings, by scenario key, as {"schedule.n_receivers": 4}.

    Raises
    ------
    ScenarioError
        If a setting is wrong or without effect, there is no UE, or there are more than 16 access points.
    """
    scenario = of_layout.study_scenario(overrides or {})
    task = partial(of_layout.study, scenario=scenario, seed=seed)
    return SelectionStudy(
        seed=seed,
        threshold_m=of_layout.THRESHOLD_WAVELENGTHS * speed_of_light / scenario.radio.carrier_hz,
        setting=dict(overrides or {}),
        layouts=tuple(each_realization(task, n_realizations, workers, "selection")),
    )


GOLD, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
LOOK = {
    "random": (draw.GREY, "o", "random"),
    "sensing-centric": (draw.BLUE, "o", "sensing-centric"),
    "communication-centric": (draw.VERMILION, "s", "communication-centric, (19)"),
    "communication-centric-amplitude": (draw.VERMILION, "D", "the same, of amplitudes"),
    "greedy-surrogate": (SKY, "^", "greedy-surrogate"),
    "greedy-se": (draw.GREEN, "v", "greedy-se"),
    "bound-greedy": (PURPLE, "P", "bound-greedy"),
    "exhaustive": (draw.BLACK, "*", "exhaustive (coverage)"),
}
JOINT = [name for name in SELECTORS if name not in LOOK]
"""Selectors that differ in a weight; they are drawn as one line."""


def plot(result: SelectionStudy, axes: Sequence[Axes]) -> Sequence[Axes]:
    """Draw the study on four axes: the means, one layout, the rates of the UEs, and what metrics rank by."""
    means, one, rates, ranks = axes
    _draw_means(result, means)
    _draw_one_layout(result, one)
    _draw_ue_rates(result, rates)
    _draw_ranks(result, ranks)
    for ax in axes:
        ax.grid(True)
    means.figure.legend(*means.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


BEHIND = ("communication-centric", "greedy-surrogate", "bound-greedy")
"""Selectors whose choice is often that of another: their marks are larger and lie below."""


def _draw_selectors(ax: Axes, points: Float, reach: Float | None = None) -> None:
    """Draw a marker a selector at (coverage, sum SE), shape (n_selectors, 2), with error bars if given."""
    places = dict(zip(SELECTORS, points, strict=True))
    joint = np.array([places[name] for name in JOINT]).T
    ax.plot(*joint, color=GOLD, marker=".", ms=9, lw=1.8, zorder=5, label="joint-greedy, 0.1 to 0.9")
    for name, (color, marker, label) in LOOK.items():
        x, y = places[name]
        style: dict[str, Any] = {"color": color, "marker": marker, "ms": 13 if marker == "*" else 8.5, "zorder": 6}
        face = "white" if name.endswith("amplitude") else color
        if name in BEHIND:
            style |= {"ms": 12.5, "zorder": 5.5}
        half = reach[list(SELECTORS).index(name)] if reach is not None else (0.0, 0.0)
        bars = ax.errorbar(x, y, half[1], half[0], elinewidth=1.3, mfc=face, mec=color, ls="none", **style)
        bars.set_label(label)


def _draw_means(result: SelectionStudy, ax: Axes) -> None:
    fronts, gains = result.samples("front").mean(axis=0), result.gains()
    looks = (draw.BLACK, "-", "best splits there are"), (SKY, "--", "best by closed form")
    for front, (color, style, label) in zip(fronts, looks, strict=True):
        ax.plot(*front.T, color=color, ls=style, lw=1.6, zorder=4, label=label)
    ax.plot(*result.samples("average").mean(axis=0), "x", color=draw.GREY, ms=9, mew=2.0, label="average split")
    _draw_selectors(ax, result.values.mean(axis=0), np.nan_to_num(gains.high - gains.value))
    count = len(result.layouts)
    title = f"Means of {count} layouts; bars: 95 % of the gain over the average split" if count > 1 else "One layout"
    ax.set(xlabel=COVERAGE_LABEL, ylabel="sum spectral efficiency (bit/s/Hz)", title=title)


COVERAGE_LABEL = "share of the area with PEB ≤ λ/10"


def _draw_one_layout(result: SelectionStudy, ax: Axes) -> None:
    first = result.layouts[0]
    covered, rates, _ = first.splits
    ax.scatter(covered, rates, s=9, color="#C9C9C9", lw=0)
    front = not_dominated(covered, rates)
    ax.step(covered[front], rates[front], where="pre", color=draw.BLACK, lw=1.6, zorder=4)
    _draw_selectors(ax, np.stack([first.coverage, first.sum_se_bit_s_hz], axis=-1))
    title = f"First layout: all {len(rates)} splits, {len(front)} of them not dominated"
    ax.set(xlabel=COVERAGE_LABEL, ylabel="sum spectral efficiency (bit/s/Hz)", title=title)


def _draw_ue_rates(result: SelectionStudy, ax: Axes) -> None:
    rates = result.samples("ue_se_bit_s_hz")
    for i, name in enumerate(SELECTORS):
        if name in LOOK:
            color = LOOK[name][0]
            dotted = name.endswith("amplitude")
            label = "(19), of amplitudes" if dotted else "_"
            ax.ecdf(rates[:, i].ravel(), color=color, lw=1.8, ls=":" if dotted else "-", label=label)
    ax.legend(loc="upper left")
    ax.axhline(LIKELY, color=draw.BLACK, lw=0.9, ls=(0, (4, 3)))
    ax.annotate("95 %-likely", (1.0, LIKELY), (-4, 4), "axes fraction", "offset points", ha="right")
    ax.set(xlabel="spectral efficiency of a UE (bit/s/Hz)", ylabel="share of UEs below")
    if rates.max() > LEAST_RATE:
        ax.set(xscale="log", xlim=(max(LEAST_RATE, 0.8 * rates.min()), 1.2 * rates.max()))
        ax.xaxis.set_major_formatter("{x:g}")
    ax.set_title("Every UE of every layout")


def _draw_ranks(result: SelectionStudy, ax: Axes) -> None:
    found = result.samples("rank_correlation")
    for place, (column, color) in enumerate(zip(found.T, (draw.VERMILION, draw.VERMILION, SKY), strict=True)):
        spread = np.linspace(-0.16, 0.16, len(column))
        ax.plot(place + spread, column, ".", color=color, alpha=0.55, ms=8, mew=0.0)
        ax.plot([place - 0.22, place + 0.22], [column.mean()] * 2, color=draw.BLACK, lw=2.0)
        if np.isfinite(mean := column.mean()):
            ax.annotate(f"{mean:+.2f}", (place + 0.25, mean), va="center")
        else:
            ax.annotate("not known", (place, 0.03), ha="center")
    ax.axhline(0.0, color=draw.BLACK, lw=0.9, ls=(0, (4, 3)))
    ax.set_xticks(range(len(METRICS)), ["(19)", "(19) of amplitudes", "closed form of (7)"])
    ax.set(ylabel="rank correlation with the sum SE of (7)", ylim=(-1.05, 1.05), xlim=(-0.5, len(METRICS) - 0.35))
    ax.set_title("What a metric knows about the spectral efficiency: a dot a layout")
