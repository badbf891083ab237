"""Measure the reports of output folders: their size, the time to make them, and when a browser has drawn them.

    python -m benchmarks.study_report results/paper-1 --starts 5

Columns: the page and the data in it, in kB; CPU time to make the page, in s, of a process that has imported all; time from
asking a browser for the page to all plots drawn, in s, the median of so many browsers that are started anew, each of which
has nothing in any cache. Without Chromium the last column is left out.
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


def data_kb(folder: Path) -> float:
    """Return how much of a page is what the run came to."""
    result = load_result(folder / "result.json")
    return len(json.dumps(report_data(folder, result, scenario_table(folder)))) / KB


def making_s(folder: Path) -> float:
    """Return the CPU time in s to make a page."""
    before_s = time.process_time()
    report_html(folder)
    return time.process_time() - before_s


def ready_s(page: Path, n_starts: int) -> float:
    """Return after what time a browser has drawn a page, the median of some that are started anew."""
    found = []
    for _ in range(n_starts):
        with Browser() as browser:
            browser.look(1400, 1000)
            found.append(1e-3 * browser.open(page))
    return statistics.median(found)


def main() -> None:
    """Print a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="output folders with a report.html")
    parser.add_argument("--starts", type=int, default=5, help="browsers that open each page")
    arguments = parser.parse_args()
    print(f"{'folder':<24}{'page kB':>10}{'data kB':>10}{'make s':>10}{'ready s':>10}")
    for folder in arguments.folders:
        page = folder / "report.html"
        making_s(folder)  # the first one imports what it needs
        drawn = f"{ready_s(page, arguments.starts):>10.2f}" if CHROMIUM else ""
        size_kb, made_s = page.stat().st_size / KB, making_s(folder)
        print(f"{folder.name:<24}{size_kb:>10.0f}{data_kb(folder):>10.0f}{made_s:>10.2f}{drawn}")


if __name__ == "__main__":
    main()
