"""The scorer that fits the functions and the data."""

from collections.abc import Iterator, Sequence

import numpy as np

from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._cross_validation import check_folds
from sklearn_taskneurons._search._forms import Coefficients, forms_of
from sklearn_taskneurons._search._joint_scorer import JointScorer
from sklearn_taskneurons._search._loss_fits import LossFitter
from sklearn_taskneurons._search._loss_refit_scorer import LossRefitScorer
from sklearn_taskneurons._search._losses import Loss
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
    coefficients: Coefficients = "shared",
    folds: Ints | None = None,
    n_rows: int | None = None,
    optimizer_iterations: int = 0,
    device: str = "cpu",
    loss: Loss | None = None,
    deadline: float | None = None,
) -> Scorer:
    """Return what scores programs against these rows.

    Polynomials are scored from moments, for which the data is read once, here, and for another loss than the squared error from
    the rows too; everything else reads the rows for each generation, on the device.

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
        Largest degree of a polynomial; with "auto" that of polynomials with coefficients for each feature may be lower.
    linear_scaling : bool, default=True
        Fit a slope and an intercept to each program.
    refit_constants : bool, default=True
        Fit all coefficients of each program's terms.
    coefficients : {"auto", "shared", "per_feature"}, default="shared"
        One refitted coefficient for each term, or one for each term and feature, or both forms side by side.
    folds : ndarray of intp, shape (N,), optional
        The fold of each row, at least two, to cross-validate the refitted coefficients of the reported formulas.
    n_rows : int, optional
        For how many rows these count where it is decided how many coefficients they can tell; by default as many as have a
        weight.
    optimizer_iterations : int, default=0
        The largest number of steps in which constants inside functions are optimised; polynomials have none.
    device : str, default="cpu"
        The torch device on which programs are evaluated on the rows; "auto" is CUDA where there is one.
    loss : Loss, optional
        What is minimised instead of the squared error.
    deadline : float, optional
        Time of :func:`time.monotonic` at which fits by another loss than the squared error end with the best so far.

    Returns
    -------
    Scorer

    Raises
    ------
    ValueError
        If there would be more than 4096 columns, several outputs and nothing fitted to each, no such device, or one fold only;
        if the weights or targets are so large or small that their squares are no numbers; or folds, several outputs or
        optimised constants with another loss than the squared error.
    """
    if folds is not None:
        check_folds(len(np.unique(folds if sample_weight is None else folds[sample_weight > 0.0])))
    clock = Clock(deadline)
    with single_blas_thread():
        if not settings.is_polynomial or (loss is not None and not refit_constants):
            return RowScorer(
                Rows(X, Y, sample_weight),
                linear_scaling=linear_scaling,
                coefficients=coefficients if refit_constants else None,
                device=device,
                folds=[Rows(*part) for part in _parts(X, Y, sample_weight, folds)],
                optimizer_iterations=optimizer_iterations,
                loss=loss,
                clock=clock,
                max_degree=degree if settings.is_polynomial else None,
                # x and numbers are symbols, too; as from moments, there are few polynomials to choose from, whatever the loss.
                n_symbols=1 if settings.is_polynomial else len(settings.function_set) + 2,
            )
        if n_rows is None:
            n_rows = len(X) if sample_weight is None else int(np.count_nonzero(sample_weight))
        forms = forms_of(coefficients if refit_constants else "shared", degree, X.shape[1], n_rows)
        rows = [(X, Y, sample_weight)] if folds is None else [*_parts(X, Y, sample_weight, folds)]
        of_forms = [[Moments(form.degree, per_feature=form.per_feature).update(*part) for part in rows] for form in forms]
        if loss is not None:
            return _loss_scorer([Moments.merged(parts) for parts in of_forms], Rows(X, Y, sample_weight), loss, clock)
        how = {"linear_scaling": linear_scaling, "refit_constants": refit_constants, "cross_validate": folds is not None}
        return make_moment_scorer(of_forms, **how)


def _loss_scorer(forms: Sequence[Moments], rows: Rows, loss: Loss, clock: Clock) -> Scorer:
    """Return what scores polynomials by another loss than the squared error, in forms of which the moments are given."""
    rows.targets.check_range()
    fitter = LossFitter(rows, loss, clock)
    return _joint([LossRefitScorer(moments, rows, fitter, loss) for moments in forms])


def _joint(scorers: Sequence[RefitScorer]) -> Scorer:
    return scorers[0] if len(scorers) == 1 else JointScorer(scorers)


def _parts(X: Floats, Y: Floats, sample_weight: Floats | None, folds: Ints | None) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield the rows of each fold that have a weight; none without folds."""
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    for fold in () if folds is None else np.unique(folds[weights > 0.0]):
        rows = folds == fold
        yield X[rows], Y[rows], weights[rows]


def make_moment_scorer(
    forms: Sequence[Sequence[Moments]],
    *,
    linear_scaling: bool = True,
    refit_constants: bool = True,
    cross_validate: bool = False,
) -> Scorer:
    """Return what scores polynomials against rows of which only the moments are left.

    Parameters
    ----------
    forms : sequence of sequence of Moments
        For each form of the refitted coefficients the moments of the same rows, from wherever, in one part or more.
    linear_scaling : bool, default=True
        Fit a slope and an intercept to each program.
    refit_constants : bool, default=True
        Fit all coefficients of each program's terms; if not, there is one form, without coefficients for each feature.
    cross_validate : bool, default=False
        Cross-validate refitted coefficients of reported formulas on the parts, of which there must be two at least.

    Returns
    -------
    MomentScorer, RefitScorer or JointScorer

    Raises
    ------
    ValueError
        If there is one part only to cross-validate on, or the weights or targets are so large or small that their squares are
        no numbers.
    """
    if cross_validate:
        check_folds(len(forms[0]))
    with single_blas_thread():
        if not refit_constants:
            (parts,) = forms
            return MomentScorer(Moments.merged(parts), linear_scaling=linear_scaling)
        return _joint([RefitScorer(Moments.merged(parts), parts if cross_validate else ()) for parts in forms])
