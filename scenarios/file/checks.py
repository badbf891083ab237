"""Checks of a scenario that rest on more than one key, and the few keys that follow from others."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from models.estimation import ESTIMATORS
from models.selection import SELECTORS
from scenarios.file.plugins import implementation, is_plugin, setting_problems, settings_of
from scenarios.file.problems import Problem, closest
from scenarios.file.schema import ScenarioKeys

__all__ = ["absolute_topology", "cross_problems", "effective", "follow_receivers", "plugin_modules", "unsupported"]

TOPOLOGIES = ("star", "ring", "tree", "stripe")
NOT_BUILT = ("faults", "oscillators")
_MAX_CELLS = 50_000_000
_AMPLITUDE_KEYS = ("amplitude", "grid_step_m", "false_alarm_probability")


def unsupported(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the data without the tables whose effect is not built, and a problem for each key without effect."""
    found = [key for key in NOT_BUILT if key in data]
    kept = {key: value for key, value in data.items() if key not in found}
    problems = [Problem((key,), "not supported in this version; leave it out") for key in found]
    fronthaul = data.get("fronthaul")
    if isinstance(fronthaul, Mapping) and fronthaul.get("split") == "statistics" and "iq_bits" in fronthaul:
        text = 'the split "statistics" sends no samples; leave it out'
        problems.append(Problem(("fronthaul.iq_bits",), text))
    return kept, problems


def follow_receivers(data: Mapping[str, Any]) -> dict[str, Any]:
    """Let schedule.n_receivers, if it is not given, follow from the receivers of the fixed selector."""
    selector, schedule = data.get("selector"), data.get("schedule", {})
    if not (isinstance(selector, Mapping) and selector.get("kind") == "fixed" and isinstance(schedule, Mapping)):
        return dict(data)
    receivers = selector.get("receivers")
    if not (isinstance(receivers, list | tuple) and receivers):
        return dict(data)
    return {**data, "schedule": {"n_receivers": len(receivers), **schedule}}


def absolute_topology(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make the path of a GraphML file absolute: a resolved scenario lies in another folder."""
    fronthaul = data.get("fronthaul")
    topology = fronthaul.get("topology") if isinstance(fronthaul, Mapping) else None
    if not isinstance(topology, str) or topology in TOPOLOGIES or not topology.endswith(".graphml"):
        return dict(data)
    return {**data, "fronthaul": {**data["fronthaul"], "topology": str((folder / topology).resolve())}}


def plugin_modules(scenario: ScenarioKeys) -> tuple[str, ...]:
    """Return the modules of the plug-ins that a scenario names."""
    kinds = (scenario.selector.kind, scenario.estimator.kind)
    return tuple(kind.partition(":")[0] for kind in kinds if is_plugin(kind))


def effective(scenario: ScenarioKeys, data: dict[str, Any]) -> dict[str, Any]:
    """Drop the keys that have no effect because others decide: count beside positions, settings a kind lacks."""
    for table in ("access_points", "user_equipment"):
        if "positions_m" in data[table]:
            del data[table]["count"]
    if scenario.fronthaul.split == "statistics":
        del data["fronthaul"]["iq_bits"]
    fields = settings_of(implementation(scenario.estimator.kind, ESTIMATORS))
    for key in _AMPLITUDE_KEYS:
        if key not in fields:
            del data["estimator"][key]
    if not data["trace"]:
        del data["trace"]
    return data


def cross_problems(scenario: ScenarioKeys, plugins: Iterable[str]) -> list[Problem]:
    """Return what is wrong between keys that are right by themselves."""
    checks = (_lengths, _roles, _places, _slots, _grid, _topology)
    found = [problem for check in checks for problem in check(scenario)]
    return [*found, *_selector(scenario, plugins), *_estimator(scenario, plugins)]


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


def _places(scenario: ScenarioKeys) -> Iterator[Problem]:
    aps = {p: i for i, p in enumerate(scenario.access_points.positions_m or ())}
    ues = {p: i for i, p in enumerate(scenario.user_equipment.positions_m or ())}
    for i, point in enumerate(scenario.user_equipment.positions_m or ()):
        if point in aps:
            keys = (f"user_equipment.positions_m[{i}]", "access_points.positions_m")
            yield Problem(keys, f"got {list(point)} m, exactly where ap-{aps[point]} is; move it away")
    for i, target in enumerate(scenario.targets):
        yield from _target_place(f"targets[{i}].position_m", target.position_m, scenario.area.size_m, aps, ues)


def _target_place(
    key: str, point: tuple[float, float] | None, size_m: tuple[float, float], aps: dict[Any, int], ues: dict[Any, int]
) -> Iterator[Problem]:
    if point is None:
        return
    if not all(0.0 <= x <= side for x, side in zip(point, size_m, strict=True)):
        allowed = f"allowed: inside the area, 0 to {size_m[0]:g} m by 0 to {size_m[1]:g} m"
        yield Problem((key, "area.size_m"), f"got {list(point)} m; {allowed}")
    for nodes, word, table in ((aps, "ap", "access_points"), (ues, "ue", "user_equipment")):
        if point in nodes:
            text = f"got {list(point)} m, exactly where {word}-{nodes[point]} is; move it away"
            yield Problem((key, f"{table}.positions_m"), text)


def _slots(scenario: ScenarioKeys) -> Iterator[Problem]:
    symbols = scenario.schedule.snapshots_per_slot + scenario.schedule.guard_symbols
    if not 1.0 <= 1e9 * symbols / scenario.radio.bandwidth_hz < 2.0**53:
        keys = ("radio.bandwidth_hz", "schedule.snapshots_per_slot", "schedule.guard_symbols")
        length = f"a slot of {symbols} symbols would last {symbols / scenario.radio.bandwidth_hz:g} s"
        yield Problem(keys, f"got {scenario.radio.bandwidth_hz:g} Hz; {length}; allowed: 1 ns or more, below 1e7 s")


def _grid(scenario: ScenarioKeys) -> Iterator[Problem]:
    cells = math.prod(side / scenario.estimator.grid_step_m for side in scenario.area.size_m)
    if cells > _MAX_CELLS:
        keys = ("estimator.grid_step_m", "area.size_m")
        text = f"got {scenario.estimator.grid_step_m:g} m, {cells:.2g} cells in the area"
        yield Problem(keys, f"{text}; allowed: at most {_MAX_CELLS:.0e} cells, so take a larger step")


def _selector(scenario: ScenarioKeys, plugins: Iterable[str]) -> Iterator[Problem]:
    spec = scenario.selector
    try:
        cls = implementation(spec.kind, SELECTORS, plugins)
    except ValueError as error:
        yield Problem(("selector.kind",), str(error))
        return
    if spec.kind != "fixed":
        yield from _settings("selector", cls, spec.options)
        return
    for key in spec.own:
        yield Problem((f"selector.{key}",), f"unknown key; {closest(key, ('transmitters', 'receivers'))}")


def _settings(table: str, cls: type, options: dict[str, Any]) -> Iterator[Problem]:
    for key, text in setting_problems(cls, options):
        yield Problem((f"{table}.{key or 'kind'}",), text)


def _estimator(scenario: ScenarioKeys, plugins: Iterable[str]) -> Iterator[Problem]:
    spec = scenario.estimator
    try:
        cls = implementation(spec.kind, ESTIMATORS, plugins)
    except ValueError as error:
        yield Problem(("estimator.kind",), str(error))
        return
    fields = settings_of(cls)
    for key in _AMPLITUDE_KEYS:
        if key in spec.model_fields_set and key not in fields:
            yield Problem(
                (f"estimator.{key}", "estimator.kind"), f'the kind "{spec.kind}" has no such setting; leave it out'
            )
    yield from _settings("estimator", cls, spec.options)


def _topology(scenario: ScenarioKeys) -> Iterator[Problem]:
    topology, key = scenario.fronthaul.topology, "fronthaul.topology"
    if topology in TOPOLOGIES:
        return
    if not topology.endswith(".graphml"):
        yield Problem((key,), f'got "{topology}"; allowed: {", ".join(TOPOLOGIES)} or the path of a .graphml file')
    elif not Path(topology).is_file():
        yield Problem((key,), f'got "{topology}"; there is no such file')
    else:
        yield from _graph(Path(topology), scenario.access_point_names)


def _graph(path: Path, names: tuple[str, ...]) -> Iterator[Problem]:
    import networkx as nx

    key = ("fronthaul.topology", "access_points.count", "access_points.positions_m")
    try:
        graph = nx.read_graphml(path)
    except Exception as error:
        yield Problem(key[:1], f'got "{path}"; it cannot be read as GraphML: {type(error).__name__}: {error}')
        return
    if graph.is_multigraph():
        yield Problem(key[:1], f'got "{path}"; it has parallel links, where one between two nodes is allowed')
        return
    yield from _links(graph, path)
    if missing := [name for name in ("central", *names) if name not in graph]:
        yield Problem(key, f'got "{path}"; it lacks the nodes {", ".join(missing[:8])}')
        return
    directed = graph.to_directed()
    joined = nx.ancestors(directed, "central") & nx.descendants(directed, "central")
    if apart := [name for name in names if name not in joined]:
        yield Problem(key, f'got "{path}"; {", ".join(apart[:8])} cannot reach central and be reached from it')


_LINK_LIMITS = {
    "rate_bit_s": (1e-300, 1e15),
    "latency_s": (0.0, 3600.0),
    "queue_bits": (1e-300, 1e300),
    "loss_probability": (0.0, 1.0),
}


def _links(graph: Any, path: Path) -> Iterator[Problem]:
    """Check what the links of a GraphML file say of themselves, as the keys of the same names are checked."""
    for a, b, link in graph.edges(data=True):
        for name in set(link) - set(_LINK_LIMITS):
            near = closest(name, _LINK_LIMITS)
            if near.startswith("did you mean"):
                yield Problem(("fronthaul.topology",), f'"{path}": link {a}-{b} has the attribute "{name}"; {near}')
        for name, (low, high) in _LINK_LIMITS.items():
            value = link.get(name, low)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                allowed = f"a number {'> 0' if low > 0.0 else '>= 0'} and <= {high:g}"
                yield Problem(
                    ("fronthaul.topology",), f'"{path}": {name} of the link {a}-{b} is {value!r}; allowed: {allowed}'
                )
