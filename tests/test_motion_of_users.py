"""UEs that move, and fading that goes on from one CPI to the next."""

import itertools

import numpy as np
import pytest
import scipy

from models import Waypoints
from models.radio.channel import fading_correlation
from models.radio.geometry import with_ues_at
from models.radio.propagation import path_gain, umi_los
from scenarios.file.problems import ScenarioError
from scenarios.file.scenario import Scenario
from scenarios.file.survey import first_channel

SMALL = {
    "access_points": {"count": 4, "n_antennas": 2},
    "user_equipment": {"count": 3},
    "targets": [{"position_m": [400.0, 500.0]}],
    "schedule": {"n_receivers": 2, "snapshots_per_slot": 4},
    "estimator": {"kind": "grid", "grid_step_m": 50.0},
}


def scenario(*nodes, **tables):
    merged = SMALL | {name: SMALL.get(name, {}) | table for name, table in tables.items()}
    merged["user_equipment"] = merged["user_equipment"] | ({"node": list(nodes)} if nodes else {})
    return Scenario.checked(merged)


def channels(asked, n_cpis, seed=1):
    """Return the channels of some CPIs, shape (n_cpis, n_aps, n_ues, N)."""
    emulation, found = asked.build(seed, estimator=None, scoring=False), []
    realized = type(emulation.air)._realized
    emulation.air._realized = lambda *args: found.append(realized(emulation.air, *args)) or found[-1]
    emulation.run(n_cpis)
    return np.array(found[:n_cpis])


# -- waypoints --------------------------------------------------------------------------------------------------------


def test_waypoints_are_straight_lines_at_constant_speed_and_rest_at_their_ends():
    way = Waypoints(times_s=(1.0, 3.0, 4.0), places_m=((0.0, 0.0), (4.0, 2.0), (4.0, 0.0)))
    expected = {0.0: (0, 0), 1.0: (0, 0), 2.0: (2, 1), 3.0: (4, 2), 3.5: (4, 1), 9.0: (4, 0)}
    for time_s, place in expected.items():
        np.testing.assert_allclose(way.position_m(time_s), place)


@pytest.mark.parametrize("times", [(), (0.0,), (1.0, 1.0), (2.0, 1.0)])
def test_times_of_waypoints_ascend_and_are_as_many_as_places(times):
    with pytest.raises(ValueError, match="times_s is"):
        Waypoints(times_s=times, places_m=((0.0, 0.0), (1.0, 1.0)))


def test_a_target_goes_by_waypoints_of_the_file():
    way = [[0.0, 100.0, 100.0], [1.0, 100.0, 300.0]]
    asked = Scenario.checked(SMALL | {"targets": [{"waypoints": way}]})
    cpi = asked.build(1, estimator=None).run(2).cpis[1]
    middle_s = 0.5e-9 * (cpi.start_ns + cpi.end_ns)
    np.testing.assert_allclose(cpi.truth_m, [[100.0, 100.0 + 200.0 * middle_s]])
    assert "velocity_m_s" not in asked.data()["targets"][0]
    assert asked.resolved(1).targets[0].waypoints == ((0.0, 100.0, 100.0), (1.0, 100.0, 300.0))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"waypoints": [[0.0, 1.0, 1.0], [0.0, 2.0, 2.0]]}, "targets[0].waypoints: got the times [0.0, 0.0] s"),
        ({"waypoints": [[0.0, 1.0, 1.0]], "velocity_m_s": [1.0, 0.0]}, "targets[0].velocity_m_s: waypoints say"),
        ({"waypoints": [[0.0, 1.0, 1.0]], "position_m": [1.0, 0.0]}, "targets[0].position_m: waypoints say"),
        ({"waypoints": [[0.0, 1.0]]}, "targets[0].waypoints"),
        ({"waypoints": []}, "targets[0].waypoints"),
        ({"waypoints": [[0.0, -1.0, 1.0]]}, "targets[0].waypoints[0]: got [-1.0, 1.0] m; allowed: inside the area"),
    ],
)
def test_what_is_wrong_with_a_way_is_said(target, words):
    with pytest.raises(ScenarioError) as refused:
        Scenario.checked(SMALL | {"targets": [target]})
    assert words in str(refused.value)


# -- UEs --------------------------------------------------------------------------------------------------------------


def test_at_rest_with_block_fading_everything_is_as_before():
    still = {"name": "ue-1", "velocity_m_s": [0.0, 0.0]}
    assert channels(scenario(), 3).tobytes() == channels(scenario(still), 3).tobytes()


def test_a_ue_that_moves_leaves_the_channels_of_others_alone():
    moved = channels(scenario({"name": "ue-1", "velocity_m_s": [3e4, 0.0]}), 3)
    np.testing.assert_allclose(moved[:, :, [0, 2]], channels(scenario(), 3)[:, :, [0, 2]], rtol=1e-9)


def test_path_gains_follow_the_position():
    """Without scattering a channel is as strong as the path loss of where the UE is has it."""
    plain = Scenario.checked(SMALL | {"radio": {"rician_k_db": 90.0}, "targets": []})
    network = plain.build(1).network
    ap, start = network.ap_positions_m[0], network.ap_positions_m[0] + (100.0, 0.0)
    frame = plain.build(1).frame
    last_s = frame.cpi_middle_s(5)
    way = [[0.0, *start], [last_s, *np.add(ap, (50.0, 0.0))]]
    asked = Scenario.checked(
        SMALL | {"radio": {"rician_k_db": 90.0}, "targets": [], "user_equipment": {
            "count": 3, "node": [{"name": "ue-1", "waypoints": [[float(v) for v in row] for row in way]}]}}
    )  # fmt: skip
    strength = np.linalg.norm(channels(asked, 6)[:, 0, 1], axis=-1)
    at_m = np.array([np.interp(frame.cpi_middle_s(i), [0.0, last_s], [100.0, 50.0]) for i in range(6)])
    gain = path_gain(umi_los, at_m, network.carrier_hz)
    np.testing.assert_allclose((strength / strength[0]) ** 2, gain / gain[0], rtol=1e-3)


def test_the_first_channel_without_a_run_is_that_of_the_run():
    for asked in (
        scenario({"name": "ue-1", "velocity_m_s": [50.0, 9.0]}),
        scenario(user_equipment={"fading": "correlated"}),
    ):
        np.testing.assert_allclose(first_channel(asked, 1), channels(asked, 1)[0], rtol=1e-12)


def test_a_ue_that_comes_too_near_counts_as_a_wavelength_away():
    network = scenario().build(1).network
    near = with_ues_at(network, {1: network.ap_positions_m[2]})
    assert np.hypot(*(near.ue_positions_m[1] - network.ap_positions_m[2])) == pytest.approx(network.wavelength_m)
    assert with_ues_at(network, {}) is network


# -- correlated fading ----------------------------------------------------------------------------------------------


def test_the_correlation_is_that_of_isotropic_scattering():
    """J_0 from its integral over all directions: the mean phase factor of a path."""
    angle = np.linspace(0.0, 2.0 * np.pi, 10_000, endpoint=False)
    for speed, time_s in itertools.product((1.0, 30.0), (1e-4, 5e-3)):
        mean = np.exp(2j * np.pi * speed / 0.0857 * time_s * np.cos(angle)).mean()
        assert fading_correlation(speed, 0.0857, time_s) == pytest.approx(mean.real, abs=1e-12)


def test_fading_goes_on_with_the_correlation_of_the_speed():
    """400 CPIs, 4 APs x 2 antennas: the correlation of neighbours within five standard errors, the power kept."""
    speed = 30.0
    asked = scenario(
        *({"name": f"ue-{k}", "velocity_m_s": [speed, 0.0]} for k in range(3)), user_equipment={"fading": "correlated"}
    )
    emulation = asked.build(1, estimator=None, scoring=False)
    kept = []
    for _ in emulation.cpis(400):
        kept.append([ue._faded[0] for ue in emulation.user_equipments.values()])
    s = np.array(kept)
    r = scipy.special.j0(2 * np.pi * speed / emulation.network.wavelength_m * 1e-9 * emulation.frame.cpi_ns)
    found = (s[1:] * s[:-1].conj()).mean().real / (np.abs(s) ** 2).mean()
    n = s[1:].size * (1 - r) / (1 + r)
    assert found == pytest.approx(r, abs=5.0 * np.sqrt((1 - r * r) / n))
    assert (np.abs(s) ** 2).mean() == pytest.approx(1.0, abs=5.0 * np.sqrt((1 + r) / (1 - r) / s[1:].size) + 0.02)


def test_without_motion_correlated_fading_stands_still():
    still = channels(scenario(user_equipment={"fading": "correlated"}), 4)
    assert all(one.tobytes() == still[0].tobytes() for one in still)
    assert channels(scenario(), 2)[0].tobytes() == still[0].tobytes(), "the first CPI is the same either way"


def test_a_run_with_motion_and_fading_goes_on_from_its_state():
    asked = scenario({"name": "ue-1", "velocity_m_s": [30.0, 0.0]}, user_equipment={"fading": "correlated"})
    whole = asked.build(2).run(4)
    first, second = asked.build(2), asked.build(2)
    head = list(first.cpis(2))
    second.restore(first.state())
    rest = list(second.cpis(2))
    for one, other in zip(head + rest, whole.cpis, strict=True):
        assert one.se_bit_s_hz.tobytes() == other.se_bit_s_hz.tobytes()


def test_ues_of_a_file_that_are_wrong_are_said():
    for node, words in (
        ({"name": "ue-3"}, 'user_equipment.node[0].name: got "ue-3"; allowed: ue-0 to ue-2; did you mean'),
        (
            {"name": "ue-1", "waypoints": [[0.0, 1.0, 1.0]], "velocity_m_s": [1.0, 0.0]},
            "node[0].velocity_m_s: waypoints",
        ),
        ({"name": "ue-1", "speed": 3.0}, "user_equipment.node[0].speed: unknown key"),
    ):
        with pytest.raises(ScenarioError) as refused:
            scenario(node)
        assert words in str(refused.value)
    with pytest.raises(ScenarioError, match="there is none"):
        Scenario.checked(SMALL | {"user_equipment": {"count": 0, "node": [{"name": "ue-0"}]}})
