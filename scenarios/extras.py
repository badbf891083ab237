"""Packages that not every user needs: what is said where one of them is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.file.problems import ScenarioError

__all__ = ["MissingExtraError", "extra"]


class MissingExtraError(ScenarioError, ImportError):
    """A package that not everybody has is not installed; its text says how to get it."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Say how to install what an import within the block lacks.

    Parameters
    ----------
    name
        Of the extra, as "trace".
    what
        What needs it, as "--format vcd".

    Raises
    ------
    MissingExtraError
        If a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        text = (
            f'needs the package {error.name}, which is not installed; allowed after: pip install "dmimo-isac[{name}]"'
        )
        raise MissingExtraError(what, [text]) from None
