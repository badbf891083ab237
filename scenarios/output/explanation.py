"""What happened to a node in a CPI, in words, from the files of an output folder alone.

Times are emulated, from the start of the run. What is said of messages comes from trace.npz; what is said of UEs and
targets, which send no messages, from result.json.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator.journeys import Event, Hop, Journeys, Outcome, Sent
from emulator.messages import ARROW, CENTRAL
from emulator.trace import Kind
from scenarios.file.problems import ScenarioError, closest
from scenarios.output.results import cpis_of, load_result, load_trace

__all__ = ["explain"]

MOST_NAMED = 3
"""Messages of a queue that are named one by one."""
ACTIVE = (Kind.COMMUNICATE, Kind.SENSE, Kind.PILOT, Kind.LISTEN)
"""What an AP does in a slot."""
DONE = {
    Kind.FUSE: ("Fused", "report"), Kind.PUBLISH: ("Published", "target"),
    Kind.CALIBRATE: ("Knew anew the phases of", "AP"),
}  # fmt: skip
"""What the central processor did with how many of what."""


def explain(folder: Path, node: str, cpi: int | None = None) -> list[str]:
    """Return the lines that say what happened to a node in a CPI.

    Parameters
    ----------
    folder
        An output folder of a run.
    node
        Name of an AP, a UE, a target, a link ("ap-3->central"), "central" or "air".
    cpi
        By default the last one that was published, or else planned.

    Raises
    ------
    ScenarioError
        If the folder holds no trace, or the trace no such node or CPI.
    """
    trace = _trace(folder)
    way = Journeys(trace)
    _check_node(node, way.nodes)
    return _teller(node)(_Case(way, folder, node, _checked_cpi(cpi, cpis_of(trace), way)))


def _trace(folder: Path) -> dict[str, Any]:
    path = folder / "trace.npz"
    if not path.is_file():
        found = "which holds no trace.npz" if folder.is_dir() else "which is no folder"
        raise ScenarioError("DIR", [f'got "{folder}", {found}; allowed: an output folder of dmimo run'])
    return load_trace(path)


def _check_node(node: str, nodes: list[str]) -> None:
    if node in nodes[: nodes.index(CENTRAL) + 1]:  # switches come after
        return
    links = [name for name in nodes if node in name.split("->")]
    if links:
        hint = f"which only passes messages on; ask for one of its links: {', '.join(links)}"
    else:
        hint = closest(node, [name for name in nodes if ("->" in name) == ("->" in node)])
    raise ScenarioError("NODE", [f'got "{node}"; {hint}'])


def _checked_cpi(cpi: int | None, told: range, way: Journeys) -> int:
    if cpi is None:
        return max(way.cpis(Kind.PUBLISH) or told)
    if cpi not in told:
        raise ScenarioError("--cpi", [f"got {cpi}; allowed: {told[0]} to {told[-1]}, what the trace holds"])
    return cpi


def _teller(node: str) -> "Callable[[_Case], list[str]]":
    if "->" in node:
        return _link
    tellers = {CENTRAL: _central, "air": _air, "ue": _user_equipment, "target": _target}
    return tellers.get(node.rpartition("-")[0] or node, _access_point)


@dataclass(frozen=True)
class _Case:
    """A node in a CPI, and what can be said of it."""

    way: Journeys
    folder: Path
    node: str
    cpi: int

    def mine(self, *kinds: Kind) -> list[Event]:
        """Return the events of some kinds at this node that are about this CPI."""
        return [event for event in self.way.about(self.cpi, *kinds) if event.node == self.node]

    def sent(self, **which: str) -> list[Sent]:
        """Return the messages about this CPI with a source, destination or kind."""
        return self.way.messages(cpi=self.cpi, **which)

    @cached_property
    def fused_ns(self) -> int | None:
        """When the CPI was fused."""
        return next((event.time_ns for event in self.way.about(self.cpi, Kind.FUSE)), None)

    @cached_property
    def result(self) -> dict[str, Any]:
        """What result.json says of the CPI; empty if it was not published."""
        cpis = load_result(self.folder / "result.json")["cpis"]
        return next((dict(cpi) for cpi in cpis if cpi["index"] == self.cpi), {})

    # -- messages in words --------------------------------------------------------------------------------------------

    def named(self, number: int) -> str:
        """Return what a message is."""
        sent = self.way.message(number)
        if sent is None:
            return f"message {number}, of a CPI that the trace does not hold"
        words = {
            "Assignment": f"the plan of CPI {sent.cpi} for {sent.destination}",
            "TransmissionRecord": f"the record of {self._transmitter(sent)} for CPI {sent.cpi}",
            "EchoReport": f"the report of {sent.source} on slot {self.slot_of(number)}",
            "StatisticsReport": f"the statistics of {sent.source} for CPI {sent.cpi}",
            "MapReport": f"the sum of the maps of {sent.source} and those behind it for CPI {sent.cpi}",
            "PilotReport": f"what {sent.source} heard of the pilots of CPI {sent.cpi}",
            "Correction": f"the correction of the phases of {sent.destination} from CPI {sent.cpi} on",
            "Telemetry": f"what {sent.source} said of itself as CPI {sent.cpi} began",
        }
        return words.get(sent.what, f"a {sent.what} from {sent.source} to {sent.destination}")

    def slot_of(self, number: int) -> int | None:
        """Return the slot that a report is about, if it is about one."""
        return next((event.value for event in self.way.events(number) if event.kind is Kind.REPORT), None)

    def _transmitter(self, record: Sent) -> str:
        records = [sent for sent in (record, *self.way.causes(record.number)) if sent.what == record.what]
        return "an AP" if records[-1].source == CENTRAL else records[-1].source

    def journey(self, number: int) -> list[str]:
        """Return the way of a message, a line a link."""
        return [f"    {hop.link}: {self.passage(hop)}" for hop in self.way.hops(number)]

    def passage(self, hop: Hop) -> str:
        """Return what happened to a message on a link."""
        if ARROW not in hop.link:
            return f"lost at {_ms(hop.given_ns)}: no way led on from there"
        if hop.started_ns is None or hop.sent_ns is None:
            return f"refused at {_ms(hop.given_ns)}: the queue was full, or the link down"
        waited = f"waited {_span(hop.waited_ns)} behind {self._queued_behind(hop)}; " if hop.waited_ns else ""
        if hop.arrived_ns is not None:
            end = f"arrived at {_ms(hop.arrived_ns)}"
        else:
            end = "still there when the trace ended" if hop.dropped_ns is None else f"lost at {_ms(hop.dropped_ns)}"
        return f"{waited}sent from {_ms(hop.started_ns)}, in {_span(hop.sent_ns - hop.started_ns)}; {end}"

    def _queued_behind(self, hop: Hop) -> str:
        numbers = self.way.ahead(hop)
        shown = [f"{self.named(number)} ({number})" for number in numbers[:MOST_NAMED]]
        return _list([*shown, f"{len(numbers) - MOST_NAMED} more"] if len(numbers) > MOST_NAMED else shown)

    def cause(self, sent: Sent) -> str:
        """Return why a message was sent."""
        cause = self.way.message(sent.cause)
        if cause is None:
            return "on its own account"
        return f"because of {self.named(cause.number)} ({cause.number})"

    def fate(self, sent: Sent) -> str:
        """Return what became of a message, and why."""
        outcome, hops = self.way.outcome(sent.number), self.way.hops(sent.number)
        if outcome is Outcome.FUSED:
            return f"fused at {_ms(self.fused_ns)}"
        if outcome is Outcome.LATE:
            return self._late(hops)
        if outcome is Outcome.UNUSED:
            return f"in time, but not used in the fusion at {_ms(self.fused_ns)}: {self._unusable(sent)}"
        if outcome is Outcome.ARRIVED:
            waits = ", and waited for the fusion when the trace ended" if sent.destination == CENTRAL else ""
            return f"arrived at {_ms(hops[-1].arrived_ns)}{waits}"
        return f"{outcome} at {hops[-1].link}" if outcome in (Outcome.LOST, Outcome.REFUSED) else str(outcome)

    def _late(self, hops: Sequence[Hop]) -> str:
        waiting = sum(hop.waited_ns or 0 for hop in hops)
        sending = sum((hop.sent_ns or 0) - (hop.started_ns or 0) for hop in hops)
        arrived_ns = hops[-1].arrived_ns or 0
        total = arrived_ns - hops[0].given_ns
        fused_ns = self.fused_ns
        is_after = fused_ns is not None and arrived_ns >= fused_ns  # what is summed on its way may be late before
        after = f", {_span(arrived_ns - (fused_ns or 0))} after the fusion" if is_after else ""
        return (
            f"late{after}; on its way for {_span(total)}: {_span(waiting)} waiting, {_span(sending)} being sent, "
            f"{_span(total - waiting - sending)} of propagation"
        )

    def _unusable(self, sent: Sent) -> str:
        """Say why what came in time was of no use: of a report, that the record of a waveform was missing."""
        if sent.what == "TransmissionRecord":
            return "no report that takes it was of use"
        missing = [why for name in self._needed(sent) if (why := self._missing(name, sent))]
        return f"what was radiated then was not known, for {_list(missing)}" if missing else "it covers no slot"

    def _needed(self, report: Sent) -> list[str]:
        """Return the transmitters whose records a report takes: where that of who sensed is missing, it alone."""
        slot = self.slot_of(report.number)
        sensing, all_of_them = (
            list(dict.fromkeys(e.node for e in self.way.about(self.cpi, *kinds) if slot in (None, e.value)))
            for kinds in ((Kind.SENSE,), (Kind.COMMUNICATE, Kind.SENSE))
        )
        return sensing if any(self._missing(name, report) for name in sensing) else all_of_them

    def _missing(self, transmitter: str, report: Sent) -> str:
        """Say why who had to know the record of a transmitter did not: the centre, or who formed statistics.

        Nothing if it did.
        """
        records = self.sent(what="TransmissionRecord", source=transmitter)
        if not records:
            return f"{transmitter} sent no record"
        if report.what == "StatisticsReport":
            copies = self.sent(what="TransmissionRecord", source=CENTRAL, destination=report.source)
            records = [copy for copy in copies if copy.cause == records[0].number] or records
        if records[0].destination == report.source:
            return self._untold(transmitter, records[0], report)
        known = self.way.outcome(records[0].number) in (Outcome.FUSED, Outcome.UNUSED)
        return "" if known else f"the record of {transmitter} was {self.fate(records[0])}"

    def _untold(self, transmitter: str, record: Sent, report: Sent) -> str:
        """Say why a record that the centre passed on was not there when statistics were formed; nothing if it was."""
        arrived_ns = self.way.hops(record.number)[-1].arrived_ns
        if arrived_ns is None:
            return f"the record of {transmitter}, passed on to {report.source}, was {self.fate(record)}"
        if arrived_ns <= report.given_ns:
            return ""
        after = _span(arrived_ns - report.given_ns)
        return f"the record of {transmitter} reached {report.source} {after} after it had reported"


# -- access points ----------------------------------------------------------------------------------------------------


def _access_point(case: _Case) -> list[str]:
    heard, radiated = case.mine(Kind.LISTEN), case.mine(Kind.COMMUNICATE, Kind.SENSE)
    if case.way.about(case.cpi, Kind.PILOT):
        head, *rest = _calibrated(case, heard)
    elif heard:
        head, *rest = _receiver(case, heard)
    elif radiated:
        head, *rest = _transmitter(case, radiated)
    else:
        head, *rest = [_idle(case)]
    for sent in case.sent(what="MapReport", source=case.node) if not heard else []:
        rest += _sum(case, sent)
    return [f"{case.node} in CPI {case.cpi} {head}", *_plan(case), *_corrections(case), *rest]


def _calibrated(case: _Case, heard: list[Event]) -> list[str]:
    """Say what an AP did in a CPI of pilots."""
    sent = [event.value for event in case.mine(Kind.PILOT)]
    done = [f"sent a pilot in {_slots(sent)}"] if sent else []
    done += [f"listened to those of others in {_slots([event.value for event in heard])}"] if heard else []
    lines = [f"{_list(done)}; nothing was sensed or communicated." if done else _idle(case)]
    for report in case.sent(what="PilotReport", source=case.node):
        lines += _told(case, report, "What it heard of them")
    return lines


def _corrections(case: _Case) -> list[str]:
    """Say which corrections of its phases an AP took up as a CPI began, and which it did not."""
    taken = {event.message: event.time_ns for event in case.mine(Kind.CORRECT)}
    lines = [f"  Was told its phases, and took them off at {_ms(taken[-1])}."] if -1 in taken else []
    for told in case.sent(what="Correction", destination=case.node):
        used = f"taken up at {_ms(taken[told.number])}" if told.number in taken else "not taken up in this CPI"
        lines.append(f"  Correction of its phases; message {told.number}: {case.fate(told)}; {used}.")
    return lines


def _plan(case: _Case) -> list[str]:
    lines = []
    for plan in case.sent(what="Assignment", destination=case.node):
        head = f"Planned at {_ms(plan.given_ns)}; message {plan.number} with the plan: {case.fate(plan)}"
        lines += [f"  {head}{_too_late(case, plan)}.", *case.journey(plan.number)]
    return lines or ["  No plan was sent to it."]


def _too_late(case: _Case, plan: Sent) -> str:
    silent, hops = case.mine(Kind.SILENT), case.way.hops(plan.number)
    arrived_ns = hops[-1].arrived_ns if hops else None
    if not silent or arrived_ns is None:
        return ""
    return f", {_span(arrived_ns - silent[0].time_ns)} after the CPI began"


def _idle(case: _Case) -> str:
    silent = case.mine(Kind.SILENT)
    if silent:
        return f"was silent: it had no plan when the CPI began, at {_ms(silent[0].time_ns)}."
    begun = case.way.about(case.cpi, *ACTIVE)
    if not begun:
        return "did nothing: the CPI had not begun when the trace ended."
    if case.fused_ns is None and all(event.kind is not Kind.LISTEN for event in begun):
        return "did not transmit; who listens is recorded when a slot is over, and the trace ended before."
    return "neither transmitted nor listened."


def _transmitter(case: _Case, radiated: list[Event]) -> list[str]:
    sensing = [event.value for event in radiated if event.kind is Kind.SENSE]
    token = f", with the sensing waveform in {_slots(sensing)}" if sensing else ""
    lines = [f"transmitted in {_slots([e.value for e in radiated])}{token}; a transmitter gives no reports."]
    for record in case.sent(what="TransmissionRecord", source=case.node, destination=CENTRAL):
        lines += _told(case, record, "Record of what it radiated")
    return lines if len(lines) > 1 else [*lines, "  It sent no record of what it radiated before the trace ended."]


def _receiver(case: _Case, heard: list[Event]) -> list[str]:
    ends = {event.value: event for event in case.mine(Kind.REPORT, Kind.WITHHOLD)}
    reports = [sent for sent in case.sent(source=case.node) if sent.what != "TransmissionRecord"]
    outcomes = Counter(case.way.outcome(report.number) for report in reports)
    tally = f": {_tally(outcomes)}" if reports else ""
    lines = [f"listened in {_slots([e.value for e in heard])} and gave {_counted(len(reports), 'report')}{tally}."]
    kept = [slot for slot, event in ends.items() if event.kind is Kind.WITHHOLD]
    gathered = [slot for slot, event in ends.items() if event.kind is Kind.REPORT and event.message < 0]
    lines += [f"  It kept to itself what it heard in {_slots(kept)}."] if kept else []
    made = "map" if any(report.what == "MapReport" for report in reports) else "statistics"
    lines += [f"  What it heard in {_slots(gathered)} went into its {made}."] if gathered else []
    for record in case.sent(what="TransmissionRecord", destination=case.node):
        lines.append(f"  Told {case.named(record.number)} ({record.number}): {case.fate(record)}.")
    starts = {event.value: event.time_ns for event in heard}
    for report in reports:
        slot = case.slot_of(report.number)
        span = "" if slot is None else f", heard from {_ms(starts[slot])} to {_ms(ends[slot].time_ns)}"
        if report.what == "MapReport":
            lines += _sum(case, report)
        else:
            lines += _told(case, report, "Statistics" if slot is None else f"Slot {slot}{span}")
    return lines


def _sum(case: _Case, sent: Sent) -> list[str]:
    """Say from whom maps came that an AP added up, and what became of the sum."""
    behind = case.sent(what="MapReport", destination=case.node)
    lines = [f"  From {other.source}, message {other.number}: {case.fate(other)}." for other in behind]
    return [*lines, *_told(case, sent, "Sum of maps")]


def _told(case: _Case, sent: Sent, head: str) -> list[str]:
    given = f"message {sent.number}, given to the fronthaul at {_ms(sent.given_ns)} {case.cause(sent)}"
    return [f"  {head}; {given}: {case.fate(sent)}.", *case.journey(sent.number)]


# -- the others -------------------------------------------------------------------------------------------------------


def _central(case: _Case) -> list[str]:
    planned = case.mine(Kind.PLAN)[0]
    lines = [f"{case.node} planned CPI {case.cpi} at {_ms(planned.time_ns)}."]
    plans = case.sent(what="Assignment")
    lines.append(f"  {_counted(len(plans), 'plan')} sent: {_tally(_outcomes(case, plans))}.")
    silent = [event.node for event in case.way.about(case.cpi, Kind.SILENT)]
    lines += [f"  Without a plan when the CPI began: {_list(silent)}."] if silent else []
    coming = case.sent(destination=case.node)
    for source in [name for name in case.way.nodes if name in {sent.source for sent in coming}]:
        lines.append(f"  From {source}: {_received(case, [sent for sent in coming if sent.source == source])}.")
    has_pilots = bool(case.way.about(case.cpi, Kind.PILOT))  # which are used, but not fused
    for event in case.mine(*(kind for kind in DONE if kind is not Kind.FUSE or not has_pilots)):
        done, what = DONE[event.kind]
        lines.append(f"  {done} {_counted(event.value, what)} at {_ms(event.time_ns)}.")
    for event in case.mine(Kind.INCOHERENT):
        lines.append(
            f"  Found that the phases do not fit any more, and asked for a calibration, at {_ms(event.time_ns)}."
        )
    return lines if case.fused_ns is not None else [*lines, "  Not fused before the trace ended."]


def _received(case: _Case, messages: list[Sent]) -> str:
    records = [sent for sent in messages if sent.what == "TransmissionRecord"]
    groups = {"record": records, "report": [sent for sent in messages if sent not in records]}
    return _list([
        f"{_counted(len(group), word)} ({_tally(_outcomes(case, group))})" for word, group in groups.items() if group
    ])  # fmt: skip


def _outcomes(case: _Case, messages: Iterable[Sent]) -> Counter[Outcome]:
    return Counter(case.way.outcome(sent.number) for sent in messages)


def _link(case: _Case) -> list[str]:
    numbers = list(dict.fromkeys(event.message for event in case.mine(Kind.SERIALISE, Kind.DROP)))
    lines = [f"{case.node} was given {_counted(len(numbers), 'message')} about CPI {case.cpi}."]
    for number in numbers:
        hop = next((hop for hop in case.way.hops(number) if hop.link == case.node), None)
        told = "the trace does not hold where it came from" if hop is None else case.passage(hop)
        lines.append(f"  {number}, {case.named(number)}: {told}.")
    return lines


def _air(case: _Case) -> list[str]:
    events = case.way.about(case.cpi, *ACTIVE)
    slots = sorted({event.value for event in events})
    lines = [f"{case.node} in CPI {case.cpi}: {'' if slots else 'no AP was active in '}{_slots(slots) or 'any slot'}."]
    for slot in slots:
        names = {kind: [e.node for e in events if (e.value, e.kind) == (slot, kind)] for kind in Kind}
        radiated = (
            f"sensing waveform of {_list(names[Kind.SENSE]) or 'none'}, {len(names[Kind.COMMUNICATE])} more transmitted"
        )
        radiated = f"pilot of {_list(names[Kind.PILOT])}" if names[Kind.PILOT] else radiated
        heard = f"{len(names[Kind.LISTEN])} listened"
        if not names[Kind.LISTEN] and slot == slots[-1] and case.fused_ns is None:
            heard = "and it was not over when the trace ended"
        lines.append(f"  Slot {slot}: {radiated}, {heard}.")
    return lines


def _user_equipment(case: _Case) -> list[str]:
    head = f"{case.node} in CPI {case.cpi}: a UE sends nothing over the fronthaul"
    if not case.result:
        return [f"{head}, and the CPI was not published before the run ended."]
    rate = case.result["se_bit_s_hz"][_index(case)]
    return [f"{head}.", f"  Its spectral efficiency was {'not computed' if rate is None else f'{rate:.3f} bit/s/Hz'}."]


def _target(case: _Case) -> list[str]:
    head = f"{case.node} in CPI {case.cpi}"
    if not case.result:
        return [f"{head}: the CPI was not published before the run ended."]
    found = case.result["targets"][_index(case)]
    fused, expected = case.result["reports_fused"], case.result["reports_expected"]
    lines = [
        f"{head} was {found['status']}, with {fused} of {expected} reports fused; it was at {_m(found['truth_m'])}."
    ]
    if found["estimate_m"] is not None:
        lines.append(f"  Its estimate was {_m(found['estimate_m'])}, off by {found['error_m']:.4g} m.")
    bound = "none" if found["peb_m"] is None else f"{found['peb_m']:.4g} m"
    return [*lines, f"  Bound of the position error: {bound}."]


# -- words ------------------------------------------------------------------------------------------------------------


def _index(case: _Case) -> int:
    return int(case.node.rpartition("-")[2])


def _m(point_m: Sequence[float]) -> str:
    return f"({point_m[0]:.3f}, {point_m[1]:.3f}) m"


def _ms(time_ns: int | None) -> str:
    return f"{(time_ns or 0) * 1e-6:.3f} ms"


def _span(duration_ns: int | None) -> str:
    return f"{(duration_ns or 0) * 1e-6:.4g} ms"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _tally(outcomes: Counter[Outcome]) -> str:
    return _list([f"{count} {outcome}" for outcome, count in outcomes.items()])


def _list(words: Sequence[str]) -> str:
    """Return words as in a sentence.

    >>> _list(["ap-1", "ap-2", "ap-3"])
    'ap-1, ap-2 and ap-3'
    """
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _slots(slots: Sequence[int]) -> str:
    """Return slots with runs joined.

    >>> _slots([24, 25, 26, 29])
    'slots 24 to 26 and 29'
    """
    runs: list[list[int]] = []
    for slot in sorted(set(slots)):
        if runs and slot == runs[-1][-1] + 1:
            runs[-1].append(slot)
        else:
            runs.append([slot])
    said = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"slot{'s' if len(set(slots)) > 1 else ''} {_list(said)}" if runs else ""
