"""What the contracts of all roles have in common: the error, and the words in which a broken rule is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["FROZEN", "ContractError", "called", "require", "require_frozen", "rule"]

FROZEN = "make it @dataclass(frozen=True, kw_only=True) whose fields are its settings"


class ContractError(AssertionError):
    """A part breaks a rule of its role; the text says which, what was found, and how to mend it."""


def require(holds: Any, who: str, what: str, found: object, mend: str) -> None:
    """Raise a ContractError unless a rule holds."""
    if not holds:
        raise _broken(who, what, found, mend)


def _broken(who: str, what: str, found: object, mend: str) -> ContractError:
    return ContractError(f"{who} breaks a rule: {what}.\n  found: {found}\n  to mend it: {mend}")


@contextmanager
def rule(who: str, what: str, mend: str) -> Iterator[None]:
    """Say of what goes wrong which rule it breaks."""
    try:
        yield
    except ContractError:
        raise
    except (Exception, SystemExit) as error:  # the part may be anybody's
        raise _broken(who, what, f"{type(error).__name__}: {error}", mend) from error


def called(role: str, strategy: object) -> str:
    """Return what to call a strategy, an object.

    Raises
    ------
    ContractError
        If it is a class.
    """
    name = getattr(strategy, "__qualname__", type(strategy).__qualname__)
    who = f"{role} {name}"
    require(not isinstance(strategy, type), who, "a strategy is an object", "a class", f"give {name}(...)")
    return who


def require_frozen(role: str, strategy: object) -> str:
    """Return what to call a strategy, once it is a frozen dataclass."""
    who, settings = called(role, strategy), getattr(strategy, "__dataclass_params__", None)
    require(settings is not None and settings.frozen, who, "it keeps no state", repr(strategy), FROZEN)
    return who
