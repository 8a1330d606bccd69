"""Fits formulas of any kind to the rows: slope and intercept, or a coefficient for each term."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final, TypeGuard

import numpy as np
import torch

from sklearn_taskneurons._device import to_array, to_tensor
from sklearn_taskneurons._search._columns import TermColumns
from sklearn_taskneurons._search._cross_validation import CrossValidation
from sklearn_taskneurons._search._formulas import (
    complexity,
    constant_entry,
    count_numbers,
    count_values,
    rescaled,
    simplified,
    without_constant,
)
from sklearn_taskneurons._search._least_squares import LeastSquares, Solution, Targets
from sklearn_taskneurons._search._loss_fits import LossFitter
from sklearn_taskneurons._search._moments import MAX_COLUMNS
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import FrontEntry
from sklearn_taskneurons.formula import Formula, Term, evaluate
from sklearn_taskneurons.formula._build import call
from sklearn_taskneurons.formula._expression import Expression
from sklearn_taskneurons.formula.functions import FUNCTIONS, NUMBER, SUM, VECTOR

# Whether each feature has coefficients of its own, for each way to fit them.
_FORMS: Final[dict[str | None, tuple[bool, ...]]] = {
    None: (),
    "shared": (False,),
    "per_feature": (True,),
    "auto": (False, True),
}
# The mean square by which values may differ from those that were fitted, in variances of the targets, and on how many rows.
_ROUNDING: Final = 1e-6
_ROWS_TO_COMPARE: Final = 1 << 10


class FormulaFitter:
    """Turns the programs that a search has found into fitted formulas.

    Parameters
    ----------
    rows : Rows
        The data.
    linear_scaling : bool
        Fit a slope and an intercept.
    coefficients : {"auto", "shared", "per_feature"} or None
        Also fit a number to each term, or, where a term is a single sum over features, a constant vector, or each of both.
    budget : int
        Bytes that the values of a block of rows may take.
    folds : sequence of Rows, default=()
        Parts of the same rows, at least two, to cross-validate what is fitted on.
    n_symbols : int, default=1
        Among how many symbols the search chooses each node of a formula.
    loss : LossFitter, optional
        Fits by another loss of the rows than squared error; it takes no folds.

    Attributes
    ----------
    forms : tuple of bool
        For each form of refitted coefficients, whether each feature has its own; none where none are refitted.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        linear_scaling: bool,
        coefficients: str | None,
        budget: int,
        folds: Sequence[Rows] = (),
        n_symbols: int = 1,
        loss: LossFitter | None = None,
    ) -> None:
        if loss is not None and folds:
            raise ValueError(f"a loss other than squared_error takes no folds; got {len(folds)}")
        self.rows = rows
        self._folds = folds
        self.linear_scaling = linear_scaling
        self.forms = _FORMS[coefficients]
        self._budget = budget
        self._n_symbols = n_symbols
        self._loss = loss

    @cached_property
    def constant(self) -> FrontEntry:
        """The best constant."""
        if self._loss is None:
            return constant_entry(self.rows.targets)._replace(fold_losses=self.fold_losses([]))
        return self._loss.constant_entry

    def entries(self, expression: Expression) -> list[FrontEntry]:
        """Return what can be made of a program: no fitted formula, or up to three."""
        formula = simplified(expression, self.rows.n_features)
        if formula is None:
            return []
        with np.errstate(all="ignore"):
            own = self._scaled(formula) if self.linear_scaling else self._as_it_is(formula)
            terms = [term for term in formula.terms if not term.is_constant]
            candidates = [own, *(self._refitted(terms, per_feature) for per_feature in self.forms)]
            return [entry for entry in candidates if self._is_sound(entry)]

    def refitted(self, terms: Sequence[Term], per_feature: bool) -> list[FrontEntry]:
        """Return what can be made of terms, which depend on x, in one of the forms: no fitted formula, or one."""
        with np.errstate(all="ignore"):
            entry = self._refitted(terms, per_feature)
            return [entry] if self._is_sound(entry) else []

    def _is_sound(self, entry: FrontEntry | None) -> TypeGuard[FrontEntry]:
        """Return whether there is a formula that has a loss, and it is that of its values."""
        if entry is None:
            return False
        is_fitted = self.linear_scaling or self.forms
        return np.isfinite(entry.loss) and (not is_fitted or self._have_digits(entry.formulas))

    def _as_it_is(self, formula: Formula) -> FrontEntry | None:
        """Return the entry of a formula with its own constants; it is one output's."""
        if self.rows.n_outputs > 1:
            return None
        expressions = [_scalar(formula)]
        if self._loss is not None:
            loss = self._loss.loss(lambda X: _columns(expressions, X), self._size(expressions))
            return self._entry([formula.expression], loss, None, ())
        loss, *fold_losses = (self._loss_on(rows, expressions) for rows in (self.rows, *self._folds))
        return self._entry([formula.expression], loss, None, tuple(fold_losses))

    def _scaled(self, formula: Formula) -> FrontEntry | None:
        """Return the entry of a formula with the best slope and intercept for each output."""
        formula = without_constant(formula)
        solution = self._solve([_scalar(formula)])
        if solution is None:
            return None
        expressions = [
            rescaled(formula.expression, slope, intercept, self.rows.n_features)
            for slope, intercept in zip(solution.coefficients[0].tolist(), solution.intercept.tolist(), strict=True)
        ]
        return self._entry(expressions, solution.loss, None, self.fold_losses([_scalar(formula)]))

    def _refitted(self, terms: Sequence[Term], per_feature: bool) -> FrontEntry | None:
        """Return the entry of the formula of terms with the best coefficients for them."""
        n_features = self.rows.n_features
        columns = TermColumns(terms, n_features, per_feature=per_feature)
        if 1 + columns.count > MAX_COLUMNS:
            columns = TermColumns(terms, n_features, per_feature=False)
        if len(self.forms) > 1 and per_feature and columns.count >= self.rows.n_rows - 1:
            return None  # so many numbers fit any data
        solution = self._solve(columns.expressions)
        if solution is None:
            return None
        expressions = [
            columns.expression(solution.coefficients[:, output], float(solution.intercept[output]))
            for output in range(self.rows.n_outputs)
        ]
        n_coefficients = (solution.rank + 1) * self.rows.n_outputs
        # Constants inside the terms have been chosen by the data, too.
        n_coefficients += sum(count_values(expression) for expression in columns.expressions)
        return self._entry(expressions, solution.loss, n_coefficients, self.fold_losses(columns.expressions))

    def fold_losses(self, expressions: Sequence[Expression]) -> tuple[float, ...]:
        """Return the losses on the folds of a fit of some columns."""
        factors = []
        for part in self._folds:
            factor = self.factor(expressions, part)
            if factor is None:
                return (math.inf,) * len(self._folds)
            n_columns = factor.shape[1] - self.rows.n_outputs
            factor[:, n_columns:] += factor[:, :1] * (part.shift - self.rows.shift)
            factors.append(factor)
        if not factors:
            return ()
        weights = [part.total_weight for part in self._folds]
        validation = CrossValidation(factors, weights, n_columns, self.rows.shift)
        return validation.losses(np.arange(n_columns - 1), self.rows.targets)

    def _entry(
        self, expressions: Sequence[Expression], loss: float, n_coefficients: int | None, fold_losses: tuple[float, ...]
    ) -> FrontEntry | None:
        """Return the entry of fitted expressions, or None where one is beyond what a formula may be."""
        found = [simplified(expression, self.rows.n_features) for expression in expressions]
        formulas = tuple(formula for formula in found if formula is not None)
        if len(formulas) < len(found):
            return None
        if n_coefficients is None:
            n_coefficients = sum(count_numbers(formula) for formula in formulas)
        deviance = None if self._loss is None else self._loss.deviance(loss)
        return FrontEntry(complexity(formulas), loss, n_coefficients, formulas, fold_losses, deviance, self._choices(formulas))

    def _have_digits(self, formulas: Sequence[Formula]) -> bool:
        """Return whether the values of formulas are those that were fitted, but for rounding.

        Torch, by which they were fitted, rounds other values than NumPy, which evaluates them; where a sine is of numbers of
        1e12 or more, these have no digit in common.
        """
        expressions = [*map(_scalar, formulas)]
        X = self.rows.features(_ROWS_TO_COMPARE)
        differences = (_columns(expressions, X) - _columns(expressions, X, in_numpy=True))[:, 1:]
        deviation = self.rows.targets.deviation
        allowed = np.where(deviation > 0.0, _ROUNDING * deviation**2, np.inf)
        return bool((np.square(differences).mean(axis=0) <= allowed).all())

    def _loss_on(self, rows: Rows, expressions: Sequence[Expression]) -> float:
        """Return the loss of a scalar expression on some of the rows."""
        factor = self.factor(expressions, rows)
        if factor is None:
            return math.inf
        residuals = factor[:, 2:] + factor[:, :1] * rows.shift - factor[:, 1, None]
        return float(self.rows.targets.normalised(np.einsum("ko,ko->o", residuals, residuals)))

    def _choices(self, formulas: Sequence[Formula]) -> float:
        """Return how many formulas of as many nodes there are, by the logarithm; numbers are counted elsewhere."""
        nodes = sum(node.opcode not in (NUMBER, VECTOR) for formula in formulas for node in formula.expression)
        return nodes * math.log(self._n_symbols)

    def _solve(self, expressions: Sequence[Expression]) -> Solution | None:
        """Fit columns and a constant, or return None where a value is not finite."""
        if self._loss is not None:
            return self._loss.solve(lambda X: _columns(expressions, X), self._size(expressions))
        least_squares = self.least_squares(expressions)
        return None if least_squares is None else least_squares.solve(np.arange(least_squares.n_columns))

    def least_squares(self, expressions: Sequence[Expression]) -> LeastSquares | None:
        """Return the least squares of columns, or None where a value is not finite."""
        factor = self.factor(expressions, self.rows)
        if factor is None:
            return None
        n_columns = factor.shape[1] - self.rows.n_outputs
        targets = Targets(factor, n_columns, self.rows.total_weight, self.rows.shift)
        return LeastSquares(factor[:, :n_columns], targets)

    def factor(self, expressions: Sequence[Expression], rows: Rows) -> Floats | None:
        """Return the factor of ``[1, columns, Y]``: a scalar is one column, a vector one for each feature."""
        factor = rows.factor(lambda X: _columns(expressions, X), self._size(expressions))
        return factor if np.isfinite(factor).all() else None

    def _size(self, expressions: Sequence[Expression]) -> int:
        """Return how many rows are evaluated together."""
        nodes = 4 + sum(len(expression) for expression in expressions)
        return max(1, self._budget // (8 * self.rows.n_features * nodes))


def _columns(expressions: Sequence[Expression], X: Floats, in_numpy: bool = False) -> Floats:
    """Return the columns of some rows, after one of ones; torch computes sines faster than NumPy."""
    values = to_tensor(X, torch.float64)
    ones = torch.ones((len(X), 1), dtype=torch.float64)
    parts = [ones]
    for expression in expressions:
        # A function of the user's own may know arrays only.
        has_own = any(FUNCTIONS[node.opcode].is_own for node in expression)
        part = torch.from_numpy(evaluate(expression, X)) if in_numpy or has_own else evaluate(expression, values)
        parts.append(part * ones)
    columns: Floats = to_array(torch.cat(parts, dim=1))
    return columns


def _scalar(formula: Formula) -> Expression:
    """Return the value of a formula as a scalar expression."""
    return formula.expression if formula.type == "S" else call(SUM, formula.expression)
