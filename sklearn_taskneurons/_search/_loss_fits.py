"""Fits columns to the rows by the least mean loss: iteratively reweighted least squares, to its end."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch

from sklearn_taskneurons._device import to_array
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._least_squares import LeastSquares, Solution, Targets
from sklearn_taskneurons._search._loss_density import LossDensity
from sklearn_taskneurons._search._losses import Loss
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula._expression import Node
from sklearn_taskneurons.formula.functions import NUMBER

# In units of the target's standard deviation, which gross errors may have made large.
_SMALLEST_RESIDUAL: Final = 1e-12
_NO_RESIDUAL: Final = 1e-9  # so small is rounding
MOST_STEPS: Final = 100
_SHARES: Final = 2.0**-20, 2.0**10  # of a step, at least and at most; a larger one would show the rounding of residuals
_LEAST_GAIN: Final = 0.25  # of what the slope promises for a step; losses that grow no faster than squares give half of it
_TOLERANCE: Final = 3e-4  # of a residual
_LOSS_TOLERANCE: Final = 1e-6

# A row that a fit meets by chance, as the mean may be one of a few values that targets have, must not hold it there: what
# smaller residuals count as is first a part of the usual ones, and falls from step to step.
_FIRST_SHARE: Final = 0.1
_FALL: Final = 1e-3
_FIRST_STEPS: Final = 3

Columns = Callable[[Floats], Floats]


class _Fit(NamedTuple):
    """A solution with its loss, and its residuals, shape (N,)."""

    solution: Solution
    residuals: Floats


class LossFitter:
    """Minimises the weighted mean loss of residuals over the coefficients of columns, for one output.

    Each step solves the least squares problem in which a row also has the weight that the loss gives its last residual [1]_,
    beginning with equal ones, until the mean loss falls no more, or hardly and half of the residuals stand still. A step is
    halved that goes too far, as for losses that grow faster than squares, and one that does not go far enough is doubled. For
    a convex loss this is its minimum but for the tolerance; for others one near the fit by least squares. When the time is up,
    the best so far is what counts.

    Parameters
    ----------
    rows : Rows
        The data, of one output.
    loss : Loss
        The loss.
    clock : Clock, optional
        When the time is up; by default never.

    Attributes
    ----------
    smallest : float
        What smaller residuals count as in weights.
    constant : Solution
        The best constant, of those that there was time for, which has the loss 1, or 0 where the target is constant.

    References
    ----------
    .. [1] P. W. Holland, R. E. Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares", Communications in
       Statistics - Theory and Methods 6(9), 1977, :doi:`10.1080/03610927708827533`.
    """

    def __init__(self, rows: Rows, loss: Loss, clock: Clock | None = None) -> None:
        if rows.n_outputs > 1:
            raise ValueError(f"a loss other than squared_error needs one output; got {rows.n_outputs}")
        self._rows = rows
        self._loss = loss
        self.clock = clock or Clock(None)
        # Residuals are measured by the standard deviation of the target, or by the size of one that is constant.
        scale = float(rows.targets.deviation[0]) or abs(float(rows.targets.mean[0])) or 1.0
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

    @property
    def constant_entry(self) -> FrontEntry:
        """The formula that is the best constant."""
        loss, _, intercept, _ = self.constant
        formula = Formula.from_expression((Node(NUMBER, float(intercept[0])),))
        return FrontEntry(1, loss, 1, (formula,), deviance=self.deviance(loss))

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

    def solve(
        self, columns: Columns, size: int, *, starts: Sequence[Solution] = (), most_steps: int = MOST_STEPS
    ) -> Solution | None:
        """Return the best coefficients of columns, the first of them ones, or None where a value is not finite.

        ``size`` rows are evaluated together, and again for each step unless these are all. The first step is from the best of
        some solutions, or from that by least squares. When the time is up it is the best so far: the first of the solutions, or
        least squares, at least.
        """
        if size >= self._rows.n_rows:
            ((X, _, _),) = self._rows.blocks(self._rows.n_rows)
            matrix = columns(X)
            columns = lambda X: matrix  # noqa: E731
        fits: list[_Fit] = []
        for start in starts:
            if not fits or not self.clock.is_over:
                fits.append(self._fit(columns, size, start))
        if not fits:
            first = self._weighted(columns, size, self._rows.root_weight**2, Clock(None))
            if first is None:
                return None
            fits = [first]
        best = min(fits, key=lambda fit: fit.solution.loss)
        for step in range(most_steps):
            if best.solution.loss == 0.0 or self.clock.is_over:
                break
            weights = self._weights(best, step)
            found = self._weighted(columns, size, weights, self.clock)
            if found is None:
                break
            before, best = best, self._step(best, found, weights)
            if step >= _FIRST_STEPS and self._has_settled(before, best):
                break
        return best.solution

    def least_squares(self, columns: Columns, size: int, solution: Solution) -> LeastSquares | None:
        """Return the least squares of columns with the weights that a solution of all of them gives the rows.

        None where there are no such weights, or no time.
        """
        if self.clock.is_over:
            return None
        weights = self._weights(self._fit(columns, size, solution), 0)
        return self._least_squares(columns, size, weights, self.clock)

    def _weights(self, fit: _Fit, step: int) -> Floats:
        """Return the weights of the rows in a step from a fit."""
        smallest = max(self.smallest, smallest_in(step) * self._median(np.abs(fit.residuals)))
        of_loss = to_array(self._loss.weights(torch.from_numpy(fit.residuals), smallest))
        weights: Floats = self._rows.root_weight**2 * of_loss
        return weights

    def _median(self, sizes: Floats) -> float:
        """Return a weighted median of positive numbers, one for each row."""
        order = np.argsort(sizes)
        cumulative = np.cumsum(self._rows.root_weight[order] ** 2)
        return float(sizes[order[np.searchsorted(cumulative, 0.5 * cumulative[-1])]])

    def _least_squares(self, columns: Columns, size: int, weights: Floats, clock: Clock) -> LeastSquares | None:
        """Return the least squares of columns for these weights, None where there are none, or when the time is up before."""
        if not (weights.any() and np.isfinite(weights).all()):
            return None
        for factor in self._rows.factors(columns, size, np.sqrt(weights)):
            if clock.is_over or not np.isfinite(factor).all():
                return None
        n_columns = factor.shape[1] - 1
        targets = Targets(factor, n_columns, float(weights.sum()), self._rows.shift)
        return LeastSquares(factor[:, :n_columns], targets)

    def _weighted(self, columns: Columns, size: int, weights: Floats, clock: Clock) -> _Fit | None:
        """Return the least squares fit for these weights, None where there is none, or no time for it."""
        problem = self._least_squares(columns, size, weights, clock)
        return None if problem is None else self._fit(columns, size, problem.solve(np.arange(problem.n_columns)))

    def _fit(self, columns: Columns, size: int, solution: Solution) -> _Fit:
        """Return a solution with its own loss and residuals."""
        solution = solution._replace(intercept=self._rounded(solution.intercept))
        coefficients = np.concatenate([solution.intercept - self._rows.shift, solution.coefficients[:, 0]])
        residuals = self._residuals(columns, size, coefficients)
        return _Fit(solution._replace(loss=self._loss_of(residuals)), residuals)

    def _step(self, before: _Fit, after: _Fit, weights: Floats) -> _Fit:
        """Return the fit on the way from one to the next, and on beyond it, that halving and doubling find.

        Where none lowers the loss enough, as where rounding alone is left to gain, it is the fit before.
        """
        slope = float(self.normalised((weights * before.residuals) @ (before.residuals - after.residuals)))
        best, share = after, 1.0
        while not best.solution.loss < before.solution.loss - _LEAST_GAIN * share * slope:
            share /= 2.0
            if share < _SHARES[0]:
                return before
            best = self._between(before, after, share)
        while 1.0 <= share < _SHARES[1]:
            share *= 2.0
            further = self._between(before, after, share)
            if not further.solution.loss < best.solution.loss:
                break
            best = further
        return best

    def _between(self, before: _Fit, after: _Fit, share: float) -> _Fit:
        """Return the fit that is a share of the way from one to the other, for which no column is needed."""
        ours, theirs = before.solution, after.solution
        intercept = self._rounded(ours.intercept + share * (theirs.intercept - ours.intercept))
        coefficients = ours.coefficients + share * (theirs.coefficients - ours.coefficients)
        residuals = before.residuals + share * (after.residuals - before.residuals)
        return _Fit(Solution(self._loss_of(residuals), theirs.rank, intercept, coefficients), residuals)

    def _has_settled(self, before: _Fit, after: _Fit) -> bool:
        """Return whether half of the residuals stand still, as all do where no step is left, and the loss hardly falls.

        Not the loss alone, to which the rows that fit well would be nothing beside gross errors; nor the residuals alone, for
        a step may be a short one, and the other half may be what matters.
        """
        own, residuals = self._rows.root_weight**2, after.residuals
        moves = np.abs(residuals - before.residuals) > _TOLERANCE * np.maximum(np.abs(residuals), self.smallest)
        falls = before.solution.loss - after.solution.loss > _LOSS_TOLERANCE * after.solution.loss
        return not falls and bool(2.0 * (own @ moves) <= self._rows.total_weight)

    def _rounded(self, intercept: Floats) -> Floats:
        """Return an intercept, or 0 where it is so small that the weights tell nothing."""
        rounded: Floats = np.where(np.abs(intercept) <= self.smallest, 0.0, intercept)
        return rounded

    def _residuals(self, columns: Columns, size: int, coefficients: Floats) -> Floats:
        """Return the residuals of a combination of columns, shape (N,)."""
        return np.concatenate([columns(X) @ coefficients - Y[:, 0] for X, Y, _ in self._rows.blocks(size)])

    def _loss_of(self, residuals: Floats) -> float:
        losses = to_array(self._loss(torch.from_numpy(residuals)))
        loss = float(self.normalised(self._rows.root_weight**2 @ losses))
        return loss if np.isfinite(loss) else np.inf


def smallest_in(step: int) -> float:
    """Return what smaller residuals count as in the weights for a step, as a part of usual ones."""
    return _FIRST_SHARE * _FALL**step
