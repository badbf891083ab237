"""How soon the test of each receiver against the others finds one that is compromised, whom it blames, and the error.

    python -m benchmarks.study_exclusion --trials 40 --located 8 --workers 2

Each trial takes one of the six receivers in turn, in the layout of tests/reference/golden.json with a target at
(310, 420) m, or in one of 12 APs drawn at random among those in which the network, honest and whole or without the AP,
resolves the target: where nothing is resolved, nobody contradicts. Waveforms (10 snapshots a slot) and noise are new in
each of the CPIs, whose evidence is counted together. "Law" tests around the true position in 20 CPIs. "Located" is the
whole way with the two-stage estimator and `models.consistency.ConsistencyTest.judge` in 10; its error over that of the
network without the AP is the ratio of medians over all CPIs, those before the AP is found included, and "unfound_ratio"
the same of trials in which it is not found. "within_k": the AP is left out in one of the first k CPIs. "honest": share
of CPIs in which an honest receiver is newly left out; 1 % by design where all are honest.

Of turned phases, the score of 10 CPIs has the non-centrality lambda (its power without noise). "law_10" is how often
this test finds the AP, P(chi-square(6, lambda) > limit), and "ceiling_10" how often one would that knew by what each
receiver is turned, if it is, P(N(sqrt(lambda), 1) > limit'): no test of as few false alarms finds more, if targets have
a new position in each CPI. "hidden_10": share of trials in which that is less than 95 %.

turned   the phases of a receiver are turned by +-0.5 rad, at random for each transmitter, alike in all CPIs
rubbish  noise of the power of its echoes takes their place
ghost    the echo of a target that only it sees is added, as strong as one of 1 m^2 would be
replay   it reports the samples of the CPI before
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.studies import bootstrap, command_line, outcomes, report, share
from benchmarks.study_phase_errors import golden
from models.consistency import ConsistencyTest, without
from models.contradictions import KINDS, contradictions
from models.estimation.two_stage import TwoStage
from models.observation import Estimate, Observation
from tests.simulate import NOISE_W, Truth, normals, random_truth, receive, summarise, waveform

ATTACKS = ("none", "turned", "rubbish", "ghost", "replay")
LAW_ATTACKS = ATTACKS[:3]
LAW_SCENES = (("golden", 20), ("random", 20), ("random", 30), ("random", 40))
"""Layout, and power in dBm."""
LOCATED_SCENES = LAW_SCENES[:3]
POINT_M = (310.0, 420.0)
PROBABILITY = 1e-2
LOOKS = (1, 5, 10, 20)
"""CPIs within which a culprit is found."""
LOCATED_CPIS = 10
TURN_RAD = 0.5
SLOT_S = 1e-4
N_RECEIVERS = 6
LAYOUTS = 1000
"""Drawn at most until one resolves its target."""
locate = TwoStage(grid_step_m=10.0).estimate


class Outcome(NamedTuple):
    """What became of a trial."""

    found: int
    """CPI, from 1, in which the culprit was left out first; 0: in none."""
    blamed: list[bool]
    """Of each CPI: whether an honest one was left out that was not before."""
    errors_m: list[tuple[float, float]]
    """With the test, and without the AP; infinite where nothing is found."""
    drawn: int
    """Layouts drawn."""
    noncentrality: float
    """Of the turns, over the first ten CPIs."""


def radiated(rng: np.random.Generator, truth: Truth, power_dbm: float) -> Any:
    """Return the samples sent in a CPI."""
    return waveform(rng, len(truth.assignment.transmitters), truth.network.n_antennas, 10 ** (power_dbm / 10 - 3))


def heard(rng: np.random.Generator, truth: Truth, power_dbm: float) -> tuple[Any, Any]:
    """Return samples sent and received in a CPI."""
    sent = radiated(rng, truth, power_dbm)
    echo = receive(truth, sent)
    return sent, echo + np.sqrt(NOISE_W) * normals(rng, *echo.shape)


def fused(truth: Truth, sent: Any, received: Any, culprit: int, turn_rad: Any = 0.0) -> Observation:
    """Return what is fused of a CPI, the phases of a receiver turned against each transmitter."""
    observation = summarise(truth, sent, received, NOISE_W)
    observation.cross[culprit] *= np.exp(1j * np.broadcast_to(turn_rad, observation.cross.shape[2]))[:, None]
    n_tx = len(truth.assignment.transmitters)
    return replace(observation, sensed_s=SLOT_S * (np.arange(n_tx) - (n_tx - 1) / 2))


def signs_of(rng: np.random.Generator, truth: Truth) -> Any:
    """Return which way a receiver is turned against each transmitter."""
    return rng.choice([-1, 1], len(truth.assignment.transmitters))


def noncentrality(rng: np.random.Generator, truth: Truth, power_dbm: float, culprit: int, turn_rad: Any) -> float:
    """Return the power of the turns of a receiver over ten CPIs without noise."""
    found, told = Estimate.at(truth.targets_m), []
    for _ in range(LOCATED_CPIS):
        sent = radiated(rng, truth, power_dbm)
        told.append(contradictions(fused(truth, sent, receive(truth, sent), culprit, turn_rad), found))
    statistic, _ = sum(told[1:], told[0]).chi_squares
    return float(statistic[culprit, KINDS.index("turn")])


def tampered(
    rng: np.random.Generator, truth: Truth, attack: str, power_dbm: float, culprit: int, turn_rad: Any = 0.0
) -> Iterator[Observation]:
    """Return what is fused in CPI after CPI when a receiver is compromised."""
    ghost = replace(truth, targets_m=rng.uniform(0.0, 1000.0, (1, 2)))
    before = heard(rng, truth, power_dbm)[1]
    while True:
        sent, received = heard(rng, truth, power_dbm)
        now = received.copy()
        if attack == "rubbish":
            received[culprit] = np.sqrt(np.mean(np.abs(now[culprit]) ** 2)) * normals(rng, *now[culprit].shape)
        elif attack == "ghost":
            received[culprit] += receive(ghost, sent)[culprit]
        elif attack == "replay":
            received[culprit] = before[culprit]
        before = now
        yield fused(truth, sent, received, culprit, turn_rad)


def golden_layout(rng: np.random.Generator) -> Truth:
    """Return the layout of the reference values."""
    network, assignment, _ = golden()
    return Truth(network=network, assignment=assignment, targets_m=np.array([POINT_M]), rcs_m2=np.ones(1),
                 phase_rad=rng.uniform(-np.pi, np.pi, 1))  # fmt: skip


def resolved_layout(rng: np.random.Generator, power_dbm: float, culprit: int) -> tuple[Truth, int]:
    """Return a random layout in which the target is resolved, with and without the AP, and how many were drawn."""
    for drawn in range(1, LAYOUTS):
        truth = random_truth(rng, n_targets=1)
        honest = next(tampered(rng, truth, "none", power_dbm, culprit))
        if all(locate(without(honest, absent)).resolved.any() for absent in ({culprit}, set[int]())):
            return truth, drawn
    raise ValueError(f"none of {LAYOUTS} layouts resolves its target at {power_dbm} dBm: give more power")


def error_m(found: Estimate, truth: Truth) -> float:
    """Return the distance from the target to the nearest one found."""
    return float(min(np.linalg.norm(found.positions_m - truth.targets_m, axis=1), default=np.inf))


def trial(seed: int, index: int, scene: str, power_dbm: float, attack: str, located: bool) -> Outcome:
    """Return what becomes of the culprit, of honest receivers and of the error in the CPIs of a trial."""
    rng, culprit = np.random.default_rng([seed, index, int(power_dbm)]), index % 6
    truth, drawn = (golden_layout(rng), 1) if scene == "golden" else resolved_layout(rng, power_dbm, culprit)
    n_cpis = LOCATED_CPIS if located else LOOKS[-1]
    turn_rad = TURN_RAD * signs_of(rng, truth) * (attack == "turned")
    test = ConsistencyTest(false_alarm_probability=PROBABILITY, evidence_cpis=n_cpis)
    estimate: Callable[[Observation], Estimate] = locate if located else lambda _: Estimate.at(truth.targets_m)
    again = np.random.default_rng([seed, index, int(power_dbm), 1])
    outcome = Outcome(0, [], [], drawn, noncentrality(again, truth, power_dbm, culprit, turn_rad))
    excluded: frozenset[int] = frozenset()
    evidence = None
    told = tampered(rng, truth, attack, power_dbm, culprit, turn_rad)
    for cpi, observation in zip(range(n_cpis), told, strict=False):
        verdict = test.judge(observation, estimate, excluded, evidence, turn=cpi)
        if culprit in verdict.excluded and not outcome.found:
            outcome = outcome._replace(found=cpi + 1)
        outcome.blamed.append(bool(verdict.excluded - excluded - ({culprit} if attack != "none" else set())))
        if located:
            others = verdict.estimate if verdict.excluded == {culprit} else locate(without(observation, {culprit}))
            outcome.errors_m.append((error_m(verdict.estimate, truth), error_m(others, truth)))
        excluded, evidence = verdict.excluded - verdict.taken_back, verdict.evidence
    return outcome


def row(found: list[Outcome], scene: str, power_dbm: float, attack: str) -> dict[str, Any]:
    """Return how soon the culprit is left out, and in how many CPIs an honest receiver newly is."""
    guilty = found if attack != "none" else []
    looks = [k for k in LOOKS if k <= max(len(one.blamed) for one in found)]
    within = {f"within_{k}": share(sum(1 <= one.found <= k for one in guilty), len(guilty)) for k in looks}
    blamed = [of_cpi for one in found for of_cpi in one.blamed]
    cell = {"scene": scene, "attack": attack, "power_dbm": power_dbm}
    return {**cell, **within, "honest": share(sum(blamed), len(blamed))}


def law_row(found: list[Outcome], scene: str, power_dbm: float, attack: str) -> dict[str, Any]:
    """Return the same, and how often turned phases are found by law, and could be at best."""
    limit, power = PROBABILITY / N_RECEIVERS, np.array([one.noncentrality for one in found if attack == "turned"])
    n_told = len(KINDS) - 1  # nothing is present that is not resolved
    law = stats.ncx2.sf(stats.chi2.isf(limit / n_told, N_RECEIVERS), N_RECEIVERS, power)
    ceiling = stats.norm.sf(stats.norm.isf(limit) - np.sqrt(power))
    expected = {"law_10": law, "ceiling_10": ceiling, "hidden_10": ceiling < 0.95}
    means = {name: float(np.mean(values)) if len(values) else None for name, values in expected.items()}
    return row(found, scene, power_dbm, attack) | means


def located_row(found: list[Outcome], scene: str, power_dbm: float, attack: str) -> dict[str, Any]:
    """Return the same, and the median errors in mm and their ratio with its interval over trials."""
    errors, unfound = 1e3 * np.array([one.errors_m for one in found]), [not one.found for one in found]
    with_test, without_ap = (float(np.median(errors[..., i])) for i in (0, 1))
    ratio, interval = bootstrap(errors, ratio_of_medians)
    return row(found, scene, power_dbm, attack) | {
        "error_mm": with_test, "without_ap_mm": without_ap, "ratio": ratio, "interval": interval,
        "unfound_ratio": float(ratio_of_medians(errors[unfound])) if any(unfound) and attack != "none" else None,
        "layouts_drawn": sum(one.drawn for one in found),
    }  # fmt: skip


def ratio_of_medians(errors: Any) -> Any:
    """Return the median error with the test over that without the AP."""
    return np.median(errors[..., 0]) / np.median(errors[..., 1])


def main(arguments: list[str] | None = None) -> None:
    """Run the study."""
    parser = command_line(__doc__, trials=20, seed=50)
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=ATTACKS, help="those that are tried")
    parser.add_argument("--located", type=int, default=4, help="trials a cell with the estimator; 0: none")
    options: argparse.Namespace = parser.parse_args(arguments)
    started = time.perf_counter()
    tables: dict[str, list[dict[str, Any]]] = {}
    tables["Law"] = measured(options, LAW_SCENES, LAW_ATTACKS, options.trials, law_row)
    if options.located:
        tables["Located"] = measured(options, LOCATED_SCENES, ATTACKS, options.located, located_row)
    report(options, tables, started, f"[{options.seed}, 0..{options.trials - 1}, power]")


def measured(
    options: argparse.Namespace, scenes: Sequence[tuple[str, int]], attacks: Sequence[str], n: int,
    as_row: Callable[..., dict[str, Any]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the rows of scenes and attacks, of n trials each."""
    cells = [(*scene, attack) for scene in scenes for attack in attacks if attack in options.attacks]
    jobs = [(options.seed, i, *cell, as_row is located_row) for cell in cells for i in range(n)]
    found = outcomes(trial, jobs, options.workers)
    return [as_row(found[i * n : (i + 1) * n], *cell) for i, cell in enumerate(cells)]


if __name__ == "__main__":
    main()
