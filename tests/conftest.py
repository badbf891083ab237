"""Scenarios the tests share."""

import pytest

from scenarios.file.files import load

SMALL = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 3,
    "schedule.n_receivers": 3,
    "schedule.snapshots_per_slot": 4,
    "estimator.kind": "grid",
    "estimator.grid_step_m": 25.0,
}


@pytest.fixture
def paper():
    """The paper's scenario, with overrides as keyword arguments of a call."""
    return lambda overrides=None: load("paper", overrides or {})


@pytest.fixture
def small():
    """A scenario of six APs that runs in milliseconds."""
    return lambda overrides=None: load("paper", SMALL | (overrides or {}))
