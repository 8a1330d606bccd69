"""Everything that a polynomial's squared error needs to know of the data, in one small triangular factor."""

import copy
from collections.abc import Sequence
from itertools import pairwise
from math import hypot, isfinite
from typing import Any, Final

import numpy as np
from scipy.linalg import norm

from sklearn_taskneurons._search._polynomials import covering_radius
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._triangular import packed, triangular, unpacked
from sklearn_taskneurons.formula._limits import MAX_EXPONENT

MAX_COLUMNS: Final = 4096
_BLOCK_BYTES: Final = 1 << 20  # what stays in the cache of one core
_WIDE_BLOCK_BYTES: Final = 8 << 20  # with columns for each feature, which are more alike: fewer blocks round less
_MERGED_AT_ONCE: Final = 4  # together no more than a block of many columns


class Moments:
    r"""The QR factor of ``[1, s_1, ..., s_K, Y - shift]`` over the rows seen so far.

    With ``s_k = sum_j (x_j / r)**k``, a polynomial ``p(x) = sum_k c_k (x / r)**k``, summed over features, predicts
    ``sum_k c_k s_k``. Its weighted squared error therefore is :math:`\lVert R_s c - R_y \rVert^2` for the
    triangular factor :math:`R` of the matrix whose columns are these sums and the targets, whatever the number
    of rows. An orthogonal factorization keeps the digits that products of sums would lose. It knows each column to
    rounding, relative to its own length, and so the columns are the powers that formulas are made of: where few
    numbers are large, a high power is small in most rows, and would be lost in a difference of other polynomials.
    For the same reason their means, of some of the first rows, are taken off while rows come in.

    Parameters
    ----------
    degree : int
        Largest power K, at most 32.
    per_feature : bool, default=False
        Keep ``(x_j / r_j)**k`` of each feature apart instead of their sum: D * K columns, power by power.

    Attributes
    ----------
    factor : ndarray of float64, shape (C + O, C + O)
        Upper triangular; C columns (the first for the constant 1), then one for each output.
    radius : ndarray of float64, shape (1,) or (D,)
        Powers of two with ``abs(x) <= r``.
    low, high : ndarray of float64, shape (D,)
        The smallest and the largest number of each feature.
    shift : ndarray of float64, shape (O,)
        The first targets seen, taken off all: means that are large against the spread then cost no digits.
    total_weight : float
        Sum of the weights.
    weight_norm : float
        Root of the sum of their squares.
    n_rows : int
        Rows of positive weight seen.
    """

    def __init__(self, degree: int, *, per_feature: bool = False) -> None:
        if not 1 <= degree <= MAX_EXPONENT:
            raise ValueError(f"degree must be in [1, {MAX_EXPONENT}]; got {degree}")
        self.degree = degree
        self.per_feature = per_feature
        self._factor: Floats = np.zeros((0, 0))  # of the columns less _centre
        self._centre: Floats = np.zeros(0)
        self.radius: Floats = np.zeros(0)
        self.low: Floats = np.zeros(0)
        self.high: Floats = np.zeros(0)
        self.shift: Floats = np.zeros(0)
        self.total_weight = 0.0
        self.weight_norm = 0.0
        self.n_rows = 0
        self.n_features = 0
        self.n_outputs = 0

    def __copy__(self) -> "Moments":
        result = object.__new__(type(self))
        vars(result).update(vars(self))
        return result

    def __getstate__(self) -> dict[str, Any]:
        # Of many columns and few rows, nearly all of a factor are zeros.
        return vars(self) | {"_factor": packed(self._factor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state | {"_factor": unpacked(*state["_factor"])})

    @property
    def n_columns(self) -> int:
        """Columns without those of the targets."""
        return 1 + self.degree * (self.n_features if self.per_feature else 1)

    @property
    def factor(self) -> Floats:
        """The factor of the columns as they are: what was taken off them lies along the column of ones."""
        factor = self._factor.copy()
        factor[:1, 1 : self.n_columns] += factor[:1, :1] * self._centre
        return factor

    def update(self, X: Floats, Y: Floats, sample_weight: Floats | None = None) -> "Moments":
        """Take in rows.

        Parameters
        ----------
        X : ndarray of float64, shape (N, D)
            The features, finite.
        Y : ndarray of float64, shape (N,) or (N, O)
            The targets, finite.
        sample_weight : ndarray of float64, shape (N,), optional
            Weights, not negative; a row of weight 0 is left out, whatever it holds.

        Returns
        -------
        Moments
            This object.

        Raises
        ------
        ValueError
            If the shapes do not fit, a number is not finite, or there are more than 4096 columns.
        """
        Y = Y[:, None] if Y.ndim == 1 else Y
        self._check(X, Y)
        if sample_weight is not None and not sample_weight.all():
            used = sample_weight > 0.0
            if not used.any():
                return self
            X, Y, sample_weight = X[used], Y[used], sample_weight[used]
        with np.errstate(all="ignore"):
            low, high = X.min(axis=0), X.max(axis=0)
            largest = self._largest(low, high)
            # A finite sum says it at once, but that of finite numbers may overflow.
            if not all(map(isfinite, largest)) or not (isfinite(Y.sum()) or np.isfinite(Y).all()):
                raise ValueError("X and y must be finite; got a NaN or an infinity")
            self.rebase(largest)
            if not self.n_rows:
                self.shift, self.low, self.high = Y[0].copy(), low, high
            self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
            n_columns = self.n_columns + self.n_outputs
            n_bytes = _WIDE_BLOCK_BYTES if self.per_feature else _BLOCK_BYTES
            block = max(4 * n_columns, n_bytes // (8 * (n_columns + 2 * self.n_features)))
            factors = _FactorTree()
            for start in range(0, len(X), block):
                rows = slice(start, start + block)
                columns = self._columns(X[rows], Y[rows])
                if sample_weight is not None:
                    columns *= np.sqrt(sample_weight[rows])
                factors.add(triangular(columns.T))
            self._factor = factors.root(self._factor)
            self.total_weight += float(len(X) if sample_weight is None else sample_weight.sum())
        self.weight_norm = hypot(self.weight_norm, norm_of(np.ones(len(X)) if sample_weight is None else sample_weight))
        self.n_rows += len(X)
        return self

    def merge(self, other: "Moments") -> "Moments":
        """Take in the rows of other moments of the same degree and shape."""
        if other.n_rows == 0:
            return self
        if (self.degree, self.per_feature) != (other.degree, other.per_feature):
            raise ValueError(
                f"moments must agree in degree and per_feature; got {self.degree, self.per_feature} "
                f"and {other.degree, other.per_feature}"
            )
        if self.n_rows == 0:
            self.n_features, self.n_outputs = other.n_features, other.n_outputs
            self.radius, self._centre, self.shift = other.radius, other._centre, other.shift
            self._factor, self.low, self.high = other._factor, other.low, other.high
        elif (self.n_features, self.n_outputs) != (other.n_features, other.n_outputs):
            raise ValueError(
                f"moments must agree in features and outputs; got {self.n_features, self.n_outputs} "
                f"and {other.n_features, other.n_outputs}"
            )
        else:
            self.rebase(other.radius.tolist())
            self._factor = _stacked([self._factor, other.aligned(self)._factor])
            self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.total_weight += other.total_weight
        self.weight_norm = hypot(self.weight_norm, other.weight_norm)
        self.n_rows += other.n_rows
        return self

    @classmethod
    def merged(cls, parts: "Sequence[Moments]") -> "Moments":
        """Return the moments of the rows of all parts."""
        total = cls(parts[0].degree, per_feature=parts[0].per_feature)
        for part in parts:
            total.merge(part)
        return total

    def aligned(self, whole: "Moments") -> "Moments":
        """Return the moments of the same rows, with the radius and the shift of others that cover them."""
        result = copy.copy(self)
        result.rebase(whole.radius.tolist())
        # The column of ones says what it means to take something else off the columns.
        result._factor = result._factor.copy()
        with np.errstate(all="ignore"):  # targets too far apart are found by those who make something of them
            moved = np.concatenate([result._centre - whole._centre, result.shift - whole.shift])
            result._factor[0, 1:] += result._factor[0, 0] * moved
        result._centre, result.shift = whole._centre, whole.shift
        return result

    def truncated(self, degree: int) -> "Moments":
        """Return the moments that a smaller degree would have, or these for the same; the rows are not needed."""
        if not 1 <= degree <= self.degree:
            raise ValueError(f"degree must be in [1, {self.degree}]; got {degree}")
        if degree == self.degree:
            return self
        result = copy.copy(self)
        result.degree = degree
        # The columns of the lower powers come first.
        result._factor = triangular(np.delete(self._factor, np.s_[result.n_columns : self.n_columns], axis=1))
        result._centre = self._centre[: result.n_columns - 1]
        return result

    def rebase(self, largest: Sequence[float]) -> None:
        """Widen the intervals so that they cover ``[-largest, largest]``; they never shrink."""
        covering = np.array([covering_radius(value) for value in largest])
        radius = np.maximum(self.radius, covering) if self.n_rows else covering
        if self.n_rows:
            # The ratios are powers of two, and so no digit changes.
            ratios = ((self.radius / radius) ** np.arange(1, self.degree + 1)[:, None]).ravel()
            self._centre = self._centre * ratios
            self._factor = self._factor * np.concatenate([[1.0], ratios, np.ones(self.n_outputs)])
        self.radius = radius

    def fingerprint(self) -> dict[str, Any]:
        """Return numbers by which other rows can be told, the same for all orders and signs of the factor's rows."""
        factor = self.factor
        norms = np.linalg.norm(factor, axis=0)
        direction = np.random.Generator(np.random.PCG64(0)).standard_normal(len(norms))
        return {
            "degree": self.degree,
            "per_feature": self.per_feature,
            "number of rows": self.n_rows,
            "sum of the weights": self.total_weight,
            "first targets": self.shift.tolist(),
            "lengths of the targets": norms[self.n_columns :].tolist(),
            "moments": float(np.linalg.norm(factor @ (direction / np.where(norms > 0.0, norms, 1.0)))),
        }

    def powers(self, X: Floats, degree: int | None = None) -> Floats:
        """Return the columns of some rows without that of ones, of powers up to a degree of at least 1, shape (C - 1, N)."""
        columns = np.empty(((degree or self.degree) * (self.n_features if self.per_feature else 1), len(X)))
        self._fill(columns, X)
        return columns

    def _fill(self, powers: Floats, X: Floats) -> None:
        """Write the columns of some rows without that of ones."""
        fill = _fill_powers if self.per_feature else _fill_sums
        fill(powers, X.T, 1.0 / self.radius[:, None])

    def _largest(self, low: Floats, high: Floats) -> list[float]:
        """Return the largest magnitude of all, or that of each feature; nan where there is one."""
        magnitudes = np.maximum(high, -low)
        return list(magnitudes.tolist()) if self.per_feature else [float(magnitudes.max())]

    def _check(self, X: Floats, Y: Floats) -> None:
        """Compare the shapes with those of the rows seen so far."""
        if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or not X.size or not Y.size:
            raise ValueError(f"X must have shape (N, D) and y (N, O), N and D at least 1; got {X.shape} and {Y.shape}")
        if self.n_rows and (self.n_features, self.n_outputs) != (X.shape[1], Y.shape[1]):
            raise ValueError(
                f"X and y must have {self.n_features} and {self.n_outputs} columns as before; got {X.shape[1]} and {Y.shape[1]}"
            )
        self.n_features, self.n_outputs = X.shape[1], Y.shape[1]
        if self.n_columns > MAX_COLUMNS:
            raise ValueError(
                f"1 + n_features * degree must be at most {MAX_COLUMNS} with a coefficient for each feature; "
                f"got 1 + {self.n_features} * {self.degree} = {self.n_columns}"
            )

    def _columns(self, X: Floats, Y: Floats) -> Floats:
        """Return the columns for some rows, one row for each of them: shape (C + O, N)."""
        columns = np.empty((self.n_columns + self.n_outputs, len(X)))
        columns[0] = 1.0
        powers = columns[1 : self.n_columns]
        self._fill(powers, X)
        if not self._centre.size:
            self._centre = powers.dot(columns[0]) / len(X)
        powers -= self._centre[:, None]
        np.subtract(Y.T, self.shift[:, None], out=columns[self.n_columns :])
        return columns


def norm_of(weights: Floats) -> float:
    """Return the root of the sum of the squares, which may be no numbers themselves."""
    return float(norm(weights, check_finite=False))


def equal_rows(total_weight: float, weight_norm: float) -> float:
    """Return for how many rows those of some weights count, by the sum and the root of the sum of squares of these.

    A weight of 2 counts for two. Of small weights each row counts for itself where they are equal, and else all of them for as
    many rows of equal weights as would leave an average as uncertain [1]_.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", 1965, chapter 11.7.
    """
    return max(total_weight, (total_weight / weight_norm) ** 2)


def _fill_powers(powers: Floats, features: Floats, scale: Floats) -> None:
    """Write the powers of each scaled feature, power by power, for features of shape (D, N) into one of (K * D, N)."""
    of_exponent = powers.reshape(-1, *features.shape)
    first = np.multiply(features, scale, out=of_exponent[0])
    for lower, higher in pairwise(of_exponent):
        np.multiply(lower, first, out=higher)


def _fill_sums(sums: Floats, features: Floats, scale: Floats) -> None:
    """Write the sums over scaled features, shape (D, N), of their powers into an array of shape (K, N)."""
    first = np.multiply(features, scale, order="C")  # each feature's values one behind the other
    power, product, ones = first, np.empty_like(first), np.empty(len(first))
    ones.fill(1.0)  # twice as fast as numpy.ones, which counts where there are few rows
    np.dot(ones, first, out=sums[0])
    for sum_ in sums[1:]:
        power = np.multiply(power, first, out=product)
        np.dot(ones, power, out=sum_)


class _FactorTree:
    """Merges the factors of blocks a few at a time, and these likewise: no row is factored often, which would cost digits."""

    def __init__(self) -> None:
        self._levels: list[list[Floats]] = []

    def add(self, factor: Floats, level: int = 0) -> None:
        """Take in a factor."""
        if level == len(self._levels):
            self._levels.append([])
        factors = self._levels[level]
        factors.append(factor)
        if len(factors) == _MERGED_AT_ONCE:
            self.add(_stacked(factors), level + 1)
            factors.clear()

    def root(self, before: Floats) -> Floats:
        """Return the factor of all rows, and of those that another one, which may be empty, stands for."""
        factors = [factor for level in reversed(self._levels) for factor in level]
        return _stacked([before, *factors] if before.size else factors)


def _stacked(factors: Sequence[Floats]) -> Floats:
    """Return the factor of the rows of all factors."""
    if len(factors) == 1:
        return factors[0]
    # Column by column, as LAPACK wants it, or the factorization would begin with a copy.
    return triangular(np.concatenate([factor.T for factor in factors], axis=1).T)
