"""The paper's communication-centric scheme: transmitters picked one by one on a large-scale spectral efficiency."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.network import ModeAssignment
from models.selection.base import ModeSelector
from models.selection.search import assign_transmitters, candidates, grow
from models.view import View

__all__ = ["CommunicationCentric", "gain_ratio_spectral_efficiency"]

Float = NDArray[np.float64]


def gain_ratio_spectral_efficiency(members: NDArray[np.bool_], gain: Float, noise: float) -> Float:
    """Return the selection metric (19) of sets of transmitters, shape (n_sets,), in bit/s/Hz.

        SE~(T) = sum_k log2( 1 + B_k^2 / (sum_{i != k} B_i^2 + sigma~^2) ),   B_k = sum_{t in T} beta_tk

    Parameters
    ----------
    members
        Which APs are in T, shape (n_sets, n_aps).
    gain
        beta, shape (n_aps, n_ues).
    noise
        sigma~^2, more than 0, in the square of the unit of beta.
    """
    power = (members.astype(float) @ gain) ** 2
    others = power @ ~np.eye(gain.shape[1], dtype=bool)
    return np.log2(1.0 + power / (others + noise)).sum(axis=-1)


@dataclass(frozen=True, kw_only=True)
class CommunicationCentric(ModeSelector):
    """Transmitters picked greedily on (19), as (20) says; all other APs that take part receive.

        (20)   t* = argmax_{t not in T} SE~(T + {t}),   T <- T + {t*},   until M_t APs transmit

    with SE~ of (19), see `gain_ratio_spectral_efficiency`. What is not spelled out is read as follows. The metric
    treats B_k^2, the squared sum of the gains that the chosen APs have towards UE k, as the wanted power of that UE,
    and the other UEs' B_i^2 as the interference. beta_tk is the power gain 10^(-PL/10), so B_k^2 is a squared power
    gain and the noise that goes with it is sigma~^2 = (sigma^2 / P)^2. With the figures of the paper it is negligible
    beside the interference. Greedy growth starts from no transmitter; ties go to the lower index.

    The metric knows neither N, the precoder, the directions nor the sensing waveform, and ranks sets otherwise than
    (7) does: see `models.selection.greedy` for selectors on (7) and on a closed form of it.

    Attributes
    ----------
    amplitude
        The other reading: beta is an amplitude, 10^(-PL/20), and sigma~^2 = sigma^2 / P.
    """

    amplitude: bool = False

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        """Return the assignment; ``rng`` is not used. All APs that take part and do not transmit receive."""
        pool = candidates(view)
        noise = view.radio.noise_power_w / view.radio.transmit_power_w
        gain = view.network.relative_power[:, None] * view.path_gain
        gain = np.sqrt(gain) if self.amplitude else gain
        noise = noise if self.amplitude else noise**2

        def metric(members: NDArray[np.bool_]) -> Float:
            return gain_ratio_spectral_efficiency(members, gain, noise)

        chosen = grow(metric, view.network.n_aps, pool, len(pool) - view.n_receivers)
        return assign_transmitters(view, pool, np.flatnonzero(chosen))
