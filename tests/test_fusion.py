"""When a CPI is fused: when everything has come, in order, at the deadline at the latest; and when it is estimated."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from emulator.media.topologies import stripe
from emulator.messages import StatisticsReport
from emulator.nodes.access_point import AccessPoint
from models.estimation.base import Estimator
from models.observation import Estimate

SLOW = {"schedule.lead_s": 0.01, "fronthaul.deadline_s": 0.02}
MORE_NS = 500_000


def latency_ns(emulation):
    """Emulated time from the start of the first CPI to its estimate, in ns."""
    cpi = next(emulation.cpis(1))
    assert cpi.reports_fused == cpi.reports_expected
    assert cpi.sensing_latency_s == pytest.approx(1e-9 * (cpi.published_ns - cpi.start_ns), rel=1e-12)
    return cpi.published_ns - cpi.start_ns


@pytest.mark.parametrize(("split", "links"), [("iq", 1), ("statistics", 3)])
def test_half_a_millisecond_more_on_every_link_delays_the_estimate_by_the_sum_along_the_path(small, split, links):
    """A report takes one link; statistics wait for a record, which is passed on, and then take one themselves."""
    overrides = {**SLOW, "fronthaul.split": split}
    some, more = (latency_ns(small({**overrides, "fronthaul.latency_s": s}).build(estimator=None))
                  for s in (25e-6, 525e-6))  # fmt: skip
    assert more - some == links * MORE_NS


def test_along_a_chain_the_longest_path_counts(small):
    """The last AP of a chain of six is six links away, and has a report or a record to send."""
    names = tuple(f"ap-{i}" for i in range(6))
    some, more = (latency_ns(small(SLOW).build(estimator=None, fronthaul=stripe(names, latency_s=s)))
                  for s in (25e-6, 525e-6))  # fmt: skip
    assert more - some == 6 * MORE_NS


def test_the_rate_of_a_link_and_its_queue_show_in_the_latency(small):
    """Three slots of 40 us. A report has 46 bytes of headers, 4 x 4 samples of 32 bits and a scale: 912 bits.

    A record has 46 bytes of headers, 16 bits and 4 x 4 samples of 64 bits: 1408 bits. At 1 Gbit/s the records come
    last. At 10 Mbit/s a report takes 91.2 us, more than a slot, so that the third waits for the first and second.
    """
    fast = latency_ns(small({"fronthaul.deadline_s": 0.02}).build(estimator=None))
    slow = latency_ns(small({**SLOW, "fronthaul.rate_bit_s": 1e7}).build(estimator=None))
    assert fast == 3 * 40_000 + 1_408 + 25_000
    assert slow == 40_000 + 3 * 91_200 + 25_000


@dataclass(kw_only=True, eq=False)
class Discreet(AccessPoint):
    """Keeps what it hears in the first CPI to itself."""

    def report(self, slot, echo):
        return None if slot.cpi == 0 else echo


def test_a_missing_report_is_waited_for_until_the_deadline_and_the_cpis_after_it_wait_in_order(small):
    emulation = small({"fronthaul.deadline_s": 1e-3}).build(estimator=None, access_point=Discreet)
    cpis = list(emulation.cpis(12))
    end_ns, cpi_ns = cpis[0].end_ns, emulation.frame.cpi_ns
    assert [cpi.index for cpi in cpis] == list(range(12))
    assert cpis[0].published_ns == end_ns + 1_000_000
    held_up = 1 + 1_000_000 // cpi_ns
    for cpi in cpis[1:held_up]:  # they were complete before, all at once now
        assert cpi.published_ns <= end_ns + 1_000_000 + cpi_ns
    assert all(cpi.published_ns - cpi.end_ns == 26_408 for cpi in cpis[held_up:])
    assert [cpi.reports_fused for cpi in cpis] == [0, *[9] * 11]


def test_with_everything_there_the_deadline_does_not_matter(small):
    """Neither to the result nor to the work until then: two seconds are 16,000 CPIs."""
    runs = [small({"fronthaul.deadline_s": s}).build(estimator=None).run(4) for s in (5e-4, 2.0)]
    for name in ("events", "slots", "fronthaul"):
        assert getattr(runs[0], name) == getattr(runs[1], name)
    assert [cpi.published_ns for cpi in runs[0].cpis] == [cpi.published_ns for cpi in runs[1].cpis]


@dataclass(frozen=True, kw_only=True)
class Counting(Estimator):
    """Finds as many targets as it was asked before."""

    asked: list = field(default_factory=list)

    def estimate(self, observation):
        self.asked.append(observation)
        return Estimate.at(np.zeros((len(self.asked) - 1, 2)))


def test_a_cpi_is_estimated_when_its_estimate_is_due_and_in_order(small):
    """The estimation takes 20 CPIs: the first result does not wait until 20 are worked out."""
    estimator = Counting()
    emulation = small({"estimator.latency_s": 20 * 120e-6}).build(estimator=estimator)
    for done, cpi in enumerate(emulation.cpis(4)):
        assert len(estimator.asked) == done + 1
        assert len(cpi.estimate.positions_m) == done == cpi.index
        assert cpi.published_ns - cpi.end_ns == 26_408 + 20 * 120_000


def test_a_fused_cpi_keeps_no_reports(small):
    """What waits for its estimate is statistics: samples and records are let go of."""
    emulation = small({"estimator.latency_s": 20 * 120e-6}).build(estimator=None)
    next(emulation.cpis(1))
    waiting = [inbox for inbox in emulation.central.inboxes.values() if inbox.closed]
    assert len(waiting) >= 19
    assert not any(inbox.echoes or inbox.records or inbox.statistics for inbox in waiting)


def test_a_state_taken_while_cpis_wait_for_one_goes_on_in_order(small):
    """A lost report holds up the CPIs after it; a run continued in the midst of that gives the same results."""
    scenario = small({"fronthaul.deadline_s": 1e-3})
    whole = list(scenario.build(estimator=None, access_point=Discreet).cpis(10))
    for n in (1, 2, 5):
        before = scenario.build(estimator=None, access_point=Discreet)
        list(before.cpis(n))
        after = scenario.build(estimator=None, access_point=Discreet)
        after.restore(before.state())
        rest = list(after.cpis(10 - n))
        assert [(c.index, c.published_ns) for c in rest] == [(c.index, c.published_ns) for c in whole[n:]]


def test_a_message_sent_twice_counts_once(small):
    """Reports of a slot that came twice do not stand in for those that did not come."""

    @dataclass(kw_only=True, eq=False)
    class Stutterer(AccessPoint):
        def on_echo(self, slot, echo):
            super().on_echo(slot, echo)
            super().on_echo(slot, echo)

        def report(self, slot, echo):
            return None if slot.position == 2 else echo

    cpi = next(small({"fronthaul.deadline_s": 1e-4}).build(estimator=None, access_point=Stutterer).cpis(1))
    assert cpi.published_ns == cpi.end_ns + 100_000
    assert cpi.reports_fused == 6


# -- statistics of fewer bits -----------------------------------------------------------------------------------------


def with_statistics(small, n_bits, power_dbm=80.0):
    overrides = {"fronthaul.split": "statistics", "fronthaul.statistics_bits": n_bits}
    return next(small(overrides | {"radio.transmit_power_dbm": power_dbm}).build(estimator=None).cpis(1))


@pytest.mark.parametrize("n_bits", [8, 10, 12, 32])
def test_error_of_statistics_is_what_it_is_said_to_be(small, n_bits):
    """The error of Z over what an antenna radiated is the error power of a sample that the observation tells."""
    exact, coarse = (with_statistics(small, bits).observation for bits in (64, n_bits))
    sent = exact.gram.traces.mean() / exact.gram.n_antennas
    error = np.mean(np.abs(coarse.cross - exact.cross) ** 2, axis=(1, 2, 3)) / sent
    if n_bits == 32:
        assert coarse.quantisation_power_w is None and (error < 1e-9 * exact.noise_power_w).all()
    else:
        assert np.mean(error / coarse.quantisation_power_w) == pytest.approx(1.0, rel=0.3)
        assert coarse.energy == pytest.approx(exact.energy, rel=1e-6)


def test_coarser_statistics_have_a_larger_bound(small):
    fine, coarse = (with_statistics(small, bits) for bits in (64, 8))
    assert (coarse.peb_m > fine.peb_m).all()


@pytest.mark.parametrize(("n_bits", "bits"), [(64, 128 * 48 + 64), (32, 64 * 48 + 32), (10, 20 * 48 + 32 + 32)])
def test_bits_of_statistics_are_counted_from_the_message(n_bits, bits):
    report = StatisticsReport("ap-0", "central", 0, (0, 1), ("a", "b", "c"), np.zeros((4, 3, 4), complex), 1.0, n_bits)
    assert report.content_bits == 2 * 16 + bits
