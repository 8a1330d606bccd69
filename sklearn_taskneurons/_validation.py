"""What every estimator demands of its input beyond scikit-learn's own checks."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.utils import assert_all_finite, compute_class_weight
from sklearn.utils.validation import _check_sample_weight


def check_weights(sample_weight: ArrayLike | None, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return one float64 weight for each row, 1 where none is given; weights are never negative and never all zero."""
    weights: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise ValueError(f"Negative values in sample_weight: weights must be at least 0, got {weights.min()}")
    if not np.any(weights):
        raise ValueError("Sample weights must contain at least one non-zero number, got only zeros")
    return weights


def check_numbers(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return targets as float64; raise ValueError if they are labels, sparse, or not finite as float64."""
    if issparse(y):
        raise ValueError(f"y must be a dense array, got a sparse one of the shape {y.shape}; its toarray() is one")
    if y.dtype.kind not in "biuf":
        raise ValueError(f"y must be numbers, got {str(y.flat[0])!r} of type {y.dtype}")
    with np.errstate(over="ignore"):
        numbers = y.astype(np.float64, copy=False)
    assert_all_finite(numbers, input_name="y")  # of objects, and of longer floats, only now
    return numbers


def class_weights(
    class_weight: Any, y: NDArray[Any], weights: NDArray[np.float64], classes: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the weight of each row's class; "balanced" gives those in ``y`` the same total weight.

    There may be more ``classes``, sorted, than these rows have.
    """
    if class_weight == "balanced":
        # By weights, not by rows, so that a row of weight 2 counts like two.
        _, numbers = np.unique(y, return_inverse=True)
        totals = np.bincount(numbers, weights)
        shares: NDArray[np.float64] = weights.sum() / (np.count_nonzero(totals) * np.where(totals > 0, totals, np.inf))
        return shares[numbers]
    classes = np.unique(y) if classes is None else classes
    of_class: NDArray[np.float64] = compute_class_weight(class_weight, classes=classes, y=y)
    if not (np.isfinite(of_class) & (of_class >= 0)).all():
        raise ValueError(f"class_weight must hold finite weights of at least 0, got {class_weight}")
    return of_class[np.searchsorted(classes, y)]
