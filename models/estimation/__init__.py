"""From the statistics of a CPI to targets: likelihood, detection, lobes, several targets; the estimators.

``ESTIMATORS`` maps the kinds that a scenario file may name to their classes; one line adds one.
"""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*_names, "ESTIMATORS"]

ESTIMATORS = {
    "two-stage": "models.estimation.two_stage:TwoStage",
    "paper": "models.estimation.paper:PaperEstimator",
    "grid": "models.estimation.grid:GridEstimator",
    "map": "models.estimation.area_map:MapEstimator",
}
"""Estimator kinds, name to "module:Class"."""
