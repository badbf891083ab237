"""From a checked scenario to an emulation; its survey is that of `scenarios.file.survey`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any, TypeVar

import networkx as nx

from emulator import LATE_REPORTS, SPLITS
from emulator.emulation import Emulation
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
from models import SCHEDULERS
from models.doors import require
from models.network import Network, Radio
from models.radio.channel import AccessChannel
from models.trajectories import ConstantVelocity
from models.units import db_to_linear
from scenarios.file.graphml import read_graph
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
)
from scenarios.file.table import tables_of

__all__ = ["build", "drawn_settings", "fronthaul_graph"]

T = TypeVar("T")
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
    late_reports: LateReports | None = None,
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
    late_reports
        What becomes of reports that come too late; in place of the scenario's.
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
        If ``access_points`` names an AP that does not exist, or parts do not fit together. A graph that lacks a node or
        path is an EmulationError at the start.
    TypeError
        If there is no argument of a name that is given, a strategy is not of its role, or nodes and splits cannot be
        made of what was given.
    """
    _require_known(strategies)
    if not (isinstance(access_points or {}, Mapping) and all(isinstance(name, str) for name in access_points or ())):
        raise TypeError(f"access_points: got {access_points!r}; give classes by the names of access points")
    makers = {"access_point": access_point, "user_equipment": user_equipment, "target": target}
    _check_makers(makers | {"split": split or FunctionalSplit} | dict(access_points or {}))
    if not isinstance(effects, Iterable):
        raise TypeError(f"effects: got {effects!r}; give a list of objects of subclasses of Effect")
    if fronthaul is not None:
        require("fronthaul", fronthaul, nx.DiGraph)
    streams = Streams(seed)
    network, radio = network_of(scenario, streams), radio_of(scenario)
    _require_names(access_points or {}, network.ap_names)
    classes = dict.fromkeys(network.ap_names, access_point) | dict(access_points or {})
    channel = access_channel_of(scenario, network)
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
        central=_central(scenario, network, radio, channel, late_reports, **strategies),
        access_points=[
            _access_point(name, classes[name], name=name, split=_split(scenario, split), **keys)
            for name in network.ap_names
        ],
        user_equipments=[
            _made(name, user_equipment, name=name, noise_power_w=radio.noise_power_w) for name in network.ue_names
        ],
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
    for table, (start, phase) in zip(tables, drawn, strict=True):
        table |= {"position_m": list(start), "scatter_phase_rad": phase}
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
    scenario: ScenarioKeys,
    network: Network,
    radio: Radio,
    channel: AccessChannel,
    late: LateReports | None,
    **strategies: Any,
) -> CentralProcessor:
    chosen = {
        "selector": scenario.selector.make,
        "estimator": scenario.estimator.make,
        "scheduler": found(SCHEDULERS[scenario.schedule.order]),
    }
    return CentralProcessor(
        network=network,
        area=area_of(scenario),
        radio=radio,
        path_gain=channel.path_gain,
        n_receivers=scenario.schedule.n_receivers,
        payload_bits_per_symbol=scenario.fronthaul.payload_bits_per_symbol,
        estimator_latency_ns=round(scenario.estimator.latency_s * 1e9),
        late=late if late is not None else make(scenario.fronthaul.late_reports, LATE_REPORTS, {}),
        **{role: strategies[role] if role in strategies else make() for role, make in chosen.items()},
    )


def _targets(scenario: ScenarioKeys, streams: Streams, make: Callable[..., Target]) -> list[Target]:
    nodes = []
    for s, (keys, start) in enumerate(zip(scenario.targets, target_starts_m(scenario, streams), strict=True)):
        nodes.append(
            _made(
                f"target-{s}",
                make,
                name=f"target-{s}",
                index=s,
                trajectory=ConstantVelocity(start_m=start, velocity_m_s=keys.velocity_m_s),
                rcs_m2=db_to_linear(keys.rcs_dbsm),
                scatter_phase_rad=keys.scatter_phase_rad,
            )
        )
    return nodes
