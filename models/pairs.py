"""Two targets at once, where one after the other fails: neighbours whose echoes no array separates.

The best single lobe of a mixture of two targets is usually neither of them. So the best lattice points of the mixture
are taken as candidates, the power that each pair of them explains is written down in closed form,

    v^H B^{-1} v = (|v_i|^2 B_jj + |v_j|^2 B_ii - 2 Re conj(v_i) B_ij v_j) / (B_ii B_jj - |B_ij|^2)

and the best pairs are refined together.
"""

import numpy as np
from numpy.typing import NDArray

from models.lattice import LobeSearch, ellipse_axes
from models.likelihood import Echoes, noncoherent_power, phasors
from models.localisation import Fine, Region
from models.mixture import climb, fit, position_covariance_m2
from models.scene import Found, Scene
from models.signals import leg_jets

__all__ = ["best_pair", "pair_power", "pair_regions"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
N_CANDIDATES = 500
N_STARTS = 24
ROUNDS = 5  # of refinement: all pairs, then each target of the best pair anew given the other
MAX_COHERENCE = 0.98  # candidates more alike than this are one lobe
PATCH_HALF_M, PATCH_STEP_M = 60.0, 4.0  # where the second of two targets is looked for
RADII_M, N_DIRECTIONS = (1.5, 5.0, 12.0), 6  # of starts for two points around one
SMALLEST_M, LARGEST_M, WIDENED = 2.5, 25.0, 1.5  # of the ellipse in which both are looked for


def pair_regions(
    echoes: Echoes, start_m: Float, least_gain: float, neighbour_m: Float | None = None
) -> list[Region]:
    """Return the error ellipses of two targets near a point, or one for both where no array separates them.

    Two points are fitted non-coherently, from starts on circles around the point and from the maximum of what one
    point leaves, or from a known neighbour; they count as two if they explain ``least_gain`` more than one.
    """
    one = Scene(echoes).refined([Found("noncoherent", start_m)])
    known = [] if neighbour_m is None else [np.stack([start_m, neighbour_m])]
    starts = np.stack([*_opposite(one.targets[0].position_m), _with_residual_peak(one), *known])
    state, found = climb(lambda q: fit(echoes, "noncoherent", q), starts, 2.0, 12, 0.1)
    best = int(np.argmax(found.power))
    if found.power[best] < one.power + least_gain:
        assert one.covariance_m2 is not None
        return [_region(one.targets[0].position_m, WIDENED**2 * one.covariance_m2[0], SMALLEST_M)]
    covariance = position_covariance_m2(found.information[best], 2)
    return [_region(state[best, s], covariance[s], 0.3) for s in (0, 1)]


def _opposite(centre_m: Float) -> Float:
    """Return pairs of points on opposite sides of a centre, (n, 2, 2)."""
    angle = np.arange(N_DIRECTIONS) * np.pi / N_DIRECTIONS
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    offset = (np.array(RADII_M)[:, None, None] * direction).reshape(-1, 2)
    return centre_m + np.stack([offset, -offset], axis=1)


def _with_residual_peak(one: Scene) -> Float:
    """Return the point of a scene and the maximum near it of what it leaves, (2, 2)."""
    centre = one.targets[0].position_m
    ticks = np.arange(-PATCH_HALF_M, PATCH_HALF_M + 0.5 * PATCH_STEP_M, PATCH_STEP_M)
    patch = centre + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    power = noncoherent_power(one.residual(), phasors(one.echoes.network, patch))
    return np.stack([centre, patch[power.argmax()]])


def _region(centre_m: Float, covariance_m2: Float, smallest_m: float) -> Region:
    half, axes = ellipse_axes(covariance_m2, 4.0, smallest_m, LARGEST_M)
    return Region(centre_m, half, axes)


def pair_power(echoes: Echoes, points_m: Float) -> tuple[Float, Float]:
    """Return the power over sigma^2 that each pair of points explains together, (n, n), and its coherence, (n, n).

    Structured amplitudes; pairs that are too much alike get zero.
    """
    n_rx, n_tx, n_antennas = len(echoes.receivers), len(echoes.transmitters), echoes.network.n_antennas
    size = n_tx * n_antennas
    back = leg_jets(echoes.network, points_m, echoes.receivers, True)[0]
    towards = leg_jets(echoes.network, points_m, echoes.transmitters, True)[0]
    towards = towards.swapaxes(0, 1).reshape(len(points_m), size)
    v = np.zeros(len(points_m), dtype=complex)
    b = np.zeros((len(points_m), len(points_m)), dtype=complex)
    radiated = [towards.conj() @ q.reshape(size, size).T @ towards.T for q in echoes.gram]
    for r in range(n_rx):
        b += (back[r].conj() @ back[r].T) * radiated[r if len(radiated) > 1 else 0]
        v += np.sum((back[r].conj() @ echoes.cross[r].reshape(n_antennas, size)) * towards.conj(), axis=1)
    own = np.einsum("ii->i", b).real
    coherence = np.abs(b) ** 2 / np.maximum(np.outer(own, own), 1e-300)
    mixed = 2.0 * (v.conj()[:, None] * b * v).real
    numerator = np.abs(v[:, None]) ** 2 * own + np.abs(v) ** 2 * own[:, None] - mixed
    determinant = np.outer(own, own) * (1.0 - coherence)
    apart = coherence < MAX_COHERENCE**2
    return np.divide(numerator, determinant, out=np.zeros_like(own * own[:, None]), where=apart), coherence


def best_pair(echoes: Echoes, regions: list[Region]) -> Fine:
    """Return the best two targets, state (2, 2) and the power of both; the regions hold one target each, or both."""
    search = LobeSearch(n_best=N_CANDIDATES // len(regions))
    candidates = [search.search(echoes, *region).positions_m for region in regions]
    points = np.concatenate(candidates)
    power, _ = pair_power(echoes, points)
    if len(regions) > 1:
        first = len(candidates[0])
        power[:first, :first] = power[first:, first:] = 0.0
    pairs = _strongest(power)
    state, best = _refined(echoes, points[pairs])
    for _ in range(ROUNDS):
        again, rival = _refined(echoes, _with_one_moved(echoes, state, regions))
        if rival <= best + 1e-6:
            break
        state, best = again, rival
    return Fine(state, np.array([best, best]))


def _strongest(power: Float) -> NDArray[np.intp]:
    """Return the index pairs of the strongest entries above the diagonal, (n, 2)."""
    upper = np.triu(power, 1).ravel()
    n_best = min(N_STARTS, len(upper))
    return np.stack(np.unravel_index(np.argpartition(-upper, n_best - 1)[:n_best], power.shape), axis=-1)


def _refined(echoes: Echoes, starts_m: Float) -> tuple[Float, float]:
    """Return the best of the local maxima reached from pairs of points (n, 2, 2), and its power."""
    reach = echoes.network.wavelength_m / 8.0
    state, found = climb(lambda q: fit(echoes, "structured", q), starts_m, reach, 15, 1e-2)
    best = int(np.argmax(found.power))
    return state[best], float(found.power[best])


def _with_one_moved(echoes: Echoes, state: Float, regions: list[Region]) -> Float:
    """Return pairs in which one target stays and the other is one of the best lobes that the first leaves."""
    starts = []
    for s in (0, 1):
        rest = Scene(echoes).refined([Found("structured", state[1 - s])], 0).residual()
        for region in regions:
            points = LobeSearch(n_best=N_STARTS // 2).search(rest, *region).positions_m
            starts += [np.stack([state[1 - s], point]) for point in points]
    return np.array(starts)
