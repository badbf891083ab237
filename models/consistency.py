"""Which receivers contradict the others: evidence gathered over CPIs, and what is done about it.

The statistics of ``models.contradictions`` are chi-square. Those of CPIs add up, and so do their degrees of freedom;
of turns alike in all CPIs the scores add up, and the degrees of freedom stay. One that is wrong by much is found at
once, one that is wrong by little after some CPIs, and an honest one in any CPI with the probability asked for.

Not modelled: several receivers that agree on something wrong.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from math import log
from typing import NamedTuple

import numpy as np

from models.contradictions import Contradiction, contradictions
from models.observation import Estimate, Observation

__all__ = ["ConsistencyTest", "Verdict", "without"]

LIKELY = log(0.5)
"""Evidence of a receiver that is taken back is as likely as not."""
MARGIN = log(20.0)
"""One that is left out is so many times less likely honest than any other: the others feel what one does to all."""


class Verdict(NamedTuple):
    """What became of a CPI whose receivers were tested."""

    estimate: Estimate
    observation: Observation
    """What the estimate rests on."""
    excluded: frozenset[int]
    """Receivers, by their place in it, that were left out."""
    evidence: tuple[Contradiction, ...]
    """Of each receiver: what was said of it in its last CPIs, one a row."""
    taken_back: frozenset[int]
    """Those of the receivers that were left out from the beginning that are believed from the next CPI on."""


@dataclass(frozen=True, kw_only=True)
class ConsistencyTest:
    """Leaves out receivers that contradict the others.

    Attributes
    ----------
    false_alarm_probability
        Of a CPI: that an honest receiver is left out although all are honest.
    agree_cpis
        CPIs in which a receiver that was left out has to agree until it is taken back, at least.
    evidence_cpis
        CPIs whose evidence is counted together, the last ones in which a receiver received. Each is kept as n_aps^2
        numbers, and some.
    """

    false_alarm_probability: float = 1e-2
    agree_cpis: int = 3
    evidence_cpis: int = 10

    def __post_init__(self) -> None:
        if not 0.0 < self.false_alarm_probability < 1.0:
            raise ValueError(f"false_alarm_probability is {self.false_alarm_probability!r}: give one in (0, 1)")
        for name in ("agree_cpis", "evidence_cpis"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}: give a whole number, 1 or more")

    def judge(
        self,
        observation: Observation,
        estimate: Callable[[Observation], Estimate],
        excluded: Set[int] = frozenset(),
        evidence: Sequence[Contradiction] | None = None,
        turn: int = 0,
    ) -> Verdict:
        """Return the estimate of the receivers that agree, those that do not left out one by one, the worst first.

        At most (n_rx - 2) / 2 are left out. Where targets are found, no lobe explains any of them and nobody is known
        to contradict, one receiver is left out on trial: number ``turn`` modulo n_rx, another in each CPI. If the
        others resolve a target without it that it contradicts, it is the one.

        Parameters
        ----------
        observation
            Of the CPI.
        estimate
            Locates targets.
        excluded
            Receivers, by their place, that are left out from the beginning.
        evidence
            Of each receiver, from earlier CPIs: as a verdict returns it; None: none.
        turn
            Who is left out on trial.
        """
        n_rx, n_aps, left_out = len(observation.energy), observation.network.n_aps, set(excluded)
        nothing = [Contradiction.none(0, n_aps)] * n_rx
        past = nothing if evidence is None else list(evidence)
        before = self._summed(past, self.evidence_cpis - 1)
        found = estimate(without(observation, left_out))
        told = _told(observation, found, left_out)
        while len(left_out) < (n_rx - 2) // 2:
            worst = self._worst(before + told, left_out)
            if worst is None and _is_unexplained(found):
                worst = self._on_trial(observation, estimate, left_out, turn)
            if worst is None:
                break
            left_out.add(worst)
            past, before = nothing, Contradiction.none(n_rx, n_aps)  # it rested on the one that is out
            found = estimate(without(observation, left_out))
            told = _told(observation, found, left_out)
        return self._verdict(found, observation, left_out, excluded, past, told)

    def _worst(self, evidence: Contradiction, left_out: Set[int]) -> int | None:
        """Return the receiver that contradicts most, if one does by more than chance, and clearly more than others."""
        log_probability = evidence.log_probability
        log_probability[list(left_out)] = 0.0
        worst, second = np.argsort(log_probability, kind="stable")[:2]
        limit = min(self._limit(len(log_probability)), log_probability[second] - MARGIN)
        return int(worst) if log_probability[worst] < limit else None

    def _limit(self, n_rx: int) -> float:
        return log(self.false_alarm_probability) - log(n_rx)

    def _on_trial(
        self, observation: Observation, estimate: Callable[[Observation], Estimate], left_out: Set[int], turn: int
    ) -> int | None:
        """Return the receiver whose turn it is, if it contradicts what the others resolve without it."""
        suspect = turn % len(observation.energy)
        if suspect in left_out or not observation.n_samples[suspect]:
            return None
        absent = left_out | {suspect}
        found = estimate(without(observation, absent))
        told = _told(observation, found, absent).log_probability[suspect]
        return suspect if found.resolved.any() and told < self._limit(len(observation.energy)) else None

    def _verdict(
        self, found: Estimate, observation: Observation, left_out: Set[int], excluded: Set[int],
        past: list[Contradiction], told: Contradiction,
    ) -> Verdict:  # fmt: skip
        """Return the verdict; one that is left out now, or contradicts again, has nothing in its favour any more."""
        against = (told.log_probability < self._limit(len(past))) | [r not in excluded for r in range(len(past))]
        evidence = [own[:0] if r in left_out and against[r] else _longer(own, told, r) for r, own in enumerate(past)]
        likely = self._summed(evidence).log_probability >= LIKELY
        back = {r for r in excluded if likely[r] and len(evidence[r]) >= self.agree_cpis}
        kept = max(self.evidence_cpis, self.agree_cpis)
        return Verdict(found, without(observation, left_out), frozenset(left_out),
                       tuple(own[-kept:] for own in evidence), frozenset(back))  # fmt: skip

    def _summed(self, evidence: Sequence[Contradiction], n_cpis: int | None = None) -> Contradiction:
        """Return what the last CPIs, as many as count, say of each receiver."""
        n = self.evidence_cpis if n_cpis is None else n_cpis
        return Contradiction.joined(*(own[max(len(own) - n, 0) :].total for own in evidence))


def without(observation: Observation, receivers: Set[int]) -> Observation:
    """Return an observation in which some receivers, by their place in it, count as having said nothing."""
    if not receivers:
        return observation
    silent = np.isin(np.arange(len(observation.energy)), list(receivers))
    return replace(
        observation,
        cross=np.where(silent[:, None, None, None], 0.0, observation.cross),
        gram=observation.gram * np.where(silent, 0.0, 1.0),
        energy=np.where(silent, 0.0, observation.energy),
        n_samples=np.where(silent, 0, observation.n_samples),
    )


def _told(observation: Observation, found: Estimate, left_out: Set[int]) -> Contradiction:
    """Return how each receiver contradicts those that are not left out."""
    told = contradictions(without(observation, left_out), found)
    alone = {r: contradictions(without(observation, set(left_out) - {r}), found) for r in left_out}
    return Contradiction.joined(*(alone.get(r, told)[r : r + 1] for r in range(len(told))))


def _longer(evidence: Contradiction, told: Contradiction, r: int) -> Contradiction:
    """Return the evidence on a receiver with one CPI more, if that says anything."""
    return Contradiction.joined(evidence, told[r : r + 1]) if told.freedom[r].any() else evidence


def _is_unexplained(found: Estimate) -> bool:
    """Return whether targets are found, and none is resolved for want of a lobe that explains its echoes."""
    return not found.resolved.any() and bool({"misfit", "limited"} & set(found.reasons))
