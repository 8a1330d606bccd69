"""What figures take from fitted estimators, of which they only know the attributes."""

from __future__ import annotations

from typing import Any


def last_estimator(estimator: Any) -> Any:
    """Return the last step of a pipeline, and of a search over parameters that of the best one."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def require(estimator: Any, attribute: str, hint: str = "") -> Any:
    """Return an attribute of a fitted estimator.

    Raises
    ------
    ValueError
        If it has none.
    """
    if not hasattr(estimator, attribute):
        raise ValueError(f"estimator must be fitted and have {attribute}{hint}, got {estimator!r}")
    return getattr(estimator, attribute)
