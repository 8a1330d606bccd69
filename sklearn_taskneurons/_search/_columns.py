"""Terms of formulas as columns: what coefficients are fitted to."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons.formula import Formula, RowSum, Term, evaluate
from sklearn_taskneurons.formula._build import ONE
from sklearn_taskneurons.formula._entries import entry_texts
from sklearn_taskneurons.formula._expression import Expression
from sklearn_taskneurons.formula._printer import Printer
from sklearn_taskneurons.formula._terms import expanded_expression

_WEIGHT_DIGITS = 12


class TermColumns:
    """One column for each term, or one for each feature where a term is a single sum over features.

    Parameters
    ----------
    terms : sequence of Term
        They depend on x; their coefficients do not count, nor do their weights where a term has a column for each feature.
    n_features : int
        D.
    per_feature : bool
        Whether single sums over features have a column for each feature.

    Attributes
    ----------
    is_wide : list of bool
        Which terms have a column for each feature.
    expressions : list of Expression
        The columns of each term: a vector is one for each feature, a scalar one.
    """

    def __init__(self, terms: Sequence[Term], n_features: int, *, per_feature: bool) -> None:
        self.terms = tuple(terms)
        self.n_features = n_features
        self.is_wide = [per_feature and lone_sum(term) is not None for term in self.terms]
        self.expressions: list[Expression] = [
            Term(1.0, term.factors).expression if lone is None or not wide else lone.expression
            for term, lone, wide in zip(self.terms, map(lone_sum, self.terms), self.is_wide, strict=True)
        ]
        self._starts = np.cumsum([0, *(n_features if wide else 1 for wide in self.is_wide)])

    @property
    def count(self) -> int:
        """The number of columns."""
        return int(self._starts[-1])

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """The first column of each term, and that of the next one."""
        return [*pairwise(self._starts.tolist())]

    @property
    def groups(self) -> Ints:
        """For each column the feature that it is of, D where it is of all: int64 (C,)."""
        of_terms = [range(self.n_features) if wide else [self.n_features] for wide in self.is_wide]
        return np.array([group for groups in of_terms for group in groups], dtype=np.intp)

    def values(self, X: Floats) -> Floats:
        """Return the columns of some rows, shape (N, C); NaN or infinite where a term is not a finite number."""
        columns: Floats = np.empty((len(X), self.count))
        for expression, (start, stop) in zip(self.expressions, self.bounds, strict=True):
            columns[:, start:stop] = evaluate(expression, X)
        return columns

    def names(self, features: Sequence[str]) -> list[str]:
        """Return a name for each column, made of the names of the features, to 3 digits where that tells them apart."""
        for digits in (3, None):
            printer = Printer(digits, features)
            names: list[str] = []
            for expression, wide in zip(self.expressions, self.is_wide, strict=True):
                names += entry_texts(expression, features, digits) if wide else [printer.text(expression)]
            if len(set(names)) == len(names):
                break
        return names

    def expression(self, coefficients: Floats, intercept: float) -> Expression:
        """Return the sum of the columns times coefficients, shape (C,), and of a constant."""
        parts = [coefficients[start:stop] for start, stop in self.bounds]
        fitted = [
            _with(term, part, wide) for term, part, wide in zip(self.terms, parts, self.is_wide, strict=True) if part.any()
        ]
        if intercept or not fitted:
            fitted.append(_constant(fitted, intercept, self.n_features))
        return expanded_expression(fitted)


def distinct_terms(formulas: Iterable[Formula], *, per_feature: bool) -> list[Term]:
    """Return the terms of formulas that depend on x, in order, those that differ in their coefficients alone once.

    The weights of a single sum over features are coefficients where each feature gets its own; elsewhere their ratios count.
    """
    found: dict[object, Term] = {}
    for formula in formulas:
        for term in formula.terms:
            if not term.is_constant:
                found.setdefault(term_key(term, per_feature=per_feature), term)
    return list(found.values())


def lone_sum(term: Term) -> RowSum | None:
    """Return the sum over features that a term is, or None if it is anything else."""
    factor = term.factors[0] if len(term.factors) == 1 else None
    return factor if isinstance(factor, RowSum) else None


def term_key(term: Term, *, per_feature: bool) -> object:
    """Return what terms have in common that differ in their coefficients alone."""
    lone = lone_sum(term)
    if lone is None or (lone.weights is None and not per_feature):
        return term.factors
    if lone.weights is None or per_feature:
        return lone.expression
    largest = max(lone.weights, key=abs)
    # A coefficient that is multiplied into the weights leaves its rounding in their ratios.
    return lone.expression, tuple(round(weight / largest, _WEIGHT_DIGITS) for weight in lone.weights)


def _with(term: Term, coefficients: Floats, is_wide: bool) -> Term:
    """Return a term with fitted coefficients: a constant vector where each feature has one, else a number."""
    lone = lone_sum(term)
    if lone is not None and is_wide:
        return Term(1.0, (RowSum(lone.expression, tuple(coefficients.tolist())),))
    coefficient = float(coefficients[0])
    if lone is not None and lone.weights is not None:
        return Term(1.0, (RowSum(lone.expression, tuple(coefficient * weight for weight in lone.weights)),))
    return Term(coefficient, term.factors)


def _constant(terms: Sequence[Term], intercept: float, n_features: int) -> Term:
    """Return the constant term, inside the sum over features if all others are such sums."""
    if terms and all(any(isinstance(factor, RowSum) for factor in term.factors) for term in terms):
        return Term(intercept / n_features, (RowSum(ONE),))
    return Term(intercept)
