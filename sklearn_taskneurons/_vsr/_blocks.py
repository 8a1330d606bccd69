"""What is kept of rows that come in blocks: moments of them, and of each part of them for cross-validation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sklearn_taskneurons._search import (
    Form,
    Moments,
    Scorer,
    block_moments,
    count_used,
    equal_rows,
    make_moment_scorer,
    no_rows,
    norm_of,
    with_rows,
)
from sklearn_taskneurons._threads import single_blas_thread
from sklearn_taskneurons._vsr._functions import is_polynomial
from sklearn_taskneurons._vsr._losses import is_squared_error

N_FOLDS = 5
# Of fewer rows a fold says less than the length of a description.
FEWEST_TO_CROSS_VALIDATE = 100
_MOST_ROWS = 2.0**53  # beyond, sums of weights may be no numbers


@dataclass(frozen=True)
class RowBlocks:
    """The moments of all rows so far; immutable, so that a search that fails leaves those before it.

    Attributes
    ----------
    parts : sequence of sequence of Moments
        One part, or where there is a cross-validation to come one for each fold; in each the moments for each form.
    """

    parts: Sequence[Sequence[Moments]]

    @classmethod
    def empty(cls, forms, in_folds):
        """Return the moments of no rows."""
        return cls(no_rows(forms, N_FOLDS if in_folds else 1))

    def kind(self):
        """Return what all blocks must have in common: the forms, and the number of folds."""
        return [Form(moments.per_feature, moments.degree) for moments in self.parts[0]], len(self.parts)

    def added(self, X, y, weights):
        """Return these rows and more."""
        return RowBlocks(with_rows(self.parts, X, y, weights))

    @classmethod
    def on_cluster(cls, X, y, sample_weight, *, forms, in_folds):
        """Return the rows of collections of dask, which stay where they are."""
        return cls(block_moments(X, y, sample_weight, forms=forms, n_folds=N_FOLDS if in_folds else 1))

    @property
    def n_used(self):
        """How many rows of positive weight there are."""
        return count_used(self.parts)

    @property
    def n_rows(self):
        """For how many rows they count."""
        moments = [part[0] for part in self.parts]
        return count_of(sum(part.total_weight for part in moments), math.hypot(*(part.weight_norm for part in moments)))

    @property
    def first(self):
        """Moments that know the numbers of features and outputs: of a part that has rows, if there are any."""
        return next((part[0] for part in self.parts if part[0].n_rows), self.parts[0][0])

    def scorer(self, forms, *, linear_scaling, refit_constants, cross_validate) -> Scorer:
        """Return what scores programs in some of the forms, of no larger degree, against all rows."""
        used = [moments for part in self.parts for moments in part if moments.n_rows]
        with single_blas_thread():
            of_forms = [[part.truncated(degree) for part in used if part.per_feature == own] for own, degree in forms]
        return make_moment_scorer(
            of_forms, linear_scaling=linear_scaling, refit_constants=refit_constants, cross_validate=cross_validate
        )


def moments_suffice(estimator):
    """Return whether moments are all that a search needs of the rows: the squared errors of polynomials follow from them."""
    return is_polynomial(estimator) and is_squared_error(estimator)


def count_rows(weights):
    """Return for how many rows those with a weight count."""
    with np.errstate(over="ignore"):  # such weights are refused by what scores
        return count_of(weights.sum(), norm_of(weights))


def count_of(total_weight, weight_norm):
    """Return the whole number of rows for which those of some weights count."""
    if not weight_norm > 0.0:
        return 0
    return round(min(equal_rows(total_weight, weight_norm), _MOST_ROWS))
