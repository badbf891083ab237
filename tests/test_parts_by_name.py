"""Parts of one's own by name in a scenario file: every role, by "module:Class" and by entry point."""

import importlib.metadata
import sys
import tomllib
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from emulator.nodes import ACCESS_POINTS
from scenarios.file.contents import contents
from scenarios.file.files import dump
from scenarios.file.plugins import implementation
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario

MODULE = """
from dataclasses import dataclass

import numpy as np

from emulator import AccessPoint, ApDown, CentralProcessor, Effect, Target, UserEquipment
from models import SlotScheduler
from models.calibration import Genie
from models.oscillators import Static
from models.radio import AccessChannel


@dataclass(kw_only=True, eq=False)
class SomeSlots(AccessPoint):
    period: int = 2

    def report(self, slot, echo):
        return echo if slot.index % self.period == 0 else None


@dataclass(kw_only=True, eq=False)
class Counter(UserEquipment):
    first: int = 0

    def receive(self, slot, samples):
        self.slots_received += 1 + self.first


@dataclass(kw_only=True, eq=False)
class Dim(Target):
    factor: float

    def scatter(self, cpi):
        return self.factor * super().scatter(cpi)


@dataclass(kw_only=True, eq=False)
class Hasty(CentralProcessor):
    patience: int = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Deaf(AccessChannel):
    share: float = 0.0

    def realize(self, *asked):
        return self.share * super().realize(*asked)


@dataclass(frozen=True, kw_only=True)
class OneOnly(SlotScheduler):
    which: int = 0

    def order(self, assignment, view, n_slots):
        return (int(assignment.transmitters[self.which]),) * n_slots


@dataclass(frozen=True, kw_only=True)
class Twisted(Static):
    turns: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rumour(Genie):
    doubt: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Asleep(ApDown):
    depth: int = 0


@dataclass(kw_only=True, eq=False)
class Hum(Effect):
    amplitude: float

    def field(self, slot, truth, emitted, receivers):
        network = self.services.network
        return np.full((len(receivers), network.n_antennas, slot.n_snapshots), self.amplitude, dtype=complex)
"""

SMALL = {
    "access_points": {"count": 5, "n_antennas": 2},
    "user_equipment": {"count": 2},
    "targets": [{"position_m": [400.0, 500.0]}],
    "schedule": {"n_receivers": 2},
    "estimator": {"kind": "grid", "grid_step_m": 50.0},
}
"""A network so small that a run of it takes no time."""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Return the name of a module with a part of every role."""
    (tmp_path / "parts_of_mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "parts_of_mine"
    sys.modules.pop("parts_of_mine", None)


def scenario(**tables):
    """Return the small scenario with some tables changed; a list takes the place of the list there."""
    merged = {**SMALL}
    for name, table in tables.items():
        merged[name] = {**SMALL.get(name, {}), **table} if isinstance(table, dict) else table
    return Scenario.checked(merged, plugins=("parts_of_mine",))


EVERY_ROLE = {
    "access_points": {"kind": "parts_of_mine:SomeSlots", "period": 3},
    "user_equipment": {"kind": "parts_of_mine:Counter", "first": 4},
    "targets": [{"position_m": [400.0, 500.0], "kind": "parts_of_mine:Dim", "factor": 0.5}],
    "central": {"kind": "parts_of_mine:Hasty", "patience": 2},
    "channel": {"kind": "parts_of_mine:Deaf"},
    "schedule": {"order": "parts_of_mine:OneOnly", "which": 1},
    "air": [{"kind": "parts_of_mine:Hum", "amplitude": 1e-3}],
    "oscillators": {"kind": "parts_of_mine:Twisted", "phase_std_rad": 0.1, "turns": 0.5},
    "calibration": {"kind": "parts_of_mine:Rumour", "doubt": 0.5},
    "faults": [{"kind": "parts_of_mine:Asleep", "node": "ap-1", "at_s": 1.0, "depth": 3}],
}
OF_SINGLE_NODES = {
    "access_points": {"count": 5, "node": [{"name": "ap-1", "kind": "parts_of_mine:SomeSlots"}]},
    "oscillators": {"node": [{"name": "ap-1", "kind": "parts_of_mine:Twisted", "phase_std_rad": 0.1}]},
}


def test_every_role_is_made_of_the_class_that_the_file_names_with_its_settings(mine):
    emulation = scenario(**EVERY_ROLE).build(seed=1)
    assert {(type(ap).__name__, ap.period) for ap in emulation.access_points.values()} == {("SomeSlots", 3)}
    assert {(type(ue).__name__, ue.first) for ue in emulation.user_equipments.values()} == {("Counter", 4)}
    assert [(type(t).__name__, t.factor) for t in emulation.targets.values()] == [("Dim", 0.5)]
    assert (type(emulation.central).__name__, emulation.central.patience) == ("Hasty", 2)
    assert type(emulation.central.scheduler).__name__ == "OneOnly"
    assert type(emulation.air.access_channel).__name__ == "Deaf"
    assert [type(effect).__name__ for effect in emulation.air.effects] == ["TargetEchoes", "Hum", "DirectPaths"]
    oscillator = emulation.access_points["ap-1"].front_end.oscillator
    assert (type(oscillator).__name__, oscillator.turns) == ("Twisted", 0.5)
    calibration = emulation.central.calibrator.calibration
    assert (type(calibration).__name__, calibration.doubt) == ("Rumour", 0.5)
    assert [(type(f).__name__, f.depth) for f in emulation.faults.faults] == [("Asleep", 3)]
    cpi = emulation.run(1).cpis[0]
    assert not cpi.se_bit_s_hz.any(), "nothing passes the channel"
    assert cpi.observation.energy.min() > 1e-7, "the hum is heard"
    assert np.unique(np.abs(cpi.observation.gram.values) > 0).tolist() == [False, True], "one transmitter senses"


def test_what_the_file_names_is_written_out_and_read_again(mine):
    written = dump(scenario(**EVERY_ROLE))
    again = Scenario.checked(tomllib.loads(written), plugins=(mine,))
    assert dump(again) == written
    for words in ('kind = "parts_of_mine:SomeSlots"', "period = 3", "[[air]]", 'order = "parts_of_mine:OneOnly"'):
        assert words in written


def test_the_standard_parts_are_not_written_out():
    written = dump(scenario())
    assert "standard" not in written
    assert 'rician"' not in written
    assert "[[air]]" not in written


@pytest.mark.parametrize(
    ("table", "said"), [*EVERY_ROLE.items(), *OF_SINGLE_NODES.items()], ids=[*EVERY_ROLE, "node", "its oscillator"]
)
def test_a_module_that_is_not_allowed_is_refused_and_not_imported(mine, table, said):
    with pytest.raises(ScenarioError) as refused:
        Scenario.checked(SMALL | {table: said})
    assert f"allow it with --plugin {mine}" in str(refused.value)
    assert mine not in sys.modules


@pytest.mark.parametrize(
    ("table", "said"), [*EVERY_ROLE.items(), *OF_SINGLE_NODES.items()], ids=[*EVERY_ROLE, "node", "its oscillator"]
)
def test_the_source_of_a_module_counts_as_a_setting_whatever_role_it_plays(mine, tmp_path, table, said):
    checked = scenario(**{table: said})
    (before,) = contents(checked).values()
    (tmp_path / f"{mine}.py").write_text(f"{MODULE}\n# changed\n")
    (after,) = contents(checked).values()
    assert before != after


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"access_points": {"kind": "parts_of_mine:SomeSlots", "perod": 3}}, "access_points.perod: unknown key"),
        ({"access_points": {"kind": "parts_of_mine:SomeSlots", "period": "x"}}, "access_points.period: got 'x'"),
        ({"access_points": {"kind": "parts_of_mine:SomeSlots", "name": "x"}}, "access_points.name: unknown key"),
        ({"access_points": {"kind": "parts_of_mine:Counter"}}, "subclasses of emulator.nodes.access_point.AccessPoint"),
        ({"access_points": {"kind": "stndard"}}, 'access_points.kind: got "stndard"; allowed: standard'),
        ({"access_points": {"n_antenas": 3}}, 'access_points.n_antenas: unknown key; did you mean "n_antennas"?'),
        ({"targets": [{"kind": "parts_of_mine:Dim"}]}, "targets[0].factor: required by this kind, not given"),
        ({"schedule": {"order": "parts_of_mine:OneOnly", "wich": 1}}, "schedule.wich: unknown key; did you mean"),
        ({"air": [{"amplitude": 1.0}]}, "air[0].kind"),
        ({"air": [{"kind": "target-echoes", "illumination": "full"}]}, "which another table brings"),
        ({"central": {"kind": "parts_of_mine:Nobody"}}, "cannot be loaded: AttributeError"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_part_is_said_of_its_key(mine, tables, words):
    with pytest.raises(ScenarioError) as refused:
        scenario(**tables)
    assert words in str(refused.value)


def test_an_entry_point_of_an_installed_package_is_a_name_like_those_of_the_registry(mine, monkeypatch):
    installed = [EntryPoint("some-slots", "parts_of_mine:SomeSlots", "dmimo_isac.AccessPoint")]
    monkeypatch.setattr("scenarios.file.plugins.entry_points", lambda group: [e for e in installed if e.group == group])
    checked = Scenario.checked(SMALL | {"access_points": {"count": 5, "kind": "some-slots", "period": 4}})
    assert {ap.period for ap in checked.build(1).access_points.values()} == {4}
    assert "content of the plug-in parts_of_mine" in contents(checked)
    with pytest.raises(ValueError, match='allowed: standard, some-slots or "module:Class"; did you mean "some-slots"'):
        implementation("some-slot", ACCESS_POINTS)


def test_the_group_of_entry_points_is_read_of_installed_packages(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "scenarios.file.plugins.entry_points", lambda group: asked.append(group) or importlib.metadata.EntryPoints()
    )
    with pytest.raises(ScenarioError):
        scenario(central={"kind": "nobody"})
    assert asked
    assert set(asked) == {"dmimo_isac.CentralProcessor"}


def test_another_kind_by_override_keeps_the_keys_that_every_kind_has(mine):
    own = scenario(access_points=EVERY_ROLE["access_points"]).with_({"access_points.kind": "standard"})
    assert own.data()["access_points"] == SMALL["access_points"] | {"count": 5, "survey_std_m": 0.0}


def test_build_takes_a_channel_and_a_central_processor(mine):
    import parts_of_mine as parts

    emulation = scenario().build(1, channel=parts.Deaf, central=parts.Hasty)
    assert isinstance(emulation.central, parts.Hasty)
    assert not emulation.run(1).cpis[0].se_bit_s_hz.any()
    with pytest.raises(TypeError, match="central"):
        scenario().build(1, central=parts.Counter)
