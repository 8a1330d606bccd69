"""The table that a search ends in, and what a neuron makes of it."""

from collections.abc import Sequence
from typing import NamedTuple

from sklearn_taskneurons._search import FrontEntry, lone_sum, selection_scores
from sklearn_taskneurons.formula import Formula
from sklearn_taskneurons.formula._expression import Node
from sklearn_taskneurons.formula.functions import VECTOR
from sklearn_taskneurons.nn._plan import union


class ParetoPoint(NamedTuple):
    """A formula that no simpler formula of the search equals.

    Attributes
    ----------
    complexity : int
        The number of nodes of the formula, where a constant vector counts as the numbers that it holds. It is that of the
        largest formula where there are several outputs.
    loss : float
        The mean squared error over the variance of the target, averaged over outputs: 1 minus R squared on the training rows.
        With another `loss` of the regressor its mean over that of the best constant, which for the absolute error is the
        median of the targets.
    score : float
        What the selection maximises.
    formula : Formula or tuple of Formula
        The formula, or one for each output.
    """

    complexity: int
    loss: float
    score: float
    formula: Formula | tuple[Formula, ...]

    @property
    def formulas(self) -> tuple[Formula, ...]:
        """The formulas of all outputs, one or more."""
        return self.formula if isinstance(self.formula, tuple) else (self.formula,)


class Selection(NamedTuple):
    """By what a formula is selected, for how many rows, and whether the targets are one column or have an axis of them."""

    criterion: str
    n_rows: float
    y_ndim: int

    def points(self, front: Sequence[FrontEntry]) -> list[ParetoPoint]:
        """Return the lines of a front: one formula in each where the targets are one column."""
        scores = selection_scores(front, self.n_rows, self.criterion).tolist()
        return [
            ParetoPoint(entry.complexity, entry.loss, score, entry.formulas[0] if self.y_ndim == 1 else entry.formulas)
            for entry, score in zip(front, scores, strict=True)
        ]


def best_first(front: Sequence[ParetoPoint]) -> list[tuple[Formula, ...]]:
    """Return the formulas of each point, the best score first, the simplest one among equals."""
    return [point.formulas for point in sorted(front, key=lambda point: -point.score)]


def has_own_weights(formulas: Sequence[Formula]) -> bool:
    """Return whether a term is a sum over features with a weight for each of them, as where their coefficients were fitted."""
    sums = [lone_sum(term) for formula in formulas for term in formula.terms if not term.is_constant]
    return any(found is not None and found.weights is not None for found in sums)


def neuron_formulas(front: Sequence[ParetoPoint]) -> list[tuple[Formula, float]]:
    """Return the formulas that depend on x as neurons have them, with their scores, the best first.

    They have none of the numbers that a neuron drops, and free vectors in place of constant ones. Of several outputs it is
    that with the most terms: where a target is constant, no other is needed.
    """
    found = []
    for point in sorted(front, key=lambda point: -point.score):
        formula = max(point.formulas, key=lambda formula: len(formula.terms))
        if formula.degree != 0:
            nodes = tuple(Node(VECTOR) if node.opcode == VECTOR else node for node in formula.expression)
            found.append((union([Formula.from_expression(nodes)]), point.score))
    return found


def neuron_formula(front: Sequence[ParetoPoint]) -> Formula:
    """Return the best formula that depends on x; ``x`` if none does."""
    return next((formula for formula, _ in neuron_formulas(front)), Formula("x"))
