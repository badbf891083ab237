"""Signal-to-interference-and-noise ratio and spectral efficiency of the downlink, eqs (6)-(7), perfect channel state.

Also a closed form of (7) in large-scale quantities alone, for decisions taken before the channels are known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.radio.arrays import steering

__all__ = ["LargeScaleEfficiency", "sinr", "spectral_efficiency"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


def sinr(
    channel: Complex,
    precoding: Complex,
    sensing_power_w: Float,
    noise_power_w: float,
    phase_rad: Float | None = None,
    antennas: NDArray[np.intp] | None = None,
) -> Float:
    """Return the SINR of every UE in every slot, eq. (7).

        SINR_k(l) = |G_kk|^2 / ( sum_{i != k} |G_ki|^2 + sum_t s_t(l) ||h_tk||^2 / N_t + sigma^2 ),
        G_ki = sum_t h_tk^T v_ti

    The gains G add up coherently over transmitters. Of the sensing powers s_t(l) the paper has one that is not 0.

    Parameters
    ----------
    channel
        h, shape (n_tx, n_ues, N).
    precoding
        v with its power, shape (n_tx, N, n_ues), or (n_slots, n_tx, N, n_ues) if it changes from slot to slot.
    sensing_power_w
        s: (1 - rho) P for the AP that senses in the slot, else 0; shape (n_slots, n_tx), in W.
    noise_power_w
        sigma^2 of a sample, more than 0.
    phase_rad
        psi_t(l) by which what a transmitter radiates is turned in a slot, shape (n_slots, n_tx), in rad; None for 0.
        The gains are then sum_t e^{j psi_t(l)} h_tk^T v_ti, with precoders that are the same in all slots.
    antennas
        N_t, where APs lack some of the N elements, shape (n_tx,); None: all have N.

    Returns
    -------
    ndarray
        Shape (n_slots, n_ues).
    """
    n_tx, n_ues, n_antennas = channel.shape
    if phase_rad is not None:
        parts = (channel @ precoding).reshape(n_tx, n_ues * n_ues)
        gain = (np.exp(1j * phase_rad) @ parts).reshape(len(phase_rad), n_ues, n_ues)
    else:
        stacked = precoding.reshape(*precoding.shape[:-3], n_tx * n_antennas, n_ues)
        gain = channel.swapaxes(0, 1).reshape(n_ues, n_tx * n_antennas) @ stacked
    received = gain.real**2 + gain.imag**2
    wanted = np.diagonal(received, axis1=-2, axis2=-1)
    interference = (received * ~np.eye(n_ues, dtype=bool)).sum(axis=-1)
    strength = (channel.real**2 + channel.imag**2).sum(axis=-1)
    if antennas is not None:
        strength = strength * (n_antennas / antennas)[:, None]
    return wanted / (interference + sensing_power_w @ strength / n_antennas + noise_power_w)


def spectral_efficiency(channel: Complex, precoding: Complex, sensing_power_w: Float, noise_power_w: float) -> Float:
    """Return the spectral efficiency of every UE in bit/s/Hz, log2(1 + SINR) averaged over slots, shape (n_ues,).

    Parameters as in `sinr`.
    """
    return np.log2(1.0 + sinr(channel, precoding, sensing_power_w, noise_power_w)).mean(axis=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class LargeScaleEfficiency:
    """A closed form of (7) for sets of transmitters, from path gains and directions alone; not in the paper.

    For maximum-ratio precoding, Rician channels with independent line-of-sight phases at the APs and powers in
    proportion to the path gains, p_tk = P beta_tk / sum_i beta_ti, with l = K/(K+1) and F_tki = |a_tk^H a_ti|^2 / N.
    In the slot in which AP s senses

        SINR_k(s) = rho N (sum_t sqrt(p_tk beta_tk))^2
                    / ( rho sum_{i != k} sum_t p_ti beta_tk (l^2 F_tki + 1 - l^2) + (1 - rho) P beta_sk + sigma^2 )

    and the sum spectral efficiency is sum_k mean_s log2(1 + SINR_k(s)), over the slots as in (7). The mean must stay
    outside the logarithm: a UE close to one of the APs has a poor slot in n_tx, not a poor mean in all of them.

    Fading and the phases between APs are replaced by means, so it is mostly a little below the mean of (7); it serves
    to rank sets. All but the sensing are sums over the set. A set costs O(n_tx n_ues) logarithms and as much memory;
    growing half of the APs, or trying every swap of them once, O(n_aps^3 n_ues): milliseconds for a dozen APs, a
    second or so for 200.

    Attributes
    ----------
    amplitude
        sqrt(rho N p_tk beta_tk), shape (n_aps, n_ues), in sqrt(W).
    interference
        rho sum_{i != k} p_ti beta_tk (l^2 F_tki + 1 - l^2), shape (n_aps, n_ues), in W.
    sensing
        (1 - rho) P beta_tk, shape (n_aps, n_ues), in W.
    noise_power_w
        sigma^2 of a sample.
    """

    amplitude: Float
    interference: Float
    sensing: Float
    noise_power_w: float

    @classmethod
    def of(
        cls,
        *,
        path_gain: Float,
        sine: Float,
        n_antennas: int | NDArray[np.intp],
        rician_k: float,
        transmit_power_w: float | Float,
        comm_power_fraction: float,
        noise_power_w: float,
    ) -> "LargeScaleEfficiency":
        """Return the closed form for all APs.

        Parameters
        ----------
        path_gain, sine
            beta and u = sin(theta) of each AP-UE link, shape (n_aps, n_ues).
        n_antennas
            N, of all or of each AP, shape (n_aps,).
        rician_k
            K, a power ratio.
        transmit_power_w, comm_power_fraction, noise_power_w
            P in W, of all or of each AP, shape (n_aps,); rho in [0, 1]; and sigma^2 in W.
        """
        budget = np.broadcast_to(transmit_power_w, len(path_gain))[:, None]
        power = budget * path_gain / path_gain.sum(axis=1, keepdims=True)
        antennas = np.broadcast_to(n_antennas, len(path_gain))[:, None]
        response = steering(sine, antennas.max(initial=0)) * (np.arange(antennas.max(initial=0)) < antennas[..., None])
        alike = np.abs(response.conj() @ response.swapaxes(1, 2)) ** 2 / antennas[..., None]
        specular = (1.0 - 1.0 / (1.0 + rician_k)) ** 2
        coupling = (specular * alike + 1.0 - specular) * ~np.eye(path_gain.shape[1], dtype=bool)
        return cls(
            amplitude=np.sqrt(comm_power_fraction * antennas * power * path_gain),
            interference=comm_power_fraction * path_gain * (coupling @ power[..., None])[..., 0],
            sensing=(1.0 - comm_power_fraction) * budget * path_gain,
            noise_power_w=noise_power_w,
        )

    def sum_spectral_efficiency(self, members: NDArray[np.bool_]) -> Float:
        """Return sum_k mean_s log2(1 + SINR_k(s)) in bit/s/Hz, 0 for nobody.

        Parameters
        ----------
        members
            The APs that transmit, shape (..., n_aps).

        Returns
        -------
        ndarray
            Shape (...).
        """
        sets = members.reshape(-1, members.shape[-1])
        weight = sets.astype(float)
        wanted = (weight @ self.amplitude) ** 2
        disturbance = weight @ self.interference + self.noise_power_w
        of_set, sensing_ap = np.nonzero(sets)  # a slot a row
        sinr = wanted[of_set] / (disturbance[of_set] + self.sensing[sensing_ap])
        rate = np.bincount(of_set, np.log2(1.0 + sinr).sum(axis=-1), minlength=len(sets))
        return (rate / np.maximum(sets.sum(axis=-1), 1)).reshape(members.shape[:-1])
