"""How emulations and results show themselves: as tables with a picture in a notebook, as figures, as arrays.

``emulator.shown`` says who asks.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import Any

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

__all__ = ["html", "plot", "to_xarray"]

SMALL_DPI, WHOLE_DPI = 45, 90
ENDING = ".png"
MAP = "scenarios.output.pictures:map_figure"
ABSENT = "–"


def html(shown: Any) -> str:
    """Return a scenario, an emulation, a run or a CPI as HTML."""
    return next(make(shown) for kind, make in TABLES.items() if isinstance(shown, kind))


def _scenario(scenario: Scenario) -> str:
    here, paper = flat_settings(scenario.data()), flat_settings(load("paper").data())
    keys = [key for key in [*here, *(key for key in paper if key not in here)] if here.get(key) != paper.get(key)]
    rows = [(key, here.get(key, ABSENT), paper.get(key, ABSENT)) for key in keys]
    return markup.table(repr(scenario), rows or [("nothing differs", "", "")], ["key", "here", "paper"])


def _run(result: RunResult) -> str:
    if not len(result.cpis):
        return markup.table(repr(result), [])
    lines = markup.table(f"Run of {len(result.cpis)} CPIs, {result.slots} slots", metrics.lines(result.cpis))
    return lines + _targets(result.cpis[-1]) + _small(plot(result), "Map of the last CPI")


def _cpi(cpi: CpiResult) -> str:
    fused = cpi.observation if cpi.observation is not None else cpi.area_map
    if fused is None:  # of a run the last CPI alone keeps what was fused, and where
        return markup.table(repr(cpi), []) + _targets(cpi)
    drawn = Picture(MAP, (fused.network, fused.area, cpi_data(cpi)))
    return markup.table(repr(cpi), []) + _targets(cpi) + _small(_figure(drawn), "Map of the CPI")


def _targets(cpi: CpiResult) -> str:
    columns: Sequence[tuple[str, Sequence[str]]] = metrics.columns(cpi)
    rows = zip(range(len(cpi.truth_m)), *(texts for _, texts in columns), strict=True)
    return markup.table(f"Targets in CPI {cpi.index}", rows, ["target", *(heading for heading, _ in columns)])


def _emulation(emulation: Emulation) -> str:
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
    drawn = Picture("scenarios.output.pictures:survey_figure", (emulation.network, emulation.area, targets))
    return markup.table(repr(emulation), rows) + _small(_figure(drawn), "Map")


def _classes(nodes: Collection[Node]) -> list[str]:
    return sorted({type(node).__name__ for node in nodes})


def plot(result: RunResult, picture: str = "map", *, grid_step_m: float = 10.0) -> Any:
    """Return a picture of a run, which shows itself in a notebook; see ``RunResult.plot``."""
    drawn = _source(picture)(result, Look(grid_step_m)) if len(result.cpis) else None
    if drawn is None:
        raise ValueError(f'there is nothing to draw in the picture "{picture}": no CPI was run, or nothing recorded')
    figure = _figure(drawn)
    setattr(figure, "_repr_png_", partial(_png, figure, WHOLE_DPI))  # noqa: B010 - what notebooks ask for
    return figure


def _figure(drawn: Picture) -> Any:
    from scenarios.output.draw import styled

    module, name = drawn.function.split(":")
    with styled():
        return getattr(import_module(module), name)(*drawn.values)


def _source(picture: str) -> Source:
    found = PICTURES.get(picture + ENDING)
    if found is None:
        known = ", ".join(name.removesuffix(ENDING) for name in PICTURES)
        raise ValueError(f"picture: got {picture!r:.60}; allowed: {known}")
    return found


def _small(figure: Any, about: str) -> str:
    return markup.picture(_png(figure, SMALL_DPI), about)


def _png(figure: Any, dpi: float) -> bytes:
    from scenarios.output.draw import styled

    content = BytesIO()
    with styled():
        figure.savefig(content, format="png", dpi=dpi)
    return content.getvalue()


TABLES: dict[type, Callable[[Any], str]] = {
    Scenario: _scenario, Emulation: _emulation, RunResult: _run, CpiResult: _cpi,
}  # fmt: skip
