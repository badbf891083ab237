"""Scenarios the tests share."""

import pytest

from scenarios.file.files import load
from scenarios.output import painters
from tests.outcome import sketch

SMALL = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 3,
    "schedule.n_receivers": 3,
    "schedule.snapshots_per_slot": 4,
    "estimator.kind": "grid",
    "estimator.grid_step_m": 25.0,
}


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    """Commands that a test calls draw in their own process: starting others takes longer than small pictures do."""
    monkeypatch.setattr(painters, "available_cores", lambda: 1)


@pytest.fixture(autouse=True)
def no_width_asked(monkeypatch):
    """Tables are as wide as they need be, whatever the terminal of the tests is; processes of pytest-xdist set this."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def paper():
    """The paper's scenario, with overrides as keyword arguments of a call."""
    return lambda overrides=None: load("paper", overrides or {})


@pytest.fixture
def small():
    """A scenario of six APs that runs in milliseconds."""
    return lambda overrides=None: load("paper", SMALL | (overrides or {}))


@pytest.fixture
def sketched(monkeypatch):
    """Commands that a test calls write what each picture would be drawn of, in its place: drawing takes a second."""
    monkeypatch.setattr(painters, "png", sketch)
