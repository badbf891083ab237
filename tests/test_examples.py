"""The worked examples run, draw a picture, and say what they say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenarios.examples import drifting_phases, load_aware, own_clock, sleeping_ap, stone_soup, waypoints, weak_targets

EXAMPLES = (drifting_phases, load_aware, own_clock, sleeping_ap, stone_soup, waypoints, weak_targets)
SLOW = (own_clock,)
NEEDED = {stone_soup: "stonesoup"}
"""Packages that are not installed with the others."""
POSSIBLE = [each for each in EXAMPLES if each not in NEEDED or importlib.util.find_spec(NEEDED[each])]
DRAWN = [pytest.param(each, marks=[pytest.mark.slow] if each in SLOW else []) for each in POSSIBLE]


@pytest.mark.parametrize("example", DRAWN, ids=lambda module: module.__name__.rpartition(".")[2])
def test_an_example_draws_a_picture_and_says_what_it_found(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = example.run
    monkeypatch.setattr(example, "run", lambda: run(14 if example is sleeping_ap else 4))
    assert example.main.__doc__
    example.main()
    name = example.__name__.rpartition(".")[2]
    assert f"Written: {name}.png" in capsys.readouterr().out
    with Image.open(tmp_path / f"{name}.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 100


def test_hysteresis_changes_fewer_roles():
    found = load_aware.run(40)
    assert found["hysteresis"][2] < 0.5 * found["one threshold"][2]
    assert found["hysteresis"][0] == found["one threshold"][0], "the load is the same"


def test_a_centre_that_reads_the_reports_loses_less_while_two_sleep():
    found = sleeping_ap.run(12)
    assert np.median(found["read"][6:]) < 0.85 * np.median(found["not read"][6:])
    np.testing.assert_array_equal(found["read"][:4], found["not read"][:4])


def test_the_weak_target_gains():
    found = weak_targets.run(5)
    weak = {name: np.median(bounds[3:, 0]) for name, bounds in found.items()}
    assert weak["weak first"] < weak["round-robin"]


def test_the_walker_is_followed_to_the_millimetre():
    found = waypoints.run(4)
    assert found["resolved"].all()
    assert np.linalg.norm(found["found_m"] - found["truth_m"], axis=1).max() < 5e-3


def test_pilots_bring_clocks_together_and_a_loop_holds_them():
    found = drifting_phases.run(75)
    never, corrected, learnt = (np.sqrt(np.mean(one["phase_rad"][37:] ** 2)) for one in found.values())
    assert learnt < 0.7 * corrected < 0.7 * 0.5 * never
    assert [len(one["pilots_ms"]) for one in found.values()] == [0, 6, 6]


@pytest.mark.slow
def test_one_clock_that_is_off_ruins_what_takes_it_for_exact():
    found = own_clock.run(6)
    resolved = {name: one["resolved"][3:] for name, one in found.items()}
    assert not resolved["taken for exact"].any()
    assert resolved["calibrated once"].all() and resolved["estimated along"].all()
    efficiency = {name: one["se_bit_s_hz"][3:].mean() for name, one in found.items()}
    assert efficiency["calibrated once"] > efficiency["taken for exact"] == efficiency["estimated along"]


def test_the_page_of_examples_has_all_of_them():
    page = (Path(__file__).parent.parent / "docs" / "examples.md").read_text()
    for example in EXAMPLES:
        name = example.__name__.rpartition(".")[2]
        assert f"$ python -m {example.__name__}\n" in page and f"images/{name}.png" in page
