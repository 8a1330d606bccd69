"""Moments and quantiles of columns whose rows are weighted."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._threads import single_blas_thread

FloatArray: TypeAlias = NDArray[np.float64]

# What differences of columns of magnitude 1 may be by rounding alone.
ROUNDING: Final = float(16 * np.finfo(np.float64).eps)
# What a sum of weights may be off by, of itself.
ROUNDING_OF_SUMS: Final = 1e-12


def in_units(X: NDArray[Any], sample_weight: NDArray[Any] | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the columns' largest magnitudes, the columns divided by them, and the weights; rows without one left out."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if not weight.all():
        X, weight = X[weight > 0], weight[weight > 0]
    X = np.asarray(X, dtype=np.float64)
    # Squares of 1e300 overflow, those of 1e-300 vanish.
    unit = np.abs(X).max(axis=0, initial=0.0)
    unit[unit == 0.0] = 1.0
    return unit, X / unit, weight


def weighted_moments(X: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted means and standard deviations of columns of magnitude 1."""
    share = weight / weight.sum()
    with single_blas_thread():
        mean = share @ X
        deviations = X - mean
        # The second pass takes out what rounding left in the mean.
        correction = share @ deviations
        return mean + correction, np.sqrt(np.maximum(share @ deviations**2 - correction**2, 0.0))


def weighted_quantiles(X: FloatArray, weight: FloatArray, levels: NDArray[np.float64] | tuple[float, ...]) -> FloatArray:
    """Return the quantiles (len(levels), D) of the columns of ``X`` (N, D), for weights (N,).

    The inverse of the distribution function, averaged at its steps: rows of weight 2 are rows that occur twice, rows of
    weight 0 do not occur.
    """
    quantiles = np.empty((len(levels), X.shape[1]))
    is_equal = bool((weight == weight[:1]).all())
    for column, values in enumerate(X.T):
        ordered, cumulative = _in_order(values, weight, is_equal)
        wanted = np.multiply(levels, cumulative[-1])
        # What rounding has done to the sum must not decide on which side of a step a level is.
        rounding = ROUNDING_OF_SUMS * cumulative[-1]
        below = np.searchsorted(cumulative, wanted - rounding, side="left")
        # The last row with a weight ends the distribution, whatever rows without one follow.
        end = np.searchsorted(cumulative, cumulative[-1], side="left")
        not_above = np.minimum(np.searchsorted(cumulative, wanted + rounding, side="right"), end)
        quantiles[:, column] = (ordered[below] + ordered[not_above]) / 2
    return quantiles


def _in_order(values: FloatArray, weight: FloatArray, is_equal: bool) -> tuple[FloatArray, FloatArray]:
    """Return values in order and the sums of the weights up to each; to sort numbers alone takes a seventh of the time."""
    if is_equal:
        return np.sort(values), np.cumsum(weight)
    order = np.argsort(values)
    return values[order], np.cumsum(weight[order])
