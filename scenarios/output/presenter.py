"""How emulations and results show themselves: as tables with a picture in a notebook, as tables to rich, as figures.

``emulator.shown`` says who asks.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from emulator.emulation import Emulation
from emulator.nodes.node import Node
from emulator.results import CpiResult, RunResult
from scenarios.file.files import load
from scenarios.file.scenario import Scenario
from scenarios.output import markup, metrics
from scenarios.output.folders import flat_settings
from scenarios.output.gallery import PICTURES, Look, Source
from scenarios.output.measured import to_xarray
from scenarios.output.painters import Picture
from scenarios.output.results import cpi_data

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

__all__ = ["html", "plot", "rich", "to_xarray"]

SMALL_DPI, WHOLE_DPI = 45, 90
ENDING = ".png"
ROOM = "scenarios.output.pictures"
ABSENT = "–"


class Sheet(NamedTuple):
    """A table, and the line of text above it."""

    above: str
    rows: Sequence[Sequence[object]] = ()
    headings: Sequence[str] = ()


Content = tuple[list[Sheet], Picture | None]


def html(shown: Any) -> str:
    """Return a scenario, an emulation, a run or a CPI as HTML."""
    sheets, drawn = _content(shown)
    tables = "".join(markup.table(*sheet) for sheet in sheets)
    return tables + (markup.picture(_png(_figure(drawn), SMALL_DPI), "Map") if drawn is not None else "")


def rich(shown: Any) -> "Group":
    """Return the same as tables for a terminal that rich writes to."""
    from rich.console import Group

    sheets, _ = _content(shown)
    return Group(*(part for sheet in sheets for part in _rich_parts(sheet)))


def _rich_parts(sheet: Sheet) -> "list[RenderableType]":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=bool(sheet.headings))
    for number in range(max(map(len, sheet.rows), default=0)):
        table.add_column(Text(sheet.headings[number]) if sheet.headings else "", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return [Text(sheet.above), table] if sheet.rows else [Text(sheet.above)]


# -- what is shown ----------------------------------------------------------------------------------------------------


def _content(shown: Any) -> Content:
    """Return the tables that tell what something is, and the picture below them, if there is one."""
    return next(make(shown) for kind, make in CONTENTS.items() if isinstance(shown, kind))


def _scenario(scenario: Scenario) -> Content:
    here, paper = flat_settings(scenario.data()), flat_settings(load("paper").data())
    keys = [key for key in [*here, *(key for key in paper if key not in here)] if here.get(key) != paper.get(key)]
    rows = [(key, here.get(key, ABSENT), paper.get(key, ABSENT)) for key in keys]
    return [Sheet(repr(scenario), rows or [("nothing differs", "", "")], ["key", "here", "paper"])], None


def _run(result: RunResult) -> Content:
    if not len(result.cpis):
        return [Sheet(repr(result))], None
    lines = Sheet(f"Run of {len(result.cpis)} CPIs, {result.slots} slots", metrics.lines(result.cpis))
    return [lines, _targets(result.cpis[-1])], _drawn(result, "map")


def _cpi(cpi: CpiResult) -> Content:
    return [Sheet(repr(cpi)), _targets(cpi)], _map_of_cpi(cpi)


def _map_of_cpi(cpi: CpiResult) -> Picture:
    """Return the map of a CPI; where it is stands in what was fused, which of a run the last CPI alone keeps."""
    fused = cpi.observation if cpi.observation is not None else cpi.area_map
    if fused is None:
        return Picture(f"{ROOM}:targets_figure", (cpi_data(cpi),))
    return Picture(f"{ROOM}:map_figure", (fused.network, fused.area, cpi_data(cpi)))


def _targets(cpi: CpiResult) -> Sheet:
    columns: Sequence[tuple[str, Sequence[str]]] = metrics.columns(cpi)
    rows = zip(range(len(cpi.truth_m)), *(texts for _, texts in columns), strict=True)
    return Sheet(f"Targets in CPI {cpi.index}", list(rows), ["target", *(heading for heading, _ in columns)])


def _emulation(emulation: Emulation) -> Content:
    kinds: dict[str, Collection[Node]] = {
        "access points": emulation.access_points.values(),
        "user equipments": emulation.user_equipments.values(),
        "targets": emulation.targets.values(),
        "central processor": [emulation.central],
    }
    nodes = [(f"{len(found)} {kind}", ", ".join(_classes(found))) for kind, found in kinds.items()]
    links = ("links of the fronthaul", len(emulation.fronthaul.links))
    rows = [*nodes, links, ("faults", len(emulation.faults.faults))]
    targets = [target.position_m(1e-9 * emulation.now_ns) for target in emulation.targets.values()]
    return [Sheet(repr(emulation), rows)], Picture(
        f"{ROOM}:survey_figure", (emulation.network, emulation.area, targets)
    )


def _classes(nodes: Collection[Node]) -> list[str]:
    return sorted({type(node).__name__ for node in nodes})


CONTENTS: dict[type, Callable[[Any], Content]] = {
    Scenario: _scenario, Emulation: _emulation, RunResult: _run, CpiResult: _cpi,
}  # fmt: skip


# -- figures ----------------------------------------------------------------------------------------------------------


def plot(result: RunResult | CpiResult, picture: str = "map", *, grid_step_m: float = 10.0) -> Any:
    """Return a picture of a run, or the map of a CPI, which shows itself in a notebook; see ``RunResult.plot``."""
    drawn = _map_of_cpi(result) if isinstance(result, CpiResult) else _drawn(result, picture, grid_step_m)
    figure = _figure(drawn)
    setattr(figure, "_repr_png_", partial(_png, figure, WHOLE_DPI))  # noqa: B010 - what notebooks ask for
    return figure


def _drawn(result: RunResult, picture: str, grid_step_m: float = 10.0) -> Picture:
    source = _source(picture)
    drawn = source(result, Look(grid_step_m)) if len(result.cpis) else None
    if drawn is None:
        raise ValueError(f'there is nothing to draw in the picture "{picture}": no CPI was run, or nothing recorded')
    return drawn


def _source(picture: str) -> Source:
    found = PICTURES.get(picture + ENDING)
    if found is None:
        known = ", ".join(name.removesuffix(ENDING) for name in PICTURES)
        raise ValueError(f"picture: got {picture!r:.60}; allowed: {known}")
    return found


def _figure(drawn: Picture) -> Any:
    from scenarios.output.draw import styled

    module, name = drawn.function.split(":")
    with styled():
        return getattr(import_module(module), name)(*drawn.values)


def _png(figure: Any, dpi: float) -> bytes:
    from scenarios.output.draw import styled

    content = BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()
