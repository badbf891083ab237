"""How well a target at a point explains the echoes: non-coherent and coherent costs, eqs. (10)-(18).

Everything is a function of the sufficient statistics Z and Q. With g and h the legs (carrier phase and steering
vector) from the point to a transmitter t and to a receiver r,

    v_rt = h_r^H Z_rt conj(g_t)        K_r,tt' = N_r g_t'^T Q_r,t't conj(g_t)

and each cost is an explained power over the noise power. Not modelled here: several targets (see ``mixture``).
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.estimation.effort import Effort
from models.network import Area, Network
from models.observation import Observation
from models.radio.geometry import clear_of, rays, sines
from models.radio.gram import Gram

__all__ = [
    "Echoes",
    "Match",
    "clear_of_aps",
    "coherent_free_power",
    "cost_map",
    "degrees_of_freedom",
    "explained_power",
    "grid_phasors",
    "match",
    "noncoherent_map",
    "noncoherent_power",
    "phasors",
]

Complex = NDArray[np.complexfloating]
Float = NDArray[np.float64]
Index = NDArray[np.intp]
BLOCK_PRODUCTS, FEWEST_POINTS = 65536, 128  # products, and points, at a time: these then stay in the cache
CLEARANCE_LAMBDA = 1.0  # points closer than this to an AP are moved off it: directions are undefined at the AP
MAP_COST, OVERLAPPING_MAP_COST = 5.0, 13.0  # operations for a point, a pair of APs and an antenna
DISTORTION = 0.05  # share of the error of quantisation that looks like further targets
NEGLIGIBLE = 1e-9  # share of the strongest power below which a signal counts as absent or dependent


@dataclass(frozen=True, kw_only=True, eq=False)
class Echoes:
    """The statistics of a CPI in units in which the noise has power one and the transmitters radiate about one.

    Attributes
    ----------
    network, transmitters, receivers
        The survey and the indices of the APs.
    cross
        Z, shape (n_rx, N, n_tx, N).
    gram
        Q.
    amplitude_unit_m2
        The unit of structured amplitudes in m^2.
    spurious
        Power that errors proportional to the echoes may explain anywhere: coarse quantisation turns the strength of an
        echo differently at each receiver.
    sensed_s
        When each transmitter sensed, from the middle of the CPI, shape (n_tx,); None: not known.
    phase_root
        R, the phases of the APs being psi = R u with u ~ N(0, I), receivers first, then transmitters, shape
        (n_rx + n_tx, k), in rad; None: they are known. See ``models.estimation.phases``.
    effort
        What was spent on them so far, shared by all echoes that remain of the same CPI.
    """

    network: Network
    transmitters: Index
    receivers: Index
    cross: Complex
    gram: Gram
    amplitude_unit_m2: float
    spurious: float = 0.0
    sensed_s: Float | None = None
    phase_root: Float | None = None
    effort: Effort = field(default_factory=Effort)

    @classmethod
    def of(cls, observation: Observation, noise_levels: Float | None = None, effort: Effort | None = None) -> "Echoes":
        """Return the echoes of an observation; a receiver without samples counts as one that heard nothing.

        A receiver whose noise is higher than thermal by a factor in ``noise_levels``, shape (n_rx,), counts for less:
        statistics of its samples and signals are divided by the root of that factor. Default: those of the observation.
        """
        noise_power_w, gram, cross = observation.noise_power_w, observation.gram, observation.cross
        weight = (observation.n_samples > 0) / (observation.noise_levels if noise_levels is None else noise_levels)
        if np.any(weight != 1.0):
            gram, cross = gram * weight, cross * weight[:, None, None, None]
        distortion = DISTORTION * observation.distortion
        spurious = distortion * float(gram.spanned(cross).sum()) / noise_power_w if distortion else 0.0
        power = gram.traces.sum(axis=1).max(initial=0.0) / max(1, gram.n_tx * gram.n_antennas) or 1.0
        return cls(
            network=observation.network,
            transmitters=observation.assignment.transmitters,
            receivers=observation.assignment.receivers,
            cross=cross / np.sqrt(power * noise_power_w),
            gram=gram * (1.0 / power),
            amplitude_unit_m2=float(np.sqrt(noise_power_w / power)),
            spurious=spurious,
            sensed_s=observation.sensed_s,
            effort=effort or Effort(),
        )

    @property
    def n_pairs(self) -> int:
        """Number of pairs of a transmitter and a receiver."""
        return len(self.transmitters) * len(self.receivers)

    def minus(self, cross: Complex) -> "Echoes":
        """Return the echoes that remain when the statistic ``cross`` of known targets is taken away."""
        return replace(self, cross=self.cross - cross)

    def astype(self, dtype: np.dtype[Any]) -> "Echoes":
        """Return the echoes in another precision."""
        if self.cross.dtype == dtype:
            return self
        return replace(self, cross=self.cross.astype(dtype), gram=self.gram.astype(dtype))


def degrees_of_freedom(echoes: Echoes) -> int:
    """Return how many complex amplitudes the non-coherent cost fits: the pairs of APs with data.

    Where signals overlap, a receiver that heard fewer snapshots than there are transmitters counts only the rank.
    """
    traces = echoes.gram.traces
    counts = np.count_nonzero(traces > NEGLIGIBLE * traces.max(initial=0.0), axis=1)
    if echoes.gram.overlapping:
        counts = np.minimum(counts, echoes.gram.ranks)
    return int(counts.sum()) * (len(echoes.receivers) if echoes.gram.shared else 1)


def clear_of_aps(network: Network, points_m: ArrayLike) -> Float:
    """Return the points, those within a wavelength of an AP moved off it; shape (..., 2)."""
    return clear_of(network.ap_positions_m, CLEARANCE_LAMBDA * network.wavelength_m, points_m)


def phasors(network: Network, points_m: Float, dtype: type[np.complexfloating] = np.complex128) -> Complex:
    """Return z = e^{-j pi u} of every AP and point, shape (n_aps, n_points): conj(a) = (1, z, z^2, ...)."""
    phasor = np.empty((network.n_aps, len(points_m)), dtype=dtype)
    turn = (-np.pi * sines(network, clear_of_aps(network, points_m))).astype(phasor.real.dtype)
    phasor.real, phasor.imag = np.cos(turn), np.sin(turn)  # a third of the time of np.exp
    return phasor


@lru_cache(maxsize=4)
def grid_phasors(network: Network, area: Area, step_m: float) -> tuple[Float, Complex]:
    """Return the points of the grid of the area, shape (n_y n_x, 2), and their phasors in single precision."""
    x, y = area.grid(step_m)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return points, phasors(network, points, np.complex64)


class Match(NamedTuple):
    """Matched filter outputs at points, without the carrier phase of the legs."""

    output: Complex
    """v, shape (n_rx, n_tx, n_points)."""
    gram: Complex
    """K, shape (n_rx or 1, n_tx, n_points) without, (n_rx or 1, n_tx, n_tx, n_points) with overlapping signals.

    One for all receivers that share one Q and have equally many antennas.
    """


def _contract(stack: Complex, inner: Complex, outer: Complex) -> Complex:
    """Return sum_nm outer_a^n stack_anm inner_m, shape (A, points): a matrix product, then Horner's rule."""
    n_stack, n_antennas, _ = stack.shape
    products = (stack.reshape(n_stack * n_antennas, -1) @ inner).reshape(n_stack, n_antennas, -1)
    total = products[:, -1].copy()
    for n in range(n_antennas - 2, -1, -1):
        total *= outer
        total += products[:, n]
    return total


def _powers(phasor: Complex, n: int) -> Complex:
    """Return z^0 ... z^(n-1), shape (n_aps, n, n_points): the conjugate of steering vectors."""
    powers = np.ones((len(phasor), n, phasor.shape[1]), dtype=phasor.dtype)
    for i in range(1, n):
        np.multiply(powers[:, i - 1], phasor, out=powers[:, i])
    return powers


def _separate_gram(echoes: Echoes, powers: Complex, conjugate: Complex) -> Complex:
    """Return K_rtt = N_r g_t^T Q_r,tt conj(g_t) of separate signals, shape (n_rx or 1, n_tx, n_points)."""
    gram = echoes.gram
    diagonal = [_contract(gram.values[:, t], powers[t], conjugate[t]) for t in range(gram.n_tx)]
    return _times_antennas(echoes, np.stack(diagonal, axis=1))


def _times_antennas(echoes: Echoes, kernel: Complex) -> Complex:
    """Return what transmitters make of Q, shape (n_rx or 1, ...), times the antennas of the receivers."""
    network = echoes.network
    if network.array_sizes is None:
        return network.n_antennas * kernel
    own = network.array_sizes[echoes.receivers].astype(kernel.real.dtype)
    return own.reshape(-1, *(1,) * (kernel.ndim - 1)) * kernel


def match(echoes: Echoes, phasor: Complex) -> Match:
    """Return v and K at points given by their phasors, shape (n_aps, n_points), in the precision of these."""
    echoes = echoes.astype(phasor.dtype)
    towards, back, gram = phasor[echoes.transmitters], phasor[echoes.receivers], echoes.gram
    powers, conjugate = _powers(towards, gram.n_antennas), towards.conj()
    output = np.stack([_contract(echoes.cross[:, :, t], powers[t], back) for t in range(gram.n_tx)], axis=1)
    if not gram.overlapping:
        return Match(output, _separate_gram(echoes, powers, conjugate))
    rows = [np.stack([_contract(q[:, :, t], powers[t], conjugate) for t in range(gram.n_tx)]) for q in gram.values]
    return Match(output, _times_antennas(echoes, np.stack(rows)))


def explained_power(matched: Match) -> Float:
    """Return sum_r v_r^H K_r^{-1} v_r, shape (n_points,): the power that free complex amplitudes explain; (17)-(18).

    Without cross terms K is diagonal and this is sum_rt |v_rt|^2 / D_rt. Otherwise the signals are taken one after
    the other, each made orthogonal to those before it; one without power, or dependent on the others, adds nothing.
    """
    if matched.gram.ndim == 3:
        square = _square(matched.output)
        return np.einsum("rtg,rtg->g", square, np.broadcast_to(_inverse(matched.gram), square.shape))
    return _eliminate(matched.gram.copy(), matched.output[None])[0, 0]


def _square(output: Complex) -> Float:
    return output.real**2 + output.imag**2


def _inverse(gram: Complex) -> Float:
    """Return 1 / D, zero where nothing was sent."""
    power = gram.real
    return np.divide(1.0, power, out=np.zeros_like(power), where=power > NEGLIGIBLE * power.max(initial=0.0))


def _separate_power(echoes: Echoes, phasor: Complex) -> Float:
    """Return sum_rt |v_rt|^2 / D_rt of separate signals, one transmitter at a time so that all stays in the cache."""
    towards, back, gram = phasor[echoes.transmitters], phasor[echoes.receivers], echoes.gram
    powers = _powers(towards, gram.n_antennas)
    gain = _inverse(_separate_gram(echoes, powers, towards.conj()))
    total = np.zeros(phasor.shape[1], dtype=gain.dtype)
    for t in range(gram.n_tx):
        square = _square(_contract(echoes.cross[:, :, t], powers[t], back))
        shared = len(gain) == 1
        total += gain[0, t] * square.sum(axis=0) if shared else np.einsum("rg,rg->g", gain[:, t], square)
    return total


def _eliminate(kernel: NDArray, right: NDArray) -> NDArray:
    """Return sum_r b_r^H K_r^{-1} c_r for all right sides b, c of shape (n, n_rx, n_tx, points): (n, n, points)."""
    right = np.array(right)
    total = np.zeros((len(right), len(right), right.shape[-1]), dtype=right.real.dtype)
    n_tx = kernel.shape[1]
    floor = 1e-6 * np.einsum("rttg->rtg", kernel).real if kernel.dtype.itemsize <= 8 else None
    scale = np.einsum("rttg->rtg", kernel).real.max(initial=0.0)
    for j in range(n_tx):
        pivot = kernel[:, j, j].real
        usable = pivot > (NEGLIGIBLE * scale if floor is None else np.maximum(floor[:, j], NEGLIGIBLE * scale))
        inverse = np.divide(1.0, pivot, out=np.zeros_like(pivot), where=usable)
        scaled = inverse * right[:, :, j]
        total += np.einsum("arg,brg->abg", right[:, :, j].conj(), scaled).real
        for i in range(j + 1, n_tx):
            right[:, :, i] -= kernel[:, i, j] * scaled
            kernel[:, i, j + 1 :] -= kernel[:, i, j, None] * inverse[:, None] * kernel[:, j, j + 1 :]
    return total


def noncoherent_power(echoes: Echoes, phasor: Complex) -> Float:
    """Return the non-coherent explained power over sigma^2 at points given by their phasors, shape (n_points,)."""
    cost = OVERLAPPING_MAP_COST if echoes.gram.overlapping else MAP_COST
    echoes.effort.spend(cost * phasor.shape[1] * echoes.n_pairs * echoes.network.n_antennas)
    echoes = echoes.astype(phasor.dtype)
    step = max(FEWEST_POINTS, BLOCK_PRODUCTS // max(1, len(echoes.receivers) * echoes.network.n_antennas))
    parts = [phasor[:, i : i + step] for i in range(0, phasor.shape[1], step)]
    if echoes.gram.overlapping:
        blocks = [explained_power(match(echoes, part)) for part in parts]
    else:
        blocks = [_separate_power(echoes, part) for part in parts]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def noncoherent_map(observation: Observation, points_m: ArrayLike) -> Float:
    """Return the non-coherent explained power over sigma^2 at each point, the bracket of (17)-(18).

        T(p) = (1/sigma^2) sum_r v_r^H K_r^{-1} v_r

    Exact also where the signals of the transmitters overlap. Under noise alone T is Gamma distributed with the
    number of AP pairs as its shape.

    Parameters
    ----------
    observation
        The statistics of a CPI.
    points_m
        Shape (n_points, 2), in m.

    Returns
    -------
    ndarray
        Shape (n_points,), no unit.
    """
    points = np.asarray(points_m, dtype=float).reshape(-1, 2)
    return noncoherent_power(Echoes.of(observation), phasors(observation.network, points))


def cost_map(observation: Observation, step_m: float) -> tuple[Float, Float, Float]:
    """Return x_m, y_m and the non-coherent explained power over sigma^2 [y, x] on the grid of the area; figure 2."""
    x, y = observation.area.grid(step_m)
    _, phasor = grid_phasors(observation.network, observation.area, step_m)
    return x, y, noncoherent_power(Echoes.of(observation), phasor).reshape(len(y), len(x)).astype(float)


def coherent_free_power(echoes: Echoes, points_m: ArrayLike) -> tuple[Float, Float]:
    """Return the power over sigma^2 that one target with real free amplitudes explains, and its phase; (10)-(16).

    The best real amplitudes of a given phase phi explain a quadratic form in (cos phi, sin phi), so the best phase is
    an eigenvector of a 2 x 2 matrix. Without cross terms this is

        (1/2) sum_rt |v_rt|^2 / D_rt + (1/2) |sum_rt (v_rt e^{jk(d_t + d_r)})^2 / D_rt|

    Parameters
    ----------
    echoes
        Scaled statistics.
    points_m
        Shape (n_points, 2), in m.

    Returns
    -------
    power, phase_rad
        Shape (n_points,) each; the phase in (-pi/2, pi/2], as amplitudes may be negative.
    """
    points = clear_of_aps(echoes.network, np.asarray(points_m, dtype=float).reshape(-1, 2))
    ray = rays(echoes.network, points)
    carrier = np.exp(1j * echoes.network.wavenumber_rad_m * ray.distance_m)
    output, gram = match(echoes, np.exp(-1j * np.pi * ray.sine))
    towards = carrier[echoes.transmitters]
    output = output * carrier[echoes.receivers][:, None] * towards
    if gram.ndim == 3:
        parts = np.stack([output.real, output.imag])
        return _largest_quadratic(np.einsum("artg,brtg->abg", parts * _inverse(gram), parts))
    gram = gram * towards[:, None] * towards.conj()
    return _largest_quadratic(_eliminate(gram.real.copy(), np.stack([output.real, output.imag])))


def _largest_quadratic(form: Float) -> tuple[Float, Float]:
    """Return the maximum over phi of (cos phi, sin phi) form (cos phi, sin phi)^T and where it is."""
    half_sum, half_difference, mixed = (form[0, 0] + form[1, 1]) / 2, (form[0, 0] - form[1, 1]) / 2, form[0, 1]
    return half_sum + np.hypot(half_difference, mixed), np.arctan2(mixed, half_difference) / 2
