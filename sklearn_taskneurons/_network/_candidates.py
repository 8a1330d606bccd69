"""Which formulas a network may get, and which of them it gets."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._vsr import VSRClassifier, VSRRegressor
from sklearn_taskneurons._vsr._losses import is_squared_error
from sklearn_taskneurons._vsr._pareto import ParetoPoint, neuron_formulas
from sklearn_taskneurons.formula import ADD, Formula
from sklearn_taskneurons.formula._build import call
from sklearn_taskneurons.formula.functions import opcodes_of
from sklearn_taskneurons.nn._functions import check_functions
from sklearn_taskneurons.nn._plan import neuron_form

LINEAR = Formula("x")
POLYNOMIALS = {3: Formula("x**3 + x**2 + x"), 5: Formula("x**5 + x**4 + x**3 + x**2 + x")}
# Features that act together, of which a sum over features of any function knows nothing.
PRODUCT = Formula("dot(w, x)*dot(w, x)")

# The best formulas of the front, by the score of the search, that are tried.
MOST_OF_FRONT = 3
# Of formulas that are longer, the networks would be large, and their union no formula any more.
MOST_NODES = 150

# The most columns of powers, each with three rows at least: so many are solved for, and trained on, in a moment.
MOST_COLUMNS = 250

# By how much, in relation, a loss must be lower than that of a simpler formula: less is as likely luck.
TOLERANCE = 0.02

HELD_OUT_FRACTION = 0.25
# Each candidate is tried on so many splits, the more the fewer rows there are to hold out.
REPEATS = (2, 4)
ENOUGH_HELD_OUT = 500
# Fewer held-out rows cannot tell a better formula from a lucky one.
FEWEST_HELD_OUT = 20


class Candidate(NamedTuple):
    """A formula that the neurons of a network might have had.

    Attributes
    ----------
    formula : Formula
        The formula.
    complexity : int
        The number of its nodes.
    score : float
        What the search says of it, the larger the better; nan if the search has not found it.
    loss : float
        The loss on held-out rows of small networks of such neurons; nan if none were trained.
    chosen : bool
        Whether the network has it.
    """

    formula: Formula
    complexity: int
    score: float
    loss: float
    chosen: bool


def default_search(n_features: int, n_rows: int, max_degree: int) -> VSRRegressor:
    """Return the search that is made where none is given: the best polynomial of each number of terms, with certainty."""
    degree = np.clip(min(MOST_COLUMNS, n_rows // 3) // n_features, 1, max_degree)
    return VSRRegressor(method="exhaustive", max_degree=int(degree), selection="bic")


def check_search(search: VSRRegressor | VSRClassifier) -> None:
    """Raise ValueError if a search could not begin, or could find what cannot be part of a neuron."""
    search._validate_params()
    check_functions(opcodes_of(search._settings().function_set).values())


def check_loss(search: VSRRegressor | VSRClassifier | None, targets: NDArray[Any]) -> None:
    """Raise ValueError where the loss of a search does not go with several columns of targets."""
    if search is not None and targets.ndim == 2 and not is_squared_error(search):
        raise ValueError(
            "search must have loss='squared_error' where there are several targets, or more than two classes; got "
            f"loss={search.loss!r} and {targets.shape[1]} of them"
        )


def n_splits(n_rows: int) -> int:
    """Return on how many splits the candidates are compared, 0 where the rows are too few for any."""
    n_held_out = HELD_OUT_FRACTION * n_rows
    return 0 if n_held_out < FEWEST_HELD_OUT else int(np.clip(np.ceil(ENOUGH_HELD_OUT / n_held_out), *REPEATS))


def candidates(front: Sequence[ParetoPoint], max_degree: int = 0) -> list[Candidate]:
    """Return the formulas to choose from, the simplest first: the linear neuron, and the best of the front.

    Parameters
    ----------
    front : sequence of ParetoPoint
        What the search has found.
    max_degree : int
        Up to which degree others are tried than the search has found: the powers up to 3 and up to 5, and products of inner
        products beside powers; 0 for none.
    """
    found = [(formula, score) for formula, score in neuron_formulas(front) if formula.expand().length <= MOST_NODES]
    others = [LINEAR]
    if max_degree:
        others += [polynomial for degree, polynomial in POLYNOMIALS.items() if degree <= max_degree]
        others += [_with_product(formula) for formula in [*others, *(formula for formula, _ in found[:1])]]
    pool: dict[frozenset[object], tuple[Formula, float]] = {}
    for formula, score in [*found[:MOST_OF_FRONT], *((formula, np.nan) for formula in others)]:
        pool.setdefault(frozenset(neuron_form(formula)), (formula, score))
    ordered = sorted(pool.values(), key=lambda entry: _simplicity(entry[0]))
    return [Candidate(formula, formula.length, float(score), np.nan, False) for formula, score in ordered]


def _simplicity(formula: Formula) -> tuple[float, ...]:
    """Return by what formulas are sorted: weights of a neuron, nodes, and powers; what is no polynomial comes last."""
    degree = formula.degree
    return len(neuron_form(formula)), formula.length, np.inf if degree is None else degree


def _with_product(formula: Formula) -> Formula:
    return Formula.from_expression(call(ADD, formula.expression, PRODUCT.expression))


def choose(pool: Sequence[Candidate], losses: NDArray[np.float64] | None) -> list[Candidate]:
    """Return the candidates with their losses, one of them chosen.

    It is the simplest one whose loss is hardly above the lowest. Where there are no losses, it is the best one that the search
    has found, and the linear neuron if it has found none.
    """
    if losses is None:
        scores = [-np.inf if np.isnan(candidate.score) else candidate.score for candidate in pool]
        best, losses = int(np.argmax(scores)), np.full(len(pool), np.nan)
    else:
        best = int(np.argmax(losses <= losses.min() * (1 + TOLERANCE)))
    return [
        candidate._replace(loss=float(loss), chosen=index == best)
        for index, (candidate, loss) in enumerate(zip(pool, losses, strict=True))
    ]
