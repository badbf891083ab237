"""The survey of a checked scenario, without emulating anything: dB become SI and random layouts are drawn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emulator.randomness import Streams, cpi_draw, drawn_phase_rad
from emulator.slot import Frame
from models.network import Area, Network, Radio
from models.radio import PATH_LOSS
from models.radio.channel import AccessChannel
from models.radio.geometry import clear_of_antennas, rays, with_ues_at
from models.radio.propagation import path_gain
from models.trajectories import ConstantVelocity, Trajectory, Waypoints
from models.units import db_to_linear, dbm_to_w, noise_power_w
from models.view import View
from scenarios.file.nodes import SingleUserEquipmentKeys, TargetKeys, UserEquipmentKeys
from scenarios.file.plugins import found
from scenarios.file.schema import ScenarioKeys

__all__ = [
    "access_channel_of",
    "area_of",
    "boresights_deg",
    "first_channel",
    "frame_of",
    "network_of",
    "path_gain_of",
    "radio_of",
    "scatter_phases_rad",
    "target_starts_m",
    "trajectory_of",
    "true_network_of",
    "ue_trajectories",
    "view_of",
]

Float = NDArray[np.float64]


def view_of(scenario: ScenarioKeys, streams: Streams) -> View:
    """Return what the central processor knows when it plans the first CPI."""
    network = network_of(scenario, streams)
    return View(
        network=network,
        area=area_of(scenario),
        radio=radio_of(scenario),
        path_gain=path_gain_of(scenario, network),
        n_receivers=scenario.schedule.n_receivers,
        alive=np.ones(network.n_aps, dtype=bool),
    )


def network_of(scenario: ScenarioKeys, streams: Streams) -> Network:
    """Return the survey: given positions and boresights as they are, the others drawn node by node."""
    aps, ues = scenario.access_points, scenario.user_equipment
    ap_names, ue_names = scenario.access_point_names, scenario.user_equipment_names
    return Network(
        ap_names=ap_names,
        ap_positions_m=_positions(scenario, streams, ap_names, aps.each("position_m", aps.positions_m)),
        boresights_rad=np.array([math.radians(b) for b in boresights_deg(scenario, streams)], dtype=float),
        n_antennas=max(aps.antennas),
        array_sizes=np.array(aps.antennas),
        carrier_hz=scenario.radio.carrier_hz,
        relative_power=_relative_power(scenario),
        ue_names=ue_names,
        ue_positions_m=_positions(scenario, streams, ue_names, _ue_starts_m(ues)),
    )


def true_network_of(scenario: ScenarioKeys, network: Network, streams: Streams) -> Network:
    """Return the network where it really is: of the survey, APs are off by an error of their own each."""
    std_m = scenario.access_points.survey_std_m
    if std_m == 0.0:
        return network
    errors = np.array([streams.generator(name, "survey").standard_normal(2) for name in network.ap_names])
    return replace(network, ap_positions_m=network.ap_positions_m + std_m * errors)


def boresights_deg(scenario: ScenarioKeys, streams: Streams) -> Sequence[float]:
    """Return the boresights in degrees, so that a file that names those drawn means the same angles to the last bit."""
    aps, names = scenario.access_points, scenario.access_point_names
    return [
        given if given is not None else math.degrees(streams.generator(name, "boresight").uniform(-np.pi, np.pi))
        for name, given in zip(names, aps.each("boresight_deg", aps.boresights_deg), strict=True)
    ]


def _relative_power(scenario: ScenarioKeys) -> NDArray[np.float64]:
    """Return the power budget of each AP as a multiple of that of all."""
    common_dbm = scenario.radio.transmit_power_dbm
    own_dbm = scenario.access_points.each("transmit_power_dbm", None)
    return np.array([1.0 if dbm is None else db_to_linear(dbm - common_dbm) for dbm in own_dbm])


def area_of(scenario: ScenarioKeys) -> Area:
    """Return where targets may be."""
    width, height = scenario.area.size_m
    return Area(width_m=width, height_m=height)


def _ue_starts_m(ues: UserEquipmentKeys) -> list[tuple[float, float] | None]:
    """Return where UEs start, as far as that is given: with the first waypoint, or in a position."""
    ways = ues.each("waypoints")
    given = ues.each("position_m", ues.positions_m)
    return [place if way is None else way[0][1:] for way, place in zip(ways, given, strict=True)]


def trajectory_of(keys: TargetKeys | SingleUserEquipmentKeys, start_m: tuple[float, float]) -> Trajectory:
    """Return how a node moves that starts somewhere."""
    if keys.waypoints is not None:
        times_s, *places = zip(*keys.waypoints, strict=True)
        return Waypoints(times_s=times_s, places_m=tuple(zip(*places, strict=True)))
    return ConstantVelocity(start_m=start_m, velocity_m_s=keys.velocity_m_s or (0.0, 0.0))


def ue_trajectories(scenario: ScenarioKeys, network: Network) -> dict[str, Trajectory]:
    """Return how those UEs move that do, by name."""
    starts = dict(zip(network.ue_names, network.ue_positions_m.tolist(), strict=True))
    moving = (node for node in scenario.user_equipment.node if node.waypoints or node.velocity_m_s)
    return {node.name: trajectory_of(node, tuple(starts[node.name])) for node in moving}


def path_gain_of(scenario: ScenarioKeys, network: Network) -> Float:
    """Return the large-scale power gain of each AP-UE link, shape (n_aps, n_ues)."""
    distance = rays(network, network.ue_positions_m).distance_m
    return path_gain(found(PATH_LOSS[scenario.radio.path_loss]), distance, network.carrier_hz)


def target_starts_m(scenario: ScenarioKeys, streams: Streams) -> list[tuple[float, float]]:
    """Return where the targets start, in m: given positions as they are, the others drawn target by target."""
    given = [keys.position_m if keys.waypoints is None else keys.waypoints[0][1:] for keys in scenario.targets]
    return [
        place if place is not None else _random_position(scenario, streams, f"target-{s}")
        for s, place in enumerate(given)
    ]


def scatter_phases_rad(scenario: ScenarioKeys, streams: Streams) -> list[float]:
    """Return the scattering phases of the targets in a run, in rad: given ones as they are, the others drawn."""
    return [
        keys.scatter_phase_rad
        if keys.scatter_phase_rad is not None
        else drawn_phase_rad(streams.generator, f"target-{s}")
        for s, keys in enumerate(scenario.targets)
    ]


def first_channel(scenario: ScenarioKeys, seed: int) -> NDArray[np.complex128]:
    """Return the channels of CPI 0 of a run with this seed, shape (n_aps, n_ues, N), without running it."""
    streams, frame = Streams(seed), frame_of(scenario)
    network = true_network_of(scenario, network_of(scenario, streams), streams)
    shape = network.n_aps, network.n_antennas
    drawn = [cpi_draw(streams.generator(name, "cpi", 0), frame.n_samples, shape) for name in network.ue_names]
    starts = zip(scenario.targets, target_starts_m(scenario, streams), strict=True)
    places_m = [trajectory_of(keys, start).position_m(frame.slot_middle_s(0)) for keys, start in starts]
    ways = ue_trajectories(scenario, network)
    at_s = frame.cpi_middle_s(0)
    network = with_ues_at(network, {network.ue_names.index(name): way.position_m(at_s) for name, way in ways.items()})
    return access_channel_of(scenario, network).realize(
        np.array([one.scattered for one in drawn]).reshape(network.n_ues, *shape),
        np.array([one.los_phase_rad for one in drawn]),
        clear_of_antennas(network, np.array(places_m).reshape(-1, 2)),
        np.array([db_to_linear(target.rcs_dbsm) for target in scenario.targets]),
        np.array(scatter_phases_rad(scenario, streams)),
    )


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


def access_channel_of(
    scenario: ScenarioKeys, network: Network, maker: Callable[..., AccessChannel] | None = None
) -> AccessChannel:
    """Return what stays the same of the channels between APs and UEs, as the scenario or another maker makes it."""
    keys = scenario.radio
    spread = keys.angular_std_deg
    return AccessChannel.from_gain(
        network,
        path_gain=path_gain_of(scenario, network),
        rician_k=db_to_linear(keys.rician_k_db),
        angular_std_rad=None if spread == "iid" else math.radians(float(spread)),
        maker=maker or scenario.channel.maker(),
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


def _positions(
    scenario: ScenarioKeys, streams: Streams, names: tuple[str, ...], given: Sequence[tuple[float, float] | None]
) -> NDArray[np.float64]:
    """Return given positions as they are, the others drawn node by node."""
    placed = [
        point if point is not None else _random_position(scenario, streams, name)
        for name, point in zip(names, given, strict=True)
    ]
    return np.array(placed, dtype=float).reshape(len(names), 2)


def _random_position(scenario: ScenarioKeys, streams: Streams, name: str) -> tuple[float, float]:
    width, height = scenario.area.size_m
    x, y = streams.generator(name, "position").uniform(size=2)
    return float(x * width), float(y * height)
