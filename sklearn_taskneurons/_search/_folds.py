"""Moments of rows that come in parts, those of each fold apart."""

import copy
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sklearn_taskneurons._search._forms import Form
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons._threads import single_blas_thread

# The moments of the rows of each fold, for each form.
Folds: TypeAlias = Sequence[Sequence[Moments]]


def folds_of(weight: Floats, n_folds: int, start: int = 0) -> Ints:
    """Return the fold of each row, by its number among those that have a weight, of which there were `start` before.

    Of as many rows as there are folds, one behind the other, each belongs to another one, in an order as if drawn at random: in
    turn, a fold would be all of a group where groups are in turn, too, as days of the week. Rows of weight 0, which count like
    none, move no other into another fold.
    """
    number = start + np.cumsum(weight > 0.0) - 1
    first = start // n_folds
    last = max(first, -(-int(number[-1] + 1) // n_folds)) if len(number) else first
    drawn = _mixed(np.arange(first * n_folds, last * n_folds, dtype=np.uint64)).reshape(-1, n_folds)
    order: Ints = drawn.argsort(axis=1).ravel()
    # Rows of weight 0 before all others have no number of their own.
    return order[np.maximum(number - first * n_folds, 0)] if len(order) else np.zeros(len(number), dtype=np.intp)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits for each number that look random, by splitmix64 [1]_.

    References
    ----------
    .. [1] G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
       :doi:`10.1145/2714064.2660195`.
    """
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def no_rows(forms: Sequence[Form], n_folds: int = 1) -> Folds:
    """Return the moments of no rows; raise ValueError for a wrong degree."""
    return [[Moments(form.degree, per_feature=form.per_feature) for form in forms] for _ in range(n_folds)]


def with_rows(folds: Folds, X: Floats, Y: Floats, weight: Floats, start: int | None = None) -> Folds:
    """Return the moments of these rows, as many of each, and more; those before stay as they are.

    The folds go on after as many rows as there are, or after `start`, if there are others elsewhere.
    """
    fold_of_row = folds_of(weight, len(folds), count_used(folds) if start is None else start)
    result = []
    with single_blas_thread():
        for fold, of_fold in enumerate(folds):
            rows = fold_of_row == fold
            part = X[rows], Y[rows], weight[rows]
            result.append([copy.copy(moments).update(*part) for moments in of_fold] if rows.any() else of_fold)
    return result


def joined(parts: Sequence[Folds]) -> Folds:
    """Return the moments of the rows of all parts; these stay as they are."""
    with single_blas_thread():
        return [[Moments.merged(of_form) for of_form in zip(*of_fold, strict=True)] for of_fold in zip(*parts, strict=True)]


def count_used(folds: Folds) -> int:
    """Return how many rows of positive weight there are."""
    return sum(moments[0].n_rows for moments in folds)
