"""`dmimo bound` with oscillators: what is known of phases before anything is run, and what that does to bounds."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from emulator.pilots import direct_field, direct_inner, heard_pilot
from emulator.randomness import Streams
from scenarios.commands.cli import app
from scenarios.figures import bound_map
from scenarios.figures.phases_known import known_phases_rad2
from scenarios.figures.point_bounds import bounds, planned_assignment
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.file.survey import view_of

OCXO = {"oscillators.preset": "ocxo"}
GENIE = OCXO | {"calibration.kind": "genie"}
DIGITS = 1e-6
WORDS = tuple(word for key in ('oscillators.preset="ocxo"', 'calibration.kind="genie"') for word in ("--set", key))


def known(scenario, since_s, seed=1):
    streams = Streams(seed)
    view = view_of(scenario, streams)
    return known_phases_rad2(scenario, view, planned_assignment(scenario, view, streams), since_s)


def dmimo(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(bound_map, "PIXELS_PER_SIDE", 20)


# -- what is known of phases ------------------------------------------------------------------------------------------


def test_a_pilot_is_foreseen_as_it_is_heard(small):
    network = view_of(small(), Streams(1)).network
    power_w, n_snapshots = 2.0, 5
    pilot = np.sqrt(power_w * n_snapshots / network.n_antennas) * np.eye(network.n_antennas)
    foreseen = direct_inner(network, 1, power_w * n_snapshots, (0, 2, 5))
    for index, expected in zip((0, 2, 5), foreseen, strict=True):
        heard = direct_field(network, 1, pilot, (index,))[0]
        found = heard_pilot(network, network.ap_names[index], network.ap_names[1], pilot, heard)
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["direct-path", "over-the-air"])
def test_what_a_calibration_leaves_is_foreseen_as_it_comes(small, kind):
    keys = {"calibration.kind": kind, "radio.transmit_power_dbm": 10.0, "targets": []}
    scenario = small(keys | {"oscillators.kind": "static", "oscillators.phase_std_rad": 0.1})
    emulation = scenario.build(seed=1, estimator=None)
    emulation.run(6)
    central = emulation.central
    last = central.known_phases.calibrated[-1]
    assignment = planned_assignment(scenario, view_of(scenario, Streams(1)), Streams(1))
    came = central.calibrator.covariance_rad2(central.known_phases, last.from_cpi, assignment, last.measured_ns)
    np.testing.assert_allclose(np.diag(known(scenario, 0.0)), np.diag(came), rtol=0.5)


def test_phases_drift_by_the_law_of_each_oscillator(small):
    node = [{"name": "ap-3", "kind": "wiener", "linewidth_hz": 2.0}]
    scenario = small(GENIE | {"oscillators.node": node})
    assert not known(scenario, 0.0).any()
    found = np.diag(known(scenario, 0.5))
    assert found[3] == pytest.approx(2.0 * np.pi * 2.0 * 0.5)
    assert np.ptp(np.delete(found, 3)) == 0.0 < found[0] < found[3]


def test_without_a_calibration_phases_are_those_of_the_start(small):
    scenario = small({"oscillators.kind": "static", "oscillators.phase_std_rad": 0.3})
    np.testing.assert_allclose(known(scenario, 7.0), 0.09 * np.eye(6))


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_bounds_grow_with_the_time_since_phases_were_known():
    scenario = load("paper", GENIE)
    rows = [bounds(scenario, 1, [(310.0, 420.0)], since_s)["targets"] for since_s in (0.0, 1.0, 10.0)]
    for first, *later in zip(*rows, strict=True):
        assert first["peb_hybrid_m"] == pytest.approx(first["peb_coherent_m"], rel=DIGITS)
        assert first["error_ignoring_m"] == pytest.approx(first["peb_coherent_m"], rel=DIGITS)
        hybrid = [row["peb_hybrid_m"] for row in (first, *later)]
        assert hybrid == sorted(hybrid) and hybrid[-1] > 5.0 * hybrid[0]
        assert all(row["error_ignoring_m"] >= row["peb_hybrid_m"] for row in later)


def test_a_reference_that_all_share_costs_nothing():
    found = bounds(load("paper", GENIE | {"oscillators.shared_reference": True}), 1, since_s=10.0)
    for row in found["targets"] + found["joint"]:
        assert row["peb_hybrid_m"] == pytest.approx(row["peb_coherent_m"], rel=DIGITS)


def test_the_time_is_the_period_unless_it_is_given():
    scenario = load("paper", GENIE | {"calibration.period_s": 2.0})
    assert bounds(scenario, 1) == bounds(scenario, 1, since_s=2.0)
    assert bounds(load("paper", GENIE), 1)["since_s"] == 0.0


def test_where_phases_are_exact_nothing_is_said_of_them():
    found = bounds(load("paper"), 1)
    assert set(found) == {"targets", "joint"} and len(found["targets"][0]) == 3
    with pytest.raises(ScenarioError, match="phases are exact here"):
        bounds(load("paper"), 1, since_s=1.0)


@pytest.mark.parametrize(("kind", "key"), [("hybrid", "peb_hybrid_m"), ("ignoring", "error_ignoring_m")])
@pytest.mark.parametrize("calibration", ["genie", "direct-path"])
def test_a_pixel_is_the_bound_of_that_point(coarse, kind, key, calibration):
    scenario = load("paper", OCXO | {"calibration.kind": calibration, "calibration.period_s": 3.0})
    result = bound_map.bound_map(scenario, 3, kind)
    row, column = 4, 13
    point = float(result.x_m[column]), float(result.y_m[row])
    assert result.peb_m[row, column] == pytest.approx(bounds(scenario, 3, [point])["targets"][-1][key], rel=DIGITS)


def test_a_map_in_pieces_is_the_same(coarse, monkeypatch):
    scenario = load("paper", OCXO | {"calibration.kind": "direct-path"})
    whole = bound_map.bound_map(scenario, 1, "hybrid", 2.0).peb_m
    monkeypatch.setattr(bound_map, "CHUNK_ELEMENTS", 5000)
    np.testing.assert_allclose(bound_map.bound_map(scenario, 1, "hybrid", 2.0).peb_m, whole, rtol=DIGITS)


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_table_has_two_more_columns():
    done = dmimo("bound", "paper", *WORDS, "--since", "1")
    assert done.exit_code == 0, done.output
    for word in ("hybrid (mm)", "ignoring phases (mm)", "Phases as known 1 s after a calibration"):
        assert word in done.stdout
    assert "hybrid" not in dmimo("bound", "paper").stdout


@pytest.mark.parametrize("kind", bound_map.WITH_PHASES)
def test_a_map_says_of_what_and_when(coarse, kind, tmp_path):
    words = ("bound", "paper", *WORDS, "--since", "2", "--map", "--kind", kind, "--out", tmp_path / "map")
    done = dmimo(*words, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["map"]["kind"], found["map"]["since_s"], found["since_s"]) == (kind, 2.0, 2.0)
    again = dmimo(*words, "--since", "3")
    assert again.exit_code == 2 and "since_s" in again.stderr  # another time in the same folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "1"), "phases are exact here"),
        (("--map", "--kind", "hybrid"), "got hybrid, but phases are exact here"),
        ((*WORDS, "--since", "-1"), "a number >= 0 and <= 3600 in s"),
        ((*WORDS, "--since", "nan"), "a number >= 0 and <= 3600 in s"),
        ((*WORDS, "--since", "1", "--map", "--kind", "hybrid", "--set", 'radio.illumination="full"'), "equal powers"),
    ],
)
def test_wrong_requests_end_with_2(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = dmimo("bound", "paper", *words)
    assert done.exit_code == 2
    assert said in done.stderr
