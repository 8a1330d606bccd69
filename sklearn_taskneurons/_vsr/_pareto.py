"""A line of the table that a search ends in."""

from typing import NamedTuple

from sklearn_taskneurons._search import FrontEntry
from sklearn_taskneurons.formula import Formula


class ParetoPoint(NamedTuple):
    """A formula that no simpler formula of the search equals.

    Attributes
    ----------
    complexity : int
        The number of nodes of the formula.
    loss : float
        The mean squared error over the variance of the target, averaged over outputs: 1 minus R squared on the training rows.
    score : float
        What the selection maximises.
    formula : Formula or tuple of Formula
        The formula, or one for each output.
    """

    complexity: int
    loss: float
    score: float
    formula: Formula | tuple[Formula, ...]


def pareto_point(entry: FrontEntry, score: float, y_ndim: int) -> ParetoPoint:
    """Return the line of an entry of the front: one formula where the targets were one column."""
    return ParetoPoint(entry.complexity, entry.loss, score, entry.formulas[0] if y_ndim == 1 else entry.formulas)
