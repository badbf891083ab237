"""What is measured of a CPI: one object a metric. JSON, run table and pictures read the list ``METRICS``.

A metric says its name, its unit, how it is computed of the result of a CPI, and how it is shown to a person. One more
is one more entry: it then stands in the JSON under its name, and, if it is shown, in the table of the targets or the
lines below it, and over the CPIs in the picture of its panel.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.messages import ARROW
from scenarios.output.lengths import length_text

if TYPE_CHECKING:
    from emulator.results import CpiResult

__all__ = [
    "METRICS",
    "XY",
    "Curve",
    "Metric",
    "Panel",
    "Per",
    "Shown",
    "attributes",
    "columns",
    "curves",
    "lines",
    "number",
    "values",
]

NOTHING = "–"
XY = ("xy", "xy_too")
"""Names of the dimensions along which arrays have the x and y of positions, and of covariances."""


class Per(StrEnum):
    """What a metric has a value of in a CPI."""

    CPI = "cpi"
    TARGET = "target"
    UE = "ue"

    @property
    def dims(self) -> tuple[str, ...]:
        """Named dimensions of its values over the CPIs of a run."""
        return ("cpi",) if self is Per.CPI else ("cpi", self.value)


def attributes(about: str, unit: str) -> dict[str, str]:
    """Return what an array of values says of itself: what it is, and its unit if it has one."""
    return {"long_name": about} | ({"units": unit} if unit else {})


def number(digits: int, factor: float = 1.0) -> Callable[[float], str]:
    """Return what writes a value with so many digits after the point, in a unit that is ``factor`` times smaller."""
    return lambda value: f"{factor * value:,.{digits}f}"


def point(position_m: Sequence[float]) -> str:
    """Return a position as text, to the centimetre.

    >>> point((3.0, 41.256))
    '3.00, 41.26'
    """
    return ", ".join(f"{x:.2f}" for x in position_m)


class Panel(NamedTuple):
    """Axes in the picture of metrics over CPIs; metrics with the same panel share them."""

    title: str
    """With the unit."""
    factor: float = 1.0
    """From the unit of the metrics to that of the title."""
    logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a metric is shown to a person.

    Attributes
    ----------
    heading
        What it is called, in words: a column of the table if it has a value of each target, else a line below it; a
        line, too, if ``over_run`` says what it tells of all CPIs.
    unit
        The unit in which ``text`` writes it.
    text
        Writes a value.
    optional
        Whether a column is left out where no target has a value.
    over_run
        What a line says of all CPIs of a run; empty for no line.
    panel
        Where it is drawn over the CPIs, if at all.
    """

    heading: str
    unit: str = ""
    text: Callable[[Any], str] = str
    optional: bool = False
    over_run: "Callable[[Metric, Sequence[CpiResult]], str] | None" = None
    panel: Panel | None = None

    @property
    def title(self) -> str:
        """Heading and unit."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One thing that is measured of a CPI.

    Attributes
    ----------
    name
        Key in the JSON, with its unit.
    unit
        Unit of the values, SI; empty for words and numbers without one.
    per
        What it has a value of.
    of
        Computes it of the result of a CPI: a value, or a sequence with one of each target or UE; None or NaN where
        there is none.
    optional
        Whether the JSON leaves it out of a CPI in which there is nothing to say.
    about
        What it is, a sentence for the documentation.
    shown
        How it is shown; None: in the JSON alone.
    """

    name: str
    unit: str = ""
    per: Per = Per.CPI
    of: "Callable[[CpiResult], Any]"
    about: str
    optional: bool = False
    shown: Shown | None = None

    def text(self, value: Any) -> str:
        """Return a value as it stands in a table, without its unit; a dash where there is none."""
        assert self.shown is not None, "only a metric that is shown has a text"
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return NOTHING
        return self.shown.text(value)


# -- what a line says of all CPIs ----------------------------------------------------------------------------------


def mean(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    """Return the mean over CPIs with its unit."""
    unit = f" {metric.shown.unit}" if metric.shown is not None and metric.shown.unit else ""
    return f"{metric.text(float(np.mean([metric.of(cpi) for cpi in cpis])))}{unit}, mean of {len(cpis)} CPIs"


def total(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    """Return the sum over CPIs."""
    return metric.text(sum(metric.of(cpi) for cpi in cpis))


def _reports(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    return f"{total(metric, cpis)} of {sum(cpi.reports_expected for cpi in cpis)}"


def _if_any(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    count = sum(map(metric.of, cpis))
    return f"{count} of {len(cpis)}" if count else ""


def _limited(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    count = sum(map(metric.of, cpis))
    return f"in {count} of {len(cpis)} CPIs at its limit of operations; more might be found" if count else ""


def _ages(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    """Return mean and peak over time and targets, from one publication to the next."""
    spans_s = 1e-9 * np.diff([cpi.published_ns for cpi in cpis])
    means_s, peaks_s = (np.array([getattr(cpi.age, name) for cpi in cpis[1:]]) for name in ("mean_s", "peak_s"))
    if not (means_s.size and np.isfinite(means_s).any()):
        return ""
    weights = np.where(np.isfinite(means_s), spans_s[:, np.newaxis], 0.0)
    mean_s = np.sum(weights * np.nan_to_num(means_s)) / np.sum(weights)
    peak_s = np.nanmax(peaks_s)
    return f"{metric.text(float(mean_s))} ms, mean over time and targets; peak {metric.text(float(peak_s))} ms"


def _faults(cpi: "CpiResult") -> list[dict[str, str]]:
    return [{"kind": kind, "link" if ARROW in where else "node": where} for kind, where in cpi.faults]


def _with_faults(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    found = dict.fromkeys(f"{kind} of {where}" for cpi in cpis for kind, where in cpi.faults)
    count = sum(bool(cpi.faults) for cpi in cpis)
    return f"in {count} of {len(cpis)} CPIs: {', '.join(found)}" if count else ""


def _left_out(metric: Metric, cpis: "Sequence[CpiResult]") -> str:
    counts = Counter(name for cpi in cpis for name in cpi.excluded)
    return ", ".join(f"{name} in {count} of {len(cpis)} CPIs" for name, count in sorted(counts.items()))


# -- the metrics ---------------------------------------------------------------------------------------------------


def _of_estimates(cpi: "CpiResult", values: Any) -> list[Any]:
    """Return what belongs to the estimate of each target; None where a target was missed, or if nothing is given."""
    return [values[match] if match >= 0 and values is not None else None for match in cpi.score.matched]


def _covariances(cpi: "CpiResult") -> list[Any]:
    found = _of_estimates(cpi, cpi.estimate.covariance_m2)
    return [value if value is not None and np.all(np.isfinite(value)) else None for value in found]


POSITION = Panel("Position error and bound (mm)", factor=1e3, logarithmic=True)

METRICS: list[Metric] = [
    Metric(
        name="truth_m", unit="m", per=Per.TARGET, of=lambda cpi: cpi.truth_m,
        about="Position at the middle of the CPI.",
        shown=Shown(heading="truth", unit="m", text=point),
    ),
    Metric(
        name="status", per=Per.TARGET, of=lambda cpi: cpi.score.status,
        about='"resolved", "not-resolved" (found, but no lobe of the carrier phase was decided for) or "missed".',
        shown=Shown(heading="status"),
    ),
    Metric(
        name="reason", per=Per.TARGET, of=lambda cpi: _of_estimates(cpi, cpi.estimate.reasons or None),
        about="Why it is not resolved, in a word of those below; null if it is resolved or missed.",
        shown=Shown(heading="reason", optional=True),
    ),
    Metric(
        name="estimate_m", unit="m", per=Per.TARGET, of=lambda cpi: _of_estimates(cpi, cpi.estimate.positions_m),
        about="Estimated position.",
        shown=Shown(heading="estimate", unit="m", text=point),
    ),
    Metric(
        name="covariance_m2", unit="m^2", per=Per.TARGET, of=_covariances,
        about="Covariance of the estimate as the estimator gives it, 2 x 2.",
    ),
    Metric(
        name="error_m", unit="m", per=Per.TARGET, of=lambda cpi: cpi.score.error_m,
        about="Distance of estimate and truth.",
        shown=Shown(heading="error", text=length_text, panel=POSITION),
    ),
    Metric(
        name="peb_m", unit="m", per=Per.TARGET, of=lambda cpi: cpi.peb_m,
        about="Coherent position error bound, real free amplitudes, all targets together, for what was fused.",
        shown=Shown(heading="bound", text=length_text, panel=POSITION),
    ),
    Metric(
        name="peb_structured_m", unit="m", per=Per.TARGET, of=lambda cpi: cpi.peb_structured_m,
        about="The same bound with structured amplitudes.",
    ),
    Metric(
        name="peb_hybrid_m", unit="m", per=Per.TARGET, optional=True, of=lambda cpi: cpi.peb_hybrid_m,
        about="The bound of `peb_m` with what is known of the phases of the APs, which are estimated, too.",
    ),
    Metric(
        name="error_ignoring_m", unit="m", per=Per.TARGET, optional=True, of=lambda cpi: cpi.error_ignoring_m,
        about="RMS error of the best estimator that takes these phases for exact.",
    ),
    Metric(
        name="age_s", unit="s", per=Per.TARGET, of=lambda cpi: cpi.age.after_s,
        about="Age of sensing at the publication: time since the middle of the last CPI that found it.",
    ),
    Metric(
        name="age_mean_s", unit="s", per=Per.TARGET, of=lambda cpi: cpi.age.mean_s,
        about="Its mean over the time since the publication before.",
        shown=Shown(heading="Age of sensing", unit="ms", text=number(3, 1e3), over_run=_ages),
    ),
    Metric(
        name="age_peak_s", unit="s", per=Per.TARGET, of=lambda cpi: cpi.age.peak_s,
        about="Its peak, just before the publication.",
    ),
    Metric(
        name="false_detections", of=lambda cpi: len(cpi.score.false_indices),
        about="Estimates that belong to no target.",
        shown=Shown(heading="False detections", over_run=total, panel=Panel("False detections")),
    ),
    Metric(
        name="false_positions_m", unit="m", of=lambda cpi: cpi.false_positions_m,
        about="Their positions.",
    ),
    Metric(
        name="se_bit_s_hz", unit="bit/s/Hz", per=Per.UE, of=lambda cpi: cpi.se_bit_s_hz,
        about="Spectral efficiency, eq. (7), mean over the slots, times the share of symbols that are no guard.",
    ),
    Metric(
        name="sum_se_bit_s_hz", unit="bit/s/Hz", of=lambda cpi: float(np.sum(cpi.se_bit_s_hz)),
        about="Their sum over the UEs.",
        shown=Shown(
            heading="Sum spectral efficiency", unit="bit/s/Hz", text=number(2), over_run=mean,
            panel=Panel("Sum spectral efficiency (bit/s/Hz)"),
        ),
    ),
    Metric(
        name="sensing_latency_s", unit="s", of=lambda cpi: cpi.sensing_latency_s,
        about="Emulated time from the start of the first slot to the published estimate.",
        shown=Shown(
            heading="Sensing latency", unit="ms", text=number(3, 1e3), over_run=mean,
            panel=Panel("Sensing latency (ms)", factor=1e3),
        ),
    ),
    Metric(
        name="reports_expected", of=lambda cpi: cpi.reports_expected,
        about="Reports due: one a receiver and slot with the split iq, one a receiver with statistics or a map.",
    ),
    Metric(
        name="reports_fused", of=lambda cpi: cpi.reports_fused,
        about="Reports that came in time and were used.",
        shown=Shown(heading="Reports fused", over_run=_reports, panel=Panel("Reports fused")),
    ),
    Metric(
        name="limited", of=lambda cpi: cpi.estimate.limited,
        about="Whether the search for targets stopped at its limit of operations: a higher one might find more.",
        shown=Shown(heading="Search stopped", over_run=_limited),
    ),
    Metric(
        name="faults", optional=True, of=_faults,
        about="Faults that were on at any time from the plan of the CPI to its estimate: kind, and node or link.",
        shown=Shown(heading="Faults", over_run=_with_faults),
    ),
    Metric(
        name="excluded", optional=True, of=lambda cpi: list(cpi.excluded),
        about="Receivers that contradicted the others and were left out of the estimate.",
        shown=Shown(heading="Receivers left out", over_run=_left_out),
    ),
    Metric(
        name="has_pilots", optional=True, of=lambda cpi: cpi.has_pilots,
        about="Whether its slots were those of pilots, to calibrate phases: nothing was sensed or communicated.",
        shown=Shown(heading="CPIs of pilots", over_run=_if_any),
    ),
]  # fmt: skip
"""In the order in which they stand in the JSON."""


# -- what reads the list -------------------------------------------------------------------------------------------


def values(cpi: "CpiResult") -> dict[str, Any]:
    """Return all metrics of a CPI by name, those of targets as one table a target under "targets"."""
    measured = [(metric, metric.of(cpi)) for metric in METRICS]
    of_targets = {
        metric.name: value
        for metric, value in measured
        if metric.per is Per.TARGET and not (metric.optional and value is None)
    }
    targets = [{name: value[i] for name, value in of_targets.items()} for i in range(len(cpi.truth_m))]
    others = {
        metric.name: value
        for metric, value in measured
        if metric.per is not Per.TARGET and not (metric.optional and not value)
    }
    return {"targets": targets, **others}


def columns(cpi: "CpiResult") -> list[tuple[str, list[str]]]:
    """Return heading and texts, one a target, of every column of the table of targets."""
    shown = [
        (metric, metric.shown)
        for metric in METRICS
        if metric.per is Per.TARGET and metric.shown is not None and metric.shown.over_run is None
    ]
    return [
        (show.title, [metric.text(value) for value in metric.of(cpi)])
        for metric, show in shown
        if not show.optional or any(value is not None for value in metric.of(cpi))
    ]


def lines(cpis: "Sequence[CpiResult]") -> list[tuple[str, str]]:
    """Return heading and text of every line that says something of all CPIs of a run."""
    return [
        (metric.shown.heading, text)
        for metric in METRICS
        if metric.shown is not None
        and metric.shown.over_run is not None
        and (text := metric.shown.over_run(metric, cpis))
    ]


class Curve(NamedTuple):
    """A metric over CPIs: one line, or one for each target or UE."""

    heading: str
    per: Per
    values: NDArray[np.float64]
    """Shape (n_cpis, n_lines), in the unit of the panel; NaN where there is none."""


def curves(cpis: "Sequence[CpiResult]") -> dict[Panel, list[Curve]]:
    """Return what the picture of metrics over CPIs draws in each panel; panels without a line are left out."""
    found: dict[Panel, list[Curve]] = {}
    for metric in METRICS:
        if metric.shown is None or metric.shown.panel is None:
            continue
        rows = [np.asarray(metric.of(cpi), dtype=float).ravel() for cpi in cpis]
        curve = Curve(metric.shown.heading, metric.per, metric.shown.panel.factor * np.array(rows))
        if curve.values.shape[1]:
            found.setdefault(metric.shown.panel, []).append(curve)
    return found
