"""How much an estimate may compute: a count of operations, so that the answer does not depend on the machine."""

from dataclasses import dataclass

__all__ = ["Effort"]


@dataclass(kw_only=True, eq=False)
class Effort:
    """Counts the operations spent on one CPI.

    Searches ask before they start and loops ask before they go on; who is refused settles for what it has. Clock time
    plays no part, so the same observation gives the same estimate anywhere.

    Attributes
    ----------
    limit
        Operations (about one complex multiply-add each) that may be spent.
    spent
        Operations spent so far.
    """

    limit: float = float("inf")
    spent: float = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether nothing more should be started."""
        return self.spent >= self.limit

    def allows(self, operations: float) -> bool:
        """Return whether this many operations are left."""
        return self.spent + operations <= self.limit

    def spend(self, operations: float) -> None:
        """Count operations."""
        self.spent += operations
