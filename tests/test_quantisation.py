"""The quantiser of reports."""

import numpy as np
import pytest

from models.radio.quantisation import quantise


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
