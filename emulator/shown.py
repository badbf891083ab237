"""How results show themselves. Drawing and tables are the matter of the packages above, which lend a presenter.

A presenter is a module with the functions of ``Presenter``. ``import scenarios`` lends one; nothing of it is imported
before something is to be shown.
"""

from importlib import import_module
from typing import Any, Protocol, cast

__all__ = ["Presenter", "Shown", "lend", "presenter"]

_lent: list[str] = []


class Presenter(Protocol):
    """What a presenter can do."""

    def html(self, shown: Any) -> str:
        """Return an emulation or a result as HTML."""

    def rich(self, shown: Any) -> Any:
        """Return the same as tables for a terminal that rich writes to."""

    def plot(self, result: Any, picture: str, **settings: Any) -> Any:
        """Return a picture of a run, or the map of a CPI, as a matplotlib figure."""

    def to_xarray(self, result: Any) -> Any:
        """Return what was measured in a run or a CPI as an xarray dataset."""


def lend(module: str) -> None:
    """Have results shown by a module, from now on."""
    _lent[:] = [module]


def presenter() -> Presenter:
    """Return the presenter.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    if not _lent:
        raise RuntimeError("there is nothing here that shows results: import scenarios, which does")
    return cast(Presenter, import_module(_lent[0]))


class Shown:
    """What shows itself in a notebook, and to rich."""

    def _repr_html_(self) -> str | None:
        return presenter().html(self) if _lent else None

    def __rich__(self) -> Any:
        return presenter().rich(self) if _lent else repr(self)
