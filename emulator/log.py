"""What an emulation says of itself to the standard library's logging: a line a CPI, and what is out of the ordinary.

The logger is ``LOGGER``, "dmimo". It says nothing unless the program that uses this package asks for it:
``logging.basicConfig(level=logging.INFO)``.
"""

import logging

import numpy as np

from emulator.results import CpiResult

__all__ = ["LOGGER", "log_cpi"]

LOGGER = logging.getLogger("dmimo")
LOGGER.addHandler(logging.NullHandler())


def log_cpi(cpi: CpiResult) -> None:
    """Say what came of a CPI; its faults and the receivers that were left out as a warning."""
    for kind, where in cpi.faults:
        LOGGER.warning("CPI %d: fault %s of %s", cpi.index, kind, where)
    if cpi.excluded:
        LOGGER.warning("CPI %d: left out, as they contradict the others: %s", cpi.index, ", ".join(cpi.excluded))
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    if cpi.has_pilots:
        LOGGER.info("CPI %d: pilots, to calibrate phases", cpi.index)
        return
    LOGGER.info(
        "CPI %d: %d of %d targets resolved, %d of %d reports fused, sum spectral efficiency %.2f bit/s/Hz",
        cpi.index, cpi.score.status.count("resolved"), len(cpi.truth_m), cpi.reports_fused, cpi.reports_expected,
        float(np.sum(cpi.se_bit_s_hz)),
    )  # fmt: skip
