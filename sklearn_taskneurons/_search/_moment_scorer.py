"""Scores elementwise polynomials from moments: no row of the data is touched."""

from functools import reduce
from typing import Any, Final

import numpy as np

from sklearn_taskneurons._search._formulas import complexity, constant_entry, count_numbers, pareto, rescaled, simplified
from sklearn_taskneurons._search._least_squares import Targets
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._polynomials import chebyshev_in_monomials, chebyshev_points, interpolation_matrix
from sklearn_taskneurons._search._population import Bools, Floats, Population
from sklearn_taskneurons._search._schedule import Array, Operator, Schedule
from sklearn_taskneurons._search._scores import FrontEntry, Scorer, Scores, check_outputs
from sklearn_taskneurons._search._supports import degrees
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula.functions import ADD, MUL, NEG, POW, SUB, X

_SMALLEST_SPREAD: Final = 1e-9


def _power(a: Array, exponents: Array, out: Array) -> None:
    """Raise to whole powers; they are few and rarely large."""
    np.power(a, exponents, out=out)


_OPERATORS: Final[dict[int, Operator]] = {
    ADD: np.add,
    SUB: np.subtract,
    MUL: np.multiply,
    NEG: np.negative,
    POW: _power,
}


def _contains_x(population: Population) -> Bools:
    """Return which programs contain x, so that their value is a vector and is summed over features."""
    result: Bools = np.any((population.opcode == X) & (population.size > 0), axis=1)
    return result


class MomentScorer(Scorer):
    """Scores a program with its own constants, as it is or with the best slope and intercept.

    A polynomial of degree K is known from its values at K + 1 points, so programs are run at these points and not on the
    rows; matrices turn the values into coefficients, and these into the prediction's components along the factor.

    Parameters
    ----------
    moments : Moments
        With one column for each power.
    linear_scaling : bool
        Fit a slope and an intercept for each output.
    """

    reports_at_once = True

    def __init__(self, moments: Moments, *, linear_scaling: bool = True) -> None:
        if moments.per_feature:
            raise ValueError("coefficients for each feature must be refitted; a program's own constants are shared")
        check_outputs(moments.n_outputs, has_fit=linear_scaling)
        self.n_features = moments.n_features
        self.n_outputs = moments.n_outputs
        self.degree = moments.degree
        self.linear_scaling = linear_scaling
        self._targets = Targets(moments.factor, moments.n_columns, moments.total_weight, moments.shift)
        self._targets.check_range()
        self._data = moments.fingerprint()
        self._points: Floats = moments.radius * chebyshev_points(self.degree)
        factor = moments.factor[: moments.n_columns, : moments.n_columns].copy()
        factor[:, 0] *= moments.n_features
        # One after the other: in their product the large numbers of the second one would meet the rounding of the third.
        self._steps = interpolation_matrix(self.degree).T, chebyshev_in_monomials(self.degree).T, factor.T

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        with np.errstate(all="ignore"):
            predictions, fine = self._run(population)
            targets = self._targets
            if self.linear_scaling:
                residuals = targets.centred - self._slopes(predictions)[:, None, :] * predictions[:, 1:, None]
                loss = targets.loss(residuals)
            else:
                offsets = targets.mean - predictions[:, :1] / targets.origin
                loss = targets.loss(targets.centred - predictions[:, 1:, None], offsets)
        return Scores(np.where(fine & np.isfinite(loss), loss, np.inf), population.length)

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the programs' formulas, scaled and simplified, with the losses of what is returned."""
        entries = [self.constant()] if self.linear_scaling else []
        for row in range(len(population)):
            formulas = self._formulas(population.take(slice(row, row + 1)))
            if formulas is not None:
                entries.append(self._entry(formulas))
        return pareto([entry for entry in entries if np.isfinite(entry.loss)])

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scorer from one of other data or another kind."""
        return {"scored by": "moments", "linear_scaling": self.linear_scaling, **self._data}

    def constant(self) -> FrontEntry:
        """Return the best constant."""
        return constant_entry(self._targets)

    def _run(self, population: Population) -> tuple[Floats, Bools]:
        """Return the components of each program's prediction, shape (P, K + 1), and whether they are right."""
        schedule = Schedule(population)
        values = np.empty((schedule.n_nodes, self.degree + 1))
        values[schedule.variables] = self._points
        values[schedule.numbers] = schedule.value[schedule.numbers, None]
        roots = schedule.run(values, _OPERATORS)
        fine = np.isfinite(roots).all(axis=1) & (degrees(schedule) <= self.degree)
        roots[~fine] = 0.0
        predictions = reduce(np.matmul, self._steps, roots)
        # A program without x is a scalar: it is not summed over features.
        predictions /= np.where(_contains_x(population), 1.0, self.n_features)[:, None]
        return predictions, fine

    def _slopes(self, predictions: Floats) -> Floats:
        """Return the best slope of each program for each output, shape (P, O); 0 where a program is constant."""
        centred = predictions[:, 1:]
        spread = np.abs(centred).max(axis=1)
        is_constant = spread <= _SMALLEST_SPREAD * np.abs(predictions[:, 0])
        spread = np.where(is_constant, 1.0, spread)
        direction = centred / spread[:, None]
        length = np.einsum("pk,pk->p", direction, direction)
        slopes: Floats = (direction @ self._targets.centred) / np.where(is_constant, np.inf, length * spread)[:, None]
        return slopes

    def _formulas(self, program: Population) -> tuple[Formula, ...] | None:
        """Return the formulas of one program, or None where there is none."""
        formula = simplified(program.expression(0), self.n_features)
        if formula is None:
            return None
        if not self.linear_scaling:
            return (formula,)
        # Slopes are those of the simplified formula, in which nothing cancels any more.
        predictions, fine = self._run(Population.from_expressions([formula.expression]))
        if not fine[0]:
            return None
        slopes = self._slopes(predictions)[0]
        intercepts = self._targets.intercept(slopes * (predictions[0, 0] / self._targets.origin))
        found = [
            simplified(rescaled(formula.expression, slope, intercept, self.n_features), self.n_features)
            for slope, intercept in zip(slopes.tolist(), intercepts.tolist(), strict=True)
        ]
        formulas = tuple(formula for formula in found if formula is not None)
        return formulas if len(formulas) == self.n_outputs else None

    def _entry(self, formulas: tuple[Formula, ...]) -> FrontEntry:
        """Return the entry of formulas as they are."""
        targets = self._targets
        predictions, fine = self._run(Population.from_expressions([formula.expression for formula in formulas]))
        offsets = targets.mean - predictions[:, 0] / targets.origin
        loss = float(targets.loss(targets.centred - predictions[:, 1:].T, offsets)) if fine.all() else np.inf
        numbers = sum(count_numbers(formula) for formula in formulas)
        return FrontEntry(complexity(formulas), loss, numbers, formulas)
