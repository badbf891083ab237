"""Rays, bearings and steering vectors: the sign conventions, eq. (3)."""

import math

import numpy as np
import pytest

from models.network import Area, Network
from models.radio.arrays import steering
from models.radio.geometry import rays
from models.radio.sensing import leg_response

RNG = np.random.default_rng(1)
EXACT = 1e-12
"""Relative tolerance of identities in double precision."""


def make_network(n_aps=5, n_antennas=4, **changes):
    rng = np.random.default_rng(7)
    settings = {
        "ap_names": tuple(f"ap-{m}" for m in range(n_aps)),
        "ap_positions_m": rng.uniform(0, 1000, (n_aps, 2)),
        "boresights_rad": rng.uniform(-np.pi, np.pi, n_aps),
        "n_antennas": n_antennas,
        "carrier_hz": 3.5e9,
    }
    return Network(**(settings | changes))


POINTS_M = RNG.uniform(0, 1000, (6, 2))


def test_sine_is_the_sine_of_the_bearing():
    network = make_network()
    sine = rays(network, POINTS_M).sine
    for m, (origin, boresight) in enumerate(zip(network.ap_positions_m, network.boresights_rad, strict=True)):
        x, y = (POINTS_M - origin).T
        assert sine[m] == pytest.approx(np.sin(np.arctan2(y, x) - boresight), abs=EXACT)


def test_broadside_and_endfire():
    network = make_network(1, ap_positions_m=np.zeros((1, 2)), boresights_rad=np.zeros(1))
    ahead, left, right = rays(network, [[100.0, 0.0], [0.0, 50.0], [0.0, -50.0]]).sine[0]
    assert (ahead, left, right) == (0.0, 1.0, -1.0)


def test_distance_and_direction():
    network = make_network()
    ray = rays(network, POINTS_M)
    ends = network.ap_positions_m[:, None] + ray.distance_m[..., None] * ray.direction
    assert ends == pytest.approx(np.broadcast_to(POINTS_M, ends.shape), rel=EXACT)
    assert np.linalg.norm(ray.direction, axis=-1) == pytest.approx(np.ones((5, 6)), rel=EXACT)


def test_sine_gradient_against_central_differences():
    network, step = make_network(), 1e-3
    gradient = rays(network, POINTS_M).sine_gradient
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        difference = (rays(network, POINTS_M + shift).sine - rays(network, POINTS_M - shift).sine) / (2 * step)
        assert gradient[..., axis] == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_a_linear_array_cannot_tell_a_point_from_its_mirror_image_but_two_can():
    network = make_network(2, ap_positions_m=np.array([[0.0, 0.0], [100.0, 0.0]]), boresights_rad=np.array([0.3, 1.1]))
    axis = network.array_axes[0]
    point = np.array([120.0, 90.0])
    mirror = 2 * (point @ axis) * axis - point
    response = leg_response(network, np.stack([point, mirror]))
    assert response[0, 1] == pytest.approx(response[0, 0], rel=EXACT)
    assert abs(np.vdot(response[1, 0], response[1, 1])) < 0.9 * np.prod(np.linalg.norm(response[1], axis=-1))


def test_rays_of_some_aps_are_those_rows():
    network, some = make_network(), np.array([3, 1])
    for part, full in zip(rays(network, POINTS_M, some), rays(network, POINTS_M), strict=True):
        assert np.array_equal(part, full[some])


def test_a_point_on_an_ap_is_refused():
    network = make_network()
    with pytest.raises(ValueError, match="exactly on an access point"):
        rays(network, network.ap_positions_m[2:3])


def test_translation_and_rotation_leave_sines_and_distances_alone():
    network, angle = make_network(), 0.7
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shift = np.array([40.0, -900.0])
    moved = make_network(
        ap_positions_m=network.ap_positions_m @ turn.T + shift, boresights_rad=network.boresights_rad + angle
    )
    before, after = rays(network, POINTS_M), rays(moved, POINTS_M @ turn.T + shift)
    assert after.distance_m == pytest.approx(before.distance_m, rel=1e-10)
    assert after.sine == pytest.approx(before.sine, abs=1e-10)


def test_steering_vector_is_the_plane_wave_over_the_elements_eq_3():
    network = make_network(1, n_antennas=8)
    spacing = network.wavelength_m / 2
    elements = network.ap_positions_m[0] + spacing * np.arange(8)[:, None] * network.array_axes[0]
    far = network.ap_positions_m[0] + 1e6 * np.array([math.cos(0.4), math.sin(0.4)])
    phase = -network.wavenumber_rad_m * (np.linalg.norm(far - elements, axis=-1) - 1e6)
    expected = steering(rays(network, far[None]).sine[0, 0], 8)
    assert np.angle(expected * np.exp(-1j * (phase - phase[0]))) == pytest.approx(np.zeros(8), abs=1e-5)


def test_grid_covers_the_area_with_cell_centres():
    x_m, y_m = Area(width_m=1000.0, height_m=400.0).grid(10.0)
    assert (len(x_m), len(y_m)) == (100, 40)
    assert (x_m[0], x_m[-1], y_m[0], y_m[-1]) == (5.0, 995.0, 5.0, 395.0)
