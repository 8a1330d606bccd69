"""Least squares on the triangular factor: the best coefficients of a support, each support solved once."""

from typing import Final, NamedTuple

import numpy as np
import scipy.linalg

from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats, Ints

_RANK_TOLERANCE: Final = 1e-11
_CONSTANT_TOLERANCE: Final = 1e-13


class Fit(NamedTuple):
    """The best coefficients of a support.

    ``coefficients`` has shape (n powers, D or 1, O), of x itself; ``intercept`` shape (O,).
    """

    loss: float
    rank: int
    intercept: Floats
    coefficients: Floats


class Targets:
    """The targets' part of a factor, centred: what is left of each output when the constant has taken its share.

    Parameters
    ----------
    moments : Moments
        With at least one row.

    Attributes
    ----------
    centred : ndarray of float64, shape (C - 1, O)
        Components along the basis without the constant.
    mean : ndarray of float64, shape (O,)
        First row of the factor: the mean, times ``origin``.
    origin : float
        Length of the column of ones, signed as in the factor.
    variance : ndarray of float64, shape (O,)
        Weighted variance; 1 for an output that is constant but for rounding.
    """

    def __init__(self, moments: Moments) -> None:
        if not moments.total_weight > 0.0:
            raise ValueError(f"the sum of the weights must be positive; got {moments.total_weight:g}")
        n_columns = moments.n_columns
        targets = moments.factor[:, n_columns:]
        self.weight = moments.total_weight
        self.origin = float(moments.factor[0, 0])
        self.mean: Floats = targets[0]
        squares = np.sum(targets[1:] ** 2, axis=0)
        is_constant = squares <= (_CONSTANT_TOLERANCE * self.mean) ** 2
        self.centred: Floats = np.where(is_constant, 0.0, targets[1:n_columns])
        variance = squares / self.weight
        unexplained = np.sum(targets[n_columns:] ** 2, axis=0) / self.weight
        self.unexplained: Floats = np.where(is_constant, 0.0, unexplained)
        self.variance: Floats = np.where(is_constant, 1.0, variance)

    def loss(self, residuals: Floats) -> Floats:
        """Return the normalised loss of residuals along the basis, shape (..., C - 1, O)."""
        squared = np.einsum("...ko,...ko->...o", residuals, residuals) / self.weight + self.unexplained
        result: Floats = np.mean(squared / self.variance, axis=-1)
        return result


class Supports:
    """Solves the least squares problem of each set of powers once.

    Parameters
    ----------
    moments : Moments
    """

    def __init__(self, moments: Moments) -> None:
        self.degree = moments.degree
        self.wide = moments.n_features if moments.per_feature else 1
        self.n_features = moments.n_features
        self.targets = Targets(moments)
        self._radius = moments.radius
        factor = moments.monomial_factor()
        self._means: Floats = factor[0, 1:]
        centred = factor[1 : moments.n_columns, 1:]
        norms = np.linalg.norm(centred, axis=0)
        # A column that is constant but for rounding must not explain anything.
        is_constant = norms <= _CONSTANT_TOLERANCE * np.abs(self._means)
        self._norms: Floats = np.where(is_constant | (norms == 0.0), 1.0, norms)
        self._columns: Floats = np.where(is_constant, 0.0, centred / self._norms)
        self._fits: dict[int, Fit] = {}

    def fit(self, support: int) -> Fit:
        """Return the best coefficients of the powers whose bits are set; the constant is always there."""
        support &= ~1
        if support not in self._fits:
            self._fits[support] = self._solve(powers_of(support))
        return self._fits[support]

    def losses(self, supports: Ints) -> Floats:
        """Return the loss of each support."""
        distinct, inverse = np.unique(supports, return_inverse=True)
        losses: Floats = np.array([self.fit(support).loss for support in distinct.tolist()])[inverse]
        return losses

    def _solve(self, powers: list[int]) -> Fit:
        """Solve one problem; where columns depend on each other, take the smallest coefficients."""
        targets = self.targets
        columns = np.concatenate([np.arange((k - 1) * self.wide, k * self.wide) for k in powers] or [np.zeros(0, dtype=int)])
        coefficients = np.zeros((len(columns), len(targets.mean)))
        rank = 0
        matrix = self._columns[:, columns]
        if len(columns):
            coefficients, _, rank, _ = scipy.linalg.lstsq(
                matrix, targets.centred, cond=_RANK_TOLERANCE, lapack_driver="gelsy", check_finite=False
            )
        loss = float(targets.loss(targets.centred - matrix @ coefficients))
        coefficients = coefficients / self._norms[columns, None]
        intercept = (targets.mean - self._means[columns] @ coefficients) / targets.origin
        shaped = coefficients.reshape(len(powers), self.wide, len(targets.mean))
        scale = np.array([self._radius**-k for k in powers]).reshape(len(powers), self.wide, 1)
        return Fit(loss, (int(rank) + 1) * len(targets.mean), intercept, shaped * scale)


def powers_of(support: int) -> list[int]:
    """Return the powers of x in a support, without the constant, in ascending order."""
    return [power for power in range(1, support.bit_length()) if support >> power & 1]
