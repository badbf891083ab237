from .network import Area as Area
from .network import Mode as Mode
from .network import ModeAssignment as ModeAssignment
from .network import Network as Network
from .network import Radio as Radio
from .observation import AreaMap as AreaMap
from .observation import Estimate as Estimate
from .observation import Observation as Observation
from .schedulers import Palindromic as Palindromic
from .schedulers import RoundRobin as RoundRobin
from .schedulers import SlotScheduler as SlotScheduler
from .scoring import Score as Score
from .scoring import gospa as gospa
from .scoring import score as score
from .trajectories import ConstantVelocity as ConstantVelocity
from .trajectories import Trajectory as Trajectory
from .trajectories import Waypoints as Waypoints
from .view import NodeReport as NodeReport
from .view import View as View

SCHEDULERS: dict[str, str]
