"""What stands in a picture, for tests of pictures."""

from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from scenarios.output import draw

__all__ = ["cut_off"]


def cut_off(figure: Figure) -> list[str]:
    """Return the texts that are drawn and do not lie within the figure, to a pixel."""
    drawn: list[Text] = []
    plain = Text.draw

    def note(text: Text, renderer: object, *args: object, **kwargs: object) -> None:
        drawn.append(text)
        plain(text, renderer, *args, **kwargs)

    with draw.styled(), patch.object(Text, "draw", note):
        FigureCanvasAgg(figure).draw()
    inside = figure.bbox.padded(1.0)
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn if text.get_text().strip()]
    return [said for said, box in boxes if not (inside.contains(*box.min) and inside.contains(*box.max))]
