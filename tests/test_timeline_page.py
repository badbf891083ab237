"""The timeline as a page, in a browser: what it says, its keys, that it asks for nothing and runs no name."""

import json

import networkx as nx
import pytest

from benchmarks.browser import Browser
from tests.conftest import SMALL
from tests.pages import IMAGE, SAID, SCRIPT, data_in, dmimo, needs_browser, settings

pytest.importorskip("jinja2")
pytestmark = needs_browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of four CPIs of the small network over switches whose names would be code."""
    place = tmp_path_factory.mktemp("page")
    names = [f"ap-{i}" for i in range(6)]
    graph = nx.Graph([("central", SCRIPT), (SCRIPT, IMAGE), *((IMAGE, name) for name in names[:3])])
    graph.add_edges_from(("central", name) for name in names[3:])
    nx.write_graphml(graph, place / "net.graphml")
    keys = {**SMALL, "schedule.cpis": 4, "fronthaul.topology": str(place / "net.graphml"), "fronthaul.rate_bit_s": 1e8}
    dmimo("run", "paper", *settings(keys), "--out", place / "run")
    dmimo("timeline", place / "run", "--format", "html")
    return place / "run" / "timeline.html"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; it catches alerts."""
    with Browser() as opened:
        opened.call("Page.addScriptToEvaluateOnNewDocument", source=SAID)
        yield opened


@pytest.fixture
def page(browser, file):
    """The page in a browser that has said nothing yet."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.look(1200, 900)
    browser.open(file)
    return browser


def text_of(page, name):
    return page.evaluate(f"document.getElementById('{name}').textContent")


def window_ns(page):
    return json.loads(page.evaluate("document.getElementById('lanes').dataset.window"))


def point_at(page, lane, time_ns, kind="mouseMoved", **more):
    """Move the pointer to a time in the lane of a name; return what the page says there."""
    start_ns, end_ns = window_ns(page)
    shown = page.evaluate("[...document.querySelectorAll('#names span')].map((one) => one.textContent)")
    name = f"document.querySelectorAll('#names span')[{shown.index(lane)}].getBoundingClientRect()"
    box = "document.getElementById('lanes').getBoundingClientRect()"
    x, y, wide = page.evaluate(f"[{box}.left, {name}.top + 8, {box}.width]")
    at = {"x": x + wide * (time_ns - start_ns) / (end_ns - start_ns), "y": y}
    page.call("Input.dispatchMouseEvent", type=kind, **at, **more)
    return text_of(page, "tip")


def test_a_browser_complains_of_nothing_and_asks_for_nothing(page, file):
    for key in ("ArrowRight", "+", "-", "0", "1", "d", "ArrowDown", "n", "p", "N", "?"):
        page.press(key)
    page.look(390, 800, dark=True)
    page.evaluate("new Promise((done) => setTimeout(done, 200))")
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [file.as_uri()]


def test_names_that_would_be_code_are_shown_and_do_nothing(page):
    assert page.evaluate("window.alarms") == []
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    shown = page.evaluate("[...document.querySelectorAll('#names span')].map((one) => one.textContent)")
    assert f"{SCRIPT} → {IMAGE}" in shown


def test_keys_move_from_cpi_to_cpi_and_keep_it_in_the_window(page, file):
    cpis = data_in(file.read_text())["cpis"]
    last = cpis[-1]["index"]
    keys = {"End": last, "ArrowRight": last, "ArrowLeft": last - 1, "Home": 0}
    page.press("1")
    for key, number in keys.items():
        page.press(key)
        assert text_of(page, "shown").startswith(f"CPI {number} of 0")
        start_ns, end_ns = window_ns(page)
        span_ns = next(cpi["span_ns"] for cpi in cpis if cpi["index"] == number)
        assert start_ns <= span_ns[0] < end_ns
    page.evaluate("{ const s = document.getElementById('slider'); s.value = 2; s.dispatchEvent(new Event('input')); }")
    assert text_of(page, "shown").startswith("CPI 2 ")


def test_keys_zoom_and_move_within_the_run(page, file):
    span_ns = data_in(file.read_text())["span_ns"]
    page.press("0")
    assert window_ns(page) == span_ns
    page.press("-")
    assert window_ns(page) == span_ns
    page.press("+")
    start_ns, end_ns = window_ns(page)
    assert end_ns - start_ns == pytest.approx((span_ns[1] - span_ns[0]) / 2, abs=2)
    page.press("ArrowRight", shift=True)
    assert window_ns(page)[0] == pytest.approx(start_ns + (end_ns - start_ns) / 4, abs=2)
    for _ in range(40):
        page.press("+")
    start_ns, end_ns = window_ns(page)
    assert end_ns - start_ns == 20


def test_the_pointer_reads_messages_slots_and_estimates(page, file):
    data = data_in(file.read_text())
    lanes, hops = [name for group in data["groups"] for name in group], data["hops"]
    page.press("0")
    i = max(range(len(hops["lane"])), key=lambda i: hops["lasts"][i])
    lane = lanes[hops["lane"][i]].replace("->", " → ")
    said = point_at(page, lane, hops["given"][i] + hops["waited"][i] + hops["lasts"][i] / 2)
    assert said.startswith(f"{hops['what'][i]} {hops['number'][i]} about CPI {hops['cpi'][i]}, {hops['bits'][i]} bit: ")
    assert f"sent {(hops['given'][i] + hops['waited'][i] + hops['lasts'][i]) * 1e-6:.6f} ms" in said
    slots = data["grid"]["slot_edges_ns"]
    name = next(name for name, cells in data["cells"].items() if cells[1] == "2")
    assert point_at(page, name, (slots[1] + slots[2]) / 2).startswith(
        f"{name} communicates and senses\nCPI 0, slot 1\n"
    )
    target = point_at(page, "target-0", (slots[0] + slots[1]) / 2)
    assert target == f"target-0: {data['targets']['target-0'][0]}\nCPI 0"


def test_a_wheel_zooms_about_the_pointer_and_a_drag_moves(page):
    page.press("0")
    start_ns, end_ns = window_ns(page)
    about_ns = start_ns + (end_ns - start_ns) // 4
    point_at(page, "ap-0", about_ns, "mouseWheel", deltaX=0, deltaY=-300)
    zoomed_ns = window_ns(page)
    assert zoomed_ns[1] - zoomed_ns[0] == pytest.approx((end_ns - start_ns) / 2, rel=0.01)
    assert (about_ns - zoomed_ns[0]) / (zoomed_ns[1] - zoomed_ns[0]) == pytest.approx(0.25, abs=0.01)
    middle_ns = sum(zoomed_ns) / 2
    point_at(page, "ap-0", middle_ns, "mousePressed", button="left", clickCount=1)
    point_at(page, "ap-0", middle_ns - (zoomed_ns[1] - zoomed_ns[0]) / 8, buttons=1)
    moved_ns = window_ns(page)
    assert moved_ns[0] - zoomed_ns[0] == pytest.approx((zoomed_ns[1] - zoomed_ns[0]) / 8, rel=0.05)


def test_events_are_read_by_keys_one_after_the_other(page):
    page.press("Home")
    read = []
    for _ in range(3):
        page.press("n")
        read.append(text_of(page, "tip"))
    assert read[0].split("\n")[0].startswith("┃ central: plan, CPI 0")
    page.press("p")
    assert text_of(page, "tip") == read[1]
    page.press("N")
    assert text_of(page, "tip").startswith("ap-0 ")


def test_events_of_one_instant_are_all_read(page, file):
    data = data_in(file.read_text())
    own = [i for i, lane in enumerate(data["marks"]["lane"]) if lane == 0]
    assert len({data["marks"]["time"][i] for i in own}) < len(own), "some are of one instant"
    page.press("0")
    read = []
    for _ in own:
        page.press("n")
        read.append(text_of(page, "tip").split("\n")[0])
    assert sorted(read) == sorted(
        f"{data['looks'][kind][0]} central: {kind}, {said}"
        for kind, said in ((data["marks"]["kind"][i], data["marks"]["said"][i]) for i in own)
    )


def touched(page, kind, *places):
    points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
    page.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)


def test_a_finger_reads_and_two_fingers_zoom(page, file):
    page.look(360, 740)
    page.call("Emulation.setTouchEmulationEnabled", enabled=True)
    page.open(file)
    data = data_in(file.read_text())
    page.press("0")
    start_ns, end_ns = window_ns(page)
    left, wide = page.evaluate(
        "(({left, width}) => [left, width])(document.getElementById('lanes').getBoundingClientRect())"
    )
    slots = data["grid"]["slot_edges_ns"]
    x = left + wide * ((slots[0] + slots[1]) / 2 - start_ns) / (end_ns - start_ns)
    y = page.evaluate("document.querySelectorAll('#names span')[1].getBoundingClientRect().top") + 8
    touched(page, "touchStart", (x, y))
    touched(page, "touchEnd")
    assert text_of(page, "tip").startswith("ap-0 ")
    assert not page.evaluate("document.getElementById('tip').hidden")
    middle = left + wide / 2
    touched(page, "touchStart", (middle - 40, y), (middle + 40, y))
    touched(page, "touchMove", (middle - 80, y), (middle + 80, y))
    touched(page, "touchEnd")
    page.call("Emulation.setTouchEmulationEnabled", enabled=False)
    nearer_ns = window_ns(page)
    assert nearer_ns[1] - nearer_ns[0] == pytest.approx((end_ns - start_ns) / 2, rel=0.02)


def test_paper_is_light_and_has_no_part_that_is_cut(page, file):
    """Between the two events a browser lays the page out for paper, and draws nothing more."""
    page.look(1200, 900, dark=True)
    page.open(file)
    drawn = page.evaluate(
        """(() => { dispatchEvent(new Event("beforeprint"));
        const lanes = document.getElementById("lanes"), box = document.getElementById("scroller");
        return [document.documentElement.dataset.theme, lanes.width, lanes.clientWidth, lanes.height, box.clientHeight,
          document.querySelector("main").clientWidth]; })()"""
    )
    assert drawn[0] == "light"
    assert drawn[1] == drawn[2] and drawn[3] == drawn[4], "what is drawn fills its place"
    assert drawn[5] == 700
    after = "(() => { dispatchEvent(new Event('afterprint')); return document.getElementById('lanes').width; })()"
    assert page.evaluate(after) > 700
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_it_is_painted_and_follows_the_theme(page, file):
    """What is drawn has the colours of the theme: a slot that listens, and the card behind it."""
    seen = "[...document.getElementById('lanes').getContext('2d').getImageData({}, {}, 1, 1).data].slice(0, 3)"
    data = data_in(file.read_text())
    lanes, edges = [name for group in data["groups"] for name in group], data["grid"]["slot_edges_ns"]
    name = next(name for name, cells in data["cells"].items() if cells[1] == "3")
    for dark, colour in ((False, [0xE6, 0x9F, 0x00]), (True, [0xF2, 0xB6, 0x32])):
        page.look(1200, 900, dark=dark)
        page.open(file)
        start_ns, end_ns = window_ns(page)
        wide = page.evaluate("document.getElementById('lanes').clientWidth")
        x = int(wide * (edges[1] + (edges[2] - edges[1]) * 0.05 - start_ns) / (end_ns - start_ns)) + 2
        y = page.evaluate(f"document.querySelectorAll('#names span')[{lanes.index(name)}].offsetTop") + 4
        assert page.evaluate(seen.format(x, y)) == colour
        assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def test_the_list_of_keys_opens_and_closes(page):
    opened = "document.getElementById('keys').open"
    page.press("?")
    assert page.evaluate(opened)
    page.evaluate("document.querySelector('#keys button').click()")
    assert not page.evaluate(opened)


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_no_width_needs_scrolling_sideways(page, file, width):
    page.look(width, 800)
    page.open(file)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_part_without_events_opens(browser, file, tmp_path):
    dmimo("timeline", file.parent, "--format", "html", "--from", "0.000001", "--until", "0.000002", "--out",
          tmp_path / "t.html")  # fmt: skip
    browser.complaints.clear()
    browser.open(tmp_path / "t.html")
    assert browser.complaints == []
