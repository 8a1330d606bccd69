"""What rows weigh: of all weights only the ratios matter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def in_range(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of which the largest is in [1, 2), since sums and products of what is given may be beyond all numbers.

    By a power of two, so that no digit of them changes.
    """
    _, exponent = np.frexp(weights.max())
    return np.ldexp(weights, 1 - exponent)


def weighty_rows(
    X: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Return the rows with a weight; the others say nothing."""
    if weights.all():
        return X, y, weights
    rows = weights > 0
    if not rows.any():
        raise ValueError("a row must have a weight, but sample_weight times class_weight is 0 for all of them")
    return X[rows], y[rows], weights[rows]
