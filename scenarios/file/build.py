"""From a checked scenario to an emulation; its survey is that of `scenarios.file.survey`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, TypeVar

import networkx as nx

from emulator import LATE_REPORTS, SPLITS
from emulator.calibrator import Calibrator
from emulator.emulation import Emulation
from emulator.faults import Fault
from emulator.functional_split import FunctionalSplit
from emulator.late_reports import LateReports
from emulator.media import EFFECTS, TOPOLOGIES
from emulator.media.air import Air
from emulator.media.effects import Effect
from emulator.media.fronthaul import Fronthaul
from emulator.media.link_attributes import LINK_ATTRIBUTES
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.target import Target
from emulator.nodes.user_equipment import UserEquipment
from emulator.randomness import Streams
from emulator.trace import Tracing
from models.doors import require
from models.radio.channel import AccessChannel
from models.trajectories import Trajectory
from models.units import db_to_linear
from scenarios.file.graphml import read_graph
from scenarios.file.phase_parts import calibrator_of, front_ends_of, servo_of
from scenarios.file.plugins import found, make
from scenarios.file.problems import closest
from scenarios.file.schema import ScenarioKeys
from scenarios.file.survey import (
    access_channel_of,
    area_of,
    boresights_deg,
    frame_of,
    network_of,
    radio_of,
    scatter_phases_rad,
    target_starts_m,
    trajectory_of,
    true_network_of,
    ue_trajectories,
)
from scenarios.file.table import tables_of

__all__ = ["build", "drawn_settings", "fronthaul_graph"]

T = TypeVar("T")
STRATEGIES = ("selector", "estimator", "scheduler")


def build(
    scenario: ScenarioKeys,
    seed: int = 1,
    *,
    access_point: Callable[..., AccessPoint] | None = None,
    access_points: Mapping[str, Callable[..., AccessPoint]] | None = None,
    user_equipment: Callable[..., UserEquipment] | None = None,
    target: Callable[..., Target] | None = None,
    central: Callable[..., CentralProcessor] | None = None,
    channel: Callable[..., AccessChannel] | None = None,
    fronthaul: nx.DiGraph | None = None,
    split: Callable[[], FunctionalSplit] | None = None,
    late_reports: LateReports | None = None,
    effects: Iterable[Effect] = (),
    faults: Iterable[Fault] = (),
    tracing: bool | Tracing = True,
    scoring: bool = True,
    **strategies: Any,
) -> Emulation:
    """Return the emulation of a scenario.

    Parameters
    ----------
    scenario
        The checked scenario.
    seed
        Seed of everything random.
    access_point, user_equipment, target, central, channel
        Classes (or partials of them) to make the nodes and the channels between APs and UEs of; in place of the
        scenario's.
    access_points
        Classes for single APs, by name.
    fronthaul
        A graph to use instead of the scenario's.
    split
        Makes the functional split of an AP, called once for each; in place of the scenario's.
    late_reports
        What becomes of reports that come too late; in place of the scenario's.
    effects
        What the air does beside the effects of the scenario.
    faults
        What goes wrong beside the faults of the scenario.
    tracing
        Whether events are recorded, or how, instead of what the scenario says.
    scoring
        See ``Emulation``.
    **strategies
        ``selector``, ``estimator`` or ``scheduler``: objects to use instead of the scenario's.

    Raises
    ------
    ValueError
        If ``access_points`` names an AP that does not exist, or parts do not fit together. A graph that lacks a node or
        path is an EmulationError at the start.
    TypeError
        If there is no argument of a name that is given, a strategy is not of its role, or nodes and splits cannot be
        made of what was given.
    """
    _require_known(strategies)
    if not (isinstance(access_points or {}, Mapping) and all(isinstance(name, str) for name in access_points or ())):
        raise TypeError(f"access_points: got {access_points!r}; give classes by the names of access points")
    makers = {
        "access_point": access_point, "user_equipment": user_equipment, "target": target, "central": central,
        "channel": channel, "split": split,
    }  # fmt: skip
    _check_makers({name: maker for name, maker in makers.items() if maker is not None} | dict(access_points or {}))
    if not isinstance(effects, Iterable):
        raise TypeError(f"effects: got {effects!r}; give a list of objects of subclasses of Effect")
    if not isinstance(faults, Iterable):
        raise TypeError(f"faults: got {faults!r}; give a list of objects of subclasses of Fault")
    if fronthaul is not None:
        require("fronthaul", fronthaul, nx.DiGraph)
    streams = Streams(seed)
    network, radio = network_of(scenario, streams), radio_of(scenario)
    _require_names(access_points or {}, network.ap_names)
    classes = dict.fromkeys(network.ap_names, access_point or scenario.access_points.maker())
    if access_point is None:
        classes |= {name: node.maker() for name, node in scenario.access_points.behaving().items()}
    classes |= dict(access_points or {})
    ue_classes = dict.fromkeys(network.ue_names, user_equipment or scenario.user_equipment.maker())
    if user_equipment is None:
        ue_classes |= {name: node.maker() for name, node in scenario.user_equipment.behaving().items()}
    ways = ue_trajectories(scenario, network)
    front_ends = front_ends_of(scenario, streams)
    radios = {name: {"front_end": end} for name, end in front_ends.items()}
    ue_keys = {name: _ue_keys(scenario, ways.get(name)) | radios.get(name, {}) for name in network.ue_names}
    access_channel = access_channel_of(scenario, network, channel)
    require("channel", access_channel, AccessChannel)
    truth = true_network_of(scenario, network, streams)
    true_channel = access_channel if truth is network else access_channel_of(scenario, truth, channel)
    budgets_w = dict(zip(network.ap_names, network.budgets_w(radio).tolist(), strict=True))
    antennas = dict(zip(network.ap_names, network.antennas.tolist(), strict=True))
    keys = {
        "comm_power_fraction": radio.comm_power_fraction,
        "noise_power_w": radio.noise_power_w,
        "illumination": radio.illumination,
    } | servo_of(scenario)
    calibrator = calibrator_of(scenario, network, radio, front_ends)
    return Emulation(
        frame=frame_of(scenario),
        air=Air(
            network=truth,
            radio=radio,
            access_channel=true_channel,
            n_targets=len(scenario.targets),
            effects=(*_effects(scenario), *effects),
            channel_at=partial(access_channel_of, scenario, maker=channel) if ways else None,
        ),
        fronthaul=Fronthaul(fronthaul if fronthaul is not None else fronthaul_graph(scenario, seed)),
        central=_central(
            scenario,
            access_channel,
            central or scenario.central.maker(),
            calibrator=calibrator,
            late=late_reports if late_reports is not None else make(scenario.fronthaul.late_reports, LATE_REPORTS, {}),
            **strategies,
        ),
        access_points=[
            _access_point(
                name,
                classes[name],
                name=name,
                split=_split(scenario, split),
                transmit_power_w=budgets_w[name],
                n_antennas=antennas[name],
                **keys | radios.get(name, {}),
            )
            for name in network.ap_names
        ],
        user_equipments=[
            _made(name, ue_classes[name], name=name, noise_power_w=radio.noise_power_w, **ue_keys[name])
            for name in network.ue_names
        ],
        targets=_targets(scenario, streams, target),
        faults=(*(keys.make() for keys in scenario.faults), *faults),
        streams=streams,
        tracing=_tracing(scenario, tracing),
        scoring=scoring,
        n_cpis=scenario.schedule.cpis,
    )


def _ue_keys(scenario: ScenarioKeys, way: Trajectory | None) -> dict[str, Any]:
    """Return how a UE moves and fades, where that is not as by default."""
    fading = scenario.user_equipment.fading
    return ({} if way is None else {"trajectory": way}) | ({} if fading == "block" else {"fading": fading})


def _tracing(scenario: ScenarioKeys, tracing: bool | Tracing) -> Tracing | None:
    if isinstance(tracing, Tracing):
        return tracing
    return Tracing(last_cpis=scenario.trace.last_cpis) if tracing else None


def _require_names(asked: Iterable[str], names: Sequence[str]) -> None:
    if unknown := sorted(set(asked) - set(names)):
        hint = closest(unknown[0], names) if len(names) <= 100 else ""
        raise ValueError(f"access_points: {unknown} are not among {names[0]}..{names[-1]}; {hint}".rstrip("; "))


def _check_makers(makers: Mapping[str, object]) -> None:
    for name, maker in makers.items():
        if not callable(maker):
            raise TypeError(f"{name}: got {maker!r}; give {_expected(name)}")


def _expected(name: str) -> str:
    if name == "split":
        return "what makes one when called without arguments, as partial(IqSplit, iq_bits=8)"
    return "a class, or a function that makes one"


def _made(role: str, maker: Callable[..., T], /, **keys: Any) -> T:
    """Return what a maker gives when it is called with some keys.

    Raises
    ------
    TypeError
        If it does not take these.
    """
    try:
        return maker(**keys)
    except TypeError as error:
        called = f"called with {', '.join(keys)}" if keys else "called without arguments"
        shown = getattr(maker, "__qualname__", repr(maker))
        raise TypeError(f"{role}: {shown}, {called}: {error}; give {_expected(role)}") from error


def _require_known(strategies: Mapping[str, Any]) -> None:
    known = [*(name for name, p in signature(build).parameters.items() if p.kind is not p.VAR_KEYWORD), *STRATEGIES]
    if odd := [name for name in strategies if name not in STRATEGIES]:
        raise TypeError(f'build has no argument "{odd[0]}"; {closest(odd[0], known)}')


def _access_point(role: str, make: Callable[..., AccessPoint], /, **keys: Any) -> AccessPoint:
    """Return a node; what a partial was given stays as given."""
    given = make.keywords if isinstance(make, partial) else {}
    return _made(role, make, **{key: value for key, value in keys.items() if key not in given})


def drawn_settings(scenario: ScenarioKeys, seed: int) -> dict[str, Any]:
    """Return all that a seed draws for a scenario, by dotted key: with these given, nothing is left to be drawn.

    Positions of APs, UEs and targets, boresights, and the scattering phases that last for a run.
    """
    streams = Streams(seed)
    network = network_of(scenario, streams)
    tables = [target.model_dump(mode="json", exclude_none=True) for target in scenario.targets]
    drawn = zip(target_starts_m(scenario, streams), scatter_phases_rad(scenario, streams), strict=True)
    for table, keys, (start, phase) in zip(tables, scenario.targets, drawn, strict=True):
        for name in keys.without_effect():
            table.pop(name, None)
        table |= {"scatter_phase_rad": phase} | ({} if "waypoints" in table else {"position_m": list(start)})
    return {
        "access_points.positions_m": network.ap_positions_m.tolist(),
        "access_points.boresights_deg": list(boresights_deg(scenario, streams)),
        "user_equipment.positions_m": network.ue_positions_m.tolist(),
        "targets": tables,
    }


def _split(scenario: ScenarioKeys, make_split: Callable[[], FunctionalSplit] | None) -> FunctionalSplit:
    if make_split is not None:
        return _made("split", make_split)
    keys = scenario.fronthaul
    split: FunctionalSplit = make(keys.split, SPLITS, keys.split_settings(scenario.radio.illumination))
    return split


def _effects(scenario: ScenarioKeys) -> Iterator[Effect]:
    """Yield the effects that the tables of a scenario bring into the air."""
    for _, table in tables_of(scenario):
        for name, settings in table.effects().items():
            yield make(name, EFFECTS, settings)


def fronthaul_graph(scenario: ScenarioKeys, seed: int = 1) -> nx.DiGraph:
    """Return the graph of the fronthaul; links of a file keep what they say and take the rest from the keys.

    A mesh of APs that are placed at random depends on the seed.

    Raises
    ------
    ValueError
        If a file cannot be read or has parallel links.
    """
    keys = scenario.fronthaul
    attributes: dict[str, float] = {
        "rate_bit_s": keys.rate_bit_s, "latency_s": keys.latency_s, "loss_probability": keys.loss_probability,
        "jitter_s": keys.jitter_s,
    }  # fmt: skip
    if keys.queue_bits is not None:
        attributes["queue_bits"] = keys.queue_bits
    if keys.topology in TOPOLOGIES:
        make = found(TOPOLOGIES[keys.topology])
        own = {name: value(scenario, seed) for name, value in _ASKED.items() if name in signature(make).parameters}
        made: nx.DiGraph = make(scenario.access_point_names, **own, **attributes)
        return made
    graph = nx.DiGraph(read_graph(keys.topology))
    for *_, edge in graph.edges(data=True):
        own = {name: edge[name] for name in LINK_ATTRIBUTES if name in edge}
        edge.clear()
        edge.update(attributes | own)
    return graph


_ASKED: Mapping[str, Callable[[ScenarioKeys, int], Any]] = {
    "positions_m": lambda scenario, seed: network_of(scenario, Streams(seed)).ap_positions_m,
    "central_m": lambda scenario, seed: [0.5 * side for side in scenario.area.size_m],
    "neighbours": lambda scenario, seed: scenario.fronthaul.neighbours,
}
"""What a topology may ask for by a parameter, besides names and attributes of links."""


def _central(
    scenario: ScenarioKeys,
    channel: AccessChannel,
    make: Callable[..., CentralProcessor],
    *,
    calibrator: Calibrator | None,
    late: LateReports,
    **strategies: Any,
) -> CentralProcessor:
    chosen = {
        "selector": scenario.selector.make,
        "estimator": scenario.estimator.make,
        "scheduler": scenario.schedule.make,
    }
    return _made(
        "central",
        make,
        network=channel.network,
        area=area_of(scenario),
        radio=radio_of(scenario),
        path_gain=channel.path_gain,
        n_receivers=scenario.schedule.n_receivers,
        payload_bits_per_symbol=scenario.fronthaul.payload_bits_per_symbol,
        consistency=scenario.consistency.make(),
        calibrator=calibrator,
        estimator_latency_ns=round(scenario.estimator.latency_s * 1e9),
        late=late,
        **{role: strategies[role] if role in strategies else made() for role, made in chosen.items()},
    )


def _targets(scenario: ScenarioKeys, streams: Streams, make: Callable[..., Target] | None) -> list[Target]:
    nodes = []
    for s, (keys, start) in enumerate(zip(scenario.targets, target_starts_m(scenario, streams), strict=True)):
        nodes.append(
            _made(
                f"target-{s}",
                make or keys.maker(),
                name=f"target-{s}",
                index=s,
                trajectory=trajectory_of(keys, start),
                rcs_m2=db_to_linear(keys.rcs_dbsm),
                scatter_phase_rad=keys.scatter_phase_rad,
            )
        )
    return nodes
