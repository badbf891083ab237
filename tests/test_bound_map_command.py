"""`dmimo bound --map`: the bound over the area, as numbers, picture and arrays."""

import json

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from emulator.media.topologies import star
from scenarios.commands.cli import app
from scenarios.figures import bound_map
from scenarios.file.files import load
from scenarios.output.folders import OutputFolder
from tests.texts import cut_off

WEAK = ("--set", "radio.transmit_power_dbm=20", "--set", "schedule.snapshots_per_slot=1")
WEAK_SETTING = {"radio.transmit_power_dbm": 20.0, "schedule.snapshots_per_slot": 1}
FORMULA_DIGITS = 1e-6


def dmimo(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words):
    done = dmimo("bound", "paper", *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def folder(path):
    return OutputFolder(path=path, command="bound", names=bound_map.FILES, settings={})


def write_star(rate_bit_s):
    graph = star([f"ap-{i}" for i in range(12)], rate_bit_s=rate_bit_s, latency_s=1e-6)
    nx.write_graphml(graph, "g.graphml")


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(bound_map, "PIXELS_PER_SIDE", 20)


@pytest.mark.parametrize("kind", ["coherent", "noncoherent"])
@pytest.mark.parametrize("illumination", ["sensing", "full"])
def test_a_pixel_is_the_bound_of_that_point(coarse, kind, illumination):
    setting = f'radio.illumination="{illumination}"'
    result = bound_map.bound_map(load("paper", {"radio.illumination": illumination}), 3, kind)
    row, column = 4, 13
    point = f"{result.x_m[column]},{result.y_m[row]}"
    found = answer("--seed", 3, "--set", setting, "--at", point)["targets"][-1]
    assert result.peb_m[row, column] == pytest.approx(found[f"peb_{kind}_m"], rel=FORMULA_DIGITS)


def test_json_gains_the_map_and_keeps_the_rest(coarse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain, mapped = answer(*WEAK), answer(*WEAK, "--map")
    found = mapped.pop("map")
    assert mapped == plain
    assert found["step_m"] == 50.0
    assert 0.0 < found["coverage"] < 1.0
    assert found["kind"] == "coherent"
    assert found["path"] is None
    assert not list(tmp_path.iterdir())


def test_coverage_and_median_are_those_of_the_arrays(coarse, tmp_path):
    found = answer(*WEAK, "--map", "--out", tmp_path)["map"]
    with np.load(found["data_path"]) as arrays:
        peb_m = arrays["peb_m"]
        assert peb_m.shape == (len(arrays["y_m"]), len(arrays["x_m"]))
        assert sorted([*arrays["transmitters"], *arrays["receivers"]]) == list(range(12))
    assert found["coverage"] == np.mean(peb_m <= found["threshold_m"])
    assert found["median_peb_m"] == pytest.approx(np.median(peb_m))
    with open(found["path"], "rb") as picture:
        assert picture.read(4) == b"\x89PNG"


def test_coverage_falls_with_the_power(coarse):
    strong, weak = (
        bound_map.bound_map(load("paper", {**WEAK_SETTING, "radio.transmit_power_dbm": power}), 1)
        for power in (20.0, 10.0)
    )
    assert weak.covered < strong.covered
    np.testing.assert_allclose(weak.peb_m, np.sqrt(10.0) * strong.peb_m, rtol=FORMULA_DIGITS)


def test_pixel_on_an_access_point_and_area_without_bound_are_no_failure(coarse, tmp_path):
    setting = {"access_points.positions_m": [[25.0, 25.0], [475.0, 475.0]], "schedule.n_receivers": 1}
    peb_m = bound_map.bound_map(load("paper", setting), 1).peb_m
    assert np.isnan(peb_m[[0, 9], [0, 9]]).all()  # on the two access points
    assert np.isfinite(peb_m).mean() > 0.9
    scenario = load("paper", setting | {"access_points.n_antennas": 1})
    result = bound_map.bound_map(scenario, 1)
    assert np.isnan(result.peb_m).all()
    assert result.covered == 0.0
    assert result.data()["median_peb_m"] is None
    picture, _ = bound_map.write(result, folder(tmp_path))
    assert picture.stat().st_size > 0


def test_pixels_of_an_oblong_area_are_square(coarse):
    result = bound_map.bound_map(load("paper", {"area.size_m": [400.0, 200.0]}), 1)
    assert result.peb_m.shape == (10, 20)
    assert result.data()["step_m"] == 20.0


def test_labels_of_the_colour_bar_are_plain_numbers(coarse):
    figure = bound_map._picture(bound_map.bound_map(load("paper", WEAK_SETTING), 1))
    figure.draw_without_rendering()
    low, high = figure.axes[1].get_ylim()
    shown = {text.get_text() for text in figure.axes[1].get_yticklabels() if low <= text.get_position()[1] <= high}
    assert len(shown) >= 2
    assert shown <= {f"{digit * 10.0**power:g}" for digit in (1, 2, 5) for power in range(-3, 6)}


def test_the_colour_bar_has_round_ends_and_says_what_is_good(coarse):
    figure = bound_map._picture(bound_map.bound_map(load("paper"), 1))
    bar = figure.axes[1]
    ends = figure.axes[0].images[0].norm.vmin, figure.axes[0].images[0].norm.vmax
    assert (bound_map.rounded(ends[0], 1), bound_map.rounded(ends[1], -1)) == ends
    assert {"better", "worse", "λ/10"} <= {text.get_text() for text in bar.texts}
    assert cut_off(figure) == []


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e9), (1.0, 2.0), (0.05, 10.0), (1e-300, 1e300)])
def test_ticks_are_round_and_few(low, high):
    ticks = bound_map.round_numbers(low, high)
    assert 2 <= len(ticks) <= bound_map.MOST_TICKS
    assert all(low <= tick <= high and bound_map.rounded(tick, 1) == tick for tick in ticks)


def test_colour_bar_is_as_high_as_the_map(coarse):
    for size in ([400.0, 100.0], [300.0, 400.0]):
        result = bound_map.bound_map(load("paper", {"area.size_m": size}), 1)
        figure = bound_map._picture(result)
        figure.draw_without_rendering()
        image, bar = (ax.get_window_extent().height for ax in figure.axes)
        assert 0.6 < bar / image < 1.2


def test_map_without_any_bound_says_so(coarse):
    scenario = load("paper", {"schedule.n_receivers": 1, "access_points.count": 2, "access_points.n_antennas": 1})
    figure = bound_map._picture(bound_map.bound_map(scenario, 1))
    assert "no bound anywhere" in [text.get_text() for text in figure.axes[0].texts]


def test_files_are_the_same_bytes_again(coarse, tmp_path):
    first, second = (bound_map.write(bound_map.bound_map(load("paper"), 2), folder(tmp_path / name)) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_default_folder_and_what_a_person_reads(coarse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = dmimo("bound", "paper", *WEAK, "--map", "--seed", 7)
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "results").glob("bound-paper-7-????????/bound_map.png"))
    for word in ("coverage", "λ/10", "bound_map.npz", "target 0"):
        assert word in done.stdout


def test_maps_of_both_kinds_have_default_folders_of_their_own(coarse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ((), ("--kind", "noncoherent"), ("--kind", "coherent")):
        done = dmimo("bound", "paper", "--map", *kind)
        assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"bound-noncoherent-paper-1", "bound-paper-1"}


def test_a_map_with_another_graph_of_the_same_name_is_refused(coarse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_star(1e9)
    words = ("--map", "--set", 'fronthaul.topology="g.graphml"', "--out", "o")
    assert dmimo("bound", "paper", *words).exit_code == 0
    write_star(2e9)
    done = dmimo("bound", "paper", *words)
    assert done.exit_code == 2
    assert "content of the file fronthaul.topology" in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--kind", "coherent"], "--kind"),
        (["--out", "somewhere"], "--out"),
        (["--map", "--kind", "blurred"], "--kind"),
        (["--map", "--out", "taken"], "--out"),
    ],
)
def test_wrong_requests_end_with_2(words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("")
    done = dmimo("bound", "paper", *words)
    assert done.exit_code == 2
    assert named in done.stderr
