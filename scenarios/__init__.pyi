from .file.files import bundled as bundled
from .file.files import dump as dump
from .file.files import load as load
from .file.problems import ScenarioError as ScenarioError
from .file.scenario import Scenario as Scenario
