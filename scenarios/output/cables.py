"""The picture fronthaul.png of an output folder: the graph, how busy its links are, and where messages were lost.

Each direction of a cable is drawn by itself, on the right as one looks along it. Nodes stand where the graph reads
best: their places say nothing about where they are.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from emulator.messages import ARROW, CENTRAL
from emulator.timeline import LONGEST_NAME, name_text
from scenarios.output import draw
from scenarios.output.places import graph_of, places_of

__all__ = ["fronthaul_figure"]

Float = NDArray[np.float64]
Links = Mapping[str, Mapping[str, Any]]
MOST_NAMED, MOST_LARGE = 80, 30
"""Nodes: above the first, only the central processor is named; above the second, all are small."""
THIN, THICK = 1.2, 5.0
"""Widths in points of links of the least and of the highest rate."""
LOWEST, COLOURS = 0.01, "cividis_r"
"""Utilisation of the lowest colour."""


def fronthaul_figure(books: Mapping[str, Any]) -> Figure:
    """Return the graph of the fronthaul.

    Parameters
    ----------
    books
        What stands under `fronthaul` in result.json.
    """
    links: Links = books["links"]
    graph = graph_of(links)
    with draw.styled():
        figure = Figure(figsize=(9.0, 8.4), layout="constrained")
        ax = figure.subplots()
        places = places_of(graph)
        step = min(0.06, 0.3 * _nearest(graph, places))
        _draw_links(ax, links, places, 0.2 * step)
        _draw_losses(ax, links, places, step)
        _draw_nodes(ax, places)
        _name_nodes(ax, places)
        figure.suptitle(_title(books), x=0.02, ha="left", fontsize=11)
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.margins(0.08)
        ax.spines[:].set_visible(False)
        figure.legend(handles=_keys(links), loc="outside lower center", ncols=4)
    return figure


def _nearest(graph: nx.Graph, places: Mapping[str, Float]) -> float:
    """Return the length of the shortest cable."""
    return min((float(np.hypot(*(places[a] - places[b]))) for a, b in graph.edges), default=1.0)


def _ends(name: str, places: Mapping[str, Float], beside: float) -> tuple[Float, Float]:
    """Return where a link starts and ends, shifted to its right."""
    start, end = (places[node] for node in name.split(ARROW))
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-12)
    shift = beside * np.array([along[1], -along[0]])
    return start + shift, end + shift


def _widths(links: Links) -> dict[str, float]:
    """Return the width of each link in points; where all rates are equal, one in the middle."""
    rates = {name: link["rate_bit_s"] for name, link in links.items()}
    finite = np.log([rate for rate in rates.values() if rate]) if any(rates.values()) else np.zeros(1)
    low, high = float(finite.min()), float(finite.max())
    middle = 0.5 * (THIN + THICK)

    def width(rate: float | None) -> float:
        if rate is None or high <= low:
            return middle if rate or high <= low else THICK
        return THIN if not rate else THIN + (THICK - THIN) * (float(np.log(rate)) - low) / (high - low)

    return {name: width(rate) for name, rate in rates.items()}


def _draw_links(ax: Axes, links: Links, places: Mapping[str, Float], beside: float) -> None:
    widths, most = _widths(links), max([LOWEST, *(link["utilisation"] for link in links.values())])
    lines = LineCollection(
        [_ends(name, places, beside) for name in links],
        linewidths=[widths[name] for name in links],
        cmap=mpl.colormaps[COLOURS], norm=Normalize(0.0, most),
        capstyle="butt", zorder=2,
    )  # fmt: skip
    lines.set_array(np.array([link["utilisation"] for link in links.values()]))
    ax.add_collection(lines)
    bar = ax.figure.colorbar(lines, ax=ax, fraction=0.04, pad=0.01, format=lambda value, _: f"{100 * value:.3g} %")
    bar.set_label("utilisation: share of the time in which a link sends")
    bar.outline.set_visible(False)


def _draw_losses(ax: Axes, links: Links, places: Mapping[str, Float], step: float) -> None:
    """Mark links that lost messages a third of the way along, with the number of these."""
    for name, link in links.items():
        if lost := sum(link["lost"].values()):
            start, end = _ends(name, places, 0.2 * step)
            at = start + (end - start) / 3.0
            ax.plot(*at, "x", color=draw.VERMILION, ms=7, mew=2.0, zorder=4)
            ax.annotate(str(lost), (at[0], at[1]), (5, 4), textcoords="offset points", fontsize=7.5, zorder=6,
                        color=draw.VERMILION, path_effects=_halo())  # fmt: skip


def _draw_nodes(ax: Axes, places: Mapping[str, Float]) -> None:
    size = 14.0 if len(places) > MOST_LARGE else 60.0
    x, y = np.array([place for node, place in places.items() if node != CENTRAL]).reshape(-1, 2).T
    ax.scatter(x, y, s=size, color=draw.BLACK, edgecolors="white", linewidths=0.6, zorder=5)
    if CENTRAL in places:
        x, y = places[CENTRAL]
        ax.scatter(x, y, s=3.0 * size, marker="D", color=draw.BLUE, edgecolors="white", zorder=5)


def _name_nodes(ax: Axes, places: Mapping[str, Float]) -> None:
    """Name the nodes, all if they are not too many, on the side that looks away from the middle."""
    middle, font = np.mean(list(places.values()), axis=0), 8.5 if len(places) <= MOST_LARGE else 6.5
    for node, place in places.items():
        if node == CENTRAL or len(places) <= MOST_NAMED:
            away = place - middle
            distance = float(np.hypot(*away))
            x, y = 12.0 * away / distance if distance > 0.05 else (0.0, -12.0)
            ax.annotate(name_text(node), (place[0], place[1]), (x, y), textcoords="offset points", ha="center",
                        va="center", fontsize=font, zorder=6, path_effects=_halo())  # fmt: skip


def _halo() -> list[Any]:
    return [withStroke(linewidth=2.0, foreground="white")]


def _title(books: Mapping[str, Any]) -> str:
    busiest = max(books["links"], key=lambda name: books["links"][name]["utilisation"], default="")
    sent, dropped = books["messages_sent"], books["messages_dropped"]
    if not busiest:
        return "No links"
    share, link = 100.0 * books["links"][busiest]["utilisation"], ARROW.join(map(name_text, busiest.split(ARROW)))
    gap = "\n" if len(link) > LONGEST_NAME else " "
    no_way = f", {books['messages_without_route']} of them without a route" if books["messages_without_route"] else ""
    return f"Fronthaul: {dropped} of {sent} messages lost{no_way};{gap}busiest {link}, {share:.3g} % of the time"


def _rate_text(rate: float | None) -> str:
    if rate is None:
        return "infinite rate"
    prefix, factor = next(((p, f) for p, f in (("G", 1e9), ("M", 1e6), ("k", 1e3)) if rate >= f), ("", 1.0))
    return f"{rate / factor:.4g} {prefix}bit/s" if rate else "down"


def _keys(links: Links) -> list[Line2D]:
    """Return the legend: what the widths mean, and what a cross does."""
    widths = _widths(links)
    shown = {widths[name]: links[name]["rate_bit_s"] for name in sorted(links, key=widths.__getitem__)}
    ends = [*shown][:1] + [*shown][1:][-1:]
    keys = [Line2D([], [], color=draw.GREY, lw=width, label=_rate_text(shown[width])) for width in ends]
    if any(link["lost"] for link in links.values()):
        keys.append(Line2D([], [], color=draw.VERMILION, marker="x", lw=0, mew=2.0, label="messages lost"))
    return keys
