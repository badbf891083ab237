"""`dmimo explain`: what happened to a node in a CPI, told from the files of a folder alone."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from emulator.journeys import Journeys
from emulator.trace import Kind
from scenarios.commands.cli import app
from scenarios.file.files import load
from scenarios.output.results import json_text, load_trace, run_data, save_trace
from tests.conftest import SMALL

FIXED = {"selector.kind": "fixed", "selector.transmitters": [0, 1, 2], "selector.receivers": [3, 4, 5]}


@pytest.fixture
def folder(tmp_path):
    """Return what runs the small network, APs 0 to 2 transmitting and 3 to 5 receiving, and gives a folder of it."""

    def make(overrides=None, graph=None, n_cpis=4, **keys):
        scenario = load("paper", SMALL | FIXED | (overrides or {}))
        emulation = scenario.build(1, fronthaul=graph and graph(scenario), **keys)
        result = emulation.run(n_cpis)
        save_trace(result.trace, tmp_path / "trace.npz")
        (tmp_path / "result.json").write_text(json_text(run_data(result, 1)))
        return tmp_path

    return make


def dmimo(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def said(folder, node, cpi=None):
    done = dmimo("explain", folder, node, *(() if cpi is None else ("--cpi", cpi)))
    assert done.exit_code == 0, done.output
    return done.output


def refused(*words):
    done = dmimo("explain", *words)
    assert done.exit_code == 2
    return done.stderr


def lossy(link):
    def graph(scenario):
        made = scenario.build().fronthaul.graph
        made.edges[link]["loss_probability"] = 1.0
        return made

    return graph


# -- access points ----------------------------------------------------------------------------------------------------


def test_a_receiver_hears_gives_and_is_fused(folder):
    """Slots of 40 us, planned 200 us ahead, fused 500 us after the last: all times follow."""
    text = said(folder(), "ap-3", 2)
    lines = text.splitlines()
    assert lines[0] == "ap-3 in CPI 2 listened in slots 6 to 8 and gave 3 reports: 3 fused."
    assert "Planned at 0.240 ms" in lines[1]
    for slot, start_ms in ((6, 0.440), (7, 0.480), (8, 0.520)):
        heard = f"Slot {slot}, heard from {start_ms:.3f} ms to {start_ms + 0.04:.3f} ms"
        (line,) = (line for line in lines if heard in line)
        assert f"given to the fronthaul at {start_ms + 0.04:.3f} ms because of the plan of CPI 2 for ap-3" in line
        assert re.search(r"fused at \d\.\d{3} ms\.$", line)
    assert text.count("ap-3->central: sent from") == 3


def test_a_report_says_behind_what_it_waited_and_why_it_is_late(folder):
    """A report of 912 bits takes 0.456 ms at 2 Mbit/s, a slot 0.04 ms: each waits for those before it."""
    place = folder({"fronthaul.rate_bit_s": 2e6, "schedule.lead_s": 2e-3, "fronthaul.deadline_s": 1e-3})
    text = said(place, "ap-3", 0)
    assert "gave 3 reports: 2 fused and 1 late." in text
    (line,) = (line for line in text.splitlines() if "Slot 2," in line)
    waiting = 2 * 0.456 - 2 * 0.04
    assert f"{waiting:.4g} ms waiting, 0.456 ms being sent, 0.025 ms of propagation" in line
    assert re.search(r"late, \S+ ms after the fusion; on its way for 1\.313 ms", line)
    assert re.search(
        r"waited 0\.832 ms behind the report of ap-3 on slot 0 \(\d+\) and the report of ap-3 on slot 1", text
    )


def test_every_hop_of_a_chain_is_told(folder):
    text = said(
        folder({"fronthaul.topology": "stripe", "schedule.lead_s": 1e-3, "fronthaul.deadline_s": 2e-3}), "ap-5", 1
    )
    for link in ("ap-5->ap-4", "ap-4->ap-3", "ap-3->ap-2", "ap-2->ap-1", "ap-1->ap-0", "ap-0->central"):
        assert text.count(f"    {link}: ") == 3
    assert text.count("    central->ap-0: ") == 1


def test_a_lost_report_says_where(folder):
    text = said(folder(graph=lossy(("ap-4", "central"))), "ap-4", 1)
    assert "gave 3 reports: 3 lost." in text
    assert text.count("lost at ap-4->central.") == 3


def test_a_full_queue_refuses(folder):
    text = said(folder({"fronthaul.queue_bits": 900}), "ap-4", 1)
    assert "gave 3 reports: 3 refused." in text
    assert "the queue was full, or the link down" in text


def test_a_report_that_came_in_time_says_whose_record_was_missing(folder):
    text = said(folder(graph=lossy(("ap-1", "central"))), "ap-4", 1)
    assert "gave 3 reports: 2 fused and 1 not used." in text
    (line,) = (line for line in text.splitlines() if "not used in the fusion" in line)
    assert "Slot 4" in line  # the second of CPI 1, in which ap-1 senses
    assert "for the record of ap-1 was lost at ap-1->central" in line


def test_statistics_that_were_formed_before_a_record_came_say_by_how_much(folder):
    """Receivers report 175 us after the CPI, and are told what was radiated 200 us after it and two times on a link."""
    slow = {"fronthaul.split": "statistics", "fronthaul.latency_s": 1e-4, "fronthaul.deadline_s": 350e-6,
            "schedule.lead_s": 1e-3}  # fmt: skip
    lost = load("paper", SMALL | FIXED | slow).build(1).run(4).lost_reports
    (late_ns,) = (found.least_late_ns for found in lost if (found.cause.what, found.cause.fate) == ("record", "late"))
    text = said(folder(slow), "ap-5", 1)
    after_ms = re.findall(r"the record of ap-\d reached ap-5 (\S+) ms after it had reported", text)
    assert len(after_ms) == 3
    assert [1e6 * float(after_ms[0]), late_ns] == pytest.approx([27816] * 2, abs=5)
    assert "not used in the fusion" not in text.partition("what was radiated then")[2]


def test_who_did_not_sense_in_a_slot_is_not_blamed_for_it(folder):
    def graph(scenario):
        made = lossy(("ap-1", "central"))(scenario)
        made.edges["ap-2", "central"]["loss_probability"] = 1.0
        return made

    (line,) = (line for line in said(folder(graph=graph), "ap-4", 1).splitlines() if "Slot 4," in line)
    assert "for the record of ap-1 was lost at ap-1->central." in line


def test_a_transmitter_gives_no_reports_but_says_what_it_sent(folder):
    text = said(folder(), "ap-1", 2)
    assert "ap-1 in CPI 2 transmitted in slots 6 to 8, with the sensing waveform in slot 7; " in text
    assert "a transmitter gives no reports" in text
    assert re.search(r"Record of what it radiated; message \d+, given to the fronthaul at 0\.560 ms", text)
    assert "    ap-1->central: " in text


@pytest.mark.parametrize(
    ("overrides", "graph", "words"),
    [
        ({}, lossy(("central", "ap-3")), ["lost at central->ap-3."]),
        ({"schedule.lead_s": 1e-5}, None, ["arrived at", "0.01543 ms after the CPI began"]),
    ],
)
def test_an_ap_without_a_plan_says_what_became_of_it(folder, overrides, graph, words):
    text = said(folder(overrides, graph), "ap-3", 1)
    assert "ap-3 in CPI 1 was silent: it had no plan when the CPI began" in text
    assert all(word in text for word in words), text


def test_statistics_say_what_their_receiver_was_told(folder):
    text = said(folder({"fronthaul.split": "statistics"}), "ap-4", 1)
    assert "gave 1 report: 1 fused." in text
    assert "What it heard in slots 3 to 5 went into its statistics." in text
    for name in ("ap-0", "ap-1", "ap-2"):
        assert re.search(rf"Told the record of {name} for CPI 1 \(\d+\): arrived at", text)
    assert re.search(r"Statistics; message \d+, given .* because of the record of ap-2 for CPI 1", text)


def test_an_ap_that_keeps_its_echoes_says_so(folder):
    from emulator import AccessPoint

    class Discreet(AccessPoint):
        def report(self, slot, echo):
            return None if slot.position == 1 else echo

    text = said(folder(access_points={"ap-5": Discreet}), "ap-5", 0)
    assert "gave 2 reports" in text
    assert "It kept to itself what it heard in slot 1." in text


def test_what_the_end_of_the_run_cut_short_is_told(folder):
    place = folder(n_cpis=1)
    last = max(Journeys(load_trace(place / "trace.npz")).cpis(Kind.PLAN))
    assert last > 0
    assert "the CPI had not begun when the trace ended" in said(place, "ap-0", last)
    assert "Not fused before the trace ended." in said(place, "central", last)
    assert "was not published before the run ended" in said(place, "target-0", last)


def test_who_listens_in_a_slot_that_the_trace_ends_in_is_not_called_idle(folder):
    """A latency that keeps CPI 0 open until CPI 1 or 2 is in its first slot."""
    place = folder({"fronthaul.deadline_s": 1e-4, "estimator.latency_s": 95e-6}, n_cpis=1)
    begun = Journeys(load_trace(place / "trace.npz")).cpis(Kind.COMMUNICATE)[-1]
    last_slot = [line for line in said(place, "air", begun).splitlines() if "Slot" in line][-1]
    assert last_slot.endswith("and it was not over when the trace ended.")
    assert "who listens is recorded when a slot is over" in said(place, "ap-4", begun)


# -- other nodes ------------------------------------------------------------------------------------------------------


def test_the_central_processor_counts_what_came(folder):
    text = said(
        folder({"fronthaul.rate_bit_s": 2e6, "schedule.lead_s": 2e-3, "fronthaul.deadline_s": 1e-3}), "central", 0
    )
    assert "central planned CPI 0 at 0.000 ms." in text
    assert "6 plans sent: 6 arrived." in text
    assert "From ap-0: 1 record (1 fused)." in text
    assert "From ap-3: 3 reports (2 fused and 1 late)." in text
    assert "Fused 6 reports at" in text


def test_links_air_users_and_targets_say_what_they_can(folder):
    place = folder()
    link = said(place, "ap-3->central", 1)
    assert link.startswith("ap-3->central was given 3 messages about CPI 1.")
    assert "the report of ap-3 on slot 4: sent from" in link
    assert "Slot 4: sensing waveform of ap-1, 2 more transmitted, 3 listened." in said(place, "air", 1)
    assert re.search(r"spectral efficiency was \d+\.\d{3} bit/s/Hz", said(place, "ue-1", 1))
    assert re.search(r"target-0 in CPI 1 was \S+, with 9 of 9 reports fused; it was at \(", said(place, "target-0", 1))


def test_without_a_cpi_it_is_the_last_published(folder):
    place = folder(n_cpis=3)
    assert said(place, "ap-4") == said(place, "ap-4", 2)


def test_the_words_are_the_same_every_time(folder):
    texts = [said(folder({"fronthaul.loss_probability": 0.1}), "central", 1) for _ in range(2)]
    assert texts[0] == texts[1]


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "hint"),
    [
        ("ap-33", 'did you mean "ap-3"?'),
        ("centrl", 'did you mean "central"?'),
        ("ap-3->centrl", 'did you mean "ap-3->central"?'),
        ("zzz", "known here: air, ap-0"),
    ],
)
def test_an_unknown_node_is_refused_with_the_nearest(folder, node, hint):
    text = refused(folder(n_cpis=1), node)
    assert f'NODE: 1 problem\n  got "{node}"; {hint}' in text


def test_a_switch_is_sent_to_its_links(folder):
    import networkx as nx

    def graph(scenario):
        made = nx.DiGraph()
        for name in (*scenario.access_point_names, "central"):
            made.add_edge(name, "sw-1")
            made.add_edge("sw-1", name)
        return made

    place = folder(graph=graph, n_cpis=1)
    text = refused(place, "sw-1")
    assert "only passes messages on" in text
    assert "sw-1->central" in text
    assert "    sw-1->central: sent from" in said(place, "ap-3", 0)


def test_an_unknown_cpi_is_refused_with_the_range(folder):
    place = folder({"trace.last_cpis": 2}, n_cpis=5)
    assert "--cpi: 1 problem\n  got 90; allowed: " in refused(place, "ap-3", "--cpi", 90)
    assert "a whole number >= 0" in refused(place, "ap-3", "--cpi", "x")
    assert "a whole number >= 0" in refused(place, "ap-3", "--cpi", "-1")


def test_a_folder_without_a_trace_is_refused(tmp_path):
    assert f'DIR: 1 problem\n  got "{tmp_path}/no", which is no folder' in refused(tmp_path / "no", "ap-3")
    assert f'got "{tmp_path}", which holds no trace.npz' in refused(tmp_path, "ap-3")
    (tmp_path / "trace.npz").write_bytes(b"PK")
    assert "cannot be read as a trace" in refused(tmp_path, "ap-3")
    np.savez(tmp_path / "trace.npz", time_ns=np.zeros(1))
    assert "is no trace: it lacks cpi" in refused(tmp_path, "ap-3")


def test_a_broken_result_is_refused_only_where_it_is_needed(folder):
    place = folder(n_cpis=1)
    (place / "result.json").write_text("{")
    assert "ap-3 in CPI 0" in said(place, "ap-3", 0)
    assert "cannot be read as a result" in refused(place, "ue-0", "--cpi", 0)


# -- calibrations ------------------------------------------------------------------------------------------------------

CALIBRATED = {"oscillators.preset": "ocxo", "calibration.kind": "direct-path"}


def test_pilots_reports_of_them_and_corrections_are_told(folder):
    place = folder(CALIBRATED, n_cpis=6)
    text = said(place, "ap-1", 0)
    assert text.startswith("ap-1 in CPI 0 sent a pilot in slot 1 and listened to those of others in slots 0 and 2; ")
    assert re.search(r"What it heard of them; message \d+, .*: fused at", text)
    assert "pilot of ap-1, 5 listened" in said(place, "air", 0)
    assert "Correction" not in said(place, "ap-1", 3)
    assert re.search(r"Correction of its phases; message \d+: arrived at .*; taken up at", said(place, "ap-1", 4))
    central = said(place, "central", 1)
    assert "Knew anew the phases of 6 APs at" in central and "Fused" not in central
    assert "the correction of the phases of ap-1 from CPI 4 on" in said(place, "central->ap-1", 4)


def test_an_ap_without_a_plan_sends_no_pilot_and_one_that_is_told_its_phases_says_so(folder):
    text = said(folder(CALIBRATED, graph=lossy(("central", "ap-1"))), "ap-1", 0)
    assert "it had no plan" in text
    told = said(folder(CALIBRATED | {"calibration.kind": "genie"}), "ap-1", 0)
    assert "Was told its phases" in told


def test_coherence_that_is_lost_is_told_when_it_is_noticed(tmp_path):
    """Twelve APs, as the phases of fewer pairs always fit a target somewhere; offsets of 20 Hz part them in 3 ms."""
    drifting = CALIBRATED | {"oscillators.cfo_std_hz": 20.0, "calibration.when_lost": True, "targets": [{}]}
    scenario = load("paper", drifting | {"estimator.max_operations": 1e9, "user_equipment.count": 0})
    result = scenario.build(1, scoring=False).run(8)
    save_trace(result.trace, tmp_path / "trace.npz")
    (tmp_path / "result.json").write_text(json_text(run_data(result, 1)))
    (noticed,) = Journeys(load_trace(tmp_path / "trace.npz")).cpis(Kind.INCOHERENT)
    assert "Found that the phases do not fit any more" in said(tmp_path, "central", noticed)
    assert "Found that the phases" not in said(tmp_path, "central", noticed - 1)
