"""Timing that cannot work is told before anything runs, and what is proposed works."""

import json
import random
import re

import pytest
from typer.testing import CliRunner

from scenarios.commands.cli import app
from scenarios.file.timing import timing_warnings

SETTINGS = {
    "plans on a stripe": {"fronthaul.topology": "stripe", "schedule.lead_s": 60e-6},
    "plans over a slow link": {"fronthaul.rate_bit_s": 3e7, "schedule.lead_s": 40e-6},
    "latency above the lead": {"fronthaul.latency_s": 300e-6},
    "no lead": {"schedule.lead_s": 0.0},
    "reports on a stripe": {"fronthaul.topology": "stripe", "fronthaul.deadline_s": 80e-6},
    "reports on a tree": {"fronthaul.topology": "tree", "fronthaul.deadline_s": 30e-6},
    "records alone": {"fronthaul.deadline_s": 26.2e-6, "fronthaul.iq_bits": 1},
    "no deadline": {"fronthaul.deadline_s": 0.0, "fronthaul.topology": "ring"},
    "statistics": {"fronthaul.split": "statistics", "fronthaul.deadline_s": 90e-6},
    "statistics on a stripe": {"fronthaul.split": "statistics", "fronthaul.topology": "stripe",
                               "fronthaul.deadline_s": 250e-6},
    "full illumination": {"radio.illumination": "full", "fronthaul.deadline_s": 27e-6},
}  # fmt: skip
"""Reports are lost in each, by the timing alone."""
FINE = {
    "defaults": {},
    "statistics": {"fronthaul.split": "statistics"},
    "full illumination": {"radio.illumination": "full"},
    "ring": {"fronthaul.topology": "ring"},
    "tree of statistics": {"fronthaul.topology": "tree", "fronthaul.split": "statistics"},
    "no UEs": {"user_equipment.count": 0},
    "fixed": {"selector.kind": "fixed", "selector.transmitters": [0, 1, 2], "selector.receivers": [3, 4, 5]},
}


def proposed(warnings):
    """Return the settings that the warnings propose, by key."""
    found = [re.search(r"(\w+\.\w+) = .*: give ([-.0-9e]+) or more", text) for text in warnings]
    return {match[1]: float(match[2]) for match in found if match}


def lost(scenario):
    """Return how many samples are missing in what was fused of six CPIs."""
    found = [cpi.observation for cpi in scenario.build(estimator=None, scoring=False).cpis(6)]
    n_slots = scenario.access_points.count - scenario.schedule.n_receivers
    whole = n_slots * scenario.schedule.snapshots_per_slot * scenario.access_points.n_antennas
    return sum(whole * scenario.schedule.n_receivers - (0 if o is None else o.n_samples.sum()) for o in found)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_cannot_work_is_told_and_what_is_proposed_works(small, name):
    scenario = small(SETTINGS[name])
    warnings = timing_warnings(scenario)
    assert warnings
    assert lost(scenario) > 0
    mended = scenario
    while proposed(timing_warnings(mended)):  # a later deadline may show a lead that is too short
        mended = mended.with_(proposed(timing_warnings(mended)))
    assert timing_warnings(mended) == []
    assert lost(mended) == 0


@pytest.mark.parametrize("name", FINE)
def test_what_works_is_not_warned_of(small, name):
    scenario = small(FINE[name])
    assert timing_warnings(scenario) == []
    assert lost(scenario) == 0


@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_one_nanosecond_decides(small, split):
    """On a star nothing waits for others of the same instant, so the least that works is known exactly."""
    scenario = small({"fronthaul.split": split, "schedule.lead_s": 1e-6, "fronthaul.deadline_s": 1e-6})
    enough = proposed(timing_warnings(scenario))
    keys = {"schedule.lead_s"} | ({"fronthaul.deadline_s"} if split == "iq" else set())
    for key in keys:
        assert lost(scenario.with_(enough)) == 0
        less = scenario.with_(enough | {key: enough[key] - 1e-9})
        assert proposed(timing_warnings(less)) == {key: enough[key]}
        assert lost(less) > 0


def test_the_warning_names_who_is_late_and_by_how_much(paper):
    """On a stripe of 12 the eighth is 8 x (25 us + 0.488 us) away, behind seven plans: 7.3 us more than the lead.

    The data of UEs, which some of the plans hold, are not counted.
    """
    (text,) = timing_warnings(paper({"fronthaul.topology": "stripe"}))
    assert text.startswith("the plan of a CPI reaches ap-7, ap-8, ap-9, ap-10, ap-11 0.00732 to 0.1112 ms after")
    assert "schedule.lead_s = 0.0002" in text


def test_of_fixed_roles_only_those_that_matter_are_told(small):
    """The last two of a stripe are idle, and their plans late: nobody misses anything but they."""
    fixed = {
        "selector.kind": "fixed",
        "selector.transmitters": [0],
        "selector.receivers": [1],
        "schedule.n_receivers": 1,
    }
    far = {"fronthaul.topology": "stripe", "schedule.lead_s": 60e-6}
    (text,) = timing_warnings(small(fixed).with_(far))
    assert "ap-2, ap-3, ap-4, ap-5" in text
    assert timing_warnings(small(fixed).with_({"fronthaul.topology": "stripe", "fronthaul.deadline_s": 60e-6})) == []


def test_a_link_that_is_asked_for_more_than_its_rate_is_told(small):
    """Reports of 912 bits every 40 us want 22.8 Mbit/s.

    On a stripe nine of them share with three records of 1,408 bits: 12,432 bits in the 120 us of a CPI.
    """
    texts = timing_warnings(small({"fronthaul.rate_bit_s": 22e6}))
    assert any(
        re.search(r"reports and records ask for up to 1\.04 times the rate of ap-0->central", text) for text in texts
    )
    assert not any("ask for" in text for text in timing_warnings(small({"fronthaul.rate_bit_s": 23e6})))
    shared = {"fronthaul.topology": "stripe", "schedule.lead_s": 1.0, "fronthaul.deadline_s": 1.0}
    (text,) = timing_warnings(small(shared | {"fronthaul.rate_bit_s": 103e6}))
    assert re.search(r"reports and records ask for up to 1\.01 times the rate of ap-0->central:", text)
    assert timing_warnings(small(shared | {"fronthaul.rate_bit_s": 104e6})) == []


@pytest.mark.parametrize(("queue_bits", "kinds"), [(911, ["report", "record"]), (912, ["record"]), (1408, [])])
def test_a_message_that_no_queue_takes_is_told(small, queue_bits, kinds):
    texts = timing_warnings(small({"fronthaul.queue_bits": queue_bits}))
    assert [kind for kind in ("report", "record") if any(text.startswith(f"a {kind} of") for text in texts)] == kinds
    assert (lost(small({"fronthaul.queue_bits": queue_bits})) > 0) == bool(kinds)


@pytest.mark.parametrize(
    "overrides",
    [
        {"access_points.count": 2, "schedule.n_receivers": 1},
        {"radio.comm_power_fraction": 1.0},
        {"radio.comm_power_fraction": 0.0},
        {"fronthaul.rate_bit_s": 1e15},
        {"fronthaul.payload_bits_per_symbol": 0.0},
    ],
)
@pytest.mark.parametrize("split", ["iq", "statistics"])
def test_borders(small, overrides, split):
    assert timing_warnings(small(overrides | {"fronthaul.split": split})) == []


def mixed(seed):
    """Return a scenario whose settings are drawn."""
    draw = random.Random(seed)
    n_aps = draw.choice([3, 5, 8])
    return {
        "access_points.count": n_aps,
        "access_points.n_antennas": draw.choice([1, 4]),
        "user_equipment.count": draw.choice([0, 2, 12]),
        "schedule.n_receivers": draw.randint(1, n_aps - 1),
        "schedule.lead_s": draw.choice([0, 1e-4, 2e-4, 1e-3]),
        "schedule.snapshots_per_slot": draw.choice([2, 10, 30]),
        "fronthaul.topology": draw.choice(["star", "ring", "tree", "stripe"]),
        "fronthaul.split": draw.choice(["iq", "statistics"]),
        "fronthaul.latency_s": draw.choice([0, 1e-6, 25e-6, 1e-4, 6e-4]),
        "fronthaul.rate_bit_s": draw.choice([5e6, 2e7, 1e8, 1e9]),
        "fronthaul.deadline_s": draw.choice([0, 1e-4, 5e-4, 2e-3]),
        "radio.illumination": draw.choice(["sensing", "full"]),
    } | draw.choice([{}, {}, {}, {"fronthaul.queue_bits": 3000}])  # fmt: skip


def fused(scenario):
    """Return whether all reports of eight CPIs are fused."""
    cpis = scenario.build(seed=1, estimator=None, scoring=False).run(8).cpis
    return all(cpi.reports_fused == cpi.reports_expected for cpi in cpis)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_what_loses_reports_is_told_whatever_the_settings(paper, first):
    for seed in range(first, first + 10):
        scenario = paper(mixed(seed))
        assert timing_warnings(scenario) or fused(scenario), mixed(seed)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_what_is_proposed_suffices_whatever_the_settings(paper, first):
    for seed in range(first, first + 10):
        scenario = paper(mixed(seed))
        warnings = timing_warnings(scenario)
        while proposed(timing_warnings(scenario)):
            scenario = scenario.with_(proposed(timing_warnings(scenario)))
        if warnings and not timing_warnings(scenario):
            assert fused(scenario), mixed(seed)


def test_no_time_is_proposed_where_records_ask_for_more_than_the_rate(paper):
    """Four records of 2,944 bits a CPI of 160 us ask for more than the 3,200 bits that pass, whoever receives."""
    tree = {
        "access_points.count": 5, "access_points.n_antennas": 4, "user_equipment.count": 0,
        "schedule.n_receivers": 1, "schedule.lead_s": 1e-4, "fronthaul.topology": "tree", "fronthaul.latency_s": 0,
        "fronthaul.rate_bit_s": 2e7,
    }  # fmt: skip
    (text,) = timing_warnings(paper(tree))
    assert re.search(r"reports and records ask for up to \S+ times the rate of ap-0->central", text)
    texts = timing_warnings(paper(tree | {"fronthaul.deadline_s": 1e-5}))
    assert any("fronthaul.deadline_s = 1e-05: make the fronthaul faster" in text for text in texts)
    assert not proposed(texts)


def test_copies_and_plans_that_a_queue_does_not_take_together_are_told(paper):
    chain = {
        "access_points.count": 3, "access_points.n_antennas": 4, "user_equipment.count": 2,
        "schedule.n_receivers": 2, "schedule.lead_s": 1e-3, "fronthaul.topology": "stripe",
        "fronthaul.split": "statistics", "fronthaul.deadline_s": 2e-3,
    }  # fmt: skip
    together = {"plans of a CPI": 1000, "copies of a record": 5000}
    for what, queue_bits in together.items():
        scenario = paper(chain | {"fronthaul.queue_bits": queue_bits})
        assert any(what in text and "at one instant" in text for text in timing_warnings(scenario))
        assert not fused(scenario)
    assert timing_warnings(paper(chain | {"fronthaul.queue_bits": 100_000})) == []


def test_of_plans_that_are_late_with_data_only_the_transmitters_are_told(small):
    """On a star of 25 us a bare plan of 428 bits is there in 27.1 us, one with 72 bits of data in 27.5."""
    (text,) = timing_warnings(small({"schedule.lead_s": 27.3e-6, "fronthaul.rate_bit_s": 2e8}))
    assert text.startswith("the plan of a CPI in which they transmit reaches ap-0, ")


# -- on the command line ----------------------------------------------------------------------------------------------

STRIPE = ("--set", 'fronthaul.topology="stripe"', "--set", 'estimator.kind="grid"')


def dmimo(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_validate_warns_and_the_scenario_stays_valid():
    outcome = dmimo("validate", "paper", *STRIPE)
    assert outcome.exit_code == 0
    assert "paper is valid" in outcome.stdout
    assert "\nwarning: the plan of a CPI reaches ap-7," in outcome.stdout
    assert "warning" not in dmimo("validate", "paper").output


def test_run_warns_on_standard_error_and_sums_up_what_was_lost(tmp_path):
    outcome = dmimo("run", "paper", "--cpis", "2", *STRIPE, "--out", str(tmp_path / "out"))
    assert outcome.exit_code == 0
    assert outcome.stderr.startswith("warning: the plan of a CPI reaches ap-7,")
    assert "Reports fused            24 of 72" in outcome.stdout
    said = "Reports lost             48: the plan came 0.01692 to 0.1316 ms late (ap-7, ap-8, ap-9, ap-10, ap-11)"
    assert said in outcome.stdout


def test_json_of_a_run_that_loses_reports_is_json_alone():
    outcome = dmimo("run", "paper", "--cpis", "1", *STRIPE, "--json")
    assert json.loads(outcome.stdout)["cpis"][0]["reports_fused"] == 12
    assert "warning" in outcome.stderr
