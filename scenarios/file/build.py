"""From a checked scenario to objects: the one place where dB become SI and random layouts are drawn."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from emulator import SPLITS
from emulator.emulation import Emulation
from emulator.functional_split import FunctionalSplit
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
from emulator.slot import Frame
from emulator.trace import Tracing
from models import SCHEDULERS
from models.doors import require
from models.network import Area, Network, Radio
from models.radio import PATH_LOSS
from models.radio.channel import AccessChannel
from models.trajectories import ConstantVelocity
from models.units import db_to_linear, dbm_to_w, noise_power_w
from scenarios.file.graphml import read_graph
from scenarios.file.plugins import found, make
from scenarios.file.problems import closest
from scenarios.file.schema import ScenarioKeys
from scenarios.file.table import tables_of

__all__ = ["build", "drawn_settings", "frame_of", "fronthaul_graph", "network_of", "radio_of"]

STRATEGIES = ("selector", "estimator", "scheduler")


def build(
    scenario: ScenarioKeys,
    seed: int = 1,
    *,
    access_point: Callable[..., AccessPoint] = AccessPoint,
    access_points: Mapping[str, Callable[..., AccessPoint]] | None = None,
    user_equipment: Callable[..., UserEquipment] = UserEquipment,
    target: Callable[..., Target] = Target,
    fronthaul: nx.DiGraph | None = None,
    split: Callable[[], FunctionalSplit] | None = None,
    effects: Iterable[Effect] = (),
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
    access_point, user_equipment, target
        Classes (or partials of them) to make the nodes of.
    access_points
        Classes for single APs, by name.
    fronthaul
        A graph to use instead of the scenario's.
    split
        Makes the functional split of an AP, called once for each; in place of the scenario's.
    effects
        What the air does beside the effects of the scenario.
    tracing
        Whether events are recorded, or how, instead of what the scenario says.
    scoring
        See ``Emulation``.
    **strategies
        ``selector``, ``estimator`` or ``scheduler``: objects to use instead of the scenario's.

    Raises
    ------
    ValueError
        If ``access_points`` names an AP that does not exist, or the graph lacks a node or path.
    TypeError
        If there is no argument of a name that is given, a strategy is not of its role, or nodes and splits cannot be
        made of what was given.
    """
    _require_known(strategies)
    if not isinstance(access_points or {}, Mapping):
        raise TypeError(f"access_points: got {access_points!r}; give classes by the names of access points")
    makers = {"access_point": access_point, "user_equipment": user_equipment, "target": target}
    _check_makers(makers | {"split": split or FunctionalSplit} | dict(access_points or {}))
    if fronthaul is not None:
        require("fronthaul", fronthaul, nx.DiGraph)
    streams = Streams(seed)
    network, radio = network_of(scenario, streams), radio_of(scenario)
    unknown = set(access_points or {}) - set(network.ap_names)
    if unknown:
        first, *_, last = network.ap_names
        hint = closest(min(unknown), network.ap_names) if network.n_aps <= 100 else ""
        raise ValueError(f"access_points: {sorted(unknown)} are not among {first}..{last}; {hint}".rstrip("; "))
    classes = dict.fromkeys(network.ap_names, access_point) | dict(access_points or {})
    channel = _access_channel(scenario, network)
    keys = {
        "transmit_power_w": radio.transmit_power_w,
        "comm_power_fraction": radio.comm_power_fraction,
        "noise_power_w": radio.noise_power_w,
        "n_antennas": network.n_antennas,
        "illumination": radio.illumination,
    }
    return Emulation(
        frame=frame_of(scenario),
        air=Air(
            network=network,
            radio=radio,
            access_channel=channel,
            n_targets=len(scenario.targets),
            effects=(*_effects(scenario), *effects),
        ),
        fronthaul=Fronthaul(fronthaul if fronthaul is not None else fronthaul_graph(scenario)),
        central=_central(scenario, network, radio, channel, **strategies),
        access_points=[
            _made(classes[name], name=name, split=split() if split else _split(scenario), **keys)
            for name in network.ap_names
        ],
        user_equipments=[user_equipment(name=name, noise_power_w=radio.noise_power_w) for name in network.ue_names],
        targets=_targets(scenario, streams, target),
        streams=streams,
        tracing=_tracing(scenario, tracing),
        scoring=scoring,
        n_cpis=scenario.schedule.cpis,
    )


def _tracing(scenario: ScenarioKeys, tracing: bool | Tracing) -> Tracing | None:
    if isinstance(tracing, Tracing):
        return tracing
    return Tracing(last_cpis=scenario.trace.last_cpis) if tracing else None


def _check_makers(makers: Mapping[str, object]) -> None:
    for name, maker in makers.items():
        if not callable(maker):
            raise TypeError(f"{name}: got {maker!r}; give a class, or a function that makes one")


def _require_known(strategies: Mapping[str, Any]) -> None:
    known = [*(name for name, p in signature(build).parameters.items() if p.kind is not p.VAR_KEYWORD), *STRATEGIES]
    if odd := [name for name in strategies if name not in STRATEGIES]:
        raise TypeError(f'build has no argument "{odd[0]}"; {closest(odd[0], known)}')


def _made(make: Callable[..., AccessPoint], **keys: Any) -> AccessPoint:
    """Return a node; what a partial was given stays as given."""
    given = make.keywords if isinstance(make, partial) else {}
    return make(**{key: value for key, value in keys.items() if key not in given})


def network_of(scenario: ScenarioKeys, streams: Streams) -> Network:
    """Return the survey: given positions and boresights as they are, the others drawn node by node."""
    aps, ues = scenario.access_points, scenario.user_equipment
    ap_names, ue_names = scenario.access_point_names, scenario.user_equipment_names
    return Network(
        ap_names=ap_names,
        ap_positions_m=_positions(scenario, streams, ap_names, aps.positions_m),
        boresights_rad=np.array([math.radians(b) for b in _boresights_deg(scenario, streams)], dtype=float),
        n_antennas=aps.n_antennas,
        carrier_hz=scenario.radio.carrier_hz,
        ue_names=ue_names,
        ue_positions_m=_positions(scenario, streams, ue_names, ues.positions_m),
    )


def _boresights_deg(scenario: ScenarioKeys, streams: Streams) -> Sequence[float]:
    """Return the boresights in degrees, so that a file that names those drawn means the same angles to the last bit."""
    given, names = scenario.access_points.boresights_deg, scenario.access_point_names
    if given is not None:
        return given
    return [math.degrees(streams.generator(name, "boresight").uniform(-np.pi, np.pi)) for name in names]


def drawn_settings(scenario: ScenarioKeys, seed: int) -> dict[str, Any]:
    """Return all that a seed draws for a scenario, by dotted key: with these given, nothing is left to be drawn.

    Positions of APs, UEs and targets, boresights, and the scattering phases that last for a run.
    """
    streams = Streams(seed)
    network, targets = network_of(scenario, streams), _targets(scenario, streams, Target)
    tables = [target.model_dump(mode="json", exclude_none=True) for target in scenario.targets]
    for table, node in zip(tables, targets, strict=True):
        phase = node.scatter_phase_rad
        table["position_m"] = node.position_m(0.0).tolist()
        table["scatter_phase_rad"] = node.drawn_phase_rad(streams.generator) if phase is None else phase
    return {
        "access_points.positions_m": network.ap_positions_m.tolist(),
        "access_points.boresights_deg": list(_boresights_deg(scenario, streams)),
        "user_equipment.positions_m": network.ue_positions_m.tolist(),
        "targets": tables,
    }


def _positions(
    scenario: ScenarioKeys, streams: Streams, names: tuple[str, ...], given: tuple[tuple[float, float], ...] | None
) -> NDArray[np.float64]:
    if given is None:
        given = tuple(_random_position(scenario, streams, name) for name in names)
    return np.array(given, dtype=float).reshape(len(names), 2)


def _random_position(scenario: ScenarioKeys, streams: Streams, name: str) -> tuple[float, float]:
    width, height = scenario.area.size_m
    x, y = streams.generator(name, "position").uniform(size=2)
    return float(x * width), float(y * height)


def radio_of(scenario: ScenarioKeys) -> Radio:
    """Return the air interface in SI units."""
    keys = scenario.radio
    return Radio(
        bandwidth_hz=keys.bandwidth_hz,
        noise_power_w=noise_power_w(keys.noise_temperature_k, keys.bandwidth_hz, keys.noise_figure_db),
        transmit_power_w=dbm_to_w(keys.transmit_power_dbm),
        comm_power_fraction=keys.comm_power_fraction,
        illumination=keys.illumination,
        n_snapshots=scenario.schedule.snapshots_per_slot,
        rician_k=db_to_linear(keys.rician_k_db),
    )


def _access_channel(scenario: ScenarioKeys, network: Network) -> AccessChannel:
    keys = scenario.radio
    spread = keys.angular_std_deg
    return AccessChannel.of(
        network,
        path_loss=found(PATH_LOSS[keys.path_loss]),
        rician_k=db_to_linear(keys.rician_k_db),
        angular_std_rad=None if spread == "iid" else math.radians(float(spread)),
    )


def frame_of(scenario: ScenarioKeys) -> Frame:
    """Return the calendar."""
    schedule = scenario.schedule
    symbols = schedule.snapshots_per_slot + schedule.guard_symbols
    transmitters = scenario.selector.transmitters
    n_aps = scenario.access_points.count
    return Frame(
        slot_ns=round(1e9 * symbols / scenario.radio.bandwidth_hz),
        n_slots=len(transmitters) if transmitters is not None else n_aps - schedule.n_receivers,
        n_snapshots=schedule.snapshots_per_slot,
        lead_ns=round(schedule.lead_s * 1e9),
        deadline_ns=round(scenario.fronthaul.deadline_s * 1e9),
        n_guard_symbols=schedule.guard_symbols,
    )


def _split(scenario: ScenarioKeys) -> FunctionalSplit:
    keys = scenario.fronthaul
    known = {"iq_bits": keys.iq_bits, "illumination": scenario.radio.illumination}
    split: FunctionalSplit = make(keys.split, SPLITS, {key: known[key] for key in keys.split_fields & set(known)})
    return split


def _effects(scenario: ScenarioKeys) -> Iterator[Effect]:
    """Yield the effects that the tables of a scenario bring into the air."""
    for _, table in tables_of(scenario):
        for name, settings in table.effects().items():
            yield make(name, EFFECTS, settings)


def fronthaul_graph(scenario: ScenarioKeys) -> nx.DiGraph:
    """Return the graph of the fronthaul; links of a GraphML file keep what they say and take the rest from the keys.

    Raises
    ------
    ValueError
        If a GraphML file cannot be read or has parallel links.
    """
    keys = scenario.fronthaul
    attributes: dict[str, float] = {
        "rate_bit_s": keys.rate_bit_s, "latency_s": keys.latency_s, "loss_probability": keys.loss_probability,
    }  # fmt: skip
    if keys.queue_bits is not None:
        attributes["queue_bits"] = keys.queue_bits
    if keys.topology in TOPOLOGIES:
        made: nx.DiGraph = found(TOPOLOGIES[keys.topology])(scenario.access_point_names, **attributes)
        return made
    graph = nx.DiGraph(read_graph(keys.topology))
    for *_, edge in graph.edges(data=True):
        own = {name: edge[name] for name in LINK_ATTRIBUTES if name in edge}
        edge.clear()
        edge.update(attributes | own)
    return graph


def _central(
    scenario: ScenarioKeys, network: Network, radio: Radio, channel: AccessChannel, **strategies: Any
) -> CentralProcessor:
    chosen = {
        "selector": scenario.selector.make,
        "estimator": scenario.estimator.make,
        "scheduler": found(SCHEDULERS[scenario.schedule.order]),
    }
    width, height = scenario.area.size_m
    return CentralProcessor(
        network=network,
        area=Area(width_m=width, height_m=height),
        radio=radio,
        path_gain=channel.path_gain,
        n_receivers=scenario.schedule.n_receivers,
        payload_bits_per_symbol=scenario.fronthaul.payload_bits_per_symbol,
        estimator_latency_ns=round(scenario.estimator.latency_s * 1e9),
        **{role: strategies[role] if role in strategies else make() for role, make in chosen.items()},
    )


def _targets(scenario: ScenarioKeys, streams: Streams, make: Callable[..., Target]) -> list[Target]:
    nodes = []
    for s, keys in enumerate(scenario.targets):
        name = f"target-{s}"
        start = keys.position_m if keys.position_m is not None else _random_position(scenario, streams, name)
        nodes.append(
            make(
                name=name,
                index=s,
                trajectory=ConstantVelocity(start_m=start, velocity_m_s=keys.velocity_m_s),
                rcs_m2=db_to_linear(keys.rcs_dbsm),
                scatter_phase_rad=keys.scatter_phase_rad,
            )
        )
    return nodes
