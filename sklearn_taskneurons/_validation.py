"""What every estimator demands of its input beyond scikit-learn's own checks."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight


def check_weights(sample_weight: ArrayLike | None, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return one float64 weight for each row, 1 where none is given; weights are never negative and never all zero."""
    weights: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise ValueError(f"Negative values in sample_weight: weights must be at least 0, got {weights.min()}")
    if not np.any(weights):
        raise ValueError("Sample weights must contain at least one non-zero number, got only zeros")
    return weights


def class_weights(class_weight: Any, y: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each row's class; "balanced" gives every class the same total weight."""
    if class_weight == "balanced":
        # By weights, not by rows, so that a row of weight 2 counts like two.
        _, numbers = np.unique(y, return_inverse=True)
        totals = np.bincount(numbers, weights)
        shares: NDArray[np.float64] = weights.sum() / (np.count_nonzero(totals) * np.where(totals > 0, totals, np.inf))
        return shares[numbers]
    result: NDArray[np.float64] = compute_sample_weight(class_weight, y)
    if result.min() < 0:
        raise ValueError(f"class_weight must hold weights of at least 0, got {class_weight}")
    return result
