"""Radio physics and decisions of phase-coherent distributed MIMO ISAC: arrays in, arrays out.

Nothing here knows a clock, a file or a global random number generator. Units are SI and radians. What stands in this
door is public: the words that all rooms speak. The rooms ``radio``, ``oscillators``, ``estimation``, ``bounds`` and
``selection`` have doors of their own. Names are imported when they are first used. ``SCHEDULERS`` maps the orders of
slots that a scenario file may name to their classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "SCHEDULERS"]

SCHEDULERS = {
    "round-robin": "models.schedulers:RoundRobin",
    "palindromic": "models.schedulers:Palindromic",
}
"""Slot schedulers, name to "module:Class"."""
