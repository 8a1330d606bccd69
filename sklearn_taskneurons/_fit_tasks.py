"""scikit-learn's callbacks: the tasks of a fit, told as the protocol of scikit-learn 1.9 wants them; before, there are none."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

try:
    from sklearn import callback
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9
    callback = None

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: there is no callback to support."""


__all__ = ["CallbackSupportMixin", "FitTasks", "with_callbacks"]


def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that ends its callbacks in any case, and tells `FitTasks` what rows it was given."""
    if callback is None:
        return method
    managed, signature = callback.with_callbacks(method), inspect.signature(method)

    @functools.wraps(method)
    def telling(estimator: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(estimator, *args, **kwargs).arguments
        weight = given.get("sample_weight")
        metadata = None if weight is None else {"sample_weight": weight}
        estimator._rows_of_fit = {"X": given["X"], "y": given.get("y"), "metadata": metadata}
        try:
            return managed(estimator, *args, **kwargs)
        finally:
            estimator.__dict__.pop("_rows_of_fit", None)  # or they would be pickled with the estimator

    return telling


class FitTasks:
    """The iterations of a fit, one task after the other, for the callbacks that an estimator was given by `set_callbacks`.

    The first one begins at once.

    Parameters
    ----------
    estimator : CallbackSupportMixin
        The estimator that is being fitted.
    name : str
        What an iteration is called.
    n_tasks : int or None
        The largest number of iterations, where it is known.
    fitted : callable
        Returns the attributes with which an estimator predicts as if the fit ended here; called when a callback wants one.
    """

    def __init__(
        self,
        estimator: Any,
        name: str,
        n_tasks: int | None,
        fitted: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._name = name
        self._left = math.inf if n_tasks is None else n_tasks
        self._data = {"estimator": estimator, **getattr(estimator, "_rows_of_fit", {})}
        self._fitted = fitted
        self._fit: Any = None
        self._iteration: Any = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=n_tasks)
            self._fit.call_on_fit_task_begin(**self._data)
        self._begin()

    def next(self) -> bool:
        """Go on to the next iteration, unless the last one has been; return whether a callback wishes that there is none."""
        wish = self._end()
        self._begin()
        return wish

    def close(self) -> None:
        """End the fit, and an iteration that was broken off."""
        self._end()
        if self._fit is not None:
            self._fit.call_on_fit_task_end(**self._data, reconstruction_attributes=self._fitted)

    def _begin(self) -> None:
        if self._fit is not None and self._left > 0:
            self._left -= 1
            self._iteration = self._fit.subcontext(task_name=self._name)
            self._iteration.call_on_fit_task_begin(**self._data)

    def _end(self) -> bool:
        if self._iteration is None:
            return False
        iteration, self._iteration = self._iteration, None
        return bool(iteration.call_on_fit_task_end(**self._data, reconstruction_attributes=self._fitted))
