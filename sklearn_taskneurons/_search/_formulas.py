"""From programs and coefficients to formulas, one for each output."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sklearn_taskneurons._search._least_squares import Targets
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._scores import FrontEntry, quantised
from sklearn_taskneurons.formula import Formula, FormulaSyntaxError
from sklearn_taskneurons.formula._build import ONE, Summand, power, total
from sklearn_taskneurons.formula._expression import Expression, Node, expression_type
from sklearn_taskneurons.formula._terms import Factor, RowSum, Term, expanded_expression
from sklearn_taskneurons.formula.functions import NUMBER, VECTOR, X

_SUM_OF_ONES: Final = RowSum(ONE)


def polynomial(powers: Sequence[int], coefficients: Floats, intercept: float, n_features: int) -> Expression:
    """Return ``sum_k c_k x**k + intercept / D``, by falling powers.

    Parameters
    ----------
    powers : sequence of int
        The powers k, ascending.
    coefficients : ndarray, shape (n powers, 1) or (n powers, D)
        One number, or one for each feature.
    intercept : float
        The formula's value at 0. A vector formula is summed over features, so each gets its share.
    n_features : int
        D.
    """
    summands: list[Summand] = []
    for power_of_x, row in zip(reversed(powers), coefficients[::-1].tolist(), strict=True):
        if any(row):
            x = power((Node(X),), power_of_x)
            summands.append((row[0], [x], []) if len(row) == 1 else (1.0, [(Node(VECTOR, tuple(row)),), x], []))
    if not summands:
        return (Node(NUMBER, intercept),)
    return total([*summands, *_constant(intercept / n_features)])


def rescaled(expression: Expression, slope: float, intercept: float, n_features: int) -> Expression:
    """Return ``slope * expression + intercept``, the intercept shared out inside a vector formula."""
    if slope == 0.0:
        return (Node(NUMBER, intercept),)
    share = intercept / n_features if expression_type(expression) == "V" else intercept
    return total([(slope, [expression], []), *_constant(share)])


def _constant(value: float) -> list[Summand]:
    """Return a constant as what is added to a sum: nothing where it is 0."""
    return [(value, [], [])] if value else []


def constant_entry(targets: Targets) -> FrontEntry:
    """Return the formulas that are the targets' means; what rounding has left of a standardized target's mean is 0."""
    means = targets.intercept(np.zeros_like(targets.mean)).tolist()
    formulas = tuple(Formula.from_expression((Node(NUMBER, mean),)) for mean in means)
    return FrontEntry(1, float(np.mean(~targets.is_constant)), len(means), formulas)


def simplified(expression: Expression, n_features: int) -> Formula | None:
    """Return the shorter of a formula and its expansion, or None where a formula's bounds are exceeded.

    What does not depend on x, be it a sum over features, becomes a number.
    """
    try:
        formula = _counted(Formula.from_expression(expression), n_features)
    except FormulaSyntaxError:
        return None
    if all(term.is_constant for term in formula.terms):
        (value,) = formula(np.zeros((1, n_features))).tolist()
        return Formula.from_expression((Node(NUMBER, value),)) if np.isfinite(value) else None
    try:
        expanded = formula.expand()
    except FormulaSyntaxError:
        return formula
    return expanded if expanded.length <= formula.length else formula


def _counted(formula: Formula, n_features: int) -> Formula:
    """Return the formula with their number in place of sums of 1 over the features: ``sum(x) + x`` is ``(D + 1)*x``."""
    coefficients: dict[tuple[Factor, ...], float] = {}
    for term in formula.terms:
        rest = term.factors if term.is_constant else tuple(factor for factor in term.factors if factor != _SUM_OF_ONES)
        number = term.coefficient * n_features ** (len(term.factors) - len(rest))
        coefficients[rest] = coefficients.get(rest, 0.0) + number
    if coefficients.keys() == {term.factors for term in formula.terms}:
        return formula
    return Formula.from_expression(expanded_expression([Term(number, rest) for rest, number in coefficients.items() if number]))


def without_constant(formula: Formula) -> Formula:
    """Return the terms that depend on x where these are shorter than the formula, for an intercept to be added to.

    The sum of a formula's own constant and the intercept could be 0 but for rounding.
    """
    terms = [term for term in formula.terms if not term.is_constant]
    expression = expanded_expression(terms) if terms else formula.expression
    return Formula.from_expression(expression) if len(expression) < formula.length else formula


def count_numbers(formula: Formula) -> int:
    """Return how many numbers and constant vectors a formula contains."""
    return sum(node.opcode in (NUMBER, VECTOR) for node in formula.expression)


def complexity(formulas: Sequence[Formula]) -> int:
    """Return the number of nodes of the largest formula, where a constant vector counts as the numbers that it holds."""
    return max(count_nodes(formula.expression) for formula in formulas)


def count_nodes(expression: Expression) -> int:
    """Return how many nodes an expression has, where a constant vector counts as the numbers that it holds."""
    return sum(len(node.value) if isinstance(node.value, tuple) else 1 for node in expression)


def count_values(expression: Expression) -> int:
    """Return how many numbers an expression contains, those in its constant vectors among them."""
    values = [node.value for node in expression if node.opcode in (NUMBER, VECTOR)]
    return sum(len(value) if isinstance(value, tuple) else 1 for value in values)


def pareto(entries: Sequence[FrontEntry]) -> list[FrontEntry]:
    """Return the entries that no simpler one equals or beats, by rising complexity, each formula once."""
    losses = quantised(np.array([entry.loss for entry in entries]))
    order = np.lexsort((np.arange(len(entries)), losses, np.array([entry.complexity for entry in entries])))
    kept: list[FrontEntry] = []
    best = np.float32(np.inf)
    for index in order.tolist():
        if losses[index] < best:
            best = losses[index]
            kept.append(entries[index])
    return kept
