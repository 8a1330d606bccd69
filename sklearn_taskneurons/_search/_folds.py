"""Moments of rows that come in parts, those of each fold apart."""

import copy
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from sklearn_taskneurons._search._forms import Form
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons._threads import single_blas_thread

# The moments of the rows of each fold, for each form.
Folds: TypeAlias = Sequence[Sequence[Moments]]


def folds_of(weight: Floats, n_folds: int, start: int = 0) -> Ints:
    """Return the fold of each row: those that have a weight, of which there were `start` before, belong to the folds in turn.

    Rows of weight 0, which count like none, move no other into another fold.
    """
    folds: Ints = (start + np.cumsum(weight > 0.0) - 1) % n_folds
    return folds


def no_rows(forms: Sequence[Form], n_folds: int = 1) -> Folds:
    """Return the moments of no rows; raise ValueError for a wrong degree."""
    return [[Moments(form.degree, per_feature=form.per_feature) for form in forms] for _ in range(n_folds)]


def with_rows(folds: Folds, X: Floats, Y: Floats, weight: Floats) -> Folds:
    """Return the moments of these rows, as many of each, and more; those before stay as they are."""
    fold_of_row = folds_of(weight, len(folds), count_used(folds))
    result = []
    with single_blas_thread():
        for fold, of_fold in enumerate(folds):
            rows = fold_of_row == fold
            part = X[rows], Y[rows], weight[rows]
            result.append([copy.copy(moments).update(*part) for moments in of_fold] if rows.any() else of_fold)
    return result


def joined(parts: Sequence[Folds]) -> Folds:
    """Return the moments of the rows of all parts, one after the other; the parts stay as they are."""
    turned, start = [], 0
    for folds in parts:
        # The first row of a part belongs to the fold after that of the last row before it.
        first = -start % len(folds)
        turned.append([*folds[first:], *folds[:first]])
        start += count_used(folds)
    with single_blas_thread():
        return [[Moments.merged(of_form) for of_form in zip(*of_fold, strict=True)] for of_fold in zip(*turned, strict=True)]


def count_used(folds: Folds) -> int:
    """Return how many rows of positive weight there are."""
    return sum(moments[0].n_rows for moments in folds)
