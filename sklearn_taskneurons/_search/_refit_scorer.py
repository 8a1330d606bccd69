"""Scores elementwise polynomials by the best coefficients that their powers of x can have."""

import math
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import numpy as np

from sklearn_taskneurons._search._cross_validation import CrossValidation
from sklearn_taskneurons._search._formulas import complexity, constant_entry, pareto, polynomial
from sklearn_taskneurons._search._least_squares import LeastSquares, Solution, Targets
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats, Ints, Population
from sklearn_taskneurons._search._reach import Reach
from sklearn_taskneurons._search._schedule import Schedule
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, Scores
from sklearn_taskneurons._search._supports import degrees, supports
from sklearn_taskneurons.formula import Formula

_LARGEST_EXPONENT: Final = 1000  # floating-point numbers end at 2**1024


class RefitScorer(Scorer):
    """Scores a program by the powers of x that it contains, with the best coefficients for them.

    No set of powers is solved twice. Copies in one process share their solutions.

    Parameters
    ----------
    moments : Moments
        With one coefficient for each power, or for each power and feature.
    folds : sequence of Moments, default=()
        Parts of the same rows, at least two, to cross-validate the reported formulas on.

    Attributes
    ----------
    largest_power : int
        The moments' degree, or less where the powers of very large or small features, or their coefficients, are beyond what
        numbers can be.
    """

    def __init__(self, moments: Moments, folds: Sequence[Moments] = ()) -> None:
        self.n_features = moments.n_features
        self.n_outputs = moments.n_outputs
        self.degree = moments.degree
        self._wide = moments.n_features if moments.per_feature else 1
        self._radius = moments.radius
        targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
        targets.check_range()
        self._data = moments.fingerprint()
        self._least_squares = LeastSquares(moments.factor[:, : moments.n_columns], targets)
        self._reach = Reach(moments, self._least_squares) if folds else None
        self.reports_at_once = not folds
        self._cross_validation = _cross_validation([fold.aligned(moments) for fold in folds]) if folds else None
        self._fits: dict[int, Solution] = {}
        self._key = uuid4().hex
        self.largest_power = _largest_power(moments.radius, targets.deviation, self.degree)
        powers = np.arange(self.degree + 1)
        # A term is `+ c * x**k`: four nodes and the numbers of c; x itself needs no power, and the constant is one number.
        self._nodes: Ints = np.where(powers == 0, 0, np.where(powers == 1, 3, 4) + self._wide)

    @property
    def forms(self) -> "tuple[RefitScorer, ...]":
        """The scorers of the forms, which is this one alone."""
        return (self,)

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the solutions, which are soon more than the moments."""
        return {**self.__dict__, "_fits": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on with the solutions that this process found for an earlier copy."""
        self.__dict__.update(state)
        self._fits = _fits_of_copies(self._key)

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        found = self._supports(population)
        fine = found >= 0
        distinct, inverse = np.unique(found[fine], return_inverse=True)
        loss = np.full(len(population), np.inf)
        loss[fine] = np.array(self._losses(distinct.tolist()))[inverse]
        return Scores(loss, self._complexities(found))

    def _losses(self, supports: Sequence[int]) -> list[float]:
        """Return the losses of different supports."""
        return [self.fit(support).loss for support in supports]

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the formulas of the programs' supports."""
        found = self._supports(population)
        return pareto([self.constant(), *(self.entry(support) for support in np.unique(found[found >= 0]).tolist())])

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or another kind."""
        return {"scored by": "refitted moments", **self._data}

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return constant_entry(self._least_squares.targets)._replace(fold_losses=self._fold_losses(0))

    def entry(self, support: int) -> FrontEntry:
        """Return the best formula with these powers."""
        fit = self.best_fit(support)
        powers = powers_of(support)
        expressions = [
            polynomial(powers, fit.coefficients[:, :, output], float(fit.intercept[output]), self.n_features)
            for output in range(self.n_outputs)
        ]
        formulas = tuple(Formula.from_expression(expression) for expression in expressions)
        n_coefficients = (fit.rank + 1) * self.n_outputs
        entry = FrontEntry(complexity(formulas), fit.loss, n_coefficients, formulas, self._fold_losses(support))
        reach = 0.0 if self._reach is None else self._reach.of(powers, self._columns(powers), fit.loss, fit.rank)
        return entry._replace(powers=math.log(math.comb(self.largest_power, len(powers))), reach=reach)

    def _fold_losses(self, support: int) -> tuple[float, ...]:
        """Return the losses on the folds of the powers in a support."""
        if self._cross_validation is None:
            return ()
        return self._cross_validation.losses(self._columns(powers_of(support)), self._least_squares.targets)

    def _columns(self, powers: list[int]) -> Ints:
        """Return the columns of some powers, counted without the constant's."""
        first = (np.array(powers, dtype=np.intp)[:, None] - 1) * self._wide
        columns: Ints = (first + np.arange(self._wide)).ravel()
        return columns

    def complexity(self, support: int) -> int:
        """Return the number of nodes of the formula with these powers, a vector counted as its numbers."""
        return int(self._complexities(np.array([support]))[0])

    def _complexities(self, supports: Ints) -> Ints:
        bits: Ints = supports[:, None] >> np.arange(self.degree + 1) & 1
        return bits @ self._nodes + 1

    def fit(self, support: int) -> Solution:
        """Return the coefficients by which the powers whose bits are set are compared, shape (n powers, D or 1, O)."""
        support &= ~1
        if support not in self._fits:
            self._fits[support] = self._scaled(self._solve(powers_of(support)), powers_of(support))
        return self._fits[support]

    def best_fit(self, support: int) -> Solution:
        """Return the best coefficients of these powers."""
        return self.fit(support)

    def _supports(self, population: Population) -> Ints:
        """Return the powers as bits, without the constant, or -1 where the degree is too high."""
        schedule = Schedule(population)
        found = supports(schedule, self.degree) & ~1
        fine = (degrees(schedule) <= self.degree) & (found < 2 << self.largest_power)
        return np.where(fine, found, -1)

    def _solve(self, powers: list[int]) -> Solution:
        """Solve one problem, for the columns as they are."""
        return self._least_squares.solve(self._columns(powers))

    def _scaled(self, solution: Solution, powers: list[int]) -> Solution:
        """Give the coefficients of columns the scale of x."""
        shaped = solution.coefficients.reshape(len(powers), self._wide, self.n_outputs)
        scale = np.array([self._radius**-power for power in powers]).reshape(len(powers), self._wide, 1)
        return solution._replace(coefficients=shaped * scale)


# A worker is sent a copy of the scorer for each of its tasks, and what it has solved for the last ones is kept here.
_KEPT: Final[dict[str, dict[int, Solution]]] = {}
_MOST_KEPT: Final = 2  # the forms of one search


def _fits_of_copies(key: str) -> dict[int, Solution]:
    """Return the solutions that all copies of one scorer share; those for the scorers before the last ones are forgotten."""
    fits = _KEPT.setdefault(key, {})
    for earlier in list(_KEPT)[:-_MOST_KEPT]:
        _KEPT.pop(earlier, None)
    return fits


def _cross_validation(folds: Sequence[Moments]) -> CrossValidation:
    """Return the cross-validation of fits of powers."""
    factors, weights = [fold.factor for fold in folds], [fold.total_weight for fold in folds]
    return CrossValidation(factors, weights, folds[0].n_columns, folds[0].shift)


def _largest_power(radius: Floats, deviation: Floats, degree: int) -> int:
    """Return the largest power whose values, and coefficients, are within the range of floating-point numbers."""
    exponents = np.arange(1, degree + 1)[:, None] * np.log2(radius).ravel()
    of_targets = np.log2(deviation[deviation > 0.0], dtype=np.float64)[:, None, None]
    is_in_range = (np.abs(exponents) <= _LARGEST_EXPONENT).all(axis=1)
    is_in_range &= (np.abs(of_targets - exponents) <= _LARGEST_EXPONENT).all(axis=(0, 2))
    return int(np.logical_and.accumulate(is_in_range).sum())


def powers_of(support: int) -> list[int]:
    """Return the powers of x in a support, without the constant, in ascending order."""
    return [power for power in range(1, support.bit_length()) if support >> power & 1]
