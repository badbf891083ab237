"""`dmimo report`: a page that needs nothing else, whose numbers are those of result.json, in which no name is code."""

import builtins
import json
import re
import shutil

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.browser import Browser
from scenarios.commands.cli import app
from scenarios.file.files import load
from scenarios.output.folders import MANIFEST
from scenarios.report import data, events
from scenarios.report.told import differences
from tests.conftest import SMALL
from tests.pages import IMAGE, SAID, SCRIPT, data_in, dmimo, needs_browser, settings

pytest.importorskip("jinja2")
pytest.importorskip("plotly")

LAST = "</script><!-- & \u2028 '"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An output folder with a report: four CPIs of the small network, in the third of which an AP is down."""
    path = tmp_path_factory.mktemp("report") / "small"
    fault = tmp_path_factory.mktemp("scenario") / "fault.toml"
    fault.write_text('[[faults]]\nkind = "ap-down"\nnode = "ap-1"\nat_s = 4.0e-4\nuntil_s = 5.0e-4\n')
    dmimo("run", fault, *settings({**SMALL, "schedule.cpis": 4}), "--out", path)
    dmimo("report", path)
    return path


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the folder, to be changed."""
    return shutil.copytree(folder, tmp_path / "small")


def html(path):
    return (path / "report.html").read_text(encoding="utf-8")


def payload(path):
    """Return the data in a page."""
    return data_in(html(path))


def result_of(path):
    return json.loads((path / "result.json").read_text())


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_numbers_of_the_result_are_in_the_page_as_they_are(folder):
    assert payload(folder)["result"] == result_of(folder)


def test_the_same_folder_gives_the_same_bytes(folder):
    before = (folder / "report.html").read_bytes()
    assert dmimo("report", folder).strip() == str(folder / "report.html")
    assert (folder / "report.html").read_bytes() == before
    assert "report" in json.loads((folder / MANIFEST).read_text())["commands"]


def test_a_report_of_somebody_else_is_not_replaced(copied):
    (copied / "report.html").write_text("mine")
    refused = CliRunner().invoke(app, ["report", str(copied)])
    assert refused.exit_code == 2
    assert "did not write" in refused.output
    assert (copied / "report.html").read_text() == "mine"


@pytest.mark.parametrize("missing", ["result.json", "scenario.toml"])
def test_a_folder_without_its_files_is_refused_in_words(copied, missing):
    (copied / missing).unlink()
    refused = CliRunner().invoke(app, ["report", str(copied)])
    assert refused.exit_code == 2
    assert missing in refused.output


def test_a_scenario_that_is_none_of_a_run_is_refused_in_words(copied):
    (copied / "scenario.toml").write_text("[radio]\n")
    refused = CliRunner().invoke(app, ["report", str(copied)])
    assert refused.exit_code == 2
    assert "is not that of a run" in refused.output


def test_without_the_extra_one_error_says_what_to_install(folder, monkeypatch):
    real = builtins.__import__

    def without_plotly(name, *arguments):
        if name.startswith("plotly"):
            raise ModuleNotFoundError(f"No module named {name!r}", name="plotly")
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_plotly)
    refused = CliRunner().invoke(app, ["report", str(folder)])
    assert refused.exit_code == 2
    assert (
        'needs the package plotly, which is not installed; allowed after: pip install "dmimo-isac[report]"'
        in refused.output
    )


def test_a_folder_without_trace_and_cost_map_has_a_report_that_says_so(copied):
    (copied / "trace.npz").unlink()
    (copied / "cost_map.png").unlink()
    dmimo("report", copied)
    assert payload(copied)["timeline"] is None
    assert "trace.npz" in payload(copied)["without_timeline"]
    assert "The folder holds no cost_map.png" in html(copied)


def test_nothing_is_loaded_from_anywhere(folder):
    page = re.sub(r"<script.*?</script>", "", html(folder), flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page) == []
    assert "url(" not in page
    assert "default-src 'none'" in page


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_scenario_of_the_paper_differs_in_nothing():
    assert differences(load("paper").resolved(3).data(), 3) == []


def test_what_differs_from_the_paper_is_named_with_both_values():
    here = load("paper", {"radio.transmit_power_dbm": 20.0, "fronthaul.topology": "ring"}).resolved(1).data()
    assert [tuple(one) for one in differences(here, 1)] == [
        ("radio.transmit_power_dbm", "20.0", "30.0"),
        ("fronthaul.topology", "ring", "star"),
    ]


def test_faults_and_who_was_left_out_stand_with_their_cpis():
    cpis = [{"index": i} for i in range(6)]
    for i in (1, 2, 4):
        cpis[i] |= {"faults": [{"kind": "ap-down", "node": "ap-3"}], "excluded": ["ap-3"]}
    spans = [[1, 2], [4, 4]]
    assert data._disturbances(cpis) == [
        {"what": "ap-down", "where": "ap-3", "cpis": spans},
        {"what": "left out", "where": "ap-3", "cpis": spans},
    ]


def test_of_a_long_run_the_page_holds_a_share_that_it_tells(copied, monkeypatch):
    monkeypatch.setattr(data, "MOST_CHARACTERS", len(json.dumps(result_of(copied)["cpis"][0])) * 2)
    dmimo("report", copied)
    shown = payload(copied)
    assert [cpi["index"] for cpi in shown["result"]["cpis"]] == [0, 2]
    assert (shown["n_cpis"], shown["every"]) == (4, 2)


def test_the_timeline_holds_the_first_cpis_that_fit(copied, monkeypatch):
    monkeypatch.setattr(events, "MOST_CPIS", 2)
    dmimo("report", copied)
    timeline = payload(copied)["timeline"]
    assert (timeline["first"], timeline["last"]) == (0, 1)
    assert {lane["name"] for lane in timeline["lanes"]} == {f"ap-{i}" for i in range(6)}


def test_the_lanes_show_who_was_down(folder):
    timeline = payload(folder)["timeline"]
    lane = next(lane for lane in timeline["lanes"] if lane["name"] == "ap-1")
    assert str(timeline["cells"]["down"]) in lane["cells"]


def test_many_changes_are_thinned_to_the_highest_of_each_stretch(monkeypatch):
    monkeypatch.setattr(events, "MOST_STEPS", 10)
    times = np.arange(100)
    counts = np.arange(100) % 7
    starts, highest = events._coarse(times, counts)
    assert starts.tolist() == list(range(0, 100, 10))
    assert highest.tolist() == [max(counts[i : i + 10]) for i in range(0, 100, 10)]


# -- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; it catches alerts."""
    with Browser() as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=SAID)
        yield opened


@pytest.fixture
def page(browser, folder):
    """The report in a browser that has said nothing yet."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.look(1200, 900)
    browser.open(folder / "report.html")
    return browser


def table(browser, name):
    """Return the exact values behind the cells of a table."""
    cells = f"[...document.querySelectorAll('#{name} td[data-value]')].map((cell) => JSON.parse(cell.dataset.value))"
    return browser.evaluate(cells)


def shown(browser):
    return browser.evaluate("document.getElementById('shown').textContent")


@needs_browser
def test_a_browser_complains_of_nothing_and_asks_for_nothing(page, folder):
    for _ in range(3):
        page.press("ArrowRight")
    page.press("d")
    page.look(390, 800)
    assert page.evaluate("document.querySelectorAll('.js-plotly-plot').length") == 6
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [(folder / "report.html").as_uri()]


@needs_browser
def test_the_tables_show_the_numbers_of_each_cpi(page, folder):
    result = result_of(folder)
    for number, cpi in enumerate(result["cpis"]):
        assert shown(page).startswith(f"CPI {number} ")
        expected = [
            target[key]
            for target in cpi["targets"]
            for key in ("error_m", "peb_m", "peb_structured_m", "estimate_m", "truth_m")
            if target[key] is not None
        ]
        assert table(page, "target-table") == expected
        assert table(page, "user-table")[::2] == cpi["se_bit_s_hz"]
        page.press("ArrowRight")
    utilisations = table(page, "link-table")[::5]
    assert utilisations == sorted((link["utilisation"] for link in result["fronthaul"]["links"].values()), reverse=True)


@needs_browser
def test_keys_and_the_slider_move_through_the_run(page, folder):
    keys = {"End": "CPI 3 ", "ArrowRight": "CPI 3 ", "ArrowLeft": "CPI 2 ", "Home": "CPI 0 "}
    for key, text in keys.items():
        page.press(key)
        assert shown(page).startswith(text)
    page.evaluate("document.getElementById('play').focus()")
    page.press("End")
    assert shown(page).startswith("CPI 3 ")
    page.evaluate("{ const s = document.getElementById('slider'); s.value = 2; s.dispatchEvent(new Event('input')); }")
    assert shown(page).startswith("CPI 2 ")
    framed = "document.getElementById('timeline-plot').layout.shapes.at(-1)"
    assert page.evaluate(f"{framed}.x0") == next(
        cpi["span_ms"][0] for cpi in payload(folder)["timeline"]["cpis"] if cpi["index"] == 2
    )


@needs_browser
def test_playing_reaches_the_end_and_stops(page):
    page.evaluate("document.getElementById('speed').value = '200'")
    page.press(" ")
    page.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert shown(page).startswith("CPI 3 ")
    assert page.evaluate("document.getElementById('play').textContent") == "▶ Play"


@needs_browser
def test_the_map_marks_the_ap_that_is_down(page, folder):
    marked = (
        "document.getElementById('map-plot').data.filter((one) => one.marker && one.marker.symbol === 'x-thin'"
        " && one.marker.size === 19)[0].text"
    )
    assert page.evaluate(marked) == []
    down = next(i for i, cpi in enumerate(result_of(folder)["cpis"]) if cpi.get("faults"))
    for _ in range(down):
        page.press("ArrowRight")
    [text] = page.evaluate(marked)
    assert text.startswith("ap-1: ")
    assert "ap-down" in text


@needs_browser
def test_it_follows_the_theme_of_the_system_and_a_button(page, folder):
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.look(1200, 900, dark=True)
    page.open(folder / "report.html")
    assert page.evaluate(theme) == "dark"
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(theme) == "light"


@needs_browser
@pytest.mark.parametrize("width", [360, 768, 1400])
def test_no_width_needs_scrolling_sideways(page, folder, width):
    page.look(width, 800)
    page.open(folder / "report.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@needs_browser
def test_on_paper_no_picture_is_wider_than_the_page(page):
    wide = "[...document.querySelectorAll('.plot .main-svg')].map((one) => one.clientWidth)"
    before = page.evaluate(wide)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert max(before) > 700 >= max(page.evaluate(wide))
    page.evaluate("dispatchEvent(new Event('afterprint')); new Promise((done) => setTimeout(done, 600))")
    assert page.evaluate(wide) == before


@needs_browser
def test_an_ideal_run_without_targets_and_users_has_a_report(browser, tmp_path):
    none = {**SMALL, "user_equipment.count": 0, "schedule.cpis": 2}
    empty = tmp_path / "empty.toml"
    empty.write_text("targets = []\n")
    dmimo("run", empty, *settings(none), "--out", tmp_path / "out")
    dmimo("report", tmp_path / "out")
    browser.complaints.clear()
    browser.open(tmp_path / "out" / "report.html")
    assert browser.complaints == []
    assert browser.evaluate("document.getElementById('verdict').textContent").startswith("0 of 0 targets resolved")


# -- names that would be code -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """The folder of a run over switches with such names, itself named like that, whose results tell of more."""
    place = tmp_path_factory.mktemp("poison")
    names = [f"ap-{i}" for i in range(6)]
    graph = nx.Graph([("central", SCRIPT), (SCRIPT, IMAGE), *((IMAGE, name) for name in names[:3])])
    graph.add_edges_from(("central", name) for name in names[3:])
    nx.write_graphml(graph, place / "net.graphml")
    path = place / "<img src=x onerror=alert(1)>"
    dmimo("run", "paper", *settings({**SMALL, "schedule.cpis": 2, "fronthaul.topology": str(place / "net.graphml")}),
          "--out", path)  # fmt: skip
    result = result_of(path)
    for cpi in result["cpis"]:
        cpi["faults"] = [{"kind": SCRIPT, "node": "ap-0"}, {"kind": LAST, "link": IMAGE}]
        cpi["excluded"] = [IMAGE, LAST]
        cpi["targets"][0] |= {"status": "not-resolved", "reason": IMAGE}
    (path / "result.json").write_text(json.dumps(result))
    text = (path / "scenario.toml").read_text()
    node = f"\n[[access_points.node]]\nname = \"ap-1\"\nkind = '''{SCRIPT}{IMAGE}'''\n"
    oscillators = f"\n[oscillators]\nkind = '''{IMAGE}'''\n"
    (path / "scenario.toml").write_text(f"{text}{node}{oscillators}")
    dmimo("report", path)
    return path


def test_no_name_ends_an_element_or_begins_one(poisoned):
    page = html(poisoned)
    scripts = re.findall(r"<script[^>]*>", re.sub(r"(<script>).*?(</script>)", r"\1\2", page, flags=re.DOTALL))
    assert scripts == ['<script type="application/json" id="data">', "<script>", "<script>"]
    assert re.findall(r"<img [^>]*>", page.partition('<script type="application/json"')[0]) == [
        tag for tag in re.findall(r"<img [^>]*>", page) if tag.startswith('<img src="data:image/png')
    ]
    assert "\u2028" not in page.partition('<script type="application/json"')[2].partition("</script>")[0]


@needs_browser
def test_names_that_would_be_code_are_shown_and_do_nothing(browser, poisoned):
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(poisoned / "report.html")
    browser.press("ArrowRight")
    browser.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert browser.evaluate("window.alarms") == []
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("data:", "file:"))] == []
    assert browser.evaluate("document.querySelectorAll('img[src=x], main script').length") == 0
    text = browser.evaluate("document.body.innerText")
    for name in (SCRIPT, IMAGE, LAST.split("\u2028")[0]):
        assert name in text


@needs_browser
def test_the_guard_catches_what_would_run(browser, poisoned, tmp_path):
    """The test above could see nothing only because nothing is looked at: here a name is let through."""
    page = html(poisoned)
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page)[0]
    bad = page.replace("<noscript>", '<img src="data:," onerror="alert(1)"><noscript>')
    (tmp_path / "open.html").write_text(bad.replace(policy, ""))
    (tmp_path / "guarded.html").write_text(bad)
    for name, alarms in (("open.html", ["1"]), ("guarded.html", [])):
        browser.complaints.clear()
        browser.open(tmp_path / name)
        assert browser.evaluate("window.alarms.map(String)") == alarms
    assert any("Content Security Policy" in one for one in browser.complaints)
