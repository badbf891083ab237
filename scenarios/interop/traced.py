"""Channels that a ray tracer, or a measurement, has found: tables of paths, or gains from antenna to antenna.

A path has the complex gain

    amplitude exp(j (phase - 2 pi f_c delay))

from antenna 0 of where it begins to antenna 0 of where it ends, at the carrier f_c; in a table whose phases hold what
the delay turns, the delay is 0 or left out. Angles are absolute, counter-clockwise from +x, and point away from the
access point: where a path leaves to, and where it comes from. Arrays are those of ``models.radio.arrays``.

Not modelled: delays of the envelope, elevation and polarisation, and tables that change with time or with the place of
a node: what is traced rests. Of a UE that moves, and of a target at another place, the table is wrong.
"""

import csv
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emulator.media.effects import Effect
from emulator.media.truth import CpiTruth, Emitted
from emulator.services import Services
from emulator.slot import Slot
from models.network import Network
from models.radio.arrays import steering
from models.radio.channel import AccessChannel
from models.readonly import sealed

__all__ = ["Paths", "TracedChannel", "TracedEchoes", "access_gains", "echo_gains", "read_paths"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
COLUMNS = ("transmitter", "receiver", "amplitude", "phase_rad", "aod_rad")
"""Of every table of paths."""
MOST_GAIN = 1e3
"""A larger one is no path, and its square soon no number."""
OTHERS = ("delay_s", "aoa_rad")
"""Those that may be left out; 0 then."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths between nodes, all arrays of shape (n_paths,).

    Attributes
    ----------
    transmitter
        Numbers of the access points where they begin, in the order of the network.
    receiver
        Numbers of the UEs, or of the access points, where they end.
    amplitude, phase_rad, delay_s
        Their gains, see the module.
    aod_rad, aoa_rad
        Where they leave to and, for those that end at access points, where they come from.

    Raises
    ------
    ValueError
        If arrays differ in length or hold what is not finite, or a number of a node is not whole.
    """

    transmitter: NDArray[np.intp]
    receiver: NDArray[np.intp]
    _: KW_ONLY
    amplitude: Float
    phase_rad: Float
    aod_rad: Float
    delay_s: Float = field(default_factory=lambda: np.zeros(1))
    aoa_rad: Float = field(default_factory=lambda: np.zeros(1))

    def __post_init__(self) -> None:
        n_paths = len(np.atleast_1d(self.transmitter))
        for name in (*COLUMNS, *OTHERS):
            values = _column(name, getattr(self, name), n_paths)
            object.__setattr__(self, name, sealed(values))

    def gains(self, carrier_hz: float) -> Complex:
        """Return the complex gain of each path at a carrier."""
        return self.amplitude * np.exp(1j * (self.phase_rad - 2.0 * np.pi * carrier_hz * self.delay_s))


def _column(name: str, given: ArrayLike, n_paths: int) -> NDArray[Any]:
    """Return the values of a column, one for each path, checked."""
    values = np.array(given, dtype=float)
    if values.ndim > 1 or values.size not in (1, n_paths) or not np.isfinite(values).all():
        raise ValueError(
            f"{name} is an array of shape {values.shape}: give {n_paths} finite numbers, one for each path"
        )
    values = np.broadcast_to(values, n_paths).copy()
    if name not in ("transmitter", "receiver"):
        return values
    if not np.array_equal(values, np.floor(values)) or (values < 0).any():
        raise ValueError(
            f"{name} holds {values.min():g} to {values.max():g}: give numbers of nodes, whole and 0 or more"
        )
    return values.astype(np.intp)


def read_paths(path: Path | str) -> "Paths | Complex":
    """Return the paths of a file, or the gains that it holds.

    Parameters
    ----------
    path
        A CSV with a heading, a path a line, or an npz with an array for each column: transmitter, receiver, amplitude,
        phase_rad, aod_rad, and delay_s and aoa_rad, which may be left out; others are ignored. Or an npz with the one
        array ``gains``.

    Raises
    ------
    ValueError
        If the file cannot be read or a column is missing or wrong.
    """
    try:
        table = _table(Path(path))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f'"{path}" cannot be read as a table of paths: {error}') from error
    if "gains" in table:
        return np.asarray(table["gains"], dtype=complex)
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(f'"{path}" lacks {", ".join(missing)}: give the columns {", ".join(COLUMNS)}')
    return Paths(**{name: table[name] for name in (*COLUMNS, *OTHERS) if name in table})


def _table(path: Path) -> dict[str, Any]:
    """Return the columns of a file, by name."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        names = [name for name in (*COLUMNS, *OTHERS) if name in (table.fieldnames or ())]
        rows = list(table)
    return {name: np.array([float(row[name]) for row in rows]) for name in names}


# -- gains ------------------------------------------------------------------------------------------------------------


def access_gains(source: Any, network: Network) -> Complex:
    """Return the gains from the antennas of all APs to all UEs, shape (n_aps, n_ues, N).

    Parameters
    ----------
    source
        `Paths` from access points to UEs, an array of this shape, or the path of a file with either.
    network
        The survey.

    Raises
    ------
    ValueError
        If the network has no such nodes, the array another shape, or a gain is too large for a ratio of fields.
    """
    shape = (network.n_aps, network.n_ues, network.n_antennas)
    return network.cut(_gains(source, network, shape, _sum_of_access_paths))


def echo_gains(source: Any, network: Network) -> Complex:
    """Return the gains from the antennas of all APs to those of all others, shape (n_aps, N, n_aps, N): to, from.

    Parameters
    ----------
    source
        `Paths` between access points, an array of this shape, or the path of a file with either.
    network
        The survey.

    Raises
    ------
    ValueError
        As ``access_gains``.
    """
    n_aps, n_antennas = network.n_aps, network.n_antennas
    return _gains(source, network, (n_aps, n_antennas, n_aps, n_antennas), _sum_of_echo_paths)


def _gains(source: Any, network: Network, shape: tuple[int, ...], sum_of_paths: Any) -> Complex:
    given = _read(source)
    if isinstance(given, Paths):
        _check_nodes(given, shape[0], shape[1] if len(shape) == 3 else shape[2])
        given = sum_of_paths(given, network)
    gains = np.asarray(given, dtype=complex)
    if gains.shape != shape or not np.isfinite(gains).all():
        raise ValueError(f"gains of shape {gains.shape}: give Paths, or finite gains of shape {shape}")
    if (most := np.abs(gains).max(initial=0.0)) > MOST_GAIN:
        raise ValueError(f"gains of up to {most:g}: give ratios of fields, which are small and at most {MOST_GAIN:g}")
    return gains


def _read(source: Any) -> Any:
    """Return what a file holds; what is no path as it is."""
    return read_paths(source) if isinstance(source, str | Path) else source


def _check_nodes(paths: Paths, n_transmitters: int, n_receivers: int) -> None:
    for name, n_nodes in (("transmitter", n_transmitters), ("receiver", n_receivers)):
        if (most := max(getattr(paths, name), default=-1)) >= n_nodes:
            raise ValueError(f"{name} holds {most}: the network has {n_nodes}, numbered from 0")


def _steered(network: Network, aps: NDArray[np.intp], angle_rad: Float) -> Complex:
    """Return the response of the arrays of some APs in absolute directions, shape (n_paths, N)."""
    return steering(np.sin(angle_rad - network.boresights_rad[aps]), network.n_antennas)


def _sum_of_access_paths(paths: Paths, network: Network) -> Complex:
    whole = np.zeros((network.n_aps, network.n_ues, network.n_antennas), dtype=complex)
    gains = paths.gains(network.carrier_hz)[:, None] * _steered(network, paths.transmitter, paths.aod_rad)
    np.add.at(whole, (paths.transmitter, paths.receiver), gains)
    return whole


def _sum_of_echo_paths(paths: Paths, network: Network) -> Complex:
    n_aps, n_antennas = network.n_aps, network.n_antennas
    whole = np.zeros((n_aps, n_aps, n_antennas, n_antennas), dtype=complex)
    out = paths.gains(network.carrier_hz)[:, None] * _steered(network, paths.transmitter, paths.aod_rad)
    back = _steered(network, paths.receiver, paths.aoa_rad)
    np.add.at(whole, (paths.receiver, paths.transmitter), back[:, :, None] * out[:, None, :])
    return whole.transpose(0, 2, 1, 3)


# -- parts of an emulation --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class TracedChannel(AccessChannel):
    """Channels between APs and UEs from a table: all that is static in them, the line of sight among it.

    In each CPI the phase of a UE turns its channels, and the echoes of emulated targets are added; there is no fading.
    Path gains that selectors go by are the mean power over the antennas.

    Attributes
    ----------
    source
        What ``access_gains`` takes.
    """

    source: Any

    def __post_init__(self) -> None:
        gains = access_gains(self.source, self.network)
        power = (np.abs(gains) ** 2).sum(axis=-1) / self.network.antennas[:, None]
        object.__setattr__(self, "line_of_sight", sealed(gains))
        object.__setattr__(self, "path_gain", sealed(power))
        object.__setattr__(self, "scatter_root", sealed(np.zeros_like(self.scatter_root)))


@dataclass(kw_only=True, eq=False)
class TracedEchoes(Effect):
    """What APs hear of each other by way of what a ray tracer has seen: echoes, clutter, or the direct path.

    Attributes
    ----------
    source
        What ``echo_gains`` takes; of a path what the file holds when this is made.
    illumination
        "sensing": of the sensing waveform alone, as the estimators take it by default; "full": of all that is radiated.
    """

    source: Any
    illumination: str = "sensing"
    _table: Complex = field(default_factory=lambda: np.empty(0, dtype=complex), init=False, repr=False)

    def __post_init__(self) -> None:
        if self.illumination not in ("sensing", "full"):
            raise ValueError(f'illumination is {self.illumination!r}: give "sensing" or "full"')
        self.source = _read(self.source)  # so that what it was counts in a checkpoint, and not where it stood

    def start(self, services: Services) -> None:
        """Take what the emulation offers, and make gains of the table."""
        super().start(services)
        self._table = echo_gains(self.source, services.network)

    def field(self, slot: Slot, truth: CpiTruth, emitted: Emitted, receivers: tuple[int, ...]) -> Complex | None:
        """Return the sum over those who radiate; see ``Effect.field``."""
        if slot.is_pilot:
            return None
        heard: Complex | None = None
        for index, (emission, total) in emitted:
            samples = emission.sensing if self.illumination == "sensing" else total
            if samples is not None:
                arriving = self._table[list(receivers), :, index] @ samples
                heard = arriving if heard is None else heard + arriving
        return heard
