from .area_map import MapEstimator as MapEstimator
from .area_map import area_map as area_map
from .base import Estimator as Estimator
from .cost_maps import interpolated_cost_map as interpolated_cost_map
from .cost_maps import map_nodes as map_nodes
from .grid import GridEstimator as GridEstimator
from .likelihood import Echoes as Echoes
from .likelihood import cost_map as cost_map
from .likelihood import noncoherent_map as noncoherent_map
from .paper import PaperEstimator as PaperEstimator
from .two_stage import TwoStage as TwoStage

ESTIMATORS: dict[str, str]
