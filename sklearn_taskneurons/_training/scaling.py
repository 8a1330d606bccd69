"""Column scaling: what a network's inputs are, whatever the units of the data."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklearn_taskneurons._training.weighted import ROUNDING, FloatArray, in_units, weighted_moments, weighted_quantiles

Scaling: TypeAlias = Literal["mixed", "robust", "standard"]
SCALINGS: Final[tuple[Scaling, ...]] = get_args(Scaling)

# The interquartile range of a standard normal distribution.
NORMAL_IQR: Final = 1.3489795003921634
# Where inputs are bounded, in units of the scale: (-3, 3) leaves the bulk of a normal distribution nearly linear.
LIMIT: Final = 3.0
# What is closer to it comes from so far outside that no estimate of it could tell from where; seven times as far as the bound.
NEAR_LIMIT: Final = 0.99
# In units of the bound; of a normal distribution less than a hundredth is farther out.
FAR_OUT: Final = 2 / 3
# Fewer rows say little of a column's middle.
FEWEST_ROWS: Final = 10
# The levels at which a distribution is known, at equal distances of a normal one.
LEVELS: Final = ndtr(np.linspace(-LIMIT, LIMIT, 61))
# Of the powers of two that are floating-point numbers.
MOST_EXPONENT: Final = 1023
# Of so many rows, all columns are searched at once; what is needed for that stays in cache.
SEARCHED_ROWS: Final = 4096


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
    n_scalings: ClassVar[int] = 1

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound."""
        return self.limit is not None

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

    def columns_far_out(self, X: NDArray[Any]) -> NDArray[np.intp]:
        """Return the columns of rows half of whose values come so near to the bound that they are hardly told apart."""
        if self.limit is None or len(X) < FEWEST_ROWS:
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(np.median(np.abs(self.transform(X)), axis=0) > FAR_OUT * self.limit)

    def inverse_transform(self, z: NDArray[Any]) -> FloatArray:
        """Return columns (N, D) in their own units; what is hardly below the bound or beyond it is taken a bit below."""
        if self.limit is not None:
            z = np.clip(z, -NEAR_LIMIT * self.limit, NEAR_LIMIT * self.limit)
            z = z / np.sqrt(1.0 - (z / self.limit) ** 2)
        return np.asarray(z * self.scale + self.center, dtype=np.float64)


@dataclass(frozen=True)
class NormalScores:
    """Bring each column to a normal distribution: each value becomes the quantile of it that belongs to its rank [1]_.

    Equal values have the mean of their ranks. Between the values that it knows the function is linear, beyond them constant.

    Attributes
    ----------
    per_unit : ndarray of shape (n_features,), float64
        For each column a power of two that brings it to a magnitude of about 1, so that no difference is too large or small.
    values, scores : ndarray of shape (n_features, P), float64
        For each column, increasing values in its unit and their scores; the last ones are repeated up to a power of two, P.
    slopes : ndarray of shape (n_features, P), float64
        By how much the score grows with the value, from each one to the next.

    References
    ----------
    .. [1] T. M. Beasley, S. Erickson, D. B. Allison, "Rank-based inverse normal transformations are increasingly used, but
           are they merited?", Behavior Genetics 39, 580-595, 2009. :doi:`10.1007/s10519-009-9281-0`
    """

    per_unit: FloatArray
    values: FloatArray
    scores: FloatArray
    slopes: FloatArray

    def transform(self, X: NDArray[Any]) -> FloatArray:
        """Return the scores of the columns of ``X`` (N, D) as float64, column after column in memory."""
        scores = np.empty(X.shape[::-1])
        for start in range(0, len(X), SEARCHED_ROWS):
            rows = slice(start, start + SEARCHED_ROWS)
            self._transform(X[rows].T, scores[:, rows])
        return scores.T

    def _transform(self, columns: NDArray[Any], scores: FloatArray) -> None:
        """Write the scores of columns (D, n), found by a binary search of all numbers at once, without a branch.

        A processor guesses at branches, and every other guess of a search is wrong: `numpy.interp` takes twice the time.
        """
        n_points = self.values.shape[1]
        with np.errstate(over="ignore"):
            np.multiply(columns, self.per_unit[:, None], out=scores)
        np.clip(scores, self.values[:, :1], self.values[:, -1:], out=scores)
        index = np.repeat(n_points * np.arange(len(columns))[:, None], columns.shape[1], axis=1)
        probe, known = np.empty_like(index), np.empty_like(scores)
        step = n_points // 2
        while step:
            np.add(index, step, out=probe)
            # All indices are in range; the mode says so, or NumPy would buffer what it takes.
            self.values.take(probe, out=known, mode="clip")
            np.multiply(scores >= known, step, out=probe)
            index += probe
            step //= 2
        scores -= self.values.take(index, out=known, mode="clip")
        scores *= self.slopes.take(index, out=known, mode="clip")
        scores += self.scores.take(index, out=known, mode="clip")


@dataclass(frozen=True)
class MixedScaler:
    """Two scalings of all columns side by side, of which a network learns how much to take of each.

    What is far away in its own units can be near by rank, and one of the two is what a task depends on.

    Attributes
    ----------
    columns : ColumnScaler
        The first one, robust.
    scores : NormalScores
        The second one.
    """

    columns: ColumnScaler
    scores: NormalScores
    n_scalings: ClassVar[int] = 2

    @property
    def is_bounded(self) -> bool:
        """Whether both scalings are bounded; ranks are."""
        return self.columns.is_bounded

    def columns_far_out(self, X: NDArray[Any]) -> NDArray[np.intp]:
        """Return what the first scaling returns; the ranks of values beyond those that it knows are all the same."""
        return self.columns.columns_far_out(X)

    def transform(self, X: NDArray[Any]) -> FloatArray:
        """Return ``X`` (N, D) in both scalings, (N, 2*D), column after column in memory."""
        both = np.concatenate([self.columns.transform(X).T, self.scores.transform(X).T])
        return both.T


def fit_scaler(X: NDArray[Any], sample_weight: NDArray[Any] | None, scaling: Scaling | None) -> ColumnScaler | MixedScaler:
    """Return the scaler of the inputs of a network, rows weighted."""
    if scaling == "mixed":
        return MixedScaler(fit_column_scaler(X, sample_weight), fit_normal_scores(X, sample_weight))
    return fit_column_scaler(X, sample_weight, scaling)


def fit_column_scaler(
    X: NDArray[Any], sample_weight: NDArray[Any] | None = None, scaling: Scaling | None = "robust"
) -> ColumnScaler:
    """Return the scaler of the columns of ``X``, rows weighted.

    "standard" is the mean and the standard deviation; "robust" the median and the interquartile range, in units of that of
    a normal distribution, except in columns of which more than half the values are equal, where it is as "standard".
    Columns that are constant up to rounding keep the scale 1. None leaves everything as it is, unbounded.
    """
    n_features = X.shape[1]
    if scaling is None:
        return ColumnScaler(np.zeros(n_features), np.ones(n_features), None)
    if scaling not in ("robust", "standard"):
        raise ValueError(f"scaling of single columns must be 'robust', 'standard' or None, got {scaling!r}")
    unit, X, weight = in_units(X, sample_weight)
    center, scale = weighted_moments(X, weight)
    if scaling == "robust":
        low, median, high = weighted_quantiles(X, weight, (0.25, 0.5, 0.75))
        spread = (high - low) / NORMAL_IQR
        usable = spread > ROUNDING
        center, scale = np.where(usable, median, center), np.where(usable, spread, scale)
    return ColumnScaler(center * unit, np.where(scale > ROUNDING, scale * unit, 1.0))


def fit_normal_scores(X: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> NormalScores:
    """Return the normal scores of the columns of ``X``, rows weighted."""
    unit, X, weight = in_units(X, sample_weight)
    quantiles = weighted_quantiles(X, weight, LEVELS)
    mantissa, exponent = np.frexp(unit)
    points = [_points(*column) for column in zip(quantiles.T, mantissa, strict=True)]
    n_points = 1 << (max(len(values) for values, _ in points) - 1).bit_length()
    values, scores = (np.stack([_repeat_last(part, n_points) for part in parts]) for parts in zip(*points, strict=True))
    width = np.diff(values, append=values[:, -1:])
    slopes = np.divide(np.diff(scores, append=scores[:, -1:]), width, out=np.zeros_like(width), where=width > 0)
    return NormalScores(np.ldexp(1.0, np.minimum(-exponent, MOST_EXPONENT)), values, scores, slopes)


def _points(quantiles: FloatArray, unit: float) -> tuple[FloatArray, FloatArray]:
    """Return the different quantiles of a column times a unit, and for each the score of the middle of its levels."""
    first = np.flatnonzero(np.diff(quantiles, prepend=-np.inf) > ROUNDING)
    last = np.append(first[1:], len(quantiles)) - 1
    return quantiles[first] * unit, ndtri((LEVELS[first] + LEVELS[last]) / 2)


def _repeat_last(numbers: FloatArray, length: int) -> FloatArray:
    return np.pad(numbers, (0, length - len(numbers)), mode="edge")
