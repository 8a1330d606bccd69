import numpy as np
import pytest

from sklearn_taskneurons import make_function


def wave(a, b):
    return a * np.cos(b)


def product_of_sines(a, b):
    return np.sin(a) * np.sin(2.0 * b)


# Functions of two arguments, one of which torch computes; names that every test here can use.
make_function(wave, name="search_wave", arity=2)
make_function(product_of_sines, name="search_sines", arity=2, torch_function=lambda a, b: a.sin() * (2.0 * b).sin())


@pytest.fixture
def rng():
    return np.random.default_rng(20240611)


@pytest.fixture
def cubic(rng):
    """Rows whose target is sum_j(2 x_j**3 - x_j) and some noise: X, y."""
    X = rng.normal(size=(300, 4))
    return X, np.sum(2.0 * X**3 - X, axis=1) + rng.normal(size=300)
