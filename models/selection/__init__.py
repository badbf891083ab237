"""Who transmits and who receives: the mode selectors and their searches.

``SELECTORS`` maps the kinds that a scenario file may name to their classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "SELECTORS"]

SELECTORS = {
    "sensing-centric": "models.selection.farthest_point:FarthestPoint",
    "communication-centric": "models.selection.communication_centric:CommunicationCentric",
    "fixed": "models.selection.fixed:Fixed",
    "random": "models.selection.random:Random",
    "greedy-se": "models.selection.greedy:GreedySpectralEfficiency",
    "greedy-surrogate": "models.selection.greedy:GreedySurrogate",
    "bound-greedy": "models.selection.bound:BoundGreedy",
    "joint-greedy": "models.selection.bound:JointGreedy",
    "exhaustive": "models.selection.bound:Exhaustive",
}
"""Selector kinds, name to "module:Class"."""
