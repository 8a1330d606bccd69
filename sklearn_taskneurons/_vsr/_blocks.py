"""What is kept of rows that come in blocks: moments of them, and of each part of them for cross-validation."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_taskneurons._search import Moments, Scorer, block_moments, make_moment_scorer
from sklearn_taskneurons._threads import single_blas_thread

N_FOLDS = 5


def folds_of(n_rows, start=0):
    """Return the fold of each of some rows, of which there were ``start`` before: every fifth row is of the same."""
    return (start + np.arange(n_rows)) % N_FOLDS


@dataclass(frozen=True)
class RowBlocks:
    """The moments of all rows so far; immutable, so that a search that fails leaves those before it.

    Attributes
    ----------
    parts : sequence of Moments
        One, or where there is a cross-validation to come one for each fold.
    n_rows, n_used : int
        How many rows there were, and how many of them had a weight.
    """

    parts: Sequence[Moments]
    n_rows: int = 0
    n_used: int = 0

    @classmethod
    def empty(cls, degree, per_feature, n_folds):
        """Return the moments of no rows."""
        return cls([Moments(degree, per_feature=per_feature) for _ in range(n_folds)])

    def kind(self):
        """Return what all blocks must have in common: degree, whether it is for each feature, and the number of folds."""
        return self.parts[0].degree, self.parts[0].per_feature, len(self.parts)

    def added(self, X, y, weights):
        """Return these rows and more."""
        folds = folds_of(len(X), self.n_rows) % len(self.parts)
        with single_blas_thread():
            parts = [
                copy.copy(part).update(X[folds == fold], y[folds == fold], weights[folds == fold]) if fold in folds else part
                for fold, part in enumerate(self.parts)
            ]
        return RowBlocks(parts, self.n_rows + len(X), self.n_used + int(np.count_nonzero(weights)))

    @classmethod
    def on_cluster(cls, X, y, sample_weight, *, degree, per_feature):
        """Return the rows of collections of dask, which stay where they are."""
        moments = block_moments(X, y, sample_weight, degree=degree, per_feature=per_feature)
        n_used = moments.n_rows if sample_weight is None else int((sample_weight > 0).sum().compute())
        return cls([moments], moments.n_rows, n_used)

    @property
    def total_weight(self):
        """The sum of the weights of all rows."""
        return sum(part.total_weight for part in self.parts)

    @property
    def first(self):
        """Moments that know the numbers of features and outputs."""
        return self.parts[0]

    def scorer(self, degree, *, linear_scaling, refit_constants) -> Scorer:
        """Return what scores programs of up to a degree against all rows."""
        with single_blas_thread():
            parts = [part.truncated(degree) for part in self.parts if part.n_rows]
            if len(self.parts) == 1:
                return make_moment_scorer(parts[0], linear_scaling=linear_scaling, refit_constants=refit_constants)
            return make_moment_scorer(Moments.merged(parts), folds=parts)
