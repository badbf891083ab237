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
    refused
        Whether anything was not started because too few were left.
    """

    limit: float = float("inf")
    spent: float = 0.0
    refused: bool = False

    @property
    def exhausted(self) -> bool:
        """Whether nothing more should be started."""
        return self.spent >= self.limit

    def allows(self, operations: float) -> bool:
        """Return whether this many operations are left."""
        allowed = self.spent + operations <= self.limit
        self.refused |= not allowed
        return allowed

    @property
    def limited(self) -> bool:
        """Whether more operations might have led further."""
        return self.exhausted or self.refused

    def spend(self, operations: float) -> None:
        """Count operations."""
        self.spent += operations
