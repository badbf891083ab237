"""How long the user has been waiting: since the process began, imports included."""

import os
import time
from pathlib import Path

__all__ = ["process_began_s"]

IMPORTED_S = time.perf_counter()


def process_began_s() -> float:
    """Return when this process began, on the scale of ``time.perf_counter``, to 10 ms.

    Where the system does not say, it is when this module was imported, some hundredths of a second later.
    """
    try:
        after_name = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        began_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")  # since the system was started
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began_s
    except (OSError, ValueError, IndexError, AttributeError):
        return IMPORTED_S
    return min(time.perf_counter() - age_s, IMPORTED_S)
