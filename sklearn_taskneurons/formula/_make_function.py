"""Functions of the user's own in the language of formulas."""

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sklearn_taskneurons.formula.functions import Function, add_function

_NAME: Final = re.compile(r"[a-z][a-z_0-9]{1,29}")


def make_function(
    function: Callable[[Any], Any],
    *,
    name: str,
    torch_function: Callable[[Any], Any] | None = None,
    latex: str | None = None,
) -> Function:
    r"""Add an elementwise function to the language of formulas.

    From then on its name can be written in formulas, and the search can be given it in its ``function_set``, beside names.

    Parameters
    ----------
    function : callable
        Takes an ndarray of float64 of any shape and returns one of the same shape, each value a function of the one in its
        place. Programs with values that are not finite lose.
    name : str
        2 to 30 of the characters a-z, 0-9 and _, the first a letter; not the name of another function.
    torch_function : callable, default=None
        The same for tensors, differentiable; what neurons compute. None where `function` takes tensors as well, as one
        of arithmetic alone does.
    latex : str, default=None
        How LaTeX writes it, with ``{0}`` for the argument, as in ``r"\sigma({0})"``; by default by its name.

    Returns
    -------
    Function
        For a ``function_set``. It pickles if `function` does, and is added to the language again where it is restored, as
        in the processes of joblib.

    Raises
    ------
    TypeError
        If `function` is not callable.
    ValueError
        If the name is not as described or stands for another function, or if the function does not return a float64 array
        of the shape of its argument.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_taskneurons import Formula, make_function
    >>> softsign = make_function(lambda a: a / (1 + abs(a)), name="softsign")
    >>> Formula("2*softsign(x) + x")(np.array([[1.0, -3.0]]))
    array([-2.5])
    """
    if not callable(function) or not (torch_function is None or callable(torch_function)):
        raise TypeError(f"function and torch_function must be callable, given {function!r} and {torch_function!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(f"name must be 2 to 30 of the characters a-z, 0-9 and _, the first a letter, given {name!r}")
    argument = np.linspace(-2.0, 2.0, 6).reshape(2, 3)
    with np.errstate(all="ignore"):
        value = function(argument.copy())
    if not isinstance(value, np.ndarray) or value.shape != argument.shape or value.dtype != np.float64:
        raise ValueError(
            f"{name} must return a float64 array of shape {argument.shape} for one of this shape, given {_described(value)}"
        )
    template = rf"\operatorname{{{{{name.replace('_', chr(92) + '_')}}}}}({{0}})" if latex is None else latex
    if "{0}" not in template:
        raise ValueError(f"latex must contain {{0}} for the argument, given {latex!r}")
    return add_function(Function(name, 1, latex=template, numpy_function=function, torch_function=torch_function))


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"one of {value.dtype} and shape {value.shape}"
    return type(value).__name__
