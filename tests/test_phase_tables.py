"""The tables [oscillators] and [calibration] of a scenario file: what is refused, and what becomes of what is not."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from emulator.randomness import Streams
from models.calibration import CoherenceDetector, DirectPath, Immediate, OverTheAir, ProportionalIntegral
from models.oscillators import PRESETS, Static, TwoState, Wiener, named
from scenarios.file.files import dump, load, parse_override
from scenarios.file.phase_parts import front_ends_of
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from tests.outcome import essence

NO_SUCH = "there is no such access point or UE"
OSCILLATORS = """
[oscillators]
preset = "ocxo"
cfo_std_hz = 2.0
shared_reference = true
user_equipment = true
transmit_chain_std_rad = 1.0
receive_chain_std_rad = 2.0
[[oscillators.node]]
name = "ap-3"
preset = "low-tcxo"
phase_std_rad = 0.5
[[oscillators.node]]
name = "ue-0"
kind = "wiener"
linewidth_hz = 3.0
"""
CALIBRATION = """
[calibration]
kind = "over-the-air"
topology = "ring"
period_s = 0.5
servo = "proportional-integral"
loop_hz = 2.0
damping = 1.5
when_lost = true
false_alarm_probability = 1e-4
memory_cpis = 4.0
tolerance_rad = 0.2
"""


def checked(text, **keys):
    return Scenario.checked(tomllib.loads(text), "mine.toml", **keys)


def written(scenario):
    return tomllib.loads(dump(scenario))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('preset = "ocx"', 'preset: got "ocx" (a string); allowed: one of low-tcxo'),
        ("preset = 3", "preset: got 3; allowed: one of low-tcxo"),
        ('kind = "wienr"', 'kind: got "wienr"; allowed: ideal, static, wiener, two-state, pll or "module:Class"; did'),
        ('kind = "wiener"', "linewidth_hz: required by this kind, not given"),
        ('kind = "wiener"\nlinewidth_hz = "a"', 'linewidth_hz: got \'a\'; input should be a valid number'),
        ('kind = "wiener"\nlinewidth_hz = -1.0', "linewidth_hz: got -1.0; give a number from 0 to"),
        ("linewidth_hz = 3.0", "linewidth_hz: unknown key; this kind has no settings"),
        ('preset = "ocxo"\nlinewidth_hz = 3.0', "linewidth_hz: unknown key; known here: cfo_std_hz, h0_s"),
        ('preset = "ocxo"\nkind = "two-state"', 'kind: got "two-state", and the preset "ocxo"; give one of the two'),
        ('kind = "my.lab:Quartz"', 'kind: "my.lab:Quartz" would run code of the module "my.lab"; allow it with'),
        ("shared_reference = 1", "shared_reference: got 1; allowed: true or false"),
        ('user_equipment = "no"', 'user_equipment: got "no" (a string); allowed: true or false'),
        ("transmit_chain_std_rad = -1", "transmit_chain_std_rad: got -1 rad; allowed: a finite number >= 0 and <= 100"),
        ("receive_chain_std_rad = nan", "receive_chain_std_rad: got nan rad; allowed: a finite number"),
        ("node = 3", "node: got 3; allowed: tables [[oscillators.node]] with the name of a node"),
        ('node = [{preset = "ocxo"}]', "node[0].name: got nothing; allowed: the name of an access point or a UE"),
        ('node = [{name = "ap-33"}]', f'node[0].name: got "ap-33"; {NO_SUCH}; did you mean "ap-3"?'),
        ('node = [{name = "ue-10"}]', f'node[0].name: got "ue-10"; {NO_SUCH}; did you mean "ue-1"?'),
        ('node = [{name = "ap-3"}]', 'node[0].name: got "ap-3" alone; give kind, preset or a setting, or leave the'),
        ('node = [{name = "ap-3", kind = "ideal"}, {name = "ap-3", kind = "ideal"}]',
         'node[1].name: got "ap-3", which stands there before; give each'),
        ('preset = "ocxo"\nnode = [{name = "ap-3", loop_hz = 3.0}]', "node[0].loop_hz: unknown key; known here: cfo"),
        ('node = [{name = "ap-3", preset = "ocxo", kind = "pll"}]', 'node[0].kind: got "pll", and the preset "ocxo"'),
        ('node = [{name = "ap-3", kind = "static"}]', "node[0].phase_std_rad: required by this kind, not given"),
        ('node = [{name = "ap-3", presett = "ocxo"}]', "node[0].presett: unknown key"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_oscillators_is_said(text, said):
    with pytest.raises(ScenarioError) as caught:
        checked(f"[oscillators]\n{text}")
    assert [problem.startswith(f"oscillators.{said}") for problem in caught.value.problems] == [True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "direct-pat"', 'kind: got "direct-pat"; allowed: none, genie, direct-path, over-the-air or'),
        ('kind = "my.lab:Rounds"', 'kind: "my.lab:Rounds" would run code of the module "my.lab"; allow it with'),
        ('kind = "genie"\ntopology = "ring"', "topology: unknown key; this kind has no settings"),
        ('kind = "over-the-air"\ntopology = "rin"', "topology: got 'rin'; "),
        ('kind = "direct-path"\nsurvey_std_m = -1.0', "survey_std_m: got -1.0; "),
        ("period_s = 1.0", 'period_s: the kind "none" measures nothing; leave it out'),
        ('servo = "immediate"', 'servo: the kind "none" measures nothing; leave it out'),
        ("when_lost = false", 'when_lost: the kind "none" measures nothing; leave it out'),
        ('kind = "genie"\nperiod_s = 0', "period_s: got 0 s; allowed: a number > 0 and <= 3600 in s"),
        ('kind = "genie"\nservo = "x"', 'servo: got "x" (a string); allowed: one of "immediate", "proportional-'),
        ('kind = "genie"\nservo = "proportional-integral"', "loop_hz: required by the servo proportional-integral"),
        ('kind = "genie"\nloop_hz = 1.0', 'loop_hz: the servo "immediate" has no loop; leave it out'),
        ('kind = "genie"\ndamping = 1.0', 'damping: the servo "immediate" has no loop; leave it out'),
        ('kind = "genie"\nloop_hz = -1', "loop_hz: got -1 Hz; allowed: a number >= 1e-6 and <= 1e6 in Hz"),
        ('kind = "genie"\ndamping = 0.5', "damping: got 0.5; allowed: a number >= 1 and <= 10"),
        ('kind = "genie"\nwhen_lost = "x"', 'when_lost: got "x" (a string); allowed: true or false'),
        ('kind = "genie"\nmemory_cpis = 2.0', "memory_cpis: has no effect without when_lost = true; leave it out"),
        ('kind = "genie"\ntolerance_rad = 0.1', "tolerance_rad: has no effect without when_lost = true; leave it out"),
        ('kind = "genie"\nfalse_alarm_probability = 0.1', "false_alarm_probability: has no effect without when_lost"),
        ('kind = "genie"\nwhen_lost = true\nmemory_cpis = 0.5', "memory_cpis: got 0.5; allowed: a finite number >= 1"),
        ('kind = "genie"\nwhen_lost = true\ntolerance_rad = 2.0', "tolerance_rad: got 2.0 rad; allowed: a finite"),
        (
            'kind = "genie"\nwhen_lost = true\nfalse_alarm_probability = 1.0',
            "false_alarm_probability: got 1.0; allowed: a finite number >= 1e-100 and < 1",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_calibration_is_said(text, said):
    with pytest.raises(ScenarioError) as caught:
        checked(f"[calibration]\n{text}")
    assert [problem.startswith(f"calibration.{said}") for problem in caught.value.problems] == [True]


def test_the_direct_paths_that_pilots_take_are_not_asked_for_twice():
    with pytest.raises(ScenarioError, match=r'air\[0\].kind: got "direct-paths", which another table brings'):
        checked('[calibration]\nkind = "direct-path"\n[[air]]\nkind = "direct-paths"')
    assert checked('[calibration]\nkind = "genie"\n[[air]]\nkind = "direct-paths"').air


# -- what is written out, and read again ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", OSCILLATORS, CALIBRATION, OSCILLATORS + CALIBRATION])
def test_a_dump_is_read_to_the_same_text_and_says_what_was_given(text):
    scenario = checked(text)
    assert dump(checked(dump(scenario))) == dump(scenario)
    given, found = tomllib.loads(text), written(scenario)
    for table in ("oscillators", "calibration"):
        assert found.get(table) == given.get(table)


def test_a_preset_stays_a_preset_and_what_has_no_effect_is_left_out():
    found = written(checked('[oscillators]\npreset = "ocxo"\n[calibration]\nkind = "genie"'))
    assert found["oscillators"] == {"preset": "ocxo"}
    assert found["calibration"] == {"kind": "genie", "servo": "immediate", "when_lost": False}


def test_what_is_written_out_runs_to_the_same_bytes(small):
    scenario = small(tomllib.loads(OSCILLATORS.replace("shared_reference = true", "") + CALIBRATION))
    again = checked(dump(scenario.resolved(3)))
    assert essence(again.build(seed=3).run(2)) == essence(scenario.build(seed=3).run(2))


# -- other values -----------------------------------------------------------------------------------------------------

LOOP = {"kind": "direct-path", "servo": "proportional-integral", "loop_hz": 3.0, "when_lost": True, "memory_cpis": 2.0}


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ({}, ['oscillators.preset="ocxo"'], {"preset": "ocxo"}),
        ({"preset": "ocxo"}, ["oscillators.cfo_std_hz=2.0"], {"preset": "ocxo", "cfo_std_hz": 2.0}),
        ({"preset": "ocxo", "cfo_std_hz": 1.0}, ['oscillators.preset="low-tcxo"'],
         {"preset": "low-tcxo", "cfo_std_hz": 1.0}),
        ({"preset": "ocxo", "cfo_std_hz": 1.0}, ['oscillators.preset="white-rabbit"'], {"preset": "white-rabbit"}),
        ({"kind": "wiener", "linewidth_hz": 3.0}, ['oscillators.preset="ocxo"'], {"preset": "ocxo"}),
        ({"preset": "ocxo"}, ['oscillators.preset="white-rabbit"', "oscillators.jitter_s=1e-12"],
         {"preset": "white-rabbit", "jitter_s": 1e-12}),
        ({"preset": "ocxo", "user_equipment": True}, ['oscillators.kind="wiener"', "oscillators.linewidth_hz=3.0"],
         {"kind": "wiener", "linewidth_hz": 3.0, "user_equipment": True}),
        ({"kind": "wiener", "linewidth_hz": 3.0}, ['oscillators.kind="ideal"'], {"kind": "ideal"}),
        ({"node": [{"name": "ap-3", "preset": "ocxo"}]}, ['oscillators.node.0.preset="low-tcxo"'],
         {"node": [{"name": "ap-3", "preset": "low-tcxo"}]}),
        ({"node": [{"name": "ap-3", "preset": "ocxo"}]}, ['oscillators.node.0.name="ap-4"'],
         {"node": [{"name": "ap-4", "preset": "ocxo"}]}),
        ({}, ['oscillators.node=[{name="ap-3", preset="ocxo"}]'], {"node": [{"name": "ap-3", "preset": "ocxo"}]}),
    ],
)  # fmt: skip
def test_of_two_settings_of_oscillators_that_exclude_each_other_the_new_one_wins(before, asked, after):
    overrides = dict(map(parse_override, asked))
    at_once = load("paper", {f"oscillators.{key}": value for key, value in before.items()}).with_(overrides)
    assert at_once.data()["oscillators"] == after
    assert checked(dump(at_once)) == at_once


@pytest.mark.parametrize(
    ("asked", "gone", "stays"),
    [
        ('calibration.kind="none"', set(LOOP), set()),
        ('calibration.kind="genie"', set(), set(LOOP)),
        ('calibration.servo="immediate"', {"loop_hz", "damping"}, {"kind", "memory_cpis"}),
        ("calibration.when_lost=false", {"memory_cpis", "tolerance_rad"}, {"kind", "loop_hz"}),
    ],
)
def test_settings_of_a_calibration_go_with_what_they_are_settings_of(asked, gone, stays):
    scenario = load("paper", {"calibration": LOOP}).with_(dict([parse_override(asked)]))
    left = set(scenario.data().get("calibration", {}))
    assert not left & gone and stays <= left


def test_both_of_two_that_exclude_each_other_are_still_refused():
    with pytest.raises(ScenarioError, match="give one of the two"):
        load("paper", {"oscillators.kind": "ideal", "oscillators.preset": "ocxo"})


# -- the radios that they make ----------------------------------------------------------------------------------------


def radios(scenario, seed=1):
    return front_ends_of(scenario, Streams(seed))


def test_without_oscillators_no_node_has_a_radio_with_phases(small):
    assert radios(small()) == {}
    assert radios(small({"oscillators.kind": "ideal", "oscillators.user_equipment": True})) == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_that_of_all_access_points(small, preset):
    made = radios(small({"oscillators.preset": preset}))
    assert {name: radio.oscillator for name, radio in made.items()} == {f"ap-{i}": named(preset) for i in range(6)}


def test_single_nodes_have_oscillators_of_their_own(small):
    node = [
        {"name": "ap-2", "kind": "wiener", "linewidth_hz": 3.0},
        {"name": "ue-1", "preset": "low-tcxo", "cfo_std_hz": 2.0},
        {"name": "ap-4", "kind": "ideal"},
    ]
    made = radios(small({"oscillators": {"preset": "ocxo", "node": node}}))
    assert list(made) == ["ap-0", "ap-1", "ap-2", "ap-3", "ap-5", "ue-1"]
    assert made["ap-2"].oscillator == Wiener(linewidth_hz=3.0)
    assert made["ue-1"].oscillator == named("low-tcxo", cfo_std_hz=2.0)
    assert made["ap-0"].oscillator == named("ocxo")


def test_ues_have_oscillators_if_asked_for(small):
    keys = {"oscillators.kind": "static", "oscillators.phase_std_rad": 1.0}
    assert not any(name.startswith("ue") for name in radios(small(keys)))
    made = radios(small(keys | {"oscillators.user_equipment": True}))
    assert [made[f"ue-{i}"].oscillator for i in range(3)] == 3 * [Static(phase_std_rad=1.0)]
    ap, ue = (small({"oscillators": {"node": [{"name": name, "preset": "ocxo"}]}}) for name in ("ap-0", "ue-0"))
    assert list(radios(ap)) == ["ap-0"] and list(radios(ue)) == ["ue-0"]


def test_a_reference_is_shared_by_all_that_have_no_oscillator_of_their_own(small):
    keys = {"preset": "ocxo", "shared_reference": True, "node": [{"name": "ap-2", "preset": "ocxo"}]}
    made = radios(small({"oscillators": keys}))
    assert {name: radio.reference for name, radio in made.items() if radio.reference != "reference"} == {"ap-2": "ap-2"}


def chains(scenario, seed=1):
    return {name: (radio.transmit_rad, radio.receive_rad) for name, radio in radios(scenario, seed).items()}


def test_phases_of_chains_are_those_of_the_access_point_whatever_else_there_is(small):
    keys = {"oscillators.transmit_chain_std_rad": 1.0, "oscillators.receive_chain_std_rad": 2.0}
    found = chains(small(keys))
    assert len({phase for pair in found.values() for phase in pair}) == 12
    assert found != chains(small(keys), seed=2)
    other = small(keys | {"oscillators.preset": "ocxo", "access_points.count": 5, "oscillators.user_equipment": True})
    again = chains(other)
    assert [again[f"ap-{i}"] for i in range(5)] == [found[f"ap-{i}"] for i in range(5)]
    assert {again[f"ue-{i}"] for i in range(3)} == {(0.0, 0.0)}


def test_phases_of_chains_grow_with_their_standard_deviation(small):
    one = chains(small({"oscillators.transmit_chain_std_rad": 1.0}))
    three = chains(small({"oscillators.transmit_chain_std_rad": 3.0}))
    assert np.allclose([3.0 * transmit for transmit, _ in one.values()], [transmit for transmit, _ in three.values()])
    assert {receive for _, receive in three.values()} == {0.0}


def test_radios_and_calibration_come_into_the_emulation(small):
    scenario = small(tomllib.loads(OSCILLATORS + CALIBRATION))
    emulation = scenario.build(seed=1)
    calibrator = emulation.central.calibrator
    assert calibrator.calibration == OverTheAir(topology="ring") and calibrator.period_ns == 500_000_000
    assert calibrator.detector == CoherenceDetector(false_alarm_probability=1e-4, memory_cpis=4.0, tolerance_rad=0.2)
    ends = [ap.front_end for ap in emulation.access_points.values()]
    assert calibrator.front_ends == tuple(ends) and isinstance(ends[3].oscillator, TwoState)
    assert {ap.servo for ap in emulation.access_points.values()} == {ProportionalIntegral(loop_hz=2.0, damping=1.5)}
    assert emulation.user_equipments["ue-0"].front_end.oscillator == Wiener(linewidth_hz=3.0)


def test_without_a_detector_or_a_loop_there_is_none(small):
    emulation = small({"calibration": {"kind": "direct-path"}}).build(seed=1)
    assert emulation.central.calibrator.detector is None and emulation.central.calibrator.period_ns is None
    assert emulation.central.calibrator.calibration == DirectPath()
    assert {ap.servo for ap in emulation.access_points.values()} == {Immediate()}


# -- plug-ins ---------------------------------------------------------------------------------------------------------

MODULE = """
from dataclasses import dataclass

from models.calibration import DirectPath
from models.oscillators import TwoState


@dataclass(frozen=True, kw_only=True)
class Quartz(TwoState):
    grade: int = 1


@dataclass(frozen=True, kw_only=True)
class Rounds(DirectPath):
    least_snr: float = 0.0
"""


def test_a_single_oscillator_has_kind_and_settings_of_all_unless_it_names_one():
    text = (
        '[oscillators]\npreset = "ocxo"\nphase_std_rad = 0.5\n[[oscillators.node]]\nname = "ap-3"\ncfo_std_hz = 7.0\n'
    )
    made = radios(checked(text + '[[oscillators.node]]\nname = "ap-4"\nkind = "wiener"\nlinewidth_hz = 3.0\n'))
    assert made["ap-3"].oscillator == replace(made["ap-0"].oscillator, cfo_std_hz=7.0)
    assert made["ap-4"].oscillator == Wiener(linewidth_hz=3.0)
    text = (
        '[oscillators]\nkind = "static"\nphase_std_rad = 1.0\n[[oscillators.node]]\nname = "ue-0"\nphase_std_rad = 2.0'
    )
    made = radios(checked(text))
    assert made["ue-0"].oscillator == Static(phase_std_rad=2.0) and "ue-1" not in made


@pytest.fixture
def my_lab(tmp_path, monkeypatch):
    (tmp_path / "phase_lab.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("my_lab")
def test_oscillators_and_calibrations_of_ones_own_come_by_name():
    own = 'kind = "phase_lab:Quartz"\nh0_s = 2e-20\nh_minus_2_per_s = 1e-22\n'
    text = f'[oscillators]\n{own}grade = 2\n[[oscillators.node]]\nname = "ap-1"\n{own}\n[calibration]\n'
    scenario = checked(text + 'kind = "phase_lab:Rounds"\nleast_snr = 3.0\n', plugins=["phase_lab"])
    made = radios(scenario)
    assert {type(radio.oscillator).__name__ for radio in made.values()} == {"Quartz"}
    assert (made["ap-0"].oscillator.grade, made["ap-1"].oscillator.grade) == (2, 1)
    assert scenario.build(seed=1).central.calibrator.calibration.least_snr == 3.0
    assert scenario.with_({"oscillators.grade": 5}).oscillators.make().grade == 5
    with pytest.raises(ScenarioError, match="would run code of the module"):
        checked(dump(scenario))


@pytest.mark.usefixtures("my_lab")
def test_one_that_is_no_oscillator_is_refused():
    with pytest.raises(ScenarioError, match=r"of another kind; allowed: subclasses of models.oscillators.*Oscillator"):
        checked('[oscillators]\nkind = "phase_lab:Rounds"', plugins=["phase_lab"])
    with pytest.raises(ScenarioError, match=r"of another kind; allowed: subclasses of models.calibration.*Phase"):
        checked('[calibration]\nkind = "phase_lab:Quartz"', plugins=["phase_lab"])
