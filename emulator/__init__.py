"""SimPy processes that exchange time slots: who does what, and when.

What stands in this door is public. Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
