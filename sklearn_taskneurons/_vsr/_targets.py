"""Classes as numbers that a formula can explain, and values that must be finite."""

import numpy as np
from numpy.typing import NDArray


def class_indicators(numbers: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return what the formulas are searched for: 0 and 1 for two classes, shape (N,), else a column for each."""
    if n_classes == 2:
        return numbers.astype(np.float64)
    indicators: NDArray[np.float64] = np.eye(n_classes)[numbers]
    return indicators


def check_finite(values: NDArray[np.float64], what: str) -> None:
    """Raise ValueError unless all values of shape (N, C) are finite."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"X must be where {what} are finite, got {len(bad)} of {len(values)} rows where they are not, "
            f"the first one at index {bad[0]}"
        )
