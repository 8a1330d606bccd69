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
    """Tells the largest standard error of the prediction where one feature goes beyond its values and the others keep theirs.

    High powers that follow the rows well can be anything there, and a row of that kind comes sooner or later. What the rows
    determine, as an exact law, has small errors there, however steep it is.

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
            leverage = self._least_squares.leverages(columns, self._deviations(powers, columns)).max() * self._share
            error = math.sqrt(max(loss, 0.0) * self._n_rows / left * (leverage + 1 / self._n_rows))
        return error if error < math.inf else math.inf

    def _deviations(self, powers: list[int], columns: Ints) -> Floats:
        """Return by how much the columns differ from their means where a feature goes beyond its values, (2 * D, n columns)."""
        n_features = self._ends.shape[1]
        of_powers = self._ends[:, :, None] ** np.array(powers)  # (2, D, K)
        means = self._least_squares.means[columns].reshape(len(powers), self._wide)
        if self._wide == 1:
            # A sum over features changes by what one of them contributes; of what it contributed the mean is known of all.
            deviations: Floats = (of_powers - means[:, 0] / n_features).reshape(-1, len(powers))
            return deviations
        own = np.zeros((2, n_features, len(powers), n_features))
        features = np.arange(n_features)
        own[:, features, :, features] = (of_powers - means.T).transpose(1, 0, 2)
        return own.reshape(2 * n_features, -1)
