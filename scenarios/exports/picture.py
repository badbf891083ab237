"""The timeline of an excerpt as a picture."""

from pathlib import Path

from scenarios.exports.excerpt import Excerpt
from scenarios.output.gallery import timeline_picture
from scenarios.output.painters import drawn, png

__all__ = ["write_png", "write_svg"]


def write_png(excerpt: Excerpt, path: Path) -> None:
    """Draw the timeline of an excerpt as a PNG file."""
    path.write_bytes(png(timeline_picture(excerpt.timeline)))


def write_svg(excerpt: Excerpt, path: Path) -> None:
    """Draw the timeline of an excerpt as an SVG file, for a page of any size."""
    path.write_bytes(drawn(timeline_picture(excerpt.timeline), "svg"))
