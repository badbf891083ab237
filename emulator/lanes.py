"""What a timeline shows, read from a trace and the results of its CPIs: lanes of cells, marks, and ways of messages.

Nothing here draws (``emulator.timeline`` does), so that what is shown can be worked out in one process and drawn in
another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from emulator import FAULTS
from emulator.journeys import Hop, Journeys, Outcome
from emulator.messages import CENTRAL
from emulator.trace import PREFIX, Kind

__all__ = [
    "DONE",
    "STATUSES",
    "Busy",
    "Cell",
    "Lanes",
    "Load",
    "Timeline",
    "Way",
    "ap_names",
    "around",
    "cpis_between",
    "fault_spans",
    "first_cpis",
    "rows_about",
    "slot_duration_ns",
    "whole_window_ns",
]

Columns = Mapping[str, NDArray[Any]]
Times = NDArray[np.int64]

STATUSES = ("missed", "not-resolved", "resolved")
"""What can become of a target in a CPI, by the number that stands in its cell."""
DOWN_KINDS = [place for place, name in enumerate(FAULTS) if name in ("ap-down", "restart")]
MOST_SLOTS = 24
"""Slots that a timeline shows by default, unless two CPIs have more."""
BUSY_SHARE, MOST_BUSY = 0.5, 6
"""Of a window that a link sends, to have a lane of its own; how many links have one."""
MOST_CHOSEN = 48
"""APs that are given a lane each if asked for by name."""
MARKS = (Kind.PLAN, Kind.FUSE, Kind.PUBLISH, Kind.LATE, Kind.INCOHERENT, Kind.CALIBRATE)
"""Of the central processor."""


class Cell(IntEnum):
    """What an AP does in a slot."""

    NOTHING = 0
    COMMUNICATE = 1
    SENSE = 2
    LISTEN = 3
    SILENT = 4
    """It has no plan."""
    DOWN = 5
    """It is off."""
    PILOT = 6
    """It sends a pilot that others listen to."""


DONE = {
    Kind.COMMUNICATE: Cell.COMMUNICATE, Kind.SENSE: Cell.SENSE, Kind.LISTEN: Cell.LISTEN, Kind.PILOT: Cell.PILOT,
}  # fmt: skip
"""What a row of the trace says of a slot of its AP."""
GROUPS = {
    "transmit": (Cell.COMMUNICATE, Cell.SENSE), "listen": (Cell.LISTEN,), "send pilots": (Cell.PILOT, Cell.LISTEN),
    "silent": (Cell.SILENT, Cell.DOWN), "idle": (),
}  # fmt: skip
"""What APs that do alike may do, by the title of their group."""


class Lanes(NamedTuple):
    """Lanes of one kind below each other."""

    title: str
    """What they have in common; empty for nothing."""
    names: tuple[str, ...]
    cells: NDArray[Any]
    """Shape (lanes, slots or CPIs)."""


class Load(NamedTuple):
    """How many links send at a time: ``counts[i]`` from ``times_ns[i]`` on."""

    name: str
    times_ns: Times
    counts: Times
    dropped_ns: Times


class Busy(NamedTuple):
    """A link that sends most of the time."""

    name: str
    share: float
    """Of the window, in which it sends."""
    spans_ns: Times
    """Start and end of each message that it sends, at least of those in the window, shape (n, 2)."""


class Way(NamedTuple):
    """The way of a message to the central processor."""

    number: int
    hops: tuple[Hop, ...]
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """What a timeline shows.

    Attributes
    ----------
    start_ns, end_ns
        The window of emulated time.
    slot_edges_ns
        Start of each slot and end of the last, shape (n_slots + 1,).
    aps
        Groups of APs with a ``Cell`` for each slot.
    cpi_numbers, cpi_edges_ns
        CPIs, shape (n_cpis,), and start of each and end of the last, shape (n_cpis + 1,).
    ues
        Spectral efficiency of each UE in each CPI, in bit/s/Hz; NaN where there is no result.
    targets
        Number of the status in ``STATUSES`` of each target in each CPI; -1 where there is no result, or were pilots.
    errors_m
        Position errors, in the shape of ``targets.cells``; NaN where there is none.
    loads
        How many links send, by direction.
    busy
        Links that send half of the time at least, those that do most first, six at most.
    marks
        What the central processor did when.
    corrections_ns
        When each AP took up corrections of its phases, by name.
    sender, ways, traffic
        An AP whose messages are followed, their ways, and by link (start, end) in ns of all that it sent, at least of
        what is in the window.
    """

    start_ns: int
    end_ns: int
    slot_edges_ns: Times
    aps: tuple[Lanes, ...]
    cpi_numbers: Times
    cpi_edges_ns: Times
    ues: Lanes
    targets: Lanes
    errors_m: NDArray[np.float64]
    loads: tuple[Load, ...]
    marks: Mapping[Kind, Times]
    busy: tuple[Busy, ...] = ()
    corrections_ns: Mapping[str, Times] = field(default_factory=dict)
    sender: str = ""
    ways: tuple[Way, ...] = ()
    traffic: Mapping[str, Times] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        trace: Columns,
        results: Sequence[Mapping[str, Any]],
        cpis: range,
        aps: Sequence[str] | None = None,
        sender: str = "",
        window_ns: tuple[int | None, int | None] = (None, None),
    ) -> Self:
        """Return the timeline of some CPIs.

        Parameters
        ----------
        trace
            Columns and names of a trace, as ``Trace.data`` gives them.
        results
            The CPIs of a run, as in result.json.
        cpis
            Which of them are shown, from the plan of the first to the estimate of the last.
        aps
            Names of APs that are shown, each in a lane of its own if they are at most 48; None: all. Where they have
            none, those that do alike are grouped.
        sender
            Name of an AP whose messages to the central processor are followed; empty for none.
        window_ns
            Start and end of the window in place of those that follow from the CPIs.
        """
        grid = _Grid.of(trace, cpis)
        start_ns, end_ns = _window(trace, grid, cpis, window_ns)
        targets, errors_m = _targets(results, grid.numbers)
        ways = _ways(trace, sender, grid.numbers) if sender else ()
        return cls(
            start_ns=start_ns, end_ns=end_ns, slot_edges_ns=grid.slot_edges_ns, aps=_aps(trace, grid, cpis, aps),
            cpi_numbers=grid.numbers, cpi_edges_ns=grid.cpi_edges_ns, ues=_ues(results, grid.numbers),
            targets=targets, errors_m=errors_m, loads=_loads(trace, (start_ns, end_ns)),
            busy=_busy(trace, start_ns, end_ns),
            marks={kind: _times_ns(trace, kind, CENTRAL) for kind in MARKS},
            corrections_ns={name: _times_ns(trace, Kind.CORRECT, name) for name in ap_names(trace)},
            sender=sender, ways=ways, traffic=_traffic(trace, (hop.link for way in ways for hop in way.hops)),
        )  # fmt: skip


class _Grid(NamedTuple):
    """When the slots of some CPIs that follow each other are."""

    first: int
    numbers: Times
    n_slots: int
    start_ns: int
    slot_ns: int

    @classmethod
    def of(cls, trace: Columns, cpis: range) -> Self:
        """Return the grid of some CPIs, the one before and the one after."""
        active = np.isin(trace["kind"], list(DONE))
        times, slots, numbers = (trace[name][active] for name in ("time_ns", "value", "cpi"))
        if active.any() and slots.max() > slots.min():
            n_slots = max(int(np.ptp(slots[numbers == number])) + 1 for number in np.unique(numbers))
            slot_ns = int((times[slots.argmax()] - times[slots.argmin()]) // (slots.max() - slots.min()))
            origin_ns = int(times[0] - slots[0] * slot_ns)
        else:
            n_slots = 1
            origin_ns, slot_ns = _calendar(trace)
        first = max(cpis.start - 1, 0)
        shown = np.arange(first, cpis.stop + 1)
        return cls(first, shown, n_slots, origin_ns + first * n_slots * slot_ns, slot_ns)

    @property
    def slot_edges_ns(self) -> Times:
        edges: Times = self.start_ns + self.slot_ns * np.arange(len(self.numbers) * self.n_slots + 1)
        return edges

    @property
    def cpi_edges_ns(self) -> Times:
        return self.slot_edges_ns[:: self.n_slots]

    def on_air_ns(self, cpis: range) -> tuple[int, int]:
        """Return when the first of some CPIs starts and the last ends."""
        cpi_ns = self.n_slots * self.slot_ns
        return self.start_ns + (cpis.start - self.first) * cpi_ns, self.start_ns + (cpis.stop - self.first) * cpi_ns

    def columns_of(self, cpis: range) -> slice:
        """Return which columns of cells belong to some CPIs."""
        return slice((cpis.start - self.first) * self.n_slots, (cpis.stop - self.first) * self.n_slots)


def _calendar(trace: Columns) -> tuple[int, int]:
    """Return start and duration of a CPI where no AP was ever active, from when APs lacked their plans."""
    silent = trace["kind"] == Kind.SILENT
    times, numbers = trace["time_ns"][silent], trace["cpi"][silent]
    if not silent.any() or numbers.max() == numbers.min():
        return 0, max(int(trace["time_ns"].max(initial=0)), 1)
    cpi_ns = int((times.max() - times.min()) // (numbers.max() - numbers.min()))
    return int(times[0] - numbers[0] * cpi_ns), cpi_ns


def first_cpis(n_slots: int, cpis: range) -> range:
    """Return the CPIs that a timeline shows by default: the first ones, of 24 slots together, or two."""
    return cpis[: max(MOST_SLOTS // max(n_slots, 1), 2)]


def cpis_between(trace: Columns, start_ns: int | None, end_ns: int | None) -> range:
    """Return the CPIs of a trace that are on the air in a window, whoever is silent; an end that is None is open."""
    begun = trace["cpi"][np.isin(trace["kind"], [*DONE, Kind.SILENT])]
    if not len(begun):
        return range(1)
    first, last = int(begun.min()), int(begun.max())
    edges = _Grid.of(trace, range(first, last + 1)).cpi_edges_ns
    numbers = np.arange(max(first - 1, 0), last + 2)
    inside = numbers[(edges[1:] > (edges[0] if start_ns is None else start_ns))
                     & (edges[:-1] < (edges[-1] if end_ns is None else end_ns))].clip(first, last)  # fmt: skip
    return range(int(inside[0]), int(inside[-1]) + 1) if len(inside) else range(last, last + 1)


def whole_window_ns(trace: Columns, cpis: range) -> tuple[int, int]:
    """Return from when to when some CPIs take: from the plan of the first to the estimate of the last."""
    return _with_margin(*_planned_and_published_ns(trace, cpis, _Grid.of(trace, cpis).on_air_ns(cpis)))


def _planned_and_published_ns(trace: Columns, cpis: range, on_air_ns: tuple[int, int]) -> tuple[int, int]:
    """Return when the first CPI was planned and the last published; else when they are on the air."""
    plans = trace["time_ns"][(trace["kind"] == Kind.PLAN) & (trace["cpi"] == cpis.start)]
    published = trace["time_ns"][(trace["kind"] == Kind.PUBLISH) & (trace["cpi"] == cpis.stop - 1)]
    return int(plans.min(initial=on_air_ns[0])), int(published.max(initial=on_air_ns[1]))


def _with_margin(start_ns: int, end_ns: int) -> tuple[int, int]:
    margin_ns = (end_ns - start_ns) // 100
    return start_ns - margin_ns, end_ns + margin_ns


def around(cpis: range, n_slots: int) -> range:
    """Return the CPIs whose events may be in the window of some CPIs: those of 24 slots before and after, too."""
    margin = 1 + MOST_SLOTS // max(n_slots, 1)
    return range(max(cpis.start - margin, 0), cpis.stop + margin)


def rows_about(trace: Columns, cpis: range) -> Columns:
    """Return a trace without the rows and messages of other CPIs."""
    kept = {prefix: _within(trace[prefix + "cpi"], cpis) for prefix in ("", PREFIX)}
    named = ("nodes", "kinds", "message_kinds", "schema_version")
    return {
        name: column if name in named else column[kept[PREFIX if name.startswith(PREFIX) else ""]]
        for name, column in trace.items()
    }


def _within(numbers: Times, cpis: range) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (numbers >= cpis.start) & (numbers < cpis.stop)
    return inside


def ap_names(trace: Columns) -> list[str]:
    """Return the names of the APs: the nodes that were given a plan or lacked one."""
    seen = np.unique(trace["node"][np.isin(trace["kind"], [*DONE, Kind.SILENT, Kind.ASSIGNED])])
    return [str(trace["nodes"][i]) for i in seen]


def _number(trace: Columns, name: str) -> int:
    """Return the number of a node or link in the columns; -1 for none."""
    return next(iter(np.flatnonzero(trace["nodes"] == name).tolist()), -1)


def _times_ns(trace: Columns, kind: Kind, name: str) -> Times:
    """Return when something happened at a node."""
    times: Times = trace["time_ns"][(trace["kind"] == kind) & (trace["node"] == _number(trace, name))]
    return times


def _window(trace: Columns, grid: _Grid, cpis: range, asked_ns: tuple[int | None, int | None]) -> tuple[int, int]:
    """Return from when to when: from the plan of the first CPI to the estimate of the last, a CPI more at most."""
    cpi_ns = grid.n_slots * grid.slot_ns
    on_air_ns = grid.on_air_ns(cpis)
    planned_ns, published_ns = _planned_and_published_ns(trace, cpis, on_air_ns)
    defaults_ns = _with_margin(max(planned_ns, on_air_ns[0] - cpi_ns), min(published_ns, on_air_ns[1] + cpi_ns))
    start_ns, end_ns = (default if ns is None else ns for default, ns in zip(defaults_ns, asked_ns, strict=True))
    return start_ns, end_ns


def _aps(trace: Columns, grid: "_Grid", cpis: range, chosen: Sequence[str] | None) -> tuple[Lanes, ...]:
    names, cells = ap_names(trace), _ap_cells(trace, grid)
    if chosen is not None:
        names, cells = list(chosen), cells[[names.index(name) for name in chosen]]
        if len(names) <= MOST_CHOSEN:
            return (Lanes("", tuple(names), cells),)
    return _groups(names, cells, grid.columns_of(cpis))


def _ap_cells(trace: Columns, grid: _Grid) -> NDArray[np.int8]:
    """Return what each AP did in each slot, shape (n_aps, n_slots)."""
    names = ap_names(trace)
    lane_of = {name: i for i, name in enumerate(names)}
    lanes = np.array([lane_of.get(str(name), -1) for name in trace["nodes"]])
    cells = np.zeros((len(names), len(grid.numbers), grid.n_slots), dtype=np.int8)
    inside = _within(trace["cpi"], range(grid.first, grid.first + len(grid.numbers)))
    for kind, cell in DONE.items():
        chosen = inside & (trace["kind"] == kind)
        place = trace["cpi"][chosen] - grid.first, trace["value"][chosen] % grid.n_slots
        cells[lanes[trace["node"][chosen]], *place] = cell
    silent = inside & (trace["kind"] == Kind.SILENT)
    cells[lanes[trace["node"][silent]], trace["cpi"][silent] - grid.first] = Cell.SILENT
    flat: NDArray[np.int8] = cells.reshape(len(names), -1)
    flat[:, _unfinished(trace, grid, flat)] = Cell.NOTHING
    for lane, start_ns, end_ns in _outages(trace, lanes):
        flat[lane, (grid.slot_edges_ns[1:] > start_ns) & (grid.slot_edges_ns[:-1] < end_ns)] = Cell.DOWN
    return flat


def _outages(trace: Columns, lanes: Times) -> Iterator[tuple[int, int, int]]:
    """Yield the lane of an AP that was off, and from when to when, as far as the trace tells."""
    for row, end_ns in fault_spans(trace):
        if trace["value"][row] in DOWN_KINDS:
            yield int(lanes[trace["node"][row]]), int(trace["time_ns"][row]), end_ns


def fault_spans(trace: Columns) -> Iterator[tuple[int, int]]:
    """Yield the row in which a fault begins, and when it ends, as far as the trace tells.

    A row that says that a fault goes on begins none. Faults of one kind at one place that overlap are taken for one,
    which ends with the first of them.
    """
    since: dict[tuple[int, int], int] = {}
    for row in np.flatnonzero(np.isin(trace["kind"], [Kind.FAULT, Kind.REPAIR])).tolist():
        value = int(trace["value"][row])
        place = int(trace["node"][row]), DOWN_KINDS[0] if value in DOWN_KINDS else value
        if trace["kind"][row] == Kind.FAULT:
            since.setdefault(place, row)
        elif place in since:
            yield since.pop(place), int(trace["time_ns"][row])
    for row in since.values():
        yield row, int(trace["time_ns"].max())


def slot_duration_ns(trace: Columns) -> int:
    """Return how long a slot is; of a trace without any, how long a CPI is."""
    return _Grid.of(trace, range(1)).slot_ns


def _unfinished(trace: Columns, grid: _Grid, cells: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which slots the trace tells half of: who listens is told at the end of a slot, who transmits before."""
    over = grid.slot_edges_ns[1:] < trace["time_ns"].max(initial=0)
    unfinished: NDArray[np.bool_] = ~over & ~np.isin(cells, [Cell.LISTEN, Cell.SILENT]).any(axis=0)
    return unfinished


def _groups(names: list[str], cells: NDArray[np.int8], columns: slice) -> tuple[Lanes, ...]:
    """Return the APs by what they do in the CPIs that are shown: always the same, or now this and now that.

    Slots of pilots do not count beside others: in them most APs listen.
    """
    left, shown = np.ones(len(names), dtype=bool), cells[:, columns]
    has_pilot = (shown == Cell.PILOT).any(axis=0)
    shown = shown if has_pilot.all() else shown[:, ~has_pilot]
    found: list[Lanes] = []
    for title, allowed in GROUPS.items():
        members = left & np.isin(shown, [Cell.NOTHING, *allowed]).all(axis=1)
        members &= np.isin(shown, list(allowed)).any(axis=1) if allowed else True
        left &= ~members
        found.append(_members(title, names, cells, members))
    found.append(_members("change modes", names, cells, left))
    return tuple(group for group in found if group.names)


def _members(title: str, names: list[str], cells: NDArray[np.int8], members: NDArray[np.bool_]) -> Lanes:
    return Lanes(title, tuple(name for name, member in zip(names, members, strict=True) if member), cells[members])


def _by_number(results: Sequence[Mapping[str, Any]], numbers: Times) -> list[Mapping[str, Any] | None]:
    known = {cpi["index"]: cpi for cpi in results}
    return [known.get(int(number)) for number in numbers]


def _ues(results: Sequence[Mapping[str, Any]], numbers: Times) -> Lanes:
    n_ues = len(results[0]["se_bit_s_hz"]) if results else 0
    cells = np.full((n_ues, len(numbers)), np.nan)
    for column, cpi in enumerate(_by_number(results, numbers)):
        if cpi is not None:
            cells[:, column] = cpi["se_bit_s_hz"]
    return Lanes("UEs", tuple(f"ue-{i}" for i in range(n_ues)), cells)


def _targets(results: Sequence[Mapping[str, Any]], numbers: Times) -> tuple[Lanes, NDArray[np.float64]]:
    n_targets = len(results[0]["targets"]) if results else 0
    cells = np.full((n_targets, len(numbers)), -1, dtype=np.int8)
    errors_m = np.full(cells.shape, np.nan)
    for column, cpi in enumerate(_by_number(results, numbers)):
        for row, target in enumerate(() if cpi is None or cpi.get("has_pilots") else cpi["targets"]):
            cells[row, column] = STATUSES.index(target["status"])
            errors_m[row, column] = np.nan if target["error_m"] is None else target["error_m"]
    return Lanes("targets", tuple(f"target-{i}" for i in range(n_targets)), cells), errors_m


# -- the fronthaul ----------------------------------------------------------------------------------------------------


def _loads(trace: Columns, window_ns: tuple[int, int]) -> tuple[Load, ...]:
    """Return how many links send messages to the central processor, and how many send from it."""
    to_central = trace[PREFIX + "destination"] == _number(trace, CENTRAL)
    upward = np.isin(trace["message"], trace[PREFIX + "number"][to_central])
    inside = (trace["time_ns"] < window_ns[1]) & (trace["time_ns"] + trace["value"] > window_ns[0])
    sends, drops = (trace["kind"] == Kind.SERIALISE) & inside, (trace["kind"] == Kind.DROP) & inside
    return tuple(
        Load(name, *_counts(trace, sends & way), trace["time_ns"][drops & way])
        for name, way in (("links to the APs", ~upward), ("links to the centre", upward))
    )


def _counts(trace: Columns, chosen: NDArray[np.bool_]) -> tuple[Times, Times]:
    """Return when the number of links that send changes, and to what."""
    starts, lasts = trace["time_ns"][chosen], trace["value"][chosen]
    times, place = np.unique(np.concatenate([starts, starts + lasts]), return_inverse=True)
    steps = np.repeat([1, -1], len(starts))
    return times, np.cumsum(np.bincount(place, weights=steps, minlength=len(times))).astype(np.int64)


def _ways(trace: Columns, sender: str, numbers: Times) -> tuple[Way, ...]:
    """Return the ways of the messages about some CPIs from an AP to the central processor, or of sums inward."""
    journeys = Journeys(trace)
    sent = (one for one in journeys.messages(source=sender) if one.destination == CENTRAL or one.what == "MapReport")
    mine = [message.number for message in sent if message.cpi in numbers]
    return tuple(Way(number, tuple(journeys.hops(number)), journeys.outcome(number)) for number in mine)


def _traffic(trace: Columns, links: Iterable[str]) -> dict[str, Times]:
    """Return start and end of everything that was sent on some links, shape (n, 2) for each."""
    sends = trace["kind"] == Kind.SERIALISE
    spans = np.stack([trace["time_ns"], trace["time_ns"] + trace["value"]], axis=1)
    return {link: spans[sends & (trace["node"] == _number(trace, link))] for link in dict.fromkeys(links)}


def _busy(trace: Columns, start_ns: int, end_ns: int) -> tuple[Busy, ...]:
    """Return the links that send most of a window."""
    sends = trace["kind"] == Kind.SERIALISE
    begins, lasts = trace["time_ns"][sends], trace["value"][sends]
    inside_ns = (begins + lasts).clip(start_ns, end_ns) - begins.clip(start_ns, end_ns)
    shares = np.bincount(trace["node"][sends], inside_ns, len(trace["nodes"])) / max(end_ns - start_ns, 1)
    busiest = [i for i in np.argsort(-shares, kind="stable")[:MOST_BUSY] if shares[i] >= BUSY_SHARE]
    spans = _traffic(trace, (str(trace["nodes"][i]) for i in busiest))
    return tuple(Busy(name, float(shares[i]), spans[name]) for i, name in zip(busiest, spans, strict=True))
