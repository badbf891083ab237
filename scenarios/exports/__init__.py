"""A run in the forms of other tools: one module a form, all of them from the same rows of its trace.

A further form is a function that writes an `Excerpt` to a path, and a line in `FORMATS`.
"""

from collections.abc import Mapping

__all__ = ["FORMATS"]

FORMATS: Mapping[str, Mapping[str, str]] = {
    "png": {".png": "scenarios.exports.picture:write_png"},
    "svg": {".svg": "scenarios.exports.picture:write_svg"},
    "html": {".html": "scenarios.exports.page:write"},
    "perfetto": {".pftrace": "scenarios.exports.tracks:write"},
    "vcd": {".vcd": "scenarios.exports.waves:write"},
    "csv": {
        ".csv": "scenarios.exports.tables:write_events",
        "-messages.csv": "scenarios.exports.tables:write_messages",
    },
    "netcdf": {".nc": "scenarios.exports.dataset:write"},
}
"""Of each form its files: how their names end, and what writes them, as "module:function"."""
