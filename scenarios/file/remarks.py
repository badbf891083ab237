"""What is worth saying about a scenario that is valid: what cannot come in time, and what is ignored."""

from emulator.media import TOPOLOGIES
from scenarios.file.graphml import ignored_attributes
from scenarios.file.scenario import Scenario
from scenarios.file.timing import timing_warnings

__all__ = ["remarks"]


def remarks(scenario: Scenario) -> list[str]:
    """Return warnings and notes, a line each."""
    topology = scenario.fronthaul.topology
    ignored = ignored_attributes(topology) if topology not in TOPOLOGIES else []
    said = f"note: {topology}: attributes of links that serve its drawing are ignored: {', '.join(ignored)}"
    return [*(f"warning: {text}" for text in timing_warnings(scenario)), *([said] if ignored else [])]
