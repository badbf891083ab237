"""Q as one type: blocks of separate signals give what the full matrix gives, everywhere it is read."""

from dataclasses import replace

import numpy as np
import pytest

from models.bounds.fisher import KINDS, target_bounds_m
from models.estimation.detection import noise_levels, residual_level
from models.estimation.likelihood import Echoes, coherent_free_power, degrees_of_freedom, noncoherent_map
from models.estimation.mixture import echo_channel, fit, initial_state
from models.estimation.pairs import pair_power
from models.radio.gram import Gram
from models.radio.statistics import Radiated, cross_statistic, gram_statistic
from tests.simulate import NOISE_W, normals, observe, random_truth, waveform

MODELS = ("structured", "free", "noncoherent")
MISSING = np.zeros((6, 6), dtype=bool)
MISSING[1, 2] = MISSING[3, 0] = MISSING[3, 4] = True


@pytest.fixture(params=[None, MISSING], ids=["all reports", "some missing"])
def observations(request):
    """The same observation with Q in blocks and in full."""
    rng = np.random.default_rng(5)
    truth = random_truth(rng, n_targets=2)
    blocks = observe(rng, truth, missing=request.param)
    assert not blocks.gram.overlapping
    assert blocks.gram.shared == (request.param is None)
    return truth, blocks, replace(blocks, gram=Gram(blocks.gram.full()))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_fits_agree(observations, model, n_targets):
    truth, *both = observations
    state = initial_state(model, np.stack([truth.targets_m[:n_targets], truth.targets_m[:n_targets] + 0.01]))
    blocks, full = (fit(Echoes.of(o), model, state) for o in both)
    for one, other in zip(blocks, full, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9 * np.abs(other).max())


def test_maps_and_levels_agree(observations):
    both = observations[1:]
    points = np.random.default_rng(6).uniform(0.0, 1000.0, (400, 2))
    blocks, full = ([noncoherent_map(o, points), noise_levels(o), *coherent_free_power(Echoes.of(o), points),
                     pair_power(Echoes.of(o), points[:40])] for o in both)  # fmt: skip
    for one, other in zip(blocks, full, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)
    assert degrees_of_freedom(Echoes.of(both[0])) == degrees_of_freedom(Echoes.of(both[1]))
    levels = [residual_level(Echoes.of(replace(o, noise_power_w=1e-3 * NOISE_W)), 0.0) for o in both]
    assert levels[0] > 1.0
    assert levels[0] == pytest.approx(levels[1])


def test_what_targets_leave_agrees(observations):
    truth, *both = observations
    left = []
    for echoes in map(Echoes.of, both):
        found = fit(echoes, "noncoherent", truth.targets_m[None])
        channel = echo_channel(echoes, "noncoherent", truth.targets_m, found.amplitudes[0])
        left.append(echoes.minus(echoes.gram.times(channel)).cross)
    np.testing.assert_allclose(*left, atol=1e-9 * np.abs(left[0]).max())


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_agree(observations, kind):
    truth, *both = observations
    bounds = [target_bounds_m(truth.network, truth.assignment, truth.targets_m, truth.rcs_m2, truth.phase_rad, o.gram,
                              NOISE_W, kind) for o in both]  # fmt: skip
    np.testing.assert_allclose(*bounds, rtol=1e-9)


def test_products_and_weights_are_those_of_the_matrix():
    rng = np.random.default_rng(7)
    for full in (False, True):
        dense = gram_statistic(waveform(rng, 3, 4, full=full))
        gram = Gram.of(dense)
        assert gram.overlapping == full
        np.testing.assert_array_equal(gram.full()[0] * (1 if full else _own_blocks(3, 4)), gram.full()[0])
        fields = normals(rng, 1, 5, 3, 4)
        expected = np.einsum("ktn,tnum->kum", fields[0], gram.full()[0])
        np.testing.assert_allclose(gram.times(fields)[0], expected, atol=1e-12 * np.abs(expected).max())
        weighted = gram * np.array([1.0, 0.0, 0.5])
        np.testing.assert_allclose(weighted.traces, gram.traces * [[1.0], [0.0], [0.5]])
        assert weighted.ranks.tolist() == [gram.ranks[0], 0, gram.ranks[0]]


def _own_blocks(n_tx, n_antennas):
    return np.kron(np.eye(n_tx), np.ones((n_antennas, n_antennas))).reshape(n_tx, n_antennas, n_tx, n_antennas)


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 2, 3), (2, 3, 4, 3, 4, 1)])
def test_an_array_of_other_axes_is_refused(shape):
    with pytest.raises(ValueError, match=r"gram has shape .* give Q, \(n_tx, N, n_tx, N\)"):
        Gram.of(np.zeros(shape))


@pytest.mark.parametrize("slots", [((0, 3), (1,), (4, 2)), ((0, 1, 2), (1, 3), ())], ids=["separate", "overlapping"])
def test_statistics_by_slot_are_those_of_all_samples(slots):
    rng = np.random.default_rng(8)
    slots = tuple(tuple(sorted(own)) for own in slots)
    sent = Radiated(slots, tuple(normals(rng, 4, len(own), 6) for own in slots))
    covered = (0, 1, 2, 4)
    dense = np.zeros((3, 4, 5, 6), dtype=complex)
    for whole, own, samples in zip(dense, slots, sent.samples, strict=True):
        whole[:, list(own)] = samples
    dense = dense[:, :, list(covered)].reshape(3, 4, -1)
    received = normals(rng, 2, len(covered), 4, 6)
    cross, gram = sent.within(covered).cross(received, covered), sent.gram(covered)
    for own, samples in zip(cross, received, strict=True):
        np.testing.assert_allclose(own, cross_statistic(samples.swapaxes(0, 1).reshape(4, -1), dense), atol=1e-12)
    np.testing.assert_allclose(gram.full()[0], gram_statistic(dense), atol=1e-12)
    assert gram.overlapping == (slots[0] == (0, 1, 2))
