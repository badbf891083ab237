"""The participants: access points, user equipments, targets, the central processor, and what they share.

The registries map the behaviours that a scenario file may name to "module:Class"; one line adds one.
"""

__all__ = ["ACCESS_POINTS", "CENTRAL_PROCESSORS", "TARGETS", "USER_EQUIPMENTS"]

ACCESS_POINTS = {"standard": "emulator.nodes.access_point:AccessPoint"}
USER_EQUIPMENTS = {"standard": "emulator.nodes.user_equipment:UserEquipment"}
TARGETS = {"standard": "emulator.nodes.target:Target"}
CENTRAL_PROCESSORS = {"standard": "emulator.nodes.central_processor:CentralProcessor"}
