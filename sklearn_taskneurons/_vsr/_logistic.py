"""Logistic regression on the columns of a formula's terms, whatever their scale."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from sklearn_taskneurons._threads import single_blas_thread

# Newton's method is exact to rounding, but its system grows with columns and classes.
_MOST_NEWTON_UNKNOWNS: Final = 512
_SMALLEST_SPREAD: Final = 1e-13
# What is left of columns in a direction is rounding where it is less than this of what is there in another one.
_SMALLEST_DIRECTION: Final = 1e-10


class Logits(NamedTuple):
    """Linear functions of columns: the log-odds of the second of two classes, or one for each class.

    ``coefficients`` has shape (O, C), ``intercept`` (O,).
    """

    coefficients: NDArray[np.float64]
    intercept: NDArray[np.float64]


def fit_logits(
    columns: NDArray[np.float64], y: NDArray[np.intp], weights: NDArray[np.float64], C: float, groups: NDArray[np.intp]
) -> Logits:
    """Fit logits by penalized maximum likelihood.

    What is penalized is the variance of what each group of columns adds to the logits [1]_. For powers of one feature that is
    the same in every unit and from every origin; for columns that are groups of their own it is the penalty on the
    coefficients of standardized columns. Of more than two logits the intercepts add up to 0, as nothing else decides their
    level.

    Parameters
    ----------
    columns : ndarray, shape (N, C)
        The columns, finite.
    y : ndarray, shape (N,)
        The numbers of the classes, each from 0 on at least once.
    weights : ndarray, shape (N,)
        The weights of the rows, positive.
    C : float
        The inverse of the strength of the penalty.
    groups : ndarray, shape (C,)
        To which group each column belongs.

    Returns
    -------
    Logits

    References
    ----------
    .. [1] N. Simon, R. Tibshirani, "Standardization and the group lasso penalty", Statistica Sinica 22, 983-1001, 2012.
       :doi:`10.5705/ss.2011.075`
    """
    center, scale = _spread(columns, weights)
    varies = scale > 0.0
    shares = np.log(np.bincount(y, weights))
    n_logits = 1 if len(shares) == 2 else len(shares)
    coefficients = np.zeros((n_logits, columns.shape[1]))
    if not varies.any():
        # No column: the logarithms of the classes' shares, which are the best constants.
        intercept = shares[1:] - shares[0] if n_logits == 1 else shares
    else:
        standard = (columns[:, varies] - center[varies]) / scale[varies]
        with single_blas_thread():
            members = [own[_are_independent(standard[:, own], weights)] for own in _members(groups[varies])]
            bases = [(own, _basis(standard[:, own], weights)) for own in members]
            standard = np.concatenate([standard[:, own] @ basis for own, basis in bases], axis=1)
            is_small = n_logits * (standard.shape[1] + 1) <= _MOST_NEWTON_UNKNOWNS
            solver = {"solver": "newton-cholesky", "tol": 1e-8} if is_small else {"solver": "lbfgs", "tol": 1e-6}
            model = LogisticRegression(C=C, max_iter=10_000, **solver).fit(standard, y, sample_weight=weights)
        coefficients[:, varies] = _in_columns(model.coef_, bases, int(varies.sum())) / scale[varies]
        intercept = model.intercept_ - coefficients @ center
    return Logits(coefficients, intercept if n_logits == 1 else intercept - intercept.mean())


def _members(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the columns of each group."""
    return [np.flatnonzero(groups == group) for group in np.unique(groups)]


def _are_independent(standard: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which centred columns of variance 1 are no combinations of those behind them, which are of lower powers."""
    factor = np.linalg.qr(standard[:, ::-1] * np.sqrt(weights / weights.sum())[:, None], mode="r")
    own = np.zeros(standard.shape[1], dtype=bool)
    own[: len(factor)] = np.abs(np.diagonal(factor)) > _SMALLEST_DIRECTION
    return own[::-1]


def _basis(standard: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the combinations (C, R) of centred columns that are uncorrelated and have variance 1."""
    factor = np.linalg.qr(standard * np.sqrt(weights / weights.sum())[:, None], mode="r")
    _, spreads, directions = np.linalg.svd(factor)
    kept = spreads > _SMALLEST_DIRECTION * spreads[0]
    return np.asarray(directions[: len(spreads)][kept].T / spreads[kept])


def _in_columns(
    coefficients: NDArray[np.float64], bases: list[tuple[NDArray[np.intp], NDArray[np.float64]]], n_columns: int
) -> NDArray[np.float64]:
    """Return the coefficients of the columns (O, C) for those of their combinations (O, R), group after group."""
    result = np.zeros((len(coefficients), n_columns))
    ends = np.cumsum([basis.shape[1] for _, basis in bases])[:-1]
    for (own, basis), part in zip(bases, np.split(coefficients, ends, axis=1), strict=True):
        result[:, own] = part @ basis.T
    return result


def _spread(columns: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weighted means and standard deviations of columns, 0 for a deviation that is only rounding."""
    # The squares of large numbers are none: every column is divided by its largest number first.
    largest = np.max(np.abs(columns), axis=0, initial=0.0)
    unit = np.where(largest > 0.0, largest, 1.0)
    center = np.average(columns / unit, axis=0, weights=weights)
    deviation = np.sqrt(np.average((columns / unit - center) ** 2, axis=0, weights=weights))
    deviation[deviation <= _SMALLEST_SPREAD * np.abs(center)] = 0.0
    return center * unit, deviation * unit
