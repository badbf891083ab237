"""How large the arrays of a strategy may become; nothing heavy is imported here, so that scenario files know it too."""

__all__ = ["MOST_CELLS"]

MOST_CELLS = 50_000_000
"""Of a grid over the area: a map of them takes 400 MB."""
