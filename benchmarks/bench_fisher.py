"""Bounds for any illumination, of one target and of several jointly, in batches, against the full Fisher matrix.

The plain way is the Fisher matrix of all unknowns (positions, a phase a target, an amplitude a target, transmitter
and receiver), one point at a time: derivatives of the samples of each receiver, their Gram matrix, one solve of the
whole. It takes a factor of Q for the samples and no pseudo-inverse. Both ways agree on the points timed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.bench_bounds import in_turns_s
from benchmarks.workload import AREA, NOISE_W, cpu_s, exponent, layout, peak_mib, plain_leg, samples
from models.bounds.closed_form import target_bounds_m
from models.bounds.joint import joint_bounds_m
from models.bounds.maps import any_gram_map_m
from models.network import ModeAssignment, Network
from models.radio.statistics import gram_statistic

__all__ = ["plain", "run"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
AGREEMENT = 1e-6


def plain(network: Network, assignment: ModeAssignment, targets_m: Float, root: Complex, noise_power_w: float) -> Float:
    """Return the coherent bound of each target in m from the full Fisher matrix; ``root`` (n_tx, N, rank) is F of Q."""
    n_targets, n_tx = len(targets_m), len(assignment.transmitters)
    n_free = n_tx * n_targets
    fisher = np.zeros((3 * n_targets + n_free * len(assignment.receivers),) * 2)
    legs = [[plain_leg(network, ap, p) for p in targets_m] for ap in range(network.n_aps)]
    for i, r in enumerate(assignment.receivers):
        shared = np.zeros((3 * n_targets, network.n_antennas * root.shape[-1]), dtype=complex)
        free = []
        for s in range(n_targets):
            back = legs[r][s]
            for t, own in zip(assignment.transmitters, root, strict=True):
                sent = legs[t][s] @ own
                echo = np.outer(back[0], sent[0])
                shared[2 * s] += (np.outer(back[1], sent[0]) + np.outer(back[0], sent[1])).ravel()
                shared[2 * s + 1] += (np.outer(back[2], sent[0]) + np.outer(back[0], sent[2])).ravel()
                shared[2 * n_targets + s] += 1j * echo.ravel()
                free.append(echo.ravel())
        slopes = np.concatenate([shared, free])
        columns = np.r_[: 3 * n_targets, 3 * n_targets + i * n_free + np.arange(n_free)]
        fisher[np.ix_(columns, columns)] += 2.0 / noise_power_w * (slopes.conj() @ slopes.T).real
    return _position_bounds_m(fisher, n_targets)


def _position_bounds_m(fisher: Float, n_targets: int) -> Float:
    """Return the root of the trace of each target's block of the inverse, its positions coming first."""
    scale = 1.0 / np.sqrt(np.diag(fisher))
    inverse = np.linalg.solve(fisher * scale * scale[:, None], np.eye(len(fisher))[:, : 2 * n_targets])
    variance = np.diag(inverse) * scale[: 2 * n_targets] ** 2
    return np.sqrt(variance.reshape(n_targets, 2).sum(axis=1))


class Case:
    """A random network whose transmitters all send sensing and communication signals."""

    def __init__(self, n_aps: int = 12, n_antennas: int = 8) -> None:
        rng = np.random.default_rng([47, n_aps, n_antennas])
        self.network, self.assignment = layout(rng, n_aps, n_antennas)
        sent = samples(rng, len(self.assignment.transmitters), n_antennas, 1.0, overlapping=True)
        self.gram = gram_statistic(sent)
        self.root = np.linalg.cholesky(self.gram.reshape(sent.shape[0] * n_antennas, -1)).reshape(*sent.shape[:2], -1)
        self.points = rng.uniform(0.0, AREA.width_m, (8192, 2))

    def map_of(self, n_points: int) -> Callable[[], Float]:
        """Return the map of the bound of one target over some points."""
        points = self.points[:n_points]
        return lambda: any_gram_map_m(self.network, self.assignment, points, 1.0, self.gram, NOISE_W)

    def joint_of(self, n_targets: int, n_sets: int) -> Callable[[], Float]:
        """Return the joint bounds of sets of targets, one set after the other among the points."""
        sets = self.points[: n_targets * n_sets].reshape(n_sets, n_targets, 2)
        return lambda: joint_bounds_m(self.network, self.assignment, sets, 1.0, 0.0, self.gram, NOISE_W)

    def joint(self, n_targets: int) -> Float:
        """Return the joint bound of the first targets, as one CPI needs it."""
        split, targets = (self.network, self.assignment), self.points[:n_targets]
        return target_bounds_m(*split, targets, 1.0, 0.0, self.gram, NOISE_W, "coherent")

    def plain(self, n_targets: int, first: int = 0) -> Float:
        """Return the same by the full Fisher matrix."""
        return plain(self.network, self.assignment, self.points[first : first + n_targets], self.root, NOISE_W)


def one_target(quick: bool) -> dict[str, float]:
    """Time the map of the bound of one target against the plain way at each point."""
    case, n_plain, n_points = Case(), 20 if quick else 100, 2048 if quick else 8192
    expected = np.concatenate([case.plain(1, i) for i in range(n_plain)])
    np.testing.assert_allclose(case.map_of(n_plain)(), expected, rtol=AGREEMENT)
    fast_s, plain_s = in_turns_s(
        case.map_of(n_points), lambda: [case.plain(1, i) for i in range(n_plain)], 3 if quick else 7
    )
    fast_s, plain_s = fast_s / n_points, plain_s / n_plain
    return {
        "fast_s": fast_s * n_points,
        "plain_s": plain_s * n_points,
        "ratio": plain_s / fast_s,
        "us_per_point": 1e6 * fast_s,
        "plain_us_per_point": 1e6 * plain_s,
        "peak_mib": peak_mib(case.map_of(n_points)),
    }


def several_targets(quick: bool) -> dict[str, Any]:
    """Time the joint bounds of many sets of targets, and those of one CPI alone, against the plain way."""
    case, result, (n_sets, n_plain) = Case(), {}, (256, 3) if quick else (1024, 9)
    for n in (2, 4):
        expected = [case.plain(n, i * n) for i in range(n_plain)]
        np.testing.assert_allclose(case.joint_of(n, n_plain)(), expected, rtol=AGREEMENT)
        np.testing.assert_allclose(case.joint(n), expected[0], rtol=AGREEMENT)
        fast_s, plain_s = in_turns_s(
            case.joint_of(n, n_sets), lambda n=n: [case.plain(n, i * n) for i in range(n_plain)], 3 if quick else 9
        )
        fast_s, plain_s = fast_s / n_sets, plain_s / n_plain
        result[f"targets_{n}"] = {
            "fast_s": fast_s * n_sets,
            "plain_s": plain_s * n_sets,
            "ratio": plain_s / fast_s,
            "us_per_set": 1e6 * fast_s,
            "plain_us_per_set": 1e6 * plain_s,
            "one_cpi_us": 1e6 * cpu_s(lambda n=n: case.joint(n), 5 if quick else 25),
            "peak_mib": peak_mib(case.joint_of(n, n_sets)),
        }
    return result


def growth(quick: bool) -> dict[str, float]:
    """Return how the time grows with points, APs, antennas (one target, map) and targets (joint bounds)."""
    aps, antennas = (6, 12, 18), (4, 8)
    points = [1024, 2048, 4096] if quick else [1024, 2048, 4096, 8192]
    targets = [1, 2, 4] if quick else [1, 2, 4, 8]
    case = Case()
    return {
        "exponent_points": exponent(points, [cpu_s(case.map_of(n), 3) for n in points]),
        "exponent_aps": exponent(aps, [cpu_s(Case(n_aps=n).map_of(1024), 3) for n in aps]),
        "exponent_antennas": exponent(antennas, [cpu_s(Case(n_antennas=n).map_of(1024), 3) for n in antennas]),
        "exponent_targets": exponent(targets, [cpu_s(case.joint_of(n, 256), 3) for n in targets]),
    }


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of one target and of several."""
    with threadpool_limits(limits=1):
        return {"name": "fisher", **one_target(quick), **several_targets(quick), **growth(quick)}


if __name__ == "__main__":
    print(run(quick=False))
