"""What the benchmarks share: clocks, growth, memory, and observations drawn without the emulator."""

import math
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.bounds.maps import keep_memory
from models.network import Area, ModeAssignment, Network
from models.observation import Observation
from models.radio.gram import Gram
from models.radio.sensing import echo_amplitude_m2, leg_response
from models.radio.statistics import cross_statistic, energy_statistic, gram_statistic

__all__ = ["AREA", "NOISE_W", "cpu_s", "exponent", "layout", "normals", "observe", "peak_mib", "plain_leg", "samples"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

AREA = Area(width_m=1024.0, height_m=1024.0)
NOISE_W = 4.0e-16  # 100 kHz at 290 K
COMM_SHARE, N_SNAPSHOTS, N_BEAMS = 0.5, 10, 10


def cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Return the median process CPU time of ``work`` in s, after one call to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the slope of log time over log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def peak_mib(work: Callable[[], object]) -> float:
    """Return the memory that a call allocates at its peak beyond what is there before, in MiB."""
    keep_memory()  # the first call allocates what no kernel needs
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def normals(rng: np.random.Generator, *shape: int) -> Complex:
    """Return CN(0, 1) samples."""
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)


def layout(rng: np.random.Generator, n_aps: int = 12, n_antennas: int = 8) -> tuple[Network, ModeAssignment]:
    """Return a random network, every other AP of which transmits."""
    network = Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, AREA.width_m, (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=n_antennas,
        carrier_hz=3.5e9,
    )
    return network, ModeAssignment.of(n_aps, list(range(0, n_aps, 2)), list(range(1, n_aps, 2)))


def samples(rng: np.random.Generator, n_tx: int, n_antennas: int, power_w: float, overlapping: bool) -> Complex:
    """Return what the transmitters radiate in a CPI, (n_tx, N, snapshots): one senses a slot, all may communicate."""
    sent = np.zeros((n_tx, n_antennas, n_tx, N_SNAPSHOTS), dtype=complex)
    for t in range(n_tx):
        sent[t, :, t] = np.sqrt((1.0 - COMM_SHARE) * power_w / n_antennas) * normals(rng, n_antennas, N_SNAPSHOTS)
    sent = sent.reshape(n_tx, n_antennas, -1)
    if overlapping:
        beams = np.sqrt(COMM_SHARE * power_w / n_antennas / N_BEAMS) * normals(rng, n_tx, n_antennas, N_BEAMS)
        sent = sent + beams @ normals(rng, N_BEAMS, sent.shape[-1])
    return sent


def observe(
    rng: np.random.Generator,
    targets_m: Float,
    *,
    overlapping: bool = False,
    power_w: float = 1.0,
    n_aps: int = 12,
    n_antennas: int = 8,
) -> Observation:
    """Return the observation of a CPI of a random network with targets of 1 m^2."""
    network, assignment = layout(rng, n_aps, n_antennas)
    out, back = (leg_response(network, targets_m, aps) for aps in (assignment.transmitters, assignment.receivers))
    sent = samples(rng, len(out), n_antennas, power_w, overlapping)
    kappa = echo_amplitude_m2(network.wavelength_m, 1.0) * np.exp(2j * np.pi * rng.random(len(targets_m)))
    field = np.einsum("tsn,tnl->sl", out, sent)
    received = np.einsum("s,rsm,sl->rml", kappa, back, field, optimize=True)
    received = received + np.sqrt(NOISE_W) * normals(rng, *received.shape)
    return Observation(
        network=network,
        area=AREA,
        assignment=assignment,
        cross=np.stack([cross_statistic(y, sent) for y in received]),
        gram=Gram.of(gram_statistic(sent)),
        energy=np.array([energy_statistic(y) for y in received]),
        n_samples=np.full(len(back), received[0].size),
        noise_power_w=NOISE_W,
    )


def plain_leg(network: Network, ap: int, point: Float) -> Complex:
    """Return a leg of an echo and its derivatives with respect to x and y, shape (3, N)."""
    offset = point - network.ap_positions_m[ap]
    distance, axis, element = math.hypot(*offset), network.array_axes[ap], np.arange(network.n_antennas)
    direction = offset / distance
    sine, wavenumber = direction @ axis, network.wavenumber_rad_m
    leg = np.exp(1j * (math.pi * element * sine - wavenumber * distance)) / distance
    leg *= math.sqrt(float(echo_amplitude_m2(network.wavelength_m, 1.0)))
    slope = math.pi * np.outer((axis - sine * direction) / distance, element) - wavenumber * direction[:, None]
    return np.vstack([leg, 1j * slope * leg])
