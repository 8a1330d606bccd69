"""The scaling of images: all pixels of a channel as one."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._training.scaling import ColumnScaler
from sklearn_taskneurons._training.weighted import ROUNDING, FloatArray, weighted_moments

# Numbers that are float64 at once; 8 MB.
BLOCK_NUMBERS: Final = 1 << 20


def fit_channel_scaler(X: NDArray[Any], sample_weight: NDArray[Any], n_channels: int) -> ColumnScaler:
    """Return the scaler of images, as rows, that brings each channel, over all its pixels, to zero mean and unit variance.

    Pixels have scales that mean something: where one is nearly always black, its few grey values are not the more important.
    Channels that are constant up to rounding keep the scale 1. Of images of any type only a block at a time is float64.

    Parameters
    ----------
    X : ndarray of shape (N, C*H*W)
        The pixels of the first channel, then those of the second.
    sample_weight : ndarray of shape (N,)
        Positive weights.
    n_channels : int
        C.
    """
    unit = _largest_magnitudes(X, n_channels)
    n_pixels = X.shape[1] // n_channels
    n_rows = max(1, BLOCK_NUMBERS // X.shape[1])
    starts = range(0, len(X), n_rows)
    blocks = [_moments(X[start : start + n_rows], sample_weight[start : start + n_rows], unit) for start in starts]
    means, variances = np.stack(blocks, axis=1)
    center, variance = combined_moments(means, variances, np.add.reduceat(sample_weight, starts)[:, None])
    scale = np.sqrt(variance)
    scale = np.where(scale > ROUNDING, scale * unit, 1.0)
    return ColumnScaler(np.repeat(center * unit, n_pixels), np.repeat(scale, n_pixels))


def combined_moments(means: FloatArray, variances: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the variance of what consists of parts, over the first axis, whose moments are known [1]_.

    All that is added up is positive, so that nothing cancels.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance: analysis and recommendations",
           The American Statistician 37, 242-247, 1983. :doi:`10.2307/2683386`
    """
    share = weight / weight.sum()
    mean = means[0] + (share * (means - means[0])).sum(axis=0)
    return mean, (share * (variances + (means - mean) ** 2)).sum(axis=0)


def _moments(X: NDArray[Any], weight: NDArray[Any], unit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the variance of each channel of some images, divided by the channels' units."""
    n_channels = len(unit)
    columns = X.reshape(len(X), n_channels, -1) / unit[:, None]
    mean, deviation = weighted_moments(columns.reshape(X.shape), weight)
    # Of all pixels of a channel alike, each the moments of its column.
    means, variances = (numbers.reshape(n_channels, -1).T for numbers in (mean, deviation**2))
    return combined_moments(means, variances, np.ones((len(means), 1)))


def _largest_magnitudes(X: NDArray[Any], n_channels: int) -> FloatArray:
    """Return the largest magnitude of each channel, 1 where all is zero: squares of 1e300 overflow, those of 1e-300 vanish."""
    ends = [np.asarray(end, dtype=np.float64) for end in (X.min(axis=0), X.max(axis=0))]
    unit: FloatArray = np.abs(ends).max(axis=0).reshape(n_channels, -1).max(axis=1)
    unit[unit == 0.0] = 1.0
    return unit
