"""Costs against brute force, mirror images, gradients, statistics of noise."""

import numpy as np
import pytest
from scipy import optimize, stats

from models.estimation.detection import point_threshold
from models.estimation.likelihood import (
    Echoes,
    coherent_free_power,
    cost_map,
    degrees_of_freedom,
    noncoherent_map,
    noncoherent_power,
    phasors,
)
from models.estimation.mixture import (
    LARGEST_SHRINKAGE,
    climb,
    echo_channel,
    fit,
    initial_state,
    position_covariance_m2,
)
from models.radio.gram import Gram
from models.radio.sensing import leg_response
from tests.simulate import NOISE_W, observe, random_truth, receive, summarise, waveform

EXACT = 1e-9  # relative, against brute force in double precision
MODELS = ("structured", "free", "noncoherent")


@pytest.fixture(params=[False, True], ids=["orthogonal", "overlapping"])
def scene(request):
    """Truth, samples, received samples and observation; a small network so that brute force stays cheap."""
    rng = np.random.default_rng(3)
    truth = random_truth(rng, n_targets=2, n_aps=5, n_receivers=2, n_antennas=4)
    samples = waveform(rng, 3, 4, full=request.param, n_snapshots=8)
    received = receive(truth, samples)
    scale = np.sqrt(np.mean(np.abs(received) ** 2))
    received = received + 0.3 * scale * (rng.standard_normal(received.shape) + 1j * rng.standard_normal(received.shape))
    noise_w = 0.18 * scale**2
    return truth, samples, received, summarise(truth, samples, received, noise_w, n_snapshots=8)


def pair_signals(truth, samples, point_m):
    """Echoes of unit modulus of a target at a point, (rx, tx, N, snapshots)."""
    a = truth.assignment
    legs = leg_response(truth.network, np.asarray(point_m)[None], np.arange(truth.network.n_aps))[:, 0]
    legs /= np.abs(legs[:, :1])
    return np.einsum("rm,tl->rtml", legs[a.receivers], np.einsum("tn,tnl->tl", legs[a.transmitters], samples))


def explained(columns, data):
    """Power that a linear combination of columns (..., n, samples) explains in data (..., samples)."""
    solution = [np.linalg.lstsq(c.T, d, rcond=None)[0] for c, d in zip(columns, data, strict=True)]
    return sum(
        np.linalg.norm(d) ** 2 - np.linalg.norm(d - c.T @ x) ** 2
        for c, d, x in zip(columns, data, solution, strict=True)
    )


def test_noncoherent_cost_17_18_is_least_squares_over_complex_amplitudes(scene):
    truth, samples, received, observation = scene
    point = truth.targets_m[0] + 3.0
    signals = pair_signals(truth, samples, point)
    n_rx, n_tx = signals.shape[:2]
    expected = explained(signals.reshape(n_rx, n_tx, -1), received.reshape(n_rx, -1)) / observation.noise_power_w
    assert noncoherent_map(observation, point)[0] == pytest.approx(expected, rel=EXACT)


def test_free_cost_10_16_is_least_squares_over_real_amplitudes_and_phase(scene):
    truth, samples, received, observation = scene
    point = truth.targets_m[0] + 0.01
    signals = pair_signals(truth, samples, point)
    n_rx, n_tx = signals.shape[:2]

    def stacked(x):
        return np.concatenate([x.real, x.imag], axis=-1)

    def cost(phase):
        columns = stacked(np.exp(1j * phase) * signals.reshape(n_rx, n_tx, -1))
        return explained(columns, stacked(received.reshape(n_rx, -1))) / observation.noise_power_w

    power, phase = coherent_free_power(Echoes.of(observation), point)
    grid = np.linspace(-np.pi / 2, np.pi / 2, 41)
    start = grid[np.argmax([cost(p) for p in grid])]
    best = optimize.minimize_scalar(lambda p: -cost(p), bounds=(start - 0.1, start + 0.1), options={"xatol": 1e-10})
    assert power[0] == pytest.approx(-best.fun, rel=EXACT)
    assert cost(phase[0]) == pytest.approx(power[0], rel=EXACT)


def test_structured_cost_is_least_squares_over_one_complex_amplitude_a_target(scene):
    truth, samples, received, observation = scene
    a, points = truth.assignment, truth.targets_m + 0.003
    out = np.einsum("tsn,tnl->sl", leg_response(truth.network, points, a.transmitters), samples)
    back = leg_response(truth.network, points, a.receivers)
    columns = np.einsum("rsm,sl->srml", back, out).reshape(1, 2, -1)
    expected = explained(columns, received.reshape(1, -1)) / observation.noise_power_w
    assert fit(Echoes.of(observation), "structured", points[None]).power[0] == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("model", MODELS)
def test_gradient_of_the_joint_fit_is_its_finite_difference(scene, model):
    truth, _, _, observation = scene
    echoes = Echoes.of(observation)
    state = initial_state(model, truth.targets_m[None] + 0.01)
    step = 1e-3 if model == "noncoherent" else 1e-6
    gradient = fit(echoes, model, state).gradient[0]
    for i in range(gradient.size):
        move = np.zeros(gradient.size)
        move[i] = step
        move = move.reshape(state.shape)
        slope = (fit(echoes, model, state + move).power - fit(echoes, model, state - move).power)[0] / (2.0 * step)
        assert gradient[i] == pytest.approx(slope, rel=1e-3, abs=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("model", MODELS)
def test_fitted_echoes_are_what_the_power_says(scene, model):
    _, _, _, observation = scene
    echoes = Echoes.of(observation)
    state = initial_state(model, np.array([[[300.0, 410.0], [640.0, 220.0]]]))
    found = fit(echoes, model, state)
    channel = echo_channel(echoes, model, state[0], found.amplitudes[0])
    gained = np.vdot(channel, 2.0 * echoes.cross - echoes.gram.times(channel)).real
    if model == "noncoherent":  # the amplitudes of several targets shrink a little
        assert 0.0 < gained - found.power[0] < 3.0 * LARGEST_SHRINKAGE * gained
    else:
        assert gained == pytest.approx(found.power[0], rel=1e-8)


def test_information_is_that_of_monte_carlo_errors():
    rng = np.random.default_rng(11)
    truth = random_truth(rng, n_targets=1)
    errors, covariance = [], None
    for _ in range(60):
        echoes = Echoes.of(observe(rng, truth, power_w=10.0))
        state, found = climb(lambda s, e=echoes: fit(e, "structured", s), truth.targets_m[None], 0.01, 10)
        errors.append(state[0, 0] - truth.targets_m[0])
        covariance = position_covariance_m2(found.information[0], 1)[0]
    normalised = np.einsum("ni,ij,nj->n", errors, np.linalg.inv(covariance), errors)
    # 60 chi-square of 2: mean 2, standard deviation 2 / sqrt(60) = 0.26; waveforms differ a little from CPI to CPI
    assert abs(np.mean(normalised) - 2.0) < 4 * 0.26 + 0.2


def test_mirror_targets_are_told_apart_by_several_aps():
    rng = np.random.default_rng(5)
    truth = random_truth(rng, targets_m=[[400.0, 300.0]])
    observation = observe(rng, truth, power_w=10.0)
    network, target = truth.network, truth.targets_m[0]
    actual = noncoherent_map(observation, target)[0]
    inside = 0
    for ap in range(network.n_aps):
        offset, axis = target - network.ap_positions_m[ap], network.array_axes[ap]
        mirror = network.ap_positions_m[ap] + 2.0 * (offset @ axis) * axis - offset
        z = phasors(network, np.stack([target, mirror]))[ap]
        assert z[0] == pytest.approx(z[1], abs=1e-9)  # this AP alone cannot tell
        inside += 1
        assert noncoherent_map(observation, mirror)[0] < actual - 50.0
    assert inside == network.n_aps


def test_noise_alone_explains_gamma_at_a_point():
    rng = np.random.default_rng(7)
    truth = random_truth(rng, n_targets=0)
    exceeded = {0.1: 0, 0.02: 0}
    n = 400
    for _ in range(n):
        observation = observe(rng, truth, full=True)
        power = noncoherent_map(observation, [[512.0, 333.0]])[0]
        for p in exceeded:
            exceeded[p] += power > point_threshold(36, p)
    for p, count in exceeded.items():
        assert abs(count - n * p) < 4.0 * np.sqrt(n * p * (1 - p))


def test_missing_reports_count_only_pairs_with_data():
    rng = np.random.default_rng(8)
    truth = random_truth(rng, n_targets=0)
    missing = np.zeros((6, 6), dtype=bool)
    missing[2] = True
    missing[0, 3] = True
    powers = []
    for _ in range(120):
        observation = observe(rng, truth, missing=missing)
        echoes = Echoes.of(observation)
        powers.append(noncoherent_map(observation, [[700.0, 120.0]])[0])
    assert degrees_of_freedom(echoes) == 29
    assert stats.kstest(powers, stats.gamma(29).cdf).pvalue > 1e-4


def test_receiver_without_samples_changes_nothing_for_the_others():
    rng = np.random.default_rng(9)
    truth = random_truth(rng, n_targets=1)
    missing = np.zeros((6, 6), dtype=bool)
    missing[4] = True
    observation = observe(rng, truth, missing=missing)
    rest = [i for i in range(6) if i != 4]
    modes = truth.assignment
    fewer = type(modes).of(12, modes.transmitters, modes.receivers[rest])
    reduced = type(observation)(
        network=truth.network,
        area=observation.area,
        assignment=fewer,
        cross=observation.cross[rest],
        gram=Gram(observation.gram.values[:1]),
        energy=observation.energy[rest],
        n_samples=observation.n_samples[rest],
        noise_power_w=NOISE_W,
    )
    for model in MODELS:
        state = initial_state(model, truth.targets_m[None])
        one, other = (fit(Echoes.of(o), model, state) for o in (observation, reduced))
        assert one.power[0] == pytest.approx(other.power[0], rel=1e-8)
        assert np.allclose(one.information, other.information, rtol=1e-6)


def test_map_in_single_precision_is_the_exact_cost():
    rng = np.random.default_rng(10)
    for full in (False, True):
        observation = observe(rng, random_truth(rng, n_targets=2), full=full)
        x, y, image = cost_map(observation, 50.0)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        exact = noncoherent_power(Echoes.of(observation), phasors(observation.network, points))
        assert image.shape == (20, 20)
        assert np.allclose(image.ravel(), exact, rtol=1e-3, atol=1e-4 * exact.max())
