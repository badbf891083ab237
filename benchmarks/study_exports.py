"""Measure the forms of timelines of output folders: what they take to make, their size, how soon a page is drawn.

    python -m benchmarks.study_exports results/paper-1 results/hundred results/drift
    python -m benchmarks.study_exports results/drift --pictures docs/images --cpi 26

For each folder two columns: CPU time in s of the whole command `dmimo timeline DIR --format FORM`, and the size of its
files in MB. Below, of the page: CPU time in s of the browser's process for it until all is drawn, and how long that
took on this machine, in s: medians of so many browsers that are started anew. Without Chromium these are left out.

With --pictures the pages are pictured, with a CPI framed and near it, as timeline-NAME.png: NAME is that of the folder.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.browser import CHROMIUM, Browser
from benchmarks.study_report import drawing_s
from scenarios.exports import FORMATS

MB = 1e6
SCREEN = (1400, 900)


def make(folder: Path, form: str, place: Path) -> tuple[float, Path]:
    """Write a form of a folder's timeline into another; return the CPU time in s, and the first file."""
    path = place / f"timeline{next(iter(FORMATS[form]))}"
    command = [sys.executable, "-m", "scenarios", "timeline", folder, "--format", form, "--out", path]
    before_s = _children_s()
    subprocess.run(command, check=True, capture_output=True)
    return _children_s() - before_s, path


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(folder: Path, form: str) -> tuple[float, float]:
    """Return CPU time in s and size in MB of a form."""
    with tempfile.TemporaryDirectory() as place:
        cpu_s, _ = make(folder, form, Path(place))
        return cpu_s, sum(path.stat().st_size for path in Path(place).iterdir()) / MB


def drawn(folder: Path, n_starts: int) -> tuple[float, float]:
    """Return CPU time and time in s until a browser has drawn the page of a folder."""
    with tempfile.TemporaryDirectory() as place:
        return drawing_s(make(folder, "html", Path(place))[1], n_starts)


def picture(folder: Path, place: Path, cpi: int, dark: bool) -> None:
    """Picture the page of a folder, near a CPI."""
    with tempfile.TemporaryDirectory() as made, Browser() as browser:
        browser.look(*SCREEN, dark)
        browser.open(make(folder, "html", Path(made))[1])
        move = f"slider.value = {cpi}; slider.dispatchEvent(new Event('input'))"
        browser.evaluate(f"{{ const slider = document.getElementById('slider'); {move}; }}")
        browser.evaluate("new Promise((done) => setTimeout(done, 300))")
        (place / f"timeline-{folder.name}.png").write_bytes(browser.picture())


def main() -> None:
    """Print a table, or picture the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="output folders of dmimo run")
    parser.add_argument("--starts", type=int, default=5, help="browsers that open each page")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where pictures of the pages go")
    parser.add_argument("--cpi", type=int, default=0, help="place of the CPI that is pictured")
    parser.add_argument("--dark", action="store_true", help="picture it for a user who prefers dark")
    arguments = parser.parse_args()
    if arguments.pictures is not None:
        for folder in arguments.folders:
            picture(folder, arguments.pictures, arguments.cpi, arguments.dark)
        return
    print(f"{'form':<10}" + "".join(f"{folder.name + ' s':>14}{'MB':>8}" for folder in arguments.folders))
    for form in FORMATS:
        cells = (measured(folder, form) for folder in arguments.folders)
        print(f"{form:<10}" + "".join(f"{cpu_s:>14.2f}{size:>8.3f}" for cpu_s, size in cells), flush=True)
    if CHROMIUM:
        print(f"\n{'page':<10}{'draw s':>14}{'ready s':>8}")
        for folder in arguments.folders:
            cpu_s, ready_s = drawn(folder, arguments.starts)
            print(f"{folder.name:<10}{cpu_s:>14.2f}{ready_s:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
