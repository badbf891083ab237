"""What an access point says of itself: it travels over the fronthaul, and selectors see what arrived last."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from emulator import AccessPoint, EmulationError, Journeys, Outcome, Telemetry
from emulator.messages import HEADER_BITS
from models.network import ModeAssignment
from models.selection import ModeSelector
from models.view import View
from scenarios import load

SMALL = {
    "access_points.count": 5, "access_points.n_antennas": 2, "user_equipment.count": 1, "schedule.n_receivers": 2,
    "estimator.kind": "grid", "estimator.grid_step_m": 50.0,
}  # fmt: skip
SEEN = []


@dataclass(kw_only=True, eq=False)
class Counting(AccessPoint):
    """Says how often it was asked."""

    asked: int = 0

    def telemetry(self) -> Mapping[str, float]:
        self.asked += 1
        return {"asked": self.asked}


@dataclass(frozen=True, kw_only=True)
class Watching(ModeSelector):
    """Keeps what it saw, for the test."""

    def select(self, view: View, rng: np.random.Generator) -> ModeAssignment:
        SEEN.append({name: (said.measured_s, dict(said.values)) for name, said in view.reports.items()})
        return ModeAssignment.of(5, transmitters=[0, 1, 2], receivers=[3, 4])


@pytest.fixture(autouse=True)
def nothing_seen():
    SEEN.clear()


def small(**more):
    return load("paper", SMALL | {key.replace("__", "."): value for key, value in more.items()})


def test_a_selector_sees_what_every_ap_said_last():
    emulation = small().build(1, access_point=Counting, selector=Watching())
    emulation.run(3)
    frame = emulation.frame
    assert SEEN[0] == {}, "the first plan is made before anybody spoke"
    for cpi, seen in enumerate(SEEN[1:3], start=1):
        said_s = 1e-9 * frame.cpi_start_ns(cpi - 1)
        assert seen == {name: (pytest.approx(said_s), {"asked": cpi}) for name in emulation.access_points}


def test_on_a_slow_fronthaul_it_comes_late():
    """Plan n is made n CPIs after the start; what was said after 2.5 arrives after 4.5, in time for plan 5."""
    cpi_s = 1e-9 * small().build(1).frame.cpi_ns
    late = small(fronthaul__latency_s=2.0 * cpi_s, schedule__lead_s=2.5 * cpi_s, fronthaul__deadline_s=3.0 * cpi_s)
    emulation = late.build(1, access_point=Counting, selector=Watching())
    emulation.run(3)
    assert not any(SEEN[:5])
    assert {said["asked"] for _, said in SEEN[5].values()} == {1}


def test_its_bits_are_counted_and_its_way_is_traced():
    message = Telemetry("ap-0", "central", 0, 7, {"load": 0.5, "µ": 1.0})
    assert message.bits == HEADER_BITS + 64 + (8 * 4 + 64) + (8 * 2 + 64)
    emulation = small().build(1, access_points={"ap-0": Counting}, selector=Watching())
    emulation.run(2)
    way = Journeys(emulation.trace.data())
    sent = way.messages(what="Telemetry")
    assert {(one.source, one.destination) for one in sent} == {("ap-0", "central")}
    assert {one.bits for one in sent} == {HEADER_BITS + 64 + 8 * len("asked") + 64}
    assert way.outcome(sent[0].number) is Outcome.ARRIVED


def test_an_ap_that_says_nothing_sends_nothing():
    @dataclass(kw_only=True, eq=False)
    class Mute(AccessPoint):
        def telemetry(self):
            return None

    plain, mute = (small().build(1, **keys).run(2) for keys in ({}, {"access_point": Mute}))
    assert plain.fronthaul == mute.fronthaul
    np.testing.assert_array_equal(plain.errors_m, mute.errors_m)


@pytest.mark.parametrize("said", [3.0, {"load": np.nan}, {"load": "much"}, {1: 2.0}, {"": 1.0}, {"a": [1.0, 2.0]}])
def test_anything_but_finite_numbers_by_name_is_refused(said):
    @dataclass(kw_only=True, eq=False)
    class Odd(AccessPoint):
        def telemetry(self):
            return said

    with pytest.raises(EmulationError, match=r"Odd\.telemetry returned .*expected None or finite numbers by name"):
        small().build(1, access_point=Odd).run(1)


def test_a_view_cannot_be_written_into_and_a_state_keeps_what_was_said():
    first = small().build(1, access_point=Counting, selector=Watching())
    first.run(2)
    view, again = first.central.view(), small().build(1, access_point=Counting, selector=Watching())
    with pytest.raises(TypeError):
        view.reports["ap-0"].values["asked"] = 7
    with pytest.raises(TypeError):
        view.reports["ap-0"] = None
    again.restore(first.state())
    assert again.central.view().reports == view.reports


def test_of_two_that_overtake_each_other_the_one_said_last_counts():
    emulation = small().build(1, access_point=Counting)
    central = emulation.central
    for measured_ns, load_now in ((200, 2.0), (100, 1.0)):
        central.on_message(Telemetry("ap-0", "central", 0, measured_ns, {"load": load_now}))
    assert central.view().reports["ap-0"].values == {"load": 2.0}
