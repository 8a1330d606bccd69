"""Fits columns to the rows by the least mean loss: iteratively reweighted least squares, to its end."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch

from sklearn_taskneurons._device import to_array, to_tensor
from sklearn_taskneurons._search._least_squares import LeastSquares, Solution, Targets
from sklearn_taskneurons._search._loss_density import LossDensity
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._rows import Rows

# In units of the target's standard deviation, which gross errors may have made large.
_SMALLEST_RESIDUAL: Final = 1e-12
_NO_RESIDUAL: Final = 1e-9  # so small is rounding
_MOST_STEPS: Final = 100
_TOLERANCE: Final = 3e-4  # of a residual

Columns = Callable[[Floats], Floats]


class LossFitter:
    """Minimises the weighted mean loss of residuals over the coefficients of columns, for one output.

    Each step solves the least squares problem in which a row also has the weight that the loss gives its last residual [1]_,
    beginning with equal ones, until the mean loss falls no more or half of the residuals stand still. For a convex loss this
    is its minimum but for the tolerance; for others one near the fit by least squares.

    Parameters
    ----------
    rows : Rows
        The data, of one output.
    loss : Loss
        The loss.

    Attributes
    ----------
    smallest : float
        What smaller residuals count as in weights.
    constant : Solution
        The best constant, which has the loss 1, or 0 where the target is constant.

    References
    ----------
    .. [1] P. W. Holland, R. E. Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares", Communications in
       Statistics - Theory and Methods 6(9), 1977, :doi:`10.1080/03610927708827533`.
    """

    def __init__(self, rows: Rows, loss: Loss) -> None:
        if rows.n_outputs > 1:
            raise ValueError(f"a loss other than squared_error needs one output; got {rows.n_outputs}")
        self._rows = rows
        self._loss = loss
        scale = _scale(rows.targets)
        self.smallest = _SMALLEST_RESIDUAL * scale
        self._floor = float(loss(torch.tensor([_NO_RESIDUAL * scale], dtype=torch.float64)))
        self._density = LossDensity(loss, scale)
        self._baseline = 1.0
        constant = self.solve(lambda X: np.ones((len(X), 1)), rows.n_rows)
        if constant is None:
            raise ValueError("the loss of the best constant must be finite; got another one")
        is_perfect = bool(rows.targets.is_constant[0]) or constant.loss == 0.0
        self._baseline = 1.0 if is_perfect else constant.loss
        self.constant = constant._replace(loss=0.0 if is_perfect else 1.0)

    def normalised(self, totals: Floats) -> Floats:
        """Return weighted sums of losses over that of the best constant; what is small as rounding is 0."""
        means = totals / self._rows.total_weight
        result: Floats = np.where(means <= self._floor, 0.0, means / self._baseline)
        return result

    def deviance(self, loss: float) -> float:
        """Return minus twice the logarithm of the likelihood of each value, for a normalised loss."""
        return self._density.deviance(max(loss * self._baseline, self._floor))

    def loss(self, prediction: Columns, size: int) -> float:
        """Return the normalised loss of a prediction, the only column beside that of ones; inf where it is not finite."""
        return self._loss_of(self._residuals(prediction, size, np.array([-self._rows.shift[0], 1.0])))

    def solve(self, columns: Columns, size: int) -> Solution | None:
        """Return the best coefficients of columns, the first of them ones, or None where a value is not finite.

        ``size`` rows are evaluated together, and again for each step unless these are all.
        """
        if size >= self._rows.n_rows:
            ((X, _, _),) = self._rows.blocks(self._rows.n_rows)
            matrix = columns(X)
            columns = lambda X: matrix  # noqa: E731
        own = self._rows.root_weight**2
        weights = own
        before: Floats = np.full(self._rows.n_rows, np.inf)
        best: Solution | None = None
        for _ in range(_MOST_STEPS):
            solution = self._weighted(columns, size, weights)
            if solution is None:
                break
            coefficients = np.concatenate([solution.intercept - self._rows.shift, solution.coefficients[:, 0]])
            residuals = self._residuals(columns, size, coefficients)
            loss = self._loss_of(residuals)
            if best is not None and not loss < best.loss:
                break
            best = solution._replace(loss=loss)
            # Not the loss, to which the rows that fit well would be nothing beside gross errors.
            moves = np.abs(residuals - before) > _TOLERANCE * np.maximum(np.abs(residuals), self.smallest)
            if loss == 0.0 or 2.0 * (own @ moves) <= self._rows.total_weight:
                break
            before = residuals
            weights = own * to_array(self._loss.weights(to_tensor(residuals, torch.float64), self.smallest))
        return best

    def _weighted(self, columns: Columns, size: int, weights: Floats) -> Solution | None:
        """Return the least squares solution for these weights, None where there is none."""
        if not (weights.any() and np.isfinite(weights).all()):
            return None
        factor = self._rows.factor(columns, size, np.sqrt(weights))
        if not np.isfinite(factor).all():
            return None
        n_columns = factor.shape[1] - 1
        targets = Targets(factor, n_columns, float(weights.sum()), self._rows.shift)
        solution = LeastSquares(factor[:, :n_columns], targets).solve(np.arange(n_columns - 1))
        # Below that the weights tell nothing.
        intercept = np.where(np.abs(solution.intercept) <= self.smallest, 0.0, solution.intercept)
        return solution._replace(intercept=intercept)

    def _residuals(self, columns: Columns, size: int, coefficients: Floats) -> Floats:
        """Return the residuals of a combination of columns, shape (N,)."""
        return np.concatenate([columns(X) @ coefficients - Y[:, 0] for X, Y, _ in self._rows.blocks(size)])

    def _loss_of(self, residuals: Floats) -> float:
        losses = to_array(self._loss(to_tensor(residuals, torch.float64)))
        loss = float(self.normalised(self._rows.root_weight**2 @ losses))
        return loss if np.isfinite(loss) else np.inf


def _scale(targets: Targets) -> float:
    """Return the unit of residuals: the standard deviation of the target, or the size of one that is constant."""
    if not targets.is_constant[0]:
        return float(np.sqrt(targets.variance[0]))
    return abs(float(targets.mean[0])) or 1.0
