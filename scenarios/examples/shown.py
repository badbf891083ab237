"""What the examples share: a small network, and a picture in the working directory."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scenarios.output import draw

__all__ = ["SMALL", "picture"]

SMALL = {
    "access_points.count": 8,
    "access_points.n_antennas": 4,
    "user_equipment.count": 4,
    "schedule.n_receivers": 4,
}
"""A network in which a CPI takes a moment."""


def picture(name: str, *plots: Callable[[Axes], Axes]) -> None:
    """Draw each on axes of its own, one below the other, save it all as name.png and say so."""
    with draw.styled():
        figure = Figure(figsize=(8.0, 2.4 + 1.8 * len(plots)), layout="constrained")
        for plot, ax in zip(plots, figure.subplots(len(plots), sharex=True, squeeze=False).flat, strict=True):
            plot(ax)
    draw.save(figure, path := Path(f"{name}.png"))
    print(f"Written: {path}")
