"""Age of sensing: how long ago what the central processor knows of a target was measured.

It is the age of information of S. Kaul, R. Yates, M. Gruteser, "Real-time status: how often should one update?", Proc.
IEEE INFOCOM 2012, of the position of a target. At time t it is

    a(t) = t - m(t),

m(t) the middle of the last CPI in whose published estimate the target was found. Over time it is a sawtooth: it grows
with time and falls when an estimate is published that has the target. A CPI that missed it, or was one of pilots, lets
it grow; until the target is first found there is none. Late reports that are fused with a later CPI count as that CPI.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Age", "Ages"]

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Age:
    """Age of sensing about one publication, of each target, shape (n_targets,), in s; NaN where there is none yet.

    Attributes
    ----------
    after_s
        When the estimate has been published.
    peak_s
        Just before, the tip of the sawtooth.
    mean_s
        Mean over the time since the publication before.
    """

    after_s: Float
    peak_s: Float
    mean_s: Float


class Ages:
    """Keeps when each target was last measured, in whole ns, of which a float holds 104 days exactly."""

    def __init__(self, n_targets: int) -> None:
        self._measured_ns = np.full(n_targets, np.nan)
        self._published_ns = np.nan

    def publish(self, measured_ns: float, published_ns: int, found: ArrayLike) -> Age:
        """Return the ages about a publication.

        Parameters
        ----------
        measured_ns
            Middle of its CPI.
        published_ns
            When it is published.
        found
            Which targets are in it, n_targets.
        """
        peak_ns = published_ns - self._measured_ns
        mean_ns = peak_ns - 0.5 * (published_ns - self._published_ns)  # between publications it grows as time does
        self._measured_ns = np.where(found, measured_ns, self._measured_ns)
        self._published_ns = float(published_ns)
        return Age(after_s=1e-9 * (published_ns - self._measured_ns), peak_s=1e-9 * peak_ns, mean_s=1e-9 * mean_ns)

    def state(self) -> dict[str, Any]:
        """Return what is kept, as data."""
        return {"measured_ns": self._measured_ns.copy(), "published_ns": self._published_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""
        self._measured_ns, self._published_ns = state["measured_ns"].copy(), state["published_ns"]
