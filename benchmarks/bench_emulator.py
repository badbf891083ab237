"""Slots per second of the paper's scenario: with all signal physics, the events alone, and the plain way.

The plain way is what one writes first: a SimPy process a packet, Stores between nodes, a Python loop over APs, UEs
and targets for every product. It does the same physics (it omits quantisation, plans and the record of who sent what).
Figures are process CPU time with one BLAS thread, tracing on, all hooks called in every slot, estimation off.
"""

import cProfile
import pstats
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import simpy

from emulator.emulation import Emulation
from emulator.media.air import Air
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.central_processor import CentralProcessor
from emulator.nodes.user_equipment import UserEquipment
from models.radio.sensing import leg_response
from scenarios.file.files import load

__all__ = ["plain", "profile", "run"]

SILENCE = np.zeros((8, 10), dtype=complex)
"""What an AP of the paper radiates or hears in a slot when nothing is computed."""


class SilentAir(Air):
    """Serves every event and calls every hook, without arithmetic."""

    def _return_echoes(self, slot: Any, truth: Any, emitted: Any) -> None:
        for index in self._listeners:
            self._ap_doors[index].deliver(slot, SILENCE)

    def _serve(self, slot: Any, truth: Any, emitted: Any) -> None:
        for _, receive, _ in self._ue_doors:
            receive(slot, self._nothing)

    def truth(self, cpi: int) -> Any:
        """Return the same truth for every CPI."""
        if not hasattr(self, "_nothing"):
            self._nothing, self._same = np.zeros(10, dtype=complex), self._draw()
        return self.truths.setdefault(cpi, self._same)


class SilentAP(AccessPoint):
    """Lives every slot, without drawing or multiplying anything."""

    def _prepare(self, cpi: int, assignment: Any) -> None:
        self._symbols, self._precoding = SILENCE, SILENCE

    def _precoded(self, position: int) -> Any:
        return SILENCE

    def sensing_waveform(self, slot: Any) -> Any:
        """Return zeros."""
        return SILENCE


class SilentUE(UserEquipment):
    """Joins every CPI with the same numbers."""

    def wake(self) -> None:
        """Push what was drawn once."""
        frame = self.services.frame
        if not hasattr(self, "_push"):
            self._push = (np.zeros(60, dtype=complex), np.zeros((12, 8), dtype=complex), 0.0)
        self.services.air.join(self.name, *self._push)
        self.wake_ns = frame.next_cpi_ns(self.wake_ns)


class SilentCentral(CentralProcessor):
    """Gathers every report and fuses nothing."""

    def fuse(self, cpi: int) -> None:
        """Leave the reports unread."""


def build(events_only: bool) -> Emulation:
    """Return the paper's scenario without estimation, with or without signal physics."""
    scenario = load("paper")
    if not events_only:
        return scenario.build(seed=1, estimator=None, scoring=False)
    emulation = scenario.build(seed=1, estimator=None, scoring=False, access_point=SilentAP, user_equipment=SilentUE)
    emulation.air.__class__, emulation.central.__class__ = SilentAir, SilentCentral
    return emulation


def slots_per_second(emulation: Emulation, n_cpis: int, repeats: int) -> float:
    """Return the median rate over some repeats, after a few CPIs to warm up."""
    emulation.run(5)
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        emulation.run(n_cpis)
        rates.append(n_cpis * emulation.frame.n_slots / (time.process_time() - start))
    return float(np.median(rates))


# -- the plain way -----------------------------------------------------------------------------------------------------


class Plain:
    """The same network, written without a thought for speed."""

    def __init__(self, n_slots: int) -> None:
        source = load("paper").build(seed=1, estimator=None)
        self.network, self.radio = source.network, source.central.radio
        self.channel = source.air.access_channel
        self.env, self.rng, self.n_slots = simpy.Environment(), np.random.default_rng(1), n_slots
        self.targets = np.array([t.position_m(0.0) for t in source.targets.values()])
        self.tx, self.rx = list(range(0, 12, 2)), list(range(1, 12, 2))
        self.reports = simpy.Store(self.env)
        self.statistics: list[Any] = []
        self.env.process(self.slots())
        self.env.process(self.central())

    def normals(self, *shape: int) -> Any:
        """Return CN(0, 1) samples."""
        return (self.rng.standard_normal(shape) + 1j * self.rng.standard_normal(shape)) / np.sqrt(2.0)

    def slots(self) -> Iterator[Any]:
        """Generate, radiate, receive and report slot after slot."""
        for slot in range(self.n_slots):
            if slot % 6 == 0:
                self.new_channels()
            yield self.env.timeout(100_000)
            sent = {t: self.transmit(t, t == self.tx[slot % 6]) for t in self.tx}
            sensing = self.tx[slot % 6]
            for r in self.rx:
                self.env.process(self.packet(slot, r, sensing, sent[sensing], self.echo(r, sensing, sent[sensing])))
            for k in range(self.network.n_ues):
                self.hear(k, sent)

    def new_channels(self) -> None:
        """Draw the channels of a CPI link by link."""
        h = self.channel
        n = self.network.n_antennas
        self.h = {
            (t, k): h.line_of_sight[t, k] + h.scatter_root[t, k] @ self.normals(n)
            for t in range(self.network.n_aps)
            for k in range(self.network.n_ues)
        }
        self.symbols: Any = None

    def transmit(self, t: int, senses: bool) -> tuple[Any, Any]:
        """Return both parts of what an AP radiates in a slot."""
        total = sum(np.linalg.norm(self.h[t, k]) ** 2 for k in range(self.network.n_ues))
        communication = np.zeros((8, 10), dtype=complex)
        if self.symbols is None or t == self.tx[0]:
            self.symbols = self.normals(self.network.n_ues, 10)
        for k in range(self.network.n_ues):
            precoder = self.h[t, k].conj() / np.linalg.norm(self.h[t, k])
            power = np.linalg.norm(self.h[t, k]) ** 2 / total
            communication += np.sqrt(0.5 * power) * np.outer(precoder, self.symbols[k])
        return communication, np.sqrt(0.5 / 8) * self.normals(8, 10) if senses else None

    def echo(self, r: int, t: int, parts: tuple[Any, Any]) -> Any:
        """Return what an AP hears of one transmitter."""
        received = np.sqrt(self.radio.noise_power_w) * self.normals(8, 10)
        legs = leg_response(self.network, self.targets, np.array([t, r]))
        for s in range(len(self.targets)):
            received += 4e-3 * np.outer(legs[1, s], legs[0, s]) @ parts[1]
        return received

    def hear(self, k: int, sent: dict[int, tuple[Any, Any]]) -> Any:
        """Return what a UE hears."""
        received = np.sqrt(self.radio.noise_power_w) * self.normals(10)
        for t, (communication, sensing) in sent.items():
            received += self.h[t, k] @ (communication if sensing is None else communication + sensing)
        return received

    def packet(self, slot: int, r: int, t: int, parts: tuple[Any, Any], samples: Any) -> Iterator[Any]:
        """Carry one report to the central processor."""
        yield self.env.timeout(2_976)
        yield self.env.timeout(25_000)
        yield self.reports.put((slot, r, t, parts[1], samples))

    def central(self) -> Iterator[Any]:
        """Add every report to the statistics."""
        while True:
            _, _, _, sent, received = yield self.reports.get()
            self.statistics = [received @ sent.conj().T, sent @ sent.conj().T, np.linalg.norm(received) ** 2]


def plain(n_slots: int) -> float:
    """Return the slots per second of the plain way."""
    emulation = Plain(n_slots)
    start = time.process_time()
    emulation.env.run()
    return n_slots / (time.process_time() - start)


def bare_events(n_slots: int, n_events: int) -> float:
    """Return the slots per second of a loop that does nothing but serve so many SimPy timeouts a slot."""
    env = simpy.Environment()

    def idle() -> Iterator[Any]:
        while True:
            yield env.timeout(100)

    for _ in range(n_events):
        env.process(idle())
    start = time.process_time()
    env.run(until=100 * n_slots)
    return n_slots / (time.process_time() - start)


def run(quick: bool = False) -> dict[str, Any]:
    """Return slots per second of all ways, in one go."""
    n_cpis, repeats = (40, 3) if quick else (200, 5)
    full, events = build(False), build(True)
    rates = {
        "slots_per_s": slots_per_second(full, n_cpis, repeats),
        "events_only_slots_per_s": slots_per_second(events, n_cpis, repeats),
        "plain_slots_per_s": plain(60 if quick else 300),
    }
    events_per_slot = full.events_served / full.air.slots_completed
    return {
        "name": "emulator",
        **rates,
        "ratio": rates["slots_per_s"] / rates["plain_slots_per_s"],
        "events_per_slot": events_per_slot,
        "bare_simpy_slots_per_s": bare_events(1000 if quick else 3000, round(events_per_slot)),
        "fast_s": 1.0 / rates["slots_per_s"],
        "plain_s": 1.0 / rates["plain_slots_per_s"],
    }


PARTS = {
    "random numbers": ("emulator/randomness.py",),
    "the air: superposition, rules": ("emulator/media/air.py", "models/radio/channel.py"),
    "access points: loop, precoding, records": ("emulator/nodes/access_point.py", "models/radio/transmission.py"),
    "fronthaul: queues, messages": ("emulator/media/fronthaul.py", "emulator/messages.py"),
    "central processor: plans, statistics": (
        "emulator/nodes/central_processor.py", "emulator/functional_split.py", "models/radio/statistics.py",
        "models/radio/quantisation.py", "models/selection/", "models/network.py", "emulator/payload.py",
    ),
    "kernel: SimPy, processes": ("simpy/", "emulator/kernel.py", "emulator/nodes/node.py"),
    "UEs and targets": ("emulator/nodes/user_equipment.py", "emulator/nodes/target.py", "models/trajectories.py"),
}  # fmt: skip


def profile(n_cpis: int = 200) -> dict[str, float]:
    """Return the share of each part in the profiled time; library code counts for the part that calls it."""
    emulation = build(False)
    emulation.run(5)
    profiler = cProfile.Profile()
    profiler.runcall(emulation.run, n_cpis)
    seconds = dict.fromkeys([*PARTS, "other"], 0.0)
    for (path, _, _), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if _part(path) is not None:
            seconds[_part(path) or "other"] += own
            continue
        for (caller, _, _), (_, _, spent, _) in callers.items():
            seconds[_part(caller) or "other"] += spent
    total = sum(seconds.values())
    return {part: spent / total for part, spent in seconds.items()}


def _part(path: str) -> str | None:
    return next((part for part, files in PARTS.items() if any(name in path for name in files)), None)


def estimation_share(n_cpis: int = 5) -> dict[str, float]:
    """Return the process CPU time of a CPI in s: without and with scoring, and with the two-stage estimator too."""
    times = {}
    for name, keys in (("bare", {"estimator": None, "scoring": False}), ("scored", {"estimator": None}), ("whole", {})):
        emulation = load("paper").build(seed=1, **keys)
        emulation.run(1)
        start = time.process_time()
        emulation.run(n_cpis)
        times[name] = (time.process_time() - start) / n_cpis
    return times


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key:26} {value}")
    for key, share in sorted(profile().items(), key=lambda item: -item[1]):
        print(f"{100 * share:5.1f} %  {key}")
    for key, seconds in estimation_share().items():
        print(f"{1e3 * seconds:8.2f} ms a CPI, {key}")
