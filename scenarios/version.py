"""The version of the program, and that of the layout of everything that is written."""

__all__ = ["DISTRIBUTION", "SCHEMA_VERSION", "check_version", "program_version"]

DISTRIBUTION = "dmimo-isac"
"""The name under which the packages are installed."""

SCHEMA_VERSION = 1
"""Stands in every file: it grows when the meaning or the layout of something in one of them changes."""


def check_version(found: object) -> None:
    """Refuse what was written with another version of its form; raises ValueError."""
    if found != SCHEMA_VERSION:
        raise ValueError(f"got schema_version {found!r}; allowed: {SCHEMA_VERSION}, of files that this version writes")


def program_version() -> str:
    """Return the version of the program that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "of a copy that is not installed"
