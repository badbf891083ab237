"""The picture of docs/estimation.md: what one target explains, without the carrier phase and with it.

Run it from the root of the repository: ``python -m docs.picture_of_lobes``. It writes docs/images/lobes.png.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from models.estimation import Echoes, interpolated_cost_map, noncoherent_map
from models.estimation.mixture import fit, noncoherent_covariance_m2
from scenarios import load
from scenarios.output import draw

TARGET_M = np.array([600.0, 500.0])
STEP_M = 4.0
NEAR_M, FINE_M, N_POINTS = 30.0, 0.3, 161
"""Half sides of the two windows about the target, and points along a side."""
FILE = Path(__file__).parent / "images" / "lobes.png"


class Seen(NamedTuple):
    """Explained power over noise power about the target, and what the estimator made of it."""

    area: tuple[np.ndarray, np.ndarray, np.ndarray]
    """x_m, y_m and the power without phases [y, x]."""
    near: np.ndarray
    fine: np.ndarray
    """With phases, for structured amplitudes."""
    covariance_m2: np.ndarray
    """Of an estimate without phases, shape (2, 2)."""
    estimate_m: np.ndarray


def run() -> Seen:
    """Return what the estimator sees of one target at 30 dBm in the paper's network, from one CPI."""
    cpi = load("paper", {"targets": [{"position_m": TARGET_M.tolist()}]}).build(seed=1).run(n_cpis=1).cpis[0]
    echoes = Echoes.of(cpi.observation)
    near, fine = (noncoherent_map(cpi.observation, _window(NEAR_M)), fit(echoes, "structured", _window(FINE_M)).power)
    return Seen(
        area=interpolated_cost_map(cpi.observation, STEP_M),
        near=near.reshape(N_POINTS, N_POINTS),
        fine=fine.reshape(N_POINTS, N_POINTS),
        covariance_m2=noncoherent_covariance_m2(echoes, TARGET_M[None])[0],
        estimate_m=cpi.estimate.positions_m[0],
    )


def _window(half_m: float) -> np.ndarray:
    """Return the points of a square about the target, shape (N_POINTS^2, 1, 2)."""
    ticks = np.linspace(-half_m, half_m, N_POINTS)
    return TARGET_M + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 1, 2)


def plot(seen: Seen, axes: np.ndarray) -> np.ndarray:
    """Draw the area, the maximum and the lobes on three axes, the window of the second framed on the first."""
    wide, near, fine = axes
    x, y, power = seen.area
    _image(wide, power, (x[0], x[-1], y[0], y[-1]))
    wide.set(title="1 km: where is a target?", xlabel="x (m)", ylabel="y (m)")
    _frame(wide, TARGET_M, NEAR_M)
    _image(near, seen.near, _about(NEAR_M))
    near.set(title="60 m: how far off may it be?", xlabel="x from the target (m)", ylabel="y from the target (m)")
    for sigmas, style in ((2.2, "-"), (7.0, "--")):
        _ellipse(near, seen.covariance_m2, sigmas, style)
    _image(fine, seen.fine, _about(100.0 * FINE_M), "explained power over noise power")
    fine.set(title="60 cm, with phase: which lobe?", xlabel="x from the target (cm)", ylabel="y from the target (cm)")
    fine.plot(*(100.0 * (seen.estimate_m - TARGET_M)), "o", color=draw.VERMILION, ms=16, mew=2, mfc="none")
    return axes


def _about(half: float) -> tuple[float, float, float, float]:
    return (-half, half, -half, half)


def _image(ax: Axes, power: np.ndarray, extent: tuple[float, ...], label: str = "") -> None:
    """Draw a map of explained power over noise power, in few colours, which take few bytes."""
    colours = colormaps["cividis"].resampled(32)
    image = ax.imshow(power, origin="lower", extent=extent, cmap=colours, interpolation="bilinear")
    ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02, label=label).outline.set_visible(False)


def _frame(ax: Axes, centre: np.ndarray, half: float) -> None:
    """Draw the edge of what the next axes show."""
    ax.add_patch(Rectangle(tuple(centre - half), 2.0 * half, 2.0 * half, fill=False, edgecolor="white", lw=1.6))


def _ellipse(ax: Axes, covariance: np.ndarray, sigmas: float, style: str) -> None:
    """Draw so many standard deviations of an estimate without phases."""
    variances, directions = np.linalg.eigh(covariance)
    minor, major = 2.0 * sigmas * np.sqrt(variances)
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    ax.add_patch(Ellipse((0.0, 0.0), major, minor, angle=angle, fill=False, edgecolor="white", lw=1.3, ls=style))


def main() -> None:
    """Draw the picture."""
    with draw.styled():
        figure = Figure(figsize=(11.0, 3.4), layout="constrained")
        plot(run(), figure.subplots(1, 3))
    draw.save(figure, FILE)


if __name__ == "__main__":
    main()
