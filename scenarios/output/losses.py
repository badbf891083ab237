"""Which reports were lost and why, in words."""

from collections import Counter
from collections.abc import Iterable, Sequence

from emulator.losses import (
    DOWN,
    LATE,
    MAP,
    NOT_SENT,
    PLAN,
    RECORD,
    REFUSED,
    REPORT,
    STATISTICS,
    UNDER_WAY,
    Cause,
    LostReports,
)
from emulator.media.links import Loss
from scenarios.file.names import names_text

__all__ = ["loss_lines"]

_WHAT = {
    PLAN: "the plan",
    REPORT: "the report",
    STATISTICS: "the statistics report",
    MAP: "the map",
    RECORD: "the record of what was radiated",
}
_FATE = {
    LATE: "came {late} late",
    UNDER_WAY: "was still under way at the end",
    NOT_SENT: "was not sent",
    DOWN: "was not sent: access point down",
    REFUSED: "was refused by the central processor",
    Loss.FULL: "met a full queue on {links}",
    Loss.DOWN: "met a link that was down, {links}",
    Loss.CHANCE: "was lost on {links}",
    Loss.NO_ROUTE: "found no way on from {links}",
}


def loss_lines(lost: Iterable[LostReports]) -> list[str]:
    """Return a line for each way in which reports were lost, the commonest first, whichever link it was."""
    groups: dict[Cause, list[LostReports]] = {}
    for reports in lost:
        groups.setdefault(reports.cause._replace(link=""), []).append(reports)
    return [_line(cause, group) for cause, group in sorted(groups.items(), key=lambda item: -_count(item[1]))]


def _count(group: Sequence[LostReports]) -> int:
    return sum(reports.count for reports in group)


def _line(cause: Cause, group: Sequence[LostReports]) -> str:
    access_points: Counter[str] = sum((reports.access_points for reports in group), Counter())
    links = names_text(reports.cause.link for reports in group)
    fate = _FATE[cause.fate].format(late=_late(group), links=links)
    return f"{_count(group)}: {_WHAT[cause.what]} {fate} ({names_text(access_points)})"


def _late(group: Sequence[LostReports]) -> str:
    """Return by how much messages were late, in ms."""
    least = min((reports.least_late_ns for reports in group if reports.least_late_ns is not None), default=0)
    most = max((reports.most_late_ns for reports in group if reports.most_late_ns is not None), default=0)
    return f"{1e-6 * least:.4g} ms" if least == most else f"{1e-6 * least:.4g} to {1e-6 * most:.4g} ms"
