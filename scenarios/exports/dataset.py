"""A trace as an xarray Dataset with named dimensions and units, and as a netCDF file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emulator.trace import COLUMNS, PREFIX
from scenarios.exports.excerpt import Columns, Excerpt
from scenarios.extras import extra
from scenarios.version import SCHEMA_VERSION

if TYPE_CHECKING:
    import xarray

__all__ = ["trace_dataset", "write"]

NAMES = {"kinds": "kind_number", "nodes": "node_number", "message_kinds": "message_kind_number"}
"""Lists of names, and the dimension of each."""
ABOUT: dict[str, dict[str, Any]] = {
    "time_ns": {"units": "ns", "long_name": "emulated time"},
    "kind": {"long_name": "what happened, an index into kinds"},
    "node": {"long_name": "node or link whose event it is, an index into nodes"},
    "value": {"long_name": "what it says depends on the kind, see docs/trace.md"},
    "cpi": {"long_name": "coherent processing interval, -1 for none"},
    "message": {"long_name": "number of the message, -1 for none"},
    PREFIX + "number": {"long_name": "number of the message, in the order of sending"},
    PREFIX + "given_ns": {"units": "ns", "long_name": "when it was given to the fronthaul"},
    PREFIX + "what": {"long_name": "what it is, an index into message_kinds"},
    PREFIX + "source": {"long_name": "where from, an index into nodes"},
    PREFIX + "destination": {"long_name": "where to, an index into nodes"},
    PREFIX + "cpi": {"long_name": "coherent processing interval that it is about"},
    PREFIX + "bits": {"units": "bit", "long_name": "size"},
    PREFIX + "cause": {"long_name": "number of the message that made the source send it, -1 for none"},
}  # fmt: skip


def trace_dataset(trace: Columns) -> "xarray.Dataset":
    """Return a trace as a Dataset: dimensions ``event`` and ``message_sent``, times in ns as whole numbers.

    Names are looked up by position: ``data.nodes[data.node]`` has the name of the node of each event.

    Parameters
    ----------
    trace
        Columns and names, as ``Trace.data()`` or the arrays of a trace.npz.

    Returns
    -------
    xarray.Dataset
        The columns that docs/trace.md lists, under the same names, with units.

    Raises
    ------
    ScenarioError
        If xarray is not installed.
    """
    with extra("sweep", "trace_dataset"):
        import xarray

    columns = {name: (_dimension(name), np.asarray(trace[name]), ABOUT[name]) for name in COLUMNS}
    names = {name: (dimension, np.asarray(trace[name], dtype=object)) for name, dimension in NAMES.items()}
    attributes = {"title": "Trace of a distributed MIMO emulation", "schema_version": SCHEMA_VERSION}
    return xarray.Dataset({**columns, **names}, attrs=attributes)


def _dimension(column: str) -> str:
    return "message_sent" if column.startswith(PREFIX) else "event"


def write(excerpt: Excerpt, path: Path) -> None:
    """Write an excerpt as netCDF-4."""
    places = {"event": excerpt.rows, "message_sent": excerpt.sent}
    chosen = {**excerpt.trace, **{name: excerpt.trace[name][places[_dimension(name)]] for name in COLUMNS}}
    data = trace_dataset(chosen)
    with extra("sweep", "--format netcdf"):
        import h5netcdf  # noqa: F401  - xarray would say that it knows no engine

        squeezed = {name: {"zlib": True} for name in COLUMNS}
        data.to_netcdf(path, engine="h5netcdf", encoding=squeezed)
