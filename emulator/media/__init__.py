"""What nodes act through: the air with its effects, and the fronthaul with its graphs.

The registries map the names that a scenario may use to "module:name"; one line adds one.
"""

__all__ = ["EFFECTS", "TOPOLOGIES"]

EFFECTS = {
    "target-echoes": "emulator.media.effects:TargetEchoes",
    "direct-paths": "emulator.media.effects:DirectPaths",
}
"""What the air does to what is radiated. A table of the scenario file names the effects that it brings."""

TOPOLOGIES = {
    "star": "emulator.media.topologies:star",
    "ring": "emulator.media.topologies:ring",
    "tree": "emulator.media.topologies:tree",
    "stripe": "emulator.media.topologies:stripe",
    "mesh": "emulator.media.topologies:mesh",
}
"""Graphs of the fronthaul: (names of the APs, attributes of every link) -> graph."""
