import numpy as np
import pytest

from sklearn_taskneurons import make_function
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._settings import SearchSettings


def wave(a, b):
    return a * np.cos(b)


def product_of_sines(a, b):
    return np.sin(a) * np.sin(2.0 * b)


# Functions of two arguments, one of which torch computes; names that every test here can use.
make_function(wave, name="search_wave", arity=2)
make_function(product_of_sines, name="search_sines", arity=2, torch_function=lambda a, b: a.sin() * (2.0 * b).sin())


# Functions of all kinds, few enough to meet each other often.
FUNCTION_SET = ("add", "sub", "mul", "div", "neg", "pow", "dot", "w", "sum", "sin", "exp", "log", "abs", "tan", "sqrt")


@pytest.fixture(scope="session")
def grammar():
    """What draws programs of functions of all kinds, those of the user's own included."""
    function_set = (*FUNCTION_SET, "search_wave", "search_sines")
    return Grammar(SearchSettings(function_set=function_set, const_range=(-3, 4), max_length=30))


@pytest.fixture
def rng():
    return np.random.default_rng(20240611)


@pytest.fixture
def cubic(rng):
    """Rows whose target is sum_j(2 x_j**3 - x_j) and some noise: X, y."""
    X = rng.normal(size=(300, 4))
    return X, np.sum(2.0 * X**3 - X, axis=1) + rng.normal(size=300)
