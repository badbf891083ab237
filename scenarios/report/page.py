"""The page report.html: a template filled with what a run came to, and all that it needs inlined.

The page asks for nothing from anywhere: a browser refuses it, by a policy at its head that allows the two scripts in it
alone, known by their digests. So nothing runs that a name from a scenario file might smuggle in.
"""

import base64
import hashlib
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from scenarios.extras import extra
from scenarios.output.folders import OutputFolder
from scenarios.output.results import load_result
from scenarios.report.data import facts, report_data
from scenarios.report.told import differences, scenario_table, scenario_text

__all__ = ["NAME", "report_html", "write_report"]

NAME = "report.html"
LIBRARIES = ("numpy", "scipy", "simpy", "networkx", "matplotlib", "plotly")
TEMPLATES = Path(__file__).parent / "templates"


class _Library(NamedTuple):
    """What draws in the browser, and what fills the template."""

    plotly: str
    environment: Any


def write_report(folder: Path) -> Path:
    """Write report.html into an output folder of `dmimo run`, and return its path.

    Raises
    ------
    ScenarioError
        If the folder holds no run, a report.html that is somebody else's, or the extra is not installed.
    """
    html = report_html(folder)
    place = OutputFolder(path=folder, command="report", names=(NAME,), settings={})
    return place.update(NAME, lambda path: path.write_bytes(html.encode("utf-8")))


def report_html(folder: Path) -> str:
    """Return the page of an output folder; raises ScenarioError as `write_report` does."""
    library, result = _library(), load_result(folder / "result.json")
    scenario, script, name = scenario_table(folder), _text("report.js"), folder.resolve().name
    return str(
        library.environment.get_template("report.html").render(
            title=name, seed=result["seed"], facts=facts(result), scenario_text=scenario_text(folder),
            differences=differences(scenario, result["seed"]), versions=_versions(),
            form=result["schema_version"], commands=_commands(name, result["seed"]),
            data=report_data(folder, result, scenario),
            cost_map=_picture(folder / "cost_map.png"), style=_text("report.css"), script=script, plotly=library.plotly,
            digests=[_digest(library.plotly), _digest(script)],
        )
    )  # fmt: skip


def _library() -> _Library:
    """Return what the extra brings; an error in words if it is not there."""
    with extra("report", "dmimo report"):
        import jinja2
        from plotly.offline import get_plotlyjs
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return _Library(get_plotlyjs(), environment)


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """Return what a browser knows a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _picture(path: Path) -> str:
    """Return a picture as a URL that holds it; empty if there is none."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""


def _versions() -> dict[str, str]:
    """Return the versions of what made the page."""
    return {"dmimo-isac": _version("dmimo-isac"), "Python": platform.python_version()} | {
        name: _version(name) for name in LIBRARIES
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commands(name: str, seed: int) -> list[tuple[str, str]]:
    """Return what may be done with an output folder of a name, and the commands that do it."""
    here = shlex.quote(name)
    return [
        ("run it again, the same to the byte", f"dmimo run {here}/scenario.toml --seed {seed} --out again"),
        ("make this page again", f"dmimo report {here}"),
        ("draw its timeline as a picture", f"dmimo timeline {here}"),
        ("say what an access point did, in words", f"dmimo explain {here} ap-0"),
    ]
