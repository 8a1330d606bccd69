"""Formulas without their superfluous terms, by backward elimination."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import numpy as np

from sklearn_taskneurons._search._columns import TermColumns, distinct_terms, term_key
from sklearn_taskneurons._search._formulas import count_nodes
from sklearn_taskneurons._search._least_squares import LeastSquares, Solution, Targets
from sklearn_taskneurons._search._moments import MAX_COLUMNS
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._refit import FormulaFitter
from sklearn_taskneurons._search._scores import FrontEntry, quantised
from sklearn_taskneurons._search._triangular import triangular
from sklearn_taskneurons.formula import Formula, Term
from sklearn_taskneurons.formula._terms import expanded_expression

_MOST_WORK: Final = 1 << 28  # multiplications for the subsets of a formula, where a pass over the rows takes no more either


def eliminated(fitter: FormulaFitter, front: Sequence[FrontEntry]) -> Iterator[list[FrontEntry]]:
    """Yield what is left of formulas when one term after another is dropped, the one without which the loss rises least.

    A search adds terms more easily than it drops them, as each fits a little more of the noise. The columns of a formula are
    evaluated once, in each form of coefficients; their triangular factor gives the losses of all subsets. Only what no simpler
    formula equals is fitted.

    Parameters
    ----------
    fitter : FormulaFitter
        Fits what is left.
    front : sequence of FrontEntry
        The formulas.

    Yields
    ------
    list of FrontEntry
        What each step has found, perhaps nothing. A step is a pass over the rows at most.
    """
    best = [*front]
    # Vectors that are fitted anew come before those that were fitted among more terms, which are less exact.
    for per_feature in sorted(fitter.forms, reverse=True) or (None,):
        known: set[object] = set()
        for entry in front:
            terms = _terms(fitter, entry.formulas, per_feature)
            key = _key(terms, per_feature)
            if len(terms) > 1 and key not in known:
                known.add(key)
                yield []  # time for a look at the clock
                yield from _left_of(fitter, terms, per_feature, best, known)


def _left_of(
    fitter: FormulaFitter, terms: Sequence[Term], per_feature: bool | None, best: list[FrontEntry], known: set[object]
) -> Iterator[list[FrontEntry]]:
    """Yield what is left of terms step by step; add it to the best formulas and to the sets of terms that are known."""
    with np.errstate(all="ignore"):  # terms of very large values
        losses = _losses(fitter, terms, per_feature)
    if losses is None:
        return
    for places in _path(losses):
        left = [terms[place] for place in places]
        key = _key(left, per_feature)
        if key in known:
            return  # the way from here is known, too
        known.add(key)
        with np.errstate(all="ignore"):
            is_reached = _is_reached(_loss(losses, places), losses.complexity(places), best)
        if is_reached:
            found = []
        elif per_feature is None:
            found = fitter.entries(expanded_expression(left))
        else:
            found = fitter.refitted(left, per_feature)
        best += found
        yield found


def _terms(fitter: FormulaFitter, formulas: Sequence[Formula], per_feature: bool | None) -> list[Term]:
    """Return what may be dropped from a formula of each output, terms without their coefficients where these are refitted."""
    if per_feature is not None:
        return [Term(1.0, term.factors) for term in distinct_terms(formulas, per_feature=per_feature)]
    # With one slope for each output, the formulas are multiples of one of them, but for constants.
    terms = max((formula.terms for formula in formulas), key=len)
    return [term for term in terms if not (fitter.linear_scaling and term.is_constant)]


def _key(terms: Sequence[Term], per_feature: bool | None) -> object:
    """Return what sets of terms have in common whose fits are the same: all of it where they keep their coefficients."""
    return frozenset(terms if per_feature is None else (term_key(term, per_feature=per_feature) for term in terms))


def _is_reached(loss: float, complexity: int, entries: Sequence[FrontEntry]) -> bool:
    """Return whether there is something as good that is as simple."""
    least = min((entry.loss for entry in entries if entry.complexity <= complexity), default=np.inf)
    return bool(quantised(np.array(least)) <= quantised(np.array(loss)))


def _path(losses: "_Losses") -> Iterator[list[int]]:
    """Yield the places of the terms that are left when one after another is dropped, down to a single one."""
    lengths = [len(term.expression) for term in losses.terms]
    left = list(range(len(lengths)))
    while len(left) > 1:
        subsets = [[place for place in left if place != dropped] for dropped in left]
        found = quantised(np.array([_loss(losses, subset) for subset in subsets]))
        first, *_ = np.lexsort((np.array([-lengths[dropped] for dropped in left]), found)).tolist()
        left = subsets[first]
        yield left


def _loss(losses: "_Losses", places: Sequence[int]) -> float:
    """Return the loss of the terms at these places, infinite where numbers are beyond what they can be."""
    with np.errstate(all="ignore"):
        loss = losses.of(places)
    return loss if np.isfinite(loss) else np.inf


class _Losses(Protocol):
    """What the losses of some of the terms are, from a factor of the columns of all."""

    terms: Sequence[Term]

    def of(self, places: Sequence[int]) -> float:
        """Return the loss of the terms at these places."""

    def complexity(self, places: Sequence[int]) -> int:
        """Return how many nodes their formula has, before it is simplified."""


def _losses(fitter: FormulaFitter, terms: Sequence[Term], per_feature: bool | None) -> _Losses | None:
    """Return what tells the losses of some of the terms; None for too many columns, or values that are not finite."""
    if per_feature is None:
        factor = fitter.factor([term.expression for term in terms], fitter.rows)
        return None if factor is None else _OwnLosses(fitter, terms, factor)
    columns = TermColumns(terms, fitter.rows.n_features, per_feature=per_feature)
    work = (len(terms) ** 2 * columns.count**3) // 2
    if 1 + columns.count > MAX_COLUMNS or work > max(_MOST_WORK, fitter.rows.n_rows * columns.count**2):
        return None
    least_squares = fitter.least_squares(columns.expressions)
    return None if least_squares is None else _RefittedLosses(columns, per_feature, least_squares)


class _RefittedLosses:
    """Of terms with the best coefficients."""

    def __init__(self, columns: TermColumns, per_feature: bool, least_squares: LeastSquares) -> None:
        self.terms: Sequence[Term] = columns.terms
        self._n_features = columns.n_features
        self._per_feature = per_feature
        self._least_squares = least_squares
        self._places = [np.arange(start, stop) for start, stop in columns.bounds]

    def of(self, places: Sequence[int]) -> float:
        """Return the loss of the terms at these places."""
        return self._solve(places).loss

    def complexity(self, places: Sequence[int]) -> int:
        """Return how many nodes their formula has, before it is simplified."""
        solution = self._solve(places)
        columns = TermColumns([self.terms[place] for place in places], self._n_features, per_feature=self._per_feature)
        fits = zip(solution.coefficients.T, solution.intercept.tolist(), strict=True)
        return max(count_nodes(columns.expression(coefficients, intercept)) for coefficients, intercept in fits)

    def _solve(self, places: Sequence[int]) -> Solution:
        return self._least_squares.solve(np.concatenate([self._places[place] for place in places]))


class _OwnLosses:
    """Of terms with their own coefficients, as they are or with the best slope and intercept."""

    def __init__(self, fitter: FormulaFitter, terms: Sequence[Term], factor: Floats) -> None:
        self.terms = terms
        self._rows = fitter.rows
        self._is_scaled = fitter.linear_scaling
        self._factor = factor

    def of(self, places: Sequence[int]) -> float:
        """Return the loss of the sum of the terms at these places."""
        rows, ones, targets = self._rows, self._factor[:, :1], self._factor[:, 1 + len(self.terms) :]
        total = self._factor[:, 1 + np.array(places)].sum(axis=1, keepdims=True)
        if self._is_scaled:
            factor = triangular(np.concatenate([ones, total, targets], axis=1))
            return LeastSquares(factor[:, :2], Targets(factor, 2, rows.total_weight, rows.shift)).solve(np.arange(1)).loss
        residuals = targets + ones * rows.shift - total
        return float(rows.targets.normalised(np.einsum("ko,ko->o", residuals, residuals)))

    def complexity(self, places: Sequence[int]) -> int:
        """Return how many nodes their sum has, before it is scaled or simplified."""
        return count_nodes(expanded_expression([self.terms[place] for place in places]))
