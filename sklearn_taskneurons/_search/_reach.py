"""How uncertain a polynomial is a little beyond the rows that it was fitted to."""

import math
from typing import Final

import numpy as np

from sklearn_taskneurons._search._least_squares import LeastSquares
from sklearn_taskneurons._search._moments import Moments, equal_rows
from sklearn_taskneurons._search._population import Floats, Ints

# How far beyond its values a feature goes, as a part of half their range.
_BEYOND: Final = 1.0


class Reach:
    """Tells the largest standard error of the prediction where one feature goes beyond its values, and the others with it.

    High powers that follow the rows well can be anything there, and a row of that kind comes sooner or later. What the rows
    determine, as an exact law, has small errors there, however steep it is. Other features are what they are on average where
    that one is: of two that nearly are the same, one would never go there alone.

    Parameters
    ----------
    moments : Moments
        Those of the rows.
    least_squares : LeastSquares
        The fits of their columns.
    """

    def __init__(self, moments: Moments, least_squares: LeastSquares) -> None:
        self._least_squares = least_squares
        self._wide = moments.n_features if moments.per_feature else 1
        weight = moments.total_weight
        self._n_rows = equal_rows(weight, moments.weight_norm)
        self._share = weight / self._n_rows
        with np.errstate(all="ignore"):
            middle, half = moments.low / 2 + moments.high / 2, moments.high / 2 - moments.low / 2
            ends = np.stack([middle - (1 + _BEYOND) * half, middle + (1 + _BEYOND) * half])
            self._ends: Floats = ends / moments.radius

    def of(self, powers: list[int], columns: Ints, loss: float, rank: int) -> float:
        """Return it in standard deviations of the targets; 0 for what is linear, which goes on as it is.

        Parameters
        ----------
        powers : list of int
            The powers of a formula.
        columns : ndarray of intp
            Their columns, without that of ones, which counts from 0.
        loss : float
            Its loss.
        rank : int
            The number of independent columns.
        """
        if not powers or powers[-1] == 1:
            return 0.0
        left = self._n_rows - rank - 1
        if left < 0.5:  # that weights leave no whole number of rows is no freedom
            return math.inf
        with np.errstate(all="ignore"):
            leverage = self._leverage(powers, columns) * self._share
            error = math.sqrt(max(loss, 0.0) * self._n_rows / left * (leverage + 1 / self._n_rows))
        return error if error < math.inf else math.inf

    def _leverage(self, powers: list[int], columns: Ints) -> float:
        """Return the largest variance of a prediction where a feature goes beyond its values, in units of the residuals'."""
        of_powers = self._ends[:, :, None] ** np.array(powers)  # (2, D, K)
        means = self._least_squares.means[columns].reshape(len(powers), self._wide)
        if self._wide == 1:
            # A sum over features changes by what one of them contributes; of what it contributed the mean is known of all.
            deviations = (of_powers - means[:, 0] / self._ends.shape[1]).reshape(-1, len(powers))
            return float(self._least_squares.leverages(columns, deviations).max())
        # Where the others follow as they do in the rows, it is that of a fit of the feature's own columns.
        of_features = zip(columns.reshape(means.shape).T, (of_powers - means.T).swapaxes(0, 1), strict=True)
        return max(float(self._least_squares.leverages(*own).max()) for own in of_features)
