"""Path loss: the numbers of TR 38.901 table 7.4.1-1 worked out by hand, and what must hold of any law."""

import math

import numpy as np
import pytest

from models.radio import PATH_LOSS
from models.radio.propagation import breakpoint_m, cell_free, path_gain, umi_los, umi_nlos
from scenarios.file.plugins import found

CARRIER_HZ = 3.5e9
DISTANCES_M = np.geomspace(10.0, 2000.0, 200)


def test_breakpoint_of_the_table():
    assert breakpoint_m(CARRIER_HZ) == pytest.approx(4 * 9 * 0.5 * 3.5e9 / 299792458.0)


@pytest.mark.parametrize("distance_m", [10.0, 50.0, 200.0, 210.0])
def test_umi_los_up_to_the_breakpoint(distance_m):
    slant = math.sqrt(distance_m**2 + 8.5**2)
    expected = 32.4 + 21 * math.log10(slant) + 20 * math.log10(3.5)
    assert umi_los(distance_m, CARRIER_HZ) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("distance_m", [211.0, 500.0, 1400.0])
def test_umi_los_beyond_the_breakpoint(distance_m):
    slant = math.sqrt(distance_m**2 + 8.5**2)
    turn = 18 * 3.5e9 / 299792458.0
    expected = 32.4 + 40 * math.log10(slant) + 20 * math.log10(3.5) - 9.5 * math.log10(turn**2 + 8.5**2)
    assert umi_los(distance_m, CARRIER_HZ) == pytest.approx(expected, abs=1e-9)


def test_umi_los_is_continuous_at_the_breakpoint():
    turn = breakpoint_m(CARRIER_HZ)
    before, after = umi_los([turn * (1 - 1e-9), turn * (1 + 1e-9)], CARRIER_HZ)
    assert after == pytest.approx(before, abs=1e-6)


def test_umi_los_slopes_are_21_and_40_db_a_decade():
    near = umi_los([100.0, 200.0], CARRIER_HZ)
    far = umi_los([1e4, 1e5], CARRIER_HZ)
    assert far[1] - far[0] == pytest.approx(40.0, abs=1e-4)
    assert near[1] - near[0] == pytest.approx(21 * math.log10(2), abs=0.03)


def test_umi_nlos_far_away():
    slant = math.sqrt(300.0**2 + 8.5**2)
    expected = 22.4 + 35.3 * math.log10(slant) + 21.3 * math.log10(3.5)
    assert umi_nlos(300.0, CARRIER_HZ) == pytest.approx(expected, abs=1e-9)


def test_umi_nlos_is_never_below_line_of_sight():
    assert np.all(umi_nlos(DISTANCES_M, CARRIER_HZ) >= umi_los(DISTANCES_M, CARRIER_HZ))
    assert umi_nlos(1e9, CARRIER_HZ) == umi_los(1e9, CARRIER_HZ), "far out, 40 dB a decade overtakes 35.3"


def test_cell_free_law():
    """At 10 m, with 10 m of height, the slant distance is 14.1 m: 5.5 dB more than the law at 10 m."""
    slant = np.sqrt([200.0, 100.0, 1e6 + 100.0])
    assert cell_free([10.0, 0.0, 1000.0], CARRIER_HZ) == pytest.approx(30.5 + 36.7 * np.log10(slant))
    assert cell_free(10.0, CARRIER_HZ) == pytest.approx(67.2 + 5.524, abs=1e-3)
    assert cell_free(300.0, 1e9) == cell_free(300.0, 10e9)


@pytest.mark.parametrize("name", PATH_LOSS)
def test_every_law_rises_with_distance_and_is_finite_on_the_spot(name):
    law = found(PATH_LOSS[name])
    assert np.all(np.diff(law(DISTANCES_M, CARRIER_HZ)) > 0)
    assert 60.0 < law(0.0, CARRIER_HZ) <= law(10.0, CARRIER_HZ)


@pytest.mark.parametrize("law", [umi_los, umi_nlos])
def test_3gpp_laws_count_less_than_10_m_as_10_m(law):
    assert law([0.0, 3.0, 9.99], CARRIER_HZ) == pytest.approx(np.full(3, law(10.0, CARRIER_HZ)))


@pytest.mark.parametrize("name", PATH_LOSS)
def test_path_gain_is_the_linear_loss_in_any_shape(name):
    distance = np.array([[20.0, 400.0], [90.0, 210.0], [7.0, 1300.0]])
    gain = path_gain(found(PATH_LOSS[name]), distance, CARRIER_HZ)
    assert gain.shape == distance.shape
    assert -10 * np.log10(gain) == pytest.approx(found(PATH_LOSS[name])(distance, CARRIER_HZ))


@pytest.mark.parametrize("law", [umi_los, umi_nlos])
def test_carrier_dependence_before_the_breakpoint(law):
    exponent = {umi_los: 20.0, umi_nlos: 21.3}[law]
    assert law(80.0, 7e9) - law(80.0, 3.5e9) == pytest.approx(exponent * math.log10(2))
