"""Of which functions the formulas of a search are."""

from sklearn_taskneurons._search import POLYNOMIAL_FUNCTIONS
from sklearn_taskneurons.formula import Function


def function_names(function_set):
    """Return the names of functions that are given by their names or as `make_function` returns them.

    Anything else is what it is written as, which is no name.
    """
    names = (function.name if isinstance(function, Function) else function for function in function_set)
    return tuple(name if isinstance(name, str) else repr(name) for name in names)


def is_polynomial(estimator):
    """Return whether a search makes polynomials only."""
    return POLYNOMIAL_FUNCTIONS.issuperset(function_names(estimator.function_set))
