"""Methods that do all that they are for, or nothing."""

import functools
from collections.abc import Callable
from typing import Any


def all_or_nothing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method that raises leave the estimator as it was before, whatever it raises.

    The method replaces attributes and does not change what they hold.
    """

    @functools.wraps(method)
    def restoring(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        before = vars(estimator).copy()
        try:
            return method(estimator, *args, **kwargs)
        except BaseException:
            estimator.__dict__ = before
            raise

    return restoring
