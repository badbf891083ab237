"""SimPy processes that exchange time slots: who does what, and when.

What stands in this door is public. Names are imported when they are first used. ``SPLITS``, ``LATE_REPORTS`` and
``FAULTS`` map the functional splits, what becomes of late reports, and the faults that a scenario may name to their
classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "FAULTS", "LATE_REPORTS", "SPLITS"]

SPLITS = {
    "iq": "emulator.functional_split:IqSplit",
    "statistics": "emulator.functional_split:StatisticsSplit",
    "summed-map": "emulator.summed_map:SummedMapSplit",
}
"""Functional splits, name to "module:Class"."""

FAULTS = {
    "ap-down": "emulator.faults:ApDown",
    "restart": "emulator.faults:Restart",
    "link-down": "emulator.faults:LinkDown",
    "link-degraded": "emulator.faults:LinkDegraded",
    "link-flapping": "emulator.faults:LinkFlapping",
    "corrupt": "emulator.faults:Corrupt",
    "replay": "emulator.faults:Replay",
    "rubbish": "emulator.faults:Rubbish",
    "ghost": "emulator.faults:Ghost",
}
"""Faults, name to "module:Class"."""

LATE_REPORTS = {
    "drop": "emulator.late_reports:DropLate",
    "next": "emulator.late_reports:FuseNext",
}
"""What becomes of reports that come after their CPI was fused, name to "module:Class"."""
