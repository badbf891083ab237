"""What a scenario takes is estimated before anything starts, and refused with the numbers where it cannot fit."""

import json
import math
import subprocess
import sys
import time

import pytest

from scenarios.figures.point_bounds import bounds
from scenarios.file import size
from scenarios.file.files import load
from scenarios.file.problems import ScenarioError
from scenarios.file.size import bound_size, machine_memory_bytes, require_fit, run_size

FACTOR = 2.5
"""How far the estimate of the memory may be off."""
GRID = {"estimator.kind": "grid", "schedule.cpis": 1}

MEASURE = """
import json, re, sys
from pathlib import Path
from scenarios.file.files import load
scenario = load("paper", json.loads(sys.argv[1]))
scenario.build(seed=1).run(scenario.schedule.cpis)
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    "overrides",
    [{"schedule.snapshots_per_slot": 20_000}, {"user_equipment.count": 1000}, {"estimator.grid_step_m": 2.0}],
    ids=lambda overrides: next(iter(overrides)),
)
def test_estimated_memory_is_that_of_a_run(overrides):
    scenario = GRID | overrides
    command = [sys.executable, "-c", MEASURE, json.dumps(scenario)]
    measured = float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert measured / FACTOR < run_size(load("paper", scenario)).n_bytes < measured * FACTOR


@pytest.mark.parametrize(
    ("overrides", "what", "key"),
    [
        ({"access_points.count": 100_000}, "samples", "access_points.count"),
        ({"user_equipment.count": 100_000}, "gains of the UEs", "user_equipment.count"),
        ({"schedule.snapshots_per_slot": 1_000_000}, "samples", "schedule.snapshots_per_slot"),
        ({"access_points.n_antennas": 1024}, "channels to the UEs", "access_points.n_antennas"),
        ({"fronthaul.deadline_s": 3600, "fronthaul.loss_probability": 0.01}, "samples", "fronthaul.deadline_s"),
        ({"estimator.latency_s": 3600}, "statistics", "estimator.latency_s"),
        ({"schedule.cpis": 1_000_000_000}, "results", "schedule.cpis"),
        ({"estimator.grid_step_m": 0.2}, "search grid", "estimator.grid_step_m"),
        ({"fronthaul.split": "summed-map", "estimator.kind": "map", "fronthaul.map_step_m": 0.2}, "maps on their way",
         "fronthaul.map_step_m"),
    ],
)  # fmt: skip
def test_what_cannot_fit_is_refused_with_the_numbers(monkeypatch, overrides, what, key):
    """On a machine of 4 GB, before an emulation is built; the message says what takes how much, and what to reduce."""
    monkeypatch.setattr(size, "machine_memory_bytes", lambda: 4e9)
    with pytest.raises(ScenarioError, match="where this machine has 4 GB") as caught:
        load("paper", overrides).build(seed=1)
    (problem,) = caught.value.problems
    assert what in problem
    assert key in problem
    load("paper").build(seed=1)


def test_what_is_left_out_is_not_counted(monkeypatch):
    fine = load("paper", {"estimator.grid_step_m": 0.2})
    monkeypatch.setattr(size, "machine_memory_bytes", lambda: 4e9)
    fine.build(seed=1, estimator=None)
    long = load("paper", {"schedule.snapshots_per_slot": 1_000_000})
    require_fit(bound_size(long))


def test_time_and_memory_rise_with_the_scenario():
    small = run_size(load("paper"))
    for key, value in [
        ("access_points.count", 24),
        ("schedule.snapshots_per_slot", 1000),
        ("user_equipment.count", 500),
        ("estimator.grid_step_m", 2.0),
    ]:
        large = run_size(load("paper", {key: value}))
        assert large.n_bytes > small.n_bytes, key
        assert large.cpi_s > small.cpi_s, key
    long = run_size(load("paper", {"schedule.cpis": 10**6}))
    assert long.seconds > 1e5 * small.seconds
    assert long.n_bytes > small.n_bytes


def test_time_counts_the_cpis_that_pass_while_the_first_is_waited_for():
    """Slots of 100 us, six a CPI: in 0.6 s a thousand of them. Without losses no deadline is waited for."""
    for loss_probability, n_waiting in ((0.01, 1000.0), (0.0, 0.0)):
        lossy = {"fronthaul.loss_probability": loss_probability}
        short, long = (run_size(load("paper", lossy | {"fronthaul.deadline_s": d})).n_cpis for d in (0.001, 0.601))
        assert long - short == pytest.approx(n_waiting)


def seconds_of(task):
    began_s = time.process_time()
    task()
    return time.process_time() - began_s


@pytest.mark.slow
@pytest.mark.parametrize("spread", [15.0, 1.0])
def test_the_time_of_building_grows_as_it_is_estimated(spread):
    """From 64 to 256 antennas about 20 times, as a decomposition of each link's covariance does; without UEs none."""
    links = {"access_points.count": 7, "user_equipment.count": 4, "radio.angular_std_deg": spread}
    few, many = (load("paper", links | {"access_points.n_antennas": n}) for n in (64, 256))
    few.build(seed=1)
    measured = seconds_of(lambda: many.build(seed=1)) / min(seconds_of(lambda: few.build(seed=1)) for _ in range(3))
    estimated = run_size(many).build_s / run_size(few).build_s
    assert measured / 3.0 < estimated < 3.0 * measured
    assert run_size(many).seconds > run_size(many).build_s > 0.0
    assert run_size(load("paper", {"user_equipment.count": 0})).build_s == 0.0


@pytest.mark.slow
def test_the_time_of_bounds_grows_as_it_is_estimated():
    few, many = (load("paper", {"access_points.count": n, "schedule.n_receivers": n // 2}) for n in (150, 600))
    bounds(few, 1)
    measured = seconds_of(lambda: bounds(many, 1)) / min(seconds_of(lambda: bounds(few, 1)) for _ in range(3))
    estimated = bound_size(many).seconds / bound_size(few).seconds
    assert measured / 3.0 < estimated < 3.0 * measured
    assert bound_size(few, 1000).seconds > 100.0 * bound_size(few).seconds


def test_memory_of_this_machine_is_known():
    assert 1e8 < machine_memory_bytes() < math.inf


def test_a_limit_on_the_address_space_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30));"
        "from scenarios.file.size import machine_memory_bytes; print(machine_memory_bytes())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert float(result.stdout) <= 3 << 30
