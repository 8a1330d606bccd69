"""What every estimator demands of its input beyond scikit-learn's own checks."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight


def check_weights(sample_weight: ArrayLike | None, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return one float64 weight for each row, 1 where none is given; weights are never negative and never all zero."""
    weights: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise ValueError(f"Negative values in sample_weight: weights must be at least 0, got {weights.min()}")
    if not np.any(weights):
        raise ValueError("Sample weights must contain at least one non-zero number, got only zeros")
    return weights
