"""Steps in constants: minima that are known, what is bit by bit the same, and constants that have to stay."""

import numpy as np
import pytest
from joblib import parallel_config

from sklearn_taskneurons import VSRRegressor
from sklearn_taskneurons._search import Rows
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._constants import ConstantOptimizer
from sklearn_taskneurons._search._levenberg_marquardt import minimised
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons.formula import Formula

NO_BANK, ENDLESS = np.zeros((0, 3)), Clock(None)


class Curve:
    """The residuals of a function of constants, with its derivatives, and the points at which they were asked for."""

    def __init__(self, residuals, jacobian):
        self._residuals, self._jacobian, self.tried = residuals, jacobian, []

    def residuals(self, constants):
        self.tried.append(constants)
        return self._residuals(constants)

    def jacobian(self, constants):
        return self._jacobian(constants)


def valley():
    """Rosenbrock's function, with its minimum of 0 at (1, 1)."""
    return Curve(
        lambda c: np.array([10.0 * (c[1] - c[0] ** 2), 1.0 - c[0]]),
        lambda c: np.array([[-20.0 * c[0], 10.0], [-1.0, 0.0]]),
    )


def test_the_minimum_of_a_curved_valley_is_found():
    constants, squares = minimised(valley(), np.array([-1.2, 1.0]), 100)
    np.testing.assert_allclose(constants, [1.0, 1.0], rtol=1e-12)
    assert squares < 1e-24


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_no_more_steps_than_allowed_and_none_that_is_worse(steps):
    curve, start = valley(), np.array([-1.2, 1.0])
    constants, squares = minimised(curve, start, steps)
    assert len(curve.tried) <= 1 + steps
    assert squares == min(np.sum(curve.residuals(point) ** 2) for point in list(curve.tried))
    assert squares == np.sum(curve.residuals(constants) ** 2)
    assert start.tolist() == [-1.2, 1.0]


def test_dependent_columns_share_the_least_squares_solution(rng):
    A = rng.normal(size=(20, 2))
    A, target = np.column_stack([A, A[:, 1]]), rng.normal(size=20)
    start = np.array([1.0, 2.0, 3.0])
    constants, _ = minimised(Curve(lambda c: A @ c - target, lambda c: A), start, 50)
    np.testing.assert_allclose(A @ constants, A @ np.linalg.lstsq(A, target, rcond=None)[0], atol=1e-12)
    # The shortest way there moves what is told apart by nothing by the same.
    assert constants[1] - constants[2] == pytest.approx(-1.0, abs=1e-12)


def test_constants_without_derivative_stay_bit_by_bit(rng):
    A, target, start = rng.normal(size=(20, 4)), rng.normal(size=20), np.array([1.0, 0.1, -3.0, 1e9])
    A[:, [1, 3]] = 0.0
    constants, _ = minimised(Curve(lambda c: A @ c - target, lambda c: A), start, 50)
    assert constants[[1, 3]].tolist() == [0.1, 1e9]
    np.testing.assert_allclose(constants[[0, 2]], np.linalg.lstsq(A[:, [0, 2]], target, rcond=None)[0], rtol=1e-9)


def test_where_values_or_derivatives_are_not_finite_it_stays_inside():
    with np.errstate(all="ignore"):
        wall = Curve(lambda c: np.log(c) + 5.0, lambda c: 1.0 / c[:, None])  # Newton's first step is beyond 0
        constants, _ = minimised(wall, np.array([1.0]), 50)
        np.testing.assert_allclose(constants, np.exp(-5.0), rtol=1e-9)
        nowhere = Curve(lambda c: c, lambda c: np.full((1, 1), np.nan))
        assert minimised(nowhere, np.array([1.0]), 50) == (np.array([1.0]), 1.0)
        flat = Curve(lambda c: np.ones(2), lambda c: np.zeros((2, 1)))
        assert minimised(flat, np.array([1.0]), 50) == (np.array([1.0]), 2.0)


def optimised(texts, X, y, iterations=5):
    population = Population.from_expressions([Formula(text).expression for text in texts])
    return ConstantOptimizer(Rows(X, y), iterations=iterations, budget=1 << 26).refine(population, NO_BANK, ENDLESS)


def test_dependent_constants_come_out_the_same_wherever_they_lie_in_memory():
    rng = np.random.default_rng(0)
    X = rng.uniform(0.5, 3.0, size=(300, 3))
    y = X[:, 0] / X[:, 1] + np.sin(2 * X[:, 2]) + 0.01 * rng.normal(size=300)
    found = set()
    for _ in range(150):
        rubbish = [np.full(size, rng.normal()) for size in rng.integers(1, 300, 20)]
        del rubbish[::2]  # what comes next lies in the gaps
        found.add(optimised(["sin(2*x) + sin(2*x) + sin(2*x)"], X, y).value.tobytes())
    assert len(found) == 1


def test_factors_that_change_nothing_stay_as_they_are(rng):
    X = rng.uniform(0.5, 3.0, size=(200, 3))
    y = np.sin(1.7 * X).sum(axis=1) + np.sqrt(X).sum(axis=1)
    refined = optimised(["sin(1.5*x) + sqrt(3*x) + 1/(7*x)"], X, y, 20)
    numbers = [node.value for node in refined.expression(0, NO_BANK) if node.value is not None]
    assert [value for value in numbers if value in (3.0, 7.0)] == [3.0, 7.0]
    assert np.isclose(numbers, 1.7, rtol=1e-9).sum() == 1


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_searches_are_the_same_in_threads_and_processes_and_again(backend, rng):
    X = rng.uniform(0.5, 3.0, size=(100, 3))
    y = X[:, 0] / X[:, 1] + np.sin(2 * X[:, 2]) + 0.01 * rng.normal(size=100)
    how = {"function_set": ("add", "mul", "div", "sin", "dot", "w", "sum"), "population_size": 30, "generations": 6}
    how |= {"optimizer_iterations": 5, "n_islands": 2, "migration_interval": 2, "random_state": 4, "n_iter_no_change": None}
    fronts = [VSRRegressor(**how, n_jobs=1).fit(X, y).pareto_front_ for _ in range(2)]
    with parallel_config(backend, n_jobs=2):
        fronts.append(VSRRegressor(**how).fit(X, y).pareto_front_)
    assert fronts[0] == fronts[1] == fronts[2]
