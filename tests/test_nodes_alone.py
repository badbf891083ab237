"""Nodes without an emulation: what a node asks for is little, so a few stand-ins let it run alone."""

from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from emulator.functional_split import IqSplit, StatisticsSplit
from emulator.messages import Assignment, EchoReport, StatisticsReport, TransmissionRecord
from emulator.nodes.access_point import AccessPoint
from emulator.nodes.node import EmulationError
from emulator.nodes.user_equipment import UserEquipment
from emulator.randomness import Streams, complex_normals
from emulator.slot import CpiPlan, Frame
from emulator.trace import ROW, Kind
from models.network import ModeAssignment

FRAME = Frame(slot_ns=100, n_slots=2, n_snapshots=50, lead_ns=20, deadline_ns=40)
N_ANTENNAS, NOISE_W, POWER_W = 4, 2e-3, 1.0


class Alone:
    """The services of a node that is alone: time, random numbers, a log, and media that take what comes."""

    def __init__(self):
        self.now_ns, self.frame, self.rows, self.sent = 0, FRAME, [], []
        self.record, self.book = self.rows.append, None
        self.rank, self.generator = lambda name: 0, Streams(1).generator
        self.air, self.fronthaul = Mock(), SimpleNamespace(connect=lambda name, take: None, send=self.sent.append)
        self.network = SimpleNamespace(n_aps=3, n_antennas=N_ANTENNAS)

    def kinds(self):
        """Return what the node recorded."""
        return [Kind(kind) for kind in np.frombuffer(b"".join(self.rows), ROW)["kind"]]


def access_point(kind=AccessPoint, **keys):
    usual = {
        "name": "ap-0", "split": IqSplit(iq_bits=8), "transmit_power_w": POWER_W, "comm_power_fraction": 0.5,
        "noise_power_w": NOISE_W, "n_antennas": N_ANTENNAS, "illumination": "sensing",
    }  # fmt: skip
    return kind(**usual | keys)


def plan(transmitters, receivers):
    """Return the plan of CPI 0, in which the transmitters sense in turn."""
    return CpiPlan(
        cpi=0,
        assignment=ModeAssignment.of(3, transmitters, receivers),
        ap_names=("ap-0", "ap-1", "ap-2"),
        slots=FRAME.slots(0, tuple(f"ap-{i}" for i in transmitters)),
        deadline_ns=FRAME.cpi_start_ns(1) + FRAME.deadline_ns,
    )


def begin(ap, planned=None, payload=()):
    """Start an AP, hand it a plan, and wake it at the start of CPI 0; return its services and its doors to the air."""
    services = Alone()
    ap.start(services)
    if planned is not None:
        ap.on_message(Assignment("central", ap.name, planned, payload))
    wake(ap, services, FRAME.cpi_start_ns(0))
    _, ask, radiate, deliver, _ = services.air.connect_access_point.call_args.args

    def transmit(position):
        emission = ask(position)
        if emission is not None:
            radiate(position, emission)

    return services, transmit, deliver


def wake(node, services, now_ns):
    node.wake_ns = services.now_ns = now_ns
    node.wake()


def echo_of(seed):
    return complex_normals(np.random.default_rng(seed), N_ANTENNAS, FRAME.n_snapshots)


def test_a_receiver_listens_with_its_own_noise_and_reports_what_it_hears():
    planned = plan((1, 2), (0,))
    services, _, deliver = begin(access_point(), planned)
    services.air.hear.assert_called_once_with("ap-0")
    noise = services.air.connect_access_point.call_args.args[-1](0)
    assert noise.shape == (N_ANTENNAS, FRAME.n_samples)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(NOISE_W, rel=0.25)  # five sigma of 400 samples
    deliver(planned.slots[1], echo_of(1))
    (report,) = services.sent
    assert isinstance(report, EchoReport)
    assert (report.source, report.destination, report.slot) == ("ap-0", "central", planned.slots[1])
    assert report.content_bits == 2 * 8 * N_ANTENNAS * FRAME.n_snapshots + 32
    np.testing.assert_array_equal(report.samples, echo_of(1))
    assert services.kinds() == [Kind.ASSIGNED, Kind.LISTEN, Kind.REPORT]


def test_a_receiver_that_withholds_sends_nothing_and_says_so():
    @dataclass(kw_only=True, eq=False)
    class Shy(AccessPoint):
        def report(self, slot, echo):
            return None

    planned = plan((1, 2), (0,))
    services, _, deliver = begin(access_point(Shy), planned)
    deliver(planned.slots[0], echo_of(1))
    assert not services.sent
    assert services.kinds()[-1] is Kind.WITHHOLD


def test_a_transmitter_radiates_within_its_budget_and_sends_the_record_of_it():
    planned = plan((0, 1), (2,))
    ap = access_point(comm_power_fraction=0.0)
    services, transmit, _ = begin(ap, planned)
    services.air.transmit.assert_called_once_with("ap-0")
    for position in range(FRAME.n_slots):
        transmit(position)
    (slot, name, emission), _ = services.air.emit.call_args  # once: it holds the token in the first slot only
    assert services.air.emit.call_count == 1
    assert (slot, name, emission.communication) == (planned.slots[0], "ap-0", None)
    power_w = np.sum(np.abs(emission.sensing) ** 2) / FRAME.n_snapshots
    assert power_w == pytest.approx(POWER_W, rel=0.4)  # five sigma of 200 samples
    wake(ap, services, FRAME.cpi_start_ns(1))
    (record,) = services.sent
    assert isinstance(record, TransmissionRecord)
    assert (record.cpi, record.transmitter, record.positions) == (0, "ap-0", (0,))
    np.testing.assert_array_equal(record.samples, emission.sensing.astype(np.complex64))


def test_an_access_point_without_a_plan_stays_silent():
    services, _, _ = begin(access_point())
    assert services.kinds() == [Kind.SILENT]
    services.air.hear.assert_not_called()
    services.air.transmit.assert_not_called()


def test_a_receiver_that_computes_statistics_answers_when_the_last_record_has_come():
    planned = plan((1, 2), (0,))
    ap = access_point(split=StatisticsSplit(illumination="sensing"))
    services, _, deliver = begin(ap, planned)
    radiated = [echo_of(10 + position).astype(np.complex64) for position in range(2)]
    for slot in planned.slots:
        deliver(slot, echo_of(slot.position))
    for position, name in enumerate(planned.transmitters):
        assert not services.sent
        ap.on_message(TransmissionRecord("central", "ap-0", 0, name, (position,), radiated[position]))
    (report,) = services.sent
    assert isinstance(report, StatisticsReport)
    expected = [echo_of(position) @ radiated[position].conj().T for position in range(2)]
    np.testing.assert_allclose(report.cross, np.stack(expected, axis=1), rtol=1e-12)


def test_what_a_hook_raises_names_node_hook_slot_and_time():
    @dataclass(kw_only=True, eq=False)
    class Broken(AccessPoint):
        def report(self, slot, echo):
            raise LookupError("nothing there")

    planned = plan((1, 2), (0,))
    _, _, deliver = begin(access_point(Broken), planned)
    with pytest.raises(EmulationError, match=r"ap-0\.report, slot 1 \(CPI 0\), t = 20 ns: LookupError: nothing there"):
        deliver(planned.slots[1], echo_of(1))


def test_a_user_equipment_joins_each_cpi_with_noise_and_fading_of_its_own():
    services, ue = Alone(), UserEquipment(name="ue-0", noise_power_w=NOISE_W)
    ue.start(services)
    joined = []
    services.air.join = lambda *brought: joined.append(brought)
    for cpi in range(2):
        wake(ue, services, FRAME.cpi_start_ns(cpi))
    assert ue.wake_ns == FRAME.cpi_start_ns(2)
    for name, noise, scattered, phase_rad, place_m in joined:
        assert place_m is None, "it does not move"
        assert (name, noise.shape, scattered.shape) == ("ue-0", (FRAME.n_samples,), (3, N_ANTENNAS))
        assert np.mean(np.abs(noise) ** 2) == pytest.approx(NOISE_W, rel=0.5)  # five sigma of 100 samples
        assert -np.pi <= phase_rad <= np.pi
    assert not np.any(joined[0][1] == joined[1][1])
