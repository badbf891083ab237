"""IQ captures: valid SigMF, what was heard, and a replay that locates what the run located."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from emulator import AccessPoint, ApDown
from scenarios import load
from scenarios.commands.cli import app
from scenarios.file.problems import ScenarioError
from scenarios.interop.recording import Stream, record_iq, replay
from scenarios.interop.sigmf import DATATYPES, read_sigmf, sigmf_files, write_sigmf
from scenarios.output.results import save_run

SMALL = {
    "access_points.count": 6,
    "access_points.n_antennas": 4,
    "user_equipment.count": 3,
    "schedule.n_receivers": 3,
    "estimator.kind": "grid",
    "estimator.grid_step_m": 25.0,
}
SINGLE_PRECISION = 1e-6
"""Relative: samples lose 2^-24 of their size."""
ONE_STEP = 2.0**-15
"""Relative: what rounds differently may end a step of 16 bits further."""
ROUNDED_M = 1e-6
"""By how much an estimate may move as samples are rounded to single precision: bounds are a thousand times as large."""


def recorded(scenario, n_cpis=3, **asked):
    """Return a recording of some CPIs, and their results."""
    emulation = scenario.build(seed=1)
    recording = record_iq(emulation, **asked)
    cpis = list(emulation.cpis(n_cpis))
    return recording.before(n_cpis), cpis


@pytest.fixture(scope="module")
def small():
    return load("paper", SMALL)


CASES = {
    "as it is": {},
    "coarse samples": {"fronthaul.iq_bits": 4},
    "full illumination": {"radio.illumination": "full"},
    "guards": {"schedule.guard_symbols": 3},
    "arrays that differ": {
        "access_points.node": [{"name": "ap-1", "n_antennas": 2}, {"name": "ap-3", "n_antennas": 3}]
    },
    "clocks": {"oscillators.kind": "static", "oscillators.phase_std_rad": 0.5},
}


@pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)
def test_a_replay_of_double_precision_is_the_run_to_the_byte(small, overrides, tmp_path):
    scenario = small.with_(overrides)
    recording, cpis = recorded(scenario)
    write_sigmf(recording, tmp_path, "cf64_le")
    fresh = scenario.build(seed=1)
    back = list(replay(read_sigmf(tmp_path, fresh.network, fresh.central.radio), fresh))
    assert [cpi for cpi, _ in back] == [0, 1, 2]
    for (_, observation), cpi in zip(back, cpis, strict=True):
        for name in ("cross", "energy", "n_samples", "sensed_s"):
            assert np.array_equal(getattr(observation, name), getattr(cpi.observation, name)), name
        assert np.array_equal(observation.gram.values, cpi.observation.gram.values)
        if cpi.observation.phase_covariance_rad2 is None:
            found = fresh.central.estimator.estimate(observation)
            assert np.array_equal(found.positions_m, cpi.estimate.positions_m)


@pytest.mark.slow
def test_a_replay_of_single_precision_finds_the_same_places(small, tmp_path):
    scenario = small.with_({"estimator.kind": "two-stage"})
    recording, cpis = recorded(scenario)
    write_sigmf(recording, tmp_path)
    fresh = scenario.build(seed=1)
    back = replay(read_sigmf(tmp_path, fresh.network, fresh.central.radio), fresh)
    for (_, observation), cpi in zip(back, cpis, strict=True):
        scale = np.abs(cpi.observation.cross).max()
        np.testing.assert_allclose(observation.cross, cpi.observation.cross, atol=ONE_STEP * scale)
        found = fresh.central.estimator.estimate(observation)
        np.testing.assert_allclose(found.positions_m, cpi.estimate.positions_m, atol=ROUNDED_M)


def test_recording_changes_no_result(small, tmp_path):
    plain, watched = small.build(seed=1), small.build(seed=1)
    record_iq(watched, radiated=True)
    for name, emulation in {"plain": plain, "watched": watched}.items():
        save_run(emulation.run(3), 1, tmp_path / name)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "watched").read_bytes()


@pytest.mark.parametrize("datatype", DATATYPES)
def test_files_are_valid_to_the_sigmf_package_and_hold_what_was_heard(small, datatype, tmp_path):
    sigmf = pytest.importorskip("sigmf")
    recording, _ = recorded(small, radiated=True)
    paths = write_sigmf(recording, tmp_path, datatype)
    for (ap, stream), taken in recording.streams.items():
        read = sigmf.fromfile(str(tmp_path / f"{ap}-{stream}.sigmf-meta"))
        read.validate()
        assert read.get_global_field("core:num_channels") == 4
        whole = np.concatenate([samples for _, samples in taken], axis=1).T
        np.testing.assert_allclose(read.read_samples(), whole, rtol=SINGLE_PRECISION)
        assert {extension["name"] for extension in read.get_global_field("core:extensions")} == {"dmimo"}
        assert [capture["dmimo:start_ns"] for capture in read.get_captures()] == [slot.start_ns for slot, _ in taken]
    assert len(paths) == 2 * len(recording.streams)


def test_annotations_say_who_did_what(small):
    recording, cpis = recorded(small, n_cpis=2)
    receiver = f"ap-{cpis[0].assignment.receivers[0]}"
    meta = json.loads(sigmf_files(recording)[f"{receiver}-received.sigmf-meta"])
    first, *slots = meta["annotations"][:4]
    assert first["core:label"] == "CPI 0" and receiver in first["dmimo:receivers"]
    assert [slot["core:label"] for slot in slots] == [
        f"slot {i}: {name} senses" for i, name in enumerate(first["dmimo:sensing_transmitters"])
    ]
    index = recording.network.ap_names.index(receiver)
    assert meta["global"]["dmimo:position_m"] == recording.network.ap_positions_m[index].tolist()


def test_what_is_radiated_has_the_power_and_the_phase_of_the_radio(small):
    scenario = small.with_({"oscillators.kind": "static", "oscillators.phase_std_rad": 0.5, "user_equipment.count": 0})
    recording, _ = recorded(scenario, radiated=True)
    transmitter = recording.plans[0].transmitters[0]
    ((_, sent),) = [one for one in recording.streams[transmitter, Stream.RADIATED] if one[0].cpi == 0][:1]
    ((_, said),) = [one for one in recording.streams[transmitter, Stream.RECORD] if one[0].cpi == 0][:1]
    turn = np.vdot(said, sent) / np.vdot(said, said)
    assert abs(turn) == pytest.approx(1.0, abs=SINGLE_PRECISION) and abs(np.angle(turn)) > 1e-3


def test_some_access_points_alone(small):
    recording, _ = recorded(small, aps=["ap-1", "ap-2"])
    assert {ap for ap, _ in recording.streams} == {"ap-1", "ap-2"}
    with pytest.raises(ValueError, match=r'no access point "ap-9": give names from ap-0 to ap-5'):
        record_iq(small.build(seed=1), ["ap-9"])


def test_pilots_are_kept_and_not_replayed(small):
    scenario = small.with_({"calibration.kind": "direct-path", "oscillators.preset": "white-rabbit-improved"})
    recording, cpis = recorded(scenario, n_cpis=4)
    with_pilots = {cpi.index for cpi in cpis if cpi.has_pilots}
    assert with_pilots and with_pilots < set(recording.plans)
    assert {cpi for cpi, _ in replay(recording, scenario.build(seed=1))} == set(recording.plans) - with_pilots


def test_an_access_point_that_is_down_hears_nothing(small):
    whole, _ = recorded(small)
    receiver = whole.plans[0].receivers[0]
    emulation = small.build(seed=1, faults=[ApDown(node=receiver, at_s=3e-4, until_s=5.0)])
    recording = record_iq(emulation)
    list(emulation.cpis(2))
    heard = recording.streams.get((receiver, Stream.RECEIVED), [])
    assert len(heard) < len(whole.streams[receiver, Stream.RECEIVED])
    assert all(slot.start_ns < 3e5 for slot, _ in heard)


def test_what_an_access_point_withholds_is_in_the_air_all_the_same(small):
    class Silent(AccessPoint):
        def report(self, slot, echo):
            return None

    emulation = small.build(seed=1, access_point=partial(Silent))
    recording = record_iq(emulation)
    assert all(cpi.observation is None for cpi in emulation.cpis(2))
    assert all(observation is not None for _, observation in replay(recording.before(2), small.build(seed=1)))


def test_files_that_are_none_of_a_capture_are_refused(small, tmp_path):
    recording, _ = recorded(small, n_cpis=1)
    write_sigmf(recording, tmp_path)
    other = small.with_({"access_points.count": 7}).build(seed=1)
    with pytest.raises(ValueError, match="of another network"):
        read_sigmf(tmp_path, other.network, other.central.radio)
    same = small.build(seed=1)
    (tmp_path / "ap-0-record.sigmf-data").write_bytes(b"\0" * 320)
    with pytest.raises(ValueError, match="SHA-512 differs"):
        read_sigmf(tmp_path, same.network, same.central.radio)
    with pytest.raises(ScenarioError, match="did not write, or which changed"):
        write_sigmf(recording, tmp_path)
    with pytest.raises(ValueError, match="give a folder of dmimo capture"):
        read_sigmf(tmp_path / "nowhere", same.network, same.central.radio)
    with pytest.raises(ValueError, match='datatype is "ci8": give cf32_le or cf64_le'):
        sigmf_files(recording, "ci8")


@pytest.mark.parametrize(
    "text", ['{"global": {}}', '{"global": {"dmimo:ap_names": 3}}', "[]", '{"global": {"dmimo:ap_names": []}}', "sigmf"]
)
def test_metadata_of_others_are_refused_in_words(small, text, tmp_path):
    (tmp_path / "theirs.sigmf-meta").write_text(text)
    emulation = small.build(seed=1)
    with pytest.raises(ValueError, match=r"theirs.sigmf-meta .*(none of a capture|of another network|Expecting value)"):
        read_sigmf(tmp_path, emulation.network, emulation.central.radio)


SET = [word for key, value in SMALL.items() for word in ("--set", f"{key}={json.dumps(value)}")]
ODD = {
    "a survey of other places": {"access_points.positions_m": [[100.0 * i, 50.0] for i in range(6)]},
    "another carrier": {"radio.carrier_hz": 5e9},
    "another bandwidth": {"radio.bandwidth_hz": 2e5},
    "more noise": {"radio.noise_figure_db": 10.0},
    "larger arrays": {"access_points.n_antennas": 8},
    "arrays that look elsewhere": {"access_points.boresights_deg": [0.0] * 6},
}


@pytest.mark.parametrize("odd", ODD)
def test_a_capture_of_another_scenario_is_refused(small, odd, tmp_path):
    recording, _ = recorded(small, n_cpis=1)
    write_sigmf(recording, tmp_path)
    other = small.with_(ODD[odd]).build(seed=1)
    with pytest.raises(ValueError, match="in the scenario and the files before it"):
        read_sigmf(tmp_path, other.network, other.central.radio)


def changed(meta, data, **changes):
    """Return metadata with other fields under "global", and the digest of these samples."""
    about = meta["global"] | changes | {"core:sha512": hashlib.sha512(data).hexdigest()}
    return json.dumps(meta | {"global": about})


DAMAGED = {
    "it was cut": (lambda data: data[: len(data) // 2], {}, "samples are not the slots of"),
    "it is too long": (lambda data: 2 * data, {}, "samples are not the slots of"),
    "it has no numbers": (lambda data: b"\xff" * len(data), {}, "not finite"),
    "it is big-endian": (lambda data: data, {"core:datatype": "cf64_be"}, "as cf64_be; allowed: ap-0 to ap-5, cf32_le"),
    "nobody has the name": (lambda data: data, {"dmimo:node": "ap-99"}, "of ap-99"),
    "another has the name": (lambda data: data, {"dmimo:node": "ap-5"}, "position_m is"),
    "another version wrote it": (lambda data: data, {"core:extensions": []}, "with this version"),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_recording_is_refused_in_words_that_name_it(small, how, tmp_path):
    recording, _ = recorded(small, n_cpis=1)
    write_sigmf(recording, tmp_path, "cf64_le")
    path = min(path for path in tmp_path.glob("*-received.sigmf-meta") if "ap-5" not in path.name)
    change, fields, words = DAMAGED[how]
    data = change(path.with_suffix(".sigmf-data").read_bytes())
    path.with_suffix(".sigmf-data").write_bytes(data)
    path.write_text(changed(json.loads(path.read_text()), data, **fields))
    same = small.build(seed=1)
    with pytest.raises(ValueError, match=words) as caught:
        read_sigmf(tmp_path, same.network, same.central.radio)
    assert path.name in str(caught.value)


def test_a_stream_that_stands_there_twice_is_refused(small, tmp_path):
    recording, _ = recorded(small, n_cpis=1)
    write_sigmf(recording, tmp_path)
    for path in list(tmp_path.glob("ap-*-record.sigmf-*"))[:2]:
        for suffix in (".sigmf-meta", ".sigmf-data"):
            (tmp_path / f"copy{suffix}").write_bytes(path.with_suffix(suffix).read_bytes())
    same = small.build(seed=1)
    with pytest.raises(ValueError, match="a second recording of"):
        read_sigmf(tmp_path, same.network, same.central.radio)


def test_a_capture_that_cannot_be_replayed_says_so(tmp_path):
    out = str(tmp_path / "capture")
    done = CliRunner().invoke(app, ["capture", "paper", *SET, "--cpis", "1", "--ap", "ap-0", "--out", out])
    assert done.exit_code == 0, done.output
    replayed = CliRunner().invoke(app, ["replay", out])
    assert replayed.exit_code == 2 and "capture all access points" in " ".join(replayed.output.split())


def test_the_commands_capture_and_replay(small, tmp_path):
    out = str(tmp_path / "capture")
    asked = ["capture", "paper", *SET, "--cpis", "2", "--datatype", "cf64_le", "--out", out]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(app, asked).exit_code == 0, "the same again"
    assert CliRunner().invoke(app, [*asked, "--seed", "2"]).exit_code == 2, "another one only if asked for"
    replayed = CliRunner().invoke(app, ["replay", out, "--json"])
    found = json.loads(replayed.stdout)["cpis"]
    cpis = small.build(seed=1).cpis(2)
    assert [each["positions_m"] for each in found] == [cpi.estimate.positions_m.tolist() for cpi in cpis]
    assert "CPI 0: a target at (" in CliRunner().invoke(app, ["replay", out]).stdout


def test_a_wrong_access_point_is_refused_in_words(tmp_path):
    done = CliRunner().invoke(app, ["capture", "paper", "--ap", "ap-99", "--out", str(tmp_path)])
    assert done.exit_code == 2 and 'got "ap-99"; allowed: names from ap-0 to ap-11' in done.output
