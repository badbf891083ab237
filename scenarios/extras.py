"""Packages that not every user needs: what is said where one of them is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from scenarios.file.problems import ScenarioError

__all__ = ["MissingExtraError", "extra", "require"]


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
        raise _missing(name, what, error.name) from None


def require(name: str, what: str, *packages: str) -> None:
    """Say the same at once, without an import, where one of some packages is missing; raises MissingExtraError."""
    for package in packages:
        if find_spec(package) is None:
            raise _missing(name, what, package)


def _missing(name: str, what: str, package: str | None) -> MissingExtraError:
    text = f'needs the package {package}, which is not installed; allowed after: pip install "dmimo-isac[{name}]"'
    return MissingExtraError(what, [text])
