"""The pictures of a run: marks tell what came of estimates, and no text is cut off."""

import numpy as np
import pytest

from models.network import Area, Network
from models.observation import AreaMap
from scenarios.output import draw
from scenarios.output.gallery import MOST_EARLIER, PICTURES, PIXELS_PER_SIDE, Cost, Look
from scenarios.output.painters import Picture
from scenarios.output.pictures import cost_map_figure, map_figure
from tests.texts import cut_off

AREA = Area(width_m=200.0, height_m=100.0)
NETWORK = Network(
    ap_names=("ap-0", "ap-1", "a very long name of an access point"),
    ap_positions_m=np.array([[0.0, 0.0], [200.0, 20.0], [0.0, 100.0]]),
    boresights_rad=np.array([0.0, np.pi / 2, 0.0]),
    n_antennas=4,
    carrier_hz=3.5e9,
    ue_names=("ue-0",),
    ue_positions_m=np.array([[55.0, 44.0]]),
)
MARKS = {"resolved": "estimate", "wrong lobe": "estimate, wrong lobe", "not resolved": "estimate, not resolved"}


def target(x_m, status, error_m=0.001, **more):
    estimate = None if status == "missed" else [x_m + error_m, 50.0]
    covariance = None if status == "missed" else [[1.0, 0.0], [0.0, 1.0]]
    error = None if status == "missed" else error_m
    return {
        "truth_m": [x_m, 50.0], "status": status, "estimate_m": estimate, "covariance_m2": covariance,
        "error_m": error, "peb_m": 0.001, **more,
    }  # fmt: skip


def cpi(*targets, index=7, false=()):
    return {"index": index, "transmitters": [0], "receivers": [1], "targets": targets, "false_positions_m": false}


ALL_KINDS = cpi(
    target(20.0, "resolved"), target(50.0, "resolved", 0.0051), target(80.0, "not-resolved", 1234.0),
    target(110.0, "missed"), false=[[150.0, 80.0]],
)  # fmt: skip


def labels(figure):
    return [text.get_text() for legend in legends(figure) for text in legend.get_texts()]


def legends(figure):
    return [*figure.legends, *(legend for one in figure.subfigs for legend in one.legends)]


def at(figure, label):
    """Where the marks of a label stand on the map."""
    (found,) = [c for c in figure.axes[0].collections if c.get_label() == label]
    return np.asarray(found.get_offsets()).tolist()


def test_each_kind_of_estimate_has_a_mark_of_its_own():
    figure = map_figure(NETWORK, AREA, ALL_KINDS)
    assert at(figure, "estimate") == [[20.001, 50.0]]
    assert at(figure, "estimate, wrong lobe") == [[50.0051, 50.0]]
    assert at(figure, "estimate, not resolved") == [[1314.0, 50.0]]
    assert at(figure, "false detection") == [[150.0, 80.0]]
    assert set(MARKS.values()) | {"false detection", "target", "UE"} <= set(labels(figure))
    assert len({(style["marker"], style.get("color")) for style in draw.ESTIMATES.values()}) == len(draw.ESTIMATES)


def test_what_is_a_wrong_lobe_goes_by_the_bound_with_phase_errors_where_there_is_one():
    figure = map_figure(NETWORK, AREA, cpi(target(50.0, "resolved", 0.0051, peb_hybrid_m=0.002)))
    assert at(figure, "estimate") == [[50.0051, 50.0]]


def test_access_points_have_their_names():
    figure = map_figure(NETWORK, AREA, cpi())
    assert set(NETWORK.ap_names) <= {text.get_text() for text in figure.axes[0].texts}


def test_a_target_that_went_leaves_its_way_and_earlier_estimates():
    earlier = [cpi(target(10.0 + 5 * k, "resolved"), index=k, false=[[1.0, 1.0]]) for k in range(3)]
    figure = map_figure(NETWORK, AREA, cpi(target(25.0, "resolved")), earlier)
    (way,) = [line for line in figure.axes[0].lines if line.get_label() == "way of a target"]
    assert way.get_xdata().tolist() == [10.0, 15.0, 20.0, 25.0]
    assert len(at(figure, "earlier: estimate")) == len(at(figure, "earlier: false detection")) == 3


def drawn_map(small, velocity, n_cpis=3):
    keys = {"targets": [{"position_m": [500.0, 500.0], "velocity_m_s": velocity}], "estimator.kind": "grid"}
    return PICTURES["map.png"](small(keys).build(seed=1).run(n_cpis), Look())


def test_ways_are_drawn_where_a_target_moved_as_far_as_a_map_shows(small):
    assert drawn_map(small, [0.0, 0.0]).values[3] == []
    assert drawn_map(small, [1.0, 0.0]).values[3] == []
    assert [one["index"] for one in drawn_map(small, [1e5, 0.0]).values[3]] == [0, 1]


def test_of_a_long_run_some_cpis_tell_the_way(small, monkeypatch):
    monkeypatch.setattr("scenarios.output.gallery.MOST_EARLIER", 2)
    assert MOST_EARLIER > 2
    assert [one["index"] for one in drawn_map(small, [1e5, 0.0], 7).values[3]] == [0, 3]


def cost_of(result, **look):
    return PICTURES["cost_map.png"](result, Look(**look)).values[3]


def test_the_cost_map_is_computed_on_fine_cells_whatever_the_estimator_searched(small):
    result = small().build(seed=1).run(1)
    cost = cost_of(result)
    assert len(cost.x_m) == PIXELS_PER_SIDE
    assert cost.threshold is None
    from models.estimation.likelihood import noncoherent_map

    exact = noncoherent_map(result.cpis[-1].observation, [[cost.x_m[40], cost.y_m[90]]])
    assert cost.power[90, 40] == pytest.approx(float(exact[0]), rel=1e-3)


def test_many_pairs_get_coarser_cells(small, monkeypatch):
    result = small().build(seed=1).run(1)
    monkeypatch.setattr("scenarios.output.gallery.MOST_WORK", 9 * 100 * 100)
    assert len(cost_of(result).x_m) == 100


def test_the_threshold_is_that_of_the_estimator(small):
    scenario = small({"estimator.false_alarm_probability": 1e-2})
    result = scenario.build(seed=1).run(1)
    look = Look.of(scenario)
    assert look == (25.0, 1e-2, None)
    assert cost_of(result, **look._asdict()).threshold < cost_of(result, false_alarm_probability=1e-3).threshold
    assert Look.of(small({"estimator.kind": "paper"})).false_alarm_probability is None


def test_a_map_that_was_summed_on_its_way_is_drawn_as_it_came(small):
    keys = {"fronthaul.split": "summed-map", "fronthaul.topology": "stripe", "estimator.kind": "map"}
    keys |= {"fronthaul.map_step_m": 50.0, "estimator.grid_step_m": 50.0}
    result = small(keys).build(seed=1).run(1)
    assert isinstance(result.cpis[-1].area_map, AreaMap)
    cost = cost_of(result, false_alarm_probability=1e-3)
    np.testing.assert_array_equal(cost.power, result.cpis[-1].area_map.power)
    assert cost.threshold > 0.0


def test_the_line_of_the_threshold_and_a_fixed_range_are_drawn():
    x, y = AREA.grid(10.0)
    power = np.full((len(y), len(x)), 1.0)
    power[4, 4] = 100.0
    figure = cost_map_figure(NETWORK, AREA, ALL_KINDS, Cost(x, y, power, 10.0, (-5.0, 30.0)))
    assert figure.axes[0].images[0].get_clim() == (-5.0, 30.0)
    assert "threshold, 10.0 dB" in labels(figure)
    unreached = cost_map_figure(NETWORK, AREA, ALL_KINDS, Cost(x, y, power, 1000.0))
    assert not any("threshold" in label for label in labels(unreached))


@pytest.mark.parametrize("range_db", [[10.0, 10.0], [20.0, 10.0]])
def test_an_empty_range_of_colours_is_refused(small, range_db):
    from scenarios.file.problems import ScenarioError

    with pytest.raises(ScenarioError, match=r"pictures\.cost_range_db: got \[.*the first number lower"):
        small({"pictures.cost_range_db": range_db})


def pictures_of_a_run(small):
    keys = {"targets": [{"position_m": [500.0 + 90.0 * k, 500.0]} for k in range(6)], "estimator.kind": "paper"}
    result = small(keys).build(seed=1, tracing=True).run(2)
    return {name: source(result, Look()) for name, source in PICTURES.items()}


def made(picture: Picture):
    from importlib import import_module

    module, name = picture.function.split(":")
    with draw.styled():
        return getattr(import_module(module), name)(*picture.values)


def test_no_text_of_a_picture_is_cut_off(small):
    found = {name: cut_off(made(picture)) for name, picture in pictures_of_a_run(small).items()}
    assert {name: texts for name, texts in found.items() if texts} == {}
    assert cut_off(map_figure(NETWORK, AREA, ALL_KINDS)) == []
    assert cut_off(map_figure(NETWORK, AREA, cpi(ALL_KINDS["targets"][2]))) == []


def test_a_text_that_is_cut_off_would_be_found():
    figure = map_figure(NETWORK, AREA, ALL_KINDS)
    figure.axes[1].set_title("off by more than there is room for " * 5)
    assert len(cut_off(figure)) == 1
