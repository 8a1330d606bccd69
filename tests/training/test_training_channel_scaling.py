import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from sklearn_taskneurons._training import channel_scaling, fit_channel_scaler

# Rows that are read at once: each alone, some, all.
in_blocks = pytest.mark.parametrize("block_numbers", [1, 100, 1 << 20])


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, size=(37, 3, 4, 5)) // np.array([1, 2, 50])[:, None, None]


def of_channels(scaler, n_channels):
    """Return the center and the scale of each channel, which are the same for all its pixels."""
    numbers = np.stack([scaler.center, scaler.scale]).reshape(2, n_channels, -1)
    assert (numbers == numbers[..., :1]).all()
    return numbers[..., 0]


@in_blocks
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_it_has_the_exact_moments_of_weighted_images(block_numbers, dtype, order, images, monkeypatch):
    monkeypatch.setattr(channel_scaling, "BLOCK_NUMBERS", block_numbers)
    weight = np.random.default_rng(1).integers(1, 9, size=37)
    X = np.asarray(images.reshape(37, -1), dtype=dtype, order=order)
    center, scale = of_channels(fit_channel_scaler(X, weight.astype(float), 3), 3)
    for channel in range(3):
        numbers, counts = images[:, channel].ravel().tolist(), np.repeat(weight, 20).tolist()
        mean, of_squares = (
            Fraction(sum(n * x**power for n, x in zip(counts, numbers, strict=True)), sum(counts)) for power in (1, 2)
        )
        assert center[channel] == pytest.approx(float(mean), rel=1e-14)
        assert scale[channel] == pytest.approx(float(of_squares - mean**2) ** 0.5, rel=1e-14)


@in_blocks
@pytest.mark.parametrize("unit", [1e-300, 1e-8, 1.0, 1e300])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_it_is_standard_scaler_of_pixels_in_any_unit(block_numbers, unit, offset, monkeypatch):
    monkeypatch.setattr(channel_scaling, "BLOCK_NUMBERS", block_numbers)
    rng = np.random.default_rng(0)
    images, weight = rng.normal(size=(50, 2, 3, 4)) + offset, rng.lognormal(sigma=3, size=50)
    peer = StandardScaler().fit(np.moveaxis(images, 1, -1).reshape(-1, 2), sample_weight=np.repeat(weight, 12))
    center, scale = of_channels(fit_channel_scaler(unit * 1e-5 * images.reshape(50, -1), weight, 2), 2)
    assert_allclose(center / unit * 1e5, peer.mean_, rtol=1e-9)
    assert_allclose(scale / unit * 1e5, peer.scale_, rtol=1e-9)


@in_blocks
@pytest.mark.parametrize("unit", [1e-300, 1.0, 1e300])
def test_channels_that_are_constant_up_to_rounding_keep_the_scale_1(block_numbers, unit, monkeypatch):
    monkeypatch.setattr(channel_scaling, "BLOCK_NUMBERS", block_numbers)
    images = np.full((50, 3, 4, 5), 0.1 * unit)
    images[::2, 1, :, 1] = np.nextafter(0.1 * unit, np.inf)
    images[:, 2] = 0.0
    scaler = fit_channel_scaler(images.reshape(50, -1), np.random.default_rng(0).uniform(0.1, 1, size=50), 3)
    center, scale = of_channels(scaler, 3)
    assert_array_equal(scale, 1.0)
    assert_allclose(center, [0.1 * unit, 0.1 * unit, 0.0], rtol=1e-15)


def test_what_varies_a_little_far_from_zero_is_no_constant():
    numbers = np.random.default_rng(0).normal(size=(40, 6))
    _, scale = of_channels(fit_channel_scaler(numbers + 1e8, np.ones(40), 1), 1)
    assert scale == pytest.approx(numbers.std(), rel=1e-7)


def test_only_a_block_is_float64(monkeypatch):
    monkeypatch.setattr(channel_scaling, "BLOCK_NUMBERS", 1 << 14)
    X = np.random.default_rng(0).integers(0, 256, size=(2000, 3 * 16 * 16), dtype=np.uint8)
    weight = np.ones(2000)
    tracemalloc.start()
    fit_channel_scaler(X, weight, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes
