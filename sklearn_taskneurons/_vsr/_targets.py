"""Classes as numbers that a formula can explain, and values that must be finite."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets


def are_numbers(y: Any) -> bool:
    """Tell whether targets are numbers; strings, booleans, other objects and what pandas has as categories are not."""
    if any(str(dtype) == "category" for dtype in types_of(y)):
        return False
    values = np.asarray(y)
    if values.dtype.kind == "O":
        return all(isinstance(value, Real) and not isinstance(value, bool | np.bool_) for value in values.flat)
    return values.dtype.kind in "iufc"


def types_of(y: Any) -> list[Any]:
    """Return the types of the columns of a table or of an array, none of what has no types."""
    if getattr(y, "ndim", 1) == 2 and hasattr(y, "dtypes"):
        return list(y.dtypes)
    return [y.dtype] if hasattr(y, "dtype") else []


def check_labels(y: Any) -> NDArray[Any]:
    """Return labels in one dimension; raise ValueError if they cannot be labels."""
    labels: NDArray[Any] = column_or_1d(y, warn=True)
    check_classification_targets(labels)
    return labels


def class_numbers(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the classes, sorted, and the number of each row's; there must be two at least."""
    classes, numbers = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must have two classes at least in rows of positive weight, got {len(classes)} class: {classes}")
    return classes, numbers


def class_indicators(numbers: NDArray[np.intp], n_classes: int) -> NDArray[np.float64]:
    """Return what the formulas are searched for: 0 and 1 for up to two classes, shape (N,), else a column for each."""
    if n_classes <= 2:
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
