"""Pictures: what stands on the axes is what was given."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.network import Area, ModeAssignment, Network
from scenarios.output import draw
from scenarios.output.lengths import length_text

AREA = Area(width_m=100.0, height_m=80.0)
NETWORK = Network(
    ap_names=("ap-0", "ap-1", "ap-2"),
    ap_positions_m=np.array([[10.0, 20.0], [90.0, 20.0], [-30.0, 70.0]]),
    boresights_rad=np.array([0.0, np.pi / 2, np.pi]),
    n_antennas=4,
    carrier_hz=3.5e9,
    ue_names=("ue-0",),
    ue_positions_m=np.array([[55.0, 44.0]]),
)


@pytest.fixture
def ax():
    return Figure().subplots()


def offsets(ax: Axes, label: str) -> np.ndarray:
    (found,) = [c for c in ax.collections if c.get_label() == label]
    return np.asarray(found.get_offsets())


def test_area_holds_the_access_points_outside_it(ax):
    draw.draw_area(ax, AREA, NETWORK)
    assert ax.get_xlim()[0] < -30.0
    assert ax.get_xlim()[1] > 100.0
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "y (m)")


def test_access_points_stand_with_their_role_and_look_along_their_boresight(ax):
    draw.draw_area(ax, AREA, NETWORK)
    assert draw.draw_access_points(ax, NETWORK, ModeAssignment.of(3, [0, 2], [1])) is ax
    np.testing.assert_array_equal(offsets(ax, "access point, transmit"), NETWORK.ap_positions_m[[0, 2]])
    np.testing.assert_array_equal(offsets(ax, "access point, receive"), NETWORK.ap_positions_m[[1]])
    ticks = [np.diff(np.asarray(line.get_xydata()), axis=0)[0] for line in ax.lines]
    np.testing.assert_allclose(np.degrees([np.arctan2(t[1], t[0]) for t in ticks]), [0.0, 180.0, 90.0], atol=1e-9)


def test_targets_and_estimates_stand_where_they_are(ax):
    truth, estimates = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.1, 2.0]])
    draw.draw_targets(ax, truth, estimates, np.array([np.diag([4.0, 1.0])]))
    np.testing.assert_array_equal(offsets(ax, "target"), truth)
    np.testing.assert_array_equal(offsets(ax, "estimate"), estimates)
    assert [text.get_text() for text in ax.texts] == ["0", "1"]
    assert [patch.get_label() for patch in ax.patches] == ["95 % of its error"]


def test_nothing_found_and_nothing_there_is_drawn_as_nothing(ax):
    draw.draw_targets(ax, np.empty((0, 2)), np.empty((0, 2)))
    assert not ax.collections


def test_ellipse_holds_95_percent(ax):
    """Of many draws from the covariance 95 % lie inside; four standard deviations of a binomial are allowed."""
    covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    draw.draw_ellipse(ax, (3.0, -1.0), covariance)
    n = 20_000
    points = np.random.default_rng(1).multivariate_normal([3.0, -1.0], covariance, n)
    path = ax.patches[0].get_path().transformed(ax.patches[0].get_patch_transform())
    assert np.mean(path.contains_points(points)) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / n))


@pytest.mark.parametrize(("error_m", "unit"), [(2e-3, "mm"), (0.2, "cm"), (3.0, "m")])
def test_error_is_drawn_at_its_own_scale(ax, error_m, unit):
    truth = np.array([500.0, 400.0])
    draw.draw_error(
        ax, truth, truth + np.array([error_m, 0.0]), np.eye(2) * (error_m / 2) ** 2, error_m / 2, "target 0"
    )
    assert ax.get_xlabel() == f"x error ({unit})"
    factor = {"mm": 1e3, "cm": 1e2, "m": 1.0}[unit]
    positions = [np.asarray(c.get_offsets())[0] for c in ax.collections]
    np.testing.assert_allclose(positions, [[0.0, 0.0], [factor * error_m, 0.0]], atol=1e-9 * factor)
    assert factor * error_m < ax.get_xlim()[1] < 10 * factor * error_m


def test_error_without_covariance_or_bound(ax):
    draw.draw_error(ax, np.zeros(2), np.array([0.0, 0.004]), None, float("nan"), "target 1")
    assert ax.get_title(loc="left") == "" or "–" in ax.get_title(loc="left")
    assert "bound –" in "".join(ax.get_title(loc=where) for where in ("left", "center"))
    assert not ax.patches


def test_missed_target_says_so(ax):
    draw.draw_error(ax, np.zeros(2), None, None, 0.004, "target 1")
    assert [text.get_text() for text in ax.texts] == ["missed"]


def test_cost_map_is_in_db_with_its_cells_around_their_centres(ax):
    x, y = AREA.grid(10.0)
    cost = np.full((len(y), len(x)), 1e-9)
    cost[3, 5] = 100.0
    draw.draw_cost_map(ax, x, y, cost)
    (image,) = ax.images
    assert image.get_extent() == pytest.approx((0.0, 100.0, 0.0, 80.0))
    assert image.get_array()[3, 5] == pytest.approx(20.0)
    assert image.get_clim() == pytest.approx((-10.0, 20.0))


def test_spectral_efficiency_is_sorted_with_its_sum(ax):
    draw.draw_spectral_efficiency(ax, [1.0, 3.0, 2.0], ["ue-0", "ue-1", "ue-2"], n_cpis=4)
    assert [bar.get_height() for bar in ax.patches] == [3.0, 2.0, 1.0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["ue-1", "ue-2", "ue-0"]
    title = "".join(ax.get_title(loc=where) for where in ("left", "center"))
    assert "6.00 bit/s/Hz" in title
    assert "mean of 4 CPIs" in title


def test_spectral_efficiency_without_ues(ax):
    draw.draw_spectral_efficiency(ax, [], [])
    assert "no UE" in [text.get_text() for text in ax.texts]


def test_png_is_the_same_bytes_whatever_the_callers_style_is(tmp_path):
    import matplotlib as mpl

    for name, size in (("a.png", 10), ("b.png", 30)):
        with mpl.rc_context({"font.size": size}):
            with draw.styled():
                figure = Figure()
                draw.draw_spectral_efficiency(figure.subplots(), [1.0], ["ue-0"])
            draw.save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("length_m", "text"),
    [(0.00123, "1.23 mm"), (0.3, "30 cm"), (12.0, "12 m"), (np.nan, "–"), (np.inf, "inf"), (7128.4, "7,128 m")],
)
def test_lengths_read_well(length_m, text):
    assert length_text(length_m) == text
