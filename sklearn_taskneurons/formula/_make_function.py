"""Functions of the user's own in the language of formulas."""

import keyword
import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sklearn_taskneurons.formula.functions import Function, add_function

_NAME: Final = re.compile(r"[a-z][a-z_0-9]{1,29}")
_PLACES: Final = {1: ("{0}",), 2: ("{0}", "{1}")}  # of the arguments in LaTeX


def make_function(
    function: Callable[..., Any],
    *,
    name: str,
    arity: int = 1,
    torch_function: Callable[..., Any] | None = None,
    latex: str | None = None,
) -> Function:
    r"""Add an elementwise function of one or two arguments to the language of formulas.

    From then on its name can be written in formulas, and the search can be given it in its ``function_set``, beside names.
    Its value is a vector if an argument is one, and one number a row otherwise.

    Parameters
    ----------
    function : callable
        Takes `arity` ndarrays of float64 of one shape, whatever it is, and returns one of the same shape, each value a
        function of those in its place; it leaves its arguments as they are. Programs with values that are not finite lose.
    name : str
        2 to 30 of the characters a-z, 0-9 and _, the first a letter; no keyword of Python, such as "or", and not the name of
        another function, nor of one that has been changed since: what it computes must not change under formulas that exist.
    arity : {1, 2}, default=1
        The number of arguments. Where one is a vector and the other a scalar, `function` is given both in the shape of the
        vector.
    torch_function : callable, default=None
        The same for tensors, differentiable; what neurons compute. None where `function` takes tensors as well, as one
        of arithmetic alone does.
    latex : str, default=None
        How LaTeX writes it, with ``{0}`` for the argument, as in ``r"\sigma({0})"`` or ``r"\frac{1}{1 + {0}^2}"``, and
        ``{1}`` for a second one, so that the number 1 in braces is then ``{1 }``; by default by its name. All other braces,
        doubled ones too, remain as they are. An argument is put in parentheses where it needs them, but not between
        brackets, commas or further braces, as in ``r"\sqrt{{0}}"``, and so is the function in a larger formula.

    Returns
    -------
    Function
        For a ``function_set``. It pickles if `function` does, and is added to the language again where it is restored, as
        in the processes of joblib.

    Raises
    ------
    TypeError
        If `function` is not callable, or does not take `arity` arrays.
    ValueError
        If the name is not as described or stands for another function, if `arity` is neither 1 nor 2, if the function does
        not return a float64 array of the shape of its arguments, or writes into them, or if `latex` has no place for one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_taskneurons import Formula, make_function
    >>> softsign = make_function(lambda a: a / (1 + abs(a)), name="softsign")
    >>> Formula("2*softsign(x) + x")(np.array([[1.0, -3.0]]))
    array([-2.5])
    >>> ratio = make_function(lambda a, b: a / (1 + b * b), name="ratio", arity=2)
    >>> Formula("ratio(x, sum(x))")(np.array([[1.0, -3.0]]))
    array([-0.4])
    """
    if not callable(function) or not (torch_function is None or callable(torch_function)):
        raise TypeError(f"function and torch_function must be callable, given {function!r} and {torch_function!r}")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f"name must be 2 to 30 of the characters a-z, 0-9 and _, the first a letter, given {name!r}")
    if keyword.iskeyword(name):
        raise ValueError(f"name must not be a keyword of Python, which formulas cannot call, given {name!r}")
    if arity not in _PLACES:
        raise ValueError(f"arity must be 1 or 2, given {arity!r}")
    _try(function, name, arity)
    places = _PLACES[arity]
    template = rf"\operatorname{{{name.replace('_', chr(92) + '_')}}}({', '.join(places)})" if latex is None else latex
    if not all(place in template for place in places):
        raise ValueError(f"latex must contain {' and '.join(places)} for what the function is of, given {latex!r}")
    return add_function(Function(name, arity, latex=template, numpy_function=function, torch_function=torch_function))


def _try(function: Callable[..., Any], name: str, arity: int) -> None:
    """Raise an error unless a function returns what it must."""
    shape = (2, 3)
    given = np.linspace(-2.0, 2.0, 6 * arity).reshape(arity, *shape)
    arguments = given.copy()
    try:
        with np.errstate(all="ignore"):
            value = function(*arguments)
    except TypeError as error:
        raise TypeError(f"{name} must take {arity} float64 array{'s' * (arity > 1)}, its arity, and raised: {error}") from error
    if not isinstance(value, np.ndarray) or value.shape != shape or value.dtype != np.float64:
        raise ValueError(
            f"{name} must return a float64 array of shape {shape} for any of this shape, given {_described(value)}"
        )
    if not np.array_equal(arguments, given):
        raise ValueError(f"{name} must leave its arguments as they are, and writes into them")


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"one of {value.dtype} and shape {value.shape}"
    return type(value).__name__
