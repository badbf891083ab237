"""The front door: scenario files, commands, results and pictures.

``load`` reads a scenario file, checks it and returns a ``Scenario``, whose ``build`` makes an emulation of it.
"""

import lazy_loader

from emulator.shown import lend

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

lend("scenarios.output.presenter")
