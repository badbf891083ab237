"""The quantisers of reports."""

import numpy as np
import pytest
from scipy.stats import norm

from models.radio.quantisation import (
    GAUSSIAN,
    BlockFloatingPoint,
    ClippedUniform,
    Uniform,
    block_floating_point,
    quantise,
)


def gaussian(*shape):
    rng = np.random.default_rng(1)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("n_bits", [4, 8, 12])
def test_error_is_uniform_within_a_step(n_bits):
    samples = gaussian(64, 500)
    step = max(np.abs(samples.real).max(), np.abs(samples.imag).max()) * 2.0 ** (1 - n_bits)
    error = quantise(samples, n_bits) - samples
    assert np.abs(error.real).max() <= 0.5 * step * (1 + 1e-9)
    assert np.mean(np.abs(error) ** 2) == pytest.approx(2 * step**2 / 12, rel=0.03)


def test_one_bit_keeps_the_signs():
    samples = gaussian(3, 5)
    coarse = quantise(samples, 1)
    np.testing.assert_array_equal(np.sign(coarse.real), np.sign(samples.real))
    assert len(np.unique(np.abs(coarse.real))) == 1


def test_every_block_has_its_own_scale():
    samples = gaussian(2, 4, 6) * np.array([1.0, 1e-6])[:, None, None]
    together = quantise(samples, 8)
    np.testing.assert_array_equal(together[1], quantise(samples[1], 8))
    assert np.abs(together[1] - samples[1]).max() < 1e-7


def test_silence_and_nonsense_stay_what_they_are():
    assert (quantise(np.zeros((2, 3), complex), 4) == 0.0).all()
    samples = gaussian(2, 3)
    samples[0, 0] = np.nan
    assert np.isnan(quantise(samples, 4)).any()


# -- quantisers by name -----------------------------------------------------------------------------------------------


def ratio_db(samples, got):
    return 10.0 * np.log10(np.mean(np.abs(samples) ** 2) / np.mean(np.abs(got - samples) ** 2))


def exact_error(loading, n_bits):
    """Mean square error of 2^n_bits equal steps from -loading to loading for a standard Gaussian, step by step."""
    half = 2 ** (n_bits - 1)
    step, levels = loading / half, np.arange(-half, half)
    edges = np.concatenate([[-np.inf], levels[1:] * step, [np.inf]])
    probability, density = np.diff(norm.cdf(edges)), norm.pdf(edges)
    first = -np.diff(density)
    second = probability - np.diff(np.where(np.isfinite(edges), edges, 0.0) * density)
    middle = (levels + 0.5) * step
    return np.sum(second - 2.0 * middle * first + middle**2 * probability)


@pytest.mark.parametrize(("n_bits", "loading", "power_db"), GAUSSIAN[:10])
def test_clipping_where_it_costs_a_gaussian_least(n_bits, loading, power_db):
    assert -10.0 * np.log10(exact_error(loading, n_bits)) == pytest.approx(power_db, abs=0.01)
    assert exact_error(loading, n_bits) <= min(exact_error(loading * factor, n_bits) for factor in (0.98, 1.02))


@pytest.mark.parametrize(("n_bits", "power_db"), [(4, 19.38), (6, 29.83), (8, 40.57)])
def test_clipped_uniform_steps_have_the_error_of_theory(n_bits, power_db):
    samples = gaussian(64, 20000)
    got, told = ClippedUniform().quantised(samples, n_bits)
    assert ratio_db(samples, got) == pytest.approx(power_db, abs=0.1)
    assert told == pytest.approx(np.mean(np.abs(got - samples) ** 2), rel=0.03)


@pytest.mark.parametrize(("n_bits", "power_db"), [(6, 30.0), (8, 42.1), (9, 48.1), (12, 66.0)])
def test_block_floating_point_of_a_gaussian_in_16_bits(n_bits, power_db):
    values = np.rint(4096.0 * np.random.default_rng(1).standard_normal((20000, 24)))
    got, _ = block_floating_point(values, n_bits)
    assert ratio_db(values, got) == pytest.approx(power_db, abs=0.1)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7])
def test_block_floating_point_has_its_exact_error(exponent):
    """Values evenly spread over what the mantissas of 9 bits hold, all of them or one after the other."""
    top = 255 * 2**exponent  # with it in the block the exponent is the one wanted
    whole = np.arange(-top, top, dtype=float)
    some = np.random.default_rng(1).uniform(-top, top, 400_000)
    expected = {"whole": (4.0**exponent + 2.0) / 12.0 if exponent else 0.0, "some": 4.0**exponent / 12.0}
    for name, values in {"whole": whole, "some": some}.items():
        got, exponents = block_floating_point(np.append(values, top)[None], 9)
        assert exponents.tolist() == [exponent]
        tolerance = 0.01 if name == "some" else 2.0 / len(whole)  # the ends of the range
        assert np.mean((got[0, :-1] - values) ** 2) == pytest.approx(expected[name], rel=tolerance)


@pytest.mark.parametrize("n_bits", [2, 6, 9, 16])
def test_error_of_blocks_is_what_it_is_said_to_be(n_bits):
    samples = gaussian(400, 8, 10)
    got, told = BlockFloatingPoint().quantised(samples, n_bits)
    error = np.mean(np.abs(got - samples) ** 2, axis=(1, 2))
    assert np.mean(error) == pytest.approx(np.mean(told), rel=0.25 if n_bits == 2 else 0.03)


def test_a_weak_antenna_keeps_its_own_digits_in_blocks():
    samples = gaussian(2, 12) * np.array([1.0, 1e-3])[:, None]
    weak, uniform = (q.quantised(samples, 8)[0][1] for q in (BlockFloatingPoint(), Uniform()))
    assert ratio_db(samples[1], weak) > 20.0 > ratio_db(samples[1], uniform)


@pytest.mark.parametrize("quantiser", [Uniform(), ClippedUniform(), BlockFloatingPoint()])
def test_silence_and_nonsense_stay_what_they_are_with_every_quantiser(quantiser):
    got, error = quantiser.quantised(np.zeros((2, 3, 5), complex), 4)
    assert (got == 0.0).all() and (error == 0.0).all()
    samples = gaussian(2, 3, 5)
    samples[0, 0, 0] = np.nan
    got, _ = quantiser.quantised(samples, 4)
    assert np.isnan(got[0]).any() and np.isfinite(got[1]).all()


@pytest.mark.parametrize("quantiser", [Uniform(), ClippedUniform(), BlockFloatingPoint()])
def test_every_message_is_quantised_by_itself(quantiser):
    samples = gaussian(3, 4, 5) * np.array([1.0, 1e-9, 1e9])[:, None, None]
    together, error = quantiser.quantised(samples, 7)
    for i, alone in enumerate(samples):
        np.testing.assert_array_equal(together[i], quantiser.quantised(alone, 7)[0])
        assert error[i] == pytest.approx(quantiser.quantised(alone, 7)[1], rel=1e-12)
    assert (quantiser.quantised(samples * 8.0, 7)[0] == 8.0 * together).all()


def test_bits_of_a_message():
    assert Uniform().content_bits(80, 9) == 2 * 9 * 80 + 32
    assert BlockFloatingPoint().content_bits(80, 9) == 7 * 28 * 8 + 32  # seven blocks of 28 bytes
    assert BlockFloatingPoint().content_bits(12, 12) == 37 * 8 + 32
