"""What is known of a scenario without emulating it is what an emulation of it knows."""

from dataclasses import fields

import numpy as np
import pytest

from emulator.randomness import Streams
from models.network import Network
from scenarios.file.files import load
from scenarios.file.survey import first_channel, scatter_phases_rad, target_starts_m, view_of

ROUNDING = 1e-12
SCENARIOS = {
    "drawn": {},
    "given": {
        "targets": [
            {"position_m": [310.0, 420.0], "rcs_dbsm": 7.0, "velocity_m_s": [30.0, -4.0], "scatter_phase_rad": 0.7},
            {"rcs_dbsm": -3.0, "velocity_m_s": [0.0, 90.0]},
        ],
        "schedule.guard_symbols": 3,
        "radio.angular_std_deg": "iid",
        "radio.path_loss": "cell-free",
    },
    "on an antenna": {
        "targets": [{"position_m": [100.0, 100.01]}, {"position_m": [499.99, 20.0]}],
        "user_equipment.positions_m": [[100.0, 100.0], [500.0, 20.0]],
    },
    "nothing there": {"targets": [], "user_equipment.count": 0},
}


@pytest.fixture(params=SCENARIOS)
def scenario(request):
    return load("paper", SCENARIOS[request.param])


def begun(scenario, seed):
    """Return an emulation whose CPI 0 has begun."""
    emulation = scenario.build(seed, tracing=False, estimator=None)
    emulation.start()
    emulation.kernel.run(until=emulation.frame.cpi_start_ns(0) + 1)
    return emulation


def assert_same(one, other):
    for field in fields(one):
        value, expected = getattr(one, field.name), getattr(other, field.name)
        if isinstance(value, Network):
            assert_same(value, expected)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, expected)
        else:
            assert value == expected


def test_the_first_plan_rests_on_this_view(scenario):
    assert_same(view_of(scenario, Streams(4)), scenario.build(seed=4).central.view())


def test_channels_are_those_of_the_first_cpi(scenario):
    expected = begun(scenario, 4).air.truth(0).channel
    np.testing.assert_allclose(
        first_channel(scenario, 4), expected, rtol=0.0, atol=ROUNDING * np.abs(expected).max(initial=0.0)
    )


def test_targets_start_and_scatter_as_in_a_run(scenario):
    nodes = sorted(begun(scenario, 4).targets.values(), key=lambda node: node.index)
    assert target_starts_m(scenario, Streams(4)) == [tuple(node.position_m(0.0)) for node in nodes]
    assert scatter_phases_rad(scenario, Streams(4)) == [node.scatter_phase_rad for node in nodes]
