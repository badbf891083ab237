"""Channels of a ray tracer: tables of paths and of gains are what they say, and estimators find what was traced."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import scenarios
from emulator import EmulationError
from emulator.checkpoint import CheckpointError
from emulator.media.effects import Effect
from models.radio.channel import AccessChannel
from models.radio.geometry import rays
from models.radio.sensing import echo_amplitude_m2, sensing_channel
from scenarios import load
from scenarios.commands.cli import app
from scenarios.file.contents import contents
from scenarios.file.files import dump
from scenarios.file.problems import ScenarioError
from scenarios.interop.traced import Paths, TracedChannel, TracedEchoes, access_gains, echo_gains, read_paths

REFERENCE = Path(__file__).parent / "reference"
EXACT = 1e-12
TRACED = 2e-3
"""Relative, of the echoes of an independent ray tracer; it places every antenna, so its wavefront is curved."""
TARGET_M = np.array([[310.0, 420.0]])
SMALL = {
    "access_points.count": 8,
    "access_points.n_antennas": 4,
    "user_equipment.count": 3,
    "schedule.n_receivers": 4,
    "estimator.grid_step_m": 20.0,
}


@pytest.fixture(scope="module")
def small():
    return load("paper", SMALL | {"targets": []})


@pytest.fixture(scope="module")
def network(small):
    return small.build(seed=1).network


def angles_rad(network, points_m):
    """Return the absolute directions from all APs to points, shape (n_aps, n_points)."""
    direction = rays(network, points_m).direction
    return np.arctan2(direction[..., 1], direction[..., 0])


def line_of_sight(network, gain):
    """Return the straight paths to the UEs, as a ray tracer writes them: phases of delays are not in the phases."""
    ap, ue = (index.ravel() for index in np.indices((network.n_aps, network.n_ues)))
    distance = rays(network, network.ue_positions_m).distance_m.ravel()
    return {
        "transmitter": ap, "receiver": ue, "amplitude": np.full(len(ap), gain), "phase_rad": np.zeros(len(ap)),
        "delay_s": distance / 299792458.0, "aod_rad": angles_rad(network, network.ue_positions_m).ravel(),
    }  # fmt: skip


def echo_paths(network, target_m=TARGET_M):
    """Return the paths by way of a target of 1 m^2, phases of delays within the phases."""
    to, by = (index.ravel() for index in np.indices((network.n_aps, network.n_aps)))
    distance, angle = rays(network, target_m).distance_m[:, 0], angles_rad(network, target_m)[:, 0]
    amplitude = echo_amplitude_m2(network.wavelength_m, 1.0) / (distance[to] * distance[by])
    phase = -network.wavenumber_rad_m * (distance[to] + distance[by])
    return Paths(by, to, amplitude=amplitude, phase_rad=phase, aod_rad=angle[by], aoa_rad=angle[to])


# -- gains ------------------------------------------------------------------------------------------------------------


def test_straight_paths_are_the_line_of_sight_of_the_model(network):
    """With K infinite and a gain of 1 the model's channel is e^{-jkd} a(theta)."""
    paths = Paths(**line_of_sight(network, 0.5))
    shape = (network.n_aps, network.n_ues)
    model = AccessChannel.from_gain(network, path_gain=np.full(shape, 0.25), rician_k=np.inf, angular_std_rad=None)
    np.testing.assert_allclose(access_gains(paths, network), model.line_of_sight, atol=1e-8)


def test_paths_by_way_of_a_target_are_its_echoes(network):
    everyone = np.arange(network.n_aps)
    model = sensing_channel(network, everyone, everyone, TARGET_M, 1.0, 0.0)  # (to, from, N, N)
    found = echo_gains(echo_paths(network), network)
    np.testing.assert_allclose(found, model.transpose(0, 2, 1, 3), atol=EXACT * np.abs(model).max())


def test_paths_of_the_same_ends_add_up(network):
    one, other = (Paths([0], [1], amplitude=[a], phase_rad=[p], aod_rad=[w]) for a, p, w in ((1, 0, 0.3), (2, 1, -2)))
    both = Paths([0, 0], [1, 1], amplitude=[1, 2], phase_rad=[0, 1], aod_rad=[0.3, -2.0])
    np.testing.assert_allclose(
        access_gains(both, network), access_gains(one, network) + access_gains(other, network), atol=EXACT
    )


# -- files ------------------------------------------------------------------------------------------------------------


def write_csv(path, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def test_files_say_the_same_in_both_forms(network, tmp_path):
    columns = line_of_sight(network, 0.5) | {"material": np.full(network.n_aps * network.n_ues, 7)}
    write_csv(tmp_path / "paths.csv", columns)
    np.savez(tmp_path / "paths.npz", **columns)
    expected = access_gains(Paths(**line_of_sight(network, 0.5)), network)
    for name in ("paths.csv", "paths.npz"):
        np.testing.assert_allclose(access_gains(tmp_path / name, network), expected, atol=EXACT)
    np.savez(tmp_path / "gains.npz", gains=expected)
    assert np.array_equal(access_gains(str(tmp_path / "gains.npz"), network), expected)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("transmitter,receiver,amplitude\n0,1,2\n", "lacks phase_rad, aod_rad"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n0,1,loud,0,0\n", "could not convert"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n0,1,nan,0,0\n", "amplitude is an array"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n0.5,1,1,0,0\n", "transmitter holds 0.5"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n9,1,1,0,0\n", "transmitter holds 9: the network has 8"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n0,3,1,0,0\n", "receiver holds 3: the network has 3"),
        ("transmitter,receiver,amplitude,phase_rad,aod_rad\n0,1\n", "cannot be read as a table of paths"),
        ("", "lacks transmitter"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text, complaint, network, tmp_path):
    (tmp_path / "paths.csv").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        access_gains(tmp_path / "paths.csv", network)


def test_files_that_are_none_and_gains_of_other_shapes_are_refused(network, tmp_path):
    with pytest.raises(ValueError, match="cannot be read as a table of paths"):
        read_paths(tmp_path / "nothing.csv")
    (tmp_path / "no.npz").write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be read as a table of paths"):
        read_paths(tmp_path / "no.npz")
    with pytest.raises(ValueError, match=r"give Paths, or finite gains of shape \(8, 4, 8, 4\)"):
        echo_gains(np.zeros((2, 2)), network)


# -- in a run ---------------------------------------------------------------------------------------------------------


def test_a_table_without_paths_is_silence_and_one_in_wrong_units_is_refused(network, tmp_path):
    (tmp_path / "none.csv").write_text("transmitter,receiver,amplitude,phase_rad,aod_rad\n")
    assert not access_gains(tmp_path / "none.csv", network).any()
    with pytest.raises(ValueError, match="give ratios of fields"):
        echo_gains(np.full((network.n_aps, network.n_antennas) * 2, 1e200), network)


def test_channels_of_a_table_are_those_of_the_run(small, network):
    gains = access_gains(Paths(**line_of_sight(network, 1e-4)), network)
    emulation = small.build(seed=1, channel=partial(TracedChannel, source=gains))
    np.testing.assert_allclose(emulation.central.path_gain, 1e-8)
    emulation.run(1)
    truth = emulation.air.truths[1].channel
    np.testing.assert_allclose(np.abs(truth), np.abs(gains), atol=EXACT)
    turn = truth / gains
    np.testing.assert_allclose(turn, np.broadcast_to(turn[:1, :, :1], turn.shape), atol=1e-9)


def test_spectral_efficiency_follows_the_table(small, network):
    strong, weak = (
        small.build(seed=1, channel=partial(TracedChannel, source=Paths(**line_of_sight(network, gain)))).run(1)
        for gain in (1e-4, 1e-7)
    )
    assert strong.cpis[0].se_bit_s_hz.sum() > weak.cpis[0].se_bit_s_hz.sum()


def test_a_target_that_was_traced_is_located(small, network):
    """The run has no target of its own: what is found is what stands in the table."""
    strong = small.with_({"radio.transmit_power_dbm": 40.0})
    result = strong.build(seed=1, effects=[TracedEchoes(source=echo_paths(network))]).run(2)
    for cpi in result.cpis:
        assert cpi.estimate.resolved.tolist() == [True]
        assert np.linalg.norm(cpi.estimate.positions_m[0] - TARGET_M[0]) < 10e-3


def test_a_table_and_a_target_of_the_same_place_give_the_same_statistics(small, network):
    own = small.with_({"targets": [{"position_m": TARGET_M[0].tolist(), "rcs_dbsm": 0.0, "scatter_phase_rad": 0.0}]})
    seen = small.build(seed=1, effects=[TracedEchoes(source=echo_paths(network))]).run(1).cpis[0].observation
    expected = own.build(seed=1).run(1).cpis[0].observation
    one_step = 2.0**-15
    np.testing.assert_allclose(seen.cross, expected.cross, atol=one_step * np.abs(expected.cross).max())


def test_echoes_of_sionna_rt_go_into_a_run():
    """Three pairs of an independent ray tracer, in place of the emulator's own echoes of the same target."""
    layout = json.loads((REFERENCE / "golden.json").read_text())["layout"]
    traced = json.loads((REFERENCE / "sionna_rt.json").read_text())
    pairs = [pair for pair in traced["pairs"] if pair["target_m"] == TARGET_M[0].tolist()]
    senders, receivers = ([pair[key] for pair in pairs] for key in ("tx_ap", "rx_ap"))
    scenario = load("paper", {
        "access_points.positions_m": layout["ap_positions_m"],
        "access_points.boresights_deg": np.degrees(layout["ap_boresights_rad"]).tolist(),
        "selector.kind": "fixed", "selector.transmitters": senders, "selector.receivers": receivers,
        "user_equipment.count": 0, "estimator.kind": "grid", "radio.transmit_power_dbm": 60.0,
        "targets": [{"position_m": TARGET_M[0].tolist(), "rcs_dbsm": 0.0, "scatter_phase_rad": 0.0}],
    })  # fmt: skip
    gains = np.zeros((12, 8, 12, 8), dtype=complex)
    for pair in pairs:
        gains[pair["rx_ap"], :, pair["tx_ap"]] = np.array(pair["channel_re"]) + 1j * np.array(pair["channel_im"])
    empty = scenario.with_({"targets": []})
    seen = empty.build(seed=1, effects=[TracedEchoes(source=gains)]).run(1).cpis[0].observation
    own = scenario.build(seed=1).run(1).cpis[0].observation
    for receiver, sender in zip(receivers, senders, strict=True):
        r, t = seen.assignment.receivers.tolist().index(receiver), seen.assignment.transmitters.tolist().index(sender)
        assert np.abs(seen.cross[r, :, t] - own.cross[r, :, t]).max() < 0.03 * np.abs(own.cross[r, :, t]).max()


def test_a_table_that_does_not_fit_the_network_ends_the_start_in_words(small):
    with pytest.raises(EmulationError, match="give Paths, or finite gains of shape"):
        small.build(seed=1, effects=[TracedEchoes(source=np.zeros((1, 1)))]).run(1)
    with pytest.raises(ValueError, match="illumination is 'all'"):
        TracedEchoes(source=np.zeros(1), illumination="all")


def test_a_scenario_file_names_a_table(tmp_path, network):
    write_csv(tmp_path / "paths.csv", line_of_sight(network, 1e-4))
    module = "scenarios.interop.traced"
    keys = {"channel.kind": f"{module}:TracedChannel", "channel.source": str(tmp_path / "paths.csv")}
    scenario = load("paper", SMALL | keys, plugins=[module])
    np.testing.assert_allclose(scenario.build(seed=1).central.path_gain, 1e-8)


def test_both_keep_the_contracts_of_their_roles():
    def channel(network, **keys):
        return TracedChannel(network=network, source=Paths(**line_of_sight(network, 1e-4)), **keys)

    class Traced(TracedEchoes):
        def start(self, services):
            Effect.start(self, services)
            self._table = echo_gains(echo_paths(services.network), services.network)

    scenarios.check_channel(channel)
    scenarios.check_effect(partial(Traced, source=None))


MODULE = "scenarios.interop.traced"
"""The module of both parts, as a scenario file names it."""


def with_tables(folder, network, amplitude):
    """Return a scenario that names two files, in which paths are as strong as said."""
    write_csv(folder / "paths.csv", line_of_sight(network, 1e-4))
    write_csv(folder / "echoes.csv", vars(echo_paths(network)) | {"amplitude": np.full(64, amplitude)})
    keys = {
        "channel": {"kind": f"{MODULE}:TracedChannel", "source": str(folder / "paths.csv")},
        "air": [{"kind": f"{MODULE}:TracedEchoes", "source": str(folder / "echoes.csv")}],
        "targets": [],
    }
    return load("paper", SMALL | keys, plugins=[MODULE])


def test_the_content_of_a_table_counts_as_a_setting(tmp_path, network):
    before = contents(with_tables(tmp_path, network, 1e-7))
    after = contents(with_tables(tmp_path, network, 2e-7))
    assert {key for key in before if before[key] != after[key]} == {"content of the file air[0].source"}
    assert {"content of the file channel.source", "content of the file air[0].source"} <= set(before)


def test_a_checkpoint_does_not_go_on_with_another_table_of_the_same_name(tmp_path, network):
    first = with_tables(tmp_path, network, 1e-7).build(seed=1, estimator=None)
    first.run(1)
    first.save(tmp_path / "checkpoint")
    with_tables(tmp_path, network, 1e-7).build(seed=1, estimator=None).load(tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match=r"effects\.1\.source\.amplitude"):
        with_tables(tmp_path, network, 2e-7).build(seed=1, estimator=None).load(tmp_path / "checkpoint")
    assert first.run(1)


def test_a_run_is_not_resumed_with_another_table_of_the_same_name(tmp_path, network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for amplitude, status in ((1e-7, 0), (1e-7, 0), (2e-7, 2)):
        Path("scenario.toml").write_text(dump(with_tables(tmp_path, network, amplitude)))
        asked = ["run", "scenario.toml", "--cpis", "1", "--out", "o", "--plugin", MODULE]
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == status, done.output
    assert "content of the file air[0].source" in done.stderr


def test_a_table_that_cannot_be_read_is_an_error_of_the_scenario(tmp_path):
    keys = {"air": [{"kind": f"{MODULE}:TracedEchoes", "source": str(tmp_path / "none.csv")}]}
    with pytest.raises(ScenarioError, match=r"air\[0\]\.kind: .*cannot be read as a table of paths"):
        load("paper", SMALL | keys, plugins=[MODULE])
