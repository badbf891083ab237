"""Drawing: every function takes values and an ``ax``, works out nothing but units, and returns the ``ax``."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from models.network import Area, ModeAssignment, Network
from scenarios.output.lengths import length_text, length_unit
from scenarios.version import SCHEMA_VERSION

__all__ = [
    "BLACK", "BLUE", "GREEN", "GREY", "STYLE", "VERMILION", "draw_access_points", "draw_around", "draw_cost_map",
    "draw_ellipse", "draw_error", "draw_names", "draw_paths", "draw_spectral_efficiency", "draw_targets",
    "draw_threshold", "draw_user_equipment", "save", "show_lengths",
]  # fmt: skip

Float = NDArray[np.float64]

# Okabe and Ito's palette, told apart by every kind of colour vision; markers differ as well.
BLUE, VERMILION, GREEN, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#8C8C8C", "#1A1A1A"
ROLES: dict[str, dict[str, Any]] = {
    "transmit": {"color": BLUE, "marker": "^"},
    "receive": {"color": VERMILION, "marker": "s"},
    "idle": {"color": GREY, "marker": "o"},
}
ESTIMATES: dict[str, dict[str, Any]] = {
    "resolved": {"label": "estimate", "color": GREEN, "marker": "+", "s": 90.0, "linewidths": 1.8},
    "wrong lobe": {
        "label": "estimate, wrong lobe", "facecolors": VERMILION, "edgecolors": "white", "marker": "X", "s": 95.0,
        "linewidths": 0.8,
    },
    "not resolved": {
        "label": "estimate, not resolved", "facecolors": "none", "edgecolors": "#B07400", "marker": "D", "s": 46.0,
        "linewidths": 1.7,
    },
    "false": {
        "label": "false detection", "facecolors": "#CC79A7", "edgecolors": BLACK, "marker": "*", "s": 120.0,
        "linewidths": 0.7,
    },
}  # fmt: skip
"""The marks of estimates by what came of them; shapes differ, not only colours."""
MOST_NAMES = 40
"""Access points beyond so many have no room for their names."""
NINETY_FIVE_PERCENT = 2.447746830680816
"""Radius in standard deviations that holds 95 % of a Gaussian in the plane: sqrt(-2 ln 0.05)."""

STYLE: dict[str, Any] = {
    "figure.dpi": 100, "savefig.dpi": 150, "font.size": 10.5, "axes.titlesize": 11, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#4D4D4D", "axes.linewidth": 0.8,
    "xtick.color": "#4D4D4D", "ytick.color": "#4D4D4D", "axes.labelcolor": BLACK,
    "legend.facecolor": "white", "legend.edgecolor": "none", "legend.framealpha": 0.85,
    "grid.color": "#E3E3E3", "grid.linewidth": 0.6, "axes.axisbelow": True, "figure.facecolor": "white",
    "svg.hashsalt": "dmimo",
}  # fmt: skip


def save(figure: Figure, file: Path | BinaryIO, kind: str = "png") -> None:
    """Write a figure as "png", "pdf" or "svg": no time stamp in it, so equal figures are equal bytes."""
    without = {"png": ("Software",), "pdf": ("CreationDate", "Creator", "Producer"), "svg": ("Date", "Creator")}[kind]
    version = {"png": "schema_version", "pdf": "Keywords", "svg": "Keywords"}[kind]
    said = {version: str(SCHEMA_VERSION) if kind == "png" else f"schema_version={SCHEMA_VERSION}"}
    metadata = dict.fromkeys(without) | said
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a name from a file: a box stands for what the font lacks
        if kind == "png":  # savefig would draw a figure with a layout twice: once to lay it out
            figure.set_dpi(STYLE["savefig.dpi"])
            FigureCanvasAgg(figure).print_png(file, metadata=metadata)
        else:
            figure.savefig(file, format=kind, metadata=metadata)


def show_lengths(axis: Axis) -> None:
    """Write the ticks of an axis in metres in the unit that fits: 1 mm, 10 cm, 10 m."""
    axis.set_major_formatter(lambda metres, _: length_text(metres))


def _dots(ax: Axes, points: ArrayLike, **style: Any) -> None:
    x, y = np.asarray(points, dtype=float).T
    ax.scatter(x, y, **style)


def draw_area(ax: Axes, area: Area, network: Network) -> Axes:
    """Set the axes to the area, a little wider, and as much more as the access points and UEs need."""
    points = np.vstack([[[0.0, 0.0], [area.width_m, area.height_m]], network.ap_positions_m, network.ue_positions_m])
    return draw_around(ax, points)


def draw_around(ax: Axes, points_m: Float) -> Axes:
    """Set the axes to hold some points, shape (n, 2), and a little more."""
    low, high = points_m.min(axis=0), points_m.max(axis=0)
    margin = 0.035 * (high - low).max()
    ax.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    ax.set(aspect="equal", xlabel="x (m)", ylabel="y (m)")
    return ax


def draw_access_points(ax: Axes, network: Network, assignment: ModeAssignment, on_image: bool = False) -> Axes:
    """Draw the access points by role, each with a tick in the direction in which its array looks."""
    positions = network.ap_positions_m
    look = np.stack([np.cos(network.boresights_rad), np.sin(network.boresights_rad)], axis=-1)
    tick = 0.035 * float(np.ptp(ax.get_xlim()))
    halo = [withStroke(linewidth=3.2, foreground="white")] if on_image else []
    for role, style in ROLES.items():
        chosen = [i for i, mode in enumerate(assignment.modes) if mode.value == role]
        if not chosen:
            continue
        ends = np.stack([positions[chosen], positions[chosen] + tick * look[chosen]])
        ax.plot(*ends.transpose(2, 0, 1), color=style["color"], lw=1.8, zorder=3, path_effects=halo)
        edge = {"edgecolors": "white", "linewidths": 0.8, "s": 55.0, "zorder": 4}
        _dots(ax, positions[chosen], label=f"access point, {role}", **edge, **style)
    return ax


def draw_names(ax: Axes, network: Network) -> Axes:
    """Write the name of each access point at its back, unless there are too many."""
    if network.n_aps > MOST_NAMES:
        return ax
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for name, at, angle in zip(network.ap_names, network.ap_positions_m, network.boresights_rad, strict=True):
        back = -13.0 * np.array([np.cos(angle), np.sin(angle)])
        ax.annotate(
            name, tuple(at), tuple(back), textcoords="offset points", fontsize=8, color="#4D4D4D", zorder=5,
            ha=_beside(back[0]), va="center", path_effects=halo,
        )  # fmt: skip
    return ax


def _beside(offset: float) -> str:
    """Return how a text is aligned that stands off to one side, or above or below."""
    return "center" if abs(offset) < 6.0 else "left" if offset > 0.0 else "right"


def draw_user_equipment(ax: Axes, network: Network) -> Axes:
    """Draw the UEs as small crosses."""
    if network.n_ues:
        _dots(ax, network.ue_positions_m, s=26, color=GREY, marker="x", linewidths=1.3, zorder=3, label="UE")
    return ax


def draw_targets(
    ax: Axes,
    truth_m: Float,
    estimates_m: Float,
    covariances_m2: Sequence[ArrayLike | None] = (),
    on_image: bool = False,
    kinds: Sequence[str] = (),
) -> Axes:
    """Draw targets as numbered rings and estimates by what came of them, with their 95 % ellipses.

    Parameters
    ----------
    ax
        Axes in m.
    truth_m, estimates_m
        Shapes (S, 2) and (F, 2).
    covariances_m2
        Shape (2, 2) each, of the first estimates; None where it is not known.
    on_image
        Draw in light colours with dark outlines.
    kinds
        What came of each estimate, a name of `ESTIMATES`; left out: all are resolved.
    """
    ring = "white" if on_image else BLACK
    halo = [withStroke(linewidth=3.4, foreground=BLACK)] if on_image else []
    outline = {"facecolors": "none", "edgecolors": ring, "linewidths": 1.5, "path_effects": halo}
    if len(truth_m):
        _dots(ax, truth_m, s=150, zorder=6, label="target", **outline)
    for i, (x, y) in enumerate(truth_m):
        ax.annotate(str(i), (x, y), (8, 8), textcoords="offset points", color=ring, zorder=8, path_effects=halo)
    came = list(kinds) or ["resolved"] * len(estimates_m)
    for kind in ESTIMATES:
        _draw_estimates(ax, [at for at, one in zip(estimates_m, came, strict=True) if one == kind], kind, on_image)
    known = [(at, value) for at, value in zip(estimates_m, covariances_m2, strict=False) if value is not None]
    for i, (at, covariance) in enumerate(known):
        draw_ellipse(ax, at, covariance, label="" if i else "95 % of its error")
    return ax


def _draw_estimates(ax: Axes, estimates_m: Sequence[ArrayLike], kind: str, on_image: bool = False) -> None:
    if not len(estimates_m):
        return
    style = dict(ESTIMATES[kind])
    if on_image:
        style |= dict.fromkeys({"color", "edgecolors"} & style.keys(), "#F0E442")
        style["path_effects"] = [withStroke(linewidth=3.4, foreground=BLACK)]
    _dots(ax, np.array(estimates_m, dtype=float), zorder=7, **style)


def draw_paths(ax: Axes, truth_m: Float, estimates: Mapping[str, Sequence[ArrayLike]]) -> Axes:
    """Draw the ways of targets as lines, and what was estimated on them as small dots in the colours of their kind.

    Parameters
    ----------
    ax
        Axes in m.
    truth_m
        Shape (n_cpis, S, 2).
    estimates
        Positions by kind, a name of `ESTIMATES`.
    """
    for i, way in enumerate(np.moveaxis(truth_m, 1, 0)):
        ax.plot(*way.T, color=BLACK, lw=1.0, alpha=0.6, zorder=2, label="" if i else "way of a target")
    for kind, found in estimates.items():
        style = ESTIMATES[kind]
        colour = style.get("color") or (style["edgecolors"] if style["facecolors"] == "none" else style["facecolors"])
        if len(found):
            label = f"earlier: {style['label']}"
            _dots(ax, np.array(found, dtype=float), s=9, color=colour, linewidths=0, zorder=2.5, label=label)
    return ax


def draw_ellipse(
    ax: Axes, centre: ArrayLike, covariance: ArrayLike, factor: float = 1.0, color: str = GREEN, label: str = ""
) -> Axes:
    """Draw the 95 % ellipse of a covariance about a centre; ``factor`` is the unit of the axes (1000 for mm)."""
    matrix = np.asarray(covariance, dtype=float)
    if not np.all(np.isfinite(matrix)):
        return ax
    variances, directions = np.linalg.eigh(matrix)
    minor, major = 2.0 * NINETY_FIVE_PERCENT * factor * np.sqrt(np.maximum(variances, 0.0))
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    x, y = np.asarray(centre, dtype=float)
    shape = Ellipse((x, y), major, minor, angle=angle, facecolor=color, edgecolor=color, alpha=0.25, lw=1.2, zorder=5)
    shape.set_label(label)
    ax.add_patch(shape)
    return ax


def draw_error(
    ax: Axes, truth_m: Float, estimate_m: Float | None, covariance_m2: Float | None, peb_m: float, name: str,
    kind: str = "resolved",
) -> Axes:  # fmt: skip
    """Draw where an estimate lies as seen from its target, at the scale of the error.

    Parameters
    ----------
    ax
        Empty axes.
    truth_m, estimate_m
        Positions, shape (2,); no estimate where the target was missed.
    covariance_m2
        Shape (2, 2), or None.
    peb_m
        Position error bound, NaN where there is none.
    name
        What to call the target in the title.
    kind
        What came of the estimate, a name of `ESTIMATES`.
    """
    if estimate_m is None:
        ax.text(0.5, 0.5, "missed", transform=ax.transAxes, ha="center", va="center", color=VERMILION)
        ax.set(title=f"{name}\nmissed, bound {length_text(peb_m)}", xticks=[], yticks=[], aspect="equal")
        return ax
    offset = np.asarray(estimate_m) - truth_m
    error = float(np.hypot(*offset))
    spread = 0.0
    if covariance_m2 is not None and np.all(np.isfinite(covariance_m2)):
        spread = NINETY_FIVE_PERCENT * float(np.sqrt(np.linalg.eigvalsh(covariance_m2)[-1]))
    reach = 1.15 * max(error + spread, 1.5 * (peb_m if np.isfinite(peb_m) else 0.0), 1e-6)
    factor, unit = length_unit(reach)
    if covariance_m2 is not None:
        draw_ellipse(ax, factor * offset, covariance_m2, factor)
    _dots(ax, [[0.0, 0.0]], s=120, facecolors="none", edgecolors=BLACK, linewidths=1.5, zorder=6)
    _draw_estimates(ax, [factor * offset], kind)
    ax.set(xlim=(-factor * reach, factor * reach), ylim=(-factor * reach, factor * reach), aspect="equal")
    ax.set(xlabel=f"x error ({unit})", ylabel=f"y error ({unit})")
    ax.set_title(f"{name}\noff by {length_text(error)}, bound {length_text(peb_m)}")
    ax.grid(True)
    return ax


def draw_cost_map(
    ax: Axes, x_m: Float, y_m: Float, cost: Float, depth_db: float = 30.0, range_db: tuple[float, float] | None = None
) -> Axes:
    """Draw a cost over a grid in dB with a colour bar: in a fixed range, or down to ``depth_db`` below its peak.

    Parameters
    ----------
    ax
        Axes in m.
    x_m, y_m
        Centres of the cells, shapes (n_x,) and (n_y,).
    cost
        Explained power over noise power, shape (n_y, n_x).
    depth_db
        What lies lower gets the lowest colour.
    range_db
        Lowest and highest colour, whatever the peak is.
    """
    level = 10.0 * np.log10(np.maximum(cost, 1e-30))
    half_x, half_y = (0.5 * (c[1] - c[0]) if len(c) > 1 else c[0] for c in (x_m, y_m))
    extent = (x_m[0] - half_x, x_m[-1] + half_x, y_m[0] - half_y, y_m[-1] + half_y)
    top = float(level.max())
    low, high = range_db or (max(float(level.min()), top - depth_db), top)
    image = ax.imshow(
        level, origin="lower", extent=extent, cmap="cividis", vmin=low, vmax=high, interpolation="nearest"
    )
    beyond = "neither" if range_db is None else "both"
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02, extend=beyond)
    bar.set_label("explained power over noise power (dB)")
    bar.outline.set_visible(False)
    ax.spines[:].set_visible(False)
    return ax


def draw_threshold(ax: Axes, x_m: Float, y_m: Float, cost: Float, threshold: float) -> Axes:
    """Draw the line along which a cost passes the threshold of detection, if it does anywhere."""
    if float(cost.min()) < threshold < float(cost.max()):
        ax.contour(x_m, y_m, cost, levels=[threshold], colors="white", linewidths=0.9)
        ax.plot([], [], color="#B0B0B0", lw=0.9, label=f"threshold, {10.0 * np.log10(threshold):.1f} dB")
    return ax


def draw_spectral_efficiency(ax: Axes, se_bit_s_hz: ArrayLike, names: Sequence[str], n_cpis: int = 1) -> Axes:
    """Draw the spectral efficiency of each UE as a bar, the best first, and the sum in the title."""
    values = np.asarray(se_bit_s_hz, dtype=float)
    order = np.argsort(-values, kind="stable")
    places = np.arange(len(values))
    ax.bar(places, values[order], width=0.75, color=BLUE)
    few = len(values) <= 40
    ax.set_xticks(
        places if few else [], [names[i] for i in order] if few else [], rotation=45 if len(values) > 8 else 0
    )
    mean = f", mean of {n_cpis} CPIs" if n_cpis > 1 else ""
    ax.set(xlabel="user equipment, best first", ylabel="spectral efficiency (bit/s/Hz)")
    ax.set_title(f"Sum spectral efficiency {values.sum():.2f} bit/s/Hz ({len(values)} UEs{mean})")
    ax.grid(True, axis="y")
    if not len(values):
        ax.text(0.5, 0.5, "no UE", transform=ax.transAxes, ha="center", va="center", color=GREY)
        ax.set(xticks=[], yticks=[])
    return ax


def styled() -> Any:
    """Return the context in which figures get their look, whatever the caller's settings are."""
    style: dict[Any, Any] = dict(mpl.rcParamsDefault)
    return mpl.rc_context(style | STYLE)
