from .base import ModeSelector as ModeSelector
from .bound import BoundGreedy as BoundGreedy
from .bound import Exhaustive as Exhaustive
from .bound import JointGreedy as JointGreedy
from .communication_centric import CommunicationCentric as CommunicationCentric
from .farthest_point import FarthestPoint as FarthestPoint
from .fixed import Fixed as Fixed
from .greedy import GreedySpectralEfficiency as GreedySpectralEfficiency
from .greedy import GreedySurrogate as GreedySurrogate
from .random import Random as Random
from .search import assign_transmitters as assign_transmitters
from .search import candidates as candidates

SELECTORS: dict[str, str]
