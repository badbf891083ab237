"""The page report.html: a template filled with what a run came to, and all that it needs inlined."""

import base64
import platform
import shlex
from importlib import metadata
from pathlib import Path

from scenarios.extras import extra
from scenarios.output.folders import OutputFolder
from scenarios.output.results import load_result
from scenarios.report.data import facts, report_data
from scenarios.report.sheet import filled
from scenarios.report.told import differences, scenario_table, scenario_text

__all__ = ["NAME", "report_html", "write_report"]

NAME = "report.html"
COMMAND = "dmimo report"
LIBRARIES = ("numpy", "scipy", "simpy", "networkx", "matplotlib", "plotly")


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
    plotly, result = _plotly(), load_result(folder / "result.json")
    scenario, name = scenario_table(folder), folder.resolve().name
    return filled(
        "report.html", COMMAND, scripts=["common.js", "report.js"], styles=["common.css", "report.css"],
        library=plotly, title=name, seed=result["seed"], facts=facts(result), scenario_text=scenario_text(folder),
        differences=differences(scenario, result["seed"]), versions=_versions(),
        form=result["schema_version"], commands=_commands(name, result["seed"]),
        data=report_data(folder, result, scenario), cost_map=_picture(folder / "cost_map.png"),
    )  # fmt: skip


def _plotly() -> str:
    """Return the script that draws in the browser; an error in words if it is not there."""
    with extra("report", COMMAND):
        from plotly.offline import get_plotlyjs
    script: str = get_plotlyjs()
    return script


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
