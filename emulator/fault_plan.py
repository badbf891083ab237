"""When faults begin and end: planned ones by the clock, others by hand between CPIs.

A fault acts before anything else that happens at its time: one that begins as a slot ends is on before the echo of that
slot is heard, and one that ends then is over.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from emulator import FAULTS
from emulator.faults import Fault, LinkFault, Stage
from emulator.kernel import Bell
from emulator.media.fronthaul import set_edge
from emulator.nodes.node import EmulationError
from emulator.trace import Kind, row
from models.doors import FAILURES, Door, require

__all__ = ["Faults", "Spell", "kind_of"]

FIRST = -1
"""Rank before all owners of events."""
END, BEGIN, AGAIN = 0, 1, 2
KNOWN, CHANGED = Door("fault", "known"), Door("fault", "changed")


class Spell(NamedTuple):
    """From when to when a fault was on; the end is None as long as it is."""

    number: int
    began_ns: int
    ended_ns: int | None = None

    def touches(self, start_ns: int, end_ns: int) -> bool:
        """Return whether it was on at any time from a start to an end."""
        return self.began_ns <= end_ns and (self.ended_ns is None or self.ended_ns > start_ns)


def kind_of(fault: Fault) -> str:
    """Return the name of the kind of a fault: that of a scenario file, or "module:Class" of one's own.

    >>> from emulator.faults import ApDown
    >>> kind_of(ApDown(node="ap-3"))
    'ap-down'
    """
    path = f"{type(fault).__module__}:{type(fault).__qualname__}"
    return next((name for name, known in FAULTS.items() if known == path), path)


class Faults:
    """The faults of an emulation.

    Parameters
    ----------
    stage
        The emulation whose faults they are.
    planned
        Those that begin by themselves, at their ``at_s``.

    Raises
    ------
    TypeError
        If one is no fault.
    ValueError
        If one is of a node or link that is not there, or has no time to begin at, or is planned twice.
    """

    def __init__(self, stage: Stage, planned: Iterable[Fault]) -> None:
        self._stage = stage
        self._link_ends = {link.name: ends for ends, link in stage.fronthaul.links.items()}
        self.faults: list[Fault] = []
        self._spells: list[Spell] = []
        self._edges: dict[str, dict[str, Any] | None] = {}
        """What the edges of links with a fault say without it, by name of the link."""
        self._agenda: list[tuple[int, int, int]] = []
        """(time in ns, task, number of the fault)."""
        self._bell: Bell | None = None
        for fault in planned:
            self._plan(fault)

    def _plan(self, fault: Fault) -> None:
        self._check(fault)
        if fault.at_s is None:
            raise ValueError(f"{fault}: at_s is None; give the time at which it begins, in s")
        if fault in self.faults:
            raise ValueError(f"{fault} is planned twice")
        self._agenda.append((round(fault.at_s * 1e9), BEGIN, len(self.faults)))
        self.faults.append(fault)

    def _check(self, fault: Fault) -> None:
        require("fault", fault, Fault)
        known = KNOWN.ask(fault, self._stage)
        if not isinstance(known, Iterable):
            KNOWN.refuse(fault, known, "the names of all that could have it")
        known = list(known)
        if fault.where not in known:
            near = get_close_matches(fault.where, known, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known[:12])}"
            raise ValueError(f'fault {kind_of(fault)}: there is no "{fault.where}"; {hint}')

    # -- what is on ---------------------------------------------------------------------------------------------------

    @property
    def on(self) -> tuple[Fault, ...]:
        """Faults that are on, in the order in which they began."""
        return tuple(self.faults[spell.number] for spell in self._open)

    @property
    def _open(self) -> list[Spell]:
        return [spell for spell in self._spells if spell.ended_ns is None]

    def during(self, start_ns: int, end_ns: int) -> tuple[Fault, ...]:
        """Return the faults that were on at any time from a start to an end; those long over are forgotten."""
        return tuple(self.faults[spell.number] for spell in self._spells if spell.touches(start_ns, end_ns))

    def forget(self, before_ns: int) -> None:
        """Forget the faults that were over by a time."""
        self._spells = [spell for spell in self._spells if spell.ended_ns is None or spell.ended_ns > before_ns]

    # -- by hand ------------------------------------------------------------------------------------------------------

    def begin(self, fault: Fault) -> None:
        """Begin a fault now, between CPIs, whatever its ``at_s``; it ends as it says, or by ``end``.

        Raises
        ------
        EmulationError
            If the emulation has not started.
        ValueError
            If it is on, or of a node or link that is not there.
        """
        self._check(fault)
        if fault in self.on:
            raise ValueError(f"{fault} is on")
        if fault not in self.faults:
            self.faults.append(fault)
        self._begin(self.faults.index(fault), self._now_ns())

    def end(self, fault: Fault) -> None:
        """End a fault now, between CPIs, whatever its ``until_s``; raises ValueError if it is not on."""
        if fault not in self.on:
            raise ValueError(f"{fault} is not on")
        self._end(self.faults.index(fault), self._now_ns())

    def _now_ns(self) -> int:
        if self._bell is None:
            raise EmulationError("the emulation has not started: give faults to build, or call start or run first")
        return self._stage.now_ns

    # -- by the clock -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Set the bells; faults that are on in a state that was taken up act again."""
        bell = self._bell = self._stage.bell(FIRST, self._ring)
        for at_ns, _, _ in self._agenda:
            bell.set(at_ns)
        for fault in self.on:
            self._call(fault, fault.begin)

    def _note(self, at_ns: int, task: int, number: int) -> None:
        assert self._bell is not None, "nothing happens before the start"
        self._agenda.append((at_ns, task, number))
        self._bell.set(at_ns)

    def _ring(self, _: object) -> None:
        now_ns = self._stage.now_ns
        while self._agenda and min(self._agenda)[0] <= now_ns:
            due = min(self._agenda)
            self._agenda.remove(due)
            _, task, number = due
            (self._end, self._begin, self._again)[task](number, now_ns)

    def _is_on(self, number: int) -> bool:
        return any(spell.number == number for spell in self._open)

    def _begin(self, number: int, now_ns: int) -> None:
        fault = self.faults[number]
        end_ns = self._when(fault, "end_ns", now_ns)
        if self._is_on(number) or (end_ns is not None and end_ns <= now_ns):
            return
        self._spells.append(Spell(number, now_ns))
        if end_ns is not None:
            self._note(end_ns, END, number)
        self._act(fault, Kind.FAULT, fault.begin)
        self._then(number, now_ns)

    def _again(self, number: int, now_ns: int) -> None:
        if self._is_on(number):
            self._call(self.faults[number], self.faults[number].begin)
            self._then(number, now_ns)

    def _then(self, number: int, now_ns: int) -> None:
        began_ns = next(spell.began_ns for spell in self._open if spell.number == number)
        next_ns = self._when(self.faults[number], "next_ns", began_ns, now_ns)
        if next_ns is not None:
            self._note(next_ns, AGAIN, number)

    def _end(self, number: int, now_ns: int) -> None:
        if not self._is_on(number):
            return
        fault = self.faults[number]
        self._agenda = [entry for entry in self._agenda if entry[1:] not in ((END, number), (AGAIN, number))]
        ended = (s._replace(ended_ns=now_ns) if s.number == number and s.ended_ns is None else s for s in self._spells)
        self._spells = list(ended)
        self._act(fault, Kind.REPAIR, fault.end)

    def _act(self, fault: Fault, kind: Kind, act: Any) -> None:
        """Let a fault act, and record it."""
        stage = self._stage
        if stage.record is not None:
            cpi = stage.frame.cpi_at(stage.now_ns) or 0
            place = list(FAULTS).index(kind_of(fault)) if kind_of(fault) in FAULTS else -1
            stage.record(row(stage.now_ns, int(kind), stage.rank(fault.where), place, cpi, -1))
        self._call(fault, act)

    def _call(self, fault: Fault, act: Callable[[Stage], None]) -> None:
        """Let a fault act; what goes wrong says which fault and when."""
        try:
            act(self._stage)
        except FAILURES as error:
            self._fail(fault, error)

    def _fail(self, fault: Fault, error: BaseException) -> NoReturn:
        where = f"fault {kind_of(fault)} of {fault.where}, t = {self._stage.now_ns} ns"
        raise EmulationError(f"{where}: {type(error).__name__}: {error}") from error

    def _when(self, fault: Fault, method: str, *times_ns: int) -> int | None:
        """Return a time that a fault says, or None."""
        door = Door("fault", method)
        try:
            got = door.ask(fault, *times_ns)
            if got is not None and (isinstance(got, bool) or not isinstance(got, int)):
                door.refuse(fault, got, "a whole number of ns, or None for never")
        except FAILURES as error:
            self._fail(fault, error)
        return got

    # -- links --------------------------------------------------------------------------------------------------------

    def refresh(self, name: str) -> None:
        """Let the edge of a link say what it says without faults, changed by those that are on."""
        graph, ends = self._stage.fronthaul.graph, self._link_ends[name]
        if name not in self._edges:
            self._edges[name] = copy(graph.get_edge_data(*ends))
        edge = copy(self._edges[name])
        spells = [spell for spell in self._open if self.faults[spell.number].where == name]
        for spell in spells:
            fault = self.faults[spell.number]
            if edge is not None and isinstance(fault, LinkFault):
                edge = CHANGED.ask(fault, edge, self._stage.now_ns - spell.began_ns)
                if not isinstance(edge, Mapping | None):
                    CHANGED.refuse(fault, edge, "what the edge says, as a dict, or None if it is not there")
        set_edge(graph, ends, edge)
        if not spells:
            del self._edges[name]

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return the faults, what is on and what is to come, as data."""
        return {
            "faults": self.faults, "spells": self._spells, "agenda": self._agenda,
            "edges": list(self._edges.items()),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned."""
        self.faults, self._spells, self._agenda = state["faults"], state["spells"], state["agenda"]
        self._edges = dict(state["edges"])
