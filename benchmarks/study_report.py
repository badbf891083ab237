"""Measure the reports of output folders: their size, the time to make them, and when a browser has drawn them.

    python -m benchmarks.study_report results/paper-1 --starts 5
    python -m benchmarks.study_report results/paper-1 --pictures docs/images --cpi 3

Columns: the page, and the data in it, in kB; CPU time in s to make the page, of a process that has imported all; CPU
time in s of the browser's process for the page until all plots are drawn, and how long that took on this machine, in s:
medians of so many browsers that are started anew, with nothing in any cache. Without Chromium these two are left out.

With --pictures the first report is pictured, at a CPI: as report.png on a wide screen, as report-phone.png on a phone
whose user prefers dark.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from benchmarks.browser import CHROMIUM, Browser
from scenarios.output.results import load_result
from scenarios.report.data import report_data
from scenarios.report.page import report_html
from scenarios.report.told import scenario_table

KB = 1000.0
SCREENS = {"report.png": (1400, 1910, False), "report-phone.png": (390, 1700, True)}
"""Width and height in CSS pixels, and whether its user prefers dark."""


def data_kb(folder: Path) -> float:
    """Return how much of a page is what the run came to."""
    result = load_result(folder / "result.json")
    return len(json.dumps(report_data(folder, result, scenario_table(folder)))) / KB


def making_s(folder: Path) -> float:
    """Return the CPU time in s to make a page."""
    before_s = time.process_time()
    report_html(folder)
    return time.process_time() - before_s


def drawing_s(page: Path, n_starts: int) -> tuple[float, float]:
    """Return CPU time and time until a browser has drawn a page, medians of some that are started anew."""
    found = []
    for _ in range(n_starts):
        with Browser() as browser:
            browser.look(1400, 1000)
            ready_s = 1e-3 * browser.open(page)
            found.append((browser.process_s(), ready_s))
    cpu_s, ready_s = map(statistics.median, zip(*found, strict=True))
    return cpu_s, ready_s


def picture(page: Path, folder: Path, cpi: int) -> None:
    """Write pictures of a report at a CPI into a folder."""
    for name, (width, height, dark) in SCREENS.items():
        with Browser() as browser:
            browser.look(width, height, dark)
            browser.open(page)
            move = f"slider.value = {cpi}; slider.dispatchEvent(new Event('input'))"
            browser.evaluate(f"{{ const slider = document.getElementById('slider'); {move}; }}")
            browser.evaluate("new Promise((done) => setTimeout(done, 500))")
            (folder / name).write_bytes(browser.picture())


def line(folder: Path, n_starts: int) -> str:
    """Return what is measured of the report of a folder."""
    page = folder / "report.html"
    making_s(folder)  # the first one imports what it needs
    drawn = "".join(f"{value:>10.2f}" for value in drawing_s(page, n_starts)) if CHROMIUM else ""
    return f"{folder.name:<20}{page.stat().st_size / KB:>10.0f}{data_kb(folder):>10.0f}{making_s(folder):>10.2f}{drawn}"


def main() -> None:
    """Print a line for each folder, or picture the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="output folders with a report.html")
    parser.add_argument("--starts", type=int, default=5, help="browsers that open each page")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where pictures of the first report go")
    parser.add_argument("--cpi", type=int, default=0, help="place of the CPI that is pictured")
    arguments = parser.parse_args()
    if arguments.pictures is not None:
        picture(arguments.folders[0] / "report.html", arguments.pictures, arguments.cpi)
        return
    print(f"{'folder':<20}" + "".join(f"{head:>10}" for head in ("page kB", "data kB", "make s", "draw s", "ready s")))
    for folder in arguments.folders:
        print(line(folder, arguments.starts), flush=True)


if __name__ == "__main__":
    main()
