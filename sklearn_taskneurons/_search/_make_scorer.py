"""The scorer that fits the functions and the data."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from sklearn_taskneurons._search._moment_scorer import MomentScorer
from sklearn_taskneurons._search._moments import Moments
from sklearn_taskneurons._search._population import Floats, Ints
from sklearn_taskneurons._search._refit_scorer import RefitScorer
from sklearn_taskneurons._search._row_scorer import RowScorer
from sklearn_taskneurons._search._rows import Rows
from sklearn_taskneurons._search._scores import Scorer
from sklearn_taskneurons._search._settings import SearchSettings
from sklearn_taskneurons._threads import single_blas_thread


def make_scorer(
    X: Floats,
    Y: Floats,
    sample_weight: Floats | None = None,
    *,
    settings: SearchSettings,
    degree: int = 7,
    linear_scaling: bool = True,
    refit_constants: bool = True,
    coefficients: Literal["shared", "per_feature"] = "shared",
    folds: Ints | None = None,
    optimizer_iterations: int = 0,
    device: str = "cpu",
) -> Scorer:
    """Return what scores programs against these rows.

    Polynomials are scored from moments, for which the data is read once, here; everything else reads
    the rows for each generation, on the device.

    Parameters
    ----------
    X : ndarray of float64, shape (N, D)
        The features, finite.
    Y : ndarray of float64, shape (N,) or (N, O)
        The targets, finite.
    sample_weight : ndarray of float64, shape (N,), optional
        Weights, not negative.
    settings : SearchSettings
        Its function set decides how programs are scored.
    degree : int, default=7
        Largest degree of a polynomial.
    linear_scaling : bool, default=True
        Fit a slope and an intercept to each program.
    refit_constants : bool, default=True
        Fit all coefficients of each program's terms.
    coefficients : {"shared", "per_feature"}, default="shared"
        One refitted coefficient for each term, or one for each term and feature.
    folds : ndarray of intp, shape (N,), optional
        The fold of each row, at least two, to cross-validate the refitted coefficients of the reported formulas.
    optimizer_iterations : int, default=0
        The largest number of steps in which constants inside functions are optimised; polynomials have none.
    device : str, default="cpu"
        The torch device on which programs that are no polynomials are evaluated; "auto" is CUDA where there is one.

    Returns
    -------
    Scorer

    Raises
    ------
    ValueError
        If there would be more than 4096 columns, several outputs and nothing fitted to each, or no such device.
    """
    with single_blas_thread():
        if not settings.is_polynomial:
            return RowScorer(
                Rows(X, Y, sample_weight),
                linear_scaling=linear_scaling,
                coefficients=coefficients if refit_constants else None,
                device=device,
                folds=[Rows(*part) for part in _parts(X, Y, sample_weight, folds)],
                optimizer_iterations=optimizer_iterations,
            )
        per_feature = refit_constants and coefficients == "per_feature"
        if folds is not None:
            parts = [Moments(degree, per_feature=per_feature).update(*part) for part in _parts(X, Y, sample_weight, folds)]
            return make_moment_scorer(Moments.merged(parts), folds=parts)
        moments = Moments(degree, per_feature=per_feature).update(X, Y, sample_weight)
        return make_moment_scorer(moments, linear_scaling=linear_scaling, refit_constants=refit_constants)


def _parts(X: Floats, Y: Floats, sample_weight: Floats | None, folds: Ints | None) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield the rows of each fold that have a weight; none without folds."""
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    for fold in () if folds is None else np.unique(folds[weights > 0.0]):
        rows = folds == fold
        yield X[rows], Y[rows], weights[rows]


def make_moment_scorer(
    moments: Moments, *, linear_scaling: bool = True, refit_constants: bool = True, folds: Sequence[Moments] = ()
) -> Scorer:
    """Return what scores polynomials against rows of which only the moments are left.

    Parameters
    ----------
    moments : Moments
        Of any number of rows, from wherever; with the powers of each feature apart only if constants are refitted.
    linear_scaling : bool, default=True
        Fit a slope and an intercept to each program.
    refit_constants : bool, default=True
        Fit all coefficients of each program's terms.
    folds : sequence of Moments, default=()
        Parts of the same rows, at least two, to cross-validate refitted coefficients on.

    Returns
    -------
    MomentScorer or RefitScorer
    """
    with single_blas_thread():
        if refit_constants:
            return RefitScorer(moments, folds)
        return MomentScorer(moments, linear_scaling=linear_scaling)
