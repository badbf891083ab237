"""Bistatic echoes, eq. (2): against an independent ray tracer, and the laws of the radar equation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.network import Network
from models.radio.sensing import echo_amplitude_m2, leg_response, sensing_channel

REFERENCE = Path(__file__).parent / "reference"
LAYOUT = json.loads((REFERENCE / "golden.json").read_text())["layout"]
RAY_TRACER = json.loads((REFERENCE / "sionna_rt.json").read_text())
PAIRS = RAY_TRACER["pairs"]

AMPLITUDE_TOLERANCE = 2e-3
"""Relative; the tracer places every antenna, so its wavefront is curved."""
PHASE_TOLERANCE_RAD = 0.02
"""Absolute carrier phase; the tracer works in single precision."""
EXACT = 1e-12

POINTS_M = np.array([[310.0, 420.0], [700.0, 620.0], [55.5, 930.25]])
APS = np.arange(5)


def golden_network(n_antennas=LAYOUT["n_antennas"]):
    positions = np.array(LAYOUT["ap_positions_m"])
    return Network(
        ap_names=tuple(f"ap-{m}" for m in range(len(positions))),
        ap_positions_m=positions,
        boresights_rad=np.array(LAYOUT["ap_boresights_rad"]),
        n_antennas=n_antennas,
        carrier_hz=LAYOUT["carrier_hz"],
    )


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p['tx_ap']}-{p['rx_ap']}-at-{p['target_m'][0]:.0f}")
def test_eq_2_against_an_independent_ray_tracer(pair):
    traced = np.array(pair["channel_re"]) + 1j * np.array(pair["channel_im"])
    tx, rx = np.array([pair["tx_ap"]]), np.array([pair["rx_ap"]])
    channel = sensing_channel(golden_network(), tx, rx, [pair["target_m"]], RAY_TRACER["rcs_m2"], 0.0)[0, 0]
    ratio = channel / traced
    assert np.abs(ratio) == pytest.approx(np.ones(ratio.shape), abs=AMPLITUDE_TOLERANCE)
    assert np.angle(ratio) == pytest.approx(np.zeros(ratio.shape), abs=PHASE_TOLERANCE_RAD)


def test_the_ray_tracer_reference_has_three_pairs_of_aps_and_two_targets():
    assert len({(p["tx_ap"], p["rx_ap"], *p["target_m"]) for p in PAIRS}) == 6


def test_echo_power_is_the_radar_equation():
    network = golden_network(1)
    channel = sensing_channel(network, APS[:1], APS[1:2], POINTS_M[:1], 2.5, 0.3)[0, 0, 0, 0]
    out, back = np.linalg.norm(POINTS_M[0] - network.ap_positions_m[:2], axis=-1)
    power = network.wavelength_m**2 * 2.5 / ((4 * math.pi) ** 3 * out**2 * back**2)
    assert abs(channel) ** 2 == pytest.approx(power, rel=EXACT)
    unwound = channel * np.exp(1j * network.wavenumber_rad_m * (out + back))
    assert np.angle(unwound) == pytest.approx(0.3, abs=1e-9)


def test_reciprocity_swaps_and_transposes():
    network = golden_network()
    there = sensing_channel(network, APS, APS + 5, POINTS_M, 1.0, 0.5)
    back = sensing_channel(network, APS + 5, APS, POINTS_M, 1.0, 0.5)
    assert back == pytest.approx(there.transpose(1, 0, 3, 2), rel=1e-9)


def test_echoes_of_several_targets_add():
    network = golden_network()
    rcs, phase = np.array([1.0, 0.2, 7.0]), np.array([0.1, -2.0, 3.0])
    together = sensing_channel(network, APS, APS + 5, POINTS_M, rcs, phase)
    alone = [sensing_channel(network, APS, APS + 5, POINTS_M[[s]], rcs[s], phase[s]) for s in range(3)]
    assert together == pytest.approx(sum(alone), rel=1e-9, abs=1e-24)


def test_no_target_no_echo():
    assert not sensing_channel(golden_network(), APS, APS + 5, np.empty((0, 2)), np.empty(0), np.empty(0)).any()


def test_one_target_gives_rank_one():
    channel = sensing_channel(golden_network(), APS[:1], APS[1:2], POINTS_M[:1], 1.0, 0.0)[0, 0]
    assert np.linalg.matrix_rank(channel, rtol=1e-10) == 1


@pytest.mark.parametrize("factor", [0.01, 4.0])
def test_amplitude_grows_with_the_root_of_the_cross_section(factor):
    assert echo_amplitude_m2(0.0857, factor) == pytest.approx(math.sqrt(factor) * echo_amplitude_m2(0.0857, 1.0))


def test_leg_falls_with_distance_and_keeps_modulus_over_the_array():
    network = golden_network()
    leg = leg_response(network, POINTS_M)
    distance = np.linalg.norm(POINTS_M - network.ap_positions_m[:, None], axis=-1)
    assert np.abs(leg) == pytest.approx(np.repeat(1 / distance[..., None], 8, axis=-1), rel=EXACT)
