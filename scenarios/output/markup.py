"""HTML for notebooks: a small table below a line of text, and a picture. Every text is escaped."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["picture", "table"]


def table(above: str, rows: Iterable[Sequence[object]], headings: Sequence[str] = ()) -> str:
    """Return a table with a line of text above it.

    >>> table("a < b", [("x", 1)])
    '<p>a &lt; b</p><table><tr><td>x</td><td>1</td></tr></table>'
    """
    head = _row("th", headings) if headings else ""
    body = "".join(_row("td", row) for row in rows)
    return f"<p>{escape(above)}</p><table>{head}{body}</table>"


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"


def picture(png: bytes, about: str) -> str:
    """Return a PNG as a picture that is part of the page."""
    content = b64encode(png).decode("ascii")
    return f'<img alt="{escape(about)}" style="max-width: 100%" src="data:image/png;base64,{content}">'
