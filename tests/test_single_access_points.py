"""Access points of a scenario file that differ from the others: place, look, power and behaviour."""

import dataclasses
import sys
from functools import partial

import numpy as np
import pytest

from emulator import AccessPoint, EmulationError
from emulator.randomness import Streams
from models.network import ModeAssignment
from models.radio.efficiency import LargeScaleEfficiency
from models.selection import CommunicationCentric
from models.selection.greedy import SampledEfficiency, large_scale_efficiency
from scenarios.figures.bound_map import bound_map
from scenarios.figures.point_bounds import bounds, expected_illumination
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.survey import view_of

SMALL = {
    "access_points": {"count": 5, "n_antennas": 2},
    "user_equipment": {"count": 3},
    "targets": [{"position_m": [400.0, 500.0]}],
    "selector": {"kind": "fixed", "transmitters": [0, 1, 2], "receivers": [3, 4]},
    "estimator": {"kind": "grid", "grid_step_m": 50.0},
}


def scenario(*nodes, plugins=(), **tables):
    merged = SMALL | {name: SMALL.get(name, {}) | table for name, table in tables.items()}
    merged["access_points"] = merged["access_points"] | {"node": list(nodes)}
    return Scenario.checked(merged, plugins=plugins)


WEAK = {"name": "ap-1", "transmit_power_dbm": 20.0}
"""A tenth of the power of the others."""


def test_what_a_node_does_not_say_is_as_if_it_were_not_there():
    plain, one = scenario().build(1), scenario({"name": "ap-2"}).build(1)
    assert plain.run(1).cpis[0].observation.cross.tobytes() == one.run(1).cpis[0].observation.cross.tobytes()


def test_place_and_look_of_one_ap_leave_the_others_where_they_were_drawn():
    plain = scenario().build(1).network
    moved = scenario({"name": "ap-1", "position_m": [7.0, 8.0], "boresight_deg": 90.0}).build(1).network
    others = [0, 2, 3, 4]
    np.testing.assert_array_equal(moved.ap_positions_m[others], plain.ap_positions_m[others])
    np.testing.assert_array_equal(moved.boresights_rad[others], plain.boresights_rad[others])
    assert moved.ap_positions_m[1].tolist() == [7.0, 8.0]
    assert moved.boresights_rad[1] == np.pi / 2


def test_a_scenario_written_out_with_what_was_drawn_gives_the_same_bytes():
    mixed = scenario(WEAK | {"position_m": [7.0, 8.0], "boresight_deg": 33.0})
    first, second = (one.build(3).run(1).cpis[0] for one in (mixed, mixed.resolved(3)))
    assert first.observation.cross.tobytes() == second.observation.cross.tobytes()


# -- power: everybody sees it ---------------------------------------------------------------------------------------


def radiated_w(emulation, name):
    """Return what an AP radiated on average over the sensing slot, from the Q of the CPI."""
    observation = emulation.run(1).cpis[0].observation
    index = observation.assignment.transmitters.tolist().index(emulation.network.ap_names.index(name))
    energy = np.trace(observation.gram.full()[0, index, :, index, :]).real
    return energy / emulation.frame.n_snapshots


def test_a_weak_ap_radiates_less():
    assert radiated_w(scenario().build(1), "ap-1") == pytest.approx(0.5, rel=0.5)
    assert radiated_w(scenario(WEAK).build(1), "ap-1") / radiated_w(scenario().build(1), "ap-1") == pytest.approx(0.1)


def test_its_budget_is_its_own():
    too_strong = partial(AccessPoint, transmit_power_w=1.0)
    scenario().build(1, access_points={"ap-1": too_strong}).run(1)
    with pytest.raises(EmulationError, match=r"ap-1 radiated .* its budget is 0\.1 W"):
        scenario(WEAK).build(1, access_points={"ap-1": too_strong}).run(1)
    strong = {"name": "ap-1", "transmit_power_dbm": 40.0}
    assert radiated_w(scenario(strong).build(1), "ap-1") == pytest.approx(5.0, rel=0.5)


def test_spectral_efficiency_takes_the_sensing_power_that_was_radiated(monkeypatch):
    noted = []
    monkeypatch.setattr(
        "emulator.media.truth.sinr", lambda *asked: noted.append(asked[2]) or np.zeros((len(asked[2]), 3))
    )
    scenario(WEAK).build(1).run(1)
    assert np.concatenate(noted).max(axis=0) == pytest.approx([0.5, 0.05, 0.5])


def test_the_bound_before_a_run_and_its_map_see_it():
    plain, weak = scenario(), scenario(WEAK)
    view = view_of(weak, Streams(1))
    assignment = ModeAssignment.of(5, transmitters=[0, 1, 2], receivers=[3, 4])
    gram = expected_illumination(weak, 1, view, assignment)
    assert np.trace(gram[1, :, 1]).real / np.trace(gram[0, :, 0]).real == pytest.approx(0.1)
    of_plain, of_weak = (bounds(one, 1)["targets"][0]["peb_coherent_m"] for one in (plain, weak))
    assert of_weak > of_plain
    pixel = bound_map(weak, 1)
    x, y = pixel.x_m[17], pixel.y_m[31]
    at = bounds(weak, 1, [(x, y)])["targets"][1]["peb_coherent_m"]
    assert pixel.peb_m[31, 17] == pytest.approx(at, rel=1e-6)


def test_selectors_that_weigh_signals_see_it():
    view = view_of(scenario(WEAK), Streams(1))
    alike = dataclasses.replace(view, network=dataclasses.replace(view.network, relative_power=np.ones(5)))
    only = np.eye(5, dtype=bool)
    for efficiency in (
        lambda one: large_scale_efficiency(one).sum_spectral_efficiency(only),
        lambda one: SampledEfficiency.draw(one, np.random.default_rng(1), 4, None).sum_spectral_efficiency(only),
    ):
        weak, equal = efficiency(view), efficiency(alike)
        assert weak[1] < equal[1]
        np.testing.assert_allclose(np.delete(weak, 1), np.delete(equal, 1))


def test_the_papers_selector_sees_it():
    """The one that would transmit alone does not, once its signal drowns in the noise."""
    chosen = {"selector": {"kind": "communication-centric"}, "schedule": {"n_receivers": 4}}
    whispering = SMALL["access_points"] | {"node": [{"name": "ap-0", "transmit_power_dbm": -100.0}]}
    views = [
        view_of(Scenario.checked(SMALL | chosen | more), Streams(1)) for more in ({}, {"access_points": whispering})
    ]
    first, second = (CommunicationCentric().select(view, np.random.default_rng(0)).transmitters for view in views)
    assert first.tolist() == [0]
    assert second.tolist() != [0]


def test_the_closed_form_takes_one_power_or_one_for_each():
    keys = {"path_gain": np.array([[1e-9, 2e-9], [3e-9, 1e-9]]), "sine": np.zeros((2, 2)), "n_antennas": 4,
            "rician_k": 2.0, "comm_power_fraction": 0.5, "noise_power_w": 1e-12}  # fmt: skip
    one, each = (LargeScaleEfficiency.of(transmit_power_w=power, **keys) for power in (2.0, np.array([2.0, 2.0])))
    assert one.amplitude.tobytes() == each.amplitude.tobytes()
    assert one.sensing.tobytes() == each.sensing.tobytes()


# -- behaviour ------------------------------------------------------------------------------------------------------

MODULE = """
from dataclasses import dataclass
from emulator import AccessPoint

@dataclass(kw_only=True, eq=False)
class Sleepy(AccessPoint):
    period: int = 2

@dataclass(kw_only=True, eq=False)
class Loud(AccessPoint):
    pass
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "single_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "single_of_mine"
    sys.modules.pop("single_of_mine", None)


def test_behaviour_of_one_ap_and_settings_that_differ(mine):
    nodes = [
        {"name": "ap-0", "kind": "standard"},
        {"name": "ap-1", "kind": f"{mine}:Loud"},
        {"name": "ap-2", "period": 9},
    ]
    made = (
        scenario(*nodes, plugins=[mine], access_points={"kind": f"{mine}:Sleepy", "period": 3}).build(1).access_points
    )
    kinds = [(type(ap).__name__, getattr(ap, "period", None)) for ap in made.values()]
    assert kinds == [("AccessPoint", None), ("Loud", None), ("Sleepy", 9), ("Sleepy", 3), ("Sleepy", 3)]


def test_a_module_that_a_single_ap_names_must_be_allowed(mine):
    with pytest.raises(ScenarioError, match=r"access_points.node\[0\].kind: .*allow it with --plugin single_of_mine"):
        scenario({"name": "ap-1", "kind": f"{mine}:Loud"})
    assert mine not in sys.modules


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"name": "ap-5"}], 'access_points.node[0].name: got "ap-5"; allowed: ap-0 to ap-4; did you mean'),
        ([{"name": "ap-1"}, {"name": "ap-1"}], 'access_points.node[0].name: got "ap-1", which stands there more than'),
        ([{"position_m": [1.0, 2.0]}], "access_points.node[0].name"),
        ([{"name": "ap-1", "positon_m": [1.0, 2.0]}], 'unknown key; did you mean "position_m"?'),
        ([{"name": "ap-1", "n_antennas": 0}], "node[0].n_antennas: got 0; allowed: a whole number >= 1 and <= 1024"),
        ([{"name": "ap-1", "transmit_power_dbm": 400.0}], "got 400.0 dBm; allowed: a number >= -100 and <= 100 in dBm"),
        ([{"name": "ap-1", "kind": "loud"}], 'access_points.node[0].kind: got "loud"; allowed: standard'),
        ([{"name": "ap-1", "position_m": [400.0, 500.0]}], "targets[0].position_m: got [400.0, 500.0] m, within"),
    ],
)
def test_what_is_wrong_is_said_of_its_key(nodes, words):
    with pytest.raises(ScenarioError) as refused:
        scenario(*nodes)
    assert words in str(refused.value)


def test_two_places_of_one_ap_are_refused():
    given = {"positions_m": [[float(i), 0.0] for i in range(5)], "n_antennas": 2}
    for place, fits in (([1.0, 0.0], True), ([1.0, 5.0], False)):
        data = SMALL | {"access_points": given | {"node": [{"name": "ap-1", "position_m": place}]}}
        if fits:
            Scenario.checked(data)
        else:
            with pytest.raises(ScenarioError, match=r"node\[0\].position_m: .* has \(1.0, 0.0\) for ap-1; give one"):
                Scenario.checked(data)


@pytest.mark.parametrize("kind", ["bound-greedy", "joint-greedy", "exhaustive"])
def test_a_selector_on_the_bound_goes_by_the_power_of_each(kind):
    """Of 300 m by 300 m the strong AP lights up all: it transmits."""
    near = {"positions_m": [[0.0, 0.0], [300.0, 0.0], [0.0, 300.0], [300.0, 300.0], [150.0, 150.0]]}
    data = SMALL | {"selector": {"kind": kind}, "schedule": {"n_receivers": 4}}
    for strong in range(5):
        node = {"name": f"ap-{strong}", "transmit_power_dbm": 50.0}
        built = Scenario.checked(data | {"access_points": SMALL["access_points"] | near | {"node": [node]}}).build(1)
        assert built.run(1).cpis[0].assignment.transmitters.tolist() == [strong]
