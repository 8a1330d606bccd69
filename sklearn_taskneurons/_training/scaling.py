"""Column scaling: what a network's inputs and targets are, whatever the units of the data."""

import sys
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Scaling: TypeAlias = Literal["robust", "standard"] | None

# The interquartile range of a standard normal distribution.
NORMAL_IQR = 1.3489795003921634
# Where inputs are bounded, in units of the scale: (-3, 3) leaves the bulk of a normal distribution nearly linear.
LIMIT = 3.0
# What is closer to it comes from so far outside that no estimate of it could tell from where; seven times as far as the bound.
NEAR_LIMIT = 0.99


@dataclass(frozen=True)
class ColumnScaler:
    """Centre and scale columns, then bound them smoothly to (-limit, limit).

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), float64
        What is subtracted from each column, and what it is then divided by.
    limit : float or None
        The bound: z becomes z / sqrt(1 + (z / limit)**2). None leaves z as it is.
    """

    center: FloatArray
    scale: FloatArray
    limit: float | None = LIMIT

    def transform(self, X: NDArray[Any]) -> FloatArray:
        """Return the scaled columns of ``X`` (N, D) as float64; any finite input gives a finite output."""
        z: FloatArray
        with np.errstate(over="ignore"):
            z = np.subtract(X, self.center, dtype=np.float64)
            z /= self.scale
        if self.limit is None:
            return np.clip(z, -sys.float_info.max, sys.float_info.max, out=z)
        # Far beyond the bound, and its square does not overflow.
        np.clip(z, -1e150, 1e150, out=z)
        squares = z * z
        squares *= self.limit**-2
        squares += 1.0
        z /= np.sqrt(squares, out=squares)
        return z

    def inverse_transform(self, z: NDArray[Any]) -> FloatArray:
        """Return columns (N, D) in their own units; what is hardly below the bound or beyond it is taken a bit below."""
        if self.limit is not None:
            z = np.clip(z, -NEAR_LIMIT * self.limit, NEAR_LIMIT * self.limit)
            z = z / np.sqrt(1.0 - (z / self.limit) ** 2)
        return np.asarray(z * self.scale + self.center, dtype=np.float64)


@dataclass(frozen=True)
class TargetScaler:
    """Standardize targets and undo it.

    Attributes
    ----------
    center, scale : ndarray of shape (n_outputs,), float64
        A constant target has the scale 0: whatever a network says of it, its prediction is that constant.
    lower, upper : ndarray of shape (n_outputs,), float64
        The range of the targets. A prediction is taken to be in it, as that of a tree or of a neighbour is.
    """

    center: FloatArray
    scale: FloatArray
    lower: FloatArray
    upper: FloatArray

    def covering(self, y: NDArray[Any]) -> "TargetScaler":
        """Return the scaler of a range in which further targets (N, O) are too.

        A target that was constant is scaled by the first targets among which it is not.
        """
        scale = self.scale
        if not scale.all():
            scale = np.where(scale == 0, fit_target_scaler(y).scale, scale)
        return replace(
            self, scale=scale, lower=np.minimum(self.lower, y.min(axis=0)), upper=np.maximum(self.upper, y.max(axis=0))
        )

    def transform(self, y: NDArray[Any]) -> FloatArray:
        """Return the standardized targets (N, O)."""
        return np.asarray((y - self.center) / np.where(self.scale > 0, self.scale, 1.0), dtype=np.float64)

    def inverse_transform(self, y: NDArray[Any]) -> FloatArray:
        """Return targets (..., O) in their own units, within their range."""
        return np.asarray(np.clip(y * self.scale + self.center, self.lower, self.upper), dtype=np.float64)


def fit_column_scaler(
    X: NDArray[Any], sample_weight: NDArray[Any] | None = None, scaling: Scaling = "robust", limit: float | None = LIMIT
) -> ColumnScaler:
    """Return the scaler of the columns of ``X``, rows weighted.

    "standard" is the mean and the standard deviation; "robust" the median and the interquartile range, in units of that of
    a normal distribution, except in columns of which more than half the values are equal, where it is as "standard".
    Columns that are constant up to rounding keep the scale 1. None leaves everything as it is, unbounded.
    """
    n_features = X.shape[1]
    if scaling is None:
        return ColumnScaler(np.zeros(n_features), np.ones(n_features), None)
    unit, X, weight = _units(X, sample_weight)
    center, scale = _moments(X, weight)
    if scaling == "robust":
        low, median, high = weighted_quantiles(X, weight, (0.25, 0.5, 0.75))
        spread = (high - low) / NORMAL_IQR
        usable = spread > _rounding(X)
        center, scale = np.where(usable, median, center), np.where(usable, spread, scale)
    return ColumnScaler(center * unit, _usable_scale(scale, X, unit), limit)


def fit_target_scaler(y: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> TargetScaler:
    """Return the scaler to zero mean and unit variance of targets (N, O), rows weighted."""
    unit, y, weight = _units(y, sample_weight)
    center, scale = _moments(y, weight)
    scale = np.where(scale > _rounding(y), scale, 0.0)
    return TargetScaler(center * unit, scale * unit, y.min(axis=0) * unit, y.max(axis=0) * unit)


def weighted_quantiles(X: FloatArray, weight: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Return the quantiles (len(levels), D) of the columns of ``X`` (N, D), for weights (N,).

    The inverse of the distribution function, averaged at its steps: rows of weight 2 are rows that occur twice, rows of
    weight 0 do not occur.
    """
    order = np.argsort(X, axis=0, kind="stable")
    ordered = np.take_along_axis(X, order, axis=0)
    cumulative = np.cumsum(weight[order], axis=0)
    quantiles = []
    for level in levels:
        wanted = level * cumulative[-1]
        below = np.sum(cumulative < wanted, axis=0)
        # The last row with a weight ends the distribution, whatever rows without one follow.
        not_above = np.minimum(np.sum(cumulative <= wanted, axis=0), np.argmax(cumulative >= cumulative[-1], axis=0))
        pair = np.take_along_axis(ordered, np.stack([below, not_above]), axis=0)
        quantiles.append(pair.mean(axis=0))
    return np.stack(quantiles)


def _units(X: NDArray[Any], sample_weight: NDArray[Any] | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the columns' largest magnitudes, the columns divided by them, and the weights; rows without one left out."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if not weight.all():
        X, weight = X[weight > 0], weight[weight > 0]
    X = np.asarray(X, dtype=np.float64)
    # Squares of 1e300 overflow, those of 1e-300 vanish.
    unit = np.abs(X).max(axis=0, initial=0.0)
    unit[unit == 0.0] = 1.0
    return unit, X / unit, weight


def _moments(X: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted means and standard deviations of columns of magnitude 1."""
    share = weight / weight.sum()
    mean = share @ X
    deviations = X - mean
    # The second pass takes out what rounding left in the mean.
    correction = share @ deviations
    return mean + correction, np.sqrt(np.maximum(share @ deviations**2 - correction**2, 0.0))


def _rounding(X: FloatArray) -> float:
    """Return what differences of columns of magnitude 1 may be by rounding alone."""
    return float(16 * np.finfo(np.float64).eps)


def _usable_scale(scale: FloatArray, X: FloatArray, unit: FloatArray) -> FloatArray:
    """Return the scales in the columns' own units, 1 for constant columns."""
    return np.where(scale > _rounding(X), scale * unit, 1.0)
