"""The command `dmimo timeline`: what is asked for of a run, from its folder, as a picture or in another form."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from scenarios.exports import FORMATS

if TYPE_CHECKING:
    from emulator.lanes import Timeline
    from scenarios.exports.excerpt import Excerpt

__all__ = ["Selection", "chosen_aps", "chosen_cpis", "excerpt_of", "register", "write"]


LARGEST_MS = 1e12
"""Beyond, a time in ns is no 64-bit number."""


class Selection(NamedTuple):
    """What a timeline is to show; what is not given is left to the timeline."""

    aps: str | None = None
    """Names and ranges of names, as "ap-1,ap-3..ap-6"."""
    cpis: str | None = None
    """A number or a range, as "2..4"."""
    report: str | None = None
    start_ms: float | None = None
    end_ms: float | None = None

    @property
    def window_ns(self) -> tuple[int | None, int | None]:
        """Start and end of the window.

        Raises
        ------
        ScenarioError
            If they are not finite, or not in order.
        """
        from scenarios.file.problems import ScenarioError

        start, end = self.start_ms, self.end_ms
        given = [ms for ms in (start, end) if ms is not None]
        if not all(abs(ms) <= LARGEST_MS for ms in given) or (len(given) == 2 and not _ns(given[0]) < _ns(given[1])):
            allowed = f"times in ms up to {LARGEST_MS:g}, in order and 1 ns apart at least"
            raise ScenarioError("--from, --until", [f"got {start} and {end}; allowed: {allowed}"])
        return (None if start is None else _ns(start)), (None if end is None else _ns(end))


def _ns(time_ms: float) -> int:
    return round(1e6 * time_ms)


PICTURES = ("png", "svg")
"""Forms that show the first CPIs where none are chosen, and can follow an AP; others hold the whole trace."""


def excerpt_of(folder: Path, selection: Selection, form: str = "png") -> "Excerpt":
    """Return what of an output folder goes into a form.

    Raises
    ------
    ScenarioError
        If the folder lacks its trace or its result, or has no such AP, CPI or report.
    """
    from emulator import lanes
    from scenarios.exports.excerpt import Excerpt
    from scenarios.output.results import load_result, load_trace

    trace, result = load_trace(folder / "trace.npz"), load_result(folder / "result.json")
    names, n_slots = lanes.ap_names(trace), result["slots"] // len(result["cpis"])
    cpis, window_ns = _shown(trace, result["cpis"], n_slots, selection, form)
    aps = None if selection.aps is None else chosen_aps("--aps", selection.aps, names)
    timeline = lanes.Timeline.of(
        lanes.rows_about(trace, lanes.around(cpis, n_slots)),
        result["cpis"],
        cpis,
        aps=aps,
        sender="" if selection.report is None else chosen_aps("--report", selection.report, names, most=1)[0],
        window_ns=window_ns,
    )
    _check_order(timeline)
    _check_report(timeline, cpis, selection, form)
    about = None if selection.cpis is None else cpis_about(selection.cpis, trace)
    return Excerpt.of(trace, timeline, about, selection.window_ns, aps)


def cpis_about(text: str, trace: Mapping[str, Any]) -> range:
    """Return the CPIs of a trace that a text names; see `chosen_cpis`."""
    from scenarios.output.results import cpis_of

    return chosen_cpis(text, cpis_of(trace))


Window = tuple[int | None, int | None]


def _shown(
    trace: Mapping[str, Any], results: Sequence[Mapping[str, Any]], n_slots: int, selection: Selection, form: str
) -> tuple[range, Window]:
    """Return which CPIs are shown, and the window; CPIs that are asked for are shown whole."""
    from emulator import lanes
    from scenarios.output.results import cpis_of

    window_ns = selection.window_ns
    _check_window(window_ns, int(trace["time_ns"].max(initial=0)))
    told = cpis_of(trace)
    if selection.cpis is None and window_ns == (None, None):
        published = range(max(told.start, results[0]["index"]), results[-1]["index"] + 1)
        return (lanes.first_cpis(n_slots, published or told) if form in PICTURES else told), window_ns
    if selection.cpis is not None:
        whole_ns = lanes.whole_window_ns(trace, cpis_about(selection.cpis, trace))
        start_ns, end_ns = (asked if asked is not None else own for asked, own in zip(window_ns, whole_ns, strict=True))
        window_ns = start_ns, end_ns
    return lanes.cpis_between(trace, *window_ns), window_ns


def _check_order(timeline: "Timeline") -> None:
    """Refuse a window of which one end is given, and lies beyond all that there is to show."""
    from scenarios.file.problems import ScenarioError

    if timeline.start_ns >= timeline.end_ns:
        ends = f"{timeline.start_ns * 1e-6:g} to {timeline.end_ns * 1e-6:g} ms"
        raise ScenarioError("--from, --until", [f"got a window from {ends}, in which nothing is; give both ends"])


def _check_report(timeline: "Timeline", cpis: range, selection: Selection, form: str) -> None:
    """Refuse an AP that sends nothing where it was to be followed, and forms that follow none."""
    from scenarios.file.problems import ScenarioError

    if selection.report is not None and form not in PICTURES:
        raise ScenarioError("--report", [f"got --format {form}; allowed: {', '.join(PICTURES)}"])
    if selection.report is not None and not timeline.ways:
        text = f"got {selection.report}, which sends nothing in CPIs {cpis[0]} to {cpis[-1]}; choose another AP or CPI"
        raise ScenarioError("--report", [text])


def _check_window(window_ns: tuple[int | None, int | None], last_ns: int) -> None:
    """Refuse a window in which nothing happened."""
    from scenarios.file.problems import ScenarioError

    start_ns, end_ns = window_ns
    if (start_ns or 0) > last_ns or (end_ns is not None and end_ns <= 0):
        text = f"got a window beyond the trace; allowed: times from 0 to {last_ns * 1e-6:g} ms"
        raise ScenarioError("--from, --until", [text])


def chosen_cpis(text: str, told: range) -> range:
    """Return the CPIs that a text as "3" or "2..4" names.

    >>> chosen_cpis("2..4", range(10))
    range(2, 5)

    Raises
    ------
    ScenarioError
        If it is no such text, or names a CPI that is not among those that are ``told`` of.
    """
    from scenarios.file.problems import ScenarioError

    first, dots, last = text.partition("..")
    allowed = f"allowed: {told[0]} to {told[-1]}, as {told[0]} or {told[0]}..{told[-1]}"
    try:
        cpis = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise ScenarioError("--cpi", [f'got "{text}"; {allowed}']) from None
    if not cpis or cpis[0] not in told or cpis[-1] not in told:
        raise ScenarioError("--cpi", [f'got "{text}"; {allowed}'])
    return cpis


def chosen_aps(option: str, text: str, names: Sequence[str], most: int | None = None) -> list[str]:
    """Return the names that a text as "ap-1,ap-3..ap-6" gives; a range follows the order of ``names``.

    >>> chosen_aps("--aps", "c,a..b", ["a", "b", "c"])
    ['c', 'a', 'b']

    Raises
    ------
    ScenarioError
        If a name is not known, a range runs backwards, or there are more than ``most``.
    """
    from scenarios.file.problems import ScenarioError

    chosen = [name for part in text.split(",") for name in _aps_of(option, part, names)]
    if most is not None and len(chosen) > most:
        raise ScenarioError(option, [f'got "{text}"; allowed: one AP, as {names[0]}'])
    return list(dict.fromkeys(chosen))


def _aps_of(option: str, part: str, names: Sequence[str]) -> Sequence[str]:
    """Return the names that "ap-1" or "ap-3..ap-6" gives."""
    from scenarios.file.problems import ScenarioError

    ends = [end.strip() for end in part.split("..")]
    if unknown := [name for name in ends if name not in names]:
        raise ScenarioError(option, [_nearest(unknown[0], names)])
    first, last = names.index(ends[0]), names.index(ends[-1])
    if len(ends) > 2 or last < first:
        raise ScenarioError(option, [f'got "{part}"; allowed: a range in the order of the APs, as ap-3..ap-6'])
    return names[first : last + 1]


def _nearest(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=1, cutoff=0.0)[0]
    return f'got "{name}"; allowed: APs of this run, {names[0]} to {names[-1]}; the nearest is {near}'


def _format(text: str) -> str:
    if text not in FORMATS:
        raise ValueError
    return text


def register(app: typer.Typer) -> None:
    """Add the command `timeline`."""
    from scenarios.commands.cli import guarded, one_of, path_given, say

    time_ms = one_of("a time in ms, as 1.5", float)
    formats = one_of(", ".join(FORMATS), _format)

    @app.command()
    @guarded
    def timeline(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="An output folder of dmimo run.")],
        aps: Annotated[
            str | None,
            typer.Option(
                "--aps",
                metavar="NAMES",
                help="APs to show, as ap-1,ap-3..ap-6; up to 48 get a lane each; default: all.",
            ),
        ] = None,
        cpis: Annotated[
            str | None, typer.Option("--cpi", metavar="A..B", help="CPIs to show, as 3 or 2..4; default: the first.")
        ] = None,
        report: Annotated[
            str | None, typer.Option("--report", metavar="AP", help="Follow the messages of an AP to the centre.")
        ] = None,
        start_ms: Annotated[
            float | None, typer.Option("--from", parser=time_ms, metavar="MS", help="Start of the window in ms.")
        ] = None,
        end_ms: Annotated[
            float | None, typer.Option("--until", parser=time_ms, metavar="MS", help="End of the window in ms.")
        ] = None,
        form: Annotated[
            str,
            typer.Option(
                "--format",
                parser=formats,
                metavar="FORM",
                help=f"One of {', '.join(FORMATS)}.",
                autocompletion=lambda: list(FORMATS),
            ),
        ] = "png",
        out: Annotated[
            Path | None,
            typer.Option("--out", parser=path_given, metavar="FILE", help="Where to; default: timeline.* in DIR."),
        ] = None,
    ) -> None:
        """Draw timeline.png of an output folder again, or write its trace in another form; all of it, or a part."""
        selection = Selection(aps, cpis, report, start_ms, end_ms)
        for path in write(folder, selection, form, out):
            say(str(path))


def write(folder: Path, selection: Selection, form: str, out: Path | None = None) -> list[Path]:
    """Write what is asked for of a run in a form, to its folder or where ``out`` says; return the paths."""
    from scenarios.output.folders import check_file

    places = _places(folder, form, out)
    if out is not None:
        for path in places:
            check_file(path, overwrite=True)
    excerpt = excerpt_of(folder, selection, form)
    return [_write_one(path, function, excerpt, out is None) for path, function in places.items()]


def _places(folder: Path, form: str, out: Path | None) -> dict[Path, str]:
    """Return the files of a form, and what writes each, as "module:function"."""
    files = FORMATS[form]
    if out is None:
        return {folder / f"timeline{ending}": function for ending, function in files.items()}
    first, *others = files.items()
    return {out: first[1], **{out.with_name(out.stem + ending): function for ending, function in others}}


def _write_one(path: Path, function: str, excerpt: "Excerpt", is_of_run: bool) -> Path:
    from scenarios.commands.run import EXPORTS, FILES
    from scenarios.output.folders import OutputFolder, replace_file

    module, name = function.split(":")
    writer = partial(getattr(import_module(module), name), excerpt)
    if not is_of_run:
        return replace_file(path, writer)
    return OutputFolder(path=path.parent, command="run", names=(*EXPORTS, *FILES), settings={}).update(
        path.name, writer
    )
