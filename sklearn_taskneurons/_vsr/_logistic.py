"""Logistic regression on the columns of a formula's terms, whatever their scale."""

from collections.abc import Iterator
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
# Columns may be most of what memory holds: what is made of them is made of so many numbers, or so many rows, at a time.
_BLOCK_NUMBERS: Final = 1 << 20
_FEWEST_ROWS: Final = 1 << 10


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

    Beside the columns, where their combinations come to stand, it takes the memory of a product of theirs, which
    scikit-learn makes.

    Parameters
    ----------
    columns : ndarray, shape (N, C)
        The columns, finite; they are overwritten where their rows lie one behind the other.
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
    columns = np.ascontiguousarray(columns)
    center, scale = _spread(columns, weights)
    varies = scale > 0.0
    shares = np.log(np.bincount(y, weights))
    n_logits = 1 if len(shares) == 2 else len(shares)
    coefficients = np.zeros((n_logits, columns.shape[1]))
    if not varies.any():
        # No column: the logarithms of the classes' shares, which are the best constants.
        intercept = shares[1:] - shares[0] if n_logits == 1 else shares
    else:
        with single_blas_thread():
            members = _members(groups[varies])
            factors = _factors(columns, center, scale, members, weights)
            bases = [_basis(own, factor) for own, factor in zip(members, factors, strict=True)]
            combined = _combined(columns, center, scale, bases)
            is_small = n_logits * (combined.shape[1] + 1) <= _MOST_NEWTON_UNKNOWNS
            solver = {"solver": "newton-cholesky", "tol": 1e-8} if is_small else {"solver": "lbfgs", "tol": 1e-6}
            model = LogisticRegression(C=C, max_iter=10_000, **solver).fit(combined, y, sample_weight=weights)
        coefficients[:, varies] = _in_columns(model.coef_, bases, int(varies.sum())) / scale[varies]
        intercept = model.intercept_ - coefficients @ center
    return Logits(coefficients, intercept if n_logits == 1 else intercept - intercept.mean())


def _members(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the columns of each group."""
    return [np.flatnonzero(groups == group) for group in np.unique(groups)]


def _blocks(columns: NDArray[np.float64]) -> Iterator[slice]:
    """Yield which rows are taken together."""
    n_rows, n_columns = columns.shape
    size = max(_FEWEST_ROWS, _BLOCK_NUMBERS // max(1, n_columns))
    yield from (slice(start, start + size) for start in range(0, n_rows, size))


def _standard(
    columns: NDArray[np.float64], center: NDArray[np.float64], scale: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield blocks of rows with those of their columns that vary, of mean 0 and variance 1."""
    varies = scale > 0.0
    for rows in _blocks(columns):
        yield rows, (columns[rows, varies] - center[varies]) / scale[varies]


def _factors(
    columns: NDArray[np.float64],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    members: list[NDArray[np.intp]],
    weights: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Return the triangular factor of the standardized columns of each group, the last one first."""
    factors = [np.empty((0, len(own))) for own in members]
    roots = np.sqrt(weights / weights.sum())
    for rows, standard in _standard(columns, center, scale):
        standard *= roots[rows, None]
        for place, own in enumerate(members):
            rows_so_far = np.concatenate([factors[place], standard[:, own[::-1]]])
            factors[place] = np.asarray(np.linalg.qr(rows_so_far, mode="r"))
    return factors


def _basis(own: NDArray[np.intp], factor: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which columns of a group are used, and combinations (C, R) of these, uncorrelated and of variance 1.

    Columns that are combinations of those behind them, which are of lower powers, are not.
    """
    used = np.zeros(len(own), dtype=bool)
    used[: len(factor)] = np.abs(np.diagonal(factor)) > _SMALLEST_DIRECTION
    _, spreads, directions = np.linalg.svd(factor[:, used][:, ::-1], full_matrices=False)
    kept = spreads > _SMALLEST_DIRECTION * spreads[0]
    return own[used[::-1]], directions[kept].T / spreads[kept]


def _combined(
    columns: NDArray[np.float64],
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    bases: list[tuple[NDArray[np.intp], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Return the combinations of the standardized columns, group after group, in the place of the columns.

    They are no more than the columns, so that no row is overwritten that has not been read.
    """
    n_rows, n_combined = len(columns), sum(basis.shape[1] for _, basis in bases)
    combined = columns.reshape(-1)[: n_rows * n_combined].reshape(n_rows, n_combined)
    for rows, standard in _standard(columns, center, scale):
        np.concatenate([standard[:, own] @ basis for own, basis in bases], axis=1, out=combined[rows])
    return combined


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
    largest = np.maximum(columns.max(axis=0, initial=0.0), -columns.min(axis=0, initial=0.0))
    unit = np.where(largest > 0.0, largest, 1.0)
    center, variance = np.zeros_like(unit), np.zeros_like(unit)
    shares = weights / weights.sum()
    for rows in _blocks(columns):
        center += shares[rows] @ (columns[rows] / unit)
    for rows in _blocks(columns):
        variance += shares[rows] @ (columns[rows] / unit - center) ** 2
    deviation = np.sqrt(variance)
    deviation[deviation <= _SMALLEST_SPREAD * np.abs(center)] = 0.0
    return center * unit, deviation * unit
