"""Which messages of a source have come already: a window over the numbers in their headers, as in IPsec.

Numbers are compared whole. On a link they have 16 bits, of which the receiver restores the rest, as the window is short
against 65,536 (RFC 4303, section 3.4.3 and appendix A).
"""

from typing import NamedTuple

__all__ = ["WINDOW", "Seen"]

WINDOW = 1024
"""Numbers below the highest one within which a message may come late; what is older counts as seen."""


class Seen(NamedTuple):
    """The numbers that were seen of a source.

    >>> seen = Seen().and_(5)
    >>> 5 in seen, 4 in seen
    (True, False)
    """

    highest: int = -1
    marks: int = 0
    """Bit i: ``highest - i`` was seen."""

    def __contains__(self, serial: object) -> bool:
        age = self.highest - serial  # type: ignore[operator]
        return age >= WINDOW or (age >= 0 and bool(self.marks >> age & 1))

    def and_(self, serial: int) -> "Seen":
        """Return this and one more number."""
        if serial <= self.highest:
            return self._replace(marks=self.marks | 1 << (self.highest - serial))
        shifted = self.marks << (serial - self.highest) if serial - self.highest < WINDOW else 0
        return Seen(serial, (shifted | 1) & ((1 << WINDOW) - 1))
