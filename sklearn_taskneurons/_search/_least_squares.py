"""Least squares on a triangular factor: the rows are not needed any more."""

from typing import Final, NamedTuple

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dgecon, dgeqrf, dtrtrs

from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons._search._triangular import upper

_RANK_TOLERANCE: Final = 4e-12  # what `numpy.linalg.lstsq` takes for rounding at 20,000 rows
_CLEARLY: Final = 10.0  # by so much more than needed are columns independent without a doubt; LAPACK's estimates are within 3
_COLUMNS_AT_ONCE: Final = 32
_ROUNDING: Final = 100 * np.finfo(np.float64).eps
_CONSTANT_TOLERANCE: Final = 1e-13
_RANGE: Final = 1e-152, 1e152  # of numbers whose squares are floating-point numbers, with room for those of small residuals


class Targets:
    """The targets' part of the factor of ``[1, columns, Y]``, and how losses are normalised.

    Parameters
    ----------
    factor : ndarray of float64, shape (C + O, C + O)
        Upper triangular.
    n_columns : int
        C, with the column of ones.
    weight : float
        Sum of the weights.
    shift : ndarray of float64, shape (O,)
        What was taken off the targets, so that large means cost no digits and constants are exact.

    Attributes
    ----------
    mean : ndarray of float64, shape (O,)
        Weighted means of the targets.
    variance : ndarray of float64, shape (O,)
        Weighted variances, 1 where the target is constant.
    deviation : ndarray of float64, shape (O,)
        Weighted standard deviations of the targets, 0 where the target is constant.
    is_constant : ndarray of bool, shape (O,)
        Whether a target is constant but for rounding.
    centred : ndarray of float64, shape (C - 1, O)
        What is left of the targets when the constant has taken its share, along the columns; 0 where a target is constant.
    """

    def __init__(self, factor: Floats, n_columns: int, weight: float, shift: Floats) -> None:
        if not weight > 0.0:
            raise ValueError(f"the sum of the weights must be positive; got {weight:g}")
        targets = factor[:, n_columns:]
        self.weight = weight
        self.origin = float(factor[0, 0])  # length of the column of ones, signed
        with np.errstate(all="ignore"):
            self.mean: Floats = shift + targets[0] / self.origin
            # In units of a power of two, which changes no digit: the squares of very large or small targets are no numbers.
            exponents = np.frexp(np.abs(targets[1:]).max(axis=0, initial=0.0))[1]
            squares = np.sum(np.ldexp(targets[1:], -exponents) ** 2, axis=0)
            rounding = np.ldexp(_CONSTANT_TOLERANCE * self.mean, -exponents) ** 2 * weight
            self.is_constant = np.isfinite(squares) & (squares <= rounding)
            self.variance: Floats = np.where(self.is_constant, 1.0, np.ldexp(squares / weight, 2 * exponents))
            self.deviation: Floats = np.where(self.is_constant, 0.0, np.ldexp(np.sqrt(squares / weight), exponents))
            self._unexplained: Floats = np.where(self.is_constant, 0.0, np.sum(targets[n_columns:] ** 2, axis=0))
        self.centred: Floats = np.where(self.is_constant, 0.0, targets[1:n_columns])

    def check_range(self) -> None:
        """Raise ValueError unless sums of the weights and of squared targets are within the range of floating-point numbers."""
        low, high = _RANGE
        root = np.sqrt(self.weight)
        if not low <= root <= high:
            raise ValueError(f"the sum of the weights must be in [{low**2:g}, {high**2:g}]; got {self.weight:g}")
        sizes = np.concatenate([self.deviation, self.deviation * root])
        if not ((sizes == 0.0) | (low <= sizes) & (sizes <= high)).all():
            deviations = ", ".join(f"{deviation:g}" for deviation in self.deviation)
            raise ValueError(
                f"the standard deviation of y must be 0 or in [{low:g}, {high:g}], also when multiplied by the root of the sum "
                f"of the weights; got {deviations}, and {root:g} for the root"
            )

    def intercept(self, explained: Floats) -> Floats:
        """Return what is left of the means, shape (O,), or 0 where that is a rounding error."""
        left = self.mean - explained
        size = np.abs(self.mean) + np.abs(explained) + self.deviation
        result: Floats = np.where(np.abs(left) <= _CONSTANT_TOLERANCE * size, 0.0, left)
        return result

    def loss(self, residuals: Floats, offsets: Floats | None = None) -> Floats:
        """Return the normalised loss: mean squared error over variance, averaged over outputs.

        Parameters
        ----------
        residuals : ndarray, shape (..., C - 1, O)
            What is left along the columns.
        offsets : ndarray, shape (..., O), optional
            Errors of the mean.
        """
        squares = np.einsum("...ko,...ko->...o", residuals, residuals) + self._unexplained
        if offsets is not None:
            squares = squares + offsets**2 * self.weight
        return self.normalised(squares)

    def normalised(self, squares: Floats) -> Floats:
        """Return the loss that sums of weighted squared errors mean, shape (..., O) to (...)."""
        result: Floats = np.mean(squares / (self.weight * self.variance), axis=-1)
        return result


class Solution(NamedTuple):
    """The best coefficients of some columns.

    ``rank`` counts the columns that are independent, without the constant; ``intercept`` has shape
    (O,), ``coefficients`` shape (n columns, O).
    """

    loss: float
    rank: int
    intercept: Floats
    coefficients: Floats


class LeastSquares:
    """Fits the targets by any of the columns of ``[1, columns, Y]`` and a constant.

    Parameters
    ----------
    factor : ndarray of float64, shape (C + O, C)
        The columns' part of the factor; it need not be triangular behind the first column.
    targets : Targets
        The targets' part.

    Attributes
    ----------
    n_columns : int
        Columns without that of ones.
    means : ndarray of float64, shape (C - 1,)
        Their weighted means.
    """

    def __init__(self, factor: Floats, targets: Targets) -> None:
        self.targets = targets
        self.n_columns = factor.shape[1] - 1
        self.means: Floats = factor[0, 1:] / targets.origin
        centred = factor[1 : factor.shape[1], 1:]
        norms = np.linalg.norm(centred, axis=0)
        # A column that is constant but for rounding must not explain anything.
        is_constant = norms <= _CONSTANT_TOLERANCE * np.abs(factor[0, 1:])
        self._norms: Floats = np.where(is_constant, 1.0, norms)
        self._columns: Floats = np.where(is_constant, 0.0, centred / self._norms)
        # Columns are rounded before they are centred: what they have of their own must be more than that.
        rounding = np.where(is_constant, 0.0, _ROUNDING * np.abs(factor[0, 1:]) / self._norms)
        self._tolerances: Floats = np.maximum(_RANK_TOLERANCE, rounding)

    def solve(self, columns: Ints) -> Solution:
        """Return the best coefficients of these columns, 0 for one that is made up by those before it."""
        targets = self.targets
        matrix = self._columns[:, columns]
        coefficients, rank = np.zeros((len(columns), len(targets.mean))), 0
        if len(columns):
            coefficients, rank = _least_squares(matrix, targets.centred, float(self._tolerances[columns].max()))
        # What moves the targets by no more than rounding does is not there: 1e-17 is 0, and 1.0000000000000002 is 1.
        norms, rounding = self._norms[columns, None], _CONSTANT_TOLERANCE * np.linalg.norm(targets.centred, axis=0)
        whole = np.rint(coefficients / norms) + 0.0  # no zero that is negative
        is_whole = np.abs(coefficients - whole * norms) <= rounding
        coefficients = np.where(is_whole, whole * norms, coefficients)
        loss = float(targets.loss(targets.centred - matrix @ coefficients))
        coefficients = np.where(is_whole, whole, coefficients / norms)
        return Solution(loss, rank, targets.intercept(self.means[columns] @ coefficients), coefficients)

    def leverages(self, columns: Ints, deviations: Floats) -> Floats:
        """Return the variances of predictions in units of that of the residuals, but for that of the mean.

        Parameters
        ----------
        columns : ndarray of intp, shape (n,)
            The columns of a fit; one that those before it make up has no part in it.
        deviations : ndarray of float64, shape (M, n)
            By how much the columns differ from their means where the predictions are made.

        Returns
        -------
        ndarray of float64, shape (M,)
            Infinite where the numbers are beyond what they can be.
        """
        if not len(columns):
            return np.zeros(len(deviations))
        triangle = np.linalg.qr(self._columns[:, columns], mode="r")
        own = np.abs(np.diagonal(triangle)) > _ROUNDING
        if not own.all():
            return self.leverages(columns[own], deviations[:, own])
        if not np.isfinite(deviations).all():
            return np.full(len(deviations), np.inf)
        solved, _ = dtrtrs(triangle, (deviations / self._norms[columns]).T, trans=1)
        result: Floats = np.einsum("km,km->m", solved, solved)
        return result


def _least_squares(matrix: Floats, targets: Floats, tolerance: float) -> tuple[Floats, int]:
    """Return the coefficients of columns of length 1, and the rank: singular values below a part of the largest one count as 0.

    A column that those before it make up, but for rounding, has the coefficient 0.
    """
    n_columns = matrix.shape[1]
    coefficients, rank = np.zeros((n_columns, targets.shape[1])), 0
    both = np.concatenate([matrix.T, targets.T]).T
    reduced, *_ = dgeqrf(both, lwork=_COLUMNS_AT_ONCE * both.shape[1], overwrite_a=True)
    triangle = upper(reduced[:n_columns, :n_columns])
    own = np.abs(np.diagonal(triangle)) > _ROUNDING
    if own.all() and _reciprocal_condition(triangle) > _CLEARLY * n_columns * tolerance:
        coefficients, _ = dtrtrs(triangle, reduced[:n_columns, n_columns:])
        rank = n_columns
    elif own.all():  # singular values say more, and take up to ten times as long
        coefficients, _, rank, _ = scipy.linalg.lstsq(
            matrix, targets, cond=tolerance, lapack_driver="gelsd", check_finite=False
        )
    elif own.any():
        coefficients[own], rank = _least_squares(matrix[:, own], targets, tolerance)
    return coefficients, int(rank)


def _reciprocal_condition(triangle: Floats) -> float:
    """Return that of sums of columns, which may be as many times that of singular values as there are columns."""
    # A triangle is its own LU factorization; LAPACK's function for triangles comes with later versions of SciPy.
    estimate, _ = dgecon(triangle, np.abs(triangle).sum(axis=0).max())
    return float(estimate)
