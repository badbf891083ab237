"""Synthetic observations: layouts, waveforms and echoes drawn directly, without the emulator."""

from dataclasses import dataclass

import numpy as np
from scipy.constants import k as boltzmann

from models.network import Area, ModeAssignment, Network
from models.observation import Observation
from models.radio.gram import Gram
from models.radio.sensing import echo_amplitude_m2, leg_response
from models.radio.statistics import cross_statistic, energy_statistic, gram_statistic

AREA = Area(width_m=1000.0, height_m=1000.0)
NOISE_W = boltzmann * 290.0 * 100e3


@dataclass(frozen=True, kw_only=True)
class Truth:
    network: Network
    assignment: ModeAssignment
    targets_m: np.ndarray
    rcs_m2: np.ndarray
    phase_rad: np.ndarray


def random_network(rng, n_aps=12, n_antennas=8, area=AREA):
    return Network(
        ap_names=tuple(f"ap-{i}" for i in range(n_aps)),
        ap_positions_m=rng.uniform(0.0, [area.width_m, area.height_m], (n_aps, 2)),
        boresights_rad=rng.uniform(-np.pi, np.pi, n_aps),
        n_antennas=n_antennas,
        carrier_hz=3.5e9,
    )


def spread_split(network, n_receivers):
    """Receivers by farthest-point sampling, starting with the AP farthest from the centroid."""
    positions = network.ap_positions_m
    chosen = [int(np.argmax(np.linalg.norm(positions - positions.mean(axis=0), axis=1)))]
    while len(chosen) < n_receivers:
        distance = np.linalg.norm(positions[:, None] - positions[chosen], axis=2).min(axis=1)
        chosen.append(int(np.argmax(distance)))
    transmitters = [i for i in range(network.n_aps) if i not in chosen]
    return ModeAssignment.of(network.n_aps, transmitters, chosen)


def random_truth(rng, n_targets=2, n_aps=12, n_receivers=6, n_antennas=8, targets_m=None, area=AREA):
    network = random_network(rng, n_aps, n_antennas, area)
    if targets_m is None:
        targets_m = rng.uniform(0.0, [area.width_m, area.height_m], (n_targets, 2))
    targets_m = np.asarray(targets_m, dtype=float).reshape(-1, 2)
    return Truth(
        network=network,
        assignment=spread_split(network, n_receivers),
        targets_m=targets_m,
        rcs_m2=np.ones(len(targets_m)),
        phase_rad=rng.uniform(-np.pi, np.pi, len(targets_m)),
    )


def normals(rng, *shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2.0)


def waveform(rng, n_tx, n_antennas, power_w=1.0, rho=0.5, n_snapshots=10, full=False, n_beams=4):
    """Samples (n_tx, N, slots * L): one AP senses a slot; with ``full`` all also send random beams all the time."""
    samples = np.zeros((n_tx, n_antennas, n_tx, n_snapshots), dtype=complex)
    for t in range(n_tx):
        samples[t, :, t] = np.sqrt((1 - rho) * power_w / n_antennas) * normals(rng, n_antennas, n_snapshots)
    samples = samples.reshape(n_tx, n_antennas, -1)
    if full:
        beams = normals(rng, n_tx, n_antennas, n_beams)
        beams *= np.sqrt(rho * power_w) / np.linalg.norm(beams, axis=(1, 2), keepdims=True)
        samples = samples + beams @ normals(rng, n_beams, samples.shape[-1])
    return samples


def pair_gains(rng, truth, log_normal_db=0.0, random_phase=False, ap_phase_deg=0.0):
    """Factors (rx, tx, target) on the isotropic amplitudes."""
    a = truth.assignment
    shape = (len(a.receivers), len(a.transmitters), len(truth.targets_m))
    gain = 10 ** (log_normal_db * rng.standard_normal(shape) / 20.0) + 0j
    if random_phase:
        gain = gain * np.exp(2j * np.pi * rng.random(shape))
    error = np.exp(1j * np.deg2rad(ap_phase_deg) * rng.standard_normal(truth.network.n_aps))
    return gain * error[a.receivers][:, None, None] * error[a.transmitters][:, None]


def receive(truth, samples, gains=None):
    """Noise-free samples (rx, N, snapshots) of the echoes."""
    a = truth.assignment
    out = leg_response(truth.network, truth.targets_m, a.transmitters)
    back = leg_response(truth.network, truth.targets_m, a.receivers)
    kappa = echo_amplitude_m2(truth.network.wavelength_m, truth.rcs_m2) * np.exp(1j * truth.phase_rad)
    if gains is None:
        gains = np.ones((len(a.receivers), len(a.transmitters), len(truth.targets_m)))
    field = np.einsum("tsn,tnl->tsl", out, samples)
    return np.einsum("s,rts,rsm,tsl->rml", kappa, gains, back, field, optimize=True)


def observe(rng, truth, *, power_w=1.0, full=False, n_snapshots=10, rho=0.5, noise_w=NOISE_W, missing=None, area=AREA,
            **scatter):  # fmt: skip
    """The observation of a CPI; ``missing`` (n_rx, slots) marks slots that a receiver did not report."""
    a = truth.assignment
    n_tx, n_antennas = len(a.transmitters), truth.network.n_antennas
    samples = waveform(rng, n_tx, n_antennas, power_w, rho, n_snapshots, full)
    gains = pair_gains(rng, truth, **scatter) if scatter else None
    received = receive(truth, samples, gains)
    received = received + np.sqrt(noise_w) * normals(rng, *received.shape)
    return summarise(truth, samples, received, noise_w, missing, n_snapshots, area)


def summarise(truth, samples, received, noise_w, missing=None, n_snapshots=10, area=AREA):
    a = truth.assignment
    n_rx, n_tx = len(a.receivers), len(a.transmitters)
    kept = np.ones((n_rx, n_tx), dtype=bool) if missing is None else ~np.asarray(missing)
    masks = np.repeat(kept, samples.shape[-1] // n_tx, axis=1)
    cross = np.stack([cross_statistic(y[:, m], samples[:, :, m]) for y, m in zip(received, masks, strict=True)])
    if missing is None:
        gram = gram_statistic(samples)
    else:
        gram = np.stack([gram_statistic(samples[:, :, m]) for m in masks])
    return Observation(
        network=truth.network,
        area=area,
        assignment=a,
        cross=cross,
        gram=Gram.of(gram),
        energy=np.array([energy_statistic(y[:, m].copy()) for y, m in zip(received, masks, strict=True)]),
        n_samples=masks.sum(axis=1) * truth.network.n_antennas,
        noise_power_w=noise_w,
    )
