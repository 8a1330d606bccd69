"""Constants inside functions: derivatives against differences, losses against least squares, and constants that are known."""

import numpy as np
import pytest

from sklearn_taskneurons import VSRRegressor, make_function
from sklearn_taskneurons._search import Rows, RowScorer, SearchSettings
from sklearn_taskneurons._search._clock import Clock
from sklearn_taskneurons._search._constants import ConstantOptimizer
from sklearn_taskneurons._search._operators import with_factors
from sklearn_taskneurons._search._population import Population
from sklearn_taskneurons._search._random_trees import Grammar
from sklearn_taskneurons._search._separable import Projection, SeparableProgram
from sklearn_taskneurons.formula import VECTOR, Formula, evaluate
from sklearn_taskneurons.formula._expression import Node

NO_BANK = np.zeros((0, 3))
ENDLESS = Clock(None)


def program(text, vectors=()):
    """A population of one program, whose vectors w stand for these rows of a bank."""
    places = iter(vectors)
    nodes = [Node(VECTOR, next(places)) if node.opcode == VECTOR else node for node in Formula(text).expression]
    return Population.from_expressions([tuple(nodes)])


@pytest.fixture
def data(rng):
    X = rng.normal(size=(150, 3))
    Y = np.column_stack([np.sin(2.7 * X).sum(axis=1), np.tanh(X @ [0.5, -1.0, 0.3])]) + 0.1 * rng.normal(size=(150, 2))
    return X, Y, rng.integers(0, 4, 150).astype(float)


@pytest.mark.parametrize("size", [40, 1000])
def test_residuals_are_those_of_least_squares_and_their_derivatives_those_of_differences(data, size):
    X, Y, weight = data
    bank = np.array([[9.0, 9.0, 9.0], [0.4, -0.8, 0.5]])
    population = program("3*sin(2.5*x) + x*(x + 0.3) - tanh(dot(w, x)) + 4", [1])
    fit = Projection(SeparableProgram(population, 0, bank, with_vectors=True), Rows(X, Y, weight), size)

    def loss(theta):
        frequency, shift, w = theta[0], theta[1], theta[2:]
        columns = [np.ones(150), np.sin(frequency * X).sum(1), (X * (X + shift)).sum(1), np.tanh(X @ w)]
        A, root = np.column_stack(columns), np.sqrt(weight)[:, None]
        left = root * (Y - A @ np.linalg.lstsq(root * A, root * Y, rcond=None)[0])
        variance = np.average((Y - np.average(Y, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
        return np.mean(np.sum(left**2, axis=0) / weight.sum() / variance)

    theta = np.array([2.5, 0.3, 0.4, -0.8, 0.5])
    residuals = fit.residuals(theta)
    assert residuals @ residuals == pytest.approx(loss(theta), rel=1e-10)
    step = 1e-6
    expected = [(loss(theta + step * unit) - loss(theta - step * unit)) / (2 * step) for unit in np.eye(5)]
    np.testing.assert_allclose(2 * fit.jacobian(theta).T @ residuals, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("target", "start"),
    [
        ("sin(2.7*x)", "sin(x*3) - 5"),
        ("5*exp(-0.35*x**2) - 2*x", "x + exp(-(x*x))"),
        ("sin(1.7*x + 0.4) + 0.8*x**2", "sin(x + 1)*2 + x*x"),
        ("x/(x**2 + 2.5)", "x/(x*x + 1)"),
        ("search_sines(1.2*x, 0.7*x + 0.2)*3", "search_sines(x, x + 0.1)"),
    ],
)
def test_noninteger_constants_are_found(rng, target, start):
    X = rng.normal(size=(300, 3))
    y = Formula(target)(X)
    scorer = RowScorer(Rows(X, y), coefficients="shared", optimizer_iterations=20)
    refined = scorer.optimizer.refine(with_factors(program(start), Grammar(SearchSettings())), NO_BANK, ENDLESS)
    assert scorer.score(program(start), NO_BANK).loss[0] > 1e-3
    assert scorer.score(refined, NO_BANK).loss[0] < 1e-20
    best = min(scorer.report(refined, NO_BANK), key=lambda entry: entry.loss)
    np.testing.assert_allclose(best.formulas[0](X), y, atol=1e-9)


def test_vectors_are_found_and_join_the_bank(rng):
    X = rng.normal(size=(200, 3))
    y = 2 * np.tanh(X @ [1.3, -0.4, 0.8]) + 1
    population, bank = program("tanh(dot(w, x))", [1]), np.array([[9.0, 9.0, 9.0], [1.0, 0.2, 0.3]])
    scorer = RowScorer(Rows(X, y), coefficients="shared", optimizer_iterations=30)
    polished, larger = scorer.optimizer.polish(population, bank, ENDLESS)
    np.testing.assert_array_equal(larger[:2], bank)
    np.testing.assert_allclose(evaluate(polished.expression(0, larger), X)[:, 0] * 2 + 1, y, atol=1e-9)
    late, same = scorer.optimizer.polish(population, bank, Clock(0.0))
    assert (late.value == population.value).all()
    assert same.shape == bank.shape
    assert scorer.optimizer.refine(population, bank, ENDLESS).value[0, -2:].tolist() == [1.0, 0.0]  # a vector and x


def test_blocks_of_rows_and_a_second_time_change_nothing(data):
    X, Y, weight = data
    population = program("sin(2.5*x) + x*(x + 0.3)")
    values = [
        ConstantOptimizer(Rows(X, Y, weight), iterations=5, budget=budget).refine(population, NO_BANK, ENDLESS).value
        for budget in (20_000, 1 << 26)
    ]
    np.testing.assert_allclose(*values, rtol=1e-7)
    optimizer = ConstantOptimizer(Rows(X, Y, weight), iterations=5, budget=1 << 26)
    assert (optimizer.refine(population, NO_BANK, ENDLESS).value == optimizer.refine(population, NO_BANK, ENDLESS).value).all()
    assert (population.value == program("sin(2.5*x) + x*(x + 0.3)").value).all()


def test_every_function_gets_a_factor_inside():
    population = Population.from_expressions(
        [
            Formula(text).expression
            for text in (
                "x + 2",
                "sin(x)",
                "cos(3*x)*exp(x + abs(x))",
                "tanh(2)",
                "search_wave(x + sin(x), search_sines(2, x))",
            )
        ]
    )
    expected = ["x + 2", "sin(1*x)", "cos(3*x)*exp(1*(x + abs(1*x)))", "tanh(2)"]
    expected += ["search_wave(1*(x + sin(1*x)), 1*search_sines(2, 1*x))"]
    wanted = Population.from_expressions([Formula(text).expression for text in expected])
    found = with_factors(population, Grammar(SearchSettings(max_length=16)))
    for ours, theirs in zip((found.opcode, found.value, found.size), (wanted.opcode, wanted.value, wanted.size), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    short = with_factors(population, Grammar(SearchSettings(max_length=10)))  # too short for the third, not for the second
    assert [short.length[row] for row in range(5)] == [3, 4, 10, 2, 8]


def test_what_cannot_be_improved_stays(rng):
    def opaque(a):
        return np.asarray(np.maximum(a, 0.5))

    name = make_function(opaque, name="constants_opaque").name
    X = rng.normal(size=(60, 3))
    y = np.sin(2.7 * X).sum(axis=1)
    optimizer = ConstantOptimizer(Rows(X, y), iterations=5, budget=1 << 26)
    for text in ("x + 3*x*x", f"{name}(2*x)", "log(2*x)"):  # no constant inside; no derivative; not finite
        population = program(text)
        assert (optimizer.refine(population, NO_BANK, ENDLESS).value == population.value).all()
    few = ConstantOptimizer(Rows(X[:8], y[:8]), iterations=5, budget=1 << 26)  # three numbers would fit any eight rows
    assert (few.refine(program("sin(3*x)"), NO_BANK, ENDLESS).value == program("sin(3*x)").value).all()
    assert (optimizer.refine(program("sin(3*x)"), NO_BANK, Clock(0.0)).value == program("sin(3*x)").value).all()


HOW = {
    "function_set": ("add", "sub", "mul", "sin"),
    "coefficients": "shared",
    "population_size": 60,
    "generations": 3,
    "max_length": 24,
    "optimizer_iterations": 5,
    "random_state": 0,
}


class TestEstimator:
    @pytest.fixture
    def waves(self, rng):
        X = rng.normal(size=(150, 2))
        return X, (1.5 * np.sin(2.7 * X) + 0.8 * X**2).sum(axis=1)

    def test_it_finds_what_evolution_does_not(self, waves):
        X, y = waves
        model = VSRRegressor(**HOW).fit(X, y)
        assert model.formula_.round(6) == Formula("0.8*x**2 + 1.5*sin(2.7*x)")
        np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
        without = VSRRegressor(**{**HOW, "optimizer_iterations": 0}).fit(X, y)
        assert min(point.loss for point in without.pareto_front_) > 1e-6
        clone = VSRRegressor(**HOW).fit(X, y)
        assert clone.pareto_front_ == model.pareto_front_

    def test_jobs_and_stops_do_not_matter(self, waves, tmp_path):
        X, y = waves[0][:40], waves[1][:40] + np.random.default_rng(0).normal(size=40)
        small = {"population_size": 10, "generations": 3, "max_length": 12, "optimizer_iterations": 2}
        how = {**HOW, **small, "n_islands": 2, "migration_interval": 1, "n_iter_no_change": None}
        models = [VSRRegressor(**how, n_jobs=jobs).fit(X, y) for jobs in (1, 2)]
        assert models[0].pareto_front_ == models[1].pareto_front_
        stopping = [lambda record: record["generation"] == 2]
        assert VSRRegressor(**how, checkpoint=tmp_path / "search.npz", callbacks=stopping).fit(X, y).n_iter_ == 2
        resumed = VSRRegressor(**how, checkpoint=tmp_path / "search.npz").fit(X, y)
        assert resumed.pareto_front_ == models[0].pareto_front_
        with pytest.raises(ValueError, match="optimizer_iterations"):
            VSRRegressor(**{**how, "optimizer_iterations": 9}, checkpoint=tmp_path / "search.npz").fit(X, y)

    def test_constants_inside_functions_count_as_fitted(self, waves):
        X, y = waves
        scorer = RowScorer(Rows(X, y), coefficients="shared", optimizer_iterations=5)
        plain = RowScorer(Rows(X, y), coefficients="shared")
        counts = [max(entry.n_coefficients for entry in s.report(program("sin(2.5*x)"), NO_BANK)) for s in (scorer, plain)]
        assert counts == [3, 3]  # with slope and intercept fitted, all three numbers of the formula count in both

    def test_it_needs_coefficients_that_are_solved(self, waves):
        model = VSRRegressor(**{**HOW, "refit_constants": False})
        with pytest.raises(ValueError, match="optimizer_iterations must be 0 where refit_constants is False"):
            model.fit(*waves)
