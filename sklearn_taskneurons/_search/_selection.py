"""Which formula of a Pareto front to take."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._scores import LOSS_FLOOR, FrontEntry


def _bic(entry: FrontEntry, total_weight: float) -> float:
    """Return the negative Bayesian information criterion, but for a constant."""
    if entry.n_coefficients >= len(entry.formulas) * total_weight:
        return -math.inf  # as many numbers fit any data
    fit = len(entry.formulas) * total_weight * math.log(max(entry.loss, LOSS_FLOOR))
    return -fit - entry.n_coefficients * math.log(max(total_weight, 1.0))


def _loss(entry: FrontEntry, total_weight: float) -> float:
    """Return the negative loss."""
    return -entry.loss


CRITERIA: Final[Mapping[str, Callable[[FrontEntry, float], float]]] = {"bic": _bic, "loss": _loss}


def selection_scores(front: Sequence[FrontEntry], total_weight: float, criterion: str = "bic") -> Floats:
    """Return how good each formula is, the larger the better.

    Parameters
    ----------
    front : sequence of FrontEntry
        Formulas with their losses.
    total_weight : float
        Sum of the weights of the rows: the number of rows, if a weight counts how often a row occurs.
    criterion : {"bic", "loss"}, default="bic"
        The negative Bayesian information criterion [1]_ (up to a constant; -inf for as many coefficients as rows), or the
        negative loss.

    Returns
    -------
    ndarray of float64, shape (F,)

    Raises
    ------
    ValueError
        If the criterion is unknown.

    References
    ----------
    .. [1] G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978,
       :doi:`10.1214/aos/1176344136`.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion must be one of {sorted(CRITERIA)}; got {criterion!r}")
    return np.array([CRITERIA[criterion](entry, total_weight) for entry in front], dtype=np.float64)


def select(front: Sequence[FrontEntry], total_weight: float, criterion: str = "bic") -> int:
    """Return the index of the formula with the largest score, the first among equals.

    Raises
    ------
    ValueError
        If the front is empty or the criterion unknown.
    """
    if not front:
        raise ValueError("the front must hold at least one formula; got none")
    return int(np.argmax(selection_scores(front, total_weight, criterion)))
