"""How much memory and time a scenario takes, estimated before anything starts.

The estimate counts the arrays that grow with the scenario; each factor was measured, on one core. It is good to a
factor of two in memory, and gives the order of time. Plug-ins are not counted.
"""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from scenarios.file.problems import ScenarioError
from scenarios.file.schema import ScenarioKeys

__all__ = ["Part", "Size", "bound_size", "bytes_text", "machine_memory_bytes", "require_fit", "run_size"]

COMPLEX_BYTES = 16
PROGRAM_BYTES = 150e6  # modules and pictures
NODE_BYTES = 40e3
CPI_RESULT_BYTES = 2e3
MAP_BYTES = 80  # of a cell of the search grid, for each access point
COPIES_OF_CHANNELS = 3  # the correlation matrices, and what makes them
COPIES_OF_SINR = 2  # gains between all UEs, as complex and as real numbers

SECONDS_A_DIRECTION = 2e-8  # of the scattering about a link, for each antenna
SECONDS_A_ROOT = 1e-9  # of the covariance of a link, times N^3
SECONDS_OF_A_BOUND = 1.5e-5  # of a target, a transmitter and a receiver
MANY_OVERLAPPING = 100.0  # transmitters, whose signals take twice the time of separate ones
SECONDS_A_CORRELATION = 3e-8
SECONDS_A_SLOT_AND_AP = 3e-5
SECONDS_A_SAMPLE = 4e-8
SECONDS_AN_OPERATION = 3e-9
SECONDS_A_PAIR = 0.02  # of a transmitter and a receiver, in the search for targets
SECONDS_OF_A_SEARCH = 10.0  # at most: max_operations

LONG_WAITING = 10.0  # CPIs
SHARE_WORTH_NAMING = 0.05
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

APS, UES, N, SNAPSHOTS = (
    "access_points.count", "user_equipment.count", "access_points.n_antennas", "schedule.snapshots_per_slot",
)  # fmt: skip
RECEIVERS = "schedule.n_receivers"


@dataclass(frozen=True)
class Part:
    """What takes memory: in words, how many bytes, and the keys that make it smaller."""

    what: str
    n_bytes: float
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """What a scenario takes.

    Attributes
    ----------
    parts
        What takes memory.
    build_s
        Order of the computing time before the first CPI, in s.
    cpi_s
        Order of the computing time of a CPI, in s.
    n_cpis
        CPIs that are emulated: those asked for, and those that pass while a result is waited for.
    n_waiting
        The latter alone.
    """

    parts: tuple[Part, ...]
    build_s: float
    cpi_s: float
    n_cpis: float
    n_waiting: float

    @property
    def n_bytes(self) -> float:
        """Memory in bytes."""
        return PROGRAM_BYTES + sum(part.n_bytes for part in self.parts)

    @property
    def seconds(self) -> float:
        """Order of the computing time in s."""
        return self.build_s + self.cpi_s * self.n_cpis

    def times(self, n_runs: int) -> "Size":
        """Return what so many runs take, one after the other."""
        return replace(self, build_s=n_runs * self.build_s, cpi_s=n_runs * self.cpi_s)

    def __str__(self) -> str:
        text = f"{bytes_text(self.n_bytes)} of memory and a time of the order of {duration_text(self.seconds)}"
        text += ", start-up and pictures aside"
        waiting = f"; {self.n_waiting:,.0f} CPIs pass until the first result"
        return text + (waiting if self.n_waiting > LONG_WAITING else "")


def run_size(scenario: ScenarioKeys, *, estimating: bool = True, scoring: bool = True) -> Size:
    """Return what a run of a scenario takes, with its estimator and with scoring or without."""
    counts = _Counts.of(scenario)
    parts = (*_built(scenario, counts), *_of_cpis(scenario, counts))
    parts += tuple(_scored(counts)) * scoring + tuple(_estimated(scenario, counts)) * estimating
    return Size(
        parts,
        build_s=_channel_seconds(scenario, counts),
        cpi_s=_cpi_seconds(scenario, counts),
        n_cpis=scenario.schedule.cpis + counts.n_waiting,
        n_waiting=counts.n_waiting,
    )


def bound_size(scenario: ScenarioKeys, n_points: int = 0) -> Size:
    """Return what the bounds of a scenario and of further points take, for which no sample is drawn; maps aside."""
    counts = _Counts.of(scenario)
    size = counts.n_tx * counts.n_antennas
    correlations = Part("correlations of the signals", 3.0 * COMPLEX_BYTES * size**2, (APS, N))
    build_s = _bound_seconds(scenario, counts, len(scenario.targets) + n_points)
    return Size((*_built(scenario, counts), correlations), build_s, cpi_s=0.0, n_cpis=0.0, n_waiting=0.0)


@dataclass(frozen=True)
class _Counts:
    """The numbers that all sizes are made of."""

    n_aps: int
    n_tx: int
    n_rx: int
    n_ues: int
    n_antennas: int
    n_samples: int
    """Snapshots of a CPI."""
    n_gathered: float
    """CPIs of which there are samples at any time: planned, on the air, waited for where reports may be lost."""
    n_estimated: float
    """CPIs that were fused and are being estimated at any time."""
    slowest: str
    """The key that most of this waiting is due to."""

    @property
    def n_waiting(self) -> float:
        """CPIs that are on their way to a result at any time."""
        return self.n_gathered + self.n_estimated

    @classmethod
    def of(cls, scenario: ScenarioKeys) -> "_Counts":
        schedule, n_aps = scenario.schedule, scenario.access_points.count
        fixed = scenario.selector.transmitters
        n_tx = len(fixed) if fixed is not None else n_aps - schedule.n_receivers
        slot_s = (schedule.snapshots_per_slot + schedule.guard_symbols) / scenario.radio.bandwidth_hz
        waits = {
            "schedule.lead_s": schedule.lead_s,
            "fronthaul.deadline_s": scenario.fronthaul.deadline_s * (scenario.fronthaul.loss_probability > 0.0),
            "estimator.latency_s": scenario.estimator.latency_s,
        }
        return cls(
            n_aps=n_aps,
            n_tx=n_tx,
            n_rx=schedule.n_receivers,
            n_ues=scenario.user_equipment.count,
            n_antennas=max(scenario.access_points.antennas),
            n_samples=n_tx * schedule.snapshots_per_slot,
            n_gathered=1.0 + (waits["schedule.lead_s"] + waits["fronthaul.deadline_s"]) / (n_tx * slot_s),
            n_estimated=waits["estimator.latency_s"] / (n_tx * slot_s),
            slowest=max(waits, key=waits.__getitem__),
        )


def _built(scenario: ScenarioKeys, n: _Counts) -> Iterator[Part]:
    """Yield what there is before a run begins."""
    yield Part("nodes", NODE_BYTES * (n.n_aps + n.n_ues + len(scenario.targets)), (APS, UES))
    correlations = COPIES_OF_CHANNELS * COMPLEX_BYTES * float(n.n_aps) * n.n_ues * n.n_antennas**2
    yield Part("channels to the UEs", correlations, (UES, APS, N))


def _of_cpis(scenario: ScenarioKeys, n: _Counts) -> Iterator[Part]:
    """Yield what CPIs take, those on their way to a result and one more."""
    waiting = (n.slowest,) if n.n_waiting > LONG_WAITING else ()
    streams = n.n_antennas * (n.n_tx + n.n_rx) + n.n_ues
    samples = COMPLEX_BYTES * float(n.n_samples) * streams * n.n_gathered
    yield Part("samples of the CPIs in hand", samples, (*waiting, SNAPSHOTS, APS, N))
    size = float(n.n_tx * n.n_antennas)
    overlapping = size if scenario.radio.illumination == "full" else n.n_antennas
    statistics = COMPLEX_BYTES * size * (overlapping + n.n_rx * n.n_antennas) * (1.0 + n.n_estimated)
    yield Part("statistics", statistics, (*waiting, APS, RECEIVERS, N))
    if points := _map_points(scenario):
        n_bytes = MAP_BYTES * points * n.n_aps
        yield Part("maps on their way (a larger fronthaul.map_step_m is less)", n_bytes, ("area.size_m", APS))
    yield Part("results", CPI_RESULT_BYTES * scenario.schedule.cpis, ("schedule.cpis",))


def _scored(n: _Counts) -> Iterator[Part]:
    precoders = COMPLEX_BYTES * float(n.n_tx) * n.n_antennas * n.n_ues
    gains = COPIES_OF_SINR * COMPLEX_BYTES * float(n.n_ues) ** 2
    yield Part("precoders and gains of the UEs", precoders + gains, (UES, APS, N))


def _estimated(scenario: ScenarioKeys, n: _Counts) -> Iterator[Part]:
    n_bytes = MAP_BYTES * _cells(scenario) * n.n_aps
    yield Part("search grid (a larger estimator.grid_step_m is less)", n_bytes, ("area.size_m", APS))


def _cells(scenario: ScenarioKeys) -> float:
    return math.prod(max(1.0, side / scenario.estimator.grid_step_m) for side in scenario.area.size_m)


def _map_points(scenario: ScenarioKeys) -> float:
    """Return the points of the maps that access points form; 0 if they form none."""
    if scenario.fronthaul.split != "summed-map":
        return 0.0
    return math.prod(max(1.0, side / scenario.fronthaul.map_step_m) for side in scenario.area.size_m)


def _channel_seconds(scenario: ScenarioKeys, n: _Counts) -> float:
    """Return the order of the time that the channels to the UEs take in s: a covariance of each link, and its root.

    The covariance is a sum over directions, as many as the phases across the array turn
    (`models.radio.channel.local_scattering_covariance`).
    """
    spread = scenario.radio.angular_std_deg
    directions = 65.0 + 16.0 * n.n_antennas * math.radians(spread) if spread != "iid" else 0.0
    link_s = SECONDS_A_DIRECTION * directions * n.n_antennas + SECONDS_A_ROOT * float(n.n_antennas) ** 3
    return link_s * n.n_aps * n.n_ues


def _bound_seconds(scenario: ScenarioKeys, n: _Counts, n_points: int) -> float:
    """Return the order of the time that the bounds of some points take in s; channels only where they matter."""
    full = scenario.radio.illumination == "full"
    overlap = 1.0 + n.n_tx / MANY_OVERLAPPING * full
    correlations_s = SECONDS_A_CORRELATION * float(n.n_tx * n.n_antennas) ** 2
    bounds_s = SECONDS_OF_A_BOUND * n.n_tx * n.n_rx * n_points * overlap
    return correlations_s + bounds_s + _channel_seconds(scenario, n) * full


def _cpi_seconds(scenario: ScenarioKeys, n: _Counts) -> float:
    """Return the order of the computing time of a CPI in s: slots, samples, precoding, gains, map, search."""
    searching = scenario.estimator.kind == "two-stage"
    search_s = min(SECONDS_A_PAIR * n.n_tx * n.n_rx, SECONDS_OF_A_SEARCH) * searching
    operations = (
        float(n.n_tx) * n.n_antennas * n.n_ues * n.n_samples
        + float(n.n_tx) * n.n_ues**2 * n.n_antennas
        + (_cells(scenario) + _map_points(scenario)) * n.n_tx * n.n_rx * n.n_antennas
    )
    samples = float(n.n_samples) * n.n_antennas * (n.n_tx + n.n_rx)
    slots_s = SECONDS_A_SLOT_AND_AP * n.n_tx * n.n_aps
    return slots_s + SECONDS_A_SAMPLE * samples + SECONDS_AN_OPERATION * operations + search_s


def machine_memory_bytes() -> float:
    """Return how much memory this process may have: the machine's, or a lower limit; infinity if that is not known."""
    found = [math.inf]
    with suppress(AttributeError, ValueError, OSError):
        found.append(float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE"))
    for name in LIMITS:
        with suppress(OSError, ValueError):
            found.append(float(Path(name).read_text(encoding="ascii")))
    with suppress(ImportError, ValueError, OSError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        found += [float(limit)] if limit != resource.RLIM_INFINITY else []
    return min(value for value in found if value > 0.0)


def require_fit(size: Size, source: str = "scenario") -> None:
    """Refuse what cannot fit in the memory of this machine.

    Parameters
    ----------
    size
        What is needed.
    source
        What to call the scenario in the message.

    Raises
    ------
    ScenarioError
        With the numbers: what takes how much, and which keys make it smaller.
    """
    available = machine_memory_bytes()
    if size.n_bytes <= available:
        return
    large = sorted(size.parts, key=lambda part: -part.n_bytes)
    named = [part for part in large if part.n_bytes >= SHARE_WORTH_NAMING * size.n_bytes]
    text = f"needs about {bytes_text(size.n_bytes)} of memory, where this machine has {bytes_text(available)}"
    lines = [f"{part.what}: {bytes_text(part.n_bytes)}; {_reduce(part.keys)}" for part in named]
    raise ScenarioError(source, ["\n    ".join([text, *lines])])


def _reduce(keys: Iterable[str]) -> str:
    *first, last = keys
    return f"reduce {', '.join(first)} or {last}" if first else f"reduce {last}"


def bytes_text(n_bytes: float) -> str:
    """Return an amount of memory with two digits and its unit.

    >>> bytes_text(1.28e13)
    '13 TB'
    """
    exponent = int(min(math.log10(max(n_bytes, 1.0)) / 3.0, len(UNITS) - 1.0))
    digits = float(f"{n_bytes / 1e3**exponent:.2g}")
    return f"{digits:,g} {UNITS[exponent]}"


def duration_text(seconds: float) -> str:
    """Return an order of time with one digit.

    >>> [duration_text(s) for s in (0.34, 250.0, 1e6, 1e12)]
    ['0.3 s', '4 min', '10 days', '30,000 years']
    """
    units = ((31557600.0, "years"), (86400.0, "days"), (3600.0, "h"), (60.0, "min"))
    length, unit = next(((length, unit) for length, unit in units if seconds >= 2.0 * length), (1.0, "s"))
    digits = float(f"{seconds / length:.1g}")
    return f"{digits:,g} {unit}" if digits < 1e4 else f"{digits:,.0f} {unit}"
