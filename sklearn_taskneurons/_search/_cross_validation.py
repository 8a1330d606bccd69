"""The error of fitted coefficients on rows that they were not fitted to, from one small factor for each fold."""

from collections.abc import Sequence

import numpy as np

from sklearn_taskneurons._search._least_squares import LeastSquares, Targets
from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons._search._triangular import triangular


def check_folds(n_folds: int) -> None:
    """Raise ValueError unless there is a fold to leave out and another one to fit."""
    if n_folds < 2:
        raise ValueError(f"selection='cv' needs rows of positive weight in at least two folds; got {n_folds} such fold")


class CrossValidation:
    """K-fold cross-validation of least squares: no row is read again.

    The factor of all folds but one, stacked, gives the coefficients; the factor of the fold that was left out their squared
    error there, which is that of the rows themselves.

    Parameters
    ----------
    factors : sequence of ndarray of float64, shape (C + O, C + O)
        For each fold the factor of ``[1, columns, Y - shift]``, of the same columns and shift; at least two.
    weights : sequence of float
        The sums of the folds' weights.
    n_columns : int
        C, with the column of ones.
    shift : ndarray of float64, shape (O,)
        What was taken off the targets.
    """

    def __init__(self, factors: Sequence[Floats], weights: Sequence[float], n_columns: int, shift: Floats) -> None:
        self._factors = factors
        self._shift = shift
        self._n_columns = n_columns
        self._fits = []
        for left_out in range(len(factors)):
            others = triangular(np.concatenate([factor for fold, factor in enumerate(factors) if fold != left_out]))
            targets = Targets(others, n_columns, sum(weights) - weights[left_out], shift)
            self._fits.append(LeastSquares(others[:, :n_columns], targets))

    def losses(self, columns: Ints, targets: Targets) -> tuple[float, ...]:
        """Return what each fold adds to the normalised loss of a fit of some columns and a constant.

        Parameters
        ----------
        columns : ndarray of intp
            Of the columns without the one of ones, which counts from 0.
        targets : Targets
            Of all rows; its variance is what the squared errors are divided by.
        """
        losses = []
        for factor, fit in zip(self._factors, self._fits, strict=True):
            solution = fit.solve(columns)
            residuals = factor[:, self._n_columns :] - factor[:, :1] * (solution.intercept - self._shift)
            residuals -= factor[:, 1 + columns] @ solution.coefficients
            squares = np.sum(residuals**2, axis=0)
            losses.append(float(targets.normalised(np.where(targets.is_constant, 0.0, squares))))
        return tuple(losses)
