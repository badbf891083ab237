"""Checks of a scenario that rest on more than one key, and the few keys that follow from others."""

import math
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from emulator.media import TOPOLOGIES
from scenarios.file.graphml import absolute, graph_problems
from scenarios.file.plugins import module_of
from scenarios.file.problems import Problem
from scenarios.file.schema import ScenarioKeys
from scenarios.file.table import Strategy, Table, tables_of

__all__ = ["absolute_topology", "cross_problems", "effective", "follow_receivers", "plugin_modules"]

LEAST_DISTANCE_M = 1e-3
_WHERE = "within a millimetre of where"
EQUAL_ARRAYS = ("bound-greedy", "joint-greedy", "exhaustive")
"""Selectors on the closed form of the bound, in which all arrays have the same number of antennas."""


def follow_receivers(data: Mapping[str, Any]) -> dict[str, Any]:
    """Let schedule.n_receivers, if it is not given, follow from the receivers of the fixed selector."""
    selector, schedule = data.get("selector"), data.get("schedule", {})
    if not (isinstance(selector, Mapping) and selector.get("kind") == "fixed" and isinstance(schedule, Mapping)):
        return dict(data)
    receivers = selector.get("receivers")
    if not (isinstance(receivers, list | tuple) and receivers):
        return dict(data)
    return {**data, "schedule": {"n_receivers": len(receivers), **schedule}}


def absolute_topology(data: Mapping[str, Any], *folders: Path) -> dict[str, Any]:
    """Make the path of the file of a graph absolute, sought in these folders: a resolved scenario lies elsewhere."""
    fronthaul = data.get("fronthaul")
    topology = fronthaul.get("topology") if isinstance(fronthaul, Mapping) else None
    if not isinstance(topology, str | PathLike) or topology in TOPOLOGIES:
        return dict(data)
    return {**data, "fronthaul": {**data["fronthaul"], "topology": absolute(topology, *folders)}}


def plugin_modules(scenario: ScenarioKeys) -> tuple[str, ...]:
    """Return the modules of the plug-ins that a scenario names."""
    strategies = (table for _, table in tables_of(scenario) if isinstance(table, Strategy))
    modules = (module_of(table.chosen, table.registry) for table in strategies)
    return tuple(module for module in modules if module is not None)


def effective(scenario: ScenarioKeys, data: dict[str, Any]) -> dict[str, Any]:
    """Drop the keys that have no effect because others decide: count beside positions, settings a kind lacks."""
    _drop_without_effect(scenario, data)
    for name in ("air", "channel", "central", "oscillators", "calibration", "faults", "consistency", "trace"):
        if not data.get(name, True):
            del data[name]
    return data


def _drop_without_effect(table: Table, row: dict[str, Any]) -> None:
    for name, value in table:
        if isinstance(value, Table):
            _drop_without_effect(value, row[name])
        elif isinstance(value, tuple):
            for part, data in zip(value, row[name], strict=True):
                _drop_without_effect(part, data) if isinstance(part, Table) else None
    for name in table.without_effect():
        row.pop(name, None)


def cross_problems(scenario: ScenarioKeys, plugins: Iterable[str]) -> list[Problem]:
    """Return what is wrong between keys that are right by themselves."""
    checks = (_lengths, _roles, _arrays, _places, _slots, _topology)
    found = [problem for check in checks for problem in check(scenario)]
    return found + [p for name, table in tables_of(scenario) for p in table.problems(name, scenario, plugins)]


def _lengths(scenario: ScenarioKeys) -> Iterator[Problem]:
    for name in ("access_points", "user_equipment"):
        table = getattr(scenario, name)
        if table.positions_m is not None and len(table.positions_m) != table.count:
            text = f"got {len(table.positions_m)} positions, but count = {table.count}; give one of the two"
            yield Problem((f"{name}.positions_m", f"{name}.count"), text)
    boresights, n_aps = scenario.access_points.boresights_deg, scenario.access_points.count
    if boresights is not None and len(boresights) != n_aps:
        keys = ("access_points.boresights_deg", "access_points.count", "access_points.positions_m")
        text = f"got {len(boresights)} angles in degrees; allowed: one for each of the {n_aps} access points"
        yield Problem(keys, text)


def _roles(scenario: ScenarioKeys) -> Iterator[Problem]:
    n_aps, n_rx = scenario.access_points.count, scenario.schedule.n_receivers
    rest = ("access_points.count", "access_points.positions_m", "selector.kind")
    if scenario.selector.kind == "fixed":
        yield from _fixed_roles(scenario)
    elif n_rx >= n_aps:
        text = f"got {n_rx}; allowed: 1 to {n_aps - 1}, as one of the {n_aps} access points must transmit"
        yield Problem(("schedule.n_receivers", *rest), text)
    if scenario.selector.kind == "exhaustive":
        yield from _few_enough(n_aps, rest)


def _arrays(scenario: ScenarioKeys) -> Iterator[Problem]:
    """Refuse selectors that take arrays for equal where they differ."""
    if scenario.selector.kind not in EQUAL_ARRAYS or len(set(scenario.access_points.antennas)) == 1:
        return
    for i, node in enumerate(scenario.access_points.node):
        if node.n_antennas not in (None, scenario.access_points.n_antennas):
            text = f'got {node.n_antennas}, but the kind "{scenario.selector.kind}" takes all for equal; choose another'
            yield Problem((f"access_points.node[{i}].n_antennas", "selector.kind"), text)


def _few_enough(n_aps: int, keys: tuple[str, ...]) -> Iterator[Problem]:
    from models.selection.bound import MOST_APS_TO_EXHAUST as most

    if n_aps > most:
        text = f'got {n_aps}; allowed: <= {most} with the kind "exhaustive", which tries every split; or "bound-greedy"'
        yield Problem(keys, text)


def _fixed_roles(scenario: ScenarioKeys) -> Iterator[Problem]:
    n_aps = scenario.access_points.count
    rest = ("access_points.count", "access_points.positions_m")
    roles = {name: getattr(scenario.selector, name) for name in ("transmitters", "receivers")}
    for name, members in roles.items():
        key = f"selector.{name}"
        if not members:
            got = "an empty list" if members is not None else "nothing"
            yield Problem((key,), f"got {got}; the kind fixed needs at least one index of an access point")
            continue
        if outside := sorted({i for i in members if not 0 <= i < n_aps}):
            yield Problem((key, *rest), f"got {outside}; allowed: zero-based indices 0 to {n_aps - 1}")
        if len(set(members)) < len(members):
            yield Problem((key,), f"got {list(members)}; an access point may stand there once")
    if both := sorted(set(roles["transmitters"] or ()) & set(roles["receivers"] or ())):
        text = f"{both} transmit too; access points are half-duplex: each may have one role"
        yield Problem(("selector.receivers", "selector.transmitters"), text)
    n_rx, receivers = scenario.schedule.n_receivers, roles["receivers"]
    if receivers and n_rx != len(receivers):
        text = f"got {n_rx}, but selector.receivers names {len(receivers)}; leave it out or give {len(receivers)}"
        yield Problem(("schedule.n_receivers", "selector.receivers"), text)


class _Nearby:
    """Finds which of some points is within a millimetre of another: too near for any channel."""

    def __init__(self, points: Iterable[tuple[float, float] | None] | None) -> None:
        self._cells: dict[tuple[int, int], list[tuple[int, tuple[float, float]]]] = {}
        for index, point in enumerate(points or ()):
            if point is None:  # drawn later
                continue
            self._cells.setdefault(self._cell(point), []).append((index, point))

    @staticmethod
    def _cell(point: tuple[float, float]) -> tuple[int, int]:
        return math.floor(point[0] / LEAST_DISTANCE_M), math.floor(point[1] / LEAST_DISTANCE_M)

    def index(self, point: tuple[float, float]) -> int | None:
        """Return the index of a point that is too near, if there is one."""
        x, y = self._cell(point)
        cells = (self._cells.get((x + i, y + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        near = (index for cell in cells for index, other in cell if math.dist(point, other) < LEAST_DISTANCE_M)
        return next(near, None)


def _places(scenario: ScenarioKeys) -> Iterator[Problem]:
    placed = scenario.access_points
    users = scenario.user_equipment
    aps = _Nearby(placed.each("position_m", placed.positions_m))
    ues = _Nearby(users.each("position_m", users.positions_m))
    listed = [(f"positions_m[{i}]", point) for i, point in enumerate(users.positions_m or ())]
    single = [(f"node[{i}].position_m", node.position_m) for i, node in enumerate(users.node)]
    for key, point in listed + single:
        if point is not None and (ap := aps.index(point)) is not None:
            keys = (f"user_equipment.{key}", "access_points.positions_m")
            yield Problem(keys, f"got {list(point)} m, {_WHERE} ap-{ap} is; move it away")
    for i, target in enumerate(scenario.targets):
        key, start_m = "position_m", target.position_m
        if target.waypoints is not None:
            key, start_m = "waypoints[0]", target.waypoints[0][1:]
        yield from _target_place(f"targets[{i}].{key}", start_m, scenario.area.size_m, aps, ues)


def _target_place(
    key: str, point: tuple[float, float] | None, size_m: tuple[float, float], aps: _Nearby, ues: _Nearby
) -> Iterator[Problem]:
    if point is None:
        return
    if not all(0.0 <= x <= side for x, side in zip(point, size_m, strict=True)):
        allowed = f"allowed: inside the area, 0 to {size_m[0]:g} m by 0 to {size_m[1]:g} m"
        yield Problem((key, "area.size_m"), f"got {list(point)} m; {allowed}")
    for nodes, word, table in ((aps, "ap", "access_points"), (ues, "ue", "user_equipment")):
        if (node := nodes.index(point)) is not None:
            text = f"got {list(point)} m, {_WHERE} {word}-{node} is; move it away"
            yield Problem((key, f"{table}.positions_m"), text)


def _slots(scenario: ScenarioKeys) -> Iterator[Problem]:
    symbols = scenario.schedule.snapshots_per_slot + scenario.schedule.guard_symbols
    if not 1.0 <= 1e9 * symbols / scenario.radio.bandwidth_hz < 2.0**53:
        keys = ("radio.bandwidth_hz", "schedule.snapshots_per_slot", "schedule.guard_symbols")
        length = f"a slot of {symbols} symbols would last {symbols / scenario.radio.bandwidth_hz:g} s"
        yield Problem(keys, f"got {scenario.radio.bandwidth_hz:g} Hz; {length}; allowed: 1 ns or more, below 1e7 s")


def _topology(scenario: ScenarioKeys) -> Iterator[Problem]:
    if scenario.fronthaul.topology not in TOPOLOGIES:
        yield from graph_problems(scenario.fronthaul.topology, scenario.access_point_names, tuple(TOPOLOGIES))
