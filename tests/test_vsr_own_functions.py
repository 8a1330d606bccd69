"""Searches with functions of one's own."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_taskneurons import Formula, VSRRegressor, make_function


def bump(a):
    return 1 / (1 + a * a)


def hinge(a):
    return np.maximum(a, 0.5)


def beside(a, b):
    return np.sin(a) / (1 + b * b)


class TestFunctionsOfOnesOwn:
    @pytest.mark.parametrize("function", [bump, hinge])
    def test_they_are_found(self, function):
        own = make_function(function, name=f"vsr_{function.__name__}")
        X = np.random.default_rng(0).normal(size=(100, 3))
        y = (3 * function(2 * X) - X).sum(axis=1)
        how = {"population_size": 200, "generations": 20, "coefficients": "shared", "random_state": 0}
        models = [
            VSRRegressor(function_set=("add", "mul", name), **how).fit(X, y) for name in (own, f"vsr_{function.__name__}")
        ]
        assert models[0].formula_ == models[1].formula_
        assert models[0].formula_.round(3) == Formula(f"3*vsr_{function.__name__}(2*x) - x")
        restored = pickle.loads(pickle.dumps(clone(models[0]).fit(X, y)))
        assert_array_equal(restored.predict(X), models[0].predict(X))

    def test_those_of_two_arguments_are_found(self):
        own = make_function(beside, name="vsr_beside", arity=2)
        X = np.random.default_rng(0).normal(size=(100, 3))
        y = (2 * beside(X, X.sum(axis=1, keepdims=True)) + X).sum(axis=1)
        how = {"population_size": 200, "generations": 20, "coefficients": "shared", "random_state": 0}
        model = VSRRegressor(function_set=("add", "mul", "sum", own), **how).fit(X, y)
        assert model.formula_.round(3) == Formula("2*vsr_beside(x, sum(x)) + x")
        assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
