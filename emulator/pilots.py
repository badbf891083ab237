"""Pilots: in a slot of its own an access point sends what all know, and others measure how it arrives.

The samples of a pilot follow from its slot and its sender, so that they need not be told. What a receiver reports is
one complex number, the inner product of what it expects along the direct path and what it hears.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emulator.randomness import complex_normals
from emulator.services import Services
from emulator.slot import Slot
from models.network import Network
from models.radio.arrays import steering
from models.radio.transmission import isotropic_sensing_samples
from models.readonly import sealed

__all__ = ["direct_field", "direct_inner", "heard_pilot", "pilot_samples"]

Complex = NDArray[np.complex128]
Index = int | np.intp | NDArray[np.intp]


def pilot_samples(services: Services, slot: Slot, power_w: float) -> Complex:
    """Return the pilot of a slot, isotropic and of mean power ``power_w``, shape (antennas of the AP, n_snapshots)."""
    network, name = services.network, slot.sensing_transmitter
    n_antennas = int(network.antennas[network.ap_names.index(name)])
    normals = complex_normals(services.generator(name, "pilot", slot.index), n_antennas, slot.n_snapshots)
    return sealed(isotropic_sensing_samples(normals, power_w, 0.0))


def heard_pilot(network: Network, receiver: str, sender: str, pilot: Complex, heard: Complex) -> complex:
    """Return <expected, heard> / ||expected||; its noise has the power of that of a sample.

    Expected is a_l a_j^T x, the pilot x of sender j as receiver l would hear it but for gain, path and phases: where
    the direct path is all that is heard the phase is tau_j + rho_l - k D_lj.
    """
    at, to = network.indices((receiver, sender))
    arriving = _response_of_pair(network, to, at)[: len(pilot)] @ pilot
    expected = np.outer(_response_of_pair(network, at, to)[: len(heard)], arriving)
    strength = float(np.linalg.norm(expected))
    return complex(np.vdot(expected, heard) / strength) if strength else 0j


def direct_field(network: Network, sender: int, samples: Complex, receivers: tuple[int, ...]) -> Complex:
    """Return what receivers hear of a sender along the direct paths, shape (n_rx, N, n_snapshots); 0 of itself.

        H_lj = lambda / (4 pi D_lj) e^{-jk D_lj} a(u_lj) a(u_jl)^T

    It is the gain of free space between isotropic antennas; APs nearer than a wavelength count as a wavelength apart.
    """
    others = np.array(receivers)
    gain = _direct_gain(network, sender, others)
    arriving = (gain * (others != sender))[:, None] * (_response(network, sender, others) @ samples)
    return np.asarray(_response(network, others, sender)[..., None] * arriving[:, None, :])


def direct_inner(network: Network, sender: int, energy_w: float, receivers: tuple[int, ...]) -> Complex:
    """Return what `heard_pilot` gives without noise where the direct path is all that is heard, shape (n_rx,).

        H_lj sqrt(N_l energy), N_l antennas of the receiver

    ``energy_w`` is the sum of the squares of an isotropic pilot's samples; phases of oscillators and chains are 0.
    """
    heard = np.array(receivers)
    return _direct_gain(network, sender, heard) * np.sqrt(network.antennas[heard] * energy_w)


def _direct_gain(network: Network, sender: int, receivers: NDArray[np.intp]) -> Complex:
    distance_m = np.linalg.norm(network.ap_positions_m[receivers] - network.ap_positions_m[sender], axis=1)
    distance_m = np.maximum(distance_m, network.wavelength_m)
    phase = np.exp(-1j * network.wavenumber_rad_m * distance_m)
    return np.asarray(network.wavelength_m / (4.0 * np.pi * distance_m) * phase)


@lru_cache(maxsize=4096)
def _response_of_pair(network: Network, ap: int, towards: int) -> Complex:
    """Return the response of one AP towards another; remembered, as they stand still."""
    return sealed(_response(network, ap, towards))


def _response(network: Network, aps: Index, towards: Index) -> Complex:
    """Return a(u), the response of APs towards others, or of one towards many, shape (..., N); 1 towards itself."""
    offset = network.ap_positions_m[towards] - network.ap_positions_m[aps]
    distance = np.linalg.norm(offset, axis=-1)
    along = np.sum(offset * network.array_axes[aps], axis=-1)
    sine = np.divide(along, distance, out=np.zeros_like(along), where=distance > 0.0)
    return network.cut(steering(sine, network.n_antennas), aps)
