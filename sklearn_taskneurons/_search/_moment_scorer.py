"""Scores elementwise polynomials from moments: no row of the data is touched."""

from typing import Final

import numpy as np

from sklearn_taskneurons._search._formulas import count_numbers, pareto, polynomial, rescaled, simplified
from sklearn_taskneurons._search._least_squares import Supports, Targets, powers_of
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._polynomials import chebyshev_points, interpolation_matrix
from sklearn_taskneurons._search._population import Bools, Floats, Ints, Population
from sklearn_taskneurons._search._schedule import Array, Operator, Schedule
from sklearn_taskneurons._search._scores import FrontEntry, Scores
from sklearn_taskneurons._search._supports import degrees, supports
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula.functions import ADD, MUL, NEG, POW, SUB, X

_SMALLEST_SPREAD: Final = 1e-10


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


class RefitScorer:
    """Scores a program by the best coefficients that its powers of x can have.

    Only which powers a program contains matters, and no set of powers is solved twice.

    Parameters
    ----------
    moments : Moments
        With one coefficient for each power, or for each power and feature.
    """

    def __init__(self, moments: Moments) -> None:
        self.n_features = moments.n_features
        self.n_outputs = moments.n_outputs
        self.total_weight = moments.total_weight
        self.degree = moments.degree
        self.supports = Supports(moments)
        powers = np.arange(self.degree + 1)
        # A term is `+ c * x**k`: four nodes and the sum; x itself needs no power, the constant only its number.
        self._nodes: Ints = np.where(powers == 0, 0, np.where(powers == 1, 4, 5))
        self.max_complexity = int(self._nodes.sum()) + 1

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        found = self._supports(population)
        fine = found >= 0
        loss = np.full(len(population), np.inf)
        loss[fine] = self.supports.losses(found[fine])
        bits = found[:, None] >> np.arange(self.degree + 1) & 1
        return Scores(loss, np.where(fine, bits @ self._nodes + 1, self.max_complexity))

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the formulas of the programs' supports."""
        found = self._supports(population)
        return pareto([self.entry(support) for support in np.unique(found[found >= 0]).tolist()])

    def entry(self, support: int) -> FrontEntry:
        """Return the best formula with these powers."""
        fit = self.supports.fit(support)
        powers = powers_of(support)
        expressions = [
            polynomial(powers, fit.coefficients[:, :, output], float(fit.intercept[output]), self.n_features)
            for output in range(self.n_outputs)
        ]
        formulas = tuple(Formula.from_expression(expression) for expression in expressions)
        return FrontEntry(max(formula.length for formula in formulas), fit.loss, fit.rank, formulas)

    def _supports(self, population: Population) -> Ints:
        """Return the powers as bits, without the constant, or -1 where the degree is too high."""
        schedule = Schedule(population)
        return np.where(degrees(schedule) <= self.degree, supports(schedule, self.degree) & ~1, -1)


class MomentScorer:
    """Scores a program with its own constants, as it is or with the best slope and intercept.

    A polynomial of degree K is known from its values at K + 1 points, so programs are run at these points
    and not on the rows; one matrix turns the values into the prediction's components along the factor.

    Parameters
    ----------
    moments : Moments
        With one column for each power.
    linear_scaling : bool
        Fit a slope and an intercept for each output.
    """

    def __init__(self, moments: Moments, *, linear_scaling: bool = True) -> None:
        if moments.per_feature:
            raise ValueError("coefficients for each feature must be refitted; a program's own constants are shared")
        if moments.n_outputs > 1 and not linear_scaling:
            raise ValueError(
                f"several outputs need linear_scaling=True or refit_constants=True; got {moments.n_outputs} outputs and neither"
            )
        self.n_features = moments.n_features
        self.n_outputs = moments.n_outputs
        self.total_weight = moments.total_weight
        self.degree = moments.degree
        self.linear_scaling = linear_scaling
        self.max_complexity = 0
        self._targets = Targets(moments)
        self._points: Floats = moments.radius * chebyshev_points(self.degree)
        factor = moments.factor[: moments.n_columns, : moments.n_columns].copy()
        factor[:, 0] *= moments.n_features
        self._components: Floats = np.ascontiguousarray((factor @ interpolation_matrix(self.degree)).T)

    def score(self, population: Population, bank: Floats) -> Scores:
        """Score all programs."""
        with np.errstate(all="ignore"):
            predictions, fine = self._run(population)
            targets = self._targets
            if self.linear_scaling:
                residuals = targets.centred - self._slopes(predictions)[:, None, :] * predictions[:, 1:, None]
                loss = targets.loss(residuals)
            else:
                loss = targets.loss(targets.centred - predictions[:, 1:, None])
                loss += (targets.mean[0] - predictions[:, 0]) ** 2 / (targets.weight * targets.variance[0])
        return Scores(np.where(fine & np.isfinite(loss), loss, np.inf), population.length)

    def report(self, population: Population, bank: Floats) -> list[FrontEntry]:
        """Return the programs' formulas, scaled and simplified, with the losses of what is returned."""
        entries = []
        for row in range(len(population)):
            formulas = self._formulas(population.take(slice(row, row + 1)))
            if formulas is not None:
                entries.append(self._entry(formulas))
        return pareto([entry for entry in entries if np.isfinite(entry.loss)])

    def _run(self, population: Population) -> tuple[Floats, Bools]:
        """Return the components of each program's prediction, shape (P, K + 1), and whether they are right."""
        schedule = Schedule(population)
        values = np.empty((schedule.n_nodes, self.degree + 1))
        values[schedule.variables] = self._points
        values[schedule.numbers] = schedule.value[schedule.numbers, None]
        roots = schedule.run(values, _OPERATORS)
        fine = np.isfinite(roots).all(axis=1) & (degrees(schedule) <= self.degree)
        roots[~fine] = 0.0
        predictions = roots @ self._components
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
        formula = simplified(program.expression(0))
        if formula is None:
            return None
        if not self.linear_scaling:
            return (formula,)
        # Slopes are those of the simplified formula, in which nothing cancels any more.
        predictions, fine = self._run(Population.from_expressions([formula.expression]))
        if not fine[0]:
            return None
        slopes = self._slopes(predictions)[0]
        intercepts = (self._targets.mean - slopes * predictions[0, 0]) / self._targets.origin
        found = [
            simplified(rescaled(formula.expression, slope, intercept, self.n_features))
            for slope, intercept in zip(slopes.tolist(), intercepts.tolist(), strict=True)
        ]
        formulas = tuple(formula for formula in found if formula is not None)
        return formulas if len(formulas) == self.n_outputs else None

    def _entry(self, formulas: tuple[Formula, ...]) -> FrontEntry:
        """Return the entry of formulas as they are."""
        targets = self._targets
        predictions, fine = self._run(Population.from_expressions([formula.expression for formula in formulas]))
        loss = float(targets.loss(targets.centred - predictions[:, 1:].T))
        offsets = (targets.mean - predictions[:, 0]) ** 2 / (targets.weight * targets.variance)
        loss = loss + float(np.mean(offsets)) if fine.all() else np.inf
        numbers = sum(count_numbers(formula) for formula in formulas)
        return FrontEntry(max(formula.length for formula in formulas), loss, numbers, formulas)
